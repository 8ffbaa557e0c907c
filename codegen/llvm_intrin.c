/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_intrin.c - instructions: reads the operands, interprets the row's recipe, stores operand 0.
 *
 * targets/recipe.h has the rules. Types known without LLVM were checked when the row was read; what an
 * LLVM intrinsic takes is checked here, before anything ill-typed is built. Small operands (up to 64 bits)
 * are read as one integer: what is then broadcast is one scalar load. So are parts of operands. What lies in pieces is read
 * and written piece by piece; LLVM removes the second load of a piece, as long as nothing is stored between. */
#include <llvm-c/Support.h>

#include <stdlib.h>

#include "codegen/llvm_impl.h"
#include "ir/simplify.h"
#include "targets/recipe.h"

struct row {
    struct emit *m;
    const struct meaning *meaning;
    const struct expr *const *arg;          /* where the operands are */
    LLVMValueRef operand[MEANING_MAX_OPERANDS];
};

static LLVMValueRef bad(struct row *r, const char *fmt, ...) QJ_PRINTF(2, 3);
static LLVMValueRef bad(struct row *r, const char *fmt, ...)
{
    struct ir_ctx *c = r->m->c;
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(&c->arena, fmt, ap);
    va_end(ap);
    err_set(&c->err, ERR_INTRIN, (struct span){0}, "recipe of %s: %s", r->meaning->name, what);
    err_hint(&c->err, "convert with sext zext trunc, reinterpret with bitcast, broadcast with repeat");
    return NULL;
}

static const char *type_text(struct row *r, LLVMTypeRef t)
{
    char *s = LLVMPrintTypeToString(t);
    const char *text = arena_strdup(&r->m->c->arena, s);
    LLVMDisposeMessage(s);
    return text;
}

static bool is_scalable(LLVMTypeRef t) { return LLVMGetTypeKind(t) == LLVMScalableVectorTypeKind; }
static bool is_vec(LLVMTypeRef t) { return LLVMGetTypeKind(t) == LLVMVectorTypeKind || is_scalable(t); }
static int lanes_of(LLVMTypeRef t) { return is_vec(t) ? (int)LLVMGetVectorSize(t) : 1; }
static LLVMTypeRef elem_of(LLVMTypeRef t) { return is_vec(t) ? LLVMGetElementType(t) : t; }

/* 0 for types that have no place in a recipe (pointers, structures). */
static int elem_bits(LLVMTypeRef t)
{
    LLVMTypeRef e = elem_of(t);
    switch ((int)LLVMGetTypeKind(e)) {
    case LLVMIntegerTypeKind: return (int)LLVMGetIntTypeWidth(e);
    case LLVMHalfTypeKind: case LLVMBFloatTypeKind: return 16;
    case LLVMFloatTypeKind: return 32;
    case LLVMDoubleTypeKind: return 64;
    default: return 0;
    }
}
static int bits_of(LLVMTypeRef t) { return elem_bits(t) * lanes_of(t); }
static bool is_int(LLVMTypeRef t) { return LLVMGetTypeKind(elem_of(t)) == LLVMIntegerTypeKind; }

static LLVMValueRef fit(struct row *r, LLVMValueRef v, LLVMTypeRef want);

/* A vector of known length in a register of SVE, from its first lane on, or back: no instruction. */
static LLVMValueRef fit_scalable(struct row *r, LLVMValueRef v, LLVMTypeRef want)
{
    struct emit *m = r->m;
    LLVMTypeRef have = LLVMTypeOf(v), over[2];
    bool in = is_scalable(want);
    int bits = bits_of(in ? have : want), room = m->target->sve_bits;
    LLVMTypeRef elem = elem_of(in ? want : have), fixed = elem_bits(elem) ? l_vec(elem, bits / elem_bits(elem)) : NULL;
    LLVMValueRef zero = l_idx(m, 0);
    if (is_scalable(have) == in || !bits || bits > (room ? room : 128) || !fixed || bits % elem_bits(elem) || !is_vec(fixed))
        return bad(r, "%s does not fit where %s is wanted", type_text(r, have), type_text(r, want));
    over[0] = in ? want : fixed;
    over[1] = in ? fixed : have;
    if (!in) return fit(r, l_call(m, "llvm.vector.extract", 2, over, 2, (LLVMValueRef[]){v, zero}), want);
    v = fit(r, v, fixed);
    return v ? l_call(m, "llvm.vector.insert", 2, over, 3, (LLVMValueRef[]){LLVMGetPoison(want), v, zero}) : NULL;
}

/* v as a `want`: reinterpreted, or repeated a whole number of times. */
static LLVMValueRef fit(struct row *r, LLVMValueRef v, LLVMTypeRef want)
{
    struct emit *m = r->m;
    if (!v || LLVMTypeOf(v) == want) return v;
    if (is_scalable(want) || is_scalable(LLVMTypeOf(v))) return fit_scalable(r, v, want);
    int have = bits_of(LLVMTypeOf(v)), need = bits_of(want);
    if (!have || !need || need % have)
        return bad(r, "%s does not fit where %s is wanted", type_text(r, LLVMTypeOf(v)), type_text(r, want));
    if (have < need) {
        bool whole = have == 8 || have == 16 || have == 32 || have == 64;
        if (whole) v = LLVMBuildBitCast(m->b, v, LLVMIntTypeInContext(m->llvm, (unsigned)have), "");
        int n = lanes_of(LLVMTypeOf(v)), times = need / have;
        if (n == 1) {
            v = l_splat(m, v, times);
        } else {
            LLVMValueRef *at = ARENA_ARRAY(&m->c->arena, LLVMValueRef, n * times);
            for (int i = 0; i < n * times; i++) at[i] = l_const(m->i32, i % n);
            v = LLVMBuildShuffleVector(m->b, v, LLVMGetPoison(LLVMTypeOf(v)),
                                       LLVMConstVector(at, (unsigned)(n * times)), "");
        }
    }
    return LLVMBuildBitCast(m->b, v, want, "");
}

static LLVMValueRef eval(struct row *r, const struct recipe *p, LLVMTypeRef want);

static LLVMTypeRef named_type(struct row *r, struct type t)
{
    struct emit *m = r->m;
    LLVMTypeRef e = t.dt == DT_F32 ? m->f32 : LLVMIntTypeInContext(m->llvm, (unsigned)dtype_info[t.dt].bits);
    return l_vec(e, t.lanes);
}

/* An operand's own type; read as an integer, it is turned into it on use. */
static LLVMTypeRef operand_type(struct row *r, int i)
{
    const struct tensor *t = r->meaning->op[i];
    int64_t n = 1;
    for (int d = 0; d < t->ndim; d++) n *= t->shape[d];
    return named_type(r, type_vec(t->dt, (int)n));
}

static LLVMValueRef eval_int(struct row *r, const struct recipe *p, LLVMTypeRef want)
{
    if (!want || is_scalable(want)) return bad(r, "nothing says what type the number %lld has", (long long)p->value);
    if (is_int(want)) return l_const(want, p->value);
    if (elem_of(want) == r->m->f32) return l_constf(r->m, want, (double)p->value);
    return bad(r, "the number %lld stands where %s is wanted", (long long)p->value, type_text(r, want));
}

/* ---- calls ---- */

/* "v8i32", "nxv4i32", "i64", "v4f32", as a part of an overloaded intrinsic's name; NULL when it is none. */
static LLVMTypeRef suffix_type(struct row *r, const char *p, const char *stop)
{
    char *end;
    long lanes = 1, bits;
    bool scalable = !strncmp(p, "nxv", 3);
    if (scalable) p += 2;
    if (*p == 'v') {
        lanes = strtol(p + 1, &end, 10);
        p = end;
    }
    if (lanes < 1 || lanes > 1024 || (*p != 'i' && *p != 'f')) return NULL;
    bits = strtol(p + 1, &end, 10);
    if (end != stop || bits < 1 || bits > 64) return NULL;
    if (*p == 'f' && bits != 32) return NULL;
    LLVMTypeRef elem = *p == 'f' ? r->m->f32 : LLVMIntTypeInContext(r->m->llvm, (unsigned)bits);
    return scalable ? LLVMScalableVectorType(elem, (unsigned)lanes) : l_vec(elem, (int)lanes);
}

enum { MAX_PARAMS = 8, MAX_WORDS = 128 };

/* A call of what the threads of a warp execute together: it stays where all of them come. */
static LLVMValueRef together(struct emit *m, LLVMValueRef call)
{
    static const char name[] = "convergent";
    unsigned kind = LLVMGetEnumAttributeKindForName(name, sizeof name - 1);
    LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(m->llvm, kind, 0));
    return call;
}

/* The types an overloaded intrinsic is to have: those at the end of its name, as LLVM writes them; without any the one
 * of its first argument. */
static LLVMValueRef declare(struct row *r, const struct recipe *p, unsigned id)
{
    struct emit *m = r->m;
    if (!LLVMIntrinsicIsOverloaded(id)) return LLVMGetIntrinsicDeclaration(m->module, id, NULL, 0);
    LLVMTypeRef type[MAX_PARAMS], t;
    int first = MAX_PARAMS;
    for (const char *stop = p->name + strlen(p->name), *at = stop; first > 0; stop = at) {
        while (at > p->name && at[-1] != '.') at--;
        if (!(t = suffix_type(r, at, stop))) break;
        type[--first] = t;
        at--;
    }
    if (first == MAX_PARAMS && p->nkid) {
        LLVMValueRef arg = eval(r, p->kid[0], NULL);
        if (!arg) return NULL;
        type[--first] = LLVMTypeOf(arg);
    }
    return first < MAX_PARAMS ? LLVMGetIntrinsicDeclaration(m->module, id, type + first, (size_t)(MAX_PARAMS - first))
                              : bad(r, "nothing says the type of %s", p->name);
}

static int eval_list(struct row *r, const struct recipe *p, LLVMTypeRef want, LLVMValueRef *out);

/* As many arguments as the function takes; false: an error is set. */
static bool eval_args(struct row *r, const struct recipe *p, LLVMTypeRef fn_type, LLVMValueRef *arg)
{
    LLVMTypeRef param[MAX_WORDS];
    int n = (int)LLVMCountParamTypes(fn_type), have = 0;
    for (int i = 0; i < p->nkid; i++) have += recipe_count(p->kid[i]);
    if (n != have || n > MAX_WORDS) return bad(r, "%s takes %d arguments, %d are given", p->name, n, have), false;
    LLVMGetParamTypes(fn_type, param);
    for (int i = 0; i < n; i++)
        if (!elem_bits(param[i])) return bad(r, "%s takes a %s", p->name, type_text(r, param[i])), false;
    for (int i = 0, at = 0; i < p->nkid; i++) {
        int count = eval_list(r, p->kid[i], param[at], arg + at);
        for (int k = at; k < at + count; k++)
            if (!(arg[k] = fit(r, arg[k], param[k]))) return false;
        if (!count) return false;
        at += count;
    }
    return true;
}

/* A structure of equal numbers as a vector of them. */
static LLVMValueRef as_vector(struct row *r, const struct recipe *p, LLVMValueRef v)
{
    LLVMTypeRef t = LLVMTypeOf(v);
    if (LLVMGetTypeKind(t) != LLVMStructTypeKind) return elem_bits(t) ? v : bad(r, "%s gives no number or vector", p->name);
    unsigned n = LLVMCountStructElementTypes(t);
    LLVMTypeRef e = n ? LLVMStructGetTypeAtIndex(t, 0) : NULL;
    LLVMValueRef all = n ? LLVMGetPoison(LLVMVectorType(e, n)) : NULL;
    for (unsigned i = 0; i < n; i++) {
        if (LLVMStructGetTypeAtIndex(t, i) != e || is_vec(e) || !elem_bits(e)) return bad(r, "%s gives no numbers of one type", p->name);
        all = LLVMBuildInsertElement(r->m->b, all, LLVMBuildExtractValue(r->m->b, v, i, ""), l_idx(r->m, i), "");
    }
    return all;
}

static LLVMValueRef eval_call(struct row *r, const struct recipe *p)
{
    unsigned id = LLVMLookupIntrinsicID(p->name, strlen(p->name));
    if (!id) return bad(r, "this LLVM has no intrinsic %s", p->name);
    LLVMValueRef fn = declare(r, p, id), arg[MAX_WORDS];
    if (!fn) return NULL;
    LLVMTypeRef type = LLVMGlobalGetValueType(fn);
    if (!eval_args(r, p, type, arg)) return NULL;
    LLVMValueRef call = LLVMBuildCall2(r->m->b, type, fn, arg, LLVMCountParamTypes(type), "");
    return as_vector(r, p, r->meaning->nlane ? together(r->m, call) : call);
}

static LLVMValueRef eval_asm(struct row *r, const struct recipe *p)
{
    LLVMValueRef arg[MAX_WORDS];
    LLVMTypeRef type[MAX_WORDS], out[MAX_WORDS], gives = named_type(r, p->type);
    unsigned n = 0, outputs = 0;
    bool together_only = r->meaning->nlane > 0;
    for (int i = 0; i < p->nkid; i++) {
        int count = eval_list(r, p->kid[i], NULL, arg + n); /* recipe_parse: there is room */
        if (!count) return NULL;
        for (; count; count--, n++) type[n] = LLVMTypeOf(arg[n]);
    }
    for (const char *s = p->constraints; *s; s++) outputs += *s == '=';
    for (unsigned i = 0; i < outputs; i++) out[i] = elem_of(gives);
    if (outputs > 1) gives = LLVMStructTypeInContext(r->m->llvm, out, outputs, 0);
    LLVMTypeRef fn = LLVMFunctionType(gives, type, n, 0);
    LLVMValueRef code = LLVMGetInlineAsm(fn, p->name, strlen(p->name), p->constraints, strlen(p->constraints),
                                         together_only, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef call = LLVMBuildCall2(r->m->b, fn, code, arg, n, "");
    /* What a thread does alone has its result for an effect: loads pass it. What threads do together reads memory itself. */
    if (together_only) return as_vector(r, p, together(r->m, call));
    static const char *const pure[] = {"memory", "nounwind", "willreturn"};
    for (size_t i = 0; i < ARRAY_LEN(pure); i++) {
        unsigned kind = LLVMGetEnumAttributeKindForName(pure[i], strlen(pure[i]));
        LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(r->m->llvm, kind, 0));
    }
    return as_vector(r, p, call);
}

/* ---- operations ---- */

static LLVMValueRef eval_bin(struct row *r, const struct recipe *p, LLVMTypeRef want)
{
    static const struct { const char *name; LLVMOpcode op; bool f32; } ops[] = {
        {"add", LLVMAdd, false}, {"sub", LLVMSub, false}, {"mul", LLVMMul, false}, {"and", LLVMAnd, false},
        {"or", LLVMOr, false}, {"xor", LLVMXor, false}, {"shl", LLVMShl, false}, {"lshr", LLVMLShr, false},
        {"ashr", LLVMAShr, false}, {"fadd", LLVMFAdd, true}, {"fmul", LLVMFMul, true}};
    bool number_first = p->kid[0]->kind == RCP_INT;
    LLVMValueRef a = eval(r, p->kid[number_first], number_first && p->kid[1]->kind == RCP_INT ? want : NULL);
    if (!a) return NULL;
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMValueRef b = eval(r, p->kid[!number_first], t);
    if (!b) return NULL;
    if (bits_of(LLVMTypeOf(b)) > bits_of(t)) a = fit(r, a, t = LLVMTypeOf(b));
    b = fit(r, b, t);
    if (!a || !b) return NULL;
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (strcmp(ops[i].name, p->name)) continue;
        if (ops[i].f32 != (elem_of(t) == r->m->f32))
            return bad(r, "%s of %s", p->name, type_text(r, t));
        return number_first ? LLVMBuildBinOp(r->m->b, ops[i].op, b, a, "")
                            : LLVMBuildBinOp(r->m->b, ops[i].op, a, b, "");
    }
    return bad(r, "there is no operation %s", p->name);
}

static LLVMValueRef eval_conv(struct row *r, const struct recipe *p)
{
    struct emit *m = r->m;
    LLVMTypeRef to = named_type(r, p->type);
    LLVMValueRef v = eval(r, p->kid[0], !strcmp(p->name, "bitcast") || !strcmp(p->name, "repeat") ? to : NULL);
    if (!v) return NULL;
    LLVMTypeRef from = LLVMTypeOf(v);
    if (!strcmp(p->name, "bitcast") || !strcmp(p->name, "repeat")) return fit(r, v, to);
    bool widen = strcmp(p->name, "trunc") != 0;
    bool ok = is_int(from) && is_int(to) && lanes_of(from) == lanes_of(to) &&
              (widen ? elem_bits(to) > elem_bits(from) : elem_bits(to) < elem_bits(from));
    if (!ok) return bad(r, "%s from %s to %s", p->name, type_text(r, from), type_text(r, to));
    if (!widen) return LLVMBuildTrunc(m->b, v, to, "");
    return p->name[0] == 's' ? LLVMBuildSExt(m->b, v, to, "") : LLVMBuildZExt(m->b, v, to, "");
}

/* The type in which so much memory is read at once. */
static LLVMTypeRef read_type(struct row *r, LLVMTypeRef t)
{
    int bits = bits_of(t);
    bool small = is_vec(t) && (bits == 16 || bits == 32 || bits == 64);
    return small ? LLVMIntTypeInContext(r->m->llvm, (unsigned)bits) : t;
}

static LLVMValueRef eval_part(struct row *r, const struct recipe *p, LLVMTypeRef want)
{
    const struct expr *a = r->arg[p->operand];
    const struct expr *at = ir_add(r->m->c, a->kid[0], ir_idx(r->m->c, p->value * p->type.lanes));
    LLVMTypeRef t = named_type(r, p->type);
    LLVMValueRef v = load_run(r->m, a->val.buffer, at, read_type(r, t));
    return want ? v : fit(r, v, t);
}

/* ---- operands in pieces ---- */

/* The element of operand k at the given indices, one a dimension. */
static const struct expr *element(struct row *r, int k, const struct expr *const *index)
{
    struct ir_ctx *c = r->m->c;
    const struct expr *at = r->arg[k]->kid[0];
    for (int d = 0; d < r->meaning->op[k]->ndim; d++)
        at = ir_add(c, at, ir_mul(c, ir_idx(c, meaning_step(r->meaning, k, d, r->arg)), index[d]));
    return ir_simplify(c, at, NULL);
}

/* The n-th in row-major order. */
static const struct expr *nth_element(struct row *r, int k, int64_t n)
{
    const struct tensor *t = r->meaning->op[k];
    const struct expr *index[QJ_MAX_RANK];
    for (int d = t->ndim - 1; d >= 0; n /= t->shape[d--]) index[d] = ir_idx(r->m->c, n % t->shape[d]);
    return element(r, k, index);
}

/* Where the lane whose number is `lane` begins to read its row of the matrices. */
static const struct expr *matrix_row(struct row *r, const struct recipe *p, const struct expr *lane)
{
    const struct expr *index[QJ_MAX_RANK];
    for (int d = 0; d < r->meaning->op[p->operand]->ndim; d++)
        index[d] = ir_subst(r->m->c, p->index[d], 1, &r->meaning->lane_number, &lane);
    return element(r, p->operand, index);
}

static int matrix_words(struct row *r, const struct recipe *p, LLVMValueRef *out)
{
    struct emit *m = r->m;
    struct ir_ctx *c = m->c;
    const struct buffer *b = r->arg[p->operand]->val.buffer;
    const struct expr *lane = ir_mod(c, r->arg[r->meaning->nop], ir_idx(c, meaning_nlanes(r->meaning)));
    if (b->scope == SCOPE_SHARED && target_has(m->target, "sm_75")) {
        /* all lanes give addresses that are valid: those beyond the last row what the first ones give */
        const struct expr *at = matrix_row(r, p, ir_mod(c, lane, ir_idx(c, 8 * p->value)));
        unsigned align;
        LLVMValueRef where = address_of(m, b, at, &align);
        if (align >= 16) {
            const char *name = arena_printf(&c->arena, "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x%d.b16", (int)p->value);
            LLVMTypeRef pointer = LLVMTypeOf(where);
            LLVMValueRef all = together(m, l_call(m, name, 1, &pointer, 1, &where));
            for (int i = 0; i < p->value; i++) out[i] = p->value == 1 ? all : LLVMBuildExtractValue(m->b, all, (unsigned)i, "");
            return (int)p->value;
        }
    }
    for (int i = 0; i < p->value; i++) {
        const struct expr *row = matrix_row(r, p, ir_add(c, ir_idx(c, 8 * i), ir_div(c, lane, ir_idx(c, 4))));
        const struct expr *word = ir_mul(c, ir_mod(c, lane, ir_idx(c, 4)), ir_idx(c, 4 / dt_bytes(b->dt)));
        out[i] = load_run(m, b, ir_simplify(c, ir_add(c, row, word), NULL), m->i32);
    }
    return (int)p->value;
}

/* Where a tile lies, by 16 bytes each: bits 0 to 13 its beginning, 16 to 29 and 32 to 45 the pitches of terms and rows. */
static LLVMValueRef descriptor(struct row *r, const struct recipe *p)
{
    struct emit *m = r->m;
    const struct expr *at = r->arg[p->operand];
    int64_t bytes = dt_bytes(at->val.buffer->dt);
    int64_t terms = meaning_step(r->meaning, p->operand, p->dim[0], r->arg) * bytes / 16;
    int64_t rows = meaning_step(r->meaning, p->operand, p->dim[1], r->arg) * bytes / 16;
    unsigned align;
    LLVMValueRef where = address_of(m, at->val.buffer, at->kid[0], &align);
    QJ_ASSERT(align >= 16); /* recipe_misfit */
    where = LLVMBuildLShr(m->b, LLVMBuildPtrToInt(m->b, where, m->i64, ""), l_idx(m, 4), "");
    where = LLVMBuildAnd(m->b, where, l_idx(m, 0x3fff), "");
    return LLVMBuildOr(m->b, where, l_idx(m, terms << 16 | rows << 32), "");
}

/* The arguments that a recipe stands for, 1 for most; 0: an error is set. want: of the first, NULL: not known. */
static int eval_list(struct row *r, const struct recipe *p, LLVMTypeRef want, LLVMValueRef *out)
{
    if (p->kind == RCP_MATRIX) return matrix_words(r, p, out);
    if (p->kind == RCP_WORDS) {
        LLVMTypeRef t = named_type(r, type_of(r->meaning->op[p->operand]->dt));
        for (int i = 0; i < p->value; i++)
            out[i] = load_run(r->m, r->arg[p->operand]->val.buffer, nth_element(r, p->operand, i), t);
        return (int)p->value;
    }
    out[0] = eval(r, p, want);
    return out[0] != NULL;
}

/* The value of a recipe; `want` is what its place asks for, if anything (a number needs it; an operand may be
 * handed over as it was read). */
static LLVMValueRef eval(struct row *r, const struct recipe *p, LLVMTypeRef want)
{
    switch (p->kind) {
    case RCP_OPERAND: {
        LLVMValueRef v = r->operand[p->operand];
        if (!v) return bad(r, "operand %s is only written, yet the recipe reads it", r->meaning->op[p->operand]->name);
        return want ? v : fit(r, v, operand_type(r, p->operand));
    }
    case RCP_INT: return eval_int(r, p, want);
    case RCP_CALL: return eval_call(r, p);
    case RCP_BIN: return eval_bin(r, p, want);
    case RCP_CONV: return eval_conv(r, p);
    case RCP_ASM: return eval_asm(r, p);
    case RCP_PART: return eval_part(r, p, want);
    case RCP_DESCRIPTOR: return descriptor(r, p);
    case RCP_WORDS: case RCP_MATRIX: break; /* of a call alone: recipe_parse */
    }
    return NULL;
}

LLVMValueRef emit_recipe(struct emit *m, const struct intrin *in, const LLVMValueRef *operand)
{
    struct row r = {.m = m, .meaning = in->meaning};
    for (int k = 0; k < r.meaning->nop; k++) r.operand[k] = operand[k];
    LLVMTypeRef out = operand_type(&r, 0);
    return fit(&r, eval(&r, in->recipe, out), out);
}

/* Operand 0, in whatever pieces it lies. */
static void put(struct row *r, LLVMValueRef v)
{
    const struct buffer *b = r->arg[0]->val.buffer;
    if (!r->meaning->npitch) {
        store_run(r->m, b, r->arg[0]->kid[0], v);
        return;
    }
    for (int i = 0; i < lanes_of(LLVMTypeOf(v)); i++)
        store_run(r->m, b, nth_element(r, 0, i), LLVMBuildExtractElement(r->m->b, v, l_idx(r->m, i), ""));
}

bool emit_intrin(struct emit *m, const struct stmt *s)
{
    struct row r = {.m = m, .meaning = s->u.intrin.meaning, .arg = s->u.intrin.arg};
    const struct intrin *in = target_intrin(m->target, r.meaning->name);
    size_t known = memo_mark(m);
    QJ_ASSERT(in); /* check_func */
    for (int i = 0; i < r.meaning->nop; i++) {
        const struct expr *a = s->u.intrin.arg[i];
        bool unread = (i == 0 && !r.meaning->accumulate) || !recipe_loads(in->recipe, i);
        LLVMTypeRef t = operand_type(&r, i);
        if (!unread) r.operand[i] = load_run(m, a->val.buffer, a->kid[0], i ? read_type(&r, t) : t);
    }
    LLVMTypeRef out = operand_type(&r, 0);
    LLVMValueRef v = fit(&r, eval(&r, in->recipe, out), out);
    if (v) put(&r, v);
    memo_forget(m, known);
    return v != NULL;
}
