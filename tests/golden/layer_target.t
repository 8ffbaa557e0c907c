# cmd: layer dense m=3 n=5 k=7 weight=u8 wzero=3 --target alderlake; "$QJIT" layer dense --target pentium9
# expect
input A[m:3, k:7] : u8
weight W[n:5, k:7] : u8
bias B[n:5] : i32
scale M[n:5] : f32
Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
Z[m] : i32 = sum(k) i32(A[m, k])
Out[m, n] : u8 = requantize(Acc[m, n] + B[n] - 3 * Z[m], scale: M[n], zero: 0, round: half_even)
target alderlake

template
error: no target or CPU is called "pentium9" [unknown-target]
  hint: `qjit targets` lists the targets and CPU names
exit 1
