/* SPDX-License-Identifier: Apache-2.0 */
/* api_versions.c - one object for several CPUs: the schedule again for each target, then codegen's versions. */
#include "codegen/codegen.h"
#include "runtime/api.h"
#include "runtime/compile.h"
#include "runtime/kernel.h"
#include "runtime/worker.h"

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

const struct target *compile_version_target(struct qj_ctx *q, const char *name, size_t n)
{
    const struct target *from = api_target(q);
    const char *copy = arena_strndup(&q->ir.arena, name, n);
    const struct target *t = from ? target_parse(&q->ir, copy, n, (struct span){NULL, copy, 0, n}) : NULL;
    return t ? target_carry(&q->ir, t, from) : NULL;
}

static const struct target *parse(struct qj_ctx *q, const char *text)
{
    if (!text) return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "a target is missing (NULL)"), NULL;
    return compile_version_target(q, text, strlen(text));
}

static const struct lowered *lower_for(struct qj_ctx *q, const struct target *t)
{
    struct sched *from = api_sched(q), *s = from ? sch_retarget(&q->ir, from, t) : NULL;
    const struct lowered *l = s ? sch_lower(s) : NULL;
    if (!l) name_target(q, t->name);
    return l;
}

/* NULL: error set, with the target it belongs to. */
static const struct lowered **lower_all(struct qj_ctx *q, int n, const struct target *const *target)
{
    const struct lowered **l = ARENA_ARRAY(&q->ir.arena, const struct lowered *, n);
    for (int i = 0; i < n; i++)
        if (!(l[i] = lower_for(q, target[i]))) return NULL;
    return l;
}

/* What the object depends on besides the context's request. */
static const char *head_of(struct qj_ctx *q, int n, const struct target *const *t)
{
    struct str s = str_on(&q->ir.arena);
    for (int i = 0; i < n; i++) str_printf(&s, "# version %s: %s, %s, %s\n", t[i]->name, t[i]->family->triple, t[i]->cpu, t[i]->feature_text);
    if (q->sched) str_put(&s, sch_chosen_text(&q->ir.arena, q->sched));
    return str_text(&s);
}

static void free_artifact(void *p) { qj_artifact_free(p); }

struct qj_artifact *compile_versions_here(struct qj_ctx *q, qj_format format, int n, const struct lowered *const *l)
{
    const struct lowered *joint;
    struct cg_options o = {.kind = (enum cg_kind)format};
    struct artifact *a = cg_compile_versions(&q->ir, n, l, &o, &joint);
    struct qj_artifact *w = a ? artifact_wrap(&q->ir.err, joint, a) : NULL;
    defer(&q->ir.defers, free_artifact, w);
    if (w && format == QJ_OBJ && !spills_note(&q->ir.err, w->a)) return NULL;
    return w;
}

static bool body_versions(struct qj_ctx *q, void *u)
{
    struct versions *v = u;
    if (v->n < 1 || v->n > CG_MAX_VERSIONS || !v->target || (unsigned)v->format > QJ_BC)
        return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "an object has from 1 to %d versions, in a format of a CPU",
                       CG_MAX_VERSIONS);
    const struct target *t[CG_MAX_VERSIONS];
    char *key;
    for (int i = 0; i < v->n; i++)
        if (!(t[i] = parse(q, v->target[i]))) return false;
    v->out = compile_known_versions(q, v->format, head_of(q, v->n, t), v->n, t, &key);
    if (!v->out) {
        const struct lowered **l = lower_all(q, v->n, t);
        if (!l) return false;
        v->out = (q->opt.isolate ? worker_compile : compile_versions_here)(q, v->format, v->n, l);
        compile_keep(q, key, v->out);
    }
    if (!v->out) return false;
    compile_tell(q, v->out);
    defer_cancel(&q->ir.defers, v->out);
    return true;
}

qj_artifact *qj_compile_versions(qj_ctx *q, int n, const char *const *targets, qj_format format)
{
    struct versions v = {.n = n, .target = targets, .format = format};
    return api_run(q, API_SCRATCH, body_versions, &v) ? v.out : NULL;
}
