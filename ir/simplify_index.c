/* SPDX-License-Identifier: Apache-2.0 */
/* simplify_index.c - rules on i64 index arithmetic, all on linears (linear.h).
 *
 * Since i64 never overflows, a sum is its polynomial: it is flattened, cancelled and rebuilt in one order. The
 * new order must not overflow either, so only sums whose terms are together within 2^62 are rebuilt; indices
 * always are, i64 data may not be. What is only reasoned about, as a - b when comparing, needs no such care.
 *
 * Division and remainder by a positive constant d start from sum = d*Q + R:
 *
 *     (16*a + b) / 16 -> a + b/16                        terms that divide leave
 *     (4*x + b) / 12  -> x / 3       with b in [0,4)     a group smaller than a common factor leaves
 *     (4*x + b) % 12  -> 4*(x%3) + b
 *     R / d           -> q           when bounds put R in [q*d, q*d + d)
 *     (a/4 + k) / 8   -> (a + 4*k) / 32
 *     (a%32) / 4      -> (a/4) % 8                       div inside, mod outside
 *     (a%32 + b) % 4  -> (a + b) % 4
 *
 * and a sum puts back together what was taken apart:
 *
 *     c*m*(y/m) + c*(y%m)           -> c*y
 *     c*m*((y/m)%n) + c*(y%m)       -> c*(y % (m*n))
 *     c*y - c*m*(y/m)               -> c*(y%m)
 *
 * A comparison drops what cannot change it: 16*x + b < 64 -> x < 4, y/3 < 5 -> y < 15. */
#include "ir/simplify_impl.h"

static bool is_index(const struct expr *e) { return type_eq(e->type, TYPE_I64); }

/* y op d with d > 0 as a node? */
static bool by_const(const struct expr *e, enum op op)
{
    return e->op == op && is_index(e) && e->kid[1]->op == OP_INT && e->kid[1]->val.i > 0;
}

static bool is_atom(const struct linear *l, const struct expr **atom)
{
    if (l->n != 1 || l->k || l->t[0].c != 1) return false;
    *atom = l->t[0].e;
    return true;
}

/* Any order of summing its terms stays inside i64. */
static bool is_safe(struct simp *s, const struct linear *l)
{
    const int64_t limit = (int64_t)1 << 62;
    const struct expr *atom;
    if (is_atom(l, &atom)) return true;
    __int128 total = l->k < 0 ? -(__int128)l->k : l->k;
    for (int i = 0; i < l->n; i++) {
        struct range r = simp_bounds(s, l->t[i].e);
        __int128 most = -(__int128)r.lo > r.hi ? -(__int128)r.lo : r.hi;
        total += l->t[i].c < 0 ? -(most * l->t[i].c) : most * l->t[i].c;
        if (total > limit) return false;
    }
    return total <= limit;
}

/* ---- division and remainder ---- */

static bool div_lin(struct simp *s, const struct linear *in, int64_t d, struct linear *out);
static bool mod_lin(struct simp *s, const struct linear *in, int64_t d, struct linear *out);

/* in = d*q + r with every term of r not divisible by d and r.k in [0, d). */
static void split_by(const struct linear *in, int64_t d, struct linear *q, struct linear *r)
{
    *q = (struct linear){.k = floor_div(in->k, d)};
    *r = (struct linear){.k = floor_mod(in->k, d)};
    for (int i = 0; i < in->n; i++) {
        struct term t = in->t[i];
        if (t.c % d == 0) q->t[q->n++] = (struct term){t.c / d, t.e};
        else r->t[r->n++] = t;
    }
}

/* r = g*x + b with 0 <= b < g for the greatest g > 1 dividing d for which bounds prove it. */
static bool group(struct simp *s, const struct linear *r, int64_t d, int64_t *g, struct linear *x,
                  struct linear *b)
{
    int64_t below = INT64_MAX, back;
    for (;;) {
        *g = 1;
        for (int i = 0; i < r->n; i++) {
            int64_t f = i64_gcd(r->t[i].c, d);
            if (f < below && f > *g) *g = f;
        }
        if (*g == 1) return false;
        below = *g;
        split_by(r, *g, x, b);
        struct range in = simp_lin_bounds(s, b);
        int64_t q = floor_div(in.lo, *g);
        if (q == floor_div(in.hi, *g) && ck_mul(q, -*g, &back) && lin_add_const(x, q) &&
            lin_add_const(b, back))
            return true;
    }
}

static bool div_lin(struct simp *s, const struct linear *in, int64_t d, struct linear *out)
{
    struct linear r, x, b;
    int64_t g, k;
    if (d == 1) return *out = *in, true;
    if (!is_safe(s, in)) return false;
    split_by(in, d, out, &r);
    struct range at = simp_lin_bounds(s, &r);
    if (floor_div(at.lo, d) == floor_div(at.hi, d)) return lin_add_const(out, floor_div(at.lo, d));
    if (group(s, &r, d, &g, &x, &b)) return div_lin(s, &x, d / g, &b) && lin_add_lin(out, 1, &b);
    if (r.n == 1 && r.t[0].c == 1) {
        const struct expr *e = r.t[0].e;
        int64_t m = by_const(e, OP_DIV) || by_const(e, OP_MOD) ? e->kid[1]->val.i : 0;
        x = (struct linear){0};
        if (m && e->op == OP_DIV && ck_mul(m, d, &g) && ck_mul(r.k, m, &k))
            return lin_add(&x, 1, e->kid[0]) && lin_add_const(&x, k) && div_lin(s, &x, g, &b) &&
                   lin_add_lin(out, 1, &b);
        if (m && e->op == OP_MOD && r.k == 0 && m % d == 0)
            return lin_add(&x, 1, e->kid[0]) && div_lin(s, &x, d, &b) && mod_lin(s, &b, m / d, &x) &&
                   lin_add_lin(out, 1, &x);
    }
    return lin_add(out, 1, ir_div(s->c, lin_expr(s->c, &r), ir_idx(s->c, d)));
}

/* Modulo d, c*(y%m) is c*y when d divides c*m. */
static bool drop_mods(struct simp *s, struct linear *r, int64_t d)
{
    int64_t cm;
    for (int i = 0; i < r->n; i++) {
        struct term t = r->t[i];
        if (!by_const(t.e, OP_MOD) || !ck_mul(t.c, t.e->kid[1]->val.i, &cm) || cm % d) continue;
        struct linear now = *r;
        if (!lin_add_atom(&now, -t.c, t.e) || !lin_add(&now, t.c, t.e->kid[0]) || !is_safe(s, &now))
            continue;
        *r = now;
        return true;
    }
    return false;
}

static bool mod_lin(struct simp *s, const struct linear *in, int64_t d, struct linear *out)
{
    struct linear q, r, x, b;
    int64_t g, back;
    *out = (struct linear){0};
    if (d == 1) return true;
    if (!is_safe(s, in)) return false;
    split_by(in, d, &q, &r);
    while (drop_mods(s, &r, d)) {
        x = r;
        split_by(&x, d, &q, &r);
    }
    struct range at = simp_lin_bounds(s, &r);
    if (floor_div(at.lo, d) == floor_div(at.hi, d))
        return lin_add_lin(out, 1, &r) && ck_mul(floor_div(at.lo, d), -d, &back) && lin_add_const(out, back);
    if (group(s, &r, d, &g, &x, &b))
        return mod_lin(s, &x, d / g, &q) && lin_add_lin(out, g, &q) && lin_add_lin(out, 1, &b);
    return lin_add(out, 1, ir_mod(s->c, lin_expr(s->c, &r), ir_idx(s->c, d)));
}

const struct expr *index_divmod(struct simp *s, enum op op, const struct expr *a, int64_t d)
{
    struct linear in = {0}, out;
    if (!lin_add(&in, 1, a)) return NULL;
    if (!(op == OP_DIV ? div_lin(s, &in, d, &out) : mod_lin(s, &in, d, &out))) return NULL;
    return lin_expr(s->c, &out);
}

/* ---- sums ---- */

/* l -= c1*e1 + c2*e2, l += c3*e3 */
static bool replace(struct linear *l, int64_t c1, const struct expr *e1, int64_t c2, const struct expr *e2,
                    int64_t c3, const struct expr *e3)
{
    struct linear now = *l;
    if (!lin_add_atom(&now, -c1, e1) || !lin_add_atom(&now, -c2, e2) || !lin_add(&now, c3, e3)) return false;
    *l = now;
    return true;
}

/* One step for the term c*(y%m). */
static bool join_mod(struct simp *s, struct linear *l, struct term t)
{
    const struct expr *y = t.e->kid[0], *atom;
    int64_t m = t.e->kid[1]->val.i, cm, mn;
    struct linear in = {0}, q, p;
    if (!ck_mul(t.c, m, &cm) || !lin_add(&in, 1, y) || !div_lin(s, &in, m, &q)) return false;
    if (is_atom(&q, &atom) && lin_coef(l, atom) == cm) return replace(l, t.c, t.e, cm, atom, t.c, y);
    for (int i = 0; i < l->n; i++) {
        const struct expr *o = l->t[i].e;
        if (l->t[i].c != cm || !by_const(o, OP_MOD)) continue;
        p = (struct linear){0};
        if (!lin_add(&p, 1, o->kid[0]) || !lin_eq(&p, &q) || !ck_mul(m, o->kid[1]->val.i, &mn)) continue;
        const struct expr *whole = index_divmod(s, OP_MOD, y, mn);
        if (whole) return replace(l, t.c, t.e, cm, o, t.c, whole);
    }
    return false;
}

/* One step for the term -c*m*(y/m): is c*y there too? */
static bool join_div(struct simp *s, struct linear *l, struct term t)
{
    int64_t m = t.e->kid[1]->val.i, c = -(t.c / m);
    struct linear y = {0}, now = *l;
    if (t.c % m || !lin_add(&y, 1, t.e->kid[0]) || !y.n) return false;
    for (int i = 0; i < y.n; i++) {
        int64_t want;
        if (!ck_mul(c, y.t[i].c, &want) || lin_coef(l, y.t[i].e) != want) return false;
    }
    const struct expr *rest = index_divmod(s, OP_MOD, t.e->kid[0], m);
    if (!rest || !lin_add_lin(&now, -c, &y) || !lin_add_atom(&now, -t.c, t.e) || !lin_add(&now, c, rest))
        return false;
    *l = now;
    return true;
}

static void recombine(struct simp *s, struct linear *l)
{
    bool again = true;
    for (int left = 2 * LIN_MAX; again && left > 0; left--) {
        int ndiv = 0, nmod = 0;
        again = false;
        for (int i = 0; i < l->n; i++) {
            ndiv += by_const(l->t[i].e, OP_DIV);
            nmod += by_const(l->t[i].e, OP_MOD);
        }
        for (int i = 0; i < l->n && nmod && ndiv + nmod > 1 && !again; i++)
            again = by_const(l->t[i].e, OP_MOD) && join_mod(s, l, l->t[i]);
        for (int i = 0; i < l->n && ndiv && !again; i++)
            again = by_const(l->t[i].e, OP_DIV) && join_div(s, l, l->t[i]);
    }
}

bool index_is_sum(const struct expr *e)
{
    if (!is_index(e)) return false;
    return e->op == OP_ADD || e->op == OP_SUB || (e->op == OP_MUL && e->kid[1]->op == OP_INT);
}

/* l += c * simplified e: one flat pass over the sum, so that a chain of n terms is rebuilt once. */
static bool gather(struct simp *s, struct linear *l, int64_t c, const struct expr *e, int *left)
{
    int64_t k;
    if (!index_is_sum(e) || --*left < 0) return lin_add(l, c, simp_expr(s, e));
    if (e->op == OP_MUL) return ck_mul(c, e->kid[1]->val.i, &k) && gather(s, l, k, e->kid[0], left);
    return gather(s, l, c, e->kid[0], left) && ck_mul(c, e->op == OP_SUB ? -1 : 1, &k) &&
           gather(s, l, k, e->kid[1], left);
}

const struct expr *index_sum(struct simp *s, const struct expr *e)
{
    struct linear l = {0};
    int left = 2 * LIN_MAX;
    if (gather(s, &l, 1, e, &left)) {
        recombine(s, &l);
        if (l.n == 0 || is_safe(s, &l)) return lin_expr(s->c, &l);
    }
    return ir_bin(s->c, e->op, simp_expr(s, e->kid[0]), simp_expr(s, e->kid[1]));
}

/* (c*x) * y -> c*(x*y): products are atoms, their constants are coefficients. */
const struct expr *index_mul(struct simp *s, const struct expr *a, const struct expr *b)
{
    int64_t k = 1;
    const struct expr *kid[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        while (kid[i]->op == OP_MUL && kid[i]->kid[1]->op == OP_INT) {
            if (!ck_mul(k, kid[i]->kid[1]->val.i, &k)) return NULL;
            kid[i] = kid[i]->kid[0];
        }
    }
    if (k == 1) return NULL;
    return ir_mul(s->c, ir_mul(s->c, kid[0], kid[1]), ir_idx(s->c, k));
}

/* ---- comparisons ---- */

static bool difference(struct simp *s, const struct expr *a, const struct expr *b, struct linear *l)
{
    *l = (struct linear){0};
    if (!lin_add(l, 1, a) || !lin_add(l, -1, b)) return false;
    recombine(s, l);
    return true;
}

const struct expr *index_minmax(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    struct linear l;
    if (!difference(s, a, b, &l)) return NULL;
    struct range r = simp_lin_bounds(s, &l);
    if (r.hi <= 0) return op == OP_MIN ? a : b;
    if (r.lo >= 0) return op == OP_MIN ? b : a;
    return NULL;
}

bool index_less(const struct expr *cond, struct linear *less)
{
    if ((cond->op != OP_LT && cond->op != OP_LE) || !is_index(cond->kid[0])) return false;
    *less = (struct linear){0};
    return lin_add(less, 1, cond->kid[0]) && lin_add(less, -1, cond->kid[1]) &&
           lin_add_const(less, cond->op == OP_LE ? -1 : 0);
}

int index_follows(const struct linear *fact, const struct linear *less, const struct var_range *env,
                  struct bounds_cache *cache)
{
    /* Without an atom in common the difference says no more than the bounds of each. */
    bool common = false;
    for (int i = 0; i < less->n && !common; i++) common = lin_coef(fact, less->t[i].e) != 0;
    if (!common) return -1;
    struct linear d = *less;
    if (lin_add_lin(&d, -1, fact) && lin_bounds(&d, env, cache).hi <= 0) return 1;
    d = *less;
    if (lin_add_lin(&d, 1, fact) && lin_bounds(&d, env, cache).lo >= -1) return 0;
    return -1;
}

/* l < 0 as (positive terms) < (negated negative ones) - k. */
static const struct expr *two_sides(struct ir_ctx *c, enum op op, const struct linear *l)
{
    struct linear side[2] = {{0}, {0}};
    int64_t k;
    for (int i = 0; i < l->n; i++)
        if (!ck_mul(l->t[i].c, -1, &k) ||
            !lin_add_atom(&side[l->t[i].c < 0], l->t[i].c < 0 ? k : l->t[i].c, l->t[i].e))
            return NULL;
    if (side[0].n == 0) side[0].k = l->k; /* 3 < x */
    else if (!ck_mul(l->k, -1, &side[1].k)) return NULL;
    return ir_bin(c, op, lin_expr(c, &side[0]), lin_expr(c, &side[1]));
}

static int64_t magnitude(int64_t v) { return v == INT64_MIN ? 0 : v < 0 ? -v : v; } /* 0: none */

/* l = g*x + b: a b that cannot carry the sum across a multiple of g leaves: 16*x + b < 64 -> x < 4. */
static bool drop_small(struct simp *s, struct linear *l)
{
    for (int i = 0; i < l->n; i++) {
        int64_t g = magnitude(l->t[i].c), all, some;
        struct linear x = {0}, b = {0};
        if (g < 2) continue;
        for (int j = 0; j < l->n; j++) {
            struct term t = l->t[j];
            if (t.c % g == 0) x.t[x.n++] = (struct term){t.c / g, t.e};
            else b.t[b.n++] = t;
        }
        if (!b.n) continue;
        struct range r = simp_lin_bounds(s, &b);
        /* g*x + b + k <= -1: sure when x <= all, possible only when x <= some */
        if (!ck_sub(-1, l->k, &all) || !ck_sub(all, r.lo, &some) || !ck_sub(all, r.hi, &all)) continue;
        some = floor_div(some, g);
        if (some != floor_div(all, g) || !ck_sub(-1, some, &x.k)) continue;
        *l = x;
        return true;
    }
    return false;
}

/* y/d + rest < 0 is y + d*rest < 0, and rest - y/d < 0 is d*(rest + 1) - 1 - y < 0. */
static bool drop_div(struct linear *l)
{
    for (int i = 0; i < l->n; i++) {
        struct term t = l->t[i];
        struct linear rest = *l, now = {0};
        if (!by_const(t.e, OP_DIV) || (t.c != 1 && t.c != -1) || !lin_add_atom(&rest, -t.c, t.e)) continue;
        if ((t.c < 0 && !lin_add_const(&rest, 1)) || !lin_add_lin(&now, t.e->kid[1]->val.i, &rest) ||
            (t.c < 0 && !lin_add_const(&now, -1)) || !lin_add(&now, t.c, t.e->kid[0]))
            continue;
        *l = now;
        return true;
    }
    return false;
}

static const struct expr *less(struct simp *s, const struct expr *a, const struct expr *b, bool or_equal)
{
    struct linear l;
    if (!difference(s, a, b, &l) || (or_equal && !lin_add_const(&l, -1))) return NULL;
    do {
        struct range r = simp_lin_bounds(s, &l);
        if (r.hi < 0) return ir_bool(s->c, true);
        if (r.lo >= 0) return ir_bool(s->c, false);
        int64_t g = lin_gcd(&l);
        for (int i = 0; i < l.n && g > 1; i++) l.t[i].c /= g;
        if (g > 1) l.k = floor_div(l.k, g); /* g*x + k < 0 -> x < ceil(-k/g) */
    } while (drop_small(s, &l) || drop_div(&l));
    for (const struct fact *f = s->known.facts; f; f = f->next) {
        int yes = f->is_less ? index_follows(&f->less, &l, s->known.env, &s->bounds) : -1;
        if (yes >= 0) return ir_bool(s->c, yes);
    }
    return is_safe(s, &l) ? two_sides(s->c, OP_LT, &l) : NULL;
}

/* The remainder by some coefficient can never be 0. */
static bool never_zero(struct simp *s, const struct linear *l)
{
    for (int i = 0; i < l->n; i++) {
        int64_t g = magnitude(l->t[i].c);
        struct linear x, b;
        if (g < 2) continue;
        split_by(l, g, &x, &b);
        struct range r = simp_lin_bounds(s, &b);
        int64_t q = floor_div(r.hi, g);
        if (q == floor_div(r.lo, g) && floor_mod(r.lo, g) > 0) return true;
    }
    return false;
}

static const struct expr *equal(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    struct linear l;
    if (!difference(s, a, b, &l)) return NULL;
    struct range r = simp_lin_bounds(s, &l);
    int64_t g = lin_gcd(&l);
    if (r.lo == 0 && r.hi == 0) return ir_bool(s->c, op == OP_EQ);
    if (r.lo > 0 || r.hi < 0 || (g > 1 && l.k % g) || never_zero(s, &l)) return ir_bool(s->c, op == OP_NE);
    if (g < 1 || !is_safe(s, &l)) return NULL;
    if (l.t[0].c < 0) g = -g; /* one of the two ways to write it: the first term is positive */
    for (int i = 0; i < l.n; i++) l.t[i].c /= g;
    l.k /= g;
    return two_sides(s->c, op, &l);
}

const struct expr *index_compare(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    return op == OP_EQ || op == OP_NE ? equal(s, op, a, b) : less(s, a, b, op == OP_LE);
}

/* ---- vectors ---- */

/* e as base + lane * stride with a constant stride. */
static bool lanes_of(const struct expr *e, const struct expr **base, int64_t *stride)
{
    if (e->op == OP_BCAST) *stride = 0;
    else if (e->op == OP_RAMP && e->kid[1]->op == OP_INT) *stride = e->kid[1]->val.i;
    else return false;
    *base = e->kid[0];
    return true;
}

static const struct expr *ramp(struct simp *s, const struct expr *base, int64_t stride, int lanes)
{
    return ir_ramp(s->c, base, ir_idx(s->c, stride), lanes);
}

/* base (not yet simplified) + lane*stride, where no order of computing it overflows */
static const struct expr *safe_ramp(struct simp *s, const struct expr *base, int64_t stride, int lanes)
{
    struct linear l = {0};
    int64_t span;
    const int64_t limit = (int64_t)1 << 61;
    if (!ck_mul(stride, lanes, &span) || span < -limit || span > limit) return NULL;
    return lin_add(&l, 1, base) && is_safe(s, &l) ? ramp(s, simp_expr(s, base), stride, lanes) : NULL;
}

/* (base + lane*st) op d: lanes share one quotient, or each steps by a multiple of d. */
static const struct expr *vector_divmod(struct simp *s, enum op op, const struct expr *base, int64_t st,
                                        int64_t d, int lanes)
{
    struct linear in = {0}, q, r;
    int64_t span, lo, hi;
    if (!lin_add(&in, 1, base)) return NULL;
    if (st % d == 0) {
        const struct expr *b = index_divmod(s, op, base, d);
        return b ? ramp(s, b, op == OP_DIV ? st / d : 0, lanes) : NULL;
    }
    if (!mod_lin(s, &in, d, &r) || !ck_mul(st, lanes - 1, &span)) return NULL;
    struct range at = simp_lin_bounds(s, &r);
    if (!ck_add(at.lo, i64_min(0, span), &lo) || !ck_add(at.hi, i64_max(0, span), &hi)) return NULL;
    int64_t k = floor_div(lo, d);
    if (k != floor_div(hi, d)) return NULL;
    if (op == OP_MOD)
        return ck_mul(k, -d, &lo) && lin_add_const(&r, lo) ? ramp(s, lin_expr(s->c, &r), st, lanes) : NULL;
    return div_lin(s, &in, d, &q) && lin_add_const(&q, k) ? ir_bcast(s->c, lin_expr(s->c, &q), lanes) : NULL;
}

static const struct expr *vector_compare(struct simp *s, enum op op, const struct expr *a,
                                         const struct expr *b, int64_t step, int lanes)
{
    struct linear l;
    int64_t span, lo, hi;
    if (!difference(s, a, b, &l) || !ck_mul(step, lanes - 1, &span)) return NULL;
    struct range r = simp_lin_bounds(s, &l);
    if (!ck_add(r.lo, i64_min(0, span), &lo) || !ck_add(r.hi, i64_max(0, span), &hi)) return NULL;
    bool eq = op == OP_EQ || op == OP_NE;
    bool never = eq ? lo > 0 || hi < 0 : op == OP_LE ? lo > 0 : lo >= 0;
    bool always = !eq && (op == OP_LE ? hi <= 0 : hi < 0);
    if (op == OP_NE && never) return ir_int(s->c, type_vec(DT_BOOL, lanes), 1);
    if (always || never) return ir_int(s->c, type_vec(DT_BOOL, lanes), always);
    return NULL;
}

const struct expr *index_vector(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    const struct expr *x, *y;
    int64_t p, q, st;
    int lanes = a->type.lanes;
    if (!lanes_of(a, &x, &p) || !lanes_of(b, &y, &q)) return NULL;
    switch ((int)op) {
    case OP_ADD: return ck_add(p, q, &st) ? safe_ramp(s, ir_add(s->c, x, y), st, lanes) : NULL;
    case OP_SUB: return ck_sub(p, q, &st) ? safe_ramp(s, ir_sub(s->c, x, y), st, lanes) : NULL;
    case OP_MUL:
        if (q || y->op != OP_INT) {
            if (p || x->op != OP_INT) return NULL;
            const struct expr *t = x;
            x = y;
            y = t;
            p = q;
        }
        return ck_mul(p, y->val.i, &st) ? safe_ramp(s, ir_mul(s->c, x, y), st, lanes) : NULL;
    case OP_DIV: case OP_MOD:
        return q || y->op != OP_INT || y->val.i <= 0 ? NULL : vector_divmod(s, op, x, p, y->val.i, lanes);
    case OP_EQ: case OP_NE: case OP_LT: case OP_LE:
        return ck_sub(p, q, &st) ? vector_compare(s, op, x, y, st, lanes) : NULL;
    default: return NULL;
    }
}
