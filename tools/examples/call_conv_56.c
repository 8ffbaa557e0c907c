/* SPDX-License-Identifier: Apache-2.0 */
/* A program of its own against conv_56.o: A W B M .bin in, Out.bin out. Nothing of qjit is linked; without a
 * qjrt_parallel_for the parallel loops run serially. */
#include <stdio.h>
#include <stdlib.h>
#include "conv_56.h"

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
    int8_t *packed = malloc(conv_56_Wp_BYTES);
    uint8_t *out = malloc(conv_56_Out_BYTES);
    conv_56_pack(load("W.bin", conv_56_W_BYTES), packed);
    conv_56(load("A.bin", conv_56_A_BYTES), load("B.bin", conv_56_B_BYTES), load("M.bin", conv_56_M_BYTES), packed, out,
            aligned_alloc(64, (conv_56_WORKSPACE + 63) / 64 * 64));
    FILE *f = fopen("from_c.bin", "wb");
    return !f || fwrite(out, 1, conv_56_Out_BYTES, f) != conv_56_Out_BYTES || fclose(f);
}
