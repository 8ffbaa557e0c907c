/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - contexts, errors, and the way in and out of every call. */
#include "runtime/api.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "runtime/kept.h"
#include "runtime/perf.h"
#include "runtime/worker.h"
#include "runtime/rt/qjrt.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *qj_version(void)
{
    return TEXT(QJ_VERSION_MAJOR) "." TEXT(QJ_VERSION_MINOR) "." TEXT(QJ_VERSION_PATCH);
}
const char *qj_llvm_version(void) { return cg_llvm_version(); }
void qj_free(char *text) { free(text); }
void qj_set_threads(int n) { qjrt_set_threads(n); }

void qj_set_parallel_for(int (*hook)(void *user, void (*body)(void *ctx, int64_t begin, int64_t end), void *ctx,
                                     int64_t n), void *user)
{
    qjrt_set_parallel_for(hook, user);
}

/* ---- life ---- */

static void forget(struct qj_ctx *q)
{
    ir_ctx_release(&q->ir);
    ir_ctx_init(&q->ir, q->opt.memory_limit);
    q->ir.limits.cancelled = &q->cancelled;
    q->env = (struct ir_env){0};
    q->name = NULL;
    q->target = NULL;
    q->sched = NULL;
    q->shown = (qj_error){0};
    host_clear(&q->host);
}

qj_ctx *qj_ctx_new(const qj_options *options)
{
    struct qj_ctx *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    if (options && options->size)
        memcpy(&q->opt, options, options->size < sizeof q->opt ? options->size : sizeof q->opt);
    if (q->opt.cache_dir && *q->opt.cache_dir && !(q->cache_dir = strdup(q->opt.cache_dir))) {
        free(q);
        return NULL;
    }
    q->opt.profile |= perf_environment();
    forget(q);
    if (!q->opt.worker) return q;
    q->opt.worker = q->worker_program = strdup(q->opt.worker);
    if (q->opt.worker) return q;
    qj_ctx_free(q);
    return NULL;
}

void qj_ctx_free(qj_ctx *q)
{
    if (!q) return;
    worker_stop(q->worker);
    free(q->worker_program);
    cuda_close(q->cuda);
    host_clear(&q->host);
    cache_close(q->cache);
    free(q->cache_dir);
    ir_ctx_release(&q->ir);
    free(q);
}

bool qj_ctx_reset(qj_ctx *q)
{
    if (!q) return false;
    forget(q);
    atomic_store(&q->cancelled, false);
    return true;
}

/* ---- errors ---- */

const qj_error *qj_last_error(const qj_ctx *q) { return q && err_is(&q->ir.err) ? &q->shown : NULL; }

void qj_clear_error(qj_ctx *q)
{
    if (!q) return;
    err_clear(&q->ir.err);
    q->shown = (qj_error){0};
    if (!q->depth) atomic_store(&q->cancelled, false);
}

void qj_cancel(qj_ctx *q)
{
    if (q) atomic_store(&q->cancelled, true);
}

static void show_error(struct qj_ctx *q)
{
    const struct err *e = &q->ir.err.first;
    struct str s = str_on(&q->ir.err.arena);
    err_render(e, &s);
    q->shown = (qj_error){.code = err_name(e->code), .message = e->msg, .hint = e->hint ? e->hint : "",
                          .detail = e->detail, .text = str_text(&s), .file = e->span.file, .step = e->step};
    if (!e->span.text || !q->text || strcmp(e->span.text, q->text)) return; /* a place in something else */
    err_place(&e->span, &q->shown.line, &q->shown.column);
    q->shown.offset = e->span.at;
    q->shown.length = e->span.len;
}

/* Nothing may be allocated. */
static void show_out_of_memory(struct qj_ctx *q)
{
    size_t limit = q->opt.memory_limit;
    if (limit) snprintf(q->oom, sizeof q->oom, "the context's limit of %zu bytes is too small for this", limit);
    else snprintf(q->oom, sizeof q->oom, "the system has no more memory");
    q->ir.err.first = (struct err){.code = ERR_MEMORY, .msg = q->oom, .hint = err_row_hint(ERR_MEMORY)};
    q->shown = (qj_error){
        .code = err_name(ERR_MEMORY), .message = q->oom, .hint = q->ir.err.first.hint, .text = q->oom};
}

/* Whatever error was in the making gives way. */
static void show_no_time(struct qj_ctx *q)
{
    struct err_state *e = &q->ir.err;
    err_clear(e);
    if (limits_cancelled(&q->ir.limits)) err_set(e, ERR_CANCELLED, (struct span){0}, "the call was cancelled");
    else
        err_set(e, ERR_DEADLINE, (struct span){0}, "the call took longer than the %lld ms it may take",
                (long long)q->opt.deadline_ms);
}

/* ---- the way in ---- */

void api_enter(struct qj_ctx *q)
{
    if (q->depth++) return;
    q->host_locale = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* numbers in texts: the constant "C" is not made */
    int64_t ms = q->opt.deadline_ms, ns;
    q->ir.limits.deadline = ms > 0 && ck_mul(ms, 1000000, &ns) && ck_add(limits_now(), ns, &ns) ? ns : 0;
}

/* A cancel that came too late to stop the call has had its chance. */
void api_leave(struct qj_ctx *q)
{
    if (--q->depth) return;
    uselocale(q->host_locale);
    q->ir.limits.deadline = 0;
    atomic_store(&q->cancelled, false);
}

struct before {
    struct ir_mark mark;
    struct ir_env env;
    const char *name;
    const struct target *target;
    struct sched *sched;
    struct sched_save saved;
};

static void remember(const struct qj_ctx *q, struct before *b)
{
    *b = (struct before){
        .mark = ir_mark(&q->ir), .env = q->env, .name = q->name, .target = q->target, .sched = q->sched};
    if (q->sched) sch_save(q->sched, &b->saved);
}

static void go_back(struct qj_ctx *q, const struct before *b)
{
    q->env = b->env;
    q->name = b->name;
    q->target = b->target;
    q->sched = b->sched;
    if (q->sched) sch_restore(q->sched, &b->saved);
    ir_reset(&q->ir, b->mark);
}

/* 0, or why it was left. All that changes lies behind pointers, so a jump leaves no local in doubt. */
static int guarded(struct qj_ctx *q, api_body *body, void *u, bool *ok)
{
    jmp_buf pad;
    q->ir.arena.pad = q->ir.err.arena.pad = &pad;
    int left = setjmp(pad);
    if (left == 0) *ok = body(q, u);
    q->ir.arena.pad = q->ir.err.arena.pad = NULL;
    return left;
}

static bool body_no_time(struct qj_ctx *q, void *u)
{
    (void)u;
    show_no_time(q);
    show_error(q);
    return true;
}

static bool body_show(struct qj_ctx *q, void *u)
{
    (void)u;
    show_error(q);
    return true;
}

/* The error as the host is to see it; `left` as guarded says. */
static void report(struct qj_ctx *q, int left)
{
    bool shown = false;
    if (left != ARENA_NO_MEMORY && guarded(q, left ? body_no_time : body_show, NULL, &shown) == 0) return;
    show_out_of_memory(q);
}

bool api_run(struct qj_ctx *q, enum api_kind kind, api_body *body, void *u)
{
    struct before before;
    bool ok = false;
    if (!q || err_is(&q->ir.err)) return false;
    api_enter(q);
    q->ir.host = (struct ir_host){host_call, &q->host};
    remember(q, &before);
    int left = limits_over(&q->ir.limits) ? ARENA_NO_TIME : guarded(q, body, u, &ok);
    defer_run(&q->ir.defers, 0);
    ok = ok && !left && !err_is(&q->ir.err);
    if (!ok || kind == API_SCRATCH) go_back(q, &before);
    q->ir.limits.used = q->ir.arena.total + q->ir.nslot * sizeof *q->ir.slot;
    if (left || err_is(&q->ir.err)) report(q, left);
    api_leave(q);
    q->text = NULL;
    return ok;
}

/* ---- what bodies share ---- */

const struct target *api_target(struct qj_ctx *q)
{
    static const char native[] = "native";
    if (!q->target) q->target = target_parse(&q->ir, native, sizeof native - 1, (struct span){0});
    return q->target;
}

const struct program *api_program(struct qj_ctx *q)
{
    struct program *p = ARENA_NEW(&q->ir.arena, struct program);
    *p = (struct program){api_kernel_name(q), (int)q->env.tensors.n, NULL};
    p->tensor = arena_copy(&q->ir.arena, q->env.tensors.at, q->env.tensors.n * sizeof *p->tensor);
    return p;
}

struct sched *api_sched(struct qj_ctx *q)
{
    if (q->sched) return q->sched;
    q->sched = sch_new(&q->ir, api_program(q), api_target(q));
    if (q->sched) sch_remember(q->sched, kept_choices(q));
    return q->sched;
}

struct cuda *api_cuda(struct qj_ctx *q)
{
    if (!q->cuda) q->cuda = cuda_open(&q->ir.err);
    return q->cuda;
}

bool api_strdup(struct qj_ctx *q, const char *text, char **out)
{
    *out = text ? strdup(text) : NULL;
    if (text && !*out) return err_set(&q->ir.err, ERR_MEMORY, (struct span){0}, "no memory for a text");
    return *out != NULL;
}

bool api_identifier(struct qj_ctx *q, const char *what, const char *name)
{
    bool ok = name && *name && strlen(name) <= 64 && !(*name >= '0' && *name <= '9');
    for (const char *p = name; ok && *p; p++)
        ok = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_';
    if (ok) return true;
    err_set(&q->ir.err, ERR_SYNTAX, (struct span){0}, "\"%.80s\" cannot be %s", name ? name : "", what);
    err_hint(&q->ir.err, "a name has 1 to 64 letters, digits and _, and begins with no digit");
    return false;
}
