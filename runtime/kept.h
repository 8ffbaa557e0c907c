/* SPDX-License-Identifier: Apache-2.0 */
/* kept.h - what a context keeps on disk besides objects, and the keys of all of it.
 *
 * What `template` chose is kept as steps: of a program, a target and the statement's words, for one build of the library.
 * What pick= chose among a template's best few is kept as the number of one: a fact of this machine too, so the CPU's
 * model and the number of threads are in its key. Both are read as text that anybody may have written: steps are taken
 * like a script's, and what they do to a kernel's speed is all that they can do. */
#ifndef QJ_RUNTIME_KEPT_H
#define QJ_RUNTIME_KEPT_H

#include "runtime/api.h"

/* Inside a body. head ("" or lines that begin with #), whose code, and the context's request, in its arena. NULL: there is
 * no cache, or an error is set. Opens the cache at first. */
const char *kept_key(struct qj_ctx *q, const char *head, qj_format format);
/* For sch_remember; NULL: there is no cache. */
const struct sch_memory *kept_choices(struct qj_ctx *q);

/* Which of the best n the words' candidates was the fastest here; 0: not known. */
int kept_pick(struct qj_ctx *q, const char *words, int n);
void kept_pick_put(struct qj_ctx *q, const char *words, int n, int nth);

#endif
