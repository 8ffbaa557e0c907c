# cmd: repl
save s.qj
load s.qj
load missing.qj
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
save d.qj
load d.qj
# expect
<stdin>:4:6: error: cannot read missing.qj: No such file or directory [file]
  load missing.qj
       ^^^^^^^^^^
  hint: check the path and its permissions
d.qj:6:7: error: tensor A is defined already [redefined]
  input A[m:8, k:16] : u8
        ^
  hint: choose another name; a tensor is defined once
