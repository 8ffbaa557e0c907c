# cmd: run -
C[i:4] : i32 = i32(A[i])
# expect
<stdin>:2:20: error: no tensor is called A [unknown-name]
  C[i:4] : i32 = i32(A[i])
                     ^
  hint: names are case-sensitive; define a tensor before using it
exit 1
