# cmd: repl --echo
input A[m:4,        # a comment inside brackets
        k:4] : u8;;  ; input B[m:4] : u8 # and after
time[i] : u8 = B[i]
check = pad(A, m: 1 1, value: 0)
program
target    "generic"
target
# expect
qjit> input A[m:4,        # a comment inside brackets
        k:4] : u8
qjit> input B[m:4] : u8
qjit> time[i] : u8 = B[i]
qjit> check = pad(A, m: 1 1, value: 0)
qjit> program
input A[m:4, k:4] : u8
input B[m:4] : u8
time[i:4] : u8 = B[i]
check[m:6, k:4] : u8 = select(1 <= m & m <= 4, A[m - 1, k], 0)
qjit> target    "generic"
qjit> target
generic
