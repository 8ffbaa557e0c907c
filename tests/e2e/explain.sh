#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `explain` promises is tried: every declared range, `offset` and `template row=` that it names is accepted, and
# where it names nothing for an instruction that does not fit, no template would have taken it. Compiles nothing.
set -eu
: "${QJIT:?}" "${PYTHON:=/usr/bin/python3}"
"$PYTHON" -B - <<'EOF'
import json, os, re, subprocess, sys

qjit = os.environ["QJIT"]
targets = ("x86-64-v3", "x86-64-v4,+avx512vnni")


def dense(k, more):
    return lambda x, w: (f"input A[m:16, k:{k}] : {x}\nweight W[n:32, k:{k}] : {w}\n"
                         f"C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n" + more)


def conv(c, o):
    return lambda x, w: (f"input A[y:10, x:10, c:{c}] : {x}\nweight W[o:{o}, r:3, s:3, c:{c}] : {w}\n"
                         "C[y:8, x:8, o] : i32 = sum(r, s, c) i32(A[y + r, x + s, c]) * i32(W[o, r, s, c])\n")


def depthwise(x, w):
    return (f"input A[y:10, x:10, c:32] : {x}\nweight W[r:3, s:3, c:32] : {w}\n"
            "C[y:8, x:8, c] : i32 = sum(r, s) i32(A[y + r, x + s, c]) * i32(W[r, s, c])\n")


pairs = [(x, w) for x in ("u8", "i8", "i16") for w in ("i8", "u8", "i16")]
programs = [dense(64, "")(*p) for p in pairs] + [dense(62, "")(*p) for p in pairs[::2]]
programs += [make(*p) for make in (conv(16, 32), conv(3, 32), depthwise) for p in (("u8", "i8"), ("i8", "i8"))]


def declare(program, tensor, lo, hi):
    return re.sub(rf"^(\w+ {tensor}\[.*?\] : \w+)$", rf"\1 in {lo}..{hi}", program, flags=re.M)


def run(target, text, *more):
    return subprocess.run([qjit, "run", "-", "--target", target, *more], input=text, capture_output=True, text=True)


bad = tried = 0
for target in targets:
    for program in programs:
        told = run(target, program + "explain\n", "--json")
        rows = [r for r in json.loads(told.stdout)["results"][-1]["rows"] if r["kind"] == "instruction"]
        assert rows, told.stdout
        known = {}
        for r in rows:
            name, unlock = r["name"], r["unlock"] or ""
            if r["fits"] or (r["why"] or "").startswith("target "):
                continue
            row = f"template row={name}\n"
            trials = [(declare(program, *m), row) for m in re.findall(r"(?:activations|weights) (\w+) in (-?\d+)\.\.(\d+)", unlock)]
            trials += [(program, m + "\n") for m in re.findall(r"offset \S+ \S+ \S+ as=\w+", unlock)]
            if "template" in unlock:
                trials.append((program, row))
            for text, step in trials:
                tried += 1
                key = (text, step)
                if key not in known:
                    known[key] = run(target, text + step)
                if known[key].returncode:
                    bad += 1
                    print(f"{target}: {name}: false: {unlock}\n{text}{step}{known[key].stderr}")
            if not unlock and run(target, program + row).returncode == 0:
                bad += 1
                print(f"{target}: {name}: a template takes it, but no unlock is named: {r['why']}\n{program}")
assert tried > 100, tried
print(f"{tried} unlocks tried, {bad} are not so")
sys.exit(bad > 0)
EOF
