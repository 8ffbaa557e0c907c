/* SPDX-License-Identifier: Apache-2.0 */
/* gpu.c - the template of GPUs: which way a sum is run (gpu_*.c), what it is expected to cost, and the way that always
 * works, a thread an element. */
#include "schedule/templates/gpu.h"

enum { PLAIN_THREADS = 128 };

static bool fits(const struct contraction *k, const char **why)
{
    (void)why;
    return k->ndata > 0;
}

/* ---- the model ---- */

enum { PROCESSORS = 108, WARPS = 48, SHARED = 96 << 10, HALF_WARPS = 4, FETCH_CLOCKS = 700 };

bool gpu_takes(const struct target *t, const struct gpu_load *l)
{
    const struct simt_limits *most = t->family->simt;
    return l->threads <= most->threads && l->shared <= most->shared && l->regs <= most->thread_regs &&
           (int64_t)l->regs * l->threads <= most->regs;
}

double gpu_clocks(const struct target *t, const struct gpu_load *l)
{
    const struct simt_limits *most = t->family->simt;
    double warps = (double)ceil_div(l->threads, most->warp);
    double each = ceil_div((int64_t)l->blocks, PROCESSORS);     /* blocks of the busiest multiprocessor */
    double fit = (double)i64_min((int64_t)(WARPS / warps), i64_min(SHARED / i64_max(l->shared, 1024), most->regs / ((int64_t)l->regs * l->threads)));
    double together = each < fit ? each : fit > 1 ? fit : 1;
    double busy = together * warps / (together * warps + HALF_WARPS);
    double work = each * l->clocks / busy, wait = each / together * (l->steps + 1) * FETCH_CLOCKS;
    return work > wait ? work + wait / 8 : wait + work / 8;
}

static double plain_clocks(const struct contraction *k)
{
    double macs = 1;
    for (int i = 0; i < k->ndata; i++) macs *= (double)k->data[i].extent;
    for (int i = 0; i < k->nsum; i++) macs *= (double)k->over[i].extent;
    return 1e6 + macs;
}

static void candidates(const struct contraction *k, struct candidates *out)
{
    gpu_gemm_candidates(k, out);
    gpu_dot_candidates(k, out);
    gpu_depthwise_candidates(k, out);
    cand_add(out, (struct choice){.cycles = plain_clocks(k)}); /* where nothing else works */
}

/* ---- steps ---- */

int64_t gpu_run(const struct contraction *k, const struct tensor *t, int dim)
{
    const struct layout *l = state_layout(k->s->state, t);
    if (!l) return dim == t->ndim - 1 ? t->shape[dim] : 1;
    return l->phys[l->nphys - 1].dim != dim ? 1 : l->phys[l->nphys - 1].size ? l->phys[l->nphys - 1].size : t->shape[dim];
}

int gpu_lanes(const struct contraction *k, const struct tensor *t, int dim, int64_t of)
{
    for (int lanes = 16 / dt_bytes(t->dt); lanes > 4; lanes /= 2)
        if (gpu_run(k, t, dim) % lanes == 0 && t->shape[dim] % lanes == 0 && of % lanes == 0) return lanes;
    return 4;
}

const char *gpu_fuse(const struct contraction *k, const char *stage, int n, const char *const *axis, struct str *out)
{
    if (n == 1) return axis[0];
    const char *name = arena_printf(&k->s->c->arena, "%s_f", axis[0]);
    str_printf(out, "fuse %s.", stage);
    for (int i = 0; i < n; i++) str_printf(out, "%s ", axis[i]);
    str_printf(out, "-> %s\n", name);
    return name;
}

void gpu_spread(const struct contraction *k, const char *stage, int n, const char *const *axis, struct str *out)
{
    if (!n) return;
    const char *all = gpu_fuse(k, stage, n, axis, out);
    str_printf(out, "split %s.%s %d -> %s_b %s_t\nbind %s.%s_b blockIdx.x\nbind %s.%s_t threadIdx.x\n", stage, all, PLAIN_THREADS, all, all,
               stage, all, stage, all);
}

static bool goes_inline(const struct contraction *k, const struct tensor *t)
{
    bool in = t == k->w;
    for (int i = 0; i < k->ninline; i++) in |= k->inlined[i] == t;
    for (int i = 0; i < k->nxchain; i++) in |= k->xchain[i] == t;
    return in;
}

/* Stages that this sum needs and that are kernels of their own. */
static void others(const struct contraction *k, struct str *out)
{
    const struct state *st = k->s->state;
    for (int i = 0; i < st->nstage; i++) {
        const struct stage *g = st->stage[i];
        const char *axis[QJ_MAX_RANK];
        if (g == k->sum || g == k->last || g->attach != ATTACH_ROOT || stage_scheduled(g) || goes_inline(k, g->tensor)) continue;
        if (con_candidate(k->s, i)) continue; /* it has a template's steps to come */
        for (int d = 0; d < g->nroot_data; d++) axis[d] = g->iter[d].name;
        gpu_spread(k, g->tensor->name, g->nroot_data, axis, out);
    }
}

void gpu_inline(const struct contraction *k, struct str *out)
{
    for (int i = 0; i < k->ninline; i++) str_printf(out, "compute_inline %s\n", k->inlined[i]->name);
    for (int i = 0; i < k->nxchain; i++) str_printf(out, "compute_inline %s\n", k->xchain[i]->name);
    if (state_stage_of(k->s->state, k->w) >= 0 && k->w != k->x) str_printf(out, "compute_inline %s\n", k->w->name);
}

static void plain_steps(const struct contraction *k, const char *sum, struct str *out)
{
    const char *axis[QJ_MAX_RANK] = {NULL}, *last = k->last->tensor->name;
    int n = k->last->nroot_data;
    for (int i = 0; i < n; i++) axis[i] = k->last->iter[i].name;
    gpu_inline(k, out);
    gpu_spread(k, last, n, axis, out);
    str_printf(out, "compute_at %s %s.%s%s_t\n", sum, last, axis[0], n > 1 ? "_f" : "");
}

static void steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    const char *last = k->last->tensor->name, *sum = k->sum->tensor->name;
    if (k->last == k->sum) {
        sum = tmpl_fresh(k, arena_printf(&k->s->c->arena, "%s_acc", last));
        str_printf(out, "cache_write %s local -> %s\n", last, sum);
    }
    if (c->row && c->nr) gpu_gemm_steps(k, c, sum, out);
    else if (c->row) gpu_dot_steps(k, c, sum, out);
    else if (c->cols) gpu_depthwise_steps(k, c, sum, out);
    else plain_steps(k, sum, out);
    others(k, out);
}

const struct tmpl tmpl_gpu = {
    "gpu", "GPUs: tiles of pixels by channels for a block and for a thread, operands in shared memory; or a thread an element",
    fits, candidates, steps, .kind = TARGET_SIMT,
};
