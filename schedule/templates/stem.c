/* SPDX-License-Identifier: Apache-2.0 */
/* stem.c - first layers: convolutions of few channels, whose taps along a row are one contiguous sum.
 *
 *     sum(r, s, c) x[y*S + r, x*S + s, c] * w[o, r, s, c]      ->     sum(r, sc) x[y*S + r, x*S*C + sc] * w[o, r, sc]
 *
 * With 3 channels an instruction that takes groups of 4 would compute on padding a quarter of the time; a row of kw*3
 * taps loses a few terms at its end only. The axes are merged in copies of x and w, which are inlined into what conv2d
 * then converts and packs: from there on it is a conv2d of kh taps and kw*C channels, whose pixels overlap. */
#include "ir/simplify.h"
#include "schedule/templates/template.h"

enum { FEW = 16 };      /* with more channels, padding them costs less than merging gains */

/* The axis of the sum that runs along rows, in k->over, and the dimensions it indexes. */
struct taps { int axis, xdim, wdim; };

/* x's dimension d is indexed by a pixel and, at stride 1, by axis `axis` of the sum, which indexes one of w alone. */
static bool runs_along(const struct contraction *k, int axis, int d, struct taps *t)
{
    const struct stage *g = k->sum;
    const struct var *v = g->root_var[k->ndata + axis];
    int64_t coef[QJ_MAX_RANK + QJ_MAX_PHYS];
    const struct expr *rest;
    if (!ir_affine(k->s->c, k->xread->kid[d], g->nroot, g->root_var, coef, &rest) || coef[k->ndata + axis] != 1) return false;
    for (int i = 0; i < g->nroot; i++)
        if (coef[i] && i != k->ndata + axis && (i >= k->ndata || k->data[i].role != CON_PIXEL)) return false;
    for (int other = 0; other < k->x->ndim; other++)
        if (other != d && ir_uses(k->xread->kid[other], v)) return false;
    *t = (struct taps){axis, d, 0};
    while (t->wdim < k->w->ndim && !ir_uses(k->wread->kid[t->wdim], v)) t->wdim++;
    return t->wdim < k->w->ndim && k->wread->kid[t->wdim]->op == OP_VAR;
}

static bool taps_of(const struct contraction *k, struct taps *t, const char **why)
{
    if (k->group < 0) return *why = "no summed axis indexes a dimension of both operands alone (the input channels)", false;
    int64_t n = k->over[k->group].extent;
    if (n % 4 == 0 || n >= FEW) return *why = "its input channels fill groups of 4, or are 16 and more", false;
    if (n != k->x->shape[k->xgroup] || n != k->w->shape[k->wgroup]) return *why = "it sums over a part of the channels", false;
    for (int d = k->x->ndim - 1; d >= 0; d--) /* the innermost: it lies along memory */
        for (int i = 0; i < k->nsum; i++)
            if (i != k->group && d != k->xgroup && k->over[i].extent > 1 && runs_along(k, i, d, t)) return true;
    return *why = "no window runs along a dimension of the activations at stride 1", false;
}

/* ---- the convolution after merging ---- */

static const char *joined(const struct contraction *k, const char *a, const char *b)
{
    return arena_printf(&k->s->c->arena, "%s%s", a, b);
}

/* t with dimension `gone` merged into dimension d. Good for what templates ask: names, types, shapes. */
static struct tensor *merged_tensor(const struct contraction *k, const struct tensor *t, const char *name, int d, int gone)
{
    struct tensor *m = arena_copy(&k->s->c->arena, t, sizeof *t);
    m->name = name;
    m->layout = NULL;
    m->shape[d] = t->shape[d] * t->shape[gone];
    m->dim_name[d] = joined(k, t->dim_name[d], t->dim_name[gone]);
    for (int i = gone; i + 1 < m->ndim; i++) {
        m->shape[i] = m->shape[i + 1];
        m->dim_name[i] = m->dim_name[i + 1];
    }
    m->ndim--;
    return m;
}

/* read of m with the indices of `read`, without that of dimension `gone`. */
static const struct expr *merged_read(const struct contraction *k, const struct tensor *m, const struct expr *read, int gone)
{
    const struct expr *idx[QJ_MAX_RANK];
    int n = 0;
    for_kids(read, d) if (d != gone) idx[n++] = read->kid[d];
    return ir_read(k->s->c, m, idx);
}

static void merge(const struct contraction *k, const struct taps *t, struct contraction *m)
{
    struct ir_ctx *c = k->s->c;
    *m = *k;
    m->x = merged_tensor(k, k->x, tmpl_fresh(k, joined(k, k->x->name, "_rows")), t->xdim, k->xgroup);
    m->w = merged_tensor(k, k->w, tmpl_fresh(k, joined(k, k->w->name, "_rows")), t->wdim, k->wgroup);
    m->xread = merged_read(k, m->x, k->xread, k->xgroup);
    m->wread = merged_read(k, m->w, k->wread, k->wgroup);
    m->xgroup = t->xdim - (k->xgroup < t->xdim);
    m->wgroup = t->wdim - (k->wgroup < t->wdim);
    if (k->xgroup != t->xdim + 1) m->planes = (int)k->x->shape[k->xgroup];
    m->nxchain = 0;
    m->xchain[m->nxchain++] = m->x;
    for (int i = 0; i < k->nxchain; i++) m->xchain[m->nxchain++] = k->xchain[i];
    struct stage *sum = arena_copy(&c->arena, k->sum, sizeof *k->sum);
    int n = 0;
    for (int i = 0; i < k->nsum; i++) {
        if (i == k->group) continue;
        m->over[n] = k->over[i];
        sum->root_var[k->ndata + n] = k->sum->root_var[k->ndata + i];
        if (i == t->axis) {
            m->group = n;
            m->over[n] = (struct con_sum){joined(k, k->over[i].name, k->over[k->group].name),
                                          k->over[i].extent * k->over[k->group].extent};
        }
        n++;
    }
    m->nsum = n;
    m->sum = sum;
    if (k->last == k->sum) m->last = sum;
}

/* ---- the template ---- */

static bool fits(const struct contraction *k, const char **why)
{
    struct taps t;
    struct contraction m;
    if (!taps_of(k, &t, why)) return false;
    merge(k, &t, &m);
    return tmpl_conv2d.fits(&m, why);
}

static void candidates(const struct contraction *k, struct candidates *out)
{
    struct taps t;
    struct contraction m;
    const char *why;
    if (!taps_of(k, &t, &why)) return;
    merge(k, &t, &m);
    tmpl_conv2d.candidates(&m, out);
}

static void steps(const struct contraction *k, const struct choice *choice, struct str *out)
{
    struct taps t;
    struct contraction m;
    const char *why, *sum = k->sum->tensor->name;
    if (!taps_of(k, &t, &why)) return;
    merge(k, &t, &m);
    str_printf(out, "cache_read %s global %s -> %s\nmerge %s.%s %s\n", k->x->name, sum, m.x->name, m.x->name,
               k->x->dim_name[t.xdim], k->x->dim_name[k->xgroup]);
    str_printf(out, "cache_read %s global %s -> %s\nmerge %s.%s %s\ncompute_inline %s\n", k->w->name, sum, m.w->name,
               m.w->name, k->w->dim_name[t.wdim], k->w->dim_name[k->wgroup], m.w->name);
    str_printf(out, "merge %s.%s %s\n", sum, k->over[t.axis].name, k->over[k->group].name);
    tmpl_conv2d.steps(&m, choice, out);
}

const struct tmpl tmpl_stem = {
    "stem", "convolutions of few channels, as first layers: the taps along a row are summed as one axis",
    fits, candidates, steps, TARGET_CPU,
};
