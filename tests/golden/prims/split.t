# cmd: repl --echo
input A[m:20] : u8
C[i] : i32 = i32(A[i])
split C.i 8 -> io ii
show
undo
split C.i 8 tail=peel -> io ii
show
ir
undo
split C.i 8 tail=pad
cache_write C global -> D
split D.i 8 tail=pad
show
undo
split C.i parts=3
show
check
# expect
qjit> input A[m:20] : u8
qjit> C[i] : i32 = i32(A[i])
qjit> split C.i 8 -> io ii
qjit> show
func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
  for io in 0..3 {
    for ii in 0..8 {
      if (io * 8 + ii < 20) {
        C[io * 8 + ii] = i32(A[io * 8 + ii])
      }
    }
  }
}
qjit> undo
undone: split C.i 8 -> io ii
qjit> split C.i 8 tail=peel -> io ii
qjit> show
func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
  for io in 0..3 peel {
    for ii in 0..8 {
      if (io * 8 + ii < 20) {
        C[io * 8 + ii] = i32(A[io * 8 + ii])
      }
    }
  }
}
qjit> ir
func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
  for io in 0..2 {
    for ii in 0..8 {
      C[io * 8 + ii] = i32(A[io * 8 + ii])
    }
  }
  for ii in 0..4 {
    C[ii + 16] = i32(A[ii + 16])
  }
}
qjit> undo
undone: split C.i 8 tail=peel -> io ii
qjit> split C.i 8 tail=pad
<stdin>:11:1: error: split: C is an output of the kernel and keeps its shape [illegal-step]
  split C.i 8 tail=pad
  ^^^^^^^^^^^^^^^^
  func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
    for i in 0..20 {
      C[i] = i32(A[i])
    }
  }
  hint: cache_write C local first and pad that stage
qjit> cache_write C global -> D
qjit> split D.i 8 tail=pad
<stdin>:13:1: error: split: padding D would read A beyond its extent 20, and it cannot be extended with zeros [illegal-step]
  split D.i 8 tail=pad
  ^^^^^^^^^^^^^^^^
  func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
    alloc global D[20] : i32 in 0..255 {
      for i in 0..20 {
        D[i] = i32(A[i])
      }
      for i in 0..20 {
        C[i] = D[i]
      }
    }
  }
  hint: cache_read A global first: the copy can be extended
qjit> show
func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
  alloc global D[20] : i32 in 0..255 {
    for i in 0..20 {
      D[i] = i32(A[i])
    }
    for i in 0..20 {
      C[i] = D[i]
    }
  }
}
qjit> undo
undone: cache_write C global -> D
qjit> split C.i parts=3
qjit> show
func kernel(arg A[20] : u8, out C[20] : i32 in 0..255) {
  for io in 0..3 {
    for ii in 0..7 {
      if (io * 7 + ii < 20) {
        C[io * 7 + ii] = i32(A[io * 7 + ii])
      }
    }
  }
}
qjit> check
exact: 160 outputs under 8 patterns of data, every element
