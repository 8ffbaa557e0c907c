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
#include "schedule/templates/gemm.h"
#include "schedule/templates/winograd.h"

/* ---- rows ---- */

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

bool gemm_row(const struct intrin *in, struct dot *d)
{
    const struct meaning *m = in->meaning;
    if (!meaning_is_plain(m)) return false;
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

/* ---- shape ---- */

int64_t gemm_block(const struct contraction *k, const struct tensor *t, int dim)
{
    const struct layout *l = state_layout(k->s->state, t);
    const struct layout_dim *in = l ? &l->phys[l->nphys - 1] : NULL;
    return in && in->dim == dim && in->stride == 1 ? in->size : 0;
}

bool gemm_groups_lie(const struct contraction *k, int group)
{
    if (k->x->shape[k->xgroup] % group) return false;
    if (!state_layout(k->s->state, k->x)) return k->xgroup == k->x->ndim - 1;
    int64_t block = gemm_block(k, k->x, k->xgroup);
    return block && block % group == 0;
}

struct part gemm_parts(const struct contraction *k, const struct dot *d)
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
    p.copy = k->x->dt != d->a || k->nxchain > 0 || !gemm_groups_lie(k, gemm_terms(d));
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

bool gemm_sparse(const struct contraction *k, const struct part *p)
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

int gemm_tile_dim(const struct contraction *k, const struct part *p)
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

int64_t gemm_group_block(const struct contraction *k)
{
    const struct layout *l = state_layout(k->s->state, k->w);
    for (int i = 0; i < l->nphys - 1; i++)
        if (l->phys[i].dim == k->wgroup && l->phys[i].size) return l->phys[i].size * l->phys[i].stride;
    return 0;
}

bool gemm_by_sum(const struct contraction *k, const struct part *p) { return p->copy && gemm_sparse(k, p); }

bool gemm_strided(const struct contraction *k, const struct dot *d, const struct part *p)
{
    return d->rows > 1 && gemm_tile_dim(k, p) < 0 && !gemm_by_sum(k, p);
}

int gemm_padded_dim(const struct contraction *k, const struct part *p, int64_t *step)
{
    const struct var *v = p->tile < 0 ? NULL : k->sum->root_var[p->tile];
    const struct expr *base;
    if (!v || !p->copy || gemm_sparse(k, p) || k->x->ndim != k->xroot->ndim) return -1;
    for_kids(k->xread, d)
        if (ir_uses(k->xread->kid[d], v) && ir_affine(k->s->c, k->xread->kid[d], 1, &v, step, &base) && k->x->shape[d] > k->xroot->shape[d])
            return d;
    return -1;
}

/* May n terms of a row be loaded at once, in whole vectors? */
static bool may_take(const struct contraction *k, const struct intrin *in, const struct dot *d, const struct part *p, int n)
{
    int64_t block = gemm_block(k, k->w, k->wgroup) ? gemm_group_block(k) : 0;
    if (!k->s->target->lane_bytes || row_ops(in) > 1 || p->tile < 0 || k->planes || (block && block % n)) return false;
    if (gemm_strided(k, d, p) && k->over[k->group].extent % n) return false; /* zeros come before windows are put side by side */
    return p->copy || gemm_groups_lie(k, n);
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
    double groups = (double)sum_extent(k, taken ? taken : gemm_terms(d)) / gemm_terms(d), panel_bytes = (double)nr * gemm_terms(d) * dt_bytes(d->b);
    double one = (double)d->rows * d->lanes * gemm_terms(d) / in->row->mac_per_cycle;
    double group = (double)mr / d->rows * vectors * one;
    if (k->s->target->lane_bytes && (d->rows > 1 || !taken)) group += (double)mr / d->rows * one; /* A is put together, or spread */
    int rows = mr;
    mr = ceil_div(mr, d->rows);
    double ops = ((mr + vectors) * d->groups + 2 + mr * vectors * row_ops(in)) / ops_per_cycle;
    if (ops > group) group = ops;
    if (taken) group += load_cycles * (vectors + (double)rows * gemm_terms(d) / taken);
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
    bool some = gemm_sparse(k, p);
    for (int i = 0; i < k->x->ndim; i++) xs *= some ? i64_min(span_of(k, i), k->x->shape[i]) : k->x->shape[i];
    if (c->chain.rest) {
        struct dot rest;
        gemm_row(c->chain.rest, &rest);
        row += (double)m / c->mr * (c->chain.share * tile_cycles(k, c->chain.rest, &rest, 0, c->mr, c->nr) + per_output * c->mr * c->nr);
    }
    return (double)(batch * pixels * panels) * row + (p->copy ? per_converted * (double)xs : 0);
}

bool gemm_packed(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p)
{
    if (c->taken && k->over[k->group].extent % c->taken) return false;
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
    int held = d->rows == 1 ? mr : mr * taken * dt_bytes(d->a) * 8 / t->vector_bits; /* a row a register, or several */
    if (taken) return mr / d->rows * vectors + held + 3 <= t->vector_regs;
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

/* Every register tile of a row that holds `taken` terms of activations at once. */
static void add_tiles(const struct contraction *k, const struct intrin *in, const struct dot *d, const struct part *p, int taken,
                      const struct chain_plan *plan, struct candidates *out)
{
    int64_t m = p->tile < 0 ? 1 : k->data[p->tile].extent, o = k->data[p->channel].extent;
    int step = d->lanes * d->rows;
    int64_t by;
    if (p->block >= 0 && out->fixed.rows > k->data[p->block].extent) return;
    for (int nr = step; nr <= 8 * step && nr <= 64; nr += step)
        for (int mr = d->rows; mr <= 14 && mr < m + d->rows; mr += d->rows) {
            if (!tile_fits(k->s->target, in, d, taken, mr, nr) || (nr > step && nr >= o + step)) continue;
            if (plan->rest && (nr > d->lanes || o % nr)) continue; /* narrow blocks have less of a rest */
            if (d->rows > 1 && m % mr && m % mr <= mr - d->rows && gemm_padded_dim(k, p, &by) < 0) continue; /* idle rows' loads are conditional */
            struct choice c = {.row = in, .mr = mr, .nr = nr, .taken = taken, .offset = tmpl_offset(k->x, d->a), .chain = *plan};
            c.rows = out->fixed.rows ? out->fixed.rows : block_rows(k, p, d, mr);
            c.outer = pixel_blocks(k, p, c.rows) < 4 && ceil_div(o, nr) >= 8;
            c.outer |= p->tile < 0;
            if (out->fixed.outer >= 0 && p->tile >= 0) c.outer = out->fixed.outer;
            c.cycles = total_cycles(k, &c, d, p);
            if (gemm_packed(k, &c, d, p)) c.cycles *= 0.85; /* the caller chose this layout for it */
            cand_add(out, c);
        }
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
        if (!gemm_row(in, &d) || !row_serves(k, in, &d, out, &capped)) continue;
        struct part p = gemm_parts(k, &d);
        struct chain_plan plan = {0};
        const char *why = "for few pixels, weights wait for memory";
        if (capped && (pixels < 8 || !chain_plan_of(k, in, d.groups, p.channel, d.lanes, out->fixed.row == in, &plan, &why))) {
            pass_over(out, in->row, "a sum of %d products may not fit 16 bits; %s", in->row->pair_i16, why);
            continue;
        }
        bool taken = false;
        int most = (int)i64_min(t->lane_bytes / dt_bytes(d.a), 4 * gemm_terms(&d)), least = d.rows > 1 ? d.k : 2 * gemm_terms(&d);
        for (int n = most; n >= least; n /= 2) {
            if (!may_take(k, in, &d, &p, n)) continue;
            add_tiles(k, in, &d, &p, n, &plan, out);
            taken = true;
        }
        if (d.rows == 1) add_tiles(k, in, &d, &p, 0, &plan, out);
        else if (!taken) pass_over(out, in->row, "tiles of %d pixels with %d channels side by side are needed", d.rows, d.k);
    }
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
    else gemm_steps(k, c, out);
}

const struct tmpl tmpl_conv2d = {
    "conv2d", "convolutions: tiles of pixels by output channels in registers, over window and input channels",
    fits_conv2d, conv_candidates, conv_steps, TARGET_CPU,
};
const struct tmpl tmpl_dense = {
    "dense", "dense layers and matrix products: tiles of rows by columns in registers, over the whole sum",
    fits_dense, candidates, gemm_steps, TARGET_CPU,
};
