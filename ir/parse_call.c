/* SPDX-License-Identifier: Apache-2.0 */
/* parse_call.c - built-in functions: casts, min, max, clamp, select ..., and requantize. */
#include "ir/parse_impl.h"
#include "ir/quant.h"

const char *const parse_keywords[] = {"input", "weight", "bias", "scale", "extern", NULL};
const char *const parse_builtins[] = {
    "sum", "fmasum", "pad", "requantize", "min", "max", "clamp", "select", "abs", "rint", "fma", "ramp", "bcast",
    "sat_i8", "sat_u8", "sat_i16", "sat_u16", "sat_i32", "sat_i64", NULL};

enum func_id { FN_MIN, FN_MAX, FN_CLAMP, FN_SELECT, FN_ABS, FN_RINT, FN_FMA };
static const struct { const char *name; enum func_id id; int nargs; } funcs[] = {
    {"min", FN_MIN, 2}, {"max", FN_MAX, 2}, {"clamp", FN_CLAMP, 3}, {"select", FN_SELECT, 3},
    {"abs", FN_ABS, 1}, {"rint", FN_RINT, 1}, {"fma", FN_FMA, 3}};

/* n arguments and the closing parenthesis; the arms of a select know its condition. */
static bool parse_args(struct parser *p, const char *name, bool select, int n, struct val *v)
{
    const struct guard *outer = p->guard;
    for (int i = 0; i < n; i++) {
        if (select && i > 0 && type_eq(v[0].e->type, TYPE_BOOL)) {
            struct guard *g = ARENA_NEW(&p->c->arena, struct guard);
            *g = (struct guard){v[0].e, i == 1, outer};
            p->guard = g;
        }
        v[i] = parse_val(p, PREC_NONE);
        p->guard = outer;
        if (!v[i].e) return false;
        if (i + 1 < n ? lex_is(p->lx, ",") : lex_is(p->lx, ")")) {
            lex_next(p->lx);
            continue;
        }
        err_set(&p->c->err, ERR_SYNTAX, p->lx->tok.span, "%s takes %d argument%s", name, n, n == 1 ? "" : "s");
        return false;
    }
    return true;
}

static struct val make_select(struct parser *p, struct val *v, size_t from)
{
    bool lit = v[1].lit && v[2].lit;
    if (!val_expect(p, &v[0], DT_BOOL, "the condition of select") || !val_unify(p, 2, &v[1], "select")) return no_val;
    int lanes = v[1].e->type.lanes > v[2].e->type.lanes ? v[1].e->type.lanes : v[2].e->type.lanes;
    int have = v[0].e->type.lanes;
    if (have > 1 && lanes > 1 && have != lanes) {
        err_set(&p->c->err, ERR_TYPE, v[0].at, "a condition of %d lanes chooses between values of %d", have, lanes);
        err_hint(&p->c->err, "give the condition as many lanes as the values, or one");
        return no_val;
    }
    struct val r = val_of(p, ir_select(p->c, v[0].e, v[1].e, v[2].e), from, 3, v);
    r.lit = lit;
    return r;
}

/* max(x, -x), wrapping at the least integer; on f32 max(x, 0.0 - x), which clears the sign of zero. */
static struct val make_abs(struct parser *p, struct val x, size_t from)
{
    if (!val_defined(p, OP_SUB, &x, "abs")) return no_val;
    enum dtype dt = x.e->type.dt;
    if (dt_is_int(dt) && !dtype_info[dt].is_signed) return x;
    const struct expr *zero = dt == DT_F32 ? ir_flt(p->c, type_of(dt), 0) : ir_int(p->c, type_of(dt), 0);
    struct val twice[2] = {x, x};
    struct val v = val_of(p, ir_max(p->c, x.e, ir_sub(p->c, zero, x.e)), from, 2, twice);
    v.lit = x.lit && v.e && v.e->op == OP_INT;
    return v;
}

static struct val make_func(struct parser *p, enum func_id id, struct val *v, size_t from)
{
    struct val r = no_val;
    switch (id) {
    case FN_MIN: r = val_bin(p, OP_MIN, v[0], v[1], "min"); break;
    case FN_MAX: r = val_bin(p, OP_MAX, v[0], v[1], "max"); break;
    case FN_CLAMP:
        if (val_unify(p, 3, v, "clamp"))
            r = val_bin(p, OP_MIN, val_bin(p, OP_MAX, v[0], v[1], "clamp"), v[2], "clamp");
        break;
    case FN_SELECT: return make_select(p, v, from);
    case FN_ABS: r = make_abs(p, v[0], from); break;
    case FN_RINT:
        if (val_expect(p, &v[0], DT_F32, "the argument of rint"))
            r = val_of(p, ir_un(p->c, OP_RINT, v[0].e), from, 1, v);
        break;
    case FN_FMA:
        for (int i = 0; i < 3; i++)
            if (!val_expect(p, &v[i], DT_F32, "an argument of fma")) return no_val;
        if (val_unify(p, 3, v, "fma")) r = val_of(p, ir_fma(p->c, v[0].e, v[1].e, v[2].e), from, 3, v);
        break;
    }
    r.at = span_from(p, from);
    return r;
}

static struct val make_cast(struct parser *p, enum dtype to, bool sat, size_t from, const char *name)
{
    struct val v;
    if (!parse_args(p, name, false, 1, &v)) return no_val;
    if (sat && !val_defined(p, OP_SAT, &v, name)) return no_val;
    return val_of(p, sat ? ir_sat(p->c, to, v.e) : ir_cast(p->c, to, v.e), from, 1, &v);
}

/* ramp(base, stride, lanes) and bcast(x, lanes). */
static struct val make_vector(struct parser *p, bool ramp, size_t from)
{
    struct val v[2];
    int n = ramp ? 2 : 1;
    int64_t lanes;
    for (int i = 0; i < n; i++) {
        v[i] = parse_val(p, PREC_NONE);
        if (!v[i].e || !lex_expect(p->lx, ",")) return no_val;
    }
    struct span at = p->lx->tok.span;
    if (!lex_int(p->lx, &lanes) || !lex_expect(p->lx, ")")) return no_val;
    if (lanes < 2 || lanes > UINT16_MAX) {
        err_set(&p->c->err, ERR_RANGE, at, "%lld lanes", (long long)lanes);
        err_hint(&p->c->err, "a vector has 2..%d lanes", UINT16_MAX);
        return no_val;
    }
    if (!val_unify(p, n, v, ramp ? "ramp" : "bcast")) return no_val;
    if (v[0].e->type.lanes > 1 || v[n - 1].e->type.lanes > 1) {
        err_set(&p->c->err, ERR_TYPE, v[0].at, "%s takes scalars", ramp ? "ramp" : "bcast");
        err_hint(&p->c->err, "vectors do not nest");
        return no_val;
    }
    if (ramp && !val_defined(p, OP_RAMP, &v[0], "ramp")) return no_val;
    const struct expr *e =
        ramp ? ir_ramp(p->c, v[0].e, v[1].e, (int)lanes) : ir_bcast(p->c, v[0].e, (int)lanes);
    struct val r = val_of(p, e, from, n, v);
    r.lit = !ramp && v[0].lit;
    return r;
}

/* ---- requantize ---- */

enum key { KEY_SCALE, KEY_MULT, KEY_SHIFT, KEY_ZERO, KEY_ROUND, KEY_LO, KEY_HI, KEY_COUNT };
static const char *const key_name[KEY_COUNT] = {"scale", "mult", "shift", "zero", "round", "lo", "hi"};
static const enum dtype key_type[] = {[KEY_SCALE] = DT_F32, [KEY_MULT] = DT_I32, [KEY_SHIFT] = DT_I32, [KEY_ZERO] = DT_I32};

/* What each rounding takes besides acc, zero, lo and hi. */
static const unsigned round_keys[ROUND_COUNT] = {
    [ROUND_HALF_EVEN] = 1u << KEY_SCALE,
    [ROUND_TFLITE_DOUBLE] = 1u << KEY_MULT | 1u << KEY_SHIFT,
    [ROUND_TFLITE_SINGLE] = 1u << KEY_MULT | 1u << KEY_SHIFT,
    [ROUND_SHIFT] = 1u << KEY_SHIFT};
static const char *const round_form[ROUND_COUNT] = {
    "scale: e, zero: e, round: half_even", "mult: e, shift: e, zero: e, round: tflite_double",
    "mult: e, shift: e, zero: e, round: tflite_single", "shift: e, zero: e, round: shift"};

struct requant {
    unsigned given;
    struct val acc, arg[4];     /* by key, SCALE .. ZERO */
    enum round_mode round;
    int64_t lo, hi;
};

static bool parse_round(struct parser *p, enum round_mode *out)
{
    struct span at = p->lx->tok.span;
    const char *name = lex_name(p->lx);
    if (!name) return false;
    for (int i = 0; i < ROUND_COUNT; i++)
        if (!strcmp(name, round_name[i])) return *out = (enum round_mode)i, true;
    err_set(&p->c->err, ERR_UNKNOWN_NAME, at, "no rounding is called %s", name);
    err_hint(&p->c->err, "one of half_even, tflite_double, tflite_single, shift");
    return false;
}

static bool parse_key(struct parser *p, struct requant *q)
{
    struct span at = p->lx->tok.span;
    const char *name = lex_name(p->lx);
    int k = 0;
    if (!name || !lex_expect(p->lx, ":")) return false;
    while (k < KEY_COUNT && strcmp(name, key_name[k])) k++;
    if (k == KEY_COUNT) {
        const char *near = err_suggest(name, key_name, KEY_COUNT);
        err_set(&p->c->err, ERR_UNKNOWN_NAME, at, "requantize has no argument %s", name);
        err_hint(&p->c->err, near ? "did you mean %s?" : "it takes scale or mult and shift, zero, round, lo, hi%s",
                 near ? near : "");
        return false;
    }
    if (q->given & 1u << k) return err_set(&p->c->err, ERR_REDEFINED, at, "%s is given twice", name);
    q->given |= 1u << k;
    if (k == KEY_ROUND) return parse_round(p, &q->round);
    if (k == KEY_LO || k == KEY_HI) return lex_int(p->lx, k == KEY_LO ? &q->lo : &q->hi);
    q->arg[k] = parse_val(p, PREC_NONE);
    return val_expect(p, &q->arg[k], key_type[k], name) && val_expect_scalar(p, &q->arg[k], name);
}

static bool check_const(struct parser *p, const struct val *v, const char *name, int64_t lo, int64_t hi)
{
    if (v->e->op != OP_INT || (v->e->val.i >= lo && v->e->val.i <= hi)) return true;
    err_set(&p->c->err, ERR_RANGE, v->at, "%s %lld is outside %lld..%lld", name, (long long)v->e->val.i, (long long)lo,
            (long long)hi);
    err_hint(&p->c->err, "%s lies in %lld..%lld for this rounding", name, (long long)lo, (long long)hi);
    return false;
}

static bool check_requant(struct parser *p, const struct requant *q, struct span at)
{
    unsigned form = 1u << KEY_SCALE | 1u << KEY_MULT | 1u << KEY_SHIFT;
    if (!(q->given & 1u << KEY_ROUND)) {
        err_set(&p->c->err, ERR_SYNTAX, at, "requantize needs its rounding");
        err_hint(&p->c->err, "round: half_even, tflite_double, tflite_single or shift");
        return false;
    }
    if ((q->given & form) != round_keys[q->round]) {
        err_set(&p->c->err, ERR_SYNTAX, at, "round: %s does not go with these arguments", round_name[q->round]);
        err_hint(&p->c->err, "write requantize(acc, %s)", round_form[q->round]);
        return false;
    }
    const struct dtype_info *d = &dtype_info[p->result];
    if (q->lo > q->hi || q->lo < d->lo || q->hi > d->hi) {
        err_set(&p->c->err, ERR_RANGE, at, "clamping to %lld..%lld in %s", (long long)q->lo, (long long)q->hi, d->name);
        err_hint(&p->c->err, "lo <= hi, both in %lld..%lld", (long long)d->lo, (long long)d->hi);
        return false;
    }
    if (q->round == ROUND_SHIFT) return check_const(p, &q->arg[KEY_SHIFT], "shift", 0, 31);
    if (q->round == ROUND_HALF_EVEN) return true;
    return check_const(p, &q->arg[KEY_MULT], "mult", 0, INT32_MAX) &&
           check_const(p, &q->arg[KEY_SHIFT], "shift", -31, 30);
}

/* The tree's nodes and height, as far as the limits go: a builder may repeat its operands. */
static int64_t measure(const struct expr *e, int64_t left, int depth, int *height)
{
    int64_t used = 1;
    if (depth > *height) *height = depth;
    if (depth > PARSE_MAX_HEIGHT) return left + 1;
    for_kids(e, i) {
        if (used > left) break;
        used += measure(e->kid[i], left - used, depth + 1, height);
    }
    return used;
}

static struct val make_requant(struct parser *p, size_t from, struct span name_at)
{
    if (!p->has_result || p->result == DT_BOOL || p->result == DT_F32 || p->result == DT_I64 || p->result == DT_U16) {
        err_set(&p->c->err, ERR_TYPE, name_at, p->has_result ? "requantize gives i8, u8, i16 or i32, not %s" :
                "requantize needs the type of its tensor%s", p->has_result ? dtype_info[p->result].name : "");
        err_hint(&p->c->err, "declare it: Out[...] : u8 = requantize(...)");
        return no_val;
    }
    struct requant q = {.lo = dtype_info[p->result].lo, .hi = dtype_info[p->result].hi};
    struct ir_ctx *c = p->c;
    q.acc = parse_val(p, PREC_NONE);
    if (!val_expect(p, &q.acc, DT_I32, "the accumulator") || !val_expect_scalar(p, &q.acc, "the accumulator"))
        return no_val;
    while (lex_accept(p->lx, ","))
        if (!parse_key(p, &q)) return no_val;
    if (!lex_expect(p->lx, ")") || !check_requant(p, &q, span_from(p, from))) return no_val;
    const struct expr *zero = q.given & 1u << KEY_ZERO ? q.arg[KEY_ZERO].e : ir_int(c, type_of(DT_I32), 0), *e = NULL;
    int32_t lo = (int32_t)q.lo, hi = (int32_t)q.hi;
    switch (q.round) {
    case ROUND_HALF_EVEN:
        e = quant_expr_half_even(c, q.acc.e, q.arg[KEY_SCALE].e, zero, p->result, lo, hi);
        break;
    case ROUND_TFLITE_DOUBLE: case ROUND_TFLITE_SINGLE:
        e = quant_expr_tflite(c, q.round, q.acc.e, q.arg[KEY_MULT].e, q.arg[KEY_SHIFT].e, zero, p->result, lo, hi);
        break;
    case ROUND_SHIFT:
        e = quant_expr_shift(c, q.acc.e, q.arg[KEY_SHIFT].e, zero, p->result, lo, hi);
        break;
    case ROUND_COUNT: break;
    }
    int height = 0;
    struct val made = {.size = measure(e, PARSE_MAX_SIZE, 1, &height)};
    made.height = height;
    return val_of(p, e, from, 1, &made);
}

/* ---- functions of the host's ---- */

static struct val make_extern(struct parser *p, const struct ext *f, size_t from)
{
    struct val v[EXTERN_MAX_ARGS];
    const struct expr *arg[EXTERN_MAX_ARGS];
    int lanes = 1;
    if (!parse_args(p, f->name, false, f->narg, v)) return no_val;
    for (int i = 0; i < f->narg; i++) {
        if (!val_expect(p, &v[i], f->arg[i], arena_printf(&p->c->arena, "argument %d of %s", i + 1, f->name))) return no_val;
        arg[i] = v[i].e;
        int have = arg[i]->type.lanes;
        if (lanes > 1 && have > 1 && have != lanes) {
            err_set(&p->c->err, ERR_TYPE, v[i].at, "%s takes arguments of as many lanes, not %d and %d", f->name, lanes, have);
            err_hint(&p->c->err, "bcast(x, lanes) makes a vector of a scalar");
            return no_val;
        }
        if (have > 1) lanes = have;
    }
    return val_of(p, ir_extern(p->c, f, arg), from, f->narg, v);
}

/* ---- dispatch ---- */

static struct val unknown_function(struct parser *p, const char *name, struct span at)
{
    static const char *const lead[] = {"sum", "fmasum", "pad"};
    for (size_t i = 0; i < ARRAY_LEN(lead); i++) {
        if (strcmp(lead[i], name)) continue;
        err_set(&p->c->err, ERR_SYNTAX, at, "%s(...) stands only at the start of a definition's right side", name);
        err_hint(&p->c->err, "define it as a tensor of its own and read that");
        return no_val;
    }
    size_t n = 0;
    while (parse_builtins[n]) n++;
    const char *near = err_suggest(name, parse_builtins, n);
    err_set(&p->c->err, ERR_UNKNOWN_NAME, at, "no function is called %s", name);
    if (near) err_hint(&p->c->err, "did you mean %s?", near);
    else if (p->env && env_find(p->env, name)) err_hint(&p->c->err, "a tensor is indexed with brackets: %s[...]", name);
    else err_hint(&p->c->err, "casts i8(x) ... f32(x), sat_i8(x) ..., min max clamp select abs rint fma requantize");
    return no_val;
}

struct val parse_call(struct parser *p, const char *name, struct span at)
{
    enum dtype to;
    size_t from = at.at;
    if (dt_by_name(name, strlen(name), &to)) return make_cast(p, to, false, from, name);
    if (!strncmp(name, "sat_", 4) && dt_by_name(name + 4, strlen(name + 4), &to) && dt_is_int(to))
        return make_cast(p, to, true, from, name);
    if (!strcmp(name, "ramp") || !strcmp(name, "bcast")) return make_vector(p, name[0] == 'r', from);
    if (!strcmp(name, "requantize")) return make_requant(p, from, at);
    for (size_t i = 0; i < ARRAY_LEN(funcs); i++) {
        if (strcmp(name, funcs[i].name)) continue;
        struct val v[3];
        if (!parse_args(p, name, funcs[i].id == FN_SELECT, funcs[i].nargs, v)) return no_val;
        return make_func(p, funcs[i].id, v, from);
    }
    const struct ext *f = p->env ? env_extern(p->env, name) : NULL;
    return f ? make_extern(p, f, from) : unknown_function(p, name, at);
}
