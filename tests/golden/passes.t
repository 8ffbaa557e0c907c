# cmd: run -
target generic
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.n 4 -> no ni
vectorize C.ni
unroll C.no
ir
# expect
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  for m in 0..8 {
    C[ramp(m * 8, 1, 4)] = bcast(0, 4)
    for k in 0..16 {
      C[ramp(m * 8, 1, 4)] = C[ramp(m * 8, 1, 4)] + bcast(i32(A[m * 16 + k]), 4) * i32(W[ramp(k, 16, 4)])
    }
    C[ramp(m * 8 + 4, 1, 4)] = bcast(0, 4)
    for k in 0..16 {
      C[ramp(m * 8 + 4, 1, 4)] = C[ramp(m * 8 + 4, 1, 4)] + bcast(i32(A[m * 16 + k]), 4) * i32(W[ramp(k + 64, 16, 4)])
    }
  }
}
