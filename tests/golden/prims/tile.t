# cmd: repl --echo
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
tile C.m n 4 4 -> mo no mi ni
show
check
# expect
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> tile C.m n 4 4 -> mo no mi ni
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  for mo in 0..2 {
    for no in 0..2 {
      for mi in 0..4 {
        for ni in 0..4 {
          C[mo * 4 + mi, no * 4 + ni] = 0
          for k in 0..16 {
            C[mo * 4 + mi, no * 4 + ni] = C[mo * 4 + mi, no * 4 + ni] + i32(A[mo * 4 + mi, k]) * i32(W[no * 4 + ni, k])
          }
        }
      }
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
