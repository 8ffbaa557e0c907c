/* SPDX-License-Identifier: Apache-2.0 */
/* prim_loop.c - primitives on the loops of one stage: split fuse reorder tile unroll vectorize parallel bind
 * annotate. Each checks, records, and names its results; prims.def has what they do. */
#include "schedule/state.h"

/* What an instruction does is not to be changed under it. */
static bool check_outside_region(struct applying *a, const struct stage *g, int iter)
{
    if (g->tensorize_iter < 0 || state_leaf_pos(g, iter) < state_leaf_pos(g, g->tensorize_iter)) return true;
    return fail_step(a, ERR_ILLEGAL_STEP, NULL, "loop %s.%s is part of a tensorized region", g->tensor->name,
                     g->iter[iter].name);
}

/* Nor may a loop go that others are computed at. (It may move: lowering sees whether that still works.) */
static bool check_free(struct applying *a, const struct stage *g, int iter)
{
    const char *name = g->iter[iter].name;
    if (!check_outside_region(a, g, iter)) return false;
    for (int i = 0; i < a->st->nstage; i++) {
        const struct stage *p = a->st->stage[i];
        if (p->attach == ATTACH_AT && a->st->stage[p->at_stage] == g && p->at_iter == iter) {
            fail_step(a, ERR_ILLEGAL_STEP, NULL, "stage %s is computed at loop %s.%s", p->tensor->name,
                      g->tensor->name, name);
            err_hint(&a->c->err, "split and fuse first, then compute_at");
            return false;
        }
    }
    return true;
}

/* Replaces leaf `at` by n new leaves. */
static void replace_leaf(struct stage *g, int pos, int drop, int n, const int16_t *with)
{
    memmove(&g->leaf[pos + n], &g->leaf[pos + drop], (size_t)(g->nleaf - pos - drop) * sizeof g->leaf[0]);
    for (int i = 0; i < n; i++) g->leaf[pos + i] = with[i];
    g->nleaf += n - drop;
}

/* The axis of the tensor that an iter is, or has been cut from without fusing; -1 when fused. */
static int root_of(const struct stage *g, int iter)
{
    for (int r = g->nrel - 1; r >= 0; r--) {
        const struct rel *x = &g->rel[r];
        if (x->kind == REL_SPLIT && (x->outer == iter || x->inner == iter)) iter = x->parent;
        else if (x->kind == REL_FUSE && x->parent == iter) return -1;
    }
    return iter < g->nroot ? iter : -1;
}

static bool do_split(struct applying *a, struct stage *g, int iter, int64_t factor, bool by_parts, enum tail tail,
                     const char *outer, const char *inner, int *o, int *i)
{
    if (!check_free(a, g, iter)) return false;
    const char *base = g->iter[iter].name;
    int pos = state_leaf_pos(g, iter);
    if (g->iter[iter].how != LOOP_SERIAL)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "loop %s is already %s; split it first", base,
                         loop_kind_name[g->iter[iter].how]);
    if (tail == TAIL_PAD) {
        int root = root_of(g, iter), stage = state_stage_of(a->st, g->tensor);
        if (root != iter || by_parts)
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "tail=pad works on an axis of the tensor, with a factor");
        if (!pad_root(a, stage, root, factor)) return false;
    }
    replace_leaf(g, pos, 1, 0, NULL); /* its name is free again */
    outer = outer ? outer : free_iter_name(a, g, arena_printf(&a->c->arena, "%so", base));
    inner = inner ? inner : free_iter_name(a, g, arena_printf(&a->c->arena, "%si", base));
    if (!strcmp(outer, inner)) return fail_step(a, ERR_REDEFINED, NULL, "both loops would be named `%s`", outer);
    if (!check_iter_name(a, g, outer) || !check_iter_name(a, g, inner)) return false;
    *o = new_iter(a, g, outer, g->iter[iter].reduce);
    *i = *o < 0 ? -1 : new_iter(a, g, inner, g->iter[iter].reduce);
    if (*i < 0) return false;
    g->rel[g->nrel++] = (struct rel){REL_SPLIT, (int16_t)iter, (int16_t)*o, (int16_t)*i, factor, by_parts, tail};
    replace_leaf(g, pos, 0, 2, (int16_t[]){(int16_t)*o, (int16_t)*i});
    return true;
}

enum { MAX_FACTOR = 1 << 30 };

bool prim_split(struct applying *a)
{
    struct stage *g = NULL;
    const struct step_arg *parts = arg_key(a, "parts");
    if (!arg_count(a, parts ? 1 : 2, parts ? 1 : 2)) return false;
    int iter = arg_axis(a, 0, &g), o, i;
    int64_t factor = parts ? parts->i : 0;
    enum tail tail;
    if (iter < 0 || !arg_tail(a, TAIL_GUARD, &tail)) return false;
    if (parts && (parts->word || factor < 1 || factor > MAX_FACTOR))
        return fail_step(a, ERR_STEP_ARGS, parts, "parts= is a number of 1 or more");
    if (!parts && !arg_int(a, 1, 1, MAX_FACTOR, &factor)) return false;
    if (a->step->nout != 0 && a->step->nout != 2) return fail_step(a, ERR_STEP_ARGS, NULL, "names two loops after ->");
    return do_split(a, g, iter, factor, parts != NULL, tail, a->step->out[0], a->step->out[1], &o, &i);
}

bool prim_fuse(struct applying *a)
{
    struct stage *g = NULL;
    if (!arg_count(a, 2, STEP_MAX_ARGS)) return false;
    int n = npositional(a);
    int16_t it[STEP_MAX_ARGS];
    struct str name = str_on(&a->c->arena);
    for (int k = 0; k < n; k++) {
        int iter = arg_axis(a, k, &g);
        if (iter < 0 || !check_free(a, g, iter)) return false;
        it[k] = (int16_t)iter;
        const struct iter *x = &g->iter[iter];
        if (x->how != LOOP_SERIAL)
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "loop %s is already %s; fuse first", x->name, loop_kind_name[x->how]);
        if (x->reduce != g->iter[it[0]].reduce)
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s and %s: a data-parallel and a reduce loop do not fuse",
                             g->iter[it[0]].name, x->name);
        if (k && state_leaf_pos(g, iter) != state_leaf_pos(g, it[k - 1]) + 1) {
            fail_step(a, ERR_ILLEGAL_STEP, NULL, "loop %s is not right inside %s", x->name, g->iter[it[k - 1]].name);
            err_hint(&a->c->err, "reorder them next to each other first");
            return false;
        }
        str_put(&name, x->name);
    }
    if (a->step->nout > 1) return fail_step(a, ERR_STEP_ARGS, NULL, "names one loop after ->");
    int pos = state_leaf_pos(g, it[0]);
    replace_leaf(g, pos, n, 0, NULL);
    const char *wish = a->step->nout ? a->step->out[0] : free_iter_name(a, g, str_text(&name));
    if (!check_iter_name(a, g, wish)) return false;
    int fused = it[0];
    for (int k = 1; k < n; k++) {
        int f = new_iter(a, g, wish, g->iter[it[0]].reduce);
        if (f < 0) return false;
        g->rel[g->nrel++] = (struct rel){.kind = REL_FUSE, .parent = (int16_t)f, .outer = (int16_t)fused, .inner = it[k]};
        fused = f;
    }
    replace_leaf(g, pos, 0, 1, (int16_t[]){(int16_t)fused});
    return true;
}

static bool put_order(struct applying *a, struct stage *g, int n, const int16_t *it)
{
    int16_t pos[MAX_ITERS];
    for (int k = 0; k < n; k++) {
        if (!check_outside_region(a, g, it[k])) return false;
        pos[k] = (int16_t)state_leaf_pos(g, it[k]);
        for (int j = 0; j < k; j++)
            if (it[j] == it[k]) return fail_step(a, ERR_STEP_ARGS, NULL, "loop %s is named twice", g->iter[it[k]].name);
    }
    for (int k = 1; k < n; k++) /* the places, outermost first */
        for (int j = k; j > 0 && pos[j - 1] > pos[j]; j--) {
            int16_t t = pos[j];
            pos[j] = pos[j - 1];
            pos[j - 1] = t;
        }
    for (int k = 0; k < n; k++) g->leaf[pos[k]] = it[k];
    return true;
}

bool prim_reorder(struct applying *a)
{
    struct stage *g = NULL;
    if (!arg_count(a, 2, STEP_MAX_ARGS)) return false;
    int first = 0, n = npositional(a);
    int16_t it[STEP_MAX_ARGS];
    if (a->step->arg[0].word && !strchr(a->step->arg[0].word, '.')) {
        if (!(g = arg_stage(a, 0, NULL))) return false;
        first = 1;
    }
    for (int k = first; k < n; k++) {
        int iter = arg_axis(a, k, &g);
        if (iter < 0) return false;
        it[k - first] = (int16_t)iter;
    }
    return put_order(a, g, n - first, it);
}

bool prim_tile(struct applying *a)
{
    struct stage *g = NULL;
    int64_t fy, fx;
    if (!arg_count(a, 4, 4)) return false;
    int y = arg_axis(a, 0, &g), x = y < 0 ? -1 : arg_axis(a, 1, &g), yo, yi, xo, xi;
    if (x < 0 || !arg_int(a, 2, 1, MAX_FACTOR, &fy) || !arg_int(a, 3, 1, MAX_FACTOR, &fx)) return false;
    if (x == y) return fail_step(a, ERR_STEP_ARGS, NULL, "tiles two different loops");
    const char *const *out = a->step->out;
    if (a->step->nout != 0 && a->step->nout != 4) return fail_step(a, ERR_STEP_ARGS, NULL, "names four loops after ->");
    if (!do_split(a, g, y, fy, false, TAIL_GUARD, out[0], out[2], &yo, &yi) ||
        !do_split(a, g, x, fx, false, TAIL_GUARD, out[1], out[3], &xo, &xi))
        return false;
    return put_order(a, g, 4, (int16_t[]){(int16_t)yo, (int16_t)xo, (int16_t)yi, (int16_t)xi});
}

static bool mark(struct applying *a, struct stage *g, int iter, enum loop_kind how)
{
    struct iter *x = &g->iter[iter];
    const char *word = loop_kind_name[how];
    if (x->how != LOOP_SERIAL)
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "loop %s is already %s", x->name, loop_kind_name[x->how]);
    bool threads = how >= LOOP_THREAD_X && how <= LOOP_THREAD_Z;
    if (x->reduce && threads && g->tensor->dt == DT_F32)
        return fail_step(a, ERR_FLOAT_ORDER, NULL, "threads would add the terms of %s in an order of their own", g->tensor->name);
    if (x->reduce && how != LOOP_UNROLLED && !threads) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is a reduce loop: its iterations add to one element and cannot be %s",
                  x->name, word);
        err_hint(&a->c->err, "rfactor %s.%s first, or choose a data-parallel loop", g->tensor->name, x->name);
        return false;
    }
    if (!check_outside_region(a, g, iter)) return false;
    x->how = how;
    return true;
}

bool prim_mark(struct applying *a)
{
    struct stage *g = NULL;
    if (!arg_count(a, 1, 1)) return false;
    int iter = arg_axis(a, 0, &g);
    if (iter < 0) return false;
    return mark(a, g, iter, a->step->prim == PRIM_UNROLL ? LOOP_UNROLLED
                            : a->step->prim == PRIM_VECTORIZE ? LOOP_VECTORIZED : LOOP_PARALLEL);
}

bool prim_bind(struct applying *a)
{
    struct stage *g = NULL;
    if (!arg_count(a, 2, 2)) return false;
    int iter = arg_axis(a, 0, &g);
    if (iter < 0) return false;
    const struct step_arg *x = &a->step->arg[1];
    for (int k = LOOP_BLOCK_X; k < LOOP_KINDS; k++)
        if (x->word && !strcmp(x->word, loop_kind_name[k])) return mark(a, g, iter, (enum loop_kind)k);
    return fail_step(a, ERR_STEP_ARGS, x, "binds to blockIdx.x, .y, .z, threadIdx.x, .y, .z or vthread");
}

bool prim_annotate(struct applying *a)
{
    struct stage *g = NULL;
    if (!arg_count(a, 3, 3)) return false;
    if (a->step->arg[0].word && !strchr(a->step->arg[0].word, '.')) g = arg_stage(a, 0, NULL);
    else if (arg_axis(a, 0, &g) < 0) g = NULL;
    return g != NULL; /* the note is the step itself */
}
