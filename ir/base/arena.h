/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that is freed all at once.
 *
 * Everything with a lifetime of "the context", "one compile" or "one pass" comes from an arena and
 * is returned as a borrowed const pointer; nothing in it is freed alone. When memory or a limit
 * runs out, arena_alloc does the project's only longjmp, to the pad set by the API entry point
 * (runtime/api.c); without a pad running out is a bug, and limits of time are not looked at.
 *
 *     struct arena a;
 *     arena_init(&a, NULL);
 *     struct point *p = ARENA_NEW(&a, struct point);      // zeroed
 *     struct arena_mark m = arena_mark(&a);
 *     ... scratch ...
 *     arena_reset(&a, m);                                  // frees what came after the mark
 *     arena_release(&a);
 */
#ifndef QJ_IR_BASE_ARENA_H
#define QJ_IR_BASE_ARENA_H

#include <setjmp.h>

#include "ir/base/limits.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head;
    size_t total;           /* bytes obtained from malloc */
    uint32_t since_poll;    /* allocations */
    struct limits *limits;  /* what it is charged to, shared and borrowed; NULL: none */
    jmp_buf *pad;           /* where to go when memory or time run out, with one of: */
};
enum { ARENA_NO_MEMORY = 1, ARENA_NO_TIME };

struct arena_mark {
    struct arena_chunk *chunk;
    size_t used;
};

void arena_init(struct arena *a, struct limits *limits);
/* One that ends before `other` and runs out with it. */
void arena_init_beside(struct arena *a, const struct arena *other);
void arena_release(struct arena *a);
QJ_NORETURN void arena_out_of_memory(struct arena *a);            /* the longjmp; for tables beside an arena */
/* Leaves when the call is cancelled or its deadline is over; for loops that allocate nothing. */
void arena_poll(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);                 /* zeroed, 16-byte aligned */
void *arena_copy(struct arena *a, const void *src, size_t size); /* src may be NULL when size is 0 */
struct arena_mark arena_mark(const struct arena *a);
void arena_reset(struct arena *a, struct arena_mark m);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) QJ_PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) QJ_PRINTF(2, 0);

#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc_array((a), sizeof(T), (size_t)(n)))
void *arena_alloc_array(struct arena *a, size_t size, size_t n);

/* A growing array in an arena: declare `VEC(int) v = {0};`, push with VEC_PUSH(arena, v, x). */
#define VEC(T) struct { T *at; size_t n, cap; }
#define VEC_PUSH(arena, v, x)                                                                     \
    do {                                                                                          \
        if ((v).n == (v).cap)                                                                     \
            (v).at = arena_grow((arena), (v).at, sizeof *(v).at, (v).n, &(v).cap);                \
        (v).at[(v).n++] = (x);                                                                    \
    } while (0)
void *arena_grow(struct arena *a, const void *old, size_t size, size_t n, size_t *cap);

#endif
