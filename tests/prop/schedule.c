/* SPDX-License-Identifier: Apache-2.0 */
/* Random programs under random legal schedules: interp(lower(s)) == eval(program), the steps replay to the same
 * nest, and every pass keeps interp. No LLVM. QJ_N cases from QJ_SEED on; a failure prints program and steps. */
#include "codegen/codegen.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>

struct interp_run { struct ir_ctx *c; const struct func *main, *pack; };

static bool by_interp(void *u, bool pack, void *const *arg)
{
    struct interp_run *r = u;
    if (interp_run(r->c, pack ? r->pack : r->main, arg)) return true;
    show_error(r->c);
    return false;
}

static const char *nest_text(struct ir_ctx *c, const struct lowered *l)
{
    struct str s = str_on(&c->arena);
    if (l->pack) print_func(&s, l->pack);
    print_func(&s, l->main);
    return str_text(&s);
}

/* Each pass in turn over main (and pack): the meaning stays. */
static bool passes_keep(struct ir_ctx *c, const struct lowered *l, const struct oracle *o, const struct target *t)
{
    struct interp_run r = {c, l->main, l->pack};
    for (const struct cg_pass *p = cg_passes; p->name; p++) {
        r.main = p->run(c, r.main, t);
        if (r.main && l->pack) r.pack = p->run(c, r.pack, t);
        if (err_is(&c->err) && c->err.first.code == ERR_UNSUPPORTED) {
            err_clear(&c->err); /* a refusal, e.g. too many lanes */
            return true;
        }
        if (!r.main || (l->pack && !r.pack) || !harness_check(l, o, true, by_interp, &r)) {
            fprintf(stderr, "after pass %s:\n", p->name);
            struct str s = str_on(&c->arena);
            if (r.main) print_func(&s, r.main);
            fputs(str_text(&s), stderr);
            if (err_is(&c->err)) show_error(c);
            return false;
        }
    }
    return true;
}

static bool one_case(uint64_t seed, long *steps, long *refused, long *tensorized)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng r = {seed * 0x9e3779b97f4a7c15u};
    const char *text = gen_program(&c.arena, &r);
    const struct program *p = parse_program(&c, text);
    static const char *const targets[] = {"x86-64-v3", "generic", "x86-64-v4,+avx512vnni", "x86-64-v3,+avxvnni"};
    const char *tn = targets[rng_int(&r, 0, 3)];
    const struct target *t = p ? target_parse(&c, tn, strlen(tn), (struct span){0}) : NULL;
    struct sched *s = t ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init(&c, &o, p, seed);
    if (!ok) {
        fprintf(stderr, "%s", text);
        show_error(&c);
    }
    if (ok && !gen_schedule(&r, s, steps, refused, tensorized)) {
        fprintf(stderr, "a refusal without an error and a hint\n");
        ok = false;
    }
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    if (ok && !l) show_error(&c);
    ok = l != NULL;
    struct interp_run run = {&c, ok ? l->main : NULL, ok ? l->pack : NULL};
    if (ok && !harness_check(l, &o, rng_int(&r, 0, 1), by_interp, &run)) {
        fprintf(stderr, "interp(lower) differs from eval\n");
        ok = false;
    }
    if (ok) { /* the script form replays to the same nest */
        struct sched *again = sch_new(&c, p, t);
        const struct lowered *l2 = sch_text_steps(again, l->steps) ? sch_lower(again) : NULL;
        if (!l2 || strcmp(nest_text(&c, l), nest_text(&c, l2))) {
            fprintf(stderr, "the steps do not replay\n");
            if (err_is(&c.err)) show_error(&c);
            ok = false;
        }
    }
    ok = ok && passes_keep(&c, l, &o, t);
    if (!ok && s) {
        fprintf(stderr, "target %s\n%s%s", tn, text, sch_text(&c.arena, s));
        if (l) fputs(nest_text(&c, l), stderr);
    }
    if (o.data) oracle_free(&o);
    ir_ctx_release(&c);
    return ok;
}

int main(void)
{
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 2000);
    long steps = 0, refused = 0, tensorized = 0;
    printf("schedule: seed %llu, %llu programs\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &steps, &refused, &tensorized)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    printf("%ld steps taken (%ld tensorize), %ld refused\n", steps, tensorized, refused);
    return n < 100 || tensorized > 0 ? 0 : 1;
}
