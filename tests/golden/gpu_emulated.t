# cmd: repl
# env: QJIT_CUDA_DRIVER="$QJ_BUILD/tests/libcuda_emu.so" QJIT_EMU_SM=86
input  A[m:16, k:32] : u8
weight W[n:24, k:32] : i8
bias B[n:24] : i32
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
Out[m, n] : i32 = C[m, n] + B[n]
target sm_80
split Out.n 8 -> no ni
bind Out.m blockIdx.x
bind Out.no threadIdx.y
bind Out.ni threadIdx.x
compute_at C Out.ni
check
target sm_90a
check
# expect
exact: 3072 outputs under 8 patterns of data, every element
<stdin>:16:1: error: kernel is compiled for sm_90a, and the GPU here, interpreter 7, is sm_86 [cannot-run-here]
  check
  ^^^^^
  hint: PTX runs on its own and on later GPUs, a .cubin on those of its generation, code for sm_90a on no other
