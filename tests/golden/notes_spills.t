# cmd: run -
# has: spills and
# has: [spills]
# 8 x 32 sums want 32 vector registers; there are 16
target x86-64-v3
input  A[m:48, k:256] : i16
weight W[n:64, k:256] : i16
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_write C local -> Acc
cache_read W global Acc -> Wp
transform_layout Wp NK32n2k
split C.m 8 -> mt mi
split C.n 32 -> nt ni
reorder C nt mt mi ni
vectorize C.ni
unroll C.mi
compute_at Acc C.mt
split Acc.n 8 -> nn nl
split Acc.k 2 -> ko ki
reorder Acc ko m nn nl ki
unroll Acc.nn
unroll Acc.m
tensorize Acc.nl with dot2_i16_avx2
emit tile.o
