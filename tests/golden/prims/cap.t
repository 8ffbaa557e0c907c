# cmd: repl --echo
# skip: avx2
target x86-64-v3
input  A[m:2, k:32] : u8
weight W[n:16, k:32] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cap C.k 3 n 8
cap C.k 2 n 8 -> F R
transform_layout W_fast NK8n4k
transform_layout W_rest NK8n4k
split F.n 8 -> no ni
split F.k 4 -> kg k1
split F.kg 2 -> ko kc
reorder F m no ko kc ni k1
tensorize F.kc with dot4x4_u8i8_maddubs_avx2
tensorize F.kc with dot4x2_u8i8_maddubs_avx2
split R.n 8 -> no ni
reorder R m no k_q k_i ni k_j
tensorize R.ni with dot4_u8i8_avx2
show
check
# expect
qjit> target x86-64-v3
qjit> input  A[m:2, k:32] : u8
qjit> weight W[n:16, k:32] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> cap C.k 3 n 8
<stdin>:7:1: error: cap: k 0..32 is not cut into 12, or n 0..16 not into 8 [illegal-step]
  cap C.k 3 n 8
  ^^^^^^^^^^^^^
  func kernel(arg A[2, 32] : u8, arg W[16, 32] : i8, out C[2, 16] : i32 in -1044480..1036320) {
    for m in 0..2 {
      for n in 0..16 {
        C[m, n] = 0
        for k in 0..32 {
          C[m, n] = C[m, n] + i32(A[m, k]) * i32(W[n, k])
        }
      }
    }
  }
  hint: it takes sum(.., k) i32(A[.., k]) * i32(W[n, .., k]) with A >= 0, W of i8, and extents of k and n that divide; `offset` makes A positive, `pad` rounds up
qjit> cap C.k 2 n 8 -> F R
qjit> transform_layout W_fast NK8n4k
qjit> transform_layout W_rest NK8n4k
qjit> split F.n 8 -> no ni
qjit> split F.k 4 -> kg k1
qjit> split F.kg 2 -> ko kc
qjit> reorder F m no ko kc ni k1
qjit> tensorize F.kc with dot4x4_u8i8_maddubs_avx2
<stdin>:15:1: error: dot4x4_u8i8_maddubs_avx2 does not fit at F.kc: it covers i 0..8, reduce g 0..4, reduce k 0..4, the loops are reduce kc 0..2, ni 0..8, reduce k1 0..4 [tensorize-mismatch]
  tensorize F.kc with dot4x4_u8i8_maddubs_avx2
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  func kernel(arg A[2, 32] : u8, arg W_overs[2, 1] : i32 in 0..8, arg W_fast[2, 8, 8, 4] : i8, arg W_rest[2, 8, 8, 4] : i8, arg W_seen[2, 1, 8] : i32 in 0..8, arg W_list[2, 1, 8] : i32 in 0..7, out C[2, 16] : i32 in -1044480..1036320) {
    alloc global F[2, 16] : i32 {
      for m in 0..2 {
        for no in 0..2 {
          for ni in 0..8 {
            F[m, no * 8 + ni] = 0
          }
          for ko in 0..4 {
            if (ko < i64(select(W_overs[no, 0] * 100 <= 240, i32(4), i32(0)))) {
              for kc in 0..2 {
                for ni in 0..8 {
                  for k1 in 0..4 {
                    F[m, no * 8 + ni] = F[m, no * 8 + ni] + i32(A[m, ko * 8 + kc * 4 + k1]) * i32(W_fast[no, ko * 2 + kc, ni, k1])
                  }
                }
              }
            }
          }
        }
      }
      alloc global R[2, 16] : i32 {
        for m in 0..2 {
          for n in 0..16 {
            R[m, n] = 0
            for k_i in 0..8 {
              if (k_i < i64(W_seen[n / 8, 0, 7])) {
                for k_j in 0..4 {
                  R[m, n] = R[m, n] + i32(A[m, i64(W_list[n / 8, 0, k_i]) * 4 + k_j]) * i32(W_rest[n / 8, i64(W_list[n / 8, 0, k_i]), n % 8, k_j])
                }
              }
            }
          }
        }
        for m in 0..2 {
          for n in 0..16 {
            C[m, n] = F[m, n] + R[m, n]
          }
        }
      }
    }
  }
  hint: these fit here: dot4x2_u8i8_maddubs_avx2
qjit> tensorize F.kc with dot4x2_u8i8_maddubs_avx2
qjit> split R.n 8 -> no ni
qjit> reorder R m no k_q k_i ni k_j
qjit> tensorize R.ni with dot4_u8i8_avx2
qjit> show
func kernel(arg A[2, 32] : u8, arg W_overs[2, 1] : i32 in 0..8, arg W_fast[2, 8, 8, 4] : i8, arg W_rest[2, 8, 8, 4] : i8, arg W_seen[2, 1, 8] : i32 in 0..8, arg W_list[2, 1, 8] : i32 in 0..7, out C[2, 16] : i32 in -1044480..1036320) {
  alloc global F[2, 16] : i32 {
    for m in 0..2 {
      for no in 0..2 {
        vectorized ni in 0..8 {
          F[m, no * 8 + ni] = 0
        }
        for ko in 0..4 {
          if (ko < i64(select(W_overs[no, 0] * 100 <= 240, i32(4), i32(0)))) {
            dot4x2_u8i8_maddubs_avx2(F[m, no * 8], A[m, ko * 8], W_fast[no, ko * 2, 0, 0])
          }
        }
      }
    }
    alloc global R[2, 16] : i32 {
      for m in 0..2 {
        for no in 0..2 {
          vectorized ni in 0..8 {
            R[m, no * 8 + ni] = 0
          }
          for k_i in 0..8 {
            if (k_i < i64(W_seen[no, 0, 7])) {
              dot4_u8i8_avx2(R[m, no * 8], A[m, i64(W_list[no, 0, k_i]) * 4], W_rest[no, i64(W_list[no, 0, k_i]), 0, 0])
            }
          }
        }
      }
      for m in 0..2 {
        for n in 0..16 {
          C[m, n] = F[m, n] + R[m, n]
        }
      }
    }
  }
}
func kernel_pack(arg W[16, 32] : i8, out W_overs[2, 1] : i32 in 0..8, out W_fast[2, 8, 8, 4] : i8, out W_rest[2, 8, 8, 4] : i8, out W_seen[2, 1, 8] : i32 in 0..8, out W_list[2, 1, 8] : i32 in 0..7) {
  alloc global W_sums[16, 32] : i32 in 0..33554944 {
    for n in 0..16 {
      for k in 0..32 {
        W_sums[n, k] = 0
        for e in 0..4 {
 W_sums[n, k] = W_sums[n, k] + select(e < k / # % 2 * 2 + k % 2 + 1, max(i32(W[n, k / 8 * 8 + e / 2 * 4 + k / # % 2 * 2 + e % 2]), 0) + (max(0 - i32(W[n, k / 8 * 8 + e / 2 * 4 + k / # % 2 * 2 + e % 2]), 0) << 16), 0)
        }
      }
    }
    alloc global W_try[16, 32] : i8 {
      for n in 0..16 {
        for k in 0..32 {
          W_try[n, k] = i8(min(W_sums[n, k] & 65535, 128) - min((W_sums[n, k] & 65535) - max(i32(W[n, k]), 0), 128) - (min(W_sums[n, k] >> 16, 128) - min((W_sums[n, k] >> 16) - max(0 - i32(W[n, k]), 0), 128)))
        }
      }
      alloc global W_over[2, 1, 8] : i32 in -2147483648..1 {
        for n in 0..2 {
          for g in 0..8 {
            W_over[n, 0, g] = -2147483648
            for o in 0..8 {
              for j in 0..4 {
                W_over[n, 0, g] = max(W_over[n, 0, g], i32(W[n * 8 + o, g * 4 + j] != W_try[n * 8 + o, g * 4 + j]))
              }
            }
          }
        }
        for n in 0..2 {
          W_overs[n, 0] = 0
          for g in 0..8 {
            W_overs[n, 0] = W_overs[n, 0] + W_over[n, 0, g]
          }
        }
        for n in 0..16 {
          for k in 0..32 {
            W_fast[n / 8, k / 4, n % 8, k % 4] = select(W_overs[n / 8, 0] * 100 <= 240, W_try[n, k], 0)
          }
        }
        for n in 0..16 {
          for k in 0..32 {
            W_rest[n / 8, k / 4, n % 8, k % 4] = W[n, k] - W_fast[n / 8, k / 4, n % 8, k % 4]
          }
        }
        for n in 0..2 {
          for g in 0..8 {
            W_seen[n, 0, g] = 0
            for h in 0..8 {
              W_seen[n, 0, g] = W_seen[n, 0, g] + select(h < g + 1, select(W_overs[n, 0] * 100 <= 240, W_over[n, 0, h], 1), 0)
            }
          }
        }
        for n in 0..2 {
          for g in 0..8 {
            W_list[n, 0, g] = 0
            for h in 0..7 {
              W_list[n, 0, g] = W_list[n, 0, g] + i32(W_seen[n, 0, h] <= i32(g))
            }
          }
        }
      }
    }
  }
}
qjit> check
exact: 256 outputs under 8 patterns of data, every element
