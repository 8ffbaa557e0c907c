/* SPDX-License-Identifier: Apache-2.0 */
/* Typed calls and text: every definition and every step, both ways, give the same steps, the same nest and the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "runtime/qjit.h"

static const char conv[] = "input A[n:1, h:10, w:10, c:16] : u8 in 0..127; weight W[o:16, r:3, s:3, c:16] : i8\n"
                           "Acc[n, y, x, o] : i32 = sum(r, s, c) i32(A[n, y + r, x + s, c]) * i32(W[o, r, s, c])";
static const char dense[] = "input A[m:4, k:64] : u8 in 0..127; weight W[n:16, k:64] : i8\n"
                            "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
static const char stages[] = "input A[m:4, k:64] : u8; weight W[n:16, k:64] : i8\n"
                             "P[m, k] : i16 = i16(A[m, k]) - 3\n"
                             "Q[n, k] : i16 = i16(W[n, k])\n"
                             "Acc[m, n] : i32 = sum(k) i32(P[m, k]) * i32(Q[n, k])\n"
                             "Out[m, n] : i32 = Acc[m, n] * 2";
static const char vector[] = "input A[k:11] : u8; weight W[k:11] : i8; Acc[] : i32 = sum(k) i32(A[k]) * i32(W[k])";
static const qj_dtype i16 = QJ_I16, i8 = QJ_I8, none = (qj_dtype)99;

static const char *const two[] = {"m", "n"}, *const back[] = {"n", "m"}, *const all[] = {"a", "b", "c", "d"}, *const reader[] = {"Acc"};

/* The text on the left, the call on the right. */
#define TYPED(name, call) static bool name(qj_ctx *q) { return call; }
TYPED(split, qj_split(q, "Acc", "m", 3, QJ_TAIL_GUARD, "o", "i"))
TYPED(split_peel, qj_split(q, "Acc", "m", 3, QJ_TAIL_PEEL, NULL, NULL))
TYPED(split_pad, qj_split(q, "Acc", "k", 48, QJ_TAIL_PAD, NULL, NULL))
TYPED(split_parts, qj_split_parts(q, "Acc", "m", 2, QJ_TAIL_GUARD, "o", "i"))
TYPED(fuse, qj_fuse(q, "Acc", 2, two, "mn"))
TYPED(fuse_unnamed, qj_fuse(q, "Acc", 2, two, NULL))
TYPED(reorder, qj_reorder(q, "Acc", 2, back))
TYPED(tile, qj_tile(q, "Acc", "m", "n", 2, 4, all))
TYPED(tile_unnamed, qj_tile(q, "Acc", "m", "n", 2, 4, NULL))
TYPED(unroll, qj_unroll(q, "Acc", "m"))
TYPED(vectorize, qj_vectorize(q, "Acc", "n"))
TYPED(parallel, qj_parallel(q, "Acc", "m"))
TYPED(bind_block, qj_bind(q, "Acc", "m", QJ_BLOCK_Y))
TYPED(bind_thread, qj_bind(q, "Acc", "n", QJ_THREAD_X))
TYPED(bind_vthread, qj_bind(q, "Acc", "n", QJ_VTHREAD))
TYPED(compute_at, qj_compute_at(q, "Acc", "Out", "m"))
TYPED(compute_inline, qj_compute_inline(q, "P"))
TYPED(compute_root, qj_compute_root(q, "Acc"))
TYPED(cache_read, qj_cache_read(q, "A", QJ_GLOBAL, 1, reader, &i16, "X"))
TYPED(cache_read_all, qj_cache_read(q, "W", QJ_LOCAL, 0, NULL, NULL, NULL))
TYPED(cache_write, qj_cache_write(q, "Acc", QJ_LOCAL, "L"))
TYPED(set_scope, qj_set_scope(q, "Acc", QJ_LOCAL))
TYPED(rfactor, qj_rfactor(q, "Acc", "k", "R"))
TYPED(pad, qj_pad(q, "Acc", "k", 48))
TYPED(storage_align, qj_storage_align(q, "P", "m", 16, 4))
TYPED(double_buffer, qj_compute_at(q, "P", "Acc", "m") && qj_double_buffer(q, "P", 3))
TYPED(async_copy, qj_cache_read(q, "A", QJ_SHARED, 1, reader, NULL, "S") && qj_compute_at(q, "S", "Acc", "m") && qj_async(q, "S"))
TYPED(transform_layout, qj_transform_layout(q, "W", "NK4n2k", NULL))
TYPED(transform_letters, qj_transform_layout(q, "W", "XY4x2y", "XY"))
TYPED(annotate_axis, qj_annotate(q, "Acc", "k", "note", -3))
TYPED(annotate_stage, qj_annotate(q, "Acc", NULL, "note", 3))
TYPED(tensorize, qj_split(q, "Acc", "k", 4, QJ_TAIL_GUARD, "o", "i") && qj_tensorize(q, "Acc", "i", "dot4_u8i8_generic", QJ_TAIL_PEEL))
TYPED(merge, qj_merge(q, "Acc", "s", "c", "sc"))
TYPED(reindex, qj_reindex(q, "A", "Acc", &i16, "X"))
TYPED(offset, qj_offset(q, "A", "Acc", -128, &i8, (const char *[]){"X", "R", "S"}))
TYPED(slide, qj_slide(q, "Acc", "s", "x", 2, "V"))
TYPED(cap, qj_cap(q, "Acc", "k", 2, "n", 8, 25, (const char *[]){"F", "R"}))
TYPED(winograd, qj_winograd(q, "Acc", "y", "x", 4, 2, (const char *[]){"U", "V", "M"}))
TYPED(winograd2, qj_winograd(q, "Acc", "y", "x", 2, 0, NULL))
TYPED(template, qj_template(q, ""))

static const struct both { const char *program, *text; bool (*typed)(qj_ctx *); const char *target; } step[] = {
    {dense, "split Acc.m 3 -> o i", split, NULL},
    {dense, "split Acc.m 3 tail=peel", split_peel, NULL},
    {stages, "split Acc.k 48 tail=pad", split_pad, NULL},
    {dense, "split Acc.m parts=2 -> o i", split_parts, NULL},
    {dense, "fuse Acc.m n -> mn", fuse, NULL},
    {dense, "fuse Acc.m n", fuse_unnamed, NULL},
    {dense, "reorder Acc n m", reorder, NULL},
    {dense, "tile Acc.m n 2 4 -> a b c d", tile, NULL},
    {dense, "tile Acc.m n 2 4", tile_unnamed, NULL},
    {dense, "unroll Acc.m", unroll, NULL},
    {dense, "vectorize Acc.n", vectorize, NULL},
    {dense, "parallel Acc.m", parallel, NULL},
    {dense, "bind Acc.m blockIdx.y", bind_block, "sm_80"},
    {dense, "bind Acc.n threadIdx.x", bind_thread, "sm_80"},
    {dense, "bind Acc.n vthread", bind_vthread, "sm_80"},
    {stages, "compute_at Acc Out.m", compute_at, NULL},
    {stages, "compute_inline P", compute_inline, NULL},
    {stages, "compute_root Acc", compute_root, NULL},
    {dense, "cache_read A global Acc as=i16 -> X", cache_read, NULL},
    {dense, "cache_read W local", cache_read_all, NULL},
    {dense, "cache_write Acc local -> L", cache_write, NULL},
    {stages, "set_scope Acc local", set_scope, NULL},
    {dense, "rfactor Acc.k -> R", rfactor, NULL},
    {stages, "pad Acc.k 48", pad, NULL},
    {stages, "storage_align P.m 16 4", storage_align, NULL},
    {stages, "compute_at P Acc.m; double_buffer P 3", double_buffer, NULL},
    {dense, "cache_read A shared Acc -> S; compute_at S Acc.m; async S", async_copy, "sm_80"},
    {dense, "transform_layout W NK4n2k", transform_layout, NULL},
    {dense, "transform_layout W XY4x2y axes=XY", transform_letters, NULL},
    {dense, "annotate Acc.k note -3", annotate_axis, NULL},
    {dense, "annotate Acc note 3", annotate_stage, NULL},
    {vector, "split Acc.k 4 -> o i; tensorize Acc.i dot4_u8i8_generic tail=peel", tensorize, "generic"},
    {conv, "merge Acc.s c -> sc", merge, NULL},
    {conv, "reindex A Acc as=i16 -> X", reindex, NULL},
    {dense, "offset A Acc -128 as=i8 -> X R S", offset, NULL},
    {conv, "slide Acc.s x 2 -> V", slide, NULL},
    {dense, "cap Acc.k 2 n 8 most=25 -> F R", cap, NULL},
    {conv, "winograd Acc.y x tile=4 parts=2 -> U V M", winograd, NULL},
    {conv, "winograd Acc.y x tile=2", winograd2, NULL},
    {dense, "template", template, NULL},
};
enum { STEPS = sizeof step / sizeof *step };

static void same_text(char *x, char *y)
{
    assert_non_null(x);
    assert_non_null(y);
    assert_string_equal(x, y);
    qj_free(x), qj_free(y);
}

/* The bytes, or the same refusal. */
static void same_object(qj_ctx *a, qj_ctx *b, qj_format format)
{
    qj_artifact *x = qj_compile(a, format), *y = qj_compile(b, format);
    size_t n = 0, m = 0;
    const void *p = qj_artifact_bytes(x, &n), *r = qj_artifact_bytes(y, &m);
    if (!x != !y) fail_msg("%s", qj_last_error(x ? b : a)->text);
    if (!x) assert_string_equal(qj_last_error(a)->text, qj_last_error(b)->text);
    assert_int_equal(n, m);
    if (n) assert_memory_equal(p, r, n);
    qj_artifact_free(x);
    qj_artifact_free(y);
}

static void test_steps(void **state)
{
    (void)state;
    for (int i = 0; i < STEPS; i++) {
        qj_ctx *a = qj_ctx_new(NULL), *b = qj_ctx_new(NULL);
        const char *target = step[i].target ? step[i].target : "x86-64-v3";
        qj_target(a, target);
        qj_target(b, target);
        qj_define(a, step[i].program);
        qj_define(b, step[i].program);
        if (!qj_step(a, step[i].text)) fail_msg("%s: %s", step[i].text, qj_last_error(a)->text);
        if (!step[i].typed(b)) fail_msg("%s: %s", step[i].text, qj_last_error(b)->text);
        same_text(qj_steps_text(a), qj_steps_text(b));
        same_text(qj_show(a), qj_show(b));
        same_object(a, b, strncmp(target, "sm_", 3) ? QJ_OBJ : QJ_PTX);
        qj_ctx_free(a);
        qj_ctx_free(b);
    }
}

/* Of several steps the one that is tried. */
static const char *last(const char *text)
{
    for (const char *p = text; (p = strstr(text, "; "));) text = p + 2;
    return text;
}

/* No primitive is missing above: a new row of prims.def wants a typed call and a line. */
static void test_every_primitive(void **state)
{
    (void)state;
    static const char *const name[] = {
#define PRIM(code, name, syntax, help, before, after) name,
#include "schedule/prims.def"
#undef PRIM
    };
    for (size_t p = 0; p < sizeof name / sizeof *name; p++) {
        bool there = false;
        size_t n = strlen(name[p]);
        for (int i = 0; i < STEPS; i++) there |= !strncmp(last(step[i].text), name[p], n) && last(step[i].text)[n] == ' ';
        if (!there) fail_msg("%s has no typed call here", name[p]);
    }
}

/* Definitions, an instruction, name and target: typed and as text. */
static void test_definitions(void **state)
{
    (void)state;
    qj_ctx *a = qj_ctx_new(NULL), *b = qj_ctx_new(NULL);
    qj_target(a, "x86-64-v3");
    qj_target(b, "x86-64-v3");
    if (!qj_define(a, "input A[m:4, k:6] : u8; input S[] : f32; weight W[n:3, k:6] : i8; weight V[3, 2] : i16\n"
                      "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n"
                      "Out[m, n] : f32 = f32(Acc[m, n] + i32(V[n, 1])) * S[]"))
        fail_msg("%s", qj_last_error(a)->text);
    qj_input(b, "A", QJ_U8, 2, (int64_t[]){4, 6}, (const char *[]){"m", "k"});
    qj_input(b, "S", QJ_F32, 0, NULL, NULL);
    qj_weight(b, "W", QJ_I8, 2, (int64_t[]){3, 6}, (const char *[]){"n", "k"});
    qj_weight(b, "V", QJ_I16, 2, (int64_t[]){3, 2}, NULL);
    qj_compute(b, "Acc[m, n]", QJ_I32, "sum(k) i32(A[m, k]) * i32(W[n, k])");
    qj_compute(b, "Out[m, n]", QJ_F32, "f32(Acc[m, n] + i32(V[n, 1])) * S[]");
    if (qj_last_error(b)) fail_msg("%s", qj_last_error(b)->text);
    same_text(qj_program_text(a), qj_program_text(b));
    assert_true(qj_name(a, "k1") && qj_name(b, "k1"));
    same_object(a, b, QJ_OBJ);
    same_object(a, b, QJ_LL);
    qj_ctx_free(a);
    qj_ctx_free(b);
}

static void test_bad_arguments(void **state)
{
    (void)state;
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, dense);
    bool took[] = {
        qj_merge(q, "Acc", "k", NULL, NULL), (qj_clear_error(q), qj_reindex(q, "A", "Acc", &none, NULL)),
        (qj_clear_error(q), qj_offset(q, "A", "Acc", 1, NULL, (const char *[]){"X", NULL, "S"})),
        (qj_clear_error(q), qj_slide(q, "Acc", "k", "m m", 2, NULL)),
        (qj_clear_error(q), qj_cap(q, NULL, "k", 2, "n", 8, 0, NULL)),
        (qj_clear_error(q), qj_split(q, "Acc", "m", 2, QJ_TAIL_ERROR, NULL, NULL)),
        (qj_clear_error(q), qj_winograd(q, "Acc", "m", "n", 3, 0, NULL)),
    };
    for (size_t i = 0; i < sizeof took; i++) assert_false(took[i]);
    assert_string_equal(qj_last_error(q)->code, "step-args");
    assert_int_equal(qj_nsteps(q), 0);
    qj_ctx_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps), cmocka_unit_test(test_every_primitive),
                                       cmocka_unit_test(test_definitions), cmocka_unit_test(test_bad_arguments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
