/* SPDX-License-Identifier: Apache-2.0 */
/* jitrun.h - a lowered schedule compiled, linked and called between inaccessible pages, against the oracle. */
#ifndef QJ_TESTS_SUPPORT_JITRUN_H
#define QJ_TESTS_SUPPORT_JITRUN_H

#include "runtime/jit.h"
#include "tests/support/harness.h"

/* Compiles l and, where this machine can, runs it with its arguments flush with the page before and the page after
 * them; true when every output is the oracle's, bit for bit. may_refuse: what
 * the code generator refuses with a message, before LLVM sees it, passes. */
bool jit_check(struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse);

#endif
