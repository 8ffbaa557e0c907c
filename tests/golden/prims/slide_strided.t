# cmd: repl --echo
input A[x:13] : u8
weight W[s:3] : i8
C[x:4] : i32 = sum(s) i32(A[2*x + 3*s]) * i32(W[s])
cache_read A global -> P
slide C.s x 3
show
check
slide C.x x 2
# expect
qjit> input A[x:13] : u8
qjit> weight W[s:3] : i8
qjit> C[x:4] : i32 = sum(s) i32(A[2*x + 3*s]) * i32(W[s])
qjit> cache_read A global -> P
qjit> slide C.s x 3
qjit> show
func kernel(arg A[13] : u8, arg W_slide[11, 3] : i8, out C[4] : i32 in -97920..97155) {
  alloc global P[17] : u8 {
    for x in 0..17 {
      P[x] = select(x < 13, A[x], 0)
    }
    for x in 0..4 {
      C[x] = 0
      for s in 0..11 {
        C[x] = C[x] + i32(W_slide[s, x % 3]) * i32(P[x / 3 * 6 + s])
      }
    }
  }
}
func kernel_pack(arg W[3] : i8, out W_slide[11, 3] : i8) {
  for s in 0..11 {
    for x in 0..3 {
      W_slide[s, x] = select((s - x * 2) % 3 == 0 & x * 2 < s + 1 & s < x * 2 + 7, W[(s - x * 2) / 3], 0)
    }
  }
}
qjit> check
exact: 32 outputs under 8 patterns of data, every element
qjit> slide C.x x 2
<stdin>:9:1: error: slide: x must be summed over and x not [illegal-step]
  slide C.x x 2
  ^^^^^^^^^^^^^
  func kernel(arg A[13] : u8, arg W_slide[11, 3] : i8, out C[4] : i32 in -97920..97155) {
    alloc global P[17] : u8 {
      for x in 0..17 {
        P[x] = select(x < 13, A[x], 0)
      }
      for x in 0..4 {
        C[x] = 0
        for s in 0..11 {
          C[x] = C[x] + i32(W_slide[s, x % 3]) * i32(P[x / 3 * 6 + s])
        }
      }
    }
  }
  hint: slide STAGE.TAP AXIS: TAP runs within the window, AXIS moves it
