# cmd: repl
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
run A=a.npy
run X=a.npy
run A
run A=a.npy A=b.npy
# expect
<stdin>:5:1: error: the kernel needs `W` [argument]
  run A=a.npy
  ^^^^^^^^^^^
  hint: add W=FILE.npy
<stdin>:6:5: error: the kernel has no argument `X` [argument]
  run X=a.npy
      ^^^^^^^
  hint: did you mean `A`?
<stdin>:7:5: error: `A` is not NAME=FILE.npy [argument]
  run A
      ^
  hint: arguments must match the kernel's shapes and types; `qjit compile` writes them to the .json
<stdin>:8:13: error: `A` is given twice [argument]
  run A=a.npy A=b.npy
              ^^^^^^^
  hint: arguments must match the kernel's shapes and types; `qjit compile` writes them to the .json
