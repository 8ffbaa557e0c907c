/* SPDX-License-Identifier: Apache-2.0 */
/* template.c - the `template` statement: which template, which candidate, and why. Contract in template.h. */
#include "schedule/templates/template.h"

#include <stdlib.h>

/* In the order they are tried; each by itself says what it fits. */
static const struct tmpl *const templates[] = {&tmpl_stem, &tmpl_depthwise, &tmpl_conv2d, &tmpl_dense, &tmpl_plain, &tmpl_gpu};

const struct prim_info sch_template = {
    "template", "[NAME] [stage=STAGE] [row=INTRINSIC] [mr=N] [nr=N] [rows=N] [cols=N] [step=N] [outer=0|1] [tile=0|2|4] "
    "[nth=N] [pick=N]",
    "Chooses the steps of every sum of products that has none yet: by the first template that fits, or by NAME, and the "
    "candidate that the model expects to be fastest among those with the given knobs. mr by nr: pixels (rows of a matrix) by "
    "channels (columns) of a register tile. rows: how many rows of activations are converted together. outer: threads share "
    "out blocks of pixels (0) or panels of channels (1). On GPUs mr by nr are a thread's, rows by cols the threads of a block, and "
    "step is how many channels are fetched at a time. tile: a side of Winograd's output tile, 0 for none. nth: not the "
    "best but the N-th in the model's order; pick: the fastest on this machine of the best N. `explain` shows "
    "what it would choose and why, `steps` what it chose; they are steps like others, to be edited and undone.",
    "for m { for n { for k } }", "parallel m_b { for n_p { for m_t { dot4_u8i8_vnni512(...) x 24 } } }",
};

/* Those of struct choice, in its order; then those of the statement itself. */
enum { CHOICE_KNOBS = 8 };
static const char *const knobs[] = {"row", "mr", "nr", "rows", "cols", "step", "outer", "tile", "stage", "nth", "pick"};

const char *sch_template_word(int i, bool *is_knob)
{
    int n = (int)ARRAY_LEN(templates);
    *is_knob = i >= n;
    return i < n ? templates[i]->name : i - n < (int)ARRAY_LEN(knobs) ? knobs[i - n] : NULL;
}

const char *tmpl_fresh(const struct contraction *k, const char *base)
{
    const struct program *p = k->s->program;
    const struct state *st = k->s->state;
    const char *name = base;
    for (int i = 2;; i++) {
        bool taken = false;
        for (int t = 0; t < p->ntensor; t++) taken = taken || !strcmp(p->tensor[t]->name, name);
        for (int t = 0; t < st->nstage; t++) taken = taken || !strcmp(st->stage[t]->tensor->name, name);
        if (!taken) return name;
        name = arena_printf(&k->s->c->arena, "%s%d", base, i);
    }
}

int tmpl_offset(const struct tensor *x, enum dtype to)
{
    if (x->dt == DT_I8 && to == DT_U8) return 128;
    return x->dt == DT_U8 && to == DT_I8 ? -128 : 0;
}

/* Of one kind: an instruction, or a way of doing without, whose steps are accepted or refused alike. */
static bool alike(const struct choice *a, const struct choice *b)
{
    return a->row == b->row && a->tile == b->tile && !a->cols == !b->cols && a->nr == b->nr && a->async == b->async;
}

bool cand_add(struct candidates *to, struct choice c)
{
    const struct choice *f = &to->fixed;
    if ((f->row && f->row != c.row) || (f->mr && f->mr != c.mr) || (f->nr && f->nr != c.nr) || (f->rows && f->rows != c.rows) ||
        (f->cols && f->cols != c.cols) || (f->step && f->step != c.step) ||
        (f->outer >= 0 && f->outer != c.outer) || (f->tile >= 0 && f->tile != c.tile))
        return false;
    int same = 0, worst = -1;
    for (int i = 0; i < to->n; i++) {
        if (!alike(&to->at[i], &c)) continue;
        same++;
        if (worst < 0 || to->at[i].cycles > to->at[worst].cycles) worst = i;
    }
    if (same < TMPL_PER_ROW && to->n < TMPL_MAX_CANDIDATES) to->at[to->n++] = c;
    else if (worst >= 0 && c.cycles < to->at[worst].cycles) to->at[worst] = c;
    return true;
}

static int by_cycles(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    return x->cycles < y->cycles ? -1 : x->cycles > y->cycles;
}

/* ---- choosing ---- */

struct wish {
    const struct tmpl *tmpl;        /* NULL: the first that fits */
    int stage;                      /* -1: every sum of products without steps */
    struct choice fixed;
    int nth;                        /* in the model's order, from 1 */
    struct span at;
    const char *passed;             /* why a sum of products was left alone */
};

enum { TMPL_ATTEMPTS = 16 };

/* Applies the best candidate whose steps are all accepted. */
static bool apply_best(struct sched *s, const struct contraction *k, const struct tmpl *t, const struct wish *w)
{
    struct ir_ctx *c = s->c;
    struct candidates *list = ARENA_NEW(&c->arena, struct candidates);
    list->fixed = w->fixed;
    t->candidates(k, list);
    if (list->n < w->nth) return false;
    qsort(list->at, (size_t)list->n, sizeof list->at[0], by_cycles);
    const struct choice *refused[TMPL_ATTEMPTS];
    for (int i = w->nth - 1, tries = 0; i < list->n && tries < TMPL_ATTEMPTS; i++) {
        const struct choice *at = &list->at[i]; /* what one register tile was refused for, others are too */
        int same = 0;
        while (same < tries && !alike(at, refused[same])) same++;
        if (same < tries) continue;
        struct str text = str_on(&c->arena);
        err_clear(&c->err);
        t->steps(k, at, &text);
        if (sch_text_whole(s, str_text(&text))) return true;
        refused[tries++] = at;
    }
    return false;
}

/* *served: a template has done it, which may take no steps at all. */
static bool choose(struct sched *s, int stage, struct wish *w, bool *served)
{
    struct ir_ctx *c = s->c;
    struct contraction k;
    const char *why = NULL, *name = s->state->stage[stage]->tensor->name;
    if (!con_of(s, stage, &k, &why)) {
        if (!w->tmpl && w->stage < 0) { /* not ours to schedule */
            w->passed = arena_printf(&c->arena, "no template serves %s: %s", name, why);
            return true;
        }
        err_set(&c->err, ERR_TEMPLATE, w->at, "no template serves %s: %s", name, why);
        return false;
    }
    const char *first = NULL; /* of the templates that fit: what the knobs are meant for */
    for (size_t i = 0; i < ARRAY_LEN(templates); i++) {
        const struct tmpl *t = templates[i];
        if (w->tmpl && w->tmpl != t) continue;
        bool other = t->kind != s->target->family->kind;
        if (other) why = t->kind == TARGET_SIMT ? "the target is no GPU" : "the target is a GPU";
        if (other || !t->fits(&k, &why)) {
            if (w->tmpl) return err_set(&c->err, ERR_TEMPLATE, w->at, "%s does not fit %s: %s", t->name, name, why);
            continue;
        }
        if (!first) first = t->name;
        if (apply_best(s, &k, t, w)) return *served = true;
        bool more = false;
        for (size_t n = i + 1; n < ARRAY_LEN(templates); n++) more |= templates[n]->kind == t->kind;
        if (!w->tmpl && more) err_clear(&c->err);
        else if (!err_is(&c->err)) {
            err_set(&c->err, ERR_TEMPLATE, w->at, "%s has no candidate for %s with these knobs on target %s", first, name,
                    s->target->name);
            err_hint(&c->err, "`explain` says why instructions are passed over; leave knobs free");
        }
    }
    return !err_is(&c->err);
}

/* ---- the statement ---- */

static bool unknown(struct sched *s, const struct step_arg *a, const char *what, const char *word)
{
    err_set(&s->c->err, ERR_TEMPLATE, a->span, "no %s `%s`", what, word);
    struct str all = str_on(&s->c->arena);
    for (size_t i = 0; i < ARRAY_LEN(templates); i++) str_printf(&all, "%s%s", i ? ", " : "", templates[i]->name);
    str_put(&all, "; knobs: ");
    for (size_t i = 0; i < ARRAY_LEN(knobs); i++) str_printf(&all, "%s%s", i ? ", " : "", knobs[i]);
    err_hint(&s->c->err, "templates: %s", str_text(&all));
    return false;
}

static bool knob(struct sched *s, const struct step_arg *a, struct wish *w)
{
    int *const number[CHOICE_KNOBS] = {NULL, &w->fixed.mr, &w->fixed.nr, &w->fixed.rows, &w->fixed.cols, &w->fixed.step,
                                       &w->fixed.outer, &w->fixed.tile};
    if (!strcmp(a->key, "stage")) {
        for (int i = 0; a->word && i < s->state->nstage; i++)
            if (!strcmp(s->state->stage[i]->tensor->name, a->word)) w->stage = i;
        return w->stage >= 0 || unknown(s, a, "stage", a->word ? a->word : "?");
    }
    if (!strcmp(a->key, "nth")) {
        w->nth = !a->word && a->i > 0 && a->i <= TMPL_MAX_CANDIDATES ? (int)a->i : 0;
        return w->nth || err_set(&s->c->err, ERR_TEMPLATE, a->span, "nth= takes a number from 1 to %d", TMPL_MAX_CANDIDATES);
    }
    for (int i = 0; i < CHOICE_KNOBS; i++) {
        if (strcmp(knobs[i], a->key)) continue;
        if (i == 0) {
            w->fixed.row = a->word ? target_intrin(s->target, a->word) : NULL;
            return w->fixed.row || unknown(s, a, "instruction on this target named", a->word ? a->word : "?");
        }
        bool outer = number[i] == &w->fixed.outer, tile = number[i] == &w->fixed.tile;
        int64_t least = outer || tile ? 0 : 1, most = outer ? 1 : tile ? 4 : 1 << 20;
        if (a->word || a->i < least || a->i > most)
            return err_set(&s->c->err, ERR_TEMPLATE, a->span, "%s= takes a number in %d..%d", a->key, (int)least, (int)most);
        *number[i] = (int)a->i;
        return true;
    }
    return unknown(s, a, "knob", a->key);
}

/* Of several sums, those that knobs say nothing to are served as if there were none. *knobs_serve: one took them. */
static bool choose_of_all(struct sched *s, int stage, struct wish *w, bool *done, bool *knobs_serve)
{
    struct err_state *e = &s->c->err;
    bool served = false;
    if (choose(s, stage, w, &served)) {
        *done |= served;
        *knobs_serve |= served;
        return true;
    }
    if (w->stage >= 0 || !err_is(e) || e->first.code != ERR_TEMPLATE) return false;
    struct wish none = *w;
    none.fixed = (struct choice){.outer = -1, .tile = -1};
    none.nth = 1;
    err_clear(e);
    return choose(s, stage, &none, done);
}

bool tmpl_apply(struct sched *s, const struct step_arg *arg, int narg, struct span at)
{
    struct wish w = {.stage = -1, .nth = 1, .fixed = {.outer = -1, .tile = -1}, .at = at};
    for (int i = 0; i < narg; i++) {
        for (int j = 0; j < i && arg[i].key; j++)
            if (arg[j].key && !strcmp(arg[j].key, arg[i].key))
                return err_set(&s->c->err, ERR_TEMPLATE, arg[i].span, "%s= is given twice", arg[i].key);
        if (arg[i].key) {
            if (!knob(s, &arg[i], &w)) return false;
            continue;
        }
        const struct tmpl *named = NULL;
        for (size_t t = 0; arg[i].word && t < ARRAY_LEN(templates); t++)
            if (!strcmp(templates[t]->name, arg[i].word)) named = templates[t];
        if (!named || w.tmpl) return unknown(s, &arg[i], named ? "second template like" : "template", arg[i].word ? arg[i].word : "?");
        w.tmpl = named;
    }
    struct sched_save before;
    sch_save(s, &before);
    bool done = false, knobs_serve = false;
    int first = -1;
    for (int again = 1; again;) { /* steps make new stages: look again after each */
        again = 0;
        for (int i = 0; i < s->state->nstage && !again; i++) {
            if (w.stage >= 0 && i != w.stage) continue;
            if (w.stage < 0 && !con_candidate(s, i)) continue;
            int steps = sch_nsteps(s);
            if (first < 0) first = i;
            if (!choose_of_all(s, i, &w, &done, &knobs_serve)) {
                sch_restore(s, &before);
                return false;
            }
            again = w.stage < 0 && sch_nsteps(s) > steps;
        }
    }
    if (done && knobs_serve) return true;
    if (done) { /* knobs that no sum has a candidate with: say so of the first */
        sch_restore(s, &before);
        return choose(s, first, &w, &done);
    }
    err_set(&s->c->err, ERR_TEMPLATE, at, "%s", w.passed ? w.passed : "there is no sum of products without steps");
    err_hint(&s->c->err, "a template works on stages like `C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])`; undo steps to "
             "choose again");
    return false;
}

/* ---- explain ---- */

bool tmpl_takes(struct sched *s, const char *stage, const struct intrin *row)
{
    struct wish w = {.stage = -1, .nth = 1, .fixed = {.row = row, .outer = -1, .tile = -1}};
    for (int i = 0; i < s->state->nstage; i++)
        if (!strcmp(s->state->stage[i]->tensor->name, stage) && con_candidate(s, i)) w.stage = i;
    if (w.stage < 0 || err_is(&s->c->err)) return false;
    struct sched_save before;
    sch_save(s, &before);
    bool served = false, done = choose(s, w.stage, &w, &served) && served;
    sch_restore(s, &before);
    err_clear(&s->c->err);
    return done;
}

static void put_choice(struct str *out, const struct choice *c)
{
    str_printf(out, "%s", c->row ? c->row->row->name : "plain loops");
    if (c->mr) str_printf(out, " mr=%d nr=%d", c->mr, c->nr);
    if (c->cols) str_printf(out, " rows=%d cols=%d step=%d", c->rows, c->cols, c->step);
    else if (c->rows) str_printf(out, " rows=%d outer=%d", c->rows, c->outer);
    if (c->tile) str_printf(out, " tile=%d", c->tile);
    if (c->async) str_put(out, " async");
    if (c->offset) str_printf(out, " by activations %+d", c->offset);
}

static struct explain_row choice_row(struct ir_ctx *c, const struct choice *k)
{
    struct str text = str_on(&c->arena);
    put_choice(&text, k);
    return (struct explain_row){.of_template = true, .fits = true, .where = str_text(&text), .cycles = k->cycles,
                                .mac_per_cycle = k->row ? k->row->row->mac_per_cycle : 0};
}

/* The rows from `from` on are those of this template, asked about this stage. */
static void sign_rows(struct explained *out, size_t from, const char *stage, const char *tmpl)
{
    for (size_t i = from; i < out->row.n; i++) {
        out->row.at[i].stage = stage;
        out->row.at[i].name = tmpl;
    }
}

/* The best candidate, the best of the next few instructions, and those passed over. False: there is none. */
static bool explain_template(const struct contraction *k, const struct tmpl *t, bool chosen, struct explained *out)
{
    struct arena *a = &k->s->c->arena;
    struct explained passed = {.c = k->s->c};
    struct candidates *list = ARENA_NEW(a, struct candidates);
    list->fixed.outer = list->fixed.tile = -1;
    list->why = &passed;
    t->candidates(k, list);
    qsort(list->at, (size_t)list->n, sizeof list->at[0], by_cycles);
    if (list->n == 0) VEC_PUSH(a, out->row, ((struct explain_row){.of_template = true, .why = "no instruction of this target serves"}));
    const struct intrin *seen = NULL;
    for (int i = 0, shown = 0; i < list->n && shown < 4; i++) {
        if (i && list->at[i].row == seen) continue;
        seen = list->at[i].row;
        struct explain_row r = choice_row(k->s->c, &list->at[i]);
        r.taken = !chosen && shown == 0;
        shown++;
        if (!r.taken) r.why = chosen ? "a template before it fits" : "slower by the model";
        VEC_PUSH(a, out->row, r);
    }
    for (size_t i = 0; i < passed.row.n; i++) VEC_PUSH(a, out->row, passed.row.at[i]);
    return list->n > 0;
}

void tmpl_explain(struct sched *s, struct explained *out)
{
    struct contraction k;
    for (int i = 0; i < s->state->nstage; i++) {
        if (!con_candidate(s, i)) continue;
        const char *why = NULL, *stage = s->state->stage[i]->tensor->name;
        bool chosen = false, any = con_of(s, i, &k, &why);
        for (size_t t = 0; t < ARRAY_LEN(templates); t++) {
            size_t from = out->row.n;
            if (templates[t]->kind != s->target->family->kind) continue;
            if (any && templates[t]->fits(&k, &why)) chosen |= explain_template(&k, templates[t], chosen, out);
            else VEC_PUSH(&s->c->arena, out->row, ((struct explain_row){.of_template = true, .why = why}));
            sign_rows(out, from, stage, templates[t]->name);
        }
    }
}
