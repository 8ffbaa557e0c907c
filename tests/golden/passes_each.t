# cmd: run -
target generic
input A[m:4] : u8
C[i] : i32 = i32(A[i]) + 1
vectorize C.i
ir vectorize
ir nothing
# expect
# after partition
(unchanged)
# after simplify
(unchanged)
# after vectorize
func kernel(arg A[4] : u8, out C[4] : i32 in 1..256) {
  C[ramp(0, 1, 4)] = i32(A[ramp(0, 1, 4)]) + 1
}
<stdin>:7:4: error: there is no pass `nothing` [unknown-name]
  ir nothing
     ^^^^^^^
  hint: there are: partition simplify vectorize unroll flatten
exit 1
