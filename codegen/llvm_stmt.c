/* SPDX-License-Identifier: Apache-2.0 */
/* llvm_stmt.c - statements.
 *
 * A parallel loop becomes two internal functions,
 *
 *     static int  NAME.body0(captured..., int64_t begin, int64_t end);       the iterations, arguments noalias
 *     static void NAME.part0(void *ctx, int64_t begin, int64_t end);         unpacks ctx, calls the body
 *
 * and a call of the weak qjrt_parallel_for(part, ctx, n), or of the body for 0..n when nobody brought one.
 * Loops run at least once (extents are positive), but for the parts of parallel ones and those whose whole body is
 * guarded by `v < end`, end not changing: they run to the end. */
#include <llvm-c/DebugInfo.h>

#include "codegen/llvm_impl.h"

/* ---- loops ---- */

/* !loop = distinct !{!loop, !{!"llvm.loop.unroll.disable"}}: the schedule says what is unrolled. */
static void keep_rolled(struct emit *m, LLVMValueRef branch)
{
    static const char disable[] = "llvm.loop.unroll.disable";
    LLVMMetadataRef word = LLVMMDStringInContext2(m->llvm, disable, sizeof disable - 1);
    LLVMMetadataRef self = LLVMTemporaryMDNode(m->llvm, NULL, 0);
    LLVMMetadataRef pair[2] = {self, LLVMMDNodeInContext2(m->llvm, &word, 1)};
    LLVMMetadataRef loop = LLVMMDNodeInContext2(m->llvm, pair, 2);
    LLVMMetadataReplaceAllUsesWith(self, loop);
    LLVMSetMetadata(branch, m->loop_kind, LLVMMetadataAsValue(m->llvm, loop));
}

struct loop_blocks loop_open(struct emit *m, const char *name, LLVMValueRef from, LLVMValueRef to, bool maybe)
{
    LLVMBasicBlockRef before = LLVMGetInsertBlock(m->b);
    struct loop_blocks l = {.to = to, .body = l_block(m, arena_printf(&m->c->arena, "for.%s", name)),
                            .done = l_block(m, arena_printf(&m->c->arena, "done.%s", name))};
    if (maybe) LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntSLT, from, to, ""), l.body, l.done);
    else LLVMBuildBr(m->b, l.body);
    l_at(m, l.body);
    l.i = LLVMBuildPhi(m->b, m->i64, name);
    LLVMAddIncoming(l.i, &from, &before, 1);
    return l;
}

void loop_close(struct emit *m, struct loop_blocks *l)
{
    LLVMBasicBlockRef last = LLVMGetInsertBlock(m->b);
    LLVMValueRef next = LLVMBuildNSWAdd(m->b, l->i, l_idx(m, 1), "");
    LLVMAddIncoming(l->i, &next, &last, 1);
    keep_rolled(m, LLVMBuildCondBr(m->b, LLVMBuildICmp(m->b, LLVMIntSLT, next, l->to, ""), l->body, l->done));
    LLVMMoveBasicBlockAfter(l->done, last);
    l_at(m, l->done);
}

static bool see_change(const struct expr *e, void *u)
{
    if (e->op == OP_LOAD && (e->val.buffer->scope != SCOPE_ARG || e->val.buffer->written)) *(bool *)u = true;
    return true;
}

/* The body is `if (v < end) S` with an end that stays as it is while the loop runs: S, and *end. Else NULL. */
static const struct stmt *runs_until(const struct stmt *s, const struct expr **end)
{
    const struct stmt *b = s->u.loop.body;
    if (b->kind != STMT_IF || b->u.cond.cond->op != OP_LT) return NULL;
    const struct expr *x = b->u.cond.cond->kid[0], *e = b->u.cond.cond->kid[1];
    bool changes = false;
    ir_walk(e, see_change, &changes);
    if (x->op != OP_VAR || x->val.var != s->u.loop.var || ir_uses(e, s->u.loop.var) || changes) return NULL;
    *end = e;
    return b->u.cond.then;
}

static bool emit_for(struct emit *m, const struct stmt *s)
{
    const struct var *v = s->u.loop.var;
    size_t scope = m->frame->bind.n;
    const struct expr *end;
    const struct stmt *body = runs_until(s, &end);
    LLVMValueRef to = l_idx(m, v->extent);
    if (body) {
        size_t known = memo_mark(m);
        LLVMValueRef e = emit_expr(m, end);
        to = LLVMBuildSelect(m->b, LLVMBuildICmp(m->b, LLVMIntSLT, e, to, ""), e, to, "");
        memo_forget(m, known);
    }
    struct loop_blocks l = loop_open(m, v->name, l_idx(m, 0), to, body != NULL);
    bind(m, (struct binding){v, l.i, 0, 0});
    bool ok = emit_stmt(m, body ? body : s->u.loop.body);
    m->frame->bind.n = scope;
    loop_close(m, &l);
    return ok;
}

static bool emit_if(struct emit *m, const struct stmt *s)
{
    size_t known = memo_mark(m);
    LLVMValueRef cond = emit_expr(m, s->u.cond.cond);
    memo_forget(m, known);
    LLVMBasicBlockRef then = l_block(m, "then"), done = l_block(m, "done");
    LLVMBuildCondBr(m->b, cond, then, done);
    l_at(m, then);
    bool ok = emit_stmt(m, s->u.cond.then);
    LLVMBasicBlockRef last = LLVMGetInsertBlock(m->b);
    LLVMBuildBr(m->b, done);
    LLVMMoveBasicBlockAfter(done, last);
    l_at(m, done);
    return ok;
}

/* ---- allocations ---- */

/* The width of what the buffer is accessed by: instructions, and vectors that are stored in parts. */
struct widths { struct ir_ctx *c; const struct buffer *b; int bytes; };
static bool narrowest(const struct stmt *s, void *u)
{
    struct widths *w = u;
    if (s->kind == STMT_STORE && s->u.store.buffer == w->b && s->u.store.idx[0]->type.lanes > 1 &&
        s->u.store.idx[0]->op != OP_RAMP) {
        struct run run[MAX_RUNS];
        int where[MAX_LANES], n = lane_runs(w->c, s->u.store.idx[0], NULL, run, where);
        for (int i = 0; i < n; i++) {
            int bytes = run[i].n * dt_bytes(w->b->dt);
            if (bytes >= 8 && bytes < w->bytes) w->bytes = bytes;
        }
    }
    for (int i = 0; s->kind == STMT_INTRIN && i < s->u.intrin.meaning->nop; i++) {
        const struct tensor *t = s->u.intrin.meaning->op[i];
        int64_t bytes = dt_bytes(t->dt);
        if (s->u.intrin.arg[i]->val.buffer != w->b) continue;
        for (int d = 0; d < t->ndim; d++) bytes *= t->shape[d];
        if (bytes >= 8 && bytes < w->bytes) w->bytes = (int)bytes;
    }
    return true;
}

/* One alloca a buffer, however often unrolling copied its block. */
static LLVMValueRef stack_room(struct emit *m, const struct buffer *b)
{
    for (size_t i = 0; i < m->frame->on_stack.n; i++)
        if (m->frame->on_stack.at[i].key == b) return m->frame->on_stack.at[i].value;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
    LLVMTypeRef t = LLVMArrayType2(l_mem_type(m, type_of(b->dt)), (uint64_t)buffer_elems(b));
    l_at(m, m->frame->entry);
    LLVMValueRef p = LLVMBuildAlloca(m->b, t, b->name);
    LLVMSetAlignment(p, STORAGE_ALIGN);
    l_at(m, here);
    VEC_PUSH(&m->c->arena, m->frame->on_stack, ((struct binding){b, p, STORAGE_ALIGN, 0}));
    return p;
}

static bool emit_alloc(struct emit *m, const struct stmt *s)
{
    const struct buffer *b = s->u.alloc.buffer;
    struct place at = {.stack = b->scope == SCOPE_LOCAL};
    if (!m->launch) at = m->storage.alloc.at[m->next_alloc++];
    struct binding k = {b, NULL, STORAGE_ALIGN, 0};
    size_t scope = m->frame->bind.n;
    if (at.stack) {
        struct widths w = {m->c, b, m->target->vector_bits / 8};
        ir_walk_stmt(s->u.alloc.body, narrowest, &w);
        k.value = stack_room(m, b);
        k.chunk = w.bytes;
    } else if (m->launch) {
        k.value = shared_room(m, b);
        k.align = LAUNCH_ALIGN;
    } else {
        LLVMValueRef offset = l_idx(m, at.offset);
        k.value = LLVMBuildInBoundsGEP2(m->b, m->i8, m->frame->workspace, &offset, 1, b->name);
    }
    bind(m, k);
    bool ok = emit_stmt(m, s->u.alloc.body);
    m->frame->bind.n = scope;
    return ok;
}

/* ---- parallel loops ---- */

struct capture {
    struct emit *m;
    VEC(struct binding) use;
};

static void capture_key(struct capture *k, const void *key)
{
    for (size_t i = 0; i < k->use.n; i++)
        if (k->use.at[i].key == key) return;
    for (size_t i = k->m->frame->bind.n; i-- > 0;) {
        if (k->m->frame->bind.at[i].key != key) continue;
        VEC_PUSH(&k->m->c->arena, k->use, k->m->frame->bind.at[i]);
        return;
    } /* bound inside the loop */
}

static bool capture_expr(const struct expr *e, void *u)
{
    if (e->op == OP_VAR) capture_key(u, e->val.var);
    if (e->op == OP_LOAD) capture_key(u, e->val.buffer);
    return true;
}

static bool capture_stmt(const struct stmt *s, void *u)
{
    if (s->kind == STMT_STORE) {
        capture_key(u, s->u.store.buffer);
        for (int i = 0; i < s->u.store.nidx; i++) ir_walk(s->u.store.idx[i], capture_expr, u);
        ir_walk(s->u.store.value, capture_expr, u);
        if (s->u.store.mask) ir_walk(s->u.store.mask, capture_expr, u);
    }
    if (s->kind == STMT_IF) ir_walk(s->u.cond.cond, capture_expr, u);
    for (int i = 0; s->kind == STMT_INTRIN && i < meaning_nargs(s->u.intrin.meaning); i++)
        ir_walk(s->u.intrin.arg[i], capture_expr, u);
    return true;
}

/* The iterations [begin, end): begin and end are the parameters after the captured ones. */
static bool fill_body(struct emit *m, LLVMValueRef fn, const struct stmt *s, const struct capture *k,
                      struct slice slice)
{
    struct frame *outer = m->frame, in = {.fn = fn, .parallel = true};
    unsigned n = (unsigned)k->use.n;
    m->frame = &in;
    in.entry = l_block(m, "entry");
    in.start = l_block(m, "start");
    for (unsigned i = 0; i < n; i++) {
        struct binding b = k->use.at[i];
        b.value = LLVMGetParam(fn, i);
        if (LLVMTypeOf(b.value) == m->ptr) {
            set_attr(m, fn, i + 1, "noalias", 0);
            set_attr(m, fn, i + 1, "nonnull", 0);
            set_attr(m, fn, i + 1, "align", (uint64_t)b.align);
            b.chunk = 0;
        }
        bind(m, b);
    }
    l_at(m, in.start);
    const struct var *v = s->u.loop.var;
    if (slice.stride) { /* all iterations of a part use its first one's slice, which stays in the caches */
        LLVMValueRef at = LLVMBuildNSWMul(m->b, LLVMGetParam(fn, n + 1), l_idx(m, slice.stride), "");
        at = LLVMBuildNSWAdd(m->b, at, l_idx(m, slice.offset), "");
        in.workspace = LLVMBuildInBoundsGEP2(m->b, m->i8, LLVMGetParam(fn, n), &at, 1, "");
    }
    struct loop_blocks l = loop_open(m, v->name, LLVMGetParam(fn, n + 1), LLVMGetParam(fn, n + 2), true);
    bind(m, (struct binding){v, l.i, 0, 0});
    bool ok = emit_stmt(m, s->u.loop.body);
    loop_close(m, &l);
    LLVMBuildRetVoid(m->b);
    l_at(m, in.entry);
    LLVMBuildBr(m->b, in.start);
    m->frame = outer;
    return ok;
}

static LLVMValueRef ctx_slot(struct emit *m, LLVMValueRef ctx, unsigned i)
{
    LLVMValueRef at = l_idx(m, i);
    return LLVMBuildInBoundsGEP2(m->b, m->i64, ctx, &at, 1, "");
}

static LLVMValueRef internal_fn(struct emit *m, const char *what, LLVMTypeRef type)
{
    LLVMValueRef fn =
        LLVMAddFunction(m->module, arena_printf(&m->c->arena, "%s.%s%d", m->name, what, m->nbody), type);
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    set_fn_attrs(m, fn);
    return fn;
}

/* Takes the captured values out of ctx and runs the body. */
static LLVMValueRef make_part(struct emit *m, LLVMValueRef body, unsigned n)
{
    LLVMTypeRef three[3] = {m->ptr, m->i64, m->i64}, type = LLVMGlobalGetValueType(body);
    LLVMValueRef fn = internal_fn(m, "part", LLVMFunctionType(m->nothing, three, 3, 0));
    LLVMTypeRef *param = ARENA_ARRAY(&m->c->arena, LLVMTypeRef, n + 2);
    LLVMValueRef *arg = ARENA_ARRAY(&m->c->arena, LLVMValueRef, n + 2);
    LLVMGetParamTypes(type, param);
    l_at(m, LLVMAppendBasicBlockInContext(m->llvm, fn, "entry"));
    for (unsigned i = 0; i < n; i++)
        arg[i] = LLVMBuildLoad2(m->b, param[i], ctx_slot(m, LLVMGetParam(fn, 0), i), "");
    arg[n] = LLVMGetParam(fn, 1);
    arg[n + 1] = LLVMGetParam(fn, 2);
    LLVMBuildCall2(m->b, type, body, arg, n + 2, "");
    LLVMBuildRetVoid(m->b);
    return fn;
}

static LLVMValueRef parallel_for(struct emit *m)
{
    static const char name[] = "qjrt_parallel_for";
    LLVMValueRef fn = LLVMGetNamedFunction(m->module, name);
    LLVMTypeRef three[3] = {m->ptr, m->ptr, m->i64};
    if (fn) return fn;
    fn = LLVMAddFunction(m->module, name, LLVMFunctionType(m->i32, three, 3, 0));
    LLVMSetLinkage(fn, LLVMExternalWeakLinkage);
    return fn;
}

/* The call: with the pool when there is one, else here. A failing pool is the kernel's failure. */
static void run_parts(struct emit *m, LLVMValueRef body, LLVMValueRef part, LLVMValueRef *arg, unsigned n,
                      int64_t extent)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
    LLVMBasicBlockRef pool = l_block(m, "pool"), alone = l_block(m, "alone"), fail = l_block(m, "fail"),
                      done = l_block(m, "done");
    l_at(m, m->frame->entry);
    LLVMValueRef ctx = LLVMBuildAlloca(m->b, LLVMArrayType2(m->i64, n ? n : 1), "ctx");
    l_at(m, here);
    LLVMValueRef weak = parallel_for(m), three[3] = {part, ctx, l_idx(m, extent)};
    LLVMBuildCondBr(m->b, LLVMBuildIsNotNull(m->b, weak, ""), pool, alone);
    l_at(m, pool);
    for (unsigned i = 0; i < n; i++) LLVMBuildStore(m->b, arg[i], ctx_slot(m, ctx, i));
    LLVMValueRef rc = LLVMBuildCall2(m->b, LLVMGlobalGetValueType(weak), weak, three, 3, "");
    LLVMBuildCondBr(m->b, LLVMBuildIsNull(m->b, rc, ""), done, fail);
    l_at(m, fail);
    LLVMBuildRet(m->b, rc);
    l_at(m, alone);
    arg[n] = l_idx(m, 0);
    arg[n + 1] = l_idx(m, extent);
    LLVMBuildCall2(m->b, LLVMGlobalGetValueType(body), body, arg, n + 2, "");
    LLVMBuildBr(m->b, done);
    l_at(m, done);
}

static bool emit_parallel(struct emit *m, const struct stmt *s)
{
    struct slice slice = m->storage.parallel.at[m->next_parallel++];
    struct capture k = {.m = m};
    ir_walk_stmt(s->u.loop.body, capture_stmt, &k);
    unsigned n = (unsigned)k.use.n;
    LLVMTypeRef *param = ARENA_ARRAY(&m->c->arena, LLVMTypeRef, n + 3);
    LLVMValueRef *arg = ARENA_ARRAY(&m->c->arena, LLVMValueRef, n + 3);
    for (unsigned i = 0; i < n; i++) {
        param[i] = LLVMTypeOf(k.use.at[i].value);
        arg[i] = k.use.at[i].value;
    }
    param[n] = m->ptr;  /* the workspace comes after what is captured */
    arg[n] = m->frame->workspace ? m->frame->workspace : LLVMConstNull(m->ptr);
    param[n + 1] = param[n + 2] = m->i64;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(m->b);
    LLVMValueRef body = internal_fn(m, "body", LLVMFunctionType(m->nothing, param, n + 3, 0));
    QJ_ASSERT(m->memo.n == 0); /* values known here are not values there */
    LLVMValueRef part = make_part(m, body, n + 1);
    m->nbody++;
    bool ok = fill_body(m, body, s, &k, slice);
    l_at(m, here);
    run_parts(m, body, part, arg, n + 1, s->u.loop.var->extent);
    return ok;
}

/* ---- the switch ---- */

bool emit_stmt(struct emit *m, const struct stmt *s)
{
    arena_poll(&m->c->arena);
    switch (s->kind) {
    case STMT_FOR:
        if (m->launch && s->u.loop.how >= LOOP_BLOCK_X && s->u.loop.how <= LOOP_THREAD_Z) return emit_bound(m, s);
        return s->u.loop.how == LOOP_PARALLEL && !m->frame->parallel ? emit_parallel(m, s) : emit_for(m, s);
    case STMT_STORE:
        if (s->u.store.buffer->async) emit_async_copy(m, s);
        else emit_store(m, s);
        return true;
    case STMT_IF: return emit_if(m, s);
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n; i++)
            if (!emit_stmt(m, s->u.seq.at[i])) return false;
        return true;
    case STMT_ALLOC: return emit_alloc(m, s);
    case STMT_INTRIN: return emit_intrin(m, s);
    case STMT_SYNC:
        if (m->launch) emit_sync(m, s); /* on a CPU all is in order anyway */
        return true;
    case STMT_COMBINE: emit_combine(m, s); return true;
    }
    return true;
}
