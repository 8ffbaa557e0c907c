/* SPDX-License-Identifier: Apache-2.0 */
/* nvptx.c - NVIDIA GPUs by compute capability: PTX versions, limits of a kernel, rows.
 *
 * A capability is the CPU; its feature `sm_NN` says what instructions there are and implies those before it.
 * `ptxNN` is the version of the language that LLVM writes and a driver must know: each capability has the least that
 * its rows need (LLVM's own default for sm_75 knows no mma of bytes and aborts), and `sm_80,+ptx78` raises it.
 * LLVM 19 knows nothing beyond sm_90a; later GPUs run the PTX of sm_80 or sm_90. */
#include "targets/target.h"

enum {
    PTX60, PTX65, PTX70, PTX71, PTX78, PTX80, PTX84,
    SM61, SM70, SM75, SM80, SM86, SM89, SM90, SM90A
};
#define BIT(x) (UINT64_C(1) << (x))

static const struct feature features[] = {
    {"ptx60", BIT(PTX60), 0, "PTX 6.0, CUDA 9.0"},
    {"ptx65", BIT(PTX65), BIT(PTX60), "PTX 6.5, CUDA 10.2: mma of bytes"},
    {"ptx70", BIT(PTX70), BIT(PTX65), "PTX 7.0, CUDA 11.0: mma m16n8k32, cp.async"},
    {"ptx71", BIT(PTX71), BIT(PTX70), "PTX 7.1, CUDA 11.1"},
    {"ptx78", BIT(PTX78), BIT(PTX71), "PTX 7.8, CUDA 11.8"},
    {"ptx80", BIT(PTX80), BIT(PTX78), "PTX 8.0, CUDA 12.0: wgmma"},
    {"ptx84", BIT(PTX84), BIT(PTX80), "PTX 8.4, CUDA 12.4: wgmma of one operand signed and one not"},
    {"sm_61", BIT(SM61), BIT(PTX60), "Pascal: dp4a"},
    {"sm_70", BIT(SM70), BIT(SM61), "Volta"},
    {"sm_75", BIT(SM75), BIT(SM70) | BIT(PTX65), "Turing: mma m8n8k16 of bytes, ldmatrix"},
    {"sm_80", BIT(SM80), BIT(SM75) | BIT(PTX70), "Ampere: mma m16n8k32 of bytes, cp.async"},
    {"sm_86", BIT(SM86), BIT(SM80) | BIT(PTX71), "Ampere, consumer"},
    {"sm_89", BIT(SM89), BIT(SM86) | BIT(PTX78), "Ada"},
    {"sm_90", BIT(SM90), BIT(SM89) | BIT(PTX78), "Hopper"},
    {"sm_90a", BIT(SM90A), BIT(SM90) | BIT(PTX80), "Hopper with the instructions of no other GPU"},
};

static const struct cpu cpus[] = {
    {"sm_61", BIT(SM61)}, {"sm_70", BIT(SM70)}, {"sm_75", BIT(SM75)}, {"sm_80", BIT(SM80)},
    {"sm_86", BIT(SM86)}, {"sm_89", BIT(SM89)}, {"sm_90", BIT(SM90)}, {"sm_90a", BIT(SM90A)},
};

#define DOT4 "C[] += i32(A[k]) * i32(B[k])"
#define DP4A(a, b)                                                                                \
    "asm \"dp4a." a "." b " $0, $1, $2, $3;\" \"=r,r,r,r\" (bitcast.i32(A), bitcast.i32(B), C).i32"

/* Tiles by the lanes of a warp, g:8 by t:4, as mma deals them out: a lane has rows g (and, the axis a, 8 + g) of A and of the
 * result, of which columns 2*t + b; B, whose columns are rows here, is loaded by rows lane/4 = 2*t + b. Which rows and
 * columns of a tensor these are is for pitches to say: any will do. */
#define MMA(shape, k, a, b, meaning, load, mac, sa, sb, ab, type)                                                               \
    {"mma_" shape "_" a b, meaning(a, b, k), "@llvm.nvvm.mma." shape ".row.col." ab "(" load ", words(C))", type, 0, mac,        \
     "mma.sync.aligned." shape ".row.col.s32." sa "." sb ".s32", "a tile of 16 or 8 rows by 8 columns, exact, by a warp"}
#define MMA4(shape, k, meaning, load, mac, sm)                                                                                  \
    MMA(shape, k, "i8", "i8", meaning, load, mac, "s8", "s8", "s8", sm), MMA(shape, k, "u8", "i8", meaning, load, mac, "u8", "s8", "u8.s8", sm), \
    MMA(shape, k, "i8", "u8", meaning, load, mac, "s8", "u8", "s8.u8", sm), MMA(shape, k, "u8", "u8", meaning, load, mac, "u8", "u8", "u8", sm)
#define ROWS16(a, b, k)                                                                                                         \
    "C: i32[2*,2*], A: " a "[8*,2*," k "], B: " b "[4*,2*," k "]", "lane(g, t) C[a,b] += i32(A[g,a,k]) * i32(B[t,b,k])"
#define ROWS8(a, b, k) "C: i32[2*], A: " a "[8*," k "], B: " b "[4*,2*," k "]", "lane(g, t) C[b] += i32(A[g,k]) * i32(B[t,b,k])"

/* Rows of registers by number: REGS8("$") is $0, ... $7. Assembly takes what it adds to by tying: "0" is output $0. */
#define F(s, a, b, c, d) "," s #a "," s #b "," s #c "," s #d
#define REGS4(s) s "0," s "1," s "2," s "3"
#define REGS8(s) REGS4(s) F(s, 4, 5, 6, 7)
#define REGS16(s) REGS8(s) F(s, 8, 9, 10, 11) F(s, 12, 13, 14, 15)
#define REGS32(s) REGS16(s) F(s, 16, 17, 18, 19) F(s, 20, 21, 22, 23) F(s, 24, 25, 26, 27) F(s, 28, 29, 30, 31)
#define REGS64(s)                                                                                                               \
    REGS32(s) F(s, 32, 33, 34, 35) F(s, 36, 37, 38, 39) F(s, 40, 41, 42, 43) F(s, 44, 45, 46, 47) F(s, 48, 49, 50, 51)           \
        F(s, 52, 53, 54, 55) F(s, 56, 57, 58, 59) F(s, 60, 61, 62, 63)
#define OUT4 "=r,=r,=r,=r,"
#define OUT8 OUT4 OUT4
#define OUT16 OUT8 OUT8
#define OUT32 OUT16 OUT16
#define OUT64 OUT32 OUT32

/* Tiles by the threads of a warpgroup, four warps w:4 by g:8 by t:4: a thread has rows 16*w + 8*a + g and columns 8*j + 2*t + b
 * of the result. Operands are read from shared memory, in core matrices of 8 rows by 16 terms that lie contiguous; the pitches
 * between these, along the 2 * 16 terms (c) and along the rows, are the tile's own. Rows are 8 groups of A at one pitch, n / 8 of
 * B. The row waits for its own result, so it is an instruction like any other; what was stored to shared memory is made
 * visible to it first. */
#define WGMMA(n, j, regs, da, db, a, b, sa, sb, sm)                                                                             \
    {"wgmma_m64n" #n "k32_" a b, "C: i32[" #j "*,2*,2*], A: " a "[4,2*,2*,8,16], B: " b "[" #j "*,2*,4,2,16]",                   \
     "lane(w, g, t) C[j,a,b] += i32(A[w,a,c,g,e]) * i32(B[j,c,t,b,e])",                                                         \
     "asm \"fence.proxy.async.shared::cta; wgmma.fence.sync.aligned; wgmma.mma_async.sync.aligned.m64n" #n "k32.s32." sa "." sb   \
     " {" REGS##regs("$") "}, $" #da ", $" #db ", 1; wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;\" \""      \
     OUT##regs "l,l," REGS##regs("") ",~{memory}\" (descriptor(A, 2, 1), descriptor(B, 1, 0), words(C)).i32x" #regs,             \
     sm, 0, 4 * n, "wgmma.mma_async.sync.aligned.m64n" #n "k32.s32." sa "." sb,                                                 \
     "a tile of 64 rows by " #n " columns in shared memory, exact, by four warps"}
#define WGMMAS(a, b, sa, sb, sm)                                                                                                \
    WGMMA(8, 1, 4, 4, 5, a, b, sa, sb, sm), WGMMA(16, 2, 8, 8, 9, a, b, sa, sb, sm), WGMMA(32, 4, 16, 16, 17, a, b, sa, sb, sm), \
    WGMMA(64, 8, 32, 32, 33, a, b, sa, sb, sm), WGMMA(128, 16, 64, 64, 65, a, b, sa, sb, sm)

static const struct intrin_row rows[] = {
    {"dot4_i8i8_dp4a", "C: i32[], A: i8[4], B: i8[4]", DOT4, DP4A("s32", "s32"), "sm_61", 0, 4, "dp4a.s32.s32",
     "four products and their sum, exact, by every thread"},
    {"dot4_u8i8_dp4a", "C: i32[], A: u8[4], B: i8[4]", DOT4, DP4A("u32", "s32"), "sm_61", 0, 4, "dp4a.u32.s32",
     "four products and their sum, exact, by every thread"},
    {"dot4_i8u8_dp4a", "C: i32[], A: i8[4], B: u8[4]", DOT4, DP4A("s32", "u32"), "sm_61", 0, 4, "dp4a.s32.u32",
     "four products and their sum, exact, by every thread"},
    {"dot4_u8u8_dp4a", "C: i32[], A: u8[4], B: u8[4]", DOT4, DP4A("u32", "u32"), "sm_61", 0, 4, "dp4a.u32.u32",
     "four products and their sum, exact, by every thread"},
    MMA4("m8n8k16", "16", ROWS8, "matrix.1(A, lane%8, 0), matrix.1(B, lane/2%4, lane%2, 0)", 16, "sm_75"),
    MMA4("m16n8k16", "16", ROWS16,
         "matrix.2(A, lane%8, lane/8%2, 0), matrix.1(B, lane/2%4, lane%2, 0)", 24, "sm_80"),
    MMA4("m16n8k32", "32", ROWS16,
         "matrix.4(A, lane%8, lane/8%2, lane/16*16), matrix.2(B, lane/2%4, lane%2, lane/8%2*16)", 32, "sm_80"),
    WGMMAS("i8", "i8", "s8", "s8", "sm_90a"), WGMMAS("u8", "u8", "u8", "u8", "sm_90a"),
    WGMMAS("u8", "i8", "u8", "s8", "sm_90a ptx84"), WGMMAS("i8", "u8", "s8", "u8", "sm_90a ptx84"),
};

/* What one kernel may take without asking the driver for more, the same for all of these. */
static const struct simt_limits limits = {
    .warp = 32, .threads = 1024, .block = {1024, 1024, 64}, .grid = {INT32_MAX, 65535, 65535},
    .shared = 48 << 10, .regs = 65536, .thread_regs = 255,
};

/* What a block can be launched with that asks: of the last row that the target has. Not more from one GPU to the next: those
 * that run the PTX of an earlier one may have less. */
static const struct { uint64_t feature; int kib; } block_shared[] = {
    {BIT(SM61), 48}, {BIT(SM70), 96}, {BIT(SM75), 64}, {BIT(SM80), 163}, {BIT(SM86), 99}, {BIT(SM90), 227},
};

static void measure(struct target *t)
{
    for (size_t i = 0; i < ARRAY_LEN(block_shared); i++)
        if (t->features & block_shared[i].feature) t->block_shared = block_shared[i].kib << 10;
    t->vector_bits = 128; /* of one thread */
    t->vector_regs = limits.thread_regs;
    t->cache_line = 128;
    t->l1_bytes = limits.shared;
    t->l2_bytes = 2 << 20;
    t->fused = t->rounds = true;
}

const struct family family_nvptx = {
    .name = "nvptx", .triple = "nvptx64-nvidia-cuda", .kind = TARGET_SIMT, .simt = &limits,
    .features = features, .nfeature = ARRAY_LEN(features),
    .cpus = cpus, .ncpu = ARRAY_LEN(cpus),
    .rows = rows, .nrow = ARRAY_LEN(rows), .measure = measure,
    .help = "NVIDIA GPUs by compute capability: sm_61 to sm_90a. Loops are bound to blocks and threads",
};
