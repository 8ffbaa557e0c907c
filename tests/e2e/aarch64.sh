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
              aarch64-linux-gnu,cpu=neoverse-n2 neoverse-v1 apple-m1 neoverse-v1,+sve256 a64fx; do
    "$QJIT" compile "$examples/conv_56_auto.qj" --target "$target" -o k.o
    "$PYTHON" -B caller.py k >caller.c
    $cross -std=c11 -O1 -static caller.c k.o -o caller
    case $target in # bytes of SVE registers: code for fewer must not mind
        neoverse-v1) lengths="16 32 64" ;; *sve256) lengths="32 64 128" ;; a64fx) lengths="64 128 256" ;; *) lengths=16 ;; esac
    for length in $lengths; do
        rm -f from_c.bin
        $emulator -cpu max,sve-default-vector-length=$length ./caller
        "$PYTHON" -B "$examples/reference.py" check conv_56 . from_c.bin
    done
done
for example in stem_224 depthwise_56; do # their definitions; the steps are for another machine
    sed '/^target/,$d' "$examples/$example.qj" >auto.qj
    echo template >>auto.qj
    "$QJIT" compile auto.qj --target neoverse-n2 -o $example.o
done
"$QJIT" compile "$examples/maxpool_112.qj" --target neoverse-n2 -o maxpool.o

# Layers that matter: which instruction, and no register of a hot loop on the stack.
while read -r target row layer; do
    # shellcheck disable=SC2086  # words on purpose
    "$QJIT" layer $layer --target $target >layer.qj
    "$QJIT" -c 'load "layer.qj"; steps; emit layer.o' >steps.txt 2>&1
    grep -q "tensorize .* $row" steps.txt || { echo "$target, $layer: not by $row"; exit 1; }
    ! grep '\[spills\]' steps.txt || { echo "$target, $layer"; exit 1; }
done <<'LAYERS'
cortex-a72 dot2_i8i8_smull conv2d h=56 w=56 c=64 o=64 k=3 pad=1
neoverse-n1 dot4_i8i8_sdot conv2d h=56 w=56 c=64 o=64 k=3 pad=1
neoverse-n1 dot4_u8u8_udot conv2d h=28 w=28 c=128 o=128 k=3 pad=1 weight=u8 wzero=120 xzero=3
neoverse-n1 dot4_i8i8_sdot conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8 in=NCHW16c out=NCHW16c
neoverse-n1 dot4_i8i8_sdot dense m=128 n=768 k=768 act=i8
neoverse-n2 mmla_i8i8_smmla conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8
neoverse-n2 mmla_u8i8_usmmla conv2d h=14 w=14 c=256 o=1024
neoverse-n2 mmla_i8i8_smmla conv2d h=14 w=14 c=256 o=256 k=3 pad=1 act=i8 xzero=-3
neoverse-n2 mmla_u8i8_usmmla dense m=128 n=768 k=768
a64fx dot4_i8i8_sdot512 conv2d h=56 w=56 c=64 o=64 k=3 pad=1 act=i8
neoverse-v2 mmla_i8i8_smmla dense m=384 n=1024 k=1024 act=i8 to=f32
LAYERS

# This machine as a target, were it one of these: what the emulated kernel says of it, in HWCAP and in ID registers.
cat >host.c <<'C'
#include <stdio.h>
#include "targets/family.h"
#include "targets/probe.h"
#define READ(name) ({ uint64_t v; __asm__("mrs %0, " name : "=r"(v)); v; })
int main(void)
{
    const uint64_t reg[ID_REGS] = {READ("ID_AA64ISAR0_EL1"), READ("ID_AA64ISAR1_EL1"), READ("ID_AA64PFR0_EL1"), READ("S3_0_C0_C4_4")};
    for (int i = 0; i < nid_field; i++) {
        const struct id_field *f = &id_fields[i];
        bool there = ((int64_t)(reg[f->reg] << (60 - f->bit)) >> 60) >= f->least;
        if (there != !!(host_features() & family_feature(&family_aarch64, f->name, strlen(f->name))->bit)) return puts(f->name), 1;
    }
    return puts(host_cpu_name()), 0;
}
C
$cross -std=gnu11 -static -I"$QJ_SRC" host.c "$QJ_SRC"/targets/*.c -Wl,--unresolved-symbols=ignore-all -o host 2>/dev/null
[ "$($emulator -cpu neoverse-n1 ./host)" = neoverse-n1 ]
[ "$($emulator -cpu cortex-a72 ./host)" = cortex-a72 ]
[ "$($emulator -cpu max ./host)" = generic ]
[ "$($emulator -cpu a64fx ./host)" = a64fx ]
[ "$($emulator -cpu a64fx,sve512=off ./host)" = generic ]

# What LLVM would abort on is refused before.
rc=0
"$QJIT" -c 'target cortex-a72
input A[m:8, k:64] : i8; weight W[n:8, k:64] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
split C.k 4 -> kg ki; split C.n 4 -> no ni; reorder C m no kg ni ki
tensorize C.ni with dot4_i8i8_sdot' 2>err.txt || rc=$?
[ $rc != 0 ] && grep -q "needs dotprod" err.txt
