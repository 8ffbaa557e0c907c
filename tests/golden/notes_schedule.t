# cmd: run --echo -
target x86-64-v3

# said: D is computed again for each of 16 columns
input  A[m:8, k:16] : u8
weight W[n:16, k:16] : i8
D[m, k] : i32 = i32(A[m, k]) - 7
C[m, n] : i32 = sum(k) D[m, k] * i32(W[n, k])
compute_inline D
emit again.o
undo
compute_at D C.n
emit again.o

# silent: once a row
undo
compute_at D C.m
emit again.o

# silent: what is inlined only converts
reset
target x86-64-v3
input  A[m:8, k:16] : i16
weight W[n:16, k:16] : i16
D[m, k] : i32 = i32(A[m, k])
C[m, n] : i32 = sum(k) D[m, k] * i32(W[n, k])
compute_inline D
emit again.o

# said: 8-bit products in plain loops; silent: tensorized, on a target without vectors, or nothing to sum along
reset
target x86-64-v3
input  A[m:8, k:16] : u8
weight W[n:16, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
emit plain.o
template
emit plain.o
reset
target generic
input  A[m:8, k:16] : u8
weight W[n:16, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
emit plain.o
reset
target x86-64-v3
input  A[y:10, c:16] : u8
weight W[r:3, c:16] : i8
C[y:8, c] : i32 = sum(r) i32(A[y + r, c]) * i32(W[r, c])
emit plain.o
# expect
qjit> target x86-64-v3
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:16, k:16] : i8
qjit> D[m, k] : i32 = i32(A[m, k]) - 7
qjit> C[m, n] : i32 = sum(k) D[m, k] * i32(W[n, k])
qjit> compute_inline D
qjit> emit again.o
wrote again.o, .h and .json: int kernel(...)
note: D is inlined into what reads it, which computes each of its elements 16 times [recomputed]
qjit> undo
qjit> compute_at D C.n
qjit> emit again.o
wrote again.o, .h and .json: int kernel(...)
note: D is computed at C.n, which computes each of its elements 16 times [recomputed]
qjit> undo
qjit> compute_at D C.m
qjit> emit again.o
wrote again.o, .h and .json: int kernel(...)
qjit> reset
qjit> target x86-64-v3
qjit> input  A[m:8, k:16] : i16
qjit> weight W[n:16, k:16] : i16
qjit> D[m, k] : i32 = i32(A[m, k])
qjit> C[m, n] : i32 = sum(k) D[m, k] * i32(W[n, k])
qjit> compute_inline D
qjit> emit again.o
wrote again.o, .h and .json: int kernel(...)
qjit> reset
qjit> target x86-64-v3
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:16, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> emit plain.o
wrote plain.o, .h and .json: int kernel(...)
note: the products of C are summed without a dot-product instruction; `template` finds the steps, `explain` says what stands against it [no-instruction]
qjit> template
qjit> emit plain.o
wrote plain.o, .h and .json: int kernel(...)
qjit> reset
qjit> target generic
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:16, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> emit plain.o
wrote plain.o, .h and .json: int kernel(...)
qjit> reset
qjit> target x86-64-v3
qjit> input  A[y:10, c:16] : u8
qjit> weight W[r:3, c:16] : i8
qjit> C[y:8, c] : i32 = sum(r) i32(A[y + r, c]) * i32(W[r, c])
qjit> emit plain.o
wrote plain.o, .h and .json: int kernel(...)
note: the products of C are summed one at a time: none of its loops is vectorized [no-instruction]
