/* SPDX-License-Identifier: Apache-2.0 */
/* simplify.c - the driver of expression simplification, and the rules on data, conditions and conversions.
 * Contract in simplify.h; index arithmetic is in simplify_index.c.
 *
 * Kids first, each node once (memo by id). A rule keeps the type, holds for all inputs the essay in ir.h
 * allows, and does not raise the cost: the nodes of the tree, where constants, broadcasts and i64 sums and
 * multiples are free (loops step them). Passes repeat until one changes nothing, so the result is a fixed point.
 *
 * Data are left in the order they were written: i8..i32 rules fold constants modulo 2^bits, f32 rules are
 * exact to the bit for every input (x + 0.0 is not: it loses the sign of -0.0). */
#include "ir/simplify_impl.h"

enum { MAX_PASSES = 6, MAX_ARMS = 6, MAX_PARTS = 12 };

/* ---- small questions ---- */

/* e is the integer or bool constant *v in every lane. */
static bool konst(const struct expr *e, int64_t *v)
{
    if (e->op == OP_BCAST) e = e->kid[0];
    if (e->op != OP_INT) return false;
    *v = e->val.i;
    return true;
}

static bool is_flt(const struct expr *e, float v)
{
    if (e->op == OP_BCAST) e = e->kid[0];
    float f = (float)e->val.f;
    return e->op == OP_FLT && !memcmp(&f, &v, sizeof v); /* tells 0.0 from -0.0 */
}

static bool inside(struct range r, struct range of) { return r.lo >= of.lo && r.hi <= of.hi; }
static bool fits(struct simp *s, const struct expr *e, enum dtype d)
{
    return inside(simp_bounds(s, e), dtype_range(d));
}
static bool exact_in_f32(struct simp *s, const struct expr *e)
{
    return inside(simp_bounds(s, e), (struct range){-(1 << 24), 1 << 24});
}

/* ---- integers ---- */

/* (x op c) op d -> x op (c op d) for an associative op */
static const struct expr *fold_chain(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    int64_t k, v;
    if (a->op != op || !konst(a->kid[1], &k) || !konst(b, &v)) return NULL;
    bool over = false;
    int64_t r = ir_apply_int(op, a->type.dt, k, v, &over);
    return over ? NULL : ir_bin(s->c, op, a->kid[0], ir_int(s->c, a->type, r));
}

static const struct expr *minmax(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    enum op other = op == OP_MIN ? OP_MAX : OP_MIN;
    struct range x = simp_bounds(s, a), y = simp_bounds(s, b);
    if (x.hi <= y.lo) return op == OP_MIN ? a : b;
    if (y.hi <= x.lo) return op == OP_MIN ? b : a;
    const struct expr *r = fold_chain(s, op, a, b);
    if (r) return r;
    for (int i = 0; i < 2; i++) {
        if (b->op == op && b->kid[i] == a) return b;    /* min(x, min(x, y)) -> min(x, y) */
        if (a->op == op && a->kid[i] == b) return a;
        if (b->op == other && b->kid[i] == a) return a; /* min(x, max(x, y)) -> x */
        if (a->op == other && a->kid[i] == b) return b;
    }
    return type_eq(a->type, TYPE_I64) ? index_minmax(s, op, a, b) : NULL;
}

static const struct expr *int_rules(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    int64_t k, v;
    bool index = type_eq(a->type, TYPE_I64);
    if (a->type.dt == DT_I64 && !index) {
        const struct expr *r = index_vector(s, op, a, b);
        if (r) return r;
    }
    switch ((int)op) {
    case OP_ADD:
        if (a->op == OP_SUB && a->kid[1] == b) return a->kid[0]; /* (x - y) + y -> x */
        return fold_chain(s, op, a, b);
    case OP_SUB:
        if (a == b) return ir_int(s->c, a->type, 0);
        if (a->op == OP_ADD && a->kid[1] == b) return a->kid[0]; /* (x + y) - y -> x */
        if (a->op == OP_ADD && a->kid[0] == b) return a->kid[1];
        if (a->op == OP_ADD && konst(a->kid[1], &k) && konst(b, &v) && a->type.dt != DT_I64)
            return ir_add(s->c, a->kid[0], ir_int(s->c, a->type, k - v)); /* (x + c) - d -> x + (c - d) */
        return NULL;
    case OP_MUL: return index ? index_mul(s, a, b) : fold_chain(s, op, a, b);
    case OP_DIV:
        if (index && konst(b, &k) && k > 0) return index_divmod(s, op, a, k);
        return NULL; /* a constant quotient is seen by its bounds */
    case OP_MOD:
        if (index && konst(b, &k) && k > 0) return index_divmod(s, op, a, k);
        if (konst(b, &k) && inside(simp_bounds(s, a), (struct range){0, k - 1})) return a;
        return NULL;
    case OP_MIN: case OP_MAX: return minmax(s, op, a, b);
    case OP_AND:
        if (konst(b, &k) && k > 0 && !(k & (k + 1)) && inside(simp_bounds(s, a), (struct range){0, k}))
            return a; /* x & 15 -> x with x in [0,15] */
        return fold_chain(s, op, a, b);
    case OP_OR: return fold_chain(s, op, a, b);
    case OP_XOR:
        if (a == b) return ir_int(s->c, a->type, 0);
        return fold_chain(s, op, a, b);
    case OP_SHL: case OP_SHR: { /* a known amount out of range: written as one in range */
        int bits = dtype_info[a->type.dt].bits;
        if (!konst(b, &k) || (k >= 0 && k < bits)) return NULL;
        if (op == OP_SHL || !dtype_info[a->type.dt].is_signed) return ir_int(s->c, a->type, 0);
        return ir_bin(s->c, op, a, ir_int(s->c, a->type, bits - 1));
    }
    default: return NULL;
    }
}

/* ---- f32 ---- */

static const struct expr *f32_rules(enum op op, const struct expr *a, const struct expr *b)
{
    switch ((int)op) {
    case OP_ADD: return is_flt(b, -0.0f) ? a : is_flt(a, -0.0f) ? b : NULL;
    case OP_SUB: return is_flt(b, 0.0f) ? a : NULL;
    case OP_MUL: return is_flt(b, 1.0f) ? a : is_flt(a, 1.0f) ? b : NULL;
    case OP_DIV: return is_flt(b, 1.0f) ? a : NULL;
    case OP_MIN: case OP_MAX: return a == b ? a : NULL;
    default: return NULL;
    }
}

/* ---- comparisons and bool ---- */

static const struct expr *compare(struct simp *s, enum op op, const struct expr *a, const struct expr *b)
{
    int64_t k;
    enum dtype d = a->type.dt;
    struct type bt = type_vec(DT_BOOL, a->type.lanes);
    if (d == DT_F32) return NULL; /* a nan equals nothing, not even itself */
    if (a == b) return ir_int(s->c, bt, op == OP_EQ || op == OP_LE);
    if (type_eq(a->type, TYPE_I64)) return index_compare(s, op, a, b);
    if (d == DT_I64) return index_vector(s, op, a, b);
    if (op != OP_EQ && op != OP_NE) return NULL;
    if (!konst(b, &k)) return NULL;
    const struct expr *x = d == DT_BOOL ? a : k == 0 && a->op == OP_CAST ? a->kid[0] : NULL;
    if (!x || x->type.dt != DT_BOOL) return NULL;
    return (op == OP_EQ) == (k == 1) ? x : ir_un(s->c, OP_NOT, x); /* b == true, i32(b) != 0 -> b */
}

static const struct expr *negate(struct simp *s, const struct expr *a)
{
    if (a->type.dt != DT_BOOL) return NULL;
    if (a->op == OP_EQ) return ir_bin(s->c, OP_NE, a->kid[0], a->kid[1]);
    if (a->op == OP_NE) return ir_bin(s->c, OP_EQ, a->kid[0], a->kid[1]);
    if ((a->op != OP_LT && a->op != OP_LE) || a->kid[0]->type.dt == DT_F32) return NULL; /* nan */
    enum op op = a->op == OP_LT ? OP_LE : OP_LT; /* !(a < b) -> b <= a */
    const struct expr *r = compare(s, op, a->kid[1], a->kid[0]);
    return r ? r : ir_bin(s->c, op, a->kid[1], a->kid[0]);
}

/* A conjunction or disjunction as a set. */
struct parts {
    int n;
    const struct expr *e[MAX_PARTS];
    bool is_less[MAX_PARTS];
    struct linear less[MAX_PARTS];
};

static bool part_add(struct parts *p, enum op op, const struct expr *e)
{
    if (e->op == op) return part_add(p, op, e->kid[0]) && part_add(p, op, e->kid[1]);
    int at = p->n;
    while (at > 0 && ir_compare(p->e[at - 1], e) > 0) at--;
    if (at > 0 && p->e[at - 1] == e) return true;
    if (p->n == MAX_PARTS) return false;
    for (int i = p->n++; i > at; i--) p->e[i] = p->e[i - 1];
    p->e[at] = e;
    return true;
}

static void part_drop(struct parts *p, int i)
{
    for (p->n--; i < p->n; i++) {
        p->e[i] = p->e[i + 1];
        p->is_less[i] = p->is_less[i + 1];
        p->less[i] = p->less[i + 1];
    }
}

/* From j, what about i? 1: part i adds nothing; 0: the whole is decided (false for &, true for |); -1. */
static int part_rule(struct simp *s, enum op op, const struct parts *p, int i, int j)
{
    const struct expr *a = p->e[i], *b = p->e[j];
    if ((a->op == OP_NOT && a->kid[0] == b) || (b->op == OP_NOT && b->kid[0] == a)) return 0;
    if (!p->is_less[i] || !p->is_less[j]) return -1;
    const struct linear *x = &p->less[i], *y = &p->less[j];
    if (op == OP_AND)
        return index_follows(y, x, s->known.env, &s->bounds); /* j makes i true, or false and so the whole */
    if (index_follows(x, y, s->known.env, &s->bounds) == 1) return 1;       /* i | j is j when i implies j */
    struct linear not_j = {.k = -1};
    if (lin_add_lin(&not_j, -1, y) && index_follows(&not_j, x, s->known.env, &s->bounds) == 1) return 0;
    return -1;
}

static const struct expr *junction(struct simp *s, enum op op, const struct expr *e)
{
    struct parts p;
    p.n = 0;
    if (!part_add(&p, op, e->kid[0]) || !part_add(&p, op, e->kid[1])) return NULL;
    for (int i = 0; i < p.n; i++) p.is_less[i] = index_less(p.e[i], &p.less[i]);
    for (int i = 0; i < p.n; i++)
        for (int j = 0; j < p.n; j++) {
            int r = i == j ? -1 : part_rule(s, op, &p, i, j);
            if (r == 0) return ir_int(s->c, e->type, op == OP_OR);
            if (r < 0) continue;
            part_drop(&p, i--);
            break;
        }
    const struct expr *all = p.e[0];
    for (int i = 1; i < p.n; i++) all = ir_bin(s->c, op, all, p.e[i]);
    return all;
}

/* Is e one of the conditions around, or the opposite of one? */
static const struct expr *from_facts(struct simp *s, const struct expr *e)
{
    for (const struct fact *f = s->known.facts; f; f = f->next) {
        const struct expr *k = f->cond;
        if (k == e) return ir_bool(s->c, true);
        if ((k->op == OP_NOT && k->kid[0] == e) || (e->op == OP_NOT && e->kid[0] == k))
            return ir_bool(s->c, false);
        bool opposite = (k->op == OP_EQ && e->op == OP_NE) || (k->op == OP_NE && e->op == OP_EQ);
        if (opposite && k->kid[0] == e->kid[0] && k->kid[1] == e->kid[1]) return ir_bool(s->c, false);
    }
    return NULL;
}

/* ---- conversions ---- */

static const struct expr *cast_rules(struct simp *s, enum dtype to, const struct expr *x)
{
    if (x->op != OP_CAST) return NULL;
    const struct expr *y = x->kid[0];
    enum dtype mid = x->type.dt, from = y->type.dt;
    if (from == DT_F32) return NULL;
    if (mid == DT_F32) /* i32(f32(y)) -> i32(y) where both steps are exact */
        return to != DT_BOOL && exact_in_f32(s, y) && fits(s, y, to) ? ir_cast(s->c, to, y) : NULL;
    if (fits(s, y, mid)) return ir_cast(s->c, to, y);
    if (mid != DT_BOOL && dt_is_int(to) && dtype_info[to].bits <= dtype_info[mid].bits)
        return ir_cast(s->c, to, y); /* wrapping twice is wrapping to the narrower */
    return NULL;
}

static const struct expr *sat_rules(struct simp *s, enum dtype to, const struct expr *x)
{
    int64_t k;
    enum dtype d = x->type.dt;
    struct range t = dtype_range(to);
    if (x->op == OP_SAT && inside(t, dtype_range(d))) return ir_sat(s->c, to, x->kid[0]);
    if (x->op == OP_CAST && dt_is_int(x->kid[0]->type.dt) && d != DT_BOOL &&
        (d == DT_F32 ? exact_in_f32(s, x->kid[0]) : fits(s, x->kid[0], d)))
        return ir_sat(s->c, to, x->kid[0]);
    if (d == DT_F32) return NULL;
    if (fits(s, x, to)) return ir_cast(s->c, to, x);
    if (x->op == OP_MAX && konst(x->kid[1], &k) && k <= t.lo) return ir_sat(s->c, to, x->kid[0]);
    if (x->op == OP_MIN && konst(x->kid[1], &k) && k >= t.hi) return ir_sat(s->c, to, x->kid[0]);
    return NULL;
}

/* ---- nodes with rules of their own on the way down ---- */

static void simp_init(struct simp *s, struct ir_ctx *c, const struct known *k, int arms)
{
    s->c = c;
    s->known = *k;
    s->arms = arms;
    for (int i = 0; i < BOUNDS_ROWS; i++) s->bounds.row[i].e = NULL;
    s->row = s->first;
    s->cap = ARRAY_LEN(s->first);
    s->nrow = 0;
    memset(s->first, 0, sizeof s->first);
}

/* Only conditions on indices teach us anything about the rest of an arm. */
static bool about_index(const struct expr *e)
{
    if (e->type.lanes != 1) return false;
    if (op_info[e->op].cls == OPC_CMP) return e->kid[0]->type.dt == DT_I64;
    if (e->op == OP_NOT) return about_index(e->kid[0]);
    return (e->op == OP_AND || e->op == OP_OR) && (about_index(e->kid[0]) || about_index(e->kid[1]));
}

static const struct expr *arm(struct simp *s, const struct expr *e, const struct expr *cond)
{
    struct simp inner;
    if (!e->nkid || s->arms >= MAX_ARMS || !about_index(cond)) return simp_expr(s, e);
    struct known k = s->known;
    known_add(s->c, &k, cond);
    simp_init(&inner, s->c, &k, s->arms + 1);
    return simp_expr(&inner, e);
}

static const struct expr *select_arms(struct simp *s, const struct expr *e)
{
    int64_t k, v;
    const struct expr *cond = simp_expr(s, e->kid[0]);
    if (konst(cond, &k)) return simp_expr(s, e->kid[k ? 1 : 2]);
    if (cond->op == OP_NOT) /* select(!c, a, b) -> select(c, b, a) */
        return simp_expr(s, ir_select(s->c, cond->kid[0], e->kid[2], e->kid[1]));
    bool index = about_index(cond);
    const struct expr *a = index ? arm(s, e->kid[1], cond) : simp_expr(s, e->kid[1]);
    const struct expr *b =
        index ? arm(s, e->kid[2], simp_expr(s, ir_un(s->c, OP_NOT, cond))) : simp_expr(s, e->kid[2]);
    if (a->type.dt == DT_BOOL && konst(a, &k) && konst(b, &v) && k != v) {
        const struct expr *r = k ? cond : simp_expr(s, ir_un(s->c, OP_NOT, cond));
        return ir_bcast(s->c, r, e->type.lanes);
    }
    return ir_select(s->c, cond, a, b);
}

/* The axes stay variables; an fma sum stays over a product. */
static const struct expr *reduce(struct simp *s, const struct expr *e)
{
    const struct expr *body = e->kid[0];
    if (e->val.i == RED_FMA) body = ir_mul(s->c, simp_expr(s, body->kid[0]), simp_expr(s, body->kid[1]));
    else body = simp_expr(s, body);
    if (e->val.i == RED_FMA && body->op != OP_MUL) return e;
    return ir_reduce(s->c, (enum combiner)e->val.i, body, e->nkid - 1, e->kid + 1);
}

/* ---- the driver ---- */

/* One rule on a node whose kids are simplified; NULL: none applies. */
static const struct expr *rule(struct simp *s, const struct expr *e)
{
    const struct expr *a = e->nkid > 0 ? e->kid[0] : NULL, *b = e->nkid > 1 ? e->kid[1] : NULL;
    enum op op = e->op;
    int64_t v;
    bool comm = op_info[op].flags & OPF_COMM && e->type.dt != DT_F32;
    if (b && comm && konst(a, &v)) { /* the constructor puts constants right, but not spread ones */
        a = b;
        b = e->kid[0];
    }
    switch (op_info[op].cls) {
    case OPC_CMP: return compare(s, op, a, b);
    case OPC_ALU: break;
    case OPC_LEAF: case OPC_MEM: case OPC_CALL: case OPC_RED: case OPC_VEC: return NULL;
    }
    if (op == OP_CAST) return cast_rules(s, e->type.dt, a);
    if (op == OP_SAT) return sat_rules(s, e->type.dt, a);
    if (op == OP_NOT) return negate(s, a);
    if (op == OP_RINT)
        return a->op == OP_RINT || (a->op == OP_CAST && a->kid[0]->type.dt != DT_F32) ? a : NULL;
    if (op_info[op].arity != 2) return NULL;
    if (e->type.dt == DT_BOOL) {
        if (op == OP_AND || op == OP_OR) return junction(s, op, e);
        return op == OP_XOR && a == b ? ir_int(s->c, e->type, 0) : NULL;
    }
    return e->type.dt == DT_F32 ? f32_rules(op, a, b) : int_rules(s, op, a, b);
}

static const struct expr *simp_node(struct simp *s, const struct expr *e)
{
    const struct expr *kid[QJ_MAX_PHYS + 8], *r;
    bool changed = false;
    if (index_is_sum(e)) return index_sum(s, e);
    if (e->op == OP_SELECT) return select_arms(s, e);
    if (e->op == OP_REDUCE) return reduce(s, e);
    for_kids(e, i) {
        kid[i] = simp_expr(s, e->kid[i]);
        changed |= kid[i] != e->kid[i];
    }
    if (changed) e = ir_with_kids(s->c, e, kid);
    r = rule(s, e);
    return r ? r : e;
}

static struct simp_memo_row *memo_at(struct simp *s, const struct expr *e)
{
    uint32_t at = (e->id * 2654435761u) & (s->cap - 1);
    while (s->row[at].from && s->row[at].from != e) at = (at + 1) & (s->cap - 1);
    return &s->row[at];
}

static void memo_put(struct simp *s, const struct expr *from, const struct expr *to)
{
    if (s->nrow * 2 >= s->cap) {
        struct simp_memo_row *old = s->row;
        uint32_t n = s->cap;
        s->cap *= 2;
        s->row = ARENA_ARRAY(&s->c->arena, struct simp_memo_row, s->cap);
        for (uint32_t i = 0; i < n; i++)
            if (old[i].from) *memo_at(s, old[i].from) = old[i];
    }
    *memo_at(s, from) = (struct simp_memo_row){from, to};
    s->nrow++;
}

const struct expr *simp_expr(struct simp *s, const struct expr *e)
{
    if (!e->nkid) {
        if (e->op != OP_VAR) return e;
        struct range r = var_bounds(e->val.var, s->known.env);
        return r.lo == r.hi ? ir_idx(s->c, r.lo) : e;
    }
    struct simp_memo_row *hit = memo_at(s, e);
    if (hit->from) return hit->to;
    const struct expr *r = simp_node(s, e);
    enum op_class cls = op_info[r->op].cls;
    if (r->nkid && r->type.dt != DT_F32 && (cls == OPC_ALU || cls == OPC_CMP)) {
        struct range at = simp_bounds(s, r);
        if (at.lo == at.hi) r = ir_int(s->c, r->type, at.lo);
        else if (type_eq(r->type, TYPE_BOOL) && s->known.facts) {
            const struct expr *f = from_facts(s, r);
            if (f) r = f;
        }
    }
    memo_put(s, e, r);
    return r;
}

const struct expr *simplify_once(struct ir_ctx *c, const struct expr *e, const struct known *k)
{
    struct simp s;
    if (!e->nkid && e->op != OP_VAR) return e;
    simp_init(&s, c, k, 0);
    return simp_expr(&s, e);
}

const struct expr *ir_simplify(struct ir_ctx *c, const struct expr *e, const struct var_range *env)
{
    struct known k = {env, NULL};
    if (!e) return NULL;
    for (int i = 0; i < MAX_PASSES; i++) {
        const struct expr *r = simplify_once(c, e, &k);
        if (r == e) break;
        e = r;
    }
    return e;
}

/* ---- knowledge ---- */

bool simp_loads(const struct expr *e)
{
    if (e->op == OP_LOAD) return true;
    for_kids(e, i) if (simp_loads(e->kid[i])) return true;
    return false;
}

/* less <= -1 bounds each variable in it, given the least the other terms can be. */
static void narrow(struct ir_ctx *c, struct known *k, const struct linear *less)
{
    struct bounds_cache cache; /* kept while the environment narrows: what it holds stays true */
    for (int i = 0; i < BOUNDS_ROWS; i++) cache.row[i].e = NULL;
    for (int i = 0; i < less->n; i++) {
        struct term t = less->t[i];
        struct linear rest = *less;
        int64_t room;
        if (t.e->op != OP_VAR || t.c == INT64_MIN || !lin_add_atom(&rest, -t.c, t.e)) continue;
        int64_t least = lin_bounds(&rest, k->env, &cache).lo;
        if (least == INT64_MIN || !ck_sub(-1, least, &room)) continue;
        struct range was = var_bounds(t.e->val.var, k->env), now = was;
        if (t.c > 0) now.hi = i64_min(was.hi, floor_div(room, t.c));
        else now.lo = i64_max(was.lo, ceil_div(-i64_max(room, -INT64_MAX), -t.c));
        if (now.lo > now.hi || (now.lo == was.lo && now.hi == was.hi)) continue;
        struct var_range *row = ARENA_NEW(&c->arena, struct var_range);
        *row = (struct var_range){t.e->val.var, now, k->env};
        k->env = row;
    }
}

void known_add(struct ir_ctx *c, struct known *k, const struct expr *cond)
{
    if (cond->op == OP_AND) {
        known_add(c, k, cond->kid[0]);
        known_add(c, k, cond->kid[1]);
        return;
    }
    struct linear less;
    bool is_less = index_less(cond, &less);
    if (is_less) narrow(c, k, &less);
    if (!simp_loads(cond)) { /* what was loaded may be stored to: only what it says about variables lasts */
        struct fact *f = ARENA_NEW(&c->arena, struct fact);
        f->cond = cond;
        f->is_less = is_less;
        if (is_less) f->less = less;
        f->next = k->facts;
        k->facts = f;
    }
    if (cond->op != OP_EQ || !type_eq(cond->kid[0]->type, TYPE_I64)) return;
    for (int sign = -1; sign <= 1; sign += 2) { /* a == b: a - b - 1 <= -1 and b - a - 1 <= -1 */
        struct linear l = {.k = -1};
        if (lin_add(&l, sign, cond->kid[0]) && lin_add(&l, -sign, cond->kid[1])) narrow(c, k, &l);
    }
}
