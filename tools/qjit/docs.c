/* SPDX-License-Identifier: Apache-2.0 */
/* docs.c - `qjit docs`: qjit(1) and the completion for bash, made of the rows that the program itself runs on, so that
 * an installed page cannot say what its program does not do. */
#include <ctype.h>

#include "ir/parse.h"
#include "schedule/sched.h"
#include "targets/target.h"
#include "tools/qjit/cmds.h"
#include "tools/qjit/sub.h"

#define DOCS_DATE "2026-11-21"

/* ---- the manual page: man(7) ---- */

/* Text in which nothing is a request or an escape, and every - is one that can be copied to a shell. */
static void roff(const char *text)
{
    for (bool start = true; *text; text++) {
        if (start && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else putchar(*text);
        start = *text == '\n';
    }
}

/* The same, filled: in lines of at most 78 columns, as blanks allow. */
static void filled(const char *text)
{
    char word[256];
    int col = 0;
    while (*(text += strspn(text, " \n"))) {
        int n = (int)strcspn(text, " \n");
        snprintf(word, sizeof word, "%.*s", n, text);
        if (col && col + 1 + n > 70) col = 0, putchar('\n');
        else if (col) col++, putchar(' ');
        roff(word);
        col += n;
        text += n;
    }
    putchar('\n');
}

/* A paragraph under a word in bold and its arguments. */
static void entry(bool first, const char *name, const char *args, const char *help)
{
    fputs(first ? "\\fB" : ".PP\n\\fB", stdout);
    roff(name);
    fputs("\\fR", stdout);
    putchar(*args ? ' ' : '\n');
    if (*args) filled(args);
    fputs(".RS\n", stdout);
    filled(help);
    fputs(".RE\n", stdout);
}

static void verbatim(const char *text)
{
    fputs(".nf\n", stdout);
    for (size_t n; *text; text += n + (text[n] == '\n')) {
        n = strcspn(text, "\n");
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        roff(line);
        putchar('\n');
    }
    fputs(".fi\n", stdout);
}

static void section(const char *title) { printf(".SH %s\n", title); }

static void print_man(void)
{
    printf(".\\\" SPDX-License-Identifier: Apache-2.0, made by `qjit docs man`\n"
           ".TH QJIT 1 " DOCS_DATE " \"qjit " QJ_VERSION_TEXT "\" \"qjit manual\"\n"
           ".SH NAME\nqjit \\- from a line of tensor algebra to a verified int8 kernel\n.SH SYNOPSIS\n");
    for (int i = 0; i < nsubs; i++) {
        if (!subs[i].help) continue;
        if (i) fputs(".br\n", stdout);
        printf("\\fBqjit %s\\fR", subs[i].name);
        fputs(" [OPTION ...]\n", stdout);
        if (*subs[i].args) filled(subs[i].args);
    }
    section("DESCRIPTION");
    filled("Compiles tensor expressions under an explicit schedule to machine code for this process, or to files. Definitions say "
         "what to compute, steps how to run it, and commands look at it, check it against the definition bit for bit, time it "
         "and write it to disk. Without a subcommand: repl on a terminal, else run of standard input.");
    section("SUBCOMMANDS");
    for (int i = 0; i < nsubs; i++)
        if (subs[i].help) entry(!i, subs[i].name, subs[i].args, subs[i].help);
    section("OPTIONS");
    for (int i = 0; i < nopts; i++) {
        char name[64];
        snprintf(name, sizeof name, "%c%c%s--%s", opts[i].key ? '-' : ' ', opts[i].key, opts[i].key ? ", " : "", opts[i].name);
        if (!opts[i].key) snprintf(name, sizeof name, "--%s", opts[i].name);
        entry(!i, name, opts[i].arg ? opts[i].arg : "", opts[i].help);
    }
    section("STATEMENTS");
    filled("A statement ends at a newline or `;`; # starts a comment. What is no definition and no step is a command.");
    section("DEFINITIONS");
    verbatim(help_topic("definitions"));
    section("SCHEDULE STEPS");
    for (int i = 0; i < PRIM_COUNT; i++) entry(!i, prim_info[i].name, prim_info[i].syntax, prim_info[i].help);
    entry(false, sch_template.name, sch_template.syntax, sch_template.help);
    section("COMMANDS");
    for (int i = 0; i < CMD_COUNT; i++) entry(!i, cmd_info[i].name, cmd_info[i].args, cmd_info[i].help);
    section("LIMITS");
    verbatim(help_topic("limits"));
    section("ENVIRONMENT");
    verbatim(help_topic("environment"));
    section("EXIT STATUS");
    verbatim(help_topic("exit"));
    section("EXAMPLES");
    verbatim("qjit layer conv2d h=56 w=56 c=64 o=64 k=3 pad=1 >conv.qj\n"
             "qjit compile conv.qj --target x86-64-v3 -o conv.o\n"
             "qjit run conv.qj A=a.npy W=w.npy Out=out.npy\n");
    section("SEE ALSO");
    fputs("\\fBqjit.h\\fR(3)\n", stdout);
}

/* ---- completion for bash ---- */

static void words_of_targets(void)
{
    fputs("native cuda", stdout);
    for (int i = 0; families[i]; i++) {
        printf(" %s", families[i]->name);
        if (families[i]->alias) printf(" %s", families[i]->alias);
        for (int k = 0; k < families[i]->ncpu; k++) printf(" %s", families[i]->cpus[k].name);
    }
}

static void words_of_features(void)
{
    for (int i = 0; families[i]; i++)
        for (int k = 0; k < families[i]->nfeature; k++) printf("%s ", families[i]->features[k].name);
}

static void words_of_errors(void)
{
    for (int i = 1; i < ERR_COUNT; i++) printf("%s ", err_name((enum err_code)i));
}

static void words_of_help(void)
{
    const char *names[FIRST_WORDS + 16];
    size_t n = first_words(names);
    n += help_topics(names + n);
    for (size_t i = 0; i < n; i++) printf("%s ", names[i]);
}

/* One alternative of a row's arguments: FILE.qj, ERROR, WORD, NAME=FILE.npy, or a word to type as it is. */
static void complete_word(const char *w, size_t n)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)n, w);
    const char *eq = strchr(word, '='), *file = eq ? eq + 1 : word;
    if (!strncmp(file, "FILE", 4)) {
        const char *ext = strchr(file, '.');
        if (!eq) printf(" _qjit_files '%s';", ext ? ext : "");
    } else if (!strcmp(word, "ERROR")) {
        fputs(" _qjit_words \"", stdout), words_of_errors(), fputs("\";", stdout);
    } else if (!strcmp(word, "WORD")) {
        fputs(" _qjit_words \"", stdout), words_of_help(), fputs("\";", stdout);
    } else if (islower((unsigned char)*word)) {
        printf(" _qjit_words %s;", word);
    }
}

static void print_bash(void)
{
    fputs("# SPDX-License-Identifier: Apache-2.0, made by `qjit docs bash`\n"
          "_qjit_words() { COMPREPLY+=($(compgen -W \"$1\" -- \"$cur\")); }\n"
          "_qjit_files() { # with this extension, and directories\n"
          "    local name\n"
          "    while IFS= read -r name; do\n"
          "        if [[ -d $name ]]; then COMPREPLY+=(\"$name/\"); elif [[ $name == *\"$1\" ]]; then COMPREPLY+=(\"$name\"); fi\n"
          "    done < <(compgen -f -- \"$cur\")\n"
          "    compopt -o filenames -o nospace 2>/dev/null\n"
          "}\n"
          "_qjit_targets() {\n"
          "    if [[ $cur == *+* ]]; then\n"
          "        local stem=${cur%+*}+ cur=${cur##*+} i\n        _qjit_words \"", stdout);
    words_of_features();
    fputs("\"\n        for i in \"${!COMPREPLY[@]}\"; do COMPREPLY[i]=$stem${COMPREPLY[i]}; done\n"
          "    else\n        _qjit_words \"", stdout);
    words_of_targets();
    fputs("\"\n    fi\n}\n"
          "_qjit() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} sub= i\n"
          "    COMPREPLY=()\n"
          "    case $prev in\n"
          "    =) _qjit_files .npy; return ;;\n", stdout);
    for (int i = 0; i < nopts; i++) {
        if (!opts[i].arg) continue;
        if (opts[i].key) printf("    -%c | --%s)", opts[i].key, opts[i].name);
        else printf("    --%s)", opts[i].name);
        if (!strcmp(opts[i].arg, "FILE")) fputs(" _qjit_files '';", stdout);
        if (!strcmp(opts[i].name, "target")) fputs(" _qjit_targets;", stdout);
        fputs(" return ;;\n", stdout);
    }
    fputs("    esac\n"
          "    if [[ $cur == = ]]; then cur=; _qjit_files .npy; return; fi\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        ", stdout);
    bool first = true;
    for (int i = 0; i < nopts; i++) {
        if (!opts[i].arg) continue;
        printf("%s--%s", first ? "" : " | ", opts[i].name);
        if (opts[i].key) printf(" | -%c", opts[i].key);
        first = false;
    }
    fputs(") ((i++)) ;;\n        -?*) ;;\n        *) sub=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n"
          "    case $sub in\n    '') ", stdout);
    fputs("_qjit_words \"", stdout);
    for (int i = 0; i < nsubs; i++)
        if (subs[i].help) printf("%s ", subs[i].name);
    for (int i = 0; i < nopts; i++) printf("--%s ", opts[i].name);
    fputs("\" ;;\n", stdout);
    for (int i = 0; i < nsubs; i++) {
        if (!subs[i].help) continue;
        printf("    %s)\n        if [[ $cur == -* ]]; then _qjit_words \"", subs[i].name);
        for (int k = 0; k < nopts; k++)
            if (opts[k].bit & subs[i].opts) printf("--%s ", opts[k].name);
        fputs("\"\n        else :;", stdout);
        const char *a = subs[i].args;
        for (size_t n; *(a += strspn(a, " |[]")); a += n) {
            n = strcspn(a, " |]");
            if (*a != '-') complete_word(a, n);
            else if (a[n]) n += 1 + strcspn(a + n + 1, " ]|"); /* an option and its argument, said above */
        }
        fputs("\n        fi ;;\n", stdout);
    }
    fputs("    esac\n}\ncomplete -F _qjit qjit\n", stdout);
}

int sub_docs(struct command_line *c, struct out *out, struct err_state *e)
{
    if (c->narg == 1 && !strcmp(c->arg[0], "man")) print_man();
    else if (c->narg == 1 && !strcmp(c->arg[0], "bash")) print_bash();
    else err_set(e, ERR_USAGE, (struct span){0}, "docs takes one word: man or bash");
    if (err_is(e)) out_error(out, &e->first);
    return out_finish(out, err_is(e) ? &e->first : NULL);
}
