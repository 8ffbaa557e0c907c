/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - blocks one after the other; in a block each thread runs until it must wait for others. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/impl.h"

bool ptx_fail(struct run *u, const struct thread *t, const struct instr *i, const char *fmt, ...)
{
    struct ptx_report *r = u->r;
    va_list ap;
    int n = 0;
    r->line = i ? i->line : 0;
    if (i) n = snprintf(r->why, sizeof r->why, "line %d, ", i->line);
    n += snprintf(r->why + n, sizeof r->why - (size_t)n, "block %u %u %u", u->block[0], u->block[1], u->block[2]);
    if (t) n += snprintf(r->why + n, sizeof r->why - (size_t)n, ", thread %u %u %u", t->tid[0], t->tid[1], t->tid[2]);
    n += snprintf(r->why + n, sizeof r->why - (size_t)n, ": ");
    va_start(ap, fmt);
    vsnprintf(r->why + n, sizeof r->why - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

/* Until it waits or ends. */
static bool run_thread(struct run *u, struct thread *t)
{
    const struct instr *code = &u->p->instr[u->e->first];
    while (t->status == RUNS) {
        if (t->pc >= u->e->ninstr) return ptx_fail(u, t, NULL, "runs past its end");
        const struct instr *i = &code[t->pc];
        if (u->r->instructions++ >= u->limit) return ptx_fail(u, t, i, "more than %" PRIu64 " instructions", u->limit);
        if (i->pred >= 0 && (bool)t->reg[i->pred] == i->pred_not) {
            t->pc++;
            continue;
        }
        if (is_group_op(i)) t->status = AT_GROUP;
        else if (is_warp_op(i)) t->status = AT_WARP;
        else if (i->op == OP_bar || i->op == OP_barrier) {
            if (i->opd[0].imm || i->nopd > 1) return ptx_fail(u, t, i, "a barrier of its own number or size");
            t->status = AT_BARRIER;
        } else {
            int next = t->pc + 1;
            if (!scalar_step(u, t, i, &next)) return false;
            t->pc = next;
        }
    }
    if (t->status == DONE && t->ncopy) return ptx_fail(u, t, &code[t->pc ? t->pc - 1 : 0], "ends before its copies are waited for");
    if (t->status == DONE && t->lent) return ptx_fail(u, t, &code[t->pc ? t->pc - 1 : 0], "ends before its wgmma is waited for");
    return true;
}

/* Each thread as far as it comes alone, and the warp's own instructions, until all wait at a barrier or for other warps or have
 * ended. */
static bool run_warp(struct run *u, struct thread *lane, int n)
{
    for (;;) {
        int waiting = 0;
        for (int l = 0; l < n; l++) {
            if (!run_thread(u, &lane[l])) return false;
            waiting += lane[l].status == AT_WARP;
        }
        if (!waiting) return true;
        const struct instr *i = &u->p->instr[u->e->first + lane[0].pc];
        for (int l = 0; l < n; l++)
            if (lane[l].status != AT_WARP || lane[l].pc != lane[0].pc) {
                const struct thread *at = lane[0].status == AT_WARP ? lane : &lane[l];
                return ptx_fail(u, at, &u->p->instr[u->e->first + at->pc], "not all threads of the warp come here together");
            }
        if (!warp_step(u, lane, n, i)) return false;
        for (int l = 0; l < n; l++) {
            lane[l].status = RUNS;
            lane[l].pc++;
        }
    }
}

/* The same for the four warps of a warpgroup, or as many as are left. */
static bool run_group(struct run *u, struct thread *group, uint32_t n)
{
    for (;;) {
        const struct thread *at = NULL;
        int waiting = 0;
        for (uint32_t from = 0; from < n; from += WARP)
            if (!run_warp(u, &group[from], (int)(n - from < WARP ? n - from : WARP))) return false;
        for (uint32_t l = 0; l < n; l++) {
            if (group[l].status != AT_GROUP) continue;
            if (!at) at = &group[l];
            waiting += group[l].pc == at->pc;
        }
        if (!at) return true;
        const struct instr *i = &u->p->instr[u->e->first + at->pc];
        if (waiting != GROUP) return ptx_fail(u, at, i, "not all %d threads of a warpgroup come here together", GROUP);
        if (!group_step(u, group, i)) return false;
        for (uint32_t l = 0; l < n; l++) {
            group[l].status = RUNS;
            group[l].pc++;
        }
    }
}

static bool pass_barrier(struct run *u, bool *over)
{
    const struct thread *first = &u->thread[0];
    uint32_t done = 0;
    for (uint32_t k = 0; k < u->nthread; k++) done += u->thread[k].status == DONE;
    *over = done == u->nthread;
    if (*over) return true;
    for (uint32_t k = 0; k < u->nthread; k++)
        if (u->thread[k].status == DONE || u->thread[k].pc != first->pc) {
            const struct thread *at = first->status == DONE ? &u->thread[k] : first;
            while (at->status == DONE) at++;
            return ptx_fail(u, at, &u->p->instr[u->e->first + at->pc], "not all threads of the block come to this barrier");
        }
    for (uint32_t k = 0; k < u->nthread; k++) {
        u->thread[k].status = RUNS;
        u->thread[k].pc++;
        u->thread[k].seen = false; /* what others stored before */
    }
    u->epoch++;
    u->r->barriers++;
    return true;
}

static bool run_threads(struct run *u)
{
    for (bool over = false; !over;) {
        for (uint32_t from = 0; from < u->nthread; from += GROUP)
            if (!run_group(u, &u->thread[from], u->nthread - from < GROUP ? u->nthread - from : GROUP)) return false;
        if (!pass_barrier(u, &over)) return false;
    }
    return true;
}

static void start_thread(struct run *u, uint32_t k)
{
    struct thread *t = &u->thread[k];
    const unsigned *b = u->l->block;
    t->pc = 0;
    t->status = RUNS;
    t->id = u->first_id + k;
    t->tid[0] = k % b[0];
    t->tid[1] = k / b[0] % b[1];
    t->tid[2] = k / b[0] / b[1];
    t->ncopy = t->ngroup = 0;
    t->lent = LENT_NOT;
    t->seen = false;
    for (int r = 0; r < u->e->nreg; r++) t->reg[r] = 0x5a5a5a5a5a5a5a5a; /* what nobody set shows */
    for (int r = 0; r < u->e->nreg; r++)
        if (u->e->reg[r].type.kind == K_PRED) t->reg[r] &= 1;
    if (u->e->local) memset(t->local, 0x5a, u->e->local);
}

static bool run_block(struct run *u)
{
    memset(u->written, 0, u->nshared);
    memset(u->shade, 0, u->nshared * sizeof *u->shade);
    memset(u->warp_sync, 0, (u->nthread / WARP + 1) * sizeof *u->warp_sync);
    u->epoch = 1;
    for (uint32_t k = 0; k < u->nthread; k++) start_thread(u, k);
    bool ok = run_threads(u);
    banks_sum(u);
    for (uint32_t k = 0; k < u->nthread; k++) {
        free(u->thread[k].turn);
        u->thread[k].turn = NULL;
    }
    return ok;
}

static bool run_grid(struct run *u)
{
    const unsigned *g = u->l->grid;
    u->first_id = 1;
    for (u->block[2] = 0; u->block[2] < g[2]; u->block[2]++)
        for (u->block[1] = 0; u->block[1] < g[1]; u->block[1]++)
            for (u->block[0] = 0; u->block[0] < g[0]; u->block[0]++) {
                if (!run_block(u)) return false;
                u->first_id += u->nthread;
            }
    return true;
}

static bool check_launch(struct run *u)
{
    const struct ptx_launch *l = u->l;
    for (int i = 0; i < u->p->nentry; i++)
        if (!strcmp(u->p->entry[i].name, l->entry)) u->e = &u->p->entry[i];
    if (!u->e) return ptx_fail(u, NULL, NULL, "no entry %s", l->entry);
    if (l->nparam != u->e->nparam) return ptx_fail(u, NULL, NULL, "%s has %d parameters, not %d", l->entry, u->e->nparam, l->nparam);
    uint64_t threads = (uint64_t)l->block[0] * l->block[1] * l->block[2];
    uint64_t blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
    if (!threads || threads > 1024 || l->block[2] > 64 || !blocks || l->grid[1] > 65535 || l->grid[2] > 65535
        || threads * blocks >= READ_BY_MANY)
        return ptx_fail(u, NULL, NULL, "a grid of %u %u %u blocks of %u %u %u threads", l->grid[0], l->grid[1], l->grid[2],
                        l->block[0], l->block[1], l->block[2]);
    const unsigned *max = u->e->maxntid;
    if (max[0] && threads > (uint64_t)max[0] * max[1] * max[2])
        return ptx_fail(u, NULL, NULL, "%u threads where .maxntid says %u %u %u", (unsigned)threads, max[0], max[1], max[2]);
    u->nthread = (uint32_t)threads;
    u->nshared = (u->e->shared + 15) / 16 * 16 + l->dynamic_shared;
    if (u->nshared > 227 * 1024) return ptx_fail(u, NULL, NULL, "%zu bytes of shared memory", u->nshared);
    return true;
}

static void open_run(struct run *u)
{
    u->shared = calloc(u->nshared + 16, 1);
    u->shade = calloc(u->nshared + 16, sizeof *u->shade);
    u->written = calloc(u->nshared + 16, 1);
    u->warp_sync = calloc(u->nthread / WARP + 1, sizeof *u->warp_sync);
    u->global_shade = calloc((size_t)u->l->nbuffer + 1, sizeof *u->global_shade);
    for (int b = 0; b < u->l->nbuffer; b++)
        if (!u->l->buffer[b].readonly) u->global_shade[b] = calloc(u->l->buffer[b].n + 16, sizeof **u->global_shade);
    u->thread = calloc(u->nthread, sizeof *u->thread);
    banks_open(u);
    for (uint32_t k = 0; k < u->nthread; k++) {
        u->thread[k].reg = calloc((size_t)u->e->nreg + 1, sizeof(uint64_t));
        u->thread[k].local = calloc(u->e->local + 16, 1);
        u->thread[k].turn = calloc((size_t)u->e->ninstr + 1, sizeof(uint32_t));
    }
}

static void close_run(struct run *u)
{
    for (uint32_t k = 0; k < u->nthread; k++) {
        free(u->thread[k].reg);
        free(u->thread[k].local);
        free(u->thread[k].copy);
        free(u->thread[k].group);
        free(u->thread[k].turn);
    }
    for (int b = 0; b < u->l->nbuffer; b++) free(u->global_shade[b]);
    free(u->global_shade);
    free(u->thread);
    free(u->shared);
    free(u->shade);
    free(u->written);
    free(u->warp_sync);
}

bool ptx_run(const struct ptx *p, const struct ptx_launch *l, struct ptx_report *r)
{
    struct run u = {.p = p, .l = l, .r = r, .limit = l->limit ? l->limit : 10000000000u};
    *r = (struct ptx_report){0};
    if (!check_launch(&u)) return false;
    open_run(&u);
    bool ok = run_grid(&u);
    close_run(&u);
    return ok;
}
