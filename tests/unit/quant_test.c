/* SPDX-License-Identifier: Apache-2.0 */
/* quant: known answers, written out by hand, and the shape of the expressions built. tests/prop/quant.c
 * has the random half. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/quant.h"
#include "ir/simplify.h"

static struct ir_ctx c;
static int setup(void **s) { return ir_ctx_init(&c, 0), 0; }
static int teardown(void **s) { return ir_ctx_release(&c), 0; }

static void half_even(void **s)
{
    assert_int_equal(quant_half_even(5, 0.5f, 0, -128, 127), 2);         /* 2.5 */
    assert_int_equal(quant_half_even(7, 0.5f, 0, -128, 127), 4);         /* 3.5 */
    assert_int_equal(quant_half_even(-5, 0.5f, 0, -128, 127), -2);
    assert_int_equal(quant_half_even(-7, 0.5f, 3, -128, 127), -1);       /* ties before zero is added */
    assert_int_equal(quant_half_even(1000, 1, 0, -128, 127), 127);
    assert_int_equal(quant_half_even(-1000, 1, 128, 0, 255), 0);
    assert_int_equal(quant_half_even(300, 1, -128, -128, 127), 127);
    assert_int_equal(quant_half_even(16777217, 1, 0, INT32_MIN, INT32_MAX), 16777216);    /* f32(acc) rounds */
    assert_int_equal(quant_half_even(INT32_MAX, 1, 0, INT32_MIN, INT32_MAX), INT32_MAX);  /* ... up to 2^31 */
    assert_int_equal(quant_half_even(INT32_MAX, 1, -1, INT32_MIN, INT32_MAX), INT32_MAX); /* sum is exact: 2^31 - 1 */
    assert_int_equal(quant_half_even(INT32_MIN, INFINITY, INT32_MAX, -5, 5), -5);
    assert_int_equal(quant_half_even(3, INFINITY, INT32_MIN, -5, 5), 5);
    assert_int_equal(quant_half_even(0, INFINITY, 0, -5, 5), -5);        /* nan */
    assert_int_equal(quant_half_even(1, NAN, 100, -5, 5), -5);
    assert_int_equal(quant_half_even(INT32_MAX, 1e-45f, 7, -5, 50), 7);
}

static void tflite(void **s)
{
    enum { HALF = 1 << 30 };    /* 0.5 */
    assert_int_equal(quant_tflite_double(5, HALF, 0, 0, -128, 127), 3);      /* 2.5: half up */
    assert_int_equal(quant_tflite_double(-5, HALF, 0, 0, -128, 127), -2);    /* -2.5: half up in the high mul */
    assert_int_equal(quant_tflite_double(-10, HALF, -1, 0, -128, 127), -3);  /* -5 / 2: half away */
    assert_int_equal(quant_tflite_single(-10, HALF, -1, 0, -128, 127), -2);  /* -2.5: half up */
    assert_int_equal(quant_tflite_double(11, HALF, -1, 0, -128, 127), 3);    /* 5.5 -> 6 -> 3 */
    assert_int_equal(quant_tflite_double(9, HALF, -1, 0, -128, 127), 3);     /* 4.5 -> 5 -> 2.5 -> 3: rounded twice */
    assert_int_equal(quant_tflite_single(9, HALF, -1, 0, -128, 127), 2);     /* 2.25 */
    assert_int_equal(quant_tflite_double(1 << 20, INT32_MAX, 30, 0, INT32_MIN, INT32_MAX), INT32_MAX - 1);
    assert_int_equal(quant_tflite_single(1 << 20, INT32_MAX, 30, 0, INT32_MIN, INT32_MAX), INT32_MAX);
    assert_int_equal(quant_tflite_double(INT32_MIN, INT32_MAX, 0, INT32_MIN, INT32_MIN, INT32_MAX), INT32_MIN);
    assert_int_equal(quant_tflite_single(INT32_MIN, INT32_MAX, -31, 9, -128, 127), 8);    /* -0.99.. */
    assert_int_equal(quant_tflite_double(77, HALF, -99, 9, -128, 127), 9);   /* taken as -31 */
    assert_int_equal(quant_tflite_single(1, HALF, 99, 0, INT32_MIN, INT32_MAX), 1 << 29);    /* taken as 30 */
}

static void shift(void **s)
{
    assert_int_equal(quant_shift(5, 1, 0, -128, 127), 3);
    assert_int_equal(quant_shift(-5, 1, 0, -128, 127), -2);
    assert_int_equal(quant_shift(INT32_MAX, 1, 0, INT32_MIN, INT32_MAX), 1 << 30);
    assert_int_equal(quant_shift(INT32_MAX, 31, 0, -128, 127), 1);
    assert_int_equal(quant_shift(INT32_MIN, 31, 0, -128, 127), -1);
    assert_int_equal(quant_shift(-7, 0, INT32_MIN, INT32_MIN, 0), INT32_MIN);
}

static void multiplier(void **s)
{
    int32_t m;
    int sh;
    assert_true(quant_multiplier(0.5, &m, &sh) && m == 1 << 30 && sh == 0);
    assert_true(quant_multiplier(1.0, &m, &sh) && m == 1 << 30 && sh == 1);
    assert_true(quant_multiplier(1 - 0x1p-40, &m, &sh) && m == 1 << 30 && sh == 1);    /* rounds up to 2^31 */
    assert_true(quant_multiplier(0x1.8p-32, &m, &sh) && m == 3 << 29 && sh == -31);
    assert_true(quant_multiplier(0x1p-40, &m, &sh) && m == 0 && sh == 0);
    assert_true(quant_multiplier(0, &m, &sh) && m == 0 && sh == 0);
    assert_true(quant_multiplier(0x1p29, &m, &sh) && sh == 30);
    assert_false(quant_multiplier(0x1p30, &m, &sh));
    assert_false(quant_multiplier(-0.5, &m, &sh));
    assert_false(quant_multiplier(NAN, &m, &sh));
    assert_false(quant_multiplier(INFINITY, &m, &sh));
}

static bool has_op(const struct expr *e, enum op op, enum dtype dt)
{
    if (e->op == op && e->type.dt == dt) return true;
    for_kids(e, i) if (has_op(e->kid[i], op, dt)) return true;
    return false;
}

static int count_nodes(const struct expr *e)
{
    int n = 1;
    for_kids(e, i) n += count_nodes(e->kid[i]);
    return n;
}

/* With constants nothing is wider than it need be. */
static void narrow(void **s)
{
    struct tensor *acc = ir_tensor(&c, "Acc", TENSOR_INPUT, DT_I32, 0, NULL);
    const struct expr *a = ir_read(&c, acc, NULL), *scale = ir_flt(&c, type_of(DT_F32), 0.01f);
    const struct expr *three = ir_int(&c, type_of(DT_I32), 3), *zero = ir_int(&c, type_of(DT_I32), 0);
    const struct expr *e = quant_expr_half_even(&c, a, scale, three, DT_U8, 0, 255);
    assert_int_equal(e->op, OP_CAST);
    assert_false(has_op(e, OP_CAST, DT_I64));
    struct range r = ir_bounds(e->kid[0], NULL);
    assert_int_equal(r.lo, 0);
    assert_int_equal(r.hi, 255);
    assert_true(has_op(quant_expr_half_even(&c, a, scale, a, DT_U8, 0, 255), OP_CAST, DT_I64));    /* zero unknown */

    /* acc + 8 cannot wrap: one add, one shift, two clamps, one cast. */
    acc->range = (struct range){-100000, 100000};
    e = quant_expr_shift(&c, a, ir_int(&c, type_of(DT_I32), 4), zero, DT_I8, -128, 127);
    assert_int_equal(count_nodes(e), 1 + 2 + 2 + 2 + 2 + 1);
    assert_false(has_op(e, OP_CAST, DT_I64));

    e = quant_expr_tflite(&c, ROUND_TFLITE_SINGLE, a, ir_int(&c, type_of(DT_I32), 1 << 30), ir_int(&c, type_of(DT_I32), -5),
                          three, DT_I8, -128, 127);
    assert_false(has_op(e, OP_MAX, DT_I64));    /* the clamp is on i32 */
    assert_true(has_op(e, OP_MUL, DT_I64));
}

static void lanes_and_null(void **s)
{
    struct buffer *b = ir_buffer(&c, "Acc", DT_I32, SCOPE_ARG, 1, (int64_t[]){64});
    const struct expr *i = ir_ramp(&c, ir_idx(&c, 0), ir_idx(&c, 1), 16);
    const struct expr *acc = ir_load(&c, b, 1, &i), *scale = ir_flt(&c, type_of(DT_F32), 0.5f);
    const struct expr *k = ir_int(&c, type_of(DT_I32), 3);
    assert_int_equal(quant_expr_half_even(&c, acc, scale, k, DT_I8, -128, 127)->type.lanes, 16);
    assert_int_equal(quant_expr_shift(&c, acc, k, k, DT_I8, -128, 127)->type.lanes, 16);
    assert_int_equal(quant_expr_tflite(&c, ROUND_TFLITE_DOUBLE, acc, k, k, k, DT_I8, -128, 127)->type.lanes, 16);
    assert_null(quant_expr_half_even(&c, NULL, scale, k, DT_I8, -128, 127));
    assert_null(quant_expr_shift(&c, acc, NULL, k, DT_I8, -128, 127));
    assert_null(quant_expr_tflite(&c, ROUND_TFLITE_SINGLE, acc, k, k, NULL, DT_I8, -128, 127));
    /* Bounds outside the type are the type's. */
    const struct expr *big = ir_int(&c, type_of(DT_I32), 100000);
    assert_int_equal(quant_expr_shift(&c, big, ir_int(&c, type_of(DT_I32), 0), k, DT_U8, -1000, 1000)->val.i, 255);
}

static const struct expr *scalar(const char *name, enum dtype dt)
{
    enum tensor_kind kind = strcmp(name, "acc") ? TENSOR_WEIGHT : TENSOR_COMPUTE;
    return ir_read(&c, ir_tensor(&c, name, kind, dt, 0, NULL), NULL);
}

/* Every form that is built is found again, with its operands; and nothing is found where there is none. */
static void found_again(void **s)
{
    const struct type i32 = type_of(DT_I32), f32 = type_of(DT_F32);
    const struct expr *acc = scalar("acc", DT_I32), *wide = ir_add(&c, acc, scalar("bias", DT_I32));
    const struct expr *scale[] = {scalar("scale", DT_F32), ir_flt(&c, f32, 0.25)};
    const struct expr *mult[] = {scalar("mult", DT_I32), ir_int(&c, i32, 1 << 30)};
    const struct expr *shift[] = {scalar("shift", DT_I32), ir_int(&c, i32, -3), ir_int(&c, i32, 0), ir_int(&c, i32, 4)};
    static const enum dtype types[] = {DT_I8, DT_U8, DT_I16, DT_I32};
    static const int32_t zeros[] = {0, 3, -128, 255, 100000};
    int n = 0;
    for (int v = 0; v < 2 * 4 * 5 * 3 * 4 * 4 * 2; v++) {
        int i = v;
        struct quant_form f = {.acc = i % 2 ? wide : acc}, out;
        enum dtype to = types[(i /= 2) % 4];
        f.zero = zeros[(i /= 4) % 5];
        struct range all = dtype_range(to), bound[] = {all, {0, 6}, {-5, all.hi}};
        struct range r = bound[(i /= 5) % 3];
        f.lo = i64_max(r.lo, all.lo);
        f.hi = r.hi;
        f.round = (enum round_mode)((i /= 3) % 4);
        const struct expr *by = shift[(i /= 4) % 4], *z = ir_int(&c, i32, f.zero), *e;
        int which = (i / 4) % 2;
        if (f.round == ROUND_SHIFT && by->op == OP_INT && by->val.i <= 0) continue; /* no rounding, then */
        if (f.round == ROUND_TFLITE_SINGLE && by->op == OP_INT && by->val.i == 0) continue; /* the double rounding's bits */
        if (f.round == ROUND_HALF_EVEN) f.scale = scale[which];
        else f.shift = by;
        if (f.round == ROUND_TFLITE_DOUBLE || f.round == ROUND_TFLITE_SINGLE) f.mult = mult[which];
        e = f.round == ROUND_HALF_EVEN ? quant_expr_half_even(&c, f.acc, f.scale, z, to, (int32_t)f.lo, (int32_t)f.hi)
            : f.round == ROUND_SHIFT   ? quant_expr_shift(&c, f.acc, f.shift, z, to, (int32_t)f.lo, (int32_t)f.hi)
                                       : quant_expr_tflite(&c, f.round, f.acc, f.mult, f.shift, z, to, (int32_t)f.lo, (int32_t)f.hi);
        if (!quant_find(&c, e, &out)) fail_msg("case %d is not found", v);
        if (out.round != f.round || out.zero != f.zero || out.lo != f.lo || out.hi != f.hi || out.acc != f.acc ||
            out.scale != f.scale || out.mult != f.mult || out.shift != f.shift)
            fail_msg("case %d: another form: %s zero %d in %d..%d found %s zero %d in %d..%d", v, round_name[f.round], (int)f.zero,
                     (int)f.lo, (int)f.hi, round_name[out.round], (int)out.zero, (int)out.lo, (int)out.hi);
        n++;
    }
    assert_true(n > 500);
    struct quant_form out;
    assert_false(quant_find(&c, ir_add(&c, acc, ir_int(&c, i32, 1)), &out));
    assert_false(quant_find(&c, ir_mul(&c, acc, acc), &out));
    assert_false(quant_find(&c, ir_cast(&c, DT_U8, ir_min(&c, ir_max(&c, acc, ir_int(&c, i32, 0)), ir_int(&c, i32, 255))), &out));
    assert_false(quant_find(&c, ir_un(&c, OP_RINT, ir_mul(&c, ir_cast(&c, DT_F32, acc), scale[0])), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_even),
        cmocka_unit_test(tflite),
        cmocka_unit_test(shift),
        cmocka_unit_test(multiplier),
        cmocka_unit_test_setup_teardown(narrow, setup, teardown),
        cmocka_unit_test_setup_teardown(lanes_and_null, setup, teardown),
        cmocka_unit_test_setup_teardown(found_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
