/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/progen.h"

#include "ir/eval.h"
#include "schedule/state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- programs ---- */

static const char *pick(struct rng *r, const char *const *of, int n) { return of[rng_int(r, 0, n - 1)]; }
#define PICK(r, ...) pick(r, (const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))
#define N(lo, hi) ((int)rng_int(r, lo, hi))

static const char *int8(struct rng *r) { return PICK(r, "u8", "i8", "u8 in 0..127", "i8 in -64..63", "i8 in -127..127"); }

static void requantise(struct rng *r, struct str *s, const char *acc, const char *axis, int n)
{
    const char *to = PICK(r, "u8", "i8", "i16");
    switch (N(0, 3)) {
    case 0:
        str_printf(s, "scale M[o:%d] : f32\nbias B[o:%d] : i32 in -100000..100000\n", n, n);
        str_printf(s, "Out[%s] : %s = requantize(%s[%s] + B[o], scale: M[o], zero: %d, round: half_even)\n", axis, to, acc, axis, N(0, 20));
        break;
    case 1:
        str_printf(s, "weight Q[o:%d] : i32 in 0..2147483647\nweight S[o:%d] : i32 in -8..3\n", n, n);
        str_printf(s, "Out[%s] : %s = requantize(%s[%s], mult: Q[o], shift: S[o], zero: %d, round: %s)\n", axis, to, acc, axis, N(-20, 20),
                   PICK(r, "tflite_double", "tflite_single"));
        break;
    case 2:
        str_printf(s, "Out[%s] : %s = requantize(%s[%s], shift: %d, zero: %d, round: shift)\n", axis, to, acc, axis, N(0, 12), N(-5, 5));
        break;
    default:
        str_printf(s, "Out[%s] : i32 = max(%s[%s] - 1000, 0)\n", axis, acc, axis);
    }
}

static void gen_conv(struct rng *r, struct str *s)
{
    int h = N(4, 9), w = N(4, 9), c = N(1, 9), o = N(1, 18), k = N(1, 3), st = N(1, 2), dil = N(1, 2), pad = N(0, 2);
    if (N(0, 2) == 0) k = 3, st = dil = 1;
    while ((k - 1) * dil + 1 > h + 2 * pad || (k - 1) * dil + 1 > w + 2 * pad) dil = 1, k--;
    str_printf(s, "input A[n:1, h:%d, w:%d, c:%d] : %s\n", h, w, c, int8(r));
    str_printf(s, "weight W[o:%d, r:%d, s:%d, c:%d] : %s\n", o, k, k, c, PICK(r, "i8", "i8 in -64..63", "i8 in -127..127"));
    if (pad) str_printf(s, "P = pad(A, h: %d %d, w: %d %d, value: %d)\n", pad, N(0, pad), N(0, pad), pad, N(0, 9));
    str_printf(s, "Acc[n, y, x, o] : i32 = sum(r, s, c) i32(%s[n, y*%d + r*%d, x*%d + s*%d, c]) * i32(W[o, r, s, c])\n",
               pad ? "P" : "A", st, dil, st, dil);
    requantise(r, s, "Acc", "n, y, x, o", o);
}

static void gen_dense(struct rng *r, struct str *s)
{
    int m = N(1, 14), n = N(1, 34), k = N(1, 40);
    str_printf(s, "input A[m:%d, k:%d] : %s\nweight W[o:%d, k:%d] : %s\n", m, k, int8(r), n, k, PICK(r, "i8", "i8 in -64..63"));
    if (N(0, 1)) {
        str_printf(s, "Acc[m, o] : i32 = sum(k) i32(A[m, k]) * i32(W[o, k])\n");
        requantise(r, s, "Acc", "m, o", n);
    } else {
        str_printf(s, "Out[m, o] : i32 = sum(k) i32(A[m, k]) * i32(W[o, k])\n");
    }
}

static void gen_depthwise(struct rng *r, struct str *s)
{
    int h = N(3, 8), w = N(3, 8), c = N(1, 20);
    str_printf(s, "input A[h:%d, w:%d, c:%d] : %s\nweight W[r:3, s:3, o:%d] : i8\n", h, w, c, int8(r), c);
    str_printf(s, "P = pad(A, h: 1 1, w: 1 1)\nAcc[y, x, o] : i32 = sum(r, s) i32(P[y + r, x + s, o]) * i32(W[r, s, o])\n");
    requantise(r, s, "Acc", "y, x, o", c);
}

static void gen_chain(struct rng *r, struct str *s)
{
    const char *t = PICK(r, "i16", "i32", "u8", "i8", "u16"), *last = "A";
    int h = N(5, 20), w = N(5, 20), d = N(1, 2);
    str_printf(s, "input A[i:%d, j:%d] : %s\n", h, w, t);
    if (N(0, 1)) {
        str_printf(s, "B[i:%d, j] = A[i, j] + A[i + 1, j] * 3\n", --h);
        last = "B";
    }
    w -= d;
    str_printf(s, "D[i, j:%d] = %s(%s[i, j], %s[i, j + %d])\n", w, PICK(r, "max", "min"), last, last, d);
    if (N(0, 1)) {
        str_printf(s, "E[i, j] = select(D[i, j] < 7, D[i, j] >> 1, D[i, j] / 3 + D[i, j] %% 5)\n");
    } else {
        str_printf(s, "E[i:%d, j] = D[i * 2, j] - D[i * 2 + 1, j]\n", h / 2);
    }
    if (N(0, 2) == 0) str_printf(s, "F[i] = %s(j) E[i, j]\n", PICK(r, "sum", "max", "min"));
}

static void gen_pool(struct rng *r, struct str *s)
{
    const char *red = PICK(r, "max", "min", "sum");
    str_printf(s, "input A[h:%d, w:%d, c:%d] : %s\n", N(4, 12), N(4, 12), N(1, 9), PICK(r, "u8", "i8", "i32", "i16"));
    str_printf(s, "S[y, x, c] = %s(r:%d, s:%d) A[y*%d + r, x*%d + s, c]\n", red, N(1, 3), N(1, 3), N(1, 2), N(1, 2));
    str_printf(s, "T[y, x] = sum(c) S[y, x, c]\n");
}

static void gen_float(struct rng *r, struct str *s)
{
    int m = N(1, 9), n = N(1, 20), k = N(1, 20);
    str_printf(s, "input A[m:%d, k:%d] : f32\nweight W[k:%d, n:%d] : f32\n", m, k, k, n);
    str_printf(s, "Acc[m, n] : f32 = %s(k) A[m, k] * W[k, n]\n", PICK(r, "sum", "fmasum"));
    str_printf(s, "Out[m, n] : f32 = max(Acc[m, n], 0.0) * 0.5\n");
    if (N(0, 1)) str_printf(s, "Lo[m] : f32 = min(n) Out[m, n]\n");
}

static void gen_transpose(struct rng *r, struct str *s)
{
    int h = N(2, 9), w = N(2, 9), c = N(1, 20);
    str_printf(s, "input A[n:1, h:%d, w:%d, c:%d] : u8%s\n", h, w, c, N(0, 1) ? " layout NCHW4c" : "");
    str_printf(s, "T[n, c, h, w] = A[n, h, w, c]\nU[n, c, h, w] : i32 = i32(T[n, c, h, w]) * 3 - 7\n");
    str_printf(s, "V[n, c] : i32 = sum(h, w) U[n, c, h, w]\n");
}

const char *gen_program(struct arena *a, struct rng *r)
{
    static void (*const gen[])(struct rng *, struct str *) = {gen_conv, gen_conv, gen_dense, gen_dense, gen_depthwise,
                                                              gen_chain, gen_pool, gen_float, gen_transpose};
    struct str s = str_on(a);
    gen[rng_int(r, 0, (int)ARRAY_LEN(gen) - 1)](r, &s);
    return str_text(&s);
}

/* ---- steps ---- */

static const char *stage(struct rng *r, const struct sched *s, int *i)
{
    *i = N(0, sch_nstages(s) - 1);
    return sch_stage_name(s, *i);
}

static const char *axis(struct rng *r, const struct sched *s, int g)
{
    int n = sch_naxes(s, g);
    return n ? sch_axis_name(s, g, N(0, n - 1)) : "none";
}

static const char *any_tensor(struct rng *r, const struct sched *s)
{
    const struct program *p = sch_program(s);
    return p->tensor[N(0, p->ntensor - 1)]->name;
}

/* A layout over all single-letter axes of a tensor, blocks included. */
static const char *layout_of(struct arena *a, struct rng *r, const struct tensor *t)
{
    struct str s = str_on(a), blocks = str_on(a);
    int order[QJ_MAX_RANK];
    for (int i = 0; i < t->ndim; i++) order[i] = i;
    for (int i = t->ndim - 1; i > 0; i--) {
        int k = N(0, i), x = order[i];
        order[i] = order[k];
        order[k] = x;
    }
    for (int i = 0; i < t->ndim; i++) {
        char c = t->dim_name[order[i]][0];
        str_printf(&s, "%c", c - 32);
        if (N(0, 2) == 0) str_printf(&blocks, "%d%c", N(2, 8), c);
    }
    str_put(&s, str_text(&blocks));
    return str_text(&s);
}

static const char *gen_winograd(struct arena *a, struct rng *r)
{
    return arena_printf(a, "winograd Acc.y x tile=%d%s", 2 * N(1, 2), N(0, 2) ? "" : " parts=2");
}

static const char *gen_cap(struct arena *a, struct rng *r)
{
    return arena_printf(a, "cap %s.%s %d o %d most=%d", PICK(r, "Acc", "Out"), PICK(r, "k", "c"), N(1, 2), N(1, 4), 50 * N(0, 2));
}

static const char *gen_gaps(struct arena *a, struct rng *r, const struct sched *s, int gi)
{
    const struct tensor *t = s->state->stage[gi]->tensor;
    int factor = N(1, 40);
    return arena_printf(a, "storage_align %s.%s %d %d", t->name, t->ndim ? t->dim_name[N(0, t->ndim - 1)] : "x", factor, N(0, factor - 1));
}

static const char *gen_structural(struct arena *a, struct rng *r, const struct sched *s, const char *g, int gi)
{
    int other;
    const char *consumer = stage(r, s, &other), *scope = PICK(r, "global", "local", "shared");
    const struct program *p = sch_program(s);
    switch (N(0, 19)) {
    case 18: return arena_printf(a, "double_buffer %s %d", g, N(1, 4));
    case 17: return gen_gaps(a, r, s, gi);
    case 0: return arena_printf(a, "compute_inline %s", g);
    case 1: case 2: case 3: return arena_printf(a, "compute_at %s %s.%s", g, consumer, axis(r, s, other));
    case 4: return arena_printf(a, "compute_root %s", g);
    case 5: return arena_printf(a, "cache_read %s %s%s", N(0, 1) ? any_tensor(r, s) : g, scope, N(0, 2) ? "" : " as=i16");
    case 6: return arena_printf(a, "cache_write %s %s", g, scope);
    case 7: return arena_printf(a, "set_scope %s %s", g, scope);
    case 8: return arena_printf(a, "pad %s.%s %d", g, axis(r, s, gi), N(2, 8));
    case 9: return arena_printf(a, "rfactor %s.%s", g, axis(r, s, gi));
    case 10: return gen_winograd(a, r);
    case 11: return arena_printf(a, "merge %s.%s %s", g, axis(r, s, gi), axis(r, s, gi));
    case 12:
        return arena_printf(a, "offset %s %s %d%s", any_tensor(r, s), g, (int)(N(0, 1) ? 128 : N(0, 1) ? -128 : N(-300, 300)),
                            PICK(r, "", " as=u8", " as=i8", " as=i16"));
    case 14: return gen_cap(a, r);
    case 13: return arena_printf(a, "slide %s.%s %s %d", g, axis(r, s, gi), axis(r, s, gi), N(1, 4));
    case 15: return arena_printf(a, "reindex %s %s%s", N(0, 1) ? any_tensor(r, s) : stage(r, s, &other), g, N(0, 1) ? "" : " as=i16");
    default: {
        const struct tensor *t = p->tensor[N(0, p->ntensor - 1)];
        return arena_printf(a, "transform_layout %s %s", t->name, t->ndim ? layout_of(a, r, t) : "N");
    }
    }
}

/* split, split, reorder, tensorize: a chance that an instruction really fits. */
static const char *gen_tensorize(struct arena *a, struct rng *r, const struct sched *s, const char *g, int gi)
{
    const struct target *t = sch_target(s);
    if (!t->nintrin) return "tensorize";
    const struct intrin *in = &t->intrin[N(0, t->nintrin - 1)];
    int n = sch_naxes(s, gi);
    return arena_printf(a, "tensorize %s.%s %s%s", g, n > 1 ? sch_axis_name(s, gi, n - 2) : axis(r, s, gi), in->row->name,
                        PICK(r, "", "", " tail=peel", " tail=pad"));
}

const char *gen_step(struct arena *a, struct rng *r, const struct sched *s)
{
    int gi;
    const char *g = stage(r, s, &gi), *x = axis(r, s, gi), *y = axis(r, s, gi);
    const char *tail = PICK(r, "", "", " tail=peel", " tail=peel", " tail=guard", " tail=pad");
    switch (N(0, 15)) {
    case 0: case 1: case 2: return arena_printf(a, "split %s.%s %d%s", g, x, N(1, 16), tail);
    case 3: return arena_printf(a, "split %s.%s parts=%d", g, x, N(1, 5));
    case 4: return arena_printf(a, "fuse %s.%s %s", g, x, y);
    case 5: case 6: return arena_printf(a, "reorder %s %s %s", g, x, y);
    case 7: return arena_printf(a, "tile %s.%s %s %d %d", g, x, y, N(1, 5), N(1, 5));
    case 8: return arena_printf(a, "unroll %s.%s", g, x);
    case 9: return arena_printf(a, "vectorize %s.%s", g, x);
    case 10: return arena_printf(a, "parallel %s.%s", g, x);
    case 11: return N(0, 2) ? gen_structural(a, r, s, g, gi)
                            : arena_printf(a, "bind %s.%s %s", g, x, PICK(r, "blockIdx.x", "threadIdx.x", "vthread"));
    case 12: return N(0, 5) ? gen_tensorize(a, r, s, g, gi) : arena_printf(a, "annotate %s.%s note %d", g, x, N(0, 9));
    default: return gen_structural(a, r, s, g, gi);
    }
}

/* ---- plans ---- */

static const struct tensor *tensor_named(const struct sched *s, const char *name)
{
    const struct program *p = sch_program(s);
    for (int i = 0; i < p->ntensor; i++)
        if (!strcmp(p->tensor[i]->name, name)) return p->tensor[i];
    return NULL;
}

static bool wider(const struct tensor *t, enum dtype dt)
{
    return t->dt != dt && t->range.lo >= dtype_info[dt].lo && t->range.hi <= dtype_info[dt].hi && dt_bytes(dt) > 1;
}

const char *gen_plan(struct arena *a, struct rng *r, const struct sched *s)
{
    const struct tensor *x = tensor_named(s, "P"), *w = tensor_named(s, "W"), *acc = tensor_named(s, "Acc");
    const struct target *t = sch_target(s);
    if (!x) x = tensor_named(s, "A");
    if (!acc) acc = tensor_named(s, "Out");
    if (!x || !w || !acc || acc->dt != DT_I32 || !t->nintrin || acc->body->op != OP_REDUCE) return NULL;
    const char *k = acc->body->kid[acc->body->nkid - 1]->val.var->name;
    if (N(0, 3) == 0) /* windows of neighbours */
        return arena_printf(a, "cache_read %s %s%s -> X\nslide %s.%s %s %d\n", x->name, PICK(r, "global", "local"),
                            N(0, 1) ? "" : " as=i16", acc->name, PICK(r, "s", "s", "r"), PICK(r, "x", "x", "y"), N(1, 4));
    if (strcmp(k, "k") && strcmp(k, "c")) return NULL; /* depthwise: no channels to reduce */
    const struct intrin *in = NULL; /* one whose operand types these can be stored as */
    for (int tries = 0; tries < 40 && !in; tries++) {
        const struct intrin *i = &t->intrin[N(0, t->nintrin - 1)];
        const struct meaning *m = i->meaning;
        if (meaning_is_plain(m) && m->nop == 3 && m->nout == 1 && m->naxes == 2 && m->op[0]->dt == DT_I32 &&
            (m->op[1]->dt == x->dt || wider(x, m->op[1]->dt)) && (m->op[2]->dt == w->dt || wider(w, m->op[2]->dt)))
            in = i;
    }
    if (!in) return NULL;
    int lanes = (int)in->meaning->axis[0]->extent, group = (int)in->meaning->axis[1]->extent;
    const char *tail = PICK(r, "peel", "peel", "pad"), *ad = dtype_info[in->meaning->op[1]->dt].name;
    struct str p = str_on(a);
    str_printf(&p, "cache_read %s %s as=%s -> X\n", x->name, PICK(r, "global", "local"), ad);
    if (x->name[0] == 'P' && N(0, 1)) str_printf(&p, "compute_inline P\n");
    str_printf(&p, "cache_read W global as=%s -> Wp\n", dtype_info[in->meaning->op[2]->dt].name);
    str_printf(&p, "transform_layout Wp %s%d%c%d%c\n", w->ndim == 2 ? "OK" : "ORSC", lanes * N(1, 2), 'o', group, k[0]);
    bool out = !strcmp(acc->name, "Out");
    const char *g = acc->name;
    if (out) {
        str_printf(&p, "cache_write Out local -> T\n");
        g = "T";
    }
    if (N(0, 1)) str_printf(&p, "compute_at %s Out.%s\n", g, PICK(r, "o", "m", "y", "x", "n"));
    str_printf(&p, "split %s.o %d tail=%s -> o2 o1\nsplit %s.%s %d tail=%s -> k2 k1\n", g, lanes, tail, g, k, group, tail);
    str_printf(&p, "reorder %s %s %s o1 k1\n", g, N(0, 1) ? "o2" : "k2", N(0, 1) ? "k2" : "o2");
    str_printf(&p, "reorder %s o2 k2 o1 k1\ntensorize %s.o1 %s tail=%s\n", g, g, in->row->name, tail);
    return str_text(&p);
}

static bool take(struct sched *s, const char *step, long *taken, long *refused, long *tensorized)
{
    struct ir_ctx *c = s->c;
    long none = 0;
    if (sch_text_steps(s, step)) {
        ++*(taken ? taken : &none);
        *(tensorized ? tensorized : &none) += !strncmp(step, "tensorize", 9);
        return true;
    }
    ++*(refused ? refused : &none);
    if (getenv("QJ_VERBOSE")) {
        struct str text = str_on(&c->arena);
        err_render(&c->err.first, &text);
        fprintf(stderr, "%s\n%s", step, str_text(&text));
    }
    bool ok = err_is(&c->err) && c->err.first.hint;
    err_clear(&c->err);
    return ok;
}

bool gen_schedule(struct rng *r, struct sched *s, long *taken, long *refused, long *tensorized)
{
    struct arena *a = &s->c->arena;
    bool ok = rng_int(r, 0, 3) || take(s, gen_winograd(a, r), taken, refused, tensorized);
    ok = ok && (rng_int(r, 0, 3) || take(s, gen_cap(a, r), taken, refused, tensorized));
    int how = (int)rng_int(r, 0, 3);
    const char *plan = how > 1 ? gen_plan(a, r, s) : how ? "template\n" : NULL;
    while (ok && plan && *plan) { /* a line a step; a refused one does not stop the rest */
        size_t len = strcspn(plan, "\n");
        ok = take(s, arena_strndup(a, plan, len), taken, refused, tensorized);
        plan += len + (plan[len] == '\n');
    }
    int more = (int)rng_int(r, 0, plan ? 5 : 14), want = sch_nsteps(s) + more;
    for (int i = 0; ok && i < more * 3 && sch_nsteps(s) < want; i++)
        ok = take(s, gen_step(a, r, s), taken, refused, tensorized);
    return ok;
}

/* ---- data ---- */

void gen_data(struct rng *r, const struct tensor *t, void *data)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    for (int64_t i = 0; i < n; i++) {
        union value v;
        if (t->dt == DT_F32) {
            v.f = rng_int(r, 0, 9) ? (float)ldexp((double)rng_int(r, -4096, 4096), (int)rng_int(r, -18, 2)) : 0.5f;
        } else {
            int64_t lo = i64_max(t->range.lo, INT32_MIN), hi = i64_min(t->range.hi, INT32_MAX);
            switch (N(0, 5)) {
            case 0: v.i = lo; break;
            case 1: v.i = hi; break;
            case 2: v.i = lo <= 0 && hi >= 0 ? 0 : hi; break;
            default: v.i = rng_int(r, lo, hi);
            }
        }
        value_store(t->dt, data, i, v);
    }
}
