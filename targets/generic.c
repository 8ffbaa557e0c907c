/* SPDX-License-Identifier: Apache-2.0 */
/* generic.c - the family that assumes nothing: the baseline of every x86-64, no feature to choose.
 *
 * Its rows are written in LLVM operations that any target has, so they are also what a first port
 * can compare its own rows with. */
#include "targets/target.h"

#define DOT4 "C[] += i32(A[k]) * i32(B[k])"
#define SUM4(a, b)                                                                                \
    "add(C, @llvm.vector.reduce.add.v4i32(mul(" a ".i32x4(A), " b ".i32x4(B))))"

static const struct cpu cpus[] = {{"x86-64", 0}};

static const struct intrin_row rows[] = {
    {"dot4_u8i8_generic", "C: i32[], A: u8[4], B: i8[4]", DOT4, SUM4("zext", "sext"), "", 0, 1, "paddd",
     "one dot product of four, in plain operations"},
    {"dot4_i8i8_generic", "C: i32[], A: i8[4], B: i8[4]", DOT4, SUM4("sext", "sext"), "", 0, 1, "paddd",
     "one dot product of four, in plain operations"},
};

static void measure(struct target *t)
{
    t->vector_bits = 64;
    t->vector_regs = 16;
    t->cache_line = 64;
    t->l1_bytes = 32 << 10;
    t->l2_bytes = 512 << 10;
    t->converts = true;
}

const struct family family_generic = {
    .name = "generic", .triple = "x86_64-unknown-linux-gnu", .kind = TARGET_CPU,
    .cpus = cpus, .ncpu = ARRAY_LEN(cpus),
    .rows = rows, .nrow = ARRAY_LEN(rows), .measure = measure,
    .help = "any x86-64, nothing assumed: small, slow, runs everywhere",
};
