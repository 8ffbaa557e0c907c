/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - a kernel against the definition, bit for bit.
 *
 * The definition is the artifact's own program text, read again: what is checked is what was compiled,
 * whatever has become of the context since. Patterns of data are chosen to hide nothing: extremes meet
 * extremes of either sign, where saturating instructions go wrong. */
#ifndef QJ_RUNTIME_CHECK_H
#define QJ_RUNTIME_CHECK_H

#include "runtime/kernel.h"

/* Multiply-accumulates up to which every output element is compared under every pattern. */
#define CHECK_ALL_MACS 20000000

/* Leaves what it made in c's arena and c->defers. False: ERR_MISMATCH, or what kept the check from running. */
bool check_kernel(struct ir_ctx *c, const struct qj_kernel *k, qj_check_report *r);

/* Where an object runs that this process cannot call. `physical` is by call argument. Each call of queue copies its data;
 * fetch fills the outputs of one queued call, counted from 0. False: error set. */
struct check_place {
    bool (*queue)(void *u, struct ir_ctx *c, void *const *physical);
    bool (*fetch)(void *u, struct ir_ctx *c, int call, void *const *physical);
    void *u;
};
/* The same there: every pattern is queued before the first is fetched. Objects without functions of the host's. */
bool check_elsewhere(struct ir_ctx *c, const struct qj_artifact *a, const struct check_place *place, qj_check_report *r);

/* Random data for a tensor as declared: integers over all its range, i32 and i64 without a declared range
 * over all magnitudes, f32 in (-1, 1), positive for scales. Leaves by poll's pad when time is over. */
void check_random(struct arena *poll, const struct artifact_arg *g, const char *keyword, void *data, int64_t n, uint64_t seed);

#endif
