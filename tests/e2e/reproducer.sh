#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `save` writes gives, in another process and another directory, the very object or PTX that the session gave: all
# examples, and one of them for other targets; a session with an intrinsic of its own, typed after other steps.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/here" "$work/there"
cd "$work/here"

# same SCRIPT ARGS...: its object, saved and compiled elsewhere.
same() {
    script=$1
    shift
    grep -vE '^(check|time|emit|show|asm)' "$script" >script.qj # measuring takes its time and changes nothing
    case "$* $(grep '^target' script.qj)" in *sm_*) kind=ptx ;; *) kind=o ;; esac
    echo "; save ../there/saved.qj; emit here.$kind" >>script.qj
    "$QJIT" run "$@" script.qj >/dev/null
    (cd ../there && "$QJIT" compile saved.qj -o there.$kind >/dev/null)
    cmp here.$kind ../there/there.$kind
    ! grep -q native ../there/saved.qj
    (cd ../there && "$QJIT" run -c 'load saved.qj; save again.qj' && cmp saved.qj again.qj) # the text is its own fixed point
}

for script in "$QJ_SRC"/tools/examples/*.qj; do same "$script"; done
for target in generic x86-64 x86-64-v2 x86-64-v4 x86-64,cpu=icelake-server x86-64,cpu=sierraforest \
    aarch64,cpu=neoverse-n2 sm_61 sm_80 sm_90a; do
    same "$QJ_SRC/tools/examples/conv_56_auto.qj" --target $target
done

cat >own.qj <<'QJ'
target x86-64-v3
input A[m:8, k:64] : i16; weight W[n:32, k:64] : i16
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
transform_layout W NK8n2k
name own
intrinsic mine operands "C: i32[8], A: i16[2], B: i16[8,2]" meaning "C[i] += i32(A[k]) * i32(B[i,k])" recipe "add(C, @llvm.x86.avx2.pmadd.wd(A, B))" needs "avx2"
split C.n 8 -> no ni; split C.k 2 -> ko ki; reorder C m no ko ni ki; tensorize C.ni mine
D[m] : i32 = sum(n) C[m, n]
QJ
same own.qj
grep -q '^intrinsic mine ' ../there/saved.qj
grep -q '^name own' ../there/saved.qj
