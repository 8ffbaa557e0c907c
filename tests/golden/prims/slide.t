# cmd: repl --echo
input A[x:9, c:4] : u8
weight W[s:3, c:4] : i8
C[x, c] : i32 = sum(s) i32(A[x + s, c]) * i32(W[s, c])
slide C.s x 2
cache_read A local as=i16 -> Q
slide C.s x 2 -> V
show
split C.x 2
slide C.s x 2
check
# expect
qjit> input A[x:9, c:4] : u8
qjit> weight W[s:3, c:4] : i8
qjit> C[x, c] : i32 = sum(s) i32(A[x + s, c]) * i32(W[s, c])
qjit> slide C.s x 2
<stdin>:5:1: error: slide: C would read A beyond its extent 9, and it cannot be extended with zeros [illegal-step]
  slide C.s x 2
  ^^^^^^^^^^^^^
  func kernel(arg A[9, 4] : u8, arg W[3, 4] : i8, out C[7, 4] : i32 in -97920..97155) {
    for x in 0..7 {
      for c in 0..4 {
        C[x, c] = 0
        for s in 0..3 {
          C[x, c] = C[x, c] + i32(A[x + s, c]) * i32(W[s, c])
        }
      }
    }
  }
  hint: cache_read A global first: the copy can be extended
qjit> cache_read A local as=i16 -> Q
qjit> slide C.s x 2 -> V
qjit> show
func kernel(arg A[9, 4] : u8, arg V[4, 4, 2] : i8, out C[7, 4] : i32 in -97920..97155) {
  alloc local Q[10, 4] : i16 in 0..255 {
    for x in 0..10 {
      for c in 0..4 {
        Q[x, c] = select(x < 9, i16(A[x, c]), 0)
      }
    }
    for x in 0..7 {
      for c in 0..4 {
        C[x, c] = 0
        for s in 0..4 {
          C[x, c] = C[x, c] + i32(V[s, c, x % 2]) * i32(Q[x / 2 * 2 + s, c])
        }
      }
    }
  }
}
func kernel_pack(arg W[3, 4] : i8, out V[4, 4, 2] : i8) {
  for s in 0..4 {
    for c in 0..4 {
      for x in 0..2 {
        V[s, c, x] = select(s < x + 3 & x < s + 1, W[s - x, c], 0)
      }
    }
  }
}
qjit> split C.x 2
qjit> slide C.s x 2
<stdin>:10:11: error: slide: no loop of stage C named `x` [no-axis]
  slide C.s x 2
            ^
  func kernel(arg A[9, 4] : u8, arg V[4, 4, 2] : i8, out C[7, 4] : i32 in -97920..97155) {
    alloc local Q[10, 4] : i16 in 0..255 {
      for x in 0..10 {
        for c in 0..4 {
          Q[x, c] = select(x < 9, i16(A[x, c]), 0)
        }
      }
      for xo in 0..4 {
        for xi in 0..2 {
          if (xo * 2 + xi < 7) {
            for c in 0..4 {
              C[xo * 2 + xi, c] = 0
              for s in 0..4 {
                C[xo * 2 + xi, c] = C[xo * 2 + xi, c] + i32(Q[xo * 2 + s, c]) * i32(V[s, c, xi])
              }
            }
          }
        }
      }
    }
  }
  hint: did you mean `xo`? there are: xo xi c s
qjit> check
exact: 224 outputs under 8 patterns of data, every element
