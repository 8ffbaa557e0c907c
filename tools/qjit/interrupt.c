/* SPDX-License-Identifier: Apache-2.0 */
/* interrupt.c - Ctrl-C while a statement runs. Contract in interrupt.h. */
#include "tools/qjit/interrupt.h"

#include <time.h>

static void only_sigint(sigset_t *s)
{
    sigemptyset(s);
    sigaddset(s, SIGINT);
}

static void *wait_for_it(void *u)
{
    const struct interrupt *i = u;
    sigset_t set;
    int sig;
    only_sigint(&set);
    while (sigwait(&set, &sig) == 0) qj_cancel(i->q);
    return NULL;
}

void interrupt_begin(struct interrupt *i, qj_ctx *q)
{
    sigset_t set;
    only_sigint(&set);
    i->q = q;
    pthread_sigmask(SIG_BLOCK, &set, &i->before); /* the threads of parallel loops inherit it */
    i->waits = pthread_create(&i->waiter, NULL, wait_for_it, i) == 0;
    if (!i->waits) pthread_sigmask(SIG_SETMASK, &i->before, NULL);
}

void interrupt_end(struct interrupt *i)
{
    if (!i->waits) return;
    sigset_t set;
    only_sigint(&set);
    pthread_cancel(i->waiter);
    pthread_join(i->waiter, NULL);
    while (sigtimedwait(&set, NULL, &(struct timespec){0}) == SIGINT) continue;
    pthread_sigmask(SIG_SETMASK, &i->before, NULL);
    qj_clear_error(i->q);
}
