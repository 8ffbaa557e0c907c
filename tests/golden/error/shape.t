# cmd: run -
input A[m:4] : u8
input B[m:5] : u8
C[i] : u8 = A[i] + B[i]
# expect
<stdin>:4:22: error: axis i gets extent 4 from dimension m of A (4) and 5 from dimension m of B (5) [shape]
  C[i] : u8 = A[i] + B[i]
                       ^
  hint: give the extent: i:4
exit 1
