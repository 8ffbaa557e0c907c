/* SPDX-License-Identifier: Apache-2.0 */
/* template.h - programs that write schedules: given a sum of products and a target, the steps that make it fast.
 *
 * A template turns a contraction into candidates (an instruction and a choice of every knob), each with the
 * cycles an analytic model expects of it; the best one that all its steps accept is taken. What it leaves in
 * the schedule are ordinary steps, to be printed, edited and undone.
 *
 *     template                       every sum of products without steps, by the first template that fits
 *     template conv2d mr=4 nr=16     this template, with some of its knobs fixed
 */
#ifndef QJ_SCHEDULE_TEMPLATES_TEMPLATE_H
#define QJ_SCHEDULE_TEMPLATES_TEMPLATE_H

#include "schedule/explain.h"
#include "schedule/templates/chain.h"

/* What a candidate chooses. 0: not used by the template. */
struct choice {
    const struct intrin *row;       /* the instruction; NULL: plain loops */
    int mr, nr;                     /* register tile: pixels by channels */
    int taken;                      /* terms of a pixel held in registers at once; 0: an instruction's own */
    int rows;                       /* extent of the block axis whose activations are converted together; GPUs: threads of a
                                       block along pixels */
    int cols, step;                 /* GPUs: threads along channels; channels fetched at a time */
    bool async;                     /* GPUs: fetched by copies that threads do not wait for */
    int outer;                      /* parallel loop: 0 blocks of pixels, 1 panels of channels */
    int tile;                       /* Winograd's output tile; 0: direct */
    int offset;                     /* added to the activations for the instruction's sake: 0, 128, -128 */
    struct chain_plan chain;        /* weights capped as they are packed, for row; rest NULL: not */
    double cycles;                  /* the model's estimate */
};

enum { TMPL_MAX_CANDIDATES = 512, TMPL_PER_ROW = 8 };    /* the best few of each instruction */
/* Candidates in a list that the template fills; `fixed` has the knobs that the user gave (0 and NULL: free). */
struct candidates {
    struct choice fixed;
    int n;
    struct choice at[TMPL_MAX_CANDIDATES];
    struct explained *why;          /* for explain: a row for every instruction passed over; or NULL */
};

struct tmpl {
    const char *name, *help;
    /* By shape alone; false: *why is the first condition that fails. */
    bool (*fits)(const struct contraction *k, const char **why);
    /* All that seem legal on the target, unordered. */
    void (*candidates)(const struct contraction *k, struct candidates *out);
    void (*steps)(const struct contraction *k, const struct choice *c, struct str *out);
    enum target_kind kind;
};
extern const struct tmpl tmpl_stem, tmpl_depthwise, tmpl_conv2d, tmpl_dense, tmpl_plain, tmpl_gpu;

/* The `template` statement: arguments as a step's. All or nothing; errors ERR_TEMPLATE. */
bool tmpl_apply(struct sched *s, const struct step_arg *arg, int narg, struct span at);
/* For explain: for every sum of products without steps, which templates fit and what they would choose. */
void tmpl_explain(struct sched *s, struct explained *out);
/* Would `template stage=STAGE row=ROW` do? Tried, and taken back: s and the context's error are as before. */
bool tmpl_takes(struct sched *s, const char *stage, const struct intrin *row);

/* ---- for templates ---- */

bool cand_add(struct candidates *to, struct choice c);     /* false: not among the fixed knobs */
/* A name for a new stage that is not taken: BASE, BASE2 ... */
const char *tmpl_fresh(const struct contraction *k, const char *base);
/* Where the output's rows of pixels lie along memory, a register tile mr x nr (of axes `tile` and `channel` of k->data) is turned
 * as it is stored: so many of its channels at a time; 0: it need not be. The loops of the last stage, within those of its tiles; and
 * those of stage `name`, which computes the tile. */
int tmpl_turn(const struct contraction *k, int tile, int mr, int nr);
void tmpl_turn_loops(const struct contraction *k, int tile, int channel, int turn, struct str *out);
void tmpl_turn_tile(const struct contraction *k, int tile, int channel, const char *name, struct str *out);
/* 8 bits of the other sign: what moves x there. 0: nothing does. */
int tmpl_offset(const struct tensor *x, enum dtype to);
/* The steps of k's side sums, within `at` of the last stage (NULL: before it). channels_lie: as neighbours in memory. */
void tmpl_sides(const struct contraction *k, const char *at, bool channels_lie, struct str *out);

#endif
