#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Calls a kernel from Python by its metadata alone: numpy and ctypes, no header, nothing of qjit installed.

    qjit compile layer.qj -o layer.o && cc -shared -o layer.so layer.o
    load.py ./layer.so layer.json A=a.npy W=w.npy B=b.npy M=m.npy Out=out.npy     inputs are read, outputs written

    qjit compile a.qj b.qj -o libnet.a && cc -shared -o net.so -Wl,--whole-archive libnet.a -Wl,--no-whole-archive
    load.py ./net.so libnet.json:conv1 A=a.npy ...                                one of several kernels, by its name

    kernel = Kernel("./layer.so", "layer.json")
    packed = kernel.pack(W=w)                       # once
    out = kernel(A=a, B=b, M=m, **packed)["Out"]    # pointers of the arrays are passed: nothing is copied

The metadata say how many bytes the kernel reads and writes, so trust a .json no more and no less than the .so beside
it: what contradicts itself is refused here; `sha256` in it ties it to the object it was written with (Kernel.describes).
"""
import ctypes
import hashlib
import json
import re
import sys

import numpy as np

DTYPES = {"bool": np.bool_, "i8": np.int8, "u8": np.uint8, "i16": np.int16, "u16": np.uint16, "i32": np.int32,
          "i64": np.int64, "f32": np.float32}
MOST_BYTES = 1 << 40


class KernelError(ValueError):
    """An array that does not fit an argument, or metadata that contradict themselves."""


def _demand(condition, message):
    if not condition:
        raise KernelError(message)


def _whole(value, least, what):
    _demand(type(value) is int and least <= value <= MOST_BYTES, f"metadata: {what} is {value!r}, not a whole number from {least} on")
    return value


class Arg:
    """One argument of the C function."""

    def __init__(self, meta):
        _demand(isinstance(meta, dict) and isinstance(meta.get("name"), str), "metadata: an argument has no name")
        self.name, self.role, self.layout = meta["name"], meta.get("role"), meta.get("layout")
        _demand(self.role in ("input", "weight", "packed", "output"), f"metadata: {self.name} has the role {self.role!r}")
        _demand(isinstance(meta.get("dtype"), str) and meta["dtype"] in DTYPES, f"metadata: {self.name} has the type {meta.get('dtype')!r}")
        self.dtype = np.dtype(DTYPES[meta["dtype"]])
        self.shape, self.memory = self._extents(meta, "shape"), self._extents(meta, "memory")
        self.dims = meta.get("dims")
        _demand(isinstance(self.dims, list) and len(self.dims) == len(self.shape), f"metadata: {self.name}: dims and shape differ in number")
        self.range = meta.get("range")
        if self.range is not None: # ends beyond 53 bits are digits in a string
            _demand(isinstance(self.range, list) and len(self.range) == 2, f"metadata: {self.name}: the range has not two ends")
            _demand(all(re.fullmatch(r"-?[0-9]{1,19}", str(end)) for end in self.range), f"metadata: {self.name} has the range {self.range!r}")
            self.range = [int(end) for end in self.range]
        self.align = _whole(meta.get("align"), 1, f"{self.name}'s alignment")
        size, strides = self.dtype.itemsize, []
        for extent in reversed(self.memory):
            strides.insert(0, size // self.dtype.itemsize)
            size *= extent
        _demand(meta.get("bytes") == size and size <= MOST_BYTES, f"metadata: {self.name} has {meta.get('bytes')!r} bytes, its memory {size}")
        _demand(meta.get("strides") == strides, f"metadata: {self.name} has strides {meta.get('strides')!r}, dense memory has {strides}")

    def _extents(self, meta, key):
        value = meta.get(key)
        _demand(isinstance(value, list) and len(value) <= 16, f"metadata: {self.name} has no {key}")
        return tuple(_whole(v, 1, f"an extent in {self.name}'s {key}") for v in value)

    def new(self):
        return np.empty(self.memory, self.dtype)

    def pointer(self, array, check_range):
        """The address of its memory, once the array is what the kernel expects there."""
        _demand(isinstance(array, np.ndarray), f"{self.name} is a {type(array).__name__}, not a numpy array")
        _demand(array.dtype == self.dtype, f"{self.name} has type {array.dtype}, not {self.dtype}: convert it yourself, "
                "so that no value changes in silence")
        if array.shape != self.memory:
            hint = f"; Kernel.to_memory brings {self.shape} into its layout {self.layout}" if self.layout else ""
            raise KernelError(f"{self.name} has shape {array.shape}, not {self.memory}{hint}")
        _demand(array.flags.c_contiguous, f"{self.name} has strides {array.strides} bytes; the kernel reads dense memory: "
                "pass np.ascontiguousarray(it)")
        _demand(array.ctypes.data % self.align == 0, f"{self.name} is not aligned to {self.align} bytes")
        _demand(self.role != "output" or array.flags.writeable, f"{self.name} is read-only")
        if check_range and self.range and self.role in ("input", "weight") and array.size:
            lo, hi = int(array.min()), int(array.max())
            _demand(self.range[0] <= lo and hi <= self.range[1], f"{self.name} has values in {lo}..{hi}; the kernel was made for "
                    f"{self.range[0]}..{self.range[1]}")
        return array.ctypes.data


class Function:
    """A C function of the shared object: its arguments in order, the workspace last."""

    def __init__(self, library, meta, align):
        _demand(isinstance(meta, dict), "metadata: a function is not described by an object")
        name = meta.get("name")
        _demand(isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w*", name), f"metadata: no function is named {name!r}")
        _demand(isinstance(meta.get("args"), list) and 0 < len(meta["args"]) <= 64, f"metadata: {name} has no arguments")
        self.name, self.args = name, [Arg(a) for a in meta["args"]]
        _demand(len({a.name for a in self.args}) == len(self.args), f"metadata: two arguments of {name} have one name")
        self.workspace, self.align = _whole(meta.get("workspace"), 0, f"{name}'s workspace"), _whole(align, 1, "the workspace's alignment")
        try:
            self.call = getattr(library, name)
        except AttributeError:
            raise KernelError(f"the shared object has no function {name}: the metadata are another's") from None
        self.call.argtypes = [ctypes.c_void_p] * (len(self.args) + (self.workspace > 0))
        self.call.restype = ctypes.c_int

    def __call__(self, arrays, written, check_range):
        """Outputs that are not given are made. A workspace a call: kernels may be called from several threads."""
        unknown = sorted(set(arrays) - {a.name for a in self.args})
        _demand(not unknown, f"{self.name} has no argument {', '.join(unknown)}; it has {', '.join(a.name for a in self.args)}")
        missing = [a.name for a in self.args if a.name not in arrays and a.role not in written]
        _demand(not missing, f"{self.name} lacks {', '.join(missing)}")
        arrays = {a.name: arrays[a.name] if a.name in arrays else a.new() for a in self.args}
        pointers = [a.pointer(arrays[a.name], check_range) for a in self.args]
        for a, p in zip(self.args, pointers):
            for b, r in zip(self.args, pointers):
                apart = a is b or p + arrays[a.name].nbytes <= r or r + arrays[b.name].nbytes <= p
                _demand(apart or a.role not in written, f"{a.name} overlaps {b.name}")
        if self.workspace:
            room = np.empty(self.workspace + self.align, np.uint8)
            pointers.append(room.ctypes.data + -room.ctypes.data % self.align)
        status = self.call(*pointers)
        if status:
            raise RuntimeError(f"{self.name} returned {status}")
        return {a.name: arrays[a.name] for a in self.args if a.role in written}


def kernels(metadata):
    """What is described there, by name: one kernel, or those of a library."""
    with open(metadata, encoding="utf-8") as f:
        described = json.load(f)
    described = described if isinstance(described, list) else [described]
    for meta in described:
        _demand(isinstance(meta, dict) and meta.get("format") == 1, f"{metadata}: not metadata of format 1")
        _demand(isinstance(meta.get("name"), str), f"{metadata}: a kernel has no name")
    named = {meta["name"]: meta for meta in described}
    _demand(0 < len(named) == len(described), f"{metadata}: no kernel, or two of one name")
    return named


class Kernel:
    def __init__(self, library, metadata, name=None):
        """`name`: which of a library's; a file that describes one kernel needs none."""
        named = kernels(metadata)
        _demand(name is not None or len(named) == 1, f"{metadata} describes several kernels: {', '.join(named)}; say which")
        name = next(iter(named)) if name is None else name
        _demand(name in named, f"{metadata} describes no kernel {name}; it has {', '.join(named)}")
        self.meta = named[name]
        library = ctypes.CDLL(library)
        align = self.meta.get("workspace_align")
        self.main = Function(library, self.meta, align)
        self.packer = Function(library, self.meta["pack"], align) if self.meta.get("pack") else None

    def describes(self, path):
        """Is that file, an object or a library, the one the metadata were written with?"""
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest() == self.meta.get("library_sha256", self.meta.get("sha256"))

    def pack(self, check_range=True, **weights):
        """What a call wants packed, from the weights: once for many calls."""
        return self.packer(weights, ("packed",), check_range) if self.packer else {}

    def __call__(self, check_range=False, **arrays):
        """Outputs by name. An output that is given is written in place."""
        return self.main(arrays, ("output",), check_range)

    def arg(self, name):
        for f in (self.main, self.packer):
            for a in f.args if f else ():
                if a.name == name:
                    return a
        raise KernelError(f"no argument {name}")

    def to_memory(self, name, array):
        """A copy in the argument's layout of an array with the shape as defined: NCHW8c of n, c, h, w."""
        a = self.arg(name)
        _demand(array.shape == a.shape, f"{name} has shape {array.shape}, not {a.shape}")
        if not a.layout:
            return array.copy(order="C")
        parts = [(letter.upper(), int(size or 0)) for size, letter in re.findall(r"(\d*)([A-Za-z])", a.layout)]
        letters = [d[0].upper() for d in a.dims]
        _demand(sorted(set(letters)) == sorted(letters) == sorted(p for p, size in parts if not size),
                f"{name}: the letters of {a.layout} are not those of its dimensions {a.dims}")
        padding, cut, where = [], [], {}
        for d, letter in enumerate(letters):
            blocks = [size for p, size in parts if p == letter and size]
            outer = -(-a.shape[d] // int(np.prod(blocks, dtype=np.int64)))
            padding.append((0, outer * int(np.prod(blocks, dtype=np.int64)) - a.shape[d]))
            where[letter] = list(range(len(cut), len(cut) + 1 + len(blocks)))
            cut += [outer, *blocks]
        order = [where[p].pop(0) for p, _ in parts]
        return np.ascontiguousarray(np.pad(array, padding).reshape(cut).transpose(order))


def main(library, metadata, *words):
    path, colon, name = metadata.rpartition(":")
    kernel = Kernel(library, path, name) if colon and path.endswith(".json") else Kernel(library, metadata)
    files = {}
    for word in words:
        name, equals, path = word.partition("=")
        _demand(equals and path and name not in files, f"{word}: expected NAME=FILE.npy, once a name")
        files[name] = path
    outputs = [a.name for a in kernel.main.args if a.role == "output"]
    given = {name: np.load(path, allow_pickle=False) for name, path in files.items() if name not in outputs}
    weights = {a.name: given.pop(a.name) for a in (kernel.packer.args if kernel.packer else ()) if a.name in given}
    shared = {n: w for n, w in weights.items() if n in [a.name for a in kernel.main.args]}
    result = kernel(check_range=True, **given, **shared, **kernel.pack(**weights))
    for name in outputs:
        if name in files:
            np.save(files[name], result[name])
        print(f"{name}: {result[name].dtype}{list(result[name].shape)}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (KernelError, OSError, ValueError) as e:
        sys.exit(f"load.py: {e}")
