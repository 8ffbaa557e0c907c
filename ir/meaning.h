/* SPDX-License-Identifier: Apache-2.0 */
/* meaning.h - what an instruction computes, as a small tensor expression.
 *
 *     operands: "C: i32[8], A: u8[4], B: i8[8,4]"      meaning: "C[i] += i32(A[k]) * i32(B[i,k])"
 *
 * Operand 0 is written. Each operand lies contiguous and row-major at the address it is given; axes
 * take their extents from the operands they index alone. Axes that do not index operand 0 are reduced,
 * in order of first appearance. `=` assigns, `+=` `max=` `min=` `fma=` accumulate into operand 0. `B: i32[4] in 1..31`: the
 * meaning holds for operands within that range.
 */
#ifndef QJ_IR_MEANING_H
#define QJ_IR_MEANING_H

#include "ir/ir.h"

enum { MEANING_MAX_AXES = 4, MEANING_MAX_OPERANDS = 6 };

struct meaning {
    const char *name;
    const char *operands_text, *text;                   /* as written */
    int naxes, nout;                                    /* axes [0,nout) index operand 0, the rest are reduced */
    const struct var *axis[MEANING_MAX_AXES];
    int nop;
    const struct tensor *op[MEANING_MAX_OPERANDS];      /* TENSOR_OPERAND */
    int op_axis[MEANING_MAX_OPERANDS][QJ_MAX_RANK];     /* which axis indexes each dimension (always an axis alone) */
    bool accumulate;
    enum combiner combiner;
    const struct expr *body;                            /* READs of op[1..] by the axes */
};

const struct meaning *meaning_parse(struct ir_ctx *c, const char *name, const char *operands, const char *text,
                                    struct span at);
/* Executes the meaning on raw memory: ptr[i] is operand i's first element. Exactly body, combiner and
 * order of ir.h's essay. */
void meaning_run(const struct meaning *m, void *const *ptr);

#endif
