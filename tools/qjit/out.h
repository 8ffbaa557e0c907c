/* SPDX-License-Identifier: Apache-2.0 */
/* out.h - where the program's words go. Data to stdout, talk to stderr; with --json one object on stdout.
 *
 * A command brackets what it has to say; its text goes to o->text and its facts into fields. Without --json
 * the text is stdout and the fields vanish; with --json the text is caught and becomes the field "text":
 *
 *     out_begin(o, "check", 12);
 *     fprintf(o->text, "exact: ...\n");
 *     out_bool(o, "exact", true);
 *     out_end(o, NULL);
 *     ...
 *     status = out_finish(o, NULL);
 *
 *     {"ok": true, "command": "run", "exact": true,
 *      "results": [{"command": "check", "line": 12, "exact": true, "ok": true, "text": "exact: ..."}], "notes": []}
 *
 * Scalar fields of the outermost level of a result are also members of the whole object, the last one
 * winning, so that a script asks for .exact or .ms and does not search. Outside begin and end, fields are
 * members of the whole. */
#ifndef QJ_TOOLS_QJIT_OUT_H
#define QJ_TOOLS_QJIT_OUT_H

#include <stdio.h>

#include "ir/base/err.h"

/* Fields as they come, written at the end. */
struct field {
    enum field_kind { FIELD_TEXT, FIELD_INT, FIELD_NUM, FIELD_BOOL, FIELD_OPEN, FIELD_CLOSE } kind;
    bool fact;                  /* copied from a result: replaced by the next of that key */
    const char *key;            /* static; NULL in arrays */
    const char *text;           /* TEXT; NULL: null */
    int64_t i;                  /* INT, BOOL; OPEN: the bracket */
    double num;
};

struct out {
    FILE *text;
    bool json, color;           /* color: stderr may carry escapes */
    const char *command;        /* the subcommand */
    bool open;                  /* between begin and end */
    int depth;                  /* of open objects and arrays inside the result */
    char *caught;               /* text of the result, from a memory stream */
    size_t ncaught;
    struct arena arena;
    VEC(struct field) whole, results;
    VEC(const char *) notes;
};

void out_init(struct out *o, const char *command, bool json);
void out_begin(struct out *o, const char *command, int line);
void out_end(struct out *o, const struct err *e);       /* NULL: the command succeeded */
void out_str(struct out *o, const char *key, const char *v);    /* NULL: null */
void out_int(struct out *o, const char *key, int64_t v);
void out_num(struct out *o, const char *key, double v);         /* not finite: null */
void out_bool(struct out *o, const char *key, bool v);
void out_open(struct out *o, const char *key, char bracket);    /* '{' or '['; '<': an array in one line */
void out_close(struct out *o);

/* "note: ..." */
void out_note(struct out *o, const char *fmt, ...) QJ_PRINTF(2, 3);
/* Other talk: nothing with --json. */
void out_talk(struct out *o, const char *fmt, ...) QJ_PRINTF(2, 3);
/* The rendered error; nothing with --json, where out_end or out_finish has it. */
void out_error(struct out *o, const struct err *e);
/* Prints the object (--json) or flushes; e: the error that ended the program, or NULL. Returns the exit
 * status: that of e, or of output that could not be written. */
int out_finish(struct out *o, const struct err *e);

/* Exit statuses, as README.md has them. */
enum { EXIT_DONE = 0, EXIT_SCRIPT = 1, EXIT_USAGE = 2, EXIT_WRONG_BITS = 3, EXIT_NOT_HERE = 4, EXIT_OURS = 5 };
int exit_status(enum err_code code);

#endif
