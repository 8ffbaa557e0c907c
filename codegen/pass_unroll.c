/* SPDX-License-Identifier: Apache-2.0 */
/* pass_unroll.c - loops marked `unrolled` become their iterations, one after the other.
 *
 * On a GPU so do those bound to vthread: a thread does their iterations, in registers of its own - in step, statement by statement
 * within the loops inside, where no iteration touches what another writes: more work that does not wait for each other.
 *
 *     vthread v in 0..2 { alloc L {                      alloc L_0 { alloc L_1 {
 *       for k in 0..8 { L += A[v, k] }          ->         for k in 0..8 { L_0 += A[0, k]; L_1 += A[1, k] }
 *       C[v] = L } }                                       C[0] = L_0; C[1] = L_1 } }
 *
 * Inner loops first. The number of statements made is limited: LLVM's time grows faster than they do. */
#include "codegen/passes.h"
#include "ir/simplify.h"

static bool count_stmt(const struct stmt *s, void *u)
{
    int64_t *n = u;
    if (s->kind != STMT_SEQ) ++*n;
    return true;
}

/* ---- copies in step ---- */

struct own { const struct buffer *from, **to; };
struct copies {
    struct ir_ctx *c;
    const struct var *v;
    VEC(struct own) own;        /* local buffers allocated around, one a copy */
    int64_t at;                 /* the copy being made */
};

static const struct buffer *own_of(const struct copies *k, const struct buffer *b)
{
    for (size_t i = 0; i < k->own.n; i++)
        if (k->own.at[i].from == b) return k->own.at[i].to[k->at];
    return NULL;
}

static const struct expr *copy_expr(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct copies *k = u;
    if (e->op == OP_VAR && e->val.var == k->v) return ir_idx(c, k->at);
    const struct buffer *b = e->op == OP_LOAD ? own_of(k, e->val.buffer) : NULL;
    return b ? ir_load(c, b, e->nkid, e->kid) : NULL;
}

static const struct stmt *copy_stmt(struct ir_ctx *c, const struct stmt *s, void *u)
{
    const struct buffer *b = s->kind == STMT_STORE ? own_of(u, s->u.store.buffer) : NULL;
    return b ? ir_store(c, b, s->u.store.nidx, s->u.store.idx, s->u.store.value, s->u.store.mask) : NULL;
}

static bool loads(const struct expr *e, void *u)
{
    if (e->op == OP_LOAD) *(bool *)u = true;
    return true;
}

static const struct stmt *in_step(struct copies *k, const struct stmt *s);

static const struct stmt *alloc_in_step(struct copies *k, const struct stmt *s)
{
    struct ir_ctx *c = k->c;
    const struct buffer *b = s->u.alloc.buffer;
    struct own x = {b, ARENA_ARRAY(&c->arena, const struct buffer *, k->v->extent)};
    for (int64_t i = 0; i < k->v->extent; i++) {
        struct buffer *copy = ir_buffer(c, arena_printf(&c->arena, "%s_%d", b->name, (int)i), b->dt, b->scope, b->ndim, b->shape);
        memcpy(copy->gap, b->gap, sizeof copy->gap);
        copy->range = b->range;
        copy->tensor = b->tensor;
        x.to[i] = copy;
    }
    VEC_PUSH(&c->arena, k->own, x);
    const struct stmt *body = in_step(k, s->u.alloc.body);
    for (int64_t i = k->v->extent; i-- > 0;) body = ir_alloc(c, x.to[i], body);
    return body;
}

static const struct stmt *in_step(struct copies *k, const struct stmt *s)
{
    struct ir_ctx *c = k->c;
    bool reads = false;
    if (s->kind == STMT_ALLOC) return alloc_in_step(k, s);
    if (s->kind == STMT_FOR) {
        struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
        now->u.loop.body = in_step(k, s->u.loop.body);
        return now;
    }
    if (s->kind == STMT_SEQ) {
        const struct stmt **at = ARENA_ARRAY(&c->arena, const struct stmt *, s->u.seq.n);
        for (int i = 0; i < s->u.seq.n; i++) at[i] = in_step(k, s->u.seq.at[i]);
        return ir_seq(c, s->u.seq.n, at);
    }
    if (s->kind == STMT_IF) {
        ir_walk(s->u.cond.cond, loads, &reads);
        if (!reads && !ir_uses(s->u.cond.cond, k->v)) return ir_if(c, s->u.cond.cond, in_step(k, s->u.cond.then));
    }
    const struct stmt **copy = ARENA_ARRAY(&c->arena, const struct stmt *, k->v->extent);
    for (k->at = 0; k->at < k->v->extent; k->at++) copy[k->at] = ir_rewrite_stmt(c, s, copy_stmt, copy_expr, k);
    return ir_seq(c, (int)k->v->extent, copy);
}

/* ---- the rule ---- */

static const struct stmt *unroll(struct ir_ctx *c, const struct stmt *s, void *u)
{
    const struct target *t = u;
    if (s->kind != STMT_FOR || err_is(&c->err)) return NULL;
    if (s->u.loop.how != LOOP_UNROLLED && !(s->u.loop.how == LOOP_VTHREAD && t->family->kind == TARGET_SIMT)) return NULL;
    const struct var *v = s->u.loop.var;
    int64_t one = 0, all;
    ir_walk_stmt(s->u.loop.body, count_stmt, &one);
    if (!ck_mul(one, v->extent, &all) || all > MAX_UNROLLED) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0},
                "unrolling loop %s makes %lld copies of %lld statements, more than %d in all", v->name,
                (long long)v->extent, (long long)one, MAX_UNROLLED);
        err_hint(&c->err, "split %s and unroll the inner part only", v->name);
        return NULL;
    }
    if (s->u.loop.how == LOOP_VTHREAD && iterations_apart(c, s)) return in_step(&(struct copies){.c = c, .v = v}, s->u.loop.body);
    const struct stmt **copy = ARENA_ARRAY(&c->arena, const struct stmt *, v->extent);
    for (int64_t i = 0; i < v->extent; i++) {
        const struct expr *at = ir_idx(c, i);
        copy[i] = ir_subst_stmt(c, s->u.loop.body, 1, &v, &at);
    }
    return ir_seq(c, (int)v->extent, copy);
}

const struct func *pass_unroll(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    const struct stmt *s = ir_rewrite_stmt(c, f->body, unroll, NULL, (void *)(uintptr_t)t);
    if (err_is(&c->err)) return NULL;
    return func_with_body(c, f, s == f->body ? s : ir_simplify_stmt(c, s, NULL));
}
