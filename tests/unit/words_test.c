/* SPDX-License-Identifier: Apache-2.0 */
/* Layers in words: qj_layer gives the program that the same words give on the command line, refuses what it cannot
 * mean, changes nothing then, and its kernels are exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qjit.h"

static void test_exact(void **state)
{
    (void)state;
    static const char *const layer[][2] = {
        {"conv2d", "h=9 w=7 c=8 o=16 k=3 pad=1 xzero=5 zero=3 out=NCHW8c"},
        {"depthwise", "h=9 w=7 c=16 k=3 stride=2 pad=1 round=tflite_double"},
        {"dense", "m=5 n=24 k=40 wzero=3 weight=u8 bias=none"},
        {"batched", " batch=2\tm=5  n=8 k=24 to=i32\n"},
    };
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
        qj_ctx *q = qj_ctx_new(NULL);
        qj_layer(q, layer[i][0], layer[i][1]);
        qj_template(q, "");
        qj_kernel *k = qj_build(q);
        qj_check_report r = {.size = sizeof r};
        if (!qj_check(q, k, &r)) fail_msg("%s %s: %s", layer[i][0], layer[i][1], qj_last_error(q)->text);
        assert_true(r.compared > 0);
        qj_kernel_free(k);
        qj_ctx_free(q);
    }
}

/* The same words on the command line. */
static void test_same_program(void **state)
{
    (void)state;
    const char *program = getenv("QJIT");
    if (!program || !*program) skip();
    static const char words[] = "h=9 w=7 c=8 o=16 k=3 pad=1 wzero=3 weight=u8 out=NCHW8c";
    char command[1024], text[4096] = "";
    snprintf(command, sizeof command, "'%s' layer conv2d %s --target x86-64-v3", program, words);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    assert_int_equal(pclose(f), 0);
    char *end = strstr(text, "transform_layout"), *steps_end = end ? strchr(end, '\n') : NULL;
    assert_non_null(steps_end);
    char steps[200];
    snprintf(steps, sizeof steps, "%.*s", (int)(steps_end + 1 - end), end);
    *end = 0;
    qj_ctx *a = qj_ctx_new(NULL), *b = qj_ctx_new(NULL);
    qj_target(a, "x86-64-v3");
    qj_layer(a, "conv2d", words);
    qj_target(b, "x86-64-v3");
    if (!qj_define(b, text) || !qj_step(b, steps)) fail_msg("%s", qj_last_error(b)->text);
    char *x = qj_program_text(a), *y = qj_program_text(b), *u = qj_steps_text(a), *v = qj_steps_text(b);
    assert_string_equal(x, y);
    assert_string_equal(u, v);
    assert_true(strlen(x) > 100 && strlen(u) > 10);
    qj_free(x), qj_free(y), qj_free(u), qj_free(v);
    qj_ctx_free(a);
    qj_ctx_free(b);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *kind, *words, *message; } bad[] = {
        {"dense", "m=1 n=2 k=3 m=1", "m= is given twice"},
        {"conv2d", "h=9 w=9 c=4 o=4 kh=5 k=3", "k= would undo the kh= before it: give k= first"},
        {"conv2d", "h=9 w=9 c=4 o=4 depth=2", "conv2d takes no depth="},
        {"conv2d", "h=9 w=9 c=4 o=4 pad", "`pad` is no KEY=VALUE"},
        {"conv2d", "h=9 w=9 c=4 o=4 pad=", "pad= is not understood"},
        {"conv2d", "h=9 w=9 c=3 o=4 groups=2", "groups divide"},
        {"conv2d", "h=99999999999", "h=99999999999 is not understood"},
        {"pool", "h=9", "`pool`"},
        {NULL, "h=9", "missing"},
        {"dense", NULL, "missing"},
    };
    qj_ctx *q = qj_ctx_new(NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(qj_layer(q, bad[i].kind, bad[i].words));
        assert_string_equal(qj_last_error(q)->code, "usage");
        if (!strstr(qj_last_error(q)->message, bad[i].message)) fail_msg("%s", qj_last_error(q)->text);
        qj_clear_error(q);
        char *text = qj_program_text(q);
        assert_string_equal(text, "");
        qj_free(text);
    }
    assert_true(qj_layer(q, "conv2d", "k=3 kh=5 h=9 w=9 c=4 o=4")); /* the narrower after the wider */
    assert_false(qj_layer(q, "dense", "m=1 n=2 k=3"));              /* A is taken */
    assert_string_equal(qj_last_error(q)->code, "redefined");
    qj_ctx_free(q);
    assert_false(qj_layer(NULL, "dense", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact), cmocka_unit_test(test_same_program), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
