/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - the two ways into a kernel.
 *
 *     rc = call_uniform(entry_call, ptr);          // int NAME_call(void **args): 2 ns
 *     call_plain(entry, 3, ptr, &rc);              // int NAME(void *, void *, void *), by libffi: 60 ns
 */
#ifndef QJ_RUNTIME_CALL_H
#define QJ_RUNTIME_CALL_H

#include "ir/base/base.h"

enum { CALL_MAX_ARGS = 1100 };    /* more than a program has tensors, and a workspace */

static inline int call_uniform(void *entry, void **arg) { return ((int (*)(void **))entry)(arg); }

/* All arguments are pointers. False: too many, or libffi refuses. */
bool call_plain(void *entry, int n, void **arg, int *rc);

#endif
