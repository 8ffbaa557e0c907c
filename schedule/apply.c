/* SPDX-License-Identifier: Apache-2.0 */
/* apply.c - what primitives share: reading arguments, naming, growing a state. Contract in state.h. */
#include "schedule/state.h"

bool fail_step(struct applying *a, enum err_code code, const struct step_arg *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *msg = arena_vprintf(&a->c->arena, fmt, ap);
    va_end(ap);
    struct span where = at && at->span.text ? at->span : a->step->span;
    err_set(&a->c->err, code, where, "%s: %s", prim_info[a->step->prim].name, msg);
    if (code == ERR_STEP_ARGS)
        err_hint(&a->c->err, "%s %s", prim_info[a->step->prim].name, prim_info[a->step->prim].syntax);
    return false;
}

/* The k-th argument without a key. */
static const struct step_arg *positional(const struct applying *a, int k)
{
    for (int i = 0; i < a->step->narg; i++)
        if (!a->step->arg[i].key && k-- == 0) return &a->step->arg[i];
    return NULL;
}

int npositional(const struct applying *a)
{
    int n = 0;
    for (int i = 0; i < a->step->narg; i++) n += !a->step->arg[i].key;
    return n;
}

const struct step_arg *arg_key(const struct applying *a, const char *key)
{
    for (int i = 0; i < a->step->narg; i++)
        if (a->step->arg[i].key && !strcmp(a->step->arg[i].key, key)) return &a->step->arg[i];
    return NULL;
}

bool arg_count(struct applying *a, int lo, int hi)
{
    int n = npositional(a);
    if (n < lo) return fail_step(a, ERR_STEP_ARGS, NULL, "needs %d argument%s, got %d", lo, lo == 1 ? "" : "s", n);
    if (n > hi) return fail_step(a, ERR_STEP_ARGS, positional(a, hi), "takes at most %d arguments", hi);
    const char *syntax = prim_info[a->step->prim].syntax;
    for (int i = 0; i < a->step->narg; i++) {
        const struct step_arg *x = &a->step->arg[i];
        if (x->key && !strstr(syntax, arena_printf(&a->c->arena, "%s=", x->key)))
            return fail_step(a, ERR_STEP_ARGS, x, "has no option `%s`", x->key);
    }
    return true;
}

static bool unknown(struct applying *a, enum err_code code, const struct step_arg *x, const char *what,
                    const char *word, const char *const *names, int n)
{
    fail_step(a, code, x, "no %s named `%s`", what, word);
    const char *near = err_suggest(word, names, (size_t)n);
    struct str list = str_on(&a->c->arena);
    for (int i = 0; i < n; i++) str_printf(&list, "%s%s", i ? " " : "", names[i]);
    if (near) err_hint(&a->c->err, "did you mean `%s`? there are: %s", near, str_text(&list));
    else err_hint(&a->c->err, "there are: %s", str_text(&list));
    return false;
}

static int find_stage(struct applying *a, const struct step_arg *x, const char *name)
{
    const char *names[MAX_STAGES];
    for (int i = 0; i < a->st->nstage; i++) {
        names[i] = a->st->stage[i]->tensor->name;
        if (!strcmp(names[i], name)) return i;
    }
    unknown(a, ERR_NO_STAGE, x, "stage", name, names, a->st->nstage);
    return -1;
}

static const struct step_arg *arg_word(struct applying *a, int k, const char *what)
{
    const struct step_arg *x = positional(a, k);
    if (x && x->word) return x;
    fail_step(a, ERR_STEP_ARGS, x, "argument %d is %s", k + 1, what);
    return NULL;
}

struct stage *arg_stage(struct applying *a, int k, int *index)
{
    const struct step_arg *x = arg_word(a, k, "the name of a stage");
    int i = x ? find_stage(a, x, x->word) : -1;
    if (index) *index = i;
    return i < 0 ? NULL : a->st->stage[i];
}

struct stage *arg_stage_named(struct applying *a, const struct step_arg *at, const char *name)
{
    int i = find_stage(a, at, name);
    return i < 0 ? NULL : a->st->stage[i];
}

const struct tensor *arg_tensor(struct applying *a, int k)
{
    const struct step_arg *x = arg_word(a, k, "the name of a tensor");
    if (!x) return NULL;
    const char *names[MAX_STAGES * 2];
    int n = 0;
    for (int i = 0; i < a->st->nstage && n < (int)ARRAY_LEN(names); i++) {
        names[n++] = a->st->stage[i]->tensor->name;
        if (!strcmp(names[n - 1], x->word)) return a->st->stage[i]->tensor;
    }
    for (int i = 0; i < a->program->ntensor; i++) {
        const struct tensor *t = a->program->tensor[i];
        if (t->kind == TENSOR_COMPUTE) continue;
        if (!strcmp(t->name, x->word)) return t;
        if (n < (int)ARRAY_LEN(names)) names[n++] = t->name;
    }
    unknown(a, ERR_NO_STAGE, x, "tensor", x->word, names, n);
    return NULL;
}

int arg_axis(struct applying *a, int k, struct stage **g)
{
    const struct step_arg *x = arg_word(a, k, *g ? "the name of a loop" : "a loop, written STAGE.AXIS");
    if (!x) return -1;
    const char *dot = strchr(x->word, '.'), *axis = dot ? dot + 1 : x->word;
    if (dot) {
        int i = find_stage(a, x, arena_strndup(&a->c->arena, x->word, (size_t)(dot - x->word)));
        if (i < 0) return -1;
        if (*g && *g != a->st->stage[i]) {
            fail_step(a, ERR_STEP_ARGS, x, "all loops belong to one stage, here %s", (*g)->tensor->name);
            return -1;
        }
        *g = a->st->stage[i];
    } else if (!*g) {
        fail_step(a, ERR_STEP_ARGS, x, "`%s` does not say which stage", x->word);
        return -1;
    }
    const char *names[MAX_ITERS];
    for (int i = 0; i < (*g)->nleaf; i++) {
        names[i] = (*g)->iter[(*g)->leaf[i]].name;
        if (!strcmp(names[i], axis)) return (*g)->leaf[i];
    }
    const char *what = arena_printf(&a->c->arena, "loop of stage %s", (*g)->tensor->name);
    unknown(a, ERR_NO_AXIS, x, what, axis, names, (*g)->nleaf);
    return -1;
}

bool arg_int(struct applying *a, int k, int64_t lo, int64_t hi, int64_t *out)
{
    const struct step_arg *x = positional(a, k);
    if (!x || x->word) return fail_step(a, ERR_STEP_ARGS, x, "argument %d is a number", k + 1);
    if (x->i < lo || x->i > hi)
        return fail_step(a, ERR_STEP_ARGS, x, "%lld is not in %lld..%lld", (long long)x->i, (long long)lo, (long long)hi);
    *out = x->i;
    return true;
}

bool arg_scope(struct applying *a, int k, enum scope *out)
{
    const struct step_arg *x = arg_word(a, k, "a scope: global, shared or local");
    if (!x) return false;
    for (int i = 0; i < SCOPE_ARG; i++)
        if (!strcmp(x->word, scope_name[i])) {
            *out = (enum scope)i;
            return true;
        }
    return unknown(a, ERR_STEP_ARGS, x, "scope", x->word, scope_name, SCOPE_ARG);
}

bool arg_tail(struct applying *a, enum tail dflt, enum tail *out)
{
    static const char *const names[] = {[TAIL_GUARD] = "guard", [TAIL_PEEL] = "peel", [TAIL_PAD] = "pad",
                                        [TAIL_ERROR] = "error"};
    const struct step_arg *x = arg_key(a, "tail");
    *out = dflt;
    if (!x) return true;
    const char *syntax = prim_info[a->step->prim].syntax;
    for (int i = 0; x->word && i < (int)ARRAY_LEN(names); i++)
        if (!strcmp(names[i], x->word) && strstr(syntax, names[i])) {
            *out = (enum tail)i;
            return true;
        }
    return fail_step(a, ERR_STEP_ARGS, x, "tail= takes the words listed in its help");
}

bool arg_wider(struct applying *a, const struct tensor *t, enum dtype *dt)
{
    const struct step_arg *x = arg_key(a, "as");
    *dt = t->dt;
    if (!x) return true;
    if (!x->word || !dt_by_name(x->word, strlen(x->word), dt))
        return fail_step(a, ERR_STEP_ARGS, x, "as= takes an element type, e.g. as=i16");
    if (*dt == t->dt) return true;
    struct range r = dtype_range(*dt);
    if (dt_is_int(t->dt) && dt_is_int(*dt) && t->range.lo >= r.lo && t->range.hi <= r.hi) return true;
    fail_step(a, ERR_TYPE, x, "%s holds %s in %lld..%lld, which %s does not hold exactly", t->name,
              dtype_info[t->dt].name, (long long)t->range.lo, (long long)t->range.hi, dtype_info[*dt].name);
    err_hint(&a->c->err, "choose a wider type, or declare a narrower range for %s", t->name);
    return false;
}

/* ---- names ---- */

static bool iter_taken(const struct stage *g, const char *name)
{
    for (int i = 0; i < g->nleaf; i++)
        if (!strcmp(g->iter[g->leaf[i]].name, name)) return true;
    return false;
}

bool check_iter_name(struct applying *a, const struct stage *g, const char *name)
{
    if (!iter_taken(g, name)) return true;
    return fail_step(a, ERR_REDEFINED, NULL, "stage %s already has a loop named `%s`", g->tensor->name, name);
}

const char *free_iter_name(struct applying *a, const struct stage *g, const char *wish)
{
    const char *name = wish;
    for (int i = 2; iter_taken(g, name); i++) name = arena_printf(&a->c->arena, "%s%d", wish, i);
    return name;
}

bool check_new_tensor_name(struct applying *a, const char *name)
{
    bool taken = false;
    for (int i = 0; i < a->st->nstage; i++) taken |= !strcmp(a->st->stage[i]->tensor->name, name);
    for (int i = 0; i < a->program->ntensor; i++) taken |= !strcmp(a->program->tensor[i]->name, name);
    return taken ? fail_step(a, ERR_REDEFINED, NULL, "`%s` is already the name of a tensor", name) : true;
}

bool check_nothing_inside(struct applying *a, const struct stage *g, const char *what)
{
    for (int i = 0; i < a->st->nstage; i++) {
        const struct stage *p = a->st->stage[i];
        if (p->attach != ATTACH_AT || a->st->stage[p->at_stage] != g) continue;
        fail_step(a, ERR_ILLEGAL_STEP, NULL, "stage %s is computed at a loop of %s, which cannot %s while it is", p->tensor->name,
                  g->tensor->name, what);
        return err_hint(&a->c->err, "give this step before compute_at, or compute_root %s first", p->tensor->name), false;
    }
    return true;
}

/* ---- growing ---- */

int new_iter(struct applying *a, struct stage *g, const char *name, bool reduce)
{
    if (g->niter == MAX_ITERS || g->nrel == MAX_RELS) {
        fail_step(a, ERR_TOO_LARGE, NULL, "stage %s has too many loops", g->tensor->name);
        return -1;
    }
    g->iter[g->niter] = (struct iter){name, reduce, LOOP_SERIAL};
    return g->niter++;
}

int insert_stage(struct applying *a, int at, struct stage *g)
{
    struct state *st = a->st;
    if (st->nstage == MAX_STAGES) {
        fail_step(a, ERR_TOO_LARGE, NULL, "a schedule has at most %d stages", MAX_STAGES);
        return -1;
    }
    memmove(&st->stage[at + 1], &st->stage[at], (size_t)(st->nstage - at) * sizeof st->stage[0]);
    st->stage[at] = g;
    st->nstage++;
    for (int i = 0; i < st->nstage; i++)
        if (i != at && st->stage[i]->at_stage >= at) st->stage[i]->at_stage++;
    return at;
}
