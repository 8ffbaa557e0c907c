/* SPDX-License-Identifier: Apache-2.0 */
/* bytecode_run.c - runs register code. Contract in bytecode.h. */
#include <inttypes.h>
#include <math.h>

#include "ir/bytecode.h"

union value value_load(enum dtype d, const void *base, int64_t at)
{
    union value v = {.i = 0};
    switch (d) {
    case DT_BOOL: v.i = ((const uint8_t *)base)[at] != 0; break;
    case DT_I8: v.i = ((const int8_t *)base)[at]; break;
    case DT_U8: v.i = ((const uint8_t *)base)[at]; break;
    case DT_I16: v.i = ((const int16_t *)base)[at]; break;
    case DT_U16: v.i = ((const uint16_t *)base)[at]; break;
    case DT_I32: v.i = ((const int32_t *)base)[at]; break;
    case DT_I64: v.i = ((const int64_t *)base)[at]; break;
    case DT_F32: v.f = ((const float *)base)[at]; break;
    case DT_COUNT: QJ_ASSERT(!"unknown type");
    }
    return v;
}

void value_store(enum dtype d, void *base, int64_t at, union value v)
{
    switch (d) {
    case DT_BOOL: ((uint8_t *)base)[at] = v.i != 0; break;
    case DT_I8: case DT_U8: ((uint8_t *)base)[at] = (uint8_t)v.i; break;
    case DT_I16: case DT_U16: ((uint16_t *)base)[at] = (uint16_t)v.i; break;
    case DT_I32: ((int32_t *)base)[at] = (int32_t)v.i; break;
    case DT_I64: ((int64_t *)base)[at] = v.i; break;
    case DT_F32: ((float *)base)[at] = v.f; break;
    case DT_COUNT: QJ_ASSERT(!"unknown type");
    }
}

/* ---- traps ---- */

static bool trap(struct bc *b, const struct bc_ins *i, int kind, const char *text)
{
    b->trap.kind = kind;
    b->trap.at = (int)(i - b->ins.at);
    b->trap.text = text;
    return false;
}

static bool trap_overflow(struct bc *b, const struct bc_ins *i)
{
    int64_t x = b->reg.at[i->a].i, y = b->reg.at[i->b].i;
    return trap(b, i, BC_TRAP_OVERFLOW, arena_printf(b->arena, "i64 overflow in %" PRId64 " %s %" PRId64, x,
                                                     op_info[i->sub].spelling, y));
}

static bool trap_bounds(struct bc *b, const struct bc_ins *i)
{
    const struct bc_dim *d = &b->dim.at[i->x];
    const struct bc_mem *m = &b->mem[d->mem];
    int64_t at = b->reg.at[i->b].i;
    if (d->dim < 0)
        return trap(b, i, BC_TRAP_BOUNDS, arena_printf(b->arena, "flat index %" PRId64 " of %s is outside 0..%" PRId64,
                                                       at, m->name, d->extent));
    const char *dim = m->dim_name ? arena_printf(b->arena, " (%s)", m->dim_name[d->dim]) : "";
    return trap(b, i, BC_TRAP_BOUNDS, arena_printf(b->arena, "index %d%s of %s is %" PRId64 ", outside 0..%" PRId64,
                                                   d->dim + 1, dim, m->name, at, d->extent));
}

const char *bc_element(struct arena *a, const struct bc_mem *m, int64_t at)
{
    int64_t idx[QJ_MAX_PHYS], stride[QJ_MAX_PHYS], n = 1;
    for (int k = m->ndim - 1; k >= 0; n = n * m->shape[k] + (k && m->gap ? m->gap[k - 1] : 0), k--) stride[k] = n;
    for (int k = 0; k < m->ndim; at %= stride[k++]) idx[k] = at / stride[k];
    struct str s = str_on(a);
    str_printf(&s, "%s[", m->name);
    for (int k = 0; k < m->ndim; k++) str_printf(&s, "%s%" PRId64, k ? ", " : "", idx[k]);
    str_putc(&s, ']');
    return str_text(&s);
}

/* A missing element: made by the owner, or a fault. */
static bool need(struct bc *b, const struct bc_ins *i)
{
    int64_t at = b->reg.at[i->a].i;
    if (b->miss) return b->miss(b->u, i->x, at) || trap(b, i, BC_TRAP_REPORTED, NULL);
    return trap(b, i, BC_TRAP_UNSET, arena_printf(b->arena, "%s is read but was never written",
                                                  bc_element(b->arena, &b->mem[i->x], at)));
}

static bool call_extern(struct bc *b, const struct bc_ins *i)
{
    const struct bc_extern *x = &b->ext.at[i->x];
    union value arg[EXTERN_MAX_ARGS], *d = &b->reg.at[i->d];
    for (int k = 0; k < x->f->narg; k++) arg[k] = b->reg.at[x->arg[k]];
    if (!b->c->host.call(b->c->host.u, b->c, x->f, arg, d)) return trap(b, i, BC_TRAP_REPORTED, NULL);
    if (x->f->result != DT_F32) d->i = ir_wrap(x->f->result, d->i);
    return true;
}

/* ---- the machine ---- */

enum { POLL_EVERY = 1 << 14 };

static inline void poll(struct bc *b)
{
    if (++b->since_poll < POLL_EVERY) return;
    b->since_poll = 0;
    arena_poll(b->arena);
}

/* Advances the reduced axes in row-major order; false when they are through. */
static bool next(struct bc *b, union value *r)
{
    int k = b->naxis - 1;
    while (k >= b->nout && ++b->pos[k] == b->axis[k].extent) b->pos[k--] = 0;
    if (k < b->nout) return false;
    int n = (int)b->cursor.n;
    const struct bc_step *s = b->step + (k - b->nout) * n;
    for (int i = 0; i < n; i++) r[s[i].reg].i += s[i].by;
    return true;
}

static bool commit(struct bc *b, int x)
{
    struct bc_mem *m = &b->mem[x];
    for (int k = 0; k < b->staged.n; k++) {
        if (m->watched && !b->touch(b->u, x, b->staged.at[k], 1, true)) return false;
        value_store(m->dt, m->base, b->staged.at[k], b->staged.value[k]);
        if (m->set) m->set[b->staged.at[k]] = !m->late;
        if (m->late) b->later(b->u, x, b->staged.at[k]);
    }
    b->staged.n = 0;
    return true;
}

bool bc_run(struct bc *b, int from)
{
    union value *r = b->reg.at;
    struct bc_mem *mem = b->mem;
    const struct bc_ins *code = b->ins.at;
    b->trap.kind = BC_TRAP_NONE;
    b->trap.text = NULL;
    b->staged.n = 0;
#define D r[i->d]
#define A r[i->a]
#define B r[i->b]
#define AT(T) (((const T *)mem[i->x].base)[A.i])
/* The destination may be an operand, and a trap shows the operands. */
#define CHECKED(fn)                                                                               \
    {                                                                                             \
        int64_t v;                                                                                \
        if (!ck_##fn(A.i, B.i, &v)) return trap_overflow(b, i);                                   \
        D.i = v;                                                                                  \
        break;                                                                                    \
    }
    for (const struct bc_ins *i = code + from;; i++) {
        if (i->op > BC_CALL) __builtin_unreachable();    /* spares the switch its range check */
        switch ((enum bc_op)i->op) {
        case BC_END: return true;
        case BC_MOV: D = A; break;
        case BC_JMP: i = code + i->a - 1; break;
        case BC_JZ: if (!B.i) i = code + i->a - 1; break;
        case BC_ADD32: D.i = (int32_t)((uint32_t)A.i + (uint32_t)B.i); break;
        case BC_SUB32: D.i = (int32_t)((uint32_t)A.i - (uint32_t)B.i); break;
        case BC_MUL32: D.i = (int32_t)((uint32_t)A.i * (uint32_t)B.i); break;
        case BC_MAC32: D.i = (int32_t)((uint32_t)D.i + (uint32_t)A.i * (uint32_t)B.i); break;
        case BC_ADD64: CHECKED(add)
        case BC_SUB64: CHECKED(sub)
        case BC_MUL64: CHECKED(mul)
        case BC_MIN: D.i = i64_min(A.i, B.i); break;
        case BC_MAX: D.i = i64_max(A.i, B.i); break;
        case BC_AND: D.i = A.i & B.i; break;
        case BC_OR: D.i = A.i | B.i; break;
        case BC_XOR: D.i = A.i ^ B.i; break;
        case BC_EQ: D.i = A.i == B.i; break;
        case BC_NE: D.i = A.i != B.i; break;
        case BC_LT: D.i = A.i < B.i; break;
        case BC_LE: D.i = A.i <= B.i; break;
        case BC_INT: {
            bool over = false;
            int64_t v = ir_apply_int((enum op)i->sub, (enum dtype)i->dt, A.i, B.i, &over);
            if (over) return trap_overflow(b, i);
            D.i = v;
            break;
        }
        case BC_FADD: D.f = A.f + B.f; break;
        case BC_FSUB: D.f = A.f - B.f; break;
        case BC_FMUL: D.f = A.f * B.f; break;
        case BC_FDIV: D.f = A.f / B.f; break;
        case BC_FMIN: D.f = A.f < B.f ? A.f : B.f; break;
        case BC_FMAX: D.f = A.f > B.f ? A.f : B.f; break;
        case BC_FEQ: D.i = A.f == B.f; break;
        case BC_FNE: D.i = A.f != B.f; break;
        case BC_FLT: D.i = A.f < B.f; break;
        case BC_FLE: D.i = A.f <= B.f; break;
        case BC_RINT: D.f = rintf(A.f); break;
        case BC_FMA: D.f = fmaf(A.f, B.f, r[i->x].f); break;
        case BC_WRAP: D.i = ir_wrap((enum dtype)i->dt, A.i); break;
        case BC_CLAMP: D.i = i64_min(i64_max(A.i, dtype_info[i->dt].lo), dtype_info[i->dt].hi); break;
        case BC_ITOF: D.f = (float)A.i; break;
        case BC_FTOI: D.i = ir_f32_to_int(A.f, (enum dtype)i->dt); break;
        case BC_DIM: {
            const struct bc_dim *d = &b->dim.at[i->x];
            if ((uint64_t)B.i >= (uint64_t)d->extent) return trap_bounds(b, i);
            D.i = A.i + B.i * d->stride;
            break;
        }
        case BC_NEED:
            if ((!mem[i->x].set || !mem[i->x].set[A.i]) && !need(b, i)) return false;
            break;
        case BC_LOAD8: D.i = AT(int8_t); break;
        case BC_LOADU8: D.i = AT(uint8_t); break;
        case BC_LOAD16: D.i = AT(int16_t); break;
        case BC_LOADU16: D.i = AT(uint16_t); break;
        case BC_LOAD32: D.i = AT(int32_t); break;
        case BC_LOAD64: D.i = AT(int64_t); break;
        case BC_LOADF32: D.f = AT(float); break;
        case BC_LOADBOOL: D.i = AT(uint8_t) != 0; break;
        case BC_FAR:
            if (!b->far(b->u, i->x, A.i, &D)) return trap(b, i, BC_TRAP_REPORTED, NULL);
            break;
        case BC_NEXT:
            poll(b);
            if (next(b, r)) i = code + i->a - 1;
            break;
        case BC_LOOP:
            poll(b);
            if (++D.i < B.i) i = code + i->a - 1;
            break;
        case BC_STAGE:
            b->staged.at[b->staged.n] = A.i;
            b->staged.value[b->staged.n++] = B;
            break;
        case BC_COMMIT:
            if (!commit(b, i->x)) return trap(b, i, BC_TRAP_REPORTED, NULL);
            break;
        case BC_FRESH: memset(mem[i->x].set, 0, (size_t)mem[i->x].elems); break;
        case BC_EXTERN:
            if (!call_extern(b, i)) return false;
            break;
        case BC_TOUCH:
            if (!b->touch(b->u, i->x, A.i, 1, false)) return trap(b, i, BC_TRAP_REPORTED, NULL);
            break;
        case BC_COPIES:
            if (!b->copies(b->u, i->a)) return trap(b, i, BC_TRAP_REPORTED, NULL);
            break;
        case BC_SYNC: case BC_COMBINE: return trap(b, i, BC_TRAP_SYNC, NULL);
        case BC_CALL:
            if (!b->call(b->u, i->x)) return trap(b, i, BC_TRAP_REPORTED, NULL);
            break;
        }
    }
#undef D
#undef A
#undef B
#undef AT
#undef CHECKED
}

bool bc_point(struct bc *b, const int64_t *idx, union value start, union value *out)
{
    union value *r = b->reg.at;
    poll(b);
    for (size_t i = 0; i < b->cursor.n; i++) {
        const struct bc_cursor *f = &b->cursor.at[i];
        int64_t v = f->base;
        for (int k = 0; k < b->nout; k++) v += f->coef[k] * idx[k];
        r[f->reg].i = v;
    }
    for (int k = 0; k < b->nout; k++) b->pos[k] = idx[k];
    for (int k = b->nout; k < b->naxis; k++) b->pos[k] = 0;
    if (b->acc >= 0) r[b->acc] = start;
    if (!bc_run(b, 0)) return false;
    *out = r[b->result];
    return true;
}
