/* SPDX-License-Identifier: Apache-2.0 */
/* pass_unroll.c - loops marked `unrolled` become their iterations, one after the other.
 *
 * On a GPU so do those bound to vthread: a thread does their iterations, in registers of its own.
 * Inner loops first. The number of statements made is limited: LLVM's time grows faster than they do. */
#include "codegen/passes.h"
#include "ir/simplify.h"

static bool count_stmt(const struct stmt *s, void *u)
{
    int64_t *n = u;
    if (s->kind != STMT_SEQ) ++*n;
    return true;
}

static const struct stmt *unroll(struct ir_ctx *c, const struct stmt *s, void *u)
{
    const struct target *t = u;
    if (s->kind != STMT_FOR || err_is(&c->err)) return NULL;
    if (s->u.loop.how != LOOP_UNROLLED && !(s->u.loop.how == LOOP_VTHREAD && t->family->kind == TARGET_SIMT)) return NULL;
    const struct var *v = s->u.loop.var;
    int64_t one = 0, all;
    ir_walk_stmt(s->u.loop.body, count_stmt, &one);
    if (!ck_mul(one, v->extent, &all) || all > MAX_UNROLLED) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0},
                "unrolling loop %s makes %lld copies of %lld statements, more than %d in all", v->name,
                (long long)v->extent, (long long)one, MAX_UNROLLED);
        err_hint(&c->err, "split %s and unroll the inner part only", v->name);
        return NULL;
    }
    const struct stmt **copy = ARENA_ARRAY(&c->arena, const struct stmt *, v->extent);
    for (int64_t i = 0; i < v->extent; i++) {
        const struct expr *at = ir_idx(c, i);
        copy[i] = ir_subst_stmt(c, s->u.loop.body, 1, &v, &at);
    }
    return ir_seq(c, (int)v->extent, copy);
}

const struct func *pass_unroll(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    const struct stmt *s = ir_rewrite_stmt(c, f->body, unroll, NULL, (void *)(uintptr_t)t);
    if (err_is(&c->err)) return NULL;
    return func_with_body(c, f, s == f->body ? s : ir_simplify_stmt(c, s, NULL));
}
