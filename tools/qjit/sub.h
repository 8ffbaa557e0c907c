/* SPDX-License-Identifier: Apache-2.0 */
/* sub.h - the subcommands, and what the command line tells them. */
#ifndef QJ_TOOLS_QJIT_SUB_H
#define QJ_TOOLS_QJIT_SUB_H

#include "tools/qjit/session.h"

struct command_line {
    struct session_options session;
    const char *output, *text;  /* -o, -c */
    int narg;                   /* arguments after the subcommand */
    char **arg;
};

/* Each ends with out_finish and returns the exit status; a usage error is set in e and printed here. */
typedef int sub_fn(struct command_line *c, struct out *out, struct err_state *e);
sub_fn sub_repl, sub_run, sub_compile, sub_layer, sub_targets, sub_explain, sub_help, sub_version;

void print_usage(FILE *f);

#endif
