# cmd: run -
target x86-64-v4,+sse4a,+avx512fp16,+avxvnniint16
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
check
# expect
<stdin>:6:1: error: kernel is compiled for x86-64-v4,+sse4a,+avx512fp16,+avxvnniint16, which this machine cannot run [cannot-run-here]
  check
  ^^^^^
  hint: `target native` compiles for this machine; objects for others can be saved
exit 4
