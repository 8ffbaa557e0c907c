# cmd: run -
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
vectorize C.k
# expect
<stdin>:5:1: error: vectorize: k is a reduce loop: its iterations add to one element and cannot be vectorized [illegal-step]
  vectorize C.k
  ^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
    for m in 0..8 {
      for n in 0..8 {
        C[m, n] = 0
        for k in 0..16 {
          C[m, n] = C[m, n] + i32(A[m, k]) * i32(W[n, k])
        }
      }
    }
  }
  hint: rfactor C.k first, or choose a data-parallel loop
exit 1
