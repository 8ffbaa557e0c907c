/* SPDX-License-Identifier: Apache-2.0 */
/* unwind.c - contract in unwind.h. The table's form is that of the Linux Standard Base, "Exception Frames". */
#include "runtime/unwind.h"

/* libgcc's, documented by use alone; weak, as a program need not have it. Both take a lock. */
extern void __register_frame(void *table) __attribute__((weak));
extern void __deregister_frame(void *table) __attribute__((weak));

enum { LENGTH = 4, LONG_LENGTH = -1, COMMON_MIN = 9, FRAME_MIN = 12 }; /* bytes after the length: id, ... */

static uint32_t word(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

bool unwind_whole(const uint8_t *table, size_t n)
{
    size_t at = 0, common = n;
    while (n - at >= 2 * LENGTH) {
        uint32_t size = word(table + at), id = word(table + at + LENGTH);
        if (size == (uint32_t)LONG_LENGTH || size > n - at - LENGTH || size < (id ? FRAME_MIN : COMMON_MIN)) return false;
        if (id && (common == n || id != at + LENGTH - common)) return false;
        if (!id) common = at;
        at += LENGTH + size;
    }
    return at == n && n > 0;
}

bool unwind_register(const uint8_t *table)
{
    if (!__register_frame || !__deregister_frame) return false;
    __register_frame((void *)(uintptr_t)table);
    return true;
}

void unwind_forget(const uint8_t *table) { __deregister_frame((void *)(uintptr_t)table); }
