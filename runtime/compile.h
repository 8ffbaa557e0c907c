/* SPDX-License-Identifier: Apache-2.0 */
/* compile.h - from a context's schedule to an artifact: the only way, whoever asks. */
#ifndef QJ_RUNTIME_COMPILE_H
#define QJ_RUNTIME_COMPILE_H

#include "runtime/api.h"
#include "runtime/kernel.h"

/* Inside a body: from the cache, where there is one, else by the code generator and into the cache. The artifact is
 * registered in the context's defers; of what the compile makes in the arena nothing stays but the loop nest with its
 * schedule. The host's log is told its notes. NULL: error set. */
struct qj_artifact *compile_artifact(struct qj_ctx *q, qj_format format);
/* Is this what compiling would give, as far as can be told without compiling? Target, texts and tensors are the
 * context's, and an object is made as kernels are. No error is set. */
bool compile_fits(struct qj_ctx *q, qj_format format, const struct qj_artifact *w);
/* The same of an object for n targets. */
bool compile_fits_versions(struct qj_ctx *q, qj_format format, int n, const struct target *const *t, const struct qj_artifact *w);

/* The two halves of compile_artifact around the code generator, for objects of several versions: head has what such an object
 * depends on besides the context's request. *key, in the context's defers, is for compile_keep; NULL: there is no cache. */
struct qj_artifact *compile_known_versions(struct qj_ctx *q, qj_format format, const char *head, int n,
                                           const struct target *const *t, char **key);
void compile_keep(struct qj_ctx *q, const char *key, const struct qj_artifact *w);

/* The target of a version by its name, with the instructions that were added to the context's. NULL: error set. */
const struct target *compile_version_target(struct qj_ctx *q, const char *name, size_t n);
/* Tells the host's log an artifact's notes. */
void compile_tell(const struct qj_ctx *q, const struct qj_artifact *w);

/* The part of it that runs the code generator, in this process. */
struct qj_artifact *compile_here(struct qj_ctx *q, qj_format format);
/* The same for n (1 to 8) schedules of the program, each for its target, as one object. */
struct qj_artifact *compile_versions_here(struct qj_ctx *q, qj_format format, int n, const struct lowered *const *l);

#endif
