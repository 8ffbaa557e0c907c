# cmd: repl
shwo
splti C.n 4
inptu A[m:4] : u8
target x86-64-v33
help tensorise
checkk
qiut
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split D.n 4
split C.nn 4
tensorize C.n dot4_u8i8_avx
# expect
<stdin>:2:1: error: no command, step or definition starts with `shwo` [syntax]
  shwo
  ^^^^
  hint: did you mean `show`?
<stdin>:3:1: error: no command, step or definition starts with `splti` [syntax]
  splti C.n 4
  ^^^^^
  hint: did you mean `split`?
<stdin>:4:1: error: no command, step or definition starts with `inptu` [syntax]
  inptu A[m:4] : u8
  ^^^^^
  hint: did you mean `input`?
<stdin>:5:8: error: no target or CPU is called "x86-64-v33" [unknown-target]
  target x86-64-v33
         ^^^^^^^^^^
  hint: did you mean x86-64-v3?
<stdin>:6:6: error: no help on `tensorise` [unknown-name]
  help tensorise
       ^^^^^^^^^
  hint: did you mean `tensorize`?
<stdin>:7:1: error: no command, step or definition starts with `checkk` [syntax]
  checkk
  ^^^^^^
  hint: did you mean `check`?
<stdin>:8:1: error: no command, step or definition starts with `qiut` [syntax]
  qiut
  ^^^^
  hint: did you mean `quit`?
<stdin>:12:7: error: split: no stage named `D` [no-stage]
  split D.n 4
        ^^^
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
  hint: did you mean `C`? there are: C
<stdin>:13:7: error: split: no loop of stage C named `nn` [no-axis]
  split C.nn 4
        ^^^^
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
  hint: did you mean `n`? there are: m n k
<stdin>:14:15: error: tensorize: target znver5 has no instruction named `dot4_u8i8_avx` [bad-intrinsic]
  tensorize C.n dot4_u8i8_avx
                ^^^^^^^^^^^^^
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
  hint: did you mean `dot4_u8i8_avx2`?
