/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.h - 3x3 convolutions by Winograd's tiles (prim_winograd.c says why they are exact): candidates for conv2d. */
#ifndef QJ_SCHEDULE_TEMPLATES_WINOGRAD_H
#define QJ_SCHEDULE_TEMPLATES_WINOGRAD_H

#include "schedule/templates/template.h"

/* By shape alone; false: *why is the first condition that fails. */
bool wino_fits(const struct contraction *k, const char **why);
/* Adds those for the target's rows of 16-bit pairs: tile is 2 or 4, rows the rows of output in a block. */
void wino_candidates(const struct contraction *k, struct candidates *out);
/* The steps of a candidate with tile != 0. */
void wino_steps(const struct contraction *k, const struct choice *c, struct str *out);

#endif
