#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls a GPU's kernel from Python by its metadata alone: numpy, ctypes and CUDA's driver library; no CUDA toolkit, no header,
nothing of qjit installed.

    qjit compile layer.qj --target sm_80 -o layer.ptx
    load_gpu.py layer.ptx layer.json A=a.npy W=w.npy B=b.npy M=m.npy Out=out.npy     inputs are read, outputs written

    gpu = Gpu()                                     # the first GPU, its primary context
    kernel = GpuKernel(gpu, "layer.ptx", "layer.json")
    packed = kernel.pack(W=w)                       # once; stays on the GPU
    out = kernel(A=a, B=b, M=m, **packed)["Out"]    # numpy's arrays are copied there and back

A .cubin in place of the .ptx works alike. As with load.py, trust a .json no more and no less than the file beside it.
"""
import ctypes
import json
import sys

import numpy as np

from load import Arg, KernelError, _demand, _whole

ADDRESS = ctypes.c_uint64
MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class Gpu:
    """CUDA's driver: each call checked, errors by CUDA's own name."""

    def __init__(self, ordinal=0, driver="libcuda.so.1"):
        self.library = ctypes.CDLL(driver)
        self("cuInit", 0)
        self.device, self.context, self.stream = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self("cuDeviceGet", ctypes.byref(self.device), ordinal)
        self("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), self.device)
        self("cuCtxSetCurrent", self.context)
        self("cuStreamCreate", ctypes.byref(self.stream), 0)

    def __call__(self, name, *args):
        function = getattr(self.library, name, None)
        if not function:
            raise RuntimeError(f"this driver has no {name}")
        error = function(*args)
        if error:
            text = ctypes.c_char_p()
            self.library.cuGetErrorName(error, ctypes.byref(text))
            raise RuntimeError(f"{name}: {text.value.decode() if text.value else 'CUDA error'} ({error})")

    def close(self):
        self("cuStreamDestroy_v2", self.stream)
        self("cuDevicePrimaryCtxRelease_v2", self.device)


class Buffer:
    """Memory on the GPU, freed with its last reference."""

    def __init__(self, gpu, nbytes):
        self.gpu, self.nbytes, self.at = gpu, nbytes, ADDRESS()
        gpu("cuMemAlloc_v2", ctypes.byref(self.at), ctypes.c_size_t(max(nbytes, 1)))

    def __del__(self):
        if self.at.value:
            self.gpu("cuMemFree_v2", self.at)

    def write(self, array):
        self.gpu("cuMemcpyHtoD_v2", self.at, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(self.nbytes))
        return self

    def read(self, array):
        self.gpu("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), self.at, ctypes.c_size_t(self.nbytes))
        return array


class GpuFunction:
    """The launches of one function, with its arguments in order, the workspace last."""

    def __init__(self, gpu, module, meta, kernels):
        self.gpu, self.name = gpu, meta.get("name")
        _demand(isinstance(meta.get("args"), list) and 0 < len(meta["args"]) <= 64, f"metadata: {self.name} has no arguments")
        self.args = [Arg(a) for a in meta["args"]]
        self.workspace = _whole(meta.get("workspace"), 0, f"{self.name}'s workspace")
        self.launches = []
        for k in kernels:
            if k["of"] != self.name:
                continue
            function = ctypes.c_void_p()
            sizes = [_whole(v, 1, f"a launch size of {k['entry']}") for v in k["grid"] + k["block"]]
            _demand(len(sizes) == 6, f"metadata: {k['entry']} has {len(sizes)} launch sizes")
            gpu("cuModuleGetFunction", ctypes.byref(function), module, k["entry"].encode())
            shared = _whole(k["dynamic_shared"], 0, f"the shared memory of {k['entry']}")
            if shared:
                gpu("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, ctypes.c_int(shared))
            self.launches.append((function, [ctypes.c_uint(v) for v in (*sizes, shared)]))
        _demand(self.launches, f"metadata: {self.name} has no kernels")

    def __call__(self, given, written, check_range):
        """given: arrays, or buffers where something is on the GPU already. What is written comes back as buffers."""
        unknown = sorted(set(given) - {a.name for a in self.args})
        _demand(not unknown, f"{self.name} has no argument {', '.join(unknown)}; it has {', '.join(a.name for a in self.args)}")
        there = {}
        for a in self.args:
            value = given.get(a.name)
            _demand(value is not None or a.role in written, f"{self.name} lacks {a.name}")
            nbytes = int(np.prod(a.memory, dtype=np.int64)) * a.dtype.itemsize
            if isinstance(value, Buffer):
                _demand(value.nbytes == nbytes, f"{a.name} has {value.nbytes} bytes on the GPU, not {nbytes}")
                there[a.name] = value
                continue
            there[a.name] = Buffer(self.gpu, nbytes)
            if value is not None:
                a.align = 1     # of the array; the copy on the GPU has 256
                a.pointer(value, check_range)
                there[a.name].write(value)
        self.bind(there)()
        self.gpu("cuStreamSynchronize", self.gpu.stream)
        return {a.name: there[a.name] for a in self.args if a.role in written}

    def bind(self, there):
        """A call on these buffers, by name, that launches and does not wait; for many calls."""
        buffers = [there[a.name] for a in self.args] + ([Buffer(self.gpu, self.workspace)] if self.workspace else [])
        param = (ctypes.c_void_p * len(buffers))(*(ctypes.addressof(b.at) for b in buffers))
        call = [(function, *sizes, self.gpu.stream, param, None) for function, sizes in self.launches]

        def launch(_alive=buffers):
            for args in call:
                self.gpu("cuLaunchKernel", *args)
        return launch


class GpuKernel:
    def __init__(self, gpu, code, metadata):
        with open(metadata, encoding="utf-8") as f:
            self.meta = json.load(f)
        _demand(isinstance(self.meta, dict) and self.meta.get("format") == 1, f"{metadata}: not metadata of format 1")
        _demand(self.meta.get("kind") in ("ptx", "cubin"), f"{metadata}: of {self.meta.get('kind')!r}, not of a GPU's kernels")
        with open(code, "rb") as f:
            image = f.read()
        self.gpu, self.module = gpu, ctypes.c_void_p()
        gpu("cuModuleLoadData", ctypes.byref(self.module), image + b"\0")
        kernels = self.meta.get("kernels", [])
        self.main = GpuFunction(gpu, self.module, self.meta, kernels)
        self.packer = GpuFunction(gpu, self.module, self.meta["pack"], kernels) if self.meta.get("pack") else None

    def pack(self, check_range=True, **weights):
        """What a call wants packed, from the weights, as buffers on the GPU: once for many calls."""
        return self.packer(weights, ("packed",), check_range) if self.packer else {}

    def __call__(self, check_range=False, **given):
        """Outputs by name, as arrays."""
        made = self.main(given, ("output",), check_range)
        return {a.name: made[a.name].read(a.new()) for a in self.main.args if a.name in made}

    def close(self):
        self.gpu("cuModuleUnload", self.module)


def main(code, metadata, *words, driver="libcuda.so.1"):
    files = dict(word.split("=", 1) for word in words)
    gpu = Gpu(driver=driver)
    kernel = GpuKernel(gpu, code, metadata)
    outputs = [a.name for a in kernel.main.args if a.role == "output"]
    given = {name: np.load(path, allow_pickle=False) for name, path in files.items() if name not in outputs}
    packing = [a.name for a in kernel.packer.args if a.role == "weight"] if kernel.packer else []
    weights = {name: given[name] for name in packing if name in given}
    taken = {a.name for a in kernel.main.args}
    result = kernel(check_range=True, **{n: v for n, v in given.items() if n in taken or n not in packing}, **kernel.pack(**weights))
    for name, array in result.items():
        if name in files:
            np.save(files[name], array)
        print(f"{name}: {array.dtype}{list(array.shape)}")
    kernel.close()
    del kernel
    gpu.close()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (KernelError, OSError, RuntimeError, ValueError) as e:
        sys.exit(f"load_gpu.py: {e}")
