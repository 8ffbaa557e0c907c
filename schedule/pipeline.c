/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.c - stages computed in a loop some iterations ahead of their use (double_buffer). Such a stage has n slots, and
 * slot i % n is iteration i's:
 *
 *     alloc S[n, ...] {
 *       S's part for iterations 0 .. n-2, into slots 0 .. n-2
 *       for i in 0..E {
 *         if (i + n-1 < E) { S's part for iteration i + n-1, into slot (i + n-1) % n }
 *         ... S[i % n, ...] ...
 *       }
 *     }
 *
 * Never more slots than iterations. simt.c puts barriers by slots: one an iteration. */
#include "ir/print.h"
#include "schedule/lower_impl.h"

const struct var *lower_turns(const struct lower *w, int p)
{
    const struct stage *g = w->stage[p].g;
    return g->attach == ATTACH_AT ? w->stage[g->at_stage].loop[g->at_iter] : NULL;
}

int64_t lower_slots(const struct lower *w, int p)
{
    const struct var *v = lower_turns(w, p);
    return v && w->stage[p].g->copies > 1 ? i64_min(w->stage[p].g->copies, v->extent) : 1;
}

const struct expr *lower_slot(struct lower *w, int p)
{
    return ir_mod(w->c, ir_var_expr(w->c, lower_turns(w, p)), ir_idx(w->c, lower_slots(w, p)));
}

bool lower_is_ahead(const struct lower *w, int p, int i, int it)
{
    const struct lstage *x = &w->stage[p];
    return x->place != PLACE_NONE && x->g->attach == ATTACH_AT && x->g->at_stage == i && x->g->at_iter == it && lower_slots(w, p) > 1;
}

/* ---- what may not be ---- */

static bool refuse(struct lower *w, const char *hint, const char *fmt, ...) QJ_PRINTF(3, 4);
static bool refuse(struct lower *w, const char *hint, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(&w->c->arena, fmt, ap);
    va_end(ap);
    lower_fail(w, ERR_ILLEGAL_STEP, "%s", what);
    return err_hint(&w->c->err, "%s", hint), false;
}

/* Stage d is p, or computed inside it. */
static bool belongs(const struct lower *w, int d, int p)
{
    while (d != p && w->stage[d].g->attach == ATTACH_AT) d = w->stage[d].g->at_stage;
    return d == p;
}

/* p, or what it is made of, reads q's part of the same iteration. */
static bool needs(const struct lower *w, int p, int q)
{
    for (int d = q + 1; d <= p; d++)
        if (w->stage[d].place != PLACE_NONE && belongs(w, d, p) && reads_tensor(w->stage[d].value, w->stage[q].g->tensor)) return true;
    return false;
}

bool lower_check_pipeline(struct lower *w, int p)
{
    const struct stage *g = w->stage[p].g;
    const char *name = g->tensor->name;
    if (g->copies < 2) return true;
    if (g->layout && g->layout->nphys == QJ_MAX_PHYS)
        return refuse(w, "take a block out of its layout", "%s has %d dimensions in memory, and its copies would be one more", name, QJ_MAX_PHYS);
    if (g->attach != ATTACH_AT)
        return refuse(w, "compute_at it in the loop over which the copies take turns", "%s is computed once, not in a loop", name);
    const struct stage *at = w->stage[g->at_stage].g;
    enum loop_kind how = at->iter[g->at_iter].how;
    if (how != LOOP_SERIAL && how != LOOP_UNROLLED)
        return refuse(w, "compute_at it in a serial loop, as that over the terms of a sum", "%s.%s is %s: its iterations do not come one after the other",
                      at->tensor->name, at->iter[g->at_iter].name, loop_kind_name[how]);
    for (int q = 0; q < p && lower_slots(w, p) > 1; q++) {
        const struct stage *other = w->stage[q].g;
        if (other->attach != ATTACH_AT || other->at_stage != g->at_stage || other->at_iter != g->at_iter || !needs(w, p, q)) continue;
        if (lower_slots(w, q) < lower_slots(w, p))
            return refuse(w, arena_printf(&w->c->arena, "double_buffer %s %d before %s (which double_buffer %s 1 takes back), or compute it inside %s",
                                          other->tensor->name, g->copies, name, name, name),
                          "%s is fetched ahead and reads %s, which is not there by then", name, other->tensor->name);
    }
    return true;
}

/* ---- the loop ---- */

static const struct stmt *then(struct ir_ctx *c, const struct stmt *a, const struct stmt *b)
{
    return ir_seq(c, 2, (const struct stmt *[]){a, b});
}

/* Stages with as many slots, and what they do for iteration e. */
struct group { int n; const struct stmt *fetch[MAX_STAGES]; };
static const struct stmt *fetch(struct ir_ctx *c, const struct group *k, const struct var *v, const struct expr *e)
{
    const struct stmt *s = NULL;
    for (int i = 0; i < k->n; i++) s = then(c, s, ir_subst_stmt(c, k->fetch[i], 1, &v, &e));
    return s;
}

const struct stmt *lower_pipeline(struct lower *w, int i, int pos, const struct stmt *body)
{
    struct ir_ctx *c = w->c;
    const struct lstage *x = &w->stage[i];
    int it = x->g->leaf[pos];
    const struct var *v = x->loop[it];
    const struct stmt *first = NULL, *ahead = NULL;
    for (int n = MOST_COPIES; n > 1; n--) { /* what others read has as many slots as they, or more */
        struct group k = {0};
        for (int p = 0; p < i; p++) {
            if (!lower_is_ahead(w, p, i, it) || lower_slots(w, p) != n) continue;
            if (!(k.fetch[k.n++] = lower_guarded(w, i, pos, lower_nest(w, p)))) return NULL;
        }
        if (!k.n) continue;
        for (int s = 0; s < n - 1; s++) first = then(c, first, fetch(c, &k, v, ir_idx(c, s)));
        const struct expr *e = ir_add(c, ir_var_expr(c, v), ir_idx(c, n - 1));
        ahead = then(c, ahead, ir_if(c, ir_lt(c, e, ir_idx(c, v->extent)), fetch(c, &k, v, e)));
    }
    const struct stmt *s = then(c, first, lower_loop(w, i, it, then(c, ahead, body)));
    for (int p = i; p-- > 0;)
        if (lower_is_ahead(w, p, i, it)) s = ir_alloc(c, w->stage[p].buf, s);
    return s;
}
