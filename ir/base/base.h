/* SPDX-License-Identifier: Apache-2.0 */
/* base.h - what every file may assume: fixed-width types, a few macros, checked arithmetic.
 *
 * Includes nothing but libc. QJ_ASSERT is for our own bugs only; what a user gave us is an
 * error value (ir/base/err.h), never an assert. */
#ifndef QJ_IR_BASE_BASE_H
#define QJ_IR_BASE_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define QJ_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define QJ_NORETURN __attribute__((noreturn))
#define QJ_WARN_UNUSED __attribute__((warn_unused_result))

/* Greatest rank of a tensor; physical ranks (after a layout) may be twice that. */
enum { QJ_MAX_RANK = 8, QJ_MAX_PHYS = 16 };

QJ_NORETURN void qj_bug(const char *file, int line, const char *what);
#define QJ_ASSERT(c) ((c) ? (void)0 : qj_bug(__FILE__, __LINE__, #c))

static inline int64_t i64_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t i64_max(int64_t a, int64_t b) { return a > b ? a : b; }

/* Floor division and modulo: the one meaning of / and % in the whole project. Total: x/0 = x%0 = 0. */
static inline int64_t floor_div(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return q - ((a % b != 0) && ((a < 0) != (b < 0)));
}
static inline int64_t floor_mod(int64_t a, int64_t b)
{
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
static inline int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

/* Checked arithmetic: true and *out set when the exact result fits. */
static inline bool ck_add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool ck_sub(int64_t a, int64_t b, int64_t *out) { return !__builtin_sub_overflow(a, b, out); }
static inline bool ck_mul(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

static inline uint64_t hash_mix(uint64_t h, uint64_t v)
{
    h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
    h *= 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

#endif
