# cmd: run -
input A[m:4] : u8 in 0..300
# expect
<stdin>:2:19: error: 0..300 is not a range of u8 values [range]
  input A[m:4] : u8 in 0..300
                    ^^^^^^^^^
  hint: low..high within 0..255
exit 1
