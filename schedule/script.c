/* SPDX-License-Identifier: Apache-2.0 */
/* script.c - steps as text, both ways.
 *
 *     step := PRIMITIVE {arg} ["->" NAME {NAME}]
 *     template := "template" {arg}
 *     arg  := NAME{"."NAME} | INT | NAME "=" (NAME | INT) | "with"          # "with" is filler
 */
#include "schedule/state.h"
#include "schedule/templates/template.h"

static const char *const filler = "with", *const template_word = "template";

static struct span span_to(struct span from, struct span last)
{
    from.len = last.at + last.len - from.at;
    return from;
}

/* NAME{.NAME} as one word. */
static char *dotted(struct lexer *lx, struct span *at)
{
    *at = lx->tok.span;
    char *word = lex_name(lx);
    while (word && lex_is(lx, ".")) {
        struct span dot = lx->tok.span;
        lex_next(lx);
        struct span last = lx->tok.span;
        char *more = lex_name(lx);
        if (!more) return NULL;
        (void)dot;
        word = arena_printf(&lx->ctx->arena, "%s.%s", word, more);
        *at = span_to(*at, last);
    }
    return word;
}

static bool parse_value(struct lexer *lx, struct step_arg *a)
{
    a->span = lx->tok.span;
    if (lx->tok.kind == TOK_NAME) return (a->word = dotted(lx, &a->span)) != NULL;
    if (lx->tok.kind == TOK_INT || lex_is(lx, "-")) return lex_int(lx, &a->i);
    return err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "expected a name or a number here");
}

static bool parse_arg(struct lexer *lx, struct step *st)
{
    if (st->narg == STEP_MAX_ARGS)
        return err_set(&lx->ctx->err, ERR_STEP_ARGS, lx->tok.span, "a step has at most %d arguments", STEP_MAX_ARGS);
    struct step_arg a = {0};
    if (!parse_value(lx, &a)) return false;
    if (a.word && lex_accept(lx, "=")) {
        const char *key = a.word;
        a.word = NULL;
        if (!parse_value(lx, &a)) return false;
        a.key = key;
    }
    if (a.word && !a.key && !strcmp(a.word, filler)) return true;
    st->arg[st->narg++] = a;
    return true;
}

static bool at_end(const struct lexer *lx) { return lx->tok.kind == TOK_EOL || lx->tok.kind == TOK_END; }

bool sch_is_step(const char *word, size_t n)
{
    enum prim p;
    return prim_by_name(word, n, &p) || (n == strlen(template_word) && !memcmp(word, template_word, n));
}

static bool parse_step(struct lexer *lx, struct step *st, bool *template)
{
    struct err_state *e = &lx->ctx->err;
    *st = (struct step){.span = lx->tok.span};
    *template = lex_is(lx, template_word);
    if (*template) {
        st->prim = PRIM_COUNT;
    } else if (lx->tok.kind != TOK_NAME || !prim_by_name(lx->tok.text, lx->tok.len, &st->prim)) {
        err_set(e, ERR_SYNTAX, lx->tok.span, "not a schedule primitive");
        const char *names[PRIM_COUNT], *word = arena_strndup(&lx->ctx->arena, lx->tok.text, lx->tok.len);
        for (int i = 0; i < PRIM_COUNT; i++) names[i] = prim_info[i].name;
        const char *near = err_suggest(word, names, PRIM_COUNT);
        if (near) err_hint(e, "did you mean `%s`?", near);
        return false;
    }
    struct span last = lx->tok.span;
    lex_next(lx);
    while (!err_is(e) && !at_end(lx) && !lex_is(lx, "->")) {
        last = lx->tok.span;
        if (!parse_arg(lx, st)) return false;
    }
    if (!*template && lex_accept(lx, "->"))
        while (!err_is(e) && !at_end(lx)) {
            if (st->nout == STEP_MAX_OUT)
                return err_set(e, ERR_STEP_ARGS, lx->tok.span, "at most %d names follow ->", STEP_MAX_OUT);
            last = lx->tok.span;
            if (!(st->out[st->nout++] = lex_name(lx))) return false;
        }
    st->span = span_to(st->span, last);
    return !err_is(e);
}

static struct lexer lexer_on_copy(struct sched *s, const char *text)
{
    return lex_on(s->c, NULL, arena_strdup(&s->c->arena, text), strlen(text));
}

/* Primitives alone, none lowered. False: perhaps an error, and perhaps some of them are recorded. */
static bool each_step(struct sched *s, const char *text, bool (*take)(struct sched *, const struct step *))
{
    struct lexer lx = lexer_on_copy(s, text);
    struct step st;
    bool template, ok = true;
    while (ok && !err_is(&s->c->err) && lex_skip_ends(&lx))
        ok = parse_step(&lx, &st, &template) && !template && take(s, &st);
    return ok && !err_is(&s->c->err);
}

/* ---- text ---- */

static void print_args(struct str *out, const struct step *st)
{
    for (int i = 0; i < st->narg; i++) {
        const struct step_arg *a = &st->arg[i];
        str_putc(out, ' ');
        if (a->key) str_printf(out, "%s=", a->key);
        if (a->word) str_put(out, a->word);
        else str_printf(out, "%lld", (long long)a->i);
    }
}

void sch_print_step(struct str *out, const struct step *st)
{
    str_put(out, prim_info[st->prim].name);
    print_args(out, st);
    for (int i = 0; i < st->nout; i++) str_printf(out, "%s %s", i ? "" : " ->", st->out[i]);
}

static const char *words_of(struct arena *a, const struct step *statement)
{
    struct str out = str_on(a);
    print_args(&out, statement);
    return str_text(&out);
}

static const char *text_from(struct arena *a, const struct sched *s, size_t first)
{
    struct str out = str_on(a);
    for (size_t i = first; i < s->steps.n; i++) {
        sch_print_step(&out, s->steps.at[i]);
        str_putc(&out, '\n');
    }
    return str_text(&out);
}

/* ---- choosing ---- */

/* `template`: remembered, so that another target can choose anew. nth= is a place among one target's candidates. */
static bool note_choice(struct sched *s, const struct step *statement, size_t first)
{
    if (s->steps.n == first) return true;
    struct chosen *k = ARENA_NEW(&s->c->arena, struct chosen);
    *k = (struct chosen){.statement = *statement, .first = first, .n = s->steps.n - first, .before = s->chosen};
    struct step *st = &k->statement;
    int n = 0;
    for (int i = 0; i < st->narg; i++)
        if (!st->arg[i].key || strcmp(st->arg[i].key, "nth")) st->arg[n++] = st->arg[i];
    st->narg = n;
    s->chosen = k;
    s->end = ir_mark(s->c);
    return true;
}

bool sch_choose_anew(struct sched *s, const struct step *statement)
{
    size_t first = s->steps.n;
    return tmpl_apply(s, statement->arg, statement->narg, statement->span) && note_choice(s, statement, first);
}

bool sch_choose_again(struct sched *s, const struct step *statement, const char *steps)
{
    size_t first = s->steps.n;
    return each_step(s, steps, sch_record) && note_choice(s, statement, first);
}

/* None is lowered. False: as before, without an error. */
static bool recall(struct sched *s, const struct step *statement, const char *steps, const char *key)
{
    struct recalled *r = ARENA_NEW(&s->c->arena, struct recalled);
    *r = (struct recalled){*statement, key, steps, *s};
    sch_own_state(s);
    if (each_step(s, steps, sch_append) && s->steps.n > r->before.steps.n) {
        s->recalled = r;
        return note_choice(s, statement, r->before.steps.n);
    }
    err_clear(&s->c->err);
    *s = r->before;
    return false;
}

static bool choose(struct sched *s, const struct step *statement)
{
    const struct sch_memory *m = s->memory;
    size_t first = s->steps.n;
    const char *key = NULL, *steps = NULL;
    if (!sch_settle(s)) return false;
    if (m) steps = m->find(m->u, s, words_of(&s->c->arena, statement), &key);
    if (steps && recall(s, statement, steps, key)) return true;
    if (steps) m->forget(m->u, key);
    if (!sch_choose_anew(s, statement)) return false;
    if (key && s->steps.n > first) m->keep(m->u, key, text_from(&s->c->arena, s, first));
    return true;
}

bool sch_step_parse(struct sched *s, struct lexer *lx)
{
    struct step st;
    bool template;
    if (!parse_step(lx, &st, &template)) return false;
    return template ? choose(s, &st) : sch_apply(s, &st);
}

struct sched *sch_retarget(struct ir_ctx *c, const struct sched *from, const struct target *t)
{
    struct sched *s = sch_new(c, from->program, t);
    for (size_t i = 0; s && i < from->steps.n;) {
        const struct chosen *k = from->chosen;
        while (k && k->first != i) k = k->before;
        if (!(k ? choose(s, &k->statement) : sch_apply(s, from->steps.at[i]))) return NULL;
        i += k ? k->n : 1;
    }
    return s;
}

bool sch_text_steps(struct sched *s, const char *text)
{
    struct lexer lx = lexer_on_copy(s, text);
    while (!err_is(&s->c->err) && lex_skip_ends(&lx))
        if (!sch_step_parse(s, &lx)) return false;
    return !err_is(&s->c->err);
}

bool sch_text_whole(struct sched *s, const char *text)
{
    struct sched_save before;
    sch_save(s, &before);
    if (each_step(s, text, sch_record) && sch_lower(s)) return true;
    sch_restore(s, &before);
    return false;
}

const char *sch_text(struct arena *a, const struct sched *s) { return text_from(a, s, 0); }

const char *sch_chosen_text(struct arena *a, const struct sched *s)
{
    struct str out = str_on(a);
    for (const struct chosen *k = s->chosen; k; k = k->before)
        str_printf(&out, "# %zu steps from %zu by template%s\n", k->n, k->first, words_of(a, &k->statement));
    return str_text(&out);
}
