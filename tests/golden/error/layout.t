# cmd: run -
input A[m:4, k:4] : u8
C[m, k] : u8 = A[m, k]
transform_layout C MX4k
# expect
<stdin>:4:20: error: layout MX4k: there is no axis X [layout]
  transform_layout C MX4k
                     ^^^^
  func kernel(arg A[4, 4] : u8, out C[4, 4] : u8) {
    for m in 0..4 {
      for k in 0..4 {
        C[m, k] = A[m, k]
      }
    }
  }
  hint: name each of MK once in capitals, then split axes, e.g. MK16k
exit 1
