/* SPDX-License-Identifier: Apache-2.0 */
/* sub_info.c - the subcommands that only tell: targets, explain, help, --version. */
#include "codegen/codegen.h"
#include "ir/parse.h"
#include "schedule/sched.h"
#include "targets/target.h"
#include "tools/qjit/cmds.h"
#include "tools/qjit/sub.h"

static int fail(struct out *out, struct err_state *e)
{
    out_error(out, &e->first);
    return out_finish(out, &e->first);
}

int sub_version(struct command_line *c, struct out *out, struct err_state *e)
{
    out->command = "version";
    if (out->json) out_str(out, "version", QJ_VERSION_TEXT);
    else puts("qjit " QJ_VERSION_TEXT);
    return out_finish(out, NULL);
}

/* ---- targets ---- */

static void json_words(struct out *o, const char *key, const char *words)
{
    char one[128];
    out_open(o, key, '<');
    while (*(words += strspn(words, " "))) {
        size_t n = strcspn(words, " ");
        snprintf(one, sizeof one, "%.*s", (int)n, words);
        out_str(o, NULL, one);
        words += n;
    }
    out_close(o);
}

/* Every feature of `needs` is in `have`. */
static bool covers(const struct family *f, uint64_t have, const char *needs)
{
    while (*(needs += strspn(needs, " "))) {
        size_t n = strcspn(needs, " ");
        bool found = false;
        for (int i = 0; i < f->nfeature; i++)
            if (strlen(f->features[i].name) == n && !memcmp(f->features[i].name, needs, n))
                found = (f->features[i].bit & ~have) == 0;
        if (!found) return false;
        needs += n;
    }
    return true;
}

static void family_json(struct out *o, const struct family *f, bool host, uint64_t have)
{
    out_open(o, NULL, '{');
    out_str(o, "name", f->name);
    out_str(o, "triple", f->triple);
    out_str(o, "help", f->help);
    out_open(o, "cpus", '<');
    for (int i = 0; i < f->ncpu; i++) out_str(o, NULL, f->cpus[i].name);
    out_close(o);
    out_open(o, "features", '[');
    for (int i = 0; i < f->nfeature; i++) {
        out_open(o, NULL, '{');
        out_str(o, "name", f->features[i].name);
        out_str(o, "help", f->features[i].help);
        out_bool(o, "here", host && (f->features[i].bit & ~have) == 0);
        out_close(o);
    }
    out_close(o);
    out_open(o, "intrinsics", '[');
    for (int i = 0; i < f->nrow; i++) {
        const struct intrin_row *r = &f->rows[i];
        out_open(o, NULL, '{');
        out_str(o, "name", r->name);
        out_str(o, "operands", r->operands);
        out_str(o, "meaning", r->meaning);
        json_words(o, "needs", r->needs ? r->needs : "");
        out_num(o, "mac_per_cycle", r->mac_per_cycle);
        out_str(o, "help", r->help);
        out_bool(o, "here", host && covers(f, have, r->needs ? r->needs : ""));
        out_close(o);
    }
    out_close(o);
    out_close(o);
}

static void family_text(FILE *out, const struct family *f, bool host, uint64_t have)
{
    fprintf(out, "%s: %s (%s)\n  cpus     ", f->name, f->help, f->triple);
    for (int i = 0, col = 11; i < f->ncpu; i++) {
        int n = (int)strlen(f->cpus[i].name) + 1;
        if (col + n > 100) col = fprintf(out, "\n           ") - 1;
        col += fprintf(out, " %s", f->cpus[i].name);
    }
    fputc('\n', out);
    for (int i = 0; i < f->nfeature; i++)
        fprintf(out, "%s%-*s%s%s\n", i ? "           " : "  features ", *f->features[i].help ? 15 : 0, f->features[i].name,
                *f->features[i].help ? " " : "", f->features[i].help);
    for (int i = 0; i < f->nrow; i++) {
        const struct intrin_row *r = &f->rows[i];
        bool here = host && covers(f, have, r->needs ? r->needs : "");
        fprintf(out, "  %-24s %s%s%s%s\n      %s   over %s\n", r->name, r->needs && *r->needs ? "needs " : "",
                r->needs ? r->needs : "", r->needs && *r->needs ? "; " : "", here ? "runs here" : "not here", r->meaning,
                r->operands);
    }
    fputc('\n', out);
}

int sub_targets(struct command_line *c, struct out *out, struct err_state *e)
{
    if (c->narg) {
        err_set(e, ERR_USAGE, (struct span){0}, "`qjit targets` takes no arguments");
        return fail(out, e);
    }
    const struct family *hf = host_family();
    uint64_t have = host_features();
    if (out->json) {
        out_open(out, "host", '{');
        out_str(out, "family", hf->name);
        out_str(out, "cpu", host_cpu_name());
        out_open(out, "features", '<');
        for (int i = 0; i < hf->nfeature; i++)
            if ((hf->features[i].bit & ~have) == 0) out_str(out, NULL, hf->features[i].name);
        out_close(out);
        out_close(out);
        out_open(out, "families", '[');
    }
    for (int i = 0; families[i]; i++) {
        bool host = families[i] == hf || families[i]->nfeature == 0; /* generic code runs everywhere */
        if (out->json) family_json(out, families[i], host, have);
        else family_text(stdout, families[i], host, have);
    }
    if (out->json) {
        out_close(out);
    } else {
        printf("host: %s, cpu %s; features", hf->name, host_cpu_name());
        for (int i = 0; i < hf->nfeature; i++)
            if ((hf->features[i].bit & ~have) == 0) printf(" %s", hf->features[i].name);
        putchar('\n');
    }
    return out_finish(out, NULL);
}

/* ---- explain, help ---- */

static enum err_code code_of(const char *name)
{
    for (int i = 1; i < ERR_COUNT; i++)
        if (!strcmp(err_name((enum err_code)i), name)) return (enum err_code)i;
    return ERR_NONE;
}

int sub_explain(struct command_line *c, struct out *out, struct err_state *e)
{
    struct span nowhere = {0};
    if (c->narg != 1) {
        err_set(e, ERR_USAGE, nowhere, "`qjit explain` takes the code of an error, as `qjit explain type`");
        return fail(out, e);
    }
    enum err_code code = code_of(c->arg[0]);
    if (code == ERR_NONE) {
        const char *names[ERR_COUNT];
        for (int i = 1; i < ERR_COUNT; i++) names[i - 1] = err_name((enum err_code)i);
        err_set(e, ERR_UNKNOWN_NAME, nowhere, "no error is called `%s`", c->arg[0]);
        const char *near = err_suggest(c->arg[0], names, ERR_COUNT - 1);
        if (near) err_hint(e, "did you mean `%s`?", near);
        else err_hint(e, "the code stands in brackets behind a message: [type]");
        return fail(out, e);
    }
    out_begin(out, "explain", 0);
    help_error(out->text, c->arg[0]);
    out_str(out, "code", c->arg[0]);
    out_str(out, "hint", err_row_hint(code));
    out_str(out, "example", *help_example(code) ? help_example(code) : NULL);
    out_int(out, "exit", exit_status(code));
    out_end(out, NULL);
    return out_finish(out, NULL);
}

static void help_lists(struct out *o)
{
    out_open(o, "commands", '[');
    for (int i = 0; i < CMD_COUNT; i++) {
        out_open(o, NULL, '{');
        out_str(o, "name", cmd_info[i].name);
        out_str(o, "arguments", cmd_info[i].args);
        out_str(o, "help", cmd_info[i].help);
        out_close(o);
    }
    out_close(o);
    out_open(o, "primitives", '[');
    for (int i = 0; i < PRIM_COUNT; i++) {
        out_open(o, NULL, '{');
        out_str(o, "name", prim_info[i].name);
        out_str(o, "arguments", prim_info[i].syntax);
        out_str(o, "help", prim_info[i].help);
        out_str(o, "before", prim_info[i].before);
        out_str(o, "after", prim_info[i].after);
        out_close(o);
    }
    out_close(o);
    out_open(o, "errors", '<');
    for (int i = 1; i < ERR_COUNT; i++) out_str(o, NULL, err_name((enum err_code)i));
    out_close(o);
}

int sub_help(struct command_line *c, struct out *out, struct err_state *e)
{
    struct span nowhere = {0};
    if (c->narg > 1) {
        err_set(e, ERR_USAGE, nowhere, "`qjit help` takes one word");
        return fail(out, e);
    }
    out->command = "help";
    if (c->narg == 0) help_lists(out);
    out_begin(out, "help", 0);
    bool ok = true;
    struct session s = {.out = out};
    err_init(&s.err);
    if (c->narg == 0) {
        print_usage(out->text);
    } else {
        struct word w = {.text = c->arg[0]};
        ok = help_word(&s, out->text, &w);
    }
    if (!ok) out_error(out, &s.err.first);
    out_end(out, ok ? NULL : &s.err.first);
    int status = out_finish(out, ok ? NULL : &s.err.first);
    err_release(&s.err);
    return status;
}
