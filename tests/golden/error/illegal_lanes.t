# cmd: repl
input A[m:200] : i32
C[m] : i32 = A[m] + 1
vectorize C.m
split C.m 100 -> o i
vectorize C.i
undo
split C.m 50 -> o i
vectorize C.i
# expect
<stdin>:4:1: error: loop m of C is vectorized over 200 lanes, more than 64 [illegal-step]
  vectorize C.m
  ^^^^^^^^^^^
  func kernel(arg A[200] : i32, out C[200] : i32) {
    for m in 0..200 {
      C[m] = A[m] + 1
    }
  }
  hint: split C.m by 16 (or another number of lanes) and vectorize the inner part
<stdin>:6:1: error: loop i of C is vectorized over 100 lanes, more than 64 [illegal-step]
  vectorize C.i
  ^^^^^^^^^^^
  func kernel(arg A[200] : i32, out C[200] : i32) {
    for o in 0..2 {
      for i in 0..100 {
        C[o * 100 + i] = A[o * 100 + i] + 1
      }
    }
  }
  hint: split C.i by 16 (or another number of lanes) and vectorize the inner part
undone: split C.m 100 -> o i
