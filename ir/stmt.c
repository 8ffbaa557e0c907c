/* SPDX-License-Identifier: Apache-2.0 */
/* stmt.c - makes tensors, buffers and statements. Contract in ir.h. */
#include "ir/extern.h"
#include "ir/meaning.h"

struct ext *ir_ext(struct ir_ctx *c, const char *name, enum dtype result, int narg, const enum dtype *arg)
{
    QJ_ASSERT(narg >= 1 && narg <= EXTERN_MAX_ARGS);
    struct ext *f = ARENA_NEW(&c->arena, struct ext);
    *f = (struct ext){.name = arena_strdup(&c->arena, name), .result = result, .narg = narg, .uid = c->next_uid++};
    memcpy(f->arg, arg, (size_t)narg * sizeof *arg);
    return f;
}

struct tensor *ir_tensor(struct ir_ctx *c, const char *name, enum tensor_kind kind, enum dtype dt, int ndim,
                         const int64_t *shape)
{
    QJ_ASSERT(ndim <= QJ_MAX_RANK);
    struct tensor *t = ARENA_NEW(&c->arena, struct tensor);
    t->name = arena_strdup(&c->arena, name);
    t->kind = kind;
    t->dt = dt;
    t->ndim = ndim;
    for (int i = 0; i < ndim; i++) {
        t->shape[i] = shape[i];
        t->dim_name[i] = arena_printf(&c->arena, "d%d", i);
    }
    t->range = dtype_range(dt);
    t->keyword = kind == TENSOR_INPUT ? "input" : "weight";
    t->uid = ++c->next_uid;
    return t;
}

struct buffer *ir_buffer(struct ir_ctx *c, const char *name, enum dtype dt, enum scope scope, int ndim,
                         const int64_t *shape)
{
    QJ_ASSERT(ndim <= QJ_MAX_PHYS);
    struct buffer *b = ARENA_NEW(&c->arena, struct buffer);
    b->name = arena_strdup(&c->arena, name);
    b->dt = dt;
    b->scope = scope;
    b->ndim = ndim;
    for (int i = 0; i < ndim; i++) b->shape[i] = shape[i];
    b->range = dtype_range(dt);
    b->uid = ++c->next_uid;
    return b;
}

int64_t buffer_stride(const struct buffer *b, int d)
{
    int64_t n = 1;
    for (int i = b->ndim - 1; i > d; i--) n = n * b->shape[i] + b->gap[i - 1];
    return n;
}

int64_t buffer_elems(const struct buffer *b) { return b->ndim ? b->shape[0] * buffer_stride(b, 0) : 1; }

int64_t buffer_bytes(const struct buffer *b)
{
    int64_t n = dt_bytes(b->dt);
    for (int i = b->ndim - 1; i >= 0; i--)
        if (!ck_mul(n, b->shape[i], &n) || (i && !ck_add(n, b->gap[i - 1] * dt_bytes(b->dt), &n)) || n >= INT64_C(1) << 47)
            return -1;
    return n;
}

static struct stmt *new_stmt(struct ir_ctx *c, enum stmt_kind kind)
{
    struct stmt *s = ARENA_NEW(&c->arena, struct stmt);
    s->kind = kind;
    s->uid = ++c->next_uid;
    return s;
}

const struct stmt *ir_for(struct ir_ctx *c, const struct var *v, enum loop_kind how, const struct stmt *body)
{
    if (!v || !body) return NULL;
    QJ_ASSERT(v->extent > 0);
    struct stmt *s = new_stmt(c, STMT_FOR);
    s->u.loop.var = v;
    s->u.loop.how = how;
    s->u.loop.body = body;
    return s;
}

const struct stmt *ir_store(struct ir_ctx *c, const struct buffer *b, int nidx, const struct expr *const *idx,
                            const struct expr *value, const struct expr *mask)
{
    if (!b || !value) return NULL;
    for (int i = 0; i < nidx; i++)
        if (!idx[i]) return NULL;
    QJ_ASSERT(value->type.dt == b->dt);
    struct stmt *s = new_stmt(c, STMT_STORE);
    s->u.store.buffer = b;
    s->u.store.nidx = nidx;
    s->u.store.idx = arena_copy(&c->arena, idx, (size_t)nidx * sizeof idx[0]);
    s->u.store.value = value;
    s->u.store.mask = mask;
    return s;
}

const struct stmt *ir_if(struct ir_ctx *c, const struct expr *cond, const struct stmt *then)
{
    if (!cond || !then) return NULL;
    QJ_ASSERT(type_eq(cond->type, TYPE_BOOL));
    if (ir_is_int(cond, 1)) return then;
    struct stmt *s = new_stmt(c, STMT_IF);
    s->u.cond.cond = cond;
    s->u.cond.then = then;
    return s;
}

const struct stmt *ir_seq(struct ir_ctx *c, int n, const struct stmt *const *at)
{
    VEC(const struct stmt *) v = {0};
    for (int i = 0; i < n; i++) {
        if (!at[i]) continue;
        if (at[i]->kind != STMT_SEQ) {
            VEC_PUSH(&c->arena, v, at[i]);
            continue;
        }
        for (int k = 0; k < at[i]->u.seq.n; k++) VEC_PUSH(&c->arena, v, at[i]->u.seq.at[k]);
    }
    if (v.n == 1) return v.at[0];
    struct stmt *s = new_stmt(c, STMT_SEQ);
    s->u.seq.n = (int)v.n;
    s->u.seq.at = v.at;
    return s;
}

const struct stmt *ir_alloc(struct ir_ctx *c, const struct buffer *b, const struct stmt *body)
{
    if (!b || !body) return NULL;
    struct stmt *s = new_stmt(c, STMT_ALLOC);
    s->u.alloc.buffer = b;
    s->u.alloc.body = body;
    return s;
}

const struct stmt *ir_intrin(struct ir_ctx *c, const struct meaning *m, const struct expr *const *arg)
{
    struct stmt *s = new_stmt(c, STMT_INTRIN);
    s->u.intrin.meaning = m;
    s->u.intrin.arg = arena_copy(&c->arena, arg, (size_t)meaning_nargs(m) * sizeof arg[0]);
    return s;
}

const struct stmt *ir_sync(struct ir_ctx *c) { return new_stmt(c, STMT_SYNC); }

const struct stmt *ir_copies(struct ir_ctx *c, enum sync_kind k, int keep)
{
    struct stmt *s = new_stmt(c, STMT_SYNC);
    s->u.sync.kind = k;
    s->u.sync.keep = keep;
    return s;
}

const struct stmt *ir_combine_threads(struct ir_ctx *c, enum combiner k, enum loop_kind axis, int width, const struct expr *at)
{
    if (!at) return NULL;
    struct stmt *s = new_stmt(c, STMT_COMBINE);
    s->u.combine.k = k;
    s->u.combine.axis = axis;
    s->u.combine.width = width;
    s->u.combine.at = at;
    return s;
}
