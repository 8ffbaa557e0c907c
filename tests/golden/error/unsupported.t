# cmd: run -
target generic
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
bind C.m blockIdx.x
asm
# expect
<stdin>:7:1: error: loop m is bound to blockIdx.x, which generic does not have [unsupported]
  asm
  ^^^
  hint: on a CPU use parallel instead of bind
exit 1
