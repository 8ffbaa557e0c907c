# cmd: repl
input  A[m:4, k:64] : i8
weight W[n:32, k:64] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
target sm_75
cache_read W shared -> Ws
async Ws
target x86-64-v3
async Ws
target sm_80
async Ws
async C
split C.k 16
reorder C m n ko ki
bind C.m blockIdx.x
bind C.n threadIdx.x
compute_at Ws C.ko
set_scope Ws local
async Ws
set_scope Ws shared
async Ws
emit k.ptx
bind Ws.n threadIdx.x
vectorize Ws.k
double_buffer Ws 3
show
emit k.ptx
cache_read A shared as=i16 -> As
compute_at As C.ko
async As
# expect
<stdin>:7:1: error: async: sm_75 has no asynchronous copies [missing-feature]
  async Ws
  ^^^^^^^^
  func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
    alloc shared Ws[32, 64] : i8 {
      for n in 0..32 {
        for k in 0..64 {
          Ws[n, k] = W[n, k]
        }
      }
      for m in 0..4 {
        for n in 0..32 {
          C[m, n] = 0
          for k in 0..64 {
            C[m, n] = C[m, n] + i32(A[m, k]) * i32(Ws[n, k])
          }
        }
      }
    }
  }
  hint: GPUs from sm_80 on have them
<stdin>:9:1: error: async: x86-64-v3 has no asynchronous copies [missing-feature]
  async Ws
  ^^^^^^^^
  func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
    alloc shared Ws[32, 64] : i8 {
      for n in 0..32 {
        for k in 0..64 {
          Ws[n, k] = W[n, k]
        }
      }
      for m in 0..4 {
        for n in 0..32 {
          C[m, n] = 0
          for k in 0..64 {
            C[m, n] = C[m, n] + i32(A[m, k]) * i32(Ws[n, k])
          }
        }
      }
    }
  }
  hint: GPUs from sm_80 on have them
<stdin>:11:1: error: Ws is not in a block's shared memory, where asynchronous copies go [illegal-step]
  async Ws
  ^^^^^^^^
  func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
    alloc shared Ws[32, 64] : i8 {
      for n in 0..32 {
        for k in 0..64 {
          Ws[n, k] = W[n, k]
        }
      }
      for m in 0..4 {
        for n in 0..32 {
          C[m, n] = 0
          for k in 0..64 {
            C[m, n] = C[m, n] + i32(A[m, k]) * i32(Ws[n, k])
          }
        }
      }
    }
  }
  hint: set_scope it shared and compute_at it in a kernel
<stdin>:12:1: error: C is not in a block's shared memory, where asynchronous copies go [illegal-step]
  async C
  ^^^^^^^
  func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
    alloc shared Ws[32, 64] : i8 {
      for n in 0..32 {
        for k in 0..64 {
          Ws[n, k] = W[n, k]
        }
      }
      for m in 0..4 {
        for n in 0..32 {
          C[m, n] = 0
          for k in 0..64 {
            C[m, n] = C[m, n] + i32(A[m, k]) * i32(Ws[n, k])
          }
        }
      }
    }
  }
  hint: set_scope it shared and compute_at it in a kernel
<stdin>:19:1: error: Ws is not in a block's shared memory, where asynchronous copies go [illegal-step]
  async Ws
  ^^^^^^^^
  func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
    blockIdx.x m in 0..4 {
      threadIdx.x n in 0..32 {
        C[m, n] = 0
        for ko in 0..4 {
          alloc local Ws[1, 16] : i8 {
            for k in 0..16 {
              Ws[0, k] = W[n, ko * 16 + k]
            }
            for ki in 0..16 {
              C[m, n] = C[m, n] + i32(A[m, ko * 16 + ki]) * i32(Ws[0, ki])
            }
          }
        }
      }
    }
  }
  hint: set_scope it shared and compute_at it in a kernel
<stdin>:22:1: error: Ws cannot be fetched by asynchronous copies: it is not 4, 8 or 16 bytes at a time [unsupported]
  emit k.ptx
  ^^^^^^^^^^
  hint: vectorize a loop over 4, 8 or 16 bytes that lie side by side in both places, at multiples of as many
func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
  blockIdx.x m in 0..4 {
    threadIdx.x n in 0..32 {
      C[m, n] = 0
      alloc async shared Ws[3, 32, 16] : i8 {
        threadIdx.x n_1 in 0..32 {
          vectorized k in 0..16 {
            Ws[0, n_1, k] = W[n_1, k]
          }
        }
        commit
        threadIdx.x n_1 in 0..32 {
          vectorized k in 0..16 {
            Ws[1, n_1, k] = W[n_1, k + 16]
          }
        }
        commit
        for ko in 0..4 {
          wait 1
          sync
          if (ko < 2) {
            threadIdx.x n_1 in 0..32 {
              vectorized k in 0..16 {
                Ws[(ko + 2) % 3, n_1, k] = W[n_1, ko * 16 + k + 32]
              }
            }
          }
          commit
          for ki in 0..16 {
            C[m, n] = C[m, n] + i32(A[m, ko * 16 + ki]) * i32(Ws[ko % 3, n, ki])
          }
        }
      }
    }
  }
}
wrote k.ptx, .h and .json: kernels of kernel(...)
note: the products of C are summed without a dot-product instruction; `template` finds the steps, `explain` says what stands against it [no-instruction]
<stdin>:30:1: error: As is no plain copy of a tensor, with or without zeros around [illegal-step]
  async As
  ^^^^^^^^
  func kernel(arg A[4, 64] : i8, arg W[32, 64] : i8, out C[4, 32] : i32 in -1040384..1048576) {
    blockIdx.x m in 0..4 {
      threadIdx.x n in 0..32 {
        C[m, n] = 0
        alloc async shared Ws[3, 32, 16] : i8 {
          threadIdx.x n_1 in 0..32 {
            vectorized k in 0..16 {
              Ws[0, n_1, k] = W[n_1, k]
            }
          }
          commit
          threadIdx.x n_1 in 0..32 {
            vectorized k in 0..16 {
              Ws[1, n_1, k] = W[n_1, k + 16]
            }
          }
          commit
          for ko in 0..4 {
            wait 1
            sync
            if (ko < 2) {
              threadIdx.x n_1 in 0..32 {
                vectorized k in 0..16 {
                  Ws[(ko + 2) % 3, n_1, k] = W[n_1, ko * 16 + k + 32]
                }
              }
            }
            commit
            alloc shared As[1, 16] : i16 in -128..127 {
              threadIdx.x one in 0..1 {
                for k in 0..16 {
                  As[0, k] = i16(A[m, ko * 16 + k])
                }
              }
              sync
              for ki in 0..16 {
                C[m, n] = C[m, n] + i32(Ws[ko % 3, n, ki]) * i32(As[0, ki])
              }
            }
          }
        }
      }
    }
  }
  hint: async a stage that cache_read makes; compute what else is to be done where it is read
