/* SPDX-License-Identifier: Apache-2.0 */
/* request.h - everything that a compile depends on, as one text. It is a script:
 *
 *     # qjit 0.1.0, LLVM 19.1.7: object
 *     # x86_64-unknown-linux-gnu, znver3, +avx2,+fma
 *     name conv
 *     target x86-64,cpu=znver3
 *     intrinsic dot operands "..." meaning "..." recipe "..."
 *
 *     input A[1, 56, 56, 64] : u8
 *     ...
 *     split Out.o 16 -> oo oi
 *
 * `qjit run` and `qjit compile` take it like any other; request_read gives it to a fresh context. Equal texts give
 * equal bytes, in any process. It is what a reproducer is, what another process is sent, and the cache's key. The
 * target is written out: "native" is never in it. */
#ifndef QJ_RUNTIME_REQUEST_H
#define QJ_RUNTIME_REQUEST_H

#include "runtime/api.h"

/* Inside a body; in the context's arena. NULL: error set. */
const char *request_text(struct qj_ctx *q, qj_format format);
/* Inside a body, on a context as new: takes what request_text wrote. False: error set. */
bool request_read(struct qj_ctx *q, const char *text, qj_format *format);

#endif
