/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_mem.c - loads and stores.
 *
 *     index              unmasked                       under a mask (unless provably in bounds)
 *     scalar             one access                     a branch on "any lane" around it
 *     bcast(x)           one access, spread             the same
 *     ramp(x, 1)         one vector                     llvm.masked.load / store
 *     runs of lanes      a vector a run, shuffled       as other vectors
 *     other vectors      one access a lane              llvm.masked.gather / scatter (LLVM splits them)
 *
 * A mask that is known is no mask: only lanes that are on are read.
 * Runs of lanes: the index is lane 0's plus constants that cover a few runs of elements, in any order. So
 * interleaving, transposing and repeating are vector loads and shuffles.
 *
 * Buffers on the stack are read and written in pieces of one size, so that SROA can keep each piece in a
 * register whatever the width of the vectors that initialise or drain them. */
#include "codegen/llvm_impl.h"
#include "ir/simplify.h"

static int elem_bytes(const struct buffer *b) { return dt_bytes(b->dt); }

bool in_bounds(const struct buffer *b, const struct expr *at)
{
    struct range r = ir_bounds(at, NULL);
    return r.lo >= 0 && r.hi < buffer_elems(b);
}

struct safety { bool safe; };
static bool check_load(const struct expr *e, void *u)
{
    struct safety *s = u;
    if (e->op == OP_LOAD && !in_bounds(e->val.buffer, e->kid[0])) s->safe = false;
    if (e->op == OP_EXTERN) s->safe = false;
    return s->safe;
}

bool is_safe(const struct expr *e)
{
    struct safety s = {true};
    ir_walk(e, check_load, &s);
    return s.safe;
}

/* Alignment of element `at`, from that of element 0. */
static unsigned align_at(const struct binding *k, const struct buffer *b, const struct expr *at)
{
    int64_t size = elem_bytes(b), m, r;
    if (k->align <= size) return (unsigned)size;
    if (at->op == OP_INT) { m = 0; r = at->val.i; }
    else ir_modulus(at, &m, &r);
    uint64_t bits = ((uint64_t)m | (uint64_t)r) * (uint64_t)size | (uint64_t)k->align;
    return (unsigned)(bits & (0 - bits));
}

static LLVMValueRef address(struct emit *m, const struct buffer *b, LLVMValueRef at, bool inbounds)
{
    LLVMTypeRef t = l_mem_type(m, type_of(b->dt));
    LLVMValueRef p = binding_of(m, b)->value;
    return inbounds ? LLVMBuildInBoundsGEP2(m->b, t, p, &at, 1, "") : LLVMBuildGEP2(m->b, t, p, &at, 1, "");
}

LLVMValueRef address_of(struct emit *m, const struct buffer *b, const struct expr *at, unsigned *align)
{
    *align = align_at(binding_of(m, b), b, at);
    return address(m, b, emit_expr(m, at), true);
}

/* ---- side by side ---- */

static LLVMValueRef load_piece(struct emit *m, LLVMTypeRef t, LLVMValueRef p, unsigned align)
{
    LLVMValueRef v = LLVMBuildLoad2(m->b, t, p, "");
    LLVMSetAlignment(v, align);
    return v;
}

/* Lane i of what is stored lane by lane. LLVM 19 takes a byte out of two through a thread's stack on GPUs; of two 16-bit numbers
 * each is a part of a register. */
static LLVMValueRef lane_value(struct emit *m, LLVMValueRef v, int i)
{
    if (m->target->family->kind != TARGET_SIMT || LLVMTypeOf(v) != l_vec(m->i8, 2))
        return LLVMBuildExtractElement(m->b, v, l_idx(m, i), "");
    v = LLVMBuildZExt(m->b, v, l_vec(LLVMInt16TypeInContext(m->llvm), 2), "");
    return LLVMBuildTrunc(m->b, LLVMBuildExtractElement(m->b, v, l_idx(m, i), ""), m->i8, "");
}

static void store_piece(struct emit *m, LLVMValueRef v, LLVMValueRef p, unsigned align)
{
    LLVMSetAlignment(LLVMBuildStore(m->b, v, p), align);
}

static unsigned piece_align(unsigned align, int64_t offset)
{
    uint64_t bits = (uint64_t)offset | align;
    return (unsigned)(bits & (0 - bits));
}

/* Lanes of a piece when the vector has to be cut, else 0. GPUs access nothing across its alignment, which LLVM 19 heeds
 * of scalars alone. */
static int piece_lanes(const struct emit *m, const struct binding *k, const struct buffer *b, LLVMTypeRef t, unsigned align)
{
    int chunk = k->chunk;
    if (m->launch && b->scope != SCOPE_LOCAL) chunk = align < LAUNCH_ALIGN ? (int)align : LAUNCH_ALIGN;
    if (!chunk || LLVMGetTypeKind(t) != LLVMVectorTypeKind) return 0;
    int lanes = chunk / elem_bytes(b);
    while (m->launch && lanes > 1 && LLVMGetVectorSize(t) % (unsigned)lanes) lanes /= 2; /* three would be read as four */
    return lanes > 0 && (int)LLVMGetVectorSize(t) > lanes ? lanes : 0;
}

static LLVMValueRef piece_address(struct emit *m, const struct buffer *b, LLVMValueRef first, int lane)
{
    LLVMTypeRef t = l_mem_type(m, type_of(b->dt));
    LLVMValueRef n = l_idx(m, lane);
    return lane ? LLVMBuildInBoundsGEP2(m->b, t, first, &n, 1, "") : first;
}

LLVMValueRef load_run(struct emit *m, const struct buffer *b, const struct expr *at, LLVMTypeRef type)
{
    const struct binding k = *binding_of(m, b);
    LLVMValueRef p = address(m, b, emit_expr(m, at), true);
    unsigned align = align_at(&k, b, at);
    int step = piece_lanes(m, &k, b, type, align);
    if (!step) return load_piece(m, type, p, align);
    int n = (int)LLVMGetVectorSize(type);
    if (n == 2 * step && step * elem_bytes(b) == 8) { /* halves as 64-bit lanes: LLVM sees what they were cut from */
        LLVMValueRef low = load_piece(m, m->i64, p, align);
        LLVMValueRef high = load_piece(m, m->i64, piece_address(m, b, p, step), piece_align(align, 8));
        LLVMValueRef v = LLVMBuildInsertElement(m->b, LLVMGetPoison(l_vec(m->i64, 2)), low, l_idx(m, 0), "");
        return LLVMBuildBitCast(m->b, LLVMBuildInsertElement(m->b, v, high, l_idx(m, 1), ""), type, "");
    }
    LLVMValueRef all = LLVMGetPoison(type);
    LLVMValueRef *pick = ARENA_ARRAY(&m->c->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i += step) {
        int lanes = n - i < step ? n - i : step;
        LLVMTypeRef t = l_vec(LLVMGetElementType(type), lanes);
        LLVMValueRef v = load_piece(m, t, piece_address(m, b, p, i), piece_align(align, i * elem_bytes(b)));
        if (lanes == 1) v = LLVMBuildInsertElement(m->b, LLVMGetPoison(type), v, l_idx(m, i), "");
        else v = l_slice(m, v, -i, n);
        for (int l = 0; l < n; l++) pick[l] = l_const(m->i32, l >= i && l < i + lanes ? n + l : l);
        all = i ? LLVMBuildShuffleVector(m->b, all, v, LLVMConstVector(pick, (unsigned)n), "") : v;
    }
    return all;
}

void store_run(struct emit *m, const struct buffer *b, const struct expr *at, LLVMValueRef v)
{
    const struct binding k = *binding_of(m, b);
    LLVMValueRef p = address(m, b, emit_expr(m, at), true);
    LLVMTypeRef type = LLVMTypeOf(v);
    unsigned align = align_at(&k, b, at);
    int step = piece_lanes(m, &k, b, type, align);
    if (!step) {
        store_piece(m, v, p, align);
        return;
    }
    int n = (int)LLVMGetVectorSize(type);
    for (int i = 0; i < n; i += step) {
        int lanes = n - i < step ? n - i : step;
        LLVMValueRef part =
            lanes == 1 ? lane_value(m, v, i) : l_slice(m, v, i, lanes);
        store_piece(m, part, piece_address(m, b, p, i), piece_align(align, i * elem_bytes(b)));
    }
}

/* ---- one access a lane ---- */

struct lanes {
    const struct expr *at;
    LLVMValueRef base;          /* pointer to lane 0 of a ramp of constant step, or NULL */
    int64_t step;
    LLVMValueRef index;         /* else the vector of element numbers */
};

static struct lanes lanes_of(struct emit *m, const struct buffer *b, const struct expr *at)
{
    struct lanes k = {.at = at};
    if (at->op == OP_RAMP && at->kid[1]->op == OP_INT) {
        k.step = at->kid[1]->val.i;
        k.base = address(m, b, emit_uniform(m, at->kid[0]), false);
    } else {
        k.index = emit_expr(m, at);
    }
    return k;
}

static LLVMValueRef lane_address(struct emit *m, const struct buffer *b, const struct lanes *k, int lane)
{
    LLVMTypeRef t = l_mem_type(m, type_of(b->dt));
    if (!k->base) return address(m, b, LLVMBuildExtractElement(m->b, k->index, l_idx(m, lane), ""), true);
    LLVMValueRef n = l_idx(m, lane * k->step);
    return LLVMBuildGEP2(m->b, t, k->base, &n, 1, "");
}

/* The pointers of all lanes; those of lanes that are off may point anywhere. */
static LLVMValueRef lane_addresses(struct emit *m, const struct buffer *b, const struct lanes *k)
{
    LLVMTypeRef t = l_mem_type(m, type_of(b->dt));
    LLVMValueRef n = k->base ? l_lanes(m, 0, k->step, k->at->type.lanes, m->i64) : k->index;
    LLVMValueRef p = k->base ? k->base : binding_of(m, b)->value;
    return LLVMBuildGEP2(m->b, t, p, &n, 1, "");
}

static LLVMValueRef gather(struct emit *m, const struct expr *e, LLVMTypeRef type, LLVMValueRef mask)
{
    const struct buffer *b = e->val.buffer;
    struct lanes k = lanes_of(m, b, e->kid[0]);
    int n = e->type.lanes;
    if (mask) {
        LLVMValueRef p = lane_addresses(m, b, &k);
        LLVMTypeRef over[2] = {type, LLVMTypeOf(p)};
        LLVMValueRef arg[4] = {p, l_const(m->i32, elem_bytes(b)), mask, LLVMConstNull(type)};
        return l_call(m, "llvm.masked.gather", 2, over, 4, arg);
    }
    LLVMValueRef v = LLVMGetPoison(type);
    for (int i = 0; i < n; i++) {
        LLVMValueRef one =
            load_piece(m, LLVMGetElementType(type), lane_address(m, b, &k, i), (unsigned)elem_bytes(b));
        v = LLVMBuildInsertElement(m->b, v, one, l_idx(m, i), "");
    }
    return v;
}

static void scatter(struct emit *m, const struct buffer *b, const struct expr *at, LLVMValueRef v,
                    LLVMValueRef mask)
{
    struct lanes k = lanes_of(m, b, at);
    if (mask) {
        LLVMValueRef p = lane_addresses(m, b, &k);
        LLVMTypeRef over[2] = {LLVMTypeOf(v), LLVMTypeOf(p)};
        LLVMValueRef arg[4] = {v, p, l_const(m->i32, elem_bytes(b)), mask};
        l_call(m, "llvm.masked.scatter", 2, over, 4, arg);
        return;
    }
    for (int i = 0; i < at->type.lanes; i++)
        store_piece(m, lane_value(m, v, i), lane_address(m, b, &k, i), (unsigned)elem_bytes(b));
}

/* ---- runs of lanes ---- */

/* Which lanes a constant mask leaves on. */
static bool known_lanes(LLVMValueRef mask, int n, bool *on)
{
    for (int l = 0; l < n; l++) {
        LLVMValueRef one = LLVMIsConstant(mask) ? LLVMGetAggregateElement(mask, (unsigned)l) : NULL;
        if (!one || !LLVMIsAConstantInt(one)) return false;
        on[l] = LLVMConstIntGetZExtValue(one) != 0;
    }
    return true;
}

static LLVMValueRef load_runs(struct emit *m, const struct expr *e, LLVMTypeRef type, const struct run *run, int n,
                              const int *where)
{
    struct ir_ctx *c = m->c;
    const struct expr *zero = lane_of(c, e->kid[0], 0);
    LLVMValueRef v[MAX_RUNS], *pick = ARENA_ARRAY(&c->arena, LLVMValueRef, e->type.lanes);
    int longest = 0;
    for (int k = 0; k < n; k++) longest = run[k].n > longest ? run[k].n : longest;
    for (int k = 0; k < n; k++) {
        const struct expr *at = ir_simplify(c, ir_add(c, zero, ir_idx(c, run[k].first)), NULL);
        v[k] = load_run(m, e->val.buffer, at, l_vec(LLVMGetElementType(type), run[k].n));
        if (run[k].n == 1) { /* a scalar so far */
            LLVMTypeRef whole = LLVMVectorType(LLVMTypeOf(v[k]), (unsigned)longest);
            v[k] = LLVMBuildInsertElement(m->b, LLVMGetPoison(whole), v[k], l_idx(m, 0), "");
        } else if (run[k].n < longest) {
            v[k] = l_slice(m, v[k], 0, longest);
        }
    }
    int lanes = longest;
    for (; n > 1; n = (n + 1) / 2, lanes *= 2) /* one after the other */
        for (int k = 0; k < n; k += 2)
            v[k / 2] = LLVMBuildShuffleVector(m->b, v[k], k + 1 < n ? v[k + 1] : LLVMGetPoison(LLVMTypeOf(v[k])),
                                              l_lanes(m, 0, 1, 2 * lanes, m->i32), "");
    for (int l = 0; l < e->type.lanes; l++) {
        int at = where[l] / MAX_LANES * longest + where[l] % MAX_LANES;
        pick[l] = where[l] < 0 ? LLVMGetPoison(m->i32) : l_const(m->i32, at);
    }
    LLVMValueRef order = LLVMConstVector(pick, e->type.lanes);
    return LLVMBuildShuffleVector(m->b, v[0], LLVMGetPoison(LLVMTypeOf(v[0])), order, "");
}

/* Lanes that are one 64-bit lane of v, as a number; NULL: they are not. */
static LLVMValueRef sixty_four(struct emit *m, const struct buffer *b, LLVMValueRef v, const LLVMValueRef *pick, int n)
{
    int lanes = (int)LLVMGetVectorSize(LLVMTypeOf(v)), first = (int)LLVMConstIntGetZExtValue(pick[0]);
    if (n * elem_bytes(b) != 8 || first % n || lanes % n || n == 1) return NULL;
    for (int i = 1; i < n; i++)
        if ((int)LLVMConstIntGetZExtValue(pick[i]) != first + i) return NULL;
    v = LLVMBuildBitCast(m->b, v, l_vec(m->i64, lanes / n), "");
    return lanes == n ? v : LLVMBuildExtractElement(m->b, v, l_idx(m, first / n), "");
}

/* false: two lanes write one element, the last of which must win. */
static bool store_runs(struct emit *m, const struct buffer *b, const struct expr *at, LLVMValueRef v,
                       const struct run *run, int n, const int *where)
{
    int total = 0;
    for (int k = 0; k < n; k++) total += run[k].n;
    if (total < at->type.lanes) return false;
    const struct expr *zero = lane_of(m->c, at, 0);
    for (int k = 0; k < n; k++) {
        LLVMValueRef *pick = ARENA_ARRAY(&m->c->arena, LLVMValueRef, run[k].n);
        for (int l = 0; l < at->type.lanes; l++)
            if (where[l] / MAX_LANES == k) pick[where[l] % MAX_LANES] = l_const(m->i32, l);
        LLVMValueRef part = run[k].n == 1 ? lane_value(m, v, (int)LLVMConstIntGetZExtValue(pick[0])) : sixty_four(m, b, v, pick, run[k].n);
        if (!part) part = LLVMBuildShuffleVector(m->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(pick, (unsigned)run[k].n), "");
        const struct expr *to = ir_simplify(m->c, ir_add(m->c, zero, ir_idx(m->c, run[k].first)), NULL);
        store_run(m, b, to, part);
    }
    return true;
}

/* ---- loads ---- */

static LLVMValueRef load_bits(struct emit *m, const struct expr *e)
{
    const struct buffer *b = e->val.buffer;
    const struct expr *at = e->kid[0];
    LLVMTypeRef type = l_mem_type(m, e->type);
    bool others = m->launch && b->scope == SCOPE_SHARED; /* another thread may be writing what lanes that are off would read */
    LLVMValueRef mask = m->mask && (others || !in_bounds(b, at)) ? m->mask : NULL;
    QJ_ASSERT(e->nkid == 1);
    if (e->type.lanes == 1) return load_run(m, b, at, type);
    if (at->op == OP_RAMP && ir_is_int(at->kid[1], 1) && !(mask && m->launch)) {
        if (!mask) return load_run(m, b, at->kid[0], type);
        LLVMValueRef p = address(m, b, emit_uniform(m, at->kid[0]), false);
        LLVMTypeRef over[2] = {type, LLVMTypeOf(p)};
        LLVMValueRef arg[4] = {p, l_const(m->i32, elem_bytes(b)), mask, LLVMConstNull(type)};
        return l_call(m, "llvm.masked.load", 2, over, 4, arg);
    }
    struct run run[MAX_RUNS];
    bool on[MAX_LANES];
    int where[MAX_LANES], n = 0;
    if (!mask || (e->type.lanes <= MAX_LANES && known_lanes(mask, e->type.lanes, on)))
        n = lane_runs(m->c, at, mask ? on : NULL, run, where);
    return n ? load_runs(m, e, type, run, n, where) : gather(m, e, type, mask);
}

LLVMValueRef emit_load(struct emit *m, const struct expr *e)
{
    const struct expr *at = e->kid[0];
    if (at->op == OP_BCAST) { /* one element for all lanes */
        const struct expr *one = ir_load(m->c, e->val.buffer, 1, &at->kid[0]);
        return l_splat(m, emit_uniform(m, one), e->type.lanes);
    }
    LLVMValueRef v = load_bits(m, e);
    if (e->type.dt != DT_BOOL) return v;
    return LLVMBuildICmp(m->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
}

/* ---- stores ---- */

static void store_masked(struct emit *m, const struct stmt *s, LLVMValueRef v)
{
    const struct buffer *b = s->u.store.buffer;
    const struct expr *at = s->u.store.idx[0];
    if (at->op != OP_RAMP || !ir_is_int(at->kid[1], 1) || m->launch) {
        scatter(m, b, at, v, m->mask);
        return;
    }
    LLVMValueRef p = address(m, b, emit_uniform(m, at->kid[0]), false);
    LLVMTypeRef over[2] = {LLVMTypeOf(v), LLVMTypeOf(p)};
    LLVMValueRef arg[4] = {v, p, l_const(m->i32, elem_bytes(b)), m->mask};
    l_call(m, "llvm.masked.store", 2, over, 4, arg);
}

static LLVMValueRef value_to_store(struct emit *m, const struct expr *e)
{
    LLVMValueRef v = emit_expr(m, e);
    return e->type.dt == DT_BOOL ? LLVMBuildZExt(m->b, v, l_mem_type(m, e->type), "") : v;
}

static void store_all(struct emit *m, const struct stmt *s)
{
    const struct expr *at = s->u.store.idx[0];
    LLVMValueRef v = value_to_store(m, s->u.store.value);
    if (at->type.lanes == 1) store_run(m, s->u.store.buffer, at, v);
    else if (at->op == OP_RAMP && ir_is_int(at->kid[1], 1)) store_run(m, s->u.store.buffer, at->kid[0], v);
    else {
        struct run run[MAX_RUNS];
        int where[MAX_LANES], n = lane_runs(m->c, at, NULL, run, where);
        if (!n || !store_runs(m, s->u.store.buffer, at, v, run, n, where)) scatter(m, s->u.store.buffer, at, v, NULL);
    }
}

void emit_store(struct emit *m, const struct stmt *s)
{
    QJ_ASSERT(s->u.store.nidx == 1 && !m->mask);
    size_t known = memo_mark(m);
    LLVMValueRef mask = s->u.store.mask ? emit_expr(m, s->u.store.mask) : NULL;
    if (!mask) {
        store_all(m, s);
    } else if (s->u.store.mask->type.lanes == 1) {
        LLVMBasicBlockRef then = l_block(m, "then"), done = l_block(m, "done");
        LLVMBuildCondBr(m->b, mask, then, done);
        l_at(m, then);
        store_all(m, s);
        LLVMBuildBr(m->b, done);
        l_at(m, done);
    } else {
        m->mask = mask;
        store_masked(m, s, value_to_store(m, s->u.store.value));
        m->mask = NULL;
    }
    memo_forget(m, known);
}
