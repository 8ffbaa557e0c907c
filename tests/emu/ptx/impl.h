/* SPDX-License-Identifier: Apache-2.0 */
/* impl.h - decoded PTX and the state it runs in. Private to tests/emu/ptx. */
#ifndef QJ_TESTS_EMU_PTX_IMPL_H
#define QJ_TESTS_EMU_PTX_IMPL_H

#include "tests/emu/ptx/ptx.h"

enum { WARP = 32, GROUP = 128, MAX_OPDS = 6, MAX_TYPES = 4, MAX_WORDS = 16 };

/* ---- what is decoded ---- */

enum kind { K_NONE, K_PRED, K_BITS, K_UINT, K_SINT, K_FLOAT, K_UINT_PAIR, K_SINT_PAIR };   /* pairs: u16x2, s16x2 */
struct ptype { uint8_t kind, bits; };

enum space { SP_GENERIC, SP_GLOBAL, SP_SHARED, SP_LOCAL, SP_PARAM, SP_CONST };

/* Classes of the words after an opcode; a row of the opcode table says which it takes. */
enum {
    W_TYPE = 1, W_ROUND = 2, W_PART = 4, W_SPACE = 8, W_VEC = 16, W_CMP = 32, W_SAT = 64, W_FTZ = 128, W_SYNC = 256,
    W_SHAPE = 512, W_COUNT = 1024, W_TRANS = 2048, W_LAYOUT = 4096, W_TO = 8192, W_UNI = 16384, W_CACHE = 32768,
    W_ATOM = 65536, W_SHFL = 131072, W_SHIFT = 262144, W_SCOPE = 524288, W_ASYNC = 1048576, W_WARP = 2097152,
    W_VOTE = 4194304, W_PACK = 8388608, W_PROXY = 16777216, W_GROUP = 33554432
};

/* name, classes of words, fewest and most operands */
#define PTX_OPS(X)                                                                                                     \
    X(abs, W_TYPE | W_FTZ, 2, 2) X(activemask, W_TYPE, 1, 1) X(add, W_TYPE | W_ROUND | W_SAT, 3, 3)                    \
    X(and, W_TYPE, 3, 3) X(atom, W_TYPE | W_SPACE | W_ATOM | W_SCOPE, 3, 4) X(bar, W_SYNC | W_WARP, 1, 2)              \
    X(barrier, W_SYNC, 1, 2) X(bfe, W_TYPE, 4, 4) X(bfi, W_TYPE, 5, 5) X(bra, W_UNI, 1, 1) X(brev, W_TYPE, 2, 2)       \
    X(clz, W_TYPE, 2, 2) X(cp, W_SPACE | W_CACHE | W_ASYNC, 0, 4)                                                      \
    X(cvt, W_TYPE | W_ROUND | W_SAT | W_PACK, 2, 4) X(cvta, W_TYPE | W_SPACE | W_TO, 2, 2)                             \
    X(div, W_TYPE | W_ROUND, 3, 3) X(dp2a, W_TYPE | W_PART, 4, 4) X(dp4a, W_TYPE, 4, 4) X(exit, 0, 0, 0)               \
    X(fence, W_SCOPE | W_PROXY, 0, 0) X(fma, W_TYPE | W_ROUND, 4, 4) X(ld, W_TYPE | W_SPACE | W_VEC | W_CACHE, 2, 2)             \
    X(ldmatrix, W_TYPE | W_SPACE | W_SYNC | W_SHAPE | W_COUNT | W_TRANS, 2, 2) X(lop3, W_TYPE, 5, 5)                   \
    X(mad, W_TYPE | W_PART, 4, 4) X(max, W_TYPE, 3, 3) X(membar, W_SCOPE, 0, 0) X(min, W_TYPE, 3, 3)                   \
    X(mma, W_TYPE | W_SYNC | W_SHAPE | W_LAYOUT | W_SAT, 4, 4) X(mov, W_TYPE, 2, 2)                                    \
    X(mul, W_TYPE | W_PART | W_ROUND, 3, 3) X(neg, W_TYPE | W_FTZ, 2, 2) X(not, W_TYPE, 2, 2) X(or, W_TYPE, 3, 3)      \
    X(popc, W_TYPE, 2, 2) X(prmt, W_TYPE, 4, 4) X(red, W_TYPE | W_SPACE | W_ATOM | W_SCOPE, 2, 2)                      \
    X(redux, W_TYPE | W_SYNC | W_ATOM, 3, 3) X(rem, W_TYPE, 3, 3) X(ret, W_UNI, 0, 0) X(selp, W_TYPE, 4, 4)            \
    X(set, W_TYPE | W_CMP, 3, 3) X(setp, W_TYPE | W_CMP, 3, 3) X(shf, W_TYPE | W_SHIFT, 4, 4)                          \
    X(shfl, W_TYPE | W_SYNC | W_SHFL, 5, 5) X(shl, W_TYPE, 3, 3) X(shr, W_TYPE, 3, 3)                                  \
    X(sqrt, W_TYPE | W_ROUND, 2, 2) X(st, W_TYPE | W_SPACE | W_VEC | W_CACHE, 2, 2) X(sub, W_TYPE | W_ROUND | W_SAT, 3, 3) \
    X(trap, 0, 0, 0) X(vote, W_TYPE | W_SYNC | W_VOTE, 3, 3) X(wgmma, W_TYPE | W_SYNC | W_GROUP, 0, 4) X(xor, W_TYPE, 3, 3)

enum op {
#define X(name, words, lo, hi) OP_##name,
    PTX_OPS(X)
#undef X
    OP_COUNT
};

enum part { PART_NONE, PART_LO, PART_HI, PART_WIDE };
enum cmp { CMP_NONE, CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQU, CMP_NEU, CMP_LTU, CMP_LEU, CMP_GTU, CMP_GEU };
enum rounding { R_NONE, R_RN, R_RZ, R_RM, R_RP, R_RNI, R_RZI, R_RMI, R_RPI };
enum shape { SH_NONE, SH_M8N8, SH_M8N8K16, SH_M16N8K16, SH_M16N8K32 };
enum atom { AT_NONE, AT_ADD, AT_MIN, AT_MAX, AT_AND, AT_OR, AT_XOR, AT_EXCH, AT_CAS };
enum shfl { SF_NONE, SF_UP, SF_DOWN, SF_BFLY, SF_IDX };
enum async { AS_NONE, AS_COPY, AS_COMMIT, AS_WAIT, AS_WAIT_ALL, AS_MMA, AS_FENCE };

enum opd_kind { O_NONE, O_REG, O_IMM, O_SREG, O_LIST, O_LABEL, O_ADDR };
enum sreg { S_TID, S_NTID, S_CTAID, S_NCTAID, S_LANEID, S_WARPID };
struct operand {
    uint8_t kind;
    bool negated;               /* !%p */
    uint8_t dim;                /* SREG: x, y, z */
    int reg;                    /* REG; ADDR: the base, -1 none; SREG: which; LABEL: target instruction */
    int64_t imm;                /* IMM; ADDR: offset, with the address of a symbol */
    int first, n;               /* LIST: elements in ptx->list */
};

struct instr {
    uint8_t op, ntype, space, space2, vec, part, cmp, round, shape, count, atom, shfl, async, nopd;
    bool sat, ftz, trans, to, warp, left, wrap, pack;
    bool proxy;                 /* fence.proxy.async */
    bool row_first;             /* mma: .row.col, the only one there is */
    int16_t pred;               /* -1: always */
    bool pred_not;
    int line;
    struct ptype type[MAX_TYPES];
    struct operand opd[MAX_OPDS];
};

struct reg { char *name; struct ptype type; };
/* Shared, local, global, const variables. A shared one of the module has room in the entries that name it, and no address. */
struct symbol { char *name; uint8_t space; uint64_t address; size_t bytes, align; };
struct label { char *name; int at; };

struct entry {
    char *name;
    int nparam, nreg, nlabel, first, ninstr, nsymbol;
    struct reg *reg;
    struct label *label;
    struct symbol *symbol;      /* of its own: parameters (address: number), shared, local */
    struct ptype *param;
    unsigned maxntid[3];
    size_t shared, local;
};

struct ptx {
    char target[16];
    int nentry, ninstr, nlist, nsymbol, cap_instr, cap_list;
    struct entry *entry;
    struct instr *instr;
    struct operand *list;
    struct symbol *symbol;      /* of the module */
    size_t constants;           /* bytes of .global and .const with their values */
    uint8_t *constant;
};

/* ---- where it runs ---- */

#define DYNAMIC_SHARED ((uint64_t)1 << 30)      /* where .extern .shared begins, as the kernel sees it */
#define SHARED_BASE ((uint64_t)1 << 40)         /* of generic addresses */
#define LOCAL_BASE ((uint64_t)2 << 40)
#define CONST_BASE ((uint64_t)3 << 40)
#define GLOBAL_BASE ((uint64_t)16 << 40)
#define GLOBAL_STEP ((uint64_t)1 << 36)

/* Who was at a byte last, since when. Threads count from 1 over the grid; READ_BY_MANY: more than one. */
struct shade { uint32_t writer, write_epoch, reader, read_epoch; };
#define READ_BY_MANY UINT32_MAX

struct copy { uint64_t to; uint8_t n, data[16]; const struct instr *by; };    /* a cp.async under way */
enum status { RUNS, AT_BARRIER, AT_WARP, AT_GROUP, DONE };
/* Of a thread's accumulators: wgmma may have them; has them; has them in a group to be waited for. */
enum lent { LENT_NOT, LENT_FENCED, LENT_OUT, LENT_GROUPED };
struct thread {
    uint64_t *reg;
    uint8_t *local;
    int pc;                     /* relative to the entry */
    enum status status;
    uint32_t id;                /* over the grid, from 1 */
    unsigned tid[3];
    struct copy *copy;          /* ungrouped ones at the end */
    int ncopy, cap_copy, ngroup, *group;    /* group[i]: copies in it */
    enum lent lent;
    bool seen;                  /* by a fence.proxy: what it and others stored is visible to wgmma */
    uint32_t *turn;             /* by instruction: accesses of shared memory so far; NULL: not counted */
};

struct run {
    const struct ptx *p;
    const struct entry *e;
    const struct ptx_launch *l;
    struct ptx_report *r;
    unsigned block[3];
    uint32_t nthread, epoch, first_id;      /* first_id: of this block's threads */
    size_t nshared;
    uint8_t *shared;
    struct shade *shade, **global_shade;    /* of shared memory; of each buffer */
    bool *written;                          /* shared bytes */
    struct thread *thread;
    struct banks *banks;                    /* first block only */
    uint32_t *warp_sync;                    /* by warp: bar.warp.sync since the block began */
    uint64_t limit;
};

/* An error where thread t (NULL: no thread in particular) stands. Always false. */
bool ptx_fail(struct run *u, const struct thread *t, const struct instr *i, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* memory.c: n bytes (1 to 16, of natural alignment for n a power of two) at an address of a space. Race and bounds
 * checks are done here. `atomic` accesses do not race with each other. */
bool mem_load(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n, void *out);
bool mem_store(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n,
               const void *from);
/* Marks a write of shared memory that a cp.async will make. */
bool mem_will_write(struct run *u, struct thread *t, const struct instr *i, uint64_t at, unsigned n);
bool mem_atomic(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n, void **cell);
/* Bank conflicts: counting begins; one access of a thread; all of a block summed into the report, and it ends. */
void banks_open(struct run *u);
void banks_note(struct run *u, struct thread *t, const struct instr *i, uint64_t offset, unsigned n);
void banks_sum(struct run *u);

/* scalar.c: one instruction of one thread that needs no other thread; *next is set by branches. */
bool scalar_step(struct run *u, struct thread *t, const struct instr *i, int *next);
uint64_t opd_value(const struct run *u, const struct thread *t, const struct operand *o, struct ptype type);
void reg_set(const struct run *u, struct thread *t, const struct operand *o, uint64_t v);
uint64_t opd_address(const struct thread *t, const struct operand *o);

/* warp.c: an instruction of a warp; lane[0..n) are its threads. Operands of lanes that have left are not looked at. */
bool warp_step(struct run *u, struct thread *lane, int n, const struct instr *i);
bool is_warp_op(const struct instr *i);

/* group.c: wgmma. What a thread does alone; what all of a warpgroup do, group[0..GROUP). */
bool is_group_op(const struct instr *i);
bool group_shape_known(const struct ptx *p, const struct instr *i);
bool group_alone(struct run *u, struct thread *t, const struct instr *i);
bool group_step(struct run *u, struct thread *group, const struct instr *i);

/* Text of an opcode. */
extern const char *const ptx_op_name[OP_COUNT];

#endif
