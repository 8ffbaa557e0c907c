/* SPDX-License-Identifier: Apache-2.0 */
/* wgmma: every row against its meaning, by interp and as PTX in tests/emu/ptx, with its tiles wherever a descriptor reaches;
 * what has no descriptor is refused, where it is chosen and where it is emitted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codegen/passes.h"
#include "schedule/sched.h"
#include "tests/support/nestrun.h"

/* Bytes between core matrices: A's along rows and terms, B's; where the tiles begin for each warpgroup. */
struct lie { int a[2], b[2], group, offset; };

static const struct lie lies[] = {
    {{128, 1024}, {128, 4096}, 128, 0},     /* terms after rows */
    {{256, 128}, {256, 128}, 4096, 16},     /* rows after terms, two tiles */
    {{144, 2064}, {272, 144}, 32, 48},      /* with gaps */
    {{0, 16}, {0, 0}, 16, 0},               /* one matrix again and again; two that overlap */
};

static const char *row_text(const struct meaning *m, const struct lie *l, int groups)
{
    int words = (int)(m->op[0]->shape[0] * 4);
    return arena_printf(&nr.c.arena,
        "func row(arg A[16384] : %s, arg B[16384] : %s, out C[%d] : i32) { threadIdx.y y in 0..%d { threadIdx.x l in 0..128 {\n"
        "alloc shared S[16384] : %s { alloc shared T[16384] : %s { for i in 0..%d {\n"
        "S[i*%d + y*128 + l] = A[i*%d + y*128 + l]; T[i*%d + y*128 + l] = B[i*%d + y*128 + l] }; sync\n"
        "alloc local L[%d] : i32 { for i in 0..%d { L[i] = C[(y*128 + l)*%d + i] }\n"
        "for n in 0..2 { %s(L[0], S[y*%d + %d], T[y*%d + %d], l, 4, 2, 1, %d, %d, %d, %d) }\n"
        "for i in 0..%d { C[(y*128 + l)*%d + i] = L[i] } } } } } } }",
        dtype_info[m->op[1]->dt].name, dtype_info[m->op[2]->dt].name, 128 * groups * words, groups, dtype_info[m->op[1]->dt].name,
        dtype_info[m->op[2]->dt].name, 128 / groups, 128 * groups, 128 * groups, 128 * groups, 128 * groups, words, words, words,
        m->name, l->group, l->offset, l->group, l->offset, l->a[0], l->a[1], l->b[0], l->b[1], words, words);
}

static void every_row_is_what_it_means(void **state)
{
    (void)state;
    const struct target *t = nest_target("sm_90a,+ptx84");
    int rows = 0;
    for (int i = 0; i < t->nintrin; i++) {
        const struct meaning *m = t->intrin[i].meaning;
        if (meaning_nlanes(m) != 128) continue;
        const struct lie *l = &lies[rows % (int)ARRAY_LEN(lies)];
        int groups = 1 + rows % 2;
        const char *text = row_text(m, l, groups);
        nr.ptx = (struct ptx_counts){0};
        nest_check_on(text, t);
        assert_int_equal(nr.ptx.mma, 2 * groups);
        struct artifact *a = nest_compile(text, t->name, CG_PTX);
        if (!strstr(a->bytes, t->intrin[i].row->mnemonic)) fail_msg("no %s in\n%s", t->intrin[i].row->mnemonic, a->bytes);
        artifact_free(a);
        rows++;
    }
    assert_int_equal(rows, 20);
}

static const struct meaning *meaning_of(const char *row)
{
    const struct intrin *in = target_intrin(nest_target("sm_90a,+ptx84"), row);
    assert_non_null(in);
    return in->meaning;
}

static void every_tile_is_reached(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(lies); k++)
        nest_check_on(row_text(meaning_of("wgmma_m64n32k32_i8i8"), &lies[k], 2), nest_target("sm_90a"));
}

static void refused(const char *text, enum err_code code, const char *why)
{
    const struct target *t = nest_target("sm_90a");
    const struct func *f = nest_parse(text, t);
    nest_no_error();
    if (cg_compile(&nr.c, nest_lowered(f, t), &(struct cg_options){.kind = CG_PTX})) fail_msg("compiled: %s", text);
    assert_int_equal(nr.c.err.first.code, code);
    if (!strstr(nr.c.err.first.msg, why)) fail_msg("\"%s\" is not in \"%s\"", why, nr.c.err.first.msg);
    err_clear(&nr.c.err);
}

static void what_has_no_descriptor_is_refused(void **state)
{
    (void)state;
    const struct meaning *m = meaning_of("wgmma_m64n16k32_u8u8");
    refused(row_text(m, &(struct lie){{128, 1024}, {128, 256}, 8, 0}, 2), ERR_TENSORIZE, "A (S) begins at multiples of 8 bytes");
    refused(row_text(m, &(struct lie){{128, 1024}, {128, 256}, 128, 4}, 1), ERR_TENSORIZE, "A (S) begins at multiples of 4 bytes");
    refused(row_text(m, &(struct lie){{136, 1024}, {128, 256}, 128, 0}, 1), ERR_TENSORIZE, "A (S) moves by 136 elements with a");
    refused(row_text(m, &(struct lie){{128, 1024}, {128, 24}, 128, 0}, 1), ERR_TENSORIZE, "B (T) moves by 24 elements with c");
    refused(row_text(m, &(struct lie){{128, 1 << 18}, {128, 256}, 128, 0}, 1), ERR_TENSORIZE, "below 262144");
#define LOOSE(a, lane)                                                                                                            \
    "func f(arg A[16384] : u8, arg B[16384] : u8, out C[2048] : i32) { threadIdx.x l in 0..128 { alloc shared S[16384] : u8 {\n" \
    "for i in 0..128 { S[i*128 + l] = A[i*128 + l] }; sync\nwgmma_m64n16k32_u8u8(C[l*8], " a "[0], S[0], " lane ", 4, 2, 1, 128, 1024, 128, 256) } } }"
    refused(LOOSE("A", "l"), ERR_TENSORIZE, "A (A) is not in shared memory");
    refused(LOOSE("S", "l % 32"), ERR_TENSORIZE, "`l % 32` is not a thread's number");
    nest_check_on(LOOSE("S", "l"), nest_target("sm_90a"));
}

/* ---- schedules ---- */

static const char program[] = "input A[m:8, a:2, g:8, k:64] : u8\nweight W[n:2, j:2, t:4, b:2, k:64] : u8\n"
                              "C[m, a, g, n, j, t, b] : i32 = sum(k) i32(A[m, a, g, k]) * i32(W[n, j, t, b, k])\n";

/* The steps up to tensorize, which fits (why NULL) or says why not. */
static void tensorize_on(const char *gpu, const char *rows, const char *terms, const char *row, const char *why)
{
    const struct target *t = nest_target(gpu);
    struct sched *s = sch_new(&nr.c, parse_program(&nr.c, program), t);
    const char *steps = arena_printf(&nr.c.arena,
        "cache_write C local -> L; cache_read A shared L -> S; cache_read W shared L -> T; split C.m 4 -> mb w\n"
        "reorder C mb n w g t a j b; fuse C.w g -> wg; fuse C.wg t -> lane; bind C.lane threadIdx.x; bind C.mb blockIdx.x\n"
        "compute_at L C.lane; split L.k 32 -> ko kk; split L.kk 16 -> c e; reorder L ko a j b c e; compute_at S L.ko; compute_at T L.ko\n"
        "transform_layout S %s; transform_layout T %s", rows, terms);
    if (!sch_text_steps(s, steps)) fail_msg("%s: %s", steps, nr.c.err.first.msg);
    bool fits = sch_text_steps(s, arena_printf(&nr.c.arena, "tensorize L.a %s", row));
    if (fits != !why) fail_msg("%s: %s", row, fits ? "fits" : nr.c.err.first.msg);
    if (why && !strstr(nr.c.err.first.msg, why)) fail_msg("\"%s\" is not in \"%s\"", why, nr.c.err.first.msg);
    err_clear(&nr.c.err);
}

static void tensorize_says_why(void **state)
{
    (void)state;
    static const char row[] = "wgmma_m64n16k32_u8u8";
    tensorize_on("sm_90a", "KMAG16k", "KNJTB16k", row, NULL);
    tensorize_on("sm_90a", "MAKG16k", "NJKTB16k", row, NULL);             /* terms between rows */
    tensorize_on("sm_90a", "KAMG16k", "KNJTB16k", row, "operand A (S) must move 1024 elements with w, where the lane is"); /* rows of a warp apart */
    tensorize_on("sm_90a", "MAGK", "KNJTB16k", row, "must move");         /* no core matrices */
    tensorize_on("sm_90a", "KMAG16k", "KNTJB16k", row, "must move");
    tensorize_on("sm_90a", "KMAG16k", "KNJTB16k", "wgmma_m64n8k32_u8u8", "it covers");
    tensorize_on("sm_90a", "KMAG16k", "KNJTB16k", "wgmma_m64n16k32_i8i8", "is i8, but");
    tensorize_on("sm_90", "KMAG16k", "KNJTB16k", row, "needs sm_90a");
    tensorize_on("sm_90a", "KMAG16k", "KNJTB16k", "wgmma_m64n16k32_u8i8", "ptx84");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_row_is_what_it_means, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(every_tile_is_reached, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(what_has_no_descriptor_is_refused, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(tensorize_says_why, nestrun_open, nestrun_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
