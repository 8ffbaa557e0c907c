/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - what the steps given so far amount to. Private to schedule/.
 *
 * A state is flat and index-linked (iters and stages by number), so a trial copy is a few memcpys and a
 * refused step is simply not kept. */
#ifndef QJ_SCHEDULE_STATE_H
#define QJ_SCHEDULE_STATE_H

#include "schedule/sched.h"

enum { MOST_COPIES = 8 };       /* of a stage in a loop */
enum { MAX_ITERS = 96, MAX_RELS = 48, MAX_STAGES = 64 };

enum tail { TAIL_GUARD, TAIL_PEEL, TAIL_PAD, TAIL_ERROR };

/* A loop, or an axis that has become loops. Its extent is known when lowered. */
struct iter {
    const char *name;
    bool reduce;
    enum loop_kind how;
};

enum rel_kind { REL_SPLIT, REL_FUSE };
struct rel {
    enum rel_kind kind;
    int16_t parent;             /* SPLIT: the axis cut; FUSE: the fused one */
    int16_t outer, inner;
    int64_t factor;             /* SPLIT: of the inner loop, or of the outer when by_parts */
    bool by_parts;
    enum tail tail;
};

enum attach { ATTACH_ROOT, ATTACH_INLINE, ATTACH_AT };

struct stage {
    const struct tensor *tensor;        /* name, dtype, logical shape, axis[] */
    const struct expr *body;            /* may read other tensors than tensor->body does */
    int nroot_data, nroot;              /* iters [0,nroot_data) are data axes, then reduce axes */
    const struct var *root_var[QJ_MAX_RANK + QJ_MAX_PHYS];
    int64_t root_extent[QJ_MAX_RANK + QJ_MAX_PHYS];    /* padded */
    int niter, nleaf, nrel;
    struct iter iter[MAX_ITERS];
    int16_t leaf[MAX_ITERS];            /* iter numbers, outermost first */
    struct rel rel[MAX_RELS];
    enum attach attach;
    int at_stage, at_iter;              /* ATTACH_AT */
    enum scope scope;
    bool scope_set;
    const struct layout *layout;
    struct { int dim; int64_t factor, offset; } align;  /* dim's stride is offset modulo factor; factor 0: as it comes */
    bool async;                 /* fetched by asynchronous copies */
    int copies;                 /* double_buffer; 0, 1: one */
    int tensorize_iter;                 /* -1: none */
    const struct intrin *intrin;
    enum tail tensorize_tail;
    bool output;
};

/* The layout of an argument, when a step changed it. */
struct arg_layout { const struct tensor *tensor; const struct layout *layout; };

struct state {
    int nstage;
    struct stage *stage[MAX_STAGES];    /* producers before consumers */
    int nlayout;
    struct arg_layout layout[MAX_STAGES];
};

struct sched {
    struct ir_ctx *c;
    const struct program *program;
    const struct target *target;
    struct state *state;
    VEC(const struct step *) steps;
    const struct past *past;            /* before the last step; NULL: there is none */
    struct ir_mark end;                 /* of what the schedule has made: what comes later goes with the next step's undo */
    struct lowered *lowered;            /* of the current state, or NULL */
    const struct chosen *chosen;        /* what `template` did, last first */
    const struct sch_memory *memory;    /* what it did elsewhere; NULL: nobody knows */
    const struct recalled *recalled;    /* the last steps come from there and were not lowered yet; NULL: all were */
};

/* Steps first .. first + n - 1 are those that this `template` statement chose. */
struct chosen {
    struct step statement;
    size_t first, n;
    const struct chosen *before;
};

/* The schedule as it was before a step. */
struct past { struct sched was; };

/* A `template` statement whose steps were remembered under a key. They are in one state, without those between, which would
 * be most of the work; settling gives them again. */
struct recalled {
    struct step statement;
    const char *key, *steps;
    struct sched before;
};

/* The stage whose tensor this is, or -1. */
int state_stage_of(const struct state *st, const struct tensor *t);
int state_leaf_pos(const struct stage *g, int iter);        /* position among the leaves, or -1 */
const struct expr *stage_reduce(const struct stage *g);     /* its REDUCE node or NULL */
/* g takes old's place: as output, where and how it is stored and computed. */
void stage_succeed(struct stage *g, const struct stage *old);
bool stage_scheduled(const struct stage *g);                /* any loop step given yet */
/* The READ whose values e has, under casts that keep every value of its tensor's range; NULL: e is no such thing. */
const struct expr *exact_read(const struct expr *e);
struct stage *stage_new(struct ir_ctx *c, const struct tensor *t, const struct expr *body);
bool reads_tensor(const struct expr *e, const struct tensor *t);
const struct layout *state_layout(const struct state *st, const struct tensor *t);

/* What a primitive works on: the trial state and its step. Helpers report errors at the argument. */
struct applying {
    struct ir_ctx *c;
    const struct target *target;
    const struct program *program;
    struct state *st;
    const struct step *step;
};
typedef bool prim_fn(struct applying *a);
prim_fn prim_split, prim_fuse, prim_merge, prim_reorder, prim_tile, prim_mark, prim_bind, prim_compute_at, prim_compute_inline,
    prim_compute_root, prim_cache_read, prim_reindex, prim_offset, prim_cache_write, prim_set_scope, prim_rfactor, prim_pad,
    prim_transform_layout, prim_slide, prim_storage_align, prim_double_buffer, prim_async,
    prim_tensorize, prim_annotate, prim_winograd, prim_cap;

/* Positional argument k as a stage, an axis ("Out.o", or "o" once a stage is known), a number, a scope. */
struct stage *arg_stage(struct applying *a, int k, int *index);
struct stage *arg_stage_named(struct applying *a, const struct step_arg *at, const char *name);
int arg_axis(struct applying *a, int k, struct stage **g);  /* iter number that is a leaf, or -1; *g in and out */
bool arg_int(struct applying *a, int k, int64_t lo, int64_t hi, int64_t *out);
bool arg_scope(struct applying *a, int k, enum scope *out);
const struct tensor *arg_tensor(struct applying *a, int k);
const struct step_arg *arg_key(const struct applying *a, const char *key);
bool arg_tail(struct applying *a, enum tail dflt, enum tail *out);   /* tail= */
bool arg_wider(struct applying *a, const struct tensor *t, enum dtype *dt);  /* as=: a type that holds t's values; else t's */
bool arg_count(struct applying *a, int lo, int hi);         /* positional; also refuses unknown keys */
int npositional(const struct applying *a);
bool fail_step(struct applying *a, enum err_code code, const struct step_arg *at, const char *fmt, ...) QJ_PRINTF(4, 5);
/* A name not yet taken: wish, else wish2, wish3 ... */
const char *free_iter_name(struct applying *a, const struct stage *g, const char *wish);
bool check_iter_name(struct applying *a, const struct stage *g, const char *name);
bool check_new_tensor_name(struct applying *a, const char *name);
bool check_nothing_inside(struct applying *a, const struct stage *g, const char *what);   /* "STAGE ... cannot WHAT" */
int insert_stage(struct applying *a, int at, struct stage *g);       /* shifts attach numbers */
bool pad_root(struct applying *a, int stage, int root, int64_t multiple);
/* Stage g (NULL: false) has `extent` elements along dimension d and computes zero beyond its tensor's shape there. False:
 * it cannot, for it is an output or a reduction. */
bool extend_zero(struct applying *a, struct stage *g, int d, int64_t extent);
int new_iter(struct applying *a, struct stage *g, const char *name, bool reduce);

/* sched.c: a step applied and recorded, but not lowered yet: sch_lower says whether all of them work. */
bool sch_record(struct sched *s, const struct step *st);

/* sched.c: from now on sch_append may change the state in place; nothing that it adds can be undone alone. */
void sch_own_state(struct sched *s);
bool sch_append(struct sched *s, const struct step *st);

/* script.c: what the statement chooses, not what it is remembered to have chosen; the latter, each step recorded. */
bool sch_choose_anew(struct sched *s, const struct step *statement);
bool sch_choose_again(struct sched *s, const struct step *statement, const char *steps);

/* lower.c */
struct lowered *lower_state(struct sched *s, const struct state *st);   /* all but ->steps */

/* infer.c: the values e takes as the inner variables run: lo + [0, width], lo free of them. */
struct span_expr { const struct expr *lo; int64_t width; };
typedef bool is_inner_fn(void *u, const struct var *v);
struct span_expr infer_span(struct ir_ctx *c, const struct expr *e, is_inner_fn *inner, void *u);
/* The union of two; false when their distance is not a constant. */
bool infer_union(struct ir_ctx *c, struct span_expr *a, struct span_expr b);

/* tensorize.c: matches a lowered update against an instruction. */
struct region {
    int nvar;
    const struct var *const *var;       /* loops inside, outermost first, extent > 1 */
    const bool *reduce;
    enum combiner combiner;
    bool reduction;
    const struct expr *value;           /* body (under the reduction), with LOADs */
    const struct expr *source;          /* value with READs of tensors instead */
    const struct expr *target;          /* a LOAD of the element written */
    const struct thread_loop *thread;   /* loops around it that are bound to threads, innermost last */
    int nthread;
    int64_t block[3];                   /* threads of the kernel's blocks */
};
/* True: arg[MEANING_MAX_ARGS] filled: base addresses, lane, pitches. False: *why says the first difference. */
bool tensorize_match(struct ir_ctx *c, const struct intrin *in, const struct region *r, const struct expr **arg,
                     const char **why);

#endif
