/* SPDX-License-Identifier: Apache-2.0 */
/* combine.c - reductions whose terms are spread over the threads of a block: a reduce loop bound to threadIdx.
 *
 *     init L; threadIdx.x k { L = L + f(k) }; sum(threadIdx.x, 32) L
 *
 * L is local: each thread adds up a part of its own, then all of them hold the whole. Neighbours in a warp combine their
 * parts by exchanging registers. Where a group is no part of a warp, the sums that are left meet in shared memory, where
 * each thread adds them all (from there all threads read the same word: fewer steps than a tree, and one barrier):
 *
 *     sum(threadIdx.x, 32) L; threadIdx.x i in 0..64 { if (i % 32 == 0) P[i / 32] = L }; sync; L = P[0] + P[1]
 *
 * Threads beyond the loop have no terms and hold the identity. Integers only: the order of f32 sums is the program's. */
#include "schedule/lower_impl.h"

enum { MOST_UNROLLED = 32 };

static const char axis_letter[] = "xyz";

static bool is_combined(const struct iter *it)
{
    return it->reduce && it->how >= LOOP_THREAD_X && it->how <= LOOP_THREAD_Z;
}

bool stage_combines(const struct stage *g)
{
    for (int i = 0; i < g->nleaf; i++)
        if (is_combined(&g->iter[g->leaf[i]])) return true;
    return false;
}

/* ---- which reduce loops may be bound ---- */

bool lower_may_combine(struct lower *w, int i, int own)
{
    const struct stage *g = w->stage[i].g;
    const struct iter *it = &g->iter[own];
    const char *name = g->tensor->name;
    if (g->attach != ATTACH_AT || g->scope != SCOPE_LOCAL) {
        lower_fail(w, ERR_ILLEGAL_STEP, "the threads of %s each add up a part of %s in registers of their own: it is not local",
                   loop_kind_name[it->how], name);
        const char *hint = g->attach == ATTACH_AT ? "set_scope %s local"
                                                  : "cache_write %s local, compute_at the copy at a loop of the blocks, and "
                                                    "bind a reduce loop of the copy";
        return err_hint(&w->c->err, hint, name), false;
    }
    for (const struct stage *x = g; x->attach == ATTACH_AT; x = w->stage[x->at_stage].g) {
        const struct stage *up = w->stage[x->at_stage].g;
        for (int k = 0, last = state_leaf_pos(up, x->at_iter); k <= last; k++) {
            const struct iter *around = &up->iter[up->leaf[k]];
            if (around->how != it->how) continue;
            lower_fail(w, ERR_ILLEGAL_STEP, "the threads of %s have elements of %s.%s each, and cannot share %s.%s as well",
                       loop_kind_name[it->how], up->tensor->name, around->name, name, it->name);
            err_hint(&w->c->err, "bind one of the two to another axis of threadIdx, or compute_at %s outside of %s", name,
                     around->name);
            return false;
        }
    }
    return true;
}

void lower_spare_combined(struct lower *w, int i)
{
    struct lstage *x = &w->stage[i];
    int first = 0;
    if (!stage_combines(x->g)) return;
    while (!x->g->iter[x->g->leaf[first]].reduce) first++;
    for (int k = 0; k < x->nguard; k++) {
        if (!lower_on_thread(w, i, x->guard[k].cond)) continue;
        if (x->guard[k].pos < first) x->guard[k].pos = first;
        x->guard[k].term = true; /* what all threads combine has an init in all */
    }
}

/* ---- the nest ---- */

/* The threads of stage i's kernel, along x, y, z. */
static void block_of(const struct lower *w, int i, int64_t n[3])
{
    int root[MAX_STAGES];
    n[0] = n[1] = n[2] = 1;
    for (int p = w->st->nstage - 1; p >= 0; p--) { /* consumers first */
        const struct lstage *x = &w->stage[p];
        root[p] = x->g->attach == ATTACH_AT ? root[x->g->at_stage] : p;
    }
    for (int p = 0; p < w->st->nstage; p++) {
        const struct lstage *x = &w->stage[p];
        for (int k = 0; root[p] == root[i] && x->place != PLACE_NONE && k < x->g->nleaf; k++) {
            int it = x->g->leaf[k], axis = (int)x->g->iter[it].how - LOOP_THREAD_X;
            if (axis >= 0 && axis < 3) n[axis] = i64_max(n[axis], x->ext[it]);
        }
    }
}

/* Loops over the elements that a thread has from leaf `from` inward. */
struct elements {
    int from, n;
    const struct var *fresh[MAX_ITERS], *old[MAX_ITERS];    /* fresh: by leaf; NULL: a reduce loop, or one turn */
    const struct expr *with[MAX_ITERS];
    const struct expr *at;                      /* the element, a LOAD */
    const struct expr *number;                  /* which of them it is */
    int64_t count;
};

static struct elements elements_of(struct lower *w, const struct lstage *x, int from)
{
    struct ir_ctx *c = w->c;
    const struct stage *g = x->g;
    struct elements e = {.from = from, .number = ir_idx(c, 0), .count = 1};
    const struct expr *at[MAX_ROOTS], *phys[QJ_MAX_PHYS];
    for (int i = from; i < g->nleaf; i++) {
        const struct var *v = x->loop[g->leaf[i]];
        if (!v || g->iter[g->leaf[i]].reduce) continue;
        e.fresh[i] = ir_var(c, v->name, v->extent);
        e.old[e.n] = v;
        e.with[e.n] = ir_var_expr(c, e.fresh[i]);
        e.number = ir_add(c, ir_mul(c, e.number, ir_idx(c, v->extent)), e.with[e.n++]);
        e.count *= v->extent;
    }
    for (int i = 0; i < g->nroot_data; i++) at[i] = ir_subst(c, x->at[i], e.n, e.old, e.with);
    int n = lower_index(w, x, at, phys);
    e.at = ir_load(c, x->buf, n, phys);
    return e;
}

static const struct stmt *each_element(struct lower *w, const struct lstage *x, const struct elements *e,
                                       const struct stmt *s)
{
    for (int i = x->g->nleaf - 1; i >= e->from; i--) {
        enum loop_kind how = x->g->iter[x->g->leaf[i]].how;
        s = lower_init_guards(w, x, i, s, e->n, e->old, e->with);
        if (how != LOOP_SERIAL || e->count <= MOST_UNROLLED) how = LOOP_UNROLLED;
        if (e->fresh[i]) s = ir_for(w->c, e->fresh[i], how, s);
    }
    return s;
}

static const struct stmt *set(struct lower *w, const struct elements *e, const struct expr *value)
{
    return ir_store(w->c, e->at->val.buffer, e->at->nkid, e->at->kid, value, NULL);
}

/* A thread's number along each axis, by loops around `s`. */
struct numbers { const struct var *var[3]; const struct expr *at[3]; };

static struct numbers numbers_of(struct ir_ctx *c, const int64_t n[3])
{
    struct numbers t = {0};
    for (int d = 0; d < 3; d++) {
        if (n[d] > 1) t.var[d] = ir_var(c, (char[]){'t', axis_letter[d], 0}, n[d]);
        t.at[d] = n[d] > 1 ? ir_var_expr(c, t.var[d]) : ir_idx(c, 0);
    }
    return t;
}

static const struct stmt *by_threads(struct ir_ctx *c, const struct numbers *t, const struct stmt *s)
{
    for (int d = 0; d < 3; d++)
        if (t->var[d]) s = ir_for(c, t->var[d], (enum loop_kind)(LOOP_THREAD_X + d), s);
    return s;
}

/* Where part `part` of thread t's element lies: parts of neighbours along other axes are neighbours. */
static const struct expr *part_at(struct ir_ctx *c, const struct buffer *b, int axis, const int64_t n[3],
                                  const struct elements *e, const struct numbers *t, const struct expr *part)
{
    const struct expr *above = ir_idx(c, 0), *below = ir_idx(c, 0);
    for (int d = 2; d >= 0; d--) {
        const struct expr **of = d > axis ? &above : &below;
        if (d != axis) *of = ir_add(c, ir_mul(c, *of, ir_idx(c, n[d])), t->at[d]);
    }
    return ir_load(c, b, 4, (const struct expr *[]){e->number, above, part, below});
}

/* The parts of groups of `near` neighbours, combined through shared memory. */
static const struct stmt *exchange(struct lower *w, const struct lstage *x, int axis, int64_t near, const int64_t n[3],
                                   const struct elements *e)
{
    struct ir_ctx *c = w->c;
    enum combiner k = (enum combiner)x->g->body->val.i;
    int64_t parts = n[axis] / near, shape[4] = {e->count, 1, parts, 1};
    for (int d = 0; d < 3; d++)
        if (d != axis) shape[d > axis ? 1 : 3] *= n[d];
    struct buffer *b = ir_buffer(c, arena_printf(&c->arena, "%s_parts", x->buf->name), x->buf->dt, SCOPE_SHARED, 4, shape);
    struct numbers t = numbers_of(c, n);
    const struct expr *to = part_at(c, b, axis, n, e, &t, ir_bin(c, OP_DIV, t.at[axis], ir_idx(c, near)));
    const struct expr *first = ir_eq(c, ir_mod(c, t.at[axis], ir_idx(c, near)), ir_idx(c, 0));
    const struct stmt *write = ir_if(c, first, ir_store(c, b, to->nkid, to->kid, e->at, NULL));
    write = each_element(w, x, e, by_threads(c, &t, write));

    struct numbers again = numbers_of(c, n);
    const struct var *part = ir_var(c, "part", parts);
    const struct expr *from = part_at(c, b, axis, n, e, &again, ir_var_expr(c, part));
    const struct stmt *two[2] = {set(w, e, ir_identity(c, k, x->buf->dt)), set(w, e, ir_combine(c, k, e->at, from))};
    two[1] = ir_for(c, part, parts <= MOST_UNROLLED ? LOOP_UNROLLED : LOOP_SERIAL, two[1]);
    const struct stmt *read = each_element(w, x, e, by_threads(c, &again, ir_seq(c, 2, two)));
    return ir_alloc(c, b, ir_seq(c, 2, (const struct stmt *[]){write, read}));
}

/* How many neighbours along an axis, from a multiple of that on, are in one warp and a power of two apart. */
static int64_t near_threads(const struct lower *w, int axis, const int64_t n[3])
{
    int64_t stride = 1, near = 1, warp = w->target->family->simt ? w->target->family->simt->warp : 1;
    for (int d = 0; d < axis; d++) stride *= n[d];
    if (stride & (stride - 1)) return 1;
    while (n[axis] % (2 * near) == 0 && stride * 2 * near <= warp) near *= 2;
    return near;
}

const struct stmt *lower_combine(struct lower *w, int i, int from)
{
    struct ir_ctx *c = w->c;
    const struct lstage *x = &w->stage[i];
    const struct stage *g = x->g;
    const struct stmt *all = NULL;
    int64_t n[3];
    block_of(w, i, n);
    for (int l = 0; l < g->nleaf; l++) {
        if (!is_combined(&g->iter[g->leaf[l]]) || !x->loop[g->leaf[l]]) continue;
        enum loop_kind how = g->iter[g->leaf[l]].how;
        int axis = (int)how - LOOP_THREAD_X;
        int64_t near = near_threads(w, axis, n);
        struct elements e = elements_of(w, x, from), rest = elements_of(w, x, from);
        const struct stmt *three[3] = {all, NULL, NULL};
        const struct stmt *by_warp = ir_combine_threads(c, (enum combiner)g->body->val.i, how, (int)near, e.at);
        if (near > 1) three[1] = each_element(w, x, &e, by_warp);
        if (near < n[axis]) three[2] = exchange(w, x, axis, near, n, &rest);
        all = ir_seq(c, 3, three);
    }
    return all;
}
