/* SPDX-License-Identifier: Apache-2.0 */
/* print.c - text of expressions, tensors and loop nests, which ir/parse*.c read back. Contract in print.h.
 *
 * Two things are decided here so that text does not depend on the history of a context:
 *  - names: inside a nest or definition an inner name that hides an outer one, or a word of the language,
 *    gets a suffix (k, k_1). What is not bound in what is printed goes by its own name.
 *  - order: the operands of a commutative integer operation are printed outermost variable first (by its
 *    place in the text, not its age), numbers last. The constructor puts them back in the node's order.
 * Integers are printed bare where their neighbour tells the type, else as i32(5). */
#include "ir/print.h"

#include "ir/layout.h"
#include "ir/meaning.h"
#include "ir/parse_impl.h"
#include "ir/values.h"

/* ---- names ---- */

struct named {
    const void *obj;        /* a var or a buffer */
    const char *name;
    int64_t rank;           /* outermost 0 */
    const struct named *up;
};
struct pr {
    struct str *s;
    const struct named *top;    /* innermost */
};

static bool is_taken(const struct pr *p, const char *name, bool buffer)
{
    if (buffer ? parse_is_reserved(name) : !strcmp(name, "inf") || !strcmp(name, "nan")) return true;
    for (const struct named *n = p->top; n; n = n->up)
        if (!strcmp(n->name, name)) return true;
    return false;
}

static void bind(struct pr *p, struct named *n, const void *obj, const char *wish, bool buffer)
{
    const char *name = wish;
    for (int k = 1; is_taken(p, name, buffer); k++) name = arena_printf(p->s->arena, "%s_%d", wish, k);
    *n = (struct named){obj, name, p->top ? p->top->rank + 1 : 0, p->top};
    p->top = n;
}

static const struct named *bound(const struct pr *p, const void *obj)
{
    const struct named *n = p->top;
    while (n && n->obj != obj) n = n->up;
    return n;
}

static const char *name_of(const struct pr *p, const void *obj, const char *own)
{
    const struct named *n = bound(p, obj);
    return n ? n->name : own;
}

enum { UNBOUND = 1 << 20 };
static int64_t rank_of(const struct pr *p, const void *obj, uint32_t uid)
{
    const struct named *n = bound(p, obj);
    return n ? n->rank : (int64_t)UNBOUND + uid;
}

/* ---- order of commuting operands ---- */

static bool is_lit(const struct expr *e) { return e->op == OP_INT || (e->op == OP_BCAST && e->kid[0]->op == OP_INT); }

/* Its rank; -1: none. */
static int64_t outermost_var(const struct pr *p, const struct expr *e)
{
    if (e->op == OP_VAR) return rank_of(p, e->val.var, e->val.var->uid);
    int64_t least = -1;
    for_kids(e, i) {
        int64_t v = outermost_var(p, e->kid[i]);
        if (least < 0 || (v >= 0 && v < least)) least = v;
    }
    return least;
}

static int compare(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int64_t leaf_rank(const struct pr *p, const struct expr *e)
{
    if (e->op == OP_VAR) return rank_of(p, e->val.var, e->val.var->uid);
    if (e->op == OP_LOAD) return rank_of(p, e->val.buffer, e->val.buffer->uid);
    if (e->op == OP_EXTERN) return e->val.ext->uid;
    return e->op == OP_READ ? (int64_t)e->val.tensor->uid : e->val.i;
}

static void operands(const struct pr *p, const struct expr *e, const struct expr **kid);

/* By structure and rank alone, never by id. */
static int order(const struct pr *p, const struct expr *a, const struct expr *b)
{
    const struct expr *ka[QJ_MAX_PHYS + 8], *kb[QJ_MAX_PHYS + 8];
    if (a == b) return 0;
    int o = compare(outermost_var(p, a), outermost_var(p, b));
    if (!o) o = compare(a->op, b->op);
    if (!o) o = compare(leaf_rank(p, a), leaf_rank(p, b));
    if (!o) o = compare(a->type.dt, b->type.dt);
    if (!o) o = compare(a->type.lanes, b->type.lanes);
    if (!o) o = compare(a->nkid, b->nkid);
    if (o) return o;
    operands(p, a, ka);
    operands(p, b, kb);
    for (int i = 0; i < a->nkid && !o; i++) o = order(p, ka[i], kb[i]);
    return o;
}

static int precedence(int op)
{
    const struct infix *o = parse_infix;
    while (o->text && (int)o->op != op) o++;
    return o->prec;
}

/* Are both operators of one precedence? Behind the other operator each of a row would be one bracket deeper. */
static bool chains(const struct expr *e, int op) { return precedence(op) && precedence(op) == precedence((int)e->op); }

static void operands(const struct pr *p, const struct expr *e, const struct expr **kid)
{
    for_kids(e, i) kid[i] = e->kid[i];
    if (!(op_info[e->op].flags & OPF_COMM) || kid[0]->type.dt == DT_F32) return;
    int o = compare(is_lit(kid[0]), is_lit(kid[1]));               /* a number comes last */
    if (!o) o = compare(chains(kid[1], e->op), chains(kid[0], e->op)); /* a + b first, that needs no brackets there */
    if (o < 0 || (!o && order(p, kid[0], kid[1]) <= 0)) return;
    kid[0] = e->kid[1];
    kid[1] = e->kid[0];
}

/* ---- expressions ---- */

/* `above`: operators that bind no tighter get brackets. typed: the place tells an integer's type. */
static void put(struct pr *p, const struct expr *e, int above, bool typed);

void print_type(struct str *s, struct type t)
{
    str_put(s, dtype_info[t.dt].name);
    if (t.lanes > 1) str_printf(s, "x%d", t.lanes);
}

static void put_int(struct pr *p, const struct expr *e, bool typed)
{
    const char *fmt = typed || e->type.dt == DT_I64 ? "%s%lld" : "%s(%lld)";
    str_printf(p->s, fmt, fmt[2] == '(' ? dtype_info[e->type.dt].name : "", (long long)e->val.i);
}

/* Operands of one type: integers among them are bare when another operand tells the type. */
static bool tells_type(int n, const struct expr *const *kid)
{
    for (int i = 0; i < n; i++)
        if (!is_lit(kid[i])) return true;
    return false;
}

static void put_operand(struct pr *p, const struct expr *e, int above, bool typed)
{
    if (typed && e->op == OP_BCAST && is_lit(e)) e = e->kid[0]; /* spread again by the constructor */
    put(p, e, above, typed);
}

static void put_list(struct pr *p, int n, const struct expr *const *kid)
{
    bool typed = tells_type(n, kid);
    for (int i = 0; i < n; i++) {
        if (i) str_put(p->s, ", ");
        put_operand(p, kid[i], PREC_NONE, typed);
    }
}

static void put_call(struct pr *p, const char *name, int n, const struct expr *const *kid)
{
    str_printf(p->s, "%s(", name);
    put_list(p, n, kid);
    str_putc(p->s, ')');
}

static void put_index(struct pr *p, const char *name, int n, const struct expr *const *idx)
{
    bool vector = false; /* a load spreads its scalar indices */
    for (int i = 0; i < n; i++) vector |= idx[i]->type.lanes > 1 && idx[i]->op != OP_BCAST;
    str_printf(p->s, "%s[", name);
    for (int i = 0; i < n; i++) {
        if (i) str_put(p->s, ", ");
        put(p, vector && idx[i]->op == OP_BCAST ? idx[i]->kid[0] : idx[i], PREC_NONE, true);
    }
    str_putc(p->s, ']');
}

static void put_axis(struct pr *p, const struct var *v)
{
    str_put(p->s, name_of(p, v, v->name));
    if (v->extent > 0) str_printf(p->s, ":%lld", (long long)v->extent);
}

static void put_reduce(struct pr *p, const struct expr *e, bool typed)
{
    str_printf(p->s, "%s(", combiner_name[e->val.i]);
    for (int i = 1; i < e->nkid; i++) {
        if (i > 1) str_put(p->s, ", ");
        put_axis(p, e->kid[i]->val.var);
    }
    str_put(p->s, ") ");
    put(p, e->kid[0], PREC_NONE, typed);
}

static bool put_infix(struct pr *p, const struct expr *e, int above)
{
    const struct infix *o = parse_infix;
    while (o->text && o->op != (enum op)e->op) o++;
    if (!o->text) return false;
    const struct expr *kid[2];
    operands(p, e, kid);
    bool typed = tells_type(2, kid);
    if (o->prec <= above) str_putc(p->s, '(');
    put_operand(p, kid[0], o->prec - 1, typed);
    str_printf(p->s, " %s ", o->text);
    put_operand(p, kid[1], o->prec, typed);
    if (o->prec <= above) str_putc(p->s, ')');
    return true;
}

static void put(struct pr *p, const struct expr *e, int above, bool typed)
{
    const struct expr *kid[QJ_MAX_PHYS + 8];
    if (put_infix(p, e, above)) return;
    switch ((int)e->op) {
    case OP_INT: put_int(p, e, typed); break;
    case OP_FLT: str_f32(p->s, (float)e->val.f); break;
    case OP_VAR: str_put(p->s, name_of(p, e->val.var, e->val.var->name)); break;
    case OP_READ: put_index(p, e->val.tensor->name, e->nkid, e->kid); break;
    case OP_LOAD: put_index(p, name_of(p, e->val.buffer, e->val.buffer->name), e->nkid, e->kid); break;
    case OP_REDUCE: put_reduce(p, e, typed); break;
    case OP_NOT:
        str_putc(p->s, '!');
        put(p, e->kid[0], PREC_UNARY, false);
        break;
    case OP_CAST: put_call(p, dtype_info[e->type.dt].name, 1, e->kid); break;
    case OP_SAT:
        str_put(p->s, "sat_");
        put_call(p, dtype_info[e->type.dt].name, 1, e->kid);
        break;
    case OP_SELECT:
        str_put(p->s, "select(");
        put(p, e->kid[0], PREC_NONE, false);
        str_put(p->s, ", ");
        put_list(p, 2, e->kid + 1);
        str_putc(p->s, ')');
        break;
    case OP_EXTERN:
        str_printf(p->s, "%s(", e->val.ext->name);
        for_kids(e, i) {
            if (i) str_put(p->s, ", ");
            put_operand(p, e->kid[i], PREC_NONE, true);
        }
        str_putc(p->s, ')');
        break;
    case OP_RAMP: case OP_BCAST:
        str_printf(p->s, "%s(", op_info[e->op].spelling);
        for_kids(e, i) {
            put(p, e->kid[i], PREC_NONE, e->op == OP_BCAST ? typed : tells_type(e->nkid, e->kid));
            str_put(p->s, ", ");
        }
        str_printf(p->s, "%d)", e->type.lanes);
        break;
    default: /* min, max, rint, fma */
        operands(p, e, kid);
        put_call(p, op_info[e->op].spelling, e->nkid, kid);
    }
}

void print_expr(struct str *s, const struct expr *e)
{
    struct pr p = {s, NULL};
    put(&p, e, PREC_NONE, false);
}

const char *expr_text(struct arena *a, const struct expr *e)
{
    struct str s = str_on(a);
    print_expr(&s, e);
    return str_text(&s);
}

/* ---- tensors ---- */

static void put_range(struct str *s, struct range r)
{
    str_printf(s, " in %lld..%lld", (long long)r.lo, (long long)r.hi);
}

static void put_compute(struct pr *p, const struct tensor *t)
{
    struct named n[PARSE_MAX_AXES];
    int k = 0;
    str_printf(p->s, "%s[", t->name);
    for (int i = 0; i < t->ndim; i++) {
        bind(p, &n[k++], t->axis[i], t->axis[i]->name, false);
        if (i) str_put(p->s, ", ");
        put_axis(p, t->axis[i]);
    }
    str_printf(p->s, "] : %s", dtype_info[t->dt].name);
    if (t->range_declared) put_range(p->s, t->range);
    str_put(p->s, " = ");
    for (int i = 1; t->body->op == OP_REDUCE && i < t->body->nkid; i++)
        bind(p, &n[k++], t->body->kid[i]->val.var, t->body->kid[i]->val.var->name, false);
    put(p, t->body, PREC_NONE, true);
}

void print_tensor(struct str *s, const struct tensor *t)
{
    struct pr p = {s, NULL};
    if (t->kind == TENSOR_COMPUTE) {
        put_compute(&p, t);
        return;
    }
    str_printf(s, "%s %s[", t->kind == TENSOR_OPERAND ? "operand" : t->keyword, t->name);
    for (int i = 0; i < t->ndim; i++) {
        if (i) str_put(s, ", ");
        if (strcmp(arena_printf(s->arena, "d%d", i), t->dim_name[i])) str_printf(s, "%s:", t->dim_name[i]);
        str_printf(s, "%lld", (long long)t->shape[i]);
    }
    str_printf(s, "] : %s", dtype_info[t->dt].name);
    if (t->range_declared) put_range(s, t->values ? t->declared : t->range);
    if (t->layout) str_printf(s, " layout %s", t->layout->text);
}

void print_extern(struct str *s, const struct ext *f)
{
    str_printf(s, "extern %s(", f->name);
    for (int i = 0; i < f->narg; i++) str_printf(s, "%s%s", i ? ", " : "", dtype_info[f->arg[i]].name);
    str_printf(s, ") : %s", dtype_info[f->result].name);
}

static void put_externs(struct str *s, const struct ext_list *l, size_t from)
{
    for (size_t i = from; i < l->n; i++) {
        print_extern(s, l->at[i]);
        str_putc(s, '\n');
    }
}

void print_program(struct str *s, const struct program *p)
{
    struct ext_list used = {0};
    for (int i = 0; i < p->ntensor; i++) {
        size_t before = used.n;
        if (p->tensor[i]->body) ir_externs(s->arena, p->tensor[i]->body, &used);
        put_externs(s, &used, before);
        print_tensor(s, p->tensor[i]);
        if (p->tensor[i]->values) print_values(s, p->tensor[i]);
        str_putc(s, '\n');
    }
}

/* ---- loop nests ---- */

static void put_buffer(struct str *s, const struct buffer *b, const char *name)
{
    struct range all = dtype_range(b->dt);
    str_printf(s, "%s%s %s[", b->async ? "async " : "", b->scope == SCOPE_ARG && b->written ? "out" : scope_name[b->scope], name);
    for (int i = 0; i < b->ndim; i++) {
        str_printf(s, "%s%lld", i ? ", " : "", (long long)b->shape[i]);
        if (b->gap[i]) str_printf(s, " gap %lld", (long long)b->gap[i]);
    }
    str_printf(s, "] : %s", dtype_info[b->dt].name);
    if (b->range.lo != all.lo || b->range.hi != all.hi) put_range(s, b->range);
}

void print_buffer(struct str *s, const struct buffer *b) { put_buffer(s, b, b->name); }

static void put_stmt(struct pr *p, const struct stmt *st, int depth);

/* " {", the body a level deeper, "}" */
static void put_block(struct pr *p, const struct stmt *body, int depth)
{
    str_put(p->s, " {\n");
    put_stmt(p, body, depth + 1);
    str_indent(p->s, depth);
    str_put(p->s, "}\n");
}

static void put_store(struct pr *p, const struct stmt *st)
{
    const struct buffer *b = st->u.store.buffer;
    str_printf(p->s, "%s[", name_of(p, b, b->name));
    for (int i = 0; i < st->u.store.nidx; i++) {
        if (i) str_put(p->s, ", ");
        put(p, st->u.store.idx[i], PREC_NONE, true);
    }
    str_put(p->s, "] = ");
    put(p, st->u.store.value, PREC_NONE, true);
    if (st->u.store.mask) {
        str_put(p->s, " where ");
        put(p, st->u.store.mask, PREC_NONE, false);
    }
    str_putc(p->s, '\n');
}

static void put_stmt(struct pr *p, const struct stmt *st, int depth)
{
    const struct named *outer = p->top;
    struct named n;
    if (st->kind != STMT_SEQ) str_indent(p->s, depth);
    switch (st->kind) {
    case STMT_FOR: {
        const struct var *v = st->u.loop.var;
        bind(p, &n, v, v->name, false);
        str_printf(p->s, "%s %s in 0..%lld%s", st->u.loop.how == LOOP_SERIAL ? "for" : loop_kind_name[st->u.loop.how],
                   n.name, (long long)v->extent, st->u.loop.peel ? " peel" : "");
        put_block(p, st->u.loop.body, depth);
        break;
    }
    case STMT_STORE: put_store(p, st); break;
    case STMT_IF:
        str_put(p->s, "if (");
        put(p, st->u.cond.cond, PREC_NONE, false);
        str_putc(p->s, ')');
        put_block(p, st->u.cond.then, depth);
        break;
    case STMT_SEQ:
        for (int i = 0; i < st->u.seq.n; i++) put_stmt(p, st->u.seq.at[i], depth);
        break;
    case STMT_ALLOC:
        bind(p, &n, st->u.alloc.buffer, st->u.alloc.buffer->name, true);
        str_put(p->s, "alloc ");
        put_buffer(p->s, st->u.alloc.buffer, n.name);
        put_block(p, st->u.alloc.body, depth);
        break;
    case STMT_INTRIN:
        str_printf(p->s, "%s(", st->u.intrin.meaning->name);
        for (int i = 0; i < meaning_nargs(st->u.intrin.meaning); i++) {
            if (i) str_put(p->s, ", ");
            put(p, st->u.intrin.arg[i], PREC_NONE, false);
        }
        str_put(p->s, ")\n");
        break;
    case STMT_SYNC:
        if (st->u.sync.kind == SYNC_WAIT) str_printf(p->s, "wait %d\n", st->u.sync.keep);
        else str_put(p->s, st->u.sync.kind == SYNC_COMMIT ? "commit\n" : "sync\n");
        break;
    case STMT_COMBINE:
        str_printf(p->s, "%s(%s, %d) ", combiner_name[st->u.combine.k], loop_kind_name[st->u.combine.axis],
                   st->u.combine.width);
        put(p, st->u.combine.at, PREC_NONE, false);
        str_putc(p->s, '\n');
        break;
    }
    p->top = outer;
}

void print_stmt(struct str *s, const struct stmt *st, int depth)
{
    struct pr p = {s, NULL};
    put_stmt(&p, st, depth);
}

void print_func(struct str *s, const struct func *f)
{
    struct pr p = {s, NULL};
    struct named *n = ARENA_ARRAY(s->arena, struct named, f->narg ? f->narg : 1);
    struct ext_list used = {0};
    ir_externs_stmt(s->arena, f->body, &used);
    put_externs(s, &used, 0);
    str_printf(s, "func %s(", f->name);
    for (int i = 0; i < f->narg; i++) {
        bind(&p, &n[i], f->arg[i], f->arg[i]->name, true);
        if (i) str_put(s, ", ");
        put_buffer(s, f->arg[i], n[i].name);
    }
    str_putc(s, ')');
    put_block(&p, f->body, 0);
}
