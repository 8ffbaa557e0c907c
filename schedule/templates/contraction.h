/* SPDX-License-Identifier: Apache-2.0 */
/* contraction.h - a sum of products in a schedule, seen as templates see it: which operand is the activations
 * (x), which the weights (w), what every axis is to them, and which stages follow up to the output.
 *
 *     Acc[n, y, x, o] = sum(r, s, c) i32(P[n, y + r, x + s, c]) * i32(W[o, r, s, c])
 *     Out[n, y, x, o] = requantize(Acc[n, y, x, o] + B[o], ...)
 *
 *     n, y, x: pixels (index x alone)   o: channels (w alone)   r, s, c: summed; c is the group axis
 *
 * Found by access relations alone: order of axes and spelling do not matter, nor do names, but that `y_b` beside `y` is refused. */
#ifndef QJ_SCHEDULE_TEMPLATES_CONTRACTION_H
#define QJ_SCHEDULE_TEMPLATES_CONTRACTION_H

#include "schedule/state.h"

enum con_role { CON_PIXEL, CON_CHANNEL, CON_BATCH };    /* indexes x alone, w alone, both */

struct con_axis {
    const char *name;           /* as a loop of the sum */
    const char *out;            /* the same axis as a loop of the last stage */
    int64_t extent;
    enum con_role role;
};
struct con_sum { const char *name; int64_t extent; };

struct contraction {
    const struct sched *s;
    const struct stage *sum, *last;             /* last: the sum itself where nothing follows it */
    const struct tensor *x, *w;                 /* read by the sum */
    const struct expr *xread, *wread;           /* the READ nodes */
    bool wfixed;                                /* w follows from weights alone: it may be packed ahead */
    int ndata, nsum;
    struct con_axis data[QJ_MAX_RANK];
    struct con_sum over[QJ_MAX_PHYS];
    int group;                                  /* in over[]: indexes a dimension of x and one of w alone; -1: none */
    int xgroup, wgroup;                         /* those dimensions */
    int planes;                                 /* neighbours along xgroup come from as many planes of x in turn; 0: from one */
    int ninline;
    const struct tensor *inlined[MAX_STAGES];   /* between sum and last */
    int nxchain;
    const struct tensor *xchain[MAX_STAGES];    /* elementwise stages that make x, x itself first; none: x is an input
                                                   or the result of another sum */
    const struct tensor *xroot;                 /* what the last of them reads; x when there are none */
    int nside;
    const struct tensor *side[MAX_STAGES];      /* other reductions that `last` reads and that depend on inputs */
};

/* The contraction computed by stage number `stage`. false: *why says the first thing that is not as needed. */
bool con_of(const struct sched *s, int stage, struct contraction *k, const char **why);
/* A stage that is a sum of products and has no steps yet. */
bool con_candidate(const struct sched *s, int stage);

#endif
