/* SPDX-License-Identifier: Apache-2.0 */
/* quant.c - requantisation in plain C and as expressions. Contract in quant.h.
 *
 * The expressions choose the narrowest arithmetic that ir_bounds proves exact: with a constant zero
 * point and an 8- or 16-bit result nothing is wider than 32 bits but the Q31 product. Where nothing is
 * known about zero or shift they go through i64, which is always exact. */
#include "ir/quant.h"

#include <math.h>

#include "ir/simplify.h"

const char *const round_name[ROUND_COUNT] = {"half_even", "tflite_double", "tflite_single", "shift"};

enum { SHIFT_MIN = -31, SHIFT_MAX = 30 };

/* Integers up to this magnitude are exact in f32. */
static const int64_t F32_EXACT = INT64_C(1) << 24;
/* A rounded product beyond this is beyond every i32 whatever zero is added to it. */
static const float FAR_OUT = 8589934592.0f;    /* 2^33 */

/* ---- plain C ---- */

static int64_t clamp64(int64_t v, int64_t lo, int64_t hi) { return i64_min(i64_max(v, lo), hi); }

int32_t quant_half_even(int32_t acc, float scale, int32_t zero, int32_t lo, int32_t hi)
{
    float r = rintf((float)acc * scale);
    r = ir_apply_f32(OP_MAX, r, -FAR_OUT);      /* a nan becomes the lower bound here */
    r = ir_apply_f32(OP_MIN, r, FAR_OUT);
    return (int32_t)clamp64((int64_t)r + zero, lo, hi);
}

int32_t quant_tflite_double(int32_t acc, int32_t mult, int shift, int32_t zero, int32_t lo, int32_t hi)
{
    shift = (int)clamp64(shift, SHIFT_MIN, SHIFT_MAX);
    int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    int64_t x = clamp64((int64_t)acc * (INT64_C(1) << left), INT32_MIN, INT32_MAX);
    int32_t high = (int32_t)((x * mult + (1 << 30)) >> 31);
    int32_t mask = (int32_t)((INT64_C(1) << right) - 1);
    int32_t threshold = (mask >> 1) + (high < 0);
    int64_t v = (high >> right) + ((high & mask) > threshold);
    return (int32_t)clamp64(v + zero, lo, hi);
}

int32_t quant_tflite_single(int32_t acc, int32_t mult, int shift, int32_t zero, int32_t lo, int32_t hi)
{
    int total = 31 - (int)clamp64(shift, SHIFT_MIN, SHIFT_MAX);
    int64_t v = ((int64_t)acc * mult + (INT64_C(1) << (total - 1))) >> total;
    return (int32_t)clamp64(v + zero, lo, hi);
}

int32_t quant_shift(int32_t acc, int shift, int32_t zero, int32_t lo, int32_t hi)
{
    shift = (int)clamp64(shift, 0, 31);
    int64_t half = (INT64_C(1) << shift) >> 1;
    return (int32_t)clamp64((((int64_t)acc + half) >> shift) + zero, lo, hi);
}

bool quant_multiplier(double real, int32_t *mult, int *shift)
{
    *mult = 0;
    *shift = 0;
    if (!(real >= 0) || isinf(real)) return false;
    if (real == 0) return true;
    int64_t q = (int64_t)round(ldexp(frexp(real, shift), 31));    /* half away from zero */
    if (q == INT64_C(1) << 31) {
        q /= 2;
        ++*shift;
    }
    if (*shift < SHIFT_MIN) {                   /* so small that every product rounds to 0 */
        *shift = 0;
        return true;
    }
    if (*shift > SHIFT_MAX) {
        *shift = 0;
        return false;
    }
    *mult = (int32_t)q;
    return true;
}

/* ---- expressions ---- */

static const struct expr *i32c(struct ir_ctx *c, int64_t v) { return ir_int(c, type_of(DT_I32), v); }
static const struct expr *i64c(struct ir_ctx *c, int64_t v) { return ir_int(c, TYPE_I64, v); }

static const struct expr *clamp(struct ir_ctx *c, const struct expr *e, const struct expr *lo,
                                const struct expr *hi)
{
    return ir_min(c, ir_max(c, e, lo), hi);
}

static bool within(struct range r, int64_t lo, int64_t hi) { return lo <= r.lo && r.hi <= hi; }

/* Where the result goes: its type, its bounds (those of the type at most) and what is added before. */
struct finish {
    struct ir_ctx *c;
    enum dtype to;
    int64_t lo, hi;
    const struct expr *zero;
    struct range z;         /* of zero */
    struct range cut;       /* a value clamped to this keeps its result: [lo - z.hi, hi - z.lo] */
    bool narrow;            /* cut + zero needs no more than i32 */
};

static struct finish finish_of(struct ir_ctx *c, const struct expr *zero, enum dtype to, int32_t lo, int32_t hi)
{
    QJ_ASSERT(to == DT_I8 || to == DT_U8 || to == DT_I16 || to == DT_I32);
    struct range t = dtype_range(to), all = dtype_range(DT_I32);
    struct finish f = {c, to, clamp64(lo, t.lo, t.hi), clamp64(hi, t.lo, t.hi), zero, ir_bounds(zero, NULL),
                       {0, 0}, false};
    f.cut = (struct range){f.lo - f.z.hi, f.hi - f.z.lo};
    f.narrow = f.lo <= f.hi && within(f.cut, all.lo, all.hi) &&
               within((struct range){f.cut.lo + f.z.lo, f.cut.hi + f.z.hi}, all.lo, all.hi);
    return f;
}

/* Value v (i32, already inside cut, f.narrow) to the result. */
static const struct expr *finish_cut(const struct finish *f, const struct expr *v)
{
    v = ir_add(f->c, v, f->zero);
    if (f->z.lo != f->z.hi) v = clamp(f->c, v, i32c(f->c, f->lo), i32c(f->c, f->hi));
    return ir_cast(f->c, f->to, v);
}

/* Any value v of i64 that leaves room for zero. */
static const struct expr *finish_wide(const struct finish *f, const struct expr *v)
{
    v = ir_add(f->c, v, ir_cast(f->c, DT_I64, f->zero));
    return ir_cast(f->c, f->to, clamp(f->c, v, i64c(f->c, f->lo), i64c(f->c, f->hi)));
}

static const struct expr *finish_i32(const struct finish *f, const struct expr *v)
{
    if (!f->narrow) return finish_wide(f, ir_cast(f->c, DT_I64, v));
    struct range all = dtype_range(DT_I32);
    if (f->cut.lo > all.lo) v = ir_max(f->c, v, i32c(f->c, f->cut.lo));
    if (f->cut.hi < all.hi) v = ir_min(f->c, v, i32c(f->c, f->cut.hi));
    return finish_cut(f, v);
}

static const struct expr *flt(struct ir_ctx *c, float v) { return ir_flt(c, type_of(DT_F32), v); }

const struct expr *quant_expr_half_even(struct ir_ctx *c, const struct expr *acc, const struct expr *scale,
                                        const struct expr *zero, enum dtype to, int32_t lo, int32_t hi)
{
    if (!acc || !scale || !zero) return NULL;
    struct finish f = finish_of(c, zero, to, lo, hi);
    const struct expr *r = ir_un(c, OP_RINT, ir_mul(c, ir_cast(c, DT_F32, acc), scale));
    if (f.narrow && within(f.cut, -F32_EXACT, F32_EXACT)) {
        r = clamp(c, r, flt(c, (float)f.cut.lo), flt(c, (float)f.cut.hi));
        return finish_cut(&f, ir_cast(c, DT_I32, r));
    }
    return finish_wide(&f, ir_cast(c, DT_I64, clamp(c, r, flt(c, -FAR_OUT), flt(c, FAR_OUT))));
}

/* The shift operand inside its domain; no operation where that is known. */
static const struct expr *shift_within(struct ir_ctx *c, const struct expr *shift, int lo, int hi, struct range *r)
{
    *r = ir_bounds(shift, NULL);
    if (within(*r, lo, hi)) return shift;
    *r = (struct range){clamp64(r->lo, lo, hi), clamp64(r->hi, lo, hi)};
    return clamp(c, shift, i32c(c, lo), i32c(c, hi));
}

/* (a * mult + half) >> by, in i64. */
static const struct expr *mul_round(struct ir_ctx *c, const struct expr *a, const struct expr *mult,
                                    const struct expr *half, const struct expr *by)
{
    const struct expr *p = ir_mul(c, ir_cast(c, DT_I64, a), ir_cast(c, DT_I64, mult));
    return ir_bin(c, OP_SHR, ir_add(c, p, half), by);
}

/* gemmlowp's RoundingDivideByPOT in i32, half away from zero; by in [0, 31]. */
static const struct expr *divide_pot(struct ir_ctx *c, const struct expr *x, const struct expr *by)
{
    if (ir_is_int(by, 0)) return x;
    const struct expr *one = i32c(c, 1), *zero = i32c(c, 0);
    const struct expr *mask = ir_sub(c, ir_bin(c, OP_SHL, one, by), one);    /* by 31: wraps to INT32_MAX */
    const struct expr *threshold = ir_add(c, ir_bin(c, OP_SHR, mask, one), ir_cast(c, DT_I32, ir_lt(c, x, zero)));
    const struct expr *up = ir_lt(c, threshold, ir_and(c, x, mask));
    return ir_add(c, ir_bin(c, OP_SHR, x, by), ir_cast(c, DT_I32, up));
}

static const struct expr *tflite_double(const struct finish *f, const struct expr *acc, const struct expr *mult,
                                        const struct expr *shift, struct range s)
{
    struct ir_ctx *c = f->c;
    const struct expr *zero = i32c(c, 0), *x = acc;
    if (s.hi > 0) {
        const struct expr *left = s.lo >= 0 ? shift : ir_max(c, shift, zero);
        x = ir_bin(c, OP_SHL, ir_cast(c, DT_I64, acc), ir_cast(c, DT_I64, left));
        x = ir_sat(c, DT_I32, x);
    }
    x = ir_cast(c, DT_I32, mul_round(c, x, mult, i64c(c, 1 << 30), i64c(c, 31)));
    if (s.lo < 0) x = divide_pot(c, x, ir_sub(c, zero, s.hi <= 0 ? shift : ir_min(c, shift, zero)));
    return finish_i32(f, x);
}

static const struct expr *tflite_single(const struct finish *f, const struct expr *acc, const struct expr *mult,
                                        const struct expr *shift, struct range s)
{
    struct ir_ctx *c = f->c;
    const struct expr *total = ir_sub(c, i64c(c, 31), ir_cast(c, DT_I64, shift));
    const struct expr *half = ir_bin(c, OP_SHR, ir_bin(c, OP_SHL, i64c(c, 1), total), i64c(c, 1));
    const struct expr *v = mul_round(c, acc, mult, half, total);
    /* Shifted right by 31 or more the product of two i32 is an i32 again. */
    if (s.hi <= 0) return finish_i32(f, ir_cast(c, DT_I32, v));
    return f->narrow ? finish_i32(f, ir_sat(c, DT_I32, v)) : finish_wide(f, v);
}

const struct expr *quant_expr_tflite(struct ir_ctx *c, enum round_mode single_or_double, const struct expr *acc,
                                     const struct expr *mult, const struct expr *shift, const struct expr *zero,
                                     enum dtype to, int32_t lo, int32_t hi)
{
    if (!acc || !mult || !shift || !zero) return NULL;
    QJ_ASSERT(single_or_double == ROUND_TFLITE_DOUBLE || single_or_double == ROUND_TFLITE_SINGLE);
    struct finish f = finish_of(c, zero, to, lo, hi);
    struct range s;
    shift = shift_within(c, shift, SHIFT_MIN, SHIFT_MAX, &s);
    return single_or_double == ROUND_TFLITE_DOUBLE ? tflite_double(&f, acc, mult, shift, s)
                                                   : tflite_single(&f, acc, mult, shift, s);
}

const struct expr *quant_expr_shift(struct ir_ctx *c, const struct expr *acc, const struct expr *shift,
                                    const struct expr *zero, enum dtype to, int32_t lo, int32_t hi)
{
    if (!acc || !shift || !zero) return NULL;
    struct finish f = finish_of(c, zero, to, lo, hi);
    struct range s, a = ir_bounds(acc, NULL);
    shift = shift_within(c, shift, 0, 31, &s);
    const struct expr *one = i32c(c, 1), *none = i32c(c, 0);
    int64_t half = s.lo == s.hi ? (INT64_C(1) << s.lo) >> 1 : INT64_C(1) << 30;
    if (s.lo == s.hi && a.hi + half <= INT32_MAX)    /* two operations where the sum cannot wrap */
        return finish_i32(&f, ir_bin(c, OP_SHR, ir_add(c, acc, i32c(c, half)), shift));
    /* floor plus the bit below: the same without a sum that might wrap; shift 0 has no bit below */
    const struct expr *below = ir_bin(c, OP_SHR, acc, s.lo > 0 ? ir_sub(c, shift, one)
                                                              : ir_max(c, ir_sub(c, shift, one), none));
    const struct expr *bit = ir_and(c, below, s.lo > 0 ? one : ir_min(c, shift, one));
    return finish_i32(&f, ir_add(c, ir_bin(c, OP_SHR, acc, shift), bit));
}
