/* SPDX-License-Identifier: Apache-2.0 */
/* artifact.c - an artifact with what its caller must know: which tensor is which argument. */
#include <stdlib.h>

#include "runtime/file.h"
#include "runtime/kernel.h"

_Static_assert((int)QJ_ROLE_INPUT == (int)ARG_INPUT && (int)QJ_ROLE_WEIGHT == (int)ARG_WEIGHT
                   && (int)QJ_ROLE_PACKED == (int)ARG_PACKED && (int)QJ_ROLE_OUTPUT == (int)ARG_OUTPUT,
               "the public roles are codegen's");
_Static_assert((int)QJ_RANK_MAX == (int)QJ_MAX_RANK && (int)QJ_PHYS_MAX == (int)QJ_MAX_PHYS,
               "the public limits are ours");

void qj_artifact_free(struct qj_artifact *a)
{
    if (!a || atomic_fetch_sub(&a->refs, 1) != 1) return;
    artifact_free(a->a);
    free(a->call);
    free(a->from_pack);
    free(a);
}

static int find_arg(const struct kernel_arg *arg, int n, const struct tensor *t, enum arg_role role)
{
    for (int i = 0; i < n; i++)
        if (arg[i].tensor == t && (arg[i].role == ARG_PACKED) == (role == ARG_PACKED)) return i;
    return -1;
}

static void add_call(struct qj_artifact *w, const struct lowered *l, const struct tensor *t)
{
    int npack = lowered_npack(l);
    struct call_arg c = {.main = find_arg(l->arg, lowered_nargs(l), t, ARG_INPUT),
                         .pack = find_arg(l->pack_arg, npack, t, ARG_INPUT)};
    if (c.main < 0 && c.pack < 0) return; /* nobody reads it */
    const struct layout *layout = c.main >= 0 ? l->arg[c.main].layout : l->pack_arg[c.pack].layout;
    if (layout) c.layout = *layout;
    c.layout.text = c.layout.axes = NULL; /* they live in the context */
    w->call[w->ncall++] = c;
}

static void fill(struct qj_artifact *w, const struct lowered *l)
{
    const struct program *p = l->program;
    int n = lowered_nargs(l), npack = lowered_npack(l);
    for (int i = 0; i < n; i++)
        w->from_pack[i] =
            l->arg[i].role == ARG_PACKED ? find_arg(l->pack_arg, npack, l->arg[i].tensor, ARG_PACKED) : -1;
    for (int i = 0; i < p->ntensor; i++)
        if (p->tensor[i]->kind != TENSOR_COMPUTE) add_call(w, l, p->tensor[i]);
    for (int i = 0; i < n; i++)
        if (l->arg[i].role == ARG_OUTPUT) add_call(w, l, l->arg[i].tensor);
}

struct qj_artifact *artifact_wrap(struct err_state *e, const struct lowered *l, struct artifact *a)
{
    struct qj_artifact *w = calloc(1, sizeof *w);
    size_t n = (size_t)(l->program->ntensor + l->main->narg);
    if (w) {
        w->refs = 1;
        w->a = a;
        w->call = calloc(n + 1, sizeof *w->call);
        w->from_pack = calloc((size_t)a->narg + 1, sizeof *w->from_pack);
    } else {
        artifact_free(a);
    }
    if (!w || !w->call || !w->from_pack) {
        qj_artifact_free(w);
        err_set(e, ERR_MEMORY, (struct span){0}, "no memory for an artifact");
        return NULL;
    }
    fill(w, l);
    return w;
}

const struct artifact_arg *artifact_call_arg(const struct qj_artifact *a, int i)
{
    const struct call_arg *c = &a->call[i];
    return c->main >= 0 ? &a->a->arg[c->main] : &a->a->pack[c->pack];
}

/* ---- for the host ---- */

static void describe(const struct artifact_arg *from, qj_arg *out)
{
    *out = (qj_arg){.name = from->name,
                    .role = (qj_role)from->role,
                    .dtype = (qj_dtype)from->dt,
                    .ndim = from->ndim,
                    .layout = from->layout,
                    .nphys = from->nphys,
                    .lo = from->range.lo,
                    .hi = from->range.hi,
                    .bytes = from->bytes};
    memcpy(out->shape, from->shape, sizeof out->shape);
    memcpy(out->phys, from->phys, sizeof out->phys);
    for (int i = 0; i < from->ndim; i++) out->dim_name[i] = from->dim_name[i];
}

const void *qj_artifact_bytes(const qj_artifact *a, size_t *size)
{
    if (size) *size = a ? a->a->size : 0;
    return a ? a->a->bytes : NULL;
}

const char *qj_artifact_name(const qj_artifact *a) { return a ? a->a->name : NULL; }
int qj_artifact_nargs(const qj_artifact *a) { return a ? a->a->narg : 0; }
int qj_artifact_nnotes(const qj_artifact *a) { return a ? a->a->nnote : 0; }

bool qj_artifact_note(const qj_artifact *a, int i, qj_note *out)
{
    if (!a || i < 0 || i >= a->a->nnote || !out) return false;
    const struct artifact_note *n = &a->a->note[i];
    *out = (qj_note){n->code, n->place, n->text};
    return true;
}

int64_t qj_artifact_workspace(const qj_artifact *a) { return a ? a->a->workspace : 0; }

bool qj_artifact_arg(const qj_artifact *a, int i, qj_arg *out)
{
    if (!a || i < 0 || i >= a->a->narg || !out) return false;
    describe(&a->a->arg[i], out);
    return true;
}

int qj_kernel_nargs(const qj_kernel *k) { return k ? k->artifact->ncall : 0; }

bool qj_kernel_arg(const qj_kernel *k, int i, qj_arg *out)
{
    if (!k || i < 0 || i >= k->artifact->ncall || !out) return false;
    describe(artifact_call_arg(k->artifact, i), out);
    return true;
}

void *qj_kernel_entry(const qj_kernel *k) { return k ? k->entry : NULL; }
void *qj_kernel_call_entry(const qj_kernel *k) { return k ? k->entry_call : NULL; }
int64_t qj_kernel_workspace(const qj_kernel *k) { return k ? k->artifact->a->workspace : 0; }
const qj_artifact *qj_kernel_artifact(const qj_kernel *k) { return k ? k->artifact : NULL; }
