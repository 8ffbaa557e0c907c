/* SPDX-License-Identifier: Apache-2.0 */
/* gpu_gemm.c - sums over channels on GPUs: convolution and dense layers as one product of matrices, whose rows are the
 * pixels of all images, one after the other, and whose columns are channels.
 *
 *     blockIdx: tiles of pixels, tiles of channels, groups     threadIdx: channels, pixels     a thread: mr by nr of them
 *     for window, for channels by `step` {
 *         fetch x and w into shared memory: [window][step / 4][pixel or channel][4]
 *         for window, for channels by 4 { mr * nr dot products of 4 }
 *     }
 *
 * Nothing is fetched twice in a step but what windows share. For dot products of 4 both operands lie so that four channels
 * of neighbours are 16 bytes: a load of a thread, no bank twice. For tensor cores rows lie whole, a thread's own rows together
 * and a gap behind them, for `ldmatrix`. Weights are packed ahead. Pixels, channels and terms that tiles do not divide are
 * zeros there: no thread asks whether its tile is whole before it stores.
 *
 * Knobs: mr nr, of a thread (of a lane, with tensor cores: a warp has 8 by 4 of them); rows cols, threads of a block along
 * pixels and channels; step, channels of a fetch. */
#include "schedule/templates/gpu.h"

enum { MOST_TAPS_BYTES = 128, MOST_PRODUCTS = 128 };

static int64_t padded(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

/* ---- a contraction as a product of matrices ---- */

struct gemm {
    const struct contraction *k;
    const char *sum, *last;         /* stages */
    int npix, pix[QJ_MAX_RANK];     /* data axes that make rows, as the output has them; those of extent 1 are none */
    int o;                          /* data axis of columns; -1: none */
    int64_t rows, cols, terms;
    double others;                  /* blocks beside these: groups, batches */
    int nwin, win[QJ_MAX_PHYS];     /* window axes, in over[] */
};

static bool gemm_of(const struct contraction *k, struct gemm *g)
{
    *g = (struct gemm){.k = k, .o = -1, .rows = 1, .cols = 1, .others = 1, .last = k->last->tensor->name};
    if (k->group < 0 || k->over[k->group].extent < 2) return false;
    for (int i = 0; i < k->ndata; i++)
        if (k->data[i].role == CON_CHANNEL && k->data[i].extent > g->cols) g->cols = k->data[g->o = i].extent;
    for (int d = 0; d < k->last->nroot_data; d++)
        for (int i = 0; i < k->ndata; i++) {
            if (strcmp(k->data[i].out, k->last->iter[d].name) || k->data[i].extent == 1) continue;
            if (k->data[i].role == CON_PIXEL) g->rows *= k->data[g->pix[g->npix++] = i].extent;
            else if (i != g->o) g->others *= (double)k->data[i].extent;
        }
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group) g->win[g->nwin++] = i;
    g->terms = k->over[k->group].extent;
    return g->rows > 1 || g->cols > 1;
}

/* What an instruction takes of a thread's tile; `warp`: 8 by 4 threads do it together. */
struct grip { int rows, cols, terms; bool warp; };
enum { LANES_M = 8, LANES_N = 4 };

static bool grip_of(const struct contraction *k, const struct intrin *in, struct grip *p)
{
    const struct meaning *m = in->meaning;
    if (m->nop != 3 || !m->accumulate || m->combiner != RED_SUM || m->naxes != m->nout + 1 || m->nout > 2) return false;
    if (m->op[0]->dt != DT_I32 || m->op[1]->dt != k->x->dt || m->op[2]->dt != k->w->dt) return false;
    *p = (struct grip){m->nout == 2 ? (int)m->axis[0]->extent : 1, m->nout ? (int)m->axis[m->nout - 1]->extent : 1,
                       (int)m->axis[m->nout]->extent, m->nlane > 0};
    if (p->warp) return m->nlane == 2 && m->lane[0]->extent == LANES_M && m->lane[1]->extent == LANES_N;
    return m->nout == 0 && p->terms == 4;
}

/* What a candidate comes to. */
struct plan {
    struct grip grip;
    int64_t rows, cols;             /* of a block */
    int64_t terms;                  /* with those that pad them to whole steps */
    int inner;                      /* window axes from here on lie inside a fetch, in win[] */
    int64_t taps, fetches;          /* of the window in a fetch; fetches of a block */
    int tx, ty;                     /* threads of a block, no more than the output has tiles for */
    int wm, wn;                     /* warps of a block along rows and columns, with tensor cores */
};

static struct plan plan_of(const struct gemm *g, const struct choice *c)
{
    struct plan p = {.rows = (int64_t)c->mr * c->rows, .cols = (int64_t)c->nr * c->cols, .terms = padded(g->terms, c->step),
                     .inner = g->nwin, .taps = 1, .fetches = 1};
    int64_t m = ceil_div(g->rows, c->mr), n = ceil_div(g->cols, c->nr);
    grip_of(g->k, c->row, &p.grip);
    p.ty = (int)i64_min(c->rows, m);
    p.tx = (int)i64_min(c->cols, n);
    if (p.grip.warp) {
        p.wm = (int)i64_min(c->rows / LANES_M, ceil_div(m, LANES_M));
        p.wn = (int)i64_min(c->cols / LANES_N, ceil_div(n, LANES_N));
        p.rows = (int64_t)c->mr * LANES_M * p.wm;
        p.cols = (int64_t)c->nr * LANES_N * p.wn;
        p.tx = LANES_M * LANES_N;
        p.ty = p.wm * p.wn;
    }
    while (p.inner > 0 && p.terms == c->step) {
        int64_t more = p.taps * g->k->over[g->win[p.inner - 1]].extent;
        if (more * c->step > MOST_TAPS_BYTES) break;
        p.taps = more;
        p.inner--;
    }
    for (int i = 0; i < p.inner; i++) p.fetches *= g->k->over[g->win[i]].extent;
    p.fetches *= p.terms / c->step;
    return p;
}

/* ---- candidates ---- */

const struct intrin *gpu_row_for(const struct contraction *k)
{
    const struct target *t = k->s->target;
    struct grip p;
    for (int i = 0; i < t->nintrin; i++)
        if (grip_of(k, &t->intrin[i], &p) && !p.warp) return &t->intrin[i];
    return NULL;
}

/* In clocks of a multiprocessor: products at the instruction's rate, 64 threads at a time; one unit for shared memory, 128
 * bytes a clock; four schedulers for the rest: a thread fetches `lanes` bytes at a time by some twenty instructions. */
static bool estimate(const struct gemm *g, struct choice *c, int lanes)
{
    const struct target *t = g->k->s->target;
    struct plan p = plan_of(g, c);
    double warps = (double)ceil_div((int64_t)p.tx * p.ty, t->family->simt->warp), terms = (double)(p.taps * c->step);
    double products = c->mr * c->nr / (2.0 * c->row->row->mac_per_cycle), regs = c->mr * c->nr + c->mr + 2 * c->nr + 40;
    int passes = c->step == 64 ? 1 : 2; /* a lane's two columns lie in banks of their own, or in another lane's */
    double loads = p.grip.warp ? (double)(c->mr * LANES_M + c->nr * LANES_N * passes) / 128 : (double)(ceil_div(c->mr, 4) + ceil_div(c->nr, 4)) / 2;
    double rest = p.grip.warp ? (double)(c->mr / p.grip.rows * (c->nr / p.grip.cols)) / 2 / p.grip.terms : 0.25;
    double most = products > loads ? products : loads, least = products > loads ? loads : products;
    double fetch = terms * ((double)p.rows * (lanes == 4 ? 40 : 24) / lanes + (double)p.cols * 8 / 16) / 32 / 4;
    struct gpu_load l = {
        .blocks = g->others * (double)ceil_div(g->rows, p.rows) * (double)ceil_div(g->cols, p.cols),
        .threads = p.tx * p.ty, .shared = p.taps * c->step * (p.rows + p.cols) * 5 / 4 * (p.fetches > 1 ? 2 : 1), .regs = (int)regs,
        .steps = (double)p.fetches * (c->async ? 0.3 : 1),
        .clocks = (double)p.fetches * (warps * terms * (most + least / 2 + rest) + fetch + 10) + warps * c->mr * c->nr * 8,
    };
    c->cycles = gpu_clocks(t, &l);
    return gpu_takes(t, &l);
}

/* x as it is in memory, but for zeros beside it. */
static bool copied(const struct contraction *k)
{
    for (int i = 0; i < k->nxchain; i++) {
        const struct expr *e = k->s->state->stage[state_stage_of(k->s->state, k->xchain[i])]->body;
        if (e->op == OP_SELECT && e->kid[2]->op == OP_INT && e->kid[2]->val.i == 0) e = e->kid[1];
        if (e->op != OP_READ) return false;
    }
    return true;
}

/* With tensor cores, whose operands lie as in memory: all of a fetch. */
static bool may_async(const struct gemm *g, const struct choice *c)
{
    const struct contraction *k = g->k;
    struct plan p = plan_of(g, c);
    return target_has(k->s->target, "sm_80") && p.grip.warp && p.fetches > 1 && k->wfixed && copied(k) &&
           gpu_run(k, k->xroot, k->xgroup) % 4 == 0 && g->terms % 4 == 0;
}

static void tiles_of(const struct gemm *g, const struct intrin *row, int mr, int nr, const int *steps, int nsteps, struct candidates *out)
{
    struct grip p;
    grip_of(g->k, row, &p);
    int rows = p.warp ? LANES_M : 1, cols = p.warp ? LANES_N : 1;
    if (p.warp && (ceil_div(g->rows, mr) < LANES_M || ceil_div(g->cols, nr) < LANES_N)) return; /* lanes without a tile */
    for (int r = rows; r <= 32 && (r == rows || (int64_t)(r / 2) * mr < g->rows); r *= 2)
        for (int o = cols; o <= (p.warp ? 16 : 64) && (o == cols || (int64_t)(o / 2) * nr < g->cols); o *= 2)
            for (int s = 0; s < nsteps && (s == 0 || steps[s - 1] < g->terms); s++) {
                struct choice c = {.row = row, .mr = mr, .nr = nr, .rows = r, .cols = o, .step = steps[s]};
                for (int async = 0; steps[s] % p.terms == 0 && async < 2; async++) {
                    c.async = async;
                    if (async && !may_async(g, &c)) break;
                    if (estimate(g, &c, gpu_lanes(g->k, g->k->xroot, g->k->xgroup, c.step))) cand_add(out, c);
                }
            }
}

void gpu_gemm_candidates(const struct contraction *k, struct candidates *out)
{
    static const int own[][2] = {{1, 4}, {2, 4}, {4, 4}, {4, 8}, {8, 4}, {8, 8}, {4, 1}, {8, 1}}, steps[] = {4, 8, 12, 16, 20, 24, 28, 32, 48, 64, 96, 128},
                     lane[][2] = {{2, 4}, {2, 8}, {4, 4}, {4, 8}, {8, 8}, {4, 16}, {8, 16}}, wide[] = {16, 32, 64, 128};
    const struct target *t = k->s->target;
    struct gemm g;
    struct grip p;
    if (!gemm_of(k, &g)) return;
    for (int i = 0; i < t->nintrin; i++) {
        if (!grip_of(k, &t->intrin[i], &p)) continue;
        for (size_t n = 0; p.warp && g.npix && g.o >= 0 && n < ARRAY_LEN(lane); n++)
            tiles_of(&g, &t->intrin[i], lane[n][0], lane[n][1], wide, ARRAY_LEN(wide), out);
        for (size_t n = 0; !p.warp && n < ARRAY_LEN(own); n++)
            if ((g.cols == 1) == (own[n][1] == 1) && (g.rows == 1) <= (own[n][0] == 1))
                tiles_of(&g, &t->intrin[i], own[n][0], own[n][1], steps, ARRAY_LEN(steps), out);
    }
}

/* ---- steps ---- */

/* A copy of an operand by the sum's axes, and what each of its dimensions is. */
struct copy {
    const char *name;
    int n, row, group;              /* row, group: dimensions; -1: none */
    const char *axis[QJ_MAX_RANK];
};

static struct copy copy_of(const struct gemm *g, const struct expr *read, const char *name, const char *pixels)
{
    const struct contraction *k = g->k;
    struct copy c = {.name = name, .row = -1, .group = -1};
    for (int i = 0; i < k->sum->nroot; i++) {
        int over = i - k->sum->nroot_data, at = 0;
        if (k->sum->root_extent[i] == 1 || !ir_uses(read, k->sum->root_var[i])) continue;
        while (at < g->npix && g->pix[at] != i) at++;
        if (at > 0 && at < g->npix) continue; /* merged into the first */
        if (at < g->npix || i == g->o) c.row = c.n;
        if (over == k->group) c.group = c.n;
        c.axis[c.n++] = at < g->npix ? pixels : k->sum->iter[i].name;
    }
    return c;
}

/* As a layout, [others][group / 4][row][4]. With tensor cores
 * [others][row / own][own][group], and a gap, for a thread's own rows. */
static void lay(const struct copy *c, const struct plan *p, int own, struct str *out)
{
    char r = (char)('A' + c->row), g = (char)('A' + c->group);
    str_printf(out, "transform_layout %s ", c->name);
    for (int i = 0; i < c->n; i++)
        if (i != c->row && i != c->group) str_putc(out, (char)('A' + i));
    if (p->grip.warp) str_printf(out, "%c%d%c%c axes=%.*s\nstorage_align %s.%s 128 16\n", r, own, r + 32, g, c->n, "ABCDEFGH", c->name, c->axis[c->row]);
    if (p->grip.warp) return;
    str_putc(out, g);
    if (c->row >= 0) str_putc(out, r);
    str_printf(out, "4%c axes=%.*s\n", g + 32, c->n, "ABCDEFGH");
}

/* The loops of a copy, those of a vector last: [others][group / lanes][row][lanes], or [others][row][group / lanes][lanes]
 * where rows lie whole. All but the vector are one, whose name is the result. planes, of columns: a vector is 4 of them by 4. */
static const char *copy_loops(const struct gemm *g, const struct copy *c, int lanes, int planes, bool whole, struct str *out)
{
    struct arena *a = &g->k->s->c->arena;
    const char *group = c->axis[c->group], *row = c->row < 0 ? NULL : c->axis[c->row], *in[QJ_MAX_RANK + 2];
    int n = 0;
    bool rows = planes && row;
    str_printf(out, "split %s.%s %d -> %s_l %s_v\n", c->name, group, lanes, group, group);
    if (rows) str_printf(out, "split %s.%s %d -> %s_t %s_r\nsplit %s.%s_r 4 -> %s_l %s_v\n", c->name, row, 4 * planes, row, row, c->name, row, row, row);
    for (int i = 0; i < c->n; i++)
        if (i != c->row && i != c->group) in[n++] = c->axis[i];
    if (row && whole) in[n++] = row;
    in[n++] = arena_printf(a, "%s_l", group);
    if (rows) in[n++] = arena_printf(a, "%s_l", row);
    if (row && !whole) in[n++] = rows ? arena_printf(a, "%s_t", row) : row;
    str_printf(out, "reorder %s", c->name);
    for (int i = 0; i < n; i++) str_printf(out, " %s", in[i]);
    if (rows) str_printf(out, " %s_v", row);
    str_printf(out, " %s_v\n", group);
    const char *vector = arena_printf(a, "%s_v", group);
    if (rows) vector = gpu_fuse(g->k, c->name, 2, (const char *const[]){arena_printf(a, "%s_v", row), vector}, out);
    str_printf(out, "vectorize %s.%s\n", c->name, vector);
    return gpu_fuse(g->k, c->name, n, in, out);
}

/* By all threads of a block. */
static void fetch(const struct gemm *g, const struct plan *p, const struct copy *t, int lanes, int planes, struct str *out)
{
    const char *f = copy_loops(g, t, lanes, planes, p->grip.warp && lanes * dt_bytes(g->k->x->dt) == 16, out);
    str_printf(out, "split %s.%s %d -> %s_q %s_x\nbind %s.%s_x threadIdx.x\n", t->name, f, p->tx, f, f, t->name, f);
    str_printf(out, "split %s.%s_q %d -> %s_p %s_y\nbind %s.%s_y threadIdx.y\n", t->name, f, p->ty, f, f, t->name, f);
}

/* Along which axis the output's neighbours in memory lie. */
static bool stored_by_pixels(const struct gemm *g)
{
    const struct stage *last = g->k->last;
    const struct layout *l = state_layout(g->k->s->state, last->tensor);
    int inner = l ? l->phys[l->nphys - 1].dim : last->nroot_data - 1;
    return g->npix && !strcmp(last->iter[inner].name, g->k->data[g->pix[g->npix - 1]].out);
}

/* One axis of the last stage over blocks, threads and a thread's own: AXIS_b, _t, _v; with tensor cores AXIS_b, warps AXIS_w,
 * lanes AXIS_t, AXIS_v, from within: a warp has all its lanes though the output ends in it. */
static void cut(const struct gemm *g, const struct plan *p, const char *a, int64_t tile, int own, int lanes, int warps, struct str *out)
{
    if (p->grip.warp)
        str_printf(out, "split %s.%s %d -> %s_q %s_v\nsplit %s.%s_q %d -> %s_p %s_t\nsplit %s.%s_p %d -> %s_b %s_w\n", g->last, a, own, a, a, g->last,
                   a, lanes, a, a, g->last, a, warps, a, a);
    else
        str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r %d -> %s_t %s_v\n", g->last, a, (int)tile, a, a, g->last, a, own, a, a);
}

/* The loops of the last stage; the innermost that is a thread's is the result. */
static const char *tile_loops(const struct gemm *g, const struct choice *c, const struct plan *p, struct str *out)
{
    const struct contraction *k = g->k;
    struct arena *a = &k->s->c->arena;
    const char *last = g->last, *rest[QJ_MAX_RANK], *pix[QJ_MAX_RANK], *x = NULL, *o = g->o < 0 ? NULL : k->data[g->o].out;
    int n = 0;
    for (int i = 0; i < g->npix; i++) pix[i] = k->data[g->pix[i]].out;
    for (int d = 0; d < k->last->nroot_data; d++) {
        bool tiled = o && !strcmp(k->last->iter[d].name, o);
        for (int i = 0; i < g->npix; i++) tiled |= !strcmp(k->last->iter[d].name, pix[i]);
        if (!tiled) rest[n++] = k->last->iter[d].name;
    }
    str_printf(out, "reorder %s", last);
    for (int i = 0; i < n; i++) str_printf(out, " %s", rest[i]);
    for (int i = 0; i < g->npix; i++) str_printf(out, " %s", pix[i]);
    str_printf(out, "%s%s\n", o ? " " : "", o ? o : "");
    if (n) str_printf(out, "bind %s.%s blockIdx.z\n", last, gpu_fuse(k, last, n, rest, out));
    if (g->npix) x = gpu_fuse(k, last, g->npix, pix, out);
    if (x) cut(g, p, x, p->rows, c->mr, LANES_M, p->wm, out);
    if (o) cut(g, p, o, p->cols, c->nr, LANES_N, p->wn, out);
    bool along = stored_by_pixels(g);
    const char *outer = along ? o : x, *inner = along ? x : o, *thread = arena_printf(a, "%s_t", o ? o : x);
    if (p->grip.warp) {
        thread = arena_printf(a, "%s_l", x);
        str_printf(out, "reorder %s %s_b %s_b %s_w %s_w %s_t %s_t %s_v %s_v\n", last, x, o, x, o, x, o, outer, inner);
        str_printf(out, "fuse %s.%s_w %s_w -> %s_y\nfuse %s.%s_t %s_t -> %s\n", last, x, o, x, last, x, o, thread);
        str_printf(out, "bind %s.%s_y threadIdx.y\nbind %s.%s threadIdx.x\n", last, x, last, thread);
    } else {
        if (x && o) str_printf(out, "reorder %s %s_b %s_b %s_t %s_t %s_v %s_v\n", last, x, o, x, o, outer, inner);
        if (x) str_printf(out, "bind %s.%s_t threadIdx.y\n", last, x);
        if (o) str_printf(out, "bind %s.%s_t threadIdx.x\n", last, o);
    }
    if (x) str_printf(out, "bind %s.%s_b blockIdx.x\n", last, x);
    if (o) str_printf(out, "bind %s.%s_b blockIdx.y\n", last, o);
    if (outer) str_printf(out, "unroll %s.%s_v\n", last, outer);
    if (inner) str_printf(out, "vectorize %s.%s_v\n", last, inner);
    return thread;
}

/* The sum's loops: window and steps outside of a fetch, window and groups of terms inside, then a thread's tile. The loop of
 * fetches is the result. */
static const char *sum_loops(const struct gemm *g, const struct choice *c, const struct plan *p, const char *x, struct str *out)
{
    const struct contraction *k = g->k;
    const struct grip *in = &p->grip;
    const char *s = g->sum, *t = k->over[k->group].name, *o = g->o < 0 ? NULL : k->data[g->o].name;
    int ahead = 1, products = c->mr / in->rows * (c->nr / in->cols);
    while (ahead < 4 && 2 * ahead * products <= MOST_PRODUCTS && c->step / in->terms % (2 * ahead) == 0) ahead *= 2;
    str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r %d -> %s_g %s_v\nsplit %s.%s_g %d -> %s_h %s_u\n", s, t, c->step, t, t,
               s, t, in->terms, t, t, s, t, ahead, t, t);
    if (x && in->rows > 1) str_printf(out, "split %s.%s %d -> %s_o %s_a\n", s, x, in->rows, x, x);
    if (o && in->cols > 1) str_printf(out, "split %s.%s %d -> %s_o %s_a\n", s, o, in->cols, o, o);
    str_printf(out, "reorder %s", s);
    for (int i = 0; i < k->ndata; i++) { /* groups, batches, images of which there is one */
        bool own = i == g->o;
        for (int n = 0; n < g->npix; n++) own |= i == g->pix[n];
        if (!own) str_printf(out, " %s", k->data[i].name);
    }
    for (int i = 0; i < g->nwin; i++) {
        if (i == p->inner) str_printf(out, " %s_b", t);
        str_printf(out, " %s", k->over[g->win[i]].name);
    }
    if (p->inner == g->nwin) str_printf(out, " %s_b", t);
    str_printf(out, " %s_h %s_u", t, t);
    const char *xo = in->rows > 1 ? "_o" : "", *oo = in->cols > 1 ? "_o" : "";
    if (x) str_printf(out, " %s%s", x, xo);
    if (o) str_printf(out, " %s%s", o, oo);
    if (x && in->rows > 1) str_printf(out, " %s_a", x);
    if (o && in->cols > 1) str_printf(out, " %s_a", o);
    str_printf(out, " %s_v\nunroll %s.%s_u\n", t, s, t);
    if (x) str_printf(out, "unroll %s.%s%s\n", s, x, xo);
    if (o) str_printf(out, "unroll %s.%s%s\n", s, o, oo);
    const char *outer[QJ_MAX_PHYS];
    int n = 0;
    for (int i = 0; i < p->inner; i++) outer[n++] = k->over[g->win[i]].name;
    outer[n++] = arena_printf(&k->s->c->arena, "%s_b", t);
    return gpu_fuse(k, s, n, outer, out);
}

/* Last of all: guards that only some threads pass are inside of fetches by now, where a warp may not meet them. */
static void tensorize(const struct gemm *g, const struct choice *c, const struct grip *in, const char *x, struct str *out)
{
    const struct contraction *k = g->k;
    const char *t = k->over[k->group].name, *o = g->o < 0 ? NULL : k->data[g->o].name;
    str_printf(out, "tensorize %s.%s_%c %s\n", g->sum, x && in->rows > 1 ? x : o && in->cols > 1 ? o : t, in->cols > 1 ? 'a' : 'v',
               c->row->row->name);
}

void gpu_gemm_steps(const struct contraction *k, const struct choice *c, const char *sum, struct str *out)
{
    struct arena *a = &k->s->c->arena;
    struct gemm g;
    if (!gemm_of(k, &g)) return;
    g.sum = sum;
    struct plan p = plan_of(&g, c);
    const char *pixels = g.npix ? k->data[g.pix[0]].name : NULL, *t = k->over[k->group].name, *o = g.o < 0 ? NULL : k->data[g.o].name;
    const char *name = g.npix > 1 ? arena_printf(a, "%s_p", pixels) : pixels;
    for (int i = 1; i < g.npix; i++) str_printf(out, "merge %s.%s %s -> %s\n", sum, i > 1 ? name : pixels, k->data[g.pix[i]].name, name);
    pixels = name;
    const char *xs = tmpl_fresh(k, arena_printf(a, "%s_s", k->x->name)), *ws = tmpl_fresh(k, arena_printf(a, "%s_s", k->w->name)),
               *wp = k->wfixed ? tmpl_fresh(k, arena_printf(a, "%s_p", k->w->name)) : NULL;
    str_printf(out, "reindex %s %s -> %s\nset_scope %s shared\nreindex %s %s -> %s\n", k->x->name, sum, xs, xs, k->w->name, sum, wp ? wp : ws);
    if (wp) str_printf(out, "cache_read %s shared %s -> %s\n", wp, sum, ws);
    else str_printf(out, "set_scope %s shared\n", ws);
    gpu_inline(k, out);
    if (g.terms % c->step) str_printf(out, "pad %s.%s %d\n", sum, t, c->step);
    if (g.npix && g.rows % p.rows) str_printf(out, "pad %s.%s %d\n", sum, pixels, (int)p.rows);
    if (o && g.cols % p.cols) str_printf(out, "pad %s.%s %d\n", sum, o, (int)p.cols);

    struct copy xc = copy_of(&g, k->xread, xs, pixels), wc = copy_of(&g, k->wread, ws, pixels);
    int planes = p.grip.warp ? 0 : c->nr > 4 ? c->nr / 4 : 1;
    lay(&xc, &p, p.grip.warp ? c->mr : 1, out);
    lay(&wc, &p, c->nr, out);
    if (wp) {
        struct copy pc = wc;
        pc.name = wp;
        if (!p.grip.warp) lay(&pc, &p, c->nr, out);
        const char *f = copy_loops(&g, &pc, 4, 0, p.grip.warp, out);
        gpu_spread(k, wp, 1, &f, out);
    }
    str_printf(out, "compute_at %s %s.%s\n", sum, g.last, tile_loops(&g, c, &p, out));
    const char *each = sum_loops(&g, c, &p, pixels, out);
    str_printf(out, "compute_at %s %s.%s\ncompute_at %s %s.%s\n", xs, sum, each, ws, sum, each);
    fetch(&g, &p, &xc, gpu_lanes(k, k->xroot, k->xgroup, c->step), 0, out);
    if (wp) fetch(&g, &p, &wc, p.grip.warp ? 16 : 4, planes, out);
    else fetch(&g, &p, &wc, gpu_lanes(k, k->w, k->wgroup, c->step), 0, out);
    if (p.fetches > 1) str_printf(out, "double_buffer %s\ndouble_buffer %s\n", xs, ws);
    if (c->async) str_printf(out, "async %s\nasync %s\n", xs, ws);
    tensorize(&g, c, &p.grip, pixels, out);
}
