/* SPDX-License-Identifier: Apache-2.0 */
/* measure.h - how long, how sure, and how far from what the machine can do.
 *
 * A time is taken over many short windows: the best one is what the code can do, the distance of the others
 * says how busy the machine was. Cycles come from a chain of dependent additions run beside it, one cycle
 * each on every processor we know, so that a figure does not depend on what the clock is doing today. */
#ifndef QJ_RUNTIME_MEASURE_H
#define QJ_RUNTIME_MEASURE_H

#include "runtime/jit.h"
#include "targets/target.h"

struct measured {
    double best_ms, median_ms, p90_ms;   /* a call */
    int windows;
    int64_t calls;
};

/* Calls fn(u) for about budget_ms, or until the limits are over, which the caller looks at. */
struct measured measure(void (*fn)(void *u), void *u, double budget_ms, const struct limits *limits);
/* The same of anything that can say how many milliseconds each of so many calls took. */
struct measured measure_windows(double (*window)(void *u, int64_t calls), void *u, double budget_ms,
                                const struct limits *limits);

/* The clock now in GHz; 0 when this machine's is not known how to measure. About a millisecond. */
double measure_ghz(void);

/* Makes an object of a program under steps, for a caller who may not have LLVM in this process. What it returns is borrowed
 * until the context's defers are run; NULL, with or without an error: no ceiling. */
typedef const struct artifact *measure_compile(void *u, const struct program *p, const struct target *t,
                                               const struct intrin *row, const char *steps);

/* MAC/cycle of a register tile of `row` on operands in the first-level cache, compiled as a schedule like any
 * other: the best of a few tile shapes. 0: the row is no multiply-accumulate of two operands, or the clock is
 * not known. Uses c's arena; errors there. compile NULL: here. */
double measure_ceiling(struct ir_ctx *c, const struct target *t, const struct intrin *row, measure_compile *compile, void *u);

/* The instruction to compare a kernel with: the one its steps name, else the target's best exact one for f32
 * or for integers; NULL. */
const struct intrin *measure_row(const struct target *t, const char *steps, bool f32);

#endif
