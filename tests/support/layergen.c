/* SPDX-License-Identifier: Apache-2.0 */
/* layergen.c - contract in layergen.h. */
#include "tests/support/layergen.h"

#include <math.h>

#define N(lo, hi) rng_int(r, lo, hi)
#define PICK(...) ((const int64_t[]){__VA_ARGS__}[N(0, (int64_t)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)) - 1)])
#define ONE_IN(n) (N(1, n) == 1)

/* ---- layers ---- */

static int64_t channels(struct rng *r) { return PICK(1, 3, 5, 17, 61, 2, 4, 8, 12, 16, 24, 32, 33, 64); }

static void draw_window(struct rng *r, struct layer *l)
{
    l->n = ONE_IN(4) ? N(2, 3) : 1;
    l->h = PICK(1, 1, 2, 3, 5, 7, 8, 14, 17);
    l->w = ONE_IN(3) ? PICK(1, 2, 6, 13, 28) : l->h;
    l->kh = PICK(1, 1, 1, 2, 3, 3, 3, 3, 3, 5, 7);
    l->kw = ONE_IN(4) ? PICK(1, 2, 3, 4, 5) : l->kh;
    l->sh = PICK(1, 1, 1, 2, 3);
    l->sw = ONE_IN(4) ? N(1, 3) : l->sh;
    l->dh = ONE_IN(5) ? N(2, 3) : 1;
    l->dw = ONE_IN(5) ? N(2, 3) : l->dh;
    bool even = ONE_IN(2);
    l->pt = even ? l->kh / 2 : N(0, l->kh);
    l->pb = even ? l->kh / 2 : N(0, l->kh);
    l->pl = even ? l->kw / 2 : N(0, l->kw);
    l->pr = even ? l->kw / 2 : N(0, l->kw);
    while (layer_oh(l) < 1) l->pt++; /* a kernel larger than the input */
    while (layer_ow(l) < 1) l->pr++;
    l->groups = l->kind == LAYER_CONV2D && ONE_IN(4) ? N(2, 4) : 1;
    l->c = channels(r) * l->groups;
    l->o = channels(r) * l->groups;
    l->mult = ONE_IN(3) ? PICK(2, 3, 8) : 1;
    l->in = (enum data_layout)PICK(DATA_NHWC, DATA_NHWC, DATA_NCHW, DATA_NCHWC);
    l->out = ONE_IN(3) ? (enum data_layout)PICK(DATA_NHWC, DATA_NCHW, DATA_NCHWC) : l->in;
    l->inblock = PICK(4, 8, 16, 3);
    l->outblock = ONE_IN(3) ? PICK(4, 8, 16, 32) : l->inblock;
}

static struct range part_of(struct rng *r, enum dtype dt)
{
    struct range all = dtype_range(dt), none = {1, 0};
    switch (N(0, 4)) {
    case 0: return (struct range){dt == DT_U8 ? 0 : -127, 127};
    case 1: return (struct range){N(all.lo, all.lo + 64), N(all.hi - 64, all.hi)};
    default: return none;
    }
}

static int64_t some_zero(struct rng *r, enum dtype dt)
{
    struct range all = dtype_range(dt);
    return ONE_IN(2) ? 0 : ONE_IN(3) ? PICK(all.lo, all.hi) : ONE_IN(3) ? (all.lo + all.hi + 1) / 2 : N(all.lo, all.hi);
}

static void draw_numbers(struct rng *r, struct layer *l)
{
    l->xtype = ONE_IN(3) ? DT_I8 : DT_U8;
    l->wtype = ONE_IN(3) ? DT_U8 : DT_I8;
    l->xrange = part_of(r, l->xtype);
    l->wrange = part_of(r, l->wtype);
    l->weights = (enum weight_layout)PICK(WEIGHT_OHWI, WEIGHT_OIHW, WEIGHT_HWIO, WEIGHT_PACKED);
    l->pack[0] = PICK(1, 2, 4);
    l->pack[1] = PICK(4, 8, 16);
    l->pack[2] = PICK(1, 2, 4);
    l->winput = l->kind == LAYER_BATCHED ? ONE_IN(2) : ONE_IN(12);
    l->xzero = some_zero(r, l->xtype);
    l->wzero = ONE_IN(2) ? 0 : some_zero(r, l->wtype);
    l->form = ONE_IN(2) ? ZERO_TERMS : ZERO_DIFFERENCES;
    l->bias = ONE_IN(4) ? BIAS_NONE : BIAS_CHANNEL;
    l->scale = ONE_IN(3) ? SCALE_TENSOR : SCALE_CHANNEL;
    l->round = (enum round_mode)PICK(ROUND_HALF_EVEN, ROUND_HALF_EVEN, ROUND_TFLITE_DOUBLE, ROUND_TFLITE_SINGLE, ROUND_SHIFT);
    l->otype = (enum dtype)PICK(DT_U8, DT_U8, DT_I8, DT_I8, DT_I32, DT_F32);
    bool eight = l->otype == DT_U8 || l->otype == DT_I8;
    if (eight) l->zero = some_zero(r, l->otype);
    if (ONE_IN(3)) l->lo = eight ? l->zero : 0; /* relu, relu6 */
    if (ONE_IN(4)) l->hi = i64_max(l->lo, 0) + PICK(6, 17, 100);
    if (eight && l->hi < dtype_range(l->otype).lo) l->hi = dtype_range(l->otype).hi;
    l->add = eight && ONE_IN(4);
    l->addtype = ONE_IN(2) ? DT_I8 : DT_U8;
    l->addzero = some_zero(r, l->addtype);
}

static int64_t terms(const struct layer *l)
{
    if (l->kind == LAYER_DENSE || l->kind == LAYER_BATCHED) return l->k;
    return l->kh * l->kw * (l->kind == LAYER_DEPTHWISE ? 1 : l->c / l->groups);
}

static int64_t products(const struct layer *l)
{
    if (l->kind == LAYER_DENSE) return l->m * l->cols * l->k;
    if (l->kind == LAYER_BATCHED) return l->batch * l->m * l->cols * l->k;
    return l->n * layer_oh(l) * layer_ow(l) * terms(l) * (l->kind == LAYER_DEPTHWISE ? l->c * l->mult : l->o);
}

enum { MOST_PRODUCTS = 400000 };

struct layer gen_layer(struct rng *r)
{
    for (;;) {
        enum layer_kind kind = (enum layer_kind)PICK(LAYER_CONV2D, LAYER_CONV2D, LAYER_CONV2D, LAYER_CONV2D, LAYER_CONV2D,
                                                     LAYER_DEPTHWISE, LAYER_DEPTHWISE, LAYER_DENSE, LAYER_DENSE, LAYER_BATCHED);
        struct layer l = layer_default(kind);
        const char *why;
        struct arena none;
        arena_init(&none, NULL);
        struct str text = str_on(&none);
        if (kind == LAYER_CONV2D || kind == LAYER_DEPTHWISE) draw_window(r, &l);
        l.m = PICK(1, 1, 2, 3, 5, 16, 31, 70);
        l.cols = channels(r);
        l.k = PICK(1, 2, 3, 5, 16, 61, 64, 127, 300);
        l.batch = N(1, 3);
        draw_numbers(r, &l);
        bool ok = layer_text(&text, &l, &why) && products(&l) <= MOST_PRODUCTS;
        arena_release(&none);
        if (ok) return l;
    }
}

/* ---- data: scales that leave the sums in the output's range, so that each bit of them counts ---- */

void gen_layer_data(void *u, struct rng *r, const struct tensor *t, void *data)
{
    const struct layer *l = u;
    int64_t n = 1;
    double typical = 6000 * sqrt((double)terms(l)); /* of a sum */
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    bool residual = strchr("NUV", t->name[0]), plain = !strchr("BMQTNUV", t->name[0]) || ONE_IN(12);
    if (plain) gen_data(r, t, data);
    if (plain && t->dt != DT_F32 && ONE_IN(6)) /* the same extreme everywhere: nothing averages out */
        for (int64_t i = 0, v = ONE_IN(2) ? t->range.lo : t->range.hi; i < n; i++) value_store(t->dt, data, i, (union value){.i = v});
    for (int64_t i = 0; !plain && i < n; i++) {
        union value v = {0};
        double scale = residual ? ldexp((double)N(256, 511), -9) : (double)N(20, 400) / typical;
        switch (t->name[0]) {
        case 'B': v.i = N(-(int64_t)typical, (int64_t)typical); break;
        case 'Q': case 'U': v.i = N((int64_t)1 << 30, INT32_MAX); break;
        case 'T': case 'V': {
            int down = (int)lround(-log2(scale));
            v.i = l->round == ROUND_SHIFT ? down < 0 ? 0 : down : -down;
            break;
        }
        default: v.f = (float)scale;
        }
        if (t->dt != DT_F32) v.i = i64_max(t->range.lo, i64_min(t->range.hi, v.i));
        value_store(t->dt, data, i, v);
    }
}

/* ---- knobs ---- */

const char *gen_template(struct arena *a, struct rng *r, const struct target *t)
{
    struct str s = str_on(a);
    str_put(&s, "template");
    if (N(0, 2)) return str_text(&s);
    if (ONE_IN(3) && t->nintrin) str_printf(&s, " row=%s", t->intrin[N(0, t->nintrin - 1)].row->name);
    if (ONE_IN(3)) str_printf(&s, " mr=%d", (int)N(1, 6));
    if (ONE_IN(4)) str_printf(&s, " nr=%d", (int)PICK(4, 8, 16, 32));
    if (ONE_IN(3)) str_printf(&s, " rows=%d", (int)N(1, 6));
    if (ONE_IN(4)) str_printf(&s, " outer=%d", (int)N(0, 1));
    if (ONE_IN(4)) str_printf(&s, " tile=%d", (int)PICK(0, 2, 4));
    return str_text(&s);
}
