/* SPDX-License-Identifier: Apache-2.0 */
/* tests/emu/emu.c - contract in emu.h. */
#include "tests/emu/emu.h"

#include <stdlib.h>

const struct emu_machine *emu_machine_for(const struct target *t)
{
    const char *package;
    const struct emu_machine *m = env_number("QJ_EMULATE", 1) ? emu_machine_of(t) : NULL;
    return m && !emu_missing(m, &package) ? m : NULL;
}

int emu_run_here(struct emu *e)
{
    if (env_number("QJ_KEEP", 0)) emu_keep(e);
    return emu_run(e, stderr);
}

static const struct func *renamed(struct ir_ctx *c, const struct func *f, const char *name)
{
    struct func *g = ARENA_NEW(&c->arena, struct func);
    *g = *f;
    g->name = name;
    return g;
}

struct artifact *emu_compile(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct cg_options *o)
{
    struct lowered own = *l;
    const char *name = arena_printf(&c->arena, "k%d", emu_queued(e));
    own.main = renamed(c, l->main, name);
    if (l->pack) own.pack = renamed(c, l->pack, arena_printf(&c->arena, "%s_pack", name));
    return cg_compile(c, &own, o);
}

/* ---- lowered schedules ---- */

enum { MAX_BUFFERS = 128 };

/* Buffers of a call, with the memory that holds their images. */
struct images { int n; struct emu_buffer at[MAX_BUFFERS]; void *owned[3 * MAX_BUFFERS]; int nowned; };

static void *image(struct images *im, const struct oracle *o, const struct kernel_arg *a, int64_t bytes, int filler, bool ones)
{
    void *p = im->owned[im->nowned++] = malloc((size_t)bytes + 1);
    memset(p, filler, (size_t)bytes);
    if (o) harness_image(o, a, p, ones);
    return p;
}

static int add_image(struct images *im, const struct oracle *o, const struct kernel_arg *a)
{
    int64_t bytes = buffer_elems(a->buffer) * dt_bytes(a->buffer->dt), logical = dt_bytes(a->tensor->dt);
    for (int d = 0; d < a->tensor->ndim; d++) logical *= a->tensor->shape[d];
    struct emu_buffer *b = &im->at[im->n];
    *b = (struct emu_buffer){.bytes = bytes, .floats = a->buffer->dt == DT_F32};
    if (a->role == ARG_INPUT || a->role == ARG_WEIGHT) b->before = image(im, o, a, bytes, 0xa5, false);
    if (a->role == ARG_OUTPUT) {
        b->after = image(im, o, a, bytes, 0, false);
        if (bytes != logical) b->mask = image(im, o, a, bytes, 0, true);
    }
    return im->n++;
}

bool emu_check(struct emu *e, struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse)
{
    struct artifact *a = emu_compile(e, c, l, &(struct cg_options){.kind = CG_OBJ});
    if (!a) {
        bool refusal = may_refuse && (c->err.first.code == ERR_UNSUPPORTED || c->err.first.code == ERR_FEATURE);
        if (!refusal) show_error(c);
        err_clear(&c->err);
        return refusal;
    }
    struct images im = {0};
    int arg[MAX_BUFFERS] = {0}, pack[MAX_BUFFERS] = {0}, n = l->main->narg, np = l->pack ? l->pack->narg : 0;
    for (int i = 0; i < n; i++) arg[i] = add_image(&im, o, &l->arg[i]);
    for (int i = 0; i < np; i++) {
        pack[i] = -1;
        for (int k = 0; k < n && l->pack_arg[i].role == ARG_PACKED; k++)
            if (l->arg[k].tensor == l->pack_arg[i].tensor) pack[i] = arg[k];
        if (pack[i] < 0) pack[i] = add_image(&im, o, &l->pack_arg[i]);
    }
    struct str label = str_on(&c->arena);
    str_printf(&label, "target %s\n%s\n%s", a->target, a->program, a->steps);
    emu_add(e, a, str_text(&label), im.n, im.at, arg, pack);
    for (int i = 0; i < im.nowned; i++) free(im.owned[i]);
    artifact_free(a);
    return true;
}
