/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - the two ways into a kernel, and both ways of functions of the host's.
 *
 *     rc = call_uniform(entry_call, ptr);          // int NAME_call(void **args): 2 ns
 *     call_plain(entry, 3, ptr, &rc);              // int NAME(void *, void *, void *), by libffi: 60 ns
 */
#ifndef QJ_RUNTIME_CALL_H
#define QJ_RUNTIME_CALL_H

#include "ir/eval.h"
#include "ir/extern.h"

enum { CALL_MAX_ARGS = 1100 };    /* more than a program has tensors, and a workspace */

static inline int call_uniform(void *entry, void **arg) { return ((int (*)(void **))entry)(arg); }

/* All arguments are pointers. False: too many, or libffi refuses. */
bool call_plain(void *entry, int n, void **arg, int *rc);

/* A function of the host's with the types of `f`, by libffi. False: libffi refuses. */
bool call_host(void *fn, const struct ext *f, const union value *arg, union value *out);

/* A function with the types of `f` that is fn(user, pointers to the arguments, where the result goes). NULL: no
 * memory. Never writable and executable at once. */
struct closure;
struct closure *closure_new(const struct ext *f, void (*fn)(void *user, void *const *args, void *result), void *user);
void *closure_entry(const struct closure *c);
void closure_free(struct closure *c);                    /* NULL is fine; no call may be running */

#endif
