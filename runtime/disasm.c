/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/disasm.h"

#include <stdio.h>
#include <stdlib.h>

#include <llvm-c/Disassembler.h>
#include <llvm-c/Target.h>

/* Linked bytes, or those of an object. */
struct code { const struct linked *linked; const struct elf_info *object; };

/* Grown as it is filled; strings are malloc'd one by one. */
struct growing { qj_instruction *at; size_t n, cap; };

static bool add(struct growing *g, qj_instruction in, const char *text)
{
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 256;
        qj_instruction *at = realloc(g->at, cap * sizeof *at);
        if (!at) return false;
        g->at = at;
        g->cap = cap;
    }
    while (*text == ' ' || *text == '\t') text++;
    char *copy = strdup(text);
    if (!copy) return false;
    for (char *p = copy; *p; p++)
        if (*p == '\t') *p = ' ';
    in.text = copy;
    g->at[g->n++] = in;
    return true;
}

/* "jne 24", "jmp -12", "b.ne #-8", "cbnz x0, #-8": a number alone or after '#' at the end of a jump. Distances
 * count from the next instruction on x86 and from this one on AArch64. */
static uint64_t jump_of(const qj_instruction *in, bool x86)
{
    const char *s = in->text, *arg = strpbrk(s, " ");
    char *end;
    if (x86 ? s[0] != 'j' : (s[0] != 'b' && strncmp(s, "cb", 2) && strncmp(s, "tb", 2))) return 0;
    if (!arg || (!x86 && !strncmp(s, "bl", 2) && (s[2] == ' ' || s[2] == 'r'))) return 0;
    if (!x86) arg = strrchr(arg, '#') ? strrchr(arg, '#') : arg;
    long long by = strtoll(arg + 1, &end, 0);
    if (end == arg + 1 || *end) return 0;
    return in->address + (uint64_t)by + (x86 ? (uint64_t)in->nbytes : 0);
}

static bool add_func(struct growing *g, LLVMDisasmContextRef dc, struct jit_func f, bool x86)
{
    char text[256];
    uint64_t pc = (uintptr_t)f.at, begin = pc, end = pc + f.size;
    size_t first = g->n;
    while (pc < end) {
        const uint8_t *at = f.at + (pc - begin);
        /* LLVM's interface lacks the const */
        size_t n = LLVMDisasmInstruction(dc, (uint8_t *)(uintptr_t)at, end - pc, pc, text, sizeof text);
        qj_instruction in = {.address = pc, .bytes = at, .nbytes = n ? (int)n : 1,
                             .function = pc == begin ? f.name : NULL};
        if (!n) snprintf(text, sizeof text, ".byte 0x%02x", *at);
        if (!add(g, in, text)) return false;
        pc += (uint64_t)in.nbytes;
    }
    for (size_t i = first; i < g->n; i++) {
        uint64_t to = jump_of(&g->at[i], x86);
        g->at[i].jump = to >= begin && to < end ? to : 0;
    }
    return true;
}

static bool add_all(struct growing *g, LLVMDisasmContextRef dc, const struct code *k, bool x86)
{
    int n = k->linked ? jit_nfuncs(k->linked) : k->object->nfunc;
    for (int i = 0; i < n; i++) {
        const struct elf_func *o = k->linked ? NULL : &k->object->func[i];
        struct jit_func f = o ? (struct jit_func){o->name, o->at, (size_t)o->size} : jit_func(k->linked, i);
        if (f.at && !add_func(g, dc, f, x86)) return false;
    }
    return true;
}

static qj_listing *disasm_code(struct err_state *e, const struct code *l, const char *triple, const char *cpu,
                               const char *features)
{
    LLVMInitializeX86Disassembler(); /* stores a pointer in the target's entry: again is the same */
    LLVMDisasmContextRef dc = LLVMCreateDisasmCPUFeatures(triple, cpu, features, NULL, 0, NULL, NULL);
    if (!dc) return err_set(e, ERR_LLVM, (struct span){0}, "no disassembler for %s", triple), NULL;
    bool x86 = !strncmp(triple, "x86_64", 6);
    if (x86) LLVMSetDisasmOptions(dc, LLVMDisassembler_Option_AsmPrinterVariant);
    struct growing g = {0};
    qj_listing *out = calloc(1, sizeof *out);
    bool ok = out && add_all(&g, dc, l, x86);
    LLVMDisasmDispose(dc);
    if (out) {
        out->n = g.n;
        out->at = g.at;
    }
    if (ok) return disasm_count_spills(out), out;
    if (out) disasm_free(out);
    err_set(e, ERR_MEMORY, (struct span){0}, "no memory for a listing");
    return NULL;
}

qj_listing *disasm(struct err_state *e, const struct linked *l, const char *triple, const char *cpu,
                   const char *features)
{
    return disasm_code(e, &(struct code){.linked = l}, triple, cpu, features);
}

qj_listing *disasm_object(struct err_state *e, const struct elf_info *o, const char *triple, const char *cpu,
                          const char *features)
{
    return disasm_code(e, &(struct code){.object = o}, triple, cpu, features);
}

void disasm_free(qj_listing *l)
{
    if (!l) return;
    for (size_t i = 0; i < l->n; i++) free((char *)(uintptr_t)l->at[i].text);
    free((qj_instruction *)(uintptr_t)l->at);
    free(l);
}

/* ---- spills ---- */

/* The "[rsp + 24]" in a text, NULL if there is none or if it is indexed or updates the pointer. */
static const char *frame_slot(const char *text, size_t *n)
{
    static const char *const bases[] = {"[rsp", "[rbp", "[sp", "[x29"};
    for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
        const char *at = strstr(text, bases[b]), *close = at ? strchr(at, ']') : NULL;
        if (!close) continue;
        const char *p = at + strlen(bases[b]);
        while (p < close && strchr(" ,+-#0123456789abcdefx", *p)) {
            /* a register's name begins with a letter after a blank; a number does not */
            if (*p == ' ' && strchr("abcdefx", p[1])) return NULL;
            p++;
        }
        if (p != close || close[1] == '!' || (close[1] == ',' && bases[b][1] != 'r')) return NULL;
        *n = (size_t)(close - at + 1);
        return at;
    }
    return NULL;
}

enum access { NOT_FRAME, LOADS, STORES };
static enum access access_of(const char *text, const char *slot, bool is_rbp_frame)
{
    const char *arg = strchr(text, ' ');
    if (!arg || !strncmp(text, "lea", 3) || !strncmp(text, "push", 4) || !strncmp(text, "pop", 3))
        return NOT_FRAME;
    if (!strncmp(slot, "[rbp", 4) && !is_rbp_frame) return NOT_FRAME;
    if (!strncmp(slot, "[sp", 3) || !strncmp(slot, "[x29", 4)) return !strncmp(text, "st", 2) ? STORES : LOADS;
    /* Intel order: the destination first. Only moves write memory without reading it. */
    const char *comma = strchr(arg, ',');
    bool first = comma && slot < comma;
    return !first ? LOADS : !strncmp(text, "mov", 3) || !strncmp(text, "vmov", 4) ? STORES : LOADS;
}

struct slot { const char *text; size_t n; int loads, stores; };

/* Accesses to slots that are both written and read, in instructions [from, to]. */
struct counts { size_t from, to; bool vectors; int stores, loads; };

static void count_function(const qj_listing *l, size_t from, size_t to, struct slot *slot, struct counts *out)
{
    size_t nslot = 0;
    bool rbp = false;
    for (size_t i = from; i < to; i++) rbp |= !strcmp(l->at[i].text, "mov rbp, rsp");
    for (int pass = 0; pass < 2; pass++) /* first which slots are spills, then how often they are used where asked */
        for (size_t i = from; i < to; i++) {
            size_t n, k = 0;
            const char *text = l->at[i].text, *at = frame_slot(text, &n);
            enum access a = at ? access_of(text, at, rbp) : NOT_FRAME;
            if (a == NOT_FRAME) continue;
            while (k < nslot && (slot[k].n != n || memcmp(slot[k].text, at, n))) k++;
            if (k == nslot) slot[nslot++] = (struct slot){at, n, 0, 0};
            if (pass == 0) *(a == LOADS ? &slot[k].loads : &slot[k].stores) += 1;
            else if (slot[k].loads && slot[k].stores && i >= out->from && i <= out->to &&
                     (!out->vectors || strstr(text, "mmword")))
                *(a == LOADS ? &out->loads : &out->stores) += 1;
        }
}

void disasm_spills_in(const qj_listing *l, size_t first, size_t last, bool vectors, int *stores, int *loads)
{
    struct slot *slot = calloc(l->n + 1, sizeof *slot);
    struct counts c = {.from = first, .to = last, .vectors = vectors};
    for (size_t from = 0, to; slot && from < l->n; from = to) {
        to = from + 1;
        while (to < l->n && !l->at[to].function) to++;
        if (from <= last && to > first) count_function(l, from, to, slot, &c);
    }
    free(slot);
    *stores = c.stores;
    *loads = c.loads;
}

void disasm_count_spills(qj_listing *l) { disasm_spills_in(l, 0, l->n, false, &l->spill_stores, &l->spill_loads); }
