/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_kernel.c - kernels of a GPU: one LLVM function a launch (launch.c), all of them with the same parameters,
 *
 *     .entry NAME(A, W, ..., Out [, workspace])      pointers to global memory
 *
 * A loop bound to an axis is no loop: its variable is the block's or thread's number, and where the launch has more
 * threads than the loop iterations, an `if`. Shared buffers are variables of the module, or lie in what the launch asks for;
 * local ones are the function's. */
#include "codegen/llvm_impl.h"

enum { CONV_PTX_KERNEL = 71 };

/* ---- attributes ---- */

static LLVMMetadataRef md_int(struct emit *m, int64_t v) { return LLVMValueAsMetadata(l_const(m->i32, v)); }

/* nvvm.annotations: the kernel runs with exactly this many threads along an axis. */
static void require_threads(struct emit *m, LLVMValueRef fn, const char *key, int64_t n)
{
    LLVMMetadataRef three[3] = {LLVMValueAsMetadata(fn), LLVMMDStringInContext2(m->llvm, key, strlen(key)), md_int(m, n)};
    LLVMAddNamedMetadataOperand(m->module, "nvvm.annotations",
                                LLVMMetadataAsValue(m->llvm, LLVMMDNodeInContext2(m->llvm, three, 3)));
}

/* ---- bound loops ---- */

LLVMValueRef axis_number(struct emit *m, enum loop_kind how)
{
    bool thread = how >= LOOP_THREAD_X;
    char axis = "xyz"[(int)how - (thread ? LOOP_THREAD_X : LOOP_BLOCK_X)];
    const char *name = arena_printf(&m->c->arena, "llvm.nvvm.read.ptx.sreg.%s.%c", thread ? "tid" : "ctaid", axis);
    return LLVMBuildZExt(m->b, l_call(m, name, 0, NULL, 0, NULL), m->i64, "");
}

bool emit_bound(struct emit *m, const struct stmt *s)
{
    const struct var *v = s->u.loop.var;
    enum loop_kind how = s->u.loop.how;
    int64_t launched = how >= LOOP_THREAD_X ? m->launch->block[how - LOOP_THREAD_X] : m->launch->grid[how - LOOP_BLOCK_X];
    size_t scope = m->frame->bind.n;
    LLVMValueRef at = launched == 1 ? l_idx(m, 0) : axis_number(m, how);
    LLVMBasicBlockRef done = NULL;
    if (v->extent < launched) {
        LLVMBasicBlockRef then = l_block(m, "thread");
        done = l_block(m, "done");
        LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntULT, at, l_idx(m, v->extent), ""), then, done);
        l_at(m, then);
    }
    bind(m, (struct binding){v, at, 0, 0});
    bool ok = emit_stmt(m, s->u.loop.body);
    m->frame->bind.n = scope;
    if (done) {
        LLVMBasicBlockRef last = LLVMGetInsertBlock(m->b);
        LLVMBuildBr(m->b, done);
        LLVMMoveBasicBlockAfter(done, last);
        l_at(m, done);
    }
    return ok;
}

void emit_barrier(struct emit *m) { l_call(m, "llvm.nvvm.barrier0", 0, NULL, 0, NULL); }

/* ---- memory ---- */

/* What a launch asks for: one array without a size. No C name has a $. */
static LLVMValueRef dynamic_room(struct emit *m, size_t i)
{
    static const char name[] = "shared$dynamic";
    LLVMValueRef offset = l_idx(m, m->launch->shared_buffer.at[i].offset), g = LLVMGetNamedGlobal(m->module, name);
    if (!g) {
        g = LLVMAddGlobalInAddressSpace(m->module, LLVMArrayType2(m->i8, 0), name, AS_SHARED);
        LLVMSetAlignment(g, LAUNCH_ALIGN);
    }
    return LLVMBuildInBoundsGEP2(m->b, m->i8, g, &offset, 1, "");
}

LLVMValueRef shared_room(struct emit *m, const struct buffer *b)
{
    size_t i = 0;
    while (m->launch->shared_buffer.at[i].buffer != b) i++;
    if (m->launch->dynamic) return dynamic_room(m, i);
    const char *name = arena_printf(&m->c->arena, "%s.%s.%zu", m->launch->name, b->name, i);
    LLVMValueRef g = LLVMGetNamedGlobal(m->module, name);
    if (g) return g;
    LLVMTypeRef t = LLVMArrayType2(l_mem_type(m, type_of(b->dt)), (uint64_t)buffer_elems(b));
    g = LLVMAddGlobalInAddressSpace(m->module, t, name, AS_SHARED);
    LLVMSetLinkage(g, LLVMInternalLinkage);
    LLVMSetInitializer(g, LLVMGetUndef(t));
    LLVMSetAlignment(g, LAUNCH_ALIGN);
    return g;
}

/* ---- kernels ---- */

static bool fill_kernel(struct emit *m, const struct func *f, int nparam, const struct launches *l, LLVMValueRef fn)
{
    struct frame frame = {.fn = fn};
    m->frame = &frame;
    m->memo.n = 0;
    if (m->nslot) memset(m->slot, 0, m->nslot * sizeof m->slot[0]);
    frame.entry = l_block(m, "entry");
    frame.start = l_block(m, "start");
    for (int i = nparam; i < f->narg; i++)
        bind(m, (struct binding){f->arg[i], embedded_data(m, f->arg[i]->tensor), STORAGE_ALIGN, 0});
    for (int i = 0; i < nparam; i++) {
        LLVMValueRef p = LLVMGetParam(fn, (unsigned)i);
        LLVMSetValueName2(p, f->arg[i]->name, strlen(f->arg[i]->name));
        set_arg_attrs(m, fn, (unsigned)i + 1, f->arg[i]);
        set_attr(m, fn, (unsigned)i + 1, "align", LAUNCH_ALIGN);
        bind(m, (struct binding){f->arg[i], p, LAUNCH_ALIGN, 0});
    }
    l_at(m, frame.start);
    for (size_t i = 0; i < l->global.n; i++) {
        LLVMValueRef offset = l_idx(m, l->global.at[i].offset);
        LLVMValueRef at = LLVMBuildInBoundsGEP2(m->b, m->i8, LLVMGetParam(fn, (unsigned)nparam), &offset, 1,
                                                l->global.at[i].buffer->name);
        bind(m, (struct binding){l->global.at[i].buffer, at, LAUNCH_ALIGN, 0});
    }
    bool ok = emit_stmt(m, m->launch->body);
    LLVMBuildRetVoid(m->b);
    l_at(m, frame.entry);
    LLVMBuildBr(m->b, frame.start);
    m->frame = NULL;
    return ok;
}

bool emit_kernels(struct emit *m, const struct func *f, int nembedded, int64_t *workspace, struct launches *l)
{
    static const char *const require[3] = {"reqntidx", "reqntidy", "reqntidz"};
    if (!plan_launches(m->c, f, m->target, l)) return false;
    *workspace = l->workspace;
    m->name = f->name;
    int nparam = f->narg - nembedded, n = nparam + (l->workspace != 0);
    LLVMTypeRef *param = ARENA_ARRAY(&m->c->arena, LLVMTypeRef, n ? n : 1);
    for (int i = 0; i < n; i++) param[i] = LLVMPointerTypeInContext(m->llvm, AS_GLOBAL);
    bool ok = true;
    for (size_t i = 0; i < l->kernel.n && ok; i++) {
        m->launch = &l->kernel.at[i];
        LLVMValueRef fn = LLVMAddFunction(m->module, m->launch->name, LLVMFunctionType(m->nothing, param, (unsigned)n, 0));
        LLVMSetFunctionCallConv(fn, CONV_PTX_KERNEL);
        set_fn_attrs(m, fn);
        for (int d = 0; d < 3; d++) require_threads(m, fn, require[d], m->launch->block[d]);
        require_threads(m, fn, "minctasm", 1); /* else ptxas spills a little to have more blocks at a time */
        if (l->workspace) {
            set_attr(m, fn, (unsigned)n, "noalias", 0);
            set_attr(m, fn, (unsigned)n, "align", LAUNCH_ALIGN);
        }
        ok = fill_kernel(m, f, nparam, l, fn);
    }
    m->launch = NULL;
    return ok;
}
