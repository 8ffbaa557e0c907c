/* SPDX-License-Identifier: Apache-2.0 */
/* lower_impl.h - a state on its way to loop nests. Private to lower.c, region.c and nest.c.
 *
 *   lower.c   inlines, decides what is packed ahead, makes arguments, puts the functions together
 *   region.c  consumers first: the region each stage computes, its loops and guards
 *   pipeline.c  stages computed ahead of their use
 *   simt.c    bound loops: what is refused, thread 0's stores, barriers
 *   combine.c reduce loops bound to threads: what is refused, and what follows them
 *   notes.c   how often each stage is computed, and what of that is a slow path
 *   nest.c    one stage's loops: init, update, instruction, producers computed inside */
#ifndef QJ_SCHEDULE_LOWER_IMPL_H
#define QJ_SCHEDULE_LOWER_IMPL_H

#include "schedule/relations.h"
#include "schedule/state.h"

enum { MAX_GUARDS = MAX_RELS + 2 * QJ_MAX_RANK + 4, MAX_ROOTS = QJ_MAX_RANK + QJ_MAX_PHYS };

/* Where a stage is computed. NONE: inlined, or nobody reads it. The others from the last to run to the first: at each call,
 * once for its weights, by the compiler. */
enum place { PLACE_NONE, PLACE_MAIN, PLACE_PACK, PLACE_EMBED, PLACES };

struct guard {
    const struct expr *cond;
    int pos;                                    /* innermost leaf it uses, -1: none */
    bool inner;                                 /* right inside what is computed at that leaf, too */
    bool term;                                  /* beyond it a reduction's terms are zero: the init is not guarded */
};

struct lstage {
    const struct stage *g;
    enum place place;
    const struct expr *body;                    /* inlined producers substituted; over g's root variables */
    const struct expr *value;                   /* body over loops; of a reduction, one term */
    const struct expr *lo[QJ_MAX_RANK];         /* first point of the region (attached stages) */
    int64_t root_extent[MAX_ROOTS];             /* of the region; then the reduce axes */
    int64_t ext[MAX_ITERS];
    const struct var *loop[MAX_ITERS];          /* by iter; leaves only */
    const struct expr *val[MAX_ITERS];          /* by iter */
    const struct expr *at[MAX_ROOTS];           /* the axes' values: lo + val, reduce axes val */
    bool peel[MAX_ITERS];
    int nguard;
    struct guard guard[MAX_GUARDS];
    struct buffer *buf;                         /* where it is stored: in its own function */
    struct buffer *packed;                      /* read by a function that runs later: its argument */
};

struct lower {
    struct ir_ctx *c;
    const struct state *st;
    const struct program *program;
    const struct target *target;
    struct lstage *stage;
    struct buffer *arg[PLACES][PARSE_MAX_TENSORS];  /* of each function, by program tensor: made on first use */
    enum place now;                             /* the function being built */
};

/* Everything but the nests: regions, loops, storage. NULL: error. */
struct lower *lower_prepare(struct sched *s, const struct state *st);
bool lower_regions(struct lower *w);
const struct stmt *lower_nest(struct lower *w, int stage);
/* Guards that stop at leaf i and use no reduce loop, around s, over the n variables `with` for `old`. */
const struct stmt *lower_init_guards(struct lower *w, const struct lstage *x, int i, const struct stmt *s, int n,
                                     const struct var *const *old, const struct expr *const *with);
/* The LOAD of a tensor's element from stage (or argument) storage, for the function being built. */
const struct expr *lower_load(struct lower *w, const struct tensor *t, const struct expr *const *idx);
/* Physical indices of an element of a stage's storage. */
int lower_index(struct lower *w, const struct lstage *g, const struct expr *const *idx, const struct expr **phys);
bool lower_fail(struct lower *w, enum err_code code, const char *fmt, ...) QJ_PRINTF(3, 4);

/* ---- stages computed ahead of their use (pipeline.c) ---- */
bool lower_check_pipeline(struct lower *w, int p);          /* stage p's step fits where it is computed. False: error */
int64_t lower_slots(const struct lower *w, int p);          /* of its storage; 1: there are no slots */
const struct var *lower_turns(const struct lower *w, int p);    /* the loop it is computed in; NULL: has one iteration */
const struct expr *lower_slot(struct lower *w, int p);      /* the one of the iteration around; there are several */
bool lower_is_ahead(const struct lower *w, int p, int i, int it);   /* stage p is computed at loop `it` of stage i, ahead */
/* The loop at leaf pos of stage i over body, with what is computed ahead in it. NULL: error. */
const struct stmt *lower_pipeline(struct lower *w, int i, int pos, const struct stmt *body);
/* nest.c: s under the guards that stand around all that is computed in that loop; the loop `it` of stage i over body. */
const struct stmt *lower_guarded(struct lower *w, int i, int pos, const struct stmt *s);
const struct stmt *lower_loop(struct lower *w, int i, int it, const struct stmt *body);

/* ---- bound loops (simt.c) ---- */
bool stage_is_bound(const struct state *st, int i);         /* a loop of it, or of what is computed inside */
bool lower_bindings(struct lower *w, int i);                /* stage i's may be; its loops are made. False: error */
/* Guards of stage i that some threads of a block fail stand inside the computation of shared stages. */
void lower_spare_shared(struct lower *w, int i);
const struct stmt *lower_kernels(struct lower *w, const struct stmt *body);
/* The loops around stage x that are bound to threads, and its kernel's blocks. */
void lower_threads(const struct lower *w, const struct lstage *x, struct region *r);
/* The condition depends on which thread of its block computes stage i. */
bool lower_on_thread(const struct lower *w, int i, const struct expr *cond);

/* ---- reduce loops bound to threads (combine.c) ---- */
bool stage_combines(const struct stage *g);                     /* it has some */
bool lower_may_combine(struct lower *w, int i, int own);        /* loop `own` may be one. False: error */
/* Guards of stage i that some threads fail stand around terms alone: all threads combine. */
void lower_spare_combined(struct lower *w, int i);
/* What follows the reduce loops of stage i: threads combine their elements, those of leaves `from` inward. NULL: nothing. */
const struct stmt *lower_combine(struct lower *w, int i, int from);

/* Slow paths that the schedule itself decided on: work done again, sums of products without an instruction. */
void lower_notes(struct lower *w, struct lowered *l);

/* The region of loops from leaf pos inward, for tensorize_match. Arrays live in the arena. */
struct region lower_region_at(struct lower *w, const struct lstage *g, int pos);

#endif
