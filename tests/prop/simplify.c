/* SPDX-License-Identifier: Apache-2.0 */
/* Random expressions against a small evaluator: simplification keeps the value, is idempotent and does not grow
 * (cost as stated in ir/simplify.c), bounds contain the value, the modulus holds, an affine form adds up. The
 * seed is printed; QJ_SEED and QJ_N choose. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/print.h"
#include "ir/simplify.h"

enum { NVAR = 5, NDATA = 6, MAX_LANES = 4, POINTS = 24 };

struct rng { uint64_t s; };
static uint64_t next(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static int64_t pick(struct rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next(r) % (uint64_t)(hi - lo + 1));
}

static uint64_t env_number(const char *name, uint64_t dflt)
{
    const char *s = getenv(name);
    return s && *s ? strtoull(s, NULL, 0) : dflt;
}

/* ---- the world: variables and one scalar tensor a type ---- */

struct world {
    struct ir_ctx c;
    struct rng r;
    const struct var *var[NVAR];
    const struct tensor *data[NDATA];
    int64_t at[NVAR];              /* where the evaluator stands */
    union { int64_t i; float f; } datum[NDATA];
};
static const enum dtype data_types[NDATA] = {DT_I8, DT_U8, DT_I16, DT_I32, DT_BOOL, DT_F32};
static const int64_t extents[NVAR] = {1, 4, 7, 16, 56};

static void world_init(struct world *w)
{
    ir_ctx_init(&w->c, 0);
    for (int i = 0; i < NVAR; i++) w->var[i] = ir_var(&w->c, (const char[]){"abcde"[i], 0}, extents[i]);
    for (int i = 0; i < NDATA; i++)
        w->data[i] = ir_tensor(&w->c, dtype_info[data_types[i]].name, TENSOR_INPUT, data_types[i], 0, NULL);
}

static void move(struct world *w)
{
    static const float f[] = {0.0f, -0.0f, 1.0f, -1.5f, 2.5f, 255.5f, 3e9f, -1e20f, INFINITY, -INFINITY, NAN};
    for (int i = 0; i < NVAR; i++) w->at[i] = pick(&w->r, 0, extents[i] - 1);
    for (int i = 0; i < NDATA; i++) {
        enum dtype d = data_types[i];
        if (d == DT_F32) w->datum[i].f = f[pick(&w->r, 0, ARRAY_LEN(f) - 1)];
        else if (pick(&w->r, 0, 2) == 0)
            w->datum[i].i = pick(&w->r, 0, 1) ? dtype_info[d].hi : dtype_info[d].lo;
        else w->datum[i].i = pick(&w->r, dtype_info[d].lo, dtype_info[d].hi);
    }
}

/* ---- the evaluator: one lane of a node ---- */

union val { int64_t i; float f; };
struct run { const struct world *w; bool overflow; };

static union val eval(struct run *x, const struct expr *e, int lane);

static union val eval_bin(struct run *x, const struct expr *e, int lane)
{
    union val a = eval(x, e->kid[0], lane), b = eval(x, e->kid[1], lane), r = {0};
    if (e->kid[0]->type.dt != DT_F32) r.i = ir_apply_int(e->op, e->kid[0]->type.dt, a.i, b.i, &x->overflow);
    else if (op_info[e->op].cls == OPC_CMP) r.i = ir_cmp_f32(e->op, a.f, b.f);
    else r.f = ir_apply_f32(e->op, a.f, b.f);
    return r;
}

static union val convert(const struct expr *e, union val a)
{
    const struct expr *k = e->kid[0];
    enum dtype to = e->type.dt;
    union val r = {0};
    if (k->type.dt == DT_F32) r.i = ir_f32_to_int(a.f, to);
    else if (to == DT_F32) r.f = (float)a.i;
    else if (e->op == OP_SAT) r.i = i64_max(dtype_info[to].lo, i64_min(dtype_info[to].hi, a.i));
    else r.i = ir_wrap(to, a.i);
    return r;
}

static union val eval(struct run *x, const struct expr *e, int lane)
{
    union val r = {0};
    switch ((enum op)e->op) {
    case OP_INT: r.i = e->val.i; return r;
    case OP_FLT: r.f = (float)e->val.f; return r;
    case OP_VAR:
        for (int i = 0; i < NVAR; i++)
            if (x->w->var[i] == e->val.var) r.i = x->w->at[i];
        return r;
    case OP_READ:
        for (int i = 0; i < NDATA; i++) {
            if (x->w->data[i] != e->val.tensor) continue;
            if (data_types[i] == DT_F32) r.f = x->w->datum[i].f;
            else r.i = x->w->datum[i].i;
        }
        return r;
    case OP_NOT: r.i = ir_apply_int(OP_NOT, e->type.dt, eval(x, e->kid[0], lane).i, 0, NULL); return r;
    case OP_RINT: r.f = ir_apply_f32(OP_RINT, eval(x, e->kid[0], lane).f, 0); return r;
    case OP_FMA:
        r.f = fmaf(eval(x, e->kid[0], lane).f, eval(x, e->kid[1], lane).f, eval(x, e->kid[2], lane).f);
        return r;
    case OP_SELECT: return eval(x, e->kid[eval(x, e->kid[0], lane).i ? 1 : 2], lane);
    case OP_CAST: case OP_SAT: return convert(e, eval(x, e->kid[0], lane));
    case OP_RAMP:
        r.i = ir_apply_int(OP_MUL, e->type.dt, lane, eval(x, e->kid[1], 0).i, &x->overflow);
        r.i = ir_apply_int(OP_ADD, e->type.dt, eval(x, e->kid[0], 0).i, r.i, &x->overflow);
        return r;
    case OP_BCAST: return eval(x, e->kid[0], 0);
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MOD: case OP_MIN: case OP_MAX: case OP_AND: case OP_OR:
    case OP_XOR: case OP_SHL: case OP_SHR: case OP_EQ: case OP_NE: case OP_LT: case OP_LE:
        return eval_bin(x, e, lane);
    case OP_LOAD: case OP_EXTERN: case OP_REDUCE: case OP_COUNT: break;
    }
    fprintf(stderr, "not generated: %s\n", op_info[e->op].spelling);
    exit(1);
}

/* ---- the generator ---- */

static const struct expr *gen(struct world *w, enum dtype d, int lanes, int depth);

static const struct expr *leaf(struct world *w, enum dtype d)
{
    static const float f[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, 16777216.0f, 300.0f, NAN};
    if (d == DT_F32 && pick(&w->r, 0, 1))
        return ir_flt(&w->c, type_of(d), f[pick(&w->r, 0, ARRAY_LEN(f) - 1)]);
    if (d == DT_I64) {
        if (pick(&w->r, 0, 2)) return ir_var_expr(&w->c, w->var[pick(&w->r, 0, NVAR - 1)]);
        return ir_idx(&w->c, pick(&w->r, -8, 64));
    }
    for (int i = 0; i < NDATA; i++)
        if (data_types[i] == d && (d == DT_F32 || pick(&w->r, 0, 2))) return ir_read(&w->c, w->data[i], NULL);
    if (pick(&w->r, 0, 1)) return ir_int(&w->c, type_of(d), pick(&w->r, -3, 3));
    return ir_int(&w->c, type_of(d), pick(&w->r, 0, 3) ? pick(&w->r, -200, 300) : dtype_info[d].hi);
}

static enum dtype some_type(struct world *w) { return (enum dtype)pick(&w->r, DT_BOOL, DT_F32); }

/* Index arithmetic as schedules make it: splits, fusions, their inverses. */
static const struct expr *gen_index(struct world *w, int lanes, int depth)
{
    static const int64_t size[] = {2, 3, 4, 6, 7, 8, 14, 16, 32, 56, 64};
    struct ir_ctx *c = &w->c;
    const struct expr *n = ir_idx(c, size[pick(&w->r, 0, ARRAY_LEN(size) - 1)]),
                      *a = gen(w, DT_I64, lanes, depth - 1);
    switch (pick(&w->r, 0, 6)) {
    case 0: return ir_mul(c, a, n);
    case 1: return ir_div(c, a, n);
    case 2: return ir_mod(c, a, n);
    case 3: return ir_add(c, ir_mul(c, ir_div(c, a, n), n), ir_mod(c, a, n));
    case 4: return ir_add(c, ir_mul(c, a, n), ir_mod(c, gen(w, DT_I64, lanes, depth - 1), n));
    case 5: return ir_sub(c, a, ir_mul(c, ir_div(c, a, n), n));
    default: return ir_add(c, a, gen(w, DT_I64, lanes, depth - 1));
    }
}

static const struct expr *gen_bool(struct world *w, int lanes, int depth)
{
    static const enum op cmp[] = {OP_LT, OP_LE, OP_EQ, OP_NE};
    struct ir_ctx *c = &w->c;
    switch (pick(&w->r, 0, 9)) {
    case 0: case 1:
        return ir_bin(c, pick(&w->r, 0, 1) ? OP_AND : OP_OR, gen(w, DT_BOOL, lanes, depth - 1),
                      gen(w, DT_BOOL, lanes, depth - 1));
    case 2: return ir_un(c, OP_NOT, gen(w, DT_BOOL, lanes, depth - 1));
    case 3:
        return ir_bin(c, pick(&w->r, 0, 1) ? OP_XOR : OP_EQ, gen(w, DT_BOOL, lanes, depth - 1),
                      gen(w, DT_BOOL, lanes, depth - 1));
    case 4: { /* two conditions on one index, one apart or so */
        const struct expr *x = gen(w, DT_I64, lanes, depth - 2),
                          *y = ir_add(c, x, ir_idx(c, pick(&w->r, -2, 2)));
        int64_t n = pick(&w->r, 0, 16);
        const struct expr *p = ir_lt(c, x, ir_idx(c, n)), *q = ir_lt(c, ir_idx(c, n), y);
        if (pick(&w->r, 0, 1)) q = ir_le(c, y, ir_idx(c, n));
        return ir_bin(c, pick(&w->r, 0, 1) ? OP_AND : OP_OR, p, q);
    }
    case 5: return ir_cast(c, DT_BOOL, gen(w, some_type(w), lanes, depth - 1));
    default: break;
    }
    enum dtype d = pick(&w->r, 0, 2) ? DT_I64 : (enum dtype)pick(&w->r, DT_I8, DT_F32);
    return ir_bin(c, cmp[pick(&w->r, 0, 3)], gen(w, d, lanes, depth - 1), gen(w, d, lanes, depth - 1));
}

static const struct expr *gen(struct world *w, enum dtype d, int lanes, int depth)
{
    struct ir_ctx *c = &w->c;
    if (depth <= 0 && lanes > 1 && d == DT_I64 && pick(&w->r, 0, 2))
        return ir_ramp(c, leaf(w, d), ir_idx(c, pick(&w->r, -1, 8)), lanes);
    if (depth <= 0) return ir_bcast(c, leaf(w, d), lanes);
    if (lanes > 1 && pick(&w->r, 0, 4) == 0) return ir_bcast(c, gen(w, d, 1, depth - 1), lanes);
    if (pick(&w->r, 0, 9) == 0)
        return ir_select(c, gen(w, DT_BOOL, lanes, depth - 1), gen(w, d, lanes, depth - 1),
                         gen(w, d, lanes, depth - 1));
    if (d == DT_BOOL) return gen_bool(w, lanes, depth);
    if (pick(&w->r, 0, 7) == 0) return ir_cast(c, d, gen(w, some_type(w), lanes, depth - 1));
    if (d == DT_I64 && pick(&w->r, 0, 3)) return gen_index(w, lanes, depth);
    if (dt_is_int(d) && pick(&w->r, 0, 7) == 0) {
        enum dtype from = (enum dtype)pick(&w->r, DT_I8, DT_F32);
        return ir_sat(c, d, gen(w, from, lanes, depth - 1));
    }
    if (d == DT_F32) {
        static const enum op op[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MIN, OP_MAX};
        if (pick(&w->r, 0, 5) == 0) return ir_un(c, OP_RINT, gen(w, d, lanes, depth - 1));
        if (pick(&w->r, 0, 9) == 0)
            return ir_fma(c, gen(w, d, lanes, depth - 1), gen(w, d, lanes, depth - 1),
                          gen(w, d, lanes, depth - 1));
        return ir_bin(c, op[pick(&w->r, 0, 5)], gen(w, d, lanes, depth - 1), gen(w, d, lanes, depth - 1));
    }
    if (pick(&w->r, 0, 15) == 0) return ir_un(c, OP_NOT, gen(w, d, lanes, depth - 1));
    static const enum op op[] = {OP_ADD, OP_ADD, OP_SUB, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_MIN,
                                 OP_MIN, OP_MAX, OP_MAX, OP_AND, OP_OR,  OP_XOR, OP_SHL, OP_SHR};
    const struct expr *b = gen(w, d, lanes, pick(&w->r, 0, 1) ? 0 : depth - 1);
    return ir_bin(c, op[pick(&w->r, 0, ARRAY_LEN(op) - 1)], gen(w, d, lanes, depth - 1), b);
}

/* ---- the laws ---- */

static bool is_const(const struct expr *e)
{
    while (e->op == OP_BCAST) e = e->kid[0];
    return e->op == OP_INT || e->op == OP_FLT;
}

/* Nodes of the tree; constants, broadcasts and i64 sums and multiples are free. */
static double cost(const struct expr *e)
{
    if (is_const(e)) return 0;
    double n = e->op != OP_BCAST;
    if (e->type.dt == DT_I64 && (e->op == OP_ADD || e->op == OP_SUB ||
                                 (e->op == OP_MUL && (is_const(e->kid[0]) || is_const(e->kid[1])))))
        n = 0;
    for_kids(e, i) n += cost(e->kid[i]);
    return n;
}

static int broken(struct world *w, const char *law, const struct expr *e, const struct expr *s)
{
    printf("%s\n  from %s\n  to   %s\n  at", law, expr_text(&w->c.arena, e),
           s ? expr_text(&w->c.arena, s) : "");
    for (int i = 0; i < NVAR; i++) printf(" %s=%lld", w->var[i]->name, (long long)w->at[i]);
    for (int i = 0; i < NDATA; i++) {
        if (data_types[i] == DT_F32) printf(" f32=%g", (double)w->datum[i].f);
        else printf(" %s=%lld", dtype_info[data_types[i]].name, (long long)w->datum[i].i);
    }
    puts("");
    return 1;
}

static bool same(enum dtype d, union val a, union val b)
{
    if (d != DT_F32) return a.i == b.i;
    return (isnan(a.f) && isnan(b.f)) || !memcmp(&a.f, &b.f, sizeof a.f);
}

static int check(struct world *w, const struct expr *e)
{
    struct ir_ctx *c = &w->c;
    const struct expr *s = ir_simplify(c, e, NULL), *base = NULL;
    struct range b = ir_bounds(e, NULL), bs = ir_bounds(s, NULL);
    int64_t m = 1, r = 0, coef[NVAR];
    bool integer = dt_is_int(e->type.dt), affine = ir_affine(c, e, NVAR, w->var, coef, &base);
    if (!type_eq(e->type, s->type)) return broken(w, "type changed", e, s);
    if (ir_simplify(c, s, NULL) != s) return broken(w, "not idempotent", s, ir_simplify(c, s, NULL));
    if (cost(s) > cost(e)) return broken(w, "grew", e, s);
    if (integer) ir_modulus(e, &m, &r);
    bool yes = type_eq(e->type, TYPE_BOOL) && ir_prove(c, e, NULL),
         no = type_eq(e->type, TYPE_BOOL) && ir_refute(c, e, NULL);
    for (int p = 0; p < POINTS; p++) {
        move(w);
        for (int lane = 0; lane < e->type.lanes; lane++) {
            struct run x = {w, false}, y = {w, false};
            union val v = eval(&x, e, lane);
            if (x.overflow) continue; /* outside the contract */
            union val vs = eval(&y, s, lane);
            if (y.overflow) return broken(w, "overflows now", e, s);
            if (!same(e->type.dt, v, vs)) return broken(w, "value changed", e, s);
            if (e->type.dt == DT_F32) continue;
            if (v.i < b.lo || v.i > b.hi) return broken(w, "outside its bounds", e, NULL);
            if (v.i < bs.lo || v.i > bs.hi) return broken(w, "outside its bounds", s, NULL);
            if (integer && (m ? floor_mod(v.i, m) != r : v.i != r)) return broken(w, "modulus", e, NULL);
            if ((yes && !v.i) || (no && v.i)) return broken(w, "wrongly decided", e, NULL);
            if (!affine) continue;
            uint64_t sum = (uint64_t)eval(&y, base, 0).i;
            for (int i = 0; i < NVAR; i++) sum += (uint64_t)coef[i] * (uint64_t)w->at[i];
            if (sum != (uint64_t)v.i) return broken(w, "affine form", e, base);
        }
    }
    return 0;
}

int main(void)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 20000);
    struct world w = {.r = {seed}};
    int bad = 0;
    printf("QJ_SEED=%llu QJ_N=%llu\n", (unsigned long long)seed, (unsigned long long)n);
    world_init(&w);
    struct ir_mark mark = ir_mark(&w.c);
    for (uint64_t i = 0; i < n && bad < 10; i++) {
        enum dtype d = pick(&w.r, 0, 1) ? DT_I64 : some_type(&w);
        int lanes = pick(&w.r, 0, 3) ? 1 : MAX_LANES;
        bad += check(&w, gen(&w, d, lanes, (int)pick(&w.r, 1, 5)));
        if (i % 64 == 63) ir_reset(&w.c, mark);
    }
    ir_ctx_release(&w.c);
    return bad ? 1 : 0;
}
