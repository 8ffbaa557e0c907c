# cmd: repl --echo
input A[m:3, k:30] : u8
C[m] : i32 = sum(k) i32(A[m, k])
pad C.k 32
cache_read A global -> Ap
pad C.k 32
show
check
reset
input D[i:10] : u8
E[y:4] : i32 = sum(k:3) i32(D[y*2 + k])
cache_read D global -> Dp
pad E.k 8
check
reset
input G[k:30] : u8
H[k] : i32 = i32(G[k]) + 1
J[] : i32 = sum(k) H[k]
cache_read G global -> Gp
pad H.k 32
pad J.k 32
show
check
# expect
qjit> input A[m:3, k:30] : u8
qjit> C[m] : i32 = sum(k) i32(A[m, k])
qjit> pad C.k 32
<stdin>:4:1: error: pad: padding C would read A beyond its extent 30, and it cannot be extended with zeros [illegal-step]
  pad C.k 32
  ^^^^^^^^^^
  func kernel(arg A[3, 30] : u8, out C[3] : i32 in 0..7650) {
    for m in 0..3 {
      C[m] = 0
      for k in 0..30 {
        C[m] = C[m] + i32(A[m, k])
      }
    }
  }
  hint: cache_read A global first: the copy can be extended
qjit> cache_read A global -> Ap
qjit> pad C.k 32
qjit> show
func kernel(arg A[3, 30] : u8, out C[3] : i32 in 0..7650) {
  alloc global Ap[3, 32] : u8 {
    for m in 0..3 {
      for k in 0..32 {
        Ap[m, k] = select(k < 30, A[m, k], 0)
      }
    }
    for m in 0..3 {
      C[m] = 0
      for k in 0..32 {
        C[m] = C[m] + i32(Ap[m, k])
      }
    }
  }
}
qjit> check
exact: 24 outputs under 8 patterns of data, every element
qjit> reset
qjit> input D[i:10] : u8
qjit> E[y:4] : i32 = sum(k:3) i32(D[y*2 + k])
qjit> cache_read D global -> Dp
qjit> pad E.k 8
<stdin>:13:1: error: pad: the terms beyond k's extent 3 would not be zero [illegal-step]
  pad E.k 8
  ^^^^^^^^^
  func kernel(arg D[10] : u8, out E[4] : i32 in 0..765) {
    alloc global Dp[10] : u8 {
      for i in 0..10 {
        Dp[i] = D[i]
      }
      for y in 0..4 {
        E[y] = 0
        for k in 0..3 {
          E[y] = E[y] + i32(Dp[y * 2 + k])
        }
      }
    }
  }
  hint: a product is zero when one of its factors is read from an extended stage
qjit> check
exact: 32 outputs under 8 patterns of data, every element
qjit> reset
qjit> input G[k:30] : u8
qjit> H[k] : i32 = i32(G[k]) + 1
qjit> J[] : i32 = sum(k) H[k]
qjit> cache_read G global -> Gp
qjit> pad H.k 32
qjit> pad J.k 32
qjit> show
func kernel(arg G[30] : u8, out J[] : i32 in 0..7680) {
  alloc global Gp[32] : u8 {
    for k in 0..32 {
      Gp[k] = select(k < 30, G[k], 0)
    }
    alloc global H[32] : i32 in 0..256 {
      for k in 0..32 {
        H[k] = select(k < 30, i32(Gp[k]) + 1, 0)
      }
      J[] = 0
      for k in 0..32 {
        J[] = J[] + H[k]
      }
    }
  }
}
qjit> check
exact: 8 outputs under 8 patterns of data, every element
