/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void str_putn(struct str *s, const char *text, size_t n)
{
    if (s->cap - s->n < n + 1) {
        size_t cap = s->cap ? s->cap * 2 : 128;
        while (cap < s->n + n + 1) cap *= 2;
        char *at = arena_alloc(s->arena, cap);
        if (s->n) memcpy(at, s->at, s->n);
        s->at = at;
        s->cap = cap;
    }
    if (n) memcpy(s->at + s->n, text, n);
    s->n += n;
    s->at[s->n] = 0;
}

void str_printf(struct str *s, const char *fmt, ...)
{
    char small[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof small)
        str_putn(s, small, (size_t)n);
    else
        str_put(s, arena_vprintf(s->arena, fmt, again));
    va_end(again);
}

void str_indent(struct str *s, int depth)
{
    for (int i = 0; i < depth; i++) str_put(s, "  ");
}

void str_f32(struct str *s, float v)
{
    if (isnan(v)) { str_put(s, "nan"); return; }
    if (isinf(v)) { str_put(s, v < 0 ? "-inf" : "inf"); return; }
    char buf[64];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, (double)v);
        if (strtof(buf, NULL) == v) break;
    }
    str_put(s, buf);
    if (!strpbrk(buf, ".en")) str_put(s, ".0");
}

const char *str_text(struct str *s)
{
    if (!s->at) str_putn(s, "", 0);
    return s->at;
}
