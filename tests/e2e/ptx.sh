#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Kernels of GPUs as they are written to disk: what the text must hold, what the metadata says, and, where there is a
# ptxas, that it assembles without spills. (ptxas of CUDA 13 knows nothing before sm_75, which runs the text of sm_61.)
set -eu
: "${QJIT:?}" "${QJ_SRC:?}" "${PYTHON:=/usr/bin/python3}"
PATH=$PATH:/usr/local/cuda/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

assembles() { # FILE.ptx sm_NN
    command -v ptxas >/dev/null || return 0
    arch=$2
    case $arch in sm_61 | sm_70) ptxas -arch="$arch" /dev/null -o /dev/null 2>/dev/null || arch=sm_75 ;; esac
    ptxas -arch="$arch" -v "$1" -o k.cubin 2>log || { cat log; echo "ptxas refuses $1 for $arch"; exit 1; }
    if grep -E '[1-9][0-9]* bytes (stack frame|spill)' log; then echo "$1 for $arch spills"; exit 1; fi
}
has() { grep -q -e "$2" "$1" || { cat "$1"; echo "no $2 in $1"; exit 1; }; }
lacks() { if grep -e "$2" "$1"; then echo "$2 in $1"; exit 1; fi; }

cat >dense.qj <<'END'
input   A[m:100, k:64] : i8
weight  W[n:128, k:64] : i8
C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])
name dense
cache_write C local -> L
tile C.m n 16 16 -> mo no mi ni
bind C.mo blockIdx.y
bind C.no blockIdx.x
bind C.mi threadIdx.y
bind C.ni threadIdx.x
compute_at L C.ni
split L.k 4 -> ko ki
tensorize L.ki with dot4_i8i8_dp4a
END
for gpu in sm_61 sm_70 sm_75 sm_80 sm_86 sm_89 sm_90 sm_90a; do
    "$QJIT" compile dense.qj --target $gpu -o $gpu.ptx
    has $gpu.ptx "\.target $gpu\$"
    has $gpu.ptx '\.visible \.entry dense('
    has $gpu.ptx '\.reqntid 16, 16, 1'
    has $gpu.ptx 'dp4a\.s32\.s32'
    has $gpu.ptx 'ld\.global\.nc\.u32'
    lacks $gpu.ptx 'bar\.sync'
    lacks $gpu.ptx '\.local'
    assembles $gpu.ptx $gpu
    "$PYTHON" - $gpu <<'END'
import json, shutil, sys
j = json.load(open(sys.argv[1] + ".json"))
assert j["kind"] == "ptx" and j["target"] == sys.argv[1], j
told = [k.pop("ptxas", None) for k in j["kernels"]]
assert j["kernels"] == [{"entry": "dense", "of": "dense", "grid": [8, 7, 1], "block": [16, 16, 1], "shared": 0, "dynamic_shared": 0}], j["kernels"]
assert all(a["align"] == 16 for a in j["args"])
if shutil.which("ptxas") and sys.argv[1] not in ("sm_61", "sm_70"):
    assert 8 <= told[0]["registers"] <= 128 and told[0]["stack"] == told[0]["spill_stores"] == told[0]["spill_loads"] == 0, told
END
    has $gpu.h 'X("dense", 8, 7, 1, 16, 16, 1, 0)'
    cp $gpu.ptx with.ptx
    QJIT_PTXAS='' "$QJIT" compile dense.qj --target $gpu -o $gpu.ptx
    cmp $gpu.ptx with.ptx
    lacks $gpu.json ptxas
done

# Layers, by their template.
for layer in 'conv2d h=28 w=28 c=64 o=128 k=3 stride=2 pad=1' 'conv2d h=14 w=14 c=256 o=64 k=1' 'depthwise h=28 w=28 c=96 k=3 pad=1' \
    'conv2d h=56 w=56 c=3 o=32 k=7 stride=2 pad=3' 'dense m=49 n=1000 k=512' 'dense m=1 n=1000 k=2048'; do
    for gpu in sm_61 sm_80 sm_90a; do
        # shellcheck disable=SC2086  # words on purpose
        "$QJIT" layer $layer --target $gpu >l.qj
        "$QJIT" compile l.qj --target $gpu -o l.ptx || { echo "$layer for $gpu"; exit 1; }
        assembles l.ptx $gpu
    done
done

# Sums that threads and blocks share.
for layer in dense_gpu_row dense_gpu_split; do
    "$QJIT" compile "$QJ_SRC/tools/examples/$layer.qj" -o k.ptx
    has k.ptx 'redux\.sync\.add'
    assembles k.ptx sm_80
    QJIT_CUDA_DRIVER="$QJ_BUILD/tests/libcuda_emu.so" "$QJIT" -c "load \"$QJ_SRC/tools/examples/$layer.qj\"; check"
done
for gpu in sm_61 sm_70 sm_75 sm_80 sm_86 sm_89 sm_90 sm_90a; do
    "$QJIT" compile "$QJ_SRC/tools/examples/conv_56_auto.qj" --target $gpu -o k.ptx
    assembles k.ptx $gpu
    [ "$(grep -c 'bar\.sync' k.ptx)" = 1 ] || { echo "conv_56_auto for $gpu has a barrier a turn"; exit 1; }
    lacks k.ptx '\.local'
    case $gpu in
    sm_61 | sm_70) has k.ptx 'dp4a\.u32\.s32'; has k.ptx 'ld\.shared\.v4\.u32'; has k.ptx 'st\.shared\.v4\.u32' ;;
    sm_75) has k.ptx 'mma\.sync\.aligned\.m8n8k16'; has k.ptx 'st\.shared\.v4\.u32' ;;
    *) has k.ptx 'mma\.sync\.aligned\.m16n8k32'; has k.ptx 'cp\.async\.cg\.shared\.global' ;;
    esac
done

# Lanes that are stored one by one stay in registers, however many they are.
for lanes in 2 3 4 8 16; do
    for type in u8 i8 i16; do
        "$QJIT" -c "target sm_80; input A[m:48, n:48] : $type; C[n, m] : $type = max(A[m, n], 3); split C.m $lanes -> mo mi
            reorder C n mo mi; bind C.n blockIdx.x; bind C.mo threadIdx.x; vectorize C.mi; transform_layout C BA axes=AB
            emit turned.ptx" 2>notes
        has notes '\[scatter\]'
        lacks turned.ptx '\.local'
        assembles turned.ptx sm_80
    done
done

# Tensor cores: every fragment loaded once, sums in registers, the oracle's bits.
for gpu in sm_80 sm_86 sm_89 sm_90 sm_90a; do
    "$QJIT" compile "$QJ_SRC/tools/examples/dense_mma.qj" --target $gpu -o mma.ptx
    [ "$(grep -c 'mma\.sync\.aligned\.m16n8k32\.row\.col\.s32\.u8\.s8\.s32' mma.ptx)" = 16 ] || { echo "16 mma a turn"; exit 1; }
    [ "$(grep -c 'ldmatrix.*x4' mma.ptx)" = 4 ] || { echo "4 loads of A a turn"; exit 1; }
    [ "$(grep -c 'ldmatrix.*x2' mma.ptx)" = 8 ] || { echo "8 loads of W a turn"; exit 1; }
    lacks mma.ptx '\.local'
    lacks mma.ptx 'ld\.shared'
    assembles mma.ptx $gpu
done
if "$QJIT" compile "$QJ_SRC/tools/examples/dense_mma.qj" --target sm_75 -o mma.ptx 2>why; then echo "sm_75 has no m16n8k32"; exit 1; fi
has why 'm16n8k32'
"$QJIT" compile "$QJ_SRC/tools/examples/dense_wgmma.qj" -o wgmma.ptx
[ "$(grep -c 'wgmma\.mma_async\.sync\.aligned\.m64n128k32\.s32\.s8\.s8' wgmma.ptx)" = 4 ] || { echo "4 wgmma a turn"; exit 1; }
lacks wgmma.ptx '\.local'
assembles wgmma.ptx sm_90a
if [ -e log ]; then lacks log C7510; fi # sums that are touched on the way
if "$QJIT" compile "$QJ_SRC/tools/examples/dense_wgmma.qj" --target sm_90 -o wgmma.ptx 2>why; then echo "sm_90 has no wgmma"; exit 1; fi
has why 'needs sm_90a'
QJIT_CUDA_DRIVER=$(dirname "$QJIT")/tests/libcuda_emu.so "$QJIT" -c "load \"$QJ_SRC/tools/examples/dense_wgmma.qj\"; check" >exact
has exact '^exact: '
QJIT_CUDA_DRIVER=$(dirname "$QJIT")/tests/libcuda_emu.so "$QJIT" -c "load \"$QJ_SRC/tools/examples/dense_mma.qj\"; check" >exact
has exact '^exact: '

# A pipeline of asynchronous copies: one barrier a turn, 16 bytes a copy, zeros by their size.
"$QJIT" compile "$QJ_SRC/tools/examples/conv_56_sm80.qj" -o p.ptx
assembles p.ptx sm_80
has p.ptx 'cp\.async\.cg\.shared\.global \[%rd[0-9]*\], \[%rd[0-9]*\], 16;'
has p.ptx 'cp\.async\.cg\.shared\.global .*, 16, %r'
has p.ptx 'cp\.async\.wait_group[[:space:]]*1;'
[ "$(grep -c 'bar\.sync' p.ptx)" = 1 ] || { echo "conv_56_sm80 has one barrier a turn"; exit 1; }

# More shared memory than a text may have: said to whoever launches, and asked for by us; a GPU without so much has no such kernel.
"$QJIT" compile "$QJ_SRC/tools/examples/dense_sm80.qj" -o b.ptx
assembles b.ptx sm_80
has b.ptx '^\.extern \.shared \.align 16'
has b.h 'X("dense_sm80", 2, 2, 1, 32, 16, 1, 100608)'
has b.json '"dynamic_shared": *100608'
QJIT_EMU_SM=86 QJIT_CUDA_DRIVER="$QJ_BUILD/tests/libcuda_emu.so" "$QJIT" -c "load \"$QJ_SRC/tools/examples/dense_sm80.qj\"; check" >exact
has exact '^exact: '
if QJIT_EMU_SM=80 QJIT_EMU_FAIL=cuFuncSetAttribute QJIT_CUDA_DRIVER="$QJ_BUILD/tests/libcuda_emu.so" \
    "$QJIT" -c "load \"$QJ_SRC/tools/examples/dense_sm80.qj\"; check" 2>why; then echo "not asked for"; exit 1; fi
has why '100608 bytes of shared memory'

# The widest tile of plain products is one that can be taken.
"$QJIT" layer dense m=64 n=64 k=64 | sed 's/^template$/template row=dot4_u8i8_dp4a mr=8 nr=8/' >wide.qj
"$QJIT" compile wide.qj --target sm_61 -o wide.ptx >/dev/null
[ "$(grep -c 'dp4a' wide.ptx)" -ge 64 ]
