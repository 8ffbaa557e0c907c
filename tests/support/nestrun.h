/* SPDX-License-Identifier: Apache-2.0 */
/* nestrun.h - loop nests written as text, through the passes and LLVM, against interp. For cmocka tests.
 *
 *     nestrun_open();
 *     nest_check("func f(arg A[16] : i8, out O[16] : i8) { vectorized i in 0..16 { O[i] = A[i] + 1 } }");
 *
 * Arguments get hard random data that end at an unreadable page. interp runs the nest as it is and after each
 * pass; the object is linked and run for every target this machine has, the others in an emulator at the end, PTX of a GPU
 * (nest_check_on) by tests/emu/ptx. All must agree bit for bit. */
#ifndef QJ_TESTS_SUPPORT_NESTRUN_H
#define QJ_TESTS_SUPPORT_NESTRUN_H

#include "tests/support/ptxrun.h"

struct nestrun {
    struct ir_ctx c;
    uint64_t state;             /* of the random numbers */
    bool use_pool;              /* a pool that runs iterations backwards; else all at once */
    int64_t touched;            /* of the last workspace: how much, up to the last byte changed */
    char notes[4096];           /* of the last compile */
    struct ptx_counts ptx;      /* what kernels did */
    bool emulate;               /* also what this machine can run */
    struct nest_waiting {       /* calls that wait for an emulator, by machine */
        const struct emu_machine *machine;
        struct emu *emu;
    } waiting[8];
};
extern struct nestrun nr;

int nestrun_open(void **unused);        /* cmocka's set-up and teardown */
int nestrun_close(void **unused);
void nest_emulated(void **unused);      /* the last test: runs what waits for emulators */
void nest_no_error(void);               /* fails with the message when an error is set */
const struct target *nest_target(const char *name);
const struct func *nest_parse(const char *text, const struct target *t);
const struct lowered *nest_lowered(const struct func *f, const struct target *t);
struct artifact *nest_compile(const char *text, const char *cpu, enum cg_kind kind);
/* The text of the nest after all passes. */
const char *nest_passes(const char *text, const char *cpu);
void nest_check_on(const char *text, const struct target *t);
void nest_check(const char *text);
extern const char *const nest_cpus[];   /* NULL-terminated */
extern const struct cg_options nest_options;

#endif
