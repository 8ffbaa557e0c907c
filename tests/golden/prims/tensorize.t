# cmd: repl --echo
# skip: avx2
target x86-64-v3
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.k 4 -> ko ki
reorder C m ko n ki
tensorize C.n with dot4_u8i8_avx2
cache_read W global -> Wp
transform_layout Wp NK8n4k
tensorize C.n with dot4_u8i8_avx2
show
check
# expect
qjit> target x86-64-v3
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> split C.k 4 -> ko ki
qjit> reorder C m ko n ki
qjit> tensorize C.n with dot4_u8i8_avx2
<stdin>:9:1: error: dot4_u8i8_avx2 does not fit at C.n: operand B (W) must move 4 elements with i, but loop n moves it by 16 [tensorize-mismatch]
  tensorize C.n with dot4_u8i8_avx2
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
    for m in 0..8 {
      for n in 0..8 {
        C[m, n] = 0
      }
      for ko in 0..4 {
        for n in 0..8 {
          for ki in 0..4 {
            C[m, n] = C[m, n] + i32(A[m, ko * 4 + ki]) * i32(W[n, ko * 4 + ki])
          }
        }
      }
    }
  }
  hint: `explain` lists each instruction and the first condition that failed
qjit> cache_read W global -> Wp
qjit> transform_layout Wp NK8n4k
qjit> tensorize C.n with dot4_u8i8_avx2
qjit> show
func kernel(arg A[8, 16] : u8, arg Wp[1, 4, 8, 4] : i8, out C[8, 8] : i32 in -522240..518160) {
  for m in 0..8 {
    vectorized n in 0..8 {
      C[m, n] = 0
    }
    for ko in 0..4 {
      dot4_u8i8_avx2(C[m, 0], A[m, ko * 4], Wp[0, ko, 0, 0])
    }
  }
}
func kernel_pack(arg W[8, 16] : i8, out Wp[1, 4, 8, 4] : i8) {
  for n in 0..8 {
    for k in 0..16 {
      Wp[0, k / 4, n, k % 4] = W[n, k]
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
