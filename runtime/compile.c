/* SPDX-License-Identifier: Apache-2.0 */
/* compile.c - the way from a schedule to an artifact. Contract in compile.h. */
#include "runtime/compile.h"
#include "runtime/worker.h"

static void free_artifact(void *p) { qj_artifact_free(p); }

struct qj_artifact *compile_here(struct qj_ctx *q, qj_format format)
{
    struct sched *s = api_sched(q);
    const struct lowered *l = s ? sch_lower(s) : NULL;
    if (!l) return NULL;
    struct cg_options o = {.kind = (enum cg_kind)format};
    struct ir_mark mark = ir_mark(&q->ir);
    struct artifact *a = cg_compile(&q->ir, l, &o);
    ir_reset(&q->ir, mark);
    struct qj_artifact *w = a ? artifact_wrap(&q->ir.err, l, a) : NULL;
    defer(&q->ir.defers, free_artifact, w);
    if (w && format == QJ_OBJ && !spills_note(&q->ir.err, w->a)) return NULL;
    return w;
}

static void tell(const struct qj_ctx *q, const struct artifact *a)
{
    for (int i = 0; q->opt.log && i < a->nnote; i++) q->opt.log(q->opt.user, a->note[i].code, a->note[i].text);
}

struct qj_artifact *compile_artifact(struct qj_ctx *q, qj_format format)
{
    struct qj_artifact *w = q->opt.isolate ? worker_compile(q, format) : compile_here(q, format);
    if (w) tell(q, w->a);
    return w;
}
