/* SPDX-License-Identifier: Apache-2.0 */
/* sched.c - the step list and the state it amounts to. Contract in sched.h, state.h. */
#include "schedule/state.h"

#include "ir/print.h"

const struct prim_info prim_info[PRIM_COUNT] = {
#define PRIM(code, name, syntax, help, before, after) {name, syntax, help, before, after},
#include "schedule/prims.def"
#undef PRIM
};

static prim_fn *const prim_run[PRIM_COUNT] = {
    [PRIM_SPLIT] = prim_split, [PRIM_FUSE] = prim_fuse, [PRIM_MERGE] = prim_merge,
    [PRIM_REORDER] = prim_reorder, [PRIM_TILE] = prim_tile,
    [PRIM_UNROLL] = prim_mark, [PRIM_VECTORIZE] = prim_mark, [PRIM_PARALLEL] = prim_mark, [PRIM_BIND] = prim_bind,
    [PRIM_COMPUTE_AT] = prim_compute_at, [PRIM_COMPUTE_INLINE] = prim_compute_inline,
    [PRIM_COMPUTE_ROOT] = prim_compute_root, [PRIM_CACHE_READ] = prim_cache_read,
    [PRIM_REINDEX] = prim_reindex, [PRIM_OFFSET] = prim_offset, [PRIM_CACHE_WRITE] = prim_cache_write, [PRIM_SET_SCOPE] = prim_set_scope, [PRIM_RFACTOR] = prim_rfactor,
    [PRIM_PAD] = prim_pad, [PRIM_SLIDE] = prim_slide, [PRIM_TRANSFORM_LAYOUT] = prim_transform_layout,
    [PRIM_STORAGE_ALIGN] = prim_storage_align, [PRIM_DOUBLE_BUFFER] = prim_double_buffer,
    [PRIM_ASYNC] = prim_async, [PRIM_TENSORIZE] = prim_tensorize, [PRIM_ANNOTATE] = prim_annotate, [PRIM_WINOGRAD] = prim_winograd,
    [PRIM_CAP] = prim_cap,
};

bool prim_by_name(const char *s, size_t n, enum prim *out)
{
    for (int i = 0; i < PRIM_COUNT; i++)
        if (strlen(prim_info[i].name) == n && !memcmp(prim_info[i].name, s, n)) {
            *out = (enum prim)i;
            return true;
        }
    return false;
}

/* ---- the state ---- */

const struct expr *stage_reduce(const struct stage *g) { return g->body->op == OP_REDUCE ? g->body : NULL; }

struct reads { const struct tensor *t; bool found; };
static bool see_read(const struct expr *e, void *u)
{
    struct reads *r = u;
    if (e->op == OP_READ && e->val.tensor == r->t) r->found = true;
    return !r->found;
}
bool reads_tensor(const struct expr *e, const struct tensor *t)
{
    struct reads r = {t, false};
    ir_walk(e, see_read, &r);
    return r.found;
}

const struct expr *exact_read(const struct expr *e)
{
    const struct expr *read = e;
    while (read->op == OP_CAST) read = read->kid[0];
    if (read->op != OP_READ) return NULL;
    const struct tensor *t = read->val.tensor;
    for (; e != read; e = e->kid[0]) {
        if (!dt_is_int(t->dt) || !dt_is_int(e->type.dt) || !dt_holds((enum dtype)e->type.dt, t->range)) return NULL;
    }
    return read;
}

struct stage *stage_new(struct ir_ctx *c, const struct tensor *t, const struct expr *body)
{
    struct stage *g = ARENA_NEW(&c->arena, struct stage);
    g->tensor = t;
    g->body = body;
    g->tensorize_iter = g->at_stage = g->at_iter = -1;
    g->scope = SCOPE_GLOBAL;
    for (int i = 0; i < t->ndim; i++) {
        g->root_var[g->nroot] = t->axis[i];
        g->root_extent[g->nroot++] = t->shape[i];
    }
    g->nroot_data = g->nroot;
    if (body->op == OP_REDUCE)
        for (int i = 1; i < body->nkid; i++) {
            g->root_var[g->nroot] = body->kid[i]->val.var;
            g->root_extent[g->nroot++] = body->kid[i]->val.var->extent;
        }
    for (int i = 0; i < g->nroot; i++) {
        g->iter[i] = (struct iter){g->root_var[i]->name, i >= g->nroot_data, LOOP_SERIAL};
        g->leaf[i] = (int16_t)i;
    }
    g->niter = g->nleaf = g->nroot;
    return g;
}

void stage_succeed(struct stage *g, const struct stage *old)
{
    g->output = old->output;
    g->layout = old->layout;
    g->align = old->align;
    g->copies = old->copies;
    g->async = old->async;
    g->attach = old->attach;
    g->at_stage = old->at_stage;
    g->at_iter = old->at_iter;
    g->scope = old->scope;
    g->scope_set = old->scope_set;
}

bool stage_scheduled(const struct stage *g)
{
    if (g->nrel || g->tensorize_iter >= 0) return true;
    for (int i = 0; i < g->nleaf; i++)
        if (g->leaf[i] != i || g->iter[i].how != LOOP_SERIAL) return true;
    return false;
}

int state_stage_of(const struct state *st, const struct tensor *t)
{
    for (int i = 0; i < st->nstage; i++)
        if (st->stage[i]->tensor == t) return i;
    return -1;
}

int state_leaf_pos(const struct stage *g, int iter)
{
    for (int i = 0; i < g->nleaf; i++)
        if (g->leaf[i] == iter) return i;
    return -1;
}

const struct layout *state_layout(const struct state *st, const struct tensor *t)
{
    int g = state_stage_of(st, t);
    if (g >= 0 && st->stage[g]->layout) return st->stage[g]->layout;
    for (int i = 0; i < st->nlayout; i++)
        if (st->layout[i].tensor == t) return st->layout[i].layout;
    return t->layout;
}

static struct state *state_copy(struct ir_ctx *c, const struct state *from)
{
    struct state *st = arena_copy(&c->arena, from, sizeof *from);
    for (int i = 0; i < st->nstage; i++)
        st->stage[i] = arena_copy(&c->arena, from->stage[i], sizeof *from->stage[i]);
    return st;
}

/* ---- schedules ---- */

struct sched *sch_new(struct ir_ctx *c, const struct program *p, const struct target *t)
{
    if (!p || !t) return NULL;
    struct sched *s = ARENA_NEW(&c->arena, struct sched);
    s->c = c;
    s->program = p;
    s->target = t;
    s->state = ARENA_NEW(&c->arena, struct state);
    struct span nowhere = {0};
    for (int i = 0; i < p->ntensor; i++) {
        const struct tensor *x = p->tensor[i];
        if (x->kind != TENSOR_COMPUTE) continue;
        if (s->state->nstage == MAX_STAGES)
            return err_set(&c->err, ERR_TOO_LARGE, nowhere, "a program has at most %d computed tensors", MAX_STAGES), NULL;
        struct stage *g = stage_new(c, x, x->body);
        g->output = true;
        for (int k = i + 1; k < p->ntensor; k++)
            if (p->tensor[k]->kind == TENSOR_COMPUTE && reads_tensor(p->tensor[k]->body, x)) g->output = false;
        s->state->stage[s->state->nstage++] = g;
    }
    s->end = ir_mark(c);
    if (s->state->nstage == 0)
        return err_set(&c->err, ERR_NO_SCHEDULE, nowhere, "the program computes nothing"), NULL;
    return s;
}

/* The nest of the schedule before the refused step goes with the error. */
static void show_nest(struct sched *s)
{
    struct ir_ctx *c = s->c;
    if (c->err.first.detail) return;
    struct err kept = c->err.first;
    c->err.first.code = ERR_NONE; /* lowering needs a clean state; strings of `kept` stay in err's arena */
    const struct lowered *l = sch_lower(s);
    struct str out = str_on(&c->arena);
    if (l) print_func(&out, l->main);
    c->err.first = kept;
    if (l) err_detail(&c->err, str_text(&out));
}

static void keep(struct sched *s, const struct step *st, struct state *trial, struct lowered *l)
{
    struct past *past = ARENA_NEW(&s->c->arena, struct past);
    struct step *kept = arena_copy(&s->c->arena, st, sizeof *st);
    past->was = *s;
    VEC_PUSH(&s->c->arena, s->steps, kept);
    s->past = past;
    s->state = trial;
    s->lowered = l;
    s->end = ir_mark(s->c);
}

static struct state *try_step(struct sched *s, const struct step *st)
{
    struct state *trial = state_copy(s->c, s->state);
    struct applying a = {s->c, s->target, s->program, trial, st};
    return prim_run[st->prim](&a) ? trial : NULL;
}

bool sch_record(struct sched *s, const struct step *st)
{
    if (err_is(&s->c->err) || !sch_settle(s)) return false;
    struct state *trial = try_step(s, st);
    if (trial) keep(s, st, trial, NULL);
    return trial != NULL;
}

bool sch_apply(struct sched *s, const struct step *st)
{
    struct ir_ctx *c = s->c;
    if (err_is(&c->err) || !sch_settle(s)) return false;
    struct state *trial = try_step(s, st);
    struct lowered *l = trial ? lower_state(s, trial) : NULL;
    if (l) {
        keep(s, st, trial, l);
        sch_lower(s); /* its text now: filled in later, it could come from memory that a call takes back */
        return true;
    }
    QJ_ASSERT(err_is(&c->err));
    if (!c->err.first.span.text) {
        c->err.first.span = st->span;
        if (st->span.text) c->err.first.span.text = arena_strdup(&c->err.arena, st->span.text);
        if (st->span.file) c->err.first.span.file = arena_strdup(&c->err.arena, st->span.file);
    }
    c->err.first.step = (int)s->steps.n + 1;
    show_nest(s);
    return false;
}

bool sch_undo(struct sched *s)
{
    if (s->steps.n == 0)
        return err_set(&s->c->err, ERR_NOTHING_TO_UNDO, (struct span){0}, "there is no step to undo");
    if (!sch_settle(s)) return false;
    *s = s->past->was;
    ir_reset(s->c, s->end);
    return true;
}

_Static_assert(sizeof(struct sched) <= sizeof(struct sched_save), "a schedule's handle fits its saved form");
void sch_save(const struct sched *s, struct sched_save *out) { memcpy(out->bytes, s, sizeof *s); }
void sch_restore(struct sched *s, const struct sched_save *from) { memcpy(s, from->bytes, sizeof *s); }

struct sched *sch_replay(struct ir_ctx *c, const struct sched *from, const struct program *p, const struct target *t)
{
    struct sched *s = sch_new(c, p, t);
    for (size_t i = 0; s && i < from->steps.n; i++) {
        if (!sch_apply(s, from->steps.at[i])) return NULL;
        const struct chosen *k = p->ntensor == from->program->ntensor ? from->chosen : NULL;
        while (k && k->first + k->n != i + 1) k = k->before;
        if (k) s->chosen = k;
    }
    if (s) s->memory = from->memory;
    return s;
}

/* ---- steps that are remembered ---- */

void sch_remember(struct sched *s, const struct sch_memory *m) { s->memory = m; }
bool sch_is_recalled(const struct sched *s) { return s->recalled != NULL; }

void sch_own_state(struct sched *s) { s->state = state_copy(s->c, s->state); }

bool sch_append(struct sched *s, const struct step *st)
{
    struct step *kept = arena_copy(&s->c->arena, st, sizeof *st);
    struct applying a = {s->c, s->target, s->program, s->state, kept};
    if (err_is(&s->c->err) || !prim_run[st->prim](&a)) return false;
    VEC_PUSH(&s->c->arena, s->steps, kept);
    s->lowered = NULL;
    return true;
}

bool sch_settle(struct sched *s)
{
    const struct recalled *r = s->recalled;
    if (!r || err_is(&s->c->err)) return !r;
    *s = r->before;
    if (sch_choose_again(s, &r->statement, r->steps) && sch_lower(s)) return true;
    err_clear(&s->c->err);
    *s = r->before;
    s->memory->forget(s->memory->u, r->key);
    return sch_choose_anew(s, &r->statement);
}

/* ---- lowering ---- */

const struct lowered *sch_lower(struct sched *s)
{
    if (!sch_settle(s)) return NULL;
    if (!s->lowered && !err_is(&s->c->err)) s->lowered = lower_state(s, s->state);
    if (!s->lowered || s->lowered->steps) return s->lowered;
    s->lowered->steps = sch_text(&s->c->arena, s);
    s->end = ir_mark(s->c);
    return s->lowered;
}

int sch_nsteps(const struct sched *s) { return (int)s->steps.n; }
const struct step *sch_step_at(const struct sched *s, int i) { return s->steps.at[i]; }
const struct program *sch_program(const struct sched *s) { return s->program; }
const struct target *sch_target(const struct sched *s) { return s->target; }
int sch_nstages(const struct sched *s) { return s->state->nstage; }
const char *sch_stage_name(const struct sched *s, int g) { return s->state->stage[g]->tensor->name; }
int sch_naxes(const struct sched *s, int g) { return s->state->stage[g]->nleaf; }
const char *sch_axis_name(const struct sched *s, int g, int axis)
{
    const struct stage *st = s->state->stage[g];
    return st->iter[st->leaf[axis]].name;
}
