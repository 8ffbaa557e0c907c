/* SPDX-License-Identifier: Apache-2.0 */
/* What each primitive does to a loop nest, what it refuses, and that a refusal changes nothing. */
#include "ir/print.h"
#include "schedule/sched.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct fix { struct ir_ctx c; struct sched *s; };

static const char dense[] = "input A[m:6, k:8] : u8; weight W[n:16, k:8] : i8\n"
                            "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
static const char chain[] = "input A[i:20] : i32; B[i] = A[i] + 1; D[i:19] = B[i] * B[i + 1]";

static void start(struct fix *f, const char *program, const char *target)
{
    ir_ctx_init(&f->c, 0);
    const struct program *p = parse_program(&f->c, program);
    const struct target *t = target_parse(&f->c, target, strlen(target), (struct span){0});
    f->s = sch_new(&f->c, p, t);
    if (!f->s) show_error(&f->c);
    assert_non_null(f->s);
}

static void end(struct fix *f) { ir_ctx_release(&f->c); }

static const char *body(struct fix *f)
{
    struct str s = str_on(&f->c.arena);
    print_stmt(&s, sch_lower(f->s)->main->body, 0);
    return str_text(&s);
}

/* Compares without regard to white space. */
static void assert_nest(struct fix *f, const char *want)
{
    const char *have = body(f), *h = have;
    for (const char *w = want;; w++, h++) {
        while (*w == ' ' || *w == '\n') w++;
        while (*h == ' ' || *h == '\n') h++;
        if (*w != *h) {
            fprintf(stderr, "%s", have);
            assert_string_equal(want, have);
        }
        if (!*w) return;
    }
}

static void step(struct fix *f, const char *text)
{
    bool ok = sch_text_steps(f->s, text);
    if (!ok) show_error(&f->c);
    assert_true(ok);
}

/* The step is refused with this code; the nest and the steps stay; the message holds `word`. */
static void refused(struct fix *f, const char *text, enum err_code code, const char *word)
{
    const char *nest = body(f);
    int n = sch_nsteps(f->s);
    assert_false(sch_text_steps(f->s, text));
    assert_int_equal(f->c.err.first.code, code);
    struct str s = str_on(&f->c.arena);
    err_render(&f->c.err.first, &s);
    if (!strstr(str_text(&s), word)) fprintf(stderr, "%s", str_text(&s));
    assert_non_null(strstr(str_text(&s), word));
    err_clear(&f->c.err);
    assert_int_equal(sch_nsteps(f->s), n);
    assert_string_equal(body(f), nest);
}

static void split_guard_peel(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[i:20] : i32; B[i] = A[i]", "generic");
    step(&f, "split B.i 8 -> io ii");
    assert_nest(&f, "for io in 0..3 { for ii in 0..8 { if (io * 8 + ii < 20) { B[io * 8 + ii] = A[io * 8 + ii] } } }");
    assert_true(sch_undo(f.s));
    step(&f, "split B.i 8 tail=peel");
    assert_nest(&f, "for io in 0..3 peel { for ii in 0..8 { if (io * 8 + ii < 20) { B[io * 8 + ii] = A[io * 8 + ii] } } }");
    assert_true(sch_undo(f.s));
    step(&f, "split B.i parts=4");
    assert_nest(&f, "for io in 0..4 { for ii in 0..5 { B[io * 5 + ii] = A[io * 5 + ii] } }");
    refused(&f, "split B.i 2", ERR_NO_AXIS, "io ii");
    refused(&f, "split B.io 0", ERR_STEP_ARGS, "1..");
    refused(&f, "split B.ii 2 -> io q", ERR_REDEFINED, "io");
    refused(&f, "split C.i 2", ERR_NO_STAGE, "B");
    refused(&f, "spilt B.ii 2", ERR_SYNTAX, "split");
    end(&f);
}

static void fuse_reorder(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[i:4, j:6] : i32; B[i, j] = A[i, j]", "generic");
    step(&f, "reorder B j i");
    assert_nest(&f, "for j in 0..6 { for i in 0..4 { B[i, j] = A[i, j] } }");
    refused(&f, "fuse B.i j", ERR_ILLEGAL_STEP, "right inside");
    step(&f, "reorder B.i j; fuse B.i j -> ij");
    assert_nest(&f, "for ij in 0..24 { B[ij / 6, ij % 6] = A[ij / 6, ij % 6] }");
    refused(&f, "reorder B ij ij", ERR_STEP_ARGS, "twice");
    end(&f);
}

static void marks(void **state)
{
    (void)state;
    struct fix f;
    start(&f, dense, "generic");
    refused(&f, "vectorize C.k", ERR_ILLEGAL_STEP, "rfactor");
    refused(&f, "parallel C.k", ERR_ILLEGAL_STEP, "reduce");
    step(&f, "parallel C.m; vectorize C.n; unroll C.k");
    assert_nest(&f, "parallel m in 0..6 { vectorized n in 0..16 { C[m, n] = 0 unrolled k in 0..8 { "
                    "C[m, n] = C[m, n] + i32(A[m, k]) * i32(W[n, k]) } } }");
    refused(&f, "split C.m 2", ERR_ILLEGAL_STEP, "already parallel");
    end(&f);
}

static void placing(void **state)
{
    (void)state;
    struct fix f;
    start(&f, chain, "generic");
    step(&f, "split D.i 4 -> io ii; compute_at B D.io");
    assert_nest(&f, "for io in 0..5 { alloc local B[5] : i32 { for i in 0..5 { if (io * 4 + i < 20) { "
                    "B[i] = A[io * 4 + i] + 1 } } for ii in 0..4 { if (io * 4 + ii < 19) { "
                    "D[io * 4 + ii] = B[ii] * B[ii + 1] } } } }");
    refused(&f, "split D.io 2", ERR_ILLEGAL_STEP, "computed at");
    refused(&f, "compute_at D B.i", ERR_ILLEGAL_STEP, "output");
    step(&f, "compute_root B; compute_inline B");
    assert_nest(&f, "for io in 0..5 { for ii in 0..4 { if (io * 4 + ii < 19) { "
                    "D[io * 4 + ii] = (A[io * 4 + ii + 1] + 1) * (A[io * 4 + ii] + 1) } } }");
    end(&f);
}

static void caches_and_packing(void **state)
{
    (void)state;
    struct fix f;
    start(&f, dense, "x86-64-v3");
    step(&f, "cache_read W global -> Wp; transform_layout Wp NK8n2k");
    assert_non_null(sch_lower(f.s)->pack);
    step(&f, "cache_read A local as=i16; compute_at A_local C.m");
    refused(&f, "cache_read A local as=i8", ERR_TYPE, "0..255");
    refused(&f, "transform_layout Wp NKK", ERR_LAYOUT, "NKK");
    step(&f, "split C.n 8 -> no ni; split C.k 2 -> ko ki; reorder C no ko ni ki; tensorize C.ni with dot2_i16i8_avx2");
    assert_nest(&f, "for m in 0..6 { alloc local A_local[1, 8] : i16 in 0..255 { for k in 0..8 { "
                    "A_local[0, k] = i16(A[m, k]) } for no in 0..2 { vectorized ni in 0..8 { C[m, no * 8 + ni] = 0 } "
                    "for ko in 0..4 { dot2_i16i8_avx2(C[m, no * 8], A_local[0, ko * 2], Wp[no, ko, 0, 0]) } } } }");
    refused(&f, "unroll C.ni", ERR_ILLEGAL_STEP, "tensorized");
    end(&f);
}

static void tensorize_refusals(void **state)
{
    (void)state;
    struct fix f;
    start(&f, dense, "x86-64-v3");
    step(&f, "split C.n 8 -> no ni; split C.k 4 -> ko ki; reorder C no ko ni ki");
    refused(&f, "tensorize C.ni dot4_u8i8_avx2", ERR_TENSORIZE, "must move 4 elements");
    refused(&f, "tensorize C.ni dot2_i16_avx2", ERR_TENSORIZE, "operand A is i16");
    refused(&f, "tensorize C.ni dot4_u8i8_vnni512", ERR_FEATURE, "avx512vnni");
    refused(&f, "tensorize C.ni dot4_u8i8_avx", ERR_INTRIN, "dot4_u8i8_avx2");
    step(&f, "cache_read W global -> Wp; transform_layout Wp NK8n4k");
    refused(&f, "tensorize C.ni dot4_u8i8_maddubs_avx2", ERR_TENSORIZE, "saturates");
    step(&f, "tensorize C.ni dot4_u8i8_avx2");
    end(&f);
}

static void tensorize_tails(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[m:2, k:6] : u8; weight W[n:10, k:6] : i8\nC[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])", "x86-64-v3");
    step(&f, "cache_read A global -> X; cache_read W global -> Wp; transform_layout Wp NK8n4k; cache_write C local -> T");
    step(&f, "split T.n 8 -> no ni; split T.k 4 -> ko ki; reorder T no ko ni ki");
    refused(&f, "tensorize T.ni dot4_u8i8_avx2", ERR_TENSORIZE, "tail=peel");
    step(&f, "tensorize T.ni dot4_u8i8_avx2 tail=pad");
    assert_non_null(strstr(body(&f), "dot4_u8i8_avx2(T[m, no * 8], X[m, ko * 4], Wp[no, ko, 0, 0])"));
    assert_true(sch_undo(f.s));
    step(&f, "tensorize T.ni dot4_u8i8_avx2 tail=peel");
    assert_non_null(strstr(body(&f), "peel"));
    end(&f);
}

static void float_order(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[m:4, j:6, k:8] : f32; C[m] : f32 = sum(j, k) A[m, j, k]", "generic");
    refused(&f, "reorder C k j", ERR_FLOAT_ORDER, "order");
    refused(&f, "rfactor C.k", ERR_FLOAT_ORDER, "order");
    step(&f, "split C.k 3; reorder C j ko ki m; fuse C.j ko");
    refused(&f, "reorder C ki jko", ERR_FLOAT_ORDER, "order");
    end(&f);
}

static void rfactor_sum(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[m:4, k:8] : i32; C[m] : i32 = sum(k) A[m, k]", "generic");
    step(&f, "split C.k 4 -> ko ki; rfactor C.ki -> R");
    assert_nest(&f, "alloc global R[4, 4] : i32 { for ki in 0..4 { for m in 0..4 { R[ki, m] = 0 for ko in 0..2 { "
                    "R[ki, m] = R[ki, m] + A[m, ki + ko * 4] } } } for m in 0..4 { C[m] = 0 for ki in 0..4 { "
                    "C[m] = R[ki, m] + C[m] } } }");
    end(&f);
}

static void rfactor_loses_nothing(void **state)
{
    (void)state;
    struct fix f;
    start(&f, "input A[m:4, k:8] : i32; C[m] : i32 = sum(k) A[m, k]", "generic");
    step(&f, "split C.k 4 -> ko ki; cache_read A local -> S; compute_at S C.ki");
    refused(&f, "rfactor C.ki", ERR_ILLEGAL_STEP, "compute_root S");
    step(&f, "compute_root S; parallel C.m");
    refused(&f, "rfactor C.ki", ERR_ILLEGAL_STEP, "rfactor first");
    end(&f);
}

static void undo_all(void **state)
{
    (void)state;
    struct fix f;
    start(&f, dense, "x86-64-v3");
    const char *first = body(&f);
    step(&f, "cache_write C local; split C.n 4; reorder C no m; vectorize C.ni");
    while (sch_nsteps(f.s)) assert_true(sch_undo(f.s));
    assert_string_equal(body(&f), first);
    assert_false(sch_undo(f.s));
    assert_int_equal(f.c.err.first.code, ERR_NOTHING_TO_UNDO);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_guard_peel), cmocka_unit_test(fuse_reorder), cmocka_unit_test(marks),
        cmocka_unit_test(placing), cmocka_unit_test(caches_and_packing), cmocka_unit_test(tensorize_refusals),
        cmocka_unit_test(tensorize_tails), cmocka_unit_test(float_order), cmocka_unit_test(rfactor_sum),
        cmocka_unit_test(rfactor_loses_nothing),
        cmocka_unit_test(undo_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
