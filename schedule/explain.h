/* SPDX-License-Identifier: Apache-2.0 */
/* explain.h - which path each sum of products takes, and what stood against the others: rows, to be printed as text
 * or JSON by the layers above.
 *
 *     struct explained x = {.c = c};
 *     sch_explain(s, &x);
 *     for (size_t i = 0; i < x.row.n; i++) ... x.row.at[i].why ...
 */
#ifndef QJ_SCHEDULE_EXPLAIN_H
#define QJ_SCHEDULE_EXPLAIN_H

#include "schedule/sched.h"

struct explain_row {
    const char *stage;
    bool of_template;           /* a template's candidate, else an instruction */
    const char *name;           /* of the template or the instruction; NULL: plain loops */
    bool taken;                 /* this is what the stage does, or what `template` would choose */
    bool fits;
    const char *where;          /* "C.ki": the loop; of a template: instruction and knobs; NULL: nowhere */
    double mac_per_cycle;       /* of the instruction alone; 0: not known */
    double cycles;              /* of the whole, by the template's model; 0: not known */
    const char *why;            /* not: the first condition that fails; taken: the way of the operands; or NULL */
    const char *unlock;         /* what would make it fit; NULL: nothing is known */
};
struct explained {
    struct ir_ctx *c;
    VEC(struct explain_row) row;
};

void sch_explain(struct sched *s, struct explained *out);

#endif
