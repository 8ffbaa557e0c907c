# cmd: repl
undo
redo
input A[n:8] : u8
B[n] = A[n] + 1
split B.n 4 -> a b
unroll B.b
undo 3
steps
undo 2
redo 3
redo 2
steps
# expect
<stdin>:2:1: error: there is no step to undo [nothing-to-undo]
  undo
  ^^^^
  hint: no step has been given yet
<stdin>:3:1: error: no step has been taken back [nothing-to-undo]
  redo
  ^^^^
  hint: `undo` takes steps back; a new step forgets those taken back before
<stdin>:8:1: error: 2 steps can be undone, not 3 [nothing-to-undo]
  undo 3
  ^^^^^^
  hint: `steps` numbers those that are there
  1  split B.n 4 -> a b
  2  unroll B.b
undone: unroll B.b
undone: split B.n 4 -> a b
<stdin>:11:1: error: 2 steps can be redone, not 3 [nothing-to-undo]
  redo 3
  ^^^^^^
  hint: `steps` numbers those that are there
redone: split B.n 4 -> a b
redone: unroll B.b
  1  split B.n 4 -> a b
  2  unroll B.b
