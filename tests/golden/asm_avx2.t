# cmd: run -
# skip: avx2
# has: vpmaddwd
# has: for ko    (hot)
# has: ; for m
# has: 0 spills, 0 reloads
# lacks: 	.text
# lacks: loop    (hot)
target x86-64-v3
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_read A global as=i16 -> A16
cache_read W global -> Wp
transform_layout Wp NK8n2k
split C.k 2 -> ko ki
reorder C m ko n ki
parallel C.m
tensorize C.n with dot2_i16i8_avx2
asm
asm bytes
