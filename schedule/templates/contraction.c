/* SPDX-License-Identifier: Apache-2.0 */
/* contraction.c - recognises a sum of products. Contract in contraction.h. */
#include "schedule/templates/contraction.h"

bool con_candidate(const struct sched *s, int stage)
{
    const struct stage *g = s->state->stage[stage];
    const struct expr *red = stage_reduce(g);
    return red && (enum combiner)red->val.i == RED_SUM && g->tensor->dt == DT_I32 && red->kid[0]->op == OP_MUL &&
           g->attach == ATTACH_ROOT && !stage_scheduled(g);
}

static const struct stage *stage_of(const struct sched *s, const struct tensor *t)
{
    int i = state_stage_of(s->state, t);
    return i < 0 ? NULL : s->state->stage[i];
}

/* Does every value of t follow from weights alone? */
struct origin { const struct sched *s; bool input; };
static bool see_origin(const struct expr *e, void *u)
{
    struct origin *o = u;
    if (e->op == OP_READ) {
        const struct tensor *t = e->val.tensor;
        const struct stage *g = stage_of(o->s, t);
        if (g) ir_walk(g->body, see_origin, u);
        else if (t->kind == TENSOR_INPUT) o->input = true;
    }
    return !o->input;
}
static bool from_weights(const struct sched *s, const struct expr *e)
{
    struct origin o = {s, false};
    ir_walk(e, see_origin, &o);
    return !o.input;
}

/* e is v, or (part) begins with it: parts of one axis, one after the other. */
static bool runs_along(const struct expr *e, const struct var *v, bool part)
{
    if (e->op == OP_VAR) return e->val.var == v;
    for (int i = 0; part && e->op == OP_ADD && i < 2; i++)
        if (runs_along(e->kid[i], v, true) && !ir_uses(e->kid[1 - i], v)) return true;
    return false;
}

/* The dimension of the read that v alone indexes, v indexing no other; or (part) v and what says which part. -1: none. */
static int dim_of(const struct expr *read, const struct var *v, bool part)
{
    int found = -1;
    for_kids(read, d) {
        if (!ir_uses(read->kid[d], v)) continue;
        if (found >= 0 || !runs_along(read->kid[d], v, part)) return -1;
        found = d;
    }
    return found;
}

/* An axis of one term is no group where channels index both operands: a convolution of as many groups as channels is
 * depthwise. */
static void find_group(struct contraction *k)
{
    const struct stage *g = k->sum;
    bool lanes = false, part = k->s->target->family->kind == TARGET_SIMT; /* which copies operands by the sum's own axes */
    for (int d = 0; d < k->ndata; d++) lanes |= k->data[d].role == CON_BATCH && k->data[d].extent > 1;
    k->group = -1;
    for (int i = 0; i < k->nsum; i++) {
        const struct var *v = g->root_var[g->nroot_data + i];
        int xd = dim_of(k->xread, v, part), wd = dim_of(k->wread, v, part);
        if (xd < 0 || wd < 0 || k->xread->kid[xd] != k->wread->kid[wd] || (lanes && k->over[i].extent == 1)) continue;
        bool better = k->group < 0 || k->over[i].extent > k->over[k->group].extent ||
                      (k->over[i].extent == k->over[k->group].extent && xd > k->xgroup);
        if (!better) continue;
        k->group = i;
        k->xgroup = xd;
        k->wgroup = wd;
    }
}


/* The one stage that reads t; NULL: none, *many: several. */
static const struct stage *reader(const struct sched *s, const struct tensor *t, bool *many)
{
    const struct stage *found = NULL;
    *many = false;
    for (int i = 0; i < s->state->nstage; i++) {
        const struct stage *g = s->state->stage[i];
        if (!reads_tensor(g->body, t)) continue;
        if (found) *many = true;
        found = g;
    }
    return found;
}

struct find_read { const struct tensor *t; const struct expr *read; int different; };
static bool see_the_read(const struct expr *e, void *u)
{
    struct find_read *f = u;
    if (e->op == OP_READ && e->val.tensor == f->t) {
        f->different += f->read && f->read != e;
        f->read = e;
    }
    return true;
}

/* From the sum to the last elementwise stage after it: each reads the one before at its own axes, permuted. */
static void follow(struct contraction *k)
{
    const struct sched *s = k->s;
    k->last = k->sum;
    for (int d = 0; d < k->ndata; d++) k->data[d].out = k->data[d].name;
    for (;;) {
        bool many;
        const struct stage *next = reader(s, k->last->tensor, &many);
        if (!next || many || stage_reduce(next) || k->last->output) return;
        if (stage_scheduled(next) || next->attach != ATTACH_ROOT || next->tensor->ndim != k->ndata) return;
        struct find_read f = {k->last->tensor, NULL, 0};
        ir_walk(next->body, see_the_read, &f);
        if (f.different) return;
        const char *name[QJ_MAX_RANK];
        for (int d = 0; d < k->ndata; d++) { /* data[d] is axis `at` of the last stage, which is read by index at */
            int at = 0;
            while (strcmp(k->last->iter[at].name, k->data[d].out)) at++;
            int axis = -1;
            for (int i = 0; i < next->nroot_data; i++)
                if (f.read->kid[at]->op == OP_VAR && f.read->kid[at]->val.var == next->root_var[i]) axis = i;
            if (axis < 0) return;
            name[d] = next->iter[axis].name;
        }
        for (int d = 0; d < k->ndata; d++) k->data[d].out = name[d];
        if (k->last != k->sum) k->inlined[k->ninline++] = k->last->tensor;
        k->last = next;
    }
}

/* Back from x through elementwise stages. */
static void producers(struct contraction *k)
{
    k->xroot = k->x;
    for (;;) {
        const struct stage *g = stage_of(k->s, k->xroot);
        if (!g || stage_reduce(g) || g->output || g->attach != ATTACH_ROOT || stage_scheduled(g)) return;
        bool many;
        reader(k->s, k->xroot, &many);
        if (many && k->nxchain) return; /* somebody else needs it whole */
        const struct expr *one = NULL;
        struct find_read f = {NULL, NULL, 0};
        for (int i = 0; i < k->s->program->ntensor; i++) {
            f.t = k->s->program->tensor[i];
            f.read = NULL;
            ir_walk(g->body, see_the_read, &f);
            if (!f.read) continue;
            if (one || f.different) return;
            one = f.read;
        }
        k->xchain[k->nxchain++] = k->xroot;
        if (!one) return;
        k->xroot = one->val.tensor;
    }
}

static void sides(struct contraction *k)
{
    const struct sched *s = k->s;
    for (int i = 0; i < s->state->nstage; i++) {
        const struct stage *g = s->state->stage[i];
        if (g == k->sum || !stage_reduce(g) || g->output || !reads_tensor(g->body, k->x)) continue;
        bool read = reads_tensor(k->last->body, g->tensor);
        for (int n = 0; n < k->ninline; n++) read = read || reads_tensor(stage_of(s, k->inlined[n])->body, g->tensor);
        if (read && !stage_scheduled(g) && !from_weights(s, g->body)) k->side[k->nside++] = g->tensor;
    }
}

/* Templates call the parts of loop y y_b, y_t ...: an axis of such a name would be in their way. */
static const char *name_in_the_way(const struct contraction *k)
{
    const char *name[2 * QJ_MAX_RANK + QJ_MAX_PHYS];
    int n = 0;
    for (int d = 0; d < k->ndata; d++) {
        name[n++] = k->data[d].name;
        name[n++] = k->data[d].out;
    }
    for (int i = 0; i < k->nsum; i++) name[n++] = k->over[i].name;
    for (int i = 0; i < n; i++) {
        size_t len = strlen(name[i]);
        if (!strcmp(name[i], "blocks")) return name[i];
        for (int j = 0; j < n && len > 2; j++)
            if (strlen(name[j]) == len - 2 && !memcmp(name[i], name[j], len - 2) && name[i][len - 2] == '_') return name[i];
    }
    return NULL;
}

bool con_of(const struct sched *s, int stage, struct contraction *k, const char **why)
{
    const struct stage *g = s->state->stage[stage];
    const char *none;
    if (!why) why = &none;
    *k = (struct contraction){.s = s, .sum = g};
    if (!con_candidate(s, stage)) return *why = "it is no i32 sum of products without steps", false;
    const struct expr *a = exact_read(stage_reduce(g)->kid[0]->kid[0]), *b = exact_read(stage_reduce(g)->kid[0]->kid[1]);
    if (!a || !b)
        return *why = "a factor of the product is not an element of a tensor; define it as a tensor of its own", false;
    bool wa = from_weights(s, a), wb = from_weights(s, b);
    bool last = g->nroot_data && ir_uses(a, g->root_var[g->nroot_data - 1]); /* of two inputs, lanes run along the output's rows */
    if (wa == wb ? last : wa) { /* the weights second */
        const struct expr *t = a;
        a = b;
        b = t;
    }
    k->xread = a;
    k->wread = b;
    k->wfixed = wa || wb;
    k->x = a->val.tensor;
    k->w = b->val.tensor;
    k->ndata = g->nroot_data;
    k->nsum = g->nroot - g->nroot_data;
    for (int d = 0; d < k->ndata; d++) {
        bool inx = ir_uses(a, g->root_var[d]), inw = ir_uses(b, g->root_var[d]);
        enum con_role role = inx && inw ? CON_BATCH : inw ? CON_CHANNEL : CON_PIXEL;
        k->data[d] = (struct con_axis){g->iter[d].name, NULL, g->root_extent[d], role};
    }
    for (int i = 0; i < k->nsum; i++)
        k->over[i] = (struct con_sum){g->iter[g->nroot_data + i].name, g->root_extent[g->nroot_data + i]};
    find_group(k);
    follow(k);
    const char *taken = name_in_the_way(k);
    if (taken) {
        *why = arena_printf(&s->c->arena, "templates give the name of its axis `%s` to loops of their own; rename it", taken);
        return false;
    }
    producers(k);
    sides(k);
    return true;
}
