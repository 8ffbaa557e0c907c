/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - the part of CUDA's driver library that runtime/cuda.def names, over the interpreter: a machine without a
 * GPU runs kernels with QJIT_CUDA_DRIVER=.../libcuda_emu.so, and an access out of bounds or a race is an error of the
 * launch, in words.
 *
 * $QJIT_EMU_SM is the compute capability it says it has (90), $QJIT_EMU_FAIL the name of a function that fails. One
 * device, one context; copies and launches are done when the call returns. Times are made up: a nanosecond an
 * instruction. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/ptx.h"

#define EXPORT __attribute__((visibility("default")))
enum { OK = 0, INVALID_VALUE = 1, NO_MEMORY = 2, INVALID_PTX = 218, NOT_FOUND = 500, LAUNCH_FAILED = 719, MOST_BUFFERS = 4096 };

struct module { struct ptx *p; };
struct function { struct module *m; struct ptx_entry e; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ptx_buffer buffer[MOST_BUFFERS];
static int nbuffer;
static char why[400] = "CUDA_ERROR_LAUNCH_FAILED";
static uint64_t clock_ns;

static int fails(const char *name)
{
    const char *wish = getenv("QJIT_EMU_FAIL");
    return wish && !strcmp(wish, name) ? INVALID_VALUE : OK;
}
#define MAY_FAIL() if (fails(__func__)) return INVALID_VALUE

/* ---- what is said ---- */

EXPORT int cuInit(unsigned flags) { MAY_FAIL(); return flags ? INVALID_VALUE : OK; }
EXPORT int cuGetErrorName(int error, const char **text) { return *text = error == NO_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR", OK; }
EXPORT int cuGetErrorString(int error, const char **text)
{
    *text = error == LAUNCH_FAILED || error == INVALID_PTX ? why : error == NO_MEMORY ? "out of memory" : "invalid argument";
    return OK;
}
EXPORT int cuDriverGetVersion(int *v) { return *v = 12000, OK; }
EXPORT int cuDeviceGetCount(int *n) { MAY_FAIL(); return *n = 1, OK; }
EXPORT int cuDeviceGet(int *d, int ordinal) { MAY_FAIL(); return *d = 7, ordinal ? INVALID_VALUE : OK; }
EXPORT int cuDeviceGetName(char *name, int size, int d) { return snprintf(name, (size_t)size, "interpreter %d", d), OK; }
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int d)
{
    const char *text = getenv("QJIT_EMU_SM");
    int sm = text ? atoi(text) : 90;
    *value = attribute == 75 ? sm / 10 : attribute == 76 ? sm % 10 : attribute == 16 ? 1 : attribute == 13 ? 1000000 : 0;
    return d == 7 ? OK : INVALID_VALUE;
}

/* ---- contexts, streams, events: there is nothing to them ---- */

EXPORT int cuDevicePrimaryCtxRetain(void **c, int d) { MAY_FAIL(); return *c = &lock, d == 7 ? OK : INVALID_VALUE; }
EXPORT int cuDevicePrimaryCtxRelease_v2(int d) { return d == 7 ? OK : INVALID_VALUE; }
EXPORT int cuCtxPushCurrent_v2(void *c) { MAY_FAIL(); return c == &lock ? OK : INVALID_VALUE; }
EXPORT int cuCtxPopCurrent_v2(void **c) { return *c = &lock, OK; }
EXPORT int cuStreamCreate(void **s, unsigned flags) { MAY_FAIL(); return *s = malloc(1), flags > 1 ? INVALID_VALUE : OK; }
EXPORT int cuStreamDestroy_v2(void *s) { return free(s), OK; }
EXPORT int cuStreamSynchronize(void *s) { MAY_FAIL(); return s ? OK : INVALID_VALUE; }
EXPORT int cuEventCreate(void **e, unsigned flags) { MAY_FAIL(); return *e = calloc(1, sizeof clock_ns), flags ? INVALID_VALUE : OK; }
EXPORT int cuEventDestroy_v2(void *e) { return free(e), OK; }
EXPORT int cuEventRecord(void *e, void *s) { MAY_FAIL(); return *(uint64_t *)e = clock_ns, s ? OK : INVALID_VALUE; }
EXPORT int cuEventSynchronize(void *e) { return e ? OK : INVALID_VALUE; }
EXPORT int cuEventElapsedTime(float *ms, void *from, void *to)
{
    *ms = (float)(*(uint64_t *)to - *(uint64_t *)from) * 1e-6f;
    return OK;
}

/* ---- memory: buffer i begins at ptx_address(i) ---- */

static void *find(uint64_t at, size_t n)
{
    for (int i = 0; i < nbuffer; i++)
        if (buffer[i].at && at >= ptx_address(i) && at - ptx_address(i) <= buffer[i].n && n <= buffer[i].n - (at - ptx_address(i)))
            return (char *)buffer[i].at + (at - ptx_address(i));
    return NULL;
}

EXPORT int cuMemAlloc_v2(uint64_t *at, size_t n)
{
    MAY_FAIL();
    int i = 0, rc = OK;
    if (!n) return INVALID_VALUE;
    pthread_mutex_lock(&lock);
    while (i < nbuffer && buffer[i].at) i++;
    if (i == MOST_BUFFERS || n > (size_t)1 << 34 || !(buffer[i].at = malloc(n))) rc = NO_MEMORY;
    if (!rc) {
        memset(buffer[i].at, 0xa5, buffer[i].n = n);
        if (i == nbuffer) nbuffer++;
        *at = ptx_address(i);
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

EXPORT int cuMemFree_v2(uint64_t at)
{
    int rc = INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nbuffer; i++)
        if (buffer[i].at && at == ptx_address(i)) {
            free(buffer[i].at);
            buffer[i] = (struct ptx_buffer){0};
            rc = OK;
        }
    pthread_mutex_unlock(&lock);
    return rc;
}

static int copy(void *to, const void *from, size_t n)
{
    if (!to || !from) return INVALID_VALUE;
    memmove(to, from, n);
    return OK;
}

EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) { MAY_FAIL(); return copy(find(to, n), from, n); }
EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) { MAY_FAIL(); return copy(to, find(from, n), n); }
EXPORT int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t n) { MAY_FAIL(); return copy(find(to, n), find(from, n), n); }
EXPORT int cuMemsetD8_v2(uint64_t at, unsigned char byte, size_t n)
{
    MAY_FAIL();
    void *p = find(at, n);
    if (p) memset(p, byte, n);
    return p ? OK : INVALID_VALUE;
}

EXPORT int cuPointerGetAttribute(void *value, int attribute, uint64_t at)
{
    unsigned device = 2;
    if (attribute != 2 || !find(at, 0)) return INVALID_VALUE;
    memcpy(value, &device, sizeof device);
    return OK;
}

/* ---- kernels ---- */

EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned n, int *option, void **value)
{
    MAY_FAIL();
    struct module *m = calloc(1, sizeof *m);
    char text[300] = "";
    m->p = ptx_load(image, text, sizeof text);
    if (m->p) return *module = m, OK;
    for (unsigned i = 0; i + 1 < n; i++)
        if (option[i] == 5 && option[i + 1] == 6) snprintf(value[i], (size_t)(uintptr_t)value[i + 1], "%s", text);
    snprintf(why, sizeof why, "%s", text);
    free(m);
    return INVALID_PTX;
}

EXPORT int cuModuleUnload(void *module)
{
    struct module *m = module; /* its functions are given up with the process: they are few */
    ptx_free(m->p);
    free(m);
    return OK;
}

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name)
{
    MAY_FAIL();
    static struct function made[1024]; /* in turn */
    static int next;
    struct module *m = module;
    struct ptx_entry e;
    for (int i = 0; ptx_entry(m->p, i, &e); i++) {
        if (strcmp(e.name, name)) continue;
        pthread_mutex_lock(&lock);
        struct function *f = &made[next++ % 1024];
        pthread_mutex_unlock(&lock);
        *f = (struct function){m, e};
        return *function = f, OK;
    }
    return NOT_FOUND;
}

EXPORT int cuFuncGetAttribute(int *value, int attribute, void *function)
{
    *value = attribute == 1 ? (int)((struct function *)function)->e.shared : 0;
    return OK;
}

EXPORT int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared, void *stream, void **param, void **extra)
{
    MAY_FAIL();
    struct function *f = function;
    uint64_t value[1100];
    struct ptx_report r;
    if (!stream || extra || f->e.nparam > 1100) return INVALID_VALUE;
    for (int i = 0; i < f->e.nparam; i++) memcpy(&value[i], param[i], sizeof value[i]);
    pthread_mutex_lock(&lock);
    struct ptx_launch l = {.entry = f->e.name, .grid = {gx, gy, gz}, .block = {bx, by, bz}, .nparam = f->e.nparam,
                           .param = value, .nbuffer = nbuffer, .buffer = buffer, .dynamic_shared = shared};
    bool ok = ptx_run(f->m->p, &l, &r);
    clock_ns += r.instructions;
    if (!ok) snprintf(why, sizeof why, "%s: %s", f->e.name, r.why);
    pthread_mutex_unlock(&lock);
    return ok ? OK : LAUNCH_FAILED;
}
