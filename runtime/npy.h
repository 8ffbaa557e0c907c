/* SPDX-License-Identifier: Apache-2.0 */
/* npy.h - numpy's .npy files: versions 1 and 2, little-endian, C order, our element types.
 *
 * A file is hostile until proved otherwise: the header is parsed within its bounds, sizes are checked
 * against the length of the file before anything of that size is allocated. Errors: ERR_NPY, ERR_FILE.
 *
 *     qj_tensor *t = npy_load(e, "a.npy");
 */
#ifndef QJ_RUNTIME_NPY_H
#define QJ_RUNTIME_NPY_H

#include "runtime/tensor.h"

enum { NPY_HEAD_MAX = 64 << 10 };    /* longest header taken; numpy itself writes 118 bytes */

struct npy_head {
    enum dtype dt;
    int ndim;
    int64_t shape[QJ_MAX_RANK];
    size_t data_at;                  /* offset of the first element */
    int64_t bytes;                   /* of all elements: the rest of the file, exactly */
};

/* The header at the beginning of a file of file_size bytes, of which the first n are here (all, or at least
 * NPY_HEAD_MAX + 12). `name` is for messages. */
bool npy_parse(struct err_state *e, const char *name, const void *bytes, size_t n, int64_t file_size,
               struct npy_head *out);
qj_tensor *npy_load(struct err_state *e, const char *path);
bool npy_save(struct err_state *e, const qj_tensor *t, const char *path);

#endif
