/* SPDX-License-Identifier: Apache-2.0 */
/* relations.h - how the loops of a stage relate to its axes. The one place where a split or a fuse is given
 * its arithmetic: split: parent = outer * step + inner; fuse: outer = fused / n, inner = fused % n. */
#ifndef QJ_SCHEDULE_RELATIONS_H
#define QJ_SCHEDULE_RELATIONS_H

#include "schedule/state.h"

/* Extents of all iters from those of the root axes. */
void stage_extents(const struct stage *g, const int64_t *root_extent, int64_t *ext);
/* Values of all iters from those of the leaves (val[leaf] given in leaf[] by iter number). Iters of extent 1
 * are 0. */
void stage_values(struct ir_ctx *c, const struct stage *g, const int64_t *ext, const struct expr *const *leaf,
                  const struct expr **val);
/* The condition under which a split's parent is inside its extent, or NULL when it always is. */
const struct expr *rel_guard(struct ir_ctx *c, const struct rel *r, const int64_t *ext, const struct expr *const *val);

#endif
