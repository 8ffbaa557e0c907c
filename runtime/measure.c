/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/measure.h"

#include <stdlib.h>
#include <time.h>

enum { MAX_WINDOWS = 1024, MIN_WINDOWS = 7 };
static const double WINDOW_MS = 0.3;    /* longer than a timer's error, shorter than a slice of the scheduler */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

struct calling { void (*fn)(void *u); void *u; };

static double call_window(void *u, int64_t calls)
{
    const struct calling *c = u;
    double begin = now_ms();
    for (int64_t i = 0; i < calls; i++) c->fn(c->u);
    return (now_ms() - begin) / (double)calls;
}

struct measured measure(void (*fn)(void *u), void *u, double budget_ms, const struct limits *limits)
{
    return measure_windows(call_window, &(struct calling){fn, u}, budget_ms, limits);
}

struct measured measure_windows(double (*window)(void *u, int64_t calls), void *u, double budget_ms,
                                const struct limits *limits)
{
    double ms[MAX_WINDOWS];
    struct measured m = {0};
    double begin = now_ms();
    window(u, 1); /* pages, caches, threads */
    int64_t calls = 1;
    double once = window(u, 1);
    while (once * (double)calls < WINDOW_MS && calls < INT64_C(1) << 30 && !limits_over(limits)) {
        calls *= 2;
        once = window(u, calls);
    }
    do {
        ms[m.windows++] = window(u, calls);
        m.calls += calls;
    } while (m.windows < MAX_WINDOWS && (m.windows < MIN_WINDOWS || now_ms() - begin < budget_ms) && !limits_over(limits));
    qsort(ms, (size_t)m.windows, sizeof *ms, by_value);
    m.best_ms = ms[0];
    m.median_ms = ms[m.windows / 2];
    m.p90_ms = ms[m.windows * 9 / 10];
    return m;
}

/* So many additions, each waiting for the one before. */
static void add_chain(int64_t n)
{
#if defined(__x86_64__)
    int64_t x = 0;
    for (; n > 0; n -= 64) __asm__ volatile(".rept 64\n\tadd $1, %0\n\t.endr" : "+r"(x)::"cc");
#elif defined(__aarch64__)
    int64_t x = 0;
    for (; n > 0; n -= 64) __asm__ volatile(".rept 64\n\tadd %0, %0, #1\n\t.endr" : "+r"(x));
#else
    (void)n;
#endif
}

double measure_ghz(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    enum { ADDS = 64 * 4000 }; /* some 80 us */
    double best = 1e30;
    for (int i = 0; i < 12; i++) {
        double begin = now_ms();
        add_chain(ADDS);
        double ms = now_ms() - begin;
        if (ms < best) best = ms;
    }
    return ADDS / best * 1e-6;
#else
    add_chain(0);
    return 0;
#endif
}
