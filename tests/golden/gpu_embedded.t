# cmd: repl
# env: QJIT_CUDA_DRIVER="$QJ_BUILD/tests/libcuda_emu.so" QJIT_EMU_SM=80
input  A[m:20, k:8] : u8
weight W[n:4, k:8]  : i8 = hex "00017f80ff0203040506070809f0f1f2000102030405060700017f80ff020304"
weight B[n:4] : i32
Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
Out[m, n] : i32 = Acc[m, n] + B[n]
target sm_80
template
check
# expect
exact: 640 outputs under 8 patterns of data, every element
