/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_rows.c - instructions inside vector expressions: a row whose lanes are independent stands wherever a vector
 * expression is what the row means.
 *
 *     "C: i32[4], A: i32[4], B: i32[4] in 1..31", "C[i] = (A[i] + (1 << (B[i] - 1))) >> B[i]"
 *
 * Bind and prove: an operand is what stands in its place, met first where it stands bare; the row is right when its meaning,
 * built anew of what was bound, is the very expression (equal expressions are one node) and every operand keeps to its
 * range. All operands are computed, so a meaning that reads one in an arm of a select alone is not for expressions: what
 * stands there may be what must not be read. A vector is cut into as many as the row has lanes, but not where the target has
 * wider vectors. Nothing here knows of any instruction or rounding. */
#include "codegen/llvm_impl.h"
#include "ir/simplify.h"
#include "targets/recipe.h"

struct match {
    struct ir_ctx *c;
    const struct meaning *m;
    const struct expr *at[MEANING_MAX_OPERANDS];        /* bound to an operand; NULL: not yet */
};

/* Is t read in e whatever the selects choose? */
static bool always_read(const struct expr *e, const struct tensor *t)
{
    if (e->op == OP_READ) return e->val.tensor == t;
    for (int i = 0; i < (e->op == OP_SELECT ? 1 : e->nkid); i++)
        if (always_read(e->kid[i], t)) return true;
    return false;
}

static bool same_lane_by_lane(const struct meaning *m)
{
    bool plain = meaning_is_plain(m) && !m->accumulate && m->naxes == 1 && m->nout == 1;
    for (int k = 0; plain && k < m->nop; k++) plain = m->op[k]->ndim == 1 && (k == 0 || always_read(m->body, m->op[k]));
    return plain;
}

/* Bits of its longest operand. */
static int widest(const struct meaning *m)
{
    int bits = 0;
    for (int k = 0; k < m->nop; k++) {
        int n = (int)m->op[k]->shape[0] * dtype_info[m->op[k]->dt].bits;
        if (n > bits) bits = n;
    }
    return bits;
}

static bool from_memory(const struct recipe *r)
{
    if (r->kind == RCP_PART) return true;
    for (int i = 0; i < r->nkid; i++)
        if (from_memory(r->kid[i])) return true;
    return false;
}

static int operand_of(const struct meaning *m, const struct expr *e)
{
    for (int k = 1; e->op == OP_READ && k < m->nop; k++)
        if (m->op[k] == e->val.tensor) return k;
    return 0;
}

static const struct expr *bound_operand(struct ir_ctx *c, const struct expr *e, void *u)
{
    const struct match *t = u;
    (void)c;
    int k = operand_of(t->m, e);
    return k ? t->at[k] : NULL;
}

static bool all_bound(const struct match *t, const struct expr *want)
{
    int k = operand_of(t->m, want);
    if (k) return t->at[k] != NULL;
    for_kids(want, i) if (!all_bound(t, want->kid[i])) return false;
    return true;
}

/* Is `have` what `want` is of the operands bound? */
static bool proved(struct match *t, const struct expr *want, const struct expr *have)
{
    const struct expr *built = ir_rewrite(t->c, want, bound_operand, t);
    if (built->type.lanes == 1) built = ir_bcast(t->c, built, have->type.lanes);
    return built == have || ir_simplify(t->c, built, NULL) == ir_simplify(t->c, have, NULL);
}

static bool bind_operand(struct match *t, int k, const struct expr *have)
{
    const struct tensor *x = t->m->op[k];
    if (t->at[k]) return t->at[k] == have;
    if (have->type.dt != x->dt) return false;
    struct range r = ir_bounds(have, NULL);
    if (x->range_declared && (r.lo < x->range.lo || r.hi > x->range.hi)) return false;
    t->at[k] = have;
    return true;
}

/* A converted number was converted when it was built. */
static bool bind_number(struct match *t, const struct expr *want, const struct expr *have)
{
    const struct expr *number = have->op == OP_BCAST ? have->kid[0] : have;
    int k = want->op == OP_CAST ? operand_of(t->m, want->kid[0]) : 0;
    if (!k || number->op != OP_INT || !dt_is_int(t->m->op[k]->dt)) return false;
    if (!dt_holds(t->m->op[k]->dt, (struct range){number->val.i, number->val.i})) return false;
    const struct expr *plain = ir_int(t->c, type_of(t->m->op[k]->dt), number->val.i);
    return bind_operand(t, k, ir_bcast(t->c, plain, have->type.lanes));
}

static bool unify(struct match *t, const struct expr *want, const struct expr *have);

/* `swapped`: kid i is the other one's; bare operands first, then from the `last` kid on or from the first: what one kid binds
 * may be what the other is proved with. */
static bool unify_kids(struct match *t, const struct expr *want, const struct expr *have, bool swapped, bool last)
{
    int n = want->nkid;
    for (int bare = 1; bare >= 0; bare--)
        for (int j = 0; j < n; j++) {
            int i = last ? n - 1 - j : j;
            if ((operand_of(t->m, want->kid[i]) != 0) == bare && !unify(t, want->kid[i], have->kid[swapped ? 1 - i : i])) return false;
        }
    return true;
}

static bool unify(struct match *t, const struct expr *want, const struct expr *have)
{
    int k = operand_of(t->m, want);
    if (k) return bind_operand(t, k, have);
    if (have->type.dt != want->type.dt) return false;
    if (all_bound(t, want)) return proved(t, want, have);
    if (want->op != have->op || want->nkid != have->nkid) return bind_number(t, want, have);
    const struct match before = *t;
    bool swaps = op_info[want->op].flags & OPF_COMM && want->kid[0]->type.dt != DT_F32; /* min(nan, 0) is not min(0, nan) */
    for (int way = 0; way < (swaps ? 4 : 2); way++) {
        if (unify_kids(t, want, have, way >> 1, way & 1)) return true;
        *t = before;
    }
    return false;
}

/* Vectors of equal length, one behind the other. */
static LLVMValueRef join(struct emit *m, LLVMValueRef *v, int n, int lanes)
{
    for (; n > 1; n = (n + 1) / 2, lanes *= 2)
        for (int i = 0; i < n; i += 2) {
            LLVMValueRef second = i + 1 < n ? v[i + 1] : LLVMGetPoison(LLVMTypeOf(v[i]));
            v[i / 2] = LLVMBuildShuffleVector(m->b, v[i], second, l_lanes(m, 0, 1, 2 * lanes, m->i32), "");
        }
    return v[0];
}

static LLVMValueRef emit_row(struct emit *m, const struct intrin *in, const struct match *t, int lanes)
{
    int n = (int)t->m->op[0]->shape[0], times = lanes / n;
    LLVMValueRef whole[MEANING_MAX_OPERANDS] = {0}, operand[MEANING_MAX_OPERANDS] = {0}, part[4 * MAX_LANES];
    for (int k = 1; k < t->m->nop; k++) whole[k] = emit_expr(m, t->at[k]);
    for (int i = 0; i < times; i++) {
        for (int k = 1; k < t->m->nop; k++) operand[k] = times == 1 ? whole[k] : l_slice(m, whole[k], i * n, n);
        part[i] = emit_recipe(m, in, operand);
        if (!part[i]) return LLVMGetPoison(l_vec(LLVMGetElementType(LLVMTypeOf(whole[1])), lanes)); /* the error is set */
    }
    LLVMValueRef v = join(m, part, times, n);
    return (int)LLVMGetVectorSize(LLVMTypeOf(v)) == lanes ? v : l_slice(m, v, 0, lanes);
}

LLVMValueRef emit_by_row(struct emit *m, const struct expr *e)
{
    for (int i = 0; e->type.lanes > 1 && i < m->target->nintrin; i++) {
        const struct intrin *in = &m->target->intrin[i];
        if (!same_lane_by_lane(in->meaning)) continue;
        struct match t = {.c = m->c, .m = in->meaning};
        const struct tensor *out = t.m->op[0];
        if (out->dt != e->type.dt || e->op != t.m->body->op || e->type.lanes % out->shape[0]) continue;
        if (out->shape[0] < e->type.lanes && widest(t.m) < m->target->vector_bits) continue;
        if (unify(&t, t.m->body, e) && !from_memory(in->recipe)) return emit_row(m, in, &t, e->type.lanes);
    }
    return NULL;
}
