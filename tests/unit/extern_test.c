/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the host's in expressions: every pair of types against the oracle, scalar and in vectors; never called
 * where a guard, a select or a mask excludes it; who lives how long; text, names, objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/interp.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "runtime/qjit.h"

typedef void plain(void);

static void ok(const qj_ctx *q)
{
    const qj_error *e = qj_last_error(q);
    if (e) fail_msg("%s", e->text);
}

static void fails(qj_ctx *q, const char *code, const char *words)
{
    const qj_error *e = qj_last_error(q);
    assert_non_null(e);
    if (strcmp(e->code, code) || !strstr(e->text, words)) fail_msg("not %s, %s: %s", code, words, e->text);
    qj_clear_error(q);
}

static qj_kernel *built(qj_ctx *q)
{
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_non_null(k);
    return k;
}

/* ---- all types ---- */

static uint64_t mix(const void *p, size_t n)
{
    uint64_t x = 0;
    memcpy(&x, p, n);
    return (x + 1) * 0x9e3779b97f4a7c15u >> 17;
}

#define TO_INT(R, x) (R)(x)
#define TO_BOOL(R, x) ((x)&1)
#define TO_F32(R, x) ((float)(int16_t)(x) / 8)
#define FROM(T, t) \
    static bool t##_bool(T a) { return TO_BOOL(bool, mix(&a, sizeof a)); } \
    static int8_t t##_i8(T a) { return TO_INT(int8_t, mix(&a, sizeof a)); } \
    static uint8_t t##_u8(T a) { return TO_INT(uint8_t, mix(&a, sizeof a)); } \
    static int16_t t##_i16(T a) { return TO_INT(int16_t, mix(&a, sizeof a)); } \
    static uint16_t t##_u16(T a) { return TO_INT(uint16_t, mix(&a, sizeof a)); } \
    static int32_t t##_i32(T a) { return TO_INT(int32_t, mix(&a, sizeof a)); } \
    static int64_t t##_i64(T a) { return TO_INT(int64_t, mix(&a, sizeof a) * 0x10001); } \
    static float t##_f32(T a) { return TO_F32(float, mix(&a, sizeof a)); }
#define NAMES(t) \
    {(plain *)t##_bool, (plain *)t##_i8, (plain *)t##_u8, (plain *)t##_i16, (plain *)t##_u16, (plain *)t##_i32, \
     (plain *)t##_i64, (plain *)t##_f32}
FROM(bool, bool) FROM(int8_t, i8) FROM(uint8_t, u8) FROM(int16_t, i16) FROM(uint16_t, u16) FROM(int32_t, i32)
FROM(int64_t, i64) FROM(float, f32)
static plain *const table[8][8] = {NAMES(bool), NAMES(i8), NAMES(u8), NAMES(i16), NAMES(u16), NAMES(i32), NAMES(i64), NAMES(f32)};
static const char *const type_name[8] = {"bool", "i8", "u8", "i16", "u16", "i32", "i64", "f32"};

static void test_types(void **state)
{
    (void)state;
    static const char *const steps[] = {"", "split O.i 16 -> a b; vectorize O.b", "parallel O.i"};
    for (int a = 0; a < 8; a++)
        for (int r = 0; r < 8; r++) {
            qj_ctx *q = qj_ctx_new(NULL);
            char text[200];
            snprintf(text, sizeof text, "f(%s) : %s", type_name[a], type_name[r]);
            qj_extern(q, text, table[a][r]);
            snprintf(text, sizeof text, "input A[i:45] : %s; O[i] : %s = f(A[i])", type_name[a], type_name[r]);
            qj_define(q, text);
            qj_step(q, steps[(a + r) % 3]);
            qj_kernel *k = built(q);
            if (!qj_check(q, k, NULL)) fail_msg("%s: %s", text, qj_last_error(q)->text);
            qj_kernel_free(k);
            qj_ctx_free(q);
        }
}

/* The bits that a value has in its register beyond its type: a callee may count on the caller's. */
static int64_t wide8(int64_t x) { return x; }

static int32_t many(int8_t a, float b, uint16_t c, bool d, int64_t e, int32_t f, float g, uint8_t h)
{
    return (int32_t)((uint32_t)a * 3u + (uint32_t)(int32_t)(b * 64) + (uint32_t)c * 5u + d * 7u + (uint32_t)e * 11u + (uint32_t)f * 13u +
                     (uint32_t)(int32_t)(g * 32) + (uint32_t)h * 17u);
}

static void test_many_arguments(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_extern(q, "many(i8, f32, u16, bool, i64, i32, f32, u8) : i32", (plain *)many);
    qj_define(q, "input A[i:5, k:70] : i8; input B[k:70] : f32; input C[i:5, k:70] : u16\n"
                 "O[i, k] : i32 = many(A[i, k], B[k], C[i, k], A[i, k] > 3, i64(C[i, k]) - 7, i32(A[i, k]) * 77, -1.5, 200)\n"
                 "S[i] : i32 = sum(k) O[i, k]");
    qj_kernel *k = built(q);
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
    static const char *const steps[] = {"compute_inline O", "compute_inline O; parallel S.i", "compute_at O S.i; split O.k 14 -> ko ki; vectorize O.ki",
                                        "split O.k 16 -> ko ki; vectorize O.ki; parallel O.i",
                                        "compute_inline O; split S.k 8 -> ko ki; rfactor S.ki -> R; vectorize R.ki"};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        while (qj_nsteps(q)) qj_undo(q);
        qj_step(q, steps[s]);
        ok(q);
        k = built(q);
        if (!qj_check(q, k, NULL)) fail_msg("%s: %s", steps[s], qj_last_error(q)->text);
        qj_kernel_free(k);
    }
    qj_ctx_free(q);
#if defined(__x86_64__) /* arguments come extended to 32 bits: as a wider function sees them */
    q = qj_ctx_new(NULL);
    qj_extern(q, "f(i8) : i64", (plain *)wide8);
    qj_define(q, "input A[i:256] : u8; O[i] : i64 = f(i8(A[i])) & 0xffffffff; P[i] : i64 = i64(i32(i8(A[i]))) & 0xffffffff");
    k = built(q);
    qj_tensor *a = qj_tensor_new(QJ_U8, 1, (int64_t[]){256}), *o = qj_tensor_new(QJ_I64, 1, (int64_t[]){256}),
              *p = qj_tensor_new(QJ_I64, 1, (int64_t[]){256});
    for (int i = 0; i < 256; i++) ((uint8_t *)a->data)[i] = (uint8_t)i;
    assert_true(qj_kernel_call(k, (qj_tensor *[]){a, o, p}, 3, NULL));
    assert_memory_equal(o->data, p->data, 256 * 8);
    qj_tensor_free(a), qj_tensor_free(o), qj_tensor_free(p);
    qj_kernel_free(k);
    qj_ctx_free(q);
#endif
}

/* ---- where it is called ---- */

static atomic_int called[64], calls;
static int32_t seen(int32_t at, int32_t x)
{
    atomic_fetch_add(&calls, 1);
    if (at < 0 || at >= 64) fail_msg("called for %d", at);
    atomic_fetch_add(&called[at], 1);
    return x ^ at;
}

/* Compiles `text` under the steps and calls it: who was called is allowed[i]; whatever is needed has been. */
static void calls_only(const char *text, const char *steps, bool (*allowed)(int i, int32_t x))
{
    qj_ctx *q = qj_ctx_new(NULL);
    qj_extern(q, "seen(i32, i32) : i32", (plain *)seen);
    qj_define(q, text);
    qj_step(q, steps);
    qj_kernel *k = built(q);
    qj_tensor *a = qj_tensor_new(QJ_I32, 1, (int64_t[]){37}), *o = qj_tensor_new(QJ_I32, 1, (int64_t[]){37});
    qj_tensor_fill(a, 3, -1000, 1000);
    memset(called, 0, sizeof called);
    assert_true(qj_kernel_call(k, (qj_tensor *[]){a, o}, 2, NULL));
    for (int i = 0; i < 64; i++) {
        bool may = i < 37 && allowed(i, ((int32_t *)a->data)[i]);
        if ((called[i] != 0) != may) fail_msg("%s; %s: %d is called %d times", text, steps, i, called[i]);
        int32_t want = may ? ((int32_t *)a->data)[i] ^ i : -5;
        if (i < 37) assert_int_equal(((int32_t *)o->data)[i], want);
    }
    assert_true(qj_check(q, k, NULL));
    qj_tensor_free(a), qj_tensor_free(o);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static bool all(int i, int32_t x) { return true; }
static bool early(int i, int32_t x) { return i < 20; }
static bool positive(int i, int32_t x) { return x > 0; }
static bool both(int i, int32_t x) { return i >= 3 && i < 30 && x > 0; }

static void test_guards(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "", "split O.i 16 -> a b; vectorize O.b", "split O.i 16 tail=peel -> a b; vectorize O.b",
        "split O.i 8 -> a b; vectorize O.b; parallel O.a", "split O.i 8 -> a b; unroll O.b", "split O.i 4 -> a b; parallel O.a",
        "split O.i 5 -> a b; vectorize O.b",
    };
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        calls_only("input A[i:37] : i32; O[i] : i32 = seen(i32(i), A[i])", steps[s], all);
        calls_only("input A[i:37] : i32; O[i] : i32 = select(i < 20, seen(i32(i), A[i]), -5)", steps[s], early);
        calls_only("input A[i:37] : i32; O[i] : i32 = select(A[i] > 0, seen(i32(i), A[i]), -5)", steps[s], positive);
        calls_only("input A[i:37] : i32; O[i] : i32 = select(A[i] <= 0, -5, seen(i32(i), A[i]))", steps[s], positive);
        calls_only("input A[i:37] : i32\nO[i] : i32 = select(i >= 3 & i < 30, select(A[i] > 0, seen(i32(i), A[i]), -5), -5)",
                   steps[s], both);
        calls_only("input A[i:37] : i32\nO[i] : i32 = select(i < 20, min(seen(i32(i), A[i]), seen(i32(i), A[i])), -5)", steps[s],
                   early);
    }
    /* it is pure: what does not change in a loop is called once for the loop */
    qj_ctx *q = qj_ctx_new(NULL);
    qj_extern(q, "seen(i32, i32) : i32", (plain *)seen);
    qj_define(q, "input A[i:4] : i32; O[i, k:64] : i32 = seen(i32(i), A[i])");
    qj_step(q, "split O.k 16 -> ko ki; vectorize O.ki");
    qj_kernel *k = built(q);
    qj_tensor *a = qj_tensor_new(QJ_I32, 1, (int64_t[]){4}), *o = qj_tensor_new(QJ_I32, 2, (int64_t[]){4, 64});
    calls = 0;
    assert_true(qj_kernel_call(k, (qj_tensor *[]){a, o}, 2, NULL));
    assert_true(calls >= 4 && calls <= 16);
    qj_tensor_free(a), qj_tensor_free(o);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

/* ---- lives ---- */

static int released;
static void release(void *user) { released++, free(user); }
static void add(void *user, void *const *args, void *result)
{
    int16_t x;
    memcpy(&x, args[0], sizeof x);
    x = (int16_t)(x + *(int16_t *)user);
    memcpy(result, &x, sizeof x);
}
static int16_t twice(int16_t x) { return (int16_t)(2 * x); }

static int16_t *number(int16_t n)
{
    int16_t *p = malloc(sizeof *p);
    *p = n;
    return p;
}

static int run_one(const qj_kernel *k, int16_t x)
{
    qj_tensor *a = qj_tensor_new(QJ_I16, 1, (int64_t[]){1}), *o = qj_tensor_new(QJ_I16, 1, (int64_t[]){1});
    *(int16_t *)a->data = x;
    assert_true(qj_kernel_call(k, (qj_tensor *[]){a, o}, 2, NULL));
    int y = *(int16_t *)o->data;
    qj_tensor_free(a), qj_tensor_free(o);
    return y;
}

static void test_lives(void **state)
{
    (void)state;
    static const char text[] = "extern f(i16) : i16; input A[i:1] : i16; O[i] : i16 = f(A[i])";
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, text);
    assert_null(qj_build(q)); /* no address yet */
    fails(q, "link", "qj_extern");
    released = 0;
    assert_true(qj_extern_closure(q, "f(i16) : i16", add, number(5), release));
    qj_kernel *k1 = built(q);
    assert_true(qj_extern(q, "f(i16) : i16", (plain *)twice)); /* anew, for what is linked from now on */
    qj_kernel *k2 = built(q);
    assert_true(qj_extern_closure(q, "f(i16) : i16", add, number(-100), release));
    qj_kernel *k3 = built(q);
    for (int x = INT16_MIN; x <= INT16_MAX; x += 4369) {
        assert_int_equal(run_one(k1, (int16_t)x), (int16_t)(x + 5));
        assert_int_equal(run_one(k2, (int16_t)x), (int16_t)(2 * x));
        assert_int_equal(run_one(k3, (int16_t)x), (int16_t)(x - 100));
    }
    assert_int_equal(released, 0);
    assert_true(qj_check(q, k1, NULL)); /* with the function that it was linked to */
    assert_true(qj_check(q, k2, NULL));
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    while (fgets(line, sizeof line, maps))
        if (strstr(line, " rwx")) fail_msg("writable code: %s", line);
    fclose(maps);
    qj_ctx_free(q);
    assert_int_equal(released, 0);
    assert_int_equal(run_one(k3, 7), -93);
    qj_kernel_free(k3);
    assert_int_equal(released, 1);
    assert_int_equal(run_one(k1, 7), 12);
    qj_kernel_free(k1);
    assert_int_equal(released, 2);
    qj_kernel_free(k2);
    /* many times in one linker, whose tables are used again */
    q = qj_ctx_new(NULL);
    qj_define(q, text);
    for (int i = 0; i < 20; i++) {
        assert_true(qj_extern_closure(q, "f(i16) : i16", add, number((int16_t)i), release));
        k1 = built(q);
        assert_int_equal(run_one(k1, 1000), 1000 + i);
        qj_kernel_free(k1);
    }
    assert_int_equal(released, 21);
    qj_ctx_reset(q);
    assert_int_equal(released, 22);
    qj_define(q, text);
    assert_null(qj_build(q));
    fails(q, "link", "has given no address");
    /* refused: whose it was it stays */
    int16_t mine = 3;
    assert_false(qj_extern_closure(q, "f(i16) : i32", add, &mine, release));
    fails(q, "redefined", "other types");
    assert_false(qj_extern_closure(q, "f(i16 : i32", add, &mine, release));
    fails(q, "syntax", "");
    assert_false(qj_extern_closure(q, "f(i16) : i16; input Z[3] : i8", add, &mine, release));
    fails(q, "syntax", "not one declaration");
    assert_false(qj_extern_closure(q, "f(i16) : i16", NULL, &mine, release));
    fails(q, "usage", "missing");
    assert_false(qj_extern(q, NULL, (plain *)twice));
    fails(q, "usage", "missing");
    assert_false(qj_extern(NULL, "f(i16) : i16", (plain *)twice));
    qj_ctx_free(q);
    assert_int_equal(released, 22);
}

/* ---- text, names, objects ---- */

static float not_sine(float x) { return x + 1; }

static void test_names(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    static const char *const bad[][3] = {
        {"extern double(i8) : i8", "syntax", "word of C"},
        {"extern memcpy(i8) : i8", "syntax", "C library"},
        {"extern clamp(i8) : i8", "redefined", "word of the language"},
        {"extern g(i8) : i8; extern g(i8) : i8", "redefined", "declared already"},
        {"extern g(i8) : i8; input g[4] : i8", "redefined", "declared already"},
        {"input g[4] : i8; extern g(i8) : i8", "redefined", "defined already"},
        {"extern g() : i8", "syntax", "expected a name"},
        {"extern g(i8, i8, i8, i8, i8, i8, i8, i8, i8) : i8", "too-large", "more than 8"},
        {"extern g(i8)", "syntax", ""},
        {"extern g(i8) : i8; input A[4] : i16; B[i] : i8 = g(A[i])", "type", "argument 1 of g is i8"},
        {"extern g(i8, i8) : i8; input A[4] : i8; B[i] : i8 = g(A[i])", "syntax", "g takes 2 arguments"},
        {"extern g(i8) : i64; input A[4] : i8; B[i] : i8 = A[g(A[i])]", "shape", "runs over"},
        {"input A[4] : i8; B[i] : i8 = g(A[i])", "unknown-name", "no function is called g"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(qj_define(q, bad[i][0]));
        fails(q, bad[i][1], bad[i][2]);
    }
    /* whatever LLVM knows of a name is not ours */
    qj_extern(q, "sinf(f32) : f32", (plain *)not_sine);
    qj_define(q, "input A[i:3] : f32; O[i] : f32 = A[i] + sinf(0.5)");
    qj_kernel *k = built(q);
    qj_tensor *a = qj_tensor_new(QJ_F32, 1, (int64_t[]){3}), *o = qj_tensor_new(QJ_F32, 1, (int64_t[]){3});
    assert_true(qj_kernel_call(k, (qj_tensor *[]){a, o}, 2, NULL));
    assert_true(((float *)o->data)[1] == 1.5f);
    qj_tensor_free(a), qj_tensor_free(o);
    qj_kernel_free(k);
    assert_false(qj_name(q, "sinf"));
    fails(q, "syntax", "a function of the C library");
    qj_define(q, "extern own(f32) : f32; P[i] : f32 = own(O[i])");
    assert_true(qj_name(q, "own"));
    assert_null(qj_compile(q, QJ_OBJ));
    fails(q, "redefined", "give the kernel another name");
    qj_ctx_free(q);
}

static void test_text(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL), *r = qj_ctx_new(NULL);
    qj_define(q, "extern f(i8, bool) : u16; extern unused(i8) : i8; input A[i:40] : i8\n"
                 "B[i] : u16 = f(A[i], A[i] < 3); C[i] : u16 = f(3, bool(1)) + B[i]");
    qj_step(q, "split C.i 16 -> a b; vectorize C.b; compute_at B C.a; vectorize B.i");
    ok(q);
    char *text = qj_program_text(q), *again;
    assert_non_null(strstr(text, "extern f(i8, bool) : u16\nB[i:40]"));
    qj_define(r, text);
    ok(r);
    again = qj_program_text(r);
    assert_string_equal(text, again);
    qj_free(text), qj_free(again);
    char *steps = qj_steps_text(q);
    qj_step(r, steps);
    qj_artifact *x = qj_compile(q, QJ_OBJ), *y = qj_compile(r, QJ_OBJ); /* nobody has given an address */
    ok(q), ok(r);
    size_t n, m;
    const void *p = qj_artifact_bytes(x, &n), *s = qj_artifact_bytes(y, &m);
    assert_int_equal(n, m);
    assert_memory_equal(p, s, n);
    char *header = qj_artifact_header(x), *json = qj_artifact_json(x), *repro = qj_reproducer(q);
    assert_non_null(strstr(header, "uint16_t f(int8_t, bool);"));
    assert_non_null(strstr(header, "#include <stdbool.h>"));
    assert_non_null(strstr(json, "\"externs\""));
    assert_non_null(strstr(repro, "extern f(i8, bool) : u16"));
    bool noted = false;
    for (int i = 0; i < qj_artifact_nnotes(x); i++) {
        qj_note note;
        assert_true(qj_artifact_note(x, i, &note));
        noted |= !strcmp(note.code, "scalarised") && strstr(note.text, "the call of f");
    }
    assert_true(noted);
    qj_free(header), qj_free(json), qj_free(repro), qj_free(steps);
    qj_artifact_free(x), qj_artifact_free(y);
    /* extended for the callee, on each machine */
    static const char *const targets[] = {"x86-64-v3", "aarch64"};
    for (int i = 0; i < 2; i++) {
        qj_target(q, targets[i]);
        ok(q);
        x = qj_compile(q, QJ_LL);
        ok(q);
        assert_non_null(strstr(qj_artifact_bytes(x, NULL), "i16 @f(i8 signext, i8 zeroext)"));
        qj_artifact_free(x);
        x = qj_compile(q, QJ_OBJ);
        ok(q);
        qj_artifact_free(x);
    }
    /* a GPU cannot call it */
    qj_ctx_reset(r);
    qj_define(r, "extern f(i8) : i8; input A[i:64] : i8; B[i] : i8 = f(A[i])");
    qj_target(r, "sm_80");
    qj_bind(r, "B", "i", QJ_THREAD_X);
    ok(r);
    assert_null(qj_compile(r, QJ_PTX));
    fails(r, "unsupported", "f is a function of the host's, which sm_80 cannot call");
    qj_ctx_free(q);
    qj_ctx_free(r);
}

/* A nest is printed with what it needs to be read again, and interpreted by whoever can call. */
static bool call_seven(void *u, struct ir_ctx *c, const struct ext *f, const union value *arg, union value *out)
{
    ++*(int *)u;
    out->i = arg[0].i * 7 + 300; /* wrapped into i8 by the caller */
    return true;
}

static void test_nest(void **state)
{
    (void)state;
    static const char text[] = "extern f(i64) : i8\n"
                               "func k(out O[8] : i8) {\n"
                               "  O[ramp(0, 1, 8)] = f(ramp(3, 1, 8)) where ramp(0, 1, 8) < 5\n"
                               "}\n";
    struct ir_ctx c;
    int n = 0;
    ir_ctx_init(&c, 0);
    struct lexer lx = lex_on(&c, NULL, text, strlen(text));
    const struct func *f = lex_skip_ends(&lx) ? parse_func(&lx, NULL, NULL) : NULL;
    assert_non_null(f);
    struct str s = str_on(&c.arena);
    print_func(&s, f);
    assert_string_equal(str_text(&s), text);
    int8_t out[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    assert_false(interp_run(&c, f, (void *[]){out})); /* nobody can */
    assert_int_equal(c.err.first.code, ERR_UNSUPPORTED);
    err_clear(&c.err);
    c.host = (struct ir_host){call_seven, &n};
    assert_true(interp_run(&c, f, (void *[]){out}));
    assert_int_equal(n, 5);
    for (int i = 0; i < 8; i++) assert_int_equal(out[i], i < 5 ? (int8_t)((i + 3) * 7 + 300) : 1);
    ir_ctx_release(&c);
}

/* A weight gets values after the function was declared. */
static void test_embed(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    int64_t shape[1] = {4};
    qj_tensor *w = qj_tensor_new(QJ_I32, 1, shape);
    qj_define(q, "extern f(i32) : i32; input A[m:4] : i32; weight W[m:4] : i32; C[m] : i32 = f(A[m]) + W[m]");
    assert_true(qj_embed(q, "W", w));
    qj_define(q, "D[m] : i32 = f(C[m])");
    ok(q);
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    ok(q);
    assert_non_null(a);
    qj_artifact_free(a);
    qj_tensor_free(w);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types), cmocka_unit_test(test_many_arguments), cmocka_unit_test(test_guards),
        cmocka_unit_test(test_lives), cmocka_unit_test(test_names), cmocka_unit_test(test_text), cmocka_unit_test(test_nest),
        cmocka_unit_test(test_embed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
