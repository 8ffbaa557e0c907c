/* SPDX-License-Identifier: Apache-2.0 */
/* room.c - how much memory there is: of the machine, and of the process's resource limit. */
#include "runtime/room.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* Bytes that can be had without swapping, as the kernel reckons; -1: it does not say. */
static int64_t available(void)
{
    char line[128];
    long long kib = -1;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && kib < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lld kB", &kib) != 1) kib = -1;
    if (f) fclose(f);
    return kib < 0 ? -1 : kib << 10;
}

bool room_for(struct ir_ctx *c, int64_t bytes, const char *what)
{
    struct span nowhere = {0};
    struct rlimit most;
    int64_t there = bytes < 1 << 20 ? -1 : available(); /* so little is always tried */
    if (getrlimit(RLIMIT_AS, &most) == 0 && most.rlim_cur != RLIM_INFINITY && (there < 0 || (int64_t)most.rlim_cur < there))
        there = (int64_t)most.rlim_cur;
    if (there >= 0 && bytes > there) {
        err_set(&c->err, ERR_MEMORY, nowhere, "%s would take %" PRId64 " MiB, and %" PRId64 " MiB can be had", what, bytes >> 20,
                there >> 20);
        err_hint(&c->err, "try a smaller shape: what holds for it holds for a larger one of the same schedule");
        return false;
    }
    if (limits_take(&c->limits, (size_t)bytes)) return true;
    return err_set(&c->err, ERR_MEMORY, nowhere, "%s would take %" PRId64 " bytes, and of the context's limit of %zu bytes %zu are left",
                   what, bytes, c->limits.memory, c->limits.used < c->limits.memory ? c->limits.memory - c->limits.used : 0);
}
