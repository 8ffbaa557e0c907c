/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/loops.h"

#include <stdlib.h>
#include <string.h>

static bool starts(const char *text, const char *const *with)
{
    for (; *with; with++)
        if (!strncmp(text, *with, strlen(*with))) return true;
    return false;
}

/* Mnemonics of every family we emit for, after LLVM's "{vex} " and blanks. */
static bool multiplies(const char *text)
{
    static const char *const all[] = {"vpmadd", "vpdp", "vfmadd", "vfnmadd", "vmulp", "vpmul", "pmadd", "pmul", "mulp",
                                      "fmla", "sdot", "udot", "usdot", "smmla", "ummla", "usmmla", "smlal", "umlal",
                                      "mla\t", "mla ", "smull", "umull", NULL};
    if (*text == '{') text += strcspn(text, "}") + 1;
    while (*text == ' ' || *text == '\t') text++;
    return starts(text, all);
}

static bool is_vector(const char *text)
{
    return strstr(text, "xmm") || strstr(text, "ymm") || strstr(text, "zmm") || strstr(text, ".16b") ||
           strstr(text, ".8h") || strstr(text, ".4s");
}

static size_t index_of(const qj_listing *l, uint64_t address)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (l->at[mid].address < address) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static bool inside(const struct code_loop *a, const struct code_loop *b) { return a->from >= b->from && a->to <= b->to; }

static int by_start(const void *x, const void *y)
{
    const struct code_loop *a = x, *b = y;
    return a->from < b->from ? -1 : a->from > b->from;
}

size_t loops_find(const qj_listing *l, struct code_loop **out)
{
    struct code_loop *loop = calloc(l->n + 1, sizeof *loop);
    size_t n = 0;
    if (!(*out = loop)) return 0;
    for (size_t i = 0; i < l->n; i++) {
        const qj_instruction *in = &l->at[i];
        if (!in->jump || in->jump > in->address || in->jump < l->at[0].address) continue;
        size_t from = index_of(l, in->jump), k = 0;
        while (k < n && loop[k].from != from) k++;
        loop[k].from = from;
        loop[k].to = i;
        if (k == n) n++;
    }
    qsort(loop, n, sizeof *loop, by_start);
    for (size_t k = 0; k < n; k++) {
        loop[k].innermost = true;
        for (size_t j = 0; j < n; j++) {
            if (j == k) continue;
            if (inside(&loop[j], &loop[k])) loop[k].innermost = false;
            if (inside(&loop[k], &loop[j])) loop[k].depth++;
        }
        for (size_t i = loop[k].from; i <= loop[k].to; i++) {
            loop[k].multiplies += multiplies(l->at[i].text);
            loop[k].vectors += is_vector(l->at[i].text);
        }
    }
    return n;
}

const struct code_loop *loops_hottest(const struct code_loop *loop, size_t n)
{
    const struct code_loop *best = NULL;
    for (size_t k = 0; k < n; k++) {
        if (!loop[k].innermost) continue;
        if (!best || loop[k].multiplies > best->multiplies ||
            (loop[k].multiplies == best->multiplies && loop[k].vectors > best->vectors))
            best = &loop[k];
    }
    return best;
}
