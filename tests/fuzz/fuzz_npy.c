/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_npy.c - any bytes are a .npy header or an error; what is accepted describes exactly the file's rest. */
#include <stdint.h>

#include "runtime/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char magic[] = "\x93NUMPY\x01\x00\x76\x00";
    struct err_state e;
    struct npy_head h;
    err_init(&e);
    for (int with_magic = 0; with_magic < 2; with_magic++) { /* most inputs would die at the magic */
        uint8_t buf[4096];
        size_t skip = with_magic ? sizeof magic - 1 : 0, n = size < sizeof buf - skip ? size : sizeof buf - skip;
        memcpy(buf, magic, skip);
        memcpy(buf + skip, data, n);
        n += skip;
        if (npy_parse(&e, "fuzz", buf, n, (int64_t)n, &h)) {
            if (err_is(&e) || h.bytes < 0 || h.data_at + (size_t)h.bytes != n) __builtin_trap();
        } else if (!err_is(&e)) {
            __builtin_trap();
        }
        err_clear(&e);
    }
    err_release(&e);
    return 0;
}
