/* SPDX-License-Identifier: Apache-2.0 */
/* gpurun.h - an artifact's kernels on the GPU at hand, by CUDA's driver, with arguments on the host. */
#ifndef QJ_TESTS_SUPPORT_GPURUN_H
#define QJ_TESTS_SUPPORT_GPURUN_H

#include "codegen/codegen.h"

/* A kernel on the GPU, which is opened once for all. NULL: error set; ERR_NO_HOST: it is for another GPU, or there is none. */
struct cuda_kernel *gpu_load(struct err_state *e, const struct artifact *a);
/* Is there none? Then that error is a failure. */
bool gpu_missing(void);
/* The main function or the pack one. False: said on stderr. */
bool gpu_call(const struct cuda_kernel *k, const struct artifact *a, bool pack, void *const *arg);
void gpu_unload(struct cuda_kernel *k);

#endif
