/* SPDX-License-Identifier: Apache-2.0 */
/* group.c - what a warpgroup does together: wgmma on bytes, both operands in shared memory and not swizzled.
 *
 * It is computed at once, but its order is held to: wgmma.fence before it, a group and a wait behind it, and a fence.proxy.async of
 * every thread since anything was last stored to shared memory. Its operands are read by two threads each, so that to the races
 * of memory.c they are read by many. */
#include <inttypes.h>
#include <string.h>

#include "tests/emu/ptx/impl.h"

enum { ROWS = 64, MOST_COLS = 128, TERMS = 32, CORE = 16 };    /* CORE: bytes in a row of a core matrix, which has 8 */

bool is_group_op(const struct instr *i) { return i->op == OP_wgmma && i->async == AS_MMA; }

static bool is_bytes(struct ptype t) { return t.bits == 8 && (t.kind == K_SINT || t.kind == K_UINT); }

bool group_shape_known(const struct ptx *p, const struct instr *i)
{
    const struct operand *o = i->opd;
    switch ((enum async)i->async) {
    case AS_FENCE: case AS_COMMIT: return !i->nopd && !i->ntype;
    case AS_WAIT: return i->nopd == 1 && o[0].kind == O_IMM && !i->ntype;
    case AS_MMA: break;
    case AS_NONE: case AS_COPY: case AS_WAIT_ALL: default: return false;
    }
    bool types = i->ntype == 3 && i->type[0].kind == K_SINT && i->type[0].bits == 32 && is_bytes(i->type[1]) && is_bytes(i->type[2]);
    bool sums = i->nopd == 4 && o[0].kind == O_LIST && o[0].n == i->count / 2;
    for (int k = 0; sums && k < o[0].n; k++) sums = p->list[o[0].first + k].kind == O_REG;
    return types && sums && o[1].kind == O_REG && o[2].kind == O_REG && o[3].kind == O_IMM;
}

bool group_alone(struct run *u, struct thread *t, const struct instr *i)
{
    switch ((enum async)i->async) {
    case AS_FENCE:
        if (t->lent == LENT_NOT) t->lent = LENT_FENCED;
        return true;
    case AS_COMMIT:
        if (t->lent == LENT_OUT) t->lent = LENT_GROUPED;
        return true;
    case AS_WAIT:
        if (i->opd[0].imm) return ptx_fail(u, t, i, "waits for all groups but %" PRId64 ", which is not known", i->opd[0].imm);
        if (t->lent == LENT_OUT) return ptx_fail(u, t, i, "waits for a wgmma that is in no group");
        t->lent = LENT_NOT;
        return true;
    case AS_NONE: case AS_COPY: case AS_WAIT_ALL: case AS_MMA: default: return ptx_fail(u, t, i, "a wgmma that is not known");
    }
}

/* Rows of the tile that a descriptor says, read by `by` and the thread behind it. */
static bool read_rows(struct run *u, struct thread *by, const struct instr *i, uint64_t d, int from, int n, uint8_t (*out)[TERMS])
{
    uint64_t at = (d & 0x3fff) << 4, terms = (d >> 16 & 0x3fff) << 4, rows = (d >> 32 & 0x3fff) << 4;
    if (d & ~UINT64_C(0x00003fff3fff3fff)) return ptx_fail(u, by, i, "descriptor %#" PRIx64 ": swizzled, or bits that mean nothing", d);
    for (int r = from; r < from + n; r++)
        for (int c = 0; c < TERMS / CORE; c++)
            for (int twice = 0; twice < 2; twice++) {
                uint64_t where = at + (uint64_t)(r / 8) * rows + (uint64_t)(r % 8) * CORE + (uint64_t)c * terms;
                if (!mem_load(u, by + twice, i, SP_SHARED, where, CORE, out[r] + c * CORE)) return false;
            }
    return true;
}

static int byte(uint8_t v, struct ptype t) { return t.kind == K_SINT ? (int8_t)v : v; }

/* A thread's part of the sums as PTX ISA 9.7.15.5 draws it: rows 16 * warp + lane / 4 and 8 more, columns 8 * j + lane % 4 * 2. */
static void add(struct run *u, struct thread *t, int l, const struct instr *i, uint8_t (*a)[TERMS], uint8_t (*b)[TERMS])
{
    for (int r = 0; r < i->opd[0].n; r++) {
        const struct operand *o = &u->p->list[i->opd[0].first + r];
        int m = l / 32 * 16 + l % 32 / 4 + 8 * (r / 2 % 2), n = r / 4 * 8 + l % 4 * 2 + r % 2;
        int64_t sum = i->opd[3].imm ? (int32_t)opd_value(u, t, o, (struct ptype){K_BITS, 32}) : 0;
        for (int k = 0; k < TERMS; k++) sum += byte(a[m][k], i->type[1]) * byte(b[n][k], i->type[2]);
        reg_set(u, t, o, (uint32_t)sum);
    }
}

bool group_step(struct run *u, struct thread *group, const struct instr *i)
{
    static const struct ptype wide = {K_BITS, 64};
    uint8_t a[ROWS][TERMS], b[MOST_COLS][TERMS];
    uint64_t da = opd_value(u, group, &i->opd[1], wide), db = opd_value(u, group, &i->opd[2], wide);
    for (int l = 0; l < GROUP; l++) {
        struct thread *t = &group[l];
        if (opd_value(u, t, &i->opd[1], wide) != da || opd_value(u, t, &i->opd[2], wide) != db)
            return ptx_fail(u, t, i, "threads of a warpgroup with different descriptors");
        if (t->lent != LENT_FENCED && t->lent != LENT_OUT) return ptx_fail(u, t, i, "wgmma without a wgmma.fence before it");
        if (!t->seen) return ptx_fail(u, t, i, "wgmma without a fence.proxy.async since shared memory was stored to");
        t->lent = LENT_OUT;
    }
    for (int w = 0; w < GROUP / WARP; w++)
        if (!read_rows(u, &group[w * WARP], i, da, 16 * w, 16, a) || !read_rows(u, &group[w * WARP], i, db, 0, i->count, b)) return false;
    for (int l = 0; l < GROUP; l++) add(u, &group[l], l, i, a, b);
    u->r->mma++;
    return true;
}
