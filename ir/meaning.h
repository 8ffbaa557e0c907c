/* SPDX-License-Identifier: Apache-2.0 */
/* meaning.h - what an instruction computes, as a small tensor expression.
 *
 *     operands: "C: i32[8], A: u8[4], B: i8[8,4]"      meaning: "C[i] += i32(A[k]) * i32(B[i,k])"
 *
 * Operand 0 is written. Each operand lies contiguous and row-major at the address it is given; axes
 * take their extents from the operands they index alone. Axes that do not index operand 0 are reduced,
 * in order of first appearance. `=` assigns, `+=` `max=` `min=` `fma=` accumulate into operand 0. `B: i32[4] in 1..31`: the
 * meaning holds for operands within that range.
 *
 * A dimension with a star has a pitch of its own, a constant that each use of the instruction gives: tiles lie in
 * something larger. One without, before one with a star, moves by all of what that one covers: `A: i8[4,2*,16]` is four times
 * two rows at one pitch, so eight. An instruction that threads execute together is what one of them computes, a lane:
 *
 *     operands: "C: i32[2*,2*], A: i8[8*,2*,32], B: i8[4*,2*,32]"
 *     meaning:  "lane(g, t) C[a,b] += i32(A[g,a,k]) * i32(B[t,b,k])"
 *
 * g and t say which one: the lane's number is g*4 + t. Operand 0 is the lane's own; an operand that a lane axis indexes is a
 * tile that all lanes read, at one address. So threads need no account of each other: what they do together is what each
 * does alone. That is an `instruction` in a nest with one argument an operand, then the lane's number (its remainder by the number
 * of lanes counts), then the pitches. */
#ifndef QJ_IR_MEANING_H
#define QJ_IR_MEANING_H

#include "ir/ir.h"

enum { MEANING_MAX_AXES = 5, MEANING_MAX_OPERANDS = 6, MEANING_MAX_LANE = 3, MEANING_MAX_PITCHES = 12,
       MEANING_MAX_ARGS = MEANING_MAX_OPERANDS + 1 + MEANING_MAX_PITCHES };

/* In op_axis: lane axis i is MEANING_LANE + i. */
enum { MEANING_LANE = MEANING_MAX_AXES };

struct meaning {
    const char *name;
    const char *operands_text, *text;                   /* as written */
    int naxes, nout;                                    /* axes [0,nout) index operand 0, the rest are reduced */
    const struct var *axis[MEANING_MAX_AXES];
    int nlane;                                          /* 0: a thread executes it alone */
    const struct var *lane[MEANING_MAX_LANE];           /* the last one varies fastest with the lane's number */
    const struct var *lane_number;                      /* what meaning_index calls `lane` */
    int nop;
    const struct tensor *op[MEANING_MAX_OPERANDS];      /* TENSOR_OPERAND */
    int op_axis[MEANING_MAX_OPERANDS][QJ_MAX_RANK];     /* which axis indexes each dimension (always an axis alone) */
    int npitch;
    int pitch[MEANING_MAX_OPERANDS][QJ_MAX_RANK];       /* of a dimension with a star: which pitch it is, from 1; else 0 */
    bool accumulate;
    enum combiner combiner;
    const struct expr *body;                            /* READs of op[1..] by the axes */
};

const struct meaning *meaning_parse(struct ir_ctx *c, const char *name, const char *operands, const char *text,
                                    struct span at);

/* Whole tiles, by one thread: an operand is a run of memory. */
static inline bool meaning_is_plain(const struct meaning *m) { return m->nlane == 0 && m->npitch == 0; }
/* Arguments of its STMT_INTRIN: operands, the lane's number where it has lanes, pitches. */
static inline int meaning_nargs(const struct meaning *m) { return m->nop + (m->nlane > 0) + m->npitch; }
int meaning_nlanes(const struct meaning *m);            /* threads that execute it together; 1: one alone */
/* Does a lane axis index operand k? */
bool meaning_is_shared(const struct meaning *m, int k);
/* Elements that operand k moves with dimension d, where `arg` are the arguments. */
int64_t meaning_step(const struct meaning *m, int k, int d, const struct expr *const *arg);

/* Reads an index over `lane`, the lane's number, such as lane/8%2*16; *text moves behind it. NULL: there is none. */
const struct expr *meaning_index(struct ir_ctx *c, const struct meaning *m, const char **text);

/* Executes a plain meaning on raw memory: ptr[i] is operand i's first element. Exactly body, combiner and
 * order of ir.h's essay. */
void meaning_run(const struct meaning *m, void *const *ptr);
/* The same as loops and stores, for one that is not plain: what `s`, a STMT_INTRIN, does. */
const struct stmt *meaning_loops(struct ir_ctx *c, const struct stmt *s);

#endif
