#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a deployment engineer does. tools/examples/deploy: built by its Makefile with the program at hand, then built and run
# again where there is none, with and without libqjrt, bit for bit a plain C loop. tools/examples/load.py: layers in
# every rounding and layout called by their metadata alone, and numpy's bits from numpy's formula of the metadata's
# quantisation; arrays that do not fit and metadata that lie are refused. Every header compiles as C99 and C++.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${QJ_BUILD:?}" "${PYTHON:=/usr/bin/python3}" "${CC:=cc}"
if ! grep -qw avx2 /proc/cpuinfo; then echo "skipped: no AVX2 here"; exit 0; fi
examples=$QJ_SRC/tools/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
sanitized=$(nm "$QJ_BUILD/libqjrt.a" 2>/dev/null | grep -c -e __asan_ -e __ubsan_ -e __tsan_ || true)

# ---- the Makefile project -------------------------------------------------------------------------------
cp -r "$examples/deploy" first
cp "$QJ_SRC/runtime/rt/qjrt.h" first
pool="QJRT_CFLAGS=-I. QJRT_LIBS=./libqjrt.a"
cp "$QJ_BUILD/libqjrt.a" first
# shellcheck disable=SC2086  # words on purpose
make -s -C first QJIT="$QJIT" CC="$CC" layer.h layer.json app layer.so >/dev/null 2>&1
nm -u first/layer.o | awk '$2 != "qjrt_parallel_for" && $2 != "memcpy" && $2 != "memset" {print "undefined: " $2; bad = 1} END {exit bad}'

# The product's own repository: sources, object and header; neither qjit nor its libraries in reach.
mkdir second
cp first/Makefile first/app.c first/layer.qj first/layer.o first/layer.h first/libqjrt.a first/qjrt.h second
touch -d '1 hour ago' second/layer.o second/layer.h # as a checkout may leave them
cd second
env -i PATH=/usr/bin:/bin make -s QJIT=/nowhere/qjit CC="$CC" app
env -i ./app
if ldd app | grep -q -i qj; then echo "app needs a library of qjit's"; exit 1; fi
if [ "$sanitized" = 0 ]; then
    # shellcheck disable=SC2086
    env -i PATH=/usr/bin:/bin make -s QJIT=/nowhere/qjit CC="$CC" $pool pool
    env -i QJRT_THREADS=3 ./app-pool
    env -i PATH=/usr/bin:/bin make -s QJIT=/nowhere/qjit check >/dev/null
fi
cd ..

# ---- Python, by the metadata alone ----------------------------------------------------------------------
layer() { # NAME KIND SETTINGS...
    name=$1; shift
    { "$QJIT" layer "$@" --target x86-64-v3 && echo "name $name"; } >"$name.qj"
    "$QJIT" compile "$name.qj" -o "$name.o" >/dev/null 2>&1
    "$CC" -shared -o "$name.so" "$name.o"
}
for round in half_even tflite_double tflite_single shift; do
    layer dense_$round dense m=13 n=40 k=72 round=$round zero=-7 lo=-100 hi=90 to=i8
    layer tensor_$round dense m=5 n=33 k=64 round=$round scale=tensor act=i8 bias=none zero=9
done
layer blocked conv2d h=9 w=10 c=16 o=32 k=3 pad=1 in=NCHW8c out=NCHW8c weights=OIHW4i8o4i
layer limited dense m=9 n=16 k=64 actrange=0..127 weightrange=-63..63 to=i32
cp first/layer.so first/layer.json first/layer.o first/layer.qj .
"$QJIT" compile layer.qj dense_shift.qj tensor_tflite_double.qj -o libnet.a >/dev/null 2>&1
"$CC" -shared -o net.so -Wl,--whole-archive libnet.a -Wl,--no-whole-archive
"$QJIT" verify libnet.json dense_shift.json >/dev/null 2>&1
cat >use.py <<'PY'
import importlib.util, json, os, sys
import numpy as np

spec = importlib.util.spec_from_file_location("load", os.environ["QJ_SRC"] + "/tools/examples/load.py")
load = importlib.util.module_from_spec(spec)
spec.loader.exec_module(load)
rng = np.random.default_rng(7)


def full(arg):
    """Full-range data, a third of it at the ends."""
    if arg.dtype == np.float32:
        return rng.uniform(1e-5, 1e-3, arg.shape).astype(np.float32)
    lo, hi = arg.range
    x = rng.integers(lo, hi, arg.shape, np.int64, endpoint=True)
    ends = rng.integers(0, 6, arg.shape)
    x[ends == 0], x[ends == 1] = lo, hi
    return x.astype(arg.dtype)


def requantise(kernel, acc, given):
    """numpy's result from what the metadata say of the output, and nothing else."""
    q, = kernel.meta["quantisation"]
    out = kernel.arg(q["output"])

    def factor(key):
        f = q[key]
        if "arg" not in f:
            return np.array(f["value"])
        x = given[f["arg"]]
        return x.reshape([x.shape[f["axes"].index(d)] if d in f["axes"] else 1 for d in range(len(out.shape))])

    if q["round"] == "half_even":
        v = np.rint(acc.astype(np.int32).astype(np.float32) * factor("scale")).astype(np.float64)
    elif q["round"] == "shift":
        s = factor("shift").astype(np.int64)
        v = (acc + ((1 << s) >> 1)) >> s
    else:
        m, s = factor("mult").astype(object), factor("shift").astype(object)
        acc = acc.astype(object)
        if q["round"] == "tflite_single":
            v = (acc * m + (1 << (31 - s - 1))) >> (31 - s)
        else:
            left, right = np.maximum(s, 0), np.maximum(-s, 0)
            x = np.minimum(np.maximum(acc * 2 ** left, -2 ** 31), 2 ** 31 - 1)
            x = (x * m + 2 ** 30) >> 31
            half = ((2 ** right - 1) >> 1) + (x < 0)
            v = (x >> right) + ((x & (2 ** right - 1)) > half)
    return np.clip(v + q["zero"], *q["clamp"]).astype(out.dtype)


def check(what, have, want):
    assert have.dtype == want.dtype and have.shape == want.shape, (what, have.dtype, have.shape, want.dtype, want.shape)
    assert len(np.unique(want)) > 3, f"{what}: the data hide everything"
    assert (have == want).all(), f"{what}: {int((have != want).sum())} of {want.size} differ from numpy"


def data_for(kernel):
    args = {a.name: a for f in (kernel.main, kernel.packer) for a in (f.args if f else ()) if a.role in ("input", "weight")}
    given = {n: full(a) for n, a in args.items()}
    if "B" in given:
        given["B"] = rng.integers(-10**6, 10**6, args["B"].shape).astype(np.int32)
    if "Q" in given:
        given["Q"] = rng.integers(1 << 28, 2**31 - 1, args["Q"].shape).astype(np.int32)
        given["T"] = rng.integers(-14, -6, args["T"].shape).astype(np.int32)
    elif "T" in given:
        given["T"] = rng.integers(8, 15, args["T"].shape).astype(np.int32)
    return given


def run(kernel, given):
    main = {a.name for a in kernel.main.args}
    lies = {n: kernel.to_memory(n, x) for n, x in given.items()}
    packed = kernel.pack(**{a.name: lies[a.name] for a in kernel.packer.args if a.role == "weight"}) if kernel.packer else {}
    return kernel(check_range=True, **{n: x for n, x in lies.items() if n in main}, **packed)


layers = 0
for name in sorted(n[:-5] for n in os.listdir(".") if n.startswith(("dense_", "tensor_")) and n.endswith(".json")):
    kernel = load.Kernel(f"./{name}.so", f"{name}.json")
    assert kernel.describes(f"{name}.o") and not kernel.describes(f"{name}.so")
    given = data_for(kernel)
    acc = given["A"].astype(np.int64) @ given["W"].astype(np.int64).T + given.get("B", np.int32(0)).astype(np.int64)
    check(name, run(kernel, given)["Out"], requantise(kernel, acc, given))
    layers += 1
assert layers == 8

for name in ("layer", "blocked"):
    kernel = load.Kernel(f"./{name}.so", f"{name}.json")
    given = data_for(kernel)
    a, w = given["A"].astype(np.int64), given["W"].astype(np.int64)
    _, h, v, _ = a.shape
    p = np.pad(a, ((0, 0), (1, 1), (1, 1), (0, 0)))
    acc = sum(p[:, r:r + h, s:s + v, :] @ w[:, r, s, :].T for r in range(3) for s in range(3)) + given["B"]
    out = kernel.arg("Out")
    want = requantise(kernel, acc.astype(np.int64), given)
    check(name, run(kernel, given)["Out"], kernel.to_memory("Out", want))
    assert (name == "blocked") == (out.layout is not None) == (out.memory != out.shape)

# ---- zero copy, and what does not fit -----------------------------------------------------------------------
kernel = load.Kernel("./limited.so", "limited.json")
given = data_for(kernel)
packed = kernel.pack(W=given["W"])
bias = {"B": given["B"]}
out = np.full((9, 16), 77, np.int32)
assert kernel(A=given["A"], Out=out, **bias, **packed)["Out"] is out
check("limited", out, (given["A"].astype(np.int64) @ given["W"].astype(np.int64).T + given["B"]).astype(np.int32))
big = np.zeros((10, 64), np.uint8)
big[:9] = given["A"]
check("a view", kernel(A=big[:9], **bias, **packed)["Out"], out)


def refused(word, call, *args, **named):
    try:
        call(*args, **named)
    except (load.KernelError, OSError, ValueError) as e:
        assert word in str(e), (word, str(e))
        return
    raise AssertionError(f"taken: {word}")


a = given["A"]
odd = np.zeros(9 * 16 * 4 + 1, np.uint8)[1:].view(np.int32).reshape(9, 16)
sealed = np.zeros((9, 16), np.int32)
sealed.flags.writeable = False
refused("has type int8, not uint8", kernel, A=a.astype(np.int8), **bias, **packed)
refused("has shape (8, 64), not (9, 64)", kernel, A=a[:8], **bias, **packed)
refused("has strides", kernel, A=np.asfortranarray(a), **bias, **packed)
refused("has strides", kernel, A=np.zeros((9, 128), np.uint8)[:, ::2], **bias, **packed)
refused("list, not a numpy array", kernel, A=a.tolist(), **bias, **packed)
refused("has no argument X", kernel, A=a, X=a, **bias, **packed)
refused("lacks A", kernel, **bias, **packed)
refused("values in 0..255; the kernel was made for 0..127", kernel, check_range=True, A=np.resize(np.arange(256), (9, 64)).astype(np.uint8), **bias, **packed)
refused("not aligned", kernel, A=a, Out=odd, **bias, **packed)
refused("read-only", kernel, A=a, Out=sealed, **bias, **packed)
shared = np.zeros(9 * 16 * 4, np.uint8)
refused("overlaps", kernel, A=shared.reshape(9, 64), Out=shared.view(np.int32).reshape(9, 16), **bias, **packed)

# Metadata that lie.
good = json.load(open("limited.json"))
changes = [("args.0.bytes", 10), ("args.0.memory.0", 1 << 50), ("args.0.memory.0", -9), ("args.0.memory.0", 9.5), ("args.0.memory.0", True),
           ("args.0.dtype", "f64"), ("args.0.dtype", []), ("args.0.strides.0", 1), ("args.0.align", 0), ("args.0.shape", "9"), ("args.0", 3),
           ("args", []), ("args", {}), ("args.1.name", "A"), ("name", "system"), ("name", "../x"), ("name", None), ("workspace", -1),
           ("workspace", 1 << 60), ("workspace", "64"), ("workspace_align", 0), ("format", 2), ("pack.args", None), ("pack.name", "nothing"),
           ("args.0.range", [1]), ("args.0.role", "boss"), ("args.0.dims", ["m"]), ("pack", 7)]
for path, value in changes:
    o = at = json.loads(json.dumps(good))
    keys = [int(k) if k.isdigit() else k for k in path.split(".")]
    for k in keys[:-1]:
        at = at[k]
    at[keys[-1]] = value
    json.dump(o, open("lie.json", "w"))
    try:
        load.Kernel("./limited.so", "lie.json")
    except load.KernelError:
        continue
    raise AssertionError(f"taken: {path} = {value!r}")
for text in ("", "[]", "{", "7", '{"format": 1}'):
    open("lie.json", "w").write(text)
    refused("", load.Kernel, "./limited.so", "lie.json")

# A library: its kernels by name, from one shared object.
named = load.kernels("libnet.json")
assert list(named) == ["layer", "dense_shift", "tensor_tflite_double"], list(named)
refused("describes several kernels", load.Kernel, "./net.so", "libnet.json")
refused("describes no kernel dense", load.Kernel, "./net.so", "libnet.json", "dense")
for name in ("dense_shift", "tensor_tflite_double"):
    kernel = load.Kernel("./net.so", "libnet.json", name)
    assert kernel.describes("libnet.a") and not kernel.describes(f"{name}.o")
    given = data_for(kernel)
    acc = given["A"].astype(np.int64) @ given["W"].astype(np.int64).T + given.get("B", np.int32(0)).astype(np.int64)
    check(name, run(kernel, given)["Out"], requantise(kernel, acc, given))
both = json.load(open("libnet.json"))
json.dump([both[0], both[0]], open("lie.json", "w"))
refused("two of one name", load.Kernel, "./net.so", "lie.json", "layer")
json.dump([both[0], 7], open("lie.json", "w"))
refused("not metadata of format 1", load.Kernel, "./net.so", "lie.json", "layer")
print(f"load.py: {layers + 3} layers numpy's bits, {len(changes) + 5} lies refused")
PY
"$PYTHON" -B use.py

# As a program: files in, files out; one line of talk when something is wrong.
"$PYTHON" -B - <<'PY'
import numpy as np
rng = np.random.default_rng(3)
np.save("A.npy", rng.integers(0, 128, (9, 64)).astype(np.uint8))
np.save("W.npy", rng.integers(-63, 64, (16, 64)).astype(np.int8))
np.save("B.npy", rng.integers(-99, 99, 16).astype(np.int32))
np.save("short.npy", np.zeros((9, 63), np.uint8))
PY
"$PYTHON" -B "$examples/load.py" ./limited.so limited.json A=A.npy W=W.npy B=B.npy Out=Out.npy
"$PYTHON" -B -c '
import numpy as np
a, w, b, out = (np.load(f + ".npy").astype(np.int64) for f in ("A", "W", "B", "Out"))
assert (out == a @ w.T + b).all()'
"$QJIT" compile limited.qj dense_shift.qj -o libtwo.a >/dev/null 2>&1
"$CC" -shared -o two.so -Wl,--whole-archive libtwo.a -Wl,--no-whole-archive
mv Out.npy Alone.npy
"$PYTHON" -B "$examples/load.py" ./two.so libtwo.json:limited A=A.npy W=W.npy B=B.npy Out=Out.npy
cmp Out.npy Alone.npy
if "$PYTHON" -B "$examples/load.py" ./limited.so limited.json A=short.npy W=W.npy B=B.npy Out=Out.npy 2>err; then echo "short.npy was taken"; exit 1; fi
grep -q '^load.py: A has shape (9, 63), not (9, 64)$' err

# ---- every header, as C99 and as C++ ---------------------------------------------------------------------
for header in *.h first/layer.h; do
    [ -e "$header" ] || continue
    strict="-Wall -Wextra -pedantic -Werror -I. -fsyntax-only"
    base=$(basename "$header" .h)
    printf '#include "%s"\n#include "%s"\nint size(void);\nint size(void) { return %s_Out_BYTES * %s_Out_ALIGN + %s_WORKSPACE + (int)sizeof(&%s); }\n' \
        "$header" "$header" "$base" "$base" "$base" "$base" >user.c
    # shellcheck disable=SC2086
    { "$CC" -std=c99 $strict user.c && "$CC" -x c++ -std=c++98 -Wno-long-long $strict user.c; }
done
echo "deploy: passed"
