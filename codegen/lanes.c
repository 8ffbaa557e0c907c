/* SPDX-License-Identifier: Apache-2.0 */
/* lanes.c - a vector of element numbers, lane by lane: which runs of neighbours does it cover? Contract in passes.h. */
#include "codegen/passes.h"
#include "ir/simplify.h"

#include <stdlib.h>

const struct expr *lane_of(struct ir_ctx *c, const struct expr *e, int l)
{
    const struct expr *kid[3];
    if (e->type.lanes == 1) return e;
    if (e->op == OP_BCAST) return e->kid[0];
    if (e->op == OP_RAMP) return ir_add(c, e->kid[0], ir_mul(c, e->kid[1], ir_idx(c, l)));
    if (e->nkid == 0 || e->nkid > 3 || e->op == OP_LOAD || e->op == OP_EXTERN) return NULL;
    for_kids(e, i)
        if (!(kid[i] = lane_of(c, e->kid[i], l))) return NULL;
    return ir_with_kids(c, e, kid);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bool lanes_alike(const struct expr *e)
{
    if (e->type.lanes == 1 || e->op == OP_BCAST) return true;
    bool alike = e->nkid > 0 && e->op != OP_RAMP && e->op != OP_LOAD && e->op != OP_EXTERN;
    for_kids(e, i) alike = alike && lanes_alike(e->kid[i]);
    return alike;
}

/* Element numbers after lane 0's. */
static bool offsets(struct ir_ctx *c, const struct expr *at, const bool *on, int64_t *off)
{
    const struct expr *zero = lane_of(c, at, 0);
    for (int l = 0; l < at->type.lanes; l++) {
        if (on && !on[l]) continue;
        const struct expr *e = zero ? lane_of(c, at, l) : NULL;
        e = e ? ir_simplify(c, ir_sub(c, e, zero), NULL) : NULL;
        if (!e || e->op != OP_INT) return false;
        off[l] = e->val.i;
    }
    return true;
}

int lane_runs(struct ir_ctx *c, const struct expr *at, const bool *on, struct run *run, int *where)
{
    int lanes = at->type.lanes, n = 0, k = 0;
    int64_t off[MAX_LANES], sorted[MAX_LANES];
    if (lanes > MAX_LANES || lanes < 4 || !offsets(c, at, on, off)) return 0;
    for (int l = 0; l < lanes; l++)
        if (!on || on[l]) sorted[k++] = off[l];
    qsort(sorted, (size_t)k, sizeof sorted[0], ascending);
    for (int l = 0; l < k; l++) {
        if (l && sorted[l] == sorted[l - 1]) continue;
        if (l == 0 || sorted[l] != sorted[l - 1] + 1) {
            if (n == MAX_RUNS || 2 * (n + 1) > lanes) return 0;
            run[n++] = (struct run){sorted[l], 0};
        }
        run[n - 1].n++;
    }
    for (int l = 0; l < lanes; l++) {
        where[l] = -1;
        if (on && !on[l]) continue;
        for (k = n - 1; run[k].first > off[l]; k--) {}
        where[l] = k * MAX_LANES + (int)(off[l] - run[k].first);
    }
    return n;
}
