/* SPDX-License-Identifier: Apache-2.0 */
/* api_define.c - what to compute, for which machine, and the texts of all that. */
#include "runtime/api.h"
#include "runtime/cnames.h"
#include "runtime/explain.h"
#include "runtime/request.h"

#include <stdio.h>

#include "ir/print.h"

/* A copy that error spans may keep referring to; NULL text: error set. */
static const char *take_text(struct qj_ctx *q, const char *text)
{
    if (!text) return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "a text is missing (NULL)"), NULL;
    return arena_strdup(&q->ir.arena, text);
}

bool api_replay(struct qj_ctx *q)
{
    if (!q->sched) return true;
    if (!sch_settle(q->sched)) return false;
    q->sched = sch_replay(&q->ir, q->sched, api_program(q), api_target(q));
    return q->sched != NULL;
}

/* ---- definitions ---- */

static bool name_taken(struct qj_ctx *q, const char *name, enum cname what, const char *as)
{
    err_set(&q->ir.err, ERR_SYNTAX, (struct span){0}, "\"%s\" cannot be %s: it is %s", name, as, cname_what[what]);
    return err_hint(&q->ir.err, "objects and headers are for programs in C and C++: a name that is free there, e.g. conv_1"), false;
}

/* One of the C library's may be called, but not those that code calls by itself. */
static bool check_externs(struct qj_ctx *q, size_t from)
{
    for (size_t i = from; i < q->env.externs.n; i++) {
        const char *name = q->env.externs.at[i]->name;
        if (!api_identifier(q, "a function's name", name)) return false;
        enum cname what = cname_of(name);
        bool called = !strcmp(name, "memcpy") || !strcmp(name, "memset") || !strcmp(name, "memmove") || !strcmp(name, "main");
        if (what == CNAME_FREE || (what == CNAME_LIBRARY && !called)) continue;
        return name_taken(q, name, what, "a function of the host's");
    }
    return true;
}

bool api_define(struct qj_ctx *q, const char *text)
{
    struct lexer lx = lex_on(&q->ir, NULL, text, strlen(text));
    size_t externs = q->env.externs.n;
    while (!err_is(&q->ir.err) && lex_skip_ends(&lx)) {
        if (!parse_at_def(&lx)) {
            err_set(&q->ir.err, ERR_SYNTAX, lx.tok.span, "not a definition");
            err_hint(&q->ir.err, "input, weight, bias or scale NAME[...] : TYPE, extern NAME(...) : TYPE, or NAME[...] = EXPRESSION");
            return false;
        }
        if (!parse_def(&lx, &q->env)) return false;
    }
    return !err_is(&q->ir.err) && check_externs(q, externs) && api_replay(q);
}

static bool body_define(struct qj_ctx *q, void *u)
{
    const char *text = take_text(q, *(const char **)u);
    return text && api_define(q, text);
}

bool qj_define(qj_ctx *q, const char *text)
{
    if (q) q->text = text;
    return api_run(q, API_KEEP, body_define, &text);
}

struct declaration {
    const char *keyword, *name;
    qj_dtype t;
    int ndim;
    const int64_t *shape;
    const char *const *dims;
};

static bool body_declare(struct qj_ctx *q, void *u)
{
    const struct declaration *d = u;
    struct str s = str_on(&q->ir.arena);
    if (!api_identifier(q, "a tensor's name", d->name)) return false;
    if ((int)d->t < 0 || (int)d->t >= DT_COUNT)
        return err_set(&q->ir.err, ERR_TYPE, (struct span){0}, "%s: %d is no element type", d->name, (int)d->t);
    if (d->ndim < 0 || d->ndim > QJ_MAX_RANK || (d->ndim && !d->shape))
        return err_set(&q->ir.err, ERR_TOO_LARGE, (struct span){0},
                       "%s has %d dimensions; 0 to %d are possible", d->name, d->ndim, QJ_MAX_RANK);
    str_printf(&s, "%s %s[", d->keyword, d->name);
    for (int i = 0; i < d->ndim; i++) {
        if (i) str_put(&s, ", ");
        if (d->dims && !api_identifier(q, "a dimension's name", d->dims[i])) return false;
        if (d->dims) str_printf(&s, "%s:", d->dims[i]);
        str_printf(&s, "%lld", (long long)d->shape[i]);
    }
    str_printf(&s, "] : %s", dtype_info[d->t].name);
    return api_define(q, str_text(&s));
}

bool qj_input(qj_ctx *q, const char *name, qj_dtype t, int ndim, const int64_t *shape, const char *const *dims)
{
    return api_run(q, API_KEEP, body_declare, &(struct declaration){"input", name, t, ndim, shape, dims});
}

bool qj_weight(qj_ctx *q, const char *name, qj_dtype t, int ndim, const int64_t *shape, const char *const *dims)
{
    return api_run(q, API_KEEP, body_declare, &(struct declaration){"weight", name, t, ndim, shape, dims});
}

struct computation { const char *axes, *body; qj_dtype t; };

static bool body_compute(struct qj_ctx *q, void *u)
{
    const struct computation *d = u;
    if (!d->axes || !d->body)
        return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "axes or body is missing (NULL)");
    if ((int)d->t < 0 || (int)d->t >= DT_COUNT)
        return err_set(&q->ir.err, ERR_TYPE, (struct span){0}, "%s: %d is no element type", d->axes, (int)d->t);
    size_t before = q->env.tensors.n;
    if (!api_define(q, arena_printf(&q->ir.arena, "%s : %s = %s", d->axes, dtype_info[d->t].name, d->body))) return false;
    return q->env.tensors.n == before + 1
           || err_set(&q->ir.err, ERR_SYNTAX, (struct span){0}, "%s: its axes and body define more than one tensor", d->axes);
}

bool qj_compute(qj_ctx *q, const char *axes, qj_dtype t, const char *body)
{
    return api_run(q, API_KEEP, body_compute, &(struct computation){axes, body, t});
}

bool api_name(struct qj_ctx *q, const char *name)
{
    if (!api_identifier(q, "a kernel's name", name)) return false;
    enum cname what = cname_of(name);
    if (what != CNAME_FREE) return name_taken(q, name, what, "a kernel's name");
    q->name = arena_strdup(&q->ir.arena, name);
    return api_replay(q);
}

static bool body_name(struct qj_ctx *q, void *u) { return api_name(q, *(const char **)u); }
bool qj_name(qj_ctx *q, const char *name) { return api_run(q, API_KEEP, body_name, &name); }

/* ---- targets ---- */

/* "cuda", "cuda,+ptx78": the GPU at hand, by its name. */
static const char *name_gpu(struct qj_ctx *q, const char *text)
{
    static const char word[] = "cuda";
    size_t n = sizeof word - 1;
    if (strncmp(text, word, n) || (text[n] && text[n] != ',')) return text;
    struct cuda *d = api_cuda(q);
    const char *cpu = d ? cuda_target(d, &q->ir.err) : NULL;
    return cpu ? arena_printf(&q->ir.arena, "%s%s", cpu, text + n) : NULL;
}

/* A name says all of a target but the rows that were added to it. */
static bool same_target(const struct target *a, const struct target *b)
{
    return a && a->family == b->family && !strcmp(a->name, b->name) && a->nintrin == b->nintrin;
}

bool api_set_target(struct qj_ctx *q, const char *given)
{
    struct ir_mark mark = ir_mark(&q->ir);
    const char *text = take_text(q, given);
    if (text) text = name_gpu(q, text);
    if (!text) return false;
    struct span at = {NULL, text, 0, strlen(text)};
    const struct target *t = target_parse(&q->ir, text, strlen(text), at);
    if (!t) return false;
    if (same_target(q->target, t)) return ir_reset(&q->ir, mark), true; /* nothing changes, nothing is kept */
    q->target = t;
    return api_replay(q);
}

static bool body_target(struct qj_ctx *q, void *u) { return api_set_target(q, *(const char **)u); }

bool qj_target(qj_ctx *q, const char *target)
{
    if (q) q->text = target;
    return api_run(q, API_KEEP, body_target, &target);
}

static bool body_target_name(struct qj_ctx *q, void *u)
{
    const struct target *t = api_target(q);
    if (t) *(const char **)u = t->name;
    return t != NULL;
}

const char *qj_target_name(qj_ctx *q)
{
    const char *name = NULL;
    return api_run(q, API_KEEP, body_target_name, &name) ? name : NULL;
}

bool api_intrinsic(struct qj_ctx *q, const struct intrin_row *from)
{
    struct intrin_row *row = ARENA_NEW(&q->ir.arena, struct intrin_row);
    if (!from->operands || !from->meaning || !from->recipe
        || !api_identifier(q, "an instruction's name", from->name))
        return err_set(&q->ir.err, ERR_INTRIN, (struct span){0},
                       "operands, meaning or recipe is missing (NULL)");
    const char *const text[] = {from->operands, from->meaning, from->recipe, from->needs ? from->needs : ""};
    for (size_t i = 0; i < ARRAY_LEN(text); i++) { /* a script could not say it */
        if (!strpbrk(text[i], "\n\r")) continue;
        err_set(&q->ir.err, ERR_INTRIN, (struct span){0}, "a line break in a text of %s", from->name);
        err_hint(&q->ir.err, "each text is one line; in assembly `;` separates instructions");
        return false;
    }
    row->name = arena_strdup(&q->ir.arena, from->name);
    row->operands = arena_strdup(&q->ir.arena, from->operands);
    row->meaning = arena_strdup(&q->ir.arena, from->meaning);
    row->recipe = arena_strdup(&q->ir.arena, from->recipe);
    row->needs = arena_strdup(&q->ir.arena, from->needs ? from->needs : "");
    row->mnemonic = row->help = "";
    const struct target *t = api_target(q);
    q->target = t ? target_add_row(&q->ir, t, row, q->opt.allow_asm, (struct span){0}) : NULL;
    return q->target && api_replay(q);
}

static bool body_intrinsic(struct qj_ctx *q, void *u) { return api_intrinsic(q, u); }

bool qj_intrinsic(qj_ctx *q, const char *name, const char *operands, const char *meaning, const char *recipe,
                  const char *needs)
{
    struct intrin_row row = {
        .name = name, .operands = operands, .meaning = meaning, .recipe = recipe, .needs = needs};
    return api_run(q, API_KEEP, body_intrinsic, &row);
}

/* ---- texts ---- */

static bool body_program_text(struct qj_ctx *q, void *u)
{
    struct str s = str_on(&q->ir.arena);
    print_program(&s, api_program(q));
    return api_strdup(q, str_text(&s), u);
}

char *qj_program_text(qj_ctx *q)
{
    char *text = NULL;
    return api_run(q, API_SCRATCH, body_program_text, &text) ? text : NULL;
}

static bool body_reproducer(struct qj_ctx *q, void *u)
{
    const char *text = request_text(q, QJ_OBJ);
    return text && api_strdup(q, text, u);
}

/* The error that stands steps aside, with its texts, and comes back whatever becomes of the call. */
static char *beside_error(qj_ctx *q)
{
    char *text = NULL, oom[sizeof q->oom];
    struct err_state standing = q->ir.err;
    qj_error shown = q->shown;
    memcpy(oom, q->oom, sizeof oom);
    err_init(&q->ir.err);
    bool ok = api_run(q, API_SCRATCH, body_reproducer, &text);
    err_release(&q->ir.err);
    q->ir.err = standing;
    q->shown = shown;
    memcpy(q->oom, oom, sizeof oom);
    return ok ? text : NULL;
}

char *qj_reproducer(qj_ctx *q)
{
    char *text = NULL;
    if (q && err_is(&q->ir.err)) return beside_error(q);
    return api_run(q, API_SCRATCH, body_reproducer, &text) ? text : NULL;
}

static bool body_steps_text(struct qj_ctx *q, void *u)
{
    return api_strdup(q, q->sched ? sch_text(&q->ir.arena, q->sched) : "", u);
}

char *qj_steps_text(qj_ctx *q)
{
    char *text = NULL;
    return api_run(q, API_SCRATCH, body_steps_text, &text) ? text : NULL;
}

static bool body_show(struct qj_ctx *q, void *u)
{
    struct sched *sched = api_sched(q);
    const struct lowered *l = sched ? sch_lower(sched) : NULL;
    struct str s = str_on(&q->ir.arena);
    if (!l) return false;
    print_func(&s, l->main);
    if (l->pack) print_func(&s, l->pack);
    if (l->embed) print_func(&s, l->embed);
    return api_strdup(q, str_text(&s), u);
}

char *qj_show(qj_ctx *q)
{
    char *text = NULL;
    return api_run(q, API_SCRATCH, body_show, &text) ? text : NULL;
}

typedef void explain_printer(const struct explained *x, struct str *out);
struct explaining { explain_printer *print; char *text; };

static bool body_explain(struct qj_ctx *q, void *u)
{
    struct explaining *e = u;
    struct sched *sched = api_sched(q);
    struct explained x = {.c = &q->ir};
    struct str s = str_on(&q->ir.arena);
    if (!sched) return false;
    sch_explain(sched, &x);
    e->print(&x, &s);
    return api_strdup(q, str_text(&s), &e->text);
}

static char *explain(qj_ctx *q, explain_printer *print)
{
    struct explaining e = {print, NULL};
    return api_run(q, API_SCRATCH, body_explain, &e) ? e.text : NULL;
}

char *qj_explain(qj_ctx *q) { return explain(q, explain_text); }
char *qj_explain_json(qj_ctx *q) { return explain(q, explain_json); }
