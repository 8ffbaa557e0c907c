/* SPDX-License-Identifier: Apache-2.0 */
/* unwind.h - the tables by which others find the frames above a kernel's: DWARF's call frame information, `.eh_frame`.
 *
 * Objects have it (codegen's attribute uwtable). gdb reads it from the symbol file it is given (perf.c). backtrace() and
 * whoever else walks stacks within the process ask libgcc, which knows tables of loaded files and those registered here.
 * It takes a lock for that, and once anything is registered each of its look-ups takes one too, so it is done on request. */
#ifndef QJ_RUNTIME_UNWIND_H
#define QJ_RUNTIME_UNWIND_H

#include "ir/base/base.h"

enum { UNWIND_END = 4 };        /* zeroes behind a table, which end it */

/* Is it a sequence of records that end where it does, each by the common one before it? What is in them is believed, as
 * code is. */
bool unwind_whole(const uint8_t *table, size_t n);

/* A table that is whole, relocated and ended by UNWIND_END zeroes. False: this process has no libgcc. Thread-safe. */
bool unwind_register(const uint8_t *table);
void unwind_forget(const uint8_t *table);      /* before it is unmapped, as often as registered */

#endif
