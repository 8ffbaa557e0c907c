/* SPDX-License-Identifier: Apache-2.0 */
/* artifact.h - makes artifacts from what was lowered. Private to codegen; codegen.h has the rest. */
#ifndef QJ_CODEGEN_ARTIFACT_H
#define QJ_CODEGEN_ARTIFACT_H

#include "codegen/passes.h"

/* Adds the kernels of one function. False: out of memory, error set. */
bool artifact_launches(struct ir_ctx *c, struct artifact *a, const struct launches *l, bool pack);
/* All facts but the bytes and the workspaces. `versions`: it is to have several. NULL: out of memory, or a name twice; error set. */
struct artifact *artifact_new(struct ir_ctx *c, const struct lowered *l, enum cg_kind kind, bool versions);
/* Which versions there are. False: out of memory, error set. */
bool artifact_versions(struct ir_ctx *c, struct artifact *a, int n, const struct lowered *const *l);

/* Of outputs that are requantised (ir/quant.h): by what. What is made in the context on the way may be dropped. False: no
 * memory. */
bool artifact_fill_quants(struct ir_ctx *c, const struct lowered *l, struct artifact *a);
void artifact_free_quants(struct artifact *a);

#endif
