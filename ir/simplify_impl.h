/* SPDX-License-Identifier: Apache-2.0 */
/* simplify_impl.h - what the simplifier's files share: simplify.c (driver, rules on data), simplify_index.c
 * (i64 sums, div, mod, comparisons), simplify_stmt.c (loop nests). Nobody else includes it. */
#ifndef QJ_IR_SIMPLIFY_IMPL_H
#define QJ_IR_SIMPLIFY_IMPL_H

#include "ir/linear.h"

/* A condition that holds. is_less: it says less <= -1. */
struct fact {
    const struct expr *cond;
    bool is_less;
    struct linear less;
    const struct fact *next;
};

/* What is known at a place: the ranges of variables and the conditions around it. */
struct known {
    const struct var_range *env;
    const struct fact *facts;
};

/* One simplification of one expression under one state of knowledge. */
struct simp {
    struct ir_ctx *c;
    struct known known;
    int arms;                        /* conditions assumed so far on the way into select arms */
    struct bounds_cache bounds;
    struct simp_memo_row { const struct expr *from, *to; } *row, first[64];
    uint32_t nrow, cap;
};

/* e after one pass of the rules; a fixed point when it is e itself. */
const struct expr *simplify_once(struct ir_ctx *c, const struct expr *e, const struct known *k);
/* cond (simplified, scalar, true) joins what is known; ranges of variables narrow where it bounds them. */
void known_add(struct ir_ctx *c, struct known *k, const struct expr *cond);

bool simp_loads(const struct expr *e);                                       /* reads a buffer */
const struct expr *simp_expr(struct simp *s, const struct expr *e);
static inline struct range simp_bounds(struct simp *s, const struct expr *e)
{
    return bounds_of(e, s->known.env, &s->bounds);
}
static inline struct range simp_lin_bounds(struct simp *s, const struct linear *l)
{
    return lin_bounds(l, s->known.env, &s->bounds);
}

/* simplify_index.c: NULL when there is nothing to say. */
bool index_is_sum(const struct expr *e);                                     /* scalar i64 sum or multiple */
const struct expr *index_sum(struct simp *s, const struct expr *e);          /* kids not yet simplified */
const struct expr *index_divmod(struct simp *s, enum op op, const struct expr *a, int64_t d);   /* d > 0 */
const struct expr *index_mul(struct simp *s, const struct expr *a, const struct expr *b);
const struct expr *index_minmax(struct simp *s, enum op op, const struct expr *a, const struct expr *b);
const struct expr *index_compare(struct simp *s, enum op op, const struct expr *a, const struct expr *b);
const struct expr *index_vector(struct simp *s, enum op op, const struct expr *a, const struct expr *b);
/* cond as less <= -1 (scalar i64 < and <=). */
bool index_less(const struct expr *cond, struct linear *less);
/* less <= -1 given that fact <= -1: 1 holds, 0 cannot hold, -1 unknown. */
int index_follows(const struct linear *fact, const struct linear *less, const struct var_range *env,
                  struct bounds_cache *cache);

#endif
