# cmd: repl --echo
input A[m:8] : u8
P[i] : i32 = i32(A[i]) + 1
C[i] : i32 = P[i] * 2
show
compute_inline P
show
compute_root P
check
# expect
qjit> input A[m:8] : u8
qjit> P[i] : i32 = i32(A[i]) + 1
qjit> C[i] : i32 = P[i] * 2
qjit> show
func kernel(arg A[8] : u8, out C[8] : i32 in 2..512) {
  alloc global P[8] : i32 in 1..256 {
    for i in 0..8 {
      P[i] = i32(A[i]) + 1
    }
    for i in 0..8 {
      C[i] = P[i] * 2
    }
  }
}
qjit> compute_inline P
qjit> show
func kernel(arg A[8] : u8, out C[8] : i32 in 2..512) {
  for i in 0..8 {
    C[i] = (i32(A[i]) + 1) * 2
  }
}
qjit> compute_root P
qjit> check
exact: 64 outputs under 8 patterns of data, every element
