/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_async.c - stores into async shared memory as cp.async of 4, 8 or 16 bytes: what has the form of one, the reason why the
 * rest does not, and the instructions. check.c refuses by async_copy_of what emit_async_copy has no form for.
 *
 *     S[ramp(s, 1, 16)] = A[ramp(a, 1, 16)]                         cp.async.cg.shared.global [S + s], [A + a], 16;
 *     S[ramp(s, 1, 16)] = select(c, A[ramp(a, 1, 16)], 0)           ..., 16, c ? 16 : 0;       the rest is zeros */
#include <math.h>

#include "codegen/llvm_impl.h"
#include "ir/simplify.h"

enum { PIECE = 16 };    /* bytes of the widest copy */

/* First element of lanes that are neighbours, or NULL. */
static const struct expr *first_lane(const struct expr *at)
{
    if (at->type.lanes == 1) return at;
    return at->op == OP_RAMP && ir_is_int(at->kid[1], 1) ? at->kid[0] : NULL;
}

/* What all lanes agree on, or NULL. */
static const struct expr *same_lanes(const struct expr *e)
{
    if (e->type.lanes == 1) return e;
    return e->op == OP_BCAST ? e->kid[0] : NULL;
}

static bool is_zero(const struct expr *e)
{
    e = same_lanes(e);
    return e && (e->op == OP_FLT ? e->val.f == 0 && !signbit(e->val.f) : ir_is_int(e, 0));
}

static bool aligned(const struct expr *at, int64_t elems)
{
    int64_t m, r;
    if (at->op == OP_INT) return at->val.i % elems == 0;
    ir_modulus(at, &m, &r);
    return m % elems == 0 && r % elems == 0;
}

static bool no(const char **why, const char *text) { return *why = text, false; }

bool async_copy_of(const struct stmt *s, struct async_copy *out, const char **why)
{
    const struct expr *value = s->u.store.value, *zero = NULL;
    const struct buffer *b = s->u.store.buffer;
    *out = (struct async_copy){0};
    if (s->u.store.mask && !(out->mask = same_lanes(s->u.store.mask))) return no(why, "some of its lanes are guarded apart from the others");
    if (value->op == OP_SELECT) {
        if (!(out->cond = same_lanes(value->kid[0]))) return no(why, "it chooses lane by lane");
        zero = value->kid[2];
        value = value->kid[1];
    }
    if (zero && !is_zero(zero)) return no(why, "what it fills with is not zero");
    if (value->op != OP_LOAD || value->type.dt != b->dt) return no(why, "it is no plain copy");
    enum scope from = value->val.buffer->scope;
    if (from != SCOPE_ARG && from != SCOPE_GLOBAL) return no(why, "it copies from what is not in global memory");
    out->from = value->val.buffer;
    out->bytes = dt_bytes(b->dt) * value->type.lanes;
    out->to_at = first_lane(s->u.store.idx[0]);
    out->from_at = first_lane(value->kid[0]);
    if (!out->to_at || !out->from_at) return no(why, "its elements do not lie side by side");
    int64_t piece = out->bytes < PIECE ? out->bytes : PIECE;
    if (piece < 4 || out->bytes % piece || (piece & (piece - 1))) return no(why, "it is not 4, 8 or 16 bytes at a time");
    if (!aligned(out->to_at, piece / dt_bytes(b->dt)) || !aligned(out->from_at, piece / dt_bytes(b->dt)))
        return no(why, "it is not aligned to the bytes that it copies at a time");
    return true;
}

static LLVMValueRef element(struct emit *m, const struct buffer *b, LLVMValueRef at)
{
    return LLVMBuildGEP2(m->b, l_mem_type(m, type_of(b->dt)), binding_of(m, b)->value, &at, 1, "");
}

static void copy(struct emit *m, const struct stmt *s, const struct async_copy *k)
{
    const struct buffer *b = s->u.store.buffer;
    int piece = k->bytes < PIECE ? k->bytes : PIECE, lanes = piece / dt_bytes(b->dt);
    LLVMValueRef to = emit_expr(m, k->to_at), from = emit_expr(m, k->from_at), cond = k->cond ? emit_expr(m, k->cond) : NULL;
    if (cond) from = LLVMBuildSelect(m->b, cond, from, l_idx(m, 0), ""); /* an address that is there, though nothing is read */
    for (int i = 0; i < k->bytes / piece; i++) {
        LLVMValueRef arg[3] = {element(m, b, LLVMBuildAdd(m->b, to, l_idx(m, i * lanes), "")),
                               element(m, k->from, LLVMBuildAdd(m->b, from, l_idx(m, i * lanes), ""))};
        if (cond) arg[2] = LLVMBuildSelect(m->b, cond, l_const(m->i32, piece), l_const(m->i32, 0), "");
        const char *name = arena_printf(&m->c->arena, "llvm.nvvm.cp.async.%s.shared.global.%d%s", piece == PIECE ? "cg" : "ca", piece,
                                        cond ? ".s" : "");
        l_call(m, name, 0, NULL, cond ? 3 : 2, arg);
    }
}

void emit_async_copy(struct emit *m, const struct stmt *s)
{
    struct async_copy k;
    const char *why;
    bool fits = async_copy_of(s, &k, &why);
    QJ_ASSERT(fits); /* check_func */
    size_t known = memo_mark(m);
    if (!k.mask) {
        copy(m, s, &k);
    } else {
        LLVMBasicBlockRef then = l_block(m, "copy"), done = l_block(m, "copied");
        LLVMBuildCondBr(m->b, emit_expr(m, k.mask), then, done);
        l_at(m, then);
        copy(m, s, &k);
        LLVMBuildBr(m->b, done);
        LLVMMoveBasicBlockAfter(done, LLVMGetInsertBlock(m->b));
        l_at(m, done);
    }
    memo_forget(m, known);
}

void emit_sync(struct emit *m, const struct stmt *s)
{
    LLVMValueRef keep = l_const(m->i32, s->u.sync.keep);
    switch (s->u.sync.kind) {
    case SYNC_BARRIER: emit_barrier(m); break;
    case SYNC_COMMIT: l_call(m, "llvm.nvvm.cp.async.commit.group", 0, NULL, 0, NULL); break;
    case SYNC_WAIT: l_call(m, "llvm.nvvm.cp.async.wait.group", 0, NULL, 1, &keep); break;
    }
}
