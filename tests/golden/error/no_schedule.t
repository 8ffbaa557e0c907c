# cmd: repl
show
check
input A[m:4] : u8
show
# expect
<stdin>:2:1: error: the program computes nothing [nothing-defined]
  show
  ^^^^
  hint: define at least one computed tensor first
<stdin>:3:1: error: the program computes nothing [nothing-defined]
  check
  ^^^^^
  hint: define at least one computed tensor first
<stdin>:5:1: error: the program computes nothing [nothing-defined]
  show
  ^^^^
  hint: define at least one computed tensor first
