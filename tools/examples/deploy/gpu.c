/* SPDX-License-Identifier: Apache-2.0 */
/* A product with one layer on a GPU: gpu_layer.ptx and gpu_layer.h, which `make` had written by qjit, CUDA's driver interface,
 * and nothing of qjit's. Names, sizes, order of arguments and launches are the header's: a schedule that packs other weights or
 * launches other kernels needs a recompile and no edit, as long as the layer is the same. The result is compared with plain
 * loops, bit for bit. */
#include <cuda.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "gpu_layer.h"

#define JOIN(a, b) a##b
#define OF(name, what) JOIN(gpu_layer_##name##_, what)
enum {
    N = gpu_layer_A_DIM0, H = gpu_layer_A_DIM1, W = gpu_layer_A_DIM2, C = gpu_layer_A_DIM3, Y = gpu_layer_Out_DIM1,
    X = gpu_layer_Out_DIM2, O = gpu_layer_Out_DIM3, BORDER = 9, ZERO = 3
};

static void must(CUresult rc, const char *what)
{
    const char *name = NULL;
    if (rc == CUDA_SUCCESS) return;
    cuGetErrorName(rc, &name);
    fprintf(stderr, "gpu: %s: %s (%d)\n", what, name ? name : "CUDA error", (int)rc);
    exit(1);
}

/* As a specification has it: padded by one with BORDER, stride two, rounded half to even. */
static void reference(const uint8_t *a, const int8_t *w, const int32_t *b, const float *m, uint8_t *out)
{
    for (int n = 0; n < N; n++)
        for (int y = 0; y < Y; y++)
            for (int x = 0; x < X; x++)
                for (int o = 0; o < O; o++) {
                    int32_t acc = b[o];
                    for (int r = 0; r < 3; r++)
                        for (int s = 0; s < 3; s++)
                            for (int c = 0; c < C; c++) {
                                int h = 2 * y + r - 1, v = 2 * x + s - 1;
                                int inside = h >= 0 && h < H && v >= 0 && v < W;
                                acc += (inside ? a[((n * H + h) * W + v) * C + c] : BORDER) * w[((o * 3 + r) * 3 + s) * C + c];
                            }
                    float v = rintf((float)acc * m[o]) + ZERO;
                    out[((n * Y + y) * X + x) * O + o] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
                }
}

/* Every value, and the two ends of the type a third of the time: what saturates must show. */
static void *filled(size_t n, uint8_t lo, uint8_t hi, uint32_t seed)
{
    uint8_t *p = malloc(n);
    if (!p) exit(1);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = seed >> 29 == 0 ? lo : seed >> 29 == 1 ? hi : (uint8_t)(seed >> 16);
    }
    return p;
}

static char *text_of(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 24);
    if (!f || !text || !fread(text, 1, (1 << 24) - 1, f)) {
        perror(path);
        exit(1);
    }
    fclose(f);
    return text;
}

static CUmodule module;
static CUstream stream;

static void launch(const char *entry, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void **param)
{
    CUfunction f;
    must(cuModuleGetFunction(&f, module, entry), entry);
    must(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)shared), entry);
    must(cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, param, NULL), entry);
}
#define LAUNCH(entry, gx, gy, gz, bx, by, bz, shared) launch(entry, gx, gy, gz, bx, by, bz, shared, param);

/* All tensors on the GPU, by name: those of the layer, and the weights as they were before they were packed. */
#define MEMBER(name, role) CUdeviceptr name;
#define MAKE(name, role) must(cuMemAlloc(&on.name, OF(name, BYTES)), #name);
#define FREE(name, role) must(cuMemFree(on.name), #name);
#define POINTER(name, role) &on.name,
#ifdef gpu_layer_PACK_WORKSPACE /* something is packed: W is then no argument of the layer */
static struct { gpu_layer_ARGS(MEMBER) CUdeviceptr W; CUdeviceptr workspace; } on;
#else
static struct { gpu_layer_ARGS(MEMBER) CUdeviceptr workspace; } on;
#endif

int main(void)
{
    CUcontext context;
    CUdevice device;
    uint8_t *a = filled(gpu_layer_A_BYTES, 0, 255, 1), *out = filled(gpu_layer_Out_BYTES, 0, 255, 3), *want = filled(gpu_layer_Out_BYTES, 0, 255, 4);
    int8_t *w = filled(gpu_layer_W_BYTES, (uint8_t)gpu_layer_W_LO, gpu_layer_W_HI, 2);
    int32_t b[O];
    float m[O];
    int different = 0;
    for (int o = 0; o < O; o++) {
        b[o] = o % 2 ? gpu_layer_B_LO / (o + 1) : gpu_layer_B_HI / (o + 1);
        m[o] = 0.00003f * (float)(o + 1);
    }
    reference(a, w, b, m, want);

    must(cuInit(0), "cuInit");
    must(cuDeviceGet(&device, 0), "device 0");
    must(cuDevicePrimaryCtxRetain(&context, device), "the context");
    must(cuCtxSetCurrent(context), "the context");
    must(cuStreamCreate(&stream, 0), "a stream");
    char *ptx = text_of("gpu_layer.ptx");
    must(cuModuleLoadData(&module, ptx), "gpu_layer.ptx");
    gpu_layer_ARGS(MAKE)
    must(cuMemAlloc(&on.workspace, gpu_layer_WORKSPACE + 1), "the workspace");
#ifdef gpu_layer_PACK_WORKSPACE
    CUdeviceptr workspace = on.workspace;
    must(cuMemAlloc(&on.W, gpu_layer_W_BYTES), "W");
    must(cuMemAlloc(&on.workspace, gpu_layer_PACK_WORKSPACE + 1), "the workspace");
    must(cuMemcpyHtoD(on.W, w, gpu_layer_W_BYTES), "W");
    { /* once, when the weights are known */
        void *param[] = {gpu_layer_pack_ARGS(POINTER) &on.workspace};
        gpu_layer_pack_LAUNCHES(LAUNCH)
    }
    must(cuStreamSynchronize(stream), "packing");
    must(cuMemFree(on.workspace), "the workspace");
    must(cuMemFree(on.W), "W");
    on.workspace = workspace;
#else
    must(cuMemcpyHtoD(on.W, w, gpu_layer_W_BYTES), "W");
#endif
    must(cuMemcpyHtoD(on.A, a, gpu_layer_A_BYTES), "A");
    must(cuMemcpyHtoD(on.B, b, gpu_layer_B_BYTES), "B");
    must(cuMemcpyHtoD(on.M, m, gpu_layer_M_BYTES), "M");
    { /* as often as there is input */
        void *param[] = {gpu_layer_ARGS(POINTER) &on.workspace};
        gpu_layer_LAUNCHES(LAUNCH)
    }
    must(cuStreamSynchronize(stream), "the layer");
    must(cuMemcpyDtoH(out, on.Out, gpu_layer_Out_BYTES), "Out");
    for (int i = 0; i < gpu_layer_Out_BYTES; i++) different += out[i] != want[i];
    printf("%d outputs, %d different\n", gpu_layer_Out_BYTES, different);

    gpu_layer_ARGS(FREE)
    must(cuMemFree(on.workspace), "the workspace");
    must(cuModuleUnload(module), "gpu_layer.ptx");
    must(cuStreamDestroy(stream), "a stream");
    must(cuDevicePrimaryCtxRelease(device), "the context");
    free(a), free(out), free(want), free(w), free(ptx);
    return different != 0;
}
