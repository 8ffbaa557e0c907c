/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/jit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <llvm-c/Core.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>

#include "codegen/codegen.h"
#include "runtime/elf.h"
#include "runtime/rt/qjrt.h"

enum { CLEAR_EVERY = 64 };    /* unlinks between sweeps of the names that nobody uses any more */

struct jit {
    atomic_int refs;
    LLVMOrcLLJITRef lljit;
    pthread_mutex_t lock;               /* guards what follows */
    LLVMOrcJITDylibRef *free_table;     /* symbol tables without an object */
    int nfree, cap, ntable, unlinks;
};

struct linked {
    struct jit *jit;
    LLVMOrcJITDylibRef table;
    LLVMOrcResourceTrackerRef tracker;
    struct elf_info info;
    bool own_imports;                   /* its table has names besides elf_imports */
    uint64_t base;                      /* where `section` lies */
    int section;
};

/* Takes the error. */
static bool fail(struct err_state *e, const char *what, LLVMErrorRef error)
{
    char *text = LLVMGetErrorMessage(error);
    err_set(e, ERR_LINK, (struct span){0}, "%s: %s", what, text);
    LLVMDisposeErrorMessage(text);
    return false;
}

/* ORC says here what it also returns to who asked; the default prints to stderr. */
static void on_report(void *u, LLVMErrorRef error)
{
    (void)u;
    LLVMConsumeError(error);
}

struct jit *jit_new(struct err_state *e)
{
    struct jit *j = calloc(1, sizeof *j);
    cg_setup();
    if (!j) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory for a linker"), NULL;
    j->refs = 1;
    pthread_mutex_init(&j->lock, NULL);
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&j->lljit, NULL);
    if (error) {
        fail(e, "cannot link in this process", error);
        jit_unref(j);
        return NULL;
    }
    LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(j->lljit), on_report, NULL);
    return j;
}

struct jit *jit_ref(struct jit *j)
{
    atomic_fetch_add(&j->refs, 1);
    return j;
}

void jit_unref(struct jit *j)
{
    if (!j || atomic_fetch_sub(&j->refs, 1) != 1) return;
    LLVMErrorRef error = j->lljit ? LLVMOrcDisposeLLJIT(j->lljit) : NULL;
    if (error) LLVMConsumeError(error);
    pthread_mutex_destroy(&j->lock);
    free(j->free_table);
    free(j);
}

/* ---- symbol tables ---- */

/* One by one: nothing is allocated here. */
static LLVMErrorRef define(struct jit *j, LLVMOrcJITDylibRef table, int n, const struct jit_import *import)
{
    LLVMErrorRef error = NULL;
    for (int i = 0; i < n && !error; i++) {
        LLVMOrcCSymbolMapPair pair = {.Name = LLVMOrcLLJITMangleAndIntern(j->lljit, import[i].name)};
        pair.Sym.Address = (uintptr_t)import[i].at;
        pair.Sym.Flags = (LLVMJITSymbolFlags){LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable, 0};
        LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(&pair, 1);
        error = LLVMOrcJITDylibDefine(table, unit);
        if (error) LLVMOrcDisposeMaterializationUnit(unit);
    }
    return error;
}

static LLVMErrorRef define_imports(struct jit *j, LLVMOrcJITDylibRef table)
{
    const struct jit_import import[] = {
        {"qjrt_parallel_for", (void *)(uintptr_t)qjrt_parallel_for},
        {"memcpy", (void *)(uintptr_t)memcpy},
        {"memset", (void *)(uintptr_t)memset},
        {"memmove", (void *)(uintptr_t)memmove},
    };
    return define(j, table, ARRAY_LEN(import), import);
}

static LLVMOrcJITDylibRef take_table(struct jit *j, struct err_state *e)
{
    LLVMOrcJITDylibRef table = NULL;
    int number = 0;
    pthread_mutex_lock(&j->lock);
    if (j->nfree) table = j->free_table[--j->nfree];
    else number = ++j->ntable;
    pthread_mutex_unlock(&j->lock);
    if (table) return table;
    char name[32];
    snprintf(name, sizeof name, "kernel.%d", number);
    table = LLVMOrcExecutionSessionCreateBareJITDylib(LLVMOrcLLJITGetExecutionSession(j->lljit), name);
    LLVMErrorRef error = define_imports(j, table);
    if (error) return fail(e, "cannot link in this process", error), NULL;
    return table;
}

static void give_table(struct jit *j, LLVMOrcJITDylibRef table)
{
    pthread_mutex_lock(&j->lock);
    if (j->nfree == j->cap) {
        int cap = j->cap ? j->cap * 2 : 16;
        LLVMOrcJITDylibRef *grown = realloc(j->free_table, (size_t)cap * sizeof(LLVMOrcJITDylibRef));
        if (grown) {
            j->free_table = grown;
            j->cap = cap;
        }
    }
    if (j->nfree < j->cap) j->free_table[j->nfree++] = table; /* else it stays unused */
    bool sweep = ++j->unlinks % CLEAR_EVERY == 0;
    pthread_mutex_unlock(&j->lock);
    LLVMOrcExecutionSessionRef session = LLVMOrcLLJITGetExecutionSession(j->lljit);
    if (sweep) LLVMOrcSymbolStringPoolClearDeadEntries(LLVMOrcExecutionSessionGetSymbolStringPool(session));
}

/* ---- linking ---- */

struct answer { LLVMErrorRef error; uint64_t address; };

static void on_answer(LLVMErrorRef error, LLVMOrcCSymbolMapPairs result, size_t n, void *u)
{
    struct answer *a = u;
    a->error = error;
    if (!error && n == 1) a->address = result[0].Sym.Address;
}

/* Links what defines the symbol. With the jit's lock held: the session has no threads of its own, but a thread in it
 * may be handed the work of another, whose answer would come after its return. */
static struct answer look_up(struct linked *l, const char *name)
{
    struct answer a = {0};
    LLVMOrcExecutionSessionRef session = LLVMOrcLLJITGetExecutionSession(l->jit->lljit);
    LLVMOrcCJITDylibSearchOrderElement order = {l->table, LLVMOrcJITDylibLookupFlagsMatchExportedSymbolsOnly};
    LLVMOrcCLookupSetElement want = {LLVMOrcLLJITMangleAndIntern(l->jit->lljit, name),
                                     LLVMOrcSymbolLookupFlagsRequiredSymbol};
    LLVMOrcExecutionSessionLookup(session, LLVMOrcLookupKindStatic, &order, 1, &want, 1, on_answer, &a);
    return a;
}

static bool link_object(struct linked *l, struct err_state *e, const void *bytes, size_t n)
{
    const struct elf_func *first = NULL; /* an exported function: all others lie relative to it */
    LLVMErrorRef error = NULL;
    LLVMMemoryBufferRef copy = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes, n, "kernel");
    error = LLVMOrcLLJITAddObjectFileWithRT(l->jit->lljit, l->tracker, copy);
    if (error) return fail(e, "cannot link the object", error);
    for (int i = 0; i < l->info.nfunc && !first; i++)
        if (l->info.func[i].exported) first = &l->info.func[i];
    if (!first) return err_set(e, ERR_LINK, (struct span){0}, "cannot link the object: it defines no function");
    struct answer a = look_up(l, first->name);
    if (a.error) return fail(e, "cannot link the object", a.error);
    l->section = first->section;
    l->base = a.address - first->offset;
    return true;
}

struct imports { int n; const struct jit_import *at; };

static bool is_import(const void *u, const char *name)
{
    const struct imports *m = u;
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->at[i].name, name)) return true;
    return false;
}

static bool add_imports(struct linked *l, struct err_state *e, int n, const struct jit_import *import)
{
    LLVMErrorRef error = n ? define(l->jit, l->table, n, import) : NULL;
    l->own_imports = n > 0;
    return error ? fail(e, "cannot link the object", error) : true;
}

struct linked *jit_link(struct jit *j, struct err_state *e, const void *bytes, size_t n, int nimport,
                        const struct jit_import *import)
{
    struct linked *l = calloc(1, sizeof *l);
    if (!l) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to link an object"), NULL;
    l->jit = jit_ref(j);
    if (elf_read(e, bytes, n, is_import, &(struct imports){nimport, import}, &l->info) && (l->table = take_table(j, e))) {
        l->tracker = LLVMOrcJITDylibCreateResourceTracker(l->table);
        pthread_mutex_lock(&j->lock);
        bool ok = add_imports(l, e, nimport, import) && link_object(l, e, bytes, n);
        pthread_mutex_unlock(&j->lock);
        if (ok) return l;
    }
    jit_unlink(l);
    return NULL;
}

void jit_unlink(struct linked *l)
{
    if (!l) return;
    if (l->tracker) {
        LLVMErrorRef error =
            l->own_imports ? LLVMOrcJITDylibClear(l->table) : LLVMOrcResourceTrackerRemove(l->tracker);
        if (!error && l->own_imports) error = define_imports(l->jit, l->table);
        LLVMOrcReleaseResourceTracker(l->tracker);
        if (error) LLVMConsumeError(error); /* its table may still hold names: never used again */
        else give_table(l->jit, l->table);
    }
    elf_release(&l->info);
    jit_unref(l->jit);
    free(l);
}

static const uint8_t *func_at(const struct linked *l, const struct elf_func *f)
{
    return f->section == l->section ? (const uint8_t *)(uintptr_t)(l->base + f->offset) : NULL;
}

void *jit_find(const struct linked *l, const char *name)
{
    for (int i = 0; i < l->info.nfunc; i++)
        if (!strcmp(l->info.func[i].name, name)) return (void *)(uintptr_t)func_at(l, &l->info.func[i]);
    return NULL;
}

bool jit_is_parallel(const struct linked *l) { return l->info.parallel; }

int jit_nfuncs(const struct linked *l) { return l->info.nfunc; }

struct jit_func jit_func(const struct linked *l, int i)
{
    const struct elf_func *f = &l->info.func[i];
    return (struct jit_func){f->name, func_at(l, f), (size_t)f->size};
}
