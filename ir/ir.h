/* SPDX-License-Identifier: Apache-2.0 */
/* ir.h - the one node shape for expressions, the tensors they define and the loop nests they become.
 *
 * Owns: types, expression nodes (immutable, interned: structural equality is pointer equality),
 * tensors, buffers, statements. Includes ir/base only.
 *
 * SEMANTICS. These are the rules; eval, interp, simplify and every code generator obey them.
 *
 *  - Types are bool, i8 u8 i16 u16 i32 i64 f32, times a number of lanes (1: scalar). Operands of one
 *    operation have the same type; nothing converts silently.
 *  - i8..i32 and u8, u16 wrap modulo 2^bits. i64 is the index type and the type of wide products:
 *    its arithmetic must not overflow; eval and interp report it, code generators may assume it.
 *  - `/` and `%` floor (-7/2 = -4, -7%2 = 1), x/0 = 0, x%0 = 0, and MIN / -1 wraps to MIN.
 *  - A shift by an amount outside [0, bits) gives 0 for << and for >> of unsigned or non-negative
 *    values, -1 for >> of a negative one. >> is arithmetic on signed types.
 *  - f32 is IEEE single, round to nearest even, never contracted or reassociated. min(a,b) is
 *    a < b ? a : b and max(a,b) is a > b ? a : b (so with a nan the second operand).
 *  - CAST: integer to integer wraps; to bool is x != 0; bool to number is 0 or 1; integer to f32
 *    rounds to nearest even; f32 to integer truncates toward zero, saturates, nan gives 0.
 *  - SAT clamps to the range of its type (f32: truncates toward zero, saturates, nan gives 0).
 *  - SELECT is lazy: only the chosen arm is evaluated, so a load in the other arm may be out of
 *    bounds. Everything else is strict. AND/OR on bool are strict too.
 *  - EXTERN is a function of the host's on scalars. It is pure: the result depends on the arguments alone, so equal
 *    calls may be made once, a call as often as a stage is recomputed, and one whose result is not needed never -
 *    but only where the program's selects and guards let the expression be evaluated.
 *  - Loops bound to blocks and threads make kernels, what is allocated in them shared or a thread's: ir/threads.h.
 *  - An index outside its tensor or buffer is an error that eval and interp report.
 *  - A reduction starts from its combiner's identity and takes its axes in row-major order
 *    (first axis outermost). Integer sum, min and max may be reordered (they are associative and
 *    commutative modulo 2^bits); f32 sum and fma may not.
 *
 *     const struct expr *e = ir_add(c, ir_var_expr(c, v), ir_int(c, TYPE_I64, 3));
 */
#ifndef QJ_IR_IR_H
#define QJ_IR_IR_H

#include "ir/base/defer.h"
#include "ir/base/err.h"

/* ---- types ---- */

/* name, bits, signed, min, max */
#define DTYPES(X)                                                                                 \
    X(BOOL, "bool", 8, 0, 0, 1)                                                                   \
    X(I8, "i8", 8, 1, INT8_MIN, INT8_MAX)                                                         \
    X(U8, "u8", 8, 0, 0, UINT8_MAX)                                                               \
    X(I16, "i16", 16, 1, INT16_MIN, INT16_MAX)                                                    \
    X(U16, "u16", 16, 0, 0, UINT16_MAX)                                                           \
    X(I32, "i32", 32, 1, INT32_MIN, INT32_MAX)                                                    \
    X(I64, "i64", 64, 1, INT64_MIN, INT64_MAX)                                                    \
    X(F32, "f32", 32, 1, 0, 0)

enum dtype {
#define X(id, name, bits, sgn, lo, hi) DT_##id,
    DTYPES(X)
#undef X
    DT_COUNT
};

struct dtype_info {
    const char *name;
    int bits, is_signed;    /* storage bits: bool is a byte holding 0 or 1 */
    int64_t lo, hi;         /* integers and bool */
};
extern const struct dtype_info dtype_info[DT_COUNT];
static inline int dt_bytes(enum dtype d) { return dtype_info[d].bits / 8; }
static inline bool dt_is_int(enum dtype d) { return d != DT_F32 && d != DT_BOOL; }
bool dt_by_name(const char *s, size_t n, enum dtype *out);

struct type {
    uint8_t dt;        /* enum dtype */
    uint16_t lanes;    /* >= 1 */
};
static inline struct type type_of(enum dtype d) { return (struct type){(uint8_t)d, 1}; }
static inline struct type type_vec(enum dtype d, int lanes) { return (struct type){(uint8_t)d, (uint16_t)lanes}; }
static inline bool type_eq(struct type a, struct type b) { return a.dt == b.dt && a.lanes == b.lanes; }
#define TYPE_I64 type_of(DT_I64)
#define TYPE_BOOL type_of(DT_BOOL)

/* ---- expressions ---- */

enum op {
#define OP(code, spelling, arity, cls, flags) OP_##code,
#include "ir/ops.def"
#undef OP
    OP_COUNT
};
enum op_class { OPC_LEAF, OPC_ALU, OPC_CMP, OPC_MEM, OPC_CALL, OPC_RED, OPC_VEC };
enum op_flag { OPF_COMM = 1, OPF_ASSOC = 2, OPF_IDEM = 4, OPF_F32 = 8, OPF_INT = 16, OPF_BOOLS = 32 };
enum { OP_VARIES = -1 };
struct op_info {
    const char *spelling;
    int arity;
    enum op_class cls;
    unsigned flags;
};
extern const struct op_info op_info[OP_COUNT];

/* FMA: acc = fma(a, b, acc), the body is the product a*b; f32 only. */
enum combiner { RED_SUM, RED_MAX, RED_MIN, RED_FMA, RED_COUNT };
extern const char *const combiner_name[RED_COUNT];   /* "sum" "max" "min" "fmasum" */

/* A variable: an axis of a tensor, a reduce axis or a loop. Identity is the pointer. */
struct var {
    const char *name;
    uint32_t uid;
    int64_t extent;    /* values are 0 .. extent-1; 0: not known */
};

struct expr {
    uint8_t op;        /* enum op */
    uint8_t nkid;
    struct type type;
    uint32_t id;       /* dense, unique in the context: index for memo tables */
    uint32_t hash;
    union {
        int64_t i;
        double f;      /* always exactly an f32 */
        const struct var *var;
        const struct tensor *tensor;
        const struct buffer *buffer;
        const struct ext *ext;
    } val;
    const struct expr *kid[];
};
#define for_kids(e, i) for (int i = 0; i < (e)->nkid; i++)

/* ---- tensors: what to compute ---- */

enum tensor_kind {
    TENSOR_INPUT,      /* argument, new at each call */
    TENSOR_WEIGHT,     /* argument, constant: stages that depend on weights alone are packed ahead */
    TENSOR_COMPUTE,
    TENSOR_OPERAND     /* stands for an operand in an intrinsic's meaning */
};

struct range { int64_t lo, hi; };    /* inclusive */
struct layout;         /* ir/layout.h */

/* What is known of runs of elements along a dimension, each starting at a multiple of `run`: of each four of a run take the first
 * two, or the last two; the positive ones of all these sum to at most pos, the negative ones to at least -neg. Whoever makes the
 * tensor makes it so. */
struct chain { int dim; int64_t run, pos, neg; };

struct tensor {
    const char *name;
    enum tensor_kind kind;
    enum dtype dt;
    int ndim;
    int64_t shape[QJ_MAX_RANK];
    const char *dim_name[QJ_MAX_RANK];      /* never NULL: "n", "h"; or "d0", "d1" */
    struct range range;                     /* of the elements; declared or derived; dtype's if not */
    bool range_declared;
    const void *values;                     /* WEIGHT: its elements, row-major, part of the program (values.h); NULL: an
                                               argument */
    struct range declared;                  /* with values: what was declared; `range` is what they are */
    const struct chain *chain;              /* NULL: nothing is known */
    const struct layout *layout;            /* of the argument in memory; NULL: row-major */
    const char *keyword;                    /* how it was declared: "input" "weight" "bias" "scale" */
    const struct var *axis[QJ_MAX_RANK];    /* COMPUTE: data-parallel axes, extent = shape */
    const struct expr *body;                /* COMPUTE: over axis[]; a REDUCE only at its root */
    uint32_t uid;
};

/* A tensor program: tensors in order of definition (each reads only earlier ones). Outputs are the
 * COMPUTE tensors nobody reads. */
struct program {
    const char *name;                       /* kernel name, an identifier */
    int ntensor;
    const struct tensor *const *tensor;
};

/* ---- loop nests: how to compute it ---- */

enum scope { SCOPE_GLOBAL, SCOPE_SHARED, SCOPE_LOCAL, SCOPE_ARG, SCOPE_COUNT };
extern const char *const scope_name[SCOPE_COUNT];   /* "global" "shared" "local" "arg" */

struct buffer {
    const char *name;
    enum dtype dt;
    enum scope scope;
    int ndim;                               /* physical, after the layout */
    int64_t shape[QJ_MAX_PHYS];             /* row-major; element count fits in 2^47 */
    int64_t gap[QJ_MAX_PHYS];               /* elements that nobody uses, after each index of a dimension; innermost: 0 */
    struct range range;                     /* of the elements */
    bool written;                           /* ARG: the kernel writes it */
    bool async;                             /* SHARED: what is stored is there when it has been waited for (threads.h) */
    const struct tensor *tensor;            /* what it stores; NULL in hand-written nests */
    uint32_t uid;
};
int64_t buffer_stride(const struct buffer *b, int d);  /* elements from one index of dimension d to the next */
int64_t buffer_elems(const struct buffer *b);           /* of its storage, gaps included */
int64_t buffer_bytes(const struct buffer *b);           /* the same; -1: 2^47 or more */

enum loop_kind { LOOP_SERIAL, LOOP_UNROLLED, LOOP_VECTORIZED, LOOP_PARALLEL,
                 LOOP_BLOCK_X, LOOP_BLOCK_Y, LOOP_BLOCK_Z,
                 LOOP_THREAD_X, LOOP_THREAD_Y, LOOP_THREAD_Z, LOOP_VTHREAD, LOOP_KINDS };
extern const char *const loop_kind_name[LOOP_KINDS]; /* "serial" ... "blockIdx.x" ... "threadIdx.x" "vthread" */

enum stmt_kind { STMT_FOR, STMT_STORE, STMT_IF, STMT_SEQ, STMT_ALLOC, STMT_INTRIN, STMT_SYNC, STMT_COMBINE };
enum sync_kind { SYNC_BARRIER, SYNC_COMMIT, SYNC_WAIT };    /* threads.h */

struct meaning;        /* ir/meaning.h */
struct stmt {
    enum stmt_kind kind;
    uint32_t uid;                           /* a loop's identity, kept when it is rebuilt */
    union {
        struct {                            /* for var in 0..var->extent: body */
            const struct var *var;
            enum loop_kind how;
            bool peel;                      /* partition this loop where guards inside depend on it */
            const struct stmt *body;
        } loop;
        struct {                            /* buffer[idx...] = value, where mask (NULL: always) */
            const struct buffer *buffer;
            int nidx;                       /* buffer->ndim, or 1: flat */
            const struct expr *const *idx;  /* i64; a lane vector once vectorised */
            const struct expr *value;
            const struct expr *mask;        /* bool with value's lanes */
        } store;
        struct { const struct expr *cond; const struct stmt *then; } cond;
        struct { int n; const struct stmt *const *at; } seq;
        struct { const struct buffer *buffer; const struct stmt *body; } alloc;
        struct {                            /* an instruction: operands are LOADs standing for addresses */
            const struct meaning *meaning;
            const struct expr *const *arg;  /* one LOAD an operand, in the meaning's order; arg[0] written */
        } intrin;
        struct { enum sync_kind kind; int keep; } sync;
        struct { enum combiner k; enum loop_kind axis; int width; const struct expr *at; } combine;     /* threads.h; at: a LOAD */
    } u;
};

/* A lowered function: what codegen takes. Arguments in order; body reads and writes only them and its allocs. */
struct func {
    const char *name;
    int narg;
    const struct buffer *const *arg;        /* scope ARG */
    const struct stmt *body;
};

/* ---- context ---- */

/* Whoever can call functions of the host's for eval and interp (ir/extern.h). */
struct ext;
union value;
struct ir_ctx;
typedef bool ir_call_host(void *u, struct ir_ctx *c, const struct ext *f, const union value *arg, union value *out);
struct ir_host { ir_call_host *call; void *u; };

/* Owns the arena and the intern table. One thread at a time. */
struct ir_ctx {
    struct limits limits;                   /* of all that is made for it, here and beside */
    struct arena arena;
    struct err_state err;
    struct defers defers;                   /* to be freed if running out of memory jumps over what would */
    const struct expr **slot;               /* open-addressing intern table */
    uint32_t nslot, nexpr, next_uid;
    struct ir_host host;
};
void ir_ctx_init(struct ir_ctx *c, size_t limit);
void ir_ctx_release(struct ir_ctx *c);
/* Everything made after the mark (nodes, tensors, statements, arena strings) goes at the reset; the caller
 * keeps no pointer to it. Brackets one compile or one trial lowering. */
struct ir_mark { struct arena_mark arena; uint32_t nexpr; };
struct ir_mark ir_mark(const struct ir_ctx *c);
void ir_reset(struct ir_ctx *c, struct ir_mark m);

/* ---- constructors: typed, folding constants and units; NULL in, NULL out ----
 * They check types by assertion: callers that take user text check first (ir/parse.c). */

const struct expr *ir_int(struct ir_ctx *c, struct type t, int64_t v);   /* wraps v into t */
static inline const struct expr *ir_idx(struct ir_ctx *c, int64_t v) { return ir_int(c, TYPE_I64, v); }
const struct expr *ir_bool(struct ir_ctx *c, bool v);
const struct expr *ir_flt(struct ir_ctx *c, struct type t, float v);
const struct var *ir_var(struct ir_ctx *c, const char *name, int64_t extent);
const struct expr *ir_var_expr(struct ir_ctx *c, const struct var *v);   /* i64 */
const struct expr *ir_read(struct ir_ctx *c, const struct tensor *t, const struct expr *const *idx);
/* nidx: b->ndim, or 1 for a flat index; lanes follow the indices'. */
const struct expr *ir_load(struct ir_ctx *c, const struct buffer *b, int nidx, const struct expr *const *idx);
const struct expr *ir_bin(struct ir_ctx *c, enum op op, const struct expr *a, const struct expr *b);
const struct expr *ir_un(struct ir_ctx *c, enum op op, const struct expr *a);         /* NOT RINT */
const struct expr *ir_fma(struct ir_ctx *c, const struct expr *a, const struct expr *b, const struct expr *d);
const struct expr *ir_select(struct ir_ctx *c, const struct expr *cond, const struct expr *a, const struct expr *b);
const struct expr *ir_cast(struct ir_ctx *c, enum dtype to, const struct expr *a);    /* keeps lanes */
const struct expr *ir_sat(struct ir_ctx *c, enum dtype to, const struct expr *a);
const struct expr *ir_reduce(struct ir_ctx *c, enum combiner k, const struct expr *body, int naxes, const struct expr *const *axis);
const struct expr *ir_ramp(struct ir_ctx *c, const struct expr *base, const struct expr *stride, int lanes);
const struct expr *ir_bcast(struct ir_ctx *c, const struct expr *a, int lanes);       /* lanes 1: a itself */
#define IR_BIN(name, code)                                                                        \
    static inline const struct expr *ir_##name(struct ir_ctx *c, const struct expr *a, const struct expr *b) \
    { return ir_bin(c, OP_##code, a, b); }
IR_BIN(add, ADD) IR_BIN(sub, SUB) IR_BIN(mul, MUL) IR_BIN(div, DIV) IR_BIN(mod, MOD) IR_BIN(min, MIN)
IR_BIN(max, MAX) IR_BIN(and, AND) IR_BIN(or, OR) IR_BIN(lt, LT) IR_BIN(le, LE) IR_BIN(eq, EQ)
/* The same node with other kids, folded again by its constructor. */
const struct expr *ir_with_kids(struct ir_ctx *c, const struct expr *e, const struct expr *const *kid);
/* The starting value of a combiner. */
const struct expr *ir_identity(struct ir_ctx *c, enum combiner k, enum dtype dt);
/* One step of a combiner: acc (op) body; FMA wants body = a*b. */
const struct expr *ir_combine(struct ir_ctx *c, enum combiner k, const struct expr *acc, const struct expr *body);

/* A total order that depends on what nodes say, not on when they were made (variables, tensors and buffers by age): loads first,
 * constants last. Commutative operands and sums are kept in it: one schedule, one text, one object. 0: the same. */
int ir_compare(const struct expr *a, const struct expr *b);

static inline bool ir_is_int(const struct expr *e, int64_t v) { return e->op == OP_INT && e->val.i == v; }
int64_t ir_wrap(enum dtype d, int64_t v);         /* into the value range of an integer type or bool */
int64_t ir_f32_to_int(float v, enum dtype to);    /* truncate, saturate, nan gives 0 */
/* One scalar operation on integers or bool, exactly as the essay says: the only such home. `d` is the operands' type. i64
 * overflow sets *overflow (may be NULL). */
int64_t ir_apply_int(enum op op, enum dtype d, int64_t a, int64_t b, bool *overflow);
float ir_apply_f32(enum op op, float a, float b);
bool ir_cmp_f32(enum op op, float a, float b);

/* ---- tensors, buffers, statements: made in the context's arena ---- */

/* Fill in the rest before use. */
struct tensor *ir_tensor(struct ir_ctx *c, const char *name, enum tensor_kind kind, enum dtype dt, int ndim, const int64_t *shape);
struct buffer *ir_buffer(struct ir_ctx *c, const char *name, enum dtype dt, enum scope scope, int ndim, const int64_t *shape);
const struct stmt *ir_for(struct ir_ctx *c, const struct var *v, enum loop_kind how, const struct stmt *body);
const struct stmt *ir_store(struct ir_ctx *c, const struct buffer *b, int nidx, const struct expr *const *idx, const struct expr *value,
                            const struct expr *mask);
const struct stmt *ir_if(struct ir_ctx *c, const struct expr *cond, const struct stmt *then);
const struct stmt *ir_seq(struct ir_ctx *c, int n, const struct stmt *const *at); /* flattens; NULLs skipped */
const struct stmt *ir_alloc(struct ir_ctx *c, const struct buffer *b, const struct stmt *body);
const struct stmt *ir_intrin(struct ir_ctx *c, const struct meaning *m, const struct expr *const *arg);
const struct stmt *ir_sync(struct ir_ctx *c);
const struct stmt *ir_copies(struct ir_ctx *c, enum sync_kind k, int keep);   /* COMMIT; WAIT for all groups but `keep` */
const struct stmt *ir_combine_threads(struct ir_ctx *c, enum combiner k, enum loop_kind x, int width, const struct expr *at);
static inline struct range dtype_range(enum dtype d) { return (struct range){dtype_info[d].lo, dtype_info[d].hi}; }
static inline bool dt_holds(enum dtype d, struct range r) { return dtype_info[d].lo <= r.lo && r.hi <= dtype_info[d].hi; }

/* ---- traversal (ir/visit.c): the only idioms besides the dense switch ---- */

/* Pre-order over an expression; fn returns false to skip the kids. */
void ir_walk(const struct expr *e, bool (*fn)(const struct expr *e, void *u), void *u);
/* Bottom-up with memo: rule sees a node whose kids are rewritten; returns NULL for "no change". */
typedef const struct expr *ir_rule(struct ir_ctx *c, const struct expr *e, void *u);
const struct expr *ir_rewrite(struct ir_ctx *c, const struct expr *e, ir_rule *rule, void *u);
/* Replaces var[i] by with[i] everywhere. */
const struct expr *ir_subst(struct ir_ctx *c, const struct expr *e, int n, const struct var *const *v, const struct expr *const *with);
bool ir_uses(const struct expr *e, const struct var *v);
/* Statement rewriting: rule is called bottom-up on each statement (its sub-statements rewritten); expr_rule (may be NULL) is
 * applied to every expression inside by ir_rewrite. Loops keep their uid. */
typedef const struct stmt *ir_stmt_rule(struct ir_ctx *c, const struct stmt *s, void *u);
const struct stmt *ir_rewrite_stmt(struct ir_ctx *c, const struct stmt *s, ir_stmt_rule *rule, ir_rule *expr_rule, void *u);
const struct stmt *ir_subst_stmt(struct ir_ctx *c, const struct stmt *s, int n, const struct var *const *var,
                                 const struct expr *const *with);
void ir_walk_stmt(const struct stmt *s, bool (*fn)(const struct stmt *s, void *u), void *u);

#endif
