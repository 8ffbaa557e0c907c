/* SPDX-License-Identifier: Apache-2.0 */
/* nest.c - the loops of one stage:
 *
 *     outer data loops { init over the inner data loops; reduce loops { inner data loops { update } }; combine }
 *
 * The init comes right before the outermost reduce loop. Producers computed at a loop come first in its body;
 * a guard stands right inside the innermost loop it uses. From a tensorized loop inward stands the instruction. */
#include "ir/print.h"
#include "ir/simplify.h"
#include "schedule/lower_impl.h"

static int first_reduce(const struct lstage *x)
{
    for (int i = 0; i < x->g->nleaf; i++)
        if (x->g->iter[x->g->leaf[i]].reduce) return i;
    return x->g->nleaf;
}

static int tensor_pos(const struct lstage *x)
{
    return x->g->tensorize_iter >= 0 ? state_leaf_pos(x->g, x->g->tensorize_iter) : x->g->nleaf + 1;
}

static const struct stmt *loop(struct lower *w, const struct lstage *x, int it, const struct var *v,
                               enum loop_kind how, const struct stmt *body)
{
    if (!v) return body; /* extent 1 */
    const struct stmt *s = ir_for(w->c, v, how, body);
    if (s) ((struct stmt *)s)->u.loop.peel = x->peel[it]; /* just made, not shared */
    return s;
}

const struct stmt *lower_loop(struct lower *w, int i, int it, const struct stmt *body)
{
    const struct lstage *x = &w->stage[i];
    return body ? loop(w, x, it, x->loop[it], x->g->iter[it].how, body) : NULL;
}

struct loads { struct lower *w; };
static const struct expr *load_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    struct loads *l = u;
    return e->op == OP_READ ? lower_load(l->w, e->val.tensor, e->kid) : NULL;
}

static const struct expr *to_loads(struct lower *w, const struct expr *e)
{
    struct loads l = {w};
    return ir_rewrite(w->c, e, load_rule, &l);
}

static const struct stmt *store(struct lower *w, const struct lstage *x, const struct expr *const *at,
                                const struct expr *value)
{
    const struct expr *phys[QJ_MAX_PHYS];
    int n = lower_index(w, x, at, phys);
    return ir_store(w->c, x->buf, n, phys, value, NULL);
}

static const struct stmt *update(struct lower *w, const struct lstage *x)
{
    const struct expr *red = stage_reduce(x->g);
    if (!red) return store(w, x, x->at, to_loads(w, x->value));
    const struct expr *phys[QJ_MAX_PHYS];
    int n = lower_index(w, x, x->at, phys);
    const struct expr *acc = ir_load(w->c, x->buf, n, phys);
    return store(w, x, x->at, ir_combine(w->c, (enum combiner)red->val.i, acc, to_loads(w, x->value)));
}

/* Which data loop of the tensorized region runs along memory, to initialise by vector stores; -1: none. */
static int contiguous_leaf(struct lower *w, const struct lstage *x)
{
    const struct expr *phys[QJ_MAX_PHYS], *base;
    int n = lower_index(w, x, x->at, phys);
    for (int i = tensor_pos(x); i < x->g->nleaf; i++) {
        const struct var *v = x->loop[x->g->leaf[i]];
        int64_t coef;
        if (v && v->extent <= MAX_LANES && !x->g->iter[x->g->leaf[i]].reduce && ir_affine(w->c, phys[n - 1], 1, &v, &coef, &base) &&
            coef == 1)
            return i;
    }
    return -1;
}

const struct stmt *lower_init_guards(struct lower *w, const struct lstage *x, int i, const struct stmt *s, int n,
                                     const struct var *const *old, const struct expr *const *with)
{
    for (int k = 0; k < x->nguard; k++) {
        if (x->guard[k].pos != i || x->guard[k].term) continue;
        bool data_only = true;
        for (int r = 0; r < x->g->nleaf; r++) {
            int it = x->g->leaf[r];
            if (x->g->iter[it].reduce && x->loop[it] && ir_uses(x->guard[k].cond, x->loop[it])) data_only = false;
        }
        if (data_only) s = ir_if(w->c, ir_subst(w->c, x->guard[k].cond, n, old, with), s);
    }
    return s;
}

static const struct stmt *init(struct lower *w, const struct lstage *x, int from)
{
    struct ir_ctx *c = w->c;
    const struct stage *g = x->g;
    const struct var *old[MAX_ITERS], *fresh[MAX_ITERS] = {0};
    const struct expr *with[MAX_ITERS], *at[MAX_ROOTS];
    bool inside[MAX_ITERS] = {false};
    int n = 0, along = contiguous_leaf(w, x);
    bool one = false; /* inside what an instruction writes at once: its elements have constant places */
    for (int i = from; i < g->nleaf; i++) {
        const struct var *v = x->loop[g->leaf[i]];
        inside[i] = one |= g->leaf[i] == g->tensorize_iter;
        if (!v || g->iter[g->leaf[i]].reduce) continue;
        fresh[i] = ir_var(c, v->name, v->extent);
        old[n] = v;
        with[n++] = ir_var_expr(c, fresh[i]);
    }
    for (int i = 0; i < g->nroot_data; i++) at[i] = ir_subst(c, x->at[i], n, old, with);
    const struct stmt *s = store(w, x, at, ir_identity(c, (enum combiner)g->body->val.i, g->tensor->dt));
    for (int i = g->nleaf - 1; i >= from; i--) {
        int it = g->leaf[i];
        s = lower_init_guards(w, x, i, s, n, old, with);
        enum loop_kind how = i == along ? LOOP_VECTORIZED : inside[i] ? LOOP_UNROLLED : g->iter[it].how;
        if (fresh[i]) s = loop(w, x, it, fresh[i], how, s);
    }
    return s;
}

/* ---- instructions ---- */

struct region lower_region_at(struct lower *w, const struct lstage *x, int pos)
{
    struct ir_ctx *c = w->c;
    const struct stage *g = x->g;
    const struct expr *red = stage_reduce(g), *phys[QJ_MAX_PHYS];
    const struct var **var = ARENA_ARRAY(&c->arena, const struct var *, MAX_ITERS);
    bool *reduce = ARENA_ARRAY(&c->arena, bool, MAX_ITERS);
    struct region r = {.var = var, .reduce = reduce, .reduction = red != NULL};
    for (int i = pos; i < g->nleaf; i++) {
        if (!x->loop[g->leaf[i]]) continue;
        var[r.nvar] = x->loop[g->leaf[i]];
        reduce[r.nvar++] = g->iter[g->leaf[i]].reduce;
    }
    if (red) r.combiner = (enum combiner)red->val.i;
    lower_threads(w, x, &r);
    r.source = x->value;
    r.value = ir_simplify(c, to_loads(w, x->value), NULL);
    int n = lower_index(w, x, x->at, phys);
    r.target = ir_load(c, x->buf, n, phys);
    return r;
}

static bool no_match(struct lower *w, const struct lstage *x, const struct region *r, const char *why)
{
    struct ir_ctx *c = w->c;
    const struct stage *g = x->g;
    lower_fail(w, ERR_TENSORIZE, "%s does not fit at %s.%s: %s", g->intrin->row->name, g->tensor->name,
               g->iter[g->tensorize_iter].name, why);
    struct str fits = str_on(&c->arena);
    for (int i = 0; i < w->target->nintrin; i++) {
        const struct expr *arg[MEANING_MAX_ARGS];
        const char *no;
        if (tensorize_match(c, &w->target->intrin[i], r, arg, &no))
            str_printf(&fits, " %s", w->target->intrin[i].row->name);
    }
    if (fits.n) err_hint(&c->err, "these fit here:%s", str_text(&fits));
    return false;
}

/* The condition that no lane of the region is beyond a guard, or NULL with an error. */
static const struct expr *all_lanes(struct lower *w, const struct lstage *x, const struct region *r, const struct guard *k)
{
    struct ir_ctx *c = w->c;
    int64_t coef[MAX_ITERS];
    const struct expr *lhs = k->cond->kid[0], *base, *last[MAX_ITERS];
    bool monotone = (k->cond->op == OP_LT || k->cond->op == OP_LE) &&
                    ir_affine(c, ir_sub(c, k->cond->kid[1], lhs), r->nvar, r->var, coef, &base);
    for (int i = 0; monotone && i < r->nvar; i++) last[i] = ir_idx(c, coef[i] > 0 ? 0 : r->var[i]->extent - 1);
    if (monotone) return ir_simplify(c, ir_subst(c, k->cond, r->nvar, r->var, last), NULL);
    lower_fail(w, ERR_TENSORIZE, "the guard `%s` inside the region of %s cannot be peeled", expr_text(&c->arena, k->cond),
               x->g->tensor->name);
    return NULL;
}

static bool uses_any(const struct expr *e, const struct region *r)
{
    for (int i = 0; i < r->nvar; i++)
        if (ir_uses(e, r->var[i])) return true;
    return false;
}

static const struct stmt *nest(struct lower *w, int i, int pos, bool scalar);

static const struct stmt *instruction(struct lower *w, int i, int pos)
{
    struct ir_ctx *c = w->c;
    const struct lstage *x = &w->stage[i];
    const struct stage *g = x->g;
    struct region r = lower_region_at(w, x, pos);
    const struct expr *arg[MEANING_MAX_ARGS], *full = ir_bool(c, true), *run = ir_bool(c, true);
    const char *why;
    if (!tensorize_match(c, g->intrin, &r, arg, &why)) return no_match(w, x, &r, why), NULL;
    for (int k = 0; k < x->nguard; k++) {
        if (x->guard[k].pos < pos) continue;
        if (x->guard[k].term && !uses_any(x->guard[k].cond, &r)) {
            run = ir_and(c, run, to_loads(w, x->guard[k].cond));
            continue;
        }
        if (g->tensorize_tail != TAIL_PEEL) {
            lower_fail(w, ERR_TENSORIZE, "the loops of %s.%s do not divide evenly: the region is guarded by `%s`",
                       g->tensor->name, g->iter[g->tensorize_iter].name, expr_text(&c->arena, x->guard[k].cond));
            err_hint(&c->err, "tail=peel runs the rest as plain loops, tail=pad computes it on zeros");
            return NULL;
        }
        const struct expr *lanes = all_lanes(w, x, &r, &x->guard[k]);
        if (!lanes) return NULL;
        full = ir_and(c, full, lanes);
    }
    const struct stmt *fast = ir_intrin(c, g->intrin->meaning, arg);
    if (!ir_is_int(run, 1)) fast = ir_if(c, run, fast);
    if (ir_is_int(full, 1)) return fast;
    const struct stmt *slow = nest(w, i, pos, true);
    const struct stmt *both[2] = {ir_if(c, full, fast), ir_if(c, ir_un(c, OP_NOT, full), slow)};
    return slow ? ir_seq(c, 2, both) : NULL;
}

/* ---- the nest ---- */

/* Stages computed at this loop, before `rest`. */
static const struct stmt *producers(struct lower *w, int i, int it, const struct stmt *rest)
{
    for (int p = w->st->nstage - 1; p >= 0; p--) {
        const struct lstage *x = &w->stage[p];
        if (x->place == PLACE_NONE || x->g->attach != ATTACH_AT || x->g->at_stage != i || x->g->at_iter != it) continue;
        if (lower_is_ahead(w, p, i, it)) continue; /* pipeline.c */
        const struct stmt *two[2] = {lower_nest(w, p), rest};
        if (!two[0] || !rest) return NULL;
        rest = ir_alloc(w->c, x->buf, ir_seq(w->c, 2, two));
    }
    return rest;
}

static bool few_lanes(struct lower *w, const struct stage *g, const struct var *v)
{
    if (!v || v->extent <= MAX_LANES) return true;
    err_set(&w->c->err, ERR_ILLEGAL_STEP, (struct span){0}, "loop %s of %s is vectorized over %lld lanes, more than %d", v->name,
            g->tensor->name, (long long)v->extent, MAX_LANES);
    err_hint(&w->c->err, "split %s.%s by 16 (or another number of lanes) and vectorize the inner part", g->tensor->name, v->name);
    return false;
}

const struct stmt *lower_guarded(struct lower *w, int i, int pos, const struct stmt *s)
{
    const struct lstage *x = &w->stage[i];
    for (int k = 0; k < x->nguard; k++)
        if (x->guard[k].pos == pos && !x->guard[k].inner) s = ir_if(w->c, to_loads(w, x->guard[k].cond), s);
    return s;
}

/* Leaves pos and inward. scalar: plain loops even where the stage is tensorized. */
static const struct stmt *nest(struct lower *w, int i, int pos, bool scalar)
{
    const struct lstage *x = &w->stage[i];
    const struct stage *g = x->g;
    const struct stmt *s;
    if (pos == tensor_pos(x) && !scalar) {
        s = instruction(w, i, pos);
    } else if (pos == g->nleaf) {
        s = update(w, x);
    } else {
        int it = g->leaf[pos];
        s = nest(w, i, pos + 1, scalar);
        for (int k = 0; k < x->nguard; k++)
            if (x->guard[k].pos == pos && x->guard[k].inner) s = ir_if(w->c, to_loads(w, x->guard[k].cond), s);
        s = producers(w, i, it, s);
        s = lower_guarded(w, i, pos, s);
        if (s && g->iter[it].how == LOOP_VECTORIZED && !few_lanes(w, g, x->loop[it])) return NULL;
        bool ahead = false;
        for (int p = 0; p < i; p++) ahead |= lower_is_ahead(w, p, i, it);
        s = s && ahead ? lower_pipeline(w, i, pos, s) : lower_loop(w, i, it, s);
    }
    bool starts = stage_reduce(g) && !(scalar && pos > tensor_pos(x)) &&
                  pos == (first_reduce(x) < tensor_pos(x) ? first_reduce(x) : tensor_pos(x));
    if (!s || !starts || (scalar && pos == tensor_pos(x))) return s;
    const struct stmt *three[3] = {init(w, x, pos), s, lower_combine(w, i, pos)};
    return ir_seq(w->c, 3, three);
}

const struct stmt *lower_nest(struct lower *w, int i)
{
    const struct lstage *x = &w->stage[i];
    const struct stmt *s = nest(w, i, 0, false);
    for (int k = 0; k < x->nguard; k++)
        if (x->guard[k].pos < 0) s = ir_if(w->c, to_loads(w, x->guard[k].cond), s);
    return s;
}
