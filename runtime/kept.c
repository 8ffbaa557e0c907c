/* SPDX-License-Identifier: Apache-2.0 */
/* kept.c - contract in kept.h. */
#include "runtime/kept.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/request.h"
#include "runtime/rt/qjrt.h"

enum { MOST_STEPS = 1 << 16 };  /* bytes of text: no template writes as much */

const char *kept_key(struct qj_ctx *q, const char *head, qj_format format)
{
    static const char anonymous[] = "no kernels are kept: this program has no build id (link it with -Wl,--build-id)";
    if (!q->cache_dir || !api_target(q)) return NULL;
    if (!q->cache) {
        q->cache = cache_open(q->cache_dir, q->opt.cache_bytes < INT64_MAX ? (int64_t)q->opt.cache_bytes : INT64_MAX);
        build_text(q->build);
        if (!*q->build && q->opt.log) q->opt.log(q->opt.user, "cache", anonymous);
    }
    if (!q->cache || !*q->build) return NULL;
    const char *text = request_text(q, format);
    return text ? arena_printf(&q->ir.arena, "# build %s\n%s%s", q->build, head, text) : NULL;
}

/* An entry as text in the context's arena; NULL: there is none. */
static const char *get_text(struct qj_ctx *q, const char *key)
{
    size_t n;
    int keep = q->ir.defers.n;
    char *bytes = cache_get(q->cache, key, &n);
    defer(&q->ir.defers, free, bytes);
    bool is_text = bytes && n <= MOST_STEPS && !memchr(bytes, 0, n);
    const char *text = is_text ? arena_strndup(&q->ir.arena, bytes, n) : NULL;
    defer_run(&q->ir.defers, keep);
    if (bytes && !text) cache_drop(q->cache, key);
    return text;
}

/* ---- templates ---- */

static const char *find(void *u, const struct sched *s, const char *words, const char **key)
{
    struct qj_ctx *q = u;
    *key = s == q->sched ? kept_key(q, arena_printf(&q->ir.arena, "# template%s\n", words), QJ_OBJ) : NULL;
    return *key ? get_text(q, *key) : NULL;
}

static void keep(void *u, const char *key, const char *steps)
{
    cache_put(((struct qj_ctx *)u)->cache, key, steps, strlen(steps));
}

static void forget(void *u, const char *key) { cache_drop(((struct qj_ctx *)u)->cache, key); }

const struct sch_memory *kept_choices(struct qj_ctx *q)
{
    if (!q->cache_dir) return NULL;
    q->choices = (struct sch_memory){q, find, keep, forget};
    return &q->choices;
}

/* ---- picks ---- */

/* Which machine times are of: lines of /proc/cpuinfo that name the first CPU's model, and the threads. */
static void put_machine(struct str *out)
{
    static const char *const field[] = {"vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU variant", "CPU part"};
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    while (f && fgets(line, sizeof line, f) && *line != '\n')
        for (size_t i = 0; i < ARRAY_LEN(field); i++)
            if (!strncmp(line, field[i], strlen(field[i]))) {
                str_printf(out, "# %s%s", line, strchr(line, '\n') ? "" : "\n");
                break;
            }
    if (f) fclose(f);
    str_printf(out, "# %d threads\n", qjrt_threads());
}

static const char *pick_key(struct qj_ctx *q, const char *words, int n)
{
    struct str head = str_on(&q->ir.arena);
    str_printf(&head, "# pick=%d of template %s\n", n, words);
    if (q->cache_dir) put_machine(&head);
    return kept_key(q, str_text(&head), QJ_OBJ);
}

int kept_pick(struct qj_ctx *q, const char *words, int n)
{
    const char *key = pick_key(q, words, n), *text = key ? get_text(q, key) : NULL;
    if (!text) return 0;
    char *end;
    long nth = strtol(text, &end, 10);
    if (end != text && !*end && nth >= 1 && nth <= n) return (int)nth;
    cache_drop(q->cache, key);
    return 0;
}

void kept_pick_put(struct qj_ctx *q, const char *words, int n, int nth)
{
    const char *key = pick_key(q, words, n), *text = arena_printf(&q->ir.arena, "%d", nth);
    if (key) cache_put(q->cache, key, text, strlen(text));
}
