/* SPDX-License-Identifier: Apache-2.0 */
/* eval: every operation on every type against ir_apply_* on full-range data, programs against plain loops,
 * laziness, faults and what is kept; meaning_run against plain loops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ir/eval.h"
#include "ir/meaning.h"
#include "ir/parse.h"

static struct ir_ctx c;
static int setup(void **s)
{
    ir_ctx_init(&c, 0);
    return 0;
}
static int teardown(void **s)
{
    ir_ctx_release(&c);
    return 0;
}

static uint64_t state;
static uint64_t rnd(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static void fill(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) ((unsigned char *)p)[i] = (unsigned char)rnd();
}

static const struct program *program(const char *text)
{
    struct ir_env env = {0};
    struct lexer lx = lex_on(&c, "test", text, strlen(text));
    while (lex_skip_ends(&lx))
        if (!parse_def(&lx, &env)) fail_msg("%s", c.err.first.msg);
    struct program *p = ARENA_NEW(&c.arena, struct program);
    *p = (struct program){"test", (int)env.tensors.n, env.tensors.at};
    return p;
}
static const struct tensor *named(const struct program *p, const char *name)
{
    for (int i = 0; i < p->ntensor; i++)
        if (!strcmp(p->tensor[i]->name, name)) return p->tensor[i];
    fail_msg("no %s", name);
    return NULL;
}

/* ---- operations ---- */

enum { N = 400 };

/* N elements: all pairs of extreme values first, then anything. */
static void operands(enum dtype d, void *a, void *b)
{
    fill(a, N * (size_t)dt_bytes(d));
    fill(b, N * (size_t)dt_bytes(d));
    const struct dtype_info *t = &dtype_info[d];
    const float odd[] = {0, -0.0f, 1, -1, 0.5f, 1.5f, 2.5f, -2.5f, NAN, INFINITY, -INFINITY, 3e9f, -3e9f, 1e-45f};
    const int64_t edge[] = {t->lo, t->lo + 1, 0, 1, -1, 2, 7, 31, t->hi - 1, t->hi, t->bits, t->bits - 1, 64, 100};
    for (int i = 0; i < 14; i++)
        for (int k = 0; k < 14; k++) {
            bool f = d == DT_F32;
            value_store(d, a, i * 14 + k, f ? (union value){.f = odd[i]} : (union value){.i = ir_wrap(d, edge[i])});
            value_store(d, b, i * 14 + k, f ? (union value){.f = odd[k]} : (union value){.i = ir_wrap(d, edge[k])});
        }
    if (d == DT_BOOL)
        for (int i = 0; i < N; i++) {
            ((uint8_t *)a)[i] &= 1;
            ((uint8_t *)b)[i] &= 1;
        }
}

static bool same(enum dtype d, union value a, union value b)
{
    if (d != DT_F32) return a.i == b.i;
    return (isnan(a.f) && isnan(b.f)) || !memcmp(&a.f, &b.f, sizeof a.f);
}

/* Out[i] = e over A[i], B[i]; element by element, so that one fault does not hide the rest. */
struct fixture {
    struct eval *ev;
    struct tensor *a, *b, *out;
    const struct expr *x, *y;
    _Alignas(8) unsigned char da[N * 8], db[N * 8];
    const struct tensor *list[3];
    struct program p;
};
static void fixture_init(struct fixture *f, enum dtype d)
{
    int64_t shape[] = {N};
    operands(d, f->da, f->db);
    f->a = ir_tensor(&c, "A", TENSOR_INPUT, d, 1, shape);
    f->b = ir_tensor(&c, "B", TENSOR_INPUT, d, 1, shape);
}
static void fixture_open(struct fixture *f, enum dtype to, const struct var *i, const struct expr *e)
{
    f->out = ir_tensor(&c, "Out", TENSOR_COMPUTE, to, 1, (int64_t[]){N});
    f->out->axis[0] = i;
    f->out->body = e;
    f->list[0] = f->a;
    f->list[1] = f->b;
    f->list[2] = f->out;
    f->p = (struct program){"op", 3, f->list};
    f->ev = eval_new(&c, &f->p);
    eval_bind(f->ev, f->a, f->da);
    eval_bind(f->ev, f->b, f->db);
}

static void check_op(enum op op, enum dtype d)
{
    struct fixture f;
    fixture_init(&f, d);
    const struct var *i = ir_var(&c, "i", N);
    const struct expr *at = ir_var_expr(&c, i), *x = ir_read(&c, f.a, &at), *y = ir_read(&c, f.b, &at);
    bool unary = op_info[op].arity == 1, cmp = op_info[op].cls == OPC_CMP;
    const struct expr *e = unary ? ir_un(&c, op, x) : ir_bin(&c, op, x, y);
    fixture_open(&f, e->type.dt, i, e);
    for (int64_t k = 0; k < N; k++) {
        union value a = value_load(d, f.da, k), b = value_load(d, f.db, k), want = {.i = 0}, got;
        bool over = false;
        if (d != DT_F32) want.i = ir_apply_int(op, d, a.i, unary ? 0 : b.i, &over);
        else if (cmp) want.i = ir_cmp_f32(op, a.f, b.f);
        else want.f = ir_apply_f32(op, a.f, b.f);
        bool ok = eval_at(f.ev, f.out, &k, &got);
        assert_int_equal(ok, !over);
        if (over) assert_int_equal(c.err.first.code, ERR_RANGE);
        else if (!same(e->type.dt, want, got))
            fail_msg("%s on %s, element %d", op_info[op].spelling, dtype_info[d].name, (int)k);
        err_clear(&c.err);
    }
    eval_free(f.ev);
}

static void every_op(void **s)
{
    state = 1;
    for (int op = OP_ADD; op <= OP_RINT; op++)
        for (int d = 0; d < DT_COUNT; d++) {
            unsigned need = d == DT_F32 ? OPF_F32 : d == DT_BOOL ? OPF_BOOLS : OPF_INT;
            if (op_info[op].flags & need) check_op((enum op)op, (enum dtype)d);
        }
}

static void every_cast(void **s)
{
    state = 2;
    for (int from = 0; from < DT_COUNT; from++)
        for (int to = 0; to < DT_COUNT; to++)
            for (int sat = 0; sat < 2; sat++) {
                if (sat && (!dt_is_int((enum dtype)to) || from == DT_BOOL)) continue;
                struct fixture f;
                fixture_init(&f, (enum dtype)from);
                const struct var *i = ir_var(&c, "i", N);
                const struct expr *at = ir_var_expr(&c, i), *x = ir_read(&c, f.a, &at);
                fixture_open(&f, (enum dtype)to, i, sat ? ir_sat(&c, (enum dtype)to, x) : ir_cast(&c, (enum dtype)to, x));
                for (int64_t k = 0; k < N; k++) {
                    union value a = value_load((enum dtype)from, f.da, k), want = a, got;
                    const struct dtype_info *t = &dtype_info[to];
                    if (from == DT_F32 && to != DT_F32) want.i = ir_f32_to_int(a.f, (enum dtype)to);
                    else if (from != DT_F32 && to == DT_F32) want.f = (float)a.i;
                    else if (sat) want.i = a.i < t->lo ? t->lo : a.i > t->hi ? t->hi : a.i;
                    else if (to != DT_F32) want.i = ir_wrap((enum dtype)to, a.i);
                    assert_true(eval_at(f.ev, f.out, &k, &got));
                    if (!same((enum dtype)to, want, got))
                        fail_msg("%s %s to %s, element %d", sat ? "sat" : "cast", dtype_info[from].name, t->name, (int)k);
                }
                eval_free(f.ev);
            }
}

/* ---- programs ---- */

static void convolution(void **s)
{
    state = 3;
    enum { H = 7, C = 5, O = 3 };
    const struct program *p = program("input A[n:1, h:7, w:7, c:5] : u8\n"
                                      "weight W[o:3, r:3, s:3, c:5] : i8\n"
                                      "bias B[o:3] : i32\n"
                                      "P = pad(A, h: 1 1, w: 1 1, value: 7)\n"
                                      "Acc[n, y, x, o] : i32 = sum(r, s, c) i32(P[n, 2*y+r, x+s, c]) * i32(W[o, r, s, c])\n"
                                      "Out[n, y, x, o] : i32 = Acc[n, y, x, o] + B[o]\n");
    uint8_t a[H][H][C];
    int8_t w[O][3][3][C];
    int32_t b[O], out[4][H][O];
    fill(a, sizeof a);
    fill(w, sizeof w);
    fill(b, sizeof b);
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "A"), a);
    eval_bind(ev, named(p, "W"), w);
    eval_bind(ev, named(p, "B"), b);
    assert_int_equal(named(p, "Out")->shape[1], 4);
    assert_true(eval_all(ev, named(p, "Out"), out));
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < H; x++)
            for (int o = 0; o < O; o++) {
                uint32_t acc = (uint32_t)b[o];
                for (int r = 0; r < 3; r++)
                    for (int k = 0; k < 3; k++)
                        for (int ch = 0; ch < C; ch++) {
                            int yy = 2 * y + r - 1, xx = x + k - 1;
                            bool in = yy >= 0 && yy < H && xx >= 0 && xx < H;
                            acc += (uint32_t)((in ? a[yy][xx][ch] : 7) * w[o][r][k][ch]);
                        }
                assert_int_equal(out[y][x][o], (int32_t)acc);
                union value v;
                assert_true(eval_at(ev, named(p, "Out"), (int64_t[]){0, y, x, o}, &v));
                assert_int_equal(v.i, (int32_t)acc);
            }
    /* Other data: nothing of the old may be kept. */
    int32_t again[4][H][O];
    memset(a, 0, sizeof a);
    eval_bind(ev, named(p, "A"), a);
    assert_true(eval_all(ev, named(p, "Out"), again));
    assert_memory_not_equal(out, again, sizeof out);
    assert_true(eval_all(ev, named(p, "A"), a));    /* an argument is its data */
    eval_free(ev);
}

/* f32 takes its axes first axis outermost, one rounding a step (fmasum) or two (sum). */
static void float_order(void **s)
{
    state = 4;
    const struct program *p = program("input A[m:3, k:40] : f32\ninput B[k:40, m:3] : f32\n"
                                      "S[] : f32 = sum(i:3, k:40) A[i, k] * B[k, i]\n"
                                      "F[] : f32 = fmasum(k:40, i:3) A[i, k] * B[k, i]\n"
                                      "M[i:3] : f32 = max(k:40) A[i, k]\nL[i:3] : f32 = min(k:40) A[i, k]\n");
    float a[3][40], b[40][3], sum = 0, f = 0, got;
    for (int i = 0; i < 120; i++) {
        a[i / 40][i % 40] = (float)(int32_t)rnd() * 1e-5f;
        b[i / 3][i % 3] = (float)(int32_t)rnd() * 1e-3f;
    }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 40; k++) sum += a[i][k] * b[k][i];
    for (int k = 0; k < 40; k++)
        for (int i = 0; i < 3; i++) f = fmaf(a[i][k], b[k][i], f);
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "A"), a);
    eval_bind(ev, named(p, "B"), b);
    assert_true(eval_all(ev, named(p, "S"), &got));
    assert_memory_equal(&got, &sum, sizeof got);
    assert_true(eval_all(ev, named(p, "F"), &got));
    assert_memory_equal(&got, &f, sizeof got);
    for (int64_t i = 0; i < 3; i++) {
        float most = -INFINITY, least = INFINITY;
        for (int k = 0; k < 40; k++) {
            most = most > a[i][k] ? most : a[i][k];
            least = least < a[i][k] ? least : a[i][k];
        }
        union value v;
        assert_true(eval_at(ev, named(p, "M"), &i, &v) && v.f == most);
        assert_true(eval_at(ev, named(p, "L"), &i, &v) && v.f == least);
    }
    eval_free(ev);
}

static void integer_reductions(void **s)
{
    state = 5;
    const struct program *p = program("input A[i:4, k:33] : i16\n"
                                      "X[i:4] : i16 = max(k:33) A[i, k]\nY[i:4] : i16 = min(k:33) A[i, k]\n"
                                      "Z[i:4] : i16 = sum(k:33) A[i, k]\nW[i:4] : i64 = sum(k:33) i64(A[i, 32-k]) * k\n");
    int16_t a[4][33];
    fill(a, sizeof a);
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "A"), a);
    for (int64_t i = 0; i < 4; i++) {
        int64_t hi = INT16_MIN, lo = INT16_MAX, sum = 0, w = 0;
        for (int k = 0; k < 33; k++) {
            hi = i64_max(hi, a[i][k]);
            lo = i64_min(lo, a[i][k]);
            sum += a[i][k];
            w += (int64_t)a[i][32 - k] * k;
        }
        union value v;
        assert_true(eval_at(ev, named(p, "X"), &i, &v) && v.i == hi);
        assert_true(eval_at(ev, named(p, "Y"), &i, &v) && v.i == lo);
        assert_true(eval_at(ev, named(p, "Z"), &i, &v) && v.i == (int16_t)sum);
        assert_true(eval_at(ev, named(p, "W"), &i, &v) && v.i == w);
    }
    eval_free(ev);
}

/* Indices that are not affine, or not provably inside, are computed and checked. */
static void odd_indices(void **s)
{
    state = 6;
    const struct program *p = program("input A[i:10] : i32\ninput I[i:10] : i64 in 0..9\n"
                                      "X[i:30] : i32 = A[i % 10] + A[9 - i / 3]\n"
                                      "Y[i:10] : i32 = A[I[i]]\n"
                                      "Z[i:12] : i32 = select(i < 10, A[i], select(i == 10, A[0], A[1]))\n");
    int32_t a[10];
    int64_t at[10] = {9, 0, 3, 3, 8, 1, 2, 7, 5, 6};
    fill(a, sizeof a);
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "A"), a);
    eval_bind(ev, named(p, "I"), at);
    union value v;
    for (int64_t i = 0; i < 30; i++) {
        assert_true(eval_at(ev, named(p, "X"), &i, &v));
        assert_int_equal(v.i, (int32_t)((uint32_t)a[i % 10] + (uint32_t)a[9 - i / 3]));
    }
    for (int64_t i = 0; i < 10; i++) assert_true(eval_at(ev, named(p, "Y"), &i, &v) && v.i == a[at[i]]);
    for (int64_t i = 0; i < 12; i++)
        assert_true(eval_at(ev, named(p, "Z"), &i, &v) && v.i == (i < 10 ? a[i] : i == 10 ? a[0] : a[1]));
    eval_free(ev);
}

/* What one arm of a select computed is not known in the other, nor after it. */
static void shared_in_arms(void **s)
{
    const struct program *p = program("input A[i:8] : i32\ninput B[i:8] : i32\n"
                                      "X[i:8] : i32 = select(A[i] < 3, A[i] * B[i] + 1, A[i] * B[i] + 2)\n"
                                      "Y[i:8] : i32 = select(A[i] < 3, 5, select(B[i] < 4, B[i] - A[i], 6)) - (B[i] - A[i])\n");
    int32_t a[8] = {0, 5, 1, 6, 2, 7, 3, 8}, b[8] = {9, 1, 8, 2, 7, 3, 6, 4};
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "A"), a);
    eval_bind(ev, named(p, "B"), b);
    for (int64_t i = 0; i < 8; i++) {
        union value v;
        assert_true(eval_at(ev, named(p, "X"), &i, &v));
        assert_int_equal(v.i, a[i] * b[i] + (a[i] < 3 ? 1 : 2));
        assert_true(eval_at(ev, named(p, "Y"), &i, &v));
        assert_int_equal(v.i, (a[i] < 3 ? 5 : b[i] < 4 ? b[i] - a[i] : 6) - (b[i] - a[i]));
    }
    eval_free(ev);
}

/* ---- faults ---- */

static void expect(enum err_code code, const char *const *parts)
{
    assert_int_equal(c.err.first.code, code);
    for (; *parts; parts++)
        if (!strstr(c.err.first.msg, *parts)) fail_msg("no \"%s\" in: %s", *parts, c.err.first.msg);
    err_clear(&c.err);
}
#define EXPECT(code, ...) expect(code, (const char *const[]){__VA_ARGS__, NULL})

static void faults(void **s)
{
    /* The parser refuses what it can prove wrong; a declared range that the data break gets past it. */
    const struct program *p = program("input A[h:4, w:5] : i32\ninput B[i:4] : i64\ninput Off[] : i64 in -9..-9\n"
                                      "X[y:4, x:5] : i32 = sum(k:3) A[y, max(x + k + Off[], 0)]\n"
                                      "Y[y:4] : i32 = X[y, 2] + X[y, 3]\n"
                                      "Z[i:4] : i64 = B[i] * B[i]\n"
                                      "V[i:4] : i64 = sum(k:2) B[i] + B[i]\n");
    int32_t a[4][5] = {{1, 2, 3, 4, 5}};
    int64_t b[4] = {3, INT64_C(1) << 40, INT64_MAX, -5}, off = 0;
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "Off"), &off);
    union value v;
    assert_false(eval_at(ev, named(p, "X"), (int64_t[]){0, 0}, &v));
    EXPECT(ERR_ARGUMENT, "A", "no data");
    assert_false(eval_at(ev, named(p, "A"), (int64_t[]){0, 0}, &v));
    EXPECT(ERR_ARGUMENT, "A", "no data");
    eval_bind(ev, named(p, "A"), a);
    eval_bind(ev, named(p, "B"), b);
    assert_true(eval_at(ev, named(p, "X"), (int64_t[]){0, 2}, &v) && v.i == 12);
    assert_false(eval_at(ev, named(p, "X"), (int64_t[]){1, 4}, &v));
    EXPECT(ERR_BOUNDS, "index 2 (w) of A is 5, outside 0..5", "in X[1, 4] at k=1");
    assert_false(eval_at(ev, named(p, "Y"), (int64_t[]){2}, &v));    /* named where it happens */
    EXPECT(ERR_BOUNDS, "in X[2, 3] at k=2");
    assert_false(eval_at(ev, named(p, "X"), (int64_t[]){4, 0}, &v));
    EXPECT(ERR_BOUNDS, "of X is 4");
    assert_true(eval_at(ev, named(p, "Z"), (int64_t[]){0}, &v) && v.i == 9);
    assert_false(eval_at(ev, named(p, "Z"), (int64_t[]){1}, &v));
    EXPECT(ERR_RANGE, "1099511627776 * 1099511627776", "in Z[1]");
    assert_false(eval_at(ev, named(p, "V"), (int64_t[]){2}, &v));
    EXPECT(ERR_RANGE, "9223372036854775807 + 9223372036854775807", "in V[2] at k=0");
    assert_true(eval_at(ev, named(p, "V"), (int64_t[]){3}, &v) && v.i == -20);
    int32_t out[20];
    assert_false(eval_all(ev, named(p, "X"), out));
    EXPECT(ERR_BOUNDS, "in X[0, 3] at k=2");
    eval_free(ev);
}

/* Affine indices that leave their dimension on either side, even where the memory goes on. */
static void affine_bounds(void **s)
{
    struct tensor *a = ir_tensor(&c, "A", TENSOR_INPUT, DT_I8, 2, (int64_t[]){3, 3});
    struct tensor *x = ir_tensor(&c, "X", TENSOR_COMPUTE, DT_I8, 1, (int64_t[]){5});
    x->axis[0] = ir_var(&c, "i", 5);
    const struct expr *i = ir_var_expr(&c, x->axis[0]);
    x->body = ir_read(&c, a, (const struct expr *[]){ir_idx(&c, 1), ir_sub(&c, i, ir_idx(&c, 1))});
    const struct tensor *list[] = {a, x};
    const struct program p = {"test", 2, list};
    int8_t data[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    struct eval *ev = eval_new(&c, &p);
    eval_bind(ev, a, data);
    for (int64_t k = 0; k < 5; k++) {
        union value v;
        bool in = k >= 1 && k < 4;
        assert_int_equal(eval_at(ev, x, &k, &v), in);
        if (in) assert_int_equal(v.i, k + 2);
        else EXPECT(ERR_BOUNDS, "index 2 (d1) of A is", "outside 0..3");
    }
    eval_free(ev);
}

/* A sum of huge indices must not look in range because it wrapped, nor hide an overflow inside. */
static void index_overflow(void **s)
{
    struct tensor *a = ir_tensor(&c, "A", TENSOR_INPUT, DT_I32, 1, (int64_t[]){4});
    struct tensor *x = ir_tensor(&c, "X", TENSOR_COMPUTE, DT_I32, 1, (int64_t[]){4});
    struct tensor *y = ir_tensor(&c, "Y", TENSOR_COMPUTE, DT_I64, 2, (int64_t[]){2, 2});
    x->axis[0] = ir_var(&c, "i", 4);
    y->axis[0] = ir_var(&c, "i", 2);
    y->axis[1] = ir_var(&c, "j", 2);
    const struct expr *at = ir_mul(&c, ir_var_expr(&c, x->axis[0]), ir_idx(&c, INT64_C(1) << 62));
    at = ir_mul(&c, at, ir_idx(&c, 4));    /* 0 modulo 2^64 */
    x->body = ir_read(&c, a, &at);
    const struct expr *i = ir_var_expr(&c, y->axis[0]), *j = ir_var_expr(&c, y->axis[1]);
    y->body = ir_sub(&c, ir_add(&c, ir_mul(&c, i, ir_idx(&c, INT64_MAX)), j), j);
    const struct tensor *list[] = {a, x, y};
    const struct program p = {"test", 3, list};
    int32_t data[4] = {7, 8, 9, 10};
    struct eval *ev = eval_new(&c, &p);
    eval_bind(ev, a, data);
    union value v;
    assert_true(eval_at(ev, x, (int64_t[]){0}, &v) && v.i == 7);
    assert_false(eval_at(ev, x, (int64_t[]){2}, &v));
    EXPECT(ERR_RANGE, "in X[2]");
    assert_true(eval_at(ev, y, (int64_t[]){1, 0}, &v) && v.i == INT64_MAX);
    assert_false(eval_at(ev, y, (int64_t[]){1, 1}, &v));
    EXPECT(ERR_RANGE, "9223372036854775807 + 1", "in Y[1, 1]");
    eval_free(ev);
}

/* Only what is asked for is computed, also where the tensor between is too large to hold. */
static void huge(void **s)
{
    const struct program *p = program("input A[i:8] : i32\n"
                                      "T[i:65536, j:65536] : i32 = A[j % 8] + i32(i)\n"
                                      "X[i:65536, j:65536] : i32 = sum(k:100) T[i, j] - T[65535 - i, k]\n");
    int32_t a[8];
    state = 8;
    fill(a, sizeof a);
    struct eval *ev = eval_new(&c, p);
    eval_bind(ev, named(p, "A"), a);
    for (int round = 0; round < 20; round++) {
        int64_t i = (int64_t)(rnd() % 65536), j = (int64_t)(rnd() % 65536);
        uint32_t want = 0;
        for (int k = 0; k < 100; k++)
            want += (uint32_t)a[j % 8] + (uint32_t)i - ((uint32_t)a[k % 8] + (uint32_t)(65535 - i));
        union value v;
        assert_true(eval_at(ev, named(p, "X"), (int64_t[]){i, j}, &v));
        assert_int_equal(v.i, (int32_t)want);
    }
    eval_free(ev);
}

/* Memory is read and written as the type says. */
static void values(void **s)
{
    state = 9;
    for (int d = 0; d < DT_COUNT; d++)
        for (int i = 0; i < 200; i++) {
            _Alignas(8) unsigned char from[32], to[32] = {0};
            fill(from, sizeof from);
            if (d == DT_BOOL) for (int k = 0; k < 32; k++) from[k] &= 1;
            for (int k = 0; k < 32 / dt_bytes((enum dtype)d); k++)
                value_store((enum dtype)d, to, k, value_load((enum dtype)d, from, k));
            assert_memory_equal(from, to, sizeof from);
        }
    assert_int_equal(value_load(DT_U16, "\0\0\xff\xff", 1).i, 65535);
    assert_int_equal(value_load(DT_I8, "\0\xff", 1).i, -1);
}

/* ---- meanings ---- */

static const struct meaning *meaning(const char *operands, const char *text)
{
    const struct meaning *m = meaning_parse(&c, "test", operands, text, (struct span){0});
    if (!m) fail_msg("%s", c.err.first.msg);
    return m;
}

static void meanings(void **s)
{
    state = 7;
    uint8_t a[4];
    int8_t b[8][4];
    int32_t cc[8], want[8];
    for (int round = 0; round < 50; round++) {
        fill(a, sizeof a);
        fill(b, sizeof b);
        fill(cc, sizeof cc);
        for (int i = 0; i < 8; i++) {
            uint32_t acc = (uint32_t)cc[i];
            for (int k = 0; k < 4; k++) acc += (uint32_t)(a[k] * b[i][k]);
            want[i] = (int32_t)acc;
        }
        meaning_run(meaning("C: i32[8], A: u8[4], B: i8[8,4]", "C[i] += i32(A[k]) * i32(B[i,k])"), (void *[]){cc, a, b});
        assert_memory_equal(cc, want, sizeof cc);
    }
    int16_t x[6], y[6], z[6] = {0};
    fill(x, sizeof x);
    fill(y, sizeof y);
    meaning_run(meaning("Z: i16[6], X: i16[6], Y: i16[6]", "Z[i] = min(X[i], Y[i])"), (void *[]){z, x, y});
    for (int i = 0; i < 6; i++) assert_int_equal(z[i], x[i] < y[i] ? x[i] : y[i]);
    meaning_run(meaning("Z: i16[6], X: i16[6]", "Z[i] max= X[i]"), (void *[]){z, x});
    for (int i = 0; i < 6; i++) assert_int_equal(z[i], z[i] > x[i] ? z[i] : x[i]);
    /* f32 starts from operand 0 and goes in order. */
    float f[2] = {1e8f, -3}, g[2][3], h[3] = {1, 3, 0.3f}, wf[2];
    for (int i = 0; i < 6; i++) g[i / 3][i % 3] = (float)(int16_t)rnd() * 0.37f;
    for (int i = 0; i < 2; i++) {
        wf[i] = f[i];
        for (int k = 0; k < 3; k++) wf[i] = fmaf(g[i][k], h[k], wf[i]);
    }
    meaning_run(meaning("F: f32[2], G: f32[2,3], H: f32[3]", "F[i] fma= G[i,k] * H[k]"), (void *[]){f, g, h});
    assert_memory_equal(f, wf, sizeof f);
    /* A transposed operand 0. */
    int32_t t[3][2], u[2][3] = {{1, 2, 3}, {4, 5, 6}};
    meaning_run(meaning("T: i32[3,2], U: i32[2,3]", "T[j,i] = U[i,j]"), (void *[]){t, u});
    for (int i = 0; i < 6; i++) assert_int_equal(t[i % 3][i / 3], u[i / 3][i % 3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_op, setup, teardown),
        cmocka_unit_test_setup_teardown(every_cast, setup, teardown),
        cmocka_unit_test_setup_teardown(convolution, setup, teardown),
        cmocka_unit_test_setup_teardown(float_order, setup, teardown),
        cmocka_unit_test_setup_teardown(integer_reductions, setup, teardown),
        cmocka_unit_test_setup_teardown(odd_indices, setup, teardown),
        cmocka_unit_test_setup_teardown(shared_in_arms, setup, teardown),
        cmocka_unit_test_setup_teardown(affine_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(faults, setup, teardown),
        cmocka_unit_test_setup_teardown(index_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(huge, setup, teardown),
        cmocka_unit_test(values),
        cmocka_unit_test_setup_teardown(meanings, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
