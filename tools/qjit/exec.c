/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - from a statement to who runs it: a definition, a step or a command by its first word. */
#include <ctype.h>

#include "ir/parse.h"
#include "schedule/sched.h"
#include "tools/qjit/cmds.h"

const struct cmd_info cmd_info[CMD_COUNT] = {
#define CMD(name, args, takes, help) {#name, args, help, TAKES_##takes, cmd_##name},
#include "tools/qjit/cmds.def"
#undef CMD
};
_Static_assert((int)CMD_COUNT + (int)PRIM_COUNT + 9 <= (int)FIRST_WORDS, "room for every first word");

const struct cmd_info *cmd_find(const char *name, size_t n)
{
    for (int i = 0; i < CMD_COUNT; i++)
        if (strlen(cmd_info[i].name) == n && !memcmp(cmd_info[i].name, name, n)) return &cmd_info[i];
    return NULL;
}

struct span session_span(const struct session *s)
{
    const struct piece *p = s->piece;
    return p ? (struct span){p->src->name, p->src->text, p->at, p->len} : (struct span){0};
}

struct span word_span(const struct session *s, const struct word *w)
{
    struct span at = session_span(s);
    if (!w || !at.text) return at;
    at.at = w->at;
    at.len = w->len;
    return at;
}

bool fail_word(struct session *s, enum err_code code, const struct word *w, const char *what,
               const char *const *names, size_t n)
{
    err_set(&s->err, code, word_span(s, w), "%s `%s`", what, w->text);
    const char *near = err_suggest(w->text, names, n);
    if (near) err_hint(&s->err, "did you mean `%s`?", near);
    if (near || n > 12) return false;
    struct str all = str_on(&s->err.arena);
    for (size_t i = 0; i < n; i++) str_printf(&all, " %s", names[i]);
    err_hint(&s->err, "there are:%s", str_text(&all));
    return false;
}

enum kind { KIND_DEFINITION, KIND_STEP, KIND_COMMAND, KIND_UNKNOWN };

static bool is_keyword(const char *t, size_t n)
{
    for (int i = 0; parse_keywords[i]; i++)
        if (strlen(parse_keywords[i]) == n && !memcmp(parse_keywords[i], t, n)) return true;
    return false;
}

static bool is_name_char(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* As ir/parse.h's parse_at_def: a keyword, NAME "=" or NAME "["; so a tensor may be called `time`. */
static enum kind kind_of(const struct piece *p, size_t *len)
{
    const char *t = p->src->text + p->at;
    size_t n = 0;
    while (n < p->len && is_name_char(t[n])) n++;
    *len = n;
    if (n == 0) return KIND_UNKNOWN;
    if (is_keyword(t, n)) return KIND_DEFINITION;
    size_t k = n;
    while (k < p->len && (t[k] == ' ' || t[k] == '\t')) k++;
    if (k < p->len && (t[k] == '[' || t[k] == '=')) return KIND_DEFINITION;
    if (sch_is_step(t, n)) return KIND_STEP;
    return cmd_find(t, n) ? KIND_COMMAND : KIND_UNKNOWN;
}

/* What `qjit compile` runs of a script. */
static bool shapes_kernel(const struct cmd_info *c)
{
    return c->run == cmd_name || c->run == cmd_embed || c->run == cmd_target || c->run == cmd_intrinsic || c->run == cmd_undo ||
           c->run == cmd_redo || c->run == cmd_load || c->run == cmd_reset || c->run == cmd_quit;
}

static bool run_command(struct session *s, const struct piece *p, const struct cmd_info *c)
{
    struct words w;
    words_cut(&w, p);
    bool ok = false;
    if (w.too_many) err_set(&s->err, ERR_SYNTAX, session_span(s), "a command has at most %d words", WORDS_MAX);
    else if (w.unclosed) {
        err_set(&s->err, ERR_SYNTAX, word_span(s, &w.at[w.n - 1]), "a string without its closing quote");
        err_hint(&s->err, "strings end on the line they start on");
    } else if (strlen(w.at[0].text) != strlen(c->name)) {
        err_set(&s->err, ERR_SYNTAX, word_span(s, &w.at[0]), "a blank is missing after `%s`", c->name);
    } else if (c->takes == TAKES_NOTHING && w.n > 1) {
        err_set(&s->err, ERR_SYNTAX, word_span(s, &w.at[1]), "`%s` takes no arguments", c->name);
    } else {
        ok = c->run(s, &w);
    }
    words_free(&w);
    if (!ok && s->err.first.code == ERR_SYNTAX && s->err.first.hint == err_row_hint(ERR_SYNTAX))
        err_hint(&s->err, "%s%s%s", c->name, *c->args ? " " : "", c->args);
    return ok;
}

static bool unknown_statement(struct session *s, const struct piece *p, size_t len)
{
    const char *t = p->src->text + p->at;
    struct span at = session_span(s);
    if (len == 0) {
        at.len = 1;
        err_set(&s->err, ERR_SYNTAX, at, "a statement starts with a word");
        return false;
    }
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)len, t);
    at.len = len;
    err_set(&s->err, ERR_SYNTAX, at, "no command, step or definition starts with `%s`", word);
    const char *names[FIRST_WORDS], *near = err_suggest(word, names, first_words(names));
    if (near) err_hint(&s->err, "did you mean `%s`?", near);
    return false;
}

static bool dispatch(struct session *s, const struct piece *p)
{
    size_t len;
    enum kind kind = kind_of(p, &len);
    const char *t = p->src->text + p->at;
    switch (kind) {
    case KIND_DEFINITION: return session_define(s);
    case KIND_STEP: return session_step(s);
    case KIND_COMMAND: {
        const struct cmd_info *c = cmd_find(t, len);
        if (s->opt.definitions_only && !shapes_kernel(c)) return true;
        return run_command(s, p, c);
    }
    case KIND_UNKNOWN: break;
    }
    return unknown_statement(s, p, len);
}

bool session_statement(struct session *s, const struct piece *p)
{
    const struct piece *outer = s->piece;
    struct out *o = s->out;
    if (s->opt.echo) out_talk(o, "qjit> %.*s", (int)p->len, p->src->text + p->at);
    bool nested = o->open; /* inside a `load`, whose result this is part of */
    char word[64]; /* the command, the primitive, or what is defined */
    int len = 0;
    while (len < 63 && (size_t)len < p->len && is_name_char(p->src->text[p->at + (size_t)len])) len++;
    snprintf(word, sizeof word, "%.*s", len, p->src->text + p->at);
    s->piece = p;
    if (!nested) {
        err_clear(&s->err);
        out_begin(o, word, p->line);
    }
    bool ok = dispatch(s, p);
    const struct err *e = ok ? NULL : &s->err.first;
    if (e && !s->reported) out_error(o, e);
    s->reported = e && nested; /* by the statement at fault, not again by the loads around it */
    if (!nested) out_end(o, e);
    s->piece = outer;
    return ok;
}

bool session_script(struct session *s, const struct source *src)
{
    struct piece p = {0};
    while (!s->quit && source_next(src, &p))
        if (!session_statement(s, &p)) return false;
    return true;
}
