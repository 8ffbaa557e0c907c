/* SPDX-License-Identifier: Apache-2.0 */
/* artifact_text.c - the two texts that go with an artifact: the C header and the metadata. */
#include <inttypes.h>
#include <stdio.h>

#include "codegen/passes.h"
#include "ir/base/digest.h"
#include "ir/base/json.h"

static const char version[] = QJ_PROJECT_VERSION; /* from runtime/qjit.h, by CMakeLists.txt */
static const char *const role_name[] = {"input", "weight", "packed", "output", "embedded"};

/* ---- the C header ---- */

static const char *c_type(enum dtype d)
{
    switch (d) {
    case DT_BOOL: case DT_U8: return "uint8_t";
    case DT_I8: return "int8_t";
    case DT_I16: return "int16_t";
    case DT_U16: return "uint16_t";
    case DT_I32: return "int32_t";
    case DT_I64: return "int64_t";
    case DT_F32: return "float";
    case DT_COUNT: break;
    }
    return "void";
}

static bool is_written(const struct artifact_arg *a, bool pack)
{
    return a->role == ARG_OUTPUT || (pack && a->role == ARG_PACKED);
}

/* Tensors have any names: a keyword, a macro of whoever includes the header. None ends in one _ alone but those that the
 * compiler defines, __linux__, which begin with it as well. */
static const char *param_name(struct arena *arena, const struct artifact_arg *a, int i)
{
    return *a->name == '_' ? arena_printf(arena, "arg%d", i) : arena_printf(arena, "%s_", a->name);
}

static void put_prototype(struct str *s, const char *name, const struct artifact_arg *a, int n,
                          int64_t workspace, bool pack)
{
    str_printf(s, "int %s(", name);
    for (int i = 0; i < n; i++)
        str_printf(s, "%s%s%s *%s", i ? ", " : "", is_written(&a[i], pack) ? "" : "const ", c_type(a[i].dt),
                   param_name(s->arena, &a[i], i));
    if (workspace) str_printf(s, "%svoid *workspace", n ? ", " : "");
    else if (!n) str_put(s, "void");
    str_put(s, ");\n");
    str_printf(s, "int %s_call(void **args);\n", name);
}

static void put_dims(struct str *s, int n, const int64_t *shape)
{
    str_putc(s, '[');
    for (int i = 0; i < n; i++) str_printf(s, "%s%" PRId64, i ? ", " : "", shape[i]);
    str_putc(s, ']');
}

/* Elements between neighbours along each dimension in memory. */
static void strides_of(const struct artifact_arg *a, int64_t *stride)
{
    int64_t n = 1;
    for (int i = a->nphys; i-- > 0; n *= a->phys[i]) stride[i] = n;
}

static void put_args(struct str *s, const struct artifact_arg *a, int n)
{
    for (int i = 0; i < n; i++) {
        str_printf(s, " *   %-7s %s: %s", role_name[a[i].role], a[i].name, dtype_info[a[i].dt].name);
        put_dims(s, a[i].ndim, a[i].shape);
        for (int d = 0; d < a[i].ndim; d++) str_printf(s, "%s%s", d ? " " : " (", a[i].dim_name[d]);
        if (a[i].ndim) str_putc(s, ')');
        if (a[i].layout) {
            str_printf(s, ", layout %s: memory ", a[i].layout);
            put_dims(s, a[i].nphys, a[i].phys);
        }
        int64_t stride[QJ_MAX_PHYS];
        strides_of(&a[i], stride);
        if (a[i].nphys > 1) {
            str_put(s, ", strides ");
            put_dims(s, a[i].nphys, stride);
        }
        if (a[i].dt != DT_F32 && a[i].range_declared)
            str_printf(s, ", values in %" PRId64 "..%" PRId64, a[i].range.lo, a[i].range.hi);
        str_printf(s, ", %" PRId64 " bytes\n", a[i].bytes);
    }
}

static const struct artifact_arg *find_arg(const struct artifact_arg *a, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(a[i].name, name)) return &a[i];
    return NULL;
}

/* " M[n]" or " 0.25" */
static void put_factor(struct str *s, const char *key, const struct artifact_factor *f)
{
    if (!f->given) return;
    str_printf(s, ", %s ", key);
    if (!f->arg) str_printf(s, "%.9g", f->value);
    else str_put(s, f->arg);
    for (int i = 0; i < f->ndim; i++) str_printf(s, "%s dimension %d", i ? " and" : " by", f->axis[i]);
}

static void put_quants(struct str *s, const struct artifact *a)
{
    for (int i = 0; i < a->nquant; i++) {
        const struct artifact_quant *q = &a->quant[i];
        str_printf(s, " *\n * %s is requantised: rounding %s", q->output, round_name[q->round]);
        put_factor(s, "scale", &q->scale);
        put_factor(s, "mult", &q->mult);
        put_factor(s, "shift", &q->shift);
        str_printf(s, ", zero point %" PRId64 ", clamped to %" PRId64 "..%" PRId64 "\n", q->zero, q->lo, q->hi);
    }
}

static void put_call(struct str *s, const char *name, const struct artifact_arg *a, int n, const char *workspace)
{
    str_printf(s, " *     %s(", name);
    for (int i = 0; i < n; i++) str_printf(s, "%s%s", i ? ", " : "", a[i].name);
    if (workspace) str_printf(s, "%s%s", n ? ", " : "", workspace);
    str_put(s, ");\n");
}

static void put_room(struct str *s, const char *name, const char *size)
{
    str_printf(s, " *     void *%s = aligned_alloc(%d, (%s + %d) / %d * %d);\n", name, CG_WORKSPACE_ALIGN, size, CG_WORKSPACE_ALIGN - 1,
               CG_WORKSPACE_ALIGN, CG_WORKSPACE_ALIGN);
}

/* How to call it, for whoever has just opened the file. */
static void put_example(struct str *s, const struct artifact *a)
{
    struct arena *arena = s->arena;
    str_put(s, " *\n * To call it:\n *\n");
    if (a->pack_name) {
        str_put(s, " *     // once, when the weights are known\n");
        for (int i = 0; i < a->npack; i++)
            if (a->pack[i].role == ARG_PACKED)
                str_printf(s, " *     %s *%s = malloc(%s_%s_BYTES);\n", c_type(a->pack[i].dt), a->pack[i].name, a->name, a->pack[i].name);
        if (a->pack_workspace) put_room(s, "once", arena_printf(arena, "%s_PACK_WORKSPACE", a->name));
        put_call(s, a->pack_name, a->pack, a->npack, a->pack_workspace ? "once" : NULL);
        str_put(s, " *     // as often as there is input\n");
    }
    if (a->workspace) put_room(s, "workspace", arena_printf(arena, "%s_WORKSPACE", a->name));
    put_call(s, a->name, a->arg, a->narg, a->workspace ? "workspace" : NULL);
}

/* INT64_MIN has no literal. */
static void put_bound(struct str *s, const char *prefix, const char *which, int64_t v)
{
    if (v == INT64_MIN) str_printf(s, "#define %s_%s (-9223372036854775807 - 1)\n", prefix, which);
    else str_printf(s, v < 0 ? "#define %s_%s (%" PRId64 ")\n" : "#define %s_%s %" PRId64 "\n", prefix, which, v);
}

static int align_of(const struct artifact *whole, const struct artifact_arg *a)
{
    if (whole->nversion && a->role == ARG_PACKED) return 8; /* of whatever types lie in it */
    return whole->nkernel ? LAUNCH_ALIGN : dt_bytes(a->dt);
}

/* No ending of these is the ending of another's, so no two tensors' macros meet. */
static void put_arg_macros(struct str *s, const struct artifact *whole, const struct artifact_arg *a)
{
    const char *p = arena_printf(s->arena, "%s_%s", whole->name, a->name);
    int64_t stride[QJ_MAX_PHYS];
    strides_of(a, stride);
    str_printf(s, "\n#define %s_BYTES %" PRId64 "\n#define %s_ALIGN %d\n#define %s_RANK %d\n", p, a->bytes, p, align_of(whole, a), p, a->ndim);
    for (int i = 0; i < a->ndim; i++) str_printf(s, "#define %s_DIM%d %" PRId64 "\n", p, i, a->shape[i]);
    if (a->layout) {
        str_printf(s, "#define %s_LAYOUT \"%s\"\n#define %s_MEMRANK %d\n", p, a->layout, p, a->nphys);
        for (int i = 0; i < a->nphys; i++) str_printf(s, "#define %s_MEMDIM%d %" PRId64 "\n", p, i, a->phys[i]);
    }
    for (int i = 0; i < a->nphys; i++) str_printf(s, "#define %s_STRIDE%d %" PRId64 "\n", p, i, stride[i]);
    if (a->dt == DT_F32) return;
    put_bound(s, p, "LO", a->range.lo);
    put_bound(s, p, "HI", a->range.hi);
}

static void put_macros(struct str *s, const struct artifact *a)
{
    str_printf(s, "#define %s_MACS %" PRId64 " /* multiply-accumulates a call */\n", a->name, a->macs);
    str_printf(s, "#define %s_FLOPS %" PRId64 " /* two a multiply-accumulate */\n", a->name, 2 * a->macs);
    str_printf(s, "#define %s_WORKSPACE %" PRId64 " /* bytes */\n", a->name, a->workspace);
    str_printf(s, "#define %s_WORKSPACE_ALIGNMENT %d\n", a->name, CG_WORKSPACE_ALIGN);
    if (a->pack_name) str_printf(s, "#define %s_PACK_WORKSPACE %" PRId64 "\n", a->name, a->pack_workspace);
    for (int i = 0; i < a->narg; i++) put_arg_macros(s, a, &a->arg[i]);
    for (int i = 0; i < a->npack; i++)
        if (!find_arg(a->arg, a->narg, a->pack[i].name)) put_arg_macros(s, a, &a->pack[i]);
}

/* ---- the header of a GPU's kernels ---- */

static void put_launches(struct str *s, const struct artifact *a, bool pack)
{
    str_printf(s, "#define %s_LAUNCHES(X)", pack ? a->pack_name : a->name);
    for (int i = 0; i < a->nkernel; i++) {
        const struct artifact_kernel *k = &a->kernel[i];
        if (k->pack != pack) continue;
        str_printf(s, " \\\n    X(\"%s\"", k->name);
        for (int d = 0; d < 3; d++) str_printf(s, ", %" PRId64, k->grid[d]);
        for (int d = 0; d < 3; d++) str_printf(s, ", %" PRId64, k->block[d]);
        str_printf(s, ", %" PRId64 ")", k->dynamic_shared);
    }
    str_putc(s, '\n');
}

static void put_params(struct str *s, const char *name, const struct artifact_arg *a, int n)
{
    str_printf(s, "\n#define %s_ARGS(X)", name);
    for (int i = 0; i < n; i++) str_printf(s, " \\\n    X(%s, %s)", a[i].name, role_name[a[i].role]);
    str_putc(s, '\n');
}

static const char *gpu_header(struct str *s, const struct artifact *a)
{
    str_printf(s, "/* %s, made by qjit %s for %s.\n *\n", a->name, version, a->target);
    str_printf(s,
        " * Tensors are dense and row-major in memory order, in the GPU's memory, aligned to %d bytes. All kernels take the\n"
        " * same parameters: pointers to the tensors below in this order, then to the workspace where there is one. Outputs\n"
        " * overlap nothing. Launch them in order, each with X(entry, grid x, y, z, block x, y, z, bytes of dynamic shared memory),\n"
        " * more than 48 KiB of which a function is allowed before; _ARGS has the parameters, each as X(name, role):\n *\n"
        " *     #define MEMBER(name, role) CUdeviceptr name;\n"
        " *     #define POINTER(name, role) &m.name,\n"
        " *     #define LAUNCH(entry, gx, gy, gz, bx, by, bz, shared) \\\n"
        " *         cuModuleGetFunction(&f, module, entry), \\\n"
        " *         cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared), \\\n"
        " *         cuLaunchKernel(f, gx, gy, gz, bx, by, bz, shared, stream, param, 0);\n"
        " *     struct { %s_ARGS(MEMBER) CUdeviceptr workspace; } m;    // each of its X_BYTES on the GPU\n"
        " *     void *param[] = {%s_ARGS(POINTER) &m.workspace};\n"
        " *     %s_LAUNCHES(LAUNCH)\n *\n", LAUNCH_ALIGN, a->name, a->name, a->name);
    put_args(s, a->arg, a->narg);
    if (a->pack_name) {
        str_printf(s, " *\n * %s_LAUNCHES makes what is called packed above, once, from the weights:\n", a->pack_name);
        put_args(s, a->pack, a->npack);
    }
    str_printf(s, " */\n#ifndef %s_QJIT_H\n#define %s_QJIT_H\n\n", a->name, a->name);
    put_macros(s, a);
    put_params(s, a->name, a->arg, a->narg);
    put_launches(s, a, false);
    if (a->pack_name) {
        put_params(s, a->pack_name, a->pack, a->npack);
        put_launches(s, a, true);
    }
    str_put(s, "\n#endif\n");
    return str_text(s);
}

static void put_externs(struct str *s, const struct artifact *a)
{
    if (a->next) str_put(s, "/* Yours to define: pure, called from any thread. */\n");
    for (int i = 0; i < a->next; i++) {
        const struct artifact_extern *x = &a->ext[i];
        str_printf(s, "%s %s(", x->result == DT_BOOL ? "bool" : c_type(x->result), x->name);
        for (int k = 0; k < x->narg; k++)
            str_printf(s, "%s%s", k ? ", " : "", x->arg[k] == DT_BOOL ? "bool" : c_type(x->arg[k]));
        str_put(s, ");\n");
    }
    if (a->next) str_putc(s, '\n');
}

static void put_versions(struct str *s, const struct artifact *a)
{
    str_put(s, "\n/* Versions, of which the last that the CPU can run is called; where it can run none, functions return -1.\n");
    for (int i = 0; i < a->nversion; i++) str_printf(s, " *   %d  %s\n", i, a->version[i].target);
    str_printf(s,
               " * %s_version: which it is; %s_version_name: its target. %s_select, for tests: that one from now on, or the\n"
               " * CPU's own (below 0); 0, or -1 where it cannot run. What one version packed is for that version alone. */\n"
               "#define %s_VERSIONS %d\n"
               "int %s_version(void);\nconst char *%s_version_name(int version);\nint %s_select(int version);\n",
               a->name, a->name, a->name, a->name, a->nversion, a->name, a->name, a->name);
}

const char *artifact_header(struct arena *arena, const struct artifact *a)
{
    struct str s = str_on(arena);
    if (a->nkernel) return gpu_header(&s, a);
    str_printf(&s, "/* %s, made by qjit %s for %s.\n *\n", a->name, version, a->target);
    str_printf(&s,
               " * Tensors are dense and row-major in memory order; strides count elements. No alignment is needed beyond\n"
               " * X_ALIGN; the workspace, where there is one, is aligned to %d bytes and belongs to one call at a time.\n"
               " * Inputs and weights lie in their ranges: the code relies on it. Outputs overlap nothing. Returns 0. The _call\n"
               " * forms take the same pointers in order, the workspace last.\n *\n", CG_WORKSPACE_ALIGN);
    put_args(&s, a->arg, a->narg);
    if (a->nembedded) {
        str_put(&s, " *\n * Part of the object, and so no arguments:\n");
        put_args(&s, a->embedded, a->nembedded);
    }
    if (a->pack_name) {
        str_printf(&s, " *\n * %s makes what is called packed above, once, from the weights:\n", a->pack_name);
        put_args(&s, a->pack, a->npack);
    }
    put_quants(&s, a);
    put_example(&s, a);
    str_put(&s, " *\n * Macros of an argument X: X_BYTES, X_ALIGN (bytes), X_RANK and X_DIM0 ... (as above), X_STRIDE0 ... (of the\n"
                " * memory), X_LO and X_HI (integers); with a layout X_LAYOUT, X_MEMRANK and X_MEMDIM0 ... (of the memory). */\n");
    str_printf(&s, "#ifndef %s_QJIT_H\n#define %s_QJIT_H\n\n%s#include <stdint.h>\n\n", a->name, a->name,
               a->next ? "#include <stdbool.h>\n" : "");
    put_macros(&s, a);
    str_put(&s, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    put_externs(&s, a);
    put_prototype(&s, a->name, a->arg, a->narg, a->workspace, false);
    if (a->pack_name) {
        str_putc(&s, '\n');
        put_prototype(&s, a->pack_name, a->pack, a->npack, a->pack_workspace, true);
    }
    if (a->nversion) put_versions(&s, a);
    str_put(&s, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    return str_text(&s);
}

/* ---- the metadata ---- */

static void put_numbers(struct json_out *o, const char *key, int n, const int64_t *v)
{
    json_open(o, key, '<');
    for (int i = 0; i < n; i++) json_put_int(o, NULL, v[i]);
    json_close(o);
}

/* A number where every reader of JSON has it exactly, else its digits as a string. */
static void put_end(struct json_out *o, int64_t v)
{
    enum { EXACT_BITS = 53 };
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, v);
    if (v > -(INT64_C(1) << EXACT_BITS) && v < INT64_C(1) << EXACT_BITS) json_put_int(o, NULL, v);
    else json_put_text(o, NULL, digits);
}

static void put_json_args(struct json_out *o, const char *key, const struct artifact *whole, const struct artifact_arg *a,
                          int n)
{
    json_open(o, key, '[');
    for (int i = 0; i < n; i++) {
        json_open(o, NULL, '{');
        json_put_text(o, "name", a[i].name);
        json_put_text(o, "role", role_name[a[i].role]);
        json_put_text(o, "dtype", dtype_info[a[i].dt].name);
        put_numbers(o, "shape", a[i].ndim, a[i].shape);
        json_open(o, "dims", '<');
        for (int d = 0; d < a[i].ndim; d++) json_put_text(o, NULL, a[i].dim_name[d]);
        json_close(o);
        json_put_text(o, "layout", a[i].layout);
        put_numbers(o, "memory", a[i].nphys, a[i].phys);
        int64_t stride[QJ_MAX_PHYS];
        strides_of(&a[i], stride);
        put_numbers(o, "strides", a[i].nphys, stride);
        if (a[i].dt != DT_F32) {
            json_open(o, "range", '<');
            put_end(o, a[i].range.lo);
            put_end(o, a[i].range.hi);
            json_close(o);
        }
        json_put_int(o, "align", align_of(whole, &a[i]));
        json_put_int(o, "bytes", a[i].bytes);
        json_close(o);
    }
    json_close(o);
}

static void put_json_factor(struct json_out *o, const char *key, const struct artifact_factor *f)
{
    if (!f->given) return;
    json_open(o, key, '{');
    if (f->arg) {
        json_put_text(o, "arg", f->arg);
        json_open(o, "axes", '<');
        for (int i = 0; i < f->ndim; i++) json_put_int(o, NULL, f->axis[i]);
        json_close(o);
    } else {
        json_put_num(o, "value", f->value);
    }
    json_close(o);
}

static void put_json_quants(struct json_out *o, const struct artifact *a)
{
    json_open(o, "quantisation", '[');
    for (int i = 0; i < a->nquant; i++) {
        const struct artifact_quant *q = &a->quant[i];
        json_open(o, NULL, '{');
        json_put_text(o, "output", q->output);
        json_put_text(o, "round", round_name[q->round]);
        put_json_factor(o, "scale", &q->scale);
        put_json_factor(o, "mult", &q->mult);
        put_json_factor(o, "shift", &q->shift);
        json_put_int(o, "zero", q->zero);
        put_numbers(o, "clamp", 2, (int64_t[]){q->lo, q->hi});
        json_close(o);
    }
    json_close(o);
}

static void put_json_ptxas(struct json_out *o, const struct artifact *a, const struct artifact_kernel *k)
{
    json_open(o, "ptxas", '{');
    json_put_text(o, "version", a->ptxas);
    json_put_int(o, "registers", k->registers);
    json_put_int(o, "stack", k->stack);
    json_put_int(o, "spill_stores", k->spill_stores);
    json_put_int(o, "spill_loads", k->spill_loads);
    json_close(o);
}

/* In the order they are launched; those that pack weights first, which is done once. */
static void put_json_kernels(struct json_out *o, const struct artifact *a)
{
    json_open(o, "kernels", '[');
    for (int pass = 1; pass >= 0; pass--)
        for (int i = 0; i < a->nkernel; i++) {
            const struct artifact_kernel *k = &a->kernel[i];
            if (k->pack != pass) continue;
            json_open(o, NULL, '{');
            json_put_text(o, "entry", k->name);
            json_put_text(o, "of", k->pack ? a->pack_name : a->name);
            put_numbers(o, "grid", 3, k->grid);
            put_numbers(o, "block", 3, k->block);
            json_put_int(o, "shared", k->shared);
            json_put_int(o, "dynamic_shared", k->dynamic_shared);
            if (a->ptxas) put_json_ptxas(o, a, k);
            json_close(o);
        }
    json_close(o);
}

static void put_json_externs(struct json_out *o, const struct artifact *a)
{
    json_open(o, "externs", '[');
    for (int i = 0; i < a->next; i++) {
        json_open(o, NULL, '{');
        json_put_text(o, "name", a->ext[i].name);
        json_open(o, "args", '<');
        for (int k = 0; k < a->ext[i].narg; k++) json_put_text(o, NULL, dtype_info[a->ext[i].arg[k]].name);
        json_close(o);
        json_put_text(o, "result", dtype_info[a->ext[i].result].name);
        json_close(o);
    }
    json_close(o);
}

const char *artifact_json(struct arena *arena, const struct artifact *a)
{
    char header[DIGEST_HEX];
    const char *text = artifact_header(arena, a);
    digest_hex(text, strlen(text), header);
    return artifact_json_beside(arena, a, header, NULL);
}

const char *artifact_json_beside(struct arena *arena, const struct artifact *a, const char *header, const char *library)
{
    static const char *const kind_name[] = {"object", "assembly", "llvm-ir", "bitcode", "ptx", "cubin"};
    struct str s = str_on(arena);
    struct json_out o = json_on(&s);
    json_open(&o, NULL, '{');
    json_put_int(&o, "format", 1);
    json_put_text(&o, "qjit", version);
    json_put_text(&o, "llvm", cg_llvm_version());
    json_put_text(&o, "kind", kind_name[a->kind]);
    char sha256[DIGEST_HEX];
    digest_hex(a->bytes, a->size, sha256);
    json_put_int(&o, "bytes", (int64_t)a->size);
    json_put_text(&o, "sha256", sha256);
    json_put_text(&o, "header_sha256", header);
    if (library) json_put_text(&o, "library_sha256", library);
    json_put_text(&o, "name", a->name);
    json_put_text(&o, "target", a->target);
    json_put_text(&o, "triple", a->triple);
    json_put_text(&o, "cpu", a->cpu);
    json_put_text(&o, "features", a->features);
    json_put_int(&o, "macs", a->macs);
    json_put_int(&o, "flops", 2 * a->macs);
    json_put_int(&o, "workspace", a->workspace);
    json_put_int(&o, "workspace_align", CG_WORKSPACE_ALIGN);
    put_json_args(&o, "args", a, a->arg, a->narg);
    if (a->nversion) {
        json_open(&o, "versions", '[');
        for (int i = 0; i < a->nversion; i++) {
            json_open(&o, NULL, '{');
            json_put_text(&o, "target", a->version[i].target);
            json_put_text(&o, "steps", a->version[i].steps);
            json_close(&o);
        }
        json_close(&o);
    }
    if (a->nembedded) put_json_args(&o, "embedded", a, a->embedded, a->nembedded);
    if (a->pack_name) {
        json_open(&o, "pack", '{');
        json_put_text(&o, "name", a->pack_name);
        json_put_int(&o, "workspace", a->pack_workspace);
        put_json_args(&o, "args", a, a->pack, a->npack);
        json_close(&o);
    }
    put_json_quants(&o, a);
    put_json_externs(&o, a);
    if (a->nkernel) put_json_kernels(&o, a);
    json_open(&o, "notes", '[');
    for (int i = 0; i < a->nnote; i++) {
        json_open(&o, NULL, '{');
        json_put_text(&o, "code", a->note[i].code);
        json_put_text(&o, "place", a->note[i].place);
        json_put_text(&o, "text", a->note[i].text);
        json_close(&o);
    }
    json_close(&o);
    json_put_text(&o, "program", a->program);
    json_put_text(&o, "steps", a->steps);
    json_close(&o);
    return str_text(&s);
}
