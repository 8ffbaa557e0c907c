# cmd: repl --echo
# skip: avx2
target x86-64-v3
intrinsic widen2 operands "C: i32[8], A: i16[2], B: i16[8,2]" meaning "C[i] += i32(A[k]) * i32(B[i,k])" recipe "add(C, @llvm.x86.avx2.pmadd.wd(A, B))" needs "avx2"
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
cache_read A global as=i16 -> A16
cache_read W global as=i16 -> W16
transform_layout W16 NK8n2k
split C.k 2 -> ko ki
reorder C m ko n ki
tensorize C.n with widen2
show
check
save s.qj
reset
load s.qj
steps
check
target generic
# expect
qjit> target x86-64-v3
qjit> intrinsic widen2 operands "C: i32[8], A: i16[2], B: i16[8,2]" meaning "C[i] += i32(A[k]) * i32(B[i,k])" recipe "add(C, @llvm.x86.avx2.pmadd.wd(A, B))" needs "avx2"
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> cache_read A global as=i16 -> A16
qjit> cache_read W global as=i16 -> W16
qjit> transform_layout W16 NK8n2k
qjit> split C.k 2 -> ko ki
qjit> reorder C m ko n ki
qjit> tensorize C.n with widen2
qjit> show
func kernel(arg A[8, 16] : u8, arg W16[1, 8, 8, 2] : i16 in -128..127, out C[8, 8] : i32 in -522240..518160) {
  alloc global A16[8, 16] : i16 in 0..255 {
    for m in 0..8 {
      for k in 0..16 {
        A16[m, k] = i16(A[m, k])
      }
    }
    for m in 0..8 {
      vectorized n in 0..8 {
        C[m, n] = 0
      }
      for ko in 0..8 {
        widen2(C[m, 0], A16[m, ko * 2], W16[0, ko, 0, 0])
      }
    }
  }
}
func kernel_pack(arg W[8, 16] : i8, out W16[1, 8, 8, 2] : i16 in -128..127) {
  for n in 0..8 {
    for k in 0..16 {
      W16[0, k / 2, n, k % 2] = i16(W[n, k])
    }
  }
}
qjit> check
exact: 512 outputs under 8 patterns of data, every element
qjit> save s.qj
qjit> reset
qjit> load s.qj
qjit> name kernel
qjit> target x86-64-v3
qjit> intrinsic widen2 operands "C: i32[8], A: i16[2], B: i16[8,2]" meaning "C[i] += i32(A[k]) * i32(B[i,k])" recipe "add(C, @llvm.x86.avx2.pmadd.wd(A, B))" needs "avx2"
qjit> input A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m:8, n:8] : i32 = sum(k:16) i32(A[m, k]) * i32(W[n, k])
qjit> cache_read A global as=i16 -> A16
qjit> cache_read W global as=i16 -> W16
qjit> transform_layout W16 NK8n2k
qjit> split C.k 2 -> ko ki
qjit> reorder C m ko n ki
qjit> tensorize C.n widen2
qjit> steps
  1  cache_read A global as=i16 -> A16
  2  cache_read W global as=i16 -> W16
  3  transform_layout W16 NK8n2k
  4  split C.k 2 -> ko ki
  5  reorder C m ko n ki
  6  tensorize C.n widen2
qjit> check
exact: 512 outputs under 8 patterns of data, every element
qjit> target generic
<stdin>:21:1: error: tensorize: target generic has no instruction named `widen2` [bad-intrinsic]
  target generic
  ^^^^^^^^^^^^^^
  func kernel(arg A[8, 16] : u8, arg W16[1, 8, 8, 2] : i16 in -128..127, out C[8, 8] : i32 in -522240..518160) {
    alloc global A16[8, 16] : i16 in 0..255 {
      for m in 0..8 {
        for k in 0..16 {
          A16[m, k] = i16(A[m, k])
        }
      }
      for m in 0..8 {
        for n in 0..8 {
          C[m, n] = 0
        }
        for ko in 0..8 {
          for n in 0..8 {
            for ki in 0..2 {
              C[m, n] = C[m, n] + i32(A16[m, ko * 2 + ki]) * i32(W16[0, ko, n, ki])
            }
          }
        }
      }
    }
  }
  hint: `explain` lists the instructions and where they fit
