/* SPDX-License-Identifier: Apache-2.0 */
/* tests/emu/emu.h - what tests add to tools/emu: names of their own, the oracle.
 *
 *     const struct emu_machine *m = emu_machine_for(target);         // NULL: no emulator for it here
 *     struct emu *e = emu_new(m);
 *     struct artifact *a = emu_compile(e, c, lowered, &options);     // under a name of its own
 *     emu_add(e, a, "what is printed if it fails", nbuffer, buffer, arg, pack_arg);
 *     int bad = emu_run_here(e);
 *     emu_free(e); */
#ifndef QJ_TESTS_EMU_EMU_H
#define QJ_TESTS_EMU_EMU_H

#include "tests/support/harness.h"
#include "tools/emu/emu.h"

/* The emulator for a target, where it and its compiler are installed. QJ_EMULATE=0: never. */
const struct emu_machine *emu_machine_for(const struct target *t);
/* emu_run with its log on stderr; QJ_KEEP=1 keeps what was run. */
int emu_run_here(struct emu *e);
/* cg_compile under a name that no other object of the batch has. NULL: c's error. */
struct artifact *emu_compile(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct cg_options *o);
/* A lowered schedule against the oracle: compiled and queued. may_refuse as for jit_check. False: it was not compiled. */
bool emu_check(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse);
/* layers.c: a list of int8 layers on each target, then n random ones, under `template` and in the family's emulator; a
 * program's exit status. QJ_N, QJ_SEED. Skipped where there is no emulator. */
struct emu_layers {
    const struct family *family;
    int ntarget;
    const char *const *target;
    uint64_t n;
    const char *every_row;      /* each row that some target has and whose needs hold this must occur in a schedule; NULL: none */
};
int emu_layers(const struct emu_layers *f);

#endif
