# cmd: run -
# skip: avx2
# has: vcvtps2dq
# has: vpackuswb
# lacks: vroundps
# lacks: vcvttps2dq
input C[m:64] : i32
scale S[m:64] : f32
O[m] : u8 = requantize(C[m], scale: S[m], zero: 0, round: half_even)
Q[m] : i8 = i8(i32(min(max(rint(f32(C[m]) * S[m]), -20.0), 30.0)))
target x86-64-v3
vectorize O.m
vectorize Q.m
check
asm
