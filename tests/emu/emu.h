/* SPDX-License-Identifier: Apache-2.0 */
/* emu.h - kernels for machines this one is not: executed by an emulator, compared bit for bit, many at a time.
 *
 *     const struct emu_machine *m = emu_machine_for(target);         // NULL: no emulator for it here
 *     struct emu *e = emu_new(m);
 *     struct artifact *a = emu_compile(e, c, lowered, &options);     // under a name of its own
 *     emu_add(e, a, "what is printed if it fails", nbuffer, buffer, arg, pack_arg);
 *     ... more of them ...
 *     int bad = emu_run(e);                                          // links one static program, runs it
 *     emu_free(e);
 *
 * Every buffer lies between inaccessible pages, flush with one and then the other, where the emulator has page
 * protection. Parallel loops run backwards, an iteration at a time. */
#ifndef QJ_TESTS_EMU_EMU_H
#define QJ_TESTS_EMU_EMU_H

#include "codegen/codegen.h"
#include "tests/support/harness.h"

struct emu_machine;
/* The emulator for a target, where it and its compiler are installed. QJ_EMULATE=0: never. */
const struct emu_machine *emu_machine_for(const struct target *t);

/* What the C entry points take; data are copied when it is added. */
struct emu_buffer {
    int64_t bytes;
    const void *before;         /* NULL: filled with rubbish */
    const void *after;          /* what must stand there after the call; NULL: anything */
    const void *mask;           /* bytes of `after` that count are not 0; NULL: all */
    bool floats;                /* f32: a nan is a nan */
};

struct emu;
struct emu *emu_new(const struct emu_machine *m);
void emu_free(struct emu *e);
/* cg_compile under a name that no other object of the batch has. NULL: c's error. */
struct artifact *emu_compile(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct cg_options *o);
/* Queues a call of the artifact just compiled; arg[i], pack[i]: which buffer is its i-th argument. */
void emu_add(struct emu *e, const struct artifact *a, const char *label, int nbuffer, const struct emu_buffer *buffer,
             const int *arg, const int *pack);
/* Runs what is queued and forgets it. The number of calls that failed, their labels on stderr; -1: could not run. */
int emu_run(struct emu *e);
int emu_queued(const struct emu *e);

/* A lowered schedule against the oracle: compiled and queued. may_refuse as for jit_check. False: it was not compiled. */
bool emu_check(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse);

#endif
