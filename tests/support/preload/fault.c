/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - to be preloaded into `qjit worker`: makes a compiler process fail at its k-th allocation. What to do and k
 * come from the file $QJ_FAULT, read as the compiler is forked: "abort 17". */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma GCC visibility push(default)

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static char what[16];
static long left;    /* 0: nothing happens */

static void arm(void)
{
    const char *path = getenv("QJ_FAULT");
    FILE *f = path ? fopen(path, "r") : NULL;
    long k = 0;
    if (f && fscanf(f, "%15s %ld", what, &k) != 2) k = 0;
    if (f) fclose(f);
    left = k;
}

__attribute__((constructor)) static void begin(void) { pthread_atfork(NULL, NULL, arm); }

static int fails(void)
{
    if (left == 0 || --left > 0) return 0;
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "exit")) _exit(0);
    if (!strcmp(what, "exit3")) _exit(3);
    if (!strcmp(what, "segv")) raise(SIGSEGV);
    while (!strcmp(what, "hang")) pause();
    if (!strcmp(what, "fork") && fork() == 0) /* something that would outlive its process and group */
        for (setsid();;) pause();
    if (!strcmp(what, "kill")) kill(getppid(), SIGKILL);
    if (!strcmp(what, "fork") || !strcmp(what, "kill")) return 0;
    if (!strcmp(what, "sticky")) left = 1;
    return 1;    /* "once" */
}

void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }
