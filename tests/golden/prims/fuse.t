# cmd: repl --echo
input A[y:4, x:8] : u8
C[y, x] : i32 = i32(A[y, x])
fuse C.y x -> yx
show
check
# expect
qjit> input A[y:4, x:8] : u8
qjit> C[y, x] : i32 = i32(A[y, x])
qjit> fuse C.y x -> yx
qjit> show
func kernel(arg A[4, 8] : u8, out C[4, 8] : i32 in 0..255) {
  for yx in 0..32 {
    C[yx / 8, yx % 8] = i32(A[yx / 8, yx % 8])
  }
}
qjit> check
exact: 256 outputs under 8 patterns of data, every element
