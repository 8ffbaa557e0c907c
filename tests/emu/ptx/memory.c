/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - the spaces of memory: bounds, alignment, what was written, who else was there, and the banks.
 *
 * A race is two accesses of one byte by two threads, one of them a write, that no barrier orders: within a block an
 * epoch is what lies between two barriers; threads of two blocks are never ordered. bar.warp.sync orders a warp. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/impl.h"

uint64_t ptx_address(int i) { return GLOBAL_BASE + (uint64_t)i * GLOBAL_STEP; }

/* ---- races ---- */

static uint32_t epoch_of(const struct run *u, const struct thread *t)
{
    /* warp syncs order less than barriers do: a barrier is worth more than all of them */
    return u->epoch * 4096 + u->warp_sync[(t->id - u->first_id) / WARP] % 4096;
}

/* Is what thread `other` did in `epoch` ordered before what t does now? */
static bool ordered(const struct run *u, const struct thread *t, uint32_t other, uint32_t epoch)
{
    if (other == t->id || !other) return true;
    bool here = other != READ_BY_MANY && other >= u->first_id && other < u->first_id + u->nthread;
    if (!here && other != READ_BY_MANY) return false;
    if (epoch / 4096 < u->epoch) return true;
    bool same_warp = here && (other - u->first_id) / WARP == (t->id - u->first_id) / WARP;
    return same_warp && epoch < epoch_of(u, t);
}

static bool race(struct run *u, const struct thread *t, const struct instr *i, const char *what, uint32_t other,
                 const char *where, uint64_t offset)
{
    if (other == READ_BY_MANY)
        return ptx_fail(u, t, i, "race: writes byte %" PRIu64 " of %s, which several threads read", offset, where);
    return ptx_fail(u, t, i, "race: %s byte %" PRIu64 " of %s as thread %u of the grid, without a barrier between", what,
                    offset, where, other - 1);
}

static bool shade_read(struct run *u, struct thread *t, const struct instr *i, struct shade *s, unsigned n,
                       const char *where, uint64_t offset)
{
    uint32_t now = epoch_of(u, t);
    for (unsigned k = 0; k < n; k++, s++) {
        if (!ordered(u, t, s->writer, s->write_epoch)) return race(u, t, i, "reads", s->writer, where, offset + k);
        bool fresh = !s->reader || s->read_epoch / 4096 < u->epoch;
        s->reader = fresh || s->reader == t->id ? t->id : READ_BY_MANY;
        s->read_epoch = now;
    }
    return true;
}

static bool shade_write(struct run *u, struct thread *t, const struct instr *i, struct shade *s, unsigned n,
                        const char *where, uint64_t offset)
{
    for (unsigned k = 0; k < n; k++, s++) {
        if (!ordered(u, t, s->writer, s->write_epoch)) return race(u, t, i, "writes", s->writer, where, offset + k);
        if (!ordered(u, t, s->reader, s->read_epoch)) return race(u, t, i, "writes", s->reader, where, offset + k);
        *s = (struct shade){t->id, epoch_of(u, t), 0, 0};
    }
    return true;
}

/* ---- where an address lies ---- */

struct place { uint8_t *at; struct shade *shade; bool *written; const char *where; uint64_t offset; bool readonly, shared; };

static bool in_window(uint64_t at, uint64_t base, uint64_t size, unsigned n)
{
    return at >= base && at - base <= size && n <= size - (at - base);
}

static bool find_global(struct run *u, struct thread *t, const struct instr *i, uint64_t at, unsigned n, struct place *out)
{
    if (in_window(at, CONST_BASE, u->p->constants, n)) {
        *out = (struct place){.at = u->p->constant + (at - CONST_BASE), .where = "a constant", .offset = at - CONST_BASE,
                              .readonly = true};
        return true;
    }
    uint64_t b = at < GLOBAL_BASE ? UINT64_MAX : (at - GLOBAL_BASE + GLOBAL_STEP / 2) / GLOBAL_STEP;
    if (b >= (uint64_t)u->l->nbuffer) return ptx_fail(u, t, i, "address %#" PRIx64 " lies in no buffer", at);
    const struct ptx_buffer *buf = &u->l->buffer[b];
    uint64_t base = ptx_address((int)b);
    if (!in_window(at, base, buf->n, n))
        return ptx_fail(u, t, i, "bytes %" PRId64 "..%" PRId64 " of buffer %d, which has %zu", (int64_t)(at - base),
                        (int64_t)(at - base) + n - 1, (int)b, buf->n);
    *out = (struct place){.at = (uint8_t *)buf->at + (at - base), .where = "a buffer", .offset = at - base,
                          .shade = buf->readonly ? NULL : u->global_shade[b] + (at - base), .readonly = buf->readonly};
    return true;
}

static bool find(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n,
                 struct place *out)
{
    if (at % n) return ptx_fail(u, t, i, "address %#" PRIx64 " is not a multiple of %u", at, n);
    if (s == SP_GENERIC && in_window(at, SHARED_BASE, 2 * DYNAMIC_SHARED, n)) s = SP_SHARED, at -= SHARED_BASE;
    if (s == SP_GENERIC && in_window(at, LOCAL_BASE, u->e->local, n)) s = SP_LOCAL, at -= LOCAL_BASE;
    switch (s) {
    case SP_GENERIC: case SP_GLOBAL: case SP_CONST: return find_global(u, t, i, at, n, out);
    case SP_SHARED:
        if (in_window(at, DYNAMIC_SHARED, u->l->dynamic_shared, n)) at += u->nshared - u->l->dynamic_shared - DYNAMIC_SHARED;
        else if (!in_window(at, 0, u->e->shared, n))
            return ptx_fail(u, t, i, "bytes %" PRId64 ".. of shared memory, which has %zu and, dynamic, %u from 2^30 on", (int64_t)at,
                            u->e->shared, u->l->dynamic_shared);
        *out = (struct place){.at = u->shared + at, .where = "shared memory", .offset = at, .shade = u->shade + at,
                              .written = u->written + at, .shared = true};
        return true;
    case SP_LOCAL:
        if (!in_window(at, 0, u->e->local, n))
            return ptx_fail(u, t, i, "bytes %" PRId64 ".. of local memory, which has %zu", (int64_t)at, u->e->local);
        *out = (struct place){.at = t->local + at, .where = "local memory", .offset = at};
        return true;
    case SP_PARAM:
        if (!in_window(at, 0, (uint64_t)u->e->nparam * 8, n)) return ptx_fail(u, t, i, "beyond the parameters");
        *out = (struct place){.at = (uint8_t *)(uintptr_t)u->l->param + at, .where = "parameters", .readonly = true};
        return true;
    }
    return false;
}

bool mem_load(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n, void *out)
{
    struct place p;
    if (!find(u, t, i, s, at, n, &p)) return false;
    if (p.shared) {
        for (unsigned k = 0; k < n; k++)
            if (!p.written[k])
                return ptx_fail(u, t, i, "reads byte %" PRIu64 " of shared memory, which nobody wrote", p.offset + k);
        banks_note(u, t, i, p.offset, n);
    }
    if (p.shade && !shade_read(u, t, i, p.shade, n, p.where, p.offset)) return false;
    memcpy(out, p.at, n);
    return true;
}

bool mem_store(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n,
               const void *from)
{
    struct place p;
    if (!find(u, t, i, s, at, n, &p)) return false;
    if (p.readonly) return ptx_fail(u, t, i, "writes %s that is only to be read", p.where);
    if (p.shade && !shade_write(u, t, i, p.shade, n, p.where, p.offset)) return false;
    if (p.shared) {
        t->seen = false;
        memset(p.written, true, n);
        banks_note(u, t, i, p.offset, n);
    }
    memcpy(p.at, from, n);
    return true;
}

bool mem_will_write(struct run *u, struct thread *t, const struct instr *i, uint64_t at, unsigned n)
{
    struct place p;
    if (!find(u, t, i, SP_SHARED, at, n, &p) || !shade_write(u, t, i, p.shade, n, p.where, p.offset)) return false;
    memset(p.written, false, n); /* neither the old nor the new is there until it has been waited for */
    return true;
}

bool mem_atomic(struct run *u, struct thread *t, const struct instr *i, enum space s, uint64_t at, unsigned n, void **cell)
{
    struct place p;
    if (!find(u, t, i, s, at, n, &p)) return false;
    if (p.readonly) return ptx_fail(u, t, i, "writes %s that is only to be read", p.where);
    *cell = p.at;
    return true;
}

/* ---- banks: 32 of 4 bytes. A warp's access of 4 bytes or fewer a thread is one pass if no bank is asked for two
 * words; 8 bytes a thread are two passes of half a warp, 16 bytes four of a quarter. ---- */

struct access { uint32_t offset; uint8_t n; };
struct turn { int instr; uint32_t warp, turn; struct access lane[WARP]; };
struct banks { struct turn *turn; size_t n, cap; uint32_t *index; size_t nindex; };
enum { MAX_TURNS = 1 << 20 };

void banks_open(struct run *u) { u->banks = calloc(1, sizeof *u->banks); }

static uint32_t *slot_of(struct banks *b, int instr, uint32_t warp, uint32_t turn)
{
    uint64_t h = ((uint64_t)(unsigned)instr * 1000003u + warp) * 2654435761u + turn;
    h ^= h >> 29;
    h *= 0x9E3779B97F4A7C15u;
    for (size_t at = (size_t)(h >> 20) % b->nindex;; at = (at + 1) % b->nindex) {
        uint32_t k = b->index[at];
        if (!k) return &b->index[at];
        const struct turn *x = &b->turn[k - 1];
        if (x->instr == instr && x->warp == warp && x->turn == turn) return &b->index[at];
    }
}

void banks_note(struct run *u, struct thread *t, const struct instr *i, uint64_t offset, unsigned n)
{
    struct banks *b = u->banks;
    if (!b || !t->turn || b->n == MAX_TURNS) return;
    if (!b->nindex) {
        b->nindex = 2 * MAX_TURNS + 1;
        b->index = calloc(b->nindex, sizeof *b->index);
    }
    int instr = (int)(i - u->p->instr);
    uint32_t in_block = t->id - u->first_id, warp = in_block / WARP, turn = t->turn[instr - u->e->first]++;
    uint32_t *slot = slot_of(b, instr, warp, turn);
    if (!*slot) {
        if (b->n == b->cap) {
            b->cap = b->cap ? b->cap * 2 : 1024;
            b->turn = realloc(b->turn, b->cap * sizeof *b->turn);
        }
        b->turn[b->n] = (struct turn){.instr = instr, .warp = warp, .turn = turn};
        *slot = (uint32_t)++b->n;
    }
    b->turn[*slot - 1].lane[in_block % WARP] = (struct access){(uint32_t)offset, (uint8_t)n};
}

/* Passes of one warp-wide access; *least: without conflicts. */
static unsigned passes(const struct turn *x, unsigned *least)
{
    unsigned wide = 0, sum = 0;
    *least = 0;
    for (int k = 0; k < WARP; k++)
        if (x->lane[k].n > wide) wide = x->lane[k].n;
    int group = wide <= 4 ? WARP : wide <= 8 ? WARP / 2 : WARP / 4;
    for (int from = 0; from < WARP; from += group) {
        uint32_t word[WARP * 4];
        unsigned nword = 0, load[32] = {0}, most = 0;
        for (int k = from; k < from + group; k++)
            for (uint32_t w = x->lane[k].offset / 4; x->lane[k].n && w <= (x->lane[k].offset + x->lane[k].n - 1) / 4; w++) {
                unsigned seen = 0;
                while (seen < nword && word[seen] != w) seen++;
                if (seen < nword) continue; /* one word for several threads is a broadcast */
                word[nword++] = w;
                if (++load[w % 32] > most) most = load[w % 32];
            }
        sum += most;
        *least += nword != 0;
    }
    return sum;
}

void banks_sum(struct run *u)
{
    struct banks *b = u->banks;
    if (!b) return;
    for (size_t k = 0; k < b->n; k++) {
        unsigned least, n = passes(&b->turn[k], &least);
        u->r->shared_accesses++;
        u->r->shared_passes += n;
        u->r->shared_least += least;
        if (least && n > least && n / least > u->r->worst_conflict) {
            u->r->worst_conflict = n / least;
            u->r->worst_line = u->p->instr[b->turn[k].instr].line;
        }
    }
    free(b->turn);
    free(b->index);
    free(b);
    u->banks = NULL;
}
