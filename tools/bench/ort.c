/* SPDX-License-Identifier: Apache-2.0 */
/* ort.c - onnxruntime from PyPI, opened at run time, through its C interface.
 *
 * Its interface is a table of functions whose order never changes; the ones needed here are named by their place. Two
 * contenders: i8 weights, whose AVX2 kernels sum pairs of products in 16 bits, saturating, and the same weights stored
 * as u8 with zero point 128, whose kernels are exact. */
#include "tools/bench/bench.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places in the table, all of version 1 of the interface. */
enum {
    GET_ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION_FROM_ARRAY = 8, RUN = 9, CREATE_SESSION_OPTIONS = 10,
    SET_OPTIMIZATION_LEVEL = 23, SET_INTRA_OP_THREADS = 24, SET_INTER_OP_THREADS = 25,
    CREATE_TENSOR_WITH_DATA = 49, CREATE_CPU_MEMORY_INFO = 69, RELEASE_STATUS = 93, RELEASE_MEMORY_INFO = 94,
    RELEASE_SESSION = 95, RELEASE_VALUE = 96, RELEASE_SESSION_OPTIONS = 100,
};
enum { TENSOR_UINT8 = 2, LOG_ERROR = 3, OPTIMISE_ALL = 99, DEVICE_ALLOCATOR = 0 };

typedef void (*any_fn)(void);
typedef void *status; /* NULL: success */

struct api_base {
    const any_fn *(*get)(uint32_t version);
    const char *(*version)(void);
};

/* One library a process; note: its version, or why there is none. */
static struct { const any_fn *fn; void *env; bool tried; char note[WHY]; } ort;

#define CALL(place, type, ...) ((type)ort.fn[place])(__VA_ARGS__)

static bool good(status s, char *why)
{
    if (!s) return true;
    snprintf(why, WHY, "%.240s", CALL(GET_ERROR_MESSAGE, const char *(*)(status), s));
    CALL(RELEASE_STATUS, void (*)(status), s);
    return false;
}

/* ---- finding and opening it ---- */

static bool find(char *path, size_t size)
{
    static const char ask[] =
        "python3 -c 'import glob, importlib.util as u, os; s = u.find_spec(\"onnxruntime\"); "
        "print(*glob.glob(os.path.dirname(s.origin) + \"/capi/libonnxruntime.so*\") if s else [])' 2>/dev/null";
    const char *said = getenv("QJ_ORT");
    if (said) {
        snprintf(path, size, "%s", said);
        return true;
    }
    FILE *f = popen(ask, "r");
    bool ok = f && fgets(path, (int)size, f);
    if (f) pclose(f);
    if (ok) path[strcspn(path, " \n")] = 0;
    return ok && *path;
}

static void open_library(bool avx2)
{
    char path[4096], *use = path;
    if (!find(path, sizeof path)) {
        snprintf(ort.note, WHY, "not installed (pip install onnxruntime, or QJ_ORT=.../libonnxruntime.so)");
        return;
    }
    if (avx2 && !(use = hold_to_avx2(path, ort.note))) return;
    void *library = dlopen(use, RTLD_NOW | RTLD_LOCAL);
    void *entry = library ? dlsym(library, "OrtGetApiBase") : NULL;
    if (use != path) free(use);
    if (!entry) {
        snprintf(ort.note, WHY, "%.250s", dlerror());
        return;
    }
    const struct api_base *(*base)(void);
    memcpy(&base, &entry, sizeof entry);
    snprintf(ort.note, WHY, "%s", base()->version());
    ort.fn = base()->get(1);
    if (!ort.fn || !good(CALL(CREATE_ENV, status (*)(int, const char *, void **), LOG_ERROR, "bench", &ort.env), ort.note))
        ort.fn = NULL;
}

static bool init(bool avx2, char *note)
{
    if (!ort.tried) open_library(avx2);
    ort.tried = true;
    snprintf(note, WHY, "%s", ort.note);
    return ort.fn;
}

/* ---- a layer ---- */

struct session {
    void *session, *in, *out;           /* OrtSession, OrtValue */
    uint8_t *y;
    size_t size;
};

static void release(void *v)
{
    struct session *p = v;
    if (!p) return;
    if (p->in) CALL(RELEASE_VALUE, void (*)(void *), p->in);
    if (p->out) CALL(RELEASE_VALUE, void (*)(void *), p->out);
    if (p->session) CALL(RELEASE_SESSION, void (*)(void *), p->session);
    free(p->y);
    free(p);
}

static bool open_session(struct session *p, const struct layer *l, const struct data *d, const struct setting *s,
                         bool u8, char *why)
{
    size_t size = 0;
    uint8_t *model = ort_model(l, d, u8, &size);
    void *opt = NULL;
    bool ok =
        model && good(CALL(CREATE_SESSION_OPTIONS, status (*)(void **), &opt), why) &&
        good(CALL(SET_OPTIMIZATION_LEVEL, status (*)(void *, int), opt, OPTIMISE_ALL), why) &&
        good(CALL(SET_INTRA_OP_THREADS, status (*)(void *, int), opt, s->threads), why) &&
        good(CALL(SET_INTER_OP_THREADS, status (*)(void *, int), opt, 1), why) &&
        good(CALL(CREATE_SESSION_FROM_ARRAY, status (*)(void *, const void *, size_t, const void *, void **), ort.env,
                  model, size, opt, &p->session), why);
    if (opt) CALL(RELEASE_SESSION_OPTIONS, void (*)(void *), opt);
    free(model);
    return ok;
}

static bool bind(struct session *p, const struct layer *l, const struct data *d, char *why)
{
    typedef status (*with_data)(const void *info, void *at, size_t bytes, const int64_t *shape, size_t ndim, int type,
                                void **out);
    int64_t x[4] = {l->n, l->h, l->w, l->c}, y[4] = {l->n, layer_oh(l), layer_ow(l), l->o};
    size_t ndim = 4;
    void *info = NULL;
    if (l->dense) {
        memcpy(x, (int64_t[]){l->h, l->c}, 2 * sizeof *x);
        memcpy(y, (int64_t[]){l->h, l->o}, 2 * sizeof *y);
        ndim = 2;
    }
    bool ok = good(CALL(CREATE_CPU_MEMORY_INFO, status (*)(int, int, void **), DEVICE_ALLOCATOR, 0, &info), why) &&
              good(CALL(CREATE_TENSOR_WITH_DATA, with_data, info, d->a, layer_in(l), x, ndim, TENSOR_UINT8, &p->in),
                   why) &&
              good(CALL(CREATE_TENSOR_WITH_DATA, with_data, info, p->y, p->size, y, ndim, TENSOR_UINT8, &p->out), why);
    if (info) CALL(RELEASE_MEMORY_INFO, void (*)(void *), info);
    return ok;
}

static void *prepare(const struct layer *l, const struct data *d, const struct setting *s, bool u8, char *why)
{
    struct session *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->size = layer_out(l);
    p->y = aligned_alloc(64, (p->size + 63) / 64 * 64);
    if (p->y && open_session(p, l, d, s, u8, why) && bind(p, l, d, why)) return p;
    release(p);
    return NULL;
}

static void *prepare_s8(const struct layer *l, const struct data *d, const struct setting *s, char *why)
{
    return prepare(l, d, s, false, why);
}

static void *prepare_u8(const struct layer *l, const struct data *d, const struct setting *s, char *why)
{
    return prepare(l, d, s, true, why);
}

static bool run(void *v)
{
    typedef status (*run_fn)(void *session, const void *options, const char *const *in_names, const void *const *in,
                             size_t nin, const char *const *out_names, size_t nout, void **out);
    struct session *p = v;
    char why[WHY];
    return good(CALL(RUN, run_fn, p->session, NULL, &(const char *){"x"}, (const void *const *)&p->in, 1,
                     &(const char *){"y"}, 1, &p->out), why);
}

static void output(void *v, uint8_t *out)
{
    const struct session *p = v;
    memcpy(out, p->y, p->size);
}

const struct contender ort_s8_contender = {"ort_s8", true, init, prepare_s8, run, output, release};
const struct contender ort_u8_contender = {"ort_u8", true, init, prepare_u8, run, output, release};
