/* SPDX-License-Identifier: Apache-2.0 */
/* values.c - weights that are part of the program. Contract in values.h. */
#include "ir/values.h"

#include "ir/eval.h"

int64_t tensor_bytes(const struct tensor *t)
{
    int64_t n = dt_bytes(t->dt);
    for (int i = 0; i < t->ndim; i++) n *= t->shape[i];
    return n;
}

enum { POLL_EVERY = 1 << 16 }; /* elements, bytes */

/* ---- giving a tensor its elements ---- */

static bool outside(struct ir_ctx *c, const struct tensor *t, int64_t at, int64_t v, struct range r, struct span span)
{
    err_set(&c->err, ERR_RANGE, span, "element %lld of %s is %lld, outside %s %lld..%lld", (long long)at, t->name,
            (long long)v, t->dt == DT_BOOL ? "the range of bool," : "its declared", (long long)r.lo, (long long)r.hi);
    err_hint(&c->err, "declare a range that holds all of them, or none: it is measured");
    return false;
}

bool tensor_embed(struct ir_ctx *c, struct tensor *t, const void *values, struct span at)
{
    if (t->kind != TENSOR_WEIGHT) {
        err_set(&c->err, ERR_TYPE, at, "%s has no constant values: it is %s", t->name,
                t->kind == TENSOR_INPUT ? "an input, new at each call" : "computed");
        err_hint(&c->err, "weights, biases and scales can be embedded");
        return false;
    }
    struct range allowed = t->values ? t->declared : t->range, seen = allowed;
    int64_t n = tensor_bytes(t) / dt_bytes(t->dt);
    for (int64_t i = 0; i < n && t->dt != DT_F32; i++) {
        if (i % POLL_EVERY == 0) arena_poll(&c->arena);
        int64_t v = value_load(t->dt == DT_BOOL ? DT_U8 : t->dt, values, i).i; /* of bool, the very byte */
        if (v < allowed.lo || v > allowed.hi) return outside(c, t, i, v, allowed, at);
        if (i == 0) seen = (struct range){v, v};
        seen = (struct range){i64_min(seen.lo, v), i64_max(seen.hi, v)};
    }
    t->values = values;
    t->declared = allowed;
    t->range = seen;
    return true;
}

/* ---- as text ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool parse_values(struct lexer *lx, struct tensor *t)
{
    struct err_state *err = &lx->ctx->err;
    if (!lex_expect(lx, "hex")) return false;
    struct token text = lx->tok;
    int64_t n = tensor_bytes(t);
    if (text.kind != TOK_STRING) {
        err_set(err, ERR_SYNTAX, text.span, "the values of %s are a string of hexadecimal digits", t->name);
        err_hint(err, "two digits a byte, row-major, the low byte of an element first: hex \"00ff\"");
        return false;
    }
    if ((int64_t)text.len != 2 * n) {
        err_set(err, ERR_SHAPE, text.span, "%s takes %lld bytes, so %lld hexadecimal digits, and here are %zu", t->name,
                (long long)n, 2 * (long long)n, text.len);
        err_hint(err, "two digits a byte, of each element");
        return false;
    }
    unsigned char *bytes = arena_alloc(&lx->ctx->arena, (size_t)n + 1);
    for (int64_t i = 0; i < n; i++) {
        if (i % POLL_EVERY == 0) arena_poll(&lx->ctx->arena);
        int hi = digit(text.text[2 * i]), lo = digit(text.text[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            struct span at = text.span;
            at.at += (size_t)(2 * i) + 1;
            at.len = 2;
            err_set(err, ERR_SYNTAX, at, "\"%.2s\" is no byte", text.text + 2 * i);
            err_hint(err, "two digits of 0-9 and a-f");
            return false;
        }
        bytes[i] = (unsigned char)(16 * hi + lo);
    }
    lex_next(lx);
    return tensor_embed(lx->ctx, t, bytes, text.span);
}

void print_values(struct str *s, const struct tensor *t)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = t->values;
    char part[512];
    str_put(s, " = hex \"");
    for (int64_t i = 0, n = tensor_bytes(t); i < n;) {
        size_t k = 0;
        for (; k < sizeof part && i < n; i++) {
            part[k++] = digits[b[i] >> 4];
            part[k++] = digits[b[i] & 15];
        }
        str_putn(s, part, k);
    }
    str_putc(s, '"');
}
