/* SPDX-License-Identifier: Apache-2.0 */
/* codegen.c - the pass table and its driver: the only place that verifies, dumps and times. */
#include "codegen/artifact.h"
#include "codegen/passes.h"

#include <time.h>

#include "ir/print.h"
#include "ir/verify.h"

enum {
    NO_VECTORIZED = VERIFY_VECTORS,
    NO_UNROLLED = NO_VECTORIZED | VERIFY_NO_UNROLL,
    FLAT = NO_UNROLLED | VERIFY_FLAT
};

const struct cg_pass cg_passes[] = {
    {'P', "partition", "cut loops marked peel where guards inside change", pass_partition, 0},
    {'S', "simplify", "drop what is known, trim loops", pass_simplify, 0},
    {'V', "vectorize", "loops marked vectorized become vectors", pass_vectorize, NO_VECTORIZED},
    {'U', "unroll", "loops marked unrolled become their iterations", pass_unroll, NO_UNROLLED},
    {'F', "flatten", "one index a buffer", pass_flatten, FLAT},
    {0, NULL, NULL, NULL, 0},
};

/* ---- dumps and times ---- */

double cg_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

bool cg_wants(const struct cg_options *o, char flag)
{
    return o && o->on_dump && o->dump && (!strcmp(o->dump, "all") || strchr(o->dump, flag));
}

void cg_lap(const struct cg_options *o, const char *pass, double *since)
{
    double now = cg_now_ms();
    if (o && o->on_time) o->on_time(o->u, pass, now - *since);
    *since = cg_now_ms(); /* not counting what the caller did */
}

static void dump_func(struct ir_ctx *c, const struct cg_options *o, const struct cg_pass *p,
                      const struct func *f, const struct func *before)
{
    if (!cg_wants(o, p->flag)) return;
    struct str s = str_on(&c->arena);
    if (f == before) str_put(&s, "(unchanged)");
    else print_func(&s, f);
    o->on_dump(o->u, p->name, str_text(&s));
}

/* ---- the passes before LLVM ---- */

/* notes: NULL, nobody asks. */
const struct func *cg_passes_of(struct ir_ctx *c, const struct func *f, const struct target *t,
                                const struct cg_options *o, struct note_list *notes)
{
    bool verify = o && o->verify;
#ifdef QJ_DEBUG
    verify = true;
#endif
    for (const struct cg_pass *p = cg_passes; f && p->name; p++) {
        const struct func *before = f;
        double since = cg_now_ms();
        if (notes && p->run == pass_vectorize) vectorize_notes(notes, f);
        f = p->run(c, f, t);
        cg_lap(o, p->name, &since);
        if (!f) break;
        dump_func(c, o, p, f, before);
        if (verify && f != before && !verify_func(c, f, p->verify)) return NULL;
    }
    QJ_ASSERT(f || err_is(&c->err));
    if (notes && f) vector_notes(notes, f, t);
    return f;
}

const struct func *cg_run_passes(struct ir_ctx *c, const struct func *f, const struct target *t,
                                 const struct cg_options *o)
{
    return cg_passes_of(c, f, t, o, NULL);
}

/* ---- the driver ---- */

static void free_artifact(void *a) { artifact_free(a); }

struct artifact *cg_compile(struct ir_ctx *c, const struct lowered *l, const struct cg_options *o)
{
    if (!l || err_is(&c->err) || !check_lowered(c, l, o->kind)) return NULL;
    const struct func *from[2] = {l->main, l->pack}, *f[2] = {0};
    struct note_list notes = {.c = c};
    lowered_notes(&notes, l);
    for (int i = 0; i < 2; i++) {
        if (!from[i]) continue;
        f[i] = cg_passes_of(c, from[i], l->target, o, i ? NULL : &notes); /* packing is done once: no notes */
        if (!f[i] || !check_func(c, f[i], l->target)) return NULL;
    }
    struct artifact *a = artifact_new(c, l, o->kind, false);
    int keep = c->defers.n;
    defer(&c->defers, free_artifact, a);
    if (a && emit_artifact(c, l, f, o, a) && notes_keep(&notes, a, NULL)) {
        defer_cancel(&c->defers, a);
        return a;
    }
    defer_run(&c->defers, keep);
    return NULL;
}
