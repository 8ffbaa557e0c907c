/* SPDX-License-Identifier: Apache-2.0 */
/* parse_nest.c - dumped functions (print_func): what a pass printed can be read, run and compared again.
 *
 * Names are scoped: an argument in the whole function, an allocation and a loop in their blocks. */
#include "ir/meaning.h"
#include "ir/parse_impl.h"

struct nest {
    struct parser p;
    meaning_finder *find;
    void *u;
};

static const struct stmt *parse_block(struct nest *n);

/* ["gap" int]: arguments lie as their callers expect, without. */
static bool parse_gap(struct lexer *lx, enum scope scope, int64_t *gap)
{
    struct span at = lx->tok.span;
    *gap = 0;
    if (scope == SCOPE_ARG || !lex_accept(lx, "gap")) return true;
    if (!lex_int(lx, gap)) return false;
    if (*gap >= 0 && *gap < INT64_C(1) << 40) return true;
    return err_set(&lx->ctx->err, ERR_RANGE, at, "a gap is 0 or more elements, below 2^40");
}

/* NAME "[" int gap {"," int gap} "]" ":" dtype ["in" int ".." int] */
static struct buffer *parse_buffer(struct nest *n, enum scope scope)
{
    struct lexer *lx = n->p.lx;
    struct span at = lx->tok.span;
    int64_t shape[QJ_MAX_PHYS], gap[QJ_MAX_PHYS];
    int ndim = 0;
    enum dtype dt;
    bool given;
    const char *name = lex_name(lx);
    if (!name || !lex_expect(lx, "[")) return NULL;
    if (!lex_is(lx, "]")) {
        do {
            if (ndim == QJ_MAX_PHYS) {
                err_set(&lx->ctx->err, ERR_TOO_LARGE, at, "%s has more than %d dimensions", name, QJ_MAX_PHYS);
                return NULL;
            }
            if (!parse_extent(lx, &shape[ndim++]) || !parse_gap(lx, scope, &gap[ndim - 1])) return NULL;
        } while (lex_accept(lx, ","));
    }
    if (ndim && gap[ndim - 1]) {
        err_set(&lx->ctx->err, ERR_SYNTAX, at, "elements of the innermost dimension are neighbours, without a gap");
        return err_hint(&lx->ctx->err, "gaps come between rows: %s[ROWS gap N, COLUMNS]", name), NULL;
    }
    if (!lex_expect(lx, "]") || !lex_expect(lx, ":") || !parse_dtype(lx, &dt)) return NULL;
    if (!parse_check_size(lx->ctx, at, name, dt, ndim, shape)) return NULL;
    struct buffer *b = ir_buffer(lx->ctx, name, dt, scope, ndim, shape);
    for (int d = 0; d < ndim; d++) b->gap[d] = gap[d];
    if (buffer_bytes(b) < 0) {
        err_set(&lx->ctx->err, ERR_TOO_LARGE, at, "%s takes 2^47 bytes or more with its gaps", name);
        return err_hint(&lx->ctx->err, "make a gap smaller"), NULL;
    }
    return parse_range(lx, dt, &b->range, &given) ? b : NULL;
}

/* ---- statements ---- */

/* The loop word just taken, with the rest of blockIdx.x. */
static bool loop_word(struct nest *n, const char *word, struct span at, enum loop_kind *how)
{
    struct lexer *lx = n->p.lx;
    *how = LOOP_SERIAL;
    if (!strcmp(word, "for")) return true;
    if (lex_accept(lx, ".")) {
        const char *axis = lex_name(lx);
        if (!axis) return false;
        word = arena_printf(&n->p.c->arena, "%s.%s", word, axis);
    }
    for (int k = LOOP_SERIAL + 1; k < LOOP_KINDS; k++)
        if (!strcmp(word, loop_kind_name[k])) return *how = (enum loop_kind)k, true;
    err_set(&n->p.c->err, ERR_SYNTAX, at, "no statement starts with %s", word);
    err_hint(&n->p.c->err, "for, parallel, vectorized, unrolled, blockIdx.x, threadIdx.x, vthread, if, alloc, sync, commit, wait, "
                           "sum(threadIdx.x, 32) A[...], A[...] = ..., or an instruction");
    return false;
}

/* NAME "in" "0" ".." int ["peel"] block */
static const struct stmt *parse_loop(struct nest *n, enum loop_kind how)
{
    struct lexer *lx = n->p.lx;
    int64_t from, extent;
    const char *name = lex_name(lx);
    if (!name || !lex_expect(lx, "in")) return NULL;
    struct span at = lx->tok.span;
    if (!lex_int(lx, &from) || !lex_expect(lx, "..") || !parse_extent(lx, &extent)) return NULL;
    if (from != 0) {
        err_set(&lx->ctx->err, ERR_RANGE, at, "a loop starts at 0");
        err_hint(&lx->ctx->err, "add %lld to %s where it is used", (long long)from, name);
        return NULL;
    }
    bool peel = lex_accept(lx, "peel");
    const struct var *v = ir_var(lx->ctx, name, extent);
    ir_var_expr(lx->ctx, v);
    struct binding b = {name, v, NULL, n->p.scope};
    n->p.scope = &b;
    const struct stmt *s = ir_for(lx->ctx, v, how, parse_block(n));
    n->p.scope = b.up;
    if (s) ((struct stmt *)s)->u.loop.peel = peel;
    return s;
}

static const struct stmt *parse_alloc(struct nest *n)
{
    struct lexer *lx = n->p.lx;
    struct span at = lx->tok.span;
    bool async = lex_accept(lx, "async");
    const char *word = lex_name(lx);
    int k = 0;
    if (!word) return NULL;
    while (k < SCOPE_ARG && strcmp(word, scope_name[k])) k++;
    if (k == SCOPE_ARG) {
        err_set(&lx->ctx->err, ERR_UNKNOWN_NAME, at, "no scope is called %s", word);
        err_hint(&lx->ctx->err, "one of global, shared, local");
        return NULL;
    }
    struct buffer *b = parse_buffer(n, (enum scope)k);
    if (!b) return NULL;
    b->async = async;
    struct binding bind = {b->name, NULL, b, n->p.scope};
    n->p.scope = &bind;
    const struct stmt *s = ir_alloc(lx->ctx, b, parse_block(n));
    n->p.scope = bind.up;
    return s;
}

/* What is left of a store after its value: as many lanes everywhere. */
static bool check_lanes(struct nest *n, const struct val *v, int lanes, const char *what)
{
    if (v->e->type.lanes == lanes) return true;
    err_set(&n->p.c->err, ERR_TYPE, v->at, "%s has %d lane%s, the index %d", what, v->e->type.lanes,
            v->e->type.lanes == 1 ? "" : "s", lanes);
    err_hint(&n->p.c->err, "bcast(x, %d) makes a vector of a scalar", lanes);
    return false;
}

/* NAME "[" indices "]" "=" value ["where" mask]; the lexer stands after '['. */
static const struct stmt *parse_store(struct nest *n, const char *name, struct span at)
{
    struct parser *p = &n->p;
    const struct binding *s = p->scope;
    while (s && (!s->buffer || strcmp(s->name, name))) s = s->up;
    if (!s) return err_set(&p->c->err, ERR_UNKNOWN_NAME, at, "no buffer is called %s", name), NULL;
    const struct buffer *b = s->buffer;
    const struct expr *idx[QJ_MAX_PHYS];
    int nidx = 0, lanes = 1;
    if (!lex_is(p->lx, "]")) {
        do {
            struct val v = parse_val(p, PREC_NONE);
            if (!val_expect(p, &v, DT_I64, "an index")) return NULL;
            if (lanes > 1 && v.e->type.lanes > 1 && !check_lanes(n, &v, lanes, "an index")) return NULL;
            if (v.e->type.lanes > lanes) lanes = v.e->type.lanes;
            idx[nidx++] = v.e;
        } while (nidx < QJ_MAX_PHYS && lex_accept(p->lx, ","));
    }
    if (nidx != b->ndim && nidx != 1) {
        err_set(&p->c->err, ERR_SHAPE, span_from(p, at.at), "%s has %d dimensions, %d indices are given", name, b->ndim, nidx);
        err_hint(&p->c->err, "one index a dimension, or one alone for flat memory");
        return NULL;
    }
    if (!lex_expect(p->lx, "]") || !lex_expect(p->lx, "=")) return NULL;
    struct val value = parse_val(p, PREC_NONE), mask = no_val;
    if (!val_expect(p, &value, b->dt, arena_printf(&p->c->arena, "buffer %s", name))) return NULL;
    if (!check_lanes(n, &value, lanes, "the value")) return NULL;
    if (lex_accept(p->lx, "where")) {
        mask = parse_val(p, PREC_NONE);
        if (!val_expect(p, &mask, DT_BOOL, "a mask") || !check_lanes(n, &mask, lanes, "the mask")) return NULL;
    }
    return ir_store(p->c, b, nidx, idx, value.e, mask.e);
}

/* "(" cond ")" block; the lexer stands after '('. */
static const struct stmt *parse_if(struct nest *n)
{
    struct val cond = parse_val(&n->p, PREC_NONE);
    if (!val_expect(&n->p, &cond, DT_BOOL, "a condition") || !val_expect_scalar(&n->p, &cond, "a condition"))
        return NULL;
    if (!lex_expect(n->p.lx, ")")) return NULL;
    return ir_if(n->p.c, cond.e, parse_block(n));
}

/* operands ")"; each stands for the address of an element. Behind them the lane's number and the pitches, where the
 * meaning has such. */
static const struct stmt *parse_intrin(struct nest *n, const char *name, struct span at)
{
    struct parser *p = &n->p;
    const struct meaning *m = n->find ? n->find(n->u, name) : NULL;
    const struct expr *arg[MEANING_MAX_ARGS];
    if (!m) {
        err_set(&p->c->err, ERR_UNKNOWN_NAME, at, "no instruction is called %s", name);
        err_hint(&p->c->err, "the instructions are those of the target");
        return NULL;
    }
    for (int i = 0; i < meaning_nargs(m); i++) {
        if (i && !lex_expect(p->lx, ",")) return NULL;
        struct val v = parse_val(p, PREC_NONE);
        if (!v.e || !val_expect_scalar(p, &v, "an operand")) return NULL;
        if (i >= m->nop) {
            bool lane = m->nlane && i == m->nop;
            if (!val_expect(p, &v, DT_I64, lane ? "the lane's number" : "a pitch")) return NULL;
            if (!lane && v.e->op != OP_INT) {
                err_set(&p->c->err, ERR_TYPE, v.at, "pitches of %s are numbers", name);
                err_hint(&p->c->err, "the instruction takes %s", m->operands_text);
                return NULL;
            }
            arg[i] = v.e;
            continue;
        }
        if (v.e->op != OP_LOAD || v.e->type.dt != m->op[i]->dt) {
            err_set(&p->c->err, ERR_TYPE, v.at, "operand %s of %s is an element of an %s buffer", m->op[i]->name, name,
                    dtype_info[m->op[i]->dt].name);
            err_hint(&p->c->err, "the instruction takes %s", m->operands_text);
            return NULL;
        }
        arg[i] = v.e;
    }
    return lex_expect(p->lx, ")") ? ir_intrin(p->c, m, arg) : NULL;
}

/* axis "," width ")" element; what all threads of a group do together. */
static const struct stmt *parse_combine(struct nest *n, enum combiner k)
{
    struct lexer *lx = n->p.lx;
    struct span at = lx->tok.span;
    const char *word = lex_name(lx);
    enum loop_kind axis;
    int64_t width;
    if (!word || !loop_word(n, word, at, &axis) || !lex_expect(lx, ",") || !parse_extent(lx, &width)) return NULL;
    if (!lex_expect(lx, ")")) return NULL;
    struct val v = parse_val(&n->p, PREC_NONE);
    if (!v.e || !val_expect_scalar(&n->p, &v, "what threads combine")) return NULL;
    return ir_combine_threads(lx->ctx, k, axis, (int)i64_min(width, INT32_MAX), v.e);
}

/* groups that need not have arrived */
static const struct stmt *parse_wait(struct nest *n)
{
    struct lexer *lx = n->p.lx;
    struct span at = lx->tok.span;
    int64_t keep;
    if (!lex_int(lx, &keep)) return NULL;
    if (keep >= 0 && keep < 64) return ir_copies(lx->ctx, SYNC_WAIT, (int)keep);
    return err_set(&lx->ctx->err, ERR_RANGE, at, "a wait leaves 0 to 63 groups of copies under way"), NULL;
}

static const struct stmt *parse_stmt(struct nest *n)
{
    struct lexer *lx = n->p.lx;
    struct span at = lx->tok.span;
    const char *word = lex_name(lx);
    enum loop_kind how;
    if (!word) return NULL;
    if (lex_accept(lx, "[")) return parse_store(n, word, at);
    if (lex_accept(lx, "(")) {
        for (int k = RED_SUM; k <= RED_MIN; k++)
            if (!strcmp(word, combiner_name[k])) return parse_combine(n, (enum combiner)k);
        return !strcmp(word, "if") ? parse_if(n) : parse_intrin(n, word, at);
    }
    if (!strcmp(word, "sync")) return ir_sync(lx->ctx);
    if (!strcmp(word, "commit")) return ir_copies(lx->ctx, SYNC_COMMIT, 0);
    if (!strcmp(word, "wait")) return parse_wait(n);
    if (!strcmp(word, "alloc")) return parse_alloc(n);
    return loop_word(n, word, at, &how) ? parse_loop(n, how) : NULL;
}

/* "{" statements "}" */
static const struct stmt *parse_block(struct nest *n)
{
    struct lexer *lx = n->p.lx;
    VEC(const struct stmt *) v = {0};
    if (!parse_enter(&n->p) || !lex_expect(lx, "{")) return NULL;
    while (lex_skip_ends(lx) && !lex_is(lx, "}")) {
        const struct stmt *s = parse_stmt(n);
        if (!s) return NULL;
        VEC_PUSH(&lx->ctx->arena, v, s);
        if (lx->tok.kind != TOK_EOL && !lex_is(lx, "}")) {
            err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "a statement should end here");
            err_hint(&lx->ctx->err, "one statement a line");
            return NULL;
        }
    }
    parse_leave(&n->p);
    return lex_expect(lx, "}") ? ir_seq(lx->ctx, (int)v.n, v.at) : NULL;
}

/* ---- functions ---- */

const struct func *parse_func(struct lexer *lx, meaning_finder *find, void *u)
{
    struct ir_env env = {0}; /* functions of the host's, declared before it */
    struct nest n = {parser_on(lx, &env), find, u};
    struct func *f = ARENA_NEW(&lx->ctx->arena, struct func);
    VEC(const struct buffer *) args = {0};
    n.p.max_depth = PARSE_MAX_DUMP_DEPTH;
    while (lex_is(lx, "extern"))
        if (!parse_extern(lx, &env) || !lex_skip_ends(lx)) return NULL;
    if (!lex_expect(lx, "func") || !(f->name = lex_name(lx)) || !lex_expect(lx, "(")) return NULL;
    while (!lex_is(lx, ")")) {
        if (args.n && !lex_expect(lx, ",")) return NULL;
        bool written = lex_is(lx, "out");
        if (!written && !lex_is(lx, "arg")) return lex_expect(lx, "arg"), NULL;
        lex_next(lx);
        struct buffer *b = parse_buffer(&n, SCOPE_ARG);
        if (!b) return NULL;
        b->written = written;
        struct binding *bind = ARENA_NEW(&lx->ctx->arena, struct binding);
        *bind = (struct binding){b->name, NULL, b, n.p.scope};
        n.p.scope = bind;
        VEC_PUSH(&lx->ctx->arena, args, (const struct buffer *)b);
    }
    lex_next(lx);
    f->narg = (int)args.n;
    f->arg = args.at;
    f->body = parse_block(&n);
    return f->body ? f : NULL;
}
