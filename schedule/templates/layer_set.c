/* SPDX-License-Identifier: Apache-2.0 */
/* layer_set.c - a layer in words: its fields by name, one table for reading and for help. */
#include "schedule/templates/layer.h"

#include <stddef.h>
#include <stdlib.h>

enum form { NUMBERS, TYPE, RANGE, DATA, WEIGHTS, WORD, FLAG };
enum { CONV = 1, DEPTH = 2, DENSE = 4, BATCHED = 8, WINDOW = CONV | DEPTH, MATRIX = DENSE | BATCHED, ALL = WINDOW | MATRIX };
static const unsigned kind_bit[LAYER_KINDS] = {CONV, DEPTH, DENSE, BATCHED};

#define AT(field) offsetof(struct layer, field)
enum { MAX_FIELDS = 4, MAX_WORDS = 5 };

static const struct key {
    const char *name, *help;
    unsigned kinds;
    enum form form;
    int nfield;
    size_t field[MAX_FIELDS];           /* int64_t each where the form is NUMBERS */
    const char *word[MAX_WORDS];        /* of an enum, in its order */
} keys[] = {
    {"n", "images (1)", WINDOW, NUMBERS, 1, {AT(n)}, {0}},
    {"h", "height of the input", WINDOW, NUMBERS, 1, {AT(h)}, {0}},
    {"w", "width of the input", WINDOW, NUMBERS, 1, {AT(w)}, {0}},
    {"c", "channels of the input", WINDOW, NUMBERS, 1, {AT(c)}, {0}},
    {"o", "channels of the output", CONV, NUMBERS, 1, {AT(o)}, {0}},
    {"mult", "channels of the output for each of the input (1)", DEPTH, NUMBERS, 1, {AT(mult)}, {0}},
    {"k", "height and width of the kernel (1)", WINDOW, NUMBERS, 2, {AT(kh), AT(kw)}, {0}},
    {"kh", "height of the kernel", WINDOW, NUMBERS, 1, {AT(kh)}, {0}},
    {"kw", "width of the kernel", WINDOW, NUMBERS, 1, {AT(kw)}, {0}},
    {"stride", "both strides (1)", WINDOW, NUMBERS, 2, {AT(sh), AT(sw)}, {0}},
    {"sh", "stride down", WINDOW, NUMBERS, 1, {AT(sh)}, {0}},
    {"sw", "stride to the right", WINDOW, NUMBERS, 1, {AT(sw)}, {0}},
    {"dilation", "both dilations (1)", WINDOW, NUMBERS, 2, {AT(dh), AT(dw)}, {0}},
    {"dh", "dilation down", WINDOW, NUMBERS, 1, {AT(dh)}, {0}},
    {"dw", "dilation to the right", WINDOW, NUMBERS, 1, {AT(dw)}, {0}},
    {"pad", "padding on all sides, with the zero point (0)", WINDOW, NUMBERS, 4, {AT(pt), AT(pb), AT(pl), AT(pr)}, {0}},
    {"pt", "padding at the top", WINDOW, NUMBERS, 1, {AT(pt)}, {0}},
    {"pb", "padding at the bottom", WINDOW, NUMBERS, 1, {AT(pb)}, {0}},
    {"pl", "padding at the left", WINDOW, NUMBERS, 1, {AT(pl)}, {0}},
    {"pr", "padding at the right", WINDOW, NUMBERS, 1, {AT(pr)}, {0}},
    {"groups", "groups of channels (1)", CONV, NUMBERS, 1, {AT(groups)}, {0}},
    {"batch", "products (1)", BATCHED, NUMBERS, 1, {AT(batch)}, {0}},
    {"m", "rows of the activations", MATRIX, NUMBERS, 1, {AT(m)}, {0}},
    {"n", "columns of the output", MATRIX, NUMBERS, 1, {AT(cols)}, {0}},
    {"k", "columns of the activations: what is summed over", MATRIX, NUMBERS, 1, {AT(k)}, {0}},
    {"act", "type of the activations: u8 (default), i8", ALL, TYPE, 1, {AT(xtype)}, {0}},
    {"weight", "type of the weights: i8 (default), u8", ALL, TYPE, 1, {AT(wtype)}, {0}},
    {"actrange", "values of the activations, as 0..127", ALL, RANGE, 1, {AT(xrange)}, {0}},
    {"weightrange", "values of the weights, as -127..127", ALL, RANGE, 1, {AT(wrange)}, {0}},
    {"in", "layout of the input: NHWC (default), NCHW, NCHW8c ...", WINDOW, DATA, 2, {AT(in), AT(inblock)}, {0}},
    {"out", "layout of the output, and of what is added: as `in`", WINDOW, DATA, 2, {AT(out), AT(outblock)}, {0}},
    {"weights", "layout of the weights: OHWI (default), HWIO, OIHW, packed as OIHW4i16o4i", ALL, WEIGHTS, 1, {AT(weights)}, {0}},
    {"dynamic", "1: the weights too are new at each call (0)", ALL, FLAG, 1, {AT(winput)}, {0}},
    {"xzero", "zero point of the activations (0)", ALL, NUMBERS, 1, {AT(xzero)}, {0}},
    {"wzero", "zero point of the weights (0)", ALL, NUMBERS, 1, {AT(wzero)}, {0}},
    {"zero", "zero point of the output (0)", ALL, NUMBERS, 1, {AT(zero)}, {0}},
    {"form", "with wzero: differences (zero points taken off first), terms (row sums); default: what --target does faster", ALL, WORD, 1, {AT(form)},
     {"differences", "terms"}},
    {"bias", "none, channel (default)", ALL, WORD, 1, {AT(bias)}, {"none", "channel"}},
    {"scale", "requantised by channel (default), tensor", ALL, WORD, 1, {AT(scale)}, {"channel", "tensor"}},
    {"round", "half_even (default), tflite_double, tflite_single, shift", ALL, WORD, 1, {AT(round)},
     {"half_even", "tflite_double", "tflite_single", "shift"}},
    {"to", "type of the output: u8 (default), i8, i32 (sums), f32 (sums by scale)", ALL, TYPE, 1, {AT(otype)}, {0}},
    {"lo", "clamp: least value", ALL, NUMBERS, 1, {AT(lo)}, {0}},
    {"hi", "clamp: greatest value", ALL, NUMBERS, 1, {AT(hi)}, {0}},
    {"add", "adds a second input, of this type, rescaled: u8, i8", ALL, TYPE, 1, {AT(addtype)}, {0}},
    {"addzero", "zero point of what is added (0)", ALL, NUMBERS, 1, {AT(addzero)}, {0}},
};

static bool number(const char **s, int64_t *out)
{
    char *end;
    long long v = strtoll(*s, &end, 10);
    if (end == *s || v > INT32_MAX || v < INT32_MIN) return false;
    *s = end;
    *out = v;
    return true;
}

static bool set_numbers(struct layer *l, const struct key *k, const char *value)
{
    int64_t v;
    if (!number(&value, &v) || *value) return false;
    for (int i = 0; i < k->nfield; i++) memcpy((char *)l + k->field[i], &v, sizeof v);
    return true;
}

static bool set_range(struct layer *l, const struct key *k, const char *value)
{
    struct range r;
    if (!number(&value, &r.lo) || strncmp(value, "..", 2)) return false;
    value += 2;
    if (!number(&value, &r.hi) || *value || r.lo > r.hi) return false;
    memcpy((char *)l + k->field[0], &r, sizeof r);
    return true;
}

/* NHWC, NCHW or NCHW<block>c. */
static bool set_data(struct layer *l, const struct key *k, const char *value)
{
    enum data_layout d = !strcmp(value, "NHWC") ? DATA_NHWC : !strcmp(value, "NCHW") ? DATA_NCHW : DATA_NCHWC;
    int64_t block = 0;
    if (d == DATA_NCHWC) {
        if (strncmp(value, "NCHW", 4)) return false;
        value += 4;
        if (!number(&value, &block) || strcmp(value, "c") || block < 2) return false;
        memcpy((char *)l + k->field[1], &block, sizeof block);
    }
    memcpy((char *)l + k->field[0], &d, sizeof d);
    return true;
}

static bool set_weights(struct layer *l, const char *value)
{
    static const char *const plain[] = {"OIHW", "OHWI", "HWIO"};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (!strcmp(plain[i], value)) return l->weights = (enum weight_layout)i, true;
    if (strncmp(value, "OIHW", 4)) return false;
    l->weights = WEIGHT_PACKED;
    l->pack[0] = l->pack[1] = l->pack[2] = 1;
    value += 4;
    for (int o = 0, i = 0; *value;) { /* at most i, o, i */
        int64_t block;
        if (!number(&value, &block) || block < 1) return false;
        char c = *value++;
        if (c == 'o' && !o++) l->pack[1] = block;
        else if (c == 'i' && !i && !o) l->pack[0] = block, i = 1;
        else if (c == 'i' && o == 1 && i < 2) l->pack[2] = block, i = 2;
        else return false;
    }
    return true;
}

static bool set_word(struct layer *l, const struct key *k, const char *value)
{
    for (unsigned i = 0; i < MAX_WORDS && k->word[i]; i++)
        if (!strcmp(k->word[i], value)) return memcpy((char *)l + k->field[0], &i, sizeof i), true;
    return false;
}

static bool set_type(struct layer *l, const struct key *k, const char *value)
{
    enum dtype dt;
    if (!dt_by_name(value, strlen(value), &dt)) return false;
    memcpy((char *)l + k->field[0], &dt, sizeof dt);
    if (k->field[0] == AT(addtype)) l->add = true;
    return true;
}

static bool set_flag(struct layer *l, const struct key *k, const char *value)
{
    bool on = !strcmp(value, "1");
    if (!on && strcmp(value, "0")) return false;
    memcpy((char *)l + k->field[0], &on, sizeof on);
    return true;
}

static bool set(struct layer *l, const struct key *k, const char *value)
{
    switch (k->form) {
    case NUMBERS: return set_numbers(l, k, value);
    case TYPE: return set_type(l, k, value);
    case RANGE: return set_range(l, k, value);
    case DATA: return set_data(l, k, value);
    case WEIGHTS: return set_weights(l, value);
    case WORD: return set_word(l, k, value);
    case FLAG: return set_flag(l, k, value);
    }
    return false;
}

static const struct key *key_of(enum layer_kind kind, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!strcmp(keys[i].name, name) && (keys[i].kinds & kind_bit[kind])) return &keys[i];
    return NULL;
}

/* Every field of `before` is one of k's: k after it would undo it. */
static bool undoes(const struct key *k, const struct key *before)
{
    int shared = 0;
    for (int i = 0; i < before->nfield; i++)
        for (int j = 0; j < k->nfield; j++) shared += before->field[i] == k->field[j];
    return shared == before->nfield;
}

/* The settings so far, to tell what is said twice. */
struct said { const struct key *key[ARRAY_LEN(keys)]; size_t n; };

static bool read_word(struct arena *a, struct layer *l, struct said *said, const char *word, const char **why)
{
    const char *eq = strchr(word, '='), *name = layer_kind_name[l->kind];
    if (!eq) return *why = arena_printf(a, "`%s` is no KEY=VALUE", word), false;
    const struct key *k = key_of(l->kind, arena_strndup(a, word, (size_t)(eq - word)));
    if (!k) return *why = arena_printf(a, "%s takes no %.*s=", name, (int)(eq - word), word), false;
    for (size_t i = 0; i < said->n; i++) {
        if (said->key[i] == k) return *why = arena_printf(a, "%s= is given twice", k->name), false;
        if (undoes(k, said->key[i]))
            return *why = arena_printf(a, "%s= would undo the %s= before it: give %s= first", k->name, said->key[i]->name, k->name), false;
    }
    if (!set(l, k, eq + 1)) return *why = arena_printf(a, "%s is not understood; %s: %s", word, k->name, k->help), false;
    said->key[said->n++] = k;
    return true;
}

static bool usage(struct err_state *e, const char *hint, const char *text)
{
    err_set(e, ERR_USAGE, (struct span){0}, "%s", text);
    err_hint(e, "%s", hint);
    return false;
}

bool layer_read(struct arena *a, struct err_state *e, const char *kind, const char *words, const struct target *t,
                struct layer *out)
{
    static const char blank[] = " \t\n";
    struct said said = {.n = 0};
    const char *why;
    int k = 0;
    while (k < LAYER_KINDS && strcmp(kind, layer_kind_name[k])) k++;
    if (k == LAYER_KINDS)
        return usage(e, "`qjit layer conv2d h=56 w=56 c=64 o=64 k=3 pad=1`; `qjit layer conv2d` lists the settings",
                     arena_printf(a, "`%s`: the kinds of layers are conv2d, depthwise, dense and batched", kind));
    struct layer l = layer_default((enum layer_kind)k);
    for (const char *at = words + strspn(words, blank); *at; at += strspn(at, blank)) {
        size_t n = strcspn(at, blank);
        if (!read_word(a, &l, &said, arena_strndup(a, at, n), &why))
            return usage(e, arena_printf(a, "`qjit layer %s` lists the settings", kind), why);
        at += n;
    }
    bool form = false;
    for (size_t i = 0; i < said.n; i++) form |= said.key[i]->field[0] == AT(form);
    if (t && !form) l.form = layer_form_for(&l, t);
    *out = l;
    return true;
}

void layer_help(struct str *out, enum layer_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].kinds & kind_bit[kind]) str_printf(out, "  %-12s %s\n", keys[i].name, keys[i].help);
}
