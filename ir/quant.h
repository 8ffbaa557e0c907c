/* SPDX-License-Identifier: Apache-2.0 */
/* quant.h - requantisation: int32 accumulator to int8/uint8, in the ecosystem's rounding modes, as plain
 * C and as expression builders that give the same bits on every target and for every schedule.
 *
 *   half_even      ONNX / onnxruntime / XNNPACK fp32:  sat(rint(f32(acc) * scale) + zero)
 *   tflite_double  TFLite default: RoundingDivideByPOT(SaturatingRoundingDoublingHighMul(acc << l, mult), r)
 *   tflite_single  TFLite with single rounding, ruy:   (acc * mult + 2^(t-1)) >> t,  t = 31 - shift
 *   shift          power of two:                        (acc + 2^(s-1)) >> s
 *
 * Every input is defined. A nan product (nan scale, 0 * inf) gives lo, an infinite one the bound on its
 * side. A shift outside its range is taken as the nearest end of it, and hi wins where lo > hi. Bounds
 * outside the result type are taken as the type's. All sums are exact: nothing wraps before the clamp.
 * tflite_double shifts left exactly and saturates to int32: TFLite multiplies by 1 << l in int32, which
 * C leaves undefined where it overflows, and its vector code (vqshl, vqadd) saturates; a converted model
 * has no such accumulator. tflite_single has no int32 step that could overflow and saturates at the end.
 *
 * Sources: ONNX operator spec QuantizeLinear / QLinearConv; gemmlowp fixedpoint.h (the two gemmlowp
 * functions' definitions); TensorFlow Lite's quantization specification. */
#ifndef QJ_IR_QUANT_H
#define QJ_IR_QUANT_H

#include "ir/ir.h"

enum round_mode { ROUND_HALF_EVEN, ROUND_TFLITE_DOUBLE, ROUND_TFLITE_SINGLE, ROUND_SHIFT, ROUND_COUNT };
extern const char *const round_name[ROUND_COUNT];

/* Plain C. Clamp range [lo, hi] is applied after the zero point is added.
 * mult: Q31, mult >= 0; shift: left when positive, in [-31, 30]. */
int32_t quant_half_even(int32_t acc, float scale, int32_t zero, int32_t lo, int32_t hi);
int32_t quant_tflite_double(int32_t acc, int32_t mult, int shift, int32_t zero, int32_t lo, int32_t hi);
int32_t quant_tflite_single(int32_t acc, int32_t mult, int shift, int32_t zero, int32_t lo, int32_t hi);
int32_t quant_shift(int32_t acc, int shift, int32_t zero, int32_t lo, int32_t hi);   /* shift in [0, 31] */
/* Real multiplier to Q31 mult and shift, as TensorFlow's QuantizeMultiplier; false if not representable. */
bool quant_multiplier(double real, int32_t *mult, int *shift);

/* Expressions of the same bits. acc is i32 (any lanes); scale f32, mult i32, shift i32; zero i32; the
 * result has type `to` (i8, u8, i16 or i32), clamped to [lo, hi]; to i8, u8 and i16 it is converted by a
 * plain CAST whose operand ir_bounds proves in range. The arithmetic is the narrowest that is exact for what ir_bounds
 * knows of acc, shift and zero when the expression is built: constants give the fewest operations. */
const struct expr *quant_expr_half_even(struct ir_ctx *c, const struct expr *acc, const struct expr *scale,
                                        const struct expr *zero, enum dtype to, int32_t lo, int32_t hi);
const struct expr *quant_expr_tflite(struct ir_ctx *c, enum round_mode single_or_double, const struct expr *acc,
                                     const struct expr *mult, const struct expr *shift, const struct expr *zero,
                                     enum dtype to, int32_t lo, int32_t hi);
const struct expr *quant_expr_shift(struct ir_ctx *c, const struct expr *acc, const struct expr *shift,
                                    const struct expr *zero, enum dtype to, int32_t lo, int32_t hi);

/* The requantisation that an expression of type i8, u8, i16 or i32 is: building it from the form gives this very node.
 * False: none of ours, or one whose zero point is no constant. */
struct quant_form {
    enum round_mode round;
    const struct expr *acc, *scale, *mult, *shift;      /* NULL where the rounding has none */
    int64_t zero, lo, hi;                               /* the zero point; bounds after it is added */
};
bool quant_find(struct ir_ctx *c, const struct expr *e, struct quant_form *out);

#endif
