/* SPDX-License-Identifier: Apache-2.0 */
/* build.c - contract in build.h. */
#include "runtime/build.h"

#include <link.h>
#include <stdio.h>

#include "codegen/codegen.h"

enum { ID_BYTES = 20, ID_TEXT = 2 * ID_BYTES + 1 };
_Static_assert(2 * (int)ID_TEXT <= (int)BUILD_TEXT, "room for two");

struct found { const void *code[2]; char id[2][ID_TEXT]; };

static bool holds(const struct dl_phdr_info *f, const void *code)
{
    for (int i = 0; i < f->dlpi_phnum; i++) {
        uintptr_t at = f->dlpi_addr + f->dlpi_phdr[i].p_vaddr;
        if (f->dlpi_phdr[i].p_type == PT_LOAD && (uintptr_t)code - at < f->dlpi_phdr[i].p_memsz) return true;
    }
    return false;
}

/* The note that the linker left in the file, as digits. */
static void put_id(const struct dl_phdr_info *f, char *out)
{
    for (int i = 0; i < f->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &f->dlpi_phdr[i];
        if (p->p_type != PT_NOTE) continue;
        const unsigned char *at = (const unsigned char *)(f->dlpi_addr + p->p_vaddr), *end = at + p->p_memsz;
        while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
            ElfW(Nhdr) h;
            memcpy(&h, at, sizeof h);
            size_t name = (h.n_namesz + 3u) & ~3u, desc = (h.n_descsz + 3u) & ~3u;
            const unsigned char *id = at + sizeof h + name;
            if (name > (size_t)(end - at) || desc > (size_t)(end - at) || sizeof h + name + desc > (size_t)(end - at)) break;
            if (h.n_type == NT_GNU_BUILD_ID && h.n_namesz == 4 && !memcmp(at + sizeof h, "GNU", 4) && h.n_descsz <= ID_BYTES) {
                for (unsigned k = 0; k < h.n_descsz; k++) sprintf(out + 2 * k, "%02x", id[k]);
                return;
            }
            at = id + desc;
        }
    }
}

static int look(struct dl_phdr_info *f, size_t size, void *u)
{
    struct found *x = u;
    for (int i = 0; i < 2; i++)
        if (holds(f, x->code[i])) put_id(f, x->id[i]);
    return 0;
}

void build_text(char out[BUILD_TEXT])
{
    struct found x = {.code = {(const void *)(uintptr_t)build_text, cg_llvm_code()}};
    dl_iterate_phdr(look, &x);
    *out = 0;
    if (*x.id[0] && *x.id[1]) snprintf(out, BUILD_TEXT, "%s %s", x.id[0], x.id[1]);
}
