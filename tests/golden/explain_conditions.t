# cmd: run -
# has: no: k=6 is not a multiple of 4 -> pad C.k 4
# has: it takes u8 activations, A is i8 in -128..127: needs the +128 form -> offset A C 128 as=u8
# has: target x86-64-v3,+avxvnni lacks avx512bw -> a target with avx512bw
# has: taken at C_acc.n_l
# has: A through A_x (i16), W through W_w (i8, packed ahead)
# has: a sum of 2 products of 0..255 (A) by -128..127 (W) may not fit 16 bits -> declare activations A in 0..128, or weights W in -64..64
# has: the steps chose another -> tensorize with it, or `template row=dot4_u8i8_maddubs_avx2`
# has: chosen: dot4_u8i8_maddubs_avx2
# lacks: the loops are n_l
# i8 x i8 wants the +128 form; 6 is not a multiple of 4; a range that was not declared
target x86-64-v3,+avxvnni
input  A[m:8, k:6] : i8
weight W[n:16, k:6] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
explain
reset

target x86-64-v3
input  A[m:8, k:16] : u8
weight W[n:16, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
template row=dot2_i16i8_avx2
explain
reset

# declared: the faster row fits, and is what the template takes
target x86-64-v3
input  A[m:8, k:16] : u8 in 0..127
weight W[n:16, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
template row=dot2_i16i8_avx2
explain
