#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tools/examples/embed from an installation, by its Makefile (pkg-config) and by CMake (find_package): a layer for the shape
# on its command line, exact; what cannot be is an error with a text and a status, never an end by a signal.
set -eu
: "${QJ_SRC:?}" "${QJ_BUILD:?}" "${CC:=cc}"
[ -f "$QJ_BUILD/tools/install/libqjit.a" ] || { echo "skipped: a build with sanitizers is not installed"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$QJ_SRC/tools/examples/embed" "$work/embed"
cd "$work/embed"
cmake --install "$QJ_BUILD" --prefix "$work/usr" >/dev/null
lib=$(dirname "$(dirname "$(find "$work/usr" -name qjit.pc)")")
PKG_CONFIG_PATH=$lib/pkgconfig make -s CC="$CC"
cmake -S . -B by-cmake -DCMAKE_PREFIX_PATH="$work/usr" -DCMAKE_C_COMPILER="$CC" >/dev/null
cmake --build by-cmake >/dev/null
export LD_LIBRARY_PATH="$lib"

refused() { # STATUS TEXT PROGRAM ARGS...
    status=$1 text=$2; shift 2
    got=0
    "$@" >out 2>err || got=$?
    [ $got = "$status" ] || { cat out err; echo "$*: status $got, not $status"; exit 1; }
    grep -qF -e "$text" err || { cat err; echo "$*: no \"$text\""; exit 1; }
}
for program in ./embed by-cmake/embed; do
    "$program" 14 14 32 48 3 | tee out
    grep -q ' 0 different' out
    STEPS=1 "$program" 9 7 24 40 1 2 >out
    grep -q ' 0 different' out && grep -q '^vectorize\|^tensorize' out
    refused 1 'c=x is not understood' "$program" 56 56 x 64
    refused 1 'the kernel is larger than the padded input' "$program" 2 2 64 64 5
    refused 1 'extents, strides and dilations lie in' "$program" 0 2 64 64
    refused 1 '[' "$program" 16000000 16000000 64 64
    refused 2 usage "$program" 5 5
done
