/* SPDX-License-Identifier: Apache-2.0 */
/* prim_pipe.c - primitives on how a stage is stored while loops run over it: storage_align double_buffer async. prims.def has
 * what they do. Whether a stage is computed where they mean something is seen when it is lowered: steps come in any order. */
#include "schedule/state.h"

enum { MOST_ALIGN = 1 << 20 };

bool prim_storage_align(struct applying *a)
{
    int64_t factor, offset;
    if (!arg_count(a, 3, 3)) return false;
    const struct step_arg *x = &a->step->arg[0];
    const char *dot = x->word ? strchr(x->word, '.') : NULL;
    if (!dot) return fail_step(a, ERR_STEP_ARGS, x, "argument 1 is an axis of a tensor, written STAGE.AXIS");
    struct stage *g = arg_stage_named(a, x, arena_strndup(&a->c->arena, x->word, (size_t)(dot - x->word)));
    if (!g || !arg_int(a, 1, 1, MOST_ALIGN, &factor) || !arg_int(a, 2, 0, factor - 1, &offset)) return false;
    int d = 0;
    while (d < g->tensor->ndim && strcmp(g->tensor->dim_name[d], dot + 1)) d++;
    if (d == g->tensor->ndim) {
        fail_step(a, ERR_NO_AXIS, x, "%s has no axis %s", g->tensor->name, dot + 1);
        struct str all = str_on(&a->c->arena);
        for (int i = 0; i < g->tensor->ndim; i++) str_printf(&all, " %s", g->tensor->dim_name[i]);
        return err_hint(&a->c->err, "its axes are%s, however they were split and fused", g->tensor->ndim ? str_text(&all) : " none"),
               false;
    }
    g->align.dim = d;
    g->align.factor = factor;
    g->align.offset = offset;
    return true;
}

bool prim_double_buffer(struct applying *a)
{
    int64_t copies = 2;
    if (!arg_count(a, 1, 2)) return false;
    struct stage *g = arg_stage(a, 0, NULL);
    if (!g || (npositional(a) == 2 && !arg_int(a, 1, 1, MOST_COPIES, &copies))) return false;
    g->copies = (int)copies;
    return true;
}

bool prim_async(struct applying *a)
{
    if (!arg_count(a, 1, 1)) return false;
    struct stage *g = arg_stage(a, 0, NULL);
    if (!g) return false;
    const char *lacks = target_lacks(a->c, a->target, "sm_80");
    if (lacks || a->target->family->kind != TARGET_SIMT) {
        fail_step(a, ERR_FEATURE, NULL, "%s has no asynchronous copies", a->target->name);
        return err_hint(&a->c->err, "GPUs from sm_80 on have them"), false;
    }
    g->async = true;
    return true;
}
