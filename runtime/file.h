/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - files appear whole or not at all, and only regular files are read.
 *
 * Errors are ERR_FILE with the path and the system's reason. */
#ifndef QJ_RUNTIME_FILE_H
#define QJ_RUNTIME_FILE_H

#include "ir/base/err.h"

struct file_part { const char *path; const void *bytes; size_t n; };

/* Writes each part to a temporary name beside its path, flushes all to disk, then renames them one after
 * the other. Until the first rename nothing visible has changed; what exists is replaced only if it is a
 * regular file. */
bool file_write(struct err_state *e, const struct file_part *part, int n);

/* A file descriptor of a regular file, and its size; -1: error. Does not wait on pipes or devices. */
int file_open(struct err_state *e, const char *path, int64_t *size);

/* Exactly n bytes; false (no error set) at an early end or a failure. */
bool file_read_all(int fd, void *bytes, size_t n);

/* All n bytes; false (no error set, errno says why) on a failure. */
bool file_write_all(int fd, const void *bytes, size_t n);

/* The last component of a path without its directory; its extension with the dot, or "". */
const char *file_base(const char *path);
const char *file_ext(const char *path);

#endif
