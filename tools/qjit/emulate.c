/* SPDX-License-Identifier: Apache-2.0 */
/* emulate.c - `check emulate`: the object that `emit` would write, called in an emulator (tools/emu) on the data of
 * runtime/check.c. All patterns of data are calls of one program there. */
#include <stdlib.h>

#include "runtime/api.h"
#include "runtime/check.h"
#include "tools/emu/emu.h"
#include "tools/qjit/session.h"

enum { MAX_BUFFERS = 128 };

struct emulation {
    const struct qj_artifact *a;
    qj_check_report *r;
    struct emu *e;
    bool ran;
};

static const struct span nowhere;

/* The buffers are the call's arguments, then what the pack function makes for the main one. */
static bool queue(void *u, struct ir_ctx *c, void *const *physical)
{
    struct emulation *m = u;
    const struct artifact *a = m->a->a;
    struct emu_buffer buffer[MAX_BUFFERS] = {0};
    int arg[MAX_BUFFERS], pack[MAX_BUFFERS], n = m->a->ncall;
    for (int i = 0; i < m->a->ncall; i++) {
        const struct artifact_arg *g = artifact_call_arg(m->a, i);
        bool output = g->role == ARG_OUTPUT;
        buffer[i] = (struct emu_buffer){.bytes = g->bytes, .before = output ? NULL : physical[i], .got = output};
        if (m->a->call[i].main >= 0) arg[m->a->call[i].main] = i;
        if (m->a->call[i].pack >= 0) pack[m->a->call[i].pack] = i;
    }
    for (int i = 0; i < a->narg; i++) {
        if (m->a->from_pack[i] < 0) continue;
        buffer[n].bytes = a->arg[i].bytes;
        arg[i] = pack[m->a->from_pack[i]] = n++;
    }
    emu_add(m->e, a, a->name, n, buffer, arg, pack);
    return true;
}

/* What it printed last says most. */
static bool failed(struct ir_ctx *c, const struct emulation *m, int bad, char *log)
{
    size_t n = strlen(log);
    while (n && log[n - 1] == '\n') log[--n] = 0;
    const char *last = strrchr(log, '\n');
    last = last ? last + 1 : log;
    if (bad > 0) return err_set(&c->err, ERR_MISMATCH, nowhere, "%s in an emulator: %s", m->a->a->name, last);
    err_set(&c->err, ERR_NO_HOST, nowhere, "%s cannot be emulated: %s", m->a->a->name, last);
    err_hint(&c->err, "it takes room in $TMPDIR, a linker, and as many seconds as $QJIT_EMU_SECONDS allows");
    return false;
}

static bool run(struct emulation *m, struct ir_ctx *c)
{
    char *log = NULL;
    size_t n;
    FILE *f = open_memstream(&log, &n);
    if (!f) return err_set(&c->err, ERR_MEMORY, nowhere, "no memory for what an emulator says");
    int bad = emu_run(m->e, f);
    fclose(f);
    m->ran = true;
    bool ok = bad == 0 || failed(c, m, bad, log);
    free(log);
    return ok;
}

static bool fetch(void *u, struct ir_ctx *c, int call, void *const *physical)
{
    struct emulation *m = u;
    if (!m->ran && !run(m, c)) return false;
    for (int i = 0; i < m->a->ncall; i++) {
        const struct artifact_arg *g = artifact_call_arg(m->a, i);
        if (g->role != ARG_OUTPUT) continue;
        const void *got = emu_got(m->e, call, i);
        if (!got) return err_set(&c->err, ERR_NO_HOST, nowhere, "%s cannot be emulated: an output was lost", m->a->a->name);
        memcpy(physical[i], got, (size_t)g->bytes);
    }
    return true;
}

static const struct emu_machine *machine_for(struct ir_ctx *c, const struct target *t)
{
    const char *package;
    const struct emu_machine *m = emu_machine_of(t);
    if (!m) {
        err_set(&c->err, ERR_NO_HOST, nowhere, "no emulator has what %s needs", t->name);
        if (t->family->kind == TARGET_SIMT)
            err_hint(&c->err, "plain `check` asks CUDA's driver, or the library that $QJIT_CUDA_DRIVER names in its place");
        else err_hint(&c->err, "there are emulators for aarch64, and for x86-64-v4 with avx512vnni or avxvnni");
        return NULL;
    }
    const char *missing = emu_missing(m, &package);
    if (!missing) return m;
    err_set(&c->err, ERR_NO_HOST, nowhere, "an emulator for %s needs %s, which is not here", t->name, missing);
    err_hint(&c->err, "apt-get install %s", package);
    return NULL;
}

static bool body_open(struct qj_ctx *q, void *u)
{
    struct emulation *m = u;
    const struct target *t = api_target(q);
    const struct emu_machine *machine = t ? machine_for(&q->ir, t) : NULL;
    if (!machine) return false;
    m->e = emu_new(machine);
    return m->e || err_set(&q->ir.err, ERR_MEMORY, nowhere, "no memory for an emulator's calls");
}

static bool body_check(struct qj_ctx *q, void *u)
{
    struct emulation *m = u;
    if (m->a->a->narg + m->a->a->npack > MAX_BUFFERS)
        return err_set(&q->ir.err, ERR_TOO_LARGE, nowhere, "%s has more arguments than are emulated", m->a->a->name);
    return check_elsewhere(&q->ir, m->a, &(struct check_place){queue, fetch, m}, m->r);
}

bool session_emulate(struct session *s, qj_check_report *r)
{
    struct emulation m = {.r = r};
    qj_artifact *a = NULL;
    bool ok = api_run(s->q, API_SCRATCH, body_open, &m);
    if (ok) m.a = a = qj_compile(s->q, QJ_OBJ);
    ok = a && api_run(s->q, API_SCRATCH, body_check, &m);
    emu_free(m.e);
    qj_artifact_free(a);
    return ok;
}
