/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h - bytes kept on disk under a text, for this user's processes.
 *
 *     struct cache *c = cache_open("/home/me/.cache/qjit", 0);
 *     void *bytes = cache_get(c, key, &n);                // malloc'ed; NULL: not there, or not to be trusted
 *     if (!bytes) cache_put(c, key, made, n);
 *     cache_close(c);
 *
 * The directory is made with mode 0700. It must be this user's, writable by nobody else and no link; it is opened
 * once, and everything in it is reached from there. An entry's name is the digest of its key, but the whole key is in
 * it and is compared, with a SHA-256 over all of it. Only regular files of this user with one name are read.
 *
 * An entry appears by a rename, so no reader sees half of one and the death of a writer leaves a temporary file, which
 * is removed when it is old. Nothing is flushed to disk: after a power cut an entry may be garbage, which its digest
 * tells, and what is lost costs one compile; flushing would cost more than many.
 *
 * Any number of processes and threads may share a directory (each with a struct of its own). Entries used least
 * recently go when the directory holds more than its bound; it is looked at when a process first writes and whenever
 * this struct has written a sixteenth of the bound, so for a while it may hold that much more for each writer.
 *
 * Nothing fails: a directory that cannot be read or written costs speed, and cache_trouble says why. */
#ifndef QJ_RUNTIME_CACHE_H
#define QJ_RUNTIME_CACHE_H

#include "ir/base/base.h"

enum { CACHE_DEFAULT_BYTES = 256 << 20 };

struct cache;
/* bytes: the bound, 0: the default. NULL: no memory. */
struct cache *cache_open(const char *dir, int64_t bytes);
void cache_close(struct cache *c);

void *cache_get(struct cache *c, const char *key, size_t *n);
void cache_put(struct cache *c, const char *key, const void *bytes, size_t n);
/* The entry of this key turned out to be worth nothing: it goes. */
void cache_drop(struct cache *c, const char *key);

/* Why something was not kept or not trusted, once for each reason; NULL: nothing new. Borrowed until the next call. */
const char *cache_trouble(struct cache *c);

/* What the bytes of an entry's file hold for a key, inside them; NULL: it is none, or another key's. */
const void *cache_payload(const void *file, size_t size, const char *key, size_t *n);
/* A file that holds it, malloc'ed. NULL: no memory. */
void *cache_entry(const char *key, const void *bytes, size_t n, size_t *size);

#endif
