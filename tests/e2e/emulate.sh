#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `qjit check --emulate` and `check emulate`: kernels of other CPUs, called. What is wrong is found there too; what cannot be
# emulated is an error that says what would help.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export TMPDIR="$work"

cat >layer.qj <<'Q'
input A[m:9, k:67] : u8
weight W[n:17, k:67] : i8
bias B[n:17] : i32
Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
C[m:9, n:17] : i32 = Acc[m, n] + B[n]
template
check; time                 # passed over
Q

# refused TARGET TEXT: no emulator, exit 4, and the message has TEXT
refused() {
    rc=0
    "$QJIT" check layer.qj --emulate --target "$1" 2>err.txt || rc=$?
    [ $rc = 4 ] && grep -q "$2" err.txt || { cat err.txt; exit 1; }
}
refused sm_80 QJIT_CUDA_DRIVER
refused sapphirerapids "there are emulators for"
rc=0; PATH=/nowhere "$QJIT" check layer.qj --emulate --target aarch64 2>err.txt || rc=$?
[ $rc = 4 ] && grep -q "apt-get install gcc-aarch64-linux-gnu" err.txt
rc=0; "$QJIT" -c 'check sometimes' 2>err.txt || rc=$?
[ $rc = 1 ] && grep -q "the word emulate" err.txt
rc=0; "$QJIT" check layer.qj more.qj 2>err.txt || rc=$?
[ $rc = 2 ]
"$QJIT" check layer.qj >out.txt # here
grep -q "^exact: 1224 outputs" out.txt

# emulated TARGET
emulated() {
    "$QJIT" check layer.qj --emulate --target "$1" >out.txt
    grep -q "^exact in an emulator: 1224 outputs under 8 patterns of data, every element" out.txt
}
[ "${QJ_EMULATE:-1}" != 0 ] || exit 0
if command -v qemu-aarch64-static >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null; then
    for t in cortex-a72 neoverse-n1 neoverse-n2; do emulated $t; done
else echo "skipped: no emulator of AArch64 here"; fi
if command -v bochs-bin >/dev/null && ls /usr/lib/*/bochs/plugins/libbx_term_gui.so >/dev/null 2>&1; then
    for t in x86-64-v4 x86-64-v4,+avx512vnni x86-64-v3,+avxvnni; do emulated $t; done
    "$QJIT" check layer.qj --emulate --target cascadelake --json | grep -q '"emulated": true'

    # Scatters whose indices are in zmm16 to zmm31, which Bochs refuses: tools/emu/x86/kernel.c has twins for them.
    "$QJIT" layer depthwise h=7 w=7 c=7 k=3 sw=2 dh=2 pt=2 pb=2 pl=3 wzero=-1 form=terms to=f32 in=NHWC out=NCHW >scatter.qj
    "$QJIT" compile scatter.qj --target x86-64-v4,+avx512vnni -o scatter.s 2>err.txt
    grep -Eq '(gather|scatter).*zmm(1[6-9]|2[0-9]|3[01])[,*]' scatter.s || { echo "no such instruction in scatter.s"; exit 1; }
    "$QJIT" check scatter.qj --emulate --target x86-64-v4,+avx512vnni >out.txt
    grep -q "^exact in an emulator" out.txt

    rc=0; QJIT_EMU_SECONDS=soon "$QJIT" check layer.qj --emulate --target x86-64-v4 2>err.txt || rc=$?
    [ $rc = 4 ] && grep -q 'hint: .*QJIT_EMU_SECONDS' err.txt

    # An instruction that does not what it says, on a CPU that this machine may not be.
    rc=0
    "$QJIT" -c 'target x86-64-v4
        intrinsic lie operands "C: i32[16], A: i32[16]" meaning "C[i] += A[i]" recipe "add(C, add(A, A))" needs "avx512f"
        input A[m:8, k:16] : i32; B[m, k] : i32 = sum(r:1) A[m, k + r]; tensorize B.k lie
        check emulate' 2>err.txt || rc=$?
    [ $rc = 3 ] && grep -q "B\[0, 0\] is -2 and should be -1" err.txt
else echo "skipped: no bochs and bochs-term here"; fi
[ -z "$(ls -d qjit-* 2>/dev/null)" ] # nothing is left behind
