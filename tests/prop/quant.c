/* SPDX-License-Identifier: Apache-2.0 */
/* quant: the C functions and the expressions of ir/quant.h against exact 128-bit arithmetic written from
 * the definitions (rationals and half-way cases, no floats), over random and extreme operands.
 *
 * Each batch draws which operands are constants and which are read, with or without a declared range:
 * that decides which expression is built. QJ_N: cases in all, QJ_SEED: where to start. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/quant.h"
#include "ir/simplify.h"

typedef __int128 wide;

/* ---- the reference ---- */

static wide floor_shift(wide v, int by) { return v >= 0 ? v >> by : -((-v + ((wide)1 << by) - 1) >> by); }
static int32_t clamp_wide(wide v, int32_t lo, int32_t hi)
{
    if (v < lo) v = lo;
    if (v > hi) v = hi;
    return (int32_t)v;
}

static int bit_length(wide v)
{
    int n = 0;
    for (; v; v >>= 1) n++;
    return n;
}

/* A non-negative m * 2^e, m / 2^by rounded half to even. */
static wide half_even(wide m, int by)
{
    if (by > 120) return 0;
    wide q = m >> by, rest = m - (q << by), half = (wide)1 << (by - 1);
    return q + (rest > half || (rest == half && q % 2 != 0));
}

struct num { wide m; int e; bool inf; };    /* magnitude m * 2^e */

static struct num to_f32(struct num v)      /* rounded to 24 bits, denormals and overflow as IEEE says */
{
    int drop = bit_length(v.m) - 24;
    if (drop < -149 - v.e) drop = -149 - v.e;
    if (drop > 0) {
        v.m = half_even(v.m, drop);
        v.e += drop;
    }
    v.inf |= v.m != 0 && bit_length(v.m) + v.e > 128;
    return v;
}

static int32_t ref_half_even(int32_t acc, float scale, int32_t zero, int32_t lo, int32_t hi)
{
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    int field = bits >> 23 & 255;
    struct num s = {bits & 0x7fffff, -149, false};
    if (field) s = (struct num){(bits & 0x7fffff) | 0x800000, field - 150, false};
    bool nan = field == 255 && (bits & 0x7fffff), negative = (acc < 0) != (bits >> 31);
    if (field == 255) s.inf = true;
    if (nan || (s.inf && acc == 0)) return clamp_wide(lo, lo, hi);
    struct num a = to_f32((struct num){acc < 0 ? -(wide)acc : acc, 0, false});
    struct num p = to_f32((struct num){a.m * (s.inf ? 1 : s.m), a.e + s.e, s.inf});
    wide r = p.m;
    if (p.inf || (p.m && bit_length(p.m) + p.e > 60)) r = (wide)1 << 80;
    else if (p.e >= 0) r <<= p.e;
    else r = half_even(r, -p.e);
    return clamp_wide((negative ? -r : r) + zero, lo, hi);
}

static int32_t ref_tflite_double(int32_t acc, int32_t mult, int shift, int32_t zero, int32_t lo, int32_t hi)
{
    int left = shift > 0 ? shift : 0, right = shift > 0 ? 0 : -shift;
    wide x = clamp_wide((wide)acc * ((wide)1 << left), INT32_MIN, INT32_MAX);
    wide ab = x * mult, nudge = ab >= 0 ? (wide)1 << 30 : 1 - ((wide)1 << 30);
    wide h = (ab + nudge) / ((wide)1 << 31);                         /* C's division truncates */
    wide magnitude = h < 0 ? -h : h;
    if (right) magnitude = (magnitude + ((wide)1 << (right - 1))) >> right;
    return clamp_wide((h < 0 ? -magnitude : magnitude) + zero, lo, hi);
}

static int32_t ref_tflite_single(int32_t acc, int32_t mult, int shift, int32_t zero, int32_t lo, int32_t hi)
{
    int t = 31 - shift;
    wide twice = (wide)acc * mult * 2 + ((wide)1 << t);              /* floor(v + 1/2) */
    return clamp_wide(floor_shift(twice, t + 1) + zero, lo, hi);
}

static int32_t ref_shift(int32_t acc, int shift, int32_t zero, int32_t lo, int32_t hi)
{
    return clamp_wide(floor_shift((wide)acc * 2 + ((wide)1 << shift), shift + 1) + zero, lo, hi);
}

/* ---- operands ---- */

static uint64_t state;
static uint64_t rnd(void)    /* splitmix64 */
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static int64_t rnd_in(int64_t lo, int64_t hi) { return lo + (int64_t)(rnd() % (uint64_t)(hi - lo + 1)); }
#define PICK(a) ((a)[rnd() % ARRAY_LEN(a)])

static int32_t rnd_width(void)    /* any i32, small ones as likely as large ones */
{
    int32_t v = (int32_t)(uint32_t)(rnd() >> (32 + rnd() % 32));
    return rnd() & 1 ? v : (int32_t)(0 - (uint32_t)v);
}

static int32_t rnd_acc(void)
{
    static const int32_t edge[] = {INT32_MIN, INT32_MIN + 1, INT32_MAX, INT32_MAX - 1, 0, 1, -1, 1 << 24, (1 << 24) + 1,
                                   -(1 << 24) - 1, (1 << 25) + 2, (1 << 25) + 6, 1 << 30, -(1 << 30), 127, -128, 255};
    return rnd() % 4 ? rnd_width() : PICK(edge);
}

static float rnd_scale(int32_t acc)
{
    static const float edge[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 0.25f, 1e-45f, -1e-45f, 1.1754942e-38f, 1.17549435e-38f,
                                 3.4028235e38f, -3.4028235e38f, 1e-10f, 1.0f / 3, 0.0039215689f};
    uint32_t bits = (uint32_t)rnd();
    float v;
    switch (rnd() % 8) {
    case 0: return PICK(edge);
    case 1: return rnd() & 1 ? __builtin_inff() : rnd() & 1 ? -__builtin_inff() : __builtin_nanf("");
    case 2: memcpy(&v, &bits, sizeof v); return v;              /* any bits at all */
    case 3: return __builtin_ldexpf(1, (int)rnd_in(-32, 2));    /* ties wherever acc has the right low bits */
    case 4: return acc ? ((float)rnd_in(-300, 300) + 0.5f) / (float)acc : 0.5f;
    default: return __builtin_ldexpf((float)rnd_in(1 << 23, (1 << 24) - 1), (int)rnd_in(-56, -22));
    }
}

static int32_t rnd_mult(void)
{
    static const int32_t edge[] = {0, 1, 1 << 30, INT32_MAX, (1 << 30) + 1, INT32_MAX - 1};
    return rnd() % 3 ? (int32_t)rnd_in(1 << 30, INT32_MAX) : rnd() & 1 ? PICK(edge) : (int32_t)rnd_in(0, INT32_MAX);
}

static int32_t rnd_shift(int lo, int hi)
{
    const int edge[] = {lo, lo + 1, hi, hi - 1, 0, 1, -1};
    int v = rnd() & 1 ? PICK(edge) : (int)rnd_in(lo, hi);
    return v < lo || v > hi ? lo : v;
}

static int32_t rnd_zero(void)
{
    static const int32_t edge[] = {0, 0, 0, 1, -1, -128, 127, 128, 255, 32767, INT32_MIN, INT32_MAX, INT32_MIN + 1,
                                   1 << 24, -(1 << 24)};
    return rnd() & 1 ? PICK(edge) : rnd() & 1 ? (int32_t)rnd_in(-128, 255) : rnd_width();
}

/* ---- one batch: a program over N elements ---- */

enum { N = 64 };
struct batch {
    enum round_mode mode;
    enum dtype to;
    int32_t lo, hi;
    int32_t acc[N], mult[N], shift[N], zero[N];
    float scale[N];
};

static void range_of(const int32_t *v, struct range *r)
{
    *r = (struct range){v[0], v[0]};
    for (int i = 1; i < N; i++) *r = (struct range){i64_min(r->lo, v[i]), i64_max(r->hi, v[i])};
}

static void draw(struct batch *b)
{
    static const enum dtype types[] = {DT_I8, DT_U8, DT_I16, DT_I32};
    b->mode = rnd() % ROUND_COUNT;
    b->to = PICK(types);
    struct range t = dtype_range(b->to);
    b->lo = (int32_t)t.lo;
    b->hi = (int32_t)t.hi;
    if (rnd() % 3 == 0) {
        b->lo = (int32_t)rnd_in(t.lo, t.hi);
        b->hi = (int32_t)rnd_in(b->lo, t.hi);
    }
    int narrow = (int)(rnd() % 3), lo_shift = b->mode == ROUND_SHIFT ? 0 : -31;
    int hi_shift = b->mode == ROUND_SHIFT ? 31 : rnd() & 1 ? 0 : 30;
    for (int i = 0; i < N; i++) {
        b->acc[i] = narrow == 1 ? (int32_t)rnd_in(-100000, 100000) : rnd_acc();
        b->scale[i] = rnd_scale(b->acc[i]);
        b->mult[i] = rnd_mult();
        b->shift[i] = rnd_shift(lo_shift, hi_shift);
        b->zero[i] = narrow == 2 ? (int32_t)rnd_in(-128, 255) : rnd_zero();
    }
}

/* An operand of the expression: the tensor's element, or one constant for the whole batch. */
static const struct expr *operand(struct ir_ctx *c, const char *name, const int32_t *v, bool constant,
                                  const struct expr *i, const struct tensor **made)
{
    *made = NULL;
    if (constant) return ir_int(c, type_of(DT_I32), v[0]);
    struct tensor *t = ir_tensor(c, name, TENSOR_INPUT, DT_I32, 1, (int64_t[]){N});
    if (rnd() & 1) {
        range_of(v, &t->range);
        t->range_declared = true;
    }
    *made = t;
    return ir_read(c, t, &i);
}

static const struct expr *build(struct ir_ctx *c, const struct batch *b, const struct expr *acc,
                                const struct expr *scale, const struct expr *mult, const struct expr *shift,
                                const struct expr *zero)
{
    switch (b->mode) {
    case ROUND_HALF_EVEN: return quant_expr_half_even(c, acc, scale, zero, b->to, b->lo, b->hi);
    case ROUND_TFLITE_DOUBLE: case ROUND_TFLITE_SINGLE:
        return quant_expr_tflite(c, b->mode, acc, mult, shift, zero, b->to, b->lo, b->hi);
    case ROUND_SHIFT: return quant_expr_shift(c, acc, shift, zero, b->to, b->lo, b->hi);
    case ROUND_COUNT: break;
    }
    return NULL;
}

static int32_t reference(const struct batch *b, int i, bool plain_c)
{
    int32_t a = b->acc[i], m = b->mult[i], s = b->shift[i], z = b->zero[i], lo = b->lo, hi = b->hi;
    switch (b->mode) {
    case ROUND_HALF_EVEN: return (plain_c ? quant_half_even : ref_half_even)(a, b->scale[i], z, lo, hi);
    case ROUND_TFLITE_DOUBLE: return (plain_c ? quant_tflite_double : ref_tflite_double)(a, m, s, z, lo, hi);
    case ROUND_TFLITE_SINGLE: return (plain_c ? quant_tflite_single : ref_tflite_single)(a, m, s, z, lo, hi);
    case ROUND_SHIFT: return (plain_c ? quant_shift : ref_shift)(a, s, z, lo, hi);
    case ROUND_COUNT: break;
    }
    return 0;
}

static int fail(const struct batch *b, int i, const char *what, int64_t got)
{
    printf("%s: %s gives %lld, the reference %d, for acc %d scale %a mult %d shift %d zero %d to %s in %d..%d\n", what,
           round_name[b->mode], (long long)got, reference(b, i, false), b->acc[i], (double)b->scale[i], b->mult[i],
           b->shift[i], b->zero[i], dtype_info[b->to].name, b->lo, b->hi);
    return 1;
}

static int run_batch(struct ir_ctx *c)
{
    struct batch b;
    draw(&b);
    /* Constants hold for the whole batch. */
    bool cs = rnd() & 1, cm = rnd() & 1, ch = rnd() & 1, cz = rnd() & 1;
    for (int i = 0; i < N; i++) {
        if (cs) b.scale[i] = b.scale[0];
        if (cm) b.mult[i] = b.mult[0];
        if (ch) b.shift[i] = b.shift[0];
        if (cz) b.zero[i] = b.zero[0];
    }
    for (int i = 0; i < N; i++)
        if (reference(&b, i, true) != reference(&b, i, false)) return fail(&b, i, "plain C", reference(&b, i, true));

    const struct tensor *t[6], *list[6];
    const struct var *axis = ir_var(c, "i", N);
    const struct expr *at = ir_var_expr(c, axis);
    const struct expr *acc = operand(c, "Acc", b.acc, false, at, &t[0]);
    const struct expr *mult = operand(c, "Mult", b.mult, cm, at, &t[1]);
    const struct expr *shift = operand(c, "Shift", b.shift, ch, at, &t[2]);
    const struct expr *zero = operand(c, "Zero", b.zero, cz, at, &t[3]);
    struct tensor *st = ir_tensor(c, "Scale", TENSOR_INPUT, DT_F32, 1, (int64_t[]){N});
    const struct expr *scale = cs ? ir_flt(c, type_of(DT_F32), b.scale[0]) : ir_read(c, st, &at);
    struct tensor *out = ir_tensor(c, "Out", TENSOR_COMPUTE, b.to, 1, (int64_t[]){N});
    t[4] = st;
    t[5] = out;
    out->axis[0] = axis;
    out->body = build(c, &b, acc, scale, mult, shift, zero);
    const struct expr *last = out->body->op == OP_CAST ? out->body->kid[0] : out->body;
    struct range r = ir_bounds(last, NULL);
    if (b.to != DT_I32 && (r.lo < b.lo || r.hi > b.hi)) {    /* i32: the last cast may be the product's */
        printf("the bounds of the %s result before its cast, %lld..%lld, are not inside %d..%d\n", round_name[b.mode],
               (long long)r.lo, (long long)r.hi, b.lo, b.hi);
        return 1;
    }
    struct program p = {"quant", 0, list};
    for (int i = 0; i < 6; i++)
        if (t[i]) list[p.ntensor++] = t[i];
    struct eval *ev = eval_new(c, &p);
    const void *data[] = {b.acc, b.mult, b.shift, b.zero, b.scale};
    for (int i = 0; i < 5; i++)
        if (t[i]) eval_bind(ev, t[i], data[i]);
    int32_t got[N];
    int bad = !eval_all(ev, out, got);
    if (bad) printf("eval: %s\n", c->err.first.msg);
    for (int i = 0; i < N && !bad; i++) {
        int64_t v = value_load(b.to, got, i).i;
        if (v != reference(&b, i, false)) bad = fail(&b, i, "the expression", v);
    }
    eval_free(ev);
    /* All constants: the constructors fold it. */
    for (int i = 0; i < 4 && !bad; i++) {
        struct type i32 = type_of(DT_I32);
        const struct expr *e = build(c, &b, ir_int(c, i32, b.acc[i]), ir_flt(c, type_of(DT_F32), b.scale[i]),
                                     ir_int(c, i32, b.mult[i]), ir_int(c, i32, b.shift[i]), ir_int(c, i32, b.zero[i]));
        if (e->op != OP_INT || e->val.i != reference(&b, i, false))
            bad = fail(&b, i, "the folded expression", e->op == OP_INT ? e->val.i : -1);
    }
    return bad;
}

/* mult * 2^(shift - 31) is the nearest Q31 number to the real multiplier. */
static int check_multiplier(void)
{
    double real = __builtin_ldexp((double)rnd_in(1, INT64_C(1) << 53), (int)rnd_in(-100, -10));
    int32_t mult;
    int shift;
    bool ok = quant_multiplier(real, &mult, &shift);
    double top = __builtin_ldexp(1, 30), back = ok ? __builtin_ldexp(mult, shift - 31) : 0;
    bool good;
    if (!ok) good = real >= top * (1 - 0x1p-32);
    else if (mult == 0) good = real < 0x1p-32 && shift == 0;
    else good = mult >= 1 << 30 && shift >= -31 && shift <= 30 && __builtin_fabs(back - real) <= real * 0x1p-31;
    if (!good) printf("quant_multiplier(%a) gives %s %d %d\n", real, ok ? "true" : "false", mult, shift);
    return !good;
}

int main(void)
{
    const char *n = getenv("QJ_N"), *seed = getenv("QJ_SEED");
    long cases = n ? strtol(n, NULL, 0) : 100000;
    state = seed ? strtoull(seed, NULL, 0) : 1;
    printf("QJ_SEED=%" PRIu64 " QJ_N=%ld\n", state, cases);
    struct ir_ctx c;
    int bad = 0;
    for (long i = 0; i < cases && !bad; i += 4 * N) {
        uint64_t from = state;
        ir_ctx_init(&c, 0);
        for (int k = 0; k < 4 && !bad; k++) bad = run_batch(&c);
        ir_ctx_release(&c);
        for (int k = 0; k < N && !bad; k++) bad = check_multiplier();
        if (bad) printf("again with QJ_SEED=%" PRIu64 " QJ_N=1\n", from);
    }
    return bad;
}
