# cmd: repl
# has: stage= is given twice
# has: conv2d has no candidate for Acc with these knobs
# has: winograd Acc.y x tile=4
# has: tensorize C_acc.p_l
# knobs of one sum leave the other free; those that none takes, such as rows beyond the axis, are refused
target x86-64-v3
input A[1, 16, 16, 32] : u8
weight W[32, 3, 3, 32] : i8
weight V[64, 32] : i8
Acc[n:1, y:14, x:14, o:32] : i32 = sum(r, s, c) i32(A[n, y + r, x + s, c]) * i32(W[o, r, s, c])
B[n, y, x, o] : u8 = u8(clamp(Acc[n, y, x, o] >> 8, 0, 255))
C[n:1, y:14, x:14, p:64] : i32 = sum(c) i32(B[n, y, x, c]) * i32(V[p, c])
template stage=Acc stage=C
template rows=15
template tile=4
steps
