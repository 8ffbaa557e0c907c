/* SPDX-License-Identifier: Apache-2.0 */
/* progen.h - random tensor programs and random schedule steps, as text.
 *
 * Programs cover: reductions (sum, max, min; i32, i16, i64 and f32), windows, strides, dilation, padding, chains,
 * layouts, requantisation, several outputs. Steps cover every primitive; most are legal, some are refused. */
#ifndef QJ_TESTS_SUPPORT_PROGEN_H
#define QJ_TESTS_SUPPORT_PROGEN_H

#include "schedule/sched.h"

struct rng { uint64_t s; };
static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
/* Uniform in [lo, hi]. */
static inline int64_t rng_int(struct rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(rng_next(r) % (uint64_t)(hi - lo + 1));
}

const char *gen_program(struct arena *a, struct rng *r);
/* One step for the schedule as it is now. */
const char *gen_step(struct arena *a, struct rng *r, const struct sched *s);
/* Steps that widen, pack, split and reorder so that an instruction of the target fits, tails and all; NULL when
 * the program has no product of A and W. Some are refused. */
const char *gen_plan(struct arena *a, struct rng *r, const struct sched *s);
/* A random schedule: perhaps a plan, then random steps. Counts (each may be NULL) steps taken, steps refused,
 * tensorize steps taken. False when a refusal comes without a proper error. */
bool gen_schedule(struct rng *r, struct sched *s, long *taken, long *refused, long *tensorized);
/* The same with loops bound to blocks and threads (gpugen.c). */
bool gen_gpu_schedule(struct rng *r, struct sched *s, long *taken, long *refused, long *tensorized);
/* A product of matrices for an instruction of t that warps execute, and steps that come to it (warpgen.c). False: t has
 * none. What is in the struct is for the steps. */
struct warp_case {
    const char *program;
    const struct intrin *row;
    bool tall, fused;
    int terms, rows, cols, warps[2], chunk, threads[2];
};
bool gen_warp_program(struct arena *a, struct rng *r, const struct target *t, struct warp_case *w);
const char *gen_warp_steps(struct arena *a, struct rng *r, struct warp_case *w);
/* Elements of a tensor's declared range: extremes often. Written in logical order. */
void gen_data(struct rng *r, const struct tensor *t, void *data);

#endif
