# cmd: repl --echo
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
show
split C.n 4 -> no ni
reorder C no m k ni
vectorize C.ni
show
steps
undo 2
steps
redo
redo
redo
steps
program
name dense
name
show; nonsense; steps
target generic
target
check
reset
program
show
quit
show
# expect
qjit> input  A[m:8, k:16] : u8
qjit> weight W[n:8, k:16] : i8
qjit> C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  for m in 0..8 {
    for n in 0..8 {
      C[m, n] = 0
      for k in 0..16 {
        C[m, n] = C[m, n] + i32(A[m, k]) * i32(W[n, k])
      }
    }
  }
}
qjit> split C.n 4 -> no ni
qjit> reorder C no m k ni
qjit> vectorize C.ni
qjit> show
func kernel(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  for no in 0..2 {
    for m in 0..8 {
      vectorized ni in 0..4 {
        C[m, no * 4 + ni] = 0
      }
      for k in 0..16 {
        vectorized ni in 0..4 {
          C[m, no * 4 + ni] = C[m, no * 4 + ni] + i32(W[no * 4 + ni, k]) * i32(A[m, k])
        }
      }
    }
  }
}
qjit> steps
  1  split C.n 4 -> no ni
  2  reorder C no m k ni
  3  vectorize C.ni
qjit> undo 2
undone: vectorize C.ni
undone: reorder C no m k ni
qjit> steps
  1  split C.n 4 -> no ni
qjit> redo
redone: reorder C no m k ni
qjit> redo
redone: vectorize C.ni
qjit> redo
<stdin>:15:1: error: no step has been taken back [nothing-to-undo]
  redo
  ^^^^
  hint: `undo` takes steps back; a new step forgets those taken back before
qjit> steps
  1  split C.n 4 -> no ni
  2  reorder C no m k ni
  3  vectorize C.ni
qjit> program
input A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m:8, n:8] : i32 = sum(k:16) i32(A[m, k]) * i32(W[n, k])
qjit> name dense
qjit> name
dense
qjit> show
func dense(arg A[8, 16] : u8, arg W[8, 16] : i8, out C[8, 8] : i32 in -522240..518160) {
  for no in 0..2 {
    for m in 0..8 {
      vectorized ni in 0..4 {
        C[m, no * 4 + ni] = 0
      }
      for k in 0..16 {
        vectorized ni in 0..4 {
          C[m, no * 4 + ni] = C[m, no * 4 + ni] + i32(W[no * 4 + ni, k]) * i32(A[m, k])
        }
      }
    }
  }
}
qjit> nonsense
<stdin>:20:7: error: no command, step or definition starts with `nonsense` [syntax]
  show; nonsense; steps
        ^^^^^^^^
  hint: see `help` for the statements
qjit> steps
  1  split C.n 4 -> no ni
  2  reorder C no m k ni
  3  vectorize C.ni
qjit> target generic
qjit> target
generic
qjit> check
exact: 512 outputs under 8 patterns of data, every element
qjit> reset
qjit> program
qjit> show
<stdin>:26:1: error: the program computes nothing [nothing-defined]
  show
  ^^^^
  hint: define at least one computed tensor first
qjit> quit
