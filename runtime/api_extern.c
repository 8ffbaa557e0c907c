/* SPDX-License-Identifier: Apache-2.0 */
/* api_extern.c - functions of the host's: declared and given by one call. */
#include "runtime/api.h"

struct giving {
    const char *declaration;
    void *plain;
    host_callback *fn;
    void *user;
    void (*release)(void *user);
};

/* The one of that name in the environment, whose types must be these, or a new one. NULL: error set. */
static const struct ext *declare(struct qj_ctx *q, const char *declaration)
{
    const char *text = arena_printf(&q->ir.arena, "extern %s", declaration);
    struct ir_env alone = {0};
    struct lexer lx = lex_on(&q->ir, NULL, text, strlen(text));
    if (!lex_skip_ends(&lx) || !parse_def(&lx, &alone)) return NULL;
    if (alone.externs.n != 1 || lex_skip_ends(&lx))
        return err_set(&q->ir.err, ERR_SYNTAX, (struct span){0}, "\"%.80s\" is not one declaration", declaration), NULL;
    const struct ext *f = alone.externs.at[0], *have = env_extern(&q->env, f->name);
    if (!have) return api_define(q, text) ? env_extern(&q->env, f->name) : NULL;
    if (have->result == f->result && have->narg == f->narg && !memcmp(have->arg, f->arg, sizeof f->arg)) return have;
    err_set(&q->ir.err, ERR_REDEFINED, (struct span){0}, "%s is declared already, with other types", f->name);
    return err_hint(&q->ir.err, "choose another name; a function is declared once"), NULL;
}

static bool body_extern(struct qj_ctx *q, void *u)
{
    const struct giving *g = u;
    if (!g->declaration || (!g->plain && !g->fn))
        return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "the declaration or the function is missing (NULL)");
    const struct ext *f = declare(q, g->declaration);
    struct host_fn *h = f ? host_fn_new(f, g->plain, g->fn, g->user) : NULL;
    if (!f) return false;
    if (h && host_put(&q->host, h)) return host_fn_owns(h, g->release), true;
    host_fn_unref(h);
    return err_set(&q->ir.err, ERR_MEMORY, (struct span){0}, "no memory for %s", f->name);
}

bool qj_extern(qj_ctx *q, const char *declaration, void (*function)(void))
{
    struct giving g = {.declaration = declaration, .plain = (void *)(uintptr_t)function};
    return api_run(q, API_KEEP, body_extern, &g);
}

bool qj_extern_closure(qj_ctx *q, const char *declaration, void (*fn)(void *user, void *const *args, void *result),
                       void *user, void (*release)(void *user))
{
    struct giving g = {declaration, NULL, fn, user, release};
    return api_run(q, API_KEEP, body_extern, &g);
}
