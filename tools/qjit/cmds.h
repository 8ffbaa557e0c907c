/* SPDX-License-Identifier: Apache-2.0 */
/* cmds.h - the command table (cmds.def) and the functions behind it (cmds_*.c). */
#ifndef QJ_TOOLS_QJIT_CMDS_H
#define QJ_TOOLS_QJIT_CMDS_H

#include "tools/qjit/session.h"

enum cmd_takes { TAKES_NOTHING, TAKES_FILE, TAKES_RUN, TAKES_TARGET, TAKES_PASS, TAKES_EXPLAIN, TAKES_HELP, TAKES_WORD };

/* arg[0] is the command itself. False: error in s->err. */
typedef bool cmd_fn(struct session *s, const struct words *arg);
#define CMD(name, args, takes, help) cmd_fn cmd_##name;
#include "tools/qjit/cmds.def"
#undef CMD

struct cmd_info {
    const char *name, *args, *help;
    enum cmd_takes takes;
    cmd_fn *run;
};
enum {
#define CMD(name, args, takes, help) CMD_##name,
#include "tools/qjit/cmds.def"
#undef CMD
    CMD_COUNT
};
extern const struct cmd_info cmd_info[CMD_COUNT];
const struct cmd_info *cmd_find(const char *name, size_t n);

/* The first words of every kind of statement, for completion and suggestions: commands, primitives,
 * declarations. Static strings; returns how many (at most FIRST_WORDS). */
enum { FIRST_WORDS = 64 };
size_t first_words(const char **names);

/* Exactly one argument, `what`; else the error. */
bool one_argument(struct session *s, const struct words *arg, const char *what);

/* help.c */
bool help_word(struct session *s, FILE *f, const struct word *w);   /* w NULL: the list of commands */
bool help_error(FILE *f, const char *name);                         /* false: no such error */
const char *help_example(enum err_code code);                       /* "" when there is none */
size_t help_topics(const char **names);                             /* words beside commands and primitives */
const char *help_topic(const char *name);                           /* the text; NULL: no such topic */

/* complete.c: see line.h */
char **complete_names(void *session, const char *before, size_t *from, size_t *n);

/* asm.c: disassembly with the hot loop marked, to s->out */
bool print_asm(struct session *s, bool bytes);

#endif
