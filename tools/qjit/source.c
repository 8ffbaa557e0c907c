/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - cutting text. Contract in source.h. */
#include "tools/qjit/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* No sensible script comes near; /dev/zero does. */
enum { SOURCE_MAX = 64 << 20 };

static char *must(void *p)
{
    if (!p) {
        fputs("qjit: out of memory\n", stderr);
        exit(5);
    }
    return p;
}

/* Text ends at a NUL character for half of the world, so there shall be none: \1 in its place is as little a
 * character of the language, and harmless in a comment. */
static void without_nul(struct source *s)
{
    s->text[s->n] = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!s->text[i]) s->text[i] = 1;
}

bool source_load(struct source *s, const char *path, const char **why)
{
    bool standard = !strcmp(path, "-");
    *s = (struct source){.name = standard ? "<stdin>" : path};
    FILE *f = standard ? stdin : fopen(path, "rb");
    struct stat st;
    *why = NULL;
    if (!f) *why = strerror(errno);
    else if (!standard && fstat(fileno(f), &st) == 0 && S_ISDIR(st.st_mode)) *why = strerror(EISDIR);
    size_t cap = 0;
    while (!*why) {
        if (s->n + 1 >= cap) s->text = must(realloc(s->text, cap = cap ? cap * 2 : 1 << 14));
        size_t got = fread(s->text + s->n, 1, cap - 1 - s->n, f);
        s->n += got;
        if (got == 0) {
            if (ferror(f)) *why = strerror(errno);
            break;
        }
        if (s->n > SOURCE_MAX) *why = "it is larger than 64 MiB";
    }
    if (f && !standard) fclose(f);
    if (*why) {
        source_free(s);
        return false;
    }
    if (s->n >= 3 && !memcmp(s->text, "\xef\xbb\xbf", 3)) memset(s->text, ' ', 3); /* a byte order mark; offsets stay */
    without_nul(s);
    return true;
}

void source_text(struct source *s, const char *name, const char *text, size_t n)
{
    *s = (struct source){.name = name, .text = must(malloc(n + 1)), .n = n};
    memcpy(s->text, text, n);
    without_nul(s);
}

void source_free(struct source *s)
{
    free(s->text);
    s->text = NULL;
    s->n = 0;
}

static size_t skip_string(const struct source *s, size_t i)
{
    for (i++; i < s->n && s->text[i] != '"' && s->text[i] != '\n'; i++)
        if (s->text[i] == '\\' && i + 1 < s->n && s->text[i + 1] != '\n') i++;
    return i < s->n && s->text[i] == '"' ? i + 1 : i;
}

static size_t skip_comment(const struct source *s, size_t i)
{
    while (i < s->n && s->text[i] != '\n') i++;
    return i;
}

bool source_next(const struct source *s, struct piece *p)
{
    size_t i = p->next;
    int line = p->next_line ? p->next_line : 1;
    for (; i < s->n; i++) {
        char c = s->text[i];
        if (c == '#') i = skip_comment(s, i), c = i < s->n ? '\n' : 0;
        if (c == '\n') line++;
        if (!c || !strchr(" \t\r\n;", c)) break;
    }
    if (i >= s->n) return false;
    *p = (struct piece){.src = s, .at = i, .line = line};
    size_t begin = i;
    while (begin > 0 && s->text[begin - 1] != '\n') begin--;
    p->col = (int)(i - begin) + 1;

    int nesting = 0;
    size_t end = i;
    while (i < s->n) {
        char c = s->text[i];
        if (c == ';' || (c == '\n' && nesting == 0)) break;
        if (c == '"') { end = i = skip_string(s, i); continue; }
        if (c == '#') { i = skip_comment(s, i); continue; }
        if (c == '(' || c == '[') nesting++;
        if ((c == ')' || c == ']') && nesting > 0) nesting--;
        if (c == '\n') line++;
        i++;
        if (!strchr(" \t\r\n", c)) end = i;
    }
    p->len = end - p->at;
    p->open = nesting > 0 && i >= s->n;
    p->next = i;
    p->next_line = line;
    return true;
}

void words_cut(struct words *w, const struct piece *p)
{
    *w = (struct words){0};
    char *to = w->store = must(malloc(2 * p->len + 2));
    const char *t = p->src->text;
    size_t i = p->at, end = p->at + p->len;
    for (;;) {
        while (i < end && strchr(" \t\r\n", t[i])) i++;
        if (i >= end || t[i] == '#') return;
        if (w->n == WORDS_MAX) {
            w->too_many = true;
            return;
        }
        struct word *x = &w->at[w->n++];
        *x = (struct word){.text = to, .at = i, .quoted = t[i] == '"'};
        while (i < end && !strchr(" \t\r\n", t[i])) {
            if (t[i] != '"') { *to++ = t[i++]; continue; }
            for (i++; i < end && t[i] != '"'; i++) {
                if (t[i] == '\\' && i + 1 < end && (t[i + 1] == '"' || t[i + 1] == '\\')) i++;
                *to++ = t[i];
            }
            if (i >= end) w->unclosed = true;
            else i++;
        }
        *to++ = 0;
        x->len = i - x->at;
    }
}

void words_free(struct words *w)
{
    free(w->store);
    w->store = NULL;
    w->n = 0;
}
