# cmd: repl --echo
input   A[n:1, h:9, w:11, c:3] : u8
weight  W[o:20, r:3, s:3, c:3] : i8
bias    B[o:20]                : i32 in -1000..1000
scale   M[o:20]                : f32
P = pad(A, h: 1 1, w: 1 1)
Acc[n, y, x, o] : i32 = sum(r, s, c) i32(P[n, y*2 + r, x*2 + s, c]) * i32(W[o, r, s, c])
Out[n, y, x, o] : i8  = requantize(Acc[n, y, x, o] + B[o], scale: M[o], zero: 0, round: half_even)
target x86-64-v3
template row=dot4_u8i8_avx2 mr=2 nr=24 rows=5
steps
check
reset
input  A[c:3, h:9, w:11] : i8
weight W[o:9, c:3, r:2, s:5] : i8
C[o, y, x] : i32 = sum(c, r, s) i32(A[c, y + r, x + s]) * i32(W[o, c, r, s])
target x86-64-v3
template stem row=dot2_i16i8_avx2 mr=3 nr=8 rows=2
check
reset
input  A[h:9, w:11, c:3] : u8
weight W[o:16, s:3, c:3] : i8
C[h, x, o] : i32 = sum(s, c) i32(A[h, x + s*2, c]) * i32(W[o, s, c])
target x86-64-v3
template stem
reset
input  A[h:9, w:11, c:8] : u8
weight W[o:16, s:3, c:8] : i8
C[h, x, o] : i32 = sum(s, c) i32(A[h, x + s, c]) * i32(W[o, s, c])
target x86-64-v3
template stem
# expect
qjit> input   A[n:1, h:9, w:11, c:3] : u8
qjit> weight  W[o:20, r:3, s:3, c:3] : i8
qjit> bias    B[o:20]                : i32 in -1000..1000
qjit> scale   M[o:20]                : f32
qjit> P = pad(A, h: 1 1, w: 1 1)
qjit> Acc[n, y, x, o] : i32 = sum(r, s, c) i32(P[n, y*2 + r, x*2 + s, c]) * i32(W[o, r, s, c])
qjit> Out[n, y, x, o] : i8  = requantize(Acc[n, y, x, o] + B[o], scale: M[o], zero: 0, round: half_even)
qjit> target x86-64-v3
qjit> template row=dot4_u8i8_avx2 mr=2 nr=24 rows=5
qjit> steps
  1  cache_read P global Acc -> P_rows
  2  merge P_rows.w c
  3  cache_read W global Acc -> W_rows
  4  merge W_rows.s c
  5  compute_inline W_rows
  6  merge Acc.s c
  7  cache_read P_rows global Acc -> A_x
  8  compute_inline P_rows
  9  compute_inline P
 10  cache_read W_rows global Acc -> W_rows_w
 11  transform_layout W_rows_w ABC24a4c axes=ABC
 12  pad Acc.o 24
 13  pad Acc.sc 4
 14  split Out.o 24 tail=peel -> o_p o_v
 15  split Out.y 5 -> y_b y_i
 16  split Out.x 2 tail=peel -> x_t x_u
 17  reorder Out n y_b o_p y_i x_t x_u o_v
 18  parallel Out.y_b
 19  unroll Out.x_u
 20  vectorize Out.o_v
 21  compute_at Acc Out.x_t
 22  split A_x.wc 16 tail=peel -> wc_p wc_v
 23  vectorize A_x.wc_v
 24  compute_at A_x Out.y_b
 25  split Acc.o 8 tail=pad -> o_n o_l
 26  split Acc.sc 4 -> sc_g sc_k
 27  reorder Acc r sc_g x o_n o_l sc_k
 28  unroll Acc.o_n
 29  unroll Acc.x
 30  tensorize Acc.o_l dot4_u8i8_avx2
qjit> check
exact: 4800 outputs under 8 patterns of data, every element
qjit> reset
qjit> input  A[c:3, h:9, w:11] : i8
qjit> weight W[o:9, c:3, r:2, s:5] : i8
qjit> C[o, y, x] : i32 = sum(c, r, s) i32(A[c, y + r, x + s]) * i32(W[o, c, r, s])
qjit> target x86-64-v3
qjit> template stem row=dot2_i16i8_avx2 mr=3 nr=8 rows=2
qjit> check
exact: 4032 outputs under 8 patterns of data, every element
qjit> reset
qjit> input  A[h:9, w:11, c:3] : u8
qjit> weight W[o:16, s:3, c:3] : i8
qjit> C[h, x, o] : i32 = sum(s, c) i32(A[h, x + s*2, c]) * i32(W[o, s, c])
qjit> target x86-64-v3
qjit> template stem
<stdin>:25:1: error: stem does not fit C: no window runs along a dimension of the activations at stride 1 [template]
  template stem
  ^^^^^^^^^^^^^
  hint: `explain` says which templates and instructions fit, and why the others do not
qjit> reset
qjit> input  A[h:9, w:11, c:8] : u8
qjit> weight W[o:16, s:3, c:8] : i8
qjit> C[h, x, o] : i32 = sum(s, c) i32(A[h, x + s, c]) * i32(W[o, s, c])
qjit> target x86-64-v3
qjit> template stem
<stdin>:31:1: error: stem does not fit C: its input channels fill groups of 4, or are 16 and more [template]
  template stem
  ^^^^^^^^^^^^^
  hint: `explain` says which templates and instructions fit, and why the others do not
