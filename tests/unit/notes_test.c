/* SPDX-License-Identifier: Apache-2.0 */
/* notes_test.c - slow paths and explanations as a host gets them: the log, values of the artifact, metadata, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

#include "ir/base/json.h"
#include "runtime/qjit.h"

static const char product[] = "input A[m:8, k:16] : u8; weight W[n:16, k:16] : i8\n"
                              "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";

static void count_note(void *user, const char *code, const char *text)
{
    int *n = user;
    *n += !strcmp(code, "no-instruction") && strstr(text, "products of C");
}

static void notes_reach_the_host(void **s)
{
    int told = 0;
    qj_options o = {.size = sizeof o, .log = count_note, .user = &told};
    qj_ctx *q = qj_ctx_new(&o);
    assert_true(qj_define(q, product) && qj_target(q, "x86-64-v3"));
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    qj_note n;
    assert_int_equal(told, 1);
    assert_int_equal(qj_artifact_nnotes(a), 1);
    assert_true(qj_artifact_note(a, 0, &n));
    assert_string_equal(n.code, "no-instruction");
    assert_string_equal(n.place, "C");
    assert_false(qj_artifact_note(a, 1, &n));
    assert_false(qj_artifact_note(a, -1, &n));
    char *json = qj_artifact_json(a);
    assert_non_null(strstr(json, "\"code\": \"no-instruction\""));
    qj_free(json);
    qj_artifact_free(a);
    assert_true(qj_template(q, ""));
    a = qj_compile(q, QJ_OBJ);
    assert_int_equal(told, 1); /* nothing more to say */
    assert_int_equal(qj_artifact_nnotes(a), 0);
    qj_artifact_free(a);
    assert_int_equal(qj_artifact_nnotes(NULL), 0);
    qj_ctx_free(q);
}

/* How many rows of this name are taken; *unlock: of the last of them. */
static int taken(struct err_state *e, const struct json *rows, const char *name, const char **unlock)
{
    int n = 0;
    for (int i = 0; i < rows->n; i++) {
        bool yes = false;
        const struct json *at = json_find(rows->at[i], "name"), *u = json_find(rows->at[i], "unlock");
        json_bool(e, json_at(e, rows->at[i], "taken"), &yes);
        if (!at || at->kind != JSON_STRING || strcmp(at->text, name)) continue;
        n += yes;
        *unlock = u && u->kind == JSON_STRING ? u->text : NULL;
    }
    return n;
}

static void explanations_are_data(void **s)
{
    qj_ctx *q = qj_ctx_new(NULL);
    struct arena arena;
    struct err_state e;
    const char *unlock = NULL;
    arena_init(&arena, NULL);
    err_init(&e);
    assert_true(qj_define(q, product) && qj_target(q, "x86-64-v3") && qj_template(q, "row=dot2_i16i8_avx2"));
    char *text = qj_explain_json(q);
    const struct json *rows = json_parse(&arena, &e, "explain", text, strlen(text));
    assert_non_null(rows);
    assert_int_equal(taken(&e, rows, "dot2_i16i8_avx2", &unlock), 1);
    assert_null(unlock);
    assert_int_equal(taken(&e, rows, "dot4_u8i8_maddubs_avx2", &unlock), 0);
    assert_non_null(strstr(unlock, "declare activations A in 0..128"));
    assert_int_equal(taken(&e, rows, "dot4_u8i8_avxvnni", &unlock), 0);
    assert_string_equal(unlock, "a target with avxvnni");
    qj_free(text);
    assert_null(qj_explain_json(NULL));
    err_release(&e);
    arena_release(&arena);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(notes_reach_the_host), cmocka_unit_test(explanations_are_data)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
