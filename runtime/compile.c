/* SPDX-License-Identifier: Apache-2.0 */
/* compile.c - the way from a schedule to an artifact. Contract in compile.h. */
#include "runtime/compile.h"

#include <stdlib.h>

#include "ir/print.h"
#include "runtime/elf.h"
#include "runtime/kept.h"
#include "runtime/store.h"
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

/* ---- what comes from elsewhere ---- */

static bool same_tensor(const struct artifact_arg *g, const struct tensor *t)
{
    static const enum tensor_kind kind[] = {[ARG_INPUT] = TENSOR_INPUT, [ARG_WEIGHT] = TENSOR_WEIGHT, [ARG_OUTPUT] = TENSOR_COMPUTE};
    bool known = g->role == ARG_INPUT || g->role == ARG_WEIGHT || g->role == ARG_OUTPUT;
    return t && known && kind[g->role] == t->kind && g->dt == t->dt && g->ndim == t->ndim &&
           !memcmp(g->shape, t->shape, (size_t)g->ndim * sizeof *g->shape) && g->range.lo == t->range.lo &&
           g->range.hi == t->range.hi;
}

static void free_info(void *p) { elf_release(p); }

static bool declares(const void *artifact, const char *name)
{
    const struct artifact *a = artifact;
    for (int i = 0; i < a->next; i++)
        if (!strcmp(a->ext[i].name, name)) return true;
    return false;
}

static bool object_fits(struct qj_ctx *q, const struct artifact *a)
{
    static const char *const suffix[] = {"", "_call"};
    struct elf_info *info = ARENA_NEW(&q->ir.arena, struct elf_info);
    int keep = q->ir.defers.n;
    defer(&q->ir.defers, free_info, info);
    bool fits = elf_check(&q->ir.err, a->bytes, a->size, declares, a, info);
    for (int i = 0; fits && i < 4; i++) {
        const char *base = i < 2 ? a->name : a->pack_name;
        fits = !base || elf_exports(info, arena_printf(&q->ir.arena, "%s%s", base, suffix[i % 2]));
    }
    defer_run(&q->ir.defers, keep);
    err_clear(&q->ir.err); /* why it does not is nobody's error */
    return fits;
}

/* Format, name, definitions and tensors are the context's; an object is made as kernels are. */
static bool same_program(struct qj_ctx *q, qj_format format, const struct qj_artifact *w)
{
    const struct artifact *a = w->a;
    struct str program = str_on(&q->ir.arena);
    print_program(&program, api_program(q));
    if (a->kind != (enum cg_kind)format || strcmp(a->name, api_kernel_name(q)) || strcmp(a->program, str_text(&program))) return false;
    for (int i = 0; i < w->ncall; i++) {
        const struct artifact_arg *g = artifact_call_arg(w, i);
        if (!same_tensor(g, env_find(&q->env, g->name))) return false;
    }
    return format != QJ_OBJ || object_fits(q, a);
}

bool compile_fits(struct qj_ctx *q, qj_format format, const struct qj_artifact *w)
{
    const struct artifact *a = w->a;
    const struct target *t = api_target(q);
    if (!t || a->nversion || strcmp(a->target, t->name) || strcmp(a->triple, t->family->triple) || strcmp(a->cpu, t->cpu) ||
        strcmp(a->features, t->feature_text) || strcmp(a->steps, q->sched ? sch_text(&q->ir.arena, q->sched) : ""))
        return false;
    return same_program(q, format, w);
}

bool compile_fits_versions(struct qj_ctx *q, qj_format format, int n, const struct target *const *t, const struct qj_artifact *w)
{
    const struct artifact *a = w->a;
    bool same = a->nversion == n && !strcmp(a->triple, t[0]->family->triple);
    for (int i = 0; same && i < n; i++) same = !strcmp(a->version[i].target, t[i]->name);
    return same && same_program(q, format, w);
}

/* ---- the cache ---- */

static void tell(const struct qj_ctx *q, const char *code, const char *text)
{
    if (q->opt.log) q->opt.log(q->opt.user, code, text);
}

void compile_tell(const struct qj_ctx *q, const struct qj_artifact *w)
{
    for (int i = 0; i < w->a->nnote; i++) tell(q, w->a->note[i].code, w->a->note[i].text);
}

/* What the entry is kept under, in the context's defers; NULL: no cache, or an error is set. */
static char *key_of(struct qj_ctx *q, const char *head, qj_format format)
{
    struct ir_mark mark = ir_mark(&q->ir);
    const char *key = kept_key(q, head, format);
    char *copy = key ? strdup(key) : NULL;
    ir_reset(&q->ir, mark);
    defer(&q->ir.defers, free, copy);
    return copy;
}

/* n 0: of the context's target. */
static struct qj_artifact *from_cache(struct qj_ctx *q, qj_format format, int n, const struct target *const *t, const char *key)
{
    size_t size;
    void *bytes = cache_get(q->cache, key, &size);
    if (!bytes) return NULL;
    struct ir_mark mark = ir_mark(&q->ir);
    defer(&q->ir.defers, free, bytes);
    struct qj_artifact *w = store_read(&q->ir.err, bytes, size);
    defer(&q->ir.defers, free_artifact, w);
    bool good = w && (n ? compile_fits_versions(q, format, n, t, w) : compile_fits(q, format, w));
    ir_reset(&q->ir, mark);
    if (good) return w;
    err_clear(&q->ir.err); /* what is damaged is made again */
    cache_drop(q->cache, key);
    return NULL;
}

static void tell_trouble(struct qj_ctx *q)
{
    for (const char *why; q->opt.log && (why = cache_trouble(q->cache));) tell(q, "cache", why); /* else it waits for a listener */
}

struct qj_artifact *compile_known_versions(struct qj_ctx *q, qj_format format, const char *head, int n,
                                           const struct target *const *t, char **key)
{
    *key = key_of(q, head, format);
    struct qj_artifact *w = *key ? from_cache(q, format, n, t, *key) : NULL;
    tell_trouble(q);
    return w;
}

void compile_keep(struct qj_ctx *q, const char *key, const struct qj_artifact *w)
{
    void *bytes;
    size_t n;
    if (!key || !w) return;
    if (store_write(&q->ir.err, w, &bytes, &n)) cache_put(q->cache, key, bytes, n);
    else err_clear(&q->ir.err); /* the kernel is there all the same */
    free(bytes);
    tell_trouble(q);
}

/* ---- all of it ---- */

struct qj_artifact *compile_artifact(struct qj_ctx *q, qj_format format)
{
    if (!api_target(q)) return NULL;
    char *key = key_of(q, "", format);
    struct qj_artifact *w = key ? from_cache(q, format, 0, NULL, key) : NULL;
    if (!w && q->sched && sch_is_recalled(q->sched)) { /* before its steps are believed */
        if (!sch_settle(q->sched)) return NULL;
        key = key_of(q, "", format);
    }
    if (!w && (w = q->opt.isolate ? worker_compile(q, format, 0, NULL) : compile_here(q, format))) compile_keep(q, key, w);
    if (w) compile_tell(q, w);
    tell_trouble(q);
    return w;
}
