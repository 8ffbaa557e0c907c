/* SPDX-License-Identifier: Apache-2.0 */
/* Random programs under random schedules for GPUs: the loop nest run by interp, thread by thread, gives the oracle's
 * bits and has no race, before and after every pass; so does its PTX (tests/emu/ptx). QJ_N cases from QJ_SEED on;
 * a failure prints program and steps. */
#include "codegen/codegen.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "tests/support/ptxrun.h"

#include <stdio.h>

struct counts { long steps, refused, tensorized, combined; struct ptx_counts ptx; };

static bool see_combine(const struct stmt *s, void *u)
{
    *(bool *)u |= s->kind == STMT_COMBINE;
    return true;
}

static const char *const targets[] = {"sm_61", "sm_75", "sm_80", "sm_90a"};

struct nest { struct ir_ctx *c; const struct func *main, *pack; };

static bool by_interp(void *u, bool pack, void *const *arg)
{
    struct nest *n = u;
    if (interp_run(n->c, pack ? n->pack : n->main, arg)) return true;
    show_error(n->c);
    return false;
}

static bool by_passes(struct ir_ctx *c, const struct lowered *l, const struct oracle *o)
{
    struct nest n = {c, l->main, l->pack};
    if (!harness_check(l, o, true, by_interp, &n)) return fprintf(stderr, "interp(lower) differs from eval\n"), false;
    for (const struct cg_pass *p = cg_passes; p->name; p++) {
        n.main = p->run(c, n.main, l->target);
        if (n.main && l->pack) n.pack = p->run(c, n.pack, l->target);
        if (err_is(&c->err) && c->err.first.code == ERR_UNSUPPORTED) return err_clear(&c->err), true;
        if (!n.main || (l->pack && !n.pack) || !harness_check(l, o, true, by_interp, &n)) {
            struct str s = str_on(&c->arena);
            if (n.main) print_func(&s, n.main);
            if (err_is(&c->err)) show_error(c);
            return fprintf(stderr, "after pass %s:\n%s", p->name, str_text(&s)), false;
        }
    }
    return true;
}

static bool one_case(uint64_t seed, struct counts *n)
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
    if (ok && !gen_gpu_schedule(&r, s, &n->steps, &n->refused, &n->tensorized)) {
        fprintf(stderr, "a refusal without an error and a hint\n");
        ok = false;
    }
    const struct lowered *l = ok ? sch_lower(s) : NULL;
    if (err_is(&c.err)) show_error(&c);
    bool combined = false;
    if (l) ir_walk_stmt(l->main->body, see_combine, &combined);
    n->combined += combined;
    ok = l && by_passes(&c, l, &o) && ptx_check(&c, l, &o, true, &n->ptx);
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
    uint64_t seed = env_number("QJ_SEED", 1), n = env_number("QJ_N", 300);
    struct counts all = {0};
    printf("gpu: seed %llu, %llu programs\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &all)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    printf("%ld steps taken (%ld tensorize), %ld refused, %ld sums by many threads; %llu kernels run, %llu dp4a, %llu barriers\n", all.steps, all.tensorized,
           all.refused, all.combined, (unsigned long long)all.ptx.runs, (unsigned long long)all.ptx.dp4a, (unsigned long long)all.ptx.barriers);
    return n < 100 || (all.tensorized > 0 && all.combined > 0 && all.ptx.runs > 0 && all.ptx.barriers > 0) ? 0 : 1;
}
