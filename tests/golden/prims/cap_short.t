# cmd: repl --echo
# skip: avx2
target x86-64-v3
input  A[m:2, k:8] : u8 in 0..127
weight W[n:8, k:8] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cap C.k 2 n 8 most=50 -> F R
transform_layout W_fast NK8n4k
split F.k 4 -> kg k1
reorder F m kg n k1
tensorize F.kg with dot4x2_u8i8_maddubs_avx2
show
check
# expect
qjit> target x86-64-v3
qjit> input  A[m:2, k:8] : u8 in 0..127
qjit> weight W[n:8, k:8] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> cap C.k 2 n 8 most=50 -> F R
qjit> transform_layout W_fast NK8n4k
qjit> split F.k 4 -> kg k1
qjit> reorder F m kg n k1
qjit> tensorize F.kg with dot4x2_u8i8_maddubs_avx2
qjit> show
func kernel(arg A[2, 8] : u8 in 0..127, arg W_overs[1, 1] : i32 in 0..2, arg W_fast[1, 2, 8, 4] : i8, arg W_rest[8, 8] : i8, arg W_seen[1, 1, 2] : i32 in 0..2, arg W_list[1, 1, 2] : i32 in 0..1, out C[2, 8] : i32 in -130048..129032) {
  alloc global F[2, 8] : i32 {
    for m in 0..2 {
      vectorized n in 0..8 {
        F[m, n] = 0
      }
      if (0 < i64(select(W_overs[0, 0] * 100 <= 100, i32(1), i32(0)))) {
        dot4x2_u8i8_maddubs_avx2(F[m, 0], A[m, 0], W_fast[0, 0, 0, 0])
      }
    }
    alloc global R[2, 8] : i32 {
      for m in 0..2 {
        for n in 0..8 {
          R[m, n] = 0
          for k_i in 0..2 {
            if (k_i < i64(W_seen[0, 0, 1])) {
              for k_j in 0..4 {
                R[m, n] = R[m, n] + i32(A[m, i64(W_list[0, 0, k_i]) * 4 + k_j]) * i32(W_rest[n, i64(W_list[0, 0, k_i]) * 4 + k_j])
              }
            }
          }
        }
      }
      for m in 0..2 {
        for n in 0..8 {
          C[m, n] = F[m, n] + R[m, n]
        }
      }
    }
  }
}
func kernel_pack(arg W[8, 8] : i8, out W_overs[1, 1] : i32 in 0..2, out W_fast[1, 2, 8, 4] : i8, out W_rest[8, 8] : i8, out W_seen[1, 1, 2] : i32 in 0..2, out W_list[1, 1, 2] : i32 in 0..1) {
  alloc global W_sums[8, 8] : i32 in 0..33554944 {
    for n in 0..8 {
      for k in 0..8 {
        W_sums[n, k] = 0
        for e in 0..4 {
 W_sums[n, k] = W_sums[n, k] + select(e < k / 4 * 2 + k % 2 + 1, max(i32(W[n, k / # % 2 * 2 + e / 2 * 4 + e % 2]), 0) + (max(0 - i32(W[n, k / # % 2 * 2 + e / 2 * 4 + e % 2]), 0) << 16), 0)
        }
      }
    }
    alloc global W_try[8, 8] : i8 {
      for n in 0..8 {
        for k in 0..8 {
          W_try[n, k] = i8(min(W_sums[n, k] & 65535, 258) - min((W_sums[n, k] & 65535) - max(i32(W[n, k]), 0), 258) - (min(W_sums[n, k] >> 16, 258) - min((W_sums[n, k] >> 16) - max(0 - i32(W[n, k]), 0), 258)))
        }
      }
      alloc global W_over[1, 1, 2] : i32 in -2147483648..1 {
        for g in 0..2 {
          W_over[0, 0, g] = -2147483648
          for o in 0..8 {
            for j in 0..4 {
              W_over[0, 0, g] = max(W_over[0, 0, g], i32(W[o, g * 4 + j] != W_try[o, g * 4 + j]))
            }
          }
        }
        W_overs[0, 0] = 0
        for g in 0..2 {
          W_overs[0, 0] = W_overs[0, 0] + W_over[0, 0, g]
        }
        for n in 0..8 {
          for k in 0..8 {
            W_fast[0, k / 4, n, k % 4] = select(W_overs[0, 0] * 100 <= 100, W_try[n, k], 0)
          }
        }
        for n in 0..8 {
          for k in 0..8 {
            W_rest[n, k] = W[n, k] - W_fast[0, k / 4, n, k % 4]
          }
        }
        for g in 0..2 {
          W_seen[0, 0, g] = 0
          for h in 0..2 {
            W_seen[0, 0, g] = W_seen[0, 0, g] + select(h < g + 1, select(W_overs[0, 0] * 100 <= 100, W_over[0, 0, h], 1), 0)
          }
        }
        for g in 0..2 {
          W_list[0, 0, g] = 0
          W_list[0, 0, g] = W_list[0, 0, g] + i32(W_seen[0, 0, 0] <= i32(g))
        }
      }
    }
  }
}
qjit> check
exact: 128 outputs under 8 patterns of data, every element
