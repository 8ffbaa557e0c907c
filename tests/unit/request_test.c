/* SPDX-License-Identifier: Apache-2.0 */
/* request_test.c - a request's text gives the same bytes in a context as new; artifacts survive being stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>

#include "runtime/compile.h"
#include "runtime/request.h"
#include "runtime/store.h"
#include "tests/support/harness.h"

/* ---- as another process would ---- */

struct other { const char *text; struct qj_artifact *out; };

static bool body_other(struct qj_ctx *q, void *u)
{
    struct other *o = u;
    qj_format format;
    if (!request_read(q, o->text, &format)) return false;
    o->out = compile_here(q, format);
    defer_cancel(&q->ir.defers, o->out);
    return o->out != NULL;
}

static qj_artifact *compile_text(const char *text)
{
    struct other o = {.text = text};
    qj_options opt = {.size = sizeof opt, .allow_asm = true};
    qj_ctx *q = qj_ctx_new(&opt);
    if (!api_run(q, API_KEEP, body_other, &o)) fprintf(stderr, "%s\n%s", qj_last_error(q)->text, text);
    char *again = qj_reproducer(q);
    assert_string_equal(again, text);
    qj_free(again);
    qj_ctx_free(q);
    return o.out;
}

static void same_bytes(const void *a, size_t na, const void *b, size_t nb)
{
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na);
}

/* Writes, reads, writes: the same bytes, texts and object. */
static void store_round_trip(const qj_artifact *a)
{
    struct err_state e;
    void *one, *two;
    size_t n1, n2;
    err_init(&e);
    assert_true(store_write(&e, a, &one, &n1));
    struct qj_artifact *b = store_read(&e, one, n1);
    if (!b) fail_msg("%s", e.first.msg);
    assert_true(store_write(&e, b, &two, &n2));
    same_bytes(one, n1, two, n2);
    same_bytes(a->a->bytes, a->a->size, b->a->bytes, b->a->size);
    char *text[] = {qj_artifact_json(a), qj_artifact_json(b), qj_artifact_header(a), qj_artifact_header(b)};
    assert_string_equal(text[0], text[1]);
    assert_string_equal(text[2], text[3]);
    for (size_t i = 0; i < ARRAY_LEN(text); i++) free(text[i]);
    assert_int_equal(a->ncall, b->ncall);
    for (int i = 0; i < a->ncall; i++) {
        assert_int_equal(a->call[i].main, b->call[i].main);
        assert_int_equal(a->call[i].pack, b->call[i].pack);
        assert_int_equal(a->call[i].layout.nphys, b->call[i].layout.nphys);
    }
    /* every shorter one is refused, without a crash */
    for (size_t n = 0; n < n1; n += n < 256 || n1 - n < 256 ? 1 : 97) {
        err_clear(&e);
        assert_null(store_read(&e, one, n));
        assert_true(err_is(&e));
    }
    qj_artifact_free(b);
    free(one);
    free(two);
    err_release(&e);
}

static void check_context(qj_ctx *q)
{
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    if (!a) fail_msg("%s", qj_last_error(q)->text);
    char *text = qj_reproducer(q);
    assert_non_null(text);
    qj_artifact *b = compile_text(text);
    assert_non_null(b);
    same_bytes(a->a->bytes, a->a->size, b->a->bytes, b->a->size);
    store_round_trip(a);
    qj_artifact_free(a);
    qj_artifact_free(b);
    qj_free(text);
}

/* ---- the tests ---- */

static void random_programs(void **state)
{
    uint64_t n = env_number("QJ_N", 200), seed = env_number("QJ_SEED", 1), failed = 0, compiled = 0;
    static const char *const target[] = {"x86-64-v3", "x86-64-v4,+avx512vnni", "generic", "native"};
    for (uint64_t i = 0; i < n; i++) {
        struct rng r = {seed * 1000003 + i};
        qj_ctx *q = qj_ctx_new(NULL);
        assert_true(qj_define(q, gen_program(&q->ir.arena, &r)));
        assert_true(qj_target(q, target[i % ARRAY_LEN(target)]));
        for (int k = (int)rng_int(&r, 0, 6); k-- > 0;) {
            const char *plan = k == 0 ? gen_plan(&q->ir.arena, &r, api_sched(q)) : NULL;
            if (!qj_step(q, plan ? plan : gen_step(&q->ir.arena, &r, api_sched(q)))) qj_clear_error(q);
        }
        qj_artifact *a = qj_compile(q, QJ_OBJ); /* some kernels are refused, as too large */
        failed += !a;
        qj_clear_error(q);
        if (a) check_context(q), compiled++;
        qj_artifact_free(a);
        qj_ctx_free(q);
    }
    print_message("%d programs the same, %d not compiled\n", (int)compiled, (int)failed);
    assert_true(compiled > n / 2);
}

static void typed_calls(void **state)
{
    qj_options opt = {.size = sizeof opt, .allow_asm = true};
    qj_ctx *q = qj_ctx_new(&opt);
    assert_true(qj_input(q, "A", QJ_I16, 2, (int64_t[]){16, 64}, (const char *const[]){"m", "k"}));
    assert_true(qj_weight(q, "W", QJ_I16, 2, (int64_t[]){32, 64}, (const char *const[]){"n", "k"}));
    assert_true(qj_compute(q, "C[m, n:32]", QJ_I32, "sum(k) i32(A[m, k]) * i32(W[n, k])"));
    assert_true(qj_name(q, "typed"));
    assert_true(qj_target(q, "x86-64-v3"));
    assert_true(qj_intrinsic(q, "mine", "C: i32[8], A: i16[2], B: i16[8,2]", "C[i] += i32(A[k]) * i32(B[i,k])",
                             "add(C, @llvm.x86.avx2.pmadd.wd(A, B))", "avx2"));
    assert_true(qj_split(q, "C", "n", 8, QJ_TAIL_GUARD, "no", "ni"));
    assert_true(qj_step(q, "transform_layout W NK8n2k; split C.k 2 -> ko ki; reorder C m no ko ni ki; tensorize C.ni mine; parallel C.m"));
    check_context(q);
    qj_ctx_free(q);
}

static void refused(void **state)
{
    static const char *const text[] = {
        "", "# qjit 9.9.9, LLVM 19.1.7: object\nname k\n", "name k\ninput A[1] : u8\n", "quit", "\"", "# qjit"};
    for (size_t i = 0; i < ARRAY_LEN(text); i++) {
        qj_ctx *q = qj_ctx_new(NULL);
        struct other o = {.text = text[i]};
        assert_false(api_run(q, API_KEEP, body_other, &o));
        assert_non_null(qj_last_error(q));
        qj_ctx_free(q);
    }
    qj_ctx *q = qj_ctx_new(NULL);
    assert_false(qj_intrinsic(q, "two", "C: i32[8]\n", "C[i] = 1", "C", NULL));
    assert_string_equal(qj_last_error(q)->code, "bad-intrinsic");
    char *text_then = qj_reproducer(q); /* the error stays, the text comes all the same */
    assert_non_null(text_then);
    assert_string_equal(qj_last_error(q)->code, "bad-intrinsic");
    assert_non_null(strstr(qj_last_error(q)->text, "line break"));
    qj_free(text_then);
    qj_ctx_free(q);
    assert_null(qj_reproducer(NULL));
}

/* A number of operations of which twice is none; a program that has more than any number. */
static void too_many_operations(void **state)
{
    qj_ctx *q = qj_ctx_new(NULL);
    assert_true(qj_define(q, "input A[n:4] : u8\nC[n] : i32 = sum(a:1048576, b:1048576, c:1048576, d:1048576) "
                             "i32(A[n]) * i32(u8(a + b + c + d))"));
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    if (!a) fail_msg("%s", qj_last_error(q)->text);
    assert_int_equal(a->a->macs, INT64_MAX / 2);
    store_round_trip(a);
    a->a->macs = INT64_MAX / 2 + 1;
    void *bytes;
    size_t n;
    struct err_state e;
    err_init(&e);
    assert_true(store_write(&e, a, &bytes, &n));
    assert_null(store_read(&e, bytes, n));
    free(bytes);
    err_release(&e);
    qj_artifact_free(a);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_programs), cmocka_unit_test(typed_calls), cmocka_unit_test(too_many_operations),
        cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
