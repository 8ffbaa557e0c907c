# cmd: run -
# skip: avx2
target x86-64-v3
intrinsic liar operands "C: i32[8], A: i32[8]" meaning "C[i] += A[i]" recipe "add(C, add(A, 1))" needs "avx2"
input A[k:4, m:8] : i32
C[i] : i32 = sum(k) A[k, i]
reorder C k i
tensorize C.i with liar
check
# expect
<stdin>:9:1: error: C[0] is -3145 and should be -3149, under greatest data; 8 of 8 compared elements differ [mismatch]
  check
  ^^^^^
  hint: liar is an instruction of your own: does its recipe do what its meaning says?
exit 3
