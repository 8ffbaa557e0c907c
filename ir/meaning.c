/* SPDX-License-Identifier: Apache-2.0 */
/* meaning.c - reads what an instruction computes. Contract in meaning.h.
 *
 * The body is an expression of ir/parse_expr.c in which an index is an axis alone; an axis comes into
 * being where it is first met and takes the extent of that dimension. */
#include "ir/meaning.h"

#include "ir/parse_impl.h"

struct reading {
    struct parser p;
    struct meaning *m;
    bool met[MEANING_MAX_OPERANDS];     /* the operand's axes are known */
    const char *lane_name[MEANING_MAX_LANE];
};

static bool wrong(struct reading *r, struct span at, const char *what, const char *hint)
{
    err_set(&r->p.c->err, ERR_INTRIN, at, "%s", what);
    err_hint(&r->p.c->err, "%s", hint);
    return false;
}

/* ---- operands ---- */

/* "C: i32[8], A: u8[4], S: i32 in 1..31" */
static bool parse_operands(struct reading *r, struct lexer *lx, struct ir_env *env)
{
    struct meaning *m = r->m;
    do {
        struct span at = lx->tok.span;
        const char *name = lex_name(lx);
        int64_t shape[QJ_MAX_RANK];
        int n = 0;
        enum dtype dt;
        if (!name || !lex_expect(lx, ":") || !parse_dtype(lx, &dt)) return false;
        if (m->nop == MEANING_MAX_OPERANDS) return wrong(r, at, "too many operands", "an instruction has at most 6");
        if (env_find(env, name)) return wrong(r, at, "two operands of one name", "name each operand once");
        if (lex_accept(lx, "[") && !lex_accept(lx, "]")) {
            do {
                if (n == QJ_MAX_RANK) return wrong(r, at, "too many dimensions", "an operand has at most 8");
                if (!parse_extent(lx, &shape[n])) return false;
                if (lex_accept(lx, "*")) m->pitch[m->nop][n] = ++m->npitch;
                n++;
            } while (lex_accept(lx, ","));
            if (!lex_expect(lx, "]")) return false;
        }
        if (!parse_check_size(lx->ctx, at, name, dt, n, shape)) return false;
        if (m->npitch > MEANING_MAX_PITCHES) return wrong(r, at, "too many pitches", "an instruction has at most 12");
        struct tensor *x = ir_tensor(lx->ctx, name, TENSOR_OPERAND, dt, n, shape);
        at = lx->tok.span;
        if (!parse_range(lx, dt, &x->range, &x->range_declared)) return false;
        if (x->range_declared && !m->nop) return wrong(r, at, "a range of the result", "what it is follows from the operands read");
        m->op[m->nop] = x;
        VEC_PUSH(&lx->ctx->arena, env->tensors, m->op[m->nop]);
        m->nop++;
    } while (lex_accept(lx, ","));
    if (lx->tok.kind == TOK_END) return true;
    return wrong(r, lx->tok.span, "the operands should end here", "write C: i32[8], A: u8[4], B: i8[8,4]");
}

/* ---- axes ---- */

static int find_axis(struct reading *r, const char *name, int64_t extent, struct span at)
{
    struct meaning *m = r->m;
    for (int i = 0; i < m->nlane; i++) {
        if (strcmp(r->lane_name[i], name)) continue;
        if (!m->lane[i]) m->lane[i] = ir_var(r->p.c, r->lane_name[i], extent);
        if (m->lane[i]->extent == extent) return MEANING_LANE + i;
        return wrong(r, at, "an axis with two extents", "dimensions indexed by one axis are equally long"), -1;
    }
    for (int i = 0; i < m->naxes; i++) {
        if (strcmp(m->axis[i]->name, name)) continue;
        if (m->axis[i]->extent == extent) return i;
        return wrong(r, at, "an axis with two extents", "dimensions indexed by one axis are equally long"), -1;
    }
    if (m->naxes == MEANING_MAX_AXES) return wrong(r, at, "too many axes", arena_printf(&r->p.c->arena, "an instruction has at most %d", MEANING_MAX_AXES)), -1;
    m->axis[m->naxes] = ir_var(r->p.c, name, extent);
    return m->naxes++;
}

/* parser.index: dimension `dim` of t is indexed by the axis named here. */
static struct val axis_index(struct parser *p, const struct tensor *t, int dim)
{
    struct reading *r = p->u;
    struct meaning *m = r->m;
    struct span at = p->lx->tok.span;
    int op = 0;
    while (m->op[op] != t) op++;
    const char *name = lex_name(p->lx);
    int k = name ? find_axis(r, name, t->shape[dim], at) : -1;
    if (k < 0) return no_val;
    if (r->met[op] && m->op_axis[op][dim] != k)
        return wrong(r, at, "an operand read at two places", "read an operand by the same axes everywhere"), no_val;
    for (int d = 0; d < dim; d++)
        if (m->op_axis[op][d] == k)
            return wrong(r, at, "an axis twice in one operand", "each dimension has an axis of its own"), no_val;
    m->op_axis[op][dim] = k;
    if (dim == t->ndim - 1) r->met[op] = true;
    if (op == 0 && k >= MEANING_LANE)
        return wrong(r, at, "a lane axis in operand 0", "the result is the lane's own; other operands are shared"), no_val;
    return val_of(p, ir_var_expr(p->c, k < MEANING_LANE ? m->axis[k] : m->lane[k - MEANING_LANE]), at.at, 0, NULL);
}

/* ---- the statement ---- */

/* "(" names ")" of a lane: their extents come with the operands. */
static bool parse_lane(struct reading *r)
{
    struct lexer *lx = r->p.lx;
    struct meaning *m = r->m;
    if (!lex_expect(lx, "(")) return false;
    do {
        struct span at = lx->tok.span;
        const char *name = lex_name(lx);
        if (!name) return false;
        if (m->nlane == MEANING_MAX_LANE) return wrong(r, at, "too many lane axes", "a lane has at most 3");
        for (int i = 0; i < m->nlane; i++)
            if (!strcmp(name, r->lane_name[i])) return wrong(r, at, "two lane axes of one name", "name each axis once");
        r->lane_name[m->nlane++] = name;
    } while (lex_accept(lx, ","));
    return lex_expect(lx, ")");
}

/* ["lane" "(" names ")"] NAME "[" axes "]" of operand 0, then "=", "+=", "max" "=", "min" "=" or "fma" "=". */
static bool parse_left(struct reading *r)
{
    struct lexer *lx = r->p.lx;
    struct meaning *m = r->m;
    struct lexer ahead = *lx;
    if (lex_accept(&ahead, "lane") && lex_is(&ahead, "(") && (lex_next(lx), !parse_lane(r))) return false;
    struct span at = lx->tok.span;
    const char *name = lex_name(lx);
    if (!name || !lex_expect(lx, "[")) return false;
    if (strcmp(name, m->op[0]->name)) return wrong(r, at, "only operand 0 is written", "put the result first");
    for (int d = 0; d < m->op[0]->ndim; d++)
        if ((d && !lex_expect(lx, ",")) || !axis_index(&r->p, m->op[0], d).e) return false;
    if (!lex_expect(lx, "]")) return false;
    m->nout = m->naxes;
    if (lex_accept(lx, "=")) return true;
    m->accumulate = true;
    if (lex_accept(lx, "+=")) return m->combiner = RED_SUM, true;
    if (lex_accept(lx, "max")) m->combiner = RED_MAX;
    else if (lex_accept(lx, "min")) m->combiner = RED_MIN;
    else if (lex_accept(lx, "fma")) m->combiner = RED_FMA;
    else return wrong(r, lx->tok.span, "expected an assignment", "one of = += max= min= fma=");
    return lex_expect(lx, "=");
}

struct uses { const struct meaning *m; bool read[MEANING_MAX_OPERANDS]; };

static bool note_read(const struct expr *e, void *u)
{
    struct uses *s = u;
    for (int i = 0; e->op == OP_READ && i < s->m->nop; i++) s->read[i] |= s->m->op[i] == e->val.tensor;
    return true;
}

static bool check_body(struct reading *r, struct span at)
{
    struct meaning *m = r->m;
    struct uses used = {.m = m};
    ir_walk(m->body, note_read, &used);
    if (used.read[0]) return wrong(r, at, "operand 0 on the right side", "accumulate into it with += max= min= fma=");
    for (int i = 1; i < m->nop; i++)
        if (!used.read[i]) return wrong(r, at, "an operand is never read", "each operand but the first is read");
    for (int i = 0; i < m->nlane; i++)
        if (!m->lane[i]) return wrong(r, at, "a lane axis that indexes nothing", "lane axes say which part of an operand is read");
    if (!m->accumulate && m->naxes > m->nout)
        return wrong(r, at, "axes that do not index the result", "accumulate over them: += max= min= fma=");
    if (m->combiner == RED_FMA && (m->body->op != OP_MUL || m->body->type.dt != DT_F32))
        return wrong(r, at, "fma= takes a product of two f32", "write C[i] fma= A[i] * B[i]");
    if (m->accumulate && m->body->type.dt == DT_BOOL)
        return wrong(r, at, "bool does not accumulate", "assign it: C[i] = ...");
    return true;
}

static bool read_meaning(struct reading *r)
{
    struct ir_ctx *c = r->p.c;
    struct meaning *m = r->m;
    struct ir_env env = {0};
    struct lexer ops = lex_on(c, NULL, m->operands_text, strlen(m->operands_text));
    if (!parse_operands(r, &ops, &env)) return false;
    struct lexer lx = lex_on(c, NULL, m->text, strlen(m->text));
    r->p = parser_on(&lx, &env);
    r->p.index = axis_index;
    r->p.u = r;
    r->p.has_result = true;
    r->p.result = m->op[0]->dt;
    if (!parse_left(r)) return false;
    struct val v = parse_val(&r->p, PREC_NONE);
    if (!val_expect(&r->p, &v, m->op[0]->dt, "the right side") || !val_expect_scalar(&r->p, &v, "the right side"))
        return false;
    if (lx.tok.kind != TOK_END) return wrong(r, lx.tok.span, "the meaning should end here", "one assignment, e.g. C[i] += x");
    m->body = v.e;
    if (m->nlane) m->lane_number = ir_var(c, "lane", meaning_nlanes(m));
    return check_body(r, v.at);
}

/* The fault was found in the row's own text: it becomes the detail of an error at the row. */
static void report(struct ir_ctx *c, const char *name, struct span at)
{
    struct str s = str_on(&c->arena);
    const char *hint = arena_strdup(&c->arena, c->err.first.hint);
    c->err.first.hint = "";
    err_render(&c->err.first, &s);
    const char *text = str_text(&s);
    err_clear(&c->err);
    err_set(&c->err, ERR_INTRIN, at, "the meaning of %s cannot be read", name);
    err_hint(&c->err, "%s", hint);
    err_detail(&c->err, text);
}

const struct meaning *meaning_parse(struct ir_ctx *c, const char *name, const char *operands, const char *text,
                                    struct span at)
{
    if (err_is(&c->err)) return NULL;
    struct meaning *m = ARENA_NEW(&c->arena, struct meaning);
    struct reading r = {.p = {.c = c}, .m = m};
    m->name = arena_strdup(&c->arena, name);
    m->operands_text = arena_strdup(&c->arena, operands);
    m->text = arena_strdup(&c->arena, text);
    if (read_meaning(&r)) return m;
    report(c, m->name, at);
    return NULL;
}

/* ---- questions ---- */

int meaning_nlanes(const struct meaning *m)
{
    int64_t n = 1;
    for (int i = 0; i < m->nlane; i++) n *= m->lane[i]->extent;
    return (int)n;
}

bool meaning_is_shared(const struct meaning *m, int k)
{
    for (int d = 0; d < m->op[k]->ndim; d++)
        if (m->op_axis[k][d] >= MEANING_LANE) return true;
    return false;
}

int64_t meaning_step(const struct meaning *m, int k, int d, const struct expr *const *arg)
{
    if (m->pitch[k][d]) return arg[m->nop + (m->nlane > 0) + m->pitch[k][d] - 1]->val.i;
    if (d == m->op[k]->ndim - 1) return 1;
    return m->op[k]->shape[d + 1] * meaning_step(m, k, d + 1, arg);
}

const struct expr *meaning_index(struct ir_ctx *c, const struct meaning *m, const char **text)
{
    struct lexer lx = lex_on(c, NULL, *text, strlen(*text));
    const struct binding lane = {.name = "lane", .var = m->lane_number};
    struct parser p = parser_on(&lx, NULL);
    p.scope = m->nlane ? &lane : NULL;
    struct val v = parse_val(&p, PREC_NONE);
    if (v.e && val_expect(&p, &v, DT_I64, "an index") && val_expect_scalar(&p, &v, "an index")) {
        *text = lx.tok.text;
        return v.e;
    }
    err_clear(&c->err);
    return NULL;
}

/* ---- as loops ---- */

struct unfold { const struct meaning *m; const struct expr *const *arg; };

/* The element of operand k that the axes choose. */
static const struct expr *element(struct ir_ctx *c, const struct unfold *u, int k)
{
    const struct meaning *m = u->m;
    const struct buffer *b = u->arg[k]->val.buffer;
    const struct expr *at = ir_idx(c, 0);
    if (u->arg[k]->nkid == 1) at = u->arg[k]->kid[0];
    else for_kids(u->arg[k], d) at = ir_add(c, at, ir_mul(c, ir_idx(c, buffer_stride(b, d)), u->arg[k]->kid[d]));
    for (int d = 0; d < m->op[k]->ndim; d++) {
        int x = m->op_axis[k][d];
        const struct var *v = x < MEANING_LANE ? m->axis[x] : m->lane[x - MEANING_LANE];
        at = ir_add(c, at, ir_mul(c, ir_idx(c, meaning_step(m, k, d, u->arg)), ir_var_expr(c, v)));
    }
    return ir_load(c, b, 1, &at);
}

static const struct expr *unfold_read(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct unfold *w = u;
    int k = 0;
    if (e->op != OP_READ) return NULL;
    while (w->m->op[k] != e->val.tensor) k++;
    return element(c, w, k);
}

const struct stmt *meaning_loops(struct ir_ctx *c, const struct stmt *s)
{
    const struct meaning *m = s->u.intrin.meaning;
    struct unfold u = {m, s->u.intrin.arg};
    const struct expr *to = element(c, &u, 0), *value = ir_rewrite(c, m->body, unfold_read, &u);
    const struct expr *with[MEANING_MAX_AXES + MEANING_MAX_LANE], *lane = m->nlane ? s->u.intrin.arg[m->nop] : NULL;
    const struct var *old[MEANING_MAX_AXES + MEANING_MAX_LANE], *loop[MEANING_MAX_AXES];
    int n = 0;
    if (m->accumulate) value = ir_combine(c, m->combiner, to, value);
    const struct stmt *out = ir_store(c, to->val.buffer, 1, to->kid, value, NULL);
    for (int i = 0; i < m->naxes; i++) {
        loop[i] = ir_var(c, m->axis[i]->name, m->axis[i]->extent);
        old[n] = m->axis[i];
        with[n++] = ir_var_expr(c, loop[i]);
    }
    int64_t below = 1;
    for (int i = m->nlane - 1; i >= 0; below *= m->lane[i--]->extent) {
        old[n] = m->lane[i];
        with[n++] = ir_mod(c, ir_div(c, lane, ir_idx(c, below)), ir_idx(c, m->lane[i]->extent));
    }
    out = ir_subst_stmt(c, out, n, old, with);
    for (int i = m->naxes - 1; i >= 0; i--) out = ir_for(c, loop[i], LOOP_SERIAL, out);
    return out;
}
