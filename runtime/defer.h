/* SPDX-License-Identifier: Apache-2.0 */
/* defer.h - what must be freed when an API call ends, however it ends.
 *
 * The arena's longjmp skips the ends of functions, so whatever is not in an arena (an evaluator, a listing,
 * a kernel under test) is registered when made. The list is run, last first, by api_run (runtime/api.h) on
 * every way out; a result that the caller gets is kept by cancelling it.
 *
 *     struct eval *ev = eval_new(c, p);
 *     defer(d, (defer_fn *)eval_free_it, ev);
 */
#ifndef QJ_RUNTIME_DEFER_H
#define QJ_RUNTIME_DEFER_H

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
            d->at[i].p = NULL;
            return;
        }
}

/* Frees everything registered since there were `keep` entries. */
static inline void defer_run(struct defers *d, int keep)
{
    while (d->n > keep) {
        d->n--;
        if (d->at[d->n].p) d->at[d->n].fn(d->at[d->n].p);
    }
}

#endif
