/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions of GPUs: every row against its meaning, by interp and as PTX in tests/emu/ptx, with its operands wherever they
 * may lie; what lanes may not do; why tensorize refuses one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codegen/passes.h"
#include "schedule/sched.h"
#include "schedule/warp.h"
#include "tests/support/nestrun.h"

/* ---- rows alone ---- */

/* Pitches of A's rows (g, a) and of B's (t, b), where the tile begins for each warp, and an offset of both. */
struct lie { const char *where; int a[2], b[2], warp, offset; bool ldmatrix; };

static const struct lie lies[] = {
    {"shared", {64, 1024}, {128, 64}, 2048, 16, true},
    {"shared", {48, 528}, {32, 512}, 2048, 0, true},        /* rows of B between each other */
    {"shared", {0, 32}, {0, 0}, 64, 32, true},              /* all the same */
    {"shared", {36, 8 * 36}, {72, 36}, 2048, 0, false},     /* not aligned to 16 bytes */
    {"shared", {64, 1024}, {128, 64}, 2048, 4, false},
    {"shared", {33, 37}, {35, 301}, 1023, 1, false},        /* to nothing */
    {"global", {64, 1024}, {128, 64}, 2048, 16, false},
    {"global", {33, 37}, {35, 301}, 1023, 3, false},
};

static void row_at(const struct target *t, const struct intrin *in, const struct lie *l, bool two_d)
{
    const struct meaning *m = in->meaning;
    bool shared = *l->where == 's', tall = m->op[0]->ndim == 2;
    struct str s = str_on(&nr.c.arena);
    str_printf(&s, "func row(arg A[4096] : %s, arg B[4096] : %s, out C[256] : i32) {\n", dtype_info[m->op[1]->dt].name,
               dtype_info[m->op[2]->dt].name);
    if (two_d) str_put(&s, "threadIdx.y y in 0..16 { threadIdx.x x in 0..4 {\n");
    else str_put(&s, "threadIdx.y w in 0..2 { threadIdx.x l in 0..32 {\n");
    const char *w = two_d ? "(y / 8)" : "w", *lane = two_d ? "(y % 8 * 4 + x)" : "l";
    if (shared) {
        str_printf(&s, "alloc shared S[4096] : %s { alloc shared T[4096] : %s { for i in 0..64 {\n", dtype_info[m->op[1]->dt].name,
                   dtype_info[m->op[2]->dt].name);
        str_printf(&s, "S[i*64 + %s*32 + %s] = A[i*64 + %s*32 + %s]; T[i*64 + %s*32 + %s] = B[i*64 + %s*32 + %s] }; sync\n", w, lane,
                   w, lane, w, lane, w, lane);
    }
    str_printf(&s, "alloc local L[4] : i32 { for i in 0..4 { L[i] = C[%s*128 + %s*4 + i] }\n", w, lane);
    str_printf(&s, "for n in 0..2 { %s(L[0], %s[%s*%d + %d], %s[%s*%d + %d], %s, ", m->name, shared ? "S" : "A", w, l->warp, l->offset,
               shared ? "T" : "B", w, l->warp, l->offset, lane);
    if (tall) str_printf(&s, "2, 1, %d, %d", l->a[0], l->a[1]); /* C's, then A's */
    else str_printf(&s, "1, %d", l->a[0]);
    str_printf(&s, ", %d, %d) }\n for i in 0..4 { C[%s*128 + %s*4 + i] = L[i] } } } } }%s", l->b[0], l->b[1], w, lane,
               shared ? " } }" : "");
    nr.ptx = (struct ptx_counts){0};
    nest_check_on(str_text(&s), t);
    assert_int_equal(nr.ptx.mma, 4);
    struct artifact *a = nest_compile(str_text(&s), t->name, CG_PTX);
    if (!strstr(a->bytes, in->row->mnemonic)) fail_msg("no %s in\n%s", in->row->mnemonic, a->bytes);
    if (!!strstr(a->bytes, "ldmatrix") != l->ldmatrix) fail_msg("ldmatrix where it may not be, or none, in\n%s", a->bytes);
    if (l->ldmatrix && strstr(a->bytes, "ld.shared")) fail_msg("other loads in\n%s", a->bytes);
    artifact_free(a);
}

/* Each thread on data of its own. */
static void thread_row(const struct target *t, const struct intrin *in)
{
    const struct meaning *m = in->meaning;
    const char *text = arena_printf(&nr.c.arena,
        "func row(arg A[256] : %s, arg B[256] : %s, out C[64] : i32) { blockIdx.x b in 0..2 { threadIdx.x l in 0..32 {\n"
        "%s(C[b*32 + l], A[b*128 + l*4], B[b*128 + l*4]) } } }", dtype_info[m->op[1]->dt].name, dtype_info[m->op[2]->dt].name, m->name);
    nest_check_on(text, t);
}

static void every_row_is_what_it_means(void **state)
{
    (void)state;
    static const char *const gpus[] = {"sm_61", "sm_75", "sm_80", "sm_90a", "sm_90a,+ptx84"};
    int seen = 0;
    for (size_t g = 0; g < ARRAY_LEN(gpus); g++) {
        const struct target *t = nest_target(gpus[g]);
        assert_true(t->nintrin >= seen); /* later GPUs have what earlier ones had */
        for (int i = 0; i < t->nintrin; i++) {
            size_t most = i < seen ? 1 : ARRAY_LEN(lies);
            if (!t->intrin[i].meaning->nlane) thread_row(t, &t->intrin[i]);
            for (size_t k = 0; meaning_nlanes(t->intrin[i].meaning) == 32 && k < most; k++) row_at(t, &t->intrin[i], &lies[k], k % 2);
        }
        seen = t->nintrin;
    }
    assert_int_equal(seen, family_nvptx.nrow);
}

/* ---- what lanes may not do ---- */

static void refused(const char *loops, const char *row, const char *ends, const char *why)
{
    const struct target *t = nest_target("sm_80");
    const char *text = arena_printf(&nr.c.arena,
        "func f(arg A[4096] : i8, arg B[4096] : i8, arg N[64] : i32, out C[4096] : i32) { %s mma_m16n8k32_i8i8(%s) %s }", loops, row, ends);
    const struct func *f = nest_parse(text, t);
    nest_no_error();
    if (cg_compile(&nr.c, nest_lowered(f, t), &(struct cg_options){.kind = CG_PTX})) fail_msg("compiled: %s", text);
    assert_int_equal(nr.c.err.first.code, ERR_TENSORIZE);
    if (!strstr(nr.c.err.first.msg, why)) fail_msg("\"%s\" is not in \"%s\"", why, nr.c.err.first.msg);
    assert_true(nr.c.err.first.hint && *nr.c.err.first.hint);
    err_clear(&nr.c.err);
}

static void lanes_come_together(void **state)
{
    (void)state;
    static const char all[] = "threadIdx.x l in 0..32 {", own[] = "C[l*4], A[0], B[0], l, 2, 1, 32, 256, 64, 32";
    refused(all, "C[l*4], A[0], B[0], l + 1, 2, 1, 32, 256, 64, 32", "}", "`l + 1` is not a thread's number in its warp");
    refused(all, "C[l*4], A[0], B[0], 0, 2, 1, 32, 256, 64, 32", "}", "`0` is not a thread's number");
    refused(all, "C[l*4], A[l], B[0], l, 2, 1, 32, 256, 64, 32", "}", "operand A, `A[l]`, is not the same");
    refused(all, "C[l*4], A[0], B[l/4*32], l, 2, 1, 32, 256, 64, 32", "}", "operand B");
    refused("threadIdx.x l in 0..32 { if (l < 31) {", own, "} }", "some may fail `l < 31`");
    refused("threadIdx.x l in 0..32 { if (N[l] < 31) {", own, "} }", "some may fail");
    refused("threadIdx.x l in 0..24 {", own, "}", "24 x 1 x 1");
    refused("threadIdx.x l in 0..8 { threadIdx.y y in 0..4 {", own, "} }", "8 x 4 x 1");
    refused("threadIdx.x l in 0..4 {", own, "}", "the block has 4");
    refused("blockIdx.x b in 0..2 { threadIdx.x u in 0..64 { C[b*64 + u] = 1 }; threadIdx.x l in 0..32 {", own, "} }", "loop l is 32 of the block's 64");
    refused("threadIdx.x l in 0..32 { alloc local L[4096] : i8 { for i in 0..4096 { L[i] = A[i] }\n",
            "C[l*4], L[0], B[0], l, 2, 1, 32, 256, 64, 32", "} }", "operand A");
    nest_check_on("func f(arg A[4096] : i8, arg B[4096] : i8, arg N[4] : i32, out C[512] : i32) { blockIdx.x b in 0..2 {\n"
                  "threadIdx.x l in 0..64 { if (i32(l / 32) < N[b]) { if (l < 32) {\n" /* whole warps may differ */
                  "mma_m16n8k32_i8i8(C[b*256 + l*4], A[l/32*2048], B[b*64], l % 32, 2, 1, 32, 256, 64, 32) } } } } }", nest_target("sm_80"));
}

/* ---- schedules ---- */

static const char program[] = "input A[m:64, k:64] : u8\nweight W[n:64, k:64] : i8\n"
                              "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n";

/* The steps up to tensorize, which then says why not. */
static void no_fit(const char *steps, const char *row, const char *why)
{
    const struct target *t = nest_target("sm_80");
    struct sched *s = sch_new(&nr.c, parse_program(&nr.c, program), t);
    if (!sch_text_steps(s, steps)) fail_msg("%s: %s", steps, nr.c.err.first.msg);
    assert_false(sch_text_steps(s, arena_printf(&nr.c.arena, "tensorize L.a %s", row)));
    if (!strstr(nr.c.err.first.msg, why)) fail_msg("\"%s\" is not in \"%s\"", why, nr.c.err.first.msg);
    err_clear(&nr.c.err);
}

#define TILES(bind, at, scope)                                                                                                   \
    "cache_write C local -> L; cache_read A " scope " L -> S; cache_read W shared L -> T\n"                                      \
    "split C.m 16 -> mo mi; split C.mi 2 -> g ma; split C.n 8 -> no ni; split C.ni 2 -> t nb; reorder C mo no g t ma nb\n"        \
    bind "; bind C.mo blockIdx.x\ncompute_at L C." at "; split L.k 32 -> ko kk; compute_at S L.ko; compute_at T L.ko\n"           \
    "split L.m 2 -> mo a; split L.n 2 -> no b; reorder L ko mo no a b kk"

static void tensorize_says_why(void **state)
{
    (void)state;
#define LANE "fuse C.g t -> lane; bind C.lane threadIdx.x"
    no_fit(TILES(LANE, "lane", "shared"), "mma_m16n8k32_i8i8", "is i8, but S is u8");
    no_fit(TILES(LANE, "lane", "local"), "mma_m16n8k32_u8i8", "operand A (S) is local, a thread's own");
    no_fit(TILES("bind C.g threadIdx.x; bind C.t threadIdx.y", "t", "shared"), "mma_m16n8k32_u8i8", "8 x 4 x 1 threads is not made of");
    no_fit(TILES("bind C.t threadIdx.x", "t", "shared"), "mma_m16n8k32_u8i8", "the block has 4");
    no_fit(TILES(LANE, "lane", "shared"), "mma_m16n8k16_u8i8", "it covers");
    no_fit(TILES("reorder C mo no t g ma nb; fuse C.t g -> lane; bind C.lane threadIdx.x", "lane", "shared"), "mma_m16n8k32_u8i8",
           "not linear in the loops and the lane `g * 4 + t`");
    const char *turned = "cache_write C local -> L; cache_read A shared L -> S; cache_read W shared L -> T\n"
                         "split C.m 8 -> mo mi; split C.mi 2 -> t ma; split C.n 16 -> no ni; split C.ni 2 -> g nb; reorder C mo no g t ma nb\n"
                         "fuse C.g t -> lane; bind C.lane threadIdx.x; bind C.mo blockIdx.x; compute_at L C.lane; split L.k 32 -> ko kk\n"
                         "compute_at S L.ko; compute_at T L.ko; split L.m 2 -> mo a; split L.n 2 -> no b; reorder L ko mo no a b kk";
    no_fit(turned, "mma_m16n8k32_u8i8", "operand A (S) must not move with t, where the lane is `g * 4 + t`, but moves by 64");
    no_fit(TILES("reorder C mo no g t ma nb; bind C.no threadIdx.x", "t", "shared"), "mma_m16n8k32_u8i8", "not made of");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_is_what_it_means, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(lanes_come_together, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(tensorize_says_why, nestrun_open, nestrun_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
