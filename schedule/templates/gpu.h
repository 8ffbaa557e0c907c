/* SPDX-License-Identifier: Apache-2.0 */
/* gpu.h - what the templates of GPUs share. Internal to templates/gpu*.c.
 *
 * Each way of running a sum on a GPU adds candidates and writes their steps; `gpu.c` decides which is asked, adds the way
 * that always works, and has the cost model that makes their estimates comparable. */
#ifndef QJ_SCHEDULE_TEMPLATES_GPU_H
#define QJ_SCHEDULE_TEMPLATES_GPU_H

#include "schedule/templates/template.h"

/* A tile of the output by a block of threads, a step of the sum after the other. */
struct gpu_load {
    double blocks;          /* of the launch */
    int threads;            /* of a block */
    int64_t shared;         /* bytes of a block */
    int regs;               /* of a thread */
    double steps;           /* fetches of a block, each between barriers */
    double clocks;          /* a block's work on a multiprocessor that is busy, without waiting */
};
/* Clocks of the whole launch: whole rounds of blocks, and how well those at a time cover each other's waiting. */
double gpu_clocks(const struct target *t, const struct gpu_load *l);
bool gpu_takes(const struct target *t, const struct gpu_load *l);      /* a block within the limits */

/* gpu_gemm.c: pixels by channels, both fetched into shared memory, the sum by an instruction. */
void gpu_gemm_candidates(const struct contraction *k, struct candidates *out);
void gpu_gemm_steps(const struct contraction *k, const struct choice *c, const char *sum, struct str *out);

/* gpu_depthwise.c: sums over the window alone, plain multiplications in registers. */
void gpu_depthwise_candidates(const struct contraction *k, struct candidates *out);
void gpu_depthwise_steps(const struct contraction *k, const struct choice *c, const char *sum, struct str *out);

/* gpu_dot.c: few rows, a warp an output: its lanes are spread over the terms, which an instruction sums. */
void gpu_dot_candidates(const struct contraction *k, struct candidates *out);
void gpu_dot_steps(const struct contraction *k, const struct choice *c, const char *sum, struct str *out);

/* The instruction that sums four products of x and w; NULL: none. */
const struct intrin *gpu_row_for(const struct contraction *k);

/* ---- for steps ---- */

/* How many elements along dimension dim of t lie together in memory. */
int64_t gpu_run(const struct contraction *k, const struct tensor *t, int dim);
/* Elements along dimension dim of t that lie together in memory, for vectors of at most 16 bytes that divide `of` too; else 4. */
int gpu_lanes(const struct contraction *k, const struct tensor *t, int dim, int64_t of);

/* All of these loops of a stage as one; its name. n > 0. */
const char *gpu_fuse(const struct contraction *k, const char *stage, int n, const char *const *axis, struct str *out);
/* A stage's loops over threads of blocks of its own, an iteration of the n outermost each. */
void gpu_spread(const struct contraction *k, const char *stage, int n, const char *const *axis, struct str *out);
/* Everything between operands and sum, and between sum and last stage, goes inline. */
void gpu_inline(const struct contraction *k, struct str *out);

#endif
