/* SPDX-License-Identifier: Apache-2.0 */
/* chain.h - sums of products in 16 bits whose weights are capped as they are packed (the primitive cap): when a template
 * may use them, what it may expect, and the steps. */
#ifndef QJ_SCHEDULE_TEMPLATES_CHAIN_H
#define QJ_SCHEDULE_TEMPLATES_CHAIN_H

#include "schedule/templates/contraction.h"

/* A chain: `groups` groups of k = 4 by an instruction; what is cut off by another. */
struct chain_plan {
    const struct intrin *fast, *rest;
    int groups, most;           /* most: percent of the groups a block may have in the rest */
    double share;               /* of the groups, expected there */
};

/* Is it legal, and for what gain? asked: the user named the instruction, so a loss on weights without any outliers to
 * cut is accepted. False: *why. */
bool chain_plan_of(const struct contraction *k, const struct intrin *fast, int groups, int channel, int nr, bool asked,
                   struct chain_plan *out, const char **why);

#endif
