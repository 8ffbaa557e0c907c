/* SPDX-License-Identifier: Apache-2.0 */
/* api.h - what stands behind qj_ctx, and the one way into it.
 *
 * Each public function that takes a context hands a body to api_run, which refuses when an error stands, sets
 * the project's only pad for running out of memory or time, frees on every way out what the body left to be freed, and
 * takes a failed call back: definitions, target and schedule are as they were, and so is the arena.
 *
 * Tools that print more than the public header says borrow from here.
 *
 *     static bool body_name(struct qj_ctx *q, void *u) { ... return err_set(&q->ir.err, ...); }
 *     bool qj_name(qj_ctx *q, const char *name) { return api_run(q, API_KEEP, body_name, (void *)name); }
 */
#ifndef QJ_RUNTIME_API_H
#define QJ_RUNTIME_API_H

#include <locale.h>

#include "ir/parse.h"
#include "runtime/cuda.h"
#include "runtime/host.h"
#include "runtime/build.h"
#include "runtime/cache.h"
#include "runtime/jit.h"
#include "runtime/qjit.h"
#include "schedule/sched.h"

enum { API_CEILINGS = 8 };

struct qj_ctx {
    struct ir_ctx ir;
    qj_options opt;
    atomic_bool cancelled;
    locale_t host_locale;               /* the thread's, while a call runs in "C" */
    int depth;                          /* of public calls made by public calls, which share a deadline */
    struct ir_env env;                  /* the definitions */
    const char *name;                   /* of the kernel; NULL: "kernel" */
    const struct target *target;        /* NULL: "native", found when first needed */
    struct sched *sched;                /* NULL: no step yet */
    struct worker *worker;              /* the compiler process; NULL: none yet */
    char *worker_program;               /* opt.worker, ours */
    struct host_list host;              /* functions that it has been given */
    struct cuda *cuda;                  /* NULL: no GPU asked for yet */
    char *cache_dir;                    /* the option's copy; NULL: no cache */
    struct cache *cache;                /* NULL: not opened yet */
    struct sch_memory choices;          /* what `template` chose, kept there */
    char build[BUILD_TEXT];             /* "": not asked yet */
    const char *text;                   /* what the running call was given, for places in it; NULL: no text */
    qj_error shown;                     /* the error as the host sees it */
    char oom[128];                      /* text of an error for which there is no memory */
    struct { char row[64], target[96]; double mac; } ceiling[API_CEILINGS];
    int nceiling;
};

/* KEEP: what the body makes in the arena stays if it succeeds. SCRATCH: nothing stays. */
enum api_kind { API_KEEP, API_SCRATCH };
typedef bool api_body(struct qj_ctx *q, void *u);
bool api_run(struct qj_ctx *q, enum api_kind kind, api_body *body, void *u);
/* Around public calls that are one call to the host: one deadline, one cancel. */
void api_enter(struct qj_ctx *q);
void api_leave(struct qj_ctx *q);

/* Inside a body, or with the pad set by one. NULL: error set. */
const struct target *api_target(struct qj_ctx *q);
struct sched *api_sched(struct qj_ctx *q);          /* made when first needed */
struct cuda *api_cuda(struct qj_ctx *q);
const struct program *api_program(struct qj_ctx *q);
bool api_replay(struct qj_ctx *q);      /* the schedule again: definitions, name or target have changed */
static inline const char *api_kernel_name(const struct qj_ctx *q) { return q->name ? q->name : "kernel"; }

/* Inside a body: what the public functions of these names do. The text of definitions must stay (error spans refer
 * to it). */
bool api_define(struct qj_ctx *q, const char *text);
bool api_name(struct qj_ctx *q, const char *name);
bool api_set_target(struct qj_ctx *q, const char *text);
bool api_intrinsic(struct qj_ctx *q, const struct intrin_row *row);

/* Text that outlives the call; false: error set. */
bool api_strdup(struct qj_ctx *q, const char *text, char **out);
/* A C identifier of at most 64 characters; else ERR_SYNTAX. */
bool api_identifier(struct qj_ctx *q, const char *what, const char *name);

#endif
