# cmd: run -
# skip: avx2
input A[n:1, h:9, w:11, c:24] : u8
weight W[o:20, r:3, s:3, c:24] : i8
P = pad(A, h: 1 1, w: 1 1, value: 0)
Acc[n, y, x, o] : i32 = sum(r, s, c) i32(P[n, y + r, x + s, c]) * i32(W[o, r, s, c])
Out[n, y, x, o] : i8 = requantize(Acc[n, y, x, o], shift: 10, round: shift)
target x86-64-v3
template conv2d tile=4 row=dot2_i16_avx2 mr=3 nr=24 rows=12
steps
check
reset
input A[h:18, w:34, c:32] : i8
weight W[o:32, r:3, s:3, c:32] : i8
Acc[y, x, o] : i32 = sum(r, s, c) i32(A[y + r, x + s, c]) * i32(W[o, r, s, c])
target x86-64-v3
template conv2d tile=2 row=dot2_i16_avx2 mr=4 nr=16 rows=4
steps
check
# expect
  1  cache_read P global Acc -> P_x
  2  compute_inline P
  3  winograd Acc.y x tile=4 -> W_u P_v Acc_m
  4  compute_inline Acc
  5  transform_layout W_u OIJC24o2c axes=IJOC
  6  split Out.y 12 -> y_b y_r
  7  split Out.y_r 4 -> y_t y_i
  8  split Out.x 4 -> x_t x_i
  9  split Out.o 24 tail=peel -> o_p o_v
 10  reorder Out y_b o_p y_t x_t y_i x_i o_v
 11  parallel Out.y_b
 12  unroll Out.x_i
 13  vectorize Out.o_v
 14  compute_at Acc_mr Out.x_t
 15  reorder Acc_mr j yi
 16  unroll Acc_mr.yi
 17  vectorize Acc_mr.o
 18  cache_read Acc_m local Acc_mr -> Acc_ml
 19  compute_at Acc_ml Acc_mr.j
 20  unroll Acc_ml.i
 21  vectorize Acc_ml.o
 22  cache_write Acc_m local -> Acc_ma
 23  pad Acc_ma.o 24
 24  compute_at Acc_m Out.o_p
 25  split Acc_m.t 3 tail=peel -> t_t t_u
 26  unroll Acc_m.t_u
 27  vectorize Acc_m.o
 28  compute_at Acc_ma Acc_m.t_t
 29  split Acc_ma.o 8 tail=pad -> o_n o_l
 30  split Acc_ma.c 2 -> c_g c_k
 31  reorder Acc_ma c_g t o_n o_l c_k
 32  unroll Acc_ma.t
 33  unroll Acc_ma.o_n
 34  tensorize Acc_ma.o_l dot2_i16_avx2
 35  split P_v.c 16 tail=peel -> c_p c_v
 36  reorder P_v ty c_p tx i j c_v
 37  unroll P_v.j
 38  vectorize P_v.c_v
 39  compute_at P_v Out.y_b
 40  cache_read P_vr local P_v -> P_vl
 41  compute_at P_vl P_v.i
 42  unroll P_vl.x
 43  vectorize P_vl.c
 44  compute_at P_vr P_v.c_p
 45  reorder P_vr x i
 46  unroll P_vr.i
 47  vectorize P_vr.c
 48  cache_read P_x local P_vr as=i16 -> P_vx
 49  compute_at P_vx P_vr.x
 50  unroll P_vx.h
 51  vectorize P_vx.c
 52  split P_x.c 8 tail=peel -> c_p c_v
 53  reorder P_x n h w c_p c_v
 54  vectorize P_x.c_v
 55  compute_at P_x Out.y_b
exact: 15840 outputs under 8 patterns of data, every element
  1  winograd Acc.y x tile=2 -> W_u A_v Acc_m
  2  transform_layout W_u OIJC16o2c axes=IJOC
  3  split Acc.y 4 -> y_b y_r
  4  split Acc.y_r 2 -> y_t y_i
  5  split Acc.x 2 -> x_t x_i
  6  split Acc.o 16 tail=peel -> o_p o_v
  7  reorder Acc y_b o_p y_t x_t y_i x_i o_v
  8  parallel Acc.y_b
  9  unroll Acc.x_i
 10  vectorize Acc.o_v
 11  compute_at Acc_mr Acc.x_t
 12  reorder Acc_mr j yi
 13  unroll Acc_mr.yi
 14  vectorize Acc_mr.o
 15  cache_read Acc_m local Acc_mr -> Acc_ml
 16  compute_at Acc_ml Acc_mr.j
 17  unroll Acc_ml.i
 18  vectorize Acc_ml.o
 19  cache_write Acc_m local -> Acc_ma
 20  compute_at Acc_m Acc.o_p
 21  split Acc_m.t 4 tail=peel -> t_t t_u
 22  unroll Acc_m.t_u
 23  vectorize Acc_m.o
 24  compute_at Acc_ma Acc_m.t_t
 25  split Acc_ma.o 8 tail=pad -> o_n o_l
 26  split Acc_ma.c 2 -> c_g c_k
 27  reorder Acc_ma c_g t o_n o_l c_k
 28  unroll Acc_ma.t
 29  unroll Acc_ma.o_n
 30  tensorize Acc_ma.o_l dot2_i16_avx2
 31  split A_v.c 32 tail=peel -> c_p c_v
 32  reorder A_v ty c_p tx i j c_v
 33  unroll A_v.j
 34  vectorize A_v.c_v
 35  compute_at A_v Acc.y_b
 36  cache_read A_vr local A_v -> A_vl
 37  compute_at A_vl A_v.i
 38  unroll A_vl.x
 39  vectorize A_vl.c
 40  compute_at A_vr A_v.c_p
 41  reorder A_vr x i
 42  unroll A_vr.i
 43  vectorize A_vr.c
 44  cache_read A local A_vr as=i16 -> A_vx
 45  compute_at A_vx A_vr.x
 46  unroll A_vx.h
 47  vectorize A_vx.c
exact: 131072 outputs under 8 patterns of data, every element
