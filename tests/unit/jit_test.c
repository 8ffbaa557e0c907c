/* SPDX-License-Identifier: Apache-2.0 */
/* Linking object bytes: calls, imports, two objects of one name, unlinking, refusals, hostile relocations, pages never
 * writable and executable, threads. The objects come from the C compiler, so that nothing of code generation is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
    struct linked *la = jit_link(&err, a.bytes, a.n, 0, NULL), *lb = jit_link(&err, b.bytes, b.n, 0, NULL);
    assert_true(la && lb);
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
    struct linked *l = jit_link(&err, o.bytes, o.n, 0, NULL);
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
    free(o.bytes);
}

static void refused(struct object o, enum err_code code, const char *words)
{
    err_clear(&err);
    assert_null(jit_link(&err, o.bytes, o.n, 0, NULL));
    assert_int_equal(err.first.code, code);
    if (!strstr(err.first.msg, words)) fail_msg("\"%s\" is not in \"%s\"", words, err.first.msg);
    err_clear(&err);
}

static void test_refused(void **state)
{
    (void)state;
    struct object o = compile("int system(const char *); int f(int x) { return system(\"true\") + x; }");
    refused(o, ERR_LINK, "refers to system");
    refused((struct object){(unsigned char *)"text", 4}, ERR_LINK, "not an object");
    struct object cut = {o.bytes, 100};
    refused(cut, ERR_LINK, "section table");
    o.bytes[18] = 0xf3; /* RISC-V */
    refused(o, ERR_NO_HOST, "another machine");
    o.bytes[4] = 1; /* 32 bits */
    refused(o, ERR_LINK, "64-bit");
    free(o.bytes);
    o = compile("const int nothing_to_call = 1;");
    refused(o, ERR_LINK, "defines no function");
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
        refused(o, ERR_LINK, unlike[i][1]);
        free(o.bytes);
    }
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

/* ---- relocations that no compiler writes ---- */

static Elf64_Shdr *sections(struct object o, int *n)
{
    Elf64_Ehdr *h = (Elf64_Ehdr *)o.bytes;
    *n = h->e_shnum;
    return (Elf64_Shdr *)(o.bytes + h->e_shoff);
}

/* The first relocation of the code, and the section that it is in. */
static Elf64_Rela *relocation(struct object o, Elf64_Shdr **in)
{
    int n;
    Elf64_Shdr *s = sections(o, &n);
    for (int i = 0; i < n; i++)
        if (s[i].sh_type == SHT_RELA && (s[s[i].sh_info].sh_flags & SHF_EXECINSTR) && s[i].sh_size) {
            *in = &s[s[i].sh_info];
            return (Elf64_Rela *)(o.bytes + s[i].sh_offset);
        }
    fail();
    return NULL;
}

#if defined(__x86_64__)
static void test_hostile_relocations(void **state)
{
    (void)state;
    struct object o = compile("extern void *memcpy(void *, const void *, unsigned long);\n"
                              "int f(char *to, char *from) { return memcpy(to, from, 100000) != to; }");
    Elf64_Shdr *in;
    Elf64_Rela *r = relocation(o, &in), was = *r;
    const uint64_t symbol = ELF64_R_SYM(was.r_info);
    const struct { Elf64_Rela r; const char *words; } rows[] = {
        {{was.r_offset, was.r_info, INT64_MAX}, "reaches out"},
        {{was.r_offset, was.r_info, INT64_MIN}, "reaches out"},
        {{was.r_offset, was.r_info, 1 << 20}, "reaches out"},
        {{was.r_offset, was.r_info, -(1 << 20)}, "reaches out"},
        {{was.r_offset, was.r_info, INT64_C(1) << 32}, "reaches out"},
        {{was.r_offset, was.r_info, (int64_t)(UINT64_MAX - 4)}, NULL}, /* 5 before: within */
        {{in->sh_size - 3, was.r_info, -4}, "outside its section"},
        {{in->sh_size, was.r_info, -4}, "outside its section"},
        {{UINT64_MAX, was.r_info, -4}, "outside its section"},
        {{UINT64_MAX - 2, was.r_info, -4}, "outside its section"},
        {{was.r_offset, ELF64_R_INFO(0, R_X86_64_PLT32), -4}, "by no symbol"},
        {{was.r_offset, ELF64_R_INFO(1000, R_X86_64_PLT32), -4}, "by no symbol"},
        {{was.r_offset, ELF64_R_INFO(UINT32_MAX, R_X86_64_PLT32), -4}, "by no symbol"},
        {{was.r_offset, ELF64_R_INFO(symbol, R_X86_64_PC32), -4}, "as if it were its own"},
        {{was.r_offset, ELF64_R_INFO(symbol, R_X86_64_64), 0}, "a relocation of a kind"},
        {{was.r_offset, ELF64_R_INFO(symbol, R_AARCH64_CALL26), 0}, "a relocation of a kind"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        *r = rows[i].r;
        if (rows[i].words) refused(o, ERR_LINK, rows[i].words);
        else jit_unlink(jit_link(&err, o.bytes, o.n, 0, NULL));
        assert_false(err_is(&err));
    }
    *r = was;
    int n;
    Elf64_Shdr *s = sections(o, &n), code = *in;
    code.sh_offset = 0;
    code.sh_size = o.n;
    for (int i = 1; i < n; i++) /* the whole file as code, many times over */
        if (s[i].sh_type == SHT_PROGBITS || s[i].sh_type == SHT_NOBITS) s[i] = code;
    refused(o, ERR_LINK, "larger than the object");
    free(o.bytes);
}
#endif

/* Any byte of the file changed: refused, or linked within its bounds; nothing is run. */
static void test_damage_linked(void **state)
{
    (void)state;
    struct object o = compile("static const int t[64] = {1, 2, 3}; static int g(int x) { return t[x & 63]; }\n"
                              "int f(int x) { volatile int a[100]; for (int i = 0; i < 100; i++) a[i] = 0; return g(x) + a[x & 7]; }\n"
                              "int (*h(void))(int) { return f; }");
    int taken = 0;
    for (size_t at = 0; at < o.n; at++)
        for (int k = 0; k < 4; k++) {
            unsigned char was = o.bytes[at];
            o.bytes[at] ^= (unsigned char[]){0x01, 0x10, 0x80, 0xff}[k];
            struct linked *l = jit_link(&err, o.bytes, o.n, 0, NULL);
            taken += l != NULL;
            jit_unlink(l);
            err_clear(&err);
            o.bytes[at] = was;
        }
    assert_true(taken > 0);
    free(o.bytes);
}

/* ---- pages ---- */

/* "r-xp", what the pages at an address allow; how many of the process are writable and executable. */
static int protection(const void *of, char out[5])
{
    char line[512];
    int both = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        uintptr_t from, to;
        char may[5];
        if (sscanf(line, "%lx-%lx %4s", &from, &to, may) != 3) continue;
        both += may[1] == 'w' && may[2] == 'x';
        if (of && (uintptr_t)of >= from && (uintptr_t)of < to) strcpy(out, may);
    }
    fclose(f);
    return both;
}

static int doubled(int x) { return 2 * x; }

static void test_parts(void **state)
{
    (void)state;
    struct object o = compile("extern int host(int); extern int weak_host(int) __attribute__((weak)); static int seen;\n"
                              "static const int t[64] = {5, 6, 7}; const int *table(void) { return t; } int *word(void) { return &seen; }\n"
                              "__attribute__((section(\".text.far\"), noinline)) int far(int x) { return x - 1; }\n"
                              "typedef int fn(int); fn *pick(int x) { return x == 1 ? host : x == 2 && weak_host ? weak_host : far; }\n"
                              "int f(int x) { seen += x; return host(seen) + far(x); }");
    const struct jit_import import[] = {{"weak_host", (void *)(uintptr_t)doubled}, {"host", (void *)(uintptr_t)doubled}};
    struct linked *l = jit_link(&err, o.bytes, o.n, 2, import);
    assert_non_null(l);
    fn_int *f = (fn_int *)jit_find(l, "f");
    assert_int_equal(f(3), 6 + 2);
    assert_int_equal(f(4), 14 + 3);
    fn_int *(*pick)(int) = (fn_int *(*)(int))jit_find(l, "pick");
    assert_ptr_equal(pick(1), doubled);
    assert_ptr_equal(pick(2), doubled);
    assert_ptr_equal(pick(3), jit_find(l, "far"));
    const int *table = ((const int *(*)(void))jit_find(l, "table"))(), *word = ((const int *(*)(void))jit_find(l, "word"))();
    assert_int_equal(table[2], 7);
    assert_int_equal(*word, 7);
    char code[5] = "", constants[5] = "", zeroed[5] = "";
    assert_int_equal(protection(jit_find(l, "f"), code), 0);
    protection(table, constants);
    protection(word, zeroed);
    assert_string_equal(code, "r-xp");
    assert_string_equal(constants, "r--p");
    assert_string_equal(zeroed, "rw-p");
    jit_unlink(l);
    unsigned char in;
    assert_int_equal(mincore((void *)((uintptr_t)table & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1)), 1, &in), -1); /* gone */
    free(o.bytes);
}

struct shared { struct object o; int bad, running; };

static void *link_loop(void *u)
{
    struct shared *s = u;
    struct err_state e;
    err_init(&e);
    int bad = 0;
    for (int i = 0; i < 400; i++) {
        struct linked *l = jit_link(&e, s->o.bytes, s->o.n, 0, NULL);
        bad += !l || ((fn_int *)jit_find(l, "f"))(i) != i + 1;
        jit_unlink(l);
    }
    err_release(&e);
    __atomic_fetch_add(&s->bad, bad, __ATOMIC_SEQ_CST);
    __atomic_fetch_sub(&s->running, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct shared s = {compile("int f(int x) { return x + 1; }"), 0, 8};
    pthread_t t[8];
    char may[5];
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&t[i], NULL, link_loop, &s), 0);
    int looked = 0, both = 0;
    for (; __atomic_load_n(&s.running, __ATOMIC_SEQ_CST) || !looked; looked++) both += protection(NULL, may);
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    assert_int_equal(s.bad, 0);
    assert_int_equal(both, 0);
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
    struct object o = compile("int f000000(int x) { return x + 1; }");
    long before = 0;
    for (int i = 0; i < 1500; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%06d", i);
        for (size_t at = 0; at + 7 < o.n; at++)
            if (o.bytes[at] == 'f' && o.bytes[at + 1] == '0' && o.bytes[at + 2] == '0')
                memcpy(o.bytes + at, name, 7);
        struct linked *l = jit_link(&err, o.bytes, o.n, 0, NULL);
        assert_non_null(l);
        assert_int_equal(((fn_int *)jit_find(l, name))(i), i + 1);
        jit_unlink(l);
        if (i == 500) before = resident_kb();
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they keep what is freed */
    assert_true(resident_kb() - before < 300);
#endif
    (void)before;
    free(o.bytes);
}

int main(void)
{
    err_init(&err);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call_and_twins), cmocka_unit_test(test_local_functions_and_imports),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_damage),
#if defined(__x86_64__)
        cmocka_unit_test(test_hostile_relocations),
#endif
        cmocka_unit_test(test_damage_linked),  cmocka_unit_test(test_parts),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_no_growth),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    err_release(&err);
    return failed;
}
