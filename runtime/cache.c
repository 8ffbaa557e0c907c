/* SPDX-License-Identifier: Apache-2.0 */
/* cache.c - contract in cache.h.
 *
 * An entry:  magic[8]  key length[8]  payload length[8]  key  payload  SHA-256 of all before, as 64 digits */
#include "runtime/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ir/base/digest.h"
#include "runtime/file.h"

static const char magic[8] = "qjit-kch";
static const char temp_prefix[] = "tmp.";

enum { HEAD = 24, DIGEST = DIGEST_HEX - 1, NAME = DIGEST_HEX, TEMP_NAME = 64, TEMP_OLD_SECONDS = 600, TEMP_TRIES = 8 };
static const int64_t most_entry = INT64_C(1) << 30;

enum trouble { TROUBLE_DIR = 1, TROUBLE_WRITE = 2, TROUBLE_ENTRY = 4 };

struct cache {
    int dir;                    /* -1: not to be used */
    int64_t bound;
    int64_t since;              /* bytes written since the directory was looked at; -1: not looked at yet */
    unsigned told;              /* enum trouble */
    bool untold;                /* `why` is new */
    char why[512];
};

/* Told at the next cache_trouble, each kind once. */
static void tell(struct cache *c, enum trouble kind, const char *fmt, ...) QJ_PRINTF(3, 4);
static void tell(struct cache *c, enum trouble kind, const char *fmt, ...)
{
    va_list ap;
    if (c->told & kind) return;
    c->told |= kind;
    va_start(ap, fmt);
    vsnprintf(c->why, sizeof c->why, fmt, ap);
    va_end(ap);
    c->untold = true;
}

const char *cache_trouble(struct cache *c)
{
    if (!c || !c->untold) return NULL;
    c->untold = false;
    return c->why;
}

/* ---- the directory ---- */

static bool usable(struct cache *c, const char *path)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        tell(c, TROUBLE_DIR, "cannot make the cache directory %s: %s", path, strerror(errno));
        return false;
    }
    c->dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (c->dir < 0 || fstat(c->dir, &st) != 0) {
        const char *why = strerror(errno);
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) why = "it is a link"; /* which open calls no directory */
        tell(c, TROUBLE_DIR, "cannot open the cache directory %s: %s", path, why);
        return false;
    }
    if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH))) return true;
    tell(c, TROUBLE_DIR, "the cache directory %s is not used: %s", path,
         st.st_uid != geteuid() ? "it belongs to another user" : "others may write to it");
    return false;
}

struct cache *cache_open(const char *path, int64_t bytes)
{
    struct cache *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->dir = c->since = -1;
    c->bound = bytes > 0 ? bytes : CACHE_DEFAULT_BYTES;
    if (usable(c, path)) return c;
    if (c->dir >= 0) close(c->dir);
    c->dir = -1;
    return c;
}

void cache_close(struct cache *c)
{
    if (!c) return;
    if (c->dir >= 0) close(c->dir);
    free(c);
}

/* ---- an entry ---- */

static void put_u64(unsigned char *to, uint64_t v)
{
    for (int i = 0; i < 8; i++) to[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) v |= (uint64_t)at[i] << (8 * i);
    return v;
}

void *cache_entry(const char *key, const void *bytes, size_t n, size_t *size)
{
    char digest[DIGEST_HEX];
    size_t nkey = strlen(key), before = HEAD + nkey + n;
    unsigned char *file = malloc(before + DIGEST);
    if (!file) return NULL;
    memcpy(file, magic, sizeof magic);
    put_u64(file + 8, nkey);
    put_u64(file + 16, n);
    memcpy(file + HEAD, key, nkey);
    memcpy(file + HEAD + nkey, bytes, n);
    digest_hex(file, before, digest);
    memcpy(file + before, digest, DIGEST);
    *size = before + DIGEST;
    return file;
}

const void *cache_payload(const void *file, size_t size, const char *key, size_t *n)
{
    const unsigned char *at = file;
    char digest[DIGEST_HEX];
    size_t nkey = strlen(key);
    if (size < HEAD + DIGEST || memcmp(at, magic, sizeof magic)) return NULL;
    size_t left = size - HEAD - DIGEST;
    if (get_u64(at + 8) != nkey || nkey > left || get_u64(at + 16) != left - nkey) return NULL;
    if (memcmp(at + HEAD, key, nkey)) return NULL;
    digest_hex(file, size - DIGEST, digest);
    if (memcmp(at + size - DIGEST, digest, DIGEST)) return NULL;
    *n = left - nkey;
    return at + HEAD + nkey;
}

/* A name that no other writer takes. */
static void temp_name(char name[TEMP_NAME], int i)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, TEMP_NAME, "%s%ld.%lld.%ld", temp_prefix, (long)getpid(), (long long)now.tv_sec, now.tv_nsec + i);
}

/* Makes way for an entry. What is in a directory of that name was not put there by us: it is put aside, not removed. */
static bool remove_entry(struct cache *c, const char *name)
{
    char aside[TEMP_NAME];
    if (unlinkat(c->dir, name, 0) == 0 || errno == ENOENT || unlinkat(c->dir, name, AT_REMOVEDIR) == 0) return true;
    temp_name(aside, 0);
    return renameat(c->dir, name, c->dir, aside) == 0;
}

/* ---- reading ---- */

/* A file of ours with one name; *gone where it just went, which is no fault. */
static bool ours(int fd, int64_t *size, bool *gone)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return false;
    *size = (int64_t)st.st_size;
    *gone = st.st_nlink == 0;
    return S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
           *size <= most_entry;
}

/* The whole file; NULL: it cannot be trusted. */
static void *read_entry(int fd, size_t *size, bool *gone)
{
    int64_t bytes;
    *gone = false;
    if (!ours(fd, &bytes, gone)) return NULL;
    char *file = malloc((size_t)bytes + 1);
    *size = (size_t)bytes;
    if (!file) *gone = true; /* no fault of the file's */
    if (file && file_read_all(fd, file, *size)) return file;
    free(file);
    return NULL;
}

void *cache_get(struct cache *c, const char *key, size_t *n)
{
    char name[NAME];
    if (!c || c->dir < 0) return NULL;
    digest_hex(key, strlen(key), name);
    int fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno != ELOOP) return NULL;
    size_t size = 0;
    bool gone = false;
    char *file = fd < 0 ? NULL : read_entry(fd, &size, &gone);
    const char *payload = file ? cache_payload(file, size, key, n) : NULL;
    if (payload) {
        futimens(fd, NULL); /* used now; where that cannot be noted, entries go by their age */
        memmove(file, payload, *n);
    } else {
        free(file);
        file = NULL;
        if (!gone) cache_drop(c, key);
    }
    if (fd >= 0) close(fd);
    return file;
}

void cache_drop(struct cache *c, const char *key)
{
    char name[NAME];
    if (!c || c->dir < 0) return;
    digest_hex(key, strlen(key), name);
    tell(c, TROUBLE_ENTRY, "a damaged entry of the cache is made again: %s", name);
    remove_entry(c, name);
}

/* ---- removing ---- */

struct seen { char name[NAME]; int64_t size; struct timespec used; };
struct seen_list { struct seen *at; size_t n, cap; int64_t bytes; };

static bool is_entry(const char *name)
{
    return strlen(name) == NAME - 1 && strspn(name, "0123456789abcdef") == NAME - 1;
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct seen *)a)->used, *y = &((const struct seen *)b)->used;
    if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static bool see(struct seen_list *l, const char *name, const struct stat *st)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct seen *grown = realloc(l->at, cap * sizeof *grown);
        if (!grown) return false;
        l->at = grown;
        l->cap = cap;
    }
    struct seen *s = &l->at[l->n++];
    memcpy(s->name, name, NAME);
    s->size = (int64_t)st->st_size;
    s->used = st->st_mtim;
    l->bytes += s->size;
    return true;
}

/* Old temporary files go here; entries are listed. Files of other names are not ours to count or remove. */
static void list(struct cache *c, struct seen_list *l)
{
    int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    time_t now = time(NULL);
    struct stat st;
    if (!d) {
        if (fd >= 0) close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        bool temp = !strncmp(e->d_name, temp_prefix, strlen(temp_prefix));
        if (!temp && !is_entry(e->d_name)) continue;
        if (fstatat(c->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (temp && now - st.st_mtime > TEMP_OLD_SECONDS) unlinkat(c->dir, e->d_name, 0);
        if (!temp && !see(l, e->d_name, &st)) break;
    }
    closedir(d);
}

/* Down to the bound less an eighth, so that this is not done at every write. */
static void trim(struct cache *c)
{
    struct seen_list l = {0};
    list(c, &l);
    if (l.bytes > c->bound) {
        qsort(l.at, l.n, sizeof *l.at, by_use);
        for (size_t i = 0; i < l.n && l.bytes > c->bound - c->bound / 8; i++)
            if (remove_entry(c, l.at[i].name)) l.bytes -= l.at[i].size;
    }
    free(l.at);
    c->since = 0;
}

/* ---- writing ---- */

/* A new file; -1: none. */
static int make_temp(struct cache *c, char name[TEMP_NAME])
{
    int fd = -1;
    for (int i = 0; i < TEMP_TRIES && fd < 0; i++) {
        temp_name(name, i);
        fd = openat(c->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) break;
    }
    return fd;
}

static bool write_entry(struct cache *c, const char *name, const void *file, size_t size)
{
    char temp[TEMP_NAME];
    int fd = make_temp(c, temp);
    if (fd < 0) return false;
    bool ok = file_write_all(fd, file, size);
    int why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    if (ok && renameat(c->dir, temp, c->dir, name) == 0) return true;
    if (ok) why = errno;
    unlinkat(c->dir, temp, 0);
    errno = why;
    return false;
}

void cache_put(struct cache *c, const char *key, const void *bytes, size_t n)
{
    char name[NAME];
    size_t size;
    if (!c || c->dir < 0 || (int64_t)n > c->bound / 2 || (int64_t)n > most_entry / 2) return;
    void *file = cache_entry(key, bytes, n, &size);
    if (!file) return;
    digest_hex(key, strlen(key), name);
    if (!write_entry(c, name, file, size)) tell(c, TROUBLE_WRITE, "cannot write to the cache: %s", strerror(errno));
    else if (c->since < 0 || (c->since += (int64_t)size) > c->bound / 16) trim(c);
    free(file);
}
