# cmd: repl --echo
input  A[m:4, k:6] : i8
weight W[n:5, k:6] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
offset A C 100 as=u8
offset A C 128 as=u8 -> A_u8 C_u8 W_sums
show
check
D[m, n] : i32 = sum(k) i32(u8(A[m, k])) * i32(W[n, k])
offset A D 128 as=u8
template stage=D
# expect
qjit> input  A[m:4, k:6] : i8
qjit> weight W[n:5, k:6] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> offset A C 100 as=u8
<stdin>:5:8: error: offset: A holds -128..127; moved by 100 that is not u8 [type]
  offset A C 100 as=u8
         ^
  func kernel(arg A[4, 6] : i8, arg W[5, 6] : i8, out C[4, 5] : i32 in -97536..98304) {
    for m in 0..4 {
      for n in 0..5 {
        C[m, n] = 0
        for k in 0..6 {
          C[m, n] = C[m, n] + i32(A[m, k]) * i32(W[n, k])
        }
      }
    }
  }
  hint: i8 becomes u8 by 128, u8 becomes i8 by -128
qjit> offset A C 128 as=u8 -> A_u8 C_u8 W_sums
qjit> show
func kernel(arg A[4, 6] : i8, arg W[5, 6] : i8, arg W_sums[5] : i32, out C[4, 5] : i32 in -97536..98304) {
  alloc global A_u8[4, 6] : u8 {
    for m in 0..4 {
      for k in 0..6 {
        A_u8[m, k] = u8(A[m, k]) + 128
      }
    }
    alloc global C_u8[4, 5] : i32 {
      for m in 0..4 {
        for n in 0..5 {
          C_u8[m, n] = 0
          for k in 0..6 {
            C_u8[m, n] = C_u8[m, n] + i32(A_u8[m, k]) * i32(W[n, k])
          }
        }
      }
      for m in 0..4 {
        for n in 0..5 {
          C[m, n] = C_u8[m, n] - W_sums[n] * 128
        }
      }
    }
  }
}
func kernel_pack(arg W[5, 6] : i8, out W_sums[5] : i32) {
  for n in 0..5 {
    W_sums[n] = 0
    for k in 0..6 {
      W_sums[n] = W_sums[n] + i32(W[n, k])
    }
  }
}
qjit> check
exact: 160 outputs under 8 patterns of data, every element
qjit> D[m, n] : i32 = sum(k) i32(u8(A[m, k])) * i32(W[n, k])
qjit> offset A D 128 as=u8
<stdin>:10:1: error: offset: one factor of D's product must be A, with its value, and the other not read it [illegal-step]
  offset A D 128 as=u8
  ^^^^^^^^^^^^^^^^^
  func kernel(arg A[4, 6] : i8, arg W[5, 6] : i8, arg W_sums[5] : i32, out C[4, 5] : i32 in -97536..98304, out D[4, 5] : i32 in -195840..194310) {
    alloc global A_u8[4, 6] : u8 {
      for m in 0..4 {
        for k in 0..6 {
          A_u8[m, k] = u8(A[m, k]) + 128
        }
      }
      alloc global C_u8[4, 5] : i32 {
        for m in 0..4 {
          for n in 0..5 {
            C_u8[m, n] = 0
            for k in 0..6 {
              C_u8[m, n] = C_u8[m, n] + i32(A_u8[m, k]) * i32(W[n, k])
            }
          }
        }
        for m in 0..4 {
          for n in 0..5 {
            C[m, n] = C_u8[m, n] - W_sums[n] * 128
          }
        }
        for m in 0..4 {
          for n in 0..5 {
            D[m, n] = 0
            for k in 0..6 {
              D[m, n] = D[m, n] + i32(u8(A[m, k])) * i32(W[n, k])
            }
          }
        }
      }
    }
  }
  hint: the schedule is unchanged; `show` prints its loop nest
qjit> template stage=D
<stdin>:11:1: error: no template serves D: a factor of the product is not an element of a tensor; define it as a tensor of its own [template]
  template stage=D
  ^^^^^^^^^^^^^^
  hint: `explain` says which templates and instructions fit, and why the others do not
