#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# numpy's arrays and qjit's tensors are each other's memory, by DLPack, both ways.
set -eu
lib=$QJ_BUILD/libqjit.so
if ! [ -f "$lib" ] || nm -D --undefined-only "$lib" | grep -qE '__(asan|tsan|ubsan)_'; then
    echo "skipped: this build's library needs a sanitizer's runtime"
    exit 0
fi
"$PYTHON" - "$lib" <<'PY'
import ctypes as c, gc, sys, weakref
import numpy as np

q = c.CDLL(sys.argv[1])
py = c.pythonapi
py.PyCapsule_GetPointer.restype = py.PyCapsule_New.restype = c.c_void_p
py.PyCapsule_GetPointer.argtypes = [c.py_object, c.c_char_p]
py.PyCapsule_SetName.argtypes = [c.py_object, c.c_char_p]
py.PyCapsule_New.argtypes = [c.c_void_p, c.c_char_p, c.c_void_p]
py.PyCapsule_New.restype = c.py_object
for f in ("qj_tensor_from_dlpack", "qj_tensor_to_dlpack", "qj_tensor_data", "qj_ctx_new", "qj_build"):
    getattr(q, f).restype = c.c_void_p
for f in ("qj_define", "qj_kernel_call"):
    getattr(q, f).restype = c.c_bool

USED, PLAIN = b"used_dltensor", b"dltensor"

def tensor(a):
    capsule = a.__dlpack__()
    t = c.c_void_p(q.qj_tensor_from_dlpack(c.c_void_p(py.PyCapsule_GetPointer(capsule, PLAIN))))
    assert t.value
    py.PyCapsule_SetName(capsule, USED)
    assert q.qj_tensor_data(t) == a.ctypes.data
    return t

class Export:
    def __init__(self, t): self.t = t
    def __dlpack_device__(self): return (1, 0)
    def __dlpack__(self, **_):
        return py.PyCapsule_New(q.qj_tensor_to_dlpack(self.t), PLAIN, None)

ctx = c.c_void_p(q.qj_ctx_new(None))
assert q.qj_define(ctx, b"input A[i:7, k:300] : u8; input W[k:300] : i8\nC[i] : i32 = sum(k) i32(A[i, k]) * i32(W[k])")
kernel = c.c_void_p(q.qj_build(ctx))
r = np.random.default_rng(1)
A = r.integers(0, 256, (7, 300)).astype(np.uint8)
W = r.integers(-128, 128, 300).astype(np.int8)
C = np.zeros(7, np.int32)
args = [tensor(x) for x in (A, W, C)]
assert q.qj_kernel_call(kernel, (c.c_void_p * 3)(*args), c.c_int(3), None)
want = A.astype(np.int32) @ W.astype(np.int32)
assert (C == want).all()

# strides that a kernel does not take
B = np.asfortranarray(A)
t = tensor(B)
assert not q.qj_kernel_call(kernel, (c.c_void_p * 3)(t, args[1], args[2]), c.c_int(3), None)
q.qj_tensor_free(t)

# out: the memory is qjit's, and stays while the array does
q.qj_tensor_new.restype = c.c_void_p
out = c.c_void_p(q.qj_tensor_new(c.c_int(5), c.c_int(1), (c.c_int64 * 1)(7)))
got = np.from_dlpack(Export(out))
assert got.ctypes.data == q.qj_tensor_data(out) and got.dtype == np.int32 and got.shape == (7,)
assert q.qj_kernel_call(kernel, (c.c_void_p * 3)(args[0], args[1], out), c.c_int(3), None)
q.qj_tensor_free(out)
assert (got == want).all()

# in: freeing the tensor lets the array go, once
gone = weakref.ref(A)
del A
gc.collect()
assert gone() is not None
for t in args: q.qj_tensor_free(t)
gc.collect()
assert gone() is None
q.qj_kernel_free(kernel)
q.qj_ctx_free(ctx)
print("dlpack: numpy", np.__version__)
PY
