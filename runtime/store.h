/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - an artifact as bytes, and back: for the cache on disk and for a compile in another process.
 *
 * Everything needed to link, call, check and save it. Integers are 64-bit little-endian, texts are counted; a number
 * in front says which form it is, and another form is refused. Who reads trusts nothing: every field lies within the
 * limits of the program, the map of a call fits the arguments, layouts fit shapes. A reader takes memory in
 * proportion to the bytes it is given. What the machine code does is not judged here (elf.h is about that).
 *
 *     void *bytes;
 *     size_t n;
 *     if (!store_write(e, w, &bytes, &n)) ...             // malloc'ed
 *     struct qj_artifact *same = store_read(e, bytes, n);
 */
#ifndef QJ_RUNTIME_STORE_H
#define QJ_RUNTIME_STORE_H

#include "runtime/kernel.h"

/* False: ERR_MEMORY. */
bool store_write(struct err_state *e, const struct qj_artifact *w, void **bytes, size_t *n);
/* NULL: ERR_LINK with what is wrong, ERR_MEMORY. */
struct qj_artifact *store_read(struct err_state *e, const void *bytes, size_t n);

#endif
