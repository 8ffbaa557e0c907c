# cmd: run - --allow-asm
target x86-64-v3
intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "asm \"call nosuch_function\" \"=x,0\" (A).i32x8"
input A[m:8] : i32
C[i] : i32 = A[i]
tensorize C.i with f
check
# expect
<stdin>:7:1: error: cannot link the object: it refers to nosuch_function [link]
  check
  ^^^^^
  hint: a kernel may refer to qjrt_parallel_for, memcpy, memset, memmove and what its program declares extern
exit 1
