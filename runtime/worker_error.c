/* SPDX-License-Identifier: Apache-2.0 */
/* worker_error.c - an error value as bytes: three numbers, then texts, each counted, of which some may be missing. */
#include "runtime/worker_error.h"

#include <stdlib.h>

enum { TEXTS = 5, TEXT_MAX = 1 << 20 };
struct head { uint64_t step, at, len; };
static const uint64_t missing = UINT64_MAX;

bool worker_error_write(const struct err *from, void **bytes, size_t *n)
{
    const char *const text[TEXTS] = {err_name(from->code), from->msg, from->hint, from->detail, from->span.text};
    struct head h = {(uint64_t)from->step, from->span.at, from->span.len};
    size_t size = sizeof h;
    for (int i = 0; i < TEXTS; i++) size += sizeof(uint64_t) + (text[i] ? strlen(text[i]) : 0);
    char *p = malloc(size);
    if (!p) return false;
    *bytes = p;
    *n = size;
    memcpy(p, &h, sizeof h);
    p += sizeof h;
    for (int i = 0; i < TEXTS; i++) {
        uint64_t len = text[i] ? strlen(text[i]) : missing;
        memcpy(p, &len, sizeof len);
        p += sizeof len;
        if (!text[i]) continue;
        memcpy(p, text[i], len);
        p += len;
    }
    return true;
}

static enum err_code code_of(const char *name)
{
    int i = 1;
    while (i < ERR_COUNT && strcmp(err_name((enum err_code)i), name)) i++;
    return i < ERR_COUNT ? (enum err_code)i : ERR_NONE;
}

bool worker_error_read(struct err_state *e, const void *bytes, size_t n)
{
    const char *p = bytes, *end = p + n, *text[TEXTS] = {NULL};
    struct head h;
    if (n < sizeof h) return false;
    memcpy(&h, p, sizeof h);
    p += sizeof h;
    for (int i = 0; i < TEXTS; i++) {
        uint64_t len;
        if ((size_t)(end - p) < sizeof len) return false;
        memcpy(&len, p, sizeof len);
        p += sizeof len;
        if (len == missing) continue;
        if (len > (size_t)(end - p) || len > TEXT_MAX || memchr(p, 0, len)) return false;
        text[i] = arena_strndup(&e->arena, p, len);
        p += len;
    }
    enum err_code code = text[0] ? code_of(text[0]) : ERR_NONE;
    size_t source = text[4] ? strlen(text[4]) : 0;
    if (p != end || code == ERR_NONE || !text[1] || h.step > INT16_MAX || h.at > source || h.len > source - h.at) return false;
    err_set(e, code, (struct span){NULL, text[4], h.at, h.len}, "%s", text[1]);
    if (text[2]) err_hint(e, "%s", text[2]);
    if (text[3]) err_detail(e, text[3]);
    e->first.step = (int)h.step;
    return true;
}
