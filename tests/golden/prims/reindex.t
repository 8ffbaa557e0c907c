# cmd: repl --echo
input  A[h:9, w:9, c:6] : u8
weight W[o:5, c:6] : i8
C[y:4, x:4, o] : i32 = sum(c) i32(A[y*2 + 1, x*2, c]) * i32(W[o, c])
D[y:9] : i32 = sum(c:12) select(c < 6, i32(A[y, 0, c]), 0)
reindex A D
reindex A C as=i16 -> X
show
check
E[y:4] : i32 = sum(c) i32(i8(A[y*2, 0, c])) * 3
reindex A E
check
# expect
qjit> input  A[h:9, w:9, c:6] : u8
qjit> weight W[o:5, c:6] : i8
qjit> C[y:4, x:4, o] : i32 = sum(c) i32(A[y*2 + 1, x*2, c]) * i32(W[o, c])
qjit> D[y:9] : i32 = sum(c:12) select(c < 6, i32(A[y, 0, c]), 0)
qjit> reindex A D
<stdin>:6:1: error: reindex: D reads A at 0..11 along c, which only a condition keeps inside [illegal-step]
  reindex A D
  ^^^^^^^^^^^
  func kernel(arg A[9, 9, 6] : u8, arg W[5, 6] : i8, out C[4, 4, 5] : i32 in -195840..194310, out D[9] : i32 in 0..3060) {
    for y in 0..4 {
      for x in 0..4 {
        for o in 0..5 {
          C[y, x, o] = 0
          for c in 0..6 {
            C[y, x, o] = C[y, x, o] + i32(A[y * 2 + 1, x * 2, c]) * i32(W[o, c])
          }
        }
      }
    }
    for y in 0..9 {
      D[y] = 0
      for c in 0..12 {
        D[y] = D[y] + select(c < 6, i32(A[y, 0, c]), 0)
      }
    }
  }
  hint: the schedule is unchanged; `show` prints its loop nest
qjit> reindex A C as=i16 -> X
qjit> show
func kernel(arg A[9, 9, 6] : u8, arg W[5, 6] : i8, out C[4, 4, 5] : i32 in -195840..194310, out D[9] : i32 in 0..3060) {
  alloc global X[4, 4, 6] : i16 in 0..255 {
    for y in 0..4 {
      for x in 0..4 {
        for c in 0..6 {
          X[y, x, c] = i16(A[y * 2 + 1, x * 2, c])
        }
      }
    }
    for y in 0..4 {
      for x in 0..4 {
        for o in 0..5 {
          C[y, x, o] = 0
          for c in 0..6 {
            C[y, x, o] = C[y, x, o] + i32(X[y, x, c]) * i32(W[o, c])
          }
        }
      }
    }
    for y in 0..9 {
      D[y] = 0
      for c in 0..12 {
        D[y] = D[y] + select(c < 6, i32(A[y, 0, c]), 0)
      }
    }
  }
}
qjit> check
exact: 712 outputs under 8 patterns of data, every element
qjit> E[y:4] : i32 = sum(c) i32(i8(A[y*2, 0, c])) * 3
qjit> reindex A E
qjit> check
exact: 744 outputs under 8 patterns of data, every element
