/* SPDX-License-Identifier: Apache-2.0 */
/* Random int8 layers under `template`, with and without knobs, on every target that runs here: a schedule is always
 * found, and its machine code gives the oracle's bits between inaccessible pages, for any number of threads. QJ_N cases
 * from QJ_SEED on; a failure prints program, target and steps. QJ_VERBOSE prints each case. */
#include "ir/print.h"
#include "runtime/rt/qjrt.h"
#include "schedule/templates/layer.h"
#include "tests/support/jitrun.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

static struct layer draw_layer(struct rng *r)
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

static void fill(void *u, struct rng *r, const struct tensor *t, void *data)
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

/* ---- a case ---- */

static const char *const targets[] = {"generic", "x86-64-v2", "x86-64-v3", "x86-64-v3", "x86-64-v4", "x86-64-v4,+avx512vnni",
                                      "alderlake", "native"};

static const struct target *draw_target(struct ir_ctx *c, struct rng *r)
{
    for (;;) {
        const char *name = targets[N(0, ARRAY_LEN(targets) - 1)];
        const struct target *t = target_parse(c, name, strlen(name), (struct span){0});
        if (!t || target_runs_here(t)) return t;
    }
}

static const char *draw_template(struct arena *a, struct rng *r, const struct target *t)
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

struct tally { long cases, fast, refused, kind[LAYER_KINDS], kind_fast[LAYER_KINDS]; };

static bool one_case(uint64_t seed, struct jit **j, struct tally *tally)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng rs = {seed * 0x9e3779b97f4a7c15u}, *r = &rs;
    struct layer layer = draw_layer(r);
    const struct target *t = draw_target(&c, r);
    const char *why, *how = t ? draw_template(&c.arena, r, t) : "";
    int threads = (int)N(1, 4);
    qjrt_set_threads(threads);
    struct str text = str_on(&c.arena), steps = str_on(&c.arena);
    layer_text(&text, &layer, &why);
    layer_steps(&steps, &layer);
    if (getenv("QJ_VERBOSE")) fprintf(stderr, "seed %llu target %s threads %d\n%s%s%s\n", (unsigned long long)seed,
                                      t ? t->name : "?", threads, str_text(&text), str_text(&steps), how);
    const struct program *p = t ? parse_program(&c, str_text(&text)) : NULL;
    struct sched *s = p ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init_by(&c, &o, p, seed, fill, &layer), skip = false;
    ok = ok && sch_text_steps(s, str_text(&steps));
    if (ok && !sch_text_steps(s, how)) { /* knobs may ask for what there is not */
        skip = strchr(how, '=') && c.err.first.code == ERR_TEMPLATE;
        ok = false;
    }
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    if (!l && !skip) show_error(&c);
    if (l) ok = jit_check(&c, j, l, &o, false);
    bool fast = l && strstr(sch_text(&c.arena, s), "tensorize");
    tally->refused += skip;
    tally->fast += fast;
    tally->cases++;
    tally->kind[layer.kind]++;
    tally->kind_fast[layer.kind] += fast;
    if (!ok && !skip)
        fprintf(stderr, "target %s\n%s%s\n%s\n# threads %d\n", t ? t->name : "?", str_text(&text), how, s ? sch_text(&c.arena, s) : "",
                threads);
    if (o.data) oracle_free(&o);
    ir_ctx_release(&c);
    return ok || skip;
}

int main(void)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 400);
    struct tally tally = {0};
    struct jit *j = NULL;
    printf("template: seed %llu, %llu layers\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &j, &tally)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    jit_unref(j);
    printf("%ld with an instruction, %ld refused with knobs\n", tally.fast, tally.refused);
    for (int k = 0; k < LAYER_KINDS; k++) printf("%s: %ld of %ld with an instruction\n", layer_kind_name[k], tally.kind_fast[k], tally.kind[k]);
    return n < 100 || tally.fast > 0 ? 0 : 1;
}
