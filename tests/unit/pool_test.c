/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool: every iteration once, no deadlock however loops meet, hooks, fork. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/rt/qjrt.h"

enum { N = 10007 };

struct marks {
    atomic_int hits[N];
    atomic_int pieces;
};

static void mark(void *ctx, int64_t begin, int64_t end)
{
    struct marks *m = ctx;
    atomic_fetch_add(&m->pieces, 1);
    for (int64_t i = begin; i < end; i++) atomic_fetch_add_explicit(&m->hits[i], 1, memory_order_relaxed);
}

static int wrong_hits(const struct marks *m, int64_t n)
{
    int wrong = 0;
    for (int64_t i = 0; i < N; i++) wrong += atomic_load(&m->hits[i]) != (i < n ? 1 : 0);
    return wrong;
}

static void test_each_iteration_once(void **state)
{
    (void)state;
    struct marks *m = malloc(sizeof *m);
    for (int threads = 1; threads <= 9; threads += 2) {
        qjrt_set_threads(threads);
        assert_int_equal(qjrt_threads(), threads);
        const int64_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 64, 1000, N};
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int again = 0; again < 20; again++) {
                memset(m, 0, sizeof *m);
                assert_int_equal(qjrt_parallel_for(mark, m, sizes[s]), 0);
                assert_int_equal(wrong_hits(m, sizes[s]), 0);
            }
    }
    assert_int_equal(qjrt_parallel_for(mark, m, -5), 0);
    qjrt_set_threads(4);
    memset(m, 0, sizeof *m);
    qjrt_parallel_for(mark, m, N);
    assert_true(m->pieces > 4); /* it is cut */
    free(m);
}

static void nest_inner(void *ctx, int64_t begin, int64_t end)
{
    atomic_fetch_add((atomic_llong *)ctx, end - begin);
}

static void nest_outer(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) qjrt_parallel_for(nest_inner, ctx, 10);
}

static void test_nested(void **state)
{
    (void)state;
    qjrt_set_threads(4);
    for (int again = 0; again < 200; again++) {
        atomic_llong sum = 0;
        qjrt_parallel_for(nest_outer, &sum, 33);
        assert_int_equal(sum, 330);
    }
}

static void *caller(void *arg)
{
    atomic_llong sum = 0;
    for (int i = 0; i < 300; i++) qjrt_parallel_for(nest_outer, &sum, 7);
    *(long long *)arg = sum;
    return NULL;
}

static void test_concurrent_callers(void **state)
{
    (void)state;
    qjrt_set_threads(3);
    pthread_t t[6];
    long long sum[6] = {0};
    for (int i = 0; i < 6; i++) assert_int_equal(pthread_create(&t[i], NULL, caller, &sum[i]), 0);
    for (int i = 0; i < 50; i++) {
        qjrt_set_threads(1 + i % 4); /* from yet another thread, meanwhile */
        qjrt_shutdown();
    }
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 6; i++) assert_int_equal(sum[i], 300 * 70);
}

/* What a worker wrote is there when the call returns. */
static void fill(void *ctx, int64_t begin, int64_t end)
{
    for (int64_t i = begin; i < end; i++) ((int32_t *)ctx)[i] = (int32_t)(i * 3);
}

static void test_results_visible(void **state)
{
    (void)state;
    qjrt_set_threads(4);
    int32_t *a = malloc(N * sizeof *a);
    for (int again = 0; again < 300; again++) {
        memset(a, 0, N * sizeof *a);
        qjrt_parallel_for(fill, a, N);
        for (int i = 0; i < N; i++) assert_int_equal(a[i], i * 3);
    }
    free(a);
}

static int count_hook(void *user, qjrt_body *body, void *ctx, int64_t n)
{
    ++*(int *)user;
    for (int64_t i = n; i-- > 0;) body(ctx, i, i + 1);
    return n == 13 ? 42 : 0;
}

static void test_hook(void **state)
{
    (void)state;
    int calls = 0;
    struct marks *m = calloc(1, sizeof *m);
    qjrt_set_parallel_for(count_hook, &calls);
    assert_int_equal(qjrt_parallel_for(mark, m, 100), 0);
    assert_int_equal(wrong_hits(m, 100), 0);
    assert_int_equal(m->pieces, 100);
    assert_int_equal(qjrt_parallel_for(mark, m, 13), 42);
    qjrt_set_parallel_for(NULL, NULL);
    assert_int_equal(qjrt_parallel_for(mark, m, 13), 0);
    assert_int_equal(calls, 2);
    free(m);
}

/* A host that always has a loop running forks: the child's loops work, also in parallel. */
static void test_fork(void **state)
{
    (void)state;
    qjrt_set_threads(4);
    pthread_t t;
    long long sum = 0;
    assert_int_equal(pthread_create(&t, NULL, caller, &sum), 0);
    for (int i = 0; i < 10; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(20); /* a deadlock is a failure, not a hang */
#ifdef __SANITIZE_THREAD__
            qjrt_set_threads(1); /* TSan knows no new threads after a fork */
#endif
            struct marks *m = calloc(1, sizeof *m);
            qjrt_parallel_for(mark, m, N);
            int wrong = wrong_hits(m, N);
            free(m);
            _exit(wrong ? 1 : 0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    pthread_join(t, NULL);
    assert_int_equal(sum, 300 * 70);
}

static void test_limits(void **state)
{
    (void)state;
    qjrt_set_threads(1 << 20);
    assert_int_equal(qjrt_threads(), QJRT_MAX_THREADS);
    qjrt_set_threads(-3);
    assert_true(qjrt_threads() >= 1);
    qjrt_set_threads(2);
    qjrt_shutdown();
    qjrt_shutdown();
    atomic_llong sum = 0;
    qjrt_parallel_for(nest_outer, &sum, 5);
    assert_int_equal(sum, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_iteration_once), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_concurrent_callers),  cmocka_unit_test(test_results_visible),
        cmocka_unit_test(test_hook),                cmocka_unit_test(test_fork),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
