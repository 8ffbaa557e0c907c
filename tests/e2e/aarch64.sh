#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Objects for AArch64 made on any host: linked by a cross compiler into a program without anything of ours, run by an
# emulator, numpy's bits. The caller is written from the object's own metadata.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${PYTHON:=/usr/bin/python3}"
cross=aarch64-linux-gnu-gcc
emulator=qemu-aarch64-static
command -v $cross >/dev/null && command -v $emulator >/dev/null || { echo "skipped: no $cross or $emulator here"; exit 0; }
examples=$QJ_SRC/tools/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >caller.py <<'PY'
import json, sys
k = json.load(open(sys.argv[1] + ".json"))
pack = k.get("pack") or {"args": []}
size = {a["name"]: a["bytes"] for a in k["args"] + pack["args"]}
made = {a["name"] for a in k["args"] if a["role"] in ("packed", "output")}
print("#include <stdio.h>\n#include <stdlib.h>")
print(f"int {k['name']}_call(void **), {k['name']}_pack_call(void **);")
print("static void *load(const char *name, size_t n) { void *p = malloc(n); FILE *f = fopen(name, \"rb\");")
print("    if (!f || fread(p, 1, n, f) != n) { perror(name); exit(1); } fclose(f); return p; }")
print("int main(void) {")
for name, n in size.items():
    print(f"    void *{name} = " + (f"malloc({n});" if name in made else f"load(\"{name}.bin\", {n});"))
def call(fn, args, ws):
    print(f"    if ({fn}((void *[]){{{', '.join(a['name'] for a in args)}, aligned_alloc(64, {(ws + 63) // 64 * 64 or 64})}})) return 1;")
if pack["args"]:
    call(pack["name"] + "_call", pack["args"], pack["workspace"])
call(k["name"] + "_call", k["args"], k["workspace"])
out = [a for a in k["args"] if a["role"] == "output"][0]
print(f"    FILE *f = fopen(\"from_c.bin\", \"wb\"); return fwrite({out['name']}, 1, {out['bytes']}, f) != {out['bytes']} || fclose(f); }}")
PY

"$PYTHON" -B "$examples/reference.py" make conv_56 .
for target in aarch64 aarch64-linux-gnu,cpu=cortex-a53 cortex-a72 cortex-a76 aarch64-linux-gnu,cpu=neoverse-n1 \
              aarch64-linux-gnu,cpu=neoverse-n2 neoverse-v1 apple-m1; do
    "$QJIT" compile "$examples/conv_56_auto.qj" --target $target -o k.o
    "$PYTHON" -B caller.py k >caller.c
    $cross -std=c11 -O1 -static caller.c k.o -o caller
    rm -f from_c.bin
    $emulator -cpu max ./caller
    "$PYTHON" -B "$examples/reference.py" check conv_56 . from_c.bin
done
for example in stem_224 depthwise_56; do # their definitions; the steps are for another machine
    sed '/^target/,$d' "$examples/$example.qj" >auto.qj
    echo template >>auto.qj
    "$QJIT" compile auto.qj --target neoverse-n2 -o $example.o
done
"$QJIT" compile "$examples/maxpool_112.qj" --target neoverse-n2 -o maxpool.o

# What LLVM would abort on is refused before.
rc=0
"$QJIT" -c 'target cortex-a72
input A[m:8, k:64] : i8; weight W[n:8, k:64] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.k 4 -> kg ki; split C.n 4 -> no ni; reorder C m no kg ni ki
tensorize C.ni with dot4_i8i8_sdot' 2>err.txt || rc=$?
[ $rc != 0 ] && grep -q "needs dotprod" err.txt
