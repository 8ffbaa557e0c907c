# cmd: repl <"$tmp/input" & p=$!; sleep 1; kill -INT $p; wait $p
input  A[m:64, k:500] : u8
weight W[n:128, k:500] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
time 60000
input  B[m:8] : u8
name   still_here
# expect
<stdin>:5:1: error: the call was cancelled [cancelled]
  time 60000
  ^^^^^^^^^^
  hint: it was stopped from outside; nothing has changed, and it can be asked for again
