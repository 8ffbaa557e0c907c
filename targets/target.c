/* SPDX-License-Identifier: Apache-2.0 */
/* target.c - from a target's text to its data: names, feature sets, rows. Contract in target.h.
 *
 *     text := first {"," word}
 *     first := "native" | a family's name | a CPU's name        # family and CPU names are all different
 *     word  := "cpu=" CPU | "+" FEATURE | "-" FEATURE           # cpu= only after a family, before features
 *
 * LLVM warns about a name it does not know and goes on; so every name is checked here. */
#include "targets/family.h"

#include <math.h>

const struct family *const families[] = {&family_generic, &family_x86, &family_aarch64, &family_nvptx, NULL};

enum { MAX_TEXT = 1024, MAX_NAME = 64 };

/* ---- feature sets ---- */

uint64_t family_closure(const struct family *f, uint64_t features)
{
    for (uint64_t before = ~features; before != features;) {
        before = features;
        for (int i = 0; i < f->nfeature; i++)
            if (features & f->features[i].bit) features |= f->features[i].implies;
    }
    return features;
}

uint64_t family_without(const struct family *f, uint64_t features, uint64_t off)
{
    features &= ~off;
    uint64_t kept = 0;
    for (int i = 0; i < f->nfeature; i++)
        if ((features & f->features[i].bit) && !(family_closure(f, f->features[i].bit) & ~features))
            kept |= f->features[i].bit;
    return kept;
}

int family_sve_bits(const struct family *f, const struct feature *x) { return f->sve_bits ? f->sve_bits(x->bit) : 0; }

const struct feature *family_feature(const struct family *f, const char *name, size_t n)
{
    for (int i = 0; i < f->nfeature; i++)
        if (strlen(f->features[i].name) == n && !memcmp(f->features[i].name, name, n)) return &f->features[i];
    return NULL;
}

const struct cpu *family_cpu(const struct family *f, const char *name, size_t n)
{
    for (int i = 0; i < f->ncpu; i++)
        if (strlen(f->cpus[i].name) == n && !memcmp(f->cpus[i].name, name, n)) return &f->cpus[i];
    return NULL;
}

/* ---- messages ---- */

/* A word of the user's as a message shows it: short, no control characters. */
static const char *shown(struct ir_ctx *c, const char *s, size_t n)
{
    char *copy = arena_strndup(&c->arena, s, n < MAX_NAME ? n : MAX_NAME);
    for (char *p = copy; *p; p++)
        if (*p < 32 || *p > 126) *p = '?';
    return copy;
}

typedef VEC(const char *) names;

static void hint_near(struct ir_ctx *c, const char *word, const names *known, const char *otherwise)
{
    const char *near = err_suggest(word, known->at, known->n);
    if (near) err_hint(&c->err, "did you mean %s?", near);
    else if (otherwise) err_hint(&c->err, "%s", otherwise);
}

static void unknown_feature(struct ir_ctx *c, const struct family *f, const char *s, size_t n, struct span at)
{
    const char *word = shown(c, s, n);
    names known = {0};
    for (int i = 0; i < f->nfeature; i++) VEC_PUSH(&c->arena, known, f->features[i].name);
    err_set(&c->err, ERR_FEATURE, at, "%s has no feature \"%s\"", f->name, word);
    hint_near(c, word, &known,
              f->nfeature ? "`qjit targets` lists the features of each family"
                          : "this family has no features to choose; name a CPU family such as x86-64");
}

static void unknown_cpu(struct ir_ctx *c, const struct family *only, const char *s, size_t n, struct span at)
{
    const char *word = shown(c, s, n);
    names known = {0};
    if (!only) VEC_PUSH(&c->arena, known, "native");
    for (int k = 0; families[k]; k++) {
        if (only && families[k] != only) continue;
        if (!only) VEC_PUSH(&c->arena, known, families[k]->name);
        for (int i = 0; i < families[k]->ncpu; i++) VEC_PUSH(&c->arena, known, families[k]->cpus[i].name);
    }
    if (only) err_set(&c->err, ERR_TARGET, at, "%s has no CPU \"%s\"", only->name, word);
    else err_set(&c->err, ERR_TARGET, at, "no target or CPU is called \"%s\"", word);
    hint_near(c, word, &known, NULL);
}

/* ---- rows ---- */

/* Space-separated feature names to bits (not closed). */
static bool parse_needs(struct ir_ctx *c, const struct family *f, const char *needs, uint64_t *out, struct span at)
{
    *out = 0;
    for (const char *s = needs ? needs : ""; *(s += strspn(s, " ")); s += strcspn(s, " ")) {
        size_t n = strcspn(s, " ");
        const struct feature *x = family_feature(f, s, n);
        if (!x) return unknown_feature(c, f, s, n, at), false;
        *out |= x->bit;
    }
    return true;
}

static bool parse_row(struct ir_ctx *c, const struct intrin_row *row, bool allow_asm, struct span at,
                      struct intrin *out)
{
    out->row = row;
    out->meaning = meaning_parse(c, row->name, row->operands, row->meaning, at);
    out->recipe = recipe_parse(c, out->meaning, row->recipe, allow_asm, at);
    return out->recipe != NULL;
}

/* The family's rows that t can run, parsed. */
static bool fill_rows(struct ir_ctx *c, struct target *t)
{
    static const struct span table = {0};
    const struct family *f = t->family;
    struct intrin *rows = ARENA_ARRAY(&c->arena, struct intrin, f->nrow);
    for (int i = 0; i < f->nrow; i++) {
        struct intrin *r = &rows[t->nintrin];
        if (!parse_needs(c, f, f->rows[i].needs, &r->needs, table)) return false;
        if (family_closure(f, r->needs) & ~t->features) continue;
        if (!parse_row(c, &f->rows[i], true, table, r)) return false;
        t->nintrin++;
    }
    t->intrin = rows;
    return true;
}

/* ---- parsing ---- */

/* Names only what the CPU does not say and no other listed feature implies. */
static const char *canonical_name(struct ir_ctx *c, const struct target *t, const struct cpu *cpu)
{
    const struct family *f = t->family;
    uint64_t base = family_closure(f, cpu->features), plus = t->features & ~base, minus = base & ~t->features;
    struct str s = str_on(&c->arena);
    str_put(&s, cpu == f->cpus && !f->simt ? f->name : cpu->name);
    for (int i = 0; i < f->nfeature; i++) {
        const struct feature *x = &f->features[i];
        uint64_t others = 0; /* what the other features of `plus` bring */
        for (int j = 0; j < f->nfeature; j++)
            if (j != i && (plus & f->features[j].bit)) others |= family_closure(f, f->features[j].bit);
        if ((plus & x->bit) && !(others & x->bit)) str_printf(&s, ",+%s", x->name);
    }
    for (int i = 0; i < f->nfeature; i++) { /* what implies another removed feature goes with it */
        const struct feature *x = &f->features[i];
        if ((minus & x->bit) && !(family_closure(f, x->bit) & minus & ~x->bit)) str_printf(&s, ",-%s", x->name);
    }
    return str_text(&s);
}

/* All that is on, then what the CPU has and we have not: LLVM starts from the CPU's own set. */
static const char *llvm_features(struct ir_ctx *c, const struct target *t, const struct cpu *cpu)
{
    const struct family *f = t->family;
    uint64_t minus = family_closure(f, cpu->features) & ~t->features;
    struct str s = str_on(&c->arena);
    for (int sign = 0; sign < 2; sign++)
        for (int i = 0; i < f->nfeature; i++)
            if (!family_sve_bits(f, &f->features[i]) && (sign ? minus : t->features) & f->features[i].bit)
                str_printf(&s, "%s%c%s", s.n ? "," : "", sign ? '-' : '+', f->features[i].name);
    return str_text(&s);
}

static bool is_word(const char *word, const char *s, size_t n)
{
    return word && strlen(word) == n && !memcmp(word, s, n);
}

/* The first word: sets family, cpu and features. */
static bool parse_first(struct ir_ctx *c, struct target *t, const struct cpu **cpu, bool *is_family,
                        const char *s, size_t n, struct span at)
{
    if (n == 6 && !memcmp(s, "native", 6)) {
        const char *name = host_cpu_name();
        t->family = host_family();
        *cpu = family_cpu(t->family, name, strlen(name));
        QJ_ASSERT(*cpu);
        t->features = host_features();
        return true;
    }
    for (int k = 0; families[k]; k++)
        if (is_word(families[k]->name, s, n) || is_word(families[k]->alias, s, n)) {
            t->family = families[k];
            *cpu = t->family->cpus;
            *is_family = true;
        }
    for (int k = 0; families[k] && !t->family; k++)
        if ((*cpu = family_cpu(families[k], s, n))) t->family = families[k];
    if (!t->family) return unknown_cpu(c, NULL, s, n, at), false;
    t->features = family_closure(t->family, (*cpu)->features);
    return true;
}

static bool parse_switch(struct ir_ctx *c, struct target *t, const char *s, size_t n, struct span at)
{
    const struct family *f = t->family;
    const struct feature *x = family_feature(f, s + 1, n - 1);
    if (!x) return unknown_feature(c, f, s + 1, n - 1, at), false;
    if (f->simt && (*s == '-' || family_cpu(f, x->name, strlen(x->name)))) {
        err_set(&c->err, ERR_FEATURE, at, "what a GPU can do goes with its name: no %c%s", *s, x->name);
        err_hint(&c->err, "name another one, as in sm_80; only +ptxNN, the version of the text, is added");
        return false;
    }
    if (*s == '+') {
        t->features |= family_closure(f, x->bit);
        return true;
    }
    /* LLVM cannot pass a float in a register without it */
    if (family_closure(f, f->cpus[0].features) & x->bit) {
        err_set(&c->err, ERR_FEATURE, at, "%s is part of every %s and cannot be taken away", x->name, f->name);
        err_hint(&c->err, "`%s` is the one of them that has least", f->name);
        return false;
    }
    t->features = family_without(f, t->features, x->bit);
    return true;
}

static bool parse_words(struct ir_ctx *c, struct target *t, const struct cpu **cpu, const char *text, size_t n,
                        struct span whole)
{
    bool may_name_cpu = false;
    for (size_t at = 0, end; at <= n; at = end + 1) {
        for (end = at; end < n && text[end] != ',';) end++;
        const char *s = text + at;
        size_t len = end - at;
        while (len && *s == ' ') s++, len--;
        while (len && s[len - 1] == ' ') len--;
        struct span here = whole; /* the word alone, where the text is the source's own */
        if (whole.text && whole.len == n) here.at += (size_t)(s - text), here.len = len;
        if (!t->family) {
            if (!parse_first(c, t, cpu, &may_name_cpu, s, len, here)) return false;
        } else if (len > 4 && !memcmp(s, "cpu=", 4)) {
            if (!may_name_cpu) {
                err_set(&c->err, ERR_TARGET, here, "\"%s\" comes too late: the CPU is %s", shown(c, s, len),
                        (*cpu)->name);
                err_hint(&c->err, "name it right after the family, as in x86-64,cpu=znver3,+avx2");
                return false;
            }
            *cpu = family_cpu(t->family, s + 4, len - 4);
            if (!*cpu) return unknown_cpu(c, t->family, s + 4, len - 4, here), false;
            t->features = family_closure(t->family, (*cpu)->features);
            may_name_cpu = false;
        } else if (len > 1 && (*s == '+' || *s == '-')) {
            if (!parse_switch(c, t, s, len, here)) return false;
            may_name_cpu = false;
        } else {
            err_set(&c->err, ERR_TARGET, here, "\"%s\" is neither +feature, -feature nor cpu=name",
                    shown(c, s, len));
            err_hint(&c->err, "targets are written x86-64-v3, x86-64-v4,+avx512vnni or x86-64,cpu=znver3");
            return false;
        }
    }
    return true;
}

const struct target *target_parse(struct ir_ctx *c, const char *text, size_t n, struct span at)
{
    if (err_is(&c->err)) return NULL;
    if (n > MAX_TEXT) return err_set(&c->err, ERR_TARGET, at, "a target of %zu characters is too long", n), NULL;
    struct target *t = ARENA_NEW(&c->arena, struct target);
    const struct cpu *cpu = NULL;
    if (!parse_words(c, t, &cpu, text, n, at)) return NULL;
    t->cpu = cpu->name;
    t->name = canonical_name(c, t, cpu);
    t->feature_text = llvm_features(c, t, cpu);
    for (int i = 0; i < t->family->nfeature; i++) {
        const struct feature *x = &t->family->features[i];
        int bits = t->features & x->bit ? family_sve_bits(t->family, x) : 0;
        if (bits > t->sve_bits) t->sve_bits = bits;
    }
    t->family->measure(t);
    return fill_rows(c, t) ? t : NULL;
}

/* ---- questions ---- */

const struct intrin *target_intrin(const struct target *t, const char *name)
{
    for (int i = 0; i < t->nintrin; i++)
        if (!strcmp(t->intrin[i].row->name, name)) return &t->intrin[i];
    return NULL;
}

const struct intrin_row *target_row(const struct target *t, const char *name)
{
    const struct intrin *mine = target_intrin(t, name);
    if (mine) return mine->row;
    for (int i = 0; i < t->family->nrow; i++)
        if (!strcmp(t->family->rows[i].name, name)) return &t->family->rows[i];
    for (int i = 0; i < t->nabsent; i++)
        if (!strcmp(t->absent[i]->name, name)) return t->absent[i];
    return NULL;
}

bool target_has(const struct target *t, const char *feature)
{
    const struct feature *f = family_feature(t->family, feature, strlen(feature));
    return f && (t->features & f->bit);
}

const char *target_lacks(struct ir_ctx *c, const struct target *t, const char *needs)
{
    struct str s = str_on(&c->arena);
    for (const char *p = needs ? needs : ""; *(p += strspn(p, " ")); p += strcspn(p, " ")) {
        size_t n = strcspn(p, " ");
        const struct feature *f = family_feature(t->family, p, n);
        if (f && (t->features & f->bit)) continue;
        if (s.n) str_putc(&s, ' ');
        str_putn(&s, p, n);
    }
    return s.n ? str_text(&s) : NULL;
}

bool target_runs_here(const struct target *t)
{
#if defined(__x86_64__)
    if (t->family == &family_generic) return true;
#endif
    return t->family == host_family() && !(t->features & ~host_features());
}

/* ---- rows from a script ---- */

static bool is_identifier(const char *s)
{
    for (const char *p = s; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_';
        if (!letter && (p == s || *p < '0' || *p > '9')) return false;
    }
    return *s && strlen(s) <= MAX_NAME;
}

static const char *copy_text(struct ir_ctx *c, const char *s) { return arena_strdup(&c->arena, s ? s : ""); }

static bool check_pair(struct ir_ctx *c, const struct intrin *r, struct span at)
{
    int pair = r->row->pair_i16;
    const struct meaning *m = r->meaning;
    if (!pair) return true;
    bool sums = m->accumulate && m->combiner == RED_SUM && m->naxes > m->nout;
    int64_t terms = 1;
    for (int i = m->nout; i < m->naxes; i++) terms *= m->axis[i]->extent;
    if (pair > 0 && sums && terms % pair == 0) return true;
    err_set(&c->err, ERR_INTRIN, at, "%s: pair_i16 of %d does not divide the number of terms summed", r->row->name, pair);
    err_hint(&c->err, "pair_i16 products of a `+=` meaning are summed in 16 bits; 0 when none are");
    return false;
}

const struct target *target_add_row(struct ir_ctx *c, const struct target *t, const struct intrin_row *row,
                                    bool allow_asm, struct span at)
{
    if (!t || err_is(&c->err)) return NULL;
    if (!row->name || !is_identifier(row->name)) {
        err_set(&c->err, ERR_INTRIN, at, "\"%s\" is no name for an instruction",
                row->name ? shown(c, row->name, strlen(row->name)) : "");
        err_hint(&c->err, "a name is letters, digits and _, not starting with a digit, at most %d long", MAX_NAME);
        return NULL;
    }
    if (target_row(t, row->name)) {
        err_set(&c->err, ERR_INTRIN, at, "the instruction %s exists already", row->name);
        err_hint(&c->err, "pick another name");
        return NULL;
    }
    if (!row->operands || !row->meaning || !row->recipe)
        return err_set(&c->err, ERR_INTRIN, at, "%s has no %s", row->name,
                       !row->operands ? "operands" : !row->meaning ? "meaning" : "recipe"), NULL;
    if (!isfinite(row->mac_per_cycle) || row->mac_per_cycle < 0)
        return err_set(&c->err, ERR_INTRIN, at, "%s: mac_per_cycle is a number from 0 up", row->name), NULL;

    struct intrin_row *kept = ARENA_NEW(&c->arena, struct intrin_row);
    *kept = (struct intrin_row){copy_text(c, row->name), copy_text(c, row->operands), copy_text(c, row->meaning),
                                copy_text(c, row->recipe), copy_text(c, row->needs), row->pair_i16,
                                row->mac_per_cycle, copy_text(c, row->mnemonic), copy_text(c, row->help)};
    struct intrin r = {.user = true};
    if (!parse_needs(c, t->family, kept->needs, &r.needs, at)) return NULL;
    if (!parse_row(c, kept, allow_asm, at, &r)) return NULL;
    uint64_t have = family_closure(t->family, r.needs | t->family->cpus[0].features);
    if (!callee_check(c, t->family, r.meaning, r.recipe, have, at) || !check_pair(c, &r, at)) return NULL;
    const char *lacks = target_lacks(c, t, kept->needs);
    if (lacks)
        return err_set(&c->err, ERR_FEATURE, at, "%s needs %s, which %s lacks", kept->name, lacks, t->name), NULL;

    struct target *more = ARENA_NEW(&c->arena, struct target);
    struct intrin *rows = ARENA_ARRAY(&c->arena, struct intrin, t->nintrin + 1);
    *more = *t;
    if (t->nintrin) memcpy(rows, t->intrin, (size_t)t->nintrin * sizeof *rows);
    rows[more->nintrin++] = r;
    more->intrin = rows;
    return more;
}

const struct target *target_carry(struct ir_ctx *c, const struct target *t, const struct target *from)
{
    if (t->family != from->family) return t;
    struct target *more = arena_copy(&c->arena, t, sizeof *t);
    struct intrin *rows = ARENA_ARRAY(&c->arena, struct intrin, t->nintrin + from->nintrin);
    const struct intrin_row **absent = ARENA_ARRAY(&c->arena, const struct intrin_row *, from->nintrin);
    if (t->nintrin) memcpy(rows, t->intrin, (size_t)t->nintrin * sizeof *rows);
    for (int i = 0; i < from->nintrin; i++) {
        const struct intrin *r = &from->intrin[i];
        if (!r->user) continue;
        if (family_closure(t->family, r->needs) & ~t->features) absent[more->nabsent++] = r->row;
        else rows[more->nintrin++] = *r;
    }
    more->intrin = rows;
    more->absent = absent;
    return more;
}

struct range target_sums(int n, struct range a, struct range b)
{
    const int64_t p[4] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi};
    struct range r = {0, 0};
    for (int i = 0; i < 4; i++) {
        r.lo = i64_min(r.lo, p[i]);
        r.hi = i64_max(r.hi, p[i]);
    }
    return (struct range){r.lo * n, r.hi * n};
}
