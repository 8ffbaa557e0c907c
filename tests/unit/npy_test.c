/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors and .npy files: round trips, numpy's own bytes, and everything a hostile file may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/npy.h"

static struct err_state err;
static char dir[64], path[96];

static int setup(void **state)
{
    (void)state;
    err_init(&err);
    snprintf(dir, sizeof dir, "npy_test.%ld", (long)getpid());
    snprintf(path, sizeof path, "%s/t.npy", dir);
    return mkdir(dir, 0700);
}

static int teardown(void **state)
{
    (void)state;
    err_release(&err);
    unlink(path);
    return rmdir(dir);
}

static void put(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* The file is refused with this code and a message that has these words. */
static void refused(enum err_code code, const char *words)
{
    err_clear(&err);
    qj_tensor *t = npy_load(&err, path);
    assert_null(t);
    assert_int_equal(err.first.code, code);
    if (!strstr(err.first.msg, words)) fail_msg("\"%s\" is not in \"%s\"", words, err.first.msg);
    assert_non_null(strstr(err.first.msg, "t.npy"));
    assert_true(err.first.hint && *err.first.hint);
    err_clear(&err);
}

/* A version 1 file of this dictionary and n bytes of data. */
static size_t file_of(char *out, const char *dict, size_t n)
{
    size_t len = strlen(dict);
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (char)(len & 255);
    out[9] = (char)(len >> 8);
    memcpy(out + 10, dict, len);
    for (size_t i = 0; i < n; i++) out[10 + len + i] = (char)(i & 1);
    return 10 + len + n;
}

static void put_dict(const char *dict, size_t n)
{
    static char bytes[4096];
    put(bytes, file_of(bytes, dict, n));
}

static void test_round_trip(void **state)
{
    (void)state;
    const int64_t shapes[][4] = {{0}, {7}, {3, 5}, {2, 1, 4}, {1, 2, 3, 4}, {0, 3}};
    const int ndim[] = {0, 1, 2, 3, 4, 2};
    for (int d = 0; d < DT_COUNT; d++)
        for (size_t s = 0; s < ARRAY_LEN(ndim); s++) {
            qj_tensor *t = qj_tensor_new((qj_dtype)d, ndim[s], shapes[s]);
            assert_non_null(t);
            assert_int_equal((uintptr_t)t->data % 64, 0);
            assert_true(qj_tensor_fill(t, 42 + s, d == DT_F32 ? -1 : dtype_info[d].lo,
                                       d == DT_F32 ? 1 : dtype_info[d].hi));
            assert_true(npy_save(&err, t, path));
            qj_tensor *u = npy_load(&err, path);
            assert_non_null(u);
            qj_dtype dt;
            assert_true(qj_tensor_dtype(u, &dt));
            assert_int_equal(dt, d);
            assert_int_equal(u->ndim, ndim[s]);
            for (int i = 0; i < u->ndim; i++) assert_int_equal(u->shape[i], shapes[s][i]);
            assert_int_equal(qj_tensor_bytes(u), qj_tensor_bytes(t));
            assert_memory_equal(t->data, u->data, (size_t)qj_tensor_bytes(t));
            qj_tensor_free(t);
            qj_tensor_free(u);
        }
}

/* numpy.save(f, numpy.array([[1, -2, 3], [4, 5, -128]], 'i1')) */
static void test_bytes_of_numpy(void **state)
{
    (void)state;
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\1\0\x76\0", 10);
    static const char dict[] = "{'descr': '|i1', 'fortran_order': False, 'shape': (2, 3), }";
    memcpy(head + 10, dict, sizeof dict - 1);
    head[127] = '\n';
    char file[134];
    memcpy(file, head, 128);
    memcpy(file + 128, (signed char[]){1, -2, 3, 4, 5, -128}, 6);
    put(file, sizeof file);
    qj_tensor *t = npy_load(&err, path);
    assert_non_null(t);
    assert_int_equal(((signed char *)t->data)[5], -128);
    /* and what we write is what numpy writes, byte for byte */
    assert_true(npy_save(&err, t, path));
    FILE *f = fopen(path, "rb");
    char again[200];
    assert_int_equal(fread(again, 1, sizeof again, f), sizeof file);
    fclose(f);
    assert_memory_equal(again, file, sizeof file);
    qj_tensor_free(t);
}

static void test_version_2(void **state)
{
    (void)state;
    static const char dict[] = "{ \"shape\" : ( 4 , ) ,\"fortran_order\":False,'descr':'<i2'}\n";
    char file[200] = "\x93NUMPY\2\0";
    uint32_t len = sizeof dict - 1;
    memcpy(file + 8, &len, 4);
    memcpy(file + 12, dict, len);
    memcpy(file + 12 + len, (int16_t[]){1, -1, INT16_MIN, INT16_MAX}, 8);
    put(file, 12 + len + 8);
    qj_tensor *t = npy_load(&err, path);
    assert_non_null(t);
    assert_int_equal(((int16_t *)t->data)[2], INT16_MIN);
    qj_tensor_free(t);
    len = UINT32_MAX;
    memcpy(file + 8, &len, 4);
    put(file, sizeof file);
    refused(ERR_NPY, "longer than 65536");
    file[6] = 3;
    put(file, sizeof file);
    refused(ERR_NPY, "version 1.0 or 2.0");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct { const char *dict; size_t n; const char *words;
    } rows[] = {
        {"{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }", 4, "element type '>i2'"},
        {"{'descr': '|i2', 'fortran_order': False, 'shape': (2,), }", 4, "element type"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", 16, "element type '<f8'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 16, "element type"},
        {"{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,), }", 8, "a string expected"},
        {"{'descr': '|i1', 'fortran_order': True, 'shape': (2,), }", 2, "Fortran order"},
        {"{'descr': '|i1', 'fortran_order': 0, 'shape': (2,), }", 2, "fortran_order"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (2), }", 2, "no tuple"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': [2], }", 2, "no tuple"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (-2,), }", 2, "an extent expected"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (2 2,), }", 4, "',' or ')'"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 1,
         "more than 8 dimensions"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4, "too large"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (1099511627776, 1099511627776), }", 4, "2^47"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 0), }", 8, "2^47"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (100000000000,), }", 4, "need 100000000000"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (5,), }", 4, "4 bytes of elements"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (3,), }", 4, "4 bytes of elements"},
        {"{'descr': '|i1', 'fortran_order': False, }", 4, "is missing"},
        {"{'descr': '|i1', 'descr': '|i1', 'fortran_order': False, 'shape': (4,)}", 4, "repeated key"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (4,), 'more': 1}", 4, "unknown"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (4,)} x", 4, "after the dictionary"},
        {"{'descr': '|i1' 'fortran_order': False, 'shape': (4,)}", 4, "',' or '}'"},
        {"{'descr' '|i1', 'fortran_order': False, 'shape': (4,)}", 4, "':' expected"},
        {"{'descr': '|i1, }", 4, "string without an end"},
        {"{'descr': '|i1', 'fortran_order': Fal", 0, "fortran_order"},
        {"{'descr': '|i1', 'fortran_order': False, 'shape': (4", 0, "expected"},
        {"", 0, "no dictionary"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put_dict(rows[i].dict, rows[i].n);
        refused(ERR_NPY, rows[i].words);
    }
    put_dict("{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", 2);
    qj_tensor_free(npy_load(&err, path)); /* 0 and 1 are fine */
    assert_false(err_is(&err));
    char bytes[200];
    size_t n = file_of(bytes, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", 2);
    bytes[n - 1] = 2;
    put(bytes, n);
    refused(ERR_NPY, "neither 0 nor 1");
}

/* Every truncation and every damaged byte of the header gives an error or the same size of data, never more. */
static void test_damage(void **state)
{
    (void)state;
    char good[256], bytes[256];
    size_t n = file_of(good, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24);
    struct npy_head h;
    for (size_t cut = 0; cut < n; cut++) {
        char *exact = malloc(cut ? cut : 1); /* so that ASan sees a read past the end */
        memcpy(exact, good, cut);
        assert_false(npy_parse(&err, "t.npy", exact, cut, (int64_t)cut, &h));
        assert_int_equal(err.first.code, ERR_NPY);
        err_clear(&err);
        free(exact);
    }
    int taken = 0;
    for (size_t at = 0; at < n - 24; at++)
        for (int v = 0; v < 256; v++) {
            memcpy(bytes, good, n);
            bytes[at] = (char)v;
            if (npy_parse(&err, "t.npy", bytes, n, (int64_t)n, &h)) {
                assert_int_equal(h.bytes + (int64_t)h.data_at, n);
                taken++;
            }
            err_clear(&err);
        }
    assert_true(taken > 80 && taken < 500); /* the byte as it was, f4, (3, 2)-like shapes, blanks */
}

static void test_not_files(void **state)
{
    (void)state;
    err_clear(&err);
    assert_null(npy_load(&err, "no/such/file.npy"));
    assert_int_equal(err.first.code, ERR_FILE);
    err_clear(&err);
    assert_null(npy_load(&err, dir));
    assert_non_null(strstr(err.first.msg, "not a regular file"));
    err_clear(&err);
    assert_null(npy_load(&err, "/dev/zero"));
    assert_non_null(strstr(err.first.msg, "not a regular file"));
    err_clear(&err);
    char fifo[96];
    snprintf(fifo, sizeof fifo, "%s/fifo", dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_null(npy_load(&err, fifo)); /* and does not wait for a writer */
    err_clear(&err);
    qj_tensor *t = qj_tensor_new(QJ_I8, 1, (int64_t[]){4});
    assert_false(npy_save(&err, t, fifo));
    assert_non_null(strstr(err.first.msg, "not a regular file"));
    unlink(fifo);
    const char *names[] = {"", "x/", "a\nb", ".", "npy_test.none/../.."};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        err_clear(&err);
        assert_false(npy_save(&err, t, names[i]));
        assert_int_equal(err.first.code, ERR_FILE);
    }
    err_clear(&err);
    qj_tensor_free(t);
}

/* All or nothing: a set with one path that cannot be written changes nothing and leaves nothing behind. */
static void test_file_set(void **state)
{
    (void)state;
    char b[96], lost[96], temps[128];
    snprintf(b, sizeof b, "%s/b", dir);
    snprintf(lost, sizeof lost, "%s/no/such", dir);
    put("old", 3);
    struct file_part set[] = {{path, "new", 3}, {b, "b", 1}, {lost, "c", 1}};
    assert_false(file_write(&err, set, 3));
    assert_int_equal(err.first.code, ERR_FILE);
    err_clear(&err);
    assert_int_not_equal(access(b, F_OK), 0);
    int64_t size;
    char got[3];
    int fd = file_open(&err, path, &size);
    assert_true(file_read_all(fd, got, 3) && size == 3);
    close(fd);
    assert_memory_equal(got, "old", 3);
    assert_true(file_write(&err, set, 2));
    unlink(b);
    unlink(path);
    snprintf(temps, sizeof temps, "test -z \"$(ls -A %s)\"", dir);
    assert_int_equal(system(temps), 0);
}

static void test_tensor(void **state)
{
    (void)state;
    assert_null(qj_tensor_new(QJ_I8, 1, (int64_t[]){-1}));
    assert_null(qj_tensor_new(QJ_I8, 17, (int64_t[17]){1}));
    assert_null(qj_tensor_new((qj_dtype)99, 1, (int64_t[]){1}));
    assert_null(qj_tensor_new(QJ_I64, 3, (int64_t[]){INT64_MAX, 2, 2}));
    assert_null(qj_tensor_new(QJ_I64, 3, (int64_t[]){INT64_MAX, 0, 2}));
    int8_t data[6] = {1, 2, 3, 4, 5, 6};
    qj_tensor *t = qj_tensor_from_data(QJ_I8, 2, (int64_t[]){2, 3}, data);
    assert_ptr_equal(t->data, data);
    t->byte_offset = 2;
    assert_ptr_equal(qj_tensor_data(t), data + 2);
    t->byte_offset = 0;
    int64_t strides[] = {3, 1};
    t->strides = strides;
    assert_true(tensor_contiguous(t));
    strides[0] = 4;
    assert_false(tensor_contiguous(t));
    assert_false(qj_tensor_fill(t, 1, 0, 1));
    t->shape[0] = 1; /* the stride of one element says nothing */
    assert_true(tensor_contiguous(t));
    assert_true(qj_tensor_fill(t, 1, -128, 127));
    assert_false(qj_tensor_fill(t, 1, -129, 127));
    assert_false(qj_tensor_fill(t, 1, 3, 2));
    t->strides = NULL;
    qj_tensor_free(t);
    qj_tensor_free(NULL);

    /* every value of a small range turns up; i64's whole range does not trip the arithmetic */
    int8_t many[4000];
    int seen[256] = {0}, all = 0;
    tensor_random(DT_I8, many, 4000, 7, (struct range){-128, 127});
    for (int i = 0; i < 4000; i++) seen[many[i] + 128] = 1;
    for (int i = 0; i < 256; i++) all += seen[i];
    assert_int_equal(all, 256);
    int64_t wide[64], neg = 0;
    tensor_random(DT_I64, wide, 64, 7, (struct range){INT64_MIN, INT64_MAX});
    for (int i = 0; i < 64; i++) neg += wide[i] < 0;
    assert_true(neg > 10 && neg < 54);
}

/* A process that is killed while it writes leaves the file as it was or whole, and nothing that is half. */
static void test_killed(void **state)
{
    (void)state;
    enum { SIDE = 1 << 10, ROUNDS = 12 };
    char name[400];
    qj_tensor *t = qj_tensor_new(QJ_I8, 2, (int64_t[]){SIDE, SIDE});
    assert_true(npy_save(&err, t, path));
    struct stat whole, st;
    assert_int_equal(stat(path, &whole), 0);
    int plain = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600); /* a file system that has these */
    if (plain >= 0) close(plain);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        if (child == 0)
            for (;;)
                if (!npy_save(&err, t, path)) _exit(1);
        nanosleep(&(struct timespec){0, 3000000 + i * 1700000}, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        DIR *d = opendir(dir);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d));) {
            snprintf(name, sizeof name, "%s/%s", dir, e->d_name);
            if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || stat(name, &st) != 0) continue;
            if (plain >= 0 || !strcmp(name, path)) assert_int_equal(st.st_size, whole.st_size);
            if (strcmp(name, path)) unlink(name); /* whole, and killed before it was renamed */
        }
        closedir(d);
        qj_tensor *back = npy_load(&err, path);
        assert_non_null(back);
        qj_tensor_free(back);
    }
    qj_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bytes_of_numpy),
        cmocka_unit_test(test_version_2),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damage),     cmocka_unit_test(test_not_files),
        cmocka_unit_test(test_file_set),   cmocka_unit_test(test_tensor),
        cmocka_unit_test(test_killed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
