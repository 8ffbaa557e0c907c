/* SPDX-License-Identifier: Apache-2.0 */
/* out.c - text, talk and JSON. Contract in out.h. */
#include "tools/qjit/out.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "ir/base/json.h"

/* ---- fields ---- */

/* Length of the well-formed UTF-8 sequence at s, or 0. */
static int utf8(const unsigned char *s)
{
    int n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

/* A copy that is UTF-8: other bytes, which file names and scripts may hold, are taken as Latin-1. */
static const char *clean_text(struct arena *a, const char *text)
{
    if (!text) return NULL;
    struct str s = str_on(a);
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        int n = utf8(p);
        if (n) str_putn(&s, (const char *)p, (size_t)n);
        else str_printf(&s, "%c%c", 0xc0 | *p >> 6, 0x80 | (*p & 0x3f));
        p += n ? n : 1;
    }
    return str_text(&s);
}

/* A fact of a result becomes a member of the whole. */
static void keep_fact(struct out *o, struct field f)
{
    f.fact = true;
    for (size_t i = 0; i < o->whole.n; i++)
        if (o->whole.at[i].fact && !strcmp(o->whole.at[i].key, f.key)) {
            o->whole.at[i] = f;
            return;
        }
    VEC_PUSH(&o->arena, o->whole, f);
}

static void add(struct out *o, struct field f)
{
    if (!o->json) return;
    if (!o->open) {
        VEC_PUSH(&o->arena, o->whole, f);
        return;
    }
    VEC_PUSH(&o->arena, o->results, f);
    if (o->depth == 0 && f.key && f.kind != FIELD_OPEN && f.kind != FIELD_CLOSE) keep_fact(o, f);
}

void out_str(struct out *o, const char *key, const char *v)
{
    add(o, (struct field){.kind = FIELD_TEXT, .key = key, .text = o->json ? clean_text(&o->arena, v) : NULL});
}
void out_int(struct out *o, const char *key, int64_t v) { add(o, (struct field){.kind = FIELD_INT, .key = key, .i = v}); }
void out_bool(struct out *o, const char *key, bool v) { add(o, (struct field){.kind = FIELD_BOOL, .key = key, .i = v}); }
void out_num(struct out *o, const char *key, double v)
{
    add(o, isfinite(v) ? (struct field){.kind = FIELD_NUM, .key = key, .num = v} : (struct field){.kind = FIELD_TEXT, .key = key});
}
void out_open(struct out *o, const char *key, char bracket)
{
    add(o, (struct field){.kind = FIELD_OPEN, .key = key, .i = bracket});
    o->depth++;
}
void out_close(struct out *o)
{
    o->depth--;
    add(o, (struct field){.kind = FIELD_CLOSE});
}

static void add_error(struct out *o, const struct err *e)
{
    int line, col;
    err_place(&e->span, &line, &col);
    out_open(o, "error", '{');
    out_str(o, "code", err_name(e->code));
    out_str(o, "message", e->msg);
    out_str(o, "hint", e->hint);
    out_str(o, "file", e->span.file);
    if (e->span.text) out_int(o, "line", line);
    else out_str(o, "line", NULL);
    if (e->span.text) out_int(o, "column", col);
    else out_str(o, "column", NULL);
    if (e->step) out_int(o, "step", e->step);
    else out_str(o, "step", NULL);
    out_str(o, "detail", e->detail);
    out_close(o);
}

/* ---- results ---- */

void out_init(struct out *o, const char *command, bool json)
{
    *o = (struct out){.text = stdout, .json = json, .command = command};
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    o->color = isatty(STDERR_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
    arena_init(&o->arena, NULL);
}

void out_begin(struct out *o, const char *command, int line)
{
    o->open = true;
    o->depth = 0;
    if (!o->json) return;
    struct field open = {.kind = FIELD_OPEN, .i = '{'}, what = {.kind = FIELD_TEXT, .key = "command"};
    what.text = clean_text(&o->arena, command);
    VEC_PUSH(&o->arena, o->results, open);
    VEC_PUSH(&o->arena, o->results, what); /* not a fact of the whole, which has its own command */
    struct field at = {.kind = FIELD_INT, .key = "line", .i = line};
    if (line) VEC_PUSH(&o->arena, o->results, at);
    o->text = open_memstream(&o->caught, &o->ncaught);
    if (!o->text) exit(EXIT_OURS);
}

void out_end(struct out *o, const struct err *e)
{
    if (!o->open) return;
    if (o->json) {
        fclose(o->text);
        o->text = stdout;
        while (o->depth > 0) out_close(o); /* a command that failed half-way through a list */
        struct field ok = {.kind = FIELD_BOOL, .key = "ok", .i = !e}, text = {.kind = FIELD_TEXT, .key = "text"};
        VEC_PUSH(&o->arena, o->results, ok);
        text.text = clean_text(&o->arena, o->caught);
        if (o->ncaught) VEC_PUSH(&o->arena, o->results, text);
        if (e) add_error(o, e);
        free(o->caught);
        o->caught = NULL;
        out_close(o);
    }
    o->open = false;
    o->depth = 0;
}

/* ---- talk ---- */

static void vtalk(struct out *o, const char *before, const char *fmt, va_list ap)
{
    fflush(stdout); /* the two keep their order where they meet, on a terminal or in a log */
    fputs(before, stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

void out_note(struct out *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (o->json) {
        VEC_PUSH(&o->arena, o->notes, clean_text(&o->arena, arena_vprintf(&o->arena, fmt, ap)));
    } else {
        vtalk(o, "note: ", fmt, ap);
    }
    va_end(ap);
}

void out_talk(struct out *o, const char *fmt, ...)
{
    if (o->json) return;
    va_list ap;
    va_start(ap, fmt);
    vtalk(o, "", fmt, ap);
    va_end(ap);
}

void out_error(struct out *o, const struct err *e)
{
    if (o->json) return;
    struct arena a;
    arena_init(&a, NULL);
    struct str s = str_on(&a);
    err_render(e, &s);
    const char *text = str_text(&s), *word = strstr(text, "error:");
    fflush(stdout);
    if (o->color && word) fprintf(stderr, "%.*s\033[1;31merror:\033[0m%s", (int)(word - text), text, word + 6);
    else fputs(text, stderr);
    arena_release(&a);
}

/* ---- the end ---- */

int exit_status(enum err_code code)
{
    if (code == ERR_NONE) return EXIT_DONE;
    if (code == ERR_USAGE) return EXIT_USAGE;
    if (code == ERR_MISMATCH) return EXIT_WRONG_BITS;
    if (code == ERR_NO_HOST) return EXIT_NOT_HERE;
    return code == ERR_LLVM || code == ERR_MEMORY || code == ERR_DEVICE ? EXIT_OURS : EXIT_SCRIPT;
}

static void put_field(struct json_out *j, const struct field *f)
{
    switch (f->kind) {
    case FIELD_TEXT: json_put_text(j, f->key, f->text); return;
    case FIELD_INT: json_put_int(j, f->key, f->i); return;
    case FIELD_NUM: json_put_num(j, f->key, f->num); return;
    case FIELD_BOOL: json_put_bool(j, f->key, f->i != 0); return;
    case FIELD_OPEN: json_open(j, f->key, (char)f->i); return;
    case FIELD_CLOSE: json_close(j); return;
    }
}

static void put_object(struct out *o, const struct err *e)
{
    struct str s = str_on(&o->arena);
    struct json_out j = json_on(&s);
    if (e) add_error(o, e);
    json_open(&j, NULL, '{');
    json_put_bool(&j, "ok", !e);
    json_put_text(&j, "command", o->command);
    for (size_t i = 0; i < o->whole.n; i++) put_field(&j, &o->whole.at[i]);
    json_open(&j, "results", '[');
    for (size_t i = 0; i < o->results.n; i++) put_field(&j, &o->results.at[i]);
    json_close(&j);
    json_open(&j, "notes", '[');
    for (size_t i = 0; i < o->notes.n; i++) json_put_text(&j, NULL, o->notes.at[i]);
    json_close(&j);
    json_close(&j);
    fputs(str_text(&s), stdout);
}

int out_finish(struct out *o, const struct err *e)
{
    int status = e ? exit_status(e->code) : EXIT_DONE;
    if (o->json) put_object(o, e);
    arena_release(&o->arena);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "qjit: cannot write standard output: %s\n", strerror(errno));
        if (status == EXIT_DONE) status = EXIT_SCRIPT;
    }
    return status;
}
