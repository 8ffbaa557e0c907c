/* SPDX-License-Identifier: Apache-2.0 */
/* cmds_edit.c - commands that change or keep the session: undo redo save load target intrinsic name reset quit. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/qjit/cmds.h"

enum { LOAD_DEPTH = 16 };

bool one_argument(struct session *s, const struct words *arg, const char *what)
{
    if (arg->n == 2 && *arg->at[1].text) return true;
    if (arg->n > 2) fail_at(s, ERR_SYNTAX, &arg->at[2], "`%s` takes one argument", arg->at[0].text);
    else fail_at(s, ERR_SYNTAX, &arg->at[0], "`%s` needs %s", arg->at[0].text, what);
    return false;
}

static bool count_argument(struct session *s, const struct words *arg, int *count)
{
    char *end;
    *count = 1;
    if (arg->n == 1) return true;
    if (!one_argument(s, arg, "a count")) return false;
    long v = strtol(arg->at[1].text, &end, 10);
    if (*end || v < 1 || v > 1000000) return fail_at(s, ERR_SYNTAX, &arg->at[1], "`%s` is no count", arg->at[1].text);
    *count = (int)v;
    return true;
}

bool cmd_undo(struct session *s, const struct words *arg)
{
    int count;
    return count_argument(s, arg, &count) && session_undo(s, count);
}

bool cmd_redo(struct session *s, const struct words *arg)
{
    int count;
    return count_argument(s, arg, &count) && session_redo(s, count);
}

/* Whole or not at all: written beside it, then renamed. As root a rename would also put a file in the place of a
 * device or a link, so what is there must be a file, as for emit. */
static bool write_file(struct session *s, const struct word *w, const char *text)
{
    char *tmp = NULL;
    struct stat st;
    if (lstat(w->text, &st) == 0 && !S_ISREG(st.st_mode))
        return fail_at(s, ERR_FILE, w, "%s exists and is not a regular file", w->text);
    if (asprintf(&tmp, "%s.%d.tmp", w->text, (int)getpid()) < 0) exit(EXIT_OURS);
    FILE *f = fopen(tmp, "wbx");
    bool ok = f && fputs(text, f) >= 0;
    if (f && fclose(f) != 0) ok = false;
    if (ok) ok = rename(tmp, w->text) == 0;
    int why = errno;
    if (!ok && f) unlink(tmp);
    free(tmp);
    return ok || fail_at(s, ERR_FILE, w, "cannot write %s: %s", w->text, strerror(why));
}

bool cmd_save(struct session *s, const struct words *arg)
{
    if (!one_argument(s, arg, "the name of a file")) return false;
    char *text = session_text(s);
    if (!text) return false;
    bool ok = write_file(s, &arg->at[1], text);
    if (ok) out_str(s->out, "file", arg->at[1].text);
    qj_free(text);
    return ok;
}

bool cmd_load(struct session *s, const struct words *arg)
{
    const char *why;
    struct source src;
    if (!one_argument(s, arg, "the name of a file")) return false;
    if (s->depth == LOAD_DEPTH) return fail_at(s, ERR_TOO_LARGE, NULL, "load in load more than %d deep", LOAD_DEPTH);
    if (!source_load(&src, arg->at[1].text, &why))
        return fail_at(s, ERR_FILE, &arg->at[1], "cannot read %s: %s", arg->at[1].text, why);
    s->depth++;
    bool ok = session_script(s, &src);
    s->quit = false; /* `quit` ends the script it stands in */
    s->depth--;
    source_free(&src);
    return ok;
}

bool cmd_target(struct session *s, const struct words *arg)
{
    if (arg->n == 1) {
        const char *name = qj_target_name(s->q);
        if (!session_ok(s)) return false;
        fprintf(s->out->text, "%s\n", name);
        out_str(s->out, "target", name);
        return true;
    }
    return one_argument(s, arg, "a name") && session_target(s, &arg->at[1]);
}

bool cmd_name(struct session *s, const struct words *arg)
{
    if (arg->n == 1) {
        const char *name = s->kernel_name ? s->kernel_name : "kernel";
        fprintf(s->out->text, "%s\n", name);
        out_str(s->out, "name", name);
        return true;
    }
    return one_argument(s, arg, "a name") && session_name(s, &arg->at[1]);
}

bool cmd_reset(struct session *s, const struct words *arg) { return session_reset(s); }

bool cmd_quit(struct session *s, const struct words *arg) { return s->quit = true; }

bool cmd_intrinsic(struct session *s, const struct words *arg)
{
    static const char *const keys[] = {"operands", "meaning", "recipe", "needs"};
    const char *value[ARRAY_LEN(keys)] = {0};
    if (arg->n < 2 || arg->at[1].quoted)
        return fail_at(s, ERR_INTRIN, arg->n < 2 ? NULL : &arg->at[1], "an intrinsic starts with its name");
    for (int i = 2; i < arg->n; i += 2) {
        size_t k = 0;
        while (k < ARRAY_LEN(keys) && strcmp(arg->at[i].text, keys[k])) k++;
        if (k == ARRAY_LEN(keys))
            return fail_word(s, ERR_INTRIN, &arg->at[i], "an intrinsic has no", keys, ARRAY_LEN(keys));
        if (value[k]) return fail_at(s, ERR_INTRIN, &arg->at[i], "`%s` is given twice", keys[k]);
        if (i + 1 == arg->n || !arg->at[i + 1].quoted)
            return fail_at(s, ERR_INTRIN, &arg->at[i], "`%s` needs a string in quotes", keys[k]);
        value[k] = arg->at[i + 1].text;
    }
    for (size_t k = 0; k < 3; k++)
        if (!value[k]) return fail_at(s, ERR_INTRIN, NULL, "the intrinsic %s has no `%s`", arg->at[1].text, keys[k]);
    qj_intrinsic(s->q, arg->at[1].text, value[0], value[1], value[2], value[3]);
    if (!session_ok(s)) {
        place_error(s, session_span(s)); /* the library saw the strings, not the statement */
        return false;
    }
    return true;
}
