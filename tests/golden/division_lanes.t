# cmd: run -
# has: exact: 128 outputs under 8 patterns of data, every element
# a divisor chosen by lane, whose constant arm has a 0 in a lane that never chooses it
input A[i:4] : i32
input U[i:4] : u16
input B[i:4] : bool
Q[i] = A[i] / select(0 < i & B[i], i32(i), 1)
R[i] = A[i] % select(B[i], i32(i), 0)
V[i] = U[i] / select(B[i] & i > 0, u16(i), u16(1))
S[i] = U[i] % select(B[i], u16(i), u16(0))
vectorize Q.i
vectorize R.i
vectorize V.i
vectorize S.i
check
