/* SPDX-License-Identifier: Apache-2.0 */
/* parse_impl.h - what the files of the parser share. Private to ir/lex.c, ir/parse*.c, ir/print.c and
 * ir/meaning.c.
 *
 *   parse_expr.c   operators, indices, names        parse_def.c    declarations, computes, pads
 *   parse_call.c   built-in functions               parse_infer.c  extents, index checks, value ranges
 *   parse_nest.c   dumped functions */
#ifndef QJ_IR_PARSE_IMPL_H
#define QJ_IR_PARSE_IMPL_H

#include "ir/parse.h"

enum {
    PARSE_MAX_HEIGHT = 1024,    /* of an expression's tree: a + b + c + ... nests without brackets */
    PARSE_MAX_SIZE = 1 << 16    /* nodes of an expression as a tree; abs(x) and requantize(x) repeat x */
};

/* The operators, one home for parser and printer. `>` and `>=` are read as LT and LE the other way round. */
struct infix { const char *text; enum op op; int prec; bool swapped; };
enum { PREC_NONE = 0, PREC_UNARY = 9 };
extern const struct infix parse_infix[];       /* ends with text NULL; canonical spellings come first */
bool parse_is_reserved(const char *name);      /* a word no tensor, buffer or loop may be called */

/* A parsed operand. */
struct val {
    const struct expr *e;   /* NULL: an error is set */
    struct span at;
    bool lit;               /* a bare integer, or bcast or select of such: i64 unless what it meets says otherwise */
    int height;
    int64_t size;           /* upper bounds of the tree's height and node count */
};

/* Names in scope besides env's tensors, innermost first. */
struct binding {
    const char *name;
    const struct var *var;          /* or */
    const struct buffer *buffer;
    const struct binding *up;
};

/* What holds where an arm of a select is evaluated, innermost first. */
struct guard {
    const struct expr *cond;
    bool holds;                     /* false: the other arm */
    const struct guard *up;
};

/* One index of one READ, kept until the extents are known. */
struct read_use {
    const struct tensor *tensor;
    int dim;
    const struct expr *e;
    struct span at;
    const struct guard *guard;      /* NULL: always evaluated */
};

struct parser {
    struct ir_ctx *c;
    struct lexer *lx;
    const struct ir_env *env;       /* NULL: no tensors here */
    const struct binding *scope;
    const struct guard *guard;
    int depth, max_depth;
    bool has_result;
    enum dtype result;              /* what requantize gives */
    VEC(struct read_use) reads;
    /* Reads index `dim` of t in place of an expression (ir/meaning.c); NULL: an expression. */
    struct val (*index)(struct parser *p, const struct tensor *t, int dim);
    void *u;
};

static const struct val no_val = {0};

struct parser parser_on(struct lexer *lx, const struct ir_env *env);
bool parse_enter(struct parser *p);             /* false: too deep, error set */
static inline void parse_leave(struct parser *p) { p->depth--; }

struct val parse_val(struct parser *p, int min_prec);
struct val parse_call(struct parser *p, const char *name, struct span at);   /* after its '(' */
/* v of e's value, made of n operands. */
struct val val_of(struct parser *p, const struct expr *e, size_t from, int n, const struct val *kid);
/* The source from `from` to the last token taken. */
struct span span_from(const struct parser *p, size_t from);
const char *span_text(const struct parser *p, struct span at);  /* for messages: shortened */

/* Gives a literal the type; ERR_RANGE when it does not fit. Other values stay as they are. */
bool val_adopt(struct parser *p, struct val *v, enum dtype dt);
/* Adopts, then demands the type. `what` names the place: "an index", "the scale". */
bool val_expect(struct parser *p, struct val *v, enum dtype dt, const char *what);
bool val_expect_scalar(struct parser *p, const struct val *v, const char *what);
/* Brings n operands of one operation to one type and lanes; ERR_TYPE else. */
bool val_unify(struct parser *p, int n, struct val *v, const char *what);
struct val val_bin(struct parser *p, enum op op, struct val a, struct val b, const char *what);
const struct expr *val_reduce(struct parser *p, enum combiner k, struct val v, int n, const struct expr *const *axis);
bool val_defined(struct parser *p, enum op op, const struct val *v, const char *what);

/* "in" lo ".." hi, when it stands here, inside the range of dt. */
bool parse_range(struct lexer *lx, enum dtype dt, struct range *out, bool *given);
bool parse_dtype(struct lexer *lx, enum dtype *out);
bool parse_extern(struct lexer *lx, struct ir_env *env);
/* ERR_TOO_LARGE unless the elements fit in 2^47 bytes. */
bool parse_check_size(struct ir_ctx *c, struct span at, const char *name, enum dtype dt, int n, const int64_t *shape);
bool parse_extent(struct lexer *lx, int64_t *out);

/* The axes of a definition and where their extents come from. */
struct axis {
    struct var *var;
    struct span at;
    bool known;
    const char *why;        /* once known: "given" or "dimension h of A" */
};
enum { PARSE_MAX_AXES = QJ_MAX_RANK + QJ_MAX_PHYS };
bool infer_extents(struct parser *p, int n, struct axis *ax);
bool infer_check_reads(struct parser *p);
/* The values body (a REDUCE at its root or not) can take, inside the range of its type. */
struct range infer_range(const struct expr *body);

#endif
