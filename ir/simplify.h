/* SPDX-License-Identifier: Apache-2.0 */
/* simplify.h, bounds: what is known about values without running anything.
 *
 * Variables range over [0, extent) unless the environment says otherwise. */
#ifndef QJ_IR_SIMPLIFY_H
#define QJ_IR_SIMPLIFY_H

#include "ir/ir.h"

/* Narrower (or missing) ranges of variables; a linked list on the caller's stack, innermost first. */
struct var_range {
    const struct var *var;
    struct range range;
    const struct var_range *next;
};

/* The least interval we can prove for an integer or bool expression (every lane of a vector); the
 * type's range when nothing better is known. READ and LOAD give the range of their tensor or buffer,
 * arithmetic that may wrap gives the type's range. f32 sub-expressions are followed as real intervals
 * so that a clamp before a cast is seen. */
struct range ir_bounds(const struct expr *e, const struct var_range *env);
/* cond (bool) holds for all values of its variables / for none. */
bool ir_prove(struct ir_ctx *c, const struct expr *cond, const struct var_range *env);
bool ir_refute(struct ir_ctx *c, const struct expr *cond, const struct var_range *env);

/* Equal in value for every assignment in range, no larger by the cost measure, idempotent. i64 sums are
 * brought to a canonical order (terms as ir_compare sorts them, constant last), div and mod by constants are
 * resolved where terms divide or bounds allow: (a*16 + b) / 16 -> a with b in [0,16). */
const struct expr *ir_simplify(struct ir_ctx *c, const struct expr *e, const struct var_range *env);
/* Also over statements: drops ifs that always hold and code that never runs, loops of extent 1, and
 * trims `for v: if (v < n) body` to the shorter loop. */
const struct stmt *ir_simplify_stmt(struct ir_ctx *c, const struct stmt *s, const struct var_range *env);

/* e as base + sum coef[i]*var[i] over the given variables, base free of them; false if not affine. */
bool ir_affine(struct ir_ctx *c, const struct expr *e, int n, const struct var *const *var, int64_t *coef,
               const struct expr **base);
/* Greatest known m with e == r (mod m): e.g. 16*i + 4 gives m=16, r=4. m = 0: e is the constant r. */
void ir_modulus(const struct expr *e, int64_t *m, int64_t *r);

#endif
