/* SPDX-License-Identifier: Apache-2.0 */
/* simt.c - what nests with bound loops need beyond loops: who writes what all threads share, and barriers.
 *
 * Each statement at the root of a function is a kernel (ir.h). In each,
 *
 *  1. a store to shared or global memory that stands outside the loops of a thread axis is thread 0's of that axis:
 *     it is wrapped in `threadIdx.x one in 0..1`. (Local memory is every thread's own: all of them write it.)
 *  2. a `sync` is put before a statement that reads shared memory written since the last one, or writes what has
 *     been read since: at the outermost place that tells the two apart. A stage accumulating into its own elements
 *     needs none: each element is one thread's. Of a stage computed ahead (pipeline.c) each slot counts by itself.
 *
 * interp runs the threads of such nests one by one and reports what is missing here as a race. Instructions that lanes
 * execute together are checked by warp.c. */
#include "ir/print.h"
#include "schedule/lower_impl.h"
#include "schedule/warp.h"

enum { MAX_SHARED = 64 };

/* Bits of a shared buffer's slots. In the loop over which they take turns, bit r stands for slot (turns + r) % n. */
struct slots { int first, n; const struct var *turns; bool open; };

struct simt {
    struct lower *w;
    struct ir_ctx *c;
    int64_t threads[3];                     /* of the kernel's launch */
    unsigned axes;                          /* those with more than one thread */
    int nshared;
    const struct buffer *shared[MAX_SHARED];
    int nbit;
    struct slots slots[MAX_SHARED];
    VEC(const struct var *) thread_var;     /* bound around the place being looked at */
};

static bool is_thread(enum loop_kind how) { return how >= LOOP_THREAD_X && how <= LOOP_THREAD_Z; }

static const struct buffer *written_by(const struct stmt *s)
{
    if (s->kind == STMT_STORE) return s->u.store.buffer;
    if (s->kind == STMT_COMBINE) return s->u.combine.at->val.buffer;
    return s->kind == STMT_INTRIN ? s->u.intrin.arg[0]->val.buffer : NULL;
}

/* The first index of an access; NULL: it has none. */
static const struct expr *first_of(const struct expr *load) { return load->nkid ? load->kid[0] : NULL; }
static const struct expr *place_of(const struct stmt *s)
{
    if (s->kind == STMT_STORE) return s->u.store.nidx ? s->u.store.idx[0] : NULL;
    return first_of(s->kind == STMT_COMBINE ? s->u.combine.at : s->u.intrin.arg[0]);
}

static uint64_t bit_of(const struct simt *k, const struct buffer *b)
{
    for (int i = 0; i < k->nshared; i++)
        if (k->shared[i] == b) return UINT64_C(1) << i;
    return 0;
}

/* ---- what is read and written ---- */

/* Slots of shared buffers, by bit. Of a statement: what it reads and writes, and whether what stands inside counts by itself: threads
 * combine, copies arrive. Of a place: what was since the last barrier. */
struct use { uint64_t read, write; bool inside; };

struct using { const struct simt *k; struct use u; const struct buffer *own; };

static uint64_t all_of(const struct slots *s) { return ((UINT64_C(1) << s->n) - 1) << s->first; }

/* The slots of b that an access by this first index may touch. */
static uint64_t slots_of(const struct simt *k, const struct buffer *b, const struct expr *index)
{
    int i = 0;
    while (i < k->nshared && k->shared[i] != b) i++;
    if (i == k->nshared) return 0;
    const struct slots *s = &k->slots[i];
    if (s->n == 1) return all_of(s);
    const struct expr *zero = ir_idx(k->c, 0), *at = s->open ? ir_subst(k->c, index, 1, &s->turns, &zero) : index;
    bool known = at->op == OP_INT && (!s->open || at != index);
    return known ? UINT64_C(1) << (s->first + (int)(at->val.i % s->n)) : all_of(s);
}

static bool see_load(const struct expr *e, void *u)
{
    struct using *x = u;
    if (e->op == OP_LOAD && e->val.buffer != x->own) x->u.read |= slots_of(x->k, e->val.buffer, first_of(e));
    return true;
}

static bool see_use(const struct stmt *s, void *u)
{
    struct using *x = u;
    x->own = written_by(s);
    x->u.inside |= s->kind == STMT_COMBINE || (s->kind == STMT_SYNC && s->u.sync.kind == SYNC_WAIT);
    if (x->own) x->u.write |= slots_of(x->k, x->own, place_of(s));
    if (s->kind == STMT_STORE) {
        for (int i = 0; i < s->u.store.nidx; i++) ir_walk(s->u.store.idx[i], see_load, u);
        ir_walk(s->u.store.value, see_load, u);
        if (s->u.store.mask) ir_walk(s->u.store.mask, see_load, u);
    }
    if (s->kind == STMT_IF) ir_walk(s->u.cond.cond, see_load, u);
    for (int i = 0; s->kind == STMT_INTRIN && i < meaning_nargs(s->u.intrin.meaning); i++) ir_walk(s->u.intrin.arg[i], see_load, u);
    return true;
}

static struct use use_of(const struct simt *k, const struct stmt *s)
{
    struct using x = {.k = k};
    ir_walk_stmt(s, see_use, &x);
    return x.u;
}

/* ---- thread 0 ---- */

/* The thread axes with a loop around: since the root, for what all blocks share; since its alloc, for a shared buffer,
 * which is computed for all threads again. */
struct around { unsigned root, in[MAX_SHARED]; };

static void enter(const struct simt *k, struct around *a, const struct stmt *s)
{
    if (s->kind == STMT_FOR && is_thread(s->u.loop.how)) {
        unsigned axis = 1u << (s->u.loop.how - LOOP_THREAD_X);
        a->root |= axis;
        for (int i = 0; i < k->nshared; i++) a->in[i] |= axis;
    }
    uint64_t bit = s->kind == STMT_ALLOC ? bit_of(k, s->u.alloc.buffer) : 0;
    if (bit) a->in[__builtin_ctzll(bit)] = 0;
}

/* What the stores of a statement lack: any of them, all of them. */
struct kinds { const struct simt *k; struct around at; bool local, common; unsigned any, all, threads; };
static bool see_kind(const struct stmt *s, void *u)
{
    struct kinds *k = u;
    const struct buffer *b = written_by(s);
    if (b && b->scope == SCOPE_LOCAL) k->local = true;
    if (b && b->scope != SCOPE_LOCAL) {
        uint64_t bit = bit_of(k->k, b);
        unsigned lacks = k->k->axes & ~(bit ? k->at.in[__builtin_ctzll(bit)] : k->at.root);
        k->all = k->common ? k->all & lacks : lacks;
        k->any |= lacks;
        k->common = true;
    }
    if (s->kind == STMT_FOR && is_thread(s->u.loop.how)) k->threads |= 1u << (s->u.loop.how - LOOP_THREAD_X);
    if (s->kind == STMT_ALLOC) enter(k->k, &k->at, s);
    return true;
}

static const struct stmt *wrap(struct simt *k, const struct stmt *s, struct around at)
{
    struct ir_ctx *c = k->c;
    struct kinds in = {.k = k, .at = at};
    ir_walk_stmt(s, see_kind, &in);
    if (!in.any) return s;
    struct use u = use_of(k, s);
    if (!in.local && in.any == in.all && !(in.threads & in.any) && !(u.read & u.write)) { /* else a barrier comes between */
        for (int a = 0; a < 3; a++)
            if (in.any >> a & 1) s = ir_for(c, ir_var(c, "one", 1), (enum loop_kind)(LOOP_THREAD_X + a), s);
        return s;
    }
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    enter(k, &at, s);
    switch (s->kind) {
    case STMT_FOR: now->u.loop.body = wrap(k, s->u.loop.body, at); return now;
    case STMT_IF: now->u.cond.then = wrap(k, s->u.cond.then, at); return now;
    case STMT_ALLOC: now->u.alloc.body = wrap(k, s->u.alloc.body, at); return now;
    case STMT_SEQ: {
        const struct stmt **all = ARENA_ARRAY(&c->arena, const struct stmt *, s->u.seq.n);
        for (int i = 0; i < s->u.seq.n; i++) all[i] = wrap(k, s->u.seq.at[i], at);
        return ir_seq(c, s->u.seq.n, all);
    }
    case STMT_STORE: case STMT_INTRIN: case STMT_SYNC: case STMT_COMBINE: break;
    }
    return s;
}

/* ---- barriers ---- */

static const char *name_of(const struct simt *k, uint64_t bits)
{
    int i = 0;
    while (!(all_of(&k->slots[i]) & bits)) i++;
    return k->shared[i]->name;
}

static uint64_t conflict(struct use a, struct use since) { return (a.read & since.write) | (a.write & since.read); }
static struct use both(struct use a, struct use b) { return (struct use){a.read | b.read, a.write | b.write, false}; }

static bool memory_load(const struct expr *e, void *u)
{
    if (e->op == OP_LOAD && e->val.buffer->scope != SCOPE_ARG) *(bool *)u = true;
    return true;
}

/* All threads of a block agree on it. */
static bool is_uniform(const struct simt *k, const struct expr *cond)
{
    bool loads = false;
    ir_walk(cond, memory_load, &loads);
    for (size_t i = 0; i < k->thread_var.n; i++)
        if (ir_uses(cond, k->thread_var.at[i])) return false;
    return !loads;
}

/* The loop over v goes on to its next iteration, or ends. */
static void turn(const struct simt *k, const struct var *v, struct use *u, bool ends)
{
    for (int i = 0; i < k->nshared; i++) {
        const struct slots *s = &k->slots[i];
        uint64_t all = all_of(s), *bits[2] = {&u->read, &u->write};
        for (int b = 0; b < 2 && s->turns == v; b++) {
            uint64_t own = *bits[b] & all, next = (own >> 1 & all) | (own << (s->n - 1) & all);
            *bits[b] = (*bits[b] & ~all) | (!ends ? next : own ? all : 0);
        }
    }
}

static void open_slots(struct simt *k, const struct var *v, bool open)
{
    for (int i = 0; i < k->nshared; i++)
        if (k->slots[i].turns == v) k->slots[i].open = open;
}

/* Behind a wait: the copies of this iteration are there, which other threads made. */
static void arrive(const struct simt *k, struct use *since)
{
    for (int i = 0; i < k->nshared; i++)
        if (k->shared[i]->async) since->write |= k->slots[i].open ? UINT64_C(1) << k->slots[i].first : all_of(&k->slots[i]);
}

/* s with its barriers; *since goes from what was before it to what is after. all: every thread comes here. */
static const struct stmt *flow(struct simt *k, const struct stmt *s, struct use *since, bool all)
{
    struct ir_ctx *c = k->c;
    struct use u = use_of(k, s);
    if (!(u.read & u.write) && !u.inside) { /* it does not stand against itself */
        uint64_t bad = conflict(u, *since);
        if (bad && !all) {
            const char *name = name_of(k, bad);
            lower_fail(k->w, ERR_RACE, "a sync is needed where %s is %s, but not all threads of the block come there", name,
                       u.read & bad ? "read" : "written again");
            err_hint(&c->err, "bind the loop around it to as many threads as any other loop of the kernel");
            return NULL;
        }
        *since = bad ? u : both(*since, u);
        const struct stmt *two[2] = {ir_sync(c), s};
        return bad ? ir_seq(c, 2, two) : s;
    }
    struct stmt *now = arena_copy(&c->arena, s, sizeof *s);
    struct use before = *since;
    size_t scope = k->thread_var.n;
    switch (s->kind) {
    case STMT_FOR: {
        enum loop_kind how = s->u.loop.how;
        const struct var *v = s->u.loop.var;
        open_slots(k, v, true);
        if (is_thread(how)) {
            VEC_PUSH(&c->arena, k->thread_var, v);
            all = all && v->extent == k->threads[how - LOOP_THREAD_X];
        } else if (how < LOOP_BLOCK_X || how == LOOP_VTHREAD) { /* one iteration comes after another */
            for (struct use from; from = *since, true;) { /* what may be before any of them */
                if (!flow(k, s->u.loop.body, since, all)) return NULL;
                turn(k, v, since, false);
                *since = both(from, *since);
                if (!((since->read & ~from.read) | (since->write & ~from.write))) break;
            }
        }
        now->u.loop.body = flow(k, s->u.loop.body, since, all);
        turn(k, v, since, true);
        open_slots(k, v, false);
        k->thread_var.n = scope;
        return now->u.loop.body ? now : NULL;
    }
    case STMT_IF:
        now->u.cond.then = flow(k, s->u.cond.then, since, all && is_uniform(k, s->u.cond.cond));
        *since = both(before, *since);
        return now->u.cond.then ? now : NULL;
    case STMT_ALLOC:
        now->u.alloc.body = flow(k, s->u.alloc.body, since, all);
        return now->u.alloc.body ? now : NULL;
    case STMT_SEQ: {
        const struct stmt **at = ARENA_ARRAY(&c->arena, const struct stmt *, s->u.seq.n);
        for (int i = 0; i < s->u.seq.n; i++)
            if (!(at[i] = flow(k, s->u.seq.at[i], since, all))) return NULL;
        return ir_seq(c, s->u.seq.n, at);
    }
    case STMT_COMBINE:
        if (all) return s;
        lower_fail(k->w, ERR_RACE, "the threads combine %s where not all threads of the block come",
                   s->u.combine.at->val.buffer->name);
        err_hint(&c->err, "bind the loop around it to as many threads as any other loop of the kernel");
        return NULL;
    case STMT_SYNC: arrive(k, since); break;
    case STMT_STORE: case STMT_INTRIN: break;
    }
    return s;
}

/* ---- kernels ---- */

static bool see_kernel(const struct stmt *s, void *u)
{
    struct simt *k = u;
    if (s->kind == STMT_FOR && is_thread(s->u.loop.how)) {
        int64_t *n = &k->threads[s->u.loop.how - LOOP_THREAD_X];
        *n = i64_max(*n, s->u.loop.var->extent);
        if (*n > 1) k->axes |= 1u << (s->u.loop.how - LOOP_THREAD_X);
    }
    if (s->kind == STMT_ALLOC && s->u.alloc.buffer->scope == SCOPE_SHARED && !bit_of(k, s->u.alloc.buffer)) {
        struct slots mine = {.first = k->nbit, .n = 1};
        for (int p = 0; p < k->w->st->nstage; p++)
            if (k->w->stage[p].buf == s->u.alloc.buffer && lower_slots(k->w, p) > 1)
                mine = (struct slots){k->nbit, (int)lower_slots(k->w, p), lower_turns(k->w, p), false};
        if (k->nbit + mine.n > MAX_SHARED)
            return lower_fail(k->w, ERR_TOO_LARGE, "more than %d stages of a kernel, and copies of them, are in shared memory", MAX_SHARED);
        k->slots[k->nshared] = mine;
        k->shared[k->nshared++] = s->u.alloc.buffer;
        k->nbit += mine.n;
    }
    return true;
}

static const struct stmt *kernel(struct lower *w, const struct stmt *s)
{
    struct simt k = {.w = w, .c = w->c, .threads = {1, 1, 1}};
    struct use since = {0};
    ir_walk_stmt(s, see_kernel, &k);
    if (err_is(&w->c->err) || !warp_check(w->c, s, k.threads)) return NULL;
    return flow(&k, wrap(&k, s, (struct around){0}), &since, true);
}

static const struct stmt *each_root(struct lower *w, const struct stmt *s)
{
    if (s->kind == STMT_ALLOC && s->u.alloc.buffer->scope == SCOPE_GLOBAL) {
        const struct stmt *body = each_root(w, s->u.alloc.body);
        return ir_alloc(w->c, s->u.alloc.buffer, body);
    }
    if (s->kind != STMT_SEQ) return kernel(w, s);
    const struct stmt **at = ARENA_ARRAY(&w->c->arena, const struct stmt *, s->u.seq.n + 1);
    for (int i = 0; i < s->u.seq.n; i++)
        if (!(at[i] = each_root(w, s->u.seq.at[i]))) return NULL;
    return ir_seq(w->c, s->u.seq.n, at);
}

static bool see_bound(const struct stmt *s, void *u)
{
    *(bool *)u |= s->kind == STMT_FOR && s->u.loop.how >= LOOP_BLOCK_X && s->u.loop.how <= LOOP_THREAD_Z;
    return true;
}

const struct stmt *lower_kernels(struct lower *w, const struct stmt *body)
{
    bool bound = false;
    if (body) ir_walk_stmt(body, see_bound, &bound);
    return bound ? each_root(w, body) : body;
}

/* ---- threads ---- */

static const struct stage *root_of(const struct lower *w, const struct stage *g)
{
    while (g->attach == ATTACH_AT) g = w->stage[g->at_stage].g;
    return g;
}

void lower_threads(const struct lower *w, const struct lstage *x, struct region *r)
{
    VEC(struct thread_loop) found = {0};
    const struct stage *root = root_of(w, x->g);
    for (int d = 0; d < 3; d++) r->block[d] = 1;
    for (int i = 0; i < w->st->nstage; i++) {
        const struct lstage *o = &w->stage[i];
        if (o->place == PLACE_NONE || root_of(w, o->g) != root) continue;
        for (int k = 0; k < o->g->nleaf; k++) {
            enum loop_kind how = o->g->iter[o->g->leaf[k]].how;
            if (is_thread(how)) r->block[how - LOOP_THREAD_X] = i64_max(r->block[how - LOOP_THREAD_X], o->ext[o->g->leaf[k]]);
        }
    }
    for (int last = x->g->nleaf - 1;;) { /* inside out */
        for (int k = last; k >= 0; k--) {
            int it = x->g->leaf[k];
            if (is_thread(x->g->iter[it].how) && x->loop[it])
                VEC_PUSH(&w->c->arena, found, ((struct thread_loop){x->loop[it], (int)x->g->iter[it].how - LOOP_THREAD_X}));
        }
        if (x->g->attach != ATTACH_AT) break;
        last = state_leaf_pos(w->stage[x->g->at_stage].g, x->g->at_iter);
        x = &w->stage[x->g->at_stage];
    }
    for (size_t i = 0; i < found.n / 2; i++) {
        struct thread_loop swap = found.at[i];
        found.at[i] = found.at[found.n - 1 - i];
        found.at[found.n - 1 - i] = swap;
    }
    r->thread = found.at;
    r->nthread = (int)found.n;
}

/* ---- which loops may be bound ---- */

bool stage_is_bound(const struct state *st, int i)
{
    const struct stage *g = st->stage[i];
    for (int k = 0; k < g->nleaf; k++)
        if (g->iter[g->leaf[k]].how >= LOOP_BLOCK_X) return true;
    for (int p = 0; p < i; p++)
        if (st->stage[p]->attach == ATTACH_AT && st->stage[p]->at_stage == i && stage_is_bound(st, p)) return true;
    return false;
}

static bool refuse(struct lower *w, int i, const char *hint, const char *what)
{
    lower_fail(w, ERR_ILLEGAL_STEP, "%s %s", w->stage[i].g->tensor->name, what);
    return err_hint(&w->c->err, "%s", hint), false;
}

/* The loops of an attached stage against those around it: the threads are the same. */
static bool fits_around(struct lower *w, int i, int own)
{
    const struct lstage *x = &w->stage[i];
    enum loop_kind how = x->g->iter[own].how;
    const struct stage *g = x->g;
    while (g->attach == ATTACH_AT) {
        const struct lstage *up = &w->stage[g->at_stage];
        int last = state_leaf_pos(up->g, g->at_iter);
        for (int k = 0; k <= last; k++) {
            const struct iter *it = &up->g->iter[up->g->leaf[k]];
            if (it->how != how || up->ext[up->g->leaf[k]] >= x->ext[own]) continue;
            lower_fail(w, ERR_ILLEGAL_STEP, "%s.%s is bound to %lld threads along %s, of which only the %lld of %s.%s come there",
                       x->g->tensor->name, x->g->iter[own].name, (long long)x->ext[own], loop_kind_name[how],
                       (long long)up->ext[up->g->leaf[k]], up->g->tensor->name, it->name);
            return err_hint(&w->c->err, "split it by %lld and bind the inner loop", (long long)up->ext[up->g->leaf[k]]), false;
        }
        g = up->g;
    }
    return true;
}

bool lower_bindings(struct lower *w, int i)
{
    const struct stage *g = w->stage[i].g;
    bool seen[LOOP_KINDS] = {0};
    for (int k = 0; k < g->nleaf; k++) {
        enum loop_kind how = g->iter[g->leaf[k]].how;
        if (how < LOOP_BLOCK_X || how == LOOP_VTHREAD) continue;
        if (seen[how])
            return lower_fail(w, ERR_ILLEGAL_STEP, "two loops around %s are bound to %s", g->tensor->name, loop_kind_name[how]);
        seen[how] = true;
        if (g->iter[g->leaf[k]].reduce) {
            if (!lower_may_combine(w, i, g->leaf[k])) return false;
            continue;
        }
        if (g->attach != ATTACH_AT) continue;
        if (!is_thread(how))
            return refuse(w, i, "bind loops of the stage it is computed in",
                          "is computed inside another stage, whose blocks each need all of their part of it");
        if (g->scope != SCOPE_SHARED)
            return refuse(w, i, "set_scope it shared", "is computed by several threads, but stored where only one of them sees it");
        if (!fits_around(w, i, g->leaf[k])) return false;
    }
    if (g->attach != ATTACH_AT || g->scope != SCOPE_GLOBAL) return true;
    int root = i;
    while (w->stage[root].g->attach == ATTACH_AT) root = w->stage[root].g->at_stage;
    if (!stage_is_bound(w->st, root)) return true;
    return refuse(w, i, "set_scope it shared (of a block) or local (of a thread)",
                  "is stored in global memory, one for all blocks, but computed inside a kernel");
}

/* ---- guards ---- */

/* Something that all threads of a block do together. */
static bool holds_shared(const struct lower *w, int i)
{
    const struct stage *g = w->stage[i].g;
    if (w->stage[i].place == PLACE_NONE) return false;
    if (g->scope == SCOPE_SHARED || stage_combines(g)) return true;
    for (int p = 0; p < i; p++)
        if (w->st->stage[p]->attach == ATTACH_AT && w->st->stage[p]->at_stage == i && holds_shared(w, p)) return true;
    return false;
}

bool lower_on_thread(const struct lower *w, int i, const struct expr *cond)
{
    for (int last = w->stage[i].g->nleaf - 1;;) {
        const struct lstage *x = &w->stage[i];
        for (int k = 0; k <= last; k++)
            if (is_thread(x->g->iter[x->g->leaf[k]].how) && x->loop[x->g->leaf[k]] && ir_uses(cond, x->loop[x->g->leaf[k]]))
                return true;
        if (x->g->attach != ATTACH_AT) return false;
        last = state_leaf_pos(w->stage[x->g->at_stage].g, x->g->at_iter);
        i = x->g->at_stage;
    }
}

void lower_spare_shared(struct lower *w, int i)
{
    struct lstage *x = &w->stage[i];
    int deep = -1;
    for (int p = 0; p < i; p++) {
        const struct stage *g = w->st->stage[p];
        if (g->attach == ATTACH_AT && g->at_stage == i && holds_shared(w, p))
            deep = deep < state_leaf_pos(x->g, g->at_iter) ? state_leaf_pos(x->g, g->at_iter) : deep;
    }
    for (int k = 0; k < x->nguard; k++)
        if (x->guard[k].pos <= deep && lower_on_thread(w, i, x->guard[k].cond)) {
            x->guard[k].pos = deep;
            x->guard[k].inner = true;
        }
}
