/* SPDX-License-Identifier: Apache-2.0 */
/* prim_reindex.c - a copy of just what a stage reads of a tensor, by the stage's own axes. prims.def has what it does. */
#include "ir/simplify.h"
#include "schedule/state.h"

struct the_read { const struct tensor *of; const struct expr *read; bool several; };
static bool see_read(const struct expr *e, void *u)
{
    struct the_read *r = u;
    if (e->op == OP_READ && e->val.tensor == r->of) {
        r->several = r->several || (r->read && r->read != e);
        r->read = e;
    }
    return true;
}

struct instead { const struct expr *read, *by; };
static const struct expr *instead_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct instead *r = u;
    if (e == r->read) return ir_cast(c, e->type.dt, r->by);
    bool twice = e->op == OP_CAST && e->kid[0]->op == OP_CAST && e->kid[0]->kid[0] == r->by &&
                 e->kid[0]->type.dt == r->read->type.dt;
    return twice ? ir_cast(c, e->type.dt, r->by) : NULL; /* by holds the same values, perhaps in a wider type */
}

bool prim_reindex(struct applying *a)
{
    struct ir_ctx *c = a->c;
    int at;
    enum dtype dt;
    if (!arg_count(a, 2, 2)) return false;
    const struct tensor *x = arg_tensor(a, 0);
    struct stage *g = x ? arg_stage(a, 1, &at) : NULL;
    if (!g || !arg_wider(a, x, &dt)) return false;
    struct the_read r = {x, NULL, false};
    ir_walk(g->body, see_read, &r);
    if (!r.read || r.several)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s must read one element of %s in a term, not %s", g->tensor->name, x->name,
                         r.several ? "several" : "none");
    for_kids(r.read, d) { /* in the copy nothing guards a lazy read */
        struct range at_d = ir_bounds(r.read->kid[d], NULL);
        if (at_d.lo < 0 || at_d.hi >= x->shape[d])
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s reads %s at %lld..%lld along %s, which only a condition keeps inside",
                             g->tensor->name, x->name, (long long)at_d.lo, (long long)at_d.hi, x->dim_name[d]);
    }
    const char *name = a->step->nout ? a->step->out[0] : arena_printf(&c->arena, "%s_by_%s", x->name, g->tensor->name);
    if (!check_new_tensor_name(a, name)) return false;

    int64_t shape[QJ_MAX_RANK];
    const struct var *from[QJ_MAX_RANK + QJ_MAX_PHYS];
    const struct expr *with[QJ_MAX_RANK + QJ_MAX_PHYS], *mine[QJ_MAX_RANK];
    int which[QJ_MAX_RANK], n = 0, all = 0;
    for (int i = 0; i < g->nroot; i++) {
        if (g->root_extent[i] != g->root_var[i]->extent)
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is padded; reindex before pad", g->tensor->name);
        if (!ir_uses(r.read, g->root_var[i])) continue;
        from[all] = g->root_var[i];
        with[all++] = ir_idx(c, 0);
        if (g->root_extent[i] == 1) continue;
        if (n == QJ_MAX_RANK) return fail_step(a, ERR_TOO_LARGE, NULL, "the copy would have too many axes");
        shape[n] = g->root_extent[i];
        which[n++] = i;
    }
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, dt, n, shape);
    t->range = x->range;
    for (int d = 0; d < n; d++) {
        const struct var *v = g->root_var[which[d]];
        t->dim_name[d] = v->name;
        t->axis[d] = ir_var(c, v->name, shape[d]);
        mine[d] = ir_var_expr(c, v);
        for (int i = 0; i < all; i++)
            if (from[i] == v) with[i] = ir_var_expr(c, t->axis[d]);
    }
    t->body = ir_cast(c, dt, ir_subst(c, r.read, all, from, with));
    struct stage *copy = stage_new(c, t, t->body);
    struct instead by = {r.read, ir_read(c, t, mine)};
    g->body = ir_rewrite(c, g->body, instead_rule, &by);
    return insert_stage(a, state_stage_of(a->st, x) + 1, copy) >= 0;
}
