# cmd: run -
# skip: avx2
input A[h:9, w:9, c:24] : u8
weight W[r:3, s:3, c:24] : i8
bias B[c:24] : i32
scale M[c:24] : f32
P = pad(A, h: 1 1, w: 1 1, value: 0)
Acc[y, x, c] : i32 = sum(r, s) i32(P[y + r, x + s, c]) * i32(W[r, s, c])
Out[y, x, c] : u8 = requantize(Acc[y, x, c] + B[c], scale: M[c], round: half_even)
target x86-64-v3
template depthwise mr=4 nr=24
steps
check
# expect
  1  cache_read P local Acc as=i16 -> A_x
  2  compute_inline P
  3  cache_read W global Acc as=i16 -> W_t
  4  compute_inline W_t
  5  slide Acc.s x 2 -> W_w
  6  transform_layout W_w CABD24c2b axes=ABCD
  7  transform_layout A_x ABC2b axes=ABC
  8  split Out.c 24 tail=peel -> c_p c_v
  9  split Out.x 4 tail=peel -> x_t x_u
 10  split Out.y 9 -> y_b y_i
 11  reorder Out y_b c_p y_i x_t x_u c_v
 12  fuse Out.y_b c_p -> blocks
 13  parallel Out.blocks
 14  unroll Out.x_u
 15  vectorize Out.c_v
 16  compute_at Acc Out.x_t
 17  compute_at A_x Out.blocks
 18  split A_x.w 2 -> w_g w_k
 19  split A_x.c 24 -> c_p c_v
 20  split A_x.h 1 tail=peel -> h_o h_i
 21  split A_x.w_g 1 tail=peel -> w_o w_i
 22  reorder A_x h_o h_i w_o w_i c_p c_v w_k
 23  fuse A_x.c_v w_k -> lanes
 24  vectorize A_x.lanes
 25  split Acc.c 8 tail=pad -> c_n c_l
 26  split Acc.s 2 -> s_g s_k
 27  split Acc.x 2 -> x_o x_i
 28  reorder Acc c_n r s_g x_i x_o c_l s_k
 29  unroll Acc.c_n
 30  unroll Acc.x_i
 31  unroll Acc.x_o
 32  unroll Acc.r
 33  unroll Acc.s_g
 34  tensorize Acc.c_l dot2_lanes_i16_avx2
exact: 15552 outputs under 8 patterns of data, every element
