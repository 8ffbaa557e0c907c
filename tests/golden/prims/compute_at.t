# cmd: repl --echo
input A[y:8, x:8] : u8
P = pad(A, y: 1 1, x: 1 1, value: 0)
C[y:8, x:8] : i32 = sum(r:3, s:3) i32(P[y + r, x + s])
show
compute_at P C.y
show
check
# expect
qjit> input A[y:8, x:8] : u8
qjit> P = pad(A, y: 1 1, x: 1 1, value: 0)
qjit> C[y:8, x:8] : i32 = sum(r:3, s:3) i32(P[y + r, x + s])
qjit> show
func kernel(arg A[8, 8] : u8, out C[8, 8] : i32 in 0..2295) {
  alloc global P[10, 10] : u8 {
    for y in 0..10 {
      for x in 0..10 {
        P[y, x] = select(y < 9 & x < 9 & 0 < y & 0 < x, A[y - 1, x - 1], 0)
      }
    }
    for y in 0..8 {
      for x in 0..8 {
        C[y, x] = 0
        for r in 0..3 {
          for s in 0..3 {
            C[y, x] = C[y, x] + i32(P[y + r, x + s])
          }
        }
      }
    }
  }
}
qjit> compute_at P C.y
qjit> show
func kernel(arg A[8, 8] : u8, out C[8, 8] : i32 in 0..2295) {
  for y in 0..8 {
    alloc local P[3, 10] : u8 {
      for y_1 in 0..3 {
        for x in 0..10 {
          P[y_1, x] = select(y + y_1 < 9 & x < 9 & 0 < y + y_1 & 0 < x, A[y + y_1 - 1, x - 1], 0)
        }
      }
      for x in 0..8 {
        C[y, x] = 0
        for r in 0..3 {
          for s in 0..3 {
            C[y, x] = C[y, x] + i32(P[r, x + s])
          }
        }
      }
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
