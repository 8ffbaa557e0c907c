/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - what a machine is and which instructions it offers: pure data, no LLVM.
 *
 * A target is a family (generic, x86-64, aarch64, nvptx) with a CPU or level and a set of features. Spelled
 * `x86-64-v3`, `x86-64-v4,+avx512vnni`, `x86-64,cpu=znver3`, `native`, `generic`.
 *
 * An instruction ("row") is its meaning plus a recipe; tensorize matches the meaning, codegen
 * interprets the recipe, tests run one against the other. Rows come from the family's table or, by
 * `intrinsic` statements, from a script.
 *
 *     const struct target *t = target_parse(c, "x86-64-v3", 9, span);
 *     const struct intrin *row = target_intrin(t, "dot2_i16_avx2");
 */
#ifndef QJ_TARGETS_TARGET_H
#define QJ_TARGETS_TARGET_H

#include "ir/ir.h"
#include "ir/meaning.h"

enum target_kind { TARGET_CPU, TARGET_SIMT };
enum target_ask { ASK_NOTHING, ASK_CPUID, ASK_ID };     /* how a program finds features of its CPU: probe.h */

/* A feature of a family: a bit, its LLVM name and what it implies. */
struct feature {
    const char *name;       /* LLVM's name: "avx2" */
    uint64_t bit, implies;  /* implies: bits, transitively closed by target.c */
    const char *help;
};

/* A row as written in a table. All strings; parsed into struct intrin once a context. */
struct intrin_row {
    const char *name;       /* "dot4_u8i8_avx512vnni" */
    const char *operands;   /* see ir/meaning.h */
    const char *meaning;
    const char *recipe;     /* see targets/recipe.h: value stored to operand 0 */
    const char *needs;      /* features, space separated */
    int pair_i16;           /* n > 0: sums n products of a lane in 16 bits - two neighbours along the last summed axis,
                               for each of n / 2 steps along the summed axes before it - so exact only if such sums
                               fit i16; checked when matched */
    double mac_per_cycle;   /* sustained, rough: for ranking; 0: it sums nothing */
    const char *mnemonic;   /* must occur in the assembly of the row alone */
    const char *help;
};

struct recipe;              /* targets/recipe.h */

struct intrin {
    const struct intrin_row *row;
    const struct meaning *meaning;
    const struct recipe *recipe;
    uint64_t needs;         /* feature bits of the family */
    bool user;              /* from a script */
};

struct cpu {
    const char *name;       /* LLVM's CPU name: "znver3", "x86-64-v3" */
    uint64_t features;
};

struct target;
/* TARGET_SIMT: what a kernel may take. */
struct simt_limits {
    int warp, threads;                   /* threads of a block, in all */
    int64_t block[3], grid[3];           /* along x, y, z */
    int shared;                          /* bytes of a block, without asking for more; target->block_shared with */
    int regs, thread_regs;               /* 32-bit registers of a block and of a thread */
};

/* A family: one file of rows each. */
struct family {
    const char *name;                    /* "x86-64": the target's first word */
    const char *alias;                   /* another first word: "aarch64-linux-gnu"; NULL: none */
    const char *triple;                  /* "x86_64-unknown-linux-gnu" */
    enum target_kind kind;
    enum target_ask ask;
    const struct simt_limits *simt;      /* NULL: TARGET_CPU */
    const struct feature *features; int nfeature;
    const struct cpu *cpus; int ncpu;    /* cpus[0]: the default */
    const struct intrin_row *rows; int nrow;
    void (*measure)(struct target *t);   /* sizes and abilities, from the features */
    int (*sve_bits)(uint64_t bit);       /* of a feature that is none of LLVM's but says how wide registers of SVE are at
                                            least; else 0. NULL: there is none */
    const char *help;
};
extern const struct family family_generic, family_x86, family_aarch64, family_nvptx;
extern const struct family *const families[];   /* NULL-terminated */

struct target {
    const struct family *family;
    const char *name;                    /* canonical spelling; parses back to an equal target */
    const char *cpu;                     /* for LLVM */
    uint64_t features;
    const char *feature_text;            /* for LLVM: "+avx2,+fma" */
    int sve_bits;                        /* registers of SVE are known to be so wide or wider; 0: nothing is known */
    int vector_bits;                     /* widest usable vector; 64 when there is none */
    int vector_regs;
    int cache_line, l1_bytes, l2_bytes;
    int block_shared;                    /* TARGET_SIMT: bytes of shared memory that a block can be launched with */
    int lane_bytes;                      /* an operand to broadcast is taken from a lane of a register of so many bytes; 0:
                                            from memory, for nothing */
    bool fused;                          /* a * b + c in f32 with one rounding is an instruction */
    bool rounds;                         /* so is rounding f32 to integral, half to even */
    bool converts;                       /* and f32 to i32 with that rounding, in vectors (LLVM's lrint) */
    int nintrin;
    const struct intrin *intrin;         /* rows whose features this target has, table order, then user rows */
    int nabsent;
    const struct intrin_row *const *absent; /* user rows whose features it lacks (target_carry), for messages */
};

/* What sums of up to n products of a value of a by one of b lie in: for pair_i16. */
struct range target_sums(int n, struct range a, struct range b);
static inline bool target_sums_fit(int n, struct range a, struct range b) { return n == 0 || dt_holds(DT_I16, target_sums(n, a, b)); }

/* "native" asks host.c. Errors: ERR_TARGET (with a suggestion), ERR_FEATURE. Made in c's arena. */
const struct target *target_parse(struct ir_ctx *c, const char *text, size_t n, struct span at);
const struct intrin *target_intrin(const struct target *t, const char *name);
/* Any row of the family or carried to t, also one whose features are missing (for messages); NULL if no such name. */
const struct intrin_row *target_row(const struct target *t, const char *name);
bool target_has(const struct target *t, const char *feature);
/* Features of `needs` that t lacks, as text ("avx512vnni"), or NULL. */
const char *target_lacks(struct ir_ctx *c, const struct target *t, const char *needs);
/* A copy of t with one more row; errors ERR_INTRIN, ERR_FEATURE, ERR_ASM_REFUSED. */
const struct target *target_add_row(struct ir_ctx *c, const struct target *t, const struct intrin_row *row,
                                    bool allow_asm, struct span at);
/* A copy of t with the rows that a script gave to `from`, where t is of its family: those whose features it has. */
const struct target *target_carry(struct ir_ctx *c, const struct target *t, const struct target *from);
/* All of t's rows parsed; false on a bug in a table. */
bool target_runs_here(const struct target *t);       /* this CPU and OS have all its features */

/* host.c: the family and features of this machine. */
const struct family *host_family(void);
const char *host_cpu_name(void);                     /* best matching row of cpus, e.g. "znver3"; else level */
uint64_t host_features(void);

#endif
