/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - refuses what the target cannot do, before LLVM sees it: LLVM aborts the process on what it cannot
 * select. Also refuses what codegen has no form for, so that emission cannot fail but in recipes. */
#include "codegen/passes.h"
#include "targets/recipe.h"

struct check {
    struct ir_ctx *c;
    const struct target *t;
};

static bool unsupported(struct check *k, const char *what, const char *hint)
{
    err_set(&k->c->err, ERR_UNSUPPORTED, (struct span){0}, "%s", what);
    err_hint(&k->c->err, "%s", hint);
    return false;
}

static bool check_intrin(struct check *k, const struct stmt *s)
{
    const struct meaning *m = s->u.intrin.meaning;
    const struct intrin *in = target_intrin(k->t, m->name);
    const struct intrin_row *row = in ? in->row : target_row(k->t, m->name);
    const char *lacks = row ? target_lacks(k->c, k->t, row->needs) : NULL;
    const char *misfit = in && !lacks ? recipe_misfit(k->c, m, in->recipe, s->u.intrin.arg) : NULL;
    if (in && !lacks && !misfit) return true;
    if (misfit) return err_set(&k->c->err, ERR_TENSORIZE, (struct span){0}, "%s: %s", m->name, misfit), false;
    if (row) err_set(&k->c->err, ERR_FEATURE, (struct span){0}, "%s needs %s, which %s lacks", m->name,
                     lacks ? lacks : row->needs, k->t->name);
    else
        err_set(&k->c->err, ERR_INTRIN, (struct span){0}, "the target %s has no instruction %s", k->t->name,
                m->name);
    return false;
}

static bool is_gpu(const struct check *k) { return k->t->family->kind == TARGET_SIMT; }

static bool see_expr(const struct expr *e, void *u)
{
    struct check *k = u;
    if (e->op == OP_FMA && !k->t->fused) {
        err_set(&k->c->err, ERR_FEATURE, (struct span){0}, "fma rounds once, which %s has no instruction for",
                k->t->name);
        err_hint(&k->c->err, "pick a target with the feature fma (x86-64-v3 has it), or write a*b + c");
    }
    if (e->op == OP_EXTERN && k->t->family->kind != TARGET_CPU)
        unsupported(k, arena_printf(&k->c->arena, "%s is a function of the host's, which %s cannot call", e->val.ext->name,
                                    k->t->name), "write it as an expression, or compile for a CPU");
    if (e->type.lanes > 4 * MAX_LANES)
        unsupported(k, "a vector has too many lanes", "split the vectorized loop");
    return !err_is(&k->c->err);
}

static void see_store(struct check *k, const struct stmt *s)
{
    for (int i = 0; i < s->u.store.nidx; i++) ir_walk(s->u.store.idx[i], see_expr, k);
    ir_walk(s->u.store.value, see_expr, k);
    if (s->u.store.mask) ir_walk(s->u.store.mask, see_expr, k);
}

static void check_copy(struct check *k, const struct stmt *s)
{
    struct async_copy copy;
    const char *why;
    if (!s->u.store.buffer->async || async_copy_of(s, &copy, &why)) return;
    unsupported(k, arena_printf(&k->c->arena, "%s cannot be fetched by asynchronous copies: %s", s->u.store.buffer->name, why),
                "vectorize a loop over 4, 8 or 16 bytes that lie side by side in both places, at multiples of as many");
}

static void check_async(struct check *k, const char *what)
{
    if (is_gpu(k) && target_lacks(k->c, k->t, "sm_80"))
        err_set(&k->c->err, ERR_FEATURE, (struct span){0}, "%s is asynchronous, which needs sm_80; %s lacks it", what, k->t->name);
}

static bool see_stmt(const struct stmt *s, void *u)
{
    struct check *k = u;
    switch (s->kind) {
    case STMT_FOR:
        if (s->u.loop.how < LOOP_BLOCK_X || is_gpu(k)) break;
        unsupported(k,
                    arena_printf(&k->c->arena, "loop %s is bound to %s, which %s does not have",
                                 s->u.loop.var->name, loop_kind_name[s->u.loop.how], k->t->name),
                    "on a CPU use parallel instead of bind");
        break;
    case STMT_STORE:
        see_store(k, s);
        check_copy(k, s);
        break;
    case STMT_IF: ir_walk(s->u.cond.cond, see_expr, k); break;
    case STMT_ALLOC:
        if (s->u.alloc.buffer->async) check_async(k, s->u.alloc.buffer->name);
        if (s->u.alloc.buffer->scope != SCOPE_SHARED || is_gpu(k)) break;
        unsupported(k, arena_printf(&k->c->arena, "%s is in shared memory, which %s does not have",
                                    s->u.alloc.buffer->name, k->t->name), "use set_scope local or global");
        break;
    case STMT_INTRIN:
        check_intrin(k, s);
        for (int i = 0; i < meaning_nargs(s->u.intrin.meaning); i++) ir_walk(s->u.intrin.arg[i], see_expr, k);
        break;
    case STMT_COMBINE:
        ir_walk(s->u.combine.at, see_expr, k);
        if (is_gpu(k)) break;
        unsupported(k, arena_printf(&k->c->arena, "threads combine %s, which %s does not have",
                                    s->u.combine.at->val.buffer->name, k->t->name),
                    "on a CPU rfactor the reduce loop instead of binding it");
        break;
    case STMT_SYNC:
        if (s->u.sync.kind != SYNC_BARRIER) check_async(k, "a group of copies");
        break;
    case STMT_SEQ: break;
    }
    return !err_is(&k->c->err);
}

static bool is_identifier(const char *s)
{
    for (const char *p = s; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        if (!letter && (p == s || *p < '0' || *p > '9')) return false;
    }
    return *s != 0;
}

bool check_lowered(struct ir_ctx *c, const struct lowered *l, enum cg_kind kind)
{
    const struct target *t = l->target;
    struct check k = {.c = c, .t = t};
    if (l->unbound) {
        err_set(&c->err, ERR_UNSUPPORTED, (struct span){0}, "no loop of %s is bound, so no thread of %s computes it",
                l->unbound, t->name);
        return err_hint(&c->err, "bind %s.%s blockIdx.x, or compute_at %s inside a stage that is", l->unbound,
                        l->unbound_loop ? l->unbound_loop : "AXIS", l->unbound), false;
    }
    if (kind == CG_LL || kind == CG_BC || (kind == CG_PTX) == is_gpu(&k)) return true;
    return unsupported(&k, arena_printf(&c->arena, is_gpu(&k) ? "%s has no objects or assembly of its own" : "%s is no GPU",
                                        t->name),
                       is_gpu(&k) ? "emit FILE.ptx: what the driver loads" : "emit FILE.o or FILE.s; PTX is for targets such as sm_80");
}

bool check_func(struct ir_ctx *c, const struct func *f, const struct target *t)
{
    struct check k = {.c = c, .t = t};
    if (!f->name || !is_identifier(f->name)) {
        err_set(&c->err, ERR_SYNTAX, (struct span){0}, "`%s` cannot be the name of a function in C",
                f->name ? f->name : "");
        return err_hint(&c->err, "letters, digits and _, not starting with a digit"), false;
    }
    ir_walk_stmt(f->body, see_stmt, &k);
    struct launches unused;
    return !err_is(&c->err) && (!is_gpu(&k) || plan_launches(c, f, t, &unused));
}
