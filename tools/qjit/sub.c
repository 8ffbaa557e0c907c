/* SPDX-License-Identifier: Apache-2.0 */
/* sub.c - the subcommands that work on a script or a session: repl, run, compile. */
#include "tools/qjit/sub.h"

#include <stdlib.h>

#include "tools/qjit/cmds.h"
#include "tools/qjit/interrupt.h"
#include "tools/qjit/line.h"

static const char banner[] =
    "qjit " QJ_VERSION_TEXT ": tensor schedules to machine code, exact to the bit\n"
    "Define tensors, give steps; then show, check, time, asm, emit. Tab completes, `help` explains.\n"
    "Start with: input A[m:8, k:64] : u8; weight W[n:16, k:64] : i8; "
    "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";

static int fail(struct out *out, struct err_state *e)
{
    out_error(out, &e->first);
    return out_finish(out, &e->first);
}

/* ---- a script ---- */

/* The script that the command line names; its word is taken from the arguments. */
static bool read_script(struct command_line *c, struct source *src, struct err_state *e)
{
    struct span nowhere = {0};
    const char *why, *path = "-";
    if (c->text) {
        source_text(src, "<command line>", c->text, strlen(c->text));
        return true;
    }
    if (c->narg && !strchr(c->arg[0], '=')) {
        path = c->arg[0];
        c->narg--;
        c->arg++;
    }
    if (source_load(src, path, &why)) return true;
    return err_set(e, ERR_FILE, nowhere, "cannot read %s: %s", path, why);
}

/* The arguments that are left, as a statement. */
static void run_statement(const struct command_line *c, struct source *src)
{
    size_t n = 8, at = 3;
    for (int i = 0; i < c->narg; i++) n += 2 * strlen(c->arg[i]) + 3;
    char *text = malloc(n);
    if (!text) exit(EXIT_OURS);
    memcpy(text, "run", 3);
    for (int i = 0; i < c->narg; i++) {
        text[at++] = ' ';
        text[at++] = '"';
        for (const char *s = c->arg[i]; *s; s++) {
            if (*s == '"' || *s == '\\') text[at++] = '\\';
            text[at++] = *s;
        }
        text[at++] = '"';
    }
    source_text(src, "<command line>", text, at);
    free(text);
}

/* The script, then what the command line adds to it. */
static bool script_and_more(struct command_line *c, struct session *s, const struct source *src)
{
    if (!session_script(s, src)) return false;
    if (!c->narg) return true;
    struct source more;
    struct piece p = {0};
    run_statement(c, &more);
    bool ok = source_next(&more, &p) && session_statement(s, &p);
    source_free(&more);
    return ok;
}

int sub_run(struct command_line *c, struct out *out, struct err_state *e)
{
    struct source src;
    struct session s;
    if (!read_script(c, &src, e)) return fail(out, e);
    for (int i = 0; i < c->narg; i++)
        if (!strchr(c->arg[i], '=')) {
            err_set(e, ERR_USAGE, (struct span){0}, "`%s`: after the script come NAME=FILE.npy arguments", c->arg[i]);
            source_free(&src);
            return fail(out, e);
        }
    bool ok = session_open(&s, &c->session, out) && script_and_more(c, &s, &src);
    int status = out_finish(out, ok ? NULL : &s.err.first);
    session_close(&s);
    source_free(&src);
    return status;
}

/* The script without what acts, then one statement of the command line's. */
static bool script_then(struct session *s, const struct source *src, const char *text)
{
    struct source more;
    struct piece p = {0};
    if (!session_script(s, src)) return false;
    source_text(&more, "<command line>", text, strlen(text));
    s->opt.definitions_only = s->quit = false;
    bool ok = source_next(&more, &p) && session_statement(s, &p);
    source_free(&more);
    return ok;
}

static int define_then(struct command_line *c, struct out *out, const struct source *src, const char *text)
{
    struct session s;
    c->session.definitions_only = true;
    bool ok = session_open(&s, &c->session, out) && script_then(&s, src, text);
    int status = out_finish(out, ok ? NULL : &s.err.first);
    session_close(&s);
    return status;
}

/* As words_cut reads it back. */
static void put_quoted(FILE *f, const char *word)
{
    fputs(" \"", f);
    for (; *word; word++) fprintf(f, strchr("\"\\", *word) ? "\\%c" : "%c", *word);
    putc('"', f);
}

int sub_compile(struct command_line *c, struct out *out, struct err_state *e)
{
    struct source src;
    if (c->output && strpbrk(c->output, "\n\r")) { /* a statement ends there */
        err_set(e, ERR_FILE, (struct span){0}, "a line break in the name of the output");
        err_hint(e, "a name has any characters but control characters");
        return fail(out, e);
    }
    size_t n = c->output ? strlen(c->output) : 0;
    if (n > 2 && !strcmp(c->output + n - 2, ".a")) return sub_archive(c, out, e);
    if (!read_script(c, &src, e)) return fail(out, e);
    if (c->narg) {
        err_set(e, ERR_USAGE, (struct span){0}, "`qjit compile` takes one script, not also `%s`", c->arg[0]);
        err_hint(e, "several make a library: -o libNAME.a");
        source_free(&src);
        return fail(out, e);
    }
    char *text = NULL;
    FILE *f = open_memstream(&text, &n);
    if (!f) exit(EXIT_OURS);
    fputs("emit", f);
    if (c->output) put_quoted(f, c->output);
    for (int i = 0; c->ntarget > 1 && i < c->ntarget; i++) fprintf(f, "%s %s", i ? "" : " for", c->target[i]);
    fclose(f);
    int status = define_then(c, out, &src, text);
    free(text);
    source_free(&src);
    return status;
}

int sub_check(struct command_line *c, struct out *out, struct err_state *e)
{
    struct source src;
    if (!read_script(c, &src, e)) return fail(out, e);
    if (c->narg || c->ntarget > 1) {
        if (c->narg) err_set(e, ERR_USAGE, (struct span){0}, "`qjit check` takes one script, not also `%s`", c->arg[0]);
        else err_set(e, ERR_USAGE, (struct span){0}, "`qjit check` takes one target");
        source_free(&src);
        return fail(out, e);
    }
    int status = define_then(c, out, &src, c->emulate ? "check emulate" : "check");
    source_free(&src);
    return status;
}

/* ---- a session ---- */

/* Lines from a terminal, put together until their brackets close. */
static bool read_statements(struct line *l, struct source *src)
{
    size_t n = 0;
    char *text = NULL;
    bool open = true;
    while (open) {
        const char *got = line_read(l, n ? "  ... " : "qjit> ");
        if (!got) break;
        if (!*got) { /* Ctrl-C: the lines before it are dropped too, or an open bracket could not be left */
            n = 0;
            continue;
        }
        size_t len = strlen(got);
        char *grown = realloc(text, n + len + 1);
        if (!grown) exit(EXIT_OURS);
        text = grown;
        memcpy(text + n, got, len + 1);
        n += len;
        struct source look = {"", text, n};
        struct piece p = {0};
        open = false;
        while (source_next(&look, &p)) open = p.open;
        if (len <= 1) open = false; /* an empty line ends it, whatever is missing */
    }
    if (n) source_text(src, "<terminal>", text, n);
    free(text);
    return n > 0;
}

/* Errors are shown and the session goes on. Returns false at `quit`. */
static void each_statement(struct session *s, const struct source *src, bool stop_line)
{
    struct piece p = {0};
    for (bool ok = true; (ok || !stop_line) && !s->quit && source_next(src, &p);) {
        struct interrupt i;
        interrupt_begin(&i, s->q);
        ok = session_statement(s, &p);
        interrupt_end(&i);
    }
}

int sub_repl(struct command_line *c, struct out *out, struct err_state *e)
{
    struct session s;
    struct source src;
    if (c->narg) {
        err_set(e, ERR_USAGE, (struct span){0}, "`qjit repl` takes no arguments; a script is run by `qjit run %s`", c->arg[0]);
        return fail(out, e);
    }
    if (!session_open(&s, &c->session, out)) {
        int failed = out_finish(out, &s.err.first);
        session_close(&s);
        return failed;
    }
    s.interactive = true;
    struct line *l = out->json ? NULL : line_open(complete_names, &s);
    if (l) {
        out_talk(out, "%s", banner);
        while (!s.quit && read_statements(l, &src)) {
            each_statement(&s, &src, true); /* what follows on the line was meant for the step before it */
            fflush(stdout);
            source_free(&src);
        }
        if (!s.quit) out_talk(out, "%s", ""); /* the shell's prompt on a line of its own */
        line_close(l);
    } else {
        const char *why;
        if (!source_load(&src, "-", &why)) {
            err_set(e, ERR_FILE, (struct span){0}, "cannot read standard input: %s", why);
            session_close(&s);
            return fail(out, e);
        }
        each_statement(&s, &src, false);
        source_free(&src);
    }
    session_close(&s);
    return out_finish(out, NULL);
}
