#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An installation from outside: into a temporary prefix under DESTDIR, moved, then used by a project of its own through
# pkg-config from C99, through find_package from C++17, and with everything static. What the libraries export is what
# their headers declare.
set -u
QJ_BUILD=${QJ_BUILD:?the build} QJ_SRC=${QJ_SRC:?the sources} CC=${CC:-cc}
[ -f "$QJ_BUILD/tools/install/libqjit.a" ] || { echo "skipped: a build with sanitizers is not installed"; exit 0; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
faults=0
fault() { faults=$((faults + 1)); echo "FAIL: $*"; }
# try WORDS...: a command that must succeed; its output is shown when it does not.
try() { "$@" >log 2>&1 || { fault "$*"; sed 's/^/    /' log | head -20; return 1; }; }

# ---- DESTDIR is honoured, and what was installed may be moved ---------------------------------
DESTDIR=$tmp/stage try cmake --install "$QJ_BUILD" --prefix /opt/first || exit 1
[ ! -e /opt/first ] || fault "written outside DESTDIR"
mkdir moved && mv stage/opt/first "moved/a & b"
at="$tmp/moved/a & b"
if grep -rIl -e "$tmp/stage" -e /opt/first -e "$QJ_BUILD" "$at"; then fault "these name a place of the build"; fi
lib=$(dirname "$(dirname "$(find "$at" -name qjit.pc)")")
export PKG_CONFIG_PATH="$lib/pkgconfig" LD_LIBRARY_PATH="$lib"
try "$at/bin/qjit" --version

for f in man/man1/qjit.1 man/man3/qj_build.3 bash-completion/completions/qjit; do
    [ -s "$at/share/$f" ] || fault "share/$f is missing"
done

# ---- any place will do but what no compiler is told of: that is refused before a file is written -------
for name in "it's" 'c"d' 'a;b' 'a$b' 'a\b'; do
    if cmake --install "$QJ_BUILD" --prefix "$tmp/$name" >log 2>&1; then fault "installed into $name"; fi
    tr -s '\n ' ' ' <log | grep -q 'Choose a prefix without them' || { fault "no word about $name"; cat log; }
    [ ! -e "$tmp/$name" ] || fault "$name was begun"
done

# ---- exports ----------------------------------------------------------------------------------
declared() { grep -v '^#' "$1" | grep -oE "\\b$2[a-z0-9_]+ ?\\(" | tr -d ' (' | sort -u; }
exported() { nm "$@" --defined-only 2>/dev/null | awk 'NF == 3 && $2 ~ /[A-Z]/ { print $3 }' | sort -u; }
# Declarations begin a line with the word that marks them.
grep -E '^QJ_API' "$at/include/qjit.h" >api.h
declared api.h qj_ >qjit.want
grep -E '^QJRT_API' "$at/include/qjrt.h" >api.h
declared api.h qjrt_ >qjrt.want
[ "$(wc -l <qjit.want)" -gt 80 ] && [ "$(wc -l <qjrt.want)" -ge 5 ] || fault "the headers' declarations were not found"
exported -D "$lib/libqjit.so" | diff qjit.want - >log || { fault "libqjit.so exports others than qjit.h declares"; cat log; }
exported -g "$lib/libqjit.a" | diff qjit.want - >log || { fault "libqjit.a defines others than qjit.h declares"; cat log; }
exported -D "$lib/libqjrt.so" | diff qjrt.want - >log || { fault "libqjrt.so exports others than qjrt.h declares"; cat log; }
readelf -d "$lib/libqjit.so" | grep -q 'SONAME.*\[libqjit\.so\.[0-9]*\]' || fault "libqjit.so has no soname"
[ "$(stat -Lc %s "$lib/libqjrt.so")" -lt 51200 ] || fault "libqjrt.so has $(stat -Lc %s "$lib/libqjrt.so") bytes"

# ---- a project that knows the installation alone ------------------------------------------------
mkdir project && cd project || exit 1
cat >host.c <<'C'
#include <qjit.h>
#include <qjrt.h>
#include <stdio.h>
#if !QJ_VERSION_AT_LEAST(0, 1, 0) || QJ_VERSION_AT_LEAST(99, 0, 0) || QJ_VERSION < 100
#error "the version's macros"
#endif
#include <string.h>

int main(int argc, char **argv)
{
    char version[32];
    uint8_t in[4] = {0, 127, 128, 255}, out[4] = {0};
    int64_t shape[1] = {4};
    qj_tensor *args[2];
    qj_ctx *q = qj_ctx_new(NULL);
    qj_kernel *k;
    bool ok;
    (void)argv;
    sprintf(version, "%d.%d.%d", QJ_VERSION_MAJOR, QJ_VERSION_MINOR, QJ_VERSION_PATCH);
    if (strcmp(version, qj_version())) return 2;
    qj_define(q, "input A[m:4] : u8; C[i] : u8 = A[i] ^ u8(255)");
    k = qj_build(q);
    if (!k) {
        fputs(qj_last_error(q)->text, stderr);
        return 3;
    }
    args[0] = qj_tensor_from_data(QJ_U8, 1, shape, in);
    args[1] = qj_tensor_from_data(QJ_U8, 1, shape, out);
    ok = qj_kernel_call(k, args, 2, NULL);
    qj_kernel_free(k);
    if (argc > 1) { /* the worker is found beside the library */
        qj_options o;
        memset(&o, 0, sizeof o);
        o.size = sizeof o;
        o.isolate = true;
        qj_ctx_free(q);
        q = qj_ctx_new(&o);
        qj_define(q, "input A[m:4] : u8; C[i] : u8 = A[i] ^ u8(255)");
        k = qj_build(q);
        if (!k) {
            fputs(qj_last_error(q)->text, stderr);
            return 5;
        }
        ok = ok && qj_kernel_call(k, args, 2, NULL);
        qj_kernel_free(k);
    }
    qj_tensor_free(args[0]);
    qj_tensor_free(args[1]);
    qj_ctx_free(q);
    return ok && out[0] == 255 && out[1] == 128 && out[2] == 127 && out[3] == 0 ? 0 : 4;
}
C
strict='-std=c99 -pedantic -Wall -Wextra -Werror'
# What pkg-config prints is a shell's words: blanks in them are escaped.
{
    eval "try $CC $strict host.c -o shared $(pkg-config --cflags --libs qjit)" && try ./shared && try ./shared isolate
    eval "try $CC $strict host.c -o static $(pkg-config --cflags --libs qjit-static)" && try ./static
    ldd static | grep -qE 'qjit|LLVM' && fault "the static program still needs $(ldd static | grep -E 'qjit|LLVM')"
    # an emitted object with parallel loops, and the pool
    cat >emit.qj <<'Q'
input A[m:512] : u8
C[i] : u8 = A[i] ^ u8(255)
parallel C.i
name flip
Q
    try "$at/bin/qjit" compile emit.qj -o flip.o
    cat >pool.c <<'C'
#include "flip.h"
#include <qjrt.h>
int main(void)
{
    static unsigned char in[512], out[512];
    qjrt_set_threads(2);
    return flip(in, out) == 0 && out[511] == 255 && qjrt_threads() == 2 ? 0 : 1;
}
C
    eval "try $CC $strict pool.c flip.o -o pool $(pkg-config --cflags --libs qjrt)" && try ./pool
    eval "try $CC $strict pool.c flip.o -o pool $(pkg-config --cflags qjrt) \"$lib/libqjrt.a\" -pthread" && try ./pool
    # a program that calls no function of the pool's has it nevertheless
    printf '#include "flip.h"\nint main(void)\n{\n    static unsigned char in[512], out[512];\n    return flip(in, out);\n}\n' >only.c
    eval "try $CC only.c flip.o -o only -Wl,--as-needed $(pkg-config --libs qjrt)" && try ./only
    readelf -d only | grep -q 'NEEDED.*libqjrt' || fault "pkg-config: the linker dropped libqjrt.so"
    eval "try $CC only.c flip.o -static -o only $(pkg-config --libs --static qjrt)" && try ./only
    nm only | grep -q ' T qjrt_parallel_for' || fault "pkg-config --static: no qjrt_parallel_for in the program"
}

# ---- find_package -------------------------------------------------------------------------------
cp host.c host.cc
cat >CMakeLists.txt <<'T'
cmake_minimum_required(VERSION 3.20)
project(outside LANGUAGES CXX)
find_package(qjit 0.1 REQUIRED)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_EXTENSIONS OFF)
add_compile_options(-Wall -Wextra -Wpedantic -Werror)
add_executable(host host.cc)
target_link_libraries(host qjit::qjit qjit::qjrt)
add_executable(host_static host.cc)
target_link_libraries(host_static qjit::qjit_static qjit::qjrt_shared)
T
sed 's/#include "flip.h"/extern "C" int flip(const unsigned char *, unsigned char *);/' only.c >only.cc
for kind in qjrt qjrt_shared; do
    printf 'add_executable(%s_only only.cc flip.o)\ntarget_link_options(%s_only PRIVATE -Wl,--as-needed)\ntarget_link_libraries(%s_only qjit::%s)\n' \
        $kind $kind $kind $kind >>CMakeLists.txt
done
unset CMAKE_CXX_COMPILER_LAUNCHER CMAKE_C_COMPILER_LAUNCHER
try cmake -S . -B build -G Ninja -DCMAKE_PREFIX_PATH="$at" -DCMAKE_BUILD_TYPE=Debug &&
    try cmake --build build && try build/host && try build/host_static && try build/qjrt_only && try build/qjrt_shared_only
nm build/qjrt_only | grep -q ' T qjrt_parallel_for' || fault "qjit::qjrt: no qjrt_parallel_for in the program"
readelf -d build/qjrt_shared_only | grep -q 'NEEDED.*libqjrt' || fault "qjit::qjrt_shared: the linker dropped it"
sed -i 's/qjit 0.1/qjit 77.1/' CMakeLists.txt
cmake -S . -B other -G Ninja -DCMAKE_PREFIX_PATH="$at" >log 2>&1 && fault "find_package(qjit 77.1) is content with ours"

# ---- the headers under other eyes ---------------------------------------------------------------
for h in qjit qjrt; do
    printf '#include <%s.h>\n#include <%s.h>\nint main(void) { return 0; }\n' $h $h >eye.c && cp eye.c eye.cc
    for tool in gcc clang; do
        command -v $tool >/dev/null || { echo "no $tool: passed over"; continue; }
        try $tool -std=c99 -pedantic-errors -Wall -Wextra -Wstrict-prototypes -Werror -I"$at/include" -fsyntax-only eye.c
    done
    try g++ -std=c++17 -pedantic-errors -Wall -Wextra -Wold-style-cast -Werror -I"$at/include" -fsyntax-only eye.cc
    # what is left out: that C++98 lacks this, that structs have padding, that C has no nullptr
    command -v clang++ >/dev/null && try clang++ -std=c++17 -Weverything -Werror -Wno-c++98-compat -Wno-c++98-compat-pedantic \
        -Wno-padded -I"$at/include" -fsyntax-only eye.cc
done

[ $faults = 0 ] || { echo "install: $faults fault(s)"; exit 1; }
echo "install: ok"
