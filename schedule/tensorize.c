/* SPDX-License-Identifier: Apache-2.0 */
/* tensorize.c - does an instruction do exactly what this region of loops does?
 *
 * Three questions, in order; the first that fails is the reason given:
 *  1. Is the value the same expression, up to the order of commutative operands, with the instruction's
 *     operands in the place of loads (same element type, inside the range declared)?
 *  2. Is there an assignment of the region's loops to the instruction's axes (same extent, same kind) under
 *     which every operand's address moves as the instruction reads it: contiguous, row-major?
 *     A dimension with a pitch of its own may move by anything the recipe has a form for; what it moves by is the pitch. Where lanes execute the
 *     instruction together, the same is asked of the address as the lane varies (warp.h): it moves with the lane axes that
 *     index the operand and with no other.
 *  3. Do the value ranges, or what a tensor knows of its chains (ir.h), keep an instruction with narrow intermediate
 *     sums exact?
 * It compares access relations, not printed trees: layouts, splits and fused loops are already folded into the
 * addresses, and loops of extent 1 do not count. */
#include "ir/print.h"
#include "ir/simplify.h"
#include "schedule/state.h"
#include "schedule/warp.h"
#include "targets/recipe.h"

struct match {
    struct ir_ctx *c;
    const struct meaning *m;
    const struct expr *load[MEANING_MAX_OPERANDS];     /* the LOAD in an operand's place */
    const char *why;
};

static const char *text(struct match *t, const struct expr *e) { return expr_text(&t->c->arena, e); }

static bool differ(struct match *t, const struct expr *want, const struct expr *have)
{
    if (!t->why) t->why = arena_printf(&t->c->arena, "its value has %s where the loops have %s", text(t, want), text(t, have));
    return false;
}

static int operand_of(const struct meaning *m, const struct tensor *x)
{
    for (int i = 0; i < m->nop; i++)
        if (m->op[i] == x) return i;
    return -1;
}

static bool unify(struct match *t, const struct expr *want, const struct expr *have)
{
    if (want->op == OP_READ) {
        int k = operand_of(t->m, want->val.tensor);
        if (have->op != OP_LOAD) return differ(t, want, have);
        if (!type_eq(want->type, have->type)) {
            if (!t->why)
                t->why = arena_printf(&t->c->arena, "operand %s is %s, but %s is %s", t->m->op[k]->name,
                                      dtype_info[want->type.dt].name, have->val.buffer->name, dtype_info[have->type.dt].name);
            return false;
        }
        const struct range r = want->val.tensor->range, b = have->val.buffer->range;
        if (want->val.tensor->range_declared && (b.lo < r.lo || b.hi > r.hi)) {
            if (!t->why)
                t->why = arena_printf(&t->c->arena, "operand %s lies in %lld..%lld, but %s in %lld..%lld", t->m->op[k]->name,
                                      (long long)r.lo, (long long)r.hi, have->val.buffer->name, (long long)b.lo, (long long)b.hi);
            return false;
        }
        if (t->load[k] && t->load[k] != have) return differ(t, want, have);
        t->load[k] = have;
        return true;
    }
    if (want->op != have->op || !type_eq(want->type, have->type) || want->nkid != have->nkid ||
        (want->nkid == 0 && want != have))
        return differ(t, want, have);
    struct match saved = *t;
    bool ok = true;
    for_kids(want, i) ok = ok && unify(t, want->kid[i], have->kid[i]);
    bool swaps = op_info[want->op].flags & OPF_COMM && (want->type.dt != DT_F32 || want->op == OP_ADD || want->op == OP_MUL);
    if (ok || !swaps) return ok;
    const char *first = t->why;
    *t = saved;
    if (unify(t, want->kid[0], have->kid[1]) && unify(t, want->kid[1], have->kid[0])) return true;
    t->why = first;
    return false;
}

/* The flat element address of a LOAD. */
static const struct expr *address(struct ir_ctx *c, const struct expr *load)
{
    const struct buffer *b = load->val.buffer;
    const struct expr *flat = ir_idx(c, 0);
    for_kids(load, d) flat = ir_add(c, flat, ir_mul(c, load->kid[d], ir_idx(c, buffer_stride(b, d))));
    return ir_simplify(c, flat, NULL);
}

/* The dimension of operand k that an axis indexes, -1: none. */
static int dim_of(const struct meaning *m, int k, int axis)
{
    for (int d = 0; d < m->op[k]->ndim; d++)
        if (m->op_axis[k][d] == axis) return d;
    return -1;
}

struct assign {
    struct match *t;
    const struct region *r;
    struct warp warp;
    int64_t coef[MEANING_MAX_OPERANDS][MAX_ITERS + MEANING_MAX_LANE];     /* of the region's loops, then of the lane */
    int axis_of[MAX_ITERS];        /* region loop -> axis */
    int best;                      /* most operands right so far */
};

/* How far operand k's address moves with one step of an axis (of the lane: MEANING_LANE on). */
static int64_t moved_by(const struct assign *s, int k, int axis)
{
    if (axis >= MEANING_LANE) return s->coef[k][s->r->nvar + axis - MEANING_LANE];
    for (int v = 0; v < s->r->nvar; v++)
        if (s->axis_of[v] == axis) return s->coef[k][v];
    return 0;
}

/* How far it should: meaning_step, where a pitch is what the address moves by. */
static int64_t step_of(const struct assign *s, int k, int d)
{
    const struct meaning *m = s->t->m;
    if (m->pitch[k][d]) return moved_by(s, k, m->op_axis[k][d]);
    return d == m->op[k]->ndim - 1 ? 1 : m->op[k]->shape[d + 1] * step_of(s, k, d + 1);
}

static int64_t should_move(const struct assign *s, int k, int axis, bool *freely)
{
    int d = dim_of(s->t->m, k, axis);
    *freely = d >= 0 && s->t->m->pitch[k][d];
    return d < 0 ? 0 : step_of(s, k, d);
}

static const char *moves(struct match *t, int64_t n)
{
    return n ? arena_printf(&t->c->arena, n == 1 ? "move %lld element" : "move %lld elements", (long long)n) : "not move";
}

static bool strides_fit(struct assign *s)
{
    const struct meaning *m = s->t->m;
    int right = 0;
    for (int k = 0; k < m->nop; k++) {
        for (int v = 0; v < s->r->nvar; v++) {
            bool freely;
            int64_t want = should_move(s, k, s->axis_of[v], &freely), have = s->coef[k][v];
            if (want == have && !(freely && !k && !have)) { right++; continue; }
            if (right > s->best) {
                s->best = right;
                s->t->why = arena_printf(&s->t->c->arena,
                    "operand %s (%s) must %s with %s, but loop %s moves it by %lld", m->op[k]->name,
                    s->t->load[k]->val.buffer->name, freely ? "move" : moves(s->t, want), m->axis[s->axis_of[v]]->name, s->r->var[v]->name,
                    (long long)have);
            }
            return false;
        }
    }
    s->best = m->nop * MAX_ITERS; /* what is wrong now is nearer than any stride */
    return true;
}

/* As the lane varies the operands move with the lane axes that index them. Where they lie at all: what lanes share is not in
 * a thread's own registers. */
static bool lanes_fit(struct assign *s)
{
    struct match *t = s->t;
    const struct meaning *m = t->m;
    for (int k = 1; k < m->nop && m->nlane; k++) {
        const struct buffer *b = t->load[k]->val.buffer;
        if (b->scope == SCOPE_LOCAL && !t->why)
            t->why = arena_printf(&t->c->arena, "operand %s (%s) is local, a thread's own, and the %d lanes of a warp read what others "
                                  "hold: set_scope it shared", m->op[k]->name, b->name, meaning_nlanes(m));
        if (b->scope == SCOPE_LOCAL) return false;
        for (int i = 0; i < m->nlane; i++) {
            bool freely;
            int64_t want = should_move(s, k, MEANING_LANE + i, &freely), have = moved_by(s, k, MEANING_LANE + i);
            if (want == have) continue;
            t->why = arena_printf(&t->c->arena, "operand %s (%s) must %s with %s, where the lane is `%s`, but moves by %lld", m->op[k]->name, b->name,
                                  moves(t, want), m->lane[i]->name, text(t, s->warp.number), (long long)have);
            return false;
        }
    }
    return true;
}

static bool assign_from(struct assign *s, int v, unsigned used)
{
    const struct meaning *m = s->t->m;
    if (v == s->r->nvar) return strides_fit(s);
    for (int x = 0; x < m->naxes; x++) {
        if (used >> x & 1 || m->axis[x]->extent != s->r->var[v]->extent || (x >= m->nout) != s->r->reduce[v]) continue;
        s->axis_of[v] = x;
        if (assign_from(s, v + 1, used | 1u << x)) return true;
    }
    return false;
}

static const char *loops_text(struct ir_ctx *c, int n, const struct var *const *v, const bool *reduce)
{
    struct str s = str_on(&c->arena);
    for (int i = 0; i < n; i++)
        str_printf(&s, "%s%s%s 0..%lld", i ? ", " : "", reduce[i] ? "reduce " : "", v[i]->name, (long long)v[i]->extent);
    return n ? str_text(&s) : "no loops";
}

static bool same_extents(struct match *t, const struct region *r)
{
    const struct meaning *m = t->m;
    bool taken[MAX_ITERS] = {0}, reduce[MEANING_MAX_AXES];
    int n = 0, hit = 0;
    const struct var *axis[MEANING_MAX_AXES];
    for (int x = 0; x < m->naxes; x++) {
        if (m->axis[x]->extent == 1) continue;
        axis[n] = m->axis[x];
        reduce[n++] = x >= m->nout;
        for (int v = 0; v < r->nvar; v++)
            if (!taken[v] && r->var[v]->extent == m->axis[x]->extent && r->reduce[v] == (x >= m->nout)) {
                taken[v] = true;
                hit++;
                break;
            }
    }
    if (n == r->nvar && hit == n) return true;
    t->why = arena_printf(&t->c->arena, "it covers %s, the loops are %s", loops_text(t->c, n, axis, reduce),
                          loops_text(t->c, r->nvar, r->var, r->reduce));
    return false;
}

/* Every sum of `pair` products of two operands stays within i16, as then does every shorter one. */
static bool pairs_fit(struct match *t, int pair)
{
    struct range p[2];
    int n = 0;
    for (int k = 1; k < t->m->nop && n < 2; k++) p[n++] = t->load[k]->val.buffer->range;
    QJ_ASSERT(n == 2);
    struct range r = target_sums(pair, p[0], p[1]);
    if (dt_holds(DT_I16, r)) return true;
    t->why = arena_printf(&t->c->arena,
        "it saturates: a sum of %d products of %s in %lld..%lld and %s in %lld..%lld reaches %lld..%lld, beyond i16; "
        "declare narrower ranges if the data have them", pair,
        t->load[1]->val.buffer->name, (long long)p[0].lo, (long long)p[0].hi, t->load[2]->val.buffer->name,
        (long long)p[1].lo, (long long)p[1].hi, (long long)r.lo, (long long)r.hi);
    return false;
}

/* The one READ of a tensor in the region's value; NULL: none or several. */
struct find_read { const struct tensor *t; const struct expr *read; bool several; };
static bool see_read(const struct expr *e, void *u)
{
    struct find_read *f = u;
    if (e->op == OP_READ && e->val.tensor == f->t) {
        f->several |= f->read && f->read != e;
        f->read = e;
    }
    return true;
}

/* Operand k is a tensor that knows its chains, and the instruction adds up just one of them in each 16-bit lane. */
static bool chain_fits(struct assign *s, int k)
{
    struct match *t = s->t;
    const struct meaning *m = t->m;
    struct ir_ctx *c = t->c;
    const struct tensor *x = t->load[k]->val.buffer->tensor;
    const struct range a = t->load[3 - k]->val.buffer->range;
    const struct chain *q = x ? x->chain : NULL;
    struct find_read f = {x, NULL, false};
    if (!q || a.lo < 0 || a.hi * q->pos > INT16_MAX || -a.hi * q->neg < INT16_MIN) return false;
    ir_walk(s->r->source, see_read, &f);
    int64_t terms = 1, coef[MAX_ITERS];
    for (int i = m->nout; i < m->naxes; i++) terms *= m->axis[i]->extent;
    if (!f.read || f.several || terms != q->run || m->axis[m->naxes - 1]->extent != 4) return false;
    for_kids(f.read, d) {
        const struct expr *base;
        if (!ir_affine(c, ir_simplify(c, f.read->kid[d], NULL), s->r->nvar, s->r->var, coef, &base)) return false;
        for (int v = 0; v < s->r->nvar; v++) { /* the row-major place among the summed axes */
            int64_t step = d == q->dim && s->r->reduce[v] ? 1 : 0;
            for (int i = s->axis_of[v] + 1; i < m->naxes; i++) step *= m->axis[i]->extent;
            if (coef[v] != step && (s->r->reduce[v] || d == q->dim)) return false;
        }
        if (d == q->dim && !ir_is_int(ir_simplify(c, ir_mod(c, base, ir_idx(c, q->run)), NULL), 0)) return false;
    }
    return true;
}

static bool sums_fit(struct assign *s, int pair)
{
    struct match *t = s->t;
    if (t->m->nop == 3 && pair > 0 && (chain_fits(s, 1) || chain_fits(s, 2))) return true;
    return pairs_fit(t, pair);
}

static bool addresses_fit(struct assign *s)
{
    struct match *t = s->t;
    const struct var *var[MAX_ITERS + MEANING_MAX_LANE];
    int n = s->r->nvar;
    for (int v = 0; v < n; v++) var[v] = s->r->var[v];
    for (int i = 0; i < t->m->nlane; i++) var[n + i] = s->warp.lane[i];
    for (int k = 0; k < t->m->nop; k++) {
        const struct expr *flat = address(t->c, t->load[k]), *base;
        bool shared = k && t->m->nlane;
        if (shared) flat = warp_see(t->c, &s->warp, s->r->nthread, s->r->thread, flat);
        if (ir_affine(t->c, flat, n + (shared ? t->m->nlane : 0), var, s->coef[k], &base)) continue;
        t->why = arena_printf(&t->c->arena, "the address of %s is not linear in the loops%s: %s", t->load[k]->val.buffer->name,
                              shared ? arena_printf(&t->c->arena, " and the lane `%s`", text(t, s->warp.number)) : "", text(t, flat));
        return false;
    }
    return assign_from(s, 0, 0) && lanes_fit(s);
}

/* Two loads of one type may each stand for the other's operand where the value is the same either way: the
 * factors of a product have no order. */
static bool swapped_fit(struct assign *s)
{
    struct match *t = s->t;
    const struct match first = *t;
    for (int p = 1; p < t->m->nop; p++)
        for (int q = p + 1; q < t->m->nop; q++) {
            t->load[p] = first.load[q];
            t->load[q] = first.load[p];
            if (unify(t, t->m->body, s->r->value) && addresses_fit(s)) return true;
            const char *nearest = t->why;
            *t = first;
            t->why = nearest;
        }
    return false;
}

/* The arguments of the instruction: addresses where all loops, and the lane, are 0; the lane; pitches. */
static void fill_args(struct assign *s, const struct expr **arg)
{
    struct match *t = s->t;
    struct ir_ctx *c = t->c;
    const struct meaning *m = t->m;
    const struct region *r = s->r;
    const struct expr *zero[MAX_ITERS], *idx[QJ_MAX_PHYS];
    int lacks;
    for (int v = 0; v < r->nvar; v++) zero[v] = ir_idx(c, 0);
    for (int k = 0; k < m->nop; k++) {
        for_kids(t->load[k], d) {
            idx[d] = ir_simplify(c, ir_subst(c, t->load[k]->kid[d], r->nvar, r->var, zero), NULL);
            if (k && m->nlane) idx[d] = warp_first(c, &s->warp, r->nthread, r->thread, idx[d]);
        }
        arg[k] = ir_load(c, t->load[k]->val.buffer, t->load[k]->nkid, idx);
        for (int d = 0; d < m->op[k]->ndim; d++) {
            if (m->pitch[k][d]) arg[m->nop + (m->nlane > 0) + m->pitch[k][d] - 1] = ir_idx(c, moved_by(s, k, m->op_axis[k][d]));
        }
    }
    if (m->nlane) arg[m->nop] = warp_number(c, &s->warp, r->nthread, r->thread, &lacks);
}

/* The block is made of warps, and each of their threads is here. */
static bool warps_fit(struct assign *s)
{
    static const char *const axis[] = {"x", "y", "z"};
    struct match *t = s->t;
    const struct region *r = s->r;
    int lacks;
    if (!t->m->nlane) return true;
    t->why = warp_of_block(t->c, t->m, r->block, &s->warp);
    if (t->why) return false;
    if (!warp_number(t->c, &s->warp, r->nthread, r->thread, &lacks)) {
        t->why = arena_printf(&t->c->arena, "%d threads execute it together, and no loop around is bound to threadIdx.%s",
                              meaning_nlanes(t->m), axis[lacks]);
        return false;
    }
    for (int i = 0; i < r->nthread && !t->why; i++)
        if (r->thread[i].var->extent != r->block[r->thread[i].axis])
            t->why = arena_printf(&t->c->arena, "loop %s has %lld of the block's %lld threads along %s, so not all lanes come here",
                                  r->thread[i].var->name, (long long)r->thread[i].var->extent,
                                  (long long)r->block[r->thread[i].axis], axis[r->thread[i].axis]);
    return !t->why;
}

bool tensorize_match(struct ir_ctx *c, const struct intrin *in, const struct region *r, const struct expr **arg,
                     const char **why)
{
    const struct meaning *m = in->meaning;
    struct match t = {.c = c, .m = m};
    *why = NULL;
    if (m->accumulate != r->reduction || (r->reduction && m->combiner != r->combiner)) {
        *why = arena_printf(&c->arena, "it %s%s, the loops %s%s", m->accumulate ? "accumulates by " : "assigns",
                            m->accumulate ? combiner_name[m->combiner] : "",
                            r->reduction ? "accumulate by " : "assign", r->reduction ? combiner_name[r->combiner] : "");
        return false;
    }
    struct assign s = {.t = &t, .r = r, .best = -1};
    t.load[0] = r->target;
    bool ok = unify(&t, m->body, r->value);
    if (ok && m->op[0]->dt != r->target->val.buffer->dt) {
        t.why = arena_printf(&c->arena, "it writes %s, the stage is %s", dtype_info[m->op[0]->dt].name,
                             dtype_info[r->target->val.buffer->dt].name);
        ok = false;
    }
    ok = ok && same_extents(&t, r) && warps_fit(&s);
    ok = ok && (addresses_fit(&s) || swapped_fit(&s));
    ok = ok && (in->row->pair_i16 == 0 || sums_fit(&s, in->row->pair_i16));
    *why = t.why ? t.why : "its axes do not correspond to the loops";
    if (!ok) return false;
    fill_args(&s, arg);
    const char *misfit = recipe_misfit(c, m, in->recipe, arg);
    if (misfit) *why = misfit;
    return !misfit;
}
