#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The program from outside: every door, every exit code, JSON that parses, no escapes in a pipe, nothing
# half-written. Prints each fault; exit 1 if there is one.
set -u
QJIT=${QJIT:?the program} PYTHON=${PYTHON:-python3}
export NO_COLOR='' QJIT_HISTORY='' LC_ALL=C
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
faults=0
fault() { faults=$((faults + 1)); echo "FAIL: $*"; }

# run STATUS ARGS...: standard output to out, standard error to err.
run() {
    want=$1; shift
    "$QJIT" "$@" >out 2>err </dev/null
    got=$?
    [ $got = "$want" ] || { fault "qjit $* exits $got, not $want"; sed 's/^/    /' err out | head -20; }
    if LC_ALL=C grep -q "$(printf '[\033\r]')" out err; then fault "qjit $* writes escapes to a pipe"; fi
}
has() { grep -qF -e "$2" "$1" || { fault "$1 lacks \"$2\""; sed 's/^/    /' "$1" | head -20; }; }
empty() { [ ! -s "$1" ] || { fault "$1 is not empty"; sed 's/^/    /' "$1" | head -5; }; }
set_of() { for e in o h json; do [ -s "$1.$e" ] || fault "no $1.$e"; done; }
# json EXPR: out is one JSON object o of which the Python expression holds.
json() {
    "$PYTHON" - "$1" <<'PY' || fault "JSON of the last command: $1"
import json, sys
text = open("out").read()
o = json.loads(text)
assert text.endswith("}\n"), "one object, and nothing after it"
assert isinstance(o["ok"], bool) and isinstance(o["results"], list) and isinstance(o["notes"], list)
if not o["ok"] and o["command"] != "repl":
    e = o["error"]
    assert all(k in e for k in ("code", "message", "hint", "file", "line", "column", "detail")), e
assert eval(sys.argv[1]), o
PY
}

cat >dense.qj <<'QJ'
# a small dense layer
input  A[m:5, k:24] : u8
weight W[n:12, k:24] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
name dense
split C.n 4 -> no ni
reorder C no m k ni
vectorize C.ni
check; time
emit side.o
QJ
printf 'input A[m:4] : u8\nC[i] : u8 = A[i]\nsplit C.z 2\n' >bad.qj
"$PYTHON" - <<'PY'
import numpy as np
rng = np.random.default_rng(1)
np.save("a.npy", rng.integers(0, 256, (5, 24), dtype=np.uint8))
np.save("w.npy", rng.integers(-128, 128, (12, 24), dtype=np.int8))
np.save("short.npy", np.zeros((5, 23), dtype=np.uint8))
PY

# ---- the doors -----------------------------------------------------------------------------
run 0 --version; has out 'qjit '; empty err
run 0 help; has out 'qjit run'; empty err
run 0 --help; has out 'usage:'
run 0 help split; has out 'split STAGE.AXIS'
run 0 targets; has out 'host:'; empty err
run 0 explain type; has out 'type'
run 0 run dense.qj; has out 'exact:'; has out ' ms ('; has err 'wrote side.o'
set_of side
rm -f side.*
run 0 -c 'input A[m:4] : u8; C[i] : u8 = A[i]; show'; has out 'for'; empty err
run 0 run -c 'program'
"$QJIT" <bad.qj >out 2>err && fault "a faulty script on standard input: exit 0"
has err '<stdin>:3:'
"$QJIT" run - <bad.qj >out 2>err; has err '<stdin>:3:'
printf 'input A[m:4] : u8\nC[i] : u8 = A[i]\nsplit C.z 2\nprogram\n' | "$QJIT" repl >out 2>err ||
    fault "repl in a pipe: exit $?"
has err '[no-axis]'; has out 'C[i'

# ---- errors have a place and a status --------------------------------------------------------
printf '\357\273\277input A[m:4] : u8\r\nprogram\r\n' >marked.qj
run 0 run marked.qj; has out 'input A[m:4] : u8'
run 1 run bad.qj; has err 'bad.qj:3:7: error:'; has err '[no-axis]'; empty out
run 1 -c 'split C.z 2'; has err '<command line>:1:'
run 1 run missing.qj; has err 'missing.qj'
run 1 run .; has err '[file]'
run 2 frobnicate; has err '[usage]'; empty out
run 2 targts; has err 'targets'
run 2 --frob; has err '--frob'; has err '[usage]'
run 2 --jsn; has err '--json'
run 2 run dense.qj --output x.o; has err '--output'
run 2 targets more; run 2 explain; run 2 help a b; run 2 repl x; run 2 --memory lots -c ''
run 2 run dense.qj bare-word
run 1 explain tyep; has err 'type'
run 2 dense.qj; has err 'qjit run dense.qj'
run 1 -c 'shwo'; has err 'show'
run 1 --target x87 -c 'show'; has err '[unknown-target]'
run 5 --memory 64K run dense.qj; has err '[out-of-memory]'

# ---- compile: definitions, target and steps only ------------------------------------------------
run 0 compile dense.qj --target x86-64-v3 -o k.o; empty out
set_of k
[ ! -f side.o ] || fault "compile obeyed the script's emit"
"$PYTHON" -c 'import json; json.load(open("k.json"))' || fault "k.json does not parse"
run 0 compile dense.qj --target generic; [ -f dense.o ] || fault "compile without -o names no file after the kernel"
for ext in s ll bc; do run 0 compile dense.qj -o k.$ext; [ -s k.$ext ] || fault "compile wrote no k.$ext"; done
run 1 compile dense.qj -o k.xyz; has err '[file]'
run 1 compile dense.qj -o no/such/k.o; has err '[file]'
run 1 compile bad.qj -o never.o
for f in *never* *tmp*; do [ ! -e "$f" ] || fault "a failed compile left $f"; done
run 0 compile dense.qj --target x86-64-v2 -o one.o; run 0 compile dense.qj --target x86-64-v2 -o two.o
cmp -s one.o two.o || fault "the same script gives different objects"

# ---- tensors from files -----------------------------------------------------------------------
run 0 run dense.qj A=a.npy W=w.npy C=c.npy
"$PYTHON" - <<'PY' || fault "run: C is not A times W"
import numpy as np
a, w, c = (np.load(f).astype(np.int64) for f in ("a.npy", "w.npy", "c.npy"))
assert np.load("c.npy").dtype == np.int32 and (c == a @ w.T).all()
PY
run 0 run dense.qj A=a.npy W=w.npy out=c2.npy; cmp -s c.npy c2.npy || fault "out= is not the output"
run 1 run dense.qj A=a.npy C=c.npy; has err '[argument]'
run 1 run dense.qj A=short.npy W=w.npy; has err '[npy]'
run 1 run dense.qj A=w.npy W=w.npy; has err '[npy]'
head -c 100 a.npy >cut.npy
run 1 run dense.qj A=cut.npy W=w.npy C=never.npy; has err '[npy]'
run 1 run dense.qj A=none.npy W=w.npy; has err '[file]'
run 1 run dense.qj A=a.npy W=w.npy C=no/such/never.npy; has err '[file]'
[ ! -f never.npy ] || fault "a failed run wrote its output"

# ---- save replays -----------------------------------------------------------------------------
run 0 -c 'load dense.qj; save again.qj'
run 0 compile again.qj -o again.o; run 0 compile dense.qj -o first.o
cmp -s first.o again.o || fault "a saved script compiles to other bytes"

# Nothing but a file gives way to one: as root a rename would replace a device.
ln -s again.qj link.qj
run 1 -c 'load dense.qj; save link.qj'; has err 'not a regular file'; [ -L link.qj ] || fault "save replaced a link"
rm link.qj

# ---- JSON, everywhere -------------------------------------------------------------------------
run 0 --version --json; json 'o["version"].count(".") == 2'
run 0 help --json; json 'any(c["name"] == "show" for c in o["commands"]) and len(o["primitives"]) > 15'
run 0 targets --json; json '{"generic", "x86-64"} <= {f["name"] for f in o["families"]} and o["host"]["cpu"]'
run 0 explain type --json; json 'o["code"] == "type" and o["example"]'
run 1 explain tyep --json; json 'o["error"]["code"] == "unknown-name"'
run 0 run dense.qj --json
json 'o["exact"] is True and o["ms"] > 0 and o["ms_median"] >= o["ms"] and o["gmacs"] > 0 and o["file"] == "side.o"'
json '[r["command"] for r in o["results"]][-3:] == ["check", "time", "emit"] and all(r["ok"] for r in o["results"])'
empty err
run 0 run dense.qj A=a.npy W=w.npy C=c.npy --json; json 'o["results"][-1]["outputs"][0]["shape"] == [5, 12]'
run 1 run bad.qj --json
json '(o["error"]["code"], o["error"]["file"], o["error"]["line"], o["error"]["column"]) == ("no-axis", "bad.qj", 3, 7)'
json '"for" in o["error"]["detail"] and not o["results"][-1]["ok"]'; empty err
run 0 compile dense.qj -o k.o --json; json 'o["file"] == "k.o" and o["header"] == "k.h" and o["bytes"] > 0'
run 1 compile bad.qj -o k.o --json; json 'o["error"]["code"] == "no-axis"'
run 1 run missing.qj --json; json 'o["error"]["code"] == "file" and o["error"]["line"] is None'
run 2 frobnicate --json; json 'o["error"]["code"] == "usage"'
run 2 targets x --json; json 'o["error"]["code"] == "usage"'
printf 'show\nhelp\n' | "$QJIT" repl --json >out 2>err || fault "repl --json: exit $?"
json 'o["ok"] and [r["ok"] for r in o["results"]] == [False, True]'
for command in show program steps ir llvm asm 'asm bytes' explain check time target name help; do
    run 0 --json -c "load dense.qj; $command"; json 'o["results"][-1].get("text")'
done
printf 'input A\377[m:4] : u8\n' >bytes.qj
run 1 run bytes.qj --json; json 'o["error"]["code"] == "syntax"'
printf '# NUL \000 in a comment\ninput A\000[m:4] : u8\n' >bytes.qj
run 1 run bytes.qj; has err 'bytes.qj:2:8: error:'

# ---- explain: each example fails with the code it explains -----------------------------------------
"$PYTHON" - <<'PY' || fault "an example of explain"
import json, os, subprocess, sys
qjit = os.environ["QJIT"]
def ask(*args):
    return json.loads(subprocess.run([qjit, *args, "--json"], capture_output=True, text=True).stdout)
bad = 0
for code in ask("help")["errors"]:
    example = ask("explain", code)["example"]
    if not example:
        continue
    o = ask("-c", example)
    got = o["error"]["code"] if not o["ok"] else "ok"
    if got != code:
        print(f"    the example of {code} gives {got}: {example}")
        bad = 1
sys.exit(bad)
PY

# ---- suggestions: one edit away, the right word first ------------------------------------------------
"$PYTHON" - <<'PY' || fault "suggestions"
import json, os, random, string, subprocess, sys
qjit = os.environ["QJIT"]
o = json.loads(subprocess.run([qjit, "help", "--json"], capture_output=True, text=True).stdout)
words = [c["name"] for c in o["commands"]] + [p["name"] for p in o["primitives"]]
random.seed(7)
typos = []
for w in words:
    for _ in range(4):
        i, ch = random.randrange(len(w)), random.choice(string.ascii_lowercase)
        t = random.choice([w[:i] + w[i + 1:], w[:i] + ch + w[i:], w[:i] + ch + w[i + 1:],
                           w[:i] + w[i + 1:i + 2] + w[i:i + 1] + w[i + 2:]])
        if t and t not in words:
            typos.append((t, w))
session = "".join(t + "\n" for t, _ in typos)
o = json.loads(subprocess.run([qjit, "repl", "--json"], input=session, capture_output=True, text=True).stdout)
right = sum(f"`{w}`" in r["error"]["hint"] for (t, w), r in zip(typos, o["results"]))
print(f"suggestions: {right} of {len(typos)}")
sys.exit(right < 0.9 * len(typos))
PY

[ $faults = 0 ] && echo "cli: passed"
[ $faults = 0 ]
