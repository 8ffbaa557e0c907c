/* SPDX-License-Identifier: Apache-2.0 */
/* gpugen.c - random schedules with bound loops: tiles of blocks and threads, accumulators of a thread, operands that
 * the threads of a block fetch together, and whatever else random steps do to that. Declared in progen.h. */
#include "ir/eval.h"
#include "schedule/state.h"
#include "tests/support/progen.h"

#include <stdio.h>
#include <stdlib.h>

#define N(lo, hi) ((int)rng_int(r, lo, hi))
static const char *pick(struct rng *r, const char *const *of, int n) { return of[rng_int(r, 0, n - 1)]; }
#define PICK(r, ...) pick(r, (const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

struct gpugen { struct rng *r; struct sched *s; long *taken, *refused, *tensorized; bool ok; };

static bool take(struct gpugen *g, const char *fmt, ...) QJ_PRINTF(2, 3);
static bool take(struct gpugen *g, const char *fmt, ...)
{
    struct ir_ctx *c = g->s->c;
    va_list ap;
    va_start(ap, fmt);
    const char *step = arena_vprintf(&c->arena, fmt, ap);
    va_end(ap);
    if (!g->ok) return false;
    if (sch_text_steps(g->s, step)) {
        ++*g->taken;
        *g->tensorized += !strncmp(step, "tensorize", 9);
        return true;
    }
    ++*g->refused;
    if (getenv("QJ_VERBOSE")) {
        struct str text = str_on(&c->arena);
        err_render(&c->err.first, &text);
        fprintf(stderr, "%s\n%s", step, str_text(&text));
    }
    g->ok = err_is(&c->err) && c->err.first.hint;
    err_clear(&c->err);
    return false;
}

static int stage_named(const struct sched *s, const char *name)
{
    for (int i = 0; i < sch_nstages(s); i++)
        if (!strcmp(sch_stage_name(s, i), name)) return i;
    return -1;
}

static const char *axis(struct gpugen *g, int gi)
{
    struct rng *r = g->r;
    int n = sch_naxes(g->s, gi);
    return n ? sch_axis_name(g->s, gi, N(0, n - 1)) : "none";
}

static const char *data_axis(const struct sched *s, int gi, int from)
{
    const struct stage *x = s->state->stage[gi];
    for (int i = from; i < x->nleaf; i++)
        if (!x->iter[x->leaf[i]].reduce && x->iter[x->leaf[i]].how == LOOP_SERIAL) return x->iter[x->leaf[i]].name;
    return NULL;
}

/* Blocks of tiles, a thread an element of one (or a few): T threads along y, x. */
static void tile(struct gpugen *g, const char *out, const int *threads)
{
    struct rng *r = g->r;
    static const char *const axes = "xyz";
    int gi = stage_named(g->s, out), n = 0;
    for (int k = 0; k < 2 + N(0, 1); k++) {
        const char *x = gi < 0 ? NULL : data_axis(g->s, gi, N(0, 1) * k);
        if (!x) return;
        char o[24], i[24];
        snprintf(o, sizeof o, "b%d", k);
        snprintf(i, sizeof i, "t%d", k);
        if (!take(g, "split %s.%s %d%s -> %s %s", out, x, threads[n < 2 ? n : 1], PICK(r, "", "", " tail=peel", " tail=guard"), o, i)) continue;
        if (N(0, 6)) take(g, "bind %s.%s blockIdx.%c", out, o, axes[k]);
        if (n < 2 && N(0, 6)) take(g, "bind %s.%s threadIdx.%c", out, i, axes[n]);
        n += n < 2;
    }
    if (N(0, 2)) take(g, "reorder %s b0 b1 t0 t1", out);
}

/* The copy of an operand, fetched by all threads. */
static void fetch(struct gpugen *g, const char *copy, const char *into, const int *threads)
{
    struct rng *r = g->r;
    int gi = stage_named(g->s, into), me = stage_named(g->s, copy);
    if (gi < 0 || me < 0 || !take(g, "compute_at %s %s.%s", copy, into, axis(g, gi))) return;
    if (N(0, 3) == 0) take(g, "set_scope %s %s", copy, PICK(r, "shared", "local"));
    const struct tensor *t = g->s->state->stage[me]->tensor;
    if (N(0, 2) == 0) take(g, "async %s", copy);
    if (N(0, 1)) take(g, "double_buffer %s %d", copy, N(2, 4));
    if (N(0, 2) == 0 && t->ndim) take(g, "storage_align %s.%s %d %d", copy, t->dim_name[N(0, t->ndim - 1)], 16 << N(0, 3), N(0, 15));
    if (N(0, 2) == 0) return;
    struct str all = str_on(&g->s->c->arena);
    for (int i = 0; i < sch_naxes(g->s, me); i++) str_printf(&all, " %s", sch_axis_name(g->s, me, i));
    const char *name = N(0, 1) && sch_naxes(g->s, me) > 1 && take(g, "fuse %s.%s -> all", copy, str_text(&all) + 1)
                           ? "all" : axis(g, me);
    if (N(0, 1) && take(g, "split %s.%s %d -> vo vi", copy, name, 4 << N(0, 2))) {
        take(g, "vectorize %s.vi", copy);
        name = "vo";
    }
    const char *own = N(0, 1) ? "x" : "y";
    if (!take(g, "split %s.%s %d -> fo fi", copy, name, N(0, 3) ? threads[*own == 'y' ? 0 : 1] : N(1, 9))) return;
    take(g, "bind %s.fi threadIdx.%s", copy, own);
    if (N(0, 1) == 0) take(g, "split %s.fo %d -> fp fq", copy, threads[*own == 'x' ? 0 : 1]);
    if (N(0, 1) == 0) take(g, "bind %s.fq threadIdx.%s", copy, *own == 'x' ? "y" : "x");
}

static void dot(struct gpugen *g, const char *stage)
{
    struct rng *r = g->r;
    const struct target *t = sch_target(g->s);
    int gi = stage_named(g->s, stage), n = gi < 0 ? 0 : sch_naxes(g->s, gi);
    if (!n) return;
    if (N(0, 1) && take(g, "split %s.%s %d -> ko kk", stage, sch_axis_name(g->s, gi, n - 1), 4 * N(1, 4)))
        take(g, "split %s.kk 4 -> k2 k1", stage);
    else take(g, "split %s.%s 4%s -> k2 k1", stage, sch_axis_name(g->s, gi, n - 1), PICK(r, "", " tail=peel"));
    if (t->nintrin && N(0, 3)) take(g, "tensorize %s.k1 %s tail=%s", stage, t->intrin[N(0, t->nintrin - 1)].row->name,
                                    PICK(r, "peel", "peel", "pad", "error"));
    if (N(0, 3) == 0) take(g, "unroll %s.%s", stage, axis(g, gi));
}

/* The terms of a sum over the threads along an axis: the innermost, or another that nothing else is bound to. */
static void share(struct gpugen *g, const char *sum)
{
    struct rng *r = g->r;
    int gi = stage_named(g->s, sum), k = -1;
    const struct stage *x = gi < 0 ? NULL : g->s->state->stage[gi];
    for (int i = 0; x && i < x->nleaf; i++)
        if (x->iter[x->leaf[i]].reduce && (k < 0 || N(0, 1))) k = i;
    if (k < 0) return;
    const char *name = x->iter[x->leaf[k]].name;
    if (N(0, 3) && take(g, "split %s.%s %d -> q_o q_i", sum, name, N(0, 2) ? 1 << N(1, 6) : N(2, 70))) name = N(0, 1) ? "q_o" : "q_i";
    take(g, "bind %s.%s threadIdx.%s", sum, name, PICK(r, "x", "y", "z", "z"));
    if (N(0, 2) == 0) take(g, "reorder %s %s %s", sum, name, axis(g, gi));
}

static void by_hand(struct gpugen *gp)
{
    struct gpugen g = *gp;
    struct rng *r = g.r;
    struct sched *s = g.s;
    const struct program *p = sch_program(s);
    const struct tensor *last = p->tensor[p->ntensor - 1], *of = last;
    const int threads[2] = {N(1, 6), N(1, 8)};
    for (int i = p->ntensor; i-- > 0;)
        if (p->tensor[i]->kind == TENSOR_COMPUTE && p->tensor[i]->body->op == OP_REDUCE) of = p->tensor[i];
    const char *sum = of->name;
    if (of == last && take(&g, "cache_write %s local -> L", last->name)) sum = "L";
    for (int i = 0; i < p->ntensor; i++) {
        const struct tensor *t = p->tensor[i];
        bool weight = t->kind == TENSOR_WEIGHT;
        if (t != of && N(0, 2)) take(&g, "cache_read %s %s %s -> S%d", t->name, weight && N(0, 3) == 0 ? "global" : "shared", sum, i);
    }
    if (N(0, 3) == 0) take(&g, "compute_inline P");
    if (N(0, 3) == 0) take(&g, "rfactor %s.%s", sum, axis(&g, stage_named(s, sum)));
    dot(&g, sum);
    tile(&g, last->name, threads);
    if (N(0, 9)) take(&g, "compute_at %s %s.%s", sum, last->name, N(0, 2) ? "t1" : axis(&g, stage_named(s, last->name)));
    if (N(0, 4) == 0) take(&g, "set_scope %s shared", sum);
    for (int i = 0; i < p->ntensor; i++) {
        char name[16];
        snprintf(name, sizeof name, "S%d", i);
        if (N(0, 6)) fetch(&g, name, N(0, 5) ? sum : last->name, threads);
    }
    if (N(0, 1)) share(&g, sum);
    if (N(0, 5) == 0) share(&g, sum);
    for (int i = N(0, 4); i-- > 0 && g.ok;) take(&g, "%s", gen_step(&s->c->arena, r, s));
    *gp = g;
}

bool gen_gpu_schedule(struct rng *r, struct sched *s, long *taken, long *refused, long *tensorized)
{
    struct gpugen g = {r, s, taken, refused, tensorized, true};
    if (N(0, 2)) by_hand(&g);
    else take(&g, "template%s", PICK(r, "", "", " mr=4 nr=4", " mr=1", " rows=2", " nr=8"));
    for (int i = 0; i < sch_nstages(s); i++) { /* no kernel without a bound loop */
        const char *x = data_axis(s, i, 0);
        if (x && s->state->stage[i]->attach == ATTACH_ROOT) take(&g, "bind %s.%s %s", sch_stage_name(s, i), x, PICK(r, "blockIdx.x", "threadIdx.x"));
    }
    return g.ok;
}
