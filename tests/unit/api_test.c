/* SPDX-License-Identifier: Apache-2.0 */
/* The public interface: text and typed calls, errors that stick and take calls back, compile, save, link, call,
 * pack, check, time, disassemble; lives of objects, limits of memory, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/api.h"
#include "runtime/qjit.h"

static const char dense[] =
    "input A[m:5, k:36] : u8; weight W[n:24, k:36] : i8; bias B[n:24] : i32\n"
    "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n"
    "Out[m, n] : i32 = Acc[m, n] + B[n]";

enum { M = 5, K = 36, N = 24 };

static void ok(const qj_ctx *q)
{
    const qj_error *e = qj_last_error(q);
    if (e) fail_msg("%s", e->text);
}

/* An error with this code, text and hint; cleared. */
static void fails(qj_ctx *q, const char *code)
{
    const qj_error *e = qj_last_error(q);
    assert_non_null(e);
    if (strcmp(e->code, code)) fail_msg("%s instead of %s: %s", e->code, code, e->text);
    assert_true(*e->message && *e->text);
    assert_non_null(strstr(e->text, e->message));
    qj_clear_error(q);
    assert_null(qj_last_error(q));
}

static qj_ctx *dense_ctx(const char *target)
{
    qj_ctx *q = qj_ctx_new(NULL);
    assert_non_null(q);
    qj_define(q, dense);
    if (target) qj_target(q, target);
    ok(q);
    return q;
}

struct data { qj_tensor *a, *w, *b, *out; int32_t want[M * N]; };

static struct data new_data(uint64_t seed)
{
    struct data d = {.a = qj_tensor_new(QJ_U8, 2, (int64_t[]){M, K}),
                     .w = qj_tensor_new(QJ_I8, 2, (int64_t[]){N, K}),
                     .b = qj_tensor_new(QJ_I32, 1, (int64_t[]){N}),
                     .out = qj_tensor_new(QJ_I32, 2, (int64_t[]){M, N})};
    qj_tensor_fill(d.a, seed, 0, 255);
    qj_tensor_fill(d.w, seed + 1, -128, 127);
    qj_tensor_fill(d.b, seed + 2, -100000, 100000);
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            int32_t s = ((int32_t *)d.b->data)[n];
            for (int k = 0; k < K; k++)
                s += ((uint8_t *)d.a->data)[m * K + k] * ((int8_t *)d.w->data)[n * K + k];
            d.want[m * N + n] = s;
        }
    return d;
}

static void free_data(struct data *d)
{
    qj_tensor_free(d->a);
    qj_tensor_free(d->w);
    qj_tensor_free(d->b);
    qj_tensor_free(d->out);
}

static void test_define_build_call(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    struct data d = new_data(1);
    qj_step(q, "compute_at Acc Out.m; vectorize Out.n; parallel Out.m");
    qj_kernel *k = qj_build(q);
    ok(q);
    assert_int_equal(qj_kernel_nargs(k), 4);
    qj_arg g;
    assert_true(qj_kernel_arg(k, 1, &g));
    assert_string_equal(g.name, "W");
    assert_int_equal(g.role, QJ_ROLE_WEIGHT);
    assert_int_equal(g.dtype, QJ_I8);
    assert_true(g.ndim == 2 && g.shape[0] == N && g.shape[1] == K && g.bytes == N * K);
    assert_string_equal(g.dim_name[1], "k");
    assert_true(g.lo == -128 && g.hi == 127);
    assert_false(qj_kernel_arg(k, 4, &g));
    qj_ctx_free(q); /* the kernel lives on */
    qj_tensor *args[] = {d.a, d.w, d.b, d.out};
    char why[200] = "";
    assert_true(
        qj_kernel_call(k, args, 4, &(qj_call){.size = sizeof(qj_call), .why = why, .why_size = sizeof why}));
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    memset(d.out->data, 0, sizeof d.want);
    int (*entry)(void **) = (int (*)(void **))qj_kernel_call_entry(k);
    void *ws = aligned_alloc(64, 4096);
    assert_true(qj_kernel_workspace(k) <= 4096);
    void *ptr[] = {d.a->data, d.w->data, d.b->data, d.out->data, ws};
    assert_int_equal(entry(ptr), 0);
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    free(ws);
    qj_kernel_free(k);
    free_data(&d);
}

static void test_refused_tensors(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    qj_kernel *k = qj_build(q);
    struct data d = new_data(2);
    qj_tensor *args[] = {d.a, d.w, d.b, d.out};
    char why[200];
    qj_call o = {.size = sizeof o, .why = why, .why_size = sizeof why};
#define REFUSED(words) \
    do { \
        assert_false(qj_kernel_call(k, args, 4, &o)); \
        if (!strstr(why, words)) fail_msg("%s", why); \
    } while (0)
    assert_false(qj_kernel_call(k, args, 3, &o));
    assert_non_null(strstr(why, "takes 4 tensors"));
    args[0] = NULL;
    REFUSED("A is missing");
    args[0] = d.w;
    REFUSED("A must have elements of type u8");
    args[0] = d.a;
    d.a->shape[1] = K - 1;
    REFUSED("A must have the shape [5, 36], not [5, 35]");
    d.a->shape[1] = K;
    int64_t strides[] = {1, M};
    d.a->strides = strides;
    REFUSED("A has the stride 1 on axis m, a dense tensor 36");
    strides[0] = K, strides[1] = 1;
    assert_true(qj_kernel_call(k, args, 4, &o));
    d.a->strides = NULL;
    d.a->device.type = 2;
    REFUSED("device");
    d.a->device.type = 1;
    d.a->dtype.lanes = 4;
    REFUSED("lanes");
    d.a->dtype.lanes = 1;
    d.b->byte_offset = 2;
    REFUSED("aligned");
    d.b->byte_offset = 0;
    void *keep = d.out->data;
    d.out->data = d.b->data;
    REFUSED("overlaps");
    d.out->data = keep;
    assert_false(qj_kernel_call(NULL, args, 4, &o));
    assert_false(qj_kernel_call(k, NULL, 4, NULL)); /* nobody asks why */
    why[0] = 0;
    assert_false(qj_kernel_call(NULL, args, 4, &o));
    assert_string_equal(why, "the kernel is missing (NULL)");
    why[0] = 0;
    assert_null(qj_kernel_pack(NULL, args, 4, &o));
    assert_string_equal(why, "the kernel is missing (NULL)");
    /* an offset is honoured */
    char room[M * K + 64];
    memcpy(room + 7, d.a->data, M * K);
    qj_tensor *off = qj_tensor_from_data(QJ_U8, 2, d.a->shape, room);
    off->byte_offset = 7;
    args[0] = off;
    memset(d.out->data, 0, sizeof d.want);
    assert_true(qj_kernel_call(k, args, 4, &o));
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    qj_tensor_free(off);
    qj_kernel_free(k);
    qj_ctx_free(q);
    free_data(&d);
}

static void test_errors_stick_and_take_back(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("x86-64-v3");
    assert_null(qj_last_error(q));
    qj_split(q, "Out", "n", 8, QJ_TAIL_GUARD, "no", "ni");
    ok(q);
    char *before = qj_show(q), *steps = qj_steps_text(q);
    assert_false(qj_step(q, "vectorize Out.ni; split Out.nothere 4"));
    const qj_error *e = qj_last_error(q);
    assert_string_equal(e->code, "no-axis");
    assert_true(e->line == 1 && e->offset >= 18 && e->step == 3);
    assert_non_null(strstr(e->text, "^"));
    /* nothing else happens until it is cleared */
    assert_false(qj_undo(q));
    assert_null(qj_show(q));
    assert_false(qj_define(q, "input Z[4] : i8"));
    qj_clear_error(q);
    char *after = qj_show(q), *steps_after = qj_steps_text(q);
    assert_string_equal(before, after); /* and the vectorize before the fault is gone as well */
    assert_string_equal(steps, steps_after);
    assert_int_equal(qj_nsteps(q), 1);
    qj_free(before), qj_free(after), qj_free(steps), qj_free(steps_after);

    before = qj_program_text(q);
    assert_false(qj_define(q, "input Z[4] : i8\nY[i] : i8 = Z[i] +"));
    e = qj_last_error(q);
    assert_int_equal(e->line, 2);
    fails(q, "syntax");
    assert_false(qj_define(q, "split Out.m 2"));
    fails(q, "syntax");
    assert_false(qj_define(q, "input A[4] : i8"));
    fails(q, "redefined");
    after = qj_program_text(q);
    assert_string_equal(before, after);
    qj_free(before), qj_free(after);

    assert_false(qj_target(q, "x86-65"));
    fails(q, "unknown-target");
    assert_string_equal(qj_target_name(q), "x86-64-v3");
    for (int i = 0; i < 4; i++) { /* a word of C, as in int double(...); what the object calls; nothing */
        assert_false(qj_name(q, (const char *[]){"9lives", "double", "memcpy", NULL}[i]));
        fails(q, "syntax");
    }
    assert_false(qj_define(q, NULL));
    fails(q, "usage");
    assert_false(qj_step(q, NULL));
    fails(q, "usage");
    assert_false(qj_intrinsic(q, "f", NULL, NULL, NULL, NULL));
    fails(q, "bad-intrinsic");
    assert_true(qj_undo(q));
    assert_false(qj_undo(q));
    fails(q, "nothing-to-undo");
    assert_true(qj_ctx_reset(q));
    assert_false(qj_show(q) != NULL);
    fails(q, "nothing-defined");
    assert_null(qj_compile(q, QJ_OBJ));
    fails(q, "nothing-defined");
    assert_null(qj_link(q, NULL));
    fails(q, "usage");
    qj_ctx_free(q);
    /* NULL is answered, not followed */
    assert_false(qj_define(NULL, "x"));
    assert_null(qj_show(NULL));
    assert_null(qj_last_error(NULL));
    assert_int_equal(qj_nsteps(NULL), 0);
    qj_clear_error(NULL);
    qj_ctx_free(NULL);
    qj_kernel_free(NULL);
    qj_artifact_free(NULL);
    qj_packed_free(NULL);
    qj_listing_free(NULL);
}

/* Each typed call records what its text would. */
static void test_typed_is_text(void **state)
{
    (void)state;
    static const char text[] =
        "cache_write Acc local -> R\nsplit Out.n 8 tail=peel -> no ni\nsplit Out.m parts=2 -> mo mi\nreorder "
        "Out no mi\n"
        "fuse Out.mo no -> mn\nvectorize Out.ni\nunroll Out.mi\nparallel Out.mn\ncompute_at Acc Out.mn\n"
        "compute_at R Out.mn\ntransform_layout W NK8n4k axes=NK\nannotate Out.ni note 3\n";
    qj_ctx *q = dense_ctx("x86-64-v3"), *r = dense_ctx("x86-64-v3");
    qj_step(q, text);
    ok(q);
    qj_cache_write(r, "Acc", QJ_LOCAL, "R");
    qj_split(r, "Out", "n", 8, QJ_TAIL_PEEL, "no", "ni");
    qj_split_parts(r, "Out", "m", 2, QJ_TAIL_GUARD, "mo", "mi");
    qj_reorder(r, "Out", 2, (const char *[]){"no", "mi"});
    qj_fuse(r, "Out", 2, (const char *[]){"mo", "no"}, "mn");
    qj_vectorize(r, "Out", "ni");
    qj_unroll(r, "Out", "mi");
    qj_parallel(r, "Out", "mn");
    qj_compute_at(r, "Acc", "Out", "mn");
    qj_compute_at(r, "R", "Out", "mn");
    qj_transform_layout(r, "W", "NK8n4k", "NK");
    qj_annotate(r, "Out", "ni", "note", 3);
    ok(r);
    char *a = qj_steps_text(q), *b = qj_steps_text(r), *c = qj_show(q), *d = qj_show(r);
    assert_string_equal(a, b);
    assert_string_equal(c, d);
    qj_free(a), qj_free(b), qj_free(c), qj_free(d);
    qj_artifact *x = qj_compile(q, QJ_OBJ), *y = qj_compile(r, QJ_OBJ);
    size_t n, m;
    const void *p = qj_artifact_bytes(x, &n), *o = qj_artifact_bytes(y, &m);
    assert_int_equal(n, m);
    assert_memory_equal(p, o, n);
    qj_artifact_free(x);
    qj_artifact_free(y);

    qj_ctx_reset(r); /* definitions typed, too */
    qj_input(r, "A", QJ_U8, 2, (int64_t[]){M, K}, (const char *[]){"m", "k"});
    qj_weight(r, "W", QJ_I8, 2, (int64_t[]){N, K}, (const char *[]){"n", "k"});
    qj_weight(r, "B", QJ_I32, 1, (int64_t[]){N}, NULL);
    qj_compute(r, "Acc[m, n]", QJ_I32, "sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_compute(r, "Out[m, n]", QJ_I32, "Acc[m, n] + B[n]");
    ok(r);
    a = qj_program_text(r);
    assert_non_null(strstr(a, "W[n:24, k:36]"));
    qj_free(a);
    qj_step(r, "vectorize Out.n");
    ok(r);

    /* what is no name is refused before it gets into a text */
    assert_false(qj_input(r, "Z[1] : i8; input Y", QJ_U8, 1, (int64_t[]){4}, NULL));
    fails(r, "syntax");
    assert_false(qj_input(r, "Z", (qj_dtype)77, 1, (int64_t[]){4}, NULL));
    fails(r, "type");
    assert_false(qj_input(r, "Z", QJ_I8, 9, (int64_t[9]){0}, NULL));
    fails(r, "too-large");
    assert_false(qj_input(r, "Z", QJ_I8, 1, (int64_t[]){-4}, NULL));
    qj_clear_error(r);
    assert_false(qj_split(r, "Out", "m 2 ->", 8, QJ_TAIL_GUARD, NULL, NULL));
    fails(r, "step-args");
    assert_false(qj_split(r, "Out", "m", 2, QJ_TAIL_GUARD, "a b", "c"));
    fails(r, "step-args");
    assert_false(qj_split(r, "Out", "m", 2, (qj_tail)9, NULL, NULL));
    fails(r, "step-args");
    assert_false(qj_split(r, "Out", "m", 2, QJ_TAIL_GUARD, "a", NULL));
    fails(r, "step-args");
    assert_false(qj_reorder(r, "Out", 2, (const char *[]){"m", NULL}));
    fails(r, "step-args");
    assert_false(qj_fuse(r, "Out", 1, NULL, NULL));
    fails(r, "step-args");
    assert_false(qj_bind(r, "Out", "m", (qj_axis)99));
    fails(r, "step-args");
    assert_false(qj_cache_read(r, "A", (qj_scope)9, 0, NULL, NULL, NULL));
    fails(r, "step-args");
    qj_dtype none = (qj_dtype)99;
    assert_false(qj_cache_read(r, "A", QJ_LOCAL, 0, NULL, &none, NULL));
    fails(r, "step-args");
    const char *many[40];
    for (int i = 0; i < 40; i++) many[i] = "m";
    assert_false(qj_reorder(r, "Out", 40, many));
    fails(r, "step-args");
    qj_ctx_free(q);
    qj_ctx_free(r);
}

static void test_pack_and_layouts(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    struct data d = new_data(3);
    qj_step(q, "cache_read W global as=i16 -> Wp");
    ok(q);
    qj_kernel *k = qj_build(q);
    ok(q);
    qj_tensor *args[] = {d.a, d.w, d.b, d.out};
    char why[200] = "";
    qj_call o = {.size = sizeof o, .why = why, .why_size = sizeof why};
    const qj_artifact *a = qj_kernel_artifact(k);
    qj_arg g;
    int packed_at = -1;
    for (int i = 0; i < qj_artifact_nargs(a); i++)
        if (qj_artifact_arg(a, i, &g) && g.role == QJ_ROLE_PACKED) packed_at = i;
    assert_true(packed_at >= 0);
    assert_true(qj_kernel_call(k, args, 4, &o)); /* packs by itself */
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    qj_tensor *only_weights[] = {NULL, d.w, NULL, NULL};
    qj_packed *p = qj_kernel_pack(k, only_weights, 4, &o);
    assert_non_null(p);
    assert_non_null(qj_packed_data(p, packed_at));
    assert_null(qj_packed_data(p, -1));
    assert_int_equal(((const int16_t *)qj_packed_data(p, packed_at))[K + 1], ((int8_t *)d.w->data)[K + 1]);
    qj_tensor *without[] = {d.a, NULL, d.b, d.out};
    assert_false(qj_kernel_call(k, without, 4, &o));
    assert_non_null(strstr(why, "W is missing"));
    o.packed = p;
    memset(d.out->data, 0, sizeof d.want);
    assert_true(qj_kernel_call(k, without, 4, &o));
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    qj_kernel *other = qj_build(q);
    assert_false(qj_kernel_call(other, without, 4, &o));
    assert_non_null(strstr(why, "another kernel"));
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(other);
    qj_kernel_free(k);
    qj_packed_free(p); /* after its kernel: it holds what it needs */

    /* an argument that lies otherwise in memory */
    qj_undo(q);
    qj_step(q, "transform_layout W NK8n4k axes=NK");
    k = qj_build(q);
    ok(q);
    assert_true(qj_kernel_arg(k, 1, &g));
    assert_string_equal(g.layout, "NK8n4k");
    assert_true(g.nphys == 4 && g.phys[0] == 3 && g.phys[1] == 9 && g.phys[2] == 8 && g.phys[3] == 4);
    o.packed = NULL;
    assert_false(qj_kernel_call(k, args, 4, &o));
    assert_non_null(strstr(why, "layout NK8n4k"));
    args[1] = qj_to_layout(k, 1, d.w);
    assert_non_null(args[1]);
    assert_int_equal(((int8_t *)args[1]->data)[1 * 288 + 2 * 32 + 3 * 4 + 1],
                     ((int8_t *)d.w->data)[(8 + 3) * K + 9]);
    memset(d.out->data, 0, sizeof d.want);
    assert_true(qj_kernel_call(k, args, 4, &o));
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    qj_tensor *back = qj_from_layout(k, 1, args[1]);
    assert_memory_equal(back->data, d.w->data, N * K);
    assert_null(qj_to_layout(k, 1, d.a));
    assert_null(qj_to_layout(k, 9, d.a));
    assert_true(qj_check(q, k, NULL));
    qj_tensor_free(back);
    qj_tensor_free(args[1]);
    qj_kernel_free(k);
    qj_ctx_free(q);
    free_data(&d);
}

static void test_artifact(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("x86-64-v3");
    qj_name(q, "dense_5x24");
    char dir[64], path[128];
    snprintf(dir, sizeof dir, "api_test.%ld", (long)getpid());
    mkdir(dir, 0700);
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    ok(q);
    assert_string_equal(qj_artifact_name(a), "dense_5x24");
    assert_int_equal(qj_artifact_nargs(a), 4);
    char *h = qj_artifact_header(a), *json = qj_artifact_json(a);
    assert_non_null(strstr(h, "int dense_5x24("));
    assert_true(json[0] == '{');
    qj_free(h), qj_free(json);
    static const char *const ext[] = {".o", ".h", ".json"};
    snprintf(path, sizeof path, "%s/dense", dir);
    assert_true(qj_artifact_save(q, a, path));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/dense%s", dir, ext[i]);
        assert_int_equal(access(path, R_OK), 0);
        unlink(path);
        assert_true(qj_artifact_save(q, a, path));
        assert_int_equal(access(path, R_OK), 0);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/dense.s", dir);
    assert_false(qj_artifact_save(q, a, path));
    fails(q, "file");
    assert_false(qj_artifact_save(q, a, "./")); /* not ./.o, .h and .json */
    fails(q, "file");
    assert_false(qj_artifact_save(q, a, "no/such/dir/x"));
    fails(q, "file");
    assert_false(qj_artifact_save(q, a, NULL));
    fails(q, "usage");
    qj_artifact_free(a);
    a = qj_compile(q, QJ_ASM);
    assert_true(qj_artifact_save(q, a, path));
    unlink(path);
    assert_null(qj_link(q, a)); /* text is no object */
    fails(q, "unsupported");
    qj_artifact_free(a);
    a = qj_compile(q, QJ_LL);
    assert_non_null(strstr(qj_artifact_bytes(a, NULL), "define i32 @dense_5x24"));
    qj_artifact_free(a);
    assert_null(qj_compile(q, (qj_format)9));
    fails(q, "usage");
    assert_int_equal(rmdir(dir), 0);
    qj_ctx_free(q);
}

/* An object whose header names another machine. */
static qj_artifact *dense_artifact_damaged(qj_ctx *q)
{
    qj_target(q, "native");
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    ok(q);
    unsigned char *bytes = (unsigned char *)(uintptr_t)qj_artifact_bytes(a, NULL); /* ours to spoil */
    bytes[18] = 0xf3;
    return a;
}

/* A kernel for a machine that this one is not can be made, not linked. */
static void test_cannot_run_here(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("x86-64,cpu=graniterapids");
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    ok(q);
    qj_kernel *k = qj_link(q, a);
    if (!k) fails(q, "cannot-run-here"); /* else this is that machine */
    qj_kernel_free(k);
    qj_artifact_free(a);
    /* a machine of another kind */
    a = dense_artifact_damaged(q);
    assert_null(qj_link(q, a));
    fails(q, "cannot-run-here");
    qj_artifact_free(a);
    qj_ctx_free(q);
}

static void test_check_finds_errors(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    qj_kernel *k = qj_build(q);
    qj_check_report r = {.size = sizeof r};
    assert_true(qj_check(q, k, &r));
    assert_true(r.every && r.patterns >= 5 && r.compared == r.patterns * M * N && r.different == 0);
    qj_kernel_free(k);
    /* an instruction that is not what it says it is: it takes the product away */
    qj_ctx_reset(q);
    qj_define(
        q,
        "input A[i:64, k:3] : i8; input B[i:64, k:3] : i8\nC[i] : i32 = sum(k) i32(A[i, k]) * i32(B[i, k])");
    qj_intrinsic(q, "wrong", "C: i32[], A: i8[], B: i8[]", "C[] += i32(A[]) * i32(B[])",
                 "sub(C, mul(sext.i32(A), sext.i32(B)))", NULL);
    qj_tensorize(q, "C", "k", "wrong", QJ_TAIL_ERROR);
    if (qj_last_error(q)) { /* k does not match a scalar: put the instruction inside */
        qj_clear_error(q);
        qj_split(q, "C", "k", 1, QJ_TAIL_GUARD, "ko", "ki");
        qj_tensorize(q, "C", "ki", "wrong", QJ_TAIL_ERROR);
    }
    ok(q);
    k = qj_build(q);
    ok(q);
    r = (qj_check_report){.size = sizeof r};
    assert_false(qj_check(q, k, &r));
    assert_true(r.different > 0 && r.compared == 64 && r.ndim == 1 && r.index[0] == 0 && r.got == -r.want);
    assert_string_equal(r.output, "C");
    assert_non_null(strstr(qj_last_error(q)->message, "C[0] is"));
    fails(q, "mismatch");
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static void test_time_and_listing(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    qj_kernel *k = qj_build(q);
    qj_timing t = {.size = sizeof t};
    assert_true(qj_time(q, k, NULL, 0, 10, &t));
    assert_true(t.best_ms > 0 && t.median_ms >= t.best_ms && t.windows >= 5 && t.calls >= t.windows
                && t.spread >= 0);
    assert_int_equal(t.macs, M * N * K);
    assert_true(t.gmacs > 0 && t.threads == 1);
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)
    assert_true(t.ghz > 0.4 && t.ghz < 8);
    if (*t.row) assert_true(t.ceiling > 1 && t.ceiling < 600);
#endif
    qj_timing small = {.size = sizeof small.size + sizeof small.best_ms, .median_ms = -7};
    assert_true(qj_time(q, k, NULL, 0, 5, &small)); /* an older, shorter struct keeps its end */
    assert_true(small.best_ms > 0 && small.median_ms == -7);
    qj_tensor *bad[] = {NULL, NULL, NULL, NULL};
    assert_false(qj_time(q, k, bad, 4, 5, &t));
    fails(q, "argument");

    qj_listing *l = qj_disassemble(q, k);
    ok(q);
    assert_true(l->n > 10);
    int functions = 0, jumps = 0, ret = 0;
    for (size_t i = 0; i < l->n; i++) {
        const qj_instruction *in = &l->at[i];
        functions += in->function != NULL;
        jumps += in->jump != 0;
        ret += !strncmp(in->text, "ret", 3);
        assert_true(in->nbytes > 0 && *in->text);
        if (i && !in->function)
            assert_true(in->address == l->at[i - 1].address + (uint64_t)l->at[i - 1].nbytes);
        if (in->function && !strcmp(in->function, "kernel"))
            assert_ptr_equal((void *)(uintptr_t)in->address, qj_kernel_entry(k));
    }
    assert_true(functions >= 2 && jumps >= 1 && ret >= 1);
    assert_true(l->spill_stores >= 0 && l->spill_loads >= 0);
    qj_listing_free(l);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

/* At every limit of memory: an error or a result, never an end; and with the limit out of the way of a
 * smaller problem the same context goes on. */
static void test_memory_limit(void **state)
{
    (void)state;
    int refused = 0, done = 0;
    for (size_t limit = 16 << 10; limit < 4 << 20; limit += limit / 3) {
        qj_options o = {.size = sizeof o, .memory_limit = limit};
        qj_ctx *q = qj_ctx_new(&o);
        qj_target(q, "x86-64-v3");
        qj_define(q, dense);
        qj_step(q, "split Out.n 8 -> no ni; vectorize Out.ni; compute_at Acc Out.no; unroll Acc.n");
        qj_artifact *a = qj_compile(q, QJ_OBJ);
        if (a) done++;
        else {
            assert_string_equal(qj_last_error(q)->code, "out-of-memory");
            assert_non_null(strstr(qj_last_error(q)->message, "limit"));
            refused++;
            qj_clear_error(q);
            int before = qj_nsteps(q);
            qj_artifact *again = qj_compile(q, QJ_OBJ); /* no worse than before */
            if (!again) qj_clear_error(q);
            qj_artifact_free(again);
            assert_int_equal(qj_nsteps(q), before);
            while (qj_undo(q)) continue;
            qj_clear_error(q);
            assert_int_equal(qj_nsteps(q), 0);
        }
        qj_artifact_free(a);
        qj_ctx_free(q);
    }
    assert_true(refused >= 3 && done >= 1);
}

/* Memory runs out here, a little later, a little later still - also while LLVM's objects are alive. Each time
 * the call is taken back whole, nothing leaks (LeakSanitizer), and the context goes on when there is more. */
static void test_memory_everywhere(void **state)
{
    (void)state;
    enum { CHUNK = 1 << 20 };    /* the arena's greatest; a larger request gets one of its own, exactly */
    int refused = 0, done = 0;
    for (size_t room = 0; done < 3; room += 2003 + room / 8) {
        qj_ctx *q = dense_ctx("x86-64-v3");
        qj_step(q, "cache_read W global as=i16; split Out.n 8 -> no ni; vectorize Out.ni; compute_at Acc "
                   "Out.no; parallel Out.m");
        ok(q);
        arena_alloc(&q->ir.arena, 2 * CHUNK);
        arena_alloc(&q->ir.arena, (CHUNK - room) & ~(size_t)15);
        q->ir.limits.memory = q->ir.limits.used;
        char *before = qj_steps_text(q);
        if (!before) qj_clear_error(q);
        qj_kernel *k = qj_build(q);
        if (k) done++;
        else {
            assert_string_equal(qj_last_error(q)->code, "out-of-memory");
            refused++;
        }
        qj_kernel_free(k);
        qj_clear_error(q);
        q->ir.limits.memory = 0;
        k = qj_build(q);
        ok(q);
        assert_true(qj_check(q, k, NULL));
        char *after = qj_steps_text(q);
        if (before) assert_string_equal(before, after);
        qj_free(before);
        qj_free(after);
        qj_kernel_free(k);
        qj_ctx_free(q);
    }
    assert_true(refused > 5);
}

struct shared { const qj_kernel *k; int bad; };

static void *call_often(void *u)
{
    struct shared *s = u;
    int bad = 0;
    for (int i = 0; i < 60; i++) {
        struct data d = new_data((uint64_t)i * 7 + (uintptr_t)&d);
        qj_tensor *args[] = {d.a, d.w, d.b, d.out};
        bad += !qj_kernel_call(s->k, args, 4, NULL) || memcmp(d.out->data, d.want, sizeof d.want);
        free_data(&d);
    }
    __atomic_fetch_add(&s->bad, bad, __ATOMIC_SEQ_CST);
    return NULL;
}

static void *build_often(void *u)
{
    struct shared *s = u;
    for (int i = 0; i < 8; i++) {
        qj_ctx *q = qj_ctx_new(NULL);
        qj_define(q, dense);
        qj_step(q, "cache_read W global as=i16; vectorize Out.n; parallel Out.m");
        qj_kernel *k = qj_build(q);
        struct shared mine = {k, 0};
        if (k) call_often(&mine);
        if (!k || mine.bad) __atomic_fetch_add(&s->bad, 1, __ATOMIC_SEQ_CST);
        qj_ctx_free(q);
        qj_kernel_free(k);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    qj_step(q, "cache_read W global as=i16; parallel Out.m");
    qj_kernel *k = qj_build(q);
    ok(q);
    struct shared s = {k, 0};
    pthread_t t[6];
    qj_set_threads(3);
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&t[i], NULL, i < 3 ? call_often : build_often, &s), 0);
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    assert_int_equal(s.bad, 0);
    qj_set_threads(0);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static int hook_calls;
static int my_pool(void *user, void (*body)(void *ctx, int64_t begin, int64_t end), void *ctx, int64_t n)
{
    hook_calls++;
    if (*(int *)user) return 5;
    for (int64_t i = 0; i < n; i++) body(ctx, i, i + 1);
    return 0;
}

static void test_host_pool(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    struct data d = new_data(4);
    int broken = 0;
    qj_step(q, "parallel Out.m");
    qj_kernel *k = qj_build(q);
    ok(q);
    qj_set_parallel_for(my_pool, &broken);
    qj_tensor *args[] = {d.a, d.w, d.b, d.out};
    assert_true(qj_kernel_call(k, args, 4, NULL));
    assert_int_equal(hook_calls, 1);
    assert_memory_equal(d.out->data, d.want, sizeof d.want);
    broken = 1;
    char why[100] = "";
    bool called =
        qj_kernel_call(k, args, 4, &(qj_call){.size = sizeof(qj_call), .why = why, .why_size = sizeof why});
    assert_int_equal(hook_calls, 2);
    assert_false(called);
    assert_non_null(strstr(why, "returned 5"));
    qj_set_parallel_for(NULL, NULL);
    assert_true(qj_kernel_call(k, args, 4, NULL));
    assert_int_equal(hook_calls, 2);
    qj_kernel_free(k);
    qj_ctx_free(q);
    free_data(&d);
}

static long resident_kb(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_no_growth(void **state)
{
    (void)state;
    qj_ctx *q = dense_ctx("native");
    long before = 0;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    int cycles = 40; /* slow, and what is freed is kept */
#else
    int cycles = 1000;
#endif
    for (int i = 0; i < cycles; i++) {
        qj_kernel *k = qj_build(q);
        ok(q);
        qj_kernel_free(k);
        if (i == cycles / 4) before = resident_kb();
    }
    if (cycles == 1000) assert_true(resident_kb() - before < 750); /* 1 KiB a cycle would be a leak */
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_define_build_call), cmocka_unit_test(test_refused_tensors),
        cmocka_unit_test(test_errors_stick_and_take_back), cmocka_unit_test(test_typed_is_text),
        cmocka_unit_test(test_pack_and_layouts), cmocka_unit_test(test_artifact),
        cmocka_unit_test(test_cannot_run_here), cmocka_unit_test(test_check_finds_errors),
        cmocka_unit_test(test_time_and_listing), cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_memory_everywhere), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_host_pool), cmocka_unit_test(test_no_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
