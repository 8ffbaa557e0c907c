/* SPDX-License-Identifier: Apache-2.0 */
/* interp: loop nests against plain loops, vectors lane by lane, instructions, and every fault it must find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ir/interp.h"
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
static void fill(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((unsigned char *)p)[i] = (unsigned char)(state >> 56);
    }
}

/* dot4: exact 4-way dot product, two lanes; inc: no reduction; twice: overwrites. */
static const struct meaning *find(void *u, const char *name)
{
    static const char *const rows[][3] = {
        {"dot4", "C: i32[2], A: u8[4], B: i8[2,4]", "C[i] += i32(A[k]) * i32(B[i,k])"},
        {"twice", "C: i32[2], A: i32[2]", "C[i] = A[i] + A[i]"},
        {"sum64", "C: i64[1], A: i64[2]", "C[i] += A[k]"},
    };
    const struct meaning **had = u;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i][0], name)) continue;
        if (!had[i]) had[i] = meaning_parse(&c, name, rows[i][1], rows[i][2], (struct span){0});
        return had[i];
    }
    return NULL;
}

static bool run(const char *text, void *const *arg)
{
    const struct meaning *had[3] = {0};
    struct lexer lx = lex_on(&c, "test", text, strlen(text));
    const struct func *f = parse_func(&lx, find, had);
    if (!f) fail_msg("%s", c.err.first.msg);
    return interp_run(&c, f, arg);
}
#define ARGS(...) (void *[]){__VA_ARGS__}

static void expect(enum err_code code, const char *const *parts)
{
    assert_int_equal(c.err.first.code, code);
    for (; *parts; parts++)
        if (!strstr(c.err.first.msg, *parts)) fail_msg("no \"%s\" in: %s", *parts, c.err.first.msg);
    err_clear(&c.err);
}
#define EXPECT(code, ...) expect(code, (const char *const[]){__VA_ARGS__, NULL})

/* ---- scalar nests ---- */

static void matmul(void **s)
{
    state = 1;
    uint8_t a[5][7];
    int8_t w[3][7];
    int32_t out[5][3];
    fill(a, sizeof a);
    fill(w, sizeof w);
    fill(out, sizeof out);
    assert_true(run("func mm(arg A[5, 7] : u8, arg W[3, 7] : i8, out Out[5, 3] : i32) {\n"
                    "  parallel y in 0..5 {\n"
                    "    alloc local Acc[3] : i32 {\n"
                    "      for o in 0..3 { Acc[o] = 0 }\n"
                    "      for k in 0..7 { unrolled o in 0..3 { Acc[o] = Acc[o] + i32(A[y, k]) * i32(W[o, k]) } }\n"
                    "      sync\n"
                    "      for o in 0..3 { if (o < 2) { Out[y, o] = Acc[o] } }\n"
                    "      Out[y, 2] = 0 - Acc[2]\n"
                    "    }\n"
                    "  }\n"
                    "}\n", ARGS(a, w, out)));
    for (int y = 0; y < 5; y++)
        for (int o = 0; o < 3; o++) {
            int32_t acc = 0;
            for (int k = 0; k < 7; k++) acc += a[y][k] * w[o][k];
            assert_int_equal(out[y][o], o == 2 ? -acc : acc);
        }
}

/* A store sees what the statement before it wrote, also of the same element. */
static void order(void **s)
{
    int32_t a[6] = {1, 1};
    assert_true(run("func fib(out A[6] : i32) { for i in 0..4 { A[i + 2] = A[i] + A[i + 1]; A[i] = A[i] + 1 } }", ARGS(a)));
    const int32_t want[6] = {2, 2, 3, 4, 5, 8};
    assert_memory_equal(a, want, sizeof a);
}

static void every_type(void **s)
{
    state = 2;
    static const char *const names[] = {"bool", "i8", "u8", "i16", "u16", "i32", "i64", "f32"};
    for (size_t d = 0; d < ARRAY_LEN(names); d++) {
        _Alignas(8) unsigned char a[128], b[128];
        fill(a, sizeof a);
        if (!d) for (int i = 0; i < 128; i++) a[i] &= 1;
        const char *text = arena_printf(&c.arena, "func copy(arg A[16] : %s, out B[16] : %s) {\n"
                                        "alloc local T[16] : %s { for i in 0..16 { T[i] = A[i] }\n"
                                        "for i in 0..16 { B[15 - i] = T[i] } } }", names[d], names[d], names[d]);
        assert_true(run(text, ARGS(a, b)));
        size_t n = (size_t)dt_bytes((enum dtype)d);
        for (size_t i = 0; i < 16; i++) assert_memory_equal(a + i * n, b + (15 - i) * n, n);
    }
}

/* ---- vectors ---- */

static void vectors(void **s)
{
    state = 3;
    int32_t a[32], b[8], copy[32];
    fill(a, sizeof a);
    memcpy(copy, a, sizeof a);
    /* Gather, broadcast and arithmetic, lane by lane; flat indices. */
    assert_true(run("func v(arg A[32] : i32, out B[8] : i32) {\n"
                    "  B[ramp(0, 1, 8)] = A[ramp(31, -3, 8)] * bcast(A[5], 8) + i32(ramp(7, 2, 8))\n"
                    "}", ARGS(a, b)));
    for (int i = 0; i < 8; i++)
        assert_int_equal(b[i], (int32_t)((uint32_t)a[31 - 3 * i] * (uint32_t)a[5] + (uint32_t)(7 + 2 * i)));
    /* All lanes are read before any is written. */
    assert_true(run("func shift(out A[32] : i32) { A[ramp(1, 1, 8)] = A[ramp(0, 1, 8)] }", ARGS(a)));
    assert_memory_equal(a + 1, copy, 8 * sizeof a[0]);
    /* The last lane wins where lanes meet. */
    assert_true(run("func meet(out A[32] : i32) { A[bcast(3, 4)] = i32(ramp(10, 1, 4)) }", ARGS(a)));
    assert_int_equal(a[3], 13);
    /* Several dimensions, a scalar value to many places, in a loop. */
    int16_t m[4][4] = {{0}};
    assert_true(run("func diag(out M[4, 4] : i16) { for k in 0..2 { M[ramp(k, 1, 3), ramp(0, 1, 3)] = bcast(7, 3) } }",
                    ARGS(m)));
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 4; x++) assert_int_equal(m[y][x], x < 3 && (y == x || y == x + 1) ? 7 : 0);
}

/* Lanes that a mask or a select leaves out compute nothing. */
static void lazy_lanes(void **s)
{
    int32_t a[4] = {1, 2, 3, 4}, b[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    assert_true(run("func m(arg A[4] : i32, out B[8] : i32) {\n"
                    "  B[ramp(0, 1, 8)] = A[ramp(0, 1, 8)] where ramp(0, 1, 8) < bcast(4, 8)\n}", ARGS(a, b)));
    const int32_t masked[8] = {1, 2, 3, 4, 9, 9, 9, 9};
    assert_memory_equal(b, masked, sizeof b);
    assert_true(run("func s(arg A[4] : i32, out B[8] : i32) {\n"
                    "  B[ramp(0, 1, 8)] = select(ramp(0, 1, 8) < bcast(4, 8), A[ramp(0, 1, 8)], bcast(-1, 8))\n}",
                    ARGS(a, b)));
    const int32_t chosen[8] = {1, 2, 3, 4, -1, -1, -1, -1};
    assert_memory_equal(b, chosen, sizeof b);
    assert_false(run("func s(arg A[4] : i32, out B[8] : i32) { B[ramp(0, 1, 8)] = A[ramp(0, 1, 8)] }", ARGS(a, b)));
    EXPECT(ERR_BOUNDS, "index 1 of A is 4, outside 0..4");
    assert_memory_equal(b, chosen, sizeof b);    /* nothing of a vector that faults is stored */
    /* A scalar condition guards a vector; a masked index may be outside; so may a scalar store's. */
    assert_true(run("func g(arg A[4] : i32, out B[8] : i32) { for k in 0..3 {\n"
                    "  B[ramp(k * 4, 1, 4)] = select(k < 1, A[ramp(k * 4, 1, 4)], bcast(5, 4)) where bcast(k < 2, 4)\n"
                    "  B[k * 4] = A[k] where k < 1\n} }", ARGS(a, b)));
    const int32_t guarded[8] = {1, 2, 3, 4, 5, 5, 5, 5};
    assert_memory_equal(b, guarded, sizeof b);
}

/* ---- instructions ---- */

static void instructions(void **s)
{
    state = 4;
    uint8_t a[3][8];
    int8_t w[2][8];
    int32_t out[3][2];
    fill(a, sizeof a);
    fill(w, sizeof w);
    /* W is packed so that an operand lies contiguous. */
    const char *text = "func t(arg A[3, 8] : u8, arg W[2, 8] : i8, out Out[3, 2] : i32) {\n"
                       "  alloc shared P[2, 2, 4] : i8 {\n"
                       "    for g in 0..2 { for o in 0..2 { for k in 0..4 { P[g, o, k] = W[o, g * 4 + k] } } }\n"
                       "    alloc local Acc[2] : i32 {\n"
                       "      for y in 0..3 {\n"
                       "        for o in 0..2 { Acc[o] = 0 }\n"
                       "        for g in 0..2 { dot4(Acc[0], A[y, g * 4], P[g, 0, 0]) }\n"
                       "        twice(Out[y, 0], Acc[0])\n"
                       "      }\n"
                       "    }\n"
                       "  }\n"
                       "}\n";
    assert_true(run(text, ARGS(a, w, out)));
    for (int y = 0; y < 3; y++)
        for (int o = 0; o < 2; o++) {
            int32_t acc = 0;
            for (int k = 0; k < 8; k++) acc += a[y][k] * w[o][k];
            assert_int_equal(out[y][o], 2 * acc);
        }
}

static void instruction_faults(void **s)
{
    uint8_t a[6] = {0};
    int8_t w[8] = {0};
    int32_t out[2] = {0};
    int64_t wide[2] = {INT64_MAX, 1}, total = 0;
    assert_false(run("func t(arg A[6] : u8, arg W[8] : i8, out Out[2] : i32) {\n"
                     "  for k in 0..4 { dot4(Out[0], A[k], W[0]) } }", ARGS(a, w, out)));
    EXPECT(ERR_BOUNDS, "operand A of dot4", "4 elements from A[3]", "ends after 3", "k=3");
    assert_false(run("func t(arg A[6] : u8, arg W[8] : i8, out Out[2] : i32) {\n"
                     "  alloc local T[2] : i32 { T[0] = 1; dot4(T[0], A[0], W[0]) } }", ARGS(a, w, out)));
    EXPECT(ERR_BOUNDS, "T[1], in operand C of dot4", "never written");
    assert_false(run("func t(arg A[6] : u8, arg W[8] : i8, out Out[2] : i32) {\n"
                     "  alloc local T[4] : u8 { for i in 0..3 { T[i] = A[i] }; dot4(Out[0], T[0], W[0]) } }",
                     ARGS(a, w, out)));
    EXPECT(ERR_BOUNDS, "T[3], in operand A of dot4", "never written");
    /* What an instruction overwrites need not be there before, and is there after. */
    assert_true(run("func t(arg A[6] : u8, arg W[8] : i8, out Out[2] : i32) {\n"
                    "  alloc local T[2] : i32 { twice(T[0], Out[0]); Out[0] = T[0] + T[1] } }", ARGS(a, w, out)));
    assert_false(run("func t(arg A[2] : i64, out Out[1] : i64) { sum64(Out[0], A[0]) }", ARGS(wide, &total)));
    EXPECT(ERR_RANGE, "i64 overflow in 9223372036854775807 + 1");
}

/* ---- faults ---- */

static void bounds(void **s)
{
    int32_t a[4][8] = {{0}}, out[8];
    assert_false(run("func f(arg A[4, 8] : i32, out Out[8] : i32) {\n"
                     "  for y in 0..2 { for k in 0..9 { Out[0] = A[y, k] } } }", ARGS(a, out)));
    EXPECT(ERR_BOUNDS, "index 2 of A is 8, outside 0..8", "y=0, k=8", "in f");    /* though inside the memory */
    assert_false(run("func f(arg A[4, 8] : i32, out Out[8] : i32) { for y in 0..5 { Out[y * 2 - 1] = A[0, 0] } }",
                     ARGS(a, out)));
    EXPECT(ERR_BOUNDS, "index 1 of Out is -1", "y=0");
    assert_false(run("func f(arg A[4, 8] : i32, out Out[8] : i32) {\n"
                     "  for y in 0..5 { for z in 0..3 { Out[0] = 1 }\n if (y > 3) { Out[0] = A[y, y] } } }", ARGS(a, out)));
    EXPECT(ERR_BOUNDS, "index 1 of A is 4", "at y=4, in f");    /* z is over */
}

/* One index on a buffer of several dimensions is a flat one. */
static void flat(void **s)
{
    int32_t a[4][8], got = 0;
    for (int i = 0; i < 32; i++) a[i / 8][i % 8] = i * i;
    struct buffer *ba = ir_buffer(&c, "A", DT_I32, SCOPE_ARG, 2, (int64_t[]){4, 8});
    struct buffer *bo = ir_buffer(&c, "Out", DT_I32, SCOPE_ARG, 0, NULL);
    for (int at = 30; at < 34; at++) {
        const struct expr *i = ir_idx(&c, at), *zero = ir_idx(&c, 0);
        const struct stmt *body = ir_store(&c, bo, 1, &zero, ir_load(&c, ba, 1, &i), NULL);
        const struct buffer *args[] = {ba, bo};
        const struct func f = {"f", 2, args, body};
        assert_int_equal(interp_run(&c, &f, ARGS(a, &got)), at < 32);
        if (at < 32) assert_int_equal(got, at * at);
        else EXPECT(ERR_BOUNDS, "flat index", "of A is outside 0..32");
    }
}

static void unwritten(void **s)
{
    int32_t out[4];
    assert_false(run("func f(out Out[4] : i32) {\n  alloc local T[2, 3] : i32 { T[1, 1] = 5; Out[0] = T[1, 1]; Out[1] = T[1, 2] } }",
                     ARGS(out)));
    EXPECT(ERR_BOUNDS, "T[1, 2] is read but was never written");
    /* An alloc is fresh each time it is entered. */
    assert_false(run("func f(out Out[4] : i32) {\n"
                     "  for i in 0..2 { alloc local T[1] : i32 { if (i < 1) { T[0] = 5 }; Out[i] = T[0] } } }", ARGS(out)));
    EXPECT(ERR_BOUNDS, "T[0] is read", "at i=1");
    /* A masked store writes only where its mask holds. */
    assert_false(run("func f(out Out[4] : i32) { alloc local T[4] : i32 {\n"
                     "  T[ramp(0, 1, 4)] = bcast(1, 4) where ramp(0, 1, 4) < bcast(3, 4)\n"
                     "  Out[ramp(0, 1, 4)] = T[ramp(0, 1, 4)] } }", ARGS(out)));
    EXPECT(ERR_BOUNDS, "T[3] is read");
}

static void overflow(void **s)
{
    int64_t a[1] = {INT64_MIN}, out[1];
    assert_false(run("func f(arg A[1] : i64, out Out[1] : i64) { for i in 0..1 { Out[0] = A[0] - 1 } }", ARGS(a, out)));
    EXPECT(ERR_RANGE, "i64 overflow in -9223372036854775808 - 1", "i=0");
    assert_false(run("func f(arg A[1] : i64, out Out[1] : i64) { Out[0] = A[0] / -1 }", ARGS(a, out)));
    EXPECT(ERR_RANGE, "i64 overflow");
    assert_true(run("func f(arg A[1] : i64, out Out[1] : i64) { Out[0] = select(A[0] < 0, 3, A[0] - 1) }", ARGS(a, out)));
    assert_int_equal(out[0], 3);
}

/* Passes copy allocs: the same buffer may be entered in several places. */
static void alloc_twice(void **s)
{
    struct buffer *out = ir_buffer(&c, "Out", DT_I8, SCOPE_ARG, 1, (int64_t[]){2});
    struct buffer *t = ir_buffer(&c, "T", DT_I8, SCOPE_LOCAL, 1, (int64_t[]){1});
    const struct stmt *half[2];
    for (int i = 0; i < 2; i++) {
        const struct expr *zero = ir_idx(&c, 0), *at = ir_idx(&c, i);
        const struct stmt *two[] = {
            ir_store(&c, t, 1, &zero, ir_int(&c, type_of(DT_I8), 40 + i), NULL),
            ir_store(&c, out, 1, &at, ir_load(&c, t, 1, &zero), NULL),
        };
        half[i] = ir_alloc(&c, t, ir_seq(&c, 2, two));
    }
    const struct buffer *args[] = {out};
    const struct func f = {"f", 1, args, ir_seq(&c, 2, half)};
    int8_t got[2];
    assert_true(interp_run(&c, &f, ARGS(got)));
    assert_int_equal(got[0], 40);
    assert_int_equal(got[1], 41);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(matmul, setup, teardown),
        cmocka_unit_test_setup_teardown(order, setup, teardown),
        cmocka_unit_test_setup_teardown(every_type, setup, teardown),
        cmocka_unit_test_setup_teardown(vectors, setup, teardown),
        cmocka_unit_test_setup_teardown(lazy_lanes, setup, teardown),
        cmocka_unit_test_setup_teardown(instructions, setup, teardown),
        cmocka_unit_test_setup_teardown(instruction_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(flat, setup, teardown),
        cmocka_unit_test_setup_teardown(unwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(alloc_twice, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
