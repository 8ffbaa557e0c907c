/* SPDX-License-Identifier: Apache-2.0 */
/* reloc.h - the relocations that code of ours asks of a linker, and their arithmetic: a table and two pure functions.
 *
 *     const struct reloc *r = reloc_of(EM_X86_64, R_X86_64_PLT32);     // NULL: a kind that no kernel has
 *     if (!reloc_apply(r, field, symbol + addend, place)) ...          // it does not reach
 */
#ifndef QJ_RUNTIME_RELOC_H
#define QJ_RUNTIME_RELOC_H

#include "ir/base/base.h"

enum { RELOC_BYTES = 4 };       /* what each writes */

enum reloc_to {
    RELOC_TO_PLACE,             /* the symbol itself, which must be the object's own */
    RELOC_TO_CALL,              /* the symbol, or code that jumps there */
    RELOC_TO_ADDRESS,           /* eight bytes that hold the symbol's address */
};

struct reloc {
    int machine;                /* EM_ and R_ as <elf.h> has them */
    unsigned type;
    enum reloc_to to;
    enum reloc_how {
        RELOC_REL32,            /* distance, 32 bits */
        RELOC_BRANCH26,         /* distance in instructions, 26 bits of one */
        RELOC_PAGE21,           /* distance in pages of 4 KB, in ADRP */
        RELOC_LOW12,            /* the low 12 bits, in ADD or a load or store of 1 << scale bytes */
    } how;
    unsigned scale;
};

const struct reloc *reloc_of(int machine, unsigned type);
/* Writes the four bytes at `field`, which will be at the address `place`, so that they reach `target`. False, with
 * nothing written: they cannot. */
bool reloc_apply(const struct reloc *r, uint8_t field[RELOC_BYTES], uint64_t target, uint64_t place);

#endif
