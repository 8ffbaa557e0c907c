/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of ours fails, each in its turn, once and from then on: an error comes back, nothing leaks (under
 * AddressSanitizer), and the context goes on.
 *
 * Allocations of ours are told from LLVM's and libc's by their call: this program is linked so that calls from our objects
 * alone go to __wrap_malloc and its like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/dlpack.h"
#include "runtime/qjit.h"

/* ---- allocations ---- */

static struct { long n, at; bool sticky; int failed; } count;

static bool fails(void)
{
    count.n++;
    bool yes = count.at && (count.sticky ? count.n >= count.at : count.n == count.at);
    count.failed += yes;
    return yes;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t align, size_t n) { return fails() ? NULL : __real_aligned_alloc(align, n); }
char *__wrap_strdup(const char *s) { return fails() ? NULL : __real_strdup(s); }

/* ---- all of the interface ---- */

static void call(qj_kernel *k)
{
    qj_tensor *arg[8] = {NULL};
    int n = qj_kernel_nargs(k);
    bool all = true;
    for (int i = 0; i < n; i++) {
        qj_arg a;
        qj_kernel_arg(k, i, &a);
        all = (arg[i] = qj_tensor_new(a.dtype, a.nphys, a.phys)) && all;
    }
    if (all) {
        qj_packed *p = qj_kernel_pack(k, arg, n, NULL);
        qj_kernel_call(k, arg, n, &(qj_call){.size = sizeof(qj_call), .packed = p});
        qj_kernel_call(k, arg, n, NULL);
        qj_packed_free(p);
    }
    for (int i = 0; i < n; i++) qj_tensor_free(arg[i]);
}

static void put_file(const char *dir, const char *name, char *out, size_t size) { snprintf(out, size, "%s/%s", dir, name); }

/* False: an error stands at the end. */
static void halve(void *user, void *const *args, void *result)
{
    int32_t x = *(const int32_t *)args[0] / 2;
    memcpy(result, &x, sizeof x);
}

static bool session(qj_ctx *q, const char *dir, bool isolate)
{
    char path[512];
    qj_define(q, "input A[m:16, k:64] : u8; weight W[n:32, k:64] : i8; bias B[n:32] : i32");
    qj_extern_closure(q, "halved(i32) : i32", halve, NULL, NULL);
    qj_compute(q, "Acc[m, n]", QJ_I32, "sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_compute(q, "C[m, n]", QJ_I32, "halved(Acc[m, n]) + B[n]");
    qj_target(q, "x86-64-v3");
    qj_name(q, "layer");
    qj_intrinsic(q, "mine", "C: i32[8], A: i32[8]", "C[i] += A[i]", "add(C, A)", NULL);
    qj_template(q, "");
    qj_free(qj_explain_json(q));
    qj_undo(q);
    qj_free(qj_show(q));
    while (qj_nsteps(q)) if (!qj_undo(q)) break;
    qj_split(q, "Acc", "k", 4, QJ_TAIL_GUARD, "ko", "ki");
    qj_step(q, "transform_layout W OI8o4i axes=OI; parallel C.m");
    qj_free(qj_explain(q));
    qj_free(qj_program_text(q));
    qj_free(qj_steps_text(q));
    qj_free(qj_reproducer(q));
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    qj_free(qj_artifact_json(a));
    qj_free(qj_artifact_header(a));
    put_file(dir, "layer", path, sizeof path);
    qj_artifact_save(q, a, path);
    qj_kernel *k = qj_link(q, a);
    qj_artifact_free(a);
    if (k) call(k);
    qj_check(q, k, NULL);
    qj_listing_free(qj_disassemble(q, k));
    qj_timing t = {.size = sizeof t};
    if (!isolate) qj_time(q, k, NULL, 0, 0.01, &t);
    qj_tensor *x = qj_tensor_new(QJ_I8, 1, (int64_t[]){64});
    put_file(dir, "x.npy", path, sizeof path);
    if (x) qj_tensor_save_npy(q, x, path);
    struct DLManagedTensor *out = qj_tensor_to_dlpack(x);
    qj_tensor *in = out ? qj_tensor_from_dlpack(out) : NULL;
    if (out && !in) ((struct dl_managed *)out)->deleter((struct dl_managed *)out); /* it stayed ours */
    qj_tensor_free(qj_tensor_dense(in));
    qj_tensor_free(in);
    qj_tensor_free(x);
    qj_tensor_free(qj_tensor_load_npy(q, path));
    qj_kernel_free(k);
    return !qj_last_error(q);
}

/* An error that stands is one of memory; without it the context makes a right kernel. */
static void goes_on(qj_ctx *q)
{
    const qj_error *e = qj_last_error(q);
    if (e && strcmp(e->code, "out-of-memory")) {
        bool ours = !strcmp(e->code, "argument") || !strcmp(e->code, "link") || !strcmp(e->code, "file"); /* named, at least */
        if (!ours && !strstr(e->text, "memory")) fail_msg("%s", e->text);
    }
    qj_clear_error(q);
    char *text = qj_program_text(q);
    assert_non_null(text);
    qj_free(text);
    qj_ctx_reset(q);
    assert_true(qj_define(q, "input A[m:8] : u8; C[m] : u8 = A[m] + 1"));
    qj_kernel *k = qj_build(q);
    assert_non_null(k);
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
}

static void sweep(bool isolate, bool cached, long first, long step)
{
    char dir[] = "/tmp/qjit-oom-XXXXXX", command[64], cache[64];
    assert_non_null(mkdtemp(dir));
    put_file(dir, "cache", cache, sizeof cache);
    const qj_options o = {.size = sizeof o, .isolate = isolate, .cache_dir = cached ? cache : NULL};
    if (cached) { /* filled: what is swept is reading */
        qj_ctx *q = qj_ctx_new(&o);
        assert_true(session(q, dir, isolate));
        qj_ctx_free(q);
    }
    long total = 0;
    int runs = 0, refused = 0;
    for (long at = first; !total || at <= total; at += step)
        for (int sticky = 0; sticky < 2; sticky++) {
            count.n = count.failed = 0;
            count.at = 0;
            qj_ctx *q = qj_ctx_new(&o);
            assert_non_null(q);
            if (!total) {
                count.n = 0;
                assert_true(session(q, dir, isolate));
                total = count.n;
                qj_ctx_reset(q);
                count.failed = 0;
            }
            count.n = 0;
            count.sticky = sticky;
            count.at = at;
            bool ok = session(q, dir, isolate);
            count.at = 0;
            runs++;
            refused += !ok;
            goes_on(q);
            qj_ctx_free(q);
        }
    print_message("%ld allocations of ours, %d runs with one or all later ones refused, %d ended in an error\n", total, runs, refused);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static void test_every_allocation(void **state)
{
    (void)state;
    long n = getenv("QJ_N") ? atol(getenv("QJ_N")) : 7;
    sweep(false, false, 1, n);
}

static void test_cached(void **state)
{
    (void)state;
    sweep(false, true, 1, getenv("QJ_N") ? atol(getenv("QJ_N")) : 17);
}

static void test_isolated(void **state)
{
    (void)state;
    const char *program = getenv("QJIT");
    if (!program || !*program) skip();
    setenv("QJIT_WORKER", program, 1);
    sweep(true, false, 1, getenv("QJ_N") ? atol(getenv("QJ_N")) : 29);
}

static void test_new_context(void **state)
{
    (void)state;
    for (int i = 1; i < 4; i++) {
        count.n = 0;
        count.at = i;
        qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .worker = "/bin/false"});
        count.at = 0;
        assert_true((q == NULL) == (i < 3));
        qj_ctx_free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_context),
        cmocka_unit_test(test_every_allocation),
        cmocka_unit_test(test_cached), cmocka_unit_test(test_isolated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
