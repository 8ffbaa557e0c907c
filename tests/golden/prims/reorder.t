# cmd: repl --echo
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
reorder C k n m
show
check
# expect
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> reorder C k n m
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  for n in 0..8 {
    for m in 0..8 {
      C[m, n] = 0
    }
  }
  for k in 0..16 {
    for n in 0..8 {
      for m in 0..8 {
        C[m, n] = i32(A[m, k]) * i32(W[n, k]) + C[m, n]
      }
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
