# SPDX-License-Identifier: Apache-2.0
# What an object may be, for e2e/object*.sh, which set cc and where these are not the host's: tools, the prefix of binutils',
# and emulator. Sourcing writes the scripts of four layers.
fail() { echo "$*"; exit 1; }
layer() { # name, type of the second operand, values, steps
    printf 'input A[m:8, k:64] : u8\nweight W[n:32, k:64] : i8%s\nbias B[n:32] : i32\n' "$2"
    printf 'C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\nOut[m, n] : i32 = C[m, n] + B[n]\nname %s\n%s\n' "$1" "$3"
}
hex=$("$PYTHON" -c 'print("".join("%02x" % (i * 7 % 256) for i in range(2048)))')
layer plain "" "template" > plain.qj
layer embedded " = hex \"$hex\"" "template" > embedded.qj
layer par "" "compute_at C Out.m
parallel Out.m" > par.qj
layer fused "" "vectorize Out.n" > fused.qj

# defined names: those of the header, and only those are global; undefined: the four that are allowed
look() {
    want="$1 $1_call"
    grep -q "int $1_pack(" "$1.h" && want="$want $1_pack $1_pack_call"
    grep -q "int $1_select(" "$1.h" && want="$want $1_select $1_version $1_version_name"
    [ "$("${tools-}nm" -g --defined-only "$1.o" | awk '{print $3}' | sort | tr '\n' ' ')" = "$(printf '%s\n' $want | sort | tr '\n' ' ')" ] ||
        fail "$1.o: global names are not $want"
    "${tools-}nm" -u "$1.o" | while read -r kind name; do
        case "$kind $name" in
        "w qjrt_parallel_for" | "U memcpy" | "U memset" | "U memmove" | "U _GLOBAL_OFFSET_TABLE_") ;;
        *) fail "$1.o refers to $kind $name" ;;
        esac
    done
    "${tools-}readelf" -SW "$1.o" > sections
    awk '$0 ~ /\] \.(init|fini|ctors|dtors|preinit|tdata|tbss)/ {exit 1}' sections || fail "$1.o runs by itself"
    grep -q 'note.GNU-stack .* 0000000000000000 .* 000000 ' sections || fail "$1.o does not say that its stack is not executable"
    grep 'GNU-stack' sections | grep -q ' X ' && fail "$1.o wants an executable stack"
    # writable: nothing, but of several versions one word
    set -- "$1" "$("${tools-}size" -A "$1.o" | awk '$1 ~ /^\.(data|bss|tdata|tbss)/ {n += $2} END {print n + 0}')"
    if grep -q "int $1_select(" "$1.h"; then [ "$2" = 4 ] || fail "$1.o has $2 writable bytes"
    else [ "$2" = 0 ] || fail "$1.o has $2 writable bytes"; fi
}
emit() { # name, options
    "$QJIT" compile "$@" -o "$name.o" 2> log || { cat log; exit 1; }
    cp "$name.o" first
    "$QJIT" compile "$@" -o "$name.o" 2> log
    cmp first "$name.o"
    look "$name"
    for x in s ll bc; do "$QJIT" compile "$@" -o "$name.$x" 2> log; done
    "${tools-}nm" --defined-only "$name.o" | awk '$2 ~ /[Tt]/ {print $2, $3}' | sort > functions
    $cc -c "$name.s" -o again.o
    "${tools-}nm" --defined-only again.o | awk '$2 ~ /[Tt]/ {print $2, $3}' | sort | cmp functions -
    for x in ll bc; do
        command -v llc-19 > tool || continue
        llc-19 -relocation-model=pic -filetype=obj "$name.$x" -o again.o
        "${tools-}nm" --defined-only again.o | awk '$2 ~ /[Tt]/ {print $2, $3}' | sort | cmp functions -
    done
    # position independent: without text relocations; nothing left undefined but what is weak
    $cc -shared "$name.o" -o "lib$name.so" -Wl,-z,text -Wl,-z,defs -Wl,--fatal-warnings
    printf 'int %s_call(void **);\nint (*volatile keep)(void **) = %s_call;\nint main(void) { return keep == 0; }\n' "$name" "$name" > m.c
    $cc -fPIE -pie m.c "$name.o" -o pie -Wl,--fatal-warnings
    ${emulator-} ./pie
}
