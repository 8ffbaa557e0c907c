/* SPDX-License-Identifier: Apache-2.0 */
/* line.c - libedit. Contract in line.h. */
#include "tools/qjit/line.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_LINES = 5000, HISTORY_BYTES = 1 << 20 };

struct line {
    EditLine *el;
    History *hist;
    FILE *file;             /* history, for appending; NULL: none kept */
    char path[PATH_MAX];
    const char *prompt;
    char *text;             /* the line given out last */
    completer *complete;
    void *u;
};

/* ---- history ---- */

static bool make_parents(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *p = '/';
        if (!ok) return false;
    }
    return true;
}

static bool history_path(char *path)
{
    const char *given = getenv("QJIT_HISTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (given) n = snprintf(path, PATH_MAX, "%s", given);
    else if (state && *state == '/') n = snprintf(path, PATH_MAX, "%s/qjit/history", state);
    else if (home && *home) n = snprintf(path, PATH_MAX, "%s/.local/state/qjit/history", home);
    else return false;
    return n > 0 && n < PATH_MAX && make_parents(path);
}

/* The file only ever grows by appending; now and then it is cut back to what was loaded. */
static void trim(struct line *l)
{
    struct stat st;
    char tmp[PATH_MAX + 8];
    HistEvent ev;
    if (stat(l->path, &st) != 0 || st.st_size < HISTORY_BYTES) return;
    snprintf(tmp, sizeof tmp, "%s.%d", l->path, (int)getpid() % 1000000);
    if (history(l->hist, &ev, H_SAVE, tmp) < 0 || rename(tmp, l->path) != 0) unlink(tmp);
}

static void history_open(struct line *l)
{
    HistEvent ev;
    l->hist = history_init();
    if (!l->hist) return;
    history(l->hist, &ev, H_SETSIZE, HISTORY_LINES);
    history(l->hist, &ev, H_SETUNIQUE, 1);
    el_set(l->el, EL_HIST, history, l->hist);
    if (!history_path(l->path)) return;
    history(l->hist, &ev, H_LOAD, l->path);
    trim(l);
    l->file = fopen(l->path, "ae");
    if (l->file) fseek(l->file, 0, SEEK_END); /* libedit writes its first line where it finds itself at 0 */
}

static void history_add(struct line *l, const char *text)
{
    HistEvent ev;
    if (!l->hist || text[strspn(text, " \t\r\n")] == 0) return;
    if (history(l->hist, &ev, H_ENTER, text) < 0 || !l->file) return;
    history(l->hist, &ev, H_NSAVE_FP, (size_t)1, l->file);
    fflush(l->file);
}

/* ---- completion ---- */

static size_t common(char *const *name, size_t n)
{
    size_t len = strlen(name[0]);
    for (size_t i = 1; i < n; i++) {
        size_t k = 0;
        while (k < len && name[i][k] == name[0][k]) k++;
        len = k;
    }
    return len;
}

static void list_names(char *const *name, size_t n)
{
    size_t width = 0, shown = n > 200 ? 200 : n;
    for (size_t i = 0; i < shown; i++)
        if (strlen(name[i]) > width) width = strlen(name[i]);
    size_t columns = 80 / (width + 2);
    if (columns == 0) columns = 1;
    fputc('\n', stderr);
    for (size_t i = 0; i < shown; i++)
        fprintf(stderr, "%-*s%s", (int)width + 2, name[i], (i + 1) % columns == 0 || i + 1 == shown ? "\n" : "");
    if (shown < n) fprintf(stderr, "... and %zu more\n", n - shown);
}

static unsigned char on_tab(EditLine *el, int ch)
{
    (void)ch;
    struct line *l = NULL;
    el_get(el, EL_CLIENTDATA, &l);
    const LineInfo *li = el_line(el);
    size_t n = 0, from = 0, typed = (size_t)(li->cursor - li->buffer);
    char *before = strndup(li->buffer, typed), insert[256];
    if (!l || !before) {
        free(before);
        return CC_ERROR;
    }
    char **name = l->complete(l->u, before, &from, &n);
    unsigned char result = CC_ERROR;
    if (n > 0) {
        size_t have = typed - from, len = common(name, n);
        char last = len ? name[0][len - 1] : 0;
        bool done = n == 1 && !strchr("/.=", last);
        if (len > have || done) {
            int k = snprintf(insert, sizeof insert, "%.*s%s", (int)(len - have), name[0] + have, done ? " " : "");
            if (k > 0 && (size_t)k < sizeof insert && el_insertstr(el, insert) == 0) result = CC_REFRESH;
        } else {
            list_names(name, n);
            result = CC_REDISPLAY;
        }
    }
    for (size_t i = 0; i < n; i++) free(name[i]);
    free(name);
    free(before);
    return result;
}

/* ---- lines ---- */

static char *prompt_of(EditLine *el)
{
    struct line *l = NULL;
    el_get(el, EL_CLIENTDATA, &l);
    union { const char *in; char *out; } p = {l && l->prompt ? l->prompt : ""}; /* libedit's signature lacks const */
    return p.out;
}

/* Interrupts the read, no more: without SA_RESTART it ends with EINTR. */
static void on_interrupt(int sig) { (void)sig; }

struct line *line_open(completer *complete, void *u)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) return NULL;
    struct line *l = calloc(1, sizeof *l);
    if (!l) return NULL;
    /* Prompt and echo are talk: they go where stderr goes, so that stdout may be a file. */
    l->el = el_init("qjit", stdin, stderr, stderr);
    if (!l->el) {
        free(l);
        return NULL;
    }
    l->complete = complete;
    l->u = u;
    el_set(l->el, EL_CLIENTDATA, l);
    el_set(l->el, EL_PROMPT, prompt_of);
    el_set(l->el, EL_EDITOR, "emacs");
    el_wset(l->el, EL_ADDFN, L"qj-complete", L"complete a name", on_tab); /* el_set would leak copies of the names */
    el_set(l->el, EL_BIND, "^I", "qj-complete", NULL);
    el_set(l->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    history_open(l);
    el_source(l->el, NULL);
    return l;
}

const char *line_read(struct line *l, const char *prompt)
{
    struct sigaction quiet = {.sa_handler = on_interrupt}, before;
    sigemptyset(&quiet.sa_mask);
    sigaction(SIGINT, &quiet, &before);
    const char *got;
    int n;
    free(l->text);
    l->text = NULL;
    l->prompt = prompt;
    errno = 0;
    got = el_gets(l->el, &n);
    bool dropped = !got && errno == EINTR;
    if (dropped) {
        fputs("^C\n", stderr);
        el_reset(l->el);
    }
    sigaction(SIGINT, &before, NULL);
    if (dropped) return "";
    if (!got || n <= 0) return NULL;
    history_add(l, got);
    return l->text = strdup(got);
}

void line_close(struct line *l)
{
    if (!l) return;
    if (l->file) fclose(l->file);
    el_end(l->el);
    if (l->hist) history_end(l->hist);
    free(l->text);
    free(l);
}
