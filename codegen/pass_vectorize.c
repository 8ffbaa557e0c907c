/* SPDX-License-Identifier: Apache-2.0 */
/* pass_vectorize.c - a loop marked `vectorized` becomes vector expressions, a lane an iteration.
 *
 *     vectorized i in 0..8 {                         Out[ramp(16*y, 1, 8)] = A[ramp(0, 1, 8)]
 *       if (i < n) Out[16*y + i] = A[i]      ->          where ramp(0, 1, 8) < bcast(n, 8)
 *     }
 *
 * Lanes run in step: statement by statement, loops inside included. That is the same as one iteration
 * after the other when no iteration touches what another writes: every access to a buffer written inside
 * must, in some dimension (or flat), lie in a block of its own for each lane. Otherwise, and where
 * something inside has no vector form, the loop is run serially; vectorize_notes tells which and why. */
#include "codegen/passes.h"
#include "ir/simplify.h"

enum { MAX_INNER = 16 };

/* ---- what is inside ---- */

struct access {
    const struct buffer *buffer;
    int nidx;
    const struct expr *const *idx;
    bool write;
};

struct inside {
    struct ir_ctx *c;
    const char *why;                        /* has no vector form */
    int nvar;                               /* var[0] is the loop's own */
    const struct var *var[MAX_INNER + 1];
    VEC(struct access) access;
    VEC(const struct expr *) cond;          /* conditions that differ between lanes */
    bool copies;                            /* iterations need no vector form: vectors, instructions and allocations may be inside */
    VEC(const struct buffer *) own;         /* copies: allocated inside */
    VEC(const struct buffer *) whole;       /* copies: touched by instructions, who knows where */
};

static bool see_expr(const struct expr *e, void *u)
{
    struct inside *in = u;
    if (e->type.lanes > 1 && !in->copies) in->why = "has vectors inside already";
    if (e->op == OP_LOAD)
        VEC_PUSH(&in->c->arena, in->access, ((struct access){e->val.buffer, e->nkid, e->kid, false}));
    return true;
}

static void see_store(struct inside *in, const struct stmt *s)
{
    struct access a = {s->u.store.buffer, s->u.store.nidx, s->u.store.idx, true};
    VEC_PUSH(&in->c->arena, in->access, a);
    for (int i = 0; i < s->u.store.nidx; i++) ir_walk(s->u.store.idx[i], see_expr, in);
    ir_walk(s->u.store.value, see_expr, in);
    if (!s->u.store.mask) return;
    ir_walk(s->u.store.mask, see_expr, in);
    VEC_PUSH(&in->c->arena, in->cond, s->u.store.mask);
}

static void see_loop(struct inside *in, const struct stmt *s)
{
    enum loop_kind how = s->u.loop.how;
    if (in->copies && how >= LOOP_BLOCK_X && how <= LOOP_THREAD_Z) return; /* a thread's number stays what it is */
    if (how != LOOP_SERIAL && how != LOOP_UNROLLED)
        in->why = arena_printf(&in->c->arena, "has a %s loop inside", loop_kind_name[how]);
    else if (in->nvar > MAX_INNER) in->why = "has too many loops inside";
    else in->var[in->nvar++] = s->u.loop.var;
}

static bool see_copied(struct inside *in, const struct stmt *s)
{
    if (s->kind == STMT_ALLOC) {
        VEC_PUSH(&in->c->arena, in->own, s->u.alloc.buffer);
        return s->u.alloc.buffer->scope == SCOPE_LOCAL;
    }
    for (int k = 0; k < meaning_nargs(s->u.intrin.meaning); k++) {
        const struct expr *a = s->u.intrin.arg[k];
        struct access first = {a->val.buffer, a->nkid, a->kid, k == 0};
        if (k == 0) VEC_PUSH(&in->c->arena, in->access, first);
        if (a->op == OP_LOAD) VEC_PUSH(&in->c->arena, in->whole, a->val.buffer);
        ir_walk(a, see_expr, in);
    }
    return true;
}

static bool see_stmt(const struct stmt *s, void *u)
{
    struct inside *in = u;
    if (in->copies && (s->kind == STMT_ALLOC || s->kind == STMT_INTRIN) && see_copied(in, s)) return true;
    switch (s->kind) {
    case STMT_FOR: see_loop(in, s); break;
    case STMT_STORE: see_store(in, s); break;
    case STMT_IF:
        ir_walk(s->u.cond.cond, see_expr, in);
        if (ir_uses(s->u.cond.cond, in->var[0])) VEC_PUSH(&in->c->arena, in->cond, s->u.cond.cond);
        break;
    case STMT_ALLOC:
        in->why = arena_printf(&in->c->arena, "has the allocation of %s inside", s->u.alloc.buffer->name);
        break;
    case STMT_INTRIN:
        in->why = arena_printf(&in->c->arena, "has the instruction %s inside", s->u.intrin.meaning->name);
        break;
    case STMT_SYNC: in->why = "has a sync inside"; break;
    case STMT_COMBINE: in->why = "has threads combine inside"; break;
    case STMT_SEQ: break;
    }
    return !in->why;
}

static bool is_written(const struct inside *in, const struct buffer *b)
{
    for (size_t i = 0; i < in->access.n; i++)
        if (in->access.at[i].write && in->access.at[i].buffer == b) return true;
    return false;
}

/* ---- lanes ---- */

struct widen {
    struct ir_ctx *c;
    const struct var *v;
    int lanes;
};

static const struct expr *widen_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct widen *w = u;
    if (e->op == OP_VAR && e->val.var == w->v) return ir_ramp(c, ir_idx(c, 0), ir_idx(c, 1), w->lanes);
    return fold_ramp(c, e);
}

static const struct expr *wide(struct widen *w, const struct expr *e)
{
    return ir_bcast(w->c, ir_rewrite(w->c, e, widen_rule, w), w->lanes);
}

/* The runs of neighbours that lanes of v cover, as lane_runs. */
static int runs_of(struct ir_ctx *c, const struct access *a, const struct var *v, struct run *run, int *where)
{
    struct widen w = {c, v, (int)v->extent};
    if (v->extent > MAX_LANES) return 0;
    return lane_runs(c, wide(&w, flat_index(c, a->buffer, a->nidx, a->idx)), NULL, run, where);
}

/* ---- do lanes stay apart? ---- */

/* The values coef * lane + [lo, hi], relative to a base that all accesses share. */
struct blocks {
    bool any;
    int64_t coef, lo, hi;
    const struct expr *base;
};

static bool add_block(const struct inside *in, struct blocks *k, const struct expr *at)
{
    int64_t coef[MAX_INNER + 1], lo = 0, hi = 0;
    const struct expr *base;
    if (at->op == OP_RAMP && at->kid[1]->op == OP_INT) { /* in a copy */
        int64_t far = at->kid[1]->val.i * (at->type.lanes - 1);
        lo = i64_min(far, 0);
        hi = i64_max(far, 0);
        at = at->kid[0];
    }
    if (!ir_affine(in->c, at, in->nvar, in->var, coef, &base) || coef[0] == 0) return false;
    for (int i = 1; i < in->nvar; i++) {
        int64_t far;
        if (!ck_mul(coef[i], in->var[i]->extent - 1, &far) || far < -(INT64_C(1) << 56) ||
            far > INT64_C(1) << 56)
            return false;
        if (far < 0) lo += far;
        else hi += far;
    }
    if (!k->any) {
        *k = (struct blocks){true, coef[0], lo, hi, base};
        return true;
    }
    const struct expr *apart = ir_simplify(in->c, ir_sub(in->c, base, k->base), NULL);
    if (coef[0] != k->coef || apart->op != OP_INT) return false;
    k->lo = i64_min(k->lo, apart->val.i + lo);
    k->hi = i64_max(k->hi, apart->val.i + hi);
    return true;
}

/* In dimension d (ndim: the flat index) every lane has a block of its own. */
static bool apart_in(const struct inside *in, const struct buffer *b, int d)
{
    struct blocks k = {0};
    for (size_t i = 0; i < in->access.n; i++) {
        const struct access *a = &in->access.at[i];
        if (a->buffer != b) continue;
        bool flat = d == b->ndim;
        if (!flat && a->nidx != b->ndim) return false;
        if (!add_block(in, &k, flat ? flat_index(in->c, b, a->nidx, a->idx) : a->idx[d])) return false;
    }
    return k.hi - k.lo < (k.coef < 0 ? -k.coef : k.coef);
}

/* The only access puts every lane elsewhere, though not evenly: a layout that takes the lanes apart. */
static bool in_own_runs(const struct inside *in, const struct buffer *b)
{
    const struct access *only = NULL;
    struct run run[MAX_RUNS];
    int where[MAX_LANES], covered = 0;
    for (size_t i = 0; i < in->access.n; i++) {
        if (in->access.at[i].buffer != b) continue;
        if (only) return false;
        only = &in->access.at[i];
    }
    int n = only && in->nvar == 1 ? runs_of(in->c, only, in->var[0], run, where) : 0;
    for (int i = 0; i < n; i++) covered += run[i].n;
    return n > 0 && covered == in->var[0]->extent;
}

static bool lanes_apart(const struct inside *in, const struct buffer *b)
{
    for (int d = b->ndim; d >= 0; d--)
        if (apart_in(in, b, d)) return true;
    return in_own_runs(in, b);
}

struct reads { const struct inside *in; const struct buffer *hit; };
static bool reads_written(const struct expr *e, void *u)
{
    struct reads *r = u;
    if (e->op == OP_LOAD && is_written(r->in, e->val.buffer)) r->hit = e->val.buffer;
    return !r->hit;
}

static bool is_of(const struct buffer *const *at, size_t n, const struct buffer *b)
{
    for (size_t i = 0; i < n; i++)
        if (at[i] == b) return true;
    return false;
}

bool iterations_apart(struct ir_ctx *c, const struct stmt *s)
{
    struct inside in = {.c = c, .nvar = 1, .var = {s->u.loop.var}, .copies = true};
    ir_walk_stmt(s->u.loop.body, see_stmt, &in);
    for (size_t i = 0; i < in.access.n && !in.why; i++) {
        const struct access *a = &in.access.at[i];
        if (!a->write || is_of(in.own.at, in.own.n, a->buffer)) continue;
        if (is_of(in.whole.at, in.whole.n, a->buffer) || !lanes_apart(&in, a->buffer)) return false;
    }
    return !in.why;
}

/* Why the loop cannot become vectors, or NULL. */
static const char *obstacle(struct ir_ctx *c, const struct stmt *s, struct inside *in)
{
    *in = (struct inside){.c = c, .nvar = 1, .var = {s->u.loop.var}};
    ir_walk_stmt(s->u.loop.body, see_stmt, in);
    if (in->why) return in->why;
    for (size_t i = 0; i < in->cond.n; i++) {
        struct reads r = {in, NULL};
        ir_walk(in->cond.at[i], reads_written, &r);
        if (r.hit) return arena_printf(&c->arena, "has a condition on %s, which it writes", r.hit->name);
    }
    for (size_t i = 0; i < in->access.n; i++) {
        const struct access *a = &in->access.at[i];
        if (a->write && !lanes_apart(in, a->buffer))
            return arena_printf(&c->arena, "has iterations that may touch the same elements of %s",
                                a->buffer->name);
    }
    return NULL;
}

/* ---- the rewriting ---- */

static bool find_load(const struct expr *e, void *u)
{
    bool *found = u;
    *found |= e->op == OP_LOAD || e->op == OP_EXTERN;
    return !*found;
}

/* Both hold. The second is only looked at in lanes where the first does when it reads memory or calls. */
static const struct expr *both(struct widen *w, const struct expr *mask, const struct expr *cond)
{
    bool loads = false;
    if (!mask) return cond;
    ir_walk(cond, find_load, &loads);
    if (!loads) return ir_and(w->c, mask, cond);
    return ir_select(w->c, mask, cond, ir_bcast(w->c, ir_bool(w->c, false), w->lanes));
}

/* What is taken apart into dimensions by / and % may run straight through memory: A[0, i/3, i%3] of A[h, w, 3]. It is
 * put together while it is scalar. The new number of indices, in *at. */
static int straighten(struct ir_ctx *c, const struct buffer *b, const struct var *v, int n, const struct expr *const *idx,
                      const struct expr **at)
{
    bool straight = true;
    const struct expr *base;
    int64_t step;
    for (int i = 0; i < n; i++) straight = straight && (!ir_uses(idx[i], v) || ir_affine(c, idx[i], 1, &v, &step, &base));
    for (int i = 0; i < n; i++) at[i] = idx[i];
    if (straight) return n;
    const struct expr *flat = flat_index(c, b, n, idx);
    if (!ir_affine(c, flat, 1, &v, &step, &base)) return n;
    at[0] = flat;
    return 1;
}

static const struct expr *straight_load(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct widen *w = u;
    const struct expr *at[QJ_MAX_PHYS];
    if (e->op != OP_LOAD) return NULL;
    int n = straighten(c, e->val.buffer, w->v, e->nkid, e->kid, at);
    return n == e->nkid ? NULL : ir_load(c, e->val.buffer, n, at);
}

static const struct stmt *widen_stmt(struct widen *w, const struct stmt *s, const struct expr *mask);

static const struct stmt *widen_store(struct widen *w, const struct stmt *s, const struct expr *mask)
{
    const struct expr *idx[QJ_MAX_PHYS];
    int n = straighten(w->c, s->u.store.buffer, w->v, s->u.store.nidx, s->u.store.idx, idx);
    for (int i = 0; i < n; i++) idx[i] = wide(w, idx[i]);
    if (s->u.store.mask) mask = both(w, mask, wide(w, s->u.store.mask));
    const struct expr *value = ir_rewrite(w->c, s->u.store.value, straight_load, w);
    return ir_store(w->c, s->u.store.buffer, n, idx, wide(w, value), mask);
}

static const struct stmt *widen_if(struct widen *w, const struct stmt *s, const struct expr *mask)
{
    const struct expr *cond = s->u.cond.cond;
    bool loads = false;
    ir_walk(cond, find_load, &loads);
    if (ir_uses(cond, w->v) || (mask && loads))
        return widen_stmt(w, s->u.cond.then, both(w, mask, wide(w, cond)));
    return ir_if(w->c, cond, widen_stmt(w, s->u.cond.then, mask));
}

static const struct stmt *widen_stmt(struct widen *w, const struct stmt *s, const struct expr *mask)
{
    switch (s->kind) {
    case STMT_FOR: {
        struct stmt *now = arena_copy(&w->c->arena, s, sizeof *s);
        now->u.loop.body = widen_stmt(w, s->u.loop.body, mask);
        return now;
    }
    case STMT_STORE: return widen_store(w, s, mask);
    case STMT_IF: return widen_if(w, s, mask);
    case STMT_SEQ: {
        int n = s->u.seq.n;
        const struct stmt **at = ARENA_ARRAY(&w->c->arena, const struct stmt *, n ? n : 1);
        for (int i = 0; i < n; i++) at[i] = widen_stmt(w, s->u.seq.at[i], mask);
        return ir_seq(w->c, n, at);
    }
    case STMT_ALLOC: case STMT_INTRIN: case STMT_SYNC: case STMT_COMBINE: break; /* obstacles */
    }
    QJ_ASSERT(!"no vector form");
    return NULL;
}

static const struct stmt *vectorize(struct ir_ctx *c, const struct stmt *s, void *u)
{
    if (s->kind != STMT_FOR || s->u.loop.how != LOOP_VECTORIZED || err_is(&c->err)) return NULL;
    struct inside in;
    const struct var *v = s->u.loop.var;
    if (obstacle(c, s, &in)) {
        struct stmt *serial = arena_copy(&c->arena, s, sizeof *s);
        serial->u.loop.how = LOOP_SERIAL;
        return serial;
    }
    if (v->extent > MAX_LANES) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0},
                "loop %s is vectorized over %lld lanes, more than %d", v->name, (long long)v->extent,
                MAX_LANES);
        err_hint(&c->err, "split %s by 16 (or another number of lanes) and vectorize the inner part", v->name);
        return NULL;
    }
    struct widen w = {c, v, (int)v->extent};
    if (w.lanes > 1) return widen_stmt(&w, s->u.loop.body, NULL);
    const struct expr *zero = ir_idx(c, 0);
    return ir_subst_stmt(c, s->u.loop.body, 1, &v, &zero);
}

const struct func *pass_vectorize(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    const struct stmt *s = ir_rewrite_stmt(c, f->body, vectorize, NULL, NULL);
    return err_is(&c->err) ? NULL : func_with_body(c, f, s);
}

/* ---- notes ---- */

/* One note a buffer and direction: accesses whose neighbours lie apart. */
static void note_accesses(struct note_list *n, const struct stmt *s, const struct inside *in)
{
    for (size_t i = 0; i < in->access.n; i++) {
        const struct access *a = &in->access.at[i];
        const struct expr *base;
        int64_t step = 0;
        bool affine = ir_affine(n->c, flat_index(n->c, a->buffer, a->nidx, a->idx), 1, in->var, &step, &base);
        struct run run[MAX_RUNS];
        int where[MAX_LANES];
        bool told = (affine && (step == 0 || step == 1)) || (!affine && runs_of(n->c, a, in->var[0], run, where));
        for (size_t k = 0; k < i && !told; k++)
            told = in->access.at[k].buffer == a->buffer && in->access.at[k].write == a->write;
        if (told) continue;
        const char *how = affine ? arena_printf(&n->c->arena, "elements %lld apart", (long long)step)
                                 : "elements here and there";
        note_add(n, a->write ? "scatter" : "gather", s->u.loop.var->name,
                 arena_printf(&n->c->arena, "vectorized loop %s %s %s of %s, one lane at a time",
                              s->u.loop.var->name, a->write ? "writes" : "reads", how, a->buffer->name));
    }
}

static bool note_loop(const struct stmt *s, void *u)
{
    struct note_list *n = u;
    if (s->kind != STMT_FOR || s->u.loop.how != LOOP_VECTORIZED) return true;
    struct inside in;
    const char *why = obstacle(n->c, s, &in);
    if (why)
        note_add(n, "scalarised", s->u.loop.var->name,
                 arena_printf(&n->c->arena, "vectorized loop %s is run serially: it %s", s->u.loop.var->name, why));
    else
        note_accesses(n, s, &in);
    return true;
}

void vectorize_notes(struct note_list *l, const struct func *f) { ir_walk_stmt(f->body, note_loop, l); }
