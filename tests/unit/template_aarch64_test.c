/* SPDX-License-Identifier: Apache-2.0 */
/* What templates make of layers for CPUs of AArch64: by which instruction, by steps that a user could have written, and with
 * nothing on the stack in a loop that multiplies. What the kernels compute is prop/template_aarch64's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "runtime/disasm.h"
#include "runtime/loops.h"
#include "schedule/templates/layer.h"
#include "tests/support/harness.h"

static const char *const cpus[] = {"cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76", "neoverse-n1", "neoverse-n2",
                                   "neoverse-v1", "neoverse-v2", "apple-m1"};

/* And the instruction that must be in the steps: without dot products, with them, with tiles. */
static const struct { const char *words, *neon, *dot, *tiles; } layers[] = {
    {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=56 w=56 c=64 o=256 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=28 w=28 c=128 o=128 k=3 pad=1", "smull", "sdot", "mmla"},
    {"conv2d h=28 w=28 c=128 o=128 k=3 pad=1 weight=u8 wzero=120 xzero=3", "mull", "dot", "mmla"},
    {"conv2d h=224 w=224 c=3 o=64 k=7 pad=3 stride=2 act=i8", "smull", "sdot", ""},
    {"conv2d h=17 w=17 c=20 o=30 k=3 pad=1 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=13 w=13 c=17 o=5 k=3 pad=1 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=7 w=7 c=512 o=512 k=3 pad=1 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=7 w=7 c=512 o=512 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=56 w=56 c=64 o=128 k=3 pad=1 stride=2 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=56 w=56 c=64 o=128 stride=2 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=28 w=28 c=128 o=128 k=3 pad=2 dilation=2 act=i8", "smull", "sdot", "smmla"},
    {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8 in=NCHW out=NCHW weights=OIHW", "smull", "sdot", "smmla"},
    {"conv2d h=14 w=14 c=256 o=256 k=3 pad=1 act=i8 in=NCHW out=NCHW", "smull", "sdot", "smmla"},
    {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8 in=NCHW16c out=NCHW16c", "smull", "sdot", "smmla"},
    {"conv2d h=14 w=14 c=128 o=128 k=3 pad=1 groups=4 act=i8", "smull", "sdot", "smmla"},
    {"depthwise h=112 w=112 c=32 k=3 pad=1 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=56 w=56 c=128 k=3 pad=1", "smlal", "sdot", "usdot"},
    {"depthwise h=56 w=56 c=128 k=3 pad=1 stride=2 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=14 w=14 c=512 k=5 pad=2", "smlal", "sdot", "usdot"},
    {"depthwise h=17 w=19 c=24 k=5 pad=2 stride=2 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=14 w=14 c=32 k=7 pad=3 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=14 w=14 c=64 k=3 pad=2 dilation=2 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=14 w=14 c=64 k=3 pad=1 mult=2 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=28 w=28 c=3 k=3 pad=1 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=28 w=28 c=17 k=3 pad=1 act=i8", "smlal", "sdot", "sdot"},
    {"depthwise h=56 w=56 c=128 k=3 pad=1 act=i8 in=NCHW", "smlal", "sdot", "sdot"},
    {"depthwise h=56 w=56 c=128 k=3 pad=1 act=i8 in=NCHW16c", "smlal", "sdot", "sdot"},
    {"depthwise h=56 w=56 c=128 k=3 pad=1 act=i8 in=NCHW out=NCHW", "smlal", "sdot", "sdot"},
    {"dense m=1 n=1000 k=2048 act=i8", "smull", "sdot", "sdot"},
    {"dense m=3 n=1001 k=2048 act=i8", "smull", "sdot", "smmla"},
    {"dense m=7 n=100 k=203 act=i8", "smull", "sdot", "smmla"},
    {"dense m=128 n=768 k=768 act=i8", "smull", "sdot", "smmla"},
    {"batched batch=12 m=128 n=128 k=64 dynamic=1 act=i8 bias=none to=i32", "smull", "sdot", "smmla"},
};

static bool none(const void *u, const char *name)
{
    (void)u;
    (void)name;
    return true;
}

/* Loads and stores of registers that the allocator put on the stack, in the innermost loops that multiply. */
static int spills(struct err_state *e, const struct artifact *a, int *multiplies)
{
    struct elf_info info = {0};
    struct code_loop *loop = NULL;
    int all = 0;
    assert_true(elf_check(e, a->bytes, a->size, none, NULL, &info));
    qj_listing *l = disasm_object(e, &info, a->triple, a->cpu, a->features);
    assert_non_null(l);
    size_t n = loops_find(l, &loop);
    for (size_t i = 0; i < n; i++) {
        int stores, loads;
        if (!loop[i].innermost || !loop[i].multiplies) continue;
        disasm_spills_in(l, loop[i].from, loop[i].to, false, &stores, &loads);
        all += stores + loads;
        *multiplies += loop[i].multiplies;
    }
    free(loop);
    disasm_free(l);
    elf_release(&info);
    return all;
}

static void one(const char *words, const char *cpu, const char *want)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    const char *why = "";
    size_t kind = strcspn(words, " ");
    struct layer l;
    struct str text = str_on(&c.arena), layout = str_on(&c.arena);
    const struct target *t = target_parse(&c, cpu, strlen(cpu), (struct span){0});
    assert_true(layer_read(&c.arena, &c.err, arena_strndup(&c.arena, words, kind), words + kind, t, &l));
    assert_true(layer_text(&text, &l, &why));
    layer_steps(&layout, &l);
    const struct program *p = parse_program(&c, str_text(&text));
    struct sched *s = sch_new(&c, p, t);
    if (!s || !sch_text_steps(s, str_text(&layout)) || !sch_text_steps(s, "template")) {
        show_error(&c);
        fail_msg("%s on %s: no schedule", words, cpu);
    }
    const char *steps = sch_text(&c.arena, s), *by = strstr(steps, "tensorize");
    if (!by || !strstr(by, want)) fail_msg("%s on %s takes no %s:\n%s", words, cpu, want, steps);
    struct sched *again = sch_new(&c, p, t);
    if (!sch_text_steps(again, steps)) {
        show_error(&c);
        fail_msg("%s on %s: the steps are not accepted one by one", words, cpu);
    }
    struct artifact *a = cg_compile(&c, sch_lower(s), &(struct cg_options){.kind = CG_OBJ});
    if (!a) {
        show_error(&c);
        fail_msg("%s on %s: not compiled", words, cpu);
    }
    int multiplies = 0, n = spills(&c.err, a, &multiplies);
    if (n || !multiplies)
        fail_msg("%s on %s: %d accesses to the stack beside %d products in loops:\n%s", words, cpu, n, multiplies, steps);
    artifact_free(a);
    ir_ctx_release(&c);
}

static void registers(void **unused)
{
    for (size_t i = 0; i < ARRAY_LEN(cpus); i++) {
        struct ir_ctx c;
        ir_ctx_init(&c, 0);
        const struct target *t = target_parse(&c, cpus[i], strlen(cpus[i]), (struct span){0});
        bool dot = target_has(t, "dotprod"), tiles = target_has(t, "i8mm");
        ir_ctx_release(&c);
        for (size_t k = 0; k < ARRAY_LEN(layers); k++)
            one(layers[k].words, cpus[i], tiles ? layers[k].tiles : dot ? layers[k].dot : layers[k].neon);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(registers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
