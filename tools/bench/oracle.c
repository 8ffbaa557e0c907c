/* SPDX-License-Identifier: Apache-2.0 */
/* oracle.c - the right answer by plain loops: int32 sums (the largest layer's stay below 2^28), one rounding of
 * f32(sum + bias) * scale, half to even. Knows nothing of libraries, ours included. */
#include "tools/bench/bench.h"

#include <math.h>

static int32_t dot(const uint8_t *a, const int8_t *w, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++) sum += (int16_t)a[i] * (int16_t)w[i];
    return sum;
}

static int32_t sum_at(const struct layer *l, const struct data *d, int n, int y, int x, int o)
{
    int cg = l->c / l->g, first = o / (l->o / l->g) * cg;
    int32_t sum = 0;
    for (int r = 0; r < l->kh; r++)
        for (int s = 0; s < l->kw; s++) {
            int iy = y * l->sh + r - l->ph, ix = x * l->sw + s - l->pw;
            if (iy < 0 || iy >= l->h || ix < 0 || ix >= l->w) continue;
            sum += dot(d->a + (((size_t)n * l->h + iy) * l->w + ix) * l->c + first,
                       d->w + (((size_t)o * l->kh + r) * l->kw + s) * cg, cg);
        }
    return sum;
}

void oracle(const struct layer *l, struct data *d)
{
    uint8_t *out = d->want;
    for (int n = 0; n < l->n; n++)
        for (int y = 0; y < layer_oh(l); y++)
            for (int x = 0; x < layer_ow(l); x++)
                for (int o = 0; o < l->o; o++) {
                    float v = rintf((float)(sum_at(l, d, n, y, x, o) + d->bias[o]) * d->scale[o]);
                    *out++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
                }
}
