/* SPDX-License-Identifier: Apache-2.0 */
/* infer.c - the interval an index covers while the inner loops run and the outer ones stand still.
 *
 * An interval is lo + [0, width] with lo an expression of the outer loops and width a number, so the region
 * of a stage always has a size known at compile time. What cannot be followed falls back to the constant
 * bounds of the expression, which is correct and merely larger. */
#include "ir/simplify.h"
#include "schedule/state.h"

struct inner { is_inner_fn *fn; void *u; };

static bool uses_inner(const struct expr *e, const struct inner *in)
{
    if (e->op == OP_VAR) return in->fn(in->u, e->val.var);
    for_kids(e, i) if (uses_inner(e->kid[i], in)) return true;
    return false;
}

static struct span_expr constant(struct ir_ctx *c, int64_t lo, int64_t hi)
{
    return (struct span_expr){ir_idx(c, lo), hi - lo};
}

static struct span_expr by_bounds(struct ir_ctx *c, const struct expr *e)
{
    struct range r = ir_bounds(e, NULL);
    return constant(c, r.lo, r.hi);
}

static struct span_expr infer(struct ir_ctx *c, const struct expr *e, const struct inner *in)
{
    if (!uses_inner(e, in)) return (struct span_expr){e, 0};
    if (e->op == OP_VAR) return constant(c, 0, e->val.var->extent - 1);
    if (e->nkid != 2) return by_bounds(c, e);
    const struct expr *k = e->kid[1];
    struct span_expr a = infer(c, e->kid[0], in), b = {0};
    if (e->op == OP_ADD || e->op == OP_SUB) b = infer(c, k, in);
    bool num = k->op == OP_INT;
    switch ((int)e->op) {
    case OP_ADD: return (struct span_expr){ir_add(c, a.lo, b.lo), a.width + b.width};
    case OP_SUB:
        return (struct span_expr){ir_sub(c, ir_sub(c, a.lo, b.lo), ir_idx(c, b.width)), a.width + b.width};
    case OP_MUL:
        if (!num) break;
        if (k->val.i >= 0) return (struct span_expr){ir_mul(c, a.lo, k), a.width * k->val.i};
        return (struct span_expr){ir_mul(c, ir_add(c, a.lo, ir_idx(c, a.width)), k), a.width * -k->val.i};
    case OP_DIV: { /* where lo divides, the width does too; else a block more may be touched */
        if (!num || k->val.i <= 0) break;
        int64_t m, r, n = k->val.i;
        a.lo = ir_simplify(c, a.lo, NULL);
        ir_modulus(a.lo, &m, &r);
        int64_t off = m == 0 || m % n == 0 ? floor_mod(r, n) : n - 1;
        return (struct span_expr){ir_div(c, a.lo, k), (off + a.width) / n};
    }
    case OP_MOD: {
        if (!num || k->val.i <= 0) break;
        int64_t m, r, n = k->val.i;
        a.lo = ir_simplify(c, a.lo, NULL);
        ir_modulus(a.lo, &m, &r);
        if ((m == 0 || m % n == 0) && floor_mod(r, n) + a.width < n) return constant(c, floor_mod(r, n), floor_mod(r, n) + a.width);
        return constant(c, 0, n - 1);
    }
    default: break;
    }
    return by_bounds(c, e);
}

struct span_expr infer_span(struct ir_ctx *c, const struct expr *e, is_inner_fn *inner, void *u)
{
    struct inner in = {inner, u};
    struct span_expr s = infer(c, ir_simplify(c, e, NULL), &in);
    s.lo = ir_simplify(c, s.lo, NULL);
    struct range r = ir_bounds(e, NULL); /* a constant interval that is no wider is simpler */
    if (r.hi - r.lo <= s.width) return constant(c, r.lo, r.hi);
    return s;
}

bool infer_union(struct ir_ctx *c, struct span_expr *a, struct span_expr b)
{
    const struct expr *d = ir_simplify(c, ir_sub(c, b.lo, a->lo), NULL);
    if (d->op != OP_INT) return false;
    int64_t lo = i64_min(0, d->val.i), hi = i64_max(a->width, d->val.i + b.width);
    if (lo < 0) a->lo = b.lo;
    a->width = hi - lo;
    return true;
}
