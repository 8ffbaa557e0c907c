/* SPDX-License-Identifier: Apache-2.0 */
/* stress.c - threads that compile, link, call, check, pack, save, cancel and free at random, on contexts of their own, and
 * share kernels, artifacts, packed sets, tensors and a cache on disk. For ThreadSanitizer and AddressSanitizer; a wrong
 * result, an error that nothing explains and a leak are faults in any build.
 *
 *     QJ_STRESS_SECONDS=60 QJ_STRESS_THREADS=8 QJ_SEED=1 build/tsan/tests/stress/stress
 *
 * Afterwards, alone: cycles of compile, call and free, in which memory, open files and mappings must stay as they are
 * (QJ_STRESS_CYCLES). No mapping is ever writable and executable. */
#include <dirent.h>
#include <ftw.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/qjit.h"

enum { THREADS_MAX = 64, SLOTS = 12, PROBLEMS = 6, OWN = 2 };

static atomic_int faults;
#define FAULT(...) \
    do { \
        fprintf(stderr, "stress: " __VA_ARGS__); \
        fputc('\n', stderr); \
        atomic_fetch_add(&faults, 1); \
    } while (0)

static uint64_t next(uint64_t *s)
{
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    return z ^ (z >> 31);
}
static int pick(uint64_t *s, int n) { return (int)(next(s) % (uint64_t)n); }

/* ---- what is computed: Out = f(A * W + B), by plain loops too ---- */

static const struct problem { int m, n, k; bool host; } problem[PROBLEMS] = {
    {5, 24, 36, false}, {16, 16, 64, false}, {3, 40, 17, true}, {1, 56, 20, false}, {33, 8, 9, true}, {8, 32, 128, false}};

static const char *const schedule[] = {
    "",
    "vectorize Out.n",
    "parallel Out.m",
    "split Out.n 8 -> no ni; vectorize Out.ni; compute_at Acc Out.no; unroll Acc.n",
    "cache_read W global as=i16; split Out.n 8 tail=peel -> no ni; vectorize Out.ni; parallel Out.m",
    "compute_at Acc Out.m; parallel Out.m; vectorize Out.n",
    "template",
};

static const char *any_schedule(uint64_t *s) { return schedule[pick(s, (int)(sizeof schedule / sizeof *schedule))]; }

static void add_salt(void *user, void *const *args, void *result)
{
    int32_t x;
    memcpy(&x, args[0], sizeof x);
    x ^= *(int32_t *)user;
    memcpy(result, &x, sizeof x);
}

struct data { qj_tensor *arg[4]; int32_t *want; };

static struct data new_data(const struct problem *p, int32_t salt, uint64_t seed)
{
    struct data d = {.arg = {qj_tensor_new(QJ_U8, 2, (int64_t[]){p->m, p->k}), qj_tensor_new(QJ_I8, 2, (int64_t[]){p->n, p->k}),
                             qj_tensor_new(QJ_I32, 1, (int64_t[]){p->n}), qj_tensor_new(QJ_I32, 2, (int64_t[]){p->m, p->n})}};
    d.want = malloc((size_t)(p->m * p->n) * sizeof *d.want);
    qj_tensor_fill(d.arg[0], seed, 0, 255);
    qj_tensor_fill(d.arg[1], seed + 1, -128, 127);
    qj_tensor_fill(d.arg[2], seed + 2, -100000, 100000);
    for (int m = 0; m < p->m; m++)
        for (int n = 0; n < p->n; n++) {
            int32_t s = ((int32_t *)d.arg[2]->data)[n];
            for (int k = 0; k < p->k; k++)
                s += ((uint8_t *)d.arg[0]->data)[m * p->k + k] * ((int8_t *)d.arg[1]->data)[n * p->k + k];
            d.want[m * p->n + n] = p->host ? s ^ salt : s;
        }
    return d;
}

static void free_data(struct data *d)
{
    for (int i = 0; i < 4; i++) qj_tensor_free(d->arg[i]);
    free(d->want);
}

/* ---- what is shared ---- */

/* Counted: nobody unlinks a kernel that somebody calls. */
struct box {
    atomic_int refs;
    qj_kernel *kernel;
    qj_packed *packed;      /* of `weights`; may be NULL */
    struct data weights;
    int problem;
    int32_t salt;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct box *slot[SLOTS];
static qj_tensor *passed;   /* an export on its way from thread to thread */
static qj_ctx *victim[THREADS_MAX];     /* to be cancelled; guarded by its own lock, so that it stays */
static pthread_mutex_t victim_lock[THREADS_MAX];
static double deadline;
static char dir[64];

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void box_unref(struct box *b)
{
    if (!b || atomic_fetch_sub(&b->refs, 1) != 1) return;
    qj_kernel_free(b->kernel);
    qj_packed_free(b->packed);
    free_data(&b->weights);
    free(b);
}

static struct box *slot_get(int i)
{
    pthread_mutex_lock(&lock);
    struct box *b = slot[i];
    if (b) atomic_fetch_add(&b->refs, 1);
    pthread_mutex_unlock(&lock);
    return b;
}

static void slot_put(int i, struct box *b)
{
    pthread_mutex_lock(&lock);
    struct box *old = slot[i];
    slot[i] = b;
    pthread_mutex_unlock(&lock);
    box_unref(old);
}

/* ---- one thread ---- */

struct worker {
    pthread_t thread;
    int number, nthread;
    uint64_t seed;
    qj_ctx *own[OWN];
    int64_t done[16];
};

/* An error that the test itself may have caused: cancelled, or out of the memory that it left. */
static void excuse(qj_ctx *q, bool small)
{
    const qj_error *e = qj_last_error(q);
    if (!e) FAULT("a failure without an error");
    else if (strcmp(e->code, "cancelled") && !(small && !strcmp(e->code, "out-of-memory"))) FAULT("%s", e->text);
    qj_clear_error(q);
}

static bool define(qj_ctx *q, const struct problem *p, int32_t salt, uint64_t *s, const char *steps)
{
    char text[400];
    snprintf(text, sizeof text, "input A[m:%d, k:%d] : u8; weight W[n:%d, k:%d] : i8; bias B[n:%d] : i32\n"
             "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\nOut[m, n] : i32 = %s",
             p->m, p->k, p->n, p->k, p->n, p->host ? "salted(Acc[m, n] + B[n])" : "Acc[m, n] + B[n]");
    if (!qj_ctx_reset(q)) return false;
    if (p->host) {
        int32_t *own = malloc(sizeof *own);
        *own = salt;
        if (!qj_extern_closure(q, "salted(i32) : i32", add_salt, own, free)) return free(own), false;
    }
    return qj_define(q, text) && qj_target(q, pick(s, 4) ? "native" : "generic") &&
           qj_step(q, steps);
}

static void run(const struct box *b, const struct data *d, const qj_packed *packed)
{
    const struct problem *p = &problem[b->problem];
    char why[200] = "";
    qj_call o = {.size = sizeof o, .packed = packed, .why = why, .why_size = sizeof why};
    if (!qj_kernel_call(b->kernel, d->arg, 4, &o)) FAULT("a call failed: %s", why);
    else if (memcmp(d->arg[3]->data, d->want, (size_t)(p->m * p->n) * 4)) FAULT("wrong result of problem %d", b->problem);
}

static void compile(struct worker *w)
{
    uint64_t *s = &w->seed;
    qj_ctx *q = w->own[pick(s, OWN)];
    struct box *b = calloc(1, sizeof *b);
    b->refs = 1;
    b->problem = pick(s, PROBLEMS);
    b->salt = (int32_t)next(s);
    b->weights = new_data(&problem[b->problem], b->salt, next(s));
    pthread_mutex_lock(&victim_lock[w->number]);
    victim[w->number] = q;
    pthread_mutex_unlock(&victim_lock[w->number]);
    bool ok = define(q, &problem[b->problem], b->salt, s, any_schedule(s)) && (b->kernel = qj_build(q));
    pthread_mutex_lock(&victim_lock[w->number]);
    victim[w->number] = NULL;
    pthread_mutex_unlock(&victim_lock[w->number]);
    if (!ok) {
        excuse(q, false);
        box_unref(b);
        return;
    }
    qj_clear_error(q); /* with a cancel that came late */
    if (pick(s, 2)) b->packed = qj_kernel_pack(b->kernel, b->weights.arg, 4, NULL);
    run(b, &b->weights, NULL);
    slot_put(pick(s, SLOTS), b);
}

static void call(struct worker *w)
{
    struct box *b = slot_get(pick(&w->seed, SLOTS));
    if (!b) return;
    struct data d = new_data(&problem[b->problem], b->salt, next(&w->seed));
    run(b, &d, NULL);
    free_data(&d);
    box_unref(b);
}

/* With weights packed by another thread; inputs and outputs of this one's own. */
static void call_packed(struct worker *w)
{
    struct box *b = slot_get(pick(&w->seed, SLOTS));
    if (b && b->packed) {
        const struct problem *p = &problem[b->problem];
        qj_tensor *out = qj_tensor_new(QJ_I32, 2, (int64_t[]){p->m, p->n});
        struct data d = {.arg = {b->weights.arg[0], b->weights.arg[1], b->weights.arg[2], out}, .want = b->weights.want};
        run(b, &d, b->packed);
        qj_tensor_free(out);
    }
    box_unref(b);
}

static void check(struct worker *w)
{
    struct box *b = slot_get(pick(&w->seed, SLOTS));
    qj_ctx *q = w->own[pick(&w->seed, OWN)];
    if (b && !qj_check(q, b->kernel, NULL)) excuse(q, false);
    box_unref(b);
}

/* The same bytes again, into a linker of this thread. */
static void relink(struct worker *w)
{
    struct box *b = slot_get(pick(&w->seed, SLOTS));
    qj_ctx *q = w->own[pick(&w->seed, OWN)];
    if (b && !problem[b->problem].host) {
        struct box twin = {.kernel = qj_link(q, qj_kernel_artifact(b->kernel)), .problem = b->problem, .salt = b->salt};
        if (!twin.kernel) excuse(q, false);
        else call_packed(w);
        qj_kernel_free(twin.kernel);
    }
    box_unref(b);
}

static void save(struct worker *w)
{
    struct box *b = slot_get(pick(&w->seed, SLOTS));
    qj_ctx *q = w->own[pick(&w->seed, OWN)];
    char path[100];
    snprintf(path, sizeof path, "%s/k%d", dir, pick(&w->seed, 3)); /* others write the same files */
    if (b && !qj_artifact_save(q, qj_kernel_artifact(b->kernel), path)) excuse(q, false);
    if (b) {
        char *h = qj_artifact_header(qj_kernel_artifact(b->kernel)), *j = qj_artifact_json(qj_kernel_artifact(b->kernel));
        if (!h || !j) FAULT("no text of an artifact");
        qj_free(h), qj_free(j);
    }
    box_unref(b);
}

static void cancel(struct worker *w)
{
    int i = pick(&w->seed, w->nthread);
    pthread_mutex_lock(&victim_lock[i]);
    if (victim[i]) qj_cancel(victim[i]);
    pthread_mutex_unlock(&victim_lock[i]);
}

static void unlink_one(struct worker *w) { slot_put(pick(&w->seed, SLOTS), NULL); }

static void list(struct worker *w)
{
    struct box *b = slot_get(pick(&w->seed, SLOTS));
    qj_ctx *q = w->own[pick(&w->seed, OWN)];
    qj_listing *l = b ? qj_disassemble(q, b->kernel) : NULL;
    if (b && !l) excuse(q, false);
    qj_listing_free(l);
    box_unref(b);
}

static void told(void *user, const char *code, const char *text)
{
    if (!strcmp(code, "cache")) FAULT("the cache is not used: %s", text);
}

/* Every second one with the cache that all share, a few with a compiler process. */
static qj_ctx *new_context(struct worker *w)
{
    const char *program = getenv("QJIT");
    qj_options o = {.size = sizeof o, .cache_bytes = 1 << 19, .log = told}; /* small: what is old goes */
    char cache[100];
    snprintf(cache, sizeof cache, "%s/cache", dir);
    if (pick(&w->seed, 2)) o.cache_dir = cache;
    if (program && *program && !pick(&w->seed, 8)) o.isolate = true, o.worker = program;
    return qj_ctx_new(&o);
}

/* A context as new: its linker goes while its kernels are called elsewhere. */
static void renew(struct worker *w)
{
    int i = pick(&w->seed, OWN);
    qj_ctx_free(w->own[i]);
    w->own[i] = new_context(w);
}

static void mistakes(struct worker *w)
{
    qj_options o = {.size = sizeof o, .memory_limit = 16384u << pick(&w->seed, 8)};
    qj_ctx *q = qj_ctx_new(&o);
    if (define(q, &problem[pick(&w->seed, PROBLEMS)], 1, &w->seed, any_schedule(&w->seed))) {
        qj_artifact *a = qj_compile(q, (qj_format)pick(&w->seed, 4));
        qj_artifact_free(a);
    }
    if (qj_last_error(q)) excuse(q, true);
    if (qj_define(q, "input A[4 : u8") || !qj_last_error(q)) FAULT("nonsense is accepted");
    qj_ctx_free(q);
}

/* One thread makes a tensor and exports it, another takes it in and lets it go. */
static void pass_tensor(struct worker *w)
{
    qj_tensor *t = qj_tensor_new(QJ_I32, 1, (int64_t[]){64});
    qj_tensor_fill(t, next(&w->seed), 7, 7);
    struct DLManagedTensor *m = qj_tensor_to_dlpack(t);
    qj_tensor *in = qj_tensor_from_dlpack(m);
    qj_tensor_free(t);
    pthread_mutex_lock(&lock);
    qj_tensor *old = passed;
    passed = in;
    pthread_mutex_unlock(&lock);
    if (old && ((int32_t *)qj_tensor_data(old))[63] != 7) FAULT("a tensor has changed on its way");
    qj_tensor_free(old);
}

static const struct { const char *name; void (*run)(struct worker *w); int weight; } deed[] = {
    {"compile", compile, 8}, {"call", call, 20}, {"packed", call_packed, 10}, {"check", check, 2}, {"relink", relink, 3},
    {"save", save, 2}, {"cancel", cancel, 2}, {"unlink", unlink_one, 2}, {"list", list, 1}, {"renew", renew, 1},
    {"mistakes", mistakes, 2}, {"tensors", pass_tensor, 4}};
enum { DEEDS = sizeof deed / sizeof *deed };

static void *work(void *u)
{
    struct worker *w = u;
    int total = 0;
    for (int i = 0; i < DEEDS; i++) total += deed[i].weight;
    for (int i = 0; i < OWN; i++) w->own[i] = new_context(w);
    while (now() < deadline && !faults) {
        int at = pick(&w->seed, total), i = 0;
        while (at >= deed[i].weight) at -= deed[i++].weight;
        deed[i].run(w);
        w->done[i]++;
    }
    for (int i = 0; i < OWN; i++) qj_ctx_free(w->own[i]);
    return NULL;
}

/* ---- the process ---- */

static long resident_kb(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2) resident = 0;
    if (f) fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int count_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

/* Counts mappings; one that is writable and executable is a fault. */
static int count_maps(void)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[600];
    int n = 0;
    while (f && fgets(line, sizeof line, f)) {
        n++;
        if (strstr(line, " rwx")) FAULT("writable and executable: %s", line);
    }
    if (f) fclose(f);
    return n;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 1 };
#else
enum { SLOW = 0 };
#endif

static void cycles(int n)
{
    long kb = 0;
    int files = 0, maps = 0;
    uint64_t seed = 1;
    qj_ctx *q = qj_ctx_new(NULL);
    for (int i = 0; i < n; i++) {
        struct box b = {.problem = i & 2, .salt = i}; /* half of them with a function of the host's */
        if (i % 100 == 0) {
            qj_ctx_free(q);
            q = qj_ctx_new(NULL);
        }
        b.weights = new_data(&problem[b.problem], i, next(&seed));
        if (define(q, &problem[b.problem], i, &seed, "parallel Out.m") && (b.kernel = qj_build(q))) run(&b, &b.weights, NULL);
        else excuse(q, false);
        qj_kernel_free(b.kernel);
        free_data(&b.weights);
        if (i == n / 4) kb = resident_kb(), files = count_files(), maps = count_maps();
    }
    int more_files = count_files() - files, more_maps = count_maps() - maps;
    double growth = (double)(resident_kb() - kb) * 1024 / (n - n / 4.);
    qj_ctx_free(q);
    printf("%d cycles: %.0f bytes a cycle, %d files and %d mappings more\n", n, growth, more_files, more_maps);
    if (more_files) FAULT("files stay open");
    if (!SLOW && more_maps > 8) FAULT("mappings stay");
    if (!SLOW && growth * (n - n / 4.) > (4 << 20) && growth > 512) FAULT("memory stays");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }

static int setting(const char *name, int otherwise) { return getenv(name) ? atoi(getenv(name)) : otherwise; }

int main(void)
{
    static struct worker w[THREADS_MAX];
    int n = setting("QJ_STRESS_THREADS", 8), seconds = setting("QJ_STRESS_SECONDS", 3), seed = setting("QJ_SEED", 1);
    if (n < 1 || n > THREADS_MAX) n = 8;
    snprintf(dir, sizeof dir, "stress.%ld", (long)getpid());
    if (mkdir(dir, 0700)) return perror(dir), 1;
    deadline = now() + seconds;
    qj_set_threads(3);
    for (int i = 0; i < n; i++) pthread_mutex_init(&victim_lock[i], NULL);
    for (int i = 0; i < n; i++) {
        w[i] = (struct worker){.number = i, .nthread = n, .seed = (uint64_t)seed * 1000 + (uint64_t)i};
        if (pthread_create(&w[i].thread, NULL, work, &w[i])) return perror("pthread_create"), 1;
    }
    while (now() < deadline && !faults) {
        usleep(200000);
        count_maps();
    }
    for (int i = 0; i < n; i++) pthread_join(w[i].thread, NULL);
    for (int i = 0; i < SLOTS; i++) slot_put(i, NULL);
    qj_tensor_free(passed);
    printf("QJ_SEED=%d, %d threads, %d s:", seed, n, seconds);
    for (int i = 0; i < DEEDS; i++) {
        int64_t all = 0;
        for (int t = 0; t < n; t++) all += w[t].done[i];
        printf(" %s %" PRId64, deed[i].name, all);
    }
    printf("\n");
    if (!faults) cycles(setting("QJ_STRESS_CYCLES", SLOW ? 20 : 100));
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS)) FAULT("%s cannot be removed", dir);
    return faults != 0;
}
