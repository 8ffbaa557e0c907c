/* SPDX-License-Identifier: Apache-2.0 */
/* Typed calls of the primitives that rewrite a sum: each records what its text would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "runtime/qjit.h"

static const char conv[] = "input A[n:1, h:10, w:10, c:16] : u8 in 0..127; weight W[o:16, r:3, s:3, c:16] : i8\n"
                           "Acc[n, y, x, o] : i32 = sum(r, s, c) i32(A[n, y + r, x + s, c]) * i32(W[o, r, s, c])";
static const char dense[] = "input A[m:4, k:64] : u8 in 0..127; weight W[n:16, k:64] : i8\n"
                            "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
static const qj_dtype i16 = QJ_I16, i8 = QJ_I8, none = (qj_dtype)99;

static bool merge(qj_ctx *q) { return qj_merge(q, "Acc", "s", "c", "sc"); }
static bool reindex(qj_ctx *q) { return qj_reindex(q, "A", "Acc", &i16, "X"); }
static bool offset(qj_ctx *q) { return qj_offset(q, "A", "Acc", -128, &i8, (const char *[]){"X", "R", "S"}); }
static bool slide(qj_ctx *q) { return qj_slide(q, "Acc", "s", "x", 2, "V"); }
static bool cap(qj_ctx *q) { return qj_cap(q, "Acc", "k", 2, "n", 8, 25, (const char *[]){"F", "R"}); }
static bool winograd(qj_ctx *q) { return qj_winograd(q, "Acc", "y", "x", 4, 2, (const char *[]){"U", "V", "M"}); }
static bool winograd2(qj_ctx *q) { return qj_winograd(q, "Acc", "y", "x", 2, 0, NULL); }

static void test_steps(void **state)
{
    (void)state;
    static const struct { const char *program, *text; bool (*typed)(qj_ctx *); } step[] = {
        {conv, "merge Acc.s c -> sc", merge},
        {conv, "reindex A Acc as=i16 -> X", reindex},
        {dense, "offset A Acc -128 as=i8 -> X R S", offset},
        {conv, "slide Acc.s x 2 -> V", slide},
        {dense, "cap Acc.k 2 n 8 most=25 -> F R", cap},
        {conv, "winograd Acc.y x tile=4 parts=2 -> U V M", winograd},
        {conv, "winograd Acc.y x tile=2", winograd2},
    };
    for (size_t i = 0; i < sizeof step / sizeof *step; i++) {
        qj_ctx *a = qj_ctx_new(NULL), *b = qj_ctx_new(NULL);
        qj_define(a, step[i].program);
        qj_define(b, step[i].program);
        if (!qj_step(a, step[i].text)) fail_msg("%s", qj_last_error(a)->text);
        if (!step[i].typed(b)) fail_msg("%s", qj_last_error(b)->text);
        char *x = qj_steps_text(a), *y = qj_steps_text(b), *u = qj_show(a), *v = qj_show(b);
        assert_string_equal(x, y);
        assert_string_equal(u, v);
        qj_free(x), qj_free(y), qj_free(u), qj_free(v);
        qj_ctx_free(a);
        qj_ctx_free(b);
    }
}

static void test_bad_arguments(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, dense);
    bool took[] = {
        qj_merge(q, "Acc", "k", NULL, NULL), (qj_clear_error(q), qj_reindex(q, "A", "Acc", &none, NULL)),
        (qj_clear_error(q), qj_offset(q, "A", "Acc", 1, NULL, (const char *[]){"X", NULL, "S"})),
        (qj_clear_error(q), qj_slide(q, "Acc", "k", "m m", 2, NULL)),
        (qj_clear_error(q), qj_cap(q, NULL, "k", 2, "n", 8, 0, NULL)),
        (qj_clear_error(q), qj_winograd(q, "Acc", "m", "n", 3, 0, NULL)),
    };
    for (size_t i = 0; i < sizeof took; i++) assert_false(took[i]);
    assert_string_equal(qj_last_error(q)->code, "step-args");
    assert_int_equal(qj_nsteps(q), 0);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_bad_arguments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
