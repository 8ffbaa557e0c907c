/* SPDX-License-Identifier: Apache-2.0 */
/* What is well formed passes; each rule broken alone is refused with its code and a message that says so.
 * The constructors do not make ill-typed nodes, so those are forged by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "ir/meaning.h"
#include "ir/verify.h"

struct world {
    struct ir_ctx c;
    const struct var *v, *u;            /* extents 8, 4 */
    const struct expr *x, *y;
    struct buffer *in, *out, *tmp;      /* u8[8], i32[8, 4] written, i32[8, 4] local */
    const struct expr *load, *val;      /* in[x], i32(in[x]) */
};

static int setup(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    struct ir_ctx *c = &w->c;
    int64_t one[1] = {8}, two[2] = {8, 4};
    ir_ctx_init(c, 0);
    w->v = ir_var(c, "v", 8);
    w->u = ir_var(c, "u", 4);
    w->x = ir_var_expr(c, w->v);
    w->y = ir_var_expr(c, w->u);
    w->in = ir_buffer(c, "In", DT_U8, SCOPE_ARG, 1, one);
    w->out = ir_buffer(c, "Out", DT_I32, SCOPE_ARG, 2, two);
    w->tmp = ir_buffer(c, "Tmp", DT_I32, SCOPE_LOCAL, 2, two);
    w->out->written = true;
    w->load = ir_load(c, w->in, 1, &w->x);
    w->val = ir_cast(c, DT_I32, w->load);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    ir_ctx_release(&w->c);
    test_free(w);
    return 0;
}

static bool verify(struct world *w, const struct stmt *body, unsigned flags)
{
    const struct buffer *arg[2] = {w->in, w->out};
    struct func f = {"f", 2, arg, body};
    return verify_func(&w->c, &f, flags);
}

/* The error just set is `code`, its message holds `part`; clears it. */
static void expect(struct world *w, enum err_code code, const char *part)
{
    assert_true(err_is(&w->c.err));
    if (w->c.err.first.code != code || !strstr(w->c.err.first.msg, part))
        fail_msg("%s (%s), not %s (%s)", w->c.err.first.msg, err_name(w->c.err.first.code), part,
                 err_name(code));
    err_clear(&w->c.err);
}

static void good(struct world *w, const struct stmt *body, unsigned flags)
{
    if (!verify(w, body, flags)) fail_msg("%s", w->c.err.first.msg);
}
static void bad(struct world *w, const struct stmt *body, unsigned flags, enum err_code code,
                const char *part)
{
    assert_false(verify(w, body, flags));
    expect(w, code, part);
}

static const struct stmt *loops(struct world *w, const struct stmt *body)
{
    return ir_for(&w->c, w->v, LOOP_SERIAL, ir_for(&w->c, w->u, LOOP_SERIAL, body));
}
static const struct stmt *put(struct world *w, const struct buffer *b, const struct expr *value)
{
    const struct expr *idx[2] = {w->x, w->y};
    return ir_store(&w->c, b, 2, idx, value, NULL);
}
/* The store of a value inside the loops that bind its variables. */
static const struct stmt *with(struct world *w, const struct expr *value)
{
    return loops(w, put(w, w->out, value));
}

/* A copy to be spoilt: a new node of the context that no table knows. */
static struct expr *forge(struct world *w, const struct expr *e)
{
    struct expr *f = arena_copy(&w->c.arena, e, sizeof *e + e->nkid * sizeof e->kid[0]);
    f->id = w->c.nexpr++;
    return f;
}

static void nests(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    good(w, with(w, w->val), 0);
    good(w, ir_seq(c, 0, NULL), 0);
    good(w, ir_alloc(c, w->tmp, loops(w, put(w, w->tmp, w->val))), 0);
    bad(w, put(w, w->out, w->val), 0, ERR_SYNTAX, "not bound");
    bad(w, ir_for(c, w->v, LOOP_SERIAL, put(w, w->out, w->val)), 0, ERR_SYNTAX, "`u`: variable is not bound");
    bad(w, ir_for(c, w->v, LOOP_SERIAL, with(w, w->val)), 0, ERR_SYNTAX, "inside itself");
    bad(w, loops(w, put(w, w->tmp, w->val)), 0, ERR_SYNTAX, "Tmp is not allocated here");
    bad(w, ir_alloc(c, w->tmp, ir_alloc(c, w->tmp, loops(w, put(w, w->tmp, w->val)))), 0, ERR_SYNTAX,
        "allocated inside itself");
    bad(w, ir_alloc(c, w->out, with(w, w->val)), 0, ERR_SYNTAX, "as an argument");
    const struct expr *b = ir_int(c, type_of(DT_U8), 1);
    bad(w, ir_for(c, w->v, LOOP_SERIAL, ir_store(c, w->in, 1, &w->x, b, NULL)), 0, ERR_SYNTAX,
        "In is not written");
    /* side by side is not nested; what was seen in one scope is not seen in the next */
    const struct stmt *twice[2] = {with(w, w->val), with(w, w->val)};
    good(w, ir_seq(c, 2, twice), 0);
    const struct stmt *outside[2] = {with(w, w->val), put(w, w->out, w->val)};
    bad(w, ir_seq(c, 2, outside), 0, ERR_SYNTAX, "not bound");
    const struct stmt *after[2] = {ir_alloc(c, w->tmp, loops(w, put(w, w->tmp, w->val))),
                                   loops(w, put(w, w->tmp, w->val))};
    bad(w, ir_seq(c, 2, after), 0, ERR_SYNTAX, "not allocated");
    w->out->shape[0] = 0;
    bad(w, with(w, w->val), 0, ERR_TOO_LARGE, "Out");
    w->out->shape[0] = 8;
    w->out->range.hi = INT64_MAX;
    bad(w, with(w, w->val), 0, ERR_RANGE, "Out");
}

static void loop_kinds(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    const struct stmt *s = put(w, w->out, w->val);
    const struct stmt *vec = ir_for(c, w->v, LOOP_SERIAL, ir_for(c, w->u, LOOP_VECTORIZED, s));
    good(w, vec, 0);
    bad(w, vec, VERIFY_VECTORS, ERR_SYNTAX, "still vectorized");
    const struct stmt *unr = ir_for(c, w->v, LOOP_UNROLLED, ir_for(c, w->u, LOOP_SERIAL, s));
    good(w, unr, VERIFY_VECTORS);
    bad(w, unr, VERIFY_NO_UNROLL, ERR_SYNTAX, "still unrolled");
    bad(w, ir_for(c, w->v, LOOP_BLOCK_X, ir_for(c, w->u, LOOP_BLOCK_X, s)), 0, ERR_SYNTAX, "both bound to blockIdx.x");
    const struct var *more = ir_var(c, "more", w->v->extent + 1); /* than there are threads around it */
    bad(w, ir_for(c, w->v, LOOP_THREAD_X, ir_for(c, more, LOOP_THREAD_X, s)), 0, ERR_SYNTAX, "both bound to threadIdx.x");
    good(w, ir_for(c, w->v, LOOP_THREAD_X, ir_for(c, w->u, LOOP_THREAD_X, s)), 0);
    good(w, ir_for(c, w->v, LOOP_THREAD_X, ir_for(c, w->u, LOOP_THREAD_Y, s)), 0);
}

static void node_types(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    const struct expr *one = ir_int(c, type_of(DT_I32), 1), *half = ir_flt(c, type_of(DT_F32), 0.5f);
    const struct expr *sum = ir_add(c, w->val, one), *less = ir_lt(c, w->val, one);
    struct expr *f = forge(w, sum);
    f->kid[0] = w->load;
    bad(w, with(w, f), 0, ERR_TYPE, "operands of another type");
    f = forge(w, sum);
    f->op = OP_RINT;
    bad(w, with(w, f), 0, ERR_TYPE, "number of operands");
    f = forge(w, sum);
    f->op = OP_FMA;
    f->nkid = 2;
    bad(w, with(w, f), 0, ERR_TYPE, "number of operands");
    f = forge(w, ir_mul(c, ir_cast(c, DT_F32, w->val), half));
    f->op = OP_MOD;
    bad(w, with(w, ir_cast(c, DT_I32, f)), 0, ERR_TYPE, "not defined on this type");
    f = forge(w, less);
    f->type = type_of(DT_I32);
    bad(w, with(w, f), 0, ERR_TYPE, "a comparison gives bool");
    f = forge(w, less);
    f->kid[1] = w->load;
    bad(w, with(w, ir_cast(c, DT_I32, f)), 0, ERR_TYPE, "compares two types");
    f = forge(w, ir_select(c, less, w->val, one));
    f->kid[0] = w->val;
    bad(w, with(w, f), 0, ERR_TYPE, "condition");
    f = forge(w, ir_select(c, less, w->val, one));
    f->kid[2] = w->load;
    bad(w, with(w, f), 0, ERR_TYPE, "arms");
    f = forge(w, w->load);
    f->type = type_of(DT_I8);
    bad(w, with(w, ir_cast(c, DT_I32, f)), 0, ERR_TYPE, "not the buffer's type");
    f = forge(w, w->load);
    f->kid[0] = ir_int(c, type_of(DT_I32), 0);
    bad(w, with(w, ir_cast(c, DT_I32, f)), 0, ERR_TYPE, "an index is i64");
    f = forge(w, one);
    f->val.i = (int64_t)1 << 40;
    bad(w, with(w, f), 0, ERR_RANGE, "outside its type");
    f = forge(w, ir_sat(c, DT_I8, w->val));
    f->type = type_of(DT_BOOL);
    bad(w, with(w, ir_cast(c, DT_I32, f)), 0, ERR_TYPE, "saturates");
    f = forge(w, sum);
    f->op = OP_COUNT;
    bad(w, with(w, f), 0, ERR_TYPE, "no such operation");
    const struct expr *shl = ir_bin(c, OP_SHL, w->val, ir_int(c, type_of(DT_I32), 31));
    good(w, with(w, shl), 0);
    bad(w, with(w, ir_bin(c, OP_SHL, w->val, ir_int(c, type_of(DT_I32), 32))), 0, ERR_RANGE, "shift amount");
    bad(w, with(w, ir_bin(c, OP_SHR, w->val, ir_int(c, type_of(DT_I32), -1))), 0, ERR_RANGE, "shift amount");
    bad(w, with(w, ir_reduce(c, RED_SUM, w->val, 1, &w->y)), 0, ERR_SYNTAX,
        "reduction only stands at the root");
    struct tensor *t = ir_tensor(c, "T", TENSOR_INPUT, DT_I32, 0, NULL);
    bad(w, with(w, ir_read(c, t, NULL)), 0, ERR_SYNTAX, "reads a tensor in a loop nest");
}

static void stores(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    const struct expr *idx[2] = {w->x, w->y}, *cond = ir_lt(c, w->x, w->y);
    good(w, loops(w, ir_store(c, w->out, 2, idx, w->val, cond)), 0);
    bad(w, loops(w, ir_store(c, w->out, 2, idx, w->val, w->x)), 0, ERR_TYPE, "a mask is bool");
    bad(w, loops(w, ir_store(c, w->out, 1, idx, w->val, NULL)), 0, ERR_TYPE, "1 indices, Out has 2");
    bad(w, loops(w, ir_store(c, w->out, 2, idx, w->val, NULL)), VERIFY_FLAT, ERR_TYPE,
        "2 indices, Out has 1");
    good(w, loops(w, ir_store(c, w->out, 1, idx, w->val, NULL)), VERIFY_FLAT);
    idx[1] = w->val;
    bad(w, loops(w, ir_store(c, w->out, 2, idx, w->val, NULL)), 0, ERR_TYPE, "an index is i64");
    struct stmt *s = arena_copy(&c->arena, put(w, w->out, w->val), sizeof *s);
    s->u.store.value = w->load;
    bad(w, loops(w, s), 0, ERR_TYPE, "not the buffer's type");
    struct stmt *i = arena_copy(&c->arena, ir_if(c, cond, put(w, w->out, w->val)), sizeof *i);
    good(w, loops(w, i), 0);
    i->u.cond.cond = w->x;
    bad(w, loops(w, i), 0, ERR_TYPE, "a condition is one bool");
}

static void vectors(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    const struct expr *lane = ir_ramp(c, ir_idx(c, 0), ir_idx(c, 1), 4), *idx[2] = {w->x, lane};
    const struct expr *val = ir_bcast(c, w->val, 4), *mask = ir_lt(c, lane, ir_bcast(c, w->x, 4));
    const struct stmt *s = ir_for(c, w->v, LOOP_SERIAL, ir_store(c, w->out, 2, idx, val, mask));
    good(w, s, VERIFY_VECTORS);
    bad(w, s, 0, ERR_TYPE, "a vector before vectorisation");
    idx[1] = w->x;
    s = ir_for(c, w->v, LOOP_SERIAL, ir_store(c, w->out, 2, idx, val, mask));
    bad(w, s, VERIFY_VECTORS, ERR_TYPE, "all lanes are stored to one place");
    idx[1] = lane;
    const struct expr *flag = ir_lt(c, w->x, ir_idx(c, 3));
    s = ir_for(c, w->v, LOOP_SERIAL, ir_store(c, w->out, 2, idx, val, flag));
    bad(w, s, VERIFY_VECTORS, ERR_TYPE, "a mask is bool with the value's lanes");
    struct expr *f = forge(w, val);
    f->kid[0] = w->x;
    s = ir_for(c, w->v, LOOP_SERIAL, ir_store(c, w->out, 2, idx, f, NULL));
    bad(w, s, VERIFY_VECTORS, ERR_TYPE, "not made of scalars of its type");
    const struct expr *eight = ir_ramp(c, ir_idx(c, 0), ir_idx(c, 1), 8);
    idx[1] = eight;
    s = ir_for(c, w->v, LOOP_SERIAL, ir_store(c, w->out, 2, idx, val, NULL));
    bad(w, s, VERIFY_VECTORS, ERR_TYPE, "of the value's lanes");
}

static void instructions(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    const struct meaning *m =
        meaning_parse(c, "dot", "C: i32[4], A: u8[4]", "C[i] += i32(A[k])", (struct span){0});
    if (!m) fail_msg("%s", c->err.first.msg);
    const struct expr *idx[2] = {w->x, ir_idx(c, 0)}, *to = ir_load(c, w->out, 2, idx),
                      *ok[2] = {to, w->load};
    good(w, ir_for(c, w->v, LOOP_SERIAL, ir_intrin(c, m, ok)), 0);
    const struct expr *type[2] = {to, to};
    bad(w, ir_for(c, w->v, LOOP_SERIAL, ir_intrin(c, m, type)), 0, ERR_TYPE, "operand 1 of dot is u8");
    const struct expr *value[2] = {to, ir_int(c, type_of(DT_U8), 3)};
    bad(w, ir_for(c, w->v, LOOP_SERIAL, ir_intrin(c, m, value)), 0, ERR_TYPE, "address");
    w->out->written = false;
    bad(w, ir_for(c, w->v, LOOP_SERIAL, ir_intrin(c, m, ok)), 0, ERR_SYNTAX, "Out is not written");
}

static void depth(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    const struct expr *e = w->val;
    for (int i = 0; i < 100; i++) e = ir_bin(c, OP_XOR, ir_mul(c, e, e), e); /* 3^100 paths */
    good(w, with(w, e), 0);
    for (int i = 0; i < 100000; i++) e = ir_bin(c, OP_SHR, e, w->val);
    bad(w, with(w, e), 0, ERR_TOO_LARGE, "deeper");
    const struct stmt *s = put(w, w->out, w->val);
    for (int i = 0; i < 100000; i++) s = ir_if(c, ir_lt(c, w->x, ir_idx(c, i)), s);
    bad(w, loops(w, s), 0, ERR_TOO_LARGE, "nested deeper");
}

static void programs(void **state)
{
    struct world *w = *state;
    struct ir_ctx *c = &w->c;
    int64_t n = 8;
    struct tensor *a = ir_tensor(c, "A", TENSOR_INPUT, DT_U8, 1, &n),
                  *s = ir_tensor(c, "S", TENSOR_COMPUTE, DT_I32, 1, &n);
    const struct expr *at = ir_add(c, w->x, w->y), *read = ir_cast(c, DT_I32, ir_read(c, a, &at));
    const struct tensor *list[3] = {a, s, s};
    struct program p = {"p", 2, list};
    s->axis[0] = w->v;
    s->body = ir_reduce(c, RED_SUM, read, 1, &w->y);
    assert_true(verify_program(c, &p));
    s->body = read;
    assert_false(verify_program(c, &p));
    expect(w, ERR_SYNTAX, "`u`: variable is not bound");
    const struct expr *twice[2] = {w->y, w->y};
    s->body = ir_reduce(c, RED_SUM, read, 2, twice);
    assert_false(verify_program(c, &p));
    expect(w, ERR_TYPE, "twice");
    s->body = ir_add(c, ir_reduce(c, RED_SUM, read, 1, &w->y), ir_int(c, type_of(DT_I32), 1));
    assert_false(verify_program(c, &p));
    expect(w, ERR_SYNTAX, "variable is not bound"); /* the axis is no one's below the root */
    s->body = ir_read(c, a, &w->x);
    assert_false(verify_program(c, &p));
    expect(w, ERR_TYPE, "not of its tensor's type");
    s->body = ir_read(c, s, &w->x);
    assert_false(verify_program(c, &p));
    expect(w, ERR_SYNTAX, "S is not defined before");
    s->body = w->val;
    assert_false(verify_program(c, &p));
    expect(w, ERR_SYNTAX, "reads a buffer");
    s->body = ir_cast(c, DT_I32, ir_read(c, a, &w->x));
    assert_true(verify_program(c, &p));
    p.ntensor = 3;
    assert_false(verify_program(c, &p));
    expect(w, ERR_REDEFINED, "S is there twice");
    p.ntensor = 2;
    s->axis[0] = w->u;
    assert_false(verify_program(c, &p));
    expect(w, ERR_SHAPE, "axis 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(nests), T(loop_kinds), T(node_types), T(stores), T(vectors), T(instructions), T(depth), T(programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
