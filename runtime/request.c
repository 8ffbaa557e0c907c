/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - a table of statements that come before definitions and steps, each with who writes and who reads it.
 * Contract in request.h. */
#include "runtime/request.h"

#include "codegen/codegen.h"
#include "ir/print.h"

static const char *const format_name[] = {
    [QJ_OBJ] = "object", [QJ_ASM] = "assembly", [QJ_LL] = "llvm-ir", [QJ_BC] = "bitcode", [QJ_PTX] = "ptx"};

/* ---- statements ---- */

static bool put_name(struct qj_ctx *q, struct str *s)
{
    str_printf(s, "name %s\n", api_kernel_name(q));
    return true;
}

static bool take_name(struct qj_ctx *q, struct lexer *lx)
{
    const char *name = lex_name(lx);
    return name && api_name(q, name);
}

static bool put_target(struct qj_ctx *q, struct str *s)
{
    const struct target *t = api_target(q);
    if (t) str_printf(s, "target %s\n", t->name);
    return t != NULL;
}

static bool take_target(struct qj_ctx *q, struct lexer *lx)
{
    struct span at = lex_rest_span(lx);
    while (lx->tok.kind != TOK_EOL && lx->tok.kind != TOK_END) lex_next(lx);
    return api_set_target(q, arena_strndup(&q->ir.arena, at.text + at.at, at.len));
}

static void put_quoted(struct str *s, const char *key, const char *text)
{
    str_printf(s, " %s \"", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') str_putc(s, '\\');
        str_putc(s, *text);
    }
    str_putc(s, '"');
}

static bool put_intrinsics(struct qj_ctx *q, struct str *s)
{
    const struct target *t = api_target(q);
    for (int i = 0; t && i < t->nintrin; i++) {
        const struct intrin_row *r = t->intrin[i].row;
        if (!t->intrin[i].user) continue;
        str_printf(s, "intrinsic %s", r->name);
        put_quoted(s, "operands", r->operands);
        put_quoted(s, "meaning", r->meaning);
        put_quoted(s, "recipe", r->recipe);
        if (r->needs && *r->needs) put_quoted(s, "needs", r->needs);
        str_putc(s, '\n');
    }
    return t != NULL;
}

static bool take_intrinsic(struct qj_ctx *q, struct lexer *lx)
{
    struct intrin_row row = {.name = lex_name(lx)};
    const struct { const char *key; const char **to; } part[] = {
        {"operands", &row.operands}, {"meaning", &row.meaning}, {"recipe", &row.recipe}, {"needs", &row.needs}};
    while (lx->tok.kind == TOK_NAME) {
        size_t k = 0;
        while (k < ARRAY_LEN(part) && !lex_is(lx, part[k].key)) k++;
        if (k == ARRAY_LEN(part)) break;
        lex_next(lx);
        if (lx->tok.kind != TOK_STRING) break;
        *part[k].to = arena_strndup(&q->ir.arena, lx->tok.text, lx->tok.len);
        lex_next(lx);
    }
    return !err_is(&q->ir.err) && api_intrinsic(q, &row);
}

static const struct {
    const char *word;
    bool (*put)(struct qj_ctx *q, struct str *s);       /* all of them, or nothing when there is none */
    bool (*take)(struct qj_ctx *q, struct lexer *lx);   /* one, behind its word */
} statement[] = {
    {"name", put_name, take_name},
    {"target", put_target, take_target},
    {"intrinsic", put_intrinsics, take_intrinsic},
};

/* ---- both ways ---- */

const char *request_text(struct qj_ctx *q, qj_format format)
{
    const struct target *t = api_target(q);
    struct str s = str_on(&q->ir.arena);
    if (!t) return NULL;
    str_printf(&s, "# qjit %s, LLVM %s: %s\n# %s, %s, %s\n", qj_version(), cg_llvm_version(), format_name[format],
               t->family->triple, t->cpu, *t->feature_text ? t->feature_text : "no features");
    for (size_t i = 0; i < ARRAY_LEN(statement); i++)
        if (!statement[i].put(q, &s)) return NULL;
    str_putc(&s, '\n');
    print_program(&s, api_program(q));
    const char *steps = q->sched ? sch_text(&q->ir.arena, q->sched) : "";
    if (*steps) str_printf(&s, "\n%s", steps);
    return str_text(&s);
}

static bool not_a_request(struct qj_ctx *q, struct span at)
{
    return err_set(&q->ir.err, ERR_SYNTAX, at, "not a request of this qjit");
}

static bool read_format(struct qj_ctx *q, const char *text, qj_format *format)
{
    size_t n = strcspn(text, "\n");
    for (int i = 0; i <= QJ_PTX; i++) {
        const char *head = arena_printf(&q->ir.arena, "# qjit %s, LLVM %s: %s", qj_version(), cg_llvm_version(), format_name[i]);
        if (strlen(head) != n || memcmp(text, head, n)) continue;
        *format = (qj_format)i;
        return true;
    }
    return not_a_request(q, (struct span){NULL, text, 0, n});
}

static bool take(struct qj_ctx *q, struct lexer *lx)
{
    if (parse_at_def(lx)) return parse_def(lx, &q->env);
    for (size_t i = 0; i < ARRAY_LEN(statement); i++)
        if (lex_is(lx, statement[i].word)) {
            lex_next(lx);
            return statement[i].take(q, lx);
        }
    return not_a_request(q, lx->tok.span);
}

bool request_read(struct qj_ctx *q, const char *given, qj_format *format)
{
    const char *text = arena_strdup(&q->ir.arena, given);
    struct lexer lx = lex_on(&q->ir, NULL, text, strlen(text));
    if (!read_format(q, text, format)) return false;
    while (lex_skip_ends(&lx)) {
        if (!parse_at_def(&lx) && sch_is_step(lx.tok.text, lx.tok.len)) { /* the rest are steps: lowered once */
            struct sched *s = api_sched(q);
            return s && sch_text_whole(s, text + lx.tok.span.at);
        }
        if (!take(q, &lx)) return false;
    }
    return !err_is(&q->ir.err);
}
