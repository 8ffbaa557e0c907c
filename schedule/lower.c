/* SPDX-License-Identifier: Apache-2.0 */
/* lower.c - a state becomes functions: inlines, decides what is packed ahead, makes the arguments, and puts the
 * stages' nests together. See lower_impl.h for the other two thirds. */
#include "ir/print.h"
#include "ir/simplify.h"
#include "ir/verify.h"
#include "schedule/lower_impl.h"

bool lower_fail(struct lower *w, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *msg = arena_vprintf(&w->c->arena, fmt, ap);
    va_end(ap);
    return err_set(&w->c->err, code, (struct span){0}, "%s", msg);
}

/* ---- inlining ---- */

static const struct expr *inline_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    struct lower *w = u;
    if (e->op != OP_READ) return NULL;
    int i = state_stage_of(w->st, e->val.tensor);
    if (i < 0 || w->st->stage[i]->attach != ATTACH_INLINE) return NULL;
    const struct lstage *x = &w->stage[i]; /* producers come first, so its body is done */
    return ir_subst(c, x->body, x->g->nroot_data, x->g->root_var, e->kid);
}

/* ---- places ---- */

struct sources { struct lower *w; int place[PLACES]; };
static bool count_read(const struct expr *e, void *u)
{
    struct sources *s = u;
    if (e->op != OP_READ) return true;
    const struct tensor *t = e->val.tensor;
    int i = state_stage_of(s->w->st, t);
    enum place of_tensor = t->kind != TENSOR_WEIGHT ? PLACE_MAIN : t->values ? PLACE_EMBED : PLACE_PACK;
    s->place[i >= 0 ? s->w->stage[i].place : of_tensor]++;
    return true;
}

/* What is computed from weights alone, at the root, is the pack function's work; from embedded ones, the compiler's. */
static enum place place_of(struct lower *w, int i)
{
    const struct stage *g = w->st->stage[i];
    if (g->output || g->attach != ATTACH_ROOT || g->scope != SCOPE_GLOBAL) return PLACE_MAIN;
    struct sources s = {w, {0}};
    ir_walk(w->stage[i].body, count_read, &s);
    if (s.place[PLACE_NONE] || s.place[PLACE_MAIN]) return PLACE_MAIN;
    return s.place[PLACE_EMBED] && !s.place[PLACE_PACK] ? PLACE_EMBED : PLACE_PACK;
}

static bool read_by(const struct lower *w, int i, enum place by)
{
    for (int d = i + 1; d < w->st->nstage; d++)
        if (w->stage[d].place == by && reads_tensor(w->stage[d].body, w->st->stage[i]->tensor)) return true;
    return false;
}

/* By a function that runs later than `than` does. */
static bool read_later(const struct lower *w, int i, enum place than)
{
    for (int by = PLACE_MAIN; by < (int)than; by++)
        if (read_by(w, i, (enum place)by)) return true;
    return false;
}

static void places(struct lower *w)
{
    for (int i = 0; i < w->st->nstage; i++) { /* forward: what could be packed */
        w->stage[i].place = w->st->stage[i]->attach == ATTACH_INLINE ? PLACE_NONE
                                                                        : place_of(w, i);
    }
    for (int i = w->st->nstage - 1; i >= 0; i--) { /* backward: what is needed */
        if (w->stage[i].place == PLACE_NONE || w->st->stage[i]->output) continue;
        if (!read_later(w, i, PLACES)) w->stage[i].place = PLACE_NONE;
    }
}

/* A stage computed at a loop of a packed stage goes where that stage goes. */
static void follow_attached(struct lower *w)
{
    for (int i = w->st->nstage - 1; i >= 0; i--) {
        const struct stage *g = w->st->stage[i];
        if (w->stage[i].place != PLACE_NONE && g->attach == ATTACH_AT && w->stage[g->at_stage].place != PLACE_NONE)
            w->stage[i].place = w->stage[g->at_stage].place;
    }
}

/* ---- storage ---- */

static struct range hull(struct range r, int64_t v) { return (struct range){i64_min(r.lo, v), i64_max(r.hi, v)}; }

/* What the stage's memory may hold at any time: also partial results, from the identity on, and the zeros that
 * padding added. */
static struct range stored_range(const struct stage *g)
{
    struct range r = g->tensor->range;
    const struct expr *red = stage_reduce(g);
    bool extended = false;
    for (int d = 0; d < g->nroot_data; d++) extended |= g->root_extent[d] != g->tensor->shape[d];
    if (extended || (red && red->val.i == RED_SUM)) r = hull(r, 0);
    if (red && red->val.i == RED_MAX) r.lo = dtype_info[g->tensor->dt].lo;
    if (red && red->val.i == RED_MIN) r.hi = dtype_info[g->tensor->dt].hi;
    return r;
}

/* storage_align, where the axis is outermost in its layout. */
static bool leave_gaps(struct lower *w, const struct lstage *x)
{
    const struct stage *g = x->g;
    struct buffer *b = x->buf;
    int d = 0;
    if (!g->align.factor) return true;
    while (g->layout ? g->layout->phys[d].dim != g->align.dim : d != g->align.dim) d++;
    d += lower_slots(w, (int)(x - w->stage)) > 1;
    const char *name = g->tensor->name, *axis = g->tensor->dim_name[g->align.dim];
    if (b->scope == SCOPE_ARG) {
        lower_fail(w, ERR_ILLEGAL_STEP, "%s is an argument of a function, which lies in memory without gaps", name);
        return err_hint(&w->c->err, "storage_align a stage that copies it: cache_read %s shared", name), false;
    }
    if (d == b->ndim - 1) {
        lower_fail(w, ERR_ILLEGAL_STEP, "%s is the innermost axis of %s: its elements are neighbours", axis, name);
        return err_hint(&w->c->err, "align an axis outside of it: gaps come between rows"), false;
    }
    b->gap[d] = ir_apply_int(OP_MOD, DT_I64, g->align.offset - buffer_stride(b, d), g->align.factor, NULL);
    return true;
}

static struct buffer *make_buffer(struct lower *w, const struct lstage *x, enum scope scope, bool written)
{
    const struct stage *g = x->g;
    int64_t phys[QJ_MAX_PHYS], slots = lower_slots(w, (int)(x - w->stage));
    int n = layout_shape(g->layout, g->nroot_data, x->root_extent, phys + (slots > 1)) + (slots > 1);
    if (slots > 1) phys[0] = slots;
    struct buffer *b = ir_buffer(w->c, g->tensor->name, g->tensor->dt, scope, n, phys);
    b->range = stored_range(g);
    b->written = written;
    b->async = g->async && scope == SCOPE_SHARED;
    b->tensor = g->tensor;
    return b;
}

static bool make_buffers(struct lower *w)
{
    bool kernels = false;
    for (int i = 0; i < w->st->nstage; i++) kernels |= stage_is_bound(w->st, i);
    for (int i = 0; i < w->st->nstage; i++) {
        struct lstage *x = &w->stage[i];
        const struct stage *g = x->g;
        if (x->place == PLACE_NONE) continue;
        if (!lower_check_pipeline(w, i)) return false;
        bool arg = g->output || (g->attach == ATTACH_ROOT && read_later(w, i, x->place));
        bool alone = kernels && g->attach == ATTACH_ROOT; /* a kernel of its own: what it leaves is in global memory */
        x->buf = make_buffer(w, x, arg ? SCOPE_ARG : alone ? SCOPE_GLOBAL : g->scope, arg);
        if (!leave_gaps(w, x)) return false;
        if (buffer_bytes(x->buf) < 0)
            return lower_fail(w, ERR_TOO_LARGE, "stage %s would need 2^47 bytes or more", g->tensor->name);
        if (arg && !g->output) x->packed = make_buffer(w, x, SCOPE_ARG, false);
    }
    return true;
}

int lower_index(struct lower *w, const struct lstage *x, const struct expr *const *idx, const struct expr **phys)
{
    const struct expr *local[QJ_MAX_RANK];
    int n = x->g->nroot_data;
    for (int d = 0; d < n; d++) local[d] = ir_sub(w->c, idx[d], x->lo[d]);
    int p = (int)(x - w->stage), slot = lower_slots(w, p) > 1;
    n = layout_index(w->c, x->g->layout, n, local, phys + slot) + slot;
    if (slot) phys[0] = lower_slot(w, p);
    for (int d = 0; d < n; d++) phys[d] = ir_simplify(w->c, phys[d], NULL);
    return n;
}

static int program_index(const struct lower *w, const struct tensor *t)
{
    int i = 0;
    while (w->program->tensor[i] != t) i++;
    return i;
}

static struct buffer *arg_buffer(struct lower *w, const struct tensor *t)
{
    struct buffer **b = &w->arg[w->now][program_index(w, t)];
    if (!*b) {
        int64_t phys[QJ_MAX_PHYS];
        int n = layout_shape(state_layout(w->st, t), t->ndim, t->shape, phys);
        *b = ir_buffer(w->c, t->name, t->dt, SCOPE_ARG, n, phys);
        (*b)->range = t->range;
        (*b)->tensor = t;
    }
    return *b;
}

const struct expr *lower_load(struct lower *w, const struct tensor *t, const struct expr *const *idx)
{
    const struct expr *phys[QJ_MAX_PHYS];
    int i = state_stage_of(w->st, t);
    if (i >= 0) {
        const struct lstage *x = &w->stage[i];
        int n = lower_index(w, x, idx, phys);
        return ir_load(w->c, x->place > w->now ? x->packed : x->buf, n, phys);
    }
    const struct buffer *b = arg_buffer(w, t);
    int n = layout_index(w->c, state_layout(w->st, t), t->ndim, idx, phys);
    for (int d = 0; d < n; d++) phys[d] = ir_simplify(w->c, phys[d], NULL);
    return ir_load(w->c, b, n, phys);
}

/* ---- functions ---- */

static const struct stmt *function_body(struct lower *w, enum place place)
{
    const struct stmt *body = NULL;
    w->now = place;
    for (int i = w->st->nstage - 1; i >= 0; i--) {
        const struct lstage *x = &w->stage[i];
        if (x->place != place || x->g->attach != ATTACH_ROOT) continue;
        const struct stmt *own = lower_nest(w, i);
        if (!own) return NULL;
        const struct stmt *two[2] = {own, body};
        body = ir_seq(w->c, 2, two);
        if (x->buf->scope != SCOPE_ARG) body = ir_alloc(w->c, x->buf, body);
    }
    return lower_kernels(w, ir_simplify_stmt(w->c, body, NULL));
}

struct arglist {
    VEC(struct kernel_arg) arg;
    VEC(const struct buffer *) buf;
};

static void add_arg(struct lower *w, struct arglist *l, enum arg_role role, const struct tensor *t,
                    const struct layout *layout, const struct buffer *b)
{
    struct kernel_arg a = {role, t, layout, b};
    VEC_PUSH(&w->c->arena, l->arg, a);
    VEC_PUSH(&w->c->arena, l->buf, b);
}

/* Program arguments that the function reads. An input that nothing reads stays an argument of main: the
 * signature follows the program, not the optimiser. */
static void add_program_args(struct lower *w, struct arglist *l, enum place place, bool embedded)
{
    for (int i = 0; i < w->program->ntensor; i++) {
        const struct tensor *t = w->program->tensor[i];
        if (t->kind == TENSOR_COMPUTE || (t->values != NULL) != embedded) continue;
        bool input = t->kind == TENSOR_INPUT;
        w->now = place;
        if (!w->arg[place][i] && !(input && place == PLACE_MAIN)) continue;
        add_arg(w, l, embedded ? ARG_EMBEDDED : input ? ARG_INPUT : ARG_WEIGHT, t, state_layout(w->st, t),
                arg_buffer(w, t));
    }
}

/* What was made by the function that runs at `made`, and read by the one at `place`. */
static void add_made(struct lower *w, struct arglist *l, enum place place, enum place made, enum arg_role role)
{
    for (int i = 0; i < w->st->nstage; i++)
        if (w->stage[i].packed && w->stage[i].place == made && read_by(w, i, place))
            add_arg(w, l, role, w->st->stage[i]->tensor, w->st->stage[i]->layout, w->stage[i].packed);
}

/* What the function at `place` makes for those that run later. */
static void add_results(struct lower *w, struct arglist *l, enum place place)
{
    for (int i = 0; i < w->st->nstage; i++) {
        const struct stage *g = w->st->stage[i];
        if (place == PLACE_MAIN ? g->output : w->stage[i].packed && w->stage[i].place == place)
            add_arg(w, l, place == PLACE_MAIN ? ARG_OUTPUT : ARG_PACKED, g->tensor, g->layout, w->stage[i].buf);
    }
}

static const struct func *make_func(struct lower *w, const char *name, const struct arglist *l, const struct stmt *body)
{
    struct func *f = ARENA_NEW(&w->c->arena, struct func);
    *f = (struct func){name, (int)l->buf.n, l->buf.at, body};
    return verify_func(w->c, f, 0) ? f : NULL;
}

static const struct func *lower_func(struct lower *w, enum place place, const char *name,
                                     const struct kernel_arg **arg, int *nembedded)
{
    struct arglist l = {0};
    const struct stmt *body = function_body(w, place);
    if (!body) return NULL;
    add_program_args(w, &l, place, place == PLACE_EMBED);
    if (place == PLACE_MAIN) add_made(w, &l, place, PLACE_PACK, ARG_PACKED);
    add_results(w, &l, place);
    int n = (int)l.arg.n;
    if (place != PLACE_EMBED) {
        add_program_args(w, &l, place, true);
        add_made(w, &l, place, PLACE_EMBED, ARG_EMBEDDED);
    }
    *nembedded = (int)l.arg.n - n;
    *arg = l.arg.at;
    return make_func(w, name, &l, body);
}

/* Twice it is an int64 as well. */
static int64_t count_macs(const struct program *p)
{
    const int64_t most = INT64_MAX / 2;
    int64_t total = 0;
    for (int i = 0; i < p->ntensor; i++) {
        const struct tensor *t = p->tensor[i];
        if (t->kind != TENSOR_COMPUTE || t->body->op != OP_REDUCE) continue;
        enum combiner k = (enum combiner)t->body->val.i;
        if ((k != RED_SUM && k != RED_FMA) || t->body->kid[0]->op != OP_MUL) continue;
        int64_t n = 1;
        bool fits = true;
        for (int d = 0; d < t->ndim; d++) fits = fits && ck_mul(n, t->shape[d], &n);
        for (int d = 1; d < t->body->nkid; d++) fits = fits && ck_mul(n, t->body->kid[d]->val.var->extent, &n);
        if (!fits || n > most - total) return most;
        total += n;
    }
    return total;
}

/* Each stage at the root is a kernel of its own on a GPU: one of its loops, or of those computed inside, is bound. */
static void find_unbound(struct lower *w, struct lowered *l)
{
    for (int i = 0; i < w->st->nstage && !l->unbound; i++) {
        const struct stage *g = w->st->stage[i];
        enum place at = w->stage[i].place;
        if (at == PLACE_NONE || at == PLACE_EMBED || g->attach != ATTACH_ROOT || stage_is_bound(w->st, i)) continue;
        l->unbound = g->tensor->name;
        for (int k = g->nleaf; k-- > 0;)
            if (!g->iter[g->leaf[k]].reduce) l->unbound_loop = g->iter[g->leaf[k]].name;
    }
}

struct lower *lower_prepare(struct sched *s, const struct state *st)
{
    struct ir_ctx *c = s->c;
    struct lower *w = ARENA_NEW(&c->arena, struct lower);
    *w = (struct lower){.c = c, .st = st, .program = s->program, .target = s->target, .now = PLACE_MAIN};
    w->stage = ARENA_ARRAY(&c->arena, struct lstage, w->st->nstage);
    for (int i = 0; i < w->st->nstage; i++) {
        w->stage[i].g = w->st->stage[i];
        w->stage[i].body = ir_rewrite(c, w->st->stage[i]->body, inline_rule, w);
    }
    places(w);
    follow_attached(w);
    return lower_regions(w) && make_buffers(w) ? w : NULL;
}

struct lowered *lower_state(struct sched *s, const struct state *st)
{
    struct ir_ctx *c = s->c;
    struct lower *w = lower_prepare(s, st);
    if (!w) return NULL;
    struct lowered *l = ARENA_NEW(&c->arena, struct lowered);
    *l = (struct lowered){.program = s->program, .target = s->target, .macs = count_macs(s->program)};
    const char *name = s->program->name;
    bool made[PLACES] = {false};
    int none;
    for (int i = 0; i < st->nstage; i++) made[w->stage[i].place] |= w->stage[i].packed != NULL;
    l->main = lower_func(w, PLACE_MAIN, name, &l->arg, &l->nembedded);
    if (made[PLACE_PACK])
        l->pack = lower_func(w, PLACE_PACK, arena_printf(&c->arena, "%s_pack", name), &l->pack_arg, &l->pack_nembedded);
    if (made[PLACE_EMBED])
        l->embed = lower_func(w, PLACE_EMBED, arena_printf(&c->arena, "%s_embed", name), &l->embed_arg, &none);
    if (!l->main || made[PLACE_PACK] != (l->pack != NULL) || made[PLACE_EMBED] != (l->embed != NULL)) return NULL;
    if (s->target->family->kind == TARGET_SIMT) find_unbound(w, l);
    lower_notes(w, l);
    return l;
}
