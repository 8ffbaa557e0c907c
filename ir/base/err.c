/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/base/err.h"

#include <stdio.h>

static const struct { const char *name, *hint; } rows[] = {
    {"none", ""},
#define ERR(code, name, hint) {name, hint},
#include "ir/base/err.def"
#undef ERR
};
_Static_assert(ARRAY_LEN(rows) == ERR_COUNT, "a row an error");

void err_init(struct err_state *e)
{
    memset(e, 0, sizeof *e);
    arena_init(&e->arena, NULL);
}

void err_release(struct err_state *e) { arena_release(&e->arena); }

void err_clear(struct err_state *e)
{
    memset(&e->first, 0, sizeof e->first);
    arena_reset(&e->arena, (struct arena_mark){NULL, 0});
}

bool err_set(struct err_state *e, enum err_code code, struct span at, const char *fmt, ...)
{
    if (err_is(e)) return false;
    if (code == ERR_MEMORY) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(e->memory, sizeof e->memory, fmt, args);
        va_end(args);
        e->first = (struct err){.code = code, .msg = e->memory, .hint = rows[code].hint};
        return false;
    }
    e->first.span = at;
    if (at.text) e->first.span.text = arena_strdup(&e->arena, at.text);
    if (at.file) e->first.span.file = arena_strdup(&e->arena, at.file);
    va_list ap;
    va_start(ap, fmt);
    e->first.msg = arena_vprintf(&e->arena, fmt, ap);
    va_end(ap);
    e->first.hint = rows[code].hint;
    e->first.code = code;
    return false;
}

void err_hint(struct err_state *e, const char *fmt, ...)
{
    if (!err_is(e)) return;
    va_list ap;
    va_start(ap, fmt);
    e->first.hint = arena_vprintf(&e->arena, fmt, ap);
    va_end(ap);
}

void err_detail(struct err_state *e, const char *text)
{
    if (err_is(e)) e->first.detail = arena_strdup(&e->arena, text);
}

const char *err_name(enum err_code code) { return code < ERR_COUNT ? rows[code].name : "?"; }
const char *err_row_hint(enum err_code code) { return code < ERR_COUNT ? rows[code].hint : ""; }

void err_place(const struct span *s, int *line, int *col)
{
    *line = *col = 1;
    if (!s->text) return;
    for (size_t i = 0; i < s->at && s->text[i]; i++) {
        if (s->text[i] == '\n') { ++*line; *col = 1; } else ++*col;
    }
}

/* Source text may hold anything; what goes to a terminal may not. */
static void put_safe(struct str *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        str_putc(out, c == '\t' ? ' ' : c < 32 || c == 127 ? '?' : (char)c);
    }
}

static void put_indented(struct str *out, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "\n");
        str_put(out, "  ");
        str_putn(out, s, n);
        str_putc(out, '\n');
        s += n + (s[n] == '\n');
    }
}

void err_render(const struct err *e, struct str *out)
{
    int line, col;
    err_place(&e->span, &line, &col);
    if (e->span.file) str_printf(out, "%s:", e->span.file);
    if (e->span.text) str_printf(out, "%d:%d: ", line, col);
    str_printf(out, "error: %s [%s]\n", e->msg, err_name(e->code));
    if (e->span.text) {
        const char *begin = e->span.text + e->span.at - (col - 1);
        size_t len = strcspn(begin, "\n"), skip = 0, room = 120;
        if ((size_t)col > room) skip = (size_t)col - room / 2;
        if (len > skip + room) len = skip + room;
        str_put(out, "  ");
        put_safe(out, begin + skip, len > skip ? len - skip : 0);
        str_put(out, "\n  ");
        for (size_t i = skip + 1; i < (size_t)col; i++) str_putc(out, ' ');
        size_t carets = e->span.len, left = len >= (size_t)col ? len - (size_t)col + 1 : 1;
        if (carets < 1) carets = 1;
        if (carets > left) carets = left;
        for (size_t i = 0; i < carets; i++) str_putc(out, '^');
        str_putc(out, '\n');
    }
    if (e->detail) put_indented(out, e->detail);
    if (e->hint && *e->hint) str_printf(out, "  hint: %s\n", e->hint);
}

/* Edit distance with swaps of neighbours (optimal string alignment), capped. */
static int distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    size_t n = strlen(a), m = strlen(b);
    if (n > MAX || m > MAX) return 99;
    int d[MAX + 1][MAX + 1];
    for (size_t i = 0; i <= n; i++) d[i][0] = (int)i;
    for (size_t j = 0; j <= m; j++) d[0][j] = (int)j;
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *err_suggest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    int best_d = strlen(word) < 4 ? 2 : 3;
    for (size_t i = 0; i < n; i++) {
        int dist = distance(word, names[i]);
        if (dist < best_d) { best_d = dist; best = names[i]; }
    }
    return best;
}
