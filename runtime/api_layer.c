/* SPDX-License-Identifier: Apache-2.0 */
/* api_layer.c - a layer in words: its definitions, and the steps that belong to its description. */
#include "runtime/api.h"
#include "schedule/templates/layer.h"

struct wording { const char *kind, *settings; };

static bool body_layer(struct qj_ctx *q, void *u)
{
    const struct wording *w = u;
    struct layer l;
    const char *why;
    struct str text = str_on(&q->ir.arena), steps = str_on(&q->ir.arena);
    if (!w->kind || !w->settings)
        return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "the kind of layer or its settings are missing (NULL)");
    const struct target *t = api_target(q);
    if (!t || !layer_read(&q->ir.arena, &q->ir.err, w->kind, w->settings, t, &l)) return false;
    if (!layer_text(&text, &l, &why)) {
        err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "%s: %s", w->kind, why);
        err_hint(&q->ir.err, "change the settings that contradict each other");
        return false;
    }
    layer_steps(&steps, &l);
    if (!api_define(q, str_text(&text))) return false;
    struct sched *s = api_sched(q);
    return s && sch_text_steps(s, str_text(&steps));
}

bool qj_layer(qj_ctx *q, const char *kind, const char *settings)
{
    return api_run(q, API_KEEP, body_layer, &(struct wording){kind, settings});
}
