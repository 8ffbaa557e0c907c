/* SPDX-License-Identifier: Apache-2.0 */
/* warpgen.c - random products of matrices and schedules by which warps compute them: tiles of lanes, warps and blocks, lanes
 * numbered in every way there is, operands in memory of all kinds and layouts. Declared in progen.h. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/progen.h"

#define N(lo, hi) ((int)rng_int(r, lo, hi))
static const char *pick(struct rng *r, const char *const *of, int n) { return of[rng_int(r, 0, n - 1)]; }
#define PICK(r, ...) pick(r, (const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

bool gen_warp_program(struct arena *a, struct rng *r, const struct target *t, struct warp_case *w)
{
    const struct intrin *row = NULL;
    for (int tries = 0; tries < 100 && (!row || meaning_nlanes(row->meaning) != 32); tries++) row = t->nintrin ? &t->intrin[N(0, t->nintrin - 1)] : NULL;
    if (!row || meaning_nlanes(row->meaning) != 32) return false;
    const struct meaning *m = row->meaning;
    w->row = row;
    w->tall = m->op[0]->ndim == 2;
    w->terms = (int)m->axis[m->naxes - 1]->extent;
    w->rows = (w->tall ? 2 : 1) << N(0, 1);
    w->cols = 2 << N(0, 2);
    w->warps[0] = N(1, 2);
    w->warps[1] = N(1, 2);
    w->chunk = w->terms * N(1, 2);
    w->fused = N(0, 1) == 0;
    int taps = N(0, 2) ? 1 : 3, am = 8 * w->rows * w->warps[0] * N(1, 2), an = 4 * w->cols * w->warps[1] * N(1, 2), k = w->chunk * N(1, 3);
    const char *ta = dtype_info[m->op[1]->dt].name, *tb = dtype_info[m->op[2]->dt].name;
    const char *x = "i32(A[m + s, k])", *y = "i32(W[n, s, k])";
    bool turn = N(0, 1);
    struct str p = str_on(a);
    str_printf(&p, "input A[m:%d, k:%d] : %s\n%s W[n:%d, s:%d, k:%d] : %s\n", am + taps - 1, k, ta, PICK(r, "input", "weight"), an, taps, k, tb);
    str_printf(&p, "C[m, n] : i32 = sum(s, k) %s * %s\n", turn ? y : x, turn ? x : y);
    if (w->fused) str_printf(&p, "bias B[n:%d] : i32\nOut[m, n] : i32 = C[m, n] + B[n]\n", an);
    w->program = str_text(&p);
    return true;
}

/* A copy of an operand in shared memory: when, how it lies, who fetches it. */
static void copy(struct str *s, struct rng *r, const struct warp_case *w, const char *name, const char *rows, const char *axes)
{
    int lanes = w->threads[0];
    str_printf(s, "compute_at %s L.%s\n", name, PICK(r, "ko", "ko", "ko", "k2", "s"));
    if (N(0, 1)) str_printf(s, "transform_layout %s %s\n", name, *rows == 'm' ? PICK(r, "MK32k", "KM16k", "M2mK", "M4mK") : PICK(r, "NSK32k", "KNS16k", "N4nSK", "N8nSK"));
    if (N(0, 1)) str_printf(s, "storage_align %s.%s %s\n", name, rows, PICK(r, "128 16", "128 16", "64 32", "32 4", "16 1"));
    str_printf(s, "fuse %s.%s -> f\n", name, axes);
    int wide = 1 << N(0, 4);
    if (wide > 1) str_printf(s, "split %s.f %d -> f v\n%s", name, wide, N(0, 1) ? arena_printf(s->arena, "vectorize %s.v\n", name) : "");
    str_printf(s, "split %s.f %d -> fo fx\nbind %s.fx threadIdx.x\n", name, lanes, name);
    if (w->threads[1] > 1 && N(0, 1)) str_printf(s, "split %s.fo %d -> fo fy\nbind %s.fy threadIdx.y\n", name, w->threads[1], name);
}

const char *gen_warp_steps(struct arena *a, struct rng *r, struct warp_case *w)
{
    struct str s = str_on(a);
    const char *out = w->fused ? "Out" : "C";
    bool share[2] = {N(0, 3) > 0, N(0, 3) > 0};
    if (w->fused) str_put(&s, "cache_write C local -> L\ncompute_inline C\n");
    else str_put(&s, "cache_write C local -> L\n");
    if (share[0]) str_put(&s, "cache_read A shared L -> S\n");
    if (share[1]) str_put(&s, "cache_read W shared L -> T\n");
    str_printf(&s, "split %s.m %d -> mb m1\nsplit %s.m1 %d -> mw m2\nsplit %s.m2 %d -> g mi\n", out, 8 * w->rows * w->warps[0], out,
               8 * w->rows, out, w->rows);
    str_printf(&s, "split %s.n %d -> nb n1\nsplit %s.n1 %d -> nw n2\nsplit %s.n2 %d -> t ni\n", out, 4 * w->cols * w->warps[1], out,
               4 * w->cols, out, w->cols);
    str_printf(&s, "reorder %s mb nb mw nw g t mi ni\nbind %s.%s blockIdx.x\n", out, out, PICK(r, "mb", "nb"));
    int warps = w->warps[0] * w->warps[1];
    const char *at = "lane";
    w->threads[0] = 32;
    w->threads[1] = 1;
    switch (N(0, 3)) {
    case 0: /* 32 by warps */
        str_printf(&s, "fuse %s.mw nw -> warp\nfuse %s.g t -> lane\nbind %s.warp threadIdx.y\nbind %s.lane threadIdx.x\n", out, out, out, out);
        w->threads[1] = warps;
        break;
    case 1: /* all along x */
        str_printf(&s, "fuse %s.mw nw g t -> lane\nbind %s.lane threadIdx.x\n", out, out);
        w->threads[0] = 32 * warps;
        break;
    case 2: /* 4 by 8 by warps */
        str_printf(&s, "bind %s.mw threadIdx.z\nbind %s.g threadIdx.y\nbind %s.t threadIdx.x\n", out, out, out);
        w->threads[0] = 4;
        w->threads[1] = 8;
        at = "t";
        break;
    default: /* 4 by the rest */
        str_printf(&s, "fuse %s.mw nw g -> rest\nbind %s.rest threadIdx.y\nbind %s.t threadIdx.x\n", out, out, out);
        w->threads[0] = 4;
        w->threads[1] = 8 * warps;
        at = "t";
    }
    str_printf(&s, "compute_at L %s.%s\nsplit L.k %d -> ko k1\nsplit L.k1 %d -> k2 kk\nsplit L.n 2 -> no b\n", out, at, w->chunk, w->terms);
    if (w->tall) str_put(&s, "split L.m 2 -> mo a\n");
    str_printf(&s, "reorder L s ko %s %s b kk\n", w->tall ? PICK(r, "k2 mo no", "mo no k2", "mo k2 no") : PICK(r, "k2 m no", "m no k2", "k2 no m"),
               w->tall ? "a" : "");
    for (int i = 0; i < 3; i++)
        if (N(0, 1)) str_printf(&s, "unroll L.%s\n", i == 0 ? "k2" : i == 1 ? "no" : w->tall ? "mo" : "m");
    if (N(0, 1)) str_printf(&s, "unroll %s.mi\nvectorize %s.ni\n", out, out);
    if (share[0]) copy(&s, r, w, "S", "m", "m k");
    if (share[1]) copy(&s, r, w, "T", "n", "n s k");
    str_printf(&s, "tensorize L.%s %s\n", w->tall ? "a" : "b", w->row->row->name);
    return str_text(&s);
}
