/* SPDX-License-Identifier: Apache-2.0 */
/* qjrt.h - what an emitted object may need at run time: one function, and the thread pool behind it.
 *
 * Objects refer to qjrt_parallel_for weakly: a program that links neither this library nor a function of
 * that name runs parallel loops serially. For a weak reference alone linkers take nothing from an archive, and with
 * --as-needed no shared library: pkg-config and the CMake targets say what makes them; a command line of your own
 * has -Wl,-u,qjrt_parallel_for before libqjrt.a. The library needs pthreads and nothing else. C99 and C++.
 *
 * The pool is one per process and starts at the first parallel loop. A loop started while another one runs -
 * from inside its body, or from a second thread - is run by its caller alone, so nothing can deadlock and
 * there are never more busy threads than the pool has plus the callers. All functions may be called from
 * any thread. After fork() the child starts a pool of its own.
 *
 *     qjrt_set_threads(4);
 *     conv(A, W, Out);                   // its parallel loops now use four threads
 */
#ifndef QJRT_H
#define QJRT_H

#include <stdint.h>

#if defined(__GNUC__)
#define QJRT_API __attribute__((visibility("default")))
#else
#define QJRT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A piece of a parallel loop: runs iterations begin .. end-1. */
typedef void qjrt_body(void *ctx, int64_t begin, int64_t end);

/* Runs body over [0, n) in pieces on the pool and returns when all are done: 0. Each iteration runs exactly
 * once; how the pieces are cut and who runs them is not specified, so iterations must be independent. The
 * caller runs pieces too. What the body wrote is visible to the caller on return. */
QJRT_API int qjrt_parallel_for(qjrt_body *body, void *ctx, int64_t n);

/* How many threads run a loop, the caller included; at most QJRT_MAX_THREADS. 0: automatic, which is
 * $QJRT_THREADS if set to a positive number, else the number of CPUs this process may run on. */
enum { QJRT_MAX_THREADS = 256 };
QJRT_API void qjrt_set_threads(int n);
QJRT_API int qjrt_threads(void);

/* Hands all loops to the host's own pool; NULL takes them back. The hook has the contract of
 * qjrt_parallel_for, and its result is passed on: not 0 makes the kernel return that number. */
typedef int qjrt_hook(void *user, qjrt_body *body, void *ctx, int64_t n);
QJRT_API void qjrt_set_parallel_for(qjrt_hook *hook, void *user);

/* Ends the pool's threads, e.g. before unloading the library; the next loop starts them anew. Does nothing
 * while a loop runs. Called by itself when the process ends or the library is unloaded. */
QJRT_API void qjrt_shutdown(void);

#ifdef __cplusplus
}
#endif
#endif
