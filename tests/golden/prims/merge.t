# cmd: repl --echo
input A[h:5, w:6, c:3] : u8
weight W[o:16, r:2, s:3, c:3] : i8
P = pad(A, h: 0 0, w: 1 1)
C[y, x, o] : i32 = sum(r, s, c) i32(P[y + r, x*2 + s, c]) * i32(W[o, r, s, c])
merge C.y x
merge C.y r
cache_read P global as=i16 -> X
compute_inline P
cache_read W global as=i16 -> Wp
merge X.w c -> q
merge Wp.s c -> t
merge C.s c -> t
pad C.t 2
merge C.r t
transform_layout Wp ORT4o2t
merge Wp.o r
split C.o 4 -> o2 o1
split C.t 2 -> t2 t1
merge C.y x
reorder C y x o2 r t2 o1 t1
compute_at X C.x
tensorize C.o1 with dot2_i16_sse2
show
check
reset
input F[i:4, j:5] : f32
G[] : f32 = sum(i, j) F[i, j]
merge G.j i
merge G.i j
cache_read F global -> Fc
merge Fc.j i
show
check
# expect
qjit> input A[h:5, w:6, c:3] : u8
qjit> weight W[o:16, r:2, s:3, c:3] : i8
qjit> P = pad(A, h: 0 0, w: 1 1)
qjit> C[y, x, o] : i32 = sum(r, s, c) i32(P[y + r, x*2 + s, c]) * i32(W[o, r, s, c])
qjit> merge C.y x
<stdin>:6:1: error: merge: C is an output of the kernel and keeps its shape [illegal-step]
  merge C.y x
  ^^^^^^^^^^^
  func kernel(arg A[5, 6, 3] : u8, arg W[16, 2, 3, 3] : i8, out C[4, 3, 16] : i32 in -587520..582930) {
    alloc global P[5, 8, 3] : u8 {
      for h in 0..5 {
        for w in 0..8 {
          for c in 0..3 {
            P[h, w, c] = select(0 < w & w < 7, A[h, w - 1, c], 0)
          }
        }
      }
      for y in 0..4 {
        for x in 0..3 {
          for o in 0..16 {
            C[y, x, o] = 0
            for r in 0..2 {
              for s in 0..3 {
                for c in 0..3 {
                  C[y, x, o] = C[y, x, o] + i32(P[y + r, x * 2 + s, c]) * i32(W[o, r, s, c])
                }
              }
            }
          }
        }
      }
    }
  }
  hint: cache_write C local first and merge axes of that stage
qjit> merge C.y r
<stdin>:7:1: error: merge: y is a data-parallel axis, r is not [illegal-step]
  merge C.y r
  ^^^^^^^^^^^
  func kernel(arg A[5, 6, 3] : u8, arg W[16, 2, 3, 3] : i8, out C[4, 3, 16] : i32 in -587520..582930) {
    alloc global P[5, 8, 3] : u8 {
      for h in 0..5 {
        for w in 0..8 {
          for c in 0..3 {
            P[h, w, c] = select(0 < w & w < 7, A[h, w - 1, c], 0)
          }
        }
      }
      for y in 0..4 {
        for x in 0..3 {
          for o in 0..16 {
            C[y, x, o] = 0
            for r in 0..2 {
              for s in 0..3 {
                for c in 0..3 {
                  C[y, x, o] = C[y, x, o] + i32(P[y + r, x * 2 + s, c]) * i32(W[o, r, s, c])
                }
              }
            }
          }
        }
      }
    }
  }
  hint: the schedule is unchanged; `show` prints its loop nest
qjit> cache_read P global as=i16 -> X
qjit> compute_inline P
qjit> cache_read W global as=i16 -> Wp
qjit> merge X.w c -> q
qjit> merge Wp.s c -> t
qjit> merge C.s c -> t
qjit> pad C.t 2
qjit> merge C.r t
<stdin>:15:1: error: merge: t is padded; merge before pad [illegal-step]
  merge C.r t
  ^^^^^^^^^^^
  func kernel(arg A[5, 6, 3] : u8, arg Wp[16, 2, 10] : i16 in -128..127, out C[4, 3, 16] : i32 in -587520..582930) {
    alloc global X[5, 24] : i16 in 0..255 {
      for h in 0..5 {
        for q in 0..24 {
          X[h, q] = i16(select(2 < q & q < 21, A[h, q / 3 - 1, q % 3], 0))
        }
      }
      for y in 0..4 {
        for x in 0..3 {
          for o in 0..16 {
            C[y, x, o] = 0
            for r in 0..2 {
              for t in 0..10 {
                C[y, x, o] = C[y, x, o] + i32(X[y + r, x * 6 + t]) * i32(Wp[o, r, t])
              }
            }
          }
        }
      }
    }
  }
  hint: the schedule is unchanged; `show` prints its loop nest
qjit> transform_layout Wp ORT4o2t
qjit> merge Wp.o r
<stdin>:17:1: error: merge: Wp has a layout or gaps, which name the axes to be merged [illegal-step]
  merge Wp.o r
  ^^^^^^^^^^^^
  func kernel(arg A[5, 6, 3] : u8, arg Wp[4, 2, 5, 4, 2] : i16 in -128..127, out C[4, 3, 16] : i32 in -587520..582930) {
    alloc global X[5, 24] : i16 in 0..255 {
      for h in 0..5 {
        for q in 0..24 {
          X[h, q] = i16(select(2 < q & q < 21, A[h, q / 3 - 1, q % 3], 0))
        }
      }
      for y in 0..4 {
        for x in 0..3 {
          for o in 0..16 {
            C[y, x, o] = 0
            for r in 0..2 {
              for t in 0..10 {
                C[y, x, o] = C[y, x, o] + i32(X[y + r, x * 6 + t]) * i32(Wp[o / 4, r, t / 2, o % 4, t % 2])
              }
            }
          }
        }
      }
    }
  }
  hint: merge before transform_layout and storage_align
qjit> split C.o 4 -> o2 o1
qjit> split C.t 2 -> t2 t1
qjit> merge C.y x
<stdin>:20:1: error: merge: C already has loop steps [illegal-step]
  merge C.y x
  ^^^^^^^^^^^
  func kernel(arg A[5, 6, 3] : u8, arg Wp[4, 2, 5, 4, 2] : i16 in -128..127, out C[4, 3, 16] : i32 in -587520..582930) {
    alloc global X[5, 24] : i16 in 0..255 {
      for h in 0..5 {
        for q in 0..24 {
          X[h, q] = i16(select(2 < q & q < 21, A[h, q / 3 - 1, q % 3], 0))
        }
      }
      for y in 0..4 {
        for x in 0..3 {
          for o2 in 0..4 {
            for o1 in 0..4 {
              C[y, x, o2 * 4 + o1] = 0
              for r in 0..2 {
                for t2 in 0..5 {
                  for t1 in 0..2 {
                    C[y, x, o2 * 4 + o1] = C[y, x, o2 * 4 + o1] + i32(X[y + r, x * 6 + t2 * 2 + t1]) * i32(Wp[o2, r, t2, o1, t1])
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  hint: merge axes before splitting, reordering or marking loops of C
qjit> reorder C y x o2 r t2 o1 t1
qjit> compute_at X C.x
qjit> tensorize C.o1 with dot2_i16_sse2
qjit> show
func kernel(arg A[5, 6, 3] : u8, arg Wp[4, 2, 5, 4, 2] : i16 in -128..127, out C[4, 3, 16] : i32 in -587520..582930) {
  for y in 0..4 {
    for x in 0..3 {
      alloc global X[2, 10] : i16 in 0..255 {
        for h in 0..2 {
          for q in 0..10 {
            X[h, q] = i16(select(2 < x * 6 + q & x * 6 + q < 21, A[y + h, x * 2 + q / 3 - 1, q % 3], 0))
          }
        }
        for o2 in 0..4 {
          vectorized o1 in 0..4 {
            C[y, x, o2 * 4 + o1] = 0
          }
          for r in 0..2 {
            for t2 in 0..5 {
              dot2_i16_sse2(C[y, x, o2 * 4], X[r, t2 * 2], Wp[o2, r, t2, 0, 0])
            }
          }
        }
      }
    }
  }
}
func kernel_pack(arg W[16, 2, 3, 3] : i8, out Wp[4, 2, 5, 4, 2] : i16 in -128..127) {
  for o in 0..16 {
    for r in 0..2 {
      for t in 0..10 {
        Wp[o / 4, r, t / 2, o % 4, t % 2] = select(t < 9, i16(W[o, r, t / 3, t % 3]), 0)
      }
    }
  }
}
qjit> check
exact: 1536 outputs under 8 patterns of data, every element
qjit> reset
qjit> input F[i:4, j:5] : f32
qjit> G[] : f32 = sum(i, j) F[i, j]
qjit> merge G.j i
<stdin>:29:1: error: merge: merging j and i would change the order of an f32 reduction [float-order]
  merge G.j i
  ^^^^^^^^^^^
  func kernel(arg F[4, 5] : f32, out G[] : f32) {
    G[] = 0.0
    for i in 0..4 {
      for j in 0..5 {
        G[] = G[] + F[i, j]
      }
    }
  }
  hint: f32 sums keep their order so that bits do not depend on the schedule
qjit> merge G.i j
qjit> cache_read F global -> Fc
qjit> merge Fc.j i
qjit> show
func kernel(arg F[4, 5] : f32, out G[] : f32) {
  alloc global Fc[20] : f32 {
    for ji in 0..20 {
      Fc[ji] = F[ji % 4, ji / 4]
    }
    G[] = 0.0
    for ij in 0..20 {
      G[] = G[] + Fc[ij % 5 * 4 + ij / 5]
    }
  }
}
qjit> check
exact: 8 outputs under 8 patterns of data, every element
