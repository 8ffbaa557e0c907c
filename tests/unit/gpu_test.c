/* SPDX-License-Identifier: Apache-2.0 */
/* Functions for GPUs as kernels: launches, limits, refusals; what the text of a kernel holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "codegen/passes.h"
#include "tests/support/nestrun.h"

static struct launches plan(const char *text)
{
    struct launches l;
    const struct target *t = nest_target("sm_80");
    plan_launches(&nr.c, nest_parse(text, t), t, &l);
    return l;
}

static void refused(const char *text, const char *why)
{
    plan(text);
    assert_true(err_is(&nr.c.err));
    assert_int_equal(nr.c.err.first.code, ERR_UNSUPPORTED);
    if (!strstr(nr.c.err.first.msg, why)) fail_msg("\"%s\" is not in \"%s\"", why, nr.c.err.first.msg);
    assert_non_null(nr.c.err.first.hint);
    err_clear(&nr.c.err);
}

static void roots_are_kernels(void **state)
{
    (void)state;
    struct launches l = plan(
        "func f(arg A[600] : i8, out O[600] : i8) {\n"
        "  alloc global P[600] : i8 {\n"
        "    blockIdx.x b in 0..5 { threadIdx.x t in 0..120 { P[b*120 + t] = A[b*120 + t] } }\n"
        "    alloc global Q[601] : i32 {\n"
        "      blockIdx.y b in 0..601 { Q[b] = 1 }\n"
        "      blockIdx.x b in 0..20 { alloc shared S[30] : i8 {\n"
        "        threadIdx.x t in 0..30 { S[t] = P[b*30 + t] }\n"
        "        sync\n"
        "        threadIdx.x t in 0..10 { threadIdx.z z in 0..3 { O[b*30 + z*10 + t] = S[29 - z*10 - t] + i8(Q[b]) } } } }\n"
        "    } } }");
    nest_no_error();
    assert_int_equal(l.kernel.n, 3);
    assert_string_equal(l.kernel.at[0].name, "f_0");
    assert_string_equal(l.kernel.at[2].name, "f_2");
    assert_int_equal(l.kernel.at[0].grid[0], 5);
    assert_int_equal(l.kernel.at[0].block[0], 120);
    assert_int_equal(l.kernel.at[1].grid[1], 601);
    assert_int_equal(l.kernel.at[1].block[0], 1);
    assert_int_equal(l.kernel.at[2].block[0], 30); /* the longest */
    assert_int_equal(l.kernel.at[2].block[2], 3);
    assert_int_equal(l.kernel.at[2].shared, 32);
    assert_int_equal(l.global.n, 2);
    assert_int_equal(l.global.at[1].offset, 608);
    assert_int_equal(l.workspace, 608 + 2416);
}

static void what_cannot_be_launched_is_refused(void **state)
{
    (void)state;
    refused("func f(out O[2000] : i8) { threadIdx.x t in 0..2000 { O[t] = 1 } }", "2000 iterations");
    refused("func f(out O[70000] : i8) { blockIdx.y t in 0..70000 { O[t] = 1 } }", "at most 65535");
    refused("func f(out O[80, 80] : i8) { threadIdx.x t in 0..80 { threadIdx.y u in 0..80 { O[t, u] = 1 } } }", "6400 threads");
    refused("func f(out O[8] : i8) { parallel t in 0..8 { O[t] = 1 } }", "for CPUs");
    refused("func f(out O[8] : i8) { blockIdx.x b in 0..8 { alloc global S[5] : i8 { S[0] = 1; O[b] = S[0] } } }",
            "computed inside a kernel");
}

/* What a block may have, and from where on its launch asks for it. */
static void shared_memory_has_a_limit(void **state)
{
    (void)state;
    static const struct { const char *target; int kib; } row[] = {
        {"sm_61", 48}, {"sm_70", 96}, {"sm_75", 64}, {"sm_80", 163}, {"sm_86", 99}, {"sm_89", 99}, {"sm_90", 227}, {"sm_90a", 227}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        for (int over = 0; over < 2; over++) {
            char text[300], why[100];
            struct launches l;
            int bytes = row[i].kib * 1024 - 32 + 16 * over;
            const struct target *t = nest_target(row[i].target);
            snprintf(text, sizeof text, "func f(out O[8] : i8) { blockIdx.x b in 0..8 { alloc shared R[17] : i8 { alloc shared S[%d] : i8 {\n"
                     "R[0] = 2; S[0] = 1; O[b] = R[0] + S[0] } } } }", bytes);
            bool ok = plan_launches(&nr.c, nest_parse(text, t), t, &l);
            assert_int_equal(ok, !over);
            snprintf(why, sizeof why, "%d bytes of shared memory, %d at most on %s", bytes + 32, row[i].kib * 1024, row[i].target);
            if (over && !strstr(nr.c.err.first.msg, why)) fail_msg("\"%s\" is not in \"%s\"", why, nr.c.err.first.msg);
            if (ok) assert_int_equal(l.kernel.at[0].shared, bytes + 32);
            if (ok) assert_int_equal(l.kernel.at[0].dynamic, row[i].kib > 48 ? bytes + 32 : 0);
            err_clear(&nr.c.err);
        }
}

static void text_of(const char *nest, const char *const *has)
{
    struct artifact *a = nest_compile(nest, "sm_75", CG_PTX);
    nest_no_error();
    for (; *has; has++)
        if (!strstr(a->bytes, *has)) fail_msg("no %s in\n%s", *has, a->bytes);
    artifact_free(a);
}

static void kernels_have_what_loops_say(void **state)
{
    (void)state;
    text_of("func f(arg A[600] : f32, out O[600] : f32) {\n"
            "  blockIdx.x b in 0..20 { alloc shared S[30] : f32 {\n"
            "    threadIdx.x t in 0..30 { S[t] = A[b*30 + t] * A[t] + 1.0 }\n"
            "    sync\n"
            "    threadIdx.x t in 0..10 { threadIdx.z z in 0..3 { O[b*30 + z*10 + t] = S[29 - z*10 - t] } } } } }",
            (const char *const[]){".shared .align 16 .b8 f_$_S_$_", ".reqntid 30, 1, 3", "bar.sync", "mul.rn.f32", "add.rn.f32",
                                  "%tid.z", "%ctaid.x", "setp", "ld.shared.f32", NULL});
    /* what a thread does of several virtual ones is in registers */
    text_of("func f(arg A[640] : i32, out O[640] : i32) {\n"
            "  threadIdx.x t in 0..160 { alloc local L[4] : i32 { vthread v in 0..4 { L[v] = A[v*160 + t] }\n"
            "    vthread v in 0..4 { O[v*160 + t] = L[3 - v] } } } }",
            (const char *const[]){"ld.global.nc.u32", "+1920]", NULL});
    /* a vector access of 16 bytes */
    text_of("func f(arg A[640] : i32, out O[640] : i32) {\n"
            "  blockIdx.x b in 0..160 { vectorized i in 0..4 { O[b*4 + i] = A[b*4 + i] } } }",
            (const char *const[]){"ld.global.nc.v4.u32", "st.global.v4.u32", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(roots_are_kernels, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(what_cannot_be_launched_is_refused, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(shared_memory_has_a_limit, nestrun_open, nestrun_close),
        cmocka_unit_test_setup_teardown(kernels_have_what_loops_say, nestrun_open, nestrun_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
