/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_impl.h - loop nests to an LLVM module: what llvm_*.c and emit.c share. Private to codegen.
 *
 *   llvm_module.c   the module, functions and their attributes, constants and intrinsics
 *   llvm_expr.c     expressions, one case an op
 *   llvm_mem.c      loads and stores: which lanes lie side by side, which may be touched at all
 *   llvm_extern.c   calls of the host's functions
 *   llvm_stmt.c     loops, ifs, allocations, parallel bodies
 *   llvm_intrin.c   instructions: interprets recipes
 *   llvm_rows.c     instructions inside vector expressions
 *   llvm_kernel.c   kernels of a GPU: launches, bound loops, shared memory
 *   llvm_combine.c  what the threads of a warp do together
 *   emit.c          target machine, LLVM's passes, bytes
 *
 * Functions come here after the passes: flat indices, no unrolled or vectorized loops, and checked
 * (check_func), so that expressions cannot fail. Only recipes can, and what LLVM itself reports. */
#ifndef QJ_CODEGEN_LLVM_IMPL_H
#define QJ_CODEGEN_LLVM_IMPL_H

#include <llvm-c/Core.h>

#include "codegen/passes.h"

/* What a variable or a buffer is here. */
struct binding {
    const void *key;                /* struct var or struct buffer */
    LLVMValueRef value;             /* i64, or the pointer to element 0 */
    int align;                      /* of the pointer, bytes */
    int chunk;                      /* access in pieces of this many bytes; 0: as it comes */
};

/* A function being filled: the kernel or the body of a parallel loop. */
struct frame {
    LLVMValueRef fn;
    LLVMBasicBlockRef entry;        /* allocas only; ends in a jump to `start` */
    LLVMBasicBlockRef start;
    VEC(struct binding) bind;       /* innermost last */
    VEC(struct binding) on_stack;   /* every buffer that has an alloca here */
    LLVMValueRef workspace;         /* or the iteration's slice; NULL: none */
    bool parallel;                  /* iterations of a parallel loop: loops inside run serially */
};

enum { AS_GLOBAL = 1, AS_SHARED = 3 }; /* address spaces of GPUs */

struct constant { const struct embedded *what; LLVMValueRef data; };
struct memo_entry { const struct expr *e; LLVMValueRef value; };

struct emit {
    struct ir_ctx *c;
    const struct target *target;
    LLVMContextRef llvm;
    LLVMModuleRef module;
    LLVMBuilderRef b;
    LLVMTypeRef i1, i8, i32, i64, f32, ptr, nothing;
    unsigned loop_kind;             /* metadata kind "llvm.loop" */
    const char *name;               /* of the function being made, for the names of its parallel bodies */
    int nbody;
    struct storage storage;         /* of the function being made ... */
    size_t next_alloc, next_parallel;   /* ... and how far it has been used up */
    const struct launch *launch;    /* the kernel being made; NULL: a function of a CPU */
    VEC(struct constant) constant;  /* what is embedded */
    struct frame *frame;
    LLVMValueRef mask;              /* lanes that may be evaluated; NULL: all */
    /* Values computed already, valid at the builder's place; entries leave in the reverse order of their
     * coming. slot[] is an open-addressing table of positions in memo[], plus one. */
    VEC(struct memo_entry) memo;
    uint32_t *slot, nslot;
};

/* ---- llvm_module.c ---- */
void emit_open(struct emit *m, struct ir_ctx *c, const struct target *t, const char *name);
void emit_close(struct emit *m);
/* Adds constant data, which embedded arguments of functions are then bound to. */
void emit_embedded(struct emit *m, const struct embeddings *e);
LLVMValueRef embedded_data(const struct emit *m, const struct tensor *t);     /* of the version that came last */
/* Adds `f` as an external function with its _call entry; the last `nembedded` arguments are constant data. False: error
 * set. */
bool emit_func(struct emit *m, const struct func *f, int nembedded, int64_t *workspace);
LLVMValueRef emit_inner(struct emit *m, const struct func *f, int nembedded, int64_t *workspace);  /* without it; or NULL */
void add_call_entry(struct emit *m, const char *name, LLVMValueRef fn, int nparam);
/* ---- llvm_versions.c: the functions that choose one of n versions ---- */
void emit_choice(struct emit *m, int n, const struct target *const *t);
/* NAME, with the parameters of `joint` (and a workspace, where there is one), calls fn[v] with those of version v;
 * `offset`: where each packed operand of a version lies in the joint one. */
struct choice {
    int n;                              /* versions */
    LLVMValueRef fn[CG_MAX_VERSIONS];   /* NULL: nothing to do */
    const struct kernel_arg *arg[CG_MAX_VERSIONS];
    int narg[CG_MAX_VERSIONS];
};
void emit_chooser(struct emit *m, const char *name, const struct kernel_arg *joint, int njoint, bool workspace,
                  const struct choice *k);
void set_attr(struct emit *m, LLVMValueRef fn, unsigned at, const char *name, uint64_t value);
void set_text_attr(struct emit *m, LLVMValueRef fn, const char *name, const char *value);
void set_fn_attrs(struct emit *m, LLVMValueRef fn);
LLVMTypeRef l_type(struct emit *m, struct type t);          /* in registers: bool is i1 */
LLVMTypeRef l_mem_type(struct emit *m, struct type t);      /* in memory: bool is i8 */
LLVMTypeRef l_vec(LLVMTypeRef t, int lanes);                /* lanes 1: t */
LLVMValueRef l_const(LLVMTypeRef t, int64_t v);             /* of an integer or vector of them: to all lanes */
LLVMValueRef l_idx(struct emit *m, int64_t v);
LLVMValueRef l_constf(struct emit *m, LLVMTypeRef t, double v);
LLVMValueRef l_lanes(struct emit *m, int64_t first, int64_t step, int lanes, LLVMTypeRef elem);
LLVMValueRef l_splat(struct emit *m, LLVMValueRef v, int lanes);
/* v's lanes [from, from + n); -1 beyond its end is poison. */
LLVMValueRef l_slice(struct emit *m, LLVMValueRef v, int from, int n);
/* An intrinsic overloaded on the given types, e.g. "llvm.smax" on <8 x i32>. */
LLVMValueRef l_call(struct emit *m, const char *name, int ntype, LLVMTypeRef *type, int narg,
                    LLVMValueRef *arg);
LLVMBasicBlockRef l_block(struct emit *m, const char *name);
void l_at(struct emit *m, LLVMBasicBlockRef b);

/* ---- bindings and values known ---- */
void bind(struct emit *m, struct binding b);
const struct binding *binding_of(struct emit *m, const void *key);
size_t memo_mark(const struct emit *m);
void memo_forget(struct emit *m, size_t mark);
LLVMValueRef memo_find(struct emit *m, const struct expr *e);
void memo_put(struct emit *m, const struct expr *e, LLVMValueRef v);

/* ---- the rest ---- */
LLVMValueRef emit_expr(struct emit *m, const struct expr *e);
/* A scalar that a vector expression uses: evaluated when any lane of the mask is on. */
LLVMValueRef emit_uniform(struct emit *m, const struct expr *e);
bool is_safe(const struct expr *e);                          /* no load inside can be out of bounds, nothing is called */
LLVMValueRef emit_extern(struct emit *m, const struct expr *e);
LLVMValueRef emit_load(struct emit *m, const struct expr *e);
void emit_store(struct emit *m, const struct stmt *s);
/* Unmasked, side by side, as emit_load and emit_store do it. `at`: the first element's number. */
LLVMValueRef load_run(struct emit *m, const struct buffer *b, const struct expr *at, LLVMTypeRef type);
void store_run(struct emit *m, const struct buffer *b, const struct expr *at, LLVMValueRef v);
/* The address of element `at`, known to be aligned to *align bytes. */
LLVMValueRef address_of(struct emit *m, const struct buffer *b, const struct expr *at, unsigned *align);
bool emit_stmt(struct emit *m, const struct stmt *s);
bool emit_intrin(struct emit *m, const struct stmt *s);
/* A row's recipe of operands that are values, [0] unused; NULL: error set. */
LLVMValueRef emit_recipe(struct emit *m, const struct intrin *in, const LLVMValueRef *operand);
LLVMValueRef emit_by_row(struct emit *m, const struct expr *e);     /* NULL: no row means it */
void set_arg_attrs(struct emit *m, LLVMValueRef fn, unsigned at, const struct buffer *b);

/* ---- llvm_kernel.c ---- */
/* Adds the kernels of `f`, as planned in *l. */
bool emit_kernels(struct emit *m, const struct func *f, int nembedded, int64_t *workspace, struct launches *l);
bool emit_bound(struct emit *m, const struct stmt *s);
void emit_barrier(struct emit *m);

/* ---- llvm_async.c ---- */
void emit_async_copy(struct emit *m, const struct stmt *s);
void emit_sync(struct emit *m, const struct stmt *s);

LLVMValueRef shared_room(struct emit *m, const struct buffer *b);
LLVMValueRef axis_number(struct emit *m, enum loop_kind how);   /* i64: a block's or thread's number */
/* ---- llvm_combine.c ---- */
void emit_combine(struct emit *m, const struct stmt *s);

/* A loop over [from, to) that runs at least once, or `maybe` not at all: returns its variable, to be closed. */
struct loop_blocks { LLVMValueRef i, to; LLVMBasicBlockRef body, done; };
struct loop_blocks loop_open(struct emit *m, const char *name, LLVMValueRef from, LLVMValueRef to, bool maybe);
void loop_close(struct emit *m, struct loop_blocks *l);

#endif
