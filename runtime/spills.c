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

/* False: no memory for the note. */
static bool note_hot(struct artifact *a, const qj_listing *l, const struct code_loop *hot)
{
    char text[256];
    int stores, loads;
    disasm_spills_in(l, hot->from, hot->to, true, &stores, &loads);
    if (stores + loads == 0) return true;
    snprintf(text, sizeof text, "the hot loop of %s has %d spills and %d reloads among %zu instructions: fewer unrolled sums need fewer registers",
             function_of(l, hot->from), stores, loads, hot->to - hot->from + 1);
    return artifact_note(a, &(struct note){"spills", function_of(l, hot->from), text});
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
    const struct code_loop *hot = loops_hottest(loop, n);
    if (hot && hot->multiplies + hot->vectors > 0) ok = note_hot(a, l, hot);
    free(loop);
    disasm_free(l);
    elf_release(&info);
    err_release(&own);
    return ok || err_set(e, ERR_MEMORY, (struct span){0}, "no memory for the notes of %s", a->name);
}
