/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_combine.c - threads of a warp combine an element of each: `sum(threadIdx.x, 8) L[i]`.
 *
 * launch.c saw that the lanes are a power of two apart and of one warp. Each step a lane takes what the lane whose number
 * differs in one bit has: after three steps eight lanes hold the whole. From sm_80 on one instruction does it for a warp. */
#include "codegen/llvm_impl.h"

/* The lanes of this thread's warp: the last one of a block may be short. */
static LLVMValueRef lanes_here(struct emit *m)
{
    const int64_t *n = m->launch->block;
    int64_t warp = m->target->family->simt->warp, all = n[0] * n[1] * n[2], rest = all % warp;
    LLVMValueRef full = l_const(m->i32, -1), some = l_const(m->i32, (INT64_C(1) << rest) - 1);
    if (!rest) return full;
    if (all < warp) return some;
    LLVMValueRef thread = l_idx(m, 0);
    for (int d = 2; d >= 0; d--)
        thread = LLVMBuildAdd(m->b, LLVMBuildMul(m->b, thread, l_idx(m, n[d]), ""),
                              axis_number(m, (enum loop_kind)(LOOP_THREAD_X + d)), "");
    return LLVMBuildSelect(m->b, LLVMBuildICmp(m->b, LLVMIntULT, thread, l_idx(m, all - rest), ""), full, some, "");
}

static LLVMValueRef from_lane(struct emit *m, LLVMValueRef mask, LLVMValueRef v, int64_t flip)
{
    LLVMValueRef arg[4] = {mask, v, l_const(m->i32, flip), l_const(m->i32, 31)};
    return l_call(m, "llvm.nvvm.shfl.sync.bfly.i32", 0, NULL, 4, arg);
}

/* Registers are exchanged by 32 bits. */
static LLVMValueRef exchanged(struct emit *m, LLVMValueRef mask, LLVMValueRef v, int64_t flip)
{
    if (LLVMTypeOf(v) == m->i32) return from_lane(m, mask, v, flip);
    LLVMValueRef low = from_lane(m, mask, LLVMBuildTrunc(m->b, v, m->i32, ""), flip);
    LLVMValueRef high = LLVMBuildTrunc(m->b, LLVMBuildLShr(m->b, v, l_idx(m, 32), ""), m->i32, "");
    high = LLVMBuildZExt(m->b, from_lane(m, mask, high, flip), m->i64, "");
    return LLVMBuildOr(m->b, LLVMBuildShl(m->b, high, l_idx(m, 32), ""), LLVMBuildZExt(m->b, low, m->i64, ""), "");
}

static LLVMValueRef both(struct emit *m, enum combiner k, bool is_signed, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    if (k == RED_SUM) return LLVMBuildAdd(m->b, a, b, "");
    const char *name = k == RED_MIN ? is_signed ? "llvm.smin" : "llvm.umin" : is_signed ? "llvm.smax" : "llvm.umax";
    return l_call(m, name, 1, &t, 2, (LLVMValueRef[]){a, b});
}

/* All 32 lanes at once, or NULL. */
static LLVMValueRef by_warp(struct emit *m, enum combiner k, bool is_signed, LLVMValueRef v, int64_t lanes)
{
    const int64_t *n = m->launch->block;
    int64_t warp = m->target->family->simt->warp;
    if (lanes != warp || n[0] * n[1] * n[2] % warp || LLVMTypeOf(v) != m->i32 || !target_has(m->target, "sm_80")) return NULL;
    const char *name = k == RED_SUM ? "add" : k == RED_MIN ? is_signed ? "min" : "umin" : is_signed ? "max" : "umax";
    name = arena_printf(&m->c->arena, "llvm.nvvm.redux.sync.%s", name);
    return l_call(m, name, 0, NULL, 2, (LLVMValueRef[]){v, l_const(m->i32, -1)});
}

void emit_combine(struct emit *m, const struct stmt *s)
{
    const struct expr *at = s->u.combine.at;
    const struct dtype_info *d = &dtype_info[at->type.dt];
    LLVMTypeRef stored = l_mem_type(m, at->type), held = d->bits == 64 ? m->i64 : m->i32;
    int64_t stride = 1;
    for (int i = LOOP_THREAD_X; i < (int)s->u.combine.axis; i++) stride *= m->launch->block[i - LOOP_THREAD_X];
    size_t known = memo_mark(m);
    LLVMValueRef v = LLVMBuildIntCast2(m->b, load_run(m, at->val.buffer, at->kid[0], stored), held, d->is_signed, "");
    LLVMValueRef whole = stride == 1 ? by_warp(m, s->u.combine.k, d->is_signed, v, s->u.combine.width) : NULL;
    LLVMValueRef mask = whole ? NULL : lanes_here(m);
    for (int64_t n = 1; !whole && n < s->u.combine.width; n *= 2)
        v = both(m, s->u.combine.k, d->is_signed, v, exchanged(m, mask, v, n * stride));
    if (whole) v = whole;
    store_run(m, at->val.buffer, at->kid[0], LLVMBuildIntCast2(m->b, v, stored, d->is_signed, ""));
    memo_forget(m, known);
}
