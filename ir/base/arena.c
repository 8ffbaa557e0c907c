/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) __asan_poison_memory_region((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

enum { ALIGN = 16, FIRST_CHUNK = 16 << 10, MAX_CHUNK = 1 << 20, POLL_EVERY = 256 };

struct arena_chunk {
    struct arena_chunk *prev;
    size_t size, used;
    _Alignas(16) unsigned char data[];
};

void qj_bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "qjit: internal error at %s:%d: %s\n", file, line, what);
    abort();
}

void arena_init(struct arena *a, struct limits *limits)
{
    memset(a, 0, sizeof *a);
    a->limits = limits;
}

void arena_init_beside(struct arena *a, const struct arena *other)
{
    arena_init(a, other->limits);
    a->pad = other->pad;
}

void arena_release(struct arena *a)
{
    while (a->head) {
        struct arena_chunk *c = a->head;
        a->head = c->prev;
        UNPOISON(c->data, c->size);
        free(c);
    }
    limits_give(a->limits, a->total);
    a->total = 0;
}

void arena_out_of_memory(struct arena *a)
{
    if (a->pad) longjmp(*a->pad, ARENA_NO_MEMORY);
    qj_bug(__FILE__, __LINE__, "out of memory outside an API call");
}

void arena_poll(struct arena *a)
{
    a->since_poll = 0;
    if (a->pad && limits_over(a->limits)) longjmp(*a->pad, ARENA_NO_TIME);
}

static void new_chunk(struct arena *a, size_t need)
{
    size_t size = a->head ? a->head->size * 2 : FIRST_CHUNK;
    if (size > MAX_CHUNK) size = MAX_CHUNK;
    if (size < need) size = need;
    if (need > SIZE_MAX / 2 || !limits_take(a->limits, size)) arena_out_of_memory(a);
    struct arena_chunk *c = malloc(sizeof *c + size);
    if (!c) {
        limits_give(a->limits, size);
        arena_out_of_memory(a);
    }
    c->prev = a->head;
    c->size = size;
    c->used = 0;
    POISON(c->data, size);
    a->head = c;
    a->total += size;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 4) arena_out_of_memory(a);
    if (++a->since_poll >= POLL_EVERY) arena_poll(a);
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!a->head || a->head->size - a->head->used < size) new_chunk(a, size);
    void *p = a->head->data + a->head->used;
    a->head->used += size;
    UNPOISON(p, size);
    return memset(p, 0, size);
}

void *arena_alloc_array(struct arena *a, size_t size, size_t n)
{
    size_t bytes;
    if (__builtin_mul_overflow(size, n, &bytes)) arena_out_of_memory(a);
    return arena_alloc(a, bytes);
}

void *arena_copy(struct arena *a, const void *src, size_t size)
{
    void *p = arena_alloc(a, size);
    if (size) memcpy(p, src, size);
    return p;
}

void *arena_grow(struct arena *a, const void *old, size_t size, size_t n, size_t *cap)
{
    size_t more = *cap ? *cap * 2 : 8;
    void *p = arena_alloc_array(a, size, more); /* may not return: *cap must still be true then */
    *cap = more;
    if (n) memcpy(p, old, size * n);
    return p;
}

struct arena_mark arena_mark(const struct arena *a)
{
    struct arena_mark m = {a->head, a->head ? a->head->used : 0};
    return m;
}

void arena_reset(struct arena *a, struct arena_mark m)
{
    while (a->head != m.chunk) {
        struct arena_chunk *c = a->head;
        QJ_ASSERT(c);
        a->head = c->prev;
        a->total -= c->size;
        limits_give(a->limits, c->size);
        UNPOISON(c->data, c->size);
        free(c);
    }
    if (a->head) {
        a->head->used = m.used;
        POISON(a->head->data + m.used, a->head->size - m.used);
    }
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, n + 1);
    if (n) memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s) { return arena_strndup(a, s, strlen(s)); }

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0) n = 0;
    char *p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}
