# cmd: run - --allow-asm
target x86-64-v3
intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "asm \"frobnicate $0\" \"=x,0\" (A).i32x8"
input A[m:8] : i32
C[i] : i32 = A[i]
tensorize C.i with f
llvm
asm
# expect
; ModuleID = 'kernel'
source_filename = "kernel"
target datalayout = "e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128"
target triple = "x86_64-unknown-linux-gnu"

; Function Attrs: nounwind
define i32 @kernel(ptr noalias noundef nonnull readonly dereferenceable(32) %A, ptr noalias noundef nonnull dereferenceable(32) %C) #0 {
entry:
  %0 = load <8 x i32>, ptr %A, align 4
  %1 = call <8 x i32> asm "frobnicate $0", "=x,0"(<8 x i32> %0)
  store <8 x i32> %1, ptr %C, align 4
  ret i32 0
}

; Function Attrs: nounwind
define i32 @kernel_call(ptr %0) #0 {
entry:
  %1 = load ptr, ptr %0, align 8
  %2 = getelementptr inbounds ptr, ptr %0, i64 1
  %3 = load ptr, ptr %2, align 8
  %4 = call i32 @kernel(ptr %1, ptr %3)
  ret i32 %4
}

attributes #0 = { nounwind "target-cpu"="x86-64-v3" "target-features"="+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16,+sahf,+lzcnt,+bmi,+bmi2,+movbe,+avx,+f16c,+fma,+avx2" }
<stdin>:8:1: error: LLVM: <inline asm>:1:2: invalid instruction mnemonic 'frobnicate'
        frobnicate %ymm0
        ^~~~~~~~~~
 [llvm]
  asm
  ^^^
  hint: LLVM rejected the module; please report the script
exit 5
