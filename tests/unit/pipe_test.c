/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and pipelines of kernels: gaps against bank conflicts, stages fetched ahead, asynchronous copies. Every schedule is run by interp, thread by thread, and its
 * PTX by tests/emu/ptx, on full-range data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "codegen/codegen.h"
#include "ir/interp.h"
#include "tests/emu/ptx/ptx.h"
#include "tests/support/nestrun.h"
#include "tests/support/ptxrun.h"

/* A tile of 32 by 32 a block, 4 by 2 a thread; both operands in shared memory, rows of 32 bytes of k. */
static const char gemm[] = "input  A[m:64, k:96] : i8\nweight W[n:64, k:96] : i8\n"
                           "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n";
static const char tiles[] = "cache_write C local -> L; cache_read A shared L -> As; cache_read W shared L -> Ws\n"
                            "split C.m 32 -> mb mt; split C.n 32 -> nb nt; split C.nt 2 -> nt nv; split C.mt 4 -> mt mv\n"
                            "reorder C mb nb mt nt mv nv; bind C.mb blockIdx.y; bind C.nb blockIdx.x\n"
                            "bind C.mt threadIdx.y; bind C.nt threadIdx.x; compute_at L C.nt\n"
                            "split L.k 32 -> ko kr; split L.kr 4 -> kg kk; reorder L ko kg m n kk\n"
                            "tensorize L.kk dot4_i8i8_dp4a; unroll L.m; unroll L.n\n"
                            "compute_at As L.ko; compute_at Ws L.ko\n"
                            "fuse As.m k -> f; split As.f 4 -> f fv; vectorize As.fv; split As.f 16 -> fo ft\n"
                            "bind As.ft threadIdx.x; split As.fo 8 -> fo fy; bind As.fy threadIdx.y\n"
                            "fuse Ws.n k -> f; split Ws.f 4 -> f fv; vectorize Ws.fv; split Ws.f 16 -> fo ft\n"
                            "bind Ws.ft threadIdx.x; split Ws.fo 8 -> fo fy; bind Ws.fy threadIdx.y\n";

/* A row of four pixels by 32 channels a block; rows and columns of zeros around the input. */
static const char conv[] = "input  A[h:12, w:12, c:64] : i8\nweight W[o:32, r:3, s:3, c:64] : i8\n"
                           "P = pad(A, h: 1 1, w: 1 1, value: 0)\n"
                           "C[y, x, o] : i32 = sum(r, s, c) i32(P[y + r, x + s, c]) * i32(W[o, r, s, c])\n";
static const char around[] = "cache_write C local -> L; cache_read P shared L -> Ps; cache_read W shared L -> Ws; "
                             "compute_inline P; split C.x 4 -> xb xt; split C.o 32 -> ob ot; split C.ot 2 -> ot ov; "
                             "reorder C y xb ob xt ot ov; bind C.y blockIdx.z; bind C.xb blockIdx.y; bind C.ob blockIdx.x; "
                             "bind C.xt threadIdx.y; bind C.ot threadIdx.x; vectorize C.ov; compute_at L C.ot; "
                             "split L.c 32 -> co cr; split L.cr 4 -> cg cc; reorder L r co s cg y x o cc; "
                             "tensorize L.cc dot4_i8i8_dp4a; unroll L.o; compute_at Ps L.co; compute_at Ws L.co; "
                             "fuse Ps.h w c -> f; split Ps.f 16 -> f fv; vectorize Ps.fv; split Ps.f 16 -> fo ft; "
                             "bind Ps.ft threadIdx.x; fuse Ws.o r s c -> f; split Ws.f 16 -> f fv; vectorize Ws.fv; "
                             "split Ws.f 16 -> fo ft; bind Ws.ft threadIdx.x; split Ws.fo 4 -> fo fy; bind Ws.fy threadIdx.y; "
                             "storage_align Ws.s 128 16; async Ws; async Ps; double_buffer Ws; double_buffer Ps; ";

static bool by_interp(void *u, bool pack, void *const *arg)
{
    void *const *two = u;
    const struct lowered *l = two[1];
    if (interp_run(two[0], pack ? l->pack : l->main, arg)) return true;
    show_error(two[0]);
    return false;
}

/* The schedule is exact, in interp and as PTX, which has all the words of `has`. */
static struct ptx_counts exact(const char *program, const char *target, const char *steps, const char *more, const char *const *has)
{
    struct ir_ctx c;
    struct oracle o = {0};
    struct ptx_counts n = {0};
    ir_ctx_init(&c, 0);
    const struct program *p = parse_program(&c, program);
    const struct target *t = p ? target_parse(&c, target, strlen(target), (struct span){0}) : NULL;
    struct sched *s = sch_new(&c, p, t);
    bool ok = s && sch_text_steps(s, steps) && sch_text_steps(s, more);
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    void *two[2] = {&c, (void *)(uintptr_t)l};
    ok = l && oracle_init(&c, &o, p, 7) && harness_check(l, &o, true, by_interp, two) && ptx_check(&c, l, &o, false, &n);
    if (!ok) {
        if (err_is(&c.err)) show_error(&c);
        fail_msg("%s%s", steps, more);
    }
    struct artifact *a = has ? cg_compile(&c, l, &(struct cg_options){.kind = CG_PTX}) : NULL;
    for (; has && *has; has++)
        if (!strstr(a->bytes, *has)) fail_msg("no %s in\n%s", *has, a->bytes);
    if (a) artifact_free(a);
    oracle_free(&o);
    ir_ctx_release(&c);
    return n;
}

/* Threads read rows that lie 32 bytes apart, two a thread, so two in 16 words meet in each bank 8 times over; 4 bytes
 * more, and each lies in a bank of its own. */
static void gaps_part_the_banks(void **state)
{
    (void)state;
    struct ptx_counts plain = exact(gemm, "sm_75", tiles, "", NULL);
    struct ptx_counts apart = exact(gemm, "sm_75", tiles, "storage_align As.m 32 4; storage_align Ws.n 32 4", NULL);
    assert_int_equal(plain.accesses, apart.accesses);
    assert_true(plain.passes > 2 * plain.accesses);
    assert_true(apart.passes < plain.passes / 2);
    print_message("gaps: %d passes for %d accesses, %d without\n", (int)apart.passes, (int)apart.accesses, (int)plain.passes);
}

/* Trip counts of 1, of fewer than the copies, of many, and one that does not divide; one barrier an iteration. */
static void copies_take_turns(void **state)
{
    (void)state;
    static const char program[] = "input  A[m:32, k:%d] : i8\nweight W[n:32, k:%d] : i8\n"
                                  "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n";
    static const int ks[] = {32, 64, 96, 132, 160, 196};
    for (size_t i = 0; i < ARRAY_LEN(ks); i++)
        for (int n = 1; n <= 4; n++) {
            char text[300], steps[100];
            snprintf(text, sizeof text, program, ks[i], ks[i]);
            snprintf(steps, sizeof steps, "double_buffer As %d; double_buffer Ws %d", n, n > 2 ? n - 1 : n);
            struct ptx_counts c = exact(text, "sm_75", tiles, steps, NULL);
            int trips = (ks[i] + 31) / 32, want = n == 1 && trips > 1 ? 2 * trips : trips;
            bool few = trips <= n; /* what the simplifier knows of few iterations hides whose slots they are */
            if (few ? (int)c.barriers > 2 * trips : (int)c.barriers != want)
                fail_msg("k=%d, %d copies: %d barriers, not %d", ks[i], n, (int)c.barriers, want);
        }
}

/* In registers of a thread, on a CPU, of a stage that another one fetched ahead is made of. */
static void copies_anywhere(void **state)
{
    (void)state;
    static const char chain[] = "input A[m:40, k:24] : i8\nP[m, k] : i16 = i16(A[m, k]) * 3\nQ[m, k] : i16 = P[m, k] + 1\n"
                                "C[m] : i32 = sum(k) i32(Q[m, k])\n";
    static const char at[] = "split C.m 8; bind C.mo blockIdx.x; bind C.mi threadIdx.x; split C.k 4\n";
    exact(chain, "sm_75", at, "compute_at Q C.ko; compute_at P C.ko; double_buffer P 3; double_buffer Q 2", NULL);
    exact(chain, "sm_75", at, "compute_at Q C.ko; compute_at P Q.m; double_buffer Q 2", NULL);
    exact(chain, "sm_75", at, "compute_at Q C.ko; compute_at P C.ko; set_scope P shared; set_scope Q shared; double_buffer P; double_buffer Q", NULL);
    exact(chain, "sm_75", at, "compute_inline Q; compute_at P C.ko; set_scope P shared; unroll C.ko; double_buffer P 3", NULL);
}

/* The same by cp.async: any trip count, with copies and without; 4 and 16 bytes; zeros around by their size. */
static void copies_are_asynchronous(void **state)
{
    (void)state;
    static const char program[] = "input  A[m:32, k:%d] : i8\nweight W[n:32, k:%d] : i8\n"
                                  "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n";
    static const char *const has[] = {"cp.async.ca.shared.global", "cp.async.commit_group", "cp.async.wait_group", NULL};
    static const int ks[] = {32, 64, 96, 132, 160, 196};
    for (size_t i = 0; i < ARRAY_LEN(ks); i++)
        for (int n = 1; n <= 4; n++) {
            char text[300], steps[200];
            snprintf(text, sizeof text, program, ks[i], ks[i]);
            snprintf(steps, sizeof steps, "double_buffer As %d; double_buffer Ws %d; async As; %s", n, n > 2 ? n - 1 : n, n & 1 ? "async Ws" : "");
            struct ptx_counts c = exact(text, "sm_80", tiles, steps, has);
            int trips = (ks[i] + 31) / 32;
            if (trips > n && n > 1 && (int)c.barriers != trips) fail_msg("k=%d, %d copies: %d barriers", ks[i], n, (int)c.barriers);
        }
    static const char *const wide[] = {"cp.async.cg.shared.global", "16, %r", NULL};
    exact(conv, "sm_86", around, "", wide);
    exact(conv, "sm_90a", around, "double_buffer Ps 3; double_buffer Ws 3; split L.r 3 -> ro ri", wide);
}

/* A tile of 128 by 128 by 128 in three slots: 98 KiB, which a launch asks for. Another stage of the module is in 16 KiB of its own. */
static void tiles_beyond_48_kib(void **state)
{
    (void)state;
    static const char program[] = "input  A[m:128, k:512] : u8\nweight W[n:128, k:512] : i8\n"
                                  "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\nD[m, n] : i32 = C[m, n] - C[m, 127 - n]\n";
    static const char at[] =
        "cache_write C local -> Acc; cache_read A shared Acc -> As; cache_read W shared Acc -> Ws; "
        "split C.m 128 -> mb m1; split C.m1 32 -> mw m2; split C.m2 4 -> g mi; split C.n 128 -> nb n1; "
        "split C.n1 32 -> nw n2; split C.n2 8 -> t ni; reorder C mb nb mw nw g t mi ni; "
        "fuse C.mw nw -> warp; fuse C.g t -> lane; bind C.mb blockIdx.y; bind C.nb blockIdx.x; "
        "bind C.warp threadIdx.y; bind C.lane threadIdx.x; unroll C.mi; vectorize C.ni; "
        "compute_at Acc C.lane; split Acc.k 128 -> ko ki; split Acc.ki 32 -> k2 kk; "
        "split Acc.m 2 -> mo a; split Acc.n 2 -> no b; reorder Acc ko k2 mo no a b kk; unroll Acc.k2; "
        "unroll Acc.mo; unroll Acc.no; tensorize Acc.a with mma_m16n8k32_u8i8; compute_at As Acc.ko; "
        "transform_layout As M4mK; storage_align As.m 128 16; split As.k 16 -> c v; "
        "split As.m 4 -> mo mi; split As.mo 16 -> i warp; fuse As.mi c -> lane; "
        "bind As.warp threadIdx.y; bind As.lane threadIdx.x; vectorize As.v; compute_at Ws Acc.ko; "
        "transform_layout Ws N8nK; storage_align Ws.n 128 16; split Ws.k 16 -> c v; "
        "split Ws.n 4 -> no ni; split Ws.no 16 -> i warp; fuse Ws.ni c -> lane; "
        "bind Ws.warp threadIdx.y; bind Ws.lane threadIdx.x; vectorize Ws.v; async As; async Ws; "
        "double_buffer As 3; double_buffer Ws 3; "
        "cache_read C shared D -> Cs; split D.m 32 -> mb mi; bind D.mb blockIdx.x; bind D.mi threadIdx.y; split D.n 32 -> no ni; "
        "bind D.ni threadIdx.x; compute_at Cs D.mb; split Cs.n 32 -> no ni; bind Cs.ni threadIdx.x; bind Cs.m threadIdx.y; ";
    static const char *const has[] = {".extern .shared .align 16 .b8 shared$dynamic[];", ".shared .align 16 .b8 kernel_1_$_Cs", NULL};
    exact(program, "sm_80", at, "", has);
}

/* What forgets to wait is found, in interp and in PTX. */
static void a_missing_wait_is_found(void **state)
{
    (void)state;
    static const char text[] = "func f(arg A[64] : i32, out O[64] : i32) {\n"
                               "  alloc async shared S[64] : i32 {\n"
                               "    threadIdx.x t in 0..64 { S[t] = A[t]; commit; %s sync; O[t] = S[63 - t] } } }";
    static const struct { const char *wait; bool good; } try[] = {{"wait 0;", true}, {"", false}, {"wait 1;", false}, {"commit; wait 1;", true}};
    for (size_t i = 0; i < ARRAY_LEN(try); i++) {
        char nest[400], why[320];
        int32_t a[64], o[64];
        struct ptx_report r;
        for (int k = 0; k < 64; k++) a[k] = k * k;
        snprintf(nest, sizeof nest, text, try[i].wait);
        nestrun_open(NULL);
        const struct target *t = nest_target("sm_80");
        const struct func *f = nest_parse(nest, t);
        assert_int_equal(interp_run(&nr.c, f, (void *const[]){a, o}), try[i].good);
        if (!try[i].good) assert_non_null(strstr(nr.c.err.first.msg, "never written"));
        err_clear(&nr.c.err);
        struct artifact *x = nest_compile(nest, "sm_80", CG_PTX);
        nest_no_error();
        struct ptx *p = ptx_load(x->bytes, why, sizeof why);
        assert_non_null(p);
        const struct ptx_buffer buffer[2] = {{a, sizeof a, true}, {o, sizeof o, false}};
        struct ptx_launch l = {.entry = "f", .grid = {1, 1, 1}, .block = {64, 1, 1}, .nparam = 2, .nbuffer = 2, .buffer = buffer,
                               .param = (const uint64_t[]){ptx_address(0), ptx_address(1)}};
        assert_int_equal(ptx_run(p, &l, &r), try[i].good);
        for (int k = 0; k < 64 && try[i].good; k++) assert_int_equal(o[k], a[63 - k]);
        ptx_free(p);
        artifact_free(x);
        nestrun_close(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gaps_part_the_banks), cmocka_unit_test(copies_take_turns),
                                       cmocka_unit_test(copies_anywhere), cmocka_unit_test(copies_are_asynchronous),
                                       cmocka_unit_test(tiles_beyond_48_kib),
                                       cmocka_unit_test(a_missing_wait_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
