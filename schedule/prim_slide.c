/* SPDX-License-Identifier: Apache-2.0 */
/* prim_slide.c - slide: neighbours along an axis share one window of their input. prims.def has an example.
 *
 *     C[x] = sum(s) P[a*x + b*s] * W[s]               s in 0..K
 *     C[x] = sum(t) P[a*F*(x/F) + t] * V[t, x%F]      t in 0..a*(F-1) + b*(K-1) + 1
 *     V[t, u] = W[(t - a*u)/b] where t - a*u is one of 0, b, .. b*(K-1), else 0
 *
 * The F neighbours x = F*j .. F*j + F-1 now read the same elements of P, from one place that moves by a*F: so
 * groups of t can lie side by side in P's layout, none of them twice, and a load serves F sums. V is a stage of
 * its own, packed ahead where W is constant. More terms are added, all of them zero. */
#include "ir/simplify.h"
#include "schedule/state.h"

struct sliding {
    struct applying *a;
    const struct stage *g;
    const struct var *x, *s, *t;
    const struct expr *xe, *te;
    int64_t factor, step, dilation;         /* F, a, b; step 0: not known yet */
    const struct expr *kernel;              /* the read by s without x */
    const struct tensor *spread;            /* V */
    int kernel_dim;                         /* the dimension s indexes */
    const struct var_range *env;            /* after the change */
    bool ok;
};

static bool refuse(struct sliding *w, const char *why, const char *name)
{
    if (w->ok)
        fail_step(w->a, ERR_ILLEGAL_STEP, NULL, "%s and %s of %s are not the axes of a window: %s %s", w->x->name, w->s->name,
                  w->g->tensor->name, name, why);
    return w->ok = false;
}

/* Step and dilation, and the one read that stands for the kernel. */
static bool see_read(const struct expr *e, void *u)
{
    struct sliding *w = u;
    if (e->op != OP_READ || !w->ok || !ir_uses(e, w->s)) return w->ok;
    const char *name = e->val.tensor->name;
    if (!ir_uses(e, w->x)) {
        if (w->kernel && w->kernel != e) return refuse(w, "is another operand indexed by the second alone", name);
        w->kernel = e;
        w->kernel_dim = -1;
        for_kids(e, d) {
            if (!ir_uses(e->kid[d], w->s)) continue;
            if (e->kid[d] != ir_var_expr(w->a->c, w->s) || w->kernel_dim >= 0)
                return refuse(w, "is not indexed by it plainly, in one dimension", name);
            w->kernel_dim = d;
        }
        return true;
    }
    const struct var *both[2] = {w->x, w->s};
    for_kids(e, d) {
        int64_t coef[2];
        const struct expr *base;
        if (!ir_uses(e->kid[d], w->x) && !ir_uses(e->kid[d], w->s)) continue;
        if (!ir_affine(w->a->c, e->kid[d], 2, both, coef, &base) || coef[0] <= 0 || coef[1] <= 0)
            return refuse(w, "has a dimension not indexed by a sum of multiples of both", name);
        if (w->step && (w->step != coef[0] || w->dilation != coef[1]))
            return refuse(w, "is indexed by other multiples than another operand", name);
        w->step = coef[0];
        w->dilation = coef[1];
    }
    return true;
}

/* V, filled with zeros where an output's window does not reach. */
static struct tensor *spread_kernel(struct sliding *w, const char *name)
{
    struct ir_ctx *c = w->a->c;
    const struct tensor *k = w->kernel->val.tensor;
    const struct expr *idx[QJ_MAX_RANK];
    int64_t shape[QJ_MAX_RANK], last = w->dilation * (w->s->extent - 1);
    int n = k->ndim;
    for (int d = 0; d < n; d++) shape[d] = k->shape[d];
    shape[w->kernel_dim] = w->t->extent;
    shape[n] = w->factor;
    struct tensor *v = ir_tensor(c, name, TENSOR_COMPUTE, k->dt, n + 1, shape);
    bool taken = false;
    for (int d = 0; d < n; d++) {
        v->dim_name[d] = k->dim_name[d];
        taken |= !strcmp(k->dim_name[d], w->x->name);
    }
    v->dim_name[n] = taken ? arena_printf(&c->arena, "%s_%s", w->x->name, k->dim_name[w->kernel_dim]) : w->x->name;
    for (int d = 0; d <= n; d++) v->axis[d] = ir_var(c, v->dim_name[d], shape[d]);
    for (int d = 0; d < n; d++) idx[d] = ir_var_expr(c, v->axis[d]);
    const struct expr *at = ir_sub(c, ir_var_expr(c, v->axis[w->kernel_dim]),
                                   ir_mul(c, ir_var_expr(c, v->axis[n]), ir_idx(c, w->step)));
    const struct expr *inside = ir_and(c, ir_le(c, ir_idx(c, 0), at), ir_le(c, at, ir_idx(c, last)));
    if (w->dilation > 1) inside = ir_and(c, inside, ir_eq(c, ir_mod(c, at, ir_idx(c, w->dilation)), ir_idx(c, 0)));
    idx[w->kernel_dim] = ir_div(c, at, ir_idx(c, w->dilation));
    v->range = k->range;
    v->range.lo = i64_min(v->range.lo, 0);
    v->range.hi = i64_max(v->range.hi, 0);
    v->body = ir_select(c, inside, ir_read(c, k, idx), ir_int(c, type_of(k->dt), 0));
    return v;
}

static const struct expr *slide_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    struct sliding *w = u;
    if (e->op != OP_READ || !w->ok || !ir_uses(e, w->s)) return NULL;
    const struct expr *idx[QJ_MAX_RANK], *factor = ir_idx(c, w->factor);
    for_kids(e, d) idx[d] = e->kid[d];
    if (e == w->kernel) {
        idx[w->kernel_dim] = w->te;
        idx[e->nkid] = ir_mod(c, w->xe, factor);
        return ir_read(c, w->spread, idx);
    }
    const struct var *both[2] = {w->x, w->s};
    for_kids(e, d) {
        int64_t coef[2];
        const struct expr *base;
        if (!ir_uses(e->kid[d], w->s)) continue;
        ir_affine(c, e->kid[d], 2, both, coef, &base);
        const struct expr *from = ir_mul(c, ir_div(c, w->xe, factor), ir_idx(c, w->step * w->factor));
        idx[d] = ir_add(c, ir_add(c, from, w->te), base);
        const struct tensor *t = e->val.tensor;
        int i = state_stage_of(w->a->st, t);
        struct stage *g = i < 0 ? NULL : w->a->st->stage[i];
        int64_t have = g ? g->root_extent[d] : t->shape[d], need = ir_bounds(idx[d], w->env).hi + 1;
        if (need <= have || extend_zero(w->a, g, d, need)) continue;
        w->ok = false;
        fail_step(w->a, ERR_ILLEGAL_STEP, NULL, "%s would read %s beyond its extent %lld, and it cannot be extended with zeros",
                  w->g->tensor->name, t->name, (long long)have);
        err_hint(&c->err, "cache_read %s global first: the copy can be extended", t->name);
        return NULL;
    }
    return ir_read(c, e->val.tensor, idx);
}

/* A product is zero where the kernel is. */
static const struct expr *zero_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct sliding *w = u;
    return e == w->kernel ? ir_int(c, e->type, 0) : NULL;
}

static bool check_sum(struct applying *a, const struct stage *g, const struct iter *x, const struct iter *s)
{
    if (stage_scheduled(g)) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s already has loop steps", g->tensor->name);
        err_hint(&a->c->err, "give slide before splitting, reordering or vectorizing the stage");
        return false;
    }
    if (!s->reduce || x->reduce) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s must be summed over and %s not", s->name, x->name);
        err_hint(&a->c->err, "slide STAGE.TAP AXIS: TAP runs within the window, AXIS moves it");
        return false;
    }
    if ((enum combiner)g->body->val.i != RED_SUM || g->tensor->dt == DT_F32)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "only integer sums can be given more terms of zero");
    return true;
}

bool prim_slide(struct applying *a)
{
    struct ir_ctx *c = a->c;
    struct stage *g = NULL;
    int64_t factor;
    if (!arg_count(a, 3, 3)) return false;
    int s = arg_axis(a, 0, &g), x = s < 0 ? -1 : arg_axis(a, 1, &g);
    if (x < 0 || !arg_int(a, 2, 1, 64, &factor) || !check_sum(a, g, &g->iter[x], &g->iter[s])) return false;
    int at = state_stage_of(a->st, g->tensor);
    if (!check_nothing_inside(a, g, "slide")) return false;
    struct sliding w = {.a = a, .g = g, .x = g->root_var[x], .s = g->root_var[s], .factor = factor, .ok = true};
    if (g->root_extent[s] != w.s->extent)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s.%s is padded; slide before pad", g->tensor->name, w.s->name);
    const struct expr *term = g->body->kid[0];
    ir_walk(term, see_read, &w);
    if (!w.ok) return false;
    if (!w.kernel || !w.step) refuse(&w, w.kernel ? "is indexed by the second, and nothing by both" : "has no operand indexed by "
                                     "the second alone", w.kernel ? w.kernel->val.tensor->name : g->tensor->name);
    if (w.ok && !ir_is_int(ir_simplify(c, ir_rewrite(c, term, zero_rule, &w), NULL), 0))
        refuse(&w, "is no factor of all terms", w.kernel->val.tensor->name);
    if (!w.ok) return false;
    const struct tensor *k = w.kernel->val.tensor;
    int from = state_stage_of(a->st, k);
    for (int d = 0; from >= 0 && d < k->ndim; d++)
        if (a->st->stage[from]->root_extent[d] != k->shape[d])
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is padded; slide before pad", k->name);
    if (k->ndim == QJ_MAX_RANK) return fail_step(a, ERR_TOO_LARGE, NULL, "%s would have too many axes", k->name);
    if (a->step->nout > 1) return fail_step(a, ERR_STEP_ARGS, NULL, "names one tensor after ->");
    const char *name = a->step->nout ? a->step->out[0] : arena_printf(&c->arena, "%s_slide", k->name);
    if (!check_new_tensor_name(a, name)) return false;

    w.t = ir_var(c, w.s->name, w.step * (factor - 1) + w.dilation * (w.s->extent - 1) + 1);
    w.te = ir_var_expr(c, w.t);
    w.xe = ir_var_expr(c, w.x);
    w.spread = spread_kernel(&w, name);
    struct var_range env[QJ_MAX_RANK + QJ_MAX_PHYS];
    for (int i = 0; i < g->nroot; i++)
        env[i] = (struct var_range){g->root_var[i], {0, g->root_extent[i] - 1}, i ? &env[i - 1] : NULL};
    w.env = &env[g->nroot - 1];
    const struct expr *axes[QJ_MAX_PHYS], *moved = ir_rewrite(c, term, slide_rule, &w);
    if (!w.ok) return false;
    int n = g->nroot - g->nroot_data;
    for (int i = 0; i < n; i++) axes[i] = g->nroot_data + i == s ? w.te : ir_var_expr(c, g->root_var[g->nroot_data + i]);
    struct stage *sum = stage_new(c, g->tensor, ir_reduce(c, RED_SUM, moved, n, axes));
    for (int i = 0; i < g->nroot; i++)
        if (i != s) sum->root_extent[i] = g->root_extent[i];
    stage_succeed(sum, g);
    a->st->stage[at] = sum;
    return insert_stage(a, from + 1, stage_new(c, w.spread, w.spread->body)) >= 0;
}
