/* SPDX-License-Identifier: Apache-2.0 */
/* ceiling.c - what one instruction can do on this machine, found by running it.
 *
 * The program is a matrix product cut down to one register tile and a short panel, repeated:
 *
 *     C[tm, tn, i] = sum(tr, tk, k) i32(A[tk, tm, k]) * i32(B[tk, tn, i, k])       nothing depends on tr
 *
 * with C in registers, tm and tn unrolled, and i and k inside done by the instruction. Operands differ from
 * step to step, so that no product can be moved out of the loop, and stay in the first-level cache. Tiles of
 * different shapes are tried, since how many registers are free is the
 * register allocator's affair. */
#include "runtime/call.h"
#include "runtime/measure.h"

#include "codegen/codegen.h"
#include "schedule/sched.h"

enum { REPEAT = 60, PANEL = 64 };

/* Rows by vectors of C; as many as registers allow, less what holds operands. */
static const struct tile { int regs, m, n; } tiles[] = {
    {16, 6, 2}, {16, 4, 3}, {16, 4, 2}, {16, 12, 1}, {32, 8, 3}, {32, 12, 2}, {32, 6, 4}, {32, 24, 1},
};

const struct intrin *measure_row(const struct target *t, const char *steps, bool f32)
{
    const struct intrin *best = NULL;
    for (int i = 0; i < t->nintrin; i++) {
        const struct intrin *in = &t->intrin[i];
        const char *name = in->row->name, *at = steps;
        size_t n = strlen(name);
        while ((at = strstr(at, name)) && !(at > steps && at[-1] == ' ' && strchr(" \n", at[n])))
            at++; /* 0 too */
        if (at) return in;
        if (in->row->pair_i16 || in->row->mac_per_cycle <= 0 || (in->meaning->op[0]->dt == DT_F32) != f32)
            continue;
        if (!best || in->row->mac_per_cycle > best->row->mac_per_cycle) best = in;
    }
    return best;
}

struct making {
    const struct tensor *from[3], *to[3];
    const struct expr *step, *extra[3];    /* the panel's and the tile's index, put first */
};

static const struct expr *tiled_read(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct making *k = u;
    const struct expr *idx[QJ_MAX_RANK];
    if (e->op != OP_READ) return NULL;
    for (int i = 1; i < 3; i++) {
        if (e->val.tensor != k->from[i]) continue;
        idx[0] = k->step;
        idx[1] = k->extra[i];
        for (int d = 0; d < e->nkid; d++) idx[d + 2] = e->kid[d];
        return ir_read(c, k->to[i], idx);
    }
    return NULL;
}

static struct tensor *tiled_tensor(struct ir_ctx *c, const char *name, enum tensor_kind kind,
                                   const struct tensor *op, int64_t tile0, int64_t tile1)
{
    int64_t shape[QJ_MAX_RANK + 2] = {tile0, tile1};
    for (int i = 0; i < op->ndim; i++) shape[2 + i] = op->shape[i];
    struct tensor *t = ir_tensor(c, name, kind, op->dt, 2 + op->ndim, shape);
    for (int i = 0; i < t->ndim; i++) t->dim_name[i] = arena_printf(&c->arena, "d%d", i);
    if (kind != TENSOR_COMPUTE && t->dt != DT_F32) {
        t->range = (struct range){0, 1}; /* any row is exact on these */
        t->range_declared = true;
    }
    return t;
}

static const struct program *make_program(struct ir_ctx *c, const struct meaning *m, struct tile tile)
{
    const struct var *tm = ir_var(c, "tm", tile.m), *tn = ir_var(c, "tn", tile.n),
                     *tr = ir_var(c, "tr", REPEAT);
    const struct var *tk = ir_var(c, "tk", PANEL);
    struct tensor *a = tiled_tensor(c, "A", TENSOR_INPUT, m->op[1], PANEL, tile.m);
    struct tensor *b = tiled_tensor(c, "B", TENSOR_INPUT, m->op[2], PANEL, tile.n);
    struct tensor *out = tiled_tensor(c, "C", TENSOR_COMPUTE, m->op[0], tile.m, tile.n);
    struct making k = {{NULL, m->op[1], m->op[2]}, {NULL, a, b}, ir_var_expr(c, tk),
                       {NULL, ir_var_expr(c, tm), ir_var_expr(c, tn)}};
    const struct expr *axes[MEANING_MAX_AXES + 2] = {ir_var_expr(c, tr), ir_var_expr(c, tk)};
    int naxes = 2;
    out->axis[0] = tm;
    out->axis[1] = tn;
    for (int i = 0; i < m->nout; i++) out->axis[2 + i] = m->axis[i];
    for (int i = m->nout; i < m->naxes; i++) axes[naxes++] = ir_var_expr(c, m->axis[i]);
    out->body = ir_reduce(c, m->combiner, ir_rewrite(c, m->body, tiled_read, &k), naxes, axes);
    for (int i = 0; i < out->ndim; i++) out->dim_name[i] = out->axis[i]->name;
    const struct tensor *all[] = {a, b, out};
    struct program *p = ARENA_NEW(&c->arena, struct program);
    *p = (struct program){"ceiling", 3, arena_copy(&c->arena, all, sizeof all)};
    return p;
}

static const char *make_steps(struct ir_ctx *c, const struct meaning *m, const char *row)
{
    struct str s = str_on(&c->arena);
    str_put(&s, "cache_write C local -> R\nreorder R tr tk tm tn");
    for (int i = 0; i < m->naxes; i++) str_printf(&s, " %s", m->axis[i]->name);
    str_printf(&s, "\nunroll R.tm\nunroll R.tn\ntensorize R.%s %s\nunroll C.tm\nunroll C.tn\n",
               m->axis[0]->name, row);
    for (int i = 0; i + 1 < m->nout; i++) str_printf(&s, "unroll C.%s\n", m->axis[i]->name);
    if (m->nout) str_printf(&s, "vectorize C.%s\n", m->axis[m->nout - 1]->name);
    return str_text(&s);
}

struct job { void *entry; void *arg[4]; int rc; };
static void run_job(void *u)
{
    struct job *job = u;
    job->rc |= call_uniform(job->entry, job->arg);
}

static void free_artifact(void *p) { artifact_free(p); }
static void free_linked(void *p) { jit_unlink(p); }

static const struct artifact *compile_here(struct ir_ctx *c, const struct program *p, const struct target *t, const char *steps)
{
    struct sched *s = sch_new(c, p, t);
    if (!s || !sch_text_steps(s, steps)) return NULL;
    const struct lowered *l = sch_lower(s);
    struct artifact *a = cg_compile(c, l, &(struct cg_options){.kind = CG_OBJ});
    defer(&c->defers, free_artifact, a);
    return a;
}

struct asking { struct ir_ctx *c; const struct target *t; const struct intrin *row; measure_compile *compile; void *u; };

static double measure_tile(const struct asking *k, struct tile tile)
{
    struct ir_ctx *c = k->c;
    const struct meaning *m = k->row->meaning;
    const struct program *p = make_program(c, m, tile);
    const char *steps = make_steps(c, m, k->row->row->name);
    const struct artifact *a = k->compile ? k->compile(k->u, p, k->t, k->row, steps) : compile_here(c, p, k->t, steps);
    struct linked *code = a ? jit_link(&c->err, a->bytes, a->size, 0, NULL) : NULL;
    defer(&c->defers, free_linked, code);
    if (!code || a->narg != 3 || a->pack_name) return 0;
    struct job job = {.entry = jit_find(code, "ceiling_call")};
    int64_t macs = (int64_t)REPEAT * PANEL * tile.m * tile.n;
    for (int i = 0; i < m->naxes; i++) macs *= m->axis[i]->extent;
    for (int i = 0; i < 4; i++) {
        int64_t bytes = i < 3 ? a->arg[i].bytes : a->workspace;
        uintptr_t at = (uintptr_t)arena_alloc(&c->arena, (size_t)bytes + 64);
        job.arg[i] = (void *)((at + 63) & ~(uintptr_t)63);
    }
    double before = measure_ghz();
    struct measured best = measure(run_job, &job, 6, &c->limits);
    arena_poll(&c->arena);
    double after = measure_ghz(), ghz = before > after ? before : after;
    return job.rc || ghz <= 0 ? 0 : (double)macs / (best.best_ms * 1e6 * ghz);
}

double measure_ceiling(struct ir_ctx *c, const struct target *t, const struct intrin *row, measure_compile *compile, void *u)
{
    const struct meaning *m = row->meaning;
    struct asking k = {c, t, row, compile, u};
    double best = 0;
    if (m->nop != 3 || !m->accumulate || m->naxes == 0 || m->op[1]->ndim + 2 > QJ_MAX_RANK) return 0;
    for (size_t i = 0; i < ARRAY_LEN(tiles) && !err_is(&c->err); i++) {
        if (tiles[i].regs != (t->vector_regs >= 32 ? 32 : 16)) continue;
        int keep = c->defers.n;
        double mac = measure_tile(&k, tiles[i]);
        defer_run(&c->defers, keep);
        if (mac > best) best = mac;
    }
    return best;
}
