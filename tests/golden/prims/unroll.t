# cmd: repl --echo
input A[m:2] : u8
C[i] : i32 = i32(A[i])
unroll C.i
show
ir
check
# expect
qjit> input A[m:2] : u8
qjit> C[i] : i32 = i32(A[i])
qjit> unroll C.i
qjit> show
func kernel(arg A[2] : u8, out C[2] : i32 in 0..255) {
  unrolled i in 0..2 {
    C[i] = i32(A[i])
  }
}
qjit> ir
func kernel(arg A[2] : u8, out C[2] : i32 in 0..255) {
  C[0] = i32(A[0])
  C[1] = i32(A[1])
}
qjit> check
exact: 16 outputs under 8 patterns of data, every element
