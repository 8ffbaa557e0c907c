/* SPDX-License-Identifier: Apache-2.0 */
/* qjit.c - ourselves, through the C API alone: the layer written as a program, a template's schedule, and the plain C entry.
 *
 * Activations are padded and widened inside the timed part, weights packed ahead. */
#include "runtime/qjit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/bench.h"

enum { MAX_ARGS = 16 };

struct ours {
    qj_ctx *q;
    qj_kernel *k;
    qj_packed *packed;
    qj_tensor *tensor[8];
    int8_t *turned;                     /* depthwise weights as KH KW C */
    int (*entry)(void **args);
    void *args[MAX_ARGS], *workspace, *out;
    size_t size;
    struct qjit_facts facts;
};

static bool init(bool avx2, char *note)
{
    snprintf(note, WHY, "%s (LLVM %s)", qj_version(), qj_llvm_version());
    return true;
}

static void release(void *v)
{
    struct ours *p = v;
    if (!p) return;
    for (int i = 0; i < 8; i++) qj_tensor_free(p->tensor[i]);
    qj_packed_free(p->packed);
    qj_kernel_free(p->k);
    qj_ctx_free(p->q);
    free(p->turned);
    free(p->workspace);
    free(p->out);
    free(p);
}

/* ---- the layer as a program ---- */

static bool depthwise(const struct layer *l) { return l->g > 1 && l->g == l->c && l->o == l->c; }

static bool define(struct ours *p, const struct layer *l, const struct data *d)
{
    char text[1024], index[64], pad[96] = "";
    const char *from = "A";
    if (l->dense)
        snprintf(text, sizeof text,
                 "input A[m:%d, k:%d] : u8 in 0..%d; weight W[n:%d, k:%d] : i8 in %d..127\n"
                 "weight B[n:%d] : i32; weight M[n:%d] : f32\n"
                 "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n"
                 "Out[m, n] : u8 = requantize(Acc[m, n] + B[n], scale: M[n], zero: 0, round: half_even)",
                 l->h, l->c, d->a_max, l->o, l->c, d->w_min, l->o, l->o);
    else {
        if (l->ph || l->pw) {
            snprintf(pad, sizeof pad, "P = pad(A, h: %d %d, w: %d %d, value: 0)\n", l->ph, l->ph, l->pw, l->pw);
            from = "P";
        }
        snprintf(index, sizeof index, l->sh > 1 || l->sw > 1 ? "y*%d + r, x*%d + s" : "y + r, x + s", l->sh, l->sw);
        bool dw = depthwise(l);
        char weight[96];
        if (dw)
            snprintf(weight, sizeof weight, "W[r:%d, s:%d, c:%d]", l->kh, l->kw, l->c);
        else
            snprintf(weight, sizeof weight, "W[o:%d, r:%d, s:%d, c:%d]", l->o, l->kh, l->kw, l->c);
        const char *o = dw ? "c" : "o";
        snprintf(text, sizeof text,
                 "input A[n:%d, h:%d, w:%d, c:%d] : u8 in 0..%d; weight %s : i8 in %d..127\n"
                 "weight B[%s:%d] : i32; weight M[%s:%d] : f32\n%s"
                 "Acc[n, y:%d, x:%d, %s] : i32 = sum(r, s%s) i32(%s[n, %s, c]) * i32(W[%s])\n"
                 "Out[n, y, x, %s] : u8 = requantize(Acc[n, y, x, %s] + B[%s], scale: M[%s], zero: 0,"
                 " round: half_even)",
                 l->n, l->h, l->w, l->c, d->a_max, weight, d->w_min, o, l->o, o, l->o, pad, layer_oh(l), layer_ow(l),
                 o, dw ? "" : ", c", from, index, dw ? "r, s, c" : "o, r, s, c", o, o, o, o);
    }
    return qj_define(p->q, text) && qj_name(p->q, "layer");
}

/* ---- arguments ---- */

static bool tensors(struct ours *p, const struct layer *l, struct data *d)
{
    int n = qj_kernel_nargs(p->k);
    if (depthwise(l)) {
        size_t taps = (size_t)l->kh * l->kw;
        p->turned = aligned_alloc(64, (layer_weights(l) + 127) / 64 * 64);
        for (size_t i = 0; p->turned && i < layer_weights(l); i++) p->turned[i % taps * l->c + i / taps] = d->w[i];
        if (!p->turned) return false;
    }
    for (int i = 0; i < n; i++) {
        qj_arg a;
        if (i == 8 || !qj_kernel_arg(p->k, i, &a)) return false;
        void *at = a.role == QJ_ROLE_OUTPUT  ? p->out
                   : a.role == QJ_ROLE_INPUT ? (void *)d->a
                   : a.name[0] == 'B'        ? (void *)d->bias
                   : a.name[0] == 'M'        ? (void *)d->scale
                   : p->turned               ? (void *)p->turned
                                             : (void *)d->w;
        p->tensor[i] = qj_tensor_from_data(a.dtype, a.ndim, a.shape, at);
        if (!p->tensor[i]) return false;
    }
    return true;
}

/* The entry's array: what a caller of the plain C function would pass. */
static bool arguments(struct ours *p)
{
    const qj_artifact *a = qj_kernel_artifact(p->k);
    int n = qj_artifact_nargs(a);
    for (int i = 0; i < n; i++) {
        qj_arg at, of;
        if (i == MAX_ARGS - 1 || !qj_artifact_arg(a, i, &at)) return false;
        if (at.role == QJ_ROLE_PACKED) {
            p->args[i] = (void *)qj_packed_data(p->packed, i);
            continue;
        }
        for (int j = 0; j < qj_kernel_nargs(p->k) && !p->args[i]; j++)
            if (qj_kernel_arg(p->k, j, &of) && !strcmp(of.name, at.name)) p->args[i] = qj_tensor_data(p->tensor[j]);
    }
    int64_t bytes = qj_kernel_workspace(p->k);
    if (bytes) p->args[n] = p->workspace = aligned_alloc(64, ((size_t)bytes + 63) / 64 * 64);
    return !bytes || p->workspace;
}

static void *prepare(const struct layer *l, const struct data *d, const struct setting *s, char *why)
{
    struct ours *p = calloc(1, sizeof *p);
    struct data borrowed = *d;
    if (!p) return NULL;
    qj_set_threads(s->threads);
    p->q = qj_ctx_new(NULL);
    p->size = layer_out(l);
    p->out = aligned_alloc(64, (p->size + 127) / 64 * 64);
    bool ok = p->out && define(p, l, d) && qj_target(p->q, s->avx2 ? "x86-64-v3" : "native");
    double begin = now_ms();
    ok = ok && qj_template(p->q, s->template) && (p->k = qj_build(p->q));
    p->facts.build_ms = now_ms() - begin;
    ok = ok && tensors(p, l, &borrowed) &&
         (p->packed = qj_kernel_pack(p->k, p->tensor, qj_kernel_nargs(p->k), NULL)) && arguments(p);
    if (ok) {
        qj_timing t = {.size = sizeof t};
        void *entry = qj_kernel_call_entry(p->k);
        memcpy(&p->entry, &entry, sizeof entry);
        if (qj_time(p->q, p->k, p->tensor, qj_kernel_nargs(p->k), 1, &t)) p->facts.ceiling = t.ceiling;
        return p;
    }
    const qj_error *e = p->q ? qj_last_error(p->q) : NULL;
    if (e) snprintf(why, WHY, "%s: %.200s", e->code, e->message);
    release(p);
    return NULL;
}

struct qjit_facts qjit_facts(const void *p) { return ((const struct ours *)p)->facts; }

static bool run(void *v)
{
    struct ours *p = v;
    return p->entry(p->args) == 0;
}

static void output(void *v, uint8_t *out)
{
    const struct ours *p = v;
    memcpy(out, p->out, p->size);
}

const struct contender qjit_contender = {"qjit", false, init, prepare, run, output, release};
