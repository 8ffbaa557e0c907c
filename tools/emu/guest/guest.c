/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - runs inside the emulator: calls each kernel of the table and compares. Built by emu.c with the emulated
 * machine's compiler. The data are standard input. Prints a line a case: "run N", then perhaps "bad N: ...", and
 * "got N BUFFER BYTES" with those bytes behind it; "end" when all have run.
 *
 *     guest [FIRST]      from case FIRST on */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tools/emu/guest/guest.h"

int qjrt_parallel_for(void (*fn)(void *, int64_t, int64_t), void *ctx, int64_t n);
int qjrt_parallel_for(void (*fn)(void *, int64_t, int64_t), void *ctx, int64_t n)
{
    for (int64_t i = n; i-- > 0;) fn(ctx, i, i + 1);
    return 0;
}

/* ---- memory between inaccessible pages ---- */

enum { PAGE = 4096 };
struct guarded { char *data, *map; size_t mapped; };

/* flush_end: it ends where the page behind begins; else it begins where the page before ends. */
static struct guarded guard_new(long bytes, int flush_end)
{
    size_t body = ((size_t)bytes + PAGE - 1) / PAGE * PAGE;
    struct guarded g = {.mapped = body + 3 * PAGE};
    g.map = mmap(NULL, g.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || (body && mprotect(g.map + PAGE, body, PROT_READ | PROT_WRITE))) {
        puts("no memory");
        exit(1);
    }
    g.data = g.map + PAGE + (flush_end ? body - (size_t)bytes : 0);
    return g;
}

static void guard_free(const struct guarded *g) { munmap(g->map, g->mapped); }

/* ---- a case ---- */

static unsigned char *data;

static int is_nan(const unsigned char *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    return isnan(f);
}

/* The first byte that differs, -1: none. */
static long differs(const struct guest_buffer *b, const unsigned char *have)
{
    const unsigned char *want = data + b->after, *mask = b->mask < 0 ? NULL : data + b->mask;
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
    long bytes = (workspace + 63) / 64 * 64;
    struct guarded ws = guard_new(bytes, 1);
    memset(ws.data, 0x5a, (size_t)bytes);
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
        g[i] = guard_new(b->bytes, flush_end);
        if (b->before < 0) memset(g[i].data, 0xa5, (size_t)b->bytes);
        else memcpy(g[i].data, data + b->before, (size_t)b->bytes);
    }
    int rc = c->pack ? call(c->pack, c->npack, c->pack_arg, g, c->pack_workspace) : 0;
    if (!rc) rc = call(c->main, c->narg, c->arg, g, c->workspace);
    if (rc) printf("bad %d: returned %d\n", k, rc);
    for (int i = 0; i < c->nbuffer && !rc; i++) {
        const struct guest_buffer *b = &c->buffer[i];
        long at = b->after < 0 ? -1 : differs(b, (unsigned char *)g[i].data);
        if (at < 0) continue;
        printf("bad %d: buffer %d, byte %ld: 0x%02x, should be 0x%02x (flush_end %d)\n", k, i, at,
               (unsigned char)g[i].data[at], data[b->after + at], flush_end);
        break;
    }
    for (int i = 0; i < c->nbuffer && !rc; i++) {
        if (!c->buffer[i].got) continue;
        printf("got %d %d %ld\n", k, i, c->buffer[i].bytes);
        fwrite(g[i].data, 1, (size_t)c->buffer[i].bytes, stdout);
    }
    for (int i = 0; i < c->nbuffer; i++) guard_free(&g[i]);
}

/* Whose results are wanted runs once. */
static int is_got(const struct guest_case *c)
{
    int got = 0;
    for (int i = 0; i < c->nbuffer; i++) got |= c->buffer[i].got;
    return got;
}

int main(int argc, char **argv)
{
    data = malloc((size_t)guest_ndata + 1);
    if (!data || fread(data, 1, (size_t)guest_ndata, stdin) != (size_t)guest_ndata) return puts("no data"), 1;
    for (int k = argc > 1 ? atoi(argv[1]) : 0; k < guest_ncase; k++) {
        printf("run %d\n", k);
        fflush(stdout);
        run(k, k & 1);
        if (!is_got(&guest_case[k])) run(k, !(k & 1));
    }
    puts("end");
    return 0;
}
