/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - memory with an inaccessible page on each side: a kernel that reads or writes one byte outside an
 * argument is killed by the machine.
 *
 *     struct guarded g = guard_new(bytes, true);     // the data end where the next page begins
 *     memcpy(g.data, ...);
 *     guard_free(&g);
 */
#ifndef QJ_TESTS_SUPPORT_GUARD_H
#define QJ_TESTS_SUPPORT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct guarded {
    void *data, *map;
    size_t mapped;
};

/* flush_end: the last byte touches the page after; else the first byte touches the page before. */
struct guarded guard_new(size_t bytes, bool flush_end);
void guard_free(struct guarded *g);

#endif
