# cmd: repl --echo
input A[m:8] : u8
C[i] : i32 = i32(A[i])
vectorize C.i
show
ir
check
# expect
qjit> input A[m:8] : u8
qjit> C[i] : i32 = i32(A[i])
qjit> vectorize C.i
qjit> show
func kernel(arg A[8] : u8, out C[8] : i32 in 0..255) {
  vectorized i in 0..8 {
    C[i] = i32(A[i])
  }
}
qjit> ir
func kernel(arg A[8] : u8, out C[8] : i32 in 0..255) {
  C[ramp(0, 1, 8)] = i32(A[ramp(0, 1, 8)])
}
qjit> check
exact: 64 outputs under 8 patterns of data, every element
