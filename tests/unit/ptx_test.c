/* SPDX-License-Identifier: Apache-2.0 */
/* ptx: the interpreter of PTX in tests/emu/ptx against answers worked out here, and what it must not let pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/progen.h"
#include "tests/emu/ptx/ptx.h"

#define HEAD ".version 7.1\n.target sm_80\n.address_size 64\n"
#define TWO_PARAMS "(.param .u64 k_param_0, .param .u64 k_param_1)"
#define POINTERS                                                                                              \
    "ld.param.u64 %rd1, [k_param_0]; cvta.to.global.u64 %rd1, %rd1;\n"                                        \
    "ld.param.u64 %rd2, [k_param_1]; cvta.to.global.u64 %rd2, %rd2; mov.u32 %r1, %tid.x;\n"
/* One entry k(in, out) with a.in bytes read and b.out bytes written. */
#define KERNEL(body)                                                                                          \
    HEAD ".visible .entry k" TWO_PARAMS "\n{\n.reg .pred %p<9>; .reg .b16 %rs<9>; .reg .b32 %r<40>;\n"         \
         ".reg .f32 %f<9>; .reg .b64 %rd<20>; .shared .align 16 .b8 sh[4096];\n" POINTERS body "\nret;\n}\n"

static struct ptx_report rep;

static bool run(const char *text, unsigned blocks, unsigned threads, void *in, size_t nin, void *out, size_t nout)
{
    char why[256] = "";
    struct ptx *p = ptx_load(text, why, sizeof why);
    if (!p) fail_msg("%s", why);
    struct ptx_buffer b[] = {{in, nin, true}, {out, nout, false}};
    uint64_t param[] = {ptx_address(0), ptx_address(1)};
    struct ptx_launch l = {.entry = "k", .grid = {blocks, 1, 1}, .block = {threads, 1, 1}, .nparam = 2, .param = param,
                           .nbuffer = 2, .buffer = b, .limit = 10000000};
    bool ok = ptx_run(p, &l, &rep);
    ptx_free(p);
    return ok;
}

static void expect_error(const char *text, unsigned threads, const char *why)
{
    uint8_t in[256] = {0}, out[4096];
    assert_false(run(text, 1, threads, in, sizeof in, out, sizeof out));
    if (!strstr(rep.why, why)) fail_msg("\"%s\" does not say \"%s\"", rep.why, why);
}

static void refuses(const char *text, const char *why)
{
    char got[256] = "";
    struct ptx *p = ptx_load(text, got, sizeof got);
    if (p) fail_msg("taken: %s", text);
    if (!strstr(got, why)) fail_msg("\"%s\" does not say \"%s\"", got, why);
}

/* ---- threads, guards, bounds ---- */

#define ADD_ONE(guard)                                                                                        \
    KERNEL("mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mad.lo.s32 %r4, %r2, %r3, %r1;\n" guard               \
           "mul.wide.s32 %rd3, %r4, 4; add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;\n"                  \
           "ld.global.u32 %r5, [%rd4]; add.s32 %r5, %r5, 1; st.global.u32 [%rd5], %r5;\n$end:\n")

static void add_one(void **s)
{
    int32_t in[100], out[100] = {0};
    for (int i = 0; i < 100; i++) in[i] = i * 0x1234567;
    assert_true(run(ADD_ONE("setp.gt.u32 %p1, %r4, 99;\n@%p1 bra $end;\n"), 4, 32, in, sizeof in, out, sizeof out));
    for (int i = 0; i < 100; i++) assert_int_equal(out[i], (int32_t)((uint32_t)in[i] + 1));
    assert_false(run(ADD_ONE(""), 4, 32, in, sizeof in, out, sizeof out));
    assert_non_null(strstr(rep.why, "buffer 0, which has 400"));
}

static void bad_access(void **s)
{
    expect_error(KERNEL("st.global.u32 [%rd2+2], %r1;"), 1, "not a multiple of 4");
    expect_error(KERNEL("st.global.u32 [%rd1], %r1;"), 1, "only to be read");
    expect_error(KERNEL("mov.u64 %rd3, 64; ld.global.u32 %r2, [%rd3];"), 1, "in no buffer");
    expect_error(KERNEL("st.shared.u32 [sh+4096], %r1;"), 1, "shared memory, which has 4096");
    expect_error(KERNEL("ld.shared.u32 %r2, [sh];"), 1, "nobody wrote");
    expect_error(KERNEL("$l:\nbra $l;"), 1, "more than 10000000");
}

static void refused(void **s)
{
    refuses(KERNEL("tanh.approx.f32 %f1, %f2;"), "unknown instruction 'tanh'");
    refuses(KERNEL("add.cc.u32 %r1, %r1, %r1;"), "unknown .cc of add");
    refuses(KERNEL("add.s32 %r1, %r99, 1;"), "no register %r99");
    refuses(KERNEL("bra $nowhere;"), "no label $nowhere");
    refuses(KERNEL("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r1}, {%r1}, {%r1}, {%r1};"), "of mma");
    refuses(HEAD ".func f() { ret; }", "'.func' outside an entry");
    refuses(KERNEL("ex2.approx.f32 %f1, %f2;"), "unknown instruction 'ex2'");
    expect_error(KERNEL("mov.f32 %f1, 0f3F800000; div.rn.f32 %f1, %f1, %f1; sqrt.rz.f32 %f1, %f1;"), 1, "rounding");
}

/* ---- what threads do to each other ---- */

static void races(void **s)
{
#define TO_SHARED "mul.lo.s32 %r2, %r1, 4; cvt.u64.u32 %rd3, %r2; mov.u64 %rd4, sh; add.s64 %rd5, %rd4, %rd3;\n"
#define SWAP(barrier)                                                                                         \
    KERNEL(TO_SHARED "st.shared.u32 [%rd5], %r1;\n" barrier                                                    \
                     "xor.b32 %r3, %r2, 4; cvt.u64.u32 %rd6, %r3; add.s64 %rd7, %rd4, %rd6;\n"                 \
                     "ld.shared.u32 %r4, [%rd7]; add.s64 %rd8, %rd2, %rd3; st.global.u32 [%rd8], %r4;")
    uint32_t in[1], out[64];
    assert_true(run(SWAP("bar.sync 0;"), 1, 64, in, sizeof in, out, sizeof out));
    for (unsigned i = 0; i < 64; i++) assert_int_equal(out[i], i ^ 1);
    assert_int_equal(rep.barriers, 1);
    assert_true(run(SWAP("bar.warp.sync -1;"), 1, 64, in, sizeof in, out, sizeof out));
    expect_error(SWAP(""), 64, "shared memory");      /* a race, or not written yet: the order decides */
    expect_error(KERNEL(TO_SHARED "st.shared.u32 [%rd5], %r1; bar.sync 0; st.shared.u32 [sh], %r1;"), 2, "race: writes");
    expect_error(KERNEL(TO_SHARED "st.shared.u32 [%rd5], %r1; bar.sync 0; ld.shared.u32 %r3, [sh]; "
                                  "st.shared.u32 [%rd5], %r3;"), 64, "race");
    expect_error(KERNEL("st.global.u32 [%rd2], %r1;"), 2, "race: writes byte 0 of a buffer");
    expect_error(KERNEL("setp.lt.u32 %p1, %r1, 7; @%p1 bar.sync 0;"), 64, "not all threads of the block");
    assert_true(run(KERNEL("red.global.add.u32 [%rd2], %r1;"), 2, 64, in, sizeof in, memset(out, 0, 4), 4));
    assert_int_equal(out[0], 2 * 63 * 64 / 2);
}

static void banks(void **s)
{
    uint32_t in[1], out[64];
#define STRIDE(n) KERNEL("mul.lo.s32 %r2, %r1, " n "; cvt.u64.u32 %rd3, %r2; mov.u64 %rd4, sh;\n"                \
                         "add.s64 %rd5, %rd4, %rd3; st.shared.u32 [%rd5], %r1;")
    assert_true(run(STRIDE("4"), 1, 64, in, sizeof in, out, sizeof out));
    assert_int_equal(rep.shared_accesses, 2);
    assert_int_equal(rep.shared_passes, 2);
    assert_true(run(STRIDE("128"), 1, 32, in, sizeof in, out, sizeof out));
    assert_int_equal(rep.shared_passes, 32);
    assert_int_equal(rep.worst_conflict, 32);
    assert_true(run(STRIDE("132") , 1, 31, in, sizeof in, out, sizeof out));
    assert_int_equal(rep.shared_passes, 1);
    assert_true(run(KERNEL("mul.lo.s32 %r2, %r1, 16; cvt.u64.u32 %rd3, %r2; mov.u64 %rd4, sh;\n"
                           "add.s64 %rd5, %rd4, %rd3; st.shared.v4.u32 [%rd5], {%r1, %r1, %r1, %r1};"),
                    1, 32, in, sizeof in, out, sizeof out));
    assert_int_equal(rep.shared_passes, 4);
    assert_int_equal(rep.worst_conflict, 0);
}

static void async_copy(void **s)
{
    uint8_t in[512], out[512];
    for (int i = 0; i < 512; i++) in[i] = (uint8_t)(i * 7);
#define COPY(wait)                                                                                            \
    KERNEL("mul.lo.s32 %r2, %r1, 16; cvt.u64.u32 %rd3, %r2; mov.u64 %rd4, sh; add.s64 %rd5, %rd4, %rd3;\n"      \
           "add.s64 %rd6, %rd1, %rd3; cp.async.cg.shared.global [%rd5], [%rd6], 16; cp.async.commit_group;\n" wait \
           "xor.b32 %r3, %r2, 16; cvt.u64.u32 %rd7, %r3; add.s64 %rd8, %rd4, %rd7; add.s64 %rd9, %rd2, %rd7;\n"  \
           "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%rd8]; st.global.v4.u32 [%rd9], {%r4, %r5, %r6, %r7};\n"     \
           "cp.async.wait_all;")
    assert_true(run(COPY("cp.async.wait_group 0; bar.sync 0;\n"), 1, 32, in, sizeof in, out, sizeof out));
    assert_memory_equal(in, out, sizeof in);
    assert_false(run(COPY("bar.sync 0;\n"), 1, 32, in, sizeof in, out, sizeof out));
    assert_false(run(COPY("cp.async.wait_group 0;\n"), 1, 32, in, sizeof in, out, sizeof out));
    assert_false(run(COPY("cp.async.wait_group 1; bar.sync 0;\n"), 1, 32, in, sizeof in, out, sizeof out));
}

/* ---- arithmetic ---- */

/* out[i] of a kernel that computes %r9 from %r5 and %r6, the i-th pair of `in`. */
#define PAIRWISE(body)                                                                                        \
    KERNEL("mul.wide.u32 %rd3, %r1, 4; mul.wide.u32 %rd4, %r1, 8; add.s64 %rd4, %rd1, %rd4;\n"                 \
           "ld.global.v2.u32 {%r5, %r6}, [%rd4]; add.s64 %rd5, %rd2, %rd3;\n" body "\nst.global.u32 [%rd5], %r9;")
enum { PAIRS = 64 };
static const uint32_t corner[8] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x80ff7f00, 0x7f7f7f7f, 0x80808080};
static uint32_t pair[PAIRS][2];

static uint32_t *pairwise(const char *text)
{
    static uint32_t out[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        pair[i][0] = corner[i % 8];
        pair[i][1] = corner[i / 8];
    }
    if (!run(text, 1, PAIRS, pair, sizeof pair, out, sizeof out)) fail_msg("%s", rep.why);
    return out;
}

static int32_t dot(uint32_t a, uint32_t b, bool sa, bool sb)
{
    int32_t sum = 0;
    for (int k = 0; k < 32; k += 8)
        sum += (sa ? (int8_t)(a >> k) : (int)(uint8_t)(a >> k)) * (sb ? (int8_t)(b >> k) : (int)(uint8_t)(b >> k));
    return sum;
}

static void arithmetic(void **s)
{
    const uint32_t *o;
#define EACH(text, want)                                                                                      \
    o = pairwise(PAIRWISE(text));                                                                              \
    for (int i = 0; i < PAIRS; i++) {                                                                          \
        uint32_t a = pair[i][0], b = pair[i][1];                                                               \
        int32_t sa = (int32_t)a, sb = (int32_t)b;                                                              \
        (void)sa, (void)sb, (void)b;                                                                           \
        if (o[i] != (uint32_t)(want)) fail_msg("%s: %#x %#x gives %#x, not %#x", text, a, b, o[i], (uint32_t)(want)); \
    }
    EACH("dp4a.s32.s32 %r9, %r5, %r6, 5;", dot(a, b, true, true) + 5)
    EACH("dp4a.u32.u32 %r9, %r5, %r6, 0;", dot(a, b, false, false))
    EACH("dp4a.u32.s32 %r9, %r5, %r6, 0;", dot(a, b, false, true))
    EACH("mul.hi.s32 %r9, %r5, %r6;", (uint64_t)((int64_t)sa * sb) >> 32)
    EACH("mul.hi.u32 %r9, %r5, %r6;", (uint64_t)a * b >> 32)
    EACH("min.s32 %r9, %r5, %r6;", sa < sb ? sa : sb)
    EACH("max.u32 %r9, %r5, %r6;", a > b ? a : b)
    EACH("max.s16x2 %r9, %r5, %r6;", (uint32_t)((int16_t)a > (int16_t)b ? a & 65535 : b & 65535)
         | (uint32_t)((int16_t)(a >> 16) > (int16_t)(b >> 16) ? a & ~65535u : b & ~65535u))
    EACH("min.u16x2 %r9, %r5, %r6;", ((a & 65535) < (b & 65535) ? a & 65535 : b & 65535)
         | (a >> 16 < b >> 16 ? a & ~65535u : b & ~65535u))
    EACH("shr.s32 %r9, %r5, 31;", sa < 0 ? -1 : 0)
    EACH("shl.b32 %r9, %r5, 40;", 0)
    EACH("shf.l.wrap.b32 %r9, %r5, %r6, 8;", b << 8 | a >> 24)
    /* bytes 0, 5, 2 of both and the sign of byte 3 */
    EACH("prmt.b32 %r9, %r5, %r6, 0xb250;", (a & 255) | (b >> 8 & 255) << 8 | (a & 0xff0000) | (sa < 0 ? 0xff000000 : 0))
#undef EACH
}

static void conversions(void **s)
{
    const uint32_t *o;
    o = pairwise(PAIRWISE("cvt.sat.s8.s32 %r9, %r5;"));
    for (int i = 0; i < PAIRS; i++) {
        int32_t v = (int32_t)pair[i][0];
        assert_int_equal((int8_t)o[i], v < -128 ? -128 : v > 127 ? 127 : v);
    }
    o = pairwise(PAIRWISE("cvt.rn.f32.s32 %f1, %r5; mul.rn.f32 %f1, %f1, 0f3F000000; cvt.rni.s32.f32 %r9, %f1;"));
    for (int i = 0; i < PAIRS; i++) {
        float half = (float)(int32_t)pair[i][0] * 0.5f;
        assert_int_equal((int32_t)o[i], (int32_t)__builtin_rintf(half));
    }
    o = pairwise(PAIRWISE("mov.b32 {%rs1, %rs2}, %r5; cvt.s32.s16 %r7, %rs2; cvt.u32.u16 %r8, %rs1; add.s32 %r9, %r7, %r8;"));
    for (int i = 0; i < PAIRS; i++)
        assert_int_equal(o[i], (uint32_t)((int16_t)(pair[i][0] >> 16) + (int32_t)(uint16_t)pair[i][0]));
}

/* ---- fragments ---- */

/* B and C lie plainly: lane l's registers in order. A comes by ldmatrix from row-major rows of 32 bytes, so the two
 * instructions must agree with the plain product. */
static void fragments(void **s)
{
    static const char text[] = KERNEL(
        "mul.lo.s32 %r2, %r1, 16; cvt.u64.u32 %rd3, %r2; mov.u64 %rd4, sh; add.s64 %rd5, %rd4, %rd3;\n"
        "add.s64 %rd6, %rd1, %rd3; ld.global.v4.u32 {%r3, %r4, %r5, %r6}, [%rd6];\n"
        "st.shared.v4.u32 [%rd5], {%r3, %r4, %r5, %r6}; bar.sync 0;\n"
        /* row of A: lane % 16; half of k: lane / 16 */
        "and.b32 %r7, %r1, 15; shr.u32 %r8, %r1, 4; shl.b32 %r7, %r7, 5; shl.b32 %r8, %r8, 4; add.s32 %r7, %r7, %r8;\n"
        "cvt.u64.u32 %rd7, %r7; add.s64 %rd8, %rd4, %rd7;\n"
        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%rd8];\n"
        "shl.b32 %r14, %r1, 3; cvt.u64.u32 %rd9, %r14; add.s64 %rd10, %rd1, %rd9;\n"
        "ld.global.v2.u32 {%r15, %r16}, [%rd10+512]; mov.b32 %r20, 7;\n"
        "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32\n\t{%r21, %r22, %r23, %r24},\n\t{%r10, %r11, %r12, %r13},\n"
        "\t{%r15, %r16},\n\t{%r20, %r20, %r20, %r20};\n"
        "add.s64 %rd11, %rd2, %rd3; st.global.v4.u32 [%rd11], {%r21, %r22, %r23, %r24};");
    struct { uint8_t a[16][32]; int8_t b[32][2][4]; } in;
    int32_t out[32][4];
    struct rng r = {1};
    for (size_t i = 0; i < sizeof in; i++) ((uint8_t *)&in)[i] = (uint8_t)rng_next(&r);
    memset(in.a[3], 255, 32);
    memset(in.b[4], -128, sizeof in.b[4]);
    if (!run(text, 1, 32, &in, sizeof in, out, sizeof out)) fail_msg("%s", rep.why);
    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++) {
            int32_t want = 7;
            for (int k = 0; k < 32; k++) want += in.a[m][k] * in.b[n * 4 + k % 16 / 4][k / 16][k % 4];
            assert_int_equal(out[m % 8 * 4 + n / 2][m / 8 * 2 + n % 2], want);
        }
    assert_int_equal(rep.mma, 1);
    expect_error(KERNEL("setp.lt.u32 %p1, %r1, 16; @%p1 shfl.sync.bfly.b32 %r2, %r1, 1, 31, -1;"), 32, "come here together");
}

static void shuffles(void **s)
{
    uint32_t in[1], out[32];
    assert_true(run(KERNEL("mov.b32 %r2, %r1;\n"
                           "shfl.sync.bfly.b32 %r3, %r2, 16, 31, -1; add.s32 %r2, %r2, %r3;\n"
                           "shfl.sync.bfly.b32 %r3, %r2, 8, 31, -1; add.s32 %r2, %r2, %r3;\n"
                           "shfl.sync.bfly.b32 %r3, %r2, 4, 31, -1; add.s32 %r2, %r2, %r3;\n"
                           "shfl.sync.bfly.b32 %r3, %r2, 2, 31, -1; add.s32 %r2, %r2, %r3;\n"
                           "shfl.sync.down.b32 %r3, %r2, 1, 31, -1; sub.s32 %r2, %r3, %r2;\n"
                           "mul.wide.u32 %rd3, %r1, 4; add.s64 %rd4, %rd2, %rd3; st.global.u32 [%rd4], %r2;"),
                    1, 32, in, sizeof in, out, sizeof out));
    for (int i = 0; i < 32; i++) assert_int_equal((int32_t)out[i], i == 31 ? 0 : i % 2 ? -16 : 16);
    expect_error(KERNEL("shfl.sync.bfly.b32 %r3, %r1, 1, 31, 65535;"), 32, "names lanes 0xffff of 0xffffffff");
    expect_error(KERNEL("shfl.sync.bfly.b32 %r3, %r1, 1, 31, -1;"), 24, "names lanes 0xffffffff of 0xffffff");
    expect_error(KERNEL("shfl.sync.idx.b32 %r3, %r1, 30, 31, 16777215;"), 24, "lane 30, which is not there");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_one), cmocka_unit_test(bad_access), cmocka_unit_test(refused), cmocka_unit_test(races),
        cmocka_unit_test(banks), cmocka_unit_test(async_copy), cmocka_unit_test(arithmetic),
        cmocka_unit_test(conversions), cmocka_unit_test(fragments), cmocka_unit_test(shuffles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
