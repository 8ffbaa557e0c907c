/* SPDX-License-Identifier: Apache-2.0 */
/* jit.c - contract in jit.h. Offsets within the object's bytes were checked by elf_read. */
#include "runtime/jit.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/elf.h"
#include "runtime/reloc.h"
#include "runtime/rt/qjrt.h"
#include "runtime/unwind.h"

enum part { CODE, CONSTANTS, ZEROED, PARTS };
enum { SLOT_CODE = 8, SLOT = 16 };  /* bytes of a slot: a jump to the address behind it, the address */

struct linked {
    struct elf_info info;
    uint8_t *map;           /* NULL: not mapped */
    size_t size;
    size_t *section;        /* where each lies in the mapping; 0, the guard's: it is not loaded */
    size_t unwind, unwind_size;     /* .eh_frame there, UNWIND_END zeroes behind it; size 0: none that is whole */
};

struct linking {
    struct linked *l;
    struct err_state *e;
    const uint8_t *bytes;
    size_t n;
    Elf64_Ehdr head;
    Elf64_Shdr symbols, names;
    uint64_t nsymbol;
    size_t page, slots, from[PARTS + 1];    /* where in the mapping the slots and the parts begin */
    int nimport;
    const struct jit_import *import;
};

static bool bad(struct linking *k, const char *what)
{
    return err_set(k->e, ERR_LINK, (struct span){0}, "cannot link the object: %s", what);
}

static bool no_memory(struct err_state *e)
{
    return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to link an object");
}

/* Linux says the same of both. */
static bool no_mapping(struct err_state *e)
{
    return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to link an object, or more mappings than vm.max_map_count allows");
}

static Elf64_Shdr section(const struct linking *k, unsigned i)
{
    Elf64_Shdr s;
    memcpy(&s, k->bytes + k->head.e_shoff + i * sizeof s, sizeof s);
    return s;
}

static size_t aligned(size_t at, size_t to) { return (at + to - 1) & ~(to - 1); }

/* ---- where everything goes ---- */

static bool is_loaded(const Elf64_Shdr *s) { return (s->sh_flags & SHF_ALLOC) && s->sh_size; }

static enum part part_of(const Elf64_Shdr *s)
{
    if (s->sh_type == SHT_NOBITS) return ZEROED;
    return s->sh_flags & SHF_EXECINSTR ? CODE : CONSTANTS;
}

static bool is_unwind(const struct linking *k, const Elf64_Shdr *s)
{
    static const char name[] = ".eh_frame";
    if (k->head.e_shstrndx >= k->head.e_shnum) return false;
    Elf64_Shdr names = section(k, k->head.e_shstrndx);
    if (names.sh_type != SHT_STRTAB || names.sh_size < sizeof name || s->sh_name > names.sh_size - sizeof name) return false;
    return !memcmp(k->bytes + names.sh_offset + s->sh_name, name, sizeof name);
}

/* One part, from a page's begin. False: it takes more than its object has bytes, as sections of one place would. */
static bool lay_out_part(struct linking *k, enum part part)
{
    size_t at = k->from[part], sum = 0;
    for (unsigned i = 0; i < k->head.e_shnum; i++) {
        Elf64_Shdr s = section(k, i);
        if (!is_loaded(&s) || part_of(&s) != part) continue;
        at = aligned(at, s.sh_addralign ? (size_t)s.sh_addralign : 1);
        k->l->section[i] = at;
        if (part == CONSTANTS && is_unwind(k, &s)) {
            k->l->unwind = at;
            k->l->unwind_size = unwind_whole(k->bytes + s.sh_offset, (size_t)s.sh_size) ? (size_t)s.sh_size : 0;
            at += UNWIND_END;
        }
        at += (size_t)s.sh_size;
        sum += (size_t)s.sh_size;
        if (sum > k->n || at > INT32_MAX) return bad(k, "its sections are larger than the object");
    }
    if (part == CODE) {
        k->slots = aligned(at, SLOT);
        at = k->slots + (size_t)k->nsymbol * SLOT;
    }
    k->from[part + 1] = aligned(at, k->page);
    return true;
}

static bool lay_out(struct linking *k)
{
    for (unsigned i = 0; i < k->head.e_shnum; i++) {
        Elf64_Shdr s = section(k, i);
        if (s.sh_type != SHT_SYMTAB) continue;
        k->symbols = s;
        k->names = section(k, s.sh_link);
        k->nsymbol = s.sh_size / sizeof(Elf64_Sym);
    }
    k->from[CODE] = k->page;
    for (enum part p = 0; p < PARTS; p++)
        if (!lay_out_part(k, p)) return false;
    k->l->size = k->from[PARTS] + k->page;
    return true;
}

/* ---- symbols ---- */

static const void *import_of(const struct linking *k, const char *name)
{
    const struct jit_import of_all[] = {
        {"qjrt_parallel_for", (void *)(uintptr_t)qjrt_parallel_for},
        {"memcpy", (void *)(uintptr_t)memcpy},
        {"memset", (void *)(uintptr_t)memset},
        {"memmove", (void *)(uintptr_t)memmove},
    };
    for (size_t i = 0; i < ARRAY_LEN(of_all); i++)
        if (!strcmp(of_all[i].name, name)) return of_all[i].at;
    for (int i = 0; i < k->nimport; i++)
        if (!strcmp(k->import[i].name, name)) return k->import[i].at;
    return NULL;
}

/* Its address; *own: in this mapping. NULL: it has none. */
static const void *symbol(const struct linking *k, uint64_t i, bool *own)
{
    Elf64_Sym s;
    memcpy(&s, k->bytes + k->symbols.sh_offset + i * sizeof s, sizeof s);
    *own = s.st_shndx != SHN_UNDEF;
    if (!*own) return import_of(k, (const char *)k->bytes + k->names.sh_offset + s.st_name);
    size_t base = s.st_shndx < k->head.e_shnum ? k->l->section[s.st_shndx] : 0;
    return base ? k->l->map + base + s.st_value : NULL;
}

/* The slot of a symbol, with the address in it. */
static uint8_t *slot(const struct linking *k, uint64_t i, const void *address)
{
#if defined(__x86_64__)
    static const uint8_t jump[SLOT_CODE] = {0xff, 0x25, 2, 0, 0, 0, 0x0f, 0x0b};  /* jmp *2(%rip); ud2 */
#else
    static const uint8_t jump[SLOT_CODE] = {0x50, 0, 0, 0x58, 0, 0x02, 0x1f, 0xd6}; /* ldr x16, 8; br x16 */
#endif
    uint8_t *at = k->l->map + k->slots + i * SLOT;
    memcpy(at, jump, sizeof jump);
    memcpy(at + SLOT_CODE, &address, sizeof address);
    return at;
}

static bool relocate(struct linking *k, const Elf64_Rela *r, size_t base)
{
    const struct reloc *kind = reloc_of(k->head.e_machine, (unsigned)ELF64_R_TYPE(r->r_info));
    uint64_t i = ELF64_R_SYM(r->r_info);
    bool own = false;
    const void *to = i ? symbol(k, i, &own) : NULL;
    if (!kind || !to) return bad(k, "a relocation by no symbol");
    if (!own && kind->to == RELOC_TO_PLACE) return bad(k, "a function of the process used as if it were its own");
    if (kind->to == RELOC_TO_ADDRESS) to = slot(k, i, to) + SLOT_CODE;
    else if (!own) to = slot(k, i, to);
    uint64_t target = (uintptr_t)to + (uint64_t)r->r_addend;
    if (target - (uintptr_t)k->l->map >= k->l->size) return bad(k, "a relocation reaches out of the object");
    uint8_t *place = k->l->map + base + r->r_offset;
    return reloc_apply(kind, place, target, (uintptr_t)place) || bad(k, "a relocation does not reach");
}

/* ---- the mapping ---- */

static bool fill(struct linking *k)
{
    struct linked *l = k->l;
    for (unsigned i = 0; i < k->head.e_shnum; i++) {
        Elf64_Shdr s = section(k, i);
        if (l->section[i] && s.sh_type != SHT_NOBITS) memcpy(l->map + l->section[i], k->bytes + s.sh_offset, s.sh_size);
    }
    for (unsigned i = 0; i < k->head.e_shnum; i++) {
        Elf64_Shdr s = section(k, i);
        size_t base = s.sh_type == SHT_RELA ? l->section[s.sh_info] : 0;
        for (uint64_t at = 0; base && at < s.sh_size; at += sizeof(Elf64_Rela)) {
            Elf64_Rela r;
            memcpy(&r, k->bytes + s.sh_offset + at, sizeof r);
            if (!relocate(k, &r, base)) return false;
        }
    }
    return true;
}

static bool protect(struct linking *k, enum part part, int how)
{
    size_t n = k->from[part + 1] - k->from[part];
    if (!n || !mprotect(k->l->map + k->from[part], n, how)) return true;
    if (errno == ENOMEM) return no_mapping(k->e);
    err_set(k->e, ERR_LINK, (struct span){0}, "cannot link the object: this process may not make code: %s", strerror(errno));
    err_hint(k->e, "save the object with qj_artifact_save and link it into a program");
    return false;
}

static bool map(struct linking *k)
{
    struct linked *l = k->l;
    void *at = mmap(NULL, l->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return no_mapping(k->e);
    l->map = at;
    for (enum part p = 0; p < PARTS; p++)
        if (!protect(k, p, PROT_READ | PROT_WRITE)) return false;
    if (!fill(k)) return false;
    __builtin___clear_cache((char *)l->map + k->from[CODE], (char *)l->map + k->from[CODE + 1]);
    return protect(k, CODE, PROT_READ | PROT_EXEC) && protect(k, CONSTANTS, PROT_READ);
}

/* ---- all of it ---- */

struct imports { int n; const struct jit_import *at; };

static bool is_import(const void *u, const char *name)
{
    const struct imports *m = u;
    for (int i = 0; i < m->n; i++)
        if (!strcmp(m->at[i].name, name)) return true;
    return false;
}

static bool defines_function(struct linking *k)
{
    for (int i = 0; i < k->l->info.nfunc; i++)
        if (k->l->info.func[i].exported && jit_func(k->l, i).at) return true;
    return bad(k, "it defines no function");
}

struct linked *jit_link(struct err_state *e, const void *bytes, size_t n, int nimport, const struct jit_import *import)
{
    struct linked *l = calloc(1, sizeof *l);
    struct linking k = {.l = l, .e = e, .bytes = bytes, .n = n, .nimport = nimport, .import = import};
    if (!l) return no_memory(e), NULL;
    if (elf_read(e, bytes, n, is_import, &(struct imports){nimport, import}, &l->info)) {
        memcpy(&k.head, bytes, sizeof k.head);
        k.page = (size_t)sysconf(_SC_PAGESIZE);
        l->section = calloc(k.head.e_shnum + 1u, sizeof *l->section);
        if (!l->section) no_memory(e);
        else if (lay_out(&k) && map(&k) && defines_function(&k)) return l;
    }
    jit_unlink(l);
    return NULL;
}

void jit_unlink(struct linked *l)
{
    if (!l) return;
    if (l->map) munmap(l->map, l->size);
    elf_release(&l->info);
    free(l->section);
    free(l);
}

void *jit_find(const struct linked *l, const char *name)
{
    for (int i = 0; i < l->info.nfunc; i++)
        if (!strcmp(l->info.func[i].name, name)) return (void *)(uintptr_t)jit_func(l, i).at;
    return NULL;
}

bool jit_is_parallel(const struct linked *l) { return l->info.parallel; }

const uint8_t *jit_unwind(const struct linked *l, size_t *n)
{
    *n = l->unwind_size;
    return *n ? l->map + l->unwind : NULL;
}

int jit_nfuncs(const struct linked *l) { return l->info.nfunc; }

struct jit_func jit_func(const struct linked *l, int i)
{
    const struct elf_func *f = &l->info.func[i];
    size_t base = l->section[f->section];
    return (struct jit_func){f->name, base ? l->map + base + f->offset : NULL, (size_t)f->size};
}
