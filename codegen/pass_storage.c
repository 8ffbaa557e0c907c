/* SPDX-License-Identifier: Apache-2.0 */
/* pass_storage.c - where allocations live: on the stack or in the workspace the caller passes.
 *
 *   outside parallel loops   local and at most STACK_ONE bytes: stack, while a function has room
 *                            (STACK_ALL); else workspace
 *   inside one               stack of the loop's body while there is room; else each iteration has a
 *                            slice of the workspace of its own
 *
 * An allocation's room in the workspace is free again after its block. The same buffer in several places
 * (unrolled copies) has one place on the stack. */
#include "codegen/passes.h"

static const int64_t max_bytes = INT64_C(1) << 47;

/* One function on LLVM's side: the kernel, or the body of a parallel loop. */
struct area {
    bool parallel;
    int64_t stack;
    int64_t top, most;                      /* of the workspace or slice: now, and ever */
    VEC(const struct buffer *) on_stack;
};

struct plan {
    struct ir_ctx *c;
    struct storage *out;
};

static bool too_large(struct plan *p, const char *what)
{
    err_set(&p->c->err, ERR_TOO_LARGE, (struct span){0}, "the workspace for %s is larger than 2^47 bytes",
            what);
    err_hint(&p->c->err, "compute it closer to its use, so that less of it is kept");
    return false;
}

static bool walk(struct plan *p, const struct stmt *s, struct area *a);

static bool on_stack(struct plan *p, const struct buffer *b, int64_t bytes, struct area *a)
{
    for (size_t i = 0; i < a->on_stack.n; i++)
        if (a->on_stack.at[i] == b) return true;
    bool small = a->parallel || (b->scope != SCOPE_GLOBAL && bytes <= STACK_ONE);
    if (!small || bytes > STACK_ALL - a->stack) return false;
    a->stack += bytes;
    VEC_PUSH(&p->c->arena, a->on_stack, b);
    return true;
}

static bool walk_alloc(struct plan *p, const struct stmt *s, struct area *a)
{
    const struct buffer *b = s->u.alloc.buffer;
    int64_t bytes = buffer_bytes(b), top = a->top;
    if (bytes < 0) return too_large(p, b->name);
    bytes = ceil_div(bytes, STORAGE_ALIGN) * STORAGE_ALIGN;
    struct place at = {.stack = on_stack(p, b, bytes, a), .offset = a->top};
    if (!at.stack) a->top += bytes;
    a->most = i64_max(a->most, a->top);
    if (a->most > max_bytes) return too_large(p, b->name);
    VEC_PUSH(&p->c->arena, p->out->alloc, at);
    if (!walk(p, s->u.alloc.body, a)) return false;
    a->top = top;
    return true;
}

static bool walk_parallel(struct plan *p, const struct stmt *s, struct area *a)
{
    struct area in = {.parallel = true};
    size_t me = p->out->parallel.n;
    VEC_PUSH(&p->c->arena, p->out->parallel, ((struct slice){a->top, 0}));
    if (!walk(p, s->u.loop.body, &in)) return false;
    int64_t all;
    if (!ck_mul(in.most, s->u.loop.var->extent, &all) || all > max_bytes - a->top)
        return too_large(p, arena_printf(&p->c->arena, "the iterations of %s", s->u.loop.var->name));
    p->out->parallel.at[me].stride = in.most;
    a->most = i64_max(a->most, a->top + all);
    return true;
}

static bool walk(struct plan *p, const struct stmt *s, struct area *a)
{
    switch (s->kind) {
    case STMT_FOR:
        return s->u.loop.how == LOOP_PARALLEL && !a->parallel ? walk_parallel(p, s, a)
                                                              : walk(p, s->u.loop.body, a);
    case STMT_IF: return walk(p, s->u.cond.then, a);
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n; i++)
            if (!walk(p, s->u.seq.at[i], a)) return false;
        return true;
    case STMT_ALLOC: return walk_alloc(p, s, a);
    case STMT_STORE: case STMT_INTRIN: case STMT_SYNC: case STMT_COMBINE: return true;
    }
    return true;
}

bool plan_storage(struct ir_ctx *c, const struct func *f, struct storage *out)
{
    struct plan p = {c, out};
    struct area a = {0};
    memset(out, 0, sizeof *out);
    if (!walk(&p, f->body, &a)) return false;
    out->workspace = a.most;
    return true;
}
