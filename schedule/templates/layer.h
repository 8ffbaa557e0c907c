/* SPDX-License-Identifier: Apache-2.0 */
/* layer.h - an int8 layer as frameworks describe it, and the program that computes it, as text.
 *
 * The one home of how such a layer is written so that templates see it: padding with the zero point, zero points
 * folded into what depends on weights alone, groups as a dimension of their own over the same memory.
 *
 *     struct layer l = layer_default(LAYER_CONV2D);
 *     l.h = l.w = 56; l.c = l.o = 64; l.kh = l.kw = 3; l.pt = l.pb = l.pl = l.pr = 1;
 *     const char *why;
 *     if (!layer_text(&out, &l, &why)) ...
 *
 * Arguments, where the layer has them: A activations, W weights, B bias[o], M scale ([o], or a scalar), Q and T
 * multiplier and shift; R what is added, with N, or U and V, to rescale it. Out is the result. */
#ifndef QJ_SCHEDULE_TEMPLATES_LAYER_H
#define QJ_SCHEDULE_TEMPLATES_LAYER_H

#include "ir/quant.h"
#include "targets/target.h"

enum layer_kind { LAYER_CONV2D, LAYER_DEPTHWISE, LAYER_DENSE, LAYER_BATCHED, LAYER_KINDS };
extern const char *const layer_kind_name[LAYER_KINDS];

enum data_layout { DATA_NHWC, DATA_NCHW, DATA_NCHWC };                          /* NCHWC: NCHW<block>c */
enum weight_layout { WEIGHT_OIHW, WEIGHT_OHWI, WEIGHT_HWIO, WEIGHT_PACKED };    /* PACKED: OIHW<x>i<y>o<z>i */
enum layer_bias { BIAS_NONE, BIAS_CHANNEL };
enum layer_scale { SCALE_CHANNEL, SCALE_TENSOR };
/* With a weight zero point that cannot be taken off in 8 bits. DIFFERENCES: both operands as i16, zero points taken
 * off. TERMS: the product of the bytes, less zero * sums of activations, computed beside it. */
enum layer_zero { ZERO_DIFFERENCES, ZERO_TERMS };

struct layer {
    enum layer_kind kind;
    int64_t n, h, w, c, o;              /* images; depthwise: o is c * mult */
    int64_t kh, kw, sh, sw, dh, dw;     /* kernel, stride, dilation */
    int64_t pt, pb, pl, pr;             /* padding: top, bottom, left, right */
    int64_t groups, mult;
    int64_t m, cols, k, batch;          /* dense, batched: batch x (m x k) * (k x cols) */
    enum dtype xtype, wtype;            /* u8 or i8 */
    struct range xrange, wrange;        /* declared; lo > hi: the type's */
    enum data_layout in, out;
    int64_t inblock, outblock;          /* of NCHWC */
    enum weight_layout weights;
    int64_t pack[3];                    /* of PACKED: x, y, z; 1: no such part */
    bool winput;                        /* the weights are an input too (a product of two activations) */
    int64_t xzero, wzero, zero;         /* zero points: activations, weights, output */
    enum layer_zero form;
    enum layer_bias bias;
    enum layer_scale scale;
    enum round_mode round;
    enum dtype otype;                   /* u8, i8; i32: not requantised; f32: scaled */
    int64_t lo, hi;                     /* clamp, as far as the type allows; of f32, both sides of the i32 range or narrower */
    bool add;                           /* R, of the output's shape, is rescaled and added before the clamp; each of the two
                                           is kept within 2^20, so that the sum cannot wrap */
    enum dtype addtype;
    int64_t addzero;
};

struct layer layer_default(enum layer_kind kind);
/* The faster form on this target: TERMS where an exact instruction on bytes does well more than one on i16, unless
 * Winograd's tiles do better still. */
enum layer_zero layer_form_for(const struct layer *l, const struct target *t);

/* A layer in words, as on a command line: "conv2d", "h=56 w=56 c=64 o=64 k=3 pad=1". Blanks part settings; none is given
 * twice, and none undoes what a narrower one has set before it (kh=5 k=3). t: chooses the form where the words do not; may
 * be NULL. ERR_USAGE. */
bool layer_read(struct arena *a, struct err_state *e, const char *kind, const char *words, const struct target *t,
                struct layer *out);
/* The keys that a kind takes, with their meaning; a line each. */
void layer_help(struct str *out, enum layer_kind kind);

/* Extents of the output of a convolution. */
int64_t layer_oh(const struct layer *l), layer_ow(const struct layer *l);

/* The definitions. False: *why says what is not possible, and *out is as it was. */
bool layer_text(struct str *out, const struct layer *l, const char **why);
/* Steps that belong to the description, not to how it is computed: the layout of the output. May be empty. */
void layer_steps(struct str *out, const struct layer *l);

#endif
