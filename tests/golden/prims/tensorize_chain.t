# cmd: repl --echo
# skip: avx2
target x86-64-v3
input  A[m:4, k:32] : u8 in 0..63
weight W[n:16, k:32] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_read W global -> Wp
split C.n 8 -> no ni
split C.k 4 -> kg ki
split C.kg 4 -> ko kc
reorder C m no ko kc ni ki
transform_layout Wp NK2n4k8n4k
tensorize C.kc with dot4x4_u8i8_maddubs_avx2
undo
undo
undo
split C.kg 2 -> ko kc
reorder C m no ko kc ni ki
transform_layout Wp NK2n2k8n4k
tensorize C.kc with dot4x2_u8i8_maddubs_avx2
show
check
# expect
qjit> target x86-64-v3
qjit> input  A[m:4, k:32] : u8 in 0..63
qjit> weight W[n:16, k:32] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> cache_read W global -> Wp
qjit> split C.n 8 -> no ni
qjit> split C.k 4 -> kg ki
qjit> split C.kg 4 -> ko kc
qjit> reorder C m no ko kc ni ki
qjit> transform_layout Wp NK2n4k8n4k
qjit> tensorize C.kc with dot4x4_u8i8_maddubs_avx2
<stdin>:13:1: error: dot4x4_u8i8_maddubs_avx2 does not fit at C.kc: it saturates: a sum of 8 products of A in 0..63 and Wp in -128..127 reaches -64512..64008, beyond i16; declare narrower ranges if the data have them [tensorize-mismatch]
  tensorize C.kc with dot4x4_u8i8_maddubs_avx2
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  func kernel(arg A[4, 32] : u8 in 0..63, arg Wp[1, 2, 2, 4, 8, 4] : i8, out C[4, 16] : i32 in -258048..256032) {
    for m in 0..4 {
      for no in 0..2 {
        for ni in 0..8 {
          C[m, no * 8 + ni] = 0
        }
        for ko in 0..2 {
          for kc in 0..4 {
            for ni in 0..8 {
              for ki in 0..4 {
                C[m, no * 8 + ni] = C[m, no * 8 + ni] + i32(A[m, ko * 16 + kc * 4 + ki]) * i32(Wp[0, ko, no, kc, ni, ki])
              }
            }
          }
        }
      }
    }
  }
  hint: `explain` lists each instruction and the first condition that failed
qjit> undo
undone: transform_layout Wp NK2n4k8n4k
qjit> undo
undone: reorder C m no ko kc ni ki
qjit> undo
undone: split C.kg 4 -> ko kc
qjit> split C.kg 2 -> ko kc
qjit> reorder C m no ko kc ni ki
qjit> transform_layout Wp NK2n2k8n4k
qjit> tensorize C.kc with dot4x2_u8i8_maddubs_avx2
qjit> show
func kernel(arg A[4, 32] : u8 in 0..63, arg Wp[1, 4, 2, 2, 8, 4] : i8, out C[4, 16] : i32 in -258048..256032) {
  for m in 0..4 {
    for no in 0..2 {
      vectorized ni in 0..8 {
        C[m, no * 8 + ni] = 0
      }
      for ko in 0..4 {
        dot4x2_u8i8_maddubs_avx2(C[m, no * 8], A[m, ko * 8], Wp[0, ko, no, 0, 0, 0])
      }
    }
  }
}
func kernel_pack(arg W[16, 32] : i8, out Wp[1, 4, 2, 2, 8, 4] : i8) {
  for n in 0..16 {
    for k in 0..32 {
 Wp[0, k / 8, n / 8, k / # % 2, n % 8, k % 4] = W[n, k]
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
