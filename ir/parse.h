/* SPDX-License-Identifier: Apache-2.0 */
/* parse.h - reads definitions, expressions and loop nests. ir/README.md has the grammar.
 *
 * Owns the lexer that schedule steps (schedule/script.c) and REPL commands share. All faults are
 * errors with a span in c->err; nothing here recurses deeper than PARSE_MAX_DEPTH (in dumped functions,
 * where bodies have been inlined, PARSE_MAX_DUMP_DEPTH).
 *
 *     struct ir_env env = {0};
 *     struct lexer lx = lex_on(c, "conv.qj", text, strlen(text));
 *     while (lex_skip_ends(&lx)) if (!parse_def(&lx, &env)) break;     // error in c->err
 */
#ifndef QJ_IR_PARSE_H
#define QJ_IR_PARSE_H

#include "ir/extern.h"

enum { PARSE_MAX_DEPTH = 64, PARSE_MAX_DUMP_DEPTH = 512, PARSE_MAX_TENSORS = 1024 };

enum token_kind {
    TOK_END,        /* end of text */
    TOK_EOL,        /* newline or ';' (newlines inside brackets are skipped) */
    TOK_NAME,       /* [A-Za-z_][A-Za-z0-9_]* */
    TOK_INT,        /* decimal or 0x; value in .i */
    TOK_FLOAT,      /* value in .f */
    TOK_STRING,     /* "..." without escapes but \" and \\ ; text without the quotes in .text/.len */
    TOK_PUNCT       /* one of ( ) [ ] { } , : = + - * / % & | ^ ! < > . -> << >> <= >= == != += and so on */
};
struct token {
    enum token_kind kind;
    const char *text;   /* in the source (or unescaped copy for strings) */
    size_t len;
    struct span span;
    int64_t i;
    float f;
};
struct lexer {
    struct ir_ctx *ctx;
    const char *file, *text;
    size_t n, at;
    int nesting;        /* open brackets */
    struct token tok;   /* current token */
};

struct lexer lex_on(struct ir_ctx *c, const char *file, const char *text, size_t n); /* text[n] == 0 */
void lex_next(struct lexer *lx);
bool lex_is(const struct lexer *lx, const char *punct_or_name);
bool lex_accept(struct lexer *lx, const char *punct_or_name);
bool lex_expect(struct lexer *lx, const char *punct_or_name);     /* false: syntax error set */
bool lex_skip_ends(struct lexer *lx);                             /* skips TOK_EOLs; false at TOK_END */
char *lex_name(struct lexer *lx);                                 /* takes a TOK_NAME (copy), or NULL + error */
bool lex_int(struct lexer *lx, int64_t *out);                     /* optional '-' then TOK_INT */
struct span lex_rest_span(const struct lexer *lx);

/* The tensors defined so far, in order, and the functions of the host's. */
struct ir_env {
    VEC(const struct tensor *) tensors;
    struct ext_list externs;
};
const struct tensor *env_find(const struct ir_env *e, const char *name);
const struct ext *env_extern(const struct ir_env *e, const char *name);

/* One definition, to the end of its statement; appends to env. On an error env is unchanged. */
bool parse_def(struct lexer *lx, struct ir_env *env);
/* True when the current token starts a definition: a declaration keyword, NAME "=" or NAME "[". */
bool parse_at_def(const struct lexer *lx);
/* An expression over the tensors of env and the given variables. */
const struct expr *parse_expr(struct lexer *lx, const struct ir_env *env, int nvar, const struct var *const *var);
/* A dumped function (print_func); meanings are looked up by name through `find`. */
typedef const struct meaning *meaning_finder(void *u, const char *name);
const struct func *parse_func(struct lexer *lx, meaning_finder *find, void *u);

/* The declaration keywords and built-in functions, for completion and help: NULL-terminated. */
extern const char *const parse_keywords[];   /* "input" "weight" "bias" "scale" "extern" */
extern const char *const parse_builtins[];   /* "sum" "requantize" "clamp" ... */

#endif
