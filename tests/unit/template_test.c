/* SPDX-License-Identifier: Apache-2.0 */
/* Which instruction templates choose for layers that matter, and layers at the edge of what they serve. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "codegen/codegen.h"
#include "schedule/templates/layer.h"
#include "tests/support/harness.h"

/* "conv2d h=56 ..." */
static struct layer layer_of(struct ir_ctx *c, const char *text)
{
    struct layer l = {0};
    size_t kind = strcspn(text, " ");
    if (layer_read(&c->arena, &c->err, arena_strndup(&c->arena, text, kind), text + kind, NULL, &l)) return l;
    show_error(c);
    fail_msg("%s", text);
    return l;
}

/* The steps that `template` gives the layer; fails where it gives an error, or what does not compile. */
static const char *steps_of(struct ir_ctx *c, const char *layer, const char *target)
{
    const char *why = "";
    struct layer l = layer_of(c, layer);
    struct str text = str_on(&c->arena), steps = str_on(&c->arena);
    if (!layer_text(&text, &l, &why)) fail_msg("%s: %s", layer, why);
    layer_steps(&steps, &l);
    const struct program *p = parse_program(c, str_text(&text));
    const struct target *t = p ? target_parse(c, target, strlen(target), (struct span){0}) : NULL;
    struct sched *s = t ? sch_new(c, p, t) : NULL;
    if (!s || !sch_text_steps(s, str_text(&steps)) || !sch_text_steps(s, "template")) {
        show_error(c);
        fail_msg("%s on %s: no schedule", layer, target);
    }
    const struct lowered *lowered = sch_lower(s);
    bool gpu = t->family->kind == TARGET_SIMT;
    struct artifact *made = lowered ? cg_compile(c, lowered, &(struct cg_options){.kind = gpu ? CG_PTX : CG_OBJ}) : NULL;
    if (!made) {
        show_error(c);
        fail_msg("%s on %s: not compiled", layer, target);
    }
    artifact_free(made);
    return sch_text(&c->arena, s);
}

/* Layers of networks people run; every one by an instruction, and of which family. */
static void fast_path(void **unused)
{
    static const struct { const char *layer, *v3, *vnni; } row[] = {
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 weight=u8 wzero=128", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 weight=u8 wzero=120 xzero=3", "_avx2", "_vnni"},
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 weight=u8 wzero=120 xzero=3 form=terms", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 in=NCHW out=NCHW weights=OIHW", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=64 o=64 k=3 pad=1 in=NCHW16c out=NCHW16c weights=OIHW4i16o4i", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=64 o=256 act=u8 xzero=128 add=u8 addzero=7 zero=3", "_avx2", "vnni"},
        {"conv2d h=56 w=56 c=256 o=64 round=tflite_double to=i8 act=i8 xzero=-128 zero=-128", "_avx2", "vnni"},
        {"conv2d h=224 w=224 c=3 o=64 k=7 pad=3 stride=2", "_avx2", "vnni"},
        {"conv2d h=7 w=7 c=512 o=512 k=3 pad=1", "_avx2", "vnni"},
        {"conv2d h=14 w=14 c=128 o=128 k=3 pad=1 groups=32", "dot", "dot"},
        {"conv2d h=28 w=28 c=128 o=128 k=3 pad=2 dilation=2 to=i32 bias=none", "_avx2", "vnni"},
        {"conv2d h=1 w=1 c=1280 o=1001", "_avx2", "vnni"},
        {"depthwise h=112 w=112 c=32 k=3 pad=1", "lanes_i16", "lanes_"},
        {"depthwise h=56 w=56 c=128 k=3 pad=1 stride=2 act=i8 weight=u8 wzero=120", "lanes_i16", "lanes_"},
        {"depthwise h=7 w=7 c=960 k=5 pad=2 mult=2 in=NCHW16c", "lanes_i16", "lanes_"},
        {"depthwise h=5 w=5 c=61 k=7 pad=6 dilation=2 to=i32", "lanes_i16", "lanes_"},
        {"depthwise h=112 w=112 c=32 k=3 pad=1", "_avx2", "vnni"},
        {"depthwise h=14 w=14 c=24 k=7 pad=3 actrange=49..199 xzero=128 weights=OIHW to=f32 hi=6", "_avx2", "vnni"},
        {"dense m=1 n=1000 k=2048", "_avx2", "vnni"},
        {"dense m=128 n=768 k=768 act=i8", "_avx2", "vnni"},
        {"dense m=384 n=1024 k=1024 to=f32 xzero=7", "_avx2", "vnni"},
        {"batched batch=12 m=128 n=128 k=64 dynamic=1 act=i8 bias=none to=i32", "_avx2", "vnni"},
    };
    static const char *const target[] = {"x86-64-v3", "x86-64-v4,+avx512vnni", "alderlake", "x86-64-v2"};
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        for (size_t t = 0; t < ARRAY_LEN(target); t++) {
            struct ir_ctx c;
            ir_ctx_init(&c, 0);
            const char *steps = steps_of(&c, row[i].layer, target[t]), *at = strstr(steps, "tensorize");
            const char *want = t == 0 ? row[i].v3 : t == 1 ? row[i].vnni : "";
            if (!at || !strstr(at, want)) fail_msg("%s on %s takes no %s instruction:\n%s", row[i].layer, target[t], want, steps);
            ir_ctx_release(&c);
        }
}

/* The same of GPUs: large layers want tiles that small ones do not, and none may be left to plain loops. */
static void fast_path_gpu(void **unused)
{
    static const char *const layer[] = {
        "conv2d h=56 w=56 c=64 o=64 k=3 pad=1", "conv2d h=56 w=56 c=64 o=64 k=3 pad=1 n=32", "conv2d h=112 w=112 c=256 o=256 k=3 pad=1",
        "conv2d h=28 w=28 c=256 o=512 n=16", "conv2d h=7 w=7 c=512 o=512 k=3 pad=1 n=64 act=i8",
        "conv2d h=56 w=56 c=96 o=96 k=3 pad=1 groups=3 n=8",
        "conv2d h=28 w=28 c=128 o=128 k=3 pad=1 stride=2 in=NCHW4c out=NCHW4c weights=OIHW4o4i n=8",
        "dense m=1 n=1000 k=2048", "dense m=128 n=768 k=768 act=i8", "dense m=4096 n=4096 k=64", "dense m=4096 n=4096 k=4096",
        "batched batch=12 m=128 n=128 k=64 dynamic=1 act=i8 bias=none to=i32",
    };
    static const char *const target[] = {"sm_61", "sm_70", "sm_75", "sm_80", "sm_90a"};
    for (size_t i = 0; i < ARRAY_LEN(layer); i++)
        for (size_t t = 0; t < ARRAY_LEN(target); t++) {
            struct ir_ctx c;
            ir_ctx_init(&c, 0);
            const char *steps = steps_of(&c, layer[i], target[t]);
            if (!strstr(steps, "tensorize")) fail_msg("%s on %s takes no instruction:\n%s", layer[i], target[t], steps);
            ir_ctx_release(&c);
        }
}

/* A schedule may need no steps at all. */
static void no_steps(void **unused)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    assert_string_equal(steps_of(&c, "depthwise pad=1 sh=3 sw=3 to=i32", "generic"), "");
    ir_ctx_release(&c);
}

/* Sums of activations are made in vectors, where the instruction on bytes is worth them. */
static void zero_points(void **unused)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    static const struct { const char *target; enum layer_zero form; } row[] = {
        {"x86-64-v2", ZERO_DIFFERENCES}, {"x86-64-v3", ZERO_DIFFERENCES},
        {"x86-64-v4", ZERO_DIFFERENCES}, {"alderlake", ZERO_TERMS}, {"x86-64-v4,+avx512vnni", ZERO_TERMS},
    };
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        const struct target *t = target_parse(&c, row[i].target, strlen(row[i].target), (struct span){0});
        struct layer one = layer_of(&c, "conv2d h=28 w=28 c=256 o=128"), three = layer_of(&c, "conv2d h=28 w=28 c=64 o=64 k=3");
        assert_int_equal(layer_form_for(&one, t), row[i].form);
        assert_int_equal(layer_form_for(&three, t), ZERO_DIFFERENCES);
    }
    const char *steps = steps_of(&c, "conv2d h=28 w=28 c=256 o=128 weight=u8 wzero=120 form=terms", "alderlake");
    assert_non_null(strstr(steps, "rfactor Z.c_v -> Z_part"));
    assert_non_null(strstr(steps, "vectorize Z_part.c_v"));
    ir_ctx_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(fast_path), cmocka_unit_test(fast_path_gpu), cmocka_unit_test(no_steps),
                                       cmocka_unit_test(zero_points)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
