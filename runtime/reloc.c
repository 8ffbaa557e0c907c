/* SPDX-License-Identifier: Apache-2.0 */
/* reloc.c - contract in reloc.h. */
#include "runtime/reloc.h"

#include <elf.h>

static const struct reloc rows[] = {
    {EM_X86_64, R_X86_64_PC32, RELOC_TO_PLACE, RELOC_REL32, 0},
    {EM_X86_64, R_X86_64_PLT32, RELOC_TO_CALL, RELOC_REL32, 0},
    {EM_X86_64, R_X86_64_GOTPCREL, RELOC_TO_ADDRESS, RELOC_REL32, 0},
    {EM_X86_64, R_X86_64_GOTPCRELX, RELOC_TO_ADDRESS, RELOC_REL32, 0},
    {EM_X86_64, R_X86_64_REX_GOTPCRELX, RELOC_TO_ADDRESS, RELOC_REL32, 0},
    {EM_AARCH64, R_AARCH64_CALL26, RELOC_TO_CALL, RELOC_BRANCH26, 2},
    {EM_AARCH64, R_AARCH64_JUMP26, RELOC_TO_CALL, RELOC_BRANCH26, 2},
    {EM_AARCH64, R_AARCH64_ADR_PREL_PG_HI21, RELOC_TO_PLACE, RELOC_PAGE21, 12},
    {EM_AARCH64, R_AARCH64_ADD_ABS_LO12_NC, RELOC_TO_PLACE, RELOC_LOW12, 0},
    {EM_AARCH64, R_AARCH64_LDST8_ABS_LO12_NC, RELOC_TO_PLACE, RELOC_LOW12, 0},
    {EM_AARCH64, R_AARCH64_LDST16_ABS_LO12_NC, RELOC_TO_PLACE, RELOC_LOW12, 1},
    {EM_AARCH64, R_AARCH64_LDST32_ABS_LO12_NC, RELOC_TO_PLACE, RELOC_LOW12, 2},
    {EM_AARCH64, R_AARCH64_LDST64_ABS_LO12_NC, RELOC_TO_PLACE, RELOC_LOW12, 3},
    {EM_AARCH64, R_AARCH64_LDST128_ABS_LO12_NC, RELOC_TO_PLACE, RELOC_LOW12, 4},
    {EM_AARCH64, R_AARCH64_ADR_GOT_PAGE, RELOC_TO_ADDRESS, RELOC_PAGE21, 12},
    {EM_AARCH64, R_AARCH64_LD64_GOT_LO12_NC, RELOC_TO_ADDRESS, RELOC_LOW12, 3},
    {EM_AARCH64, R_AARCH64_PREL32, RELOC_TO_PLACE, RELOC_REL32, 0},
};

const struct reloc *reloc_of(int machine, unsigned type)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].machine == machine && rows[i].type == type) return &rows[i];
    return NULL;
}

/* Is the distance a number of `bits` bits with a sign? Distances wrap round like addresses. */
static bool fits(uint64_t distance, unsigned bits)
{
    uint64_t half = UINT64_C(1) << (bits - 1);
    return distance + half < 2 * half;
}

bool reloc_apply(const struct reloc *r, uint8_t field[RELOC_BYTES], uint64_t target, uint64_t place)
{
    uint64_t distance = target - place, page = (target & ~UINT64_C(4095)) - (place & ~UINT64_C(4095));
    uint32_t old = field[0] | (uint32_t)field[1] << 8 | (uint32_t)field[2] << 16 | (uint32_t)field[3] << 24, v = 0;
    switch (r->how) {
    case RELOC_REL32:
        if (!fits(distance, 32)) return false;
        v = (uint32_t)distance;
        break;
    case RELOC_BRANCH26:
        if (!fits(distance, 28) || distance % 4) return false;
        v = (old & 0xfc000000u) | ((uint32_t)(distance >> 2) & 0x03ffffffu);
        break;
    case RELOC_PAGE21: /* the low 2 bits stand by themselves, below the opcode */
        if (!fits(page, 33)) return false;
        v = (old & 0x9f00001fu) | ((uint32_t)(page >> 12) & 3) << 29 | ((uint32_t)(page >> 14) & 0x7ffffu) << 5;
        break;
    case RELOC_LOW12:
        if (target % (UINT64_C(1) << r->scale)) return false;
        v = (old & 0xffc003ffu) | ((uint32_t)(target & 4095) >> r->scale) << 10;
        break;
    }
    for (int i = 0; i < RELOC_BYTES; i++) field[i] = (uint8_t)(v >> (8 * i));
    return true;
}
