/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - compiling in another process, for hosts that must outlive LLVM.
 *
 * LLVM ends its process when memory runs out and when it cannot select an instruction, and inline assembly can keep it
 * busy for ever. With qj_options.isolate the context's request (request.h) goes to a process of its own, `qjit worker`,
 * over a socket, and an artifact as bytes (store.h) comes back. Nothing that comes back is trusted.
 *
 *     host --posix_spawn--> server --fork--> compiler        one compiler a request: it inherits LLVM made ready, is
 *          <---- socket --->       <- pipe --                 limited, and whatever becomes of it the server says so
 *
 * The server is kept for the next compile, and replaced when it is gone or does not answer. A context has its own, made
 * when first needed; it ends when the context does, or the host. Cancelling and deadlines end it at once.
 */
#ifndef QJ_RUNTIME_WORKER_H
#define QJ_RUNTIME_WORKER_H

#include "runtime/api.h"
#include "runtime/kernel.h"

/* On the socket, in this machine's byte order: a head and so many bytes. */
struct worker_ask {
    char magic[8];
    uint64_t size;                      /* of the request's text */
    uint64_t memory, ms, allow_asm;     /* limits of the compiler */
};
struct worker_reply { char magic[8]; uint64_t kind, size; };
enum worker_kind {
    WORKER_ARTIFACT,    /* store.h's bytes */
    WORKER_ERROR,       /* an error value */
    WORKER_DIED,        /* a wait status, as an int */
    WORKER_LATE,        /* nothing: it was ended */
    WORKER_KINDS
};
/* Before the text of a request for an object of several versions: such a line with a target and its steps, for each. */
#define WORKER_VERSION "version "
#define WORKER_ASK "qjitask1"
#define WORKER_REPLY "qjitans1"
enum { WORKER_ASK_MAX = 64 << 20, WORKER_REPLY_MAX = 256 << 20 };
static const int64_t WORKER_MS_MAX = INT64_C(1000) * 3600 * 24 * 365; /* longer is as good as for ever */

/* In the host, inside a body. As compile_here, or with n schedules as compile_versions_here; further errors: ERR_WORKER. */
struct qj_artifact *worker_compile(struct qj_ctx *q, qj_format format, int n, const struct lowered *const *l);
/* Ends it and waits for that. NULL is fine. */
struct worker;
void worker_stop(struct worker *w);

/* In the compiler: the reply to a request, malloc'ed. False: no memory. */
bool worker_answer(const char *text, bool allow_asm, enum worker_kind *kind, void **bytes, size_t *n);

#endif
