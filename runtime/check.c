/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ir/eval.h"
#include "ir/parse.h"
#include "runtime/call.h"
#include "runtime/room.h"
#include "runtime/tensor.h"

/* A margin that leaves tensors aligned to their elements and to no more. */
enum { POLL_EVERY = 1 << 16 };         /* elements */
enum { MARGIN = 136, MARGIN_BYTE = 0xa5, OUTPUT_BYTE = 0x5a, SAMPLE_MIN = 96, SAMPLE_MAX = 4096 };

enum pattern { GREATEST, LEAST, OPPOSED, OPPOSED_BACK, ALTERNATING, EXTREMES, RANDOM, BELL, PATTERNS };
static const char *const pattern_name[PATTERNS] = {
    "greatest", "least", "opposed", "opposed-back", "alternating", "random-extremes", "random", "bell",
};

/* A tensor of the call: as the program has it and as the kernel gets it. */
struct side {
    const struct tensor *t;
    const struct artifact_arg *g;
    int64_t n;
    void *logical, *physical;    /* outputs: logical is the oracle's */
    qj_tensor *tensor;           /* over physical */
};

struct check {
    struct ir_ctx *c;
    const struct qj_artifact *a;
    const struct qj_kernel *k;          /* NULL: it runs elsewhere */
    const struct check_place *place;
    qj_check_report *r;
    const struct program *program;
    int n;
    struct side *side;
    struct eval *ev;
    bool every;
    uint64_t seed;
};

static void free_eval(void *p) { eval_free(p); }
static void free_tensors(void *p)
{
    for (qj_tensor **t = p; *t; t++) qj_tensor_free(*t);
}

static bool fail(struct check *k, enum err_code code, const char *what)
{
    return err_set(&k->c->err, code, (struct span){0}, "cannot check %s: %s", k->a->a->name, what);
}

/* ---- data ---- */

static bool is_wide(const struct artifact_arg *g)
{
    return dt_bytes(g->dt) >= 4 && g->dt != DT_F32 && !g->range_declared;
}

static void random_run(const struct artifact_arg *g, const char *keyword, void *data, int64_t n, uint64_t seed)
{
    if (g->dt == DT_F32) {
        bool scale = keyword && !strcmp(keyword, "scale");
        for (int64_t i = 0; i < n; i++) {
            double u = (double)(rng_next(&seed) >> 11) / 9007199254740992.0;
            ((float *)data)[i] = (float)(scale ? exp2(-18 + 14 * u) : 2 * u - 1);
        }
    } else if (is_wide(g)) {
        for (int64_t i = 0; i < n; i++) {
            uint64_t x = rng_next(&seed), drop = rng_next(&seed) % (uint64_t)dtype_info[g->dt].bits;
            int64_t v = (int64_t)(x << (64 - dtype_info[g->dt].bits)) >> (64 - dtype_info[g->dt].bits);
            value_store(g->dt, data, i, (union value){.i = v >> drop});
        }
    } else {
        tensor_random(g->dt, data, n, seed, g->range);
    }
}

void check_random(struct arena *poll, const struct artifact_arg *g, const char *keyword, void *data, int64_t n, uint64_t seed)
{
    for (int64_t at = 0; at < n; at += POLL_EVERY) {
        arena_poll(poll);
        random_run(g, keyword, (char *)data + at * dt_bytes(g->dt), i64_min(n - at, POLL_EVERY), seed + (uint64_t)at);
    }
}

static int64_t extreme(struct range r, uint64_t *seed)
{
    const int64_t pick[] = {r.lo, r.hi, r.lo, r.hi, 0, 1, -1, r.hi - (r.hi > r.lo)};
    int64_t v = pick[rng_next(seed) % ARRAY_LEN(pick)];
    return v < r.lo ? r.lo : v > r.hi ? r.hi : v;
}

/* Mostly small, seldom large, as trained weights are: what is packed by their size goes other ways than for random ones. */
static int64_t bell(struct range r, uint64_t *seed)
{
    uint64_t x = rng_next(seed);
    int64_t v = (int64_t)(x >> 32 & 3) << __builtin_ctzll(x | 256);
    if (x >> 63) v = -v;
    return v < r.lo ? r.lo : v > r.hi ? r.hi : v;
}

/* Wide types and f32 keep random values: a greatest bias would drown what it is added to. */
static void fill(struct check *k, struct side *s, int which, enum pattern p)
{
    struct range r = s->g->range;
    uint64_t seed = k->seed ^ ((uint64_t)(unsigned)which << 32) ^ (uint64_t)(unsigned)p;
    bool random = p == RANDOM || (p == BELL && s->t->kind == TENSOR_INPUT);
    if (random || s->g->dt == DT_F32 || is_wide(s->g)) {
        check_random(&k->c->arena, s->g, s->t->keyword, s->logical, s->n, seed);
        return;
    }
    bool odd = which & 1;
    for (int64_t i = 0; i < s->n; i++) {
        bool high = false;
        if (i % POLL_EVERY == 0) arena_poll(&k->c->arena);
        union value v;
        switch (p) {
        case GREATEST: high = true; break;
        case LEAST: break;
        case OPPOSED: high = !odd; break;
        case OPPOSED_BACK: high = odd; break;
        case ALTERNATING: high = (i & 1) == 0; break;
        case EXTREMES: case RANDOM: case BELL: case PATTERNS: break;
        }
        v.i = p == EXTREMES ? extreme(r, &seed) : p == BELL ? bell(r, &seed) : high ? r.hi : r.lo;
        value_store(s->g->dt, s->logical, i, v);
    }
}

/* ---- set-up ---- */

static const struct program *read_program(struct check *k)
{
    const char *text = arena_strdup(&k->c->arena, k->a->a->program);
    struct ir_env env = {0};
    struct lexer lx = lex_on(k->c, NULL, text, strlen(text));
    while (lex_skip_ends(&lx))
        if (!parse_def(&lx, &env)) return NULL;
    struct program *p = ARENA_NEW(&k->c->arena, struct program);
    *p = (struct program){k->a->a->name, (int)env.tensors.n, env.tensors.at};
    return err_is(&k->c->err) ? NULL : p;
}

/* Three tensors into own[], which set_up has registered. */
static bool new_memory(struct check *k, struct side *s, int i, qj_tensor **own)
{
    const struct artifact_arg *g = artifact_call_arg(k->a, i);
    if (!(own[0] = qj_tensor_new((qj_dtype)g->dt, g->ndim, g->shape))
        || !(own[1] = qj_tensor_new(QJ_U8, 1, (int64_t[]){g->bytes + 2 * MARGIN}))
        || !(own[2] = qj_tensor_from_data((qj_dtype)g->dt, g->nphys, g->phys, (char *)own[1]->data + MARGIN)))
        return fail(k, ERR_MEMORY, "no memory for its tensors");
    *s = (struct side){.g = g, .n = qj_tensor_bytes(own[0]) / dt_bytes(g->dt), .logical = own[0]->data,
                       .physical = own[2]->data, .tensor = own[2]};
    return true;
}

static bool set_up(struct check *k)
{
    k->program = read_program(k);
    if (!k->program) return false;
    k->n = k->a->ncall;
    k->side = ARENA_ARRAY(&k->c->arena, struct side, k->n + 1);
    qj_tensor **own = ARENA_ARRAY(&k->c->arena, qj_tensor *, 3 * k->n + 1);
    int64_t bytes = k->a->a->workspace;
    for (int i = 0; i < k->n; i++) bytes += 2 * artifact_call_arg(k->a, i)->bytes + 2 * MARGIN;
    if (!room_for(k->c, bytes, "the tensors to check it on")) return false;
    defer(&k->c->defers, free_tensors, own);
    for (int i = 0; i < k->n; i++) {
        if (!new_memory(k, &k->side[i], i, own + 3 * i)) return false;
        for (int x = 0; x < k->program->ntensor; x++)
            if (!strcmp(k->program->tensor[x]->name, k->side[i].g->name)) k->side[i].t = k->program->tensor[x];
        if (!k->side[i].t) return fail(k, ERR_UNKNOWN_NAME, "its program lacks one of its arguments");
    }
    k->ev = eval_new(k->c, k->program);
    defer(&k->c->defers, free_eval, k->ev);
    return k->ev != NULL;
}

/* ---- running ---- */

static bool is_output(const struct side *s) { return s->g->role == ARG_OUTPUT; }

/* By the plain entry, as a C program would call it; the uniform one has every other call there is. */
static bool run(struct check *k)
{
    char why[256] = "";
    struct bound b;
    qj_tensor **args = ARENA_ARRAY(&k->c->arena, qj_tensor *, k->n + 1);
    for (int i = 0; i < k->n; i++) args[i] = k->side[i].tensor;
    if (!kernel_bind(&b, k->k, args, k->n, NULL, &(struct why){why, sizeof why}))
        return fail(k, ERR_ARGUMENT, why);
    if (k->k->gpu) {
        bool ok = kernel_run(&b, &(struct why){why, sizeof why});
        kernel_unbind(&b);
        arena_poll(&k->c->arena);
        return ok || fail(k, ERR_DEVICE, why);
    }
    int rc = 0;
    bool called = call_plain(k->k->entry, b.narg, b.arg, &rc);
    kernel_unbind(&b);
    arena_poll(&k->c->arena);
    if (!called) return fail(k, ERR_UNSUPPORTED, "libffi cannot call it");
    if (rc == 0) return true;
    return err_set(&k->c->err, ERR_MISMATCH, (struct span){0}, "%s returned %d", k->a->a->name, rc);
}

static bool margins_ok(const struct side *s)
{
    const unsigned char *at = s->physical;
    for (int i = 0; i < MARGIN; i++)
        if (at[-1 - i] != MARGIN_BYTE || at[s->g->bytes + i] != MARGIN_BYTE) return false;
    return true;
}

static bool elsewhere(struct check *k, bool fetch, enum pattern p)
{
    void **at = ARENA_ARRAY(&k->c->arena, void *, k->n + 1);
    for (int i = 0; i < k->n; i++) at[i] = k->side[i].physical;
    return fetch ? k->place->fetch(k->place->u, k->c, (int)p, at) : k->place->queue(k->place->u, k->c, at);
}

/* The same data each time. */
static void prepare(struct check *k, enum pattern p)
{
    for (int i = 0; i < k->n; i++) {
        struct side *s = &k->side[i];
        memset((char *)s->physical - MARGIN, MARGIN_BYTE, (size_t)s->g->bytes + 2 * MARGIN);
        if (is_output(s)) {
            memset(s->physical, OUTPUT_BYTE, (size_t)s->g->bytes);
            continue;
        }
        fill(k, s, i, p);
        arena_poll(&k->c->arena);
        kernel_to_physical(k->a, i, s->logical, s->physical);
        arena_poll(&k->c->arena);
        eval_bind(k->ev, s->t, s->logical);
    }
}

static bool run_pattern(struct check *k, enum pattern p)
{
    prepare(k, p);
    if (!(k->place ? elsewhere(k, true, p) : run(k))) return false;
    for (int i = 0; i < k->n; i++)
        if (!margins_ok(&k->side[i]))
            return err_set(&k->c->err, ERR_MISMATCH, (struct span){0}, "%s writes outside %s",
                           k->a->a->name, k->side[i].g->name);
    return true;
}

/* ---- comparing ---- */

static bool same(enum dtype d, union value a, union value b)
{
    if (d != DT_F32) return a.i == b.i;
    return (isnan(a.f) && isnan(b.f)) || !memcmp(&a.f, &b.f, sizeof a.f);
}

static void compare(struct check *k, const struct side *s, const int64_t *idx, union value got,
                    union value want, enum pattern p)
{
    k->r->compared++;
    if (same(s->g->dt, got, want) || k->r->different++) return;
    bool f = s->g->dt == DT_F32;
    snprintf(k->r->output, sizeof k->r->output, "%s", s->g->name);
    snprintf(k->r->pattern, sizeof k->r->pattern, "%s", pattern_name[p]);
    memcpy(k->r->index, idx, (size_t)s->g->ndim * sizeof *idx);
    k->r->ndim = s->g->ndim;
    k->r->got = f ? (double)got.f : (double)got.i;
    k->r->want = f ? (double)want.f : (double)want.i;
}

static int64_t offset_of(const struct check *k, const struct side *s, const int64_t *idx)
{
    const struct layout *l = &k->a->call[s - k->side].layout;
    return layout_offset(l->nphys ? l : NULL, s->g->ndim, s->g->shape, idx);
}

static bool compare_every(struct check *k, const struct side *s, enum pattern p)
{
    int64_t idx[QJ_MAX_RANK] = {0};
    if (!eval_all(k->ev, s->t, s->logical)) return false;
    for (int64_t at = 0; at < s->n; at++) {
        if (at % POLL_EVERY == 0) arena_poll(&k->c->arena);
        compare(k, s, idx, value_load(s->g->dt, s->physical, offset_of(k, s, idx)),
                value_load(s->g->dt, s->logical, at), p);
        for (int d = s->g->ndim; d-- > 0;) {
            if (++idx[d] < s->g->shape[d]) break;
            idx[d] = 0;
        }
    }
    return true;
}

/* Point i of a sample: first the corners, then points on an edge and anywhere, in turn. */
static void sample_point(const struct side *s, int64_t i, int64_t corners, uint64_t *seed, int64_t *idx)
{
    int edge = s->g->ndim && i % 2 ? (int)(rng_next(seed) % (uint64_t)s->g->ndim) : -1;
    for (int d = 0; d < s->g->ndim; d++) {
        int64_t last = s->g->shape[d] - 1;
        if (i < corners) idx[d] = (i >> d) & 1 ? last : 0;
        else if (d == edge) idx[d] = rng_next(seed) & 1 ? last : 0;
        else idx[d] = (int64_t)(rng_next(seed) % (uint64_t)s->g->shape[d]);
    }
}

static bool compare_sample(struct check *k, const struct side *s, enum pattern p)
{
    int64_t macs = k->a->a->macs, outputs = 0, corners = INT64_C(1) << s->g->ndim;
    uint64_t seed = k->seed + (uint64_t)p;
    for (int i = 0; i < k->n; i++) outputs += is_output(&k->side[i]) ? k->side[i].n : 0;
    int64_t count = (CHECK_ALL_MACS / PATTERNS) / (macs / (outputs ? outputs : 1) + 1);
    count = count < SAMPLE_MIN ? SAMPLE_MIN : count > SAMPLE_MAX ? SAMPLE_MAX : count;
    count = i64_max(count, corners);
    for (int64_t i = 0; i < count; i++) {
        int64_t idx[QJ_MAX_RANK];
        union value want;
        sample_point(s, i, corners, &seed, idx);
        if (!eval_at(k->ev, s->t, idx, &want)) return false;
        compare(k, s, idx, value_load(s->g->dt, s->physical, offset_of(k, s, idx)), want, p);
    }
    return true;
}

static bool report_difference(struct check *k)
{
    const qj_check_report *r = k->r;
    struct str at = str_on(&k->c->arena);
    for (int i = 0; i < r->ndim; i++) str_printf(&at, i ? ", %" PRId64 : "%" PRId64, r->index[i]);
    return err_set(&k->c->err, ERR_MISMATCH, (struct span){0},
                   "%s[%s] is %.9g and should be %.9g, under %s data; %" PRId64 " of %" PRId64
                   " compared elements differ",
                   r->output, str_text(&at), r->got, r->want, r->pattern, r->different, r->compared);
}

static bool check(struct check *k)
{
    qj_check_report *r = k->r;
    k->seed = 20240229;
    k->every = k->a->a->macs <= CHECK_ALL_MACS;
    if (!set_up(k)) return false;
    r->every = k->every;
    for (int p = 0; k->place && p < PATTERNS; p++) {
        prepare(k, (enum pattern)p);
        if (!elsewhere(k, false, (enum pattern)p)) return false;
    }
    for (int p = 0; p < PATTERNS; p++) {
        if (!run_pattern(k, (enum pattern)p)) return false;
        for (int i = 0; i < k->n; i++) {
            const struct side *s = &k->side[i];
            if (!is_output(s)) continue;
            if (!(k->every ? compare_every : compare_sample)(k, s, (enum pattern)p)) return false;
        }
        r->patterns++;
        if (r->different) return report_difference(k);
    }
    return true;
}

bool check_kernel(struct ir_ctx *c, const struct qj_kernel *k, qj_check_report *r)
{
    c->host = (struct ir_host){host_call, (void *)(uintptr_t)&k->host}; /* those that it was linked to */
    return check(&(struct check){.c = c, .a = k->artifact, .k = k, .r = r});
}

bool check_elsewhere(struct ir_ctx *c, const struct qj_artifact *a, const struct check_place *place, qj_check_report *r)
{
    struct check k = {.c = c, .a = a, .place = place, .r = r};
    if (a->a->next) return fail(&k, ERR_UNSUPPORTED, "it calls functions of the host's, which are not where it would run");
    return check(&k);
}
