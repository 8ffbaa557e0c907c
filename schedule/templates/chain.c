/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c - when capped weights pay. Contract in chain.h.
 *
 * Weights are unknown when the steps are chosen. What is expected of them: per-channel scales, so that the largest is 127,
 * and a bell with long tails (Laplace), so that the longer the sum the smaller the others; the shares below were measured
 * on such weights in blocks of 8 outputs. Where that is wrong, blocks fall back to the rest alone. */
#include "schedule/templates/chain.h"

static const struct intrin *rest_row(const struct contraction *k, const struct intrin *fast, struct range x)
{
    const struct target *t = k->s->target;
    const struct meaning *f = fast->meaning;
    const struct intrin *best = NULL;
    for (int i = 0; i < t->nintrin; i++) {
        const struct intrin *in = &t->intrin[i];
        const struct meaning *m = in->meaning;
        if (!meaning_is_plain(m) || m->nop != 3 || m->naxes != 2 || m->nout != 1 || !m->accumulate || m->op[0]->dt != DT_I32 || m->op[1]->dt != DT_U8 ||
            m->op[2]->dt != DT_I8 || m->op[1]->shape[0] != 4 || m->op[0]->shape[0] != f->op[0]->shape[0] || m->op_axis[1][0] != 1)
            continue;
        if (x.hi * 128 * in->row->pair_i16 > -(int64_t)INT16_MIN) continue;
        if (!best || in->row->mac_per_cycle > best->row->mac_per_cycle) best = in;
    }
    return best;
}

/* Of the groups, how many lose something to a chain of so many. */
static double expected_share(int64_t amax, int groups, double terms)
{
    double full = amax <= 127 ? (groups <= 1 ? 0 : groups <= 2 ? 3 : 17) : groups <= 1 ? 55 : groups <= 2 ? 230 : 1000;
    double share = full / terms;
    return share > 1 ? 1 : share;
}

bool chain_plan_of(const struct contraction *k, const struct intrin *fast, int groups, int channel, int nr, bool asked,
                   struct chain_plan *out, const char **why)
{
    struct range x = k->x->range;
    double terms = 1;
    for (int i = 0; i < k->nsum; i++) terms *= (double)k->over[i].extent;
    if (k->x->dt != DT_U8 || k->w->dt != DT_I8 || k->w->kind != TENSOR_WEIGHT || x.lo < 0)
        return *why = "only i8 weights that lie as they were given can be capped, for u8 activations", false;
    for_kids(k->wread, d)
        if (k->wread->kid[d]->op != OP_VAR) return *why = "a dimension of the weights is not indexed by one axis", false;
    if (k->over[k->group].extent % (4 * groups) || k->data[channel].extent % nr)
        return *why = "whole chains and whole blocks of channels are needed to cap weights", false;
    *out = (struct chain_plan){.fast = fast, .groups = groups, .rest = rest_row(k, fast, x)};
    if (!out->rest) return *why = "there is no instruction for what capping cuts off", false;
    double gain = 1 - out->rest->row->mac_per_cycle / fast->row->mac_per_cycle;
    out->share = expected_share(x.hi, groups, terms);
    out->most = (int)(100 * gain);
    if (gain <= 0) return *why = "what capping cuts off is as fast", false;
    /* where the rest has to take the exact way round, weights without a bell would lose a little */
    if (!asked && x.hi > 127)
        return *why = "weights must be capped for it, which pays if few are large: `template row=` takes it", false;
    if (!asked && out->share > gain / 2) return *why = "the sum is too short: capping would cut off too much", false;
    return true;
}
