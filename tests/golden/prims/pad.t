# cmd: repl --echo
input A[m:3, k:30] : u8
C[m] : i32 = sum(k) i32(A[m, k])
pad C.k 32
cache_read A global -> Ap
pad C.k 32
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
exact: 21 outputs under 7 patterns of data, every element
