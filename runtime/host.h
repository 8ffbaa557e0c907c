/* SPDX-License-Identifier: Apache-2.0 */
/* host.h - functions of the host's that programs call (`extern f(i32) : i8`): who has which address, for how long.
 *
 * A context has a list of them by name; a kernel counts a reference to each that it was linked to. So a function that
 * the context has been given anew, or that goes with its context, stays while a kernel calls it.
 *
 *     struct host_fn *h = host_fn_new(sig, address, NULL, NULL);
 *     if (!host_put(&q->host, h)) host_fn_unref(h);
 */
#ifndef QJ_RUNTIME_HOST_H
#define QJ_RUNTIME_HOST_H

#include "ir/extern.h"

typedef void host_callback(void *user, void *const *args, void *result);

/* One function; counted. */
struct host_fn;
/* `plain`, or if it is NULL fn with its user. NULL: no memory. */
struct host_fn *host_fn_new(const struct ext *sig, void *plain, host_callback *fn, void *user);
/* From now on the user goes with it. */
void host_fn_owns(struct host_fn *h, void (*release)(void *user));
struct host_fn *host_fn_ref(struct host_fn *h);
void host_fn_unref(struct host_fn *h);                  /* NULL is fine */
const char *host_fn_name(const struct host_fn *h);
void *host_fn_entry(const struct host_fn *h);           /* the C function */

/* By name, one each. Zeroed: empty. */
struct host_list { int n; struct host_fn **at; };
/* Takes the reference of `h`; one of that name goes. False: no memory, and `h` is still the caller's. */
bool host_put(struct host_list *l, struct host_fn *h);
void host_clear(struct host_list *l);
/* NULL: none of that name and those types. */
struct host_fn *host_find(const struct host_list *l, const char *name, enum dtype result, int narg, const enum dtype *arg);

/* For ir_ctx.host, with a list as `u`: calls by libffi. ERR_LINK when the list lacks it. */
bool host_call(void *u, struct ir_ctx *c, const struct ext *f, const union value *arg, union value *out);
/* The error for one that is missing. */
void host_missing(struct err_state *e, const char *name);

#endif
