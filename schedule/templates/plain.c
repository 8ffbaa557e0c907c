/* SPDX-License-Identifier: Apache-2.0 */
/* plain.c - the template for what no other fits: threads over the outermost loop, vectors along the output's rows. */
#include "schedule/templates/template.h"

static bool fits(const struct contraction *k, const char **why)
{
    (void)why;
    return k->ndata > 0;
}

static void candidates(const struct contraction *k, struct candidates *out)
{
    double macs = 1;
    for (int i = 0; i < k->ndata; i++) macs *= (double)k->data[i].extent;
    for (int i = 0; i < k->nsum; i++) macs *= (double)k->over[i].extent;
    cand_add(out, (struct choice){.cycles = macs});
}

/* The data axis of the sum that is loop `name` of the last stage. */
static const char *axis_of(const struct contraction *k, const char *name)
{
    int d = 0;
    while (strcmp(k->data[d].out, name)) d++;
    return k->data[d].name;
}

static void steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    (void)c;
    const char *last = k->last->tensor->name, *sum = k->sum->tensor->name;
    int lanes = k->s->target->vector_bits / 32, inner = k->last->nroot_data - 1, outer = 0;
    while (outer < inner && k->last->root_extent[outer] == 1) outer++;
    for (int i = 0; i < k->ninline; i++) str_printf(out, "compute_inline %s\n", k->inlined[i]->name);
    const char *v = k->last->iter[inner].name;
    if (outer < inner) str_printf(out, "parallel %s.%s\n", last, k->last->iter[outer].name);
    if (k->last == k->sum) return;
    if (lanes == 1 || k->last->root_extent[inner] < 4) {
        if (outer < inner) str_printf(out, "compute_at %s %s.%s\n", sum, last, k->last->iter[outer].name);
        return;
    }
    str_printf(out, "split %s.%s %d tail=peel -> %s_t %s_v\nvectorize %s.%s_v\ncompute_at %s %s.%s_t\nreorder %s", last, v, lanes,
               v, v, last, v, sum, last, v, sum);
    for (int i = 0; i < k->nsum; i++) str_printf(out, " %s", k->over[i].name);
    str_printf(out, " %s\nvectorize %s.%s\n", axis_of(k, v), sum, axis_of(k, v));
}

const struct tmpl tmpl_plain = {
    "plain", "anything else: threads over the outermost loop, vectors along the output's rows", fits, candidates, steps, TARGET_CPU,
};
