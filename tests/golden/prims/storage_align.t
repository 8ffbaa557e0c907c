# cmd: repl
input  A[m:8, k:6] : u8
weight W[n:4, k:6] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_read A local -> As
compute_at As C.m
storage_align As.k 8 0
storage_align As.q 8 0
storage_align As 8 0
storage_align C.m 8 0
storage_align As.m 16 20
compute_at As C.n
compute_root As
storage_align As.m 16 4
show
check
# expect
<stdin>:7:1: error: k is the innermost axis of As: its elements are neighbours [illegal-step]
  storage_align As.k 8 0
  ^^^^^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 6] : u8, arg W[4, 6] : i8, out C[8, 4] : i32 in -195840..194310) {
    for m in 0..8 {
      alloc local As[1, 6] : u8 {
        for k in 0..6 {
          As[0, k] = A[m, k]
        }
        for n in 0..4 {
          C[m, n] = 0
          for k in 0..6 {
            C[m, n] = C[m, n] + i32(W[n, k]) * i32(As[0, k])
          }
        }
      }
    }
  }
  hint: align an axis outside of it: gaps come between rows
<stdin>:8:15: error: storage_align: As has no axis q [no-axis]
  storage_align As.q 8 0
                ^^^^
  func kernel(arg A[8, 6] : u8, arg W[4, 6] : i8, out C[8, 4] : i32 in -195840..194310) {
    for m in 0..8 {
      alloc local As[1, 6] : u8 {
        for k in 0..6 {
          As[0, k] = A[m, k]
        }
        for n in 0..4 {
          C[m, n] = 0
          for k in 0..6 {
            C[m, n] = C[m, n] + i32(W[n, k]) * i32(As[0, k])
          }
        }
      }
    }
  }
  hint: its axes are m k, however they were split and fused
<stdin>:9:15: error: storage_align: argument 1 is an axis of a tensor, written STAGE.AXIS [step-args]
  storage_align As 8 0
                ^^
  func kernel(arg A[8, 6] : u8, arg W[4, 6] : i8, out C[8, 4] : i32 in -195840..194310) {
    for m in 0..8 {
      alloc local As[1, 6] : u8 {
        for k in 0..6 {
          As[0, k] = A[m, k]
        }
        for n in 0..4 {
          C[m, n] = 0
          for k in 0..6 {
            C[m, n] = C[m, n] + i32(W[n, k]) * i32(As[0, k])
          }
        }
      }
    }
  }
  hint: storage_align STAGE.AXIS FACTOR OFFSET
<stdin>:10:1: error: C is an argument of a function, which lies in memory without gaps [illegal-step]
  storage_align C.m 8 0
  ^^^^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 6] : u8, arg W[4, 6] : i8, out C[8, 4] : i32 in -195840..194310) {
    for m in 0..8 {
      alloc local As[1, 6] : u8 {
        for k in 0..6 {
          As[0, k] = A[m, k]
        }
        for n in 0..4 {
          C[m, n] = 0
          for k in 0..6 {
            C[m, n] = C[m, n] + i32(W[n, k]) * i32(As[0, k])
          }
        }
      }
    }
  }
  hint: storage_align a stage that copies it: cache_read C shared
<stdin>:11:23: error: storage_align: 20 is not in 0..15 [step-args]
  storage_align As.m 16 20
                        ^^
  func kernel(arg A[8, 6] : u8, arg W[4, 6] : i8, out C[8, 4] : i32 in -195840..194310) {
    for m in 0..8 {
      alloc local As[1, 6] : u8 {
        for k in 0..6 {
          As[0, k] = A[m, k]
        }
        for n in 0..4 {
          C[m, n] = 0
          for k in 0..6 {
            C[m, n] = C[m, n] + i32(W[n, k]) * i32(As[0, k])
          }
        }
      }
    }
  }
  hint: storage_align STAGE.AXIS FACTOR OFFSET
func kernel(arg A[8, 6] : u8, arg W[4, 6] : i8, out C[8, 4] : i32 in -195840..194310) {
  alloc local As[8 gap 14, 6] : u8 {
    for m in 0..8 {
      for k in 0..6 {
        As[m, k] = A[m, k]
      }
    }
    for m in 0..8 {
      for n in 0..4 {
        C[m, n] = 0
        for k in 0..6 {
          C[m, n] = C[m, n] + i32(As[m, k]) * i32(W[n, k])
        }
      }
    }
  }
}
exact: 256 outputs under 8 patterns of data, every element
