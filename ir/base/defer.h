/* SPDX-License-Identifier: Apache-2.0 */
/* defer.h - what must be freed when work ends, however it ends.
 *
 * The arena's longjmp skips the ends of functions, so whatever is not in an arena (an LLVM module, an
 * evaluator, a result in the making) is registered when made, in the context's list. Who registers runs the
 * list down to where it was when done; after a jump the API entry point (runtime/api.c) runs all of it, last
 * first. A result that the caller gets is kept by cancelling it. What is registered lies in an arena or is
 * malloc'd: the stack of the function that registered it may be gone.
 *
 *     int keep = c->defers.n;
 *     defer(&c->defers, close_module, m);
 *     ... arena_alloc may jump ...
 *     defer_run(&c->defers, keep);
 */
#ifndef QJ_IR_BASE_DEFER_H
#define QJ_IR_BASE_DEFER_H

#include "ir/base/base.h"

enum { DEFER_MAX = 64 };

typedef void defer_fn(void *p);
struct defers {
    int n;
    struct { defer_fn *fn; void *p; } at[DEFER_MAX];
};

/* p NULL: nothing to do. */
static inline void defer(struct defers *d, defer_fn *fn, void *p)
{
    if (!p) return;
    QJ_ASSERT(d->n < DEFER_MAX);
    d->at[d->n].fn = fn;
    d->at[d->n++].p = p;
}

/* p is the caller's now: it will not be freed. */
static inline void defer_cancel(struct defers *d, void *p)
{
    for (int i = d->n; p && i-- > 0;)
        if (d->at[i].p == p) {
            memmove(&d->at[i], &d->at[i + 1], (size_t)(--d->n - i) * sizeof d->at[0]);
            return;
        }
}

/* Frees everything registered since there were `keep` entries. */
static inline void defer_run(struct defers *d, int keep)
{
    while (d->n > keep) {
        d->n--;
        d->at[d->n].fn(d->at[d->n].p);
    }
}

#endif
