# SPDX-License-Identifier: Apache-2.0
# The textual rules of tests/lint/run: faults to standard output, the size table to standard error.

BEGIN {
    # A file includes its own folder and folders to its left.
    n = split("ir/base ir targets schedule codegen runtime tools tests", order, " ")
    for (i = 1; i <= n; i++) rank[order[i]] = i

    # Third-party headers: each has one home.
    home["llvm-c/"] = "^(codegen/(llvm_[a-z0-9_]*|emit)\\.[ch]|runtime/(jit|perf|disasm)\\.c)$"
    home["cjson/|cJSON"] = "^ir/base/json\\.c$"
    home["sha2\\.h"] = "^ir/base/digest\\.c$"
    home["ffi\\.h"] = "^runtime/call\\.c$"
    home["histedit|editline|readline"] = "^tools/qjit/line\\.c$"
    home["cuda"] = "^tools/examples/deploy/gpu\\.c$" # opened at run time, never compiled against: but a product may be
    home["setjmp\\.h"] = "^(ir/base/arena\\.[ch]|runtime/api[a-z0-9_]*\\.c)$"

    # Spelt so that this file does not hold what it forbids.
    todo = "(^|[^A-Za-z0-9_])(TO" "DO|FIX" "ME|XX" "X)([^A-Za-z0-9_]|$)"
    jump = "(^|[^A-Za-z0-9_])_?_?(sig)?(set|long)jmp *\\("
}

function fault(text) { print FILENAME ":" FNR ": " text }

function layer_of(path) {
    if (path ~ /^ir\/base\//) return "ir/base"
    sub(/\/.*/, "", path)
    return path
}

function check_size() {
    if (file == "") return
    # The public header is one file by design, and half of it is manual.
    limit = file ~ /\.c$/ ? 800 : file == "runtime/qjit.h" ? 700 : file ~ /\.h$/ ? 350 : 0
    if (limit && lines > limit)
        print file ":" lines ": over " limit " lines: split it by what it is about"
    if (file !~ /\.(c|h|def)$/) return
    l = layer_of(file)
    count[l]++; total[l] += lines
    if (lines > most[l]) { most[l] = lines; biggest[l] = file }
}

FNR == 1 {
    check_size()
    file = FILENAME; layer = layer_of(file); lines = 0
    is_c = file ~ /\.(c|h|def)$/; is_test = layer == "tests"
    licensed = file ~ /\.md$/
}

{ lines = FNR }

FNR <= 2 && /SPDX-License-Identifier: Apache-2\.0/ { licensed = 1 }
FNR == 2 && !licensed { fault("no SPDX-License-Identifier: Apache-2.0 in the first two lines") }
$0 ~ todo { fault("an open point: finish it, or write the test that is missing") }

!is_c { next }

/^[ \t]*#[ \t]*include[ \t]*"/ && file !~ /^tools\/examples\// {
    path = $0; sub(/^[^"]*"/, "", path); sub(/".*/, "", path)
    to = layer_of(path)
    if (!(to in rank) || system("test -f '" path "'") != 0)
        fault("include \"" path "\" is not a path from the repository root")
    else if (to == "tests" && !is_test)
        fault("include \"" path "\": only tests include tests")
    else if (file == "runtime/qjit.h")
        fault("include \"" path "\": the public header stands alone")
    else if (file ~ /^runtime\/rt\// && path !~ /^runtime\/rt\//)
        fault("include \"" path "\": runtime/rt depends on nothing of ours")
    else if (rank[to] > rank[layer])
        fault("include \"" path "\" points right: " layer " may not know " to)
}

/^[ \t]*#[ \t]*include[ \t]*</ && !is_test {
    path = $0; sub(/^[^<]*</, "", path); sub(/>.*/, "", path)
    for (h in home) if (path ~ ("^(" h ")") && file !~ home[h]) fault("<" path "> is not at home here")
}

$0 ~ jump && !is_test && $0 !~ /^[ \t]*(\*|\/\/|\/\*)/ {
    if (file !~ home["setjmp\\.h"]) fault("setjmp and longjmp belong to the arena and the API entry")
}

END {
    check_size()
    if (!verbose) exit
    printf "%-10s %5s %7s %7s  %s\n", "folder", "files", "lines", "most", "in" > "/dev/stderr"
    for (i = 1; i <= n; i++) {
        l = order[i]
        if (!count[l]) continue
        printf "%-10s %5d %7d %7d  %s\n", l, count[l], total[l], most[l], biggest[l] > "/dev/stderr"
        files += count[l]; all += total[l]
    }
    printf "%-10s %5d %7d\n", "all", files, all > "/dev/stderr"
}
