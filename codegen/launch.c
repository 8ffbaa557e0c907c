/* SPDX-License-Identifier: Apache-2.0 */
/* launch.c - a function for a GPU as the kernels it is made of: what each one is launched with, and where buffers
 * lie that one kernel leaves for the next. Refuses what cannot be launched, before LLVM.
 *
 *     alloc global P { blockIdx.x y { P... }; blockIdx.x y { threadIdx.x x { Out... } } }
 *
 * is two kernels with P at offset 0 of the workspace. Shared memory is in the PTX while that is enough; beyond, a launch asks
 * for all of it. A block has as many threads along an axis as the longest loop
 * bound to it; of a shorter one the surplus threads do nothing. */
#include "codegen/passes.h"
#include "schedule/warp.h"

struct planner {
    struct ir_ctx *c;
    const struct func *f;
    const struct target *t;
    const struct simt_limits *most;
    struct launches *out;
    struct launch *now;         /* the kernel being looked through */
};

static bool refuse(struct planner *p, const char *hint, const char *fmt, ...) QJ_PRINTF(3, 4);
static bool refuse(struct planner *p, const char *hint, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *what = arena_vprintf(&p->c->arena, fmt, ap);
    va_end(ap);
    err_set(&p->c->err, ERR_UNSUPPORTED, (struct span){0}, "%s", what);
    return err_hint(&p->c->err, "%s", hint), false;
}

static int64_t bytes_of(const struct buffer *b)
{
    return ceil_div(buffer_elems(b) * dt_bytes(b->dt), LAUNCH_ALIGN) * LAUNCH_ALIGN;
}

/* ---- one kernel ---- */

static bool see_loop(struct planner *p, const struct stmt *s)
{
    const struct var *v = s->u.loop.var;
    enum loop_kind how = s->u.loop.how;
    if (how == LOOP_PARALLEL)
        return refuse(p, "bind it to blockIdx.x or threadIdx.x instead", "loop %s is parallel, which is for CPUs", v->name);
    if (how < LOOP_BLOCK_X || how > LOOP_THREAD_Z) return true;
    bool thread = how >= LOOP_THREAD_X;
    int axis = (int)how - (thread ? LOOP_THREAD_X : LOOP_BLOCK_X);
    int64_t *size = thread ? &p->now->block[axis] : &p->now->grid[axis];
    int64_t most = thread ? p->most->block[axis] : p->most->grid[axis];
    if (v->extent > most)
        return refuse(p, "split it and bind a part", "loop %s has %lld iterations, %s at most %lld", v->name,
                      (long long)v->extent, loop_kind_name[how], (long long)most);
    *size = i64_max(*size, v->extent);
    return true;
}

static bool see_alloc(struct planner *p, const struct stmt *s)
{
    const struct buffer *b = s->u.alloc.buffer;
    if (b->scope == SCOPE_GLOBAL)
        return refuse(p, "set_scope it shared (of a block) or local (of a thread), or compute_root it",
                      "%s is in global memory and computed inside a kernel", b->name);
    for (size_t i = 0; i < p->now->shared_buffer.n; i++)
        if (p->now->shared_buffer.at[i].buffer == b) return true;
    if (b->scope == SCOPE_SHARED) {
        VEC_PUSH(&p->c->arena, p->now->shared_buffer, ((struct launch_room){b, p->now->shared}));
        p->now->shared += bytes_of(b);
    }
    return true;
}

static bool see_stmt(const struct stmt *s, void *u)
{
    struct planner *p = u;
    if (s->kind == STMT_FOR) return see_loop(p, s);
    if (s->kind == STMT_COMBINE) {
        int64_t *n = &p->now->block[s->u.combine.axis - LOOP_THREAD_X];
        *n = i64_max(*n, s->u.combine.width);
    }
    return s->kind == STMT_ALLOC ? see_alloc(p, s) : true;
}

/* Lanes of a warp that are a power of two apart exchange registers; when all sizes of the block are known. */
static bool see_combine(const struct stmt *s, void *u)
{
    struct planner *p = u;
    if (s->kind != STMT_COMBINE || err_is(&p->c->err)) return true;
    int64_t stride = 1, width = s->u.combine.width;
    int axis = (int)s->u.combine.axis - LOOP_THREAD_X;
    for (int d = 0; d < axis; d++) stride *= p->now->block[d];
    const int64_t *n = p->now->block;
    bool powers = !(stride & (stride - 1)) && !(width & (width - 1));
    if (powers && stride * width <= p->most->warp && n[axis] % width == 0) return true;
    return refuse(p, "bind the loop to threadIdx.x, by a power of two",
                  "%lld threads along %s, %lld apart, in a block of %lld x %lld x %lld are no part of a warp of %d",
                  (long long)width, loop_kind_name[s->u.combine.axis], (long long)stride, (long long)n[0], (long long)n[1],
                  (long long)n[2], p->most->warp);
}

static bool add_kernel(struct planner *p, const struct stmt *s)
{
    struct launch k = {.body = s, .grid = {1, 1, 1}, .block = {1, 1, 1}};
    p->now = &k;
    ir_walk_stmt(s, see_stmt, p);
    if (err_is(&p->c->err)) return false;
    int64_t threads = k.block[0] * k.block[1] * k.block[2];
    if (threads > p->most->threads)
        return refuse(p, "split a loop that is bound to threadIdx further", "a block of %lld x %lld x %lld is %lld threads, %d at most",
                      (long long)k.block[0], (long long)k.block[1], (long long)k.block[2], (long long)threads, p->most->threads);
    ir_walk_stmt(s, see_combine, p);
    if (err_is(&p->c->err)) return false;
    if (k.shared > p->t->block_shared)
        return refuse(p, "compute shared stages for a smaller part at a time, or with fewer copies",
                      "a block needs %lld bytes of shared memory, %d at most on %s", (long long)k.shared, p->t->block_shared,
                      p->t->cpu);
    if (k.shared > p->most->shared) k.dynamic = k.shared;
    if (!warp_check(p->c, s, k.block)) return false;
    VEC_PUSH(&p->c->arena, p->out->kernel, k);
    return true;
}

/* ---- what stands between kernels ---- */

static bool walk(struct planner *p, const struct stmt *s)
{
    if (s->kind == STMT_SEQ) {
        for (int i = 0; i < s->u.seq.n; i++)
            if (!walk(p, s->u.seq.at[i])) return false;
        return true;
    }
    if (s->kind == STMT_SYNC) return true; /* kernels wait for each other anyway */
    if (s->kind != STMT_ALLOC || s->u.alloc.buffer->scope != SCOPE_GLOBAL) return add_kernel(p, s);
    const struct buffer *b = s->u.alloc.buffer;
    VEC_PUSH(&p->c->arena, p->out->global, ((struct launch_room){b, p->out->workspace}));
    p->out->workspace += bytes_of(b);
    return walk(p, s->u.alloc.body);
}

bool plan_launches(struct ir_ctx *c, const struct func *f, const struct target *t, struct launches *out)
{
    struct planner p = {.c = c, .f = f, .t = t, .most = t->family->simt, .out = out};
    *out = (struct launches){0};
    if (!walk(&p, f->body)) return false;
    for (size_t i = 0; i < out->kernel.n; i++)
        out->kernel.at[i].name = out->kernel.n == 1 ? f->name : arena_printf(&c->arena, "%s_%d", f->name, (int)i);
    return true;
}
