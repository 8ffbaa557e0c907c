/* SPDX-License-Identifier: Apache-2.0 */
/* prim_reduce.c - primitives that need arithmetic facts: pad, rfactor, tensorize. prims.def has what they do. */
#include "ir/simplify.h"
#include "schedule/relations.h"
#include "schedule/state.h"

/* ---- pad ---- */

struct padding {
    struct applying *a;
    const struct stage *g;
    const struct var *axis;             /* the axis being padded */
    const struct var_range *env;        /* ranges of g's axes after padding */
    const struct var_range *added;      /* the same for the new terms alone; NULL: they need not be zero */
    bool ok;
};

bool extend_zero(struct applying *a, struct stage *g, int d, int64_t extent)
{
    struct ir_ctx *c = a->c;
    if (!g || g->output || stage_reduce(g)) return false;
    const struct tensor *t = g->tensor;
    const struct expr *inside = ir_lt(c, ir_var_expr(c, t->axis[d]), ir_idx(c, t->shape[d])), *e = g->body;
    const struct expr *zero = t->dt == DT_F32 ? ir_flt(c, type_of(DT_F32), 0) : ir_int(c, type_of(t->dt), 0);
    while (e->op == OP_SELECT && e->kid[2] == zero && e->kid[0] != inside) e = e->kid[1];
    if (e->op != OP_SELECT || e->kid[0] != inside) g->body = ir_select(c, inside, g->body, zero);
    g->root_extent[d] = i64_max(g->root_extent[d], extent);
    return true;
}

/* Makes room for what a READ touches now; zero when all the new terms lie beyond the tensor. */
static const struct expr *pad_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    struct padding *p = u;
    if (e->op != OP_READ || !p->ok) return NULL;
    const struct tensor *t = e->val.tensor;
    bool zero = false;
    for_kids(e, d) {
        if (!ir_uses(e->kid[d], p->axis)) continue;
        int i = state_stage_of(p->a->st, t);
        struct stage *g = i < 0 ? NULL : p->a->st->stage[i];
        int64_t have = g ? g->root_extent[d] : t->shape[d], need = ir_bounds(e->kid[d], p->env).hi + 1;
        if (need > have && !extend_zero(p->a, g, d, need)) {
            p->ok = false;
            fail_step(p->a, ERR_ILLEGAL_STEP, NULL, "padding %s would read %s beyond its extent %lld, and it cannot be "
                      "extended with zeros", p->g->tensor->name, t->name, (long long)have);
            err_hint(&c->err, "cache_read %s global first: the copy can be extended", t->name);
            return NULL;
        }
        if (p->added && ir_bounds(e->kid[d], p->added).lo >= t->shape[d] && extend_zero(p->a, g, d, need)) zero = true;
    }
    return !zero ? NULL : t->dt == DT_F32 ? ir_flt(c, e->type, 0) : ir_int(c, e->type, 0);
}

bool pad_root(struct applying *a, int stage, int root, int64_t multiple)
{
    struct stage *g = a->st->stage[stage];
    int64_t old = g->root_extent[root], extent = ceil_div(old, multiple) * multiple;
    if (extent == old) return true;
    bool reduce = root >= g->nroot_data;
    if (g->output && !reduce) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is an output of the kernel and keeps its shape", g->tensor->name);
        err_hint(&a->c->err, "cache_write %s local first and pad that stage", g->tensor->name);
        return false;
    }
    if (reduce && ((enum combiner)g->body->val.i != RED_SUM || g->tensor->dt == DT_F32))
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "only integer sums can be padded with terms of zero");
    g->root_extent[root] = extent;
    struct var_range env[QJ_MAX_RANK + QJ_MAX_PHYS];
    for (int i = 0; i < g->nroot; i++)
        env[i] = (struct var_range){g->root_var[i], {0, g->root_extent[i] - 1}, i ? &env[i - 1] : NULL};
    const struct var_range *all = &env[g->nroot - 1], added = {g->root_var[root], {old, extent - 1}, all};
    struct padding p = {a, g, g->root_var[root], all, reduce ? &added : NULL, true};
    const struct expr *body = reduce ? g->body->kid[0] : g->body;
    const struct expr *zeroed = ir_rewrite(a->c, body, pad_rule, &p);
    if (!p.ok) return false;
    if (reduce && !ir_is_int(ir_simplify(a->c, zeroed, NULL), 0)) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "the terms beyond %s's extent %lld would not be zero",
                  g->root_var[root]->name, (long long)old);
        err_hint(&a->c->err, "a product is zero when one of its factors is read from an extended stage");
        return false;
    }
    return true;
}

bool prim_pad(struct applying *a)
{
    struct stage *g = NULL;
    int64_t multiple;
    if (!arg_count(a, 2, 2)) return false;
    int iter = arg_axis(a, 0, &g);
    if (iter < 0 || !arg_int(a, 1, 1, 1 << 20, &multiple)) return false;
    if (iter >= g->nroot)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is not an axis of the tensor any more; pad before splitting",
                         g->iter[iter].name);
    return pad_root(a, state_stage_of(a->st, g->tensor), iter, multiple);
}

/* ---- rfactor ---- */

bool prim_rfactor(struct applying *a)
{
    struct ir_ctx *c = a->c;
    struct stage *g = NULL;
    if (!arg_count(a, 1, 1)) return false;
    int f = arg_axis(a, 0, &g);
    if (f < 0) return false;
    if (!g->iter[f].reduce) return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is not a reduce loop", g->iter[f].name);
    if (g->tensor->dt == DT_F32)
        return fail_step(a, ERR_FLOAT_ORDER, NULL, "rfactor would change the order of an f32 reduction");
    if (g->tensorize_iter >= 0) return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is tensorized", g->tensor->name);
    if (g->tensor->ndim == QJ_MAX_RANK) return fail_step(a, ERR_TOO_LARGE, NULL, "the partial results would have too many axes");
    for (int r = 0; r < g->nrel; r++)
        if (!g->iter[g->rel[r].outer].reduce) {
            fail_step(a, ERR_ILLEGAL_STEP, NULL, "data-parallel loops of %s are already split or fused", g->tensor->name);
            err_hint(&c->err, "rfactor first, then schedule the data-parallel loops");
            return false;
        }
    for (int i = 0; i < g->nleaf; i++) {
        const struct iter *it = &g->iter[g->leaf[i]];
        if (it->how == LOOP_SERIAL) continue;
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s.%s is already %s, which neither of the two stages would keep", g->tensor->name,
                  it->name, loop_kind_name[it->how]);
        return err_hint(&c->err, "rfactor first, then mark the loops of both"), false;
    }
    if (!check_nothing_inside(a, g, "be summed in parts")) return false;
    const char *name = a->step->nout ? a->step->out[0] : arena_printf(&c->arena, "%s_rf", g->tensor->name);
    if (!check_new_tensor_name(a, name)) return false;

    /* New axes: the factored loop, then the tensor's; the other reduce loops stay reduced. */
    enum combiner k = (enum combiner)g->body->val.i;
    int64_t ext[MAX_ITERS], shape[QJ_MAX_RANK];
    stage_extents(g, g->root_extent, ext);
    shape[0] = ext[f];
    for (int i = 0; i < g->tensor->ndim; i++) shape[i + 1] = g->tensor->shape[i];
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, g->tensor->dt, g->tensor->ndim + 1, shape);
    const struct expr *leaf[MAX_ITERS] = {0}, *val[MAX_ITERS], *others[QJ_MAX_PHYS], *back[QJ_MAX_RANK];
    int nother = 0;
    t->axis[0] = ir_var(c, g->iter[f].name, ext[f]);
    t->dim_name[0] = g->iter[f].name;
    for (int i = 0; i < g->tensor->ndim; i++) {
        t->axis[i + 1] = ir_var(c, g->tensor->dim_name[i], shape[i + 1]);
        t->dim_name[i + 1] = g->tensor->dim_name[i];
        leaf[i] = ir_var_expr(c, t->axis[i + 1]);
    }
    for (int i = 0; i < g->nleaf; i++) {
        int it = g->leaf[i];
        if (!g->iter[it].reduce) continue;
        if (it == f) {
            leaf[it] = ir_var_expr(c, t->axis[0]);
            continue;
        }
        if (nother == QJ_MAX_PHYS) return fail_step(a, ERR_TOO_LARGE, NULL, "too many reduce loops");
        leaf[it] = others[nother++] = ir_var_expr(c, ir_var(c, g->iter[it].name, ext[it]));
    }
    stage_values(c, g, ext, leaf, val);
    const struct expr *body = g->body->kid[0];
    const struct var *from[QJ_MAX_RANK + QJ_MAX_PHYS];
    const struct expr *inside = ir_bool(c, true);
    for (int i = 0; i < g->nroot; i++) from[i] = g->root_var[i];
    body = ir_subst(c, body, g->nroot, from, val);
    for (int r = 0; r < g->nrel; r++) {
        const struct expr *guard = rel_guard(c, &g->rel[r], ext, val);
        if (guard) inside = ir_and(c, inside, guard);
    }
    body = ir_select(c, inside, body, ir_identity(c, k, g->tensor->dt));
    t->body = nother ? ir_reduce(c, k, body, nother, others) : body;
    struct stage *rf = stage_new(c, t, t->body);

    const struct var *again = ir_var(c, g->iter[f].name, ext[f]);
    const struct expr *idx[QJ_MAX_RANK];
    idx[0] = back[0] = ir_var_expr(c, again);
    for (int i = 0; i < g->tensor->ndim; i++) idx[i + 1] = ir_var_expr(c, g->tensor->axis[i]);
    struct stage *sum = stage_new(c, g->tensor, ir_reduce(c, k, ir_read(c, t, idx), 1, back));
    stage_succeed(sum, g);
    int at = state_stage_of(a->st, g->tensor);
    a->st->stage[at] = sum;
    return insert_stage(a, at, rf) >= 0;
}

/* ---- tensorize ---- */

static const struct intrin *arg_intrin(struct applying *a, int k)
{
    const struct step_arg *x = &a->step->arg[k];
    if (!x->word) return fail_step(a, ERR_STEP_ARGS, x, "argument %d is the name of an instruction", k + 1), NULL;
    const struct intrin *in = target_intrin(a->target, x->word);
    if (in) return in;
    const struct intrin_row *row = target_row(a->target, x->word);
    if (row) {
        const char *lacks = target_lacks(a->c, a->target, row->needs);
        fail_step(a, ERR_FEATURE, x, "%s needs %s, which target %s does not have", row->name, lacks ? lacks : row->needs,
                  a->target->name);
        return NULL;
    }
    fail_step(a, ERR_INTRIN, x, "target %s has no instruction named `%s`", a->target->name, x->word);
    const char *names[256];
    int n = 0;
    for (int i = 0; i < a->target->nintrin && n < (int)ARRAY_LEN(names); i++) names[n++] = a->target->intrin[i].row->name;
    const char *near = err_suggest(x->word, names, (size_t)n);
    if (near) err_hint(&a->c->err, "did you mean `%s`?", near);
    else err_hint(&a->c->err, "`explain` lists the instructions and where they fit");
    return NULL;
}

bool prim_tensorize(struct applying *a)
{
    struct stage *g = NULL;
    enum tail tail;
    if (!arg_count(a, 2, 2)) return false;
    int iter = arg_axis(a, 0, &g);
    const struct intrin *in = iter < 0 ? NULL : arg_intrin(a, 1);
    if (!in || !arg_tail(a, TAIL_ERROR, &tail)) return false;
    if (g->tensorize_iter >= 0) return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is already tensorized", g->tensor->name);
    int pos = state_leaf_pos(g, iter);
    for (int i = pos; i < g->nleaf; i++) {
        const struct iter *x = &g->iter[g->leaf[i]];
        if (x->how != LOOP_SERIAL)
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "loop %s inside the region is %s", x->name, loop_kind_name[x->how]);
    }
    if (tail == TAIL_PAD)
        for (int r = 0; r < g->nrel; r++) {
            const struct rel *x = &g->rel[r];
            if (x->kind != REL_SPLIT || x->by_parts || state_leaf_pos(g, x->inner) < pos || x->parent >= g->nroot) continue;
            if (!pad_root(a, state_stage_of(a->st, g->tensor), x->parent, x->factor)) return false;
        }
    g->tensorize_iter = iter;
    g->intrin = in;
    g->tensorize_tail = tail;
    return true;
}
