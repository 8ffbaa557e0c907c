/* SPDX-License-Identifier: Apache-2.0 */
/* prim_cap.c - cap: splits weights in two, so that most of a sum of products may be added up in 16 bits, whatever the
 * weights are. prims.def has what it does, README.md when it pays.
 *
 *     Acc[m, n] = sum(k) i32(A[m, k]) * i32(W[n, k])                     A in 0..amax
 *
 * A chain is the products that vpmaddubsw and vpaddw add in one 16-bit lane: of G groups of four k the first two of
 * each, or the last two. It fits when the positive weights in it sum to at most 32767 / amax and the negative ones
 * to at least -32768 / amax. The weights are known when they are packed, so it is made so then:
 *
 *     W_sums[n, k]          sums of the positive and (times 65536) the negative weights of the chain, up to and with k
 *     W_try[n, k]           the weight, but what goes beyond the bound is cut off: the differences of min(sum, bound),
 *                           whose sum is at most the bound
 *     W_over[b, q, g]       does group g of run q have anything cut off in block b of outputs? W_overs[b]: in how many groups
 *     W_fast, W_rest[n, k]  W_try and W - W_try; or 0 and W in blocks where that is more than MOST percent of the groups
 *     W_seen[b, q, g]       how many groups of run q have anything in W_rest, up to and with g
 *     W_list[b, q, i]       the i-th of them
 *     Acc_fast[m, n] = sum(k) A[m, k] * W_fast[n, k]                          for the chains there are: all or none
 *     Acc_rest[m, n] = sum(q, i, j) A[m, at + j] * W_rest[n, at + j], at = 4 * (group list[b, q, i] of run q), i < seen[b, q, last]
 *     Acc[m, n] = Acc_fast[m, n] + Acc_rest[m, n]
 *
 * Runs keep the making of lists linear in k.
 *
 * All of W_* are ordinary stages that depend on weights alone, so they are packed ahead. That the chains of W_fast
 * fit follows from how it is made: its tensor says so (struct chain), and tensorize reads that where ranges of
 * single elements prove nothing. */
#include "ir/simplify.h"
#include "schedule/state.h"

enum { T_SUMS, T_TRY, T_OVER, T_OVERS, T_FAST, T_REST, T_SEEN, T_LIST, T_N };
static const char *const suffix[T_N] = {"sums", "try", "over", "overs", "fast", "rest", "seen", "list"};
enum { GROUP = 4, RUN_MAX = 256, HIGH = 16 };
/* What a tensor's axes count: elements; blocks, runs and (one more, the last) groups in a run; or blocks alone. */
enum grain { BY_ELEMENT, BY_GROUP, BY_BLOCK };

struct cap {
    struct applying *a;
    struct ir_ctx *c;
    struct stage *g;
    int k, n;                       /* roots of g: summed, and the outputs that make blocks */
    int64_t run, block, most;       /* elements of k a chain is made of, both lanes; outputs in a block; percent */
    int64_t ks, ns, groups;         /* extents; groups in a run */
    struct chain bound;
    const struct expr *other, *w;   /* the factors: other, and a READ of the weights */
    int dk, dn;                     /* the dimensions of the weights that k and n index */
    struct tensor *t[T_N];
};

static const struct expr *i32(struct cap *p, int64_t v) { return ir_int(p->c, type_of(DT_I32), v); }
static const struct expr *idx(struct cap *p, int64_t v) { return ir_idx(p->c, v); }
static const struct expr *wide(struct cap *p, const struct expr *e) { return ir_cast(p->c, DT_I32, e); }

/* ---- what is it? ---- */

static bool refuse(struct cap *p, const char *fmt, ...) QJ_PRINTF(2, 3);
static bool refuse(struct cap *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *msg = arena_vprintf(&p->c->arena, fmt, ap);
    va_end(ap);
    fail_step(p->a, ERR_ILLEGAL_STEP, NULL, "%s", msg);
    err_hint(&p->c->err, "it takes sum(.., k) i32(A[.., k]) * i32(W[n, .., k]) with A >= 0, W of i8, and extents of k and n that "
                         "divide; `offset` makes A positive, `pad` rounds up");
    return false;
}

static bool recognise(struct cap *p)
{
    const struct stage *g = p->g;
    const struct expr *red = stage_reduce(g);
    const char *name = g->tensor->name;
    if (!red || red->val.i != RED_SUM || red->type.dt != DT_I32 || red->kid[0]->op != OP_MUL)
        return refuse(p, "%s is not a sum of products in i32", name);
    if (stage_scheduled(g) || g->attach != ATTACH_ROOT) return refuse(p, "%s already has loop steps", name);
    const struct var *vk = g->root_var[p->k], *vn = g->root_var[p->n];
    const struct expr *const *f = red->kid[0]->kid;
    int mine = ir_uses(f[1], vn);
    if (ir_uses(f[!mine], vn) || !ir_uses(f[mine], vn))
        return refuse(p, "%s must index one factor of %s's product", vn->name, name);
    p->other = f[!mine];
    p->w = exact_read(f[mine]);
    if (!p->w || p->w->nkid == QJ_MAX_RANK || p->w->type.dt != DT_I8 || f[mine]->type.dt != DT_I32)
        return refuse(p, "the factor that %s indexes is no element of an i8 tensor", vn->name);
    p->dk = p->dn = -1;
    for_kids(p->w, d) {
        const struct expr *at = p->w->kid[d];
        if (at->op != OP_VAR) return refuse(p, "a dimension of %s is not indexed by one axis alone", p->w->val.tensor->name);
        if (at->val.var == vk) p->dk = d;
        if (at->val.var == vn) p->dn = d;
    }
    if (p->dk < 0) return refuse(p, "%s does not index %s", vk->name, p->w->val.tensor->name);
    p->ks = g->root_extent[p->k];
    p->ns = g->root_extent[p->n];
    for (p->groups = i64_min(RUN_MAX, p->ks / GROUP); p->groups > 1 && p->ks % (p->groups * GROUP);) p->groups--;
    if (p->ks % p->run || p->ns % p->block)
        return refuse(p, "%s 0..%lld is not cut into %lld, or %s 0..%lld not into %lld", vk->name, (long long)p->ks,
                      (long long)p->run, vn->name, (long long)p->ns, (long long)p->block);
    struct range r = ir_bounds(p->other, NULL);
    if (r.lo < 0 || r.hi > UINT8_MAX)
        return refuse(p, "the factor beside %s is in %lld..%lld, not in 0..255", p->w->val.tensor->name, (long long)r.lo,
                      (long long)r.hi);
    int64_t amax = i64_max(r.hi, 1);
    p->bound = (struct chain){p->dk, p->run, INT16_MAX / amax, -(int64_t)INT16_MIN / amax};
    return true;
}

/* ---- tensors about the weights ---- */

static bool make(struct cap *p, int which, enum dtype dt, enum grain grain, struct range range)
{
    const struct tensor *w = p->w->val.tensor;
    int64_t shape[QJ_MAX_RANK + 1];
    for_kids(p->w, d) {
        shape[d] = 0;
        for (int i = 0; i < p->g->nroot; i++)
            if (p->g->root_var[i] == p->w->kid[d]->val.var) shape[d] = p->g->root_extent[i];
        if (d == p->dn && grain != BY_ELEMENT) shape[d] /= p->block;
        if (d == p->dk && grain != BY_ELEMENT) shape[d] = grain == BY_GROUP ? shape[d] / GROUP / p->groups : 1;
    }
    const char *name = arena_printf(&p->c->arena, "%s_%s", w->name, suffix[which]);
    if (!check_new_tensor_name(p->a, name)) return false;
    shape[w->ndim] = p->groups;
    struct tensor *t = p->t[which] = ir_tensor(p->c, name, TENSOR_COMPUTE, dt, w->ndim + (grain == BY_GROUP), shape);
    for (int d = 0; d < t->ndim; d++) {
        t->dim_name[d] = d < w->ndim ? w->dim_name[d] : "g";
        t->axis[d] = ir_var(p->c, t->dim_name[d], shape[d]);
    }
    t->range = range;
    return true;
}

static const struct expr *axis(struct cap *p, const struct tensor *t, int d) { return ir_var_expr(p->c, t->axis[d]); }

/* The element of `t` that the axes of `by` stand for, at n and k; g: the group, where t has groups. */
static const struct expr *at(struct cap *p, const struct tensor *t, const struct tensor *by, const struct expr *n,
                             const struct expr *k, const struct expr *g)
{
    const struct expr *i[QJ_MAX_RANK];
    for_kids(p->w, d) i[d] = d == p->dn ? n : d == p->dk ? k : axis(p, by, d);
    i[p->w->nkid] = g;
    return ir_read(p->c, t, i);
}
static const struct expr *here(struct cap *p, const struct tensor *t, const struct tensor *by)
{
    return at(p, t, by, axis(p, by, p->dn), axis(p, by, p->dk), NULL);
}

static const struct expr *reduce_axis(struct cap *p, const char *name, int64_t extent)
{
    return ir_var_expr(p->c, ir_var(p->c, name, extent));
}

/* max(w, 0) or max(-w, 0) */
static const struct expr *part(struct cap *p, const struct expr *w, bool down)
{
    w = wide(p, w);
    return ir_max(p->c, down ? ir_sub(p->c, i32(p, 0), w) : w, i32(p, 0));
}

/* The sums of both signs' weights in the chain of (n, k), up to and with k: the negative ones in the high half. */
static void running(struct cap *p)
{
    struct ir_ctx *c = p->c;
    struct tensor *t = p->t[T_SUMS];
    const struct expr *k = axis(p, t, p->dk), *e = reduce_axis(p, "e", p->run / 2), *two = idx(p, 2), *group = idx(p, GROUP);
    const struct expr *in = ir_mod(c, k, idx(p, p->run)), *half = ir_div(c, ir_mod(c, k, group), two);
    const struct expr *place = ir_add(c, ir_mul(c, ir_div(c, in, group), two), ir_mod(c, k, two));
    const struct expr *from = ir_mul(c, ir_div(c, k, idx(p, p->run)), idx(p, p->run));
    const struct expr *lane = ir_add(c, ir_mul(c, ir_div(c, e, two), group), ir_add(c, ir_mul(c, half, two), ir_mod(c, e, two)));
    const struct expr *w = at(p, p->w->val.tensor, t, axis(p, t, p->dn), ir_add(c, from, lane), NULL);
    const struct expr *both = ir_add(c, part(p, w, false), ir_bin(c, OP_SHL, part(p, w, true), i32(p, HIGH)));
    t->body = ir_reduce(c, RED_SUM, ir_select(c, ir_le(c, e, place), both, i32(p, 0)), 1, &e);
}

/* What of one sign's weight at (n, k) stays: the growth of min(sum, bound). */
static const struct expr *kept(struct cap *p, const struct tensor *by, bool down, int64_t bound)
{
    struct ir_ctx *c = p->c;
    const struct expr *sums = here(p, p->t[T_SUMS], by), *own = part(p, here(p, p->w->val.tensor, by), down);
    const struct expr *sum = down ? ir_bin(c, OP_SHR, sums, i32(p, HIGH)) : ir_and(c, sums, i32(p, (1 << HIGH) - 1));
    return ir_sub(c, ir_min(c, sum, i32(p, bound)), ir_min(c, ir_sub(c, sum, own), i32(p, bound)));
}

/* Is block b worth chains? `overs` is its element of that tensor. */
static const struct expr *worth(struct cap *p, const struct expr *overs)
{
    return ir_le(p->c, ir_mul(p->c, overs, i32(p, 100)), i32(p, p->most * (p->ks / GROUP)));
}
static const struct expr *worth_of(struct cap *p, const struct tensor *by, const struct expr *b)
{
    return worth(p, at(p, p->t[T_OVERS], by, b, idx(p, 0), NULL));
}
static const struct expr *block_of(struct cap *p, const struct expr *n) { return ir_div(p->c, n, idx(p, p->block)); }

static bool make_all(struct cap *p)
{
    const struct range w = p->w->val.tensor->range, parts = {i64_min(w.lo, 0), i64_max(w.hi, 0)};
    const int64_t most = p->run / 2 * 128;
    return make(p, T_SUMS, DT_I32, BY_ELEMENT, (struct range){0, most << HIGH | most}) &&
           make(p, T_TRY, DT_I8, BY_ELEMENT, parts) && make(p, T_OVER, DT_I32, BY_GROUP, (struct range){0, 1}) &&
           make(p, T_OVERS, DT_I32, BY_BLOCK, (struct range){0, p->ks / GROUP}) && make(p, T_FAST, DT_I8, BY_ELEMENT, parts) &&
           make(p, T_REST, DT_I8, BY_ELEMENT, parts) && make(p, T_SEEN, DT_I32, BY_GROUP, (struct range){0, p->groups}) &&
           make(p, T_LIST, DT_I32, BY_GROUP, (struct range){0, p->groups - 1});
}

/* Which groups are cut: W_over, and how many of them a block has. */
static void count_cuts(struct cap *p)
{
    struct ir_ctx *c = p->c;
    struct tensor *t = p->t[T_OVER], *s = p->t[T_OVERS];
    const struct expr *o = reduce_axis(p, "o", p->block), *j = reduce_axis(p, "j", GROUP), *axes[2] = {o, j};
    const struct expr *n = ir_add(c, ir_mul(c, axis(p, t, p->dn), idx(p, p->block)), o);
    const struct expr *group = ir_add(c, ir_mul(c, axis(p, t, p->dk), idx(p, p->groups)), axis(p, t, p->w->nkid));
    const struct expr *k = ir_add(c, ir_mul(c, group, idx(p, GROUP)), j);
    t->body = ir_reduce(c, RED_MAX, wide(p, ir_bin(c, OP_NE, at(p, p->w->val.tensor, t, n, k, NULL), at(p, p->t[T_TRY], t, n, k, NULL))),
                        2, axes);
    axes[0] = reduce_axis(p, "q", p->ks / GROUP / p->groups);
    axes[1] = reduce_axis(p, "g", p->groups);
    s->body = ir_reduce(c, RED_SUM, at(p, t, s, axis(p, s, p->dn), axes[0], axes[1]), 2, axes);
}

static void make_list(struct cap *p)
{
    struct ir_ctx *c = p->c;
    struct tensor *s = p->t[T_SEEN], *l = p->t[T_LIST];
    const struct expr *g = reduce_axis(p, "h", p->groups), *b = axis(p, s, p->dn);
    const struct expr *need = ir_select(c, worth_of(p, s, b), at(p, p->t[T_OVER], s, b, axis(p, s, p->dk), g), i32(p, 1));
    s->body = ir_reduce(c, RED_SUM, ir_select(c, ir_le(c, g, axis(p, s, p->w->nkid)), need, i32(p, 0)), 1, &g);
    if (p->groups == 1) {
        l->body = i32(p, 0);
        return;
    }
    /* the i-th is the first with more than i seen: all that have seen at most i come before it (the last has no say,
     * so that the list stays inside the run also behind its end) */
    g = reduce_axis(p, "h", p->groups - 1);
    const struct expr *seen = at(p, s, l, axis(p, l, p->dn), axis(p, l, p->dk), g);
    l->body = ir_reduce(c, RED_SUM, wide(p, ir_le(c, seen, wide(p, axis(p, l, p->w->nkid)))), 1, &g);
}

static bool describe(struct cap *p)
{
    struct ir_ctx *c = p->c;
    if (!make_all(p)) return false;
    struct tensor *y = p->t[T_TRY], *f = p->t[T_FAST], *r = p->t[T_REST];
    running(p);
    y->body = ir_cast(c, DT_I8, ir_sub(c, kept(p, y, false, p->bound.pos), kept(p, y, true, p->bound.neg)));
    count_cuts(p);
    f->body = ir_select(c, worth_of(p, f, block_of(p, axis(p, f, p->dn))), here(p, y, f), ir_int(c, type_of(DT_I8), 0));
    r->body = ir_sub(c, here(p, p->w->val.tensor, r), here(p, f, r)); /* of one sign, so it does not wrap */
    make_list(p);
    f->chain = arena_copy(&c->arena, &p->bound, sizeof p->bound);
    return true;
}

/* ---- the two sums ---- */

/* The element of a table for the weight read at w_at: of its block, at k (a run) and g. */
static const struct expr *table(struct cap *p, int which, const struct expr *const *w_at, const struct expr *k,
                                const struct expr *g)
{
    const struct expr *x[QJ_MAX_RANK];
    for_kids(p->w, d) x[d] = d == p->dn ? block_of(p, w_at[d]) : d == p->dk ? k : w_at[d];
    x[p->w->nkid] = g;
    return ir_read(p->c, p->t[which], x);
}

static struct stage *sum(struct cap *p, const char *name, int weights)
{
    struct ir_ctx *c = p->c;
    const struct stage *g = p->g;
    const struct expr *with[QJ_MAX_RANK + QJ_MAX_PHYS], *axes[QJ_MAX_PHYS], *w_at[QJ_MAX_RANK];
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, DT_I32, g->nroot_data, g->root_extent);
    int n = 0;
    for (int i = 0; i < g->nroot; i++) {
        const struct var *v = ir_var(c, g->root_var[i]->name, g->root_extent[i]);
        with[i] = ir_var_expr(c, v);
        if (i < g->nroot_data) {
            t->dim_name[i] = g->tensor->dim_name[i];
            t->axis[i] = v;
        } else if (i != p->k) {
            axes[n++] = with[i];
        }
    }
    t->range = dtype_range(DT_I32);
    for_kids(p->w, d) {
        int root = 0;
        while (g->root_var[root] != p->w->kid[d]->val.var) root++;
        w_at[d] = with[root];
    }
    const struct expr *number, *limit;
    if (weights == T_REST) {
        const char *k = g->root_var[p->k]->name;
        const struct expr *q = reduce_axis(p, arena_printf(&c->arena, "%s_q", k), p->ks / GROUP / p->groups);
        const struct expr *j = reduce_axis(p, arena_printf(&c->arena, "%s_j", k), GROUP);
        number = reduce_axis(p, arena_printf(&c->arena, "%s_i", k), p->groups);
        limit = table(p, T_SEEN, w_at, q, idx(p, p->groups - 1));
        axes[n++] = q;
        axes[n++] = number;
        axes[n++] = j;
        const struct expr *group = ir_cast(c, DT_I64, table(p, T_LIST, w_at, q, number));
        group = ir_add(c, ir_mul(c, q, idx(p, p->groups)), group);
        with[p->k] = ir_add(c, ir_mul(c, group, idx(p, GROUP)), j);
    } else {
        axes[n++] = with[p->k];
        number = ir_div(c, with[p->k], idx(p, p->run));
        limit = ir_select(c, worth(p, table(p, T_OVERS, w_at, idx(p, 0), NULL)), i32(p, p->ks / p->run), i32(p, 0));
    }
    limit = ir_cast(c, DT_I64, limit);
    w_at[p->dk] = with[p->k];
    const struct expr *term = ir_mul(c, ir_subst(c, p->other, g->nroot, g->root_var, with), wide(p, ir_read(c, p->t[weights], w_at)));
    t->body = ir_reduce(c, RED_SUM, ir_select(c, ir_lt(c, number, limit), term, i32(p, 0)), n, axes);
    return stage_new(c, t, t->body);
}

static const char *name_of(struct cap *p, int k, const char *wish)
{
    const char *name = k < p->a->step->nout ? p->a->step->out[k]
                                            : arena_printf(&p->c->arena, "%s_%s", p->g->tensor->name, wish);
    return check_new_tensor_name(p->a, name) ? name : NULL;
}

bool prim_cap(struct applying *a)
{
    struct ir_ctx *c = a->c;
    struct cap p = {.a = a, .c = c, .most = 30};
    int64_t groups;
    if (!arg_count(a, 4, 4)) return false;
    p.k = arg_axis(a, 0, &p.g);
    p.n = p.k < 0 ? -1 : arg_axis(a, 2, &p.g);
    if (p.n < 0 || !arg_int(a, 1, 1, 8, &groups) || !arg_int(a, 3, 1, 1 << 12, &p.block)) return false;
    const struct step_arg *most = arg_key(a, "most");
    if (most && (most->word || most->i < 0 || most->i > 100))
        return fail_step(a, ERR_STEP_ARGS, most, "most= takes a percentage, 0 to 100");
    if (most) p.most = most->i;
    p.run = groups * GROUP;
    if (p.k < p.g->nroot_data || p.k >= p.g->nroot || p.n >= p.g->nroot_data)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "the first axis must be summed over, the second not");
    if (!recognise(&p)) return false;
    const char *fast = name_of(&p, 0, "fast"), *rest = fast ? name_of(&p, 1, "rest") : NULL;
    if (!rest || !describe(&p)) return false;

    struct stage *f = sum(&p, fast, T_FAST), *r = sum(&p, rest, T_REST);
    const struct expr *i[QJ_MAX_RANK];
    for (int d = 0; d < p.g->nroot_data; d++) i[d] = ir_var_expr(c, p.g->tensor->axis[d]);
    struct stage *both = stage_new(c, p.g->tensor, ir_add(c, ir_read(c, f->tensor, i), ir_read(c, r->tensor, i)));
    for (int d = 0; d < p.g->nroot_data; d++) both->root_extent[d] = p.g->root_extent[d];
    both->output = p.g->output;
    both->layout = p.g->layout;
    both->scope = p.g->scope;
    both->scope_set = p.g->scope_set;
    int place = state_stage_of(a->st, p.g->tensor), first = state_stage_of(a->st, p.w->val.tensor) + 1;
    a->st->stage[place] = both;
    if (insert_stage(a, place, r) < 0 || insert_stage(a, place, f) < 0) return false;
    for (int k = T_N - 1; k >= 0; k--) {
        if (insert_stage(a, first, stage_new(c, p.t[k], p.t[k]->body)) < 0) return false;
    }
    return true;
}
