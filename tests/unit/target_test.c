/* SPDX-License-Identifier: Apache-2.0 */
/* Targets as data: the tables hold together, names round-trip, what is wrong is refused with a reason.
 * That rows compute what they mean is tested where there is a code generator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "targets/family.h"

static const struct span nowhere = {0};

static int setup(void **state)
{
    struct ir_ctx *c = test_calloc(1, sizeof *c);
    ir_ctx_init(c, 0);
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    ir_ctx_release(*state);
    test_free(*state);
    return 0;
}

static const struct target *parse(struct ir_ctx *c, const char *text)
{
    return target_parse(c, text, strlen(text), nowhere);
}

static const struct target *must(struct ir_ctx *c, const char *text)
{
    const struct target *t = parse(c, text);
    if (err_is(&c->err)) fail_msg("%s: %s", text, c->err.first.msg);
    assert_non_null(t);
    return t;
}

/* The error just set is `code` and its message or hint holds `part`; clears it. */
static void expect_err(struct ir_ctx *c, enum err_code code, const char *part)
{
    const struct err *e = &c->err.first;
    if (e->code != code)
        fail_msg("expected %s (\"%s\"), got %s: %s", err_name(code), part, err_name(e->code),
                 e->msg ? e->msg : "");
    if (!strstr(e->msg, part) && !strstr(e->hint, part))
        fail_msg("\"%s\" is neither in \"%s\" nor in \"%s\"", part, e->msg, e->hint);
    err_clear(&c->err);
}

static void refuse(struct ir_ctx *c, const char *text, enum err_code code, const char *part)
{
    assert_null(parse(c, text));
    expect_err(c, code, part);
}

/* ---- tables ---- */

static void features_are_single_bits(void **state)
{
    (void)state;
    for (int k = 0; families[k]; k++) {
        const struct family *f = families[k];
        uint64_t seen = 0;
        for (int i = 0; i < f->nfeature; i++) {
            const struct feature *x = &f->features[i];
            assert_int_equal(__builtin_popcountll(x->bit), 1);
            assert_false(seen & x->bit);
            assert_false(x->implies & ~seen); /* implied ones stand first, so there is no cycle */
            assert_ptr_equal(family_feature(f, x->name, strlen(x->name)), x);
            seen |= x->bit;
        }
        for (int i = 0; i < f->ncpu; i++) {
            uint64_t closed = family_closure(f, f->cpus[i].features);
            assert_false(closed & ~seen);
            assert_int_equal(closed & f->cpus[0].features, f->cpus[0].features); /* the default is the least */
        }
    }
}

/* A name as a user types it means one family or CPU: family names, then CPUs but each family's first. */
static void target_names_are_unique(void **state)
{
    const char *seen[128] = {"native"};
    int n = 1;
    (void)state;
    for (int k = 0; families[k]; k++)
        for (int i = 0; i < families[k]->ncpu; i++) {
            const char *name = i ? families[k]->cpus[i].name : families[k]->name;
            for (int j = 0; j < n; j++) assert_string_not_equal(seen[j], name);
            assert_true(n < 128);
            seen[n++] = name;
        }
}

static void rows_are_complete(void **state)
{
    (void)state;
    for (int k = 0; families[k]; k++) {
        const struct family *f = families[k];
        for (int i = 0; i < f->nrow; i++) {
            const struct intrin_row *r = &f->rows[i];
            assert_true(r->mac_per_cycle > 0 || !strstr(r->meaning, "+="));
            assert_true(*r->mnemonic && *r->help && r->needs);
            for (int j = 0; j < i; j++) assert_string_not_equal(f->rows[j].name, r->name);
            /* the only instructions of ours that add in 16 bits */
            assert_int_equal(r->pair_i16 > 0, strstr(r->name, "maddubs") || strstr(r->name, "x2_i8i8_smlal"));
        }
    }
}

/* The family with every feature: more than any CPU has. */
static const struct target *all_of(struct ir_ctx *c, const struct family *f)
{
    struct str s = str_on(&c->arena);
    str_put(&s, f->simt ? f->cpus[f->ncpu - 1].name : f->name);
    for (int i = 0; i < f->nfeature; i++) /* a GPU's features go with its name, but for versions of PTX */
        if (!f->simt || !strncmp(f->features[i].name, "ptx", 3)) str_printf(&s, ",+%s", f->features[i].name);
    return must(c, str_text(&s));
}

static void every_row_parses(void **state)
{
    struct ir_ctx *c = *state;
    for (int k = 0; families[k]; k++) {
        const struct target *t = all_of(c, families[k]);
        assert_int_equal(t->nintrin, families[k]->nrow);
        for (int i = 0; i < t->nintrin; i++) {
            const struct intrin *r = &t->intrin[i];
            assert_ptr_equal(r->row, &families[k]->rows[i]);
            assert_non_null(r->meaning);
            assert_non_null(r->recipe);
            assert_int_equal(r->meaning->accumulate, r->row->mac_per_cycle > 0);
            assert_false(r->user);
            assert_ptr_equal(target_intrin(t, r->row->name), r);
            if (!strncmp(r->row->name, "dot", 3)) { /* the name says what the last axis is */
                assert_int_equal(r->meaning->axis[r->meaning->naxes - 1]->extent, r->row->name[3] - '0');
                assert_int_equal(r->meaning->combiner, RED_SUM);
            }
        }
    }
}

/* `needs` is enough for all that a row calls, and what callee.c asks for is not asked in vain. */
static void needs_of_family(struct ir_ctx *c, const struct family *f)
{
    for (int i = 0; i < f->nrow; i++) {
        struct intrin_row r = f->rows[i];
        struct str name = str_on(&c->arena);
        if (!f->simt) str_put(&name, f->name); /* a GPU's own is what its rows need first */
        for (const char *s = r.needs; *(s += strspn(s, " ")); s += strcspn(s, " "))
            str_printf(&name, "%s%.*s", name.n ? ",+" : "", (int)strcspn(s, " "), s);
        const struct target *t = must(c, str_text(&name));
        assert_non_null(target_intrin(t, r.name));

        r.name = "again";
        if (!target_add_row(c, t, &r, f->simt != NULL, nowhere))
            fail_msg("%s: %s", f->rows[i].name, c->err.first.msg);
        bool baseline = !(target_intrin(t, f->rows[i].name)->needs & ~family_closure(f, f->cpus[0].features));
        if (baseline || !strcmp(r.needs, "sse4.1") || strstr(f->rows[i].name, "fma_f32_sve")) continue; /* they call the baseline only */
        if (!strncmp(r.recipe, "asm", 3)) continue;
        r.needs = "";
        if (target_add_row(c, t, &r, false, nowhere)) fail_msg("%s needs nothing?", f->rows[i].name);
        expect_err(c, ERR_FEATURE, "does not ask for");
    }
}

static void needs_are_right(void **state)
{
    for (int k = 0; families[k]; k++) needs_of_family(*state, families[k]);
}

/* ---- names ---- */

static void same_target(const struct target *a, const struct target *b)
{
    assert_ptr_equal(a->family, b->family);
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->cpu, b->cpu);
    assert_true(a->features == b->features);
    assert_string_equal(a->feature_text, b->feature_text);
    assert_int_equal(a->vector_bits, b->vector_bits);
    assert_int_equal(a->vector_regs, b->vector_regs);
    assert_int_equal(a->l2_bytes, b->l2_bytes);
    assert_int_equal(a->nintrin, b->nintrin);
}

static void names_round_trip(void **state)
{
    (void)state;
    static const char *const base[] = {"generic", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "znver5",
                                       "x86-64,cpu=alderlake", "native", "aarch64", "aarch64,cpu=generic", "neoverse-n2"};
    for (size_t k = 0; k < ARRAY_LEN(base); k++) {
        const struct family *f = k < 8 ? &family_x86 : &family_aarch64;
        for (int i = -1; i < f->nfeature; i++)
            for (int sign = 0; sign < 2; sign++) {
                struct ir_ctx ctx, *c = &ctx;
                ir_ctx_init(c, 0);
                char text[100];
                if (i < 0) snprintf(text, sizeof text, "%s", base[k]);
                else snprintf(text, sizeof text, "%s,%c%s", base[k], "+-"[sign], f->features[i].name);
                const struct target *t = parse(c, text);
                if (t) {
                    same_target(t, must(c, t->name));
                    assert_false(family_closure(t->family, t->features) & ~t->features);
                    if (i >= 0) assert_int_equal(target_has(t, f->features[i].name), !sign);
                } else { /* generic has none, the others keep their baseline */
                    assert_true(i >= 0 && (!strcmp(base[k], "generic") || (sign && i == 0)));
                    assert_int_equal(c->err.first.code, ERR_FEATURE);
                }
                ir_ctx_release(c);
            }
    }
}

static void canonical_spellings(void **state)
{
    struct ir_ctx *c = *state;
    static const struct { const char *text, *name, *cpu; } want[] = {
        {"generic", "generic", "x86-64"},
        {"x86-64", "x86-64", "x86-64"},
        {"x86-64,cpu=znver3", "znver3", "znver3"},
        {" x86-64-v3 , +avxvnni ", "x86-64-v3,+avxvnni", "x86-64-v3"},
        {"x86-64-v4,+avx512vnni,-avx512dq", "x86-64-v4,+avx512vnni,-avx512dq", "x86-64-v4"},
        {"x86-64-v3,+avx2,+sse2", "x86-64-v3", "x86-64-v3"},
        {"aarch64-linux-gnu", "aarch64", "generic"},
        {"aarch64,cpu=generic", "aarch64", "generic"},
        {"aarch64-linux-gnu,cpu=neoverse-n1", "neoverse-n1", "neoverse-n1"},
        {"cortex-a72,+dotprod", "cortex-a72,+dotprod", "cortex-a72"},
        {"neoverse-n2,-sve", "neoverse-n2,-sve", "neoverse-n2"},
        {"x86-64-v4,-avx2", "x86-64-v4,-avx2", "x86-64-v4"},
        {"x86-64,+avx512fp16", "x86-64,+avx512fp16", "x86-64"},
        {"x86-64-v3,+avx512vnni,-avx512f", "x86-64-v3", "x86-64-v3"},
        {"cascadelake,-avx512vnni,+avx512vnni", "cascadelake", "cascadelake"},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct target *t = must(c, want[i].text);
        assert_string_equal(t->name, want[i].name);
        assert_string_equal(t->cpu, want[i].cpu);
    }
    assert_string_equal(must(c, "x86-64,+ssse3")->feature_text, "+sse2,+sse3,+ssse3");
    assert_string_equal(must(c, "x86-64-v2,-sse4.1")->feature_text,
                        "+sse2,+sse3,+ssse3,+popcnt,+cx16,+sahf,-sse4.1,-sse4.2");
    assert_string_equal(must(c, "generic")->feature_text, "");
}

static void features_imply(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = must(c, "x86-64,+avx512vnni");
    assert_true(target_has(t, "avx512f") && target_has(t, "fma") && target_has(t, "ssse3"));
    assert_false(target_has(t, "avx512bw") || target_has(t, "avxvnni") || target_has(t, "nonsense"));
    t = must(c, "znver4,-avx2");
    assert_false(target_has(t, "avx512f") || target_has(t, "avx512vnni") || target_has(t, "avx512bf16"));
    assert_true(target_has(t, "avx") && target_has(t, "fma"));
    assert_null(target_intrin(t, "dot2_i16_avx2"));
    assert_non_null(target_row(t, "dot2_i16_avx2"));
    assert_null(target_row(t, "dot2_i16_avx3"));
}

static void vectors_and_registers(void **state)
{
    struct ir_ctx *c = *state;
    static const struct { const char *text; int bits, regs; } want[] = {
        {"generic", 64, 16}, {"x86-64", 128, 16}, {"x86-64-v2", 128, 16}, {"sierraforest", 256, 16},
        {"x86-64-v3", 256, 16}, {"x86-64-v4", 512, 32}, {"x86-64-v4,-avx512bw", 256, 32},
        {"x86-64-v3,+avx512f", 256, 16}, {"x86-64-v3,+avx512bw", 512, 32},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct target *t = must(c, want[i].text);
        assert_int_equal(t->vector_bits, want[i].bits);
        assert_int_equal(t->vector_regs, want[i].regs);
    }
}

static void unknown_names_are_refused(void **state)
{
    struct ir_ctx *c = *state;
    refuse(c, "", ERR_TARGET, "\"\"");
    refuse(c, "x86-64-v9", ERR_TARGET, "did you mean x86-64-v");
    refuse(c, "znver33", ERR_TARGET, "did you mean znver3");
    refuse(c, "natve", ERR_TARGET, "did you mean native");
    refuse(c, "nonsense", ERR_TARGET, "qjit targets");
    refuse(c, "Znver3", ERR_TARGET, "did you mean znver3");
    refuse(c, "x86-64,cpu=haswel", ERR_TARGET, "did you mean haswell");
    refuse(c, "x86-64,cpu=", ERR_TARGET, "neither");
    refuse(c, "x86-64,+avx2,cpu=haswell", ERR_TARGET, "too late");
    refuse(c, "znver3,cpu=haswell", ERR_TARGET, "the CPU is znver3");
    refuse(c, "x86-64-v3,avx512f", ERR_TARGET, "neither +feature");
    refuse(c, "x86-64-v3,", ERR_TARGET, "neither +feature");
    refuse(c, "x86-64-v3,+", ERR_TARGET, "neither +feature");
    refuse(c, "x86-64-v3,+avx512vni", ERR_FEATURE, "did you mean avx512vnni");
    refuse(c, "x86-64-v3,-AVX2", ERR_FEATURE, "no feature \"AVX2\"");
    refuse(c, "x86-64-v3,-sse2", ERR_FEATURE, "sse2 is part of every x86-64");
    refuse(c, "generic,+avx2", ERR_FEATURE, "no features to choose");
    refuse(c, "aarch64,cpu=znver3", ERR_TARGET, "aarch64 has no CPU");
    refuse(c, "neoverse-n1,+avx2", ERR_FEATURE, "aarch64 has no feature");
    refuse(c, "neoverse-n1,+i8m", ERR_FEATURE, "did you mean i8mm");
    refuse(c, "cortex-a72,-neon", ERR_FEATURE, "neon is part of every aarch64");
    refuse(c, "a\x1b[31mb", ERR_TARGET, "\"a?[31mb\"");
    static char text[3000];
    memset(text, 'x', sizeof text - 1);
    refuse(c, text, ERR_TARGET, "too long");
    assert_null(target_parse(c, "x86-64\0v3", 9, nowhere)); /* a zero is no end */
    expect_err(c, ERR_TARGET, "x86-64");
}

static void an_error_points_at_its_word(void **state)
{
    struct ir_ctx *c = *state;
    const char *source = "target x86-64-v3, +avx5\n";
    struct span at = {"s.qj", source, 7, 16};
    assert_null(target_parse(c, source + at.at, at.len, at));
    assert_int_equal(c->err.first.span.at, 18);
    assert_int_equal(c->err.first.span.len, 5);
    expect_err(c, ERR_FEATURE, "avx5");
}

static void an_earlier_error_stays(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = must(c, "generic");
    err_set(&c->err, ERR_SHAPE, nowhere, "first");
    assert_null(parse(c, "x86-64-v3"));
    assert_null(target_add_row(c, t, &family_generic.rows[0], false, nowhere));
    assert_null(target_add_row(c, NULL, &family_generic.rows[0], false, nowhere));
    expect_err(c, ERR_SHAPE, "first");
}

static void lacking_features_are_named(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = must(c, "x86-64-v3");
    assert_null(target_lacks(c, t, "avx2  fma"));
    assert_null(target_lacks(c, t, ""));
    assert_null(target_lacks(c, t, NULL));
    assert_string_equal(target_lacks(c, t, "avx2 avx512vnni avx512vl"), "avx512vnni avx512vl");
    assert_string_equal(target_lacks(c, must(c, "generic"), "avx2"), "avx2");
}

/* ---- the host ---- */

static void native_is_this_machine(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = must(c, "native");
    uint64_t have = host_features();
    assert_ptr_equal(t->family, host_family());
    assert_true(t->features == have);
    assert_string_equal(t->cpu, host_cpu_name());
    assert_false(family_closure(t->family, have) & ~have);
    assert_true(target_runs_here(must(c, "generic")) == (host_family() == &family_x86));
    if (host_family() != &family_x86) return;
    assert_true(target_runs_here(t));
    assert_true(target_runs_here(must(c, "x86-64")));
    __builtin_cpu_init(); /* a second opinion */
    assert_int_equal(target_has(t, "avx2"), !!__builtin_cpu_supports("avx2"));
    assert_int_equal(target_has(t, "fma"), !!__builtin_cpu_supports("fma"));
    assert_int_equal(target_has(t, "sse4.2"), !!__builtin_cpu_supports("sse4.2"));
    assert_int_equal(target_has(t, "avx512bw"), !!__builtin_cpu_supports("avx512bw"));
    assert_int_equal(target_has(t, "avx512vnni"), !!__builtin_cpu_supports("avx512vnni"));
    for (int i = 0; i < family_x86.nfeature; i++) {
        const struct feature *f = &family_x86.features[i];
        if (have & f->bit) continue;
        char text[64];
        snprintf(text, sizeof text, "native,+%s", f->name);
        assert_false(target_runs_here(must(c, text)));
    }
}

/* ---- recipes ---- */

static const struct intrin_row dot = {
    .name = "mine", .operands = "C: i32[8], A: u8[4], B: i8[8,4]", .meaning = "C[i] += i32(A[k]) * i32(B[i,k])",
    .recipe = "@llvm.x86.avx512.vpdpbusd.256(C, A, B)", .needs = "avxvnni", .mac_per_cycle = 64,
};

static void recipes_become_trees(void **state)
{
    struct ir_ctx *c = *state;
    const struct meaning *m = meaning_parse(c, "m", dot.operands, dot.meaning, nowhere);
    assert_non_null(m);
    const struct recipe *r = recipe_parse(c, m, " add( C ,@llvm.x(sext.i16x32(B), -7) ) ", false, nowhere);
    assert_non_null(r);
    assert_int_equal(r->kind, RCP_BIN);
    assert_string_equal(r->name, "add");
    assert_int_equal(r->nkid, 2);
    assert_int_equal(r->kid[0]->kind, RCP_OPERAND);
    assert_int_equal(r->kid[0]->operand, 0);
    const struct recipe *call = r->kid[1], *conv = call->kid[0];
    assert_int_equal(call->kind, RCP_CALL);
    assert_string_equal(call->name, "llvm.x");
    assert_int_equal(call->nkid, 2);
    assert_int_equal(conv->kind, RCP_CONV);
    assert_string_equal(conv->name, "sext");
    assert_true(type_eq(conv->type, type_vec(DT_I16, 32)));
    assert_int_equal(conv->kid[0]->operand, 2);
    assert_int_equal(call->kid[1]->kind, RCP_INT);
    assert_int_equal(call->kid[1]->value, -7);

    static const struct { const char *text; int64_t value; } ints[] = {
        {"@llvm.x(9223372036854775807)", INT64_MAX},
        {"@llvm.x(-9223372036854775808)", INT64_MIN},
        {"@llvm.x(0)", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
        r = recipe_parse(c, m, ints[i].text, false, nowhere);
        assert_non_null(r);
        assert_true(r->kid[0]->value == ints[i].value);
    }
}

static void bad_recipes_are_refused(void **state)
{
    struct ir_ctx *c = *state;
    static const struct { const char *text, *part; } bad[] = {
        {"", "expected a recipe"},
        {"D", "neither an operand nor an operation"},
        {"add", "neither an operand"},
        {"add(C", "expected \",\""},
        {"add(C, C, C)", "two arguments"},
        {"add(C)", "two arguments"},
        {"add(1, 2)", "no type"},
        {"add(C, 4294967296)", "does not fit"},
        {"and(bitcast.i8x32(C), 256)", "does not fit"},
        {"add(C, A)", "i32x8 and i8x4"},
        {"fadd(C, C)", "take f32"},
        {"fmul(bitcast.f32x8(C), C)", "f32x8 and i32x8"},
        {"add(bitcast.f32x8(C), bitcast.f32x8(C))", "fadd and fmul"},
        {"C C", "text after the recipe"},
        {"C)", "text after the recipe"},
        {"7", "a number alone"},
        {"A", "i8x4 and i32x8"},
        {"sext.i16x4(A)", "result's size"},
        {"sext.i16x8(A)", "no sext"},
        {"sext.i8x4(A)", "no sext"},
        {"trunc.i64x8(C)", "no trunc"},
        {"zext.f32x8(C)", "no zext"},
        {"bitcast.i32x4(C)", "no bitcast"},
        {"repeat.i32x7(repeat.i32x2(A))", "no repeat"},
        {"repeat.i32x8(7)", "takes the type wanted"},
        {"repeat.u8x32(A)", "expected a type"},
        {"repeat.i8x(A)", "expected a type"},
        {"repeat.i8x99999999999(A)", "expected a type"},
        {"repeat.i128x2(A)", "expected a type"},
        {"repeat(A)", "neither an operand"},
        {"@printf(C)", "only LLVM's intrinsics"},
        {"@llvm.Bad(C)", "only LLVM's intrinsics"},
        {"@llvm.x_y(C)", "only LLVM's intrinsics"},
        {"@llvm.(C)", "only LLVM's intrinsics"},
        {"@llvm.x", "expected \"(\""},
        {"@llvm.x(C,)", "expected a recipe"},
        {"@llvm.x(0x10)", "whole and decimal"},
        {"@llvm.x(1.5)", "expected \",\""},
        {"@llvm.x(-)", "expected a number"},
        {"@llvm.x(9223372036854775808)", "64 bits"},
        {"@llvm.x(C,C,C,C,C,C,C,C,C)", "too many arguments"},
        {"asm \"x", "no end"},
        {"asm \"x\" \"=x,x\" (C)", "result's type"},
        {"asm \".incbin '/etc/hostname'\" \"=x,x\" (C).i32x8", "no directive"},
        {"asm \" .rept 9\" \"=x,x\" (C).i32x8", "no directive"},
        {"asm \"nop; .rept 9\" \"=x,x\" (C).i32x8", "no directive"},
        {"asm \"nop\n.rept 9\" \"=x,x\" (C).i32x8", "one line"},
        {"asm \"x: jmp x\" \"=x,x\" (C).i32x8", "no label"},
        {"asm \"x\" \"=x,x\" (C, C).i32x8", "the constraints"},
        {"asm \"x\" \"x,x\" (C).i32x8", "the constraints"},
        {"part(C, 0)", "neither an operand"},
        {"part.i8x4(D, 0)", "expected an operand"},
        {"part.i8x4(A)", "expected \",\""},
        {"part.i8x4(A, C)", "expected a number"},
        {"part.i8x4(A, -1)", "no such part"},
        {"part.i8x4(A, 1)", "no such part"},
        {"part.i16x2(A, 0)", "no such part"},
        {"part.i8x8(A, 0)", "no such part"},
        {"\x1b[31m", "?[31m"},
    };
    const struct meaning *m = meaning_parse(c, "m", dot.operands, dot.meaning, nowhere);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (recipe_parse(c, m, bad[i].text, true, nowhere)) fail_msg("accepted: %s", bad[i].text);
        expect_err(c, ERR_INTRIN, bad[i].part);
    }
    struct str deep = str_on(&c->arena);
    for (int i = 0; i < 5000; i++) str_put(&deep, "add(C, ");
    assert_null(recipe_parse(c, m, str_text(&deep), false, nowhere));
    expect_err(c, ERR_INTRIN, "nested too deeply");
    m = meaning_parse(c, "big", "C: i32[4096], A: i32[4096]", "C[i] += A[i]", nowhere);
    assert_non_null(m);
    assert_null(recipe_parse(c, m, "add(C, A)", false, nowhere));
    expect_err(c, ERR_INTRIN, "cannot be loaded whole");
}

/* A recipe cut off anywhere is an error, never a read past its end. */
static void cut_recipes_are_refused(void **state)
{
    struct ir_ctx *c = *state;
    static const char whole[] =
        "add(@llvm.x(C, A, 12, -3), asm \"p $0\" \"=x,x,~{flags}\" (bitcast.i16x16(sext.i16x32(B))).i32x8)";
    const struct meaning *m = meaning_parse(c, "m", dot.operands, dot.meaning, nowhere);
    assert_null(recipe_parse(c, m, whole, true, nowhere)); /* 512 bits are not 256 */
    expect_err(c, ERR_INTRIN, "no bitcast");
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        char *cut = test_malloc(n + 1);
        memcpy(cut, whole, n);
        cut[n] = 0;
        assert_null(recipe_parse(c, m, cut, true, nowhere));
        expect_err(c, ERR_INTRIN, "m");
        test_free(cut);
    }
}

static void asm_is_refused_unless_allowed(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = must(c, "x86-64-v3,+avxvnni");
    struct intrin_row r = dot;
    r.recipe = "asm \"{vex} vpdpbusd $3, $2, $0\" \"=x,0,x,x\" (C, repeat.i32x8(A), bitcast.i32x8(B)).i32x8";
    assert_null(target_add_row(c, t, &r, false, nowhere));
    expect_err(c, ERR_ASM_REFUSED, "inline assembly");
    t = target_add_row(c, t, &r, true, nowhere);
    assert_non_null(t);
    const struct recipe *a = target_intrin(t, "mine")->recipe;
    assert_int_equal(a->kind, RCP_ASM);
    assert_string_equal(a->constraints, "=x,0,x,x");
    assert_true(type_eq(a->type, type_vec(DT_I32, 8)));
    assert_int_equal(a->nkid, 3);
}

/* ---- rows from a script ---- */

static void a_row_is_added_to_a_copy(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = must(c, "x86-64-v3,+avxvnni");
    char name[] = "mine";
    struct intrin_row r = dot;
    r.name = name;
    const struct target *more = target_add_row(c, t, &r, false, nowhere);
    assert_non_null(more);
    name[0] = 'x'; /* the row keeps its own text */
    assert_null(target_intrin(t, "mine"));
    assert_int_equal(more->nintrin, t->nintrin + 1);
    const struct intrin *mine = target_intrin(more, "mine");
    assert_ptr_equal(mine, &more->intrin[t->nintrin]);
    assert_true(mine->user);
    assert_string_equal(mine->row->help, "");
    assert_ptr_equal(target_row(more, "mine"), mine->row);
    assert_string_equal(more->name, t->name);
    name[0] = 'm';
    assert_null(target_add_row(c, more, &r, false, nowhere));
    expect_err(c, ERR_INTRIN, "exists already");
}

static void bad_rows_are_refused(void **state)
{
    struct ir_ctx *c = *state;
    const struct target *t = all_of(c, &family_x86);
#define BAD(code, part, ...)                                                                      \
    do {                                                                                          \
        struct intrin_row r = dot;                                                                \
        __VA_ARGS__;                                                                              \
        assert_null(target_add_row(c, t, &r, false, nowhere));                                    \
        expect_err(c, code, part);                                                                \
    } while (0)
    BAD(ERR_INTRIN, "no name", r.name = NULL);
    BAD(ERR_INTRIN, "no name", r.name = "");
    BAD(ERR_INTRIN, "no name", r.name = "9a");
    BAD(ERR_INTRIN, "no name", r.name = "a-b");
    BAD(ERR_INTRIN, "exists already", r.name = "dot2_i16_avx2");
    BAD(ERR_INTRIN, "no operands", r.operands = NULL);
    BAD(ERR_INTRIN, "no meaning", r.meaning = NULL);
    BAD(ERR_INTRIN, "no recipe", r.recipe = NULL);
    BAD(ERR_INTRIN, "mac_per_cycle", r.mac_per_cycle = -1);
    BAD(ERR_INTRIN, "pair_i16", r.pair_i16 = 3);
    BAD(ERR_INTRIN, "pair_i16", r.pair_i16 = -2);
    BAD(ERR_FEATURE, "did you mean avxvnni", r.needs = "avxvni");
    BAD(ERR_FEATURE, "or \"avxvnni\"", r.needs = "avx2");
    BAD(ERR_FEATURE, "avx512vl", r.needs = "avx512vnni"); /* the 256-bit form needs it too */
    BAD(ERR_FEATURE, "avx512vnni", r.recipe = "add(C, @llvm.x86.avx512.vpdpbusd.512(C, A, B))"); /* no VEX form */
    BAD(ERR_FEATURE, "needs fma", r.recipe = "@llvm.fma.v8f32(C, C, C)", r.needs = "");
    BAD(ERR_INTRIN, "llvm.x86.avx2.gather.d.d", r.recipe = "@llvm.x86.avx2.gather.d.d(C, A, B)");
    BAD(ERR_INTRIN, "llvm.memcpy", r.recipe = "add(C, @llvm.memcpy(C, A))");
    BAD(ERR_INTRIN, "llvm.trap", r.recipe = "add(C, @llvm.trap())");
    BAD(ERR_INTRIN, "llvm.smaxx", r.recipe = "add(C, @llvm.smaxx(C, C))");
    BAD(ERR_INTRIN, "llvm.x86.avx512.vpdpb", r.recipe = "@llvm.x86.avx512.vpdpb(C, A, B)");

    struct intrin_row r = dot;
    const struct target *small = must(c, "x86-64-v3");
    assert_null(target_add_row(c, small, &r, false, nowhere));
    expect_err(c, ERR_FEATURE, "x86-64-v3 lacks");
    assert_null(target_add_row(c, must(c, "generic"), &r, false, nowhere));
    expect_err(c, ERR_FEATURE, "generic has no feature");
    r.needs = "";
    assert_null(target_add_row(c, must(c, "generic"), &r, false, nowhere));
    expect_err(c, ERR_FEATURE, "no such feature");

    r.name = "mine_max";
    r.recipe = "@llvm.smax(C, C)"; /* the name without a suffix, the default needs */
    assert_non_null(target_add_row(c, must(c, "generic"), &r, false, nowhere));
    r.pair_i16 = 4;
    assert_non_null(target_add_row(c, small, &r, false, nowhere));
    r.operands = "C i32[8]";
    assert_null(target_add_row(c, small, &r, false, nowhere));
    assert_true(err_is(&c->err));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(features_are_single_bits),
        TEST(target_names_are_unique),
        TEST(rows_are_complete),
        TEST(every_row_parses),
        TEST(needs_are_right),
        TEST(names_round_trip),
        TEST(canonical_spellings),
        TEST(features_imply),
        TEST(vectors_and_registers),
        TEST(unknown_names_are_refused),
        TEST(an_error_points_at_its_word),
        TEST(an_earlier_error_stays),
        TEST(lacking_features_are_named),
        TEST(native_is_this_machine),
        TEST(recipes_become_trees),
        TEST(bad_recipes_are_refused),
        TEST(cut_recipes_are_refused),
        TEST(asm_is_refused_unless_allowed),
        TEST(a_row_is_added_to_a_copy),
        TEST(bad_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
