/* SPDX-License-Identifier: Apache-2.0 */
/* codegen.h - loop nests to bytes: the pass table, its driver, and what comes out.
 *
 *     struct cg_options o = {.kind = CG_OBJ};
 *     struct artifact *a = cg_compile(c, lowered, &o);
 *     ... a->bytes, a->size ...
 *     artifact_free(a);
 */
#ifndef QJ_CODEGEN_CODEGEN_H
#define QJ_CODEGEN_CODEGEN_H

#include "ir/quant.h"
#include "ir/extern.h"
#include "schedule/lower.h"

enum { CG_WORKSPACE_ALIGN = 64 };

enum cg_kind { CG_OBJ, CG_ASM, CG_LL, CG_BC, CG_PTX, CG_CUBIN }; /* OBJ and ASM of a CPU, PTX of a GPU; CUBIN: not made here */

struct cg_options {
    enum cg_kind kind;
    const char *dump;                        /* pass flags to dump ("LPV", "all"), or NULL */
    void (*on_dump)(void *u, const char *pass, const char *text);   /* text "(unchanged)" when so */
    void (*on_time)(void *u, const char *pass, double ms);
    void *u;
    bool verify;                             /* verify and interpretability checks after each pass */
};

/* Bytes and everything needed to call them, owned (malloc): outlives the context. */
struct artifact_arg {
    char *name;
    enum arg_role role;
    enum dtype dt;
    int ndim, nphys;
    int64_t shape[QJ_MAX_RANK], phys[QJ_MAX_PHYS];
    char *dim_name[QJ_MAX_RANK];
    char *layout;                            /* NULL: row-major */
    struct range range;
    bool range_declared;
    int64_t bytes;
};
struct artifact_extern { char *name; enum dtype result, arg[EXTERN_MAX_ARGS]; int narg; };
struct artifact_note { char *code, *place, *text; };
/* What an output is requantised by (ir/quant.h): an argument, whose dimensions go by the output's `axis`, or a value. */
struct artifact_factor {
    bool given;                              /* the rounding has such a factor */
    char *arg;                               /* NULL: constant */
    int ndim, axis[QJ_MAX_RANK];
    double value;
};
struct artifact_quant {
    char *output;
    enum round_mode round;
    struct artifact_factor scale, mult, shift;
    int64_t zero, lo, hi;
};
/* A kernel of a GPU. All kernels of a function take its arguments, then the workspace, and run in order. */
struct artifact_kernel {
    char *name;
    bool pack;                               /* of the pack function */
    int64_t grid[3], block[3];               /* blocks and threads of a block along x, y, z */
    int64_t shared, dynamic_shared;          /* bytes of a block; of them, those that the launch must ask for: none or all */
    int64_t registers, stack, spill_stores, spill_loads; /* of a thread, bytes but for the first; where `ptxas` is not NULL */
};
struct artifact {
    enum cg_kind kind;
    char *bytes;                             /* NUL-terminated for text kinds */
    size_t size;
    char *name;                              /* int NAME(args..., [void *workspace]); int NAME_call(void **args) */
    char *pack_name;                         /* int NAME_pack(args...), NAME_pack_call; NULL: none */
    int narg, npack;
    struct artifact_arg *arg, *pack;
    int nversion;                            /* several compilations in one object, chosen by the CPU; 0: just one */
    struct artifact_version { char *target, *steps; } *version;
    int nembedded;
    struct artifact_arg *embedded;           /* constant data of the object: no arguments */
    int64_t workspace;                       /* bytes, 64-byte aligned, passed last; 0: no such argument */
    int64_t pack_workspace;
    int64_t macs;
    int nkernel;                             /* 0: a CPU's */
    struct artifact_kernel *kernel;
    char *ptxas;                             /* the version of who told what kernels take; NULL: nobody has */
    int next;
    struct artifact_extern *ext;             /* functions of the host's that it may call: undefined symbols */
    int nnote;
    struct artifact_note *note;              /* slow paths of the kernel */
    int nquant;
    struct artifact_quant *quant;            /* outputs that are requantised */
    char *target, *triple, *cpu, *features, *steps, *program;
};
void artifact_free(struct artifact *a);
bool artifact_note(struct artifact *a, const struct note *note);     /* adds a copy; false: no memory */
const char *artifact_header(struct arena *arena, const struct artifact *a);  /* the C header's text (C99, C++) */
const char *artifact_json(struct arena *arena, const struct artifact *a);    /* the metadata's text */
/* The same with the SHA-256 of a header that is not the artifact's own and of the library it is in (NULL: none). */
const char *artifact_json_beside(struct arena *arena, const struct artifact *a, const char *header, const char *library);

struct artifact *cg_compile(struct ir_ctx *c, const struct lowered *l, const struct cg_options *o);

/* One program lowered for n targets of one family, as one object: the last that the CPU can run is called (versions.c).
 * *joint is the interface that they share. */
enum { CG_MAX_VERSIONS = 8, CG_PACKED_ALIGN = 64 /* of each version's packed operands in the one that they share */ };
struct artifact *cg_compile_versions(struct ir_ctx *c, int n, const struct lowered *const *l, const struct cg_options *o,
                                     const struct lowered **joint);

/* The passes that run before LLVM, one by one, for tests: after pass i the function still means the same. */
struct cg_pass {
    char flag;                               /* for -d */
    const char *name, *help;
    const struct func *(*run)(struct ir_ctx *c, const struct func *f, const struct target *t);
    unsigned verify;                         /* enum verify_flag that hold afterwards */
};
extern const struct cg_pass cg_passes[];     /* ends with name NULL */
const struct func *cg_run_passes(struct ir_ctx *c, const struct func *f, const struct target *t,
                                 const struct cg_options *o);

/* Registers LLVM's targets; who uses LLVM for other things than cg_compile calls it first. Any thread. */
void cg_setup(void);
/* LLVM's version, for keys and metadata: "19.1.7". */
const char *cg_llvm_version(void);
/* A place in LLVM's code: whose file it is in is whose build makes our bytes. */
const void *cg_llvm_code(void);

#endif
