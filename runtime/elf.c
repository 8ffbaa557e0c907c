/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/elf.h"

#include <elf.h>
#include <stdlib.h>

#include "runtime/reloc.h"

const char *const elf_imports[] = {"qjrt_parallel_for", "memcpy", "memset", "memmove", NULL};

#if defined(__x86_64__)
enum { HOST_MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#else
enum { HOST_MACHINE = EM_NONE };
#endif

/* MOST_ZEROED: an object of several versions keeps its choice in a word (codegen/llvm_versions.c). */
enum { MOST_ALIGN = 4096, MOST_ZEROED = 16 };

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
    int type = ELF64_ST_TYPE(s->st_info);
    if (type != STT_NOTYPE && type != STT_OBJECT && type != STT_FUNC && type != STT_SECTION && type != STT_FILE)
        return bad(e, "a symbol of a kind that no kernel has");
    if (s->st_shndx == SHN_UNDEF) {
        out->parallel |= !strcmp(name, elf_imports[0]);
        if (is_one_of(name, elf_imports, SIZE_MAX) || is_one_of(name, harmless, ARRAY_LEN(harmless))) return true;
        if (v->also && v->also(v->u, name)) return true;
        err_set(e, ERR_LINK, (struct span){0}, "cannot link the object: it refers to %s", name);
        err_hint(e, "a kernel may refer to qjrt_parallel_for, memcpy, memset, memmove and what its program declares extern");
        return false;
    }
    if (s->st_shndx == SHN_ABS && type == STT_FILE) return true;
    if (!section(v, h, s->st_shndx, &in) || s->st_value > in.sh_size || s->st_size > in.sh_size - s->st_value)
        return bad(e, "a symbol lies outside its section");
    if (type != STT_FUNC) return true;
    if (!(in.sh_flags & SHF_EXECINSTR)) return bad(e, "a function that is not code");
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

static bool has_bytes(const Elf64_Shdr *s) { return s->sh_type == SHT_PROGBITS || s->sh_type == SHT_X86_64_UNWIND; }

/* Code and constants, tables about them, and nothing that is written or run by itself. */
static bool section_ok(struct err_state *e, const struct view *v, const Elf64_Shdr *s)
{
    const uint64_t known = SHF_ALLOC | SHF_EXECINSTR | SHF_MERGE | SHF_STRINGS | SHF_INFO_LINK;
    if (s->sh_size == 0 && (s->sh_type == SHT_PROGBITS || s->sh_type == SHT_NOBITS)) return true; /* of a C compiler's */
    switch (s->sh_type) {
    case SHT_NULL: return true;
    case SHT_NOBITS:
        if (s->sh_flags == (SHF_ALLOC | SHF_WRITE) && s->sh_size <= MOST_ZEROED && s->sh_addralign <= MOST_ZEROED) return true;
        return bad(e, "a section of a kind that no kernel has: data that is written, or the like");
    case SHT_PROGBITS: case SHT_NOTE: case SHT_SYMTAB: case SHT_STRTAB: case SHT_RELA: break;
    case SHT_X86_64_UNWIND: /* .eh_frame; on other machines it is PROGBITS */
        if (s->sh_flags & ~(uint64_t)SHF_ALLOC) return bad(e, "a table of frames of a kind that no kernel has");
        break;
    default: return bad(e, "a section of a kind that no kernel has");
    }
    if (s->sh_flags & ~known) return bad(e, "a section of a kind that no kernel has: data that is written, or the like");
    if ((s->sh_flags & SHF_ALLOC) && !has_bytes(s) && s->sh_type != SHT_NOTE)
        return bad(e, "a table that would be loaded");
    if (!part(v, s->sh_offset, s->sh_size)) return bad(e, "a section lies outside the file");
    if (s->sh_addralign > MOST_ALIGN || (s->sh_addralign & (s->sh_addralign - 1))) return bad(e, "a section's alignment");
    return true;
}

static bool relocations_ok(struct err_state *e, const struct view *v, const Elf64_Ehdr *h, const Elf64_Shdr *s,
                           unsigned symtab, uint64_t nsym)
{
    Elf64_Shdr in;
    const unsigned char *at = part(v, s->sh_offset, s->sh_size);
    if (!at || s->sh_link != symtab || s->sh_entsize != sizeof(Elf64_Rela) || s->sh_size % sizeof(Elf64_Rela) ||
        !section(v, h, s->sh_info, &in) || !has_bytes(&in) || !(in.sh_flags & SHF_ALLOC))
        return bad(e, "relocations of no section");
    for (uint64_t i = 0; i < s->sh_size / sizeof(Elf64_Rela); i++) {
        Elf64_Rela r;
        memcpy(&r, at + i * sizeof r, sizeof r);
        if (!reloc_of(h->e_machine, (unsigned)ELF64_R_TYPE(r.r_info))) return bad(e, "a relocation of a kind that no kernel has");
        if (r.r_offset > in.sh_size || RELOC_BYTES > in.sh_size - r.r_offset) return bad(e, "a relocation outside its section");
        if (ELF64_R_SYM(r.r_info) >= nsym) return bad(e, "a relocation by no symbol");
    }
    return true;
}

static bool read_sections(struct err_state *e, const struct view *v, const Elf64_Ehdr *h, struct elf_info *out)
{
    Elf64_Shdr s;
    unsigned symtab = 0;
    uint64_t nsym = 0;
    for (unsigned i = 0; i < h->e_shnum; i++) {
        if (!section(v, h, i, &s)) return bad(e, "its section table lies outside the file");
        if (!section_ok(e, v, &s)) return false;
        if (s.sh_type != SHT_SYMTAB) continue;
        if (symtab) return bad(e, "two symbol tables");
        if (!read_symbols(e, v, h, &s, out)) return false;
        symtab = i;
        nsym = s.sh_size / sizeof(Elf64_Sym);
    }
    if (!symtab) return bad(e, "it has no symbol table");
    for (unsigned i = 0; i < h->e_shnum; i++)
        if (section(v, h, i, &s) && s.sh_type == SHT_RELA && !relocations_ok(e, v, h, &s, symtab, nsym)) return false;
    return true;
}

static bool read_head(struct err_state *e, const struct view *v, Elf64_Ehdr *h)
{
    if (v->n < sizeof *h) return bad(e, "not an object file");
    memcpy(h, v->bytes, sizeof *h);
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64
        || h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_type != ET_REL || h->e_shentsize != sizeof(Elf64_Shdr))
        return bad(e, "not a 64-bit little-endian ELF object");
    return true;
}

bool elf_check(struct err_state *e, const void *bytes, size_t n, elf_also *also, const void *u, struct elf_info *out)
{
    struct view v = {bytes, n, also, u};
    Elf64_Ehdr h;
    *out = (struct elf_info){0};
    if (read_head(e, &v, &h) && read_sections(e, &v, &h, out)) return true;
    elf_release(out);
    return false;
}

bool elf_read(struct err_state *e, const void *bytes, size_t n, elf_also *also, const void *u, struct elf_info *out)
{
    struct view v = {bytes, n, also, u};
    Elf64_Ehdr h;
    *out = (struct elf_info){0};
    if (!read_head(e, &v, &h)) return false;
    if (h.e_machine == HOST_MACHINE) return elf_check(e, bytes, n, also, u, out);
    return err_set(e, ERR_NO_HOST, (struct span){0}, "the object is for another machine (ELF machine %d)", h.e_machine);
}

bool elf_exports(const struct elf_info *info, const char *name)
{
    for (int i = 0; i < info->nfunc; i++)
        if (info->func[i].exported && !strcmp(info->func[i].name, name)) return true;
    return false;
}

void elf_release(struct elf_info *info)
{
    for (int i = 0; i < info->nfunc; i++) free(info->func[i].name);
    free(info->func);
    *info = (struct elf_info){0};
}
