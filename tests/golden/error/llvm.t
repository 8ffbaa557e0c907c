# cmd: run - --allow-asm
target x86-64-v3
intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "asm \"frobnicate $0\" \"=x,0\" (A).i32x8"
input A[m:8] : i32
C[i] : i32 = A[i]
tensorize C.i with f
asm
# expect
<stdin>:7:1: error: LLVM: <inline asm>:1:2: invalid instruction mnemonic 'frobnicate'
        frobnicate %ymm0
        ^~~~~~~~~~
 [llvm]
  asm
  ^^^
  hint: LLVM rejected the module; please report it with the script that `save` writes (qj_reproducer)
exit 5
