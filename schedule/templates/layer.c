/* SPDX-License-Identifier: Apache-2.0 */
/* layer.c - the text of a layer's program. Contract in layer.h; a layer in words is in layer_set.c. */
#include "schedule/templates/layer.h"

const char *const layer_kind_name[LAYER_KINDS] = {"conv2d", "depthwise", "dense", "batched"};

struct layer layer_default(enum layer_kind kind)
{
    struct range none = {1, 0};
    return (struct layer){
        .kind = kind, .n = 1, .h = 1, .w = 1, .c = 1, .o = 1, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1,
        .groups = 1, .mult = 1, .m = 1, .cols = 1, .k = 1, .batch = 1, .xtype = DT_U8, .wtype = DT_I8, .xrange = none,
        .wrange = none, .inblock = 8, .outblock = 8, .weights = kind == LAYER_DEPTHWISE ? WEIGHT_HWIO : WEIGHT_OHWI,
        .pack = {1, 1, 1}, .bias = BIAS_CHANNEL, .otype = DT_U8, .lo = INT32_MIN, .hi = INT32_MAX, .addtype = DT_U8,
    };
}

static bool by_tiles(const struct layer *l)
{
    return l->kind == LAYER_CONV2D && l->kh == 3 && l->kw == 3 && l->sh == 1 && l->sw == 1 && l->dh == 1 && l->dw == 1 &&
           l->groups == 1 && l->c >= 16 && l->o >= 16 && layer_oh(l) >= 8 && layer_ow(l) >= 8;
}

enum layer_zero layer_form_for(const struct layer *l, const struct target *t)
{
    double bytes = 0, words = 0;
    bool pairs = false; /* what Winograd's tiles are multiplied by */
    for (int i = 0; i < t->nintrin; i++) {
        const struct intrin *in = &t->intrin[i];
        if (in->meaning->nop != 3 || in->row->pair_i16 || in->meaning->op[0]->dt != DT_I32) continue;
        double *best = dt_bytes(in->meaning->op[1]->dt) == 1 && dt_bytes(in->meaning->op[2]->dt) == 1 ? &bytes
                       : dt_bytes(in->meaning->op[1]->dt) == 2 && dt_bytes(in->meaning->op[2]->dt) == 2 ? &words : NULL;
        if (best && in->row->mac_per_cycle > *best) *best = in->row->mac_per_cycle;
        pairs |= best == &words && in->meaning->op[1]->ndim == 1 && in->meaning->op[1]->shape[0] == 2;
    }
    if (pairs && by_tiles(l)) return ZERO_DIFFERENCES;
    if (l->kind == LAYER_DEPTHWISE && t->family->kind == TARGET_SIMT) return ZERO_DIFFERENCES; /* plain products either way */
    return bytes > 1.5 * words ? ZERO_TERMS : ZERO_DIFFERENCES;
}

static int64_t window(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride, int64_t dilation)
{
    int64_t room = size + before + after - (kernel - 1) * dilation - 1;
    return room < 0 ? 0 : room / stride + 1;
}
int64_t layer_oh(const struct layer *l) { return window(l->h, l->pt, l->pb, l->kh, l->sh, l->dh); }
int64_t layer_ow(const struct layer *l) { return window(l->w, l->pl, l->pr, l->kw, l->sw, l->dw); }

static bool is_dense(const struct layer *l) { return l->kind == LAYER_DENSE || l->kind == LAYER_BATCHED; }
static struct range xrange(const struct layer *l) { return l->xrange.lo > l->xrange.hi ? dtype_range(l->xtype) : l->xrange; }
static struct range wrange(const struct layer *l) { return l->wrange.lo > l->wrange.hi ? dtype_range(l->wtype) : l->wrange; }
/* Of the output; of f32: what the settings say. */
static struct range clamp_of(const struct layer *l)
{
    struct range all = l->otype == DT_F32 ? dtype_range(DT_I32) : dtype_range(l->otype);
    return (struct range){i64_max(l->lo, all.lo), i64_min(l->hi, all.hi)};
}
static bool clamped(const struct layer *l)
{
    struct range r = clamp_of(l), all = l->otype == DT_F32 ? dtype_range(DT_I32) : dtype_range(l->otype);
    return r.lo > all.lo || r.hi < all.hi;
}
static bool within(struct range r, enum dtype dt) { return dtype_range(dt).lo <= r.lo && r.hi <= dtype_range(dt).hi; }

/* ---- what can be described ---- */

static bool zeros_fit(const struct layer *l, const char **why)
{
    struct range x = dtype_range(l->xtype), w = dtype_range(l->wtype), r = dtype_range(l->addtype);
    if (l->xzero < x.lo || l->xzero > x.hi) return *why = "the zero point of the activations is no value of their type", false;
    if (l->wzero < w.lo || l->wzero > w.hi) return *why = "the zero point of the weights is no value of their type", false;
    if (l->add && (l->addzero < r.lo || l->addzero > r.hi))
        return *why = "the zero point of what is added is no value of its type", false;
    if ((l->otype == DT_U8 || l->otype == DT_I8) && (l->zero < dtype_range(l->otype).lo || l->zero > dtype_range(l->otype).hi))
        return *why = "the zero point of the output is no value of its type", false;
    return true;
}

static bool eight(enum dtype dt) { return dt == DT_U8 || dt == DT_I8; }

static bool blocks_fit(const struct layer *l, const char **why)
{
    int64_t in = l->c / l->groups, out = l->kind == LAYER_DEPTHWISE ? l->mult : l->o / l->groups;
    if ((l->in == DATA_NCHWC && l->inblock < 2) || (l->out == DATA_NCHWC && l->outblock < 2))
        return *why = "a block of channels has at least 2", false;
    if (l->in == DATA_NCHWC && l->groups > 1 && in % l->inblock)
        return *why = "a block of the input's channels would hold several groups", false;
    bool split = l->kind == LAYER_DEPTHWISE ? l->mult > 1 : l->groups > 1;
    if (l->out == DATA_NCHWC && split && out % l->outblock)
        return *why = "a block of the output's channels would hold several groups", false;
    return true;
}

static bool possible(const struct layer *l, const char **why)
{
    const int64_t *at[] = {&l->n, &l->h, &l->w, &l->c, &l->o, &l->kh, &l->kw, &l->sh, &l->sw, &l->dh, &l->dw, &l->groups,
                           &l->mult, &l->m, &l->cols, &l->k, &l->batch, &l->pack[0], &l->pack[1], &l->pack[2]};
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        if (*at[i] < 1 || *at[i] > 1 << 24) return *why = "extents, strides and dilations lie in 1..16777216", false;
    const int64_t *pad[] = {&l->pt, &l->pb, &l->pl, &l->pr};
    for (size_t i = 0; i < ARRAY_LEN(pad); i++)
        if (*pad[i] < 0 || *pad[i] > 1 << 24) return *why = "padding lies in 0..16777216", false;
    if (!eight(l->xtype) || !eight(l->wtype) || !eight(l->addtype)) return *why = "activations and weights are u8 or i8", false;
    if (!eight(l->otype) && l->otype != DT_I32 && l->otype != DT_F32) return *why = "the output is u8, i8, i32 or f32", false;
    if (!within(xrange(l), l->xtype) || !within(wrange(l), l->wtype))
        return *why = "a declared range lies inside its type's", false;
    if (clamp_of(l).lo > clamp_of(l).hi) return *why = "no value of the output's type lies within the clamp", false;
    if (l->add && !eight(l->otype)) return *why = "only an output of 8 bits has something added", false;
    if (!zeros_fit(l, why)) return false;
    if (is_dense(l)) return true;
    if (layer_oh(l) < 1 || layer_ow(l) < 1) return *why = "the kernel is larger than the padded input", false;
    if (l->kind == LAYER_CONV2D && (l->c % l->groups || l->o % l->groups))
        return *why = "groups divide the channels of input and output", false;
    return blocks_fit(l, why);
}

/* ---- the names of axes ---- */

/* Axes and index lists as text; one for each kind, so that the definitions below are written once. */
struct names {
    const char *in;         /* channels of the input as read */
    const char *out;        /* channels of the output, as axes */
    const char *sum;        /* axes of the sum */
    const char *weight;     /* indices of W, `*` in place */
    const char *pixel;      /* the output's other axes, with extents where they are not to be inferred; NULL: none */
    const char *xread;      /* indices of the activations */
};

static const char *scaled(struct arena *a, const char *axis, int64_t by)
{
    return by == 1 ? axis : arena_printf(a, "%lld*%s", (long long)by, axis);
}

static struct names names_of(struct arena *a, const struct layer *l)
{
    bool grouped = l->kind == LAYER_CONV2D && l->groups > 1, several = l->kind == LAYER_DEPTHWISE && l->mult > 1;
    struct names v = {0};
    if (is_dense(l)) {
        bool b = l->kind == LAYER_BATCHED;
        return (struct names){"k", "n", "k", b ? "b, n, k" : "n, k", b ? "b, m" : "m", b ? "b, m, k" : "m, k"};
    }
    v.in = grouped ? "g, c" : "c";
    if (l->kind == LAYER_DEPTHWISE) {
        v.out = several ? "c, m" : "c";
        v.sum = "r, s";
        v.weight = several ? "r, s, c, m" : "r, s, c";
    } else {
        v.out = grouped ? "g, o" : "o";
        v.sum = "r, s, c";
        v.weight = grouped ? "g, o, r, s, c" : "o, r, s, c";
    }
    v.pixel = "n, y, x";
    v.xread = arena_printf(a, "n, %s + %s, %s + %s, %s", scaled(a, "y", l->sh), scaled(a, "r", l->dh), scaled(a, "x", l->sw),
                           scaled(a, "s", l->dw), v.in);
    return v;
}

/* The output's axes in the order of its memory (blocks apart), with extents when they are asked for. */
static const char *out_axes(struct arena *a, const struct layer *l, bool extents)
{
    if (is_dense(l)) {
        if (!extents) return l->kind == LAYER_BATCHED ? "b, m, n" : "m, n";
        const char *b = l->kind == LAYER_BATCHED ? arena_printf(a, "b:%lld, ", (long long)l->batch) : "";
        return arena_printf(a, "%sm:%lld, n:%lld", b, (long long)l->m, (long long)l->cols);
    }
    bool grouped = l->kind == LAYER_CONV2D && l->groups > 1, several = l->kind == LAYER_DEPTHWISE && l->mult > 1;
    long long oh = layer_oh(l), ow = layer_ow(l);
    const char *pixel = extents ? arena_printf(a, "y:%lld, x:%lld", oh, ow) : "y, x", *channel;
    if (grouped)
        channel = extents ? arena_printf(a, "g:%lld, o:%lld", (long long)l->groups, (long long)(l->o / l->groups)) : "g, o";
    else if (l->kind == LAYER_CONV2D) channel = extents ? arena_printf(a, "o:%lld", (long long)l->o) : "o";
    else if (several) channel = extents ? arena_printf(a, "c:%lld, m:%lld", (long long)l->c, (long long)l->mult) : "c, m";
    else channel = extents ? arena_printf(a, "c:%lld", (long long)l->c) : "c";
    const char *n = extents ? arena_printf(a, "n:%lld", (long long)l->n) : "n";
    return l->out == DATA_NCHW ? arena_printf(a, "%s, %s, %s", n, channel, pixel)
                               : arena_printf(a, "%s, %s, %s", n, pixel, channel);
}

/* NCHW<block>c in the letters of the output; NULL: as its axes are. */
static const char *out_layout(struct arena *a, const struct layer *l)
{
    if (is_dense(l) || l->out != DATA_NCHWC) return NULL;
    bool grouped = l->kind == LAYER_CONV2D && l->groups > 1, several = l->kind == LAYER_DEPTHWISE && l->mult > 1;
    const char *letters = grouped ? "GO" : several ? "CM" : l->kind == LAYER_DEPTHWISE ? "C" : "O";
    char last = l->kind == LAYER_DEPTHWISE ? (several ? 'm' : 'c') : 'o';
    return arena_printf(a, "N%sYX%lld%c", letters, (long long)l->outblock, last);
}

/* ---- arguments ---- */

static void put_range(struct str *out, struct range r, enum dtype dt)
{
    struct range all = dtype_range(dt);
    if (r.lo > r.hi || (r.lo == all.lo && r.hi == all.hi)) return;
    str_printf(out, " in %lld..%lld", (long long)r.lo, (long long)r.hi);
}

static void put_activations(struct str *out, const struct layer *l)
{
    if (is_dense(l)) {
        str_put(out, "input A[");
        if (l->kind == LAYER_BATCHED) str_printf(out, "b:%lld, ", (long long)l->batch);
        str_printf(out, "m:%lld, k:%lld] : %s", (long long)l->m, (long long)l->k, dtype_info[l->xtype].name);
    } else {
        bool grouped = l->kind == LAYER_CONV2D && l->groups > 1;
        str_printf(out, "input A[n:%lld, h:%lld, w:%lld, ", (long long)l->n, (long long)l->h, (long long)l->w);
        if (grouped) str_printf(out, "g:%lld, c:%lld", (long long)l->groups, (long long)(l->c / l->groups));
        else str_printf(out, "c:%lld", (long long)l->c);
        str_printf(out, "] : %s", dtype_info[l->xtype].name);
    }
    put_range(out, l->xrange, l->xtype);
    if (!is_dense(l) && l->in != DATA_NHWC) {
        str_printf(out, " layout N%sCHW", l->kind == LAYER_CONV2D && l->groups > 1 ? "G" : "");
        if (l->in == DATA_NCHWC) str_printf(out, "%lldc", (long long)l->inblock);
    }
    str_putc(out, '\n');
}

/* The blocks of a packed layout, in the letters of input and output channels. */
static void put_blocks(struct str *out, const struct layer *l, char i, char o)
{
    if (l->weights != WEIGHT_PACKED) return;
    if (i && l->pack[0] > 1) str_printf(out, "%lld%c", (long long)l->pack[0], i);
    if (l->pack[1] > 1) str_printf(out, "%lld%c", (long long)l->pack[1], o);
    if (i && l->pack[2] > 1) str_printf(out, "%lld%c", (long long)l->pack[2], i);
}

static void put_weights(struct str *out, const struct layer *l)
{
    const char *word = l->winput ? "input" : "weight", *type = dtype_info[l->wtype].name;
    long long kh = l->kh, kw = l->kw, g = l->groups, c = l->c / l->groups, o = l->o / l->groups, mult = l->mult;
    bool rows = l->weights == WEIGHT_HWIO;
    if (is_dense(l)) {
        bool b = l->kind == LAYER_BATCHED;
        str_printf(out, "%s W[%sn:%lld, k:%lld] : %s", word, b ? arena_printf(out->arena, "b:%lld, ", (long long)l->batch) : "",
                   (long long)l->cols, (long long)l->k, type);
        put_range(out, l->wrange, l->wtype);
        if (rows || l->weights == WEIGHT_PACKED) str_printf(out, " layout %s%s", b ? "B" : "", rows ? "KN" : "NK");
        put_blocks(out, l, 'k', 'n');
    } else if (l->kind == LAYER_DEPTHWISE) {
        str_printf(out, "%s W[h:%lld, w:%lld, c:%lld%s] : %s", word, kh, kw, (long long)l->c,
                   mult > 1 ? arena_printf(out->arena, ", m:%lld", mult) : "", type);
        put_range(out, l->wrange, l->wtype);
        if (!rows) str_printf(out, " layout C%sHW", mult > 1 ? "M" : "");
        put_blocks(out, l, 0, mult > 1 ? 'm' : 'c');
    } else {
        str_printf(out, "%s W[%so:%lld, h:%lld, w:%lld, i:%lld] : %s", word, g > 1 ? arena_printf(out->arena, "g:%lld, ", g) : "",
                   o, kh, kw, c, type);
        put_range(out, l->wrange, l->wtype);
        if (rows) str_printf(out, " layout HWI%sO", g > 1 ? "G" : "");
        else if (l->weights != WEIGHT_OHWI) str_printf(out, " layout %sOIHW", g > 1 ? "G" : "");
        put_blocks(out, l, 'i', 'o');
    }
    str_putc(out, '\n');
}

/* A constant for each channel of the output, or for all. */
static void put_constant(struct str *out, const struct layer *l, const char *word, const char *name, const char *type, bool each)
{
    long long g = l->groups, o = l->o / l->groups;
    str_printf(out, "%s %s[", word, name);
    if (each && is_dense(l)) str_printf(out, "n:%lld", (long long)l->cols);
    else if (each && l->kind == LAYER_DEPTHWISE && l->mult > 1) str_printf(out, "c:%lld, m:%lld", (long long)l->c, (long long)l->mult);
    else if (each && l->kind == LAYER_DEPTHWISE) str_printf(out, "c:%lld", (long long)l->c);
    else if (each && g > 1) str_printf(out, "g:%lld, o:%lld", g, o);
    else if (each) str_printf(out, "o:%lld", o);
    str_printf(out, "] : %s\n", type);
}

/* What rescales: `name` as for requantized. */
static void put_scales(struct str *out, const struct layer *l, const char *name, bool each)
{
    char one[2] = {name[0], 0}, mult[2] = {name[1], 0}, shift[2] = {name[2], 0};
    bool real = l->otype == DT_F32 || l->round == ROUND_HALF_EVEN, power = !real && l->round == ROUND_SHIFT;
    if (real) put_constant(out, l, "scale", one, "f32", each);
    if (!real && !power) put_constant(out, l, "scale", mult, "i32 in 0..2147483647", each);
    if (!real) put_constant(out, l, "scale", shift, power ? "i32 in 0..31" : "i32 in -31..30", each);
}

static void put_arguments(struct str *out, const struct layer *l)
{
    put_activations(out, l);
    put_weights(out, l);
    if (l->bias != BIAS_NONE) put_constant(out, l, "bias", "B", "i32", true);
    if (l->otype != DT_I32) put_scales(out, l, "MQT", l->scale == SCALE_CHANNEL);
    if (!l->add) return;
    str_printf(out, "input R[%s] : %s", out_axes(out->arena, l, true), dtype_info[l->addtype].name);
    const char *layout = out_layout(out->arena, l);
    str_printf(out, "%s%s\n", layout ? " layout " : "", layout ? layout : "");
    put_scales(out, l, "NUV", false);
}

/* ---- the sum ---- */

static const char *less(struct arena *a, const char *what, int64_t zero)
{
    if (!zero) return what;
    return zero > 0 ? arena_printf(a, "%s - %lld", what, (long long)zero) : arena_printf(a, "%s + %lld", what, (long long)-zero);
}

/* " - 3 * S[o]" */
static const char *minus(struct arena *a, int64_t times, const char *name, const char *index)
{
    return arena_printf(a, " %c %lld * %s[%s]", times > 0 ? '-' : '+', (long long)(times > 0 ? times : -times), name, index);
}

/* What is added to the sums for the sake of zero points: of a stage by channel, and one by pixel. NULL: nothing. */
struct surplus { const char *channel, *pixel; };

/* x, padded; the name of the stage. */
static const char *put_padded(struct str *out, const struct layer *l)
{
    if (is_dense(l) || !(l->pt | l->pb | l->pl | l->pr)) return "A";
    str_put(out, "P = pad(A");
    if (l->pt | l->pb) str_printf(out, ", h: %lld %lld", (long long)l->pt, (long long)l->pb);
    if (l->pl | l->pr) str_printf(out, ", w: %lld %lld", (long long)l->pl, (long long)l->pr);
    str_printf(out, ", value: %lld)\n", (long long)l->xzero);
    return "P";
}

static const char *axes_of_x(const struct layer *l)
{
    if (is_dense(l)) return l->kind == LAYER_BATCHED ? "b, m, k" : "m, k";
    return l->kind == LAYER_CONV2D && l->groups > 1 ? "n, h, w, g, c" : "n, h, w, c";
}

static const char *axes_of_w(const struct layer *l)
{
    if (is_dense(l)) return l->kind == LAYER_BATCHED ? "b, n, k" : "n, k";
    if (l->kind == LAYER_DEPTHWISE) return l->mult > 1 ? "h, w, c, m" : "h, w, c";
    return l->groups > 1 ? "g, o, h, w, i" : "o, h, w, i";
}

/* 8 bits that hold the weights less their zero point. */
static bool moved_type(const struct layer *l, enum dtype *dt)
{
    struct range r = {wrange(l).lo - l->wzero, wrange(l).hi - l->wzero};
    *dt = within(r, DT_I8) ? DT_I8 : DT_U8;
    return within(r, *dt);
}

static void put_sum(struct str *out, const struct layer *l, const struct names *v, struct surplus *more)
{
    struct arena *a = out->arena;
    const char *x = put_padded(out, l), *w = "W";
    const char *weighted = l->kind == LAYER_BATCHED ? "b, n" : v->out;
    enum dtype dt;
    int64_t xzero = l->xzero, wzero = l->wzero;
    *more = (struct surplus){0};
    if (wzero && moved_type(l, &dt)) {
        str_printf(out, "Y[%s] : %s = %s(%s)\n", axes_of_w(l), dtype_info[dt].name, dtype_info[dt].name,
                   less(a, arena_printf(a, "i16(W[%s])", axes_of_w(l)), wzero));
        w = "Y";
        wzero = 0;
    } else if (wzero && l->form == ZERO_DIFFERENCES) {
        str_printf(out, "X[%s] : i16 = %s\n", axes_of_x(l), less(a, arena_printf(a, "i16(%s[%s])", x, axes_of_x(l)), xzero));
        str_printf(out, "Y[%s] : i16 = %s\n", axes_of_w(l), less(a, arena_printf(a, "i16(W[%s])", axes_of_w(l)), wzero));
        x = "X";
        w = "Y";
        xzero = wzero = 0;
    }
    str_printf(out, "Acc[%s] : i32 = sum(%s) i32(%s[%s]) * i32(%s[%s])\n",
               arena_printf(a, "%s, %s", is_dense(l) ? v->pixel
                            : arena_printf(a, "n, y:%lld, x:%lld", (long long)layer_oh(l), (long long)layer_ow(l)), v->out),
               v->sum, x, v->xread, w, v->weight);
    if (xzero) { /* sum((x - zx) * (w - zw)) = sum(x * (w - zw)) - zx * sum(w - zw) */
        str_printf(out, "S[%s] : i32 = sum(%s) %s\n", weighted, v->sum, less(a, arena_printf(a, "i32(%s[%s])", w, v->weight), wzero));
        more->channel = minus(a, xzero, "S", weighted);
    }
    if (wzero) {
        /* what x alone is read by does not tell the window's extent: with a stride more would fit */
        const char *sum = is_dense(l) ? v->sum : arena_printf(a, "r:%lld, s:%lld%s", (long long)l->kh, (long long)l->kw, v->sum + 4);
        const char *by = is_dense(l) ? v->pixel : l->kind == LAYER_DEPTHWISE ? "n, y, x, c" : l->groups > 1 ? "n, y, x, g" : "n, y, x";
        const char *with = is_dense(l) ? by : arena_printf(a, "n, y:%lld, x:%lld%s", (long long)layer_oh(l), (long long)layer_ow(l), by + 7);
        str_printf(out, "Z[%s] : i32 = sum(%s) i32(%s[%s])\n", with, sum, x, v->xread);
        more->pixel = minus(a, wzero, "Z", by);
    }
}

/* ---- the epilogue ---- */

/* " lo: 0, hi: 6", for requantize. */
static const char *bounds(struct arena *a, const struct layer *l)
{
    struct range r = clamp_of(l);
    return clamped(l) ? arena_printf(a, ", lo: %lld, hi: %lld", (long long)r.lo, (long long)r.hi) : "";
}

/* `name`: what scale, multiplier and shift are called. */
static const char *requantized(struct arena *a, const struct layer *l, const char *name, const char *acc, const char *index,
                               int64_t zero, const char *limits)
{
    const char *by = l->round == ROUND_HALF_EVEN ? arena_printf(a, "scale: %c[%s]", name[0], index)
                     : l->round == ROUND_SHIFT   ? arena_printf(a, "shift: %c[%s]", name[2], index)
                                                 : arena_printf(a, "mult: %c[%s], shift: %c[%s]", name[1], index, name[2], index);
    return arena_printf(a, "requantize(%s, %s, zero: %lld%s, round: %s)", acc, by, (long long)zero, limits, round_name[l->round]);
}

static void put_output(struct str *out, const struct layer *l, const struct names *v, const struct surplus *more)
{
    struct arena *a = out->arena;
    const char *axes = out_axes(a, l, false), *acc = is_dense(l) ? arena_printf(a, "Acc[%s, n]", v->pixel)
                                                                 : arena_printf(a, "Acc[n, y, x, %s]", v->out);
    const char *scale = l->scale == SCALE_CHANNEL ? v->out : "";
    struct range r = clamp_of(l);
    if (more->channel && l->bias != BIAS_NONE && !l->winput && l->kind != LAYER_BATCHED) { /* a constant by channel, ahead */
        str_printf(out, "C[%s] : i32 = B[%s]%s\n", v->out, v->out, more->channel);
        acc = arena_printf(a, "%s + C[%s]", acc, v->out);
    } else {
        if (l->bias != BIAS_NONE) acc = arena_printf(a, "%s + B[%s]", acc, v->out);
        if (more->channel) acc = arena_printf(a, "%s%s", acc, more->channel);
    }
    if (more->pixel) acc = arena_printf(a, "%s%s", acc, more->pixel);
    const char *type = dtype_info[l->otype].name;
    if (l->otype == DT_I32) {
        if (clamped(l)) acc = arena_printf(a, "clamp(%s, %lld, %lld)", acc, (long long)r.lo, (long long)r.hi);
        str_printf(out, "Out[%s] : i32 = %s\n", axes, acc);
    } else if (l->otype == DT_F32) {
        acc = arena_printf(a, "f32(%s) * M[%s]", acc, scale);
        if (clamped(l)) acc = arena_printf(a, "clamp(%s, %lld.0, %lld.0)", acc, (long long)r.lo, (long long)r.hi);
        str_printf(out, "Out[%s] : f32 = %s\n", axes, acc);
    } else if (!l->add) {
        str_printf(out, "Out[%s] : %s = %s\n", axes, type, requantized(a, l, "MQT", acc, scale, l->zero, bounds(a, l)));
    } else { /* both bounded far outside 8 bits, so that their sum cannot wrap */
        const char *far = ", lo: -1048576, hi: 1048576", *other = less(a, arena_printf(a, "i32(R[%s])", axes), l->addzero);
        str_printf(out, "E[%s] : i32 = %s + %s\n", axes, requantized(a, l, "MQT", acc, scale, l->zero, far),
                   requantized(a, l, "NUV", other, "", 0, far));
        str_printf(out, "Out[%s] : %s = %s(clamp(E[%s], %lld, %lld))\n", axes, type, type, axes, (long long)r.lo, (long long)r.hi);
    }
}

bool layer_text(struct str *out, const struct layer *l, const char **why)
{
    if (!possible(l, why)) return false;
    struct names v = names_of(out->arena, l);
    struct surplus more;
    put_arguments(out, l);
    put_sum(out, l, &v, &more);
    put_output(out, l, &v, &more);
    return true;
}

void layer_steps(struct str *out, const struct layer *l)
{
    const char *layout = out_layout(out->arena, l);
    if (layout) str_printf(out, "transform_layout Out %s\n", layout);
}
