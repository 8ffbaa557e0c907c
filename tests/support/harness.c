/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t elems(const struct tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}

static void by_gen_data(void *u, struct rng *r, const struct tensor *t, void *data)
{
    (void)u;
    gen_data(r, t, data);
}

bool oracle_init(struct ir_ctx *c, struct oracle *o, const struct program *p, uint64_t seed)
{
    return oracle_init_by(c, o, p, seed, by_gen_data, NULL);
}

bool oracle_init_by(struct ir_ctx *c, struct oracle *o, const struct program *p, uint64_t seed, fill_fn *fill_with, void *u)
{
    struct rng r = {seed};
    o->program = p;
    o->data = calloc((size_t)p->ntensor, sizeof *o->data);
    struct eval *ev = eval_new(c, p);
    bool ok = ev != NULL;
    for (int i = 0; ok && i < p->ntensor; i++) {
        const struct tensor *t = p->tensor[i];
        o->data[i] = calloc((size_t)elems(t) + 1, (size_t)dt_bytes(t->dt));
        if (t->kind == TENSOR_COMPUTE) {
            ok = eval_all(ev, t, o->data[i]);
        } else {
            fill_with(u, &r, t, o->data[i]);
            eval_bind(ev, t, o->data[i]);
        }
    }
    if (ev) eval_free(ev);
    return ok;
}

void oracle_free(struct oracle *o)
{
    for (int i = 0; i < o->program->ntensor; i++) free(o->data[i]);
    free(o->data);
}

static int64_t physical_bytes(const struct kernel_arg *a) { return buffer_elems(a->buffer) * dt_bytes(a->buffer->dt); }

/* Walks a tensor's logical points: copies logical to physical, or compares physical with logical. */
static bool each_point(const struct kernel_arg *a, void *logical, void *physical, bool compare)
{
    const struct tensor *t = a->tensor;
    int64_t idx[QJ_MAX_RANK] = {0}, n = elems(t), size = dt_bytes(t->dt);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = layout_offset(a->layout, t->ndim, t->shape, idx);
        char *l = (char *)logical + i * size, *p = (char *)physical + at * size;
        if (!compare) {
            memcpy(p, l, (size_t)size);
        } else if (memcmp(p, l, (size_t)size)) {
            union value want = value_load(t->dt, l, 0), have = value_load(t->dt, p, 0);
            fprintf(stderr, "%s element %lld: ", t->name, (long long)i);
            if (t->dt == DT_F32) fprintf(stderr, "%a, should be %a\n", (double)have.f, (double)want.f);
            else fprintf(stderr, "%lld, should be %lld\n", (long long)have.i, (long long)want.i);
            return false;
        }
        for (int d = t->ndim - 1; d >= 0 && ++idx[d] == t->shape[d]; d--) idx[d] = 0;
    }
    return true;
}

static void *logical_of(const struct oracle *o, const struct tensor *t)
{
    for (int i = 0; i < o->program->ntensor; i++)
        if (o->program->tensor[i] == t) return o->data[i];
    return NULL;
}

void harness_image(const struct oracle *o, const struct kernel_arg *a, void *physical, bool ones)
{
    void *data = logical_of(o, a->tensor);
    size_t bytes = (size_t)(elems(a->tensor) * dt_bytes(a->tensor->dt));
    if (ones) {
        data = malloc(bytes + 1);
        memset(data, 255, bytes);
    }
    each_point(a, data, physical, false);
    if (ones) free(data);
}

enum { MAX_ARGS = 128 };

static void fill(const struct oracle *o, const struct kernel_arg *a, struct guarded *g, bool flush_end)
{
    *g = guard_new((size_t)physical_bytes(a), flush_end);
    memset(g->data, 0xa5, (size_t)physical_bytes(a));
    if (a->role == ARG_INPUT || a->role == ARG_WEIGHT) each_point(a, logical_of(o, a->tensor), g->data, false);
}

bool harness_check(const struct lowered *l, const struct oracle *o, bool flush_end, run_fn *run, void *u)
{
    struct guarded g[MAX_ARGS], pg[MAX_ARGS];
    void *arg[MAX_ARGS] = {0}, *parg[MAX_ARGS] = {0};
    int n = l->main->narg, np = l->pack ? l->pack->narg : 0;
    QJ_ASSERT(n <= MAX_ARGS && np <= MAX_ARGS);
    for (int i = 0; i < n; i++) {
        fill(o, &l->arg[i], &g[i], flush_end);
        arg[i] = g[i].data;
    }
    for (int i = 0; i < np; i++) {
        pg[i] = (struct guarded){0};
        for (int k = 0; k < n && l->pack_arg[i].role == ARG_PACKED; k++)
            if (l->arg[k].tensor == l->pack_arg[i].tensor) parg[i] = arg[k];
        if (l->pack_arg[i].role == ARG_PACKED) continue;
        fill(o, &l->pack_arg[i], &pg[i], flush_end);
        parg[i] = pg[i].data;
    }
    bool ok = (!l->pack || run(u, true, parg)) && run(u, false, arg);
    for (int i = 0; i < n && ok; i++)
        if (l->arg[i].role == ARG_OUTPUT) ok = each_point(&l->arg[i], logical_of(o, l->arg[i].tensor), arg[i], true);
    for (int i = 0; i < n; i++) guard_free(&g[i]);
    for (int i = 0; i < np; i++) guard_free(&pg[i]);
    return ok;
}

const struct program *parse_program(struct ir_ctx *c, const char *text)
{
    struct ir_env env = {0};
    struct lexer lx = lex_on(c, "program", arena_strdup(&c->arena, text), strlen(text));
    while (!err_is(&c->err) && lex_skip_ends(&lx))
        if (!parse_def(&lx, &env)) return NULL;
    if (err_is(&c->err)) return NULL;
    struct program *p = ARENA_NEW(&c->arena, struct program);
    *p = (struct program){"kernel", (int)env.tensors.n, env.tensors.at};
    return p;
}

void show_error(struct ir_ctx *c)
{
    struct str s = str_on(&c->arena);
    err_render(&c->err.first, &s);
    fputs(str_text(&s), stderr);
}

uint64_t env_number(const char *name, uint64_t dflt)
{
    const char *v = getenv(name);
    return v && *v ? strtoull(v, NULL, 0) : dflt;
}
