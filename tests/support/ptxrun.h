/* SPDX-License-Identifier: Apache-2.0 */
/* ptxrun.h - a lowered schedule as PTX, executed thread by thread (tests/emu/ptx) and compared with the oracle. */
#ifndef QJ_TESTS_SUPPORT_PTXRUN_H
#define QJ_TESTS_SUPPORT_PTXRUN_H

#include "codegen/codegen.h"
#include "tests/support/harness.h"

/* What all kernels of a run did together. */
struct ptx_counts { uint64_t runs, instructions, dp4a, mma, barriers, accesses, passes; };

/* Compiles l, runs its kernels in order and compares. may_refuse: a refusal by codegen is no failure. What the
 * interpreter does not know, and every race, is one. Adds to *n. With QJ_GPU=1 in the environment also on the GPU at hand, or by
 * the driver that $QJIT_CUDA_DRIVER names. */
bool ptx_check(struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse, struct ptx_counts *n);
/* Runs the kernels of one function of an artifact of PTX, main or pack, on arguments as the C function takes them; adds
 * to *n. False: a message is on stderr. */
bool ptx_call(const struct artifact *a, bool pack, void *const *arg, struct ptx_counts *n);

#endif
