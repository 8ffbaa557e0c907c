/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_steps.c - any text is a list of steps or refused; what was taken lowers, and replays to the same nest. */
#include <stdint.h>

#include "ir/print.h"
#include "schedule/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const char *const fuzz_seeds[];
const char *const fuzz_seeds[] = {
    "split Out.n 8 tail=peel -> no ni; reorder Out no m ni; vectorize Out.ni; parallel Out.no; compute_at Acc Out.no\n",
    "cache_read W global -> Wp; transform_layout Wp NK8n2k; cache_read A local as=i16 -> X; compute_at X Out.m\n"
    "split Acc.n 8 -> no ni; split Acc.k 2 -> ko ki; reorder Acc no ko ni ki; tensorize Acc.ni with dot2_i16i8_avx2 tail=pad\n",
    "rfactor Acc.k -> R; fuse R.k m -> km; tile Acc.m n 2 3; unroll Acc.k; bind Out.m blockIdx.x; set_scope Acc shared\n",
    "pad Acc.k 4; cache_write Out local; compute_inline Acc; compute_root Acc; annotate Out.m key 3; undo\n",
    "offset A Acc -128 as=i8 -> X R S; reindex X R as=i16 -> Y; template dense mr=2 nr=16 rows=3 outer=1\n",
    "merge Acc.m n -> mn; slide Acc.k m 2 -> V; cap Acc.k 1 n 4 most=30 -> F R; winograd Acc.m n tile=2 -> U V M\n",
    "template nth=3; undo; template stage=Acc row=dot2_i16_avx2\n", NULL};

static const struct program *program(struct ir_ctx *c)
{
    static const char text[] = "input A[m:6, k:10] : u8; weight W[n:12, k:10] : i8\n"
                               "Acc[m, n] : i32 = sum(k) i32(A[m, k]) * i32(W[n, k]); Out[m, n] : i32 = max(Acc[m, n], 0)";
    struct ir_env env = {0};
    struct lexer lx = lex_on(c, "program", text, sizeof text - 1);
    while (lex_skip_ends(&lx)) parse_def(&lx, &env);
    struct program *p = ARENA_NEW(&c->arena, struct program);
    *p = (struct program){"k", (int)env.tensors.n, env.tensors.at};
    return p;
}

static const char *nest(struct ir_ctx *c, struct sched *s)
{
    struct str out = str_on(&c->arena);
    const struct lowered *l = sch_lower(s);
    if (!l) __builtin_trap(); /* every state that was kept has been lowered */
    if (l->pack) print_func(&out, l->pack);
    print_func(&out, l->main);
    return str_text(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ir_ctx c;
    ir_ctx_init(&c, 0);
    const struct program *p = program(&c);
    const struct target *t = target_parse(&c, "x86-64-v3", 9, (struct span){0});
    struct sched *s = sch_new(&c, p, t), *again = sch_new(&c, p, t);
    char *text = arena_strndup(&c.arena, (const char *)data, size);
    struct lexer lx = lex_on(&c, "fuzz", text, size);
    while (lex_skip_ends(&lx) && sch_nsteps(s) < 12) {
        if (sch_step_parse(s, &lx)) continue;
        if (!err_is(&c.err)) __builtin_trap();
        err_clear(&c.err);
        while (lx.tok.kind != TOK_EOL && lx.tok.kind != TOK_END) { /* the next statement */
            lex_next(&lx);
            err_clear(&c.err);
        }
    }
    err_clear(&c.err);
    if (!sch_text_steps(again, sch_text(&c.arena, s)) || strcmp(nest(&c, s), nest(&c, again))) __builtin_trap();
    ir_ctx_release(&c);
    return 0;
}
