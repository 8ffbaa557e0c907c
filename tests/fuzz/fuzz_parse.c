/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_parse.c - any text is read or refused with an error; what was read prints to text that reads back
 * to the same text. Definitions, loop nests (from the word `func`), meanings (from `meaning`). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/meaning.h"
#include "ir/parse.h"
#include "ir/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const char *const fuzz_seeds[];
const char *const fuzz_seeds[] = {
    "input A[n:1, h:8, w:8, c:4] : u8 in 0..127\nweight W[o:4, r:3, s:3, c:4] : i8 layout ORSC4o\n"
    "bias B[o:4] : i32; scale M[o:4] : f32\nP = pad(A, h: 1 1, w: 1 1, value: 0)\n"
    "Acc[n, y, x, o] : i32 = sum(r, s, c) i32(P[n, y+r, x+s, c]) * i32(W[o, r, s, c])\n"
    "Out[n, y, x, o] : u8 = requantize(Acc[n, y, x, o] + B[o], scale: M[o], zero: 3, round: half_even)\n",
    "input X[i:16] : i8; input F[16] : f32\nC[i] : i8 in -5..5 = clamp(X[i], -5, 5)\n"
    "N[i:18] = select(1 <= i & i <= 16, X[i - 1], 0); D[i] = select(X[i] > 3 & i != 0, sat_u8(i16(X[i]) << 2), u8(1)) # note\nE[] : f32 = fmasum(k) F[k] * 1.5e-3\n"
    "G[i] = abs(-F[i]) + rint(fma(F[i], F[15 - i], -inf)); H[] = max(i, j:2) X[i] % 3 / (1 << j - j)\n",
    "input Z[9] : i32\nQ[i] : i8 = requantize(Z[i], mult: 1073741824, shift: -5, zero: -3, round: tflite_double, lo: -9)\n"
    "R[i, j:2] : i8 = requantize(Z[i] + i32(j), shift: 7, round: shift); S[i:3] = i | 0x7fff ^ i & !i\n",
    "func f(arg A[4, 8] : u8 in 0..9, out B[4, 8] : i32) {\n  alloc local C[8] : i32 {\n    parallel y in 0..4 {\n"
    "      for k in 0..8 peel {\n        if (y < 3 & k != 0) {\n          C[k] = C[k] + i32(A[y, k]) * 2\n        }\n"
    "        dot(B[y, 0], A[y, 0])\n      }\n      B[y, ramp(0, 1, 8)] = select(ramp(0, 1, 8) < bcast(y, 8), "
    "C[ramp(0, 1, 8)], bcast(0, 8)) where ramp(y, 1, 8) < 5\n    }\n    sync\n  }\n  blockIdx.x t in 0..2 {\n  }\n}\n",
    "meaning C: i32[8], A: u8[4], B: i8[8,4]\nC[i] += i32(A[k]) * i32(B[i,k])",
    NULL};

static const struct meaning *find(void *u, const char *name)
{
    const struct meaning *m = u;
    return strcmp(name, "dot") ? NULL : m;
}

/* Reads everything; the text it prints to, or NULL. */
static const char *defs_text(struct ir_ctx *c, const char *text, size_t n)
{
    struct ir_env env = {0};
    struct lexer lx = lex_on(c, "fuzz", text, n);
    struct str s = str_on(&c->arena);
    while (lex_skip_ends(&lx)) {
        parse_at_def(&lx);
        if (!parse_def(&lx, &env)) break;
    }
    struct program p = {"p", (int)env.tensors.n, env.tensors.at};
    print_program(&s, &p);
    return str_text(&s);
}

static const char *func_text(struct ir_ctx *c, const char *text, size_t n)
{
    const struct meaning *m = meaning_parse(c, "dot", "C: i32[8], A: u8[8]", "C[i] += i32(A[i])", (struct span){0});
    struct lexer lx = lex_on(c, "fuzz", text, n);
    const struct func *f = lex_skip_ends(&lx) ? parse_func(&lx, find, (void *)m) : NULL;
    struct str s = str_on(&c->arena);
    if (!f) return NULL;
    print_func(&s, f);
    return str_text(&s);
}

static void read_meaning(struct ir_ctx *c, const char *text)
{
    const char *line = strchr(text, '\n');
    if (!line) return;
    const char *ops = arena_strndup(&c->arena, text + 7, (size_t)(line - text - 7));
    struct span at = {NULL, text, 0, 7};
    meaning_parse(c, "m", ops, line + 1, at);
}

static void check(bool ok, const char *what, const char *a, const char *b)
{
    if (ok) return;
    fprintf(stderr, "%s\n--- first\n%s\n--- again\n%s\n", what, a, b ? b : "(refused)");
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ir_ctx c, d;
    ir_ctx_init(&c, 0);
    ir_ctx_init(&d, 0);
    const char *text = arena_strndup(&c.arena, (const char *)data, size);
    bool func = !strncmp(text, "func", 4);
    if (!strncmp(text, "meaning", 7)) {
        read_meaning(&c, text);
    } else {
        const char *once = func ? func_text(&c, text, size) : defs_text(&c, text, size);
        if (once) {
            const char *again = func ? func_text(&d, once, strlen(once)) : defs_text(&d, once, strlen(once));
            check(!err_is(&d.err), d.err.first.msg ? d.err.first.msg : "", once, again);
            check(again && !strcmp(once, again), "prints differently", once, again);
        }
    }
    struct str s = str_on(&c.arena);
    if (err_is(&c.err)) {
        err_render(&c.err.first, &s);
        check(c.err.first.hint && c.err.first.msg, "an error without words", text, NULL);
    }
    ir_ctx_release(&c);
    ir_ctx_release(&d);
    return 0;
}
