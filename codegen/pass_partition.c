/* SPDX-License-Identifier: Apache-2.0 */
/* pass_partition.c - a loop marked `peel` is cut where guards and selects inside it change their mind.
 *
 *     for o in 0..4 peel {                       for o in 0..3 { for i in 0..16 { S } }
 *       for i in 0..16 {                  ->     for i in 0..2 { S with o = 3 }
 *         if (o*16 + i < 50) S
 *
 * Each comparison in an `if`, or of a select as between elements and padding, that is affine in the loop's
 * variable is true for all values of the other variables up to (or from) some iteration and false from (or up to)
 * another: the loop is cut there. The parts run in the old order, so f32 sums keep theirs. pass_simplify then drops
 * guards and trims loops. */
#include "codegen/passes.h"
#include "ir/simplify.h"

enum { MAX_CUTS = 8 };

struct cuts {
    struct ir_ctx *c;
    const struct var *v;
    int n;
    int64_t at[MAX_CUTS];       /* ascending, inside (0, extent) */
    bool too_many;
};

static void add_cut(struct cuts *k, int64_t at)
{
    int i = 0;
    if (at <= 0 || at >= k->v->extent) return;
    while (i < k->n && k->at[i] < at) i++;
    if (i < k->n && k->at[i] == at) return;
    if (k->n == MAX_CUTS) {
        k->too_many = true;
        return;
    }
    memmove(&k->at[i + 1], &k->at[i], (size_t)(k->n - i) * sizeof k->at[0]);
    k->at[i] = at;
    k->n++;
}

/* a < b is room >= 0 with room = b - a - 1 = coef * v + rest. */
static bool cut_at(const struct expr *e, void *u)
{
    struct cuts *k = u;
    if (e->op == OP_AND || e->op == OP_OR || e->op == OP_NOT) return true;
    if ((e->op != OP_LT && e->op != OP_LE) || !type_eq(e->kid[0]->type, TYPE_I64) || !ir_uses(e, k->v))
        return false;
    const struct expr *room = ir_sub(k->c, e->kid[1], e->kid[0]), *rest;
    if (e->op == OP_LT) room = ir_sub(k->c, room, ir_idx(k->c, 1));
    int64_t coef;
    if (!ir_affine(k->c, ir_simplify(k->c, room, NULL), 1, &k->v, &coef, &rest) || coef == 0) return false;
    struct range r = ir_bounds(rest, NULL);
    const int64_t far = INT64_C(1) << 60;
    if (r.lo < -far || r.hi > far || coef < -far || coef > far) return false;
    if (coef < 0) { /* true while rest.lo >= -coef * v, false once rest.hi < -coef * v */
        add_cut(k, floor_div(r.lo, -coef) + 1);
        add_cut(k, floor_div(r.hi, -coef) + 1);
    } else {        /* false while coef * v < -rest.hi, true once coef * v >= -rest.lo */
        add_cut(k, ceil_div(-r.hi, coef));
        add_cut(k, ceil_div(-r.lo, coef));
    }
    return false;
}

static bool cut_select(const struct expr *e, void *u)
{
    if (e->op == OP_SELECT) ir_walk(e->kid[0], cut_at, u);
    return true;
}

static bool cut_stmt(const struct stmt *s, void *u)
{
    if (s->kind == STMT_IF) ir_walk(s->u.cond.cond, cut_at, u);
    if (s->kind == STMT_STORE) ir_walk(s->u.store.value, cut_select, u);
    return true;
}

static const struct stmt *part(struct ir_ctx *c, const struct stmt *s, int64_t from, int64_t to)
{
    const struct var *v = s->u.loop.var, *w = ir_var(c, v->name, to - from);
    const struct expr *at = ir_add(c, ir_var_expr(c, w), ir_idx(c, from));
    return ir_for(c, w, s->u.loop.how, ir_subst_stmt(c, s->u.loop.body, 1, &v, &at));
}

static const struct stmt *cut_loop(struct ir_ctx *c, const struct stmt *s, void *u)
{
    if (s->kind != STMT_FOR || !s->u.loop.peel) return NULL;
    struct cuts k = {.c = c, .v = s->u.loop.var};
    struct stmt *whole = arena_copy(&c->arena, s, sizeof *s);
    whole->u.loop.peel = false;
    if (s->u.loop.how >= LOOP_BLOCK_X) return whole; /* an iteration is a thread's number */
    ir_walk_stmt(s->u.loop.body, cut_stmt, &k);
    if (!k.n || k.too_many) return whole; /* right as it is: the guards stay */
    const struct stmt *parts[MAX_CUTS + 1];
    int64_t from = 0, longest = 0;
    int main_part = 0;
    for (int i = 0; i <= k.n; i++) {
        int64_t to = i < k.n ? k.at[i] : k.v->extent;
        parts[i] = part(c, s, from, to);
        if (to - from > longest) {
            longest = to - from;
            main_part = i;
        }
        from = to;
    }
    ((struct stmt *)parts[main_part])->uid = s->uid; /* just made, not shared */
    return ir_seq(c, k.n + 1, parts);
}

const struct func *pass_partition(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    return func_with_body(c, f, ir_rewrite_stmt(c, f->body, cut_loop, NULL, NULL));
}

/* ---- simplify ---- */

/* `vectorized v in 0..16 { if (v < 2) S }` has two lanes. ir_simplify_stmt leaves lanes alone; a constant
 * bound here is a peeled tail, where fewer lanes beat a mask. */
static const struct stmt *trim_lanes(struct ir_ctx *c, const struct stmt *s, void *u)
{
    if (s->kind != STMT_FOR || s->u.loop.how != LOOP_VECTORIZED || s->u.loop.body->kind != STMT_IF)
        return NULL;
    const struct var *v = s->u.loop.var;
    const struct expr *cond = s->u.loop.body->u.cond.cond;
    if (cond->op != OP_LT || cond->kid[0]->op != OP_VAR || cond->kid[0]->val.var != v ||
        cond->kid[1]->op != OP_INT)
        return NULL;
    int64_t n = cond->kid[1]->val.i;
    if (n < 1 || n >= v->extent) return NULL;
    const struct stmt *body = s->u.loop.body->u.cond.then;
    const struct var *w = ir_var(c, v->name, n);
    const struct expr *at = n == 1 ? ir_idx(c, 0) : ir_var_expr(c, w);
    body = ir_subst_stmt(c, body, 1, &v, &at);
    if (n == 1) return body;
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    now->u.loop.var = w;
    now->u.loop.body = body;
    return now;
}

const struct func *pass_simplify(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    const struct stmt *s = ir_simplify_stmt(c, f->body, NULL);
    const struct stmt *trimmed = ir_rewrite_stmt(c, s, trim_lanes, NULL, NULL);
    return func_with_body(c, f, trimmed == s ? s : ir_simplify_stmt(c, trimmed, NULL));
}
