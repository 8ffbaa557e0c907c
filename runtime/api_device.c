/* SPDX-License-Identifier: Apache-2.0 */
/* api_device.c - the GPU and tensors in its memory. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/api.h"
#include "runtime/device.h"

static bool body_gpu(struct qj_ctx *q, void *u)
{
    qj_gpu_info *out = u;
    struct cuda *d = api_cuda(q);
    if (!d) return false;
    const struct cuda_facts *f = cuda_facts(d);
    *out = (qj_gpu_info){.size = sizeof *out, .ordinal = f->ordinal, .capability = f->sm, .processors = f->processors,
                         .clock_mhz = f->clock_khz / 1000, .driver = f->driver};
    snprintf(out->name, sizeof out->name, "%s", f->name);
    return true;
}

bool qj_gpu(qj_ctx *q, qj_gpu_info *out)
{
    qj_gpu_info info = {0};
    bool ok = api_run(q, API_SCRATCH, body_gpu, &info);
    if (ok && out) {
        size_t size = out->size < sizeof info ? out->size : sizeof info;
        info.size = size;
        if (size > sizeof info.size) memcpy(out, &info, size);
    }
    return ok;
}

struct moving { const qj_tensor *from; qj_tensor *to; void *stream; };

static bool usable(struct qj_ctx *q, const qj_tensor *t)
{
    if (t && qj_tensor_bytes(t) >= 0 && device_takes(t->device.type) && tensor_contiguous(t)
        && (qj_tensor_data(t) || !qj_tensor_bytes(t)))
        return true;
    return err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0},
                   t ? "the tensor has gaps, no data, a type that is not ours, or lies on another kind of device"
                     : "the tensor is missing (NULL)");
}

static bool body_to_gpu(struct qj_ctx *q, void *u)
{
    struct moving *m = u;
    char why[256] = "";
    struct cuda *d = usable(q, m->from) ? api_cuda(q) : NULL;
    if (!d) return false;
    m->to = device_copy(d, m->from, &(struct why){why, sizeof why});
    return m->to != NULL || err_set(&q->ir.err, ERR_DEVICE, (struct span){0}, "%s", why);
}

qj_tensor *qj_tensor_to_gpu(qj_ctx *q, const qj_tensor *t)
{
    struct moving m = {t, NULL, NULL};
    return api_run(q, API_SCRATCH, body_to_gpu, &m) ? m.to : NULL;
}

static bool body_copy(struct qj_ctx *q, void *u)
{
    struct moving *m = u;
    char why[256] = "";
    if (!usable(q, m->from) || !usable(q, m->to)) return false;
    if (tensor_read_only(m->to)) return err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0}, "the tensor to write is read-only");
    if (memcmp(&m->to->dtype, &m->from->dtype, sizeof m->to->dtype) || m->to->ndim != m->from->ndim
        || (m->to->ndim && memcmp(m->to->shape, m->from->shape, (size_t)m->to->ndim * sizeof *m->to->shape)))
        return err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0}, "the tensors differ in type or shape");
    struct cuda *d = api_cuda(q);
    return d && (device_move(d, m->to, m->from, m->stream, &(struct why){why, sizeof why})
                 || err_set(&q->ir.err, ERR_DEVICE, (struct span){0}, "%s", why));
}

bool qj_tensor_copy(qj_ctx *q, qj_tensor *to, const qj_tensor *from)
{
    return api_run(q, API_SCRATCH, body_copy, &(struct moving){from, to, NULL});
}

bool qj_tensor_copy_on(qj_ctx *q, qj_tensor *to, const qj_tensor *from, void *stream)
{
    return api_run(q, API_SCRATCH, body_copy, &(struct moving){from, to, stream});
}

struct making { qj_dtype type; int ndim; const int64_t *shape; qj_tensor *out; };

static bool body_new(struct qj_ctx *q, void *u)
{
    struct making *m = u;
    char why[256] = "";
    qj_tensor *like = qj_tensor_from_data(m->type, m->ndim, m->shape, NULL); /* is it a shape? */
    bool sane = like != NULL;
    qj_tensor_free(like);
    if (!sane) return err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0}, "no tensor has this type and shape");
    struct cuda *d = api_cuda(q);
    if (d) m->out = device_tensor(d, m->type, m->ndim, m->shape, &(struct why){why, sizeof why});
    return m->out || !d ? d != NULL : err_set(&q->ir.err, ERR_DEVICE, (struct span){0}, "%s", why);
}

qj_tensor *qj_tensor_new_gpu(qj_ctx *q, qj_dtype t, int ndim, const int64_t *shape)
{
    struct making m = {t, ndim, shape, NULL};
    return api_run(q, API_SCRATCH, body_new, &m) ? m.out : NULL;
}
