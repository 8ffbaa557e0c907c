/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/call.h"

#include <ffi.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool call_plain(void *entry, int n, void **arg, int *rc)
{
    ffi_type *type[CALL_MAX_ARGS];
    void *value[CALL_MAX_ARGS];
    ffi_cif cif;
    ffi_arg result = 0; /* libffi widens what is narrower than a register */
    if (n > CALL_MAX_ARGS) return false;
    for (int i = 0; i < n; i++) {
        type[i] = &ffi_type_pointer;
        value[i] = &arg[i];
    }
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, (unsigned)n, &ffi_type_sint32, type) != FFI_OK) return false;
    ffi_call(&cif, FFI_FN(entry), &result, value);
    *rc = (int)result;
    return true;
}

/* ---- functions of the host's ---- */

static ffi_type *type_for(enum dtype d)
{
    switch (d) {
    case DT_BOOL: case DT_U8: return &ffi_type_uint8;
    case DT_I8: return &ffi_type_sint8;
    case DT_I16: return &ffi_type_sint16;
    case DT_U16: return &ffi_type_uint16;
    case DT_I32: return &ffi_type_sint32;
    case DT_I64: return &ffi_type_sint64;
    case DT_F32: return &ffi_type_float;
    case DT_COUNT: break;
    }
    return &ffi_type_void;
}

/* type[] lives as long as the cif. */
static bool prepare(ffi_cif *cif, ffi_type **type, const struct ext *f)
{
    for (int i = 0; i < f->narg; i++) type[i] = type_for(f->arg[i]);
    return ffi_prep_cif(cif, FFI_DEFAULT_ABI, (unsigned)f->narg, type_for(f->result), type) == FFI_OK;
}

bool call_host(void *fn, const struct ext *f, const union value *arg, union value *out)
{
    ffi_type *type[EXTERN_MAX_ARGS];
    ffi_cif cif;
    int64_t room[EXTERN_MAX_ARGS];
    void *at[EXTERN_MAX_ARGS];
    union { ffi_arg wide; int64_t i; float f; } result = {.i = 0};
    if (!prepare(&cif, type, f)) return false;
    for (int i = 0; i < f->narg; i++) {
        at[i] = &room[i];
        value_store(f->arg[i], at[i], 0, arg[i]);
    }
    ffi_call(&cif, FFI_FN(fn), &result, at);
    if (f->result == DT_F32) out->f = result.f;
    else out->i = ir_wrap(f->result, f->result == DT_BOOL ? (uint8_t)result.wide : result.i);
    return true;
}

/* In pages of its own, which are written first and then executed: what libffi allocates may be both at once. */
struct closure {
    ffi_closure *page;
    size_t size;
    ffi_cif cif;
    ffi_type *type[EXTERN_MAX_ARGS];
    enum dtype result;
    void (*fn)(void *user, void *const *args, void *result);
    void *user;
};

static void on_call(ffi_cif *cif, void *ret, void **args, void *u)
{
    const struct closure *c = u;
    int64_t made = 0; /* any type fits */
    c->fn(c->user, args, &made);
    union value v = value_load(c->result, &made, 0);
    if (c->result == DT_F32) *(float *)ret = v.f;
    else if (c->result == DT_I64) *(int64_t *)ret = v.i;
    else *(ffi_sarg *)ret = (ffi_sarg)v.i; /* as wide as a register, says libffi */
}

struct closure *closure_new(const struct ext *f, void (*fn)(void *user, void *const *args, void *result), void *user)
{
    struct closure *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->result = f->result;
    c->fn = fn;
    c->user = user;
    c->size = (sizeof *c->page + (size_t)sysconf(_SC_PAGESIZE) - 1) & ~((size_t)sysconf(_SC_PAGESIZE) - 1);
    void *page = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED) c->page = page;
    if (c->page && prepare(&c->cif, c->type, f) && ffi_prep_closure_loc(c->page, &c->cif, on_call, c, c->page) == FFI_OK
        && !mprotect(c->page, c->size, PROT_READ | PROT_EXEC))
        return c;
    closure_free(c);
    return NULL;
}

void *closure_entry(const struct closure *c) { return c->page; }

void closure_free(struct closure *c)
{
    if (!c) return;
    if (c->page) munmap(c->page, c->size);
    free(c);
}
