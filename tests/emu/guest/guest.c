/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - runs inside the emulator: calls each kernel of the table and compares. Built by emu.c with the emulated
 * machine's compiler. Prints a line a case: "run N", then perhaps "bad N: ..."; "end" when all have run.
 *
 *     guest [FIRST]      from case FIRST on */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/guest/guest.h"
#include "tests/support/guard.h"

int qjrt_parallel_for(void (*fn)(void *, int64_t, int64_t), void *ctx, int64_t n);
int qjrt_parallel_for(void (*fn)(void *, int64_t, int64_t), void *ctx, int64_t n)
{
    for (int64_t i = n; i-- > 0;) fn(ctx, i, i + 1);
    return 0;
}

static int is_nan(const unsigned char *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    return isnan(f);
}

/* The first byte that differs, -1: none. */
static long differs(const struct guest_buffer *b, const unsigned char *have)
{
    const unsigned char *want = guest_data + b->after, *mask = b->mask < 0 ? NULL : guest_data + b->mask;
    for (long i = 0; i < b->bytes; i++) {
        if (have[i] == want[i] || (mask && !mask[i])) continue;
        if (b->floats && is_nan(have + i / 4 * 4) && is_nan(want + i / 4 * 4)) continue;
        return i;
    }
    return -1;
}

static int call(int (*fn)(void **), int n, const int *which, const struct guarded *g, long workspace)
{
    void *arg[130];
    struct guarded ws = guard_new((size_t)(workspace + 63) / 64 * 64, true);
    memset(ws.data, 0x5a, (size_t)(workspace + 63) / 64 * 64);
    for (int i = 0; i < n; i++) arg[i] = g[which[i]].data;
    arg[n] = ws.data;
    int rc = fn(arg);
    guard_free(&ws);
    return rc;
}

static void run(int k, int flush_end)
{
    const struct guest_case *c = &guest_case[k];
    struct guarded g[130];
    for (int i = 0; i < c->nbuffer; i++) {
        const struct guest_buffer *b = &c->buffer[i];
        g[i] = guard_new((size_t)b->bytes, flush_end);
        if (b->before < 0) memset(g[i].data, 0xa5, (size_t)b->bytes);
        else memcpy(g[i].data, guest_data + b->before, (size_t)b->bytes);
    }
    int rc = c->pack ? call(c->pack, c->npack, c->pack_arg, g, c->pack_workspace) : 0;
    if (!rc) rc = call(c->main, c->narg, c->arg, g, c->workspace);
    if (rc) printf("bad %d: returned %d\n", k, rc);
    for (int i = 0; i < c->nbuffer && !rc; i++) {
        long at = c->buffer[i].after < 0 ? -1 : differs(&c->buffer[i], g[i].data);
        if (at < 0) continue;
        printf("bad %d: buffer %d, byte %ld: 0x%02x, should be 0x%02x (flush_end %d)\n", k, i, at,
               ((unsigned char *)g[i].data)[at], guest_data[c->buffer[i].after + at], flush_end);
        break;
    }
    for (int i = 0; i < c->nbuffer; i++) guard_free(&g[i]);
}

int main(int argc, char **argv)
{
    for (int k = argc > 1 ? atoi(argv[1]) : 0; k < guest_ncase; k++) {
        printf("run %d\n", k);
        fflush(stdout);
        run(k, 0);
        run(k, 1);
    }
    puts("end");
    return 0;
}
