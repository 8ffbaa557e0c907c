/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/file.h"

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

/* Type codes without the byte order: '<' (or '|' where a byte has none). */
static const struct { const char code[3]; enum dtype dt;
} types[] = {
    {"b1", DT_BOOL}, {"i1", DT_I8},  {"u1", DT_U8},  {"i2", DT_I16},
    {"u2", DT_U16},  {"i4", DT_I32}, {"i8", DT_I64}, {"f4", DT_F32},
};

/* The dictionary is a Python literal; this reads the part of that language numpy writes. */
struct reader {
    struct err_state *e;
    const char *name, *at, *end;
};

static bool bad(struct reader *r, const char *what)
{
    return err_set(r->e, ERR_NPY, (struct span){0}, "%s: %s", r->name, what);
}

static void blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t')) r->at++;
}

static bool accept(struct reader *r, char c)
{
    blanks(r);
    if (r->at == r->end || *r->at != c) return false;
    r->at++;
    return true;
}

static bool string(struct reader *r, const char **text, size_t *n)
{
    blanks(r);
    if (r->at == r->end || (*r->at != '\'' && *r->at != '"'))
        return bad(r, "malformed header: a string expected");
    char quote = *r->at++;
    const char *close = memchr(r->at, quote, (size_t)(r->end - r->at));
    if (!close) return bad(r, "malformed header: a string without an end");
    *text = r->at;
    *n = (size_t)(close - r->at);
    r->at = close + 1;
    return true;
}

static bool extent(struct reader *r, int64_t *out)
{
    blanks(r);
    if (r->at == r->end || *r->at < '0' || *r->at > '9') return bad(r, "malformed header: an extent expected");
    for (*out = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (!ck_mul(*out, 10, out) || !ck_add(*out, *r->at - '0', out)) return bad(r, "an extent is too large");
    return true;
}

static bool shape(struct reader *r, struct npy_head *h)
{
    if (!accept(r, '(')) return bad(r, "malformed header: the shape is no tuple");
    bool comma = true;
    while (!accept(r, ')')) {
        if (!comma) return bad(r, "malformed header: ',' or ')' expected in the shape");
        if (h->ndim == QJ_MAX_RANK) return bad(r, "more than 8 dimensions");
        if (!extent(r, &h->shape[h->ndim++])) return false;
        comma = accept(r, ',');
    }
    if (h->ndim == 1 && !comma) return bad(r, "malformed header: the shape is no tuple");
    return true;
}

static bool descr(struct reader *r, struct npy_head *h)
{
    const char *s;
    size_t n;
    if (!string(r, &s, &n)) return false;
    for (size_t i = 0; i < ARRAY_LEN(types) && n == 3; i++) {
        if (memcmp(s + 1, types[i].code, 2)) continue;
        if (s[0] != '<' && !(s[0] == '|' && dt_bytes(types[i].dt) == 1)) continue;
        h->dt = types[i].dt;
        return true;
    }
    return err_set(r->e, ERR_NPY, (struct span){0},
                   "%s: element type '%.*s' is not one of |b1 |i1 |u1 <i2 <u2 <i4 <i8 <f4", r->name,
                   (int)(n < 40 ? n : 40), s);
}

static bool order(struct reader *r)
{
    static const char no[] = "False", yes[] = "True";
    blanks(r);
    size_t left = (size_t)(r->end - r->at);
    if (left >= 4 && !memcmp(r->at, yes, 4))
        return bad(r, "Fortran order; save numpy.ascontiguousarray(x) instead");
    if (left < 5 || memcmp(r->at, no, 5))
        return bad(r, "malformed header: fortran_order is neither True nor False");
    r->at += 5;
    return true;
}

static bool dictionary(struct reader *r, struct npy_head *h)
{
    static const struct {
        const char *text;
        size_t n;
    } keys[] = {{"descr", 5}, {"fortran_order", 13}, {"shape", 5}};
    bool seen[ARRAY_LEN(keys)] = {false}, comma = true;
    if (!accept(r, '{')) return bad(r, "malformed header: no dictionary");
    while (!accept(r, '}')) {
        const char *key;
        size_t n, k = 0;
        if (!comma) return bad(r, "malformed header: ',' or '}' expected");
        if (!string(r, &key, &n)) return false;
        while (k < ARRAY_LEN(keys) && (n != keys[k].n || memcmp(key, keys[k].text, n))) k++;
        if (k == ARRAY_LEN(keys) || seen[k]) return bad(r, "malformed header: unknown or repeated key");
        seen[k] = true;
        if (!accept(r, ':')) return bad(r, "malformed header: ':' expected");
        if (!(k == 0 ? descr(r, h) : k == 1 ? order(r) : shape(r, h))) return false;
        comma = accept(r, ',');
    }
    blanks(r);
    if (r->at != r->end) return bad(r, "malformed header: text after the dictionary");
    if (!seen[0] || !seen[1] || !seen[2])
        return bad(r, "malformed header: descr, fortran_order or shape is missing");
    return true;
}

bool npy_parse(struct err_state *e, const char *name, const void *bytes, size_t n, int64_t file_size,
               struct npy_head *h)
{
    const unsigned char *b = bytes;
    struct reader r = {e, name, NULL, NULL};
    *h = (struct npy_head){0};
    if (n < 10 || memcmp(b, magic, sizeof magic)) return bad(&r, "not a .npy file");
    size_t head, len;
    if (b[6] == 1 && b[7] == 0) {
        head = 10;
        len = (size_t)b[8] | (size_t)b[9] << 8;
    } else if (b[6] == 2 && b[7] == 0 && n >= 12) {
        head = 12;
        len = (size_t)b[8] | (size_t)b[9] << 8 | (size_t)b[10] << 16 | (size_t)b[11] << 24;
    } else
        return bad(&r, "not version 1.0 or 2.0 of the format");
    if (len > NPY_HEAD_MAX) return bad(&r, "the header is longer than 65536 bytes");
    if (len > n - head) return bad(&r, "truncated in the header");
    r.at = (const char *)b + head;
    r.end = r.at + len;
    if (!dictionary(&r, h)) return false;
    h->data_at = head + len;
    h->bytes = tensor_shape_bytes(h->dt, h->ndim, h->shape);
    if (h->bytes < 0) return bad(&r, "more than 2^47 bytes of elements");
    int64_t there = file_size - (int64_t)h->data_at;
    if (there != h->bytes)
        return err_set(e, ERR_NPY, (struct span){0},
                       "%s: %" PRId64 " bytes of elements, but its shape and type need %" PRId64, name, there,
                       h->bytes);
    return true;
}

static bool bools_ok(const qj_tensor *t, int64_t n)
{
    const unsigned char *b = t->data;
    while (n > 0 && *b <= 1) b++, n--;
    return n == 0;
}

static qj_tensor *load_fd(struct err_state *e, const char *path, int fd, int64_t size)
{
    enum { PEEK = NPY_HEAD_MAX + 12 };
    struct npy_head h;
    struct reader r = {e, path, NULL, NULL};
    size_t n = (size_t)i64_min(size, PEEK);
    char *peek = malloc(n + 1);
    bool ok = peek && (file_read_all(fd, peek, n) || bad(&r, "cannot be read"));
    if (!peek) err_set(e, ERR_MEMORY, (struct span){0}, "no memory to read %s", path);
    ok = ok && npy_parse(e, path, peek, n, size, &h);
    free(peek);
    if (!ok) return NULL;
    qj_tensor *t = qj_tensor_new((qj_dtype)h.dt, h.ndim, h.shape);
    if (!t)
        return err_set(e, ERR_MEMORY, (struct span){0}, "no memory for the %" PRId64 " bytes of %s", h.bytes,
                       path),
               NULL;
    if (lseek(fd, (off_t)h.data_at, SEEK_SET) < 0 || !file_read_all(fd, t->data, (size_t)h.bytes))
        ok = bad(&r, "cannot be read");
    else if (h.dt == DT_BOOL && !bools_ok(t, h.bytes))
        ok = bad(&r, "a bool that is neither 0 nor 1");
    if (ok) return t;
    qj_tensor_free(t);
    return NULL;
}

qj_tensor *npy_load(struct err_state *e, const char *path)
{
    int64_t size;
    int fd = file_open(e, path, &size);
    if (fd < 0) return NULL;
    qj_tensor *t = load_fd(e, path, fd, size);
    close(fd);
    return t;
}

static bool save_dense(struct err_state *e, const qj_tensor *t, enum dtype d, const char *path)
{
    int64_t bytes = qj_tensor_bytes(t);
    char dict[256];
    int n = 0;
    const char *code = "";
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].dt == d) code = types[i].code;
    n += snprintf(dict + n, sizeof dict - (size_t)n, "{'descr': '%c%.2s', 'fortran_order': False, 'shape': (",
                  dt_bytes(d) == 1 ? '|' : '<', code);
    for (int i = 0; i < t->ndim; i++)
        n += snprintf(dict + n, sizeof dict - (size_t)n, "%s%" PRId64 "%s", i ? " " : "", t->shape[i],
                      t->ndim == 1 || i + 1 < t->ndim ? "," : "");
    n += snprintf(dict + n, sizeof dict - (size_t)n, "), }");
    size_t head = ((size_t)n + 1 + 10 + 63) & ~(size_t)63; /* the data begin on a multiple of 64 */
    char *file = malloc(head + (size_t)bytes);
    if (!file) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to write %s", path);
    memset(file, ' ', head);
    memcpy(file, magic, sizeof magic);
    size_t len = head - 10;
    memcpy(file + 6, (char[]){1, 0, (char)(len & 255), (char)(len >> 8)}, 4);
    memcpy(file + 10, dict, (size_t)n);
    file[head - 1] = '\n';
    if (bytes) memcpy(file + head, qj_tensor_data(t), (size_t)bytes);
    bool ok = file_write(e, &(struct file_part){path, file, head + (size_t)bytes}, 1);
    free(file);
    return ok;
}

bool npy_save(struct err_state *e, const qj_tensor *t, const char *path)
{
    enum dtype d;
    if (qj_tensor_bytes(t) < 0 || !tensor_dtype(t, &d) || t->ndim > QJ_MAX_RANK || t->device.type != DL_CPU
        || (!t->data && qj_tensor_bytes(t)))
        return err_set(e, ERR_NPY, (struct span){0},
                       "%s: the tensor has too many dimensions, a type of others, no data, or lies elsewhere", path);
    if (tensor_contiguous(t)) return save_dense(e, t, d, path);
    qj_tensor *dense = qj_tensor_dense(t);
    if (!dense) return err_set(e, ERR_MEMORY, (struct span){0}, "no memory to write %s", path);
    bool ok = save_dense(e, dense, d, path);
    qj_tensor_free(dense);
    return ok;
}
