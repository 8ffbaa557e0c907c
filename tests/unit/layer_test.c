/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer's program computes, against plain loops written from the layer's description alone: windows, strides,
 * dilation, padding, groups, zero points in every form, layouts, bias; then requantisation with clamp. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"
#include "ir/parse.h"
#include "ir/quant.h"
#include "schedule/templates/layer.h"
#include "tests/support/harness.h"

/* A point by the names of dimensions, all of one letter. */
struct point { int64_t at[128]; };

static int64_t offset_of(const struct tensor *t, const struct point *p)
{
    int64_t off = 0;
    for (int d = 0; d < t->ndim; d++) off = off * t->shape[d] + p->at[(int)t->dim_name[d][0]];
    return off;
}

struct data { const struct tensor *t; void *at; };
struct run {
    const struct layer *l;
    struct data x, w, b, m, q, shift, out;
};

static int64_t elems(const struct tensor *t)
{
    int64_t n = 1;
    for (int d = 0; d < t->ndim; d++) n *= t->shape[d];
    return n;
}

static int64_t load(const struct data *d, const struct point *p) { return value_load(d->t->dt, d->at, offset_of(d->t, p)).i; }

static bool dense(const struct layer *l) { return l->kind == LAYER_DENSE || l->kind == LAYER_BATCHED; }

/* sum (x - zx) * (w - zw) at an output point; what lies on the padding counts for nothing. */
static int64_t sum_at(const struct run *r, const struct point *o)
{
    const struct layer *l = r->l;
    int64_t sum = 0;
    struct point x = *o, w = *o;
    if (dense(l)) {
        for (int64_t k = 0; k < l->k; k++) {
            x.at['k'] = w.at['k'] = k;
            sum += (load(&r->x, &x) - l->xzero) * (load(&r->w, &w) - l->wzero);
        }
        return sum;
    }
    int64_t channels = l->kind == LAYER_DEPTHWISE ? 1 : l->c / l->groups;
    for (int64_t i = 0; i < l->kh; i++)
        for (int64_t j = 0; j < l->kw; j++)
            for (int64_t c = 0; c < channels; c++) {
                x.at['h'] = o->at['y'] * l->sh + i * l->dh - l->pt;
                x.at['w'] = o->at['x'] * l->sw + j * l->dw - l->pl;
                w.at['h'] = i;
                w.at['w'] = j;
                w.at['i'] = c;
                if (l->kind == LAYER_CONV2D) x.at['c'] = c;
                if (x.at['h'] < 0 || x.at['h'] >= l->h || x.at['w'] < 0 || x.at['w'] >= l->w) continue;
                sum += (load(&r->x, &x) - l->xzero) * (load(&r->w, &w) - l->wzero);
            }
    return sum;
}

static int64_t expected(const struct run *r, const struct point *o)
{
    const struct layer *l = r->l;
    int32_t acc = (int32_t)(uint32_t)(sum_at(r, o) + (r->b.t ? load(&r->b, o) : 0));
    if (l->otype == DT_I32) return acc;
    struct range type = dtype_range(l->otype);
    int32_t lo = (int32_t)i64_max(l->lo, type.lo), hi = (int32_t)i64_min(l->hi, type.hi);
    struct point none = {{0}}, *p = l->scale == SCALE_CHANNEL ? (struct point *)(uintptr_t)o : &none;
    switch (l->round) {
    case ROUND_HALF_EVEN:
        return quant_half_even(acc, value_load(DT_F32, r->m.at, offset_of(r->m.t, p)).f, (int32_t)l->zero, lo, hi);
    case ROUND_TFLITE_DOUBLE:
        return quant_tflite_double(acc, (int32_t)load(&r->q, p), (int)load(&r->shift, p), (int32_t)l->zero, lo, hi);
    case ROUND_TFLITE_SINGLE:
        return quant_tflite_single(acc, (int32_t)load(&r->q, p), (int)load(&r->shift, p), (int32_t)l->zero, lo, hi);
    case ROUND_SHIFT: return quant_shift(acc, (int)load(&r->shift, p), (int32_t)l->zero, lo, hi);
    case ROUND_COUNT: break;
    }
    return 0;
}

static void fill(struct rng *r, const struct tensor *t, void *data)
{
    for (int64_t i = 0; i < elems(t); i++) {
        union value v = {.i = rng_int(r, 0, 3) ? rng_int(r, t->range.lo, t->range.hi) : rng_int(r, 0, 1) ? t->range.lo : t->range.hi};
        if (t->dt == DT_F32) v.f = (float)rng_int(r, 1, 999) / 65536;
        else if (!strcmp(t->name, "B")) v.i = rng_int(r, -9999, 9999);
        else if (!strcmp(t->name, "Q")) v.i = rng_int(r, 1 << 30, INT32_MAX);
        else if (!strcmp(t->name, "T")) v.i = rng_int(r, 0, 9);
        value_store(t->dt, data, i, v);
    }
}

static void check(struct rng *rng, const struct layer *l)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct str text = str_on(&c.arena);
    const char *why = "";
    if (!layer_text(&text, l, &why)) fail_msg("%s", why);
    const struct program *p = parse_program(&c, str_text(&text));
    if (!p) {
        show_error(&c);
        fail_msg("%s", str_text(&text));
    }
    struct eval *ev = eval_new(&c, p);
    struct run r = {.l = l};
    struct { const char *name; struct data *to; } known[] = {
        {"A", &r.x}, {"W", &r.w}, {"B", &r.b}, {"M", &r.m}, {"Q", &r.q}, {"T", &r.shift}, {"Out", &r.out}};
    for (int i = 0; i < p->ntensor; i++) {
        const struct tensor *t = p->tensor[i];
        struct data d = {t, ARENA_ARRAY(&c.arena, char, (size_t)elems(t) * (size_t)dt_bytes(t->dt))};
        if (t->kind != TENSOR_COMPUTE) {
            fill(rng, t, d.at);
            eval_bind(ev, t, d.at);
        }
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            if (!strcmp(known[k].name, t->name)) *known[k].to = d;
    }
    assert_non_null(r.out.t);
    assert_true(eval_all(ev, r.out.t, r.out.at));
    struct point o = {{0}};
    int64_t idx[QJ_MAX_RANK] = {0};
    for (int64_t i = 0; i < elems(r.out.t); i++) {
        for (int d = 0; d < r.out.t->ndim; d++) o.at[(int)r.out.t->dim_name[d][0]] = idx[d];
        int64_t got = load(&r.out, &o), want = expected(&r, &o);
        if (got != want) fail_msg("element %d is %d, not %d:\n%s", (int)i, (int)got, (int)want, str_text(&text));
        for (int d = r.out.t->ndim; d-- > 0 && ++idx[d] == r.out.t->shape[d];) idx[d] = 0;
    }
    eval_free(ev);
    ir_ctx_release(&c);
}

/* ---- layers ---- */

static int64_t pick(struct rng *r, int n, const int64_t *of) { return of[rng_int(r, 0, n - 1)]; }
#define PICK(...) pick(r, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static struct layer draw(struct rng *r)
{
    struct layer l = layer_default((enum layer_kind)rng_int(r, 0, LAYER_KINDS - 1));
    l.n = rng_int(r, 1, 2);
    l.h = rng_int(r, 1, 6);
    l.w = rng_int(r, 1, 6);
    l.kh = rng_int(r, 1, 3);
    l.kw = rng_int(r, 1, 3);
    l.sh = rng_int(r, 1, 3);
    l.sw = rng_int(r, 1, 3);
    l.dh = rng_int(r, 1, 2);
    l.dw = rng_int(r, 1, 2);
    l.pt = rng_int(r, 0, 2);
    l.pb = rng_int(r, 0, 2);
    l.pl = rng_int(r, 0, 2);
    l.pr = rng_int(r, 0, 2);
    while (layer_oh(&l) < 1) l.pt++;
    while (layer_ow(&l) < 1) l.pl++;
    l.groups = l.kind == LAYER_CONV2D ? rng_int(r, 1, 3) : 1;
    l.c = l.groups * rng_int(r, 1, 4);
    l.o = l.groups * rng_int(r, 1, 4);
    l.mult = rng_int(r, 1, 3);
    l.m = rng_int(r, 1, 4);
    l.cols = rng_int(r, 1, 5);
    l.k = rng_int(r, 1, 9);
    l.batch = rng_int(r, 1, 3);
    l.xtype = (enum dtype)PICK(DT_U8, DT_I8);
    l.wtype = (enum dtype)PICK(DT_U8, DT_I8);
    l.xzero = PICK(0, dtype_range(l.xtype).lo, dtype_range(l.xtype).hi, 3);
    l.wzero = PICK(0, 0, dtype_range(l.wtype).hi, 7, l.wtype == DT_U8 ? 128 : -5);
    l.form = (enum layer_zero)rng_int(r, 0, 1);
    l.in = (enum data_layout)PICK(DATA_NHWC, DATA_NCHW, DATA_NCHWC);
    l.out = (enum data_layout)PICK(DATA_NHWC, DATA_NCHW, DATA_NCHWC);
    l.inblock = l.outblock = 4;
    l.weights = (enum weight_layout)PICK(WEIGHT_OHWI, WEIGHT_OIHW, WEIGHT_HWIO, WEIGHT_PACKED);
    l.pack[0] = 1;
    l.pack[1] = 4;
    l.pack[2] = 2;
    l.bias = (enum layer_bias)PICK(BIAS_NONE, BIAS_CHANNEL);
    l.winput = rng_int(r, 0, 5) == 0;
    l.otype = DT_I32;
    return l;
}

static void random_layers(int n, bool requantised, uint64_t seed)
{
    struct rng rng = {seed}, *r = &rng;
    for (int done = 0; done < n;) {
        struct layer l = draw(r);
        if (requantised) {
            l.otype = (enum dtype)PICK(DT_U8, DT_I8);
            l.round = (enum round_mode)PICK(ROUND_HALF_EVEN, ROUND_TFLITE_DOUBLE, ROUND_TFLITE_SINGLE, ROUND_SHIFT);
            l.scale = (enum layer_scale)PICK(SCALE_CHANNEL, SCALE_TENSOR);
            l.zero = PICK(0, 5, 100);
            l.lo = PICK(l.lo, l.zero);
            l.hi = PICK(l.hi, l.zero + 17);
        }
        struct arena none;
        arena_init(&none, NULL);
        struct str text = str_on(&none);
        const char *why;
        bool possible = layer_text(&text, &l, &why);
        arena_release(&none);
        if (!possible) continue;
        check(r, &l);
        done++;
    }
}

static void test_sums(void **state)
{
    (void)state;
    random_layers(400, false, 1);
}

static void test_requantised(void **state)
{
    (void)state;
    random_layers(200, true, 2);
}

/* With slack under a stride more taps would fit into the input than the kernel has. */
static void test_window_of_row_sums(void **state)
{
    (void)state;
    struct rng r = {3};
    struct layer l = layer_default(LAYER_CONV2D);
    l.h = 4;
    l.w = 9;
    l.c = l.o = 2;
    l.kh = l.kw = 1;
    l.sh = l.sw = 3;
    l.wzero = 3;
    l.form = ZERO_TERMS;
    l.otype = DT_I32;
    check(&r, &l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_requantised),
        cmocka_unit_test(test_window_of_row_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
