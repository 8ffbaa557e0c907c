/* SPDX-License-Identifier: Apache-2.0 */
/* artifact.c - what comes out of a compile, owned. */
#include "codegen/artifact.h"

#include <stdlib.h>

#include "ir/print.h"

/* ---- making ---- */

static char *own(const char *s)
{
    size_t n = s ? strlen(s) + 1 : 0;
    char *p = s ? malloc(n) : NULL;
    return p ? memcpy(p, s, n) : NULL;
}

static bool fill_arg(struct artifact_arg *a, const struct kernel_arg *from)
{
    const struct tensor *t = from->tensor;
    const struct buffer *b = from->buffer;
    *a = (struct artifact_arg){.role = from->role, .dt = b->dt, .nphys = b->ndim, .range = b->range,
                               .bytes = buffer_elems(b) * dt_bytes(b->dt)};
    for (int i = 0; i < b->ndim; i++) a->phys[i] = b->shape[i];
    a->name = own(t ? t->name : b->name);
    if (from->layout && !(a->layout = own(from->layout->text))) return false;
    if (!t) return a->name != NULL;
    a->ndim = t->ndim;
    a->range = t->range;
    a->range_declared = t->range_declared;
    for (int i = 0; i < t->ndim; i++) {
        a->shape[i] = t->shape[i];
        if (!(a->dim_name[i] = own(t->dim_name[i]))) return false;
    }
    return a->name != NULL;
}

static bool fill_args(struct artifact_arg **out, int *count, int n, const struct kernel_arg *from)
{
    *out = calloc((size_t)n + 1, sizeof **out);
    if (!*out) return false;
    for (*count = 0; *count < n; ++*count)
        if (!fill_arg(&(*out)[*count], &from[*count])) return ++*count, false;
    return true;
}

/* The symbol would be the kernel's own. */
static bool own_name(const struct lowered *l, const char *name, bool versions)
{
    static const char *const suffix[] = {"", "_call", "_pack", "_pack_call", "_version", "_version_name", "_select"};
    size_t n = strlen(l->main->name), nsuffix = versions ? ARRAY_LEN(suffix) : 4;
    if (strncmp(name, l->main->name, n)) return false;
    for (size_t i = 0; i < nsuffix; i++)
        if (!strcmp(name + n, suffix[i])) return true;
    return false;
}

static bool find_externs(struct ir_ctx *c, const struct lowered *l, bool versions, struct ext_list *out)
{
    *out = (struct ext_list){0};
    ir_externs_stmt(&c->arena, l->main->body, out);
    if (l->pack) ir_externs_stmt(&c->arena, l->pack->body, out);
    for (size_t i = 0; i < out->n; i++) {
        if (!own_name(l, out->at[i]->name, versions)) continue;
        err_set(&c->err, ERR_REDEFINED, (struct span){0}, "%s is a function of the host's and one that the kernel %s defines",
                out->at[i]->name, l->main->name);
        return err_hint(&c->err, "give the kernel another name"), false;
    }
    return true;
}

static bool fill_externs(struct artifact *a, const struct ext_list *from)
{
    a->ext = calloc(from->n + 1, sizeof *a->ext);
    for (size_t i = 0; a->ext && i < from->n; i++) {
        const struct ext *f = from->at[i];
        struct artifact_extern *x = &a->ext[a->next++];
        *x = (struct artifact_extern){.name = own(f->name), .result = f->result, .narg = f->narg};
        memcpy(x->arg, f->arg, sizeof x->arg);
        if (!x->name) return false;
    }
    return a->ext != NULL;
}

static char *program_text(struct ir_ctx *c, const struct program *p)
{
    struct str s = str_on(&c->arena);
    if (p) print_program(&s, p);
    return own(str_text(&s));
}

struct artifact *artifact_new(struct ir_ctx *c, const struct lowered *l, enum cg_kind kind, bool versions)
{
    struct ext_list externs;
    if (!find_externs(c, l, versions, &externs)) return NULL;
    char *program = program_text(c, l->program); /* first: it may jump out, out of memory */
    struct artifact *a = calloc(1, sizeof *a);
    const struct target *t = l->target;
    bool ok = a != NULL;
    if (ok) {
        a->kind = kind;
        a->macs = l->macs;
        a->name = own(l->main->name);
        a->pack_name = own(l->pack ? l->pack->name : NULL);
        a->target = own(t->name);
        a->triple = own(t->family->triple);
        a->cpu = own(t->cpu);
        a->features = own(t->feature_text);
        a->steps = own(l->steps ? l->steps : "");
        a->program = program;
        ok = fill_args(&a->arg, &a->narg, lowered_nargs(l), l->arg) &&
             (!l->pack || fill_args(&a->pack, &a->npack, lowered_npack(l), l->pack_arg)) &&
             fill_args(&a->embedded, &a->nembedded, l->nembedded, l->arg + lowered_nargs(l)) && fill_externs(a, &externs);
        ok = ok && a->name && (a->pack_name || !l->pack) && a->target && a->triple && a->cpu && a->features &&
             a->steps && a->program && artifact_fill_quants(c, l, a);
    }
    if (ok) return a;
    if (!a) free(program);
    artifact_free(a);
    err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory for the artifact of %s", l->main->name);
    return NULL;
}

bool artifact_versions(struct ir_ctx *c, struct artifact *a, int n, const struct lowered *const *l)
{
    a->version = calloc((size_t)n, sizeof *a->version);
    bool ok = a->version != NULL;
    for (int i = 0; ok && i < n; i++) {
        a->version[i].target = own(l[i]->target->name);
        a->version[i].steps = own(l[i]->steps ? l[i]->steps : "");
        a->nversion++;
        ok = a->version[i].target && a->version[i].steps;
    }
    return ok || err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory for the artifact of %s", a->name);
}

static void free_args(struct artifact_arg *a, int n)
{
    for (int i = 0; i < n; i++) {
        free(a[i].name);
        free(a[i].layout);
        for (int d = 0; d < a[i].ndim; d++) free(a[i].dim_name[d]);
    }
    free(a);
}

static void free_note(struct artifact_note *n)
{
    free(n->code);
    free(n->place);
    free(n->text);
}

bool artifact_note(struct artifact *a, const struct note *note)
{
    struct artifact_note *more = realloc(a->note, (size_t)(a->nnote + 1) * sizeof *more);
    if (!more) return false;
    a->note = more;
    struct artifact_note *n = &more[a->nnote];
    *n = (struct artifact_note){own(note->code), own(note->place), own(note->text)};
    if (n->code && n->place && n->text) return a->nnote++, true;
    free_note(n);
    return false;
}

bool artifact_launches(struct ir_ctx *c, struct artifact *a, const struct launches *l, bool pack)
{
    if (!l->kernel.n) return true;
    struct artifact_kernel *more = realloc(a->kernel, ((size_t)a->nkernel + l->kernel.n) * sizeof *more);
    if (more) a->kernel = more;
    for (size_t i = 0; more && i < l->kernel.n; i++) {
        const struct launch *k = &l->kernel.at[i];
        struct artifact_kernel *to = &more[a->nkernel];
        *to = (struct artifact_kernel){.name = own(k->name), .pack = pack, .shared = k->shared, .dynamic_shared = k->dynamic};
        memcpy(to->grid, k->grid, sizeof to->grid);
        memcpy(to->block, k->block, sizeof to->block);
        if (!to->name) more = NULL;
        else a->nkernel++;
    }
    return more || err_set(&c->err, ERR_MEMORY, (struct span){0}, "no memory for the kernels of %s", a->name);
}

void artifact_free(struct artifact *a)
{
    if (!a) return;
    free_args(a->arg, a->narg);
    free_args(a->pack, a->npack);
    free_args(a->embedded, a->nembedded);
    for (int i = 0; i < a->nversion; i++) {
        free(a->version[i].target);
        free(a->version[i].steps);
    }
    free(a->version);
    for (int i = 0; i < a->nnote; i++) free_note(&a->note[i]);
    for (int i = 0; i < a->nkernel; i++) free(a->kernel[i].name);
    free(a->kernel);
    free(a->ptxas);
    free(a->note);
    artifact_free_quants(a);
    for (int i = 0; i < a->next; i++) free(a->ext[i].name);
    free(a->ext);
    char *const text[] = {a->bytes, a->name, a->pack_name, a->target, a->triple, a->cpu, a->features, a->steps, a->program};
    for (size_t i = 0; i < ARRAY_LEN(text); i++) free(text[i]);
    free(a);
}
