/* SPDX-License-Identifier: Apache-2.0 */
/* The thread pool: every iteration once, no deadlock however loops meet, hooks, fork. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
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

/* Three loops deep from eight threads at once, our pool's and the callers'. */
static void nest(void *ctx, int64_t begin, int64_t end, int depth);
static void depth1(void *ctx, int64_t begin, int64_t end) { nest(ctx, begin, end, 1); }
static void depth2(void *ctx, int64_t begin, int64_t end) { nest(ctx, begin, end, 2); }
static void depth3(void *ctx, int64_t begin, int64_t end) { nest(ctx, begin, end, 3); }
static void nest(void *ctx, int64_t begin, int64_t end, int depth)
{
    for (int64_t i = begin; i < end; i++) {
        if (depth == 3) atomic_fetch_add((atomic_llong *)ctx, 1);
        else qjrt_parallel_for(depth == 1 ? depth2 : depth3, ctx, 9);
    }
}

static void *deep_caller(void *arg)
{
    for (int i = 0; i < 40; i++) qjrt_parallel_for(depth1, arg, 9);
    return NULL;
}

static void run_deep_callers(void)
{
    pthread_t t[8];
    atomic_llong sum = 0;
    alarm(100); /* a deadlock is a failure, not a hang */
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&t[i], NULL, deep_caller, &sum), 0);
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    alarm(0);
    assert_int_equal(sum, 8 * 40 * 9 * 9 * 9);
}

static void test_deep(void **state)
{
    (void)state;
    qjrt_set_threads(8);
    run_deep_callers();
}

static int threads_here(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; d && (e = readdir(d));) n += e->d_name[0] != '.';
    if (d) closedir(d);
    return n;
}

static void *nothing(void *arg) { return arg; }

struct host { atomic_llong calls; };
static int host_pool(void *user, qjrt_body *body, void *ctx, int64_t n)
{
    atomic_fetch_add(&((struct host *)user)->calls, 1);
    int64_t half = n / 2; /* a host that cuts as it likes */
    body(ctx, half, n);
    if (half) body(ctx, 0, half);
    return 0;
}

/* With a host's pool no thread is made here, however loops nest; without it the count tells that they are. */
static void test_host_makes_the_threads(void **state)
{
    (void)state;
    pthread_t t; /* sanitizers may keep a thread of their own from the first on */
    pthread_create(&t, NULL, nothing, NULL);
    pthread_join(t, NULL);
    qjrt_shutdown();
    int before = threads_here();
    struct host host = {0};
    qjrt_set_threads(8);
    qjrt_set_parallel_for(host_pool, &host);
    run_deep_callers();
    atomic_llong sum = 0;
    for (int i = 0; i < 100; i++) qjrt_parallel_for(depth1, &sum, 9);
    assert_int_equal(sum, 100 * 729);
    assert_int_equal(host.calls, (8 * 40 + 100) * (1 + 9 + 81));
    assert_int_equal(threads_here(), before);
    qjrt_set_parallel_for(NULL, NULL);
    qjrt_parallel_for(depth1, &sum, 9);
    assert_int_equal(threads_here(), before + 7);
    assert_int_equal(host.calls, (8 * 40 + 100) * (1 + 9 + 81));
    qjrt_shutdown();
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

static atomic_bool ended;

static void add_nothing(void *ctx, int64_t begin, int64_t end) { (void)ctx, (void)begin, (void)end; }

static void *empty_loops(void *u)
{
    while (!ended) qjrt_parallel_for(add_nothing, u, 9);
    return u;
}

/* The first test, so that the pool never had a thread: a host with loops on its own pool, or serial ones, forks. */
static void test_fork_before_threads(void **state)
{
    (void)state;
    pthread_t t[3];
    qjrt_set_threads(1);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&t[i], NULL, empty_loops, NULL), 0);
    int stuck = 0;
    for (int i = 0; i < 200 && !stuck; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            alarm(20);
            _exit(qjrt_parallel_for(add_nothing, NULL, 9));
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        stuck = status;
    }
    ended = 1;
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    assert_int_equal(stuck, 0);
    qjrt_set_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_before_threads), cmocka_unit_test(test_each_iteration_once), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_concurrent_callers),  cmocka_unit_test(test_results_visible),
        cmocka_unit_test(test_hook),                cmocka_unit_test(test_fork),
        cmocka_unit_test(test_deep),             cmocka_unit_test(test_host_makes_the_threads),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
