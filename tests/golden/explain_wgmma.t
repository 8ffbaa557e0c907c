# cmd: run -
# has: wgmma_m64n16k32_u8u8 fits at L.a
# has: wgmma_m64n16k32_u8i8       no: target sm_90a lacks ptx84
# has: wgmma_m64n16k32_i8i8       no: it takes i8 weights, W is u8 in 0..255
target sm_90a
input A[m:8, a:2, g:8, k:64] : u8
weight W[n:2, j:2, t:4, b:2, k:64] : u8
C[m, a, g, n, j, t, b] : i32 = sum(k) i32(A[m, a, g, k]) * i32(W[n, j, t, b, k])
cache_write C local -> L; cache_read A shared L -> S; cache_read W shared L -> T; split C.m 4 -> mb w
reorder C mb n w g t a j b; fuse C.w g -> wg; fuse C.wg t -> lane; bind C.lane threadIdx.x; bind C.mb blockIdx.x
compute_at L C.lane; split L.k 32 -> ko kk; split L.kk 16 -> c e; reorder L ko a j b c e; compute_at S L.ko; compute_at T L.ko
transform_layout S KMAG16k; transform_layout T KNJTB16k
explain
