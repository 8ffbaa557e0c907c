/* SPDX-License-Identifier: Apache-2.0 */
/* nestrun.c - contract in nestrun.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "ir/interp.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "runtime/jit.h"
#include "runtime/rt/qjrt.h"
#include "tests/emu/emu.h"
#include "tests/support/guard.h"
#include "tests/support/nestrun.h"

struct nestrun nr;

static uint64_t rnd(void)
{
    nr.state ^= nr.state << 13;
    nr.state ^= nr.state >> 7;
    return nr.state ^= nr.state << 17;
}

void nest_no_error(void)
{
    if (!err_is(&nr.c.err)) return;
    struct str s = str_on(&nr.c.arena);
    err_render(&nr.c.err.first, &s);
    fail_msg("%s", str_text(&s));
}

/* ---- nests ---- */

static const struct meaning *find_row(void *u, const char *name)
{
    const struct intrin *in = target_intrin(u, name);
    return in ? in->meaning : NULL;
}

const struct target *nest_target(const char *name)
{
    const struct target *t = target_parse(&nr.c, name, strlen(name), (struct span){0});
    nest_no_error();
    return t;
}

const struct func *nest_parse(const char *text, const struct target *t)
{
    struct lexer lx = lex_on(&nr.c, NULL, text, strlen(text));
    lex_skip_ends(&lx);
    const struct func *f = parse_func(&lx, find_row, (void *)t);
    nest_no_error();
    return f;
}

const struct lowered *nest_lowered(const struct func *f, const struct target *t)
{
    struct lowered *l = ARENA_NEW(&nr.c.arena, struct lowered);
    struct kernel_arg *arg = ARENA_ARRAY(&nr.c.arena, struct kernel_arg, f->narg + 1);
    for (int i = 0; i < f->narg; i++) {
        struct tensor *x = ir_tensor(&nr.c, f->arg[i]->name, TENSOR_INPUT, f->arg[i]->dt, 0, NULL);
        arg[i] = (struct kernel_arg){f->arg[i]->written ? ARG_OUTPUT : ARG_INPUT, x, NULL, f->arg[i]};
    }
    *l = (struct lowered){.target = t, .main = f, .arg = arg, .steps = "", .macs = 1};
    return l;
}

/* ---- data ---- */

static size_t bytes_of(const struct buffer *b) { return (size_t)buffer_elems(b) * (size_t)dt_bytes(b->dt); }

/* Every value of small types, hard ones of f32, and whatever a declared range allows. */
static void fill(const struct buffer *b, void *at)
{
    static const float hard[] = {0.0f,    -0.0f,      0.5f,        -0.5f,         1.5f,
                                 2.5f,    -2.5f,      127.5f,      128.5f,        255.5f,
                                 -128.5f, 8388607.5f, 16777216.0f, 2147483648.0f, -2147483648.0f,
                                 1e30f,   -1e30f,     INFINITY,    -INFINITY,     NAN};
    for (int64_t i = 0; i < buffer_elems(b); i++) {
        union value v;
        uint64_t r = rnd();
        if (b->dt == DT_F32) {
            v.f =
                r & 1 ? hard[r / 2 % ARRAY_LEN(hard)] : (float)((int64_t)(r >> 20) % 100000) / 64.0f - 600.0f;
        } else {
            uint64_t width = (uint64_t)b->range.hi - (uint64_t)b->range.lo + 1;
            v.i = r % 5 == 0   ? b->range.lo
                  : r % 5 == 1 ? b->range.hi
                               : (int64_t)((uint64_t)b->range.lo + (width ? r / 8 % width : r));
        }
        value_store(b->dt, at, i, v);
    }
}

/* ---- running objects ---- */

static int serial_for(void *user, qjrt_body *fn, void *ctx, int64_t n)
{
    for (int64_t i = n; i-- > 0;) fn(ctx, i, i + 1); /* any order */
    fn(ctx, n, n);
    return 0;
}

/* As where nobody provides a pool. */
static int whole_for(void *user, qjrt_body *fn, void *ctx, int64_t n)
{
    fn(ctx, 0, n);
    return 0;
}

static void run_object(const struct artifact *a, void **arg)
{
    struct linked *l = jit_link(&nr.c.err, a->bytes, a->size, 0, NULL);
    nest_no_error();
    int (*call)(void **) = (int (*)(void **))(uintptr_t)jit_find(l, arena_printf(&nr.c.arena, "%s_call", a->name));
    assert_non_null(call);
    qjrt_set_parallel_for(nr.use_pool ? serial_for : whole_for, NULL);
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
    for (nr.touched = ws ? a->workspace : 0; nr.touched && (unsigned char)ws[nr.touched - 1] == 0xa5;)
        nr.touched--;
    free(ws);
    jit_unlink(l);
}

/* ---- the check ---- */

struct run {
    struct guarded arg[16];
    void *want[16];
};

static void **data_of(struct run *r, int n)
{
    static void *at[16];
    for (int i = 0; i < n; i++) at[i] = r->arg[i].data;
    return at;
}

static void start(struct run *r, const struct func *f, void *const *first)
{
    for (int i = 0; i < f->narg; i++) {
        size_t n = bytes_of(f->arg[i]);
        r->arg[i] = guard_new(n, true);
        memcpy(r->arg[i].data, first[i], n);
    }
}

static void finish(struct run *r, const struct func *f, const char *who)
{
    for (int i = 0; i < f->narg; i++) {
        const struct buffer *b = f->arg[i];
        size_t n = bytes_of(b), size = (size_t)dt_bytes(b->dt);
        for (size_t k = 0; k < n / size; k++) {
            const char *got = (char *)r->arg[i].data + k * size, *want = (char *)r->want[i] + k * size;
            if (!memcmp(got, want, size)) continue;
            if (b->dt == DT_F32 && isnan(*(const float *)(const void *)got) &&
                isnan(*(const float *)(const void *)want))
                continue;
            struct str s = str_on(&nr.c.arena);
            print_func(&s, f);
            union value g = value_load(b->dt, got, 0), w = value_load(b->dt, want, 0);
            fail_msg("%s: %s[%zu] is %" PRId64 " (%g), not %" PRId64 " (%g)\n%s", who, b->name, k, g.i,
                     (double)g.f, w.i, (double)w.f, str_text(&s));
        }
        guard_free(&r->arg[i]);
    }
}

const char *const nest_cpus[] = {"generic", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64", "neoverse-n2", "a64fx", "native", NULL};

/* The compiler's notes, into nr. */
static struct artifact *noted(struct artifact *a)
{
    nr.notes[0] = 0;
    for (int i = 0; a && i < a->nnote; i++) {
        size_t used = strlen(nr.notes);
        snprintf(nr.notes + used, sizeof nr.notes - used, "%s: %s\n", a->note[i].code, a->note[i].text);
    }
    return a;
}

const struct cg_options nest_options = {.kind = CG_OBJ, .verify = true};

static void emulate(const struct emu_machine *m, const char *text, const struct func *f, const struct target *t,
                    void *const *first, void *const *want)
{
    struct emu_buffer buffer[16];
    int arg[16];
    struct nest_waiting *w = nr.waiting;
    while (w->machine && w->machine != m) w++;
    if (!w->emu) *w = (struct nest_waiting){m, emu_new(m)};
    struct artifact *a = emu_compile(w->emu, &nr.c, nest_lowered(f, t), &nest_options);
    nest_no_error();
    for (int i = 0; i < f->narg; i++) {
        arg[i] = i;
        buffer[i] = (struct emu_buffer){(int64_t)bytes_of(f->arg[i]), first[i], want[i], NULL, f->arg[i]->dt == DT_F32, false};
    }
    emu_add(w->emu, a, arena_printf(&nr.c.arena, "%s: %s", t->name, text), f->narg, buffer, arg, NULL);
    artifact_free(a);
}

void nest_check_on(const char *text, const struct target *t)
{
    struct ir_mark mark = ir_mark(&nr.c);
    const struct func *f = nest_parse(text, t), *g = f;
    void *first[16];
    struct run r;
    for (int i = 0; i < f->narg; i++) {
        first[i] = malloc(bytes_of(f->arg[i]));
        r.want[i] = malloc(bytes_of(f->arg[i]));
        fill(f->arg[i], first[i]);
        memcpy(r.want[i], first[i], bytes_of(f->arg[i]));
    }
    interp_run(&nr.c, f, r.want);
    nest_no_error();
    for (const struct cg_pass *p = cg_passes; p->name; p++) {
        g = p->run(&nr.c, g, t);
        nest_no_error();
        verify_func(&nr.c, g, p->verify);
        nest_no_error();
        start(&r, f, first);
        interp_run(&nr.c, g, data_of(&r, f->narg));
        nest_no_error();
        finish(&r, g, p->name);
    }
    bool gpu = t->family->kind == TARGET_SIMT;
    struct cg_options opt = nest_options;
    if (gpu) opt.kind = CG_PTX;
    struct artifact *a = noted(cg_compile(&nr.c, nest_lowered(f, t), &opt));
    nest_no_error();
    const struct emu_machine *machine = gpu || (target_runs_here(t) && !nr.emulate) ? NULL : emu_machine_for(t);
    if (machine) emulate(machine, text, f, t, first, r.want);
    start(&r, f, first);
    if (gpu) assert_true(ptx_call(a, false, data_of(&r, f->narg), &nr.ptx));
    else if (target_runs_here(t)) run_object(a, data_of(&r, f->narg));
    else for (int i = 0; i < f->narg; i++) memcpy(r.arg[i].data, r.want[i], bytes_of(f->arg[i]));
    finish(&r, g, t->name);
    artifact_free(a);
    for (int i = 0; i < f->narg; i++) {
        free(first[i]);
        free(r.want[i]);
    }
    ir_reset(&nr.c, mark);
}

void nest_check(const char *text)
{
    for (size_t i = 0; nest_cpus[i]; i++) {
        struct ir_mark mark = ir_mark(&nr.c);
        nest_check_on(text, nest_target(nest_cpus[i]));
        ir_reset(&nr.c, mark);
    }
}

struct artifact *nest_compile(const char *text, const char *cpu, enum cg_kind kind)
{
    const struct target *t = nest_target(cpu);
    struct cg_options o = {.kind = kind, .verify = true};
    struct artifact *a = noted(cg_compile(&nr.c, nest_lowered(nest_parse(text, t), t), &o));
    nest_no_error();
    return a;
}

const char *nest_passes(const char *text, const char *cpu)
{
    const struct target *t = nest_target(cpu);
    const struct func *f = cg_run_passes(&nr.c, nest_parse(text, t), t, NULL);
    nest_no_error();
    struct str s = str_on(&nr.c.arena);
    print_func(&s, f);
    return str_text(&s);
}

int nestrun_open(void **unused)
{
    struct nestrun old = nr;
    nr = (struct nestrun){.state = 1};
    memcpy(nr.waiting, old.waiting, sizeof nr.waiting);
    ir_ctx_init(&nr.c, 0);
    return 0;
}

int nestrun_close(void **unused)
{
    ir_ctx_release(&nr.c);
    return 0;
}

void nest_emulated(void **unused)
{
    int bad = 0;
    for (struct nest_waiting *w = nr.waiting; w->machine; w++) {
        bad |= emu_run_here(w->emu);
        emu_free(w->emu);
        *w = (struct nest_waiting){NULL, NULL};
    }
    assert_int_equal(bad, 0);
}
