/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_expr.c - expressions: what ir.h's essay says, op by op.
 *
 * Each operation has its exact general form and, where bounds prove enough, the short one. i64 may not
 * overflow (nsw); f32 operations carry no fast-math flag, so LLVM neither contracts nor reassociates.
 * SELECT is lazy: with loads that may be out of bounds a scalar condition becomes control flow and a
 * vector one a mask on the loads. */
#include "codegen/llvm_impl.h"
#include "ir/simplify.h"

static bool is_signed(const struct expr *e) { return dtype_info[e->type.dt].is_signed; }

/* The value of a constant, also when spread over lanes. */
static bool const_of(const struct expr *e, int64_t *v)
{
    if (e->op == OP_BCAST) e = e->kid[0];
    if (e->op != OP_INT) return false;
    *v = e->val.i;
    return true;
}

/* ---- division ---- */

static LLVMValueRef div_const(struct emit *m, const struct expr *e, LLVMValueRef a, int64_t by, bool nonneg)
{
    bool mod = e->op == OP_MOD;
    LLVMTypeRef t = LLVMTypeOf(a);
    if (by == 0 || (mod && (by == 1 || by == -1))) return LLVMConstNull(t);
    if (by == 1) return a;
    if (by == -1) return LLVMBuildNeg(m->b, a, "");
    if (by > 0 && (by & (by - 1)) == 0) { /* two's complement floors by itself */
        if (mod) return LLVMBuildAnd(m->b, a, l_const(t, by - 1), "");
        LLVMValueRef n = l_const(t, __builtin_ctzll((uint64_t)by));
        return nonneg ? LLVMBuildLShr(m->b, a, n, "") : LLVMBuildAShr(m->b, a, n, "");
    }
    LLVMValueRef b = l_const(t, by);
    if (nonneg && by > 0) return mod ? LLVMBuildURem(m->b, a, b, "") : LLVMBuildUDiv(m->b, a, b, "");
    return NULL;
}

/* Division, a lane at a time: LLVM 19 divides a vector by each arm of a select it is divided by, and takes a
 * constant arm with a zero in any lane for one that no lane ever chooses (mended by llvm-project pull request
 * 114280). No target here divides integer vectors, so nothing is lost. */
static LLVMValueRef div_lanes(struct emit *m, LLVMOpcode op, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    if (LLVMGetTypeKind(t) != LLVMVectorTypeKind || LLVMIsConstant(b))
        return LLVMBuildBinOp(m->b, op, a, b, "");
    LLVMValueRef all = LLVMGetPoison(t);
    for (unsigned k = 0; k < LLVMGetVectorSize(t); k++) {
        LLVMValueRef lane = LLVMConstInt(LLVMInt32TypeInContext(m->llvm), k, 0);
        LLVMValueRef x = LLVMBuildExtractElement(m->b, a, lane, "");
        LLVMValueRef y = LLVMBuildExtractElement(m->b, b, lane, "");
        all = LLVMBuildInsertElement(m->b, all, LLVMBuildBinOp(m->b, op, x, y, ""), lane, "");
    }
    return all;
}

static LLVMValueRef div_unsigned(struct emit *m, const struct expr *e, LLVMValueRef a, LLVMValueRef b,
                                 bool zero)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMValueRef none = NULL;
    if (zero) {
        none = LLVMBuildICmp(m->b, LLVMIntEQ, b, LLVMConstNull(t), "");
        b = LLVMBuildSelect(m->b, none, l_const(t, 1), b, "");
    }
    LLVMValueRef r = div_lanes(m, e->op == OP_MOD ? LLVMURem : LLVMUDiv, a, b);
    return none ? LLVMBuildSelect(m->b, none, LLVMConstNull(t), r, "") : r;
}

/* Truncated division, one less where the rest has not the divisor's sign. By 0 and -1 it divides by 1. */
static LLVMValueRef div_signed(struct emit *m, const struct expr *e, LLVMValueRef a, LLVMValueRef b,
                               bool special)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMValueRef none = LLVMConstNull(t), zero = NULL, minus = NULL;
    if (special) {
        zero = LLVMBuildICmp(m->b, LLVMIntEQ, b, none, "");
        minus = LLVMBuildICmp(m->b, LLVMIntEQ, b, l_const(t, -1), "");
        b = LLVMBuildSelect(m->b, LLVMBuildOr(m->b, zero, minus, ""), l_const(t, 1), b, "");
    }
    LLVMValueRef rest = div_lanes(m, LLVMSRem, a, b);
    LLVMValueRef low = LLVMBuildICmp(m->b, LLVMIntSLT, LLVMBuildXor(m->b, rest, b, ""), none, "");
    low = LLVMBuildAnd(m->b, low, LLVMBuildICmp(m->b, LLVMIntNE, rest, none, ""), "");
    if (e->op == OP_MOD) return LLVMBuildAdd(m->b, rest, LLVMBuildSelect(m->b, low, b, none, ""), "");
    LLVMValueRef q = LLVMBuildAdd(m->b, div_lanes(m, LLVMSDiv, a, b), LLVMBuildSExt(m->b, low, t, ""), "");
    if (!special) return q;
    q = LLVMBuildSelect(m->b, minus, LLVMBuildNeg(m->b, a, ""), q, "");
    return LLVMBuildSelect(m->b, zero, none, q, "");
}

static LLVMValueRef divide(struct emit *m, const struct expr *e, LLVMValueRef a, LLVMValueRef b)
{
    struct range ra = ir_bounds(e->kid[0], NULL), rb = ir_bounds(e->kid[1], NULL);
    int64_t by;
    bool nonneg = ra.lo >= 0;
    if (const_of(e->kid[1], &by)) {
        LLVMValueRef r = div_const(m, e, a, by, nonneg);
        if (r) return r;
        return div_signed(m, e, a, b, false);
    }
    if (!is_signed(e) || (nonneg && rb.lo >= 0)) return div_unsigned(m, e, a, b, rb.lo <= 0);
    return div_signed(m, e, a, b, rb.lo <= 0 && rb.hi >= -1);
}

/* ---- shifts ---- */

static LLVMValueRef shift(struct emit *m, const struct expr *e, LLVMValueRef a, LLVMValueRef n)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    int bits = dtype_info[e->type.dt].bits;
    struct range r = ir_bounds(e->kid[1], NULL);
    bool within = r.lo >= 0 && r.hi < bits, arithmetic = e->op == OP_SHR && is_signed(e);
    LLVMValueRef ok = within ? NULL : LLVMBuildICmp(m->b, LLVMIntULT, n, l_const(t, bits), "");
    if (ok) n = LLVMBuildSelect(m->b, ok, n, l_const(t, bits - 1), "");
    if (arithmetic) return LLVMBuildAShr(m->b, a, n, ""); /* by bits - 1: 0 or -1 */
    LLVMValueRef v = e->op == OP_SHL ? LLVMBuildShl(m->b, a, n, "") : LLVMBuildLShr(m->b, a, n, "");
    return ok ? LLVMBuildSelect(m->b, ok, v, LLVMConstNull(t), "") : v;
}

/* ---- arithmetic ---- */

static LLVMValueRef minmax_int(struct emit *m, bool sgn, bool min, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMValueRef arg[2] = {a, b};
    return l_call(m, sgn ? (min ? "llvm.smin" : "llvm.smax") : min ? "llvm.umin" : "llvm.umax", 1, &t, 2, arg);
}

/* min(a, b) is a < b ? a : b, max(a, b) is a > b ? a : b: minps and maxps to the letter. */
static LLVMValueRef minmax_f32(struct emit *m, bool min, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef first = LLVMBuildFCmp(m->b, min ? LLVMRealOLT : LLVMRealOGT, a, b, "");
    return LLVMBuildSelect(m->b, first, a, b, "");
}

static LLVMValueRef arith_f32(struct emit *m, enum op op, LLVMValueRef a, LLVMValueRef b)
{
    switch ((int)op) {
    case OP_ADD: return LLVMBuildFAdd(m->b, a, b, "");
    case OP_SUB: return LLVMBuildFSub(m->b, a, b, "");
    case OP_MUL: return LLVMBuildFMul(m->b, a, b, "");
    case OP_DIV: return LLVMBuildFDiv(m->b, a, b, "");
    default: return minmax_f32(m, op == OP_MIN, a, b);
    }
}

static LLVMValueRef arith_int(struct emit *m, const struct expr *e, LLVMValueRef a, LLVMValueRef b)
{
    bool index = e->type.dt == DT_I64;
    switch ((int)e->op) {
    case OP_ADD: return index ? LLVMBuildNSWAdd(m->b, a, b, "") : LLVMBuildAdd(m->b, a, b, "");
    case OP_SUB: return index ? LLVMBuildNSWSub(m->b, a, b, "") : LLVMBuildSub(m->b, a, b, "");
    case OP_MUL: return index ? LLVMBuildNSWMul(m->b, a, b, "") : LLVMBuildMul(m->b, a, b, "");
    case OP_AND: return LLVMBuildAnd(m->b, a, b, "");
    case OP_OR: return LLVMBuildOr(m->b, a, b, "");
    case OP_XOR: return LLVMBuildXor(m->b, a, b, "");
    case OP_SHL: case OP_SHR: return shift(m, e, a, b);
    case OP_DIV: case OP_MOD: return divide(m, e, a, b);
    default: return minmax_int(m, is_signed(e), e->op == OP_MIN, a, b);
    }
}

static LLVMValueRef compare(struct emit *m, const struct expr *e, LLVMValueRef a, LLVMValueRef b)
{
    if (e->kid[0]->type.dt == DT_F32) {
        LLVMRealPredicate p = e->op == OP_EQ ? LLVMRealOEQ : e->op == OP_NE ? LLVMRealUNE
                              : e->op == OP_LT ? LLVMRealOLT : LLVMRealOLE;
        return LLVMBuildFCmp(m->b, p, a, b, "");
    }
    bool sgn = is_signed(e->kid[0]);
    LLVMIntPredicate p = e->op == OP_EQ ? LLVMIntEQ : e->op == OP_NE ? LLVMIntNE
                         : e->op == OP_LT ? (sgn ? LLVMIntSLT : LLVMIntULT) : (sgn ? LLVMIntSLE : LLVMIntULE);
    return LLVMBuildICmp(m->b, p, a, b, "");
}

static LLVMValueRef one_arg(struct emit *m, const char *name, LLVMValueRef a)
{
    LLVMTypeRef t = LLVMTypeOf(a);
    return l_call(m, name, 1, &t, 1, &a);
}

/* To integral, ties to even. Without SSE4.1 a call of libm's would come of it: below 2^23 adding and
 * taking away 2^23 rounds to integral exactly; from there on, and for nan, the value is its own result. */
static LLVMValueRef rint_f32(struct emit *m, LLVMValueRef a)
{
    if (m->target->rounds) return one_arg(m, "llvm.roundeven", a);
    LLVMTypeRef t = LLVMTypeOf(a);
    LLVMValueRef size = one_arg(m, "llvm.fabs", a), far = l_constf(m, t, 8388608.0);
    LLVMValueRef r = LLVMBuildFSub(m->b, LLVMBuildFAdd(m->b, size, far, ""), far, "");
    LLVMValueRef arg[2] = {r, a};
    r = l_call(m, "llvm.copysign", 1, &t, 2, arg); /* -0.3 gives -0 */
    return LLVMBuildSelect(m->b, LLVMBuildFCmp(m->b, LLVMRealOLT, size, far, ""), r, a, "");
}

/* ---- conversions ---- */

static bool may_be_nan(const struct expr *e)
{
    switch ((int)e->op) {
    case OP_FLT: return e->val.f != e->val.f;
    case OP_CAST: return false;
    case OP_MIN: case OP_MAX: return may_be_nan(e->kid[1]); /* a nan gives the second operand */
    case OP_BCAST: case OP_RINT: return may_be_nan(e->kid[0]);
    case OP_SELECT: return may_be_nan(e->kid[1]) || may_be_nan(e->kid[2]);
    default: return true;
    }
}

/* Clamping rint(x) to integers is rounding clamped x: e without its rint, or NULL. */
static const struct expr *unrounded(struct ir_ctx *c, const struct expr *e)
{
    if (e->op == OP_RINT) return e->kid[0];
    if (e->op != OP_MIN && e->op != OP_MAX) return NULL;
    const struct expr *limit = e->kid[1]->op == OP_BCAST ? e->kid[1]->kid[0] : e->kid[1], *x;
    if (limit->op != OP_FLT || !(limit->val.f > INT32_MIN && limit->val.f < INT32_MAX)) return NULL;
    if ((int32_t)limit->val.f != limit->val.f) return NULL;
    x = unrounded(c, e->kid[0]);
    return x ? ir_bin(c, e->op, x, e->kid[1]) : NULL;
}

/* Half to even, of values that fit: one instruction where the target has it. It rounds in the mode that all f32
 * arithmetic relies on. */
static LLVMValueRef rint_to_int(struct emit *m, LLVMValueRef v, LLVMTypeRef t)
{
    LLVMTypeRef over[2] = {t, LLVMTypeOf(v)};
    if (m->target->converts) return l_call(m, "llvm.lrint", 2, over, 1, &v);
    return LLVMBuildFPToSI(m->b, rint_f32(m, v), t, "");
}

/* Truncates toward zero, saturates, nan gives 0. Where the value is provably in range it is one instruction, and
 * rounding before it is part of it. */
static LLVMValueRef f32_to_int(struct emit *m, const struct expr *from, LLVMValueRef x, enum dtype to)
{
    const struct dtype_info *d = &dtype_info[to];
    int lanes = from->type.lanes;
    LLVMTypeRef t = l_vec(LLVMIntTypeInContext(m->llvm, (unsigned)d->bits), lanes), f = LLVMTypeOf(x);
    LLVMTypeRef wide = l_vec(to == DT_I64 ? m->i64 : m->i32, lanes);
    struct range r = ir_bounds(ir_cast(m->c, DT_I64, from), NULL);
    bool nan = may_be_nan(from), fits = r.lo >= d->lo && r.hi <= d->hi;
    if (to == DT_I64) fits = r.lo > INT64_MIN && r.hi < INT64_MAX;
    if (d->bits >= 32 && (nan || !fits)) {
        LLVMTypeRef over[2] = {t, f};
        return l_call(m, "llvm.fptosi.sat", 2, over, 1, &x);
    }
    if (!fits) { /* both limits are exact in f32; a nan becomes the lower one here */
        x = minmax_f32(m, false, x, l_constf(m, f, (double)d->lo));
        x = minmax_f32(m, true, x, l_constf(m, f, (double)d->hi));
    }
    if (nan) {
        LLVMValueRef was = emit_expr(m, from), bad = LLVMBuildFCmp(m->b, LLVMRealUNO, was, was, "");
        x = LLVMBuildSelect(m->b, bad, LLVMConstNull(f), x, "");
    }
    const struct expr *raw = fits && !nan && to != DT_I64 ? unrounded(m->c, from) : NULL;
    x = raw ? rint_to_int(m, emit_expr(m, raw), wide) : LLVMBuildFPToSI(m->b, x, wide, "");
    return wide == t ? x : LLVMBuildTrunc(m->b, x, t, "");
}

static LLVMValueRef int_to_int(struct emit *m, const struct expr *from, LLVMValueRef x, LLVMTypeRef t)
{
    return LLVMBuildIntCast2(m->b, x, t, is_signed(from), "");
}

/* A vector known to fit is clamped all the same: LLVM makes one saturating pack of clamp and truncation, which
 * is shorter than the masking and shuffling of a truncation alone. */
static LLVMValueRef narrow(struct emit *m, const struct expr *e, LLVMValueRef x)
{
    const struct expr *from = e->kid[0];
    const struct dtype_info *to = &dtype_info[e->type.dt], *d = &dtype_info[from->type.dt];
    struct range r = ir_bounds(from, NULL);
    bool clamped = from->op == OP_MIN || from->op == OP_MAX;
    if (!clamped && e->type.lanes > 1 && to->bits < d->bits && from->type.dt != DT_I64 && r.lo >= to->lo &&
        r.hi <= to->hi) {
        if (to->lo > d->lo) x = minmax_int(m, d->is_signed, false, x, l_const(LLVMTypeOf(x), to->lo));
        x = minmax_int(m, d->is_signed, true, x, l_const(LLVMTypeOf(x), to->hi));
    }
    return int_to_int(m, from, x, l_type(m, e->type));
}

/* A sum with a constant that fits 16 bits at every step, on the way to 8 bits: packed to 16 bits first, so that the
 * addition is on half as many vectors. NULL: it is not such a sum. */
static LLVMValueRef narrow_sum(struct emit *m, const struct expr *e)
{
    const struct expr *from = e->kid[0];
    if (from->op != OP_ADD || from->type.dt != DT_I32 || from->type.lanes == 1 || dtype_info[e->type.dt].bits != 8)
        return NULL;
    const struct expr *term = from->kid[0], *more = from->kid[1];
    struct range r = ir_bounds(term, NULL), all = ir_bounds(from, NULL);
    if (ir_bounds(more, NULL).lo != ir_bounds(more, NULL).hi || r.lo < INT16_MIN || r.hi > INT16_MAX ||
        all.lo < INT16_MIN || all.hi > INT16_MAX)
        return NULL;
    const struct expr *sum = ir_add(m->c, ir_cast(m->c, DT_I16, term), ir_cast(m->c, DT_I16, more));
    return emit_expr(m, ir_cast(m->c, e->type.dt, sum));
}

/* Clamped between whole numbers it makes no difference whether rounding comes before or after, and conversion to
 * integers rounds half to even by itself. NULL: e is no such conversion. */
static LLVMValueRef round_to_int(struct emit *m, const struct expr *e)
{
    const struct expr *from = e->kid[0], *bound[8];
    enum op side[8];
    int n = 0;
    if (e->type.lanes == 1 || e->type.dt != DT_I32 || from->type.dt != DT_F32 || m->target->family->kind != TARGET_CPU)
        return NULL;
    struct range r = ir_bounds(ir_cast(m->c, DT_I64, from), NULL);
    if (may_be_nan(from) || r.lo < INT32_MIN || r.hi > INT32_MAX) return NULL;
    for (; from->op == OP_MIN || from->op == OP_MAX; from = from->kid[0]) {
        const struct expr *k = from->kid[1]->op == OP_BCAST ? from->kid[1]->kid[0] : from->kid[1];
        if (n == (int)ARRAY_LEN(bound) || k->op != OP_FLT || k->val.f != (double)(int64_t)k->val.f) return NULL;
        side[n] = (enum op)from->op;
        bound[n++] = from->kid[1];
    }
    if (from->op != OP_RINT) return NULL;
    const struct expr *x = from->kid[0];
    while (n-- > 0) x = ir_bin(m->c, side[n], x, bound[n]);
    LLVMValueRef v = emit_by_row(m, ir_cast(m->c, DT_I32, ir_un(m->c, OP_RINT, x)));
    return v ? v : rint_to_int(m, emit_expr(m, x), l_type(m, e->type));
}

static LLVMValueRef int_to_f32(struct emit *m, const struct expr *from, LLVMValueRef x)
{
    LLVMTypeRef f = l_vec(m->f32, from->type.lanes);
    if (from->type.dt == DT_I64 || from->type.dt == DT_I32) return LLVMBuildSIToFP(m->b, x, f, "");
    return LLVMBuildSIToFP(m->b, int_to_int(m, from, x, l_vec(m->i32, from->type.lanes)), f, "");
}

static LLVMValueRef cast(struct emit *m, const struct expr *e, LLVMValueRef x)
{
    const struct expr *from = e->kid[0];
    bool is_f32 = from->type.dt == DT_F32;
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(x));
    if (e->type.dt == DT_BOOL)
        return is_f32 ? LLVMBuildFCmp(m->b, LLVMRealUNE, x, zero, "")
                      : LLVMBuildICmp(m->b, LLVMIntNE, x, zero, "");
    if (is_f32) return f32_to_int(m, from, x, e->type.dt);
    if (e->type.dt == DT_F32) return int_to_f32(m, from, x);
    return narrow(m, e, x); /* a bool is zero-extended */
}

static LLVMValueRef saturate(struct emit *m, const struct expr *e, LLVMValueRef x)
{
    const struct expr *from = e->kid[0];
    if (from->type.dt == DT_F32) return f32_to_int(m, from, x, e->type.dt);
    const struct dtype_info *to = &dtype_info[e->type.dt], *d = &dtype_info[from->type.dt];
    LLVMTypeRef t = LLVMTypeOf(x);
    struct range r = ir_bounds(from, NULL);
    if (to->lo > d->lo && r.lo < to->lo) x = minmax_int(m, d->is_signed, false, x, l_const(t, to->lo));
    if (to->hi < d->hi && r.hi > to->hi) x = minmax_int(m, d->is_signed, true, x, l_const(t, to->hi));
    return int_to_int(m, from, x, l_type(m, e->type));
}

/* ---- select ---- */

/* Bytes of a vector as words, which is how registers of a GPU hold them: LLVM stores them one by one where blocks meet. */
static LLVMTypeRef in_words(const struct emit *m, LLVMTypeRef t)
{
    bool bytes = LLVMGetTypeKind(t) == LLVMVectorTypeKind && LLVMGetElementType(t) == m->i8 && LLVMGetVectorSize(t) % 8 == 0;
    return bytes && m->target->family->kind == TARGET_SIMT ? LLVMVectorType(m->i32, LLVMGetVectorSize(t) / 4) : t;
}

/* Each arm in a block of its own; the condition is scalar. */
static LLVMValueRef select_branch(struct emit *m, LLVMValueRef cond, const struct expr *a,
                                  const struct expr *b)
{
    const struct expr *arm[2] = {a, b};
    LLVMValueRef v[2];
    LLVMTypeRef type = NULL;
    LLVMBasicBlockRef block[2] = {l_block(m, "then"), l_block(m, "else")}, join = l_block(m, "join");
    LLVMBuildCondBr(m->b, cond, block[0], block[1]);
    for (int i = 0; i < 2; i++) {
        size_t known = memo_mark(m);
        l_at(m, block[i]);
        v[i] = arm[i] ? emit_expr(m, arm[i]) : LLVMConstNull(type);
        type = LLVMTypeOf(v[i]);
        v[i] = LLVMBuildBitCast(m->b, v[i], in_words(m, type), "");
        block[i] = LLVMGetInsertBlock(m->b);
        LLVMBuildBr(m->b, join);
        memo_forget(m, known);
    }
    l_at(m, join);
    LLVMValueRef phi = LLVMBuildPhi(m->b, LLVMTypeOf(v[0]), "");
    LLVMAddIncoming(phi, v, block, 2);
    return LLVMBuildBitCast(m->b, phi, type, "");
}

/* An arm of a vector select, its loads limited to the lanes that choose it. */
static LLVMValueRef masked_arm(struct emit *m, const struct expr *e, LLVMValueRef lanes)
{
    if (is_safe(e)) return emit_expr(m, e);
    LLVMValueRef outer = m->mask;
    size_t known = memo_mark(m);
    m->mask = outer ? LLVMBuildAnd(m->b, outer, lanes, "") : lanes;
    LLVMValueRef v = emit_expr(m, e);
    m->mask = outer;
    memo_forget(m, known);
    return v;
}

/* The part of a vector condition that is the same in all lanes, as a scalar, and the rest; NULL: there is none. */
static void split_condition(struct ir_ctx *c, const struct expr *e, const struct expr **same,
                            const struct expr **rest)
{
    if (lanes_alike(e)) {
        e = lane_of(c, e, 0);
        *same = *same ? ir_and(c, *same, e) : e;
    } else if (e->op == OP_AND) {
        split_condition(c, e->kid[0], same, rest);
        split_condition(c, e->kid[1], same, rest);
    } else {
        *rest = *rest ? ir_and(c, *rest, e) : e;
    }
}

static LLVMValueRef select_lazy(struct emit *m, const struct expr *e)
{
    const struct expr *a = e->kid[1], *b = e->kid[2], *same = NULL, *rest = NULL;
    LLVMValueRef cond;
    if (e->kid[0]->type.lanes > 1 && !m->mask && !is_safe(a) && is_safe(b) && is_safe(e->kid[0])) {
        split_condition(m->c, e->kid[0], &same, &rest);
        if (same && rest) return select_branch(m, emit_expr(m, same), ir_select(m->c, rest, a, b), b);
    }
    if (e->kid[0]->type.lanes == 1) {
        cond = e->type.lanes == 1 ? emit_expr(m, e->kid[0]) : emit_uniform(m, e->kid[0]);
        if (!is_safe(a) || !is_safe(b)) return select_branch(m, cond, a, b);
        LLVMValueRef va = emit_expr(m, a);
        return LLVMBuildSelect(m->b, cond, va, emit_expr(m, b), "");
    }
    cond = emit_expr(m, e->kid[0]);
    LLVMValueRef va = masked_arm(m, a, cond);
    LLVMValueRef vb = masked_arm(m, b, LLVMBuildNot(m->b, cond, ""));
    return LLVMBuildSelect(m->b, cond, va, vb, "");
}

/* ---- vectors ---- */

LLVMValueRef emit_uniform(struct emit *m, const struct expr *e)
{
    LLVMValueRef mask = m->mask, v;
    if (!mask || is_safe(e)) {
        m->mask = NULL;
        v = emit_expr(m, e);
        m->mask = mask;
        return v;
    }
    LLVMTypeRef bits = LLVMIntTypeInContext(m->llvm, LLVMGetVectorSize(LLVMTypeOf(mask)));
    LLVMValueRef some = LLVMBuildBitCast(m->b, mask, bits, "");
    some = LLVMBuildICmp(m->b, LLVMIntNE, some, LLVMConstNull(bits), "");
    m->mask = NULL;
    v = select_branch(m, some, e, NULL);
    m->mask = mask;
    return v;
}

static LLVMValueRef ramp(struct emit *m, const struct expr *e)
{
    LLVMTypeRef t = l_type(m, type_of(e->type.dt));
    LLVMValueRef base = l_splat(m, emit_uniform(m, e->kid[0]), e->type.lanes), step;
    if (e->kid[1]->op == OP_INT) {
        step = l_lanes(m, 0, e->kid[1]->val.i, e->type.lanes, t);
    } else {
        step = l_splat(m, emit_uniform(m, e->kid[1]), e->type.lanes);
        step = LLVMBuildMul(m->b, step, l_lanes(m, 0, 1, e->type.lanes, t), "");
    }
    return LLVMBuildAdd(m->b, base, step, "");
}

/* ---- the switch ---- */

static LLVMValueRef compute(struct emit *m, const struct expr *e)
{
    LLVMValueRef k[3] = {0}, v = emit_by_row(m, e);
    if (!v && e->op == OP_CAST) v = round_to_int(m, e);
    if (!v && e->op == OP_CAST) v = narrow_sum(m, e);
    if (v) return v;
    bool plain = op_info[e->op].cls == OPC_ALU || op_info[e->op].cls == OPC_CMP;
    for (int i = 0; plain && e->op != OP_SELECT && i < e->nkid; i++) k[i] = emit_expr(m, e->kid[i]);
    switch ((enum op)e->op) {
    case OP_INT: return l_const(l_type(m, e->type), e->val.i);
    case OP_FLT: return l_constf(m, m->f32, e->val.f);
    case OP_VAR: return binding_of(m, e->val.var)->value;
    case OP_LOAD: return emit_load(m, e);
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MIN: case OP_MAX:
        return e->type.dt == DT_F32 ? arith_f32(m, e->op, k[0], k[1]) : arith_int(m, e, k[0], k[1]);
    case OP_MOD: case OP_AND: case OP_OR: case OP_XOR: case OP_SHL: case OP_SHR: return arith_int(m, e, k[0], k[1]);
    case OP_EQ: case OP_NE: case OP_LT: case OP_LE: return compare(m, e, k[0], k[1]);
    case OP_NOT: return LLVMBuildNot(m->b, k[0], "");
    case OP_RINT: return rint_f32(m, k[0]);
    case OP_FMA: {
        LLVMTypeRef t = LLVMTypeOf(k[0]);
        return l_call(m, "llvm.fma", 1, &t, 3, k);
    }
    case OP_SELECT: return select_lazy(m, e);
    case OP_CAST: return cast(m, e, k[0]);
    case OP_SAT: return saturate(m, e, k[0]);
    case OP_EXTERN: return emit_extern(m, e);
    case OP_RAMP: return ramp(m, e);
    case OP_BCAST: return l_splat(m, emit_uniform(m, e->kid[0]), e->type.lanes);
    case OP_READ: case OP_REDUCE: case OP_COUNT: break;
    }
    QJ_ASSERT(!"not an expression of loop nests");
    return NULL;
}

LLVMValueRef emit_expr(struct emit *m, const struct expr *e)
{
    LLVMValueRef v = memo_find(m, e);
    if (v) return v;
    v = compute(m, e);
    if (e->nkid) memo_put(m, e, v);
    return v;
}
