# cmd: run -
target x86-64-v3
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
tensorize C.n with dot2_i16_avx2
# expect
<stdin>:6:1: error: dot2_i16_avx2 does not fit at C.n: operand A is i16, but W is i8 [tensorize-mismatch]
  tensorize C.n with dot2_i16_avx2
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
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
  hint: `explain` lists each instruction and the first condition that failed
exit 1
