/* SPDX-License-Identifier: Apache-2.0 */
/* kept_test.c - what `template` chose is found again by another context, without lowering; what somebody else wrote there
 * is refused or harmless. Objects of several versions are kept too. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "runtime/compile.h"
#include "runtime/kept.h"
#include "tests/support/harness.h"

static char root[64], dir[128];
static int told;

static void on_log(void *u, const char *code, const char *text) { told += !strcmp(code, "cache"); }

static int set_up(void **state)
{
    static int n;
    snprintf(dir, sizeof dir, "%s/%d", root, n++);
    told = 0;
    return 0;
}

static qj_ctx *context(bool cached)
{
    qj_options o = {.size = sizeof o, .cache_dir = cached ? dir : NULL, .log = on_log};
    qj_ctx *q = qj_ctx_new(&o);
    assert_true(qj_target(q, "x86-64-v3"));
    assert_true(qj_define(q, "input A[m:32, k:64] : u8 in 0..127; weight W[n:32, k:64] : i8\n"
                             "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])"));
    return q;
}

static char *chosen(qj_ctx *q, const char *words)
{
    if (!qj_template(q, words)) fail_msg("%s", qj_last_error(q)->text);
    char *text = qj_steps_text(q);
    assert_true(text && *text);
    return text;
}

/* Context, template, kernel, check: the kernel's steps, and whether they were remembered. */
static char *build(bool cached, const char *words, bool *recalled)
{
    qj_ctx *q = context(cached);
    free(chosen(q, words));
    *recalled = sch_is_recalled(q->sched);
    qj_kernel *k = qj_build(q);
    assert_non_null(k);
    assert_true(qj_check(q, k, NULL));
    char *steps = strdup(qj_kernel_artifact(k)->a->steps);
    qj_kernel_free(k);
    qj_ctx_free(q);
    return steps;
}

static void same(char *a, char *b)
{
    assert_string_equal(a, b);
    free(b);
}

static void found_again(void **state)
{
    bool recalled;
    char *plain = build(false, "", &recalled);
    assert_false(recalled);
    same(plain, build(true, "", &recalled));
    assert_false(recalled);
    for (int i = 0; i < 2; i++) {
        same(plain, build(true, "", &recalled));
        assert_true(recalled); /* and the kernel came without lowering */
    }
    free(build(true, "nth=2", &recalled)); /* other words are another choice */
    assert_false(recalled);
    free(build(true, "nth=2", &recalled));
    assert_true(recalled);
    assert_int_equal(told, 0);
    free(plain);
}

/* Everything that goes on from remembered steps, as if they were chosen here. */
static void goes_on(void **state)
{
    qj_ctx *fresh = context(false), *q = context(true);
    free(chosen(q, ""));
    qj_ctx_free(q);
    for (int way = 0; way < 6; way++) {
        q = context(true);
        free(chosen(fresh, ""));
        free(chosen(q, ""));
        assert_true(sch_is_recalled(q->sched));
        qj_ctx *both[] = {fresh, q};
        char *text[2];
        for (int i = 0; i < 2; i++) {
            int n = qj_nsteps(both[i]);
            const char *const targets[] = {"x86-64", "x86-64-v3"};
            qj_artifact *a = NULL;
            switch (way) {
            case 0: assert_true(qj_undo(both[i])); break;
            case 1: assert_true(qj_name(both[i], "renamed")); break;
            case 2: assert_true(qj_target(both[i], "x86-64-v3,-fma")); break;
            case 3: assert_non_null(a = qj_compile_versions(both[i], 2, targets, QJ_OBJ)); break;
            case 4: assert_false(qj_step(both[i], "vectorize C.nowhere")); qj_clear_error(both[i]); break;
            default: assert_false(qj_template(both[i], "")); qj_clear_error(both[i]); break; /* nothing is left to choose */
            }
            text[i] = qj_steps_text(both[i]);
            if (a) {
                free(text[i]);
                text[i] = qj_artifact_json(a);
            }
            qj_artifact_free(a);
            while (qj_nsteps(both[i])) assert_true(qj_undo(both[i]));
            assert_true(n > 0);
        }
        same(text[0], text[1]);
        free(text[0]);
        qj_ctx_free(q);
        assert_true(qj_name(fresh, "kernel") && qj_target(fresh, "x86-64-v3"));
    }
    qj_ctx_free(fresh);
}

/* ---- what somebody else wrote ---- */

struct forging { const char *head, *bytes; size_t n; };
static bool body_forge(struct qj_ctx *q, void *u)
{
    const struct forging *f = u;
    const char *key = kept_key(q, f->head, QJ_OBJ);
    assert_non_null(key);
    cache_put(q->cache, key, f->bytes, f->n);
    return true;
}

static void forge(const char *head, const char *bytes, size_t n)
{
    qj_ctx *q = context(true);
    assert_true(api_run(q, API_SCRATCH, body_forge, &(struct forging){head, bytes, n}));
    qj_ctx_free(q);
}

static void forged_steps(void **state)
{
    static const struct { const char *text; bool refused; } rows[] = {
        {"", true},
        {"not a step\n", true},
        {"template\n", true},
        {"split C.n 0 -> a b\n", true},
        {"split C.q 4 -> a b\n", true},
        {"split C.n 4 -> a b; vectorize C.b\nsplit", true},
        {"annotate C.n name=1\n", true},
        {"split C.n 8 -> a b; tensorize C.b dot4_u8i8_maddubs_avx2", true}, /* which lowering finds out */
        {"split C.n 8 -> a b; reorder C m a k b; vectorize C.b", false}, /* a kernel all the same */
    };
    bool recalled;
    char *plain = build(false, "", &recalled), *large = malloc(1 << 17);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        told = 0;
        set_up(NULL);
        forge("# template\n", rows[i].text, strlen(rows[i].text));
        char *got = build(true, "", &recalled);
        if (rows[i].refused) assert_string_equal(got, plain);
        if (rows[i].refused != (told == 1)) fail_msg("row %zu: told %d times", i, told);
        free(got);
    }
    memset(large, '\n', 1 << 17);
    forge("# template\n", large, 1 << 17);
    same(plain, build(true, "", &recalled));
    forge("# template\n", "split C.n 4 -> a b\0; vectorize C.b", 30);
    same(plain, build(true, "", &recalled));
    free(large);
    free(plain);
}

/* ---- pick ---- */

static void picks(void **state)
{
    bool recalled;
    char *first = build(true, "pick=3", &recalled), nth[3][16] = {"nth=1", "nth=2", "nth=3"};
    for (int i = 0; i < 5; i++) same(first, build(true, "pick=3", &recalled)); /* times differ, the choice stays */
    assert_true(recalled);
    int which = 0;
    for (int i = 0; i < 3; i++) {
        char *text = build(true, nth[i], &recalled);
        which += !strcmp(text, first);
        free(text);
    }
    assert_true(which >= 1);
    free(first);
}

/* ---- objects of several versions ---- */

/* Entries, and a sum that a new file in the place of another changes. */
static int entries(uint64_t *sum)
{
    int n = 0;
    DIR *d = opendir(dir);
    *sum = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (*e->d_name != '.') n++, *sum += (uint64_t)e->d_ino * (uint64_t)e->d_ino;
    if (d) closedir(d);
    return n;
}

static qj_artifact *versions(bool cached, const char *steps, int n, const char *const *target)
{
    qj_ctx *q = context(cached);
    assert_true(!*steps || qj_step(q, steps));
    qj_artifact *a = qj_compile_versions(q, n, target, QJ_OBJ);
    if (!a) fail_msg("%s", qj_last_error(q)->text);
    qj_kernel *k = qj_link(q, a);
    assert_non_null(k);
    assert_true(qj_check(q, k, NULL));
    qj_kernel_free(k);
    qj_ctx_free(q);
    return a;
}

static void of_versions(void **state)
{
    static const char *const two[] = {"x86-64", "x86-64-v3"}, *const other[] = {"x86-64", "x86-64-v3,-fma"};
    static const char chosen_steps[] = "split C.n 8 -> a b; vectorize C.b";
    const struct { const char *steps; int n; const char *const *target; } rows[] = {
        {"template", 2, two}, {"template", 2, other}, {"template", 1, two}, {"", 2, two}, {chosen_steps, 2, two}, {"template nth=2", 2, two}};
    uint64_t before, after;
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int again = 0; again < 2; again++) {
            int had = n;
            entries(&before);
            qj_artifact *a = versions(true, rows[i].steps, rows[i].n, rows[i].target), *b = versions(false, rows[i].steps, rows[i].n, rows[i].target);
            n = entries(&after);
            if (again ? n != had || before != after : n <= had) fail_msg("row %zu: %d entries, then %d", i, had, n);
            assert_int_equal(a->a->size, b->a->size);
            assert_memory_equal(a->a->bytes, b->a->bytes, a->a->size);
            qj_artifact_free(a);
            qj_artifact_free(b);
        }
    assert_int_equal(told, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(found_again, set_up), cmocka_unit_test_setup(goes_on, set_up),
        cmocka_unit_test_setup(forged_steps, set_up), cmocka_unit_test_setup(picks, set_up), cmocka_unit_test_setup(of_versions, set_up)};
    snprintf(root, sizeof root, "/tmp/qjit-kept-test.XXXXXX");
    if (!mkdtemp(root)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0 || failed;
}
