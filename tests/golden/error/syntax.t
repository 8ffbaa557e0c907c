# cmd: repl
show )
)
42
frobnicate
target"x"
save "x
undo -1
show now
asm byts
load
time soon
input A[m:4 : u8
# expect
<stdin>:2:6: error: `show` takes no arguments [syntax]
  show )
       ^
  hint: show
<stdin>:3:1: error: a statement starts with a word [syntax]
  )
  ^
  hint: see `help` for the statements
<stdin>:4:1: error: no command, step or definition starts with `42` [syntax]
  42
  ^^
  hint: see `help` for the statements
<stdin>:5:1: error: no command, step or definition starts with `frobnicate` [syntax]
  frobnicate
  ^^^^^^^^^^
  hint: see `help` for the statements
<stdin>:6:1: error: a blank is missing after `target` [syntax]
  target"x"
  ^^^^^^^^^
  hint: target [NAME]
<stdin>:7:6: error: a string without its closing quote [syntax]
  save "x
       ^^
  hint: strings end on the line they start on
<stdin>:8:6: error: `-1` is no count [syntax]
  undo -1
       ^^
  hint: undo [COUNT]
<stdin>:9:6: error: `show` takes no arguments [syntax]
  show now
       ^^^
  hint: show
<stdin>:10:5: error: `asm` takes `bytes` or nothing, not `byts` [syntax]
  asm byts
      ^^^^
  hint: did you mean `bytes`?
<stdin>:11:1: error: `load` needs the name of a file [syntax]
  load
  ^^^^
  hint: load FILE
<stdin>:12:6: error: `soon` is no number of milliseconds from 1 to 600000 [syntax]
  time soon
       ^^^^
  hint: time [MILLISECONDS]
<stdin>:13:13: error: expected ']', found ':' [syntax]
  input A[m:4 : u8
              ^
  hint: see `help` for the statements
