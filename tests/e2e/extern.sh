#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program that calls a function of the host's is emitted, and linked by a C program that defines it: the object's
# undefined symbols, the header's prototype, the results.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > act.qj <<'QJ'
extern squash(i32, f32) : i8
input A[i:100, k:37] : i8; weight W[k:37] : i8
Acc[i] : i32 = sum(k) i32(A[i, k]) * i32(W[k])
Out[i] : i8 = squash(Acc[i], 0.25)
split Out.i 8 -> a b; vectorize Out.b; compute_at Acc Out.a
name act
QJ
cat > main.c <<'C'
#include "act.h"
#include <math.h>
#include <stdio.h>
int8_t squash(int32_t x, float scale) { return (int8_t)(127 * tanhf((float)x * scale / 1000)); }
int main(void)
{
    static int8_t a[3700], w[37], out[100];
    static _Alignas(64) char ws[act_WORKSPACE + 64];
    for (int i = 0; i < 3700; i++) a[i] = (int8_t)(i * 89 + 128);
    for (int k = 0; k < 37; k++) w[k] = (int8_t)(k * 7 - 128);
    act_call((void *[]){a, w, out, ws});
    for (int i = 0; i < 100; i++) {
        int32_t acc = 0;
        for (int k = 0; k < 37; k++) acc += a[37 * i + k] * w[k];
        if (out[i] != squash(acc, 0.25f)) return printf("Out[%d] is %d\n", i, out[i]), 1;
    }
    return 0;
}
C
for target in generic x86-64-v3; do
    "$QJIT" compile act.qj --target $target -o act.o
    undefined=$(nm -u act.o | grep -v ' _GLOBAL_OFFSET_TABLE_' | tr -s ' ' | tr '\n' ' ')
    case "$undefined" in
    *" squash "*) ;;
    *) echo "undefined: $undefined"; exit 1 ;;
    esac
    grep -q '^int8_t squash(int32_t, float);$' act.h
    "$PYTHON" -c 'import json; e = json.load(open("act.json"))["externs"]
assert e == [{"name": "squash", "args": ["i32", "f32"], "result": "i8"}], e'
    "$CC" -std=c11 -Wall -Werror main.c act.o -o main -lm
    if [ $target = generic ] || grep -qw avx2 /proc/cpuinfo; then ./main; fi
    echo "$target: undefined $undefined"
done
# nobody has given an address here: refused, with a way out
if "$QJIT" -c 'extern f(i8) : i8; input A[4] : i8; B[i] : i8 = f(A[i]); check' > out 2>&1; then cat out; exit 1; fi
grep -q 'qj_extern gives it' out
