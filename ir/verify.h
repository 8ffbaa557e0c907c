/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - well-formedness of programs and loop nests, checked after lowering and after every pass.
 * A failure is a bug of ours (or of a hand-written nest): it returns false with ERR_TYPE, ERR_RANGE or
 * ERR_SYNTAX set and the offending node printed. */
#ifndef QJ_IR_VERIFY_H
#define QJ_IR_VERIFY_H

#include "ir/ir.h"

enum verify_flag {
    VERIFY_FLAT = 1,        /* loads and stores have one index */
    VERIFY_VECTORS = 2,     /* vector types allowed, no LOOP_VECTORIZED left; an access may have one, flat index */
    VERIFY_NO_UNROLL = 4    /* no LOOP_UNROLLED left */
};
bool verify_program(struct ir_ctx *c, const struct program *p);
bool verify_func(struct ir_ctx *c, const struct func *f, unsigned flags);

#endif
