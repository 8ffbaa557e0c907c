/* SPDX-License-Identifier: Apache-2.0 */
/* worker_answer.c - a request compiled, as the compiler process does it. Contract in worker.h. */
#include "runtime/worker.h"

#include <stdlib.h>

#include "runtime/compile.h"
#include "runtime/request.h"
#include "runtime/store.h"
#include "runtime/worker_error.h"

struct answering { const char *text; void **bytes; size_t *n; };

/* Where the line after this one begins. */
static const char *next_line(const char *at)
{
    at += strcspn(at, "\n");
    return at + (*at == '\n');
}

static bool at_version(const char *at) { return !strncmp(at, WORKER_VERSION, strlen(WORKER_VERSION)); }
static bool at_request(const char *at) { return !*at || *at == '#'; }

/* What is before the request, one after the other. */
static const char *version_end(const char *at)
{
    do at = next_line(at); while (!at_version(at) && !at_request(at));
    return at;
}

static const struct lowered *read_version(struct qj_ctx *q, const char *at)
{
    const char *name = at + strlen(WORKER_VERSION), *steps = next_line(at);
    size_t len = strcspn(name, "\n");
    const struct target *t = compile_version_target(q, name, len);
    struct sched *s = t ? sch_new(&q->ir, api_program(q), t) : NULL;
    bool fine = s && sch_text_whole(s, arena_strndup(&q->ir.arena, steps, (size_t)(version_end(at) - steps)));
    return fine ? sch_lower(s) : NULL;
}

static struct qj_artifact *compile_versions(struct qj_ctx *q, qj_format format, const char *at)
{
    const struct lowered *l[CG_MAX_VERSIONS];
    int n = 0;
    for (; n < CG_MAX_VERSIONS && at_version(at); at = version_end(at))
        if (!(l[n++] = read_version(q, at))) return NULL;
    return compile_versions_here(q, format, n, l);
}

static bool body_answer(struct qj_ctx *q, void *u)
{
    struct answering *a = u;
    qj_format format;
    const char *request = a->text;
    while (at_version(request)) request = version_end(request);
    if (!request_read(q, request, &format)) return false;
    struct qj_artifact *w = request == a->text ? compile_here(q, format) : compile_versions(q, format, a->text);
    return w && store_write(&q->ir.err, w, a->bytes, a->n);
}

bool worker_answer(const char *text, bool allow_asm, enum worker_kind *kind, void **bytes, size_t *n)
{
    qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .allow_asm = allow_asm});
    struct answering a = {text, bytes, n};
    bool ok = q != NULL;
    *kind = WORKER_ARTIFACT;
    if (ok && !api_run(q, API_SCRATCH, body_answer, &a)) {
        *kind = WORKER_ERROR;
        ok = worker_error_write(&q->ir.err.first, bytes, n);
    }
    qj_ctx_free(q);
    return ok;
}
