/* SPDX-License-Identifier: Apache-2.0 */
/* explain.h - what schedule/explain.h found, for people and for programs. */
#ifndef QJ_RUNTIME_EXPLAIN_H
#define QJ_RUNTIME_EXPLAIN_H

#include "schedule/explain.h"

void explain_text(const struct explained *x, struct str *out);
void explain_json(const struct explained *x, struct str *out);      /* an array, an object a row */
const char *explain_kind(const struct explain_row *r);

#endif
