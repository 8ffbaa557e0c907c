/* SPDX-License-Identifier: Apache-2.0 */
/* jitrun.c - contract in jitrun.h. */
#include "tests/support/jitrun.h"

#include <stdio.h>

#include "codegen/codegen.h"

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

bool jit_check(struct ir_ctx *c, const struct lowered *l, const struct oracle *o, bool may_refuse)
{
    struct cg_options opt = {.kind = CG_OBJ};
    struct artifact *a = cg_compile(c, l, &opt);
    if (!a) {
        bool refusal = may_refuse && (c->err.first.code == ERR_UNSUPPORTED || c->err.first.code == ERR_FEATURE);
        if (!refusal) show_error(c);
        err_clear(&c->err);
        return refusal;
    }
    bool ok = true;
    if (target_runs_here(l->target)) {
        struct linked *k = jit_link(&c->err, a->bytes, a->size, 0, NULL);
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
