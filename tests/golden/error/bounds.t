# cmd: run -
input A[m:4] : u8
input B[m:256] : u8
P[i] : u8 = B[i]
C[i] : u8 = P[i64(A[i])]
check
compute_at P C.i
show
# expect
exact: 32 outputs under 8 patterns of data, every element
<stdin>:7:1: error: which part of P an iteration of C.i needs depends on data: i64(A[i]) [bounds]
  compute_at P C.i
  ^^^^^^^^^^^^^^
  func kernel(arg A[4] : u8, arg B[256] : u8, out C[4] : u8) {
    alloc global P[256] : u8 {
      for i in 0..256 {
        P[i] = B[i]
      }
      for i in 0..4 {
        C[i] = P[i64(A[i])]
      }
    }
  }
  hint: the region a stage must compute has to be known at compile time
exit 1
