/* SPDX-License-Identifier: Apache-2.0 */
/* interp.h - runs a loop nest as ir.h's essay says, at any stage of the pipeline (scalar, vector,
 * flat), checking every index of every dimension, reads of local memory never written, and masked lanes.
 * Parallel loops run in order. Where loops are bound, the threads of a block run from sync to sync, and two of them
 * that touch one element in between (or blocks that do so ever), one of them writing, are an error: race. */
#ifndef QJ_IR_INTERP_H
#define QJ_IR_INTERP_H

#include "ir/eval.h"

/* arg[i] is argument i's memory in physical order. False: error in c->err. */
bool interp_run(struct ir_ctx *c, const struct func *f, void *const *arg);

#endif
