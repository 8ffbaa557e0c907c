/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_extern.c - calls of the host's functions: `extern f(i8, f32) : bool` is bool f(int8_t, float) in C.
 *
 * In vectors lane by lane, and only the lanes of the mask. LLVM is told that f is pure, so it makes equal calls once;
 * not that f may be called where it was not, so it moves none out of a branch. */
#include "codegen/llvm_impl.h"

/* C's calling convention: arguments narrower than 32 bits are extended by the caller (x86-64's callers and callees do
 * so by custom, AArch64's need not and may). Of a result no more bits are believed than its type has. */
static LLVMTypeRef abi_type(struct emit *m, enum dtype d) { return l_mem_type(m, type_of(d)); }

static LLVMValueRef declare(struct emit *m, const struct ext *f)
{
    LLVMValueRef fn = LLVMGetNamedFunction(m->module, f->name);
    if (fn) return fn;
    LLVMTypeRef param[EXTERN_MAX_ARGS];
    for (int i = 0; i < f->narg; i++) param[i] = abi_type(m, f->arg[i]);
    LLVMTypeRef type = LLVMFunctionType(abi_type(m, f->result), param, (unsigned)f->narg, 0);
    fn = LLVMAddFunction(m->module, f->name, type);
    /* nobuiltin: sinf is the host's, whatever LLVM knows of C's */
    static const char *const attr[] = {"nounwind", "willreturn", "nofree", "nosync", "nobuiltin", "memory"};
    for (size_t i = 0; i < ARRAY_LEN(attr); i++) set_attr(m, fn, LLVMAttributeFunctionIndex, attr[i], 0);
    for (int i = 0; i < f->narg; i++) {
        const struct dtype_info *d = &dtype_info[f->arg[i]];
        if (f->arg[i] != DT_F32 && d->bits < 32) set_attr(m, fn, (unsigned)i + 1, d->is_signed ? "signext" : "zeroext", 0);
    }
    return fn;
}

static LLVMValueRef call_one(struct emit *m, const struct ext *f, LLVMValueRef *arg)
{
    LLVMValueRef fn = declare(m, f);
    LLVMTypeRef type = LLVMGlobalGetValueType(fn);
    for (int i = 0; i < f->narg; i++)
        if (f->arg[i] == DT_BOOL) arg[i] = LLVMBuildZExt(m->b, arg[i], m->i8, "");
    LLVMValueRef v = LLVMBuildCall2(m->b, type, fn, arg, (unsigned)f->narg, "");
    if (f->result == DT_BOOL) v = LLVMBuildICmp(m->b, LLVMIntNE, v, LLVMConstNull(m->i8), "");
    return v;
}

/* Lane `n` of the arguments, spread ones as they are. */
static LLVMValueRef call_lane(struct emit *m, const struct ext *f, LLVMValueRef const *all, LLVMValueRef n)
{
    LLVMValueRef arg[EXTERN_MAX_ARGS];
    for (int i = 0; i < f->narg; i++) {
        bool vector = LLVMGetTypeKind(LLVMTypeOf(all[i])) == LLVMVectorTypeKind;
        arg[i] = vector ? LLVMBuildExtractElement(m->b, all[i], n, "") : all[i];
    }
    return call_one(m, f, arg);
}

LLVMValueRef emit_extern(struct emit *m, const struct expr *e)
{
    const struct ext *f = e->val.ext;
    LLVMValueRef arg[EXTERN_MAX_ARGS];
    for_kids(e, i) arg[i] = e->kid[i]->op == OP_BCAST ? emit_uniform(m, e->kid[i]->kid[0]) : emit_expr(m, e->kid[i]);
    if (e->type.lanes == 1) return call_one(m, f, arg);
    LLVMValueRef all = LLVMGetPoison(l_type(m, e->type));
    if (m->mask) all = LLVMConstNull(l_type(m, e->type)); /* the other lanes have a value, if nobody's */
    for (int k = 0; k < e->type.lanes; k++) {
        LLVMValueRef n = l_const(m->i32, k);
        if (!m->mask) {
            all = LLVMBuildInsertElement(m->b, all, call_lane(m, f, arg, n), n, "");
            continue;
        }
        LLVMBasicBlockRef from = LLVMGetInsertBlock(m->b), on = l_block(m, "lane"), next = l_block(m, "next");
        LLVMBuildCondBr(m->b, LLVMBuildExtractElement(m->b, m->mask, n, ""), on, next);
        l_at(m, on);
        LLVMValueRef with = LLVMBuildInsertElement(m->b, all, call_lane(m, f, arg, n), n, "");
        LLVMBuildBr(m->b, next);
        l_at(m, next);
        LLVMValueRef phi = LLVMBuildPhi(m->b, LLVMTypeOf(all), "");
        LLVMAddIncoming(phi, (LLVMValueRef[]){all, with}, (LLVMBasicBlockRef[]){from, on}, 2);
        all = phi;
    }
    return all;
}
