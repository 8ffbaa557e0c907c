/* SPDX-License-Identifier: Apache-2.0 */
/* lex.c - characters to tokens, shared by definitions, schedule steps and commands. Contract in parse.h.
 *
 * One token of look-ahead, made by lex_next; a peek further is a copy of the lexer. Newlines inside
 * ( ) and [ ] are blanks; braces do not count, since a block's statements end at newlines. */
#include "ir/parse.h"

#include <math.h>
#include <stdlib.h>

static bool is_alpha(char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_'; }
static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

static struct span span_of(const struct lexer *lx, size_t at, size_t len)
{
    return (struct span){lx->file, lx->text, at, len};
}

static char at(const struct lexer *lx, size_t i) { return i < lx->n ? lx->text[i] : 0; }

/* Blanks, comments and names may go on for as long as they like, and allocate nothing. */
static void poll_at(const struct lexer *lx, size_t i)
{
    enum { EVERY = 1 << 16 };
    if (i % EVERY == 0) arena_poll(&lx->ctx->arena);
}

/* A fault ends the text: nothing after it is read. */
static void bad(struct lexer *lx, size_t from, size_t len, const char *what, const char *hint)
{
    err_set(&lx->ctx->err, ERR_SYNTAX, span_of(lx, from, len), "%s", what);
    err_hint(&lx->ctx->err, "%s", hint);
    lx->n = lx->at = from;
    lx->tok = (struct token){.kind = TOK_END, .text = lx->text + from, .span = span_of(lx, from, 0)};
}

struct lexer lex_on(struct ir_ctx *c, const char *file, const char *text, size_t n)
{
    struct lexer lx = {.ctx = c, .file = file, .text = text, .n = strnlen(text, n)};
    if (lx.n < n)
        bad(&lx, lx.n, 1, "a NUL character in the text", "a script is plain text");
    else
        lex_next(&lx);
    return lx;
}

static void skip_blanks(struct lexer *lx)
{
    for (;; lx->at++) {
        char ch = at(lx, lx->at);
        poll_at(lx, lx->at);
        if (ch == '#') {
            while (lx->at < lx->n && lx->text[lx->at] != '\n') poll_at(lx, lx->at++);
            ch = at(lx, lx->at);
        }
        if (ch == ' ' || ch == '\t' || ch == '\r' || (ch == '\n' && lx->nesting > 0)) continue;
        return;
    }
}

/* The digits' value; 2^63 is let through as INT64_MIN, since a minus may stand before it. */
static bool int_value(const char *s, size_t n, int64_t *out)
{
    uint64_t v = 0;
    bool hex = n > 2 && (s[1] == 'x' || s[1] == 'X');
    for (size_t i = hex ? 2 : 0; i < n; i++) {
        unsigned d = is_digit(s[i]) ? (unsigned)(s[i] - '0') : (unsigned)((s[i] | 32) - 'a' + 10);
        if (__builtin_mul_overflow(v, hex ? 16u : 10u, &v) || __builtin_add_overflow(v, d, &v)) return false;
    }
    *out = (int64_t)v;
    return v <= (uint64_t)INT64_MAX + 1;
}

static void lex_number(struct lexer *lx)
{
    size_t from = lx->at, i = from;
    bool real = false;
    struct token *t = &lx->tok;
    if (at(lx, i) == '0' && (at(lx, i + 1) | 32) == 'x') {
        i += 2;
        while (is_digit(at(lx, i)) || ((at(lx, i) | 32) >= 'a' && (at(lx, i) | 32) <= 'f')) i++;
    } else {
        while (is_digit(at(lx, i))) i++;
        if (at(lx, i) == '.' && at(lx, i + 1) != '.') {
            real = true;
            do i++; while (is_digit(at(lx, i)));
        }
        size_t exp = i + 1;
        if (at(lx, exp) == '+' || at(lx, exp) == '-') exp++;
        if ((at(lx, i) | 32) == 'e' && is_digit(at(lx, exp))) {
            real = true;
            for (i = exp; is_digit(at(lx, i));) i++;
        }
    }
    if (is_alpha(at(lx, i)) || (i - from == 2 && (lx->text[i - 1] | 32) == 'x')) {
        while (is_alpha(at(lx, i)) || is_digit(at(lx, i))) i++;
        bad(lx, from, i - from, "a malformed number", "numbers are 12, 0x1f, 1.5 or 1e-3; names start with a letter");
        return;
    }
    *t = (struct token){real ? TOK_FLOAT : TOK_INT, lx->text + from, i - from, span_of(lx, from, i - from), 0, 0};
    lx->at = i;
    if (real) {
        t->f = strtof(arena_strndup(&lx->ctx->arena, t->text, t->len), NULL);
        if (isinf(t->f)) bad(lx, from, i - from, "a number beyond f32", "f32 goes up to 3.4028235e38");
    } else if (!int_value(t->text, t->len, &t->i))
        bad(lx, from, i - from, "an integer beyond 64 bits", "integers lie in -2^63 .. 2^63-1");
}

static void lex_string(struct lexer *lx)
{
    size_t from = lx->at, i = from + 1;
    struct str s = str_on(&lx->ctx->arena);
    for (; at(lx, i) != '"'; i++) {
        poll_at(lx, i);
        if (i >= lx->n || lx->text[i] == '\n') {
            bad(lx, from, i - from, "a string without its closing quote", "strings end on the line they start on");
            return;
        }
        if (lx->text[i] == '\\' && (at(lx, i + 1) == '"' || at(lx, i + 1) == '\\')) i++;
        str_putc(&s, lx->text[i]);
    }
    lx->at = i + 1;
    lx->tok = (struct token){TOK_STRING, str_text(&s), s.n, span_of(lx, from, lx->at - from), 0, 0};
}

static size_t punct_length(const struct lexer *lx)
{
    static const char two[][3] = {"->", "<<", ">>", "<=", ">=", "==", "!=", "+=", ".."};
    char a = at(lx, lx->at), b = at(lx, lx->at + 1);
    for (size_t i = 0; i < ARRAY_LEN(two); i++)
        if (a == two[i][0] && b == two[i][1]) return 2;
    return strchr("()[]{},:=+-*/%&|^!<>.", a) ? 1 : 0;
}

void lex_next(struct lexer *lx)
{
    skip_blanks(lx);
    size_t from = lx->at;
    char ch = at(lx, from);
    if (from >= lx->n) {
        lx->tok = (struct token){.kind = TOK_END, .text = lx->text + from, .span = span_of(lx, from, 0)};
        return;
    }
    if (is_digit(ch)) { lex_number(lx); return; }
    if (ch == '"') { lex_string(lx); return; }
    size_t len = 1;
    enum token_kind kind = TOK_PUNCT;
    if (ch == '\n' || ch == ';') {
        kind = TOK_EOL;
    } else if (is_alpha(ch)) {
        kind = TOK_NAME;
        while (is_alpha(at(lx, from + len)) || is_digit(at(lx, from + len))) poll_at(lx, from + len++);
    } else if (!(len = punct_length(lx))) {
        bad(lx, from, 1, "a character that means nothing here", "comments start with #; text is plain ASCII");
        return;
    }
    if (ch == '(' || ch == '[') lx->nesting++;
    if ((ch == ')' || ch == ']') && lx->nesting > 0) lx->nesting--;
    lx->tok = (struct token){kind, lx->text + from, len, span_of(lx, from, len), 0, 0};
    lx->at = from + len;
}

bool lex_is(const struct lexer *lx, const char *s)
{
    const struct token *t = &lx->tok;
    return (t->kind == TOK_NAME || t->kind == TOK_PUNCT) && strlen(s) == t->len && !memcmp(t->text, s, t->len);
}

bool lex_accept(struct lexer *lx, const char *s)
{
    if (!lex_is(lx, s)) return false;
    lex_next(lx);
    return true;
}

static const char *found(const struct lexer *lx)
{
    const struct token *t = &lx->tok;
    if (t->kind == TOK_END) return "the end of the text";
    if (t->kind == TOK_EOL) return "the end of the statement";
    int n = t->span.len > 40 ? 40 : (int)t->span.len;
    return arena_printf(&lx->ctx->arena, "'%.*s'", n, lx->text + t->span.at);
}

bool lex_expect(struct lexer *lx, const char *s)
{
    if (lex_accept(lx, s)) return true;
    return err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "expected '%s', found %s", s, found(lx));
}

bool lex_skip_ends(struct lexer *lx)
{
    while (lx->tok.kind == TOK_EOL) lex_next(lx);
    return lx->tok.kind != TOK_END;
}

char *lex_name(struct lexer *lx)
{
    if (lx->tok.kind != TOK_NAME)
        return err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "expected a name, found %s", found(lx)), NULL;
    char *name = arena_strndup(&lx->ctx->arena, lx->tok.text, lx->tok.len);
    lex_next(lx);
    return name;
}

bool lex_int(struct lexer *lx, int64_t *out)
{
    bool minus = lex_accept(lx, "-");
    if (lx->tok.kind != TOK_INT)
        return err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "expected an integer, found %s", found(lx));
    int64_t v = lx->tok.i;
    if (!minus && v == INT64_MIN) {
        err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "an integer beyond 64 bits");
        err_hint(&lx->ctx->err, "integers lie in -2^63 .. 2^63-1");
        return false;
    }
    *out = minus && v != INT64_MIN ? -v : v;
    lex_next(lx);
    return true;
}

struct span lex_rest_span(const struct lexer *lx)
{
    size_t from = lx->tok.span.at, to = from;
    while (to < lx->n && !strchr("\n;#", lx->text[to])) to++;
    while (to > from && strchr(" \t\r", lx->text[to - 1])) to--;
    return span_of(lx, from, to - from);
}
