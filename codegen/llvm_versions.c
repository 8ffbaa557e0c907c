/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_versions.c - the functions that choose one of several versions of a kernel:
 *
 *     int NAME(args...)                     of the last version that this CPU can run; -1: of none
 *     int NAME_version(void)                which that is, from 0; -1: none
 *     const char *NAME_version_name(int)    the target of a version; NULL: there is no such version
 *     int NAME_select(int)                  for tests: that version from now on, below 0 the CPU's; -1: it cannot run here
 *
 * The CPU is asked at the first call; the answer is kept in the object's only writable word, read and written as
 * relaxed atomics: whoever asks gets the same answer. */
#include "codegen/llvm_impl.h"
#include "targets/family.h"
#include "targets/probe.h"

static LLVMValueRef add_fn(struct emit *m, const char *suffix, LLVMTypeRef type, bool local)
{
    LLVMValueRef fn = LLVMAddFunction(m->module, arena_printf(&m->c->arena, "%s%s", m->name, suffix), type);
    if (local) LLVMSetLinkage(fn, LLVMInternalLinkage);
    set_fn_attrs(m, fn);
    l_at(m, LLVMAppendBasicBlockInContext(m->llvm, fn, "entry"));
    return fn;
}

static LLVMBasicBlockRef block(struct emit *m, LLVMValueRef fn) { return LLVMAppendBasicBlockInContext(m->llvm, fn, ""); }
static LLVMValueRef i32(struct emit *m, int64_t v) { return l_const(m->i32, v); }

static LLVMValueRef call0(struct emit *m, LLVMValueRef fn)
{
    return LLVMBuildCall2(m->b, LLVMGlobalGetValueType(fn), fn, NULL, 0, "");
}

/* ---- what this CPU is ---- */

static LLVMValueRef asm_call(struct emit *m, const char *text, const char *constraints, LLVMTypeRef out, int n, LLVMValueRef *in)
{
    LLVMTypeRef param[2] = {m->i32, m->i32}, type = LLVMFunctionType(out, param, (unsigned)n, 0);
    LLVMValueRef fn = LLVMGetInlineAsm(type, text, strlen(text), constraints, strlen(constraints), 1, 0,
                                       LLVMInlineAsmDialectATT, 0);
    return LLVMBuildCall2(m->b, type, fn, in, (unsigned)n, "");
}

/* EAX .. EDX; zero where `have` (NULL: true) is false, for a CPU without the leaf answers another's. */
static void cpuid(struct emit *m, unsigned leaf, unsigned sub, LLVMValueRef have, LLVMValueRef out[4])
{
    LLVMTypeRef four[4] = {m->i32, m->i32, m->i32, m->i32};
    LLVMValueRef in[2] = {i32(m, leaf), i32(m, sub)};
    LLVMValueRef r = asm_call(m, "cpuid", "={ax},={bx},={cx},={dx},0,2,~{dirflag},~{fpsr},~{flags}",
                              LLVMStructTypeInContext(m->llvm, four, 4, 0), 2, in);
    for (unsigned i = 0; i < 4; i++) {
        out[i] = LLVMBuildExtractValue(m->b, r, i, "");
        if (have) out[i] = LLVMBuildSelect(m->b, have, out[i], i32(m, 0), "");
    }
}

static LLVMValueRef at_least(struct emit *m, LLVMValueRef v, unsigned least)
{
    return LLVMBuildICmp(m->b, LLVMIntUGE, v, i32(m, least), "");
}

static LLVMValueRef has_bits(struct emit *m, LLVMValueRef v, unsigned bits)
{
    return LLVMBuildICmp(m->b, LLVMIntEQ, LLVMBuildAnd(m->b, v, i32(m, (int64_t)bits), ""), i32(m, (int64_t)bits), "");
}

struct cpu_regs { LLVMValueRef r[LEAVES][4], xcr0, id[ID_REGS], sve_bytes; };

static void ask_cpuid(struct emit *m, LLVMValueRef fn, struct cpu_regs *c)
{
    LLVMValueRef first[4], extended[4], seven, zero = i32(m, 0);
    cpuid(m, 0, 0, NULL, first);
    cpuid(m, 0x80000000u, 0, NULL, extended);
    seven = at_least(m, first[EAX], 7);
    const unsigned (*leaf)[2] = probe_leaf_number;
    cpuid(m, leaf[LEAF_1][0], leaf[LEAF_1][1], NULL, c->r[LEAF_1]);
    cpuid(m, leaf[LEAF_7][0], leaf[LEAF_7][1], seven, c->r[LEAF_7]);
    cpuid(m, leaf[LEAF_7_1][0], leaf[LEAF_7_1][1], at_least(m, c->r[LEAF_7][EAX], 1), c->r[LEAF_7_1]);
    cpuid(m, leaf[LEAF_EXT][0], leaf[LEAF_EXT][1], at_least(m, extended[EAX], leaf[LEAF_EXT][0]), c->r[LEAF_EXT]);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(m->b), may = block(m, fn), then = block(m, fn);
    LLVMBuildCondBr(m->b, has_bits(m, c->r[LEAF_1][ECX], 1u << OSXSAVE), may, then);
    l_at(m, may);
    LLVMTypeRef two[2] = {m->i32, m->i32};
    LLVMValueRef x = asm_call(m, "xgetbv", "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}",
                              LLVMStructTypeInContext(m->llvm, two, 2, 0), 1, &zero);
    x = LLVMBuildExtractValue(m->b, x, 0, "");
    LLVMBuildBr(m->b, then);
    l_at(m, then);
    c->xcr0 = LLVMBuildPhi(m->b, m->i32, "");
    LLVMAddIncoming(c->xcr0, (LLVMValueRef[]){zero, x}, (LLVMBasicBlockRef[]){from, may}, 2);
}

/* A field of an ID register, signed. */
static LLVMValueRef id_value(struct emit *m, const struct cpu_regs *c, const struct id_field *p)
{
    LLVMValueRef v = LLVMBuildShl(m->b, c->id[p->reg], l_const(m->i64, 60 - p->bit), "");
    return LLVMBuildAShr(m->b, v, l_const(m->i64, 60), "");
}

static void ask_id(struct emit *m, LLVMValueRef fn, struct cpu_regs *c)
{
    for (int i = 0; i < ID_REGS; i++)
        c->id[i] = asm_call(m, arena_printf(&m->c->arena, "mrs $0, %s", id_reg_name[i]), "=r", m->i64, 0, NULL);
    const struct id_field *sve = id_field_by_name("sve");
    LLVMBasicBlockRef from = LLVMGetInsertBlock(m->b), may = block(m, fn), then = block(m, fn);
    LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntSGE, id_value(m, c, sve), l_const(m->i64, sve->least), ""), may, then);
    l_at(m, may);
    LLVMValueRef x = asm_call(m, ".inst 0x04bf5020 // rdvl x0, #1", "={x0}", m->i64, 0, NULL); /* assemblers want SVE for its name */
    LLVMBuildBr(m->b, then);
    l_at(m, then);
    c->sve_bytes = LLVMBuildPhi(m->b, m->i64, "");
    LLVMAddIncoming(c->sve_bytes, (LLVMValueRef[]){l_const(m->i64, 0), x}, (LLVMBasicBlockRef[]){from, may}, 2);
}

/* All features of t are there, and the system saves their registers. */
static LLVMValueRef has_cpuid(struct emit *m, const struct cpu_regs *c, const struct target *t)
{
    unsigned want[LEAVES][4] = {{0}}, saved = 0;
    const struct family *f = t->family;
    LLVMValueRef all = l_const(m->i1, 1);
    for (int i = 0; i < f->nfeature; i++) {
        if (!(t->features & f->features[i].bit)) continue;
        const struct probe *p = probe_by_name(f->features[i].name);
        if (!p) return l_const(m->i1, 0); /* nothing could say that it is there */
        want[p->leaf][p->reg] |= 1u << p->bit;
        if (p->state != ANY) saved |= p->state == ZMM ? XCR0_ZMM : XCR0_YMM;
    }
    for (int leaf = 0; leaf < LEAVES; leaf++)
        for (int reg = 0; reg < 4; reg++)
            if (want[leaf][reg]) all = LLVMBuildAnd(m->b, all, has_bits(m, c->r[leaf][reg], want[leaf][reg]), "");
    return saved ? LLVMBuildAnd(m->b, all, has_bits(m, c->xcr0, saved), "") : all;
}

static LLVMValueRef has_id(struct emit *m, const struct cpu_regs *c, const struct target *t)
{
    const struct family *f = t->family;
    LLVMValueRef all = l_const(m->i1, 1);
    for (int i = 0; i < f->nfeature; i++) {
        if (!(t->features & f->features[i].bit)) continue;
        const struct id_field *p = id_field_by_name(f->features[i].name);
        int bytes = family_sve_bits(f, &f->features[i]) / 8;
        if (!p && !bytes) return l_const(m->i1, 0);
        LLVMValueRef enough = bytes ? LLVMBuildICmp(m->b, LLVMIntSGE, c->sve_bytes, l_const(m->i64, bytes), "")
                                    : LLVMBuildICmp(m->b, LLVMIntSGE, id_value(m, c, p), l_const(m->i64, p->least), "");
        all = LLVMBuildAnd(m->b, all, enough, "");
    }
    return all;
}

/* NAME.can: a bit for each version that runs here. */
static LLVMValueRef add_can(struct emit *m, int n, const struct target *const *t)
{
    LLVMValueRef fn = add_fn(m, ".can", LLVMFunctionType(m->i32, NULL, 0, 0), true), mask = i32(m, 0);
    struct cpu_regs c;
    bool id = t[0]->family->ask == ASK_ID;
    if (id) ask_id(m, fn, &c);
    else ask_cpuid(m, fn, &c);
    for (int i = 0; i < n; i++) {
        LLVMValueRef can = (id ? has_id : has_cpuid)(m, &c, t[i]);
        mask = LLVMBuildOr(m->b, mask, LLVMBuildSelect(m->b, can, i32(m, 1 << i), i32(m, 0), ""), "");
    }
    LLVMBuildRet(m->b, mask);
    return fn;
}

/* ---- the choice ---- */

static LLVMValueRef load_choice(struct emit *m, LLVMValueRef word)
{
    LLVMValueRef v = LLVMBuildLoad2(m->b, m->i32, word, "");
    LLVMSetOrdering(v, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(v, 4);
    return v;
}

static void store_choice(struct emit *m, LLVMValueRef word, LLVMValueRef v)
{
    LLVMValueRef s = LLVMBuildStore(m->b, v, word);
    LLVMSetOrdering(s, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(s, 4);
}

/* NAME.choose: the version plus one, 0: none; NAME.chosen holds it once it is known. */
static LLVMValueRef add_choose(struct emit *m, LLVMValueRef word, LLVMValueRef can)
{
    LLVMValueRef fn = add_fn(m, ".choose", LLVMFunctionType(m->i32, NULL, 0, 0), true);
    LLVMBasicBlockRef known = block(m, fn), unknown = block(m, fn);
    LLVMValueRef have = load_choice(m, word);
    LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntNE, have, i32(m, 0), ""), known, unknown);
    l_at(m, known);
    LLVMBuildRet(m->b, have);
    l_at(m, unknown);
    LLVMValueRef two[2] = {call0(m, can), l_const(m->i1, 0)};
    LLVMValueRef zeros = l_call(m, "llvm.ctlz", 1, &m->i32, 2, two), last = LLVMBuildSub(m->b, i32(m, 32), zeros, "");
    store_choice(m, word, last);
    LLVMBuildRet(m->b, last);
    return fn;
}

static void add_select(struct emit *m, int n, LLVMValueRef word, LLVMValueRef can)
{
    LLVMValueRef fn = add_fn(m, "_select", LLVMFunctionType(m->i32, &m->i32, 1, 0), false), v = LLVMGetParam(fn, 0);
    LLVMBasicBlockRef given = block(m, fn), inside = block(m, fn), set = block(m, fn), no = block(m, fn);
    LLVMBasicBlockRef entry = LLVMGetInsertBlock(m->b);
    LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntSLT, v, i32(m, 0), ""), set, given);
    l_at(m, given);
    LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntSLT, v, i32(m, n), ""), inside, no);
    l_at(m, inside);
    LLVMValueRef bit = LLVMBuildAnd(m->b, LLVMBuildLShr(m->b, call0(m, can), v, ""), i32(m, 1), "");
    LLVMValueRef plus = LLVMBuildAdd(m->b, v, i32(m, 1), "");
    LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntNE, bit, i32(m, 0), ""), set, no);
    l_at(m, set);
    LLVMValueRef value = LLVMBuildPhi(m->b, m->i32, "");
    LLVMAddIncoming(value, (LLVMValueRef[]){i32(m, 0), plus}, (LLVMBasicBlockRef[]){entry, inside}, 2);
    store_choice(m, word, value);
    LLVMBuildRet(m->b, i32(m, 0));
    l_at(m, no);
    LLVMBuildRet(m->b, i32(m, -1));
}

static void add_names(struct emit *m, int n, const struct target *const *t)
{
    LLVMValueRef fn = add_fn(m, "_version_name", LLVMFunctionType(m->ptr, &m->i32, 1, 0), false);
    set_text_attr(m, fn, "no-jump-tables", "true"); /* nor one of addresses, which would be writable to be relocated */
    LLVMBasicBlockRef none = block(m, fn);
    LLVMValueRef which = LLVMBuildSwitch(m->b, LLVMGetParam(fn, 0), none, (unsigned)n);
    l_at(m, none);
    LLVMBuildRet(m->b, LLVMConstNull(m->ptr));
    for (int i = 0; i < n; i++) {
        LLVMBasicBlockRef here = block(m, fn);
        LLVMAddCase(which, i32(m, i), here);
        l_at(m, here);
        LLVMValueRef text = LLVMConstStringInContext2(m->llvm, t[i]->name, strlen(t[i]->name), 0);
        LLVMValueRef g = LLVMAddGlobal(m->module, LLVMTypeOf(text), arena_printf(&m->c->arena, "%s.name%d", m->name, i));
        LLVMSetInitializer(g, text);
        LLVMSetGlobalConstant(g, 1);
        LLVMSetLinkage(g, LLVMInternalLinkage);
        LLVMSetSection(g, ".rodata");
        LLVMBuildRet(m->b, g);
    }
}

void emit_choice(struct emit *m, int n, const struct target *const *t)
{
    LLVMValueRef word = LLVMAddGlobal(m->module, m->i32, arena_printf(&m->c->arena, "%s.chosen", m->name));
    LLVMSetInitializer(word, i32(m, 0));
    LLVMSetLinkage(word, LLVMInternalLinkage);
    LLVMValueRef can = add_can(m, n, t), choose = add_choose(m, word, can);
    add_fn(m, "_version", LLVMFunctionType(m->i32, NULL, 0, 0), false);
    LLVMBuildRet(m->b, LLVMBuildSub(m->b, call0(m, choose), i32(m, 1), ""));
    add_names(m, n, t);
    add_select(m, n, word, can);
}

/* ---- the kernel ---- */

static LLVMValueRef joint_param(LLVMValueRef fn, const struct kernel_arg *joint, int njoint, const struct kernel_arg *a)
{
    int i = 0;
    while (i < njoint && (a->role == ARG_PACKED ? joint[i].role != ARG_PACKED
                                                : joint[i].role == ARG_PACKED || joint[i].tensor != a->tensor)) i++;
    QJ_ASSERT(i < njoint);
    return LLVMGetParam(fn, (unsigned)i);
}

static void call_version(struct emit *m, LLVMValueRef fn, const struct kernel_arg *joint, int njoint, const struct choice *k,
                         int v)
{
    if (!k->fn[v]) {
        LLVMBuildRet(m->b, i32(m, 0));
        return;
    }
    unsigned n = LLVMCountParams(k->fn[v]);
    LLVMValueRef *arg = ARENA_ARRAY(&m->c->arena, LLVMValueRef, n + 1);
    for (int i = 0; i < k->narg[v]; i++) {
        arg[i] = joint_param(fn, joint, njoint, &k->arg[v][i]);
        LLVMValueRef at = l_idx(m, packed_offset(k->arg[v], k->narg[v], i));
        if (k->arg[v][i].role == ARG_PACKED) arg[i] = LLVMBuildInBoundsGEP2(m->b, m->i8, arg[i], &at, 1, "");
    }
    if (n > (unsigned)k->narg[v]) arg[n - 1] = LLVMGetParam(fn, (unsigned)njoint); /* the workspace */
    LLVMBuildRet(m->b, LLVMBuildCall2(m->b, LLVMGlobalGetValueType(k->fn[v]), k->fn[v], arg, n, ""));
}

void emit_chooser(struct emit *m, const char *name, const struct kernel_arg *joint, int njoint, bool workspace,
                  const struct choice *k)
{
    int n = njoint + workspace;
    LLVMTypeRef *param = ARENA_ARRAY(&m->c->arena, LLVMTypeRef, n + 1);
    for (int i = 0; i < n; i++) param[i] = m->ptr;
    LLVMValueRef fn = LLVMAddFunction(m->module, name, LLVMFunctionType(m->i32, param, (unsigned)n, 0));
    set_fn_attrs(m, fn);
    l_at(m, LLVMAppendBasicBlockInContext(m->llvm, fn, "entry"));
    LLVMBasicBlockRef none = block(m, fn);
    LLVMValueRef choose = LLVMGetNamedFunction(m->module, arena_printf(&m->c->arena, "%s.choose", m->name));
    LLVMValueRef which = LLVMBuildSwitch(m->b, call0(m, choose), none, (unsigned)k->n);
    l_at(m, none);
    LLVMBuildRet(m->b, i32(m, -1));
    for (int v = 0; v < k->n; v++) {
        LLVMBasicBlockRef here = block(m, fn);
        LLVMAddCase(which, i32(m, v + 1), here);
        l_at(m, here);
        call_version(m, fn, joint, njoint, k, v);
    }
    add_call_entry(m, name, fn, n);
}
