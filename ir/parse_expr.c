/* SPDX-License-Identifier: Apache-2.0 */
/* parse_expr.c - expressions: operators by precedence, indices, names, and the types of literals.
 *
 * The constructors of ir.h assert on types, so everything is checked here first, with the caret on the
 * operand at fault and the cast to write in the hint. */
#include "ir/parse_impl.h"

#include <math.h>
#include <stdlib.h>

const struct infix parse_infix[] = {
    {"|", OP_OR, 1, false},   {"^", OP_XOR, 2, false},  {"&", OP_AND, 3, false},
    {"==", OP_EQ, 4, false},  {"!=", OP_NE, 4, false},
    {"<", OP_LT, 5, false},   {"<=", OP_LE, 5, false},  {">", OP_LT, 5, true},   {">=", OP_LE, 5, true},
    {"<<", OP_SHL, 6, false}, {">>", OP_SHR, 6, false},
    {"+", OP_ADD, 7, false},  {"-", OP_SUB, 7, false},
    {"*", OP_MUL, 8, false},  {"/", OP_DIV, 8, false},  {"%", OP_MOD, 8, false},
    {NULL, OP_COUNT, 0, false}};

struct parser parser_on(struct lexer *lx, const struct ir_env *env)
{
    return (struct parser){.c = lx->ctx, .lx = lx, .env = env, .max_depth = PARSE_MAX_DEPTH};
}

bool parse_enter(struct parser *p)
{
    if (++p->depth <= p->max_depth) return true;
    err_set(&p->c->err, ERR_TOO_LARGE, p->lx->tok.span, "nested more than %d deep", p->max_depth);
    err_hint(&p->c->err, "compute a part of it as a tensor of its own");
    return false;
}

/* ---- spans ---- */

struct span span_from(const struct parser *p, size_t from)
{
    const char *text = p->lx->text;
    size_t to = p->lx->tok.span.at;
    while (to > from && strchr(" \t\r\n", text[to - 1])) to--;
    return (struct span){p->lx->file, text, from, to - from};
}

const char *span_text(const struct parser *p, struct span at)
{
    enum { MOST = 32 };
    int n = (int)(at.len > MOST ? MOST : at.len);
    char *s = arena_printf(&p->c->arena, "%.*s%s", n, at.text + at.at, at.len > MOST ? "..." : "");
    for (char *q = s; *q; q++)
        if (*q == '\n') *q = ' ';
    return s;
}

/* ---- values ---- */

struct val val_of(struct parser *p, const struct expr *e, size_t from, int n, const struct val *kid)
{
    struct val v = {.e = e, .at = span_from(p, from), .height = 1, .size = 1};
    for (int i = 0; i < n; i++) {
        if (kid[i].height + 1 > v.height) v.height = kid[i].height + 1;
        v.size += kid[i].size;
    }
    if (e && (v.height > PARSE_MAX_HEIGHT || v.size > PARSE_MAX_SIZE)) {
        err_set(&p->c->err, ERR_TOO_LARGE, v.at, "an expression of more than %d operations%s",
                v.height > PARSE_MAX_HEIGHT ? PARSE_MAX_HEIGHT : PARSE_MAX_SIZE,
                v.height > PARSE_MAX_HEIGHT ? " in a row" : "");
        err_hint(&p->c->err, "compute a part of it as a tensor of its own");
        v.e = NULL;
    }
    return v;
}

static const char *type_name(const struct parser *p, struct type t)
{
    const char *s = dtype_info[t.dt].name;
    return t.lanes == 1 ? s : arena_printf(&p->c->arena, "%sx%d", s, t.lanes);
}

/* A literal (see struct val) in another type; NULL: error set. */
static const struct expr *adopted(struct parser *p, const struct expr *e, enum dtype dt, struct span at)
{
    struct ir_ctx *c = p->c;
    if (e->op == OP_BCAST) return ir_bcast(c, adopted(p, e->kid[0], dt, at), e->type.lanes);
    if (e->op == OP_SELECT)
        return ir_select(c, e->kid[0], adopted(p, e->kid[1], dt, at), adopted(p, e->kid[2], dt, at));
    long long i = e->val.i;
    if (dt == DT_F32) { /* up to 2^24 every integer is an f32 */
        if (i >= -(1 << 24) && i <= 1 << 24) return ir_flt(c, type_of(dt), (float)i);
        err_set(&c->err, ERR_RANGE, at, "the integer %lld beside an f32", i);
        err_hint(&c->err, "write it with a point: %lld.0", i);
        return NULL;
    }
    const struct dtype_info *d = &dtype_info[dt];
    if (i >= d->lo && i <= d->hi) return ir_int(c, type_of(dt), i);
    err_set(&c->err, ERR_RANGE, at, "%lld does not fit the %s it meets (%lld..%lld)", i, d->name, (long long)d->lo,
            (long long)d->hi);
    err_hint(&c->err, "widen the other operand, e.g. i32(x), or wrap the number: %s(%lld)", d->name, i);
    return NULL;
}

bool val_adopt(struct parser *p, struct val *v, enum dtype dt)
{
    if (v->e && v->lit) v->e = adopted(p, v->e, dt, v->at);
    v->lit = false;
    return v->e != NULL;
}

bool val_expect(struct parser *p, struct val *v, enum dtype dt, const char *what)
{
    if (!val_adopt(p, v, dt)) return false;
    if (v->e->type.dt == dt) return true;
    err_set(&p->c->err, ERR_TYPE, v->at, "%s is %s, not %s", what, dtype_info[dt].name, type_name(p, v->e->type));
    err_hint(&p->c->err, "write %s(%s)", dtype_info[dt].name, span_text(p, v->at));
    return false;
}

bool val_expect_scalar(struct parser *p, const struct val *v, const char *what)
{
    if (!v->e) return false;
    if (v->e->type.lanes == 1) return true;
    err_set(&p->c->err, ERR_TYPE, v->at, "%s is a scalar, not %s", what, type_name(p, v->e->type));
    err_hint(&p->c->err, "vectors come from `vectorize`, not from definitions");
    return false;
}

bool val_defined(struct parser *p, enum op op, const struct val *v, const char *what)
{
    if (!v->e) return false;
    unsigned f = op_info[op].flags;
    enum dtype dt = v->e->type.dt;
    if (dt == DT_F32 ? f & OPF_F32 : dt == DT_BOOL ? f & OPF_BOOLS : f & OPF_INT) return true;
    err_set(&p->c->err, ERR_TYPE, v->at, "%s is not defined on %s", what, dtype_info[dt].name);
    err_hint(&p->c->err, f & OPF_INT ? "convert first: i32(%s)" : "convert first: f32(%s)", span_text(p, v->at));
    return false;
}

bool val_unify(struct parser *p, int n, struct val *v, const char *what)
{
    int model = 0, lanes = 1;   /* model: the first operand that knows its type */
    for (int i = 0; i < n; i++)
        if (!v[i].e) return false;
    while (model < n && v[model].lit) model++;
    for (int i = 0; i < n; i++) {
        if (model < n && !val_adopt(p, &v[i], v[model].e->type.dt)) return false;
        if (v[i].e->type.lanes > lanes) lanes = v[i].e->type.lanes;
    }
    for (int i = 0; i < n; i++) {
        struct type a = v[model < n ? model : 0].e->type, b = v[i].e->type;
        if (a.dt != b.dt) {
            /* the narrower one is the one to convert */
            const struct val *at = &v[i], *to = &v[model];
            if (a.dt != DT_F32 && (b.dt == DT_F32 || dtype_info[b.dt].bits > dtype_info[a.dt].bits)) {
                at = &v[model];
                to = &v[i];
            }
            err_set(&p->c->err, ERR_TYPE, at->at, "%s takes operands of one type, not %s and %s", what,
                    type_name(p, a), type_name(p, b));
            err_hint(&p->c->err, "write %s(%s)", dtype_info[to->e->type.dt].name, span_text(p, at->at));
            return false;
        }
        if (b.lanes != 1 && b.lanes != lanes) {
            err_set(&p->c->err, ERR_TYPE, v[i].at, "%s takes operands of as many lanes, not %d and %d", what, lanes,
                    b.lanes);
            err_hint(&p->c->err, "bcast(x, lanes) makes a vector of a scalar");
            return false;
        }
    }
    return true;
}

struct val val_bin(struct parser *p, enum op op, struct val a, struct val b, const char *what)
{
    struct val kid[2] = {a, b};
    bool lit = a.lit && b.lit;
    if (!val_unify(p, 2, kid, what) || !val_defined(p, op, &kid[0], what)) return no_val;
    size_t from = a.at.at < b.at.at ? a.at.at : b.at.at;
    struct val v = val_of(p, ir_bin(p->c, op, kid[0].e, kid[1].e), from, 2, kid);
    /* 1 << 4 is as good a literal as 16 */
    v.lit = lit && v.e && v.e->op == OP_INT && v.e->type.dt == DT_I64;
    return v;
}

/* ---- names ---- */

bool parse_is_reserved(const char *name)
{
    static const char *const words[] = {"inf", "nan", "if", "for", "sync", "alloc", "func", "in", "where"};
    enum dtype dt;
    if (dt_by_name(name, strlen(name), &dt)) return true;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (!strcmp(words[i], name)) return true;
    for (int i = 0; parse_keywords[i]; i++)
        if (!strcmp(parse_keywords[i], name)) return true;
    for (int i = 0; parse_builtins[i]; i++)
        if (!strcmp(parse_builtins[i], name)) return true;
    return false;
}

static const struct binding *scope_find(const struct parser *p, const char *name, bool buffer)
{
    for (const struct binding *s = p->scope; s; s = s->up)
        if (!strcmp(s->name, name) && (buffer ? s->buffer != NULL : s->var != NULL)) return s;
    return NULL;
}

/* A one-letter name is one edit from every other: only its case may be wrong. */
static const char *similar(const char *name, const char *const *names, size_t n)
{
    if (name[1]) return err_suggest(name, names, n);
    for (size_t i = 0; i < n; i++)
        if ((names[i][0] | 32) == (name[0] | 32) && !names[i][1]) return names[i];
    return NULL;
}

enum wanted { WANT_VAR, WANT_TENSOR };

static struct val unknown_name(struct parser *p, enum wanted want, const char *name, struct span at)
{
    VEC(const char *) names = {0};
    for (const struct binding *s = p->scope; s; s = s->up)
        if (want == WANT_TENSOR ? s->buffer != NULL : s->var != NULL) VEC_PUSH(&p->c->arena, names, s->name);
    for (size_t i = 0; want == WANT_TENSOR && p->env && i < p->env->tensors.n; i++)
        VEC_PUSH(&p->c->arena, names, p->env->tensors.at[i]->name);
    const char *near = similar(name, names.at, names.n);
    err_set(&p->c->err, ERR_UNKNOWN_NAME, at, want == WANT_TENSOR ? "no tensor is called %s" : "no axis is called %s",
            name);
    if (want == WANT_VAR && p->env && env_find(p->env, name))
        err_hint(&p->c->err, "%s is a tensor: index it, %s[...]", name, name);
    else if (near)
        err_hint(&p->c->err, "did you mean %s?", near);
    else if (want == WANT_VAR)
        err_hint(&p->c->err, "axes are named on the left side or by a reduction: sum(k) ...");
    return no_val;
}

/* ---- reads and loads ---- */

static struct val parse_index(struct parser *p, const struct tensor *t, int dim)
{
    if (t && p->index) return p->index(p, t, dim);
    struct val v = parse_val(p, PREC_NONE);
    if (!val_expect(p, &v, DT_I64, "an index") || (t && !val_expect_scalar(p, &v, "an index"))) return no_val;
    return v;
}

/* After NAME '['. */
static struct val parse_access(struct parser *p, const char *name, struct span at)
{
    const struct binding *s = scope_find(p, name, true);
    const struct tensor *t = !s && p->env ? env_find(p->env, name) : NULL;
    const struct buffer *b = s ? s->buffer : NULL;
    if (!t && !b) return unknown_name(p, WANT_TENSOR, name, at);
    struct val idx[QJ_MAX_PHYS];
    const struct expr *e[QJ_MAX_PHYS];
    int n = 0, ndim = t ? t->ndim : b->ndim, lanes = 1;
    if (!lex_is(p->lx, "]")) {
        do {
            if (n == (ndim ? ndim : b ? 1 : 0)) { n++; break; }
            idx[n] = parse_index(p, t, n);
            if (!idx[n].e) return no_val;
            e[n] = idx[n].e;
            int l = e[n]->type.lanes;
            if (l > 1 && lanes > 1 && l != lanes) {
                err_set(&p->c->err, ERR_TYPE, idx[n].at, "an index of %d lanes beside one of %d", l, lanes);
                err_hint(&p->c->err, "the indices of one access have as many lanes, or are scalars");
                return no_val;
            }
            if (l > 1) lanes = l;
            n++;
        } while (lex_accept(p->lx, ","));
    }
    if (n != ndim && !(b && n == 1)) { /* a flattened buffer has one index */
        err_set(&p->c->err, ERR_SHAPE, span_from(p, at.at), "%s has %d dimension%s, %s given", name, ndim,
                ndim == 1 ? "" : "s", n > ndim ? "more indices are" : n == 1 ? "1 index is" : "fewer indices are");
        err_hint(&p->c->err, ndim ? "give one index a dimension" : "a scalar is read as %s[]", name);
        return no_val;
    }
    if (!lex_expect(p->lx, "]")) return no_val;
    for (int i = 0; t && i < n; i++) {
        struct read_use use = {t, i, e[i], idx[i].at, p->guard};
        VEC_PUSH(&p->c->arena, p->reads, use);
    }
    return val_of(p, t ? ir_read(p->c, t, e) : ir_load(p->c, b, n, e), at.at, n, idx);
}

/* ---- operands ---- */

static struct val parse_named(struct parser *p)
{
    struct span at = p->lx->tok.span;
    char *name = lex_name(p->lx);
    if (lex_accept(p->lx, "[")) return parse_access(p, name, at);
    if (lex_accept(p->lx, "(")) return parse_call(p, name, at);
    const struct binding *s = scope_find(p, name, false);
    if (s) return val_of(p, ir_var_expr(p->c, s->var), at.at, 0, NULL);
    if (!strcmp(name, "inf")) return val_of(p, ir_flt(p->c, type_of(DT_F32), INFINITY), at.at, 0, NULL);
    if (!strcmp(name, "nan")) return val_of(p, ir_flt(p->c, type_of(DT_F32), NAN), at.at, 0, NULL);
    return unknown_name(p, WANT_VAR, name, at);
}

/* A number, perhaps with the minus before it at `from`. */
static struct val parse_number(struct parser *p, bool minus, size_t from)
{
    struct token t = p->lx->tok;
    if (t.kind == TOK_FLOAT) {
        lex_next(p->lx);
        return val_of(p, ir_flt(p->c, type_of(DT_F32), minus ? -t.f : t.f), from, 0, NULL);
    }
    if (t.i == INT64_MIN && !minus) {
        err_set(&p->c->err, ERR_RANGE, t.span, "an integer beyond 64 bits");
        err_hint(&p->c->err, "integers lie in -2^63 .. 2^63-1");
        return no_val;
    }
    lex_next(p->lx);
    struct val v = val_of(p, ir_idx(p->c, minus && t.i != INT64_MIN ? -t.i : t.i), from, 0, NULL);
    v.lit = true;
    return v;
}

/* -x is 0 - x; on f32 -0.0 - x, which also turns the sign of zero. */
static struct val negate(struct parser *p, struct val x, size_t from)
{
    if (!x.e) return no_val;
    struct val zero = {.e = ir_idx(p->c, 0), .at = x.at, .lit = true, .height = 1, .size = 1};
    if (x.e->type.dt == DT_F32) {
        zero.e = ir_flt(p->c, type_of(DT_F32), -0.0f);
        zero.lit = false;
    }
    struct val v = val_bin(p, OP_SUB, zero, x, "-");
    v.at = span_from(p, from);
    return v;
}

static struct val parse_operand(struct parser *p)
{
    struct lexer *lx = p->lx;
    size_t from = lx->tok.span.at;
    if (lx->tok.kind == TOK_INT || lx->tok.kind == TOK_FLOAT) return parse_number(p, false, from);
    if (lx->tok.kind == TOK_NAME) return parse_named(p);
    if (lex_accept(lx, "(")) {
        struct val v = parse_val(p, PREC_NONE);
        if (!v.e || !lex_expect(lx, ")")) return no_val;
        v.at = span_from(p, from);
        return v;
    }
    if (lex_accept(lx, "-")) {
        if (lx->tok.kind == TOK_INT || lx->tok.kind == TOK_FLOAT) return parse_number(p, true, from);
        if (lex_is(lx, "inf") && !scope_find(p, "inf", false)) {
            lex_next(lx);
            return val_of(p, ir_flt(p->c, type_of(DT_F32), -INFINITY), from, 0, NULL);
        }
        return negate(p, parse_val(p, PREC_UNARY), from);
    }
    if (lex_accept(lx, "!")) {
        struct val v = parse_val(p, PREC_UNARY);
        if (!val_defined(p, OP_NOT, &v, "!")) return no_val;
        bool lit = v.lit;
        v = val_of(p, ir_un(p->c, OP_NOT, v.e), from, 1, &v);
        v.lit = lit && v.e && v.e->op == OP_INT;
        return v;
    }
    err_set(&p->c->err, ERR_SYNTAX, lx->tok.span, "expected an expression%s",
            lx->tok.kind == TOK_EOL || lx->tok.kind == TOK_END ? ", found the end of the statement" : "");
    err_hint(&p->c->err, "and, or are & and |; a statement goes on over a line end only inside brackets");
    return no_val;
}

static const struct infix *infix_here(const struct parser *p, int above)
{
    for (const struct infix *o = parse_infix; o->text; o++)
        if (o->prec > above && p->lx->tok.kind == TOK_PUNCT && lex_is(p->lx, o->text)) return o;
    return NULL;
}

/* Operators that bind tighter than `above`; PREC_UNARY: one operand. */
struct val parse_val(struct parser *p, int above)
{
    if (!parse_enter(p)) return no_val;
    struct val a = parse_operand(p);
    const struct infix *o;
    while (a.e && (o = infix_here(p, above))) {
        lex_next(p->lx);
        struct val b = parse_val(p, o->prec);
        a = o->swapped ? val_bin(p, o->op, b, a, o->text) : val_bin(p, o->op, a, b, o->text);
    }
    parse_leave(p);
    return a;
}

/* ---- the entry ---- */

const struct expr *val_reduce(struct parser *p, enum combiner k, struct val v, int n, const struct expr *const *axis)
{
    if (!val_expect_scalar(p, &v, "the body of a reduction") || !val_defined(p, OP_REDUCE, &v, combiner_name[k]))
        return NULL;
    if (k == RED_FMA && (v.e->op != OP_MUL || v.e->type.dt != DT_F32)) {
        err_set(&p->c->err, ERR_TYPE, v.at, "fmasum takes a product of two f32");
        err_hint(&p->c->err, "write fmasum(k) x * y, or sum(k) ...");
        return NULL;
    }
    return ir_reduce(p->c, k, v.e, n, axis);
}

/* sum(r:3, s) body: over variables already there (print_expr of a REDUCE). */
static const struct expr *parse_reduce_over(struct parser *p, enum combiner k)
{
    const struct expr *axis[QJ_MAX_PHYS];
    int n = 0;
    do {
        struct span at = p->lx->tok.span;
        const char *name = lex_name(p->lx);
        int64_t extent = 0;
        if (!name || (lex_accept(p->lx, ":") && !parse_extent(p->lx, &extent))) return NULL;
        const struct binding *s = scope_find(p, name, false);
        if (!s) return unknown_name(p, WANT_VAR, name, at).e;
        if (n == QJ_MAX_PHYS) {
            err_set(&p->c->err, ERR_TOO_LARGE, at, "more than %d reduce axes", QJ_MAX_PHYS);
            return NULL;
        }
        axis[n++] = ir_var_expr(p->c, s->var);
    } while (lex_accept(p->lx, ","));
    if (!lex_expect(p->lx, ")")) return NULL;
    return val_reduce(p, k, parse_val(p, PREC_NONE), n, axis);
}

const struct expr *parse_expr(struct lexer *lx, const struct ir_env *env, int nvar, const struct var *const *var)
{
    struct parser p = parser_on(lx, env);
    struct binding *s = ARENA_ARRAY(&p.c->arena, struct binding, nvar > 0 ? nvar : 1);
    for (int i = 0; i < nvar; i++) {
        s[i] = (struct binding){var[i]->name, var[i], NULL, p.scope};
        p.scope = &s[i];
    }
    for (int k = 0; k < RED_COUNT; k++) {
        struct lexer ahead = *lx; /* a reduction, not the function max(a, b): its first axis has an extent */
        if (!lex_accept(&ahead, combiner_name[k]) || !lex_accept(&ahead, "(") || ahead.tok.kind != TOK_NAME) continue;
        lex_next(&ahead);
        bool colon = lex_is(&ahead, ":");
        if (!colon && (k == RED_MAX || k == RED_MIN)) continue;
        lex_next(lx);
        lex_next(lx);
        return parse_reduce_over(&p, (enum combiner)k);
    }
    return parse_val(&p, PREC_NONE).e;
}
