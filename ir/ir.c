/* SPDX-License-Identifier: Apache-2.0 */
/* ir.c - tables, interning and constructors of expressions. Contract in ir.h. */
#include "ir/extern.h"

#include <math.h>
#include <stdlib.h>

/* ---- tables ---- */

const struct dtype_info dtype_info[DT_COUNT] = {
#define X(id, name, bits, sgn, lo, hi) {name, bits, sgn, lo, hi},
    DTYPES(X)
#undef X
};

const struct op_info op_info[OP_COUNT] = {
#define COMM OPF_COMM
#define ASSOC OPF_ASSOC
#define IDEM OPF_IDEM
#define F32 OPF_F32
#define INT OPF_INT
#define BOOLS OPF_BOOLS
#define VARIES OP_VARIES
#define OP(code, spelling, arity, cls, flags) {spelling, arity, OPC_##cls, flags},
#include "ir/ops.def"
#undef OP
#undef COMM
#undef ASSOC
#undef IDEM
#undef F32
#undef INT
#undef BOOLS
#undef VARIES
};

const char *const combiner_name[RED_COUNT] = {"sum", "max", "min", "fmasum"};
const char *const scope_name[SCOPE_COUNT] = {"global", "shared", "local", "arg"};
const char *const loop_kind_name[LOOP_KINDS] = {
    "serial", "unrolled", "vectorized", "parallel", "blockIdx.x", "blockIdx.y", "blockIdx.z",
    "threadIdx.x", "threadIdx.y", "threadIdx.z", "vthread"};

bool dt_by_name(const char *s, size_t n, enum dtype *out)
{
    for (int d = 0; d < DT_COUNT; d++)
        if (strlen(dtype_info[d].name) == n && !memcmp(dtype_info[d].name, s, n)) {
            *out = (enum dtype)d;
            return true;
        }
    return false;
}

/* ---- context and interning ---- */

enum { FIRST_SLOTS = 1024 };

void ir_ctx_init(struct ir_ctx *c, size_t limit)
{
    memset(c, 0, sizeof *c);
    c->limits.memory = limit;
    arena_init(&c->arena, &c->limits);
    err_init(&c->err);
}

void ir_ctx_release(struct ir_ctx *c)
{
    free(c->slot);
    arena_release(&c->arena);
    err_release(&c->err);
    memset(c, 0, sizeof *c);
}

static bool same_node(const struct expr *a, const struct expr *b)
{
    return a->hash == b->hash && a->op == b->op && a->nkid == b->nkid && type_eq(a->type, b->type) &&
           a->val.i == b->val.i && !memcmp(a->kid, b->kid, a->nkid * sizeof a->kid[0]);
}

static void grow_slots(struct ir_ctx *c)
{
    uint32_t n = c->nslot ? c->nslot * 2 : FIRST_SLOTS;
    if (!limits_take(&c->limits, (n - c->nslot) * sizeof *c->slot)) arena_out_of_memory(&c->arena);
    const struct expr **slot = calloc(n, sizeof *slot);
    if (!slot) {
        limits_give(&c->limits, (n - c->nslot) * sizeof *c->slot);
        arena_out_of_memory(&c->arena);
    }
    for (uint32_t i = 0; i < c->nslot; i++) {
        if (!c->slot[i]) continue;
        uint32_t at = c->slot[i]->hash & (n - 1);
        while (slot[at]) at = (at + 1) & (n - 1);
        slot[at] = c->slot[i];
    }
    free(c->slot);
    c->slot = slot;
    c->nslot = n;
}

struct ir_mark ir_mark(const struct ir_ctx *c) { return (struct ir_mark){arena_mark(&c->arena), c->nexpr}; }

/* Empties slot i, moving up those that were put further on because it was taken. */
static void drop_slot(struct ir_ctx *c, uint32_t i)
{
    uint32_t mask = c->nslot - 1;
    for (uint32_t j = (i + 1) & mask; c->slot[j]; j = (j + 1) & mask) {
        uint32_t home = c->slot[j]->hash & mask;
        if (((j - home) & mask) < ((j - i) & mask)) continue; /* its home lies after i */
        c->slot[i] = c->slot[j];
        i = j;
    }
    c->slot[i] = NULL;
}

/* Allocates nothing: this is how a call that ran out of memory is taken back. */
void ir_reset(struct ir_ctx *c, struct ir_mark m)
{
    if (c->nexpr > m.nexpr) {
        for (uint32_t i = 0; i < c->nslot; i++)
            while (c->slot[i] && c->slot[i]->id >= m.nexpr) drop_slot(c, i);
        c->nexpr = m.nexpr;
    }
    arena_reset(&c->arena, m.arena);
}

/* val is passed as its bits: every member of the union is 8 bytes wide. */
static const struct expr *intern(struct ir_ctx *c, enum op op, struct type t, int64_t bits, int nkid,
                                 const struct expr *const *kid)
{
    uint64_t h = hash_mix((uint64_t)op << 32 | (uint32_t)t.dt << 16 | t.lanes, (uint64_t)bits);
    for (int i = 0; i < nkid; i++) h = hash_mix(h, kid[i]->id);
    enum { MAX_KIDS = QJ_MAX_PHYS + 8 };
    _Alignas(struct expr) unsigned char room[sizeof(struct expr) + MAX_KIDS * sizeof kid[0]] = {0};
    struct expr *probe = (struct expr *)room;
    QJ_ASSERT(nkid <= MAX_KIDS);
    probe->op = (uint8_t)op;
    probe->nkid = (uint8_t)nkid;
    probe->type = t;
    probe->hash = (uint32_t)(h ^ (h >> 32));
    probe->val.i = bits;
    for (int i = 0; i < nkid; i++) probe->kid[i] = kid[i];
    if (c->nexpr * 2 >= c->nslot) grow_slots(c);
    uint32_t at = probe->hash & (c->nslot - 1);
    while (c->slot[at]) {
        if (same_node(c->slot[at], probe)) return c->slot[at];
        at = (at + 1) & (c->nslot - 1);
    }
    probe->id = c->nexpr++;
    c->slot[at] = arena_copy(&c->arena, probe, sizeof(struct expr) + (size_t)nkid * sizeof kid[0]);
    return c->slot[at];
}
_Static_assert(sizeof(((struct expr *)0)->val) == 8, "val is compared as 8 bytes");

static int64_t ptr_bits(const void *p) { return (int64_t)(uintptr_t)p; }

/* ---- scalar arithmetic: the one home of what each operation gives ---- */

int64_t ir_wrap(enum dtype d, int64_t v)
{
    switch (d) {
    case DT_BOOL: return v != 0;
    case DT_I8: return (int8_t)v;
    case DT_U8: return (uint8_t)v;
    case DT_I16: return (int16_t)v;
    case DT_U16: return (uint16_t)v;
    case DT_I32: return (int32_t)v;
    case DT_I64: case DT_F32: case DT_COUNT: return v;
    }
    return v;
}

int64_t ir_f32_to_int(float v, enum dtype to)
{
    if (to == DT_BOOL) return v != 0;
    if (isnan(v)) return 0;
    const struct dtype_info *d = &dtype_info[to];
    /* Both limits are powers of two or one less: compare against the exact power. */
    if ((double)v >= ldexp(1, d->bits - d->is_signed)) return d->hi;
    if ((double)v <= (double)d->lo) return d->lo;
    return (int64_t)v;
}

static int64_t shift(enum op op, enum dtype d, int64_t a, int64_t n)
{
    int bits = dtype_info[d].bits;
    if (op == OP_SHL) return n < 0 || n >= bits ? 0 : (int64_t)((uint64_t)a << n);
    return n < 0 || n >= bits ? (a < 0 ? -1 : 0) : a >> n;
}

int64_t ir_apply_int(enum op op, enum dtype d, int64_t a, int64_t b, bool *overflow)
{
    int64_t r = 0;
    bool over = false;
    switch ((int)op) {
    case OP_ADD: over = __builtin_add_overflow(a, b, &r); break;
    case OP_SUB: over = __builtin_sub_overflow(a, b, &r); break;
    case OP_MUL: over = __builtin_mul_overflow(a, b, &r); break;
    case OP_DIV: over = b == -1 && a == INT64_MIN; r = floor_div(a, b); break;
    case OP_MOD: r = floor_mod(a, b); break;
    case OP_MIN: r = i64_min(a, b); break;
    case OP_MAX: r = i64_max(a, b); break;
    case OP_AND: r = a & b; break;
    case OP_OR: r = a | b; break;
    case OP_XOR: r = a ^ b; break;
    case OP_SHL: case OP_SHR: r = shift(op, d, a, b); break;
    case OP_EQ: return a == b;
    case OP_NE: return a != b;
    case OP_LT: return a < b;
    case OP_LE: return a <= b;
    case OP_NOT: r = d == DT_BOOL ? !a : ~a; break;
    default: QJ_ASSERT(!"not an integer operation");
    }
    if (overflow && over && d == DT_I64) *overflow = true;
    return ir_wrap(d, r);
}

float ir_apply_f32(enum op op, float a, float b)
{
    switch ((int)op) {
    case OP_ADD: return a + b;
    case OP_SUB: return a - b;
    case OP_MUL: return a * b;
    case OP_DIV: return a / b;
    case OP_MIN: return a < b ? a : b;
    case OP_MAX: return a > b ? a : b;
    case OP_RINT: return rintf(a);
    default: QJ_ASSERT(!"not a float operation");
    }
    return 0;
}

bool ir_cmp_f32(enum op op, float a, float b)
{
    switch ((int)op) {
    case OP_EQ: return a == b;
    case OP_NE: return a != b;
    case OP_LT: return a < b;
    case OP_LE: return a <= b;
    default: QJ_ASSERT(!"not a comparison");
    }
    return false;
}

/* ---- leaves ---- */

const struct expr *ir_int(struct ir_ctx *c, struct type t, int64_t v)
{
    QJ_ASSERT(t.dt != DT_F32);
    if (t.lanes > 1) return ir_bcast(c, ir_int(c, type_of(t.dt), v), t.lanes);
    return intern(c, OP_INT, t, ir_wrap(t.dt, v), 0, NULL);
}

const struct expr *ir_bool(struct ir_ctx *c, bool v) { return ir_int(c, TYPE_BOOL, v); }

const struct expr *ir_flt(struct ir_ctx *c, struct type t, float v)
{
    QJ_ASSERT(t.dt == DT_F32);
    if (t.lanes > 1) return ir_bcast(c, ir_flt(c, type_of(DT_F32), v), t.lanes);
    double d = isnan(v) ? (double)NAN : (double)v;
    int64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return intern(c, OP_FLT, t, bits, 0, NULL);
}

const struct var *ir_var(struct ir_ctx *c, const char *name, int64_t extent)
{
    struct var *v = ARENA_NEW(&c->arena, struct var);
    *v = (struct var){arena_strdup(&c->arena, name), ++c->next_uid, extent};
    return v;
}

const struct expr *ir_var_expr(struct ir_ctx *c, const struct var *v)
{
    return v ? intern(c, OP_VAR, TYPE_I64, ptr_bits(v), 0, NULL) : NULL;
}

static bool all_there(int n, const struct expr *const *e)
{
    for (int i = 0; i < n; i++)
        if (!e[i]) return false;
    return true;
}

const struct expr *ir_read(struct ir_ctx *c, const struct tensor *t, const struct expr *const *idx)
{
    if (!t || !all_there(t->ndim, idx)) return NULL;
    for (int i = 0; i < t->ndim; i++) QJ_ASSERT(type_eq(idx[i]->type, TYPE_I64));
    return intern(c, OP_READ, type_of(t->dt), ptr_bits(t), t->ndim, idx);
}

/* Indices may mix scalars and vectors; the load has the widest's lanes. */
const struct expr *ir_load(struct ir_ctx *c, const struct buffer *b, int nidx, const struct expr *const *idx)
{
    if (!b || !all_there(nidx, idx)) return NULL;
    int lanes = 1;
    const struct expr *wide[QJ_MAX_PHYS];
    QJ_ASSERT(nidx <= QJ_MAX_PHYS);
    for (int i = 0; i < nidx; i++) {
        QJ_ASSERT(idx[i]->type.dt == DT_I64);
        if (idx[i]->type.lanes > lanes) lanes = idx[i]->type.lanes;
    }
    for (int i = 0; i < nidx; i++)
        wide[i] = idx[i]->type.lanes == lanes ? idx[i] : ir_bcast(c, idx[i], lanes);
    return intern(c, OP_LOAD, type_vec(b->dt, lanes), ptr_bits(b), nidx, wide);
}

/* ---- operations ---- */

static int rank(const struct expr *e)
{
    switch ((int)e->op) {
    case OP_READ: case OP_LOAD: return 0;
    case OP_VAR: return OP_COUNT + 1;
    case OP_FLT: case OP_INT: return OP_COUNT + 2;
    default: return e->op;
    }
}

static int64_t own_value(const struct expr *e)
{
    switch ((int)e->op) {
    case OP_VAR: return e->val.var->uid;
    case OP_READ: return e->val.tensor->uid;
    case OP_LOAD: return e->val.buffer->uid;
    case OP_EXTERN: return e->val.ext->uid;
    default: return e->val.i;
    }
}

int ir_compare(const struct expr *a, const struct expr *b)
{
    if (a == b) return 0;
#define BY(x, y) do { if ((x) != (y)) return (x) < (y) ? -1 : 1; } while (0)
    BY(rank(a), rank(b));
    BY(a->op, b->op);
    BY(a->type.dt, b->type.dt);
    BY(a->type.lanes, b->type.lanes);
    BY(own_value(a), own_value(b));
    BY(a->nkid, b->nkid);
    for_kids(a, i) {
        int k = ir_compare(a->kid[i], b->kid[i]);
        if (k) return k;
    }
#undef BY
    return 0;
}

/* The defined types of an operation; a mistake here is a bug of the caller. */
static void check_defined(enum op op, struct type t)
{
    unsigned f = op_info[op].flags;
    QJ_ASSERT(t.dt == DT_F32 ? f & OPF_F32 : t.dt == DT_BOOL ? f & OPF_BOOLS : f & OPF_INT);
}

static const struct expr *fold_bin(struct ir_ctx *c, enum op op, struct type rt, const struct expr *a,
                                   const struct expr *b)
{
    bool cmp = op_info[op].cls == OPC_CMP;
    if (a->op == OP_FLT && b->op == OP_FLT) {
        if (cmp) return ir_bool(c, ir_cmp_f32(op, (float)a->val.f, (float)b->val.f));
        return ir_flt(c, rt, ir_apply_f32(op, (float)a->val.f, (float)b->val.f));
    }
    if (a->op == OP_INT && b->op == OP_INT) {
        bool over = false;
        int64_t v = ir_apply_int(op, a->type.dt, a->val.i, b->val.i, &over);
        return over ? NULL : ir_int(c, rt, v); /* an i64 overflow is left for eval to report */
    }
    return NULL;
}

/* Identities of integers that need no knowledge but the operands themselves. */
static const struct expr *unit_bin(struct ir_ctx *c, enum op op, const struct expr *a, const struct expr *b)
{
    if (a->type.dt == DT_F32) return NULL;
    switch ((int)op) {
    case OP_ADD: case OP_OR: case OP_XOR:
        if (ir_is_int(b, 0)) return a;
        if (op == OP_OR && a == b) return a;
        break;
    case OP_SUB:
        if (ir_is_int(b, 0)) return a;
        break;
    case OP_SHL: case OP_SHR:
        if (ir_is_int(b, 0)) return a;
        break;
    case OP_MUL:
        if (ir_is_int(b, 1)) return a;
        if (ir_is_int(b, 0)) return b;
        break;
    case OP_DIV:
        if (ir_is_int(b, 1)) return a;
        break;
    case OP_MOD:
        if (ir_is_int(b, 1)) return ir_int(c, a->type, 0);
        break;
    case OP_AND:
        if (a == b || ir_is_int(b, 0)) return b;
        if (a->type.dt == DT_BOOL && ir_is_int(b, 1)) return a;
        break;
    case OP_MIN: case OP_MAX:
        if (a == b) return a;
        break;
    default: break;
    }
    if (op == OP_OR && a->type.dt == DT_BOOL && ir_is_int(b, 1)) return b;
    return NULL;
}

const struct expr *ir_bin(struct ir_ctx *c, enum op op, const struct expr *a, const struct expr *b)
{
    if (!a || !b) return NULL;
    QJ_ASSERT(op_info[op].arity == 2 && (op_info[op].cls == OPC_ALU || op_info[op].cls == OPC_CMP));
    QJ_ASSERT(a->type.dt == b->type.dt);
    if (a->type.lanes != b->type.lanes) { /* a scalar meets a vector: spread it */
        if (a->type.lanes == 1) a = ir_bcast(c, a, b->type.lanes);
        else b = ir_bcast(c, b, a->type.lanes);
    }
    QJ_ASSERT(type_eq(a->type, b->type));
    check_defined(op, a->type);
    struct type rt = op_info[op].cls == OPC_CMP ? type_vec(DT_BOOL, a->type.lanes) : a->type;
    if (a->op == OP_BCAST && b->op == OP_BCAST) /* compute once, spread after */
        return ir_bcast(c, ir_bin(c, op, a->kid[0], b->kid[0]), a->type.lanes);
    const struct expr *f = fold_bin(c, op, rt, a, b);
    if (f) return f;
    if (op_info[op].flags & OPF_COMM && a->type.dt != DT_F32) {
        if (ir_compare(b, a) < 0) { /* a+b and b+a are one node */
            const struct expr *t = a;
            a = b;
            b = t;
        }
    }
    f = unit_bin(c, op, a, b);
    if (f) return f;
    const struct expr *kid[2] = {a, b};
    return intern(c, op, rt, 0, 2, kid);
}

const struct expr *ir_un(struct ir_ctx *c, enum op op, const struct expr *a)
{
    if (!a) return NULL;
    QJ_ASSERT(op == OP_NOT || op == OP_RINT);
    check_defined(op, a->type);
    if (a->op == OP_BCAST) return ir_bcast(c, ir_un(c, op, a->kid[0]), a->type.lanes);
    if (a->op == OP_INT) return ir_int(c, a->type, ir_apply_int(op, a->type.dt, a->val.i, 0, NULL));
    if (a->op == OP_FLT) return ir_flt(c, a->type, ir_apply_f32(op, (float)a->val.f, 0));
    if (op == OP_NOT && a->op == OP_NOT) return a->kid[0];
    return intern(c, op, a->type, 0, 1, &a);
}

const struct expr *ir_fma(struct ir_ctx *c, const struct expr *a, const struct expr *b, const struct expr *d)
{
    if (!a || !b || !d) return NULL;
    int lanes = a->type.lanes > b->type.lanes ? a->type.lanes : b->type.lanes;
    if (d->type.lanes > lanes) lanes = d->type.lanes;
    const struct expr *kid[3] = {ir_bcast(c, a, lanes), ir_bcast(c, b, lanes), ir_bcast(c, d, lanes)};
    for (int i = 0; i < 3; i++) QJ_ASSERT(kid[i]->type.dt == DT_F32);
    if (kid[0]->op == OP_FLT && kid[1]->op == OP_FLT && kid[2]->op == OP_FLT)
        return ir_flt(c, kid[0]->type, fmaf((float)a->val.f, (float)b->val.f, (float)d->val.f));
    return intern(c, OP_FMA, kid[0]->type, 0, 3, kid);
}

const struct expr *ir_select(struct ir_ctx *c, const struct expr *cond, const struct expr *a, const struct expr *b)
{
    if (!cond || !a || !b) return NULL;
    QJ_ASSERT(cond->type.dt == DT_BOOL && a->type.dt == b->type.dt);
    int lanes = a->type.lanes > b->type.lanes ? a->type.lanes : b->type.lanes;
    if (cond->type.lanes > lanes) lanes = cond->type.lanes;
    a = ir_bcast(c, a, lanes);
    b = ir_bcast(c, b, lanes);
    if (cond->op == OP_BCAST) cond = cond->kid[0]; /* one condition for all lanes is a scalar one */
    if (cond->op == OP_INT) return cond->val.i ? a : b;
    if (a == b) return a;
    QJ_ASSERT(cond->type.lanes == 1 || cond->type.lanes == lanes);
    const struct expr *kid[3] = {cond, a, b};
    return intern(c, OP_SELECT, a->type, 0, 3, kid);
}

const struct expr *ir_cast(struct ir_ctx *c, enum dtype to, const struct expr *a)
{
    if (!a) return NULL;
    enum dtype from = a->type.dt;
    if (from == to) return a;
    if (a->op == OP_BCAST) return ir_bcast(c, ir_cast(c, to, a->kid[0]), a->type.lanes);
    if (a->op == OP_INT)
        return to == DT_F32 ? ir_flt(c, type_of(to), (float)a->val.i) : ir_int(c, type_of(to), a->val.i);
    if (a->op == OP_FLT) return ir_int(c, type_of(to), ir_f32_to_int((float)a->val.f, to));
    return intern(c, OP_CAST, type_vec(to, a->type.lanes), 0, 1, &a);
}

const struct expr *ir_sat(struct ir_ctx *c, enum dtype to, const struct expr *a)
{
    if (!a) return NULL;
    QJ_ASSERT(dt_is_int(to) && a->type.dt != DT_BOOL);
    if (a->type.dt == to) return a;
    if (a->op == OP_BCAST) return ir_bcast(c, ir_sat(c, to, a->kid[0]), a->type.lanes);
    if (a->op == OP_FLT) return ir_int(c, type_of(to), ir_f32_to_int((float)a->val.f, to));
    if (a->op == OP_INT)
        return ir_int(c, type_of(to), i64_max(dtype_info[to].lo, i64_min(dtype_info[to].hi, a->val.i)));
    if (a->type.dt != DT_F32 && dtype_info[to].lo <= dtype_info[a->type.dt].lo &&
        dtype_info[to].hi >= dtype_info[a->type.dt].hi)
        return ir_cast(c, to, a); /* widening: nothing to clamp */
    return intern(c, OP_SAT, type_vec(to, a->type.lanes), 0, 1, &a);
}

const struct expr *ir_reduce(struct ir_ctx *c, enum combiner k, const struct expr *body, int naxes,
                             const struct expr *const *axes)
{
    const struct expr *kid[QJ_MAX_PHYS + 1];
    if (!body || !all_there(naxes, axes)) return NULL;
    QJ_ASSERT(naxes <= QJ_MAX_PHYS && body->type.lanes == 1 && body->type.dt != DT_BOOL);
    QJ_ASSERT(k != RED_FMA || (body->op == OP_MUL && body->type.dt == DT_F32));
    kid[0] = body;
    for (int i = 0; i < naxes; i++) {
        QJ_ASSERT(axes[i]->op == OP_VAR);
        kid[i + 1] = axes[i];
    }
    return intern(c, OP_REDUCE, body->type, k, naxes + 1, kid);
}

const struct expr *ir_extern(struct ir_ctx *c, const struct ext *f, const struct expr *const *arg)
{
    const struct expr *kid[EXTERN_MAX_ARGS];
    int lanes = 1;
    bool alike = true; /* one call does for all lanes */
    if (!all_there(f->narg, arg)) return NULL;
    for (int i = 0; i < f->narg; i++) {
        QJ_ASSERT(arg[i]->type.dt == f->arg[i]);
        if (arg[i]->type.lanes > 1) lanes = arg[i]->type.lanes;
        alike = alike && (arg[i]->type.lanes == 1 || arg[i]->op == OP_BCAST);
    }
    for (int i = 0; i < f->narg; i++)
        kid[i] = !alike ? ir_bcast(c, arg[i], lanes) : arg[i]->type.lanes > 1 ? arg[i]->kid[0] : arg[i];
    const struct expr *e = intern(c, OP_EXTERN, type_vec(f->result, alike ? 1 : lanes), ptr_bits(f), f->narg, kid);
    return ir_bcast(c, e, lanes);
}

const struct expr *ir_ramp(struct ir_ctx *c, const struct expr *base, const struct expr *stride, int lanes)
{
    if (!base || !stride) return NULL;
    QJ_ASSERT(base->type.lanes == 1 && type_eq(base->type, stride->type));
    if (lanes == 1) return base;
    if (ir_is_int(stride, 0)) return ir_bcast(c, base, lanes);
    const struct expr *kid[2] = {base, stride};
    return intern(c, OP_RAMP, type_vec(base->type.dt, lanes), 0, 2, kid);
}

const struct expr *ir_bcast(struct ir_ctx *c, const struct expr *a, int lanes)
{
    if (!a || a->type.lanes == lanes) return a;
    QJ_ASSERT(a->type.lanes == 1 && lanes > 1 && lanes <= UINT16_MAX);
    return intern(c, OP_BCAST, type_vec(a->type.dt, lanes), 0, 1, &a);
}

const struct expr *ir_with_kids(struct ir_ctx *c, const struct expr *e, const struct expr *const *kid)
{
    if (!all_there(e->nkid, kid)) return NULL;
    switch ((enum op)e->op) {
    case OP_INT: case OP_FLT: case OP_VAR: return e;
    case OP_READ: return ir_read(c, e->val.tensor, kid);
    case OP_LOAD: return ir_load(c, e->val.buffer, e->nkid, kid);
    case OP_ADD: case OP_SUB: case OP_MUL: case OP_DIV: case OP_MOD: case OP_MIN: case OP_MAX: case OP_AND:
    case OP_OR: case OP_XOR: case OP_SHL: case OP_SHR: case OP_EQ: case OP_NE: case OP_LT: case OP_LE:
        return ir_bin(c, e->op, kid[0], kid[1]);
    case OP_NOT: case OP_RINT: return ir_un(c, e->op, kid[0]);
    case OP_FMA: return ir_fma(c, kid[0], kid[1], kid[2]);
    case OP_SELECT: return ir_select(c, kid[0], kid[1], kid[2]);
    case OP_CAST: return ir_cast(c, e->type.dt, kid[0]);
    case OP_SAT: return ir_sat(c, e->type.dt, kid[0]);
    case OP_REDUCE: return ir_reduce(c, (enum combiner)e->val.i, kid[0], e->nkid - 1, kid + 1);
    case OP_EXTERN: return ir_extern(c, e->val.ext, kid);
    case OP_RAMP: return ir_ramp(c, kid[0], kid[1], e->type.lanes);
    case OP_BCAST: return ir_bcast(c, kid[0], e->type.lanes);
    case OP_COUNT: break;
    }
    QJ_ASSERT(!"unknown op");
    return NULL;
}

const struct expr *ir_identity(struct ir_ctx *c, enum combiner k, enum dtype dt)
{
    bool f = dt == DT_F32;
    switch (k) {
    case RED_SUM: case RED_FMA: return f ? ir_flt(c, type_of(dt), 0) : ir_int(c, type_of(dt), 0);
    case RED_MAX: return f ? ir_flt(c, type_of(dt), -INFINITY) : ir_int(c, type_of(dt), dtype_info[dt].lo);
    case RED_MIN: return f ? ir_flt(c, type_of(dt), INFINITY) : ir_int(c, type_of(dt), dtype_info[dt].hi);
    case RED_COUNT: break;
    }
    return NULL;
}

const struct expr *ir_combine(struct ir_ctx *c, enum combiner k, const struct expr *acc, const struct expr *body)
{
    if (!acc || !body) return NULL;
    switch (k) {
    case RED_SUM: return ir_add(c, acc, body);
    case RED_MAX: return ir_max(c, acc, body);
    case RED_MIN: return ir_min(c, acc, body);
    case RED_FMA:
        QJ_ASSERT(body->op == OP_MUL);
        return ir_fma(c, body->kid[0], body->kid[1], acc);
    case RED_COUNT: break;
    }
    return NULL;
}
