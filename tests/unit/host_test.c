/* SPDX-License-Identifier: Apache-2.0 */
/* host: what belongs to the host stays the host's - its locale, its signals - and does not change what is computed. */
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/qjit.h"

static const char program[] = "input A[m:16] : f32\nC[m] : f32 = A[m] * 0.375 + 1.5e-3";

static qj_ctx *open_ctx(void)
{
    qj_ctx *q = qj_ctx_new(NULL);
    assert_true(qj_define(q, program));
    return q;
}

/* Where a decimal point is a comma, texts are read and written as ever. */
static void locale_with_commas(void **s)
{
    if (!setlocale(LC_ALL, "de_DE.UTF-8")) skip();
    char here[16];
    snprintf(here, sizeof here, "%.1f", 0.5);
    assert_string_equal(here, "0,5");
    qj_ctx *q = open_ctx();
    char *text = qj_program_text(q);
    assert_non_null(strstr(text, "0.375"));
    assert_null(strstr(text, "0,"));
    qj_kernel *k = qj_build(q);
    float a[16], c[16];
    for (int i = 0; i < 16; i++) a[i] = (float)i;
    qj_tensor *t[] = {qj_tensor_from_data(QJ_F32, 1, (int64_t[]){16}, a), qj_tensor_from_data(QJ_F32, 1, (int64_t[]){16}, c)};
    assert_true(qj_kernel_call(k, t, 2, NULL));
    for (int i = 0; i < 16; i++) assert_true(c[i] == a[i] * 0.375f + 1.5e-3f);
    char *json = qj_artifact_json(qj_kernel_artifact(k));
    assert_null(strstr(json, "0,375"));
    snprintf(here, sizeof here, "%.1f", 0.5);
    assert_string_equal(here, "0,5"); /* the host's is as it was */
    for (int i = 0; i < 2; i++) qj_tensor_free(t[i]);
    qj_free(json);
    qj_free(text);
    qj_kernel_free(k);
    qj_ctx_free(q);
    setlocale(LC_ALL, "C");
}

/* A limit on the size of files is an error, not a signal, and leaves no file behind. */
static void file_too_large(void **s)
{
    char dir[] = "/tmp/qjit-host-XXXXXX", path[64], rest[80];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/k.o", dir);
    pid_t child = fork();
    if (!child) {
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){100, 100});
        qj_ctx *q = open_ctx();
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        bool saved = qj_artifact_save(q, a, path);
        sigset_t pending;
        sigpending(&pending);
        const qj_error *e = qj_last_error(q);
        _exit(!saved && e && !strcmp(e->code, "file") && !sigismember(&pending, SIGXFSZ) ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    snprintf(rest, sizeof rest, "rmdir %s", dir);
    assert_int_equal(system(rest), 0); /* it is empty */
}

/* A row that does not do what it says: the hint points there, not at us. */
static void lying_instruction(void **s)
{
    qj_ctx *q = qj_ctx_new(NULL);
    assert_true(qj_define(q, "input A[m:8] : i32; input B[m:8] : i32; C[m] : i32 = A[m] + B[m]"));
    assert_true(qj_target(q, "generic"));
    assert_true(qj_intrinsic(q, "liar", "C: i32[8], A: i32[8], B: i32[8]", "C[i] = A[i] + B[i]", "sub(A, B)", NULL));
    assert_true(qj_step(q, "tensorize C.m liar"));
    qj_kernel *k = qj_build(q);
    assert_non_null(k);
    assert_false(qj_check(q, k, NULL));
    assert_string_equal(qj_last_error(q)->code, "mismatch");
    assert_non_null(strstr(qj_last_error(q)->hint, "liar is an instruction of your own"));
    qj_kernel_free(k);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(locale_with_commas), cmocka_unit_test(file_too_large),
                                       cmocka_unit_test(lying_instruction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
