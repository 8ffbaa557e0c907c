/* SPDX-License-Identifier: Apache-2.0 */
/* xnnpack.c - XNNPACK (Debian libxnnpack-dev), operator qc8: i8 by i8, a scale an output channel.
 *
 * Our u8 with zero point 0 is its i8 with zero point -128, the same numbers: activations are shifted once, outside the
 * timed part, as its own users would have them. Dense layers run as 1x1 convolutions, since its fully connected
 * operator of this version has one scale for all channels. */
#include "tools/bench/bench.h"

#include <cpuinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <xnnpack.h>

struct xnnpack {
    xnn_operator_t op;
    pthreadpool_t pool;
    int8_t *in, *out;
    size_t size;
};

static bool init(bool avx2, char *note)
{
    bool ok = cpuinfo_initialize();
    if (ok && avx2) /* read when kernels are chosen, which xnn_initialize does */
        cpuinfo_isa.avx512f = cpuinfo_isa.avx512cd = cpuinfo_isa.avx512dq = cpuinfo_isa.avx512bw =
            cpuinfo_isa.avx512vl = cpuinfo_isa.avx512vbmi = cpuinfo_isa.avx512vnni = cpuinfo_isa.avx512ifma = false;
    ok = ok && xnn_initialize(NULL) == xnn_status_success;
    if (!ok) snprintf(note, WHY, "it does not run on this processor");
    return ok;
}

static void release(void *v)
{
    struct xnnpack *p = v;
    if (!p) return;
    if (p->op) xnn_delete_operator(p->op);
    if (p->pool) pthreadpool_destroy(p->pool);
    free(p->in);
    free(p->out);
    free(p);
}

static void *prepare(const struct layer *l, const struct data *d, const struct setting *s, char *why)
{
    struct xnnpack *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    size_t in = layer_in(l);
    p->size = layer_out(l);
    p->in = aligned_alloc(64, (in + XNN_EXTRA_BYTES + 63) / 64 * 64);
    p->out = aligned_alloc(64, (p->size + 63) / 64 * 64);
    p->pool = s->threads > 1 ? pthreadpool_create((size_t)s->threads) : NULL;
    bool ok = p->in && p->out;
    for (size_t i = 0; ok && i < in; i++) p->in[i] = (int8_t)(d->a[i] ^ 0x80);
    ok = ok && xnn_create_convolution2d_nhwc_qc8(
                   (uint32_t)l->ph, (uint32_t)l->pw, (uint32_t)l->ph, (uint32_t)l->pw, (uint32_t)l->kh,
                   (uint32_t)l->kw, (uint32_t)l->sh, (uint32_t)l->sw, 1, 1, (uint32_t)l->g, (size_t)(l->c / l->g),
                   (size_t)(l->o / l->g), (size_t)l->c, (size_t)l->o, -128, 1.0f, d->scale, d->w, d->bias, -128, 1.0f,
                   -128, 127, 0, &p->op) == xnn_status_success;
    ok = ok && xnn_setup_convolution2d_nhwc_qc8(p->op, (size_t)l->n, (size_t)l->h, (size_t)l->w, p->in, p->out,
                                                p->pool) == xnn_status_success;
    if (ok) return p;
    snprintf(why, WHY, "XNNPACK has no operator for this layer");
    release(p);
    return NULL;
}

static bool run(void *v)
{
    struct xnnpack *p = v;
    return xnn_run_operator(p->op, p->pool) == xnn_status_success;
}

static void output(void *v, uint8_t *out)
{
    const struct xnnpack *p = v;
    for (size_t i = 0; i < p->size; i++) out[i] = (uint8_t)p->out[i] ^ 0x80;
}

const struct contender xnnpack_contender = {"xnnpack", true, init, prepare, run, output, release};
