# cmd: run -
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
steps
split C.n 4
split C.z 4
steps
# expect
<stdin>:7:7: error: split: no loop of stage C named `z` [no-axis]
  split C.z 4
        ^^^
  func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
    for m in 0..8 {
      for no in 0..2 {
        for ni in 0..4 {
          C[m, no * 4 + ni] = 0
          for k in 0..16 {
            C[m, no * 4 + ni] = C[m, no * 4 + ni] + i32(A[m, k]) * i32(W[no * 4 + ni, k])
          }
        }
      }
    }
  }
  hint: did you mean `m`? there are: m no ni k
exit 1
