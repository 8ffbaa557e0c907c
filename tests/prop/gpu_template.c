/* SPDX-License-Identifier: Apache-2.0 */
/* Random int8 layers under `template` for GPUs: a schedule is always found, and its PTX (tests/emu/ptx) gives the
 * oracle's bits without a race. QJ_N cases from QJ_SEED on; a failure prints program, target and steps. */
#include "ir/print.h"
#include "tests/support/layergen.h"
#include "tests/support/ptxrun.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const targets[] = {"sm_61", "sm_75", "sm_80", "sm_90a"};

struct tally { long fast, kind[LAYER_KINDS], kind_fast[LAYER_KINDS]; struct ptx_counts ptx; };

static bool one_case(uint64_t seed, struct tally *tally)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng rs = {seed * 0x9e3779b97f4a7c15u}, *r = &rs;
    struct layer layer = gen_layer(r);
    const char *why, *name = targets[rng_int(r, 0, (int64_t)ARRAY_LEN(targets) - 1)];
    const struct target *t = target_parse(&c, name, strlen(name), (struct span){0});
    struct str text = str_on(&c.arena), steps = str_on(&c.arena);
    layer_text(&text, &layer, &why);
    layer_steps(&steps, &layer);
    if (getenv("QJ_VERBOSE")) fprintf(stderr, "seed %llu target %s\n%s%s\n", (unsigned long long)seed, name, str_text(&text), str_text(&steps));
    const struct program *p = t ? parse_program(&c, str_text(&text)) : NULL;
    struct sched *s = p ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init_by(&c, &o, p, seed, gen_layer_data, &layer);
    ok = ok && sch_text_steps(s, str_text(&steps)) && sch_text_steps(s, "template");
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    if (!l) show_error(&c);
    ok = l && ptx_check(&c, l, &o, false, &tally->ptx);
    bool fast = l && strstr(sch_text(&c.arena, s), layer.kind == LAYER_DEPTHWISE ? "cache_read P shared" : "tensorize");
    tally->fast += fast;
    tally->kind[layer.kind]++;
    tally->kind_fast[layer.kind] += fast;
    if (!ok) {
        fprintf(stderr, "target %s\n%s%s\n", name, str_text(&text), s ? sch_text(&c.arena, s) : "");
        struct str out = str_on(&c.arena);
        if (l) print_func(&out, l->main);
        fputs(str_text(&out), stderr);
    }
    if (o.data) oracle_free(&o);
    ir_ctx_release(&c);
    return ok;
}

int main(void)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 120);
    struct tally tally = {0};
    printf("gpu_template: seed %llu, %llu layers\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &tally)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    printf("%ld in tiles; %llu kernels, %llu dp4a, %llu passes for %llu accesses of shared memory\n", tally.fast,
           (unsigned long long)tally.ptx.runs, (unsigned long long)tally.ptx.dp4a, (unsigned long long)tally.ptx.passes,
           (unsigned long long)tally.ptx.accesses);
    bool all = true;
    for (int k = 0; k < LAYER_KINDS; k++) {
        printf("%s: %ld of %ld in tiles\n", layer_kind_name[k], tally.kind_fast[k], tally.kind[k]);
        all &= n < 100 || 2 * tally.kind_fast[k] > tally.kind[k];
    }
    if (!all) fprintf(stderr, "FAILED: too many layers run a thread an element\n");
    return all ? 0 : 1;
}
