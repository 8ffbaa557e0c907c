/* SPDX-License-Identifier: Apache-2.0 */
/* api_steps.c - schedule steps: as text, and typed calls that make the same struct step. */
#include "runtime/api.h"

static bool body_step(struct qj_ctx *q, void *u)
{
    const char *text = *(const char **)u;
    if (!text) return err_set(&q->ir.err, ERR_USAGE, (struct span){0}, "a text is missing (NULL)");
    struct sched *s = api_sched(q);
    return s && sch_text_steps(s, text);
}

bool qj_step(qj_ctx *q, const char *text)
{
    if (q) q->text = text;
    return api_run(q, API_KEEP, body_step, &text);
}

static bool body_undo(struct qj_ctx *q, void *u)
{
    (void)u;
    if (!q->sched)
        return err_set(&q->ir.err, ERR_NOTHING_TO_UNDO, (struct span){0}, "there is no step to undo");
    return sch_undo(q->sched);
}

bool qj_undo(qj_ctx *q) { return api_run(q, API_KEEP, body_undo, NULL); }
int qj_nsteps(qj_ctx *q) { return q && q->sched ? sch_nsteps(q->sched) : 0; }

/* ---- typed ---- */

/* A step as a host hands it over: strings are the host's still. bad: an argument was NULL or no name. */
struct given { struct step step; const char *bad; };

static struct given new_step(enum prim p) { return (struct given){.step = {.prim = p}}; }

static bool is_word(const char *s)
{
    bool ok = s && *s && strlen(s) <= 200;
    for (; ok && *s; s++)
        ok = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_'
             || *s == '.';
    return ok;
}

static struct step_arg *next_arg(struct given *g)
{
    static const char many[] = "more names than a step can have";
    if (g->step.narg < STEP_MAX_ARGS) return &g->step.arg[g->step.narg++];
    g->bad = many;
    return &g->step.arg[0];
}

static void add_word(struct given *g, const char *key, const char *word)
{
    *next_arg(g) = (struct step_arg){.key = key, .word = word};
    if (!is_word(word)) g->bad = "a name is missing, empty or has characters that names do not";
}

static void add_int(struct given *g, const char *key, int64_t i)
{
    *next_arg(g) = (struct step_arg){.key = key, .i = i};
}

static void add_words(struct given *g, int n, const char *const *word)
{
    if (n < 0 || (n && !word)) g->bad = "a list of names is missing";
    for (int i = 0; i < n && !g->bad; i++) add_word(g, NULL, word[i]);
}

static void add_out(struct given *g, const char *name)
{
    if (g->step.nout == STEP_MAX_OUT) return;
    if (name && !is_word(name)) g->bad = "a new name has characters that names do not";
    if (name) g->step.out[g->step.nout++] = name;
}

static void add_tail(struct given *g, qj_tail tail)
{
    static const char *const name[] = {"guard", "peel", "pad", "error"};
    if ((unsigned)tail < ARRAY_LEN(name)) add_word(g, "tail", name[tail]);
    else g->bad = "a tail is QJ_TAIL_GUARD, QJ_TAIL_PEEL, QJ_TAIL_PAD or QJ_TAIL_ERROR";
}

static void add_scope(struct given *g, qj_scope scope)
{
    static const char *const name[] = {"global", "shared", "local"};
    if ((unsigned)scope < ARRAY_LEN(name)) add_word(g, NULL, name[scope]);
    else g->bad = "a scope is QJ_GLOBAL, QJ_SHARED or QJ_LOCAL";
}

static void add_type(struct given *g, const qj_dtype *as)
{
    if (as && (unsigned)*as < DT_COUNT) add_word(g, "as", dtype_info[*as].name);
    else if (as) g->bad = "no such element type";
}

static void add_outs(struct given *g, int n, const char *const *names)
{
    for (int i = 0; names && i < n; i++) {
        if (!names[i]) g->bad = "a new name is missing";
        else add_out(g, names[i]);
    }
}

static bool body_given(struct qj_ctx *q, void *u)
{
    struct given *g = u;
    struct arena *arena = &q->ir.arena;
    if (g->bad)
        return err_set(&q->ir.err, ERR_STEP_ARGS, (struct span){0}, "%s: %s", prim_info[g->step.prim].name,
                       g->bad);
    struct sched *s = api_sched(q);
    if (!s) return false;
    struct step st = g->step;
    for (int i = 0; i < st.narg; i++)
        if (st.arg[i].word) st.arg[i].word = arena_strdup(arena, st.arg[i].word);
    for (int i = 0; i < st.nout; i++) st.out[i] = arena_strdup(arena, st.out[i]);
    return sch_apply(s, &st);
}

static bool apply(qj_ctx *q, struct given *g) { return api_run(q, API_KEEP, body_given, g); }

/* "STAGE.AXIS" in the caller's buffer. */
struct dotted { char text[256]; };
static void add_axis(struct given *g, struct dotted *d, const char *stage, const char *axis)
{
    size_t n = stage ? strlen(stage) : 0, m = axis ? strlen(axis) : 0;
    if (!n || !m || n + m + 2 > sizeof d->text || !is_word(stage) || !is_word(axis)) {
        g->bad = "a stage and an axis, both names, are needed";
        return;
    }
    memcpy(d->text, stage, n);
    d->text[n] = '.';
    memcpy(d->text + n + 1, axis, m + 1);
    add_word(g, NULL, d->text);
}

static bool split(qj_ctx *q, const char *stage, const char *axis, const char *key, int64_t n, qj_tail tail,
                  const char *outer, const char *inner)
{
    struct given g = new_step(PRIM_SPLIT);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    add_int(&g, key, n);
    if (tail != QJ_TAIL_GUARD) add_tail(&g, tail);
    if (!outer != !inner) g.bad = "name both loops, or neither";
    add_out(&g, outer);
    add_out(&g, inner);
    return apply(q, &g);
}

bool qj_split(qj_ctx *q, const char *stage, const char *axis, int64_t factor, qj_tail tail, const char *outer,
              const char *inner)
{
    return split(q, stage, axis, NULL, factor, tail, outer, inner);
}

bool qj_split_parts(qj_ctx *q, const char *stage, const char *axis, int64_t parts, qj_tail tail,
                    const char *outer, const char *inner)
{
    return split(q, stage, axis, "parts", parts, tail, outer, inner);
}

bool qj_fuse(qj_ctx *q, const char *stage, int naxes, const char *const *axes, const char *name)
{
    struct given g = new_step(PRIM_FUSE);
    struct dotted d;
    if (naxes < 2 || !axes) g.bad = "two axes or more are needed";
    else {
        add_axis(&g, &d, stage, axes[0]);
        add_words(&g, naxes - 1, axes + 1);
    }
    add_out(&g, name);
    return apply(q, &g);
}

bool qj_reorder(qj_ctx *q, const char *stage, int naxes, const char *const *axes)
{
    struct given g = new_step(PRIM_REORDER);
    add_word(&g, NULL, stage);
    add_words(&g, naxes, axes);
    return apply(q, &g);
}

bool qj_tile(qj_ctx *q, const char *stage, const char *y, const char *x, int64_t fy, int64_t fx,
             const char *const *names)
{
    struct given g = new_step(PRIM_TILE);
    struct dotted d;
    add_axis(&g, &d, stage, y);
    add_word(&g, NULL, x);
    add_int(&g, NULL, fy);
    add_int(&g, NULL, fx);
    for (int i = 0; names && i < 4; i++) {
        if (!names[i]) g.bad = "name all four loops, or none";
        add_out(&g, names[i]);
    }
    return apply(q, &g);
}

/* STAGE.AXIS and nothing else, or with a new name. */
static bool mark(qj_ctx *q, enum prim p, const char *stage, const char *axis, const char *out)
{
    struct given g = new_step(p);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    add_out(&g, out);
    return apply(q, &g);
}

bool qj_unroll(qj_ctx *q, const char *stage, const char *axis)
{
    return mark(q, PRIM_UNROLL, stage, axis, NULL);
}
bool qj_vectorize(qj_ctx *q, const char *stage, const char *axis)
{
    return mark(q, PRIM_VECTORIZE, stage, axis, NULL);
}
bool qj_parallel(qj_ctx *q, const char *stage, const char *axis)
{
    return mark(q, PRIM_PARALLEL, stage, axis, NULL);
}

bool qj_rfactor(qj_ctx *q, const char *stage, const char *axis, const char *name)
{
    return mark(q, PRIM_RFACTOR, stage, axis, name);
}

bool qj_bind(qj_ctx *q, const char *stage, const char *axis, qj_axis to)
{
    static const char *const name[] = {"blockIdx.x", "blockIdx.y", "blockIdx.z", "threadIdx.x", "threadIdx.y",
                                       "threadIdx.z", "vthread"};
    struct given g = new_step(PRIM_BIND);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    if ((unsigned)to < ARRAY_LEN(name)) add_word(&g, NULL, name[to]);
    else g.bad = "a GPU axis is QJ_BLOCK_X to QJ_VTHREAD";
    return apply(q, &g);
}

bool qj_compute_at(qj_ctx *q, const char *stage, const char *consumer, const char *axis)
{
    struct given g = new_step(PRIM_COMPUTE_AT);
    struct dotted d;
    add_word(&g, NULL, stage);
    add_axis(&g, &d, consumer, axis);
    return apply(q, &g);
}

static bool about_stage(qj_ctx *q, enum prim p, const char *stage)
{
    struct given g = new_step(p);
    add_word(&g, NULL, stage);
    return apply(q, &g);
}

bool qj_compute_inline(qj_ctx *q, const char *stage) { return about_stage(q, PRIM_COMPUTE_INLINE, stage); }
bool qj_compute_root(qj_ctx *q, const char *stage) { return about_stage(q, PRIM_COMPUTE_ROOT, stage); }

bool qj_cache_read(qj_ctx *q, const char *tensor, qj_scope scope, int nreaders, const char *const *readers,
                   const qj_dtype *as, const char *name)
{
    struct given g = new_step(PRIM_CACHE_READ);
    add_word(&g, NULL, tensor);
    add_scope(&g, scope);
    add_words(&g, nreaders, readers);
    add_type(&g, as);
    add_out(&g, name);
    return apply(q, &g);
}

bool qj_reindex(qj_ctx *q, const char *tensor, const char *stage, const qj_dtype *as, const char *name)
{
    struct given g = new_step(PRIM_REINDEX);
    add_word(&g, NULL, tensor);
    add_word(&g, NULL, stage);
    add_type(&g, as);
    add_out(&g, name);
    return apply(q, &g);
}

bool qj_offset(qj_ctx *q, const char *tensor, const char *stage, int64_t by, const qj_dtype *as, const char *const *names)
{
    struct given g = new_step(PRIM_OFFSET);
    add_word(&g, NULL, tensor);
    add_word(&g, NULL, stage);
    add_int(&g, NULL, by);
    add_type(&g, as);
    add_outs(&g, 3, names);
    return apply(q, &g);
}

bool qj_merge(qj_ctx *q, const char *stage, const char *axis, const char *with, const char *name)
{
    struct given g = new_step(PRIM_MERGE);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    add_word(&g, NULL, with);
    add_out(&g, name);
    return apply(q, &g);
}

bool qj_slide(qj_ctx *q, const char *stage, const char *tap, const char *axis, int64_t factor, const char *kernel)
{
    struct given g = new_step(PRIM_SLIDE);
    struct dotted d;
    add_axis(&g, &d, stage, tap);
    add_word(&g, NULL, axis);
    add_int(&g, NULL, factor);
    add_out(&g, kernel);
    return apply(q, &g);
}

bool qj_cap(qj_ctx *q, const char *stage, const char *k, int64_t groups, const char *n, int64_t block, int64_t most,
            const char *const *names)
{
    struct given g = new_step(PRIM_CAP);
    struct dotted d;
    add_axis(&g, &d, stage, k);
    add_int(&g, NULL, groups);
    add_word(&g, NULL, n);
    add_int(&g, NULL, block);
    if (most >= 0) add_int(&g, "most", most);
    add_outs(&g, 2, names);
    return apply(q, &g);
}

bool qj_winograd(qj_ctx *q, const char *stage, const char *y, const char *x, int tile, int64_t parts,
                 const char *const *names)
{
    struct given g = new_step(PRIM_WINOGRAD);
    struct dotted d;
    add_axis(&g, &d, stage, y);
    add_word(&g, NULL, x);
    add_int(&g, "tile", tile);
    if (parts) add_int(&g, "parts", parts);
    add_outs(&g, 3, names);
    return apply(q, &g);
}

bool qj_cache_write(qj_ctx *q, const char *stage, qj_scope scope, const char *name)
{
    struct given g = new_step(PRIM_CACHE_WRITE);
    add_word(&g, NULL, stage);
    add_scope(&g, scope);
    add_out(&g, name);
    return apply(q, &g);
}

bool qj_set_scope(qj_ctx *q, const char *stage, qj_scope scope)
{
    struct given g = new_step(PRIM_SET_SCOPE);
    add_word(&g, NULL, stage);
    add_scope(&g, scope);
    return apply(q, &g);
}

bool qj_storage_align(qj_ctx *q, const char *stage, const char *axis, int64_t factor, int64_t offset)
{
    struct given g = new_step(PRIM_STORAGE_ALIGN);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    add_int(&g, NULL, factor);
    add_int(&g, NULL, offset);
    return apply(q, &g);
}

bool qj_double_buffer(qj_ctx *q, const char *stage, int copies)
{
    struct given g = new_step(PRIM_DOUBLE_BUFFER);
    add_word(&g, NULL, stage);
    add_int(&g, NULL, copies);
    return apply(q, &g);
}

bool qj_async(qj_ctx *q, const char *stage) { return about_stage(q, PRIM_ASYNC, stage); }

bool qj_pad(qj_ctx *q, const char *stage, const char *axis, int64_t multiple)
{
    struct given g = new_step(PRIM_PAD);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    add_int(&g, NULL, multiple);
    return apply(q, &g);
}

bool qj_transform_layout(qj_ctx *q, const char *tensor, const char *layout, const char *letters)
{
    struct given g = new_step(PRIM_TRANSFORM_LAYOUT);
    add_word(&g, NULL, tensor);
    add_word(&g, NULL, layout);
    if (letters) add_word(&g, "axes", letters);
    return apply(q, &g);
}

bool qj_tensorize(qj_ctx *q, const char *stage, const char *axis, const char *intrinsic, qj_tail tail)
{
    struct given g = new_step(PRIM_TENSORIZE);
    struct dotted d;
    add_axis(&g, &d, stage, axis);
    add_word(&g, NULL, intrinsic);
    if (tail != QJ_TAIL_ERROR) add_tail(&g, tail);
    return apply(q, &g);
}

bool qj_annotate(qj_ctx *q, const char *stage, const char *axis, const char *key, int64_t value)
{
    struct given g = new_step(PRIM_ANNOTATE);
    struct dotted d;
    if (axis) add_axis(&g, &d, stage, axis);
    else add_word(&g, NULL, stage);
    add_word(&g, NULL, key);
    add_int(&g, NULL, value);
    return apply(q, &g);
}
