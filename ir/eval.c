/* SPDX-License-Identifier: Apache-2.0 */
/* eval.c - evaluates tensor programs point by point, and instructions' meanings. Contract in eval.h
 * and meaning.h.
 *
 * A computed tensor is compiled when the first of its points is wanted. Points that another tensor reads are
 * kept, in an array as long as the tensor or, when that would be too large, in a hash table. */
#include "ir/eval.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ir/bytecode.h"
#include "ir/meaning.h"

static const int64_t DENSE_MAX = INT64_C(1) << 25;    /* elements kept as an array */

struct far_row { int64_t at; bool used; union value v; };

struct stage {
    struct bc *code;          /* NULL: not wanted yet */
    bool is_read;             /* by another tensor's code: keep its points */
    struct far_row *far;      /* open addressing by element number */
    size_t far_n, far_cap;
};

struct eval {
    struct ir_ctx *c;
    const struct program *p;
    struct arena arena;
    struct bc_mem *mem;       /* both indexed as p->tensor */
    struct stage *stage;
};

/* Arenas jump when they run out, and nobody has the evaluator yet. */
static void free_half(void *p)
{
    struct eval *ev = p;
    arena_release(&ev->arena);
    free(ev);
}

struct eval *eval_new(struct ir_ctx *c, const struct program *p)
{
    struct eval *ev = calloc(1, sizeof *ev);
    if (!ev) {
        err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory to evaluate %s", p->name);
        return NULL;
    }
    defer(&c->defers, free_half, ev);
    ev->c = c;
    ev->p = p;
    arena_init_beside(&ev->arena, &c->arena);
    ev->mem = ARENA_ARRAY(&ev->arena, struct bc_mem, p->ntensor);
    ev->stage = ARENA_ARRAY(&ev->arena, struct stage, p->ntensor);
    for (int k = 0; k < p->ntensor; k++) {
        const struct tensor *t = p->tensor[k];
        int64_t elems = 1;
        for (int i = 0; i < t->ndim; i++) elems *= t->shape[i];
        bool made = t->kind == TENSOR_COMPUTE;
        ev->mem[k] = (struct bc_mem){.key = t, .name = t->name, .dt = t->dt, .ndim = t->ndim, .shape = t->shape,
                                     .dim_name = t->dim_name, .elems = elems, .check = made,
                                     .far = made && elems > DENSE_MAX};
        ev->mem[k].base = (unsigned char *)(uintptr_t)t->values;    /* never written */
    }
    defer_cancel(&c->defers, ev);
    return ev;
}

/* Of the points of m, held as an array: their values, and which there are. */
static size_t kept_bytes(const struct bc_mem *m) { return (size_t)m->elems * ((size_t)dt_bytes(m->dt) + 1); }

static void forget(struct eval *ev, int k)
{
    struct bc_mem *m = &ev->mem[k];
    if (!m->check) return;
    size_t bytes = kept_bytes(m);
    if (m->set) limits_give(ev->arena.limits, bytes);
    limits_give(ev->arena.limits, ev->stage[k].far_cap * sizeof *ev->stage[k].far);
    free(m->base);
    free(m->set);
    free(ev->stage[k].far);
    m->base = m->set = NULL;
    ev->stage[k].far = NULL;
    ev->stage[k].far_n = ev->stage[k].far_cap = 0;
}

void eval_free(struct eval *ev)
{
    if (!ev) return;
    for (int k = 0; k < ev->p->ntensor; k++) forget(ev, k);
    arena_release(&ev->arena);
    free(ev);
}

static int number_of(const struct eval *ev, const struct tensor *t)
{
    int k = 0;
    while (k < ev->p->ntensor && ev->p->tensor[k] != t) k++;
    QJ_ASSERT(k < ev->p->ntensor);
    return k;
}

void eval_bind(struct eval *ev, const struct tensor *t, const void *data)
{
    int n = number_of(ev, t);
    QJ_ASSERT(t->kind != TENSOR_COMPUTE && data);
    ev->mem[n].base = (unsigned char *)(uintptr_t)data;    /* never written */
    for (int k = 0; k < ev->p->ntensor; k++) forget(ev, k);
}

/* ---- points that are kept ---- */

static bool no_memory(struct eval *ev, int k)
{
    return err_set(&ev->c->err, ERR_MEMORY, (struct span){0}, "no memory to keep %s, %" PRId64 " elements",
                   ev->mem[k].name, ev->mem[k].elems);
}

static struct far_row *far_at(const struct stage *s, int64_t at)
{
    size_t i = hash_mix(0, (uint64_t)at) & (s->far_cap - 1);
    while (s->far[i].used && s->far[i].at != at) i = (i + 1) & (s->far_cap - 1);
    return &s->far[i];
}

static bool far_put(struct limits *limits, struct stage *s, int64_t at, union value v)
{
    if ((s->far_n + 1) * 2 > s->far_cap) {
        struct stage grown = *s;
        grown.far_cap = s->far_cap ? s->far_cap * 2 : 64;
        if (!limits_take(limits, grown.far_cap * sizeof *grown.far)) return false;
        grown.far = calloc(grown.far_cap, sizeof *grown.far);
        limits_give(limits, (grown.far ? s->far_cap : grown.far_cap) * sizeof *grown.far);
        if (!grown.far) return false;
        for (size_t i = 0; i < s->far_cap; i++)
            if (s->far[i].used) *far_at(&grown, s->far[i].at) = s->far[i];
        free(s->far);
        *s = grown;
    }
    *far_at(s, at) = (struct far_row){at, true, v};
    s->far_n++;
    return true;
}

static bool kept(const struct eval *ev, int k, int64_t at, union value *out)
{
    const struct bc_mem *m = &ev->mem[k];
    const struct stage *s = &ev->stage[k];
    if (m->far) {
        const struct far_row *row = s->far ? far_at(s, at) : NULL;
        if (!row || !row->used) return false;
        *out = row->v;
        return true;
    }
    if (!m->set || !m->set[at]) return false;
    *out = value_load(m->dt, m->base, at);
    return true;
}

static bool keep(struct eval *ev, int k, int64_t at, union value v)
{
    struct bc_mem *m = &ev->mem[k];
    if (m->far) return far_put(ev->arena.limits, &ev->stage[k], at, v) || no_memory(ev, k);
    if (!m->set) {
        if (!limits_take(ev->arena.limits, kept_bytes(m))) return no_memory(ev, k);
        m->base = calloc((size_t)m->elems, (size_t)dt_bytes(m->dt));
        m->set = m->base ? calloc((size_t)m->elems, 1) : NULL;
        if (!m->set) {
            free(m->base);
            m->base = NULL;
            limits_give(ev->arena.limits, kept_bytes(m));
            return no_memory(ev, k);
        }
    }
    value_store(m->dt, m->base, at, v);
    m->set[at] = 1;
    return true;
}

/* ---- one point ---- */

static bool on_miss(void *u, int k, int64_t at);
static bool on_far(void *u, int k, int64_t at, union value *out);

static bool compile(struct eval *ev, int k)
{
    const struct tensor *t = ev->p->tensor[k];
    struct bc_axis axis[BC_MAX_AXES];
    int naxis = t->ndim;
    for (int i = 0; i < t->ndim; i++) axis[i] = (struct bc_axis){t->axis[i], t->shape[i]};
    const struct expr *body = t->body;
    enum combiner how = RED_SUM;
    if (body->op == OP_REDUCE) {
        how = (enum combiner)body->val.i;
        for (int i = 1; i < body->nkid; i++) {
            const struct var *v = body->kid[i]->val.var;
            axis[naxis++] = (struct bc_axis){v, v->extent};
        }
        body = body->kid[0];
    }
    struct bc *b = ARENA_NEW(&ev->arena, struct bc);
    bc_init(b, ev->c, &ev->arena, ev->mem, ev->p->ntensor);
    b->u = ev;
    b->miss = on_miss;
    b->far = on_far;
    if (!bc_body(b, t->ndim, naxis, axis, false, how, body)) return false;
    for (size_t i = 0; i < b->ins.n; i++) {
        const struct bc_ins *in = &b->ins.at[i];
        if (in->op == BC_NEED || in->op == BC_FAR) ev->stage[in->x].is_read = true;
        bool loads = in->op >= BC_LOAD8 && in->op <= BC_LOADBOOL;
        if (loads && !ev->mem[in->x].check && !ev->mem[in->x].base)
            return err_set(&ev->c->err, ERR_ARGUMENT, (struct span){0}, "%s reads %s, which was given no data", t->name,
                           ev->mem[in->x].name);
    }
    ev->stage[k].code = b;
    return true;
}

/* Where a fault happened: "Acc[0, 3, 5, 7] at r=2, s=0". */
static const char *place(struct eval *ev, const struct tensor *t, const struct bc *b)
{
    struct str s = str_on(&ev->arena);
    str_printf(&s, "%s[", t->name);
    for (int i = 0; i < b->nout; i++) str_printf(&s, "%s%" PRId64, i ? ", " : "", b->pos[i]);
    str_putc(&s, ']');
    for (int i = b->nout; i < b->naxis; i++)
        str_printf(&s, "%s%s=%" PRId64, i > b->nout ? ", " : " at ", b->axis[i].var->name, b->pos[i]);
    return str_text(&s);
}

static bool report(struct eval *ev, const struct tensor *t, const struct bc *b)
{
    struct err_state *e = &ev->c->err;
    if (b->trap.kind == BC_TRAP_REPORTED || err_is(e)) return false;
    bool bounds = b->trap.kind == BC_TRAP_BOUNDS;
    err_set(e, bounds ? ERR_BOUNDS : ERR_RANGE, (struct span){0}, "%s, in %s", b->trap.text, place(ev, t, b));
    err_hint(e, bounds ? "pad the tensor, shrink the axis, or guard the read: select(condition, read, value)"
                       : "index arithmetic and i64 products must fit in 64 bits");
    return false;
}

static bool compute(struct eval *ev, int k, const int64_t *idx, union value *out)
{
    if (!ev->stage[k].code && !compile(ev, k)) return false;
    struct bc *b = ev->stage[k].code;
    const struct tensor *t = ev->p->tensor[k];
    union value start = {.i = 0};
    if (b->acc >= 0) start = bc_identity((enum combiner)t->body->val.i, t->dt);
    return bc_point(b, idx, start, out) || report(ev, t, b);
}

/* Element `at` of tensor k, kept if somebody reads it. */
static bool element(struct eval *ev, int k, int64_t at, const int64_t *idx, union value *out)
{
    const struct bc_mem *m = &ev->mem[k];
    if (!m->check) {
        if (!m->base) return err_set(&ev->c->err, ERR_ARGUMENT, (struct span){0}, "%s was given no data", m->name);
        *out = value_load(m->dt, m->base, at);
        return true;
    }
    if (kept(ev, k, at, out)) return true;
    if (!compute(ev, k, idx, out)) return false;
    return !ev->stage[k].is_read || keep(ev, k, at, *out);
}

static bool on_far(void *u, int k, int64_t at, union value *out)
{
    struct eval *ev = u;
    const struct tensor *t = ev->p->tensor[k];
    int64_t idx[QJ_MAX_RANK], rest = at;
    for (int i = t->ndim - 1; i >= 0; i--) {
        idx[i] = rest % t->shape[i];
        rest /= t->shape[i];
    }
    return element(ev, k, at, idx, out);
}

static bool on_miss(void *u, int k, int64_t at)
{
    union value v;
    return on_far(u, k, at, &v);
}

/* ---- the doors ---- */

bool eval_at(struct eval *ev, const struct tensor *t, const int64_t *idx, union value *out)
{
    int64_t at = 0;
    for (int i = 0; i < t->ndim; i++) {
        if (idx[i] < 0 || idx[i] >= t->shape[i])
            return err_set(&ev->c->err, ERR_BOUNDS, (struct span){0},
                           "index %d (%s) of %s is %" PRId64 ", outside 0..%" PRId64, i + 1, t->dim_name[i], t->name,
                           idx[i], t->shape[i]);
        at = at * t->shape[i] + idx[i];
    }
    return element(ev, number_of(ev, t), at, idx, out);
}

bool eval_all(struct eval *ev, const struct tensor *t, void *out)
{
    int k = number_of(ev, t);
    int64_t idx[QJ_MAX_RANK] = {0}, n = ev->mem[k].elems;
    for (int64_t at = 0; at < n; at++) {
        union value v;
        if (!element(ev, k, at, idx, &v)) return false;
        value_store(t->dt, out, at, v);
        for (int i = t->ndim - 1; i >= 0 && ++idx[i] == t->shape[i]; i--) idx[i] = 0;
    }
    return true;
}

/* ---- meanings ---- */

struct bc_meaning {
    const struct meaning *m;
    struct bc code;
    struct bc_mem mem[MEANING_MAX_OPERANDS];
    int64_t extent[MEANING_MAX_AXES];
    int64_t step[MEANING_MAX_AXES];     /* of operand 0, per axis that indexes it */
    int64_t nout;
};

struct bc_meaning *bc_meaning_new(struct arena *a, const struct meaning *m)
{
    struct bc_meaning *r = ARENA_NEW(a, struct bc_meaning);
    struct bc_axis axis[MEANING_MAX_AXES];
    r->m = m;
    r->nout = 1;
    for (int i = 0; i < m->naxes; i++) {
        axis[i] = (struct bc_axis){m->axis[i], m->axis[i]->extent};
        r->extent[i] = axis[i].extent;
        if (i < m->nout) r->nout *= axis[i].extent;
    }
    for (int i = 0; i < m->nop; i++) {
        const struct tensor *t = m->op[i];
        int64_t elems = 1;
        for (int d = t->ndim - 1; d >= 0; d--) {
            if (!i) r->step[m->op_axis[0][d]] += elems;
            elems *= t->shape[d];
        }
        r->mem[i] = (struct bc_mem){.key = t, .name = t->name, .dt = t->dt, .ndim = t->ndim, .shape = t->shape,
                                    .dim_name = t->dim_name, .elems = elems};
    }
    bc_init(&r->code, NULL, a, r->mem, m->nop);
    bool ok = bc_body(&r->code, m->nout, m->naxes, axis, m->accumulate, m->combiner, m->body);
    QJ_ASSERT(ok);
    return r;
}

/* An accumulating meaning starts from operand 0, as the instruction does: C, then C + first product. */
bool bc_meaning_run(struct bc_meaning *r, void *const *ptr, const char **why)
{
    const struct meaning *m = r->m;
    enum dtype dt = m->op[0]->dt;
    int64_t idx[MEANING_MAX_AXES] = {0};
    for (int i = 0; i < m->nop; i++) r->mem[i].base = ptr[i];
    for (int64_t n = 0; n < r->nout; n++) {
        int64_t at = 0;
        for (int i = 0; i < m->nout; i++) at += idx[i] * r->step[i];
        union value v = m->accumulate ? value_load(dt, ptr[0], at) : bc_identity(m->combiner, dt);
        if (!bc_point(&r->code, idx, v, &v)) {
            *why = r->code.trap.text;
            return false;
        }
        value_store(dt, ptr[0], at, v);
        for (int i = m->nout - 1; i >= 0 && ++idx[i] == r->extent[i]; i--) idx[i] = 0;
    }
    return true;
}

void meaning_run(const struct meaning *m, void *const *ptr)
{
    struct arena a;
    const char *why;
    arena_init(&a, NULL);
    bc_meaning_run(bc_meaning_new(&a, m), ptr, &why);    /* after an i64 overflow the rest stays as it was */
    arena_release(&a);
}
