/* SPDX-License-Identifier: Apache-2.0 */
/* embed.c - what lies in an object as constant data: weights with values, and what packing makes of them. Packing is run
 * here, by the interpreter: the same bits on every machine, whatever the target. */
#include "codegen/passes.h"
#include "ir/interp.h"
#include "ir/values.h"

static int64_t bytes_of(const struct buffer *b) { return buffer_elems(b) * dt_bytes(b->dt); }

static const struct embedded *find(const struct embeddings *e, const struct tensor *t)
{
    for (size_t i = 0; i < e->at.n; i++)
        if (e->at.at[i].tensor == t) return &e->at.at[i];
    return NULL;
}

static void *add(struct ir_ctx *c, struct embeddings *e, const struct kernel_arg *a)
{
    const struct embedded *have = find(e, a->tensor);
    if (have) return have->bytes;
    struct embedded one = {a->tensor, a->buffer->name, NULL, bytes_of(a->buffer)};
    one.bytes = arena_alloc(&c->arena, (size_t)one.size + 1);
    VEC_PUSH(&c->arena, e->at, one);
    return one.bytes;
}

/* From row-major to the layout's order; padding is zero. */
static void lay_out(const struct kernel_arg *a, unsigned char *to)
{
    const struct tensor *t = a->tensor;
    const unsigned char *from = t->values;
    size_t size = (size_t)dt_bytes(t->dt);
    int64_t idx[QJ_MAX_RANK] = {0}, n = tensor_bytes(t) / dt_bytes(t->dt);
    if (!a->layout) {
        memcpy(to, from, (size_t)n * size);
        return;
    }
    for (int64_t at = 0; at < n; at++) {
        memcpy(to + (size_t)layout_offset(a->layout, t->ndim, t->shape, idx) * size, from + (size_t)at * size, size);
        for (int d = t->ndim; d-- > 0;) {
            if (++idx[d] < t->shape[d]) break;
            idx[d] = 0;
        }
    }
}

static void add_weights(struct ir_ctx *c, struct embeddings *e, int n, const struct kernel_arg *arg)
{
    for (int i = 0; i < n; i++)
        if (arg[i].tensor && arg[i].tensor->values && !find(e, arg[i].tensor)) lay_out(&arg[i], add(c, e, &arg[i]));
}

bool embed_values(struct ir_ctx *c, const struct lowered *l, struct embeddings *out)
{
    int nembed = l->embed ? l->embed->narg : 0;
    void **arg = ARENA_ARRAY(&c->arena, void *, nembed + 1);
    add_weights(c, out, l->nembedded, l->arg + lowered_nargs(l));
    if (l->pack) add_weights(c, out, l->pack_nembedded, l->pack_arg + lowered_npack(l));
    struct embeddings all = *out; /* with those that packing alone reads, which do not stay */
    all.at.at = arena_copy(&c->arena, out->at.at, out->at.n * sizeof out->at.at[0]);
    all.at.cap = all.at.n;
    add_weights(c, &all, nembed, l->embed_arg);
    for (int i = 0; i < nembed; i++) arg[i] = add(c, l->embed_arg[i].role == ARG_PACKED ? out : &all, &l->embed_arg[i]);
    return !l->embed || interp_run(c, l->embed, arg);
}
