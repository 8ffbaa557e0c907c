/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products in 16 bits, and the primitive cap: exact whatever the weights are; W_fast keeps the bound that its
 * chains claim, with W_rest it makes up W; and only what is proved is accepted. */
#include "runtime/qjit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { M = 5, N = 32, K = 1040, BLOCK = 16, RUNS = 2, RUN = K / 4 / RUNS };     /* runs of groups, at most 256 each */
enum weights { MOST, LEAST, SIGNS, PAIRS, ANY, SMALL, OUTLIERS, NWEIGHTS };

static uint64_t seed = 1;
static int rnd(int lo, int hi)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return lo + (int)((seed >> 33) % (unsigned)(hi - lo + 1));
}

static int weight(enum weights kind, int i)
{
    switch (kind) {
    case MOST: return 127;
    case LEAST: return -128;
    case SIGNS: return i % 2 ? 127 : -128;
    case PAIRS: return i / 4 % 2 ? 127 : -128;
    case ANY: return rnd(-128, 127);
    case SMALL: return rnd(-7, 7);
    case OUTLIERS: return i / 8 % 97 ? rnd(-7, 7) : rnd(100, 127);
    case NWEIGHTS: break;
    }
    return 0;
}

static char *program(int amax)
{
    static char text[256];
    snprintf(text, sizeof text, "input A[m:%d, k:%d] : u8 in 0..%d\nweight W[n:%d, k:%d] : i8\n"
             "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n", M, K, amax, N, K);
    return text;
}

/* A chain of `groups`; beyond it `rest`, the instruction for what is left. */
static char *steps(int groups, const char *fast, const char *rest)
{
    static char text[2048];
    snprintf(text, sizeof text,
             "cap C.k %d n %d -> F R\ntransform_layout W_fast NK2n%dk8n4k\ntransform_layout W_rest NK16n4k\n"
             "split C.m 4 tail=peel -> mo mi\nsplit C.n 16 -> no ni\nreorder C no mo mi ni\nunroll C.mi\nvectorize C.ni\n"
             "set_scope F local\nset_scope R local\ncompute_at F C.mo\ncompute_at R C.mo\n"
             "split F.n 8 -> n8 n1\nsplit F.k 4 -> kg k1\nsplit F.kg %d -> ko kc\nreorder F ko m n8 kc n1 k1\n"
             "unroll F.m\nunroll F.n8\ntensorize F.%s with %s\n"
             "split R.n 8 -> n8 n1\nreorder R k_q k_i m n8 n1 k_j\nunroll R.m\nunroll R.n8\ntensorize R.n1 with %s\n",
             groups, BLOCK, groups, groups, groups > 1 ? "kc" : "n1", fast, rest);
    return text;
}

static const void *packed(const qj_kernel *k, const qj_packed *p, const char *name)
{
    const qj_artifact *a = qj_kernel_artifact(k);
    for (int i = 0; i < qj_artifact_nargs(a); i++) {
        qj_arg g;
        assert_true(qj_artifact_arg(a, i, &g));
        if (!strcmp(g.name, name)) return qj_packed_data(p, i);
    }
    fail_msg("no %s", name);
    return NULL;
}

/* Where (n, k) is in W_fast: NK2n{groups}k8n4k. */
static int fast_at(int groups, int n, int k)
{
    int run = groups * 4;
    return ((((n / 16 * (K / run) + k / run) * 2 + n / 8 % 2) * groups + k / 4 % groups) * 8 + n % 8) * 4 + k % 4;
}
static int rest_at(int n, int k) { return ((n / 16 * (K / 4) + k / 4) * 16 + n % 16) * 4 + k % 4; }

/* The bound, for each chain; the parts make up the whole; the list names each group with a rest, once. */
static void well_packed(const qj_kernel *k, const qj_packed *p, const int8_t *w, int groups, int amax, int *rest)
{
    const int8_t *f = packed(k, p, "W_fast"), *r = packed(k, p, "W_rest");
    const int32_t *seen = packed(k, p, "W_seen"), *list = packed(k, p, "W_list"), *overs = packed(k, p, "W_overs");
    bool chains[N / BLOCK];
    for (int b = 0; b < N / BLOCK; b++) chains[b] = overs[b] * 100 <= 30 * (K / 4);
    for (int n = 0; n < N; n++)
        for (int i = 0; i < K; i++) {
            int run = groups * 4, up = 0, down = 0;
            assert_int_equal(f[fast_at(groups, n, i)] + r[rest_at(n, i)], w[n * K + i]);
            if (!chains[n / BLOCK]) assert_int_equal(f[fast_at(groups, n, i)], 0);
            for (int j = i / run * run; j < i / run * run + run; j++) {
                int v = f[fast_at(groups, n, j)];
                if (j / 2 % 2 == i / 2 % 2) *(v > 0 ? &up : &down) += v;
            }
            assert_true(up * amax <= 32767 && down * amax >= -32768);
        }
    *rest = 0;
    for (int b = 0; b < N / BLOCK; b++)
        for (int q = 0; q < RUNS; q++) {
            const int32_t *at = list + (b * RUNS + q) * RUN;
            int next = 0;
            for (int g = 0; g < RUN; g++) {
                int any = !chains[b];
                for (int i = 0; i < BLOCK * 4; i++) any |= r[rest_at(b * BLOCK + i / 4, (q * RUN + g) * 4 + i % 4)] != 0;
                if (any) assert_int_equal(at[next++], g);
            }
            assert_int_equal(seen[(b * RUNS + q) * RUN + RUN - 1], next);
            for (int i = next; i < RUN; i++) assert_in_range(at[i], 0, RUN - 1);
            *rest += next;
        }
}

static void exact(int groups, int amax, const char *fast, const char *rest)
{
    qj_ctx *q = qj_ctx_new(NULL);
    bool made = qj_define(q, program(amax)) && qj_target(q, "x86-64-v3") && qj_step(q, steps(groups, fast, rest));
    qj_kernel *k = made ? qj_build(q) : NULL;
    if (!k) fail_msg("%s", qj_last_error(q)->message);
    if (!qj_check(q, k, NULL)) fail_msg("%s", qj_last_error(q)->message);
    static uint8_t a[M * K];
    static int8_t w[N * K];
    static int32_t c[M * N];
    qj_tensor *t[3] = {qj_tensor_from_data(QJ_U8, 2, (int64_t[]){M, K}, a), qj_tensor_from_data(QJ_I8, 2, (int64_t[]){N, K}, w),
                       qj_tensor_from_data(QJ_I32, 2, (int64_t[]){M, N}, c)};
    for (int kind = 0; kind < NWEIGHTS; kind++) {
        for (int i = 0; i < N * K; i++) w[i] = (int8_t)weight((enum weights)kind, i);
        qj_packed *p = qj_kernel_pack(k, t, 3, NULL);
        assert_non_null(p);
        int left;
        well_packed(k, p, w, groups, amax, &left);
        if (kind == SMALL) assert_int_equal(left, 0);
        if (kind == OUTLIERS && (amax > 127 || (amax > 1 && groups > 1))) /* both sums have work */
            assert_true(left > 0 && left < N / BLOCK * K / 4);
        qj_packed_free(p);
        for (int act = 0; act < 3; act++) {
            for (int i = 0; i < M * K; i++) a[i] = (uint8_t)(act == 2 ? rnd(0, amax) : act ? i % 2 * amax : amax);
            assert_true(qj_kernel_call(k, t, 3, NULL));
            for (int m = 0; m < M; m++)
                for (int n = 0; n < N; n++) {
                    int32_t s = 0;
                    for (int i = 0; i < K; i++) s += a[m * K + i] * w[n * K + i];
                    assert_int_equal(c[m * N + n], s);
                }
        }
    }
    for (int i = 0; i < 3; i++) qj_tensor_free(t[i]);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static void chains_are_exact(void **state)
{
    (void)state;
    for (int amax = 255; amax >= 1; amax = amax > 127 ? 127 : amax > 1 ? 1 : 0) {
        exact(1, amax, "dot4_u8i8_maddubs_avx2", "dot4_u8i8_avx2");
        exact(2, amax, "dot4x2_u8i8_maddubs_avx2", "dot4_u8i8_avx2");
        exact(4, amax, "dot4x4_u8i8_maddubs_avx2", "dot4_u8i8_avx2");
    }
    exact(2, 127, "dot4x2_u8i8_maddubs_avx2", "dot4_u8i8_maddubs_avx2"); /* the rest by ranges alone */
}

/* Steps after a program, and the code of the first error, or "". */
static void expect(const char *defs, const char *text, const char *code, const char *part)
{
    qj_ctx *q = qj_ctx_new(NULL);
    assert_true(qj_define(q, defs) && qj_target(q, "x86-64-v3"));
    bool ok = qj_step(q, text);
    const char *msg = ok ? "" : qj_last_error(q)->message;
    if (ok != !*code || (!ok && strcmp(qj_last_error(q)->code, code)) || !strstr(msg, part))
        fail_msg("%s\n%s\nexpected `%s` with `%s`: %s", defs, text, code, part, msg);
    qj_ctx_free(q);
}

static void only_what_is_proved(void **state)
{
    (void)state;
    const char *fast = "dot4x2_u8i8_maddubs_avx2", *rest = "dot4_u8i8_avx2";
    expect(program(255), steps(2, fast, rest), "", "");
    expect(program(255), steps(2, fast, "dot4_u8i8_maddubs_avx2"), "tensorize-mismatch", "saturates"); /* nothing is known of W_rest */
    /* a chain longer than the weights were made for, and one that begins in the middle of theirs */
    expect(program(255), steps(2, "dot4x4_u8i8_maddubs_avx2", rest), "tensorize-mismatch", "");
    static const char split[] = "cap C.k %d n 16 -> F R\ntransform_layout W_fast NK16n%dk8n4k\nsplit F.n 8 -> n8 n1\n"
                                "split F.k 4 -> kg k1\nsplit F.kg %d -> ko kc\nreorder F m n8 ko kc n1 k1\ntensorize F.kc with %s";
    char text[512];
    snprintf(text, sizeof text, split, 2, 4, 4, "dot4x4_u8i8_maddubs_avx2");
    expect(program(255), text, "tensorize-mismatch", "saturates");
    snprintf(text, sizeof text, split, 5, 4, 2, fast);
    expect(program(255), text, "tensorize-mismatch", "");
    /* a copy of the weights is another tensor */
    expect(program(255), "cap C.k 1 n 16 -> F R\ncache_read W_fast global -> W2\ntransform_layout W2 NK8n4k\nsplit F.n 8 -> n8 n1\n"
           "split F.k 4 -> kg k1\nreorder F m n8 kg n1 k1\ntensorize F.n1 with dot4_u8i8_maddubs_avx2", "tensorize-mismatch", "saturates");
}

static void refusals(void **state)
{
    (void)state;
    static const struct { const char *step, *part; } bad[] = {
        {"cap C.k 7 n 16", "is not cut into 28"},
        {"cap C.k 2 n 24", "not into 24"},
        {"cap C.n 2 n 16", "summed"},
        {"cap C.k 2 m 1", "i8"},
        {"split C.k 4 -> k4 k1; cap C.k4 2 n 16", "must be summed over"},
        {"split C.m 4 -> m4 m1; cap C.k 2 n 16", "already has loop steps"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) expect(program(255), bad[i].step, "illegal-step", bad[i].part);
    expect(program(255), "cap C.k 2 n 16 most=101", "step-args", "percentage");
    expect("input A[m:4, k:32] : i8; weight W[n:16, k:32] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])",
           "cap C.k 2 n 16", "illegal-step", "-128..127");
    expect("input A[m:4, k:32] : u8; weight W[n:16, k:32] : i16; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])",
           "cap C.k 2 n 16", "illegal-step", "i8");
}

int main(void)
{
    if (!__builtin_cpu_supports("avx2")) return 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_are_exact),
        cmocka_unit_test(only_what_is_proved),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
