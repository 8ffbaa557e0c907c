/* SPDX-License-Identifier: Apache-2.0 */
/* values.h - weights whose elements are part of the program: they lie in the object, and what they are is known.
 *
 *     weight W[k:4] : i8 in -100..100 = hex "00017f80"      # logical row-major order, little-endian elements
 *
 * Such a tensor's range is measured, so it may prove more than a declared one. */
#ifndef QJ_IR_VALUES_H
#define QJ_IR_VALUES_H

#include "ir/parse.h"

/* Gives a weight its elements (tensor_bytes of them, borrowed). ERR_TYPE for what is no weight, ERR_RANGE for elements
 * outside its declared range. */
bool tensor_embed(struct ir_ctx *c, struct tensor *t, const void *values, struct span at);
int64_t tensor_bytes(const struct tensor *t);

/* "hex" STRING, which follows "=" in a declaration. */
bool parse_values(struct lexer *lx, struct tensor *t);
/* ` = hex "..."` */
void print_values(struct str *s, const struct tensor *t);

#endif
