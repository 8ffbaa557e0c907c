/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - help and explain: words from the rows of cmds.def, prims.def, err.def, explain.def. */
#include "ir/parse.h"
#include "schedule/sched.h"
#include "tools/qjit/cmds.h"

static const struct { const char *text, *example; } explained[ERR_COUNT] = {
#define EXPLAIN(code, text, example) [ERR_##code] = {text, example},
#include "tools/qjit/explain.def"
#undef EXPLAIN
};
enum {
    EXPLAINED = 1
#define EXPLAIN(code, text, example) + 1
#include "tools/qjit/explain.def"
#undef EXPLAIN
};
_Static_assert((int)EXPLAINED == (int)ERR_COUNT, "explain.def has a row for every row of err.def");

static const struct { const char *name, *text; } topics[] = {
    {"definitions",
     "  input   A[m:512, k:512] : u8 in 0..127     an argument, new at each call; the range is optional\n"
     "  weight  W[n:512, k:512] : i8               a constant; what depends on weights alone is packed ahead\n"
     "  bias, scale                                other words for weight\n"
     "  extern f(i32, f32) : i8                    a function of the host's, pure: f(x, 0.5)\n"
     "  P = pad(A, m: 1 1, value: 0)               rows before and after\n"
     "  C[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k])\n"
     "  sum max min fmasum (axes) term             a reduction, only at the root of a definition\n"
     "  Extents are inferred from the tensors an axis indexes; write C[m:512] where they cannot be.\n"
     "  Types: bool i8 u8 i16 u16 i32 i64 f32. Nothing converts silently: i32(x) wraps, sat_i8(x) saturates.\n"
     "  Operators: | ^ & == != < <= > >= << >> + - * / %  and - !; / and % floor.\n"},
    {"limits",
     "  rank of a tensor            8 (16 after a layout)\n"
     "  bytes of a tensor           below 2^47\n"
     "  tensors in a program        1024, computed ones 64\n"
     "  depth of an expression      64\n"
     "  loops of a stage            96 ever made, by 48 splits and fuses\n"
     "  arguments of a step         16, names after -> 8\n"
     "  a script                    64 MiB; load in load 16 deep\n"},
    {"environment",
     "  QJRT_THREADS        threads for parallel loops, as --threads\n"
     "  QJIT_PTXAS          NVIDIA's ptxas, for .cubin files and register counts; empty: none\n"
     "  QJIT_PROFILE        map, dump, gdb or all: tell perf and gdb where kernels lie (runtime/README.md)\n"
     "  JITDUMPDIR          where dump writes .debug/jit; else HOME\n"
     "  QJIT_HISTORY        file of typed lines; empty: none. Else in XDG_STATE_HOME or HOME\n"
     "  NO_COLOR            no colour on a terminal\n"},
    {"exit",
     "  0  done\n"
     "  1  the script, a file or an argument is at fault; the error names the place\n"
     "  2  the command line could not be read\n"
     "  3  check found a wrong bit\n"
     "  4  this machine lacks what the kernel was compiled for\n"
     "  5  out of memory, or LLVM refused the module\n"},
};

static const char intrinsic_help[] =
    "  operands  what the instruction reads and writes: \"C: i32[8], A: i16[2], B: i16[8,2]\"; the first is written,\n"
    "            each lies contiguous and row-major at its address\n"
    "  meaning   what it computes: \"C[i] += i32(A[k]) * i32(B[i,k])\"; = += max= min= fma=\n"
    "  recipe    how LLVM does it, the value stored to the first operand:\n"
    "            \"add(C, @llvm.x86.avx2.pmadd.wd(repeat.i16x16(A), B))\"\n"
    "            @llvm.NAME(...)  add sub mul and or xor shl lshr ashr fadd fmul\n"
    "            part.i8x32(B, 1): the second 32 bytes of B, loaded alone\n"
    "            sext zext trunc bitcast repeat .TYPE (x)   TYPE as i16x16; asm \"...\" needs --allow-asm\n"
    "  needs     CPU features, as \"avx2\"\n"
    "  check runs the row against its meaning with the kernel: a row that lies is a mismatch.\n";

size_t help_topics(const char **names)
{
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) names[i] = topics[i].name;
    return ARRAY_LEN(topics);
}

const char *help_topic(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(topics); i++)
        if (!strcmp(topics[i].name, name)) return topics[i].text;
    return NULL;
}

const char *help_example(enum err_code code) { return explained[code].example; }

size_t first_words(const char **names)
{
    size_t n = 0;
    for (int i = 0; i < CMD_COUNT; i++) names[n++] = cmd_info[i].name;
    for (int i = 0; i < PRIM_COUNT; i++) names[n++] = prim_info[i].name;
    names[n++] = sch_template.name;
    for (int i = 0; parse_keywords[i] && n < FIRST_WORDS; i++) names[n++] = parse_keywords[i];
    return n;
}

/* Words, wrapped at 100 columns and indented. */
static void put_wrapped(FILE *f, const char *text, int indent)
{
    int col = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (col && col + 1 + n > 100) {
            fputc('\n', f);
            col = 0;
        }
        if (col) fputc(' ', f);
        else fprintf(f, "%*s", indent, "");
        col += (col ? 1 : indent) + n;
        fwrite(text, 1, (size_t)n, f);
        text += n;
        while (*text == ' ') text++;
    }
    fputc('\n', f);
}

static void put_prim(FILE *f, const struct prim_info *p)
{
    fprintf(f, "%s %s\n", p->name, p->syntax);
    put_wrapped(f, p->help, 2);
    fprintf(f, "  before:  %s\n  after:   %s\n", p->before, p->after);
}

static void put_overview(FILE *f)
{
    fputs("A statement ends at a newline or `;`; # starts a comment.\n\nDefinitions:  ", f);
    for (int i = 0; parse_keywords[i]; i++)
        if (strcmp(parse_keywords[i], "extern")) fprintf(f, "%s ", parse_keywords[i]);
    fputs("NAME[...] : TYPE,  extern NAME(TYPES) : TYPE,  NAME[axes] : TYPE = expression     (help definitions)\n\nSchedule steps:\n", f);
    for (int i = 0; i < PRIM_COUNT; i++) fprintf(f, "  %s %s\n", prim_info[i].name, prim_info[i].syntax);
    fprintf(f, "  %s %s\n", sch_template.name, sch_template.syntax);
    fputs("\nCommands:\n", f);
    for (int i = 0; i < CMD_COUNT; i++) {
        const struct cmd_info *c = &cmd_info[i];
        if (c->run == cmd_intrinsic) fputs("  intrinsic NAME ...      ", f);
        else fprintf(f, "  %s%s%-*s", c->name, *c->args ? " " : "", 23 - (int)strlen(c->name) - (*c->args != 0), c->args);
        fprintf(f, " %s\n", c->help);
    }
    fputs("\nhelp WORD tells more about each; help exit has the exit codes.\n", f);
}

bool help_error(FILE *f, const char *name)
{
    for (int i = 1; i < ERR_COUNT; i++) {
        if (strcmp(err_name((enum err_code)i), name)) continue;
        fprintf(f, "%s\n", name);
        put_wrapped(f, explained[i].text, 2);
        fprintf(f, "  what helps: %s\n", err_row_hint((enum err_code)i));
        if (*explained[i].example) fprintf(f, "  example:    %s\n", explained[i].example);
        return true;
    }
    return false;
}

bool help_word(struct session *s, FILE *f, const struct word *w)
{
    if (!w) {
        put_overview(f);
        return true;
    }
    enum prim prim;
    const struct cmd_info *c = cmd_find(w->text, strlen(w->text));
    if (c) {
        fprintf(f, "%s%s%s\n", c->name, *c->args ? " " : "", c->args);
        put_wrapped(f, c->help, 2);
        if (c->run == cmd_intrinsic) fputs(intrinsic_help, f);
        return true;
    }
    if (prim_by_name(w->text, strlen(w->text), &prim)) {
        put_prim(f, &prim_info[prim]);
        return true;
    }
    if (!strcmp(w->text, sch_template.name)) {
        put_prim(f, &sch_template);
        return true;
    }
    if (help_topic(w->text)) {
        fputs(help_topic(w->text), f);
        return true;
    }
    for (int i = 0; parse_keywords[i]; i++)
        if (!strcmp(parse_keywords[i], w->text)) {
            fputs(topics[0].text, f);
            return true;
        }
    if (help_error(f, w->text)) return true;
    const char *names[FIRST_WORDS + ARRAY_LEN(topics)];
    size_t n = first_words(names);
    n += help_topics(names + n);
    return fail_word(s, ERR_UNKNOWN_NAME, w, "no help on", names, n);
}
