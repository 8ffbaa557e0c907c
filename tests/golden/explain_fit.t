# cmd: run -
target x86-64-v3
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
explain
# expect
stage C: plain loops, no instruction chosen
  dot2_i16_sse2              no: operand A is i16, but W is i8 (tried at n)
  dot2_i16_avx2              no: operand A is i16, but W is i8 (tried at n)
  dot2_i16_avx512            no: target x86-64-v3 lacks avx512bw
  dot2_i16i8_sse41           no: operand A is i16, but A is u8 (tried at n)
  dot2_i16i8_avx2            no: operand A is i16, but A is u8 (tried at n)
  dot2_i16i8_avx512          no: target x86-64-v3 lacks avx512bw
  dot4_u8i8_sse2             no: it covers i 0..4, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_i8i8_sse2             no: operand B is i8, but A is u8 (tried at n)
  dot4_i8u8_sse2             no: it covers i 0..4, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_u8u8_sse2             no: operand A is u8, but W is i8 (tried at n)
  dot4_u8i8_avx2             no: it covers i 0..8, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_i8i8_avx2             no: operand B is i8, but A is u8 (tried at n)
  dot4_i8u8_avx2             no: it covers i 0..8, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_u8u8_avx2             no: operand A is u8, but W is i8 (tried at n)
  dot4_u8i8_avx512           no: target x86-64-v3 lacks avx512bw
  dot4_i8i8_avx512           no: target x86-64-v3 lacks avx512bw
  dot4_i8u8_avx512           no: target x86-64-v3 lacks avx512bw
  dot4_u8u8_avx512           no: target x86-64-v3 lacks avx512bw
  dot4_u8i8_maddubs_ssse3    no: it covers i 0..4, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_i8u8_maddubs_ssse3    no: it covers i 0..4, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_u8i8_maddubs_avx2     no: it covers i 0..8, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_i8u8_maddubs_avx2     no: it covers i 0..8, reduce k 0..4, the loops are n 0..8, reduce k 0..16 (tried at n)
  dot4_u8i8_maddubs_avx512   no: target x86-64-v3 lacks avx512bw
  dot4_i8u8_maddubs_avx512   no: target x86-64-v3 lacks avx512bw
  dot4_u8i8_vnni128          no: target x86-64-v3 lacks avx512vnni avx512vl
  dot4_u8i8_vnni256          no: target x86-64-v3 lacks avx512vnni avx512vl
  dot4_i8u8_vnni256          no: target x86-64-v3 lacks avx512vnni avx512vl
  dot4_i8i8_vnni256          no: target x86-64-v3 lacks avx512vnni avx512vl
  dot2_i16_vnni256           no: target x86-64-v3 lacks avx512vnni avx512vl
  dot2_i16i8_vnni256         no: target x86-64-v3 lacks avx512vnni avx512vl
  dot4_u8i8_vnni512          no: target x86-64-v3 lacks avx512vnni
  dot4_i8u8_vnni512          no: target x86-64-v3 lacks avx512vnni
  dot4_i8i8_vnni512          no: target x86-64-v3 lacks avx512vnni
  dot2_i16_vnni512           no: target x86-64-v3 lacks avx512vnni
  dot2_i16i8_vnni512         no: target x86-64-v3 lacks avx512vnni
  dot4_u8i8_avxvnni128       no: target x86-64-v3 lacks avxvnni
  dot4_u8i8_avxvnni          no: target x86-64-v3 lacks avxvnni
  dot4_i8u8_avxvnni          no: target x86-64-v3 lacks avxvnni
  dot4_i8i8_avxvnni          no: target x86-64-v3 lacks avxvnni
  dot2_i16_avxvnni           no: target x86-64-v3 lacks avxvnni
  dot2_i16i8_avxvnni         no: target x86-64-v3 lacks avxvnni
  dot4_i8i8_avxvnniint8      no: target x86-64-v3 lacks avxvnniint8
  dot4_u8u8_avxvnniint8      no: target x86-64-v3 lacks avxvnniint8
  dot4_i8u8_avxvnniint8      no: target x86-64-v3 lacks avxvnniint8
  dot4_u8i8_avxvnniint8      no: target x86-64-v3 lacks avxvnniint8
  fma_f32_fma                no: it accumulates by fmasum, the loops accumulate by sum (tried at k)
  fma_f32_avx2               no: it accumulates by fmasum, the loops accumulate by sum (tried at k)
  fma_f32_avx512             no: target x86-64-v3 lacks avx512f
