/* SPDX-License-Identifier: Apache-2.0 */
/* warp.c - what a warp does together: mma, ldmatrix, shuffles, votes. */
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/impl.h"

static const struct ptype word = {K_BITS, 32};

bool is_warp_op(const struct instr *i)
{
    return i->op == OP_mma || i->op == OP_ldmatrix || i->op == OP_shfl || i->op == OP_vote || i->op == OP_redux
           || i->op == OP_activemask || ((i->op == OP_bar || i->op == OP_barrier) && i->warp);
}

static const struct operand *part(const struct run *u, const struct operand *o, int k)
{
    return o->kind == O_LIST ? &u->p->list[o->first + k] : o;
}

/* ---- mma: D[m,n] = A[m,k] * B[k,n] + C[m,n] ---- */

struct frag { int m, n, k; int a, b, c; };     /* registers a lane */

static int element(uint64_t reg, int at, struct ptype t)
{
    return t.kind == K_SINT ? (int8_t)(reg >> (8 * at)) : (int)(uint8_t)(reg >> (8 * at));
}

/* Rows of A and columns of B and D by lane, as PTX ISA 9.7.14.5 draws them: lanes in groups of four; a register of A
 * holds four elements along k, those of row `group` first, then of row group + 8, then the next 16 of k. */
static bool mma(struct run *u, struct thread *lane, const struct instr *i)
{
    static const struct frag shape[] = {
        [SH_M8N8K16] = {8, 8, 16, 1, 1, 2}, [SH_M16N8K16] = {16, 8, 16, 2, 1, 4}, [SH_M16N8K32] = {16, 8, 32, 4, 2, 4}};
    const struct frag *f = &shape[i->shape];
    int a[16][32] = {{0}}, b[32][8] = {{0}};
    for (int l = 0; l < WARP; l++) {
        int group = l / 4, in = l % 4;
        for (int r = 0; r < f->a; r++)
            for (int e = 0; e < 4; e++)
                a[group + 8 * (r & 1)][in * 4 + e + 16 * (r / 2)] =
                    element(opd_value(u, &lane[l], part(u, &i->opd[1], r), word), e, i->type[1]);
        for (int r = 0; r < f->b; r++)
            for (int e = 0; e < 4; e++)
                b[in * 4 + e + 16 * r][group] = element(opd_value(u, &lane[l], part(u, &i->opd[2], r), word), e, i->type[2]);
    }
    for (int l = 0; l < WARP; l++) {
        uint64_t out[4];
        for (int r = 0; r < f->c; r++) {
            int m = l / 4 + 8 * (r / 2), n = l % 4 * 2 + r % 2;
            int64_t sum = (int32_t)opd_value(u, &lane[l], part(u, &i->opd[3], r), word);
            for (int k = 0; k < f->k; k++) sum += a[m][k] * b[k][n];
            if (i->sat) sum = sum < INT32_MIN ? INT32_MIN : sum > INT32_MAX ? INT32_MAX : sum;
            out[r] = (uint32_t)sum;
        }
        for (int r = 0; r < f->c; r++) reg_set(u, &lane[l], part(u, &i->opd[0], r), out[r]);
    }
    u->r->mma++;
    return true;
}

/* ---- ldmatrix: rows of 8 b16 at the addresses of lanes 0-7, 8-15, ... ---- */

static bool ldmatrix(struct run *u, struct thread *lane, const struct instr *i)
{
    uint16_t row[4][8][8];
    uint64_t out[WARP][4];
    for (int m = 0; m < i->count; m++)
        for (int r = 0; r < 8; r++) {
            struct thread *t = &lane[8 * m + r];
            if (!mem_load(u, t, i, SP_SHARED, opd_address(t, &i->opd[1]), 16, row[m][r])) return false;
        }
    for (int l = 0; l < WARP; l++)
        for (int m = 0; m < i->count; m++) {
            int r = l / 4, c = l % 4 * 2;
            uint32_t lo = i->trans ? row[m][c][r] : row[m][r][c], hi = i->trans ? row[m][c + 1][r] : row[m][r][c + 1];
            out[l][m] = lo | hi << 16;
        }
    for (int l = 0; l < WARP; l++)
        for (int m = 0; m < i->count; m++) reg_set(u, &lane[l], part(u, &i->opd[0], m), out[l][m]);
    return true;
}

/* ---- shuffles ---- */

/* All lanes name all lanes that are there, which is who comes here (run.c), and no others. */
static bool names_all(struct run *u, struct thread *lane, int n, const struct instr *i)
{
    const struct operand *mask = &i->opd[i->nopd - 1];
    uint32_t there = n == WARP ? UINT32_MAX : (1u << n) - 1;
    for (int l = 0; l < n; l++) {
        uint32_t named = (uint32_t)opd_value(u, &lane[l], mask, word);
        if (named != there) return ptx_fail(u, &lane[l], i, "%s names lanes %#x of %#x", ptx_op_name[i->op], named, there);
    }
    return true;
}

static bool shuffle(struct run *u, struct thread *lane, int n, const struct instr *i)
{
    uint64_t value[WARP];
    for (int l = 0; l < n; l++) value[l] = opd_value(u, &lane[l], &i->opd[1], word);
    for (int l = 0; l < n; l++) {
        int b = (int)opd_value(u, &lane[l], &i->opd[2], word) & 31, c = (int)opd_value(u, &lane[l], &i->opd[3], word);
        int segment = c >> 8 & 31, least = l & segment, most = least | (c & 31 & ~segment), from = l;
        bool in = false;
        switch ((enum shfl)i->shfl) {
        case SF_UP: from = l - b, in = from >= most; break;
        case SF_DOWN: from = l + b, in = from <= most; break;
        case SF_BFLY: from = l ^ b, in = from <= most; break;
        case SF_IDX: from = least | (b & ~segment), in = from <= most; break;
        case SF_NONE: default: return ptx_fail(u, &lane[l], i, "a shuffle that is not known");
        }
        if (!in) from = l;
        if (from < 0 || from >= n) return ptx_fail(u, &lane[l], i, "a shuffle from lane %d, which is not there", from);
        reg_set(u, &lane[l], &i->opd[0], value[from]);
    }
    return true;
}

static bool reduce(struct run *u, struct thread *lane, int n, const struct instr *i)
{
    struct ptype t = i->type[0];
    uint64_t out = opd_value(u, &lane[0], &i->opd[1], t);
    for (int l = 1; l < n; l++) {
        uint64_t v = opd_value(u, &lane[l], &i->opd[1], t);
        bool less = t.kind == K_SINT ? (int64_t)v < (int64_t)out : v < out;
        switch ((enum atom)i->atom) {
        case AT_ADD: out += v; break;
        case AT_MIN: out = less ? v : out; break;
        case AT_MAX: out = less ? out : v; break;
        case AT_AND: out &= v; break;
        case AT_OR: out |= v; break;
        case AT_XOR: out ^= v; break;
        case AT_EXCH: case AT_CAS: case AT_NONE: default: return ptx_fail(u, lane, i, "a redux that is not known");
        }
    }
    for (int l = 0; l < n; l++) reg_set(u, &lane[l], &i->opd[0], out);
    return true;
}

static bool ballot(struct run *u, struct thread *lane, int n, const struct instr *i)
{
    uint64_t out = 0;
    for (int l = 0; l < n; l++) out |= opd_value(u, &lane[l], &i->opd[1], (struct ptype){K_PRED, 1}) << l;
    for (int l = 0; l < n; l++) reg_set(u, &lane[l], &i->opd[0], out);
    return true;
}

bool warp_step(struct run *u, struct thread *lane, int n, const struct instr *i)
{
    if ((i->op == OP_mma || i->op == OP_ldmatrix) && n != WARP)
        return ptx_fail(u, lane, i, "%s by a warp of %d threads", ptx_op_name[i->op], n);
    if ((i->op == OP_shfl || i->op == OP_redux || i->op == OP_vote) && !names_all(u, lane, n, i)) return false;
    switch ((int)i->op) {
    case OP_mma: return mma(u, lane, i);
    case OP_ldmatrix: return ldmatrix(u, lane, i);
    case OP_shfl: return shuffle(u, lane, n, i);
    case OP_redux: return reduce(u, lane, n, i);
    case OP_vote: return ballot(u, lane, n, i);
    case OP_activemask:
        for (int l = 0; l < n; l++) reg_set(u, &lane[l], &i->opd[0], n == WARP ? UINT32_MAX : (1u << n) - 1);
        return true;
    default: /* bar.warp.sync */
        u->warp_sync[(lane->id - u->first_id) / WARP]++;
        return true;
    }
}
