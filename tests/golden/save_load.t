# cmd: repl --echo
target x86-64-v2
name k1
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.n 4 -> no ni
save s.qj
reset
program
load s.qj
program
steps
target
name
# expect
qjit> target x86-64-v2
qjit> name k1
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> split C.n 4 -> no ni
qjit> save s.qj
qjit> reset
qjit> program
qjit> load s.qj
qjit> name k1
qjit> target x86-64-v2
qjit> input A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m:8, n:8] : i32 = sum(k:16) i32(A[m, k]) * i32(W[n, k])
qjit> split C.n 4 -> no ni
qjit> program
input A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m:8, n:8] : i32 = sum(k:16) i32(A[m, k]) * i32(W[n, k])
qjit> steps
  1  split C.n 4 -> no ni
qjit> target
x86-64-v2
qjit> name
k1
