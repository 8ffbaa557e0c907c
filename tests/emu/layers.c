/* SPDX-License-Identifier: Apache-2.0 */
/* layers.c - int8 layers under `template`, a batch at a time through an emulator, against the oracle. */
#include "tests/emu/emu.h"
#include "tests/support/layergen.h"

#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 250 };

/* Layers that must be there, each on every target of the family: tiles of two pixels and eight channels, odd numbers of channels,
 * strides, padding, groups, packed layouts, zero points. */
static const char *const layers[] = {
    "conv2d h=8 w=8 c=64 o=32 k=3 pad=1 act=i8 xzero=-5 zero=3", "conv2d h=7 w=10 c=16 o=24 k=3 pad=1 xzero=9 zero=200",
    "conv2d h=9 w=12 c=8 o=20 k=3 pad=1 weight=u8 wzero=77 xzero=3", "conv2d h=6 w=6 c=48 o=17", "conv2d h=6 w=6 c=3 o=5 k=3 pad=1",
    "conv2d h=9 w=9 c=17 o=3 k=3 pad=1 act=i8", "conv2d h=9 w=9 c=5 o=17 k=5 pad=2 stride=2", "conv2d h=8 w=8 c=32 o=16 stride=2 act=i8",
    "conv2d h=8 w=8 c=24 o=32 k=3 pad=1 groups=2 act=i8", "conv2d h=6 w=6 c=32 o=32 k=3 pad=1 in=NCHW16c out=NCHW16c",
    "conv2d h=6 w=6 c=32 o=32 k=3 pad=1 act=i8 in=NCHW out=NCHW weights=OIHW", "conv2d h=12 w=12 c=3 o=16 k=7 pad=3 stride=2",
    "conv2d h=6 w=6 c=16 o=16 k=3 pad=1 round=tflite_double to=i8 act=i8 xzero=-128 zero=-128",
    "conv2d h=7 w=7 c=20 o=12 k=3 pad=1 stride=2 act=i8", "conv2d h=7 w=7 c=24 o=12 stride=2 act=i8 weight=u8 wzero=7 form=terms",
    "depthwise h=9 w=13 c=12 k=3 pad=1 in=NCHW out=NCHW act=i8 xzero=-3", "depthwise h=9 w=9 c=5 k=3 pad=1 mult=2 dilation=2 act=i8",
    "depthwise h=7 w=7 c=2 k=3 pad=1 stride=2 xzero=128", "depthwise h=8 w=8 c=17 k=3 pad=1 xzero=7", "depthwise h=9 w=9 c=32 k=5 pad=2 stride=2 act=i8",
    "dense m=6 n=20 k=72 act=i8", "dense m=8 n=33 k=64 weight=u8 wzero=128", "dense m=1 n=64 k=40", "dense m=10 n=12 k=8 weight=u8 wzero=3",
    "batched batch=3 m=4 n=6 k=24 dynamic=1 act=i8 bias=none to=i32", "dense m=4 n=16 k=32 actrange=0..127 to=f32",
    "dense m=4 n=32 k=16 act=i8 weight=u8", "conv2d h=6 w=6 c=16 o=16 k=3 pad=1 act=i8 weightrange=-127..127", "conv2d h=5 w=5 c=18 o=9 xzero=3 weightrange=-127..127",
};

struct tally { long cases, fast, refused, row[64]; bool has[64]; const struct family *family; };

/* What waits for each machine: targets of one family may want several. */
struct batch { const struct emu_machine *machine; struct emu *emu; };
enum { MACHINES = 8 };

static struct emu *emu_for(struct batch *b, const struct target *t)
{
    const struct emu_machine *m = emu_machine_for(t);
    while (b->machine && b->machine != m) b++;
    if (!b->emu) *b = (struct batch){m, emu_new(m)};
    return b->emu;
}

static void count_rows(struct tally *n, const struct target *t, const char *steps)
{
    n->family = t->family;
    bool any = false;
    for (int i = 0; i < t->family->nrow && i < (int)ARRAY_LEN(n->row); i++) {
        n->has[i] |= target_intrin(t, t->family->rows[i].name) != NULL;
        char with[80];
        int len = snprintf(with, sizeof with, " %s", t->family->rows[i].name);
        const char *at = strstr(steps, with);
        while (at && at[len] > ' ') at = strstr(at + 1, with); /* the name of another row goes on */
        bool used = at != NULL;
        n->row[i] += used;
        any |= used;
    }
    n->fast += any;
}

/* A drawn layer, or the one that `words` describe. False: no schedule, or not compiled. */
static bool one_case(uint64_t seed, const struct emu_layers *f, const char *words, const char *name, struct batch *b,
                     struct tally *tally)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng rs = {seed * 0x9e3779b97f4a7c15u}, *r = &rs;
    struct layer layer = gen_layer(r);
    size_t kind = words ? strcspn(words, " ") : 0;
    const char *why;
    if (words && !layer_read(&c.arena, &c.err, arena_strndup(&c.arena, words, kind), words + kind, NULL, &layer)) return show_error(&c), false;
    if (!name) name = f->target[rng_int(r, 0, f->ntarget - 1)];
    const struct target *t = target_parse(&c, name, strlen(name), (struct span){0});
    struct emu *e = emu_for(b, t);
    const char *how = words ? "template" : gen_template(&c.arena, r, t);
    struct str text = str_on(&c.arena), steps = str_on(&c.arena);
    layer_text(&text, &layer, &why);
    layer_steps(&steps, &layer);
    if (getenv("QJ_VERBOSE")) fprintf(stderr, "seed %llu target %s\n%s%s%s\n", (unsigned long long)seed, name, str_text(&text),
                                      str_text(&steps), how);
    const struct program *p = parse_program(&c, str_text(&text));
    struct sched *s = p ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init_by(&c, &o, p, seed, gen_layer_data, &layer) && sch_text_steps(s, str_text(&steps)), skip = false;
    if (ok && !sch_text_steps(s, how)) { /* knobs may ask for what there is not */
        skip = strchr(how, '=') && c.err.first.code == ERR_TEMPLATE;
        ok = false;
    }
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    if (!l && !skip) show_error(&c);
    ok = l && emu_check(e, &c, l, &o, false);
    tally->refused += skip;
    tally->cases++;
    if (ok) count_rows(tally, t, sch_text(&c.arena, s));
    if (!ok && !skip) fprintf(stderr, "target %s\n%s%s\n%s\n", name, str_text(&text), how, s ? sch_text(&c.arena, s) : "");
    if (o.data) oracle_free(&o);
    ir_ctx_release(&c);
    return ok || skip;
}

/* A row of a template: not one of f32, nor one within expressions. */
static bool must_occur(const struct intrin_row *r, const char *needs)
{
    return r->mac_per_cycle > 0 && strncmp(r->name, "fma", 3) && strstr(r->needs, needs);
}

int emu_layers(const struct emu_layers *f)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", f->n);
    struct tally tally = {0};
    struct batch b[MACHINES + 1] = {{NULL, NULL}};
    int bad = 0;
    if (!emu_machine_for(&(struct target){.family = f->family})) return puts("skipped: no emulator here"), 0;
    printf("%s: seed %llu, %llu layers\n", f->family->name, (unsigned long long)seed, (unsigned long long)n);
    for (size_t i = 0; i < ARRAY_LEN(layers); i++)
        for (int t = 0; t < f->ntarget; t++)
            if (!one_case(i, f, layers[i], f->target[t], b, &tally)) bad = 1;
    for (uint64_t i = 0; i < n && !bad; i++) {
        if (!one_case(seed + i, f, NULL, NULL, b, &tally)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            bad = 1;
        }
        for (int k = 0; b[k].emu; k++)
            if (emu_queued(b[k].emu) >= BATCH) bad |= emu_run_here(b[k].emu);
    }
    for (int k = 0; b[k].emu; k++) {
        bad |= emu_run_here(b[k].emu);
        emu_free(b[k].emu);
    }
    printf("%ld of %ld with an instruction, %ld refused with knobs\n", tally.fast, tally.cases, tally.refused);
    for (int i = 0; tally.family && i < tally.family->nrow; i++) printf("%6ld %s\n", tally.row[i], tally.family->rows[i].name);
    for (int i = 0; f->every_row && i < f->family->nrow; i++)
        if (must_occur(&f->family->rows[i], f->every_row) && tally.has[i] && !tally.row[i])
            bad = fprintf(stderr, "%s was never used\n", f->family->rows[i].name);
    return bad != 0;
}
