/* SPDX-License-Identifier: Apache-2.0 */
/* Random int8 layers under `template`, with and without knobs, on every target that runs here: a schedule is always
 * found, and its machine code gives the oracle's bits between inaccessible pages, for any number of threads. QJ_N cases
 * from QJ_SEED on; a failure prints program, target and steps. QJ_VERBOSE prints each case. */
#include "ir/print.h"
#include "runtime/rt/qjrt.h"
#include "tests/support/jitrun.h"
#include "tests/support/layergen.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- a case ---- */

static const char *const targets[] = {"generic", "x86-64-v2", "x86-64-v3", "x86-64-v3", "x86-64-v4", "x86-64-v4,+avx512vnni",
                                      "alderlake", "native"};

static const struct target *draw_target(struct ir_ctx *c, struct rng *r)
{
    for (;;) {
        const char *name = targets[rng_int(r, 0, (int64_t)ARRAY_LEN(targets) - 1)];
        const struct target *t = target_parse(c, name, strlen(name), (struct span){0});
        if (!t || target_runs_here(t)) return t;
    }
}

struct tally { long cases, fast, refused, kind[LAYER_KINDS], kind_fast[LAYER_KINDS]; };

static bool one_case(uint64_t seed, struct tally *tally)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng rs = {seed * 0x9e3779b97f4a7c15u}, *r = &rs;
    struct layer layer = gen_layer(r);
    const struct target *t = draw_target(&c, r);
    const char *why, *how = t ? gen_template(&c.arena, r, t) : "";
    int threads = (int)rng_int(r, 1, 4);
    qjrt_set_threads(threads);
    struct str text = str_on(&c.arena), steps = str_on(&c.arena);
    layer_text(&text, &layer, &why);
    layer_steps(&steps, &layer);
    if (getenv("QJ_VERBOSE")) fprintf(stderr, "seed %llu target %s threads %d\n%s%s%s\n", (unsigned long long)seed,
                                      t ? t->name : "?", threads, str_text(&text), str_text(&steps), how);
    const struct program *p = t ? parse_program(&c, str_text(&text)) : NULL;
    struct sched *s = p ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init_by(&c, &o, p, seed, gen_layer_data, &layer), skip = false;
    ok = ok && sch_text_steps(s, str_text(&steps));
    if (ok && !sch_text_steps(s, how)) { /* knobs may ask for what there is not */
        skip = strchr(how, '=') && c.err.first.code == ERR_TEMPLATE;
        ok = false;
    }
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    if (!l && !skip) show_error(&c);
    if (l) ok = jit_check(&c, l, &o, false);
    bool fast = l && strstr(sch_text(&c.arena, s), "tensorize");
    tally->refused += skip;
    tally->fast += fast;
    tally->cases++;
    tally->kind[layer.kind]++;
    tally->kind_fast[layer.kind] += fast;
    if (!ok && !skip)
        fprintf(stderr, "target %s\n%s%s\n%s\n# threads %d\n", t ? t->name : "?", str_text(&text), how, s ? sch_text(&c.arena, s) : "",
                threads);
    if (o.data) oracle_free(&o);
    ir_ctx_release(&c);
    return ok || skip;
}

int main(void)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 400);
    struct tally tally = {0};
    printf("template: seed %llu, %llu layers\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &tally)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    printf("%ld with an instruction, %ld refused with knobs\n", tally.fast, tally.refused);
    for (int k = 0; k < LAYER_KINDS; k++) printf("%s: %ld of %ld with an instruction\n", layer_kind_name[k], tally.kind_fast[k], tally.kind[k]);
    return n < 100 || tally.fast > 0 ? 0 : 1;
}
