# cmd: run -
intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "asm \"nop\" \"=x,0\" (A).i32x8"
# expect
<stdin>:2:1: error: the recipe of f is inline assembly [asm-refused]
  intrinsic f operands "C: i32[8], A: i32[8]" meaning "C[i] = A[i]" recipe "asm \"nop\" \"=x,0\" (A).i32x8"
  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: inline assembly in a script can read files and run code; pass --allow-asm if you trust it
exit 1
