/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_steps.c - the steps of a tile that gemm.c has chosen: packing, the converted block, loops, registers. */
#include "schedule/templates/gemm.h"

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
        str_printf(out, gemm_sparse(k, p) ? "reindex %s %s" : "cache_read %s global %s", k->x->name, sum);
        if (p->as != k->x->dt) str_printf(out, " as=%s", dtype_info[p->as].name);
        str_printf(out, " -> %s\n", name);
    }
    for (int i = 0; i < k->nxchain; i++) str_printf(out, "compute_inline %s\n", k->xchain[i]->name);
    if (k->xgroup != k->x->ndim - 1 && !gemm_sparse(k, p)) {
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
    int64_t block = gemm_block(k, k->last->tensor, dim);
    if (block > 1 && block < c->nr)
        str_printf(out, "split %s.%s_v %lld -> %s_w %s_v\nunroll %s.%s_w\n", last, o, (long long)block, o, o, last, o);
    str_printf(out, "vectorize %s.%s_v\n", last, o);
}

static int turned(const struct contraction *k, const struct choice *c, const struct part *p)
{
    return p->tile < 0 || c->chain.rest ? 0 : tmpl_turn(k, p->tile, c->mr, c->nr);
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
    int turn = turned(k, c, p);
    if (turn) {
        tmpl_turn_loops(k, p->tile, p->channel, turn, out);
        return;
    }
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
    int64_t block = gemm_block(k, k->xroot, k->xgroup);
    int lanes = k->s->target->vector_bits / 16;
    if (block > 1 && block < lanes) lanes = (int)block;
    return lanes;
}

/* The loops of the converted x: channels innermost, in vectors; within `at` of the last stage, or by threads before. */
static void convert_loops(const struct contraction *k, const struct part *p, const char *x, const char *at, struct str *out)
{
    bool own = gemm_sparse(k, p); /* its axes are the sum's */
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
static void take_rows(const struct contraction *k, const struct dot *d, const struct part *p, int taken, const char *own,
                      const char *sum, struct str *out)
{
    const char *name[QJ_MAX_RANK];
    int n = 0, tile = gemm_tile_dim(k, p), group = k->xgroup;
    bool own_axes = gemm_by_sum(k, p) || gemm_strided(k, d, p);
    for (int i = 0; own_axes && i < k->sum->nroot; i++) {
        if (!ir_uses(k->xread, k->sum->root_var[i]) || k->sum->root_var[i]->extent == 1) continue;
        if (i == p->tile) tile = n;
        if (i == k->ndata + k->group) group = n;
        name[n++] = k->sum->iter[i].name;
    }
    for (int i = 0; !own_axes && i < k->x->ndim; i++) name[n++] = k->x->dim_name[i];
    str_printf(out, "transform_layout %s ", own);
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
    bool together = d->rows > 1 && taken == d->k; /* a vector holds several rows */
    for (int i = 0; i < n; i++) {
        if (i == group) continue;
        if (i != tile || d->rows == 1) {
            str_printf(out, "unroll %s.%s\n", own, name[i]);
            continue;
        }
        str_printf(out, "split %s.%s %d -> %s_e %s_f\nunroll %s.%s_e\n", own, name[i], d->rows, name[i], name[i], own, name[i]);
        if (!together) str_printf(out, "unroll %s.%s_f\n", own, name[i]);
    }
    if (together) {
        str_printf(out, "reorder %s", own);
        for (int i = 0; i < n; i++)
            if (i != group) str_printf(out, " %s%s", name[i], i == tile ? "_e" : "");
        str_printf(out, " %s_f %s\nfuse %s.%s_f %s -> lanes\n", name[tile], name[group], own, name[tile], name[group]);
    }
    str_printf(out, "vectorize %s.%s\n", own, together ? "lanes" : name[group]);
}

/* The loops of a sum: windows, groups of k (of blocks of `block`, where addresses move evenly inside alone), tile. */
static void sum_loops(const struct contraction *k, const struct dot *d, const struct part *p, const char *sum, int64_t block,
                      int taken, struct str *out)
{
    const char *o = k->data[p->channel].name, *g = k->over[k->group].name, *tile = p->tile < 0 ? NULL : k->data[p->tile].name;
    int unit = taken ? taken : gemm_terms(d);
    bool blocked = block > unit, chain = d->groups > 1, tiles = d->rows > 1;
    str_printf(out, "split %s.%s %d tail=pad -> %s_n %s_l\n", sum, o, d->lanes, o, o);
    if (blocked) str_printf(out, "split %s.%s %lld -> %s_b %s_i\n", sum, g, (long long)block, g, g);
    str_printf(out, "split %s.%s%s %d -> %s_g %s_k\n", sum, g, blocked ? "_i" : "", unit, g, g);
    if (taken) str_printf(out, "split %s.%s_k %d -> %s_s %s_k\n", sum, g, gemm_terms(d), g, g);
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
}

static void sum_instruction(const struct contraction *k, const struct dot *d, const struct part *p, const char *sum,
                            const struct intrin *row, struct str *out)
{
    const char *o = k->data[p->channel].name, *g = k->over[k->group].name;
    bool chain = d->groups > 1, tiles = d->rows > 1;
    const char *at = chain ? g : tiles ? k->data[p->tile].name : o, *part = chain ? "c" : tiles ? "f" : "l";
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
    gemm_row(c->chain.rest, &r);
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
    sum_loops(k, d, p, acc, p->copy ? 0 : gemm_block(k, k->x, k->xgroup), 0, out);
    sum_instruction(k, d, p, acc, c->row, out);
    rest_loops(k, &r, p, rest, c->chain.rest, out);
}

/* Loops of the sum, in blocks as the operands' layouts have them. */
static void sum_steps(const struct contraction *k, const struct choice *c, const struct dot *d, const struct part *p, const char *sum,
                      bool packed, struct str *out)
{
    int64_t block = p->copy ? 0 : gemm_block(k, k->x, k->xgroup), wblock = packed ? gemm_group_block(k) : 0;
    if (wblock > d->k && (block <= d->k || wblock < block)) block = wblock;
    sum_loops(k, d, p, sum, block, c->taken, out);
}

/* The copy of x goes on to the end of the last tile, so that no load of a tile is a condition's. */
static void whole_tiles(const struct contraction *k, const struct choice *c, const struct part *p, const char *x, struct str *out)
{
    int64_t m = k->data[p->tile].extent, step = 1;
    int d = gemm_padded_dim(k, p, &step);
    if (d >= 0 && m % c->mr)
        str_printf(out, "pad %s.%s %lld\n", x, k->x->dim_name[d], (long long)(k->x->shape[d] + step * (c->mr - m % c->mr)));
}

void gemm_steps(const struct contraction *k, const struct choice *c, struct str *out)
{
    struct ir_ctx *ctx = k->s->c;
    struct dot d;
    gemm_row(c->row, &d);
    struct part p = gemm_parts(k, &d);
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
    bool turn = turned(k, c, &p) && k->last != k->sum; /* else the sum's own copy is what is turned */
    const char *tile = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_tile", last));
    if (turn) str_printf(out, "cache_write %s local -> %s\n", last, tile);
    if (p.copy) convert(k, &p, sum, x, out);
    const char *from = p.copy ? x : k->x->name, *own = tmpl_fresh(k, arena_printf(&ctx->arena, "%s_r", from));
    if (d.rows > 1) whole_tiles(k, c, &p, x, out);
    if (gemm_strided(k, &d, &p)) str_printf(out, "reindex %s %s -> %s\nset_scope %s local\n", from, sum, own, own);
    bool packed = gemm_packed(k, c, &d, &p);
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
        int unit = c->taken ? c->taken : gemm_terms(&d);
        if (k->over[k->group].extent % unit) str_printf(out, "pad %s.%s %d\n", sum, g, unit);
        if (c->taken && !gemm_strided(k, &d, &p)) str_printf(out, "cache_read %s local %s -> %s\n", from, sum, own);
        sum_layout(k, &d, &p, sum, out);
        order_loops(k, c, &d, &p, out);
        if (turn) tmpl_turn_tile(k, p.tile, p.channel, tile, out);
        str_printf(out, "compute_at %s %s.%s\n", sum, last, inner);
    }
    const char *at = c->outer ? NULL : blocks_loop(k, &p);
    if (!c->chain.rest && c->taken) {
        sum_steps(k, c, &d, &p, sum, packed, out);
        take_rows(k, &d, &p, c->taken, own, sum, out);
        sum_instruction(k, &d, &p, sum, c->row, out);
    }
    tmpl_sides(k, at, gemm_groups_lie(k, 1), out);
    if (p.copy) convert_loops(k, &p, x, at, out);
    if (c->chain.rest || c->taken) return;
    sum_steps(k, c, &d, &p, sum, packed, out);
    sum_instruction(k, &d, &p, sum, c->row, out);
}
