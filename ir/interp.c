/* SPDX-License-Identifier: Apache-2.0 */
/* interp.c - runs loop nests. Contract in interp.h.
 *
 * The whole function becomes one piece of register code (bytecode.h): loops and stores are its
 * instructions, loop variables its registers. A vector store runs its scalar code once a lane, staging
 * values until all lanes have been computed; a lane that is masked out computes nothing, as if the store
 * stood in an `if`. Every alloc has a shadow byte an element that says whether it has been written since
 * the alloc was entered.
 *
 * In a function with bound loops each statement at its root (through sequences and global allocs) is a kernel, whose code is
 * one thread's: threads.h runs it by all of them. A bound loop is no loop there but `if (axis < extent)`. */
#include "ir/interp.h"

#include <inttypes.h>
#include <stdlib.h>

#include "ir/bytecode.h"
#include "ir/meaning.h"
#include "ir/threads.h"

/* A loop of the code, to say where a fault was. */
struct loop { const struct var *var; int reg, first, last; };

struct call {
    const struct meaning *m;
    struct bc_meaning *code;
    int mem[MEANING_MAX_OPERANDS], at[MEANING_MAX_OPERANDS];    /* at: register of the first element's number */
};

struct interp {
    struct ir_ctx *c;
    struct arena arena;
    struct bc code;
    VEC(struct bc_mem) mem;
    VEC(struct loop) loop;
    VEC(struct call) call;
    VEC(struct kernel) kernel;
    struct threads threads;
    struct kernel *now;         /* being compiled; NULL: a function of a CPU, or between kernels */
    bool has_kernels;
    int narg, max_lanes;
    const char *why;            /* a fault inside a call */
    enum err_code why_code;
};

/* ---- memory ---- */

static struct bc_mem mem_of(const struct buffer *b)
{
    return (struct bc_mem){.key = b, .name = b->name, .dt = b->dt, .ndim = b->ndim, .shape = b->shape,
                           .gap = b->gap, .elems = buffer_elems(b)};
}

/* A pass that copies loops copies allocs: the same buffer may have several, and needs one memory. */
static bool collect_alloc(const struct stmt *s, void *u)
{
    struct interp *ip = u;
    if (s->kind != STMT_ALLOC) return true;
    for (size_t i = 0; i < ip->mem.n; i++)
        if (ip->mem.at[i].key == s->u.alloc.buffer) return true;
    struct bc_mem m = mem_of(s->u.alloc.buffer);
    m.check = true;
    VEC_PUSH(&ip->arena, ip->mem, m);
    return true;
}

static bool get_memory(struct interp *ip)
{
    for (size_t i = (size_t)ip->narg; i < ip->mem.n; i++) {
        struct bc_mem *m = &ip->mem.at[i];
        m->base = calloc((size_t)m->elems, (size_t)dt_bytes(m->dt));
        m->set = calloc((size_t)m->elems, 1);
        if (!m->base || !m->set)
            return err_set(&ip->c->err, ERR_MEMORY, (struct span){0}, "no memory for %s, %" PRId64 " elements", m->name,
                           m->elems);
    }
    return true;
}

/* ---- statements to code ---- */

static int constant(struct bc *b, int64_t v) { return bc_reg(b, (union value){.i = v}); }
static void set_to(struct bc *b, int reg, int from) { bc_emit(b, (struct bc_ins){.op = BC_MOV, .d = reg, .a = from}); }
static int here(const struct bc *b) { return (int)b->ins.n; }

static void compile(struct interp *ip, const struct stmt *s);

static bool is_bound(const struct stmt *s)
{
    return s->kind == STMT_FOR && s->u.loop.how >= LOOP_BLOCK_X && s->u.loop.how <= LOOP_THREAD_Z;
}

/* The iteration that is this thread's, if there is one. */
static void compile_bound(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    const struct var *v = s->u.loop.var;
    int reg = constant(b, 0), axis = (int)s->u.loop.how - LOOP_BLOCK_X, in = constant(b, 0);
    int first = here(b);
    set_to(b, reg, ip->now->axis[axis]);
    bc_emit(b, (struct bc_ins){.op = BC_LT, .d = in, .a = reg, .b = constant(b, v->extent)});
    int over = bc_emit(b, (struct bc_ins){.op = BC_JZ, .b = in});
    VEC_PUSH(b->arena, b->bound, ((struct bc_bound){v, reg}));
    compile(ip, s->u.loop.body);
    b->bound.n--;
    VEC_PUSH(&ip->arena, ip->loop, ((struct loop){v, reg, first, here(b)}));
    b->ins.at[over].a = here(b);
}

static void compile_for(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    const struct var *v = s->u.loop.var;
    int reg = constant(b, 0), extent = constant(b, v->extent);
    set_to(b, reg, constant(b, 0));
    int first = here(b);
    VEC_PUSH(b->arena, b->bound, ((struct bc_bound){v, reg}));
    compile(ip, s->u.loop.body);
    b->bound.n--;
    VEC_PUSH(&ip->arena, ip->loop, ((struct loop){v, reg, first, here(b)}));
    bc_emit(b, (struct bc_ins){.op = BC_LOOP, .d = reg, .b = extent, .a = first});
}

static int lanes_of(const struct stmt *s)
{
    int n = s->u.store.value->type.lanes;
    for (int i = 0; i < s->u.store.nidx; i++)
        if (s->u.store.idx[i]->type.lanes > n) n = s->u.store.idx[i]->type.lanes;
    if (s->u.store.mask && s->u.store.mask->type.lanes > n) n = s->u.store.mask->type.lanes;
    return n;
}

static void compile_store(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    int mem = bc_find(b, s->u.store.buffer, s->u.store.buffer->name), lanes = lanes_of(s), skip = -1;
    uint32_t mark = bc_mark(b);
    if (lanes > ip->max_lanes) ip->max_lanes = lanes;
    int lane = constant(b, 0), count = constant(b, lanes);
    if (lanes > 1) {
        b->lane = lane;
        set_to(b, lane, constant(b, 0));
    }
    int first = here(b);
    if (s->u.store.mask) skip = bc_emit(b, (struct bc_ins){.op = BC_JZ, .b = bc_expr(b, s->u.store.mask)});
    if (b->failed) return;
    int at = bc_address(b, mem, s->u.store.nidx, s->u.store.idx), value = bc_expr(b, s->u.store.value);
    bc_emit(b, (struct bc_ins){.op = BC_STAGE, .a = at, .b = value});
    if (skip >= 0) b->ins.at[skip].a = here(b);
    if (lanes > 1) bc_emit(b, (struct bc_ins){.op = BC_LOOP, .d = lane, .b = count, .a = first});
    bc_emit(b, (struct bc_ins){.op = BC_COMMIT, .x = mem});
    b->lane = -1;
    bc_forget(b, mark);
}

static void compile_if(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    uint32_t mark = bc_mark(b);
    int cond = bc_expr(b, s->u.cond.cond);
    bc_forget(b, mark);
    int over = bc_emit(b, (struct bc_ins){.op = BC_JZ, .b = cond});
    compile(ip, s->u.cond.then);
    if (!b->failed) b->ins.at[over].a = here(b);
}

static struct bc_meaning *meaning_code(struct interp *ip, const struct meaning *m)
{
    for (size_t i = 0; i < ip->call.n; i++)
        if (ip->call.at[i].m == m) return ip->call.at[i].code;
    return bc_meaning_new(&ip->arena, m);
}

static void compile_intrin(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    const struct meaning *m = s->u.intrin.meaning;
    struct call k = {.m = m, .code = meaning_code(ip, m)};
    uint32_t mark = bc_mark(b);
    for (int i = 0; i < m->nop && !b->failed; i++) {
        const struct expr *arg = s->u.intrin.arg[i];
        if (arg->op != OP_LOAD || arg->type.lanes != 1 || arg->type.dt != m->op[i]->dt) {
            err_set(&ip->c->err, ERR_TYPE, (struct span){0}, "operand %s of %s wants the address of one %s element",
                    m->op[i]->name, m->name, dtype_info[m->op[i]->dt].name);
            b->failed = true;
            return;
        }
        k.mem[i] = bc_find(b, arg->val.buffer, arg->val.buffer->name);
        if (!b->failed) k.at[i] = bc_address(b, k.mem[i], arg->nkid, arg->kid);
    }
    VEC_PUSH(&ip->arena, ip->call, k);
    bc_emit(b, (struct bc_ins){.op = BC_CALL, .x = (int)ip->call.n - 1});
    bc_forget(b, mark);
}

/* What the threads of a block share is fresh when the block begins: they come here one after the other. */
static void compile_alloc(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    const struct buffer *own = s->u.alloc.buffer;
    if (!ip->now || own->scope == SCOPE_LOCAL) bc_emit(b, (struct bc_ins){.op = BC_FRESH, .x = bc_find(b, own, own->name)});
    compile(ip, s->u.alloc.body);
}

/* In a function of a CPU there is nobody to combine with. */
static void compile_combine(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    const struct expr *at = s->u.combine.at;
    if (!ip->now) {
        err_set(&ip->c->err, ERR_UNSUPPORTED, (struct span){0}, "threads combine %s where no loop is bound to them",
                at->val.buffer->name);
        b->failed = true;
        return;
    }
    uint32_t mark = bc_mark(b);
    int mem = bc_find(b, at->val.buffer, at->val.buffer->name), reg = b->failed ? 0 : bc_address(b, mem, at->nkid, at->kid);
    bc_forget(b, mark);
    bc_emit(b, (struct bc_ins){.op = BC_NEED, .a = reg, .x = mem});
    bc_emit(b, (struct bc_ins){.op = BC_COMBINE, .sub = (uint8_t)s->u.combine.k, .d = (int)s->u.combine.axis - LOOP_THREAD_X,
                               .a = reg, .b = s->u.combine.width, .x = mem});
}

static void compile(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    if (b->failed) return;
    switch (s->kind) {
    case STMT_FOR:
        if (ip->now && is_bound(s)) compile_bound(ip, s);
        else compile_for(ip, s);
        break;
    case STMT_STORE: compile_store(ip, s); break;
    case STMT_IF: compile_if(ip, s); break;
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n; i++) compile(ip, s->u.seq.at[i]);
        break;
    case STMT_ALLOC: compile_alloc(ip, s); break;
    case STMT_INTRIN:
        if (meaning_is_plain(s->u.intrin.meaning)) compile_intrin(ip, s);
        else compile(ip, meaning_loops(ip->c, s));
        break;
    case STMT_SYNC:
        if (!ip->now) break;
        if (s->u.sync.kind == SYNC_BARRIER) bc_emit(b, (struct bc_ins){.op = BC_SYNC});
        else bc_emit(b, (struct bc_ins){.op = BC_COPIES, .a = s->u.sync.kind == SYNC_WAIT ? s->u.sync.keep : -1});
        break;
    case STMT_COMBINE: compile_combine(ip, s); break;
    }
}

static bool fault(struct interp *ip, enum err_code code, const char *why)
{
    ip->why = why;
    ip->why_code = code;
    return false;
}

/* ---- kernels ---- */

static bool see_bound(const struct stmt *s, void *u)
{
    *(bool *)u |= is_bound(s);
    return true;
}

struct shape { struct interp *ip; struct kernel *k; };
static bool see_kernel(const struct stmt *s, void *u)
{
    struct kernel *k = ((struct shape *)u)->k;
    struct interp *ip = ((struct shape *)u)->ip;
    if (is_bound(s)) {
        bool thread = s->u.loop.how >= LOOP_THREAD_X;
        int64_t *n = thread ? &k->block[s->u.loop.how - LOOP_THREAD_X] : &k->grid[s->u.loop.how - LOOP_BLOCK_X];
        *n = i64_max(*n, s->u.loop.var->extent);
    }
    if (s->kind == STMT_ALLOC) {
        const struct buffer *b = s->u.alloc.buffer;
        int x = bc_find(&ip->code, b, b->name);
        for (size_t i = 0; i < k->own.n; i++)
            if (k->own.at[i] == x) return true; /* another copy of its block */
        if (b->scope == SCOPE_LOCAL) VEC_PUSH(&ip->arena, k->own, x);
        else VEC_PUSH(&ip->arena, k->shared, x);
    }
    if (s->kind == STMT_COMBINE) {
        int64_t *n = &k->block[s->u.combine.axis - LOOP_THREAD_X];
        *n = i64_max(*n, s->u.combine.width);
    }
    k->syncs |= (s->kind == STMT_SYNC && s->u.sync.kind == SYNC_BARRIER) || s->kind == STMT_COMBINE;
    return true;
}

/* Code for each kernel, in order; what is allocated around them is there all the time. */
static void compile_root(struct interp *ip, const struct stmt *s)
{
    struct bc *b = &ip->code;
    if (s->kind == STMT_SEQ) {
        for (int i = 0; i < s->u.seq.n; i++) compile_root(ip, s->u.seq.at[i]);
    } else if (s->kind == STMT_ALLOC && s->u.alloc.buffer->scope == SCOPE_GLOBAL) {
        compile_root(ip, s->u.alloc.body);
    } else {
        struct kernel k = {.first = here(b), .grid = {1, 1, 1}, .block = {1, 1, 1}};
        for (int i = 0; i < 6; i++) k.axis[i] = constant(b, 0);
        ir_walk_stmt(s, see_kernel, &(struct shape){ip, &k});
        ip->now = &k;
        compile(ip, s);
        ip->now = NULL;
        bc_emit(b, (struct bc_ins){.op = BC_END});
        VEC_PUSH(&ip->arena, ip->kernel, k);
    }
}

static bool on_touch(void *u, int mem, int64_t at, int64_t n, bool write)
{
    struct interp *ip = u;
    return threads_touch(&ip->threads, mem, at, n, write) || fault(ip, ERR_RACE, ip->threads.why);
}

static void on_later(void *u, int mem, int64_t at) { threads_later(&((struct interp *)u)->threads, mem, at); }

static bool on_copies(void *u, int keep)
{
    struct interp *ip = u;
    return threads_copies(&ip->threads, keep) || fault(ip, ERR_RACE, ip->threads.why);
}

/* Whatever more than one thread can reach and some thread writes. */
static void watch(struct interp *ip, const struct func *f)
{
    for (size_t i = 0; i < ip->mem.n; i++) {
        const struct buffer *b = ip->mem.at[i].key;
        bool arg = i < (size_t)ip->narg;
        ip->mem.at[i].watched = arg ? f->arg[i]->written : b->scope != SCOPE_LOCAL;
        ip->mem.at[i].late = !arg && b->async;
    }
}

static bool get_watches(struct interp *ip)
{
    struct threads *t = &ip->threads;
    *t = (struct threads){.code = &ip->code, .arena = &ip->arena, .nmem = (int)ip->mem.n};
    t->of_block = ARENA_ARRAY(&ip->arena, bool, ip->mem.n + 1);
    t->seen = ARENA_ARRAY(&ip->arena, struct touched *, ip->mem.n + 1);
    for (size_t i = 0; i < ip->mem.n; i++) {
        if (!ip->mem.at[i].watched) continue;
        t->of_block[i] = ((const struct buffer *)ip->mem.at[i].key)->scope == SCOPE_SHARED;
        t->seen[i] = calloc((size_t)ip->mem.at[i].elems, sizeof *t->seen[i]);
        if (!t->seen[i])
            return err_set(&ip->c->err, ERR_MEMORY, (struct span){0}, "no memory to watch %s", ip->mem.at[i].name);
    }
    return true;
}

static bool run_kernels(struct interp *ip)
{
    struct threads *t = &ip->threads;
    for (size_t i = 0; i < ip->kernel.n; i++) {
        if (threads_run(t, &ip->kernel.at[i])) continue;
        if (t->no_memory) return err_set(&ip->c->err, ERR_MEMORY, (struct span){0}, "no memory for the threads of a block");
        if (ip->code.trap.kind == BC_TRAP_SYNC || ip->code.trap.kind == BC_TRAP_NONE) { /* not where the others are */
            ip->code.trap.kind = BC_TRAP_REPORTED;
            fault(ip, ERR_RACE, t->why);
        }
        return false;
    }
    return true;
}

/* ---- calls ---- */

static bool operand_there(struct interp *ip, const struct call *k, int i, int64_t at, int64_t n)
{
    const struct bc_mem *m = &ip->mem.at[k->mem[i]];
    const char *op = k->m->op[i]->name, *name = k->m->name;
    if (n > m->elems - at)
        return fault(ip, ERR_BOUNDS,
                     arena_printf(&ip->arena, "operand %s of %s is %" PRId64 " elements from %s, which ends after %" PRId64,
                                  op, name, n, bc_element(&ip->arena, m, at), m->elems - at));
    bool reads = i > 0 || k->m->accumulate;
    const unsigned char *hole = m->set && reads ? memchr(m->set + at, 0, (size_t)n) : NULL;
    if (hole)
        return fault(ip, ERR_BOUNDS,
                     arena_printf(&ip->arena, "%s, in operand %s of %s, is read but was never written",
                                  bc_element(&ip->arena, m, hole - m->set), op, name));
    return true;
}

static bool on_call(void *u, int x)
{
    struct interp *ip = u;
    const struct call *k = &ip->call.at[x];
    void *ptr[MEANING_MAX_OPERANDS];
    int64_t n[MEANING_MAX_OPERANDS];
    for (int i = 0; i < k->m->nop; i++) {
        const struct tensor *t = k->m->op[i];
        const struct bc_mem *m = &ip->mem.at[k->mem[i]];
        int64_t at = ip->code.reg.at[k->at[i]].i;
        n[i] = 1;
        for (int d = 0; d < t->ndim; d++) n[i] *= t->shape[d];
        if (!operand_there(ip, k, i, at, n[i])) return false;
        if (m->watched && !on_touch(ip, k->mem[i], at, n[i], i == 0)) return false;
        ptr[i] = m->base + at * dt_bytes(m->dt);
    }
    const char *why;
    if (!bc_meaning_run(k->code, ptr, &why)) return fault(ip, ERR_RANGE, why);
    struct bc_mem *out = &ip->mem.at[k->mem[0]];
    if (out->set) memset(out->set + ip->code.reg.at[k->at[0]].i, 1, (size_t)n[0]);
    return true;
}

/* ---- the door ---- */

/* " at y=3, k=7": the loops around an instruction, outermost first (inner ones were recorded first). */
static const char *place(struct interp *ip, int at)
{
    struct str s = str_on(&ip->arena);
    for (size_t i = ip->loop.n; i-- > 0;) {
        const struct loop *l = &ip->loop.at[i];
        if (at < l->first || at >= l->last) continue;
        str_printf(&s, "%s%s=%" PRId64, s.n ? ", " : " at ", l->var->name, ip->code.reg.at[l->reg].i);
    }
    return s.n ? str_text(&s) : "";
}

static bool report(struct interp *ip, const struct func *f)
{
    const struct bc_trap *t = &ip->code.trap;
    enum err_code code = t->kind == BC_TRAP_OVERFLOW ? ERR_RANGE : ERR_BOUNDS;
    const char *why = t->text;
    if (t->kind == BC_TRAP_REPORTED) {
        code = ip->why_code;
        why = ip->why;
    }
    err_set(&ip->c->err, code, (struct span){0}, "%s%s, in %s", why, place(ip, t->at), f->name);
    if (code != ERR_RACE)
        err_hint(&ip->c->err, code == ERR_RANGE ? "index arithmetic and i64 products must fit in 64 bits"
                                                : "guard it with if (...), or make the buffer or its writer cover this");
    return false;
}

static bool run(struct interp *ip, const struct func *f)
{
    struct bc *b = &ip->code;
    ir_walk_stmt(f->body, collect_alloc, ip);
    ir_walk_stmt(f->body, see_bound, &ip->has_kernels);
    if (ip->has_kernels) watch(ip, f);
    bc_init(b, ip->c, &ip->arena, ip->mem.at, (int)ip->mem.n);
    b->u = ip;
    b->call = on_call;
    b->touch = on_touch;
    b->later = on_later;
    b->copies = on_copies;
    if (ip->has_kernels) {
        compile_root(ip, f->body);
    } else {
        compile(ip, f->body);
        bc_emit(b, (struct bc_ins){.op = BC_END});
    }
    if (b->failed || !get_memory(ip) || (ip->has_kernels && !get_watches(ip))) return false;
    b->staged.at = ARENA_ARRAY(&ip->arena, int64_t, ip->max_lanes);
    b->staged.value = ARENA_ARRAY(&ip->arena, union value, ip->max_lanes);
    bool ok = ip->has_kernels ? run_kernels(ip) : bc_run(b, 0);
    return ok || err_is(&ip->c->err) ? ok : report(ip, f);
}

bool interp_run(struct ir_ctx *c, const struct func *f, void *const *arg)
{
    struct interp ip = {.c = c, .narg = f->narg, .max_lanes = 1};
    arena_init_beside(&ip.arena, &c->arena);
    for (int i = 0; i < f->narg; i++) {
        struct bc_mem m = mem_of(f->arg[i]);
        m.base = arg[i];
        VEC_PUSH(&ip.arena, ip.mem, m);
    }
    bool ok = run(&ip, f);
    for (size_t i = (size_t)f->narg; i < ip.mem.n; i++) {
        free(ip.mem.at[i].base);
        free(ip.mem.at[i].set);
    }
    for (int i = 0; i < ip.threads.nmem; i++) free(ip.threads.seen[i]);
    arena_release(&ip.arena);
    return ok;
}
