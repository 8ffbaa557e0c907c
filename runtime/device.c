/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/device.h"

#include <stdlib.h>

#include "runtime/call.h"

/* ---- a call ---- */

struct call {
    const struct cuda_kernel *k;
    struct cuda *d;
    const struct artifact_arg *arg;
    int n;
    bool pack;
    void *const *ptr;
    int64_t workspace;
    uint64_t *param, *own;          /* own[i]: the copy of argument i on the device, then the workspace; 0: none */
};

static bool is_written(const struct call *c, int i)
{
    return c->arg[i].role == ARG_OUTPUT || (c->pack && c->arg[i].role == ARG_PACKED);
}

/* Outputs go there as well: a kernel may leave elements of padding as they were. */
static bool bring(struct call *c, struct why *w)
{
    for (int i = 0; i < c->n; i++) {
        c->param[i] = (uint64_t)(uintptr_t)c->ptr[i];
        if (cuda_is_device(c->d, c->param[i])) continue;
        if (!(c->own[i] = cuda_new(c->d, c->arg[i].bytes, w))) return false;
        c->param[i] = c->own[i];
        if (!cuda_to(c->d, c->own[i], c->ptr[i], c->arg[i].bytes, w)) return false;
    }
    if (!c->workspace) return true;
    c->param[c->n] = (uint64_t)(uintptr_t)c->ptr[c->n];
    if (!c->param[c->n]) c->param[c->n] = c->own[c->n] = cuda_new(c->d, c->workspace, w);
    return c->param[c->n] != 0;
}

static bool fetch(const struct call *c, struct why *w)
{
    for (int i = 0; i < c->n; i++)
        if (c->own[i] && is_written(c, i) && !cuda_from(c->d, c->ptr[i], c->own[i], c->arg[i].bytes, w)) return false;
    return true;
}

bool device_run(const struct cuda_kernel *k, const struct artifact *a, bool pack, void *const *ptr, struct why *w)
{
    struct call c = {.k = k, .d = cuda_of(k), .arg = pack ? a->pack : a->arg, .n = pack ? a->npack : a->narg, .pack = pack,
                     .ptr = ptr, .workspace = pack ? a->pack_workspace : a->workspace};
    c.param = calloc((size_t)c.n + 1, sizeof *c.param);
    c.own = calloc((size_t)c.n + 1, sizeof *c.own);
    bool ok = (c.param && c.own) || why_set(w, "out of memory");
    ok = ok && bring(&c, w) && cuda_run(k, pack, c.param, 1, NULL, w) && fetch(&c, w);
    for (int i = 0; c.own && i <= c.n; i++) cuda_free(c.d, c.own[i]);
    free(c.param);
    free(c.own);
    return ok;
}

bool device_enqueue(const struct cuda_kernel *k, const struct artifact *a, void *const *ptr, void *stream, struct why *w)
{
    uint64_t param[CALL_MAX_ARGS];
    int n = a->narg + (a->workspace != 0);
    for (int i = 0; i < n; i++) {
        param[i] = (uint64_t)(uintptr_t)ptr[i];
        if (!cuda_is_device(cuda_of(k), param[i]))
            return why_set(w, "on a stream all memory lies on the GPU, and %s does not", i < a->narg ? a->arg[i].name : "the workspace");
    }
    return cuda_enqueue(k, param, stream, w);
}

/* ---- tensors ---- */

struct owner { struct cuda *d; uint64_t at; };

static void release(void *p)
{
    struct owner *o = p;
    cuda_free(o->d, o->at);
    cuda_close(o->d);
    free(o);
}

qj_tensor *device_tensor(struct cuda *d, qj_dtype t, int ndim, const int64_t *shape, struct why *w)
{
    qj_tensor *made = qj_tensor_from_data(t, ndim, shape, NULL);
    struct owner *o = calloc(1, sizeof *o);
    int64_t bytes = made ? qj_tensor_bytes(made) : 0;
    if (made && o && (o->at = cuda_new(d, bytes, w)) && cuda_zero(d, o->at, bytes, w)) {
        o->d = cuda_ref(d);
        made->data = (void *)(uintptr_t)o->at;
        made->device = (qj_device){DL_CUDA, cuda_facts(d)->ordinal};
        ((struct own *)made)->owner = o;
        ((struct own *)made)->release = release;
        return made;
    }
    if (!made || !o) why_set(w, "out of memory");
    else cuda_free(d, o->at);
    free(o);
    qj_tensor_free(made);
    return NULL;
}

/* What says that it lies there is believed: a driver in trouble knows no pointers. */
static bool on_device(struct cuda *d, const qj_tensor *t)
{
    return t->device.type == DL_CUDA || cuda_is_device(d, (uint64_t)(uintptr_t)qj_tensor_data(t));
}

bool device_move(struct cuda *d, qj_tensor *to, const qj_tensor *from, void *stream, struct why *w)
{
    int64_t bytes = qj_tensor_bytes(from);
    uint64_t target = (uint64_t)(uintptr_t)qj_tensor_data(to), source = (uint64_t)(uintptr_t)qj_tensor_data(from);
    bool there = on_device(d, to), here = on_device(d, from);
    if (stream && !there && !here) return why_set(w, "neither tensor lies on the GPU");
    if (stream && there && here) return cuda_between_on(d, target, source, bytes, stream, w);
    if (stream && there) return cuda_to_on(d, target, qj_tensor_data(from), bytes, stream, w);
    if (stream) return cuda_from_on(d, qj_tensor_data(to), source, bytes, stream, w);
    if (there && here) return cuda_between(d, target, source, bytes, w);
    if (there) return cuda_to(d, target, qj_tensor_data(from), bytes, w);
    if (here) return cuda_from(d, qj_tensor_data(to), source, bytes, w);
    memmove(qj_tensor_data(to), qj_tensor_data(from), (size_t)bytes);
    return true;
}

qj_tensor *device_copy(struct cuda *d, const qj_tensor *t, struct why *w)
{
    qj_dtype type;
    qj_tensor *made = qj_tensor_dtype(t, &type) ? device_tensor(d, type, t->ndim, t->shape, w) : NULL;
    if (!made || device_move(d, made, t, NULL, w)) return made;
    qj_tensor_free(made);
    return NULL;
}

/* ---- time ---- */

struct timed { const struct cuda_kernel *k; uint64_t *param; bool ok; struct why *w; };

static double window(void *u, int64_t calls)
{
    struct timed *t = u;
    double ms = 0;
    t->ok = t->ok && cuda_run(t->k, false, t->param, (int)calls, &ms, t->w);
    return ms / (double)calls;
}

bool device_measure(const struct cuda_kernel *k, const struct artifact *a, void *const *ptr, double budget_ms,
                    const struct limits *limits, struct measured *out, struct why *w)
{
    int n = a->narg + (a->workspace != 0);
    struct cuda *d = cuda_of(k);
    uint64_t *param = calloc((size_t)n + 1, sizeof *param), workspace = 0;
    if (!param) return why_set(w, "out of memory");
    for (int i = 0; i < n; i++) param[i] = (uint64_t)(uintptr_t)ptr[i];
    struct timed t = {k, param, true, w};
    if (a->workspace && !param[a->narg]) t.ok = (param[a->narg] = workspace = cuda_new(d, a->workspace, w)) != 0;
    if (t.ok) *out = measure_windows(window, &t, budget_ms, limits);
    cuda_free(d, workspace);
    free(param);
    return t.ok;
}
