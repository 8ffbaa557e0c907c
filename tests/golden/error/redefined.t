# cmd: run -
input A[m:4] : u8
input A[m:4] : u8
# expect
<stdin>:3:7: error: tensor A is defined already [redefined]
  input A[m:4] : u8
        ^
  hint: choose another name; a tensor is defined once
exit 1
