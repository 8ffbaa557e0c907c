/* SPDX-License-Identifier: Apache-2.0 */
/* threads.c - all threads of a kernel, from barrier to barrier. Contract in threads.h. */
#include "ir/threads.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SEVERAL = -1 };

/* ---- races ---- */

static const char *name_of(const struct threads *t, int64_t thread)
{
    const int64_t *g = t->kernel->grid, *n = t->kernel->block;
    if (thread == SEVERAL) return "another thread";
    int64_t b = thread / t->per_block, i = thread % t->per_block;
    return arena_printf(t->arena, "thread (%" PRId64 ", %" PRId64 ", %" PRId64 ") of block (%" PRId64 ", %" PRId64 ", %" PRId64 ")",
                        i % n[0], i / n[0] % n[1], i / n[0] / n[1], b % g[0], b / g[0] % g[1], b / g[0] / g[1]);
}

/* An access at that time still counts: no barrier since, or it was another block's in this kernel. */
static bool counts(const struct threads *t, int mem, uint64_t when)
{
    return when >= t->now || (!t->of_block[mem] && when < t->block_began && when >= t->kernel_began);
}

static bool race(struct threads *t, int mem, int64_t at, int64_t other, bool wrote, bool write)
{
    t->why = arena_printf(t->arena, "%s is %s by %s and %s by %s with no sync between them",
                          bc_element(t->arena, &t->code->mem[mem], at), wrote ? "written" : "read", name_of(t, other),
                          write ? "written" : "read", name_of(t, t->thread));
    return false;
}

bool threads_touch(struct threads *t, int mem, int64_t at, int64_t n, bool write)
{
    if (!t->kernel || !t->seen[mem]) return true;
    for (struct touched *x = t->seen[mem] + at, *end = x + n; x < end; x++, at++) {
        bool written = counts(t, mem, x->written), read = counts(t, mem, x->read);
        if (written && x->writer != t->thread) return race(t, mem, at, x->writer, true, write);
        if (write && read && x->reader != t->thread) return race(t, mem, at, x->reader, false, true);
        if (write) {
            x->writer = t->thread;
            x->written = t->now;
        } else {
            x->reader = read && x->reader != t->thread ? SEVERAL : t->thread;
            x->read = read && x->read < t->block_began ? x->read : t->now; /* another block's keeps counting */
        }
    }
    return true;
}

/* ---- copies under way ---- */

void threads_later(struct threads *t, int mem, int64_t at)
{
    struct flight f = {t->thread, at, mem, t->group[t->thread % t->per_block]};
    VEC_PUSH(t->arena, t->flight, f);
}

bool threads_copies(struct threads *t, int keep)
{
    int *group = &t->group[t->thread % t->per_block];
    size_t left = 0;
    if (keep < 0) return ++*group, true;
    for (size_t i = 0; i < t->flight.n; i++) {
        struct flight f = t->flight.at[i];
        if (f.thread != t->thread || f.group >= *group - keep) t->flight.at[left++] = f;
        else if (!threads_touch(t, f.mem, f.at, 1, true)) return false;
        else t->code->mem[f.mem].set[f.at] = 1;
    }
    t->flight.n = left;
    return true;
}

/* ---- memory of one's own ---- */

struct room { unsigned char *base, *set; };

static size_t bytes_of(const struct bc_mem *m) { return (size_t)m->elems * (size_t)dt_bytes(m->dt); }

static void lend(struct threads *t, const struct room *room, int64_t thread)
{
    const struct kernel *k = t->kernel;
    for (size_t i = 0; i < k->own.n; i++) {
        struct bc_mem *m = &t->code->mem[k->own.at[i]];
        m->base = room[i].base + (size_t)thread * bytes_of(m);
        m->set = room[i].set + (size_t)thread * (size_t)m->elems;
    }
}

/* ---- blocks ---- */

/* What the threads of a block keep while others run. */
struct keep {
    union value *reg;               /* a row of registers each */
    int *at;                        /* where each goes on; -1: at its end */
    struct room *room;
};

static void set_axes(struct threads *t, int64_t block, int64_t thread)
{
    const struct kernel *k = t->kernel;
    const int64_t *g = k->grid, *n = k->block;
    const int64_t v[6] = {block % g[0],  block / g[0] % g[1],  block / g[0] / g[1],
                          thread % n[0], thread / n[0] % n[1], thread / n[0] / n[1]};
    for (int i = 0; i < 6; i++) t->code->reg.at[k->axis[i]].i = v[i];
    t->thread = block * t->per_block + thread;
}

static bool diverged(struct threads *t, int64_t thread)
{
    t->why = arena_printf(t->arena, "%s does not reach the sync that the threads before it in its block are waiting at",
                          name_of(t, thread));
    return false;
}

/* All threads stand at it. What each group comes to is collected first, for a thread's element is in its own room. */
static bool combine(struct threads *t, const struct keep *keep, const struct bc_ins *i)
{
    static const enum op by[] = {[RED_SUM] = OP_ADD, [RED_MAX] = OP_MAX, [RED_MIN] = OP_MIN};
    const struct kernel *k = t->kernel;
    const struct bc_mem *m = &t->code->mem[i->x];
    size_t nreg = t->code->reg.n, own = 0;
    int64_t stride = 1, width = i->b;
    while (own < k->own.n && k->own.at[own] != i->x) own++;
    QJ_ASSERT(own < k->own.n);
    for (int d = 0; d < i->d; d++) stride *= k->block[d];
    if (k->block[i->d] % width) {
        t->why = arena_printf(t->arena, "%" PRId64 " threads along threadIdx.%c combine %s, of the block's %" PRId64, width,
                              "xyz"[i->d], m->name, k->block[i->d]);
        return false;
    }
    for (int64_t first = 0; first < t->per_block; first++) {
        if (first / stride % width) continue;
        union value all = {.i = 0};
        for (int pass = 0; pass < 2; pass++)
            for (int64_t n = 0; n < width; n++) {
                int64_t thread = first + n * stride, at = keep->reg[(size_t)thread * nreg + (size_t)i->a].i;
                unsigned char *base = keep->room[own].base + (size_t)thread * bytes_of(m);
                if (pass) value_store(m->dt, base, at, all);
                else if (!n) all = value_load(m->dt, base, at);
                else all.i = ir_apply_int(by[i->sub], m->dt, all.i, value_load(m->dt, base, at).i, NULL);
            }
    }
    return true;
}

/* All threads up to the next barrier or combination, which all of them must reach. *done: they have ended instead. */
static bool run_on(struct threads *t, const struct keep *keep, int64_t block, bool *done)
{
    union value *own = t->code->reg.at;
    size_t nreg = t->code->reg.n;
    int where = 0;
    bool ok = true;
    for (int64_t i = 0; i < t->per_block && ok; i++) {
        t->code->reg.at = keep->reg + (size_t)i * nreg;
        lend(t, keep->room, i);
        t->thread = block * t->per_block + i;
        bool ended = bc_run(t->code, keep->at[i]);
        if (!ended && t->code->trap.kind != BC_TRAP_SYNC) ok = false;
        int at = ended ? -1 : t->code->trap.at + 1;
        keep->at[i] = at;
        if (ok && i && at != where) ok = diverged(t, t->thread);
        where = at;
    }
    if (!ok) memcpy(own, t->code->reg.at, nreg * sizeof *own); /* for the report */
    t->code->reg.at = own;
    *done = where < 0;
    if (!ok || *done) return ok;
    const struct bc_ins *at = &t->code->ins.at[where - 1];
    if (at->op == BC_COMBINE) return combine(t, keep, at);
    t->now++; /* a barrier orders what lies before and behind it */
    return true;
}

static bool run_block(struct threads *t, const struct keep *keep, int64_t block)
{
    t->block_began = ++t->now;
    t->flight.n = 0;
    memset(t->group, 0, (size_t)t->per_block * sizeof *t->group);
    for (size_t i = 0; i < t->kernel->shared.n; i++) { /* holds nothing of the block before */
        struct bc_mem *m = &t->code->mem[t->kernel->shared.at[i]];
        memset(m->set, 0, (size_t)m->elems);
    }
    size_t nreg = t->code->reg.n;
    if (!t->kernel->syncs) { /* nothing has to be kept */
        for (int64_t i = 0; i < t->per_block; i++) {
            set_axes(t, block, i);
            if (!bc_run(t->code, t->kernel->first)) return false;
        }
        return true;
    }
    for (int64_t i = 0; i < t->per_block; i++) {
        set_axes(t, block, i);
        memcpy(keep->reg + (size_t)i * nreg, t->code->reg.at, nreg * sizeof *keep->reg);
        keep->at[i] = t->kernel->first;
    }
    for (bool done = false; !done;)
        if (!run_on(t, keep, block, &done)) return false;
    return true;
}

/* ---- the kernel ---- */

static bool get_room(struct threads *t, struct keep *keep)
{
    const struct kernel *k = t->kernel;
    size_t n = (size_t)t->per_block;
    bool ok = true;
    keep->reg = malloc(n * t->code->reg.n * sizeof *keep->reg);
    keep->at = malloc(n * sizeof *keep->at);
    keep->room = calloc(k->own.n + 1, sizeof *keep->room);
    if (!keep->reg || !keep->at || !keep->room) return false;
    for (size_t i = 0; i < k->own.n && ok; i++) {
        const struct bc_mem *m = &t->code->mem[k->own.at[i]];
        keep->room[i].base = calloc(n, bytes_of(m));
        keep->room[i].set = calloc(n, (size_t)m->elems);
        ok = keep->room[i].base && keep->room[i].set;
    }
    return ok;
}

static void free_room(const struct kernel *k, struct keep *keep)
{
    for (size_t i = 0; keep->room && i < k->own.n; i++) {
        free(keep->room[i].base);
        free(keep->room[i].set);
    }
    free(keep->room);
    free(keep->reg);
    free(keep->at);
}

bool threads_run(struct threads *t, const struct kernel *k)
{
    struct keep keep = {0};
    t->kernel = k;
    t->per_block = k->block[0] * k->block[1] * k->block[2];
    t->kernel_began = ++t->now;
    if (k->syncs && !get_room(t, &keep)) t->no_memory = true;
    t->group = ARENA_ARRAY(t->arena, int, t->per_block);
    struct room *before = ARENA_ARRAY(t->arena, struct room, k->own.n + 1);
    for (size_t i = 0; i < k->own.n; i++)
        before[i] = (struct room){t->code->mem[k->own.at[i]].base, t->code->mem[k->own.at[i]].set};
    bool ok = !t->no_memory;
    for (int64_t b = 0; ok && b < k->grid[0] * k->grid[1] * k->grid[2]; b++) ok = run_block(t, &keep, b);
    for (size_t i = 0; i < k->own.n; i++) {
        t->code->mem[k->own.at[i]].base = before[i].base;
        t->code->mem[k->own.at[i]].set = before[i].set;
    }
    free_room(k, &keep);
    t->kernel = NULL;
    return ok;
}
