/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h - runs the code of a kernel (bytecode.h) by all its threads, and watches what they do to each other.
 * Used by interp.c alone.
 *
 * A statement at the root of a function (through sequences and global allocs), where any loop of the function is bound,
 * is a kernel. A block has as many threads along an axis as the longest loop bound to it has iterations, or as its widest
 * combination takes; the grid as many blocks. All of them execute the whole statement; a bound loop is `if (axis < extent)`, also inside another loop
 * of its axis. Local memory is a thread's, shared memory a block's. sync is a barrier of the block, which all its
 * threads reach; in a function without bound loops it is nothing.
 *
 * `sum(threadIdx.x, 8) B[i]` (or min, max; of integers, so that the order is free): each group of 8 neighbours along
 * x, from a multiple of 8 on, all others being equal, combines its threads' elements, which all of them then have. All threads of
 * the block come there, but it is no barrier: shared memory is not ordered by it. The width divides the block's.
 *
 * What a thread stores into async memory is on its way. `commit` makes a group of what it has sent off since the last one;
 * `wait n` lets all its groups arrive but the n latest. Until then the element is missing, whatever it held before, and for
 * other threads it is written when it arrives.
 *
 * A block's threads run one after the other, each up to the next barrier, so what the others do in between shows.
 * Two threads of a block may not touch one element between two barriers, nor two blocks in the whole kernel, when
 * one of them writes: that is a race, reported whatever order the threads happen to run in. */
#ifndef QJ_IR_THREADS_H
#define QJ_IR_THREADS_H

#include "ir/bytecode.h"

struct kernel {
    int first;                      /* its code */
    int64_t grid[3], block[3];
    int axis[6];                    /* registers: blockIdx.x .y .z, threadIdx.x .y .z */
    VEC(int) own, shared;           /* memory of which each thread, each block has its own */
    bool syncs;                     /* there are barriers */
};

/* What of an element is known: who touched it last, and when. */
struct touched { int64_t writer, reader; uint64_t written, read; };    /* thread numbers; -1: several */

/* An element on its way. */
struct flight { int64_t thread, at; int mem, group; };

struct threads {
    struct bc *code;
    struct arena *arena;
    int nmem;
    struct touched **seen;          /* by memory; NULL: not watched */
    bool *of_block;                 /* by memory: each block has its own */
    uint64_t now, block_began, kernel_began;    /* barriers, blocks and kernels advance the time */
    int64_t thread, per_block;      /* the running one, counted over all blocks */
    const struct kernel *kernel;
    VEC(struct flight) flight;
    int *group;                     /* of each thread of the block: those committed so far */
    const char *why;                /* a fault */
    bool no_memory;
};

/* False: a fault; `why`, or code->trap, or no_memory says which. */
bool threads_run(struct threads *t, const struct kernel *k);
/* The running thread is about to read or write n elements from at. False: a race, in `why`. */
bool threads_touch(struct threads *t, int mem, int64_t at, int64_t n, bool write);
/* The running thread sends an element off; commits (-1), or waits for all groups but the `keep` latest. */
void threads_later(struct threads *t, int mem, int64_t at);
bool threads_copies(struct threads *t, int keep);

#endif
