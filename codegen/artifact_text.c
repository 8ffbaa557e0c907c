/* SPDX-License-Identifier: Apache-2.0 */
/* artifact_text.c - the two texts that go with an artifact: the C header and the metadata. */
#include <ctype.h>
#include <inttypes.h>

#include "codegen/codegen.h"
#include "ir/base/json.h"

static const char version[] = "0.1.0";
static const char *const role_name[] = {"input", "weight", "packed", "output"};

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

/* Names are identifiers of the program's language, so no keyword of C or C++ may pass unchanged. */
static const char *param_name(struct arena *arena, const struct artifact_arg *a)
{
    return arena_printf(arena, "%s_", a->name);
}

static void put_prototype(struct str *s, const char *name, const struct artifact_arg *a, int n,
                          int64_t workspace, bool pack)
{
    str_printf(s, "int %s(", name);
    for (int i = 0; i < n; i++)
        str_printf(s, "%s%s%s *%s", i ? ", " : "", is_written(&a[i], pack) ? "" : "const ", c_type(a[i].dt),
                   param_name(s->arena, &a[i]));
    if (workspace) str_printf(s, "%svoid *workspace", n ? ", " : "");
    else if (!n) str_put(s, "void");
    str_put(s, ");\n");
    str_printf(s, "int %s_call(void **args);\n", name);
}

static const char *upper(struct arena *arena, const char *s)
{
    char *u = arena_strdup(arena, s);
    for (char *p = u; *p; p++) *p = (char)toupper((unsigned char)*p);
    return u;
}

static void put_dims(struct str *s, int n, const int64_t *shape)
{
    str_putc(s, '[');
    for (int i = 0; i < n; i++) str_printf(s, "%s%" PRId64, i ? ", " : "", shape[i]);
    str_putc(s, ']');
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
        if (a[i].dt != DT_F32 && a[i].range_declared)
            str_printf(s, ", values in %" PRId64 "..%" PRId64, a[i].range.lo, a[i].range.hi);
        str_printf(s, ", %" PRId64 " bytes\n", a[i].bytes);
    }
}

static bool has_arg(const struct artifact_arg *a, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(a[i].name, name)) return true;
    return false;
}

static void put_macros(struct str *s, const struct artifact *a)
{
    str_printf(s, "#define %s_MACS %" PRId64 "\n", a->name, a->macs);
    str_printf(s, "#define %s_WORKSPACE %" PRId64 " /* bytes */\n", a->name, a->workspace);
    if (a->pack_name) str_printf(s, "#define %s_PACK_WORKSPACE %" PRId64 "\n", a->name, a->pack_workspace);
    for (int i = 0; i < a->narg; i++)
        str_printf(s, "#define %s_%s_BYTES %" PRId64 "\n", a->name, a->arg[i].name, a->arg[i].bytes);
    for (int i = 0; i < a->npack; i++)
        if (!has_arg(a->arg, a->narg, a->pack[i].name))
            str_printf(s, "#define %s_%s_BYTES %" PRId64 "\n", a->name, a->pack[i].name, a->pack[i].bytes);
}

const char *artifact_header(struct arena *arena, const struct artifact *a)
{
    struct str s = str_on(arena);
    const char *up = upper(arena, a->name);
    str_printf(&s, "/* %s, made by qjit %s for %s.\n *\n", a->name, version, a->target);
    str_put(
        &s,
        " * Tensors are dense and row-major in memory order. No alignment is needed beyond the element's "
        "own; the\n"
        " * workspace, where there is one, is aligned to 64 bytes and belongs to one call at a time. Outputs "
        "overlap\n"
        " * nothing. Returns 0. The _call forms take the same pointers in order, the workspace last.\n *\n");
    put_args(&s, a->arg, a->narg);
    if (a->pack_name) {
        str_printf(&s, " *\n * %s makes what is called packed above, once, from the weights:\n", a->pack_name);
        put_args(&s, a->pack, a->npack);
    }
    str_printf(&s, " */\n#ifndef %s_QJIT_H\n#define %s_QJIT_H\n\n#include <stdint.h>\n\n", up, up);
    put_macros(&s, a);
    str_put(&s, "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    put_prototype(&s, a->name, a->arg, a->narg, a->workspace, false);
    if (a->pack_name) {
        str_putc(&s, '\n');
        put_prototype(&s, a->pack_name, a->pack, a->npack, a->pack_workspace, true);
    }
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

static void put_json_args(struct json_out *o, const char *key, const struct artifact_arg *a, int n)
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
        if (a[i].dt != DT_F32 && a[i].range_declared)
            put_numbers(o, "range", 2, (int64_t[]){a[i].range.lo, a[i].range.hi});
        json_put_int(o, "align", dt_bytes(a[i].dt));
        json_put_int(o, "bytes", a[i].bytes);
        json_close(o);
    }
    json_close(o);
}

const char *artifact_json(struct arena *arena, const struct artifact *a)
{
    static const char *const kind_name[] = {"object", "assembly", "llvm-ir", "bitcode"};
    struct str s = str_on(arena);
    struct json_out o = json_on(&s);
    json_open(&o, NULL, '{');
    json_put_int(&o, "format", 1);
    json_put_text(&o, "qjit", version);
    json_put_text(&o, "llvm", cg_llvm_version());
    json_put_text(&o, "kind", kind_name[a->kind]);
    json_put_text(&o, "name", a->name);
    json_put_text(&o, "target", a->target);
    json_put_text(&o, "triple", a->triple);
    json_put_text(&o, "cpu", a->cpu);
    json_put_text(&o, "features", a->features);
    json_put_int(&o, "macs", a->macs);
    json_put_int(&o, "workspace", a->workspace);
    put_json_args(&o, "args", a->arg, a->narg);
    if (a->pack_name) {
        json_open(&o, "pack", '{');
        json_put_text(&o, "name", a->pack_name);
        json_put_int(&o, "workspace", a->pack_workspace);
        put_json_args(&o, "args", a->pack, a->npack);
        json_close(&o);
    }
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
