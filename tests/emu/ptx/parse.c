/* SPDX-License-Identifier: Apache-2.0 */
/* parse.c - PTX text to entries and decoded instructions. What it does not know it refuses, by line. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/emu/ptx/impl.h"

const char *const ptx_op_name[OP_COUNT] = {
#define X(name, words, lo, hi) [OP_##name] = #name,
    PTX_OPS(X)
#undef X
};
static const struct { unsigned words; int lo, hi; } op_row[OP_COUNT] = {
#define X(name, words, lo, hi) [OP_##name] = {words, lo, hi},
    PTX_OPS(X)
#undef X
};

struct parser {
    struct ptx *p;
    struct entry *e;            /* NULL: outside entries */
    const char *at;
    int line;
    char tok[256];
    char *why;
    size_t size;
    jmp_buf pad;
};

static void refuse(struct parser *s, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
static void refuse(struct parser *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(s->why, s->size, "line %d: ", s->line);
    if (n > 0 && (size_t)n < s->size) vsnprintf(s->why + n, s->size - (size_t)n, fmt, ap);
    va_end(ap);
    longjmp(s->pad, 1);
}

static void *grow(void *at, int n, int *cap, size_t size)
{
    if (n < *cap) return at;
    *cap = *cap ? *cap * 2 : 64;
    return realloc(at, (size_t)*cap * size);
}

/* An array that grows one by one: small ones. */
#define ADD(array, n, ...)                                                        \
    ((array) = realloc((array), (size_t)((n) + 1) * sizeof *(array)), (array)[(n)++] = __VA_ARGS__)

/* ---- tokens: names with their dots, numbers, single marks ---- */

static void skip_blank(struct parser *s)
{
    for (;; s->at++) {
        if (*s->at == '\n') s->line++;
        else if (s->at[0] == '/' && s->at[1] == '/') {
            while (s->at[1] && s->at[1] != '\n') s->at++;
        } else if (s->at[0] == '/' && s->at[1] == '*') {
            const char *end = strstr(s->at + 2, "*/");
            if (!end) refuse(s, "a comment does not end");
            for (; s->at < end + 1; s->at++) s->line += *s->at == '\n';
        } else if (!isspace((unsigned char)*s->at)) return;
    }
}

static bool in_word(char c) { return isalnum((unsigned char)c) || (c && strchr("_.$%:", c)); }

static const char *next(struct parser *s)
{
    size_t n = 0;
    skip_blank(s);
    if (!*s->at) return strcpy(s->tok, "");
    if (*s->at == '"') {
        do s->tok[n++] = *s->at++;
        while (*s->at && *s->at != '"' && n < sizeof s->tok - 2);
        if (*s->at == '"') s->at++;
    } else if (*s->at == '-' && isdigit((unsigned char)s->at[1])) {
        s->tok[n++] = *s->at++;
        while (isalnum((unsigned char)*s->at) && n < sizeof s->tok - 1) s->tok[n++] = *s->at++;
    } else if (in_word(*s->at) && *s->at != ':') {
        /* a label's colon ends it, the two of .shared::cta do not */
        while (in_word(*s->at) && n < sizeof s->tok - 1) {
            if (*s->at == ':') {
                if (s->at[1] != ':') break;
                s->tok[n++] = *s->at++;
            }
            s->tok[n++] = *s->at++;
        }
    } else {
        s->tok[n++] = *s->at++;
    }
    s->tok[n] = 0;
    return s->tok;
}

static bool peek_is(struct parser *s, char c)
{
    skip_blank(s);
    return *s->at == c;
}

static bool take(struct parser *s, char c)
{
    if (!peek_is(s, c)) return false;
    s->at++;
    return true;
}

static void expect(struct parser *s, char c)
{
    if (!take(s, c)) refuse(s, "'%c' expected before '%.20s'", c, s->at);
}

static int64_t number(struct parser *s, const char *t)
{
    char *end;
    bool neg = *t == '-';
    if (neg) t++;
    if (t[0] == '0' && (t[1] == 'f' || t[1] == 'F') && strlen(t) == 10) return (int64_t)strtoul(t + 2, NULL, 16);
    uint64_t v = strtoull(t, &end, 0);
    if (end == t || (*end && strcmp(end, "U"))) refuse(s, "a number expected, not '%s'", t);
    return (int64_t)(neg ? 0 - v : v);
}

/* ---- types and words ---- */

static bool read_type(const char *w, struct ptype *out)
{
    static const struct { const char *name; struct ptype t; } known[] = {
        {"pred", {K_PRED, 1}}, {"b8", {K_BITS, 8}}, {"b16", {K_BITS, 16}}, {"b32", {K_BITS, 32}},
        {"b64", {K_BITS, 64}}, {"u8", {K_UINT, 8}}, {"u16", {K_UINT, 16}}, {"u32", {K_UINT, 32}},
        {"u64", {K_UINT, 64}}, {"s8", {K_SINT, 8}}, {"s16", {K_SINT, 16}}, {"s32", {K_SINT, 32}},
        {"s64", {K_SINT, 64}}, {"f32", {K_FLOAT, 32}}, {"u16x2", {K_UINT_PAIR, 32}},
        {"s16x2", {K_SINT_PAIR, 32}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(w, known[i].name)) return *out = known[i].t, true;
    return false;
}

/* A word that sets one field of an instruction. */
static const struct word { const char *name; unsigned class; size_t field; uint8_t value; } words[] = {
#define F(f) offsetof(struct instr, f)
    {"rn", W_ROUND, F(round), R_RN}, {"rz", W_ROUND, F(round), R_RZ}, {"rm", W_ROUND, F(round), R_RM},
    {"rp", W_ROUND, F(round), R_RP}, {"rni", W_ROUND, F(round), R_RNI}, {"rzi", W_ROUND, F(round), R_RZI},
    {"rmi", W_ROUND, F(round), R_RMI}, {"rpi", W_ROUND, F(round), R_RPI},
    {"lo", W_PART, F(part), PART_LO}, {"hi", W_PART, F(part), PART_HI}, {"wide", W_PART, F(part), PART_WIDE},
    {"v2", W_VEC, F(vec), 2}, {"v4", W_VEC, F(vec), 4},
    {"eq", W_CMP, F(cmp), CMP_EQ}, {"ne", W_CMP, F(cmp), CMP_NE}, {"lt", W_CMP, F(cmp), CMP_LT},
    {"le", W_CMP, F(cmp), CMP_LE}, {"gt", W_CMP, F(cmp), CMP_GT}, {"ge", W_CMP, F(cmp), CMP_GE},
    {"equ", W_CMP, F(cmp), CMP_EQU}, {"neu", W_CMP, F(cmp), CMP_NEU}, {"ltu", W_CMP, F(cmp), CMP_LTU},
    {"leu", W_CMP, F(cmp), CMP_LEU}, {"gtu", W_CMP, F(cmp), CMP_GTU}, {"geu", W_CMP, F(cmp), CMP_GEU},
    {"sat", W_SAT, F(sat), true}, {"satfinite", W_SAT, F(sat), true},
    {"trans", W_TRANS, F(trans), true}, {"to", W_TO, F(to), true}, {"warp", W_WARP, F(warp), true},
    {"m8n8", W_SHAPE, F(shape), SH_M8N8}, {"m8n8k16", W_SHAPE, F(shape), SH_M8N8K16},
    {"m16n8k16", W_SHAPE, F(shape), SH_M16N8K16}, {"m16n8k32", W_SHAPE, F(shape), SH_M16N8K32},
    {"x1", W_COUNT, F(count), 1}, {"x2", W_COUNT, F(count), 2}, {"x4", W_COUNT, F(count), 4},
    {"row", W_LAYOUT, F(row_first), true},
    {"add", W_ATOM, F(atom), AT_ADD}, {"min", W_ATOM, F(atom), AT_MIN}, {"max", W_ATOM, F(atom), AT_MAX},
    {"and", W_ATOM, F(atom), AT_AND}, {"or", W_ATOM, F(atom), AT_OR}, {"xor", W_ATOM, F(atom), AT_XOR},
    {"exch", W_ATOM, F(atom), AT_EXCH}, {"cas", W_ATOM, F(atom), AT_CAS},
    {"up", W_SHFL, F(shfl), SF_UP}, {"down", W_SHFL, F(shfl), SF_DOWN}, {"bfly", W_SHFL, F(shfl), SF_BFLY},
    {"idx", W_SHFL, F(shfl), SF_IDX}, {"l", W_SHIFT, F(left), true}, {"wrap", W_SHIFT, F(wrap), true},
    {"commit_group", W_ASYNC | W_GROUP, F(async), AS_COMMIT}, {"wait_group", W_ASYNC | W_GROUP, F(async), AS_WAIT},
    {"wait_all", W_ASYNC, F(async), AS_WAIT_ALL}, {"pack", W_PACK, F(pack), true},
    {"fence", W_GROUP, F(async), AS_FENCE}, {"mma_async", W_GROUP, F(async), AS_MMA}, {"proxy", W_PROXY, F(proxy), true},
    {"m64n8k32", W_GROUP, F(count), 8}, {"m64n16k32", W_GROUP, F(count), 16}, {"m64n32k32", W_GROUP, F(count), 32},
    {"m64n64k32", W_GROUP, F(count), 64}, {"m64n128k32", W_GROUP, F(count), 128},
    {"ballot", W_VOTE, F(atom), AT_NONE},
#undef F
};

/* Words that change nothing here: hints, and what is the only possibility anyhow. */
static const struct { const char *name; unsigned class; } silent[] = {
    {"sync", W_SYNC}, {"aligned", W_SYNC}, {"uni", W_UNI}, {"col", W_LAYOUT}, {"r", W_SHIFT}, {"clamp", W_SHIFT},
    {"async", W_ASYNC | W_PROXY}, {"shared::cta", W_PROXY}, {"ca", W_CACHE}, {"cg", W_CACHE}, {"cs", W_CACHE}, {"nc", W_CACHE}, {"wb", W_CACHE},
    {"L1::no_allocate", W_CACHE}, {"L2::64B", W_CACHE}, {"L2::128B", W_CACHE}, {"L2::256B", W_CACHE},
    {"relaxed", W_SCOPE}, {"acq_rel", W_SCOPE}, {"sc", W_SCOPE}, {"cta", W_SCOPE}, {"gpu", W_SCOPE}, {"gl", W_SCOPE},
    {"sys", W_SCOPE}, {"volatile", W_CACHE},
};

static bool read_space(const char *w, uint8_t *out)
{
    static const struct { const char *name; enum space s; } known[] = {
        {"global", SP_GLOBAL}, {"shared", SP_SHARED}, {"shared::cta", SP_SHARED}, {"local", SP_LOCAL},
        {"param", SP_PARAM}, {"const", SP_CONST},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(w, known[i].name)) return *out = (uint8_t)known[i].s, true;
    return false;
}

static bool set_word(struct instr *i, unsigned takes, const char *w)
{
    uint8_t space;
    struct ptype t;
    if ((takes & W_TYPE) && i->ntype < MAX_TYPES && read_type(w, &t)) return i->type[i->ntype++] = t, true;
    if ((takes & W_SPACE) && read_space(w, &space)) {
        if (!i->space) i->space = space;
        else i->space2 = space;
        return true;
    }
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        if ((takes & words[k].class) && !strcmp(w, words[k].name)) {
            memcpy((char *)i + words[k].field, &words[k].value, 1);
            return true;
        }
    /* lo, ls, hi, hs are unsigned comparisons too */
    if (takes & W_CMP) {
        static const char *const other[] = {"lo", "ls", "hi", "hs"};
        static const uint8_t means[] = {CMP_LT, CMP_LE, CMP_GT, CMP_GE};
        for (int k = 0; k < 4; k++)
            if (!strcmp(w, other[k])) return i->cmp = means[k], true;
    }
    for (size_t k = 0; k < sizeof silent / sizeof *silent; k++)
        if ((takes & silent[k].class) && !strcmp(w, silent[k].name)) return true;
    return false;
}

static void decode(struct parser *s, struct instr *i, char *text)
{
    char *save, *word = strtok_r(text, ".", &save);
    int op = 0;
    while (op < OP_COUNT && strcmp(ptx_op_name[op], word)) op++;
    if (op == OP_COUNT) refuse(s, "unknown instruction '%s'", word);
    i->op = (uint8_t)op;
    if (op == OP_cp) i->async = AS_COPY;
    while ((word = strtok_r(NULL, ".", &save)))
        if (!set_word(i, op_row[op].words, word)) refuse(s, "unknown .%s of %s", word, ptx_op_name[op]);
    if (i->async != AS_COPY || op != OP_cp) return;
    if (i->space != SP_SHARED || i->space2 != SP_GLOBAL) refuse(s, "cp.async copies global to shared");
}

/* ---- operands ---- */

static int find_reg(struct parser *s, const char *name)
{
    for (int i = s->e->nreg - 1; i >= 0; i--)
        if (!strcmp(s->e->reg[i].name, name)) return i;
    refuse(s, "no register %s", name);
}

static size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

static const struct symbol *find_symbol(struct parser *s, const char *name)
{
    for (int i = 0; i < s->e->nsymbol; i++)
        if (!strcmp(s->e->symbol[i].name, name)) return &s->e->symbol[i];
    const struct symbol *of = NULL;
    for (int i = 0; i < s->p->nsymbol && !of; i++)
        if (!strcmp(s->p->symbol[i].name, name)) of = &s->p->symbol[i];
    if (!of || of->space != SP_SHARED || of->address) return of;
    s->e->shared = round_up(s->e->shared, of->align);
    ADD(s->e->symbol, s->e->nsymbol, ((struct symbol){strdup(name), SP_SHARED, s->e->shared, 0, 0}));
    s->e->shared += of->bytes;
    return &s->e->symbol[s->e->nsymbol - 1];
}

static bool read_sreg(const char *name, struct operand *o)
{
    static const struct { const char *name; enum sreg s; } known[] = {
        {"%tid.", S_TID}, {"%ntid.", S_NTID}, {"%ctaid.", S_CTAID}, {"%nctaid.", S_NCTAID}};
    if (!strcmp(name, "%laneid")) return *o = (struct operand){.kind = O_SREG, .reg = S_LANEID}, true;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i].name);
        if (strncmp(name, known[i].name, n) || name[n] < 'x' || name[n] > 'z' || name[n + 1]) continue;
        return *o = (struct operand){.kind = O_SREG, .reg = known[i].s, .dim = (uint8_t)(name[n] - 'x')}, true;
    }
    return false;
}

static struct operand read_plain(struct parser *s, const struct instr *i)
{
    struct operand o = {.kind = O_REG};
    bool negated = take(s, '!');
    const char *t = next(s);
    if (*t == '%') {
        if (!read_sreg(t, &o)) o.reg = find_reg(s, t);
        o.negated = negated;
        return o;
    }
    if (isdigit((unsigned char)*t) || *t == '-') return (struct operand){.kind = O_IMM, .imm = number(s, t)};
    const struct symbol *sym = find_symbol(s, t);
    if (sym && i->op != OP_bra) return (struct operand){.kind = O_IMM, .imm = (int64_t)sym->address};
    for (int k = s->e->nreg - 1; k >= 0 && i->op != OP_bra; k--) /* of a block: without a % */
        if (!strcmp(s->e->reg[k].name, t)) return (struct operand){.kind = O_REG, .reg = k, .negated = negated};
    if (i->op != OP_bra) refuse(s, "no symbol %s", t);
    for (int k = 0; k < s->e->nlabel; k++) /* labels may come later: resolved at the end of the entry */
        if (!strcmp(s->e->label[k].name, t)) return (struct operand){.kind = O_LABEL, .reg = k};
    ADD(s->e->label, s->e->nlabel, (struct label){strdup(t), -1});
    return (struct operand){.kind = O_LABEL, .reg = s->e->nlabel - 1};
}

static struct operand read_address(struct parser *s, const struct instr *i)
{
    struct operand o = {.kind = O_ADDR, .reg = -1};
    do {
        bool minus = take(s, '-');
        const char *t = next(s);
        if (*t == '%') {
            if (o.reg >= 0) refuse(s, "two registers in an address");
            o.reg = find_reg(s, t);
        } else if (isdigit((unsigned char)*t) || *t == '-') {
            int64_t v = number(s, t);
            o.imm += minus ? -v : v;
        } else {
            const struct symbol *sym = find_symbol(s, t);
            if (!sym) refuse(s, "no symbol %s", t);
            if (i->space != sym->space && !(i->space == SP_GENERIC && sym->space == SP_CONST))
                refuse(s, "%s lies in another space", t);
            o.imm += (int64_t)sym->address;
        }
    } while (take(s, '+') || peek_is(s, '-'));
    expect(s, ']');
    return o;
}

static struct operand read_operand(struct parser *s, const struct instr *i)
{
    if (take(s, '[')) return read_address(s, i);
    if (!take(s, '{')) return read_plain(s, i);
    struct operand list = {.kind = O_LIST, .first = s->p->nlist};
    do {
        struct operand o = read_plain(s, i);
        s->p->list = grow(s->p->list, s->p->nlist, &s->p->cap_list, sizeof o);
        s->p->list[s->p->nlist++] = o;
        list.n++;
    } while (take(s, ','));
    expect(s, '}');
    return list;
}

/* ---- an instruction ---- */

static void check_shape(struct parser *s, const struct instr *i)
{
    const struct operand *o = i->opd;
    const char *name = ptx_op_name[i->op];
    if (i->nopd < op_row[i->op].lo || i->nopd > op_row[i->op].hi) refuse(s, "%s with %d operands", name, i->nopd);
    if ((op_row[i->op].words & W_TYPE) && !i->ntype && i->op != OP_activemask && i->op != OP_wgmma)
        refuse(s, "%s without a type", name);
    if (i->vec && o[i->op == OP_st].n != i->vec) refuse(s, "%s of %d elements", name, o[i->op == OP_st].n);
    if (i->op == OP_mma) {
        static const uint8_t want[][4] = {
            [SH_M8N8K16] = {2, 1, 1, 2}, [SH_M16N8K16] = {4, 2, 1, 4}, [SH_M16N8K32] = {4, 4, 2, 4}};
        if (i->shape < SH_M8N8K16 || i->ntype != 4 || i->type[0].bits != 32 || i->type[1].bits != 8
            || i->type[2].bits != 8 || !i->row_first)
            refuse(s, "a form of mma that is not known");
        for (int k = 0; k < 4; k++)
            if (o[k].kind != O_LIST ? want[i->shape][k] != 1 : o[k].n != want[i->shape][k])
                refuse(s, "operand %d of mma", k);
    }
    if (i->op == OP_wgmma && !group_shape_known(s->p, i)) refuse(s, "a form of wgmma that is not known");
    if (i->op == OP_ldmatrix
        && (i->shape != SH_M8N8 || !i->count || i->space != SP_SHARED || (o[0].kind == O_LIST && o[0].n != i->count)))
        refuse(s, "a form of ldmatrix that is not known");
}

static void read_instr(struct parser *s, struct instr i)
{
    char text[256];
    i.line = s->line;
    strcpy(text, s->tok);
    decode(s, &i, text);
    if (!take(s, ';')) {
        do {
            if (i.nopd == MAX_OPDS) refuse(s, "too many operands");
            i.opd[i.nopd++] = read_operand(s, &i);
            /* setp p|q: the second predicate; shfl d|p likewise */
            if (peek_is(s, '|')) refuse(s, "a second result of %s", ptx_op_name[i.op]);
        } while (take(s, ','));
        expect(s, ';');
    }
    check_shape(s, &i);
    s->p->instr = grow(s->p->instr, s->p->ninstr, &s->p->cap_instr, sizeof i);
    s->p->instr[s->p->ninstr++] = i;
    s->e->ninstr++;
}

/* ---- declarations ---- */

/* ".align 16 .b8 name[256]" or ".u32 name": the name in s->tok, its size returned; *open: name[]. */
static size_t read_variable(struct parser *s, size_t *align, struct ptype *type, bool *open)
{
    size_t n = 1;
    *align = 0;
    *open = false;
    type->kind = K_NONE;
    for (;;) {
        const char *t = next(s);
        if (!strcmp(t, ".align")) *align = (size_t)number(s, next(s));
        else if (!strcmp(t, ".ptr")) continue;
        else if (*t == '.' && read_space(t + 1, &(uint8_t){0})) continue;
        else if (*t == '.' && read_type(t + 1, type)) continue;
        else if (*t == '.') refuse(s, "a declaration with %s", t);
        else break;
    }
    if (type->kind == K_NONE) refuse(s, "%s has no type", s->tok);
    char name[sizeof s->tok];
    strcpy(name, s->tok);
    if (take(s, '[')) {
        *open = peek_is(s, ']');
        n = *open ? 0 : (size_t)number(s, next(s));
        expect(s, ']');
    }
    strcpy(s->tok, name);
    if (!*align) *align = type->bits / 8u;
    return n * type->bits / 8;
}

static void declare_shared(struct parser *s, bool external)
{
    size_t align;
    struct ptype t;
    bool open;
    size_t bytes = read_variable(s, &align, &t, &open);
    if (open != external) refuse(s, "%s: only .extern .shared has no size", s->tok);
    struct symbol sym = {strdup(s->tok), SP_SHARED, external ? DYNAMIC_SHARED : 0, bytes, align};
    if (s->e) {
        sym.address = s->e->shared = round_up(s->e->shared, align);
        s->e->shared += bytes;
        ADD(s->e->symbol, s->e->nsymbol, sym);
    } else ADD(s->p->symbol, s->p->nsymbol, sym);
    expect(s, ';');
}

static void declare_local(struct parser *s)
{
    size_t align;
    struct ptype t;
    bool open;
    size_t bytes = read_variable(s, &align, &t, &open);
    s->e->local = round_up(s->e->local, align);
    ADD(s->e->symbol, s->e->nsymbol, ((struct symbol){strdup(s->tok), SP_LOCAL, s->e->local, 0, 0}));
    s->e->local += bytes;
    expect(s, ';');
}

/* .const or .global with values: both live in the constants here, which nobody writes. */
static void declare_constant(struct parser *s, uint8_t space)
{
    size_t align, at = 0;
    struct ptype t;
    bool open;
    size_t bytes = read_variable(s, &align, &t, &open), base = round_up(s->p->constants, align < 16 ? 16 : align);
    ADD(s->p->symbol, s->p->nsymbol, ((struct symbol){strdup(s->tok), space, CONST_BASE + base, 0, 0}));
    s->p->constant = realloc(s->p->constant, base + bytes);
    memset(s->p->constant + s->p->constants, 0, base + bytes - s->p->constants);
    s->p->constants = base + bytes;
    if (!take(s, '=')) refuse(s, "a writable global variable");
    bool many = take(s, '{');
    do {
        int64_t v = number(s, next(s));
        if (at + t.bits / 8u > bytes) refuse(s, "too many values");
        memcpy(s->p->constant + base + at, &v, t.bits / 8u);
        at += t.bits / 8u;
    } while (many && take(s, ','));
    if (many) expect(s, '}');
    expect(s, ';');
}

static void declare_regs(struct parser *s)
{
    struct ptype t;
    const char *w = next(s);
    if (*w != '.' || !read_type(w + 1, &t)) refuse(s, "registers of type %s", w);
    do {
        char name[sizeof s->tok + 16];
        strcpy(name, next(s));
        if (!take(s, '<')) {
            ADD(s->e->reg, s->e->nreg, (struct reg){strdup(name), t});
            continue;
        }
        size_t end = strlen(name);
        int n = (int)number(s, next(s));
        expect(s, '>');
        for (int i = 0; i < n; i++) {
            snprintf(name + end, 16, "%d", i);
            ADD(s->e->reg, s->e->nreg, (struct reg){strdup(name), t});
        }
    } while (take(s, ','));
    expect(s, ';');
}

static void skip_statement(struct parser *s)
{
    while (*next(s) && *s->tok != ';') {}
}

/* ---- an entry ---- */

static void read_params(struct parser *s)
{
    if (!take(s, '(') || take(s, ')')) return;
    do {
        size_t align;
        struct ptype t;
        bool open;
        read_variable(s, &align, &t, &open);
        if (open) refuse(s, "%s: a parameter that is an array", s->tok);
        ADD(s->e->symbol, s->e->nsymbol, ((struct symbol){strdup(s->tok), SP_PARAM, (uint64_t)s->e->nparam * 8, 0, 0}));
        ADD(s->e->param, s->e->nparam, t);
    } while (take(s, ','));
    expect(s, ')');
}

static void read_limits(struct parser *s)
{
    while (peek_is(s, '.')) {
        const char *t = next(s);
        bool max = !strcmp(t, ".maxntid"), wanted = max || !strcmp(t, ".reqntid");
        if (!wanted && strcmp(t, ".minnctapersm") && strcmp(t, ".maxnreg")) refuse(s, "%s", t);
        for (int d = 0; d < 3; d++) {
            unsigned v = (unsigned)number(s, next(s));
            if (wanted) s->e->maxntid[d] = v;
            if (!take(s, ',')) {
                for (d++; wanted && d < 3; d++) s->e->maxntid[d] = 1;
                break;
            }
        }
    }
}

static void read_line(struct parser *s, int *depth)
{
    struct instr i = {.pred = -1};
    if (take(s, '{')) {
        ++*depth;
        return;
    }
    if (take(s, '}')) {
        --*depth;
        return;
    }
    if (take(s, '@')) {
        i.pred_not = take(s, '!');
        i.pred = (int16_t)find_reg(s, next(s));
    }
    if (take(s, ';')) return;
    const char *t = next(s);
    if (!*t) refuse(s, "the text ends inside %s", s->e->name);
    if (take(s, ':')) {
        for (int k = 0; k < s->e->nlabel; k++)
            if (!strcmp(s->e->label[k].name, t)) {
                s->e->label[k].at = s->e->ninstr;
                return;
            }
        ADD(s->e->label, s->e->nlabel, (struct label){strdup(t), s->e->ninstr});
    } else if (!strcmp(t, ".reg")) declare_regs(s);
    else if (!strcmp(t, ".shared")) declare_shared(s, false);
    else if (!strcmp(t, ".local")) declare_local(s);
    else if (!strcmp(t, ".loc") || !strcmp(t, ".pragma")) {
        if (*t && t[1] == 'p') skip_statement(s);
        else while (*s->at && *s->at != '\n') s->at++;
    } else read_instr(s, i);
}

static void resolve_labels(struct parser *s)
{
    for (int k = s->e->first; k < s->p->ninstr; k++)
        for (int o = 0; o < s->p->instr[k].nopd; o++) {
            struct operand *x = &s->p->instr[k].opd[o];
            if (x->kind != O_LABEL) continue;
            if (s->e->label[x->reg].at < 0) refuse(s, "no label %s", s->e->label[x->reg].name);
            x->reg = s->e->label[x->reg].at;
        }
}

static void read_entry(struct parser *s)
{
    int depth = 1;
    const char *name = next(s);
    ADD(s->p->entry, s->p->nentry, (struct entry){.name = strdup(name), .first = s->p->ninstr});
    s->e = &s->p->entry[s->p->nentry - 1];
    read_params(s);
    read_limits(s);
    expect(s, '{');
    while (depth) read_line(s, &depth);
    resolve_labels(s);
    s->e = NULL;
}

static void read_module(struct parser *s)
{
    bool external = false;
    for (const char *t = next(s); *t; t = next(s)) {
        if (!strcmp(t, ".version") || !strcmp(t, ".address_size")) next(s);
        else if (!strcmp(t, ".target")) {
            snprintf(s->p->target, sizeof s->p->target, "%.15s", next(s));
            while (take(s, ',')) next(s);
        } else if (!strcmp(t, ".visible") || !strcmp(t, ".weak")) continue;
        else if (!strcmp(t, ".extern")) {
            external = true;
            continue;
        } else if (!strcmp(t, ".entry")) read_entry(s);
        else if (!strcmp(t, ".shared")) declare_shared(s, external);
        else if (!strcmp(t, ".const") || !strcmp(t, ".global")) declare_constant(s, t[1] == 'c' ? SP_CONST : SP_GLOBAL);
        else if (!strcmp(t, ".file")) while (*s->at && *s->at != '\n') s->at++;
        else refuse(s, "'%s' outside an entry", t);
        external = false;
    }
}

struct ptx *ptx_load(const char *text, char *why, size_t size)
{
    struct parser *s = calloc(1, sizeof *s);
    s->p = calloc(1, sizeof *s->p);
    s->at = text;
    s->line = 1;
    s->why = why;
    s->size = size;
    if (setjmp(s->pad) == 0) {
        read_module(s);
    } else {
        ptx_free(s->p);
        s->p = NULL;
    }
    struct ptx *p = s->p;
    free(s);
    return p;
}

static void free_symbols(struct symbol *s, int n)
{
    for (int i = 0; i < n; i++) free(s[i].name);
    free(s);
}

void ptx_free(struct ptx *p)
{
    if (!p) return;
    for (int i = 0; i < p->nentry; i++) {
        struct entry *e = &p->entry[i];
        for (int k = 0; k < e->nreg; k++) free(e->reg[k].name);
        for (int k = 0; k < e->nlabel; k++) free(e->label[k].name);
        free_symbols(e->symbol, e->nsymbol);
        free(e->name);
        free(e->reg);
        free(e->label);
        free(e->param);
    }
    free_symbols(p->symbol, p->nsymbol);
    free(p->entry);
    free(p->instr);
    free(p->list);
    free(p->constant);
    free(p);
}

bool ptx_entry(const struct ptx *p, int i, struct ptx_entry *out)
{
    if (i < 0 || i >= p->nentry) return false;
    const struct entry *e = &p->entry[i];
    *out = (struct ptx_entry){e->name, e->nparam, {e->maxntid[0], e->maxntid[1], e->maxntid[2]}, e->shared};
    return true;
}

const char *ptx_target(const struct ptx *p) { return p->target; }
