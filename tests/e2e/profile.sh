#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# perf from outside: the map names a kernel's parallel body in `perf report`; after `perf inject -j` so does the dump, and
# `perf annotate` shows its instructions. Passed over where perf is not here or may not count.
set -u
QJIT=${QJIT:?the program}
tmp=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || rm -f "/tmp/perf-$pid.map"; rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export JITDUMPDIR="$tmp" HOME="$tmp" LC_ALL=C
perf record -k mono -e cpu-clock -o try.data true >log 2>&1 || { echo "skipped: perf cannot record here"; exit 0; }
faults=0
fault() { faults=$((faults + 1)); echo "FAIL: $*"; }

cat >dense.qj <<'QJ'
input A[m:512, k:512] : u8
weight W[n:512, k:512] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
name dense
parallel C.m
time
QJ
QJIT_PROFILE=map,dump perf record -k mono -e cpu-clock -o p.data "$QJIT" run dense.qj >log 2>&1 || { cat log; fault "perf record"; }
dump=$(find .debug -name 'jit-*.dump')
pid=$(basename "$dump" .dump | sed 's/jit-//')
perf report -i p.data --stdio >report 2>log
grep -q 'dense\.body0\[' report || { fault "perf report does not name the kernel"; head -20 report; }
perf inject -j -i p.data -o inject.data >log 2>&1 || { cat log; fault "perf inject"; }
perf report -i inject.data --stdio >report 2>log
grep -q 'jitted-.*dense\.body0\[' report || { fault "after perf inject the kernel has no file of its own"; head -20 report; }
symbol=$(grep -o 'dense\.body0\[[^]]*\]' report | head -1)
perf annotate -i inject.data --stdio -s "$symbol" >code 2>log
if command -v objdump >/dev/null && [ "$(grep -cE '^ +[0-9]+\.[0-9]+ .*:' code)" -lt 10 ]; then
    fault "perf annotate shows no code of $symbol"; head -20 code log
fi
[ $faults = 0 ] || exit 1
echo "profile: ok"
