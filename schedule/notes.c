/* SPDX-License-Identifier: Apache-2.0 */
/* notes.c - slow paths that the schedule decided on, by how often each stage is computed.
 *
 *     recomputed       a producer computed at a loop, or inlined, more than twice as often as it has elements
 *     no-instruction   a sum of products of 8-bit elements in plain loops on a target that has dot products
 *
 * Counts are of loops as they stand; guards and overlapping tails are not taken off. What is little beside the
 * whole is not told, nor is an inlined stage that computes nothing (a copy, a conversion, a border of zeros). */
#include "schedule/lower_impl.h"

enum { OFTEN = 2, SHARE = 64 };     /* told: more often than twice, and a 64th of the work or more */

struct work {
    struct lower *w;
    double times[MAX_STAGES];       /* elements computed, repeats included */
    double elems[MAX_STAGES];       /* of the stage */
    double terms[MAX_STAGES];       /* of a reduction, for each element; else 1 */
    double total;
};

/* Every iteration of the stage's loops down to leaf `last`, all times it is entered. */
static double iterations(const struct lstage *x, int last, bool threads, double entered)
{
    for (int i = 0; i <= last; i++) {
        enum loop_kind how = x->g->iter[x->g->leaf[i]].how;
        bool thread = how >= LOOP_THREAD_X && how <= LOOP_THREAD_Z;
        if (threads || !thread) entered *= (double)x->ext[x->g->leaf[i]];
    }
    return entered;
}

struct counting { const struct tensor *t; const struct expr *seen[16]; int n; };
static bool count_read(const struct expr *e, void *u)
{
    struct counting *k = u;
    if (e->op != OP_READ || e->val.tensor != k->t) return true;
    for (int i = 0; i < k->n; i++)
        if (k->seen[i] == e) return true;
    if (k->n < (int)ARRAY_LEN(k->seen)) k->seen[k->n++] = e;
    return true;
}

static void count(struct work *k)
{
    const struct state *st = k->w->st;
    double entered[MAX_STAGES], together[MAX_STAGES]; /* by each thread; by the threads of a block in common */
    for (int i = st->nstage - 1; i >= 0; i--) { /* consumers first */
        const struct lstage *x = &k->w->stage[i];
        const struct stage *g = x->g;
        k->elems[i] = k->terms[i] = 1;
        k->times[i] = 0;
        for (int d = 0; d < g->nroot; d++) *(d < g->nroot_data ? &k->elems[i] : &k->terms[i]) *= (double)g->root_extent[d];
        if (g->attach == ATTACH_INLINE) {
            for (int n = i + 1; n < st->nstage; n++) {
                struct counting c = {.t = g->tensor};
                ir_walk(st->stage[n]->body, count_read, &c);
                bool here = k->w->stage[n].place == PLACE_MAIN || st->stage[n]->attach == ATTACH_INLINE;
                if (here) k->times[i] += c.n * k->times[n] * k->terms[n];
            }
        } else if (x->place == PLACE_MAIN) {
            entered[i] = together[i] = 1;
            if (g->attach == ATTACH_AT) {
                const struct lstage *at = &k->w->stage[g->at_stage];
                int last = state_leaf_pos(at->g, g->at_iter);
                together[i] = iterations(at, last, false, together[g->at_stage]);
                entered[i] = g->scope == SCOPE_SHARED ? together[i] : iterations(at, last, true, entered[g->at_stage]);
            }
            k->times[i] = iterations(x, g->nleaf - 1, true, entered[i]) / k->terms[i];
        }
        k->total += k->times[i] * k->terms[i];
    }
}

/* ---- recomputed ---- */

static bool computes(const struct expr *e, void *u)
{
    bool *yes = u;
    if (e->op == OP_READ) return false; /* indices are no work of the stage */
    if (e->op == OP_SELECT) {           /* nor are the borders of a pad */
        ir_walk(e->kid[1], computes, u);
        ir_walk(e->kid[2], computes, u);
        return false;
    }
    *yes |= e->nkid > 0 && e->op != OP_CAST;
    return !*yes;
}

static void recomputed(const struct work *k, int i, struct note *out)
{
    const struct stage *g = k->w->st->stage[i];
    const char *how = "inlined into what reads it";
    bool work = g->attach == ATTACH_AT && g->scope == SCOPE_GLOBAL; /* what is copied closer is just read again */
    double ratio = k->times[i] / k->elems[i];
    if (g->attach == ATTACH_ROOT || ratio <= OFTEN || k->times[i] * k->terms[i] * SHARE < k->total) return;
    if (!work) ir_walk(g->body, computes, &work);
    if (!work) return;
    if (g->attach == ATTACH_AT) {
        const struct stage *at = k->w->st->stage[g->at_stage];
        how = arena_printf(&k->w->c->arena, "computed at %s.%s", at->tensor->name, at->iter[g->at_iter].name);
    }
    *out = (struct note){"recomputed", g->tensor->name,
                         arena_printf(&k->w->c->arena, "%s is %s, which computes each of its elements %.3g times", g->tensor->name, how, ratio)};
}

/* ---- no-instruction ---- */

static bool is_dot(const struct intrin *in)
{
    const struct meaning *m = in->meaning;
    return m->nop == 3 && m->accumulate && m->combiner == RED_SUM && m->op[0]->dt == DT_I32 && m->naxes > m->nout;
}

static const struct expr *byte_read(const struct expr *e)
{
    const struct expr *read = exact_read(e);
    return read && dt_bytes(read->type.dt) == 1 ? read : NULL;
}

/* v by itself is an index of the read: y + r is none, the windows of pixels would have to be copied first. */
static bool indexes_alone(const struct expr *read, const struct var *v)
{
    for_kids(read, d) if (read->kid[d]->op == OP_VAR && read->kid[d]->val.var == v) return true;
    return false;
}

/* An axis of the output that indexes one operand alone: lanes; a summed one that runs along both: the dot product. */
static bool could_dot(const struct stage *g, const struct expr *a, const struct expr *b)
{
    bool lanes = false, sum = false;
    for (int i = 0; i < g->nroot; i++) {
        bool ina = ir_uses(a, g->root_var[i]), inb = ir_uses(b, g->root_var[i]);
        if (i < g->nroot_data) lanes |= ina != inb && g->root_extent[i] > 1;
        else sum |= g->root_extent[i] > 1 && indexes_alone(a, g->root_var[i]) && indexes_alone(b, g->root_var[i]);
    }
    return lanes && sum;
}

static void no_instruction(const struct work *k, int i, struct note *out)
{
    const struct lstage *x = &k->w->stage[i];
    const struct expr *red = stage_reduce(x->g);
    const struct target *t = k->w->target;
    if (x->place != PLACE_MAIN || x->g->intrin || !red || (enum combiner)red->val.i != RED_SUM || red->kid[0]->op != OP_MUL) return;
    const struct expr *a = byte_read(red->kid[0]->kid[0]), *b = byte_read(red->kid[0]->kid[1]);
    if (!a || !b || k->times[i] * k->terms[i] * SHARE < k->total) return;
    bool dots = could_dot(x->g, a, b), vector = false;
    for (int n = 0; n < x->g->nleaf; n++) vector |= x->g->iter[x->g->leaf[n]].how == LOOP_VECTORIZED;
    if (!dots && vector) return;
    int dot = 0;
    while (dot < t->nintrin && !is_dot(&t->intrin[dot])) dot++;
    if (dot == t->nintrin || t->vector_bits <= 64) return;
    if (!dots) {
        *out = (struct note){"no-instruction", x->g->tensor->name,
                             arena_printf(&k->w->c->arena, "the products of %s are summed one at a time: none of its loops is "
                                          "vectorized", x->g->tensor->name)};
        return;
    }
    *out = (struct note){"no-instruction", x->g->tensor->name,
                         arena_printf(&k->w->c->arena, "the products of %s are summed without a dot-product instruction; `template` finds "
                                      "the steps, `explain` says what stands against it", x->g->tensor->name)};
}

void lower_notes(struct lower *w, struct lowered *l)
{
    struct work *k = ARENA_NEW(&w->c->arena, struct work);
    VEC(struct note) all = {0};
    k->w = w;
    count(k);
    for (int i = 0; i < w->st->nstage; i++) {
        struct note n[2] = {{0}, {0}};
        recomputed(k, i, &n[0]);
        no_instruction(k, i, &n[1]);
        for (int j = 0; j < 2; j++)
            if (n[j].code) VEC_PUSH(&w->c->arena, all, n[j]);
    }
    l->nnote = (int)all.n;
    l->note = all.at;
}
