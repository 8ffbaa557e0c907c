/* SPDX-License-Identifier: Apache-2.0 */
/* versions_test.c - several versions in one object, through the library: linked here, checked, stored and read again;
 * templates choose for each target, given steps are the same for all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/api.h"
#include "runtime/kernel.h"
#include "runtime/store.h"
#include "targets/family.h"
#include "targets/probe.h"

static const char layer[] =
    "input A[m:5, k:64] : u8; weight W[n:32, k:64] : i8; bias B[n:32] : i32\n"
    "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\nOut[m, n] : i32 = Acc[m, n] + B[n]";
static const char *const targets[] = {"x86-64", "x86-64-v3", "x86-64-v4,+avx512vnni"};
enum { N = 3 };

static void ok(const qj_ctx *q)
{
    const qj_error *e = qj_last_error(q);
    if (e) fail_msg("%s", e->text);
}

static qj_ctx *layer_ctx(const char *steps)
{
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, layer);
    qj_target(q, "x86-64");
    qj_step(q, steps);
    ok(q);
    return q;
}

static void test_check(void **state)
{
    static const char *const steps[] = {"template", "compute_at Acc Out.m; parallel Out.m", ""};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        qj_ctx *q = layer_ctx(steps[i]);
        qj_artifact *a = qj_compile_versions(q, N, targets, QJ_OBJ);
        ok(q);
        qj_kernel *k = qj_link(q, a);
        ok(q);
        assert_non_null(qj_kernel_entry(k));
        assert_true(qj_check(q, k, NULL));
        assert_true(qj_time(q, k, NULL, 0, 1, &(qj_timing){.size = sizeof(qj_timing)}));
        ok(q);
        void *bytes;
        size_t n;
        assert_true(store_write(&q->ir.err, a, &bytes, &n));
        qj_artifact *b = store_read(&q->ir.err, bytes, n);
        ok(q);
        assert_non_null(b);
        char *one = qj_artifact_json(a), *two = qj_artifact_json(b);
        assert_string_equal(one, two);
        qj_free(one);
        qj_free(two);
        free(bytes);
        qj_kernel_free(k);
        qj_artifact_free(a);
        qj_artifact_free(b);
        qj_ctx_free(q);
    }
}

/* What each version's steps are is what its target's template chooses alone; explicit steps stay, also after an undo. */
static void test_chosen_anew(void **state)
{
    qj_ctx *q = layer_ctx("template");
    qj_artifact *a = qj_compile_versions(q, N, targets, QJ_OBJ);
    ok(q);
    qj_artifact_free(a);
    qj_name(q, "another"); /* and values: all steps are given again */
    int64_t shape[1] = {32};
    qj_tensor *values = qj_tensor_new(QJ_I32, 1, shape);
    qj_embed(q, "B", values);
    qj_tensor_free(values);
    a = qj_compile_versions(q, N, targets, QJ_OBJ);
    ok(q);
    for (int i = 0; i < N; i++) {
        qj_ctx *alone = qj_ctx_new(NULL);
        qj_define(alone, layer);
        qj_target(alone, targets[i]);
        qj_step(alone, "template");
        char *steps = qj_steps_text(alone);
        ok(alone);
        assert_string_equal(a->a->version[i].target, targets[i]);
        assert_string_equal(a->a->version[i].steps, steps);
        qj_free(steps);
        qj_ctx_free(alone);
    }
    qj_artifact_free(a);
    qj_undo(q); /* no longer what the template chose: steps like others */
    char *steps = qj_steps_text(q);
    a = qj_compile_versions(q, N, targets, QJ_OBJ);
    ok(q);
    for (int i = 0; i < N; i++) assert_string_equal(a->a->version[i].steps, steps);
    qj_free(steps);
    qj_artifact_free(a);
    qj_ctx_free(q);
}

static void refused(qj_ctx *q, int n, const char *const *t, const char *part)
{
    assert_null(qj_compile_versions(q, n, t, QJ_OBJ));
    assert_non_null(qj_last_error(q));
    if (!strstr(qj_last_error(q)->message, part)) fail_msg("not %s: %s", part, qj_last_error(q)->text);
    qj_clear_error(q);
}

static void test_refused(void **state)
{
    qj_ctx *q = layer_ctx("");
    refused(q, 0, targets, "1 to 8");
    refused(q, 2, NULL, "1 to 8");
    refused(q, 2, (const char *const[]){"x86-64", "x86-64"}, "twice");
    refused(q, 2, (const char *const[]){"x86-64", "generic"}, "generic");
    refused(q, 2, (const char *const[]){"x86-64", "x86-99"}, "x86-99");
    refused(q, 2, (const char *const[]){"x86-64", "aarch64"}, "x86-64 and aarch64 in one object");
    refused(q, 2, (const char *const[]){"sm_80", "aarch64"}, "sm_80");
    refused(q, 2, (const char *const[]){"x86-64", NULL}, "NULL");
    qj_artifact *a = qj_compile_versions(q, 1, targets, QJ_LL);
    ok(q);
    qj_artifact_free(a);
    qj_ctx_free(q);
}

/* An instruction of the host's is there for each version that has the features it needs; steps that want it for another
 * are refused. */
static void test_intrinsics(void **state)
{
    static const char *const v[] = {"x86-64-v3", "x86-64-v4"};
    static const char *const few[] = {"x86-64", "x86-64-v3"}, *const arm[] = {"aarch64"};
    for (int isolated = 0; isolated < 2; isolated++) {
        qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .allow_asm = true, .isolate = isolated && getenv("QJIT"),
                                             .worker = getenv("QJIT")});
        qj_target(q, "x86-64-v3");
        qj_intrinsic(q, "mine", "C: i32[8], A: i32[8], B: i32[8]", "C[i] = A[i] + B[i]",
                     "asm \"vpaddd $2, $1, $0\" \"=x,x,x\" (A, B).i32x8", "avx2");
        qj_define(q, "input A[m:24] : i32; input B[m:24] : i32; C[m] : i32 = A[m] + B[m]");
        qj_step(q, "split C.m 8 -> mo mi; tensorize C.mi with mine");
        ok(q);
        qj_artifact *a = qj_compile_versions(q, 2, v, QJ_ASM);
        ok(q);
        size_t n;
        const char *text = qj_artifact_bytes(a, &n), *first = strstr(text, "vpaddd");
        assert_non_null(first);
        assert_non_null(strstr(strstr(text, ".v1:"), "vpaddd"));
        qj_artifact_free(a);
        a = qj_compile_versions(q, 2, v, QJ_OBJ);
        ok(q);
#if defined(__x86_64__)
        qj_kernel *k = qj_link(q, a);
        ok(q);
        if (target_runs_here(q->target)) assert_true(qj_check(q, k, NULL));
        ok(q);
        qj_kernel_free(k);
#endif
        qj_artifact_free(a);
        refused(q, 2, few, "for x86-64: tensorize: mine needs avx2, which target x86-64 does not have");
        refused(q, 1, arm, "no instruction named `mine`");
        qj_ctx_free(q);
    }
}

static bool noted(const qj_artifact *a, const char *code, const char *begins)
{
    qj_note n;
    for (int i = 0; qj_artifact_note(a, i, &n); i++)
        if (!strcmp(n.code, code) && !strncmp(n.text, begins, strlen(begins))) return true;
    return false;
}

static void count_notes(void *u, const char *code, const char *text) { ++*(int *)u; }

/* Each version's slow paths are noted, by its target's name, and told. */
static void test_notes(void **state)
{
    int told = 0;
    qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .log = count_notes, .user = &told});
    qj_define(q, "input A[m:64, k:64] : i8; C[m, k] : i8 = A[k, m] / i8(3)");
    qj_target(q, "x86-64");
    qj_step(q, "vectorize C.k");
    ok(q);
    qj_artifact *a = qj_compile_versions(q, N, targets, QJ_OBJ);
    ok(q);
    assert_true(noted(a, "gather", "for x86-64: "));
    assert_true(noted(a, "gather", "for x86-64-v4,+avx512vnni: "));
    assert_int_equal(told, qj_artifact_nnotes(a));
    qj_artifact_free(a);
    /* more sums than registers, of whichever there are */
    qj_ctx_reset(q);
    qj_define(q, "input A[m:16, k:64] : u8; weight W[n:256, k:64] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_target(q, "x86-64");
    qj_step(q, "split C.n 64 -> no ni; reorder C m no k ni; vectorize C.ni; unroll C.m; reorder C no k m ni");
    ok(q);
    a = qj_compile_versions(q, N, targets, QJ_OBJ);
    ok(q);
    assert_true(noted(a, "spills", "for x86-64: the hot loop of kernel.v0 has "));
    assert_true(noted(a, "spills", "for x86-64-v3: the hot loop of kernel.v1 has "));
    qj_artifact_free(a);
    qj_ctx_free(q);
}

/* Every feature of x86 and of AArch64 can be found by a program that runs. */
static void test_probes(void **state)
{
    for (int i = 0; i < family_x86.nfeature; i++)
        if (!probe_by_name(family_x86.features[i].name)) fail_msg("no probe of %s", family_x86.features[i].name);
    for (int i = 0; i < nprobe; i++) assert_non_null(family_feature(&family_x86, probes[i].name, strlen(probes[i].name)));
    const struct family *arm = &family_aarch64;
    for (int i = 0; i < arm->nfeature; i++)
        if (!id_field_by_name(arm->features[i].name) && !family_sve_bits(arm, &arm->features[i])) fail_msg("no field of %s", arm->features[i].name);
    for (int i = 0; i < nid_field; i++)
        assert_non_null(family_feature(arm, id_fields[i].name, strlen(id_fields[i].name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
        cmocka_unit_test(test_check),
#endif
        cmocka_unit_test(test_chosen_anew), cmocka_unit_test(test_refused), cmocka_unit_test(test_intrinsics), cmocka_unit_test(test_notes),
        cmocka_unit_test(test_probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
