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
 * Nothing is fetched twice in a step but what windows share. Both operands lie so that four channels of neighbours are 16
 * bytes: a load of a thread, no bank twice. Weights are packed ahead in the same order. Pixels, channels and terms that
 * tiles do not divide are zeros there: no thread asks whether its tile is whole before it stores.
 *
 * Knobs: mr nr, of a thread; rows cols, threads of a block along pixels and channels; step, channels of a fetch. */
#include "schedule/templates/gpu.h"

enum { MOST_TAPS_BYTES = 128, MOST_DOTS = 128 };

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

/* What a candidate comes to. */
struct plan {
    int64_t rows, cols;             /* of a block */
    int64_t terms;                  /* with those that pad them to whole steps */
    int inner;                      /* window axes from here on lie inside a fetch, in win[] */
    int64_t taps, fetches;          /* of the window in a fetch; fetches of a block */
};

static struct plan plan_of(const struct gemm *g, const struct choice *c)
{
    struct plan p = {.rows = (int64_t)c->mr * c->rows, .cols = (int64_t)c->nr * c->cols, .terms = padded(g->terms, c->step),
                     .inner = g->nwin, .taps = 1, .fetches = 1};
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
    for (int i = 0; i < t->nintrin; i++) {
        const struct meaning *m = t->intrin[i].meaning;
        if (m->nop == 3 && m->nout == 0 && m->naxes == 1 && m->axis[0]->extent == 4 && m->op[1]->dt == k->x->dt && m->op[2]->dt == k->w->dt)
            return &t->intrin[i];
    }
    return NULL;
}

/* Four schedulers issue to 16 dot products each and one unit for shared memory, 128 bytes a clock; a thread fetches
 * `lanes` bytes at a time by some twenty instructions. */
static bool estimate(const struct gemm *g, struct choice *c, int lanes)
{
    const struct target *t = g->k->s->target;
    struct plan p = plan_of(g, c);
    double warps = (double)ceil_div((int64_t)c->rows * c->cols, t->family->simt->warp), fours = (double)(p.taps * c->step / 4);
    double dots = c->mr * c->nr * 0.5, loads = (double)(ceil_div(c->mr, 4) + ceil_div(c->nr, 4)) * 2, fetched = (double)(p.taps * c->step);
    double fetch = fetched * ((double)p.rows * (lanes == 4 ? 40 : 24) / lanes + (double)p.cols * 8 / 16) / 32 / 4;
    struct gpu_load l = {
        .blocks = g->others * (double)ceil_div(g->rows, p.rows) * (double)ceil_div(g->cols, p.cols),
        .threads = c->rows * c->cols, .shared = p.taps * c->step * (p.rows + p.cols),
        .regs = c->mr * c->nr + c->mr + 2 * c->nr + 40, .steps = (double)p.fetches,
        .clocks = (double)p.fetches * (warps * fours * (dots + (loads > dots ? loads - dots / 2 : loads / 2) + 1) + fetch + 10) + warps * c->mr * c->nr * 8,
    };
    c->cycles = gpu_clocks(t, &l);
    return gpu_takes(t, &l);
}

void gpu_gemm_candidates(const struct contraction *k, struct candidates *out)
{
    static const int tiles[][2] = {{1, 4}, {2, 4}, {4, 4}, {4, 8}, {8, 4}, {8, 8}, {4, 1}, {8, 1}}, rows[] = {1, 2, 4, 8, 16, 32},
                     cols[] = {1, 2, 4, 8, 16, 32, 64}, steps[] = {4, 8, 12, 16, 20, 24, 28, 32, 48, 64, 96, 128};
    const struct intrin *row = gpu_row_for(k);
    struct gemm g;
    if (!row || !gemm_of(k, &g)) return;
    for (size_t t = 0; t < ARRAY_LEN(tiles); t++) {
        if ((g.cols == 1) != (tiles[t][1] == 1) || (g.rows == 1) > (tiles[t][0] == 1)) continue;
        for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
            if (r && (int64_t)rows[r - 1] * tiles[t][0] >= g.rows) break;
            for (size_t o = 0; o < ARRAY_LEN(cols); o++) {
                if (o && (int64_t)cols[o - 1] * tiles[t][1] >= g.cols) break;
                for (size_t s = 0; s < ARRAY_LEN(steps); s++) {
                    if (s && steps[s - 1] >= g.terms) break;
                    struct choice c = {.row = row, .mr = tiles[t][0], .nr = tiles[t][1], .rows = rows[r], .cols = cols[o], .step = steps[s]};
                    if (estimate(&g, &c, gpu_lanes(k, k->xroot, k->xgroup, c.step))) cand_add(out, c);
                }
            }
        }
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

/* [others][group / 4][planes][row][4 of it][4], as a layout; a thread's nr columns lie in planes of 4. */
static void lay(const struct copy *c, int planes, struct str *out)
{
    char r = (char)('A' + c->row), g = (char)('A' + c->group);
    str_printf(out, "transform_layout %s ", c->name);
    for (int i = 0; i < c->n; i++)
        if (i != c->row && i != c->group) str_putc(out, (char)('A' + i));
    str_putc(out, g);
    if (c->row >= 0 && planes > 1) str_printf(out, "%d%c%c4%c", planes, r + 32, r, r + 32);
    else if (c->row >= 0) str_putc(out, r);
    str_printf(out, "4%c axes=%.*s\n", g + 32, c->n, "ABCDEFGH");
}

/* The loops of a copy in the order of its memory, those of a vector last: [others][group / lanes][row][lanes]. All but
 * the vector are one, whose name is the result. planes: as lay's; with it a vector is 4 rows of 4. */
static const char *copy_loops(const struct gemm *g, const struct copy *c, int lanes, int planes, struct str *out)
{
    struct arena *a = &g->k->s->c->arena;
    const char *group = c->axis[c->group], *row = c->row < 0 ? NULL : c->axis[c->row], *in[QJ_MAX_RANK + 2];
    int n = 0;
    bool rows = planes && row;
    str_printf(out, "split %s.%s %d -> %s_l %s_v\n", c->name, group, lanes, group, group);
    if (rows) str_printf(out, "split %s.%s %d -> %s_t %s_r\nsplit %s.%s_r 4 -> %s_l %s_v\n", c->name, row, 4 * planes, row, row, c->name, row, row, row);
    for (int i = 0; i < c->n; i++)
        if (i != c->row && i != c->group) in[n++] = c->axis[i];
    in[n++] = arena_printf(a, "%s_l", group);
    if (rows) in[n++] = arena_printf(a, "%s_l", row);
    if (row) in[n++] = rows ? arena_printf(a, "%s_t", row) : row;
    str_printf(out, "reorder %s", c->name);
    for (int i = 0; i < n; i++) str_printf(out, " %s", in[i]);
    if (rows) str_printf(out, " %s_v", row);
    str_printf(out, " %s_v\n", group);
    const char *vector = arena_printf(a, "%s_v", group);
    if (rows) vector = gpu_fuse(g->k, c->name, 2, (const char *const[]){arena_printf(a, "%s_v", row), vector}, out);
    str_printf(out, "vectorize %s.%s\n", c->name, vector);
    return gpu_fuse(g->k, c->name, n, in, out);
}

/* By all threads of a block: fewer than asked for where the output is smaller than a tile. */
static void fetch(const struct gemm *g, const struct choice *c, const struct copy *t, int lanes, int planes, struct str *out)
{
    const char *f = copy_loops(g, t, lanes, planes, out);
    int cols = (int)i64_min(c->cols, ceil_div(g->cols, c->nr)), rows = (int)i64_min(c->rows, ceil_div(g->rows, c->mr));
    str_printf(out, "split %s.%s %d -> %s_q %s_x\nbind %s.%s_x threadIdx.x\n", t->name, f, cols, f, f, t->name, f);
    str_printf(out, "split %s.%s_q %d -> %s_p %s_y\nbind %s.%s_y threadIdx.y\n", t->name, f, rows, f, f, t->name, f);
}

/* Along which axis the output's neighbours in memory lie. */
static bool stored_by_pixels(const struct gemm *g)
{
    const struct stage *last = g->k->last;
    const struct layout *l = state_layout(g->k->s->state, last->tensor);
    int inner = l ? l->phys[l->nphys - 1].dim : last->nroot_data - 1;
    return g->npix && !strcmp(last->iter[inner].name, g->k->data[g->pix[g->npix - 1]].out);
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
    if (x) str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r %d -> %s_t %s_v\n", last, x, (int)p->rows, x, x, last, x, c->mr, x, x);
    if (o) str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r %d -> %s_t %s_v\n", last, o, (int)p->cols, o, o, last, o, c->nr, o, o);
    bool along = stored_by_pixels(g);
    const char *outer = along ? o : x, *inner = along ? x : o;
    if (x && o) str_printf(out, "reorder %s %s_b %s_b %s_t %s_t %s_v %s_v\n", last, x, o, x, o, outer, inner);
    if (x) str_printf(out, "bind %s.%s_b blockIdx.x\nbind %s.%s_t threadIdx.y\n", last, x, last, x);
    if (o) str_printf(out, "bind %s.%s_b blockIdx.y\nbind %s.%s_t threadIdx.x\n", last, o, last, o);
    if (outer) str_printf(out, "unroll %s.%s_v\n", last, outer);
    if (inner) str_printf(out, "vectorize %s.%s_v\n", last, inner);
    return arena_printf(a, "%s_t", o ? o : x);
}

static void sum_loops(const struct gemm *g, const struct choice *c, const struct plan *p, const char *x, struct str *out)
{
    const struct contraction *k = g->k;
    const char *s = g->sum, *t = k->over[k->group].name, *o = g->o < 0 ? NULL : k->data[g->o].name;
    int ahead = 1;
    while (ahead < 4 && 2 * ahead * c->mr * c->nr <= MOST_DOTS && c->step / 4 % (2 * ahead) == 0) ahead *= 2;
    str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r 4 -> %s_g %s_v\nsplit %s.%s_g %d -> %s_h %s_u\nreorder %s", s, t, c->step, t, t,
               s, t, t, t, s, t, ahead, t, t, s);
    for (int i = 0; i < g->nwin; i++) {
        if (i == p->inner) str_printf(out, " %s_b", t);
        str_printf(out, " %s", k->over[g->win[i]].name);
    }
    if (p->inner == g->nwin) str_printf(out, " %s_b", t);
    str_printf(out, " %s_h %s_u", t, t);
    if (x) str_printf(out, " %s", x);
    if (o) str_printf(out, " %s", o);
    str_printf(out, " %s_v\ntensorize %s.%s_v %s\nunroll %s.%s_u\n", t, s, t, c->row->row->name, s, t);
    if (x) str_printf(out, "unroll %s.%s\n", s, x);
    if (o) str_printf(out, "unroll %s.%s\n", s, o);
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
    int planes = c->nr > 4 ? c->nr / 4 : 1;
    lay(&xc, 1, out);
    lay(&wc, planes, out);
    if (wp) {
        struct copy pc = wc;
        pc.name = wp;
        lay(&pc, planes, out);
        const char *f = copy_loops(&g, &pc, 4, 0, out);
        gpu_spread(k, wp, 1, &f, out);
    }
    str_printf(out, "compute_at %s %s.%s\n", sum, g.last, tile_loops(&g, c, &p, out));
    sum_loops(&g, c, &p, pixels, out);
    str_printf(out, "compute_at %s %s.%s_b\ncompute_at %s %s.%s_b\n", xs, sum, t, ws, sum, t);
    fetch(&g, c, &xc, gpu_lanes(k, k->xroot, k->xgroup, c->step), 0, out);
    if (wp) fetch(&g, c, &wc, 4, planes, out);
    else fetch(&g, c, &wc, gpu_lanes(k, k->w, k->wgroup, c->step), 0, out);
}
