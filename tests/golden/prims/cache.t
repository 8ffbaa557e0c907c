# cmd: repl --echo
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_read A local as=i16 -> A16
cache_write C local -> Acc
show
compute_at Acc C.m
show
set_scope A16 global
show
check
# expect
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> cache_read A local as=i16 -> A16
qjit> cache_write C local -> Acc
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  alloc local A16[8, 16] : i16 in 0..255 {
    for m in 0..8 {
      for k in 0..16 {
        A16[m, k] = i16(A[m, k])
      }
    }
    alloc local Acc[8, 8] : i32 in -522240..518160 {
      for m in 0..8 {
        for n in 0..8 {
          Acc[m, n] = 0
          for k in 0..16 {
            Acc[m, n] = Acc[m, n] + i32(A16[m, k]) * i32(W[n, k])
          }
        }
      }
      for m in 0..8 {
        for n in 0..8 {
          C[m, n] = Acc[m, n]
        }
      }
    }
  }
}
qjit> compute_at Acc C.m
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  alloc local A16[8, 16] : i16 in 0..255 {
    for m in 0..8 {
      for k in 0..16 {
        A16[m, k] = i16(A[m, k])
      }
    }
    for m in 0..8 {
      alloc local Acc[1, 8] : i32 in -522240..518160 {
        for n in 0..8 {
          Acc[0, n] = 0
          for k in 0..16 {
            Acc[0, n] = i32(A16[m, k]) * i32(W[n, k]) + Acc[0, n]
          }
        }
        for n in 0..8 {
          C[m, n] = Acc[0, n]
        }
      }
    }
  }
}
qjit> set_scope A16 global
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  alloc global A16[8, 16] : i16 in 0..255 {
    for m in 0..8 {
      for k in 0..16 {
        A16[m, k] = i16(A[m, k])
      }
    }
    for m in 0..8 {
      alloc local Acc[1, 8] : i32 in -522240..518160 {
        for n in 0..8 {
          Acc[0, n] = 0
          for k in 0..16 {
            Acc[0, n] = i32(A16[m, k]) * i32(W[n, k]) + Acc[0, n]
          }
        }
        for n in 0..8 {
          C[m, n] = Acc[0, n]
        }
      }
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
