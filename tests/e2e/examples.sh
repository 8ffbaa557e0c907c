#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every example layer on numpy's full-range data, in this process and (where there is a caller for it) as an object
# called from C, with 1 and 3 threads: numpy's bits.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${PYTHON:=/usr/bin/python3}"
examples=$QJ_SRC/tools/examples
if ! grep -qw avx2 /proc/cpuinfo; then echo "skipped: no AVX2 here"; exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

for layer in conv_56 winograd_56 dense_128 dense_512; do
    rm -f ./*.npy ./*.bin
    "$PYTHON" -B "$examples/reference.py" make $layer .
    if [ $layer = dense_512 ]; then tensors="A=A.npy W=W.npy"; out=C; else tensors="A=A.npy W=W.npy B=B.npy M=M.npy"; out=Out; fi
    for threads in 1 3; do
        # shellcheck disable=SC2086  # words on purpose
        "$QJIT" run --threads $threads "$examples/$layer.qj" $tensors $out=out$threads.npy
        "$PYTHON" -B "$examples/reference.py" check $layer . out$threads.npy
    done
    [ -f "$examples/call_$layer.c" ] || continue
    "$QJIT" compile "$examples/$layer.qj" -o $layer.o
    "${CC:-cc}" -std=c11 -Wall -Wextra -Werror -I. "$examples/call_$layer.c" $layer.o -o call
    ./call
    "$PYTHON" -B "$examples/reference.py" check $layer . from_c.bin
    nm -u $layer.o | awk '$2 != "qjrt_parallel_for" && $2 != "memcpy" && $2 != "memset" {print "undefined: " $2; bad = 1} END {exit bad}'
done

# The others against the oracle; where this machine lacks a feature, they still compile (exit 4 is "cannot run here").
for script in conv_56_auto stem_224 depthwise_56 gemm_f32 maxpool_112 dense_512_vnni dense_chain; do
    rc=0
    "$QJIT" -c "load \"$examples/$script.qj\"; check" || rc=$?
    [ $rc = 0 ] || [ $rc = 4 ]
    "$QJIT" compile "$examples/$script.qj" -o $script.o
done

# One program for every machine: the template chooses anew.
for target in generic x86-64 x86-64-v2 x86-64-v3 x86-64-v4 x86-64,cpu=icelake-server x86-64,cpu=sierraforest; do
    "$QJIT" compile "$examples/conv_56_auto.qj" --target $target -o auto.o
    [ -s auto.o ]
done
