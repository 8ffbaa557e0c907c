/* SPDX-License-Identifier: Apache-2.0 */
/* disasm.h - the linked bytes of an object as instructions: what runs, not what was meant to.
 *
 * Spills are registers put on the stack frame and fetched again: a slot (a fixed distance from the stack or
 * frame pointer) that is both written and read by moves or read as an operand. Local arrays indexed by a
 * register are none, nor are stack arguments, pushes and pops. */
#ifndef QJ_RUNTIME_DISASM_H
#define QJ_RUNTIME_DISASM_H

#include "ir/base/err.h"
#include "runtime/elf.h"
#include "runtime/jit.h"
#include "runtime/qjit.h"

/* All functions, by address; owned (disasm_free). ERR_LLVM when there is no disassembler for the triple. */
qj_listing *disasm(struct err_state *e, const struct linked *l, const char *triple, const char *cpu,
                   const char *features);
/* The same of an object's bytes before they are linked; they must outlive the listing. */
qj_listing *disasm_object(struct err_state *e, const struct elf_info *o, const char *triple, const char *cpu,
                          const char *features);
void disasm_free(qj_listing *l);

/* The spills in instructions [from, to]; `vectors`: of vector registers alone. */
void disasm_spills_in(const qj_listing *l, size_t from, size_t to, bool vectors, int *stores, int *loads);

/* Counts into l->spill_stores and spill_loads from the instructions' texts. */
void disasm_count_spills(qj_listing *l);

#endif
