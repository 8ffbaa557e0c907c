/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - which instructions fit where, and why the others do not: the answer to "why is this slow?". */
#include "schedule/lower_impl.h"
#include "schedule/templates/template.h"

/* The leaf from which a row is tried: as many loops inside (of extent above 1) as it has axes. */
static int natural_leaf(const struct lstage *x, const struct meaning *m)
{
    int want = 0, pos = x->g->nleaf;
    for (int i = 0; i < m->naxes; i++) want += m->axis[i]->extent > 1;
    while (pos > 0 && want > 0) want -= x->loop[x->g->leaf[--pos]] != NULL;
    return pos;
}

static bool fits(struct lower *w, const struct lstage *x, int pos, const struct intrin *in, const char **why)
{
    struct region r = lower_region_at(w, x, pos);
    const struct expr *arg[MEANING_MAX_OPERANDS];
    return tensorize_match(w->c, in, &r, arg, why);
}

static void explain_row(struct lower *w, const struct lstage *x, const struct intrin_row *row, struct str *out)
{
    const struct stage *g = x->g;
    const struct intrin *in = target_intrin(w->target, row->name);
    str_printf(out, "  %-26s ", row->name);
    if (!in) {
        const char *lacks = target_lacks(w->c, w->target, row->needs);
        str_printf(out, "no: target %s lacks %s\n", w->target->name, lacks ? lacks : row->needs);
        return;
    }
    const char *why = "the stage has no loops", *no;
    for (int pos = g->nleaf - 1; pos >= 0; pos--)
        if (fits(w, x, pos, in, &no)) {
            str_printf(out, "fits at %s.%s (about %g MAC/cycle)\n", g->tensor->name, g->iter[g->leaf[pos]].name, row->mac_per_cycle);
            return;
        }
    int pos = natural_leaf(x, in->meaning);
    if (pos < g->nleaf) fits(w, x, pos, in, &why);
    str_printf(out, "no: %s", why);
    if (pos < g->nleaf) str_printf(out, " (tried at %s)", g->iter[g->leaf[pos]].name);
    str_putc(out, '\n');
}

static bool is_product(const struct stage *g)
{
    const struct expr *red = stage_reduce(g);
    enum combiner k = red ? (enum combiner)red->val.i : RED_COUNT;
    return (k == RED_SUM || k == RED_FMA) && red->kid[0]->op == OP_MUL;
}

void sch_explain(struct sched *s, struct str *out)
{
    if (err_is(&s->c->err)) return;
    struct lower *w = lower_prepare(s, s->state);
    bool any = false;
    for (int i = 0; w && i < s->state->nstage; i++) {
        const struct lstage *x = &w->stage[i];
        if (x->place == PLACE_NONE || !is_product(x->g)) continue;
        any = true;
        str_printf(out, "stage %s", x->g->tensor->name);
        if (x->g->intrin)
            str_printf(out, ": tensorized at %s with %s", x->g->iter[x->g->tensorize_iter].name, x->g->intrin->row->name);
        else str_put(out, ": plain loops, no instruction chosen");
        str_putc(out, '\n');
        const struct family *f = s->target->family;
        for (int k = 0; k < f->nrow; k++) explain_row(w, x, &f->rows[k], out);
        for (int k = 0; k < s->target->nintrin; k++)
            if (s->target->intrin[k].user) explain_row(w, x, s->target->intrin[k].row, out);
    }
    tmpl_explain(s, out);
    if (w && !any) str_put(out, "no stage is a sum of products; nothing to tensorize\n");
}
