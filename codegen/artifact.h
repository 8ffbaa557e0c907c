/* SPDX-License-Identifier: Apache-2.0 */
/* artifact.h - makes artifacts from what was lowered. Private to codegen; codegen.h has the rest. */
#ifndef QJ_CODEGEN_ARTIFACT_H
#define QJ_CODEGEN_ARTIFACT_H

#include "codegen/codegen.h"

/* All facts but the bytes and the workspaces. NULL: out of memory, error set. */
struct artifact *artifact_new(struct ir_ctx *c, const struct lowered *l, enum cg_kind kind);

#endif
