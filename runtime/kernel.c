/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "runtime/call.h"
#include "runtime/device.h"
#include "runtime/tensor.h"

bool why_set(struct why *w, const char *fmt, ...)
{
    if (!w->at || !w->size) return false;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->at, w->size, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- life ---- */

/* `known`: a target at hand, which most often is the very one; parsing takes as long as linking. */
static bool target_runs(struct ir_ctx *c, const struct target *known, const char *name)
{
    struct ir_mark mark = ir_mark(c); /* a parsed target is 100 KB */
    const struct target *t = known && !strcmp(known->name, name) ? known : target_parse(c, name, strlen(name), (struct span){0});
    bool runs = t && target_runs_here(t);
    ir_reset(c, mark);
    return runs;
}

static bool runs_here(struct ir_ctx *c, const struct target *known, const struct artifact *a)
{
    bool runs = a->nversion == 0 && target_runs(c, known, a->target);
    for (int i = 0; !runs && i < a->nversion; i++) runs = target_runs(c, known, a->version[i].target);
    if (runs || err_is(&c->err)) return runs;
    err_set(&c->err, ERR_NO_HOST, (struct span){0}, "%s is compiled for %s, which this machine cannot run",
            a->name, a->nversion ? a->version[0].target : a->target);
    err_hint(&c->err, "`target native` compiles for this machine; objects for others can be saved");
    return false;
}

static void *find(struct ir_ctx *c, const struct linked *code, const char *name, const char *suffix)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    void *at = jit_find(code, full);
    if (!at) err_set(&c->err, ERR_LINK, (struct span){0}, "the object has no function %s", full);
    return at;
}

/* A reference to each function of the host's that the object may call. */
static bool take_host(struct ir_ctx *c, struct qj_kernel *k, const struct host_list *host)
{
    const struct artifact *a = k->artifact->a;
    for (int i = 0; i < a->next; i++) {
        const struct artifact_extern *x = &a->ext[i];
        struct host_fn *h = host_find(host, x->name, x->result, x->narg, x->arg);
        if (!h) return host_missing(&c->err, x->name), false;
        if (host_put(&k->host, host_fn_ref(h))) continue;
        host_fn_unref(h);
        return err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory for a kernel");
    }
    return true;
}

static struct linked *link_code(struct ir_ctx *c, const struct qj_kernel *k)
{
    const struct artifact *a = k->artifact->a;
    struct jit_import *import = ARENA_ARRAY(&c->arena, struct jit_import, k->host.n + 1);
    for (int i = 0; i < k->host.n; i++)
        import[i] = (struct jit_import){host_fn_name(k->host.at[i]), host_fn_entry(k->host.at[i])};
    return jit_link(&c->err, a->bytes, a->size, k->host.n, import);
}

static void free_kernel(void *k) { qj_kernel_free(k); }

struct qj_kernel *kernel_link(struct ir_ctx *c, const struct host_list *host, const struct target *known,
                              struct qj_artifact *w)
{
    const struct artifact *a = w->a;
    if (a->kind != CG_OBJ) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0}, "only an object can be linked, and %s is not one",
                a->name);
        err_hint(&c->err, "compile it in the format QJ_OBJ");
        return NULL;
    }
    if (a->narg + 1 > CALL_MAX_ARGS)
        return err_set(&c->err, ERR_TOO_LARGE, (struct span){0}, "%s has %d arguments", a->name, a->narg), NULL;
    if (!runs_here(c, known, a)) return NULL;
    struct qj_kernel *k = calloc(1, sizeof *k);
    if (!k) return err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory for a kernel"), NULL;
    atomic_fetch_add(&w->refs, 1);
    k->artifact = w;
    int keep = c->defers.n;
    defer(&c->defers, free_kernel, k); /* the arena may have no more memory */
    if (take_host(c, k, host)) k->code = link_code(c, k);
    if (k->code) {
        k->entry = find(c, k->code, a->name, "");
        k->entry_call = find(c, k->code, a->name, "_call");
        if (a->pack_name) {
            k->pack = find(c, k->code, a->pack_name, "");
            k->pack_call = find(c, k->code, a->pack_name, "_call");
        }
    }
    if (!err_is(&c->err)) return defer_cancel(&c->defers, k), k;
    defer_run(&c->defers, keep);
    return NULL;
}

struct qj_kernel *kernel_load(struct ir_ctx *c, struct cuda *d, struct qj_artifact *w)
{
    struct qj_kernel *k = calloc(1, sizeof *k);
    if (!k) return err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory for a kernel"), NULL;
    atomic_fetch_add(&w->refs, 1);
    k->artifact = w;
    k->gpu = cuda_load(d, &c->err, w->a);
    if (k->gpu) return k;
    qj_kernel_free(k);
    return NULL;
}

static bool packs(const struct qj_kernel *k) { return k->artifact->a->pack_name != NULL; }

/* The pack function or the main one, with the pointers of its arguments. */
static bool run(const struct qj_kernel *k, bool pack, void **ptr, struct why *w)
{
    const struct artifact *a = k->artifact->a;
    if (k->gpu) return device_run(k->gpu, a, pack, ptr, w);
    int rc = call_uniform(pack ? k->pack_call : k->entry_call, ptr);
    return rc == 0 || why_set(w, "%s returned %d", pack ? a->pack_name : a->name, rc);
}

void qj_kernel_free(qj_kernel *k)
{
    if (!k) return;
    perf_forget(k->told);
    jit_unlink(k->code);
    cuda_unload(k->gpu);
    host_clear(&k->host);
    qj_artifact_free(k->artifact);
    free(k);
}

/* ---- layouts ---- */

static int64_t elems_of(const struct artifact_arg *g)
{
    int64_t n = 1;
    for (int i = 0; i < g->ndim; i++) n *= g->shape[i];
    return n;
}

/* Runs over the logical points; moves each element to or from where the layout has it. */
static void move_elements(const struct qj_artifact *a, int i, char *logical, char *physical, bool to_physical)
{
    const struct artifact_arg *g = artifact_call_arg(a, i);
    const struct layout *l = a->call[i].layout.nphys ? &a->call[i].layout : NULL;
    size_t size = (size_t)dt_bytes(g->dt);
    int64_t idx[QJ_MAX_RANK] = {0}, n = elems_of(g);
    for (int64_t at = 0; at < n; at++) {
        char *p = physical + (size_t)layout_offset(l, g->ndim, g->shape, idx) * size,
             *q = logical + (size_t)at * size;
        if (to_physical) memcpy(p, q, size);
        else memcpy(q, p, size);
        for (int d = g->ndim; d-- > 0;) {
            if (++idx[d] < g->shape[d]) break;
            idx[d] = 0;
        }
    }
}

void kernel_to_physical(const struct qj_artifact *a, int i, const void *logical, void *physical)
{
    const struct artifact_arg *g = artifact_call_arg(a, i);
    if (!a->call[i].layout.nphys) {
        memcpy(physical, logical, (size_t)g->bytes);
        return;
    }
    memset(physical, 0, (size_t)g->bytes);
    move_elements(a, i, (char *)(uintptr_t)logical, physical, true);
}

void kernel_to_logical(const struct qj_artifact *a, int i, const void *physical, void *logical)
{
    if (!a->call[i].layout.nphys) memcpy(logical, physical, (size_t)artifact_call_arg(a, i)->bytes);
    else move_elements(a, i, logical, (char *)(uintptr_t)physical, false);
}

/* ---- the tensors of a call ---- */

static bool same_shape(const qj_tensor *t, int ndim, const int64_t *shape)
{
    return t->ndim == ndim
           && (ndim == 0 || (t->shape && !memcmp(t->shape, shape, (size_t)ndim * sizeof *shape)));
}

static void shape_text(char *out, size_t size, int ndim, const int64_t *shape)
{
    size_t n = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < ndim && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, i ? ", %" PRId64 : "%" PRId64, shape[i]);
    if (n < size) snprintf(out + n, size - n, "]");
}

static bool check_tensor(const struct artifact_arg *g, const qj_tensor *t, bool logical, bool gpu, struct why *w)
{
    enum dtype d;
    char have[256], want[256];
    int ndim = logical ? g->ndim : g->nphys;
    const int64_t *shape = logical ? g->shape : g->phys;
    if (gpu ? !device_takes(t->device.type) : t->device.type != DL_CPU)
        return why_set(w, "%s is on device type %d; this kernel reads %s", g->name, t->device.type,
                       gpu ? "the GPU's memory, or the CPU's by way of a copy" : "CPU memory");
    if (t->ndim < 0 || t->ndim > QJ_MAX_PHYS) return why_set(w, "%s has %d dimensions", g->name, t->ndim);
    if (!tensor_dtype(t, &d) || d != g->dt)
        return why_set(
            w, "%s must have elements of type %s; the tensor has DLPack type code %d, %d bits, %d lanes",
            g->name, dtype_info[g->dt].name, t->dtype.code, t->dtype.bits, t->dtype.lanes);
    if (!same_shape(t, ndim, shape)) {
        shape_text(want, sizeof want, ndim, shape);
        shape_text(have, sizeof have, t->shape ? t->ndim : 0, t->shape);
        return why_set(w, "%s must have the shape %s%s%s, not %s", g->name, want,
                       logical || !g->layout ? "" : ", layout ", logical || !g->layout ? "" : g->layout,
                       have);
    }
    int64_t dense;
    int gap = tensor_gap(t, &dense);
    if (gap >= 0) {
        char axis[16];
        snprintf(axis, sizeof axis, "%d", gap + 1);
        return why_set(w, "%s has the stride %" PRId64 " on axis %s, a dense tensor %" PRId64
                          "; qj_tensor_dense makes a copy",
                       g->name, t->strides[gap], logical || !g->layout ? g->dim_name[gap] : axis, dense);
    }
    if (!t->data && g->bytes) return why_set(w, "%s has no data", g->name);
    if ((uintptr_t)qj_tensor_data(t) % (uintptr_t)dt_bytes(g->dt))
        return why_set(w, "%s is not aligned to its elements of %d bytes", g->name, dt_bytes(g->dt));
    return true;
}

/* A kernel assumes that nothing else refers to what it writes. */
static bool check_overlap(const struct qj_artifact *a, qj_tensor *const *args, struct why *w)
{
    for (int i = 0; i < a->ncall; i++) {
        const struct artifact_arg *out = artifact_call_arg(a, i);
        if (out->role != ARG_OUTPUT) continue;
        uintptr_t at = (uintptr_t)qj_tensor_data(args[i]);
        for (int k = 0; k < a->ncall; k++) {
            const struct artifact_arg *g = artifact_call_arg(a, k);
            uintptr_t other = args[k] ? (uintptr_t)qj_tensor_data(args[k]) : 0;
            if (k == i || !args[k] || at >= other + (uintptr_t)g->bytes
                || other >= at + (uintptr_t)out->bytes)
                continue;
            return why_set(w, "the output %s overlaps %s in memory", out->name, g->name);
        }
    }
    return true;
}

/* Every logical element of an argument within its declared range. */
static bool check_range(const struct qj_artifact *a, int i, const qj_tensor *t, struct why *w)
{
    const struct artifact_arg *g = artifact_call_arg(a, i);
    if (t->device.type != DL_CPU) return true; /* not to be read from here */
    const struct layout *l = a->call[i].layout.nphys ? &a->call[i].layout : NULL;
    if (g->role == ARG_OUTPUT || !dt_is_int(g->dt)) return true;
    if (g->range.lo <= dtype_info[g->dt].lo && g->range.hi >= dtype_info[g->dt].hi) return true;
    int64_t idx[QJ_MAX_RANK] = {0}, n = elems_of(g);
    for (int64_t at = 0; at < n; at++) {
        int64_t v = value_load(g->dt, qj_tensor_data(t), l ? layout_offset(l, g->ndim, g->shape, idx) : at).i;
        if (v < g->range.lo || v > g->range.hi)
            return why_set(w, "element %" PRId64 " of %s is %" PRId64 ", outside the declared %" PRId64 "..%" PRId64, at,
                           g->name, v, g->range.lo, g->range.hi);
        for (int d = g->ndim; d-- > 0;) {
            if (++idx[d] < g->shape[d]) break;
            idx[d] = 0;
        }
    }
    return true;
}

enum need { FOR_CALL, FOR_CALL_PACKED, FOR_PACK };

#ifdef QJ_DEBUG
enum { ALWAYS_CHECK_RANGES = 1 };
#else
enum { ALWAYS_CHECK_RANGES = 0 };
#endif

static bool check_args(const struct qj_kernel *k, qj_tensor *const *args, int nargs, enum need need, bool ranges,
                       struct why *w)
{
    const struct qj_artifact *a = k->artifact;
    if (nargs != a->ncall || (nargs && !args))
        return why_set(w, "%s takes %d tensors, not %d", a->a->name, a->ncall, nargs);
    for (int i = 0; i < nargs; i++) {
        const struct call_arg *c = &a->call[i];
        bool needed = need == FOR_PACK ? c->pack >= 0 : need == FOR_CALL_PACKED ? c->main >= 0 : true;
        if (!args[i] && needed) return why_set(w, "%s is missing", artifact_call_arg(a, i)->name);
        if (needed && !check_tensor(artifact_call_arg(a, i), args[i], false, k->gpu != NULL, w)) return false;
        if (needed && artifact_call_arg(a, i)->role == ARG_OUTPUT && tensor_read_only(args[i]))
            return why_set(w, "%s is an output, and the tensor is read-only", artifact_call_arg(a, i)->name);
        if (needed && (ranges || ALWAYS_CHECK_RANGES) && !check_range(a, i, args[i], w)) return false;
    }
    return need == FOR_PACK || check_overlap(a, args, w);
}

/* ---- packing ---- */

static void *new_workspace(int64_t bytes)
{
    return aligned_alloc(TENSOR_ALIGN, ((size_t)bytes + TENSOR_ALIGN) & ~(size_t)(TENSOR_ALIGN - 1));
}

static bool no_memory(struct why *w) { return why_set(w, "out of memory"); }

static struct qj_packed *new_packed(const struct qj_kernel *k, struct why *w)
{
    const struct qj_artifact *a = k->artifact;
    struct qj_packed *p = calloc(1, sizeof *p);
    if (p) p->at = calloc((size_t)a->a->narg + 1, sizeof *p->at);
    if (!p || !p->at) {
        free(p);
        return no_memory(w), NULL;
    }
    p->artifact = a;
    atomic_fetch_add(&((struct qj_artifact *)(uintptr_t)a)->refs, 1);
    for (int i = 0; i < a->a->narg; i++) {
        const struct artifact_arg *g = &a->a->arg[i];
        if (g->role != ARG_PACKED) continue;
        p->at[i] = k->gpu ? device_tensor(cuda_of(k->gpu), (qj_dtype)g->dt, g->nphys, g->phys, w)
                          : qj_tensor_new((qj_dtype)g->dt, g->nphys, g->phys);
        if (p->at[i]) continue;
        if (!k->gpu) no_memory(w);
        qj_packed_free(p);
        return NULL;
    }
    return p;
}

static bool run_pack(const struct qj_kernel *k, qj_tensor *const *args, struct qj_packed *p, struct why *w)
{
    const struct qj_artifact *a = k->artifact;
    void **ptr = calloc((size_t)a->a->npack + 2, sizeof *ptr);
    bool wants = a->a->pack_workspace && !k->gpu; /* a GPU's is made there */
    void *workspace = wants ? new_workspace(a->a->pack_workspace) : NULL;
    bool ok = (ptr && (workspace || !wants)) || no_memory(w);
    if (ok) {
        for (int i = 0; i < a->ncall; i++)
            if (a->call[i].pack >= 0) ptr[a->call[i].pack] = qj_tensor_data(args[i]);
        for (int i = 0; i < a->a->narg; i++)
            if (p->at[i]) ptr[a->from_pack[i]] = p->at[i]->data;
        ptr[a->a->npack] = workspace;
        ok = run(k, true, ptr, w);
    }
    free(workspace);
    free(ptr);
    return ok;
}

/* Options of an older, shorter struct end in zeros. */
static qj_call options_of(const qj_call *o)
{
    qj_call full = {0};
    if (o && o->size) memcpy(&full, o, o->size < sizeof full ? o->size : sizeof full);
    return full;
}

static struct qj_packed *pack(const struct qj_kernel *k, qj_tensor *const *args, struct why *w)
{
    struct qj_packed *p = new_packed(k, w);
    if (!p) return NULL;
    if (!packs(k) || run_pack(k, args, p, w)) return p;
    qj_packed_free(p);
    return NULL;
}

qj_packed *qj_kernel_pack(const qj_kernel *k, qj_tensor *const *args, int nargs, const qj_call *options)
{
    qj_call o = options_of(options);
    struct why w = {o.why, o.why_size};
    if (!k) return why_set(&w, "the kernel is missing (NULL)"), NULL;
    if (!check_args(k, args, nargs, FOR_PACK, o.check_ranges, &w)) return NULL;
    return pack(k, args, &w);
}

void qj_packed_free(qj_packed *p)
{
    if (!p) return;
    for (int i = 0; i < p->artifact->a->narg; i++) qj_tensor_free(p->at[i]);
    qj_artifact_free((struct qj_artifact *)(uintptr_t)p->artifact);
    free(p->at);
    free(p);
}

const void *qj_packed_data(const qj_packed *p, int i)
{
    if (!p || i < 0 || i >= p->artifact->a->narg || !p->at[i]) return NULL;
    return p->at[i]->data;
}

/* ---- calling ---- */

static void fill_args(const struct qj_artifact *a, qj_tensor *const *args, const struct qj_packed *p,
                      void *workspace, void **ptr)
{
    for (int i = 0; i < a->ncall; i++)
        if (a->call[i].main >= 0) ptr[a->call[i].main] = qj_tensor_data(args[i]);
    for (int i = 0; i < a->a->narg; i++)
        if (a->from_pack[i] >= 0) ptr[i] = p->at[i]->data;
    if (a->a->workspace) ptr[a->a->narg] = workspace;
}

/* Packing and workspace as far as the options do not bring them: ours, in *p and *ws. */
static bool prepare(const struct qj_kernel *k, qj_tensor *const *args, const qj_call *o, struct qj_packed **p,
                    void **ws, struct why *w)
{
    const struct artifact *a = k->artifact->a;
    *p = NULL;
    *ws = NULL;
    if (o->packed && o->packed->artifact != k->artifact)
        return why_set(w, "the packed weights are another kernel's than %s", a->name);
    if ((uintptr_t)o->workspace % TENSOR_ALIGN) return why_set(w, "the workspace is not aligned to 64 bytes");
    if (packs(k) && !o->packed && !(*p = pack(k, args, w))) return false;
    if (!a->workspace || o->workspace || k->gpu || (*ws = new_workspace(a->workspace))) return true;
    qj_packed_free(*p);
    *p = NULL;
    return no_memory(w);
}

bool kernel_bind(struct bound *b, const struct qj_kernel *k, qj_tensor *const *args, int nargs,
                 const qj_call *options, struct why *w)
{
    qj_call o = options_of(options);
    *b = (struct bound){.k = k, .narg = k->artifact->a->narg + (k->artifact->a->workspace != 0)};
    if (!check_args(k, args, nargs, o.packed ? FOR_CALL_PACKED : FOR_CALL, o.check_ranges, w)) return false;
    if (!prepare(k, args, &o, &b->packed, &b->workspace, w)) return false;
    b->arg = calloc((size_t)b->narg + 1, sizeof *b->arg);
    if (!b->arg) {
        kernel_unbind(b);
        return no_memory(w);
    }
    fill_args(k->artifact, args, o.packed ? o.packed : b->packed, o.workspace ? o.workspace : b->workspace,
              b->arg);
    return true;
}

bool kernel_run(const struct bound *b, struct why *w) { return run(b->k, false, b->arg, w); }

void kernel_unbind(struct bound *b)
{
    free(b->arg);
    free(b->workspace);
    qj_packed_free(b->packed);
    *b = (struct bound){0};
}

/* Nothing may be made for such a call, as nobody would know when to free it. */
static bool may_enqueue(const struct qj_kernel *k, const qj_call *o, struct why *w)
{
    const struct artifact *a = k->artifact->a;
    if (!k->gpu) return why_set(w, "%s runs on the CPU, which has no streams", a->name);
    if (packs(k) && !o->packed) return why_set(w, "on a stream the weights of %s must be packed before: qj_kernel_pack", a->name);
    if (a->workspace && !o->workspace)
        return why_set(w, "on a stream %s must be given its workspace of %" PRId64 " bytes, on the GPU", a->name, a->workspace);
    return true;
}

bool qj_kernel_call(const qj_kernel *k, qj_tensor *const *args, int nargs, const qj_call *options)
{
    qj_call o = options_of(options);
    struct why w = {o.why, o.why_size};
    struct qj_packed *packed;
    void *workspace, *ptr[CALL_MAX_ARGS];
    if (!k) return why_set(&w, "the kernel is missing (NULL)");
    if (!check_args(k, args, nargs, o.packed ? FOR_CALL_PACKED : FOR_CALL, o.check_ranges, &w)) return false;
    if (o.stream && !may_enqueue(k, &o, &w)) return false;
    if (!prepare(k, args, &o, &packed, &workspace, &w)) return false;
    fill_args(k->artifact, args, o.packed ? o.packed : packed, o.workspace ? o.workspace : workspace, ptr);
    bool ok = o.stream ? device_enqueue(k->gpu, k->artifact->a, ptr, o.stream, &w) : run(k, false, ptr, &w);
    free(workspace);
    qj_packed_free(packed);
    return ok;
}

/* ---- conversions ---- */

static qj_tensor *convert(const qj_kernel *k, int i, const qj_tensor *t, bool to_physical)
{
    struct why nobody = {NULL, 0};
    if (!k || !t || i < 0 || i >= k->artifact->ncall) return NULL;
    const struct artifact_arg *g = artifact_call_arg(k->artifact, i);
    qj_tensor *dense = t->strides ? qj_tensor_dense(t) : NULL;
    if (t->strides && !dense) return NULL;
    if (dense) t = dense;
    qj_tensor *out = NULL;
    if (check_tensor(g, t, to_physical, false, &nobody))
        out = to_physical ? qj_tensor_new((qj_dtype)g->dt, g->nphys, g->phys)
                          : qj_tensor_new((qj_dtype)g->dt, g->ndim, g->shape);
    if (out && to_physical) kernel_to_physical(k->artifact, i, qj_tensor_data(t), out->data);
    if (out && !to_physical) kernel_to_logical(k->artifact, i, qj_tensor_data(t), out->data);
    qj_tensor_free(dense);
    return out;
}

qj_tensor *qj_to_layout(const qj_kernel *k, int i, const qj_tensor *t) { return convert(k, i, t, true); }
qj_tensor *qj_from_layout(const qj_kernel *k, int i, const qj_tensor *t) { return convert(k, i, t, false); }
