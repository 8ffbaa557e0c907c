# cmd: run --echo -
target x86-64-v3
name lanes

# said: no vector instruction divides integers; none before AVX512BW masks bytes
input  A[m:8, n:24] : u8
input  B[m:8, n:24] : i32
Q[m, n] : i32 = i32(A[m, n]) / (B[m, n] + 1)
R[m, n] : u8 = max(A[m, n], u8(7))
split Q.n 8 -> no ni
vectorize Q.ni
split R.n 16 -> no ni
vectorize R.ni
emit lanes.o

# silent: by a power of two; peeled, so that no lane is masked
reset
target x86-64-v3
input  A[m:8, n:24] : u8
input  B[m:8, n:24] : i32
Q[m, n] : i32 = i32(A[m, n]) / 8
R[m, n] : u8 = max(A[m, n], u8(7))
split Q.n 8 -> no ni
vectorize Q.ni
split R.n 16 tail=peel -> no ni
vectorize R.ni
emit lanes.o

# silent: masks of bytes are there
undo 2
split R.n 16 -> no ni
vectorize R.ni
target x86-64-v4
emit lanes.o

# said: elements of other rows; silent where they lie side by side
reset
target x86-64-v3
input  A[m:8, n:16] : i32
T[m, n] : i32 = A[m, n] * 3
vectorize T.m
emit lanes.o
undo
split T.n 8 -> no ni
vectorize T.ni
emit lanes.o
# expect
qjit> target x86-64-v3
qjit> name lanes
qjit> input  A[m:8, n:24] : u8
qjit> input  B[m:8, n:24] : i32
qjit> Q[m, n] : i32 = i32(A[m, n]) / (B[m, n] + 1)
qjit> R[m, n] : u8 = max(A[m, n], u8(7))
qjit> split Q.n 8 -> no ni
qjit> vectorize Q.ni
qjit> split R.n 16 -> no ni
qjit> vectorize R.ni
qjit> emit lanes.o
wrote lanes.o, .h and .json: int lanes(...)
note: a division of i32 in vectors for Q is done one lane at a time on x86-64-v3: no vector instruction divides integers [scalarised]
note: a masked vector of u8 that writes R is done one lane at a time on x86-64-v3: split with tail=peel, or pad the axis, so that no lane is guarded [scalarised]
note: a masked vector of u8 that reads A is done one lane at a time on x86-64-v3: split with tail=peel, or pad the axis, so that no lane is guarded [scalarised]
qjit> reset
qjit> target x86-64-v3
qjit> input  A[m:8, n:24] : u8
qjit> input  B[m:8, n:24] : i32
qjit> Q[m, n] : i32 = i32(A[m, n]) / 8
qjit> R[m, n] : u8 = max(A[m, n], u8(7))
qjit> split Q.n 8 -> no ni
qjit> vectorize Q.ni
qjit> split R.n 16 tail=peel -> no ni
qjit> vectorize R.ni
qjit> emit lanes.o
wrote lanes.o, .h and .json: int kernel(...)
qjit> undo 2
qjit> split R.n 16 -> no ni
qjit> vectorize R.ni
qjit> target x86-64-v4
qjit> emit lanes.o
wrote lanes.o, .h and .json: int kernel(...)
qjit> reset
qjit> target x86-64-v3
qjit> input  A[m:8, n:16] : i32
qjit> T[m, n] : i32 = A[m, n] * 3
qjit> vectorize T.m
qjit> emit lanes.o
wrote lanes.o, .h and .json: int kernel(...)
note: vectorized loop m writes elements 16 apart of T, one lane at a time [scatter]
note: vectorized loop m reads elements 16 apart of A, one lane at a time [gather]
qjit> undo
qjit> split T.n 8 -> no ni
qjit> vectorize T.ni
qjit> emit lanes.o
wrote lanes.o, .h and .json: int kernel(...)
