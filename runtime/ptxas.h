/* SPDX-License-Identifier: Apache-2.0 */
/* ptxas.h - NVIDIA's assembler, where there is one: what registers and memory a kernel takes, and machine code for one
 * generation of GPUs. PTX never needs it, and no byte of the PTX depends on it.
 *
 * It is $QJIT_PTXAS (empty: none), else ptxas on $PATH, else that of /usr/local/cuda/bin; a program with more rights than
 * its user takes the last alone. It runs in a process of its own for a minute at most, and writes no file. */
#ifndef QJ_RUNTIME_PTXAS_H
#define QJ_RUNTIME_PTXAS_H

#include "codegen/codegen.h"
#include "ir/ir.h"

/* Adds to an artifact of PTX what ptxas says of its kernels, and a note for each that spills. NULL, or, where ptxas is there
 * and does not do it, what it says: in the arena. May leave by the pad, for a deadline or a cancel. */
const char *ptxas_describe(struct ir_ctx *c, struct artifact *a);
/* The same, and the artifact becomes the machine code. False: ERR_UNSUPPORTED. */
bool ptxas_assemble(struct ir_ctx *c, struct artifact *a);

#endif
