/* SPDX-License-Identifier: Apache-2.0 */
/* dlpack.h - the structs by which DLPack passes tensors on with their owner, as runtime/dlpack.c and its test know
 * them: those of dlpack.h 0.2 and on (without a version) and of 1.0 and on. Member for member; a host has them
 * from its own dlpack.h, which qjit.h does not need. */
#ifndef QJ_RUNTIME_DLPACK_H
#define QJ_RUNTIME_DLPACK_H

#include "runtime/qjit.h"

struct dl_managed {
    qj_tensor t;
    void *manager_ctx;
    void (*deleter)(struct dl_managed *self);       /* NULL: nothing to do */
};

enum { DL_MAJOR = 1, DL_MINOR = 0, DL_READ_ONLY = 1 };

struct dl_versioned {
    struct { uint32_t major, minor; } version;      /* of another major: only these three members are as here */
    void *manager_ctx;
    void (*deleter)(struct dl_versioned *self);
    uint64_t flags;                                 /* DL_READ_ONLY */
    qj_tensor t;
};

#endif
