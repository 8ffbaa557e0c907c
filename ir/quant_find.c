/* SPDX-License-Identifier: Apache-2.0 */
/* quant_find.c - the requantisation that an expression is, for metadata. Contract in quant.h.
 *
 * Guess and prove: what could be zero point, bounds, accumulator and factors is read off the expression's nodes; a guess is
 * right when building it anew gives the very node, since equal expressions are one node. So this file knows of how quant.c
 * writes a rounding only where its operands stand. */
#include "ir/quant.h"
#include "ir/simplify.h"

enum { MAX_GUESSES = 12, MAX_NODES = 1000 };

struct nodes { int n; const struct expr *at[MAX_GUESSES]; };
struct guesses {
    struct ir_ctx *c;
    struct nodes product, shift;        /* MUL or SHR of the accumulator; what may be a shift */
    int visited;
};

static void add_node(struct nodes *s, const struct expr *e)
{
    for (int i = 0; i < s->n; i++)
        if (s->at[i] == e) return;
    if (s->n < MAX_GUESSES) s->at[s->n++] = e;
}

static bool collect(const struct expr *e, void *u)
{
    struct guesses *g = u;
    if (++g->visited > MAX_NODES) return false;
    if (e->op == OP_MUL || e->op == OP_SHR) add_node(&g->product, e);
    if (e->op == OP_READ && e->type.dt == DT_I32) add_node(&g->shift, e);
    if ((e->op != OP_SHR && e->op != OP_SHL) || e->kid[1]->op != OP_INT) return true;
    int64_t by = e->kid[1]->val.i, meant[] = {by, -by, 31 - by}; /* of shift, of the double and of the single rounding */
    for (size_t i = 0; i < ARRAY_LEN(meant); i++)
        if (meant[i] >= -31 && meant[i] <= 31) add_node(&g->shift, ir_int(g->c, type_of(DT_I32), meant[i]));
    return true;
}

static bool constant(const struct expr *e, int64_t *v)
{
    if (e->op == OP_INT) *v = e->val.i;
    else if (e->op == OP_FLT && e->val.f >= INT32_MIN && e->val.f <= INT32_MAX) *v = (int64_t)e->val.f;
    else return false;
    return true;
}

/* Takes conversions, zero point and bounds off, outermost first. Bounds may stand inside with the zero point taken off; of
 * two the outer ones count. */
static const struct expr *strip(const struct expr *e, struct quant_form *f)
{
    struct range all = dtype_range(e->type.dt);
    bool zero = false, lo = false, hi = false;
    f->lo = all.lo;
    f->hi = all.hi;
    for (;;) {
        int64_t v;
        if (e->op == OP_CAST || e->op == OP_RINT) {
            e = e->kid[0];
            continue;
        }
        if (e->op != OP_ADD && e->op != OP_MIN && e->op != OP_MAX) return e;
        int k = constant(e->kid[1], &v) ? 1 : constant(e->kid[0], &v) ? 0 : -1;
        if (k < 0 || (e->op == OP_ADD && zero) || !dt_holds(DT_I32, (struct range){v, v})) return e;
        if (e->op == OP_ADD) zero = true, f->zero = v;
        if (e->op == OP_MAX && !lo) lo = true, f->lo = v + f->zero;
        if (e->op == OP_MIN && !hi) hi = true, f->hi = v + f->zero;
        e = e->kid[1 - k];
    }
}

/* Is e the form? */
static bool proved(struct ir_ctx *c, const struct quant_form *f, const struct expr *e)
{
    const struct expr *zero = ir_int(c, type_of(DT_I32), f->zero), *built = NULL;
    int32_t lo = (int32_t)f->lo, hi = (int32_t)f->hi;
    switch (f->round) {
    case ROUND_HALF_EVEN: built = quant_expr_half_even(c, f->acc, f->scale, zero, e->type.dt, lo, hi); break;
    case ROUND_TFLITE_DOUBLE: case ROUND_TFLITE_SINGLE:
        built = quant_expr_tflite(c, f->round, f->acc, f->mult, f->shift, zero, e->type.dt, lo, hi);
        break;
    case ROUND_SHIFT: built = quant_expr_shift(c, f->acc, f->shift, zero, e->type.dt, lo, hi); break;
    case ROUND_COUNT: break;
    }
    return built == e;
}

static bool is_cast(const struct expr *e, enum dtype to, enum dtype from)
{
    return e->op == OP_CAST && e->type.dt == to && e->kid[0]->type.dt == from;
}

/* acc << left, in i64 and saturated, as tflite_double has it; or x itself. */
static const struct expr *before_left_shift(const struct expr *x)
{
    bool moved = x->op == OP_SAT && x->kid[0]->op == OP_SHL && is_cast(x->kid[0]->kid[0], DT_I64, DT_I32);
    return moved ? x->kid[0]->kid[0]->kid[0] : x;
}

/* A multiplier as i32: a widened value, or a constant that was widened when it was built. */
static const struct expr *multiplier(struct ir_ctx *c, const struct expr *e)
{
    if (is_cast(e, DT_I64, DT_I32)) return e->kid[0];
    bool small = e->op == OP_INT && e->val.i >= 0 && e->val.i <= INT32_MAX;
    return small ? ir_int(c, type_of(DT_I32), e->val.i) : NULL;
}

static bool by_product(struct ir_ctx *c, const struct guesses *g, const struct expr *a, const struct expr *b, const struct expr *e,
                       struct quant_form *f)
{
    if (is_cast(a, DT_F32, DT_I32)) {
        f->round = ROUND_HALF_EVEN;
        f->acc = a->kid[0];
        f->scale = b;
        return proved(c, f, e);
    }
    f->mult = multiplier(c, b);
    if (!is_cast(a, DT_I64, DT_I32) || !f->mult) return false;
    for (int s = 0; s < 2 * g->shift.n; s++) { /* double first: what it shifts left is an accumulator to the single one too */
        bool twice = s < g->shift.n;
        f->shift = g->shift.at[s % g->shift.n];
        f->round = twice ? ROUND_TFLITE_DOUBLE : ROUND_TFLITE_SINGLE;
        f->acc = twice ? before_left_shift(a->kid[0]) : a->kid[0];
        if (proved(c, f, e)) return true;
    }
    return false;
}

/* acc >> shift, or (acc + half) >> shift. */
static bool by_shift(struct ir_ctx *c, const struct guesses *g, const struct expr *x, const struct expr *e, struct quant_form *f)
{
    if (x->type.dt != DT_I32) return false;
    f->round = ROUND_SHIFT;
    for (int i = 0; i < g->shift.n; i++) {
        const struct expr *sum = x->kid[0];
        f->shift = g->shift.at[i];
        f->acc = sum;
        if (proved(c, f, e)) return true;
        for (int k = 0; k < 2 && sum->op == OP_ADD; k++) {
            f->acc = sum->kid[k];
            if (proved(c, f, e)) return true;
        }
    }
    return false;
}

/* How much a factor looks like one that is given, not computed: a product does not tell its accumulator from its multiplier. */
static int given(const struct expr *e)
{
    while (e->op == OP_CAST) e = e->kid[0];
    return e->op == OP_INT || e->op == OP_FLT ? 3 : e->op != OP_READ ? 0 : e->val.tensor->kind == TENSOR_COMPUTE ? 1 : 2;
}

bool quant_find(struct ir_ctx *c, const struct expr *e, struct quant_form *out)
{
    struct guesses g = {.c = c};
    struct quant_form bare = {.zero = 0};
    struct range all = dtype_range(DT_I32);
    enum dtype to = e->type.dt;
    if (to != DT_I8 && to != DT_U8 && to != DT_I16 && to != DT_I32) return false;
    ir_walk(strip(e, &bare), collect, &g);
    if (bare.lo < all.lo || bare.hi > all.hi) return false;
    for (int i = 0; i < g.product.n; i++) {
        const struct expr *p = g.product.at[i];
        int first = given(p->kid[0]) > given(p->kid[1]); /* the accumulator's place to try first */
        for (int n = 0; n < 2; n++) {
            int k = n ? 1 - first : first;
            struct quant_form f = bare;
            if (p->op == OP_SHR ? by_shift(c, &g, p, e, &f) : by_product(c, &g, p->kid[k], p->kid[1 - k], e, &f))
                return *out = f, true;
        }
    }
    return false;
}
