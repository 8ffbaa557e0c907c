/* SPDX-License-Identifier: Apache-2.0 */
/* sched.h - a schedule: a tensor program plus a list of steps. Record, then lower once.
 *
 * A step is checked, recorded, and the whole list is lowered at once to see that it works; a refused step
 * leaves the schedule as it was, with an error in ctx->err that shows the loop nest. Undo, replay, text and
 * the tuner's log are all the one step list.
 *
 *     struct sched *s = sch_new(c, prog, target);
 *     sch_text_steps(s, "split Out.o 16 -> oo oi; vectorize Out.oi");
 *     const struct lowered *l = sch_lower(s);
 */
#ifndef QJ_SCHEDULE_SCHED_H
#define QJ_SCHEDULE_SCHED_H

#include "ir/parse.h"
#include "schedule/lower.h"

enum prim {
#define PRIM(code, name, syntax, help, before, after) PRIM_##code,
#include "schedule/prims.def"
#undef PRIM
    PRIM_COUNT
};
struct prim_info { const char *name, *syntax, *help, *before, *after; };
extern const struct prim_info prim_info[PRIM_COUNT];
bool prim_by_name(const char *s, size_t n, enum prim *out);

enum { STEP_MAX_ARGS = 16, STEP_MAX_OUT = 8 };
struct step_arg {
    const char *key;        /* "tail" in tail=peel; NULL: positional */
    const char *word;       /* a name, "Out.o", "blockIdx.x", "NCHW16c"; NULL: a number */
    int64_t i;
    struct span span;
};
struct step {
    enum prim prim;
    int narg, nout;
    struct step_arg arg[STEP_MAX_ARGS];
    const char *out[STEP_MAX_OUT];      /* names after -> */
    struct span span;
};

struct sched;
struct sched *sch_new(struct ir_ctx *c, const struct program *p, const struct target *t);
/* A schedule of (perhaps another program and) another target with the same steps; NULL: error. What `template` chose is
 * known as such, unless there are other tensors now. */
struct sched *sch_replay(struct ir_ctx *c, const struct sched *from, const struct program *p, const struct target *t);

/* The same program for another target: given steps are the same, what `template` chose is chosen anew. NULL: error. */
struct sched *sch_retarget(struct ir_ctx *c, const struct sched *from, const struct target *t);

bool sch_apply(struct sched *s, const struct step *st);
/* The `template` statement, described as primitives are, and the words it takes: templates, then knobs, written
 * KNOB=VALUE; NULL after the last. */
extern const struct prim_info sch_template;
const char *sch_template_word(int i, bool *is_knob);
/* Does a statement that starts with this word belong here: a primitive, or `template`? */
bool sch_is_step(const char *word, size_t n);
/* One step statement at the lexer, to its end: parse and apply; `template` applies the steps it chooses. */
bool sch_step_parse(struct sched *s, struct lexer *lx);
bool sch_text_steps(struct sched *s, const char *text);     /* any number of them */
/* Primitives alone, all or none, and lowered once at the end: for programs that write steps. */
bool sch_text_whole(struct sched *s, const char *text);
/* Takes the last step back, with all that the context's arena was given since the one before. ERR_NOTHING_TO_UNDO */
bool sch_undo(struct sched *s);

/* What the handle holds, to go back to after a failed call: restore, then ir_reset to a mark of the same time. */
struct sched_save { _Alignas(16) unsigned char bytes[160]; };
void sch_save(const struct sched *s, struct sched_save *out);
void sch_restore(struct sched *s, const struct sched_save *from);

int sch_nsteps(const struct sched *s);
const struct step *sch_step_at(const struct sched *s, int i);
const char *sch_text(struct arena *a, const struct sched *s);            /* all steps, a line each, replayable */
void sch_print_step(struct str *out, const struct step *st);
/* Which steps `template` chose and by which words, a line each that begins with #: what sch_retarget goes by besides. */
const char *sch_chosen_text(struct arena *a, const struct sched *s);
const struct program *sch_program(const struct sched *s);
const struct target *sch_target(const struct sched *s);

/* What `template` chose in other schedules, for whoever keeps it. Its steps are taken without lowering each, and believed
 * when they are lowered, at first need (until then texts show them as they are remembered): those that are refused are
 * forgotten, and chosen anew. */
struct sch_memory {
    void *u;
    /* The steps that these words of the statement chose, a line each; NULL: not known. *key: what they are kept under,
     * in the context's arena; NULL: they are not kept. */
    const char *(*find)(void *u, const struct sched *s, const char *words, const char **key);
    void (*keep)(void *u, const char *key, const char *steps);
    void (*forget)(void *u, const char *key);
};
void sch_remember(struct sched *s, const struct sch_memory *m);
bool sch_is_recalled(const struct sched *s);    /* some steps come from there and were not lowered yet */
bool sch_settle(struct sched *s);               /* they are now, or were chosen anew; false: error */

/* The loop nests; cached until the next step. NULL: error. */
const struct lowered *sch_lower(struct sched *s);

/* Names, for completion: stages in order; the loops of a stage as they are now, outermost first. */
int sch_nstages(const struct sched *s);
const char *sch_stage_name(const struct sched *s, int stage);
int sch_naxes(const struct sched *s, int stage);
const char *sch_axis_name(const struct sched *s, int stage, int axis);

#endif
