/* SPDX-License-Identifier: Apache-2.0 */
/* depthwise.c - convolutions that sum over the window alone: lanes are channels, dot products run over taps.
 *
 *     pack      w -> taps in groups of k for every lane, spread over neighbours (slide)          (ahead)
 *     parallel  images, blocks of rows, panels of nr channels
 *                 x -> widened, padded, k pixels of a channel side by side    (of the block and panel)
 *                 for rows, tiles of mr pixels:
 *                   acc[mr, nr] = 0;  for taps/k:  mr * nr/lanes instructions
 *                   bias, requantise, clamp, store: in vectors of nr
 *
 * With a step that is odd, k neighbours read one window of the groups: each pixel is held once, and a load serves k sums. */
#include "ir/simplify.h"
#include "schedule/templates/template.h"

/* The shape of a row that works lane by lane: C[lanes] += A[lanes, k] * B[lanes, k]. */
struct lanes_row { int lanes, k; enum dtype a, b; };

static bool lanes_row(const struct intrin *in, struct lanes_row *d)
{
    const struct meaning *m = in->meaning;
    if (m->nop != 3 || !m->accumulate || m->combiner != RED_SUM || m->nout != 1 || m->naxes != 2) return false;
    const struct tensor *c = m->op[0], *a = m->op[1], *b = m->op[2];
    if (!meaning_is_plain(m) || c->dt != DT_I32 || a->ndim != 2 || b->ndim != 2 || m->op_axis[1][0] != 0 || m->op_axis[2][0] != 0) return false;
    *d = (struct lanes_row){(int)c->shape[0], (int)a->shape[1], a->dt, b->dt};
    return true;
}

static bool holds(enum dtype dt, const struct tensor *t)
{
    return t->dt == dt || (dt_is_int(t->dt) && dt_bytes(dt) > dt_bytes(t->dt) && dt_holds(dt, t->range));
}

static bool takes(const struct lanes_row *d, const struct contraction *k)
{
    return holds(d->b, k->w) && (holds(d->a, k->x) || (tmpl_offset(k->x, d->a) && k->w->kind == TENSOR_WEIGHT));
}

/* ---- shape ---- */

/* Axes in k->data, taps in k->over, dimensions of x and w. -1: there is none. */
struct window {
    int channel, mult, tile, tap, block;        /* block: the pixel axis cut into blocks of rows; not the tile's */
    int xc, xt, wc, wm, wt;                     /* dimensions */
    int64_t step, dilation, taps, others;       /* of the tile's window; product of the other taps */
};

static int plain_dim(const struct expr *read, const struct var *v)
{
    int found = -1;
    for_kids(read, d) {
        if (!ir_uses(read->kid[d], v)) continue;
        if (found >= 0 || read->kid[d]->op != OP_VAR) return -1;
        found = d;
    }
    return found;
}

/* Pixel axis i and tap j index a dimension of x together. */
static bool window_of(const struct contraction *k, int i, int j, struct window *w)
{
    const struct var *v[2] = {k->sum->root_var[i], k->sum->root_var[k->ndata + j]};
    const struct expr *base;
    int64_t coef[2];
    w->xt = -1;
    for_kids(k->xread, d) {
        if (!ir_uses(k->xread->kid[d], v[0]) && !ir_uses(k->xread->kid[d], v[1])) continue;
        if (w->xt >= 0 || !ir_affine(k->s->c, k->xread->kid[d], 2, v, coef, &base) || coef[0] < 1 || coef[1] < 1) return false;
        w->xt = d;
    }
    if (w->xt < 0 || (w->wt = plain_dim(k->wread, v[1])) < 0) return false;
    w->tile = i;
    w->tap = j;
    w->step = coef[0];
    w->dilation = coef[1];
    w->taps = k->over[j].extent;
    return true;
}

static bool find_window(const struct contraction *k, struct window *w, const char **why)
{
    *w = (struct window){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1};
    if (k->group >= 0) return *why = "it sums over input channels too", false;
    for (int i = 0; i < k->ndata; i++) {
        int *part = k->data[i].role == CON_BATCH ? &w->channel : k->data[i].role == CON_CHANNEL ? &w->mult : NULL;
        if (!part) continue;
        if (*part >= 0) return *why = "more than one axis of the output indexes both operands, or the weights alone", false;
        *part = i;
    }
    if (w->channel < 0) return *why = "no axis of the output indexes both operands (the channels)", false;
    const struct var *c = k->sum->root_var[w->channel];
    w->xc = plain_dim(k->xread, c);
    w->wc = plain_dim(k->wread, c);
    if (w->mult >= 0) w->wm = plain_dim(k->wread, k->sum->root_var[w->mult]);
    if (w->xc < 0 || w->wc < 0 || (w->mult >= 0 && w->wm < 0))
        return *why = "the channels do not index one dimension of each operand by themselves", false;
    if (k->wread->nkid >= QJ_MAX_RANK || k->ndata > 6) return *why = "it has too many axes", false;
    for (int i = k->ndata - 1; i >= 0 && w->tile < 0; i--)
        for (int j = k->nsum - 1; j >= 0 && w->tile < 0; j--)
            if (k->data[i].role == CON_PIXEL) window_of(k, i, j, w);
    if (w->tile < 0) return *why = "no pixel axis and tap index one dimension of the activations together", false;
    for (int i = 0; i < k->ndata; i++)
        if (k->data[i].role == CON_PIXEL && i != w->tile && (w->block < 0 || k->data[i].extent >= k->data[w->block].extent))
            w->block = i;
    for (int j = 0; j < k->nsum; j++) w->others *= j == w->tap ? 1 : k->over[j].extent;
    return true;
}

static bool fits(const struct contraction *k, const char **why)
{
    struct window w;
    return find_window(k, &w, why);
}

/* Neighbours that share a window of groups of g: the fewest whose step is whole groups. */
static int sharing(const struct window *w, int g)
{
    int f = 1;
    while (w->step * f % g) f++;
    return f;
}

/* Taps with the zeros around them. */
static int64_t spread_taps(const struct window *w, int g)
{
    int64_t t = w->step * (sharing(w, g) - 1) + w->dilation * (w->taps - 1) + 1;
    return ceil_div(t, g) * g;
}

/* ---- candidates ---- */

enum { MAX_VECTOR = 64, MAX_COPIES = 512, UNROLL_TAPS = 8 };

static int64_t multiplier(const struct contraction *k, const struct window *w)
{
    return w->mult < 0 ? 1 : k->data[w->mult].extent;
}

/* Groups of taps written out: those along the tile, or all. Few serve where operands come from memory for nothing. Where they
 * take registers, weights of all taps would be kept in them over many tiles, and there are not enough. */
static int64_t taps_unrolled(const struct contraction *k, const struct window *w, const struct lanes_row *d)
{
    int64_t along = spread_taps(w, d->k) / d->k;
    if (!k->s->target->lane_bytes && along * w->others * multiplier(k, w) <= UNROLL_TAPS) return along * w->others;
    return along <= UNROLL_TAPS ? along : 1;
}

/* Instructions of a tile, written out. */
static int64_t copies(const struct contraction *k, const struct window *w, const struct lanes_row *d, int mr, int nr)
{
    int64_t mult = multiplier(k, w);
    return taps_unrolled(k, w, d) * mr * (nr / d->lanes) * (mult <= 8 ? mult : 1);
}

/* Cycles, by operations at about 4.5 a cycle: groups of taps, the tile's loads, what follows a sum, the copy of x. */
static double cycles(const struct contraction *k, const struct window *w, const struct lanes_row *d, const struct choice *c)
{
    double outputs = (double)ceil_div(k->data[w->channel].extent, c->nr) * c->nr, pixels = 1, rows = 1;
    if (w->mult >= 0) outputs *= (double)k->data[w->mult].extent;
    for (int i = 0; i < k->ndata; i++)
        if (k->data[i].role == CON_PIXEL) pixels *= (double)k->data[i].extent;
    int64_t x = k->data[w->tile].extent;
    double waste = (double)(ceil_div(x, c->mr) * c->mr) / (double)x, groups = (double)(w->others * spread_taps(w, d->k) / d->k);
    double madd = c->row->row->mac_per_cycle > 0 ? d->lanes * d->k / c->row->row->mac_per_cycle : 1;
    bool narrow = k->s->target->lane_bytes; /* two vectors of sums are as good as eight */
    double sums = groups * (madd + 0.45 * (1 + (double)sharing(w, d->k) / c->mr)) * (narrow ? 1.0 : c->mr > 4 ? 1.05 : waste);
    double odd = c->nr % 16 && !(narrow && c->nr % 8 == 0) ? 1.5 : 1.0;
    double follow = 2.0 * (c->nr % 32 && !narrow && odd == 1.0 ? 1.15 : odd) * d->lanes / 8;
    if (c->offset) follow += 0.3 * d->lanes / 8;
    if (w->block >= 0) rows = ((c->rows - 1) * (double)w->step + 3) / c->rows;
    double copy = 1.2 * rows * (double)w->step * d->lanes / 8 * odd;
    return pixels * outputs / d->lanes * (sums + follow + copy);
}

/* Where operands come from registers alone, sums in memory cost twice, and pixels of a row's window, which are read well
 * ahead, put them there. */
static bool in_registers(const struct contraction *k, const struct window *w, const struct lanes_row *d, int mr, int nr)
{
    const struct target *t = k->s->target;
    int64_t sums = mr * nr * multiplier(k, w) * 32 / t->vector_bits;
    int64_t pixels = ((mr - 1) * w->step + w->dilation * (w->taps - 1) + 1) / d->k;
    return !t->lane_bytes || (2 * sums <= t->vector_regs && sums + pixels <= t->vector_regs);
}

/* Rows of a block: as many as keep the copy of x in L1, and evenly cut. */
static int block_rows(const struct contraction *k, const struct window *w, const struct lanes_row *d, int nr)
{
    if (w->block < 0) return 1;
    int64_t y = k->data[w->block].extent, width = k->data[w->tile].extent * w->step + w->dilation * w->taps;
    int64_t row = width * nr * dt_bytes(d->a), rows = k->s->target->l1_bytes * 5 / 4 / row / w->step - 2;
    rows = rows < 4 ? 4 : rows > 14 ? 14 : rows;
    return (int)ceil_div(y, ceil_div(y, rows));
}

static void candidates(const struct contraction *k, struct candidates *out)
{
    static const int widths[] = {32, 16, 64, 48, 24, 40, 8, 12, 4}, tiles[] = {4, 2, 8, 1};
    const char *why;
    struct window w;
    if (!find_window(k, &w, &why)) return;
    if (out->fixed.rows > (w.block < 0 ? 1 : k->data[w.block].extent)) return;
    int64_t channels = k->data[w.channel].extent, mult = multiplier(k, &w);
    for (int i = 0; i < k->s->target->nintrin; i++) {
        const struct intrin *in = &k->s->target->intrin[i];
        struct lanes_row d;
        if (!lanes_row(in, &d) || !takes(&d, k) || in->row->pair_i16) continue;
        for (size_t n = 0; n < ARRAY_LEN(widths); n++) {
            int nr = widths[n];
            bool whole = channels % nr == 0, padded = channels % 8 && (nr == 8 || nr == 16) && nr < channels + 8;
            if (nr % d.lanes || !(whole || padded) || (nr * mult > MAX_VECTOR && nr > 8)) continue;
            for (size_t t = 0; t < ARRAY_LEN(tiles); t++) {
                if (tiles[t] % sharing(&w, d.k) || copies(k, &w, &d, tiles[t], nr) > MAX_COPIES) continue;
                if (tiles[t] > 1 && !in_registers(k, &w, &d, tiles[t], nr)) continue;
                struct choice c = {.row = in, .mr = tiles[t], .nr = nr, .rows = out->fixed.rows ? out->fixed.rows : block_rows(k, &w, &d, nr)};
                c.offset = holds(d.a, k->x) ? 0 : tmpl_offset(k->x, d.a);
                c.cycles = cycles(k, &w, &d, &c);
                cand_add(out, c);
            }
        }
    }
}

/* ---- steps ---- */

static char letter(int d) { return (char)('A' + d); }

static void pack(const struct contraction *k, const struct window *w, const struct choice *c, const struct lanes_row *d,
                 const char *sum, const char *packed, struct str *out)
{
    int f = sharing(w, d->k), n = k->w->ndim;
    bool slides = f > 1 || w->dilation > 1;
    const char *copy = slides ? tmpl_fresh(k, arena_printf(&k->s->c->arena, "%s_t", k->w->name)) : packed;
    str_printf(out, "cache_read %s global %s", k->w->name, sum);
    if (d->b != k->w->dt) str_printf(out, " as=%s", dtype_info[d->b].name);
    str_printf(out, " -> %s\n", copy);
    if (slides)
        str_printf(out, "compute_inline %s\nslide %s.%s %s %d -> %s\n", copy, sum, k->over[w->tap].name,
                   k->data[w->tile].name, f, packed);
    str_printf(out, "transform_layout %s %c", packed, letter(w->wc));
    if (w->wm >= 0) str_putc(out, letter(w->wm));
    for (int i = 0; i < n; i++)
        if (i != w->wc && i != w->wm && i != w->wt) str_putc(out, letter(i));
    str_putc(out, letter(w->wt));
    if (slides) str_putc(out, letter(n));
    str_printf(out, "%d%c%d%c axes=%.*s\n", c->nr, letter(w->wc) + 32, d->k, letter(w->wt) + 32, n + slides, "ABCDEFGH");
    int64_t taps = slides ? w->step * (f - 1) + w->dilation * (w->taps - 1) + 1 : w->taps;
    if (taps % d->k) str_printf(out, "pad %s.%s %d\n", sum, k->over[w->tap].name, d->k);
}

/* x by groups of k pixels, its loops within `at` of the last stage. */
static void convert_loops(const struct contraction *k, const struct window *w, const struct choice *c,
                          const struct lanes_row *d, const char *x, const char *at, struct str *out)
{
    const char *t = k->x->dim_name[w->xt], *ch = k->x->dim_name[w->xc];
    int lanes = c->nr % 16 == 0 ? 16 : c->nr <= 24 ? c->nr : 8;
    while (lanes * d->k > MAX_VECTOR && lanes % 2 == 0) lanes /= 2;
    str_printf(out, "compute_at %s %s.%s\nsplit %s.%s %d -> %s_g %s_k\nsplit %s.%s %d -> %s_p %s_v\n", x, k->last->tensor->name,
               at, x, t, d->k, t, t, x, ch, lanes, ch, ch);
    for (int i = 0; i < k->x->ndim; i++) /* what is all padding, or none of it, is set apart */
        if (i != w->xc && i != w->xt) str_printf(out, "split %s.%s 1 tail=peel -> %s_o %s_i\n", x, k->x->dim_name[i],
                                                 k->x->dim_name[i], k->x->dim_name[i]);
    str_printf(out, "split %s.%s_g 1 tail=peel -> %s_o %s_i\nreorder %s", x, t, t, t, x);
    for (int i = 0; i < k->x->ndim; i++)
        if (i != w->xc && i != w->xt) str_printf(out, " %s_o %s_i", k->x->dim_name[i], k->x->dim_name[i]);
    str_printf(out, " %s_o %s_i %s_p %s_v %s_k\nfuse %s.%s_v %s_k -> lanes\nvectorize %s.lanes\n", t, t, ch, ch, t, x, ch, t, x);
}

/* The last panel is not full: panels are then a loop of their own, so that it can be peeled. */
static bool has_tail(const struct contraction *k, const struct window *w, const struct choice *c)
{
    return k->data[w->channel].extent % c->nr != 0;
}

static int turned(const struct contraction *k, const struct window *w, const struct choice *c)
{
    return w->mult < 0 ? tmpl_turn(k, w->tile, c->mr, c->nr) : 0;
}

/* Loops of the last stage: blocks (images, blocks of rows, panels) rows tiles | pixels [multiplier] channels. */
static void order_loops(const struct contraction *k, const struct window *w, const struct choice *c, struct str *out)
{
    const char *last = k->last->tensor->name, *o = k->data[w->channel].out, *t = k->data[w->tile].out;
    const char *y = w->block < 0 ? NULL : k->data[w->block].out, *m = w->mult < 0 ? NULL : k->data[w->mult].out;
    str_printf(out, "split %s.%s %d tail=peel -> %s_p %s_v\nsplit %s.%s %d tail=peel -> %s_t %s_u\n", last, o, c->nr, o, o,
               last, t, c->mr, t, t);
    if (y) str_printf(out, "split %s.%s %d -> %s_b %s_i\n", last, y, c->rows, y, y);
    bool tail = has_tail(k, w, c);
    struct str blocks = str_on(out->arena);
    for (int i = 0; i < k->ndata; i++)
        if (i != w->tile && i != w->block && i != w->channel && i != w->mult) str_printf(&blocks, "%s ", k->data[i].out);
    if (y) str_printf(&blocks, "%s_b ", y);
    if (!tail) str_printf(&blocks, "%s_p ", o);
    str_printf(out, "reorder %s %s%s%s", last, str_text(&blocks), tail ? o : "", tail ? "_p" : "");
    if (y) str_printf(out, " %s_i", y);
    str_printf(out, " %s_t %s_u %s_v%s%s\n", t, t, o, m ? " " : "", m ? m : "");
    int turn = turned(k, w, c);
    const char *all = str_text(&blocks), *second = strchr(all, ' ');
    if (second && second[1]) str_printf(out, "fuse %s.%s-> blocks\n", last, all);
    else if (second) str_printf(out, "split %s.%s1 -> blocks one\n", last, all);
    if (second) str_printf(out, "parallel %s.blocks\n", last);
    if (turn) {
        tmpl_turn_loops(k, w->tile, w->channel, turn, out);
        return;
    }
    str_printf(out, "unroll %s.%s_u\n", last, t);
    int64_t mult = multiplier(k, w);
    if (m && c->nr * mult <= MAX_VECTOR && !tail)
        str_printf(out, "fuse %s.%s_v %s -> lanes\nvectorize %s.lanes\n", last, o, m, last);
    else if (m) str_printf(out, "reorder %s %s %s_v\nvectorize %s.%s_v\n", last, m, o, last, o);
    else str_printf(out, "vectorize %s.%s_v\n", last, o);
}

static void steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    struct ir_ctx *ctx = k->s->c;
    struct lanes_row d;
    struct window w;
    const char *why, *last = k->last->tensor->name, *sum = k->sum->tensor->name;
    if (!lanes_row(c->row, &d) || !find_window(k, &w, &why)) return;
    const char *x = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_x", k->xroot->name));
    const char *packed = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_w", k->w->name));
    if (c->offset) {
        const char *sums = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_sums", k->w->name));
        sum = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_acc", sum));
        str_printf(out, "offset %s %s %d as=%s -> %s %s %s\nset_scope %s local\n", k->x->name, k->sum->tensor->name, c->offset,
                   dtype_info[d.a].name, x, sum, sums, x);
        if (k->last != k->sum) str_printf(out, "compute_inline %s\n", k->sum->tensor->name);
    } else if (k->last == k->sum) {
        sum = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_acc", last));
        str_printf(out, "cache_write %s local -> %s\n", last, sum);
    }
    for (int i = 0; i < k->ninline; i++) str_printf(out, "compute_inline %s\n", k->inlined[i]->name);
    bool turn = turned(k, &w, c) && k->last != k->sum; /* else the sum's own copy is what is turned */
    const char *tile = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_tile", last));
    if (turn) str_printf(out, "cache_write %s local -> %s\n", last, tile);
    if (!c->offset) {
        str_printf(out, "cache_read %s local %s", k->x->name, sum);
        if (d.a != k->x->dt) str_printf(out, " as=%s", dtype_info[d.a].name);
        str_printf(out, " -> %s\n", x);
    }
    for (int i = 0; i < k->nxchain; i++) str_printf(out, "compute_inline %s\n", k->xchain[i]->name);
    pack(k, &w, c, &d, sum, packed, out);
    str_printf(out, "transform_layout %s ", x);
    for (int i = 0; i < k->x->ndim; i++)
        if (i != w.xc && i != w.xt) str_putc(out, letter(i));
    str_printf(out, "%c%c%d%c axes=%.*s\n", letter(w.xt), letter(w.xc), d.k, letter(w.xt) + 32, k->x->ndim, "ABCDEFGH");
    const char *o = k->data[w.channel].name, *t = k->data[w.tile].name, *s = k->over[w.tap].name;
    if (k->data[w.channel].extent % c->nr) str_printf(out, "pad %s.%s %d\n", sum, o, c->nr);
    if (w.channel != k->ndata - 1) { /* lanes lie along memory */
        str_printf(out, "transform_layout %s ", sum);
        for (int i = 0; i < k->ndata; i++)
            if (i != w.channel) str_putc(out, letter(i));
        str_printf(out, "%c axes=%.*s\n", letter(w.channel), k->ndata, "ABCDEFGH");
    }
    order_loops(k, &w, c, out);
    const char *tiles = arena_printf(&ctx->arena, "%s_t", k->data[w.tile].out);
    if (turn) tmpl_turn_tile(k, w.tile, w.channel, tile, out);
    str_printf(out, "compute_at %s %s.%s\n", sum, last, tiles);
    for (int i = 0; i < k->nside; i++) str_printf(out, "compute_at %s %s.%s\n", k->side[i]->name, last, tiles);
    const char *panel = arena_printf(&ctx->arena, "%s_p", k->data[w.channel].out);
    convert_loops(k, &w, c, &d, x, has_tail(k, &w, c) ? panel : "blocks", out);
    str_printf(out, "split %s.%s %d tail=pad -> %s_n %s_l\nsplit %s.%s %d -> %s_g %s_k\nsplit %s.%s %d -> %s_o %s_i\nreorder %s", sum, o,
               d.lanes, o, o, sum, s, d.k, s, s, sum, t, sharing(&w, d.k), t, t, sum);
    if (w.mult >= 0) str_printf(out, " %s", k->data[w.mult].name);
    str_printf(out, " %s_n", o);
    for (int i = 0; i < k->nsum; i++)
        if (i != w.tap) str_printf(out, " %s", k->over[i].name);
    str_printf(out, " %s_g %s_i %s_o %s_l %s_k\nunroll %s.%s_n\nunroll %s.%s_i\nunroll %s.%s_o\n", s, t, t, o, s, sum, o, sum, t,
               sum, t);
    if (w.mult >= 0 && multiplier(k, &w) <= 8) str_printf(out, "unroll %s.%s\n", sum, k->data[w.mult].name);
    int64_t along = spread_taps(&w, d.k) / d.k, unrolled = taps_unrolled(k, &w, &d);
    for (int i = 0; i < k->nsum; i++)
        if (i == w.tap ? unrolled >= along : unrolled > along)
            str_printf(out, "unroll %s.%s%s\n", sum, k->over[i].name, i == w.tap ? "_g" : "");
    str_printf(out, "tensorize %s.%s_l with %s\n", sum, o, c->row->row->name);
}

const struct tmpl tmpl_depthwise = {
    "depthwise", "depthwise convolutions: lanes are channels, dot products run over taps of neighbours", fits, candidates, steps, TARGET_CPU,
};
