/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/disasm.h"

#include <stdio.h>
#include <stdlib.h>

#include <llvm-c/Disassembler.h>
#include <llvm-c/Target.h>

#include "codegen/codegen.h"

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
    cg_setup();
    LLVMInitializeX86Disassembler(); /* stores a pointer in the target's entry: again is the same */
    LLVMInitializeAArch64Disassembler();
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

/* A slot is known by its register and distance: "[rsp + 24]", "[sp, #24]". What it holds may be two registers (ldp). */
struct slot { int base; long long at; int loads, stores; bool saved; };

/* False: no slot, or one that is indexed or moves the pointer. */
static bool frame_slot(const char *text, struct slot *out, const char **place)
{
    static const char *const bases[] = {"[rsp", "[rbp", "[sp", "[x29"};
    for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
        const char *at = strstr(text, bases[b]), *close = at ? strchr(at, ']') : NULL;
        char *end;
        if (!close) continue;
        const char *p = at + strlen(bases[b]);
        p += strspn(p, " ,+#");
        bool minus = *p == '-';
        p += strspn(p, "- ");
        *out = (struct slot){.base = (int)b, .at = strtoll(p, &end, 0)};
        if (minus) out->at = -out->at;
        if (end != close || close[1] == '!' || (close[1] == ',' && bases[b][1] != 'r')) return false;
        *place = at;
        return true;
    }
    return false;
}

enum access { NOT_FRAME, LOADS, STORES };
static enum access access_of(const char *text, const char *slot, bool has_frame)
{
    const char *arg = strchr(text, ' ');
    if (!arg || !strncmp(text, "lea", 3) || !strncmp(text, "push", 4) || !strncmp(text, "pop", 3))
        return NOT_FRAME;
    if ((!strncmp(slot, "[rbp", 4) || !strncmp(slot, "[x29", 4)) && !has_frame) return NOT_FRAME;
    if (!strncmp(slot, "[sp", 3) || !strncmp(slot, "[x29", 4)) return !strncmp(text, "st", 2) ? STORES : LOADS;
    /* Intel order: the destination first. Only moves write memory without reading it. */
    const char *comma = strchr(arg, ',');
    bool first = comma && slot < comma;
    return !first ? LOADS : !strncmp(text, "mov", 3) || !strncmp(text, "vmov", 4) ? STORES : LOADS;
}

/* AArch64's "stp q0, q1, ...": the register, and how many bytes it has. */
static char first_register(const char *text, int *number, int *bytes)
{
    const char *arg = strchr(text, ' ');
    *number = arg ? atoi(arg + 2) : 0;
    *bytes = !arg ? 0 : arg[1] == 'q' ? 16 : arg[1] == 'd' || arg[1] == 'x' ? 8 : 4;
    return arg ? arg[1] : 0;
}

/* A register that belongs to the caller: d8 to d15, x19 to x30. */
static bool callers(const char *text)
{
    int n, bytes;
    char kind = first_register(text, &n, &bytes);
    return kind == 'd' ? n >= 8 && n <= 15 : kind == 'x' && n >= 19 && n <= 30;
}

/* Accesses to slots that are both written and read, in instructions [from, to]. */
struct counts { size_t from, to; bool vectors; int stores, loads; };

static void count_access(struct slot *slot, size_t *nslot, struct slot here, enum access a, bool first_pass, bool save, bool wanted,
                         struct counts *out)
{
    size_t k = 0;
    while (k < *nslot && (slot[k].base != here.base || slot[k].at != here.at)) k++;
    if (k == *nslot) slot[(*nslot)++] = here;
    if (first_pass) {
        *(a == LOADS ? &slot[k].loads : &slot[k].stores) += 1;
        slot[k].saved |= save;
    } else if (slot[k].loads && slot[k].stores && !slot[k].saved && wanted) {
        *(a == LOADS ? &out->loads : &out->stores) += 1;
    }
}

static void count_function(const qj_listing *l, size_t from, size_t to, struct slot *slot, struct counts *out)
{
    size_t nslot = 0;
    bool frame = false; /* else rbp and x29 are registers like others */
    for (size_t i = from; i < to; i++) {
        const char *text = l->at[i].text;
        frame |= !strcmp(text, "mov rbp, rsp") || !strcmp(text, "mov x29, sp") || !strncmp(text, "add x29, sp,", 12);
    }
    for (int pass = 0; pass < 2; pass++) { /* first which slots are spills, then how often they are used where asked */
        bool entry = true; /* where AArch64 saves what is the caller's */
        for (size_t i = from; i < to; i++) {
            const char *text = l->at[i].text, *at;
            struct slot here;
            enum access a = frame_slot(text, &here, &at) ? access_of(text, at, frame) : NOT_FRAME;
            entry = entry && !l->at[i].jump;
            if (a == NOT_FRAME) continue;
            int number, bytes, x86 = here.base < 2, pair = !x86 && (!strncmp(text, "stp", 3) || !strncmp(text, "ldp", 3));
            bool vector = x86 ? strstr(text, "mmword") != NULL : first_register(text, &number, &bytes) == 'q';
            bool wanted = i >= out->from && i <= out->to && (!out->vectors || vector);
            for (int k = 0; k <= pair; k++) {
                count_access(slot, &nslot, here, a, pass == 0, entry && !x86 && a == STORES && callers(text), wanted, out);
                if (pair) here.at += bytes;
            }
        }
    }
}

void disasm_spills_in(const qj_listing *l, size_t first, size_t last, bool vectors, int *stores, int *loads)
{
    struct slot *slot = calloc(2 * l->n + 1, sizeof *slot);
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
