#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an object may be: names, sections, references, position independence, the same bytes twice; the same functions from
# its assembly, IR and bitcode; several in one library, which gcc, ar and nm take.
set -eu
[ "$(uname -m)" = x86_64 ] || { echo "skipped: objects are linked for x86-64 here"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cc=${CC:-cc}
. "$QJ_SRC/tests/support/object.sh"
versions="--target x86-64 --target x86-64-v3 --target x86-64-v4,+avx512vnni"

for name in plain embedded par fused; do
    for target in generic x86-64-v3 x86-64-v4,+avx512vnni; do emit "$name.qj" --target "$target"; done
    emit "$name.qj" $versions
done

# a library: what linkers, ar and nm see
"$QJIT" compile plain.qj embedded.qj par.qj --target x86-64-v3 -o libnet.a
cp libnet.a first.a
"$QJIT" compile plain.qj embedded.qj par.qj --target x86-64-v3 -o libnet.a
cmp first.a libnet.a
[ "$(ar t libnet.a | tr '\n' ' ')" = "plain.o embedded.o par.o " ] || fail "members"
nm -s libnet.a | grep -q '^plain_pack_call in plain.o' || fail "index"
ar x libnet.a && "$QJIT" compile par.qj --target x86-64-v3 -o alone.o && cmp par.o alone.o
cat > use.c <<'C'
#include "libnet.h"
#include "libnet.h"
int main(int n, char **v)
{
    void *all[8] = {0};
    return n > 9 ? plain_call(all) + embedded_call(all) + par_call(all) + plain_pack_call(all) + !v : 0;
}
C
$cc -std=c99 -Wall -Wextra -Werror -pedantic use.c -L. -lnet -o use
./use
"$PYTHON" -c 'import json; assert [k["name"] for k in json.load(open("libnet.json"))] == ["plain", "embedded", "par"]'
sed 's/^name .*/name a_kernel_with_a_rather_long_name/' par.qj > long.qj
"$QJIT" compile plain.qj long.qj $versions -o libnet.a
[ "$(ar t libnet.a | tail -1)" = a_kernel_with_a_rather_long_name.o ] || fail "a long name"
nm libnet.a | grep -q 'T plain_select' || fail "versions in a library"
sed 's/^name .*/name plain_pack/' par.qj > clash.qj
if "$QJIT" compile plain.qj clash.qj --target x86-64-v3 -o bad.a 2> log; then fail "two of one name"; fi
grep -q 'both define plain_pack' log
[ ! -e bad.a ] || fail "a library in spite of an error"
if "$QJIT" compile plain.qj missing.qj -o bad.a 2> log; then fail "a script that is not there"; fi
# names that differ in case, each with a header of its own; names that would meet in the one header
sed 's/^name .*/name Plain/' plain.qj > upper.qj
"$QJIT" compile plain.qj upper.qj --target x86-64-v3 -o libcase.a
printf '#include "libcase.h"\nint main(int n, char **v)\n{\n    void *all[8] = {0};\n    return n > 9 ? plain_call(all) + Plain_call(all) + !v : 0;\n}\n' > case.c
$cc -std=c99 -Wall -Wextra -Werror -pedantic case.c -L. -lcase -o case
no_library() { # text, scripts
    if "$QJIT" compile "$2" "$3" --target x86-64-v3 -o bad.a 2> log; then fail "a library of $2 and $3"; fi
    grep -q "$1" log || { cat log; fail "not: $1"; }
}
sed 's/A\[/par_A[/' plain.qj > macro.qj
sed 's/^name .*/name plain_par/' par.qj > macro2.qj
no_library 'two macros plain_par_A_BYTES' macro.qj macro2.qj
host() { printf 'extern %s : i32\ninput A[m:8] : i32\nC[m] : i32 = %s\nname %s\n' "$1" "$2" "$3"; }
host 'plain(i32)' 'plain(A[m])' one > one.qj
host 'g(i32)' 'g(A[m])' two > two.qj
host 'g(i32, i32)' 'g(A[m], 3)' three > three.qj
no_library 'plain is a function of the host' one.qj plain.qj
no_library 'g has other types' two.qj three.qj
# who is killed while writing leaves what was there, and nothing beside it
printf '#include <signal.h>\nint fsync(int fd)\n{\n    return raise(SIGKILL) + fd;\n}\n' > killed.c
$cc -shared -fPIC killed.c -o killed.so
mkdir written
if "$PYTHON" -c 'import os; os.open("written", os.O_WRONLY | os.O_TMPFILE)' 2> log; then
    echo before > written/plain.o
    if ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 LD_PRELOAD=./killed.so "$QJIT" compile plain.qj -o written/plain.o 2> log; then fail "not killed"; fi
    [ "$(ls -A written)$(cat written/plain.o)" = plain.obefore ] || { ls -A written; fail "left by a process that was killed"; }
fi
echo "objects: as they should be"
