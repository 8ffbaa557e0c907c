/* SPDX-License-Identifier: Apache-2.0 */
/* bytecode.h - expressions flattened to register code: the engine under eval, meaning_run and interp.
 *
 * Each distinct node of an expression gets a register, so a DAG is computed once; the arms of a SELECT
 * are code that only runs when chosen. A vector expression is scalar code run once a lane, with the
 * lane's number in a register. Integers live wrapped in a 64-bit register, so widening costs nothing.
 *
 * Two uses. bc_body compiles the body of a tensor (or meaning) over its axes: i64 expressions affine in
 * the axes become cursors that the odometer of the reduction advances by addition, and an index whose
 * range fits its dimension needs no check at run time. interp compiles a whole function: loop variables
 * are registers that it binds with bc_bind, and statements are instructions of the same code.
 *
 * A fault (an index outside, i64 overflow, an element never written) stops bc_run, which describes
 * it in b->trap; the caller says where that was and sets the error. Code is not re-entrant: its registers
 * are its own.
 *
 * bytecode.c compiles, bytecode_run.c runs.
 */
#ifndef QJ_IR_BYTECODE_H
#define QJ_IR_BYTECODE_H

#include "ir/eval.h"
#include "ir/extern.h"

enum bc_op {
    BC_END, BC_MOV,
    BC_JMP, BC_JZ,              /* to a; if b is 0 */
    BC_ADD32, BC_SUB32, BC_MUL32, BC_MAC32,                             /* MAC: d += a * b */
    BC_ADD64, BC_SUB64, BC_MUL64,                                       /* trap on overflow */
    BC_MIN, BC_MAX, BC_AND, BC_OR, BC_XOR, BC_EQ, BC_NE, BC_LT, BC_LE,  /* closed on wrapped values */
    BC_INT,                                                             /* the rest, by ir_apply_int */
    BC_FADD, BC_FSUB, BC_FMUL, BC_FDIV, BC_FMIN, BC_FMAX, BC_FEQ, BC_FNE, BC_FLT, BC_FLE, BC_RINT, BC_FMA,
    BC_WRAP, BC_CLAMP, BC_ITOF, BC_FTOI,
    BC_DIM,                     /* d = a + b * stride of dim[x]; traps unless b is in its extent */
    BC_NEED,                    /* element a of mem[x] is there: written, or made by `miss` */
    BC_LOAD8, BC_LOADU8, BC_LOAD16, BC_LOADU16, BC_LOAD32, BC_LOAD64, BC_LOADF32, BC_LOADBOOL,  /* d = mem[x][a] */
    BC_FAR,                     /* d = element a of mem[x], by `far` */
    BC_NEXT,                    /* advances the odometer; back to a until it is done */
    BC_LOOP,                    /* d++; back to a while d < b */
    BC_STAGE, BC_COMMIT,        /* a lane's address a, value b; then all staged lanes to mem[x] */
    BC_FRESH,                   /* nothing of mem[x] has been written */
    BC_EXTERN,                  /* d = call x of the host's */
    BC_TOUCH,                   /* element a of mem[x] is about to be read: told to `touch` */
    BC_COPIES,                  /* tells `copies` a */
    BC_SYNC,                    /* stops here, a trap of kind SYNC; goes on behind it */
    BC_COMBINE,                 /* the same: by `sub`, b neighbours along axis d combine element a of mem[x] (threads.h) */
    BC_CALL                     /* the owner's `call`, number x */
};

struct bc_ins {
    uint8_t op, sub, dt;        /* sub: enum op of BC_INT and of the trap's message */
    int32_t d, a, b, x;
};

/* Memory that code reads and writes, flat. `set` has a byte an element when elements may be missing. */
struct bc_mem {
    const void *key;            /* the tensor or buffer */
    const char *name;
    enum dtype dt;
    int ndim;
    const int64_t *shape, *gap; /* gap NULL: none */
    const char *const *dim_name;    /* NULL: by number */
    int64_t elems;
    unsigned char *base, *set;
    bool check;                 /* elements may be missing: NEED before a load */
    bool watched;               /* every access is told to `touch` */
    bool late;                  /* what is stored is missing until `copies` says it is there */
    bool far;                   /* too large to hold: every element through `far` */
};

struct bc_dim { int mem, dim; int64_t extent, stride; };    /* dim -1: a flat index */

struct bc_extern { const struct ext *f; int arg[EXTERN_MAX_ARGS]; };    /* registers */

enum { BC_MAX_AXES = QJ_MAX_RANK + QJ_MAX_PHYS };

/* base + sum coef * axis, kept in a register. */
struct bc_cursor {
    int reg;
    int64_t base, coef[BC_MAX_AXES];
    int64_t lo, hi;             /* over all axes */
};

struct bc_step { int reg; int64_t by; };
struct bc_axis { const struct var *var; int64_t extent; };

struct bc_memo_row { const struct expr *e; int reg; };
struct bc_bound { const struct var *var; int reg; };

struct bc_trap {
    enum { BC_TRAP_NONE, BC_TRAP_BOUNDS, BC_TRAP_OVERFLOW, BC_TRAP_UNSET, BC_TRAP_REPORTED, BC_TRAP_SYNC } kind;
    int at;                     /* the instruction */
    const char *text;           /* what is wrong; NULL when REPORTED: the owner knows */
};

struct bc {
    struct ir_ctx *c;           /* for errors found while compiling; NULL: there can be none */
    struct arena *arena;
    bool failed;                /* while compiling; the error is set */
    uint32_t since_poll;        /* turns of its loops since the arena was asked whether time is over */
    struct bc_trap trap;        /* why bc_run gave up */
    VEC(struct bc_ins) ins;
    VEC(union value) reg;
    VEC(struct bc_dim) dim;
    VEC(struct bc_extern) ext;
    struct bc_mem *mem;
    int nmem;
    /* one register a distinct node; entries leave in the reverse order of their coming */
    struct bc_memo_row *memo;
    uint32_t memo_cap;
    VEC(uint32_t) memo_log;
    /* bc_body */
    int nout, naxis;            /* axis[nout..naxis) are reduced */
    struct bc_axis axis[BC_MAX_AXES];
    VEC(struct bc_cursor) cursor;
    struct bc_step *step;       /* per reduced axis, a row of them: what its advance adds to the cursors */
    int64_t pos[BC_MAX_AXES];
    int acc, result;            /* registers; acc -1: nothing is combined */
    /* interp */
    VEC(struct bc_bound) bound;
    int lane;                   /* the register of the lane's number, or -1 */
    struct { int64_t *at; union value *value; int n; } staged;
    /* the owner's */
    void *u;
    bool (*miss)(void *u, int mem, int64_t at);                         /* fills element `at`; false: error set */
    bool (*far)(void *u, int mem, int64_t at, union value *out);        /* false: error set */
    bool (*call)(void *u, int x);                                       /* false: a fault */
    void (*later)(void *u, int mem, int64_t at);    /* an element of late memory is on its way */
    bool (*copies)(void *u, int keep);  /* -1: those so far are a group; else all but `keep` groups arrive. False: a fault */
    bool (*touch)(void *u, int mem, int64_t at, int64_t n, bool write); /* n elements; false: a fault */
};

void bc_init(struct bc *b, struct ir_ctx *c, struct arena *a, struct bc_mem *mem, int nmem);
int bc_reg(struct bc *b, union value v);                  /* a new register */
int bc_emit(struct bc *b, struct bc_ins i);               /* returns where */
int bc_expr(struct bc *b, const struct expr *e);          /* the register of its value */
int bc_combine(struct bc *b, enum combiner k, int acc, const struct expr *body);  /* into acc */
/* The flat element number that idx names in mem, checked. */
int bc_address(struct bc *b, int mem, int nidx, const struct expr *const *idx);
int bc_find(struct bc *b, const void *key, const char *name);    /* index in mem; sets an error when absent */
uint32_t bc_mark(const struct bc *b);                     /* what is known here ... */
void bc_forget(struct bc *b, uint32_t mark);              /* ... and no more than that from now on */

/* body over out axes, reduced over the rest by k. `combine`: the body is combined with what bc_point
 * is given even when nothing is reduced. */
bool bc_body(struct bc *b, int nout, int naxis, const struct bc_axis *axis, bool combine, enum combiner k,
             const struct expr *body);
/* One point of a bc_body. start: what the accumulator begins with. */
bool bc_point(struct bc *b, const int64_t *idx, union value start, union value *out);
bool bc_run(struct bc *b, int from);
/* The starting value of a combiner, as ir_identity. */
union value bc_identity(enum combiner k, enum dtype dt);

/* "P[0, 3, 5]": the element with flat number `at`. */
const char *bc_element(struct arena *a, const struct bc_mem *m, int64_t at);

/* An instruction's meaning, compiled once to run many times (eval.c). */
struct bc_meaning;
struct bc_meaning *bc_meaning_new(struct arena *a, const struct meaning *m);
bool bc_meaning_run(struct bc_meaning *m, void *const *ptr, const char **why);   /* false: i64 overflow */

#endif
