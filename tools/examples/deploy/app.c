/* SPDX-License-Identifier: Apache-2.0 */
/* A product with one layer in it: layer.o and layer.h, which `make` had written by qjit, and nothing else of qjit's. All it
 * knows of the layer it takes from the header's macros. The result is compared with plain loops, bit for bit.
 *
 * Built with -DWITH_QJRT and linked with libqjrt the layer's parallel loops run on its thread pool; without it, serially. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "layer.h"
#ifdef WITH_QJRT
#include <qjrt.h>
#endif

enum {
    H = layer_A_DIM1, W = layer_A_DIM2, C = layer_A_DIM3,
    O = layer_W_DIM0, R = layer_W_DIM1, S = layer_W_DIM2
};

/* The layer as its makers would write it in a specification: padded by one, stride one, rounded half to even. */
static void reference(const uint8_t *a, const int8_t *w, const int32_t *b, const float *m, uint8_t *out)
{
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int o = 0; o < O; o++) {
                int32_t acc = b[o];
                for (int r = 0; r < R; r++)
                    for (int s = 0; s < S; s++) {
                        int h = y + r - 1, v = x + s - 1;
                        if (h < 0 || h >= H || v < 0 || v >= W) continue;
                        for (int c = 0; c < C; c++)
                            acc += a[h * layer_A_STRIDE1 + v * layer_A_STRIDE2 + c] *
                                   w[o * layer_W_STRIDE0 + r * layer_W_STRIDE1 + s * layer_W_STRIDE2 + c];
                    }
                float v = rintf((float)acc * m[o]);
                out[y * layer_Out_STRIDE1 + x * layer_Out_STRIDE2 + o] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
}

static void *room(size_t bytes)
{
    void *p = aligned_alloc(layer_WORKSPACE_ALIGNMENT, (bytes + 63) / 64 * 64);
    if (p) return p;
    perror("app");
    exit(1);
}

/* Every value, and the two ends of the type a third of the time: what saturates must show. */
static void fill(uint8_t *p, size_t n, uint8_t lo, uint8_t hi, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = seed >> 29 == 0 ? lo : seed >> 29 == 1 ? hi : (uint8_t)(seed >> 16);
    }
}

int main(void)
{
    uint8_t *a = room(layer_A_BYTES), *out = room(layer_Out_BYTES), *want = room(layer_Out_BYTES);
    int8_t *w = room(layer_W_BYTES), *packed = room(layer_Wp_BYTES);
    int32_t *b = room(layer_B_BYTES);
    float *m = room(layer_M_BYTES);
    void *workspace = room(layer_WORKSPACE);
    fill(a, layer_A_BYTES, layer_A_LO, layer_A_HI, 1);
    fill((uint8_t *)w, layer_W_BYTES, (uint8_t)layer_W_LO, layer_W_HI, 2);
    for (int o = 0; o < O; o++) {
        b[o] = o % 2 ? layer_B_LO / (o + 1) : layer_B_HI / (o + 1);
        m[o] = 0.00002f * (float)(o + 1);
    }
    reference(a, w, b, m, want);

    layer_pack(w, packed); /* once, when the weights are known */
    for (int again = 0; again < 3; again++) {
        for (int i = 0; i < layer_Out_BYTES; i++) out[i] = 77;
        if (layer(a, b, m, packed, out, workspace)) return 2;
        int different = 0;
        for (int i = 0; i < layer_Out_BYTES; i++) different += out[i] != want[i];
        if (again == 2) printf("%d outputs, %d different", layer_Out_BYTES, different);
        if (different) return puts(""), 1;
    }
#ifdef WITH_QJRT
    printf(", %d threads", qjrt_threads());
#endif
    puts("");
    free(a), free(out), free(want), free(w), free(packed), free(b), free(m), free(workspace);
    return 0;
}
