/* SPDX-License-Identifier: Apache-2.0 */
/* scalar.c - what one thread does alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/impl.h"

static uint64_t mask_of(unsigned bits) { return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1; }

static int64_t sign_of(uint64_t v, unsigned bits)
{
    uint64_t top = (uint64_t)1 << (bits - 1);
    v &= mask_of(bits);
    return (int64_t)((v ^ top) - top);
}

/* The value as its type sees it, in 64 bits: sign- or zero-extended. */
static uint64_t extend(uint64_t v, struct ptype t)
{
    return t.kind == K_SINT ? (uint64_t)sign_of(v, t.bits) : v & mask_of(t.bits);
}

static float as_f32(uint64_t v)
{
    uint32_t w = (uint32_t)v;
    float f;
    memcpy(&f, &w, 4);
    return f;
}

static uint64_t of_f32(float f)
{
    uint32_t w;
    memcpy(&w, &f, 4);
    return w;
}

static uint64_t sreg_value(const struct run *u, const struct thread *t, const struct operand *o)
{
    switch ((enum sreg)o->reg) {
    case S_TID: return t->tid[o->dim];
    case S_NTID: return u->l->block[o->dim];
    case S_CTAID: return u->block[o->dim];
    case S_NCTAID: return u->l->grid[o->dim];
    case S_LANEID: return (t->id - u->first_id) % WARP;
    case S_WARPID: return (t->id - u->first_id) / WARP;
    }
    return 0;
}

uint64_t opd_value(const struct run *u, const struct thread *t, const struct operand *o, struct ptype type)
{
    uint64_t v = o->kind == O_REG ? t->reg[o->reg] : o->kind == O_SREG ? sreg_value(u, t, o) : (uint64_t)o->imm;
    if (type.kind == K_PRED) return (v & 1) ^ o->negated;
    return extend(v, type);
}

void reg_set(const struct run *u, struct thread *t, const struct operand *o, uint64_t v)
{
    if (o->kind == O_REG) t->reg[o->reg] = v & mask_of(u->e->reg[o->reg].type.bits);
}

uint64_t opd_address(const struct thread *t, const struct operand *o)
{
    return (o->reg >= 0 ? t->reg[o->reg] : 0) + (uint64_t)o->imm;
}

/* ---- integers ---- */

static uint64_t mul_high(uint64_t a, uint64_t b, struct ptype t)
{
    if (t.bits < 64) return (t.kind == K_SINT ? (uint64_t)((int64_t)a * (int64_t)b) : a * b) >> t.bits;
    if (t.kind == K_SINT) return (uint64_t)(((__int128)(int64_t)a * (int64_t)b) >> 64);
    return (uint64_t)(((unsigned __int128)a * b) >> 64);
}

static bool less(uint64_t a, uint64_t b, struct ptype t)
{
    return t.kind == K_SINT ? (int64_t)a < (int64_t)b : a < b;
}

static uint64_t saturated(__int128 v, struct ptype t)
{
    __int128 lo = t.kind == K_SINT ? -((__int128)1 << (t.bits - 1)) : 0;
    __int128 hi = ((__int128)1 << (t.kind == K_SINT ? t.bits - 1 : t.bits)) - 1;
    return (uint64_t)(v < lo ? lo : v > hi ? hi : v);
}

static uint64_t permute(uint64_t a, uint64_t b, uint64_t select)
{
    uint64_t from = (a & UINT32_MAX) | b << 32, out = 0;
    for (int k = 0; k < 4; k++) {
        unsigned s = (unsigned)(select >> (4 * k)) & 15;
        uint64_t byte = from >> (8 * (s & 7)) & 255;
        if (s & 8) byte = byte & 128 ? 255 : 0;
        out |= byte << (8 * k);
    }
    return out;
}

static uint64_t logic3(uint64_t a, uint64_t b, uint64_t c, unsigned table)
{
    uint64_t out = 0;
    for (unsigned k = 0; k < 8; k++)
        if (table >> k & 1) out |= (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    return out;
}

static uint64_t dot4(uint64_t a, uint64_t b, uint64_t c, struct ptype ta, struct ptype tb)
{
    uint32_t sum = (uint32_t)c;
    for (int k = 0; k < 4; k++) {
        uint64_t x = a >> (8 * k) & 255, y = b >> (8 * k) & 255;
        int32_t xs = ta.kind == K_SINT ? (int8_t)x : (int32_t)x, ys = tb.kind == K_SINT ? (int8_t)y : (int32_t)y;
        sum += (uint32_t)(xs * ys);
    }
    return sum;
}

static uint64_t dot2(uint64_t a, uint64_t b, uint64_t c, struct ptype ta, struct ptype tb, bool high)
{
    uint32_t sum = (uint32_t)c;
    for (int k = 0; k < 2; k++) {
        uint64_t x = a >> (16 * k) & 65535, y = b >> (8 * (k + (high ? 2 : 0))) & 255;
        int32_t xs = ta.kind == K_SINT ? (int16_t)x : (int32_t)x, ys = tb.kind == K_SINT ? (int8_t)y : (int32_t)y;
        sum += (uint32_t)xs * (uint32_t)ys;
    }
    return sum;
}

static uint64_t field(uint64_t a, uint64_t at, uint64_t n, struct ptype t)
{
    at &= 255;
    n &= 255;
    if (!n) return 0;
    unsigned top = (unsigned)(at + n - 1 < t.bits ? at + n - 1 : t.bits - 1u);
    uint64_t sign = t.kind == K_SINT && (a >> top & 1) ? UINT64_MAX : 0, v = at < t.bits ? (a & mask_of(t.bits)) >> at : 0;
    uint64_t keep = at < t.bits ? mask_of((unsigned)(n < t.bits - at ? n : t.bits - at)) : 0;
    return (v & keep) | (sign & ~keep);
}

static uint64_t insert(uint64_t from, uint64_t into, uint64_t at, uint64_t n, unsigned bits)
{
    at &= 255;
    n &= 255;
    if (at >= bits || !n) return into;
    uint64_t keep = mask_of((unsigned)(n < bits - at ? n : bits - at)) << at;
    return (into & ~keep) | (from << at & keep);
}

static uint64_t reversed(uint64_t v, unsigned bits)
{
    uint64_t out = 0;
    for (unsigned k = 0; k < bits; k++) out |= (v >> k & 1) << (bits - 1 - k);
    return out;
}

/* ---- comparisons and conversions ---- */

static bool compare(enum cmp c, uint64_t a, uint64_t b, struct ptype t)
{
    bool lt, eq, nan = false;
    if (t.kind == K_FLOAT) {
        float x = as_f32(a), y = as_f32(b);
        nan = isnan(x) || isnan(y);
        lt = x < y;
        eq = x == y;
    } else {
        lt = less(a, b, t);
        eq = a == b;
    }
    switch (c) {
    case CMP_EQ: return eq;
    case CMP_NE: return !eq && !nan;
    case CMP_LT: return lt;
    case CMP_LE: return lt || eq;
    case CMP_GT: return !lt && !eq && !nan;
    case CMP_GE: return !lt && !nan;
    case CMP_EQU: return eq || nan;
    case CMP_NEU: return !eq || nan;
    case CMP_LTU: return lt || nan;
    case CMP_LEU: return lt || eq || nan;
    case CMP_GTU: return (!lt && !eq) || nan;
    case CMP_GEU: return !lt || nan;
    case CMP_NONE: break;
    }
    return false;
}

static float rounded(float v, enum rounding r)
{
    switch (r) {
    case R_RNI: return rintf(v);
    case R_RZI: return truncf(v);
    case R_RMI: return floorf(v);
    case R_RPI: return ceilf(v);
    case R_NONE: case R_RN: case R_RZ: case R_RM: case R_RP: break;
    }
    return v;
}

static bool convert(struct run *u, struct thread *t, const struct instr *i)
{
    struct ptype to = i->type[0], from = i->type[1];
    if (i->pack) { /* cvt.pack.sat.s8.s32.b32 d, a, b, c: a and b saturated, above the lower half of c */
        if (i->ntype != 3 || to.bits != 8 || from.bits != 32) return ptx_fail(u, t, i, "a form of cvt.pack that is not known");
        uint64_t a = opd_value(u, t, &i->opd[1], from), b = opd_value(u, t, &i->opd[2], from);
        uint64_t c = i->nopd > 3 ? opd_value(u, t, &i->opd[3], (struct ptype){K_BITS, 32}) : 0;
        uint64_t x = saturated((int64_t)a, to) & 255, y = saturated((int64_t)b, to) & 255;
        reg_set(u, t, &i->opd[0], (c & 65535) << 16 | x << 8 | y);
        return true;
    }
    uint64_t v = opd_value(u, t, &i->opd[1], from);
    if (to.kind == K_FLOAT && from.kind == K_FLOAT) {
        float f = rounded(as_f32(v), i->round);
        v = of_f32(i->sat ? (f >= 0 ? (f <= 1 ? f : 1) : 0) : f); /* a NaN saturates to 0 */
    } else if (to.kind == K_FLOAT) {
        if (i->round != R_RN) return ptx_fail(u, t, i, "a rounding that is not known");
        v = of_f32(from.kind == K_SINT ? (float)(int64_t)v : (float)v);
    } else if (from.kind == K_FLOAT) {
        float f = rounded(as_f32(v), i->round);
        if (i->round < R_RNI) return ptx_fail(u, t, i, "a rounding that is not known");
        double lo = to.kind == K_SINT ? -ldexp(1, to.bits - 1) : 0, hi = ldexp(1, to.kind == K_SINT ? to.bits - 1 : to.bits);
        if (isnan(f)) v = 0;
        else if (f < lo) v = (uint64_t)saturated(-((__int128)1 << 100), to);
        else if (f >= hi) v = (uint64_t)saturated((__int128)1 << 100, to);
        else v = to.kind == K_SINT ? (uint64_t)(int64_t)f : (uint64_t)f;
    } else {
        if (i->sat) v = saturated(from.kind == K_SINT ? (__int128)(int64_t)v : (__int128)v, to);
        v = extend(v, to); /* a register may be wider than the type */
    }
    reg_set(u, t, &i->opd[0], v);
    return true;
}

/* ---- f32 ---- */

static float min_f32(float a, float b)
{
    if (isnan(a)) return b;
    if (isnan(b)) return a;
    return a < b || (a == b && signbit(a)) ? a : b;
}

static float max_f32(float a, float b)
{
    if (isnan(a)) return b;
    if (isnan(b)) return a;
    return a > b || (a == b && !signbit(a)) ? a : b;
}

static bool float_op(struct run *u, struct thread *t, const struct instr *i)
{
    float v[3] = {0}, out = 0;
    for (int k = 1; k < i->nopd && k <= 3; k++) v[k - 1] = as_f32(opd_value(u, t, &i->opd[k], i->type[0]));
    if (i->round != R_NONE && i->round != R_RN) return ptx_fail(u, t, i, "a rounding that is not known");
    switch ((int)i->op) {
    case OP_add: out = v[0] + v[1]; break;
    case OP_sub: out = v[0] - v[1]; break;
    case OP_mul: out = v[0] * v[1]; break;
    case OP_fma: out = fmaf(v[0], v[1], v[2]); break;
    case OP_min: out = min_f32(v[0], v[1]); break;
    case OP_max: out = max_f32(v[0], v[1]); break;
    case OP_abs: out = fabsf(v[0]); break;
    case OP_neg: out = -v[0]; break;
    case OP_div: case OP_sqrt:
        if (i->round != R_RN) return ptx_fail(u, t, i, "an approximate %s", ptx_op_name[i->op]);
        out = i->op == OP_div ? v[0] / v[1] : sqrtf(v[0]);
        break;
    default: return ptx_fail(u, t, i, "%s of f32", ptx_op_name[i->op]);
    }
    reg_set(u, t, &i->opd[0], of_f32(out));
    return true;
}

/* ---- memory ---- */

static const struct operand *element(const struct run *u, const struct operand *o, unsigned k)
{
    return o->kind == O_LIST ? &u->p->list[o->first + (int)k] : o;
}

static bool load(struct run *u, struct thread *t, const struct instr *i)
{
    unsigned n = i->vec ? i->vec : 1, size = i->type[0].bits / 8u;
    uint8_t bytes[32];
    if (n * size > 16) return ptx_fail(u, t, i, "a load of more than 16 bytes");
    if (!mem_load(u, t, i, i->space, opd_address(t, &i->opd[1]), n * size, bytes)) return false;
    for (unsigned k = 0; k < n; k++) {
        uint64_t v = 0;
        memcpy(&v, bytes + k * size, size);
        reg_set(u, t, element(u, &i->opd[0], k), extend(v, i->type[0]));
    }
    return true;
}

static bool store(struct run *u, struct thread *t, const struct instr *i)
{
    unsigned n = i->vec ? i->vec : 1, size = i->type[0].bits / 8u;
    uint8_t bytes[32];
    if (n * size > 16) return ptx_fail(u, t, i, "a store of more than 16 bytes");
    for (unsigned k = 0; k < n; k++) {
        uint64_t v = opd_value(u, t, element(u, &i->opd[1], k), i->type[0]);
        memcpy(bytes + k * size, &v, size);
    }
    return mem_store(u, t, i, i->space, opd_address(t, &i->opd[0]), n * size, bytes);
}

static bool atomic(struct run *u, struct thread *t, const struct instr *i)
{
    struct ptype type = i->type[0];
    bool red = i->op == OP_red;
    void *cell;
    uint64_t old = 0, v = opd_value(u, t, &i->opd[red ? 1 : 2], type), now;
    if (!mem_atomic(u, t, i, i->space, opd_address(t, &i->opd[red ? 0 : 1]), type.bits / 8u, &cell)) return false;
    if (type.kind == K_FLOAT) return ptx_fail(u, t, i, "an atomic of f32, whose result depends on the order");
    memcpy(&old, cell, type.bits / 8u);
    old = extend(old, type);
    switch ((enum atom)i->atom) {
    case AT_ADD: now = old + v; break;
    case AT_MIN: now = less(v, old, type) ? v : old; break;
    case AT_MAX: now = less(old, v, type) ? v : old; break;
    case AT_AND: now = old & v; break;
    case AT_OR: now = old | v; break;
    case AT_XOR: now = old ^ v; break;
    case AT_EXCH: now = v; break;
    case AT_CAS: now = old == v ? opd_value(u, t, &i->opd[3], type) : old; break;
    case AT_NONE: default: return ptx_fail(u, t, i, "an atomic that is not known");
    }
    memcpy(cell, &now, type.bits / 8u);
    if (!red) reg_set(u, t, &i->opd[0], old);
    return true;
}

/* ---- cp.async: read now, written when waited for ---- */

static bool finish_copies(struct run *u, struct thread *t, int keep)
{
    while (t->ngroup > keep) {
        for (int k = 0; k < t->group[0]; k++) {
            const struct copy *c = &t->copy[k];
            if (!mem_store(u, t, c->by, SP_SHARED, c->to, c->n, c->data)) return false;
        }
        t->ncopy -= t->group[0];
        if (t->ncopy) memmove(t->copy, t->copy + t->group[0], (size_t)t->ncopy * sizeof *t->copy);
        memmove(t->group, t->group + 1, (size_t)--t->ngroup * sizeof *t->group);
    }
    return true;
}

static void close_group(struct thread *t)
{
    int open = t->ncopy;
    for (int k = 0; k < t->ngroup; k++) open -= t->group[k];
    t->group = realloc(t->group, (size_t)(t->ngroup + 1) * sizeof *t->group);
    t->group[t->ngroup++] = open;
}

static bool copy_async(struct run *u, struct thread *t, const struct instr *i)
{
    if (i->async == AS_COMMIT) return close_group(t), true;
    if (i->async == AS_WAIT_ALL) return close_group(t), finish_copies(u, t, 0);
    if (i->async == AS_WAIT) return finish_copies(u, t, (int)i->opd[0].imm);
    if (i->nopd < 3) return ptx_fail(u, t, i, "cp.async with %d operands", i->nopd);
    struct copy c = {.to = opd_address(t, &i->opd[0]), .n = (uint8_t)i->opd[2].imm, .by = i};
    uint64_t have = i->nopd > 3 ? opd_value(u, t, &i->opd[3], (struct ptype){K_UINT, 32}) : c.n;
    if ((c.n != 4 && c.n != 8 && c.n != 16) || have > c.n) return ptx_fail(u, t, i, "cp.async of %d bytes", c.n);
    if (have && have != c.n) return ptx_fail(u, t, i, "cp.async of a part"); /* nobody emits it */
    if (have && !mem_load(u, t, i, SP_GLOBAL, opd_address(t, &i->opd[1]), c.n, c.data)) return false;
    if (!mem_will_write(u, t, i, c.to, c.n)) return false;
    if (t->ncopy == t->cap_copy) {
        t->cap_copy = t->cap_copy ? t->cap_copy * 2 : 16;
        t->copy = realloc(t->copy, (size_t)t->cap_copy * sizeof *t->copy);
    }
    t->copy[t->ncopy++] = c;
    return true;
}

/* ---- all of it ---- */

static bool move(struct run *u, struct thread *t, const struct instr *i)
{
    const struct operand *d = &i->opd[0], *s = &i->opd[1];
    unsigned bits = i->type[0].bits;
    if (d->kind == O_LIST) { /* taken apart, the low element first */
        uint64_t v = opd_value(u, t, s, i->type[0]);
        unsigned part = bits / (unsigned)d->n;
        for (unsigned k = 0; k < (unsigned)d->n; k++) reg_set(u, t, element(u, d, k), v >> (part * k) & mask_of(part));
        return true;
    }
    if (s->kind == O_LIST) {
        unsigned part = bits / (unsigned)s->n;
        uint64_t v = 0;
        for (unsigned k = 0; k < (unsigned)s->n; k++)
            v |= opd_value(u, t, element(u, s, k), (struct ptype){K_BITS, (uint8_t)part}) << (part * k);
        reg_set(u, t, d, v);
        return true;
    }
    reg_set(u, t, d, opd_value(u, t, s, i->type[0]));
    return true;
}

static bool address_space(struct run *u, struct thread *t, const struct instr *i)
{
    uint64_t base = i->space == SP_SHARED ? SHARED_BASE : i->space == SP_LOCAL ? LOCAL_BASE : 0;
    uint64_t v = opd_value(u, t, &i->opd[1], i->type[0]);
    reg_set(u, t, &i->opd[0], i->to ? v - base : v + base);
    return true;
}

/* Source operand k, from 1: of the instruction's type, but for amounts, sums and packed words. */
static struct ptype source_type(const struct instr *i, int k)
{
    struct ptype word = {K_UINT, 32}, type = i->type[0];
    switch ((int)i->op) {
    case OP_dp4a: case OP_dp2a: case OP_prmt: case OP_shf: return word;
    case OP_shl: case OP_shr: case OP_bfe: return k > 1 ? word : type;
    case OP_bfi: return k > 2 ? word : type;
    case OP_mad: return k == 3 && i->part == PART_WIDE ? (struct ptype){type.kind, (uint8_t)(2 * type.bits)} : type;
    default: return type;
    }
}

/* Two halves of 16 bits, each by itself. */
static bool pair_op(struct run *u, struct thread *t, const struct instr *i)
{
    struct ptype half = {i->type[0].kind == K_SINT_PAIR ? K_SINT : K_UINT, 16}, word = {K_BITS, 32};
    uint64_t a = opd_value(u, t, &i->opd[1], word), b = opd_value(u, t, &i->opd[2], word), out = 0;
    for (unsigned k = 0; k < 32; k += 16) {
        uint64_t x = extend(a >> k, half), y = extend(b >> k, half), v;
        if (i->op == OP_min) v = less(y, x, half) ? y : x;
        else if (i->op == OP_max) v = less(x, y, half) ? y : x;
        else if (i->op == OP_add && !i->sat) v = x + y;
        else return ptx_fail(u, t, i, "%s of pairs", ptx_op_name[i->op]);
        out |= (v & 65535) << k;
    }
    reg_set(u, t, &i->opd[0], out);
    return true;
}

bool scalar_step(struct run *u, struct thread *t, const struct instr *i, int *next)
{
    struct ptype type = i->type[0];
    uint64_t v[4] = {0}, out;
    switch ((enum op)i->op) {
    case OP_ld: return load(u, t, i);
    case OP_st: return store(u, t, i);
    case OP_mov: return move(u, t, i);
    case OP_cvt: return convert(u, t, i);
    case OP_cvta: return address_space(u, t, i);
    case OP_cp: return copy_async(u, t, i);
    case OP_atom: case OP_red: return atomic(u, t, i);
    case OP_bra: *next = i->opd[0].reg; return true;
    case OP_ret: case OP_exit: t->status = DONE; return true;
    case OP_membar: return true;
    case OP_fence: t->seen |= i->proxy; return true;
    case OP_wgmma: return group_alone(u, t, i);
    case OP_trap: return ptx_fail(u, t, i, "trap");
    case OP_abs: case OP_activemask: case OP_add: case OP_and: case OP_bar: case OP_barrier: case OP_bfe: case OP_bfi:
    case OP_brev: case OP_clz: case OP_div: case OP_dp2a: case OP_dp4a: case OP_fma: case OP_ldmatrix: case OP_lop3:
    case OP_mad: case OP_max: case OP_min: case OP_mma: case OP_mul: case OP_neg: case OP_not: case OP_or: case OP_popc:
    case OP_prmt: case OP_redux: case OP_rem: case OP_selp: case OP_set: case OP_setp: case OP_shf: case OP_shfl:
    case OP_shl: case OP_shr: case OP_sqrt: case OP_sub: case OP_vote: case OP_xor: case OP_COUNT: break;
    }
    if (i->op == OP_setp || i->op == OP_set) {
        struct ptype of = i->type[i->ntype - 1];
        bool is = compare(i->cmp, opd_value(u, t, &i->opd[1], of), opd_value(u, t, &i->opd[2], of), of);
        if (i->op == OP_set && type.kind == K_FLOAT) return ptx_fail(u, t, i, "set to f32");
        reg_set(u, t, &i->opd[0], i->op == OP_set ? (is ? UINT64_MAX : 0) : is);
        return true;
    }
    if (i->op == OP_selp) {
        bool is = opd_value(u, t, &i->opd[3], (struct ptype){K_PRED, 1}) != 0;
        reg_set(u, t, &i->opd[0], opd_value(u, t, &i->opd[is ? 1 : 2], type));
        return true;
    }
    if (type.kind == K_FLOAT) return float_op(u, t, i);
    if (type.kind == K_UINT_PAIR || type.kind == K_SINT_PAIR) return pair_op(u, t, i);
    for (int k = 1; k < i->nopd && k <= 4; k++) {
        v[k - 1] = opd_value(u, t, &i->opd[k], source_type(i, k));
    }
    switch ((int)i->op) {
    case OP_add: case OP_sub: {
        __int128 x = type.kind == K_SINT ? (__int128)(int64_t)v[0] : (__int128)v[0];
        __int128 y = type.kind == K_SINT ? (__int128)(int64_t)v[1] : (__int128)v[1];
        __int128 sum = i->op == OP_add ? x + y : x - y;
        out = i->sat ? saturated(sum, type) : (uint64_t)sum;
        break;
    }
    case OP_mul: out = i->part == PART_HI ? mul_high(v[0], v[1], type) : v[0] * v[1]; break;
    case OP_mad: out = (i->part == PART_HI ? mul_high(v[0], v[1], type) : v[0] * v[1]) + v[2]; break;
    case OP_div: case OP_rem: {
        bool zero = !v[1], wraps = type.kind == K_SINT && (int64_t)v[1] == -1;
        if (zero) return ptx_fail(u, t, i, "a division by zero");
        if (wraps) out = i->op == OP_div ? 0 - v[0] : 0;
        else if (type.kind == K_SINT) out = (uint64_t)(i->op == OP_div ? (int64_t)v[0] / (int64_t)v[1] : (int64_t)v[0] % (int64_t)v[1]);
        else out = i->op == OP_div ? v[0] / v[1] : v[0] % v[1];
        break;
    }
    case OP_min: out = less(v[1], v[0], type) ? v[1] : v[0]; break;
    case OP_max: out = less(v[0], v[1], type) ? v[1] : v[0]; break;
    case OP_abs: out = (int64_t)v[0] < 0 ? 0 - v[0] : v[0]; break;
    case OP_neg: out = 0 - v[0]; break;
    case OP_and: out = v[0] & v[1]; break;
    case OP_or: out = v[0] | v[1]; break;
    case OP_xor: out = v[0] ^ v[1]; break;
    case OP_not: out = ~v[0]; break;
    case OP_shl: out = v[1] >= type.bits ? 0 : v[0] << v[1]; break;
    case OP_shr: {
        uint64_t by = v[1] >= type.bits ? type.bits - 1u : v[1];
        if (type.kind == K_SINT) out = (uint64_t)((int64_t)v[0] >> by);
        else out = v[1] >= type.bits ? 0 : v[0] >> v[1];
        break;
    }
    case OP_shf: {
        uint64_t both = v[1] << 32 | v[0], by = i->wrap ? v[2] & 31 : v[2] > 32 ? 32 : v[2];
        out = i->left ? (by == 32 ? v[0] : both << by >> 32) : both >> by;
        break;
    }
    case OP_prmt: out = permute(v[0], v[1], v[2]); break;
    case OP_lop3: out = logic3(v[0], v[1], v[2], (unsigned)v[3]); break;
    case OP_bfe: out = field(v[0], v[1], v[2], type); break;
    case OP_bfi: out = insert(v[0], v[1], v[2], v[3], type.bits); break;
    case OP_brev: out = reversed(v[0], type.bits); break;
    case OP_popc: out = (uint64_t)__builtin_popcountll(v[0]); break;
    case OP_clz: out = v[0] ? (uint64_t)__builtin_clzll(v[0]) - (64u - type.bits) : type.bits; break;
    case OP_dp4a:
        u->r->dp4a++;
        out = dot4(v[0], v[1], v[2], i->type[0], i->type[1]);
        break;
    case OP_dp2a: out = dot2(v[0], v[1], v[2], i->type[0], i->type[1], i->part == PART_HI); break;
    default: return ptx_fail(u, t, i, "%s is not known here", ptx_op_name[i->op]);
    }
    reg_set(u, t, &i->opd[0], out);
    return true;
}
