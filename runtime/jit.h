/* SPDX-License-Identifier: Apache-2.0 */
/* jit.h - object bytes become code in this process.
 *
 * One ORC session a jit, one resource tracker a linked object: unlinking gives its memory back. Two objects
 * may define the same names, as each is linked into a table of symbols of its own; the tables are reused,
 * since ORC's C interface cannot remove one. An object sees elf_imports, what its program declares extern,
 * and nothing else of the process.
 * All functions may be called from any thread. A linked object keeps its jit alive.
 *
 *     struct jit *j = jit_new(e);
 *     struct linked *l = jit_link(j, e, a->bytes, a->size, 0, NULL);
 *     int (*f)(void **) = (int (*)(void **))jit_find(l, "conv_call");
 *     jit_unlink(l);
 *     jit_unref(j);
 */
#ifndef QJ_RUNTIME_JIT_H
#define QJ_RUNTIME_JIT_H

#include "ir/base/err.h"

struct jit;
struct linked;

struct jit *jit_new(struct err_state *e);      /* ERR_LINK, ERR_MEMORY */
struct jit *jit_ref(struct jit *j);
void jit_unref(struct jit *j);                 /* NULL is fine */

/* The bytes are copied. What the object may call besides elf_imports is in import[]. NULL: ERR_LINK with ORC's text,
 * or elf_read's errors. */
struct jit_import { const char *name; void *at; };
struct linked *jit_link(struct jit *j, struct err_state *e, const void *bytes, size_t n, int nimport,
                        const struct jit_import *import);
void jit_unlink(struct linked *l);             /* NULL is fine */

/* A function's address; NULL: no such function. */
void *jit_find(const struct linked *l, const char *name);

bool jit_is_parallel(const struct linked *l);  /* it has parallel loops */

/* The functions of the object, local ones too, by address. */
struct jit_func { const char *name; const uint8_t *at; size_t size; };
int jit_nfuncs(const struct linked *l);
struct jit_func jit_func(const struct linked *l, int i);

#endif
