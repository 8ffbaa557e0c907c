/* SPDX-License-Identifier: Apache-2.0 */
/* bytecode.c - compiles expressions to register code. Contract in bytecode.h. */
#include "ir/bytecode.h"

#include <math.h>

enum { MAX_INS = 1 << 22, FIRST_MEMO = 32 };

void bc_init(struct bc *b, struct ir_ctx *c, struct arena *a, struct bc_mem *mem, int nmem)
{
    memset(b, 0, sizeof *b);
    b->c = c;
    b->arena = a;
    b->mem = mem;
    b->nmem = nmem;
    b->acc = b->lane = -1;
    b->memo_cap = FIRST_MEMO;
    b->memo = ARENA_ARRAY(a, struct bc_memo_row, FIRST_MEMO);
}

int bc_reg(struct bc *b, union value v)
{
    VEC_PUSH(b->arena, b->reg, v);
    return (int)b->reg.n - 1;
}

static int int_reg(struct bc *b, int64_t v) { return bc_reg(b, (union value){.i = v}); }

int bc_emit(struct bc *b, struct bc_ins i)
{
    if (b->ins.n >= MAX_INS && !b->failed) {
        b->failed = true;
        if (b->c) err_set(&b->c->err, ERR_TOO_LARGE, (struct span){0},
                          "an expression needs more than %d instructions to evaluate", MAX_INS);
    }
    if (!b->failed) VEC_PUSH(b->arena, b->ins, i);
    return (int)b->ins.n - 1;
}

static int op3(struct bc *b, enum bc_op op, int a, int k)
{
    int d = int_reg(b, 0);
    bc_emit(b, (struct bc_ins){.op = (uint8_t)op, .d = d, .a = a, .b = k});
    return d;
}

int bc_find(struct bc *b, const void *key, const char *name)
{
    for (int i = 0; i < b->nmem; i++)
        if (b->mem[i].key == key) return i;
    if (!b->failed && b->c)
        err_set(&b->c->err, ERR_UNKNOWN_NAME, (struct span){0}, "%s is read or written where it is not defined", name);
    b->failed = true;
    return 0;
}

/* ---- what is known: node -> register ---- */

static struct bc_memo_row *memo_at(const struct bc *b, const struct expr *e)
{
    uint32_t at = (e->id * 2654435761u) & (b->memo_cap - 1);
    while (b->memo[at].e && b->memo[at].e != e) at = (at + 1) & (b->memo_cap - 1);
    return &b->memo[at];
}

static void memo_put(struct bc *b, const struct expr *e, int reg)
{
    if ((b->memo_log.n + 1) * 2 > b->memo_cap) {
        struct bc_memo_row *old = b->memo;
        b->memo_cap *= 2;
        b->memo = ARENA_ARRAY(b->arena, struct bc_memo_row, b->memo_cap);
        for (size_t i = 0; i < b->memo_log.n; i++) {    /* again in order of coming, so that undoing works */
            struct bc_memo_row *row = memo_at(b, old[b->memo_log.at[i]].e);
            *row = old[b->memo_log.at[i]];
            b->memo_log.at[i] = (uint32_t)(row - b->memo);
        }
    }
    struct bc_memo_row *row = memo_at(b, e);
    *row = (struct bc_memo_row){e, reg};
    VEC_PUSH(b->arena, b->memo_log, (uint32_t)(row - b->memo));
}

uint32_t bc_mark(const struct bc *b) { return (uint32_t)b->memo_log.n; }

/* The newest entry can be cleared without breaking a probe chain: older ones were placed without it. */
void bc_forget(struct bc *b, uint32_t mark)
{
    while (b->memo_log.n > mark) b->memo[b->memo_log.at[--b->memo_log.n]].e = NULL;
}

/* ---- i64 expressions affine in the axes ---- */

static const int64_t AFFINE_MAX = INT64_C(1) << 61;

/* Fills lo and hi from the coefficients; false when they leave room for no step between points. */
static bool cursor_span(const struct bc *b, struct bc_cursor *f)
{
    f->lo = f->hi = f->base;
    for (int i = 0; i < b->naxis; i++) {
        int64_t far;
        if (!f->coef[i]) continue;
        if (!ck_mul(f->coef[i], b->axis[i].extent - 1, &far)) return false;
        if (!ck_add(f->lo, i64_min(far, 0), &f->lo) || !ck_add(f->hi, i64_max(far, 0), &f->hi)) return false;
    }
    return f->lo >= -AFFINE_MAX && f->hi <= AFFINE_MAX;
}

/* f += k * g */
static bool cursor_add(const struct bc *b, struct bc_cursor *f, const struct bc_cursor *g, int64_t k)
{
    int64_t t;
    if (!ck_mul(g->base, k, &t) || !ck_add(f->base, t, &f->base)) return false;
    for (int i = 0; i < b->naxis; i++)
        if (!ck_mul(g->coef[i], k, &t) || !ck_add(f->coef[i], t, &f->coef[i])) return false;
    return cursor_span(b, f);
}

/* Every node's own value is within i64 for all axes, so nothing is hidden that would overflow. */
static bool affine(const struct bc *b, const struct expr *e, struct bc_cursor *out)
{
    struct bc_cursor g;
    *out = (struct bc_cursor){.reg = -1};
    if (e->type.dt != DT_I64 || e->type.lanes != 1) return false;
    if (e->op == OP_INT) {
        out->base = out->lo = out->hi = e->val.i;
        return true;
    }
    if (e->op == OP_VAR) {
        for (int i = 0; i < b->naxis; i++)
            if (b->axis[i].var == e->val.var) {
                out->coef[i] = b->axis[i].extent > 1;    /* an axis of one point is 0 */
                return cursor_span(b, out);
            }
        return false;
    }
    if (e->op == OP_ADD || e->op == OP_SUB)
        return affine(b, e->kid[0], out) && affine(b, e->kid[1], &g) && cursor_add(b, out, &g, e->op == OP_ADD ? 1 : -1);
    if (e->op == OP_MUL && e->kid[1]->op == OP_INT)
        return affine(b, e->kid[0], &g) && cursor_add(b, out, &g, e->kid[1]->val.i);
    return false;
}

static int cursor_reg(struct bc *b, struct bc_cursor *f)
{
    bool constant = true;
    for (int i = 0; i < b->naxis; i++) constant &= f->coef[i] == 0;
    if (constant) return int_reg(b, f->base);
    for (size_t i = 0; i < b->cursor.n; i++) {
        const struct bc_cursor *have = &b->cursor.at[i];
        if (have->base == f->base && !memcmp(have->coef, f->coef, sizeof f->coef)) return have->reg;
    }
    f->reg = int_reg(b, 0);
    VEC_PUSH(b->arena, b->cursor, *f);
    return f->reg;
}

/* ---- memory ---- */

int bc_address(struct bc *b, int mem, int nidx, const struct expr *const *idx)
{
    const struct bc_mem *m = &b->mem[mem];
    bool flat = nidx != m->ndim;    /* one index over all elements */
    struct bc_cursor total = {.reg = -1}, f;
    int64_t stride = 1;
    VEC(struct bc_ins) checks = {0};
    QJ_ASSERT(!flat || nidx == 1);
    for (int i = nidx - 1; i >= 0; i--) {
        int64_t extent = flat ? m->elems : m->shape[i];
        struct bc_cursor sum = total;
        if (affine(b, idx[i], &f) && f.lo >= 0 && f.hi < extent && cursor_add(b, &sum, &f, stride)) {
            total = sum;
        } else {
            VEC_PUSH(b->arena, b->dim, ((struct bc_dim){mem, flat ? -1 : i, extent, stride}));
            int x = (int)b->dim.n - 1;
            VEC_PUSH(b->arena, checks, ((struct bc_ins){.op = BC_DIM, .b = bc_expr(b, idx[i]), .x = x}));
        }
        stride = stride * extent + (i && m->gap ? m->gap[i - 1] : 0);
    }
    int reg = cursor_reg(b, &total);
    for (size_t i = checks.n; i-- > 0;) {
        checks.at[i].a = reg;
        checks.at[i].d = reg = int_reg(b, 0);
        bc_emit(b, checks.at[i]);
    }
    return reg;
}

static enum bc_op load_op(enum dtype d)
{
    switch (d) {
    case DT_BOOL: return BC_LOADBOOL;
    case DT_I8: return BC_LOAD8;
    case DT_U8: return BC_LOADU8;
    case DT_I16: return BC_LOAD16;
    case DT_U16: return BC_LOADU16;
    case DT_I32: return BC_LOAD32;
    case DT_I64: return BC_LOAD64;
    case DT_F32: return BC_LOADF32;
    case DT_COUNT: break;
    }
    QJ_ASSERT(!"unknown type");
    return BC_END;
}

static int load(struct bc *b, int mem, int nidx, const struct expr *const *idx)
{
    if (b->failed) return 0;
    int at = bc_address(b, mem, nidx, idx), d = int_reg(b, 0);
    const struct bc_mem *m = &b->mem[mem];
    if (m->check && !m->far) bc_emit(b, (struct bc_ins){.op = BC_NEED, .a = at, .x = mem});
    if (m->watched) bc_emit(b, (struct bc_ins){.op = BC_TOUCH, .a = at, .x = mem});
    bc_emit(b, (struct bc_ins){.op = (uint8_t)(m->far ? BC_FAR : load_op(m->dt)), .d = d, .a = at, .x = mem});
    return d;
}

/* ---- operations ---- */

/* The instruction of an operation on two values of type d; BC_INT for what has none of its own. */
static enum bc_op bin_op(enum op op, enum dtype d)
{
    bool f = d == DT_F32, w32 = d == DT_I32, w64 = d == DT_I64;
    switch ((int)op) {
    case OP_ADD: return f ? BC_FADD : w32 ? BC_ADD32 : w64 ? BC_ADD64 : BC_INT;
    case OP_SUB: return f ? BC_FSUB : w32 ? BC_SUB32 : w64 ? BC_SUB64 : BC_INT;
    case OP_MUL: return f ? BC_FMUL : w32 ? BC_MUL32 : w64 ? BC_MUL64 : BC_INT;
    case OP_MIN: return f ? BC_FMIN : BC_MIN;
    case OP_MAX: return f ? BC_FMAX : BC_MAX;
    case OP_AND: return BC_AND;
    case OP_OR: return BC_OR;
    case OP_XOR: return BC_XOR;
    case OP_EQ: return f ? BC_FEQ : BC_EQ;
    case OP_NE: return f ? BC_FNE : BC_NE;
    case OP_LT: return f ? BC_FLT : BC_LT;
    case OP_LE: return f ? BC_FLE : BC_LE;
    case OP_DIV: return f ? BC_FDIV : BC_INT;
    default: return BC_INT;
    }
}

static struct bc_ins bin(enum op op, enum dtype dt, int d, int a, int k)
{
    return (struct bc_ins){.op = (uint8_t)bin_op(op, dt), .sub = (uint8_t)op, .dt = (uint8_t)dt, .d = d, .a = a, .b = k};
}

static int emit_bin(struct bc *b, enum op op, enum dtype dt, int a, int k)
{
    int d = int_reg(b, 0);
    bc_emit(b, bin(op, dt, d, a, k));
    return d;
}

static int convert(struct bc *b, enum bc_op op, enum dtype to, int a)
{
    int d = int_reg(b, 0);
    bc_emit(b, (struct bc_ins){.op = (uint8_t)op, .dt = (uint8_t)to, .d = d, .a = a});
    return d;
}

static int cast(struct bc *b, const struct expr *e)
{
    enum dtype from = e->kid[0]->type.dt, to = e->type.dt;
    int a = bc_expr(b, e->kid[0]);
    if (from == to) return a;
    if (from == DT_F32) return convert(b, BC_FTOI, to, a);
    if (to == DT_F32) return convert(b, BC_ITOF, to, a);
    bool holds = dtype_info[from].lo >= dtype_info[to].lo && dtype_info[from].hi <= dtype_info[to].hi;
    return holds ? a : convert(b, e->op == OP_SAT ? BC_CLAMP : BC_WRAP, to, a);
}

/* Each arm is code of its own: what it computes is not known after it. */
static int select_arms(struct bc *b, const struct expr *e)
{
    int d = int_reg(b, 0), cond = bc_expr(b, e->kid[0]);
    int to_else = bc_emit(b, (struct bc_ins){.op = BC_JZ, .b = cond});
    uint32_t mark = bc_mark(b);
    bc_emit(b, (struct bc_ins){.op = BC_MOV, .d = d, .a = bc_expr(b, e->kid[1])});
    bc_forget(b, mark);
    int to_end = bc_emit(b, (struct bc_ins){.op = BC_JMP});
    if (b->failed) return 0;
    b->ins.at[to_else].a = (int32_t)b->ins.n;
    bc_emit(b, (struct bc_ins){.op = BC_MOV, .d = d, .a = bc_expr(b, e->kid[2])});
    bc_forget(b, mark);
    if (b->failed) return 0;
    b->ins.at[to_end].a = (int32_t)b->ins.n;
    return d;
}

static int variable(struct bc *b, const struct var *v)
{
    for (size_t i = b->bound.n; i-- > 0;)
        if (b->bound.at[i].var == v) return b->bound.at[i].reg;
    if (!b->failed && b->c)
        err_set(&b->c->err, ERR_UNKNOWN_NAME, (struct span){0}, "variable %s is used outside its loop", v->name);
    b->failed = true;
    return 0;
}

static int call_extern(struct bc *b, const struct expr *e)
{
    struct bc_extern call = {.f = e->val.ext};
    if (!b->failed && (!b->c || !b->c->host.call)) {
        if (b->c)
            err_set(&b->c->err, ERR_UNSUPPORTED, (struct span){0}, "nobody here can call the host's %s", call.f->name);
        b->failed = true;
    }
    for_kids(e, i) call.arg[i] = bc_expr(b, e->kid[i]);
    if (b->failed) return 0;
    int d = int_reg(b, 0);
    VEC_PUSH(b->arena, b->ext, call);
    bc_emit(b, (struct bc_ins){.op = BC_EXTERN, .d = d, .x = (int)b->ext.n - 1});
    return d;
}

static int compile(struct bc *b, const struct expr *e)
{
    enum dtype dt = e->type.dt;
    switch ((enum op)e->op) {
    case OP_INT: return int_reg(b, e->val.i);
    case OP_FLT: return bc_reg(b, (union value){.f = (float)e->val.f});
    case OP_VAR: return variable(b, e->val.var);
    case OP_READ: return load(b, bc_find(b, e->val.tensor, e->val.tensor->name), e->nkid, e->kid);
    case OP_LOAD: return load(b, bc_find(b, e->val.buffer, e->val.buffer->name), e->nkid, e->kid);
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MOD: case OP_MIN: case OP_MAX: case OP_AND:
    case OP_OR: case OP_XOR: case OP_SHL: case OP_SHR: case OP_EQ: case OP_NE: case OP_LT: case OP_LE: {
        int a = bc_expr(b, e->kid[0]), k = bc_expr(b, e->kid[1]);
        return emit_bin(b, e->op, e->kid[0]->type.dt, a, k);
    }
    case OP_NOT: {
        int a = bc_expr(b, e->kid[0]);
        return emit_bin(b, OP_NOT, dt, a, a);
    }
    case OP_RINT: return op3(b, BC_RINT, bc_expr(b, e->kid[0]), 0);
    case OP_FMA: {
        int a = bc_expr(b, e->kid[0]), k = bc_expr(b, e->kid[1]), x = bc_expr(b, e->kid[2]), d = int_reg(b, 0);
        bc_emit(b, (struct bc_ins){.op = BC_FMA, .d = d, .a = a, .b = k, .x = x});
        return d;
    }
    case OP_SELECT: return select_arms(b, e);
    case OP_CAST: case OP_SAT: return cast(b, e);
    case OP_RAMP: {
        int base = bc_expr(b, e->kid[0]), stride = bc_expr(b, e->kid[1]);
        QJ_ASSERT(b->lane >= 0);
        return emit_bin(b, OP_ADD, dt, base, emit_bin(b, OP_MUL, dt, b->lane, stride));
    }
    case OP_EXTERN: return call_extern(b, e);
    case OP_BCAST: return bc_expr(b, e->kid[0]);
    case OP_REDUCE: case OP_COUNT: break;
    }
    QJ_ASSERT(!"a reduction stands only at the root of a tensor's body");
    return 0;
}

int bc_expr(struct bc *b, const struct expr *e)
{
    if (b->failed) return 0;
    struct bc_memo_row *row = memo_at(b, e);
    if (row->e) return row->reg;
    struct bc_cursor f;
    int reg = b->naxis && affine(b, e, &f) ? cursor_reg(b, &f) : compile(b, e);
    if (!b->failed) memo_put(b, e, reg);
    return reg;
}

int bc_combine(struct bc *b, enum combiner k, int acc, const struct expr *body)
{
    static const enum op op[] = {[RED_SUM] = OP_ADD, [RED_MAX] = OP_MAX, [RED_MIN] = OP_MIN};
    if (k == RED_FMA) {
        int x = bc_expr(b, body->kid[0]), y = bc_expr(b, body->kid[1]);
        bc_emit(b, (struct bc_ins){.op = BC_FMA, .d = acc, .a = x, .b = y, .x = acc});
    } else if (k == RED_SUM && body->op == OP_MUL && body->type.dt == DT_I32) {    /* the common case, fused */
        int x = bc_expr(b, body->kid[0]), y = bc_expr(b, body->kid[1]);
        bc_emit(b, (struct bc_ins){.op = BC_MAC32, .d = acc, .a = x, .b = y});
    } else {
        bc_emit(b, bin(op[k], body->type.dt, acc, acc, bc_expr(b, body)));
    }
    return acc;
}

union value bc_identity(enum combiner k, enum dtype dt)
{
    bool f = dt == DT_F32;
    switch (k) {
    case RED_SUM: case RED_FMA: break;
    case RED_MAX: return f ? (union value){.f = -INFINITY} : (union value){.i = dtype_info[dt].lo};
    case RED_MIN: return f ? (union value){.f = INFINITY} : (union value){.i = dtype_info[dt].hi};
    case RED_COUNT: break;
    }
    return (union value){.i = 0};
}

/* ---- a body over its axes ---- */

/* The step of a cursor when axis k advances and the reduced axes inside it go back to 0. */
static void fill_steps(struct bc *b)
{
    int ncur = (int)b->cursor.n, nred = b->naxis - b->nout;
    b->step = ARENA_ARRAY(b->arena, struct bc_step, nred * ncur);
    for (int k = 0; k < nred; k++)
        for (int i = 0; i < ncur; i++) {
            const struct bc_cursor *f = &b->cursor.at[i];
            int64_t step = f->coef[b->nout + k];
            for (int j = b->nout + k + 1; j < b->naxis; j++) step -= f->coef[j] * (b->axis[j].extent - 1);
            b->step[k * ncur + i] = (struct bc_step){f->reg, step};
        }
}

bool bc_body(struct bc *b, int nout, int naxis, const struct bc_axis *axis, bool combine, enum combiner k,
             const struct expr *body)
{
    QJ_ASSERT(naxis <= BC_MAX_AXES && !b->ins.n);
    b->nout = nout;
    b->naxis = naxis;
    for (int i = 0; i < naxis; i++) b->axis[i] = axis[i];
    if (combine || naxis > nout) {
        b->result = b->acc = int_reg(b, 0);
        bc_combine(b, k, b->acc, body);
        if (naxis > nout) bc_emit(b, (struct bc_ins){.op = BC_NEXT, .a = 0});
    } else {
        b->result = bc_expr(b, body);
    }
    bc_emit(b, (struct bc_ins){.op = BC_END});
    if (b->failed) return false;
    fill_steps(b);
    return true;
}
