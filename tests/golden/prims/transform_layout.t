# cmd: repl --echo
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_read W global -> Wp
transform_layout Wp NK4n4k
show
transform_layout A KM
show
check
# expect
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> cache_read W global -> Wp
qjit> transform_layout Wp NK4n4k
qjit> show
func kernel(arg A[8, 16] : u8, arg Wp[2, 4, 4, 4] : i8, out C[8, 8] : i32 in -522240..518160) {
  for m in 0..8 {
    for n in 0..8 {
      C[m, n] = 0
      for k in 0..16 {
        C[m, n] = C[m, n] + i32(A[m, k]) * i32(Wp[n / 4, k / 4, n % 4, k % 4])
      }
    }
  }
}
func kernel_pack(arg W[8, 16] : i8, out Wp[2, 4, 4, 4] : i8) {
  for n in 0..8 {
    for k in 0..16 {
      Wp[n / 4, k / 4, n % 4, k % 4] = W[n, k]
    }
  }
}
qjit> transform_layout A KM
qjit> show
func kernel(arg A[16, 8] : u8, arg Wp[2, 4, 4, 4] : i8, out C[8, 8] : i32 in -522240..518160) {
  for m in 0..8 {
    for n in 0..8 {
      C[m, n] = 0
      for k in 0..16 {
        C[m, n] = C[m, n] + i32(A[k, m]) * i32(Wp[n / 4, k / 4, n % 4, k % 4])
      }
    }
  }
}
func kernel_pack(arg W[8, 16] : i8, out Wp[2, 4, 4, 4] : i8) {
  for n in 0..8 {
    for k in 0..16 {
      Wp[n / 4, k / 4, n % 4, k % 4] = W[n, k]
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
