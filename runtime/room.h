/* SPDX-License-Identifier: Apache-2.0 */
/* room.h - whether there is memory for what a call is about to make.
 *
 * Linux promises more memory than there is and ends processes when they use it. So before the library makes tensors
 * for itself it asks how much could be had, and refuses when that is too little.
 *
 *     if (!room_for(c, bytes, "the tensors of this kernel")) return false;
 */
#ifndef QJ_RUNTIME_ROOM_H
#define QJ_RUNTIME_ROOM_H

#include "ir/ir.h"

/* Charges `bytes` to the context's limits until the call ends. False: ERR_MEMORY, naming what they are for. */
bool room_for(struct ir_ctx *c, int64_t bytes, const char *what);

#endif
