# cmd: repl
help show
help split
help tensorize
help limits
help exit
help definitions
help intrinsic
help type
help spilt
explain no-axis
explain no-axes
# expect
show
  Prints the loop nest that the steps so far give.
split STAGE.AXIS FACTOR | parts=N [tail=guard|peel|pad] [-> OUTER INNER]
  Cuts one loop into two: OUTER over ceil(extent/FACTOR), INNER over FACTOR. A rest is guarded by an
  if, peeled into loops of its own, or computed on padding. `peel` also sets apart iterations that
  are all elements of a padded tensor from those that may be padding.
  before:  for i in 0..20
  after:   for io in 0..3 { for ii in 0..8 { if (io*8 + ii < 20) ... } }
tensorize STAGE.AXIS [with] INTRINSIC [tail=error|pad|peel]
  Replaces this loop and all inside it by an instruction whose meaning is the same.
  before:  for i in 0..8 { for k in 0..2 { C[i] += A[k] * B[i, k] } }
  after:   dot2_i16_avx2(C, A, B)
  rank of a tensor            8 (16 after a layout)
  bytes of a tensor           below 2^47
  tensors in a program        1024, computed ones 64
  depth of an expression      64
  loops of a stage            96 ever made, by 48 splits and fuses
  arguments of a step         16, names after -> 8
  a script                    64 MiB; load in load 16 deep
  0  done
  1  the script, a file or an argument is at fault; the error names the place
  2  the command line could not be read
  3  check found a wrong bit
  4  this machine lacks what the kernel was compiled for
  5  out of memory, or LLVM refused the module
  input   A[m:512, k:512] : u8 in 0..127     an argument, new at each call; the range is optional
  weight  W[n:512, k:512] : i8               a constant; what depends on weights alone is packed ahead
  bias, scale                                other words for weight
  extern f(i32, f32) : i8                    a function of the host's, pure: f(x, 0.5)
  P = pad(A, m: 1 1, value: 0)               rows before and after
  C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
  sum max min fmasum (axes) term             a reduction, only at the root of a definition
  Extents are inferred from the tensors an axis indexes; write C[m:512] where they cannot be.
  Types: bool i8 u8 i16 u16 i32 i64 f32. Nothing converts silently: i32(x) wraps, sat_i8(x) saturates.
  Operators: | ^ & == != < <= > >= << >> + - * / %  and - !; / and % floor.
intrinsic NAME operands "..." meaning "..." recipe "..." [needs "..."]
  Adds an instruction of your own to the target.
  operands  what the instruction reads and writes: "C: i32[8], A: i16[2], B: i16[8,2]"; the first is written,
            each lies contiguous and row-major at its address
  meaning   what it computes: "C[i] += i32(A[k]) * i32(B[i,k])"; = += max= min= fma=
  recipe    how LLVM does it, the value stored to the first operand:
            "add(C, @llvm.x86.avx2.pmadd.wd(repeat.i16x16(A), B))"
            @llvm.NAME(...)  add sub mul and or xor shl lshr ashr fadd fmul
            part.i8x32(B, 1): the second 32 bytes of B, loaded alone
            sext zext trunc bitcast repeat .TYPE (x)   TYPE as i16x16; asm "..." needs --allow-asm
  needs     CPU features, as "avx2"
  check runs the row against its meaning with the kernel: a row that lies is a mismatch.
type
  Two operands of one operation have different types, or a function does not take this type. Nothing
  converts silently, so that it is always written where a value is widened or wraps.
  what helps: convert explicitly, e.g. i32(x); operands of one operation share a type
  example:    input A[m:4] : u8; C[i] : i32 = A[i] + i32(A[i])
<stdin>:10:6: error: no help on `spilt` [unknown-name]
  help spilt
       ^^^^^
  hint: did you mean `split`?
no-axis
  A step names a loop that the stage does not have (any more): split and fuse replace loops.
  what helps: `show` lists the loops of each stage; a split axis is replaced by its parts
  example:    input A[m:4] : u8; C[i] : u8 = A[i]; split C.j 2
<stdin>:12:9: error: no error is called `no-axes` [unknown-name]
  explain no-axes
          ^^^^^^^
  hint: did you mean `no-axis`?
