#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Names of kernels and tensors against those of C and C++. Each macro of C's headers, each function that they and POSIX declare,
# each keyword is refused as a kernel's name, or a prototype of that name compiles behind all those headers, as C and as C++.
# Tensors of any names: the header compiles there too.
set -eu
: "${QJIT:?}" "${CC:=cc}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "$*"; exit 1; }

for h in assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint \
    stdio stdlib string time wchar wctype; do echo "#include <$h.h>"; done >c.h
for h in dirent fcntl pthread sched semaphore sys/mman sys/socket sys/stat sys/wait termios unistd; do echo "#include <$h.h>"; done >posix.h
posix=-D_XOPEN_SOURCE=700
"$CC" -std=c99 -dM -E -x c c.h | awk '{sub(/\(.*/, "", $2); print $2}' >macros
called() { # headers, options: what they declare, without what is a macro there
    "$CC" -std=c99 $2 -E -P -x c "$1" | tr '\n' ' ' | grep -o '[A-Za-z_][A-Za-z_0-9]* *(' | tr -d ' (' | sort -u >all
    "$CC" -std=c99 $2 -dM -E -x c "$1" | awk '{sub(/\(.*/, "", $2); print $2}' | sort -u | comm -23 all -
}
called c.h "" >functions
called posix.h $posix >>functions
printf '%s\n' int main class template auto errno NULL INT64_MAX printf concept co_await and_eq uint8_t size_t std _x __x qjrt_x linux \
    restrict _Bool typeof nullptr memcpy conv y1 gamma conv_t Kernel kernel EOF stdin FILE environ free open read >words
sort -u macros functions words >asked
{
    echo 'input A[m:4] : i8; B[m] : i8 = A[m]'
    sed 's/^/name /' asked
} | "$QJIT" repl --json >answers.json
"${PYTHON:-/usr/bin/python3}" - <<'PY'
import json
asked = open("asked").read().split()
results = [r for r in json.load(open("answers.json"))["results"] if r["command"] == "name"]
assert len(results) == len(asked), (len(results), len(asked))
taken = [a for a, r in zip(asked, results) if r["ok"]]
for must in ("conv", "Kernel", "kernel"):
    assert must in taken, must
for never in "int main class errno NULL INT64_MAX printf concept uint8_t std _x qjrt_x linux memcpy conv_t y1 FILE free read".split():
    assert never not in taken, never
assert all("choose" in r["error"]["hint"] or "free" in r["error"]["hint"] for r in results if not r["ok"])
with open("taken.h", "w") as f:
    f.writelines(f"int {t}(const signed char *A_, signed char *B_);\nint {t}_call(void **args);\n" for t in taken)
print(f"names: {len(asked)} asked for, {len(taken)} free")
PY
printf '#include "c.h"\n#include "taken.h"\nint unused;\n' >user.c
"$CC" -std=c99 -Wall -Werror -fsyntax-only user.c
printf '#include "posix.h"\n#include "taken.h"\nint unused;\n' >user.c
"$CC" -std=c99 $posix -Wall -Werror -fsyntax-only user.c
for std in c++98 gnu++17; do
    printf '#include "c.h"\nextern "C" {\n#include "taken.h"\n}\nint unused;\n' >user.cc
    "$CC" -x c++ -std=$std -Wall -Werror -fsyntax-only user.cc
done

# A tensor may be called anything.
cat >nasty.qj <<'Q'
input int[m:4] : i8; input errno[m:4] : i8; input NULL[m:4] : i8; input __linux_[m:4] : i8; input _Bool[m:4] : i8
input INT64_MAX[m:4] : i8; input workspace[m:4] : i8; input class[m:4] : i8; input assert[m:4] : i8; input _[m:4] : i8
weight printf[n:4, k:4] : i8
s[m] : i8 = int[m] + errno[m] + NULL[m] + __linux_[m] + _Bool[m] + INT64_MAX[m] + workspace[m] + class[m] + assert[m] + _[m]
this[m, n] : i32 = sum(k) i32(s[k]) * i32(printf[n, k]) + i32(s[m])
name nasty
Q
"$QJIT" compile nasty.qj -o nasty.o 2>log || { cat log; exit 1; }
printf '#include "c.h"\n#include "nasty.h"\nint unused;\n' >user.c
"$CC" -std=c99 -Wall -Wextra -pedantic -Werror -fsyntax-only user.c
"$CC" -x c++ -std=c++98 -Wall -Wextra -Wno-long-long -pedantic -Werror -fsyntax-only user.c
printf '#include "nasty.h"\n#include "c.h"\nint unused;\n' >user.c
"$CC" -std=c99 -Wall -Wextra -pedantic -Werror -fsyntax-only user.c

# A function of the C library may be called, one that code calls by itself may not.
printf 'extern sqrtf(f32) : f32; input A[m:4] : f32; B[m] : f32 = sqrtf(A[m])\n' >call.qj
"$QJIT" compile call.qj -o call.o 2>log || { cat log; exit 1; }
printf '#include <math.h>\n#include "call.h"\n' >user.c
"$CC" -std=c99 -Wall -Werror -fsyntax-only user.c
"$CC" -x c++ -std=c++98 -Wall -Werror -fsyntax-only user.c
for f in memcpy int errno; do
    printf 'extern %s(f32) : f32; input A[m:4] : f32; B[m] : f32 = %s(A[m])\n' $f $f >bad.qj
    if "$QJIT" compile bad.qj -o bad.o 2>log; then fail "extern $f was taken"; fi
done
echo "names: passed"
