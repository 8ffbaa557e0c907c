/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - programs as children, with nothing of the host's but three descriptors: no shell, no signal of a terminal, a
 * process group of their own.
 *
 *     struct process p = {.program = "ptxas", .arg = (const char *const[]){"ptxas", "--version", NULL}, .ms = 2000};
 *     enum ran how = process_run(&p, &q->ir.limits);
 *     ... if (how == RAN_WELL) p.out, p.nout ...
 *     process_free(&p);
 */
#ifndef QJ_RUNTIME_PROCESS_H
#define QJ_RUNTIME_PROCESS_H

#include <sys/types.h>

#include "ir/base/limits.h"

/* Starts it, found on $PATH if the name has no slash. file[i], which must be 3 or more, becomes its descriptor i; -1: the
 * null device. 0, or an errno. */
int process_spawn(const char *program, const char *const *arg, const int file[3], pid_t *pid);

enum ran {
    RAN_WELL,       /* exit 0 */
    RAN_BADLY,      /* another exit, or a signal */
    RAN_LATE,       /* it took longer, or wrote more, than it may: ended */
    RAN_STOPPED,    /* the call was cancelled, or its deadline is over: ended */
    RAN_NOT         /* it could not be started: `error` says why */
};
struct process {
    const char *program;
    const char *const *arg;         /* arg[0] is its name; ends with NULL */
    const void *in;                 /* its standard input, a file that can be read from the beginning again */
    size_t nin;
    int64_t ms;                     /* by the clock */
    /* of a run: */
    char *out, *err;                /* what it wrote, malloc'd and NUL-terminated */
    size_t nout, nerr;
    int error;                      /* an errno */
};
/* Runs it to its end. All three descriptors are files in memory: nothing is left on a disk, whatever happens. */
enum ran process_run(struct process *p, const struct limits *limits);
void process_free(struct process *p);

#endif
