#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Several versions in one object, linked by a plain C program: each that this CPU can run is forced, and gives the bits of
# plain loops; the arguments, pack function and workspace are the same for all. AArch64 in an emulator, x86-64 here.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat > lay.qj <<'QJ'
input A[m:8, k:64] : u8
weight W[n:48, k:64] : i8
bias B[n:48] : i32
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
Out[m, n] : i32 = C[m, n] + B[n]
name lay
template
QJ
cat > main.c <<'C'
#include "lay.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static uint8_t a[8 * 64];
static int8_t w[48 * 64];
static int32_t b[48], out[8 * 48], want[8 * 48];
static void fill(int how)
{
    for (int i = 0; i < 8 * 64; i++) a[i] = (uint8_t)(how == 0 ? 255 : how == 1 ? rand() : i % 2 ? 255 : 0);
    for (int i = 0; i < 48 * 64; i++) w[i] = (int8_t)(how == 0 ? -128 : how == 1 ? rand() : i % 3 ? 127 : -128);
    for (int i = 0; i < 48; i++) b[i] = rand() - rand();
    for (int m = 0; m < 8; m++)
        for (int n = 0; n < 48; n++) {
            int32_t s = 0;
            for (int k = 0; k < 64; k++) s += a[m * 64 + k] * w[n * 64 + k];
            want[m * 48 + n] = (int32_t)((uint32_t)s + (uint32_t)b[n]);
        }
}
static int run(const char *name)
{
    void *ws = aligned_alloc(64, (lay_WORKSPACE + 63) / 64 * 64 + 64);
    int bad = 0;
    for (int how = 0; how < 3; how++) {
        fill(how);
        memset(out, 0x55, sizeof out);
        CALLS
        bad |= memcmp(out, want, sizeof out) != 0;
    }
    printf("%s%s\n", name, bad ? " WRONG" : "");
    free(ws);
    return bad;
}
int main(void)
{
    int bad = 0, can = 0, own = lay_version();
    if (own < 0 || own >= lay_VERSIONS) return printf("no version: %d\n", own), 1;
    printf("own: ");
    bad |= run(lay_version_name(own));
    for (int v = 0; v < lay_VERSIONS; v++) {
        if (lay_select(v)) continue;
        can++;
        if (lay_version() != v) return puts("select does not select"), 1;
        bad |= run(lay_version_name(v));
    }
    if (lay_select(lay_VERSIONS) != -1 || lay_version_name(lay_VERSIONS) || lay_version_name(-1)) return puts("beyond the last"), 1;
    if (lay_select(-1) || lay_version() != own) return puts("the CPU's own is not back"), 1;
    return bad || !can;
}
C
# the calls as the header declares them: with and without a pack function, a workspace
link() { # with a compiler
    call=$("$PYTHON" - <<'PY'
import json
j = json.load(open("lay.json"))
name = {"A": "a", "W": "w", "B": "b", "Out": "out"}
def call(f, args, ws): return f"bad |= {f}({', '.join([name.get(x['name'], 'packed') for x in args] + (['ws'] if ws else []))});"
calls, pack = "", j.get("pack")
if pack:
    calls += f"uint8_t *packed = malloc({[x for x in pack['args'] if x['role'] == 'packed'][0]['bytes']});"
    assert pack["workspace"] == 0
    calls += call(pack["name"], pack["args"], False)
print(calls + call("lay", j["args"], j["workspace"]) + ("free(packed);" if pack else ""))
PY
)
    sed "s/CALLS/$call/" main.c > run.c
    "$@" -O1 -Wall -Wextra -Werror -Wno-unused-variable run.c lay.o -o run
}
build() {
    link ${CC:-cc}
    ./run
}

aarch64="aarch64 aarch64,+dotprod cortex-a76 apple-m1 aarch64,+i8mm neoverse-n2 neoverse-v1 aarch64,+sve256"
cross=aarch64-linux-gnu-gcc
emulator=qemu-aarch64-static
# one line for its own, one for each that can be forced
models() {
    link $cross -static
    while read -r cpu can; do
        { echo "own: ${can##* }"; echo "$can" | tr ' ' '\n'; } > want.txt
        $emulator -cpu "$cpu" ./run > got.txt || { cat got.txt; exit 1; }
        diff want.txt got.txt || { echo "on $cpu"; exit 1; }
    done
}
if command -v $cross > /dev/null && command -v $emulator > /dev/null; then
    # shellcheck disable=SC2046  # words on purpose
    "$QJIT" compile lay.qj $(printf -- '--target %s ' $aarch64) -o lay.o
    models <<'CPUS'
cortex-a53 aarch64
cortex-a72 aarch64
cortex-a76 aarch64 aarch64,+dotprod cortex-a76
neoverse-n1 aarch64 aarch64,+dotprod cortex-a76
a64fx aarch64 aarch64,+sve256
a64fx,sve-default-vector-length=16 aarch64
max,sve=off aarch64 aarch64,+dotprod cortex-a76 apple-m1 aarch64,+i8mm
max,sve-default-vector-length=16 aarch64 aarch64,+dotprod cortex-a76 apple-m1 aarch64,+i8mm neoverse-n2 neoverse-v1
max,sve-default-vector-length=32 aarch64 aarch64,+dotprod cortex-a76 apple-m1 aarch64,+i8mm neoverse-n2 neoverse-v1 aarch64,+sve256
CPUS
else
    echo "skipped for AArch64: no $cross or $emulator here"
fi
if "$QJIT" compile lay.qj --target x86-64 --target cortex-a76 -o one.o 2> err.txt; then exit 1; fi
grep -q 'x86-64 and cortex-a76 in one object' err.txt
[ "$(uname -m)" = x86_64 ] || { echo "versions of AArch64: as they should be"; exit 0; }
all="--target x86-64 --target x86-64-v3 --target x86-64-v3,+avxvnni --target x86-64-v4 --target x86-64-v4,+avx512vnni"
"$QJIT" compile lay.qj $all -o lay.o
"$PYTHON" - <<'PY'
import json
for a in json.load(open("lay.json"))["args"]: assert f"#define lay_{a['name']}_ALIGN {a['align']}\n" in open("lay.h").read(), a
PY
build > out.txt || { cat out.txt; exit 1; }
cat out.txt
grep -c . out.txt | grep -q '[2-9]'
cp lay.o first.o
"$QJIT" compile lay.qj $all -o lay.o
cmp first.o lay.o
# weights in the object: no pack function is left
"$PYTHON" - > embed.qj <<'PY'
import random
random.seed(5)
text = open("lay.qj").read()
w = "".join("%02x" % random.randrange(256) for _ in range(48 * 64))
print(text.replace("W[n:48, k:64] : i8", f'W[n:48, k:64] : i8 = hex "{w}"'))
b = [int(w[2 * i:2 * i + 2], 16) for i in range(48 * 64)]
open("w.h", "w").write("static const signed char values[] = {%s};" % ",".join(str(x - 256 * (x > 127)) for x in b))
PY
"$QJIT" compile embed.qj $all -o lay.o
sed -i 's/^#include "lay.h"/&\n#include "w.h"/; s/w\[i\] = .*;/w[i] = values[i];/' main.c
build
if nm lay.o | grep -q " T lay_pack"; then exit 1; fi
# a parallel loop and a workspace, steps given: the same for all
sed 's/^template/parallel Out.m/' <<'QJ' > ws.qj
input A[m:8, k:64] : u8
weight W[n:48, k:64] : i8
bias B[n:48] : i32
D[m, n, k] : i32 = i32(A[m, k]) * i32(W[n, k])
C[m, n] : i32 = sum(k) D[m, n, k]
Out[m, n] : i32 = C[m, n] + B[n]
name lay
template
QJ
"$QJIT" compile ws.qj --target x86-64 --target x86-64-v3 -o lay.o
sed -i 's/w\[i\] = values\[i\];/w[i] = (int8_t)(i % 2 ? -128 : rand());/' main.c
build
# a step that one target cannot take names it
printf 'input A[m:8, k:64] : u8 in 0..127\nweight W[n:48, k:64] : i8\nC[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\ntemplate row=dot4_u8i8_maddubs_avx2\n' > one.qj
if "$QJIT" compile one.qj --target x86-64-v3 --target x86-64 -o one.o 2> err.txt; then exit 1; fi
grep -q 'for x86-64: ' err.txt
if "$QJIT" compile lay.qj --target x86-64-v3 --target x86-64-v3 -o one.o 2> err.txt; then exit 1; fi
grep -q 'twice' err.txt
if "$QJIT" compile lay.qj --target x86-64-v3 --target generic -o one.o 2> err.txt; then exit 1; fi
grep -q 'generic' err.txt
# what is embedded is in the metadata, and what they refer to is in them
cat > given.qj <<'QJ'
input A[m:4, k:8] : u8
weight W[n:4, k:8] : i8
bias B[n:4] : i32 = hex "01000000020000000300000004000000"
scale M[n:4] : f32 = hex "0000003f0000003f0000003f0000003f"
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
Out[m, n] : u8 = requantize(C[m, n] + B[n], scale: M[n], zero: 0, round: half_even)
template
name given
QJ
"$QJIT" compile given.qj --target x86-64 --target x86-64-v3 -o given.o
"$PYTHON" - <<'PY'
import json
j = json.load(open("given.json"))
assert sorted(a["name"] for a in j["embedded"]) == ["B", "M"], j.get("embedded")
assert not {"B", "M"} & {a["name"] for a in j["args"]}
assert j["quantisation"][0]["scale"] == {"arg": "M", "axes": [1]}, j["quantisation"]
PY
# the name of a function of versions is not one of the host's
printf 'extern lay_select(i32) : i32\ninput A[m:8] : i32\nC[m] : i32 = lay_select(A[m])\nname lay\n' > own.qj
"$QJIT" compile own.qj --target x86-64 -o own.o
if "$QJIT" compile own.qj --target x86-64 --target x86-64-v3 -o own.o 2> err.txt; then exit 1; fi
grep -q 'lay_select is a function of the host' err.txt
# in assembly, IR and bitcode too
"$QJIT" compile lay.qj --target x86-64 --target x86-64-v3 -o lay.s
${CC:-cc} -c lay.s -o fromasm.o
nm fromasm.o | grep -q ' T lay_select'
echo "versions: as they should be"
