/* SPDX-License-Identifier: Apache-2.0 */
/* passes_test.c - what the passes over loop nests do to their shape, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/support/nestrun.h"

/* ---- passes ---- */

static void serial_loops(void **s)
{
    nest_check("func f(arg A[16] : i32, out O[40] : i32, out P[16] : i32) {\n"
          "  O[0] = 1\n"
          "  vectorized a in 0..16 { O[a + 1] = O[a] + A[a] }\n"         /* each iteration needs the one before */
          "  vectorized b in 0..16 { O[0] = O[0] + A[b] }\n"             /* a reduction */
          "  vectorized c in 0..4 { vectorized k in 0..4 { O[4 * c + k] = A[4 * c + k] } }\n"
          "  vectorized d in 0..16 { O[d * 2 + 2] = O[d * 2] + 1 }\n"
          "  vectorized e in 0..16 { O[e * 2] = O[e * 2 + 2] + 1 }\n"
          "  vectorized f in 0..16 { if (O[f] < 5) { O[f] = O[f] + 100; P[f] = O[f] } }\n"
          "  vectorized g in 0..5 { alloc local T[3] : i32 { for k in 0..3 { T[k] = A[g + k] }; O[g] = T[0] ^ T[2] } }\n"
          "}\n");
    int n = 0;
    for (const char *p = nr.notes; (p = strstr(p, "scalarised")); p++) n++;
    assert_int_equal(n, 7);
    /* an inner loop, and accesses one block a lane, are no obstacle */
    nest_check("func g(arg A[8, 16] : i32, arg B[8] : i32, out O[16] : i32, out P[64] : i32) {\n"
          "  vectorized i in 0..16 { O[i] = 0; for k in 0..8 { O[i] = O[i] + A[k, i] * B[k] } }\n"
          "  vectorized i in 0..16 { for k in 0..4 { P[i * 4 + 3 - k] = P[i * 4 + k] + 1 } }\n"
          "}\n");
    assert_null(strstr(nr.notes, "scalarised"));
}

/* Virtual threads run in step, with local memory of their own; not where one needs what another does. */
static void virtual_threads(void **s)
{
    static const char apart[] =
        "func f(arg A[6, 32] : i32, out O[6, 8] : i32) {\n"
        "  threadIdx.x t in 0..8 { vthread v in 0..3 { alloc local L[2] : i32 {\n"
        "    L[0] = i32(v); L[1] = 0\n"
        "    for k in 0..4 { if (t < k) { L[0] = L[0] + A[v * 2, t * 4 + k]; if (v < k) { L[1] = L[1] - A[v * 2 + 1, k] } } }\n"
        "    O[v * 2, t] = L[0]; O[v * 2 + 1, t] = L[1] } } } }\n";
    nest_check_on(apart, nest_target("sm_80"));
    const char *text = nest_passes(apart, "sm_80");
    static const char *const order[] = {"local L_0[2]", "local L_1[2]", "local L_2[2]", "for k in", "if (t < k)", "L_0[0] = L_0[0] + A[t * 4 + k]",
                                        "L_1[0] = L_1[0] +", "L_2[0] = L_2[0] +", "L_0[1] =", "L_2[1] =", "O[t] = L_0[0]",
                                        "O[t + 16] = L_1[0]", "O[t + 32] = L_2[0]", "O[t + 8] = L_0[1]", NULL};
    const char *at = text;
    for (int i = 0; order[i]; i++)
        if (!(at = strstr(at, order[i]))) fail_msg("no %s, in this order, in\n%s", order[i], text);
    assert_null(strstr(strstr(text, "for k in") + 1, "for k in"));
    static const char *const meet[] = {
        ("func f(arg A[9] : i32, out O[9] : i32) { threadIdx.x t in 0..1 {\n"
         "  vthread v in 0..2 { for k in 0..8 { O[k + 1] = A[k] + i32(v) } } } }"),
        ("func f(arg A[9] : i32, out O[9] : i32) { threadIdx.x t in 0..1 { alloc local L[10] : i32 { for k in 0..10 { L[k] = i32(k) }\n"
         "  vthread v in 0..2 { for k in 0..8 { L[v + k] = L[v + k + 1] + A[k] } }; O[0] = L[3] } } }"),
        ("func f(arg A[9] : i32, out O[16] : i32) { alloc shared S[9] : i32 { vthread v in 0..2 {\n"
         "  threadIdx.x t in 0..9 { S[t] = A[t] + i32(v) }; sync; threadIdx.x t in 0..8 { O[t * 2 + v] = S[8 - t] }; sync } } }")};
    for (size_t i = 0; i < ARRAY_LEN(meet); i++) { /* one after the other */
        nest_check_on(meet[i], nest_target("sm_80"));
        text = nest_passes(meet[i], "sm_80");
        const char *first = strstr(text, i < 2 ? "for k in 0..8" : "sync");
        assert_non_null(first);
        assert_non_null(strstr(first + 1, i < 2 ? "for k in 0..8" : "sync"));
    }
}

static void peeled(void **s)
{
    nest_check("func f(arg A[50] : i8, arg B[50, 9] : i16, out O[50] : i8, out P[50, 9] : i16) {\n"
          "  for o in 0..4 peel { vectorized i in 0..16 { if (o * 16 + i < 50) { O[o * 16 + i] = A[o * 16 + i] } } }\n"
          "  for o in 0..7 peel { for q in 0..3 peel { for i in 0..8 { unrolled k in 0..4 {\n"
          "    if (o * 8 + i < 50) { if (q * 4 + k < 9) { P[o * 8 + i, q * 4 + k] = B[o * 8 + i, q * 4 + k] * 3 } }\n"
          "  } } } }\n"
          "  parallel o in 0..10 peel { if (3 <= o) { if (o < 8) { O[o] = O[o] + 2 } } }\n"
          "}\n");
    static const char *const exact[] = {  /* no guard is left in any part */
        ("func f(arg A[47] : i8, out O[47] : i8) {\n"
         "  for o in 0..3 peel { for i in 0..16 { if (o * 16 + i < 47) { O[o * 16 + i] = A[o * 16 + i] } } }\n}\n"),
        "func f(out O[10] : i8) { for o in 0..10 peel { if (3 <= o) { if (o < 8) { O[o] = 2 } } } }",
        "func f(out O[64] : i8) { for o in 0..16 peel { for i in 0..4 { if (!(o * 4 + i < 24)) { O[o * 4 + i] = 2 } } } }"};
    for (size_t i = 0; i < ARRAY_LEN(exact); i++) {
        nest_check(exact[i]);
        assert_null(strstr(nest_passes(exact[i], "generic"), "if"));
    }
    const char *text = nest_passes("func f(out O[64] : i8) {\n"
        "  for o in 0..16 peel { for i in 0..4 { if (22 <= o * 4 + i) { O[o * 4 + i] = 2 } } }\n}\n", "generic");
    assert_non_null(strstr(text, "o in 0..10")); /* [6, 16); of [0, 5) nothing is left, 5 is alone */
    assert_null(strstr(text, "in 0..6"));
    /* the main part has no guard left, the tail has two lanes and no mask */
    text = nest_passes("func f(arg A[50] : i8, out O[50] : i8) {\n"
        "  for o in 0..4 peel { vectorized i in 0..16 { if (o * 16 + i < 50) { O[o * 16 + i] = A[o * 16 + i] } } }\n}\n",
        "x86-64-v3");
    assert_null(strstr(text, "if"));
    assert_null(strstr(text, "where"));
    assert_non_null(strstr(text, "in 0..3"));
    assert_non_null(strstr(text, "ramp(48, 1, 2)"));
}

/* Padding, and dimensions that lie behind one another: whole vectors inside, selects only at the ends. */
static void padded_rows(void **s)
{
    const char *nest = "func f(arg A[4, 17, 3] : u8, out P[4, 64] : i16) {\n"
        "  for h in 0..4 { for o in 0..8 peel { vectorized i in 0..8 {\n"
        "    P[h, o * 8 + i] = i16(select(3 <= o * 8 + i & o * 8 + i < 54, A[h, (o * 8 + i) / 3 - 1, (o * 8 + i) % 3], 0))\n"
        "  } } }\n}\n";
    nest_check(nest);
    const char *text = nest_passes(nest, "x86-64-v3");
    assert_non_null(strstr(text, "for o in 0..5 {"));
    assert_non_null(strstr(text, "= i16(A[ramp("));
    assert_null(strstr(text, "%"));
    assert_null(strstr(text, "/"));
    /* a store through such a layout; what stays apart is left as it is */
    nest_check("func g(arg A[48] : u8, out P[2, 8, 3] : u8, out Q[16, 4] : u8) {\n"
        "  for o in 0..6 { vectorized i in 0..8 {\n"
        "    P[(o * 8 + i) / 24, (o * 8 + i) / 3 % 8, (o * 8 + i) % 3] = A[o * 8 + i]\n"
        "    Q[(o * 8 + i) / 3, (o * 8 + i) % 3] = A[o * 8 + i]\n"
        "  } }\n}\n");
}

static void refused(const char *text, const char *cpu, enum err_code code, const char *part)
{
    const struct target *t = nest_target(cpu);
    struct artifact *a = cg_compile(&nr.c, nest_lowered(nest_parse(text, nest_target("native")), t), &nest_options);
    assert_null(a);
    assert_int_equal(nr.c.err.first.code, code);
    if (!strstr(nr.c.err.first.msg, part) && !strstr(nr.c.err.first.hint, part))
        fail_msg("no \"%s\" in: %s\n%s", part, nr.c.err.first.msg, nr.c.err.first.hint);
    err_clear(&nr.c.err);
}

static void refusals(void **s)
{
    refused("func f(out O[100] : i8) { vectorized i in 0..100 { O[i] = 1 } }", "native", ERR_UNSUPPORTED, "split");
    refused("func f(out O[5000] : i8) { unrolled i in 0..5000 { O[i] = 1 } }", "native", ERR_UNSUPPORTED, "split");
    refused("func f(out O[9] : i8) { blockIdx.x i in 0..9 { O[i] = 1 } }", "native", ERR_UNSUPPORTED, "blockIdx.x");
    refused("func f(out O[9] : f32) { O[0] = fma(O[1], O[2], O[3]) }", "generic", ERR_FEATURE, "fma");
    refused("func f(arg A[16] : i16, arg B[16] : i16, out O[8] : i32) { dot2_i16_avx2(O[0], A[0], B[0]) }", "x86-64-v2",
            ERR_FEATURE, "avx2");
    refused("func f(out O[9] : i8) { alloc shared T[9] : i8 { T[0] = 1; O[0] = T[0] } }", "native", ERR_UNSUPPORTED, "shared");
    struct func f = *nest_parse("func f(out O[1] : i8) { O[0] = 1 }", nest_target("native"));
    f.name = "1; .global x";
    assert_null(cg_compile(&nr.c, nest_lowered(&f, nest_target("native")), &nest_options));
    assert_int_equal(nr.c.err.first.code, ERR_SYNTAX);
    err_clear(&nr.c.err);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, nestrun_open, nestrun_close)
    const struct CMUnitTest tests[] = {
        T(serial_loops), T(virtual_threads), T(peeled), T(padded_rows), T(refusals), T(nest_emulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
