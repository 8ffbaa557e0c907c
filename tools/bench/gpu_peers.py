# SPDX-License-Identifier: Apache-2.0
"""The libraries that tools/bench/gpu measures beside ours, by ctypes: cuBLASLt, cuDNN and PyTorch.

PEERS has a function a library: given the device it opens the library, or raises, and returns what makes a contender: given
options, device, layer and a folder, (call, read, facts, what must live). Numbers are those of the libraries' headers."""
import ctypes
import glob
import os
import site

import numpy as np

from load_gpu import Buffer


class LeftOut(Exception):
    """Why a contender has no figure."""


def _open(stem, versions):
    """lib{stem}.so, on the loader's path, of the CUDA toolkit, or in a package of Python's."""
    names = [f"lib{stem}.so"] + [f"lib{stem}.so.{v}" for v in versions]
    folders = glob.glob("/usr/local/cuda*/lib64")
    for packages in site.getsitepackages() + [site.getusersitepackages()]:
        folders += glob.glob(os.path.join(packages, "nvidia/*/lib"))
    for path in names + [p for f in folders for n in names for p in [os.path.join(f, n)] if os.path.exists(p)]:
        try:
            return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL), path
        except OSError:
            continue
    raise LeftOut(f"no lib{stem}.so on the loader's path, in /usr/local/cuda or in Python's packages")


def _caller(library, what):
    def call(name, *args):
        status = getattr(library, name)(*args)
        if status:
            raise LeftOut(f"{what}: {name} answers {status}")
    return call


def _fastest(device, calls, what):
    """Of several (label, call): the one that takes least, warm; those that fail are passed over."""
    best = None
    for label, call in calls:
        try:
            call()
            device.gpu("cuStreamSynchronize", device.gpu.stream)
            ms = min(device.between(call) for _ in range(5))
        except LeftOut:
            continue
        if best is None or ms < best[0]:
            best = (ms, label, call)
    if not best:
        raise LeftOut(f"{what}: no algorithm takes this layer")
    return best[1], best[2]


# ---- cuBLASLt ------------------------------------------------------------------------------------------------

R_8I, R_32I, COMPUTE_32I, OP_T = 3, 10, 72, 1
DESC_TRANSA, PREF_MAX_WORKSPACE, WORKSPACE = 3, 1, 32 << 20


class Heuristic(ctypes.Structure):
    _fields_ = [("algo", ctypes.c_uint64 * 8), ("workspace", ctypes.c_size_t), ("state", ctypes.c_int), ("waves", ctypes.c_float),
                ("reserved", ctypes.c_int * 4)]


def cublaslt(device):
    library, path = _open("cublasLt", (13, 12, 11))
    call, handle = _caller(library, "cublasLt"), ctypes.c_void_p()
    library.cublasLtGetVersion.restype = ctypes.c_size_t
    call("cublasLtCreate", ctypes.byref(handle))

    def make(options, device, layer, folder):
        sizes = layer.as_matrices()
        if not sizes:
            raise LeftOut("no product of matrices as it stands")
        m, n, k = sizes
        desc, pref = ctypes.c_void_p(), ctypes.c_void_p()
        call("cublasLtMatmulDescCreate", ctypes.byref(desc), COMPUTE_32I, R_32I)
        call("cublasLtMatmulDescSetAttribute", desc, DESC_TRANSA, ctypes.byref(ctypes.c_int32(OP_T)), ctypes.c_size_t(4))
        layout = []
        for kind, rows, cols in ((R_8I, k, n), (R_8I, k, m), (R_32I, n, m)):    # by columns: out^T = (W^T)^T * in^T
            layout.append(ctypes.c_void_p())
            call("cublasLtMatrixLayoutCreate", ctypes.byref(layout[-1]), kind, ctypes.c_uint64(rows), ctypes.c_uint64(cols), ctypes.c_int64(rows))
        call("cublasLtMatmulPreferenceCreate", ctypes.byref(pref))
        call("cublasLtMatmulPreferenceSetAttribute", pref, PREF_MAX_WORKSPACE, ctypes.byref(ctypes.c_uint64(WORKSPACE)), ctypes.c_size_t(8))
        found, nfound = (Heuristic * 16)(), ctypes.c_int()
        call("cublasLtMatmulAlgoGetHeuristic", handle, desc, layout[0], layout[1], layout[2], layout[2], pref, 16, found, ctypes.byref(nfound))
        a = Buffer(device.gpu, layer.a.nbytes).write(layer.a)
        w = Buffer(device.gpu, layer.weights.nbytes).write(layer.weights)
        out, room = Buffer(device.gpu, 4 * m * n), Buffer(device.gpu, WORKSPACE)
        one, zero = ctypes.c_int32(1), ctypes.c_int32(0)

        def with_algorithm(h):
            def run():
                call("cublasLtMatmul", handle, desc, ctypes.byref(one), w.at, layout[0], a.at, layout[1], ctypes.byref(zero), out.at,
                     layout[2], out.at, layout[2], ctypes.byref(h.algo), room.at, ctypes.c_size_t(WORKSPACE), device.gpu.stream)
            return run
        label, best = _fastest(device, [(i, with_algorithm(found[i])) for i in range(nfound.value)], "cublasLt")
        facts = {"library": path, "version": int(library.cublasLtGetVersion()), "algorithm": f"{label} of {nfound.value}"}
        return best, lambda: out.read(np.empty((m, n), np.int32)), facts, (a, w, out, room, one, zero, found)
    return make


# ---- cuDNN ---------------------------------------------------------------------------------------------------

FLOAT, INT8, INT32, NHWC, CROSS_CORRELATION, TENSOR_OP_MATH = 0, 3, 4, 1, 1, 1
ALGORITHMS = {1: "implicit precomp gemm", 0: "implicit gemm"}


def cudnn(device):
    library, path = _open("cudnn", (9, 8))
    call, handle = _caller(library, "cudnn"), ctypes.c_void_p()
    library.cudnnGetVersion.restype = ctypes.c_size_t
    call("cudnnCreate", ctypes.byref(handle))
    call("cudnnSetStream", handle, device.gpu.stream)

    def make(options, device, layer, folder):
        if layer.kind != "conv":
            raise LeftOut("no convolution")
        x, f, c, y = (ctypes.c_void_p() for _ in range(4))
        call("cudnnCreateTensorDescriptor", ctypes.byref(x))
        call("cudnnCreateTensorDescriptor", ctypes.byref(y))
        call("cudnnCreateFilterDescriptor", ctypes.byref(f))
        call("cudnnCreateConvolutionDescriptor", ctypes.byref(c))
        call("cudnnSetTensor4dDescriptor", x, NHWC, INT8, layer.batch, layer.c, layer.h, layer.w)
        call("cudnnSetTensor4dDescriptor", y, NHWC, FLOAT, layer.batch, layer.o, layer.y, layer.x)
        call("cudnnSetFilter4dDescriptor", f, INT8, NHWC, layer.o, layer.c // layer.g, layer.kh, layer.kw)
        call("cudnnSetConvolution2dDescriptor", c, layer.ph, layer.pw, layer.sh, layer.sw, 1, 1, CROSS_CORRELATION, INT32)
        call("cudnnSetConvolutionGroupCount", c, layer.g)
        call("cudnnSetConvolutionMathType", c, TENSOR_OP_MATH)
        a = Buffer(device.gpu, layer.a.nbytes).write(layer.a)
        w = Buffer(device.gpu, layer.weights.nbytes).write(layer.weights)
        shape = (layer.batch, layer.y, layer.x, layer.o)
        out = Buffer(device.gpu, 4 * int(np.prod(shape)))
        one, zero, rooms = ctypes.c_float(1), ctypes.c_float(0), []

        def with_algorithm(number):
            need = ctypes.c_size_t()
            try:
                call("cudnnGetConvolutionForwardWorkspaceSize", handle, x, f, c, y, number, ctypes.byref(need))
            except LeftOut:
                return None
            rooms.append(Buffer(device.gpu, need.value))
            room = rooms[-1]

            def run():
                call("cudnnConvolutionForward", handle, ctypes.byref(one), x, a.at, f, w.at, c, number, room.at, ctypes.c_size_t(need.value),
                     ctypes.byref(zero), y, out.at)
            return run
        calls = [(text, with_algorithm(number)) for number, text in ALGORITHMS.items()]
        label, best = _fastest(device, [p for p in calls if p[1]], "cudnn")
        facts = {"library": path, "version": int(library.cudnnGetVersion()), "algorithm": label}
        return best, lambda: out.read(np.empty(shape, np.float32)), facts, (a, w, out, rooms, one, zero)
    return make


# ---- PyTorch -------------------------------------------------------------------------------------------------

def pytorch(device):
    try:
        import torch
    except ImportError as e:
        raise LeftOut(str(e)) from None
    if not torch.cuda.is_available():
        raise LeftOut("PyTorch sees no GPU")
    stream = torch.cuda.ExternalStream(device.gpu.stream.value)

    def make(options, device, layer, folder):
        sizes = layer.as_matrices()
        if not sizes:
            raise LeftOut("no product of matrices as it stands")
        m, n, k = sizes
        with torch.cuda.stream(stream):
            a = torch.from_numpy(layer.a.reshape(m, k)).cuda()
            w = torch.from_numpy(layer.weights.reshape(n, k)).cuda()
            out = torch.empty((m, n), dtype=torch.int32, device="cuda")
        stream.synchronize()

        def run():
            with torch.cuda.stream(stream):
                torch._int_mm(a, w.t(), out=out)
        return run, lambda: out.cpu().numpy(), {"library": "torch._int_mm", "version": torch.__version__}, (a, w, out)
    return make


PEERS = {"cublaslt": cublaslt, "cudnn": cudnn, "torch": pytorch}
