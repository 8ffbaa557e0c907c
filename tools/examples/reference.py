#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Full-range data for the example layers, and numpy's own answer in int64.

    reference.py make  conv_56|winograd_56|dense_128|dense_512 DIR    writes A.npy W.npy [B.npy M.npy] and raw .bin copies
    reference.py check conv_56|winograd_56|dense_128|dense_512 DIR OUT...   compares OUT (.npy or raw .bin) with numpy; exit 1
"""
import sys
import numpy as np


def full_range(rng, dtype, shape):
    """Every value of the type, with its two ends a third of the time: what saturates must show."""
    i = np.iinfo(dtype)
    x = rng.integers(i.min, i.max, shape, dtype, endpoint=True)
    ends = rng.integers(0, 6, shape)
    x[ends == 0] = i.min
    x[ends == 1] = i.max
    return x


def make(layer, where):
    rng = np.random.default_rng(56)
    if layer in ("conv_56", "winograd_56"):
        t = {"A": full_range(rng, np.uint8, (1, 56, 56, 64)), "W": full_range(rng, np.int8, (64, 3, 3, 64))}
    else:
        m, n, k = (512, 512, 512) if layer == "dense_512" else (128, 1024, 1024)
        t = {"A": full_range(rng, np.uint8, (m, k)), "W": full_range(rng, np.int8, (n, k))}
    if layer != "dense_512":
        n = t["W"].shape[0]
        t["B"] = rng.integers(-1000000, 1000001, n, np.int32)
        t["M"] = rng.uniform(1e-5, 1e-3, n).astype(np.float32)
    for name, x in t.items():
        np.save(f"{where}/{name}.npy", x)
        x.tofile(f"{where}/{name}.bin")


def answer(layer, where):
    t = {}
    for name in "AWBM":
        try:
            t[name] = np.load(f"{where}/{name}.npy")
        except FileNotFoundError:
            pass
    a, w = t["A"].astype(np.int64), t["W"].astype(np.int64)
    if layer in ("conv_56", "winograd_56"):
        p = np.pad(a, ((0, 0), (1, 1), (1, 1), (0, 0)))
        acc = sum(p[:, r:r + 56, s:s + 56, :] @ w[:, r, s, :].T for r in range(3) for s in range(3))
    else:
        acc = a @ w.T
    if layer == "dense_512":
        return acc.astype(np.int32)
    acc = acc + t["B"]
    assert abs(acc).max() < 2 ** 31
    scaled = acc.astype(np.int32).astype(np.float32) * t["M"]    # one float32 multiplication, then half to even
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def check(layer, where, outs):
    want, bad = answer(layer, where), 0
    for out in outs:
        have = np.load(out) if out.endswith(".npy") else np.fromfile(out, want.dtype).reshape(want.shape)
        if have.shape != want.shape or have.dtype != want.dtype:
            print(f"{out}: {have.dtype}{list(have.shape)}, should be {want.dtype}{list(want.shape)}")
            bad += 1
            continue
        n = int((have != want).sum())
        print(f"{out}: {want.size} outputs, {n} differ from numpy's int64 result")
        bad += n > 0
    return bad > 0


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "make":
        make(*sys.argv[2:])
    elif len(sys.argv) > 4 and sys.argv[1] == "check":
        sys.exit(check(sys.argv[2], sys.argv[3], sys.argv[4:]))
    else:
        sys.exit(__doc__)
