/* SPDX-License-Identifier: Apache-2.0 */
/* Random programs under random legal schedules, compiled, linked and called between inaccessible pages: the
 * machine code gives the oracle's bits. QJ_N cases from QJ_SEED on; a failure prints program and steps. */
#include "codegen/codegen.h"
#include "ir/print.h"
#include "runtime/jit.h"
#include "tests/support/harness.h"

#include <stdio.h>
#include <stdlib.h>

struct code { int (*main)(void **), (*pack)(void **); int narg, npack; void *workspace, *pack_workspace; };

/* The uniform entry takes the arguments, then the workspace when there is one. */
static bool by_code(void *u, bool pack, void *const *arg)
{
    struct code *k = u;
    void *all[130];
    int n = pack ? k->npack : k->narg;
    memcpy(all, arg, (size_t)n * sizeof *all);
    all[n] = pack ? k->pack_workspace : k->workspace;
    return (pack ? k->pack : k->main)(all) == 0;
}

static bool run_code(struct ir_ctx *c, struct jit **j, const struct lowered *l, const struct oracle *o)
{
    struct cg_options opt = {.kind = CG_OBJ};
    struct artifact *a = cg_compile(c, l, &opt);
    if (!a) {
        bool refusal = c->err.first.code == ERR_UNSUPPORTED || c->err.first.code == ERR_FEATURE;
        if (!refusal) show_error(c);
        err_clear(&c->err); /* what the code generator refuses, with a message, before LLVM sees it */
        return refusal;
    }
    bool ok = true;
    if (target_runs_here(l->target)) {
        if (!*j) *j = jit_new(&c->err); /* after the first compile: codegen sets LLVM up */
        struct linked *k = *j ? jit_link(*j, &c->err, a->bytes, a->size) : NULL;
        ok = k != NULL;
        if (!ok) show_error(c);
        for (int flush_end = 0; ok && flush_end < 2; flush_end++) {
            /* 64-byte alignment is the contract of a workspace, so its end is guarded to that */
            size_t ws = (size_t)(a->workspace + 63) / 64 * 64, pws = (size_t)(a->pack_workspace + 63) / 64 * 64;
            struct guarded w = guard_new(ws, true), pw = guard_new(pws, true);
            memset(w.data, 0x5a, ws);
            memset(pw.data, 0x5a, pws);
            struct code code = {.narg = a->narg, .npack = a->npack, .workspace = w.data, .pack_workspace = pw.data};
            char name[128];
            snprintf(name, sizeof name, "%s_call", a->name);
            code.main = (int (*)(void **))jit_find(k, name);
            if (a->pack_name) {
                snprintf(name, sizeof name, "%s_call", a->pack_name);
                code.pack = (int (*)(void **))jit_find(k, name);
            }
            ok = code.main && (!a->pack_name || code.pack) && harness_check(l, o, flush_end, by_code, &code);
            guard_free(&w);
            guard_free(&pw);
        }
        if (k) jit_unlink(k);
    }
    artifact_free(a);
    return ok;
}

/* This machine's own target, and less of it, so that many rows run wherever the tests do. */
static const char *const targets[] = {"native", "native", "x86-64-v3", "x86-64-v3", "x86-64-v2", "generic"};

static bool one_case(uint64_t seed, struct jit **j, long *steps, long *tensorized)
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
    ok = l && run_code(&c, j, l, &o);
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
    struct jit *j = NULL;
    printf("jit: seed %llu, %llu programs\n", (unsigned long long)seed, (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++)
        if (!one_case(seed + i, &j, &steps, &tensorized)) {
            fprintf(stderr, "FAILED: QJ_SEED=%llu QJ_N=1\n", (unsigned long long)(seed + i));
            return 1;
        }
    jit_unref(j);
    printf("%ld steps taken (%ld tensorize)\n", steps, tensorized);
    return n < 100 || tensorized > 0 ? 0 : 1;
}
