/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - errors as values: a code, a place, what is wrong and what would work.
 *
 * The first error sticks: err_set on a state that already holds one does nothing, builders given
 * NULL return NULL, so a chain of calls needs one check at its end.
 *
 *     return err_set(e, ERR_SHAPE, span, "axis %s has extent %lld", name, n), NULL;
 */
#ifndef QJ_IR_BASE_ERR_H
#define QJ_IR_BASE_ERR_H

#include "ir/base/str.h"

enum err_code {
    ERR_NONE,
#define ERR(code, name, hint) ERR_##code,
#include "ir/base/err.def"
#undef ERR
    ERR_COUNT
};

/* A place in a source text. `text` is the whole source (borrowed), [at, at+len) the fault in it. */
struct span {
    const char *file;   /* NULL: no file (typed call) */
    const char *text;   /* NULL: no source */
    size_t at, len;
};

struct err {
    enum err_code code;
    struct span span;
    int step;           /* number of the schedule step, from 1; 0: none */
    const char *msg;    /* what is wrong, one or more lines */
    const char *hint;   /* what would work; never NULL once set */
    const char *detail; /* e.g. the loop nest; may be NULL */
};

struct err_state {
    struct arena arena; /* holds the strings of `first` */
    struct err first;
    char memory[160];   /* the message of ERR_MEMORY, for which nothing is allocated */
};

void err_init(struct err_state *e);
void err_release(struct err_state *e);
void err_clear(struct err_state *e);
static inline bool err_is(const struct err_state *e) { return e->first.code != ERR_NONE; }

/* Sets the first error; always returns false. ERR_MEMORY has no place and allocates nothing; others may jump. */
bool err_set(struct err_state *e, enum err_code code, struct span at, const char *fmt, ...) QJ_PRINTF(4, 5);
/* Replace hint or add detail on the error just set (no effect when none is set). */
void err_hint(struct err_state *e, const char *fmt, ...) QJ_PRINTF(2, 3);
void err_detail(struct err_state *e, const char *text);

const char *err_name(enum err_code code);
const char *err_row_hint(enum err_code code);

/* 1-based line and column of a span. */
void err_place(const struct span *s, int *line, int *col);
/* The full text: file:line:col: error: msg, the source line with a caret, detail, hint. */
void err_render(const struct err *e, struct str *out);

/* Of `n` names, the one that a typo most likely meant (at most two edits away), or NULL. */
const char *err_suggest(const char *word, const char *const *names, size_t n);

#endif
