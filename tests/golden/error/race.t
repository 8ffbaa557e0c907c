# cmd: repl
target sm_80
input  A[m:8, k:16] : u8
input  B[m:8, n:8] : i32 in 0..9
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
D[m, n] : i32 = C[m, n] + B[m, n]
cache_read A shared -> S
cache_read B shared -> P
split D.m 4 -> mo mi
bind D.mi threadIdx.x
compute_at P D.mo
compute_at C D.mi
compute_at S C.k
bind P.n threadIdx.x
bind S.m blockIdx.x
set_scope S global
bind C.n threadIdx.y
split C.n 4 -> no ni
bind S.m threadIdx.x
split S.m 2 -> so si
bind S.so threadIdx.y
# expect
<stdin>:15:1: error: a sync is needed where S is read, but not all threads of the block come there [race]
  bind P.n threadIdx.x
  ^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg B[8, 8] : i32 in 0..9, arg W[8, 16] : i8, out D[8, 8] : i32 in -522240..518169) {
    for mo in 0..2 {
      alloc shared P[4, 8] : i32 in 0..9 {
        sync
        threadIdx.x one in 0..1 {
          for m in 0..4 {
            for n in 0..8 {
              P[m, n] = B[mo * 4 + m, n]
            }
          }
        }
        threadIdx.x mi in 0..4 {
          alloc local C[1, 8] : i32 in -522240..518160 {
            for n in 0..8 {
              C[0, n] = 0
              for k in 0..16 {
                alloc shared S[4, 1] : u8 {
                  sync
                  threadIdx.x one in 0..1 {
                    for m in 0..4 {
                      S[m, 0] = A[mo * 4 + m, k]
                    }
                  }
                  sync
                  C[0, n] = i32(S[mi, 0]) * i32(W[n, k]) + C[0, n]
                }
              }
            }
            for n in 0..8 {
              D[mo * 4 + mi, n] = P[mi, n] + C[0, n]
            }
          }
        }
      }
    }
  }
  hint: bind the loop around it to as many threads as any other loop of the kernel
<stdin>:16:1: error: S is computed inside another stage, whose blocks each need all of their part of it [illegal-step]
  bind S.m blockIdx.x
  ^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg B[8, 8] : i32 in 0..9, arg W[8, 16] : i8, out D[8, 8] : i32 in -522240..518169) {
    for mo in 0..2 {
      alloc shared P[4, 8] : i32 in 0..9 {
        sync
        threadIdx.x one in 0..1 {
          for m in 0..4 {
            for n in 0..8 {
              P[m, n] = B[mo * 4 + m, n]
            }
          }
        }
        threadIdx.x mi in 0..4 {
          alloc local C[1, 8] : i32 in -522240..518160 {
            for n in 0..8 {
              C[0, n] = 0
              for k in 0..16 {
                alloc shared S[4, 1] : u8 {
                  sync
                  threadIdx.x one in 0..1 {
                    for m in 0..4 {
                      S[m, 0] = A[mo * 4 + m, k]
                    }
                  }
                  sync
                  C[0, n] = i32(S[mi, 0]) * i32(W[n, k]) + C[0, n]
                }
              }
            }
            for n in 0..8 {
              D[mo * 4 + mi, n] = P[mi, n] + C[0, n]
            }
          }
        }
      }
    }
  }
  hint: bind loops of the stage it is computed in
<stdin>:17:1: error: S is stored in global memory, one for all blocks, but computed inside a kernel [illegal-step]
  set_scope S global
  ^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg B[8, 8] : i32 in 0..9, arg W[8, 16] : i8, out D[8, 8] : i32 in -522240..518169) {
    for mo in 0..2 {
      alloc shared P[4, 8] : i32 in 0..9 {
        sync
        threadIdx.x one in 0..1 {
          for m in 0..4 {
            for n in 0..8 {
              P[m, n] = B[mo * 4 + m, n]
            }
          }
        }
        threadIdx.x mi in 0..4 {
          alloc local C[1, 8] : i32 in -522240..518160 {
            for n in 0..8 {
              C[0, n] = 0
              for k in 0..16 {
                alloc shared S[4, 1] : u8 {
                  sync
                  threadIdx.x one in 0..1 {
                    for m in 0..4 {
                      S[m, 0] = A[mo * 4 + m, k]
                    }
                  }
                  sync
                  C[0, n] = i32(S[mi, 0]) * i32(W[n, k]) + C[0, n]
                }
              }
            }
            for n in 0..8 {
              D[mo * 4 + mi, n] = P[mi, n] + C[0, n]
            }
          }
        }
      }
    }
  }
  hint: set_scope it shared (of a block) or local (of a thread)
<stdin>:18:1: error: C is computed by several threads, but stored where only one of them sees it [illegal-step]
  bind C.n threadIdx.y
  ^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg B[8, 8] : i32 in 0..9, arg W[8, 16] : i8, out D[8, 8] : i32 in -522240..518169) {
    for mo in 0..2 {
      alloc shared P[4, 8] : i32 in 0..9 {
        sync
        threadIdx.x one in 0..1 {
          for m in 0..4 {
            for n in 0..8 {
              P[m, n] = B[mo * 4 + m, n]
            }
          }
        }
        threadIdx.x mi in 0..4 {
          alloc local C[1, 8] : i32 in -522240..518160 {
            for n in 0..8 {
              C[0, n] = 0
              for k in 0..16 {
                alloc shared S[4, 1] : u8 {
                  sync
                  threadIdx.x one in 0..1 {
                    for m in 0..4 {
                      S[m, 0] = A[mo * 4 + m, k]
                    }
                  }
                  sync
                  C[0, n] = i32(S[mi, 0]) * i32(W[n, k]) + C[0, n]
                }
              }
            }
            for n in 0..8 {
              D[mo * 4 + mi, n] = P[mi, n] + C[0, n]
            }
          }
        }
      }
    }
  }
  hint: set_scope it shared
<stdin>:21:1: error: split: loop m is already threadIdx.x; split it first [illegal-step]
  split S.m 2 -> so si
  ^^^^^^^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg B[8, 8] : i32 in 0..9, arg W[8, 16] : i8, out D[8, 8] : i32 in -522240..518169) {
    for mo in 0..2 {
      alloc shared P[4, 8] : i32 in 0..9 {
        sync
        threadIdx.x one in 0..1 {
          for m in 0..4 {
            for n in 0..8 {
              P[m, n] = B[mo * 4 + m, n]
            }
          }
        }
        threadIdx.x mi in 0..4 {
          alloc local C[1, 8] : i32 in -522240..518160 {
            for no in 0..2 {
              for ni in 0..4 {
                C[0, no * 4 + ni] = 0
                for k in 0..16 {
                  alloc shared S[4, 1] : u8 {
                    sync
                    threadIdx.x m in 0..4 {
                      S[m, 0] = A[mo * 4 + m, k]
                    }
                    sync
                    C[0, no * 4 + ni] = i32(S[mi, 0]) * i32(W[no * 4 + ni, k]) + C[0, no * 4 + ni]
                  }
                }
              }
            }
            for n in 0..8 {
              D[mo * 4 + mi, n] = P[mi, n] + C[0, n]
            }
          }
        }
      }
    }
  }
  hint: the schedule is unchanged; `show` prints its loop nest
<stdin>:22:6: error: bind: no loop of stage S named `so` [no-axis]
  bind S.so threadIdx.y
       ^^^^
  func kernel(arg A[8, 16] : u8, arg B[8, 8] : i32 in 0..9, arg W[8, 16] : i8, out D[8, 8] : i32 in -522240..518169) {
    for mo in 0..2 {
      alloc shared P[4, 8] : i32 in 0..9 {
        sync
        threadIdx.x one in 0..1 {
          for m in 0..4 {
            for n in 0..8 {
              P[m, n] = B[mo * 4 + m, n]
            }
          }
        }
        threadIdx.x mi in 0..4 {
          alloc local C[1, 8] : i32 in -522240..518160 {
            for no in 0..2 {
              for ni in 0..4 {
                C[0, no * 4 + ni] = 0
                for k in 0..16 {
                  alloc shared S[4, 1] : u8 {
                    sync
                    threadIdx.x m in 0..4 {
                      S[m, 0] = A[mo * 4 + m, k]
                    }
                    sync
                    C[0, no * 4 + ni] = i32(S[mi, 0]) * i32(W[no * 4 + ni, k]) + C[0, no * 4 + ni]
                  }
                }
              }
            }
            for n in 0..8 {
              D[mo * 4 + mi, n] = P[mi, n] + C[0, n]
            }
          }
        }
      }
    }
  }
  hint: there are: m k
