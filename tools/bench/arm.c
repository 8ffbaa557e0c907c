/* SPDX-License-Identifier: Apache-2.0 */
/* arm.c - one layer by us and by XNNPACK's qc8 operator, between marks that tools/bench/arm looks for. Not part of the
 * build: the script compiles it for AArch64, the layer by macros, our calls in the file CALLS. Prints how many outputs of each are not those of plain loops. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <xnnpack.h>

enum { SIDE = (HEIGHT + 2 * PAD - KERNEL) / STRIDE + 1, PER = DEPTHWISE ? 1 : CHANNELS };

static int8_t A[HEIGHT * HEIGHT * CHANNELS + XNN_EXTRA_BYTES], W[OUTPUTS * KERNEL * KERNEL * PER], Out[SIDE * SIDE * OUTPUTS], theirs[SIDE * SIDE * OUTPUTS];
static int32_t B[OUTPUTS];
static float M[OUTPUTS];

#include CALLS

/* Their symbols are in the trace: a mark is a function of its own. */
#define MARK(name) __attribute__((noinline)) void name(void); void name(void) { __asm__ volatile("" ::: "memory"); }
MARK(mark_ours)
MARK(mark_theirs)
MARK(mark_off)

static uint32_t state = 1;
static uint32_t next(void) { return state = state * 1664525u + 1013904223u; }

/* Full range, the extremes often; scales that spread sums over the outputs. */
static int8_t byte(void)
{
    uint32_t r = next() >> 8;
    return r % 16 == 0 ? -128 : r % 16 == 1 ? 127 : (int8_t)(r >> 8);
}

/* Plain loops: who is right where the two differ. */
static int8_t plain(int y, int x, int o)
{
    int32_t sum = B[o];
    for (int r = 0; r < KERNEL; r++)
        for (int s = 0; s < KERNEL; s++)
            for (int i = 0; i < PER; i++) {
                int h = y * STRIDE + r - PAD, w = x * STRIDE + s - PAD, c = DEPTHWISE ? o : i;
                bool inside = h >= 0 && h < HEIGHT && w >= 0 && w < HEIGHT;
                int8_t by = W[DEPTHWISE ? (r * KERNEL + s) * CHANNELS + o : ((o * KERNEL + r) * KERNEL + s) * PER + i];
                sum += inside ? (A[(h * HEIGHT + w) * CHANNELS + c] + 128) * by : 0;
            }
    float v = rintf((float)sum * M[o]) - 128;
    return (int8_t)(v < -128 ? -128 : v > 127 ? 127 : v);
}

int main(int argc, char **argv)
{
    (void)argv;
    for (size_t i = 0; i < sizeof A; i++) A[i] = byte();
    for (size_t i = 0; i < sizeof W; i++) W[i] = byte();
    for (int o = 0; o < OUTPUTS; o++) {
        B[o] = (int32_t)(next() >> 8) % 2000 - 1000;
        M[o] = (float)(1 + next() % 1000 * 0.001) / (float)(100 * KERNEL * KERNEL * PER);
    }
    xnn_operator_t op = NULL;
    int8_t packed[sizeof W]; /* depthwise: a channel's taps together for us, a tap's channels together for them */
    for (int o = 0; o < OUTPUTS; o++)
        for (int t = 0; t < KERNEL * KERNEL; t++)
            for (int i = 0; i < PER; i++) packed[(o * KERNEL * KERNEL + t) * PER + i] = W[DEPTHWISE ? t * CHANNELS + o : (o * KERNEL * KERNEL + t) * PER + i];
    if (xnn_initialize(NULL) ||
        xnn_create_convolution2d_nhwc_qc8(PAD, PAD, PAD, PAD, KERNEL, KERNEL, STRIDE, STRIDE, 1, 1, DEPTHWISE ? CHANNELS : 1, PER, DEPTHWISE ? 1 : OUTPUTS, CHANNELS, OUTPUTS, -128, 1.0f, M, packed, B,
                                          -128, 1.0f, -128, 127, 0, &op) ||
        xnn_setup_convolution2d_nhwc_qc8(op, 1, HEIGHT, HEIGHT, A, theirs, NULL))
        return puts("XNNPACK has no operator"), 1;
    pack();
    mark_ours();
    ours();
    mark_off();
    mark_theirs();
    xnn_run_operator(op, NULL);
    mark_off();
    if (argc > 1) return 0; /* only to be counted */
    int wrong = 0, differ = 0, inside = 0;
    for (int i = 0; i < SIDE * SIDE * OUTPUTS; i++) {
        int8_t want = plain(i / OUTPUTS / SIDE, i / OUTPUTS % SIDE, i % OUTPUTS);
        wrong += Out[i] != want;
        differ += theirs[i] != want;
        inside += want > -128 && want < 127;
    }
    printf("%d %% unclamped; wrong: ours %d, theirs %d\n", 100 * inside / (SIDE * SIDE * OUTPUTS), wrong, differ);
    return 0;
}
