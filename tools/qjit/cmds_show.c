/* SPDX-License-Identifier: Apache-2.0 */
/* cmds_show.c - commands that print: show program steps ir llvm asm explain help. */
#include "codegen/codegen.h"
#include "tools/qjit/cmds.h"

/* Text of the library to the output; NULL: its error. */
static bool print_text(struct session *s, char *text)
{
    if (text) fputs(text, s->out->text);
    qj_free(text);
    return session_ok(s);
}

bool cmd_show(struct session *s, const struct words *arg) { return print_text(s, qj_show(s->q)); }

bool cmd_program(struct session *s, const struct words *arg) { return print_text(s, qj_program_text(s->q)); }

bool cmd_steps(struct session *s, const struct words *arg)
{
    char *all = qj_steps_text(s->q);
    int i = 0;
    out_open(s->out, "steps", '[');
    for (char *line = all, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (end) *end++ = 0;
        else end = line + strlen(line);
        fprintf(s->out->text, "%3d  %s\n", ++i, line);
        out_str(s->out, NULL, line);
    }
    out_close(s->out);
    qj_free(all);
    return session_ok(s);
}

bool cmd_ir(struct session *s, const struct words *arg)
{
    const char *names[16];
    size_t n = 0;
    if (arg->n == 1) return session_passes(s, NULL);
    if (!one_argument(s, arg, "a pass")) return false;
    for (const struct cg_pass *p = cg_passes; p->name && n < ARRAY_LEN(names); p++) {
        if (!strcmp(p->name, arg->at[1].text)) return session_passes(s, p->name);
        names[n++] = p->name;
    }
    return fail_word(s, ERR_UNKNOWN_NAME, &arg->at[1], "there is no pass", names, n);
}

bool cmd_llvm(struct session *s, const struct words *arg)
{
    qj_artifact *a = qj_compile(s->q, QJ_LL);
    size_t n = 0;
    const void *text = a ? qj_artifact_bytes(a, &n) : NULL;
    if (text) fwrite(text, 1, n, s->out->text);
    qj_artifact_free(a);
    return session_ok(s);
}

bool cmd_asm(struct session *s, const struct words *arg)
{
    bool bytes = arg->n == 2 && !strcmp(arg->at[1].text, "bytes");
    if (arg->n > 1 && !bytes) {
        static const char *const names[] = {"bytes"};
        return fail_word(s, ERR_SYNTAX, &arg->at[1], "`asm` takes `bytes` or nothing, not", names, 1);
    }
    return print_asm(s, bytes);
}

bool cmd_explain(struct session *s, const struct words *arg)
{
    if (arg->n == 1) return session_explain(s);
    if (!one_argument(s, arg, "the code of an error")) return false;
    if (help_error(s->out->text, arg->at[1].text)) return true;
    const char *names[ERR_COUNT];
    for (int i = 1; i < ERR_COUNT; i++) names[i - 1] = err_name((enum err_code)i);
    return fail_word(s, ERR_UNKNOWN_NAME, &arg->at[1], "no error is called", names, ERR_COUNT - 1);
}

bool cmd_help(struct session *s, const struct words *arg)
{
    if (arg->n > 2) return one_argument(s, arg, "a word");
    return help_word(s, s->out->text, arg->n == 2 ? &arg->at[1] : NULL);
}
