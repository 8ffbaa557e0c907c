/* SPDX-License-Identifier: Apache-2.0 */
/* Sums spread over the threads of a block: the statement in nests, what a bound reduce loop becomes, what is refused, and
 * every type and shape of a block in PTX. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "codegen/passes.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/support/nestrun.h"
#include "tests/support/ptxrun.h"

/* ---- the statement ---- */

#define NEST(by) "func f(arg A[3, 8] : i32, out O[3, 8] : i32) {\n"                                                           \
                 "  threadIdx.y y in 0..3 {\n    threadIdx.x x in 0..8 {\n      alloc local L[2] : i32 {\n"                     \
                 "        L[1] = A[y, x]\n        " by " L[1]\n        O[y, x] = L[1]\n      }\n    }\n  }\n}\n"

static bool run(const char *text, void *const *arg) { return interp_run(&nr.c, nest_parse(text, nest_target("sm_80")), arg); }

static void refused(const char *text, enum err_code code, const char *part)
{
    int32_t a[3][8] = {{0}}, o[3][8];
    const struct func *f = nest_parse(text, nest_target("sm_80"));
    assert_false(f && interp_run(&nr.c, f, (void *[]){a, o}));
    assert_int_equal(nr.c.err.first.code, code);
    if (!strstr(nr.c.err.first.msg, part)) fail_msg("no \"%s\" in: %s", part, nr.c.err.first.msg);
    err_clear(&nr.c.err);
}

static void groups_combine(void **state)
{
    (void)state;
    int32_t a[3][8], o[3][8];
    for (int i = 0; i < 24; i++) a[i / 8][i % 8] = (i * 37 % 32 - 16) * (1 << 27);
    const struct { const char *by; int width; bool down; char op; } all[] = {
        {"sum(threadIdx.x, 8)", 8, false, '+'}, {"sum(threadIdx.x, 2)", 2, false, '+'}, {"max(threadIdx.x, 4)", 4, false, '>'},
        {"min(threadIdx.y, 3)", 3, true, '<'}, {"sum(threadIdx.y, 3)", 3, true, '+'}};
    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        char text[600];
        snprintf(text, sizeof text, "func f(arg A[3, 8] : i32, out O[3, 8] : i32) {\n  threadIdx.y y in 0..3 { threadIdx.x x in 0..8 {\n"
                 "    alloc local L[2] : i32 { L[1] = A[y, x]; %s L[1]; O[y, x] = L[1] } } } }", all[k].by);
        bool ok = run(text, (void *[]){a, o});
        nest_no_error();
        assert_true(ok);
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 8; x++) {
                int first = (all[k].down ? y : x) / all[k].width * all[k].width;
                uint32_t want = 0;
                for (int i = 0; i < all[k].width; i++) {
                    int32_t v = all[k].down ? a[first + i][x] : a[y][first + i], w = (int32_t)want;
                    want = !i ? (uint32_t)v : all[k].op == '+' ? want + (uint32_t)v : (uint32_t)((all[k].op == '<') == (v < w) ? v : w);
                }
                assert_int_equal(o[y][x], (int32_t)want);
            }
    }
}

static void its_text(void **state)
{
    (void)state;
    struct str s = str_on(&nr.c.arena);
    print_func(&s, nest_parse(NEST("max(threadIdx.x, 4)"), nest_target("sm_80")));
    nest_no_error();
    assert_string_equal(str_text(&s), NEST("max(threadIdx.x, 4)"));
    assert_non_null(strstr(nest_passes(NEST("sum(threadIdx.x, 2)"), "sm_80"), "sum(threadIdx.x, 2) L[1]"));
}

static void what_cannot_combine(void **state)
{
    (void)state;
    refused(NEST("sum(threadIdx.x, 3)"), ERR_RACE, "3 threads along threadIdx.x combine L, of the block's 8");
    refused(NEST("L[0] = 1; if (x < 4) { sum(threadIdx.x, 4) L[0] }; max(threadIdx.x, 2)"), ERR_RACE, "does not reach");
    refused("func f(arg A[3, 8] : i32, out O[3, 8] : i32) { threadIdx.x x in 0..8 { alloc local L[1] : i32 {\n"
            "  sum(threadIdx.x, 8) L[0]; O[0, x] = L[0] } } }", ERR_BOUNDS, "L[0] is read but was never written");
    refused("func f(arg A[3, 8] : i32, out O[3, 8] : i32) { alloc local L[1] : i32 { L[0] = 1\n"
            "  sum(threadIdx.x, 8) L[0]; O[0, 0] = L[0] } }", ERR_UNSUPPORTED, "where no loop is bound");
    /* it orders nothing: another thread's write is as far away as before */
    refused("func f(arg A[3, 8] : i32, out O[3, 8] : i32) { alloc shared S[8] : i32 { threadIdx.x x in 0..8 { alloc local L[1] : i32 {\n"
            "  L[0] = 1; S[x] = A[0, x]; sum(threadIdx.x, 8) L[0]; O[0, x] = S[7 - x] } } } }", ERR_RACE, "no sync between");
    const char *const bad[] = {
        "func f(out O[8] : i32) { threadIdx.x x in 0..8 { alloc shared L[1] : i32 { sum(threadIdx.x, 8) L[0] } } }",
        "func f(out O[8] : i32) { threadIdx.x x in 0..8 { alloc local L[1] : f32 { sum(threadIdx.x, 8) L[0] } } }",
        "func f(out O[8] : i32) { threadIdx.x x in 0..8 { alloc local L[1] : i32 { sum(blockIdx.x, 8) L[0] } } }",
        "func f(out O[8] : i32) { threadIdx.x x in 0..8 { alloc local L[1] : i32 { sum(threadIdx.x, 1) L[0] } } }"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(verify_func(&nr.c, nest_parse(bad[i], nest_target("sm_80")), 0));
        err_clear(&nr.c.err);
    }
}

static void only_a_warp_in_machine_code(void **state)
{
    (void)state;
    static const struct { const char *text, *cpu, *why; } no[] = {
        {NEST("sum(threadIdx.y, 3)"), "sm_80", "3 threads along threadIdx.y, 8 apart, in a block of 8 x 3 x 1"},
        {"func f(out O[64] : i32) { threadIdx.x x in 0..64 { alloc local L[1] : i32 { L[0] = 1; sum(threadIdx.x, 64) L[0]; O[x] = L[0] } } }",
         "sm_80", "no part of a warp of 32"},
        {"func f(out O[64] : i32) { alloc local L[1] : i32 { L[0] = 1; sum(threadIdx.x, 8) L[0]; O[0] = L[0] } }", "x86-64-v3",
         "threads combine L, which x86-64-v3 does not have"}};
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        const struct target *t = nest_target(no[i].cpu);
        assert_false(check_func(&nr.c, nest_parse(no[i].text, t), t));
        if (!strstr(nr.c.err.first.msg, no[i].why)) fail_msg("no \"%s\" in: %s", no[i].why, nr.c.err.first.msg);
        assert_non_null(nr.c.err.first.hint);
        err_clear(&nr.c.err);
    }
    struct artifact *a = nest_compile(NEST("sum(threadIdx.x, 8)"), "sm_61", CG_PTX);
    nest_no_error();
    assert_non_null(strstr(a->bytes, "shfl.sync.bfly.b32"));
    assert_non_null(strstr(a->bytes, "16777215;")); /* 24 lanes are there */
    artifact_free(a);
}

/* ---- steps ---- */

static const char dense[] = "input A[m:3, k:256] : u8; weight W[n:10, k:256] : i8\n"
                            "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k]); Out[m, n] = C[m, n] + 1";

struct fix { struct ir_ctx c; struct sched *s; const struct program *p; };

static void start(struct fix *f, const char *program, const char *target)
{
    ir_ctx_init(&f->c, 0);
    f->p = parse_program(&f->c, program);
    f->s = sch_new(&f->c, f->p, target_parse(&f->c, target, strlen(target), (struct span){0}));
    if (!f->s) show_error(&f->c);
    assert_non_null(f->s);
}

static void step(struct fix *f, const char *text)
{
    bool ok = sch_text_steps(f->s, text);
    if (!ok) show_error(&f->c);
    assert_true(ok);
}

static void no_step(struct fix *f, const char *text, enum err_code code, const char *word)
{
    int n = sch_nsteps(f->s);
    assert_false(sch_text_steps(f->s, text));
    struct str s = str_on(&f->c.arena);
    err_render(&f->c.err.first, &s);
    if (f->c.err.first.code != code || !strstr(str_text(&s), word)) fail_msg("no \"%s\" in: %s", word, str_text(&s));
    assert_non_null(f->c.err.first.hint);
    err_clear(&f->c.err);
    assert_int_equal(sch_nsteps(f->s), n);
}

static void a_warp_exchanges_registers(void **state)
{
    (void)state;
    struct fix f;
    start(&f, dense, "sm_80");
    step(&f, "set_scope C local; bind Out.m blockIdx.y; bind Out.n blockIdx.x; compute_at C Out.n");
    step(&f, "split C.k 32 -> ko kx; bind C.kx threadIdx.x");
    struct str s = str_on(&f.c.arena);
    print_stmt(&s, sch_lower(f.s)->main->body, 0);
    assert_string_equal(str_text(&s), "blockIdx.y m in 0..3 {\n"
                                      "  blockIdx.x n in 0..10 {\n"
                                      "    alloc local C[1, 1] : i32 in -8355840..8290560 {\n"
                                      "      C[0, 0] = 0\n"
                                      "      for ko in 0..8 {\n"
                                      "        threadIdx.x kx in 0..32 {\n"
                                      "          C[0, 0] = C[0, 0] + i32(A[m, ko * 32 + kx]) * i32(W[n, ko * 32 + kx])\n"
                                      "        }\n"
                                      "      }\n"
                                      "      sum(threadIdx.x, 32) C[0, 0]\n"
                                      "      threadIdx.x one in 0..1 {\n"
                                      "        Out[m, n] = C[0, 0] + 1\n"
                                      "      }\n"
                                      "    }\n"
                                      "  }\n"
                                      "}\n");
    ir_ctx_release(&f.c);
}

static void steps_refused(void **state)
{
    (void)state;
    struct fix f;
    start(&f, dense, "sm_80");
    no_step(&f, "bind C.k threadIdx.x", ERR_ILLEGAL_STEP, "cache_write C local");
    no_step(&f, "bind C.k blockIdx.x", ERR_ILLEGAL_STEP, "rfactor C.k");
    no_step(&f, "bind C.k vthread", ERR_ILLEGAL_STEP, "rfactor C.k");
    step(&f, "bind Out.m blockIdx.y; bind Out.n threadIdx.x; compute_at C Out.n");
    step(&f, "set_scope C local");
    no_step(&f, "bind C.k threadIdx.x", ERR_ILLEGAL_STEP, "have elements of Out.n each");
    step(&f, "bind C.k threadIdx.y");
    no_step(&f, "set_scope C shared", ERR_ILLEGAL_STEP, "set_scope C local");
    no_step(&f, "compute_root C", ERR_ILLEGAL_STEP, "cache_write C local");
    ir_ctx_release(&f.c);
    start(&f, "input A[k:64] : f32; C[] : f32 = sum(k) A[k]", "sm_80");
    step(&f, "cache_write C local -> L");
    assert_false(sch_text_steps(f.s, "bind L.k threadIdx.x"));
    assert_int_equal(f.c.err.first.code, ERR_FLOAT_ORDER);
    ir_ctx_release(&f.c);
}

/* Four threads have rows, eight fetch. */
static void where_some_threads_do_not_come(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[m:8, k:64] : i32; S[m] = A[m, 0]; C[m] : i32 = sum(k) A[m, k]; Out[m] = C[m] + S[m] + S[7 - m]", "sm_80");
    step(&f, "set_scope C local; split Out.m 4 -> o i; bind Out.i threadIdx.y; compute_at C Out.i; set_scope S shared");
    step(&f, "compute_at S Out.o; bind S.m threadIdx.y");
    no_step(&f, "bind C.k threadIdx.x", ERR_RACE, "where not all threads of the block come");
    ir_ctx_release(&f.c);
}

/* ---- in PTX ---- */

static void exact(const char *program, const char *steps, const char *target, const char *has)
{
    struct fix f;
    struct oracle o;
    struct ptx_counts n = {0};
    start(&f, program, target);
    step(&f, steps);
    assert_true(oracle_init(&f.c, &o, f.p, 7));
    const struct lowered *l = sch_lower(f.s);
    if (!ptx_check(&f.c, l, &o, false, &n)) fail_msg("%s\n%s", program, steps);
    struct artifact *a = cg_compile(&f.c, l, &(struct cg_options){.kind = CG_PTX, .verify = true});
    assert_non_null(a);
    if (!strstr(a->bytes, has)) fail_msg("no %s in\n%s", has, a->bytes);
    artifact_free(a);
    oracle_free(&o);
    ir_ctx_release(&f.c);
}

static void all_types_and_blocks(void **state)
{
    (void)state;
    static const char *const type[] = {"i8", "u8", "i16", "u16", "i32", "i64"}, *const by[] = {"sum", "min", "max"};
    static const struct { int threads; const char *axis, *has; } block[] = {
        {32, "x", "sync."}, {64, "x", "bar.sync"}, {24, "x", "shfl.sync"}, {7, "x", "bar.sync"}, {100, "x", "bar.sync"},
        {4, "y", "shfl.sync"}, {5, "z", "bar.sync"}, {256, "x", "sync."}, {16, "y", "bar.sync"}};
    for (int t = 0; t < 6; t++)
        for (int k = 0; k < 3; k++)
            for (size_t b = t * 3 + k < 3 ? 0 : (size_t)(t + k) % 4; b < ARRAY_LEN(block); b += t * 3 + k < 3 ? 1 : 4) {
                char program[300], steps[300];
                snprintf(program, sizeof program, "input A[m:6, k:1030] : %s; C[m] : %s = %s(k) A[m, k]; Out[m] : %s = C[m]", type[t], type[t],
                         by[k], type[t]);
                snprintf(steps, sizeof steps, "set_scope C local; split Out.m 4 -> mo mi; bind Out.mo blockIdx.x; bind Out.mi threadIdx.%s\n"
                         "compute_at C Out.mi; split C.k %d -> ko kt; bind C.kt threadIdx.%s", *block[b].axis == 'x' ? "y" : "x",
                         block[b].threads, block[b].axis);
                if (t < 5 || k) exact(program, steps, t & 1 ? "sm_61" : "sm_80", block[b].has);
            }
    exact("input A[m:6, k:1030] : i32; C[m] : i64 = sum(k) i64(A[m, k]); Out[m] : i64 = C[m]",
          "set_scope C local; bind Out.m blockIdx.x; compute_at C Out.m; split C.k 40 -> ko kt; bind C.kt threadIdx.x", "sm_80", "bar.sync");
}

/* Tiles of a thread, two axes at once, guards that some threads fail, a fetch of all threads inside. */
static void with_all_else(void **state)
{
    (void)state;
    static const char program[] = "input A[m:9, k:200] : u8; weight W[n:11, k:200] : i8\n"
                                  "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k]); Out[m, n] = C[m, n] + 1";
    exact(program, "set_scope C local; split Out.m 4 -> mo mi; split Out.n 3 -> no ni; reorder Out mo no mi ni; bind Out.mo blockIdx.x\n"
                   "bind Out.no threadIdx.z; compute_at C Out.no; split C.k 16 -> kk kx; bind C.kx threadIdx.x; reorder C kx m n kk\n"
                   "unroll C.m; unroll C.n", "sm_75", "shfl.sync");
    exact(program, "set_scope C local; bind Out.m blockIdx.x; compute_at C Out.m; split C.k 64 -> kx kk; split C.kk 4 -> kz ky\n"
                   "bind C.kx threadIdx.y; bind C.ky threadIdx.x; reorder C kx ky n kz", "sm_80", "shfl.sync");
    exact(program, "set_scope C local; cache_read A shared C -> S; split Out.n 4 -> no ni; bind Out.m blockIdx.x; bind Out.ni threadIdx.y\n"
                   "compute_at C Out.ni; split C.k 64 -> ko kr; split C.kr 32 -> kq kx; bind C.kx threadIdx.x; compute_at S C.ko\n"
                   "split S.k 32 -> f g; bind S.g threadIdx.x", "sm_80", "bar.sync");
}

/* The template's way with few rows (no other takes 512 terms at a time), whatever they come to. */
static void few_rows_by_template(void **state)
{
    (void)state;
    static const int size[][4] = {{1, 33, 512, 1}, {2, 7, 1040, 2}, {3, 5, 4096, 1}, {5, 9, 528, 4}, {16, 3, 2560, 8},
                                  {1, 130, 512, 1}};
    for (size_t i = 0; i < ARRAY_LEN(size); i++) {
        char program[400], steps[100];
        const int *n = size[i];
        snprintf(program, sizeof program, "input X[m:%d, k:%d] : %s; weight W[o:%d, k:%d] : i8; bias B[o:%d] : i32; scale S[o:%d] : f32\n"
                 "C[m, o] : i32 = sum(k) i32(X[m, k]) * i32(W[o, k])\n"
                 "Out[m, o] : u8 = requantize(C[m, o] + B[o], scale: S[o], zero: 7, round: half_even)", n[0], n[2], i % 2 ? "u8" : "i8", n[1],
                 n[2], n[1], n[1]);
        snprintf(steps, sizeof steps, "template gpu step=512 mr=%d", n[3]);
        exact(program, steps, "sm_75", "shfl.sync");
    }
    exact("input X[b:3, m:1, k:512] : i8; input W[b:3, o:6, k:512] : i8\n"
          "C[b, m, o] : i32 = sum(k) i32(X[b, m, k]) * i32(W[b, o, k])", "template gpu step=512", "sm_80", "redux.sync.add.s32");
    exact("input X[m:1, k:2048] : u8; weight W[o:1000, k:2048] : i8; C[m, o] : i32 = sum(k) i32(X[m, k]) * i32(W[o, k])", "template",
          "sm_80", "redux.sync.add.s32");
}

/* Parts of a sum by blocks of their own, each as the template runs a whole one; a second kernel adds them. */
static void blocks_share_a_sum(void **state)
{
    (void)state;
    static const char split[] = "split C.k parts=%d -> kb kr; rfactor C.kb -> Part; template";
    for (int m = 1; m <= 16; m += 15)
        for (int parts = 2; parts <= 4; parts += 2) {
            char program[300], steps[100];
            snprintf(program, sizeof program, "input A[m:%d, k:1028] : u8; weight W[n:20, k:1028] : i8\n"
                     "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k]); Out[m, n] : i8 = sat_i8(C[m, n] >> 9)", m);
            snprintf(steps, sizeof steps, split, parts);
            exact(program, steps, "sm_75", "dp4a.u32.s32");
        }
    exact("input A[y:5, x:5, k:64] : i8; weight W[o:20, r:3, s:3, k:64] : i8\n"
          "C[y, x, o] : i32 = sum(r, s, k) i32(A[y + r, x + s, k]) * i32(W[o, r, s, k]); Out[y, x, o] = C[y, x, o] + 1",
          "split C.k parts=4 -> kb kr; rfactor C.kb -> Part; template", "sm_80", "dp4a.s32.s32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_combine, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(its_text, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(what_cannot_combine, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(only_a_warp_in_machine_code, nestrun_open, nestrun_close),
        cmocka_unit_test(a_warp_exchanges_registers), cmocka_unit_test(steps_refused), cmocka_unit_test(where_some_threads_do_not_come),
        cmocka_unit_test(all_types_and_blocks), cmocka_unit_test(with_all_else), cmocka_unit_test(few_rows_by_template),
        cmocka_unit_test(blocks_share_a_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
