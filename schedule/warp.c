/* SPDX-License-Identifier: Apache-2.0 */
/* warp.c - lanes of a warp: contract in warp.h. */
#include "schedule/warp.h"

#include "ir/print.h"
#include "ir/simplify.h"

const char *warp_of_block(struct ir_ctx *c, const struct meaning *m, const int64_t *block, struct warp *out)
{
    int left = m->nlane;
    int64_t below = 1;
    *out = (struct warp){.n = m->nlane, .number = ir_idx(c, 0)};
    for (int i = 0; i < m->nlane; i++) out->lane[i] = ir_var(c, m->lane[i]->name, m->lane[i]->extent);
    for (int d = 0; d < 3; d++) {
        const struct expr *at = ir_idx(c, 0);
        int64_t own = 1;
        while (left > 0 && block[d] % (own * m->lane[left - 1]->extent) == 0) {
            const struct expr *v = ir_var_expr(c, out->lane[--left]);
            at = ir_add(c, at, ir_mul(c, ir_idx(c, own), v));
            out->number = ir_add(c, out->number, ir_mul(c, ir_idx(c, below), v));
            own *= m->lane[left]->extent;
            below *= m->lane[left]->extent;
        }
        if (left > 0 && own != block[d])
            return arena_printf(&c->arena, "%d threads execute it together, and a block of %lld x %lld x %lld threads is not made of "
                                "such warps: bind %d threads to threadIdx.x, or %lld to .x and %lld to .y", meaning_nlanes(m),
                                (long long)block[0], (long long)block[1], (long long)block[2], meaning_nlanes(m),
                                (long long)m->lane[m->nlane - 1]->extent, (long long)(meaning_nlanes(m) / m->lane[m->nlane - 1]->extent));
        if (own < block[d]) at = ir_add(c, at, ir_mul(c, ir_idx(c, own), ir_var_expr(c, ir_var(c, "w", block[d] / own))));
        out->thread[d] = ir_simplify(c, at, NULL);
        out->own[d] = own;
    }
    if (left > 0)
        return arena_printf(&c->arena, "%d threads execute it together, the block has %lld", meaning_nlanes(m),
                            (long long)(block[0] * block[1] * block[2]));
    out->number = ir_simplify(c, out->number, NULL);
    return NULL;
}

static const struct expr *replace(struct ir_ctx *c, int n, const struct thread_loop *loop, const struct expr *const *by,
                                  const struct expr *e)
{
    const struct var **old = ARENA_ARRAY(&c->arena, const struct var *, n + 1);
    const struct expr **with = ARENA_ARRAY(&c->arena, const struct expr *, n + 1);
    for (int i = 0; i < n; i++) {
        old[i] = loop[i].var;
        with[i] = by[i];
    }
    return ir_simplify(c, ir_subst(c, e, n, old, with), NULL);
}

const struct expr *warp_see(struct ir_ctx *c, const struct warp *k, int n, const struct thread_loop *loop, const struct expr *e)
{
    const struct expr **by = ARENA_ARRAY(&c->arena, const struct expr *, n + 1);
    for (int i = 0; i < n; i++) by[i] = k->thread[loop[i].axis];
    return replace(c, n, loop, by, e);
}

const struct expr *warp_first(struct ir_ctx *c, const struct warp *k, int n, const struct thread_loop *loop, const struct expr *e)
{
    const struct expr **by = ARENA_ARRAY(&c->arena, const struct expr *, n + 1);
    for (int i = 0; i < n; i++) {
        const struct expr *v = ir_var_expr(c, loop[i].var), *own = ir_idx(c, k->own[loop[i].axis]);
        by[i] = ir_mul(c, ir_div(c, v, own), own);
    }
    return replace(c, n, loop, by, e);
}

const struct expr *warp_number(struct ir_ctx *c, const struct warp *k, int n, const struct thread_loop *loop, int *lacks)
{
    const struct expr *e = ir_idx(c, 0);
    int64_t below = 1;
    for (int d = 0; d < 3; below *= k->own[d++]) {
        if (k->own[d] == 1) continue;
        int i = n - 1;
        while (i >= 0 && loop[i].axis != d) i--;
        *lacks = d;
        if (i < 0) return NULL;
        e = ir_add(c, e, ir_mul(c, ir_idx(c, below), ir_mod(c, ir_var_expr(c, loop[i].var), ir_idx(c, k->own[d]))));
    }
    return ir_simplify(c, e, NULL);
}

bool warp_differs(const struct warp *k, const struct expr *e)
{
    for (int i = 0; i < k->n; i++)
        if (ir_uses(e, k->lane[i])) return true;
    return false;
}

/* ---- whole kernels ---- */

struct walk {
    struct ir_ctx *c;
    const int64_t *block;
    VEC(struct thread_loop) loop;           /* around this place, innermost last */
    VEC(const struct expr *) cond;
};

static bool refuse(struct walk *w, const struct meaning *m, const char *hint, const char *why)
{
    err_set(&w->c->err, ERR_TENSORIZE, (struct span){0}, "%s is executed by %d threads together, but %s", m->name, meaning_nlanes(m), why);
    return err_hint(&w->c->err, "%s", hint), false;
}

static bool see_memory(const struct expr *e, void *u)
{
    *(bool *)u |= e->op == OP_LOAD && (e->val.buffer->scope != SCOPE_ARG || e->val.buffer->written);
    return true;
}

static bool instruction(struct walk *w, const struct stmt *s)
{
    struct ir_ctx *c = w->c;
    const struct meaning *m = s->u.intrin.meaning;
    const struct expr *const *arg = s->u.intrin.arg;
    struct warp k;
    int n = (int)w->loop.n, lacks;
    const struct thread_loop *loop = w->loop.at;
    const char *why = warp_of_block(c, m, w->block, &k);
    if (why) return refuse(w, m, "whole warps come to it together", why);
    const struct expr *own = warp_number(c, &k, n, loop, &lacks);
    for (int i = 0; i < n; i++)
        if (loop[i].var->extent != w->block[loop[i].axis])
            return refuse(w, m, "bind a loop of as many iterations as any other loop of the kernel along that axis",
                          arena_printf(&c->arena, "loop %s is %lld of the block's %lld threads", loop[i].var->name,
                                       (long long)loop[i].var->extent, (long long)w->block[loop[i].axis]));
    for (size_t i = 0; i < w->cond.n; i++) {
        bool memory = false;
        const struct expr *e = warp_see(c, &k, n, loop, w->cond.at[i]);
        ir_walk(e, see_memory, &memory);
        if (memory || warp_differs(&k, e))
            return refuse(w, m, "pad the axis to what a warp covers, or split it so that whole warps fall out",
                          arena_printf(&c->arena, "some may fail `%s`", expr_text(&c->arena, w->cond.at[i])));
    }
    const struct expr *lane = warp_see(c, &k, n, loop, arg[m->nop]);
    const struct expr *off = ir_mod(c, ir_sub(c, lane, k.number), ir_idx(c, meaning_nlanes(m)));
    if (!own || !ir_is_int(ir_simplify(c, off, NULL), 0))
        return refuse(w, m, "threads are numbered along threadIdx.x first, then .y, then .z",
                      arena_printf(&c->arena, "`%s` is not a thread's number in its warp", expr_text(&c->arena, arg[m->nop])));
    for (int i = 1; i < m->nop; i++)
        for_kids(arg[i], d) {
            const struct expr *e = warp_see(c, &k, n, loop, arg[i]->kid[d]);
            bool memory = arg[i]->val.buffer->scope == SCOPE_LOCAL;
            ir_walk(e, see_memory, &memory);
            if (memory || warp_differs(&k, e))
                return refuse(w, m, "the lane's part of an address is in the pitches",
                              arena_printf(&c->arena, "operand %s, `%s`, is not the same for all of them", m->op[i]->name,
                                           expr_text(&c->arena, arg[i])));
        }
    return true;
}

static bool walk(struct walk *w, const struct stmt *s)
{
    size_t loops = w->loop.n, conds = w->cond.n;
    bool ok = true;
    switch (s->kind) {
    case STMT_FOR:
        if (s->u.loop.how >= LOOP_THREAD_X && s->u.loop.how <= LOOP_THREAD_Z)
            VEC_PUSH(&w->c->arena, w->loop, ((struct thread_loop){s->u.loop.var, (int)s->u.loop.how - LOOP_THREAD_X}));
        ok = walk(w, s->u.loop.body);
        break;
    case STMT_IF:
        VEC_PUSH(&w->c->arena, w->cond, s->u.cond.cond);
        ok = walk(w, s->u.cond.then);
        break;
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n && ok; i++) ok = walk(w, s->u.seq.at[i]);
        break;
    case STMT_ALLOC: ok = walk(w, s->u.alloc.body); break;
    case STMT_INTRIN: ok = s->u.intrin.meaning->nlane == 0 || instruction(w, s); break;
    case STMT_STORE: case STMT_COMBINE: case STMT_SYNC: break;
    }
    w->loop.n = loops;
    w->cond.n = conds;
    return ok;
}

bool warp_check(struct ir_ctx *c, const struct stmt *kernel, const int64_t *block)
{
    struct walk w = {.c = c, .block = block};
    return walk(&w, kernel);
}
