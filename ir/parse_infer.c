/* SPDX-License-Identifier: Apache-2.0 */
/* parse_infer.c - what a definition leaves unsaid: extents of axes, that indices stay inside, the range
 * of the values.
 *
 * An index that is affine in the axes bounds each of them: in dim > a*y + rest >= 0 the one unknown
 * axis takes the greatest extent that stays inside. Three rounds, each to its end, so that the plainer
 * statement wins: indices that are an axis alone, other affine ones, those in the arms of a select
 * (which guards them, so they may speak of more or of less than is read). Inferences of one round that
 * differ are an error; what a later round would say is only checked to stay inside. */
#include "ir/parse_impl.h"
#include "ir/simplify.h"

struct eq {
    bool affine, alone;
    int64_t base;
    int64_t coef[PARSE_MAX_AXES];
};

static void read_eq(struct parser *p, const struct read_use *use, int n, const struct var *const *var, struct eq *q)
{
    const struct expr *base = NULL;
    *q = (struct eq){0};
    q->affine = ir_affine(p->c, use->e, n, var, q->coef, &base) && base && base->op == OP_INT;
    if (q->affine) q->base = base->val.i;
    q->alone = use->e->op == OP_VAR;
}

static const char *dim_text(struct parser *p, const struct read_use *use)
{
    return arena_printf(&p->c->arena, "dimension %s of %s (%lld)", use->tensor->dim_name[use->dim], use->tensor->name,
                        (long long)use->tensor->shape[use->dim]);
}

/* The one unknown axis of q and the extent it gets; -1 when there is none, several, or no answer. */
static int solve(const struct eq *q, int n, const struct axis *ax, int64_t dim, int64_t *extent)
{
    int unknown = -1;
    int64_t lo = q->base, hi = q->base;
    for (int i = 0; i < n; i++) {
        int64_t reach;
        if (!q->coef[i]) continue;
        if (!ax[i].known) {
            if (unknown >= 0) return -1;
            unknown = i;
            continue;
        }
        if (!ck_mul(q->coef[i], ax[i].var->extent - 1, &reach)) return -1;
        if (!ck_add(reach > 0 ? hi : lo, reach, reach > 0 ? &hi : &lo)) return -1;
    }
    if (unknown < 0 || !ck_sub(dim - 1, hi, &hi)) return -1;
    int64_t a = q->coef[unknown];
    if (a == INT64_MIN || (a > 0 ? hi : lo) < 0) return -1;
    *extent = (a > 0 ? hi / a : lo / -a) + 1;
    return unknown;
}

enum round { ALONE, AFFINE, LAZY, ROUNDS };

static bool in_round(enum round r, const struct read_use *use, const struct eq *q)
{
    if (!q->affine || (use->guard != NULL) != (r == LAZY)) return false;
    return r == LAZY || q->alone == (r == ALONE);
}

/* One sweep; *news when an axis became known. */
static bool sweep(struct parser *p, enum round r, const struct eq *q, int n, struct axis *ax, bool *news)
{
    int64_t found[PARSE_MAX_AXES] = {0};
    for (size_t i = 0; i < p->reads.n; i++) {
        const struct read_use *use = &p->reads.at[i];
        int64_t extent;
        if (!in_round(r, use, &q[i])) continue;
        int k = solve(&q[i], n, ax, use->tensor->shape[use->dim], &extent);
        if (k < 0) continue;
        if (found[k] && found[k] != extent) {
            err_set(&p->c->err, ERR_SHAPE, use->at, "axis %s gets extent %lld from %s and %lld from %s",
                    ax[k].var->name, (long long)found[k], ax[k].why, (long long)extent, dim_text(p, use));
            err_hint(&p->c->err, "give the extent: %s:%lld", ax[k].var->name, (long long)i64_min(found[k], extent));
            return false;
        }
        if (!found[k]) ax[k].why = dim_text(p, use);
        found[k] = extent;
    }
    for (int k = 0; k < n; k++) {
        if (!found[k]) continue;
        ax[k].known = *news = true;
        ax[k].var->extent = found[k];
    }
    return true;
}

bool infer_extents(struct parser *p, int n, struct axis *ax)
{
    const struct var *var[PARSE_MAX_AXES];
    struct eq *q = ARENA_ARRAY(&p->c->arena, struct eq, p->reads.n ? p->reads.n : 1);
    for (int i = 0; i < n; i++) var[i] = ax[i].var;
    for (size_t i = 0; i < p->reads.n; i++) read_eq(p, &p->reads.at[i], n, var, &q[i]);
    for (enum round r = ALONE; r < ROUNDS; r++)
        for (bool news = true; news;) {
            news = false;
            if (!sweep(p, r, q, n, ax, &news)) return false;
        }
    for (int k = 0; k < n; k++) {
        if (ax[k].known) continue;
        err_set(&p->c->err, ERR_SHAPE, ax[k].at, "the extent of axis %s cannot be inferred", ax[k].var->name);
        err_hint(&p->c->err, "give it, e.g. %s:16; it is inferred where %s or a*%s + b indexes a dimension",
                 ax[k].var->name, ax[k].var->name, ax[k].var->name);
        return false;
    }
    return true;
}

/* !cond with the negation at the comparisons, where the prover reads it. */
static const struct expr *negated(struct ir_ctx *c, const struct expr *e)
{
    bool ints = e->nkid == 2 && e->kid[0]->type.dt != DT_F32; /* nan: !(a < b) is not b <= a */
    if (e->op == OP_OR) return ir_and(c, negated(c, e->kid[0]), negated(c, e->kid[1]));
    if (e->op == OP_AND) return ir_or(c, negated(c, e->kid[0]), negated(c, e->kid[1]));
    if (e->op == OP_LT && ints) return ir_le(c, e->kid[1], e->kid[0]);
    if (e->op == OP_LE && ints) return ir_lt(c, e->kid[1], e->kid[0]);
    return ir_un(c, OP_NOT, e);
}

/* 0 <= e < dim wherever the index is evaluated. Nothing unproved is let through: what is accepted here is
 * compiled to code that checks no index. */
static bool stays_inside(struct parser *p, const struct read_use *use, struct range r)
{
    struct ir_ctx *c = p->c;
    int64_t dim = use->tensor->shape[use->dim];
    if (r.lo >= 0 && r.hi < dim) return true;
    const struct expr *ok = ir_and(c, ir_le(c, ir_idx(c, 0), use->e), ir_lt(c, use->e, ir_idx(c, dim)));
    for (const struct guard *g = use->guard; g; g = g->up)
        ok = ir_select(c, g->holds ? g->cond : negated(c, g->cond), ok, ir_bool(c, true));
    return use->guard && ir_prove(c, ok, NULL);
}

bool infer_check_reads(struct parser *p)
{
    for (size_t i = 0; i < p->reads.n; i++) {
        const struct read_use *use = &p->reads.at[i];
        long long last = use->tensor->shape[use->dim] - 1;
        struct range r = ir_bounds(use->e, NULL);
        if (stays_inside(p, use, r)) continue;
        err_set(&p->c->err, ERR_SHAPE, use->at, "index %s runs over %lld..%lld, dimension %s of %s over 0..%lld%s",
                span_text(p, use->at), (long long)r.lo, (long long)r.hi, use->tensor->dim_name[use->dim],
                use->tensor->name, last, use->guard ? ", and the select does not prove it inside" : "");
        if (use->guard)
            err_hint(&p->c->err, "write clamp(%s, 0, %lld), which changes nothing where the select does keep it inside",
                     span_text(p, use->at), last);
        else
            err_hint(&p->c->err, "give an axis a smaller extent, pad %s first, or read it in an arm of select",
                     use->tensor->name);
        return false;
    }
    return true;
}

struct range infer_range(const struct expr *body)
{
    enum dtype dt = body->type.dt;
    if (dt == DT_F32) return dtype_range(dt);
    if (body->op != OP_REDUCE) return ir_bounds(body, NULL);
    struct range r = ir_bounds(body->kid[0], NULL);
    if (body->val.i != RED_SUM) return r;
    int64_t terms = 1;
    for (int i = 1; i < body->nkid; i++)
        if (!ck_mul(terms, body->kid[i]->val.var->extent, &terms)) return dtype_range(dt);
    if (!ck_mul(r.lo, terms, &r.lo) || !ck_mul(r.hi, terms, &r.hi)) return dtype_range(dt);
    return r.lo < dtype_info[dt].lo || r.hi > dtype_info[dt].hi ? dtype_range(dt) : r;
}
