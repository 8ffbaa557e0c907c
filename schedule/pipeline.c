/* SPDX-License-Identifier: Apache-2.0 */
/* pipeline.c - stages fetched ahead of their use: some iterations of a loop (double_buffer), or by copies that nobody waits for
 * meanwhile (async), or both. Such a stage has n slots, and
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
 * Never more slots than iterations. simt.c puts barriers by slots: one an iteration.
 *
 * Asynchronous copies are committed as one group after each fetch, and also where the `if` fetches nothing: so `wait n-2`,
 * first in the body, is for all groups up to iteration i's. Without slots they are fetched, committed and waited for there. */
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
    bool here = x->place != PLACE_NONE && x->g->attach == ATTACH_AT && x->g->at_stage == i && x->g->at_iter == it;
    return here && (x->g->async || lower_slots(w, p) > 1);
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

/* A copy of what lies in global memory, or zeros; NULL: the value is no such thing. */
static const struct tensor *copied(const struct expr *value)
{
    if (value->op == OP_SELECT && (ir_is_int(value->kid[2], 0) || value->kid[2]->op == OP_FLT)) value = value->kid[1];
    return value->op == OP_READ ? value->val.tensor : NULL;
}

static bool check_async(struct lower *w, int p)
{
    const struct stage *g = w->stage[p].g;
    const char *name = g->tensor->name;
    const struct tensor *from = copied(w->stage[p].value);
    if (!g->async) return true;
    if (g->attach != ATTACH_AT || g->scope != SCOPE_SHARED)
        return refuse(w, "set_scope it shared and compute_at it in a kernel", "%s is not in a block's shared memory, where asynchronous copies go", name);
    if (stage_reduce(g) || !from)
        return refuse(w, "async a stage that cache_read makes; compute what else is to be done where it is read",
                      "%s is no plain copy of a tensor, with or without zeros around", name);
    int q = state_stage_of(w->st, from);
    if (q >= 0 && w->stage[q].g->attach != ATTACH_ROOT)
        return refuse(w, "copy from an argument, or from a stage at the root", "%s copies from %s, which is not in global memory", name, from->name);
    return true;
}

bool lower_check_pipeline(struct lower *w, int p)
{
    const struct stage *g = w->stage[p].g;
    const char *name = g->tensor->name;
    if (!check_async(w, p)) return false;
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
        if (other->async)
            return refuse(w, "leave one of them to be computed where it is used", "%s is fetched ahead and reads %s, which has not arrived by then", name,
                          other->tensor->name);
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

/* Stages with n slots, and what they do for one iteration. */
struct group { int n, nstage; bool async; const struct stmt *fetch[MAX_STAGES]; };

/* The same for iteration e. */
static const struct stmt *fetch(struct ir_ctx *c, const struct group *k, const struct var *v, const struct expr *e)
{
    const struct stmt *s = NULL;
    for (int i = 0; i < k->nstage; i++) s = then(c, s, e ? ir_subst_stmt(c, k->fetch[i], 1, &v, &e) : k->fetch[i]);
    return s;
}

static const struct stmt *commit(struct ir_ctx *c, const struct group *k)
{
    return k->async ? ir_copies(c, SYNC_COMMIT, 0) : NULL;
}

/* Room for the stages of this loop with slots, around it; for those without, in its body. */
static const struct stmt *allocate(struct lower *w, int i, int it, bool slots, const struct stmt *s)
{
    for (int p = i; p-- > 0;)
        if (lower_is_ahead(w, p, i, it) && (lower_slots(w, p) > 1) == slots) s = ir_alloc(w->c, w->stage[p].buf, s);
    return s;
}

const struct stmt *lower_pipeline(struct lower *w, int i, int pos, const struct stmt *body)
{
    struct ir_ctx *c = w->c;
    const struct lstage *x = &w->stage[i];
    int it = x->g->leaf[pos], keep = MOST_COPIES;
    const struct var *v = x->loop[it];
    const struct stmt *first = NULL, *ahead = NULL, *now = NULL;
    for (int n = MOST_COPIES; n > 0; n--) { /* what others read has as many slots as they, or more */
        struct group k = {.n = n};
        for (int p = 0; p < i; p++) {
            if (!lower_is_ahead(w, p, i, it) || lower_slots(w, p) != n) continue;
            if (!(k.fetch[k.nstage++] = lower_guarded(w, i, pos, lower_nest(w, p)))) return NULL;
            k.async |= w->stage[p].g->async;
        }
        if (!k.nstage) continue;
        if (n == 1) {
            now = then(c, then(c, fetch(c, &k, v, NULL), commit(c, &k)), ir_copies(c, SYNC_WAIT, 0));
            continue;
        }
        for (int s = 0; s < n - 1; s++) first = then(c, first, then(c, fetch(c, &k, v, ir_idx(c, s)), commit(c, &k)));
        const struct expr *e = ir_add(c, ir_var_expr(c, v), ir_idx(c, n - 1));
        const struct stmt *some = ir_if(c, ir_lt(c, e, ir_idx(c, v->extent)), fetch(c, &k, v, e));
        ahead = then(c, ahead, then(c, some, commit(c, &k)));
        if (k.async) keep = n - 2; /* the least: what comes later in a turn makes more groups, never fewer */
    }
    if (keep < MOST_COPIES) ahead = then(c, ir_copies(c, SYNC_WAIT, keep), ahead);
    body = allocate(w, i, it, false, then(c, then(c, ahead, now), body));
    return allocate(w, i, it, true, then(c, first, lower_loop(w, i, it, body)));
}
