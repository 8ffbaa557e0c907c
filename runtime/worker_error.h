/* SPDX-License-Identifier: Apache-2.0 */
/* worker_error.h - an error value as bytes, and back. Who reads trusts nothing. */
#ifndef QJ_RUNTIME_WORKER_ERROR_H
#define QJ_RUNTIME_WORKER_ERROR_H

#include "ir/base/err.h"

/* malloc'ed. False: no memory. */
bool worker_error_write(const struct err *from, void **bytes, size_t *n);
/* Sets it in e. False: the bytes are no error, and none is set. */
bool worker_error_read(struct err_state *e, const void *bytes, size_t n);

#endif
