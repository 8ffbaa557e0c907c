# cmd: repl --echo
input A[h:6, w:6, c:8] : u8
weight W[o:4, r:3, s:3, c:8] : i8
Acc[y, x, o] : i32 = sum(r, s, c) i32(A[y + r, x + s, c]) * i32(W[o, r, s, c])
winograd Acc.y x tile=2 -> U V M
show
check
undo
winograd Acc.y x tile=4 parts=2
check
# expect
qjit> input A[h:6, w:6, c:8] : u8
qjit> weight W[o:4, r:3, s:3, c:8] : i8
qjit> Acc[y, x, o] : i32 = sum(r, s, c) i32(A[y + r, x + s, c]) * i32(W[o, r, s, c])
qjit> winograd Acc.y x tile=2 -> U V M
qjit> show
func kernel(arg A[6, 6, 8] : u8, arg U[4, 4, 4, 8] : i16 in -1152..1148, out Acc[4, 4, 4] : i32 in -2350080..2331720) {
  alloc global Vr[4, 2, 6, 8] : i16 in -255..510 {
    for i in 0..4 {
      for ty in 0..2 {
        for x in 0..6 {
          for c in 0..8 {
            Vr[i, ty, x, c] = select(i == 0, i16(A[ty * 2, x, c]) - i16(A[ty * 2 + 2, x, c]), select(i == 1, i16(A[ty * 2 + 1, x, c]) + i16(A[ty * 2 + 2, x, c]), select(i == 2, i16(A[ty * 2 + 2, x, c]) - i16(A[ty * 2 + 1, x, c]), i16(A[ty * 2 + 1, x, c]) - i16(A[ty * 2 + 3, x, c]))))
          }
        }
      }
    }
    alloc global V[4, 4, 2, 2, 8] : i16 in -765..1020 {
      for i in 0..4 {
        for j in 0..4 {
          for ty in 0..2 {
            for tx in 0..2 {
              for c in 0..8 {
                V[i, j, ty, tx, c] = select(j == 0, Vr[i, ty, tx * 2, c] - Vr[i, ty, tx * 2 + 2, c], select(j == 1, Vr[i, ty, tx * 2 + 1, c] + Vr[i, ty, tx * 2 + 2, c], select(j == 2, Vr[i, ty, tx * 2 + 2, c] - Vr[i, ty, tx * 2 + 1, c], Vr[i, ty, tx * 2 + 1, c] - Vr[i, ty, tx * 2 + 3, c])))
              }
            }
          }
        }
      }
      alloc global M[4, 4, 4, 4] : i32 {
        for i in 0..4 {
          for j in 0..4 {
            for t in 0..4 {
              for o in 0..4 {
                M[i, j, t, o] = 0
                for c in 0..8 {
                  M[i, j, t, o] = M[i, j, t, o] + i32(U[i, j, o, c]) * i32(V[i, j, t / 2, t % 2, c])
                }
              }
            }
          }
        }
        alloc global Mr[2, 4, 2, 2, 4] : i32 {
          for yi in 0..2 {
            for j in 0..4 {
              for ty in 0..2 {
                for tx in 0..2 {
                  for o in 0..4 {
                    Mr[yi, j, ty, tx, o] = select(yi == 0, M[0, j, ty * 2 + tx, o] + M[1, j, ty * 2 + tx, o] + M[2, j, ty * 2 + tx, o], M[1, j, ty * 2 + tx, o] - M[2, j, ty * 2 + tx, o] - M[3, j, ty * 2 + tx, o])
                  }
                }
              }
            }
          }
          for y in 0..4 {
            for x in 0..4 {
              for o in 0..4 {
                Acc[y, x, o] = select(x % 2 == 0, Mr[y % 2, 0, y / 2, x / 2, o] + Mr[y % 2, 1, y / 2, x / 2, o] + Mr[y % 2, 2, y / 2, x / 2, o], Mr[y % 2, 1, y / 2, x / 2, o] - Mr[y % 2, 2, y / 2, x / 2, o] - Mr[y % 2, 3, y / 2, x / 2, o]) >> 2
              }
            }
          }
        }
      }
    }
  }
}
func kernel_pack(arg W[4, 3, 3, 8] : i8, out U[4, 4, 4, 8] : i16 in -1152..1148) {
  alloc global Ur[4, 4, 3, 8] : i16 in -384..382 {
    for i in 0..4 {
      for o in 0..4 {
        for s in 0..3 {
          for c in 0..8 {
            Ur[i, o, s, c] = select(i == 0, i16(W[o, 0, s, c]) * 2, select(i == 1, i16(W[o, 0, s, c]) + i16(W[o, 1, s, c]) + i16(W[o, 2, s, c]), select(i == 2, i16(W[o, 1, s, c]) * -1 + i16(W[o, 0, s, c]) + i16(W[o, 2, s, c]), i16(W[o, 2, s, c]) * 2)))
          }
        }
      }
    }
    for i in 0..4 {
      for j in 0..4 {
        for o in 0..4 {
          for c in 0..8 {
            U[i, j, o, c] = select(j == 0, Ur[i, o, 0, c] * 2, select(j == 1, Ur[i, o, 0, c] + Ur[i, o, 1, c] + Ur[i, o, 2, c], select(j == 2, Ur[i, o, 0, c] + Ur[i, o, 1, c] * -1 + Ur[i, o, 2, c], Ur[i, o, 2, c] * 2)))
          }
        }
      }
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
qjit> undo
undone: winograd Acc.y x tile=2 -> U V M
qjit> winograd Acc.y x tile=4 parts=2
qjit> check
exact: 512 outputs under 8 patterns of data, every element
