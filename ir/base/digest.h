/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - SHA-256 of bytes, as 64 lower-case hexadecimal digits. The one home of libmd. */
#ifndef QJ_IR_BASE_DIGEST_H
#define QJ_IR_BASE_DIGEST_H

#include "ir/base/base.h"

enum { DIGEST_HEX = 65 };               /* digits and NUL */
void digest_hex(const void *bytes, size_t n, char out[DIGEST_HEX]);

#endif
