/* SPDX-License-Identifier: Apache-2.0 */
/* spills.c - the note `spills`: vector registers that go to the stack and back in the loop that matters. Found in the
 * object's own bytes, before it is linked. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/disasm.h"
#include "runtime/kernel.h"
#include "runtime/loops.h"

static const char *function_of(const qj_listing *l, size_t at)
{
    while (at > 0 && !l->at[at].function) at--;
    return l->at[at].function;
}

/* Of these loops. `of`: "for TARGET: " or nothing. False: no memory for the note. */
static bool note_hot(struct artifact *a, const qj_listing *l, const struct code_loop *loop, size_t n, const char *of)
{
    char text[512];
    int stores, loads;
    const struct code_loop *hot = loops_hottest(loop, n);
    if (!hot || hot->multiplies + hot->vectors == 0) return true;
    disasm_spills_in(l, hot->from, hot->to, true, &stores, &loads);
    if (stores + loads == 0) return true;
    snprintf(text, sizeof text, "%sthe hot loop of %s has %d spills and %d reloads among %zu instructions: fewer unrolled sums need fewer registers",
             of, function_of(l, hot->from), stores, loads, hot->to - hot->from + 1);
    return artifact_note(a, &(struct note){"spills", function_of(l, hot->from), text});
}

/* Each version has a function of its own, NAME.v0 and so on, whose loops are neighbours. */
static bool note_versions(struct artifact *a, const qj_listing *l, const struct code_loop *loop, size_t n)
{
    bool ok = true;
    for (int v = 0; ok && v < a->nversion; v++) {
        char name[128], of[256];
        size_t from = 0, to;
        snprintf(name, sizeof name, "%s.v%d", a->name, v);
        snprintf(of, sizeof of, "for %s: ", a->version[v].target);
        while (from < n && strcmp(function_of(l, loop[from].from), name)) from++;
        for (to = from; to < n && !strcmp(function_of(l, loop[to].from), name);) to++;
        ok = note_hot(a, l, loop + from, to - from, of);
    }
    return ok;
}

static bool is_extern(const void *u, const char *name)
{
    const struct artifact *a = u;
    for (int i = 0; i < a->next; i++)
        if (!strcmp(a->ext[i].name, name)) return true;
    return false;
}

bool spills_note(struct err_state *e, struct artifact *a)
{
    struct err_state own; /* what cannot be read has nothing to say */
    struct elf_info info = {0};
    bool ok = true;
    err_init(&own);
    qj_listing *l = elf_check(&own, a->bytes, a->size, is_extern, a, &info) ? disasm_object(&own, &info, a->triple, a->cpu, a->features) : NULL;
    struct code_loop *loop = NULL;
    size_t n = l && l->n ? loops_find(l, &loop) : 0;
    if (n) ok = a->nversion ? note_versions(a, l, loop, n) : note_hot(a, l, loop, n, "");
    free(loop);
    disasm_free(l);
    elf_release(&info);
    err_release(&own);
    return ok || err_set(e, ERR_MEMORY, (struct span){0}, "no memory for the notes of %s", a->name);
}
