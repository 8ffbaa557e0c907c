/* SPDX-License-Identifier: Apache-2.0 */
/* device.h - a GPU's kernel called with memory wherever it lies. What lies on the host is copied to the device for the
 * call, and what the kernel writes is copied back; device memory is used as it is, which is the way to call fast. */
#ifndef QJ_RUNTIME_DEVICE_H
#define QJ_RUNTIME_DEVICE_H

#include "runtime/cuda.h"
#include "runtime/measure.h"
#include "runtime/tensor.h"

enum { DL_CUDA = 2, DL_CUDA_HOST = 3, DL_CUDA_MANAGED = 13 };

/* Memory that a GPU's kernel takes, of this DLPack device type. */
static inline bool device_takes(int32_t type)
{
    return type == DL_CPU || type == DL_CUDA || type == DL_CUDA_HOST || type == DL_CUDA_MANAGED;
}

/* The pack function or the main one with the pointers of its arguments, then of the workspace (NULL: made for the
 * call). */
bool device_run(const struct cuda_kernel *k, const struct artifact *a, bool pack, void *const *ptr, struct why *w);

/* Launches the main function on the caller's stream. All pointers, the workspace's too, must lie on the device. */
bool device_enqueue(const struct cuda_kernel *k, const struct artifact *a, void *const *ptr, void *stream, struct why *w);

/* A zeroed tensor in the device's memory; freed as any other. NULL: w says why. */
qj_tensor *device_tensor(struct cuda *d, qj_dtype t, int ndim, const int64_t *shape, struct why *w);

/* A copy there of a tensor of the host or of the device. */
qj_tensor *device_copy(struct cuda *d, const qj_tensor *t, struct why *w);
/* Between any two kinds of memory; same number of bytes, both dense. On a stream (NULL: at once), one lies on the device. */
bool device_move(struct cuda *d, qj_tensor *to, const qj_tensor *from, void *stream, struct why *w);

/* Times calls by the device's clock. All pointers must lie on the device. False: w says why. */
bool device_measure(const struct cuda_kernel *k, const struct artifact *a, void *const *ptr, double budget_ms,
                    const struct limits *limits, struct measured *out, struct why *w);

#endif
