/* SPDX-License-Identifier: Apache-2.0 */
/* ptxas: what is asked of NVIDIA's assembler, with scripts in its place: counts and spills in the metadata, machine code, and
 * one that hangs, floods, dies, lies or is not there. The PTX is the same whatever it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/qjit.h"

static char dir[] = "/tmp/qjit-ptxas.XXXXXX", path[64];
static char told[1000];

/* From now on ptxas is this. */
static void script(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", text);
    fclose(f);
    chmod(path, 0700);
    setenv("QJIT_PTXAS", path, 1);
}

static void listen(void *user, const char *code, const char *text)
{
    (void)user;
    snprintf(told + strlen(told), sizeof told - strlen(told), "[%s] %s\n", code, text);
}

static qj_ctx *open_ctx(int64_t deadline_ms)
{
    qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .log = listen, .deadline_ms = deadline_ms});
    qj_target(q, "sm_80");
    qj_define(q, "input A[m:64] : u8\nB[m] : i32 = i32(A[m]) * 3");
    qj_step(q, "bind B.m threadIdx.x");
    qj_name(q, "triple");
    *told = 0;
    if (qj_last_error(q)) fail_msg("%s", qj_last_error(q)->text);
    return q;
}

static int setup(void **s)
{
    setenv("QJIT_CUDA_DRIVER", QJ_CUDA_EMU, 1);
    setenv("QJIT_EMU_SM", "86", 1);
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/ptxas", dir);
    return 0;
}
static int teardown(void **s)
{
    unlink(path);
    rmdir(dir);
    return 0;
}

/* Machine code that the emulated driver runs: the PTX itself. */
#define GOOD(spill)                                                                                                       \
    "[ \"$1\" = --version ] && { echo 'Cuda compilation tools, release 12.4, V12.4.131'; exit; }\n"                       \
    "[ \"$*\" = '-arch=sm_80 -v /dev/stdin -o /dev/stdout' ] || exit 3\n"                                                 \
    "cat\n"                                                                                                               \
    "echo \"ptxas info    : Compiling entry function 'other' for 'sm_80'\" >&2\n"                                         \
    "echo 'ptxas info    : Used 99 registers' >&2\n"                                                                      \
    "echo \"ptxas info    : Compiling entry function 'triple' for 'sm_80'\" >&2\n"                                        \
    "echo 'ptxas info    : Function properties for triple' >&2\n"                                                         \
    "echo '    " spill " spill loads' >&2\n"                                                                              \
    "echo 'ptxas info    : Used 12 registers, used 0 barriers, 368 bytes cmem[0]' >&2"

static void expect_json(const qj_artifact *a, const char *text)
{
    char *json = qj_artifact_json(a), *at = json, *to = json;
    for (; *at; at++)
        if (*at != ' ' && *at != '\n') *to++ = *at;
    *to = 0;
    if (!strstr(json, text)) fail_msg("no %s in %s", text, json);
    qj_free(json);
}

static void counts(void **s)
{
    script(GOOD("0 bytes stack frame, 0 bytes spill stores, 0 bytes"));
    qj_ctx *q = open_ctx(0);
    qj_artifact *a = qj_compile(q, QJ_PTX);
    assert_non_null(a);
    expect_json(a, "\"ptxas\":{\"version\":\"12.4.131\",\"registers\":12,\"stack\":0,\"spill_stores\":0,\"spill_loads\":0}");
    assert_int_equal(qj_artifact_nnotes(a), 0);
    assert_string_equal(told, "");
    qj_artifact_free(a);
    script(GOOD("24 bytes stack frame, 16 bytes spill stores, 20 bytes"));
    a = qj_compile(q, QJ_PTX);
    expect_json(a, "\"registers\":12,\"stack\":24,\"spill_stores\":16,\"spill_loads\":20}");
    qj_note n;
    assert_true(qj_artifact_note(a, 0, &n));
    assert_string_equal(n.code, "spills");
    assert_string_equal(n.place, "triple");
    assert_non_null(strstr(n.text, "12 registers a thread: 16 bytes of stores and 20 of loads"));
    assert_non_null(strstr(told, "[spills] triple"));
    qj_artifact_free(a);
    qj_ctx_free(q);
}

/* The PTX and its digest are the same with it and without, so reproducers and the cache know nothing of it. */
static void bytes_do_not_depend(void **s)
{
    size_t n[2];
    qj_artifact *a[2];
    qj_ctx *q = open_ctx(0);
    script(GOOD("24 bytes stack frame, 16 bytes spill stores, 20 bytes"));
    a[0] = qj_compile(q, QJ_PTX);
    setenv("QJIT_PTXAS", "", 1);
    a[1] = qj_compile(q, QJ_PTX);
    const void *x = qj_artifact_bytes(a[0], &n[0]), *y = qj_artifact_bytes(a[1], &n[1]);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(x, y, n[0]);
    char *json = qj_artifact_json(a[1]);
    assert_null(strstr(json, "ptxas"));
    qj_free(json);
    for (int i = 0; i < 2; i++) qj_artifact_free(a[i]);
    qj_ctx_free(q);
}

/* Each of them costs its facts and nothing else. */
static void troubles(void **s)
{
    static const struct { const char *script, *says; } row[] = {
        {"exit 7", "[ptxas] * failed without a word"},
        {"kill -9 $$", "[ptxas] * failed without a word"},
        {"echo 'ptxas /dev/stdin, line 5; error   : no' >&2; exit 255", "[ptxas] *: ptxas /dev/stdin, line 5; error   : no"},
        {"echo \"ptxas fatal   : Value 'sm_80' is not defined for option 'gpu-name'\" >&2; exit 1", ""},
        {"cat /dev/zero", "[ptxas] *"},
        {"echo \"Compiling entry function 'tri\" >&2; echo 'Used 99999999999999999999 registers -1 bytes stack frame' >&2", ""},
        {"head -c 100000 /dev/urandom >&2", ""},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        qj_ctx *q = open_ctx(0);
        script(row[i].script);
        qj_artifact *a = qj_compile(q, QJ_PTX);
        if (!a) fail_msg("%s: %s", row[i].script, qj_last_error(q)->text);
        const char *star = strchr(row[i].says, '*');
        bool right = star ? !strncmp(told, row[i].says, (size_t)(star - row[i].says)) && strstr(told, star + 1) : !*told;
        if (!right) fail_msg("%s says %s", row[i].script, told);
        char *json = qj_artifact_json(a);
        assert_non_null(json);
        qj_free(json);
        qj_artifact_free(a);
        qj_ctx_free(q);
    }
}

static void it_hangs(void **s)
{
    struct timespec from, to;
    script("sleep 60 & sleep 60");
    qj_ctx *q = open_ctx(400);
    clock_gettime(CLOCK_MONOTONIC, &from);
    assert_null(qj_compile(q, QJ_PTX));
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_string_equal(qj_last_error(q)->code, "deadline");
    assert_true(to.tv_sec - from.tv_sec < 10);
    qj_ctx_free(q);
}

static void no_cubin(void **s)
{
    static const char *const value[] = {"", "/nonexistent/ptxas", "/bin/false", "/bin/true"};
    for (size_t i = 0; i < sizeof value / sizeof *value; i++) {
        qj_ctx *q = open_ctx(0);
        setenv("QJIT_PTXAS", value[i], 1);
        assert_null(qj_compile(q, QJ_CUBIN));
        assert_string_equal(qj_last_error(q)->code, "unsupported");
        assert_non_null(strstr(qj_last_error(q)->hint, "QJIT_PTXAS"));
        qj_clear_error(q);
        qj_target(q, "x86-64"); /* no GPU */
        assert_null(qj_compile(q, QJ_CUBIN));
        assert_string_equal(qj_last_error(q)->code, "unsupported");
        qj_ctx_free(q);
    }
}

/* It is loaded as PTX is, on GPUs of its generation alone. */
static void cubin(void **s)
{
    script(GOOD("0 bytes stack frame, 0 bytes spill stores, 0 bytes"));
    qj_ctx *q = open_ctx(0);
    qj_artifact *a = qj_compile(q, QJ_CUBIN);
    if (!a) fail_msg("%s", qj_last_error(q)->text);
    expect_json(a, "\"kind\":\"cubin\"");
    expect_json(a, "\"registers\":12");
    qj_kernel *k = qj_link(q, a);
    if (!k || !qj_check(q, k, NULL)) fail_msg("%s", qj_last_error(q)->text);
    qj_kernel_free(k);
    char to[100];
    snprintf(to, sizeof to, "%s/triple.cubin", dir);
    assert_true(qj_artifact_save(q, a, to));
    unlink(to);
    setenv("QJIT_EMU_SM", "90", 1);
    qj_ctx *other = open_ctx(0);
    assert_null(qj_link(other, a));
    assert_string_equal(qj_last_error(other)->code, "cannot-run-here");
    qj_ctx_free(other);
    setenv("QJIT_EMU_SM", "86", 1);
    script("[ \"$1\" = --version ] || printf '\\177ELF, and more'"); /* no driver but a GPU's takes that */
    qj_artifact *real = qj_compile(q, QJ_CUBIN);
    assert_non_null(real);
    assert_null(qj_link(q, real));
    assert_non_null(strstr(qj_last_error(q)->message, "CUDA_ERROR_INVALID_IMAGE (200)"));
    qj_artifact_free(real);
    qj_artifact_free(a);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts), cmocka_unit_test(bytes_do_not_depend), cmocka_unit_test(troubles), cmocka_unit_test(it_hangs),
        cmocka_unit_test(no_cubin), cmocka_unit_test(cubin),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
