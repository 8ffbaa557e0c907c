# cmd: repl
input A[m:4611686018427387904] : u8
input B[a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1, i:1] : u8
# expect
<stdin>:2:11: error: an extent of 4611686018427387904 [too-large]
  input A[m:4611686018427387904] : u8
            ^^^^^^^^^^^^^^^^^^^
  hint: extents lie in 1..2^47-1
<stdin>:3:49: error: more than 8 dimensions [too-large]
  input B[a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1, i:1] : u8
                                                  ^
  hint: merge some of them into one
