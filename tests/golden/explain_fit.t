# cmd: run -
target generic
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
explain
split C.k 4 -> ko ki
explain
# expect
stage C: plain loops, no instruction chosen
  dot4_u8i8_generic          no: it covers reduce k 0..4, the loops are reduce k 0..16 (tried at k)
  dot4_i8i8_generic          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
templates for C
  stem     no: its input channels fill groups of 4, or are 16 and more
  depthwise no: it sums over input channels too
  conv2d   no: it has no window and one axis of pixels: a dense layer
  dense    no: no instruction of this target serves
  plain    chosen: plain loops, about 0.00102 Mcycles
stage C: plain loops, no instruction chosen
 dot4_u8i8_generic fits at C.ki (about # MAC/cycle)
  dot4_i8i8_generic          no: it takes i8 activations, A is u8 in 0..255: needs the -128 form
templates for C
  stem     no: its input channels fill groups of 4, or are 16 and more
  depthwise no: it sums over input channels too
  conv2d   no: it has no window and one axis of pixels: a dense layer
  dense    no: no instruction of this target serves
  plain    chosen: plain loops, about 0.00102 Mcycles
