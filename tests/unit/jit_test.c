/* SPDX-License-Identifier: Apache-2.0 */
/* Linking object bytes: calls, imports, two objects of one name, unlinking, refusals, threads. The objects come
 * from the C compiler, so that nothing of code generation is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <llvm-c/Target.h>

#include "runtime/elf.h"
#include "runtime/jit.h"

static struct err_state err;

struct object { unsigned char *bytes; size_t n; };

static struct object compile(const char *source)
{
    char path[64], command[256];
    const char *cc = getenv("CC");
    struct object o = {0};
    struct stat st;
    snprintf(path, sizeof path, "jit_test.%ld.o", (long)getpid());
    snprintf(command, sizeof command, "%s -O1 -fPIC -x c -c - -o %s", cc ? cc : "cc", path);
    FILE *p = popen(command, "w");
    assert_non_null(p);
    fputs(source, p);
    assert_int_equal(pclose(p), 0);
    int fd = open(path, O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    o.n = (size_t)st.st_size;
    o.bytes = malloc(o.n);
    assert_int_equal(read(fd, o.bytes, o.n), o.n);
    close(fd);
    unlink(path);
    return o;
}

typedef int fn_int(int);

static void test_call_and_twins(void **state)
{
    (void)state;
    struct object a = compile("int f(int x) { return x + 1; }"), b = compile("int f(int x) { return x * 2; }");
    struct jit *j = jit_new(&err);
    assert_non_null(j);
    struct linked *la = jit_link(j, &err, a.bytes, a.n, 0, NULL), *lb = jit_link(j, &err, b.bytes, b.n, 0, NULL);
    assert_true(la && lb);
    jit_unref(j); /* the linked objects keep it */
    fn_int *fa = (fn_int *)jit_find(la, "f"), *fb = (fn_int *)jit_find(lb, "f");
    assert_int_equal(fa(20), 21);
    assert_int_equal(fb(20), 40);
    assert_null(jit_find(la, "g"));
    jit_unlink(la);
    assert_int_equal(fb(21), 42);
    jit_unlink(lb);
    jit_unlink(NULL);
    free(a.bytes);
    free(b.bytes);
}

static void test_local_functions_and_imports(void **state)
{
    (void)state;
    struct object o = compile(
        "typedef long i64; int qjrt_parallel_for(void (*)(void *, i64, i64), void *, i64) "
        "__attribute__((weak));\n"
        "static const int table[4] = {3, 5, 7, 11};\n"
        "static void body(void *c, i64 b, i64 e) { for (; b < e; b++) ((int *)c)[b] = table[b & 3]; }\n"
        "int f(int n) { int a[64]; qjrt_parallel_for(body, a, 64); return a[n]; }\n"
        "void *memset(void *, int, unsigned long); int g(int n) { volatile char a[100]; memset((char *)a, n, "
        "100); return a[9]; }");
    struct jit *j = jit_new(&err);
    struct linked *l = jit_link(j, &err, o.bytes, o.n, 0, NULL);
    assert_non_null(l);
    assert_int_equal(((fn_int *)jit_find(l, "f"))(2), 7);
    assert_int_equal(((fn_int *)jit_find(l, "g"))(42), 42);
    int local = 0;
    for (int i = 0; i < jit_nfuncs(l); i++) {
        struct jit_func f = jit_func(l, i);
        assert_true(f.size > 0);
        local += !strcmp(f.name, "body");
        /* what runs is what is in the object, but for relocations: the first bytes are */
        const struct jit_func *of = &f;
        bool found = false;
        for (size_t at = 0; at + 4 < o.n && !found; at++) found = !memcmp(o.bytes + at, of->at, 4);
        assert_true(found);
    }
    assert_int_equal(local, 1);
    jit_unlink(l);
    jit_unref(j);
    free(o.bytes);
}

static void refused(struct jit *j, struct object o, enum err_code code, const char *words)
{
    err_clear(&err);
    assert_null(jit_link(j, &err, o.bytes, o.n, 0, NULL));
    assert_int_equal(err.first.code, code);
    if (!strstr(err.first.msg, words)) fail_msg("\"%s\" is not in \"%s\"", words, err.first.msg);
    err_clear(&err);
}

static void test_refused(void **state)
{
    (void)state;
    struct jit *j = jit_new(&err);
    struct object o = compile("int system(const char *); int f(int x) { return system(\"true\") + x; }");
    refused(j, o, ERR_LINK, "refers to system");
    refused(j, (struct object){(unsigned char *)"text", 4}, ERR_LINK, "not an object");
    struct object cut = {o.bytes, 100};
    refused(j, cut, ERR_LINK, "section table");
    o.bytes[18] = 0xf3; /* RISC-V */
    refused(j, o, ERR_NO_HOST, "another machine");
    o.bytes[4] = 1; /* 32 bits */
    refused(j, o, ERR_LINK, "64-bit");
    free(o.bytes);
    o = compile("const int nothing_to_call = 1;");
    refused(j, o, ERR_LINK, "defines no function");
    free(o.bytes);
    static const char *const unlike[][2] = {
        {"int counter = 1; int f(void) { return ++counter; }", "data that is written"},
        {"int counter[5]; int f(void) { return ++counter[1]; }", "data that is written"},
        {"_Thread_local int counter = 1; int f(void) { return ++counter; }", "of a kind that no kernel has"},
        {"__attribute__((constructor)) void first(void) {} int f(void) { return 1; }", "of a kind that no kernel has"},
        {"int f(void) { return 1; } int (*const table[2])(void) = {f, f};", "of a kind that no kernel has"},
        {"static int g(void) { return 1; } static int (*pick(void))(void) { return g; }\n"
         "int f(void) __attribute__((ifunc(\"pick\")));", "a symbol of a kind"},
    };
    for (size_t i = 0; i < ARRAY_LEN(unlike); i++) {
        o = compile(unlike[i][0]);
        refused(j, o, ERR_LINK, unlike[i][1]);
        free(o.bytes);
    }
    jit_unref(j);
}

/* Every truncation and many damaged bytes: read without a fault; what is taken keeps to its bounds. */
static void test_damage(void **state)
{
    (void)state;
    struct object o = compile("static int g(int x) { return x * 3; } int f(int x) { return g(x) + 1; }");
    struct elf_info info;
    for (size_t n = 0; n < o.n; n++) {
        unsigned char *exact = malloc(n ? n : 1);
        memcpy(exact, o.bytes, n);
        if (elf_read(&err, exact, n, NULL, NULL, &info)) elf_release(&info);
        err_clear(&err);
        free(exact);
    }
    for (size_t at = 0; at < o.n; at++)
        for (int k = 0; k < 3; k++) {
            unsigned char was = o.bytes[at];
            o.bytes[at] ^= (unsigned char[]){0x01, 0x80, 0xff}[k];
            if (elf_read(&err, o.bytes, o.n, NULL, NULL, &info)) elf_release(&info);
            err_clear(&err);
            o.bytes[at] = was;
        }
    assert_true(elf_read(&err, o.bytes, o.n, NULL, NULL, &info));
    elf_release(&info);
    free(o.bytes);
}

struct shared { struct jit *j; struct object o; int bad; };

static void *link_loop(void *u)
{
    struct shared *s = u;
    struct err_state e;
    err_init(&e);
    int bad = 0;
    for (int i = 0; i < 50; i++) {
        struct linked *l = jit_link(s->j, &e, s->o.bytes, s->o.n, 0, NULL);
        bad += !l || ((fn_int *)jit_find(l, "f"))(i) != i + 1;
        jit_unlink(l);
    }
    err_release(&e);
    __atomic_fetch_add(&s->bad, bad, __ATOMIC_SEQ_CST);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct shared s = {jit_new(&err), compile("int f(int x) { return x + 1; }"), 0};
    pthread_t t[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, link_loop, &s), 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    assert_int_equal(s.bad, 0);
    jit_unref(s.j);
    free(s.o.bytes);
}

static long resident_kb(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* An object linked and unlinked gives all its memory back, whatever its names. */
static void test_no_growth(void **state)
{
    (void)state;
    struct jit *j = jit_new(&err);
    struct object o = compile("int f000000(int x) { return x + 1; }");
    long before = 0;
    for (int i = 0; i < 1500; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%06d", i);
        for (size_t at = 0; at + 7 < o.n; at++)
            if (o.bytes[at] == 'f' && o.bytes[at + 1] == '0' && o.bytes[at + 2] == '0')
                memcpy(o.bytes + at, name, 7);
        struct linked *l = jit_link(j, &err, o.bytes, o.n, 0, NULL);
        assert_non_null(l);
        assert_int_equal(((fn_int *)jit_find(l, name))(i), i + 1);
        jit_unlink(l);
        if (i == 500) before = resident_kb();
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they keep what is freed */
    assert_true(resident_kb() - before < 300);
#endif
    (void)before;
    jit_unref(j);
    free(o.bytes);
}

int main(void)
{
    err_init(&err);
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_and_twins), cmocka_unit_test(test_local_functions_and_imports),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_no_growth),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    err_release(&err);
    return failed;
}
