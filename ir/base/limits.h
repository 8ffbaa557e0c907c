/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h - what a call may use: memory, and time until its deadline or until somebody cancels it.
 *
 * One struct is shared by all that works for a context. Arenas charge their chunks to it, and look at it while they
 * allocate: whoever may run out of memory may as well run out of time, and leaves by the same jump (arena.h). Loops
 * that allocate nothing call arena_poll, or where a jump would skip what must be freed, limits_over.
 *
 *     if (!limits_take(c->arena.limits, bytes)) return err_set(...);
 */
#ifndef QJ_IR_BASE_LIMITS_H
#define QJ_IR_BASE_LIMITS_H

#include <stdatomic.h>
#include <time.h>

#include "ir/base/base.h"

struct limits {
    size_t memory, used;            /* bytes; memory 0: no limit */
    int64_t deadline;               /* limits_now() then; 0: none */
    const atomic_bool *cancelled;   /* NULL: nobody can */
};

/* Nanoseconds on a clock that nobody sets. */
static inline int64_t limits_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline bool limits_cancelled(const struct limits *l)
{
    return l && l->cancelled && atomic_load_explicit(l->cancelled, memory_order_relaxed);
}

/* The call has been cancelled, or its time is over. */
static inline bool limits_over(const struct limits *l)
{
    return limits_cancelled(l) || (l && l->deadline && limits_now() >= l->deadline);
}

/* False: so many bytes more would be too many. */
static inline bool limits_take(struct limits *l, size_t bytes)
{
    if (!l) return true;
    if (l->memory && (l->used > l->memory || bytes > l->memory - l->used)) return false;
    l->used += bytes;
    return true;
}

static inline void limits_give(struct limits *l, size_t bytes)
{
    if (l) l->used -= bytes;
}

#endif
