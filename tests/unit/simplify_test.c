/* SPDX-License-Identifier: Apache-2.0 */
/* What the simplifier, bounds, modulus and affine form give on the expressions and nests that schedules make.
 * That every rule keeps the value is tested in tests/prop/simplify.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "ir/print.h"
#include "ir/simplify.h"

struct world {
    struct ir_ctx c;
    const struct expr *a, *b, *y, *x;   /* extents 10, 16, 56, unknown */
    const struct var *va, *vb, *vy, *vx;
};

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    ir_ctx_init(&w->c, 0);
    w->va = ir_var(&w->c, "a", 10);
    w->vb = ir_var(&w->c, "b", 16);
    w->vy = ir_var(&w->c, "y", 56);
    w->vx = ir_var(&w->c, "x", 0);
    w->a = ir_var_expr(&w->c, w->va);
    w->b = ir_var_expr(&w->c, w->vb);
    w->y = ir_var_expr(&w->c, w->vy);
    w->x = ir_var_expr(&w->c, w->vx);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ir_ctx_release(&w->c);
    test_free(w);
    return 0;
}

/* Short names for building: every test has `c` in reach. */
#define I(v) ir_idx(c, (v))
#define ADD(p, q) ir_add(c, (p), (q))
#define SUB(p, q) ir_sub(c, (p), (q))
#define MUL(p, k) ir_mul(c, (p), I(k))
#define DIV(p, k) ir_div(c, (p), I(k))
#define MOD(p, k) ir_mod(c, (p), I(k))
#define LT(p, q) ir_lt(c, (p), (q))
#define LE(p, q) ir_le(c, (p), (q))
#define AND(p, q) ir_and(c, (p), (q))
#define OR(p, q) ir_or(c, (p), (q))
#define NOT(p) ir_un(c, OP_NOT, (p))

static void gives_under(struct ir_ctx *c, const struct expr *e, const struct var_range *env, const char *text)
{
    assert_string_equal(expr_text(&c->arena, ir_simplify(c, e, env)), text);
}
static void gives(struct ir_ctx *c, const struct expr *e, const char *text) { gives_under(c, e, NULL, text); }

#define WORLD                                                                                     \
    struct world *w = *state;                                                                     \
    struct ir_ctx *c = &w->c;                                                                     \
    const struct expr *a = w->a, *b = w->b, *y = w->y;                                            \
    (void)c, (void)a, (void)b, (void)y

static void sums(void **state)
{
    WORLD;
    gives(c, SUB(ADD(MUL(a, 16), b), MUL(a, 16)), "b");
    gives(c, ADD(ADD(I(3), b), ADD(a, I(-5))), "a + b - 2");
    gives(c, SUB(a, a), "0");
    gives(c, MUL(ADD(MUL(a, 3), I(2)), 4), "a * 12 + 8");
    gives(c, SUB(I(5), a), "5 - a");
    gives(c, SUB(I(0), a), "a * -1");
    assert_ptr_equal(ir_simplify(c, ADD(ADD(a, b), y), NULL), ir_simplify(c, ADD(y, ADD(b, a)), NULL));
    assert_ptr_equal(ir_simplify(c, MUL(ADD(a, b), 16), NULL),
                     ir_simplify(c, ADD(MUL(b, 16), MUL(a, 16)), NULL));
}

static void div_and_mod(void **state)
{
    WORLD;
    gives(c, DIV(ADD(MUL(a, 16), b), 16), "a");
    gives(c, MOD(ADD(MUL(a, 16), b), 16), "b");
    gives(c, DIV(ADD(MUL(a, 56), y), 56), "a");
    gives(c, DIV(ADD(MUL(ADD(MUL(a, 6), b), 56), y), 56), "a * 6 + b");
    gives(c, ADD(MUL(DIV(y, 16), 16), MOD(y, 16)), "y");
    gives(c, ADD(MUL(DIV(y, 16), 64), MUL(MOD(y, 16), 4)), "y * 4");
    gives(c, SUB(y, MUL(DIV(y, 16), 16)), "y % 16");
    gives(c, DIV(DIV(y, 4), 8), "y / 32");
    gives(c, DIV(DIV(w->x, 4), 8), "x / 32"); /* x may be anything */
    gives(c, DIV(ADD(DIV(y, 4), I(1)), 3), "(y + 4) / 12");
    gives(c, MOD(MOD(y, 32), 8), "y % 8");
    gives(c, DIV(MOD(y, 32), 4), "y / 4 % 8");
    gives(c, MOD(DIV(y, 4), 8), "y / 4 % 8");
    gives(c, ADD(ADD(MUL(MOD(DIV(y, 4), 3), 4), MOD(y, 4)), MUL(DIV(y, 12), 12)), "y");
    gives(c, DIV(ADD(MUL(a, 4), I(2)), 8), "a / 2");
    gives(c, MOD(ADD(MUL(a, 4), I(2)), 8), "a % 2 * 4 + 2");
    gives(c, DIV(b, 16), "0");
    gives(c, MOD(b, 16), "b");
    gives(c, DIV(SUB(b, I(16)), 16), "-1");
    gives(c, DIV(y, 0), "0");
    gives(c, MOD(y, 0), "0");
    gives(c, DIV(SUB(y, I(1)), 4), "(y + 3) / 4 - 1");
}

/* split, fuse and a packed layout, one after the other, as lowering writes them */
static void schedules(void **state)
{
    WORLD;
    const struct expr *f = ir_var_expr(c, ir_var(c, "f", 56 * 64)), *yy = DIV(f, 64), *o = MOD(f, 64);
    gives(c, ADD(MUL(yy, 64), o), "f");
    /* o = oo*16 + oi under NCHW16c: o/16, o%16 */
    const struct expr *oo = ir_var_expr(c, ir_var(c, "oo", 4)), *oi = b, *oc = ADD(MUL(oo, 16), oi);
    gives(c, DIV(oc, 16), "oo");
    gives(c, MOD(oc, 16), "b");
    gives(c, ADD(MUL(DIV(oc, 16), 56 * 56 * 16), MOD(oc, 16)), "b + oo * 50176");
    /* stride 2 window with padding: 2*y + r - 1 against the low edge */
    const struct expr *r = ir_var_expr(c, ir_var(c, "r", 3));
    gives(c, LE(I(0), SUB(ADD(MUL(y, 2), r), I(1))), "0 < y * 2 + r");
}

static void unsafe_sums_stay(void **state)
{
    WORLD;
    /* an i64 element may be INT64_MAX: x <= e must not become x < e + 1 */
    const struct expr *e = ir_read(c, ir_tensor(c, "D", TENSOR_INPUT, DT_I64, 0, NULL), NULL);
    gives(c, LE(a, e), "a <= D[]");
    gives(c, ADD(SUB(e, a), b), "D[] - a + b");
    gives(c, SUB(ADD(e, a), e), "a");
}

static void comparisons(void **state)
{
    WORLD;
    gives(c, LT(a, I(10)), "bool(1)");
    gives(c, LE(I(10), a), "bool(0)");
    gives(c, LT(ADD(MUL(a, 16), b), I(64)), "a < 4");
    gives(c, LT(ADD(MUL(a, 16), b), I(60)), "a * 16 + b < 60");
    gives(c, LT(ADD(a, y), ADD(b, y)), "a < b");
    gives(c, LE(MUL(a, 4), I(19)), "a < 5");
    gives(c, ir_eq(c, ADD(MUL(a, 4), I(1)), MUL(b, 2)), "bool(0)");
    gives(c, ir_eq(c, MUL(a, 4), I(8)), "a == 2");
    gives(c, NOT(LT(a, I(3))), "2 < a");
    gives(c, AND(LT(a, I(3)), LT(a, I(5))), "a < 3");
    gives(c, OR(LT(a, I(3)), LT(a, I(5))), "a < 5");
    gives(c, AND(LT(a, I(3)), LT(I(4), a)), "bool(0)");
    gives(c, OR(LT(a, I(5)), LT(I(2), a)), "bool(1)");
    gives(c, AND(LT(a, I(3)), LT(I(2), a)), "bool(0)");
    gives(c, AND(LT(a, I(3)), LT(I(1), a)), "1 < a & a < 3"); /* a == 2 */
    gives(c, OR(LT(a, I(3)), LT(I(3), a)), "3 < a | a < 3"); /* not a == 3 */
    gives(c, OR(LT(a, I(4)), LT(I(3), a)), "bool(1)");
    gives(c, AND(LT(a, I(3)), NOT(LT(a, I(3)))), "bool(0)");
    gives(c, LT(DIV(y, 3), I(7)), "y < 21");
    gives(c, LE(DIV(y, 3), I(7)), "y < 24");
    gives(c, LT(I(2), DIV(y, 3)), "8 < y");
    gives(c, LE(I(-3), DIV(SUB(y, I(20)), 3)), "10 < y");
    gives(c, LT(DIV(SUB(y, I(20)), 3), I(-2)), "y < 14");
    gives(c, LT(ADD(MUL(a, 2), DIV(y, 3)), I(5)), "a * 6 + y < 15");
    gives(c, LT(MUL(a, 2), DIV(y, 3)), "a * 6 < y - 2");
    gives(c, LT(ADD(DIV(a, 2), DIV(y, 3)), b), "a + y / 3 * 2 < b * 2");
    assert_true(ir_prove(c, LT(SUB(ADD(a, y), a), I(56)), NULL));
    assert_false(ir_prove(c, LT(SUB(ADD(a, y), a), I(55)), NULL));
    assert_true(ir_refute(c, LT(ADD(a, I(1)), a), NULL));
    struct var_range env = {w->vy, {8, 11}, NULL};
    gives_under(c, DIV(y, 4), &env, "2");
    gives_under(c, LT(y, I(12)), &env, "bool(1)");
}

static void select_and_minmax(void **state)
{
    WORLD;
    gives(c, ir_min(c, y, I(55)), "y");
    gives(c, ir_max(c, SUB(y, I(56)), I(0)), "0");
    gives(c, ir_min(c, ir_min(c, ADD(y, a), I(50)), I(40)), "min(a + y, 40)");
    gives(c, ir_min(c, ADD(a, y), ADD(a, I(60))), "a + y");
    gives(c, ir_select(c, LT(y, I(5)), ir_min(c, y, I(4)), I(7)), "select(y < 5, y, 7)");
    gives(c, ir_select(c, LT(y, I(5)), I(1), ir_max(c, y, I(5))), "select(y < 5, 1, y)");
    gives(c, ir_select(c, LT(y, I(5)), ir_select(c, LT(y, I(7)), a, b), b), "select(y < 5, a, b)");
    gives(c, ir_select(c, LT(y, I(5)), ir_bool(c, 0), ir_bool(c, 1)), "4 < y");
}

static void data_types(void **state)
{
    WORLD;
    struct tensor *t = ir_tensor(c, "T", TENSOR_INPUT, DT_I32, 0, NULL);
    const struct expr *t32 = ir_read(c, t, NULL);
    struct tensor *u = ir_tensor(c, "U", TENSOR_INPUT, DT_U8, 0, NULL);
    const struct expr *u8 = ir_read(c, u, NULL);
    struct tensor *g = ir_tensor(c, "G", TENSOR_INPUT, DT_F32, 0, NULL);
    const struct expr *f = ir_read(c, g, NULL);
    struct type i32 = type_of(DT_I32);
    gives(c, ir_add(c, ir_add(c, t32, ir_int(c, i32, INT32_MAX)), ir_int(c, i32, 1)), "T[] + -2147483648");
    gives(c, ir_lt(c, ir_add(c, t32, ir_int(c, i32, 1)), t32), "T[] + 1 < T[]"); /* may wrap */
    gives(c, ir_cast(c, DT_U8, ir_cast(c, DT_I32, u8)), "U[]");
    gives(c, ir_cast(c, DT_I8, ir_cast(c, DT_I16, t32)), "i8(T[])");
    gives(c, ir_cast(c, DT_I32, ir_cast(c, DT_I16, t32)), "i32(i16(T[]))");
    gives(c, ir_sat(c, DT_U8, ir_max(c, t32, ir_int(c, i32, 0))), "sat_u8(T[])");
    gives(c, ir_sat(c, DT_I16, ir_cast(c, DT_I32, u8)), "i16(U[])");
    gives(c, ir_max(c, ir_cast(c, DT_I32, u8), ir_int(c, i32, 0)), "i32(U[])");
    struct type f32 = type_of(DT_F32);
    gives(c, ir_mul(c, f, ir_flt(c, f32, 1)), "G[]");
    gives(c, ir_add(c, f, ir_flt(c, f32, 0)), "G[] + 0.0");
    gives(c, ir_add(c, f, ir_flt(c, f32, -0.0f)), "G[]");
    gives(c, ir_mul(c, f, ir_flt(c, f32, 0)), "G[] * 0.0");
    gives(c, ir_sub(c, f, f), "G[] - G[]");
    gives(c, ir_bin(c, OP_EQ, f, f), "G[] == G[]");
    gives(c, NOT(ir_lt(c, f, ir_flt(c, f32, 1))), "!(G[] < 1.0)");
}

static void vectors(void **state)
{
    WORLD;
    const struct expr *lane = ir_ramp(c, I(0), I(1), 16), *oo = ir_bcast(c, MUL(a, 16), 16),
                      *v = ADD(oo, lane);
    gives(c, v, "ramp(a * 16, 1, 16)");
    gives(c, DIV(v, 16), "bcast(a, 16)");
    gives(c, MOD(v, 16), "ramp(0, 1, 16)");
    gives(c, MUL(v, 4), "ramp(a * 64, 4, 16)");
    gives(c, LT(v, I(160)), "bcast(bool(1), 16)");
    gives(c, LT(v, I(159)), expr_text(&c->arena, LT(ir_simplify(c, v, NULL), I(159))));
    assert_int_equal(ir_bounds(v, NULL).hi, 159);
}

static void check_bounds(const struct expr *e, int64_t lo, int64_t hi)
{
    struct range r = ir_bounds(e, NULL);
    assert_int_equal(r.lo, lo);
    assert_int_equal(r.hi, hi);
}

static void bounds(void **state)
{
    WORLD;
    check_bounds(ADD(MUL(a, 16), b), 0, 159);
    check_bounds(SUB(b, y), -55, 15);
    check_bounds(DIV(SUB(a, I(5)), 2), -3, 2);
    check_bounds(MOD(SUB(a, I(5)), 4), 0, 3);
    check_bounds(ir_max(c, SUB(a, I(5)), I(0)), 0, 4);
    check_bounds(w->x, INT64_MIN, INT64_MAX);
    check_bounds(ADD(w->x, I(1)), INT64_MIN + 1, INT64_MAX);
    struct tensor *t = ir_tensor(c, "T", TENSOR_INPUT, DT_I8, 0, NULL);
    t->range = (struct range){-127, 127};
    const struct expr *t8 = ir_read(c, t, NULL), *t32 = ir_cast(c, DT_I32, t8);
    check_bounds(t8, -127, 127);
    check_bounds(ir_mul(c, t32, t32), 0, 16129);
    check_bounds(ir_add(c, t8, t8), -128, 127); /* wraps */
    const struct expr *r = ir_var_expr(c, ir_var(c, "r", 9)), *s = ir_var_expr(c, ir_var(c, "s", 64));
    const struct expr *axes[2] = {r, s};
    check_bounds(ir_reduce(c, RED_SUM, ir_mul(c, t32, t32), 2, axes), 0, 16129 * 576);
    check_bounds(ir_reduce(c, RED_SUM, t8, 2, axes), -128, 127);
    check_bounds(ir_reduce(c, RED_MAX, t8, 2, axes), -127, 127);
    struct type f32 = type_of(DT_F32);
    const struct expr *g = ir_read(c, ir_tensor(c, "G", TENSOR_INPUT, DT_F32, 0, NULL), NULL);
    const struct expr *clamped = ir_max(c, ir_min(c, g, ir_flt(c, f32, 6.5f)), ir_flt(c, f32, -1));
    check_bounds(ir_cast(c, DT_I32, clamped), -1, 6); /* a nan goes to 6.5 in the min */
    check_bounds(ir_cast(c, DT_I32, ir_max(c, ir_flt(c, f32, 3), g)), 0,
                 INT32_MAX); /* a nan stays, and gives 0 */
    /* inf * 0 and a nan met by a nan are nan, which max(5, .) lets through and a cast makes 0 */
    const struct expr *h = ir_read(c, ir_tensor(c, "H", TENSOR_INPUT, DT_F32, 0, NULL), NULL);
    const struct expr *five = ir_flt(c, f32, 5), *inf = ir_max(c, g, ir_flt(c, f32, 3));
    check_bounds(ir_cast(c, DT_I32, ir_max(c, five, ir_mul(c, inf, ir_cast(c, DT_F32, t8)))), 0, INT32_MAX);
    check_bounds(ir_cast(c, DT_I32, ir_max(c, five, ir_max(c, g, h))), 0, INT32_MAX);
    check_bounds(ir_cast(c, DT_I32, ir_max(c, five, inf)), 5, INT32_MAX);
    check_bounds(ir_cast(c, DT_BOOL, inf), 1, 1);
    check_bounds(
        ir_sat(c, DT_U8, ir_un(c, OP_RINT, ir_mul(c, ir_cast(c, DT_F32, t32), ir_flt(c, f32, 0.5f)))), 0, 64);
    check_bounds(ir_cast(c, DT_I32, ir_flt(c, f32, NAN)), 0, 0);
    check_bounds(ir_bin(c, OP_SHR, t32, ir_int(c, type_of(DT_I32), 3)), -16, 15);
    check_bounds(ir_bin(c, OP_AND, t32, ir_int(c, type_of(DT_I32), 15)), 0, 15);
}

static void shared_nodes_are_seen_once(void **state)
{
    WORLD;
    const struct expr *e = a, *d = ir_read(c, ir_tensor(c, "T", TENSOR_INPUT, DT_I32, 0, NULL), NULL);
    for (int i = 0; i < 60; i++) e = ADD(ir_min(c, e, I(1000 + i)), e); /* 2^60 paths */
    for (int i = 0; i < 60; i++) d = ir_add(c, ir_mul(c, d, ir_int(c, type_of(DT_I32), i + 2)), d);
    assert_non_null(ir_simplify(c, e, NULL));
    assert_non_null(ir_simplify(c, d, NULL));
    check_bounds(d, INT32_MIN, INT32_MAX);
    int64_t m, r;
    ir_modulus(d, &m, &r);
}

static void modulus(void **state)
{
    WORLD;
    int64_t m, r;
    ir_modulus(ADD(MUL(a, 16), I(4)), &m, &r);
    assert_true(m == 16 && r == 4);
    ir_modulus(ADD(MUL(a, 16), MUL(b, 24)), &m, &r);
    assert_true(m == 8 && r == 0);
    ir_modulus(DIV(ADD(MUL(a, 16), I(4)), 4), &m, &r);
    assert_true(m == 4 && r == 1);
    ir_modulus(MOD(ADD(MUL(a, 16), I(-4)), 8), &m, &r);
    assert_true(m == 0 && r == 4);
    ir_modulus(I(-7), &m, &r);
    assert_true(m == 0 && r == -7);
    ir_modulus(ir_select(c, LT(a, b), MUL(a, 12), ADD(MUL(b, 8), I(4))), &m, &r);
    assert_true(m == 4 && r == 0);
    ir_modulus(ir_mul(c, ir_cast(c, DT_U8, a), ir_int(c, type_of(DT_U8), 48)), &m, &r);
    assert_true(m == 16 && r == 0); /* gcd(48, 256) */
}

static void affine(void **state)
{
    WORLD;
    const struct var *var[2] = {w->va, w->vb};
    const struct expr *base;
    int64_t k[2];
    assert_true(ir_affine(c, ADD(MUL(SUB(ADD(MUL(a, 3), y), b), 4), I(7)), 2, var, k, &base));
    assert_true(k[0] == 12 && k[1] == -4);
    assert_string_equal(expr_text(&c->arena, base), "y * 4 + 7");
    assert_false(ir_affine(c, DIV(a, 3), 2, var, k, &base));
    assert_false(ir_affine(c, ir_mul(c, a, b), 2, var, k, &base));
    assert_true(ir_affine(c, DIV(y, 3), 2, var, k, &base));
    assert_true(k[0] == 0 && k[1] == 0);
}

/* ---- statements ---- */

static const struct stmt *put(struct ir_ctx *c, const struct buffer *b, const struct expr *at)
{
    return ir_store(c, b, 1, &at, ir_int(c, type_of(b->dt), 1), NULL);
}

static void becomes(struct ir_ctx *c, const struct stmt *s, const char *text)
{
    const struct stmt *now = ir_simplify_stmt(c, s, NULL);
    struct str got = str_on(&c->arena);
    print_stmt(&got, now, 0);
    assert_string_equal(str_text(&got), text);
    assert_ptr_equal(ir_simplify_stmt(c, now, NULL), now);
}

static void statements(void **state)
{
    WORLD;
    int64_t n = 4096;
    const struct buffer *out = ir_buffer(c, "O", DT_I32, SCOPE_ARG, 1, &n),
                        *tmp = ir_buffer(c, "L", DT_I32, SCOPE_LOCAL, 1, &n);
    const struct var *one = ir_var(c, "one", 1);
    const struct stmt *s;
    /* a guard that always holds, and a tail: 4 x 16 over 56 */
    const struct var *vo = ir_var(c, "o", 4);
    const struct expr *at = ADD(MUL(ir_var_expr(c, vo), 16), b);
    s = ir_for(c, vo, LOOP_SERIAL, ir_for(c, w->vb, LOOP_SERIAL, ir_if(c, LT(at, I(64)), put(c, out, at))));
    becomes(c, s, "for o in 0..4 {\n  for b in 0..16 {\n    O[o * 16 + b] = 1\n  }\n}\n");
    s = ir_for(c, vo, LOOP_SERIAL, ir_for(c, w->vb, LOOP_SERIAL, ir_if(c, LT(at, I(56)), put(c, out, at))));
    becomes(c, s,
            "for o in 0..4 {\n  for b in 0..16 {\n    if (o * 16 + b < 56) {\n      O[o * 16 + b] = 1\n    "
            "}\n  }\n}\n");
    /* loops of one turn go, of every kind */
    s = ir_for(c, one, LOOP_BLOCK_X,
               ir_for(c, w->va, LOOP_PARALLEL, put(c, out, ADD(a, ir_var_expr(c, one)))));
    becomes(c, s, "parallel a in 0..10 {\n  O[a] = 1\n}\n");
    /* conjunctions split, hoist and trim */
    s = ir_for(c, w->vy, LOOP_SERIAL,
               ir_for(c, w->va, LOOP_SERIAL,
                      ir_if(c, AND(LT(y, I(50)), LT(MUL(a, 2), I(7))), put(c, out, ADD(MUL(y, 10), a)))));
    const struct stmt *now = ir_simplify_stmt(c, s, NULL);
    becomes(c, s, "for y in 0..50 {\n  for a in 0..4 {\n    O[y * 10 + a] = 1\n  }\n}\n");
    assert_int_equal(now->uid, s->uid);
    assert_int_equal(now->u.loop.body->uid, s->u.loop.body->uid);
    /* launch sizes and lanes stay; the guard too */
    s = ir_for(c, w->va, LOOP_THREAD_X, ir_if(c, LT(a, I(7)), put(c, out, a)));
    becomes(c, s, "threadIdx.x a in 0..10 {\n  if (a < 7) {\n    O[a] = 1\n  }\n}\n");
    s = ir_for(c, w->va, LOOP_VECTORIZED, ir_if(c, LT(a, I(7)), put(c, out, a)));
    becomes(c, s, "vectorized a in 0..10 {\n  if (a < 7) {\n    O[a] = 1\n  }\n}\n");
    /* one turn left */
    s = ir_for(c, w->va, LOOP_SERIAL, ir_if(c, ir_eq(c, a, I(3)), put(c, out, a)));
    becomes(c, s, "O[3] = 1\n");
    /* facts from around: y < 5 makes min(y, 4) y; what contradicts them never runs */
    s = ir_if(c, LT(y, I(5)), ir_if(c, LT(I(6), y), put(c, out, y)));
    becomes(c, ir_for(c, w->vy, LOOP_SERIAL, s), "");
    s = ir_if(c, LT(y, a), ir_if(c, LT(y, ADD(a, I(1))), put(c, out, y)));
    becomes(c, ir_for(c, w->vy, LOOP_SERIAL, ir_for(c, w->va, LOOP_SERIAL, s)),
            "for y in 0..56 {\n  for a in 0..10 {\n    if (y < a) {\n      O[y] = 1\n    }\n  }\n}\n");
    /* a condition that loads stays where it was */
    const struct expr *zero = I(0),
                      *cond = ir_lt(c, ir_load(c, out, 1, &zero), ir_int(c, type_of(DT_I32), 3));
    s = ir_for(c, w->va, LOOP_SERIAL, ir_if(c, cond, put(c, out, a)));
    becomes(c, s, "for a in 0..10 {\n  if (O[0] < 3) {\n    O[a] = 1\n  }\n}\n");
    /* a buffer never used; guards move around the buffer of their statement */
    becomes(c, ir_alloc(c, tmp, put(c, out, I(0))), "O[0] = 1\n");
    s = ir_for(c, w->va, LOOP_SERIAL, ir_alloc(c, tmp, ir_if(c, LT(a, I(7)), put(c, tmp, a))));
    becomes(c, s, "for a in 0..7 {\n  alloc local L[4096] : i32 {\n    L[a] = 1\n  }\n}\n");
    /* sync keeps its place */
    const struct stmt *seq[3] = {ir_if(c, LT(y, I(5)), put(c, out, y)), ir_sync(c),
                                 ir_if(c, LT(y, I(5)), put(c, out, y))};
    s = ir_for(c, w->vy, LOOP_SERIAL, ir_seq(c, 3, seq));
    assert_ptr_equal(ir_simplify_stmt(c, s, NULL), s);
}

/* Stores may change what a condition loaded: it says nothing about the same load later. */
static void loads_are_no_facts(void **state)
{
    WORLD;
    int64_t n = 16;
    const struct buffer *out = ir_buffer(c, "O", DT_I64, SCOPE_ARG, 1, &n);
    const struct expr *zero = I(0), *load = ir_load(c, out, 1, &zero), *cond = LT(load, I(3));
    const struct stmt *seq[2] = {ir_store(c, out, 1, &zero, I(9), NULL), ir_if(c, cond, put(c, out, I(1)))};
    const struct stmt *s = ir_if(c, cond, ir_seq(c, 2, seq));
    assert_ptr_equal(ir_simplify_stmt(c, s, NULL), s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(sums),        T(div_and_mod),
        T(schedules),   T(unsafe_sums_stay),
        T(comparisons), T(select_and_minmax),
        T(data_types),  T(vectors),
        T(bounds),      T(shared_nodes_are_seen_once),
        T(modulus),     T(affine),
        T(statements),  T(loads_are_no_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
