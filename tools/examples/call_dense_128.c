/* SPDX-License-Identifier: Apache-2.0 */
/* A program of its own against dense_128.o: A W B M .bin in, Out.bin out. Nothing of qjit is linked; without a
 * qjrt_parallel_for the parallel loops run serially. */
#include <stdio.h>
#include <stdlib.h>
#include "dense_128.h"

static void *load(const char *name, size_t n)
{
    void *p = malloc(n);
    FILE *f = fopen(name, "rb");
    if (!f || !p || fread(p, 1, n, f) != n) { perror(name); exit(1); }
    fclose(f);
    return p;
}

int main(void)
{
    int8_t *packed = malloc(dense_128_Wp_BYTES);
    uint8_t *out = malloc(dense_128_Out_BYTES);
    dense_128_pack(load("W.bin", dense_128_W_BYTES), packed);
    dense_128(load("A.bin", dense_128_A_BYTES), load("B.bin", dense_128_B_BYTES), load("M.bin", dense_128_M_BYTES), packed, out,
            aligned_alloc(64, (dense_128_WORKSPACE + 63) / 64 * 64));
    FILE *f = fopen("from_c.bin", "wb");
    return !f || fwrite(out, 1, dense_128_Out_BYTES, f) != dense_128_Out_BYTES || fclose(f);
}
