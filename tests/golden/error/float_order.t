# cmd: run -
input A[k:8] : f32
S[] : f32 = sum(k) A[k]
split S.k 4 -> ko ki
reorder S ki ko
# expect
<stdin>:5:1: error: the terms of f32 reduction S would be taken in another order [float-order]
  reorder S ki ko
  ^^^^^^^^^^^^^^^
  func kernel(arg A[8] : f32, out S[] : f32) {
    S[] = 0.0
    for ko in 0..2 {
      for ki in 0..4 {
        S[] = S[] + A[ko * 4 + ki]
      }
    }
  }
  hint: f32 sums keep their order so that bits do not depend on the schedule
exit 1
