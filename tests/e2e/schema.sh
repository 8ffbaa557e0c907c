#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The schemas in tools/schema hold: the metadata of every example and of layers in every rounding, and every subcommand's
# --json on success and on failure. The schemas can refuse: each of a list of changes to good metadata is refused. All
# the headers beside them compile.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${PYTHON:=/usr/bin/python3}"
"$PYTHON" -c 'import jsonschema' 2>/dev/null || { echo "skipped: no python3-jsonschema here"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for script in "$QJ_SRC"/tools/examples/*.qj "$QJ_SRC"/tools/examples/*/*.qj; do
    kind=o
    if grep -q '^target *sm_' "$script"; then kind=ptx; fi
    "$QJIT" compile "$script" -o "$(basename "$script" .qj).$kind" 2>/dev/null >&2
done
for round in half_even tflite_double tflite_single shift; do
    for scale in tensor channel; do
        "$QJIT" layer conv2d h=6 w=6 c=4 o=8 k=3 pad=1 round=$round scale=$scale zero=3 lo=-20 hi=90 to=i8 out=NCHW8c >layer.qj
        "$QJIT" compile layer.qj -o q_${round}_$scale.o 2>/dev/null >&2
    done
done
printf 'input A[m:4] : i32\nB[m] : u8 = requantize(A[m], scale: 0.125, zero: 7, round: half_even)\nC[m] : f32 = f32(A[m])\n' >const.qj
"$QJIT" compile const.qj -o const.o 2>/dev/null >&2

printf 'input A[m:4] : i64\ninput S[m:4] : i64 in -5..9\ninput T[m:4] : i64 in -9007199254740991..9007199254740992\nB[m] : i64 = A[m] + S[m] + T[m]\n' >wide.qj
"$QJIT" compile wide.qj -o wide.o 2>/dev/null >&2

printf 'input A[m:64] : u8\nB[m] : i32 = i32(A[m]) * 3\ntarget sm_80\nbind B.m threadIdx.x\n' >gpu.qj
"$PYTHON" -c 'import numpy as np; np.save("m.npy", np.full(8, 0.5, np.float32))'
printf 'input A[m:4, n:8] : i32\nscale M[n:8] : f32\nB[m, n] : u8 = requantize(A[m, n], scale: M[n], zero: 7, round: half_even)\nembed M m.npy\n' >inside.qj
"$QJIT" compile inside.qj -o inside.o 2>/dev/null >&2
"$QJIT" compile gpu.qj -o gpu.ptx 2>/dev/null >&2
"$QJIT" compile const.qj --target aarch64 -o arm.o 2>/dev/null >&2

"$QJIT" compile const.qj inside.qj -o libtwo.a 2>/dev/null >&2 && exit 1 # one name
echo 'name inside' >>inside.qj
"$QJIT" compile const.qj inside.qj -o libtwo.a 2>/dev/null >&2
mkdir library && mv libtwo.json library

"$PYTHON" -B - <<'PY'
import copy, glob, hashlib, json, os, subprocess
import jsonschema

here, qjit = os.environ["QJ_SRC"] + "/tools/schema/", os.environ["QJIT"]
schema = {}
for name in ("artifact", "answer"):
    schema[name] = jsonschema.Draft7Validator(json.load(open(f"{here}{name}.schema.json")))
    schema[name].check_schema(schema[name].schema)

files = sorted(glob.glob("*.json"))
assert len(files) > 18, files

# Of a library: the same, in an array.
text = json.load(open(here + "library.schema.json"))
library = jsonschema.Draft7Validator(text, resolver=jsonschema.RefResolver("", text, {"artifact.schema.json": schema["artifact"].schema}))
two = json.load(open("library/libtwo.json"))
library.validate(two)
assert [o["name"] for o in two] == ["kernel", "inside"] and not library.is_valid(two[0]) and not library.is_valid([])
assert not library.is_valid(two + [{"format": 1}])

rounds = set()
for f in files:
    o = json.load(open(f))
    for e in schema["artifact"].iter_errors(o):
        raise SystemExit(f"{f}: {e.json_path}: {e.message}")
    body = open(f[:-4] + {"object": "o", "ptx": "ptx"}[o["kind"]], "rb").read()
    assert o["bytes"] == len(body) and o["sha256"] == hashlib.sha256(body).hexdigest(), f
    rounds |= {q["round"] for q in o["quantisation"]}
    if f.startswith("q_"):
        q, = o["quantisation"]
        per = [1, 2, 3, 4] if "tensor" not in f else []
        assert q["output"] == "Out" and f.startswith("q_" + q["round"]) and q["zero"] == 3 and q["clamp"] == [-20, 90], q
        for factor in ("scale", "mult", "shift"):
            if factor in q:
                assert q[factor]["axes"] == ([3] if "channel" in f else []), (f, q)
assert rounds == {"half_even", "tflite_double", "tflite_single", "shift"}, rounds
q, = json.load(open("const.json"))["quantisation"]
assert q == {"output": "B", "round": "half_even", "scale": {"value": 0.125}, "zero": 7, "clamp": [0, 255]}, q

inside = json.load(open("inside.json"))
assert [a["role"] for a in inside["args"]] == ["input", "output"] and [a["name"] for a in inside["embedded"]] == ["M"], inside
assert inside["quantisation"][0]["scale"] == {"arg": "M", "axes": [1]}, inside["quantisation"]

wide = {a["name"]: a["range"] for a in json.load(open("wide.json"))["args"]}
ends = ["-9223372036854775808", "9223372036854775807"]
assert wide == {"A": ends, "S": [-5, 9], "T": [-9007199254740991, "9007199254740992"], "B": ends}, wide

# What is wrong is refused.
good = json.load(open("conv_56.json"))
def change(path, value):
    o = at = copy.deepcopy(good)
    for k in path[:-1]:
        at = at[k]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return o
for path, value in [(["name"], None), (["name"], "a b"), (["format"], 2), (["workspace"], -1), (["workspace"], "64"), (["sha256"], "12"),
                    (["args", 0, "dtype"], "f16"), (["args", 0, "memory"], [0]), (["args", 0, "memory"], [1.5]), (["args", 0, "role"], "w"),
                    (["args", 0, "colour"], 1), (["args"], []), (["pack", "args"], None), (["quantisation", 0, "round"], "shift"),
                    (["quantisation", 0, "scale"], {"value": "x"}), (["args", 0, "range"], [1]),
                    (["args", 0, "range"], [0, "x"]), (["args", 0, "range"], [0, 9007199254740992]), (["extra"], 1)]:
    assert not schema["artifact"].is_valid(change(path, value)), (path, value)

# Every subcommand, on success and on failure.
dense = "input A[m:5, k:24] : u8; weight W[n:12, k:24] : i8; C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])"
open("dense.qj", "w").write(dense.replace("; ", "\n") + "\nsplit C.n 4 -> no ni\nvectorize C.ni\ncheck; time\nemit side.o\n")
open("bad.qj", "w").write("input A[m:4] : u8\nC[i] : u8 = A[i]\nsplit C.z 2\n")
calls = [["--version"], ["help"], ["help", "split"], ["targets"], ["explain", "type"], ["explain", "tyep"], ["run", "dense.qj"],
         ["run", "bad.qj"], ["run", "missing.qj"], ["compile", "dense.qj", "-o", "k.o"], ["compile", "bad.qj", "-o", "k.o"],
         ["layer", "dense", "m=4", "n=8", "k=16"], ["layer", "dense"], ["layer", "dense", "m=4", "m=4"], ["layer", "pool"],
         ["frobnicate"], ["targets", "x"], ["-c", "load dense.qj; show; program; steps; ir; llvm; asm; explain; target; name"],
         ["-c", "shwo"], ["--target", "x87", "-c", "show"]]
seen = set()
for args in calls:
    r = subprocess.run([qjit, *args, "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    o = json.loads(r.stdout)
    for e in schema["answer"].iter_errors(o):
        raise SystemExit(f"qjit {args}: {e.json_path}: {e.message}\n{r.stdout}")
    assert o["ok"] == (r.returncode == 0), (args, r.returncode)
    seen.add((o["command"], o["ok"]))
r = subprocess.run([qjit, "repl", "--json"], capture_output=True, text=True, input="shwo\nhelp\n")
schema["answer"].validate(json.loads(r.stdout))
bad = json.loads(subprocess.run([qjit, "run", "bad.qj", "--json"], capture_output=True, text=True).stdout)
del bad["error"]["hint"]
assert not schema["answer"].is_valid(bad)
print(f"schema: {len(files)} files, {len(calls) + 1} answers of {sorted(seen)}")
PY

# Every header, host's and GPU's, as C99 and as C++98; twice, since headers are.
for header in *.h; do
    printf '#include "%s"\n#include "%s"\nint unused;\n' "$header" "$header" >user.c
    "${CC:-cc}" -std=c99 -Wall -Wextra -pedantic -Werror -I. -fsyntax-only user.c
    "${CC:-cc}" -x c++ -std=c++98 -Wno-long-long -Wall -Wextra -pedantic -Werror -I. -fsyntax-only user.c
done
