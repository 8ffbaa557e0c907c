/* SPDX-License-Identifier: Apache-2.0 */
/* x86.c - the x86-64 family: features, CPUs and instruction rows, all data.
 *
 * Features are those that a row needs, that a level of the psABI is made of, or that LLVM selects by
 * itself; so a machine that has all of a CPU's features here can run code generated for that CPU.
 * Names and contents are those of LLVM 19.
 *
 * Rows are named <operation>_<types of A and B>_<instruction set>[<bits>]. A is the operand that is
 * broadcast over the lanes of C, B holds one group a lane:
 *
 *     C: i32[8], A: u8[4], B: i8[8,4]      C[i] += i32(A[k]) * i32(B[i,k])
 *
 * In rows named dot2_lanes_... and dot4_lanes_... both hold one group a lane: a sum in each channel by itself.
 *
 * All are exact for all values (sums wrap modulo 2^32, as ir.h says), but for those with pair_i16:
 * vpmaddubsw saturates the sum of two products to 16 bits. */
#include "targets/target.h"

/* ---- features: id, LLVM's name, what it implies, help ---- */

#define FEATURES(X)                                                                               \
    X(SSE2, "sse2", 0, "128-bit integer vectors")                                                 \
    X(SSE3, "sse3", SSE2, "")                                                                     \
    X(SSSE3, "ssse3", SSE3, "pmaddubsw, pshufb")                                                  \
    X(SSE41, "sse4.1", SSSE3, "pmovsxbw, rounding")                                               \
    X(SSE42, "sse4.2", SSE41, "")                                                                 \
    X(SSE4A, "sse4a", SSE3, "AMD bit-field moves")                                                \
    X(POPCNT, "popcnt", 0, "count bits")                                                          \
    X(CX16, "cx16", 0, "cmpxchg16b")                                                              \
    X(SAHF, "sahf", 0, "lahf and sahf in 64-bit mode")                                            \
    X(LZCNT, "lzcnt", 0, "count leading zeros")                                                   \
    X(BMI, "bmi", 0, "bit manipulation")                                                          \
    X(BMI2, "bmi2", 0, "flagless shifts, pdep, pext")                                             \
    X(MOVBE, "movbe", 0, "byte-swapping moves")                                                   \
    X(AVX, "avx", SSE42, "256-bit float vectors")                                                 \
    X(F16C, "f16c", AVX, "half precision conversions")                                            \
    X(FMA, "fma", AVX, "fused multiply-add")                                                      \
    X(AVX2, "avx2", AVX, "256-bit integer vectors")                                               \
    X(GFNI, "gfni", SSE2, "byte-wise affine maps")                                                \
    X(AVX512F, "avx512f", AVX2 | FMA | F16C, "512-bit vectors, masks, 32 registers")              \
    X(AVX512CD, "avx512cd", AVX512F, "conflict detection")                                        \
    X(AVX512BW, "avx512bw", AVX512F, "512-bit vectors of bytes and words")                        \
    X(AVX512DQ, "avx512dq", AVX512F, "more operations on 32 and 64 bits")                         \
    X(AVX512VL, "avx512vl", AVX512F, "AVX-512 on 128 and 256 bits")                               \
    X(AVX512IFMA, "avx512ifma", AVX512F, "52-bit integer multiply-add")                           \
    X(AVX512VBMI, "avx512vbmi", AVX512BW, "byte permutes")                                        \
    X(AVX512VBMI2, "avx512vbmi2", AVX512BW, "byte compress, wide shifts")                         \
    X(AVX512VNNI, "avx512vnni", AVX512F, "int8 dot products (EVEX)")                              \
    X(AVX512BITALG, "avx512bitalg", AVX512BW, "count bits of bytes and words")                    \
    X(AVX512VPOPCNTDQ, "avx512vpopcntdq", AVX512F, "count bits of 32 and 64 bits")                \
    X(AVX512BF16, "avx512bf16", AVX512BW, "bfloat16 dot products")                                \
    X(AVX512FP16, "avx512fp16", AVX512BW | AVX512DQ | AVX512VL, "half precision arithmetic")      \
    X(AVXVNNI, "avxvnni", AVX2, "int8 dot products (VEX)")                                        \
    X(AVXVNNIINT8, "avxvnniint8", AVX2, "int8 dot products of equal signedness")                  \
    X(AVXVNNIINT16, "avxvnniint16", AVX2, "int16 dot products with unsigned operands")

enum {
#define X(id, name, implies, help) INDEX_##id,
    FEATURES(X)
#undef X
};
enum { /* wider than an int: gcc and clang take it, as C23 does */
#define X(id, name, implies, help) id = (int64_t)1 << INDEX_##id,
    FEATURES(X)
#undef X
};

static const struct feature features[] = {
#define X(id, name, implies, help) {name, id, implies, help},
    FEATURES(X)
#undef X
};

/* ---- CPUs: LLVM's names; a set may leave out what its features imply ---- */

#define V2 (SSE42 | POPCNT | CX16 | SAHF)
#define V3 (V2 | AVX2 | FMA | F16C | LZCNT | BMI | BMI2 | MOVBE)
#define V4 (V3 | AVX512BW | AVX512CD | AVX512DQ | AVX512VL)
#define ICELAKE                                                                                   \
    (V4 | AVX512VNNI | AVX512IFMA | AVX512VBMI | AVX512VBMI2 | AVX512BITALG | AVX512VPOPCNTDQ | GFNI)
#define SAPPHIRE (ICELAKE | AVX512BF16 | AVX512FP16 | AVXVNNI)
#define ALDER (V3 | AVXVNNI | GFNI)
#define ZEN (V3 | SSE4A)
#define ZEN4 (ICELAKE | AVX512BF16 | SSE4A)

static const struct cpu cpus[] = {
    {"x86-64", SSE2},
    {"x86-64-v2", V2},
    {"x86-64-v3", V3},
    {"x86-64-v4", V4},
    {"haswell", V3},
    {"broadwell", V3},
    {"skylake", V3},
    {"skylake-avx512", V4},
    {"cascadelake", V4 | AVX512VNNI},
    {"cooperlake", V4 | AVX512VNNI | AVX512BF16},
    {"icelake-client", ICELAKE},
    {"icelake-server", ICELAKE},
    {"tigerlake", ICELAKE},
    {"rocketlake", ICELAKE},
    {"sapphirerapids", SAPPHIRE},
    {"emeraldrapids", SAPPHIRE},
    {"graniterapids", SAPPHIRE},
    {"alderlake", ALDER},
    {"raptorlake", ALDER},
    {"gracemont", ALDER},
    {"sierraforest", ALDER | AVXVNNIINT8},
    {"arrowlake", ALDER | AVXVNNIINT8},
    {"lunarlake", ALDER | AVXVNNIINT8 | AVXVNNIINT16},
    {"znver1", ZEN},
    {"znver2", ZEN},
    {"znver3", ZEN},
    {"znver4", ZEN4},
    {"znver5", ZEN4 | AVXVNNI},
};

/* ---- rows ---- */

#define OPS(n, k, a, b) "C: i32[" #n "], A: " #a "[" #k "], B: " #b "[" #n "," #k "]"
#define DOT "C[i] += i32(A[k]) * i32(B[i,k])"
#define LANES(n, k, a, b) "C: i32[" #n "], A: " #a "[" #n "," #k "], B: " #b "[" #n "," #k "]"
#define DOT_LANES "C[i] += i32(A[i,k]) * i32(B[i,k])"
#define FMA_OPS(n) "C: f32[" #n "], A: f32[], B: f32[" #n "]"
#define FMA_ONE "C[i] fma= A[] * B[i]"

#define MADD128 "@llvm.x86.sse2.pmadd.wd"
#define MADD256 "@llvm.x86.avx2.pmadd.wd"
#define MADD512 "@llvm.x86.avx512.pmaddw.d.512"
#define UBSW128 "@llvm.x86.ssse3.pmadd.ub.sw.128"
#define UBSW256 "@llvm.x86.avx2.pmadd.ub.sw"
#define UBSW512 "@llvm.x86.avx512.pmaddubs.w.512"
#define BUSD(bits) "@llvm.x86.avx512.vpdpbusd." #bits
#define WSSD(bits) "@llvm.x86.avx512.vpdpwssd." #bits

/* Bytes 0 and 2 of each four as 16-bit lanes, and bytes 1 and 3: products of pairs cannot saturate. */
#define EVEN_U(x) "and(" x ", 255)"
#define EVEN_I(x) "ashr(shl(" x ", 8), 8)"
#define ODD_U(x) "lshr(" x ", 8)"
#define ODD_I(x) "ashr(" x ", 8)"
#define WIDE4(madd, t, a, b)                                                                      \
    "add(add(C, " madd "(" EVEN_##a("repeat." t "(A)") ", " EVEN_##b("bitcast." t "(B)") ")), "   \
    madd "(" ODD_##a("repeat." t "(A)") ", " ODD_##b("bitcast." t "(B)") "))"
#define WIDE4_HELP "exact on 8-bit operands as they lie in memory: even and odd bytes apart"

#define MADDUBS4(madd, ubsw, u, s) "add(C, " madd "(" ubsw "(" u ", " s "), 1))"
#define MADDUBS4_HELP "exact where each sum of two products fits 16 bits: activations up to 127, small weights"

/* Chains: products of G groups of four are added in 16 bits before they are widened once. */
#define CHAIN_OPS(n, g) "C: i32[" #n "], A: u8[" #g ",4], B: i8[" #g "," #n ",4]"
#define CHAIN_DOT "C[i] += i32(A[g,k]) * i32(B[g,i,k])"
#define CHAIN1(ubsw, t, g) ubsw "(part.i8x4(A, " #g "), part." t "(B, " #g "))"
#define CHAIN2(ubsw, t, g, h) "add(" CHAIN1(ubsw, t, g) ", " CHAIN1(ubsw, t, h) ")"
#define CHAIN4(ubsw, t) "add(" CHAIN2(ubsw, t, 0, 1) ", " CHAIN2(ubsw, t, 2, 3) ")"
#define WIDEN(madd, sums) "add(C, " madd "(" sums ", 1))"
#define CHAIN_HELP "exact where the products that meet in 16 bits fit there: short ranges of A or B"

/* -2139062144 is 0x80808080: (a ^ 0x80) as unsigned is a + 128, so 128 times the sum of B is too much. */
#define SIGNED4(busd, bytes)                                                                      \
    "sub(" busd "(C, xor(repeat." bytes "(A), -128), B), " busd "(0, -2139062144, B))"
#define SIGNED4_HELP "A moved up by 128 and the surplus taken off: the rows of a tile share that second product"

/* mac_per_cycle: vpmaddwd and vpmaddubsw on 256 bits as measured on Zen 3, chains of it on Zen 5; the others from port counts
 * in proportion, 512 bits on cores with two such units. */
static const struct intrin_row rows[] = {
    /* 16-bit by 16-bit: A and B widened ahead */
    {"dot2_i16_sse2", OPS(4, 2, i16, i16), DOT,
     "add(C, " MADD128 "(A, B))",
     "sse2", 0, 12, "pmaddwd", "exact on 16-bit operands"},
    {"dot2_i16_avx2", OPS(8, 2, i16, i16), DOT,
     "add(C, " MADD256 "(A, B))",
     "avx2", 0, 25, "pmaddwd", "exact on 16-bit operands"},
    {"dot2_i16_avx512", OPS(16, 2, i16, i16), DOT,
     "add(C, " MADD512 "(A, B))",
     "avx512bw", 0, 32, "pmaddwd", "exact on 16-bit operands"},

    /* 16-bit by 8-bit: A widened ahead, B widened as it is loaded (half the memory, the same speed) */
    {"dot2_i16i8_sse41", OPS(4, 2, i16, i8), DOT,
     "add(C, " MADD128 "(A, sext.i16x8(B)))",
     "sse4.1", 0, 11, "pmaddwd", "exact; B is widened as it is loaded"},
    {"dot2_i16i8_avx2", OPS(8, 2, i16, i8), DOT,
     "add(C, " MADD256 "(A, sext.i16x16(B)))",
     "avx2", 0, 24, "pmaddwd", "exact; B is widened as it is loaded"},
    {"dot2_i16i8_avx512", OPS(16, 2, i16, i8), DOT,
     "add(C, " MADD512 "(A, sext.i16x32(B)))",
     "avx512bw", 0, 30, "pmaddwd", "exact; B is widened as it is loaded"},

    /* 8-bit by 8-bit without a dot instruction, exact */
    {"dot4_u8i8_sse2", OPS(4, 4, u8, i8), DOT,
     WIDE4(MADD128, "i16x8", U, I),
     "sse2", 0, 10, "pmaddwd", WIDE4_HELP},
    {"dot4_i8i8_sse2", OPS(4, 4, i8, i8), DOT,
     WIDE4(MADD128, "i16x8", I, I),
     "sse2", 0, 10, "pmaddwd", WIDE4_HELP},
    {"dot4_i8u8_sse2", OPS(4, 4, i8, u8), DOT,
     WIDE4(MADD128, "i16x8", I, U),
     "sse2", 0, 10, "pmaddwd", WIDE4_HELP},
    {"dot4_u8u8_sse2", OPS(4, 4, u8, u8), DOT,
     WIDE4(MADD128, "i16x8", U, U),
     "sse2", 0, 10, "pmaddwd", WIDE4_HELP},
    {"dot4_u8i8_avx2", OPS(8, 4, u8, i8), DOT,
     WIDE4(MADD256, "i16x16", U, I),
     "avx2", 0, 21, "pmaddwd", WIDE4_HELP},
    {"dot4_i8i8_avx2", OPS(8, 4, i8, i8), DOT,
     WIDE4(MADD256, "i16x16", I, I),
     "avx2", 0, 21, "pmaddwd", WIDE4_HELP},
    {"dot4_i8u8_avx2", OPS(8, 4, i8, u8), DOT,
     WIDE4(MADD256, "i16x16", I, U),
     "avx2", 0, 21, "pmaddwd", WIDE4_HELP},
    {"dot4_u8u8_avx2", OPS(8, 4, u8, u8), DOT,
     WIDE4(MADD256, "i16x16", U, U),
     "avx2", 0, 21, "pmaddwd", WIDE4_HELP},
    {"dot4_u8i8_avx512", OPS(16, 4, u8, i8), DOT,
     WIDE4(MADD512, "i16x32", U, I),
     "avx512bw", 0, 26, "pmaddwd", WIDE4_HELP},
    {"dot4_i8i8_avx512", OPS(16, 4, i8, i8), DOT,
     WIDE4(MADD512, "i16x32", I, I),
     "avx512bw", 0, 26, "pmaddwd", WIDE4_HELP},
    {"dot4_i8u8_avx512", OPS(16, 4, i8, u8), DOT,
     WIDE4(MADD512, "i16x32", I, U),
     "avx512bw", 0, 26, "pmaddwd", WIDE4_HELP},
    {"dot4_u8u8_avx512", OPS(16, 4, u8, u8), DOT,
     WIDE4(MADD512, "i16x32", U, U),
     "avx512bw", 0, 26, "pmaddwd", WIDE4_HELP},

    /* 8-bit by 8-bit by vpmaddubsw: saturates, so used only where value ranges prove it does not */
    {"dot4_u8i8_maddubs_ssse3", OPS(4, 4, u8, i8), DOT,
     MADDUBS4(MADD128, UBSW128, "A", "B"),
     "ssse3", 2, 15, "pmaddubsw", MADDUBS4_HELP},
    {"dot4_i8u8_maddubs_ssse3", OPS(4, 4, i8, u8), DOT,
     MADDUBS4(MADD128, UBSW128, "B", "A"),
     "ssse3", 2, 15, "pmaddubsw", MADDUBS4_HELP},
    {"dot4_u8i8_maddubs_avx2", OPS(8, 4, u8, i8), DOT,
     MADDUBS4(MADD256, UBSW256, "A", "B"),
     "avx2", 2, 30, "pmaddubsw", MADDUBS4_HELP},
    {"dot4_i8u8_maddubs_avx2", OPS(8, 4, i8, u8), DOT,
     MADDUBS4(MADD256, UBSW256, "B", "A"),
     "avx2", 2, 30, "pmaddubsw", MADDUBS4_HELP},
    {"dot4_u8i8_maddubs_avx512", OPS(16, 4, u8, i8), DOT,
     MADDUBS4(MADD512, UBSW512, "A", "B"),
     "avx512bw", 2, 42, "pmaddubsw", MADDUBS4_HELP},
    {"dot4_i8u8_maddubs_avx512", OPS(16, 4, i8, u8), DOT,
     MADDUBS4(MADD512, UBSW512, "B", "A"),
     "avx512bw", 2, 42, "pmaddubsw", MADDUBS4_HELP},

    {"dot4x2_u8i8_maddubs_avx2", CHAIN_OPS(8, 2), CHAIN_DOT,
     WIDEN(MADD256, CHAIN2(UBSW256, "i8x32", 0, 1)),
     "avx2", 4, 40, "pmaddubsw", CHAIN_HELP},
    {"dot4x4_u8i8_maddubs_avx2", CHAIN_OPS(8, 4), CHAIN_DOT,
     WIDEN(MADD256, CHAIN4(UBSW256, "i8x32")),
     "avx2", 8, 43, "pmaddubsw", CHAIN_HELP},
    {"dot4x2_u8i8_maddubs_avx512", CHAIN_OPS(16, 2), CHAIN_DOT,
     WIDEN(MADD512, CHAIN2(UBSW512, "i8x64", 0, 1)),
     "avx512bw", 4, 56, "pmaddubsw", CHAIN_HELP},
    {"dot4x4_u8i8_maddubs_avx512", CHAIN_OPS(16, 4), CHAIN_DOT,
     WIDEN(MADD512, CHAIN4(UBSW512, "i8x64")),
     "avx512bw", 8, 60, "pmaddubsw", CHAIN_HELP},

    /* AVX512-VNNI */
    {"dot4_u8i8_vnni128", OPS(4, 4, u8, i8), DOT,
     BUSD(128) "(C, A, B)",
     "avx512vnni avx512vl", 0, 32, "vpdpbusd", "one instruction, exact"},
    {"dot4_u8i8_vnni256", OPS(8, 4, u8, i8), DOT,
     BUSD(256) "(C, A, B)",
     "avx512vnni avx512vl", 0, 64, "vpdpbusd", "one instruction, exact"},
    {"dot4_i8u8_vnni256", OPS(8, 4, i8, u8), DOT,
     BUSD(256) "(C, B, A)",
     "avx512vnni avx512vl", 0, 64, "vpdpbusd", "one instruction, exact"},
    {"dot4_i8i8_vnni256", OPS(8, 4, i8, i8), DOT,
     SIGNED4(BUSD(256), "i8x32"),
     "avx512vnni avx512vl", 0, 32, "vpdpbusd", SIGNED4_HELP},
    {"dot2_i16_vnni256", OPS(8, 2, i16, i16), DOT,
     WSSD(256) "(C, A, B)",
     "avx512vnni avx512vl", 0, 32, "vpdpwssd", "one instruction, exact"},
    {"dot2_i16i8_vnni256", OPS(8, 2, i16, i8), DOT,
     WSSD(256) "(C, A, sext.i16x16(B))",
     "avx512vnni avx512vl", 0, 30, "vpdpwssd", "exact; B is widened as it is loaded"},
    {"dot4_u8i8_vnni512", OPS(16, 4, u8, i8), DOT,
     BUSD(512) "(C, A, B)",
     "avx512vnni", 0, 128, "vpdpbusd", "one instruction, exact"},
    {"dot4_i8u8_vnni512", OPS(16, 4, i8, u8), DOT,
     BUSD(512) "(C, B, A)",
     "avx512vnni", 0, 128, "vpdpbusd", "one instruction, exact"},
    {"dot4_i8i8_vnni512", OPS(16, 4, i8, i8), DOT,
     SIGNED4(BUSD(512), "i8x64"),
     "avx512vnni", 0, 64, "vpdpbusd", SIGNED4_HELP},
    {"dot2_i16_vnni512", OPS(16, 2, i16, i16), DOT,
     WSSD(512) "(C, A, B)",
     "avx512vnni", 0, 64, "vpdpwssd", "one instruction, exact"},
    {"dot2_i16i8_vnni512", OPS(16, 2, i16, i8), DOT,
     WSSD(512) "(C, A, sext.i16x32(B))",
     "avx512vnni", 0, 60, "vpdpwssd", "exact; B is widened as it is loaded"},

    /* AVX-VNNI: LLVM selects the VEX form of the same intrinsics */
    {"dot4_u8i8_avxvnni128", OPS(4, 4, u8, i8), DOT,
     BUSD(128) "(C, A, B)",
     "avxvnni", 0, 32, "vpdpbusd", "one instruction, exact"},
    {"dot4_u8i8_avxvnni", OPS(8, 4, u8, i8), DOT,
     BUSD(256) "(C, A, B)",
     "avxvnni", 0, 64, "vpdpbusd", "one instruction, exact"},
    {"dot4_i8u8_avxvnni", OPS(8, 4, i8, u8), DOT,
     BUSD(256) "(C, B, A)",
     "avxvnni", 0, 64, "vpdpbusd", "one instruction, exact"},
    {"dot4_i8i8_avxvnni", OPS(8, 4, i8, i8), DOT,
     SIGNED4(BUSD(256), "i8x32"),
     "avxvnni", 0, 32, "vpdpbusd", SIGNED4_HELP},
    {"dot2_i16_avxvnni", OPS(8, 2, i16, i16), DOT,
     WSSD(256) "(C, A, B)",
     "avxvnni", 0, 32, "vpdpwssd", "one instruction, exact"},
    {"dot2_i16i8_avxvnni", OPS(8, 2, i16, i8), DOT,
     WSSD(256) "(C, A, sext.i16x16(B))",
     "avxvnni", 0, 30, "vpdpwssd", "exact; B is widened as it is loaded"},

    /* AVX-VNNI-INT8 */
    {"dot4_i8i8_avxvnniint8", OPS(8, 4, i8, i8), DOT,
     "@llvm.x86.avx2.vpdpbssd.256(C, A, B)",
     "avxvnniint8", 0, 64, "vpdpbssd", "one instruction, exact"},
    {"dot4_u8u8_avxvnniint8", OPS(8, 4, u8, u8), DOT,
     "@llvm.x86.avx2.vpdpbuud.256(C, A, B)",
     "avxvnniint8", 0, 64, "vpdpbuud", "one instruction, exact"},
    {"dot4_i8u8_avxvnniint8", OPS(8, 4, i8, u8), DOT,
     "@llvm.x86.avx2.vpdpbsud.256(C, A, B)",
     "avxvnniint8", 0, 64, "vpdpbsud", "one instruction, exact"},
    {"dot4_u8i8_avxvnniint8", OPS(8, 4, u8, i8), DOT,
     "@llvm.x86.avx2.vpdpbsud.256(C, B, A)",
     "avxvnniint8", 0, 64, "vpdpbsud", "one instruction, exact"},

    /* lane by lane: A and B hold the same channels, k of each side by side */
    {"dot2_lanes_i16_sse2", LANES(4, 2, i16, i16), DOT_LANES,
     "add(C, " MADD128 "(A, B))",
     "sse2", 0, 12, "pmaddwd", "exact on 16-bit operands; depthwise"},
    {"dot2_lanes_i16_avx2", LANES(8, 2, i16, i16), DOT_LANES,
     "add(C, " MADD256 "(A, B))",
     "avx2", 0, 25, "pmaddwd", "exact on 16-bit operands; depthwise"},
    {"dot2_lanes_i16_avx512", LANES(16, 2, i16, i16), DOT_LANES,
     "add(C, " MADD512 "(A, B))",
     "avx512bw", 0, 32, "pmaddwd", "exact on 16-bit operands; depthwise"},
    {"dot2_lanes_i16_avxvnni", LANES(8, 2, i16, i16), DOT_LANES,
     WSSD(256) "(C, A, B)",
     "avxvnni", 0, 32, "vpdpwssd", "one instruction, exact; depthwise"},
    {"dot2_lanes_i16_vnni256", LANES(8, 2, i16, i16), DOT_LANES,
     WSSD(256) "(C, A, B)",
     "avx512vnni avx512vl", 0, 32, "vpdpwssd", "one instruction, exact; depthwise"},
    {"dot2_lanes_i16_vnni512", LANES(16, 2, i16, i16), DOT_LANES,
     WSSD(512) "(C, A, B)",
     "avx512vnni", 0, 64, "vpdpwssd", "one instruction, exact; depthwise"},
    {"dot4_lanes_u8i8_avxvnni", LANES(8, 4, u8, i8), DOT_LANES,
     BUSD(256) "(C, A, B)",
     "avxvnni", 0, 64, "vpdpbusd", "one instruction, exact; depthwise"},
    {"dot4_lanes_u8i8_vnni256", LANES(8, 4, u8, i8), DOT_LANES,
     BUSD(256) "(C, A, B)",
     "avx512vnni avx512vl", 0, 64, "vpdpbusd", "one instruction, exact; depthwise"},
    {"dot4_lanes_u8i8_vnni512", LANES(16, 4, u8, i8), DOT_LANES,
     BUSD(512) "(C, A, B)",
     "avx512vnni", 0, 128, "vpdpbusd", "one instruction, exact; depthwise"},

    /* f32, one rounding a step */
    {"fma_f32_fma", FMA_OPS(4), FMA_ONE,
     "@llvm.fma.v4f32(repeat.f32x4(A), B, C)",
     "fma", 0, 8, "vfmadd", "A times B added to C, rounded once"},
    {"fma_f32_avx2", FMA_OPS(8), FMA_ONE,
     "@llvm.fma.v8f32(repeat.f32x8(A), B, C)",
     "avx2 fma", 0, 16, "vfmadd", "A times B added to C, rounded once"},
    {"fma_f32_avx512", FMA_OPS(16), FMA_ONE,
     "@llvm.fma.v16f32(repeat.f32x16(A), B, C)",
     "avx512f", 0, 32, "vfmadd", "A times B added to C, rounded once"},
};

static void measure(struct target *t)
{
    bool avx512 = t->features & AVX512F;
    t->vector_bits = t->features & AVX512BW ? 512 : t->features & AVX2 ? 256 : 128;
    t->vector_regs = t->vector_bits == 512 || t->features & AVX512VL ? 32 : 16;
    t->cache_line = 64;
    t->l1_bytes = 32 << 10;
    t->l2_bytes = avx512 ? 1 << 20 : 512 << 10;
    t->fused = t->features & FMA;
    t->rounds = t->features & SSE41;
    t->converts = true;
}

const struct family family_x86 = {
    .name = "x86-64", .triple = "x86_64-unknown-linux-gnu", .kind = TARGET_CPU, .ask = ASK_CPUID,
    .features = features, .nfeature = ARRAY_LEN(features),
    .cpus = cpus, .ncpu = ARRAY_LEN(cpus),
    .rows = rows, .nrow = ARRAY_LEN(rows), .measure = measure,
    .help = "x86-64: the levels x86-64-v2, -v3, -v4 or a CPU such as haswell, icelake-server, znver3",
};
