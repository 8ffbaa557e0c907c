/* SPDX-License-Identifier: Apache-2.0 */
/* gpu_dot.c - dense layers with few rows on GPUs (a matrix by a vector): a warp an output, or one of each of `mr` rows, its
 * lanes spread over the terms.
 *
 *     blockIdx: other axes, channels     threadIdx.y: channels     threadIdx.x: terms, 16 at a time
 *     for terms by 512 { 16 bytes of w; for mr rows { 16 bytes of x, four dot products } }; the lanes combine
 *
 * Such a layer reads each weight once and is as fast as memory: neighbours read neighbours, nothing is packed, nothing goes
 * through shared memory. Knobs: mr, rows of a warp; rows, its warps (channels); cols, step: lanes, and terms they take. */
#include "schedule/templates/gpu.h"

enum { MOST_ROWS = 16, LANE_TERMS = 16, UNROLLED = 4 };

struct dot {
    int o, v;               /* data axes: channels; rows of which a warp takes several, -1: none */
    double outputs;
    int64_t others;         /* data elements beside these two */
    int64_t fours;          /* loads of all lanes: steps of the sum */
};

static bool dot_of(const struct contraction *k, int lanes, struct dot *d)
{
    *d = (struct dot){.o = -1, .v = -1, .outputs = 1, .others = 1};
    if (k->group < 0 || k->nxchain || k->over[k->group].extent % LANE_TERMS) return false;
    if (k->over[k->group].extent < LANE_TERMS * lanes) return false; /* no work for every lane */
    for (int i = 0; i < k->ndata; i++) {
        int64_t n = k->data[i].extent;
        int *at = k->data[i].role == CON_CHANNEL ? &d->o : &d->v;
        d->outputs *= (double)n;
        if (k->data[i].role != CON_BATCH && n > 1 && (*at < 0 || n > k->data[*at].extent)) *at = i;
    }
    if (d->o < 0) return false;
    for (int i = 0; i < k->ndata; i++)
        if (i != d->o && i != d->v) d->others *= k->data[i].extent;
    d->fours = ceil_div(k->over[k->group].extent, (int64_t)LANE_TERMS * lanes);
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group) d->fours *= k->over[i].extent;
    return d->others * (d->v < 0 ? 1 : k->data[d->v].extent) <= MOST_ROWS;
}

void gpu_dot_candidates(const struct contraction *k, struct candidates *out)
{
    const struct intrin *row = gpu_row_for(k);
    const struct target *t = k->s->target;
    int lanes = t->family->simt->warp;
    struct dot d;
    if (!row || !dot_of(k, lanes, &d)) return;
    if (gpu_lanes(k, k->x, k->xgroup, LANE_TERMS) < LANE_TERMS || gpu_lanes(k, k->w, k->wgroup, LANE_TERMS) < LANE_TERMS) return;
    for (int mr = 1; mr <= 8 && (mr == 1 || (d.v >= 0 && mr < 2 * k->data[d.v].extent)); mr *= 2)
        for (int warps = 2; warps <= 8; warps *= 2) {
            struct choice c = {.row = row, .mr = mr, .rows = warps, .cols = lanes, .step = LANE_TERMS * lanes};
            double rows = (double)ceil_div(d.v < 0 ? 1 : k->data[d.v].extent, mr) * (double)d.others;
            double loads = 4 * (1 + mr), dots = LANE_TERMS / 4 * mr * 0.5;      /* of a warp: 128 bytes a clock; four schedulers */
            struct gpu_load l = {
                .blocks = rows * (double)ceil_div(k->data[d.o].extent, warps), .threads = warps * lanes, .regs = 40 + 10 * mr,
                .steps = (double)ceil_div(d.fours, UNROLLED), .clocks = warps * ((double)d.fours * (loads + dots) + 10 * mr + 10),
            };
            c.cycles = gpu_clocks(t, &l);
            if (gpu_takes(t, &l)) cand_add(out, c);
        }
}

void gpu_dot_steps(const struct contraction *k, const struct choice *c, const char *sum, struct str *out)
{
    const char *last = k->last->tensor->name, *g = k->over[k->group].name, *rest[QJ_MAX_RANK];
    struct dot d;
    int n = 0;
    if (!dot_of(k, c->cols, &d)) return;
    const char *o = k->data[d.o].out, *v = c->mr > 1 ? k->data[d.v].out : NULL;
    gpu_inline(k, out);
    str_printf(out, "split %s.%s %d -> %s_b %s_t\n", last, o, c->rows, o, o);
    if (v) str_printf(out, "split %s.%s %d -> %s_b %s_v\n", last, v, c->mr, v, v);
    for (int i = 0; i < k->last->nroot_data; i++) {
        const char *name = k->last->iter[i].name;
        if (!strcmp(name, o)) continue;
        rest[n++] = v && !strcmp(name, v) ? arena_printf(&k->s->c->arena, "%s_b", v) : name;
    }
    str_printf(out, "reorder %s", last);
    for (int i = 0; i < n; i++) str_printf(out, " %s", rest[i]);
    str_printf(out, " %s_b %s_t", o, o);
    if (v) str_printf(out, " %s_v", v);
    str_printf(out, "\nbind %s.%s_b blockIdx.x\nbind %s.%s_t threadIdx.y\n", last, o, last, o);
    if (n) str_printf(out, "bind %s.%s blockIdx.y\n", last, gpu_fuse(k, last, n, rest, out));
    str_printf(out, "compute_at %s %s.%s_t\n", sum, last, o);

    str_printf(out, "split %s.%s %d -> g_o g_v\nsplit %s.g_o %d -> g_b g_x\nsplit %s.g_v 4 -> g_q g_4\n", sum, g, LANE_TERMS, sum,
               c->cols, sum);
    int64_t turns = ceil_div(k->over[k->group].extent, c->step), inner = turns % UNROLLED ? 1 : UNROLLED;
    if (turns <= UNROLLED) inner = turns;
    str_printf(out, "split %s.g_b %d -> g_s g_u\nreorder %s", sum, (int)inner, sum);
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group) str_printf(out, " %s", k->over[i].name);
    str_put(out, " g_x g_s g_u g_q");
    for (int i = 0; i < k->ndata; i++) str_printf(out, " %s", k->data[i].name);
    str_printf(out, " g_4\nbind %s.g_x threadIdx.x\ntensorize %s.g_4 %s\nunroll %s.g_u\nunroll %s.g_q\n", sum, sum, c->row->row->name, sum, sum);
    if (v) str_printf(out, "unroll %s.%s\n", sum, k->data[d.v].name);
}
