/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - which instructions fit where, and why the others do not: the answer to "why is this slow?".
 *
 * First what no step can change is asked: has the target the instruction, do types and value ranges allow it? Then,
 * of a stage in plain loops, whether the loops as they are can be tensorized; of a stage that is tensorized already,
 * whether the instruction would be faster than the one it has.
 *
 * An unlock is a promise: what it says of `template` was tried on a schedule without steps before it is said. */
#include "schedule/explain.h"
#include "schedule/lower_impl.h"
#include "schedule/templates/template.h"

/* The two factors of the sum: activations first, where one follows from weights alone. */
struct factors { const struct tensor *x, *w; };

struct asking {
    struct lower *w;
    const struct lstage *x;
    struct factors f;
    struct explained *out;
    struct sched *fresh;        /* the program without steps, to try `template` on */
    const char *name;           /* of the sum there */
    bool shared, own;           /* of the sum: channels share the activations; each reads its own. Neither: not known */
};

#define SAY(a, ...) arena_printf(&(a)->w->c->arena, __VA_ARGS__)

/* ---- the operands as they were defined ---- */

/* The one element that e is a copy of, converted, moved by a constant or with a border of constants; else NULL. */
static const struct expr *copy_of(const struct expr *e)
{
    const struct expr *from = NULL;
    if (e->op == OP_READ) return e;
    if (e->op != OP_CAST && e->op != OP_SELECT && e->op != OP_ADD && e->op != OP_SUB) return NULL;
    for (int i = e->op == OP_SELECT; i < e->nkid; i++) {
        if (e->kid[i]->op == OP_INT) continue;
        if (from) return NULL;
        from = e->kid[i];
    }
    return from ? copy_of(from) : NULL;
}

/* Back through stages that only copy: to the tensor whose type and range count. */
static const struct tensor *origin(const struct state *st, const struct tensor *t)
{
    for (int i; (i = state_stage_of(st, t)) >= 0;) {
        const struct expr *from = stage_reduce(st->stage[i]) ? NULL : copy_of(st->stage[i]->body);
        if (!from) return t;
        t = from->val.tensor;
    }
    return t;
}

static const struct tensor *factor(const struct expr *e)
{
    const struct expr *read = exact_read(e);
    return read ? read->val.tensor : NULL;
}

/* The product that g sums, where it sums one: perhaps of some terms alone, as `cap` leaves them. */
static const struct expr *product_of(const struct stage *g)
{
    const struct expr *red = stage_reduce(g), *e = red ? red->kid[0] : NULL;
    enum combiner k = red ? (enum combiner)red->val.i : RED_COUNT;
    if (k != RED_SUM && k != RED_FMA) return NULL;
    if (e->op == OP_SELECT && ir_is_int(e->kid[2], 0)) e = e->kid[1];
    return e->op == OP_MUL ? e : NULL;
}

/* Known when weights are packed: a weight, or what the packing function computes. */
static bool constant(const struct lower *w, const struct tensor *t)
{
    int i = state_stage_of(w->st, t);
    return i < 0 ? t->kind == TENSOR_WEIGHT : w->stage[i].place >= PLACE_PACK || origin(w->st, t)->kind == TENSOR_WEIGHT;
}

static struct factors factors_of(const struct lower *w, const struct stage *g)
{
    const struct expr *product = product_of(g);
    const struct tensor *a = factor(product->kid[0]), *b = factor(product->kid[1]);
    if (!a || !b) return (struct factors){NULL, NULL};
    return constant(w, a) && !constant(w, b) ? (struct factors){b, a} : (struct factors){a, b};
}

/* ---- types and ranges ---- */

static bool is_dot(const struct meaning *m)
{
    return m->nop == 3 && m->accumulate && m->combiner == RED_SUM && m->op[0]->dt == DT_I32 && m->naxes > m->nout;
}

/* A is the same for all that B has of its own; else, as in depthwise layers, an axis of the result goes through both. */
static bool broadcasts(const struct meaning *m)
{
    for (int a = 0; a < m->op[1]->ndim; a++)
        for (int b = 0; b < m->op[2]->ndim; b++)
            if (m->op_axis[1][a] < m->nout && m->op_axis[1][a] == m->op_axis[2][b]) return false;
    return true;
}

/* Would `template row=` take it? */
static bool takes(const struct asking *a, const struct intrin *in) { return tmpl_takes(a->fresh, a->name, in); }

/* The reason why a sum of n products may not fit; a range to declare only where templates have a use for the row then. */
static bool ranges_allow(const struct asking *a, const struct intrin *in, const struct tensor *x, struct range rx, const struct tensor *w,
                         struct explain_row *r)
{
    int n = in->row->pair_i16;
    if (target_sums_fit(n, rx, w->range)) return true;
    r->why = SAY(a, "a sum of %d products of %lld..%lld (%s) by %lld..%lld (%s) may not fit 16 bits", n, (long long)rx.lo, (long long)rx.hi,
                 x->name, (long long)w->range.lo, (long long)w->range.hi, w->name);
    bool given = state_stage_of(a->w->st, x) < 0 && state_stage_of(a->w->st, w) < 0; /* what is computed declares nothing */
    if (!given || !a->shared || !broadcasts(in->meaning)) return false;
    int64_t hi = rx.hi, side = i64_max(-w->range.lo, w->range.hi), least = dtype_range(w->dt).lo;
    while (hi > 0 && !target_sums_fit(n, (struct range){0, hi}, w->range)) hi--;
    while (side > 0 && !target_sums_fit(n, rx, (struct range){i64_max(-side, least), side})) side--;
    bool moved = rx.lo != x->range.lo; /* a range of x is not what the instruction would see */
    if (hi > 0 && rx.lo >= 0 && !moved) r->unlock = SAY(a, "declare activations %s in 0..%lld", x->name, (long long)hi);
    if (side > 0)
        r->unlock = SAY(a, "%s%s %s in %lld..%lld", r->unlock ? r->unlock : "declare", r->unlock ? ", or weights" : " weights", w->name,
                        (long long)i64_max(-side, least), (long long)side);
    return false;
}

/* Could it ever do these products? */
static bool data_allow(const struct asking *a, const struct intrin *in, struct explain_row *r)
{
    const struct meaning *m = in->meaning;
    const struct tensor *x = a->f.x ? origin(a->w->st, a->f.x) : NULL, *w = a->f.w ? origin(a->w->st, a->f.w) : NULL;
    if (!x || !w || x->dt == DT_F32 || !is_dot(m)) return true; /* tensorize_match has the reason */
    struct range rx = x->range, given = x->range;
    enum dtype ta = m->op[1]->dt, tb = m->op[2]->dt;
    bool moves = dt_bytes(ta) == 1 && dt_bytes(x->dt) == 1;
    if (!dt_holds(tb, w->range)) {
        r->why = SAY(a, "it takes %s weights, %s is %s in %lld..%lld", dtype_info[tb].name, w->name, dtype_info[w->dt].name,
                     (long long)w->range.lo, (long long)w->range.hi);
    } else if (!dt_holds(ta, rx) && moves) { /* 8 bits of the other sign, once moved */
        int64_t by = x->dt == DT_I8 ? 128 : -128;
        rx = (struct range){rx.lo + by, rx.hi + by};
        if (a->f.x->dt == ta) return ranges_allow(a, in, x, rx, w, r);
        r->why = SAY(a, "it takes %s activations, %s is %s in %lld..%lld: needs the %+lld form", dtype_info[ta].name, x->name,
                     dtype_info[x->dt].name, (long long)given.lo, (long long)given.hi, (long long)by);
        if (takes(a, in) && target_sums_fit(in->row->pair_i16, rx, w->range))
            r->unlock = SAY(a, "offset %s %s %lld as=%s, which takes the surplus off; or `template row=%s`", a->f.x->name, a->x->g->tensor->name,
                            (long long)by, dtype_info[ta].name, r->name);
    } else if (!dt_holds(ta, rx)) {
        r->why = SAY(a, "it takes %s activations, %s is %s in %lld..%lld", dtype_info[ta].name, x->name, dtype_info[x->dt].name,
                     (long long)rx.lo, (long long)rx.hi);
    }
    return !r->why && ranges_allow(a, in, x, rx, w, r);
}

/* ---- loops ---- */

/* The leaf from which a row is tried: as many loops inside (of extent above 1) as it has axes. */
static int natural_leaf(const struct lstage *x, const struct meaning *m)
{
    int want = 0, pos = x->g->nleaf;
    for (int i = 0; i < m->naxes; i++) want += m->axis[i]->extent > 1;
    while (pos > 0 && want > 0) want -= x->loop[x->g->leaf[--pos]] != NULL;
    return pos;
}

static bool fits(const struct asking *a, int pos, const struct intrin *in, const char **why)
{
    struct region r = lower_region_at(a->w, a->x, pos);
    const struct expr *arg[MEANING_MAX_ARGS];
    return tensorize_match(a->w->c, in, &r, arg, why);
}

/* The sum's innermost loop is cut short by the instruction. */
static bool no_multiple(const struct asking *a, const struct meaning *m, struct explain_row *r)
{
    const struct stage *g = a->x->g;
    int64_t step = 1;
    if (!is_dot(m)) return false;
    for (int i = m->nout; i < m->naxes; i++) step *= m->axis[i]->extent;
    for (int pos = g->nleaf - 1; pos >= 0; pos--) {
        const struct iter *it = &g->iter[g->leaf[pos]];
        int64_t n = a->x->ext[g->leaf[pos]];
        if (!it->reduce || n == 1) continue;
        if (n % step == 0) return false;
        r->why = SAY(a, "%s=%lld is not a multiple of %lld", it->name, (long long)n, (long long)step);
        r->unlock = SAY(a, "pad %s.%s %lld, as `template` does", g->tensor->name, it->name, (long long)step);
        return true;
    }
    return false;
}

static void ask_loops(const struct asking *a, const struct intrin *in, struct explain_row *r)
{
    const struct stage *g = a->x->g;
    const char *no;
    for (int pos = g->nleaf - 1; pos >= 0; pos--)
        if (fits(a, pos, in, &no)) {
            r->fits = true;
            r->where = SAY(a, "%s.%s", g->tensor->name, g->iter[g->leaf[pos]].name);
            return;
        }
    if (is_dot(in->meaning) && (broadcasts(in->meaning) ? a->own : a->shared)) {
        r->why = a->own ? "its lanes share the activations, here each channel reads its own"
                        : "each of its lanes reads activations of its own, here all channels share them";
        return;
    }
    bool able = is_dot(in->meaning) && takes(a, in);
    if (no_multiple(a, in->meaning, r)) {
        if (!able || a->own) r->unlock = NULL; /* depthwise: windows are laid out anew, not padded in place */
        return;
    }
    int pos = natural_leaf(a->x, in->meaning);
    r->why = "the stage has no loops";
    if (pos >= g->nleaf) return;
    fits(a, pos, in, &r->why);
    r->why = SAY(a, "%s (tried at %s)", r->why, g->iter[g->leaf[pos]].name);
    if (able && !a->own) r->unlock = "split and reorder the loops and the layout to its axes, as `template` does";
}

/* ---- a stage that has an instruction ---- */

static const char *way(const struct asking *a, const struct tensor *t)
{
    const struct tensor *from = t ? origin(a->w->st, t) : NULL;
    if (!from || from == t) return SAY(a, "%s as it lies", t ? t->name : "?");
    int i = state_stage_of(a->w->st, t);
    return SAY(a, "%s through %s (%s%s)", from->name, t->name, dtype_info[t->dt].name, a->w->stage[i].place >= PLACE_PACK ? ", packed ahead" : "");
}

static void ask_tensorized(const struct asking *a, const struct intrin *in, struct explain_row *r)
{
    const struct stage *g = a->x->g;
    const struct intrin_row *has = g->intrin->row;
    if (in == g->intrin || in->row == has) {
        r->taken = r->fits = true;
        r->where = SAY(a, "%s.%s", g->tensor->name, g->iter[g->tensorize_iter].name);
        r->why = SAY(a, "%s, %s", way(a, a->f.x), way(a, a->f.w));
        return;
    }
    if (is_dot(in->meaning) != is_dot(g->intrin->meaning) || broadcasts(in->meaning) != broadcasts(g->intrin->meaning)) {
        r->why = "it computes something else";
    } else if (in->row->mac_per_cycle <= has->mac_per_cycle) {
        r->why = SAY(a, "no faster: about %g MAC/cycle, %s has %g", in->row->mac_per_cycle, has->name, has->mac_per_cycle);
    } else {
        r->fits = true;
        r->why = "types and ranges allow it; the steps chose another";
        if (takes(a, in)) r->unlock = SAY(a, "tensorize with it, or `template row=%s` instead of the steps", in->row->name);
    }
}

static void ask(const struct asking *a, const struct intrin_row *row)
{
    const struct target *t = a->w->target;
    const struct intrin *in = target_intrin(t, row->name);
    struct explain_row r = {.stage = a->x->g->tensor->name, .name = row->name, .mac_per_cycle = row->mac_per_cycle};
    if (!in) {
        const char *lacks = target_lacks(a->w->c, t, row->needs);
        r.why = SAY(a, "target %s lacks %s", t->name, lacks ? lacks : row->needs);
        r.unlock = SAY(a, "a target with %s", lacks ? lacks : row->needs);
    } else if ((a->x->g->intrin && a->x->g->intrin->row == row) || data_allow(a, in, &r)) {
        if (a->x->g->intrin) ask_tensorized(a, in, &r);
        else ask_loops(a, in, &r);
    }
    if (in && !r.fits && !r.unlock && !a->x->g->intrin && takes(a, in)) r.unlock = SAY(a, "`template row=%s`", row->name);
    VEC_PUSH(&a->w->c->arena, a->out->row, r);
}

/* Who reads which activations, as templates see the sum. */
static void ask_sharing(struct asking *a, const struct sched *s, int stage)
{
    struct contraction k;
    const char *why;
    if (!con_of(s, stage, &k, &why)) return;
    for (int i = 0; i < k.ndata; i++) {
        a->shared = a->shared || (k.data[i].role == CON_CHANNEL && k.data[i].extent > 1);
        a->own = a->own || (k.data[i].role == CON_BATCH && k.data[i].extent > 1);
    }
    if (a->shared) a->own = false;
}

/* The sum of the program that stage i works for: steps may have made a stage of its own for it, before it. */
static int as_written(const struct state *st, const struct state *fresh, int i)
{
    for (; i < st->nstage; i++)
        for (int k = 0; k < fresh->nstage; k++)
            if (!strcmp(fresh->stage[k]->tensor->name, st->stage[i]->tensor->name)) return product_of(fresh->stage[k]) ? k : -1;
    return -1;
}

void sch_explain(struct sched *s, struct explained *out)
{
    if (err_is(&s->c->err)) return;
    struct sched *fresh = sch_new(s->c, s->program, s->target);
    struct lower *w = fresh ? lower_prepare(s, s->state) : NULL;
    for (int i = 0; w && i < s->state->nstage; i++) {
        struct asking a = {.w = w, .x = &w->stage[i], .out = out, .fresh = fresh};
        if (a.x->place == PLACE_NONE || !product_of(a.x->g)) continue;
        a.f = factors_of(w, a.x->g);
        int of = as_written(s->state, fresh->state, i);
        a.name = of < 0 ? a.x->g->tensor->name : fresh->state->stage[of]->tensor->name;
        if (of >= 0) ask_sharing(&a, fresh, of);
        if (!a.x->g->intrin) VEC_PUSH(&s->c->arena, out->row, ((struct explain_row){.stage = a.x->g->tensor->name, .taken = true, .fits = true}));
        const struct family *f = s->target->family;
        for (int k = 0; k < f->nrow; k++)
            if (f->rows[k].mac_per_cycle > 0) ask(&a, &f->rows[k]);
        for (int k = 0; k < s->target->nintrin; k++)
            if (s->target->intrin[k].user) ask(&a, s->target->intrin[k].row);
    }
    if (!w) return;
    /* Templates choose for stages without steps: what they say of the program is asked as if there were none. */
    tmpl_explain(fresh, out);
}
