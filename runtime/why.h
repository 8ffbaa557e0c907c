/* SPDX-License-Identifier: Apache-2.0 */
/* why.h - a failure that belongs to no context: text for the caller of a kernel. */
#ifndef QJ_RUNTIME_WHY_H
#define QJ_RUNTIME_WHY_H

#include "ir/base/base.h"

struct why { char *at; size_t size; };
/* Always false, so that it can be returned. Nothing is written where there is no room. */
bool why_set(struct why *w, const char *fmt, ...) QJ_PRINTF(2, 3);

#endif
