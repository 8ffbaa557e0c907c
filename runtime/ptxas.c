/* SPDX-License-Identifier: Apache-2.0 */
/* ptxas.c - contract in ptxas.h. What it prints is read by its words; what is not understood is not there. */
#include "runtime/ptxas.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "runtime/process.h"

enum { MOST_MS = 60000 };
static const char standard[] = "/usr/local/cuda/bin/ptxas";

/* ---- a run ---- */

struct run {
    struct ir_ctx *c;
    struct process p;
    enum ran how;
};

static void free_run(void *u) { process_free(&((struct run *)u)->p); }

static void run_program(struct run *r, const char *program, const char *const *arg, const char *ptx)
{
    process_free(&r->p);
    r->p = (struct process){.program = program, .arg = arg, .in = ptx, .nin = ptx ? strlen(ptx) : 0, .ms = MOST_MS};
    r->how = process_run(&r->p, &r->c->limits);
    arena_poll(&r->c->arena); /* it was stopped for that */
}

/* The first that can be started; NULL: there is none, and none was asked for. */
static const char *run_ptxas(struct run *r, const char *const *arg, const char *ptx)
{
    bool secure = getauxval(AT_SECURE) != 0;
    const char *given = secure_getenv("QJIT_PTXAS"), *program = given ? given : secure ? standard : "ptxas";
    if (!*program) return NULL;
    run_program(r, program, arg, ptx);
    if (given || secure || r->how != RAN_NOT) return given || r->how != RAN_NOT ? program : NULL;
    run_program(r, standard, arg, ptx);
    return r->how == RAN_NOT ? NULL : standard;
}

/* What went wrong: its first line of trouble. */
static const char *trouble(struct run *r, const char *program)
{
    struct arena *a = &r->c->arena;
    char text[128];
    if (r->how == RAN_NOT) return arena_printf(a, "%s cannot be run: %s", program, strerror_r(r->p.error, text, sizeof text));
    if (r->how == RAN_LATE) return arena_printf(a, "%s was ended: more than a minute, or too much output", program);
    const char *err = r->p.err ? r->p.err : "", *at = strstr(err, "error");
    if (!at) at = strstr(err, "fatal");
    while (at && at > err && at[-1] != '\n') at--;
    if (!at) at = err;
    if (!*at) return arena_printf(a, "%s failed without a word", program);
    return arena_printf(a, "%s: %.*s", program, (int)i64_min((int64_t)strcspn(at, "\n"), 400), at);
}

/* ---- what it says of each kernel ---- */

/* The number before `word` in a line, or -1. */
static int64_t number_before(const char *line, const char *word)
{
    size_t n = strcspn(line, "\n"), len = strlen(word);
    for (size_t i = 1; i + len <= n; i++) {
        if (memcmp(line + i, word, len)) continue;
        size_t from = i;
        while (from > 0 && line[from - 1] >= '0' && line[from - 1] <= '9') from--;
        if (from < i && i - from < 12) return atoll(line + from);
    }
    return -1;
}

static struct artifact_kernel *kernel_named(struct artifact *a, const char *name, size_t n)
{
    for (int i = 0; i < a->nkernel; i++)
        if (strlen(a->kernel[i].name) == n && !memcmp(a->kernel[i].name, name, n)) return &a->kernel[i];
    return NULL;
}

/* "... Compiling entry function 'NAME' for 'sm_80'", then lines about it. */
static void read_report(struct artifact *a, const char *text)
{
    static const char entry[] = "Compiling entry function '";
    struct artifact_kernel *k = NULL;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *end = line + strcspn(line, "\n"), *at = strstr(line, entry);
        if (at && at < end) {
            at += sizeof entry - 1;
            k = kernel_named(a, at, strcspn(at, "'\n"));
        }
        if (!k) continue;
        int64_t regs = number_before(line, " registers"), stack = number_before(line, " bytes stack frame");
        if (regs >= 0) k->registers = regs;
        if (stack < 0) continue;
        k->stack = stack;
        k->spill_stores = i64_max(number_before(line, " bytes spill stores"), 0);
        k->spill_loads = i64_max(number_before(line, " bytes spill loads"), 0);
    }
}

/* "Cuda compilation tools, release 13.0, V13.0.88" */
static char *version_in(const char *text)
{
    const char *at = strstr(text, ", V");
    size_t n = at ? strspn(at + 3, "0123456789.") : 0;
    return n ? strndup(at + 3, n) : strdup("unknown");
}

static bool note_spills(struct artifact *a)
{
    char text[320];
    for (int i = 0; i < a->nkernel; i++) {
        const struct artifact_kernel *k = &a->kernel[i];
        if (k->pack || k->spill_stores + k->spill_loads == 0) continue;
        snprintf(text, sizeof text, "%s does not fit into %lld registers a thread: %lld bytes of stores and %lld of loads spill to local "
                 "memory, by ptxas: a smaller tile a thread needs fewer", k->name, (long long)k->registers,
                 (long long)k->spill_stores, (long long)k->spill_loads);
        if (!artifact_note(a, &(struct note){"spills", k->name, text})) return false;
    }
    return true;
}

static void describe(struct run *r, struct artifact *a, const char *program)
{
    static const char *const ask[] = {"ptxas", "--version", NULL};
    read_report(a, r->p.err);
    run_program(r, program, ask, NULL);
    a->ptxas = version_in(r->how == RAN_WELL ? r->p.out : "");
    if (!a->ptxas || !note_spills(a)) err_set(&r->c->err, ERR_MEMORY, (struct span){0}, "no memory for what ptxas says");
}

/* ---- the two doors ---- */

static struct run *new_run(struct ir_ctx *c)
{
    struct run *r = ARENA_NEW(&c->arena, struct run);
    *r = (struct run){.c = c};
    defer(&c->defers, free_run, r);
    return r;
}

static const char *assemble(struct run *r, const struct artifact *a)
{
    const char *arch = arena_printf(&r->c->arena, "-arch=%s", a->cpu);
    const char *const word[] = {"ptxas", arch, "-v", "/dev/stdin", "-o", "/dev/stdout", NULL};
    return run_ptxas(r, word, a->bytes);
}

/* Its ptxas is newer than this GPU, or older: no fault of anybody's. */
static bool knows_no_such(const struct run *r) { return r->how == RAN_BADLY && r->p.err && strstr(r->p.err, "gpu-name"); }

const char *ptxas_describe(struct ir_ctx *c, struct artifact *a)
{
    int keep = c->defers.n;
    struct run *r = new_run(c);
    const char *program = assemble(r, a), *text = NULL;
    if (program && r->how == RAN_WELL) describe(r, a, program);
    else if (program && !knows_no_such(r)) text = trouble(r, program);
    defer_run(&c->defers, keep);
    return text;
}

bool ptxas_assemble(struct ir_ctx *c, struct artifact *a)
{
    int keep = c->defers.n;
    struct run *r = new_run(c);
    const char *program = assemble(r, a);
    if (!program) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0}, "a .cubin is what NVIDIA's ptxas makes of PTX, and there is none on $PATH or in /usr/local/cuda/bin");
        err_hint(&c->err, "emit FILE.ptx, which every driver takes; or name a ptxas in $QJIT_PTXAS");
    } else if (r->how != RAN_WELL || r->p.nout == 0) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0}, "no .cubin of %s for %s: %s", a->name, a->cpu, trouble(r, program));
        err_hint(&c->err, "emit FILE.ptx, which every driver takes; or another target, or another ptxas in $QJIT_PTXAS");
    } else {
        free(a->bytes);
        a->bytes = r->p.out;
        a->size = r->p.nout;
        a->kind = CG_CUBIN;
        r->p.out = NULL;
        describe(r, a, program);
    }
    defer_run(&c->defers, keep);
    return !err_is(&c->err);
}
