# cmd: repl
# env: QJIT_CUDA_DRIVER="$QJ_BUILD/tests/libcuda_emu.so" QJIT_EMU_SM=80 QJIT_EMU_FAIL=cuMemAlloc_v2
target sm_80
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
bind C.m blockIdx.x
bind C.n threadIdx.x
check
time
asm
target sm_90
check
# expect
<stdin>:9:1: error: cannot check kernel: no 128 bytes on the device: CUDA_ERROR_INVALID_VALUE (1), invalid argument [device]
  check
  ^^^^^
  hint: the GPU or its driver failed: the message has its words; nothing was changed on the host
<stdin>:10:1: error: no 128 bytes on the device: CUDA_ERROR_INVALID_VALUE (1), invalid argument [device]
  time
  ^^^^
  hint: the GPU or its driver failed: the message has its words; nothing was changed on the host
<stdin>:11:1: error: the code of kernel is the GPU driver's [unsupported]
  asm
  ^^^
  hint: compile the PTX to read it
<stdin>:13:1: error: kernel is compiled for sm_90, and the GPU here, interpreter 7, is sm_80 [cannot-run-here]
  check
  ^^^^^
  hint: PTX runs on its own and on later GPUs, a .cubin on those of its generation, code for sm_90a on no other
