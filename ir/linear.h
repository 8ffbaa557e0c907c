/* SPDX-License-Identifier: Apache-2.0 */
/* linear.h - i64 sums as coefficient * atom terms; what simplify and bounds share, nobody else's business.
 *
 * A linear is sum(t[i].c * t[i].e) + k with t sorted by ir_compare, no zero coefficient and no atom twice: two
 * sums that are equal as polynomials have equal linears. An atom is any scalar i64 expression that is not a
 * sum or a multiple. Functions return false, leaving the linear unusable, when a coefficient overflows or the
 * terms do not fit; the caller then keeps the expression as it is.
 *
 *     struct linear l = {0};
 *     lin_add(&l, 1, e);                       // y*16 + x + 3 gives {1 x, 16 y, k 3}
 *     const struct expr *same = lin_expr(c, &l);
 */
#ifndef QJ_IR_LINEAR_H
#define QJ_IR_LINEAR_H

#include "ir/simplify.h"

enum { LIN_MAX = 24 };

struct term { int64_t c; const struct expr *e; };
struct linear {
    int n;
    int64_t k;
    struct term t[LIN_MAX];    /* only the first n are set */
};

bool lin_add_atom(struct linear *l, int64_t c, const struct expr *atom);
bool lin_add_const(struct linear *l, int64_t k);
bool lin_add(struct linear *l, int64_t c, const struct expr *e);             /* l += c * e, looking into sums */
bool lin_add_lin(struct linear *l, int64_t c, const struct linear *other);   /* l += c * other */
int64_t lin_coef(const struct linear *l, const struct expr *atom);           /* 0: not there */
int64_t lin_gcd(const struct linear *l);                                     /* of the coefficients; 0: none */
bool lin_eq(const struct linear *a, const struct linear *b);
/* The canonical expression: positive terms in order, then negative ones, the constant last. */
const struct expr *lin_expr(struct ir_ctx *c, const struct linear *l);
int64_t i64_gcd(int64_t a, int64_t b);                                       /* gcd(0, 0) = 0; never negative */

/* Bounds of nodes seen, valid for one environment. Zero-initialised; a lossy direct-mapped table. */
enum { BOUNDS_ROWS = 64 };
struct bounds_cache {
    struct bounds_row {
        const struct expr *e;
        union { struct range i; struct { float lo, hi; bool nan; } f; } r;
    } row[BOUNDS_ROWS];
};
struct range bounds_of(const struct expr *e, const struct var_range *env, struct bounds_cache *cache);
struct range var_bounds(const struct var *v, const struct var_range *env);
struct range lin_bounds(const struct linear *l, const struct var_range *env, struct bounds_cache *cache);

#endif
