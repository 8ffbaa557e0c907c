/* SPDX-License-Identifier: Apache-2.0 */
/* A host that makes the kernel it needs when it knows the shape: a convolution whose extents are on the command line.
 *
 *     embed HEIGHT WIDTH CHANNELS OUTPUTS [KERNEL [STRIDE]]
 *
 * The life of a kernel in a host: describe the layer, let a template schedule it, build, pack the weights once, call many
 * times, check. What goes wrong is a value with a text; nothing here ends the process but its own return. */
#include <inttypes.h>
#include <qjit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ARGS = 8 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int failed(qj_ctx *q)
{
    const qj_error *e = qj_last_error(q); /* code, message, hint and place apart, or all of it as text */
    fputs(e->text, stderr);
    return 1;
}

/* One tensor for each argument of a call, filled: inputs and weights with values of their ranges. */
static bool make_args(const qj_kernel *k, qj_tensor **t, int n)
{
    for (int i = 0; i < n; i++) {
        qj_arg a;
        qj_kernel_arg(k, i, &a);
        t[i] = qj_tensor_new(a.dtype, a.ndim, a.shape);
        if (!t[i]) return false;
        if (a.role == QJ_ROLE_OUTPUT) continue;
        if (a.dtype == QJ_F32) qj_tensor_fill(t[i], 7, 0, 1);       /* the scale */
        else if (a.dtype == QJ_I32) qj_tensor_fill(t[i], 7, -1000, 1000);   /* the bias */
        else qj_tensor_fill(t[i], 7 + (uint64_t)i, a.lo, a.hi);
    }
    return true;
}

/* Calls of a serving loop: weights packed before, workspace kept, nothing allocated. */
static bool serve(const qj_kernel *k, qj_tensor **t, int n, int calls)
{
    char why[200] = "";
    qj_call call = {.size = sizeof call, .why = why, .why_size = sizeof why};
    int64_t bytes = qj_kernel_workspace(k);
    void *workspace = bytes ? aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64) : NULL;
    qj_packed *packed = qj_kernel_pack(k, t, n, &call);
    call.packed = packed;
    call.workspace = workspace;
    bool ok = packed && (workspace || !bytes);
    for (int i = 0; ok && i < calls; i++) ok = qj_kernel_call(k, t, n, &call);
    if (!ok) fprintf(stderr, "call: %s\n", *why ? why : "no memory");
    qj_packed_free(packed);
    free(workspace);
    return ok;
}

static int use(qj_ctx *q, const qj_kernel *k)
{
    qj_tensor *t[MAX_ARGS] = {NULL};
    qj_check_report r = {.size = sizeof r};
    int n = qj_kernel_nargs(k), calls = 20;
    bool ok = n <= MAX_ARGS && make_args(k, t, n);
    double before = now_ms();
    ok = ok && serve(k, t, n, calls);
    double each = (now_ms() - before) / calls;
    for (int i = 0; i < MAX_ARGS; i++) qj_tensor_free(t[i]);
    if (!ok) return 1;
    if (!qj_check(q, k, &r)) return failed(q); /* the bits, against the definition, on data that hide nothing */
    printf("%.3f ms a call; %" PRId64 " outputs compared, %" PRId64 " different\n", each, r.compared, r.different);
    return 0;
}

static void tell(void *user, const char *code, const char *text)
{
    (void)user;
    fprintf(stderr, "note: %s [%s]\n", text, code);
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 7) return fprintf(stderr, "usage: %s HEIGHT WIDTH CHANNELS OUTPUTS [KERNEL [STRIDE]]\n", argv[0]), 2;
    char layer[512];
    const char *kernel = argc > 5 ? argv[5] : "1", *stride = argc > 6 ? argv[6] : "1";
    int length = snprintf(layer, sizeof layer, "h=%s w=%s c=%s o=%s k=%s stride=%s", argv[1], argv[2], argv[3], argv[4], kernel, stride);
    if (length >= (int)sizeof layer) return fprintf(stderr, "numbers that long are no extents\n"), 2;

    qj_options options = {.size = sizeof options, .memory_limit = (size_t)256 << 20, .log = tell};
    qj_ctx *q = qj_ctx_new(&options);
    if (!q) return fprintf(stderr, "no memory\n"), 1;
    double before = now_ms();
    qj_layer(q, "conv2d", layer); /* the first error sticks, so a chain needs one check */
    qj_template(q, "");
    qj_kernel *k = qj_build(q);
    int rc;
    if (k) {
        char *steps = qj_steps_text(q);
        printf("%s on %s: built in %.1f ms, %d steps\n", layer, qj_target_name(q), now_ms() - before, qj_nsteps(q));
        if (steps && getenv("STEPS")) fputs(steps, stdout);
        qj_free(steps);
        rc = use(q, k);
    } else {
        rc = failed(q);
    }
    qj_kernel_free(k);
    qj_ctx_free(q);
    return rc;
}
