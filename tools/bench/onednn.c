/* SPDX-License-Identifier: Apache-2.0 */
/* onednn.c - oneDNN 2 (Debian libdnnl-dev): NHWC activations, weights reordered ahead into what it asks for.
 *
 * Below AVX512-VNNI its kernels sum pairs of products in 16 bits, saturating. */
#include "tools/bench/bench.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t layer;
    dnnl_memory_t src, weights, bias, dst;
    dnnl_exec_arg_t args[4];
    uint8_t *out;
    size_t size;
    int threads;
};

static bool init(bool avx2, char *note)
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(note, WHY, "%d.%d.%d", v->major, v->minor, v->patch);
    if (!avx2 || dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2) == dnnl_success) return true;
    snprintf(note, WHY, "it does not let itself be held to AVX2");
    return false;
}

static void release(void *v)
{
    struct onednn *p = v;
    if (!p) return;
    if (p->layer) dnnl_primitive_destroy(p->layer);
    if (p->pd) dnnl_primitive_desc_destroy(p->pd);
    if (p->attr) dnnl_primitive_attr_destroy(p->attr);
    dnnl_memory_t memory[] = {p->src, p->weights, p->bias, p->dst};
    for (int i = 0; i < 4; i++)
        if (memory[i]) dnnl_memory_destroy(memory[i]);
    if (p->stream) dnnl_stream_destroy(p->stream);
    if (p->engine) dnnl_engine_destroy(p->engine);
    free(p->out);
    free(p);
}

struct descs { dnnl_memory_desc_t src, weights, any, bias, dst; };

static bool memory_descs(struct descs *m, const struct layer *l)
{
    dnnl_dims_t bias = {l->o};
    bool ok = dnnl_memory_desc_init_by_tag(&m->bias, 1, bias, dnnl_s32, dnnl_a) == dnnl_success;
    if (l->dense) {
        dnnl_dims_t src = {l->h, l->c}, w = {l->o, l->c}, dst = {l->h, l->o};
        return ok && dnnl_memory_desc_init_by_tag(&m->src, 2, src, dnnl_u8, dnnl_ab) == dnnl_success &&
               dnnl_memory_desc_init_by_tag(&m->weights, 2, w, dnnl_s8, dnnl_ab) == dnnl_success &&
               dnnl_memory_desc_init_by_tag(&m->any, 2, w, dnnl_s8, dnnl_format_tag_any) == dnnl_success &&
               dnnl_memory_desc_init_by_tag(&m->dst, 2, dst, dnnl_u8, dnnl_ab) == dnnl_success;
    }
    dnnl_dims_t src = {l->n, l->c, l->h, l->w}, dst = {l->n, l->o, layer_oh(l), layer_ow(l)};
    dnnl_dims_t plain = {l->o, l->c, l->kh, l->kw}, grouped = {l->g, l->o / l->g, l->c / l->g, l->kh, l->kw};
    bool one = l->g == 1;
    return ok && dnnl_memory_desc_init_by_tag(&m->src, 4, src, dnnl_u8, dnnl_nhwc) == dnnl_success &&
           dnnl_memory_desc_init_by_tag(&m->weights, one ? 4 : 5, one ? plain : grouped, dnnl_s8,
                                        one ? dnnl_ohwi : dnnl_gohwi) == dnnl_success &&
           dnnl_memory_desc_init_by_tag(&m->any, one ? 4 : 5, one ? plain : grouped, dnnl_s8,
                                        dnnl_format_tag_any) == dnnl_success &&
           dnnl_memory_desc_init_by_tag(&m->dst, 4, dst, dnnl_u8, dnnl_nhwc) == dnnl_success;
}

static bool describe(struct onednn *p, const struct layer *l, const struct descs *m)
{
    if (l->dense) {
        dnnl_inner_product_desc_t desc;
        return dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &m->src, &m->any, &m->bias,
                                                    &m->dst) == dnnl_success &&
               dnnl_primitive_desc_create(&p->pd, &desc, p->attr, p->engine, NULL) == dnnl_success;
    }
    dnnl_dims_t strides = {l->sh, l->sw}, padding = {l->ph, l->pw};
    dnnl_convolution_desc_t desc;
    return dnnl_convolution_forward_desc_init(&desc, dnnl_forward_inference, dnnl_convolution_direct, &m->src, &m->any,
                                              &m->bias, &m->dst, strides, padding, padding) == dnnl_success &&
           dnnl_primitive_desc_create(&p->pd, &desc, p->attr, p->engine, NULL) == dnnl_success;
}

/* Weights from O KH KW C/G into the layout the primitive chose. */
static bool reorder(struct onednn *p, const struct descs *m, const int8_t *w)
{
    dnnl_memory_t from = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t move = NULL;
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(p->pd, dnnl_query_weights_md, 0);
    bool ok = dnnl_memory_create(&from, &m->weights, p->engine, (void *)w) == dnnl_success &&
              dnnl_memory_create(&p->weights, chosen, p->engine, DNNL_MEMORY_ALLOCATE) == dnnl_success &&
              dnnl_reorder_primitive_desc_create(&pd, &m->weights, p->engine, chosen, p->engine, NULL) ==
                  dnnl_success &&
              dnnl_primitive_create(&move, pd) == dnnl_success;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, p->weights}};
    ok = ok && dnnl_primitive_execute(move, p->stream, 2, args) == dnnl_success &&
         dnnl_stream_wait(p->stream) == dnnl_success;
    if (move) dnnl_primitive_destroy(move);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (from) dnnl_memory_destroy(from);
    return ok;
}

static void *prepare(const struct layer *l, const struct data *d, const struct setting *s, char *why)
{
    struct onednn *p = calloc(1, sizeof *p);
    struct descs m;
    if (!p) return NULL;
    p->threads = s->threads;
    p->size = layer_out(l);
    p->out = aligned_alloc(64, (p->size + 63) / 64 * 64);
    omp_set_num_threads(s->threads);
    bool ok = p->out && dnnl_engine_create(&p->engine, dnnl_cpu, 0) == dnnl_success &&
              dnnl_stream_create(&p->stream, p->engine, dnnl_stream_default_flags) == dnnl_success &&
              dnnl_primitive_attr_create(&p->attr) == dnnl_success &&
              dnnl_primitive_attr_set_output_scales(p->attr, l->o, 1 << 1, d->scale) == dnnl_success &&
              memory_descs(&m, l) && describe(p, l, &m) &&
              dnnl_primitive_create(&p->layer, p->pd) == dnnl_success && reorder(p, &m, d->w) &&
              dnnl_memory_create(&p->src, &m.src, p->engine, d->a) == dnnl_success &&
              dnnl_memory_create(&p->bias, &m.bias, p->engine, d->bias) == dnnl_success &&
              dnnl_memory_create(&p->dst, &m.dst, p->engine, p->out) == dnnl_success;
    if (!ok) {
        snprintf(why, WHY, "oneDNN has no primitive for this layer");
        release(p);
        return NULL;
    }
    p->args[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, p->src};
    p->args[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, p->weights};
    p->args[2] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, p->bias};
    p->args[3] = (dnnl_exec_arg_t){DNNL_ARG_DST, p->dst};
    return p;
}

static bool run(void *v)
{
    struct onednn *p = v;
    omp_set_num_threads(p->threads);
    return dnnl_primitive_execute(p->layer, p->stream, 4, p->args) == dnnl_success &&
           dnnl_stream_wait(p->stream) == dnnl_success;
}

static void output(void *v, uint8_t *out)
{
    const struct onednn *p = v;
    memcpy(out, p->out, p->size);
}

const struct contender onednn_contender = {"onednn", true, init, prepare, run, output, release};
