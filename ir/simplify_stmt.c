/* SPDX-License-Identifier: Apache-2.0 */
/* simplify_stmt.c - simplification of loop nests. Contract in simplify.h.
 *
 *     for x in 0..1: S            ->  S with x = 0 (loops of every kind)
 *     if (a & b) S                ->  if (a) if (b) S, each simplified under the ones around it
 *     for x: if (c) S             ->  if (c) for x: S                    c free of x and of loads
 *     for x in 0..8: if (x < n) S ->  for x in 0..n: S                   0 < n < 8
 *     for x: if (x == k) S        ->  S with x = k
 *     alloc B { S }               ->  S                                  B not in S
 *
 * and what never runs goes. Ifs stay inside loops bound to blocks and threads (their extents are launch sizes),
 * and a vectorized loop keeps its lanes: there a tail is a mask. An if only ever moves outwards around all of
 * its statement, so nothing crosses a sync. */
#include "ir/meaning.h"
#include "ir/simplify_impl.h"

enum { MAX_CONDS = 32, MAX_ROUNDS = 8 };

/* The conditions of nested ifs, outermost first, and what they guard. */
struct conds {
    int n;
    const struct expr *e[MAX_CONDS];
    const struct stmt *then;
};

static struct conds peel_ifs(const struct stmt *s)
{
    struct conds k = {.then = s};
    while (k.then->kind == STMT_IF && k.n < MAX_CONDS) {
        k.e[k.n++] = k.then->u.cond.cond;
        k.then = k.then->u.cond.then;
    }
    return k;
}

static const struct stmt *wrap(struct ir_ctx *c, const struct conds *k, const struct stmt *s)
{
    for (int i = k->n - 1; i >= 0; i--) s = ir_if(c, k->e[i], s);
    return s;
}

static const struct stmt *simp(struct ir_ctx *c, const struct stmt *s, const struct known *k);

/* ---- leaves ---- */

static const struct stmt *simp_store(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    const struct expr *idx[QJ_MAX_PHYS], *mask = s->u.store.mask;
    const struct expr *value = simplify_once(c, s->u.store.value, k);
    bool changed = value != s->u.store.value;
    if (mask) {
        mask = simplify_once(c, mask, k);
        const struct expr *m = mask->op == OP_BCAST ? mask->kid[0] : mask;
        if (ir_is_int(m, 0)) return NULL;
        if (ir_is_int(m, 1)) mask = NULL;
        changed |= mask != s->u.store.mask;
    }
    for (int i = 0; i < s->u.store.nidx; i++) {
        idx[i] = simplify_once(c, s->u.store.idx[i], k);
        changed |= idx[i] != s->u.store.idx[i];
    }
    if (!changed) return s;
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    now->u.store.idx = arena_copy(&c->arena, idx, (size_t)s->u.store.nidx * sizeof idx[0]);
    now->u.store.value = value;
    now->u.store.mask = mask;
    return now;
}

static const struct stmt *simp_intrin(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    const struct expr *arg[MEANING_MAX_ARGS];
    int n = meaning_nargs(s->u.intrin.meaning);
    bool changed = false;
    for (int i = 0; i < n; i++) {
        arg[i] = simplify_once(c, s->u.intrin.arg[i], k);
        changed |= arg[i] != s->u.intrin.arg[i];
    }
    if (!changed) return s;
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    now->u.intrin.arg = arena_copy(&c->arena, arg, (size_t)n * sizeof arg[0]);
    return now;
}

/* ---- if ---- */

static bool split_and(const struct expr *e, struct conds *k)
{
    if (e->op == OP_AND) return split_and(e->kid[0], k) && split_and(e->kid[1], k);
    if (k->n == MAX_CONDS) return false;
    k->e[k->n++] = e;
    return true;
}

static const struct stmt *simp_if(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    const struct expr *cond = simplify_once(c, s->u.cond.cond, k);
    struct known in = *k;
    struct conds parts = {0}, kept = {0};
    if (ir_is_int(cond, 0)) return NULL;
    if (!split_and(cond, &parts)) parts = (struct conds){.n = 1, .e = {cond}};
    for (int i = 0; i < parts.n; i++) {
        const struct expr *e = i ? simplify_once(c, parts.e[i], &in) : parts.e[i];
        if (ir_is_int(e, 0)) return NULL;
        if (ir_is_int(e, 1)) continue;
        kept.e[kept.n++] = e;
        known_add(c, &in, e);
    }
    const struct stmt *then = simp(c, s->u.cond.then, &in);
    if (!then) return NULL;
    if (kept.n == 1 && kept.e[0] == s->u.cond.cond && then == s->u.cond.then) return s;
    return wrap(c, &kept, then);
}

/* ---- loops ---- */

/* Loops the nest may shorten and guard as a whole. */
static bool is_free(enum loop_kind how)
{
    return how == LOOP_SERIAL || how == LOOP_UNROLLED || how == LOOP_PARALLEL;
}

static bool is_bound(enum loop_kind how) { return how >= LOOP_BLOCK_X; }
/* Of one turn it is thread 0's alone. */
static bool is_thread(enum loop_kind how) { return how >= LOOP_THREAD_X && how <= LOOP_THREAD_Z; }

/* e is `v op constant`. */
static bool on_var(const struct expr *e, enum op op, const struct var *v)
{
    return e->op == op && e->kid[0]->op == OP_VAR && e->kid[0]->val.var == v && e->kid[1]->op == OP_INT;
}

/* Sorts the conditions right inside a loop: those to put around it, those that bound it, those that stay. */
static const struct stmt *sort_conds(struct ir_ctx *c, const struct stmt *s, const struct stmt *body)
{
    const struct var *v = s->u.loop.var;
    struct conds in = peel_ifs(body), out = {0}, stay = {0};
    int64_t n = v->extent, only = -1;
    for (int i = 0; i < in.n; i++) {
        const struct expr *e = in.e[i];
        bool shorten = is_free(s->u.loop.how);
        if (shorten && on_var(e, OP_LT, v) && e->kid[1]->val.i > 0) n = i64_min(n, e->kid[1]->val.i);
        else if (shorten && only < 0 && on_var(e, OP_EQ, v) && e->kid[1]->val.i >= 0) only = e->kid[1]->val.i;
        else if (!is_bound(s->u.loop.how) && !simp_loads(e) && !ir_uses(e, v)) out.e[out.n++] = e;
        else stay.e[stay.n++] = e;
    }
    if (only >= n) return NULL;
    if (stay.n < in.n) body = wrap(c, &stay, in.then);
    if (only >= 0 || (n == 1 && !is_thread(s->u.loop.how))) { /* one turn of the loop */
        const struct expr *at = ir_idx(c, only >= 0 ? only : 0);
        return wrap(c, &out, ir_subst_stmt(c, body, 1, &v, &at));
    }
    if (n == v->extent && body == s->u.loop.body) return s;
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    if (n < v->extent) {
        now->u.loop.var = ir_var(c, v->name, n);
        const struct expr *at = ir_var_expr(c, now->u.loop.var);
        body = ir_subst_stmt(c, body, 1, &v, &at);
    }
    now->u.loop.body = body;
    return wrap(c, &out, now);
}

static const struct stmt *simp_for(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    const struct stmt *body = simp(c, s->u.loop.body, k);
    if (!body) return NULL;
    if (s->u.loop.var->extent == 1 && !is_thread(s->u.loop.how)) return body; /* a variable of one value is gone by now */
    return sort_conds(c, s, body);
}

/* ---- alloc ---- */

struct usage { const struct buffer *b; bool found; };

static bool expr_uses(const struct expr *e, void *u)
{
    struct usage *x = u;
    x->found |= e->op == OP_LOAD && e->val.buffer == x->b;
    return !x->found;
}

static bool stmt_uses(const struct stmt *s, void *u)
{
    struct usage *x = u;
    if (s->kind == STMT_STORE) {
        x->found |= s->u.store.buffer == x->b;
        ir_walk(s->u.store.value, expr_uses, x);
        if (s->u.store.mask) ir_walk(s->u.store.mask, expr_uses, x);
        for (int i = 0; i < s->u.store.nidx; i++) ir_walk(s->u.store.idx[i], expr_uses, x);
    }
    if (s->kind == STMT_IF) ir_walk(s->u.cond.cond, expr_uses, x);
    for (int i = 0; s->kind == STMT_INTRIN && i < meaning_nargs(s->u.intrin.meaning); i++)
        ir_walk(s->u.intrin.arg[i], expr_uses, x);
    if (s->kind == STMT_COMBINE) ir_walk(s->u.combine.at, expr_uses, x);
    return !x->found;
}

static const struct stmt *simp_alloc(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    const struct stmt *body = simp(c, s->u.alloc.body, k);
    if (!body) return NULL;
    struct usage x = {s->u.alloc.buffer, false};
    ir_walk_stmt(body, stmt_uses, &x);
    if (!x.found) return body;
    struct conds in = peel_ifs(body), out = {0}, stay = {0};
    for (int i = 0; i < in.n; i++) {
        if (simp_loads(in.e[i])) stay.e[stay.n++] = in.e[i];
        else out.e[out.n++] = in.e[i];
    }
    if (out.n) body = wrap(c, &stay, in.then);
    if (body == s->u.alloc.body) return s;
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    now->u.alloc.body = body;
    return wrap(c, &out, now);
}

/* ---- the walk: NULL is a statement that does nothing ---- */

static const struct stmt *simp_seq(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    int n = s->u.seq.n, left = 0;
    const struct stmt **at = ARENA_ARRAY(&c->arena, const struct stmt *, n ? n : 1);
    bool changed = false;
    for (int i = 0; i < n; i++) {
        const struct stmt *r = simp(c, s->u.seq.at[i], k);
        changed |= r != s->u.seq.at[i];
        if (r) at[left++] = r;
    }
    if (!left) return NULL;
    return changed ? ir_seq(c, left, at) : s;
}

static const struct stmt *simp(struct ir_ctx *c, const struct stmt *s, const struct known *k)
{
    switch (s->kind) {
    case STMT_FOR: return simp_for(c, s, k);
    case STMT_STORE: return simp_store(c, s, k);
    case STMT_IF: return simp_if(c, s, k);
    case STMT_SEQ: return simp_seq(c, s, k);
    case STMT_ALLOC: return simp_alloc(c, s, k);
    case STMT_INTRIN: return simp_intrin(c, s, k);
    case STMT_SYNC: return s;
    case STMT_COMBINE: {
        const struct expr *at = simplify_once(c, s->u.combine.at, k);
        if (at == s->u.combine.at) return s;
        struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
        now->u.combine.at = at;
        return now;
    }
    }
    return s;
}

/* Round after round until nothing changes: what a round moved outwards may tell the next one more. */
const struct stmt *ir_simplify_stmt(struct ir_ctx *c, const struct stmt *s, const struct var_range *env)
{
    struct known k = {env, NULL};
    for (int i = 0; s && i < MAX_ROUNDS; i++) {
        const struct stmt *r = simp(c, s, &k);
        if (!r && (s->kind != STMT_SEQ || s->u.seq.n)) r = ir_seq(c, 0, NULL);
        if (!r || r == s) break;
        s = r;
    }
    return s;
}
