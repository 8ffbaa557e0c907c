/* SPDX-License-Identifier: Apache-2.0 */
/* archive.c - contract in archive.h. Sections in order: the magic, the index of symbols (`/`: how many, where the member of
 * each begins, their names; numbers are big-endian), long member names (`//`), the members, each at an even place. */
#include "runtime/archive.h"

#include <stdio.h>

#include "ir/base/str.h"

enum { HEAD = 60, SHORT_NAME = 15 };
static const char magic[] = "!<arch>\n";

static size_t even(size_t n) { return n + (n & 1); }

static void put_head(struct str *s, const char *name, size_t size, bool member)
{
    char head[HEAD + 1];
    if (member) snprintf(head, sizeof head, "%-16s%-12d%-6d%-6d%-8s%-10zu`\n", name, 0, 0, 0, "644", size);
    else snprintf(head, sizeof head, "%-48s%-10zu`\n", name, size);
    str_putn(s, head, HEAD);
}

static void put_body(struct str *s, const void *bytes, size_t n)
{
    str_putn(s, bytes, n);
    if (n & 1) str_putc(s, '\n');
}

static void put_number(struct str *s, size_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8) str_putc(s, (char)(v >> shift & 255));
}

const void *archive_bytes(struct arena *a, int n, const struct archive_member *m, size_t *size)
{
    struct str names = str_on(a), index = str_on(a), out = str_on(a);
    const char **name = ARENA_ARRAY(a, const char *, n + 1);
    size_t nsymbol = 0, text = 0;
    for (int i = 0; i < n; i++) {
        bool is_short = strlen(m[i].name) <= SHORT_NAME;
        name[i] = is_short ? arena_printf(a, "%s/", m[i].name) : arena_printf(a, "/%zu", names.n);
        if (!is_short) str_printf(&names, "%s/\n", m[i].name);
        for (int k = 0; k < m[i].nsymbol; k++) text += strlen(m[i].symbol[k]) + 1;
        nsymbol += (size_t)m[i].nsymbol;
    }
    size_t at = strlen(magic) + HEAD + even(4 + 4 * nsymbol + text) + (names.n ? HEAD + even(names.n) : 0);
    put_number(&index, nsymbol);
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < m[i].nsymbol; k++) put_number(&index, at);
        at += HEAD + even(m[i].size);
    }
    if (at > UINT32_MAX) return NULL;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < m[i].nsymbol; k++) str_putn(&index, m[i].symbol[k], strlen(m[i].symbol[k]) + 1);
    str_put(&out, magic);
    put_head(&out, "/", index.n, true);
    put_body(&out, str_text(&index), index.n);
    if (names.n) {
        put_head(&out, "//", names.n, false);
        put_body(&out, str_text(&names), names.n);
    }
    for (int i = 0; i < n; i++) {
        put_head(&out, name[i], m[i].size, true);
        put_body(&out, m[i].bytes, m[i].size);
    }
    *size = out.n;
    return str_text(&out);
}
