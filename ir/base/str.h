/* SPDX-License-Identifier: Apache-2.0 */
/* str.h - a growing string in an arena.
 *
 *     struct str s = str_on(arena);
 *     str_printf(&s, "for %s in 0..%lld", name, (long long)n);
 *     puts(str_text(&s));
 */
#ifndef QJ_IR_BASE_STR_H
#define QJ_IR_BASE_STR_H

#include "ir/base/arena.h"

struct str {
    struct arena *arena;
    char *at;
    size_t n, cap;
};

static inline struct str str_on(struct arena *a) { return (struct str){a, NULL, 0, 0}; }
void str_putn(struct str *s, const char *text, size_t n);
static inline void str_put(struct str *s, const char *text) { str_putn(s, text, strlen(text)); }
static inline void str_putc(struct str *s, char c) { str_putn(s, &c, 1); }
void str_printf(struct str *s, const char *fmt, ...) QJ_PRINTF(2, 3);
void str_indent(struct str *s, int depth);      /* two spaces a level */
void str_f32(struct str *s, float v);           /* shortest text that reads back to the same bits */
const char *str_text(struct str *s);            /* NUL-terminated, valid until the next put */

#endif
