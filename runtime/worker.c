/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - the host's side: finds, starts, asks, ends. Contract in worker.h.
 *
 * What a host may notice: one child process a context that compiles, a SIGCHLD when it ends, which is when the context is
 * freed or the child was at fault. It is waited for by name, so a host's waitpid(-1) may take it first and does no harm. No
 * signal handler is set, and SIGPIPE is never raised. */
#include "runtime/worker.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/compile.h"
#include "runtime/process.h"
#include "runtime/request.h"
#include "runtime/store.h"
#include "runtime/worker_error.h"

enum { SLICE_MS = 10, GRACE_MS = 2000, DEFAULT_MS = 60000 };
static const uint64_t default_memory = UINT64_C(4) << 30;

struct worker {
    int socket, pidfd;      /* pidfd -1: this kernel has none, or the process has gone (pid 0) */
    pid_t pid, owner;       /* owner: who started it; a child of fork has a copy of this */
};

/* ---- life ---- */

void worker_stop(struct worker *w)
{
    if (!w) return;
    siginfo_t info;
    bool ours = w->owner == getpid();
    close(w->socket);
    if (ours && w->pidfd >= 0) {
        /* While it is there, dead or not, its number is its group's, in which is what it has started. */
        if (pidfd_send_signal(w->pidfd, SIGKILL, NULL, 0) == 0) kill(-w->pid, SIGKILL);
        while (waitid(P_PIDFD, (id_t)w->pidfd, &info, WEXITED) < 0 && errno == EINTR) continue;
    } else if (ours && w->pid > 0) {
        kill(-w->pid, SIGKILL);
        while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR) continue;
    }
    if (w->pidfd >= 0) close(w->pidfd);
    free(w);
}

static bool runnable(const char *path) { return access(path, X_OK) == 0; }

/* The option, $QJIT_WORKER, qjit beside this library or in its bin, else on $PATH. NULL: none. A program with more rights than
 * its user believes neither the environment nor a place that depends on the working directory. */
static const char *find_program(struct qj_ctx *q)
{
    struct arena *a = &q->ir.arena;
    const char *given = q->opt.worker ? q->opt.worker : secure_getenv("QJIT_WORKER"), *slash;
    Dl_info here;
    if (given && *given) return given;
    bool secure = getauxval(AT_SECURE) != 0, known = dladdr((void *)(uintptr_t)worker_compile, &here) && here.dli_fname;
    if (known && (slash = strrchr(here.dli_fname, '/')) && (!secure || *here.dli_fname == '/')) {
        int n = (int)(slash - here.dli_fname);
        const char *beside = arena_printf(a, "%.*s/qjit", n, here.dli_fname);
        const char *bin = arena_printf(a, "%.*s/../bin/qjit", n, here.dli_fname);
        if (runnable(beside)) return beside;
        if (runnable(bin)) return bin;
    }
    return secure ? NULL : "qjit";
}

static bool cannot_start(struct qj_ctx *q, const char *program, int error)
{
    char text[128];
    bool whose = error == ENOENT || error == EACCES || error == ENOEXEC || error == ENOTDIR;
    err_set(&q->ir.err, ERR_WORKER, (struct span){0}, "cannot start the compiler process %s: %s", program,
            strerror_r(error, text, sizeof text));
    if (whose) err_hint(&q->ir.err, "it is the program qjit: name it in qj_options.worker or $QJIT_WORKER, or put it on $PATH");
    return false;
}

static bool start(struct qj_ctx *q)
{
    int pair[2];
    const char *program = find_program(q);
    if (!program) return cannot_start(q, "qjit", ENOENT);
    struct worker *w = calloc(1, sizeof *w);
    if (!w) return err_set(&q->ir.err, ERR_MEMORY, (struct span){0}, "no memory to start a process");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        free(w);
        return cannot_start(q, program, errno);
    }
    static const char *const word[] = {"qjit", "worker", NULL};
    int high = pair[1] < 3 ? fcntl(pair[1], F_DUPFD_CLOEXEC, 3) : pair[1]; /* as process_spawn wants it */
    int bad = high < 0 ? errno : process_spawn(program, word, (const int[]){high, -1, -1}, &w->pid);
    if (high != pair[1] && high >= 0) close(high);
    close(pair[1]);
    if (bad) {
        close(pair[0]);
        free(w);
        return cannot_start(q, program, bad);
    }
    w->socket = pair[0];
    w->owner = getpid();
    w->pidfd = pidfd_open(w->pid, 0);
    if (w->pidfd < 0 && errno == ESRCH) w->pid = 0; /* it has gone, and the host took it: the number may be another's */
    if (w->pidfd < 0 && errno != ESRCH && errno != ENOSYS) {
        bad = errno;
        worker_stop(w);
        return cannot_start(q, program, bad);
    }
    q->worker = w;
    return true;
}

static void drop(struct qj_ctx *q)
{
    worker_stop(q->worker);
    q->worker = NULL;
}

/* ---- talk ---- */

enum went { WENT_WELL, WENT_AWAY, WENT_LATE };

/* All n bytes, one way or the other, until then. Leaves by the pad, with the worker ended, when the call is to end. */
static enum went transfer(struct qj_ctx *q, char *at, size_t n, bool out, int64_t until)
{
    int fd = q->worker->socket;
    while (n > 0) {
        ssize_t got = out ? send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT) : recv(fd, at, n, MSG_DONTWAIT);
        if (got > 0) {
            at += got;
            n -= (size_t)got;
            continue;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) return WENT_AWAY;
        if (limits_now() > until) return WENT_LATE;
        if (limits_over(&q->ir.limits)) {
            drop(q);
            arena_poll(&q->ir.arena);
        }
        poll(&(struct pollfd){.fd = fd, .events = out ? POLLOUT : POLLIN}, 1, SLICE_MS);
    }
    return WENT_WELL;
}

/* The reply's bytes, in the context's defers as they come, and no more room than what has come justifies. */
struct inbox { char *at; };
static void free_inbox(void *p) { free(((struct inbox *)p)->at); }

static enum went receive(struct qj_ctx *q, struct inbox *in, size_t size, int64_t until)
{
    enum { PIECE = 1 << 20 };
    defer(&q->ir.defers, free_inbox, in);
    for (size_t have = 0; have < size;) {
        size_t room = size - have < have + PIECE ? size : 2 * have + PIECE;
        char *more = realloc(in->at, room);
        if (!more) return err_set(&q->ir.err, ERR_MEMORY, (struct span){0}, "no memory for an artifact"), WENT_AWAY;
        in->at = more;
        enum went w = transfer(q, in->at + have, room - have, false, until);
        if (w != WENT_WELL) return w;
        have = room;
    }
    return WENT_WELL;
}

static enum went ask(struct qj_ctx *q, const struct worker_ask *head, const char *text, struct worker_reply *reply, int64_t until)
{
    struct worker_ask h = *head;
    enum went w = transfer(q, (char *)&h, sizeof h, true, until);
    if (w == WENT_WELL) w = transfer(q, (char *)(uintptr_t)text, h.size, true, until);    /* only read */
    return w == WENT_WELL ? transfer(q, (char *)reply, sizeof *reply, false, until) : w;
}

/* ---- what came of it ---- */

static bool fault(struct qj_ctx *q, const char *fmt, ...) QJ_PRINTF(2, 3);
static bool fault(struct qj_ctx *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = arena_vprintf(&q->ir.arena, fmt, ap);
    va_end(ap);
    return err_set(&q->ir.err, ERR_WORKER, (struct span){0}, "%s", text);
}

static bool died(struct qj_ctx *q, int status)
{
    if (!WIFSIGNALED(status)) return fault(q, "the compiler process ended: exit %d", WEXITSTATUS(status));
    const char *name = sigabbrev_np(WTERMSIG(status));
    return fault(q, "the compiler process died: signal %d (SIG%s)", WTERMSIG(status), name ? name : "?");
}

static bool nonsense(struct qj_ctx *q)
{
    drop(q);
    return fault(q, "the compiler process gave an answer that is none");
}

static void free_artifact(void *p) { qj_artifact_free(p); }

/* What was sent off. */
struct job { qj_format format; int n; const struct lowered *const *l; uint64_t memory, ms; };

static bool fits(struct qj_ctx *q, const struct job *j, const struct qj_artifact *w)
{
    if (j->n == 0) return compile_fits(q, j->format, w);
    bool same = w->a->kind == (enum cg_kind)j->format && !strcmp(w->a->name, api_kernel_name(q)) && w->a->nversion == j->n;
    for (int i = 0; same && i < j->n; i++) same = !strcmp(w->a->version[i].target, j->l[i]->target->name);
    return same;
}

static struct qj_artifact *read_artifact(struct qj_ctx *q, const char *bytes, size_t n, const struct job *j)
{
    struct qj_artifact *w = store_read(&q->ir.err, bytes, n);
    defer(&q->ir.defers, free_artifact, w);
    if (w && fits(q, j, w)) return w;
    if (!w && q->ir.err.first.code == ERR_MEMORY) return NULL;
    err_clear(&q->ir.err);
    return nonsense(q), NULL;
}

/* Out of memory over there is another matter than here. */
static void read_error(struct qj_ctx *q, const char *bytes, size_t n, const struct job *j)
{
    struct err_state *e = &q->ir.err;
    if (!worker_error_read(e, bytes, n)) {
        nonsense(q);
        return;
    }
    if (e->first.code != ERR_MEMORY) return;
    err_clear(e);
    err_set(e, ERR_MEMORY, (struct span){0}, "the compiler process's limit of %llu bytes is too small for this",
            (unsigned long long)j->memory);
}

static struct qj_artifact *understand(struct qj_ctx *q, const struct worker_reply *r, const char *bytes, const struct job *j)
{
    int status;
    switch ((enum worker_kind)r->kind) {
    case WORKER_ARTIFACT: return read_artifact(q, bytes, r->size, j);
    case WORKER_ERROR:
        read_error(q, bytes, r->size, j);
        return NULL;
    case WORKER_DIED:
        if (r->size != sizeof status) return nonsense(q), NULL;
        memcpy(&status, bytes, sizeof status);
        return died(q, status), NULL;
    case WORKER_LATE: return fault(q, "the compiler process took longer than %llu ms", (unsigned long long)j->ms), NULL;
    case WORKER_KINDS: break;
    }
    return nonsense(q), NULL;
}

/* An object of several: each target with its steps, then the request without any. The schedule is put aside; were this left by
 * the pad, it would be put back. */
static const char *versions_text(struct qj_ctx *q, const struct job *j)
{
    struct str s = str_on(&q->ir.arena);
    struct sched *sched = q->sched;
    for (int i = 0; i < j->n; i++) str_printf(&s, "%s%s\n%s", WORKER_VERSION, j->l[i]->target->name, j->l[i]->steps);
    q->sched = NULL;
    const char *text = request_text(q, j->format);
    q->sched = sched;
    if (text) str_put(&s, text);
    return text ? str_text(&s) : NULL;
}

static const char *job_text(struct qj_ctx *q, const struct job *j)
{
    if (j->n) return versions_text(q, j);
    struct sched *s = api_sched(q);
    return s && sch_lower(s) ? request_text(q, j->format) : NULL; /* its faults have places here */
}

struct qj_artifact *worker_compile(struct qj_ctx *q, qj_format format, int n, const struct lowered *const *l)
{
    struct job j = {format, n, l, q->opt.worker_memory ? q->opt.worker_memory : default_memory,
                    q->opt.worker_ms > 0 ? (uint64_t)i64_min(q->opt.worker_ms, WORKER_MS_MAX) : DEFAULT_MS};
    const char *text = job_text(q, &j);
    if (!text) return NULL;
    struct worker_ask head = {.size = strlen(text), .memory = j.memory, .ms = j.ms, .allow_asm = q->opt.allow_asm};
    memcpy(head.magic, WORKER_ASK, sizeof head.magic);
    if (head.size > WORKER_ASK_MAX) return fault(q, "the request is too long"), NULL;
    struct inbox *in = ARENA_NEW(&q->ir.arena, struct inbox);
    struct worker_reply reply = {{0}, 0, 0};
    if (q->worker && q->worker->owner != getpid()) drop(q);
    bool used = q->worker != NULL;
    if (!used && !start(q)) return NULL;
    int64_t until = limits_now() + ((int64_t)head.ms + GRACE_MS) * 1000000;
    enum went w = ask(q, &head, text, &reply, until);
    if (w == WENT_AWAY && used) { /* it had gone since */
        drop(q);
        if (!start(q)) return NULL;
        w = ask(q, &head, text, &reply, until);
    }
    bool sane = !memcmp(reply.magic, WORKER_REPLY, sizeof reply.magic) && reply.size <= WORKER_REPLY_MAX;
    if (w == WENT_WELL && !sane) return nonsense(q), NULL;
    if (w == WENT_WELL) w = receive(q, in, reply.size, until);
    if (w == WENT_WELL) return understand(q, &reply, in->at, &j);
    drop(q);
    if (w == WENT_LATE) fault(q, "the compiler process did not answer within %llu ms", (unsigned long long)head.ms + GRACE_MS);
    else fault(q, "the compiler process has gone without an answer");
    return NULL;
}
