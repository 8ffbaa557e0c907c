/* SPDX-License-Identifier: Apache-2.0 */
/* Random programs under random legal schedules, compiled, linked and called between inaccessible pages: the
 * machine code gives the oracle's bits. QJ_N cases from QJ_SEED on; a failure prints program and steps. */
#include "ir/print.h"
#include "tests/support/jitrun.h"

#include <stdio.h>

/* This machine's own target, and less of it, so that many rows run wherever the tests do. */
static const char *const targets[] = {"native", "native", "x86-64-v3", "x86-64-v3", "x86-64-v2", "generic"};

static bool one_case(uint64_t seed, long *steps, long *tensorized)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng r = {seed * 0x9e3779b97f4a7c15u};
    const char *text = gen_program(&c.arena, &r), *tn = targets[rng_int(&r, 0, (int)ARRAY_LEN(targets) - 1)];
    const struct program *p = parse_program(&c, text);
    const struct target *t = p ? target_parse(&c, tn, strlen(tn), (struct span){0}) : NULL;
    struct sched *s = t ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init(&c, &o, p, seed);
    if (!ok) {
        fprintf(stderr, "%s", text);
        show_error(&c);
    }
    if (ok) gen_schedule(&r, s, steps, NULL, tensorized);
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    ok = l && jit_check(&c, l, &o, true);
    if (!ok && s) {
        fprintf(stderr, "target %s\n%s%s", tn, text, sch_text(&c.arena, s));
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
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 2000);
    long steps = 0, tensorized = 0;
    printf("jit: seed %llu, %llu programs\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &steps, &tensorized)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    printf("%ld steps taken (%ld tensorize)\n", steps, tensorized);
    return n < 100 || tensorized > 0 ? 0 : 1;
}
