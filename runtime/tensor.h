/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.h - qj_tensor (runtime/qjit.h) as the rest of runtime/ needs it: types, sizes, random contents. */
#ifndef QJ_RUNTIME_TENSOR_H
#define QJ_RUNTIME_TENSOR_H

#include "ir/ir.h"
#include "runtime/qjit.h"

enum { TENSOR_ALIGN = 64 };

/* Bytes of so many elements; -1: a negative extent or more than 2^47 bytes. */
int64_t tensor_shape_bytes(enum dtype d, int ndim, const int64_t *shape);
/* The element type; false: not one of ours. */
bool tensor_dtype(const qj_tensor *t, enum dtype *out);
/* Row-major without gaps (extents of 1 and empty tensors may have any stride). */
bool tensor_contiguous(const qj_tensor *t);

/* splitmix64: a number from a state that steps on. */
uint64_t rng_next(uint64_t *state);
/* n elements, each in lo..hi and with all values equally likely (f32: reals). */
void tensor_random(enum dtype d, void *data, int64_t n, uint64_t seed, struct range r);

#endif
