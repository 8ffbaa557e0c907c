/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - the oracle: what a tensor program means, computed naively.
 *
 * Data are raw arrays in logical row-major order whatever the tensor's layout. Errors (an index
 * outside its tensor, i64 overflow) are set in c->err.
 *
 *     struct eval *ev = eval_new(c, prog);
 *     eval_bind(ev, A, a);  eval_bind(ev, W, w);
 *     eval_all(ev, Out, out);                      // every element
 *     eval_at(ev, Out, (int64_t[]){0, 3, 5, 7}, &x);  // one, memoising intermediates it needs
 *     eval_free(ev);
 */
#ifndef QJ_IR_EVAL_H
#define QJ_IR_EVAL_H

#include "ir/ir.h"

union value { int64_t i; float f; };

struct eval;
struct eval *eval_new(struct ir_ctx *c, const struct program *p);
void eval_free(struct eval *ev);
void eval_bind(struct eval *ev, const struct tensor *t, const void *data);   /* borrowed */
bool eval_all(struct eval *ev, const struct tensor *t, void *out);
bool eval_at(struct eval *ev, const struct tensor *t, const int64_t *idx, union value *out);

/* Element access to raw typed memory, used wherever data meet expressions. */
union value value_load(enum dtype d, const void *base, int64_t at);
void value_store(enum dtype d, void *base, int64_t at, union value v);

#endif
