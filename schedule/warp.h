/* SPDX-License-Identifier: Apache-2.0 */
/* warp.h - which threads of a block are the lanes of an instruction that threads execute together.
 *
 * Thread (x, y, z) of a block of bx by by by bz has the number x + bx * (y + by * z); 32 consecutive numbers are a warp, and a
 * thread's place in it is its lane. A meaning writes the lane by axes (ir/meaning.h): with `lane(g, t)`, g:8 and t:4,
 *
 *     block 32 x n:    threadIdx.x is 4*g + t                    (or 32*w + 4*g + t in a longer one)
 *     block 4 x 8n:    threadIdx.x is t, threadIdx.y is 8*w + g
 *
 * A loop bound to threadIdx.x is thus split, fused or bound as ever; what an address makes of it is then read off. */
#ifndef QJ_SCHEDULE_WARP_H
#define QJ_SCHEDULE_WARP_H

#include "ir/meaning.h"

struct warp {
    int n;                                              /* lane axes */
    const struct var *lane[MEANING_MAX_LANE];           /* variables that stand for them */
    const struct expr *thread[3];                       /* threadIdx.x, y, z by these and by others that all lanes share */
    int64_t own[3];                                     /* threads along x, y, z that differ in the lane alone */
    const struct expr *number;                          /* of the lane, by its axes */
};

/* NULL: the block is made of whole warps. Else why it is not, for a message. */
const char *warp_of_block(struct ir_ctx *c, const struct meaning *m, const int64_t *block, struct warp *out);

/* e with the loops bound to threads replaced by what they are of the warp, or by lane 0 of the thread's own warp. */
struct thread_loop { const struct var *var; int axis; };
const struct expr *warp_see(struct ir_ctx *c, const struct warp *k, int n, const struct thread_loop *loop, const struct expr *e);
const struct expr *warp_first(struct ir_ctx *c, const struct warp *k, int n, const struct thread_loop *loop, const struct expr *e);
/* The lane's number by the loops; NULL: *lacks is the axis (0..2) along which no loop is bound. */
const struct expr *warp_number(struct ir_ctx *c, const struct warp *k, int n, const struct thread_loop *loop, int *lacks);
/* Does an expression that warp_see made depend on the lane? */
bool warp_differs(const struct warp *k, const struct expr *e);

/* Every instruction of a kernel that lanes execute together is reached by all of them, with the same addresses and each
 * with its own number. False: ERR_TENSORIZE. */
bool warp_check(struct ir_ctx *c, const struct stmt *kernel, const int64_t *block);

#endif
