/* SPDX-License-Identifier: Apache-2.0 */
/* Nests with bound loops as kernels: what threads see of each other, and that a missing sync is an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ir/interp.h"
#include "tests/support/nestrun.h"

#define ARGS(...) (void *[]){__VA_ARGS__}

static bool run(const char *text, void *const *arg)
{
    const struct func *f = nest_parse(text, nest_target("sm_80"));
    return interp_run(&nr.c, f, arg);
}

static void refused(const char *text, void *const *arg, const char *part)
{
    assert_false(run(text, arg));
    assert_int_equal(nr.c.err.first.code, ERR_RACE);
    if (!strstr(nr.c.err.first.msg, part)) fail_msg("no \"%s\" in: %s", part, nr.c.err.first.msg);
    err_clear(&nr.c.err);
}

#define REVERSE(sync_1, sync_2)                                                                   \
    "func f(arg A[4, 8] : i8, out O[4, 8] : i8) {\n"                                              \
    "  blockIdx.x b in 0..2 { alloc shared S[8] : i8 { threadIdx.x t in 0..8 {\n"                 \
    "    for i in 0..2 {\n"                                                                       \
    "      " sync_1 "; threadIdx.x u in 0..8 { S[u] = A[b*2 + i, u] }\n"                          \
    "      " sync_2 "; O[b*2 + i, t] = S[7 - t]\n"                                                \
    "    } } } } }"

static void threads_meet_at_syncs(void **state)
{
    (void)state;
    int8_t a[4][8], o[4][8] = {{0}};
    for (int i = 0; i < 32; i++) a[i / 8][i % 8] = (int8_t)(i * 5);
    bool ok = run(REVERSE("sync", "sync"), ARGS(a, o));
    nest_no_error();
    assert_true(ok);
    for (int i = 0; i < 32; i++) assert_int_equal(o[i / 8][i % 8], a[i / 8][7 - i % 8]);
    assert_false(run(REVERSE("sync", ""), ARGS(a, o)));
    assert_int_equal(nr.c.err.first.code, ERR_BOUNDS); /* S[7] is read but was never written */
    err_clear(&nr.c.err);
    refused(REVERSE("", "sync"), ARGS(a, o), "no sync between");
}

static void each_thread_has_its_own_locals(void **state)
{
    (void)state;
    int32_t o[6] = {0};
    assert_true(run("func f(out O[6] : i32) { alloc global G[6] : i32 {\n"
                    "  threadIdx.y t in 0..6 { alloc local L[2] : i32 { L[1] = i32(t); sync; G[t] = L[1]*10 } }\n"
                    "  threadIdx.x t in 0..3 { threadIdx.x u in 0..2 { O[u + 2] = G[5 - t] } } } }", ARGS(o)));
    const int32_t want[6] = {0, 0, 50, 40, 0, 0};
    assert_memory_equal(o, want, sizeof o);
}

static void races_are_found(void **state)
{
    (void)state;
    int32_t o[8] = {0};
    refused("func f(out O[8] : i32) { threadIdx.x t in 0..8 { O[0] = 1 } }", ARGS(o), "O[0] is written by thread (0, 0, 0)");
    refused("func f(out O[8] : i32) { threadIdx.x t in 0..7 { O[t] = O[t + 1] } }", ARGS(o), "O[1] is read by");
    refused("func f(out O[8] : i32) { blockIdx.x t in 0..8 { O[0] = 1 } }", ARGS(o), "of block (1, 0, 0)");
    refused("func f(out O[8] : i32) { blockIdx.x t in 0..4 { O[t] = 1; sync; O[t + 4] = O[3 - t] } }", ARGS(o), "no sync between");
    /* a store outside the threads' loop is done by all of them */
    refused("func f(out O[8] : i32) { blockIdx.x b in 0..2 { threadIdx.x t in 0..4 { O[b*4 + t] = 1 }; sync; O[b] = 2 } }", ARGS(o),
            "O[0] is written by thread (0, 0, 0)");
    assert_true(run("func f(out O[8] : i32) { blockIdx.x b in 0..2 { threadIdx.x t in 0..4 { O[b*4 + t] = 1 }; sync\n"
                    "  threadIdx.x one in 0..1 { O[b*4 + 3] = O[b*4 + 2] + 1 } } }", ARGS(o)));
    assert_int_equal(o[7], 2);
    /* one kernel after the other */
    assert_true(run("func f(out O[8] : i32) { blockIdx.x b in 0..8 { O[b] = 1 }; blockIdx.x b in 0..8 { O[7 - b] = O[7 - b] + 1 } }",
                    ARGS(o)));
}

static void all_threads_reach_a_sync(void **state)
{
    (void)state;
    int32_t o[8] = {0};
    refused("func f(out O[8] : i32) { threadIdx.x t in 0..8 { if (t < 4) { sync }; O[t] = 1 } }", ARGS(o), "does not reach the sync");
    refused("func f(out O[8] : i32) { threadIdx.x t in 0..8 { threadIdx.x u in 0..4 { sync }; O[t] = 1 } }", ARGS(o),
            "thread (4, 0, 0)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(threads_meet_at_syncs, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(each_thread_has_its_own_locals, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(races_are_found, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(all_threads_reach_a_sync, nestrun_open, nestrun_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
