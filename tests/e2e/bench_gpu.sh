#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/bench/gpu from end to end on the emulated driver: layers of every kind compiled for the GPU at hand, launched by their
# metadata, captured, timed (times are made up, and not told) and compared with numpy; a library that is missing and a driver
# that is not there are said. A wrong result is found. With --test the tests of GPU kernels take the driver's way.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${QJ_BUILD:?}" "${PYTHON:=/usr/bin/python3}"
emu=$QJ_BUILD/tests/libcuda_emu.so
if nm "$emu" | grep -q -e __asan_ -e __tsan_; then echo "skipped: sanitizers in the driver"; exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bench() { "$PYTHON" -B "$QJ_SRC/tools/bench/gpu" --qjit "$QJIT" "$@"; }

for sm in 61 90; do
    QJIT_EMU_SM=$sm bench --driver "$emu" --tiny --json "$work/f.json" >"$work/table"
    [ "$(grep -c ' exact (emulated: no times)$' "$work/table")" = 7 ] || { cat "$work/table"; exit 1; }
done
"$PYTHON" - "$work/f.json" <<'END'
import json, sys
o = json.load(open(sys.argv[1]))
assert o["device"]["emulated"] and o["device"]["sm"] == 90 and set(o["left_out"]) == {"cublaslt", "cudnn", "torch"}, o
for layer in o["layers"]:
    ours, = layer["results"]
    assert ours["contender"] == "qjit" and ours["different"] == 0 and ours["target"] == "sm_90a" and "warm_us" not in ours, ours
assert sum(layer["macs"] for layer in o["layers"]) > 50000
END
# A program that computes something else: Out is one too large.
cat >"$work/wrong" <<'END'
#!/bin/sh
"$REAL" "$@" | sed 's/^\(Out.*= Acc.*\)$/\1 + 1/'
END
chmod +x "$work/wrong"
if REAL=$QJIT bench --qjit "$work/wrong" --driver "$emu" --tiny --only tiny_dense >"$work/table"; then cat "$work/table"; exit 1; fi
grep -q 'tiny_dense .* 256 WRONG\|tiny_dense .* 512 WRONG' "$work/table" || { cat "$work/table"; exit 1; }
if bench --driver /nonexistent/libcuda.so.1 --tiny 2>"$work/err"; then exit 1; fi
grep -q '^gpu: /nonexistent/libcuda.so.1: cannot open' "$work/err"

# --test, in small.
QJ_GPU=1 QJIT_EMU_SM=80 QJIT_CUDA_DRIVER="$emu" QJ_N=25 "$QJ_BUILD/tests/prop/gpu"
QJ_GPU=1 QJIT_EMU_SM=80 QJIT_CUDA_DRIVER="$emu" "$QJ_BUILD/tests/unit/cuda" >/dev/null 2>&1
if QJ_GPU=1 QJIT_EMU_SM=80 QJIT_CUDA_DRIVER="$emu" QJIT_EMU_FAIL=cuLaunchKernel QJ_N=25 "$QJ_BUILD/tests/prop/gpu" >/dev/null 2>&1; then
    echo "the driver's failures are none of the tests"
    exit 1
fi
echo "bench_gpu: passed"
