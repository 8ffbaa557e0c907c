#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A layer on a GPU in somebody's product, with the emulated driver in place of CUDA's: tools/examples/deploy/gpu.c by the
# generated header alone, tools/examples/load_gpu.py by the metadata alone, each bit for bit plain loops or numpy; and by what
# name they tell a launch that fails. The program itself on `cuda`: run, check, time, and each trouble by name.
# Where CUDA's own cuda.h is there, gpu.c compiles with it.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${QJ_BUILD:?}" "${PYTHON:=/usr/bin/python3}" "${CC:=cc}"
emu=$QJ_BUILD/tests/libcuda_emu.so
if nm "$emu" | grep -q -e __asan_ -e __tsan_; then echo "skipped: sanitizers in the driver"; exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$QJ_SRC/tools/examples/deploy" "$work/deploy"
cd "$work/deploy"

# The part of CUDA's header that gpu.c uses.
mkdir stub
cat >stub/cuda.h <<'END'
#include <stddef.h>
typedef int CUresult, CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct c *CUcontext;
typedef struct m *CUmodule;
typedef struct f *CUfunction;
typedef struct s *CUstream;
enum { CUDA_SUCCESS = 0, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };
#define cuMemAlloc cuMemAlloc_v2
#define cuMemFree cuMemFree_v2
#define cuMemcpyHtoD cuMemcpyHtoD_v2
#define cuMemcpyDtoH cuMemcpyDtoH_v2
#define cuStreamDestroy cuStreamDestroy_v2
#define cuDevicePrimaryCtxRelease cuDevicePrimaryCtxRelease_v2
CUresult cuInit(unsigned), cuGetErrorName(CUresult, const char **), cuDeviceGet(CUdevice *, int), cuCtxSetCurrent(CUcontext);
CUresult cuDevicePrimaryCtxRetain(CUcontext *, CUdevice), cuDevicePrimaryCtxRelease(CUdevice);
CUresult cuStreamCreate(CUstream *, unsigned), cuStreamSynchronize(CUstream), cuStreamDestroy(CUstream);
CUresult cuModuleLoadData(CUmodule *, const void *), cuModuleUnload(CUmodule), cuModuleGetFunction(CUfunction *, CUmodule, const char *);
CUresult cuFuncSetAttribute(CUfunction, int, int);
CUresult cuMemAlloc(CUdeviceptr *, size_t), cuMemFree(CUdeviceptr), cuMemcpyHtoD(CUdeviceptr, const void *, size_t);
CUresult cuMemcpyDtoH(void *, CUdeviceptr, size_t);
CUresult cuLaunchKernel(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void **, void **);
END

for gpu in sm_61 sm_75 sm_80 sm_90a; do
    make -s clean
    make -s QJIT="$QJIT" CC="$CC" GPU=$gpu CUDA_CFLAGS=-Istub CUDA_LIBS="$emu" gpu >log 2>&1 || { cat log; exit 1; }
    if [ $gpu = sm_80 ] && [ -f /usr/local/cuda/include/cuda.h ]; then
        "$CC" -std=c11 -Wall -Wextra -Werror -isystem /usr/local/cuda/include -fsyntax-only gpu.c
    fi
    QJIT_EMU_SM=90 LD_LIBRARY_PATH=$QJ_BUILD/tests ./gpu >got || { cat got; echo "gpu.c for $gpu"; exit 1; }
    grep -qx '4480 outputs, 0 different' got || { cat got; exit 1; }
    QJIT_EMU_SM=90 PYTHONPATH="$QJ_SRC/tools/examples" "$PYTHON" -B - "$emu" <<'END'
import ctypes, sys
import numpy as np
from load_gpu import Buffer, Gpu, GpuKernel, KernelError

live = (ctypes.c_int * 5)()
rng = np.random.default_rng(5)
a = rng.choice(np.array([0, 127, 128, 255, *range(256)], np.uint8), (2, 13, 15, 17))
w = rng.choice(np.array([-128, 127, 0, *range(-128, 128)], np.int8), (40, 3, 3, 17))
b = rng.integers(-10**6, 10**6, 40).astype(np.int32)
m = (rng.random(40) * 1e-3).astype(np.float32)
p = np.pad(a.astype(np.int64), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=9)
acc = sum(p[:, r:r + 13:2, s:s + 15:2, :] @ w[:, r, s, :].T.astype(np.int64) for r in range(3) for s in range(3)) + b
want = np.clip(np.rint(acc.astype(np.float32) * m).astype(np.int64) + 3, 0, 255).astype(np.uint8)

gpu = Gpu(driver=sys.argv[1])
kernel = GpuKernel(gpu, "gpu_layer.ptx", "gpu_layer.json")
packed = kernel.pack(W=w)
rest = {"A": a, "B": b, "M": m, **packed}
if not packed:
    rest["W"] = w
for _ in range(2):
    out = kernel(**rest)["Out"]
    assert out.dtype == np.uint8 and (out == want).all(), int((out != want).sum())
for name, wrong in (("A", a[:1]), ("A", a.astype(np.int8)), ("B", None), ("X", a), ("A", Buffer(gpu, 7))):
    try:
        kernel(**{**rest, name: wrong})
        raise SystemExit(f"taken: {name}")
    except KernelError:
        pass
kernel.close()
del packed, rest, kernel, wrong
gpu.close()
gpu.library.emu_live(live)
assert list(live) == [0] * 5, list(live)
END
done
if QJIT_EMU_FAIL=cuLaunchKernel:719 LD_LIBRARY_PATH=$QJ_BUILD/tests ./gpu 2>err; then echo "a launch that fails is no error"; exit 1; fi
grep -q 'CUDA_ERROR_LAUNCH_FAILED (719)' err

# The program itself: run, check, time on `cuda`, the GPU at hand, and what it says where there is none.
export QJIT_CUDA_DRIVER="$emu" QJIT_EMU_SM=80
"$PYTHON" -c '
import numpy as np
rng = np.random.default_rng(1)
np.save("A.npy", rng.integers(0, 256, (2, 13, 15, 17)).astype(np.uint8))
np.save("W.npy", rng.integers(-128, 128, (40, 3, 3, 17)).astype(np.int8))
np.save("B.npy", rng.integers(-99999, 99999, 40).astype(np.int32))
np.save("M.npy", (rng.random(40) * 1e-3).astype(np.float32))'
for target in cuda native; do
    "$QJIT" run gpu_layer.qj --target $target A=A.npy W=W.npy B=B.npy M=M.npy Out=$target.npy 2>/dev/null
done
cmp cuda.npy native.npy
"$QJIT" check gpu_layer.qj --target cuda | grep -q '^exact: '
"$QJIT" --target cuda --json -c 'load gpu_layer.qj; time 1' >time.json
"$PYTHON" -c '
import json
o = json.load(open("time.json"))
assert o["ok"], o'
fails() { # WORDS QJIT...: that command fails, with those words
    words=$1
    shift
    if "$@" >out 2>&1; then echo "no error: $*"; exit 1; fi
    grep -q -e "$words" out || { cat out; echo "not said: $words"; exit 1; }
}
for command in run check; do
    fails 'no GPU to run on: CUDA.s driver cannot be opened' env QJIT_CUDA_DRIVER=/nonexistent.so "$QJIT" $command gpu_layer.qj --target cuda
    fails 'CUDA_ERROR_NO_DEVICE (100)' env QJIT_EMU_FAIL=cuInit:100 "$QJIT" $command gpu_layer.qj --target cuda
done
fails 'CUDA_ERROR_OUT_OF_MEMORY (2)' env QJIT_EMU_MEMORY=5000 "$QJIT" check gpu_layer.qj --target cuda
fails 'CUDA_ERROR_LAUNCH_TIMEOUT (702)' env QJIT_EMU_LIMIT=5000 "$QJIT" check gpu_layer.qj --target cuda
fails 'CUDA_ERROR_ILLEGAL_ADDRESS (700)' env QJIT_EMU_FAIL=cuLaunchKernel:700 "$QJIT" run gpu_layer.qj --target cuda A=A.npy W=W.npy \
    B=B.npy M=M.npy Out=x.npy
if QJIT_EMU_SM=60 "$QJIT" run -c 'target cuda' 2>/dev/null; then echo "an old GPU is a target"; exit 1; fi
echo "deploy_gpu: passed"
