/* SPDX-License-Identifier: Apache-2.0 */
/* cache_test.c - kernels kept on disk: found again, never confused, never trusted when anything about them is odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ir/base/digest.h"
#include "runtime/cache.h"
#include "runtime/compile.h"
#include "runtime/elf.h"
#include "runtime/request.h"
#include "runtime/store.h"
#include "tests/support/harness.h"

static char root[64], dir[128];

static void empty(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char at[512];
        snprintf(at, sizeof at, "%s/%s", path, e->d_name);
        if (*e->d_name != '.') unlink(at);
    }
    if (d) closedir(d);
}

static int files(const char *path, const char *prefix, int64_t *bytes)
{
    int n = 0;
    DIR *d = opendir(path);
    if (bytes) *bytes = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char at[512];
        struct stat st;
        snprintf(at, sizeof at, "%s/%s", path, e->d_name);
        if (*e->d_name == '.' || strncmp(e->d_name, prefix, strlen(prefix)) || stat(at, &st) != 0) continue;
        n++;
        if (bytes) *bytes += (int64_t)st.st_size;
    }
    if (d) closedir(d);
    return n;
}

/* A fresh directory's name for each test. */
static int set_up(void **state)
{
    static int n;
    snprintf(dir, sizeof dir, "%s/%d", root, n++);
    return 0;
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_true(write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static void path_of(const char *key, char *out, size_t size)
{
    char name[DIGEST_HEX];
    digest_hex(key, strlen(key), name);
    snprintf(out, size, "%s/%s", dir, name);
}

/* ---- contexts ---- */

static int told_cache;
static char last_told[600];
static void on_log(void *u, const char *code, const char *text)
{
    if (strcmp(code, "cache")) return;
    told_cache++;
    snprintf(last_told, sizeof last_told, "%s", text);
}

struct input {
    const char *target, *program, *steps, *name;
    const char *recipe; /* of an intrinsic */
};
static const struct input plain = {
    "x86-64-v3", "input A[m:8, k:16] : i8; weight W[n:8, k:16] : i8\nC[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])",
    "split C.n 4 -> no ni; reorder C m no k ni; vectorize C.ni", "first", NULL};

static qj_ctx *context(const struct input *in, const char *where)
{
    qj_options o = {.size = sizeof o, .cache_dir = where, .log = on_log};
    qj_ctx *q = qj_ctx_new(&o);
    assert_true(qj_target(q, in->target));
    if (in->recipe)
        assert_true(qj_intrinsic(q, "mine", "C: i32[8], A: i16[2], B: i16[8,2]", "C[i] += i32(A[k]) * i32(B[i,k])",
                                 in->recipe, "avx2"));
    assert_true(qj_define(q, in->program));
    assert_true(qj_name(q, in->name));
    assert_true(!*in->steps || qj_step(q, in->steps));
    return q;
}

/* Was an entry used or made? Its file's time says so: it is set back before and looked at afterwards. */
static void age_all(int seconds)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct timespec t[2];
        clock_gettime(CLOCK_REALTIME, &t[0]);
        t[0].tv_sec -= seconds;
        t[1] = t[0];
        if (*e->d_name != '.') utimensat(dirfd(d), e->d_name, t, AT_SYMLINK_NOFOLLOW);
    }
    if (d) closedir(d);
}

static int recently_used(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    struct stat st;
    for (struct dirent *e; d && (e = readdir(d));)
        n += *e->d_name != '.' && fstatat(dirfd(d), e->d_name, &st, 0) == 0 && time(NULL) - st.st_mtime < 100;
    if (d) closedir(d);
    return n;
}

/* True: from the cache. One entry is there afterwards that was not before: a miss. */
static bool compile_hits(const struct input *in, qj_artifact **out)
{
    int before = files(dir, "", NULL);
    age_all(1000);
    qj_ctx *q = context(in, dir);
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    if (!a) fail_msg("%s", qj_last_error(q)->text);
    qj_ctx_free(q);
    int added = files(dir, "", NULL) - before;
    assert_int_equal(recently_used(), 1);
    if (out) *out = a;
    else qj_artifact_free(a);
    return added == 0;
}

static void same_artifacts(const qj_artifact *a, const qj_artifact *b)
{
    assert_int_equal(a->a->size, b->a->size);
    assert_memory_equal(a->a->bytes, b->a->bytes, a->a->size);
    char *text[] = {qj_artifact_json(a), qj_artifact_json(b)};
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
}

/* ---- keys ---- */

static void found_again(void **state)
{
    qj_artifact *a, *b;
    assert_false(compile_hits(&plain, &a));
    assert_true(compile_hits(&plain, &b));
    same_artifacts(a, b);
    qj_artifact_free(a);
    qj_artifact_free(b);
    qj_ctx *q = context(&plain, dir);
    qj_kernel *k = qj_build(q);
    assert_non_null(k);
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
    qj_artifact *s = qj_compile(q, QJ_ASM); /* another format is another entry */
    assert_non_null(s);
    assert_int_equal(files(dir, "", NULL), 2);
    qj_artifact_free(s);
    qj_ctx_free(q);
    struct stat st;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* What is found is neither lowered nor given to the code generator. */
static void nothing_is_done(void **state)
{
    struct input in = plain;
    in.steps = "";
    assert_false(compile_hits(&in, NULL));
    qj_ctx *q = context(&in, dir);
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    assert_non_null(a);
    assert_null(q->sched);
    qj_artifact_free(a);
    qj_ctx_free(q);
}

/* Each input of the key, changed alone. */
static void each_input(void **state)
{
    struct input other[12];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(other); i++) other[i] = plain;
    other[n++].target = "x86-64-v3,-fma";
    other[n++].target = "x86-64,cpu=znver3";
    other[n++].steps = "split C.n 4 -> no ni; reorder C m no k ni";
    other[n++].steps = "split C.n 8 -> no ni; reorder C m no k ni; vectorize C.ni";
    other[n++].name = "second";
    other[n++].program = "input A[m:8, k:16] : i8 in -1..1; weight W[n:8, k:16] : i8\nC[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
    other[n++].program = "input A[m:8, k:17] : i8; weight W[n:8, k:17] : i8\nC[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
    other[n++].program = "input A[m:8, k:16] : i8; input W[n:8, k:16] : i8\nC[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
    other[n++].recipe = "add(C, @llvm.x86.avx2.pmadd.wd(A, B))";
    other[n++].recipe = "add(@llvm.x86.avx2.pmadd.wd(A, B), C)";
    assert_false(compile_hits(&plain, NULL));
    for (size_t i = 0; i < n; i++)
        if (compile_hits(&other[i], NULL)) fail_msg("input %zu is not in the key", i);
    for (size_t i = 0; i < n; i++) assert_true(compile_hits(&other[i], NULL));
    assert_true(compile_hits(&plain, NULL));
}

struct texts { char *text; };
static bool body_text(struct qj_ctx *q, void *u)
{
    return api_strdup(q, request_text(q, QJ_OBJ), &((struct texts *)u)->text);
}

/* Versions are in the text, and so is what "native" means here. */
static void versions_in_key(void **state)
{
    struct input native = plain;
    struct texts t;
    native.target = "native";
    qj_ctx *q = context(&native, NULL);
    assert_true(api_run(q, API_SCRATCH, body_text, &t));
    assert_non_null(strstr(t.text, qj_version()));
    assert_non_null(strstr(t.text, qj_llvm_version()));
    assert_null(strstr(t.text, "native"));
    assert_non_null(strstr(t.text, q->target->feature_text));
    struct cache *c = cache_open(dir, 0);
    size_t n;
    cache_put(c, t.text, "x", 1);
    void *got = cache_get(c, t.text, &n);
    assert_non_null(got);
    free(got);
    strstr(t.text, qj_llvm_version())[0] ^= 1;
    assert_null(cache_get(c, t.text, &n));
    free(t.text);
    cache_close(c);
    qj_ctx_free(q);
    char build[BUILD_TEXT];
    build_text(build);
    assert_true(strlen(build) > 32);
}

/* Two keys whose entries have one name: the second's bytes under the first's name are a miss. */
static void collision(void **state)
{
    struct cache *c = cache_open(dir, 0);
    char from[256], to[256];
    size_t n;
    cache_put(c, "one", "1", 1);
    cache_put(c, "two", "2", 1);
    path_of("two", from, sizeof from);
    path_of("one", to, sizeof to);
    assert_int_equal(rename(from, to), 0);
    assert_null(cache_get(c, "one", &n));
    assert_int_equal(files(dir, "", NULL), 0); /* and gone */
    assert_non_null(cache_trouble(c));
    assert_null(cache_trouble(c));
    cache_close(c);
}

/* ---- damage ---- */

/* Does the whole of reading take it? Nothing is linked, let alone run. */
static bool accepted(qj_ctx *q, const char *key, const void *file, size_t size, struct qj_artifact **out)
{
    size_t n;
    const void *payload = cache_payload(file, size, key, &n);
    struct err_state e;
    *out = NULL;
    if (!payload) return false;
    err_init(&e);
    *out = store_read(&e, payload, n);
    bool ok = *out && compile_fits(q, QJ_OBJ, *out);
    err_release(&e);
    if (!ok) qj_artifact_free(*out);
    if (!ok) *out = NULL;
    return ok;
}

struct attack {
    const char *key;
    const unsigned char *file;
    size_t size;
    const struct qj_artifact *good;
    uint64_t n, refused, taken[5];      /* enum change */
};

/* What an entry that was taken differs in. */
enum change { CODE, OBJECT, NOTES, METADATA, NOTHING };

static bool same_notes(const struct artifact *a, const struct artifact *b)
{
    bool same = a->nnote == b->nnote;
    for (int i = 0; same && i < a->nnote; i++)
        same = !strcmp(a->note[i].code, b->note[i].code) && !strcmp(a->note[i].text, b->note[i].text);
    return same;
}

static enum change change_of(const struct qj_artifact *w, const struct qj_artifact *good)
{
    const struct artifact *a = w->a, *b = good->a;
    struct err_state e;
    struct elf_info info;
    size_t at = 0;
    while (at < a->size && at < b->size && a->bytes[at] == b->bytes[at]) at++;
    if (at < a->size || at < b->size) {
        bool code = false;
        err_init(&e);
        assert_true(elf_check(&e, b->bytes, b->size, NULL, NULL, &info));
        const uint8_t *p = (const uint8_t *)b->bytes + at;
        for (int i = 0; i < info.nfunc; i++) code |= p >= info.func[i].at && p < info.func[i].at + info.func[i].size;
        elf_release(&info);
        err_release(&e);
        return code ? CODE : OBJECT;
    }
    if (!same_notes(a, b)) return NOTES;
    char *text[] = {qj_artifact_json(w), qj_artifact_json(good)};
    bool same = !strcmp(text[0], text[1]);
    free(text[0]);
    free(text[1]);
    return same ? NOTHING : METADATA;
}

static bool differs_in_bytes_only(const struct qj_artifact *a, const struct qj_artifact *b)
{
    if (a->a->size != b->a->size || a->a->workspace != b->a->workspace || a->a->macs != b->a->macs) return false;
    for (int i = 0; i < a->ncall; i++)
        if (strcmp(artifact_call_arg(a, i)->name, artifact_call_arg(b, i)->name)) return false;
    return true;
}

static void try(qj_ctx *q, struct attack *k, const unsigned char *file, size_t size, bool corrected)
{
    struct qj_artifact *w;
    struct ir_mark mark = ir_mark(&q->ir);
    k->n++;
    if (!accepted(q, k->key, file, size, &w)) {
        k->refused++;
    } else {
        /* only a forger with this user's rights corrects digests: what may then pass is other code or another text of a
         * note in an otherwise right kernel, within all bounds */
        assert_true(corrected || (size == k->size && !memcmp(file, k->file, size)));
        k->taken[change_of(w, k->good)]++;
        qj_artifact_free(w);
    }
    ir_reset(&q->ir, mark);
}

static void correct(unsigned char *file, size_t size)
{
    char digest[DIGEST_HEX];
    if (size < DIGEST_HEX - 1) return;
    digest_hex(file, size - (DIGEST_HEX - 1), digest);
    memcpy(file + size - (DIGEST_HEX - 1), digest, DIGEST_HEX - 1);
}

static bool body_attack(struct qj_ctx *q, void *u)
{
    static const uint64_t field[] = {0, 1, 2, 8, 9, 17, 1100, 1 << 20, UINT64_C(1) << 48, INT64_MAX, UINT64_MAX, UINT64_C(1) << 63, UINT32_MAX};
    struct attack *k = u;
    uint64_t n = env_number("QJ_N", 30000);
    struct rng r = {env_number("QJ_SEED", 1)};
    unsigned char *copy = malloc(k->size + 64);
    for (size_t i = 0; i < k->size; i += n > 60000 ? 1 : 7) try(q, k, k->file, i, false); /* truncated */
    while (k->n < n) {
        size_t size = k->size, at = (size_t)(rng_next(&r) % size);
        bool corrected = rng_next(&r) & 1;
        memcpy(copy, k->file, size);
        switch (rng_next(&r) % 6) {
        case 0: copy[at] ^= (unsigned char)(1 << rng_next(&r) % 8); break;
        case 1: copy[at] = (unsigned char)rng_next(&r); break;
        case 2: for (int i = 0; i < 8; i++) copy[rng_next(&r) % size] ^= (unsigned char)rng_next(&r); break;
        case 3: /* a field with a number at or beyond its bounds */
            at = at + 8 > size ? size - 8 : at;
            memcpy(copy + at, &field[rng_next(&r) % ARRAY_LEN(field)], 8);
            break;
        case 4: size = at + 8 > size ? size : at + 8; break; /* cut, then given a digest */
        default: memmove(copy + at, copy + at / 2, size - at); break;
        }
        if (corrected) correct(copy, size);
        if (!memcmp(copy, k->file, k->size) && size == k->size) continue;
        try(q, k, copy, size, corrected);
    }
    free(copy);
    return true;
}

static char *key_of(const struct input *in)
{
    struct texts t;
    qj_ctx *q = context(in, NULL);
    assert_true(api_run(q, API_SCRATCH, body_text, &t));
    char build[BUILD_TEXT], *key = NULL;
    build_text(build);
    assert_true(asprintf(&key, "# build %s\n%s", build, t.text) > 0);
    free(t.text);
    qj_ctx_free(q);
    return key;
}

static void corrupted(void **state)
{
    struct input in = plain;
    in.steps = "transform_layout W NK4n; vectorize C.n"; /* a pack function and a layout */
    struct attack k = {.key = key_of(&in)};
    qj_artifact *a;
    assert_false(compile_hits(&in, &a));
    char path[256];
    path_of(k.key, path, sizeof path);
    unsigned char *file = malloc(1 << 20);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    k.size = fread(file, 1, 1 << 20, f);
    fclose(f);
    k.file = file;
    k.good = a;
    qj_ctx *q = context(&in, NULL);
    struct qj_artifact *w;
    assert_true(accepted(q, k.key, file, k.size, &w)); /* it is the entry */
    same_artifacts(a, w);
    assert_true(differs_in_bytes_only(a, w));
    qj_artifact_free(w);
    assert_true(api_run(q, API_SCRATCH, body_attack, &k));
    print_message("%d damaged entries: %d refused; taken, with a corrected digest, as kernels of other code %d, another object file %d, "
                  "other notes %d, other metadata %d, or of nothing else %d\n", (int)k.n, (int)k.refused, (int)k.taken[CODE], (int)k.taken[OBJECT],
                  (int)k.taken[NOTES], (int)k.taken[METADATA], (int)k.taken[NOTHING]);
    assert_true(k.refused > k.n / 2);

    /* on disk, all the way: refused, told, made again, and the answer is right */
    for (int i = 0; i < 60; i++) {
        size_t size = i < 20 ? k.size * (size_t)i / 20 : k.size;
        unsigned char *copy = malloc(k.size);
        memcpy(copy, file, k.size);
        if (i >= 20) copy[k.size * (size_t)(i - 20) / 40] ^= 0x55;
        write_file(path, copy, size);
        free(copy);
        told_cache = 0;
        qj_ctx *p = context(&in, dir);
        qj_artifact *b = qj_compile(p, QJ_OBJ);
        assert_non_null(b);
        same_artifacts(a, b);
        assert_int_equal(told_cache, 1);
        qj_artifact_free(b);
        qj_ctx_free(p);
        assert_true(compile_hits(&in, NULL));
    }
    qj_ctx_free(q);
    qj_artifact_free(a);
    free(file);
    free((char *)(uintptr_t)k.key);
}

/* An entry of the right key whose kernel is another's, digest and all. */
static void foreign_kernel(void **state)
{
    struct input other = plain;
    other.program = "input A[m:8, k:16] : i8; weight W[n:8, k:16] : i8\nC[m, n] : i32 = sum(k) i32(W[n, k]) * i32(A[m, k])";
    char *key = key_of(&plain);
    qj_artifact *a, *b;
    assert_false(compile_hits(&plain, &a));
    qj_ctx *q = context(&other, NULL);
    b = qj_compile(q, QJ_OBJ);
    qj_ctx_free(q);
    struct err_state e;
    void *bytes;
    size_t n, size;
    err_init(&e);
    assert_true(store_write(&e, b, &bytes, &n));
    void *file = cache_entry(key, bytes, n, &size);
    char path[256];
    path_of(key, path, sizeof path);
    write_file(path, file, size);
    q = context(&plain, dir);
    qj_artifact *c = qj_compile(q, QJ_OBJ);
    same_artifacts(a, c);
    qj_artifact_free(a);
    qj_artifact_free(b);
    qj_artifact_free(c);
    qj_ctx_free(q);
    free(bytes);
    free(file);
    free(key);
    err_release(&e);
}

/* ---- odd files and directories ---- */

static void expect_works(const char *where, int told, const char *what)
{
    told_cache = 0;
    qj_ctx *q = context(&plain, where);
    for (int i = 0; i < 2; i++) {
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        assert_non_null(a);
        qj_artifact_free(a);
    }
    if (told_cache != told) fail_msg("told %d times, not %d: %s", told_cache, told, last_told);
    if (told && !strstr(last_told, what)) fail_msg("\"%s\" lacks \"%s\"", last_told, what);
    qj_ctx_free(q);
}

static void odd_directories(void **state)
{
    char path[256], link_path[256];
    snprintf(path, sizeof path, "%s/none/below", dir);
    expect_works(path, 1, "cannot make");
    assert_int_equal(mkdir(dir, 0700), 0);
    snprintf(link_path, sizeof link_path, "%s-link", dir);
    assert_int_equal(symlink(dir, link_path), 0);
    expect_works(link_path, 1, "it is a link");
    assert_int_equal(chmod(dir, 0770), 0);
    expect_works(dir, 1, "others may write");
    assert_int_equal(chmod(dir, 0700), 0);
    snprintf(path, sizeof path, "%s/file", dir);
    write_file(path, "x", 1);
    expect_works(path, 1, "cannot open");
    if (geteuid() == 0) {
        assert_int_equal(chown(dir, 65534, 65534), 0);
        expect_works(dir, 1, "another user");
        assert_int_equal(chown(dir, 0, 0), 0);
    }
    expect_works(dir, 0, "");
    expect_works("", 0, "");
}

/* Candidates are timed unheard, and what is wrong with the cache is told all the same. */
static void told_after_choosing(void **state)
{
    char path[256];
    snprintf(path, sizeof path, "%s/none/below", dir);
    qj_ctx *q = context(&plain, path);
    qj_ctx_reset(q);
    qj_define(q, "input A[m:16, k:64] : u8; weight W[n:32, k:64] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])");
    told_cache = 0;
    qj_template(q, "pick=2");
    assert_int_equal(told_cache, 0);
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    assert_non_null(a);
    assert_int_equal(told_cache, 1);
    qj_artifact_free(a);
    qj_ctx_free(q);
}

static void odd_entries(void **state)
{
    char *key = key_of(&plain), path[256], other[300];
    path_of(key, path, sizeof path);
    snprintf(other, sizeof other, "%s/other", dir);
    assert_false(compile_hits(&plain, NULL));
    for (int kind = 0; kind < 7; kind++) {
        struct stat st;
        if (kind == 5) assert_true(unlink(path) == 0 && mkdir(path, 0700) == 0);
        if (kind == 6) { /* and something in it, which stays, under another name */
            char within[400];
            snprintf(within, sizeof within, "%s/within", path);
            assert_true(unlink(path) == 0 && mkdir(path, 0700) == 0);
            write_file(within, "x", 1);
        }
        if (kind == 0) assert_int_equal(link(path, other), 0); /* a second name */
        if (kind == 1) assert_true(rename(path, other) == 0 && symlink(other, path) == 0);
        if (kind == 2) assert_true(unlink(path) == 0 && mkfifo(path, 0600) == 0);
        if (kind == 3) assert_int_equal(chmod(path, 0666), 0);
        if (kind == 4 && geteuid() == 0) assert_int_equal(chown(path, 65534, 65534), 0);
        told_cache = 0;
        qj_ctx *q = context(&plain, dir);
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        assert_non_null(a);
        qj_artifact_free(a);
        qj_ctx_free(q);
        if (kind != 4 || geteuid() == 0) assert_int_equal(told_cache, 1);
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0600);
        unlink(other);
    }
    free(key);
}

/* In a child: SIGXFSZ is ignored, so files end at 100 bytes, as on a full disk; or the user may not write. */
static void cannot_write(void **state)
{
    assert_int_equal(mkdir(dir, 0700), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit small = {100, 100};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &small) != 0) _exit(1);
        told_cache = 0;
        qj_ctx *q = context(&plain, dir);
        for (int i = 0; i < 3; i++) qj_artifact_free(qj_compile(q, QJ_OBJ));
        _exit(told_cache == 1 && strstr(last_told, "cannot write") && !qj_last_error(q) ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(files(dir, "", NULL), 0); /* no half files, no temporaries */
    if (geteuid() != 0) return;
    assert_false(compile_hits(&plain, NULL));
    char *key = key_of(&plain), path[256];
    path_of(key, path, sizeof path);
    assert_true(chown(path, 65534, 65534) == 0 && chown(dir, 65534, 65534) == 0 && chmod(dir, 0500) == 0 && chmod(root, 0755) == 0);
    child = fork();
    if (child == 0) {
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(1);
        struct input more = plain;
        more.name = "unwritten";
        told_cache = 0;
        qj_ctx *q = context(&plain, dir), *p = context(&more, dir);
        qj_artifact *a = qj_compile(q, QJ_OBJ), *b = qj_compile(p, QJ_OBJ); /* found; not kept */
        _exit(a && b && told_cache == 1 && strstr(last_told, "cannot write") ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(key);
    chown(dir, 0, 0);
    chmod(dir, 0700);
}

/* ---- size ---- */

static void least_recently_used(void **state)
{
    enum { N = 64, SIZE = 1000 };
    char payload[SIZE], key[32];
    size_t n;
    int64_t bytes;
    memset(payload, 7, sizeof payload);
    struct cache *c = cache_open(dir, N * SIZE);
    for (int i = 0; i < N / 2; i++) {
        snprintf(key, sizeof key, "old %d", i);
        cache_put(c, key, payload, SIZE);
    }
    age_all(500);
    char stale[300], young[300], not_ours[300];
    snprintf(stale, sizeof stale, "%s/tmp.1.2.3", dir);
    snprintf(young, sizeof young, "%s/tmp.1.2.4", dir);
    snprintf(not_ours, sizeof not_ours, "%s/README", dir);
    write_file(stale, "x", 1);
    write_file(not_ours, "x", 1);
    age_all(1000);
    write_file(young, "x", 1);
    free(cache_get(c, "old 3", &n)); /* used: it stays */
    for (int i = 0; i < 2 * N; i++) {
        snprintf(key, sizeof key, "new %d", i);
        cache_put(c, key, payload, SIZE);
        if (i % 4 == 0) free(cache_get(c, "old 3", &n));
        files(dir, "", &bytes);
        assert_true(bytes <= N * SIZE + N * SIZE / 8);
    }
    void *kept = cache_get(c, "old 3", &n), *last = cache_get(c, key, &n);
    assert_non_null(kept);
    assert_non_null(last);
    assert_null(cache_get(c, "old 4", &n));
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(access(young, F_OK), 0);
    assert_int_equal(access(not_ours, F_OK), 0);
    free(kept);
    free(last);
    cache_put(c, "too large", payload, SIZE);
    cache_close(c);
    struct cache *tiny = cache_open(dir, SIZE);
    cache_put(tiny, "larger than half of all", payload, SIZE);
    assert_null(cache_get(tiny, "larger than half of all", &n));
    cache_close(tiny);
    empty(dir);
}

/* ---- several processes ---- */

static size_t payload_of(uint64_t key, unsigned char *out, size_t most)
{
    struct rng r = {key};
    size_t n = 1 + (size_t)(rng_next(&r) % most);
    for (size_t i = 0; i < n; i++) out[i] = (unsigned char)rng_next(&r);
    return n;
}

/* Puts and gets for ever, or so often; 1: a payload was wrong. */
static int work(uint64_t seed, int rounds)
{
    enum { MOST = 20000, KEYS = 20 };
    static unsigned char want[MOST];
    struct rng r = {seed};
    struct cache *c = cache_open(dir, 150000); /* so that entries are removed all the time */
    int wrong = 0;
    for (int i = 0; rounds == 0 || i < rounds; i++) {
        char key[32];
        uint64_t which = rng_next(&r) % KEYS;
        size_t n = payload_of(which, want, MOST), got_n;
        snprintf(key, sizeof key, "key %d", (int)which);
        void *got = cache_get(c, key, &got_n);
        if (got) wrong |= got_n != n || memcmp(got, want, n);
        else cache_put(c, key, want, n);
        free(got);
    }
    wrong |= cache_trouble(c) != NULL; /* nobody ever sees a damaged entry */
    cache_close(c);
    return wrong;
}

static void several_processes(void **state)
{
    pid_t child[6];
    for (int i = 0; i < 6; i++)
        if ((child[i] = fork()) == 0) _exit(work((uint64_t)i, (int)env_number("QJ_ROUNDS", 1500)));
    for (int i = 0; i < 6; i++) {
        int status;
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(files(dir, "tmp.", NULL), 0);
}

/* Killed at any point of its work: whole entries or none, and what others wrote stays. */
static void killed(void **state)
{
    struct rng r = {7};
    assert_int_equal(mkdir(dir, 0700), 0);
    for (int i = 0; i < (int)env_number("QJ_KILLS", 150); i++) {
        pid_t child = fork();
        if (child == 0) _exit(work((uint64_t)i, 0));
        usleep((useconds_t)(rng_next(&r) % 3000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (i % 10 == 9) assert_int_equal(work((uint64_t)(1000 + i), 50), 0);
    }
    assert_int_equal(work(1, 200), 0);
    age_all(1000);
    struct cache *c = cache_open(dir, 0); /* its first write looks at the directory */
    cache_put(c, "last", "x", 1);
    assert_int_equal(files(dir, "tmp.", NULL), 0);
    cache_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(found_again, set_up), cmocka_unit_test_setup(nothing_is_done, set_up), cmocka_unit_test_setup(each_input, set_up),
        cmocka_unit_test_setup(versions_in_key, set_up), cmocka_unit_test_setup(collision, set_up),
        cmocka_unit_test_setup(corrupted, set_up), cmocka_unit_test_setup(foreign_kernel, set_up),
        cmocka_unit_test_setup(odd_directories, set_up), cmocka_unit_test_setup(told_after_choosing, set_up),
        cmocka_unit_test_setup(odd_entries, set_up),
        cmocka_unit_test_setup(cannot_write, set_up), cmocka_unit_test_setup(least_recently_used, set_up),
        cmocka_unit_test_setup(several_processes, set_up), cmocka_unit_test_setup(killed, set_up)};
    snprintf(root, sizeof root, "/tmp/qjit-cache-test.XXXXXX");
    if (!mkdtemp(root)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0 || failed;
}
