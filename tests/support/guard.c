/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guard_new(size_t bytes, bool flush_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), body = (bytes + page - 1) / page * page;
    struct guarded g = {.mapped = body + 2 * page};
    if (body == 0) g.mapped += page;
    g.map = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || (body && mprotect((char *)g.map + page, body, PROT_READ | PROT_WRITE))) {
        perror("guard_new");
        exit(1);
    }
    g.data = (char *)g.map + page + (flush_end ? body - bytes : 0);
    return g;
}

void guard_free(struct guarded *g)
{
    if (g->map) munmap(g->map, g->mapped);
    *g = (struct guarded){0};
}
