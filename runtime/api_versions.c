/* SPDX-License-Identifier: Apache-2.0 */
/* api_versions.c - one object for several CPUs: the schedule again for each target, then codegen's versions. */
#include "codegen/codegen.h"
#include "runtime/api.h"
#include "runtime/kernel.h"

struct versions {
    int n;
    const char *const *target;
    qj_format format;
    qj_artifact *out;
};

/* The message of an error that belongs to one of the targets says which. */
static void name_target(struct qj_ctx *q, const char *target)
{
    struct err *e = &q->ir.err.first;
    if (err_is(&q->ir.err)) e->msg = arena_printf(&q->ir.err.arena, "for %s: %s", target, e->msg);
}

static const struct lowered *lower_for(struct qj_ctx *q, const char *text)
{
    struct sched *from = api_sched(q), *s = NULL;
    if (!from || !text) return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "a target is missing (NULL)"), NULL;
    const char *copy = arena_strdup(&q->ir.arena, text);
    const struct target *t = target_parse(&q->ir, copy, strlen(copy), (struct span){NULL, copy, 0, strlen(copy)});
    if (!t) return NULL;
    s = sch_retarget(&q->ir, from, t);
    const struct lowered *l = s ? sch_lower(s) : NULL;
    if (!l) name_target(q, t->name);
    return l;
}

static bool body_versions(struct qj_ctx *q, void *u)
{
    struct versions *v = u;
    const struct lowered *l[CG_MAX_VERSIONS], *joint;
    if (v->n < 1 || v->n > CG_MAX_VERSIONS || !v->target || (unsigned)v->format > QJ_BC)
        return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "an object has from 1 to %d versions, in a format of a CPU",
                       CG_MAX_VERSIONS);
    for (int i = 0; i < v->n; i++)
        if (!(l[i] = lower_for(q, v->target[i]))) return false;
    struct cg_options o = {.kind = (enum cg_kind)v->format};
    struct artifact *a = cg_compile_versions(&q->ir, v->n, l, &o, &joint);
    v->out = a ? artifact_wrap(&q->ir.err, joint, a) : NULL;
    return v->out != NULL;
}

qj_artifact *qj_compile_versions(qj_ctx *q, int n, const char *const *targets, qj_format format)
{
    struct versions v = {.n = n, .target = targets, .format = format};
    return api_run(q, API_SCRATCH, body_versions, &v) ? v.out : NULL;
}
