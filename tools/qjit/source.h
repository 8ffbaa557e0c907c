/* SPDX-License-Identifier: Apache-2.0 */
/* source.h - a script's text, cut into statements, and a command's statement, cut into words.
 *
 * The same cutting as ir/lex.c does: a statement ends at `;`, or at a newline outside ( ) and [ ]; `#`
 * starts a comment; "strings" end on their line. What a statement means is not known here.
 *
 *     struct source src;
 *     if (!source_load(&src, "conv.qj", &why)) ...
 *     struct piece p = {0};
 *     while (source_next(&src, &p)) run(&p);
 *     source_free(&src);
 */
#ifndef QJ_TOOLS_QJIT_SOURCE_H
#define QJ_TOOLS_QJIT_SOURCE_H

#include "ir/base/base.h"

struct source {
    const char *name;   /* "conv.qj", "<stdin>", "<command line>" */
    char *text;         /* without NUL but at its end, owned */
    size_t n;
};
/* "-" reads standard input. False: *why is a static text or strerror's. */
bool source_load(struct source *s, const char *path, const char **why);
void source_text(struct source *s, const char *name, const char *text, size_t n);
void source_free(struct source *s);

/* One statement, without the blanks and comments around it. */
struct piece {
    const struct source *src;
    size_t at, len;
    size_t next;        /* where the next one starts */
    int line, col;      /* of `at`, from 1 */
    int next_line;
    bool open;          /* the text ended inside brackets: more may follow */
};
/* The statement after *p (all zero: the first); false at the end of the text. */
bool source_next(const struct source *s, struct piece *p);

enum { WORDS_MAX = 64 };
struct word {
    char *text;         /* quotes removed */
    size_t at, len;     /* in the source, quotes and all */
    bool quoted;        /* the whole word was one string */
};
struct words {
    int n;
    bool too_many, unclosed;
    struct word at[WORDS_MAX];
    char *store;        /* owned */
};
void words_cut(struct words *w, const struct piece *p);
void words_free(struct words *w);

#endif
