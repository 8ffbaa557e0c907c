/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h - how a row is made of LLVM operations: a small expression over its operands.
 *
 *     recipe := NAME                                   an operand, loaded whole: i16[16] is <16 x i16>
 *             | INT                                    a splat of the type wanted
 *             | "@llvm.name" "(" recipe,* ")"          a named LLVM intrinsic
 *             | OP "(" recipe "," recipe ")"           add sub mul and or xor shl lshr ashr fadd fmul
 *             | ("sext"|"zext"|"trunc"|"bitcast"|"repeat") "." TYPE "(" recipe ")"    TYPE: i16x16, i32, f32x8
 *             | "part" "." TYPE "(" NAME "," INT ")"     the INT-th TYPE of an operand, loaded alone
 *             | "asm" STRING CONSTRAINTS "(" recipe,* ")" "." TYPE           inline assembly (refused in scripts)
 *
 * Where an argument's type differs from what the intrinsic wants: the same number of bits is bitcast;
 * a whole multiple is repeated (a 32-bit operand wanted as 256 bits is broadcast); else the row is bad.
 * The result is bitcast to operand 0's type and stored. Operands of a row are `read` in order once.
 */
#ifndef QJ_TARGETS_RECIPE_H
#define QJ_TARGETS_RECIPE_H

#include "ir/meaning.h"

enum recipe_kind { RCP_OPERAND, RCP_INT, RCP_CALL, RCP_BIN, RCP_CONV, RCP_ASM, RCP_PART };

struct recipe {
    enum recipe_kind kind;
    int operand;                    /* OPERAND, PART */
    int64_t value;                  /* INT; PART: which one */
    const char *name;               /* CALL: "llvm.x86..."; BIN/CONV: the word; ASM: the template */
    const char *constraints;        /* ASM */
    struct type type;               /* CONV, ASM, PART: the type named */
    int nkid;
    const struct recipe *const *kid;
};

/* Does it load operand k whole? */
bool recipe_loads(const struct recipe *r, int k);
/* Parses against the meaning's operand names. ERR_INTRIN at `at`; ERR_ASM_REFUSED unless allow_asm. */
const struct recipe *recipe_parse(struct ir_ctx *c, const struct meaning *m, const char *text, bool allow_asm,
                                  struct span at);

#endif
