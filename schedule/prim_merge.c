/* SPDX-License-Identifier: Apache-2.0 */
/* prim_merge.c - merge: two axes of a stage become one. prims.def has what it does.
 *
 * fuse joins loops and leaves the tensor alone; merge changes the axes themselves, so that what works on axes
 * (pad, transform_layout, compute_at) sees the joined one. Of two data axes it makes a dimension, and every
 * reader's index is rewritten; of two reduce axes, an axis of the sum. Indices are simplified on the way with
 * nothing known about the axes' extents: a later pad may enlarge them. */
#include "ir/simplify.h"
#include "schedule/state.h"

struct merge {
    struct applying *a;
    const struct tensor *from, *to;     /* the tensor before and after; the same when reduce axes are merged */
    int first, second;                  /* its dimensions */
    int64_t n;                          /* extent of the second */
    const struct var_range *wide;       /* all axes of the stage being rewritten */
};

/* Axes may be padded later: what is simplified now must hold for any extent. */
static const struct var_range *wide_axes(const struct stage *g, struct var_range *env)
{
    for (int i = 0; i < g->nroot; i++)
        env[i] = (struct var_range){g->root_var[i], {0, INT64_C(1) << 40}, i ? &env[i - 1] : NULL};
    return g->nroot ? &env[g->nroot - 1] : NULL;
}

static const struct expr *merged_read(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct merge *m = u;
    if (e->op != OP_READ) return NULL;
    const struct expr *idx[QJ_MAX_RANK];
    bool data = m->to != m->from && e->val.tensor == m->from;
    int n = 0;
    for_kids(e, d) {
        if (data && d == m->second) continue;
        const struct expr *at = e->kid[d];
        if (data && d == m->first) at = ir_add(c, ir_mul(c, at, ir_idx(c, m->n)), e->kid[m->second]);
        idx[n++] = ir_simplify(c, at, m->wide);
    }
    return ir_read(c, data ? m->to : e->val.tensor, idx);
}

/* g's body with its two axes as quotient and remainder of the new one. */
static const struct expr *merged_body(struct merge *m, const struct stage *g, int first, int second,
                                      const struct var *axis, const struct expr *body)
{
    struct ir_ctx *c = m->a->c;
    struct var_range env[QJ_MAX_RANK + QJ_MAX_PHYS + 1];
    const struct var *old[2] = {g->root_var[first], g->root_var[second]};
    const struct expr *t = ir_var_expr(c, axis), *n = ir_idx(c, m->n);
    const struct expr *with[2] = {ir_div(c, t, n), ir_mod(c, t, n)};
    const struct var_range of_axis = {axis, {0, INT64_C(1) << 40}, wide_axes(g, env)};
    m->wide = &of_axis;
    return ir_rewrite(c, ir_subst(c, body, 2, old, with), merged_read, m);
}

/* What forbids merging these two axes of g, said as an error. */
static bool check_axes(struct applying *a, const struct stage *g, int first, int second)
{
    const char *name = g->tensor->name;
    if (first == second) return fail_step(a, ERR_STEP_ARGS, NULL, "merges two different axes");
    if (g->iter[first].reduce != g->iter[second].reduce)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is a %s axis, %s is not", g->iter[first].name,
                         g->iter[first].reduce ? "reduce" : "data-parallel", g->iter[second].name);
    if (g->iter[first].reduce && g->tensor->dt == DT_F32 && second != first + 1)
        return fail_step(a, ERR_FLOAT_ORDER, NULL, "merging %s and %s would change the order of an f32 reduction",
                         g->iter[first].name, g->iter[second].name);
    if (g->output && !g->iter[first].reduce) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is an output of the kernel and keeps its shape", name);
        err_hint(&a->c->err, "cache_write %s local first and merge axes of that stage", name);
        return false;
    }
    if (!g->iter[first].reduce && (g->layout || g->tensor->layout || g->align.factor)) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s has a layout or gaps, which name the axes to be merged", name);
        err_hint(&a->c->err, "merge before transform_layout and storage_align");
        return false;
    }
    for (int i = 0; i < 2; i++) {
        int r = i ? second : first;
        if (g->root_extent[r] == g->root_var[r]->extent) continue;
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is padded; merge before pad", g->iter[r].name);
    }
    return true;
}

/* The tensor with one dimension in the place of two. */
static struct tensor *merged_tensor(struct applying *a, const struct stage *g, const struct merge *m,
                                    const char *name)
{
    struct tensor *t = arena_copy(&a->c->arena, m->from, sizeof *m->from);
    int64_t shape[QJ_MAX_RANK];
    int n = 0;
    for (int d = 0; d < m->from->ndim; d++)
        if (d != m->second) shape[n++] = m->from->shape[d] * (d == m->first ? m->n : 1);
    const struct tensor *fresh = ir_tensor(a->c, m->from->name, m->from->kind, m->from->dt, n, shape);
    *t = *fresh;
    t->range = m->from->range;
    n = 0;
    for (int d = 0; d < m->from->ndim; d++) {
        if (d == m->second) continue;
        bool here = d == m->first;
        t->dim_name[n] = here ? name : m->from->dim_name[d];
        t->axis[n] = here ? ir_var(a->c, name, shape[n]) : g->root_var[d];
        n++;
    }
    return t;
}

bool prim_merge(struct applying *a)
{
    struct ir_ctx *c = a->c;
    struct stage *g = NULL;
    if (!arg_count(a, 2, 2)) return false;
    int first = arg_axis(a, 0, &g), second = first < 0 ? -1 : arg_axis(a, 1, &g);
    if (second < 0) return false;
    if (stage_scheduled(g)) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s already has loop steps", g->tensor->name);
        err_hint(&c->err, "merge axes before splitting, reordering or marking loops of %s", g->tensor->name);
        return false;
    }
    int at = state_stage_of(a->st, g->tensor);
    if (!check_nothing_inside(a, g, "have axes merged")) return false;
    if (!check_axes(a, g, first, second)) return false;
    if (a->step->nout > 1) return fail_step(a, ERR_STEP_ARGS, NULL, "names one axis after ->");
    const char *name = a->step->nout ? a->step->out[0]
                                     : arena_printf(&c->arena, "%s%s", g->iter[first].name, g->iter[second].name);
    for (int i = 0; i < g->nroot; i++)
        if (i != first && i != second && !strcmp(g->iter[i].name, name) && !check_iter_name(a, g, name)) return false;

    int64_t n1 = g->root_extent[first], n = g->root_extent[second], all;
    if (!ck_mul(n1, n, &all)) return fail_step(a, ERR_TOO_LARGE, NULL, "the merged axis would be too long");
    struct merge m = {.a = a, .from = g->tensor, .to = g->tensor, .first = first, .second = second, .n = n};
    struct stage *now;
    if (g->iter[first].reduce) {
        const struct expr *axes[QJ_MAX_PHYS];
        const struct var *axis = ir_var(c, name, all);
        int k = 0;
        for (int i = g->nroot_data; i < g->nroot; i++)
            if (i != second) axes[k++] = ir_var_expr(c, i == first ? axis : g->root_var[i]);
        const struct expr *body = merged_body(&m, g, first, second, axis, g->body->kid[0]);
        now = stage_new(c, g->tensor, ir_reduce(c, (enum combiner)g->body->val.i, body, k, axes));
    } else {
        struct tensor *t = merged_tensor(a, g, &m, name);
        const struct var *axis = t->axis[first < second ? first : first - 1];
        now = stage_new(c, t, merged_body(&m, g, first, second, axis, g->body));
        t->body = now->body;
        m.to = t;
    }
    int left = 0;
    for (int i = 0; i < g->nroot; i++)      /* axes padded before keep their extents */
        if (i != second) {
            if (i != first) now->root_extent[left] = g->root_extent[i];
            left++;
        }
    stage_succeed(now, g);
    a->st->stage[at] = now;
    for (int i = at + 1; i < a->st->nstage && m.to != m.from; i++) {
        struct stage *reader = a->st->stage[i];
        struct var_range env[QJ_MAX_RANK + QJ_MAX_PHYS];
        if (!reads_tensor(reader->body, m.from)) continue;
        m.wide = wide_axes(reader, env);
        reader->body = ir_rewrite(c, reader->body, merged_read, &m);
    }
    return true;
}
