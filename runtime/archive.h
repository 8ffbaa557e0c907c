/* SPDX-License-Identifier: Apache-2.0 */
/* archive.h - objects in one file, as `ar` makes it: GNU's format with an index of symbols. Nothing of when or by whom is
 * in it, so the same objects give the same bytes. */
#ifndef QJ_RUNTIME_ARCHIVE_H
#define QJ_RUNTIME_ARCHIVE_H

#include "ir/base/arena.h"

struct archive_member {
    const char *name;               /* "conv.o" */
    const void *bytes;
    size_t size;
    int nsymbol;
    const char *const *symbol;      /* what it defines for others */
};
/* In the arena; NULL, no error set: it would be larger than 4 GiB, beyond what its index can tell. */
const void *archive_bytes(struct arena *a, int n, const struct archive_member *m, size_t *size);

#endif
