/* SPDX-License-Identifier: Apache-2.0 */
/* inner.c - what the public interface does not say, borrowed from behind it: names for completion, the loop
 * nest after each pass, the loops as LLVM gets them. Every body runs inside api_run, as the library's own. */
#include <math.h>
#include <stdlib.h>

#include "codegen/codegen.h"
#include "ir/print.h"
#include "runtime/api.h"
#include "runtime/explain.h"
#include "tools/qjit/session.h"

/* ---- names ---- */

static bool body_sched(struct qj_ctx *q, void *u)
{
    *(struct sched **)u = api_sched(q);
    return !err_is(&q->ir.err);
}

struct sched *session_sched(struct session *s)
{
    struct sched *sched = NULL;
    if (qj_last_error(s->q)) return NULL;
    bool ok = api_run(s->q, API_KEEP, body_sched, &sched);
    qj_clear_error(s->q);
    return ok ? sched : NULL;
}

const struct ir_env *session_tensors(const struct session *s) { return &s->q->env; }

/* ---- passes ---- */

struct passing {
    FILE *f;
    const char *last;       /* NULL: print nothing before the end */
    bool done;
};

static void on_dump(void *u, const char *pass, const char *text)
{
    struct passing *p = u;
    if (!p->last || p->done) return;
    fprintf(p->f, "# after %s\n%s%s", pass, text, *text == '(' ? "\n" : "");
    p->done = !strcmp(pass, p->last);
}

static bool body_passes(struct qj_ctx *q, void *u)
{
    struct passing *p = u;
    struct sched *sched = api_sched(q);
    const struct lowered *l = sched ? sch_lower(sched) : NULL;
    struct cg_options o = {.dump = "all", .on_dump = on_dump, .u = p};
    if (!l) return false;
    const struct func *from[2] = {l->main, l->pack};
    for (int i = 0; i < 2; i++) {
        if (!from[i]) continue;
        p->done = false;
        const struct func *f = cg_run_passes(&q->ir, from[i], l->target, &o);
        if (!f) return false;
        if (p->last) continue;
        struct str text = str_on(&q->ir.arena);
        print_func(&text, f);
        fputs(str_text(&text), p->f);
    }
    return true;
}

bool session_passes(struct session *s, const char *pass)
{
    struct passing p = {.f = s->out->text, .last = pass};
    api_run(s->q, API_SCRATCH, body_passes, &p);
    return session_ok(s);
}

/* ---- explain ---- */

static bool body_explain(struct qj_ctx *q, void *u)
{
    struct out *o = u;
    struct sched *sched = api_sched(q);
    struct explained x = {.c = &q->ir};
    struct str text = str_on(&q->ir.arena);
    if (!sched) return false;
    sch_explain(sched, &x);
    explain_text(&x, &text);
    fputs(str_text(&text), o->text);
    out_open(o, "rows", '[');
    for (size_t i = 0; i < x.row.n; i++) {
        const struct explain_row *r = &x.row.at[i];
        out_open(o, NULL, '{');
        out_str(o, "stage", r->stage);
        out_str(o, "kind", explain_kind(r));
        out_str(o, "name", r->name);
        out_bool(o, "taken", r->taken);
        out_bool(o, "fits", r->fits);
        out_str(o, "where", r->where);
        out_num(o, "mac_per_cycle", r->mac_per_cycle > 0 ? r->mac_per_cycle : (double)NAN);
        out_num(o, "cycles", r->cycles > 0 ? r->cycles : (double)NAN);
        out_str(o, "why", r->why);
        out_str(o, "unlock", r->unlock);
        out_close(o);
    }
    out_close(o);
    return !err_is(&q->ir.err);
}

bool session_explain(struct session *s)
{
    api_run(s->q, API_SCRATCH, body_explain, s->out);
    return session_ok(s);
}

/* ---- loops ---- */

static void must(const void *p)
{
    if (!p) exit(EXIT_OURS);
}

/* Index, since adding moves the rest. */
static size_t nest_new(struct nests *all, const char *function)
{
    all->at = realloc(all->at, (all->n + 1) * sizeof *all->at);
    must(all->at);
    all->at[all->n] = (struct nest){.function = strdup(function)};
    must(all->at[all->n].function);
    return all->n++;
}

static void nest_add(struct nest *f, const char *name, int depth)
{
    f->at = realloc(f->at, (f->n + 1) * sizeof *f->at);
    must(f->at);
    f->at[f->n].depth = depth;
    must(f->at[f->n++].name = strdup(name));
}

/* As codegen/llvm_stmt.c cuts functions: an outermost parallel loop becomes NAME.bodyN, in order. */
struct cutting {
    struct nests *all;
    const char *name;
    int bodies;
    size_t in;              /* the function at work */
    bool parallel;          /* inside such a loop */
    int depth;
};

static void cut(struct cutting *k, const struct stmt *s)
{
    switch (s->kind) {
    case STMT_FOR: {
        struct cutting outer = *k;
        if (s->u.loop.how == LOOP_PARALLEL && !k->parallel) {
            char function[128];
            snprintf(function, sizeof function, "%s.body%d", k->name, k->bodies++);
            k->in = nest_new(k->all, function);
            k->parallel = true;
            k->depth = 0;
        }
        nest_add(&k->all->at[k->in], s->u.loop.var->name, k->depth++);
        cut(k, s->u.loop.body);
        k->in = outer.in;
        k->parallel = outer.parallel;
        k->depth = outer.depth;
        return;
    }
    case STMT_IF: cut(k, s->u.cond.then); return;
    case STMT_SEQ:
        for (int i = 0; i < s->u.seq.n; i++) cut(k, s->u.seq.at[i]);
        return;
    case STMT_ALLOC: cut(k, s->u.alloc.body); return;
    case STMT_STORE:
    case STMT_INTRIN:
    case STMT_SYNC:
    case STMT_COMBINE: return;
    }
}

static bool body_nests(struct qj_ctx *q, void *u)
{
    struct sched *sched = api_sched(q);
    const struct lowered *l = sched ? sch_lower(sched) : NULL;
    if (!l) return false;
    const struct func *from[2] = {l->main, l->pack};
    for (int i = 0; i < 2; i++) {
        const struct func *f = from[i] ? cg_run_passes(&q->ir, from[i], l->target, NULL) : NULL;
        if (!f) continue;
        struct cutting k = {.all = u, .name = f->name, .in = nest_new(u, f->name)};
        cut(&k, f->body);
    }
    return !err_is(&q->ir.err);
}

struct nests session_nests(struct session *s)
{
    struct nests all = {0};
    api_run(s->q, API_SCRATCH, body_nests, &all);
    qj_clear_error(s->q);
    return all;
}

void nests_free(struct nests *n)
{
    for (size_t i = 0; i < n->n; i++) {
        for (size_t k = 0; k < n->at[i].n; k++) free(n->at[i].at[k].name);
        free(n->at[i].at);
        free(n->at[i].function);
    }
    free(n->at);
    *n = (struct nests){0};
}
