/* SPDX-License-Identifier: Apache-2.0 */
/* process.c - contract in process.h. A host may notice a SIGCHLD; its waitpid(-1) may take a child first, whose exit is then
 * not known and counts as bad. */
#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/file.h"

enum { MOST_BYTES = 64 << 20, SLICE_NS = 2000000 };

int process_spawn(const char *program, const char *const *arg, const int file[3], pid_t *pid)
{
    union { const char *const *in; char *const *out; } words = {arg}; /* posix_spawn's signature lacks const */
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (posix_spawn_file_actions_init(&files)) return ENOMEM;
    if (posix_spawnattr_init(&how)) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    int bad = 0;
    for (int i = 0; i < 3 && !bad; i++)
        bad = file[i] >= 0 ? posix_spawn_file_actions_adddup2(&files, file[i], i)
                           : posix_spawn_file_actions_addopen(&files, i, "/dev/null", i ? O_WRONLY : O_RDONLY, 0);
    if (!bad) bad = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (!bad) bad = posix_spawnp(pid, program, &files, &how, words.out, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return bad;
}

/* ---- to its end ---- */

/* 3 or more, so that none is closed by being made another. */
static int memory_file(void)
{
    int fd = memfd_create("qjit", MFD_CLOEXEC), high = fd >= 0 && fd < 3 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : fd;
    if (high != fd) close(fd);
    return high;
}

static bool too_large(int fd)
{
    struct stat st;
    return fstat(fd, &st) != 0 || st.st_size > MOST_BYTES;
}

static void bound(pid_t pid)
{
    prlimit(pid, RLIMIT_CORE, &(struct rlimit){0, 0}, NULL);
    prlimit(pid, RLIMIT_FSIZE, &(struct rlimit){MOST_BYTES, MOST_BYTES}, NULL);
    prlimit(pid, RLIMIT_AS, &(struct rlimit){(rlim_t)8 << 30, (rlim_t)8 << 30}, NULL);
}

static enum ran await(pid_t pid, const int file[3], int64_t ms, const struct limits *limits)
{
    int64_t until = limits_now() + ms * 1000000;
    int status = 0;
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid) return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? RAN_WELL : RAN_BADLY;
        if (got < 0 && errno != EINTR) return RAN_BADLY;
        bool stopped = limits_over(limits), late = limits_now() > until || too_large(file[1]) || too_large(file[2]);
        if (stopped || late) {
            kill(-pid, SIGKILL); /* not waited for, so the number is its own */
            while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
            return stopped ? RAN_STOPPED : RAN_LATE;
        }
        nanosleep(&(struct timespec){0, SLICE_NS}, NULL);
    }
}

static char *contents(int fd, size_t *n)
{
    struct stat st;
    *n = 0;
    if (fstat(fd, &st) != 0 || st.st_size > MOST_BYTES || lseek(fd, 0, SEEK_SET) != 0) return NULL;
    char *at = malloc((size_t)st.st_size + 1);
    if (!at) return NULL;
    if (!file_read_all(fd, at, (size_t)st.st_size)) {
        free(at);
        return NULL;
    }
    *n = (size_t)st.st_size;
    at[*n] = 0;
    return at;
}

enum ran process_run(struct process *p, const struct limits *limits)
{
    int file[3] = {-1, -1, -1};
    pid_t pid;
    enum ran how = RAN_NOT;
    p->out = p->err = NULL;
    p->error = 0;
    for (int i = 0; i < 3 && !p->error; i++)
        if ((file[i] = memory_file()) < 0) p->error = errno;
    if (!p->error && (!file_write_all(file[0], p->in, p->nin) || lseek(file[0], 0, SEEK_SET) != 0)) p->error = errno;
    if (!p->error) p->error = process_spawn(p->program, p->arg, file, &pid);
    if (!p->error) {
        bound(pid);
        how = await(pid, file, p->ms, limits);
        p->out = contents(file[1], &p->nout);
        p->err = contents(file[2], &p->nerr);
        if (how == RAN_WELL && (!p->out || !p->err)) how = RAN_NOT, p->error = ENOMEM;
    }
    for (int i = 0; i < 3; i++)
        if (file[i] >= 0) close(file[i]);
    return how;
}

void process_free(struct process *p)
{
    free(p->out);
    free(p->err);
    p->out = p->err = NULL;
}
