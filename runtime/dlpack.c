/* SPDX-License-Identifier: Apache-2.0 */
/* dlpack.c - tensors in and out of other libraries without a copy, and the copy that is asked for.
 *
 * What comes in is taken as it is: any device, type and strides; who reads a tensor refuses what it cannot read.
 * What goes out counts a reference to the tensor, so either side may let go first. */
#include "runtime/dlpack.h"

#include <stdlib.h>

#include "runtime/tensor.h"

/* ---- in ---- */

static void release_managed(void *owner)
{
    struct dl_managed *m = owner;
    if (m->deleter) m->deleter(m);
}

static void release_versioned(void *owner)
{
    struct dl_versioned *m = owner;
    if (m->deleter) m->deleter(m);
}

static qj_tensor *import(const qj_tensor *t, void *owner, void (*release)(void *owner), bool read_only)
{
    struct own *o = tensor_own(t->dtype, t->ndim, t->shape);
    if (!o) return NULL;
    for (int i = 0; i < t->ndim; i++) {
        if (t->shape[i] >= 0) continue;
        free(o);
        return NULL;
    }
    o->t.data = t->data;
    o->t.device = t->device;
    o->t.byte_offset = t->byte_offset;
    if (t->strides && t->ndim) {
        memcpy(o->strides, t->strides, (size_t)t->ndim * sizeof *t->strides);
        o->t.strides = o->strides;
    }
    if (read_only && t->device.type == DL_CPU) o->t.device.id = QJ_READ_ONLY;
    o->owner = owner;
    o->release = release;
    return &o->t;
}

qj_tensor *qj_tensor_from_dlpack(struct DLManagedTensor *dl)
{
    struct dl_managed *m = (struct dl_managed *)dl;
    return m ? import(&m->t, m, release_managed, false) : NULL;
}

qj_tensor *qj_tensor_from_dlpack_versioned(struct DLManagedTensorVersioned *dl)
{
    struct dl_versioned *m = (struct dl_versioned *)dl;
    if (!m || m->version.major != DL_MAJOR) return NULL;
    return import(&m->t, m, release_versioned, m->flags & DL_READ_ONLY);
}

/* ---- out ---- */

/* The extents are the export's own: the tensor's may change. */
struct out {
    union { struct dl_managed plain; struct dl_versioned versioned; } m;    /* first: its address is handed out */
    int64_t shape[QJ_MAX_PHYS], strides[QJ_MAX_PHYS];
};

static void delete_plain(struct dl_managed *m)
{
    tensor_unref(m->manager_ctx);
    free(m);
}

static void delete_versioned(struct dl_versioned *m)
{
    tensor_unref(m->manager_ctx);
    free(m);
}

/* With strides and without an offset: not every reader knows that these may be absent and present. */
static qj_tensor describe(struct out *out, const qj_tensor *t)
{
    qj_tensor d = *t;
    int64_t step = 1;
    for (int i = t->ndim; i-- > 0;) {
        out->shape[i] = t->shape[i];
        out->strides[i] = t->strides ? t->strides[i] : step;
        if (t->shape[i] && !ck_mul(step, t->shape[i], &step)) step = 0;
    }
    d.data = qj_tensor_data(t);
    d.byte_offset = 0;
    d.shape = out->shape;
    d.strides = out->strides;
    if (tensor_read_only(t)) d.device.id = 0;
    return d;
}

static struct out *new_out(qj_tensor *t)
{
    struct out *out = t && t->ndim >= 0 && t->ndim <= QJ_MAX_PHYS ? calloc(1, sizeof *out) : NULL;
    if (out) atomic_fetch_add(&((struct own *)t)->refs, 1);
    return out;
}

struct DLManagedTensor *qj_tensor_to_dlpack(qj_tensor *t)
{
    struct out *out = t && !tensor_read_only(t) ? new_out(t) : NULL;
    if (!out) return NULL;
    out->m.plain = (struct dl_managed){describe(out, t), t, delete_plain};
    return (struct DLManagedTensor *)out;
}

struct DLManagedTensorVersioned *qj_tensor_to_dlpack_versioned(qj_tensor *t)
{
    struct out *out = new_out(t);
    if (!out) return NULL;
    out->m.versioned = (struct dl_versioned){{DL_MAJOR, DL_MINOR}, t, delete_versioned,
                                             tensor_read_only(t) ? DL_READ_ONLY : 0, describe(out, t)};
    return (struct DLManagedTensorVersioned *)out;
}

/* ---- the copy ---- */

qj_tensor *qj_tensor_dense(const qj_tensor *t)
{
    qj_dtype dt;
    if (!qj_tensor_dtype(t, &dt) || t->device.type != DL_CPU || (!t->data && qj_tensor_bytes(t))) return NULL;
    qj_tensor *out = qj_tensor_new(dt, t->ndim, t->shape);
    int64_t bytes = out ? qj_tensor_bytes(out) : 0;
    if (!bytes) return out;
    const char *from = qj_tensor_data(t);
    char *to = out->data;
    if (tensor_contiguous(t)) {
        memcpy(to, from, (size_t)bytes);
        return out;
    }
    int64_t size = t->dtype.bits / 8, idx[QJ_MAX_PHYS] = {0};
    for (int64_t at = 0; at < bytes; at += size) {
        memcpy(to + at, from, (size_t)size);
        for (int d = t->ndim; d-- > 0;) {
            if (++idx[d] < t->shape[d]) {
                from += t->strides[d] * size;
                break;
            }
            from -= (t->shape[d] - 1) * t->strides[d] * size;
            idx[d] = 0;
        }
    }
    return out;
}
