/* SPDX-License-Identifier: Apache-2.0 */
/* read.c - the machine's limit for a layer of one pixel: reading its weights once. Not a peer. */
#include "tools/bench/bench.h"

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    const int8_t *w;
    size_t bytes;
    uint64_t seen;              /* so that nothing is left out */
};

static bool init(bool avx2, char *note) { return true; }

static void *prepare(const struct layer *l, const struct data *d, const struct setting *s, char *why)
{
    struct reader *p = calloc(1, sizeof *p);
    if (!p || !l->dense || l->h != 1 || s->threads != 1) {
        snprintf(why, WHY, "only where weights are read once, on one thread");
        free(p);
        return NULL;
    }
    *p = (struct reader){.w = d->w, .bytes = layer_weights(l) / 256 * 256};
    return p;
}

/* One stream; more of them, prefetches and AVX-512 read no faster. */
__attribute__((target("avx2"))) static bool run(void *v)
{
    struct reader *p = v;
    __m256i sum[8] = {0};
    for (size_t i = 0; i < p->bytes; i += 256)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++)
            sum[j] = _mm256_xor_si256(sum[j], _mm256_load_si256((const __m256i *)(p->w + i) + j));
#pragma GCC unroll 8
    for (int j = 1; j < 8; j++) sum[0] = _mm256_xor_si256(sum[0], sum[j]);
    p->seen ^= (uint64_t)_mm256_extract_epi64(sum[0], 0);
    return true;
}

const struct contender read_contender = {"read", false, init, prepare, run, NULL, free};
