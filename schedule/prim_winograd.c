/* SPDX-License-Identifier: Apache-2.0 */
/* prim_winograd.c - winograd: a 3x3 convolution computed by Winograd's F(m x m, 3 x 3), exactly. prims.def has what
 * it does, templates/README.md when it pays.
 *
 *     Acc[n, y, x, o] = sum(r, s, c) i32(P[n, y+r, x+s, c]) * i32(W[o, r, s, c])
 *
 * becomes, for each tile of m x m outputs (a = m + 2; the names are those of `-> U V M`):
 *
 *     Ur[i, .., s, ..]          rows of the weights: G w                     from weights alone, so packed ahead
 *     U[i, j, o, c]      : i16  columns: (G w) G'
 *     Us[o], Uz[o]       : i32  the sum of the weights, and z times that; when needed
 *     Vr[i, n, ty, x, c] : i16  rows of the data: B d
 *     V[i, j, n, ty, tx, c]     columns: (B d) B'
 *     M[i, j, n, t, o]   : i32  sum over c of V * U; t = ty * tiles in a row + tx
 *     Mr[yi, j, n, ty, tx, o]   rows of the result: A M
 *     Acc[n, y, x, o]           columns, and the scale undone
 *
 * Why it is exact. G is scaled to integers, so that A ((G w G') * (B d B')) A' is k times the convolution: k = 4 for
 * m = 2, k = 576 = 9 * 64 for m = 4. All is computed modulo 2^32. 9 is undone by its inverse modulo 2^32; what is left
 * is 64 (or 4) times the result modulo 2^32, so an arithmetic shift gives the result when its absolute value is below
 * 2^25 (2^29). That bound is proved from the ranges of the operands. Where data are not centred around zero, the
 * shift is taken of the difference to z times the sum of the weights, z the middle of the range. Where that is not
 * enough the channels are cut into parts, each undone for itself. Both transforms must fit 16 bits, which modular
 * 16-bit arithmetic then computes. */
#include "ir/print.h"
#include "ir/simplify.h"
#include "schedule/state.h"

enum { WIN_MAX_A = 6, WIN_MAX_PARTS = 16, WIN_NONE = -1 };

/* F(m, 3) as integer matrices. The rows of the weights' transform may be scaled: what is read of M is shifted left
 * by `shift`, which keeps its 16 bits for wider weights. */
struct variant {
    int m, bits;                    /* tile; the shift that undoes the scale */
    int64_t inverse;                /* modulo 2^32, of the odd part of the scale */
    int g[WIN_MAX_A][3], b[WIN_MAX_A][WIN_MAX_A];
    int shift[WIN_MAX_A];
};
#define B4 {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0}, {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, \
            {0, 4, 0, -5, 0, 1}}
static const struct variant variants[] = {
    {2, 2, 1, {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}},
     {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}}, {0}},
    {4, 6, 954437177, {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4}, {1, 2, 4}, {1, -2, 4}, {0, 0, 3}}, B4, {0}},
    {4, 6, 954437177, {{3, 0, 0}, {-2, -2, -2}, {-2, 2, -2}, {1, 2, 4}, {1, -2, 4}, {0, 0, 3}}, B4, {1, 1, 1, 0, 0, 0}},
};

enum { T_UR, T_U, T_US, T_UZ, T_VR, T_V, T_M, T_MR, T_COUNT };       /* the new tensors, producers first */
enum { NROOTS = QJ_MAX_RANK + QJ_MAX_PHYS };

struct wino {
    struct applying *a;
    struct ir_ctx *c;
    struct stage *g;
    const struct variant *v;
    int alpha;                                  /* m + 2 */
    int64_t ty, tx;                             /* tiles down and across */
    int y, x, r, s;                             /* roots of g */
    int cut, nparts;                            /* the channels that are cut into parts */
    int64_t part;                               /* of this size */
    const struct expr *data, *weight;           /* the factors; data over row and col instead of y + r, x + s */
    const struct var *row, *col;
    struct range drange, wrange;
    int64_t z;                                  /* data lie around it; 0: as they are */
    bool by_data[QJ_MAX_RANK], by_weight[QJ_MAX_RANK];  /* which axes of g each factor moves with */
    const char *name[T_COUNT];
    const struct tensor *t[T_COUNT];
    int at[T_COUNT][NROOTS];                    /* which axis of the new tensor stands for a root of g; -1: none */
};

static const struct expr *konst(struct wino *w, enum dtype d, int64_t v) { return ir_int(w->c, type_of(d), v); }
static const struct expr *idx(struct wino *w, int64_t v) { return ir_idx(w->c, v); }
static const struct expr *var(struct wino *w, const struct var *v) { return ir_var_expr(w->c, v); }
static const struct expr *shl(struct wino *w, const struct expr *e, int n)
{
    return n ? ir_bin(w->c, OP_SHL, e, konst(w, e->type.dt, n)) : e;
}
static bool is_channel(const struct wino *w, int root) { return root >= w->g->nroot_data && root != w->r && root != w->s; }

/* ---- what is it? ---- */

static bool refuse(struct wino *w, const char *fmt, ...) QJ_PRINTF(2, 3);
static bool refuse(struct wino *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *msg = arena_vprintf(&w->c->arena, fmt, ap);
    va_end(ap);
    fail_step(w->a, ERR_ILLEGAL_STEP, NULL, "%s", msg);
    err_hint(&w->c->err, "it takes sum(r, s, c) i32(P[.., y + r, x + s, .., c]) * i32(W[.., r, s, .., c]) with r and s of "
                         "extent 3, the indices in any order; one step of y moves the data by one, and so does one of r");
    return false;
}

/* data in terms of `sum` = root + the window's axis, which is found: the reduce axis of extent 3 that goes away. */
static int window_of(struct wino *w, int root, const struct var *sum, int not)
{
    const struct stage *g = w->g;
    for (int k = g->nroot_data; k < g->nroot; k++) {
        if (k == not || g->root_extent[k] != 3 || !ir_uses(w->data, g->root_var[k])) continue;
        const struct expr *with = ir_sub(w->c, var(w, sum), var(w, g->root_var[k]));
        const struct expr *e = ir_simplify(w->c, ir_subst(w->c, w->data, 1, &g->root_var[root], &with), NULL);
        if (ir_uses(e, g->root_var[k])) continue;
        w->data = e;
        return k;
    }
    refuse(w, "no sum axis of extent 3 slides over the data along %s of %s with stride 1 and dilation 1: %s",
           g->root_var[root]->name, g->tensor->name, expr_text(&w->c->arena, w->data));
    return WIN_NONE;
}

static bool recognise(struct wino *w)
{
    const struct stage *g = w->g;
    const struct expr *red = stage_reduce(g);
    const char *name = g->tensor->name;
    if (!red || red->val.i != RED_SUM || red->type.dt != DT_I32 || red->kid[0]->op != OP_MUL)
        return refuse(w, "%s is not a sum of products in i32", name);
    const struct var *vy = g->root_var[w->y], *vx = g->root_var[w->x];
    const struct expr *f[2] = {red->kid[0]->kid[0], red->kid[0]->kid[1]};
    bool uses[2];
    for (int i = 0; i < 2; i++) uses[i] = ir_uses(f[i], vy) || ir_uses(f[i], vx);
    if (uses[0] == uses[1])
        return refuse(w, "%s factor of %s moves with %s and %s", uses[0] ? "each" : "no", name, vy->name, vx->name);
    w->data = f[uses[1]];
    w->weight = f[uses[0]];
    for (int i = 0; i < g->nroot_data; i++) {
        w->by_data[i] = ir_uses(w->data, g->root_var[i]);
        w->by_weight[i] = ir_uses(w->weight, g->root_var[i]);
    }
    w->row = ir_var(w->c, vy->name, g->root_extent[w->y] + 2);
    w->col = ir_var(w->c, vx->name, g->root_extent[w->x] + 2);
    w->drange = ir_bounds(w->data, NULL);
    w->drange = (struct range){i64_min(w->drange.lo, 0), i64_max(w->drange.hi, 0)}; /* tiles beyond the edge hold zeros */
    w->wrange = ir_bounds(w->weight, NULL);
    if ((w->r = window_of(w, w->y, w->row, WIN_NONE)) < 0 || (w->s = window_of(w, w->x, w->col, w->r)) < 0) return false;
    w->cut = WIN_NONE;
    for (int i = g->nroot_data; i < g->nroot; i++)
        if (is_channel(w, i) && (w->cut < 0 || g->root_extent[i] > g->root_extent[w->cut])) w->cut = i;
    return w->cut >= 0 ? true : refuse(w, "%s sums over no channels, so there is nothing to gain", name);
}

/* ---- is it exact? ---- */

static int64_t most(struct range r) { return i64_max(r.hi, -r.lo); }

/* The rows of a transform applied to values in r. */
static struct range row_range(int n, int stride, const int *row, int k, struct range r)
{
    struct range all = {0, 0};
    for (int i = 0; i < n; i++) {
        struct range t = {0, 0};
        for (int j = 0; j < k; j++) {
            int64_t f = row[i * stride + j];
            t.lo += f * (f < 0 ? r.hi : r.lo);
            t.hi += f * (f < 0 ? r.lo : r.hi);
        }
        all = (struct range){i64_min(all.lo, t.lo), i64_max(all.hi, t.hi)};
    }
    return all;
}
static struct range weight_rows(const struct wino *w, struct range r) { return row_range(w->alpha, 3, w->v->g[0], 3, r); }
static struct range data_rows(const struct wino *w, struct range r)
{
    return row_range(w->alpha, WIN_MAX_A, w->v->b[0], w->alpha, r);
}
static bool fits16(struct range r) { return r.lo >= INT16_MIN && r.hi <= INT16_MAX; }

static bool choose_variant(struct wino *w, int tile)
{
    struct range v = {0}, u = {0};
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        w->v = &variants[i];
        if (w->v->m != tile) continue;
        w->alpha = tile + 2;
        v = data_rows(w, data_rows(w, w->drange));
        u = weight_rows(w, weight_rows(w, w->wrange));
        if (fits16(v) && fits16(u)) return true;
    }
    bool data = !fits16(v);
    struct range in = data ? w->drange : w->wrange, out = data ? v : u;
    fail_step(w->a, ERR_ILLEGAL_STEP, NULL, "%s in %lld..%lld become %lld..%lld when transformed, which 16 bits do not hold",
              data ? "data" : "weights", (long long)in.lo, (long long)in.hi, (long long)out.lo, (long long)out.hi);
    err_hint(&w->c->err, "declare their range where it is narrower (`in lo..hi` behind the type)%s",
             tile == 4 ? ", or use tile=2" : "");
    return false;
}

/* Terms that one part sums. */
static int64_t terms(const struct wino *w, int64_t part)
{
    __int128 n = 9 * (__int128)part;
    for (int i = w->g->nroot_data; i < w->g->nroot; i++)
        if (is_channel(w, i) && i != w->cut) n *= w->g->root_extent[i];
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

/* |sum of n products - z * sum of weights| < 2^(31 - bits). The bound itself: the most such a difference can be. */
static bool proved(const struct wino *w, int64_t n, int64_t z, __int128 *bound)
{
    struct range d = {w->drange.lo - z, w->drange.hi - z};
    *bound = (__int128)n * most(d) * most(w->wrange);
    return *bound < (__int128)1 << (31 - w->v->bits);
}

static bool prove(struct wino *w)
{
    __int128 bound = 0;
    int64_t channels = w->g->root_extent[w->cut], middle = floor_div(w->drange.lo + w->drange.hi + 1, 2);
    const struct step_arg *x = arg_key(w->a, "parts");
    if (x && (x->word || x->i < 1 || x->i > WIN_MAX_PARTS || x->i > channels))
        return fail_step(w->a, ERR_STEP_ARGS, x, "parts= takes a number in 1..%lld", (long long)i64_min(WIN_MAX_PARTS, channels));
    if (x && channels % x->i) {
        fail_step(w->a, ERR_ILLEGAL_STEP, x, "%lld parts do not divide the %lld channels of %s", (long long)x->i,
                  (long long)channels, w->g->root_var[w->cut]->name);
        err_hint(&w->c->err, "leave parts= out: it is chosen where ranges ask for it");
        return false;
    }
    for (int n = x ? (int)x->i : 1; n <= WIN_MAX_PARTS; n++) {
        if (channels % n) continue;
        w->nparts = n;
        w->part = channels / n;
        for (int around = 0; around < 2; around++) {
            w->z = around ? middle : 0;
            if (proved(w, terms(w, w->part), w->z, &bound)) return true;
        }
        if (x) break;
    }
    int64_t limit = (int64_t)1 << (31 - w->v->bits);
    fail_step(w->a, ERR_ILLEGAL_STEP, x, "with tile=%d sums must stay below %lld to be exact; the ranges (data %lld..%lld, "
              "weights %lld..%lld, %lld terms%s) allow for %lld", w->v->m, (long long)limit, (long long)w->drange.lo,
              (long long)w->drange.hi, (long long)w->wrange.lo, (long long)w->wrange.hi, (long long)terms(w, w->part),
              x ? " a part" : "", (long long)(bound > INT64_MAX ? INT64_MAX : (int64_t)bound));
    err_hint(&w->c->err, "%sdeclare narrower ranges (`in lo..hi` behind the type)%s", x ? "more parts, or " : "",
             w->v->m == 4 ? ", or use tile=2" : "");
    return false;
}

/* ---- the transforms ---- */

static const struct expr *combine(struct wino *w, enum op op, const struct expr *a, const struct expr *b)
{
    return ir_bin(w->c, op, a, b);
}
#define ADD(a, b) combine(w, OP_ADD, a, b)
#define SUB(a, b) combine(w, OP_SUB, a, b)

/* out[i] = row i of the data's transform; written so that the rows share their sums. */
static void data_transform(struct wino *w, const struct expr *const *d, const struct expr **out)
{
    if (w->v->m == 2) {
        out[0] = SUB(d[0], d[2]);
        out[1] = ADD(d[1], d[2]);
        out[2] = SUB(d[2], d[1]);
        out[3] = SUB(d[1], d[3]);
        return;
    }
    const struct expr *p = SUB(d[4], shl(w, d[2], 2)), *q = SUB(d[3], shl(w, d[1], 2));
    const struct expr *e = SUB(d[4], d[2]), *f = shl(w, SUB(d[3], d[1]), 1);
    out[0] = ADD(shl(w, SUB(d[0], d[2]), 2), e);
    out[1] = ADD(p, q);
    out[2] = SUB(p, q);
    out[3] = ADD(e, f);
    out[4] = SUB(e, f);
    out[5] = SUB(SUB(d[5], d[3]), shl(w, f, 1));
}

/* out[i] = row i of the result's transform A. */
static void result_transform(struct wino *w, const struct expr *const *q, const struct expr **out)
{
    if (w->v->m == 2) {
        out[0] = ADD(ADD(q[0], q[1]), q[2]);
        out[1] = SUB(SUB(q[1], q[2]), q[3]);
        return;
    }
    const struct expr *s = ADD(q[1], q[2]), *d = SUB(q[1], q[2]), *t = ADD(q[3], q[4]), *e = SUB(q[3], q[4]);
    out[0] = ADD(q[0], ADD(s, t));
    out[1] = ADD(d, shl(w, e, 1));
    out[2] = ADD(s, shl(w, t, 2));
    out[3] = ADD(d, shl(w, ADD(e, q[5]), 3));
}

static void weight_transform(struct wino *w, const struct expr *const *k, const struct expr **out)
{
    for (int i = 0; i < w->alpha; i++) {
        const struct expr *sum = NULL;
        for (int j = 0; j < 3; j++) {
            int f = w->v->g[i][j];
            if (!f) continue;
            const struct expr *t = ir_mul(w->c, k[j], konst(w, DT_I16, f));
            sum = sum ? ADD(sum, t) : t;
        }
        out[i] = sum;
    }
}

/* e[v] for an index v that is 0 .. n-1: one of them once v is unrolled. */
static const struct expr *pick(struct wino *w, const struct expr *v, int n, const struct expr *const *e)
{
    const struct expr *all = e[n - 1];
    for (int i = n - 2; i >= 0; i--) all = ir_select(w->c, ir_eq(w->c, v, idx(w, i)), e[i], all);
    return all;
}

/* The low 16 bits of an i32 value, from the low 16 bits of what it is made of. */
static const struct expr *low16(struct wino *w, const struct expr *e)
{
    switch ((int)e->op) {
    case OP_ADD: case OP_SUB: case OP_MUL: return ir_bin(w->c, (enum op)e->op, low16(w, e->kid[0]), low16(w, e->kid[1]));
    case OP_CAST:
        if (e->type.dt == DT_I32 && dt_is_int(e->kid[0]->type.dt)) return ir_cast(w->c, DT_I16, e->kid[0]);
        break;
    default: break;
    }
    return ir_cast(w->c, DT_I16, e);
}

/* ---- the new stages ---- */

/* A new tensor while its axes are added: those of its own first, then those that stand for roots of g. */
struct shape {
    struct wino *w;
    int which, n;
    int64_t extent[QJ_MAX_RANK];
    const char *name[QJ_MAX_RANK];
};
static struct shape begin(struct wino *w, int which)
{
    for (int i = 0; i < NROOTS; i++) w->at[which][i] = -1;
    return (struct shape){.w = w, .which = which};
}

static int axis(struct shape *s, const char *name, int64_t extent)
{
    if (s->n >= QJ_MAX_RANK) return s->n = QJ_MAX_RANK + 1, -1;
    for (int i = 0; i < s->n; i++)
        if (!strcmp(s->name[i], name)) name = arena_printf(&s->w->c->arena, "%s_", name);
    s->name[s->n] = name;
    s->extent[s->n] = extent;
    return s->n++;
}

static void root_axis(struct shape *s, int root, const char *name, int64_t extent)
{
    s->w->at[s->which][root] = axis(s, name, extent);
}

static void data_axes(struct shape *s, const bool *of)
{
    const struct stage *g = s->w->g;
    for (int i = 0; i < g->nroot_data; i++)
        if (of[i] && i != s->w->y && i != s->w->x) root_axis(s, i, g->root_var[i]->name, g->root_extent[i]);
}

static void channel_axes(struct shape *s)
{
    const struct stage *g = s->w->g;
    for (int i = g->nroot_data; i < g->nroot; i++)
        if (is_channel(s->w, i)) root_axis(s, i, g->root_var[i]->name, g->root_extent[i]);
}

/* The axes that only the data move with, the tiles, then those of the weights. */
static void result_axes(struct shape *s, bool flat)
{
    struct wino *w = s->w;
    bool only[QJ_MAX_RANK];
    for (int i = 0; i < w->g->nroot_data; i++) only[i] = w->by_data[i] && !w->by_weight[i];
    data_axes(s, only);
    root_axis(s, w->y, flat ? "t" : "ty", flat ? (int64_t)w->ty * w->tx : w->ty);
    if (!flat) root_axis(s, w->x, "tx", w->tx);
    data_axes(s, w->by_weight);
}

/* Values of g's roots: what to put for them. */
struct roots { const struct expr *e[NROOTS]; };

/* The tensor, its axes as expressions, and the roots they stand for. */
static struct tensor *make(struct shape *s, enum dtype dt, const struct expr **e, struct roots *r)
{
    struct wino *w = s->w;
    if (s->n > QJ_MAX_RANK) {
        fail_step(w->a, ERR_TOO_LARGE, NULL, "%s would have more than %d axes", w->name[s->which], QJ_MAX_RANK);
        return NULL;
    }
    struct tensor *t = ir_tensor(w->c, w->name[s->which], TENSOR_COMPUTE, dt, s->n, s->extent);
    for (int i = 0; i < s->n; i++) {
        t->dim_name[i] = s->name[i];
        t->axis[i] = ir_var(w->c, s->name[i], s->extent[i]);
        e[i] = var(w, t->axis[i]);
    }
    *r = (struct roots){0};
    for (int i = 0; i < NROOTS; i++)
        if (w->at[s->which][i] >= 0) r->e[i] = e[w->at[s->which][i]];
    w->t[s->which] = t;
    return t;
}

static const struct expr *put(struct wino *w, const struct expr *e, const struct roots *r)
{
    const struct var *from[NROOTS];
    const struct expr *to[NROOTS];
    int n = 0;
    for (int i = 0; i < w->g->nroot; i++) {
        if (!r->e[i]) continue;
        from[n] = w->g->root_var[i];
        to[n++] = r->e[i];
    }
    return ir_subst(w->c, e, n, from, to);
}

/* Its element where the roots have these values, and its own axes, which come first, those. */
static const struct expr *read_at(struct wino *w, int which, const struct roots *r, int nfirst,
                                  const struct expr *const *first)
{
    const struct expr *e[QJ_MAX_RANK];
    for (int i = 0; i < nfirst; i++) e[i] = first[i];
    for (int i = 0; i < NROOTS; i++)
        if (w->at[which][i] >= 0) e[w->at[which][i]] = r->e[i];
    return ir_read(w->c, w->t[which], e);
}

static bool weights(struct wino *w)
{
    const struct expr *k[3], *row[WIN_MAX_A], *e[QJ_MAX_RANK];
    struct roots r;
    struct shape s = begin(w, T_UR);
    axis(&s, "i", w->alpha);
    data_axes(&s, w->by_weight);
    root_axis(&s, w->s, w->g->root_var[w->s]->name, 3);
    channel_axes(&s);
    struct tensor *t = make(&s, DT_I16, e, &r);
    if (!t) return false;
    for (int j = 0; j < 3; j++) {
        r.e[w->r] = idx(w, j);
        k[j] = low16(w, put(w, w->weight, &r));
    }
    weight_transform(w, k, row);
    t->body = pick(w, e[0], w->alpha, row);
    t->range = weight_rows(w, w->wrange);

    s = begin(w, T_U);
    axis(&s, "i", w->alpha);
    axis(&s, "j", w->alpha);
    data_axes(&s, w->by_weight);
    channel_axes(&s);
    if (!(t = make(&s, DT_I16, e, &r))) return false;
    for (int j = 0; j < 3; j++) {
        r.e[w->s] = idx(w, j);
        k[j] = read_at(w, T_UR, &r, 1, e);
    }
    weight_transform(w, k, row);
    t->body = pick(w, e[1], w->alpha, row);
    t->range = weight_rows(w, w->t[T_UR]->range);
    return true;
}

/* New axes to sum over, how many: the channels of part p, and the window too when asked for. */
static int sum_axes(struct wino *w, const struct expr *p, bool window, struct roots *r, const struct expr **axes)
{
    int n = 0;
    for (int i = w->g->nroot_data; i < w->g->nroot; i++) {
        if (!is_channel(w, i) && !window) continue;
        const struct expr *v = var(w, ir_var(w->c, w->g->root_var[i]->name, i == w->cut ? w->part : w->g->root_extent[i]));
        axes[n++] = v;
        r->e[i] = p && i == w->cut ? ir_add(w->c, ir_mul(w->c, p, idx(w, w->part)), v) : v;
    }
    return n;
}

/* The sum of the weights, and z times that. */
static bool offsets(struct wino *w)
{
    const struct expr *e[QJ_MAX_RANK], *axes[NROOTS];
    struct roots r;
    for (int which = T_US; which <= T_UZ && w->z; which++) {
        struct shape s = begin(w, which);
        if (w->nparts > 1) axis(&s, "p", w->nparts);
        data_axes(&s, w->by_weight);
        struct tensor *t = make(&s, DT_I32, e, &r);
        if (!t) return false;
        if (which == T_US) {
            int n = sum_axes(w, w->nparts > 1 ? e[0] : NULL, true, &r, axes);
            t->body = ir_reduce(w->c, RED_SUM, put(w, w->weight, &r), n, axes);
        } else {
            t->body = ir_mul(w->c, read_at(w, T_US, &r, w->nparts > 1, e), konst(w, DT_I32, w->z));
        }
    }
    return true;
}

static bool data(struct wino *w)
{
    const struct expr *d[WIN_MAX_A], *row[WIN_MAX_A], *e[QJ_MAX_RANK];
    struct roots r;
    int m = w->v->m;
    struct shape s = begin(w, T_VR);
    axis(&s, "i", w->alpha);
    data_axes(&s, w->by_data);
    root_axis(&s, w->y, "ty", w->ty);
    root_axis(&s, w->x, w->col->name, (int64_t)w->tx * m + 2);
    channel_axes(&s);
    struct tensor *t = make(&s, DT_I16, e, &r);
    if (!t) return false;
    for (int j = 0; j < w->alpha; j++) {
        const struct var *from[2] = {w->row, w->col};
        const struct expr *to[2] = {ir_add(w->c, ir_mul(w->c, r.e[w->y], idx(w, m)), idx(w, j)), r.e[w->x]};
        d[j] = low16(w, ir_subst(w->c, put(w, w->data, &r), 2, from, to));
    }
    data_transform(w, d, row);
    t->body = pick(w, e[0], w->alpha, row);
    t->range = data_rows(w, w->drange);

    s = begin(w, T_V);
    axis(&s, "i", w->alpha);
    axis(&s, "j", w->alpha);
    data_axes(&s, w->by_data);
    root_axis(&s, w->y, "ty", w->ty);
    root_axis(&s, w->x, "tx", w->tx);
    channel_axes(&s);
    if (!(t = make(&s, DT_I16, e, &r))) return false;
    const struct expr *tile = r.e[w->x];
    for (int j = 0; j < w->alpha; j++) {
        r.e[w->x] = ir_add(w->c, ir_mul(w->c, tile, idx(w, m)), idx(w, j));
        d[j] = read_at(w, T_VR, &r, 1, e);
    }
    data_transform(w, d, row);
    t->body = pick(w, e[1], w->alpha, row);
    t->range = data_rows(w, w->t[T_VR]->range);
    return true;
}

static bool products(struct wino *w)
{
    const struct expr *e[QJ_MAX_RANK], *axes[NROOTS], *k[WIN_MAX_A], *row[WIN_MAX_A];
    struct roots r;
    int np = w->nparts > 1;
    struct shape s = begin(w, T_M);
    if (np) axis(&s, "p", w->nparts);
    axis(&s, "i", w->alpha);
    axis(&s, "j", w->alpha);
    result_axes(&s, true);
    struct tensor *t = make(&s, DT_I32, e, &r);
    if (!t) return false;
    int n = sum_axes(w, np ? e[0] : NULL, false, &r, axes);
    const struct expr *tile = r.e[w->y];
    r.e[w->y] = ir_div(w->c, tile, idx(w, w->tx));
    r.e[w->x] = ir_mod(w->c, tile, idx(w, w->tx));
    const struct expr *a = ir_cast(w->c, DT_I32, read_at(w, T_V, &r, 2, &e[np]));
    const struct expr *b = ir_cast(w->c, DT_I32, read_at(w, T_U, &r, 2, &e[np]));
    t->body = ir_reduce(w->c, RED_SUM, ir_mul(w->c, a, b), n, axes);

    s = begin(w, T_MR);
    if (np) axis(&s, "p", w->nparts);
    axis(&s, "yi", w->v->m);
    axis(&s, "j", w->alpha);
    result_axes(&s, false);
    if (!(t = make(&s, DT_I32, e, &r))) return false;
    r.e[w->y] = ir_add(w->c, ir_mul(w->c, r.e[w->y], idx(w, w->tx)), r.e[w->x]);
    for (int i = 0; i < w->alpha; i++) {
        const struct expr *first[3] = {e[0], idx(w, i), e[np + 1]};
        if (!np) first[0] = first[1], first[1] = first[2];
        k[i] = shl(w, read_at(w, T_M, &r, np + 2, first), w->v->shift[i]);
    }
    result_transform(w, k, row);
    t->body = pick(w, e[np], w->v->m, row);
    return true;
}

/* What the stage itself becomes. */
static const struct expr *result(struct wino *w)
{
    const struct expr *y = var(w, w->g->root_var[w->y]), *x = var(w, w->g->root_var[w->x]), *sum = NULL;
    const struct expr *m = idx(w, w->v->m), *k[WIN_MAX_A], *row[WIN_MAX_A];
    struct roots r = {0};
    for (int i = 0; i < w->g->nroot_data; i++) r.e[i] = var(w, w->g->root_var[i]);
    r.e[w->y] = ir_div(w->c, y, m);
    r.e[w->x] = ir_div(w->c, x, m);
    int np = w->nparts > 1;
    for (int p = 0; p < w->nparts; p++) {
        const struct expr *part = idx(w, p);
        for (int j = 0; j < w->alpha; j++) {
            const struct expr *first[3] = {part, ir_mod(w->c, y, m), idx(w, j)};
            k[j] = shl(w, read_at(w, T_MR, &r, np + 2, &first[!np]), w->v->shift[j]);
        }
        result_transform(w, k, row);
        const struct expr *e = ir_mul(w->c, pick(w, ir_mod(w->c, x, m), w->v->m, row), konst(w, DT_I32, w->v->inverse));
        const struct expr *z = w->z ? read_at(w, T_UZ, &r, np, &part) : NULL;
        if (z) e = SUB(e, shl(w, z, w->v->bits));
        e = ir_bin(w->c, OP_SHR, e, konst(w, DT_I32, w->v->bits));
        if (z) e = ADD(e, z);
        sum = sum ? ADD(sum, e) : e;
    }
    return sum;
}

/* ---- tiles that hang over the edge read zeros there ---- */

struct edge { struct wino *w; const struct var_range *tiled; bool ok; };
static bool widen(const struct expr *e, void *u)
{
    struct edge *x = u;
    struct wino *w = x->w;
    if (e->op != OP_READ || !x->ok) return x->ok;
    const struct tensor *t = e->val.tensor;
    for_kids(e, d) {
        if (!ir_uses(e->kid[d], w->row) && !ir_uses(e->kid[d], w->col)) continue;
        struct range was = ir_bounds(e->kid[d], NULL), now = ir_bounds(e->kid[d], x->tiled);
        int i = state_stage_of(w->a->st, t);
        struct stage *g = i < 0 ? NULL : w->a->st->stage[i];
        int64_t have = g ? g->root_extent[d] : t->shape[d];
        if (now.lo < was.lo) {
            x->ok = refuse(w, "%s runs backwards over %s, and tiles do not divide it", w->g->tensor->name, t->name);
        } else if (now.hi >= have && !extend_zero(w->a, g, d, now.hi + 1)) {
            x->ok = fail_step(w->a, ERR_ILLEGAL_STEP, NULL, "tiles do not divide %s: they would read %s beyond its extent "
                              "%lld, and it cannot be extended with zeros", w->g->tensor->name, t->name, (long long)have);
            err_hint(&w->c->err, "cache_read %s global first: the copy can be extended", t->name);
        }
        if (!x->ok) return false;
    }
    return true;
}

static bool edges(struct wino *w)
{
    int m = w->v->m;
    struct var_range col = {w->col, {0, (int64_t)w->tx * m + 1}, NULL}, row = {w->row, {0, (int64_t)w->ty * m + 1}, &col};
    if (w->row->extent == (int64_t)w->ty * m + 2 && w->col->extent == (int64_t)w->tx * m + 2) return true;
    struct edge x = {w, &row, true};
    ir_walk(w->data, widen, &x);
    return x.ok;
}

/* ---- the step ---- */

static bool names(struct wino *w)
{
    static const char *const base[] = {"U", "V", "M"}, *const tail[] = {"r", "", "s", "z", "r", "", "", "r"};
    static const int of[] = {0, 0, 0, 0, 1, 1, 2, 2};
    const struct step *st = w->a->step;
    if (st->nout && st->nout != 3) return fail_step(w->a, ERR_STEP_ARGS, NULL, "names three tensors after ->");
    for (int i = 0; i < T_COUNT; i++) {
        w->name[i] = st->nout ? arena_printf(&w->c->arena, "%s%s", st->out[of[i]], tail[i])
                              : arena_printf(&w->c->arena, "%s_%s%s", w->g->tensor->name, base[of[i]], tail[i]);
        if (!check_new_tensor_name(w->a, w->name[i])) return false;
        for (int k = 0; k < i; k++)
            if (!strcmp(w->name[i], w->name[k]))
                return fail_step(w->a, ERR_REDEFINED, NULL, "two new tensors would be called `%s`", w->name[i]);
    }
    return true;
}

static bool untouched(struct applying *a, const struct stage *g)
{
    bool ok = !stage_scheduled(g);
    for (int i = 0; i < g->nroot_data; i++) ok = ok && g->root_extent[i] == g->tensor->shape[i];
    for (int i = 0; i < a->st->nstage; i++)
        ok = ok && !(a->st->stage[i]->attach == ATTACH_AT && a->st->stage[a->st->stage[i]->at_stage] == g);
    if (ok) return true;
    fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s already has loop steps", g->tensor->name);
    err_hint(&a->c->err, "give winograd before splitting, reordering or padding the stage, or placing others at its loops");
    return false;
}

bool prim_winograd(struct applying *a)
{
    struct stage *g = NULL;
    if (!arg_count(a, 2, 2)) return false;
    int y = arg_axis(a, 0, &g), x = y < 0 ? -1 : arg_axis(a, 1, &g);
    const struct step_arg *tile = arg_key(a, "tile");
    if (x < 0) return false;
    if (!tile || tile->word || (tile->i != 2 && tile->i != 4))
        return fail_step(a, ERR_STEP_ARGS, tile, "tile= is 2 or 4: outputs a side that one tile computes");
    if (!untouched(a, g)) return false;
    if (y >= g->nroot_data || x >= g->nroot_data || x == y)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "two axes of the tensor %s are to be tiled", g->tensor->name);
    struct wino *w = ARENA_NEW(&a->c->arena, struct wino);
    *w = (struct wino){.a = a, .c = a->c, .g = g, .y = y, .x = x};
    if (!recognise(w) || !choose_variant(w, (int)tile->i) || !prove(w) || !names(w)) return false;
    w->ty = ceil_div(g->root_extent[y], tile->i);
    w->tx = ceil_div(g->root_extent[x], tile->i);
    if (!edges(w) || !weights(w) || !offsets(w) || !data(w) || !products(w)) return false;
    struct stage *again = stage_new(a->c, g->tensor, result(w));
    stage_succeed(again, g);
    int at = state_stage_of(a->st, g->tensor);
    a->st->stage[at] = again;
    for (int i = 0; i < T_COUNT; i++)
        if (w->t[i] && insert_stage(a, at++, stage_new(a->c, w->t[i], w->t[i]->body)) < 0) return false;
    return true;
}
