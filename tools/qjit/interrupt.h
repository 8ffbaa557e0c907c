/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt.h - Ctrl-C ends the statement that runs, not the program.
 *
 * A thread waits for SIGINT and cancels the context's call; there is no handler, and so no state that one would need.
 *
 *     struct interrupt i;
 *     interrupt_begin(&i, q);
 *     ... statements ...
 *     interrupt_end(&i);
 */
#ifndef QJ_TOOLS_QJIT_INTERRUPT_H
#define QJ_TOOLS_QJIT_INTERRUPT_H

#include <pthread.h>
#include <signal.h>

#include "runtime/qjit.h"

struct interrupt {
    qj_ctx *q;
    sigset_t before;
    pthread_t waiter;
    bool waits;         /* else SIGINT ends the program, as it used to */
};

void interrupt_begin(struct interrupt *i, qj_ctx *q);
/* A Ctrl-C that came too late is forgotten. */
void interrupt_end(struct interrupt *i);

#endif
