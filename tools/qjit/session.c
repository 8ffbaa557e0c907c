/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - the state behind a script or a prompt. Contract in session.h. */
#include "schedule/sched.h"
#include "tools/qjit/session.h"

#include <stdlib.h>

static void must(const void *p)
{
    if (p) return;
    fputs("qjit: out of memory\n", stderr);
    exit(EXIT_OURS);
}

void texts_push(struct text_list *l, const char *text)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->at = realloc(l->at, l->cap * sizeof *l->at);
        must(l->at);
    }
    must(l->at[l->n++] = strdup(text));
}

void texts_clear(struct text_list *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->at[i]);
    free(l->at);
    *l = (struct text_list){0};
}

/* ---- errors ---- */

static enum err_code code_of(const char *name)
{
    for (int i = 1; i < ERR_COUNT; i++)
        if (!strcmp(err_name((enum err_code)i), name)) return (enum err_code)i;
    return ERR_USAGE;
}

bool session_ok(struct session *s)
{
    const qj_error *e = qj_last_error(s->q);
    if (!e) return true;
    struct span at = session_span(s);
    if (at.text && e->line > 0 && e->offset + e->length <= at.len + 1) { /* a place in the statement's own text */
        at.at += e->offset;
        at.len = e->length;
    }
    err_set(&s->err, code_of(e->code), at, "%s", e->message);
    if (e->hint && *e->hint) err_hint(&s->err, "%s", e->hint);
    if (e->detail) err_detail(&s->err, e->detail);
    s->err.first.step = e->step;
    qj_clear_error(s->q);
    return false;
}

bool fail_at(struct session *s, enum err_code code, const struct word *w, const char *fmt, ...)
{
    if (err_is(&s->err)) return false;
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(&s->err.arena, fmt, ap);
    va_end(ap);
    return err_set(&s->err, code, word_span(s, w), "%s", text);
}

void place_error(struct session *s, struct span at)
{
    struct err *e = &s->err.first;
    if (at.text) at.text = arena_strdup(&s->err.arena, at.text);
    if (at.file) at.file = arena_strdup(&s->err.arena, at.file);
    e->span = at;
}

/* ---- life ---- */

/* Notes about kernels come from the artifact (out.c); what the cache says has no other way. */
static void on_log(void *out, const char *code, const char *text)
{
    if (!strcmp(code, "cache") || !strcmp(code, "ptxas")) out_note(out, "%s [%s]", text, code);
}

bool session_open(struct session *s, const struct session_options *o, struct out *out)
{
    *s = (struct session){.opt = *o, .out = out};
    err_init(&s->err);
    qj_options options = {.size = sizeof options, .memory_limit = (size_t)o->memory, .allow_asm = o->allow_asm,
                          .deadline_ms = o->deadline, .isolate = o->isolate,
                          .cache_dir = o->cache ? o->cache : getenv("QJIT_CACHE"),
                          .log = on_log, .user = out};
    s->q = qj_ctx_new(&options);
    if (!s->q) err_set(&s->err, ERR_MEMORY, (struct span){0}, "no memory for a context");
    if (o->threads) qj_set_threads(o->threads);
    bool ok = s->q && (!o->target || qj_target(s->q, o->target) || session_ok(s));
    if (!ok) out_error(out, &s->err.first);
    return ok;
}

void session_changed(struct session *s)
{
    qj_kernel_free(s->kernel);
    s->kernel = NULL;
    s->noted = false;
}

static void forget(struct session *s)
{
    session_changed(s);
    texts_clear(&s->undone);
    free(s->kernel_name);
    s->kernel_name = NULL;
}

void session_close(struct session *s)
{
    forget(s);
    qj_ctx_free(s->q);
    err_release(&s->err);
}

bool session_reset(struct session *s)
{
    forget(s);
    qj_ctx_reset(s->q);
    if (s->opt.target) qj_target(s->q, s->opt.target);
    return session_ok(s);
}

/* ---- statements ---- */

static char *statement_text(const struct piece *p)
{
    char *text = strndup(p->src->text + p->at, p->len);
    must(text);
    return text;
}

bool session_define(struct session *s)
{
    char *text = statement_text(s->piece);
    qj_define(s->q, text);
    free(text);
    session_changed(s);
    return session_ok(s);
}

bool session_step(struct session *s)
{
    char *text = statement_text(s->piece), *word = text + strspn(text, " \t\n");
    size_t n = strcspn(word, " \t\n");
    bool timed = n == strlen(sch_template.name) && !memcmp(word, sch_template.name, n) && strstr(word + n, "pick=");
    if (timed) qj_template(s->q, word + n);
    else qj_step(s->q, text);
    free(text);
    bool ok = session_ok(s);
    if (!ok) return false;
    texts_clear(&s->undone);
    session_changed(s);
    return true;
}

/* The last line of the steps so far, malloc'ed. */
static char *last_step(struct session *s)
{
    char *all = qj_steps_text(s->q);
    if (!all) return NULL;
    size_t n = strlen(all);
    while (n && all[n - 1] == '\n') all[--n] = 0;
    char *line = strrchr(all, '\n'), *copy = strdup(line ? line + 1 : all);
    qj_free(all);
    must(copy);
    return copy;
}

/* All of them or none. */
static bool too_many(struct session *s, int count, int there, const char *done)
{
    if (there == 0 || count <= there) return false; /* that there is none is said below */
    fail_at(s, ERR_NOTHING_TO_UNDO, NULL, "%d step%s can be %s, not %d", there, there == 1 ? "" : "s", done, count);
    err_hint(&s->err, "`steps` numbers those that are there");
    return true;
}

bool session_undo(struct session *s, int count)
{
    if (too_many(s, count, qj_nsteps(s->q), "undone")) return false;
    for (; count > 0; count--) {
        char *step = qj_nsteps(s->q) > 0 ? last_step(s) : NULL;
        qj_undo(s->q);
        if (!session_ok(s)) {
            free(step);
            return false;
        }
        texts_push(&s->undone, step);
        session_changed(s);
        if (s->interactive) out_talk(s->out, "undone: %s", step);
        free(step);
    }
    return true;
}

bool session_redo(struct session *s, int count)
{
    if (too_many(s, count, (int)s->undone.n, "redone")) return false;
    for (; count > 0; count--) {
        if (s->undone.n == 0) {
            fail_at(s, ERR_NOTHING_TO_UNDO, NULL, "no step has been taken back");
            err_hint(&s->err, "`undo` takes steps back; a new step forgets those taken back before");
            return false;
        }
        char *step = s->undone.at[s->undone.n - 1];
        if (!qj_step(s->q, step)) {
            session_ok(s);
            place_error(s, session_span(s)); /* not the text of the step as it is kept */
            return false;
        }
        if (s->interactive) out_talk(s->out, "redone: %s", step);
        free(step);
        s->undone.n--;
        session_changed(s);
    }
    return true;
}

bool session_target(struct session *s, const struct word *w)
{
    if (s->opt.target && !s->interactive) {
        if (strcmp(w->text, s->opt.target))
            out_note(s->out, "target %s is passed over: the command line says %s", w->text, s->opt.target);
        return true;
    }
    if (!qj_target(s->q, w->text)) {
        session_ok(s);
        if (!s->err.first.step) place_error(s, word_span(s, w));
        return false;
    }
    session_changed(s);
    return true;
}

bool session_name(struct session *s, const struct word *w)
{
    if (!qj_name(s->q, w->text)) {
        session_ok(s);
        place_error(s, word_span(s, w));
        return false;
    }
    free(s->kernel_name);
    must(s->kernel_name = strdup(w->text));
    session_changed(s);
    return true;
}

const qj_kernel *session_kernel(struct session *s)
{
    if (!s->kernel) s->kernel = qj_build(s->q);
    session_ok(s);
    return s->kernel;
}

char *session_text(struct session *s)
{
    char *text = qj_reproducer(s->q);
    session_ok(s);
    return text;
}
