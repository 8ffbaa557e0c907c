/* SPDX-License-Identifier: Apache-2.0 */
/* pass_flatten.c - every index becomes one element number: A[y, x] of A[8, 64] is A[y*64 + x].
 *
 * Requires nothing; afterwards loads and stores have one index. Linear vectors stay ramps, so that codegen
 * sees which accesses are contiguous. */
#include "codegen/passes.h"
#include "ir/simplify.h"

/* base + stride * lane; a bcast has stride 0. */
static bool as_ramp(struct ir_ctx *c, const struct expr *e, const struct expr **base,
                    const struct expr **stride)
{
    if (e->op == OP_RAMP) { *base = e->kid[0]; *stride = e->kid[1]; return true; }
    if (e->op == OP_BCAST) { *base = e->kid[0]; *stride = ir_idx(c, 0); return true; }
    return false;
}

const struct expr *fold_ramp(struct ir_ctx *c, const struct expr *e)
{
    const struct expr *ab, *as, *bb, *bs;
    bool sum = e->op == OP_ADD || e->op == OP_SUB;
    if ((!sum && e->op != OP_MUL) || e->type.dt != DT_I64 || e->type.lanes == 1) return e;
    if (!as_ramp(c, e->kid[0], &ab, &as) || !as_ramp(c, e->kid[1], &bb, &bs)) return e;
    if (sum) return ir_ramp(c, ir_bin(c, e->op, ab, bb), ir_bin(c, e->op, as, bs), e->type.lanes);
    if (ir_is_int(bs, 0)) return ir_ramp(c, ir_mul(c, ab, bb), ir_mul(c, as, bb), e->type.lanes);
    if (ir_is_int(as, 0)) return ir_ramp(c, ir_mul(c, ab, bb), ir_mul(c, ab, bs), e->type.lanes);
    return e;
}

const struct expr *flat_index(struct ir_ctx *c, const struct buffer *b, int nidx,
                              const struct expr *const *idx)
{
    if (nidx == 1) return idx[0];
    const struct expr *at = ir_idx(c, 0);
    for (int i = nidx - 1; i >= 0; i--) {
        const struct expr *term = fold_ramp(c, ir_mul(c, idx[i], ir_int(c, idx[i]->type, buffer_stride(b, i))));
        at = fold_ramp(c, ir_add(c, at, term));
    }
    return ir_simplify(c, at, NULL);
}

static const struct expr *flat_load(struct ir_ctx *c, const struct expr *e, void *u)
{
    if (e->op != OP_LOAD || e->nkid == 1) return NULL;
    const struct expr *at = flat_index(c, e->val.buffer, e->nkid, e->kid);
    return ir_load(c, e->val.buffer, 1, &at);
}

static const struct stmt *flat_store(struct ir_ctx *c, const struct stmt *s, void *u)
{
    if (s->kind != STMT_STORE || s->u.store.nidx == 1) return NULL;
    const struct expr *at = flat_index(c, s->u.store.buffer, s->u.store.nidx, s->u.store.idx);
    at = ir_bcast(c, at, s->u.store.value->type.lanes);
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    now->u.store.nidx = 1;
    now->u.store.idx = arena_copy(&c->arena, &at, sizeof at);
    return now;
}

const struct func *pass_flatten(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    return func_with_body(c, f, ir_rewrite_stmt(c, f->body, flat_store, flat_load, NULL));
}
