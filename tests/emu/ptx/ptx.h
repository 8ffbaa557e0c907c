/* SPDX-License-Identifier: Apache-2.0 */
/* ptx.h - an interpreter of PTX, for machines without a GPU: executes the emitted text thread by thread.
 *
 * It knows the subset that kernels here are made of - integer and f32 arithmetic, memory spaces, predicates,
 * branches, barriers, dp4a, mma, wgmma, ldmatrix, cp.async, shuffles, atomics - and refuses all else by name and line. What it
 * runs it judges: an access outside a buffer or its alignment, a read of shared memory that nobody wrote, two threads at
 * one address without a barrier between them, a barrier or a warp-wide instruction that not all threads reach together -
 * each is an error with the line. It counts instructions and the shared-memory passes that bank conflicts cost.
 *
 *     struct ptx *p = ptx_load(text, why, sizeof why);
 *     struct ptx_buffer buf[] = {{a, na, true}, {c, nc, false}};
 *     uint64_t param[] = {ptx_address(0), ptx_address(1)};
 *     struct ptx_launch l = {.entry = "k", .grid = {8, 1, 1}, .block = {128, 1, 1}, .nparam = 2, .param = param,
 *                            .nbuffer = 2, .buffer = buf};
 *     struct ptx_report r;
 *     if (!ptx_run(p, &l, &r)) puts(r.why);
 *     ptx_free(p);
 *
 * Semantics: PTX ISA 8.5 (NVIDIA), chapters 5 (state spaces), 9.7 (instructions), 9.7.14 (fragment layouts of mma and
 * ldmatrix). Integer results and the f32 operations with .rn are exact; approximate ones are refused. */
#ifndef QJ_TESTS_EMU_PTX_H
#define QJ_TESTS_EMU_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ptx;

/* The text is copied. NULL: why says what and where. */
struct ptx *ptx_load(const char *text, char *why, size_t size);
void ptx_free(struct ptx *p);

struct ptx_entry { const char *name; int nparam; unsigned maxntid[3]; size_t shared; };
/* Entry i; false past the last. maxntid is 0 where the text has none; shared counts static bytes that it names. */
bool ptx_entry(const struct ptx *p, int i, struct ptx_entry *out);
const char *ptx_target(const struct ptx *p);    /* "sm_80" */

/* A global buffer of the host's; buffer i begins at ptx_address(i) in the kernel's eyes, 256-byte aligned. */
struct ptx_buffer { void *at; size_t n; bool readonly; };
uint64_t ptx_address(int i);

struct ptx_launch {
    const char *entry;
    unsigned grid[3], block[3];
    int nparam;
    const uint64_t *param;          /* one a parameter, the low bits of narrower ones */
    int nbuffer;
    const struct ptx_buffer *buffer;
    unsigned dynamic_shared;        /* bytes of .extern .shared memory */
    uint64_t limit;                 /* instructions of all threads; 0: 10^10 */
};

struct ptx_report {
    char why[320];                  /* "" or what went wrong, with line, block and thread */
    int line;
    uint64_t instructions;          /* of all threads */
    uint64_t dp4a, mma, barriers;   /* of all threads; mma: of all warps and warpgroups; barriers: of all blocks */
    uint64_t shared_accesses;       /* warp-wide loads and stores of shared memory in the first block */
    uint64_t shared_passes;         /* what they take with their bank conflicts: no fewer */
    uint64_t shared_least;          /* what they would take without: several for accesses wider than 4 bytes */
    unsigned worst_conflict;        /* most passes one of them takes beyond what its width needs, times that */
    int worst_line;
};
bool ptx_run(const struct ptx *p, const struct ptx_launch *l, struct ptx_report *r);

#endif
