# cmd: --version >/dev/null; QJIT_WORKER=/bin/false "$QJIT" run - --isolate
input A[m:8] : i32
C[i] : i32 = A[i]
check
# expect
<stdin>:4:1: error: the compiler process has gone without an answer [compiler-process]
  check
  ^^^^^
  hint: a reproducer (qj_reproducer, or `save` at the prompt) holds all that it was asked
exit 1
