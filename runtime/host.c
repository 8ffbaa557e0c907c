/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/host.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "runtime/call.h"

struct host_fn {
    atomic_int refs;
    struct ext sig;            /* its name is ours */
    char *name;
    void *entry;
    struct closure *closure;   /* NULL: a plain function */
    void *user;
    void (*release)(void *user);
};

struct host_fn *host_fn_new(const struct ext *sig, void *plain, host_callback *fn, void *user)
{
    struct host_fn *h = calloc(1, sizeof *h);
    if (!h) return NULL;
    h->refs = 1;
    h->sig = *sig;
    h->sig.name = h->name = strdup(sig->name);
    h->entry = plain;
    if (h->name && !plain && (h->closure = closure_new(sig, fn, user))) h->entry = closure_entry(h->closure);
    h->user = user;
    if (h->name && h->entry) return h;
    host_fn_unref(h);
    return NULL;
}

void host_fn_owns(struct host_fn *h, void (*release)(void *user)) { h->release = release; }

struct host_fn *host_fn_ref(struct host_fn *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

void host_fn_unref(struct host_fn *h)
{
    if (!h || atomic_fetch_sub(&h->refs, 1) != 1) return;
    closure_free(h->closure);
    if (h->release) h->release(h->user);
    free(h->name);
    free(h);
}

const char *host_fn_name(const struct host_fn *h) { return h->name; }
void *host_fn_entry(const struct host_fn *h) { return h->entry; }

bool host_put(struct host_list *l, struct host_fn *h)
{
    for (int i = 0; i < l->n; i++) {
        if (strcmp(l->at[i]->name, h->name)) continue;
        host_fn_unref(l->at[i]);
        l->at[i] = h;
        return true;
    }
    struct host_fn **more = realloc(l->at, (size_t)(l->n + 1) * sizeof(struct host_fn *));
    if (!more) return false;
    l->at = more;
    l->at[l->n++] = h;
    return true;
}

void host_clear(struct host_list *l)
{
    for (int i = 0; i < l->n; i++) host_fn_unref(l->at[i]);
    free(l->at);
    *l = (struct host_list){0};
}

struct host_fn *host_find(const struct host_list *l, const char *name, enum dtype result, int narg, const enum dtype *arg)
{
    for (int i = 0; i < l->n; i++) {
        const struct ext *s = &l->at[i]->sig;
        if (strcmp(s->name, name) || s->result != result || s->narg != narg) continue;
        return memcmp(s->arg, arg, (size_t)narg * sizeof *arg) ? NULL : l->at[i];
    }
    return NULL;
}

void host_missing(struct err_state *e, const char *name)
{
    err_set(e, ERR_LINK, (struct span){0}, "%s is a function of the host's, which has given no address for it", name);
    err_hint(e, "qj_extern gives it; an emitted object is linked with whatever defines %s", name);
}

bool host_call(void *u, struct ir_ctx *c, const struct ext *f, const union value *arg, union value *out)
{
    const struct host_fn *h = host_find(u, f->name, f->result, f->narg, f->arg);
    if (!h) return host_missing(&c->err, f->name), false;
    return call_host(h->entry, f, arg, out) || err_set(&c->err, ERR_LINK, (struct span){0}, "%s cannot be called", f->name);
}
