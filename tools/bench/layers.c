/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c - the workloads' table and the values they are run on.
 *
 *     full      activations 0..255 and weights -128..127, uniform
 *     real      weights of each output channel from a Laplace distribution, the largest scaled to 127;
 *               activations as after a ReLU, half of them 0, the rest half-normal, in 0..127
 *     real255   the same, activations in 0..255
 *
 * Scales spread three standard deviations of each channel's sums to either side over 0..255, and the bias puts their
 * mean in the middle, so that hardly an output hides in the clamp: a sum that is off by e changes its output with
 * probability e * scale. */
#include "tools/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool layer_parse(struct layer *l, const char *line)
{
    int used = 0;
    *l = (struct layer){.n = 1, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .g = 1, .w = 1};
    if (sscanf(line, "dense,%47[^,],%d,%d,%d%n", l->name, &l->h, &l->o, &l->c, &used) == 4)
        l->dense = true;
    else if (sscanf(line, "conv,%47[^,],%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d,%d%n", l->name, &l->n, &l->c, &l->h, &l->w,
                    &l->o, &l->kh, &l->kw, &l->sh, &l->sw, &l->ph, &l->pw, &l->g, &used) != 13)
        return false;
    bool positive = l->n > 0 && l->c > 0 && l->h > 0 && l->w > 0 && l->o > 0 && l->kh > 0 && l->kw > 0 && l->sh > 0 &&
                    l->sw > 0 && l->ph >= 0 && l->pw >= 0 && l->g > 0;
    return positive && l->c % l->g == 0 && l->o % l->g == 0 && l->h + 2 * l->ph >= l->kh &&
           l->w + 2 * l->pw >= l->kw && strspn(line + used, " \r\n") == strlen(line + used);
}

struct layer *layers_read(const char *path, int *n)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        return NULL;
    }
    struct layer *all = NULL;
    char line[256];
    *n = 0;
    for (int at = 1; fgets(line, sizeof line, f); at++) {
        if (line[0] == '#' || line[0] == '\n') continue;
        struct layer *more = realloc(all, (size_t)(*n + 1) * sizeof *all);
        if (more) all = more;
        if (!more || !layer_parse(&all[*n], line)) {
            fprintf(stderr, "%s:%d: not a workload: %s", path, at, line);
            free(all);
            fclose(f);
            return NULL;
        }
        ++*n;
    }
    fclose(f);
    return all;
}

/* ---- random numbers ---- */

static uint64_t next(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *s) { return ((double)(next(s) >> 11) + 0.5) * 0x1p-53; }

static double normal(uint64_t *s)
{
    return sqrt(-2 * log(uniform(s))) * cos(2 * 3.14159265358979323846 * uniform(s));
}

static double laplace(uint64_t *s)
{
    double magnitude = -log(uniform(s));
    return next(s) >> 63 ? magnitude : -magnitude;
}

static void fill_full(struct data *d, const struct layer *l, uint64_t *s)
{
    for (size_t i = 0; i < layer_in(l); i++) d->a[i] = (uint8_t)(next(s) >> 56);
    for (size_t i = 0; i < layer_weights(l); i++) d->w[i] = (int8_t)(next(s) >> 56);
}

static bool fill_real(struct data *d, const struct layer *l, uint64_t *s)
{
    size_t per = layer_weights(l) / l->o;
    double *w = malloc(per * sizeof *w);
    if (!w) return false;
    for (size_t i = 0; i < layer_in(l); i++) {
        double v = next(s) >> 63 ? rint(fabs(normal(s)) * d->a_max / 4) : 0;
        d->a[i] = (uint8_t)fmin(v, d->a_max);
    }
    for (int o = 0; o < l->o; o++) {
        double most = 0;
        for (size_t i = 0; i < per; i++) {
            w[i] = laplace(s);
            most = fmax(most, fabs(w[i]));
        }
        for (size_t i = 0; i < per; i++) d->w[o * per + i] = (int8_t)rint(w[i] * 127 / most);
    }
    free(w);
    return true;
}

static void choose_scales(struct data *d, const struct layer *l)
{
    size_t per = layer_weights(l) / l->o;
    double mean = 0, square = 0;
    for (size_t i = 0; i < layer_in(l); i++) {
        mean += d->a[i];
        square += d->a[i] * d->a[i];
    }
    mean /= (double)layer_in(l);
    double variance = square / (double)layer_in(l) - mean * mean;
    for (int o = 0; o < l->o; o++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < per; i++) {
            double w = d->w[o * per + i];
            sum += w;
            squares += w * w;
        }
        double deviation = sqrt(squares * variance) + 1;
        d->scale[o] = (float)(255 / (6 * deviation));
        d->bias[o] = (int32_t)rint(3 * deviation - sum * mean);
    }
}

bool data_make(struct data *d, const struct layer *l, const char *set)
{
    *d = (struct data){.set = set, .a_max = strcmp(set, "real") == 0 ? 127 : 255,
                       .w_min = strcmp(set, "full") == 0 ? -128 : -127};
    if (strcmp(set, "full") && strcmp(set, "real") && strcmp(set, "real255")) return false;
    /* Vectors may read a little beyond what they use. */
    d->a = aligned_alloc(64, (layer_in(l) + 191) / 64 * 64);
    d->w = aligned_alloc(64, (layer_weights(l) + 191) / 64 * 64);
    d->want = aligned_alloc(64, (layer_out(l) + 191) / 64 * 64);
    d->bias = calloc(l->o, sizeof *d->bias);
    d->scale = calloc(l->o, sizeof *d->scale);
    uint64_t seed = 1;
    for (const char *p = l->name; *p; p++) seed = seed * 31 + (uint8_t)*p;
    bool ok = d->a && d->w && d->want && d->bias && d->scale;
    if (ok && d->w_min == -128)
        fill_full(d, l, &seed);
    else
        ok = ok && fill_real(d, l, &seed);
    if (ok) choose_scales(d, l);
    return ok;
}

void data_free(struct data *d)
{
    free(d->a);
    free(d->w);
    free(d->want);
    free(d->bias);
    free(d->scale);
    *d = (struct data){0};
}
