/* SPDX-License-Identifier: Apache-2.0 */
/* Dumped loop nests and the meanings of instructions: what is read, what is refused, and that the text of
 * a nest is stable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/meaning.h"
#include "ir/parse.h"
#include "ir/print.h"

static struct ir_ctx *ctx_new(void)
{
    struct ir_ctx *c = malloc(sizeof *c);
    ir_ctx_init(c, 0);
    return c;
}

static void ctx_free(struct ir_ctx *c)
{
    ir_ctx_release(c);
    free(c);
}

static void show_error(struct ir_ctx *c)
{
    struct str s = str_on(&c->arena);
    if (!err_is(&c->err)) return;
    err_render(&c->err.first, &s);
    print_message("%s", str_text(&s));
}

/* Rows of a table are all tried; the test fails at its end. */
static void complain(int *bad, const char *fmt, ...) QJ_PRINTF(2, 3);
static void complain(int *bad, const char *fmt, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    print_error("%s\n", line);
    ++*bad;
}

struct refusal {
    const char *text;
    enum err_code code;
    const char *caret;  /* the source under the caret; NULL: anywhere */
    const char *says;   /* in the message or the hint */
};

static const char *repeat(struct ir_ctx *c, const char *head, const char *piece, int n, const char *middle,
                          const char *close, const char *tail)
{
    struct str s = str_on(&c->arena);
    str_put(&s, head);
    for (int i = 0; i < n; i++) str_put(&s, piece);
    str_put(&s, middle);
    for (int i = 0; i < n; i++) str_put(&s, close);
    str_put(&s, tail);
    return str_text(&s);
}

/* ---- loop nests ---- */

#define NEST                                                                                      \
    "func conv(arg A[1, 56, 56, 64] : u8, arg W[64, 576] : i8 in -127..127, out Out[1, 56, 56, 64] : u8) {\n" \
    "  alloc local Acc[56, 32] : i32 {\n"                                                         \
    "    parallel y in 0..56 {\n"                                                                 \
    "      for k in 0..32 peel {\n"                                                               \
    "        if (y < 55) {\n"                                                                     \
    "          Acc[y, k] = Acc[y, k] + i32(A[0, y, k, 0])\n"                                      \
    "        }\n"                                                                                 \
    "        dot4(Acc[y, 0], A[0, y, k, 0], W[k, 0])\n"                                           \
    "      }\n"                                                                                   \
    "    }\n"                                                                                     \
    "    sync\n"                                                                                  \
    "    threadIdx.x t in 0..64 {\n"                                                              \
    "      Out[t + 3] = 7\n"                                                                      \
    "      Acc[t, ramp(0, 1, 8)] = bcast(0, 8)\n"                                                 \
    "      Out[0, 0, t, ramp(0, 1, 8)] = A[0, 0, t, ramp(0, 1, 8)] + 3 where ramp(0, 1, 8) < bcast(t, 8)\n" \
    "    }\n"                                                                                     \
    "  }\n"                                                                                       \
    "}\n"

static const struct meaning *find_meaning(void *u, const char *name)
{
    const struct meaning *m = u;
    return m && !strcmp(m->name, name) ? m : NULL;
}

static const struct meaning *dot4(struct ir_ctx *c)
{
    return meaning_parse(c, "dot4", "C: i32[8], A: u8[4], B: i8[8,4]", "C[i] += i32(A[k]) * i32(B[i,k])", (struct span){0});
}

static const struct func *read_func(struct ir_ctx *c, const char *text)
{
    struct lexer lx = lex_on(c, NULL, text, strlen(text));
    const struct meaning *m = dot4(c);
    return lex_skip_ends(&lx) ? parse_func(&lx, find_meaning, (void *)m) : NULL;
}

static const char *func_text(struct ir_ctx *c, const struct func *f)
{
    struct str s = str_on(&c->arena);
    print_func(&s, f);
    return str_text(&s);
}

static void test_nest(void **state)
{
    struct ir_ctx *c = ctx_new();
    const struct func *f = read_func(c, NEST);
    show_error(c);
    assert_non_null(f);
    assert_string_equal(func_text(c, f), NEST);
    assert_int_equal(f->narg, 3);
    assert_true(f->arg[2]->written && !f->arg[1]->written && f->arg[1]->range.lo == -127);
    const struct stmt *loop = f->body->u.alloc.body->u.seq.at[0];
    assert_true(loop->kind == STMT_FOR && loop->u.loop.how == LOOP_PARALLEL && !loop->u.loop.peel);
    assert_true(loop->u.loop.body->u.loop.peel);
    assert_true(read_func(c, func_text(c, read_func(c, func_text(c, f)))) != NULL);
    ctx_free(c);
}

/* Names that clash, and operands whose age differs from their order: the text is still stable. */
static void test_nest_names(void **state)
{
    struct ir_ctx *c = ctx_new();
    int64_t shape[] = {64};
    const struct buffer *b = ir_buffer(c, "sync", DT_I32, SCOPE_ARG, 1, shape);
    const struct var *inner = ir_var(c, "k", 4), *outer = ir_var(c, "k", 4), *after = ir_var(c, "k", 3);
    const struct expr *i = ir_var_expr(c, inner), *o = ir_var_expr(c, outer), *a = ir_var_expr(c, after);
    const struct expr *at = ir_add(c, i, ir_mul(c, o, ir_idx(c, 4)));
    const struct expr *v = ir_add(c, ir_cast(c, DT_I32, ir_add(c, i, o)), ir_load(c, b, 1, &at));
    const struct stmt *first = ir_for(c, outer, LOOP_SERIAL, ir_for(c, inner, LOOP_SERIAL, ir_store(c, b, 1, &at, v, NULL)));
    const struct stmt *both[] = {first, ir_for(c, after, LOOP_UNROLLED, ir_store(c, b, 1, &a, ir_load(c, b, 1, &a), NULL))};
    const struct buffer *args[] = {b};
    struct func f = {"f", 1, args, ir_seq(c, 2, both)};
    const char *text = func_text(c, &f);
    assert_string_equal(text, "func f(arg sync_1[64] : i32) {\n"
                              "  for k in 0..4 {\n"
                              "    for k_1 in 0..4 {\n"
                              "      sync_1[k * 4 + k_1] = sync_1[k * 4 + k_1] + i32(k + k_1)\n"
                              "    }\n"
                              "  }\n"
                              "  unrolled k in 0..3 {\n"
                              "    sync_1[k] = sync_1[k]\n"
                              "  }\n"
                              "}\n");
    assert_string_equal(func_text(c, read_func(c, text)), text);
    ctx_free(c);
}

static void test_nest_refusals(void **state)
{
#define F(body) "func f(arg A[4, 8] : u8, out B[4, 8] : i32) {\n" body "\n}\n"
    static const struct refusal no[] = {
        {F("B[0, 0] = A[0, 0]"), ERR_TYPE, "A[0, 0]", "i32(A[0, 0])"},
        {F("Q[0] = 1"), ERR_UNKNOWN_NAME, "Q", "no buffer"},
        {F("B[0, 0] = Q[0]"), ERR_UNKNOWN_NAME, "Q", NULL},
        {F("B[0, y] = 1"), ERR_UNKNOWN_NAME, "y", NULL},
        {F("B[0, 0, 0] = 1"), ERR_SHAPE, NULL, "2 dimensions"},
        {F("for y in 1..4 {\n}"), ERR_RANGE, "1", "0"},
        {F("for y in 0..0 {\n}"), ERR_SHAPE, "0", NULL},
        {F("while y in 0..4 {\n}"), ERR_SYNTAX, "while", "parallel"},
        {F("blockIdx.q y in 0..4 {\n}"), ERR_SYNTAX, NULL, "blockIdx.q"},
        {F("if (A[0, 0]) {\n}"), ERR_TYPE, "A[0, 0]", "bool"},
        {F("alloc arg C[4] : i32 {\n}"), ERR_UNKNOWN_NAME, "arg", "local"},
        {F("alloc local C[4] : i32 {\n} C[0] = 1"), ERR_SYNTAX, "C", "end here"},
        {F("alloc local C[4] : i32 {\n}\nC[0] = 1"), ERR_UNKNOWN_NAME, "C", NULL},
        {F("B[0, ramp(0, 1, 8)] = 1"), ERR_TYPE, "1", "bcast"},
        {F("B[0, ramp(0, 1, 8)] = bcast(1, 8) where A[0, 0] == 1"), ERR_TYPE, NULL, "mask"},
        {F("dot8(B[0, 0])"), ERR_UNKNOWN_NAME, "dot8", "instruction"},
        {F("dot4(A[0, 0], A[0, 0], A[0, 0])"), ERR_TYPE, "A[0, 0]", "i32"},
        {F("dot4(B[0, 0], A[0, 0] + 1, A[0, 0])"), ERR_TYPE, "A[0, 0] + 1", "operand A"},
        {F("dot4(B[0, 0])"), ERR_SYNTAX, ")", "','"},
        {"func f(in A[4] : u8) {\n}", ERR_SYNTAX, "in", "arg"},
        {"func f() {\n", ERR_SYNTAX, NULL, "'}'"},
    };
    int bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        struct ir_ctx *c = ctx_new();
        const struct func *f = read_func(c, no[i].text);
        const struct err *e = &c->err.first;
        struct str s = str_on(&c->arena);
        err_render(e, &s);
        if (f || e->code != no[i].code || (no[i].says && !strstr(str_text(&s), no[i].says)))
            complain(&bad, "%s: not the error that was meant: %s", no[i].text, str_text(&s));
        else if (no[i].caret && (e->span.len != strlen(no[i].caret) || memcmp(e->span.text + e->span.at, no[i].caret, e->span.len)))
            complain(&bad, "%s: caret on '%.*s'", no[i].text, (int)e->span.len, e->span.text + e->span.at);
        ctx_free(c);
    }
    assert_int_equal(bad, 0);
    struct ir_ctx *c = ctx_new();
    assert_null(read_func(c, repeat(c, "func f() {\n", "for i in 0..2 {\n", 100000, "", "}\n", "}\n")));
    assert_int_equal(c->err.first.code, ERR_TOO_LARGE);
    ctx_free(c);
}

/* ---- meanings ---- */

static void test_meaning(void **state)
{
    struct ir_ctx *c = ctx_new();
    const struct meaning *m = dot4(c);
    assert_non_null(m);
    assert_true(m->nop == 3 && m->naxes == 2 && m->nout == 1 && m->accumulate && m->combiner == RED_SUM);
    assert_true(m->axis[0]->extent == 8 && m->axis[1]->extent == 4);
    assert_true(m->op_axis[0][0] == 0 && m->op_axis[1][0] == 1 && m->op_axis[2][0] == 0 && m->op_axis[2][1] == 1);
    assert_string_equal(expr_text(&c->arena, m->body), "i32(B[i, k]) * i32(A[k])");
    m = meaning_parse(c, "dot", "C: i32, A: u8[4], B: i8[4]", "C[] += i32(A[k]) * i32(B[k])", (struct span){0});
    assert_true(m && m->nout == 0 && m->naxes == 1);
    m = meaning_parse(c, "cvt", "C: i16[16], A: u8[16]", "C[i] = i16(A[i])", (struct span){0});
    assert_true(m && !m->accumulate && m->nout == 1 && m->naxes == 1);
    m = meaning_parse(c, "vfma", "C: f32[8], A: f32[8], S: f32[]", "C[i] fma= A[i] * S[]", (struct span){0});
    assert_true(m && m->accumulate && m->combiner == RED_FMA);
    m = meaning_parse(c, "vmax", "C: u8[32], A: u8[32]", "C[i] max= A[i]", (struct span){0});
    assert_true(m && m->combiner == RED_MAX);
    assert_false(err_is(&c->err));
    ctx_free(c);
}

static void test_meaning_refusals(void **state)
{
    static const struct { const char *ops, *text, *says; } no[] = {
        {"C: i32[8], A: u8[4]", "C[i] += i32(A[i])", "two extents"},
        {"C: i32[8], A: u8[8]", "C[i] += A[i]", "i32(A[i])"},
        {"C: i32[8], A: i32[8,4]", "C[i] = A[i,k]", "accumulate"},
        {"C: i32[8], A: i32[8]", "A[i] = C[i]", "operand 0"},
        {"C: i32[8], A: i32[8]", "C[i] = C[i] + A[i]", "right side"},
        {"C: i32[8], A: i32[8], B: i32[8]", "C[i] = A[i]", "never read"},
        {"C: i32[8], A: i32[8]", "C[i] = A[i+1]", NULL},
        {"C: i32[8], A: i32[8,8]", "C[i] = A[i,i]", "twice"},
        {"C: i32[8], A: i32[8,8]", "C[i] += A[i,j] * A[j,i]", "two places"},
        {"C: i32[2], A: i32[2,2,2,2,2,2]", "C[a] += A[a,b,c,d,e,f]", "axes"},
        {"C: i32[8], C: i32[8]", "C[i] = 1", "one name"},
        {"C: i32[0]", "C[i] = 1", "extent"},
        {"C: i32[8], A: i32[8]", "C[i] -= A[i]", "+="},
        {"C: i32[8], A: i32[8]", "C[i] fma= A[i]", "product"},
        {"C: i32[8], A: i32[8]", "C[i] = A[i] 3", "end here"},
        {"C: i32[8] A: i32[8]", "C[i] = A[i]", "end here"},
        {"C: i32[8], A: i32[8]", "C[i] = A[i] + i32(i)", "no axis"},
    };
    const char *source = "intrinsic x ...";
    int bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        struct ir_ctx *c = ctx_new();
        const struct meaning *m = meaning_parse(c, "row", no[i].ops, no[i].text, (struct span){NULL, source, 10, 1});
        struct str s = str_on(&c->arena);
        err_render(&c->err.first, &s);
        if (m || c->err.first.code != ERR_INTRIN || !strstr(str_text(&s), source) ||
            (no[i].says && !strstr(str_text(&s), no[i].says)))
            complain(&bad, "%s: %s", no[i].text, str_text(&s));
        ctx_free(c);
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nest),
        cmocka_unit_test(test_nest_names),
        cmocka_unit_test(test_nest_refusals),
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_meaning_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
