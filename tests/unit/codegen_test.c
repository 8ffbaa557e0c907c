/* SPDX-License-Identifier: Apache-2.0 */
/* codegen_test.c - loop nests through the passes and LLVM: what runs equals what interp computes, bit for bit.
 *
 * A nest is written as text, its arguments get random bytes that end at an unreadable page. interp runs the
 * nest as it is and after each pass; the object is linked here and run for every target this machine has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <inttypes.h>
#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "ir/base/json.h"
#include "ir/interp.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"

static struct ir_ctx c;
static uint64_t state = 1;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void check_error(void)
{
    if (!err_is(&c.err)) return;
    struct str s = str_on(&c.arena);
    err_render(&c.err.first, &s);
    fail_msg("%s", str_text(&s));
}

/* ---- nests ---- */

static const struct meaning *find_row(void *u, const char *name)
{
    const struct intrin *in = target_intrin(u, name);
    return in ? in->meaning : NULL;
}

static const struct target *target(const char *name)
{
    const struct target *t = target_parse(&c, name, strlen(name), (struct span){0});
    check_error();
    return t;
}

static const struct func *nest(const char *text, const struct target *t)
{
    struct lexer lx = lex_on(&c, NULL, text, strlen(text));
    lex_skip_ends(&lx);
    const struct func *f = parse_func(&lx, find_row, (void *)t);
    check_error();
    return f;
}

static const struct lowered *lowered(const struct func *f, const struct target *t)
{
    struct lowered *l = ARENA_NEW(&c.arena, struct lowered);
    struct kernel_arg *arg = ARENA_ARRAY(&c.arena, struct kernel_arg, f->narg + 1);
    for (int i = 0; i < f->narg; i++) {
        struct tensor *x = ir_tensor(&c, f->arg[i]->name, TENSOR_INPUT, f->arg[i]->dt, 0, NULL);
        arg[i] = (struct kernel_arg){f->arg[i]->written ? ARG_OUTPUT : ARG_INPUT, x, NULL, f->arg[i]};
    }
    *l = (struct lowered){.target = t, .main = f, .arg = arg, .steps = "", .macs = 1};
    return l;
}

/* ---- memory that ends where the page ends ---- */

static void *guarded(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
    char *p = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + room, page, PROT_NONE), 0);
    return p + room - n;
}

static void unguard(void *at, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
    munmap((char *)at + n - room, room + page);
}

static size_t bytes_of(const struct buffer *b) { return (size_t)buffer_elems(b) * (size_t)dt_bytes(b->dt); }

/* Every value of small types, hard ones of f32, and whatever a declared range allows. */
static void fill(const struct buffer *b, void *at)
{
    static const float hard[] = {0.0f, -0.0f, 0.5f, -0.5f, 1.5f, 2.5f, -2.5f, 127.5f, 128.5f, 255.5f, -128.5f, 8388607.5f,
                                 16777216.0f, 2147483648.0f, -2147483648.0f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN};
    for (int64_t i = 0; i < buffer_elems(b); i++) {
        union value v;
        uint64_t r = rnd();
        if (b->dt == DT_F32) {
            v.f = r & 1 ? hard[r / 2 % ARRAY_LEN(hard)] : (float)((int64_t)(r >> 20) % 100000) / 64.0f - 600.0f;
        } else {
            uint64_t width = (uint64_t)b->range.hi - (uint64_t)b->range.lo + 1;
            v.i = r % 5 == 0 ? b->range.lo : r % 5 == 1 ? b->range.hi : (int64_t)((uint64_t)b->range.lo + (width ? r / 8 % width : r));
        }
        value_store(b->dt, at, i, v);
    }
}

/* ---- running objects ---- */

static int serial_for(void (*fn)(void *, int64_t, int64_t), void *ctx, int64_t n)
{
    for (int64_t i = n; i-- > 0;) fn(ctx, i, i + 1); /* any order */
    fn(ctx, n, n);
    return 0;
}

static bool use_pool;
static int64_t touched;     /* of the workspace: how much, up to the last byte changed */

static void run_object(const struct artifact *a, void **arg)
{
    LLVMOrcLLJITRef jit;
    LLVMOrcJITTargetAddress at;
    assert_null(LLVMOrcCreateLLJIT(&jit, NULL));
    LLVMOrcJITDylibRef lib = LLVMOrcLLJITGetMainJITDylib(jit);
    if (use_pool) {
        LLVMOrcCSymbolMapPair pair = {LLVMOrcLLJITMangleAndIntern(jit, "qjrt_parallel_for"),
                                      {(LLVMOrcExecutorAddress)(uintptr_t)serial_for, {LLVMJITSymbolGenericFlagsExported, 0}}};
        assert_null(LLVMOrcJITDylibDefine(lib, LLVMOrcAbsoluteSymbols(&pair, 1)));
    }
    LLVMMemoryBufferRef buf = LLVMCreateMemoryBufferWithMemoryRangeCopy(a->bytes, a->size, a->name);
    assert_null(LLVMOrcLLJITAddObjectFile(jit, lib, buf));
    LLVMErrorRef e = LLVMOrcLLJITLookup(jit, &at, arena_printf(&c.arena, "%s_call", a->name));
    if (e) fail_msg("%s", LLVMGetErrorMessage(e));
    int (*call)(void **) = (int (*)(void **))(uintptr_t)at;
    void *all[16];
    char *ws = NULL;
    memcpy(all, arg, (size_t)a->narg * sizeof all[0]);
    if (a->workspace) {
        assert_int_equal(posix_memalign((void **)&ws, 64, (size_t)a->workspace + 64), 0);
        memset(ws, 0xa5, (size_t)a->workspace + 64);
        all[a->narg] = ws;
    }
    assert_int_equal(call(all), 0);
    for (int i = 0; ws && i < 64; i++) assert_int_equal((unsigned char)ws[a->workspace + i], 0xa5);
    for (touched = ws ? a->workspace : 0; touched && (unsigned char)ws[touched - 1] == 0xa5;) touched--;
    free(ws);
    LLVMOrcDisposeLLJIT(jit);
}

/* ---- the check ---- */

struct run { void *arg[16], *want[16]; };

static void start(struct run *r, const struct func *f, void *const *first)
{
    for (int i = 0; i < f->narg; i++) {
        size_t n = bytes_of(f->arg[i]);
        r->arg[i] = guarded(n);
        memcpy(r->arg[i], first[i], n);
    }
}

static void finish(struct run *r, const struct func *f, const char *who)
{
    for (int i = 0; i < f->narg; i++) {
        const struct buffer *b = f->arg[i];
        size_t n = bytes_of(b), size = (size_t)dt_bytes(b->dt);
        for (size_t k = 0; k < n / size; k++) {
            const char *got = (char *)r->arg[i] + k * size, *want = (char *)r->want[i] + k * size;
            if (!memcmp(got, want, size)) continue;
            if (b->dt == DT_F32 && isnan(*(const float *)(const void *)got) && isnan(*(const float *)(const void *)want)) continue;
            struct str s = str_on(&c.arena);
            print_func(&s, f);
            union value g = value_load(b->dt, got, 0), w = value_load(b->dt, want, 0);
            fail_msg("%s: %s[%zu] is %" PRId64 " (%g), not %" PRId64 " (%g)\n%s", who, b->name, k, g.i, (double)g.f, w.i,
                     (double)w.f, str_text(&s));
        }
        unguard(r->arg[i], n);
    }
}

static const char *const cpu_names[] = {"generic", "x86-64-v2", "x86-64-v3", "x86-64-v4", "native"};

static char notes[4096];
static void keep_note(void *u, const struct cg_note *n)
{
    size_t used = strlen(notes);
    snprintf(notes + used, sizeof notes - used, "%s: %s\n", n->code, n->text);
}

static const struct cg_options obj = {.kind = CG_OBJ, .verify = true, .on_note = keep_note};

static void check_on(const char *text, const struct target *t)
{
    struct ir_mark mark = ir_mark(&c);
    const struct func *f = nest(text, t), *g = f;
    void *first[16];
    struct run r;
    for (int i = 0; i < f->narg; i++) {
        first[i] = malloc(bytes_of(f->arg[i]));
        r.want[i] = malloc(bytes_of(f->arg[i]));
        fill(f->arg[i], first[i]);
        memcpy(r.want[i], first[i], bytes_of(f->arg[i]));
    }
    interp_run(&c, f, r.want);
    check_error();
    for (const struct cg_pass *p = cg_passes; p->name; p++) {
        g = p->run(&c, g, t);
        check_error();
        verify_func(&c, g, p->verify);
        check_error();
        start(&r, f, first);
        interp_run(&c, g, r.arg);
        check_error();
        finish(&r, g, p->name);
    }
    notes[0] = 0;
    struct artifact *a = cg_compile(&c, lowered(f, t), &obj);
    check_error();
    start(&r, f, first);
    if (target_runs_here(t)) run_object(a, r.arg);
    else for (int i = 0; i < f->narg; i++) memcpy(r.arg[i], r.want[i], bytes_of(f->arg[i]));
    finish(&r, g, t->name);
    artifact_free(a);
    for (int i = 0; i < f->narg; i++) {
        free(first[i]);
        free(r.want[i]);
    }
    ir_reset(&c, mark);
}

static void check(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(cpu_names); i++) {
        struct ir_mark mark = ir_mark(&c);
        check_on(text, target(cpu_names[i]));
        ir_reset(&c, mark);
    }
}

static struct artifact *compile(const char *text, const char *cpu, enum cg_kind kind)
{
    const struct target *t = target(cpu);
    struct cg_options o = {.kind = kind, .verify = true, .on_note = keep_note};
    notes[0] = 0;
    struct artifact *a = cg_compile(&c, lowered(nest(text, t), t), &o);
    check_error();
    return a;
}

/* ---- expressions ---- */

/* Each operation on each type, as scalars and as vectors of several widths. */
static void operations(void **s)
{
    static const char *const types[] = {"i8", "u8", "i16", "u16", "i32"};
    static const char *const ops[] = {"A[i] + B[i]", "A[i] - B[i]", "A[i] * B[i]", "A[i] / B[i]", "A[i] % B[i]",
        "min(A[i], B[i])", "max(A[i], B[i])", "A[i] & B[i]", "A[i] | B[i]", "A[i] ^ B[i]", "A[i] << B[i]", "A[i] >> B[i]",
        "A[i] << (B[i] & 15)", "A[i] >> (B[i] % 9)", "!A[i]", "A[i] / 7", "A[i] % 7", "A[i] / 8", "A[i] % 8",
        "select(A[i] < B[i], A[i], B[i])", "select(A[i] <= B[i], B[i], A[i])", "select(A[i] == B[i], A[i] - 1, B[i] + 1)"};
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        struct str text = str_on(&c.arena);
        str_printf(&text, "func ops(arg A[37] : %s, arg B[37] : %s, out O[%zu, 37] : %s) {\n", types[t], types[t],
                   ARRAY_LEN(ops), types[t]);
        for (size_t k = 0; k < ARRAY_LEN(ops); k++)
            str_printf(&text, "  %s i in 0..37 { O[%zu, i] = %s }\n", k % 2 ? "for" : "vectorized", k, ops[k]);
        str_put(&text, "}\n");
        char *own = strdup(str_text(&text));
        for (int again = 0; again < 3; again++) check(own);
        free(own);
    }
}

static void signed_constants(void **s)
{
    check("func f(arg A[40] : i32, arg B[40] : i8, out O[8, 40] : i32, out P[4, 40] : i8) {\n"
          "  for i in 0..40 { O[0, i] = A[i] / (-7); O[1, i] = A[i] % (-7); O[2, i] = A[i] / (-1); O[3, i] = A[i] % (-8) }\n"
          "  vectorized i in 0..40 { O[4, i] = A[i] / (-7) }\n"
          "  vectorized i in 0..40 { O[5, i] = A[i] % (-16) }\n"
          "  vectorized i in 0..40 { O[6, i] = A[i] / (-1) }\n"
          "  vectorized i in 0..40 { O[7, i] = (A[i] & 255) / 10 }\n"
          "  for i in 0..40 { P[0, i] = B[i] / (-1); P[1, i] = B[i] / 16; P[2, i] = B[i] % 5; P[3, i] = B[i] / (-3) }\n"
          "}\n");
}

static void index_arithmetic(void **s)
{
    check("func f(arg A[64] : i64 in -1000000..1000000, arg B[64] : i64 in -9..9, out O[9, 64] : i64) {\n"
          "  for i in 0..64 { O[0, i] = A[i] / B[i]; O[1, i] = A[i] % B[i]; O[2, i] = A[i] * B[i] + i * 3\n"
          "    O[3, i] = A[i] << 3; O[4, i] = A[i] >> (B[i] + 9); O[5, i] = A[i] >> B[i]; O[6, i] = min(A[i], B[i]) }\n"
          "  vectorized i in 0..64 { O[7, i] = A[i] / B[i] - i }\n"
          "  vectorized i in 0..64 { O[8, i] = A[(i * 5) % 64] >> 2 }\n"
          "}\n");
}

static void conversions(void **s)
{
    static const char *const types[] = {"bool", "i8", "u8", "i16", "u16", "i32", "i64", "f32"};
    for (size_t from = 0; from < ARRAY_LEN(types); from++) {
        struct str text = str_on(&c.arena);
        str_printf(&text, "func cv(arg A[31] : %s", types[from]);
        for (size_t to = 0; to < ARRAY_LEN(types); to++) str_printf(&text, ", out O%zu[4, 31] : %s", to, types[to]);
        str_put(&text, ") {\n");
        for (size_t to = 0; to < ARRAY_LEN(types); to++) {
            if (from == to) {
                str_printf(&text, "  vectorized i in 0..31 { O%zu[0, i] = A[i] }\n", to);
                continue;
            }
            str_printf(&text, "  for i in 0..31 { O%zu[0, i] = %s(A[i]) }\n", to, types[to]);
            str_printf(&text, "  vectorized i in 0..31 { O%zu[1, i] = %s(A[i]) }\n", to, types[to]);
            if (from == 0 || to == 0 || to == 7) continue;
            str_printf(&text, "  for i in 0..31 { O%zu[2, i] = sat_%s(A[i]) }\n", to, types[to]);
            str_printf(&text, "  vectorized i in 0..31 { O%zu[3, i] = sat_%s(A[i]) }\n", to, types[to]);
        }
        str_put(&text, "}\n");
        char *own = strdup(str_text(&text));
        for (int again = 0; again < 3; again++) check(own);
        free(own);
    }
}

static void floats(void **s)
{
    for (int again = 0; again < 4; again++)
        check("func f(arg A[35] : f32, arg B[35] : f32, out O[10, 35] : f32, out C[4, 35] : bool, out I[6, 35] : i32, out Q[4, 35] : i8) {\n"
              "  for i in 0..35 { O[0, i] = A[i] + B[i] * A[i]; O[1, i] = A[i] - B[i] / A[i]; O[2, i] = min(A[i], B[i]) }\n"
              "  vectorized i in 0..35 { O[3, i] = A[i] * B[i] - A[i] }\n"
              "  vectorized i in 0..35 { O[4, i] = min(A[i], B[i]) }\n"
              "  vectorized i in 0..35 { O[5, i] = max(A[i], B[i]) }\n"
              "  for i in 0..35 { O[6, i] = rint(A[i]); O[7, i] = max(A[i], B[i]) }\n"
              "  vectorized i in 0..35 { O[8, i] = rint(A[i]) }\n"
              "  vectorized i in 0..35 { O[9, i] = select(A[i] < B[i], A[i], B[i] + 1.5) }\n"
              "  vectorized i in 0..35 { C[0, i] = A[i] < B[i] }\n"
              "  vectorized i in 0..35 { C[1, i] = A[i] != B[i] & !(A[i] <= B[i]) }\n"
              "  for i in 0..35 { C[2, i] = A[i] == B[i]; C[3, i] = bool(A[i]) | C[2, i] }\n"
              "  for i in 0..35 { I[0, i] = i32(min(max(rint(A[i]), -128.0), 127.0)); I[1, i] = i32(min(max(-100.0, A[i]), 100.0)) }\n"
              "  vectorized i in 0..35 { I[2, i] = i32(min(max(rint(A[i]), -128.0), 127.0)) }\n"
              "  vectorized i in 0..35 { I[3, i] = i32(max(min(A[i], 100.0), -100.0)) }\n"
              "  vectorized i in 0..35 { I[4, i] = i32(sat_u8(A[i])) + i32(C[0, i]) }\n"
              "  vectorized i in 0..35 { I[5, i] = i32(A[i] * 0.25) }\n"
              "  vectorized i in 0..35 { Q[0, i] = i8(i32(min(max(rint(A[i] * 0.125), -128.0), 127.0))) }\n"
              "  vectorized i in 0..35 { Q[1, i] = sat_i8(rint(A[i]) + 3.0) }\n"
              "  vectorized i in 0..35 { Q[2, i] = sat_i8(I[2, i] * 3) }\n"
              "  vectorized i in 0..35 { Q[3, i] = i8(max(-128, min(127, I[5, i] >> 3))) }\n"
              "}\n");
}

static void fused(void **s)
{
    if (target_runs_here(target("x86-64-v3")))
        check_on("func f(arg A[21] : f32, arg B[21] : f32, out O[2, 21] : f32) {\n"
                 "  for i in 0..21 { O[0, i] = fma(A[i], B[i], A[i]) }\n"
                 "  vectorized i in 0..21 { O[1, i] = fma(A[i], B[i], B[i]) }\n}\n", target("x86-64-v3"));
}

/* ---- laziness and masks ---- */

static void lazy(void **s)
{
    check("func f(arg A[20] : i8, arg K[32] : i32 in 0..40, out O[6, 32] : i32) {\n"
          "  for i in 0..32 { O[0, i] = select(i < 20, i32(A[i]), 7) }\n"
          "  for i in 0..32 { O[1, i] = select(K[i] < 20, i32(A[i64(K[i])]), select(i < 12, i32(A[i + 8]), 1)) }\n"
          "  vectorized i in 0..32 { O[2, i] = select(i < 20, i32(A[i]), 7) }\n"
          "  vectorized i in 0..32 { O[3, i] = select(2 <= i, select(i < 22, i32(A[i - 2]), 5), 7) }\n"
          "  vectorized i in 0..32 { O[4, i] = select(K[i] < 20, i32(A[i64(K[i])]), i32(i)) }\n"
          "  vectorized i in 0..32 { O[5, i] = select(i < 10, i32(A[2 * i]), i32(A[19 - (i % 20)])) }\n"
          "}\n");
    check("func f(arg A[4] : i32, arg B[4] : i32, out O[9, 8] : i32) {\n" /* no lane on, nothing read */
          "  for y in 0..9 { vectorized i in 0..8 { O[y, i] = select(i + y * 8 < 30, A[y] + i32(i), select(60 < i + y * 8, 2, 1)) } }\n"
          "  for y in 0..9 { vectorized i in 0..8 { if (i + y * 8 < 27) { O[y, i] = O[y, i] + B[y] } } }\n}\n");
    check("func pad(arg A[5, 7] : u8, out O[7, 9, 1] : u8) {\n"
          "  for y in 0..7 { vectorized x in 0..9 {\n"
          "    O[y, x, 0] = select(1 <= y & y < 6 & 1 <= x & x < 8, A[y - 1, x - 1], 3)\n"
          "  } }\n}\n");
    check("func pad(arg A[5, 16] : u8, out O[8, 16] : u8) {\n" /* a scalar condition, vector arms */
          "  for y in 0..8 { vectorized x in 0..16 { O[y, x] = select(2 <= y, select(y < 7, A[y - 2, x], 3), 4) } }\n}\n");
}

static void masks(void **s)
{
    check("func f(arg A[19] : i8, arg B[19, 19] : f32, out O[19] : i8, out P[19, 19] : f32, out Q[40] : i32) {\n"
          "  for o in 0..3 { vectorized i in 0..8 { if (o * 8 + i < 19) { O[o * 8 + i] = A[o * 8 + i] + 1 } } }\n"
          "  for y in 0..19 { for o in 0..2 { vectorized i in 0..16 {\n"
          "    if (o * 16 + i < 19) { if (y < 5) { P[y, o * 16 + i] = B[y, o * 16 + i] + B[0, 0] } } } } }\n"
          "  vectorized i in 0..32 { if (i < 19) { if (A[i] < 9) { Q[i] = i32(A[i]) } } }\n"
          "  vectorized i in 0..32 { if (i < 19) { for k in 0..2 { if (A[i] < 90) { Q[2 * i + k] = Q[2 * i + k] + 1 } } } }\n"
          "  for o in 0..2 { vectorized i in 0..16 { if (o * 16 + i < 19) { if (A[o * 16 + i] < 9) { Q[o * 16 + i] = 3 } } } }\n"
          "  vectorized i in 0..21 { if (i < 19) { Q[i + 20] = i32(A[18 - i]) } }\n"
          "}\n");
    assert_non_null(strstr(notes, "scatter"));
    assert_non_null(strstr(notes, "gather"));
}

/* ---- passes ---- */

static void serial_loops(void **s)
{
    check("func f(arg A[16] : i32, out O[40] : i32, out P[16] : i32) {\n"
          "  O[0] = 1\n"
          "  vectorized i in 0..16 { O[i + 1] = O[i] + A[i] }\n"         /* each iteration needs the one before */
          "  vectorized i in 0..16 { O[0] = O[0] + A[i] }\n"             /* a reduction */
          "  vectorized i in 0..4 { vectorized k in 0..4 { O[4 * i + k] = A[4 * i + k] } }\n"
          "  vectorized i in 0..16 { O[i * 2 + 2] = O[i * 2] + 1 }\n"
          "  vectorized i in 0..16 { O[i * 2] = O[i * 2 + 2] + 1 }\n"
          "  vectorized i in 0..16 { if (O[i] < 5) { O[i] = O[i] + 100; P[i] = O[i] } }\n"
          "  vectorized i in 0..5 { alloc local T[3] : i32 { for k in 0..3 { T[k] = A[i + k] }; O[i] = T[0] ^ T[2] } }\n"
          "}\n");
    int n = 0;
    for (const char *p = notes; (p = strstr(p, "scalarised")); p++) n++;
    assert_int_equal(n, 7);
    /* an inner loop, and accesses one block a lane, are no obstacle */
    check("func g(arg A[8, 16] : i32, arg B[8] : i32, out O[16] : i32, out P[64] : i32) {\n"
          "  vectorized i in 0..16 { O[i] = 0; for k in 0..8 { O[i] = O[i] + A[k, i] * B[k] } }\n"
          "  vectorized i in 0..16 { for k in 0..4 { P[i * 4 + 3 - k] = P[i * 4 + k] + 1 } }\n"
          "}\n");
    assert_null(strstr(notes, "scalarised"));
}

static void peeled(void **s)
{
    check("func f(arg A[50] : i8, arg B[50, 9] : i16, out O[50] : i8, out P[50, 9] : i16) {\n"
          "  for o in 0..4 peel { vectorized i in 0..16 { if (o * 16 + i < 50) { O[o * 16 + i] = A[o * 16 + i] } } }\n"
          "  for o in 0..7 peel { for q in 0..3 peel { for i in 0..8 { unrolled k in 0..4 {\n"
          "    if (o * 8 + i < 50) { if (q * 4 + k < 9) { P[o * 8 + i, q * 4 + k] = B[o * 8 + i, q * 4 + k] * 3 } }\n"
          "  } } } }\n"
          "  parallel o in 0..10 peel { if (3 <= o) { if (o < 8) { O[o] = O[o] + 2 } } }\n"
          "}\n");
    static const char *const exact[] = {  /* no guard is left in any part */
        "func f(arg A[47] : i8, out O[47] : i8) {\n"
        "  for o in 0..3 peel { for i in 0..16 { if (o * 16 + i < 47) { O[o * 16 + i] = A[o * 16 + i] } } }\n}\n",
        "func f(out O[10] : i8) { for o in 0..10 peel { if (3 <= o) { if (o < 8) { O[o] = 2 } } } }",
        "func f(out O[64] : i8) { for o in 0..16 peel { for i in 0..4 { if (!(o * 4 + i < 24)) { O[o * 4 + i] = 2 } } } }"};
    for (size_t i = 0; i < ARRAY_LEN(exact); i++) {
        check(exact[i]);
        struct str left = str_on(&c.arena);
        const struct func *g = cg_run_passes(&c, nest(exact[i], target("generic")), target("generic"), NULL);
        check_error();
        print_func(&left, g);
        assert_null(strstr(str_text(&left), "if"));
    }
    const struct func *lower = cg_run_passes(&c, nest("func f(out O[64] : i8) {\n"
        "  for o in 0..16 peel { for i in 0..4 { if (22 <= o * 4 + i) { O[o * 4 + i] = 2 } } }\n}\n", target("generic")),
        target("generic"), NULL);
    check_error();
    struct str parts = str_on(&c.arena);
    print_func(&parts, lower);
    assert_non_null(strstr(str_text(&parts), "o in 0..10")); /* [6, 16); of [0, 5) nothing is left, 5 is alone */
    assert_null(strstr(str_text(&parts), "in 0..6"));
    /* the main part has no guard left, the tail has two lanes and no mask */
    const struct target *t = target("x86-64-v3");
    const struct func *f = nest("func f(arg A[50] : i8, out O[50] : i8) {\n"
        "  for o in 0..4 peel { vectorized i in 0..16 { if (o * 16 + i < 50) { O[o * 16 + i] = A[o * 16 + i] } } }\n}\n", t);
    f = cg_run_passes(&c, f, t, NULL);
    check_error();
    struct str text = str_on(&c.arena);
    print_func(&text, f);
    assert_null(strstr(str_text(&text), "if"));
    assert_null(strstr(str_text(&text), "where"));
    assert_non_null(strstr(str_text(&text), "in 0..3"));
    assert_non_null(strstr(str_text(&text), "ramp(48, 1, 2)"));
}

static void refused(const char *text, const char *cpu, enum err_code code, const char *part)
{
    const struct target *t = target(cpu);
    struct artifact *a = cg_compile(&c, lowered(nest(text, target("native")), t), &obj);
    assert_null(a);
    assert_int_equal(c.err.first.code, code);
    if (!strstr(c.err.first.msg, part) && !strstr(c.err.first.hint, part))
        fail_msg("no \"%s\" in: %s\n%s", part, c.err.first.msg, c.err.first.hint);
    err_clear(&c.err);
}

static void refusals(void **s)
{
    refused("func f(out O[100] : i8) { vectorized i in 0..100 { O[i] = 1 } }", "native", ERR_UNSUPPORTED, "split");
    refused("func f(out O[5000] : i8) { unrolled i in 0..5000 { O[i] = 1 } }", "native", ERR_UNSUPPORTED, "split");
    refused("func f(out O[9] : i8) { blockIdx.x i in 0..9 { O[i] = 1 } }", "native", ERR_UNSUPPORTED, "blockIdx.x");
    refused("func f(out O[9] : f32) { O[0] = fma(O[1], O[2], O[3]) }", "generic", ERR_FEATURE, "fma");
    refused("func f(arg A[16] : i16, arg B[16] : i16, out O[8] : i32) { dot2_i16_avx2(O[0], A[0], B[0]) }", "x86-64-v2",
            ERR_FEATURE, "avx2");
    refused("func f(out O[9] : i8) { alloc shared T[9] : i8 { T[0] = 1; O[0] = T[0] } }", "native", ERR_UNSUPPORTED, "shared");
    struct func f = *nest("func f(out O[1] : i8) { O[0] = 1 }", target("native"));
    f.name = "1; .global x";
    assert_null(cg_compile(&c, lowered(&f, target("native")), &obj));
    assert_int_equal(c.err.first.code, ERR_SYNTAX);
    err_clear(&c.err);
}

/* ---- storage and parallel loops ---- */

static const char parallel_text[] =
    "func p(arg A[7, 300] : i32, out O[7, 300] : i32) {\n"
    "  alloc global T[7, 300] : i32 {\n"
    "    parallel y in 0..7 { for x in 0..300 { T[y, x] = A[y, x] + 1 } }\n"
    "    alloc local small[300] : i32 {\n"
    "      for x in 0..300 { small[x] = T[0, x] * 2 }\n"
    "      for r in 0..2 { parallel y in 0..7 {\n"
    "        alloc local big[20000] : i32 {\n"                        /* beyond the stack: a slice an iteration */
    "          alloc global mine[300] : i32 {\n"
    "            for x in 0..20000 { big[x] = A[y, x % 300] }\n"
    "            parallel x in 0..300 { mine[x] = big[x + 600] - T[y, x] + small[x] }\n"
    "            for x in 0..300 { if (r == 1) { O[y, x] = mine[299 - x] + i32(r) } }\n"
    "          }\n"
    "        }\n"
    "      } }\n"
    "    }\n"
    "  }\n"
    "}\n";

static void parallel(void **s)
{
    for (int pool = 0; pool < 2; pool++) {
        use_pool = pool;
        check(parallel_text);
        assert_true(touched > 7 * 300 * 4 + 6 * 80000); /* each iteration has a slice of its own */
    }
    use_pool = false;
    struct artifact *a = compile(parallel_text, "x86-64-v3", CG_OBJ);
    assert_int_equal(a->workspace, (7 * 300 * 4 + 63) / 64 * 64 + 7 * 80000);
    artifact_free(a);
}

static void stack_limits(void **s)
{
    check("func f(arg A[9] : i8, out O[9] : i32) {\n"
          "  alloc local T[4097] : i32 {\n"                               /* one element more than the stack takes */
          "    alloc local U[4096] : i32 { for i in 0..9 { T[i * 512] = i32(A[i]); U[4095 - i] = T[i * 512] }\n"
          "      for i in 0..9 { O[i] = U[4095 - i] } }\n"
          "    unrolled k in 0..9 { alloc local V[16] : i32 { vectorized j in 0..16 { V[j] = i32(j) }; O[k] = O[k] + V[k + 2] } }\n"
          "  } }\n");
    struct artifact *a = compile("func f(out O[1] : i8) { alloc local T[16384] : i8 { T[5] = 1; O[0] = T[5] } }", "generic", CG_OBJ);
    assert_int_equal(a->workspace, 0);
    artifact_free(a);
    a = compile("func f(out O[1] : i8) { alloc local A[16000] : i8 { alloc local B[16000] : i8 { alloc local C[16000] : i8 {\n"
                "alloc local D[16000] : i8 { alloc local E[16000] : i8 { A[0] = 1; B[0] = 1; C[0] = 1; D[0] = 1; E[0] = 1\n"
                "O[0] = A[0] + B[0] + C[0] + D[0] + E[0] } } } } } }", "generic", CG_OBJ);
    assert_int_equal(a->workspace, 16000);
    artifact_free(a);
    a = compile("func f(out O[1] : i8) { alloc local T[16385] : i8 { T[5] = 1; O[0] = T[5] } }", "generic", CG_OBJ);
    assert_int_equal(a->workspace, 16384 + 64);
    artifact_free(a);
}

/* ---- instructions ---- */

/* Every row of every family, alone on full-range data; those that may saturate on a range that cannot. */
static void rows(void **s)
{
    for (size_t i = 0; i < ARRAY_LEN(cpu_names); i++) {
        const struct target *t = target(cpu_names[i]);
        for (int k = 0; k < t->nintrin; k++) {
            const struct intrin *in = &t->intrin[k];
            struct str text = str_on(&c.arena), args = str_on(&c.arena);
            str_put(&text, "func row(");
            for (int o = 0; o < in->meaning->nop; o++) {
                const struct tensor *x = in->meaning->op[o];
                int64_t n = 1;
                for (int d = 0; d < x->ndim; d++) n *= x->shape[d];
                str_printf(&text, "%s%s X%d[3, %" PRId64 "] : %s%s", o ? ", " : "", o ? "arg" : "out", o, n, dtype_info[x->dt].name,
                           in->row->pair_i16 && o && x->dt == DT_I8 ? " in -64..64" : "");
                str_printf(&args, "%sX%d[i, 0]", o ? ", " : "", o);
            }
            str_printf(&text, ") { for i in 0..3 { %s(%s) } }", in->row->name, str_text(&args));
            char *own = strdup(str_text(&text));
            for (int again = 0; again < 2; again++) check_on(own, t);
            free(own);
        }
    }
}

/* A row of the user's: vectors repeated, constants of the other operand's type, an overloaded intrinsic. */
static void user_row(void **s)
{
    static const struct intrin_row row = {
        .name = "twice", .operands = "C: i32[2,4], A: i32[4]", .meaning = "C[i,j] += A[j] * 3",
        .recipe = "add(C, mul(3, @llvm.abs.v8i32(@llvm.bswap(@llvm.bswap(repeat.i32x8(A))), 0)))", .needs = "", .mnemonic = "",
        .mac_per_cycle = 1, .help = "|x| is x for what the test gives it"};
    const struct target *t = target_add_row(&c, target("x86-64-v3"), &row, false, (struct span){0});
    check_error();
    check_on("func f(arg A[9] : i32 in 0..2147483647, out C[2, 9] : i32) { for i in 0..6 { twice(C[0, i], A[i]) } }", t);
    static const struct intrin_row bad = {
        .name = "odd", .operands = "C: i32[8], A: i16[16]", .meaning = "C[i] += i32(A[i])", .recipe = "add(C, A)", .needs = "",
        .mnemonic = "", .mac_per_cycle = 1, .help = ""};
    if (!target_add_row(&c, t, &bad, false, (struct span){0})) assert_int_equal(c.err.first.code, ERR_INTRIN);
    err_clear(&c.err);
}

/* The reference kernel: 6 rows by 16 columns of i32 in registers, unrolled around one instruction. */
static const char kernel_text[] =
    "func gemm(arg A[6, 256] : i16, arg B[128, 16, 2] : i16, arg M[16] : f32, out O[6, 16] : i8) {\n"
    "  alloc local C[6, 16] : i32 {\n"
    "    unrolled r in 0..6 { vectorized j in 0..16 { C[r, j] = 0 } }\n"
    "    for k in 0..128 { unrolled r in 0..6 { unrolled v in 0..2 { dot2_i16_avx2(C[r, v * 8], A[r, k * 2], B[k, v * 8, 0]) } } }\n"
    "    unrolled r in 0..6 { vectorized j in 0..16 {\n"
    "      O[r, j] = i8(i32(min(max(rint(f32(C[r, j]) * M[j]), -128.0), 127.0))) } }\n"
    "  }\n"
    "}\n";

static int count(const char *text, const char *end, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)) && p < end; p++) n++;
    return n;
}

static void registers(void **s)
{
    if (target_runs_here(target("x86-64-v3"))) check_on(kernel_text, target("x86-64-v3"));
    struct artifact *a = compile(kernel_text, "x86-64-v3", CG_ASM);
    const char *at = strstr(a->bytes, "%for.k"), *from = at, *to = strstr(at ? at : "", "\tj");
    assert_non_null(at);
    if (getenv("QJ_SHOW")) fprintf(stderr, "%s", a->bytes);
    assert_int_equal(count(from, to, "vpmaddwd"), 12);
    assert_int_equal(count(from, to, "vpaddd"), 12);
    assert_int_equal(count(from, to, "rsp"), 0);
    assert_int_equal(count(a->bytes, a->bytes + a->size, "callq"), 1); /* gemm_call's of gemm */
    artifact_free(a);
}

/* ---- artifacts ---- */

/* No symbol but what the ABI names is left undefined, whatever the operations. */
static void self_contained(void **s)
{
    struct artifact *a = compile(
        "func f(arg A[35] : f32, out O[4, 35] : f32, out I[3, 35] : i64, out Q[35] : u16) {\n"
        "  for i in 0..35 { O[0, i] = rint(A[i]); I[0, i] = i64(A[i]) / (i + 1); I[1, i] = i64(A[i]) % (i - 3) }\n"
        "  vectorized i in 0..35 { O[1, i] = rint(A[i]) }\n"
        "  vectorized i in 0..35 { I[2, i] = i64(A[i]) * 3 / (i - 5) }\n"
        "  vectorized i in 0..35 { O[2, i] = f32(I[2, i]) / 3.0 }\n"
        "  vectorized i in 0..35 { Q[i] = sat_u16(A[i]) }\n"
        "  vectorized i in 0..35 { if (i < 30) { O[3, i] = A[i + 5] } }\n}\n", "generic", CG_ASM);
    static const char *const libm[] = {"rint", "roundeven", "nearbyint", "floor", "fmin", "fmax", "fma", "__"};
    for (size_t i = 0; i < ARRAY_LEN(libm); i++)
        assert_null(strstr(a->bytes, arena_printf(&c.arena, "%s@PLT", libm[i])));
    int own = count(a->bytes, a->bytes + a->size, "\tf@PLT"); /* f_call's of f */
    assert_int_equal(count(a->bytes, a->bytes + a->size, "@PLT"), own);
    artifact_free(a);
}

static void deterministic(void **s)
{
    for (enum cg_kind k = CG_OBJ; k <= CG_BC; k++) {
        struct artifact *a = compile(parallel_text, "x86-64-v3", k), *b;
        struct ir_ctx first = c;
        ir_ctx_init(&c, 0); /* other node numbers, other addresses */
        artifact_free(compile("func other(out O[1] : i8) { O[0] = 1 }", "generic", CG_OBJ));
        b = compile(parallel_text, "x86-64-v3", k);
        assert_int_equal(a->size, b->size);
        assert_memory_equal(a->bytes, b->bytes, a->size);
        ir_ctx_release(&c);
        c = first;
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
    struct artifact *a = compile(parallel_text, "x86-64-v3", CG_OBJ);
    char dir[] = "/tmp/qjit-codegen-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *h = arena_printf(&c.arena, "%s/p.h", dir), *user = arena_printf(&c.arena, "%s/user.c", dir);
    write_file(h, artifact_header(&c.arena, a));
    write_file(user, "#include \"p.h\"\n#include \"p.h\"\nint32_t a[7 * 300], o[7 * 300];\n"
                     "int go(void *w);\nint go(void *w) { void *all[3]; all[0] = a; all[1] = o; all[2] = w;\n"
                     "  return p(a, o, w) + p_call(all) + (p_WORKSPACE > 0) + (int)(p_A_BYTES - sizeof a); }\n");
    const char *const compilers[] = {"cc -std=c99 -pedantic -Wall -Wextra -Werror", "c++ -x c++ -std=c++11 -Wall -Wextra -Werror"};
    for (size_t i = 0; i < ARRAY_LEN(compilers); i++)
        assert_int_equal(system(arena_printf(&c.arena, "cd %s && %s -c user.c -o user.o", dir, compilers[i])), 0);
    const char *text = artifact_json(&c.arena, a);
    const struct json *j = json_parse(&c.arena, &c.err, "p.json", text, strlen(text));
    check_error();
    int64_t v;
    assert_true(json_int(&c.err, json_at(&c.err, j, "workspace"), 0, INT64_C(1) << 40, &v) && v == a->workspace);
    assert_string_equal(json_text(&c.err, json_find(j, "target")), "x86-64-v3");
    assert_null(json_at(&c.err, j, "colour"));
    assert_string_equal(c.err.first.msg, "p.json: $.colour: missing");
    err_clear(&c.err);
    const struct json *args = json_at(&c.err, j, "args");
    assert_true(json_array(&c.err, args, 2, 2));
    assert_string_equal(json_text(&c.err, json_at(&c.err, args->at[1], "role")), "output");
    assert_false(json_int(&c.err, json_at(&c.err, args->at[1], "role"), 0, 1, &v));
    assert_string_equal(c.err.first.msg, "p.json: $.args[1].role: expected a number, found a string");
    err_clear(&c.err);
    assert_int_equal(system(arena_printf(&c.arena, "rm -r %s", dir)), 0);
    artifact_free(a);
}

static void bad_json(void **s)
{
    static const char *const bad[] = {"", "{", "[1,]", "{\"a\": 1, \"a\": 2}", "nul", "1 2", "\"\\u12\"", "{a: 1}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_null(json_parse(&c.arena, &c.err, "x", bad[i], strlen(bad[i])));
        assert_int_equal(c.err.first.code, ERR_SYNTAX);
        err_clear(&c.err);
    }
    char deep[200];
    memset(deep, '[', 100);
    memset(deep + 100, ']', 100);
    assert_null(json_parse(&c.arena, &c.err, "x", deep, sizeof deep));
    assert_int_equal(c.err.first.code, ERR_TOO_LARGE);
    err_clear(&c.err);
}

struct told { int dumps, same, times; };
static void on_dump(void *u, const char *pass, const char *text)
{
    struct told *t = u;
    t->dumps++;
    t->same += !strcmp(text, "(unchanged)");
    if (strncmp(text, "func", 4)) return;
    const struct func *f = nest(text, target("native")); /* what is dumped can be read */
    struct str again = str_on(&c.arena);
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
    const struct target *t = target("x86-64-v3");
    struct cg_options o = {.kind = CG_OBJ, .dump = "all", .on_dump = on_dump, .on_time = on_time, .u = &told};
    struct artifact *a = cg_compile(&c, lowered(nest(kernel_text, t), t), &o);
    check_error();
    assert_int_equal(told.dumps, 7);
    assert_true(told.same > 0);
    assert_int_equal(told.times, 8);
    artifact_free(a);
}

static int setup(void **s) { ir_ctx_init(&c, 0); return 0; }
static int teardown(void **s) { ir_ctx_release(&c); return 0; }

int main(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(operations), T(signed_constants), T(index_arithmetic), T(conversions), T(floats), T(fused), T(lazy), T(masks),
        T(serial_loops), T(peeled), T(refusals), T(parallel), T(stack_limits), T(rows), T(user_row), T(registers), T(self_contained),
        T(deterministic), T(texts), T(bad_json), T(telling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
