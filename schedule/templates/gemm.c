/* SPDX-License-Identifier: Apache-2.0 */
/* gemm.c - conv2d and dense: tiles of mr pixels by nr channels in registers, over the whole sum.
 *
 *     pack      w -> panels of nr channels by groups of k                 (ahead, where w is constant)
 *     parallel  block of rows, or panel of channels
 *                 x -> converted: padded, widened, zero point taken off   (of a block, or of all before)
 *                 for panels, rows, tiles:
 *                   acc[mr, nr] = 0;  for r, s, c/k:  mr * nr/lanes instructions
 *                   bias, requantise, clamp, store: in vectors of nr
 *
 * A 1x1 convolution, a dense layer and a k x k convolution differ in the loops of the sum alone. */
#include "ir/simplify.h"
#include "schedule/templates/winograd.h"

/* ---- rows ---- */

/* The shape of a dot-product row: C[lanes] += A[groups, k] * B[groups, lanes, k]; mostly there is one group. Or of one
 * that multiplies tiles: C[rows, lanes] += A[rows, k] * B[lanes, k]. */
struct dot { int lanes, k, groups, rows; enum dtype a, b; };

static bool tile_row(const struct intrin *in, struct dot *d)
{
    const struct meaning *m = in->meaning;
    const struct tensor *c = m->op[0], *a = m->op[1], *b = m->op[2];
    if (m->nop != 3 || !m->accumulate || m->combiner != RED_SUM || m->nout != 2 || m->naxes != 3 || c->dt != DT_I32 ||
        a->ndim != 2 || b->ndim != 2 || m->op_axis[0][0] != 0 || m->op_axis[1][0] != 0 || m->op_axis[1][1] != 2 ||
        m->op_axis[2][0] != 1 || m->op_axis[2][1] != 2)
        return false;
    *d = (struct dot){(int)c->shape[1], (int)a->shape[1], 1, (int)a->shape[0], a->dt, b->dt};
    return true;
}

static bool dot_row(const struct intrin *in, struct dot *d)
{
    const struct meaning *m = in->meaning;
    if (m->nout == 2) return tile_row(in, d);
    int chain = m->naxes - 2; /* 1: there is an axis of groups */
    if (m->nop != 3 || !m->accumulate || m->combiner != RED_SUM || m->nout != 1 || chain < 0 || chain > 1) return false;
    const struct tensor *c = m->op[0], *a = m->op[1], *b = m->op[2];
    if (c->dt != DT_I32 || a->ndim != 1 + chain || b->ndim != 2 + chain || m->op_axis[1][chain] != 1 + chain ||
        m->op_axis[2][chain] != 0 || (chain && (m->op_axis[1][0] != 1 || m->op_axis[2][0] != 1)))
        return false;
    *d = (struct dot){(int)c->shape[0], (int)a->shape[chain], chain ? (int)a->shape[0] : 1, 1, a->dt, b->dt};
    return true;
}

/* Terms that one instruction adds to a lane. */
static int terms(const struct dot *d) { return d->k * d->groups; }

/* ---- shape ---- */

/* Which axes play which part. -1: there is none. */
struct part {
    int tile, block;    /* pixels: the axis cut into mr, the axis cut into blocks of rows (may be the same) */
    int channel;
    bool copy;          /* x is converted */
    enum dtype as;      /* to this type */
};

/* How many elements along dimension dim lie together in blocks of t's layout; 0: the layout has no such blocks. */
static int64_t inner_block(const struct contraction *k, const struct tensor *t, int dim)
{
    const struct layout *l = state_layout(k->s->state, t);
    const struct layout_dim *in = l ? &l->phys[l->nphys - 1] : NULL;
    return in && in->dim == dim && in->stride == 1 ? in->size : 0;
}

/* Does the group axis lie k at a time in x's memory as it is? */
static bool groups_lie(const struct contraction *k, int group)
{
    if (k->x->shape[k->xgroup] % group) return false;
    if (!state_layout(k->s->state, k->x)) return k->xgroup == k->x->ndim - 1;
    int64_t block = inner_block(k, k->x, k->xgroup);
    return block && block % group == 0;
}

static struct part parts(const struct contraction *k, const struct dot *d)
{
    struct part p = {-1, -1, -1, false, d->a};
    for (int i = 0; i < k->ndata; i++)
        if (k->data[i].role == CON_CHANNEL && (p.channel < 0 || k->data[i].extent > k->data[p.channel].extent)) p.channel = i;
    for (int i = k->ndata - 1; i >= 0; i--) /* the last pixel axis, unless it is tiny and another is not */
        if (k->data[i].role == CON_PIXEL &&
            (p.tile < 0 || (k->data[p.tile].extent < 4 && k->data[i].extent > k->data[p.tile].extent))) p.tile = i;
    for (int i = k->ndata - 1; i >= 0; i--)
        if (k->data[i].role == CON_PIXEL && i != p.tile &&
            (p.block < 0 || k->data[p.block].extent < k->data[i].extent)) p.block = i;
    if (p.block < 0 || k->data[p.block].extent == 1) p.block = p.tile;
    p.copy = k->x->dt != d->a || k->nxchain > 0 || !groups_lie(k, terms(d));
    return p;
}

static int64_t sum_extent(const struct contraction *k, int group)
{
    int64_t n = 1;
    for (int i = 0; i < k->nsum; i++)
        n *= i == k->group ? ceil_div(k->over[i].extent, group) * group : k->over[i].extent;
    return n;
}

static bool fits_any(const struct contraction *k, const char **why)
{
    int channels = 0;
    for (int i = 0; i < k->ndata; i++) channels += k->data[i].role == CON_CHANNEL;
    if (channels != 1) return *why = "one axis of the output must index the weights alone (the output channels)", false;
    if (k->group < 0) return *why = "no summed axis indexes a dimension of both operands alone (the input channels)", false;
    for (int d = 0; d < k->w->ndim; d++) /* panels are cut from dimensions that one axis indexes alone */
        if (k->wread->kid[d]->op != OP_VAR && k->wread->kid[d]->op != OP_INT)
            return *why = "a dimension of the weights is not indexed by one axis alone", false;
    return true;
}

static bool is_window(const struct contraction *k)
{
    int pixels = 0;
    for (int i = 0; i < k->ndata; i++) pixels += k->data[i].role == CON_PIXEL;
    return k->nsum > 1 || pixels > 1;
}

static bool fits_conv2d(const struct contraction *k, const char **why)
{
    if (!is_window(k)) return *why = "it has no window and one axis of pixels: a dense layer", false;
    return fits_any(k, why);
}

static bool fits_dense(const struct contraction *k, const char **why)
{
    if (is_window(k)) return *why = "it sums over a window, or has several axes of pixels: a convolution", false;
    return fits_any(k, why);
}

/* How many values the index of x's dimension d takes: its axes' extents together. */
static int64_t span_of(const struct contraction *k, int d)
{
    int64_t n = 1;
    for (int i = 0; i < k->sum->nroot; i++)
        if (ir_uses(k->xread->kid[d], k->sum->root_var[i])) n *= k->sum->root_extent[i];
    return n;
}

/* Are there pixels of x that no window covers, as a 1x1 convolution with stride 2 leaves three of four? Then the copy has
 * the sum's axes, its channels last. */
static bool sparse(const struct contraction *k, const struct part *p)
{
    bool strided = false;
    if (tmpl_offset(k->x, p->as) || k->planes) return false;
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group && k->over[i].extent > 1) return false;
    for_kids(k->xread, d) {
        struct range r = ir_bounds(k->xread->kid[d], NULL);
        strided = strided || (span_of(k, d) > 1 && r.hi - r.lo >= 2 * (span_of(k, d) - 1));
    }
    return strided;
}

/* Operations of a row that are done for every product: what is done to A or B alone is shared by a tile. */
static int row_ops(const struct intrin *in)
{
    static const char *const shared[] = {"repeat.", "bitcast.", "sext.", "zext.", "part."};
    int n = 0;
    for (const char *at = in->row->recipe; (at = strchr(at, '(')); at++) n++;
    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        for (const char *at = in->row->recipe; (at = strstr(at, shared[i])); at++) n--;
    return n < 1 ? 1 : n;
}

/* ---- activations in registers ----
 * Where an instruction takes A from a register, or a lane of one, a row of the tile is loaded for several groups at once. */

/* The dimension of x that the tile's axis alone indexes, by ones; -1: there is none. */
static int tile_dim(const struct contraction *k, const struct part *p)
{
    const struct var *v = p->tile < 0 ? NULL : k->sum->root_var[p->tile];
    int found = -1;
    for_kids(k->xread, d) {
        const struct expr *base;
        int64_t step;
        if (!v || !ir_uses(k->xread->kid[d], v)) continue;
        if (found >= 0 || !ir_affine(k->s->c, k->xread->kid[d], 1, &v, &step, &base) || step != 1) return -1;
        found = d;
    }
    return found;
}

/* The channels of the block around w's groups: 16 in OIHW4i16o4i; 0: none. */
static int64_t group_block(const struct contraction *k)
{
    const struct layout *l = state_layout(k->s->state, k->w);
    for (int i = 0; i < l->nphys - 1; i++)
        if (l->phys[i].dim == k->wgroup && l->phys[i].size) return l->phys[i].size * l->phys[i].stride;
    return 0;
}

/* Terms of a row that are loaded at once, in whole vectors; 0: what an instruction reads is loaded for it alone. */
static int terms_taken(const struct contraction *k, const struct intrin *in, const struct dot *d, const struct part *p)
{
    int lane_bytes = k->s->target->lane_bytes;
    int64_t extent = k->over[k->group].extent, block = inner_block(k, k->w, k->wgroup) ? group_block(k) : 0;
    if (!lane_bytes || row_ops(in) > 1 || p->tile < 0 || k->planes) return 0;
    for (int n = (int)i64_min(lane_bytes / dt_bytes(d->a), 4 * terms(d)); n >= (d->rows > 1 ? d->k : 2 * terms(d)); n /= 2) {
        if (block && block % n) continue;
        if (extent % n == 0 && (p->copy || groups_lie(k, n))) return n;
    }
    return 0;
}

/* ---- the model ----
 * Cycles of one core. The inner loop is bound by the instruction's own throughput or by how many operations the core
 * takes a cycle; the constants are fitted on kernels measured with tools/bench (README.md there). */

static const double ops_per_cycle = 5, tile_start = 8, per_output = 0.3, per_converted = 0.1, l2_bytes_per_cycle = 40;
static const double load_cycles = 0.15; /* a vector of weights, beside products that take it from a register */
static const double single_vector = 1.06; /* measured: a load of activations for every product */

static double tile_cycles(const struct contraction *k, const struct intrin *in, const struct dot *d, int taken, int mr, int nr)
{
    int vectors = nr / d->lanes;
    double groups = (double)sum_extent(k, terms(d)) / terms(d), panel_bytes = (double)nr * terms(d) * dt_bytes(d->b);
    double one = (double)d->rows * d->lanes * terms(d) / in->row->mac_per_cycle;
    double group = (double)mr / d->rows * vectors * one;
    if (k->s->target->lane_bytes && (d->rows > 1 || !taken)) group += (double)mr / d->rows * one; /* A is put together, or spread */
    mr = ceil_div(mr, d->rows);
    double ops = ((mr + vectors) * d->groups + 2 + mr * vectors * row_ops(in)) / ops_per_cycle;
    if (ops > group) group = ops;
    if (taken) group += load_cycles * vectors;
    if (vectors == 1 && d->rows == 1) group *= single_vector;
    if (groups * panel_bytes > 0.75 * k->s->target->l1_bytes && panel_bytes / l2_bytes_per_cycle > group)
        group = panel_bytes / l2_bytes_per_cycle;
    return groups * group + tile_start + per_output * mr * d->rows * nr;
}

static double total_cycles(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p)
{
    int64_t pixels = 1, batch = 1, m = p->tile < 0 ? 1 : k->data[p->tile].extent, o = k->data[p->channel].extent, xs = 1;
    for (int i = 0; i < k->ndata; i++) {
        if (k->data[i].role == CON_PIXEL && i != p->tile) pixels *= k->data[i].extent;
        if (k->data[i].role == CON_BATCH) batch *= k->data[i].extent;
    }
    double row = (double)(m / c->mr) * tile_cycles(k, c->row, d, c->taken, c->mr, c->nr);
    if (m % c->mr) row += 1.05 * tile_cycles(k, c->row, d, c->taken, (int)(m % c->mr), c->nr);
    int64_t panels = ceil_div(o, c->nr);
    bool some = sparse(k, p);
    for (int i = 0; i < k->x->ndim; i++) xs *= some ? i64_min(span_of(k, i), k->x->shape[i]) : k->x->shape[i];
    if (c->chain.rest) {
        struct dot rest;
        dot_row(c->chain.rest, &rest);
        row += (double)m / c->mr * (c->chain.share * tile_cycles(k, c->chain.rest, &rest, 0, c->mr, c->nr) + per_output * c->mr * c->nr);
    }
    return (double)(batch * pixels * panels) * row + (p->copy ? per_converted * (double)xs : 0);
}

/* Does w already lie in panels of nr channels by groups of k, as OIHW4i16o4i does? Then nothing is packed. */
static bool packed_so(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p)
{
    const struct layout *l = state_layout(k->s->state, k->w);
    if (!l || l->nphys < 2 || k->w->dt != d->b || d->groups > 1 || c->chain.rest || state_stage_of(k->s->state, k->w) >= 0) return false;
    const struct layout_dim *group = &l->phys[l->nphys - 1], *panel = &l->phys[l->nphys - 2];
    const struct expr *o = k->wread->kid[panel->dim];
    bool is_channel = o->op == OP_VAR && o->val.var == k->sum->root_var[p->channel];
    return group->dim == k->wgroup && group->stride == 1 && group->size == d->k && k->over[k->group].extent % d->k == 0 &&
           is_channel && panel->stride == 1 && panel->size == c->nr && k->data[p->channel].extent % c->nr == 0;
}

/* ---- candidates ---- */

static void pass_over(struct candidates *out, const struct intrin_row *row, const char *fmt, ...) QJ_PRINTF(3, 4);
static void pass_over(struct candidates *out, const struct intrin_row *row, const char *fmt, ...)
{
    if (!out->why) return;
    va_list ap;
    va_start(ap, fmt);
    struct explain_row r = {.of_template = true, .where = row->name, .why = arena_vprintf(&out->why->c->arena, fmt, ap)};
    VEC_PUSH(&out->why->c->arena, out->why->row, r);
    va_end(ap);
}

/* *capped: only if the weights are capped as they are packed. */
static bool row_serves(const struct contraction *k, const struct intrin *in, const struct dot *d, struct candidates *out, bool *capped)
{
    const struct tensor *x = k->x, *w = k->w;
    int64_t offset = tmpl_offset(x, d->a);
    struct range r = {x->range.lo + offset, x->range.hi + offset};
    if (x->dt != d->a && !offset && (dt_bytes(d->a) <= dt_bytes(x->dt) || !dt_holds(d->a, x->range)))
        return pass_over(out, in->row, "it takes %s activations, %s holds %s", dtype_info[d->a].name, x->name, dtype_info[x->dt].name), false;
    if (w->dt != d->b && (dt_bytes(d->b) <= dt_bytes(w->dt) || !dt_holds(d->b, w->range)))
        return pass_over(out, in->row, "it takes %s weights, %s holds %s", dtype_info[d->b].name, w->name, dtype_info[w->dt].name), false;
    *capped = !target_sums_fit(in->row->pair_i16, r, w->range);
    if (*capped && (x->dt != DT_U8 || w->dt != DT_I8)) {
        pass_over(out, in->row, "a sum of %d products of %lld..%lld by %lld..%lld may not fit 16 bits%s", in->row->pair_i16,
                  (long long)r.lo, (long long)r.hi, (long long)w->range.lo, (long long)w->range.hi, x->dt == DT_U8 ? "; declare activations `in 0..127`" : "");
        return false;
    }
    return true;
}

/* Registers: sums, a vector of weights each, one of activations, and what the recipe itself needs. With activations in
 * registers, these and one or two vectors of weights at a time. */
static bool tile_fits(const struct target *t, const struct intrin *in, const struct dot *d, int taken, int mr, int nr)
{
    int vectors = nr / d->lanes, own = t->lane_bytes ? 3 : in->row->pair_i16 ? 2 : 0;
    if (taken) return mr / d->rows * vectors + ceil_div(mr / d->rows * d->rows * taken * dt_bytes(d->a), t->vector_bits / 8) + 3 <= t->vector_regs;
    if (strstr(in->row->recipe, "ashr") || strstr(in->row->recipe, "lshr")) own = 4;    /* even and odd parts */
    if (strstr(in->row->recipe, "xor")) own = 3;
    int weights = d->groups > 1 ? 2 * vectors : vectors;
    return mr * vectors + weights + 2 + own <= t->vector_regs;
}

static int64_t block_pixels(const struct contraction *k, const struct part *p, int64_t rows)
{
    return p->block == p->tile ? rows : rows * k->data[p->tile].extent;
}

/* Rows of a block: enough pixels that a panel's way from memory is paid for, few enough that the converted block
 * stays in the second-level cache and that threads have work; a divisor of the axis if one is near. */
static int block_rows(const struct contraction *k, const struct part *p, const struct dot *d, int mr)
{
    if (p->tile < 0) return 1;
    int64_t n = k->data[p->block].extent, row_bytes = sum_extent(k, 1) * dt_bytes(d->a);
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group) row_bytes = row_bytes / k->over[i].extent; /* windows overlap */
    enum { ENOUGH = 1024 };
    int64_t per = block_pixels(k, p, 1), best = 1;
    double best_score = -1;
    for (int64_t r = 1; r <= n && r <= ENOUGH; r++) {
        bool same = p->block == p->tile;
        if (same && r % mr && r != n) continue;
        int64_t pixels = per * r, blocks = ceil_div(n, r);
        double score = 1.0 / (1 + 12.0 / (double)pixels);
        if (p->copy && pixels * row_bytes > k->s->target->l2_bytes / 2) score *= 0.8;
        if (blocks < 8) score *= 0.9 + 0.0125 * (double)blocks;
        if (n % r) score *= same ? 0.5 : 1.0 / (1.0 + (double)(blocks * r - n) / (double)n);
        if (score > best_score) {
            best_score = score;
            best = r;
        }
    }
    return (int)best;
}

static int64_t pixel_blocks(const struct contraction *k, const struct part *p, int rows)
{
    if (p->tile < 0) return 1;
    int64_t n = ceil_div(k->data[p->block].extent, rows);
    for (int i = 0; i < k->ndata; i++)
        if (i != p->block && i != p->tile && k->data[i].role != CON_CHANNEL) n *= k->data[i].extent;
    return n;
}

static void candidates(const struct contraction *k, struct candidates *out)
{
    const struct target *t = k->s->target;
    int64_t pixels = 1;
    for (int i = 0; i < k->ndata; i++)
        if (k->data[i].role == CON_PIXEL) pixels *= k->data[i].extent;
    for (int i = 0; i < t->nintrin; i++) {
        const struct intrin *in = &t->intrin[i];
        struct dot d;
        if (out->fixed.row && out->fixed.row != in) continue;
        bool capped;
        if (!dot_row(in, &d) || !row_serves(k, in, &d, out, &capped)) continue;
        struct part p = parts(k, &d);
        struct chain_plan plan = {0};
        const char *why = "for few pixels, weights wait for memory";
        if (capped && (pixels < 8 || !chain_plan_of(k, in, d.groups, p.channel, d.lanes, out->fixed.row == in, &plan, &why))) {
            pass_over(out, in->row, "a sum of %d products may not fit 16 bits; %s", in->row->pair_i16, why);
            continue;
        }
        int64_t m = p.tile < 0 ? 1 : k->data[p.tile].extent, o = k->data[p.channel].extent;
        int taken = terms_taken(k, in, &d, &p), step = d.lanes * d.rows;
        if (d.rows > 1 && (!taken || m % d.rows || tile_dim(k, &p) < 0)) {
            pass_over(out, in->row, "tiles of %d pixels side by side, with %d channels each, are needed", d.rows, d.k);
            continue;
        }
        for (int nr = step; nr <= 8 * step && nr <= 64; nr += step)
            for (int mr = d.rows; mr <= 14 && mr <= m; mr += d.rows) {
                if (!tile_fits(t, in, &d, taken, mr, nr) || (nr > step && nr >= o + step)) continue;
                if (plan.rest && (nr > d.lanes || o % nr)) continue; /* narrow blocks have less of a rest */
                struct choice c = {.row = in, .mr = mr, .nr = nr, .taken = taken, .offset = tmpl_offset(k->x, d.a), .chain = plan};
                c.rows = out->fixed.rows ? out->fixed.rows : block_rows(k, &p, &d, mr);
                c.outer = pixel_blocks(k, &p, c.rows) < 4 && ceil_div(o, nr) >= 8;
                c.outer |= p.tile < 0;
                if (out->fixed.outer >= 0 && p.tile >= 0) c.outer = out->fixed.outer;
                c.cycles = total_cycles(k, &c, &d, &p);
                if (packed_so(k, &c, &d, &p)) c.cycles *= 0.85; /* the caller chose this layout for it */
                cand_add(out, c);
            }
    }
}

/* ---- steps ---- */

/* w's dimensions as letters: panels of nr channels by groups of k. */
static void pack_layout(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p, struct str *out)
{
    const struct var *channel = k->sum->root_var[p->channel];
    int o = 0, n = k->w->ndim;
    while (k->wread->kid[o]->op != OP_VAR || k->wread->kid[o]->val.var != channel) o++;
    for (int i = 0; i < n; i++) { /* batch */
        bool batch = false;
        for (int a = 0; a < k->ndata; a++)
            batch |= k->data[a].role == CON_BATCH && ir_uses(k->wread->kid[i], k->sum->root_var[a]);
        if (batch) str_putc(out, (char)('A' + i));
    }
    str_putc(out, (char)('A' + o));
    for (int a = 0; a < k->nsum; a++) /* windows, in the order of the sum's loops */
        for (int i = 0; i < n; i++)
            if (a != k->group && ir_uses(k->wread->kid[i], k->sum->root_var[k->ndata + a])) str_putc(out, (char)('A' + i));
    for (int i = 0; i < n; i++)
        if (k->wread->kid[i]->op == OP_INT) str_putc(out, (char)('A' + i));
    char of = (char)('a' + o), kf = (char)('a' + k->wgroup);
    str_putc(out, (char)('A' + k->wgroup));
    if (d->groups == 1) str_printf(out, "%d%c", c->nr, of);
    else if (c->nr > d->lanes) str_printf(out, "%d%c", c->nr / d->lanes, of);
    if (d->groups > 1) str_printf(out, "%d%c%d%c", d->groups, kf, d->lanes, of); /* a chain's vectors one after another */
    str_printf(out, "%d%c axes=%.*s\n", d->k, kf, n, "ABCDEFGH");
}

/* x, padded and widened; its vectors run along memory. */
static void convert(const struct contraction *k, const struct part *p, const char *sum, const char *name, struct str *out)
{
    if (!tmpl_offset(k->x, p->as)) { /* else `offset` has made the copy */
        str_printf(out, sparse(k, p) ? "reindex %s %s" : "cache_read %s global %s", k->x->name, sum);
        if (p->as != k->x->dt) str_printf(out, " as=%s", dtype_info[p->as].name);
        str_printf(out, " -> %s\n", name);
    }
    for (int i = 0; i < k->nxchain; i++) str_printf(out, "compute_inline %s\n", k->xchain[i]->name);
    if (k->xgroup != k->x->ndim - 1 && !sparse(k, p)) {
        str_printf(out, "transform_layout %s ", name);
        for (int i = 0; i < k->x->ndim; i++)
            if (i != k->xgroup) str_putc(out, (char)('A' + i));
        str_printf(out, "%c axes=%.*s\n", 'A' + k->xgroup, k->x->ndim, "ABCDEFGH");
    }
}

/* The other loops of the last stage that are not cut: images, groups. */
static bool is_outer(const struct part *p, int i) { return i != p->tile && i != p->block && i != p->channel; }

static const char *blocks_loop(const struct contraction *k, const struct part *p)
{
    for (int i = 0; i < k->ndata; i++)
        if (is_outer(p, i) && k->data[i].extent > 1) return "blocks";
    return arena_printf(&k->s->c->arena, "%s_b", k->data[p->block].out);
}

/* The panel of a tile as vectors: blocks of the output's layout are vectors of their own. */
static void output_lanes(const struct contraction *k, const struct choice *c, const struct part *p, struct str *out)
{
    const char *last = k->last->tensor->name, *o = k->data[p->channel].out;
    int dim = 0;
    while (strcmp(k->last->iter[dim].name, o)) dim++;
    int64_t block = inner_block(k, k->last->tensor, dim);
    if (block > 1 && block < c->nr)
        str_printf(out, "split %s.%s_v %lld -> %s_w %s_v\nunroll %s.%s_w\n", last, o, (long long)block, o, o, last, o);
    str_printf(out, "vectorize %s.%s_v\n", last, o);
}

/* Loops of the last stage: [panel] images groups block [panel] row tile | pixel channel. */
static void order_loops(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p, struct str *out)
{
    const char *last = k->last->tensor->name, *o = k->data[p->channel].out;
    str_printf(out, "split %s.%s %d tail=peel -> %s_p %s_v\n", last, o, c->nr, o, o);
    if (p->tile < 0) {
        str_printf(out, "reorder %s %s_p", last, o);
        for (int i = 0; i < k->ndata; i++)
            if (is_outer(p, i)) str_printf(out, " %s", k->data[i].out);
        str_printf(out, " %s_v\nparallel %s.%s_p\n", o, last, o);
        output_lanes(k, c, p, out);
        return;
    }
    const char *tile = k->data[p->tile].out, *block = k->data[p->block].out;
    bool same = p->block == p->tile, divides = k->data[p->block].extent % c->rows == 0;
    str_printf(out, "split %s.%s %d%s -> %s_b %s_i\n", last, block, c->rows, same && !divides ? " tail=peel" : "", block, block);
    str_printf(out, "split %s.%s%s %d tail=peel -> %s_t %s_u\n", last, tile, same ? "_i" : "", c->mr, tile, tile);
    str_printf(out, "reorder %s", last);
    if (c->outer) str_printf(out, " %s_p", o);
    for (int i = 0; i < k->ndata; i++)
        if (is_outer(p, i)) str_printf(out, " %s", k->data[i].out);
    str_printf(out, " %s_b", block);
    if (!c->outer) str_printf(out, " %s_p", o);
    if (!same) str_printf(out, " %s_i", block);
    str_printf(out, " %s_t %s_u %s_v\n", tile, tile, o);
    const char *parallel = c->outer ? arena_printf(&k->s->c->arena, "%s_p", o) : blocks_loop(k, p);
    if (!strcmp(parallel, "blocks")) { /* one loop for the threads */
        str_printf(out, "fuse %s.", last);
        for (int i = 0; i < k->ndata; i++)
            if (is_outer(p, i)) str_printf(out, "%s ", k->data[i].out);
        str_printf(out, "%s_b -> blocks\n", block);
    }
    str_printf(out, "parallel %s.%s\n", last, parallel);
    if (d->rows > 1)
        str_printf(out, "split %s.%s_u %d -> %s_e %s_f\nunroll %s.%s_e\nunroll %s.%s_f\n", last, tile, d->rows, tile, tile, last,
                   tile, last, tile);
    else
        str_printf(out, "unroll %s.%s_u\n", last, tile);
    output_lanes(k, c, p, out);
}

/* Lanes of the conversion: as many channels as lie together in x, a vector of them at most. */
static int convert_lanes(const struct contraction *k)
{
    if (k->planes) return k->planes;
    int64_t block = inner_block(k, k->xroot, k->xgroup);
    int lanes = k->s->target->vector_bits / 16;
    if (block > 1 && block < lanes) lanes = (int)block;
    return lanes;
}

/* The loops of the converted x: channels innermost, in vectors; within `at` of the last stage, or by threads before. */
static void convert_loops(const struct contraction *k, const struct part *p, const char *x, const char *at, struct str *out)
{
    bool own = sparse(k, p); /* its axes are the sum's */
    const char *along = own ? k->over[k->group].name : k->x->dim_name[k->xgroup], *shared = NULL;
    str_printf(out, "split %s.%s %d tail=peel -> %s_p %s_v\n", x, along, convert_lanes(k), along, along);
    if (k->xgroup != k->x->ndim - 1 && !own) {
        str_printf(out, "reorder %s", x);
        for (int i = 0; i < k->x->ndim; i++)
            if (i != k->xgroup) str_printf(out, " %s", k->x->dim_name[i]);
        str_printf(out, " %s_p %s_v\n", along, along);
    }
    str_printf(out, "%s %s.%s_v\n", k->planes ? "unroll" : "vectorize", x, along);
    if (at) {
        str_printf(out, "compute_at %s %s.%s\n", x, k->last->tensor->name, at);
        return;
    }
    for (int i = k->x->ndim - 1; i >= 0 && !own; i--)
        if (i != k->xgroup && k->x->shape[i] > 1) shared = k->x->dim_name[i];
    for (int i = k->ndata - 1; i >= 0 && own; i--)
        if (k->data[i].role != CON_CHANNEL && k->data[i].extent > 1) shared = k->data[i].name;
    if (shared) str_printf(out, "parallel %s.%s\n", x, shared);
}

/* Lanes lie along memory, and so does what an instruction writes. */
static void sum_layout(const struct contraction *k, const struct dot *d, const struct part *p, const char *sum, struct str *out)
{
    if (p->channel == k->ndata - 1 && d->rows == 1) return;
    str_printf(out, "transform_layout %s ", sum);
    for (int i = 0; i < k->ndata; i++)
        if (i != p->channel) str_putc(out, (char)('A' + i));
    str_putc(out, (char)('A' + p->channel));
    if (d->rows > 1) str_printf(out, "%d%c%d%c", d->rows, 'a' + p->tile, d->lanes, 'a' + p->channel);
    str_printf(out, " axes=%.*s\n", k->ndata, "ABCDEFGH");
}

/* Rows of x in registers, for `taken` terms: by vectors, in the order in which the instruction reads them. */
static void take_rows(const struct contraction *k, const struct dot *d, const struct part *p, int taken, const char *x,
                      const char *sum, struct str *out)
{
    struct arena *a = &k->s->c->arena;
    const char *name[QJ_MAX_RANK], *own = tmpl_fresh(k, arena_printf(a, "%s_r", x));
    int n = 0, tile = -1, group = -1;
    for (int i = 0; sparse(k, p) && i < k->sum->nroot; i++) { /* the copy has the sum's axes */
        if (!ir_uses(k->xread, k->sum->root_var[i]) || k->sum->root_var[i]->extent == 1) continue;
        if (i == p->tile) tile = n;
        if (i == k->ndata + k->group) group = n;
        name[n++] = k->sum->iter[i].name;
    }
    for (int i = 0; !sparse(k, p) && i < k->x->ndim; i++) name[n++] = k->x->dim_name[i];
    if (!sparse(k, p)) {
        tile = tile_dim(k, p);
        group = k->xgroup;
    }
    str_printf(out, "cache_read %s local %s -> %s\ntransform_layout %s ", x, sum, own, own);
    for (int i = 0; i < n; i++)
        if (i != group) str_putc(out, (char)('A' + i));
    str_putc(out, (char)('A' + group));
    if (d->rows > 1) str_printf(out, "%d%c%d%c", d->rows, 'a' + tile, d->k, 'a' + group);
    str_printf(out, " axes=%.*s\ncompute_at %s %s.%s_g\n", n, "ABCDEFGH", own, sum, k->over[k->group].name);
    if (group != n - 1) {
        str_printf(out, "reorder %s", own);
        for (int i = 0; i < n; i++)
            if (i != group) str_printf(out, " %s", name[i]);
        str_printf(out, " %s\n", name[group]);
    }
    for (int i = 0; i < n; i++) {
        if (i == tile && d->rows > 1)
            str_printf(out, "split %s.%s %d -> %s_e %s_f\nunroll %s.%s_e\nunroll %s.%s_f\n", own, name[i], d->rows, name[i],
                       name[i], own, name[i], own, name[i]);
        else if (i != group)
            str_printf(out, "unroll %s.%s\n", own, name[i]);
    }
    str_printf(out, "vectorize %s.%s\n", own, name[group]);
}

/* The loops of a sum: windows, groups of k (of blocks of `block`, where addresses move evenly inside alone), tile. */
static void sum_loops(const struct contraction *k, const struct dot *d, const struct part *p, const char *sum, int64_t block,
                      int taken, const struct intrin *row, struct str *out)
{
    const char *o = k->data[p->channel].name, *g = k->over[k->group].name, *tile = p->tile < 0 ? NULL : k->data[p->tile].name;
    int unit = taken ? taken : terms(d);
    bool blocked = block > unit, chain = d->groups > 1, tiles = d->rows > 1;
    str_printf(out, "split %s.%s %d tail=pad -> %s_n %s_l\n", sum, o, d->lanes, o, o);
    if (blocked) str_printf(out, "split %s.%s %lld -> %s_b %s_i\n", sum, g, (long long)block, g, g);
    str_printf(out, "split %s.%s%s %d -> %s_g %s_k\n", sum, g, blocked ? "_i" : "", unit, g, g);
    if (taken) str_printf(out, "split %s.%s_k %d -> %s_s %s_k\n", sum, g, terms(d), g, g);
    if (tiles) str_printf(out, "split %s.%s %d tail=pad -> %s_e %s_f\n", sum, tile, d->rows, tile, tile);
    if (chain) str_printf(out, "split %s.%s_k %d -> %s_c %s_k\n", sum, g, d->k, g, g);
    str_printf(out, "reorder %s", sum);
    if (blocked) str_printf(out, " %s_b", g);
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group) str_printf(out, " %s", k->over[i].name);
    str_printf(out, " %s_g", g);
    if (taken) str_printf(out, " %s_s %s_n", g, o); /* a vector of weights at a time */
    if (tile) str_printf(out, " %s%s", tile, tiles ? "_e" : "");
    if (!taken) str_printf(out, " %s_n", o);
    if (chain) str_printf(out, " %s_c", g);
    if (tiles) str_printf(out, " %s_f", tile);
    str_printf(out, " %s_l %s_k\nunroll %s.%s_n\n", o, g, sum, o);
    if (tile) str_printf(out, "unroll %s.%s%s\n", sum, tile, tiles ? "_e" : "");
    if (taken) str_printf(out, "unroll %s.%s_s\n", sum, g);
    const char *at = chain ? g : tiles ? tile : o, *part = chain ? "c" : tiles ? "f" : "l";
    str_printf(out, "tensorize %s.%s_%s with %s\n", sum, at, part, row->row->name);
}

/* The loops of what `cap` leaves: groups by a list. */
static void rest_loops(const struct contraction *k, const struct dot *d, const struct part *p, const char *sum,
                       const struct intrin *row, struct str *out)
{
    const char *o = k->data[p->channel].name, *g = k->over[k->group].name, *tile = k->data[p->tile].name;
    str_printf(out, "split %s.%s %d -> %s_n %s_l\nreorder %s", sum, o, d->lanes, o, o, sum);
    for (int i = 0; i < k->nsum; i++)
        if (i != k->group) str_printf(out, " %s", k->over[i].name);
    str_printf(out, " %s_q %s_i %s %s_n %s_l %s_j\nunroll %s.%s_n\nunroll %s.%s\ntensorize %s.%s_l with %s\n", g, g, tile, o, o, g,
               sum, o, sum, tile, sum, o, row->row->name);
}

/* Of weights capped as they are packed: the sum of what fits, the sum of what is cut off, and where they meet. The first
 * waits in memory for the second, for both would not stay in registers. */
static void capped_steps(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p,
                         const char *inner, struct str *out)
{
    struct arena *a = &k->s->c->arena;
    const char *sum = k->sum->tensor->name, *last = k->last->tensor->name, *w = k->w->name;
    const char *fast = tmpl_fresh(k, arena_printf(a, "%s_fast", sum)), *rest = tmpl_fresh(k, arena_printf(a, "%s_rest", sum));
    const char *acc = tmpl_fresh(k, arena_printf(a, "%s_acc", sum)), *o = k->data[p->channel].name;
    struct dot r;
    dot_row(c->chain.rest, &r);
    str_printf(out, "cap %s.%s %d %s %d most=%d -> %s %s\n", sum, k->over[k->group].name, d->groups, o, c->nr, c->chain.most, fast, rest);
    if (k->last != k->sum) str_printf(out, "compute_inline %s\n", sum);
    str_printf(out, "transform_layout %s_fast ", w);
    pack_layout(k, c, d, p, out);
    str_printf(out, "transform_layout %s_rest ", w);
    pack_layout(k, c, &r, p, out);
    str_printf(out, "cache_write %s local -> %s\nset_scope %s local\n", fast, acc, rest);
    sum_layout(k, d, p, fast, out);
    sum_layout(k, d, p, acc, out);
    sum_layout(k, d, p, rest, out);
    order_loops(k, c, d, p, out);
    str_printf(out, "compute_at %s %s.%s\ncompute_at %s %s.%s\ncompute_at %s %s.%s\n", fast, last, inner, acc, last, inner, rest,
               last, inner);
    if (p->channel != k->ndata - 1) { /* the copy's lanes innermost */
        str_printf(out, "reorder %s", fast);
        for (int i = 0; i < k->ndata; i++)
            if (i != p->channel) str_printf(out, " %s", k->data[i].name);
        str_printf(out, " %s\n", o);
    }
    str_printf(out, "unroll %s.%s\nvectorize %s.%s\n", fast, k->data[p->tile].name, fast, o);
    sum_loops(k, d, p, acc, p->copy ? 0 : inner_block(k, k->x, k->xgroup), 0, c->row, out);
    rest_loops(k, &r, p, rest, c->chain.rest, out);
}

static void steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    struct ir_ctx *ctx = k->s->c;
    struct dot d;
    dot_row(c->row, &d);
    struct part p = parts(k, &d);
    const char *last = k->last->tensor->name, *sum = k->sum->tensor->name;
    const char *x = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_x", k->xroot->name));
    const char *w = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_w", k->w->name));
    const char *inner = p.tile < 0 ? arena_printf(&ctx->arena, "%s_p", k->data[p.channel].out)
                                   : arena_printf(&ctx->arena, "%s_t", k->data[p.tile].out);
    if (c->offset) {
        const char *sums = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_sums", k->w->name));
        sum = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_acc", sum));
        str_printf(out, "offset %s %s %d as=%s -> %s %s %s\n", k->x->name, k->sum->tensor->name, c->offset,
                   dtype_info[d.a].name, x, sum, sums);
        if (k->last != k->sum) str_printf(out, "compute_inline %s\n", k->sum->tensor->name);
    } else if (k->last == k->sum && !c->chain.rest) {
        sum = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_acc", last));
        str_printf(out, "cache_write %s local -> %s\n", last, sum);
    }
    for (int i = 0; i < k->ninline; i++) str_printf(out, "compute_inline %s\n", k->inlined[i]->name);
    if (p.copy) convert(k, &p, sum, x, out);
    bool packed = packed_so(k, c, &d, &p);
    if (c->chain.rest) {
        capped_steps(k, c, &d, &p, inner, out);
    } else {
        const char *o = k->data[p.channel].name, *g = k->over[k->group].name;
        if (!packed) {
            str_printf(out, "cache_read %s global %s", k->w->name, sum);
            if (d.b != k->w->dt) str_printf(out, " as=%s", dtype_info[d.b].name);
            str_printf(out, " -> %s\ntransform_layout %s ", w, w);
            pack_layout(k, c, &d, &p, out);
        }
        if (k->data[p.channel].extent % c->nr) str_printf(out, "pad %s.%s %d\n", sum, o, c->nr);
        int unit = c->taken ? c->taken : terms(&d);
        if (k->over[k->group].extent % unit) str_printf(out, "pad %s.%s %d\n", sum, g, unit);
        sum_layout(k, &d, &p, sum, out);
        order_loops(k, c, &d, &p, out);
        str_printf(out, "compute_at %s %s.%s\n", sum, last, inner);
    }
    tmpl_sides(k, c->outer ? NULL : blocks_loop(k, &p), groups_lie(k, 1), out);
    if (p.copy) convert_loops(k, &p, x, c->outer ? NULL : blocks_loop(k, &p), out);
    if (c->chain.rest) return;
    int64_t block = p.copy ? 0 : inner_block(k, k->x, k->xgroup), wblock = packed ? group_block(k) : 0;
    if (wblock > d.k && (block <= d.k || wblock < block)) block = wblock;
    sum_loops(k, &d, &p, sum, block, c->taken, c->row, out);
    if (c->taken) take_rows(k, &d, &p, c->taken, p.copy ? x : k->x->name, sum, out);
}

/* A convolution is done directly, or by Winograd's tiles where that fits. */
static void conv_candidates(const struct contraction *k, struct candidates *out)
{
    const char *why;
    candidates(k, out);
    if (out->fixed.tile && wino_fits(k, &why)) wino_candidates(k, out);
    else if (out->why && out->fixed.tile) 
        VEC_PUSH(&k->s->c->arena, out->why->row, ((struct explain_row){.of_template = true, .where = "tile=2, tile=4", .why = why}));
}

static void conv_steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    if (c->tile) wino_steps(k, c, out);
    else steps(k, c, out);
}

const struct tmpl tmpl_conv2d = {
    "conv2d", "convolutions: tiles of pixels by output channels in registers, over window and input channels",
    fits_conv2d, conv_candidates, conv_steps, TARGET_CPU,
};
const struct tmpl tmpl_dense = {
    "dense", "dense layers and matrix products: tiles of rows by columns in registers, over the whole sum",
    fits_dense, candidates, steps, TARGET_CPU,
};
