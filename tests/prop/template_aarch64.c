/* SPDX-License-Identifier: Apache-2.0 */
/* prop/template for AArch64: random int8 layers under `template` on CPUs with and without dot products, run by the
 * emulator (tests/emu) a batch at a time: the oracle's bits. Skipped where there is no emulator. QJ_N, QJ_SEED. */
#include "tests/emu/emu.h"
#include "tests/support/layergen.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const targets[] = {"aarch64", "cortex-a72", "cortex-a55", "neoverse-n1", "neoverse-n2", "neoverse-n2",
                                      "aarch64,+i8mm", "neoverse-v1"};
enum { BATCH = 250 };

struct tally { long cases, fast, refused, row[64]; const struct family *family; };

static void count_rows(struct tally *n, const struct target *t, const char *steps)
{
    n->family = t->family;
    bool any = false;
    for (int i = 0; i < t->family->nrow && i < (int)ARRAY_LEN(n->row); i++) {
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

/* False: no schedule, or not compiled. */
static bool one_case(uint64_t seed, struct emu **e, struct tally *tally)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng rs = {seed * 0x9e3779b97f4a7c15u}, *r = &rs;
    struct layer layer = gen_layer(r);
    const char *name = targets[rng_int(r, 0, (int64_t)ARRAY_LEN(targets) - 1)], *why;
    const struct target *t = target_parse(&c, name, strlen(name), (struct span){0});
    if (!*e) *e = emu_new(emu_machine_for(t));
    const char *how = gen_template(&c.arena, r, t);
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
    ok = l && emu_check(*e, &c, l, &o, false);
    tally->refused += skip;
    tally->cases++;
    if (ok) count_rows(tally, t, sch_text(&c.arena, s));
    if (!ok && !skip) fprintf(stderr, "target %s\n%s%s\n%s\n", name, str_text(&text), how, s ? sch_text(&c.arena, s) : "");
    if (o.data) oracle_free(&o);
    ir_ctx_release(&c);
    return ok || skip;
}

int main(void)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 300);
    struct tally tally = {0};
    struct emu *e = NULL;
    int bad = 0;
    if (!emu_machine_for(&(struct target){.family = &family_aarch64})) return puts("skipped: no emulator here"), 0;
    printf("template_aarch64: seed %llu, %llu layers\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n && !bad; i++) {
        if (!one_case(seed + i, &e, &tally)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            bad = 1;
        }
        if (emu_queued(e) == BATCH || i + 1 == n) bad |= emu_run(e);
    }
    emu_free(e);
    printf("%ld of %ld with an instruction, %ld refused with knobs\n", tally.fast, tally.cases, tally.refused);
    for (int i = 0; tally.family && i < tally.family->nrow; i++) printf("%6ld %s\n", tally.row[i], tally.family->rows[i].name);
    return bad != 0;
}
