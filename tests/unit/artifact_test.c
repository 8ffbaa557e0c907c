/* SPDX-License-Identifier: Apache-2.0 */
/* artifact_test.c - what comes out: self-contained, deterministic bytes, header and metadata; dumps and times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "ir/base/json.h"
#include "ir/print.h"
#include "tests/support/nestrun.h"

/* Two internal functions, a workspace, a weak reference. */
static const char kernel_text[] =
    "func p(arg A[7, 300] : i32, arg B[16] : i16, arg D[16] : i16, out O[7, 300] : i32) {\n"
    "  alloc global T[7, 300] : i32 {\n"
    "    parallel y in 0..7 { for x in 0..300 { T[y, x] = A[y, x] + 1 } }\n"
    "    parallel y in 0..7 { alloc local acc[8] : i32 {\n"
    "      vectorized i in 0..8 { acc[i] = T[y, i] }\n"
    "      dot2_i16_avx2(acc[0], B[0], D[0])\n"
    "      unrolled r in 0..2 { vectorized i in 0..8 { O[y, r * 8 + i] = acc[i] * 3 } }\n"
    "    } }\n"
    "  }\n"
    "}\n";

static int count(const char *text, const char *end, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)) && p < end; p++) n++;
    return n;
}

/* ---- artifacts ---- */

/* No symbol but what the ABI names is left undefined, whatever the operations. */
static void self_contained(void **s)
{
    struct artifact *a = nest_compile(
        "func f(arg A[35] : f32, out O[4, 35] : f32, out I[3, 35] : i64, out Q[35] : u16) {\n"
        "  for i in 0..35 { O[0, i] = rint(A[i]); I[0, i] = i64(A[i]) / (i + 1); I[1, i] = i64(A[i]) % (i - 3) }\n"
        "  vectorized i in 0..35 { O[1, i] = rint(A[i]) }\n"
        "  vectorized i in 0..35 { I[2, i] = i64(A[i]) * 3 / (i - 5) }\n"
        "  vectorized i in 0..35 { O[2, i] = f32(I[2, i]) / 3.0 }\n"
        "  vectorized i in 0..35 { Q[i] = sat_u16(A[i]) }\n"
        "  vectorized i in 0..35 { if (i < 30) { O[3, i] = A[i + 5] } }\n}\n", "generic", CG_ASM);
    static const char *const libm[] = {"rint", "roundeven", "nearbyint", "floor", "fmin", "fmax", "fma", "__"};
    for (size_t i = 0; i < ARRAY_LEN(libm); i++)
        assert_null(strstr(a->bytes, arena_printf(&nr.c.arena, "%s@PLT", libm[i])));
    int own = count(a->bytes, a->bytes + a->size, "\tf@PLT"); /* f_call's of f */
    assert_int_equal(count(a->bytes, a->bytes + a->size, "@PLT"), own);
    artifact_free(a);
}

static void deterministic(void **s)
{
    for (enum cg_kind k = CG_OBJ; k <= CG_BC; k++) {
        struct artifact *a = nest_compile(kernel_text, "x86-64-v3", k), *b;
        struct ir_ctx first = nr.c;
        ir_ctx_init(&nr.c, 0); /* other node numbers, other addresses */
        artifact_free(nest_compile("func other(out O[1] : i8) { O[0] = 1 }", "generic", CG_OBJ));
        b = nest_compile(kernel_text, "x86-64-v3", k);
        assert_int_equal(a->size, b->size);
        assert_memory_equal(a->bytes, b->bytes, a->size);
        ir_ctx_release(&nr.c);
        nr.c = first;
        artifact_free(a);
        artifact_free(b);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void texts(void **s)
{
    struct artifact *a = nest_compile(kernel_text, "x86-64-v3", CG_OBJ);
    char dir[] = "/tmp/qjit-codegen-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *h = arena_printf(&nr.c.arena, "%s/p.h", dir), *user = arena_printf(&nr.c.arena, "%s/user.c", dir);
    write_file(h, artifact_header(&nr.c.arena, a));
    write_file(user, "#include \"p.h\"\n#include \"p.h\"\nint32_t a[7 * 300], o[7 * 300]; int16_t b[16], d[16];\n"
                     "int go(void *w);\nint go(void *w) { void *all[5]; all[0] = a; all[1] = b; all[2] = d; all[3] = o; all[4] = w;\n"
                     "  return p(a, b, d, o, w) + p_call(all) + (p_WORKSPACE > 0) + (int)(p_A_BYTES - sizeof a); }\n");
    const char *const compilers[] = {"cc -std=c99 -pedantic -Wall -Wextra -Werror", "c++ -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror"};
    for (size_t i = 0; i < ARRAY_LEN(compilers); i++)
        assert_int_equal(system(arena_printf(&nr.c.arena, "cd %s && %s -c user.c -o user.o", dir, compilers[i])), 0);
    const char *text = artifact_json(&nr.c.arena, a);
    const struct json *j = json_parse(&nr.c.arena, &nr.c.err, "p.json", text, strlen(text));
    nest_no_error();
    int64_t v;
    assert_true(json_int(&nr.c.err, json_at(&nr.c.err, j, "workspace"), 0, INT64_C(1) << 40, &v) && v == a->workspace);
    assert_string_equal(json_text(&nr.c.err, json_find(j, "target")), "x86-64-v3");
    assert_null(json_at(&nr.c.err, j, "colour"));
    assert_string_equal(nr.c.err.first.msg, "p.json: $.colour: missing");
    err_clear(&nr.c.err);
    const struct json *args = json_at(&nr.c.err, j, "args");
    assert_true(json_array(&nr.c.err, args, 4, 4));
    assert_string_equal(json_text(&nr.c.err, json_at(&nr.c.err, args->at[3], "role")), "output");
    assert_false(json_int(&nr.c.err, json_at(&nr.c.err, args->at[3], "role"), 0, 1, &v));
    assert_string_equal(nr.c.err.first.msg, "p.json: $.args[3].role: expected a number, found a string");
    err_clear(&nr.c.err);
    assert_int_equal(system(arena_printf(&nr.c.arena, "rm -r %s", dir)), 0);
    artifact_free(a);
}

static void bad_json(void **s)
{
    static const char *const bad[] = {"", "{", "[1,]", "{\"a\": 1, \"a\": 2}", "nul", "1 2", "\"\\u12\"", "{a: 1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(json_parse(&nr.c.arena, &nr.c.err, "x", bad[i], strlen(bad[i])));
        assert_int_equal(nr.c.err.first.code, ERR_SYNTAX);
        err_clear(&nr.c.err);
    }
    char deep[200];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_null(json_parse(&nr.c.arena, &nr.c.err, "x", deep, sizeof deep));
    assert_int_equal(nr.c.err.first.code, ERR_TOO_LARGE);
    err_clear(&nr.c.err);
}

struct told { int dumps, same, times; };
static void on_dump(void *u, const char *pass, const char *text)
{
    struct told *t = u;
    t->dumps++;
    t->same += !strcmp(text, "(unchanged)");
    if (strncmp(text, "func", 4)) return;
    const struct func *f = nest_parse(text, nest_target("native")); /* what is dumped can be read */
    struct str again = str_on(&nr.c.arena);
    print_func(&again, f);
    assert_string_equal(str_text(&again), text);
}
static void on_time(void *u, const char *pass, double ms)
{
    struct told *t = u;
    t->times++;
    assert_true(ms >= 0);
    if (getenv("QJ_SHOW")) fprintf(stderr, "%-12s %.3f ms\n", pass, ms);
}

static void telling(void **s)
{
    struct told told = {0};
    const struct target *t = nest_target("x86-64-v3");
    struct cg_options o = {.kind = CG_OBJ, .dump = "all", .on_dump = on_dump, .on_time = on_time, .u = &told};
    struct artifact *a = cg_compile(&nr.c, nest_lowered(nest_parse(kernel_text, t), t), &o);
    nest_no_error();
    assert_int_equal(told.dumps, 7);
    assert_true(told.same > 0);
    assert_int_equal(told.times, 8);
    artifact_free(a);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, nestrun_open, nestrun_close)
    const struct CMUnitTest tests[] = {
        T(self_contained), T(deterministic), T(texts), T(bad_json), T(telling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
