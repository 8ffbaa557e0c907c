/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - reads layout strings and maps indices both as expressions and as numbers. Contract in layout.h. */
#include "ir/layout.h"

static bool is_upper(char ch) { return ch >= 'A' && ch <= 'Z'; }
static bool is_lower(char ch) { return ch >= 'a' && ch <= 'z'; }
static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

/* ---- reading ---- */

struct reading {
    struct ir_ctx *c;
    struct layout *l;
    const char *text;
    struct span at;
};

static bool wrong(struct reading *r, const char *fmt, ...) QJ_PRINTF(2, 3);
static bool wrong(struct reading *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(&r->c->arena, fmt, ap);
    va_end(ap);
    err_set(&r->c->err, ERR_LAYOUT, r->at, "layout %s: %s", r->text, what);
    const char *axes = r->l->axes;
    char last = axes[0] ? axes[strlen(axes) - 1] : 'C';
    err_hint(&r->c->err, "name each of %s once in capitals, then split axes, e.g. %s16%c", axes, axes, last | 32);
    return false;
}

static bool add_part(struct reading *r, char letter, int64_t size)
{
    struct layout *l = r->l;
    char up = (char)(letter & ~32);
    const char *axis = strchr(l->axes, up);
    bool seen = false;
    if (!axis) return wrong(r, "there is no axis %c", up);
    int dim = (int)(axis - l->axes);
    for (int i = 0; i < l->nphys; i++) seen |= l->phys[i].dim == dim;
    if (size == 0 && seen) return wrong(r, "axis %c is named twice", up);
    if (size != 0 && !seen) return wrong(r, "axis %c is split before it is named", up);
    if (l->nphys == QJ_MAX_PHYS) return wrong(r, "more than %d parts", QJ_MAX_PHYS);
    l->phys[l->nphys++] = (struct layout_dim){dim, size, 1};
    return true;
}

/* The step of each part is the product of the same axis' parts to its right. */
static bool set_strides(struct reading *r)
{
    int64_t step[QJ_MAX_RANK];
    for (int d = 0; d < r->l->nlogical; d++) step[d] = 1;
    for (int i = r->l->nphys - 1; i >= 0; i--) {
        struct layout_dim *p = &r->l->phys[i];
        p->stride = step[p->dim];
        if (p->size && (!ck_mul(step[p->dim], p->size, &step[p->dim]) || step[p->dim] >= (int64_t)1 << 47))
            return wrong(r, "the blocks of axis %c are too large", r->l->axes[p->dim]);
    }
    return true;
}

const struct layout *layout_parse(struct ir_ctx *c, const char *text, size_t n, const char *axes, struct span at)
{
    struct layout *l = ARENA_NEW(&c->arena, struct layout);
    struct reading r = {c, l, arena_strndup(&c->arena, text, n), at};
    struct str s = str_on(&c->arena);
    l->axes = arena_strdup(&c->arena, axes);
    l->nlogical = (int)strlen(axes);
    QJ_ASSERT(l->nlogical <= QJ_MAX_RANK);
    for (const char *q = r.text; *q; q++) {
        if (is_upper(*q)) {
            if (!add_part(&r, *q, 0)) return NULL;
            str_putc(&s, *q);
            continue;
        }
        int64_t size = 0;
        const char *digits = q;
        for (; is_digit(*q); q++)
            if (!ck_mul(size, 10, &size) || !ck_add(size, *q - '0', &size))
                return wrong(&r, "a block size is too large"), NULL;
        if (q == digits || !is_lower(*q)) return wrong(&r, "'%c' is out of place", *q ? *q : digits[0]), NULL;
        if (size < 1) return wrong(&r, "a block of size 0"), NULL;
        if (!add_part(&r, *q, size)) return NULL;
        str_printf(&s, "%lld%c", (long long)size, *q);
    }
    for (int d = 0; d < l->nlogical; d++) {
        bool seen = false;
        for (int i = 0; i < l->nphys; i++) seen |= l->phys[i].dim == d;
        if (!seen) return wrong(&r, "axis %c is missing", axes[d]), NULL;
    }
    if (!set_strides(&r)) return NULL;
    l->text = str_text(&s);
    return l;
}

const char *layout_axes_of(struct ir_ctx *c, const struct tensor *t)
{
    char *axes = ARENA_ARRAY(&c->arena, char, t->ndim + 1);
    for (int i = 0; i < t->ndim; i++) {
        const char *name = t->dim_name[i];
        char up = (char)(name[0] & ~32);
        if (!is_upper(up) || name[1] || strchr(axes, up)) return NULL;
        axes[i] = up;
    }
    return axes;
}

/* ---- mapping ---- */

int layout_shape(const struct layout *l, int ndim, const int64_t *logical, int64_t *phys)
{
    if (!l) {
        if (ndim) memcpy(phys, logical, (size_t)ndim * sizeof *phys);
        return ndim;
    }
    for (int i = 0; i < l->nphys; i++) {
        const struct layout_dim *p = &l->phys[i];
        phys[i] = p->size ? p->size : ceil_div(logical[p->dim], p->stride);
    }
    return l->nphys;
}

int layout_index(struct ir_ctx *c, const struct layout *l, int ndim, const struct expr *const *logical,
                 const struct expr **phys)
{
    if (!l) {
        for (int i = 0; i < ndim; i++) phys[i] = logical[i];
        return ndim;
    }
    for (int i = 0; i < l->nphys; i++) {
        const struct layout_dim *p = &l->phys[i];
        phys[i] = ir_div(c, logical[p->dim], ir_idx(c, p->stride));
        if (p->size) phys[i] = ir_mod(c, phys[i], ir_idx(c, p->size));
    }
    return l->nphys;
}

int64_t layout_offset(const struct layout *l, int ndim, const int64_t *shape, const int64_t *idx)
{
    int64_t phys[QJ_MAX_PHYS], at = 0;
    int n = layout_shape(l, ndim, shape, phys);
    for (int i = 0; i < n; i++) {
        const struct layout_dim *p = l ? &l->phys[i] : NULL;
        int64_t x = !l ? idx[i] : idx[p->dim] / p->stride;
        if (p && p->size) x %= p->size;
        at = at * phys[i] + x;
    }
    return at;
}
