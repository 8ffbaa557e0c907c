/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - the rules a program or a loop nest keeps. Contract in verify.h.
 *
 * Expressions are checked node by node, each node once in a scope: a node found good stays good further in,
 * so `seen` forgets only when a scope is left (the epoch moves on). */
#include "ir/extern.h"
#include "ir/verify.h"

#include "ir/meaning.h"
#include "ir/print.h"

enum { MAX_DEPTH = 2000, MAX_PRINTED = 300 };

/* What is bound around the place being checked, innermost first. */
struct bound {
    const struct var *var;
    const struct buffer *buffer;
    bool writable;
    int how;                        /* loop kind, or -1 */
    const struct bound *next;
};

struct check {
    struct ir_ctx *c;
    unsigned flags;
    const struct bound *scope;
    const struct program *program;  /* NULL: a function */
    int before;                     /* the tensor being checked reads tensors [0, before) */
    const struct stmt *at;          /* statement being checked, for the message */
    uint32_t *seen, epoch;          /* by node id */
};

/* ---- reporting ---- */

static bool is_printable(const struct expr *e, int *left)
{
    if (--*left < 0 || !e || e->op >= OP_COUNT) return false;
    for_kids(e, i) if (!is_printable(e->kid[i], left)) return false;
    return true;
}

static const char *text_of(struct check *k, const struct expr *e)
{
    int left = MAX_PRINTED;
    if (is_printable(e, &left)) return expr_text(&k->c->arena, e);
    return arena_printf(&k->c->arena, "(a large %s)", op_info[e->op].spelling);
}

/* The line a fault is in, for its message; NULL: a block, or too much to print. */
static const char *line_of(struct check *k)
{
    const struct stmt *s = k->at;
    int left = MAX_PRINTED;
    if (!s || (s->kind != STMT_STORE && s->kind != STMT_INTRIN)) return NULL;
    if (s->kind == STMT_STORE) {
        const struct expr *mask = s->u.store.mask;
        if (!is_printable(s->u.store.value, &left) || (mask && !is_printable(mask, &left))) return NULL;
        for (int i = 0; i < s->u.store.nidx; i++)
            if (!is_printable(s->u.store.idx[i], &left)) return NULL;
    } else {
        for (int i = 0; i < meaning_nargs(s->u.intrin.meaning); i++)
            if (!is_printable(s->u.intrin.arg[i], &left)) return NULL;
    }
    struct str text = str_on(&k->c->arena);
    print_stmt(&text, s, 0);
    return str_text(&text);
}

static bool fail_at(struct check *k, enum err_code code, const char *fmt, ...) QJ_PRINTF(3, 4);
static bool fail_at(struct check *k, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *msg = arena_vprintf(&k->c->arena, fmt, ap);
    va_end(ap);
    err_set(&k->c->err, code, (struct span){0}, "not well formed: %s", msg);
    err_hint(&k->c->err,
             "a nest is checked after each pass; the pass that ran last, or the text it came from, is wrong");
    const char *line = line_of(k);
    if (line) err_detail(&k->c->err, line);
    return false;
}

static bool fail(struct check *k, enum err_code code, const struct expr *e, const char *what)
{
    return fail_at(k, code, "`%s`: %s", text_of(k, e), what);
}
static bool bad_type(struct check *k, const struct expr *e, const char *what)
{
    return fail(k, ERR_TYPE, e, what);
}

/* ---- scopes ---- */

static const struct bound *find_var(const struct check *k, const struct var *v)
{
    const struct bound *b = k->scope;
    while (b && b->var != v) b = b->next;
    return b;
}

static const struct bound *find_buffer(const struct check *k, const struct buffer *b)
{
    const struct bound *s = k->scope;
    while (s && s->buffer != b) s = s->next;
    return s;
}

/* ---- expressions ---- */

static bool is_scalar(const struct expr *e, enum dtype d) { return type_eq(e->type, type_of(d)); }

static bool allowed(unsigned flags, enum dtype d)
{
    return d == DT_F32 ? flags & OPF_F32 : d == DT_BOOL ? flags & OPF_BOOLS : flags & OPF_INT;
}

static bool elementwise(struct check *k, const struct expr *e)
{
    for_kids(e, i)
        if (!type_eq(e->kid[i]->type, e->type))
            return bad_type(k, e, "operands of another type than the result");
    return allowed(op_info[e->op].flags, e->type.dt) ? true : bad_type(k, e, "not defined on this type");
}

static bool shift(struct check *k, const struct expr *e)
{
    const struct expr *n = e->kid[1]->op == OP_BCAST ? e->kid[1]->kid[0] : e->kid[1];
    if (!elementwise(k, e)) return false;
    if (n->op != OP_INT || (n->val.i >= 0 && n->val.i < dtype_info[e->type.dt].bits)) return true;
    return fail(k, ERR_RANGE, e, "shift amount out of range");
}

static bool comparison(struct check *k, const struct expr *e)
{
    if (!type_eq(e->kid[0]->type, e->kid[1]->type)) return bad_type(k, e, "compares two types");
    if (!type_eq(e->type, type_vec(DT_BOOL, e->kid[0]->type.lanes)))
        return bad_type(k, e, "a comparison gives bool");
    if (allowed(op_info[e->op].flags, e->kid[0]->type.dt)) return true;
    return bad_type(k, e, "not defined on this type");
}

static bool select_types(struct check *k, const struct expr *e)
{
    const struct type c = e->kid[0]->type;
    if (c.dt != DT_BOOL || (c.lanes != 1 && c.lanes != e->type.lanes))
        return bad_type(k, e, "condition is no matching bool");
    if (!type_eq(e->kid[1]->type, e->type) || !type_eq(e->kid[2]->type, e->type))
        return bad_type(k, e, "arms of another type than the result");
    return true;
}

static bool conversion(struct check *k, const struct expr *e)
{
    enum dtype from = e->kid[0]->type.dt, to = e->type.dt;
    if (e->kid[0]->type.lanes != e->type.lanes) return bad_type(k, e, "a conversion keeps lanes");
    if (e->op == OP_SAT && (!dt_is_int(to) || from == DT_BOOL))
        return bad_type(k, e, "saturates numbers to an integer");
    return true;
}

static bool indices(struct check *k, const struct expr *e, const char *name, int want)
{
    if (e->nkid != want)
        return fail_at(k, ERR_TYPE, "`%s`: %d indices, %s has %d", text_of(k, e), e->nkid, name, want);
    for_kids(e, i)
        if (!type_eq(e->kid[i]->type, type_vec(DT_I64, e->type.lanes)))
            return bad_type(k, e, "an index is i64, of its lanes");
    return true;
}

static bool read(struct check *k, const struct expr *e)
{
    const struct tensor *t = e->val.tensor;
    int i = 0;
    if (!k->program) return fail(k, ERR_SYNTAX, e, "reads a tensor in a loop nest");
    while (i < k->before && k->program->tensor[i] != t) i++;
    if (i == k->before)
        return fail_at(k, ERR_SYNTAX, "`%s`: %s is not defined before", text_of(k, e), t->name);
    if (!is_scalar(e, t->dt)) return bad_type(k, e, "not the tensor's type");
    return indices(k, e, t->name, t->ndim);
}

/* How many indices an access with n of them should have. */
static int indices_of(const struct check *k, const struct buffer *b, int n)
{
    return k->flags & VERIFY_FLAT || (k->flags & VERIFY_VECTORS && n == 1) ? 1 : b->ndim;
}

static bool load(struct check *k, const struct expr *e)
{
    const struct buffer *b = e->val.buffer;
    if (k->program) return fail(k, ERR_SYNTAX, e, "reads a buffer in a tensor program");
    if (!find_buffer(k, b))
        return fail_at(k, ERR_SYNTAX, "`%s`: buffer %s is not allocated here", text_of(k, e), b->name);
    if (e->type.dt != b->dt) return bad_type(k, e, "not the buffer's type");
    return indices(k, e, b->name, indices_of(k, b, e->nkid));
}

static bool vector(struct check *k, const struct expr *e)
{
    if (e->type.lanes < 2) return bad_type(k, e, "a vector of one lane");
    for_kids(e, i)
        if (!is_scalar(e->kid[i], e->type.dt)) return bad_type(k, e, "not made of scalars of its type");
    return e->op == OP_BCAST || dt_is_int(e->type.dt) ? true : bad_type(k, e, "not defined on this type");
}

static bool call(struct check *k, const struct expr *e)
{
    const struct ext *f = e->val.ext;
    if (e->nkid != f->narg) return bad_type(k, e, "not the function's number of arguments");
    for_kids(e, i)
        if (!type_eq(e->kid[i]->type, type_vec(f->arg[i], e->type.lanes)))
            return bad_type(k, e, "an argument of another type than the function's");
    return e->type.dt == f->result ? true : bad_type(k, e, "not the function's type");
}

static bool leaf(struct check *k, const struct expr *e)
{
    if (e->type.lanes != 1) return bad_type(k, e, "a leaf is a scalar");
    if (e->op == OP_FLT) return e->type.dt == DT_F32 ? true : bad_type(k, e, "a float of another type");
    if (e->op == OP_VAR) {
        if (e->type.dt != DT_I64) return bad_type(k, e, "a variable is i64");
        return find_var(k, e->val.var) ? true : fail(k, ERR_SYNTAX, e, "variable is not bound here");
    }
    struct range r = dtype_range(e->type.dt);
    if (e->type.dt == DT_F32) return bad_type(k, e, "an integer of type f32");
    return e->val.i >= r.lo && e->val.i <= r.hi ? true : fail(k, ERR_RANGE, e, "constant outside its type");
}

/* One node, its kids known good. */
static bool node(struct check *k, const struct expr *e)
{
    int arity = op_info[e->op].arity;
    if (arity != OP_VARIES && e->nkid != arity) return bad_type(k, e, "wrong number of operands");
    if (e->type.dt >= DT_COUNT || e->type.lanes < 1) return bad_type(k, e, "no such type");
    if (e->type.lanes > 1 && !(k->flags & VERIFY_VECTORS))
        return bad_type(k, e, "a vector before vectorisation");
    switch ((enum op)e->op) {
    case OP_INT: case OP_FLT: case OP_VAR: return leaf(k, e);
    case OP_READ: return read(k, e);
    case OP_LOAD: return load(k, e);
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MOD: case OP_MIN: case OP_MAX: case OP_AND:
    case OP_OR: case OP_XOR: case OP_NOT: case OP_RINT: case OP_FMA:
        if ((e->op == OP_RINT || e->op == OP_FMA) && e->type.dt != DT_F32)
            return bad_type(k, e, "not defined on this type");
        return elementwise(k, e);
    case OP_SHL: case OP_SHR: return shift(k, e);
    case OP_EQ: case OP_NE: case OP_LT: case OP_LE: return comparison(k, e);
    case OP_SELECT: return select_types(k, e);
    case OP_CAST: case OP_SAT: return conversion(k, e);
    case OP_REDUCE: return fail(k, ERR_SYNTAX, e, "a reduction only stands at the root of a tensor's body");
    case OP_EXTERN: return call(k, e);
    case OP_RAMP: case OP_BCAST: return vector(k, e);
    case OP_COUNT: break;
    }
    return bad_type(k, e, "no such operation");
}

static bool expr(struct check *k, const struct expr *e, int depth)
{
    if (!e) return fail_at(k, ERR_SYNTAX, "an expression is missing");
    if (e->op >= OP_COUNT) return fail_at(k, ERR_TYPE, "no such operation");
    if (k->seen[e->id] == k->epoch) return true;
    if (depth > MAX_DEPTH) return fail_at(k, ERR_TOO_LARGE, "an expression deeper than %d", MAX_DEPTH);
    for_kids(e, i) if (!expr(k, e->kid[i], depth + 1)) return false;
    if (!node(k, e)) return false;
    k->seen[e->id] = k->epoch;
    return true;
}

/* ---- tensor programs ---- */

static bool reduction(struct check *k, const struct expr *e)
{
    struct bound b[QJ_MAX_PHYS + 1];
    const struct bound *outer = k->scope;
    bool fma = e->val.i == RED_FMA;
    if (e->val.i < 0 || e->val.i >= RED_COUNT || e->nkid < 2 || e->nkid > QJ_MAX_PHYS + 1)
        return bad_type(k, e, "not a reduction over axes");
    for (int i = 1; i < e->nkid; i++) {
        if (e->kid[i]->op != OP_VAR || e->kid[i]->val.var->extent <= 0)
            return bad_type(k, e, "reduces over an axis of known extent");
        if (find_var(k, e->kid[i]->val.var))
            return bad_type(k, e, "reduces over an axis twice, or over one of the tensor's");
        b[i] = (struct bound){.var = e->kid[i]->val.var, .how = -1, .next = k->scope};
        k->scope = &b[i];
    }
    if (!expr(k, e->kid[0], 0)) return false;
    k->scope = outer;
    k->epoch++;
    if (e->kid[0]->type.dt == DT_BOOL || !type_eq(e->kid[0]->type, e->type))
        return bad_type(k, e, "not of its body's type");
    if (fma && (e->type.dt != DT_F32 || e->kid[0]->op != OP_MUL))
        return bad_type(k, e, "fmasum is over an f32 product");
    return true;
}

static bool shape(struct check *k, const char *name, int ndim, int max, const int64_t *extent)
{
    int64_t n = 1;
    if (ndim < 0 || ndim > max) return fail_at(k, ERR_TOO_LARGE, "%s has rank %d", name, ndim);
    for (int i = 0; i < ndim; i++)
        if (extent[i] <= 0 || !ck_mul(n, extent[i], &n) || n > (int64_t)1 << 47)
            return fail_at(k, ERR_TOO_LARGE, "%s: dimension %d of %lld elements", name, i,
                           (long long)extent[i]);
    return true;
}

static bool element_range(struct check *k, const char *name, enum dtype d, struct range r)
{
    struct range t = dtype_range(d);
    if (d == DT_F32 || (r.lo >= t.lo && r.hi <= t.hi && r.lo <= r.hi)) return true;
    return fail_at(k, ERR_RANGE, "%s: range %lld..%lld does not fit %s", name, (long long)r.lo,
                   (long long)r.hi, dtype_info[d].name);
}

static bool tensor(struct check *k, const struct tensor *t)
{
    struct bound b[QJ_MAX_RANK];
    if (!shape(k, t->name, t->ndim, QJ_MAX_RANK, t->shape) || !element_range(k, t->name, t->dt, t->range))
        return false;
    if (t->kind == TENSOR_OPERAND) return fail_at(k, ERR_SYNTAX, "%s stands for an operand", t->name);
    if (t->kind != TENSOR_COMPUTE) return true;
    k->scope = NULL;
    k->epoch++;
    for (int i = 0; i < t->ndim; i++) {
        if (!t->axis[i] || t->axis[i]->extent != t->shape[i] || find_var(k, t->axis[i]))
            return fail_at(k, ERR_SHAPE, "%s: axis %d does not run over dimension %d", t->name, i, i);
        b[i] = (struct bound){.var = t->axis[i], .how = -1, .next = k->scope};
        k->scope = &b[i];
    }
    if (!t->body) return fail_at(k, ERR_SYNTAX, "%s has no body", t->name);
    if (t->body->op == OP_REDUCE ? !reduction(k, t->body) : !expr(k, t->body, 0)) return false;
    if (!is_scalar(t->body, t->dt)) return bad_type(k, t->body, "not of its tensor's type");
    return true;
}

static struct check check_on(struct ir_ctx *c)
{
    return (struct check){.c = c, .seen = ARENA_ARRAY(&c->arena, uint32_t, c->nexpr + 1), .epoch = 1};
}

bool verify_program(struct ir_ctx *c, const struct program *p)
{
    struct arena_mark mark = arena_mark(&c->arena);
    struct check k = check_on(c);
    bool ok = true;
    k.program = p;
    for (int i = 0; i < p->ntensor && ok; i++) {
        k.before = i;
        ok = tensor(&k, p->tensor[i]);
        for (int j = 0; j < i && ok; j++)
            if (p->tensor[j] == p->tensor[i])
                ok = fail_at(&k, ERR_REDEFINED, "%s is there twice", p->tensor[i]->name);
    }
    arena_reset(&c->arena, mark);
    return ok;
}

/* ---- loop nests ---- */

static bool stmt(struct check *k, const struct stmt *s, int depth);

/* Checks a statement with one thing more bound around it. */
static bool inside(struct check *k, struct bound b, const struct stmt *body, int depth)
{
    b.next = k->scope;
    k->scope = &b;
    bool ok = stmt(k, body, depth + 1);
    k->scope = b.next;
    k->epoch++;
    return ok;
}

static bool loop(struct check *k, const struct stmt *s, int depth)
{
    const struct var *v = s->u.loop.var;
    enum loop_kind how = s->u.loop.how;
    if (!v || v->extent <= 0) return fail_at(k, ERR_RANGE, "loop %s has no extent", v ? v->name : "?");
    if (how >= LOOP_KINDS) return fail_at(k, ERR_SYNTAX, "loop %s is of no kind", v->name);
    if (find_var(k, v)) return fail_at(k, ERR_SYNTAX, "loop %s is inside itself", v->name);
    if ((k->flags & VERIFY_VECTORS && how == LOOP_VECTORIZED) ||
        (k->flags & VERIFY_NO_UNROLL && how == LOOP_UNROLLED))
        return fail_at(k, ERR_SYNTAX, "loop %s is still %s", v->name, loop_kind_name[how]);
    for (const struct bound *b = k->scope; b; b = b->next) /* within a thread's loop, that thread's part of another */
        if (how >= LOOP_BLOCK_X && how <= LOOP_THREAD_Z && b->how == (int)how &&
            (how < LOOP_THREAD_X || v->extent > b->var->extent))
            return fail_at(k, ERR_SYNTAX, "loops %s and %s are both bound to %s", b->var->name, v->name,
                           loop_kind_name[how]);
    return inside(k, (struct bound){.var = v, .how = (int)how}, s->u.loop.body, depth);
}

static bool store(struct check *k, const struct stmt *s)
{
    const struct buffer *b = s->u.store.buffer;
    const struct expr *v = s->u.store.value, *mask = s->u.store.mask;
    const struct bound *at = find_buffer(k, b);
    int want = indices_of(k, b, s->u.store.nidx), wide = 0;
    if (!at) return fail_at(k, ERR_SYNTAX, "buffer %s is not allocated here", b->name);
    if (!at->writable) return fail_at(k, ERR_SYNTAX, "argument %s is not written by this function", b->name);
    if (!expr(k, v, 0)) return false;
    if (v->type.dt != b->dt) return bad_type(k, v, "not the buffer's type");
    if (s->u.store.nidx != want)
        return fail_at(k, ERR_TYPE, "%d indices, %s has %d", s->u.store.nidx, b->name, want);
    for (int i = 0; i < want; i++) {
        const struct expr *x = s->u.store.idx[i];
        if (!expr(k, x, 0)) return false;
        if (x->type.dt != DT_I64 || (x->type.lanes != 1 && x->type.lanes != v->type.lanes))
            return bad_type(k, x, "an index is i64, a scalar or of the value's lanes");
        wide += x->type.lanes > 1;
    }
    if (v->type.lanes > 1 && !wide) return bad_type(k, v, "all lanes are stored to one place");
    if (!mask) return true;
    if (!expr(k, mask, 0)) return false;
    if (type_eq(mask->type, type_vec(DT_BOOL, v->type.lanes))) return true;
    return bad_type(k, mask, "a mask is bool with the value's lanes");
}

static bool intrin(struct check *k, const struct stmt *s)
{
    const struct meaning *m = s->u.intrin.meaning;
    if (!m) {
        k->at = NULL; /* no text without one */
        return fail_at(k, ERR_INTRIN, "an instruction without a meaning");
    }
    for (int i = 0; i < m->nop; i++) {
        const struct expr *a = s->u.intrin.arg[i];
        if (!expr(k, a, 0)) return false;
        if (a->op != OP_LOAD || a->type.lanes != 1)
            return bad_type(k, a, "an operand is the address of an element");
        if (a->type.dt != m->op[i]->dt)
            return fail_at(k, ERR_TYPE, "`%s`: operand %d of %s is %s", text_of(k, a), i, m->name,
                           dtype_info[m->op[i]->dt].name);
        if (i == 0 && a->val.buffer->async)
            return fail_at(k, ERR_SYNTAX, "%s is async, so it is copied to, not computed", a->val.buffer->name);
        if (i == 0 && !find_buffer(k, a->val.buffer)->writable)
            return fail_at(k, ERR_SYNTAX, "argument %s is not written by this function", a->val.buffer->name);
    }
    for (int i = m->nop; i < meaning_nargs(m); i++) {
        const struct expr *a = s->u.intrin.arg[i];
        bool lane = m->nlane && i == m->nop;
        if (!expr(k, a, 0)) return false;
        if (!type_eq(a->type, type_of(DT_I64)) || (!lane && a->op != OP_INT))
            return bad_type(k, a, lane ? "a lane's number is an i64" : "a pitch is a number");
    }
    return true;
}

static bool combine(struct check *k, const struct stmt *s)
{
    const struct expr *at = s->u.combine.at;
    enum combiner by = s->u.combine.k;
    if (!expr(k, at, 0)) return false;
    if (at->op != OP_LOAD || at->type.lanes != 1 || at->val.buffer->scope != SCOPE_LOCAL)
        return bad_type(k, at, "threads combine an element of local memory");
    if (at->type.dt == DT_F32 || (by != RED_SUM && by != RED_MIN && by != RED_MAX))
        return bad_type(k, at, "threads combine integers, in any order");
    if (s->u.combine.axis < LOOP_THREAD_X || s->u.combine.axis > LOOP_THREAD_Z || s->u.combine.width < 2)
        return fail_at(k, ERR_SYNTAX, "%d threads along %s cannot combine", s->u.combine.width,
                       loop_kind_name[s->u.combine.axis]);
    return true;
}

static bool buffer(struct check *k, const struct buffer *b)
{
    if (find_buffer(k, b)) return fail_at(k, ERR_SYNTAX, "buffer %s is allocated inside itself", b->name);
    for (int d = 0; d < b->ndim; d++)
        if (b->gap[d] < 0 || (b->gap[d] && (d == b->ndim - 1 || b->scope == SCOPE_ARG)))
            return fail_at(k, ERR_SYNTAX, "%s: a gap of %lld elements after dimension %d", b->name, (long long)b->gap[d], d);
    return shape(k, b->name, b->ndim, QJ_MAX_PHYS, b->shape) && element_range(k, b->name, b->dt, b->range);
}

static bool stmt(struct check *k, const struct stmt *s, int depth)
{
    if (!s) return fail_at(k, ERR_SYNTAX, "a statement is missing");
    if (depth > MAX_DEPTH) return fail_at(k, ERR_TOO_LARGE, "statements nested deeper than %d", MAX_DEPTH);
    k->at = s;
    switch (s->kind) {
    case STMT_FOR: return loop(k, s, depth);
    case STMT_STORE: return store(k, s);
    case STMT_IF:
        if (!expr(k, s->u.cond.cond, 0)) return false;
        if (!is_scalar(s->u.cond.cond, DT_BOOL))
            return bad_type(k, s->u.cond.cond, "a condition is one bool");
        return stmt(k, s->u.cond.then, depth + 1);
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n; i++)
            if (!stmt(k, s->u.seq.at[i], depth + 1)) return false;
        return true;
    case STMT_ALLOC: {
        const struct buffer *b = s->u.alloc.buffer;
        if (b->scope >= SCOPE_ARG) return fail_at(k, ERR_SYNTAX, "%s is allocated as an argument", b->name);
        if (b->async && b->scope != SCOPE_SHARED) return fail_at(k, ERR_SYNTAX, "%s is async, but not in shared memory", b->name);
        return buffer(k, b) &&
               inside(k, (struct bound){.buffer = b, .writable = true, .how = -1}, s->u.alloc.body, depth);
    }
    case STMT_INTRIN: return intrin(k, s);
    case STMT_SYNC: return true;
    case STMT_COMBINE: return combine(k, s);
    }
    return fail_at(k, ERR_SYNTAX, "no such statement");
}

bool verify_func(struct ir_ctx *c, const struct func *f, unsigned flags)
{
    struct arena_mark mark = arena_mark(&c->arena);
    struct check k = check_on(c);
    struct bound *arg = ARENA_ARRAY(&c->arena, struct bound, f->narg ? f->narg : 1);
    bool ok = true;
    k.flags = flags;
    for (int i = 0; i < f->narg && ok; i++) {
        const struct buffer *b = f->arg[i];
        ok = b->scope == SCOPE_ARG
                 ? buffer(&k, b)
                 : fail_at(&k, ERR_SYNTAX, "argument %s is %s", b->name, scope_name[b->scope]);
        arg[i] = (struct bound){.buffer = b, .writable = b->written, .how = -1, .next = k.scope};
        k.scope = &arg[i];
    }
    ok = ok && stmt(&k, f->body, 0);
    arena_reset(&c->arena, mark);
    return ok;
}
