/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling in another process: what it does to itself never hurts this one, and the next compile is right.
 *
 * Two bad workers: the real one with a library preloaded that fails in it at some allocation, and this very program,
 * which as `worker` sends answers that are none. QJ_N=9 injects more than 400 faults. */
#include <dirent.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/api.h"
#include "runtime/worker.h"

#if defined(QJ_DEBUG)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const char program[] =
    "input A[m:16, k:64] : u8; weight W[n:32, k:64] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";

static void ok(qj_ctx *q)
{
    if (qj_last_error(q)) fail_msg("%s", qj_last_error(q)->text);
}

static qj_ctx *isolated(const qj_options *more)
{
    qj_options o = more ? *more : (qj_options){0};
    o.size = sizeof o;
    o.isolate = true;
    qj_ctx *q = qj_ctx_new(&o);
    qj_define(q, program);
    qj_target(q, "x86-64-v3");
    qj_template(q, "");
    ok(q);
    return q;
}

static bool same(const qj_artifact *a, const qj_artifact *b)
{
    size_t n, m;
    const void *x = qj_artifact_bytes(a, &n), *y = qj_artifact_bytes(b, &m);
    char *jx = qj_artifact_json(a), *jy = qj_artifact_json(b);
    bool yes = n == m && !memcmp(x, y, n) && !strcmp(jx, jy);
    qj_free(jx);
    qj_free(jy);
    return yes;
}

static qj_artifact *in_process(void)
{
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, program);
    qj_target(q, "x86-64-v3");
    qj_template(q, "");
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    ok(q);
    qj_ctx_free(q);
    return a;
}

/* ---- it works ---- */

static void test_same(void **state)
{
    (void)state;
    qj_ctx *q = isolated(NULL), *p = qj_ctx_new(NULL);
    qj_define(p, program);
    qj_target(p, "x86-64-v3");
    qj_template(p, "");
    for (int f = QJ_OBJ; f <= QJ_BC; f++) {
        qj_artifact *a = qj_compile(q, (qj_format)f), *b = qj_compile(p, (qj_format)f);
        ok(q);
        assert_true(same(a, b));
        qj_artifact_free(a);
        qj_artifact_free(b);
    }
    struct worker *first = q->worker;
    qj_target(q, "native");
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_true(qj_check(q, k, NULL));
    assert_ptr_equal(first, q->worker); /* kept */
    qj_kernel_free(k);
    qj_ctx_free(p);
    qj_ctx_free(q);
}

/* An error is the one that this process would give. */
static void test_errors(void **state)
{
    (void)state;
    qj_error e[2];
    char *text[2];
    qj_ctx *q[2];
    for (int i = 0; i < 2; i++) {
        q[i] = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .isolate = i == 1, .allow_asm = true});
        qj_target(q[i], "x86-64-v3");
        qj_intrinsic(q[i], "bad", "C: i32[8], A: i32[8]", "C[i] = A[i]", "asm \"nonsense $0\" \"=x,0\" (A).i32x8", NULL);
        qj_define(q[i], "input A[m:8] : i32; C[i] : i32 = A[i]");
        qj_step(q[i], "tensorize C.i with bad");
        ok(q[i]);
        assert_null(qj_compile(q[i], QJ_OBJ));
        e[i] = *qj_last_error(q[i]);
        text[i] = strdup(e[i].text);
    }
    assert_string_equal(text[0], text[1]);
    assert_string_equal(e[0].code, e[1].code);
    assert_string_equal(e[0].hint, e[1].hint);
    for (int i = 0; i < 2; i++) {
        free(text[i]);
        qj_ctx_free(q[i]);
    }
}

static void bad_asm(const char *recipe, const char *code, const qj_options *more)
{
    qj_options o = *more;
    o.allow_asm = true;
    o.isolate = true;
    o.size = sizeof o;
    qj_ctx *q = qj_ctx_new(&o);
    qj_target(q, "x86-64-v3");
    qj_define(q, "input A[m:8] : i32; C[i] : i32 = A[i]");
    qj_intrinsic(q, "bad", "C: i32[8], A: i32[8]", "C[i] = A[i]", recipe, NULL);
    qj_step(q, "tensorize C.i with bad");
    qj_artifact *a = qj_last_error(q) ? NULL : qj_compile(q, QJ_OBJ);
    assert_null(a);
    if (code) assert_string_equal(qj_last_error(q)->code, code);
    qj_ctx_free(q);
}

static void test_assembly(void **state)
{
    (void)state;
    const qj_options quick = {.worker_ms = 500, .worker_memory = (size_t)1 << 30};
    bad_asm("asm \"nosuchinstruction $0, $0\" \"=x,0\" (A).i32x8", "llvm", &quick);
    bad_asm("asm \".incbin '/etc/hostname'\" \"=x,0\" (A).i32x8", NULL, &quick);
    bad_asm("asm \".rept 100000000; nop; .endr\" \"=x,0\" (A).i32x8", NULL, &quick);
    bad_asm("asm \".fill 2000000000, 8, 1\" \"=x,0\" (A).i32x8", NULL, &quick);
}

/* ---- who waits ---- */

static void test_no_program(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        qj_ctx *q = isolated(&(qj_options){.worker = i ? "/bin/false" : "/no/such/program"});
        assert_null(qj_compile(q, QJ_OBJ));
        assert_string_equal(qj_last_error(q)->code, "compiler-process");
        qj_clear_error(q);
        assert_int_equal(qj_nsteps(q) > 0, 1);
        qj_ctx_free(q);
    }
}

struct seen { int socket, pidfd; pid_t pid; };    /* as worker.c begins */

/* It is killed between two compiles, and then by the host that waits for all its children. */
static void test_killed(void **state)
{
    (void)state;
    struct seen w;
    qj_ctx *q = isolated(NULL);
    qj_artifact *want = in_process();
    for (int i = 0; i < 4; i++) {
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        ok(q);
        assert_true(same(a, want));
        qj_artifact_free(a);
        memcpy(&w, q->worker, sizeof w);
        kill(w.pid, SIGKILL);
        if (i % 2) assert_int_equal(waitpid(-1, NULL, 0), w.pid);
    }
    qj_artifact_free(want);
    qj_ctx_free(q);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

/* An object of several versions is made there too. */
static void test_versions(void **state)
{
    (void)state;
    static const char *const target[] = {"x86-64-v3", "x86-64-v3,+avxvnni"};
    qj_ctx *q = isolated(NULL), *here = qj_ctx_new(NULL);
    qj_define(here, program);
    qj_target(here, "x86-64-v3");
    qj_template(here, "");
    qj_artifact *a = qj_compile_versions(q, 2, target, QJ_OBJ), *b = qj_compile_versions(here, 2, target, QJ_OBJ);
    ok(q);
    ok(here);
    assert_non_null(q->worker);
    assert_true(same(a, b));
    qj_artifact_free(a);
    qj_artifact_free(b);
    assert_null(qj_compile_versions(q, 2, (const char *const[]){"x86-64-v3", "no-such"}, QJ_OBJ));
    assert_string_equal(qj_last_error(q)->code, "unknown-target");
    qj_ctx_free(here);
    qj_ctx_free(q);
}

/* A child of fork neither ends its parent's compiler nor speaks to it. */
static void test_fork(void **state)
{
    (void)state;
    int status;
    struct seen w;
    qj_ctx *q = isolated(NULL);
    qj_artifact *want = in_process(), *first = qj_compile(q, QJ_OBJ);
    ok(q);
    qj_artifact_free(first);
    memcpy(&w, q->worker, sizeof w);
    struct worker *mine = q->worker;
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            qj_artifact *a = i ? qj_compile(q, QJ_OBJ) : NULL;
            bool fine = !i || (a && same(a, want));
            qj_artifact_free(a);
            qj_ctx_free(q);
            _exit(fine ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_int_equal(kill(w.pid, 0), 0);
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        ok(q);
        assert_true(same(a, want));
        assert_ptr_equal(q->worker, mine);
        qj_artifact_free(a);
    }
    qj_artifact_free(want);
    qj_ctx_free(q);
}

/* Any limit is one: for ever, everything, next to nothing. */
static void test_limits(void **state)
{
    (void)state;
    qj_ctx *q = isolated(&(qj_options){.worker_ms = INT64_MAX, .worker_memory = SIZE_MAX});
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    ok(q);
    assert_non_null(a);
    qj_artifact_free(a);
    qj_ctx_free(q);
    if (SANITIZED) return; /* whose memory cannot be limited */
    q = isolated(&(qj_options){.worker_memory = 1});
    assert_null(qj_compile(q, QJ_OBJ));
    assert_string_equal(qj_last_error(q)->code, "out-of-memory");
    assert_string_equal(qj_last_error(q)->message, "the compiler process's limit of 1 bytes is too small for this");
    qj_ctx_free(q);
}

struct job { int n; int bad; };
static void *many(void *u)
{
    struct job *j = u;
    qj_artifact *want = in_process();
    qj_ctx *q = isolated(NULL);
    for (int i = 0; i < j->n; i++) {
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        j->bad += !a || !same(a, want);
        qj_artifact_free(a);
    }
    qj_artifact_free(want);
    qj_ctx_free(q);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t t[4];
    struct job j[4];
    for (int i = 0; i < 4; i++) {
        j[i] = (struct job){SANITIZED ? 3 : 10, 0};
        pthread_create(&t[i], NULL, many, &j[i]);
    }
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 4; i++) assert_int_equal(j[i].bad, 0);
}

/* ---- the real worker, failing at an allocation ---- */

static void set_fault(const char *path, const char *what, int k)
{
    FILE *f = fopen(path, "w");
    fprintf(f, "%s %d\n", what, k);
    fclose(f);
}

/* Processes of which `mark` is in the environment. */
static int count_marked(const char *mark)
{
    char path[300], text[1 << 14];
    int n = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%s/environ", e->d_name);
        FILE *f = *e->d_name >= '1' && *e->d_name <= '9' ? fopen(path, "r") : NULL;
        size_t size = f ? fread(text, 1, sizeof text, f) : 0;
        n += memmem(text, size, mark, strlen(mark)) != NULL;
        if (f) fclose(f);
    }
    if (d) closedir(d);
    return n;
}

/* A compiler that runs what it should not starts nothing that outlives it, and reaches no other process. */
static void test_alone(void **state)
{
    (void)state;
    if (SANITIZED) skip(); /* the sanitizer's allocator is not to be replaced */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == 0 || errno != EFAULT) skip(); /* a system without filters */
    char path[] = "/tmp/qjit-alone-XXXXXX", library[4096];
    snprintf(library, sizeof library, "%s/tests/libfault.so", getenv("QJ_BUILD") ? getenv("QJ_BUILD") : ".");
    close(mkstemp(path));
    setenv("QJ_FAULT", path, 1);
    setenv("LD_PRELOAD", library, 1);
    qj_ctx *q = isolated(NULL);
    set_fault(path, "none", 0);
    qj_artifact *want = in_process(), *first = qj_compile(q, QJ_OBJ);
    ok(q);
    unsetenv("LD_PRELOAD");
    assert_int_equal(count_marked(path), 1); /* the server: so they are found */
    static const char *const how[] = {"fork", "kill"};
    for (size_t h = 0; h < sizeof how / sizeof *how; h++)
        for (int k = 1; k < 200; k += 60) {
            set_fault(path, how[h], k);
            qj_artifact *a = qj_compile(q, QJ_OBJ);
            ok(q);
            assert_true(same(a, want));
            qj_artifact_free(a);
            assert_int_equal(count_marked(path), 1);
        }
    qj_artifact_free(first);
    qj_artifact_free(want);
    qj_ctx_free(q);
    assert_int_equal(count_marked(path), 0);
    unsetenv("QJ_FAULT");
    unlink(path);
}

/* What has a process of its own for LLVM measures the ceiling too. */
static void test_ceiling(void **state)
{
    (void)state;
    qj_ctx *q = isolated(NULL);
    qj_timing t = {.size = sizeof t};
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_true(qj_time(q, k, NULL, 0, 2, &t));
    if (t.ghz > 0 && *t.row) assert_true(t.ceiling > 1 && t.ceiling < 600);
    qj_artifact *a = qj_compile(q, QJ_OBJ); /* by the process that was lent and came back */
    ok(q);
    qj_artifact_free(a);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static void test_faults(void **state)
{
    (void)state;
    if (SANITIZED) skip(); /* the sanitizer's allocator is not to be replaced */
    static const char *const how[] = {"abort", "exit", "exit3", "segv", "once", "sticky", "hang"};
    char path[] = "/tmp/qjit-fault-XXXXXX", library[4096];
    snprintf(library, sizeof library, "%s/tests/libfault.so", getenv("QJ_BUILD") ? getenv("QJ_BUILD") : ".");
    assert_int_equal(access(library, R_OK), 0);
    close(mkstemp(path));
    setenv("QJ_FAULT", path, 1);
    setenv("LD_PRELOAD", library, 1);
    qj_ctx *patient = isolated(NULL), *hasty = isolated(&(qj_options){.worker_ms = 1500});
    set_fault(path, "none", 0);
    qj_artifact *want = in_process();
    for (int i = 0; i < 2; i++) { /* both processes are there */
        qj_ctx *q = i ? patient : hasty;
        qj_artifact_free(qj_compile(q, QJ_OBJ));
        ok(q);
    }
    unsetenv("LD_PRELOAD");
    int injected = 0, failed = 0, died = 0, dense = getenv("QJ_N") ? atoi(getenv("QJ_N")) : 2;
    for (size_t h = 0; h < sizeof how / sizeof *how; h++) {
        bool hangs = !strcmp(how[h], "hang");
        qj_ctx *q = hangs ? hasty : patient;
        for (int k = 1; k < (hangs ? 500 : 20000); k += 1 + k / (hangs ? 1 : dense)) {
            set_fault(path, how[h], k);
            qj_artifact *a = qj_compile(q, QJ_OBJ);
            injected++;
            if (!a) {
                const char *code = qj_last_error(q)->code;
                assert_true(!strcmp(code, "compiler-process") || !strcmp(code, "out-of-memory"));
                died += !strcmp(code, "compiler-process");
                failed++;
            } else {
                assert_true(same(a, want)); /* fewer allocations than k, or one that may fail */
            }
            qj_artifact_free(a);
            qj_clear_error(q);
            set_fault(path, "none", 0);
            a = qj_compile(q, QJ_OBJ);
            ok(q);
            assert_true(same(a, want));
            qj_artifact_free(a);
        }
    }
    print_message("%d faults injected into the compiler: %d compiles failed, %d with its process\n", injected, failed, died);
    assert_true(injected >= 50 * dense && failed > injected / 2);
    qj_artifact_free(want);
    qj_ctx_free(patient);
    qj_ctx_free(hasty);
    unlink(path);
}

/* ---- this program as a worker: answers that are none ---- */

static void put(const void *p, size_t n)
{
    for (const char *at = p; n;) {
        ssize_t put = write(0, at, n);
        if (put <= 0) _exit(1);
        at += put;
        n -= (size_t)put;
    }
}

static void head(uint64_t kind, uint64_t size)
{
    struct worker_reply r = {.kind = kind, .size = size};
    memcpy(r.magic, WORKER_REPLY, sizeof r.magic);
    put(&r, sizeof r);
}

/* Mutation n of the true answer, or of its head. */
static int act_as_worker(void)
{
    static const char zeros[1 << 16];
    struct worker_ask ask;
    int n = atoi(getenv("QJ_ANSWER"));
    if (read(0, &ask, sizeof ask) != (ssize_t)sizeof ask) return 1;
    char *text = calloc(1, ask.size + 1);
    for (size_t at = 0; at < ask.size;) {
        ssize_t got = read(0, text + at, ask.size - at);
        if (got <= 0) return 1;
        at += (size_t)got;
    }
    switch (n) {
    case 0: pause(); break;
    case 1: return 0;
    case 2: put(zeros, sizeof zeros); pause(); break;
    case 3: head(WORKER_ARTIFACT, UINT64_MAX); pause(); break;
    case 4: head(WORKER_ARTIFACT, WORKER_REPLY_MAX); pause(); break;
    case 5: head(WORKER_KINDS, 0); pause(); break;
    case 6: head(WORKER_ERROR, 0); pause(); break;
    case 7: head(WORKER_DIED, 3); put("abc", 3); pause(); break;
    case 8: head(WORKER_ERROR, sizeof zeros); put(zeros, sizeof zeros); pause(); break;
    case 9: head(WORKER_ARTIFACT, sizeof zeros); put(zeros, sizeof zeros); pause(); break;
    case 10:
        head(WORKER_ARTIFACT, WORKER_REPLY_MAX);
        for (size_t i = 0; i < WORKER_REPLY_MAX / sizeof zeros; i++) put(zeros, sizeof zeros);
        pause();
        break;
    default: break;
    }
    enum worker_kind kind;
    void *bytes;
    size_t size;
    if (!worker_answer(text, false, &kind, &bytes, &size)) return 1;
    uint64_t seed = (uint64_t)n * 0x9e3779b97f4a7c15u;
    unsigned char *b = bytes;
    if (n % 2) {
        size = size * (seed >> 32) >> 32; /* cut short, as a whole or in the middle */
        head(kind, size + (n % 4 == 1));
    } else {
        b[(seed >> 32) % (n % 4 ? size : 512)] ^= (unsigned char)(1 + seed % 255);
        head(kind, size);
    }
    put(bytes, size);
    return 0;
}

static void test_answers(void **state)
{
    (void)state;
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = 0;
    int refused = 0, taken = 0, last = SANITIZED || !getenv("QJ_N") ? 40 : 120;
    for (int i = 0; i < last; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        setenv("QJ_ANSWER", number, 1);
        qj_ctx *q = isolated(&(qj_options){.worker = self, .worker_ms = 1, .deadline_ms = i == 4 || i == 0 ? 300 : 0});
        qj_kernel *k = qj_build(q);
        if (k) taken++; /* another byte of code or text: nothing says that it is wrong */
        else {
            const char *code = qj_last_error(q)->code;
            assert_true(!strcmp(code, "compiler-process") || !strcmp(code, "deadline") || !strcmp(code, "link"));
            refused++;
        }
        qj_kernel_free(k);
        qj_ctx_free(q);
    }
    print_message("%d bad answers: %d refused, %d not told from good ones\n", last, refused, taken);
    assert_true(refused > last / 2);
}

/* Cancelling ends LLVM as well. */
static void *cancel_soon(void *u)
{
    nanosleep(&(struct timespec){0, 60000000}, NULL);
    qj_cancel(u);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    qj_ctx *q = isolated(NULL);
    qj_ctx_reset(q);
    qj_define(q, "input A[m:64, k:500] : u8; weight W[n:128, k:500] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_step(q, "split C.n 8 -> no ni; split C.k 32 -> ko ki; unroll C.ni; unroll C.ki; split C.m 8 -> mo mi;"
               "reorder C mo no ko mi ni ki; unroll C.mi");
    ok(q);
    pthread_t t;
    pthread_create(&t, NULL, cancel_soon, q);
    int64_t begin = limits_now();
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    double took = (double)(limits_now() - begin) * 1e-6;
    pthread_join(t, NULL);
    assert_null(a);
    assert_string_equal(qj_last_error(q)->code, "cancelled");
    print_message("cancelled after 60 ms, back after %.0f ms\n", took);
    assert_true(took < (SANITIZED ? 2000 : 160));
    qj_ctx_free(q);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "worker")) return act_as_worker();
    if (!getenv("QJIT")) return fputs("set QJIT to the program\n", stderr), 1;
    setenv("QJIT_WORKER", getenv("QJIT"), 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same), cmocka_unit_test(test_errors), cmocka_unit_test(test_assembly),
        cmocka_unit_test(test_no_program), cmocka_unit_test(test_killed), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_versions), cmocka_unit_test(test_fork), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cancel), cmocka_unit_test(test_answers), cmocka_unit_test(test_alone), cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
