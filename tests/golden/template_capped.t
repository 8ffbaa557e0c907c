# cmd: run -
# skip: avx2
input   A[m:64, k:1024] : u8 in 0..127
weight  W[n:32, k:1024] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
target x86-64-v3
template mr=8
steps
check
# expect
  1  cap C.k 4 n 8 most=30 -> C_fast C_rest
  2  transform_layout W_fast AB4b8a4b axes=AB
  3  transform_layout W_rest AB8a4b axes=AB
  4  cache_write C_fast local -> C_acc
  5  set_scope C_rest local
  6  split C.n 8 tail=peel -> n_p n_v
  7  split C.m 64 -> m_b m_i
  8  split C.m_i 8 tail=peel -> m_t m_u
  9  reorder C m_b n_p m_t m_u n_v
 10  parallel C.m_b
 11  unroll C.m_u
 12  vectorize C.n_v
 13  compute_at C_fast C.m_t
 14  compute_at C_acc C.m_t
 15  compute_at C_rest C.m_t
 16  unroll C_fast.m
 17  vectorize C_fast.n
 18  split C_acc.n 8 tail=pad -> n_n n_l
 19  split C_acc.k 16 -> k_g k_k
 20  split C_acc.k_k 4 -> k_c k_k
 21  reorder C_acc k_g m n_n k_c n_l k_k
 22  unroll C_acc.n_n
 23  unroll C_acc.m
 24  tensorize C_acc.k_c dot4x4_u8i8_maddubs_avx2
 25  split C_rest.n 8 -> n_n n_l
 26  reorder C_rest k_q k_i m n_n n_l k_j
 27  unroll C_rest.n_n
 28  unroll C_rest.m
 29  tensorize C_rest.n_l dot4_u8i8_maddubs_avx2
exact: 16384 outputs under 8 patterns of data, every element
