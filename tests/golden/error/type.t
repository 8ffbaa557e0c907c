# cmd: run -
input A[m:4] : u8
C[i] : i32 = A[i] + i32(A[i])
# expect
<stdin>:3:14: error: + takes operands of one type, not u8 and i32 [type]
  C[i] : i32 = A[i] + i32(A[i])
               ^^^^
  hint: write i32(A[i])
exit 1
