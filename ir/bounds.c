/* SPDX-License-Identifier: Apache-2.0 */
/* bounds.c - the interval an expression's values lie in. Contract in simplify.h.
 *
 * Integer nodes are computed exactly in 128 bits and then fitted to their type: what does not fit i8..i32
 * may wrap, so the type's range is all that is known; i64 arithmetic never overflows by contract, so its
 * interval is cut at the type's limits. f32 nodes are intervals of f32 with a flag for nan: every operation
 * rounds monotonically, so the ends of the result come from the ends of the operands. */
#include "ir/linear.h"

#include <math.h>

/* ---- integers ---- */

typedef __int128 wide;

static struct range iv(int64_t lo, int64_t hi) { return (struct range){lo, hi}; }

static int64_t cut(wide v, struct range t) { return v < t.lo ? t.lo : v > t.hi ? t.hi : (int64_t)v; }

static struct range fit(enum dtype d, wide lo, wide hi)
{
    struct range t = dtype_range(d);
    if (lo >= t.lo && hi <= t.hi) return iv((int64_t)lo, (int64_t)hi);
    if (d != DT_I64) return t;
    return iv(cut(lo, t), cut(hi, t));
}

static struct range join(struct range a, struct range b)
{
    return iv(i64_min(a.lo, b.lo), i64_max(a.hi, b.hi));
}
static bool has(struct range r, int64_t v) { return r.lo <= v && v <= r.hi; }

struct corners { wide lo, hi; bool set; };
static void corner(struct corners *k, wide v)
{
    if (!k->set || v < k->lo) k->lo = v;
    if (!k->set || v > k->hi) k->hi = v;
    k->set = true;
}

static struct range mul(enum dtype d, struct range a, struct range b)
{
    struct corners k = {0};
    corner(&k, (wide)a.lo * b.lo);
    corner(&k, (wide)a.lo * b.hi);
    corner(&k, (wide)a.hi * b.lo);
    corner(&k, (wide)a.hi * b.hi);
    return fit(d, k.lo, k.hi);
}

static struct range square(enum dtype d, struct range a)
{
    wide lo = (wide)a.lo * a.lo, hi = (wide)a.hi * a.hi;
    return has(a, 0) ? fit(d, 0, lo > hi ? lo : hi) : lo < hi ? fit(d, lo, hi) : fit(d, hi, lo);
}

static wide wide_div(wide a, wide b) /* floor; b != 0 */
{
    wide q = a / b;
    return q - (a % b != 0 && (a < 0) != (b < 0));
}

/* Monotone in a for a fixed b, and in b on either side of zero; x/0 is 0. */
static struct range divide(enum dtype d, struct range a, struct range b)
{
    struct corners k = {0};
    struct range part[2] = {iv(b.lo, i64_min(b.hi, -1)), iv(i64_max(b.lo, 1), b.hi)};
    for (int i = 0; i < 2; i++) {
        if (part[i].lo > part[i].hi) continue;
        corner(&k, wide_div(a.lo, part[i].lo));
        corner(&k, wide_div(a.lo, part[i].hi));
        corner(&k, wide_div(a.hi, part[i].lo));
        corner(&k, wide_div(a.hi, part[i].hi));
    }
    if (has(b, 0)) corner(&k, 0);
    return fit(d, k.lo, k.hi);
}

/* The remainder has the divisor's sign and is smaller; x%0 is 0. */
static struct range modulo(struct range a, struct range b)
{
    if (b.lo == b.hi && b.lo > 0) {
        int64_t q = floor_div(a.lo, b.lo);
        if (q == floor_div(a.hi, b.lo)) return iv(floor_mod(a.lo, b.lo), floor_mod(a.hi, b.lo));
    }
    int64_t lo = b.lo < 0 ? b.lo + 1 : 0, hi = b.hi > 0 ? b.hi - 1 : 0;
    if (a.lo >= 0 && b.lo >= 0) hi = i64_min(hi, a.hi);
    return iv(lo, hi);
}

static int64_t ones_over(int64_t v) /* least 2^n - 1 >= v, v >= 0 */
{
    return v == 0 ? 0 : (int64_t)(UINT64_MAX >> __builtin_clzll((uint64_t)v));
}

static struct range bitwise(enum op op, enum dtype d, struct range a, struct range b)
{
    if (op == OP_AND) {
        if (a.lo >= 0 && b.lo >= 0) {
            if (d == DT_BOOL) return iv(a.lo & b.lo, a.hi & b.hi);
            return iv(0, i64_min(a.hi, b.hi));
        }
        if (a.lo >= 0) return iv(0, a.hi);
        if (b.lo >= 0) return iv(0, b.hi);
        return dtype_range(d);
    }
    if (a.lo < 0 || b.lo < 0) return dtype_range(d);
    int64_t top = ones_over(a.hi | b.hi);
    if (op == OP_OR) return iv(i64_max(a.lo, b.lo), top);
    if (d == DT_BOOL && a.lo == a.hi && b.lo == b.hi) return iv(a.lo ^ b.lo, a.lo ^ b.lo);
    return iv(0, top);
}

static struct range shift(enum op op, enum dtype d, struct range a, struct range n)
{
    int top = dtype_info[d].bits - 1;
    struct range in = iv(i64_max(n.lo, 0), i64_min(n.hi, top));
    struct corners k = {0};
    if (n.lo < 0 || n.hi > top) { /* an amount out of range: 0, or all sign */
        if (op == OP_SHL || a.hi >= 0) corner(&k, 0);
        if (op == OP_SHR && a.lo < 0) corner(&k, -1);
    }
    if (in.lo <= in.hi) {
        int64_t end[2] = {in.lo, in.hi};
        for (int i = 0; i < 2; i++) {
            corner(&k, op == OP_SHL ? (wide)a.lo * ((wide)1 << end[i]) : a.lo >> end[i]);
            corner(&k, op == OP_SHL ? (wide)a.hi * ((wide)1 << end[i]) : a.hi >> end[i]);
        }
    }
    struct range t = dtype_range(d);
    return k.lo < t.lo || k.hi > t.hi ? t : iv((int64_t)k.lo, (int64_t)k.hi); /* << wraps even in i64 */
}

static struct range yes_no(bool yes, bool no) { return yes ? iv(1, 1) : no ? iv(0, 0) : iv(0, 1); }

static struct range compare(enum op op, struct range a, struct range b)
{
    bool apart = a.hi < b.lo || b.hi < a.lo, same = a.lo == a.hi && b.lo == b.hi && a.lo == b.lo;
    switch ((int)op) {
    case OP_LT: return yes_no(a.hi < b.lo, a.lo >= b.hi);
    case OP_LE: return yes_no(a.hi <= b.lo, a.lo > b.hi);
    case OP_EQ: return yes_no(same, apart);
    default: return yes_no(apart, same);
    }
}

/* ---- f32 ---- */

struct fiv { float lo, hi; bool nan; };
static const struct fiv fany = {-INFINITY, INFINITY, true};

static struct fiv fbounds(const struct expr *e, const struct var_range *env, struct bounds_cache *m);

static bool has_inf(struct fiv a) { return isinf(a.lo) || isinf(a.hi); }

static struct fiv fjoin(struct fiv a, struct fiv b)
{
    return (struct fiv){fminf(a.lo, b.lo), fmaxf(a.hi, b.hi), a.nan || b.nan};
}

/* v[] are the results at the corners. An infinite operand may meet inf - inf or 0 * inf inside. */
static struct fiv fcorners(int n, const float *v, bool nan)
{
    struct fiv r = {v[0], v[0], nan};
    for (int i = 0; i < n; i++) {
        if (isnan(v[i])) return fany;
        r.lo = fminf(r.lo, v[i]);
        r.hi = fmaxf(r.hi, v[i]);
    }
    return r;
}

static struct fiv farith(enum op op, struct fiv a, struct fiv b)
{
    if (op == OP_DIV && b.lo <= 0 && b.hi >= 0) return fany;
    float v[4] = {ir_apply_f32(op, a.lo, b.lo), ir_apply_f32(op, a.lo, b.hi), ir_apply_f32(op, a.hi, b.lo),
                  ir_apply_f32(op, a.hi, b.hi)};
    return fcorners(4, v, a.nan || b.nan || has_inf(a) || has_inf(b));
}

/* min(a, b) is a < b ? a : b, so a nan in a gives b and a nan in b gives nan. */
static struct fiv fminmax(enum op op, struct fiv a, struct fiv b)
{
    struct fiv r = op == OP_MIN ? (struct fiv){fminf(a.lo, b.lo), fminf(a.hi, b.hi), b.nan}
                                : (struct fiv){fmaxf(a.lo, b.lo), fmaxf(a.hi, b.hi), b.nan};
    return a.nan ? (struct fiv){fminf(r.lo, b.lo), fmaxf(r.hi, b.hi), b.nan} : r;
}

static struct fiv fmadd(struct fiv a, struct fiv b, struct fiv d)
{
    float v[8];
    for (int i = 0; i < 8; i++) v[i] = fmaf(i & 1 ? a.hi : a.lo, i & 2 ? b.hi : b.lo, i & 4 ? d.hi : d.lo);
    return fcorners(8, v, a.nan || b.nan || d.nan || has_inf(a) || has_inf(b) || has_inf(d));
}

static struct fiv fcompute(const struct expr *e, const struct var_range *env, struct bounds_cache *m)
{
    struct fiv k[3] = {fany, fany, fany};
    for (int i = 0; i < e->nkid && i < 3; i++)
        if (e->kid[i]->type.dt == DT_F32) k[i] = fbounds(e->kid[i], env, m);
    switch ((enum op)e->op) {
    case OP_FLT: return isnan(e->val.f) ? fany : (struct fiv){(float)e->val.f, (float)e->val.f, false};
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: return farith(e->op, k[0], k[1]);
    case OP_MIN: case OP_MAX: return fminmax(e->op, k[0], k[1]);
    case OP_RINT: return (struct fiv){rintf(k[0].lo), rintf(k[0].hi), k[0].nan};
    case OP_FMA: return fmadd(k[0], k[1], k[2]);
    case OP_BCAST: return k[0];
    case OP_SELECT: {
        struct range c = bounds_of(e->kid[0], env, m);
        return c.lo == 1 ? k[1] : c.hi == 0 ? k[2] : fjoin(k[1], k[2]);
    }
    case OP_CAST: {
        struct range r = bounds_of(e->kid[0], env, m);
        return (struct fiv){(float)r.lo, (float)r.hi, false};
    }
    case OP_INT: case OP_VAR: case OP_READ: case OP_LOAD: case OP_MOD: case OP_AND: case OP_OR: case OP_XOR:
    case OP_SHL: case OP_SHR: case OP_EQ: case OP_NE: case OP_LT: case OP_LE: case OP_NOT: case OP_SAT:
    case OP_EXTERN: case OP_REDUCE: case OP_RAMP: case OP_COUNT:
        break;
    }
    return fany;
}

static struct bounds_row *row_of(struct bounds_cache *m, const struct expr *e)
{
    return &m->row[e->id & (BOUNDS_ROWS - 1)];
}

static struct fiv fbounds(const struct expr *e, const struct var_range *env, struct bounds_cache *m)
{
    struct bounds_row *row = row_of(m, e);
    if (row->e == e) return (struct fiv){row->r.f.lo, row->r.f.hi, row->r.f.nan};
    struct fiv r = fcompute(e, env, m);
    row->e = e;
    row->r.f.lo = r.lo;
    row->r.f.hi = r.hi;
    row->r.f.nan = r.nan;
    return r;
}

static struct range fcompare(enum op op, struct fiv a, struct fiv b)
{
    if (a.nan || b.nan) return iv(0, 1);
    bool apart = a.hi < b.lo || b.hi < a.lo, same = a.lo == a.hi && b.lo == b.hi && a.lo == b.lo;
    switch ((int)op) {
    case OP_LT: return yes_no(a.hi < b.lo, a.lo >= b.hi);
    case OP_LE: return yes_no(a.hi <= b.lo, a.lo > b.hi);
    case OP_EQ: return yes_no(same, apart);
    default: return yes_no(apart, same);
    }
}

/* Truncates toward zero and saturates, both monotone; nan gives 0, and true as a bool. */
static struct range from_f32(enum dtype to, struct fiv a)
{
    if (to == DT_BOOL) return a.lo <= 0 && a.hi >= 0 ? iv(0, 1) : iv(1, 1);
    struct range r = iv(ir_f32_to_int(a.lo, to), ir_f32_to_int(a.hi, to));
    return a.nan ? join(r, iv(0, 0)) : r;
}

/* ---- the walk ---- */

struct range var_bounds(const struct var *v, const struct var_range *env)
{
    for (; env; env = env->next)
        if (env->var == v) return env->range;
    return v->extent > 0 ? iv(0, v->extent - 1) : dtype_range(DT_I64);
}

static struct range convert(const struct expr *e, struct range a)
{
    enum dtype to = e->type.dt;
    struct range t = dtype_range(to);
    if (e->op == OP_SAT) return iv(i64_max(t.lo, i64_min(t.hi, a.lo)), i64_max(t.lo, i64_min(t.hi, a.hi)));
    if (to == DT_BOOL) return yes_no(!has(a, 0), a.lo == 0 && a.hi == 0);
    return a.lo >= t.lo && a.hi <= t.hi ? a : t; /* wraps */
}

static struct range reduce(const struct expr *e, struct range body)
{
    if (e->val.i == RED_MAX || e->val.i == RED_MIN) return body;
    wide n = 1;
    for (int i = 1; i < e->nkid; i++) {
        n *= e->kid[i]->val.var->extent;
        if (n <= 0 || n > INT64_MAX) return dtype_range(e->type.dt);
    }
    return fit(e->type.dt, body.lo * n, body.hi * n);
}

static struct range compute(const struct expr *e, const struct var_range *env, struct bounds_cache *m)
{
    enum dtype d = e->type.dt;
    struct range a = {0}, b = {0};
    bool of_f32 = e->nkid > 0 && e->kid[e->nkid - 1]->type.dt == DT_F32;
    if (e->nkid > 0 && e->op != OP_READ && e->op != OP_LOAD && !of_f32) {
        a = bounds_of(e->kid[0], env, m);
        if (op_info[e->op].arity == 2) b = bounds_of(e->kid[1], env, m);
    }
    switch ((enum op)e->op) {
    case OP_INT: return iv(e->val.i, e->val.i);
    case OP_VAR: return var_bounds(e->val.var, env);
    case OP_READ: return e->val.tensor->range;
    case OP_LOAD: return e->val.buffer->range;
    case OP_ADD: return fit(d, (wide)a.lo + b.lo, (wide)a.hi + b.hi);
    case OP_SUB: return fit(d, (wide)a.lo - b.hi, (wide)a.hi - b.lo);
    case OP_MUL:
        if (e->kid[0] == e->kid[1]) return square(d, a);
        return mul(d, a, b);
    case OP_DIV: return divide(d, a, b);
    case OP_MOD: return modulo(a, b);
    case OP_MIN: return iv(i64_min(a.lo, b.lo), i64_min(a.hi, b.hi));
    case OP_MAX: return iv(i64_max(a.lo, b.lo), i64_max(a.hi, b.hi));
    case OP_AND: case OP_OR: case OP_XOR: return bitwise(e->op, d, a, b);
    case OP_SHL: case OP_SHR: return shift(e->op, d, a, b);
    case OP_EQ: case OP_NE: case OP_LT: case OP_LE:
        if (of_f32) return fcompare(e->op, fbounds(e->kid[0], env, m), fbounds(e->kid[1], env, m));
        return compare(e->op, a, b);
    case OP_NOT:
        if (dtype_info[d].is_signed) return iv(-1 - a.hi, -1 - a.lo);
        return iv(dtype_info[d].hi - a.hi, dtype_info[d].hi - a.lo);
    case OP_SELECT: {
        if (a.lo == 1) return bounds_of(e->kid[1], env, m);
        if (a.hi == 0) return bounds_of(e->kid[2], env, m);
        return join(bounds_of(e->kid[1], env, m), bounds_of(e->kid[2], env, m));
    }
    case OP_CAST: case OP_SAT:
        return of_f32 ? from_f32(d, fbounds(e->kid[0], env, m)) : convert(e, a);
    case OP_REDUCE: return reduce(e, a);
    case OP_RAMP: {
        struct range last = mul(DT_I64, b, iv(e->type.lanes - 1, e->type.lanes - 1));
        return fit(d, (wide)a.lo + i64_min(0, last.lo), (wide)a.hi + i64_max(0, last.hi));
    }
    case OP_BCAST: return a;
    case OP_FLT: case OP_RINT: case OP_FMA: case OP_EXTERN: case OP_COUNT: break;
    }
    return dtype_range(d);
}

struct range bounds_of(const struct expr *e, const struct var_range *env, struct bounds_cache *cache)
{
    if (e->type.dt == DT_F32) return dtype_range(DT_I64);
    if (!e->nkid) return compute(e, env, cache);
    struct bounds_row *row = row_of(cache, e);
    if (row->e == e) return row->r.i;
    struct range r = compute(e, env, cache);
    row->e = e; /* after the kids, which may have taken the same row */
    row->r.i = r;
    return r;
}

struct range ir_bounds(const struct expr *e, const struct var_range *env)
{
    if (!e->nkid) return bounds_of(e, env, NULL);
    struct bounds_cache cache;
    for (int i = 0; i < BOUNDS_ROWS; i++) cache.row[i].e = NULL;
    return bounds_of(e, env, &cache);
}

bool ir_prove(struct ir_ctx *c, const struct expr *cond, const struct var_range *env)
{
    if (ir_bounds(cond, env).lo == 1) return true;
    return ir_bounds(ir_simplify(c, cond, env), env).lo == 1;
}

bool ir_refute(struct ir_ctx *c, const struct expr *cond, const struct var_range *env)
{
    if (ir_bounds(cond, env).hi == 0) return true;
    return ir_bounds(ir_simplify(c, cond, env), env).hi == 0;
}
