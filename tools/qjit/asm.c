/* SPDX-License-Identifier: Apache-2.0 */
/* asm.c - the bytes that run, as text. Loops are found in the code itself: a jump backwards closes one. They are
 * named after the schedule's loops where a function has the very nest of loops that codegen was given.
 *
 *     kernel:
 *            0  push rbp
 *                                                     ; for m
 *                                                     ;   for ko
 *     >    4f0  vpbroadcastd ymm6, dword ptr [rsi]
 *     >    4f5  vpmaddwd ymm7, ymm6, ymmword ptr [rdx]
 *     >    50b  jne 4f0
 *     312 instructions, 4 loops; hot loop ko: 61 instructions, 24 multiply; 0 spills, 0 reloads
 *
 * Marked > is the hot loop: of the innermost ones the one with most vector multiplications. */
#include <stdlib.h>

#include "runtime/loops.h"
#include "tools/qjit/cmds.h"

/* Names for the loops of the function in [begin, end), if it has the nest that f is. */
static void name_loops(struct code_loop *loop, size_t n, size_t begin, size_t end, const struct nest *f)
{
    size_t first = 0, count = 0;
    while (first < n && loop[first].from < begin) first++;
    while (first + count < n && loop[first + count].from < end) count++;
    if (count != f->n) return;
    for (size_t i = 0; i < count; i++)
        if (loop[first + i].depth != f->at[i].depth) return;
    for (size_t i = 0; i < count; i++) loop[first + i].name = f->at[i].name;
}

static void name_all(const qj_listing *l, struct code_loop *loop, size_t n, const struct nests *all)
{
    for (size_t i = 0; i < l->n; i++) {
        if (!l->at[i].function) continue;
        size_t end = i + 1;
        while (end < l->n && !l->at[end].function) end++;
        for (size_t k = 0; k < all->n; k++)
            if (!strcmp(all->at[k].function, l->at[i].function)) name_loops(loop, n, i, end, &all->at[k]);
    }
}

static void put_line(FILE *f, const qj_instruction *in, uint64_t base, bool hot, bool bytes)
{
    fprintf(f, "%c %6llx  ", hot ? '>' : ' ', (unsigned long long)(in->address - base));
    if (bytes) {
        for (int i = 0; i < in->nbytes; i++) fprintf(f, "%02x", in->bytes[i]);
        fprintf(f, "%*s  ", in->nbytes < 11 ? 2 * (11 - in->nbytes) : 0, "");
    }
    if (in->jump) /* LLVM prints the distance; where it leads is of more use */
        fprintf(f, "%.*s %llx\n", (int)strcspn(in->text, " "), in->text, (unsigned long long)(in->jump - base));
    else
        fprintf(f, "%s\n", in->text);
}

static void put_listing(FILE *f, const qj_listing *l, const struct code_loop *loop, size_t n, const struct code_loop *hot, bool bytes)
{
    uint64_t base = l->at[0].address;
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].function) fprintf(f, "%s:\n", l->at[i].function);
        for (size_t k = 0; k < n; k++)
            if (loop[k].from == i)
                fprintf(f, "%*s; %s%s%s\n", 10 + 2 * loop[k].depth, "", loop[k].name ? "for " : "loop",
                        loop[k].name ? loop[k].name : "", &loop[k] == hot ? "    (hot)" : "");
        put_line(f, &l->at[i], base, hot && i >= hot->from && i <= hot->to, bytes);
    }
    fprintf(f, "%zu instructions, %zu loops; ", l->n, n);
    if (hot)
        fprintf(f, "hot loop%s%s: %zu instructions, %d multiply; ", hot->name ? " " : "", hot->name ? hot->name : "",
                hot->to - hot->from + 1, hot->multiplies);
    fprintf(f, "%d spills, %d reloads\n", l->spill_stores, l->spill_loads);
}

bool print_asm(struct session *s, bool bytes)
{
    const qj_kernel *k = session_kernel(s);
    qj_listing *l = k ? qj_disassemble(s->q, k) : NULL;
    struct out *o = s->out;
    if (!l || l->n == 0) {
        qj_listing_free(l);
        return session_ok(s) && k; /* k NULL: its error is the session's already */
    }
    struct code_loop *loop;
    size_t n = loops_find(l, &loop);
    if (!loop) exit(EXIT_OURS);
    struct nests nests = session_nests(s);
    name_all(l, loop, n, &nests);
    const struct code_loop *hot = loops_hottest(loop, n);
    put_listing(o->text, l, loop, n, hot, bytes);
    out_int(o, "instructions", (int64_t)l->n);
    out_int(o, "loops", (int64_t)n);
    if (hot) {
        out_str(o, "hot_loop", hot->name);
        out_int(o, "hot_instructions", (int64_t)(hot->to - hot->from + 1));
        out_int(o, "hot_multiplies", hot->multiplies);
    }
    out_int(o, "spill_stores", l->spill_stores);
    out_int(o, "spill_loads", l->spill_loads);
    nests_free(&nests);
    free(loop);
    qj_listing_free(l);
    return true;
}
