/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.h - what the choice of a tile (gemm.c) and its steps (gemm_steps.c) share: an instruction's shape, and how the
 * activations lie before it. */
#ifndef QJ_SCHEDULE_TEMPLATES_GEMM_H
#define QJ_SCHEDULE_TEMPLATES_GEMM_H

#include "schedule/templates/template.h"

/* The shape of a dot-product row: C[lanes] += A[groups, k] * B[groups, lanes, k]; mostly there is one group. Or of one
 * that multiplies tiles: C[rows, lanes] += A[rows, k] * B[lanes, k]. */
struct dot { int lanes, k, groups, rows; enum dtype a, b; };

bool gemm_row(const struct intrin *in, struct dot *d);
/* Terms that one instruction adds to a lane. */
static inline int gemm_terms(const struct dot *d) { return d->k * d->groups; }

/* Which axes play which part. -1: there is none. */
struct part {
    int tile, block;    /* pixels: the axis cut into mr, the axis cut into blocks of rows (may be the same) */
    int channel;
    bool copy;          /* x is converted */
    enum dtype as;      /* to this type */
};

struct part gemm_parts(const struct contraction *k, const struct dot *d);

/* How many elements along dimension dim lie together in blocks of t's layout; 0: the layout has no such blocks. */
int64_t gemm_block(const struct contraction *k, const struct tensor *t, int dim);
/* The channels of the block around w's groups: 16 in OIHW4i16o4i; 0: none. */
int64_t gemm_group_block(const struct contraction *k);
/* Does the group axis lie `group` at a time in x's memory as it is? */
bool gemm_groups_lie(const struct contraction *k, int group);
/* Does w already lie in panels of nr channels by groups of k, as OIHW4i16o4i does? Then nothing is packed. */
bool gemm_packed(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p);

/* Are there pixels of x that no window covers, as a 1x1 convolution with stride 2 leaves three of four? Then the copy has
 * the sum's axes, its channels last. */
bool gemm_sparse(const struct contraction *k, const struct part *p);
/* Is there a copy, and is it so? */
bool gemm_by_sum(const struct contraction *k, const struct part *p);
/* Tiles of pixels that a step lies between: what a window reads of them is put side by side. */
bool gemm_strided(const struct contraction *k, const struct dot *d, const struct part *p);
/* The dimension of x that the tile's axis alone indexes, by ones; -1: there is none. */
int gemm_tile_dim(const struct contraction *k, const struct part *p);
/* The dimension of x along which the tile lies and its copy is padded: it may be more so. -1: there is none. */
int gemm_padded_dim(const struct contraction *k, const struct part *p, int64_t *step);

void gemm_steps(const struct contraction *k, const struct choice *c, struct str *out);

#endif
