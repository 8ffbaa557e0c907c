/* SPDX-License-Identifier: Apache-2.0 */
/* gpu_depthwise.c - sums over the window alone on GPUs: there is no dot product, so a thread multiplies and adds what it
 * takes apart, and holds a tile of pixels by channels so that each byte is taken apart once for a row of its window.
 *
 *     blockIdx: rows, tiles of a row, channels     threadIdx: channels, tiles
 *     fetch the tile's pixels and its halo into shared memory, all bytes that lie together at a time
 *     a thread, in registers: for window { mr pixels by nr channels, as i32 }
 *
 * Weights are widened ahead. Where channels lie together a thread takes four of them, 4 bytes a load; where pixels do, four
 * pixels of one channel. Knobs: mr nr, of a thread; rows, of the image; step, tiles of a row; cols, tiles of channels. */
#include "ir/simplify.h"
#include "schedule/templates/gpu.h"

enum { MOST_MULTIPLIER = 8, SECTOR = 32, WORDS = 32 };

struct depthwise {
    const struct contraction *k;
    int c, m, y, x;                     /* data axes: channels, multiplier, the last two of the pixels; -1: none */
    int xc;                             /* the channels' dimension of x */
    int64_t taps;
    bool by_pixels;                     /* neighbours of the output are pixels */
};

static int64_t extent(const struct contraction *k, int axis) { return axis < 0 ? 1 : k->data[axis].extent; }

static bool depthwise_of(const struct contraction *k, struct depthwise *d)
{
    *d = (struct depthwise){k, -1, -1, -1, -1, -1, 1, false};
    if (k->group >= 0) return false;
    for (int i = 0; i < k->ndata; i++) {
        if (k->data[i].role == CON_BATCH && k->data[i].extent > extent(k, d->c)) d->c = i;
        if (k->data[i].role == CON_CHANNEL && k->data[i].extent > extent(k, d->m)) d->m = i;
    }
    for (int at = 0; at < k->last->nroot_data; at++)
        for (int i = 0; i < k->ndata; i++) {
            if (strcmp(k->data[i].out, k->last->iter[at].name) || k->data[i].role != CON_PIXEL || k->data[i].extent == 1) continue;
            d->y = d->x;
            d->x = i;
        }
    for (int i = 0; i < k->nsum; i++) d->taps *= k->over[i].extent;
    if (d->c < 0 || d->x < 0 || d->taps > 64) return false;
    if (extent(k, d->m) > MOST_MULTIPLIER) d->m = -1;
    for_kids(k->xread, i)
        if (k->xread->kid[i]->op == OP_VAR && k->xread->kid[i]->val.var == k->sum->root_var[d->c]) d->xc = i;
    const struct layout *l = state_layout(k->s->state, k->last->tensor);
    const char *inner = k->last->iter[l ? l->phys[l->nphys - 1].dim : k->last->nroot_data - 1].name;
    d->by_pixels = !strcmp(inner, k->data[d->x].out);
    return d->xc >= 0;
}

struct tile { int64_t y, x, c; };
static struct tile tile_of(const struct depthwise *d, const struct choice *c)
{
    return (struct tile){d->y < 0 ? 1 : c->rows, (int64_t)c->mr * c->step, (int64_t)c->nr * c->cols};
}

/* Elements of x that a tile reads. */
static int64_t footprint(const struct depthwise *d, const struct tile *t)
{
    const struct contraction *k = d->k;
    int64_t all = 1;
    for_kids(k->xread, i) {
        int64_t n = 1;
        for (int v = 0; v < k->sum->nroot; v++) {
            const struct expr *base;
            int64_t coef, size = v >= k->ndata ? k->over[v - k->ndata].extent : v == d->y ? t->y : v == d->x ? t->x : v == d->c ? t->c : 1;
            if (size > 1 && ir_affine(k->s->c, k->xread->kid[i], 1, &k->sum->root_var[v], &coef, &base)) n += (coef < 0 ? -coef : coef) * (size - 1);
        }
        all *= n;
    }
    return all;
}

static bool estimate(const struct depthwise *d, struct choice *c)
{
    const struct contraction *k = d->k;
    const struct target *t = k->s->target;
    struct tile tile = tile_of(d, c);
    double blocks = 1;
    for (int i = 0; i < k->ndata; i++) {
        int64_t n = k->data[i].extent;
        blocks *= i == d->m ? 1 : (double)ceil_div(n, i == d->y ? tile.y : i == d->x ? tile.x : i == d->c ? tile.c : 1);
    }
    int64_t bytes = footprint(d, &tile) * dt_bytes(k->x->dt);
    double threads = (double)(tile.y * c->step * c->cols), sums = (double)(c->mr * c->nr * extent(k, d->m)), mine = (double)bytes / threads;
    double run = (double)i64_min((d->by_pixels ? tile.x : tile.c) * dt_bytes(k->x->dt), SECTOR) / SECTOR; /* of what memory sends that is used */
    double instructions = sums * (double)d->taps * 1.3 + sums * 12 + mine * (d->by_pixels ? 16 : 3 / run) + (double)d->taps * c->nr / 2 + 60;
    struct tile one = {1, c->mr, 1};
    double groups = d->by_pixels ? 1 : i64_max(1, WORDS / c->cols); /* of pixels that a warp reads at a time: as many passes */
    instructions += (double)footprint(d, &one) * (2 * groups - 1);
    struct gpu_load l = {.blocks = blocks, .threads = (int)threads, .shared = bytes, .regs = (int)sums * 2 + 40, .steps = 1,
                         .clocks = (double)ceil_div((int64_t)threads, t->family->simt->warp) * instructions / 4};
    c->cycles = gpu_clocks(t, &l);
    return gpu_takes(t, &l);
}

void gpu_depthwise_candidates(const struct contraction *k, struct candidates *out)
{
    static const int pixels[] = {1, 2, 4, 8}, sides[] = {1, 2, 4, 8}, cols[] = {1, 2, 4, 8, 16, 32};
    struct depthwise d;
    if (!depthwise_of(k, &d)) return;
    int nr = d.by_pixels || extent(k, d.m) >= 4 ? 1 : 4;
    for (size_t p = 0; p < ARRAY_LEN(pixels); p++)
        for (size_t y = 0; y < ARRAY_LEN(sides); y++)
            for (size_t x = 0; x < ARRAY_LEN(sides); x++)
                for (size_t o = 0; o < ARRAY_LEN(cols); o++) {
                    struct choice c = {.mr = pixels[p], .nr = nr, .rows = sides[y], .step = sides[x], .cols = cols[o]};
                    bool more = (y && sides[y - 1] >= extent(k, d.y)) || (x && (int64_t)sides[x - 1] * c.mr >= extent(k, d.x)) ||
                                (o && (int64_t)cols[o - 1] * nr >= extent(k, d.c)) || (p && pixels[p - 1] >= extent(k, d.x));
                    if (!more && estimate(&d, &c)) cand_add(out, c);
                }
}

/* ---- steps ---- */

/* One axis over blocks, threads and a thread's own; its loops are then named AXIS_b, _t, _v. */
static void cut(const struct contraction *k, int axis, int64_t of_block, int64_t of_thread, struct str *out)
{
    const char *last = k->last->tensor->name, *a = k->data[axis].out;
    str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r %d -> %s_t %s_v\n", last, a, (int)of_block, a, a, last, a, (int)of_thread, a, a);
}

static void weights(const struct depthwise *d, const char *sum, const char *wp, struct str *out)
{
    const struct contraction *k = d->k;
    const char *axis[QJ_MAX_RANK];
    int n = k->w->ndim, channel = -1;
    for_kids(k->wread, i)
        if (k->wread->kid[i]->op == OP_VAR && k->wread->kid[i]->val.var == k->sum->root_var[d->c]) channel = i;
    str_printf(out, "cache_read %s global %s as=i32 -> %s\ntransform_layout %s ", k->w->name, sum, wp, wp);
    int m = 0;
    for (int i = 0; i < n; i++) {
        if (i == channel) continue;
        str_putc(out, (char)('A' + i));
        axis[m++] = k->w->dim_name[i];
    }
    if (channel >= 0) {
        str_putc(out, (char)('A' + channel));
        axis[m++] = k->w->dim_name[channel];
    }
    str_printf(out, " axes=%.*s\nreorder %s", n, "ABCDEFGH", wp);
    for (int i = 0; i < n; i++) str_printf(out, " %s", axis[i]);
    str_putc(out, '\n');
    gpu_spread(k, wp, n, axis, out);
}

static void fetch(const struct depthwise *d, const struct choice *c, const struct tile *t, const char *xs, struct str *out)
{
    const struct contraction *k = d->k;
    const char *in[QJ_MAX_RANK + 1], *channel = k->x->dim_name[d->xc];
    int n = 0, lanes = d->by_pixels ? 1 : gpu_lanes(k, k->xroot, d->xc, t->c);
    bool whole = !state_layout(k->s->state, k->xroot); /* else a block of channels, then pixels */
    if (d->by_pixels) {
        str_printf(out, "transform_layout %s %c", xs, 'A' + d->xc);
        for (int i = 0; i < k->x->ndim; i++)
            if (i != d->xc) str_putc(out, (char)('A' + i));
        str_printf(out, " axes=%.*s\n", k->x->ndim, "ABCDEFGH");
        in[n++] = channel;
    } else str_printf(out, "split %s.%s %d -> %s_l %s_v\n", xs, channel, lanes, channel, channel);
    const char *outer = arena_printf(&k->s->c->arena, "%s_l", channel);
    if (!d->by_pixels && !whole) in[n++] = outer;
    for (int i = 0; i < k->x->ndim; i++)
        if (i != d->xc) in[n++] = k->x->dim_name[i];
    if (!d->by_pixels && whole) in[n++] = outer;
    str_printf(out, "reorder %s", xs);
    for (int i = 0; i < n; i++) str_printf(out, " %s", in[i]);
    str_printf(out, "%s%s\n", d->by_pixels ? "" : " ", d->by_pixels ? "" : arena_printf(&k->s->c->arena, "%s_v", channel));
    if (!d->by_pixels) str_printf(out, "vectorize %s.%s_v\n", xs, channel);
    const char *f = gpu_fuse(k, xs, n, in, out);
    int cols = (int)i64_min(c->cols, ceil_div(extent(k, d->c), c->nr)), along = (int)i64_min(c->step, ceil_div(extent(k, d->x), c->mr));
    int wide = d->by_pixels ? along : cols, rows = (int)i64_min(t->y, extent(k, d->y)) * (d->by_pixels ? cols : along);
    str_printf(out, "split %s.%s %d -> %s_q %s_x\nbind %s.%s_x threadIdx.x\n", xs, f, wide, f, f, xs, f);
    str_printf(out, "split %s.%s_q %d -> %s_p %s_y\nbind %s.%s_y threadIdx.y\n", xs, f, rows, f, f, xs, f);
}

void gpu_depthwise_steps(const struct contraction *k, const struct choice *c, const char *sum, struct str *out)
{
    struct arena *a = &k->s->c->arena;
    struct depthwise d;
    if (!depthwise_of(k, &d)) return;
    struct tile t = tile_of(&d, c);
    const char *last = k->last->tensor->name, *rest[QJ_MAX_RANK], *x = k->data[d.x].out, *ch = k->data[d.c].out, *y = d.y < 0 ? NULL : k->data[d.y].out,
               *m = d.m < 0 ? NULL : k->data[d.m].out;
    const char *xs = tmpl_fresh(k, arena_printf(a, "%s_s", k->x->name)), *wp = tmpl_fresh(k, arena_printf(a, "%s_p", k->w->name));
    str_printf(out, "cache_read %s shared %s -> %s\n", k->x->name, sum, xs);
    weights(&d, sum, wp, out);
    gpu_inline(k, out);
    for (int i = 0; i < 3; i++) {
        int axis = i == 0 ? d.y : i == 1 ? d.x : d.c;
        int64_t to = i == 0 ? t.y : i == 1 ? t.x : t.c;
        if (axis >= 0 && k->data[axis].extent % to) str_printf(out, "pad %s.%s %d\n", sum, k->data[axis].name, (int)to);
    }
    int n = 0;
    if (y) cut(k, d.y, t.y, 1, out);
    cut(k, d.x, t.x, c->mr, out);
    cut(k, d.c, t.c, c->nr, out);
    for (int i = 0; i < k->last->nroot_data; i++) {
        const char *name = k->last->iter[i].name;
        if (strcmp(name, x) && strcmp(name, ch) && (!y || strcmp(name, y)) && (!m || strcmp(name, m))) rest[n++] = name;
    }
    if (y) rest[n++] = arena_printf(a, "%s_b", y);
    str_printf(out, "reorder %s", last);
    for (int i = 0; i < n; i++) str_printf(out, " %s", rest[i]);
    str_printf(out, " %s_b %s_b", x, ch);
    const char *tile[2] = {y ? arena_printf(a, "%s_t", y) : NULL, arena_printf(a, "%s_t", d.by_pixels ? ch : x)};
    if (y) str_printf(out, " %s", tile[0]);
    str_printf(out, " %s %s_t", tile[1], d.by_pixels ? x : ch);
    if (y) str_printf(out, " %s_v", y);
    bool along = m && c->nr == 1 && !d.by_pixels; /* vectors of a channel's outputs */
    const char *inner = d.by_pixels ? x : along ? m : ch, *own[3] = {d.by_pixels ? ch : x, d.by_pixels || !along ? m : ch, inner};
    for (int i = 0; i < 3; i++)
        if (own[i]) str_printf(out, " %s%s", own[i], own[i] == m ? "" : "_v");
    str_putc(out, '\n');
    if (n) str_printf(out, "bind %s.%s blockIdx.z\n", last, gpu_fuse(k, last, n, rest, out));
    str_printf(out, "bind %s.%s_b blockIdx.y\nbind %s.%s_b blockIdx.x\nbind %s.%s_t threadIdx.x\n", last, x, last, ch, last, d.by_pixels ? x : ch);
    str_printf(out, "bind %s.%s threadIdx.y\n", last, gpu_fuse(k, last, y ? 2 : 1, y ? tile : tile + 1, out));
    for (int i = 0; i < 2; i++)
        if (own[i]) str_printf(out, "unroll %s.%s%s\n", last, own[i], own[i] == m ? "" : "_v");
    str_printf(out, "vectorize %s.%s%s\ncompute_at %s %s.%s_t\ncompute_at %s %s.%s_b\n", last, inner, inner == m ? "" : "_v", sum, last,
               d.by_pixels ? x : ch, xs, last, ch);

    str_printf(out, "reorder %s", sum);
    for (int i = 0; i < k->nsum; i++) str_printf(out, " %s", k->over[i].name);
    const char *mine[3] = {d.by_pixels ? k->data[d.c].name : k->data[d.x].name, d.m < 0 ? NULL : k->data[d.m].name,
                           d.by_pixels ? k->data[d.x].name : k->data[d.c].name};
    if (along) {
        const char *swap = mine[1];
        mine[1] = mine[2];
        mine[2] = swap;
    }
    for (int i = 0; i < 3; i++)
        if (mine[i]) str_printf(out, " %s", mine[i]);
    str_putc(out, '\n');
    for (int i = 0; i < k->nsum; i++) str_printf(out, "unroll %s.%s\n", sum, k->over[i].name);
    for (int i = 0; i < 3; i++)
        if (mine[i]) str_printf(out, "%s %s.%s\n", i < 2 || d.by_pixels ? "unroll" : "vectorize", sum, mine[i]);
    fetch(&d, c, &t, xs, out);
}
