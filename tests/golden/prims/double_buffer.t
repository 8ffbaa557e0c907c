# cmd: repl
input  A[m:4, k:20] : u8
weight W[n:4, k:20] : i8
P[m, k] : i16 = i16(A[m, k]) - 3
C[m, n] : i32 = sum(k) i32(P[m, k]) * i32(W[n, k])
split C.k 8
reorder C m ko n ki
double_buffer P
double_buffer P 9
double_buffer C
compute_at P C.ko
double_buffer P
show
check
unroll C.ko
check
parallel C.m
compute_at P C.m
cache_read A local -> X
compute_at X C.m
undo 3
cache_read A local -> X
compute_at X C.ko
double_buffer X 3
show
check
# expect
<stdin>:8:1: error: P is computed once, not in a loop [illegal-step]
  double_buffer P
  ^^^^^^^^^^^^^^^
  func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
    alloc global P[4, 20] : i16 in -3..252 {
      for m in 0..4 {
        for k in 0..20 {
          P[m, k] = i16(A[m, k]) - 3
        }
      }
      for m in 0..4 {
        for n in 0..4 {
          C[m, n] = 0
        }
        for ko in 0..3 {
          for n in 0..4 {
            for ki in 0..8 {
              if (ko * 8 + ki < 20) {
                C[m, n] = C[m, n] + i32(P[m, ko * 8 + ki]) * i32(W[n, ko * 8 + ki])
              }
            }
          }
        }
      }
    }
  }
  hint: compute_at it in the loop over which the copies take turns
<stdin>:9:17: error: double_buffer: 9 is not in 1..8 [step-args]
  double_buffer P 9
                  ^
  func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
    alloc global P[4, 20] : i16 in -3..252 {
      for m in 0..4 {
        for k in 0..20 {
          P[m, k] = i16(A[m, k]) - 3
        }
      }
      for m in 0..4 {
        for n in 0..4 {
          C[m, n] = 0
        }
        for ko in 0..3 {
          for n in 0..4 {
            for ki in 0..8 {
              if (ko * 8 + ki < 20) {
                C[m, n] = C[m, n] + i32(P[m, ko * 8 + ki]) * i32(W[n, ko * 8 + ki])
              }
            }
          }
        }
      }
    }
  }
  hint: double_buffer STAGE [COPIES]
<stdin>:10:1: error: C is computed once, not in a loop [illegal-step]
  double_buffer C
  ^^^^^^^^^^^^^^^
  func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
    alloc global P[4, 20] : i16 in -3..252 {
      for m in 0..4 {
        for k in 0..20 {
          P[m, k] = i16(A[m, k]) - 3
        }
      }
      for m in 0..4 {
        for n in 0..4 {
          C[m, n] = 0
        }
        for ko in 0..3 {
          for n in 0..4 {
            for ki in 0..8 {
              if (ko * 8 + ki < 20) {
                C[m, n] = C[m, n] + i32(P[m, ko * 8 + ki]) * i32(W[n, ko * 8 + ki])
              }
            }
          }
        }
      }
    }
  }
  hint: compute_at it in the loop over which the copies take turns
func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
  for m in 0..4 {
    for n in 0..4 {
      C[m, n] = 0
    }
    alloc local P[2, 1, 8] : i16 in -3..252 {
      for k in 0..8 {
        P[0, 0, k] = i16(A[m, k]) - 3
      }
      for ko in 0..3 {
        if (ko < 2) {
          for k in 0..8 {
            if (ko * 8 + k < 12) {
              P[(ko + 1) % 2, 0, k] = i16(A[m, ko * 8 + k + 8]) - 3
            }
          }
        }
        for n in 0..4 {
          for ki in 0..8 {
            if (ko * 8 + ki < 20) {
              C[m, n] = C[m, n] + i32(W[n, ko * 8 + ki]) * i32(P[ko % 2, 0, ki])
            }
          }
        }
      }
    }
  }
}
exact: 128 outputs under 8 patterns of data, every element
exact: 128 outputs under 8 patterns of data, every element
<stdin>:18:1: error: C.m is parallel: its iterations do not come one after the other [illegal-step]
  compute_at P C.m
  ^^^^^^^^^^^^^^
  func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
    parallel m in 0..4 {
      for n in 0..4 {
        C[m, n] = 0
      }
      alloc local P[2, 1, 8] : i16 in -3..252 {
        for k in 0..8 {
          P[0, 0, k] = i16(A[m, k]) - 3
        }
        unrolled ko in 0..3 {
          if (ko < 2) {
            for k in 0..8 {
              if (ko * 8 + k < 12) {
                P[(ko + 1) % 2, 0, k] = i16(A[m, ko * 8 + k + 8]) - 3
              }
            }
          }
          for n in 0..4 {
            for ki in 0..8 {
              if (ko * 8 + ki < 20) {
                C[m, n] = C[m, n] + i32(W[n, ko * 8 + ki]) * i32(P[ko % 2, 0, ki])
              }
            }
          }
        }
      }
    }
  }
  hint: compute_at it in a serial loop, as that over the terms of a sum
undone: compute_at X C.m
undone: cache_read A local -> X
undone: parallel C.m
<stdin>:23:1: error: P is fetched ahead and reads X, which is not there by then [illegal-step]
  compute_at X C.ko
  ^^^^^^^^^^^^^^
  func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
    alloc local X[4, 20] : u8 {
      for m in 0..4 {
        for k in 0..20 {
          X[m, k] = A[m, k]
        }
      }
      for m in 0..4 {
        for n in 0..4 {
          C[m, n] = 0
        }
        alloc local P[2, 1, 8] : i16 in -3..252 {
          for k in 0..8 {
            P[0, 0, k] = i16(X[m, k]) - 3
          }
          unrolled ko in 0..3 {
            if (ko < 2) {
              for k in 0..8 {
                if (ko * 8 + k < 12) {
                  P[(ko + 1) % 2, 0, k] = i16(X[m, ko * 8 + k + 8]) - 3
                }
              }
            }
            for n in 0..4 {
              for ki in 0..8 {
                if (ko * 8 + ki < 20) {
                  C[m, n] = C[m, n] + i32(W[n, ko * 8 + ki]) * i32(P[ko % 2, 0, ki])
                }
              }
            }
          }
        }
      }
    }
  }
  hint: double_buffer X 2 before P (which double_buffer P 1 takes back), or compute it inside P
<stdin>:24:1: error: X is computed once, not in a loop [illegal-step]
  double_buffer X 3
  ^^^^^^^^^^^^^^^^^
  func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
    alloc local X[4, 20] : u8 {
      for m in 0..4 {
        for k in 0..20 {
          X[m, k] = A[m, k]
        }
      }
      for m in 0..4 {
        for n in 0..4 {
          C[m, n] = 0
        }
        alloc local P[2, 1, 8] : i16 in -3..252 {
          for k in 0..8 {
            P[0, 0, k] = i16(X[m, k]) - 3
          }
          unrolled ko in 0..3 {
            if (ko < 2) {
              for k in 0..8 {
                if (ko * 8 + k < 12) {
                  P[(ko + 1) % 2, 0, k] = i16(X[m, ko * 8 + k + 8]) - 3
                }
              }
            }
            for n in 0..4 {
              for ki in 0..8 {
                if (ko * 8 + ki < 20) {
                  C[m, n] = C[m, n] + i32(W[n, ko * 8 + ki]) * i32(P[ko % 2, 0, ki])
                }
              }
            }
          }
        }
      }
    }
  }
  hint: compute_at it in the loop over which the copies take turns
func kernel(arg A[4, 20] : u8, arg W[4, 20] : i8, out C[4, 4] : i32 in -645120..640080) {
  alloc local X[4, 20] : u8 {
    for m in 0..4 {
      for k in 0..20 {
        X[m, k] = A[m, k]
      }
    }
    for m in 0..4 {
      for n in 0..4 {
        C[m, n] = 0
      }
      alloc local P[2, 1, 8] : i16 in -3..252 {
        for k in 0..8 {
          P[0, 0, k] = i16(X[m, k]) - 3
        }
        unrolled ko in 0..3 {
          if (ko < 2) {
            for k in 0..8 {
              if (ko * 8 + k < 12) {
                P[(ko + 1) % 2, 0, k] = i16(X[m, ko * 8 + k + 8]) - 3
              }
            }
          }
          for n in 0..4 {
            for ki in 0..8 {
              if (ko * 8 + ki < 20) {
                C[m, n] = C[m, n] + i32(W[n, ko * 8 + ki]) * i32(P[ko % 2, 0, ki])
              }
            }
          }
        }
      }
    }
  }
}
exact: 128 outputs under 8 patterns of data, every element
