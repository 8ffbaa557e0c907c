/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PARTS = 8, MAX_PATH = 4096 };

const char *file_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *file_ext(const char *path)
{
    const char *base = file_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? dot : "";
}

static bool fail(struct err_state *e, const char *what, const char *path)
{
    return err_set(e, ERR_FILE, (struct span){0}, "%s %s: %s", what, path, strerror(errno));
}

/* A last component that a shell, a listing and our temporary name can bear. */
static bool check_name(struct err_state *e, const char *path)
{
    const char *base = file_base(path);
    bool bad = !*base || !strcmp(base, ".") || !strcmp(base, "..") || strlen(base) > 200
               || strlen(path) >= MAX_PATH - 32;
    for (const char *p = base; *p; p++) bad |= (unsigned char)*p < 32 || *p == 127;
    if (!bad) return true;
    err_set(e, ERR_FILE, (struct span){0}, "not a file name: \"%s\"", path);
    err_hint(e, "a file name has 1 to 200 characters, none of them a control character");
    return false;
}

static bool write_bytes(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n < 1 << 30 ? n : 1 << 30);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

/* A file beyond the process's limit is an error (EFBIG) and not the signal that would end the host. */
bool file_write_all(int fd, const void *all, size_t n)
{
    sigset_t signal, before;
    sigemptyset(&signal);
    sigaddset(&signal, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signal, &before);
    bool ok = write_bytes(fd, all, n);
    int why = errno;
    if (!ok && why == EFBIG && !sigismember(&before, SIGXFSZ)) sigtimedwait(&signal, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return ok;
}

/* What is to be renamed to a path. */
struct temp {
    char path[MAX_PATH];    /* "": it has no name */
    int fd;                 /* of a file without a name; else -1 */
};

static void beside(const char *path, unsigned i, char *temp)
{
    int dir = (int)(file_base(path) - path);
    snprintf(temp, MAX_PATH, "%.*s.%s.%ld.%u", dir, path, file_base(path), (long)getpid(), i);
}

/* Creates a new file beside `path` and leaves its name in temp. */
static int create_beside(const char *path, char *temp)
{
    for (unsigned i = 0; i < 100; i++) {
        beside(path, i, temp);
        int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

static bool write_named(struct err_state *e, const struct file_part *p, struct temp *t)
{
    int fd = create_beside(p->path, t->path);
    if (fd < 0) {
        t->path[0] = 0;
        return fail(e, "cannot write", p->path);
    }
    bool ok = file_write_all(fd, p->bytes, p->n) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    errno = why;
    return ok || fail(e, "cannot write", p->path);
}

/* A file that goes with the process until it has a name. False: this directory has none such, or it cannot be written. */
static bool write_nameless(const struct file_part *p, struct temp *t)
{
    char dir[MAX_PATH];
    int n = (int)(file_base(p->path) - p->path);
    snprintf(dir, sizeof dir, "%.*s", n, p->path);
    t->fd = open(n ? dir : ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    if (t->fd < 0) return false;
    if (file_write_all(t->fd, p->bytes, p->n) && fsync(t->fd) == 0) return true;
    close(t->fd);
    t->fd = -1;
    return false;
}

static bool give_name(const struct file_part *p, struct temp *t)
{
    char self[64];
    int done = -1;
    snprintf(self, sizeof self, "/proc/self/fd/%d", t->fd);
    for (unsigned i = 0; i < 100 && done; i++) {
        beside(p->path, i, t->path);
        done = linkat(AT_FDCWD, self, AT_FDCWD, t->path, AT_SYMLINK_FOLLOW);
        if (done && errno != EEXIST) break;
    }
    close(t->fd);
    t->fd = -1;
    if (done) t->path[0] = 0;
    return done == 0;
}

static bool write_temp(struct err_state *e, const struct file_part *p, struct temp *t)
{
    struct stat st;
    t->path[0] = 0;
    t->fd = -1;
    if (!check_name(e, p->path)) return false;
    if (lstat(p->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        err_set(e, ERR_FILE, (struct span){0}, "%s exists and is not a regular file", p->path);
        err_hint(e, "remove it, or choose another name; links are not followed");
        return false;
    }
    return write_nameless(p, t) || write_named(e, p, t);
}

/* Makes the renames durable. A directory that cannot be opened or flushed still has them. */
static void sync_dir(const char *path)
{
    char dir[MAX_PATH];
    int n = (int)(file_base(path) - path);
    snprintf(dir, sizeof dir, "%.*s", n, path);
    int fd = open(n ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

bool file_write(struct err_state *e, const struct file_part *part, int n)
{
    struct temp temp[MAX_PARTS];
    QJ_ASSERT(n <= MAX_PARTS);
    int made = 0, kept = 0;
    bool ok = true;
    while (ok && made < n) {
        ok = write_temp(e, &part[made], &temp[made]);
        made++;
    }
    for (int i = 0; ok && i < n; i++)
        if (temp[i].fd >= 0) ok = give_name(&part[i], &temp[i]) || write_named(e, &part[i], &temp[i]);
    while (ok && kept < n) {
        ok = rename(temp[kept].path, part[kept].path) == 0 || fail(e, "cannot write", part[kept].path);
        if (ok) kept++;
    }
    for (int i = kept; i < made; i++) {
        if (temp[i].fd >= 0) close(temp[i].fd);
        if (temp[i].path[0]) unlink(temp[i].path);
    }
    if (kept) sync_dir(part[0].path);
    return ok;
}

int file_open(struct err_state *e, const char *path, int64_t *size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return fail(e, "cannot read", path), -1;
    if (fstat(fd, &st) != 0) fail(e, "cannot read", path);
    else if (!S_ISREG(st.st_mode))
        err_set(e, ERR_FILE, (struct span){0}, "cannot read %s: not a regular file", path);
    else {
        *size = (int64_t)st.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

bool file_read_all(int fd, void *bytes, size_t n)
{
    for (char *at = bytes; n;) {
        ssize_t got = read(fd, at, n < 1 << 30 ? n : 1 << 30);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}
