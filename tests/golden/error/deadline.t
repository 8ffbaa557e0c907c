# cmd: run - --deadline 100
input  A[m:64, k:500] : u8
weight W[n:128, k:500] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
time 5000
# expect
<stdin>:5:1: error: the call took longer than the # ms it may take [deadline]
  time 5000
  ^^^^^^^^^
  hint: allow more time, or make the problem smaller
exit 1
