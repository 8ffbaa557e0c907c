/* SPDX-License-Identifier: Apache-2.0 */
/* turn.c - outputs whose rows of pixels lie along memory, as NCHW has them: a tile is computed by channels into a local stage
 * and turned as it is stored, some channels by all its pixels a vector, where storing element by element would cost as much as
 * the sums themselves.
 *
 *     for x_t { Out_tile[x_u, c_v] = ...;  for c_q { vectorized lanes: Out[c_q, c, x] = Out_tile[x, c_q, c] } } */
#include "schedule/templates/template.h"

enum { LANES = 32, FEWEST = 4 };    /* elements of a vector; shorter runs of pixels gain nothing */

int tmpl_turn(const struct contraction *k, int tile, int mr, int nr)
{
    const struct stage *last = k->last;
    if (mr < FEWEST || strcmp(last->iter[last->nroot_data - 1].name, k->data[tile].out) || state_layout(k->s->state, last->tensor)) return 0;
    int n = 1;
    while (2 * n * mr <= LANES && nr % (2 * n) == 0) n *= 2;
    return n;
}

void tmpl_turn_loops(const struct contraction *k, int tile, int channel, int turn, struct str *out)
{
    const char *last = k->last->tensor->name, *o = k->data[channel].out, *t = k->data[tile].out;
    str_printf(out, "split %s.%s_v %d -> %s_q %s_v\nreorder %s %s_q %s_v %s_u\nunroll %s.%s_q\nfuse %s.%s_v %s_u -> lanes\nvectorize %s.lanes\n",
               last, o, turn, o, o, last, o, o, t, last, o, last, o, t, last);
}

void tmpl_turn_tile(const struct contraction *k, int tile, int channel, const char *name, struct str *out)
{
    const struct stage *last = k->last;
    const char *o = k->data[channel].out, *t = k->data[tile].out;
    str_printf(out, "transform_layout %s ", name);
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < last->nroot_data; d++)
            if (pass == !strcmp(last->iter[d].name, o)) str_putc(out, (char)('A' + d));
    str_printf(out, " axes=%.*s\ncompute_at %s %s.%s_t\nreorder %s %s %s\nunroll %s.%s\nvectorize %s.%s\n", last->nroot_data, "ABCDEFGH", name,
               last->tensor->name, t, name, t, o, name, t, name, o);
}
