/* SPDX-License-Identifier: Apache-2.0 */
/* complete.c - the names that fit at the end of a half-typed line.
 *
 *     first word          commands, primitives, declarations
 *     of a step           stages, STAGE.AXIS, axes, and what the primitive's row says it takes
 *     of a command        what its row says it takes: files, targets, passes, words of help
 *     of a definition     tensors, functions, types */
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "codegen/codegen.h"
#include "ir/parse.h"
#include "schedule/sched.h"
#include "targets/target.h"
#include "tools/qjit/cmds.h"

struct names {
    const char *prefix;
    char **at;
    size_t n, cap;
};

static void add(struct names *v, const char *fmt, ...) QJ_PRINTF(2, 3);
static void add(struct names *v, const char *fmt, ...)
{
    char *name = NULL;
    va_list ap;
    va_start(ap, fmt);
    int len = vasprintf(&name, fmt, ap);
    va_end(ap);
    if (len < 0) return;
    if (v->n == v->cap) {
        size_t cap = v->cap ? 2 * v->cap : 64;
        char **at = realloc(v->at, cap * sizeof *at);
        if (!at) {
            free(name);
            return;
        }
        v->at = at;
        v->cap = cap;
    }
    if (strncmp(name, v->prefix, strlen(v->prefix)) == 0) v->at[v->n++] = name;
    else free(name);
}

static void add_list(struct names *v, const char *const *list)
{
    for (; *list; list++) add(v, "%s", *list);
}

/* ---- files ---- */

/* `before` stands before the path in the word: "A=" or "". */
static void add_files(struct names *v, const char *before)
{
    size_t skip = strlen(before);
    if (strncmp(v->prefix, before, skip) != 0) return;
    const char *path = v->prefix + skip, *slash = strrchr(path, '/');
    int ndir = slash ? (int)(slash - path) + 1 : 0;
    char dir[4096], full[4096 + 256];
    if (ndir >= (int)sizeof dir) return;
    snprintf(dir, sizeof dir, "%.*s", ndir, path);
    DIR *d = opendir(ndir ? dir : ".");
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' && path[ndir] != '.') continue;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || strpbrk(e->d_name, " \t\"\n;#")) continue;
        struct stat st;
        snprintf(full, sizeof full, "%s%s", dir, e->d_name);
        add(v, "%s%s%s", before, full, stat(full, &st) == 0 && S_ISDIR(st.st_mode) ? "/" : "");
    }
    closedir(d);
}

static void add_run_arguments(struct names *v, struct session *s)
{
    const struct ir_env *env = session_tensors(s);
    const char *eq = strchr(v->prefix, '=');
    if (eq) {
        char before[256];
        snprintf(before, sizeof before, "%.*s", (int)(eq - v->prefix) + 1, v->prefix);
        add_files(v, before);
        return;
    }
    for (size_t i = 0; i < env->tensors.n; i++) add(v, "%s=", env->tensors.at[i]->name);
}

/* ---- steps ---- */

static void add_axes(struct names *v, struct sched *sch, int stage, bool dotted)
{
    for (int k = 0; k < sch_naxes(sch, stage); k++) {
        if (dotted) add(v, "%s.%s", sch_stage_name(sch, stage), sch_axis_name(sch, stage, k));
        else add(v, "%s", sch_axis_name(sch, stage, k));
    }
}

/* The lower-case alternatives in a row's syntax: "global|shared|local", "tail=guard|peel|pad",
 * "blockIdx.x|.y|.z". */
static void add_literals(struct names *v, const char *syntax)
{
    size_t n;
    for (; *syntax; syntax += n + strspn(syntax + n, " []")) {
        char word[128], *rest = NULL;
        n = strcspn(syntax, " []");
        if (n < 2 || n >= sizeof word || !islower((unsigned char)*syntax)) continue;
        snprintf(word, sizeof word, "%.*s", (int)n, syntax);
        char *eq = strchr(word, '=');
        int stem = eq ? (int)(eq + 1 - word) : 0, base = 0;
        const char *first = word + stem;
        if (eq) add(v, "%.*s", stem, syntax);
        for (char *t = strtok_r(word + stem, "|", &rest); t; t = strtok_r(NULL, "|", &rest)) {
            if (isupper((unsigned char)*t)) continue;
            if (*t == '.') {
                add(v, "%.*s%s", base, first, t);
            } else {
                add(v, "%.*s%s", stem, syntax, t);
                first = t;
                base = (int)strcspn(t, ".");
            }
        }
    }
}

static void add_step_arguments(struct names *v, struct session *s, const struct prim_info *p, const char *first)
{
    struct sched *sch = session_sched(s);
    if (!sch) return;
    int argument = first != NULL;
    char stage[256] = "";
    if (first) snprintf(stage, sizeof stage, "%.*s", (int)strcspn(first, ". \t"), first);
    bool dotted = !argument ? strncmp(p->syntax, "STAGE.AXIS", 10) == 0 : strstr(p->syntax, "CONSUMER.AXIS") != NULL;
    for (int i = 0; i < sch_nstages(sch); i++) {
        const char *name = sch_stage_name(sch, i);
        if (dotted || strchr(v->prefix, '.')) add_axes(v, sch, i, true);
        else if (!argument || strstr(p->syntax, "[READER")) add(v, "%s", name);
        if (argument && !strcmp(stage, name) && strstr(p->syntax, " AXIS")) add_axes(v, sch, i, false);
    }
    if (!argument && !strncmp(p->syntax, "TENSOR", 6)) {
        const struct program *prog = sch_program(sch);
        for (int i = 0; i < prog->ntensor; i++)
            if (prog->tensor[i]->kind != TENSOR_COMPUTE) add(v, "%s", prog->tensor[i]->name);
    }
    if (!argument) return;
    add_literals(v, strchr(p->syntax, ' ') ? strchr(p->syntax, ' ') : "");
    const struct target *t = sch_target(sch);
    if (strstr(p->syntax, "INTRINSIC") && t)
        for (int i = 0; i < t->nintrin; i++) add(v, "%s", t->intrin[i].row->name);
    if (strstr(p->syntax, "as=DTYPE"))
        for (int i = 0; i < DT_COUNT; i++) add(v, "as=%s", dtype_info[i].name);
}

/* ---- commands and definitions ---- */

static void add_targets(struct names *v)
{
    add(v, "native");
    add(v, "cuda");
    for (int i = 0; families[i]; i++) {
        const struct family *f = families[i];
        add(v, "%s", f->name);
        for (int k = 0; k < f->ncpu; k++) add(v, "%s", f->cpus[k].name);
        const char *plus = strrchr(v->prefix, '+');
        for (int k = 0; plus && k < f->nfeature; k++)
            add(v, "%.*s%s", (int)(plus + 1 - v->prefix), v->prefix, f->features[k].name);
    }
}

static void add_command_arguments(struct names *v, struct session *s, enum cmd_takes takes)
{
    const char *list[FIRST_WORDS + 16];
    size_t n = 0;
    switch (takes) {
    case TAKES_NOTHING:
    case TAKES_WORD: return;
    case TAKES_FILE: add_files(v, ""); return;
    case TAKES_RUN: add_run_arguments(v, s); return;
    case TAKES_TARGET: add_targets(v); return;
    case TAKES_PASS:
        for (const struct cg_pass *p = cg_passes; p->name; p++) add(v, "%s", p->name);
        return;
    case TAKES_HELP:
        n = first_words(list);
        n += help_topics(list + n);
        for (size_t i = 0; i < n; i++) add(v, "%s", list[i]);
        return;
    case TAKES_EXPLAIN:
        for (int i = 1; i < ERR_COUNT; i++) add(v, "%s", err_name((enum err_code)i));
        return;
    }
}

static void add_expression_words(struct names *v, struct session *s)
{
    const struct ir_env *env = session_tensors(s);
    for (size_t i = 0; i < env->tensors.n; i++) add(v, "%s", env->tensors.at[i]->name);
    add_list(v, parse_builtins);
    for (int i = 0; i < DT_COUNT; i++) add(v, "%s", dtype_info[i].name);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_unique(struct names *v)
{
    size_t kept = 0;
    if (v->n) qsort(v->at, v->n, sizeof *v->at, by_name);
    for (size_t i = 0; i < v->n; i++) {
        if (kept && !strcmp(v->at[kept - 1], v->at[i])) free(v->at[i]);
        else v->at[kept++] = v->at[i];
    }
    v->n = kept;
}

char **complete_names(void *session, const char *before, size_t *from, size_t *n)
{
    struct session *s = session;
    const char *begin = strrchr(before, ';');
    begin = begin ? begin + 1 : before;
    while (*begin == ' ' || *begin == '\t') begin++;
    size_t first = strcspn(begin, " \t[=");
    bool is_first = begin[first] == 0;
    enum prim prim;
    const struct cmd_info *c = cmd_find(begin, first);
    bool step = prim_by_name(begin, first, &prim);

    /* The word to finish: by blanks for steps and commands, by identifier in an expression. */
    const char *word = before + strlen(before);
    if (is_first || c || sch_is_step(begin, first)) while (word > begin && !strchr(" \t", word[-1])) word--;
    else while (word > begin && (isalnum((unsigned char)word[-1]) || word[-1] == '_')) word--;

    struct names v = {.prefix = word};
    if (is_first) {
        const char *list[FIRST_WORDS];
        size_t count = first_words(list);
        for (size_t i = 0; i < count; i++) add(&v, "%s", list[i]);
    } else if (sch_is_step(begin, first) && !step) {
        bool knob;
        const char *w;
        for (int i = 0; (w = sch_template_word(i, &knob)); i++) add(&v, knob ? "%s=" : "%s", w);
    } else if (step) {
        const char *arg = begin + first + strspn(begin + first, " \t");
        add_step_arguments(&v, s, &prim_info[prim], arg < word ? arg : NULL);
    } else if (c) {
        add_command_arguments(&v, s, c->takes);
    } else {
        add_expression_words(&v, s);
    }
    sort_unique(&v);
    *from = (size_t)(word - before);
    *n = v.n;
    return v.at;
}
