/* SPDX-License-Identifier: Apache-2.0 */
/* gpu.c - the template of GPUs: a block computes a tile of pixels by channels, a thread a smaller one in its
 * registers, and the block's threads fetch what they all need into shared memory, some channels at a time.
 *
 *     blockIdx: other axes, x_b, o_b     threadIdx: x_t, o_t     a thread: mr pixels by nr channels
 *     for r { for c_b { fetch x and w;  for s { for c_g { mr * nr dot products } } } }
 *
 * Weights are packed ahead so that four channels of nr outputs are neighbours: 16 bytes a load, no bank twice. Sums
 * without channels to share (depthwise), and types that no instruction takes, are a thread an element. Knobs: mr nr,
 * and rows, the threads of a block along the pixels. */
#include "schedule/templates/template.h"

enum { THREADS_O = 16, SHARED_MOST = 24 << 10, PLAIN_THREADS = 128, MOST_WARPS = 108 * 16 };

static int64_t padded(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

static bool fits(const struct contraction *k, const char **why)
{
    (void)why;
    return k->ndata > 0;
}

/* ---- what a candidate comes to ---- */

struct plan {
    int x, o;                   /* data axes of the tile; -1: none */
    int tx, ty;                 /* threads along channels, pixels */
    int64_t xtile, otile, chunk;    /* of a block; channels fetched at a time */
    int first;                  /* the outermost window axis, in over[]; -1: none. The others lie inside a fetch */
};

static struct plan plan_of(const struct contraction *k, const struct choice *c)
{
    struct plan p = {.x = -1, .o = -1, .first = -1};
    for (int i = 0; i < k->ndata; i++) {
        if (k->data[i].role == CON_CHANNEL && (p.o < 0 || k->data[i].extent > k->data[p.o].extent)) p.o = i;
        if (k->data[i].role == CON_PIXEL && (p.x < 0 || k->data[i].extent > 1)) p.x = i; /* the innermost */
    }
    if (p.x < 0 || p.o < 0) return p;
    p.ty = c->rows;
    p.tx = (int)i64_min(THREADS_O, ceil_div(k->data[p.o].extent, c->nr));
    p.xtile = (int64_t)c->mr * p.ty;
    p.otile = (int64_t)c->nr * p.tx;
    int64_t window = 1, wide = p.xtile;
    for (int i = 0; i < k->nsum; i++) {
        if (i == k->group) continue;
        if (p.first < 0) p.first = i;
        else window *= k->over[i].extent, wide += k->over[i].extent;
    }
    for (p.chunk = 64; p.chunk > 4; p.chunk /= 2)
        if (padded(k->over[k->group].extent, 4) % p.chunk == 0 && p.chunk * (window * p.otile + wide * 2) <= SHARED_MOST) break;
    return p;
}

static const struct intrin *row_for(const struct contraction *k)
{
    const struct target *t = k->s->target;
    for (int i = 0; i < t->nintrin && k->group >= 0; i++) {
        const struct meaning *m = t->intrin[i].meaning;
        if (m->nop == 3 && m->nout == 0 && m->naxes == 1 && m->axis[0]->extent == 4 && m->op[1]->dt == k->x->dt && m->op[2]->dt == k->w->dt)
            return &t->intrin[i];
    }
    return NULL;
}

/* Issue slots of a multiprocessor: dot products, the loads that feed them, and what lies idle. */
static double cycles_of(const struct contraction *k, const struct choice *c, const struct plan *p)
{
    double blocks = 1, terms = 1;
    for (int i = 0; i < k->ndata; i++) {
        int64_t n = k->data[i].extent;
        blocks *= (double)(i == p->x ? ceil_div(n, p->xtile) : i == p->o ? ceil_div(n, p->otile) : n);
    }
    for (int i = 0; i < k->nsum; i++) terms *= (double)padded(k->over[i].extent, i == k->group ? 4 : 1);
    double dots = c->mr * c->nr, loads = c->mr + (double)ceil_div(c->nr, 4);
    double warps = blocks * (double)ceil_div((int64_t)p->tx * p->ty, 32), busy = warps < MOST_WARPS ? warps : MOST_WARPS;
    return warps * terms / 4 * (dots + 2 * loads + 2) / busy;
}

static void candidates(const struct contraction *k, struct candidates *out)
{
    static const int tiles[][2] = {{4, 4}, {8, 4}, {2, 4}, {1, 4}, {8, 8}, {4, 8}};
    static const int rows[] = {1, 2, 4, 7, 8, 16};
    const struct intrin *row = row_for(k);
    for (size_t t = 0; row && t < ARRAY_LEN(tiles); t++)
        for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
            struct choice c = {.row = row, .mr = tiles[t][0], .nr = tiles[t][1], .rows = rows[r]};
            struct plan p = plan_of(k, &c);
            if (p.x < 0 || p.o < 0 || (r > 0 && p.xtile - c.mr >= k->data[p.x].extent)) continue;
            c.cycles = cycles_of(k, &c, &p);
            cand_add(out, c);
        }
    double macs = 1;
    for (int i = 0; i < k->ndata; i++) macs *= (double)k->data[i].extent;
    for (int i = 0; i < k->nsum; i++) macs *= (double)k->over[i].extent;
    cand_add(out, (struct choice){.cycles = 1e6 + macs}); /* where nothing else works */
}

/* ---- steps ---- */

/* Elements over threads: all data axes of a stage, one after the other. */
static void spread(const char *stage, int n, const char *const *axis, struct str *out)
{
    const char *all = n == 1 ? axis[0] : "e";
    if (!n) return;
    if (n > 1) str_printf(out, "fuse %s.", stage);
    for (int i = 0; i < n && n > 1; i++) str_printf(out, "%s%s", i ? " " : "", axis[i]);
    if (n > 1) str_put(out, " -> e\n");
    str_printf(out, "split %s.%s %d -> e_b e_t\nbind %s.e_b blockIdx.x\nbind %s.e_t threadIdx.x\n", stage, all, PLAIN_THREADS, stage,
               stage);
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
        spread(g->tensor->name, g->nroot_data, axis, out);
    }
}

static void inline_all(const struct contraction *k, bool weights, struct str *out)
{
    for (int i = 0; i < k->ninline; i++) str_printf(out, "compute_inline %s\n", k->inlined[i]->name);
    for (int i = 0; i < k->nxchain; i++) str_printf(out, "compute_inline %s\n", k->xchain[i]->name);
    if (weights && state_stage_of(k->s->state, k->w) >= 0 && k->w != k->x) str_printf(out, "compute_inline %s\n", k->w->name);
}

static void plain_steps(const struct contraction *k, const char *sum, struct str *out)
{
    const char *axis[QJ_MAX_RANK], *last = k->last->tensor->name;
    for (int i = 0; i < k->last->nroot_data; i++) axis[i] = k->last->iter[i].name;
    spread(last, k->last->nroot_data, axis, out);
    str_printf(out, "compute_at %s %s.e_t\n", sum, last);
}

/* Letters of a tensor's dimensions: all but two in order, then GROUP [MIDDLE] 4group. */
static void layout(int ndim, int group, int middle, struct str *out)
{
    for (int i = 0; i < ndim; i++)
        if (i != group && i != middle) str_putc(out, (char)('A' + i));
    str_putc(out, (char)('A' + group));
    if (middle >= 0) str_putc(out, (char)('A' + middle));
    str_printf(out, "4%c axes=%.*s\n", 'a' + group, ndim, "ABCDEFGH");
}

/* A fused loop `f` by all threads, `lanes` elements each at a time. */
static void fetch(const char *stage, int lanes, const struct plan *p, struct str *out)
{
    const char *left = lanes > 1 ? "f_t" : "f";
    if (lanes > 1) str_printf(out, "split %s.f %d -> f_t f_v\nvectorize %s.f_v\n", stage, lanes, stage);
    str_printf(out, "split %s.%s %d -> f_q f_x\nbind %s.f_x threadIdx.x\n", stage, left, p->tx, stage);
    str_printf(out, "split %s.f_q %d -> f_p f_y\nbind %s.f_y threadIdx.y\n", stage, p->ty, stage);
}

/* The dimension of w that channel axis o indexes alone; -1: none. */
static int channel_dim(const struct contraction *k, int o)
{
    for (int i = 0; i < k->w->ndim; i++)
        if (k->wread->kid[i]->op == OP_VAR && k->wread->kid[i]->val.var == k->sum->root_var[o]) return i;
    return -1;
}

/* Loops of a copy of w as they lie in memory, all of them one; `inner`: the four channels too. */
static void weight_loops(const struct contraction *k, const char *stage, int channel, bool inner, struct str *out)
{
    const char *g = k->w->dim_name[k->wgroup], *o = k->w->dim_name[channel];
    const char *const verb[2] = {arena_printf(&k->s->c->arena, "reorder %s ", stage), arena_printf(&k->s->c->arena, "fuse %s.", stage)};
    str_printf(out, "split %s.%s 4 -> g_4 g_1\n", stage, g);
    for (int i = 0; i < 2; i++) {
        str_put(out, verb[i]);
        for (int d = 0; d < k->w->ndim; d++)
            if (d != k->wgroup && d != channel) str_printf(out, "%s ", k->w->dim_name[d]);
        str_printf(out, "g_4 %s%s%s\n", o, !i || inner ? " g_1" : "", i ? " -> f" : "");
    }
}

static void tile_loops(const struct contraction *k, const struct choice *c, const struct plan *p, struct str *out)
{
    const char *last = k->last->tensor->name, *x = k->data[p->x].out, *o = k->data[p->o].out, *rest[QJ_MAX_RANK];
    int n = 0;
    str_printf(out, "split %s.%s %d -> x_b x_r\nsplit %s.x_r %d -> x_t x_v\n", last, x, (int)p->xtile, last, c->mr);
    str_printf(out, "split %s.%s %d -> o_b o_r\nsplit %s.o_r %d -> o_t o_v\n", last, o, (int)p->otile, last, c->nr);
    for (int i = 0; i < k->last->nroot_data; i++)
        if (strcmp(k->last->iter[i].name, x) && strcmp(k->last->iter[i].name, o)) rest[n++] = k->last->iter[i].name;
    str_printf(out, "reorder %s", last);
    for (int i = 0; i < n; i++) str_printf(out, " %s", rest[i]);
    str_put(out, " x_b o_b x_t o_t x_v o_v\n");
    if (n > 1) str_printf(out, "fuse %s.", last);
    for (int i = 0; i < n && n > 1; i++) str_printf(out, "%s ", rest[i]);
    if (n > 1) str_put(out, "-> z_b\n");
    if (n) str_printf(out, "bind %s.%s blockIdx.z\n", last, n > 1 ? "z_b" : rest[0]);
    str_printf(out, "bind %s.x_b blockIdx.y\nbind %s.o_b blockIdx.x\nbind %s.x_t threadIdx.y\nbind %s.o_t threadIdx.x\n", last, last,
               last, last);
    str_printf(out, "unroll %s.x_v\nvectorize %s.o_v\n", last, last);
}

static void sum_loops(const struct contraction *k, const struct choice *c, const struct plan *p, const char *sum, struct str *out)
{
    const char *g = k->over[k->group].name, *x = k->data[p->x].name, *o = k->data[p->o].name;
    str_printf(out, "split %s.%s %d -> g_b g_r\nsplit %s.g_r 4 -> g_g g_v\nreorder %s", sum, g, (int)p->chunk, sum, sum);
    if (p->first >= 0) str_printf(out, " %s", k->over[p->first].name);
    str_put(out, " g_b");
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group && i != p->first) str_printf(out, " %s", k->over[i].name);
    str_printf(out, " g_g %s %s g_v\ntensorize %s.g_v %s\nunroll %s.%s\nunroll %s.%s\n", x, o, sum, c->row->row->name, sum, x, sum, o);
}

static void steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    struct arena *a = &k->s->c->arena;
    const char *last = k->last->tensor->name, *sum = k->sum->tensor->name;
    if (k->last == k->sum) {
        sum = tmpl_fresh(k, arena_printf(a, "%s_acc", last));
        str_printf(out, "cache_write %s local -> %s\n", last, sum);
    }
    if (!c->row) {
        inline_all(k, true, out);
        plain_steps(k, sum, out);
        others(k, out);
        return;
    }
    struct plan p = plan_of(k, c);
    int channel = channel_dim(k, p.o), n = k->x->ndim;
    const char *xs = tmpl_fresh(k, arena_printf(a, "%s_s", k->x->name)), *wp = tmpl_fresh(k, arena_printf(a, "%s_p", k->w->name)),
               *ws = tmpl_fresh(k, arena_printf(a, "%s_s", k->w->name));
    if (channel < 0) return; /* no steps: refused, the next candidate is tried */
    str_printf(out, "cache_read %s shared %s -> %s\ncache_read %s global %s -> %s\n", k->x->name, sum, xs, k->w->name, sum, wp);
    str_printf(out, "cache_read %s shared %s -> %s\n", wp, sum, ws);
    inline_all(k, true, out);
    if (k->over[k->group].extent % 4) str_printf(out, "pad %s.%s 4\n", sum, k->over[k->group].name);
    str_printf(out, "transform_layout %s ", wp);
    layout(k->w->ndim, k->wgroup, channel, out);
    str_printf(out, "transform_layout %s ", ws);
    layout(k->w->ndim, k->wgroup, channel, out);
    weight_loops(k, wp, channel, false, out);
    str_printf(out, "split %s.f %d -> f_b f_t\nbind %s.f_b blockIdx.x\nbind %s.f_t threadIdx.x\n", wp, PLAIN_THREADS, wp, wp);
    tile_loops(k, c, &p, out);
    str_printf(out, "compute_at %s %s.o_t\n", sum, last);
    sum_loops(k, c, &p, sum, out);
    str_printf(out, "compute_at %s %s.g_b\ncompute_at %s %s.g_b\n", xs, sum, ws, sum);
    bool lies = k->xgroup == n - 1; /* channels innermost */
    int64_t c_all = k->over[k->group].extent, whole = !lies ? 1 : p.chunk % 16 == 0 && c_all % 16 == 0 ? 16 : c_all % 4 == 0 ? 4 : 1;
    if (!lies) str_printf(out, "transform_layout %s ", xs);
    if (!lies) layout(n, k->xgroup, -1, out);
    str_printf(out, n > 1 ? "fuse %s." : "split %s.", xs);
    for (int i = 0; i < n; i++) str_printf(out, "%s ", k->x->dim_name[i]);
    str_put(out, n > 1 ? "-> f\n" : "1 -> f f_1\n");
    fetch(xs, (int)whole, &p, out);
    weight_loops(k, ws, channel, true, out);
    fetch(ws, 16, &p, out);
    others(k, out);
}

const struct tmpl tmpl_gpu = {
    "gpu", "GPUs: tiles of pixels by channels for a block and for a thread, operands in shared memory; or a thread an element",
    fits, candidates, steps, .kind = TARGET_SIMT,
};
