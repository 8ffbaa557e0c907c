/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - `qjit worker`, the compiler process of isolated contexts (runtime/worker.h): reads requests on standard
 * input, a socket, until that ends, and compiles each in a process forked for it.
 *
 * A compiler writes nothing but its answer: it opens no file, starts with none but a pipe, and dumps no core. It may not
 * use more memory and time than the request says, and dies with its server. It starts no thread, process or program, sends no
 * signal but to itself and makes no socket (seccomp, where the system has it), so nothing of it is left when it has ended. */
#include "tools/qjit/worker.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/worker.h"

enum { HOST = 0 };

static bool get_all(int fd, void *to, size_t n)
{
    for (char *at = to; n > 0;) {
        ssize_t got = read(fd, at, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static bool put_all(int fd, const void *from, size_t n)
{
    for (const char *at = from; n > 0;) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        at += put;
        n -= (size_t)put;
    }
    return true;
}

static void limit(int what, rlim_t most)
{
    struct rlimit r = {most, most};
    setrlimit((__rlimit_resource_t)what, &r);
}

/* ---- the compiler ---- */

#if defined(__x86_64__)
enum { ARCH = (int)AUDIT_ARCH_X86_64, OTHER_ABI = 0x40000000 }; /* x32's calls have that bit */
#else
enum { ARCH = (int)AUDIT_ARCH_AARCH64, OTHER_ABI = 0x7fffffff };
#endif

#define WORD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(how, value, then, or) BPF_JUMP(BPF_JMP | (how) | BPF_K, (uint32_t)(value), then, or)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, (uint32_t)(what))

/* Calls that reach beyond this process fail as if it had no right to. */
static void stay_alone(void)
{
    static const int refused[] = {
        SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_kill, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
        SYS_pidfd_send_signal, SYS_ptrace, SYS_process_vm_writev, SYS_process_vm_readv, SYS_socket, SYS_socketpair, SYS_connect,
        SYS_setsid, SYS_setpgid, SYS_prctl,
#if defined(__x86_64__)
        SYS_fork, SYS_vfork,
#endif
    };
    enum { N = sizeof refused / sizeof *refused, MOST = N + 16 };
    struct sock_filter f[MOST];
    unsigned n = 0;
    f[n++] = (struct sock_filter)WORD(arch);
    f[n++] = (struct sock_filter)IF(BPF_JEQ, ARCH, 1, 0);
    f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
    f[n++] = (struct sock_filter)WORD(nr);
    f[n++] = (struct sock_filter)IF(BPF_JGE, OTHER_ABI, 0, 1);
    f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL_PROCESS);
    for (size_t i = 0; i < N; i++) f[n++] = (struct sock_filter)IF(BPF_JEQ, refused[i], (uint8_t)(N - 1 - i + 5), 0);
    f[n++] = (struct sock_filter)IF(BPF_JEQ, SYS_tgkill, 1, 0); /* abort's, to this process */
    f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    f[n++] = (struct sock_filter)WORD(args[0]);
    f[n++] = (struct sock_filter)IF(BPF_JEQ, getpid(), 0, 1);
    f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    f[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    struct sock_fprog program = {(unsigned short)n, f};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void confine(const struct worker_ask *ask)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit(RLIMIT_CPU, ask->ms / 1000 + 2);
#if !defined(QJ_DEBUG) /* sanitizers, whose shadow is larger than any limit */
    limit(RLIMIT_AS, ask->memory);
#endif
    limit(RLIMIT_NOFILE, 0); /* nothing more can be opened */
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NPROC, 0); /* nor started, also where the next is not to be had; root is not bound by it */
    stay_alone();
}

/* The kind of the answer, then its bytes. */
static int compile(const struct worker_ask *ask, const char *text, int out)
{
    enum worker_kind kind;
    void *bytes;
    size_t n;
    confine(ask);
    if (!worker_answer(text, ask->allow_asm != 0, &kind, &bytes, &n)) return EXIT_FAILURE;
    uint64_t k = kind;
    return put_all(out, &k, sizeof k) && put_all(out, bytes, n) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the server ---- */

struct answer { char *at; size_t n, cap; };

/* Reads the answer to its end. False: it took too long or too much, or the host has gone. */
static bool collect(int from, struct answer *a, int64_t until)
{
    for (;;) {
        struct pollfd p[2] = {{.fd = from, .events = POLLIN}, {.fd = HOST, .events = POLLRDHUP}};
        int64_t left = (until - limits_now()) / 1000000;
        if (left <= 0 || a->n > WORKER_REPLY_MAX) return false;
        if (poll(p, 2, (int)(left < 1000 ? left + 1 : 1000)) < 0 && errno != EINTR) return false;
        if (p[1].revents) return false;
        if (!p[0].revents) continue;
        if (a->cap - a->n < 1 << 16) {
            char *more = realloc(a->at, a->cap = 2 * a->cap + (1 << 17));
            if (!more) return false;
            a->at = more;
        }
        ssize_t got = read(from, a->at + a->n, a->cap - a->n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0;
        a->n += (size_t)got;
    }
}

static bool reply(enum worker_kind kind, const void *bytes, size_t n)
{
    struct worker_reply r = {.kind = kind, .size = n};
    memcpy(r.magic, WORKER_REPLY, sizeof r.magic);
    return put_all(HOST, &r, sizeof r) && put_all(HOST, bytes, n);
}

static bool serve(const struct worker_ask *ask, const char *text)
{
    int pair[2], status = 0;
    if (pipe(pair) < 0) return false;
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
        close(pair[0]);
        close(HOST);
        _exit(compile(ask, text, pair[1]));
    }
    struct answer a = {NULL, 0, 0};
    close(pair[1]);
    bool whole = collect(pair[0], &a, limits_now() + (int64_t)ask->ms * 1000000);
    close(pair[0]);
    if (!whole) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    uint64_t kind;
    bool ok;
    if (!whole || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) ok = reply(WORKER_LATE, NULL, 0);
    else if (status || a.n < sizeof kind) ok = reply(WORKER_DIED, &status, sizeof status);
    else {
        memcpy(&kind, a.at, sizeof kind);
        ok = reply((enum worker_kind)kind, a.at + sizeof kind, a.n - sizeof kind);
    }
    free(a.at);
    return ok;
}

/* LLVM made ready once, for all compilers. What goes wrong here goes wrong there again, and is told. */
static void warm_up(void)
{
    qj_ctx *q = qj_ctx_new(NULL);
    qj_define(q, "input A[m:1] : u8; C[m] : u8 = A[m]");
    qj_artifact_free(qj_compile(q, QJ_OBJ));
    qj_ctx_free(q);
}

int worker_main(void)
{
    struct worker_ask ask;
    signal(SIGPIPE, SIG_IGN);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    if (chdir("/") < 0) return EXIT_FAILURE;
    warm_up();
    while (get_all(HOST, &ask, sizeof ask)) {
        bool sane = !memcmp(ask.magic, WORKER_ASK, sizeof ask.magic) && ask.size <= WORKER_ASK_MAX && ask.ms < INT64_MAX / 2000000;
        char *text = sane ? malloc(ask.size + 1) : NULL;
        if (!text || !get_all(HOST, text, ask.size)) return EXIT_FAILURE;
        text[ask.size] = 0;
        bool ok = serve(&ask, text);
        free(text);
        if (!ok) return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
