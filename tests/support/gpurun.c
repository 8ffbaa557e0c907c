/* SPDX-License-Identifier: Apache-2.0 */
/* gpurun.c - contract in gpurun.h. */
#include "tests/support/gpurun.h"

#include <stdio.h>

#include "runtime/call.h"
#include "runtime/device.h"

static struct cuda *gpu; /* a context takes a while to make */

bool gpu_missing(void) { return !gpu; }

struct cuda_kernel *gpu_load(struct err_state *e, const struct artifact *a)
{
    if (!gpu && !(gpu = cuda_open(e))) return NULL;
    return cuda_load(gpu, e, a);
}

bool gpu_call(const struct cuda_kernel *k, const struct artifact *a, bool pack, void *const *arg)
{
    char why[700] = "";
    void *ptr[CALL_MAX_ARGS] = {0}; /* the workspace's is NULL: made for the call */
    for (int i = 0; i < (pack ? a->npack : a->narg); i++) ptr[i] = arg[i];
    return device_run(k, a, pack, ptr, &(struct why){why, sizeof why}) || (fprintf(stderr, "on the GPU: %s\n", why), false);
}

void gpu_unload(struct cuda_kernel *k) { cuda_unload(k); }
