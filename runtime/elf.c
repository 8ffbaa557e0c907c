/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/elf.h"

#include <elf.h>
#include <stdlib.h>

const char *const elf_imports[] = {"qjrt_parallel_for", "memcpy", "memset", "memmove", NULL};

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#else
enum { HOST_MACHINE = EM_NONE };
#endif

/* Assembler-made names that need no definition. */
static const char *const harmless[] = {"_GLOBAL_OFFSET_TABLE_", ""};

struct view {
    const unsigned char *bytes;
    size_t n;
    elf_also *also;
    const void *u;
};

/* A table inside the file, or NULL. Entries are copied out: the file need not be aligned. */
static const unsigned char *part(const struct view *v, uint64_t at, uint64_t size)
{
    return at <= v->n && size <= v->n - at ? v->bytes + at : NULL;
}

static bool bad(struct err_state *e, const char *what)
{
    err_set(e, ERR_LINK, (struct span){0}, "cannot link the object: %s", what);
    err_hint(e, "link what `compile` made for this machine, unchanged");
    return false;
}

static bool section(const struct view *v, const Elf64_Ehdr *h, unsigned i, Elf64_Shdr *out)
{
    const unsigned char *at = i < h->e_shnum ? part(v, h->e_shoff, (uint64_t)h->e_shnum * sizeof *out) : NULL;
    if (at) memcpy(out, at + i * sizeof *out, sizeof *out);
    return at != NULL;
}

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n && list[i]; i++)
        if (!strcmp(name, list[i])) return true;
    return false;
}

static int by_place(const void *a, const void *b)
{
    const struct elf_func *x = a, *y = b;
    if (x->section != y->section) return x->section < y->section ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool add_symbol(struct err_state *e, const struct view *v, const Elf64_Ehdr *h, const Elf64_Sym *s,
                       const char *name, struct elf_info *out)
{
    Elf64_Shdr in;
    if (s->st_shndx == SHN_UNDEF) {
        out->parallel |= !strcmp(name, elf_imports[0]);
        if (is_one_of(name, elf_imports, SIZE_MAX) || is_one_of(name, harmless, ARRAY_LEN(harmless))) return true;
        if (v->also && v->also(v->u, name)) return true;
        err_set(e, ERR_LINK, (struct span){0}, "cannot link the object: it refers to %s", name);
        err_hint(e, "a kernel may refer to qjrt_parallel_for, memcpy, memset, memmove and what its program declares extern");
        return false;
    }
    if (ELF64_ST_TYPE(s->st_info) != STT_FUNC) return true;
    if (!section(v, h, s->st_shndx, &in) || s->st_value > in.sh_size || s->st_size > in.sh_size - s->st_value)
        return bad(e, "a function lies outside its section");
    struct elf_func *f = &out->func[out->nfunc];
    *f = (struct elf_func){strdup(name), s->st_shndx, s->st_value, s->st_size, NULL,
                           ELF64_ST_BIND(s->st_info) == STB_GLOBAL};
    const unsigned char *code = in.sh_type == SHT_PROGBITS ? part(v, in.sh_offset, in.sh_size) : NULL;
    if (code) f->at = code + s->st_value;
    if (!f->name) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to link an object");
    out->nfunc++;
    return true;
}

static bool read_symbols(struct err_state *e, const struct view *v, const Elf64_Ehdr *h,
                         const Elf64_Shdr *table, struct elf_info *out)
{
    Elf64_Shdr names;
    const unsigned char *sym = part(v, table->sh_offset, table->sh_size);
    uint64_t n = table->sh_size / sizeof(Elf64_Sym);
    if (!sym || !section(v, h, table->sh_link, &names)) return bad(e, "its symbol table lies outside the file");
    const char *text = (const char *)part(v, names.sh_offset, names.sh_size);
    if (!text || !names.sh_size || text[names.sh_size - 1])
        return bad(e, "its symbol names lie outside the file");
    out->func = calloc(n + 1, sizeof *out->func);
    if (!out->func) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to link an object");
    for (uint64_t i = 1; i < n; i++) {
        Elf64_Sym s;
        memcpy(&s, sym + i * sizeof s, sizeof s);
        if (s.st_name >= names.sh_size) return bad(e, "a symbol's name lies outside the file");
        if (!add_symbol(e, v, h, &s, text + s.st_name, out)) return false;
    }
    qsort(out->func, (size_t)out->nfunc, sizeof *out->func, by_place);
    return true;
}

/* A kernel has code and constants; an object of several versions, one word that says which is used. */
static bool section_allowed(const Elf64_Shdr *s)
{
    enum { MOST_WRITABLE = 16 };
    if (!(s->sh_flags & SHF_ALLOC)) return true;
    if (s->sh_flags & SHF_TLS || s->sh_type == SHT_INIT_ARRAY || s->sh_type == SHT_FINI_ARRAY || s->sh_type == SHT_PREINIT_ARRAY)
        return false;
    if (!(s->sh_flags & SHF_WRITE)) return true;
    return !(s->sh_flags & SHF_EXECINSTR) && (s->sh_size == 0 || (s->sh_type == SHT_NOBITS && s->sh_size <= MOST_WRITABLE));
}

bool elf_read(struct err_state *e, const void *bytes, size_t n, elf_also *also, const void *u, struct elf_info *out)
{
    struct view v = {bytes, n, also, u};
    Elf64_Ehdr h;
    *out = (struct elf_info){0};
    if (n < sizeof h) return bad(e, "not an object file");
    memcpy(&h, bytes, sizeof h);
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) || h.e_ident[EI_CLASS] != ELFCLASS64
        || h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_type != ET_REL || h.e_shentsize != sizeof(Elf64_Shdr))
        return bad(e, "not a 64-bit little-endian ELF object");
    if (h.e_machine != HOST_MACHINE)
        return err_set(e, ERR_NO_HOST, (struct span){0}, "the object is for another machine (ELF machine %d)",
                       h.e_machine);
    bool ok = true, seen = false;
    for (unsigned i = 0; ok && i < h.e_shnum; i++) {
        Elf64_Shdr s;
        if (!section(&v, &h, i, &s)) ok = bad(e, "its section table lies outside the file");
        else if (!section_allowed(&s)) ok = bad(e, "it has writable data, or code that runs by itself");
        else if (s.sh_type == SHT_SYMTAB) {
            ok = seen ? bad(e, "two symbol tables") : read_symbols(e, &v, &h, &s, out);
            seen = true;
        }
    }
    if (ok && !seen) ok = bad(e, "it has no symbol table");
    if (!ok) elf_release(out);
    return ok;
}

void elf_release(struct elf_info *info)
{
    for (int i = 0; i < info->nfunc; i++) free(info->func[i].name);
    free(info->func);
    *info = (struct elf_info){0};
}
