/* SPDX-License-Identifier: Apache-2.0 */
/* extern.h - functions of the host's as scalar operations: `extern f(i32, f32) : i8`, called as f(x, 0.5). The essay in
 * ir.h says what may be done with calls. */
#ifndef QJ_IR_EXTERN_H
#define QJ_IR_EXTERN_H

#include "ir/ir.h"

/* Identity is the pointer. */
enum { EXTERN_MAX_ARGS = 8 };
struct ext {
    const char *name;  /* an identifier: the symbol that objects refer to */
    enum dtype result, arg[EXTERN_MAX_ARGS];
    int narg;          /* >= 1 */
    uint32_t uid;
};
struct ext *ir_ext(struct ir_ctx *c, const char *name, enum dtype result, int narg, const enum dtype *arg);

/* f of its arguments, which have its types; lanes follow theirs. */
const struct expr *ir_extern(struct ir_ctx *c, const struct ext *f, const struct expr *const *arg);

/* Adds the functions that an expression or a statement calls, each once, in order of first use. */
struct ext_list { const struct ext **at; size_t n, cap; };
void ir_externs(struct arena *a, const struct expr *e, struct ext_list *out);
void ir_externs_stmt(struct arena *a, const struct stmt *s, struct ext_list *out);

/* ir_call_host (ir.h): each argument and the result is wrapped in its type; false: error set. Without one eval and
 * interp refuse programs that call. */

#endif
