/* SPDX-License-Identifier: Apache-2.0 */
/* sub.h - the subcommands, and what the command line tells them. */
#ifndef QJ_TOOLS_QJIT_SUB_H
#define QJ_TOOLS_QJIT_SUB_H

#include "tools/qjit/session.h"

struct command_line {
    struct session_options session;
    const char *output, *text;  /* -o, -c */
    const char *target[8];      /* --target, as often as given: the first is also the session's */
    int ntarget;
    bool emulate;               /* --emulate */
    int narg;                   /* arguments after the subcommand */
    char **arg;
};

/* Each ends with out_finish and returns the exit status; a usage error is set in e and printed here. */
typedef int sub_fn(struct command_line *c, struct out *out, struct err_state *e);
sub_fn sub_docs, sub_repl, sub_run, sub_compile, sub_check, sub_archive, sub_layer, sub_targets, sub_explain, sub_help, sub_verify, sub_version;

/* The tables of main.c. */
extern const struct opt_row {
    const char *name;
    char key;                   /* 0: no short form */
    unsigned bit;
    const char *arg, *help;     /* arg NULL: it takes none */
} opts[];
extern const struct sub_row {
    const char *name, *args, *help;
    unsigned opts;              /* bits of those it takes */
    sub_fn *run;
} subs[];
extern const int nopts, nsubs;

void print_usage(FILE *f);

#endif
