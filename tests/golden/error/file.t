# cmd: repl
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
load no/such/file.qj
save no/such/file.qj
emit no/such/file.o
emit file.xyz
run A=none.npy W=none.npy
# expect
<stdin>:5:6: error: cannot read no/such/file.qj: No such file or directory [file]
  load no/such/file.qj
       ^^^^^^^^^^^^^^^
  hint: check the path and its permissions
<stdin>:6:6: error: cannot write no/such/file.qj: No such file or directory [file]
  save no/such/file.qj
       ^^^^^^^^^^^^^^^
  hint: check the path and its permissions
<stdin>:7:6: error: cannot write no/such/file.o: No such file or directory [file]
  emit no/such/file.o
       ^^^^^^^^^^^^^^
  hint: check the path and its permissions
<stdin>:8:6: error: what to write is told by the extension, and file.xyz has none that says so [file]
  emit file.xyz
       ^^^^^^^^
  hint: FILE.o, FILE.ptx or FILE.cubin (with .h and .json beside it), FILE.s, FILE.ll or FILE.bc
<stdin>:9:5: error: cannot read none.npy: No such file or directory [file]
  run A=none.npy W=none.npy
      ^^^^^^^^^^
  hint: check the path and its permissions
