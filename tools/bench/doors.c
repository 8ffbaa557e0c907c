/* SPDX-License-Identifier: Apache-2.0 */
/* doors.c - what a host pays at each door, as a table: how large an object is, how long until a kernel's first call, and
 * what a call costs through each entry. Best of many, so that a busy machine reads as an idle one.
 *
 *     doors              the table, in Markdown
 *     doors 40           best of 40 instead of 12 for what takes milliseconds
 *
 * "First of a process" is measured in a child forked before LLVM is touched: what a host sees that starts and needs a
 * kernel. It has the libraries' pages and no more. "Warm" is such a child that finds choice and object in a cache on disk,
 * which another child filled. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/call.h"
#include "runtime/qjit.h"

static const struct layer_row { const char *name, *kind, *words; } rows[] = {
    {"conv_56: 3x3, 56x56, 64 to 64, requantised", "conv2d", "h=56 w=56 c=64 o=64 k=3 pad=1"},
    {"conv 1x1, 28x28, 256 to 128, requantised", "conv2d", "h=28 w=28 c=256 o=128"},
    {"dense_512: 512x512x512, i32 out", "dense", "m=512 n=512 k=512 to=i32 bias=none"},
    {"depthwise_56: 3x3, 128 channels, requantised", "depthwise", "h=56 w=56 c=128 k=3 pad=1"},
};
enum { ROWS = sizeof rows / sizeof *rows };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double least(double a, double b) { return a < b ? a : b; }

static void fail(qj_ctx *q)
{
    const qj_error *e = qj_last_error(q);
    fprintf(stderr, "doors: %s", e ? e->text : "no memory\n");
    exit(1);
}

struct report { double ms, link_ms; size_t size; };

/* Context, definitions, template, compile, link. cache: a directory, NULL: none. */
static struct report to_first_call(const struct layer_row *r, const char *cache)
{
    qj_options o = {.size = sizeof o, .cache_dir = cache};
    struct report got;
    double before = now_ms();
    qj_ctx *q = qj_ctx_new(&o);
    qj_target(q, "x86-64-v3");
    qj_layer(q, r->kind, r->words);
    qj_template(q, "");
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    double compiled = now_ms();
    qj_kernel *k = a ? qj_link(q, a) : NULL;
    double linked = now_ms();
    if (!k || !qj_kernel_entry(k)) fail(q);
    got.ms = linked - before;
    got.link_ms = linked - compiled;
    qj_artifact_bytes(a, &got.size);
    qj_kernel_free(k);
    qj_artifact_free(a);
    qj_ctx_free(q);
    return got;
}

/* The same in a process that has compiled nothing yet. */
static struct report in_child(const struct layer_row *r, const char *cache)
{
    int end[2];
    struct report got = {0};
    if (pipe(end)) perror("doors"), exit(1);
    pid_t child = fork();
    if (child == 0) {
        got = to_first_call(r, cache);
        _exit(write(end[1], &got, sizeof got) == sizeof got ? 0 : 1);
    }
    close(end[1]);
    int status = 1;
    bool ok = child > 0 && read(end[0], &got, sizeof got) == sizeof got && waitpid(child, &status, 0) == child && !status;
    close(end[0]);
    if (!ok) fprintf(stderr, "doors: a child failed\n"), exit(1);
    return got;
}

static struct report best_in_child(const struct layer_row *r, const char *cache, int times)
{
    struct report best = in_child(r, cache);
    for (int n = 1; n < times; n++) {
        struct report got = in_child(r, cache);
        best.ms = least(best.ms, got.ms);
        best.link_ms = least(best.link_ms, got.link_ms);
    }
    return best;
}

/* What is under it goes too. */
static void remove_dir(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) unlinkat(dirfd(d), e->d_name, 0);
    if (d) closedir(d);
    rmdir(path);
}

static void print_latency(int times)
{
    char dir[] = "/tmp/qjit-doors-XXXXXX";
    struct report first[ROWS], warm[ROWS];
    if (!mkdtemp(dir)) perror("doors"), exit(1);
    for (int i = 0; i < ROWS; i++) { /* all children before this process compiles anything */
        first[i] = best_in_child(&rows[i], NULL, times);
        in_child(&rows[i], dir);
        warm[i] = best_in_child(&rows[i], dir, 4 * times);
    }
    remove_dir(dir);
    puts("| layer, target x86-64-v3, by template | object, bytes | first kernel of a process, ms | further kernels, ms | warm cache, "
         "new process: context to callable kernel, ms | of that, linking, ms |\n|---|--:|--:|--:|--:|--:|");
    for (int i = 0; i < ROWS; i++) {
        double again = to_first_call(&rows[i], NULL).ms;
        for (int n = 0; n < times; n++) again = least(again, to_first_call(&rows[i], NULL).ms);
        printf("| %s | %zu | %.1f | %.1f | %.2f | %.3f |\n", rows[i].name, first[i].size, first[i].ms, again, warm[i].ms, warm[i].link_ms);
    }
}

/* ---- a call ---- */

/* A kernel of next to no work, so that what is measured is the way to it. */
struct call { const qj_kernel *k; qj_tensor *args[2]; void *arg[2]; qj_call options; };
typedef int plain_fn(const uint8_t *, uint8_t *);
typedef int uniform_fn(void **);

static void direct(struct call *c, int n)
{
    plain_fn *f = (plain_fn *)qj_kernel_entry(c->k);
    for (int i = 0; i < n; i++) f(c->arg[0], c->arg[1]);
}

static void uniform(struct call *c, int n)
{
    uniform_fn *f = (uniform_fn *)qj_kernel_call_entry(c->k);
    for (int i = 0; i < n; i++) f(c->arg);
}

static void checked(struct call *c, int n)
{
    for (int i = 0; i < n; i++)
        if (!qj_kernel_call(c->k, c->args, 2, &c->options)) exit(1);
}

static void by_libffi(struct call *c, int n)
{
    int rc;
    for (int i = 0; i < n; i++) call_plain(qj_kernel_entry(c->k), 2, c->arg, &rc);
}

static double ns_of(void (*way)(struct call *c, int n), struct call *c)
{
    enum { CALLS = 20000, WINDOWS = 200 };
    double best = 1e9;
    way(c, CALLS);
    for (int w = 0; w < WINDOWS; w++) {
        double before = now_ms();
        way(c, CALLS);
        best = least(best, (now_ms() - before) * 1e6 / CALLS);
    }
    return best;
}

static void print_calls(void)
{
    int64_t shape[] = {16};
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[m:16] : u8; B[m] : u8 = A[m] ^ 255");
    qj_step(q, "vectorize B.m");
    struct call c = {.k = qj_build(q), .args = {qj_tensor_new(QJ_U8, 1, shape), qj_tensor_new(QJ_U8, 1, shape)}};
    if (!c.k || !c.args[0] || !c.args[1]) fail(q);
    c.options.size = sizeof c.options;
    for (int i = 0; i < 2; i++) c.arg[i] = qj_tensor_data(c.args[i]);
    static const struct { const char *name; void (*way)(struct call *c, int n); } ways[] = {
        {"`qj_kernel_entry`: a plain C pointer, as the header declares it", direct},
        {"`qj_kernel_call_entry`: the same, arguments in an array", uniform},
        {"`qj_kernel_call`: tensors, every one checked", checked},
        {"libffi, argument types known only when it runs", by_libffi},
    };
    puts("\n| a call of a kernel that does next to nothing | ns |\n|---|--:|");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) printf("| %s | %.1f |\n", ways[i].name, ns_of(ways[i].way, &c));
    qj_tensor_free(c.args[0]);
    qj_tensor_free(c.args[1]);
    qj_kernel_free((qj_kernel *)(uintptr_t)c.k);
    qj_ctx_free(q);
}

int main(int argc, char **argv)
{
    int times = argc > 1 ? atoi(argv[1]) : 12;
    struct stat st;
    if (argc > 2 || times < 1) return fprintf(stderr, "usage: doors [TIMES]\n"), 2;
    print_latency(times);
    print_calls();
    if (!stat(DOORS_QJRT, &st)) printf("\nlibqjrt.so, the thread pool: %lld bytes; an object that has no parallel loop needs none\n", (long long)st.st_size);
    return 0;
}
