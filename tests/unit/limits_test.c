/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines, cancelling, the memory limit and what calls keep, through the public interface. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/api.h"
#include "runtime/archive.h"
#include "runtime/qjit.h"

#if defined(QJ_DEBUG)
static const double soon_ms = 2000;    /* sanitizers */
#else
static const double soon_ms = 100;
#endif

static double now_ms(void) { return (double)limits_now() * 1e-6; }

static void ok(qj_ctx *q)
{
    if (qj_last_error(q)) fail_msg("%s", qj_last_error(q)->text);
}

static void define_dense(qj_ctx *q, int m, int n, int k)
{
    char text[256];
    snprintf(text, sizeof text,
             "input A[m:%d, k:%d] : u8; weight W[n:%d, k:%d] : i8\n"
             "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])",
             m, k, n, k);
    qj_define(q, text);
    ok(q);
}

/* ---- who takes long ---- */

static bool long_template(qj_ctx *q) { return qj_template(q, "pick=60"); }

static bool long_check(qj_ctx *q)
{
    qj_kernel *k = qj_build(q);
    bool done = qj_check(q, k, NULL);
    qj_kernel_free(k);
    return done;
}

static bool long_time(qj_ctx *q)
{
    qj_kernel *k = qj_build(q);
    qj_timing t = {.size = sizeof t};
    bool done = qj_time(q, k, NULL, 0, 30000, &t);
    qj_kernel_free(k);
    return done;
}

/* Much for the simplifier and the passes: thousands of statements. */
static bool long_compile(qj_ctx *q)
{
    qj_artifact *a = qj_step(q, "split C.n 8 -> no ni; split C.k 32 -> ko ki; unroll C.ni; unroll C.ki; split C.m 8 -> mo mi;"
                                "reorder C mo no ko mi ni ki; unroll C.mi")
                         ? qj_compile(q, QJ_OBJ)
                         : NULL;
    bool done = a != NULL;
    qj_artifact_free(a);
    return done;
}

struct work {
    const char *name;
    bool (*run)(qj_ctx *q);
    int m, n, k;
    double llvm_ms;    /* what LLVM takes at once */
};
static const struct work works[] = {
    {"template", long_template, 64, 256, 500, 0},
    {"check", long_check, 100, 100, 1900, 0},
    {"time", long_time, 64, 128, 500, 0},
    {"compile", long_compile, 64, 128, 500, 800},
};

/* ---- cancelling ---- */

struct canceller { qj_ctx *q; double after_ms, at; };
static void *cancel_later(void *u)
{
    struct canceller *c = u;
    struct timespec t = {0, (long)(c->after_ms * 1e6)};
    nanosleep(&t, NULL);
    c->at = now_ms();
    qj_cancel(c->q);
    return NULL;
}

static void still_works(qj_ctx *q)
{
    qj_ctx_reset(q);
    define_dense(q, 8, 16, 8);
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
}

static void test_cancel(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        double worst = 0;
        int stopped = 0;
        for (int after = 0; after <= 120; after += 40) {
            qj_ctx *q = qj_ctx_new(NULL);
            define_dense(q, works[i].m, works[i].n, works[i].k);
            struct canceller c = {.q = q, .after_ms = 1 + after};
            pthread_t other;
            pthread_create(&other, NULL, cancel_later, &c);
            bool done = works[i].run(q);
            double end = now_ms();
            pthread_join(other, NULL);
            if (!done) {
                assert_string_equal(qj_last_error(q)->code, "cancelled");
                if (end - c.at > worst) worst = end - c.at;
                stopped++;
            }
            qj_clear_error(q);
            if (!done && works[i].run == long_template) assert_int_equal(qj_nsteps(q), 0);
            still_works(q);
            qj_ctx_free(q);
        }
        print_message("%s: cancelled %d of 4 times, at most %.1f ms late\n", works[i].name, stopped, worst);
        assert_true(stopped > 0);
        assert_true(worst < soon_ms + works[i].llvm_ms);
    }
}

static void test_cancel_ahead(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_cancel(NULL);
    qj_cancel(q);
    assert_false(qj_define(q, "input A[m:8] : u8"));
    assert_string_equal(qj_last_error(q)->code, "cancelled");
    qj_clear_error(q);
    assert_true(qj_define(q, "input A[m:8] : u8")); /* once */
    qj_cancel(q);
    qj_clear_error(q);
    assert_true(qj_define(q, "C[m] : u8 = A[m]")); /* forgotten */
    qj_ctx_free(q);
}

/* ---- deadlines ---- */

/* Texts that say nothing, and values: nothing is allocated while they are read. */
static void test_long_inputs(void **state)
{
    (void)state;
    enum { N = 1 << 24, SIDE = 1 << 12 };
    static const char fill[] = "# ;x";
    char *text = malloc(N + 1);
    qj_options o = {.size = sizeof o, .deadline_ms = 1};
    qj_ctx *q = qj_ctx_new(&o);
    for (const char *f = fill; *f; f++) {
        memset(text, *f, N);
        text[N] = 0;
        assert_false(qj_define(q, text));
        assert_string_equal(qj_last_error(q)->code, "deadline");
        qj_clear_error(q);
    }
    free(text);
    qj_tensor *w = qj_tensor_new(QJ_I8, 2, (int64_t[]){SIDE, SIDE});
    q->opt.deadline_ms = 0;
    define_dense(q, 1, SIDE, SIDE);
    q->opt.deadline_ms = 1;
    assert_false(qj_embed(q, "W", w));
    assert_string_equal(qj_last_error(q)->code, "deadline");
    qj_tensor_free(w);
    qj_ctx_free(q);
}

/* A reproducer that is itself cancelled leaves the error that stands, with its texts. */
static void test_cancelled_reproducer(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "nonsense");
    char *before = strdup(qj_last_error(q)->text);
    qj_cancel(q);
    assert_null(qj_reproducer(q));
    assert_string_equal(qj_last_error(q)->text, before);
    assert_string_equal(qj_last_error(q)->message, "not a definition");
    char *text = qj_reproducer(q);
    assert_non_null(text);
    assert_string_equal(qj_last_error(q)->text, before);
    qj_free(text);
    free(before);
    qj_ctx_free(q);
}

static void test_deadline(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .deadline_ms = 60});
        define_dense(q, works[i].m, works[i].n, works[i].k);
        double begin = now_ms();
        bool done = works[i].run(q);
        double took = now_ms() - begin;
        print_message("%s: %s after %.1f ms\n", works[i].name, done ? "done" : qj_last_error(q)->code, took);
        if (works[i].run != long_compile) assert_false(done);
        if (!done) assert_string_equal(qj_last_error(q)->code, "deadline");
        assert_true(took < 60 * 3 + soon_ms + works[i].llvm_ms); /* three calls at most */
        qj_ctx_free(q);
    }
}

/* ---- memory ---- */

/* A tuner takes steps and takes them back. */
static void test_undo_gives_back(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    define_dense(q, 64, 64, 64);
    qj_step(q, "parallel C.m");
    char *before = qj_show(q);
    ok(q);
    size_t used = 0;
    int rounds = soon_ms > 100 ? 1000 : 10000;
    for (int i = 0; i < rounds; i++) {
        if (i == 100) used = q->ir.limits.used;
        switch (i % 3) {
        case 0: qj_step(q, "split C.n 16 -> no ni; vectorize C.ni"); break;
        case 1: qj_split(q, "C", "k", 4, QJ_TAIL_GUARD, "ko", "ki"); break;
        default: qj_step(q, "cache_read A local -> R; compute_at R C.m"); break;
        }
        while (qj_nsteps(q) > 1) qj_undo(q);
        ok(q);
    }
    assert_int_equal(q->ir.limits.used, used);
    char *after = qj_show(q);
    assert_string_equal(before, after);
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
    qj_free(before);
    qj_free(after);
    qj_ctx_free(q);
}

/* What is made between steps outlives their undoing. */
static void test_undo_keeps_the_rest(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    define_dense(q, 8, 16, 8);
    qj_step(q, "split C.n 8 -> no ni");
    qj_name(q, "other");
    qj_step(q, "vectorize C.ni");
    qj_define(q, "D[m, n] : i32 = C[m, n] + 1");
    qj_step(q, "parallel D.m");
    qj_free(qj_show(q));
    qj_target(q, "native");
    qj_step(q, "split D.n 4 -> a b");
    while (qj_nsteps(q) > 0) qj_undo(q);
    char *text = qj_program_text(q);
    assert_non_null(strstr(text, "D["));
    qj_free(text);
    qj_step(q, "split D.n 8 -> no ni; vectorize D.ni");
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_string_equal(qj_artifact_name(qj_kernel_artifact(k)), "other");
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static void test_too_much(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[m:100000, k:40000000] : u8\nC[m, k] : u8 = A[m, k]"); /* 4 TB */
    qj_kernel *k = qj_build(q);
    ok(q);
    qj_timing t = {.size = sizeof t};
    assert_false(qj_check(q, k, NULL));
    assert_string_equal(qj_last_error(q)->code, "out-of-memory");
    qj_clear_error(q);
    assert_false(qj_time(q, k, NULL, 0, 1, &t));
    assert_string_equal(qj_last_error(q)->code, "out-of-memory");
    qj_kernel_free(k);
    qj_ctx_free(q);
}

/* The limit holds for what check, time and the oracle make. */
static void test_limit_holds(void **state)
{
    (void)state;
    for (int mib = 1; mib <= 16; mib += mib) {
        qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .memory_limit = (size_t)mib << 20});
        qj_define(q, "input A[m:1000, k:1000] : u8\nT[m, k] : u8 = A[m, k] / 2\n"
                     "C[m] : i32 = sum(k) i32(T[m, k])");
        qj_kernel *k = qj_build(q);
        ok(q);
        qj_timing t = {.size = sizeof t};
        bool checked = qj_check(q, k, NULL), enough = mib >= 8;
        if (!checked) assert_string_equal(qj_last_error(q)->code, "out-of-memory");
        assert_true(mib >= 2 || !checked);
        assert_true(checked || !enough);
        qj_clear_error(q);
        bool timed = qj_time(q, k, NULL, 0, 1, &t);
        if (!timed) assert_string_equal(qj_last_error(q)->code, "out-of-memory");
        assert_true(timed ? mib > 1 : mib < 8);
        assert_true(q->ir.limits.used <= (size_t)mib << 20);
        qj_kernel_free(k);
        qj_ctx_free(q);
    }
}

/* Places in an archive's index have 32 bits: what lies behind them is refused before a byte is copied. */
static void test_archive(void **state)
{
    (void)state;
    static const char *const symbol[] = {"f"};
    struct archive_member m[] = {{"a.o", "12345678", 8, 1, symbol}, {"b.o", "12345678", 8, 1, symbol}};
    struct arena a;
    size_t n;
    arena_init(&a, NULL);
    assert_non_null(archive_bytes(&a, 2, m, &n));
    assert_int_equal(n, 8 + 60 + 16 + 2 * (60 + 8));
    m[1].size = UINT32_MAX - (size_t)200; /* ends just behind */
    assert_null(archive_bytes(&a, 2, m, &n));
    m[0].size = m[1].size = (size_t)3 << 30;
    assert_null(archive_bytes(&a, 2, m, &n));
    arena_release(&a);
}

/* Saying what is so already takes nothing. */
static void test_same_target(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[m:8, k:64] : u8; weight W[n:16, k:64] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_target(q, "x86-64-v3");
    qj_step(q, "template");
    assert_null(qj_last_error(q));
    struct sched *s = q->sched;
    struct ir_mark before = ir_mark(&q->ir);
    for (int i = 0; i < 10; i++) assert_true(qj_target(q, "x86-64-v3"));
    assert_false(qj_target(q, "x86-64-v3,+nonsense"));
    qj_clear_error(q);
    struct ir_mark after = ir_mark(&q->ir);
    assert_true(before.arena.chunk == after.arena.chunk && before.arena.used == after.arena.used && before.nexpr == after.nexpr);
    assert_ptr_equal(q->sched, s);
    qj_intrinsic(q, "mine", "C: i32[8], A: i32[8]", "C[i] = A[i]", "A", ""); /* which naming the target again takes away */
    assert_null(qj_last_error(q));
    assert_non_null(target_intrin(q->target, "mine"));
    assert_true(qj_target(q, "x86-64-v3"));
    assert_null(target_intrin(q->target, "mine"));
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_ahead),
        cmocka_unit_test(test_cancelled_reproducer),
        cmocka_unit_test(test_long_inputs),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_undo_gives_back),
        cmocka_unit_test(test_undo_keeps_the_rest),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_limit_holds),
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_same_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
