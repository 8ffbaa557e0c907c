/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - contract in digest.h. */
#include "ir/base/digest.h"

#include <sha2.h>

_Static_assert((int)DIGEST_HEX == (int)SHA256_DIGEST_STRING_LENGTH, "64 digits and NUL");

void digest_hex(const void *bytes, size_t n, char out[DIGEST_HEX])
{
    SHA256Data(bytes, n, out);
}
