/* SPDX-License-Identifier: Apache-2.0 */
/* api_template.c - templates for a host, and the choice by time among a template's best few: built on the public
 * calls alone, but for what is kept on disk (kept.h). */
#include "runtime/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/kept.h"

enum { PICK_MAX = 64 };
static const double pick_budget_ms = 6; /* a candidate's share: a layer is to be chosen within a blink */

static bool body_template(struct qj_ctx *q, void *u)
{
    const char *text = *(const char *const *)u;
    return api_sched(q) && sch_text_steps(q->sched, arena_printf(&q->ir.arena, "template %s", text));
}

static bool choose(qj_ctx *q, const char *text)
{
    return api_run(q, API_KEEP, body_template, &text);
}

static bool choose_nth(qj_ctx *q, const char *rest, int nth)
{
    char text[512];
    snprintf(text, sizeof text, "%s nth=%d", rest, nth);
    return choose(q, text);
}

/* Takes back to n steps, also while an error stands. */
static void back_to(qj_ctx *q, int n)
{
    while (qj_nsteps(q) > n) sch_undo(q->sched);
}

/* Milliseconds of candidate nth; 0: there is no such candidate. The schedule is as it was. */
static double time_of(qj_ctx *q, const char *rest, int nth)
{
    int before = qj_nsteps(q);
    if (!choose_nth(q, rest, nth)) {
        if (q->ir.err.first.code == ERR_TEMPLATE) qj_clear_error(q); /* fewer candidates than asked for */
        return 0;
    }
    qj_timing t = {.size = sizeof t};
    qj_options listening = q->opt;
    q->opt.log = NULL; /* of candidates nobody wants to know what is slow */
    qj_kernel *k = qj_build(q);
    q->opt = listening;
    bool ok = k && qj_time(q, k, NULL, 0, pick_budget_ms, &t);
    qj_kernel_free(k);
    back_to(q, before);
    return ok ? t.best_ms : 0;
}

static bool bad_pick(struct qj_ctx *q, void *u)
{
    (void)u;
    return err_set(&q->ir.err, ERR_TEMPLATE, (struct span){0}, "pick= takes a number from 1 to %d", PICK_MAX);
}

struct pick { const char *words; int n, nth; };

static bool body_known(struct qj_ctx *q, void *u)
{
    struct pick *p = u;
    if (api_target(q)) p->nth = kept_pick(q, p->words, p->n);
    return !err_is(&q->ir.err);
}

static bool body_keep(struct qj_ctx *q, void *u)
{
    const struct pick *p = u;
    kept_pick_put(q, p->words, p->n, p->nth);
    return true;
}

/* What was the fastest before, if that is known and can still be chosen. */
static bool choose_known(qj_ctx *q, struct pick *p)
{
    if (!api_run(q, API_SCRATCH, body_known, p) || !p->nth) return false;
    if (choose_nth(q, p->words, p->nth)) return true;
    if (q->ir.err.first.code == ERR_TEMPLATE) qj_clear_error(q);
    return false;
}

static bool template(qj_ctx *q, const char *text)
{
    const char *at = strstr(text, "pick=");
    if (!at || (at > text && at[-1] != ' ' && at[-1] != '\t')) return choose(q, text);
    char *end, rest[384];
    long n = strtol(at + 5, &end, 10);
    if (end == at + 5 || (*end && *end != ' ' && *end != '\t') || n < 1 || n > PICK_MAX || strlen(text) >= sizeof rest)
        return api_run(q, API_SCRATCH, bad_pick, NULL);
    snprintf(rest, sizeof rest, "%.*s %s", (int)(at - text), text, end);
    struct pick p = {rest, (int)n, 0};
    double best_ms = 0;
    if (choose_known(q, &p) || qj_last_error(q)) return !qj_last_error(q);
    p.nth = 1;
    for (int nth = 1; nth <= n && !qj_last_error(q); nth++) {
        double ms = time_of(q, rest, nth);
        if (ms <= 0) break;
        if (best_ms > 0 && ms >= best_ms) continue;
        best_ms = ms;
        p.nth = nth;
    }
    if (best_ms > 0 && !qj_last_error(q)) api_run(q, API_SCRATCH, body_keep, &p);
    return choose_nth(q, rest, p.nth);
}

bool qj_template(qj_ctx *q, const char *text)
{
    if (!q) return false;
    api_enter(q);
    bool ok = template(q, text ? text : "");
    api_leave(q);
    return ok;
}
