/* SPDX-License-Identifier: Apache-2.0 */
/* prim_stage.c - primitives on where a stage is computed and stored: compute_at compute_inline compute_root
 * set_scope cache_read cache_write transform_layout. prims.def has what they do. */
#include "schedule/state.h"

static bool check_not_output(struct applying *a, const struct stage *g)
{
    if (!g->output) return true;
    fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is an output of the kernel", g->tensor->name);
    err_hint(&a->c->err, "cache_write %s local gives a stage that computes it and can be moved", g->tensor->name);
    return false;
}

bool prim_compute_at(struct applying *a)
{
    int p, at;
    if (!arg_count(a, 2, 2)) return false;
    struct stage *g = arg_stage(a, 0, &p), *consumer = NULL;
    if (!g || !check_not_output(a, g)) return false;
    int iter = arg_axis(a, 1, &consumer);
    if (iter < 0) return false;
    at = state_stage_of(a->st, consumer->tensor);
    if (at <= p) {
        fail_step(a, ERR_ATTACH, &a->step->arg[1], "%s does not come after %s", consumer->tensor->name, g->tensor->name);
        return false;
    }
    if (consumer->attach == ATTACH_INLINE)
        return fail_step(a, ERR_ATTACH, &a->step->arg[1], "%s is inlined and has no loops", consumer->tensor->name);
    g->attach = ATTACH_AT;
    g->at_stage = at;
    g->at_iter = iter;
    if (!g->scope_set) g->scope = SCOPE_LOCAL;
    return true;
}

bool prim_compute_inline(struct applying *a)
{
    if (!arg_count(a, 1, 1)) return false;
    struct stage *g = arg_stage(a, 0, NULL);
    if (!g || !check_not_output(a, g) || !check_nothing_inside(a, g, "be inlined")) return false;
    if (stage_reduce(g)) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is a reduction; it needs a place to accumulate", g->tensor->name);
        err_hint(&a->c->err, "compute_at %s inside its consumer instead", g->tensor->name);
        return false;
    }
    g->attach = ATTACH_INLINE;
    return true;
}

bool prim_compute_root(struct applying *a)
{
    if (!arg_count(a, 1, 1)) return false;
    struct stage *g = arg_stage(a, 0, NULL);
    if (!g) return false;
    g->attach = ATTACH_ROOT;
    g->at_stage = g->at_iter = -1;
    if (!g->scope_set) g->scope = SCOPE_GLOBAL;
    return true;
}

bool prim_set_scope(struct applying *a)
{
    if (!arg_count(a, 2, 2)) return false;
    struct stage *g = arg_stage(a, 0, NULL);
    if (!g || !check_not_output(a, g) || !arg_scope(a, 1, &g->scope)) return false;
    g->scope_set = true;
    return true;
}

/* ---- new stages ---- */

static struct tensor *copy_tensor(struct applying *a, const struct tensor *of, const char *name, enum dtype dt)
{
    struct ir_ctx *c = a->c;
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, dt, of->ndim, of->shape);
    for (int i = 0; i < of->ndim; i++) {
        t->dim_name[i] = of->dim_name[i];
        t->axis[i] = ir_var(c, of->dim_name[i], of->shape[i]);
    }
    t->range = of->range;
    return t;
}

static const struct expr *read_by_axes(struct applying *a, const struct tensor *t, const struct tensor *axes_of)
{
    const struct expr *idx[QJ_MAX_RANK];
    for (int i = 0; i < t->ndim; i++) idx[i] = ir_var_expr(a->c, axes_of->axis[i]);
    return ir_read(a->c, t, idx);
}

static const char *new_name(struct applying *a, const struct tensor *of, enum scope scope)
{
    if (a->step->nout > 1) return fail_step(a, ERR_STEP_ARGS, NULL, "names one tensor after ->"), NULL;
    const char *name = a->step->nout ? a->step->out[0]
                                     : arena_printf(&a->c->arena, "%s_%s", of->name, scope_name[scope]);
    return check_new_tensor_name(a, name) ? name : NULL;
}

struct redirect { const struct tensor *from, *to; };

/* READ from -> READ to, keeping the reader's types: to holds the same values, perhaps in a wider type. */
static const struct expr *redirect_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct redirect *r = u;
    if (e->op == OP_READ && e->val.tensor == r->from)
        return ir_cast(c, r->from->dt, ir_read(c, r->to, e->kid));
    if (e->op == OP_CAST && e->kid[0]->op == OP_CAST && e->kid[0]->type.dt == r->from->dt) {
        const struct expr *inner = e->kid[0]->kid[0];
        if (inner->op == OP_READ && inner->val.tensor == r->to) return ir_cast(c, e->type.dt, inner);
    }
    return NULL;
}

bool prim_cache_read(struct applying *a)
{
    enum scope scope;
    enum dtype dt;
    if (!arg_count(a, 2, STEP_MAX_ARGS)) return false;
    const struct tensor *x = arg_tensor(a, 0);
    if (!x || !arg_scope(a, 1, &scope) || !arg_wider(a, x, &dt)) return false;
    const char *name = new_name(a, x, scope);
    if (!name) return false;
    struct tensor *t = copy_tensor(a, x, name, dt);
    int from = state_stage_of(a->st, x);
    t->body = ir_cast(a->c, dt, read_by_axes(a, x, t));
    struct stage *g = stage_new(a->c, t, t->body);
    g->scope = scope;
    g->scope_set = true;
    if (from >= 0)
        for (int i = 0; i < x->ndim; i++) g->root_extent[i] = a->st->stage[from]->root_extent[i];
    struct redirect r = {x, t};
    int n = npositional(a), changed = 0;
    for (int i = 0; i < a->st->nstage; i++) {
        struct stage *reader = a->st->stage[i];
        bool named = n == 2;
        for (int k = 2; k < n && !named; k++) {
            int which;
            if (!arg_stage(a, k, &which)) return false;
            named = which == i;
        }
        if (!named || !reads_tensor(reader->body, x)) continue;
        reader->body = ir_rewrite(a->c, reader->body, redirect_rule, &r);
        changed++;
    }
    if (changed == 0 || (n > 2 && changed < n - 2))
        return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is not read by %s", x->name, n == 2 ? "any stage" : "every stage named");
    return insert_stage(a, from + 1, g) >= 0;
}

bool prim_cache_write(struct applying *a)
{
    enum scope scope;
    int at;
    if (!arg_count(a, 2, 2)) return false;
    struct stage *g = arg_stage(a, 0, &at);
    if (!g || !arg_scope(a, 1, &scope)) return false;
    if (stage_scheduled(g) || g->attach != ATTACH_ROOT) {
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s already has loop steps", g->tensor->name);
        err_hint(&a->c->err, "give cache_write before splitting, reordering or moving the stage");
        return false;
    }
    if (!check_nothing_inside(a, g, "be cache_written")) return false;
    for (int i = 0; i < g->nroot_data; i++)
        if (g->root_extent[i] != g->tensor->shape[i])
            return fail_step(a, ERR_ILLEGAL_STEP, NULL, "%s is padded; cache_write before pad", g->tensor->name);
    const char *name = new_name(a, g->tensor, scope);
    if (!name) return false;
    struct tensor *t = copy_tensor(a, g->tensor, name, g->tensor->dt);
    const struct expr *axis[QJ_MAX_RANK];
    for (int i = 0; i < t->ndim; i++) axis[i] = ir_var_expr(a->c, t->axis[i]);
    t->body = ir_subst(a->c, g->body, t->ndim, g->tensor->axis, axis);
    struct stage *w = stage_new(a->c, t, t->body);
    for (int i = w->nroot_data; i < w->nroot; i++) w->root_extent[i] = g->root_extent[i];
    w->scope = scope;
    w->scope_set = true;
    struct stage *copy = stage_new(a->c, g->tensor, read_by_axes(a, t, g->tensor));
    stage_succeed(copy, g);
    a->st->stage[at] = copy;
    return insert_stage(a, at, w) >= 0;
}

/* ---- layouts ---- */

bool prim_transform_layout(struct applying *a)
{
    struct ir_ctx *c = a->c;
    if (!arg_count(a, 2, 2)) return false;
    const struct tensor *t = arg_tensor(a, 0);
    const struct step_arg *text = &a->step->arg[1], *axes = arg_key(a, "axes");
    if (!t) return false;
    for (int i = 0; i < a->step->narg; i++)
        if (!a->step->arg[i].key && a->step->arg[i].word && i > 0) text = &a->step->arg[i];
    if (!text->word) return fail_step(a, ERR_STEP_ARGS, text, "the layout is a word like NCHW16c");
    const char *letters = axes ? axes->word : layout_axes_of(c, t);
    if (!letters) {
        fail_step(a, ERR_LAYOUT, text, "the axes of %s have no single-letter names", t->name);
        err_hint(&c->err, "name them in order: axes=NHWC");
        return false;
    }
    struct span at = text->span.text ? text->span : a->step->span;
    const struct layout *l = layout_parse(c, text->word, strlen(text->word), letters, at);
    if (!l) return false;
    if (l->nlogical != t->ndim)
        return fail_step(a, ERR_LAYOUT, text, "%s has %d axes, the layout %d", t->name, t->ndim, l->nlogical);
    int g = state_stage_of(a->st, t);
    if (g >= 0) {
        a->st->stage[g]->layout = l;
        return true;
    }
    int i = 0;
    while (i < a->st->nlayout && a->st->layout[i].tensor != t) i++;
    if (i == MAX_STAGES) return fail_step(a, ERR_TOO_LARGE, NULL, "too many layouts");
    a->st->layout[i] = (struct arg_layout){t, l};
    if (i == a->st->nlayout) a->st->nlayout++;
    return true;
}
