/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_store.c - any bytes are a stored kernel or an error; what is accepted writes back to the same bytes.
 *
 * Random bytes die at the magic, so the input edits a real kernel's bytes: pairs of (place, value), the place as two
 * bytes. In odd inputs whole 64-bit fields take small or extreme values. */
#include <stdint.h>
#include <stdlib.h>

#include "runtime/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *sample(size_t *n)
{
    qj_ctx *q = qj_ctx_new(NULL);
    void *bytes = NULL;
    struct err_state e;
    err_init(&e);
    qj_define(q, "input A[n:2, c:8, h:4, w:4] : u8; weight W[o:16, c:8] : i8 in -100..100\n"
                 "C[n, h, w, o] : i32 = sum(c) i32(A[n, c, h, w]) * i32(W[o, c])");
    qj_target(q, "x86-64-v3");
    qj_step(q, "transform_layout W OC8o; transform_layout A NCHW4c");
    qj_artifact *a = qj_compile(q, QJ_OBJ);
    if (!a || !store_write(&e, a, &bytes, n)) __builtin_trap();
    qj_artifact_free(a);
    qj_ctx_free(q);
    err_release(&e);
    return bytes;
}

static void try(const void *bytes, size_t n)
{
    struct err_state e;
    err_init(&e);
    void *exact = malloc(n + !n), *back = NULL; /* so that a sanitizer sees the end */
    size_t nback = 0;
    if (!exact) __builtin_trap();
    if (n) memcpy(exact, bytes, n);
    struct qj_artifact *w = store_read(&e, exact, n);
    if (!w != err_is(&e)) __builtin_trap();
    if (w) {
        if (!store_write(&e, w, &back, &nback) || nback != n || memcmp(back, bytes, n)) __builtin_trap();
        free(qj_artifact_header(w));
        free(qj_artifact_json(w));
    }
    free(back);
    qj_artifact_free(w);
    free(exact);
    err_release(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t field[] = {0, 1, 2, 7, 8, 9, 16, 17, 1100, 1101, 1 << 20, UINT64_C(1) << 48, INT64_MAX, UINT64_MAX, UINT64_C(1) << 63, UINT32_MAX};
    static uint8_t *original, *edited;
    static size_t n;
    if (!original) {
        original = sample(&n);
        edited = malloc(n);
        if (!edited) __builtin_trap();
        try(original, n);
    }
    memcpy(edited, original, n);
    for (size_t i = 1; i + 2 < size; i += 3) {
        size_t at = (size_t)(data[i] | data[i + 1] << 8) % n;
        if (data[0] % 2 == 0 || n - at < 8) edited[at] = data[i + 2];
        else memcpy(edited + at, &field[data[i + 2] % ARRAY_LEN(field)], 8);
    }
    try(edited, size && data[0] % 4 > 1 && size > 2 ? (size_t)(data[1] | data[2] << 8) % n : n);
    try(data, size);
    return 0;
}
