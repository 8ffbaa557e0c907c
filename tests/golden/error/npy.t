# cmd: run -
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
save a.npy
run A=a.npy W=a.npy
# expect
<stdin>:6:5: error: a.npy: not a .npy file [npy]
  run A=a.npy W=a.npy
      ^^^^^^^
  hint: a .npy file: version 1 or 2, C order, little-endian, of the tensor's type and shape
exit 1
