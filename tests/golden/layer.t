# cmd: layer conv2d h=28 w=28 c=48 o=64 k=3 stride=2 pad=1 groups=2 in=NCHW8c weights=OIHW4i8o4i out=NCHW act=i8 actrange=-127..127 xzero=-3 lo=0 hi=6 zero=-2 to=i8 round=tflite_double
# expect
input A[n:1, h:28, w:28, g:2, c:24] : i8 in -127..127 layout NGCHW8c
weight W[g:2, o:32, h:3, w:3, i:24] : i8 layout GOIHW4i8o4i
bias B[g:2, o:32] : i32
scale Q[g:2, o:32] : i32 in 0..2147483647
scale T[g:2, o:32] : i32 in -31..30
P = pad(A, h: 1 1, w: 1 1, value: -3)
Acc[n, y:14, x:14, g, o] : i32 = sum(r, s, c) i32(P[n, 2*y + r, 2*x + s, g, c]) * i32(W[g, o, r, s, c])
S[g, o] : i32 = sum(r, s, c) i32(W[g, o, r, s, c])
C[g, o] : i32 = B[g, o] + 3 * S[g, o]
Out[n, g, o, y, x] : i8 = requantize(Acc[n, y, x, g, o] + C[g, o], mult: Q[g, o], shift: T[g, o], zero: -2, lo: 0, hi: 6, round: tflite_double)

template
