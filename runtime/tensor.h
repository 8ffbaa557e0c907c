/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.h - qj_tensor (runtime/qjit.h) as the rest of runtime/ needs it: types, sizes, random contents. */
#ifndef QJ_RUNTIME_TENSOR_H
#define QJ_RUNTIME_TENSOR_H

#include <stdatomic.h>

#include "ir/ir.h"
#include "runtime/qjit.h"

enum { TENSOR_ALIGN = 64, DL_CPU = 1 };

/* What the functions that return a tensor make: the tensor first. Counted, as what is exported refers to it. */
struct own {
    qj_tensor t;
    int64_t shape[QJ_MAX_PHYS], strides[QJ_MAX_PHYS];
    atomic_int refs;
    void (*release)(void *owner);       /* of the data; NULL: borrowed */
    void *owner;
};
/* One without data, in CPU memory. NULL: no memory, or a number of dimensions that no tensor has. */
struct own *tensor_own(qj_dltype t, int ndim, const int64_t *shape);
void tensor_unref(struct own *o);

/* Bytes of so many elements; -1: a negative extent or more than 2^47 bytes. */
int64_t tensor_shape_bytes(enum dtype d, int ndim, const int64_t *shape);
/* The element type; false: not one of ours. */
bool tensor_dtype(const qj_tensor *t, enum dtype *out);
/* Row-major without gaps (extents of 1 and empty tensors may have any stride). */
bool tensor_contiguous(const qj_tensor *t);
/* The first axis with a stride that a dense tensor does not have there, and the one it has; -1: contiguous. */
int tensor_gap(const qj_tensor *t, int64_t *dense);

static inline bool tensor_read_only(const qj_tensor *t)
{
    return t->device.type == DL_CPU && t->device.id == QJ_READ_ONLY;
}

/* splitmix64: a number from a state that steps on. */
uint64_t rng_next(uint64_t *state);
/* n elements, each in lo..hi and with all values equally likely (f32: reals). */
void tensor_random(enum dtype d, void *data, int64_t n, uint64_t seed, struct range r);

#endif
