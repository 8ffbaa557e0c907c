/* SPDX-License-Identifier: Apache-2.0 */
/* passes.h - the passes over loop nests, and where allocations go. Private to codegen.
 *
 * A pass keeps what interp computes. It returns the same pointer when it changed nothing, and NULL with
 * the error set when it refuses. What each requires and keeps is said in README.md and at its head. */
#ifndef QJ_CODEGEN_PASSES_H
#define QJ_CODEGEN_PASSES_H

#include "codegen/codegen.h"

typedef const struct func *pass_fn(struct ir_ctx *c, const struct func *f, const struct target *t);
pass_fn pass_partition, pass_simplify, pass_vectorize, pass_unroll, pass_flatten;
/* No iteration of the loop touches what another writes; what is allocated inside is local. (pass_vectorize.c) */
bool iterations_apart(struct ir_ctx *c, const struct stmt *loop);

enum { MAX_UNROLLED = 4096 };   /* statements that unrolling may make of one loop */

static inline const struct func *func_with_body(struct ir_ctx *c, const struct func *f,
                                                const struct stmt *body)
{
    if (!body || body == f->body) return body ? f : NULL;
    struct func *g = arena_copy(&c->arena, f, sizeof *g);
    g->body = body;
    return g;
}

/* ramp(b, s) + bcast(x) and the like as one ramp; other nodes as they are. Of i64, which does not wrap. */
const struct expr *fold_ramp(struct ir_ctx *c, const struct expr *e);

/* Row-major: the element number that idx names in b; idx may be vectors. One index is taken as flat already. */
const struct expr *flat_index(struct ir_ctx *c, const struct buffer *b, int nidx,
                              const struct expr *const *idx);

/* Lane l of a vector expression, or NULL where it has loads inside. */
const struct expr *lane_of(struct ir_ctx *c, const struct expr *e, int l);
/* All lanes are the same. */
bool lanes_alike(const struct expr *e);
/* A vector of element numbers that covers a few runs of neighbours, in any order: 0, 64, 1, 65, 2, ... The number of
 * runs (first: elements after lane 0's), where[l] = run * MAX_LANES + place in it. 0: too many, or unknown. Only lanes
 * that are on count (NULL: all); where[l] of the others is -1. */
enum { MAX_RUNS = 16 };
struct run { int64_t first; int n; };
int lane_runs(struct ir_ctx *c, const struct expr *at, const bool *on, struct run *run, int *where);

/* ---- notes: what of a function is slower than it looks, each said once ---- */

struct note_list {
    struct ir_ctx *c;
    VEC(struct note) note;
};
void note_add(struct note_list *l, const char *code, const char *place, const char *text);
/* What lowering found. */
void lowered_notes(struct note_list *l, const struct lowered *from);
/* All of them into the artifact; of a version: with its target's name. False: no memory, error set. */
bool notes_keep(const struct note_list *l, struct artifact *a, const struct target *version);
/* Before vectorizing, what will not be done as one would hope: loops run serially, gathers, scatters. */
void vectorize_notes(struct note_list *l, const struct func *f);
/* After all passes: operations and accesses on vectors that the target does a lane at a time. */
void vector_notes(struct note_list *l, const struct func *f, const struct target *t);

/* All of a vector access lies inside the buffer, whatever its mask: then no mask is needed to read it. */
bool in_bounds(const struct buffer *b, const struct expr *at);

/* What the target cannot do is refused here, before LLVM, which aborts on what it cannot select. */
bool check_lowered(struct ir_ctx *c, const struct lowered *l, enum cg_kind kind);
bool check_func(struct ir_ctx *c, const struct func *f, const struct target *t);

/* A store into async memory as copies of 16 bytes, or one of 4 or 8 (llvm_async.c). */
struct async_copy {
    const struct buffer *from;
    const struct expr *to_at, *from_at;     /* numbers of the first elements */
    int bytes;
    const struct expr *cond;                /* else zeros; NULL: always */
    const struct expr *mask;                /* else nothing; NULL: always */
};
bool async_copy_of(const struct stmt *s, struct async_copy *out, const char **why);  /* false: *why is it none */

/* ---- kernels of a GPU (launch.c) ---- */

enum { LAUNCH_ALIGN = 16 };     /* of arguments, workspace and shared buffers: what the widest access wants */

struct launch_room { const struct buffer *buffer; int64_t offset; };    /* in the workspace, in a block's shared memory */
struct launch {
    const char *name;
    const struct stmt *body;
    int64_t grid[3], block[3];  /* blocks, and threads of one, along x, y, z */
    int64_t shared, dynamic;    /* bytes of a block; of them, those that the launch asks for: none or all */
    VEC(struct launch_room) shared_buffer;
};
struct launches {
    VEC(struct launch) kernel;  /* in the order they run */
    VEC(struct launch_room) global;
    int64_t workspace;
};
/* Errors: ERR_UNSUPPORTED. */
bool plan_launches(struct ir_ctx *c, const struct func *f, const struct target *t, struct launches *out);

/* ---- the driver (codegen.c) and LLVM's half (emit.c) ---- */

double cg_now_ms(void);
bool cg_wants(const struct cg_options *o, char flag);                            /* a dump */
void cg_lap(const struct cg_options *o, const char *pass, double *since); /* tells a time, starts the next */
/* Constant data of an object: what an embedded argument of its functions is. */
struct embedded {
    const struct tensor *tensor;
    const char *name;
    void *bytes;                /* physical order, in the context's arena */
    int64_t size;
};
struct embeddings { VEC(struct embedded) at; };
/* Weights with values in the order of their layouts, and what l->embed makes of them. False: error set. */
bool embed_values(struct ir_ctx *c, const struct lowered *l, struct embeddings *out);
/* f[0] the kernel, f[1] the pack function or NULL, through all passes: fills in bytes and workspaces. */
bool emit_artifact(struct ir_ctx *c, const struct lowered *l, const struct func *const f[2],
                   const struct cg_options *o, struct artifact *a);
/* One version of several: its functions have names of its own. */
struct version { const struct lowered *l; const struct func *f[2]; };
bool emit_versions(struct ir_ctx *c, const struct target *base, const struct lowered *joint, int n, const struct version *v,
                   const struct cg_options *o, struct artifact *a);
/* Where packed operand i of a version lies in the shared one; n: their number. Returns the bytes of all. */
int64_t packed_offset(const struct kernel_arg *arg, int n, int i);
const struct func *cg_passes_of(struct ir_ctx *c, const struct func *f, const struct target *t, const struct cg_options *o,
                                struct note_list *notes);

/* ---- storage: where each allocation lives (pass_storage.c) ---- */

enum { STACK_ONE = 16 << 10, STACK_ALL = 64 << 10, STORAGE_ALIGN = 64 };

struct place {
    bool stack;
    int64_t offset;             /* in the workspace, or in the slice of the parallel iteration */
};

/* An outermost parallel loop's part of the workspace: `stride` bytes an iteration from `offset`. */
struct slice { int64_t offset, stride; };

/* Allocations and outermost parallel loops, each in pre-order: whoever walks the nest takes the next. */
struct storage {
    VEC(struct place) alloc;
    VEC(struct slice) parallel;
    int64_t workspace;
};
bool plan_storage(struct ir_ctx *c, const struct func *f, struct storage *out);

#endif
