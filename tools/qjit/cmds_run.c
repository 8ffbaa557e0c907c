/* SPDX-License-Identifier: Apache-2.0 */
/* cmds_run.c - commands that compile and run: check time emit run. */
#include <stdlib.h>

#include "ir/ir.h"
#include "tools/qjit/cmds.h"

_Static_assert((int)QJ_F32 == (int)DT_F32 && (int)QJ_U8 == (int)DT_U8, "the public element types are ours, in order");

/* ---- check, time ---- */

/* The slow paths of the code: told once for each schedule, and facts of every result. */
static void put_notes(struct session *s, const qj_artifact *a)
{
    struct out *o = s->out;
    qj_note n;
    out_open(o, "notes", '[');
    for (int i = 0; qj_artifact_note(a, i, &n); i++) {
        if (!s->noted) out_note(o, "%s [%s]", n.text, n.code);
        out_open(o, NULL, '{');
        out_str(o, "code", n.code);
        out_str(o, "place", n.place);
        out_str(o, "text", n.text);
        out_close(o);
    }
    out_close(o);
    s->noted = true;
}

bool cmd_check(struct session *s, const struct words *arg)
{
    bool emulate = arg->n > 1;
    if (emulate && (arg->n > 2 || strcmp(arg->at[1].text, "emulate"))) {
        fail_at(s, ERR_SYNTAX, &arg->at[1], "`check` takes nothing, or the word emulate");
        return false;
    }
    const qj_kernel *k = emulate ? NULL : session_kernel(s);
    struct out *o = s->out;
    if (!k && !emulate) return false;
    qj_check_report r = {.size = sizeof r};
    bool exact = emulate ? session_emulate(s, &r) : qj_check(s->q, k, &r);
    const qj_error *e = qj_last_error(s->q);
    if (!exact && e && strcmp(e->code, err_name(ERR_MISMATCH))) return session_ok(s);
    out_bool(o, "exact", exact);
    out_int(o, "compared", r.compared);
    out_int(o, "different", r.different);
    out_int(o, "patterns", r.patterns);
    out_bool(o, "every_element", r.every);
    if (emulate) out_bool(o, "emulated", true);
    if (exact)
        fprintf(o->text, "exact%s: %lld outputs under %d patterns of data, %s\n", emulate ? " in an emulator" : "",
                (long long)r.compared, r.patterns, r.every ? "every element" : "a sample with all corners");
    return session_ok(s);
}

bool cmd_time(struct session *s, const struct words *arg)
{
    double budget = 100;
    char *end;
    if (arg->n > 1) {
        if (!one_argument(s, arg, "a number of milliseconds")) return false;
        budget = strtod(arg->at[1].text, &end);
        if (*end || !(budget >= 1 && budget <= 600000))
            return fail_at(s, ERR_SYNTAX, &arg->at[1], "`%s` is no number of milliseconds from 1 to 600000", arg->at[1].text);
    }
    const qj_kernel *k = session_kernel(s);
    struct out *o = s->out;
    if (!k) return false;
    qj_timing t = {.size = sizeof t};
    if (!qj_time(s->q, k, NULL, 0, budget, &t)) return session_ok(s);
    double ceiling = t.ceiling * (t.threads > 1 ? t.threads : 1), share = ceiling > 0 ? t.mac_per_cycle / ceiling : 0;
    fprintf(o->text, "%.4g ms (median %.4g ms, %d windows)", t.best_ms, t.median_ms, t.windows);
    if (t.macs) fprintf(o->text, "  %.4g GMAC/s", t.gmacs);
    if (t.macs && t.mac_per_cycle > 0) fprintf(o->text, "  %.3g MAC/cycle at %.2f GHz", t.mac_per_cycle, t.ghz);
    fputc('\n', o->text);
    if (t.macs && share > 0)
        fprintf(o->text, "%.3g %% of the ceiling: %.3g MAC/cycle by %s on %d thread%s\n", 100 * share, ceiling, t.row,
                t.threads, t.threads == 1 ? "" : "s");
    if (t.noisy) out_note(o, "noisy: the spread over windows is %.0f %%; something else is running", 100 * t.spread);
    out_num(o, "ms", t.best_ms);
    out_num(o, "ms_median", t.median_ms);
    out_num(o, "spread", t.spread);
    out_bool(o, "noisy", t.noisy);
    out_int(o, "runs", t.windows);
    out_int(o, "macs", t.macs);
    out_num(o, "gmacs", t.gmacs);
    if (t.ghz > 0) out_num(o, "mac_per_cycle", t.mac_per_cycle);
    if (t.ghz > 0) out_num(o, "ghz", t.ghz);
    if (ceiling > 0) out_num(o, "ceiling_mac_per_cycle", ceiling);
    if (ceiling > 0) out_str(o, "ceiling_intrinsic", t.row);
    if (share > 0) out_num(o, "share", share);
    out_int(o, "threads", t.threads);
    put_notes(s, qj_kernel_artifact(k));
    return session_ok(s);
}

/* ---- emit ---- */

static const struct format { const char *ext; qj_format format; } formats[] = {
    {".o", QJ_OBJ}, {".s", QJ_ASM}, {".ll", QJ_LL}, {".bc", QJ_BC}, {".ptx", QJ_PTX}, {".cubin", QJ_CUBIN},
};

/* The object with its header and metadata: one set where the library names them itself. */
static bool save_object(struct session *s, const qj_artifact *a, const char *stem, const char *own)
{
    const char *slash = strrchr(stem, '/'), *base = slash ? slash + 1 : stem;
    if (!strchr(base, '.')) return qj_artifact_save(s->q, a, stem);
    char path[4096];
    const char *const ext[] = {own, ".h", ".json"}; /* what tells the others last, as in a set */
    for (size_t i = 0; i < ARRAY_LEN(ext); i++) {
        snprintf(path, sizeof path, "%s%s", stem, ext[i]);
        if (!qj_artifact_save(s->q, a, path)) return false;
    }
    return true;
}

/* targets: those of one object of several versions; ntarget 0: the session's alone. */
static bool emit_to(struct session *s, const struct word *w, const char *path, int ntarget, const char *const *targets)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    const struct format *f = NULL;
    struct out *o = s->out;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (dot && (!slash || dot > slash + 1) && !strcmp(dot, formats[i].ext)) f = &formats[i];
    if (!f) {
        fail_at(s, ERR_FILE, w, "what to write is told by the extension, and %s has none that says so", path);
        err_hint(&s->err, "FILE.o, FILE.ptx or FILE.cubin (with .h and .json beside it), FILE.s, FILE.ll or FILE.bc");
        return false;
    }
    if (strlen(path) > 3000) return fail_at(s, ERR_FILE, w, "a path of %zu characters", strlen(path));
    qj_artifact *a = ntarget ? qj_compile_versions(s->q, ntarget, targets, f->format) : qj_compile(s->q, f->format);
    if (!a) return session_ok(s);
    char stem[4096];
    snprintf(stem, sizeof stem, "%.*s", (int)(dot - path), path);
    bool object = f->format == QJ_OBJ || f->format == QJ_PTX || f->format == QJ_CUBIN;
    if (object) save_object(s, a, stem, f->ext);
    else qj_artifact_save(s->q, a, path);
    size_t size = 0;
    qj_artifact_bytes(a, &size);
    bool ok = session_ok(s);
    if (ok) {
        char *beside = NULL;
        out_str(o, "file", path);
        out_str(o, "kernel", qj_artifact_name(a));
        out_str(o, "target", qj_target_name(s->q));
        out_int(o, "bytes", (int64_t)size);
        if (object && asprintf(&beside, "%s.h", stem) >= 0) out_str(o, "header", beside);
        free(beside);
        beside = NULL;
        if (object && asprintf(&beside, "%s.json", stem) >= 0) out_str(o, "metadata", beside);
        free(beside);
        out_talk(o, object ? "wrote %s, .h and .json: %s%s(...)" : "wrote %s: %s%s(...)", path,
                 f->format != QJ_OBJ && object ? "kernels of " : "int ", qj_artifact_name(a));
        put_notes(s, a);
    } else {
        place_error(s, word_span(s, w));
    }
    qj_artifact_free(a);
    return ok;
}

bool cmd_emit(struct session *s, const struct words *arg)
{
    const char *targets[WORDS_MAX];
    char path[128];
    int file = arg->n > 1 && strcmp(arg->at[1].text, "for"), n = 0;
    if (arg->n > 1 + file) {
        if (strcmp(arg->at[1 + file].text, "for") || arg->n == 2 + file) {
            fail_at(s, ERR_SYNTAX, &arg->at[1 + file], "after the name of a file comes `for` and the targets of one object");
            return err_hint(&s->err, "emit k.o for x86-64 x86-64-v3 x86-64-v4,+avx512vnni"), false;
        }
        for (int i = 2 + file; i < arg->n; i++) targets[n++] = arg->at[i].text;
    }
    snprintf(path, sizeof path, "%s.o", s->kernel_name ? s->kernel_name : "kernel");
    return emit_to(s, &arg->at[file], file ? arg->at[1].text : path, n, targets);
}

/* ---- run ---- */

enum { ARGS_MAX = 1100 };      /* more than PARSE_MAX_TENSORS: a kernel cannot have them all */

struct running {
    int n;
    qj_arg arg[ARGS_MAX];
    qj_tensor *tensor[ARGS_MAX];
    const struct word *word[ARGS_MAX];
    const char *path[ARGS_MAX];
};

static int argument_named(const struct running *r, const char *name, size_t len)
{
    int only = -1, outputs = 0;
    for (int i = 0; i < r->n; i++) {
        if (strlen(r->arg[i].name) == len && !memcmp(r->arg[i].name, name, len)) return i;
        if (r->arg[i].role == QJ_ROLE_OUTPUT) only = i, outputs++;
    }
    return outputs == 1 && len == 3 && !memcmp(name, "out", 3) ? only : -1; /* `out=`: the one there is */
}

static bool pair_up(struct session *s, struct running *r, const struct words *arg)
{
    for (int i = 1; i < arg->n; i++) {
        const struct word *w = &arg->at[i];
        const char *eq = strchr(w->text, '=');
        if (!eq || eq == w->text || !eq[1]) return fail_at(s, ERR_ARGUMENT, w, "`%s` is not NAME=FILE.npy", w->text);
        int k = argument_named(r, w->text, (size_t)(eq - w->text));
        if (k < 0) {
            const char *names[ARGS_MAX];
            char name[128];
            snprintf(name, sizeof name, "%.*s", (int)(eq - w->text), w->text);
            for (int j = 0; j < r->n; j++) names[j] = r->arg[j].name;
            fail_at(s, ERR_ARGUMENT, w, "the kernel has no argument `%s`", name);
            const char *near = err_suggest(name, names, (size_t)r->n);
            if (near) err_hint(&s->err, "did you mean `%s`?", near);
            return false;
        }
        if (r->path[k]) return fail_at(s, ERR_ARGUMENT, w, "`%s` is given twice", r->arg[k].name);
        r->path[k] = eq + 1;
        r->word[k] = w;
    }
    for (int k = 0; k < r->n; k++)
        if (!r->path[k] && r->arg[k].role != QJ_ROLE_OUTPUT) {
            fail_at(s, ERR_ARGUMENT, NULL, "the kernel needs `%s`", r->arg[k].name);
            err_hint(&s->err, "add %s=FILE.npy", r->arg[k].name);
            return false;
        }
    return true;
}

static bool same_shape(const qj_tensor *t, int n, const int64_t *shape)
{
    return t->ndim == n && (n == 0 || !memcmp(t->shape, shape, (size_t)n * sizeof *shape));
}

static const char *shape_text(char *buf, size_t size, int n, const int64_t *shape)
{
    size_t at = (size_t)snprintf(buf, size, "[");
    for (int i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%lld", i ? ", " : "", (long long)shape[i]);
    if (at < size) snprintf(buf + at, size - at, "]");
    return buf;
}

/* A file for argument k, in the layout the kernel wants. */
static bool load_argument(struct session *s, struct running *r, const qj_kernel *k, int i)
{
    const qj_arg *a = &r->arg[i];
    const struct word *w = r->word[i];
    char has[256], wants[256];
    qj_dtype dt;
    qj_tensor *t = qj_tensor_load_npy(s->q, r->path[i]);
    if (!t) {
        session_ok(s);
        place_error(s, word_span(s, w));
        return false;
    }
    r->tensor[i] = t;
    if (!qj_tensor_dtype(t, &dt) || dt != a->dtype)
        return fail_at(s, ERR_NPY, w, "%s has elements of another type than %s, which is %s", r->path[i], a->name,
                       dtype_info[a->dtype].name);
    bool physical = a->layout && same_shape(t, a->nphys, a->phys);
    if (!physical && !same_shape(t, a->ndim, a->shape))
        return fail_at(s, ERR_NPY, w, "%s has shape %s, but %s is %s", r->path[i],
                       shape_text(has, sizeof has, t->ndim, t->shape), a->name,
                       shape_text(wants, sizeof wants, a->ndim, a->shape));
    if (!a->layout || physical) return true;
    r->tensor[i] = qj_to_layout(k, i, t);
    qj_tensor_free(t);
    return r->tensor[i] || fail_at(s, ERR_MEMORY, w, "no memory for %s", a->name);
}

static bool store_output(struct session *s, struct running *r, const qj_kernel *k, int i)
{
    const qj_arg *a = &r->arg[i];
    struct out *o = s->out;
    char shape[256];
    if (a->role != QJ_ROLE_OUTPUT || !r->path[i]) return true;
    if (a->layout) {
        qj_tensor *plain = qj_from_layout(k, i, r->tensor[i]);
        if (!plain) return fail_at(s, ERR_MEMORY, r->word[i], "no memory for %s", a->name);
        qj_tensor_free(r->tensor[i]);
        r->tensor[i] = plain;
    }
    if (!qj_tensor_save_npy(s->q, r->tensor[i], r->path[i])) {
        session_ok(s);
        place_error(s, word_span(s, r->word[i]));
        return false;
    }
    out_talk(o, "wrote %s: %s %s", r->path[i], dtype_info[a->dtype].name, shape_text(shape, sizeof shape, a->ndim, a->shape));
    out_open(o, NULL, '{');
    out_str(o, "name", a->name);
    out_str(o, "file", r->path[i]);
    out_str(o, "dtype", dtype_info[a->dtype].name);
    out_open(o, "shape", '<');
    for (int d = 0; d < a->ndim; d++) out_int(o, NULL, a->shape[d]);
    out_close(o);
    out_close(o);
    return true;
}

static bool call_on_files(struct session *s, struct running *r, const qj_kernel *k, const struct words *arg)
{
    if (!pair_up(s, r, arg)) return false;
    for (int i = 0; i < r->n; i++) {
        const qj_arg *a = &r->arg[i];
        if (a->role != QJ_ROLE_OUTPUT) {
            if (!load_argument(s, r, k, i)) return false;
            continue;
        }
        r->tensor[i] = a->layout ? qj_tensor_new(a->dtype, a->nphys, a->phys) : qj_tensor_new(a->dtype, a->ndim, a->shape);
        if (!r->tensor[i]) return fail_at(s, ERR_MEMORY, NULL, "no memory for %s", a->name);
    }
    char why[512] = "";
    qj_call call = {.size = sizeof call, .why = why, .why_size = sizeof why};
    if (!qj_kernel_call(k, r->tensor, r->n, &call)) return fail_at(s, ERR_ARGUMENT, NULL, "%s", why);
    out_open(s->out, "outputs", '[');
    bool ok = true, any = false;
    for (int i = 0; i < r->n && ok; i++) {
        ok = store_output(s, r, k, i);
        any |= r->path[i] && r->arg[i].role == QJ_ROLE_OUTPUT;
    }
    out_close(s->out);
    if (ok && !any) out_note(s->out, "no output was named, so none was written: add %s=FILE.npy", r->arg[r->n - 1].name);
    return ok;
}

bool cmd_run(struct session *s, const struct words *arg)
{
    const qj_kernel *k = session_kernel(s);
    if (!k) return false;
    struct running *r = calloc(1, sizeof *r);
    if (!r) exit(EXIT_OURS);
    r->n = qj_kernel_nargs(k);
    bool ok = r->n <= ARGS_MAX || fail_at(s, ERR_TOO_LARGE, NULL, "a kernel of %d arguments", r->n);
    for (int i = 0; ok && i < r->n; i++) qj_kernel_arg(k, i, &r->arg[i]);
    ok = ok && call_on_files(s, r, k, arg);
    for (int i = 0; i < r->n && i < ARGS_MAX; i++) qj_tensor_free(r->tensor[i]);
    free(r);
    return ok;
}
