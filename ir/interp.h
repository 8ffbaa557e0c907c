/* SPDX-License-Identifier: Apache-2.0 */
/* interp.h - runs a loop nest as ir.h's essay says, at any stage of the pipeline (scalar, vector,
 * flat), checking every index of every dimension, reads of local memory never written, and masked lanes.
 * Parallel and bound loops run in order. */
#ifndef QJ_IR_INTERP_H
#define QJ_IR_INTERP_H

#include "ir/eval.h"

/* arg[i] is argument i's memory in physical order. False: error in c->err. */
bool interp_run(struct ir_ctx *c, const struct func *f, void *const *arg);

#endif
