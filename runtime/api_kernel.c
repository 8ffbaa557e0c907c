/* SPDX-License-Identifier: Apache-2.0 */
/* api_kernel.c - compiling, saving, linking, checking, timing, reading the code. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "ir/print.h"
#include "runtime/api.h"
#include "runtime/call.h"
#include "runtime/check.h"
#include "runtime/device.h"
#include "runtime/compile.h"
#include "runtime/disasm.h"
#include "runtime/file.h"
#include "runtime/kernel.h"
#include "runtime/measure.h"
#include "runtime/npy.h"
#include "runtime/ptxas.h"
#include "runtime/room.h"
#include "runtime/rt/qjrt.h"

_Static_assert((int)QJ_OBJ == (int)CG_OBJ && (int)QJ_ASM == (int)CG_ASM && (int)QJ_LL == (int)CG_LL
                   && (int)QJ_BC == (int)CG_BC && (int)QJ_PTX == (int)CG_PTX && (int)QJ_CUBIN == (int)CG_CUBIN, "the public formats are codegen's");
_Static_assert((int)QJ_BOOL == (int)DT_BOOL && (int)QJ_I8 == (int)DT_I8 && (int)QJ_U8 == (int)DT_U8
                   && (int)QJ_I16 == (int)DT_I16 && (int)QJ_U16 == (int)DT_U16 && (int)QJ_I32 == (int)DT_I32
                   && (int)QJ_I64 == (int)DT_I64 && (int)QJ_F32 == (int)DT_F32,
               "the public element types are ours");

static void free_tensors(void *p)
{
    for (qj_tensor **t = p; *t; t++) qj_tensor_free(*t);
}

static bool missing(struct qj_ctx *q, const char *what)
{
    return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "%s is missing (NULL)", what);
}

/* ---- compiling ---- */

struct compiling { qj_format format; qj_artifact *out; };

/* After the cache, which keeps what depends on us alone. */
static bool ask_ptxas(struct qj_ctx *q, qj_format format, struct artifact *a)
{
    int told = a->nnote;
    if (format == QJ_CUBIN && !ptxas_assemble(&q->ir, a)) return false;
    const char *trouble = format == QJ_PTX ? ptxas_describe(&q->ir, a) : NULL;
    if (err_is(&q->ir.err)) return false;
    if (q->opt.log && trouble) q->opt.log(q->opt.user, "ptxas", trouble);
    for (int i = told; q->opt.log && i < a->nnote; i++) q->opt.log(q->opt.user, a->note[i].code, a->note[i].text);
    return true;
}

static bool body_compile(struct qj_ctx *q, void *u)
{
    struct compiling *c = u;
    if ((unsigned)c->format > QJ_CUBIN) return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "no such format");
    c->out = compile_artifact(q, c->format == QJ_CUBIN ? QJ_PTX : c->format);
    if (!c->out || (c->out->a->kind == CG_PTX && !ask_ptxas(q, c->format, c->out->a))) return false;
    defer_cancel(&q->ir.defers, c->out);
    return true;
}

qj_artifact *qj_compile(qj_ctx *q, qj_format format)
{
    struct compiling c = {format, NULL};
    return api_run(q, API_KEEP, body_compile, &c) ? c.out : NULL;
}

/* A text of an artifact, which has no context: an arena and a pad of its own. NULL: no memory. */
static char *text_of(const qj_artifact *a, const char *(*text)(struct arena *arena, const struct artifact *a))
{
    struct arena arena;
    jmp_buf pad;
    char *volatile out = NULL;
    if (!a) return NULL;
    locale_t host = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    arena_init(&arena, NULL);
    arena.pad = &pad;
    if (setjmp(pad) == 0) out = strdup(text(&arena, a->a));
    arena_release(&arena);
    uselocale(host);
    return out;
}

char *qj_artifact_header(const qj_artifact *a) { return text_of(a, artifact_header); }
char *qj_artifact_json(const qj_artifact *a) { return text_of(a, artifact_json); }

/* ---- saving ---- */

static const char *const extension[] = {[CG_OBJ] = ".o", [CG_ASM] = ".s", [CG_LL] = ".ll", [CG_BC] = ".bc",
                                        [CG_PTX] = ".ptx", [CG_CUBIN] = ".cubin"};

struct saving { const struct qj_artifact *a; const char *path; };

static bool body_save(struct qj_ctx *q, void *u)
{
    const struct saving *v = u;
    struct arena *arena = &q->ir.arena;
    if (!v->a || !v->path) return missing(q, "the artifact or the path");
    const struct artifact *a = v->a->a;
    const char *ext = file_ext(v->path), *own = extension[a->kind], *path = v->path;
    const char *header = artifact_header(arena, a), *json = artifact_json(arena, a);
    struct file_part all[] = {
        {path, a->bytes, a->size}, {path, header, strlen(header)}, {path, json, strlen(json)}};
    int from = !strcmp(ext, own) ? 0 : !strcmp(ext, ".h") ? 1 : !strcmp(ext, ".json") ? 2 : -1;
    if (from >= 0) return file_write(&q->ir.err, &all[from], 1);
    if (*ext) {
        err_set(&q->ir.err, ERR_FILE, (struct span){0}, "%s: this artifact is a %s file", path, own);
        err_hint(&q->ir.err, "end the name in %s, .h or .json, or leave the extension out to get all three",
                 own);
        return false;
    }
    if (!*file_base(path)) {
        err_set(&q->ir.err, ERR_FILE, (struct span){0}, "not a file name: \"%s\"", path);
        err_hint(&q->ir.err, "dir/conv makes dir/conv%s, .h and .json", own);
        return false;
    }
    all[0].path = arena_printf(arena, "%s%s", path, own);
    all[1].path = arena_printf(arena, "%s.h", path);
    all[2].path = arena_printf(arena, "%s.json", path);
    return file_write(&q->ir.err, all, 3);
}

bool qj_artifact_save(qj_ctx *q, const qj_artifact *a, const char *path)
{
    return api_run(q, API_SCRATCH, body_save, &(struct saving){a, path});
}

/* ---- tensors and files ---- */

struct filing { const char *path; const qj_tensor *in; qj_tensor *out; };

static bool body_load_npy(struct qj_ctx *q, void *u)
{
    struct filing *f = u;
    if (!f->path) return missing(q, "the path");
    f->out = npy_load(&q->ir.err, f->path);
    return f->out != NULL;
}

qj_tensor *qj_tensor_load_npy(qj_ctx *q, const char *path)
{
    struct filing f = {.path = path};
    return api_run(q, API_SCRATCH, body_load_npy, &f) ? f.out : NULL;
}

static bool body_save_npy(struct qj_ctx *q, void *u)
{
    const struct filing *f = u;
    if (!f->path || !f->in) return missing(q, "the tensor or the path");
    return npy_save(&q->ir.err, f->in, f->path);
}

bool qj_tensor_save_npy(qj_ctx *q, const qj_tensor *t, const char *path)
{
    return api_run(q, API_SCRATCH, body_save_npy, &(struct filing){.path = path, .in = t});
}

/* ---- linking ---- */

struct linking { struct qj_artifact *a; qj_kernel *out; };

/* Profilers and debuggers, as the host or the environment asked. */
static void tell_profilers(struct qj_ctx *q, struct qj_kernel *k)
{
    char why[PERF_WHY];
    const struct artifact *a = k->artifact->a;
    k->told = perf_tell(q->opt.profile, k->code, a->target, a->bytes, a->size, why);
    if (*why && q->opt.log) q->opt.log(q->opt.user, "profile", why);
}

static bool body_link(struct qj_ctx *q, void *u)
{
    struct linking *l = u;
    if (!l->a) return missing(q, "the artifact");
    if (l->a->a->kind == CG_PTX || l->a->a->kind == CG_CUBIN) {
        struct cuda *d = api_cuda(q);
        if (d) l->out = kernel_load(&q->ir, d, l->a);
    } else {
        l->out = kernel_link(&q->ir, &q->host, q->target, l->a);
        if (l->out) tell_profilers(q, l->out);
    }
    return l->out != NULL;
}

qj_kernel *qj_link(qj_ctx *q, const qj_artifact *a)
{
    struct linking l = {(struct qj_artifact *)(uintptr_t)a, NULL}; /* linking counts a reference */
    return api_run(q, API_SCRATCH, body_link, &l) ? l.out : NULL;
}

static bool body_build(struct qj_ctx *q, void *u)
{
    struct linking *l = u;
    const struct target *t = api_target(q);
    if (!t) return false;
    l->a = compile_artifact(q, t->family->kind == TARGET_SIMT ? QJ_PTX : QJ_OBJ);
    return l->a && body_link(q, l);
}

qj_kernel *qj_build(qj_ctx *q)
{
    struct linking l = {NULL, NULL};
    return api_run(q, API_KEEP, body_build, &l) ? l.out : NULL;
}

/* ---- checking ---- */

struct checking { const qj_kernel *k; qj_check_report r; };

/* An instruction of the user's that the steps name, or NULL. */
static const struct intrin *own_intrinsic(struct qj_ctx *q, const char *steps)
{
    const struct target *t = api_target(q);
    for (int i = 0; t && i < t->nintrin; i++) {
        const char *name = t->intrin[i].row->name;
        size_t n = strlen(name);
        for (const char *at = steps; t->intrin[i].user && (at = strstr(at, name)); at += n)
            if ((at == steps || at[-1] == ' ') && (!at[n] || strchr(" \n", at[n]))) return &t->intrin[i];
    }
    return NULL;
}

static bool body_check(struct qj_ctx *q, void *u)
{
    struct checking *c = u;
    if (!c->k) return missing(q, "the kernel");
    if (check_kernel(&q->ir, c->k, &c->r)) return true;
    const struct intrin *own = c->r.different ? own_intrinsic(q, c->k->artifact->a->steps) : NULL;
    if (own) err_hint(&q->ir.err, "%s is an instruction of your own: does its recipe do what its meaning says?", own->row->name);
    return false;
}

bool qj_check(qj_ctx *q, const qj_kernel *k, qj_check_report *report)
{
    struct checking c = {.k = k};
    bool ok = api_run(q, API_SCRATCH, body_check, &c);
    if (report) {
        size_t size = report->size < sizeof c.r ? report->size : sizeof c.r;
        c.r.size = size;
        if (size > sizeof c.r.size) memcpy(report, &c.r, size);
    }
    return ok;
}

/* ---- timing ---- */

struct timing_job {
    const qj_kernel *k;
    qj_tensor *const *args;
    int nargs;
    double budget_ms;
    qj_timing t;
};

struct repeated { void *entry; void **arg; int rc; };
static void call_once(void *u)
{
    struct repeated *r = u;
    r->rc |= call_uniform(r->entry, r->arg);
}

static qj_tensor **random_args(struct qj_ctx *q, const struct qj_artifact *a)
{
    qj_tensor **args = ARENA_ARRAY(&q->ir.arena, qj_tensor *, a->ncall + 1);
    int64_t bytes = 0;
    for (int i = 0; i < a->ncall; i++) bytes += artifact_call_arg(a, i)->bytes;
    if (!room_for(&q->ir, bytes, "the tensors to time it on")) return NULL;
    defer(&q->ir.defers, free_tensors, args); /* up to the first that is not there */
    for (int i = 0; i < a->ncall; i++) {
        const struct artifact_arg *g = artifact_call_arg(a, i);
        args[i] = qj_tensor_new((qj_dtype)g->dt, g->nphys, g->phys);
        if (!args[i])
            return err_set(&q->ir.err, ERR_MEMORY, (struct span){0}, "no memory for %s", g->name), NULL;
        check_random(&q->ir.arena, g, NULL, args[i]->data, g->bytes / dt_bytes(g->dt), (uint64_t)i + 1);
    }
    return args;
}

static void free_ctx(void *p) { qj_ctx_free(p); }
static void free_artifact(void *p) { qj_artifact_free(p); }

/* An isolated context's ceiling is compiled by its compiler process too, lent to a context for this program. Where that
 * fails there is no ceiling, and no error: the kernel has been timed. */
static const struct artifact *compile_isolated(void *u, const struct program *p, const struct target *t, const struct intrin *in,
                                               const char *steps)
{
    struct qj_ctx *q = u;
    const struct intrin_row *row = in->row;
    struct str text = str_on(&q->ir.arena);
    print_program(&text, p);
    const char *program = str_text(&text);
    qj_options o = q->opt;
    o.cache_dir = NULL;
    o.log = NULL;
    o.profile = 0;
    qj_ctx *x = qj_ctx_new(&o);
    if (!x) return NULL;
    defer(&q->ir.defers, free_ctx, x);
    bool ok = qj_target(x, t->name);
    if (in->user) ok = ok && qj_intrinsic(x, row->name, row->operands, row->meaning, row->recipe, row->needs);
    ok = ok && qj_name(x, p->name) && qj_define(x, program) && qj_step(x, steps);
    x->worker = q->worker;
    q->worker = NULL;
    qj_artifact *w = ok ? qj_compile(x, QJ_OBJ) : NULL;
    q->worker = x->worker;
    x->worker = NULL;
    defer(&q->ir.defers, free_artifact, w);
    return w ? w->a : NULL;
}

/* Found once a context, a row and a target: it takes some 50 ms. */
static double ceiling_of(struct qj_ctx *q, const struct target *t, const struct intrin *row)
{
    for (int i = 0; i < q->nceiling; i++)
        if (!strcmp(q->ceiling[i].row, row->row->name) && !strcmp(q->ceiling[i].target, t->name))
            return q->ceiling[i].mac;
    double mac = measure_ceiling(&q->ir, t, row, q->opt.isolate ? compile_isolated : NULL, q);
    bool fits =
        strlen(row->row->name) < sizeof q->ceiling[0].row && strlen(t->name) < sizeof q->ceiling[0].target;
    if (err_is(&q->ir.err) || row->user || !fits || q->nceiling == API_CEILINGS) return mac;
    strcpy(q->ceiling[q->nceiling].row, row->row->name);
    strcpy(q->ceiling[q->nceiling].target, t->name);
    q->ceiling[q->nceiling++].mac = mac;
    return mac;
}

static bool add_ceiling(struct qj_ctx *q, const struct artifact *a, qj_timing *out)
{
    const struct target *t = q->target;
    if (!t || strcmp(t->name, a->target))
        t = target_parse(&q->ir, a->target, strlen(a->target), (struct span){0});
    const struct intrin *row = t ? measure_row(t, a->steps, a->narg > 0 && a->arg[0].dt == DT_F32) : NULL;
    if (!row || out->ghz <= 0) return t != NULL;
    out->ceiling = ceiling_of(q, t, row);
    snprintf(out->row, sizeof out->row, "%s", row->row->name);
    return !err_is(&q->ir.err);
}

static void summarise(const struct measured *m, double ghz, const struct qj_kernel *k, qj_timing *t)
{
    enum { NOISY_PERCENT = 15 };
    int64_t macs = k->artifact->a->macs;
    *t = (qj_timing){.best_ms = m->best_ms, .median_ms = m->median_ms, .windows = m->windows, .calls = m->calls,
                     .ghz = ghz, .macs = macs, .threads = k->gpu ? cuda_facts(cuda_of(k->gpu))->processors : jit_is_parallel(k->code) ? qjrt_threads() : 1};
    t->spread = (m->p90_ms - m->best_ms) / m->best_ms;
    t->noisy = t->spread * 100 > NOISY_PERCENT;
    t->gmacs = (double)macs / (m->best_ms * 1e6);
    t->mac_per_cycle = ghz > 0 ? t->gmacs / ghz : 0;
}

/* On a GPU: the tensors copied there first, the time by its own clock, which is that of its description. */
static bool time_device(struct qj_ctx *q, struct timing_job *j)
{
    char why[256] = "";
    struct why w = {why, sizeof why};
    struct bound b;
    struct measured m;
    qj_tensor **there = ARENA_ARRAY(&q->ir.arena, qj_tensor *, j->nargs + 1);
    defer(&q->ir.defers, free_tensors, there);
    for (int i = 0; i < j->nargs; i++)
        if (!(there[i] = device_copy(cuda_of(j->k->gpu), j->args[i], &w)))
            return err_set(&q->ir.err, ERR_DEVICE, (struct span){0}, "%s", why);
    bool ok = kernel_bind(&b, j->k, there, j->nargs, NULL, &w);
    ok = ok && device_measure(j->k->gpu, j->k->artifact->a, b.arg, j->budget_ms, &q->ir.limits, &m, &w);
    kernel_unbind(&b);
    arena_poll(&q->ir.arena);
    if (!ok) return err_set(&q->ir.err, ERR_DEVICE, (struct span){0}, "%s", why);
    const struct cuda_facts *f = cuda_facts(cuda_of(j->k->gpu));
    summarise(&m, (double)f->clock_khz * 1e-6, j->k, &j->t);
    return true;
}

static bool body_time(struct qj_ctx *q, void *u)
{
    struct timing_job *j = u;
    char why[256] = "";
    struct why w = {why, sizeof why};
    struct bound b;
    if (!j->k) return missing(q, "the kernel");
    if (!j->args) {
        j->args = random_args(q, j->k->artifact);
        j->nargs = j->k->artifact->ncall;
        if (!j->args) return false;
    }
    if (j->budget_ms <= 0) j->budget_ms = 300;
    if (j->k->gpu) return time_device(q, j);
    if (!kernel_bind(&b, j->k, j->args, j->nargs, NULL, &w))
        return err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0}, "%s", why);
    struct repeated r = {j->k->entry_call, b.arg, 0};
    double before = measure_ghz(); /* no arena is touched until all is unbound: nothing can jump past it */
    struct measured m = measure(call_once, &r, j->budget_ms, &q->ir.limits);
    double after = measure_ghz();
    kernel_unbind(&b);
    arena_poll(&q->ir.arena);
    if (r.rc) return err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0}, "the kernel returned %d", r.rc);
    summarise(&m, before > after ? before : after, j->k, &j->t);
    return add_ceiling(q, j->k->artifact->a, &j->t);
}

bool qj_time(qj_ctx *q, const qj_kernel *k, qj_tensor *const *args, int nargs, double budget_ms, qj_timing *out)
{
    struct timing_job j = {.k = k, .args = args, .nargs = nargs, .budget_ms = budget_ms};
    bool ok = api_run(q, API_SCRATCH, body_time, &j);
    if (ok && out) {
        size_t size = out->size < sizeof j.t ? out->size : sizeof j.t;
        j.t.size = size;
        if (size > sizeof j.t.size) memcpy(out, &j.t, size);
    }
    return ok;
}

/* ---- reading the code ---- */

struct reading { const qj_kernel *k; qj_listing *out; };

static bool body_disassemble(struct qj_ctx *q, void *u)
{
    struct reading *r = u;
    if (!r->k) return missing(q, "the kernel");
    const struct artifact *a = r->k->artifact->a;
    if (r->k->gpu) {
        err_set(&q->ir.err, ERR_UNSUPPORTED, (struct span){0}, "the code of %s is the GPU driver's", a->name);
        return err_hint(&q->ir.err, "compile the PTX to read it"), false;
    }
    r->out = disasm(&q->ir.err, r->k->code, a->triple, a->cpu, a->features);
    return r->out != NULL;
}

qj_listing *qj_disassemble(qj_ctx *q, const qj_kernel *k)
{
    struct reading r = {k, NULL};
    return api_run(q, API_SCRATCH, body_disassemble, &r) ? r.out : NULL;
}

void qj_listing_free(qj_listing *l) { disasm_free(l); }
