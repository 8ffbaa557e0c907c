# cmd: repl --echo
input A[k:32] : u8
S[] : i32 = sum(k) i32(A[k])
split S.k 8 -> ko ki
rfactor S.ki -> P
show
check
# expect
qjit> input A[k:32] : u8
qjit> S[] : i32 = sum(k) i32(A[k])
qjit> split S.k 8 -> ko ki
qjit> rfactor S.ki -> P
qjit> show
func kernel(arg A[32] : u8, out S[] : i32 in 0..8160) {
  alloc global P[8] : i32 {
    for ki in 0..8 {
      P[ki] = 0
      for ko in 0..4 {
        P[ki] = P[ki] + i32(A[ki + ko * 8])
      }
    }
    S[] = 0
    for ki in 0..8 {
      S[] = S[] + P[ki]
    }
  }
}
qjit> check
exact: 8 outputs under 8 patterns of data, every element
