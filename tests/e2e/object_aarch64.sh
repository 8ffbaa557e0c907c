#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an object for AArch64 may be, made on any host: as e2e/object.sh, with a cross compiler's tools.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${PYTHON:=/usr/bin/python3}"
tools=aarch64-linux-gnu-
emulator="qemu-aarch64-static -L /usr/aarch64-linux-gnu"
cc="${tools}gcc -march=armv8.4-a+i8mm+sve2"
command -v ${tools}gcc > /dev/null && command -v ${emulator%% *} > /dev/null || { echo "skipped: no ${tools}gcc or ${emulator%% *} here"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
. "$QJ_SRC/tests/support/object.sh"
for name in plain embedded par fused; do
    emit "$name.qj" --target neoverse-n2
    emit "$name.qj" --target aarch64 --target cortex-a76 --target neoverse-n2
done
echo "objects for AArch64: as they should be"
