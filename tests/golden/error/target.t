# cmd: repl
target x87
target x86-64-v3,+nosuch
# expect
<stdin>:2:8: error: no target or CPU is called "x87" [unknown-target]
  target x87
         ^^^
  hint: `qjit targets` lists the targets and CPU names
<stdin>:3:8: error: x86-64 has no feature "nosuch" [missing-feature]
  target x86-64-v3,+nosuch
         ^^^^^^^^^^^^^^^^^
  hint: `qjit targets` lists the features of each family
