/* SPDX-License-Identifier: Apache-2.0 */
/* Declared ranges: what a call may check of them. */
#include "runtime/qjit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What instructions were chosen by is looked at when asked for, through layouts too. */
static void test_through_layouts(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[m:4, k:6] : u8 in 0..127; weight W[n:3, k:6] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_step(q, "transform_layout A MK4k axes=MK");
    qj_kernel *k = qj_build(q);
    assert_null(qj_last_error(q));
    char why[200] = "";
    qj_call o = {.size = sizeof o, .why = why, .why_size = sizeof why, .check_ranges = true};
    qj_tensor *a = qj_tensor_new(QJ_U8, 2, (int64_t[]){4, 6}), *w = qj_tensor_new(QJ_I8, 2, (int64_t[]){3, 6});
    qj_tensor *out = qj_tensor_new(QJ_I32, 2, (int64_t[]){4, 3});
    for (int i = 0; i < 24; i++) ((uint8_t *)a->data)[i] = 127;
    for (int bad = 0; bad < 2; bad++) {
        if (bad) ((uint8_t *)a->data)[17] = 128;
        qj_tensor *lain = qj_to_layout(k, 0, a);
        memset((uint8_t *)lain->data + 6, 200, 2); /* padding of the layout: nobody's value */
        qj_tensor *args[] = {lain, w, out};
        assert_int_equal(qj_kernel_call(k, args, 3, &o), !bad);
        qj_tensor_free(lain);
    }
    assert_string_equal(why, "element 17 of A is 128, outside the declared 0..127");
    qj_tensor_free(a);
    qj_tensor_free(w);
    qj_tensor_free(out);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_through_layouts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
