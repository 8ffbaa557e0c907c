/* SPDX-License-Identifier: Apache-2.0 */
/* layout.h - layouts as strings: how a tensor's logical axes lie in memory.
 *
 * `NCHW16c`: capitals are the axes, outermost first; <size><small letter> is a block of that axis.
 * Several blocks of one axis nest: in `OIHW4i16o4i` the input channel is I*16 + i0*4 + i1. Memory is
 * row-major over the physical axes; sizes that do not divide round up, the rest is padding that no
 * logical index reaches.
 *
 *     const struct layout *l = layout_parse(c, "NCHW16c", 7, "NHWC", span);   // logical order: NHWC
 */
#ifndef QJ_IR_LAYOUT_H
#define QJ_IR_LAYOUT_H

#include "ir/ir.h"

struct layout {
    const char *text;            /* canonical spelling */
    const char *axes;            /* logical axes in order, one capital each */
    int nlogical, nphys;
    struct layout_dim {
        int dim;                 /* logical axis */
        int64_t size;            /* block size; 0: the outermost part, whatever is left */
        int64_t stride;          /* the logical step of this part: product of the inner blocks of the axis */
    } phys[QJ_MAX_PHYS];
};

/* Logical letters come from `axes` ("NHWC"). Reports ERR_LAYOUT at `at` and returns NULL. */
const struct layout *layout_parse(struct ir_ctx *c, const char *text, size_t n, const char *axes, struct span at);
/* The capitals of a tensor's dimension names when each is one letter and all differ, else NULL. */
const char *layout_axes_of(struct ir_ctx *c, const struct tensor *t);
/* Physical shape of a logical one; l NULL: the same. Returns the physical rank. */
int layout_shape(const struct layout *l, int ndim, const int64_t *logical, int64_t *phys);
/* Physical indices of logical ones (not simplified beyond folding). Returns the physical rank. */
int layout_index(struct ir_ctx *c, const struct layout *l, int ndim, const struct expr *const *logical,
                 const struct expr **phys);
/* The same on numbers: the flat element offset of a logical point in a tensor of this logical shape. */
int64_t layout_offset(const struct layout *l, int ndim, const int64_t *shape, const int64_t *idx);

#endif
