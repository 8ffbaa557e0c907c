/* SPDX-License-Identifier: Apache-2.0 */
/* perf_test.c - what profilers and gdb are told is what was linked: perf's map, its dump, gdb's interface.
 *
 * With an argument this is the process that gdb looks at: see gdb_names_the_kernel. */
#include <dirent.h>
#include <elf.h>
#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ir/base/base.h"
#include "runtime/qjit.h"
#include "runtime/unwind.h"

static char told[256];
static const char *self;

static void note(void *user, const char *code, const char *text)
{
    if (!strcmp(code, "profile")) snprintf(told, sizeof told, "%s", text);
}

static qj_kernel *build(unsigned profile, const char *name)
{
    qj_options o = {.size = sizeof o, .profile = profile, .log = note};
    qj_ctx *q = qj_ctx_new(&o);
    assert_true(qj_define(q, "input A[m:64, k:64] : u8; weight W[n:64, k:64] : i8\n"
                             "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])"));
    assert_true(qj_name(q, name) && qj_step(q, "cache_read W global C -> W_w; transform_layout W_w AB16a axes=AB; parallel C.m"));
    qj_kernel *k = qj_build(q);
    if (!k) print_message("%s", qj_last_error(q)->text);
    assert_non_null(k);
    qj_ctx_free(q);
    return k;
}

/* The text of this process's map; NULL: there is none. */
static char *map_text(void)
{
    static _Thread_local char text[1 << 16];
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    FILE *f = fopen(path, "r");
    if (!f) return NULL;
    flock(fileno(f), LOCK_SH); /* as writers do */
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static void map_remove(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    unlink(path);
}

/* Lines of the map that cover the address; the name of the last in *name. */
static int map_lines(const void *at, char name[256])
{
    int n = 0;
    char *text = map_text();
    for (char *line = text; line && *line; line = strchr(line, '\n') + 1) {
        uint64_t begin, size;
        char word[256];
        assert_int_equal(sscanf(line, "%" SCNx64 " %" SCNx64 " %255[^\n]", &begin, &size, word), 3);
        if ((uintptr_t)at < begin || (uintptr_t)at >= begin + size) continue;
        strcpy(name, word);
        n++;
    }
    return n;
}

static void map_names_each_function_once(void **state)
{
    map_remove();
    qj_kernel *a = build(QJ_PROFILE_MAP, "dense"), *b = build(QJ_PROFILE_MAP, "dense");
    char one[256], two[256], call[256];
    assert_int_equal(map_lines(qj_kernel_entry(a), one), 1);
    assert_int_equal(map_lines(qj_kernel_entry(b), two), 1);
    assert_int_equal(map_lines(qj_kernel_call_entry(a), call), 1);
    const qj_artifact *w = qj_kernel_artifact(a);
    assert_string_equal(qj_artifact_name(w), "dense");
    assert_memory_equal(one, "dense[", 6);
    assert_memory_equal(call, "dense_call[", 11);
    assert_string_not_equal(one, two); /* the same code twice: two kernels */
    assert_int_equal(strcspn(one, "#"), strcspn(two, "#"));
    assert_memory_equal(strchr(one, '#'), strchr(two, '#'), 9); /* the same digest */
    assert_non_null(strstr(map_text(), "dense_pack["));
    /* a parallel body is a function of its own */
    int lines = 0;
    for (char *p = map_text(); (p = strchr(p, '\n')); p++) lines++;
    assert_true(lines >= 2 * 5);
    qj_kernel_free(a);
    assert_int_equal(map_lines(qj_kernel_entry(b), two), 1);
    qj_kernel_free(b);
    map_remove();
}

static void *link_some(void *unused)
{
    for (int i = 0; i < 8; i++) {
        qj_kernel *k = build(QJ_PROFILE_MAP | QJ_PROFILE_GDB, "threaded");
        char name[256];
        if (map_lines(qj_kernel_entry(k), name) != 1 || strncmp(name, "threaded[", 9)) return link_some;
        qj_kernel_free(k);
    }
    return NULL;
}

static void map_stands_several_threads(void **state)
{
    map_remove();
    pthread_t t[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&t[i], NULL, link_some, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *bad;
        assert_int_equal(pthread_join(t[i], &bad), 0);
        assert_null(bad);
    }
    map_remove();
}

static void map_gives_reused_addresses_to_the_new_kernel(void **state)
{
    map_remove();
    qj_options o = {.size = sizeof o, .profile = QJ_PROFILE_MAP};
    qj_ctx *q = qj_ctx_new(&o);
    int reused = 0;
    const void *before = NULL;
    for (int i = 0; i < 20; i++) {
        char name[16], found[256];
        snprintf(name, sizeof name, "k%d", i);
        assert_true(qj_ctx_reset(q) && qj_define(q, "input A[m:64] : u8; C[i] : u8 = A[i] ^ u8(255)") && qj_name(q, name));
        qj_kernel *k = qj_build(q);
        assert_non_null(k);
        if (qj_kernel_entry(k) == before) reused++;
        before = qj_kernel_entry(k);
        assert_int_equal(map_lines(before, found), 1);
        assert_memory_equal(found, name, strlen(name));
        assert_int_equal(found[strlen(name)], '[');
        qj_kernel_free(k);
    }
    qj_ctx_free(q);
    if (!reused) print_message("no address was used twice\n");
    map_remove();
}

static void map_refuses_links(void **state)
{
    char path[64], target[] = "/tmp/qj-perf-XXXXXX", name[256];
    int fd = mkstemp(target);
    assert_true(fd >= 0);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    for (int hard = 0; hard < 2; hard++) {
        struct stat st;
        map_remove();
        assert_int_equal(hard ? link(target, path) : symlink(target, path), 0);
        told[0] = 0;
        qj_kernel *k = build(QJ_PROFILE_MAP, "dense"); /* the kernel is there all the same */
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 0);
        assert_non_null(strstr(told, path));
        qj_kernel_free(k);
    }
    map_remove();
    assert_int_equal(map_lines(path, name), 0);
    close(fd);
    unlink(target);
}

static void off_by_default(void **state)
{
    unsetenv("QJIT_PROFILE");
    map_remove();
    qj_kernel_free(build(0, "dense"));
    assert_null(map_text());
    setenv("QJIT_PROFILE", "gdb,map", 1);
    qj_kernel_free(build(0, "dense"));
    assert_non_null(map_text());
    map_remove();
    setenv("QJIT_PROFILE", "maps nothing", 1);
    qj_kernel_free(build(0, "dense"));
    assert_null(map_text());
    unsetenv("QJIT_PROFILE");
}

/* ---- the dump ---- */

static char dump_path[4096];

/* Finds jit-PID.dump below dir; returns how many. */
static int find_dumps(const char *dir)
{
    int n = 0;
    char jit[1024], file[4096];
    snprintf(jit, sizeof jit, "%s/.debug/jit", dir);
    DIR *d = opendir(jit);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(file, sizeof file, "%s/%s/jit-%d.dump", jit, e->d_name, (int)getpid());
        if (access(file, R_OK)) continue;
        strcpy(dump_path, file);
        n++;
    }
    if (d) closedir(d);
    return n;
}

static void dump_has_the_code(void **state)
{
    char dir[] = "/tmp/qj-dump-XXXXXX";
    assert_non_null(mkdtemp(dir));
    setenv("JITDUMPDIR", dir, 1);
    qj_kernel *k[2] = {build(QJ_PROFILE_DUMP, "dense"), build(QJ_PROFILE_DUMP, "other")};
    assert_int_equal(find_dumps(dir), 1);
    static _Alignas(8) uint8_t bytes[1 << 20];
    FILE *f = fopen(dump_path, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    const struct { uint32_t magic, version, size, machine, pad, pid; uint64_t time, flags; } *h = (void *)bytes;
    assert_int_equal(h->magic, 0x4A695444);
    assert_int_equal(h->version, 1);
    assert_int_equal(h->machine, EM_X86_64);
    assert_int_equal(h->pid, getpid());
    uint64_t index[64], last = h->time;
    int found = 0, records = 0;
    for (size_t at = h->size; at < n;) {
        struct load { uint32_t id, size; uint64_t time; uint32_t pid, tid; uint64_t vma, address, code_size, index; } r;
        memcpy(&r, bytes + at, sizeof r);
        const char *name = (char *)bytes + at + sizeof r;
        const uint8_t *code = (uint8_t *)name + strlen(name) + 1;
        assert_int_equal(r.id, 0);
        assert_int_equal(r.pid, getpid());
        assert_int_equal(r.size, sizeof r + strlen(name) + 1 + r.code_size);
        assert_true(r.time >= last);
        last = r.time;
        assert_memory_equal(code, (void *)(uintptr_t)r.address, r.code_size);
        for (int i = 0; i < records; i++) assert_true(index[i] != r.index);
        index[records++] = r.index;
        for (int i = 0; i < 2; i++)
            if (r.address == (uintptr_t)qj_kernel_entry(k[i])) {
                assert_memory_equal(name, i ? "other[" : "dense[", 6);
                found++;
            }
        at += r.size;
    }
    assert_int_equal(found, 2);
    assert_true(records >= 10);
    qj_kernel_free(k[0]);
    qj_kernel_free(k[1]);
    unlink(dump_path);
    *strrchr(dump_path, '/') = 0;
    rmdir(dump_path);
    char sub[64];
    snprintf(sub, sizeof sub, "%s/.debug/jit", dir);
    rmdir(sub);
    *strrchr(sub, '/') = 0;
    rmdir(sub);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- gdb ---- */

/* Linked, unlinked, linked: gdb stops here, and asks what lies at `entry` and at `gone`. */
static void *volatile entry, *volatile gone;
__attribute__((noinline)) static void stop_here(void) { __asm__ volatile("" ::: "memory"); }

static int be_looked_at(void)
{
    qj_kernel *first = build(QJ_PROFILE_GDB, "vanished"), *k = build(QJ_PROFILE_GDB, "looked_at"),
              *last = build(QJ_PROFILE_GDB, "third");
    gone = qj_kernel_entry(first);
    entry = qj_kernel_entry(k);
    qj_kernel_free(first);
    stop_here();
    static const int64_t shape[] = {64, 64};
    qj_tensor *t[3] = {qj_tensor_new(QJ_U8, 2, shape), qj_tensor_new(QJ_I8, 2, shape), qj_tensor_new(QJ_I32, 2, shape)};
    assert_true(qj_kernel_call(k, t, 3, NULL));
    for (int i = 0; i < 3; i++) qj_tensor_free(t[i]);
    qj_kernel_free(last);
    qj_kernel_free(k);
    return 0;
}

static void gdb_names_the_kernel(void **state)
{
    char command[2048], out[1 << 14];
    if (system("gdb -nx -batch -ex 'break main' -ex run -ex quit --args true 2>&1 | grep -q 'exited\\|Breakpoint 1,\\|process'")) {
        print_message("skipped: gdb is not here, or may not trace\n");
        return;
    }
    snprintf(command, sizeof command,
             "DEBUGINFOD_URLS= gdb -nx -batch -iex 'set auto-load off' -ex 'set breakpoint pending on' -ex 'break stop_here'"
             " -ex run -ex 'up' -ex 'info symbol entry' -ex 'info symbol gone' -ex 'break *entry' -ex continue -ex bt"
             " -ex 'break qjrt_parallel_for' -ex continue -ex 'echo in the loop\\n' -ex bt -ex kill --args '%s' looked-at 2>&1", self);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    out[fread(out, 1, sizeof out - 1, f)] = 0;
    pclose(f);
    bool ok = strstr(out, "looked_at[") && strstr(out, "#0  0x") && strstr(out, "in looked_at[") && !strstr(out, "vanished[");
    const char *loop = strstr(out, "in the loop"), *kernel = loop ? strstr(loop, "in looked_at[") : NULL;
    ok = ok && kernel && strstr(kernel, "in qj_kernel_call") && strstr(kernel, "in be_looked_at");
    if (!ok) print_message("%s\n%s\n", command, out);
    assert_true(ok);
}

/* ---- libgcc ---- */

static struct { int n; void *at[64]; } seen;

static int8_t look(int8_t x)
{
    seen.n = backtrace(seen.at, ARRAY_LEN(seen.at));
    return x;
}

/* The place it returns to. */
__attribute__((noinline)) static void *call(qj_kernel *k)
{
    qj_tensor *t[2];
    for (int i = 0; i < 2; i++) t[i] = qj_tensor_new(QJ_I8, 1, (int64_t[]){1});
    assert_true(qj_kernel_call(k, t, 2, NULL));
    for (int i = 0; i < 2; i++) qj_tensor_free(t[i]);
    return __builtin_return_address(0);
}

static bool walked_through(unsigned profile, int times)
{
    qj_kernel *k[3];
    for (int i = 0; i < times; i++) {
        qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .profile = profile, .log = note});
        assert_true(qj_define(q, "extern look(i8) : i8; input A[m:1] : i8; B[m] : i8 = look(A[m])"));
        assert_true(qj_extern(q, "look(i8) : i8", (void (*)(void))look));
        k[i] = qj_build(q);
        assert_non_null(k[i]);
        qj_ctx_free(q);
    }
    void *above = call(k[times - 1]);
    bool found = false;
    for (int i = 0; i < seen.n; i++) found |= seen.at[i] == above;
    for (int i = 0; i < times; i++) qj_kernel_free(k[i]);
    return found;
}

static void unwinder_walks_through(void **state)
{
    *told = 0;
    assert_false(walked_through(0, 1));
    for (int i = 1; i <= 3; i++) assert_true(walked_through(QJ_PROFILE_UNWIND, i));
    assert_true(walked_through(QJ_PROFILE_UNWIND | QJ_PROFILE_GDB, 2));
    assert_false(walked_through(QJ_PROFILE_GDB, 1)); /* forgotten with their kernels */
    assert_string_equal(told, "");
}

static void tables_of_frames(void **state)
{
    static const uint8_t good[] = {12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 16, 0, 0, 0,     /* common */
                                   12, 0, 0, 0, 20, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,        /* a function's */
                                   12, 0, 0, 0, 36, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t bad[sizeof good];
    assert_true(unwind_whole(good, sizeof good) && unwind_whole(good, 16) && unwind_whole(good, 32));
    for (size_t n = 0; n < sizeof good; n++)
        if (n % 16 || !n) assert_false(unwind_whole(good, n));
    static const struct { size_t at; uint8_t v; } harm[] = {{0, 11}, {0, 13}, {0, 255}, {3, 255}, {4, 4}, {16, 40}, {19, 1}, {20, 4},
                                                            {20, 24}, {23, 1}, {36, 20}, {36, 37}, {32, 0}, {32, 8}};
    for (size_t i = 0; i < ARRAY_LEN(harm); i++) {
        memcpy(bad, good, sizeof bad);
        bad[harm[i].at] = harm[i].v;
        if (unwind_whole(bad, sizeof bad)) fail_msg("taken: %d at %zu", harm[i].v, harm[i].at);
    }
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1) return be_looked_at();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_names_each_function_once), cmocka_unit_test(map_gives_reused_addresses_to_the_new_kernel),
        cmocka_unit_test(map_refuses_links),            cmocka_unit_test(off_by_default),
        cmocka_unit_test(map_stands_several_threads),
        cmocka_unit_test(dump_has_the_code),            cmocka_unit_test(gdb_names_the_kernel),
        cmocka_unit_test(unwinder_walks_through),       cmocka_unit_test(tables_of_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
