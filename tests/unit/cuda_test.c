/* SPDX-License-Identifier: Apache-2.0 */
/* cuda: kernels of a GPU through the public interface, on the interpreter of PTX behind CUDA's driver interface: host
 * tensors, device tensors, packed weights, time, and every function of the driver failing once. */
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/qjit.h"

enum { M = 16, N = 24, K = 32 };
static const char program[] = "input A[m:16, k:32] : u8; weight W[n:24, k:32] : i8\n"
                              "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])";
static const char steps[] = "split C.n 8 -> no ni; bind C.m blockIdx.x; bind C.no threadIdx.y; bind C.ni threadIdx.x";

static qj_ctx *open_ctx(void)
{
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, program);
    qj_target(q, "sm_80");
    qj_step(q, steps);
    if (qj_last_error(q)) fail_msg("%s", qj_last_error(q)->text);
    return q;
}

/* QJ_GPU=1: on a GPU, by its own driver. */
static bool real(void) { return getenv("QJ_GPU") != NULL; }
static const char *driver_name(void)
{
    const char *given = getenv("QJIT_CUDA_DRIVER");
    return given ? given : "libcuda.so.1";
}

static qj_tensor *arg[3];
static int setup(void **s)
{
    if (!real()) {
        setenv("QJIT_CUDA_DRIVER", QJ_CUDA_EMU, 1);
        setenv("QJIT_EMU_SM", "86", 1);
    }
    arg[0] = qj_tensor_new(QJ_U8, 2, (int64_t[]){M, K});
    arg[1] = qj_tensor_new(QJ_I8, 2, (int64_t[]){N, K});
    arg[2] = qj_tensor_new(QJ_I32, 2, (int64_t[]){M, N});
    qj_tensor_fill(arg[0], 1, 0, 255);
    qj_tensor_fill(arg[1], 2, -128, 127);
    return 0;
}
static int teardown(void **s)
{
    for (int i = 0; i < 3; i++) qj_tensor_free(arg[i]);
    return 0;
}

static void expect_product(const int32_t *c)
{
    const uint8_t *a = arg[0]->data;
    const int8_t *w = arg[1]->data;
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            int32_t want = 0;
            for (int k = 0; k < K; k++) want += a[m * K + k] * w[n * K + k];
            assert_int_equal(c[m * N + n], want);
        }
}

static void host_tensors(void **s)
{
    qj_ctx *q = open_ctx();
    qj_kernel *k = qj_build(q);
    char why[200] = "";
    if (!k) fail_msg("%s", qj_last_error(q)->text);
    if (!qj_kernel_call(k, arg, 3, &(qj_call){.size = sizeof(qj_call), .why = why, .why_size = sizeof why})) fail_msg("%s", why);
    expect_product(arg[2]->data);
    assert_null(qj_kernel_entry(k));
    assert_true(qj_check(q, k, NULL));
    qj_timing t = {.size = sizeof t};
    assert_true(qj_time(q, k, NULL, 0, 1, &t));
    assert_true(t.best_ms > 0 && t.macs == M * N * K);
    assert_null(qj_disassemble(q, k));
    qj_kernel_free(k);
    qj_ctx_free(q);
}

static void device_tensors(void **s)
{
    qj_ctx *q = open_ctx();
    qj_kernel *k = qj_build(q);
    qj_tensor *on[3], *back = qj_tensor_new(QJ_I32, 2, (int64_t[]){M, N});
    qj_gpu_info info = {.size = sizeof info};
    assert_true(qj_gpu(q, &info));
    assert_true(real() ? info.capability >= 80 && info.processors >= 1 : info.capability == 86);
    for (int i = 0; i < 3; i++) assert_non_null(on[i] = qj_tensor_to_gpu(q, arg[i]));
    assert_int_equal(on[0]->device.type, 2);
    assert_true(qj_kernel_call(k, on, 3, NULL));
    assert_true(qj_tensor_copy(q, back, on[2]));
    expect_product(back->data);
    qj_tensor *mixed[] = {on[0], arg[1], back};
    memset(back->data, 1, sizeof(int32_t) * M * N);
    assert_true(qj_kernel_call(k, mixed, 3, NULL));
    expect_product(back->data);
    assert_false(qj_tensor_copy(q, on[0], on[2]));
    qj_clear_error(q);
    qj_kernel_free(k);
    qj_ctx_free(q); /* tensors outlive it */
    for (int i = 0; i < 3; i++) qj_tensor_free(on[i]);
    qj_tensor_free(back);
}

static void gpu_tensor_on_cpu(void **s)
{
    qj_ctx *q = open_ctx(), *cpu = qj_ctx_new(NULL);
    char why[200] = "";
    qj_define(cpu, program);
    qj_kernel *k = qj_build(cpu);
    assert_non_null(k);
    qj_tensor *on = qj_tensor_to_gpu(q, arg[0]), *mixed[] = {on, arg[1], arg[2]};
    assert_false(qj_kernel_call(k, mixed, 3, &(qj_call){.size = sizeof(qj_call), .why = why, .why_size = sizeof why}));
    assert_non_null(strstr(why, "device type 2"));
    qj_tensor_free(on);
    qj_kernel_free(k);
    qj_ctx_free(cpu);
    qj_ctx_free(q);
}

/* `cuda` is the GPU at hand: the latest target that it runs. */
static void target_cuda(void **s)
{
    static const struct { const char *sm, *text, *name; } row[] = {
        {"61", "cuda", "sm_61"}, {"72", "cuda", "sm_70"}, {"80", "cuda", "sm_80"}, {"80", "cuda,+ptx78", "sm_80,+ptx78"},
        {"87", "cuda", "sm_86"}, {"90", "cuda", "sm_90a"}, {"120", "cuda", "sm_90"}};
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        setenv("QJIT_EMU_SM", row[i].sm, 1);
        qj_ctx *q = qj_ctx_new(NULL);
        if (!qj_target(q, row[i].text)) fail_msg("%s", qj_last_error(q)->text);
        assert_string_equal(qj_target_name(q), row[i].name);
        qj_ctx_free(q);
    }
    setenv("QJIT_EMU_SM", "52", 1);
    qj_ctx *q = qj_ctx_new(NULL);
    assert_false(qj_target(q, "cuda"));
    assert_string_equal(qj_last_error(q)->code, "cannot-run-here");
    assert_non_null(strstr(qj_last_error(q)->message, "sm_52, older"));
    qj_clear_error(q);
    assert_false(qj_target(q, "cudart")); /* another word */
    assert_string_equal(qj_last_error(q)->code, "unknown-target");
    qj_ctx_free(q);
    setenv("QJIT_EMU_SM", "86", 1);
}

/* On the caller's stream: launched and not waited for, with everything given. */
static void streams(void **s)
{
    static const char two[] = "input A[m:16, k:32] : u8; weight W[n:24, k:32] : i8\n"
                              "T[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\nC[m, n] : i32 = T[m, n] + 0";
    static const char root[] = "bind T.m blockIdx.x; bind T.n threadIdx.x; bind C.m blockIdx.x; bind C.n threadIdx.x\n"
                               "cache_read W global -> Wp; transform_layout Wp NK8n; bind Wp.k threadIdx.x";
    void *driver = dlopen(driver_name(), RTLD_NOW), *stream = NULL, *made_current = NULL;
    int (*make)(void **, unsigned) = (int (*)(void **, unsigned))(uintptr_t)dlsym(driver, "cuStreamCreate");
    int (*drop)(void *) = (int (*)(void *))(uintptr_t)dlsym(driver, "cuStreamDestroy_v2");
    int (*wait)(void *) = (int (*)(void *))(uintptr_t)dlsym(driver, "cuStreamSynchronize");
    qj_ctx *q = qj_ctx_new(NULL);
    assert_true(qj_define(q, two) && qj_target(q, "sm_80"));
    if (!qj_step(q, root)) fail_msg("%s", qj_last_error(q)->text);
    qj_kernel *k = qj_build(q);
    if (!k) fail_msg("%s", qj_last_error(q)->text);
    /* as a host has it: the primary context, current */
    int (*retain)(void **, int) = (int (*)(void **, int))(uintptr_t)dlsym(driver, "cuDevicePrimaryCtxRetain");
    int (*release)(int) = (int (*)(int))(uintptr_t)dlsym(driver, "cuDevicePrimaryCtxRelease_v2");
    int (*current)(void *) = (int (*)(void *))(uintptr_t)dlsym(driver, "cuCtxSetCurrent");
    int (*device)(int *, int) = (int (*)(int *, int))(uintptr_t)dlsym(driver, "cuDeviceGet"), number = 0;
    assert_true(!device(&number, 0) && !retain(&made_current, number) && !current(made_current));
    assert_int_equal(make(&stream, 0), 0);
    int64_t bytes = qj_kernel_workspace(k);
    assert_true(bytes > 0);
    qj_tensor *on[3], *room = qj_tensor_new_gpu(q, QJ_U8, 1, &bytes), *back = qj_tensor_new(QJ_I32, 2, (int64_t[]){M, N});
    for (int i = 0; i < 2; i++) assert_non_null(on[i] = qj_tensor_to_gpu(q, arg[i]));
    assert_non_null(on[2] = qj_tensor_new_gpu(q, QJ_I32, 2, (int64_t[]){M, N}));
    qj_packed *p = qj_kernel_pack(k, on, 3, NULL);
    assert_non_null(p);

    char why[200] = "";
    qj_call o = {.size = sizeof o, .packed = p, .workspace = room->data, .why = why, .why_size = sizeof why, .stream = stream};
    if (!qj_kernel_call(k, on, 3, &o)) fail_msg("%s", why);
    assert_true(qj_tensor_copy_on(q, back, on[2], stream));
    assert_int_equal(wait(stream), 0);
    expect_product(back->data);
    assert_true(qj_tensor_copy_on(q, on[0], arg[0], stream));

    qj_tensor *host[] = {arg[0], on[1], on[2]};
    assert_false(qj_kernel_call(k, host, 3, &o));
    assert_non_null(strstr(why, "A does not"));
    o.workspace = NULL;
    assert_false(qj_kernel_call(k, on, 3, &o));
    assert_non_null(strstr(why, "its workspace of"));
    o.packed = NULL;
    assert_false(qj_kernel_call(k, on, 3, &o));
    assert_non_null(strstr(why, "packed before"));
    assert_false(qj_tensor_copy_on(q, back, arg[2], stream));
    assert_string_equal(qj_last_error(q)->code, "device");
    qj_clear_error(q);
    assert_null(qj_tensor_new_gpu(q, QJ_I8, 1, (int64_t[]){-4}));
    assert_string_equal(qj_last_error(q)->code, "argument");
    qj_clear_error(q);
    qj_target(q, "native");
    qj_ctx *cpu = qj_ctx_new(NULL);
    qj_define(cpu, program);
    qj_kernel *own = qj_build(cpu);
    assert_false(qj_kernel_call(own, arg, 3, &o));
    assert_non_null(strstr(why, "has no streams"));
    qj_kernel_free(own);
    qj_ctx_free(cpu);
    drop(stream);
    release(number);
    qj_packed_free(p);
    for (int i = 0; i < 3; i++) qj_tensor_free(on[i]);
    qj_tensor_free(room);
    qj_tensor_free(back);
    qj_kernel_free(k);
    qj_ctx_free(q);
    dlclose(driver);
}

/* One kernel from many threads, each with tensors of its own, and contexts that come and go beside them. */
static void *caller(void *u)
{
    qj_kernel *k = u;
    qj_tensor *out = qj_tensor_new(QJ_I32, 2, (int64_t[]){M, N}), *all[] = {arg[0], arg[1], out};
    const int32_t *want = arg[2]->data;
    bool ok = true;
    for (int i = 0; ok && i < 20; i++) {
        qj_ctx *q = open_ctx();
        qj_tensor *on = qj_tensor_to_gpu(q, arg[0]);
        ok = on && qj_kernel_call(k, all, 3, NULL) && !memcmp(out->data, want, M * N * sizeof *want);
        qj_ctx_free(q);
        qj_tensor_free(on);
        memset(out->data, 0, M * N * sizeof *want);
    }
    qj_tensor_free(out);
    return ok ? k : NULL;
}

static void threads(void **s)
{
    enum { THREADS = 6 };
    pthread_t t[THREADS];
    void *ok;
    qj_ctx *q = open_ctx();
    qj_kernel *k = qj_build(q);
    assert_true(qj_kernel_call(k, arg, 3, NULL));
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&t[i], NULL, caller, k), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], &ok);
        assert_non_null(ok);
    }
    qj_kernel_free(k);
    qj_ctx_free(q);
}

/* Compiled in another process, loaded and checked in this one. */
static void isolated(void **s)
{
    setenv("QJIT_WORKER", getenv("QJIT") ? getenv("QJIT") : "", 1);
    qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .isolate = true});
    qj_define(q, program);
    qj_target(q, "cuda");
    qj_step(q, steps);
    qj_kernel *k = qj_build(q);
    if (!k || !qj_check(q, k, NULL) || !qj_time(q, k, NULL, 0, 1, NULL)) fail_msg("%s", qj_last_error(q)->text);
    qj_kernel_free(k);
    qj_ctx_free(q);
}

/* A block with more shared memory than a kernel may have in its text: 80000 bytes, which the launch asks for. A GPU that has less
 * (PTX of sm_70 runs on sm_75) is an error of the link, and so is a driver that refuses; in a worker's artifact it is asked for too. */
static void much_shared_memory(void **s)
{
    static const char sum[] = "input A[m:2, k:80000] : i8\nC[m, k] : i8 = A[m, 79999 - k]";
    static const char how[] = "cache_read A shared C -> S; compute_at S C.m; bind C.m blockIdx.x; split C.k 250; bind C.ki threadIdx.x; "
                              "split S.k 250; bind S.ki threadIdx.x";
    static const struct { const char *sm, *fail, *message; bool isolate; } row[] = {
        {"70", "", NULL, false}, {"80", "", NULL, true}, {"86", "", NULL, false},
        {"75", "", "80000 bytes of shared memory, 65536 at most on the GPU here", false},
        {"80", "cuFuncSetAttribute", "80000 bytes of shared memory: CUDA_ERROR_INVALID_VALUE", false},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        if (!real()) setenv("QJIT_EMU_SM", row[i].sm, 1);
        if (!real()) setenv("QJIT_EMU_FAIL", row[i].fail, 1);
        qj_ctx *q = qj_ctx_new(&(qj_options){.size = sizeof(qj_options), .isolate = row[i].isolate});
        qj_define(q, sum);
        qj_target(q, "sm_70");
        qj_step(q, how);
        qj_kernel *k = qj_build(q);
        bool ok = k && qj_check(q, k, NULL);
        if (ok != !row[i].message || (!ok && !strstr(qj_last_error(q)->message, row[i].message)))
            fail_msg("sm_%s: %s", row[i].sm, ok ? "no error" : qj_last_error(q)->text);
        qj_kernel_free(k);
        qj_ctx_free(q);
        if (real()) break;
    }
    if (real()) return;
    unsetenv("QJIT_EMU_FAIL");
    setenv("QJIT_EMU_SM", "86", 1);
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, sum);
    qj_target(q, "sm_61");
    qj_step(q, how);
    assert_null(qj_compile(q, QJ_PTX));
    assert_non_null(strstr(qj_last_error(q)->message, "80000 bytes of shared memory, 49152 at most on sm_61"));
    qj_ctx_free(q);
}

/* The driver behind these tests launches as GPUs do: nothing beyond 48 KiB that was not allowed, nothing allowed beyond the block's. */
static void shared_memory_must_be_allowed(void **s)
{
    static const char text[] = ".version 7.0\n.target sm_80\n.address_size 64\n.extern .shared .align 16 .b8 room[];\n"
                               ".shared .align 16 .b8 own[1024];\n.visible .entry k()\n{\n.reg .b32 %r<2>;\nmov.u32 %r1, 7;\n"
                               "st.shared.u32 [own+1020], %r1;\nst.shared.u32 [room+60000], %r1;\nret;\n}\n";
    void *driver = dlopen(QJ_CUDA_EMU, RTLD_NOW), *module, *f, *again, *context;
    assert_non_null(driver);
#define CALL(type, name, ...) ((int (*) type)(uintptr_t)dlsym(driver, name)) (__VA_ARGS__)
#define LAUNCH(bytes) \
    CALL((void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **), "cuLaunchKernel", f, 1, 1, 1, \
         1, 1, 1, bytes, NULL, NULL, NULL)
    setenv("QJIT_EMU_SM", "80", 1);
    assert_int_equal(CALL((void **, int), "cuDevicePrimaryCtxRetain", &context, 7), 0);
    assert_int_equal(CALL((void **, const void *), "cuModuleLoadData", &module, text), 0);
    assert_int_equal(CALL((void **, void *, const char *), "cuModuleGetFunction", &f, module, "k"), 0);
    assert_int_equal(LAUNCH(60004), 1);
    assert_int_equal(CALL((void *, int, int), "cuFuncSetAttribute", f, 8, 162 * 1024 + 1), 1);
    assert_int_equal(CALL((void *, int, int), "cuFuncSetAttribute", f, 8, 60004), 0);
    assert_int_equal(CALL((void **, void *, const char *), "cuModuleGetFunction", &again, module, "k"), 0);
    assert_ptr_equal(f, again);
    assert_int_equal(LAUNCH(60008), 1);
    assert_int_equal(LAUNCH(60004), 0);
    assert_int_equal(LAUNCH(60000), 719); /* the kernel writes beyond what there is */
    CALL((void *), "cuModuleUnload", module);
    CALL((int), "cuDevicePrimaryCtxRelease_v2", 7);
    setenv("QJIT_EMU_SM", "86", 1);
    dlclose(driver);
#undef LAUNCH
#undef CALL
}

/* What goes wrong on machines with GPUs: by which name it is told, and what helps. A second context works afterwards. */
static void troubles(void **s)
{
    static const struct { const char *key, *value, *code, *message, *hint; } row[] = {
        {"QJIT_EMU_FAIL", "cuInit:100", "cannot-run-here", "CUDA_ERROR_NO_DEVICE (100)", "nvidia-smi"},
        {"QJIT_EMU_DEVICES", "0", "cannot-run-here", "has no device", "CUDA_VISIBLE_DEVICES"},
        {"QJIT_CUDA_DEVICE", "3", "cannot-run-here", "no device 3 of 1", "counts from 0"},
        {"QJIT_CUDA_DEVICE", "x", "cannot-run-here", "\"x\", not a number", "PTX can be written"},
        {"QJIT_EMU_FAIL", "cuInit:803", "cannot-run-here", "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)", "differ in version"},
        {"QJIT_EMU_FAIL", "cuInit:4711", "cannot-run-here", "CUDA error (4711)", ""},
        {"QJIT_EMU_DRIVER", "10020", "link", "(CUDA 10.2) refuses kernel: CUDA_ERROR_UNSUPPORTED_PTX_VERSION (222)", "update it"},
        {"QJIT_EMU_FAIL", "cuModuleLoadDataEx:209", "link", "CUDA_ERROR_NO_BINARY_FOR_GPU", "one generation"},
        {"QJIT_EMU_MEMORY", "1000", "device", "CUDA_ERROR_OUT_OF_MEMORY (2), out of memory", ""},
        {"QJIT_EMU_FAIL", "cuLaunchKernel:701", "device", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", ""},
        {"QJIT_EMU_FAIL", "cuLaunchKernel:700", "device", "CUDA_ERROR_ILLEGAL_ADDRESS (700)", ""},
        {"QJIT_EMU_FAIL", "cuLaunchKernel:700", "device", "a new one can", ""},
        {"QJIT_EMU_FAIL", "cuStreamSynchronize:719", "device", "CUDA_ERROR_LAUNCH_FAILED (719)", ""},
        {"QJIT_EMU_LIMIT", "100", "device", "CUDA_ERROR_LAUNCH_TIMEOUT (702)", ""},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        setenv(row[i].key, row[i].value, 1);
        qj_ctx *q = open_ctx();
        qj_kernel *k = qj_build(q);
        const qj_error *e = (!k || !qj_check(q, k, NULL)) ? qj_last_error(q) : NULL;
        if (!e) fail_msg("%s=%s: no error", row[i].key, row[i].value);
        if (strcmp(e->code, row[i].code) || !strstr(e->message, row[i].message) || !strstr(e->hint, row[i].hint))
            fail_msg("%s=%s gives\n%s", row[i].key, row[i].value, e->text);
        qj_kernel_free(k);
        qj_ctx_free(q);
        unsetenv(row[i].key);
        q = open_ctx();
        assert_true((k = qj_build(q)) != NULL && qj_check(q, k, NULL));
        qj_kernel_free(k);
        qj_ctx_free(q);
    }
}

/* A kernel that faulted takes the context with it: everything is refused, in any order, and nothing is read or freed that
 * is not there. */
static void lost_context(void **s)
{
    qj_ctx *q = open_ctx();
    qj_kernel *k = qj_build(q);
    qj_tensor *on[3], *back = qj_tensor_new(QJ_I32, 2, (int64_t[]){M, N});
    char why[300] = "";
    for (int i = 0; i < 3; i++) assert_non_null(on[i] = qj_tensor_to_gpu(q, arg[i]));
    setenv("QJIT_EMU_FAIL", "cuLaunchKernel:700", 1);
    assert_false(qj_kernel_call(k, on, 3, &(qj_call){.size = sizeof(qj_call), .why = why, .why_size = sizeof why}));
    assert_non_null(strstr(why, "CUDA_ERROR_ILLEGAL_ADDRESS"));
    unsetenv("QJIT_EMU_FAIL");
    assert_false(qj_kernel_call(k, on, 3, NULL));
    assert_false(qj_kernel_call(k, arg, 3, NULL));
    assert_false(qj_tensor_copy(q, back, on[2]));
    assert_string_equal(qj_last_error(q)->code, "device");
    qj_clear_error(q);
    assert_null(qj_tensor_to_gpu(q, arg[0]));
    qj_clear_error(q);
    assert_null(qj_build(q));
    qj_ctx_free(q);
    for (int i = 0; i < 3; i++) qj_tensor_free(on[i]);
    qj_kernel_free(k);
    qj_tensor_free(back);
}

/* All that is made is freed, whoever goes last: context, kernel, packed weights, tensor. */
static void cycles(void **s)
{
    enum { CYCLES = 1000 };
    void *driver = dlopen(QJ_CUDA_EMU, RTLD_NOW);
    assert_non_null(driver);
    void (*live)(int *) = (void (*)(int *))(uintptr_t)dlsym(driver, "emu_live");
    int before[5], after[5];
    live(before);
    qj_ctx *first = open_ctx();
    qj_artifact *a = qj_compile(first, QJ_PTX);
    qj_ctx_free(first);
    for (int i = 0; i < CYCLES; i++) {
        qj_ctx *q = qj_ctx_new(NULL);
        qj_kernel *k = qj_link(q, a);
        qj_packed *p = qj_kernel_pack(k, arg, 3, NULL);
        qj_tensor *on = qj_tensor_to_gpu(q, arg[0]);
        assert_true(k && p && on);
        if (i % 100 == 0) assert_true(qj_kernel_call(k, (qj_tensor *[]){on, arg[1], arg[2]}, 3, NULL));
        for (int n = 0; n < 4; n++)
            switch ((i + n) % 4) {
            case 0: qj_ctx_free(q); break;
            case 1: qj_kernel_free(k); break;
            case 2: qj_packed_free(p); break;
            case 3: qj_tensor_free(on); break;
            }
    }
    live(after);
    for (int i = 0; i < 5; i++) assert_int_equal(after[i], before[i]);
    qj_artifact_free(a);
    dlclose(driver);
}

/* One function of the driver fails: an error, nothing lost, and everything works afterwards. */
static void failures(void **s)
{
    static const char *const name[] = {
        "cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuModuleLoadDataEx",
        "cuModuleGetFunction", "cuStreamCreate", "cuEventCreate", "cuMemAlloc_v2", "cuMemcpyHtoD_v2", "cuLaunchKernel",
        "cuEventRecord", "cuStreamSynchronize", "cuMemcpyDtoH_v2", "cuMemsetD8_v2"};
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        qj_ctx *q = open_ctx();
        setenv("QJIT_EMU_FAIL", name[i], 1);
        qj_kernel *k = qj_build(q);
        if (k && qj_check(q, k, NULL)) qj_time(q, k, arg, 3, 1, NULL);
        if (!qj_last_error(q)) fail_msg("%s failed in silence", name[i]);
        const char *code = qj_last_error(q)->code;
        if (strcmp(code, "device") && strcmp(code, "cannot-run-here") && strcmp(code, "link")) fail_msg("%s: %s", name[i], code);
        qj_kernel_free(k);
        unsetenv("QJIT_EMU_FAIL");
        qj_clear_error(q);
        k = qj_build(q);
        assert_true(qj_check(q, k, NULL));
        qj_kernel_free(k);
        qj_ctx_free(q);
    }
}

static void no_driver(void **s)
{
    setenv("QJIT_CUDA_DRIVER", "/nonexistent/libcuda.so.1", 1);
    qj_ctx *q = open_ctx();
    assert_null(qj_build(q));
    assert_string_equal(qj_last_error(q)->code, "cannot-run-here");
    qj_clear_error(q);
    assert_false(qj_gpu(q, NULL));
    qj_clear_error(q);
    qj_artifact *a = qj_compile(q, QJ_PTX);
    assert_non_null(a);
    qj_artifact_free(a);
    qj_ctx_free(q);
    setenv("QJIT_CUDA_DRIVER", "libm.so.6", 1);
    q = open_ctx();
    assert_null(qj_build(q));
    assert_non_null(strstr(qj_last_error(q)->message, "has no cuInit"));
    qj_ctx_free(q);
    setenv("QJIT_CUDA_DRIVER", QJ_CUDA_EMU, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_tensors), cmocka_unit_test(device_tensors), cmocka_unit_test(gpu_tensor_on_cpu),
        cmocka_unit_test(target_cuda), cmocka_unit_test(streams), cmocka_unit_test(threads), cmocka_unit_test(isolated),
        cmocka_unit_test(much_shared_memory), cmocka_unit_test(shared_memory_must_be_allowed),
        cmocka_unit_test(failures), cmocka_unit_test(troubles), cmocka_unit_test(lost_context),
        cmocka_unit_test(cycles), cmocka_unit_test(no_driver),
    };
    const struct CMUnitTest on_a_gpu[] = { /* the others need faults that can be asked for */
        cmocka_unit_test(host_tensors), cmocka_unit_test(device_tensors), cmocka_unit_test(gpu_tensor_on_cpu),
        cmocka_unit_test(streams), cmocka_unit_test(threads), cmocka_unit_test(isolated), cmocka_unit_test(much_shared_memory),
    };
    if (real()) return cmocka_run_group_tests(on_a_gpu, setup, teardown);
    return cmocka_run_group_tests(tests, setup, teardown);
}
