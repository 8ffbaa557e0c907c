/* SPDX-License-Identifier: Apache-2.0 */
/* api_embed.c - weights that become part of the program. What is computed from them knows their ranges, so the
 * definitions are read again, with the values in their places. */
#include "ir/print.h"
#include "ir/values.h"
#include "runtime/api.h"
#include "runtime/tensor.h"

struct embedding { const char *name; const qj_tensor *t; };

static bool unfit(struct qj_ctx *q, const struct tensor *w, const char *what)
{
    err_set(&q->ir.err, ERR_ARGUMENT, (struct span){0}, "the values of %s %s", w->name, what);
    err_hint(&q->ir.err, "a tensor of the shape and type that %s is declared with, row-major, in CPU memory", w->name);
    return false;
}

static bool check_tensor(struct qj_ctx *q, const struct tensor *w, const qj_tensor *t)
{
    enum dtype d;
    if (t->device.type != 1) return unfit(q, w, "are on another device");
    if (!tensor_dtype(t, &d) || d != w->dt) return unfit(q, w, "have another type");
    if (t->ndim != w->ndim || (w->ndim && (!t->shape || memcmp(t->shape, w->shape, (size_t)w->ndim * sizeof w->shape[0]))))
        return unfit(q, w, "have another shape");
    if (!tensor_contiguous(t)) return unfit(q, w, "have strides with gaps or in another order");
    return t->data || unfit(q, w, "are missing");
}

/* A tensor just defined gets what its forerunner had, or what is given now. */
static bool give_values(struct qj_ctx *q, const struct tensor *old, struct tensor *t, const struct embedding *e)
{
    const void *values = old->values;
    if (!strcmp(t->name, e->name))
        values = arena_copy(&q->ir.arena, qj_tensor_data(e->t), (size_t)tensor_bytes(t));
    return !values || tensor_embed(&q->ir, t, values, (struct span){0});
}

static bool body_embed(struct qj_ctx *q, void *u)
{
    const struct embedding *e = u;
    struct err_state *err = &q->ir.err;
    if (!e->name || !e->t) return err_set(err, ERR_USAGE, (struct span){0}, "the name or the tensor is missing (NULL)");
    const struct tensor *w = env_find(&q->env, e->name);
    if (!w) {
        err_set(err, ERR_UNKNOWN_NAME, (struct span){0}, "no tensor is called %s", e->name);
        err_hint(err, "declare it first: weight %s[...] : i8", e->name);
        return false;
    }
    /* refused by its kind before its shape is compared: no values are read */
    if (w->kind != TENSOR_WEIGHT) return tensor_embed(&q->ir, (struct tensor *)(uintptr_t)w, NULL, (struct span){0});
    if (!check_tensor(q, w, e->t)) return false;
    struct ir_env fresh = {.externs = q->env.externs};
    for (size_t i = 0; i < q->env.tensors.n; i++) {
        const struct tensor *old = q->env.tensors.at[i];
        struct str s = str_on(&q->ir.arena);
        print_tensor(&s, old);
        struct lexer lx = lex_on(&q->ir, NULL, str_text(&s), s.n);
        if (!parse_def(&lx, &fresh)) return false;
        if (!give_values(q, old, (struct tensor *)(uintptr_t)fresh.tensors.at[i], e)) return false; /* just made */
    }
    q->env = fresh;
    return api_replay(q);
}

bool qj_embed(qj_ctx *q, const char *name, const qj_tensor *values)
{
    return api_run(q, API_KEEP, body_embed, &(struct embedding){name, values});
}
