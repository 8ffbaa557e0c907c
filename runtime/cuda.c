/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cuda.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/call.h"

enum { /* of CUdevice_attribute, CUfunction_attribute, CUjit_option; NVIDIA's cuda.h */
    CLOCK_RATE = 13, PROCESSORS = 16, SM_MAJOR = 75, SM_MINOR = 76, BLOCK_SHARED = 97, DYNAMIC_SHARED = 8, JIT_ERROR_LOG = 5, JIT_ERROR_LOG_SIZE = 6,
    MEMORY_TYPE = 2, DEVICE_MEMORY = 2  /* of CUpointer_attribute, CUmemorytype */
};

struct api {
#define CUDA(name, symbol, params) int (*name) params;
#include "runtime/cuda.def"
#undef CUDA
};
static const struct { const char *symbol; size_t at; } api_row[] = {
#define CUDA(name, symbol, params) {#symbol, offsetof(struct api, name)},
#include "runtime/cuda.def"
#undef CUDA
};

struct cuda {
    atomic_int refs;
    void *library;
    struct api api;
    int device;
    void *context;                      /* NULL: not retained yet */
    struct cuda_facts facts;
};

struct cuda_kernel {
    struct cuda *d;
    void *module, *stream, *from, *to;  /* from, to: events */
    pthread_mutex_t lock;               /* one call at a time: events and stream are shared */
    int n, nparam[2];                   /* of the main function, of the pack one */
    struct one { void *function; bool pack; unsigned grid[3], block[3], shared; } *at;
};

/* ---- errors ---- */

/* "CUDA_ERROR_OUT_OF_MEMORY (2), out of memory" */
struct words { char at[600]; };
static struct words words_of(const struct cuda *d, int error)
{
    struct words w;
    const char *name = NULL, *text = NULL;
    if (!d->api.error_name || d->api.error_name(error, &name) || !name) name = "CUDA error";
    if (!d->api.error_text || d->api.error_text(error, &text) || !text) text = "which this driver has no words for";
    snprintf(w.at, sizeof w.at, "%s (%d), %s", name, error, text);
    return w;
}

/* What is known to help, beside the driver's words. */
static const struct { int from, to; const char *hint; } help[] = {
    {3, 3, "CUDA cannot be used in a child of fork that has used it before the fork"},
    {100, 100, "the driver sees no GPU: `nvidia-smi -L` lists them, and CUDA_VISIBLE_DEVICES hides some"},
    {101, 101, "`nvidia-smi -L` lists the GPUs; QJIT_CUDA_DEVICE counts from 0"},
    {200, 200, "a .cubin is for GPUs of one generation; .ptx runs on later ones"},
    {209, 209, "a .cubin is for GPUs of one generation; .ptx runs on later ones"},
    {222, 222, "the driver is older than this PTX: update it, take a target without `+ptxNN`, or an older one, as sm_75"},
    {802, 803, "the driver's library and its kernel module differ in version: load the module again, or restart"},
    {804, 804, "the library is newer than the driver: LD_LIBRARY_PATH may find one for other GPUs"},
};
static const char *hint_for(int error)
{
    for (size_t i = 0; i < ARRAY_LEN(help); i++)
        if (error >= help[i].from && error <= help[i].to) return help[i].hint;
    return NULL;
}

/* Errors of a kernel after which the driver refuses everything in the process's context. */
static bool is_final(int error) { return error == 700 || error == 702 || (error >= 714 && error <= 719); }

static bool why(struct why *w, const struct cuda *d, const char *what, int error)
{
    return why_set(w, "%s: %s%s", what, words_of(d, error).at,
                   is_final(error) ? "; the process cannot use this GPU any more, a new one can" : "");
}

/* error: the driver's, or 0. */
static bool no_device(struct err_state *e, int error, const char *fmt, ...) QJ_PRINTF(3, 4);
static bool no_device(struct err_state *e, int error, const char *fmt, ...)
{
    char text[700];
    const char *hint = hint_for(error);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(e, ERR_NO_HOST, (struct span){0}, "no GPU to run on: %s", text);
    err_hint(e, "%s", hint ? hint : "PTX can be written without one: `emit`, or qj_compile");
    return false;
}

/* ---- the driver ---- */

static bool open_library(struct cuda *d, struct err_state *e)
{
    const char *name = secure_getenv("QJIT_CUDA_DRIVER");
    if (!name || !*name) name = "libcuda.so.1";
    d->library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); /* it has threads of its own */
    if (!d->library) return no_device(e, 0, "CUDA's driver cannot be opened: %s", dlerror());
    for (size_t i = 0; i < ARRAY_LEN(api_row); i++) {
        void *at = dlsym(d->library, api_row[i].symbol);
        if (!at) return no_device(e, 0, "%s has no %s", name, api_row[i].symbol);
        memcpy((char *)&d->api + api_row[i].at, &at, sizeof at);
    }
    return true;
}

static bool choose_device(struct cuda *d, struct err_state *e)
{
    const char *text = getenv("QJIT_CUDA_DEVICE");
    char *end = NULL;
    int n = 0, rc;
    errno = 0;
    long wish = text && *text ? strtol(text, &end, 10) : 0;
    if (end && (*end || errno)) return no_device(e, 0, "QJIT_CUDA_DEVICE is \"%.40s\", not a number", text);
    if ((rc = d->api.init(0)) || (rc = d->api.device_count(&n)))
        return no_device(e, rc, "CUDA's driver answers %s", words_of(d, rc).at);
    if (n == 0) return no_device(e, 100, "CUDA's driver has no device");
    if (wish < 0 || wish >= n) return no_device(e, 101, "there is no device %ld of %d", wish, n);
    d->facts.ordinal = (int)wish;
    rc = d->api.device_get(&d->device, (int)wish);
    if (!rc) rc = d->api.context_retain(&d->context, d->device);
    if (rc) d->context = NULL;
    return rc == 0 || no_device(e, rc, "device %ld: %s", wish, words_of(d, rc).at);
}

static void ask(struct cuda *d)
{
    int major = 0, minor = 0, shared = 0;
    d->api.device_name(d->facts.name, (int)sizeof d->facts.name - 1, d->device);
    d->api.device_attribute(&major, SM_MAJOR, d->device);
    d->api.device_attribute(&minor, SM_MINOR, d->device);
    d->facts.sm = major * 10 + minor;
    d->api.device_attribute(&d->facts.processors, PROCESSORS, d->device);
    d->api.device_attribute(&d->facts.clock_khz, CLOCK_RATE, d->device);
    if (!d->api.device_attribute(&shared, BLOCK_SHARED, d->device)) d->facts.block_shared = shared;
    d->api.driver_version(&d->facts.driver);
}

struct cuda *cuda_open(struct err_state *e)
{
    struct cuda *d = calloc(1, sizeof *d);
    if (!d) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory for a device"), NULL;
    d->refs = 1;
    if (open_library(d, e) && choose_device(d, e)) {
        ask(d);
        return d;
    }
    cuda_close(d);
    return NULL;
}

struct cuda *cuda_ref(struct cuda *d)
{
    atomic_fetch_add(&d->refs, 1);
    return d;
}

void cuda_close(struct cuda *d)
{
    if (!d || atomic_fetch_sub(&d->refs, 1) != 1) return;
    if (d->context) d->api.context_release(d->device);
    if (d->library) dlclose(d->library);
    free(d);
}

const struct cuda_facts *cuda_facts(const struct cuda *d) { return &d->facts; }

/* PTX of "sm_80" runs on 8.0 and later, its machine code on 8.x alone; either of "sm_90a" on 9.0 alone. */
static bool fits(const struct cuda *d, const char *cpu, bool code)
{
    char *end;
    if (strncmp(cpu, "sm_", 3)) return false;
    long sm = strtol(cpu + 3, &end, 10);
    return *end == 'a' ? sm == d->facts.sm : sm <= d->facts.sm && (!code || sm / 10 == d->facts.sm / 10);
}

const char *cuda_target(const struct cuda *d, struct err_state *e)
{
    for (int i = family_nvptx.ncpu; i-- > 0;)
        if (fits(d, family_nvptx.cpus[i].name, false)) return family_nvptx.cpus[i].name;
    err_set(e, ERR_NO_HOST, (struct span){0}, "the GPU here, %s, is sm_%d, older than all that we compile for", d->facts.name, d->facts.sm);
    return NULL;
}

/* The context is made current for the length of a call: the host may have another one. */
static bool enter(struct cuda *d, struct why *w)
{
    int rc = d->api.context_push(d->context);
    return rc == 0 || why(w, d, "the device", rc);
}

static void leave(struct cuda *d)
{
    void *context;
    d->api.context_pop(&context);
}

/* ---- memory ---- */

uint64_t cuda_new(struct cuda *d, int64_t bytes, struct why *w)
{
    uint64_t at = 0;
    if (!enter(d, w)) return 0;
    int rc = d->api.memory_new(&at, bytes > 0 ? (size_t)bytes : 1);
    leave(d);
    if (rc) why_set(w, "no %lld bytes on the device: %s", (long long)bytes, words_of(d, rc).at);
    return rc ? 0 : at;
}

void cuda_free(struct cuda *d, uint64_t at)
{
    struct why nobody = {NULL, 0};
    if (!at || !enter(d, &nobody)) return;
    d->api.memory_free(at);
    leave(d);
}

bool cuda_is_device(struct cuda *d, uint64_t at)
{
    struct why nobody = {NULL, 0};
    unsigned type = 0;
    if (!at || !enter(d, &nobody)) return false;
    int rc = d->api.pointer_attribute(&type, MEMORY_TYPE, at); /* an error for what CUDA has never heard of */
    leave(d);
    return rc == 0 && type == DEVICE_MEMORY;
}

/* What the driver's own functions begin on its default stream, which other streams do not wait for: a copy from the host may
 * be in a buffer of the driver's when they return, and between places on the device, or a clearing, it may not have begun. */
static int done(const struct cuda *d, int rc) { return rc ? rc : d->api.stream_wait(NULL); }

/* Does one call of the driver's, if there are bytes, with the context current. */
#define COPY(what, call)                                      \
    do {                                                      \
        if (!bytes) return true;                              \
        if (!enter(d, w)) return false;                       \
        int rc = (call);                                      \
        leave(d);                                             \
        return rc == 0 || why(w, d, what " the device", rc);  \
    } while (0)

bool cuda_zero(struct cuda *d, uint64_t at, int64_t bytes, struct why *w)
{
    COPY("clearing memory on", done(d, d->api.memory_zero(at, 0, (size_t)bytes)));
}

bool cuda_to(struct cuda *d, uint64_t to, const void *from, int64_t bytes, struct why *w)
{
    COPY("copying to", done(d, d->api.memory_to(to, from, (size_t)bytes)));
}

bool cuda_from(struct cuda *d, void *to, uint64_t from, int64_t bytes, struct why *w)
{
    COPY("copying from", d->api.memory_from(to, from, (size_t)bytes));
}

bool cuda_between(struct cuda *d, uint64_t to, uint64_t from, int64_t bytes, struct why *w)
{
    COPY("copying on", done(d, d->api.memory_copy(to, from, (size_t)bytes)));
}

bool cuda_to_on(struct cuda *d, uint64_t to, const void *from, int64_t bytes, void *stream, struct why *w)
{
    COPY("copying to", d->api.memory_to_on(to, from, (size_t)bytes, stream));
}

bool cuda_from_on(struct cuda *d, void *to, uint64_t from, int64_t bytes, void *stream, struct why *w)
{
    COPY("copying from", d->api.memory_from_on(to, from, (size_t)bytes, stream));
}

bool cuda_between_on(struct cuda *d, uint64_t to, uint64_t from, int64_t bytes, void *stream, struct why *w)
{
    COPY("copying on", d->api.memory_copy_on(to, from, (size_t)bytes, stream));
}

/* ---- kernels ---- */

static bool load_module(struct cuda_kernel *k, struct err_state *e, const struct artifact *a)
{
    char log[2048] = "";
    int option[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_SIZE};
    void *value[] = {log, (void *)(uintptr_t)(sizeof log - 1)};
    int rc = k->d->api.module_load(&k->module, a->bytes, ARRAY_LEN(option), option, value);
    if (rc) {
        const char *hint = hint_for(rc);
        err_set(e, ERR_LINK, (struct span){0}, "the GPU's driver (CUDA %d.%d) refuses %s: %s%s%.1500s", k->d->facts.driver / 1000,
                k->d->facts.driver % 1000 / 10, a->name, words_of(k->d, rc).at, *log ? "\n" : "", log);
        err_hint(e, "%s", hint ? hint : "the driver compiles the PTX; ptxas, where it is installed, says more about what it refuses");
        return false;
    }
    for (k->n = 0; k->n < a->nkernel; k->n++) {
        const struct artifact_kernel *from = &a->kernel[k->n];
        struct one *to = &k->at[k->n];
        rc = k->d->api.module_function(&to->function, k->module, from->name);
        if (rc) return err_set(e, ERR_LINK, (struct span){0}, "%s: %s", from->name, words_of(k->d, rc).at);
        to->pack = from->pack;
        to->shared = (unsigned)from->dynamic_shared;
        if (to->shared && (rc = k->d->api.function_set(to->function, DYNAMIC_SHARED, (int)to->shared)) != 0)
            return err_set(e, ERR_LINK, (struct span){0}, "%s, %u bytes of shared memory: %s", from->name, to->shared, words_of(k->d, rc).at);
        for (int i = 0; i < 3; i++) {
            to->grid[i] = (unsigned)from->grid[i];
            to->block[i] = (unsigned)from->block[i];
        }
    }
    rc = k->d->api.stream_new(&k->stream, 1); /* waits for no other stream */
    if (!rc) rc = k->d->api.event_new(&k->from, 0);
    if (!rc) rc = k->d->api.event_new(&k->to, 0);
    return rc == 0 || err_set(e, ERR_LINK, (struct span){0}, "a stream: %s", words_of(k->d, rc).at);
}

struct cuda_kernel *cuda_load(struct cuda *d, struct err_state *e, const struct artifact *a)
{
    char text[200] = "";
    struct why w = {text, sizeof text};
    if (!fits(d, a->cpu, a->kind == CG_CUBIN)) {
        err_set(e, ERR_NO_HOST, (struct span){0}, "%s is compiled for %s, and the GPU here, %s, is sm_%d", a->name, a->cpu,
                d->facts.name, d->facts.sm);
        err_hint(e, "PTX runs on its own and on later GPUs, a .cubin on those of its generation, code for sm_90a on no other");
        return NULL;
    }
    for (int i = 0; i < a->nkernel; i++)
        if (d->facts.block_shared && a->kernel[i].shared > d->facts.block_shared) {
            err_set(e, ERR_NO_HOST, (struct span){0}, "a block of %s has %lld bytes of shared memory, %lld at most on the GPU here, %s, sm_%d",
                    a->kernel[i].name, (long long)a->kernel[i].shared, (long long)d->facts.block_shared, d->facts.name, d->facts.sm);
            err_hint(e, "a later GPU may have less: compile for the target `cuda`, which is the one here");
            return NULL;
        }
    struct cuda_kernel *k = calloc(1, sizeof *k);
    if (k) k->at = calloc((size_t)a->nkernel + 1, sizeof *k->at);
    if (!k || !k->at) {
        free(k);
        return err_set(e, ERR_MEMORY, (struct span){0}, "no memory for a kernel"), NULL;
    }
    pthread_mutex_init(&k->lock, NULL);
    k->d = cuda_ref(d);
    k->nparam[false] = a->narg + (a->workspace != 0);
    k->nparam[true] = a->npack + (a->pack_workspace != 0);
    bool ok = enter(d, &w);
    if (ok) {
        ok = load_module(k, e, a);
        leave(d);
    } else {
        err_set(e, ERR_LINK, (struct span){0}, "%s", text);
    }
    if (ok) return k;
    cuda_unload(k);
    return NULL;
}

void cuda_unload(struct cuda_kernel *k)
{
    struct why nobody = {NULL, 0};
    if (!k) return;
    if (enter(k->d, &nobody)) {
        if (k->from) k->d->api.event_free(k->from);
        if (k->to) k->d->api.event_free(k->to);
        if (k->stream) k->d->api.stream_free(k->stream);
        if (k->module) k->d->api.module_unload(k->module);
        leave(k->d);
    }
    pthread_mutex_destroy(&k->lock);
    cuda_close(k->d);
    free(k->at);
    free(k);
}

struct cuda *cuda_of(const struct cuda_kernel *k) { return k->d; }

static int launch_all(const struct cuda_kernel *k, bool pack, void *stream, void **param)
{
    for (int i = 0; i < k->n; i++) {
        const struct one *f = &k->at[i];
        if (f->pack != pack) continue;
        int rc = k->d->api.launch(f->function, f->grid[0], f->grid[1], f->grid[2], f->block[0], f->block[1], f->block[2],
                                  f->shared, stream, param, NULL);
        if (rc) return rc;
    }
    return 0;
}

static int run(const struct cuda_kernel *k, bool pack, void **param, int times, float *ms)
{
    const struct api *api = &k->d->api;
    int rc = api->event_record(k->from, k->stream);
    for (int i = 0; !rc && i < times; i++) rc = launch_all(k, pack, k->stream, param);
    if (!rc) rc = api->event_record(k->to, k->stream);
    if (!rc) rc = api->stream_wait(k->stream);
    return rc ? rc : api->event_ms(ms, k->from, k->to);
}

bool cuda_run(const struct cuda_kernel *k, bool pack, uint64_t *param, int times, double *ms, struct why *w)
{
    struct cuda_kernel *own = (struct cuda_kernel *)(uintptr_t)k; /* its lock */
    void *at[CALL_MAX_ARGS];
    float took = 0;
    for (int i = 0; i < k->nparam[pack]; i++) at[i] = &param[i];
    if (!enter(k->d, w)) return false;
    pthread_mutex_lock(&own->lock);
    int rc = run(k, pack, at, times, &took);
    pthread_mutex_unlock(&own->lock);
    leave(k->d);
    if (ms) *ms = (double)took;
    return rc == 0 || why(w, k->d, "the kernel", rc);
}

bool cuda_enqueue(const struct cuda_kernel *k, uint64_t *param, void *stream, struct why *w)
{
    void *at[CALL_MAX_ARGS];
    for (int i = 0; i < k->nparam[false]; i++) at[i] = &param[i];
    if (!enter(k->d, w)) return false;
    int rc = launch_all(k, false, stream, at);
    leave(k->d);
    return rc == 0 || why(w, k->d, "the kernel", rc);
}
