/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - what one run of the program holds, and how statements reach it.
 *
 * Definitions, schedule and target live in a library context (runtime/qjit.h); a session adds what a person
 * at a prompt needs: places in scripts for every error, steps taken back, the kernel while
 * it is current. Functions that return bool set s->err on false.
 *
 *     struct session s;
 *     if (session_open(&s, &options, &out)) session_script(&s, &src);
 *     session_close(&s);
 */
#ifndef QJ_TOOLS_QJIT_SESSION_H
#define QJ_TOOLS_QJIT_SESSION_H

#include "runtime/qjit.h"
#include "tools/qjit/out.h"
#include "tools/qjit/source.h"

#define QJ_TEXT2(x) #x
#define QJ_TEXT(x) QJ_TEXT2(x)
#define QJ_VERSION_TEXT QJ_TEXT(QJ_VERSION_MAJOR) "." QJ_TEXT(QJ_VERSION_MINOR) "." QJ_TEXT(QJ_VERSION_PATCH)

struct ir_env;
struct sched;

struct session_options {
    bool allow_asm;         /* --allow-asm */
    bool echo;              /* --echo: each statement to stderr before it runs */
    bool definitions_only;  /* `qjit compile`: commands that act are passed over */
    const char *target;     /* --target: stands against the script's own target statements; NULL: none given */
    const char *cache;      /* --cache: a directory; NULL: $QJIT_CACHE */
    int64_t memory;         /* --memory: limit in bytes; 0: none */
    bool isolate;           /* --isolate */
    int64_t deadline;       /* --deadline: milliseconds for each call of the library; 0: none */
    int threads;            /* --threads; 0: the machine's */
};

struct text_list { char **at; size_t n, cap; };     /* owned strings */
void texts_push(struct text_list *l, const char *text);
void texts_clear(struct text_list *l);

struct session {
    struct session_options opt;
    struct out *out;
    struct err_state err;       /* the first error of the statement at work */
    qj_ctx *q;
    struct text_list undone;    /* steps taken back, the last one at the end */
    char *kernel_name;          /* NULL: none given */
    qj_kernel *kernel;          /* of the schedule as it is; NULL: not linked yet */
    bool noted;                 /* its slow paths have been told */
    const struct piece *piece;  /* the statement at work */
    int depth;                  /* of load in load */
    bool quit, interactive;
    bool reported;              /* the error of a statement inside a load has been printed */
};

bool session_open(struct session *s, const struct session_options *o, struct out *out);
void session_close(struct session *s);
bool session_reset(struct session *s);

/* One statement: a definition, a step or a command. Prints its error; s->err is as it ended. */
bool session_statement(struct session *s, const struct piece *p);
/* All of a text, to the first error or `quit`. */
bool session_script(struct session *s, const struct source *src);

/* The place of the statement at work, and of one word of it. */
struct span session_span(const struct session *s);
struct span word_span(const struct session *s, const struct word *w);
/* An unknown word: the error, with the nearest of `n` names as its hint. */
bool fail_word(struct session *s, enum err_code code, const struct word *w, const char *what,
               const char *const *names, size_t n);
/* True when the library holds no error; else it becomes the session's, at its place in the script, or at the
 * statement as a whole. */
bool session_ok(struct session *s);
void place_error(struct session *s, struct span at);     /* the error just set is here rather */
bool fail_at(struct session *s, enum err_code code, const struct word *w, const char *fmt, ...) QJ_PRINTF(4, 5);

/* The statement at work, as a definition or as a step. */
bool session_define(struct session *s);
bool session_step(struct session *s);
bool session_undo(struct session *s, int count);
bool session_redo(struct session *s, int count);
bool session_target(struct session *s, const struct word *w);
bool session_name(struct session *s, const struct word *w);
/* The linked kernel of the schedule as it is; built when there is none. NULL: error. */
const qj_kernel *session_kernel(struct session *s);
/* Compiles and checks in an emulator (emulate.c). False: an error is in the context. */
bool session_emulate(struct session *s, qj_check_report *r);
void session_changed(struct session *s);    /* the kernel is no longer that of the program */
/* The text that replays the session (qj_reproducer). malloc'ed; NULL: error. */
char *session_text(struct session *s);

/* ---- what the public interface does not say (inner.c) ---- */

/* Names, for completion: borrowed until the next call. NULL: nothing that can be scheduled is defined, and no
 * error is set. */
struct sched *session_sched(struct session *s);
const struct ir_env *session_tensors(const struct session *s);     /* the definitions so far */
/* After which of codegen's passes to print the nest: up to `pass`; NULL: after all. */
bool session_passes(struct session *s, const char *pass);

/* Which paths the sums of products take, and why not others: text and rows. */
bool session_explain(struct session *s);

/* The loops that codegen gives LLVM, a function each, outer before inner. Owned. */
struct nest {
    char *function;
    size_t n;
    struct { char *name; int depth; } *at;
};
struct nests {
    size_t n;
    struct nest *at;
};
struct nests session_nests(struct session *s);      /* empty when they cannot be told */
void nests_free(struct nests *n);

#endif
