/* SPDX-License-Identifier: Apache-2.0 */
/* sub_layer.c - the subcommand `layer`: the program of an int8 layer, from a line of settings. */
#include "schedule/templates/layer.h"

#include "tools/qjit/sub.h"

static bool usage(struct err_state *e, const char *hint, const char *text)
{
    err_set(e, ERR_USAGE, (struct span){0}, "%s", text);
    err_hint(e, "%s", hint);
    return false;
}

static bool read_layer(const struct command_line *c, struct arena *a, const struct target *t, struct layer *l, struct err_state *e)
{
    struct str words = str_on(a);
    for (int i = 1; i < c->narg; i++) str_printf(&words, "%s ", c->arg[i]);
    return layer_read(a, e, c->narg ? c->arg[0] : "", str_text(&words), t, l);
}

int sub_layer(struct command_line *c, struct out *out, struct err_state *e)
{
    struct ir_ctx ctx;
    ir_ctx_init(&ctx, 0);
    struct layer l;
    struct str text = str_on(&ctx.arena);
    const char *why;
    const char *name = c->session.target;
    const struct target *t = name ? target_parse(&ctx, name, strlen(name), (struct span){0}) : NULL;
    if (err_is(&ctx.err)) {
        out_error(out, &ctx.err.first);
        int failed = out_finish(out, &ctx.err.first);
        ir_ctx_release(&ctx);
        return failed;
    }
    bool ok = read_layer(c, &ctx.arena, t, &l, e);
    if (ok && c->narg == 1) {
        str_printf(&text, "settings of %s (without a value in brackets: 1):\n", c->arg[0]);
        layer_help(&text, l.kind);
    } else if (ok && !layer_text(&text, &l, &why)) {
        ok = usage(e, "change the settings that contradict each other", why);
    } else if (ok) {
        layer_steps(&text, &l);
        if (t) str_printf(&text, "target %s\n", t->name);
        str_put(&text, "\ntemplate\n");
    }
    if (ok && out->json) out_str(out, "text", str_text(&text));
    else if (ok) fputs(str_text(&text), stdout);
    if (!ok) out_error(out, &e->first);
    int status = out_finish(out, ok ? NULL : &e->first);
    ir_ctx_release(&ctx);
    return status;
}
