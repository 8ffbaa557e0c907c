/* SPDX-License-Identifier: Apache-2.0 */
/* jit.h - object bytes become code in this process.
 *
 * A linker of our own for the few kinds of section, symbol and relocation that elf.h lets through: one mapping an object,
 *
 *     guard page | code, slots | constants | word of a choice (if any) | guard page
 *
 * filled while it can be written, then read and executed, read, and read and written: no page is ever writable and
 * executable at once, and unlinking unmaps it. A slot is a symbol's address with an instruction that jumps there: calls
 * to the process, which may lie further than a call reaches, go by it. An object sees elf_imports, what its program
 * declares extern, and nothing else of the process; two objects may define the same names. No relocation reaches out of
 * the mapping. Nothing is shared, so nothing is locked: all functions may be called from any thread, and LLVM has no part
 * in it.
 *
 *     struct linked *l = jit_link(e, a->bytes, a->size, 0, NULL);
 *     int (*f)(void **) = (int (*)(void **))jit_find(l, "conv_call");
 *     jit_unlink(l);
 */
#ifndef QJ_RUNTIME_JIT_H
#define QJ_RUNTIME_JIT_H

#include "ir/base/err.h"

struct linked;

/* The bytes are copied. What the object may call besides elf_imports is in import[]. NULL: ERR_LINK, ERR_MEMORY, or
 * elf_read's errors. */
struct jit_import { const char *name; void *at; };
struct linked *jit_link(struct err_state *e, const void *bytes, size_t n, int nimport, const struct jit_import *import);
void jit_unlink(struct linked *l);             /* NULL is fine */

/* A function's address; NULL: no such function. */
void *jit_find(const struct linked *l, const char *name);

bool jit_is_parallel(const struct linked *l);  /* it has parallel loops */

/* The table of its frames (unwind.h), ended as unwind_register wants it; NULL: it has none, or one that is not whole. */
const uint8_t *jit_unwind(const struct linked *l, size_t *n);

/* The functions of the object, local ones too, by address. at: NULL: its section is not loaded. */
struct jit_func { const char *name; const uint8_t *at; size_t size; };
int jit_nfuncs(const struct linked *l);
struct jit_func jit_func(const struct linked *l, int i);

#endif
