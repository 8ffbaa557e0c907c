/* SPDX-License-Identifier: Apache-2.0 */
/* linear.c - i64 sums of coefficient * atom, and the questions answered from them alone: affine form and
 * modulus. Contracts in linear.h and simplify.h. */
#include "ir/linear.h"

int64_t i64_gcd(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y) {
        uint64_t r = x % y;
        x = y;
        y = r;
    }
    return x > INT64_MAX ? 1 : (int64_t)x; /* 2^63 is no i64: claim nothing */
}

/* ---- building a linear ---- */

bool lin_add_const(struct linear *l, int64_t k) { return ck_add(l->k, k, &l->k); }

bool lin_add_atom(struct linear *l, int64_t c, const struct expr *atom)
{
    int at = l->n;
    if (c == 0) return true;
    while (at > 0 && ir_compare(l->t[at - 1].e, atom) > 0) at--;
    if (at > 0 && l->t[at - 1].e == atom) {
        struct term *t = &l->t[at - 1];
        if (!ck_add(t->c, c, &t->c)) return false;
        if (t->c == 0) {
            memmove(t, t + 1, (size_t)(l->n - at) * sizeof *t);
            l->n--;
        }
        return true;
    }
    if (l->n == LIN_MAX) return false;
    memmove(&l->t[at + 1], &l->t[at], (size_t)(l->n - at) * sizeof l->t[0]);
    l->t[at] = (struct term){c, atom};
    l->n++;
    return true;
}

bool lin_add_lin(struct linear *l, int64_t c, const struct linear *other)
{
    int64_t k;
    if (!ck_mul(c, other->k, &k) || !lin_add_const(l, k)) return false;
    for (int i = 0; i < other->n; i++) {
        if (!ck_mul(c, other->t[i].c, &k) || !lin_add_atom(l, k, other->t[i].e)) return false;
    }
    return true;
}

/* `left` bounds the work on a DAG whose paths are many more than its nodes. */
static bool add(struct linear *l, int64_t c, const struct expr *e, int *left)
{
    int64_t k;
    if (--*left < 0) return false;
    switch ((int)e->op) {
    case OP_INT: return ck_mul(c, e->val.i, &k) && lin_add_const(l, k);
    case OP_ADD: return add(l, c, e->kid[0], left) && add(l, c, e->kid[1], left);
    case OP_SUB: return add(l, c, e->kid[0], left) && ck_mul(c, -1, &k) && add(l, k, e->kid[1], left);
    case OP_MUL:
        if (e->kid[1]->op == OP_INT) return ck_mul(c, e->kid[1]->val.i, &k) && add(l, k, e->kid[0], left);
        break;
    default: break;
    }
    return lin_add_atom(l, c, e);
}

bool lin_add(struct linear *l, int64_t c, const struct expr *e)
{
    int left = 8 * LIN_MAX;
    return add(l, c, e, &left);
}

int64_t lin_coef(const struct linear *l, const struct expr *atom)
{
    for (int i = 0; i < l->n; i++)
        if (l->t[i].e == atom) return l->t[i].c;
    return 0;
}

int64_t lin_gcd(const struct linear *l)
{
    int64_t g = 0;
    for (int i = 0; i < l->n; i++) g = i64_gcd(g, l->t[i].c);
    return g;
}

bool lin_eq(const struct linear *a, const struct linear *b)
{
    if (a->n != b->n || a->k != b->k) return false;
    for (int i = 0; i < a->n; i++)
        if (a->t[i].c != b->t[i].c || a->t[i].e != b->t[i].e) return false;
    return true;
}

/* A negative coefficient is subtracted when there is something to subtract it from: x - y*2, 5 - x. */
const struct expr *lin_expr(struct ir_ctx *c, const struct linear *l)
{
    const struct expr *sum = NULL;
    int64_t k = l->k;
    for (int i = 0; i < l->n; i++) {
        if (l->t[i].c < 0) continue;
        const struct expr *t = ir_mul(c, l->t[i].e, ir_idx(c, l->t[i].c));
        sum = sum ? ir_add(c, sum, t) : t;
    }
    if (!sum && (k || !l->n)) {
        sum = ir_idx(c, k);
        k = 0;
    }
    for (int i = 0; i < l->n; i++) {
        int64_t v = l->t[i].c;
        if (v > 0) continue;
        if (sum && v != INT64_MIN) sum = ir_sub(c, sum, ir_mul(c, l->t[i].e, ir_idx(c, -v)));
        else {
            const struct expr *t = ir_mul(c, l->t[i].e, ir_idx(c, v));
            sum = sum ? ir_add(c, sum, t) : t;
        }
    }
    if (k < 0 && k != INT64_MIN) return ir_sub(c, sum, ir_idx(c, -k));
    return ir_add(c, sum, ir_idx(c, k));
}

/* A term beyond this is as good as unknown, and a sum of LIN_MAX smaller ones fits in 128 bits. */
#define TERM_LIMIT ((__int128)1 << 80)

struct range lin_bounds(const struct linear *l, const struct var_range *env, struct bounds_cache *cache)
{
    __int128 lo = l->k, hi = l->k;
    bool no_lo = false, no_hi = false;
    for (int i = 0; i < l->n; i++) {
        struct range r = bounds_of(l->t[i].e, env, cache);
        __int128 a = (__int128)l->t[i].c * r.lo, b = (__int128)l->t[i].c * r.hi;
        if (l->t[i].c < 0) {
            __int128 t = a;
            a = b;
            b = t;
        }
        no_lo |= a < -TERM_LIMIT || a > TERM_LIMIT;
        no_hi |= b < -TERM_LIMIT || b > TERM_LIMIT;
        if (!no_lo) lo += a;
        if (!no_hi) hi += b;
    }
    return (struct range){no_lo || lo < INT64_MIN ? INT64_MIN : lo > INT64_MAX ? INT64_MAX : (int64_t)lo,
                          no_hi || hi > INT64_MAX ? INT64_MAX : hi < INT64_MIN ? INT64_MIN : (int64_t)hi};
}

/* ---- affine form ---- */

static bool uses_any(const struct expr *e, int n, const struct var *const *var)
{
    for (int i = 0; i < n; i++)
        if (ir_uses(e, var[i])) return true;
    return false;
}

bool ir_affine(struct ir_ctx *c, const struct expr *e, int n, const struct var *const *var, int64_t *coef,
               const struct expr **base)
{
    struct linear l = {0}, rest = {0};
    if (!e || !type_eq(e->type, TYPE_I64) || !lin_add(&l, 1, e)) return false;
    for (int i = 0; i < n; i++) coef[i] = 0;
    rest.k = l.k;
    for (int i = 0; i < l.n; i++) {
        const struct expr *a = l.t[i].e;
        int v = 0;
        while (a->op == OP_VAR && v < n && var[v] != a->val.var) v++;
        if (a->op == OP_VAR && v < n) coef[v] = l.t[i].c;
        else if (uses_any(a, n, var)) return false;
        else rest.t[rest.n++] = l.t[i];
    }
    *base = lin_expr(c, &rest);
    return true;
}

/* ---- modulus ---- */

/* e == r (mod m), m >= 0; m = 0: e is r. r in [0, m) when m > 0. */
struct modulus { int64_t m, r; };
static const struct modulus any = {1, 0};

static struct modulus norm(int64_t m, int64_t r) { return (struct modulus){m, m > 0 ? floor_mod(r, m) : r}; }

static struct modulus mod_add(struct modulus a, struct modulus b, int64_t sign)
{
    int64_t r;
    if (!ck_mul(b.r, sign, &r) || !ck_add(a.r, r, &r)) return any;
    return norm(i64_gcd(a.m, b.m), r);
}

/* (a.m*x + a.r)(b.m*y + b.r) */
static struct modulus mod_mul(struct modulus a, struct modulus b)
{
    int64_t mm, mr, rm, rr;
    if (!ck_mul(a.m, b.m, &mm) || !ck_mul(a.m, b.r, &mr) || !ck_mul(a.r, b.m, &rm) || !ck_mul(a.r, b.r, &rr))
        return any;
    return norm(i64_gcd(mm, i64_gcd(mr, rm)), rr);
}

static struct modulus mod_join(struct modulus a, struct modulus b)
{
    int64_t d;
    if (!ck_sub(a.r, b.r, &d)) return any;
    return norm(i64_gcd(i64_gcd(a.m, b.m), d), a.r);
}

static struct modulus mod_div(struct modulus a, int64_t d)
{
    if (d <= 0 || a.m % d) return any;
    return norm(a.m / d, floor_div(a.r, d));
}

/* `left` bounds the work on a DAG whose paths are many more than its nodes. */
static struct modulus mod_of(const struct expr *e, int *left)
{
    if (!dt_is_int(e->type.dt) || --*left < 0) return any;
    struct modulus a = any, b = any, r = any;
    bool in_type = false;   /* the result is exact, nothing wrapped */
    if (op_info[e->op].arity == 2) {
        a = mod_of(e->kid[0], left);
        b = mod_of(e->kid[1], left);
    }
    bool by_const = op_info[e->op].arity == 2 && e->kid[1]->op == OP_INT;
    int64_t k = by_const ? e->kid[1]->val.i : 0;
    switch ((int)e->op) {
    case OP_INT: return (struct modulus){0, e->val.i};
    case OP_VAR: return e->val.var->extent == 1 ? (struct modulus){0, 0} : any;
    case OP_ADD: r = mod_add(a, b, 1); break;
    case OP_SUB: r = mod_add(a, b, -1); break;
    case OP_MUL: r = mod_mul(a, b); break;
    case OP_DIV: r = by_const ? mod_div(a, k) : any; in_type = true; break;
    case OP_SHR: r = by_const && k >= 0 && k < 62 ? mod_div(a, (int64_t)1 << k) : any; in_type = true; break;
    case OP_SHL:
        if (!by_const || k < 0 || k >= 62 || k >= dtype_info[e->type.dt].bits) return any;
        r = mod_mul(a, (struct modulus){0, (int64_t)1 << k});
        if (e->type.dt == DT_I64) r = norm(i64_gcd(r.m, (int64_t)1 << 62), r.r); /* << drops bits */
        break;
    case OP_MOD:
        if (by_const && k > 0)
            r = a.m % k == 0 ? (struct modulus){0, floor_mod(a.r, k)} : norm(i64_gcd(a.m, k), a.r);
        in_type = true;
        break;
    case OP_MIN: case OP_MAX: r = mod_join(a, b); in_type = true; break;
    case OP_SELECT: return mod_join(mod_of(e->kid[1], left), mod_of(e->kid[2], left));
    case OP_CAST: r = mod_of(e->kid[0], left); break;
    case OP_BCAST: return mod_of(e->kid[0], left);
    case OP_RAMP: r = norm(i64_gcd(a.m, i64_gcd(b.m, b.r)), a.r); break;
    default: return any;
    }
    if (e->type.dt == DT_I64 || in_type) return r;
    return norm(i64_gcd(r.m ? r.m : (int64_t)1 << 32, (int64_t)1 << dtype_info[e->type.dt].bits), r.r);
}

void ir_modulus(const struct expr *e, int64_t *m, int64_t *r)
{
    int left = 1000;
    struct modulus x = mod_of(e, &left);
    *m = x.m;
    *r = x.r;
}
