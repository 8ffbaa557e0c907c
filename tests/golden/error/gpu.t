# cmd: repl
target sm_80
input  A[m:8, k:16] : u8
weight W[n:8, k:16] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
emit c.ptx
emit c.o
bind C.m blockIdx.x
emit c.o
parallel C.n
emit c.ptx
undo
bind C.n threadIdx.x
emit c.ptx
target sm_80,+sm_90
target sm_80,-ptx70
target sm_100
# expect
<stdin>:6:1: error: no loop of C is bound, so no thread of sm_80 computes it [unsupported]
  emit c.ptx
  ^^^^^^^^^^
  hint: bind C.m blockIdx.x, or compute_at C inside a stage that is
<stdin>:7:1: error: no loop of C is bound, so no thread of sm_80 computes it [unsupported]
  emit c.o
  ^^^^^^^^
  hint: bind C.m blockIdx.x, or compute_at C inside a stage that is
<stdin>:9:1: error: sm_80 has no objects or assembly of its own [unsupported]
  emit c.o
  ^^^^^^^^
  hint: emit FILE.ptx: what the driver loads
<stdin>:11:1: error: loop n is parallel, which is for CPUs [unsupported]
  emit c.ptx
  ^^^^^^^^^^
  hint: bind it to blockIdx.x or threadIdx.x instead
undone: parallel C.n
wrote c.ptx, .h and .json: kernels of kernel(...)
note: the products of C are summed without a dot-product instruction; `template` finds the steps, `explain` says what stands against it [no-instruction]
<stdin>:15:8: error: what a GPU can do goes with its name: no +sm_90 [missing-feature]
  target sm_80,+sm_90
         ^^^^^^^^^^^^
  hint: name another one, as in sm_80; only +ptxNN, the version of the text, is added
<stdin>:16:8: error: what a GPU can do goes with its name: no -ptx70 [missing-feature]
  target sm_80,-ptx70
         ^^^^^^^^^^^^
  hint: name another one, as in sm_80; only +ptxNN, the version of the text, is added
<stdin>:17:8: error: no target or CPU is called "sm_100" [unknown-target]
  target sm_100
         ^^^^^^
  hint: did you mean sm_70?
