# cmd: repl
intrinsic
intrinsic f operands "C: i32[8]"
intrinsic f operands "C: i32[8]" meaning "C[i] = X[i]" recipe "C"
intrinsic f operands "C: i32[8]" operands "C: i32[8]"
intrinsic f operand "C: i32[8]"
intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "@llvm.x86.nosuch(A)"
# expect
<stdin>:2:1: error: an intrinsic starts with its name [bad-intrinsic]
  intrinsic
  ^^^^^^^^^
  hint: a row needs name, operands, meaning and recipe; see `help intrinsic`
<stdin>:3:1: error: the intrinsic f has no `meaning` [bad-intrinsic]
  intrinsic f operands "C: i32[8]"
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: a row needs name, operands, meaning and recipe; see `help intrinsic`
<stdin>:4:1: error: the meaning of f cannot be read [bad-intrinsic]
  intrinsic f operands "C: i32[8]" meaning "C[i] = X[i]" recipe "C"
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  1:8: error: no tensor is called X [unknown-name]
    C[i] = X[i]
           ^
  hint: names are case-sensitive; define a tensor before using it
<stdin>:5:34: error: `operands` is given twice [bad-intrinsic]
  intrinsic f operands "C: i32[8]" operands "C: i32[8]"
                                   ^^^^^^^^
  hint: a row needs name, operands, meaning and recipe; see `help intrinsic`
<stdin>:6:13: error: an intrinsic has no `operand` [bad-intrinsic]
  intrinsic f operand "C: i32[8]"
              ^^^^^^^
  hint: did you mean `operands`?
<stdin>:7:1: error: f: llvm.x86.nosuch is not among the intrinsics a recipe may call [bad-intrinsic]
  intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "@llvm.x86.nosuch(A)"
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: targets/callee.c lists them with what they need; inline assembly is another way
