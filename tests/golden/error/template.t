# cmd: run -
input A[m:64, k:64] : u8
weight W[n:32, k:64] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
target x86-64-v3
template conv2d
# expect
<stdin>:6:1: error: conv2d does not fit C: it has no window and one axis of pixels: a dense layer [template]
  template conv2d
  ^^^^^^^^^^^^^^^
  hint: `explain` says which templates and instructions fit, and why the others do not
exit 1
