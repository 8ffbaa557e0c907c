/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_test.c - expressions, memory, parallel loops and instructions through LLVM: what runs equals what interp
 * computes, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "tests/support/nestrun.h"

/* ---- expressions ---- */

/* Each operation on each type, as scalars and as vectors of several widths. */
static void operations(void **s)
{
    static const char *const types[] = {"i8", "u8", "i16", "u16", "i32"};
    static const char *const ops[] = {"A[i] + B[i]", "A[i] - B[i]", "A[i] * B[i]", "A[i] / B[i]", "A[i] % B[i]",
        "min(A[i], B[i])", "max(A[i], B[i])", "A[i] & B[i]", "A[i] | B[i]", "A[i] ^ B[i]", "A[i] << B[i]", "A[i] >> B[i]",
        "A[i] << (B[i] & 15)", "A[i] >> (B[i] % 9)", "!A[i]", "A[i] / 7", "A[i] % 7", "A[i] / 8", "A[i] % 8",
        "select(A[i] < B[i], A[i], B[i])", "select(A[i] <= B[i], B[i], A[i])", "select(A[i] == B[i], A[i] - 1, B[i] + 1)"};
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        struct str text = str_on(&nr.c.arena);
        str_printf(&text, "func ops(arg A[37] : %s, arg B[37] : %s, out O[%zu, 37] : %s) {\n", types[t], types[t],
                   ARRAY_LEN(ops), types[t]);
        for (size_t k = 0; k < ARRAY_LEN(ops); k++)
            str_printf(&text, "  %s i in 0..37 { O[%zu, i] = %s }\n", k % 2 ? "for" : "vectorized", k, ops[k]);
        str_put(&text, "}\n");
        char *own = strdup(str_text(&text));
        for (int again = 0; again < 3; again++) nest_check(own);
        free(own);
    }
}

static void signed_constants(void **s)
{
    nest_check("func f(arg A[40] : i32, arg B[40] : i8, out O[8, 40] : i32, out P[4, 40] : i8) {\n"
          "  for i in 0..40 { O[0, i] = A[i] / (-7); O[1, i] = A[i] % (-7); O[2, i] = A[i] / (-1); O[3, i] = A[i] % (-8) }\n"
          "  vectorized i in 0..40 { O[4, i] = A[i] / (-7) }\n"
          "  vectorized i in 0..40 { O[5, i] = A[i] % (-16) }\n"
          "  vectorized i in 0..40 { O[6, i] = A[i] / (-1) }\n"
          "  vectorized i in 0..40 { O[7, i] = (A[i] & 255) / 10 }\n"
          "  for i in 0..40 { P[0, i] = B[i] / (-1); P[1, i] = B[i] / 16; P[2, i] = B[i] % 5; P[3, i] = B[i] / (-3) }\n"
          "}\n");
}

static void index_arithmetic(void **s)
{
    nest_check("func f(arg A[64] : i64 in -1000000..1000000, arg B[64] : i64 in -9..9, out O[9, 64] : i64) {\n"
          "  for i in 0..64 { O[0, i] = A[i] / B[i]; O[1, i] = A[i] % B[i]; O[2, i] = A[i] * B[i] + i * 3\n"
          "    O[3, i] = A[i] << 3; O[4, i] = A[i] >> (B[i] + 9); O[5, i] = A[i] >> B[i]; O[6, i] = min(A[i], B[i]) }\n"
          "  vectorized i in 0..64 { O[7, i] = A[i] / B[i] - i }\n"
          "  vectorized i in 0..64 { O[8, i] = A[(i * 5) % 64] >> 2 }\n"
          "}\n");
}

static void conversions(void **s)
{
    static const char *const types[] = {"bool", "i8", "u8", "i16", "u16", "i32", "i64", "f32"};
    for (size_t from = 0; from < ARRAY_LEN(types); from++) {
        struct str text = str_on(&nr.c.arena);
        str_printf(&text, "func cv(arg A[31] : %s", types[from]);
        for (size_t to = 0; to < ARRAY_LEN(types); to++) str_printf(&text, ", out O%zu[4, 31] : %s", to, types[to]);
        str_put(&text, ") {\n");
        for (size_t to = 0; to < ARRAY_LEN(types); to++) {
            if (from == to) {
                str_printf(&text, "  vectorized i in 0..31 { O%zu[0, i] = A[i] }\n", to);
                continue;
            }
            str_printf(&text, "  for i in 0..31 { O%zu[0, i] = %s(A[i]) }\n", to, types[to]);
            str_printf(&text, "  vectorized i in 0..31 { O%zu[1, i] = %s(A[i]) }\n", to, types[to]);
            if (from == 0 || to == 0 || to == 7) continue;
            str_printf(&text, "  for i in 0..31 { O%zu[2, i] = sat_%s(A[i]) }\n", to, types[to]);
            str_printf(&text, "  vectorized i in 0..31 { O%zu[3, i] = sat_%s(A[i]) }\n", to, types[to]);
        }
        str_put(&text, "}\n");
        char *own = strdup(str_text(&text));
        for (int again = 0; again < 3; again++) nest_check(own);
        free(own);
    }
}

static void floats(void **s)
{
    for (int again = 0; again < 4; again++)
        nest_check("func f(arg A[35] : f32, arg B[35] : f32, out O[10, 35] : f32, out C[4, 35] : bool, out I[6, 35] : i32, out Q[4, 35] : i8) {\n"
              "  for i in 0..35 { O[0, i] = A[i] + B[i] * A[i]; O[1, i] = A[i] - B[i] / A[i]; O[2, i] = min(A[i], B[i]) }\n"
              "  vectorized i in 0..35 { O[3, i] = A[i] * B[i] - A[i] }\n"
              "  vectorized i in 0..35 { O[4, i] = min(A[i], B[i]) }\n"
              "  vectorized i in 0..35 { O[5, i] = max(A[i], B[i]) }\n"
              "  for i in 0..35 { O[6, i] = rint(A[i]); O[7, i] = max(A[i], B[i]) }\n"
              "  vectorized i in 0..35 { O[8, i] = rint(A[i]) }\n"
              "  vectorized i in 0..35 { O[9, i] = select(A[i] < B[i], A[i], B[i] + 1.5) }\n"
              "  vectorized i in 0..35 { C[0, i] = A[i] < B[i] }\n"
              "  vectorized i in 0..35 { C[1, i] = A[i] != B[i] & !(A[i] <= B[i]) }\n"
              "  for i in 0..35 { C[2, i] = A[i] == B[i]; C[3, i] = bool(A[i]) | C[2, i] }\n"
              "  for i in 0..35 { I[0, i] = i32(min(max(rint(A[i]), -128.0), 127.0)); I[1, i] = i32(min(max(-100.0, A[i]), 100.0)) }\n"
              "  vectorized i in 0..35 { I[2, i] = i32(min(max(rint(A[i]), -128.0), 127.0)) }\n"
              "  vectorized i in 0..35 { I[3, i] = i32(max(min(A[i], 100.0), -100.0)) }\n"
              "  vectorized i in 0..35 { I[4, i] = i32(sat_u8(A[i])) + i32(C[0, i]) }\n"
              "  vectorized i in 0..35 { I[5, i] = i32(A[i] * 0.25) }\n"
              "  vectorized i in 0..35 { Q[0, i] = i8(i32(min(max(rint(A[i] * 0.125), -128.0), 127.0))) }\n"
              "  vectorized i in 0..35 { Q[1, i] = sat_i8(rint(A[i]) + 3.0) }\n"
              "  vectorized i in 0..35 { Q[2, i] = sat_i8(I[2, i] * 3) }\n"
              "  vectorized i in 0..35 { Q[3, i] = i8(max(-128, min(127, I[5, i] >> 3))) }\n"
              "}\n");
}

static void fused(void **s)
{
    if (target_runs_here(nest_target("x86-64-v3")))
        nest_check_on("func f(arg A[21] : f32, arg B[21] : f32, out O[2, 21] : f32) {\n"
                 "  for i in 0..21 { O[0, i] = fma(A[i], B[i], A[i]) }\n"
                 "  vectorized i in 0..21 { O[1, i] = fma(A[i], B[i], B[i]) }\n}\n", nest_target("x86-64-v3"));
}

/* ---- laziness and masks ---- */

static void lazy(void **s)
{
    nest_check("func f(arg A[20] : i8, arg K[32] : i32 in 0..40, out O[6, 32] : i32) {\n"
          "  for i in 0..32 { O[0, i] = select(i < 20, i32(A[i]), 7) }\n"
          "  for i in 0..32 { O[1, i] = select(K[i] < 20, i32(A[i64(K[i])]), select(i < 12, i32(A[i + 8]), 1)) }\n"
          "  vectorized i in 0..32 { O[2, i] = select(i < 20, i32(A[i]), 7) }\n"
          "  vectorized i in 0..32 { O[3, i] = select(2 <= i, select(i < 22, i32(A[i - 2]), 5), 7) }\n"
          "  vectorized i in 0..32 { O[4, i] = select(K[i] < 20, i32(A[i64(K[i])]), i32(i)) }\n"
          "  vectorized i in 0..32 { O[5, i] = select(i < 10, i32(A[2 * i]), i32(A[19 - (i % 20)])) }\n"
          "}\n");
    nest_check("func f(arg A[4] : i32, arg B[4] : i32, out O[9, 8] : i32) {\n" /* no lane on, nothing read */
          "  for y in 0..9 { vectorized i in 0..8 { O[y, i] = select(i + y * 8 < 30, A[y] + i32(i), select(60 < i + y * 8, 2, 1)) } }\n"
          "  for y in 0..9 { vectorized i in 0..8 { if (i + y * 8 < 27) { O[y, i] = O[y, i] + B[y] } } }\n}\n");
    nest_check("func pad(arg A[5, 7] : u8, out O[7, 9, 1] : u8) {\n"
          "  for y in 0..7 { vectorized x in 0..9 {\n"
          "    O[y, x, 0] = select(1 <= y & y < 6 & 1 <= x & x < 8, A[y - 1, x - 1], 3)\n"
          "  } }\n}\n");
    nest_check("func pad(arg A[5, 16] : u8, out O[8, 16] : u8) {\n" /* a scalar condition, vector arms */
          "  for y in 0..8 { vectorized x in 0..16 { O[y, x] = select(2 <= y, select(y < 7, A[y - 2, x], 3), 4) } }\n}\n");
}

static void masks(void **s)
{
    nest_check("func f(arg A[19] : i8, arg B[19, 19] : f32, out O[19] : i8, out P[19, 19] : f32, out Q[40] : i32) {\n"
          "  for o in 0..3 { vectorized i in 0..8 { if (o * 8 + i < 19) { O[o * 8 + i] = A[o * 8 + i] + 1 } } }\n"
          "  for y in 0..19 { for o in 0..2 { vectorized i in 0..16 {\n"
          "    if (o * 16 + i < 19) { if (y < 5) { P[y, o * 16 + i] = B[y, o * 16 + i] + B[0, 0] } } } } }\n"
          "  vectorized i in 0..32 { if (i < 19) { if (A[i] < 9) { Q[i] = i32(A[i]) } } }\n"
          "  vectorized i in 0..32 { if (i < 19) { for k in 0..2 { if (A[i] < 90) { Q[2 * i + k] = Q[2 * i + k] + 1 } } } }\n"
          "  for o in 0..2 { vectorized i in 0..16 { if (o * 16 + i < 19) { if (A[o * 16 + i] < 9) { Q[o * 16 + i] = 3 } } } }\n"
          "  vectorized i in 0..21 { if (i < 19) { Q[i + 20] = i32(A[18 - i]) } }\n"
          "}\n");
    assert_non_null(strstr(nr.notes, "scatter"));
    assert_non_null(strstr(nr.notes, "gather"));
}

/* Lanes in a few runs of neighbours are vectors and shuffles; a lane written twice is not. */
static void runs(void **s)
{
    nest_check("func zip(arg A[2, 70] : u8, out O[16, 2] : i16, out P[48] : u8, out R[4, 8] : u8, out S[64] : u8) {\n"
          "  vectorized v in 0..32 { O[v / 2, v % 2] = i16(A[v % 2, v / 2]) }\n"
          "  vectorized v in 0..48 { P[v] = A[v / 3 % 2, v % 3 + v / 6 * 3] }\n"
          "  vectorized v in 0..32 { R[v % 4, v / 4] = A[1, v] }\n"
          "  for y in 0..2 { vectorized v in 0..32 { S[y * 32 + v % 16 * 2 + v / 16] = A[y, v + 3] } }\n"
          "}\n");
    nest_check("func single(arg A[8, 5] : u8, arg C[8] : u8, out O[29] : i16, out Q[21] : u8, out R[3] : u8) {\n" /* runs of one lane */
          "  vectorized v in 0..21 { Q[v] = A[v / 5, 4 - 4 * (v / 20)] }\n"
          "  vectorized v in 0..29 { O[v] = i16(A[v / 5 + v / 25, v % 5 + v / 28]) }\n"
          "  vectorized v in 0..3 { R[v] = C[v * 3 % 7] }\n"
          "}\n");
    nest_check("func single16(arg A[7, 16] : i8, out O[29] : i16) { vectorized v in 0..29 { O[v] = i16(A[v / 5 + v / 28, v % 5]) } }\n");
    nest_check("func zip4(arg A[4, 3, 16] : u8, out O[3, 64] : u8, out T[40] : u8, out U[40] : u8, out V[3, 32] : u8, out W[3, 32] : u8) {\n"
          "  for y in 0..3 { vectorized v in 0..64 { O[y, v] = A[v % 4, y, v / 4] } }\n"
          "  vectorized v in 0..40 { T[v] = A[0, v / 16, v % 16] }\n"
          "  vectorized v in 0..40 { if (v < 33) { U[v] = A[v % 2, 1, v / 4] } }\n"
          "  for y in 0..3 { vectorized v in 0..32 { V[y, v] = select(1 <= y & 1 <= v % 2, A[y, v % 2 - 1, v / 2], 7) } }\n"
          "  for y in 0..3 { vectorized v in 0..32 { W[y, v] = select(0 <= v % 2 - 1, A[y, v % 2 - 1, v / 2], 7) } }\n"
          "}\n");
    nest_check("func tiles(arg A[4, 32] : i8, arg B[4, 32] : i32, out O[4, 32] : i8, out P[4, 32] : i32) {\n" /* stored in runs */
          "  alloc local T[2, 4, 2, 8] : i8 { alloc local U[2, 16, 2, 2] : i32 {\n"
          "    unrolled y in 0..4 { unrolled h in 0..2 { vectorized k in 0..16 { T[y / 2, h * 2 + k / 8, y % 2, k % 8] = A[y, h * 16 + k] } } }\n"
          "    for y in 0..2 { unrolled z in 0..2 { vectorized k in 0..8 { U[y, k / 2, z, k % 2] = B[y * 2 + z, k] } } }\n"
          "    for y in 0..4 { for x in 0..32 { O[y, x] = T[y / 2, x / 8, y % 2, x % 8] + 1 } }\n"
          "    for y in 0..2 { unrolled z in 0..2 { vectorized k in 0..8 { P[y * 2 + z, k] = U[y, k / 2, z, k % 2] * 3 } } }\n"
          "  } }\n}\n");
    assert_string_equal(nr.notes, "");
    assert_null(strstr(nr.notes, "reads elements here and there of A, one lane at a time [gather]\nnote: vectorized loop y"));
}

/* Rounding by conversion, and sums in 16 bits on the way to 8: with nan, infinity and ties among the data. */
static void epilogues(void **s)
{
    nest_check("func q(arg A[64] : i32, arg M[64] : f32, arg F[64] : f32, out O[64] : i8, out P[64] : u8, out R[64] : i32, "
          "out T[64] : i16, out U[64] : i8) {\n"
          "  for o in 0..2 { vectorized i in 0..32 {\n"
          "    O[o * 32 + i] = i8(i32(min(max(rint(f32(A[o * 32 + i]) * M[o * 32 + i]), -125.0), 130.0)) + -3)\n"
          "    P[o * 32 + i] = u8(i32(min(max(rint(F[o * 32 + i]), -7.0), 248.0)) + 7)\n"
          "    R[o * 32 + i] = i32(max(min(rint(F[o * 32 + i] * 0.5), 100000.0), -100000.5))\n"
          "    T[o * 32 + i] = i16(i32(min(max(rint(F[o * 32 + i]), -32768.0), 32767.0)))\n"
          "    U[o * 32 + i] = i8(min(max(A[o * 32 + i], -40000), 40000) + 9)\n"
          "  } }\n"
          "}\n");
}

/* ---- storage and parallel loops ---- */

static const char parallel_text[] =
    "func p(arg A[7, 300] : i32, out O[7, 300] : i32) {\n"
    "  alloc global T[7, 300] : i32 {\n"
    "    parallel y in 0..7 { for x in 0..300 { T[y, x] = A[y, x] + 1 } }\n"
    "    alloc local small[300] : i32 {\n"
    "      for x in 0..300 { small[x] = T[0, x] * 2 }\n"
    "      for r in 0..2 { parallel y in 0..7 {\n"
    "        alloc local big[20000] : i32 {\n"                        /* beyond the stack: a slice an iteration */
    "          alloc global mine[300] : i32 {\n"
    "            for x in 0..20000 { big[x] = A[y, x % 300] }\n"
    "            parallel x in 0..300 { mine[x] = big[x + 600] - T[y, x] + small[x] }\n"
    "            for x in 0..300 { if (r == 1) { O[y, x] = mine[299 - x] + i32(r) } }\n"
    "          }\n"
    "        }\n"
    "      } }\n"
    "    }\n"
    "  }\n"
    "}\n";

static void parallel(void **s)
{
    for (int pool = 0; pool < 2; pool++) {
        nr.use_pool = pool;
        nest_check(parallel_text);
        /* each part has a slice of its own: the pool's are single iterations, without it there is one */
        assert_true(pool ? nr.touched > 7 * 300 * 4 + 6 * 80000 : nr.touched <= 7 * 300 * 4 + 80000 + 64);
    }
    nr.use_pool = false;
    struct artifact *a = nest_compile(parallel_text, "x86-64-v3", CG_OBJ);
    assert_int_equal(a->workspace, (7 * 300 * 4 + 63) / 64 * 64 + 7 * 80000);
    artifact_free(a);
}

static void stack_limits(void **s)
{
    nest_check("func f(arg A[9] : i8, out O[9] : i32) {\n"
          "  alloc local T[4097] : i32 {\n"                               /* one element more than the stack takes */
          "    alloc local U[4096] : i32 { for i in 0..9 { T[i * 512] = i32(A[i]); U[4095 - i] = T[i * 512] }\n"
          "      for i in 0..9 { O[i] = U[4095 - i] } }\n"
          "    unrolled k in 0..9 { alloc local V[16] : i32 { vectorized j in 0..16 { V[j] = i32(j) }; O[k] = O[k] + V[k + 2] } }\n"
          "  } }\n");
    struct artifact *a = nest_compile("func f(out O[1] : i8) { alloc local T[16384] : i8 { T[5] = 1; O[0] = T[5] } }", "generic", CG_OBJ);
    assert_int_equal(a->workspace, 0);
    artifact_free(a);
    a = nest_compile("func f(out O[1] : i8) { alloc local A[16000] : i8 { alloc local B[16000] : i8 { alloc local C[16000] : i8 {\n"
                "alloc local D[16000] : i8 { alloc local E[16000] : i8 { A[0] = 1; B[0] = 1; C[0] = 1; D[0] = 1; E[0] = 1\n"
                "O[0] = A[0] + B[0] + C[0] + D[0] + E[0] } } } } } }", "generic", CG_OBJ);
    assert_int_equal(a->workspace, 16000);
    artifact_free(a);
    a = nest_compile("func f(out O[1] : i8) { alloc local T[16385] : i8 { T[5] = 1; O[0] = T[5] } }", "generic", CG_OBJ);
    assert_int_equal(a->workspace, 16384 + 64);
    artifact_free(a);
}

/* ---- instructions ---- */

/* Each row of a target, alone on full-range data; those that may saturate on a range that cannot. */
static void rows_of(const struct target *t)
{
    for (int k = 0; k < t->nintrin; k++) {
        const struct intrin *in = &t->intrin[k];
        struct str text = str_on(&nr.c.arena), args = str_on(&nr.c.arena);
        str_put(&text, "func row(");
        for (int o = 0; o < in->meaning->nop; o++) {
            const struct tensor *x = in->meaning->op[o];
            int64_t n = 1;
            for (int d = 0; d < x->ndim; d++) n *= x->shape[d];
            str_printf(&text, "%s%s X%d[3, %" PRId64 "] : %s", o ? ", " : "", o ? "arg" : "out", o, n, dtype_info[x->dt].name);
            if (x->range_declared) str_printf(&text, " in %" PRId64 "..%" PRId64, x->range.lo, x->range.hi);
            if (in->row->pair_i16 && o && x->dt == DT_I8)
                str_printf(&text, " in %d..%d", -128 / in->row->pair_i16, 128 / in->row->pair_i16);
            str_printf(&args, "%sX%d[i, 0]", o ? ", " : "", o);
        }
        str_printf(&text, ") { for i in 0..3 { %s(%s) } }", in->row->name, str_text(&args));
        char *own = strdup(str_text(&text));
        for (int again = 0; again < 2; again++) nest_check_on(own, t);
        free(own);
    }
}

/* Every row of every family: where it can run, and those of x86 in the emulator as well. */
static void rows(void **s)
{
    for (size_t i = 0; nest_cpus[i]; i++) rows_of(nest_target(nest_cpus[i]));
    const struct target *vnni = nest_target("x86-64-v4,+avx512vnni"), *vex = nest_target("x86-64-v3,+avxvnni");
    nr.emulate = true;
    rows_of(vnni);
    rows_of(vex);
    nr.emulate = false;
    for (int i = 0; i < family_x86.nrow; i++) { /* no emulator has vpdpbssd and its kin */
        const struct intrin_row *r = &family_x86.rows[i];
        assert_true(target_intrin(vnni, r->name) || target_intrin(vex, r->name) || !strcmp(r->needs, "avxvnniint8"));
    }
}

/* A row of the user's: vectors repeated, constants of the other operand's type, an overloaded intrinsic. */
static void user_row(void **s)
{
    static const struct intrin_row row = {
        .name = "twice", .operands = "C: i32[2,4], A: i32[4]", .meaning = "C[i,j] += A[j] * 3",
        .recipe = "add(C, mul(3, @llvm.abs.v8i32(@llvm.bswap(@llvm.bswap(repeat.i32x8(A))), 0)))", .needs = "", .mnemonic = "",
        .mac_per_cycle = 1, .help = "|x| is x for what the test gives it"};
    const struct target *t = target_add_row(&nr.c, nest_target("x86-64-v3"), &row, false, (struct span){0});
    nest_no_error();
    nest_check_on("func f(arg A[9] : i32 in 0..2147483647, out C[2, 9] : i32) { for i in 0..6 { twice(C[0, i], A[i]) } }", t);
}

/* What only LLVM can refuse: an error, never an abort, and the next compile is right. */
static void bad_rows(void **s)
{
    static const struct { const char *recipe; enum err_code code; } bad[] = {
        {"add(C, @llvm.x86.avx2.pmadd.wd(A))", ERR_INTRIN},
        {"add(C, @llvm.x86.avx2.pmadd.wd(A, trunc.i8x8(C), A))", ERR_INTRIN},
        {"add(C, @llvm.x86.avx2.pmadd.wd(A, @llvm.vector.reduce.add.v3i32(C)))", ERR_INTRIN},
        {"@llvm.abs.v8i32(C, @llvm.vector.reduce.or.v8i1(C))", ERR_INTRIN},
        {"add(C, asm \"no_such_instruction $1, $0\" \"=x,x\"(C).i32x8)", ERR_LLVM},
        {"add(C, asm \"vpaddd $1, $1, $0\" \"=x,x,{nowhere}\"(C, C).i32x8)", ERR_LLVM},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct intrin_row row = {.name = "odd", .operands = "C: i32[8], A: i16[8]", .meaning = "C[i] += i32(A[i])",
                                       .recipe = bad[i].recipe, .needs = "avx2", .mnemonic = "", .mac_per_cycle = 1, .help = ""};
        const struct target *t = target_add_row(&nr.c, nest_target("x86-64-v3"), &row, true, (struct span){0});
        nest_no_error();
        const struct func *f = nest_parse("func f(arg A[16] : i16, out C[8] : i32) { for i in 0..2 { odd(C[0], A[0]) } }", t);
        assert_null(cg_compile(&nr.c, nest_lowered(f, t), &nest_options));
        if (nr.c.err.first.code != bad[i].code) fail_msg("%s: %s", bad[i].recipe, nr.c.err.first.msg);
        err_clear(&nr.c.err);
    }
    static const struct intrin_row reads = {.name = "set", .operands = "C: i32[8], A: i32[8]", .meaning = "C[i] = A[i]",
                                            .recipe = "add(C, A)", .needs = "", .mnemonic = "", .mac_per_cycle = 1, .help = ""};
    const struct target *t = target_add_row(&nr.c, nest_target("x86-64-v3"), &reads, false, (struct span){0});
    nest_no_error();
    assert_null(cg_compile(&nr.c, nest_lowered(nest_parse("func f(arg A[8] : i32, out C[8] : i32) { set(C[0], A[0]) }", t), t),
                           &nest_options));
    assert_int_equal(nr.c.err.first.code, ERR_INTRIN);
    err_clear(&nr.c.err);
    nest_check("func f(arg A[16] : i16, out C[16] : i32) { vectorized i in 0..16 { C[i] = i32(A[i]) } }");
}

/* The reference kernel: 6 rows by 16 columns of i32 in registers, unrolled around one instruction. */
static const char kernel_text[] =
    "func gemm(arg A[6, 256] : i16, arg B[128, 16, 2] : i16, arg M[16] : f32, out O[6, 16] : i8) {\n"
    "  alloc local C[6, 16] : i32 {\n"
    "    unrolled r in 0..6 { vectorized j in 0..16 { C[r, j] = 0 } }\n"
    "    for k in 0..128 { unrolled r in 0..6 { unrolled v in 0..2 { dot2_i16_avx2(C[r, v * 8], A[r, k * 2], B[k, v * 8, 0]) } } }\n"
    "    unrolled r in 0..6 { vectorized j in 0..16 {\n"
    "      O[r, j] = i8(i32(min(max(rint(f32(C[r, j]) * M[j]), -128.0), 127.0))) } }\n"
    "  }\n"
    "}\n";

static int count(const char *text, const char *end, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)) && p < end; p++) n++;
    return n;
}

static void registers(void **s)
{
    if (target_runs_here(nest_target("x86-64-v3"))) nest_check_on(kernel_text, nest_target("x86-64-v3"));
    struct artifact *a = nest_compile(kernel_text, "x86-64-v3", CG_ASM);
    const char *at = strstr(a->bytes, "%for.k"), *from = at, *to = strstr(at ? at : "", "\tj");
    assert_non_null(at);
    if (getenv("QJ_SHOW")) fprintf(stderr, "%s", a->bytes);
    assert_int_equal(count(from, to, "vpmaddwd"), 12);
    assert_int_equal(count(from, to, "vpaddd"), 12);
    assert_int_equal(count(from, to, "rsp"), 0);
    assert_int_equal(count(a->bytes, a->bytes + a->size, "callq"), 1); /* gemm_call's of gemm */
    artifact_free(a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, nestrun_open, nestrun_close)
    const struct CMUnitTest tests[] = {
        T(operations), T(signed_constants), T(index_arithmetic), T(conversions), T(floats), T(fused), T(lazy), T(masks), T(runs), T(epilogues), T(parallel), T(stack_limits), T(rows), T(user_row), T(bad_rows), T(registers), T(nest_emulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
