/* SPDX-License-Identifier: Apache-2.0 */
/* cnames.h - is a name free in C and C++? Objects and their headers are for such programs.
 *
 * A kernel's name has to be free: it is a function of the host's program. A function of the host's (`extern`) may be one of
 * the C library. Tensors need no rule: the header makes names of its own of theirs (codegen/artifact_text.c). */
#ifndef QJ_RUNTIME_CNAMES_H
#define QJ_RUNTIME_CNAMES_H

#include <stdbool.h>
#include <stddef.h>

enum cname { CNAME_FREE, CNAME_WORD, CNAME_MACRO, CNAME_RESERVED, CNAME_LIBRARY };

enum cname cname_of(const char *name);
extern const char *const cname_what[]; /* by enum cname: "a word of C or C++" */

#endif
