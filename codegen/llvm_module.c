/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_module.c - the module: its functions with their attributes, and the small words that building IR
 * in it takes. Everything is made in a context of its own, so compiles do not meet. */
#include <stdlib.h>

#include "codegen/llvm_impl.h"
#include "ir/simplify.h"

/* ---- words ---- */

LLVMTypeRef l_vec(LLVMTypeRef t, int lanes) { return lanes == 1 ? t : LLVMVectorType(t, (unsigned)lanes); }

static LLVMTypeRef scalar_type(struct emit *m, enum dtype d)
{
    if (d == DT_BOOL) return m->i1;
    if (d == DT_F32) return m->f32;
    return LLVMIntTypeInContext(m->llvm, (unsigned)dtype_info[d].bits);
}

LLVMTypeRef l_type(struct emit *m, struct type t) { return l_vec(scalar_type(m, t.dt), t.lanes); }

LLVMTypeRef l_mem_type(struct emit *m, struct type t)
{
    return l_vec(t.dt == DT_BOOL ? m->i8 : scalar_type(m, t.dt), t.lanes);
}

static LLVMValueRef const_splat(LLVMValueRef v, int lanes)
{
    LLVMValueRef all[8192 / 8];
    QJ_ASSERT(lanes <= (int)ARRAY_LEN(all));
    for (int i = 0; i < lanes; i++) all[i] = v;
    return LLVMConstVector(all, (unsigned)lanes);
}

LLVMValueRef l_const(LLVMTypeRef t, int64_t v)
{
    if (LLVMGetTypeKind(t) != LLVMVectorTypeKind) return LLVMConstInt(t, (unsigned long long)v, 1);
    return const_splat(LLVMConstInt(LLVMGetElementType(t), (unsigned long long)v, 1),
                       (int)LLVMGetVectorSize(t));
}

LLVMValueRef l_idx(struct emit *m, int64_t v) { return l_const(m->i64, v); }

LLVMValueRef l_constf(struct emit *m, LLVMTypeRef t, double v)
{
    LLVMValueRef one = LLVMConstReal(m->f32, v);
    return t == m->f32 ? one : const_splat(one, (int)LLVMGetVectorSize(t));
}

LLVMValueRef l_lanes(struct emit *m, int64_t first, int64_t step, int lanes, LLVMTypeRef elem)
{
    LLVMValueRef *at = ARENA_ARRAY(&m->c->arena, LLVMValueRef, lanes);
    for (int i = 0; i < lanes; i++) at[i] = l_const(elem, first + i * step);
    return LLVMConstVector(at, (unsigned)lanes);
}

LLVMValueRef l_splat(struct emit *m, LLVMValueRef v, int lanes)
{
    if (lanes == 1) return v;
    if (LLVMIsConstant(v)) return const_splat(v, lanes);
    LLVMTypeRef t = l_vec(LLVMTypeOf(v), lanes);
    LLVMValueRef one = LLVMBuildInsertElement(m->b, LLVMGetPoison(t), v, l_idx(m, 0), "");
    return LLVMBuildShuffleVector(m->b, one, LLVMGetPoison(t), LLVMConstNull(l_vec(m->i32, lanes)), "");
}

LLVMValueRef l_slice(struct emit *m, LLVMValueRef v, int from, int n)
{
    int have = (int)LLVMGetVectorSize(LLVMTypeOf(v));
    LLVMValueRef *at = ARENA_ARRAY(&m->c->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++)
        at[i] = from + i >= 0 && from + i < have ? l_const(m->i32, from + i) : LLVMGetPoison(m->i32);
    return LLVMBuildShuffleVector(m->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(at, (unsigned)n), "");
}

LLVMValueRef l_call(struct emit *m, const char *name, int ntype, LLVMTypeRef *type, int narg,
                    LLVMValueRef *arg)
{
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    QJ_ASSERT(id != 0);
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(m->module, id, type, (size_t)ntype);
    return LLVMBuildCall2(m->b, LLVMGlobalGetValueType(fn), fn, arg, (unsigned)narg, "");
}

LLVMBasicBlockRef l_block(struct emit *m, const char *name)
{
    return LLVMAppendBasicBlockInContext(m->llvm, m->frame->fn, name);
}

void l_at(struct emit *m, LLVMBasicBlockRef b) { LLVMPositionBuilderAtEnd(m->b, b); }

/* ---- bindings and values known ---- */

void bind(struct emit *m, struct binding b) { VEC_PUSH(&m->c->arena, m->frame->bind, b); }

const struct binding *binding_of(struct emit *m, const void *key)
{
    for (size_t i = m->frame->bind.n; i-- > 0;)
        if (m->frame->bind.at[i].key == key) return &m->frame->bind.at[i];
    QJ_ASSERT(!"unbound");
    return NULL;
}

static uint32_t *slot_of(struct emit *m, const struct expr *e)
{
    uint32_t at = (e->id * 2654435761u) & (m->nslot - 1);
    while (m->slot[at] && m->memo.at[m->slot[at] - 1].e != e) at = (at + 1) & (m->nslot - 1);
    return &m->slot[at];
}

LLVMValueRef memo_find(struct emit *m, const struct expr *e)
{
    uint32_t at = m->nslot ? *slot_of(m, e) : 0;
    return at ? m->memo.at[at - 1].value : NULL;
}

void memo_put(struct emit *m, const struct expr *e, LLVMValueRef v)
{
    if (m->memo.n * 2 >= m->nslot) {
        m->nslot = m->nslot ? m->nslot * 2 : 256;
        m->slot = ARENA_ARRAY(&m->c->arena, uint32_t, m->nslot);
        for (uint32_t i = 0; i < m->memo.n; i++) *slot_of(m, m->memo.at[i].e) = i + 1;
    }
    VEC_PUSH(&m->c->arena, m->memo, ((struct memo_entry){e, v}));
    *slot_of(m, e) = (uint32_t)m->memo.n;
}

size_t memo_mark(const struct emit *m) { return m->memo.n; }

void memo_forget(struct emit *m, size_t mark)
{
    while (m->memo.n > mark) {
        *slot_of(m, m->memo.at[m->memo.n - 1].e) = 0; /* the last to come: nothing was probed past it */
        m->memo.n--;
    }
}

/* ---- attributes ---- */

void set_attr(struct emit *m, LLVMValueRef fn, unsigned at, const char *name, uint64_t value)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    QJ_ASSERT(kind != 0);
    LLVMAddAttributeAtIndex(fn, at, LLVMCreateEnumAttribute(m->llvm, kind, value));
}

void set_text_attr(struct emit *m, LLVMValueRef fn, const char *name, const char *value)
{
    LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(m->llvm, name, (unsigned)strlen(name), value,
                                                      (unsigned)strlen(value)));
}

void set_fn_attrs(struct emit *m, LLVMValueRef fn)
{
    const uint64_t at_each_instruction = 2;
    set_attr(m, fn, LLVMAttributeFunctionIndex, "nounwind", 0);
    if (m->target->family->kind != TARGET_SIMT) set_attr(m, fn, LLVMAttributeFunctionIndex, "uwtable", at_each_instruction);
    set_text_attr(m, fn, "target-cpu", m->target->cpu);
    set_text_attr(m, fn, "target-features", m->target->feature_text);
    if (m->target->sve_bits) /* at least so many times 128 bits, at most 2048 bits */
        set_attr(m, fn, LLVMAttributeFunctionIndex, "vscale_range", (uint64_t)(m->target->sve_bits / 128) << 32 | 16);
    else if (m->target->vector_bits >= 512) set_text_attr(m, fn, "prefer-vector-width", "512");
}

/* ---- functions ---- */

void set_arg_attrs(struct emit *m, LLVMValueRef fn, unsigned at, const struct buffer *b)
{
    set_attr(m, fn, at, "noalias", 0);
    set_attr(m, fn, at, "nonnull", 0);
    set_attr(m, fn, at, "noundef", 0);
    set_attr(m, fn, at, "dereferenceable", (uint64_t)buffer_bytes(b));
    if (!b->written) set_attr(m, fn, at, "readonly", 0);
}

/* int NAME_call(void **args): the same function behind one signature. */
void add_call_entry(struct emit *m, const char *name, LLVMValueRef fn, int nparam)
{
    LLVMTypeRef type = LLVMFunctionType(m->i32, &m->ptr, 1, 0);
    LLVMValueRef entry = LLVMAddFunction(m->module, arena_printf(&m->c->arena, "%s_call", name), type);
    LLVMValueRef *arg = ARENA_ARRAY(&m->c->arena, LLVMValueRef, nparam);
    set_fn_attrs(m, entry);
    l_at(m, LLVMAppendBasicBlockInContext(m->llvm, entry, "entry"));
    for (int i = 0; i < nparam; i++) {
        LLVMValueRef n = l_idx(m, i),
                     at = LLVMBuildInBoundsGEP2(m->b, m->ptr, LLVMGetParam(entry, 0), &n, 1, "");
        arg[i] = LLVMBuildLoad2(m->b, m->ptr, at, "");
    }
    LLVMBuildRet(m->b, LLVMBuildCall2(m->b, LLVMGlobalGetValueType(fn), fn, arg, (unsigned)nparam, ""));
}

/* The same data twice, of two versions, are there once. */
static LLVMValueRef data_of(struct emit *m, const struct embedded *x)
{
    for (size_t i = 0; i < m->constant.n; i++) {
        const struct constant *k = &m->constant.at[i];
        if (k->what->size == x->size && !memcmp(k->what->bytes, x->bytes, (size_t)x->size)) return k->data;
    }
    LLVMValueRef bytes = LLVMConstStringInContext2(m->llvm, x->bytes, (size_t)x->size, 1);
    bool gpu = m->target->family->kind == TARGET_SIMT;
    LLVMValueRef data = LLVMAddGlobalInAddressSpace(m->module, LLVMTypeOf(bytes), arena_printf(&m->c->arena, "%s.%s", m->name, x->name),
                                                    gpu ? AS_GLOBAL : 0);
    LLVMSetInitializer(data, bytes);
    LLVMSetGlobalConstant(data, 1);
    LLVMSetLinkage(data, LLVMInternalLinkage);
    LLVMSetAlignment(data, STORAGE_ALIGN);
    if (!gpu) LLVMSetSection(data, ".rodata"); /* not in a section of its own kind that linkers merge */
    return data;
}

void emit_embedded(struct emit *m, const struct embeddings *e)
{
    for (size_t i = 0; i < e->at.n; i++) {
        struct constant k = {&e->at.at[i], data_of(m, &e->at.at[i])};
        VEC_PUSH(&m->c->arena, m->constant, k);
    }
}

LLVMValueRef embedded_data(const struct emit *m, const struct tensor *t)
{
    size_t i = m->constant.n;
    while (i > 0 && m->constant.at[i - 1].what->tensor != t) i--;
    QJ_ASSERT(i > 0);
    return m->constant.at[i - 1].data;
}

static bool fill_func(struct emit *m, const struct func *f, int nparam, LLVMValueRef fn)
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
        bind(m, (struct binding){f->arg[i], p, dt_bytes(f->arg[i]->dt), 0});
    }
    if (m->storage.workspace) {
        unsigned at = (unsigned)nparam;
        frame.workspace = LLVMGetParam(fn, at);
        set_attr(m, fn, at + 1, "noalias", 0);
        set_attr(m, fn, at + 1, "nonnull", 0);
        set_attr(m, fn, at + 1, "align", STORAGE_ALIGN);
        set_attr(m, fn, at + 1, "dereferenceable", (uint64_t)m->storage.workspace);
    }
    l_at(m, frame.start);
    bool ok = emit_stmt(m, f->body);
    LLVMBuildRet(m->b, l_const(m->i32, 0));
    l_at(m, frame.entry);
    LLVMBuildBr(m->b, frame.start);
    m->frame = NULL;
    return ok;
}

LLVMValueRef emit_inner(struct emit *m, const struct func *f, int nembedded, int64_t *workspace)
{
    if (!plan_storage(m->c, f, &m->storage)) return NULL;
    *workspace = m->storage.workspace;
    m->next_alloc = m->next_parallel = 0;
    m->name = f->name;
    m->nbody = 0;
    int nparam = f->narg - nembedded, n = nparam + (m->storage.workspace != 0);
    LLVMTypeRef *param = ARENA_ARRAY(&m->c->arena, LLVMTypeRef, n ? n : 1);
    for (int i = 0; i < n; i++) param[i] = m->ptr;
    LLVMValueRef fn = LLVMAddFunction(m->module, f->name, LLVMFunctionType(m->i32, param, (unsigned)n, 0));
    set_fn_attrs(m, fn);
    return fill_func(m, f, nparam, fn) ? fn : NULL;
}

bool emit_func(struct emit *m, const struct func *f, int nembedded, int64_t *workspace)
{
    LLVMValueRef fn = emit_inner(m, f, nembedded, workspace);
    if (fn) add_call_entry(m, f->name, fn, (int)LLVMCountParams(fn));
    return fn != NULL;
}

/* ---- the module ---- */

/* LLVM goes on after reporting an error; the first one fails the compile. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *u)
{
    struct ir_ctx *c = u;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
    char *text = LLVMGetDiagInfoDescription(info);
    err_set(&c->err, ERR_LLVM, (struct span){0}, "LLVM: %s", text);
    LLVMDisposeMessage(text);
}

void emit_open(struct emit *m, struct ir_ctx *c, const struct target *t, const char *name)
{
    memset(m, 0, sizeof *m);
    m->c = c;
    m->target = t;
    m->name = name;
    m->llvm = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(m->llvm, on_diagnostic, c);
    m->module = LLVMModuleCreateWithNameInContext(name, m->llvm);
    m->b = LLVMCreateBuilderInContext(m->llvm);
    m->i1 = LLVMInt1TypeInContext(m->llvm);
    m->i8 = LLVMInt8TypeInContext(m->llvm);
    m->i32 = LLVMInt32TypeInContext(m->llvm);
    m->i64 = LLVMInt64TypeInContext(m->llvm);
    m->f32 = LLVMFloatTypeInContext(m->llvm);
    m->ptr = LLVMPointerTypeInContext(m->llvm, 0);
    m->nothing = LLVMVoidTypeInContext(m->llvm);
    m->loop_kind = LLVMGetMDKindIDInContext(m->llvm, "llvm.loop", 9);
}

void emit_close(struct emit *m)
{
    LLVMDisposeBuilder(m->b);
    LLVMDisposeModule(m->module);
    LLVMContextDispose(m->llvm);
}
