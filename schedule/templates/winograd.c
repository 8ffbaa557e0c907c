/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c - a 3x3 convolution with stride 1 as (m + 2)^2 matrix products over tiles of m x m outputs.
 *
 *     pack      weights transformed, in panels of nr channels by pairs
 *     parallel  block of tiles, or panel of channels
 *                 x -> padded;  Vr, V: transformed, in vectors of channels (of a block, or of all before)
 *                 for panels:
 *                   for i, j, tiles by mr:  acc[mr, nr] = 0;  for c by pairs:  mr * nr/lanes instructions
 *                   for tiles:  Mr: rows transformed back;  the last stage: columns, bias, requantise, store
 *
 * What each transform reads is loaded once, into registers (`cache_read .. local`), and both transforms run along
 * channels. A block is a number of whole rows of tiles, or a part of one where rows are long. */
#include "schedule/templates/winograd.h"
#include "ir/simplify.h"

struct wpart {
    int y, x, channel;          /* in data[] */
    int ydim, xdim;             /* dimensions of the activations that y and x move along */
};

/* ---- does it fit? ---- */

/* The dimension of x that this axis moves along with a summed axis of extent 3, both one by one; -1: none. */
static int window_dim(const struct contraction *k, int axis)
{
    const struct stage *g = k->sum;
    for_kids(k->xread, d)
        for (int i = 0; i < k->nsum; i++) {
            const struct var *v[2] = {g->root_var[axis], g->root_var[k->ndata + i]};
            int64_t coef[2];
            const struct expr *base;
            if (k->over[i].extent != 3 || !ir_uses(k->xread->kid[d], v[0]) || !ir_uses(k->xread->kid[d], v[1])) continue;
            if (ir_affine(k->s->c, k->xread->kid[d], 2, v, coef, &base) && coef[0] == 1 && coef[1] == 1) return d;
        }
    return -1;
}

static bool find_part(const struct contraction *k, struct wpart *p)
{
    *p = (struct wpart){-1, -1, -1, -1, -1};
    for (int i = 0; i < k->ndata; i++) {
        int d = k->data[i].role == CON_PIXEL ? window_dim(k, i) : -1;
        if (k->data[i].role == CON_CHANNEL) p->channel = i;
        if (d < 0) continue;
        if (p->y < 0) p->y = i, p->ydim = d;
        else p->x = i, p->xdim = d;
    }
    return p->x >= 0;
}

static bool taken(const char *name) /* by an axis that the primitive makes */
{
    static const char *const own[] = {"i", "j", "p", "t", "ty", "tx", "yi"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (!strcmp(own[i], name)) return true;
    return false;
}

/* Both transforms fit 16 bits then, and sums can be proved. */
static bool is_small(const struct tensor *t) { return dt_is_int(t->dt) && t->range.lo >= -327 && t->range.hi <= 327; }

/* Does any of its values come from an input? Then they would be transformed again and again. */
struct seek { const struct sched *s; bool input; };
static bool see_input(const struct expr *e, void *u)
{
    struct seek *x = u;
    if (e->op != OP_READ || x->input) return !x->input;
    const struct tensor *t = e->val.tensor;
    int i = state_stage_of(x->s->state, t);
    if (i >= 0) ir_walk(x->s->state->stage[i]->body, see_input, u);
    else x->input = t->kind == TENSOR_INPUT;
    return true;
}
static bool constant(const struct contraction *k)
{
    struct seek x = {k->s, false};
    ir_walk(k->wread, see_input, &x);
    return !x.input;
}

bool wino_fits(const struct contraction *k, const char **why)
{
    struct wpart p;
    int channels = 0, batch = 0;
    bool names = true;
    for (int i = 0; i < k->ndata; i++) {
        channels += k->data[i].role == CON_CHANNEL;
        batch += k->data[i].role == CON_BATCH;
        names = names && !taken(k->data[i].name);
    }
    for (int i = 0; i < k->nsum; i++) names = names && !taken(k->over[i].name);
    if (!find_part(k, &p)) return *why = "it has no 3x3 window with stride 1 and dilation 1", false;
    if (channels != 1 || batch || k->group < 0 || k->nsum != 3) return *why = "it has groups, or channels in several axes", false;
    if (!is_small(k->x) || !is_small(k->w)) return *why = "an operand's range is wider than -327..327", false;
    if (!constant(k)) return *why = "its weights are not constant", false;
    if (k->nside) return *why = "the sum of activations is needed too", false;
    if (!names) return *why = "an axis is called i, j, p, t, ty, tx or yi, as axes of tiles are", false;
    if (k->data[p.y].extent < 2 || k->data[p.x].extent < 2 || k->over[k->group].extent < 8)
        return *why = "it is too small: a row or column of one, or fewer than 8 channels", false;
    return true;
}

/* ---- shape of a candidate ---- */

struct wtiles { int64_t ty, tx, per_y, per_x; };    /* tiles in all; in a block */

static int64_t divisor_upto(int64_t n, int64_t most)
{
    for (int64_t d = i64_min(n, most); d > 1; d--)
        if (n % d == 0) return d;
    return n > most ? n : 1;
}

static struct wtiles tiles_of(const struct contraction *k, const struct choice *c, const struct wpart *p)
{
    struct wtiles t = {ceil_div(k->data[p->y].extent, c->tile), ceil_div(k->data[p->x].extent, c->tile), 0, 0};
    t.per_y = ceil_div(c->rows, c->tile);
    t.per_x = t.per_y == 1 ? divisor_upto(t.tx, 64) : t.tx; /* a long row is cut where it divides */
    return t;
}

static bool overhangs(const struct contraction *k, const struct choice *c, const struct wpart *p)
{
    return k->data[p->y].extent % c->tile || k->data[p->x].extent % c->tile;
}

/* Vectors run along x's channels in memory as it is, and all that is read is there. */
static bool reads_x(const struct contraction *k, const struct choice *c, const struct wpart *p)
{
    return k->nxchain == 0 && !overhangs(k, c, p) && !state_layout(k->s->state, k->x) && k->xgroup == k->x->ndim - 1;
}

static int64_t images(const struct contraction *k, const struct wpart *p)
{
    int64_t n = 1;
    for (int i = 0; i < k->ndata; i++)
        if (i != p->y && i != p->x && i != p->channel) n *= k->data[i].extent;
    return n;
}

/* ---- the model: cycles of one core, fitted on measured kernels ---- */

static const double tile_start = 10, rest_start = 45, ops_per_cycle = 5, l2_bytes_per_cycle = 64;
static const double l3_bytes = 8 << 20, l3_bytes_per_cycle = 24, memory_bytes_per_cycle = 2.5;    /* stalls, beyond prefetching */
static const double data_cycles = 0.2, result_cycles = 0.3;     /* transforms, a value of V or M, 256-bit vectors */

static double tile_cycles(const struct intrin *in, int lanes, int regs, int mr, int vectors, double pairs)
{
    int each = strncmp(in->row->recipe, "add(", 4) ? 1 : 2;
    double mul = (double)mr * vectors * lanes * 2 / in->row->mac_per_cycle;
    double ops = (mr + vectors + 2 + mr * vectors * each) / ops_per_cycle;
    if ((mr + 1) * vectors + 2 > regs - 2) mul *= 1.08; /* moves and spills */
    return pairs * (mul > ops ? mul : ops);
}

/* How many parts the primitive cuts the channels into; 0: no number that divides them gives a proof. */
static int parts(const struct contraction *k, int tile)
{
    struct range x = k->x->range, w = k->w->range;
    double sum = 9.0 * (double)k->over[k->group].extent * (double)((x.hi - x.lo + 1) / 2) * (double)i64_max(-w.lo, w.hi);
    int64_t n = (int64_t)(sum / (tile == 4 ? 1 << 25 : 1 << 29)) + 1;
    while (n < 16 && k->over[k->group].extent % n) n++;
    return n > 16 || k->over[k->group].extent % n ? 0 : (int)n;
}

static double model(const struct contraction *k, const struct choice *c, int lanes, const struct wpart *p)
{
    struct wtiles t = tiles_of(k, c, p);
    double a2 = (c->tile + 2) * (c->tile + 2), ch = (double)k->over[k->group].extent, o = (double)k->data[p->channel].extent;
    double per = (double)(t.per_y * t.per_x), blocks = (double)(images(k, p) * (t.ty / t.per_y) * (t.tx / t.per_x));
    double panels = (double)ceil_div(k->data[p->channel].extent, c->nr), width = k->s->target->vector_bits / 256.0;
    int rest = (int)(t.per_y * t.per_x) % c->mr, vectors = c->nr / lanes, regs = k->s->target->vector_regs;
    double mul = (double)(t.per_y * t.per_x / c->mr) * (tile_cycles(c->row, lanes, regs, c->mr, vectors, ch / 2) + tile_start);
    if (rest) mul += tile_cycles(c->row, lanes, regs, rest, vectors, ch / 2) + rest_start;
    double np = parts(k, c->tile), l2 = k->s->target->l2_bytes;
    double u = a2 * ch * o * 2, block = a2 * per * (ch * 2 + np * c->nr * 4), far = u / l2_bytes_per_cycle;   /* V, M */
    if (u > l3_bytes) far += u / (c->outer ? blocks : 1) / memory_bytes_per_cycle;
    else if (u + block > l2) far += u / (c->outer ? blocks : 1) / l3_bytes_per_cycle;
    if (block > l2) far += (block - l2) * panels / l3_bytes_per_cycle;
    return blocks * (a2 * panels * mul + far + a2 * per * (data_cycles * ch + result_cycles * np * o) / width);
}

/* ---- candidates ---- */

static bool pair_row(const struct intrin *in, int *lanes)
{
    const struct meaning *m = in->meaning;
    if (m->nop != 3 || !m->accumulate || m->combiner != RED_SUM || m->nout != 1 || m->naxes != 2) return false;
    const struct tensor *c = m->op[0], *a = m->op[1], *b = m->op[2];
    if (!meaning_is_plain(m) || c->dt != DT_I32 || a->dt != DT_I16 || b->dt != DT_I16 || a->ndim != 1 || b->ndim != 2 || a->shape[0] != 2) return false;
    *lanes = (int)c->shape[0];
    return m->op_axis[1][0] == 1 && m->op_axis[2][0] == 0;
}

void wino_candidates(const struct contraction *k, struct candidates *out)
{
    const struct target *t = k->s->target;
    struct wpart p;
    if (!find_part(k, &p)) return;
    for (int i = 0; i < t->nintrin; i++) {
        int lanes = 0;
        struct choice c = {.row = &t->intrin[i]};
        if (!pair_row(c.row, &lanes)) continue;
        for (c.tile = 2; c.tile <= 4; c.tile += 2)
            for (c.nr = lanes; c.nr <= 3 * lanes && parts(k, c.tile); c.nr += lanes)
                for (c.mr = 3; c.mr <= 12; c.mr++) {
                    if ((c.mr + 1) * (c.nr / lanes) + 2 > t->vector_regs) continue;
                    int64_t ty = ceil_div(k->data[p.y].extent, c.tile);
                    for (int64_t n = 1; n <= ty; n++) {
                        if (ty % n) continue;
                        c.rows = (int)(n * c.tile);
                        struct wtiles w = tiles_of(k, &c, &p);
                        int64_t blocks = images(k, &p) * (ty / n) * (w.tx / w.per_x);
                        c.outer = out->fixed.outer >= 0 ? out->fixed.outer : blocks < 4 && k->data[p.channel].extent >= 4 * c.nr;
                        if (n > 1 && w.per_y * w.per_x > 256) continue;
                        c.cycles = model(k, &c, lanes, &p);
                        cand_add(out, c);
                    }
                }
    }
}

/* ---- steps ---- */

static void channels_last(const struct contraction *k, const char *copy, struct str *out)
{
    if (k->xgroup == k->x->ndim - 1) return;
    str_printf(out, "transform_layout %s ", copy);
    for (int i = 0; i < k->x->ndim; i++)
        if (i != k->xgroup) str_putc(out, (char)('A' + i));
    str_printf(out, "%c axes=%.*s\n", 'A' + k->xgroup, k->x->ndim, "ABCDEFGH");
}

/* The activations as the transform reads them: channels last, edges and overhang in place. */
static void copy_x(const struct contraction *k, const char *name, struct str *out)
{
    str_printf(out, "cache_read %s global %s -> %s\n", k->x->name, k->sum->tensor->name, name);
    for (int i = 0; i < k->nxchain; i++) str_printf(out, "compute_inline %s\n", k->xchain[i]->name);
    channels_last(k, name, out);
}

/* The widest of these vectors that divides the channels; else the least, with a rest of its own. */
static void channel_vectors(const char *stage, const char *axis, int64_t extent, int most, int least, struct str *out)
{
    int n = most;
    while (n > least && extent % n) n /= 2;
    str_printf(out, "split %s.%s %d tail=peel -> %s_p %s_v\n", stage, axis, n, axis, axis);
}

static void copy_loops(const struct contraction *k, const char *x, const char *at, const struct wpart *p, struct str *out)
{
    const char *along = k->x->dim_name[k->xgroup];
    channel_vectors(x, along, k->x->shape[k->xgroup], k->s->target->vector_bits / 8, 8, out);
    str_printf(out, "reorder %s", x);
    for (int i = 0; i < k->x->ndim; i++)
        if (i != k->xgroup) str_printf(out, " %s", k->x->dim_name[i]);
    str_printf(out, " %s_p %s_v\nvectorize %s.%s_v\n", along, along, x, along);
    if (at) str_printf(out, "compute_at %s %s.%s\n", x, k->last->tensor->name, at);
    else str_printf(out, "parallel %s.%s\n", x, k->x->dim_name[p->ydim]);
}

/* Loops of the last stage; the name of the loop that blocks are, and of the loop that panels' products stand in. */
static void order_loops(const struct contraction *k, const struct choice *c, const struct wpart *p, const char **block,
                        const char **panel, struct str *out)
{
    const char *last = k->last->tensor->name, *o = k->data[p->channel].out, *y = k->data[p->y].out, *x = k->data[p->x].out;
    struct wtiles t = tiles_of(k, c, p);
    bool cut = t.per_x < t.tx;
    int outer = 0;
    str_printf(out, "split %s.%s %d -> %s_b %s_r\nsplit %s.%s_r %d -> %s_t %s_i\n", last, y, c->rows, y, y, last, y, c->tile, y, y);
    if (cut) str_printf(out, "split %s.%s %d -> %s_b %s_r\n", last, x, (int)t.per_x * c->tile, x, x);
    str_printf(out, "split %s.%s%s %d -> %s_t %s_i\n", last, x, cut ? "_r" : "", c->tile, x, x);
    str_printf(out, "split %s.%s %d tail=peel -> %s_p %s_v\nreorder %s", last, o, c->nr, o, o, last);
    if (c->outer) str_printf(out, " %s_p", o);
    struct str blocks = str_on(out->arena);
    for (int i = 0; i < k->ndata; i++)
        if (i != p->y && i != p->x && i != p->channel && k->data[i].extent > 1) str_printf(&blocks, " %s", k->data[i].out), outer++;
    str_printf(&blocks, " %s_b", y);
    if (cut) str_printf(&blocks, " %s_b", x), outer++;
    str_put(out, str_text(&blocks));
    if (!c->outer) str_printf(out, " %s_p", o);
    str_printf(out, " %s_t %s_t %s_i %s_i %s_v\n", y, x, y, x, o);
    *block = arena_printf(out->arena, "%s_b", y);
    if (outer) { /* one loop for the threads */
        str_printf(out, "fuse %s.%s -> blocks\n", last, str_text(&blocks) + 1);
        *block = "blocks";
    }
    *panel = c->outer ? *block : arena_printf(out->arena, "%s_p", o);
    str_printf(out, "parallel %s.%s\n", last, c->outer ? arena_printf(out->arena, "%s_p", o) : *block);
    str_printf(out, "unroll %s.%s_i\nvectorize %s.%s_v\n", last, x, last, o);
}

void wino_steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    struct arena *a = &k->s->c->arena;
    struct wpart p;
    int lanes = 0;
    if (!find_part(k, &p) || !pair_row(c->row, &lanes)) return;
    const char *last = k->last->tensor->name, *sum = k->sum->tensor->name, *block, *panel;
    const char *u = tmpl_fresh(k, arena_printf(a, "%s_u", k->w->name)), *v = tmpl_fresh(k, arena_printf(a, "%s_v", k->x->name));
    const char *m = tmpl_fresh(k, arena_printf(a, "%s_m", sum)), *x = tmpl_fresh(k, arena_printf(a, "%s_x", k->x->name));
    const char *o = k->data[p.channel].name, *ch = k->over[k->group].name;
    bool direct = reads_x(k, c, &p);
    if (!direct) copy_x(k, x, out);
    str_printf(out, "winograd %s.%s %s tile=%d -> %s %s %s\n", sum, k->data[p.y].name, k->data[p.x].name, c->tile, u, v, m);
    if (k->last != k->sum) str_printf(out, "compute_inline %s\n", sum);
    for (int i = 0; i < k->ninline; i++) str_printf(out, "compute_inline %s\n", k->inlined[i]->name);
    str_printf(out, "transform_layout %s OIJC%do2c axes=IJOC\n", u, c->nr);
    order_loops(k, c, &p, &block, &panel, out);

    /* back: each column of M once, then its rows */
    str_printf(out, "compute_at %sr %s.%s_t\nreorder %sr j yi\nunroll %sr.yi\nvectorize %sr.%s\n", m, last, k->data[p.x].out, m, m, m, o);
    str_printf(out, "cache_read %s local %sr -> %sl\ncompute_at %sl %sr.j\nunroll %sl.i\nvectorize %sl.%s\n", m, m, m, m, m, m, m, o);

    /* products */
    str_printf(out, "cache_write %s local -> %sa\n", m, m);
    if (k->data[p.channel].extent % c->nr) str_printf(out, "pad %sa.%s %d\n", m, o, c->nr);
    if (k->over[k->group].extent % 2) str_printf(out, "pad %sa.%s 2\n", m, ch);
    str_printf(out, "compute_at %s %s.%s\nsplit %s.t %d tail=peel -> t_t t_u\nunroll %s.t_u\nvectorize %s.%s\n", m, last, panel, m, c->mr, m,
               m, o);
    str_printf(out, "compute_at %sa %s.t_t\nsplit %sa.%s %d tail=pad -> o_n o_l\nsplit %sa.%s 2 -> c_g c_k\n", m, m, m, o, lanes, m, ch);
    str_printf(out, "reorder %sa c_g t o_n o_l c_k\nunroll %sa.t\nunroll %sa.o_n\ntensorize %sa.o_l with %s\n", m, m, m, m, c->row->row->name);

    /* data: rows of tiles, a few channels at a time */
    channel_vectors(v, ch, k->over[k->group].extent, k->s->target->vector_bits / 8, k->s->target->vector_bits / 16, out);
    str_printf(out, "reorder %s ty %s_p tx i j %s_v\nunroll %s.j\nvectorize %s.%s_v\n", v, ch, ch, v, v, ch);
    if (c->outer) str_printf(out, "parallel %s.ty\n", v);
    else str_printf(out, "compute_at %s %s.%s\n", v, last, block);
    const char *col = k->data[p.x].name, *from = direct ? k->x->name : x;
    str_printf(out, "cache_read %sr local %s -> %sl\ncompute_at %sl %s.i\nunroll %sl.%s\nvectorize %sl.%s\n", v, v, v, v, v, v, col, v, ch);
    str_printf(out, "compute_at %sr %s.%s_p\nreorder %sr %s i\nunroll %sr.i\nvectorize %sr.%s\n", v, v, ch, v, col, v, v, ch);
    str_printf(out, "cache_read %s local %sr as=i16 -> %sx\ncompute_at %sx %sr.%s\nunroll %sx.%s\nvectorize %sx.%s\n", from, v, v, v, v, col,
               v, k->x->dim_name[p.ydim], v, k->x->dim_name[k->xgroup]);
    channels_last(k, arena_printf(a, "%sx", v), out);
    if (!direct) copy_loops(k, x, c->outer ? NULL : block, &p, out);
}
