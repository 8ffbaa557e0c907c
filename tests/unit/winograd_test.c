/* SPDX-License-Identifier: Apache-2.0 */
/* The winograd primitive: every way to write such a convolution, on data that reach the bound it proves; and what it
 * refuses. i32 results, so that no requantisation hides a wrong bit. */
#include "ir/interp.h"
#include "tests/support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct by_interp { struct ir_ctx *c; const struct lowered *l; };
static bool run_interp(void *u, bool pack, void *const *arg)
{
    struct by_interp *r = u;
    if (interp_run(r->c, pack ? r->l->pack : r->l->main, arg)) return true;
    show_error(r->c);
    return false;
}

static struct sched *scheduled(struct ir_ctx *c, const char *program, const char *steps)
{
    ir_ctx_init(c, 0);
    const struct program *p = parse_program(c, program);
    if (!p) show_error(c);
    assert_non_null(p);
    struct sched *s = sch_new(c, p, target_parse(c, "generic", 7, (struct span){0}));
    assert_non_null(s);
    return sch_text_steps(s, steps) ? s : NULL;
}

/* Constant arguments: input `in`, weights `wt`; the oracle's outputs again. */
static void constant_data(struct ir_ctx *c, struct oracle *o, int64_t in, int64_t wt)
{
    struct eval *ev = eval_new(c, o->program);
    for (int i = 0; i < o->program->ntensor; i++) {
        const struct tensor *t = o->program->tensor[i];
        if (t->kind == TENSOR_COMPUTE) {
            assert_true(eval_all(ev, t, o->data[i]));
            continue;
        }
        int64_t n = 1, v = t->kind == TENSOR_WEIGHT ? wt : in;
        for (int d = 0; d < t->ndim; d++) n *= t->shape[d];
        v = v < 0 ? t->range.lo : v > 0 ? t->range.hi : 0;
        for (int64_t k = 0; k < n; k++) value_store(t->dt, o->data[i], k, (union value){.i = v});
        eval_bind(ev, t, o->data[i]);
    }
    eval_free(ev);
}

/* interp of the schedule is the oracle, on random data and where sums are greatest. `stage`: is there or not. */
static void exact(const char *program, const char *steps, const char *stage, bool there)
{
    struct ir_ctx c;
    struct sched *s = scheduled(&c, program, steps);
    if (!s) show_error(&c);
    assert_non_null(s);
    bool found = false;
    for (int i = 0; i < sch_nstages(s); i++) found |= !strcmp(sch_stage_name(s, i), stage);
    if (found != there) fprintf(stderr, "%s\n%s: %s is%s there\n", program, steps, stage, found ? "" : " not");
    assert_int_equal(found, there);
    struct by_interp r = {&c, sch_lower(s)};
    assert_non_null(r.l);
    struct oracle o;
    assert_true(oracle_init(&c, &o, sch_program(s), 7));
    bool ok = harness_check(r.l, &o, true, run_interp, &r);
    for (int in = -1; in <= 1 && ok; in += 2)
        for (int wt = -1; wt <= 1 && ok; wt += 2) {
            constant_data(&c, &o, in, wt);
            ok = harness_check(r.l, &o, true, run_interp, &r);
        }
    if (!ok) fprintf(stderr, "%s\n%s\n", program, steps);
    assert_true(ok);
    oracle_free(&o);
    ir_ctx_release(&c);
}

static void refused(const char *program, const char *step, const char *word, const char *hint)
{
    struct ir_ctx c;
    assert_null(scheduled(&c, program, step));
    assert_true(c.err.first.code == ERR_ILLEGAL_STEP || c.err.first.code == ERR_STEP_ARGS || c.err.first.code == ERR_REDEFINED);
    struct str out = str_on(&c.arena);
    err_render(&c.err.first, &out);
    if (!strstr(str_text(&out), word) || !strstr(str_text(&out), hint)) fprintf(stderr, "%s", str_text(&out));
    assert_non_null(strstr(str_text(&out), word));
    assert_non_null(strstr(str_text(&out), hint));
    ir_ctx_release(&c);
}

/* Convolutions: size, channels and types as given, the factors as given. */
#define CONV(h, w, c, o, at, wt)                                                                                        \
    "input A[n:1, h:" #h ", w:" #w ", c:" #c "] : " at "\nweight W[o:" #o ", r:3, s:3, c:" #c "] : " wt "\n"               \
    "P = pad(A, h: 1 1, w: 1 1, value: 0)\n"                                                                            \
    "Acc[n, y, x, o] : i32 = sum(r, s, c) i32(P[n, y + r, x + s, c]) * i32(W[o, r, s, c])"

static void sizes(void **state)
{
    (void)state;
    exact(CONV(4, 4, 3, 2, "u8", "i8"), "winograd Acc.y x tile=4", "Acc_U", true);
    exact(CONV(4, 4, 3, 2, "u8", "i8"), "winograd Acc.y x tile=2 -> U V M", "M", true);
    exact(CONV(5, 7, 3, 2, "i8", "i8"), "winograd Acc.y x tile=4 -> U V M", "Vr", true);
    exact(CONV(5, 7, 3, 2, "i8", "i8"), "winograd Acc.y x tile=2 -> U V M", "Vr", true);
    exact(CONV(2, 3, 1, 1, "i8", "i8"), "winograd Acc.x y tile=4", "Acc_M", true);
}

static void forms(void **state)
{
    (void)state;
    const char *const same = "winograd Acc.y x tile=4 -> U V M";
    /* channels first, the weights' indices in another order, factors exchanged, the window's axes named otherwise */
    exact("input A[n:2, c:5, h:6, w:9] : u8\nweight W[r:3, c:5, o:3, s:3] : i8\n"
          "Acc[n, o, y, x] : i32 = sum(c, v:3, u:3) i32(W[u, c, o, v]) * i32(A[n, c, y + u, x + v])",
          "cache_read A global -> A_; winograd Acc.y x tile=4 -> U V M", "M", true);
    /* a flipped window; axes called like the new ones */
    exact("input A[h:6, w:6, c:3] : i8\nweight W[r:3, s:3, t:2, c:3] : i8\n"
          "Acc[i:4, j:4, t] : i32 = sum(r, s, c) i32(A[i + r, j + s, c]) * i32(W[2 - r, 2 - s, t, c])",
          "winograd Acc.i j tile=4 -> U V M", "M", true);
    /* groups: an axis that both factors move with; channels in blocks */
    exact("input A[h:6, w:6, g:2, a:2, b:3] : u8\nweight W[g:2, o:2, r:3, s:3, a:2, b:3] : i8\n"
          "Acc[y:4, x:4, g, o] : i32 = sum(r, s, a, b) i32(A[y + r, x + s, g, a, b]) * i32(W[g, o, r, s, a, b])", same, "M", true);
    /* zero points in the factors: 9 bits of data */
    exact("input A[h:6, w:6, c:4] : u8\nweight W[o:2, r:3, s:3, c:4] : i8\n"
          "Acc[y:4, x:4, o] : i32 = sum(r, s, c) (i32(A[y + r, x + s, c]) - 255) * (i32(W[o, r, s, c]) + 1)", same, "M", true);
    /* padding written out, inside */
    exact("input A[h:4, w:4, c:4] : u8\nweight W[o:2, r:3, s:3, c:4] : i8\n"
          "Acc[y:4, x:4, o] : i32 = sum(r:3, s:3, c:4) select(1 <= y + r & y + r <= 4 & 1 <= x + s & x + s <= 4, "
          "i32(A[y + r - 1, x + s - 1, c]), 0) * i32(W[o, r, s, c])", same, "M", true);
    /* wider weights take the other scale of the 4x4 transform */
    exact(CONV(4, 4, 3, 2, "i8", "u8"), same, "U", true);
}

/* 255 * 128 * 9 * 114 < 2^25 <= 255 * 128 * 9 * 115: as it is, around the middle, in parts. */
static void bounds(void **state)
{
    (void)state;
    const char *const four = "winograd Acc.y x tile=4 -> U V M";
    exact(CONV(4, 4, 114, 1, "u8", "i8"), four, "Uz", false);
    exact(CONV(4, 4, 115, 1, "u8", "i8"), four, "Uz", true);
    exact(CONV(4, 4, 226, 1, "u8", "i8"), four, "Uz", true);
    exact(CONV(4, 4, 228, 1, "u8", "i8"), four, "Uz", false);
    exact(CONV(4, 4, 227, 1, "i8", "i8"), four, "Uz", false);
    exact(CONV(4, 4, 458, 1, "u8 in 0..127", "i8 in -127..127"), "winograd Acc.y x tile=4 parts=1 -> U V M", "Uz", true);
    exact(CONV(4, 4, 12, 2, "u8", "i8"), "winograd Acc.y x tile=4 parts=3 -> U V M", "Uz", false);
    exact(CONV(4, 4, 460, 1, "u8", "i8"), "winograd Acc.y x tile=4 parts=4 -> U V M", "Uz", true);
    exact(CONV(2, 2, 460, 1, "u8", "i8"), "winograd Acc.y x tile=2 -> U V M", "Uz", false);
}

static void refusals(void **state)
{
    (void)state;
    const char *const four = "winograd Acc.y x tile=4";
    refused(CONV(4, 4, 256, 1, "u8", "i8"), "winograd Acc.y x tile=4 parts=1", "33554432", "more parts");
    refused(CONV(4, 4, 241, 1, "u8", "i8"), four, "241", "tile=2");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y x tile=4 parts=3", "3 parts do not divide", "leave parts= out");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y x tile=3", "2 or 4", "tile=2|4");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y x", "2 or 4", "tile=2|4");
    refused(CONV(4, 4, 4, 1, "i16", "i8"), four, "16 bits", "declare");
    refused(CONV(4, 4, 4, 1, "u8", "i16"), four, "weights in", "tile=2");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y o tile=4", "moves with y and o", "extent 3");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y c tile=4", "two axes", "");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd P.h w tile=4", "not a sum of products", "i32");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "split Acc.o 2; winograd Acc.y x tile=4", "loop steps", "before splitting");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y x tile=4 -> U V", "three", "");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y x tile=4 -> W V M", "already", "");
    refused(CONV(4, 4, 4, 1, "u8", "i8"), "winograd Acc.y x tile=4 -> U Ur M", "Ur", "");
    refused("input A[h:9, w:9, c:4] : u8; weight W[r:3, s:3, c:4] : i8\n"
            "Acc[y:4, x:4] : i32 = sum(r, s, c) i32(A[y * 2 + r, x * 2 + s, c]) * i32(W[r, s, c])", four, "stride 1", "extent 3");
    refused("input A[h:8, w:8, c:4] : u8; weight W[r:3, s:3, c:4] : i8\n"
            "Acc[y:4, x:4] : i32 = sum(r, s, c) i32(A[y + 2 * r, x + 2 * s, c]) * i32(W[r, s, c])", four, "dilation 1", "extent 3");
    refused("input A[h:6, w:6, c:4] : u8; weight W[r:3, s:3, c:4] : i8\n"
            "Acc[y:4, x:4, c] : i32 = sum(r, s) i32(A[y + r, x + s, c]) * i32(W[r, s, c])", four, "no channels", "");
    refused("input A[h:7, w:6, c:4] : u8; weight W[r:3, s:3, c:4] : i8\n"
            "Acc[y:5, x:4] : i32 = sum(r, s, c) i32(A[y + r, x + s, c]) * i32(W[r, s, c])", four, "beyond", "cache_read A global");
    refused("input A[h:7, w:6, c:4] : u8; weight W[r:3, s:3, c:4] : i8; P[h, w, c] = A[h, w, c]\n"
            "Acc[y:5, x:4] : i32 = sum(r, s, c) i32(P[6 - (y + r), x + s, c]) * i32(W[r, s, c])", four, "backwards", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(forms), cmocka_unit_test(bounds),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
