/* SPDX-License-Identifier: Apache-2.0 */
/* parse_def.c - definitions: declared arguments, computed tensors, pads. Grammar in ir/README.md. */
#include "ir/layout.h"
#include "ir/parse_impl.h"
#include "ir/values.h"

/* ---- what is known before the definition is read ---- */

const struct tensor *env_find(const struct ir_env *e, const char *name)
{
    for (size_t i = 0; i < e->tensors.n; i++)
        if (!strcmp(e->tensors.at[i]->name, name)) return e->tensors.at[i];
    return NULL;
}

const struct ext *env_extern(const struct ir_env *e, const char *name)
{
    for (size_t i = 0; i < e->externs.n; i++)
        if (!strcmp(e->externs.at[i]->name, name)) return e->externs.at[i];
    return NULL;
}

static const char *keyword_here(const struct lexer *lx)
{
    for (int i = 0; parse_keywords[i]; i++)
        if (lx->tok.kind == TOK_NAME && lex_is(lx, parse_keywords[i])) return parse_keywords[i];
    return NULL;
}

/* Looks at characters, not tokens: a peek must not report what is wrong further on. */
bool parse_at_def(const struct lexer *lx)
{
    if (lx->tok.kind != TOK_NAME) return false;
    if (keyword_here(lx)) return true;
    size_t i = lx->at;
    while (i < lx->n && (lx->text[i] == ' ' || lx->text[i] == '\t')) i++;
    char a = i < lx->n ? lx->text[i] : 0, b = i + 1 < lx->n ? lx->text[i + 1] : 0;
    return a == '[' || (a == '=' && b != '=');
}

static bool check_name(struct lexer *lx, const struct ir_env *env, const char *name, struct span at)
{
    struct err_state *err = &lx->ctx->err;
    if (env_extern(env, name)) {
        err_set(err, ERR_REDEFINED, at, "%s is declared already, as a function of the host's", name);
        err_hint(err, "choose another name; a function is declared once");
        return false;
    }
    if (env_find(env, name)) {
        err_set(err, ERR_REDEFINED, at, "tensor %s is defined already", name);
        err_hint(err, "choose another name; a tensor is defined once");
        return false;
    }
    if (parse_is_reserved(name)) {
        err_set(err, ERR_REDEFINED, at, "%s is a word of the language", name);
        err_hint(err, "choose another name");
        return false;
    }
    if (env->tensors.n >= PARSE_MAX_TENSORS) {
        err_set(err, ERR_TOO_LARGE, at, "more than %d tensors", PARSE_MAX_TENSORS);
        err_hint(err, "split the program into several kernels");
        return false;
    }
    return true;
}

static bool ends_here(struct lexer *lx, const char *name)
{
    if (lx->tok.kind == TOK_EOL || lx->tok.kind == TOK_END) return true;
    err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "the definition of %s should end here", name);
    err_hint(&lx->ctx->err, "one definition a line, or put ; between");
    return false;
}

static bool add_tensor(struct lexer *lx, struct ir_env *env, const struct tensor *t)
{
    if (!ends_here(lx, t->name)) return false;
    VEC_PUSH(&lx->ctx->arena, env->tensors, t);
    return true;
}

/* ---- pieces ---- */

bool parse_dtype(struct lexer *lx, enum dtype *out)
{
    struct span at = lx->tok.span;
    const char *name = lex_name(lx);
    if (!name) return false;
    if (dt_by_name(name, strlen(name), out)) return true;
    err_set(&lx->ctx->err, ERR_TYPE, at, "no type is called %s", name);
    err_hint(&lx->ctx->err, "one of bool i8 u8 i16 u16 i32 i64 f32");
    return false;
}

bool parse_range(struct lexer *lx, enum dtype dt, struct range *out, bool *given)
{
    struct span at = lx->tok.span;
    *out = dtype_range(dt);
    *given = lex_accept(lx, "in");
    if (!*given) return true;
    struct range r;
    if (!lex_int(lx, &r.lo) || !lex_expect(lx, "..") || !lex_int(lx, &r.hi)) return false;
    at.len = lx->tok.span.at - at.at;
    if (dt == DT_F32 || r.lo > r.hi || r.lo < out->lo || r.hi > out->hi) {
        err_set(&lx->ctx->err, ERR_RANGE, at, "%lld..%lld is not a range of %s values", (long long)r.lo,
                (long long)r.hi, dtype_info[dt].name);
        if (dt == DT_F32) err_hint(&lx->ctx->err, "only integers have declared ranges");
        else err_hint(&lx->ctx->err, "low..high within %lld..%lld", (long long)out->lo, (long long)out->hi);
        return false;
    }
    *out = r;
    return true;
}

enum { MAX_LOG2_BYTES = 47 };

bool parse_extent(struct lexer *lx, int64_t *out)
{
    struct span at = lx->tok.span;
    if (!lex_int(lx, out)) return false;
    if (*out >= 1 && *out < (int64_t)1 << MAX_LOG2_BYTES) return true;
    err_set(&lx->ctx->err, *out < 1 ? ERR_SHAPE : ERR_TOO_LARGE, at, "an extent of %lld", (long long)*out);
    err_hint(&lx->ctx->err, "extents lie in 1..2^%d-1", MAX_LOG2_BYTES);
    return false;
}

bool parse_check_size(struct ir_ctx *c, struct span at, const char *name, enum dtype dt, int n, const int64_t *shape)
{
    int64_t bytes = dt_bytes(dt);
    bool fits = true;
    for (int i = 0; i < n; i++) fits = fits && ck_mul(bytes, shape[i], &bytes);
    if (fits && bytes < (int64_t)1 << MAX_LOG2_BYTES) return true;
    err_set(&c->err, ERR_TOO_LARGE, at, "%s takes 2^%d bytes or more", name, MAX_LOG2_BYTES);
    err_hint(&c->err, "make an extent smaller");
    return false;
}

static bool too_many(struct lexer *lx, const char *what, int most)
{
    err_set(&lx->ctx->err, ERR_TOO_LARGE, lx->tok.span, "more than %d %s", most, what);
    err_hint(&lx->ctx->err, "merge some of them into one");
    return false;
}

static bool check_axis_name(struct lexer *lx, const char *name, struct span at, int n, const char *const *before)
{
    bool word = !strcmp(name, "inf") || !strcmp(name, "nan");
    for (int i = 0; i < n && !word; i++) {
        if (strcmp(before[i], name)) continue;
        err_set(&lx->ctx->err, ERR_REDEFINED, at, "%s is named twice", name);
        err_hint(&lx->ctx->err, "each axis or dimension has a name of its own");
        return false;
    }
    if (!word) return true;
    err_set(&lx->ctx->err, ERR_REDEFINED, at, "%s is a number", name);
    err_hint(&lx->ctx->err, "choose another name");
    return false;
}

/* ---- declarations ---- */

/* dim {"," dim} "]" */
static int parse_dims(struct lexer *lx, int64_t *shape, const char **name)
{
    int n = 0;
    if (lex_accept(lx, "]")) return 0;
    do {
        struct span at = lx->tok.span;
        if (n == QJ_MAX_RANK) return too_many(lx, "dimensions", QJ_MAX_RANK), -1;
        if (lx->tok.kind == TOK_NAME) {
            name[n] = lex_name(lx);
            if (!lex_expect(lx, ":")) return -1;
        } else {
            name[n] = arena_printf(&lx->ctx->arena, "d%d", n);
        }
        if (!check_axis_name(lx, name[n], at, n, name) || !parse_extent(lx, &shape[n])) return -1;
        n++;
    } while (lex_accept(lx, ","));
    return lex_expect(lx, "]") ? n : -1;
}

static bool parse_layout(struct lexer *lx, struct tensor *t)
{
    struct err_state *err = &lx->ctx->err;
    struct span at = lx->tok.span;
    const char *text = lex_name(lx), *axes = layout_axes_of(lx->ctx, t);
    int64_t phys[QJ_MAX_PHYS];
    if (!text) return false;
    if (!axes) {
        err_set(err, ERR_LAYOUT, at, "%s's dimensions have no one-letter names", t->name);
        err_hint(err, "name them, e.g. input A[n:1, h:56, w:56, c:64] : u8 layout NCHW");
        return false;
    }
    t->layout = layout_parse(lx->ctx, text, strlen(text), axes, at);
    if (!t->layout) return false;
    int n = layout_shape(t->layout, t->ndim, t->shape, phys);
    return parse_check_size(lx->ctx, at, t->name, t->dt, n, phys);
}

static bool parse_decl(struct lexer *lx, struct ir_env *env, const char *keyword)
{
    int64_t shape[QJ_MAX_RANK];
    const char *dim[QJ_MAX_RANK];
    enum dtype dt;
    lex_next(lx);
    struct span at = lx->tok.span;
    const char *name = lex_name(lx);
    if (!name || !check_name(lx, env, name, at) || !lex_expect(lx, "[")) return false;
    int n = parse_dims(lx, shape, dim);
    if (n < 0 || !lex_expect(lx, ":") || !parse_dtype(lx, &dt)) return false;
    if (!parse_check_size(lx->ctx, at, name, dt, n, shape)) return false;
    bool input = !strcmp(keyword, "input");
    struct tensor *t = ir_tensor(lx->ctx, name, input ? TENSOR_INPUT : TENSOR_WEIGHT, dt, n, shape);
    memcpy(t->dim_name, dim, (size_t)n * sizeof dim[0]);
    t->keyword = keyword;
    if (!parse_range(lx, dt, &t->range, &t->range_declared)) return false;
    if (lex_accept(lx, "layout") && !parse_layout(lx, t)) return false;
    if (lex_accept(lx, "=") && !parse_values(lx, t)) return false;
    return add_tensor(lx, env, t);
}

/* "extern" NAME "(" dtype {"," dtype} ")" ":" dtype */
bool parse_extern(struct lexer *lx, struct ir_env *env)
{
    enum dtype arg[EXTERN_MAX_ARGS], result;
    int n = 0;
    if (!lex_expect(lx, "extern")) return false;
    struct span at = lx->tok.span;
    const char *name = lex_name(lx);
    if (!name || !check_name(lx, env, name, at) || !lex_expect(lx, "(")) return false;
    do {
        if (n == EXTERN_MAX_ARGS) return too_many(lx, "arguments", EXTERN_MAX_ARGS);
        if (!parse_dtype(lx, &arg[n++])) return false;
    } while (lex_accept(lx, ","));
    if (!lex_expect(lx, ")") || !lex_expect(lx, ":") || !parse_dtype(lx, &result) || !ends_here(lx, name)) return false;
    VEC_PUSH(&lx->ctx->arena, env->externs, ir_ext(lx->ctx, name, result, n, arg));
    return true;
}

/* ---- computed tensors ---- */

/* What the axes of a definition grow into while it is read. */
struct axes {
    int n;
    struct axis at[PARSE_MAX_AXES];
    struct binding bind[PARSE_MAX_AXES];
    const char *name[PARSE_MAX_AXES];
};

/* axis {"," axis} close: names the variables and puts them in scope. */
static bool parse_axes(struct parser *p, struct axes *ax, int most, const char *what, const char *close)
{
    struct lexer *lx = p->lx;
    int first = ax->n;
    if (*close == ']' && lex_accept(lx, close)) return true;
    do {
        struct span at = lx->tok.span;
        int64_t extent = 0;
        const char *name = lex_name(lx);
        if (!name || !check_axis_name(lx, name, at, ax->n, ax->name)) return false;
        if (ax->n - first == most) return too_many(lx, what, most);
        if (lex_accept(lx, ":") && !parse_extent(lx, &extent)) return false;
        struct var *v = (struct var *)ir_var(p->c, name, extent); /* ours until the definition is done */
        ir_var_expr(p->c, v); /* numbered in the order of writing, whatever the body mentions first */
        ax->at[ax->n] = (struct axis){v, at, extent > 0, "its definition"};
        ax->bind[ax->n] = (struct binding){v->name, v, NULL, p->scope};
        ax->name[ax->n] = v->name;
        p->scope = &ax->bind[ax->n++];
    } while (lex_accept(lx, ","));
    return lex_expect(lx, close);
}

/* Does the right side start with a reduction? max(a, b) is the function when its first word is an axis. */
static bool at_reduce(const struct parser *p, enum combiner *k)
{
    struct lexer ahead = *p->lx;
    if (ahead.tok.kind != TOK_NAME) return false;
    for (int i = 0; i < RED_COUNT; i++) {
        if (!lex_is(&ahead, combiner_name[i])) continue;
        *k = (enum combiner)i;
        lex_next(&ahead);
        if (!lex_accept(&ahead, "(")) return false;
        if (i == RED_SUM || i == RED_FMA) return true;
        if (ahead.tok.kind != TOK_NAME || lex_is(&ahead, "inf") || lex_is(&ahead, "nan")) return false;
        for (const struct binding *s = p->scope; s; s = s->up)
            if (lex_is(&ahead, s->name)) return false;
        lex_next(&ahead);
        return lex_is(&ahead, ":") || lex_is(&ahead, ",") || lex_is(&ahead, ")");
    }
    return false;
}

/* The right side; the type is the declared one or the body's. */
static const struct expr *parse_body(struct parser *p, const char *name, struct axes *ax, enum dtype *dt)
{
    enum combiner k = RED_SUM;
    int ndata = ax->n;
    bool reduce = at_reduce(p, &k);
    if (reduce) {
        lex_next(p->lx);
        if (!lex_expect(p->lx, "(") || !parse_axes(p, ax, QJ_MAX_PHYS, "reduce axes", ")")) return NULL;
    }
    struct val v = parse_val(p, PREC_NONE);
    if (!v.e) return NULL;
    if (!p->has_result) *dt = v.e->type.dt;
    const char *what = arena_printf(&p->c->arena, "tensor %s", name);
    if (!val_expect(p, &v, *dt, what)) {
        if (p->c->err.first.code == ERR_TYPE && dt_is_int(*dt))
            err_hint(&p->c->err, "write %s(...), which wraps, or sat_%s(...), which saturates", dtype_info[*dt].name,
                     dtype_info[*dt].name);
        return NULL;
    }
    if (!val_expect_scalar(p, &v, what)) return NULL;
    if (!reduce) return v.e;
    const struct expr *axis[QJ_MAX_PHYS];
    for (int i = ndata; i < ax->n; i++) axis[i - ndata] = ir_var_expr(p->c, ax->at[i].var);
    return val_reduce(p, k, v, ax->n - ndata, axis);
}

/* The range of the body, which a declared one must contain. */
static bool set_range(struct ir_ctx *c, struct tensor *t, struct range declared, bool given, struct span at)
{
    t->range = infer_range(t->body);
    t->range_declared = given;
    if (!given || (t->range.lo >= declared.lo && t->range.hi <= declared.hi)) return true;
    err_set(&c->err, ERR_RANGE, at, "the values of %s are only known to lie in %lld..%lld, not in %lld..%lld", t->name,
            (long long)t->range.lo, (long long)t->range.hi, (long long)declared.lo, (long long)declared.hi);
    err_hint(&c->err, "write clamp(..., %lld, %lld), or leave the range out", (long long)declared.lo,
             (long long)declared.hi);
    return false;
}

/* After NAME '['. */
static bool parse_compute(struct lexer *lx, struct ir_env *env, const char *name, struct span at)
{
    struct parser p = parser_on(lx, env);
    struct axes *ax = ARENA_NEW(&p.c->arena, struct axes);
    int64_t shape[QJ_MAX_RANK];
    enum dtype dt = DT_I64;
    struct range declared = {0, 0};
    bool given = false;
    if (!parse_axes(&p, ax, QJ_MAX_RANK, "dimensions", "]")) return false;
    int ndim = ax->n;
    if (lex_accept(lx, ":")) {
        p.has_result = true;
        if (!parse_dtype(lx, &dt)) return false;
        p.result = dt;
    }
    struct span range_at = lx->tok.span;
    if (lex_is(lx, "in") && !p.has_result) {
        err_set(&p.c->err, ERR_SYNTAX, range_at, "a range follows a type");
        err_hint(&p.c->err, "write %s[...] : u8 in 0..127 = ...", name);
        return false;
    }
    if (!parse_range(lx, dt, &declared, &given) || !lex_expect(lx, "=")) return false;
    const struct expr *body = parse_body(&p, name, ax, &dt);
    if (!body || !infer_extents(&p, ax->n, ax->at) || !infer_check_reads(&p)) return false;
    for (int i = 0; i < ndim; i++) shape[i] = ax->at[i].var->extent;
    if (!parse_check_size(p.c, at, name, dt, ndim, shape)) return false;
    struct tensor *t = ir_tensor(p.c, name, TENSOR_COMPUTE, dt, ndim, shape);
    for (int i = 0; i < ndim; i++) {
        t->axis[i] = ax->at[i].var;
        t->dim_name[i] = ax->name[i];
    }
    t->body = body;
    return set_range(p.c, t, declared, given, range_at) && add_tensor(lx, env, t);
}

/* ---- pads ---- */

struct padding {
    const struct tensor *from;
    bool given[QJ_MAX_RANK];
    int64_t lo[QJ_MAX_RANK], hi[QJ_MAX_RANK];
    const struct expr *value;
};

static int parse_pad_dim(struct lexer *lx, const struct tensor *t)
{
    struct span at = lx->tok.span;
    int64_t i;
    if (lx->tok.kind == TOK_INT) {
        if (!lex_int(lx, &i)) return -1;
        if (i >= 0 && i < t->ndim) return (int)i;
        return err_set(&lx->ctx->err, ERR_SHAPE, at, "%s has no dimension %lld", t->name, (long long)i), -1;
    }
    const char *name = lex_name(lx);
    for (int d = 0; name && d < t->ndim; d++)
        if (!strcmp(name, t->dim_name[d])) return d;
    if (!name) return -1;
    const char *near = err_suggest(name, t->dim_name, (size_t)t->ndim);
    err_set(&lx->ctx->err, ERR_UNKNOWN_NAME, at, "%s has no dimension %s", t->name, name);
    if (near) err_hint(&lx->ctx->err, "did you mean %s?", near);
    return -1;
}

/* "value" ":" number: of the tensor's type. */
static const struct expr *parse_pad_value(struct parser *p, enum dtype dt)
{
    struct val v = parse_val(p, PREC_NONE);
    if (!val_adopt(p, &v, dt)) return NULL;
    if (v.e->type.dt == dt && (v.e->op == OP_INT || v.e->op == OP_FLT)) return v.e;
    err_set(&p->c->err, ERR_TYPE, v.at, "the padding value is a constant of type %s", dtype_info[dt].name);
    err_hint(&p->c->err, "write a number, e.g. value: 0");
    return NULL;
}

/* NAME {"," key ":" ...} ")" */
static bool parse_padding(struct lexer *lx, const struct ir_env *env, struct padding *pad)
{
    struct parser p = parser_on(lx, env);
    struct err_state *err = &lx->ctx->err;
    struct span at = lx->tok.span;
    const char *name = lex_name(lx);
    if (!name) return false;
    const struct tensor *t = pad->from = env_find(env, name);
    if (!t) return err_set(err, ERR_UNKNOWN_NAME, at, "no tensor is called %s", name);
    while (lex_accept(lx, ",")) {
        at = lx->tok.span;
        if (lex_accept(lx, "value")) {
            if (pad->value) return err_set(err, ERR_REDEFINED, at, "value is given twice");
            if (!lex_expect(lx, ":") || !(pad->value = parse_pad_value(&p, t->dt))) return false;
            continue;
        }
        int d = parse_pad_dim(lx, t);
        if (d < 0 || !lex_expect(lx, ":")) return false;
        if (pad->given[d]) return err_set(err, ERR_REDEFINED, at, "dimension %s is padded twice", t->dim_name[d]);
        pad->given[d] = true;
        struct span num = lx->tok.span;
        if (!lex_int(lx, &pad->lo[d]) || !lex_int(lx, &pad->hi[d])) return false;
        int64_t most = (int64_t)1 << MAX_LOG2_BYTES;
        if (pad->lo[d] < 0 || pad->hi[d] < 0 || pad->lo[d] >= most || pad->hi[d] >= most) {
            err_set(err, ERR_SHAPE, num, "padding by %lld and %lld", (long long)pad->lo[d], (long long)pad->hi[d]);
            err_hint(err, "two counts from 0 up: elements before, elements after");
            return false;
        }
    }
    return lex_expect(lx, ")");
}

/* P[i] = select(lo <= i & i <= lo + n - 1, A[i - lo], value): dimensions without padding have no condition. */
static bool parse_pad(struct lexer *lx, struct ir_env *env, const char *name, struct span at)
{
    struct ir_ctx *c = lx->ctx;
    struct padding pad = {0};
    const struct expr *idx[QJ_MAX_RANK], *inside = ir_bool(c, true);
    const struct var *axis[QJ_MAX_RANK];
    int64_t shape[QJ_MAX_RANK];
    if (!lex_expect(lx, "(") || !parse_padding(lx, env, &pad)) return false;
    const struct tensor *a = pad.from;
    for (int d = 0; d < a->ndim; d++) shape[d] = pad.lo[d] + a->shape[d] + pad.hi[d];
    if (!parse_check_size(c, at, name, a->dt, a->ndim, shape)) return false;
    for (int d = 0; d < a->ndim; d++) {
        axis[d] = ir_var(c, a->dim_name[d], shape[d]);
        idx[d] = ir_var_expr(c, axis[d]);
    }
    for (int d = 0; d < a->ndim; d++) {
        const struct expr *i = idx[d];
        if (pad.lo[d]) inside = ir_and(c, inside, ir_le(c, ir_idx(c, pad.lo[d]), i));
        if (pad.hi[d]) inside = ir_and(c, inside, ir_le(c, i, ir_idx(c, pad.lo[d] + a->shape[d] - 1)));
        if (pad.lo[d]) idx[d] = ir_sub(c, i, ir_idx(c, pad.lo[d]));
    }
    const struct expr *zero = a->dt == DT_F32 ? ir_flt(c, type_of(DT_F32), 0) : ir_int(c, type_of(a->dt), 0);
    struct tensor *t = ir_tensor(c, name, TENSOR_COMPUTE, a->dt, a->ndim, shape);
    memcpy(t->axis, axis, (size_t)a->ndim * sizeof axis[0]);
    memcpy(t->dim_name, a->dim_name, sizeof t->dim_name);
    t->body = ir_select(c, inside, ir_read(c, a, idx), pad.value ? pad.value : zero);
    t->range = infer_range(t->body);
    return add_tensor(lx, env, t);
}

bool parse_def(struct lexer *lx, struct ir_env *env)
{
    const char *keyword = keyword_here(lx);
    if (keyword) return strcmp(keyword, "extern") ? parse_decl(lx, env, keyword) : parse_extern(lx, env);
    struct span at = lx->tok.span;
    const char *name = lex_name(lx);
    if (!name || !check_name(lx, env, name, at)) return false;
    if (lex_accept(lx, "[")) return parse_compute(lx, env, name, at);
    if (!lex_is(lx, "=")) {
        err_set(&lx->ctx->err, ERR_SYNTAX, lx->tok.span, "%s is not the start of a definition", name);
        err_hint(&lx->ctx->err, "write input A[16] : u8, or B[i] = A[i] + 1, or P = pad(A, 0: 1 1)");
        return false;
    }
    lex_next(lx);
    if (lex_accept(lx, "pad")) return parse_pad(lx, env, name, at);
    err_set(&lx->ctx->err, ERR_SYNTAX, at, "%s has no axes", name);
    err_hint(&lx->ctx->err, "write %s[i, j] = ...; a scalar is %s[] = ...", name, name);
    return false;
}
