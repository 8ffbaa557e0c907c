/* SPDX-License-Identifier: Apache-2.0 */
/* artifact_quant.c - of outputs that are requantised: by what, as data for whoever calls the kernel. */
#include "codegen/artifact.h"

#include <stdlib.h>

/* The dimensions of the output that a factor goes by: its indices are the output's axes. False: something else. */
static bool by_axes(const struct expr *read, const struct tensor *out, struct artifact_factor *f)
{
    f->ndim = read->nkid;
    for_kids(read, i) {
        f->axis[i] = -1;
        for (int d = 0; d < out->ndim; d++)
            if (read->kid[i]->op == OP_VAR && read->kid[i]->val.var == out->axis[d]) f->axis[i] = d;
        if (f->axis[i] < 0) return false;
    }
    return true;
}

/* A factor that is an argument or a constant; NULL: the rounding has none. *known turns false for others. */
static bool fill_factor(struct artifact_factor *f, const struct expr *e, const struct tensor *out, bool *known)
{
    if (!e) return true;
    f->given = true;
    if (e->op == OP_INT) f->value = (double)e->val.i;
    else if (e->op == OP_FLT) f->value = e->val.f;
    else if (e->op == OP_READ && e->val.tensor->kind != TENSOR_COMPUTE && by_axes(e, out, f)) {
        f->arg = strdup(e->val.tensor->name);
        return f->arg != NULL;
    } else *known = false;
    return true;
}

static void release(struct artifact_quant *q)
{
    free(q->output);
    free(q->scale.arg);
    free(q->mult.arg);
    free(q->shift.arg);
}

void artifact_free_quants(struct artifact *a)
{
    for (int i = 0; i < a->nquant; i++) release(&a->quant[i]);
    free(a->quant);
}

static bool add(struct artifact *a, const struct tensor *out, const struct quant_form *f)
{
    struct artifact_quant q = {.round = f->round, .zero = f->zero, .lo = f->lo, .hi = f->hi, .output = strdup(out->name)};
    bool known = true;
    bool ok = q.output && fill_factor(&q.scale, f->scale, out, &known) && fill_factor(&q.mult, f->mult, out, &known) &&
              fill_factor(&q.shift, f->shift, out, &known);
    if (ok && known) a->quant[a->nquant++] = q;
    else release(&q);
    return ok;
}

bool artifact_fill_quants(struct ir_ctx *c, const struct lowered *l, struct artifact *a)
{
    a->quant = calloc((size_t)l->main->narg + 1, sizeof *a->quant);
    for (int i = 0; a->quant && i < l->main->narg; i++) {
        const struct tensor *t = l->arg[i].tensor;
        struct quant_form f;
        if (l->arg[i].role != ARG_OUTPUT || !t || !t->body || !quant_find(c, t->body, &f)) continue;
        if (!add(a, t, &f)) return false;
    }
    return a->quant != NULL;
}
