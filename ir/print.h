/* SPDX-License-Identifier: Apache-2.0 */
/* print.h - text of expressions, tensors and loop nests. ir/parse.h reads all of it back:
 * parse(print(x)) == x (pointer equality for expressions). ir/README.md has the grammar. */
#ifndef QJ_IR_PRINT_H
#define QJ_IR_PRINT_H

#include "ir/extern.h"

void print_type(struct str *s, struct type t);                     /* "u8", "i32x8" */
void print_expr(struct str *s, const struct expr *e);
void print_tensor(struct str *s, const struct tensor *t);          /* one definition, without values and newline */
void print_extern(struct str *s, const struct ext *f);              /* its declaration, without newline */
void print_program(struct str *s, const struct program *p);        /* a line a tensor, and an extern before its use */
void print_buffer(struct str *s, const struct buffer *b);          /* "local Acc[6, 16] : i32" */
void print_stmt(struct str *s, const struct stmt *st, int depth);  /* indented, newline-terminated */
void print_func(struct str *s, const struct func *f);
const char *expr_text(struct arena *a, const struct expr *e);

#endif
