/* SPDX-License-Identifier: Apache-2.0 */
#include "schedule/relations.h"

void stage_extents(const struct stage *g, const int64_t *root_extent, int64_t *ext)
{
    for (int i = 0; i < g->nroot; i++) ext[i] = root_extent[i];
    for (int r = 0; r < g->nrel; r++) {
        const struct rel *x = &g->rel[r];
        if (x->kind == REL_FUSE) {
            ext[x->parent] = ext[x->outer] * ext[x->inner];
        } else if (x->by_parts) {
            ext[x->inner] = ceil_div(ext[x->parent], x->factor);
            ext[x->outer] = ceil_div(ext[x->parent], ext[x->inner]);
        } else {
            ext[x->inner] = i64_min(x->factor, ext[x->parent]);
            ext[x->outer] = ceil_div(ext[x->parent], x->factor);
        }
    }
}

void stage_values(struct ir_ctx *c, const struct stage *g, const int64_t *ext, const struct expr *const *leaf,
                  const struct expr **val)
{
    for (int i = 0; i < g->niter; i++) val[i] = NULL;
    for (int i = 0; i < g->nleaf; i++) {
        int it = g->leaf[i];
        val[it] = ext[it] == 1 || !leaf[it] ? ir_idx(c, 0) : leaf[it];
    }
    for (int r = g->nrel - 1; r >= 0; r--) {
        const struct rel *x = &g->rel[r];
        if (x->kind == REL_SPLIT) {
            val[x->parent] = ir_add(c, ir_mul(c, val[x->outer], ir_idx(c, ext[x->inner])), val[x->inner]);
        } else {
            const struct expr *n = ir_idx(c, ext[x->inner]);
            val[x->outer] = ext[x->outer] == 1 ? ir_idx(c, 0) : ir_div(c, val[x->parent], n);
            val[x->inner] = ext[x->outer] == 1 ? val[x->parent] : ir_mod(c, val[x->parent], n);
        }
    }
}

const struct expr *rel_guard(struct ir_ctx *c, const struct rel *r, const int64_t *ext, const struct expr *const *val)
{
    if (r->kind != REL_SPLIT || ext[r->outer] * ext[r->inner] == ext[r->parent]) return NULL;
    return ir_lt(c, val[r->parent], ir_idx(c, ext[r->parent]));
}
