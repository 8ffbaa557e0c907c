/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h - how a row is made of LLVM operations: a small expression over its operands.
 *
 *     recipe := NAME                                   an operand, loaded whole: i16[16] is <16 x i16>
 *             | INT                                    a splat of the type wanted
 *             | "@llvm.name" "(" recipe,* ")"          a named LLVM intrinsic
 *             | OP "(" recipe "," recipe ")"           add sub mul and or xor shl lshr ashr fadd fmul
 *             | ("sext"|"zext"|"trunc"|"bitcast"|"repeat") "." TYPE "(" recipe ")"    TYPE: i16x16, i32, f32x8
 *             | "part" "." TYPE "(" NAME "," INT ")"     the INT-th TYPE of an operand, loaded alone
 *             | "words" "(" NAME ")"                     all 32-bit words of an operand, in order
 *             | "matrix" "." INT "(" NAME "," INDEX,* ")"     so many 8 x 16-byte matrices of a tile that lanes share, below
 *             | "descriptor" "(" NAME "," INT "," INT ")"            where a tile that lanes share lies, for wgmma, below
 *             | "asm" STRING CONSTRAINTS "(" recipe,* ")" "." TYPE           inline assembly (refused in scripts)
 *
 * Where an argument's type differs from what the intrinsic wants: the same number of bits is bitcast;
 * a whole multiple is repeated (a 32-bit operand wanted as 256 bits is broadcast); else the row is bad.
 * The result is bitcast to operand 0's type and stored. Operands of a row are `read` in order once.
 *
 * An operand with pitches is not loaded whole: `words` loads element by element, and what an intrinsic gives as a structure
 * of equal words is one word after the other. Both stand for several arguments of a call. Assembly with several outputs gives
 * as many lanes of its TYPE.
 *
 * matrix.N(A, i, j, ...): row r of matrix m is the 16 bytes from A[i, j, ...] on, where `lane` in the indices is 8*m + r. Lane l
 * gets word l%4 of row l/4 of each: N arguments. That is `ldmatrix` where the tile is in shared memory and all rows are
 * known to be aligned to 16 bytes, else N loads of 32 bits.
 *
 * descriptor(A, t, r): 64 bits that say where a tile in shared memory begins and how far its core matrices lie apart along
 * dimension t, the terms, and dimension r, the rows. A core matrix is what the dimensions behind both make: 8 rows of 16 bytes,
 * one after the other, not swizzled. A tile that lies elsewhere, or not at multiples of 16 bytes, has no descriptor:
 * `recipe_misfit` is asked before such an instruction is chosen and before it is emitted.
 */
#ifndef QJ_TARGETS_RECIPE_H
#define QJ_TARGETS_RECIPE_H

#include "ir/meaning.h"

enum recipe_kind { RCP_OPERAND, RCP_INT, RCP_CALL, RCP_BIN, RCP_CONV, RCP_ASM, RCP_PART, RCP_WORDS, RCP_MATRIX, RCP_DESCRIPTOR };

struct recipe {
    enum recipe_kind kind;
    int operand;                    /* OPERAND, PART, WORDS, MATRIX, DESCRIPTOR */
    int64_t value;                  /* INT; PART: which one; WORDS, MATRIX: how many */
    const char *name;               /* CALL: "llvm.x86..."; BIN/CONV: the word; ASM: the template */
    const char *constraints;        /* ASM */
    struct type type;               /* CONV, ASM, PART: the type named */
    const struct expr *const *index;    /* MATRIX: one a dimension, over meaning->lane_number */
    int dim[2];                     /* DESCRIPTOR: of the terms, of the rows */
    int nkid;
    const struct recipe *const *kid;
};

/* The arguments of a call that it stands for. */
static inline int recipe_count(const struct recipe *r) { return r->kind == RCP_WORDS || r->kind == RCP_MATRIX ? (int)r->value : 1; }
/* Does it load operand k whole? */
bool recipe_loads(const struct recipe *r, int k);
/* NULL: with these arguments (ir/meaning.h) it can be emitted. Else why not, for a message. */
const char *recipe_misfit(struct ir_ctx *c, const struct meaning *m, const struct recipe *r, const struct expr *const *arg);
/* Parses against the meaning's operand names. ERR_INTRIN at `at`; ERR_ASM_REFUSED unless allow_asm. */
const struct recipe *recipe_parse(struct ir_ctx *c, const struct meaning *m, const char *text, bool allow_asm,
                                  struct span at);

#endif
