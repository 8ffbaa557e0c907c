/* SPDX-License-Identifier: Apache-2.0 */
/* embed_test.c - weights whose values are part of the program: results, ranges, what is left of the C functions, text
 * that carries them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/qjit.h"

static const char layer[] =
    "input A[m:5, k:64] : u8; weight W[n:24, k:64] : i8; bias B[n:24] : i32; scale S[n:24] : f32\n"
    "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n"
    "Out[m, n] : u8 = requantize(Acc[m, n] + B[n], scale: S[n], zero: 3, round: half_even)";
enum { M = 5, K = 64, N = 24, ARGS = 4 };

static void ok(const qj_ctx *q)
{
    const qj_error *e = qj_last_error(q);
    if (e) fail_msg("%s", e->text);
}

static void fails(qj_ctx *q, const char *code, const char *part)
{
    const qj_error *e = qj_last_error(q);
    assert_non_null(e);
    if (strcmp(e->code, code) || !strstr(e->message, part)) fail_msg("not %s, %s: %s", code, part, e->text);
    qj_clear_error(q);
}

static qj_ctx *layer_ctx(const char *target)
{
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, layer);
    qj_target(q, target);
    ok(q);
    return q;
}

/* The layer's tensors in order, with weights within -most..most. */
static void new_args(qj_tensor **t, uint64_t seed, int64_t most)
{
    t[0] = qj_tensor_new(QJ_U8, 2, (int64_t[]){M, K});
    t[1] = qj_tensor_new(QJ_I8, 2, (int64_t[]){N, K});
    t[2] = qj_tensor_new(QJ_I32, 1, (int64_t[]){N});
    t[3] = qj_tensor_new(QJ_F32, 1, (int64_t[]){N});
    qj_tensor_fill(t[0], seed, 0, 255);
    qj_tensor_fill(t[1], seed + 1, -most, most - 1);
    qj_tensor_fill(t[2], seed + 2, -100000, 100000);
    for (int i = 0; i < N; i++) ((float *)t[3]->data)[i] = 0.0005f + 0.0001f * (float)i;
}

static void free_args(qj_tensor **t)
{
    for (int i = 0; i < ARGS; i++) qj_tensor_free(t[i]);
}

/* Calls k with those of t that it still takes. */
static void call(const qj_kernel *k, qj_tensor *const *t, uint8_t *out)
{
    static const char *const name[] = {"A", "W", "B", "S"};
    qj_tensor *args[ARGS + 1], *result = qj_tensor_from_data(QJ_U8, 2, (int64_t[]){M, N}, out);
    int n = qj_kernel_nargs(k);
    for (int i = 0; i < n; i++) {
        qj_arg a;
        assert_true(qj_kernel_arg(k, i, &a));
        args[i] = result;
        for (int x = 0; x < ARGS; x++)
            if (!strcmp(a.name, name[x])) args[i] = t[x];
    }
    char why[200] = "";
    if (!qj_kernel_call(k, args, n, &(qj_call){.size = sizeof(qj_call), .why = why, .why_size = sizeof why})) fail_msg("%s", why);
    qj_tensor_free(result);
}

/* Every set of embedded tensors gives the bits of none, on every target that runs here, packed by a template and not. */
static void test_same_bits(void **state)
{
    static const char *const targets[] = {"generic", "x86-64-v3", "native"}, *const name[] = {"A", "W", "B", "S"};
    qj_tensor *t[ARGS];
    new_args(t, 7, 128);
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        for (int packs = 0; packs < 2; packs++)
            for (int set = 0; set < 8; set++) {
                uint8_t want[M * N], got[M * N];
                qj_ctx *q = layer_ctx(targets[i]);
                if (packs) qj_template(q, "");
                qj_kernel *plain = qj_build(q), *k;
                if (!plain && !strcmp(qj_last_error(q)->code, "cannot-run-here")) {
                    qj_ctx_free(q);
                    continue;
                }
                ok(q);
                call(plain, t, want);
                for (int x = 1; x < ARGS; x++)
                    if (set >> (x - 1) & 1) qj_embed(q, name[x], t[x]);
                k = qj_build(q);
                ok(q);
                assert_int_equal(qj_kernel_nargs(k), ARGS + 1 - __builtin_popcount((unsigned)set));
                memset(got, 0x55, sizeof got);
                call(k, t, got);
                assert_memory_equal(got, want, sizeof got);
                assert_true(qj_check(q, k, NULL));
                assert_true(qj_time(q, k, NULL, 0, 1, &(qj_timing){.size = sizeof(qj_timing)}));
                ok(q);
                qj_kernel_free(plain);
                qj_kernel_free(k);
                qj_ctx_free(q);
            }
    free_args(t);
}

/* All weights embedded: inputs and outputs are what is left of the C interface. */
static void test_interface(void **state)
{
    qj_tensor *t[ARGS];
    new_args(t, 9, 128);
    qj_ctx *q = layer_ctx("x86-64-v3");
    qj_name(q, "lay");
    qj_template(q, "");
    qj_embed(q, "W", t[1]);
    qj_artifact *some = qj_compile(q, QJ_OBJ);
    qj_embed(q, "B", t[2]);
    qj_embed(q, "S", t[3]);
    qj_artifact *all = qj_compile(q, QJ_OBJ);
    ok(q);
    char *h = qj_artifact_header(all), *json = qj_artifact_json(all);
    assert_non_null(strstr(h, "int lay(const uint8_t *A_, uint8_t *Out_"));
    assert_null(strstr(h, "lay_pack"));
    assert_non_null(strstr(json, "\"embedded\""));
    assert_null(strstr(json, "\"pack\""));
    assert_true(qj_artifact_nargs(all) == 2 && qj_artifact_nargs(some) == 4);
    qj_free(h);
    qj_free(json);
    qj_artifact_free(some);
    qj_artifact_free(all);
    qj_ctx_free(q);
    free_args(t);
}

/* The program's text has the values; so a context made from it gives the same bytes. */
static void test_text(void **state)
{
    qj_tensor *t[ARGS];
    new_args(t, 11, 128);
    qj_ctx *q = layer_ctx("x86-64-v3"), *again = qj_ctx_new(NULL);
    for (int i = 0; i < N; i++) ((float *)t[3]->data)[i] *= i % 5 ? 1.0f : -0.0f; /* bits, not numbers */
    qj_embed(q, "W", t[1]);
    qj_embed(q, "S", t[3]);
    qj_template(q, "");
    char *program = qj_program_text(q), *steps = qj_steps_text(q);
    ok(q);
    qj_define(again, program);
    qj_target(again, "x86-64-v3");
    qj_step(again, steps);
    qj_artifact *a = qj_compile(q, QJ_OBJ), *b = qj_compile(again, QJ_OBJ);
    ok(q);
    ok(again);
    size_t na, nb;
    const void *pa = qj_artifact_bytes(a, &na), *pb = qj_artifact_bytes(b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(pa, pb, na);
    qj_artifact_free(a);
    qj_artifact_free(b);
    qj_free(program);
    qj_free(steps);
    qj_ctx_free(q);
    qj_ctx_free(again);
    free_args(t);
}

/* Measured values prove a saturating instruction that i8 alone does not. */
static void test_range_proves(void **state)
{
    qj_tensor *t[ARGS];
    new_args(t, 13, 40);
    qj_ctx *q = layer_ctx("x86-64-v3");
    qj_template(q, "");
    char *before = qj_steps_text(q);
    assert_null(strstr(before, "maddubs"));
    qj_ctx_free(q);
    q = layer_ctx("x86-64-v3");
    qj_embed(q, "W", t[1]);
    qj_template(q, "");
    char *after = qj_steps_text(q);
    ok(q);
    assert_non_null(strstr(after, "maddubs"));
    qj_kernel *k = qj_build(q);
    if (k) assert_true(qj_check(q, k, NULL));
    ok(q);
    qj_kernel_free(k);
    /* other values, which do not prove it: refused, and everything is as it was */
    ((int8_t *)t[1]->data)[5] = ((int8_t *)t[1]->data)[4] = 127;
    assert_false(qj_embed(q, "W", t[1]));
    fails(q, "tensorize-mismatch", "maddubs");
    char *now = qj_steps_text(q);
    assert_string_equal(now, after);
    qj_free(before);
    qj_free(after);
    qj_free(now);
    qj_ctx_free(q);
    free_args(t);
}

static void test_layout(void **state)
{
    qj_tensor *t[ARGS];
    new_args(t, 15, 128);
    uint8_t want[M * N], got[M * N];
    qj_ctx *q = layer_ctx("generic");
    qj_kernel *k = qj_build(q);
    ok(q);
    call(k, t, want);
    qj_kernel_free(k);
    qj_embed(q, "W", t[1]);
    qj_step(q, "transform_layout W KN10n axes=NK"); /* 24 rows in blocks of 10: padded */
    k = qj_build(q);
    ok(q);
    call(k, t, got);
    assert_memory_equal(got, want, sizeof got);
    qj_kernel_free(k);
    qj_ctx_free(q);
    free_args(t);
}

static void test_refused(void **state)
{
    qj_tensor *t[ARGS];
    new_args(t, 17, 128);
    qj_ctx *q = layer_ctx("generic");
    assert_false(qj_embed(q, "A", t[0]));
    fails(q, "type", "input");
    assert_false(qj_embed(q, "Acc", t[0]));
    fails(q, "type", "computed");
    assert_false(qj_embed(q, "V", t[0]));
    fails(q, "unknown-name", "V");
    assert_false(qj_embed(q, "W", t[0]));
    fails(q, "argument", "type");
    qj_tensor *flat = qj_tensor_from_data(QJ_I8, 1, (int64_t[]){N * K}, t[1]->data);
    assert_false(qj_embed(q, "W", flat));
    fails(q, "argument", "shape");
    qj_tensor_free(flat);
    assert_false(qj_embed(q, "W", NULL));
    fails(q, "usage", "missing");
    qj_ctx_reset(q);
    static const struct { const char *text, *code, *part; } bad[] = {
        {"weight W[4] : i8 in 0..5 = hex \"00010206\"", "range", "element 3"},
        {"weight W[2] : bool = hex \"0102\"", "range", "element 1"},
        {"weight W[4] : i8 = hex \"000102\"", "shape", "4 bytes"},
        {"weight W[2] : i8 = hex \"00g1\"", "syntax", "g1"},
        {"weight W[2] : i8 = hex 0001", "syntax", "digits"},
        {"weight W[2] : i8 = \"0001\"", "syntax", "hex"},
        {"input W[2] : i8 = hex \"0001\"", "type", "input"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(qj_define(q, bad[i].text));
        fails(q, bad[i].code, bad[i].part);
    }
    qj_define(q, "weight W[4] : i8 in -128..5 = hex \"00010280\"; input A[4] : i8; O[i] : i32 = i32(W[i]) * i32(A[i])");
    ok(q);
    char *text = qj_program_text(q);
    assert_non_null(strstr(text, "in -128..5 = hex \"00010280\""));
    qj_free(text);
    qj_ctx_free(q);
    free_args(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),    cmocka_unit_test(test_interface), cmocka_unit_test(test_text),
        cmocka_unit_test(test_range_proves), cmocka_unit_test(test_layout),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
