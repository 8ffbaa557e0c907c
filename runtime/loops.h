/* SPDX-License-Identifier: Apache-2.0 */
/* loops.h - loops of machine code, found in the code itself: a jump backwards closes one.
 *
 *     struct code_loop *loop;
 *     size_t n = loops_find(listing, &loop);
 *     const struct code_loop *hot = loops_hottest(loop, n);
 *     free(loop);
 */
#ifndef QJ_RUNTIME_LOOPS_H
#define QJ_RUNTIME_LOOPS_H

#include "runtime/qjit.h"

struct code_loop {
    size_t from, to;        /* instructions [from, to] */
    int multiplies, vectors;
    int depth;              /* loops around it */
    bool innermost;
    const char *name;       /* the schedule's, or NULL */
};

/* All backward jumps, one loop for each place jumped to; outer loops before their inner ones. Owned: free.
 * *out NULL: no memory. */
size_t loops_find(const qj_listing *l, struct code_loop **out);
/* Of the innermost ones that with most vector multiplications; NULL: there is no loop. */
const struct code_loop *loops_hottest(const struct code_loop *loop, size_t n);

#endif
