/* SPDX-License-Identifier: Apache-2.0 */
/* ptxrun.c - contract in ptxrun.h. */
#include "tests/support/ptxrun.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/emu/ptx/ptx.h"
#include "tests/support/gpurun.h"

enum { MOST_BUFFERS = 132 };

struct device {
    const struct artifact *a;
    struct ptx *ptx;
    void *workspace[2];             /* of the kernel's function, of the pack function */
    struct ptx_counts *count;
};

static bool launch(struct device *d, const struct artifact_kernel *k, int n, const struct ptx_buffer *buffer)
{
    uint64_t param[MOST_BUFFERS];
    struct ptx_report r;
    for (int i = 0; i < n; i++) param[i] = ptx_address(i);
    struct ptx_launch l = {.entry = k->name, .nparam = n, .param = param, .nbuffer = n, .buffer = buffer,
                           .dynamic_shared = (unsigned)k->dynamic_shared};
    for (int i = 0; i < 3; i++) {
        l.grid[i] = (unsigned)k->grid[i];
        l.block[i] = (unsigned)k->block[i];
    }
    if (!ptx_run(d->ptx, &l, &r)) return fprintf(stderr, "%s: %s\n", k->name, r.why), false;
    *d->count = (struct ptx_counts){d->count->runs + 1,
                                    d->count->instructions + r.instructions,
                                    d->count->dp4a + r.dp4a,
                                    d->count->mma + r.mma,
                                    d->count->barriers + r.barriers,
                                    d->count->accesses + r.shared_accesses,
                                    d->count->passes + r.shared_passes};
    return true;
}

static bool by_ptx(void *u, bool pack, void *const *arg)
{
    struct device *d = u;
    const struct artifact *a = d->a;
    struct ptx_buffer buffer[MOST_BUFFERS];
    int n = pack ? a->npack : a->narg;
    const struct artifact_arg *of = pack ? a->pack : a->arg;
    int64_t workspace = pack ? a->pack_workspace : a->workspace;
    for (int i = 0; i < n; i++) {
        bool written = of[i].role == ARG_OUTPUT || (pack && of[i].role == ARG_PACKED);
        buffer[i] = (struct ptx_buffer){arg[i], (size_t)of[i].bytes, !written};
    }
    if (workspace) buffer[n++] = (struct ptx_buffer){d->workspace[pack], (size_t)workspace, false};
    for (int i = 0; i < a->nkernel; i++)
        if (a->kernel[i].pack == pack && !launch(d, &a->kernel[i], n, buffer)) return false;
    return true;
}

static bool open_device(struct device *d, const struct artifact *a, struct ptx_counts *n)
{
    char why[320];
    *d = (struct device){.a = a, .ptx = ptx_load(a->bytes, why, sizeof why), .count = n};
    d->workspace[0] = calloc(1, (size_t)a->workspace + 1);
    d->workspace[1] = calloc(1, (size_t)a->pack_workspace + 1);
    if (!d->ptx) fprintf(stderr, "%s\n", why);
    return d->ptx && d->workspace[0] && d->workspace[1];
}

static bool close_device(struct device *d, bool ok)
{
    if (!ok) fprintf(stderr, "%s", d->a->bytes);
    if (d->ptx) ptx_free(d->ptx);
    free(d->workspace[0]);
    free(d->workspace[1]);
    return ok;
}

bool ptx_call(const struct artifact *a, bool pack, void *const *arg, struct ptx_counts *n)
{
    struct device d;
    return close_device(&d, open_device(&d, a, n) && by_ptx(&d, pack, arg));
}

/* The same on the GPU at hand, where $QJ_GPU asks for it and it runs the target. */
struct on_gpu { const struct artifact *a; struct cuda_kernel *k; };

static bool by_gpu(void *u, bool pack, void *const *arg)
{
    struct on_gpu *g = u;
    return gpu_call(g->k, g->a, pack, arg);
}

static bool check_on_gpu(struct ir_ctx *c, const struct artifact *a, const struct lowered *l, const struct oracle *o)
{
    if (!env_number("QJ_GPU", 0)) return true;
    struct on_gpu g = {a, gpu_load(&c->err, a)};
    bool other = !g.k && c->err.first.code == ERR_NO_HOST && !gpu_missing();
    if (!g.k && !other) show_error(c);
    if (!g.k) return err_clear(&c->err), other;
    bool ok = harness_check(l, o, false, by_gpu, &g);
    gpu_unload(g.k);
    return ok;
}

bool ptx_check(struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse, struct ptx_counts *n)
{
    struct cg_options opt = {.kind = CG_PTX, .verify = true};
    struct artifact *a = cg_compile(c, l, &opt);
    if (!a) {
        bool refusal = may_refuse && (c->err.first.code == ERR_UNSUPPORTED || c->err.first.code == ERR_FEATURE);
        if (!refusal) show_error(c);
        err_clear(&c->err);
        return refusal;
    }
    struct device d;
    bool ok = close_device(&d, open_device(&d, a, n) && harness_check(l, o, false, by_ptx, &d) && check_on_gpu(c, a, l, o));
    artifact_free(a);
    return ok;
}
