/* SPDX-License-Identifier: Apache-2.0 */
/* region.c - bound inference: consumers first, the region each stage computes, then its loops and guards. */
#include "ir/print.h"
#include "ir/simplify.h"
#include "schedule/lower_impl.h"

/* Is the variable one of the loops around the place where `stage` would be computed at (at_stage, at_iter)? */
struct place_at { const struct lower *w; int stage, iter; bool shared; };

static bool is_inner(void *u, const struct var *v)
{
    const struct place_at *p = u;
    int stage = p->stage, iter = p->iter;
    while (stage >= 0) {
        const struct lstage *g = &p->w->stage[stage];
        int last = state_leaf_pos(g->g, iter);
        for (int i = 0; i <= last; i++)
            if (g->loop[g->g->leaf[i]] == v) { /* shared memory is written for all threads of the block */
                enum loop_kind how = g->g->iter[g->g->leaf[i]].how;
                return p->shared && how >= LOOP_THREAD_X && how <= LOOP_THREAD_Z;
            }
        if (g->g->attach != ATTACH_AT) break;
        stage = g->g->at_stage;
        iter = g->g->at_iter;
    }
    return true;
}

/* Consumer d must run inside loop (stage, iter). */
static bool inside(const struct lower *w, int d, int stage, int iter)
{
    int pos = state_leaf_pos(w->stage[stage].g, iter);
    while (d != stage) {
        const struct stage *g = w->stage[d].g;
        if (g->attach != ATTACH_AT) return false;
        if (g->at_stage == stage && state_leaf_pos(w->stage[stage].g, g->at_iter) < pos) return false;
        d = g->at_stage;
    }
    return true;
}

struct gather {
    struct lower *w;
    const struct stage *of;
    struct place_at at;
    struct span_expr region[QJ_MAX_RANK];
    bool any;
};

static bool gather_read(const struct expr *e, void *u)
{
    struct gather *s = u;
    if (e->op != OP_READ || e->val.tensor != s->of->tensor) return true;
    struct ir_ctx *c = s->w->c;
    for_kids(e, d) {
        struct span_expr x = infer_span(c, e->kid[d], is_inner, &s->at);
        if (!s->any) {
            s->region[d] = x;
        } else if (!infer_union(c, &s->region[d], x)) { /* apart by an unknown distance: all of it */
            s->region[d] = (struct span_expr){ir_idx(c, 0), s->of->root_extent[d] - 1};
        }
    }
    s->any = true;
    return true; /* a read may index by another read of the same stage */
}

static bool see_read(const struct expr *e, void *u)
{
    if (e->op == OP_READ) *(bool *)u = true;
    return true;
}
static bool has_read(const struct expr *e)
{
    bool found = false;
    ir_walk(e, see_read, &found);
    return found;
}

static bool region_of_attached(struct lower *w, int i)
{
    struct ir_ctx *c = w->c;
    struct lstage *x = &w->stage[i];
    const struct stage *g = x->g;
    const struct lstage *at = &w->stage[g->at_stage];
    int pos = state_leaf_pos(at->g, g->at_iter);
    const char *name = g->tensor->name, *loop = at->g->iter[g->at_iter].name, *owner = at->g->tensor->name;
    if (at->place == PLACE_NONE)
        return lower_fail(w, ERR_ATTACH, "%s is computed at a loop of %s, which has no loops of its own", name, owner);
    if (pos < 0) return lower_fail(w, ERR_ATTACH, "%s is computed at %s.%s, which is no longer a loop", name, owner, loop);
    if (at->g->tensorize_iter >= 0 && pos >= state_leaf_pos(at->g, at->g->tensorize_iter))
        return lower_fail(w, ERR_ATTACH, "%s would be computed inside the tensorized region of %s", name, owner);
    struct gather s = {.w = w, .of = g, .at = {w, g->at_stage, g->at_iter, g->scope == SCOPE_SHARED}};
    for (int d = i + 1; d < w->st->nstage; d++) {
        if (w->stage[d].place == PLACE_NONE || !reads_tensor(w->stage[d].value, g->tensor)) continue;
        if (!inside(w, d, g->at_stage, g->at_iter))
            return lower_fail(w, ERR_ATTACH, "%s also reads %s, but is not computed inside loop %s.%s",
                              w->stage[d].g->tensor->name, name, owner, loop);
        ir_walk(w->stage[d].value, gather_read, &s);
    }
    QJ_ASSERT(s.any || g->tensor->ndim == 0);
    for (int d = 0; d < g->nroot_data; d++) {
        int64_t n = g->root_extent[d];
        const struct expr *lo = s.region[d].lo;
        if (s.region[d].width >= n - 1) {
            x->lo[d] = ir_idx(c, 0);
            x->root_extent[d] = n;
            continue;
        }
        if (has_read(lo)) /* an index that is data */
            return lower_fail(w, ERR_BOUNDS, "which part of %s an iteration of %s.%s needs depends on data: %s", name, owner,
                              loop, expr_text(&c->arena, lo));
        if (ir_bounds(lo, NULL).lo < 0) lo = ir_max(c, lo, ir_idx(c, 0)); /* only lazy reads go below 0 */
        x->lo[d] = lo;
        x->root_extent[d] = s.region[d].width + 1;
    }
    return true;
}

/* tail=pad inside an attached stage: the region is rounded up too. */
static void round_padded(struct lstage *x)
{
    const struct stage *g = x->g;
    for (int r = 0; r < g->nrel; r++) {
        const struct rel *s = &g->rel[r];
        bool pad = s->tail == TAIL_PAD || g->tensorize_tail == TAIL_PAD;
        if (s->kind != REL_SPLIT || s->by_parts || !pad || s->parent >= g->nroot_data) continue;
        int64_t up = ceil_div(x->root_extent[s->parent], s->factor) * s->factor;
        x->root_extent[s->parent] = i64_min(up, g->root_extent[s->parent]);
    }
}

static void add_guard(struct lower *w, struct lstage *x, const struct expr *cond)
{
    cond = ir_simplify(w->c, cond, NULL);
    if (ir_prove(w->c, cond, NULL)) return;
    int pos = -1;
    for (int i = 0; i < x->g->nleaf; i++)
        if (x->loop[x->g->leaf[i]] && ir_uses(cond, x->loop[x->g->leaf[i]])) pos = i;
    QJ_ASSERT(x->nguard < MAX_GUARDS);
    x->guard[x->nguard++] = (struct guard){.cond = cond, .pos = pos};
}

/* Does the condition depend on tables, all of them computed before everything? */
struct tables { const struct lower *w; bool any, elsewhere; };
static bool see_table(const struct expr *e, void *u)
{
    struct tables *s = u;
    if (e->op != OP_READ) return true;
    int i = state_stage_of(s->w->st, e->val.tensor);
    s->any = true;
    s->elsewhere |= i >= 0 && s->w->st->stage[i]->attach != ATTACH_ROOT;
    return true;
}

/* sum(.., i) select(i < count[b], term, 0) runs while i < count[b]: a guard, which codegen makes the loop's end. */
static void guard_terms(struct lower *w, struct lstage *x)
{
    const struct expr *red = stage_reduce(x->g);
    if (!red || red->val.i != RED_SUM || !dt_is_int(x->g->tensor->dt)) return;
    int starts = x->g->tensorize_iter >= 0 ? state_leaf_pos(x->g, x->g->tensorize_iter) : x->g->nleaf;
    for (int i = 0; i < starts; i++)
        if (x->g->iter[x->g->leaf[i]].reduce) starts = i; /* the init stands before this loop, so outside of the guard */
    for (int n = 0; n < 4 && x->value->op == OP_SELECT && ir_is_int(x->value->kid[2], 0); n++) {
        struct tables s = {w, false, false};
        ir_walk(x->value->kid[0], see_table, &s);
        if (!s.any || s.elsewhere) return;
        int before = x->nguard;
        add_guard(w, x, x->value->kid[0]);
        if (x->nguard > before) {
            struct guard *k = &x->guard[before];
            k->term = true;
            if (k->pos < starts) k->pos = starts;
        }
        x->value = x->value->kid[1];
    }
}

static void make_loops(struct lower *w, struct lstage *x)
{
    struct ir_ctx *c = w->c;
    const struct stage *g = x->g;
    const struct expr *leaf[MAX_ITERS] = {0};
    stage_extents(g, x->root_extent, x->ext);
    for (int i = 0; i < g->nleaf; i++) {
        int it = g->leaf[i];
        if (x->ext[it] == 1) continue;
        x->loop[it] = ir_var(c, g->iter[it].name, x->ext[it]);
        leaf[it] = ir_var_expr(c, x->loop[it]);
    }
    stage_values(c, g, x->ext, leaf, x->val);
    for (int i = 0; i < g->nroot; i++) {
        const struct expr *v = x->val[i];
        if (i < g->nroot_data) v = ir_add(c, x->lo[i], v);
        x->at[i] = ir_simplify(c, v, NULL);
    }
    x->value = ir_subst(c, stage_reduce(g) ? x->body->kid[0] : x->body, g->nroot, g->root_var, x->at);
    guard_terms(w, x);
    int tensor_pos = g->tensorize_iter >= 0 ? state_leaf_pos(g, g->tensorize_iter) : g->nleaf;
    for (int r = 0; r < g->nrel; r++) {
        const struct rel *s = &g->rel[r];
        const struct expr *cond = rel_guard(c, s, x->ext, x->val);
        if (cond) add_guard(w, x, cond);
        bool peel = s->tail == TAIL_PEEL ||
                    (cond && g->tensorize_tail == TAIL_PEEL && state_leaf_pos(g, s->inner) >= tensor_pos);
        for (int i = 0; peel && i < g->nleaf; i++) {
            const struct var *v = x->loop[g->leaf[i]];
            if (v && ir_uses(x->val[s->outer], v)) x->peel[g->leaf[i]] = true;
        }
    }
    if (g->attach == ATTACH_AT)
        for (int i = 0; i < g->nroot_data; i++) {
            add_guard(w, x, ir_lt(c, x->at[i], ir_idx(c, g->root_extent[i])));
            add_guard(w, x, ir_le(c, ir_idx(c, 0), x->at[i]));
        }
}

/* f32 sums and fmas keep the order of their terms: the reduce loops, outermost first, must be what splitting
 * and fusing in place gives. */
static bool float_order(struct lower *w, const struct stage *g)
{
    if (!stage_reduce(g) || g->tensor->dt != DT_F32) return true;
    int16_t seq[MAX_ITERS];
    int n = 0;
    bool ok = true;
    for (int i = g->nroot_data; i < g->nroot; i++) seq[n++] = (int16_t)i;
    for (int r = 0; r < g->nrel; r++) {
        const struct rel *s = &g->rel[r];
        if (!g->iter[s->parent].reduce) continue;
        int k = 0;
        int first = s->kind == REL_SPLIT ? s->parent : s->outer;
        while (k < n && seq[k] != first) k++;
        if (s->kind == REL_SPLIT) {
            memmove(&seq[k + 2], &seq[k + 1], (size_t)(n - k - 1) * sizeof seq[0]);
            seq[k] = s->outer;
            seq[k + 1] = s->inner;
            n++;
        } else {
            ok = ok && k + 1 < n && seq[k + 1] == s->inner;
            seq[k] = s->parent;
            if (k + 1 < n) memmove(&seq[k + 1], &seq[k + 2], (size_t)(n - k - 2) * sizeof seq[0]);
            n--;
        }
    }
    int k = 0;
    for (int i = 0; i < g->nleaf && ok; i++)
        if (g->iter[g->leaf[i]].reduce && (k >= n || seq[k++] != g->leaf[i])) ok = false;
    if (ok) return true;
    return lower_fail(w, ERR_FLOAT_ORDER, "the terms of f32 reduction %s would be taken in another order", g->tensor->name);
}

bool lower_regions(struct lower *w)
{
    for (int i = w->st->nstage - 1; i >= 0; i--) {
        struct lstage *x = &w->stage[i];
        if (x->place == PLACE_NONE) continue;
        const struct stage *g = x->g;
        for (int k = 0; k < g->nroot; k++) {
            x->root_extent[k] = g->root_extent[k];
            if (k < g->nroot_data) x->lo[k] = ir_idx(w->c, 0);
        }
        if (g->attach == ATTACH_AT) {
            if (!region_of_attached(w, i)) return false;
            round_padded(x);
        }
        if (!float_order(w, g)) return false;
        make_loops(w, x);
        if (!lower_bindings(w, i)) return false;
        lower_spare_combined(w, i);
        lower_spare_shared(w, i);
    }
    return true;
}
