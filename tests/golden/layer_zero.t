# cmd: -c "$("$QJIT" layer conv2d h=5 w=4 c=3 o=5 k=3 pb=1 sw=2 weight=u8 wzero=128 xzero=9 add=i8 addzero=7 scale=tensor to=i8 out=NCHW4c); program; check"
# expect
input A[n:1, h:5, w:4, c:3] : u8
weight W[o:5, h:3, w:3, i:3] : u8
bias B[o:5] : i32
scale M[] : f32
input R[n:1, y:4, x:1, o:5] : i8 layout NOYX4o
scale N[] : f32
P[n:1, h:6, w:4, c:3] : u8 = select(h <= 4, A[n, h, w, c], 9)
Y[o:5, h:3, w:3, i:3] : i8 = i8(i16(W[o, h, w, i]) - 128)
Acc[n:1, y:4, x:1, o:5] : i32 = sum(r:3, s:3, c:3) i32(P[n, y + r, x * 2 + s, c]) * i32(Y[o, r, s, c])
S[o:5] : i32 = sum(r:3, s:3, c:3) i32(Y[o, r, s, c])
C[o:5] : i32 = B[o] - S[o] * 9
E[n:1, y:4, x:1, o:5] : i32 = i32(min(max(rint(f32(Acc[n, y, x, o] + C[o]) * M[]), -1048576.0), 1048576.0)) + i32(min(max(rint(f32(i32(R[n, y, x, o]) - 7) * N[]), -1048576.0), 1048576.0))
Out[n:1, y:4, x:1, o:5] : i8 = i8(min(max(E[n, y, x, o], -128), 127))
exact: 160 outputs under 8 patterns of data, every element
