# cmd: run -
input A[m:4] : u8
P[i] : u8 = A[i]
Q[i] : u8 = A[i]
C[i] : u8 = P[i] + Q[i]
compute_at P Q.i
# expect
<stdin>:6:1: error: C also reads P, but is not computed inside loop Q.i [attach]
  compute_at P Q.i
  ^^^^^^^^^^^^^^
  func kernel(arg A[4] : u8, out C[4] : u8) {
    alloc global P[4] : u8 {
      for i in 0..4 {
        P[i] = A[i]
      }
      alloc global Q[4] : u8 {
        for i in 0..4 {
          Q[i] = A[i]
        }
        for i in 0..4 {
          C[i] = P[i] + Q[i]
        }
      }
    }
  }
  hint: compute_at needs a loop of a stage that consumes the producer
exit 1
