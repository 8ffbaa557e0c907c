/* SPDX-License-Identifier: Apache-2.0 */
/* emu.h - kernels for machines this one is not: many in one static program that an emulator runs.
 *
 *     const char *package;
 *     const struct emu_machine *m = emu_machine_of(target);          // NULL: no emulator has what it needs
 *     if (emu_missing(m, &package)) ...                              // not installed here
 *     struct emu *e = emu_new(m);
 *     emu_add(e, artifact, "what is printed if it fails", nbuffer, buffer, arg, pack_arg);
 *     ... more of them, each artifact of another name or the one before again ...
 *     int bad = emu_run(e, stderr);                                  // links one static program, runs it
 *     emu_free(e);
 *
 * Every buffer lies between inaccessible pages, flush with one and then the other. Parallel loops run backwards, an
 * iteration at a time. What is written lies in a directory under $TMPDIR until emu_free. */
#ifndef QJ_TOOLS_EMU_EMU_H
#define QJ_TOOLS_EMU_EMU_H

#include <stdio.h>

#include "codegen/codegen.h"

struct emu_machine;
const struct emu_machine *emu_machine_of(const struct target *t);
/* The first program that it lacks here, and the Debian package that has it; NULL: it is all there. */
const char *emu_missing(const struct emu_machine *m, const char **package);

/* What the C entry points take; data are copied when it is added. */
struct emu_buffer {
    int64_t bytes;
    const void *before;         /* NULL: filled with rubbish */
    const void *after;          /* what must stand there after the call; NULL: anything */
    const void *mask;           /* bytes of `after` that count are not 0; NULL: all */
    bool floats;                /* f32: a nan is a nan */
    bool got;                   /* emu_got gives the bytes after the call */
};

struct emu;
struct emu *emu_new(const struct emu_machine *m);
void emu_free(struct emu *e);
/* Queues a call; arg[i], pack[i]: which buffer is the artifact's i-th argument. An artifact named as the one added last
 * is that one again. At most 128 buffers. */
void emu_add(struct emu *e, const struct artifact *a, const char *label, int nbuffer, const struct emu_buffer *buffer,
             const int *arg, const int *pack);
int emu_queued(const struct emu *e);
/* Runs what is queued. The number of calls that failed, with their labels and reasons in log; -1: it could not be run,
 * and log says why. After it, emu_add begins anew. */
int emu_run(struct emu *e, FILE *log);
/* After emu_run: what stood in a buffer that was to be got; NULL: that call failed. */
const void *emu_got(const struct emu *e, int call, int buffer);
/* Keep the directory, and say where it is. */
void emu_keep(struct emu *e);

#endif
