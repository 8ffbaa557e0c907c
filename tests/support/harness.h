/* SPDX-License-Identifier: Apache-2.0 */
/* harness.h - a lowered schedule with data: logical arrays in, physical guarded buffers around a run, and a
 * comparison with the oracle. */
#ifndef QJ_TESTS_SUPPORT_HARNESS_H
#define QJ_TESTS_SUPPORT_HARNESS_H

#include "ir/eval.h"
#include "schedule/sched.h"
#include "tests/support/guard.h"
#include "tests/support/progen.h"

/* Random data for every argument tensor and the oracle's outputs, by program tensor; malloc'd logical arrays. */
struct oracle {
    const struct program *program;
    void **data;
};
bool oracle_init(struct ir_ctx *c, struct oracle *o, const struct program *p, uint64_t seed);
/* The same with data by `fill`, a tensor at a time, in logical order. */
typedef void fill_fn(void *u, struct rng *r, const struct tensor *t, void *data);
bool oracle_init_by(struct ir_ctx *c, struct oracle *o, const struct program *p, uint64_t seed, fill_fn *fill, void *u);
void oracle_free(struct oracle *o);

/* Runs `pack` then `main` by the given functions on guarded physical copies; true when every output is bit
 * for bit the oracle's. On a difference prints which element. run returns false on an error of its own. */
typedef bool run_fn(void *u, bool pack, void *const *arg);
bool harness_check(const struct lowered *l, const struct oracle *o, bool flush_end, run_fn *run, void *u);

/* The oracle's data for an argument as they lie in memory; `ones`: every byte that belongs to an element becomes 255. */
void harness_image(const struct oracle *o, const struct kernel_arg *a, void *physical, bool ones);

/* Parses definitions; NULL with an error in c->err. */
const struct program *parse_program(struct ir_ctx *c, const char *text);
void show_error(struct ir_ctx *c);

/* QJ_SEED, QJ_N from the environment. */
uint64_t env_number(const char *name, uint64_t dflt);

#endif
