/* SPDX-License-Identifier: Apache-2.0 */
/* lower.h - what a schedule becomes: loop nests plus the facts about arguments that a host needs.
 * This is all codegen sees of a schedule. */
#ifndef QJ_SCHEDULE_LOWER_H
#define QJ_SCHEDULE_LOWER_H

#include "ir/ir.h"
#include "ir/layout.h"
#include "targets/target.h"

enum arg_role {
    ARG_INPUT,      /* new at each call */
    ARG_WEIGHT,     /* constant, read as it is */
    ARG_PACKED,     /* constant, made by the pack function from weights */
    ARG_OUTPUT,
    ARG_EMBEDDED    /* no argument of the C function: constant data of the object */
};

struct kernel_arg {
    enum arg_role role;
    const struct tensor *tensor;        /* logical shape, dtype, range, dim names */
    const struct layout *layout;        /* physical order; NULL: row-major */
    const struct buffer *buffer;        /* physical shape */
};

/* A slow path, told to the caller: never printed, never an error. README.md of codegen lists the codes. */
struct note {
    const char *code;                   /* "recomputed" */
    const char *place;                  /* the stage, loop, tensor or function it is about */
    const char *text;
};

enum { MAX_LANES = 64 };            /* iterations of a vectorized loop */

struct lowered {
    const struct program *program;
    const struct target *target;
    const struct func *main;            /* args: inputs, weights and packed in definition order, outputs, embedded */
    const struct kernel_arg *arg;       /* main->narg of them */
    int nembedded;                      /* the last of main's: weights with values, and what `embed` makes */
    const struct func *pack;            /* NULL when nothing is packed; args: weights read, packed buffers, embedded */
    const struct kernel_arg *pack_arg;
    int pack_nembedded;
    const struct func *embed;           /* run by the compiler; NULL: no need; args: weights with values, then results */
    const struct kernel_arg *embed_arg;
    const char *steps;                  /* the schedule as text, replayable */
    const char *unbound, *unbound_loop; /* on a GPU: a stage without bound loops, one to bind; NULL: there is none */
    int nnote;                          /* of the main function: packing is done once, ahead */
    const struct note *note;
    int64_t macs;                       /* multiply-accumulates of the program (reductions over a product); INT64_MAX / 2 stands for more */
};

/* Arguments of the C functions. */
static inline int lowered_nargs(const struct lowered *l) { return l->main->narg - l->nembedded; }
static inline int lowered_npack(const struct lowered *l) { return l->pack ? l->pack->narg - l->pack_nembedded : 0; }

#endif
