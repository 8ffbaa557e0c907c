/* SPDX-License-Identifier: Apache-2.0 */
/* rows_test.c - rows of instructions beyond what each computes alone (codegen_test.c): inside vector expressions, and on
 * CPUs that lack them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "targets/family.h"
#include "tests/support/nestrun.h"

/* ---- inside expressions ---- */

static bool within_expressions(const struct intrin_row *r) { return r->mac_per_cycle == 0; }

/* The right side of a row's meaning at element `at`. */
static const char *right_side(const struct intrin_row *r, const char *at)
{
    struct str s = str_on(&nr.c.arena);
    for (const char *p = strchr(r->meaning, '=') + 1; *p; p++) {
        if (!strncmp(p, "[i]", 3)) str_printf(&s, "[%s]", at), p += 2;
        else str_putc(&s, *p);
    }
    return str_text(&s);
}

/* ", arg A[n] : i32 in 0..31" for each operand read; `ties`: A is none, a factor is 1 or 2. */
static void arguments(struct str *s, const struct meaning *m, int n, bool ties)
{
    for (int k = 1; k < m->nop; k++) {
        const struct tensor *x = m->op[k];
        if (ties && !strcmp(x->name, "A")) continue;
        str_printf(s, ", arg %s[%d] : %s", x->name, n, dtype_info[x->dt].name);
        if (ties && !strcmp(x->name, "B")) str_put(s, " in 1..2");
        else if (x->range_declared) str_printf(s, " in %" PRId64 "..%" PRId64, x->range.lo, x->range.hi);
    }
}

/* The instruction must be in the assembly, for a name of ours as well as for one that a compiler's shorter form has. */
static void has_mnemonic(const char *text, const char *cpu, const struct intrin_row *r)
{
    char *other = strdup(r->mnemonic), *l = strstr(other, "srshl");
    if (l) l[4] = 'r'; /* srshr: by a number */
    struct artifact *a = nest_compile(text, cpu, CG_ASM);
    if (!strstr(a->bytes, r->mnemonic) && !strstr(a->bytes, other)) fail_msg("%s is not in the code of\n%s", r->mnemonic, text);
    artifact_free(a);
    free(other);
}

static void check_within(const char *text, const char *cpu, const struct intrin_row *r)
{
    char *own = strdup(text);
    has_mnemonic(own, cpu, r);
    for (int again = 0; again < 4; again++) nest_check_on(own, nest_target(cpu));
    free(own);
}

/* Vectors of one to several times the row's lanes, arguments of its declared ranges; the value goes on into arithmetic. */
static void every_row_within(void **state)
{
    for (int k = 0; k < family_aarch64.nrow; k++) {
        const struct intrin_row *r = &family_aarch64.rows[k];
        if (!within_expressions(r)) continue;
        const struct meaning *m = target_intrin(nest_target("aarch64"), r->name)->meaning;
        for (int lanes = 4; lanes <= 32; lanes += lanes) {
            struct str s = str_on(&nr.c.arena);
            str_printf(&s, "func f(out C[%d] : %s", 64 * lanes, dtype_info[m->op[0]->dt].name);
            arguments(&s, m, 64 * lanes, false);
            str_printf(&s, ") { for b in 0..64 { vectorized l in 0..%d { C[b * %d + l] = max(%s, -1000000) } } }", lanes, lanes,
                       right_side(r, arena_printf(&nr.c.arena, "b * %d + l", lanes)));
            check_within(str_text(&s), "aarch64", r);
        }
    }
}

/* Shifts of numbers a half, and a half and one more or less, from a multiple of what they are rounded to. */
static void ties(void **state)
{
    for (int k = 0; k < family_aarch64.nrow; k++) {
        const struct intrin_row *r = &family_aarch64.rows[k];
        if (!within_expressions(r) || !strstr(r->name, "srshl")) continue;
        const struct meaning *m = target_intrin(nest_target("aarch64"), r->name)->meaning;
        bool narrow = m->op[1]->range_declared; /* no sum may wrap */
        struct str s = str_on(&nr.c.arena);
        str_printf(&s, "func f(out C[1024] : %s, arg K[1024] : i32, arg D[1024] : i32 in -1..1", dtype_info[m->op[0]->dt].name);
        arguments(&s, m, 1024, true);
        str_printf(&s, ") { for b in 0..64 { alloc local A[16] : i32%s { vectorized i in 0..16 { "
                   "A[i] = %s(K[b * 16 + i] << i32(N[b * 16 + i])) + ((1 << i32(N[b * 16 + i])) >> 1) + D[b * 16 + i]%s } "
                   "; vectorized i in 0..16 { C[b * 16 + i] = ", narrow ? " in -2147483648..1073741823" : "", narrow ? "min(" : "(", narrow ? ", 1073741823)" : ")");
        const char *value = right_side(r, "b * 16 + i");
        for (const char *p = value; *p; p++) { /* the operand computed here is read where it lies */
            bool a = !strncmp(p, "A[b * 16 + i]", 13);
            str_put(&s, a ? "A[i]" : (char[]){*p, 0});
            p += a ? 12 : 0;
        }
        str_put(&s, " } } } }");
        check_within(str_text(&s), "aarch64", r);
    }
}

/* Requantisation as ir/quant.c writes it: numbers for multiplier and shift are operands too. */
static void requantised(void **state)
{
    static const struct { const char *value, *mnemonic; } forms[] = {
        {"i32((i64(A[b * 16 + i]) * 1518500250 + 1073741824) >> 31)", "sqrdmulh"},
        {"(A[b * 16 + i] >> 5) + ((A[b * 16 + i] >> 4) & 1)", "srshr"},
        {"(A[b * 16 + i] >> 3) + i32(3 + i32(A[b * 16 + i] < 0) < (A[b * 16 + i] & 7))", "srshr"},
        {"sat_i32(i64(A[b * 16 + i]) << 7)", "sqshl"},
        {"i32(min(max(rint(f32(A[b * 16 + i]) * 0.0371), -128.0), 127.0))", "fcvtns"},
    };
    for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
        const struct intrin_row as = {.mnemonic = forms[k].mnemonic};
        check_within(arena_printf(&nr.c.arena, "func f(out C[256] : i32, arg A[256] : i32) { for b in 0..16 { vectorized i in 0..16 { "
                                  "C[b * 16 + i] = %s } } }", forms[k].value), "cortex-a53", &as);
    }
}

/* A value that is not quite the row's, or an operand beyond its range, is computed as it was written. */
static void not_the_row(void **state)
{
    static const char *const values[] = {
        "i32((i64(A[b * 16 + i]) * i64(B[b * 16 + i]) + 1073741823) >> 31)", /* another constant */
        "i32((i64(A[b * 16 + i]) * i64(B[b * 16 + i]) + 1073741824) >> 30)",
        "i32((i64(A[b * 16 + i]) * i64(B[b * 16 + i]) + 1073741824) >> 31)", /* -2^31 by itself would saturate */
        "(A[b * 16 + i] + (1 << (7 - 1))) >> 7",                             /* the sum wraps */
        "(A[b * 16 + i] >> 7) + ((A[b * 16 + i] >> 5) & 1)",
        "(A[b * 16 + i] >> 7) + ((B[b * 16 + i] >> 6) & 1)",
    };
    for (size_t k = 0; k < ARRAY_LEN(values); k++) {
        char *text = strdup(arena_printf(&nr.c.arena, "func f(out C[256] : i32, arg A[256] : i32, arg B[256] : i32) { for b in 0..16 { "
                                         "vectorized i in 0..16 { C[b * 16 + i] = %s + 0 * B[b * 16 + i] } } }", values[k]));
        struct artifact *a = nest_compile(text, "aarch64", CG_ASM);
        if (strstr(a->bytes, "sqrdmulh") || strstr(a->bytes, "srshl") || strstr(a->bytes, "srshr\tv")) {
            if (!strstr(values[k], ">> 3")) fail_msg("%s\n%s", text, a->bytes); /* by 31 or 30 of 64 bits it may round */
        }
        artifact_free(a);
        nest_check_on(text, nest_target("aarch64"));
        free(text);
    }
}

/* A row of the user's is taken too; one that LLVM cannot make is an error. */
static void of_the_user(void **state)
{
    struct intrin_row row = {.name = "average", .operands = "C: u8[16], A: u8[16], B: u8[16]",
                             .meaning = "C[i] = u8((u16(A[i]) + u16(B[i]) + 1) >> 1)",
                             .recipe = "@llvm.x86.sse2.pavg.b(A, B)", .needs = "sse2", .mnemonic = "pavgb", .help = ""};
    const char *text = "func f(out C[64] : u8, arg A[64] : u8, arg B[64] : u8) { vectorized i in 0..64 { "
                       "C[i] = u8((u16(B[i]) + u16(A[i]) + 1) >> 1) ^ 3 } }";
    const struct target *t = target_add_row(&nr.c, nest_target("x86-64-v2"), &row, false, (struct span){0});
    nest_no_error();
    struct cg_options assembly = {.kind = CG_ASM};
    struct artifact *a = cg_compile(&nr.c, nest_lowered(nest_parse(text, t), t), &assembly);
    assert_true(a && strstr(a->bytes, "pavgb"));
    artifact_free(a);
    if (target_runs_here(t)) nest_check_on(text, t);
    t = nest_target("x86-64-v2");
    row.name = "odd";
    row.recipe = "@llvm.x86.sse2.pavg.b(A, @llvm.x86.sse2.psad.bw(A, B, B))";
    t = target_add_row(&nr.c, t, &row, false, (struct span){0});
    nest_no_error();
    assert_null(cg_compile(&nr.c, nest_lowered(nest_parse(text, t), t), &nest_options));
    assert_int_equal(nr.c.err.first.code, ERR_INTRIN);
}

/* max of f32 gives the second of two that do not compare: its operands do not change places. */
static void floats_keep_their_places(void **state)
{
    struct intrin_row row = {.name = "greater", .operands = "C: f32[4], A: f32[4], B: f32[4]",
                             .meaning = "C[i] = max(rint(A[i]), B[i])",
                             .recipe = "asm \"maxps $2, $0\" \"=x,0,x\" (@llvm.rint.v4f32(A), B).f32x4",
                             .needs = "sse4.1", .mnemonic = "maxps", .help = ""};
    const struct target *t = target_add_row(&nr.c, nest_target("x86-64-v2"), &row, true, (struct span){0});
    nest_no_error();
    static const char *const values[] = {"max(rint(A[i]), B[i])", "max(B[i], rint(A[i]))"};
    for (size_t k = 0; k < ARRAY_LEN(values); k++) {
        char *text = strdup(arena_printf(&nr.c.arena, "func f(out C[4] : f32, arg A[4] : f32, arg B[4] : f32) { "
                                         "vectorized i in 0..4 { C[i] = %s } }", values[k]));
        struct cg_options listing = {.kind = CG_LL};
        struct artifact *a = cg_compile(&nr.c, nest_lowered(nest_parse(text, t), t), &listing);
        nest_no_error();
        assert_int_equal(strstr(a->bytes, "maxps") != NULL, k == 0);
        artifact_free(a);
        if (target_runs_here(t)) nest_check_on(text, t);
        free(text);
    }
}

/* What only an arm of a select reads may lie outside of its tensor: a row would read it. */
static void arms_stay_lazy(void **state)
{
    struct intrin_row row = {.name = "where", .operands = "C: i32[4], A: i32[4], B: i32[4]",
                             .meaning = "C[i] = select(A[i] < 0, B[i], 0)",
                             .recipe = "and(B, ashr(A, 31))", .needs = "sse2", .mnemonic = "pand", .help = ""};
    const struct target *t = target_add_row(&nr.c, nest_target("x86-64-v2"), &row, false, (struct span){0});
    nest_no_error();
    char text[] = "func f(out C[2048] : i32, arg B[16] : i32) { for b in 0..512 { vectorized i in 0..4 { "
                  "C[b * 4 + i] = select(i32(b) * 4 + i32(i) - 16 < 0, B[b * 4 + i], 0) } } }";
    if (target_runs_here(t)) nest_check_on(text, t);
}

/* ---- every row on every CPU ---- */

/* Compiles the row alone for t, which has it or must be told that it lacks something. Not 0: neither. */
static int row_on(const struct target *all, const struct target *t, const char *name)
{
    struct str text = str_on(&nr.c.arena), args = str_on(&nr.c.arena);
    const struct meaning *m = target_intrin(all, name)->meaning;
    str_put(&text, "func row(");
    for (int o = 0; o < m->nop; o++) {
        const struct tensor *x = m->op[o];
        int64_t n = 1;
        for (int d = 0; d < x->ndim; d++) n *= x->shape[d];
        str_printf(&text, "%s%s X%d[%" PRId64 "] : %s", o ? ", " : "", o ? "arg" : "out", o, n, dtype_info[x->dt].name);
        str_printf(&args, "%sX%d[0]", o ? ", " : "", o);
    }
    str_printf(&text, ") { %s(%s) }", name, str_text(&args));
    const struct func *f = nest_parse(str_text(&text), all);
    struct artifact *a = cg_compile(&nr.c, nest_lowered(f, t), &nest_options);
    bool there = target_intrin(t, name) != NULL, refused = nr.c.err.first.code == ERR_FEATURE && strstr(nr.c.err.first.msg, "lacks");
    artifact_free(a);
    err_clear(&nr.c.err);
    return there ? !a : a || !refused;
}

/* On this CPU, in a child: LLVM aborts where it cannot select. */
static void cpu_in_child(const struct target *all, const char *cpu)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        const struct target *t = nest_target(cpu);
        for (int i = 0; i < all->nintrin; i++) {
            if (!row_on(all, t, all->intrin[i].row->name)) continue;
            fprintf(stderr, "%s on %s\n", all->intrin[i].row->name, cpu);
            _exit(1);
        }
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) fail_msg("%s: status %#x", cpu, status);
}

static void every_row_on_every_cpu(void **state)
{
    static const struct family *const of[] = {&family_aarch64, &family_x86};
    for (size_t k = 0; k < ARRAY_LEN(of); k++) {
        struct str name = str_on(&nr.c.arena);
        str_put(&name, of[k]->name);
        for (int i = 0; i < of[k]->nfeature; i++) str_printf(&name, ",+%s", of[k]->features[i].name);
        const struct target *all = nest_target(str_text(&name));
        assert_int_equal(all->nintrin, of[k]->nrow);
        for (int i = 0; i < of[k]->ncpu; i++) cpu_in_child(all, i ? of[k]->cpus[i].name : of[k]->name);
        for (int i = 0; i < of[k]->nfeature; i++) /* the baseline and one feature with what it implies */
            cpu_in_child(all, arena_printf(&nr.c.arena, "%s,+%s", of[k]->name, of[k]->features[i].name));
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, nestrun_open, nestrun_close)
    const struct CMUnitTest tests[] = {
        T(every_row_within), T(ties), T(requantised), T(not_the_row), T(of_the_user), T(floats_keep_their_places),
        T(arms_stay_lazy), T(every_row_on_every_cpu), T(nest_emulated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
