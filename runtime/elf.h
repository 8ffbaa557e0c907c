/* SPDX-License-Identifier: Apache-2.0 */
/* elf.h - what must be known of an object file before it is linked into this process: its functions, and that it
 * is made as a kernel is: code, constants and tables, a few kinds of relocation that write inside their section, and
 * no reference but those a kernel may have. Every offset is checked; no byte is trusted.
 *
 *     struct elf_info info;
 *     if (!elf_read(e, bytes, n, NULL, NULL, &info)) return NULL;      // ERR_LINK
 *     ... info.func[0].name ...
 *     elf_release(&info);
 */
#ifndef QJ_RUNTIME_ELF_H
#define QJ_RUNTIME_ELF_H

#include "ir/base/err.h"

struct elf_func {
    char *name;
    int section;
    uint64_t offset, size;    /* in its section */
    const uint8_t *at;        /* in the object's bytes; NULL: it has none there */
    bool exported;
};
struct elf_info {
    int nfunc;                /* by section and offset; local functions too */
    struct elf_func *func;
    bool parallel;            /* it refers to qjrt_parallel_for */
};

/* The symbols an object may leave to the process: NULL-terminated. */
extern const char *const elf_imports[];

/* Whether it may leave one more; NULL: none. */
typedef bool elf_also(const void *u, const char *name);
/* A relocatable ELF64 object for this machine. False: ERR_LINK, ERR_NO_HOST for another machine's. */
bool elf_read(struct err_state *e, const void *bytes, size_t n, elf_also *also, const void *u, struct elf_info *out);
/* The same of an object for any machine we know: ERR_LINK. */
bool elf_check(struct err_state *e, const void *bytes, size_t n, elf_also *also, const void *u, struct elf_info *out);
/* Does it define this function for others? */
bool elf_exports(const struct elf_info *info, const char *name);
void elf_release(struct elf_info *info);

#endif
