#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual and completion: fresh, without a fault that mandoc finds, a page for every function, and bash completes
# subcommands, options, targets, files and words of help. The examples of qjit.h and of README.md compile.
set -u
QJIT=${QJIT:?the program} QJ_SRC=${QJ_SRC:?the sources} PYTHON=${PYTHON:-python3} CC=${CC:-cc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export LC_ALL=C
faults=0
fault() { faults=$((faults + 1)); echo "FAIL: $*"; }

# ---- pages ------------------------------------------------------------------------------------
"$QJIT" docs man >qjit.1 || fault "docs man"
"$PYTHON" "$QJ_SRC/tools/install/man3.py" "$QJ_SRC/runtime/qjit.h" man3 || fault "man3.py"
made=${QJ_BUILD:-}/tools/install
if [ -f "$made/qjit.1" ]; then
    cmp -s "$made/qjit.1" qjit.1 || fault "the built qjit.1 is not what the program says"
    diff -r "$made/man3" man3 >/dev/null || fault "the built pages of section 3 are not what qjit.h says"
fi
grep -oE '^QJ_API[^(;]*\bqj_[a-z0-9_]+\(' "$QJ_SRC/runtime/qjit.h" | grep -oE 'qj_[a-z0-9_]+\($' | tr -d '(' >functions
[ "$(wc -l <functions)" -gt 80 ] || fault "the functions of qjit.h were not found"
while read -r f; do
    [ -s "man3/$f.3" ] || fault "no page for $f"
    grep -qE "\\b$f\\(" "man3/$(grep -oE '^\.so man3/.*' "man3/$f.3" | sed 's|.*/||' | grep . || echo "$f.3")" || fault "the page of $f lacks it"
done <functions
if command -v mandoc >/dev/null; then
    for page in qjit.1 $(grep -L '^\.so' man3/*.3); do mandoc -Tlint "$page"; done >lint 2>&1
    [ ! -s lint ] || { fault "mandoc"; head -20 lint; }
    mandoc -Tutf8 qjit.1 | sed 's/.\x08//g' >text
    for word in tensorize --allow-asm QJRT_THREADS 'no wrong bit\|wrong bit'; do
        grep -q -e "$word" text || fault "qjit(1) lacks $word"
    done
else
    echo "no mandoc: its checks are passed over"
fi
"$QJIT" docs >out 2>&1 && fault "docs without a word exits 0"

# ---- completion -------------------------------------------------------------------------------
mkdir files files/sub && touch files/a.qj files/b.npy files/c.txt
cat >drive.bash <<'B'
source <("$QJIT" docs bash)
cd files
# try WORDS... WANTED: the last word but one is completed; WANTED is in the answer, or with ! in front is not.
faults=0
try() {
    local want=${*: -1}
    COMP_WORDS=("${@:1:$#-1}") COMP_CWORD=$(($# - 2)) COMPREPLY=()
    _qjit 2>err
    local got=" ${COMPREPLY[*]} "
    [[ ! -s err ]] || { echo "FAIL: completing ${COMP_WORDS[*]}: $(cat err)"; faults=1; }
    if [[ $want == !* ]]; then
        [[ $got != *" ${want#!} "* ]] || { echo "FAIL: completing ${COMP_WORDS[*]} offers ${want#!}"; faults=1; }
    elif [[ $got != *" $want "* ]]; then
        echo "FAIL: completing ${COMP_WORDS[*]} gives$got, not $want"; faults=1
    fi
}
try qjit '' run
try qjit co compile
try qjit co '!run'
try qjit --js --json
try qjit run --th --threads
try qjit run --ou '!--output'
try qjit compile --ou --output
try qjit compile x.qj --target x86-64-v x86-64-v3
try qjit compile x.qj -t x86-64-v3,+avx51 x86-64-v3,+avx512vnni
try qjit --target x86-64-v3 targ targets
try qjit --target generic run '' a.qj
try qjit run '' a.qj
try qjit run '' sub/
try qjit run '' '!c.txt'
try qjit run x.qj A = '' b.npy
try qjit run x.qj A = b b.npy
try qjit run x.qj A = '' '!c.txt'
try qjit compile x.qj -o '' c.txt
try qjit explain no- no-axis
try qjit help tens tensorize
try qjit help lim limits
try qjit layer con conv2d
try qjit docs b bash
try qjit --threads '' '!run'
exit $faults
B
QJIT=$QJIT bash drive.bash || faults=$((faults + 1))

# ---- examples compile ---------------------------------------------------------------------------
# qjit.h: lines indented by four blanks more inside a comment that call a function of ours. README.md: the block after "From C".
"$PYTHON" - "$QJ_SRC" >examples.c <<'P' || fault "the examples were not found"
import re, sys
header = open(sys.argv[1] + "/runtime/qjit.h").read()
readme = open(sys.argv[1] + "/README.md").read()
found = []
for comment in re.findall(r"/\*.*?\*/", header, re.S):
    for block in re.findall(r"(?:^ \*     .*\n(?: \*\n(?= \*     ))?)+", comment, re.M):
        code = re.sub(r"(?m)^ \* ? ? ? ? ?", "", block)
        if re.search(r"\bqj_\w+\(", code):
            found.append(code)
found.append(re.search(r"From C.*?\n\n((?:    .*\n|\n)+)", readme).group(1))
assert len(found) >= 3, found
print("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <qjit.h>\n"
      "typedef struct DLManagedTensor DLManagedTensor;\nvoid *PyCapsule_GetPointer(void *, const char *);\nextern void *capsule;\n"
      "float swish(float);")
for i, code in enumerate(found):
    code = re.sub(r"\.\.\.", "", re.sub(r"//.*", "", code))
    print(f"void example_{i}(qj_ctx *ctx, qj_kernel *kernel, qj_tensor *a, qj_tensor *w, qj_tensor *c, qj_tensor *out);")
    if re.search(r"qj_ctx \*q\b", code) is None:
        code = "qj_ctx *q = ctx; (void)q;\n" + code
    if re.search(r"qj_kernel \*k\b", code) is None:
        code = "qj_kernel *k = kernel; (void)k;\n" + code
    print(f"void example_{i}(qj_ctx *ctx, qj_kernel *kernel, qj_tensor *a, qj_tensor *w, qj_tensor *c, qj_tensor *out)\n{{\n"
          f"(void)ctx; (void)kernel; (void)a; (void)w; (void)c; (void)out;\n{{\n{code}}}\n}}")
P
$CC -std=c99 -pedantic -Wall -Wextra -Werror -Wno-shadow -Wno-unused-variable -I"$QJ_SRC/runtime" -fsyntax-only examples.c >log 2>&1 ||
    { fault "examples do not compile"; head -30 log; cat examples.c; }

[ $faults = 0 ] || { echo "docs: $faults fault(s)"; exit 1; }
echo "docs: ok"
