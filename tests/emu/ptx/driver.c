/* SPDX-License-Identifier: Apache-2.0 */
/* driver.c - the part of CUDA's driver library that runtime/cuda.def names, over the interpreter: a machine without a
 * GPU runs kernels with QJIT_CUDA_DRIVER=.../libcuda_emu.so, and an access out of bounds or a race is an error of the
 * launch, in words.
 *
 * $QJIT_EMU_SM is the compute capability it says it has (90), $QJIT_EMU_DEVICES how many devices there are (1),
 * $QJIT_EMU_DRIVER the CUDA version (12000): PTX that is newer is refused. $QJIT_EMU_FAIL is the name of a function that
 * fails, "cuMemAlloc_v2" or with an error "cuLaunchKernel:700"; an error of a kernel is final until the context is released,
 * as it is on a GPU. A block has the shared memory of that capability: beyond 48 KiB a launch asks, and its function must have been
 * allowed it. $QJIT_EMU_MEMORY bounds its memory in bytes, $QJIT_EMU_LIMIT the instructions of a launch: a time-out.
 * $QJIT_EMU_REPORT is a file that gets a line of JSON for each launch, with what was counted. emu_live counts what has not
 * been freed.
 *
 * Devices share one context and memory; copies and launches are done when the call returns. But a copy to a buffer, or its
 * clearing, by the default stream counts as under way until something waits for it, and a launch that is given the buffer on a
 * stream that does not is an error. Times are made up: a
 * nanosecond an instruction. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/ptx.h"

#define EXPORT __attribute__((visibility("default")))
enum {
    OK = 0, INVALID_VALUE = 1, NO_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200, INVALID_CONTEXT = 201,
    INVALID_PTX = 218, UNSUPPORTED_PTX = 222, NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, TIMEOUT = 702, LAUNCH_FAILED = 719
};
enum { MOST_BUFFERS = 4096, FIRST_DEVICE = 7, STATIC_SHARED = 48 << 10 };

static const struct { int error; const char *name, *text; } errors[] = {
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {NO_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {UNSUPPORTED_PTX, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {INVALID_PTX, "CUDA_ERROR_INVALID_PTX", NULL},  /* NULL: what the interpreter said */
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", NULL},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
};

struct module { struct ptx *p; struct function *made; };
struct function { struct module *m; struct function *next; struct ptx_entry e; int dynamic; };   /* dynamic: bytes allowed */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the buffers and of `why` */
static struct ptx_buffer buffer[MOST_BUFFERS];
static bool under_way[MOST_BUFFERS];                /* the default stream may still write it */
static int nbuffer;
static size_t in_use;
static atomic_int contexts, modules, streams, events;   /* that live */
static atomic_int lost;                                    /* the error of a kernel that ended the context */
static char why[400] = "unspecified launch failure";
static _Atomic uint64_t clock_ns;

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

static int fails(const char *name)
{
    const char *wish = getenv("QJIT_EMU_FAIL");
    size_t n = strlen(name);
    if (!wish || strncmp(wish, name, n) || (wish[n] && wish[n] != ':')) return OK;
    return wish[n] ? atoi(wish + n + 1) : INVALID_VALUE;
}
#define MAY_FAIL() do { int error = fails(__func__); if (error) return error; } while (0)

static void count(atomic_int *of, int by) { atomic_fetch_add(of, by); }

/* Contexts retained, modules, streams, events, buffers. */
EXPORT void emu_live(int n[5])
{
    pthread_mutex_lock(&lock);
    memcpy(n, (int[]){contexts, modules, streams, events, 0}, 5 * sizeof *n);
    for (int i = 0; i < nbuffer; i++) n[4] += buffer[i].at != NULL;
    pthread_mutex_unlock(&lock);
}

/* ---- what is said ---- */

static int row_of(int error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].error == error) return (int)i;
    return -1;
}

EXPORT int cuInit(unsigned flags) { MAY_FAIL(); return flags ? INVALID_VALUE : OK; }
EXPORT int cuGetErrorName(int error, const char **text)
{
    int i = row_of(error);
    return *text = i < 0 ? NULL : errors[i].name, i < 0 ? INVALID_VALUE : OK;
}
EXPORT int cuGetErrorString(int error, const char **text)
{
    int i = row_of(error);
    return *text = i < 0 ? NULL : errors[i].text ? errors[i].text : why, i < 0 ? INVALID_VALUE : OK;
}
EXPORT int cuDriverGetVersion(int *v) { return *v = (int)number("QJIT_EMU_DRIVER", 12000), OK; }
EXPORT int cuDeviceGetCount(int *n) { MAY_FAIL(); return *n = (int)number("QJIT_EMU_DEVICES", 1), OK; }
EXPORT int cuDeviceGet(int *d, int ordinal)
{
    MAY_FAIL();
    *d = FIRST_DEVICE + ordinal;
    return ordinal < 0 || ordinal >= number("QJIT_EMU_DEVICES", 1) ? INVALID_DEVICE : OK;
}
static int known(int d) { return d >= FIRST_DEVICE && d < FIRST_DEVICE + number("QJIT_EMU_DEVICES", 1); }
EXPORT int cuDeviceGetName(char *name, int size, int d) { return snprintf(name, (size_t)size, "interpreter %d", d), OK; }
/* Shared memory that a block may ask for: CUDA C++ Programming Guide, table of technical specifications. */
static int block_shared(void)
{
    long sm = number("QJIT_EMU_SM", 90);
    return (sm >= 90 ? 227 : sm >= 86 ? 99 : sm >= 80 ? 163 : sm >= 75 ? 64 : sm >= 70 ? 96 : 48) << 10;
}
EXPORT int cuDeviceGetAttribute(int *value, int attribute, int d)
{
    int sm = (int)number("QJIT_EMU_SM", 90);
    *value = attribute == 75 ? sm / 10 : attribute == 76 ? sm % 10 : attribute == 16 ? 1 : attribute == 13 ? 1000000
        : attribute == 97 ? block_shared() : 0;
    return known(d) ? OK : INVALID_DEVICE;
}

/* ---- contexts, streams, events ---- */

EXPORT int cuDevicePrimaryCtxRetain(void **c, int d)
{
    MAY_FAIL();
    if (!known(d)) return INVALID_DEVICE;
    count(&contexts, 1);
    return *c = &lock, OK;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int d)
{
    if (!known(d) || contexts == 0) return INVALID_CONTEXT;
    if (atomic_fetch_sub(&contexts, 1) == 1) lost = OK;
    return OK;
}
EXPORT int cuCtxPushCurrent_v2(void *c) { MAY_FAIL(); return c == &lock && contexts ? OK : INVALID_CONTEXT; }
EXPORT int cuCtxPopCurrent_v2(void **c) { return *c = &lock, OK; }
EXPORT int cuCtxSetCurrent(void *c) { return c == &lock && contexts ? OK : INVALID_CONTEXT; }
static void arrived(void)
{
    pthread_mutex_lock(&lock);
    memset(under_way, 0, sizeof under_way);
    pthread_mutex_unlock(&lock);
}
EXPORT int cuCtxSynchronize(void) { return arrived(), contexts ? lost : INVALID_CONTEXT; }
static int make(void **at, atomic_int *of, size_t size)
{
    if (lost) return lost;
    if (!(*at = calloc(1, size))) return NO_MEMORY;
    return count(of, 1), OK;
}
/* A stream is a byte: 1 if it does not wait for the default one. */
EXPORT int cuStreamCreate(void **s, unsigned flags)
{
    MAY_FAIL();
    int rc = flags > 1 ? INVALID_VALUE : make(s, &streams, 1);
    if (!rc) *(char *)*s = (char)flags;
    return rc;
}
EXPORT int cuStreamDestroy_v2(void *s) { return free(s), count(&streams, -1), OK; }
EXPORT int cuStreamSynchronize(void *s)
{
    MAY_FAIL();
    if (!s || s == (void *)1) arrived();
    return lost;
}
EXPORT int cuEventCreate(void **e, unsigned flags) { MAY_FAIL(); return flags > 2 ? INVALID_VALUE : make(e, &events, sizeof clock_ns); }
EXPORT int cuEventDestroy_v2(void *e) { return free(e), count(&events, -1), OK; }
EXPORT int cuEventRecord(void *e, void *s) { MAY_FAIL(); return *(uint64_t *)e = clock_ns, lost; }
EXPORT int cuEventSynchronize(void *e) { return e ? lost : INVALID_VALUE; }
EXPORT int cuEventElapsedTime(float *ms, void *from, void *to)
{
    *ms = (float)(*(uint64_t *)to - *(uint64_t *)from) * 1e-6f;
    return lost;
}

/* ---- memory: buffer i begins at ptx_address(i) ---- */

static void *find(uint64_t at, size_t n)
{
    void *p = NULL;
    pthread_mutex_lock(&lock);
    for (int i = 0; !p && i < nbuffer; i++)
        if (buffer[i].at && at >= ptx_address(i) && at - ptx_address(i) <= buffer[i].n && n <= buffer[i].n - (at - ptx_address(i)))
            p = (char *)buffer[i].at + (at - ptx_address(i));
    pthread_mutex_unlock(&lock);
    return p;
}

EXPORT int cuMemAlloc_v2(uint64_t *at, size_t n)
{
    MAY_FAIL();
    int i = 0, rc = lost;
    size_t most = (size_t)number("QJIT_EMU_MEMORY", 1L << 34);
    if (!n) return INVALID_VALUE;
    if (rc) return rc;
    pthread_mutex_lock(&lock);
    while (i < nbuffer && buffer[i].at) i++;
    if (i == MOST_BUFFERS || n > most || in_use > most - n || !(buffer[i].at = malloc(n))) rc = NO_MEMORY;
    if (!rc) {
        in_use += n;
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
            in_use -= buffer[i].n;
            buffer[i] = (struct ptx_buffer){0};
            under_way[i] = false;
            rc = OK;
        }
    pthread_mutex_unlock(&lock);
    return rc;
}

static void *writes(uint64_t at, size_t n)
{
    void *p = find(at, n);
    pthread_mutex_lock(&lock);
    for (int i = 0; p && i < nbuffer; i++)
        if (buffer[i].at && at >= ptx_address(i) && at - ptx_address(i) < buffer[i].n) under_way[i] = true;
    pthread_mutex_unlock(&lock);
    return p;
}

static int copy(void *to, const void *from, size_t n)
{
    if (lost) return lost;
    if (!to || !from) return INVALID_VALUE;
    memmove(to, from, n);
    return OK;
}

EXPORT int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) { MAY_FAIL(); return copy(writes(to, n), from, n); }
EXPORT int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) { MAY_FAIL(); return arrived(), copy(to, find(from, n), n); }
EXPORT int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t n) { MAY_FAIL(); return copy(writes(to, n), find(from, n), n); }
EXPORT int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, void *s) { MAY_FAIL(); return copy(find(to, n), from, n); }
EXPORT int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *s) { MAY_FAIL(); return copy(to, find(from, n), n); }
EXPORT int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void *s) { MAY_FAIL(); return copy(find(to, n), find(from, n), n); }
EXPORT int cuMemsetD8_v2(uint64_t at, unsigned char byte, size_t n)
{
    MAY_FAIL();
    void *p = writes(at, n);
    if (p) memset(p, byte, n);
    return p ? OK : INVALID_VALUE;
}

EXPORT int cuPointerGetAttribute(void *value, int attribute, uint64_t at)
{
    unsigned device = 2;
    if (lost) return lost;
    if (attribute != 2 || !find(at, 0)) return INVALID_VALUE;
    memcpy(value, &device, sizeof device);
    return OK;
}

/* ---- kernels ---- */

/* A version as the text says it, 78 for 7.8, that this driver would know: CUDA 11.0 has PTX 7.0, 12.0 has 8.0, 13.0 has 9.0. */
static int too_new(const char *text)
{
    const char *at = strstr(text, "\n.version ");
    int major, minor, v;
    cuDriverGetVersion(&v);
    return at && sscanf(at, "\n.version %d.%d", &major, &minor) == 2 && major * 10 + minor > (v / 1000 - 4) * 10 + v % 1000 / 10;
}

EXPORT int cuModuleLoadDataEx(void **module, const void *image, unsigned n, int *option, void **value)
{
    MAY_FAIL();
    char text[300] = "";
    if (lost) return lost;
    if (!memcmp(image, "\177ELF", 4)) return INVALID_IMAGE; /* a real one is for real GPUs */
    if (too_new(image)) return UNSUPPORTED_PTX;
    struct ptx *p = ptx_load(image, text, sizeof text);
    struct module *m = p ? calloc(1, sizeof *m) : NULL;
    struct ptx_entry e;
    for (int i = 0; m && ptx_entry(p, i, &e); i++)
        if (e.shared > STATIC_SHARED) {
            snprintf(text, sizeof text, "%s uses too much shared data (%zu bytes)", e.name, e.shared);
            free(m);
            m = NULL;
        }
    if (m) {
        m->p = p;
        count(&modules, 1);
        return *module = m, OK;
    }
    for (unsigned i = 0; i + 1 < n; i++)
        if (option[i] == 5 && option[i + 1] == 6) snprintf(value[i], (size_t)(uintptr_t)value[i + 1], "%s", text);
    snprintf(why, sizeof why, "%s", text);
    if (p) ptx_free(p);
    return INVALID_PTX;
}
EXPORT int cuModuleLoadData(void **module, const void *image) { return cuModuleLoadDataEx(module, image, 0, NULL, NULL); }

EXPORT int cuModuleUnload(void *module)
{
    struct module *m = module;
    for (struct function *f = m->made, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    ptx_free(m->p);
    free(m);
    count(&modules, -1);
    return OK;
}

EXPORT int cuModuleGetFunction(void **function, void *module, const char *name)
{
    MAY_FAIL();
    struct module *m = module;
    struct ptx_entry e;
    int i = 0;
    while (ptx_entry(m->p, i, &e) && strcmp(e.name, name)) i++;
    if (!ptx_entry(m->p, i, &e)) return NOT_FOUND;
    pthread_mutex_lock(&lock);
    struct function *f = m->made;
    while (f && strcmp(f->e.name, name)) f = f->next;
    if (!f && (f = malloc(sizeof *f)) != NULL) {
        *f = (struct function){m, m->made, e, STATIC_SHARED - (int)e.shared};
        m->made = f;
    }
    pthread_mutex_unlock(&lock);
    return *function = f, f ? OK : NO_MEMORY;
}

EXPORT int cuFuncGetAttribute(int *value, int attribute, void *function)
{
    const struct function *f = function;
    *value = attribute == 1 ? (int)f->e.shared : attribute == 8 ? f->dynamic : 0;
    return OK;
}

EXPORT int cuFuncSetAttribute(void *function, int attribute, int value)
{
    MAY_FAIL();
    struct function *f = function;
    if (attribute != 8 || value < 0 || value > block_shared() - (int)f->e.shared) return INVALID_VALUE;
    return f->dynamic = value, OK;
}

static void report(const char *entry, const struct ptx_launch *l, const struct ptx_report *r)
{
    const char *path = getenv("QJIT_EMU_REPORT");
    FILE *f = path && *path ? fopen(path, "a") : NULL;
    if (!f) return;
    fprintf(f, "{\"entry\": \"%s\", \"threads\": %llu, \"instructions\": %llu, \"dp4a\": %llu, \"mma\": %llu, ", entry,
            (unsigned long long)l->grid[0] * l->grid[1] * l->grid[2] * l->block[0] * l->block[1] * l->block[2],
            (unsigned long long)r->instructions, (unsigned long long)r->dp4a, (unsigned long long)r->mma);
    fprintf(f, "\"passes\": %llu, \"least\": %llu, \"worst\": %u, \"worst_line\": %d}\n", (unsigned long long)r->shared_passes,
            (unsigned long long)r->shared_least, r->worst_conflict, r->worst_line);
    fclose(f);
}

/* What is launched, at once or, while a stream is captured, by a graph. */
struct node {
    struct function *f;
    struct ptx_launch l;
    uint64_t value[64];
    struct node *next;
};
static struct node *captured, **capture_end;        /* capture_end: NULL while nothing is captured */

static int run(const struct node *n)
{
    struct ptx_report r;
    pthread_mutex_lock(&lock);
    struct ptx_launch l = n->l;
    l.param = n->value;
    l.nbuffer = nbuffer;
    l.buffer = buffer;
    l.limit = (uint64_t)number("QJIT_EMU_LIMIT", 0);
    bool ok = ptx_run(n->f->m->p, &l, &r);
    clock_ns += r.instructions;
    report(n->f->e.name, &l, &r);
    if (!ok) {
        snprintf(why, sizeof why, "%s: %s", n->f->e.name, r.why);
        lost = l.limit && r.instructions >= l.limit ? TIMEOUT : LAUNCH_FAILED;
    }
    pthread_mutex_unlock(&lock);
    return lost;
}

/* Nothing that the kernel is given is still to be written by the default stream. */
static bool all_arrived(const struct node *n)
{
    bool yes = true;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < nbuffer; i++)
        for (int k = 0; k < n->l.nparam && yes; k++)
            if (buffer[i].at && under_way[i] && n->value[k] == ptx_address(i)) {
                snprintf(why, sizeof why, "%s: argument %d may still be copied or cleared by the default stream", n->f->e.name, k);
                yes = false;
            }
    pthread_mutex_unlock(&lock);
    return yes;
}

EXPORT int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared, void *stream, void **param, void **extra)
{
    int asked = fails(__func__);
    if (asked >= ILLEGAL_ADDRESS && asked != 701) lost = asked; /* of the kernel, not of the call */
    if (asked) return asked;
    struct function *f = function;
    struct node n = {.f = f, .l = {.entry = f->e.name, .grid = {gx, gy, gz}, .block = {bx, by, bz}, .nparam = f->e.nparam,
                                   .dynamic_shared = shared}};
    if (lost) return lost;
    if (extra || f->e.nparam > 64 || shared > (unsigned)f->dynamic) return INVALID_VALUE;
    for (int i = 0; i < f->e.nparam; i++) memcpy(&n.value[i], param[i], sizeof n.value[i]);
    if (stream > (void *)2 && *(char *)stream && !all_arrived(&n)) lost = LAUNCH_FAILED;
    if (lost) return lost;
    if (!capture_end) return run(&n);
    struct node *kept = malloc(sizeof *kept);
    if (!kept) return NO_MEMORY;
    *kept = n;
    *capture_end = kept;
    capture_end = &kept->next;
    return OK;
}

/* ---- graphs: launches of one stream at a time, and nothing else ---- */

EXPORT int cuStreamBeginCapture_v2(void *stream, int mode)
{
    if (!stream || capture_end) return INVALID_VALUE;
    captured = NULL;
    capture_end = &captured;
    return OK;
}
EXPORT int cuStreamEndCapture(void *stream, void **graph) { return *graph = captured, capture_end = NULL, OK; }
EXPORT int cuGraphInstantiateWithFlags(void **made, void *graph, unsigned long long flags) { return *made = graph, flags ? INVALID_VALUE : OK; }
EXPORT int cuGraphDestroy(void *graph) { return graph ? OK : INVALID_VALUE; } /* what was made of it has the launches */
EXPORT int cuGraphLaunch(void *made, void *stream)
{
    for (const struct node *n = made; n && !lost; n = n->next) run(n);
    return lost;
}
EXPORT int cuGraphExecDestroy(void *made)
{
    for (struct node *n = made, *next; n; n = next) {
        next = n->next;
        free(n);
    }
    return OK;
}
EXPORT int cuMemsetD8Async(uint64_t at, unsigned char byte, size_t n, void *stream) { return cuMemsetD8_v2(at, byte, n); }
