/* SPDX-License-Identifier: Apache-2.0 */
/* cuda.h - CUDA's driver, opened at run time: a machine without one is an error, never a crash, and nothing is
 * linked against it.
 *
 * The library is $QJIT_CUDA_DRIVER, else libcuda.so.1; the device $QJIT_CUDA_DEVICE, else 0, in its primary context,
 * which it shares with the CUDA runtime and with frameworks in the same process. A loaded artifact has its kernels'
 * functions and a stream; calls from several threads take turns.
 *
 *     struct cuda *d = cuda_open(e);
 *     struct cuda_kernel *k = cuda_load(d, e, artifact);
 *     uint64_t a = cuda_new(d, bytes, &why);           // device memory
 *     cuda_run(k, false, param, &why);                 // param[i]: device addresses of the main function's arguments
 *     cuda_unload(k);
 *     cuda_close(d);
 */
#ifndef QJ_RUNTIME_CUDA_H
#define QJ_RUNTIME_CUDA_H

#include "codegen/codegen.h"
#include "runtime/why.h"

struct cuda;
struct cuda_kernel;

/* ERR_NO_HOST with the reason: no library, no device, a function missing. */
struct cuda *cuda_open(struct err_state *e);
struct cuda *cuda_ref(struct cuda *d);
void cuda_close(struct cuda *d);                /* one reference fewer; NULL is fine */

struct cuda_facts { char name[64]; int ordinal, sm, processors, clock_khz, driver; int64_t block_shared; };    /* sm: 90 for 9.0; shared memory of a block that asks, 0: not known */
const struct cuda_facts *cuda_facts(const struct cuda *d);
const char *cuda_target(const struct cuda *d, struct err_state *e);      /* the best that it runs, as "sm_80"; NULL: ERR_NO_HOST */

/* Has the driver compile the PTX. NULL: ERR_NO_HOST (another GPU's), ERR_LINK with the driver's own log. */
struct cuda_kernel *cuda_load(struct cuda *d, struct err_state *e, const struct artifact *a);
void cuda_unload(struct cuda_kernel *k);        /* NULL is fine */
struct cuda *cuda_of(const struct cuda_kernel *k);

/* Device memory; 0: w says why. Freeing 0 is fine. */
uint64_t cuda_new(struct cuda *d, int64_t bytes, struct why *w);
void cuda_free(struct cuda *d, uint64_t at);
bool cuda_is_device(struct cuda *d, uint64_t at);       /* device or managed memory of CUDA's, not the host's */
bool cuda_zero(struct cuda *d, uint64_t at, int64_t bytes, struct why *w);
bool cuda_to(struct cuda *d, uint64_t to, const void *from, int64_t bytes, struct why *w);
bool cuda_from(struct cuda *d, void *to, uint64_t from, int64_t bytes, struct why *w);
bool cuda_between(struct cuda *d, uint64_t to, uint64_t from, int64_t bytes, struct why *w);

/* The same three on a stream of the caller's, begun when this returns. */
bool cuda_to_on(struct cuda *d, uint64_t to, const void *from, int64_t bytes, void *stream, struct why *w);
bool cuda_from_on(struct cuda *d, void *to, uint64_t from, int64_t bytes, void *stream, struct why *w);
bool cuda_between_on(struct cuda *d, uint64_t to, uint64_t from, int64_t bytes, void *stream, struct why *w);

/* Launches all kernels of the pack function or of the main one, in order, `times` over, and waits. param: arguments,
 * then the workspace. *ms, if wanted: what the device took, by its own clock. */
bool cuda_run(const struct cuda_kernel *k, bool pack, uint64_t *param, int times, double *ms, struct why *w);
/* Launches those of the main function on a stream of the caller's, and does not wait. Any thread, at once with others. */
bool cuda_enqueue(const struct cuda_kernel *k, uint64_t *param, void *stream, struct why *w);

#endif
