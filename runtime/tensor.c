/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/tensor.h"

#include <stdio.h>
#include <stdlib.h>

#include "ir/eval.h"

/* DLPack's type codes. */
enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_BOOL = 6 };

static qj_dltype to_dl(enum dtype d)
{
    uint8_t code = d == DT_F32 ? DL_FLOAT : d == DT_BOOL ? DL_BOOL : dtype_info[d].is_signed ? DL_INT : DL_UINT;
    return (qj_dltype){code, (uint8_t)dtype_info[d].bits, 1};
}

bool tensor_dtype(const qj_tensor *t, enum dtype *out)
{
    for (int d = 0; d < DT_COUNT; d++) {
        qj_dltype w = to_dl((enum dtype)d);
        if (w.code != t->dtype.code || w.bits != t->dtype.bits || t->dtype.lanes != 1) continue;
        *out = (enum dtype)d;
        return true;
    }
    return false;
}

int64_t tensor_shape_bytes(enum dtype d, int ndim, const int64_t *shape)
{
    int64_t bytes = dt_bytes(d);
    bool empty = false;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] < 0) return -1;
        empty |= shape[i] == 0;
        if (shape[i] && !ck_mul(bytes, shape[i], &bytes)) return -1;
        if (bytes > INT64_C(1) << 47) return -1;
    }
    return empty ? 0 : bytes;
}

int tensor_gap(const qj_tensor *t, int64_t *dense)
{
    int gap = -1;
    int64_t step = 1;
    for (int i = 0; i < t->ndim; i++)
        if (t->shape[i] == 0) return -1;
    for (int i = t->ndim; t->strides && i-- > 0;) {
        if (t->shape[i] != 1 && t->strides[i] != step) {
            gap = i;
            *dense = step;
        }
        if (!ck_mul(step, t->shape[i], &step)) return *dense = 0, i;
    }
    return gap;
}

bool tensor_contiguous(const qj_tensor *t)
{
    int64_t dense;
    return tensor_gap(t, &dense) < 0;
}

struct own *tensor_own(qj_dltype t, int ndim, const int64_t *shape)
{
    if (ndim < 0 || ndim > QJ_MAX_PHYS || (ndim && !shape)) return NULL;
    struct own *o = calloc(1, sizeof *o);
    if (!o) return NULL;
    o->refs = 1;
    if (ndim) memcpy(o->shape, shape, (size_t)ndim * sizeof *shape);
    o->t = (qj_tensor){.device = {DL_CPU, 0}, .ndim = ndim, .dtype = t, .shape = o->shape};
    return o;
}

static struct own *new_own(qj_dtype type, int ndim, const int64_t *shape, int64_t *bytes)
{
    enum dtype d = (enum dtype)type;
    struct own *o = d < DT_COUNT ? tensor_own(to_dl(d), ndim, shape) : NULL;
    if (!o || (*bytes = tensor_shape_bytes(d, ndim, o->shape)) >= 0) return o;
    free(o);
    return NULL;
}

qj_tensor *qj_tensor_new(qj_dtype t, int ndim, const int64_t *shape)
{
    int64_t bytes;
    struct own *o = new_own(t, ndim, shape, &bytes);
    if (!o) return NULL;
    size_t room = ((size_t)bytes + TENSOR_ALIGN) & ~(size_t)(TENSOR_ALIGN - 1); /* never 0 */
    o->owner = calloc(1, room + TENSOR_ALIGN); /* fresh pages are zero already */
    if (!o->owner) {
        free(o);
        return NULL;
    }
    o->release = free;
    o->t.data = (char *)o->owner + (-(uintptr_t)o->owner & (TENSOR_ALIGN - 1));
    return &o->t;
}

qj_tensor *qj_tensor_from_data(qj_dtype t, int ndim, const int64_t *shape, void *data)
{
    int64_t bytes;
    struct own *o = new_own(t, ndim, shape, &bytes);
    if (!o) return NULL;
    o->t.data = data;
    return &o->t;
}

void tensor_unref(struct own *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) != 1) return;
    if (o->release) o->release(o->owner);
    free(o);
}

void qj_tensor_free(qj_tensor *t) { tensor_unref((struct own *)t); }

int64_t qj_tensor_bytes(const qj_tensor *t)
{
    enum dtype d;
    return t && tensor_dtype(t, &d) ? tensor_shape_bytes(d, t->ndim, t->shape) : -1;
}

void *qj_tensor_data(const qj_tensor *t) { return t ? (char *)t->data + t->byte_offset : NULL; }

bool qj_tensor_dtype(const qj_tensor *t, qj_dtype *out)
{
    enum dtype d;
    if (!t || !tensor_dtype(t, &d)) return false;
    *out = (qj_dtype)d;
    return true;
}

uint64_t rng_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void tensor_random(enum dtype d, void *data, int64_t n, uint64_t seed, struct range r)
{
    if (d == DT_F32) {
        for (int64_t i = 0; i < n; i++) {
            double u = (double)(rng_next(&seed) >> 11) / 9007199254740992.0; /* [0, 1) of 53 bits */
            ((float *)data)[i] = (float)((double)r.lo + u * ((double)r.hi - (double)r.lo));
        }
        return;
    }
    uint64_t count = (uint64_t)r.hi - (uint64_t)r.lo + 1; /* 0: all of 64 bits */
    for (int64_t i = 0; i < n; i++) {
        /* the high half of a 128-bit product: no division; the bias, count / 2^64, is nothing */
        uint64_t x = rng_next(&seed), pick = count ? (uint64_t)(((unsigned __int128)x * count) >> 64) : x;
        value_store(d, data, i, (union value){.i = (int64_t)((uint64_t)r.lo + pick)});
    }
}

bool qj_tensor_fill(qj_tensor *t, uint64_t seed, int64_t lo, int64_t hi)
{
    enum dtype d;
    if (!t || !tensor_dtype(t, &d) || !tensor_contiguous(t) || lo > hi) return false;
    if (t->device.type != DL_CPU || tensor_read_only(t)) return false;
    if (d != DT_F32 && (lo < dtype_info[d].lo || hi > dtype_info[d].hi)) return false;
    int64_t bytes = tensor_shape_bytes(d, t->ndim, t->shape);
    if (bytes < 0 || (bytes && !t->data)) return false;
    tensor_random(d, qj_tensor_data(t), bytes / dt_bytes(d), seed, (struct range){lo, hi});
    return true;
}
