# cmd: run -
# has: exact: 512 outputs under 8 patterns of data, every element
# has: # ms (median # ms, # windows)
# has: # GMAC/s
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
check
time 20
