/* SPDX-License-Identifier: Apache-2.0 */
/* aarch64.c - the AArch64 family: features, CPUs and instruction rows, all data.
 *
 * Features are those that a row needs or that LLVM selects by itself; names and contents are those of LLVM 19, but for
 * sve256 and sve512, which promise how wide the registers of SVE are at least.
 *
 * Rows are named <operation>_<types of A and B>_<instruction>. In dot products A is broadcast over the lanes of C, B
 * holds one group a lane:
 *
 *     C: i32[4], A: i8[4], B: i8[4,4]      C[i] += i32(A[k]) * i32(B[i,k])
 *
 * and in those with `lanes` in their names both do. mmla_... multiply two rows of A by two of B.
 *
 * All are exact for all values (sums wrap modulo 2^32, as ir.h says), but for the one with pair_i16. */
#include "targets/target.h"

/* ---- features: id, name, what it implies, help ---- */

#define FEATURES(X)                                                                               \
    X(NEON, "neon", 0, "128-bit vectors")                                                         \
    X(DOTPROD, "dotprod", NEON, "sdot, udot")                                                     \
    X(FULLFP16, "fullfp16", NEON, "half precision arithmetic")                                    \
    X(I8MM, "i8mm", NEON, "usdot, smmla, ummla, usmmla")                                          \
    X(SVE, "sve", FULLFP16, "vectors of any length")                                              \
    X(SVE2, "sve2", SVE, "more operations on them")                                               \
    X(SVE256, "sve256", SVE, "SVE registers of 256 bits or more")                                 \
    X(SVE512, "sve512", SVE256, "SVE registers of 512 bits or more")                              \
    X(COMPLXNUM, "complxnum", NEON, "fcadd, fcmla: LLVM's for complex sums")                      \
    X(SHA3, "sha3", NEON, "eor3, bcax: LLVM's for three operands")

enum {
#define X(id, name, implies, help) INDEX_##id,
    FEATURES(X)
#undef X
};
enum {
#define X(id, name, implies, help) id = 1 << INDEX_##id,
    FEATURES(X)
#undef X
};

static const struct feature features[] = {
#define X(id, name, implies, help) {name, id, implies, help},
    FEATURES(X)
#undef X
};

/* ---- CPUs: LLVM's names; a set may leave out what its features imply ---- */

#define A76 (DOTPROD | FULLFP16)

static const struct cpu cpus[] = {
    {"generic", NEON},
    {"cortex-a53", NEON},
    {"cortex-a72", NEON},
    {"cortex-a55", A76},
    {"cortex-a76", A76},
    {"neoverse-n1", A76},
    {"apple-m1", A76 | COMPLXNUM | SHA3},
    {"a64fx", FULLFP16 | SVE512 | COMPLXNUM},
    {"neoverse-v1", A76 | I8MM | SVE | COMPLXNUM | SHA3},
    {"neoverse-n2", A76 | I8MM | SVE2 | COMPLXNUM},
    {"neoverse-v2", A76 | I8MM | SVE2 | COMPLXNUM},
};

/* ---- rows ---- */

#define OPS(n, k, a, b) "C: i32[" #n "], A: " #a "[" #k "], B: " #b "[" #n "," #k "]"
#define DOT "C[i] += i32(A[k]) * i32(B[i,k])"

#define LANES(n, k, a, b) "C: i32[" #n "], A: " #a "[" #n "," #k "], B: " #b "[" #n "," #k "]"
#define DOT_LANES "C[i] += i32(A[i,k]) * i32(B[i,k])"
#define DOT_HELP "one instruction, exact; A from memory or a lane of a register"
#define DOT_SVE_HELP "one instruction, exact; A from memory"
#define TILE(a, b) "C: i32[2,2], A: " #a "[2,8], B: " #b "[2,8]"
#define TILE_DOT "C[i,j] += i32(A[i,k]) * i32(B[j,k])"
#define TILE_HELP "two rows of A by two of B, eight products each; exact"

#define PAIRS(s) "@llvm.aarch64.neon." #s "addlp.v4i32.v8i16"
#define MULL(s, a, b) "@llvm.aarch64.neon." #s "mull.v8i16(" a ", " b ")"
#define DOT4(op, c, a, b) "@llvm.aarch64.neon." #op ".v4i32.v16i8(" c ", " a ", " b ")"
#define SVE_DOT4(op, c, a, b) "@llvm.aarch64.sve." #op ".nxv4i32(" c ", " a ", " b ")"

/* mac_per_cycle: a core with two dot-product units (Neoverse N1, N2), one multiplier without (Cortex-A72). */
static const struct intrin_row rows[] = {
    /* 8-bit by 8-bit without a dot instruction */
    {"dot2_i8i8_smull", OPS(4, 2, i8, i8), DOT,
     "add(C, " PAIRS(s) "(" MULL(s, "repeat.i8x8(A)", "B") "))",
     "neon", 0, 7, "sadalp", "exact: products in 16 bits, neighbours added in 32"},
    {"dot2_u8u8_umull", OPS(4, 2, u8, u8), DOT,
     "add(C, " PAIRS(u) "(" MULL(u, "repeat.i8x8(A)", "B") "))",
     "neon", 0, 7, "uadalp", "exact: products in 16 bits, neighbours added in 32"},

    /* two of them added in 16 bits before they are widened, where ranges allow: no -128 among the weights */
    {"dot2x2_i8i8_smlal", "C: i32[4], A: i8[2,2], B: i8[2,4,2]", "C[i] += i32(A[g,k]) * i32(B[g,i,k])",
     "add(C, " PAIRS(s) "(add(" MULL(s, "repeat.i8x8(part.i8x2(A, 0))", "part.i8x8(B, 0)") ", "
     MULL(s, "repeat.i8x8(part.i8x2(A, 1))", "part.i8x8(B, 1)") ")))",
     "neon", 2, 7.5, "smlal", "exact where each sum of two products fits 16 bits"},

    /* 16-bit by 16-bit: what is wider than a byte, differences from zero points */
    {"dot1_i16_smlal", OPS(4, 1, i16, i16), DOT,
     "add(C, mul(sext.i32x4(B), sext.i32x4(repeat.i16x4(A))))",
     "neon", 0, 4, "smlal", "exact on 16-bit operands"},

    /* dot-product instructions */
    {"dot4_i8i8_sdot", OPS(4, 4, i8, i8), DOT,
     DOT4(sdot, "C", "B", "repeat.i8x16(A)"),
     "dotprod", 0, 32, "sdot", DOT_HELP},
    {"dot4_u8u8_udot", OPS(4, 4, u8, u8), DOT,
     DOT4(udot, "C", "B", "repeat.i8x16(A)"),
     "dotprod", 0, 32, "udot", DOT_HELP},
    {"dot4_u8i8_usdot", OPS(4, 4, u8, i8), DOT,
     DOT4(usdot, "C", "repeat.i8x16(A)", "B"),
     "i8mm", 0, 32, "usdot", DOT_HELP},
    {"dot4_i8u8_usdot", OPS(4, 4, i8, u8), DOT,
     DOT4(usdot, "C", "B", "repeat.i8x16(A)"),
     "i8mm", 0, 32, "usdot", DOT_HELP},

    /* lane by lane: A and B hold the same channels */
    {"dot1_lanes_i16_smlal", LANES(8, 1, i16, i16), DOT_LANES,
     "add(C, mul(sext.i32x8(A), sext.i32x8(B)))",
     "neon", 0, 4, "smlal", "exact on 16-bit operands; depthwise"},
    {"dot4_lanes_i8i8_sdot", LANES(4, 4, i8, i8), DOT_LANES,
     DOT4(sdot, "C", "A", "B"),
     "dotprod", 0, 32, "sdot", "one instruction, exact; depthwise"},
    {"dot4_lanes_u8u8_udot", LANES(4, 4, u8, u8), DOT_LANES,
     DOT4(udot, "C", "A", "B"),
     "dotprod", 0, 32, "udot", "one instruction, exact; depthwise"},
    {"dot4_lanes_u8i8_usdot", LANES(4, 4, u8, i8), DOT_LANES,
     DOT4(usdot, "C", "A", "B"),
     "i8mm", 0, 32, "usdot", "one instruction, exact; depthwise"},

    /* matrix instructions: tiles of two rows by two columns */
    {"mmla_i8i8_smmla", TILE(i8, i8), TILE_DOT,
     DOT4(smmla, "C", "A", "B"),
     "i8mm", 0, 64, "smmla", TILE_HELP},
    {"mmla_u8u8_ummla", TILE(u8, u8), TILE_DOT,
     DOT4(ummla, "C", "A", "B"),
     "i8mm", 0, 64, "ummla", TILE_HELP},
    {"mmla_u8i8_usmmla", TILE(u8, i8), TILE_DOT,
     DOT4(usmmla, "C", "A", "B"),
     "i8mm", 0, 64, "usmmla", TILE_HELP},

    /* dot products of SVE, in registers of known least width: m lanes of 32 bits, n bytes. A64FX does two a
     * cycle; V1 two of 256 bits or four of NEON's 128, which is why those of 256 count as much as NEON's. */
#define SVE_ROWS(bits, m, n, r)                                                                                   \
    {"dot4_i8i8_sdot" #bits, OPS(m, 4, i8, i8), DOT, SVE_DOT4(sdot, "C", "B", "repeat.i8x" #n "(A)"),             \
     "sve" #bits, 0, r, "sdot\tz", DOT_SVE_HELP},                                                             \
    {"dot4_u8u8_udot" #bits, OPS(m, 4, u8, u8), DOT, SVE_DOT4(udot, "C", "B", "repeat.i8x" #n "(A)"),             \
     "sve" #bits, 0, r, "udot\tz", DOT_SVE_HELP},                                                             \
    {"dot4_u8i8_usdot" #bits, OPS(m, 4, u8, i8), DOT, SVE_DOT4(usdot, "C", "repeat.i8x" #n "(A)", "B"),           \
     "sve" #bits " i8mm", 0, r, "usdot\tz", DOT_SVE_HELP},                                                    \
    {"dot4_i8u8_usdot" #bits, OPS(m, 4, i8, u8), DOT, SVE_DOT4(usdot, "C", "B", "repeat.i8x" #n "(A)"),           \
     "sve" #bits " i8mm", 0, r, "usdot\tz", DOT_SVE_HELP},                                                    \
    {"dot4_lanes_i8i8_sdot" #bits, LANES(m, 4, i8, i8), DOT_LANES, SVE_DOT4(sdot, "C", "A", "B"),                 \
     "sve" #bits, 0, r, "sdot\tz", "one instruction, exact; depthwise"},                                      \
    {"dot4_lanes_u8u8_udot" #bits, LANES(m, 4, u8, u8), DOT_LANES, SVE_DOT4(udot, "C", "A", "B"),                 \
     "sve" #bits, 0, r, "udot\tz", "one instruction, exact; depthwise"},                                      \
    {"dot4_lanes_u8i8_usdot" #bits, LANES(m, 4, u8, i8), DOT_LANES, SVE_DOT4(usdot, "C", "A", "B"),               \
     "sve" #bits " i8mm", 0, r, "usdot\tz", "one instruction, exact; depthwise"},                             \
    {"fma_f32_sve" #bits, "C: f32[" #m "], A: f32[], B: f32[" #m "]", "C[i] fma= A[] * B[i]",                     \
     "@llvm.fma.v" #m "f32(repeat.f32x" #m "(A), B, C)",                                                          \
     "sve" #bits, 0, m, "fmla\tz", "A times B added to C, rounded once"}
    SVE_ROWS(256, 8, 32, 32),
    SVE_ROWS(512, 16, 64, 128),

    /* f32, one rounding a step */
    {"fma_f32_neon", "C: f32[4], A: f32[], B: f32[4]", "C[i] fma= A[] * B[i]",
     "@llvm.fma.v4f32(repeat.f32x4(A), B, C)",
     "neon", 0, 8, "fmla", "A times B added to C, rounded once"},

    /* requantisation, within expressions: C[i] of A[i] */
    {"mul_high_sqrdmulh", "C: i32[4], A: i32[4], B: i32[4] in -2147483647..2147483647",
     "C[i] = i32((i64(A[i]) * i64(B[i]) + 1073741824) >> 31)",
     "@llvm.aarch64.neon.sqrdmulh.v4i32(A, B)",
     "neon", 0, 0, "sqrdmulh", "Q31 product, half up: the first rounding of tflite_double"},
    {"mul_shift_srshl", "C: i64[2], A: i32[2], B: i32[2], N: i64[2] in 1..62",
     "C[i] = (i64(A[i]) * i64(B[i]) + ((1 << N[i]) >> 1)) >> N[i]",
     "@llvm.aarch64.neon.srshl.v2i64(@llvm.aarch64.neon.smull.v2i64(A, B), sub(0, N))",
     "neon", 0, 0, "srshl", "a product shifted right, half up: tflite_single"},
    {"shift_away_srshl", "C: i32[4], A: i32[4], N: i32[4] in 0..31",
     "C[i] = (A[i] >> N[i]) + i32((((1 << N[i]) - 1) >> 1) + i32(A[i] < 0) < (A[i] & ((1 << N[i]) - 1)))",
     "@llvm.aarch64.neon.srshl.v4i32(@llvm.sadd.sat.v4i32(A, ashr(and(A, sub(0, N)), 31)), sub(0, N))",
     "neon", 0, 0, "srshl", "shifted right, half away from zero: the second rounding of tflite_double"},
    {"shift_up_srshl", "C: i32[4], A: i32[4] in -2147483648..1073741823, N: i32[4] in 1..31",
     "C[i] = (A[i] + (1 << (N[i] - 1))) >> N[i]",
     "@llvm.aarch64.neon.srshl.v4i32(A, sub(0, N))",
     "neon", 0, 0, "srshl", "shifted right, half up, where the sum does not wrap"},
    {"shift_bit_srshl", "C: i32[4], A: i32[4], N: i32[4] in 1..31",
     "C[i] = (A[i] >> N[i]) + ((A[i] >> (N[i] - 1)) & 1)",
     "@llvm.aarch64.neon.srshl.v4i32(A, sub(0, N))",
     "neon", 0, 0, "srshl", "shifted right, half up"},
    {"shift_left_sqshl", "C: i32[4], A: i32[4], N: i32[4] in 0..31", "C[i] = sat_i32(i64(A[i]) << i64(N[i]))",
     "@llvm.aarch64.neon.sqshl.v4i32(A, N)",
     "neon", 0, 0, "sqshl", "shifted left, saturated"},
    {"narrow_sqxtn", "C: i32[2], A: i64[2]", "C[i] = sat_i32(A[i])",
     "@llvm.aarch64.neon.sqxtn.v2i32(A)",
     "neon", 0, 0, "sqxtn", "64 bits to 32, saturated: tflite_single"},
    {"rint_fcvtns", "C: i32[4], A: f32[4]", "C[i] = i32(rint(A[i]))",
     "@llvm.aarch64.neon.fcvtns.v4i32.v4f32(A)",
     "neon", 0, 0, "fcvtns", "rounded half to even: half_even"},
};

static int sve_bits(uint64_t bit) { return bit == SVE512 ? 512 : bit == SVE256 ? 256 : 0; }

static void measure(struct target *t)
{
    t->vector_bits = t->sve_bits ? t->sve_bits : 128;
    t->vector_regs = 32;
    t->cache_line = 64;
    t->l1_bytes = t->features & DOTPROD ? 64 << 10 : 32 << 10;
    t->l2_bytes = t->features & I8MM ? 1 << 20 : 512 << 10;
    t->lane_bytes = t->sve_bits && !(t->features & I8MM) ? 0 : 16; /* ld1rw reads and spreads; smmla wants tiles */
    t->fused = t->rounds = true;
}

const struct family family_aarch64 = {
    .name = "aarch64", .alias = "aarch64-linux-gnu", .triple = "aarch64-unknown-linux-gnu", .kind = TARGET_CPU, .ask = ASK_ID,
    .features = features, .nfeature = ARRAY_LEN(features),
    .cpus = cpus, .ncpu = ARRAY_LEN(cpus),
    .rows = rows, .nrow = ARRAY_LEN(rows), .measure = measure, .sve_bits = sve_bits,
    .help = "64-bit Arm: a CPU such as cortex-a72, neoverse-n1, neoverse-n2, or features: +dotprod, +i8mm",
};
