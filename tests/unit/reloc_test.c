/* SPDX-License-Identifier: Apache-2.0 */
/* reloc_test.c - what a relocation writes is what the processor will read: each kind at random places, read back by the
 * architecture's rule; the last distance that fits and the first that does not; nothing written where it does not. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/reloc.h"
#include "tests/support/harness.h"

static uint32_t apply(int machine, unsigned type, uint32_t old, uint64_t target, uint64_t place, bool *ok)
{
    uint8_t field[RELOC_BYTES];
    uint32_t v;
    memcpy(field, &old, sizeof field);
    *ok = reloc_apply(reloc_of(machine, type), field, target, place);
    memcpy(&v, field, sizeof v);
    if (!*ok) assert_int_equal(v, old);
    return v;
}

static int64_t with_sign(uint64_t v, int bits) { return (int64_t)(v << (64 - bits)) >> (64 - bits); }

/* A place anywhere, a target within 2^bits of it. */
static void near(struct rng *r, int bits, uint64_t *target, uint64_t *place)
{
    *place = rng_next(r) & ~UINT64_C(3);
    *target = *place + (uint64_t)(with_sign(rng_next(r), bits) & ~INT64_C(3));
}

static void distances(void **state)
{
    static const unsigned type[] = {R_X86_64_PC32, R_X86_64_PLT32, R_X86_64_GOTPCREL, R_X86_64_GOTPCRELX, R_X86_64_REX_GOTPCRELX};
    struct rng r = {1};
    bool ok;
    for (int n = 0; n < 20000; n++) {
        uint64_t to, at;
        near(&r, 32, &to, &at);
        to += rng_next(&r) % 4;
        if (with_sign(to - at, 32) != (int64_t)(to - at)) continue;
        uint32_t v = apply(EM_X86_64, type[n % 5], 0xdeadbeef, to, at, &ok);
        assert_true(ok && at + (uint64_t)(int64_t)(int32_t)v == to);
        v = apply(EM_AARCH64, R_AARCH64_PREL32, 0xdeadbeef, to, at, &ok);
        assert_true(ok && at + (uint64_t)(int64_t)(int32_t)v == to);
    }
    static const struct { int64_t distance; bool fits; } edge[] = {
        {INT32_MAX, true}, {INT64_C(1) + INT32_MAX, false}, {INT32_MIN, true}, {INT64_C(-1) + INT32_MIN, false},
        {INT64_C(1) << 32, false}, {INT64_MAX, false}, {INT64_MIN, false}, {0, true}};
    for (size_t i = 0; i < ARRAY_LEN(edge); i++) {
        apply(EM_X86_64, R_X86_64_PC32, 0, 0x1000 + (uint64_t)edge[i].distance, 0x1000, &ok);
        assert_int_equal(ok, edge[i].fits);
    }
}

static void branches(void **state)
{
    struct rng r = {2};
    bool ok;
    for (int n = 0; n < 20000; n++) {
        uint64_t to, at;
        near(&r, 28, &to, &at);
        uint32_t old = n & 1 ? 0x94000000u : 0x14000000u, v; /* bl, b */
        v = apply(EM_AARCH64, n & 1 ? R_AARCH64_CALL26 : R_AARCH64_JUMP26, old | (uint32_t)(rng_next(&r) & 0x3ffffff), to, at, &ok);
        assert_true(ok && v >> 26 == old >> 26 && at + (uint64_t)(with_sign(v & 0x3ffffff, 26) * 4) == to);
    }
    static const struct { int64_t distance; bool fits; } edge[] = {
        {(1 << 27) - 4, true}, {1 << 27, false}, {-(1 << 27), true}, {-(1 << 27) - 4, false}, {2, false}, {1, false}};
    for (size_t i = 0; i < ARRAY_LEN(edge); i++) {
        apply(EM_AARCH64, R_AARCH64_CALL26, 0x94000000u, (UINT64_C(1) << 40) + (uint64_t)edge[i].distance, UINT64_C(1) << 40, &ok);
        assert_int_equal(ok, edge[i].fits);
    }
}

/* adrp x, to; add, ldr or str by the low bits: together they make the address. */
static void pages(void **state)
{
    static const struct { unsigned type, scale; uint32_t code; } low[] = {
        {R_AARCH64_ADD_ABS_LO12_NC, 0, 0x91000000u},     {R_AARCH64_LDST8_ABS_LO12_NC, 0, 0x39400000u},
        {R_AARCH64_LDST16_ABS_LO12_NC, 1, 0x79400000u},  {R_AARCH64_LDST32_ABS_LO12_NC, 2, 0xb9400000u},
        {R_AARCH64_LDST64_ABS_LO12_NC, 3, 0xf9400000u},  {R_AARCH64_LDST128_ABS_LO12_NC, 4, 0x3dc00000u},
        {R_AARCH64_LD64_GOT_LO12_NC, 3, 0xf9400000u}};
    struct rng r = {3};
    bool ok;
    for (int n = 0; n < 20000; n++) {
        size_t k = (size_t)n % ARRAY_LEN(low);
        uint64_t to, at, unit = UINT64_C(1) << low[k].scale;
        uint32_t regs = (uint32_t)(rng_next(&r) & 0x3ff), rd = regs & 31;
        near(&r, 32, &to, &at);
        to = (to + rng_next(&r) % 4096) & ~(unit - 1);
        uint32_t v = apply(EM_AARCH64, low[k].type == R_AARCH64_LD64_GOT_LO12_NC ? R_AARCH64_ADR_GOT_PAGE : R_AARCH64_ADR_PREL_PG_HI21,
                           0x90000000u | rd, to, at, &ok);
        assert_true(ok && (v & 0x9f00001fu) == (0x90000000u | rd));
        uint64_t page = (at & ~UINT64_C(4095)) + (uint64_t)(with_sign((v >> 5 & 0x7ffff) << 2 | (v >> 29 & 3), 21) * 4096);
        v = apply(EM_AARCH64, low[k].type, low[k].code | regs | (uint32_t)(rng_next(&r) & 0xfff) << 10, to, at, &ok);
        assert_true(ok && (v & 0xffc003ffu) == (low[k].code | regs));
        assert_true(page + (uint64_t)(v >> 10 & 0xfff) * unit == to);
        if (unit == 1) continue;
        apply(EM_AARCH64, low[k].type, low[k].code, to + unit / 2, at, &ok);
        assert_false(ok);
    }
    const uint64_t at = UINT64_C(1) << 40; /* pages up to 4 GB forward and back */
    static const struct { int64_t distance; bool fits; } edge[] = {
        {INT64_C(0xffffffff), true}, {INT64_C(0x100000000), false}, {-INT64_C(0x100000000), true}, {-INT64_C(0x100000001), false}};
    for (size_t i = 0; i < ARRAY_LEN(edge); i++) {
        apply(EM_AARCH64, R_AARCH64_ADR_PREL_PG_HI21, 0x90000000u, at + (uint64_t)edge[i].distance, at, &ok);
        assert_int_equal(ok, edge[i].fits);
    }
}

static void no_other_kinds(void **state)
{
    static const struct { int machine; unsigned type; } none[] = {
        {EM_X86_64, R_X86_64_64}, {EM_X86_64, R_X86_64_32S}, {EM_X86_64, R_X86_64_COPY}, {EM_X86_64, R_X86_64_NONE},
        {EM_X86_64, R_AARCH64_CALL26}, {EM_AARCH64, R_X86_64_PC32}, {EM_AARCH64, R_AARCH64_ABS64}, {EM_386, R_X86_64_PC32}};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) assert_null(reloc_of(none[i].machine, none[i].type));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances), cmocka_unit_test(branches), cmocka_unit_test(pages), cmocka_unit_test(no_other_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
