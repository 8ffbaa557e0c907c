#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The linker of runtime/jit.c on AArch64, in an emulator: what a cross compiler makes, with constants, a word, addresses
# by way of slots and calls to a function far away; then our own objects, bit for bit what the system's linker makes of them.
set -eu
: "${QJIT:?}" "${QJ_SRC:?}"
cross=aarch64-linux-gnu-gcc
emulator=qemu-aarch64-static
command -v $cross >/dev/null && command -v $emulator >/dev/null || { echo "skipped: no $cross or $emulator here"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >parts.c <<'C'
extern int host(int); extern int weak_host(int) __attribute__((weak));
static int seen;
static const int t[64] = {5, 6, 7};
static const double wide[8] = {1, 2, 4, 8};
const int *table(void) { return t; }
int *word(void) { return &seen; }
double sum(int n) { double s = 0; for (int i = 0; i < n; i++) s += wide[i & 7]; return s; }
__attribute__((section(".text.far"), noinline)) int far(int x) { return x - 1; }
typedef int fn(int);
fn *pick(int x) { return x == 1 ? host : x == 2 && weak_host ? weak_host : far; }
int f(int x) { seen += x; return host(seen) + far(x); }
C
cat >main.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "runtime/jit.h"
static struct err_state err;
static int doubled(int x) { return 2 * x; }
#define CHECK(c) do { if (!(c)) { printf("%s\n", err_is(&err) ? err.first.msg : #c); exit(1); } } while (0)
static struct linked *take(const char *path, int n, const struct jit_import *import)
{
    static char bytes[1 << 20];
    FILE *f = fopen(path, "rb");
    size_t size = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    fclose(f);
    return jit_link(&err, bytes, size, n, import);
}
int mm_call(void **);
int main(void)
{
    const struct jit_import import[] = {{"weak_host", (void *)doubled}, {"host", (void *)doubled}};
    err_init(&err);
    struct linked *l = take("parts.o", 2, import);
    CHECK(l);
    int (*f)(int) = (int (*)(int))jit_find(l, "f");
    CHECK(f(3) == 6 + 2 && f(4) == 14 + 3);
    CHECK(((int (*(*)(int))(int))jit_find(l, "pick"))(2) == doubled);
    CHECK(((int (*(*)(int))(int))jit_find(l, "pick"))(3)(9) == 8);
    CHECK(((const int *(*)(void))jit_find(l, "table"))()[2] == 7);
    CHECK(*((int *(*)(void))jit_find(l, "word"))() == 7);
    CHECK(((double (*)(int))jit_find(l, "sum"))(4) == 15);
    jit_unlink(l);
    static uint8_t a[64 * 64], w[32 * 64];
    static _Alignas(64) char workspace[1 << 20];
    static int32_t c[2][64 * 32];
    l = take("mm.o", 0, NULL);
    size_t frames;
    CHECK(jit_unwind(l, &frames) && frames);
    CHECK(l);
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < sizeof a; i++) a[i] = round == 0 ? 255 : (uint8_t)rand();
        for (size_t i = 0; i < sizeof w; i++) w[i] = round == 0 ? 128 : (uint8_t)rand();
        int rc = mm_call((void *[]){a, w, c[0], workspace});
        rc |= ((int (*)(void **))jit_find(l, "mm_call"))((void *[]){a, w, c[1], workspace});
        CHECK(!rc && !memcmp(c[0], c[1], sizeof c[0]));
        int64_t want = 0;
        for (int k = 0; k < 64; k++) want += a[63 * 64 + k] * (int8_t)w[31 * 64 + k];
        CHECK(want == c[1][63 * 32 + 31]);
    }
    jit_unlink(l);
    err_release(&err);
    return 0;
}
C
$cross -O1 -fPIC -fno-asynchronous-unwind-tables -c parts.c
base="$QJ_SRC/ir/base"
for steps in template "parallel C.m; vectorize C.n" "unroll C.n"; do
    for target in aarch64 neoverse-n2; do
        { echo "input A[m:64, k:64] : u8; input W[n:32, k:64] : i8"
          echo "C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])"
          echo "name mm"; echo "target $target"; echo "$steps" | tr ';' '\n'; echo "emit mm.o"; } >mm.qj
        "$QJIT" run mm.qj >log 2>&1 || { cat log; exit 1; }
        $cross -D_GNU_SOURCE -std=gnu11 -O1 -static -I"$QJ_SRC" -o main main.c mm.o "$QJ_SRC/runtime/jit.c" "$QJ_SRC/runtime/elf.c" \
            "$QJ_SRC/runtime/reloc.c" "$QJ_SRC/runtime/unwind.c" "$QJ_SRC"/runtime/rt/*.c "$base/err.c" "$base/arena.c" "$base/str.c" -lpthread
        $emulator -cpu max ./main || { echo "$target: $steps"; exit 1; }
    done
done
