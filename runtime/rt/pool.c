/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c - the thread pool behind qjrt_parallel_for.
 *
 * A loop is cut into pieces that threads take from a shared counter. The pool has one loop at a time:
 * whoever finds it busy runs its loop alone, which covers nested and concurrent loops alike without any
 * thread-local state. Workers enter a loop under the lock and only while it is open; the caller runs
 * pieces until none is left, closes the loop and waits for those inside. So a worker that wakes late finds
 * it closed and touches nothing, and a child of fork(), which has no workers, needs none to finish. */
#include "runtime/rt/qjrt.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
    SPINS = 2000,   /* looks before sleeping: 20 to 100 us, longer than the gap between two loops of a net */
    PIECES = 4      /* a thread: evens out threads that are late or slow */
};

struct loop {
    qjrt_body *body;
    void *ctx;
    int64_t n, piece;
};

/* The library's only writable object; everything not atomic is guarded by `lock`. */
static struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wake;            /* a loop has opened, or the pool stops */
    pthread_cond_t left;            /* the last worker inside has left */
    atomic_bool busy;               /* a loop owns the pool */
    atomic_uint opened;             /* counts loops: what idle workers watch */
    atomic_int inside;              /* workers in the loop */
    _Atomic int64_t next;           /* first iteration not yet taken */
    struct loop loop;               /* written by the owner before it opens */
    bool open, stop;
    int wish;                       /* qjrt_set_threads; 0: automatic */
    int automatic;                  /* 0: not yet asked */
    int limit;                      /* workers that may enter this loop */
    int nworker;
    pthread_t worker[QJRT_MAX_THREADS];
    qjrt_hook *hook;
    void *hook_user;
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static void run_pieces(const struct loop *l)
{
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&pool.next, l->piece, memory_order_relaxed);
        if (begin >= l->n) return;
        l->body(l->ctx, begin, l->n - begin < l->piece ? l->n : begin + l->piece);
    }
}

/* Called and returns with the lock held. */
static void enter(void)
{
    struct loop l = pool.loop;
    atomic_fetch_add(&pool.inside, 1);
    pthread_mutex_unlock(&pool.lock);
    run_pieces(&l);
    pthread_mutex_lock(&pool.lock);
    if (atomic_fetch_sub(&pool.inside, 1) == 1) pthread_cond_signal(&pool.left);
}

static void *worker_main(void *arg)
{
    int self = (int)(intptr_t)arg;
    unsigned seen = 0; /* none: loops count from 1, and at worst a wrapped count costs one look */
    pthread_mutex_lock(&pool.lock);
    while (!pool.stop) {
        unsigned now = atomic_load(&pool.opened);
        if (now != seen) {
            seen = now;
            if (pool.open && self < pool.limit) enter();
            continue;
        }
        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; i < SPINS && atomic_load_explicit(&pool.opened, memory_order_relaxed) == seen; i++)
            relax();
        pthread_mutex_lock(&pool.lock);
        while (!pool.stop && atomic_load(&pool.opened) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static int count_cpus(void)
{
    const char *text = getenv("QJRT_THREADS");
    long n = text ? strtol(text, NULL, 10) : 0;
    if (n <= 0) {
        cpu_set_t set[64]; /* one is for 1024 CPUs; the call fails where the system may have more than it is given room for */
        n = sched_getaffinity(0, sizeof set, set) == 0 ? CPU_COUNT_S(sizeof set, set) : 1;
    }
    return n < 1 ? 1 : n > QJRT_MAX_THREADS ? QJRT_MAX_THREADS : (int)n;
}

/* Lock held. */
static int threads_wanted(void)
{
    if (pool.wish) return pool.wish;
    if (!pool.automatic) pool.automatic = count_cpus();
    return pool.automatic;
}

/* The child has this thread only. The lock may have been held by one that is gone. */
static void in_child(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.left, NULL);
    pool.nworker = 0;
    pool.open = pool.stop = false;
    atomic_store(&pool.inside, 0);
    atomic_store(&pool.busy, false);
}

/* From the beginning: a loop without workers, and a hook's, take the lock as well. */
__attribute__((constructor)) static void hook_fork(void) { pthread_atfork(NULL, NULL, in_child); }

/* Lock held. Fewer than wanted if the system gives no more. */
static void start_workers(int wanted)
{
    sigset_t all, before; /* the host's signals are for the host's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool.nworker < wanted &&
           pthread_create(&pool.worker[pool.nworker], NULL, worker_main, (void *)(intptr_t)pool.nworker) == 0)
        pool.nworker++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The pool is ours (busy): opens the loop, helps, closes it, waits. False: it is not worth it. */
static bool run_shared(struct loop l)
{
    pthread_mutex_lock(&pool.lock);
    int threads = threads_wanted();
    if (threads > l.n) threads = (int)l.n;
    if (threads > 1 && pool.nworker < threads - 1) start_workers(threads - 1);
    if (threads <= 1 || pool.nworker == 0) {
        pthread_mutex_unlock(&pool.lock);
        return false;
    }
    l.piece = l.n / ((int64_t)threads * PIECES);
    if (l.piece < 1) l.piece = 1;
    pool.loop = l;
    pool.limit = threads - 1;
    pool.open = true;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool.opened, 1);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);

    run_pieces(&l);

    pthread_mutex_lock(&pool.lock);
    pool.open = false;
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < SPINS && atomic_load(&pool.inside); i++) relax();
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.inside)) pthread_cond_wait(&pool.left, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    return true;
}

int qjrt_parallel_for(qjrt_body *body, void *ctx, int64_t n)
{
    if (n <= 0) return 0;
    pthread_mutex_lock(&pool.lock);
    qjrt_hook *hook = pool.hook;
    void *user = pool.hook_user;
    pthread_mutex_unlock(&pool.lock);
    if (hook) return hook(user, body, ctx, n);

    bool ours = n > 1 && !atomic_exchange(&pool.busy, true);
    if (!ours || !run_shared((struct loop){body, ctx, n, 1})) body(ctx, 0, n);
    if (ours) atomic_store(&pool.busy, false);
    return 0;
}

void qjrt_set_threads(int n)
{
    pthread_mutex_lock(&pool.lock);
    pool.wish = n < 0 ? 0 : n > QJRT_MAX_THREADS ? QJRT_MAX_THREADS : n;
    pthread_mutex_unlock(&pool.lock);
}

int qjrt_threads(void)
{
    pthread_mutex_lock(&pool.lock);
    int n = threads_wanted();
    pthread_mutex_unlock(&pool.lock);
    return n;
}

void qjrt_set_parallel_for(qjrt_hook *hook, void *user)
{
    pthread_mutex_lock(&pool.lock);
    pool.hook = hook;
    pool.hook_user = user;
    pthread_mutex_unlock(&pool.lock);
}

__attribute__((destructor)) void qjrt_shutdown(void)
{
    if (atomic_exchange(&pool.busy, true)) return;
    pthread_mutex_lock(&pool.lock);
    int n = pool.nworker;
    pool.stop = true;
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < n; i++) pthread_join(pool.worker[i], NULL);
    pthread_mutex_lock(&pool.lock);
    pool.nworker = 0;
    pool.stop = false;
    pthread_mutex_unlock(&pool.lock);
    atomic_store(&pool.busy, false);
}
