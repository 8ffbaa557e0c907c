/* SPDX-License-Identifier: Apache-2.0 */
/* sides.c - the loops of sums beside the main one, as zero points of weights need them: by row of activations, in
 * vectors, once for all panels of channels.
 *
 *     Z_part[v] = sum(r, s, c_g) X[.., c_g * lanes + v]       Z = sum(v) Z_part[v] */
#include "schedule/templates/template.h"

struct in_group { const struct contraction *k; const struct var *v; };

static bool see_group(const struct expr *e, void *u)
{
    struct in_group *f = u;
    if (e->op == OP_READ && e->val.tensor == f->k->x && e->kid[f->k->xgroup]->op == OP_VAR)
        f->v = e->kid[f->k->xgroup]->val.var;
    return true;
}

/* The reduce axis of g that runs over the channels of x; -1: none. */
static int over_group(const struct contraction *k, const struct stage *g)
{
    struct in_group f = {k, NULL};
    ir_walk(g->body, see_group, &f);
    for (int i = g->nroot_data; i < g->nroot; i++)
        if (g->root_var[i] == f.v) return i;
    return -1;
}

/* In partial sums by lane. */
static void by_lanes(const struct contraction *k, const struct stage *g, int axis, int lanes, struct str *out)
{
    const char *name = g->tensor->name, *c = g->iter[axis].name, *data = NULL;
    const char *part = tmpl_fresh(k, arena_printf(&k->s->c->arena, "%s_part", name));
    str_printf(out, "split %s.%s %d -> %s_g %s_v\nrfactor %s.%s_v -> %s\nreorder %s", name, c, lanes, c, c, name, c, part, part);
    for (int i = 0; i < g->nroot_data; i++) {
        if (g->root_extent[i] > 1 || !data) data = g->iter[i].name;
        str_printf(out, " %s", g->iter[i].name);
    }
    for (int i = g->nroot_data; i < g->nroot; i++)
        if (i != axis) str_printf(out, " %s", g->iter[i].name);
    str_printf(out, " %s_g %s_v\nvectorize %s.%s_v\ncompute_at %s %s.%s\n", c, c, part, c, part, name, data);
}

/* In vectors of pixels. */
static void by_pixels(const struct stage *g, int axis, int lanes, struct str *out)
{
    const char *name = g->tensor->name, *x = g->iter[axis].name;
    str_printf(out, "split %s.%s %d tail=peel -> %s_t %s_v\nreorder %s", name, x, lanes, x, x, name);
    for (int i = 0; i < g->nroot_data; i++) str_printf(out, " %s%s", g->iter[i].name, i == axis ? "_t" : "");
    for (int i = g->nroot_data; i < g->nroot; i++) str_printf(out, " %s", g->iter[i].name);
    str_printf(out, " %s_v\nvectorize %s.%s_v\n", x, name, x);
}

void tmpl_sides(const struct contraction *k, const char *at, bool channels_lie, struct str *out)
{
    for (int i = 0; i < k->nside; i++) {
        const struct stage *g = k->s->state->stage[state_stage_of(k->s->state, k->side[i])];
        int c = over_group(k, g), last = g->nroot_data - 1, lanes = k->s->target->vector_bits / 32;
        while (channels_lie && c >= 0 && lanes > 1 && g->root_extent[c] % lanes) lanes /= 2;
        if (at) str_printf(out, "compute_at %s %s.%s\n", g->tensor->name, k->last->tensor->name, at);
        if (channels_lie && c >= 0 && lanes >= 4 && last >= 0) by_lanes(k, g, c, lanes, out);
        else if (!channels_lie && last >= 0 && g->root_extent[last] >= 4) by_pixels(g, last, g->root_extent[last] < lanes ? 4 : lanes, out);
    }
}
