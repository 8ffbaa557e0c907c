/* SPDX-License-Identifier: Apache-2.0 */
/* versions.c - one program compiled for several targets, in one object.
 *
 * The C functions are those of a kernel for one target: the same arguments whatever the CPU. A tensor that some version
 * reads is an argument; what versions pack differs, so it is one argument `packed`, as large as the largest; the
 * workspace is the largest. The functions of a version are local, NAME.v0 and so on. */
#include "codegen/artifact.h"
#include "codegen/passes.h"

static bool refuse(struct ir_ctx *c, const char *what, const char *hint)
{
    err_set(&c->err, ERR_UNSUPPORTED, (struct span){0}, "%s", what);
    err_hint(&c->err, "%s", hint);
    return false;
}

static bool check(struct ir_ctx *c, int n, const struct lowered *const *l, enum cg_kind kind)
{
    if (n < 1 || n > CG_MAX_VERSIONS)
        return refuse(c, arena_printf(&c->arena, "%d versions in one object", n), "from 1 to 8");
    for (int i = 0; i < n; i++) {
        const char *name = l[i]->target->name;
        if (l[i]->target->family->ask == ASK_NOTHING)
            return refuse(c, arena_printf(&c->arena, "%s in an object of several versions", name),
                          "versions are of x86-64 or of AArch64: x86-64, x86-64-v3, x86-64-v4,+avx512vnni");
        if (l[i]->target->family != l[0]->target->family)
            return refuse(c, arena_printf(&c->arena, "%s and %s in one object", l[0]->target->name, name),
                          "an object is of one family: emit one for each");
        for (int k = 0; k < i; k++)
            if (!strcmp(l[k]->target->name, name))
                return refuse(c, arena_printf(&c->arena, "the target %s twice in one object", name), "name each once");
    }
    return kind != CG_PTX || refuse(c, "PTX of several versions", "emit FILE.o");
}

/* ---- the interface they share ---- */

int64_t packed_offset(const struct kernel_arg *arg, int n, int i)
{
    int64_t at = 0;
    for (int k = 0; k < n && k < i; k++)
        if (arg[k].role == ARG_PACKED)
            at += (buffer_elems(arg[k].buffer) * dt_bytes(arg[k].buffer->dt) + CG_PACKED_ALIGN - 1) / CG_PACKED_ALIGN * CG_PACKED_ALIGN;
    return at;
}

struct joining {
    struct ir_ctx *c;
    int n;
    const struct lowered *const *l;
    VEC(struct kernel_arg) arg;
    VEC(const struct buffer *) buffer;
};

static int nargs(const struct lowered *l, bool pack) { return pack ? lowered_npack(l) : lowered_nargs(l); }

static void add(struct joining *j, const struct kernel_arg *a)
{
    VEC_PUSH(&j->c->arena, j->arg, *a);
    VEC_PUSH(&j->c->arena, j->buffer, a->buffer);
}

static bool same_layout(const struct layout *a, const struct layout *b)
{
    return a == b || (a && b && !strcmp(a->text, b->text));
}

/* The tensor of a role in any version's list, which must agree on its layout. */
static bool add_tensor(struct joining *j, const struct tensor *t, bool pack)
{
    const struct kernel_arg *found = NULL;
    int of = 0;
    for (int v = 0; v < j->n; v++) {
        const struct kernel_arg *arg = pack ? j->l[v]->pack_arg : j->l[v]->arg;
        for (int i = 0; i < nargs(j->l[v], pack); i++) {
            if (arg[i].role == ARG_PACKED || arg[i].tensor != t) continue;
            if (found && !same_layout(found->layout, arg[i].layout))
                return refuse(j->c, arena_printf(&j->c->arena, "%s lies in memory as %s for %s and as %s for %s", t->name,
                                                 found->layout ? found->layout->text : "rows", j->l[of]->target->name,
                                                 arg[i].layout ? arg[i].layout->text : "rows", j->l[v]->target->name),
                              "callers pass the same arguments to all versions: give them one layout");
            if (!found) of = v;
            found = &arg[i];
        }
    }
    if (found) add(j, found);
    return true;
}

static const struct kernel_arg *packed_arg(struct joining *j)
{
    int64_t most = 0;
    for (int v = 0; v < j->n; v++) most = i64_max(most, packed_offset(j->l[v]->arg, lowered_nargs(j->l[v]), lowered_nargs(j->l[v])));
    if (!most) return NULL;
    const char *name = "packed";
    const struct program *p = j->l[0]->program;
    for (int i = 0; i < p->ntensor; i++)
        if (!strcmp(p->tensor[i]->name, name)) name = arena_printf(&j->c->arena, "%s_", name), i = -1;
    struct kernel_arg *a = ARENA_NEW(&j->c->arena, struct kernel_arg);
    struct buffer *b = ir_buffer(j->c, name, DT_U8, SCOPE_ARG, 1, &most);
    struct tensor *t = ir_tensor(j->c, name, TENSOR_COMPUTE, DT_U8, 1, &most);
    t->dim_name[0] = "byte";
    b->tensor = t;
    *a = (struct kernel_arg){ARG_PACKED, t, NULL, b};
    return a;
}

static bool join_one(struct joining *j, bool pack, const struct kernel_arg *packed)
{
    const struct program *p = j->l[0]->program;
    j->arg.at = NULL;
    j->buffer.at = NULL;
    j->arg.n = j->arg.cap = j->buffer.n = j->buffer.cap = 0;
    for (int i = 0; i < p->ntensor; i++)
        if (p->tensor[i]->kind != TENSOR_COMPUTE && !add_tensor(j, p->tensor[i], pack)) return false;
    if (packed) add(j, packed);
    for (int i = 0; !pack && i < lowered_nargs(j->l[0]); i++)
        if (j->l[0]->arg[i].role == ARG_OUTPUT && !add_tensor(j, j->l[0]->arg[i].tensor, false)) return false;
    return true;
}

/* Weights that some version holds as they are: constant data, once each. What versions packed of them differs and has no place here. */
static int add_embedded(struct joining *j)
{
    size_t before = j->arg.n;
    for (int v = 0; v < j->n; v++)
        for (int i = lowered_nargs(j->l[v]); i < j->l[v]->main->narg; i++) {
            const struct kernel_arg *a = &j->l[v]->arg[i];
            size_t k = before;
            while (k < j->arg.n && j->arg.at[k].tensor != a->tensor) k++;
            if (k == j->arg.n && a->tensor && a->tensor->kind == TENSOR_WEIGHT) add(j, a);
        }
    return (int)(j->arg.n - before);
}

/* Its body is all versions' one after the other: for who asks what they refer to, not to be run. */
static const struct func *joint_func(struct joining *j, const char *name, bool pack)
{
    struct func *f = ARENA_NEW(&j->c->arena, struct func);
    const struct stmt *body[CG_MAX_VERSIONS];
    int n = 0;
    for (int v = 0; v < j->n; v++)
        if (!pack || j->l[v]->pack) body[n++] = pack ? j->l[v]->pack->body : j->l[v]->main->body;
    *f = (struct func){name, (int)j->buffer.n, j->buffer.at, ir_seq(j->c, n, body)};
    return f;
}

static const struct lowered *join(struct ir_ctx *c, int n, const struct lowered *const *l)
{
    struct joining j = {.c = c, .n = n, .l = l};
    struct lowered *out = ARENA_NEW(&c->arena, struct lowered);
    const char *name = l[0]->main->name;
    *out = (struct lowered){.program = l[0]->program, .target = l[n - 1]->target, .macs = l[0]->macs, .steps = l[n - 1]->steps};
    const struct kernel_arg *packed = packed_arg(&j);
    if (!join_one(&j, false, packed)) return NULL;
    out->nembedded = add_embedded(&j);
    out->main = joint_func(&j, name, false);
    out->arg = j.arg.at;
    if (!packed) return out;
    if (!join_one(&j, true, packed)) return NULL;
    out->pack = joint_func(&j, arena_printf(&c->arena, "%s_pack", name), true);
    out->pack_arg = j.arg.at;
    return out;
}

/* ---- compiling ---- */

static const struct func *renamed(struct ir_ctx *c, const struct func *f, const char *name)
{
    struct func *g = arena_copy(&c->arena, f, sizeof *f);
    g->name = name;
    return g;
}

static void free_artifact(void *a) { artifact_free(a); }

struct artifact *cg_compile_versions(struct ir_ctx *c, int n, const struct lowered *const *l, const struct cg_options *o,
                                     const struct lowered **joint)
{
    struct version v[CG_MAX_VERSIONS];
    struct note_list notes[CG_MAX_VERSIONS];
    if (err_is(&c->err) || !check(c, n, l, o->kind) || !(*joint = join(c, n, l))) return NULL;
    const char *family = l[0]->target->family->name;
    const struct target *base = target_parse(c, family, strlen(family), (struct span){0});
    for (int i = 0; base && i < n; i++) {
        const struct func *from[2] = {l[i]->main, l[i]->pack};
        v[i] = (struct version){.l = l[i]};
        notes[i] = (struct note_list){.c = c};
        lowered_notes(&notes[i], l[i]);
        for (int k = 0; k < 2; k++) {
            if (!from[k]) continue;
            const struct func *f = cg_passes_of(c, from[k], l[i]->target, o, k ? NULL : &notes[i]);
            if (!f || !check_func(c, f, l[i]->target)) return NULL;
            v[i].f[k] = renamed(c, f, arena_printf(&c->arena, "%s.v%d", from[k]->name, i));
        }
    }
    struct artifact *a = base ? artifact_new(c, *joint, o->kind, true) : NULL;
    int keep = c->defers.n;
    defer(&c->defers, free_artifact, a);
    bool ok = a && artifact_versions(c, a, n, l) && emit_versions(c, base, *joint, n, v, o, a);
    for (int i = 0; ok && i < n; i++) ok = notes_keep(&notes[i], a, l[i]->target);
    if (ok) {
        defer_cancel(&c->defers, a);
        return a;
    }
    defer_run(&c->defers, keep);
    return NULL;
}
