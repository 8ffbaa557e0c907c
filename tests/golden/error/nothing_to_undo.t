# cmd: repl
undo
redo
# expect
<stdin>:2:1: error: there is no step to undo [nothing-to-undo]
  undo
  ^^^^
  hint: no step has been given yet
<stdin>:3:1: error: no step has been taken back [nothing-to-undo]
  redo
  ^^^^
  hint: `undo` takes steps back; a new step forgets those taken back before
