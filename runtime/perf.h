/* SPDX-License-Identifier: Apache-2.0 */
/* perf.h - tells profilers and debuggers which bytes of this process are which kernel, when asked to.
 *
 * Each function of a linked object gets a name of its own, as no two kernels share one:
 *
 *     conv_call[x86-64-v3#3f2a91c0.7]      function, target, digest of the object, number in this process
 *
 * map   /tmp/perf-PID.map for `perf report`. A line stays after unlinking, for the samples that were taken, until
 *       its addresses are used again. Written by several threads and several copies of this library without harm;
 *       a file that is a link, another user's or left by an earlier process of that number is not added to.
 * dump  jit-PID.dump with the code itself, for `perf record -k mono`, `perf inject -j` and `perf annotate`, in a new
 *       directory .debug/jit/qjit-* of $JITDUMPDIR or $HOME.
 * gdb   gdb's interface: a symbol file in memory for each kernel until it is unlinked, with its frames.
 * unwind  its frames for libgcc (unwind.h), until it is unlinked.
 *
 * Thread-safe. Nothing here makes linking fail: what could not be told is said in `why`. */
#ifndef QJ_RUNTIME_PERF_H
#define QJ_RUNTIME_PERF_H

#include "runtime/jit.h"
#include "runtime/qjit.h"

enum { PERF_WHY = 256 };

/* Words of $QJIT_PROFILE: "map,dump,gdb,unwind" or "all"; 0 if it is not set. Unknown words ask for nothing. */
unsigned perf_environment(void);

/* Tells about a linked object what the QJ_PROFILE_ bits ask for. The result, perhaps NULL, is for perf_forget, to be called
 * before the code is unlinked. why: "" or the first thing that failed. */
struct perf *perf_tell(unsigned what, const struct linked *code, const char *target, const void *object, size_t n,
                       char why[PERF_WHY]);
void perf_forget(struct perf *p);   /* NULL is fine */

#endif
