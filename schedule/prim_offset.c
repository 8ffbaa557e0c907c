/* SPDX-License-Identifier: Apache-2.0 */
/* prim_offset.c - moves one factor of a sum of products by a constant, so that it has the type an instruction
 * takes: sum(x * w) = sum((x + n) * w) - n * sum(w), exact modulo 2^32. prims.def has what it does. */
#include "schedule/state.h"

/* A stage of its own over the data axes of g that `use` says, with g's reduce axes. */
static struct tensor *new_tensor(struct applying *a, const struct stage *g, const char *name, const bool *use)
{
    struct ir_ctx *c = a->c;
    int64_t shape[QJ_MAX_RANK];
    int n = 0;
    for (int i = 0; i < g->nroot_data; i++)
        if (use[i]) shape[n++] = g->tensor->shape[i];
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, DT_I32, n, shape);
    n = 0;
    for (int i = 0; i < g->nroot_data; i++) {
        if (!use[i]) continue;
        t->dim_name[n] = g->tensor->dim_name[i];
        t->axis[n] = ir_var(c, g->root_var[i]->name, shape[n]);
        n++;
    }
    t->range = dtype_range(DT_I32);
    return t;
}

/* sum over g's reduce axes of `term`, by the axes of t. */
static struct stage *sum_stage(struct applying *a, const struct stage *g, struct tensor *t, const bool *use,
                               const struct expr *term)
{
    struct ir_ctx *c = a->c;
    const struct var *from[QJ_MAX_RANK + QJ_MAX_PHYS];
    const struct expr *with[QJ_MAX_RANK + QJ_MAX_PHYS], *axes[QJ_MAX_PHYS];
    int n = 0, at = 0, nred = g->nroot - g->nroot_data;
    for (int i = 0; i < g->nroot_data; i++) {
        if (!use[i]) continue;
        from[n] = g->root_var[i];
        with[n++] = ir_var_expr(c, t->axis[at++]);
    }
    for (int i = 0; i < nred; i++) {
        const struct var *v = g->root_var[g->nroot_data + i];
        from[n] = v;
        with[n++] = axes[i] = ir_var_expr(c, ir_var(c, v->name, v->extent));
    }
    t->body = ir_reduce(c, RED_SUM, ir_subst(c, term, n, from, with), nred, axes);
    return stage_new(c, t, t->body);
}

static const char *name_of(struct applying *a, int k, const char *wish)
{
    const char *name = k < a->step->nout ? a->step->out[k] : wish;
    return check_new_tensor_name(a, name) ? name : NULL;
}

/* x + n, elementwise, as type dt. */
static struct stage *moved(struct applying *a, const struct tensor *x, const char *name, enum dtype dt, int64_t n)
{
    struct ir_ctx *c = a->c;
    const struct expr *idx[QJ_MAX_RANK];
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, dt, x->ndim, x->shape);
    for (int i = 0; i < x->ndim; i++) {
        t->dim_name[i] = x->dim_name[i];
        t->axis[i] = ir_var(c, x->dim_name[i], x->shape[i]);
        idx[i] = ir_var_expr(c, t->axis[i]);
    }
    t->range = (struct range){x->range.lo + n, x->range.hi + n};
    t->body = ir_add(c, ir_cast(c, dt, ir_read(c, x, idx)), ir_int(c, type_of(dt), n)); /* wraps, and back into range */
    return stage_new(c, t, t->body);
}

bool prim_offset(struct applying *a)
{
    struct ir_ctx *c = a->c;
    int at;
    int64_t n;
    if (!arg_count(a, 3, 3)) return false;
    const struct tensor *x = arg_tensor(a, 0);
    struct stage *g = x ? arg_stage(a, 1, &at) : NULL;
    if (!g || !arg_int(a, 2, -(1 << 15), 1 << 15, &n)) return false;
    const struct step_arg *as = arg_key(a, "as");
    enum dtype dt = x->dt;
    if (as && (!as->word || !dt_by_name(as->word, strlen(as->word), &dt) || !dt_is_int(dt)))
        return fail_step(a, ERR_STEP_ARGS, as, "as= takes an integer type, e.g. as=u8");
    struct range r = dtype_range(dt);
    if (!dt_is_int(x->dt) || x->range.lo + n < r.lo || x->range.hi + n > r.hi) {
        fail_step(a, ERR_TYPE, &a->step->arg[0], "%s holds %lld..%lld; moved by %lld that is not %s", x->name,
                  (long long)x->range.lo, (long long)x->range.hi, (long long)n, dtype_info[dt].name);
        err_hint(&c->err, "i8 becomes u8 by 128, u8 becomes i8 by -128");
        return false;
    }
    const struct expr *red = stage_reduce(g), *body = red ? red->kid[0] : NULL;
    if (!red || (enum combiner)red->val.i != RED_SUM || g->tensor->dt != DT_I32 || body->op != OP_MUL)
        return fail_step(a, ERR_ILLEGAL_STEP, &a->step->arg[1], "%s is not an i32 sum of products", g->tensor->name);
    if (stage_scheduled(g) || g->attach != ATTACH_ROOT) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s already has loop steps", g->tensor->name);
        err_hint(&c->err, "give offset before splitting, reordering or moving the stage");
        return false;
    }
    for (int i = 0; i < g->nroot; i++)
        if (g->root_extent[i] != g->root_var[i]->extent)
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is padded; offset before pad", g->tensor->name);
    int from = state_stage_of(a->st, x);
    for (int i = 0; from >= 0 && i < x->ndim; i++)
        if (a->st->stage[from]->root_extent[i] != x->shape[i]) {
            fail_step(a, ERR_ILLEGAL_STEP, &a->step->arg[0], "%s has been extended with zeros, which would be moved too", x->name);
            err_hint(&c->err, "give offset before pad and slide");
            return false;
        }
    const struct expr *read[2] = {exact_read(body->kid[0]), exact_read(body->kid[1])};
    int mine = 0;
    while (mine < 2 && !(read[mine] && read[mine]->val.tensor == x)) mine++;
    if (mine == 2 || reads_tensor(body->kid[1 - mine], x))
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "one factor of %s's product must be %s, with its value, and the other not "
                         "read it", g->tensor->name, x->name);
    const char *copy = name_of(a, 0, arena_printf(&c->arena, "%s_%s", x->name, dtype_info[dt].name));
    const char *sum = copy ? name_of(a, 1, arena_printf(&c->arena, "%s_moved", g->tensor->name)) : NULL;
    const char *sums = sum ? name_of(a, 2, arena_printf(&c->arena, "%s_sums", g->tensor->name)) : NULL;
    if (!sums) return false;

    struct stage *m = moved(a, x, copy, dt, n);
    const struct expr *other = body->kid[1 - mine];
    const struct expr *factor = ir_cast(c, DT_I32, ir_read(c, m->tensor, read[mine]->kid));
    bool all[QJ_MAX_RANK], used[QJ_MAX_RANK];
    for (int i = 0; i < g->nroot_data; i++) {
        all[i] = true;
        used[i] = ir_uses(other, g->root_var[i]);
    }
    struct tensor *tsum = new_tensor(a, g, sum, all), *tsums = new_tensor(a, g, sums, used);
    struct stage *gsum = sum_stage(a, g, tsum, all, ir_mul(c, factor, other));
    struct stage *gsums = sum_stage(a, g, tsums, used, other);
    const struct expr *idx[QJ_MAX_RANK], *some[QJ_MAX_RANK];
    int k = 0;
    for (int i = 0; i < g->nroot_data; i++) {
        idx[i] = ir_var_expr(c, g->tensor->axis[i]);
        if (used[i]) some[k++] = idx[i];
    }
    const struct expr *surplus = ir_mul(c, ir_int(c, type_of(DT_I32), n), ir_read(c, tsums, some));
    struct stage *rest = stage_new(c, g->tensor, ir_sub(c, ir_read(c, tsum, idx), surplus));
    stage_succeed(rest, g);
    a->st->stage[at] = rest;
    return insert_stage(a, at, gsum) >= 0 && insert_stage(a, at, gsums) >= 0 && insert_stage(a, from + 1, m) >= 0;
}
