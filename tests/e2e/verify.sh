#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Sets of files against kill -9: a process is ended at each rename of a set that replaces another. Each file is whole, and
# `qjit verify` takes the set when all three are of one write and refuses it when they are not.
set -eu
: "${QJIT:?}" "${CC:=cc}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "$*"; exit 1; }
if nm "$QJIT" | grep -q -e __asan_init -e __tsan_init; then echo "skipped: sanitizers come first"; exit 0; fi

cat >killer.c <<'C'
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int rename(const char *from, const char *to)
{
    static int count;
    const char *at = getenv("KILL_AT");
    if (at && ++count == atoi(at)) kill(getpid(), SIGKILL);
    return (int)syscall(SYS_renameat2, -100, from, -100, to, 0);
}
C
"$CC" -shared -fPIC -o killer.so killer.c
program() { # name, factor: layers of one size whose objects and headers differ
    printf 'input A[m:64] : u8\nB[m] : i32 = i32(A[m]) * %s\nname %s\n' "$2" "$1"
}
program one 3 >old.qj
program one 5 >new.qj
program two 7 >two.qj
printf 'input Other[m:65] : u8\nB[m] : i32 = i32(Other[m]) * 9\nname one\n' >wide.qj

refused=0
try() { # base of the set, own extension, command that writes the old, command that writes the new
    base=$1 own=$2
    for at in 0 1 2 3 4; do
        rm -f "$base".*
        sh -c "$3" 2>/dev/null
        mkdir was is
        cp "$base".* was
        "$QJIT" verify "$base.json" 2>log || { cat log; exit 1; }
        if [ $at != 0 ]; then sh -c "KILL_AT=$at LD_PRELOAD=$work/killer.so $4" >/dev/null 2>&1 || true; fi
        cp "$base".* is
        sh -c "$4" 2>/dev/null # what all of the new would be
        kinds=
        for x in "$own" h json; do
            if cmp -s "is/$base.$x" "was/$base.$x"; then kinds="${kinds}o"
            elif cmp -s "is/$base.$x" "$base.$x"; then kinds="${kinds}n"
            else fail "$base.$x is neither the old nor the new after rename $at"; fi
        done
        if (cd is && "$QJIT" verify "$base.json") >/dev/null 2>log; then ok=yes; else ok=no; fi
        case $kinds in
        ooo | nnn) [ $ok = yes ] || { cat log; fail "$kinds was refused"; } ;;
        *) [ $ok = no ] || fail "a set $kinds was taken"; grep -q 'is not the file that' log; refused=$((refused + 1)) ;;
        esac
        rm -r was is
    done
}
try k o "'$QJIT' compile old.qj -o k.o" "'$QJIT' compile wide.qj -o k.o"
try k.v3 o "'$QJIT' compile old.qj -o k.v3.o" "'$QJIT' compile wide.qj -o k.v3.o"
try k o "'$QJIT' compile old.qj -o k.o" "'$QJIT' compile old.qj --target aarch64 -o k.o"
try libk a "'$QJIT' compile old.qj two.qj -o libk.a" "'$QJIT' compile wide.qj two.qj -o libk.a"
[ $refused -ge 6 ] || fail "only $refused sets were mixed"

# Of a GPU; and what is no set.
printf 'input A[m:64] : u8\nB[m] : i32 = i32(A[m]) * 3\ntarget sm_80\nbind B.m threadIdx.x\n' >gpu.qj
"$QJIT" compile gpu.qj -o g.ptx 2>/dev/null
"$QJIT" verify g.json libk.json 2>/dev/null
bad() { # text, command
    if sh -c "$2" >/dev/null 2>log; then fail "taken: $2"; fi
    grep -q "$1" log || { cat log; fail "not: $1"; }
}
echo ' ' >>g.ptx
bad 'g.ptx is not the file' "'$QJIT' verify g.json"
rm k.h
bad 'cannot read k.h' "'$QJIT' verify k.json"
bad 'is not the .json' "'$QJIT' verify k.o"
bad 'whose files' "'$QJIT' verify"
for text in '' '{}' '[]' '[7]' '{"kind": 3}' '{"kind": "object", "sha256": "x"}' '{"kind": "object", "sha256": 1, "header_sha256": 2}' \
    '[{"library_sha256": "a", "header_sha256": "b"}, {"library_sha256": "c", "header_sha256": "b"}]'; do
    printf '%s' "$text" >k.json
    bad error "'$QJIT' verify k.json"
done
mkfifo pipe.json
bad 'not a regular file' "'$QJIT' verify pipe.json"
# Any path that a file may have; what has control characters is refused with that word.
for d in 'a b' "it's" 'q"x' 'a&b' '$x' 'a;b' 'a#b' '%s' 'a\b' 'x\\' '*' 'k.v2/..dir'; do
    mkdir -p "$d"
    "$QJIT" compile old.qj -o "$d/k.o" 2>log || { cat log; fail "-o '$d/k.o'"; }
    "$QJIT" verify "$d/k.json" 2>log || { cat log; fail "$d"; }
    "$QJIT" compile old.qj two.qj -o "$d/libk.a" 2>log || { cat log; fail "-o '$d/libk.a'"; }
    [ "$(ls "$d" | tr '\n' ' ')" = 'k.h k.json k.o libk.a libk.h libk.json ' ] || fail "in '$d': $(ls "$d")"
done
tab=$(printf 'a\tb') line=$(printf 'a\nb')
bad 'control character' "'$QJIT' compile old.qj -o '$tab.o'"
bad 'line break' "'$QJIT' compile old.qj -o '$line.o'"
bad 'not a file name' "'$QJIT' compile old.qj two.qj -o '$tab.a'"

echo "verify: $refused mixed sets refused"
