/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts: what is read and refused, and that the three maps (shape, index expressions, offsets) agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/layout.h"

static const struct layout *parse(struct ir_ctx *c, const char *text, const char *axes)
{
    return layout_parse(c, text, strlen(text), axes, (struct span){0});
}

static void test_shapes(void **state)
{
    static const struct {
        const char *text, *axes;
        int64_t logical[4], phys[6];
        int n;
    } rows[] = {
        {"NHWC", "NHWC", {2, 3, 4, 5}, {2, 3, 4, 5}, 4},
        {"NCHW", "NHWC", {2, 3, 4, 5}, {2, 5, 3, 4}, 4},
        {"NCHW16c", "NHWC", {1, 56, 56, 64}, {1, 4, 56, 56, 16}, 5},
        {"NCHW16c", "NHWC", {1, 7, 7, 17}, {1, 2, 7, 7, 16}, 5},
        {"OI4i16o4i", "OI", {40, 30}, {3, 2, 4, 16, 4}, 5},
        {"KN8n", "NK", {9, 5}, {5, 2, 8}, 3},
        {"", "", {0}, {0}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ir_ctx c;
        int64_t phys[QJ_MAX_PHYS];
        ir_ctx_init(&c, 0);
        const struct layout *l = parse(&c, rows[i].text, rows[i].axes);
        assert_non_null(l);
        assert_string_equal(l->text, rows[i].text);
        assert_int_equal(layout_shape(l, (int)strlen(rows[i].axes), rows[i].logical, phys), rows[i].n);
        assert_memory_equal(phys, rows[i].phys, (size_t)rows[i].n * sizeof phys[0]);
        ir_ctx_release(&c);
    }
    int64_t shape[2] = {4, 5}, phys[2];
    assert_int_equal(layout_shape(NULL, 2, shape, phys), 2);
    assert_true(phys[0] == 4 && phys[1] == 5);
}

static void test_strides(void **state)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    const struct layout *l = parse(&c, "OIHW4i16o4i", "OIHW");
    const int dim[] = {0, 1, 2, 3, 1, 0, 1};
    const int64_t size[] = {0, 0, 0, 0, 4, 16, 4}, stride[] = {16, 16, 1, 1, 4, 1, 1};
    assert_int_equal(l->nphys, 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(l->phys[i].dim, dim[i]);
        assert_int_equal(l->phys[i].size, size[i]);
        assert_int_equal(l->phys[i].stride, stride[i]);
    }
    ir_ctx_release(&c);
}

/* Every logical point has an offset of its own inside the physical box, the same by expressions. */
static void expect_bijection(const char *text, const char *axes, const int64_t *shape)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    const struct layout *l = text ? parse(&c, text, axes) : NULL;
    int n = (int)strlen(axes);
    int64_t phys[QJ_MAX_PHYS], total = 1, points = 1;
    int nphys = layout_shape(l, n, shape, phys);
    for (int i = 0; i < nphys; i++) total *= phys[i];
    for (int i = 0; i < n; i++) points *= shape[i];
    assert_true(points <= total);
    char *hit = calloc((size_t)total, 1);
    for (int64_t k = 0; k < points; k++) {
        int64_t idx[QJ_MAX_RANK], rest = k, flat = 0;
        const struct expr *e[QJ_MAX_RANK], *pe[QJ_MAX_PHYS];
        for (int d = n - 1; d >= 0; d--) {
            idx[d] = rest % shape[d];
            rest /= shape[d];
            e[d] = ir_idx(&c, idx[d]);
        }
        int64_t at = layout_offset(l, n, shape, idx);
        assert_true(at >= 0 && at < total && !hit[at]);
        hit[at] = 1;
        assert_int_equal(layout_index(&c, l, n, e, pe), nphys);
        for (int i = 0; i < nphys; i++) {
            assert_true(pe[i]->op == OP_INT && pe[i]->val.i >= 0 && pe[i]->val.i < phys[i]);
            flat = flat * phys[i] + pe[i]->val.i;
        }
        assert_int_equal(flat, at);
    }
    free(hit);
    ir_ctx_release(&c);
}

static void test_maps(void **state)
{
    expect_bijection("NHWC", "NHWC", (int64_t[]){2, 3, 4, 5});
    expect_bijection("NCHW4c", "NHWC", (int64_t[]){2, 3, 4, 7});
    expect_bijection("OI4i16o4i", "OI", (int64_t[]){19, 37});
    expect_bijection("HWI3i2o2iO5o", "OIHW", (int64_t[]){7, 13, 2, 3});
    expect_bijection("OI1i2i3i", "OI", (int64_t[]){2, 20});
    expect_bijection(NULL, "NHWC", (int64_t[]){2, 3, 4, 5});
    expect_bijection("", "", NULL);
}

static void test_refusals(void **state)
{
    static const struct { const char *text, *axes, *says; } no[] = {
        {"NHW", "NHWC", "C is missing"},   {"NHWCC", "NHWC", "twice"},      {"NHWCX", "NHWC", "no axis X"},
        {"NHWC16x", "NHWC", "no axis X"},  {"NHWC0c", "NHWC", "size 0"},    {"NHWC16", "NHWC", "out of place"},
        {"NHWCc", "NHWC", "out of place"}, {"NHWC_4c", "NHWC", "'_'"},      {"4cNHWC", "NHWC", "before it is named"},
        {"", "C", "missing"},              {"C99999999999999999999c", "C", "too large"},
        {"C9999999c9999999c9999999c", "C", "too large"},
        {"C1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c", "C", "16 parts"},
    };
    const char *source = "layout here";
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        struct ir_ctx c;
        ir_ctx_init(&c, 0);
        const struct layout *l = layout_parse(&c, no[i].text, strlen(no[i].text), no[i].axes, (struct span){NULL, source, 7, 4});
        if (l || c.err.first.code != ERR_LAYOUT || !strstr(c.err.first.msg, no[i].says))
            fail_msg("%s: %s", no[i].text, c.err.first.msg ? c.err.first.msg : "accepted");
        assert_int_equal(c.err.first.span.at, 7);
        assert_non_null(strstr(c.err.first.hint, "capitals"));
        ir_ctx_release(&c);
    }
}

static void test_axes_of(void **state)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct tensor *t = ir_tensor(&c, "T", TENSOR_INPUT, DT_U8, 3, (int64_t[]){2, 3, 4});
    assert_null(layout_axes_of(&c, t)); /* d0 d1 d2 */
    t->dim_name[0] = "n";
    t->dim_name[1] = "H";
    t->dim_name[2] = "c";
    assert_string_equal(layout_axes_of(&c, t), "NHC");
    t->dim_name[2] = "N";
    assert_null(layout_axes_of(&c, t));
    t->dim_name[2] = "_";
    assert_null(layout_axes_of(&c, t));
    ir_ctx_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_strides),  cmocka_unit_test(test_maps),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_axes_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
