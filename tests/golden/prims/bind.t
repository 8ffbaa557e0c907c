# cmd: repl --echo
target generic
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
bind C.m blockIdx.x
bind C.n threadIdx.x
show
asm
# expect
qjit> target generic
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> bind C.m blockIdx.x
qjit> bind C.n threadIdx.x
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  blockIdx.x m in 0..8 {
    threadIdx.x n in 0..8 {
      C[m, n] = 0
      for k in 0..16 {
        C[m, n] = C[m, n] + i32(A[m, k]) * i32(W[n, k])
      }
    }
  }
}
qjit> asm
<stdin>:9:1: error: loop m is bound to blockIdx.x, which generic does not have [unsupported]
  asm
  ^^^
  hint: on a CPU use parallel instead of bind
