/* SPDX-License-Identifier: Apache-2.0 */
/* visit.c - walking and rewriting, written once for all nodes. Contract in ir.h.
 *
 * Expressions are DAGs: a walk visits a node once for each path (callers keep them small), a rewrite
 * memoises by node id, so it is linear in distinct nodes. */
#include "ir/extern.h"
#include "ir/meaning.h"

void ir_walk(const struct expr *e, bool (*fn)(const struct expr *e, void *u), void *u)
{
    if (!fn(e, u)) return;
    for_kids(e, i) ir_walk(e->kid[i], fn, u);
}

static bool find_var(const struct expr *e, const struct var *v)
{
    if (e->op == OP_VAR) return e->val.var == v;
    for_kids(e, i) if (find_var(e->kid[i], v)) return true;
    return false;
}
bool ir_uses(const struct expr *e, const struct var *v) { return find_var(e, v); }

/* ---- rewriting expressions ---- */

/* Old node -> new node, open addressing by id; lives in the arena for one rewrite. */
struct memo {
    struct ir_ctx *c;
    ir_rule *rule;
    void *u;
    struct memo_row { const struct expr *from, *to; } *row;
    uint32_t n, cap;
};

static struct memo_row *memo_at(struct memo *m, const struct expr *e)
{
    uint32_t at = (e->id * 2654435761u) & (m->cap - 1);
    while (m->row[at].from && m->row[at].from != e) at = (at + 1) & (m->cap - 1);
    return &m->row[at];
}

static void memo_put(struct memo *m, const struct expr *from, const struct expr *to)
{
    if (m->n * 2 >= m->cap) {
        struct memo_row *old = m->row;
        uint32_t cap = m->cap;
        m->cap = cap * 2;
        m->row = ARENA_ARRAY(&m->c->arena, struct memo_row, m->cap);
        for (uint32_t i = 0; i < cap; i++)
            if (old[i].from) *memo_at(m, old[i].from) = old[i];
    }
    struct memo_row *r = memo_at(m, from);
    r->from = from;
    r->to = to;
    m->n++;
}

static const struct expr *rewrite(struct memo *m, const struct expr *e)
{
    struct memo_row *hit = memo_at(m, e);
    if (hit->from) return hit->to;
    const struct expr *kid[QJ_MAX_PHYS + 8];
    bool changed = false;
    for_kids(e, i) {
        kid[i] = rewrite(m, e->kid[i]);
        changed |= kid[i] != e->kid[i];
    }
    const struct expr *now = changed ? ir_with_kids(m->c, e, kid) : e;
    const struct expr *r = m->rule(m->c, now, m->u);
    if (r) now = r;
    memo_put(m, e, now);
    return now;
}

const struct expr *ir_rewrite(struct ir_ctx *c, const struct expr *e, ir_rule *rule, void *u)
{
    if (!e) return NULL;
    struct memo m = {c, rule, u, ARENA_ARRAY(&c->arena, struct memo_row, 32), 0, 32};
    return rewrite(&m, e);
}

struct subst {
    int n;
    const struct var *const *var;
    const struct expr *const *with;
};

static const struct expr *subst_rule(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct subst *s = u;
    if (e->op != OP_VAR) return NULL;
    for (int i = 0; i < s->n; i++)
        if (e->val.var == s->var[i]) return s->with[i];
    return NULL;
}

const struct expr *ir_subst(struct ir_ctx *c, const struct expr *e, int n, const struct var *const *var,
                            const struct expr *const *with)
{
    struct subst s = {n, var, with};
    return ir_rewrite(c, e, subst_rule, &s);
}

/* ---- statements ---- */

static const struct stmt *keep_uid(const struct stmt *made, const struct stmt *old)
{
    ((struct stmt *)made)->uid = old->uid; /* just made by us, not shared yet */
    return made;
}

struct stmt_rw {
    struct ir_ctx *c;
    ir_stmt_rule *rule;
    ir_rule *expr_rule;
    void *u;
};

static const struct expr *rw_expr(const struct stmt_rw *w, const struct expr *e)
{
    return w->expr_rule && e ? ir_rewrite(w->c, e, w->expr_rule, w->u) : e;
}

static const struct stmt *rw_store(const struct stmt_rw *w, const struct stmt *s)
{
    const struct expr *idx[QJ_MAX_PHYS];
    const struct expr *value = rw_expr(w, s->u.store.value), *mask = rw_expr(w, s->u.store.mask);
    bool changed = value != s->u.store.value || mask != s->u.store.mask;
    for (int i = 0; i < s->u.store.nidx; i++) {
        idx[i] = rw_expr(w, s->u.store.idx[i]);
        changed |= idx[i] != s->u.store.idx[i];
    }
    return changed ? keep_uid(ir_store(w->c, s->u.store.buffer, s->u.store.nidx, idx, value, mask), s) : s;
}

static const struct stmt *rw_intrin(const struct stmt_rw *w, const struct stmt *s)
{
    const struct meaning *m = s->u.intrin.meaning;
    const struct expr *arg[MEANING_MAX_ARGS];
    bool changed = false;
    for (int i = 0; i < meaning_nargs(m); i++) {
        arg[i] = rw_expr(w, s->u.intrin.arg[i]);
        changed |= arg[i] != s->u.intrin.arg[i];
    }
    return changed ? keep_uid(ir_intrin(w->c, m, arg), s) : s;
}

static const struct stmt *rw_stmt(const struct stmt_rw *w, const struct stmt *s);

static const struct stmt *rw_seq(const struct stmt_rw *w, const struct stmt *s)
{
    int n = s->u.seq.n;
    const struct stmt **at = ARENA_ARRAY(&w->c->arena, const struct stmt *, n ? n : 1);
    bool changed = false;
    for (int i = 0; i < n; i++) {
        at[i] = rw_stmt(w, s->u.seq.at[i]);
        changed |= at[i] != s->u.seq.at[i];
    }
    return changed ? ir_seq(w->c, n, at) : s;
}

static const struct stmt *rw_kids(const struct stmt_rw *w, const struct stmt *s)
{
    switch (s->kind) {
    case STMT_FOR: {
        const struct stmt *body = rw_stmt(w, s->u.loop.body);
        if (body == s->u.loop.body) return s;
        struct stmt *f = arena_copy(&w->c->arena, s, sizeof *s);
        f->u.loop.body = body;
        return f;
    }
    case STMT_STORE: return rw_store(w, s);
    case STMT_IF: {
        const struct expr *cond = rw_expr(w, s->u.cond.cond);
        const struct stmt *then = rw_stmt(w, s->u.cond.then);
        return cond == s->u.cond.cond && then == s->u.cond.then ? s : ir_if(w->c, cond, then);
    }
    case STMT_SEQ: return rw_seq(w, s);
    case STMT_ALLOC: {
        const struct stmt *body = rw_stmt(w, s->u.alloc.body);
        return body == s->u.alloc.body ? s : keep_uid(ir_alloc(w->c, s->u.alloc.buffer, body), s);
    }
    case STMT_INTRIN: return rw_intrin(w, s);
    case STMT_SYNC: return s;
    case STMT_COMBINE: {
        const struct expr *at = rw_expr(w, s->u.combine.at);
        if (at == s->u.combine.at) return s;
        return keep_uid(ir_combine_threads(w->c, s->u.combine.k, s->u.combine.axis, s->u.combine.width, at), s);
    }
    }
    QJ_ASSERT(!"unknown statement");
    return NULL;
}

static const struct stmt *rw_stmt(const struct stmt_rw *w, const struct stmt *s)
{
    s = rw_kids(w, s);
    const struct stmt *r = w->rule ? w->rule(w->c, s, w->u) : NULL;
    return r ? r : s;
}

const struct stmt *ir_rewrite_stmt(struct ir_ctx *c, const struct stmt *s, ir_stmt_rule *rule, ir_rule *expr_rule,
                                   void *u)
{
    if (!s) return NULL;
    struct stmt_rw w = {c, rule, expr_rule, u};
    return rw_stmt(&w, s);
}

const struct stmt *ir_subst_stmt(struct ir_ctx *c, const struct stmt *s, int n, const struct var *const *var,
                                 const struct expr *const *with)
{
    struct subst u = {n, var, with};
    return ir_rewrite_stmt(c, s, NULL, subst_rule, &u);
}

void ir_walk_stmt(const struct stmt *s, bool (*fn)(const struct stmt *s, void *u), void *u)
{
    if (!fn(s, u)) return;
    switch (s->kind) {
    case STMT_FOR: ir_walk_stmt(s->u.loop.body, fn, u); break;
    case STMT_IF: ir_walk_stmt(s->u.cond.then, fn, u); break;
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n; i++) ir_walk_stmt(s->u.seq.at[i], fn, u);
        break;
    case STMT_ALLOC: ir_walk_stmt(s->u.alloc.body, fn, u); break;
    case STMT_STORE: case STMT_INTRIN: case STMT_SYNC: case STMT_COMBINE: break;
    }
}

/* ---- functions of the host's ---- */

struct externs { struct arena *arena; struct ext_list *out; };

static bool add_extern(const struct expr *e, void *u)
{
    struct externs *x = u;
    bool had = e->op != OP_EXTERN;
    for (size_t i = 0; i < x->out->n && !had; i++) had = x->out->at[i] == e->val.ext;
    if (!had) VEC_PUSH(x->arena, *x->out, e->val.ext);
    return true;
}

void ir_externs(struct arena *a, const struct expr *e, struct ext_list *out)
{
    ir_walk(e, add_extern, &(struct externs){a, out});
}

static bool add_externs(const struct stmt *s, void *u)
{
    struct externs *x = u;
    if (s->kind == STMT_IF) ir_walk(s->u.cond.cond, add_extern, x);
    if (s->kind == STMT_INTRIN)
        for (int i = 0; i < meaning_nargs(s->u.intrin.meaning); i++) ir_walk(s->u.intrin.arg[i], add_extern, x);
    if (s->kind == STMT_COMBINE) ir_walk(s->u.combine.at, add_extern, x);
    if (s->kind != STMT_STORE) return true;
    for (int i = 0; i < s->u.store.nidx; i++) ir_walk(s->u.store.idx[i], add_extern, x);
    ir_walk(s->u.store.value, add_extern, x);
    if (s->u.store.mask) ir_walk(s->u.store.mask, add_extern, x);
    return true;
}

void ir_externs_stmt(struct arena *a, const struct stmt *s, struct ext_list *out)
{
    ir_walk_stmt(s, add_externs, &(struct externs){a, out});
}
