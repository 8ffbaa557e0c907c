/* SPDX-License-Identifier: Apache-2.0 */
/* worker_answer.c - a request compiled, as the compiler process does it. Contract in worker.h. */
#include "runtime/worker.h"

#include <stdlib.h>

#include "runtime/compile.h"
#include "runtime/request.h"
#include "runtime/store.h"
#include "runtime/worker_error.h"

struct answering { const char *text; void **bytes; size_t *n; };

static bool body_answer(struct qj_ctx *q, void *u)
{
    struct answering *a = u;
    qj_format format;
    if (!request_read(q, a->text, &format)) return false;
    struct qj_artifact *w = compile_here(q, format);
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
