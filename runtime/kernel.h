/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h - an artifact as the caller sees it, and its life in this process.
 *
 * The C functions take what lowering made of a program: inputs, weights, packed weights, outputs. A caller
 * thinks in the program's tensors. A call argument is such a tensor; it is an argument of the main function,
 * of the pack function, or of both. Nothing here needs a context after linking. */
#ifndef QJ_RUNTIME_KERNEL_H
#define QJ_RUNTIME_KERNEL_H

#include <stdatomic.h>

#include "codegen/codegen.h"
#include "runtime/cuda.h"
#include "runtime/host.h"
#include "runtime/jit.h"
#include "runtime/perf.h"
#include "runtime/qjit.h"

struct call_arg {
    int main, pack;                     /* argument numbers; -1: not one of that function's */
    struct layout layout;               /* nphys 0: row-major; its texts are NULL */
};

struct qj_artifact {
    atomic_int refs;
    struct artifact *a;
    int ncall;
    struct call_arg *call;              /* inputs and weights as defined, then outputs */
    int *from_pack;                     /* a main argument's number among the pack function's; -1 */
};

struct qj_kernel {
    struct qj_artifact *artifact;
    struct linked *code;
    struct perf *told;                  /* to gdb; NULL: nothing */
    void *entry, *entry_call, *pack, *pack_call;    /* pack: NULL when nothing is packed */
    struct cuda_kernel *gpu;                        /* instead of all that; NULL: a CPU's */
    struct host_list host;              /* the host's functions that it calls */
};

struct qj_packed {
    const struct qj_artifact *artifact; /* a reference: whose it is */
    qj_tensor **at;                     /* by main argument; NULL: not packed */
};

/* Takes `a`, also when it fails. NULL: ERR_MEMORY. */
struct qj_artifact *artifact_wrap(struct err_state *e, const struct lowered *l, struct artifact *a);
const struct artifact_arg *artifact_call_arg(const struct qj_artifact *a, int i);

/* Adds the note `spills` to an object where its hot loop has any. ERR_MEMORY. */
bool spills_note(struct err_state *e, struct artifact *a);

/* known: the context's target, NULL: none. ERR_NO_HOST, ERR_LINK (a function of the host's is not in the list, too), ERR_UNSUPPORTED (not an object), ERR_MEMORY. */
struct qj_kernel *kernel_link(struct ir_ctx *c, const struct host_list *host, const struct target *known,
                              struct qj_artifact *a);
/* PTX, on a GPU. ERR_NO_HOST, ERR_LINK, ERR_MEMORY. */
struct qj_kernel *kernel_load(struct ir_ctx *c, struct cuda *d, struct qj_artifact *a);

/* Everything of a call that can be done ahead: checks, packing, workspace; then it may be repeated. */
struct bound {
    const struct qj_kernel *k;
    void **arg;                         /* of the main function */
    int narg;
    void *workspace;                    /* ours; NULL: none or the caller's */
    struct qj_packed *packed;           /* ours; NULL: none or the caller's */
};
bool kernel_bind(struct bound *b, const struct qj_kernel *k, qj_tensor *const *args, int nargs,
                 const qj_call *o, struct why *w);
bool kernel_run(const struct bound *b, struct why *w);      /* by the uniform entry */
void kernel_unbind(struct bound *b);

/* Elements of a logical row-major array into the memory of call argument i, and back. Padding is zeroed. */
void kernel_to_physical(const struct qj_artifact *a, int i, const void *logical, void *physical);
void kernel_to_logical(const struct qj_artifact *a, int i, const void *physical, void *logical);

#endif
