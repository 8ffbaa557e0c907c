/* SPDX-License-Identifier: Apache-2.0 */
/* Random programs under random schedules for GPUs: the loop nest run by interp, thread by thread, gives the oracle's
 * bits and has no race, before and after every pass; so does its PTX (tests/emu/ptx). QJ_N cases from QJ_SEED on;
 * a failure prints program and steps. */
#include "codegen/codegen.h"
#include "ir/interp.h"
#include "ir/print.h"
#include "tests/support/ptxrun.h"

#include <stdio.h>
#include <stdlib.h>

struct counts { long steps, refused, tensorized, combined, warps; struct ptx_counts ptx; };

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

/* Steps one by one; those that do not fit are left out. False: one was refused without an error and a hint. */
static bool take_lines(struct ir_ctx *c, struct sched *s, const char *steps, struct counts *n)
{
    for (const char *at = steps; *at; at += strcspn(at, "\n") + 1) {
        const char *line = arena_strndup(&c->arena, at, strcspn(at, "\n"));
        if (sch_text_steps(s, line)) {
            n->steps++;
            n->warps += !strncmp(line, "tensorize", 9);
            continue;
        }
        n->refused++;
        if (getenv("QJ_VERBOSE")) fprintf(stderr, "%s: %s\n", line, c->err.first.msg);
        if (!err_is(&c->err) || !c->err.first.hint) return false;
        err_clear(&c->err);
    }
    return true;
}

static bool one_case(uint64_t seed, struct counts *n)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    struct rng r = {seed * 0x9e3779b97f4a7c15u};
    const char *tn = targets[rng_int(&r, 0, (int)ARRAY_LEN(targets) - 1)];
    const struct target *t = target_parse(&c, tn, strlen(tn), (struct span){0});
    struct warp_case w;
    bool warps = rng_int(&r, 0, 4) == 0 && gen_warp_program(&c.arena, &r, t, &w);
    const char *text = warps ? w.program : gen_program(&c.arena, &r);
    const struct program *p = parse_program(&c, text);
    struct sched *s = p ? sch_new(&c, p, t) : NULL;
    struct oracle o = {0};
    bool ok = s && oracle_init(&c, &o, p, seed);
    if (ok && !(warps ? take_lines(&c, s, gen_warp_steps(&c.arena, &r, &w), n)
                      : gen_gpu_schedule(&r, s, &n->steps, &n->refused, &n->tensorized))) {
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
    printf("%ld steps taken (%ld tensorize, %ld by warps), %ld refused, %ld sums by many threads\n", all.steps, all.tensorized, all.warps,
           all.refused, all.combined);
    printf("%llu kernels run, %llu dp4a, %llu mma, %llu barriers\n", (unsigned long long)all.ptx.runs, (unsigned long long)all.ptx.dp4a,
           (unsigned long long)all.ptx.mma, (unsigned long long)all.ptx.barriers);
    return n < 100 || (all.tensorized > 0 && all.combined > 0 && all.ptx.mma > 0 && all.ptx.barriers > 0) ? 0 : 1;
}
