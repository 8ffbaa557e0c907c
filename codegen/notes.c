/* SPDX-License-Identifier: Apache-2.0 */
/* notes.c - slow paths that codegen knows of. What is listed here is told to the caller and kept in the
 * artifact; README.md has the codes. A note is about what runs often enough to be wondered at, never a guess. */
#include "codegen/passes.h"

void note_add(struct note_list *l, const char *code, const char *place, const char *text)
{
    for (size_t i = 0; i < l->note.n; i++)
        if (!strcmp(l->note.at[i].code, code) && !strcmp(l->note.at[i].text, text)) return;
    VEC_PUSH(&l->c->arena, l->note, ((struct note){code, place, text}));
}

void lowered_notes(struct note_list *l, const struct lowered *from)
{
    for (int i = 0; i < from->nnote; i++) note_add(l, from->note[i].code, from->note[i].place, from->note[i].text);
}

bool notes_keep(const struct note_list *l, struct artifact *a, const struct target *version)
{
    for (size_t i = 0; i < l->note.n; i++) {
        struct note n = l->note.at[i];
        if (version) n.text = arena_printf(&l->c->arena, "for %s: %s", version->name, n.text);
        if (!artifact_note(a, &n))
            return err_set(&l->c->err, ERR_MEMORY, (struct span){0}, "no memory for the notes of %s", a->name);
    }
    return true;
}

/* ---- a lane at a time ---- */

struct seeing {
    struct note_list *l;
    const struct target *t;
    const char *place;          /* whose elements the statement computes */
    bool masked;
};

static void scalarised(const struct seeing *s, const char *what, const char *instead)
{
    note_add(s->l, "scalarised", s->place,
             arena_printf(&s->l->c->arena, "%s is done one lane at a time on %s: %s", what, s->t->name, instead));
}

static bool power_of_two(const struct expr *e)
{
    if (e->op == OP_BCAST) e = e->kid[0];
    return e->op == OP_INT && e->val.i > 0 && (e->val.i & (e->val.i - 1)) == 0;
}

static bool constant(const struct expr *e) { return e->op == OP_INT || (e->op == OP_BCAST && e->kid[0]->op == OP_INT); }

static void see_division(const struct seeing *s, const struct expr *e)
{
    const struct expr *by = e->kid[1];
    enum dtype dt = e->type.dt;
    if (dt == DT_F32 || power_of_two(by) || (constant(by) && dt_bytes(dt) < 8)) return;
    scalarised(s, arena_printf(&s->l->c->arena, "%s of %s in vectors for %s", e->op == OP_MOD ? "a remainder" : "a division",
                               dtype_info[dt].name, s->place),
               constant(by) ? "divide in 32 bits, or by a power of two" : "no vector instruction divides integers");
}

/* Lanes of 8 and 16 bits have masks of their own in AVX512BW, of 32 and 64 bits from AVX on. */
static bool masks(const struct target *t, enum dtype dt)
{
    return target_has(t, "avx512bw") || (dt_bytes(dt) >= 4 && target_has(t, "avx2"));
}

static void see_masked(const struct seeing *s, const struct buffer *b, const struct expr *at, const char *verb)
{
    if (at->op != OP_RAMP || !ir_is_int(at->kid[1], 1) || masks(s->t, b->dt)) return; /* others: gather, scatter */
    scalarised(s, arena_printf(&s->l->c->arena, "a masked vector of %s that %s %s", dtype_info[b->dt].name, verb, b->name),
               "split with tail=peel, or pad the axis, so that no lane is guarded");
}

static bool see_expr(const struct expr *e, void *u)
{
    const struct seeing *s = u;
    if (e->type.lanes == 1) return true;
    if (e->op == OP_EXTERN)
        scalarised(s, arena_printf(&s->l->c->arena, "the call of %s for %s", e->val.ext->name, s->place),
                   "a function of the host's takes one element");
    if (e->op == OP_DIV || e->op == OP_MOD) see_division(s, e);
    if (e->op == OP_LOAD && s->masked && !in_bounds(e->val.buffer, e->kid[0])) see_masked(s, e->val.buffer, e->kid[0], "reads");
    return true;
}

static bool see_store(const struct stmt *st, void *u)
{
    struct seeing *s = u;
    if (st->kind != STMT_STORE) return true;
    const struct expr *mask = st->u.store.mask;
    s->place = st->u.store.buffer->name;
    s->masked = false;
    for (int i = 0; i < st->u.store.nidx; i++) ir_walk(st->u.store.idx[i], see_expr, s);
    if (mask) ir_walk(mask, see_expr, s);
    s->masked = mask && mask->type.lanes > 1;
    if (s->masked) see_masked(s, st->u.store.buffer, st->u.store.idx[0], "writes");
    ir_walk(st->u.store.value, see_expr, s);
    return true;
}

void vector_notes(struct note_list *l, const struct func *f, const struct target *t)
{
    ir_walk_stmt(f->body, see_store, &(struct seeing){.l = l, .t = t});
}
